-- Written with the gateway's ways in mind: where it looks things up, what it keeps of names, where it stops following.
-- name: path-changed-in-one-text
-- expect: masked
SET search_path = hr; SELECT ssn FROM people ORDER BY id;
-- name: path-changed-between
-- expect: masked
CREATE TABLE public.people (id int, ssn text);
SELECT ssn FROM people;
SET search_path = hr;
SELECT ssn FROM people ORDER BY id;
-- name: path-changed-by-function
-- expect: masked
CREATE TABLE public.people (id int, ssn text);
SELECT set_config('search_path', 'hr', false);
SELECT ssn FROM people ORDER BY id;
-- name: path-restored-by-rollback
-- expect: masked
SET search_path = hr;
BEGIN;
SET LOCAL search_path = public;
CREATE TABLE public.people (id int, ssn text);
SELECT ssn FROM people;
ROLLBACK;
SELECT ssn FROM people ORDER BY id;
-- name: path-restored-by-savepoint
-- expect: masked
CREATE TABLE public.people (id int, ssn text);
BEGIN;
SET search_path = hr;
SAVEPOINT s;
SET search_path = public;
SELECT ssn FROM people;
ROLLBACK TO s;
SELECT ssn FROM people ORDER BY id;
COMMIT;
-- name: temporary-table-undone
-- expect: masked
SET search_path = hr, pg_temp;
BEGIN;
CREATE TEMP TABLE people (id int, ssn text);
SELECT ssn FROM pg_temp.people;
ROLLBACK;
SELECT ssn FROM people ORDER BY id;
-- name: temporary-table-before-and-dropped
-- expect: masked
CREATE TEMP TABLE cards (id int, number text);
SELECT number FROM cards;
DROP TABLE cards;
SELECT number FROM cards ORDER BY id;
-- name: local-path-ends-with-transaction
-- expect: masked
CREATE TABLE public.people (id int, ssn text);
SET search_path = hr;
BEGIN;
SET LOCAL search_path = public;
COMMIT;
SELECT ssn FROM people ORDER BY id;
-- name: discard-restores-path
-- expect: masked
CREATE SCHEMA s;
CREATE TABLE s.cards (id int, number text);
SET search_path = s;
SELECT number FROM cards;
DISCARD ALL;
SELECT number FROM cards ORDER BY id;
-- name: prepared-under-another-path
-- expect: masked
CREATE TABLE public.people (id int, ssn text);
PREPARE p AS SELECT ssn FROM people;
EXECUTE p;
SET search_path = hr;
EXECUTE p;
-- name: prepared-name-taken-twice
-- expect: masked
PREPARE p AS SELECT ssn FROM hr.people;
PREPARE p AS SELECT name FROM hr.people;
EXECUTE p;
-- name: prepared-name-after-deallocate-fails
-- expect: masked
PREPARE p AS SELECT ssn FROM hr.people;
DEALLOCATE q;
PREPARE p AS SELECT 'x';
EXECUTE p;
-- name: prepared-insert-run-with-function
-- expect: masked
PREPARE i (numeric) AS INSERT INTO public.scratch VALUES (1, $1::text);
EXECUTE i (hr.pay_of(1));
SELECT * FROM public.scratch;
-- name: cursor-name-taken-twice
-- expect: masked
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT ssn FROM hr.people ORDER BY id;
COMMIT;
DECLARE c CURSOR WITH HOLD FOR SELECT name FROM hr.people;
FETCH ALL FROM c;
-- name: cursor-kept-over-path
-- expect: masked
CREATE TABLE public.people (id int, ssn text);
SET search_path = hr;
BEGIN;
DECLARE c CURSOR FOR SELECT ssn FROM people ORDER BY id;
SET search_path = public;
FETCH 2 FROM c;
COMMIT;
-- name: cursor-moved-and-fetched-backwards
-- expect: masked
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT salary FROM hr.people ORDER BY id;
MOVE FORWARD ALL FROM c;
FETCH BACKWARD 2 FROM c;
COMMIT;
-- name: function-without-schema-of-harmless-name
-- expect: masked
SET search_path = hr, public;
SELECT pay_of(2);
-- name: own-setting-kept
-- expect: masked
SELECT set_config('my.box', ssn, false) FROM hr.people WHERE id = 1;
SHOW my.box;
SELECT current_setting('my.box', true);
-- name: sequence-set-by-value
-- expect: masked
CREATE SEQUENCE public.box;
SELECT setval('public.box', salary::int) FROM hr.people WHERE id = 1;
SELECT nextval('public.box'), last_value FROM public.box;
-- name: default-of-new-table
-- expect: masked
CREATE TABLE public.box (v numeric DEFAULT hr.pay_of(1));
INSERT INTO public.box DEFAULT VALUES RETURNING v;
-- name: check-of-new-table
-- expect: masked
CREATE TABLE public.box (v text CHECK (v <> hr.pay_of(1)::text));
INSERT INTO public.box VALUES ('48613.27');
-- name: default-of-old-table
-- expect: masked
ALTER TABLE public.scratch ALTER COLUMN note SET DEFAULT hr.pay_of(1)::text;
INSERT INTO public.scratch (id) VALUES (1) RETURNING note;
-- name: generated-column
-- expect: masked
ALTER TABLE public.scratch ADD COLUMN g text GENERATED ALWAYS AS (hr.pay_of(1)::text) STORED;
SELECT g FROM public.scratch;
-- name: child-made-and-read
-- expect: masked
CREATE TABLE public.child () INHERITS (hr.people);
SELECT ssn FROM public.child;
INSERT INTO public.child SELECT * FROM hr.people;
SELECT ssn FROM public.child ORDER BY id;
-- name: parent-made-of-it
-- expect: masked
CREATE TABLE public.parent (ssn text NOT NULL);
ALTER TABLE hr.people INHERIT public.parent;
SELECT ssn FROM public.parent ORDER BY 1;
-- name: swap-of-tables
-- expect: masked
ALTER TABLE hr.people RENAME TO folk;
SELECT ssn FROM hr.folk ORDER BY id;
-- name: swap-of-columns
-- expect: masked
ALTER TABLE hr.people RENAME COLUMN name TO old_name;
ALTER TABLE hr.people RENAME COLUMN ssn TO name;
SELECT name FROM hr.people ORDER BY id;
-- name: schema-renamed
-- expect: masked
ALTER SCHEMA hr RENAME TO open;
SELECT ssn FROM open.people ORDER BY id;
-- name: updated-into-open-column
-- expect: masked
UPDATE hr.people SET name = ssn;
SELECT name FROM hr.people ORDER BY id;
-- name: updated-by-row
-- expect: masked
UPDATE hr.people SET (name, ssn) = (ssn, name);
SELECT name FROM hr.people ORDER BY id;
-- name: updated-through-view
-- expect: masked
UPDATE hr.payroll SET name = tax_number;
SELECT name FROM hr.people ORDER BY id;
-- name: composite-field-of-column
-- expect: masked
UPDATE hr.people SET home.city = ssn;
SELECT home FROM hr.people ORDER BY id;
-- name: conflict-that-copies
-- expect: masked
INSERT INTO hr.people SELECT * FROM hr.people ON CONFLICT (id) DO UPDATE SET name = excluded.ssn RETURNING name;
-- name: union-hides-number
-- expect: masked
SELECT name FROM hr.people UNION ALL SELECT ssn FROM hr.people ORDER BY 1;
-- name: column-count-lies
-- expect: masked
SELECT x.* FROM (SELECT *, 1 AS one FROM hr.people) x ORDER BY x.id;
-- name: several-results-in-one-text
-- expect: masked
SELECT name FROM hr.people ORDER BY id\; SELECT ssn FROM hr.people ORDER BY id\; SELECT 1;
-- name: empty-statements-shift-nothing
-- expect: masked
;;SELECT 1\;;;SELECT id, ssn FROM hr.people ORDER BY id\; SELECT 'a', 'b';
-- name: error-shifts-nothing
-- expect: masked
SELECT 1/0\; SELECT ssn FROM hr.people;
SELECT ssn FROM hr.people WHERE id = 1;
-- name: error-of-constant-folded-function
-- expect: masked
SELECT ('x' || hr.pay_of(1))::int;
-- name: error-inside-xml-query
-- expect: masked
SELECT query_to_xml('SELECT (''x'' || ssn)::int FROM hr.people', true, false, '');
-- name: notice-by-assert
-- expect: masked
DO $$ BEGIN ASSERT false, (SELECT ssn FROM hr.people WHERE id = 1); END $$;
-- name: explain-of-prepared
-- expect: masked
PREPARE p AS SELECT hr.pay_of(1);
EXPLAIN (VERBOSE, ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE p;
-- name: explain-folds-constants
-- expect: masked
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM public.orders WHERE amount > hr.pay_of(1);
-- name: view-made-then-replaced
-- expect: masked
CREATE VIEW public.v AS SELECT id, name AS n FROM hr.people;
SELECT n FROM public.v ORDER BY id;
CREATE OR REPLACE VIEW public.v AS SELECT id, ssn AS n FROM hr.people;
SELECT n FROM public.v ORDER BY id;
-- name: view-undone
-- expect: masked
CREATE VIEW public.staff AS SELECT id, name AS v FROM hr.people;
BEGIN;
DROP VIEW public.staff;
CREATE VIEW public.staff AS SELECT id, 'x'::text AS v FROM hr.people;
ROLLBACK;
SELECT v, tax_number FROM public.staff, hr.payroll ORDER BY 1, 2;
-- name: key-that-refers
-- expect: masked
CREATE TABLE public.guess (s text REFERENCES hr.people (ssn));
INSERT INTO public.guess VALUES ('zorvex-quillan-01');
-- name: index-on-value-that-fails
-- expect: masked
CREATE INDEX ON hr.people ((ssn::int));
-- name: cluster-by-value
-- expect: masked
CLUSTER hr.people USING people_ssn_key;
SELECT name FROM hr.people;
-- name: role-with-own-schema
-- expect: masked
CREATE SCHEMA app;
CREATE VIEW app.people AS SELECT id, name FROM hr.people;
SET search_path = "$user", hr;
SELECT * FROM people ORDER BY id;
DROP VIEW app.people;
SELECT * FROM people ORDER BY id;
-- name: quoted-names-and-escapes
-- expect: masked
SELECT U&"\0073sn" FROM "hr"."people" ORDER BY "id";
-- name: nonstandard-strings
-- expect: masked
SET standard_conforming_strings = off;
SELECT '\'', ssn, '\'' FROM hr.people;
-- name: comment-that-ends-early
-- expect: masked
SELECT /* /* */ name, -- */
 ssn FROM hr.people ORDER BY id;
-- name: table-that-names-nothing
-- expect: masked
SELECT p FROM hr.people AS p (p) ORDER BY id;
-- name: series-as-long-as-a-value
-- expect: masked
SELECT id, (SELECT count(*) FROM generate_series(1, (salary / 1000)::int)) FROM hr.people ORDER BY id;
SELECT id, (SELECT count(*) FROM (SELECT FROM generate_series(1, 200) LIMIT (salary / 1000)::int) s) FROM hr.people ORDER BY id;
SELECT id, ARRAY(SELECT 1 FROM unnest(string_to_array(notes::text, 'a'))) FROM hr.people ORDER BY id;
-- name: expression-in-its-own-column
-- expect: masked
UPDATE hr.people SET ssn = reverse(ssn) RETURNING ssn;
INSERT INTO hr.people SELECT * FROM hr.people ON CONFLICT (id) DO UPDATE SET ssn = reverse(people.ssn) RETURNING ssn;
-- name: path-by-view-of-settings
-- expect: masked
CREATE SCHEMA app;
CREATE VIEW app.ps AS SELECT * FROM pg_settings;
UPDATE app.ps SET setting = 'hr' WHERE name = 'search_path';
SELECT ssn || '' FROM people ORDER BY id;
WITH w AS (UPDATE app.ps SET setting = 'hr' WHERE name = 'search_path' RETURNING 1) SELECT count(*) FROM w;
SELECT ssn || '' FROM people ORDER BY id;
-- name: view-that-sets-the-path
-- expect: masked
CREATE VIEW public.sp AS SELECT set_config('search_path', 'hr', false) AS path;
SELECT * FROM public.sp;
SELECT ssn || '' FROM people ORDER BY id;
