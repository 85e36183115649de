-- Everyday statements that touch no protected column: their output through the gateway must be the one had directly.
-- One block = one psql session on a fresh copy of the database (schema, values-X, common).

-- name: select-one
-- expect: same
SELECT 1;

-- name: pool-validation
-- expect: same
SELECT 1 AS "?column?", NULL::text, true, 'x'::text;
BEGIN;
SELECT current_user = session_user, current_schema();
COMMIT;

-- name: plain-columns
-- expect: same
SELECT id, name, department_id, started, home FROM hr.people ORDER BY id;

-- name: composite-field
-- expect: same
SELECT id, (home).city, upper((p.home).street) FROM hr.people p WHERE home IS NOT NULL ORDER BY id;

-- name: count-people
-- expect: same
SELECT count(*), count(department_id), min(started), max(name) FROM hr.people;

-- name: table-star-orders
-- expect: same
SELECT * FROM public.orders ORDER BY id;

-- name: table-command-departments
-- expect: same
TABLE hr.departments;

-- name: whole-row-departments
-- expect: same
SELECT d, row_to_json(d), to_jsonb(d) ->> 'title' FROM hr.departments d ORDER BY d.id;

-- name: directory-view-star
-- expect: same
SELECT * FROM hr.directory ORDER BY id;

-- name: directory-view-whole-row
-- expect: same
SELECT d::text, (d).name FROM hr.directory d ORDER BY d.id;

-- name: payroll-view-unprotected-columns
-- expect: same
SELECT person, name FROM hr.payroll ORDER BY person;

-- name: top-paid-unprotected-columns
-- expect: same
SELECT t.person, t.name FROM public.top_paid t WHERE t.person < 3 ORDER BY t.name DESC;

-- name: materialized-view-unprotected-columns
-- expect: same
SELECT id, name FROM hr.ages ORDER BY id;

-- name: cards-holders
-- expect: same
SELECT id, holder FROM public.cards WHERE holder LIKE 'A%' ORDER BY id;

-- name: reviews-stars
-- expect: same
SELECT person_id, avg(stars)::numeric(4,2), count(*) FROM hr.reviews GROUP BY person_id ORDER BY person_id;

-- name: join-orders-people
-- expect: same
SELECT p.name, o.item, o.amount FROM public.orders o JOIN hr.people p ON p.id = o.person_id WHERE o.amount > 30 ORDER BY o.id;

-- name: left-join-departments-count
-- expect: same
SELECT d.title, count(p.id) AS heads FROM hr.departments d LEFT JOIN hr.people p ON p.department_id = d.id GROUP BY d.title ORDER BY heads DESC, d.title;

-- name: join-using
-- expect: same
SELECT id, p.name, c.holder FROM hr.people p LEFT JOIN public.cards c USING (id) ORDER BY id;

-- name: lateral-last-order
-- expect: same
SELECT p.name, l.item, l.placed AT TIME ZONE 'UTC' AS at FROM hr.people p CROSS JOIN LATERAL (SELECT o.item, o.placed FROM public.orders o WHERE o.person_id = p.id ORDER BY o.placed DESC LIMIT 1) l ORDER BY p.id;

-- name: window-functions
-- expect: same
SELECT id, person_id, sum(amount) OVER (PARTITION BY person_id ORDER BY id), row_number() OVER (ORDER BY amount DESC), lag(item) OVER (ORDER BY id) FROM public.orders ORDER BY id;

-- name: window-over-people
-- expect: same
SELECT name, rank() OVER (PARTITION BY department_id ORDER BY started) FROM hr.people ORDER BY id;

-- name: grouping-sets
-- expect: same
SELECT item, person_id, sum(amount), grouping(item, person_id) FROM public.orders GROUP BY CUBE (item, person_id) ORDER BY 1 NULLS LAST, 2 NULLS LAST;

-- name: aggregate-filter-within-group
-- expect: same
SELECT count(*) FILTER (WHERE item = 'pen'), percentile_cont(0.5) WITHIN GROUP (ORDER BY amount), mode() WITHIN GROUP (ORDER BY item), string_agg(DISTINCT item, ',' ORDER BY item) FROM public.orders;

-- name: cte-chain
-- expect: same
WITH big AS (SELECT * FROM public.orders WHERE amount > 50), per AS (SELECT person_id, count(*) AS n FROM big GROUP BY person_id) SELECT p.name, per.n FROM per JOIN hr.people p ON p.id = per.person_id ORDER BY p.name;

-- name: cte-recursive-series
-- expect: same
WITH RECURSIVE f(a, b) AS (SELECT 0, 1 UNION ALL SELECT b, a + b FROM f WHERE b < 100) SELECT a FROM f;

-- name: cte-named-people
-- expect: same
WITH people AS (SELECT id, name AS ssn FROM hr.directory) SELECT ssn FROM people ORDER BY id;

-- name: subqueries
-- expect: same
SELECT title, (SELECT count(*) FROM hr.people p WHERE p.department_id = d.id), EXISTS (SELECT 1 FROM hr.reviews r JOIN hr.people p ON p.id = r.person_id WHERE p.department_id = d.id AND r.stars >= 4) FROM hr.departments d WHERE d.id IN (SELECT department_id FROM hr.people) ORDER BY id;

-- name: set-operations
-- expect: same
SELECT name FROM hr.people UNION SELECT holder FROM public.cards ORDER BY 1;
SELECT id FROM hr.people EXCEPT SELECT person_id FROM hr.reviews ORDER BY 1;

-- name: arrays-and-json-of-orders
-- expect: same
SELECT id, tags[1], data ->> 'n', data -> 'gift', t FROM public.orders, unnest(tags) t WHERE data @> '{"gift": true}' ORDER BY id, t;

-- name: jsonb-each-of-orders
-- expect: same
SELECT o.id, e.key, e.value FROM public.orders o, jsonb_each_text(o.data) e WHERE o.id < 4 ORDER BY 1, 2;

-- name: bi-month-buckets
-- expect: same
SELECT date_trunc('day', placed AT TIME ZONE 'UTC') AS "orders.placed_day", sum(amount) AS "orders.total" FROM public.orders GROUP BY 1 ORDER BY 1 LIMIT 500;

-- name: bi-pivot-case
-- expect: same
SELECT person_id, sum(CASE WHEN item = 'pen' THEN amount ELSE 0 END) AS pen, sum(CASE WHEN item = 'ink' THEN amount ELSE 0 END) AS ink FROM public.orders GROUP BY person_id HAVING sum(amount) > 100 ORDER BY person_id;

-- name: bi-tableau-wrapper
-- expect: same
SELECT "Custom SQL Query"."item" AS "item", COUNT(1) AS "cnt" FROM (
  select o.id, o.item, p.name from public.orders o inner join hr.people p on p.id = o.person_id
) "Custom SQL Query" GROUP BY 1 ORDER BY 1 ASC;

-- name: literals-that-look-protected
-- expect: same
SELECT 'SELECT ssn FROM hr.people' AS ssn, 'salary' AS "salary", name AS body FROM hr.people ORDER BY id;

-- name: functions-on-text
-- expect: same
SELECT public.shout(name), format('%s (%s)', name, id), md5(name), left(name, 2), regexp_replace(name, '[aeiou]', '*', 'g'), to_char(started, 'DD Mon YYYY'), extract(year FROM started) FROM hr.people ORDER BY id;

-- name: xml-of-departments
-- expect: same
SELECT xmlelement(name dept, xmlattributes(id AS no), title) FROM hr.departments ORDER BY id;

-- name: array-and-json-aggregates
-- expect: same
SELECT array_agg(name ORDER BY id), json_agg(json_build_object('id', id, 'name', name) ORDER BY id) FROM hr.people;

-- name: row-constructors
-- expect: same
SELECT ROW(id, name), (id, started) < (3, date '2022-01-01') FROM hr.people ORDER BY id;

-- name: values-and-series
-- expect: same
VALUES (1, 'one'), (2, 'two');
SELECT g, g * g FROM generate_series(1, 5) g;

-- name: insert-returning
-- expect: same
INSERT INTO public.scratch VALUES (1, 'a'), (2, NULL) RETURNING *;
INSERT INTO public.scratch SELECT id, name FROM hr.people RETURNING id, note;

-- name: insert-order-returning-id
-- expect: same
INSERT INTO public.orders (id, person_id, item, amount, placed, tags, data) VALUES (100, 1, 'mug', 7.25, '2024-03-01 10:00:00+00', '{}', '{}') RETURNING id;

-- name: upsert-department
-- expect: same
INSERT INTO hr.departments VALUES (1, 'Research', 5) ON CONFLICT (id) DO UPDATE SET budget = departments.budget + excluded.budget RETURNING id, title, budget;

-- name: update-people-name-returning
-- expect: same
UPDATE hr.people SET name = name || ' B.', started = started + 1 WHERE id = 2 RETURNING id, name, started;
SELECT id, name, started FROM hr.people ORDER BY id;

-- name: update-from
-- expect: same
UPDATE public.orders o SET item = o.item || ' for ' || p.name FROM hr.people p WHERE p.id = o.person_id AND o.id < 4 RETURNING o.id, o.item;

-- name: update-composite-field
-- expect: same
UPDATE hr.people SET home.city = 'York' WHERE id = 1 RETURNING (home).city;

-- name: delete-returning
-- expect: same
DELETE FROM public.orders WHERE id > 10 RETURNING id, item;
DELETE FROM hr.reviews WHERE stars = 1 RETURNING id, person_id;
SELECT count(*) FROM hr.reviews;

-- name: merge-scratch
-- expect: same
INSERT INTO public.scratch VALUES (1, 'old');
MERGE INTO public.scratch s USING hr.directory d ON s.id = d.id WHEN MATCHED THEN UPDATE SET note = d.name WHEN NOT MATCHED THEN INSERT VALUES (d.id, d.name || '+');
SELECT * FROM public.scratch ORDER BY id;

-- name: data-modifying-cte
-- expect: same
WITH moved AS (DELETE FROM public.orders WHERE item = 'ink' RETURNING id, item) INSERT INTO public.scratch SELECT * FROM moved RETURNING id, note;

-- name: transaction-savepoints
-- expect: same
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO public.scratch VALUES (1, 'kept');
SAVEPOINT s1;
INSERT INTO public.scratch VALUES (2, 'lost');
ROLLBACK TO SAVEPOINT s1;
RELEASE SAVEPOINT s1;
COMMIT;
SELECT * FROM public.scratch;

-- name: rollback-everything
-- expect: same
BEGIN;
UPDATE hr.departments SET budget = 0;
SELECT sum(budget) FROM hr.departments;
ROLLBACK;
SELECT sum(budget) FROM hr.departments;

-- name: row-locks
-- expect: same
BEGIN;
SELECT id, title FROM hr.departments WHERE id = 1 FOR UPDATE SKIP LOCKED;
SELECT id FROM hr.people ORDER BY id FOR SHARE;
COMMIT;

-- name: cursor
-- expect: same
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, name FROM hr.people ORDER BY id;
FETCH 2 FROM c;
MOVE 1 FROM c;
FETCH NEXT FROM c;
FETCH BACKWARD 2 FROM c;
CLOSE c;
COMMIT;

-- name: prepared-statements
-- expect: same
PREPARE by_id (int) AS SELECT id, name FROM hr.people WHERE id = $1;
EXECUTE by_id (1);
EXECUTE by_id (3);
SELECT name, statement, parameter_types FROM pg_prepared_statements;
DEALLOCATE by_id;

-- name: copy-orders
-- expect: same
COPY public.orders TO STDOUT;

-- name: copy-people-unprotected-columns
-- expect: same
COPY hr.people (id, name, started) TO STDOUT WITH (FORMAT csv, HEADER);

-- name: copy-query
-- expect: same
COPY (SELECT p.name, o.item FROM hr.people p JOIN public.orders o ON o.person_id = p.id ORDER BY o.id) TO STDOUT CSV;

-- name: create-table-as-unprotected
-- expect: same
CREATE TABLE public.summary AS SELECT person_id, sum(amount) AS total FROM public.orders GROUP BY person_id;
SELECT * FROM public.summary ORDER BY person_id;
DROP TABLE public.summary;

-- name: temp-table-work
-- expect: same
CREATE TEMP TABLE picks (id int PRIMARY KEY, name text) ON COMMIT PRESERVE ROWS;
INSERT INTO picks SELECT id, name FROM hr.people WHERE department_id = 2;
CREATE INDEX ON picks (name);
SELECT p.name FROM picks p ORDER BY p.id;

-- name: own-view-and-function
-- expect: same
CREATE VIEW public.order_names AS SELECT o.id, o.item, d.name FROM public.orders o JOIN hr.directory d ON d.id = o.person_id;
CREATE FUNCTION public.total(int) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT sum(amount) FROM public.orders WHERE person_id = $1';
SELECT * FROM public.order_names ORDER BY id LIMIT 3;
SELECT name, public.total(id) FROM hr.directory ORDER BY id;

-- name: migration-add-column
-- expect: same
BEGIN;
ALTER TABLE public.orders ADD COLUMN status text NOT NULL DEFAULT 'open';
CREATE INDEX orders_person_idx ON public.orders (person_id);
ALTER TABLE public.orders ADD CONSTRAINT orders_person_fk FOREIGN KEY (person_id) REFERENCES hr.people (id);
COMMIT;
SELECT id, status FROM public.orders ORDER BY id LIMIT 2;

-- name: migration-version-table
-- expect: same
CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" character varying NOT NULL PRIMARY KEY);
INSERT INTO "schema_migrations" ("version") VALUES ('20240101000000');
SELECT "schema_migrations"."version" FROM "schema_migrations" ORDER BY "schema_migrations"."version" ASC;

-- name: trigger-on-scratch
-- expect: same
CREATE FUNCTION public.up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := upper(NEW.note); RETURN NEW; END $$;
CREATE TRIGGER up BEFORE INSERT ON public.scratch FOR EACH ROW EXECUTE FUNCTION public.up();
INSERT INTO public.scratch VALUES (1, 'quiet') RETURNING note;

-- name: do-notice-count
-- expect: same
DO $$ DECLARE n int; BEGIN SELECT count(*) INTO n FROM public.orders; RAISE NOTICE 'orders: %', n; END $$;

-- name: sequences
-- expect: same
CREATE SEQUENCE public.ticket START 10;
SELECT nextval('public.ticket'), currval('public.ticket');
SELECT setval('public.ticket', 50);

-- name: identity-column-insert
-- expect: same
CREATE TABLE public.tasks (id int GENERATED ALWAYS AS IDENTITY, label text, done bool DEFAULT false);
INSERT INTO public.tasks (label) VALUES ('a'), ('b') RETURNING *;

-- name: session-settings
-- expect: same
SET client_min_messages TO warning;
SET standard_conforming_strings = on;
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;
SET extra_float_digits = 3;
SET application_name = 'report';
SHOW application_name;
SHOW standard_conforming_strings;
SHOW TRANSACTION ISOLATION LEVEL;
RESET ALL;

-- name: search-path-harmless
-- expect: same
SET search_path TO hr, public;
SELECT id, name FROM people ORDER BY id;
SELECT title FROM departments ORDER BY id;
SELECT id, holder FROM cards ORDER BY id;

-- name: explain-harmless
-- expect: same
EXPLAIN (COSTS OFF) SELECT p.name, o.item FROM hr.people p JOIN public.orders o ON o.person_id = p.id WHERE o.id = 3;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM public.orders;

-- name: listen-without-payload
-- expect: same
LISTEN jobs;
SELECT pg_listening_channels();
UNLISTEN *;

-- name: advisory-lock
-- expect: same
SELECT pg_try_advisory_lock(72707369), pg_advisory_unlock(72707369);

-- name: large-object-of-own-text
-- expect: same
SELECT lo_from_bytea(515151, 'hello'::bytea);
SELECT convert_from(lo_get(515151), 'UTF8');
SELECT lo_unlink(515151);

-- name: comments-and-quoting
-- expect: same
SELECT "p"."name" /* not ssn */ FROM "hr"."people" AS "p" -- salary
WHERE "p"."id" = 1;

-- name: psql-dt
-- expect: same
SELECT n.nspname as "Schema",
  c.relname as "Name",
  CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 't' THEN 'TOAST table' WHEN 'f' THEN 'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END as "Type",
  pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
FROM pg_catalog.pg_class c
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE c.relkind IN ('r','p','')
      AND n.nspname <> 'pg_catalog'
      AND n.nspname !~ '^pg_toast'
      AND n.nspname <> 'information_schema'
ORDER BY 1,2;

-- name: psql-d-relation
-- expect: same
SELECT c.relchecks, c.relkind, c.relhasindex, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, false AS relhasoids, c.relispartition, '', c.reltablespace, CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, c.relpersistence, c.relreplident, am.amname
FROM pg_catalog.pg_class c
 LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid)
LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid)
WHERE c.oid = 'hr.people'::pg_catalog.regclass;

-- name: psql-d-columns
-- expect: same
SELECT a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod),
  (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true)
   FROM pg_catalog.pg_attrdef d
   WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
  a.attnotnull,
  (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
   WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation,
  a.attidentity,
  a.attgenerated
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = 'hr.people'::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;

-- name: psql-d-indexes
-- expect: same
SELECT c2.relname, i.indisprimary, i.indisunique, i.indisclustered, i.indisvalid, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true),
  pg_catalog.pg_get_constraintdef(con.oid, true), contype, condeferrable, condeferred, i.indisreplident, c2.reltablespace
FROM pg_catalog.pg_class c, pg_catalog.pg_class c2, pg_catalog.pg_index i
  LEFT JOIN pg_catalog.pg_constraint con ON (conrelid = i.indrelid AND conindid = i.indexrelid AND contype IN ('p','u','x'))
WHERE c.oid = 'hr.people'::regclass AND c.oid = i.indrelid AND i.indexrelid = c2.oid
ORDER BY i.indisprimary DESC, c2.relname;

-- name: psql-d-constraints
-- expect: same
SELECT r.conname, pg_catalog.pg_get_constraintdef(r.oid, true) FROM pg_catalog.pg_constraint r WHERE r.conrelid = 'hr.people'::regclass AND r.contype = 'c' ORDER BY 1;
SELECT conrelid::pg_catalog.regclass AS ontable, conname, pg_catalog.pg_get_constraintdef(oid, true) AS condef FROM pg_catalog.pg_constraint c WHERE confrelid = 'hr.people'::regclass AND contype = 'f' ORDER BY conname;

-- name: psql-dv-definition
-- expect: same
SELECT pg_catalog.pg_get_viewdef('hr.payroll'::pg_catalog.regclass, true);
SELECT pg_get_viewdef('public.top_paid'::regclass);

-- name: psql-df
-- expect: same
SELECT n.nspname as "Schema", p.proname as "Name", pg_catalog.pg_get_function_result(p.oid) as "Result data type", pg_catalog.pg_get_function_arguments(p.oid) as "Argument data types",
 CASE p.prokind WHEN 'a' THEN 'agg' WHEN 'w' THEN 'window' WHEN 'p' THEN 'proc' ELSE 'func' END as "Type"
FROM pg_catalog.pg_proc p LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('hr', 'public') ORDER BY 1, 2, 4;
SELECT pg_get_functiondef('public.shout(text)'::regprocedure);

-- name: psql-dn
-- expect: same
SELECT n.nspname AS "Name" FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1;

-- name: psql-dT-types
-- expect: same
SELECT n.nspname, pg_catalog.format_type(t.oid, NULL) AS "Name", t.typtype FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid)) AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type el WHERE el.oid = t.typelem AND el.typarray = t.oid) AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema' ORDER BY 1, 2;

-- name: psql-tab-completion
-- expect: same
SELECT pg_catalog.quote_ident(attname) FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c WHERE c.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped AND substring(pg_catalog.quote_ident(attname), 1, 1) = 's' AND pg_catalog.quote_ident(relname) = 'people' AND pg_catalog.pg_table_is_visible(c.oid) LIMIT 1000;

-- name: jdbc-get-tables
-- expect: same
SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, c.relname AS TABLE_NAME, CASE n.nspname ~ '^pg_' OR n.nspname = 'information_schema' WHEN true THEN 'SYSTEM' WHEN false THEN CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END ELSE NULL END AS TABLE_TYPE, d.description AS REMARKS
FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass)
WHERE c.relnamespace = n.oid AND n.nspname LIKE 'hr' AND c.relkind IN ('r', 'v', 'm') ORDER BY TABLE_TYPE, TABLE_SCHEM, TABLE_NAME;

-- name: jdbc-get-primary-keys
-- expect: same
SELECT result.TABLE_SCHEM, result.TABLE_NAME, result.COLUMN_NAME, result.KEY_SEQ, result.PK_NAME FROM (SELECT n.nspname AS TABLE_SCHEM, ct.relname AS TABLE_NAME, a.attname AS COLUMN_NAME, (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ, ci.relname AS PK_NAME, information_schema._pg_expandarray(i.indkey) AS KEYS, a.attnum AS A_ATTNUM FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid) JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid) JOIN pg_catalog.pg_index i ON (a.attrelid = i.indrelid) JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid) WHERE true AND n.nspname = 'hr' AND ct.relname = 'people' AND i.indisprimary) result WHERE result.A_ATTNUM = (result.KEYS).x ORDER BY result.table_name, result.pk_name, result.key_seq;

-- name: jdbc-startup
-- expect: same
SET extra_float_digits = 3;
SET application_name = 'PostgreSQL JDBC Driver';
select current_schema();
SELECT 'x' FROM pg_catalog.pg_type LIMIT 1;

-- name: information-schema-columns
-- expect: same
SELECT table_schema, table_name, column_name, ordinal_position, is_nullable, data_type, udt_name, character_maximum_length, numeric_precision FROM information_schema.columns WHERE table_schema IN ('hr', 'public') ORDER BY 1, 2, 4;

-- name: information-schema-keys
-- expect: same
SELECT tc.constraint_name, tc.constraint_type, kcu.column_name, ccu.table_name AS foreign_table, ccu.column_name AS foreign_column FROM information_schema.table_constraints tc JOIN information_schema.key_column_usage kcu ON tc.constraint_name = kcu.constraint_name JOIN information_schema.constraint_column_usage ccu ON ccu.constraint_name = tc.constraint_name WHERE tc.table_schema = 'hr' AND tc.table_name = 'people' ORDER BY 1, 3;

-- name: prisma-introspection-columns
-- expect: same
SELECT info.table_name, info.column_name, format_type(att.atttypid, att.atttypmod) as formatted_type, info.numeric_precision, info.data_type, info.udt_schema as type_schema_name, info.udt_name as full_data_type, pg_get_expr(attdef.adbin, attdef.adrelid) AS column_default, info.is_nullable, info.is_identity
FROM information_schema.columns info
JOIN pg_attribute att ON att.attname = info.column_name
JOIN (SELECT pg_class.oid, relname, pg_namespace.nspname as namespace FROM pg_class JOIN pg_namespace on pg_namespace.oid = pg_class.relnamespace AND pg_namespace.nspname = ANY (ARRAY['public', 'hr'])) as oid on oid.oid = att.attrelid AND relname = info.table_name AND namespace = info.table_schema
LEFT OUTER JOIN pg_attrdef attdef ON attdef.adrelid = att.attrelid AND attdef.adnum = att.attnum AND table_schema = namespace
WHERE table_schema = ANY (ARRAY['public', 'hr']) ORDER BY namespace, table_name, ordinal_position;

-- name: sqlalchemy-has-table
-- expect: same
SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relname = 'orders' AND pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p', 'f', 'v', 'm']) AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != 'pg_catalog';

-- name: sqlalchemy-orm-select
-- expect: same
SELECT anon_1.orders_id, anon_1.orders_item, people_1.id AS people_1_id, people_1.name AS people_1_name FROM (SELECT orders.id AS orders_id, orders.item AS orders_item, orders.person_id AS orders_person_id FROM orders ORDER BY orders.id LIMIT 3 OFFSET 2) AS anon_1 LEFT OUTER JOIN hr.people AS people_1 ON people_1.id = anon_1.orders_person_id ORDER BY anon_1.orders_id;

-- name: django-introspection
-- expect: same
SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v' ELSE 't' END, obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1;

-- name: django-orm-statements
-- expect: same
SELECT COUNT(*) AS "__count" FROM "orders" WHERE UPPER("orders"."item"::text) LIKE UPPER('%p%');
SELECT (1) AS "a" FROM "orders" WHERE "orders"."id" = 5 LIMIT 1;
UPDATE "orders" SET "amount" = ("orders"."amount" + 1) WHERE "orders"."id" = 5;
SELECT "orders"."id", "orders"."amount" FROM "orders" WHERE "orders"."id" IN (4, 5) ORDER BY "orders"."id" ASC;

-- name: rails-column-definitions
-- expect: same
SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, a.atttypmod, c.collname, col_description(a.attrelid, a.attnum) AS comment, attidentity AS identity, attgenerated as attgenerated
FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation
WHERE a.attrelid = '"orders"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum;

-- name: rails-types
-- expect: same
SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype FROM pg_type as t LEFT JOIN pg_range as r ON oid = rngtypid WHERE t.typname IN ('int2', 'int4', 'int8', 'oid', 'float4', 'float8', 'numeric', 'bool', 'uuid') ORDER BY t.oid;

-- name: rails-create-or-find
-- expect: same
BEGIN;
INSERT INTO "orders" ("id", "person_id", "item", "amount", "placed", "tags", "data") VALUES (77, 2, 'clip', 1.5, '2024-02-02 00:00:00+00', '{a}', '{"k": 1}') ON CONFLICT DO NOTHING RETURNING "id";
SELECT "orders".* FROM "orders" WHERE "orders"."person_id" = 2 ORDER BY "orders"."id" DESC LIMIT 2;
COMMIT;

-- name: pg-stats-of-orders
-- expect: same
ANALYZE public.orders;
SELECT attname, n_distinct, most_common_vals FROM pg_stats WHERE tablename = 'orders' AND attname IN ('item', 'person_id') ORDER BY attname;

-- name: settings-queries
-- expect: same
SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ('server_encoding', 'integer_datetimes', 'block_size') ORDER BY 1;
SELECT current_setting('server_version_num')::int >= 150000, set_config('my.tenant', '42', false);
SHOW my.tenant;

-- name: privileges-queries
-- expect: same
SELECT has_schema_privilege('hr', 'USAGE'), has_table_privilege('hr.people', 'SELECT'), has_column_privilege('hr.people', 'name', 'SELECT');

-- name: function-of-own-in-plpgsql
-- expect: same
CREATE FUNCTION public.label(i int) RETURNS text LANGUAGE plpgsql STABLE AS $$ DECLARE n text; BEGIN SELECT name INTO n FROM hr.people WHERE id = i; IF NOT FOUND THEN RETURN 'nobody'; END IF; RETURN n || ' #' || i; END $$;
SELECT public.label(1), public.label(99);

-- name: union-join-cte-report
-- expect: same
WITH w AS (SELECT p.id, p.name, coalesce(d.title, 'none') AS dept FROM hr.people p LEFT JOIN hr.departments d ON d.id = p.department_id) SELECT dept, count(*), sum(t.total) FROM w LEFT JOIN (SELECT person_id, sum(amount) AS total FROM public.orders GROUP BY 1) t ON t.person_id = w.id GROUP BY ROLLUP (dept) ORDER BY dept NULLS LAST;

-- name: truncate-and-reload
-- expect: same
INSERT INTO public.scratch VALUES (1, 'x');
TRUNCATE public.scratch;
INSERT INTO public.scratch SELECT g, 'n' || g FROM generate_series(1, 3) g;
SELECT * FROM public.scratch ORDER BY id;

-- name: maintenance
-- expect: same
VACUUM ANALYZE public.orders;
REINDEX TABLE public.orders;
CLUSTER public.orders USING orders_pkey;
SELECT count(*) FROM public.orders;
