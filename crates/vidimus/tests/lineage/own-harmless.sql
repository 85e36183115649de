-- name: temporary-table
-- expect: same
CREATE TEMP TABLE t (id int, item text);
INSERT INTO t SELECT id, item FROM orders;
SELECT * FROM t ORDER BY id LIMIT 3;
DROP TABLE t;
-- name: temporary-table-as
-- expect: same
CREATE TEMP TABLE t AS SELECT id, name FROM hr.people;
SELECT * FROM t ORDER BY id;
-- name: transaction-with-ddl
-- expect: same
BEGIN;
CREATE TABLE public.x (a int PRIMARY KEY, b text DEFAULT 'y');
INSERT INTO x (a) VALUES (1), (2) RETURNING *;
SELECT * FROM x;
ROLLBACK;
SELECT count(*) FROM orders;
-- name: view-of-open-columns
-- expect: same
CREATE VIEW public.names AS SELECT id, name FROM hr.people WHERE department_id IS NOT NULL;
SELECT * FROM public.names ORDER BY id;
-- name: path
-- expect: same
SET search_path = hr, public;
SELECT id, name FROM people ORDER BY id;
SHOW search_path;
RESET search_path;
SELECT id, name FROM hr.people ORDER BY id;
-- name: local-path
-- expect: same
BEGIN;
SET LOCAL search_path = hr;
SELECT title FROM departments ORDER BY id;
COMMIT;
SELECT item FROM orders ORDER BY id LIMIT 1;
-- name: cursor
-- expect: same
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, name FROM hr.people ORDER BY id;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
CLOSE c;
COMMIT;
-- name: prepared
-- expect: same
PREPARE p (int) AS SELECT name FROM hr.people WHERE id = $1;
EXECUTE p (1);
EXECUTE p (2);
DEALLOCATE p;
-- name: prepared-change
-- expect: same
PREPARE i (int, text) AS INSERT INTO scratch VALUES ($1, $2) RETURNING *;
EXECUTE i (1, 'a');
EXECUTE i (2, 'b');
-- name: functions-of-the-application
-- expect: same
SELECT shout(name), public.shout(item) FROM hr.people JOIN orders ON orders.person_id = people.id ORDER BY orders.id LIMIT 4;
-- name: masked-column-left-out
-- expect: same
SELECT to_jsonb(x) FROM (SELECT id, name, started FROM hr.people) x ORDER BY x.id;
-- name: aggregates
-- expect: same
SELECT department_id, count(*), min(started), array_agg(name ORDER BY name) FROM hr.people GROUP BY 1 ORDER BY 1 NULLS LAST;
-- name: composite
-- expect: same
SELECT id, (home).city, home FROM hr.people ORDER BY id;
-- name: recursive
-- expect: same
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i, name FROM n LEFT JOIN hr.people ON people.id = i ORDER BY i;
-- name: window
-- expect: same
SELECT id, name, row_number() OVER (PARTITION BY department_id ORDER BY name), lag(name) OVER w FROM hr.people WINDOW w AS (ORDER BY id) ORDER BY id;
-- name: set-operations
-- expect: same
SELECT name FROM hr.people UNION SELECT item FROM orders EXCEPT SELECT 'pen' ORDER BY 1;
-- name: change-of-protected-column
-- expect: same
UPDATE hr.people SET salary = salary, ssn = 'x', name = upper(name) WHERE id = 1 RETURNING id, name;
-- name: insert-of-protected-values
-- expect: same
INSERT INTO hr.reviews VALUES (9, 1, 2, 'new') RETURNING id, stars;
DELETE FROM hr.reviews WHERE id = 9 RETURNING person_id;
-- name: conflict
-- expect: same
INSERT INTO hr.departments VALUES (1, 'Labs', 5) ON CONFLICT (id) DO UPDATE SET title = excluded.title RETURNING *;
-- name: merge
-- expect: same
MERGE INTO scratch s USING orders o ON s.id = o.id WHEN NOT MATCHED AND o.id < 3 THEN INSERT VALUES (o.id, o.item);
SELECT * FROM scratch ORDER BY id;
-- name: copy
-- expect: same
COPY hr.people (id, name, home) TO STDOUT;
COPY (SELECT id, item, tags, data FROM orders ORDER BY id LIMIT 3) TO STDOUT WITH (FORMAT csv, HEADER);
-- name: copy-of-view
-- expect: same
COPY (SELECT * FROM hr.directory ORDER BY id) TO STDOUT;
-- name: errors-of-text
-- expect: same
SELECT nothing FROM orders;
SELECT * FROM nowhere;
SELECT 'x'::int;
SELECT 1 / 0;
-- name: error-in-transaction
-- expect: same
BEGIN;
SELECT 1 / 0;
SELECT 1;
ROLLBACK;
SELECT 2;
-- name: savepoints
-- expect: same
BEGIN;
INSERT INTO scratch VALUES (1, 'a');
SAVEPOINT s;
INSERT INTO scratch VALUES (1 / 0, 'b');
ROLLBACK TO s;
COMMIT;
SELECT * FROM scratch;
-- name: explain
-- expect: same
EXPLAIN (COSTS OFF) SELECT name FROM hr.people WHERE id = 3;
EXPLAIN (COSTS OFF) SELECT * FROM orders o JOIN hr.people p ON p.id = o.person_id;
-- name: settings
-- expect: same
SET statement_timeout = '5s';
SHOW statement_timeout;
SELECT set_config('my.app', 'x', false), current_setting('my.app');
RESET ALL;
-- name: sequence
-- expect: same
CREATE SEQUENCE public.n START 5;
SELECT nextval('public.n'), nextval('n');
SELECT setval('n', 40), currval('n');
-- name: advisory-lock
-- expect: same
SELECT pg_try_advisory_lock(7) AS got;
SELECT pg_advisory_unlock(7) AS gone;
-- name: columns-of-tables
-- expect: same
SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'hr' ORDER BY table_name, ordinal_position;
SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema IN ('hr', 'public') ORDER BY 1, 2;
-- name: definitions
-- expect: same
SELECT pg_get_viewdef('hr.payroll'::regclass), obj_description('hr.people'::regclass), format_type(23, NULL);
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'hr.people'::regclass ORDER BY conname;
SELECT indexdef FROM pg_indexes WHERE schemaname = 'hr' ORDER BY 1;
-- name: sizes-and-rights
-- expect: same
SELECT has_table_privilege('hr.people', 'select'), pg_size_pretty(8192::bigint), current_user, current_schema();
-- name: who-waits
-- expect: same
SELECT count(*) FROM pg_locks WHERE NOT granted;
SELECT count(*) >= 0 FROM pg_class;
-- name: several-in-one
-- expect: same
SELECT 1\; SELECT name FROM hr.people WHERE id = 2\; SELECT 3;
-- name: values-and-table
-- expect: same
VALUES (1, 'a'), (2, 'b');
TABLE hr.departments ORDER BY id;
-- name: json
-- expect: same
SELECT id, data->>'n', jsonb_path_query_first(data, '$.gift') FROM orders ORDER BY id LIMIT 4;
SELECT key, value FROM orders, jsonb_each(data) WHERE id = 1 ORDER BY key;
-- name: arrays
-- expect: same
SELECT id, unnest(tags), cardinality(tags), tags[1] FROM orders ORDER BY id, 2 LIMIT 4;
-- name: lateral
-- expect: same
SELECT p.name, o.id FROM hr.people p CROSS JOIN LATERAL (SELECT id FROM orders WHERE person_id = p.id ORDER BY id LIMIT 1) o ORDER BY 1;
-- name: join-using
-- expect: same
SELECT * FROM (SELECT id, name FROM hr.people) a JOIN (SELECT id, item FROM orders) b USING (id) ORDER BY id;
-- name: table-sample-and-lock
-- expect: same
BEGIN;
SELECT id, item FROM orders ORDER BY id LIMIT 2 FOR UPDATE;
COMMIT;
-- name: truncate
-- expect: same
INSERT INTO scratch VALUES (1, 'a');
TRUNCATE scratch;
SELECT count(*) FROM scratch;
-- name: index
-- expect: same
CREATE INDEX o ON orders (lower(item));
DROP INDEX o;
ALTER TABLE orders ADD COLUMN seen boolean DEFAULT false;
SELECT id, seen FROM orders ORDER BY id LIMIT 1;
-- name: comments
-- expect: same
COMMENT ON TABLE orders IS 'all of them';
SELECT obj_description('orders'::regclass);
-- name: analyze
-- expect: same
ANALYZE orders;
VACUUM orders;
-- name: discard
-- expect: same
DISCARD ALL;
SELECT id FROM hr.people ORDER BY id;
