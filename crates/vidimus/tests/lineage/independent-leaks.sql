-- Ways to get protected values of the corpus out of PostgreSQL 15. Written without looking at the gateway.
-- One block = one psql session on a fresh copy of the database (schema, values-X, common).

-- name: plain-column
-- expect: masked
SELECT ssn FROM hr.people ORDER BY id;

-- name: star
-- expect: masked
SELECT * FROM hr.people ORDER BY id;

-- name: alias-star-with-join
-- expect: masked
SELECT p.*, d.title FROM hr.departments d JOIN hr.people p ON p.department_id = d.id ORDER BY p.id;

-- name: column-alias-harmless-name
-- expect: masked
SELECT id, salary AS started FROM hr.people ORDER BY id;

-- name: table-alias-column-list
-- expect: masked
SELECT x.f, x.g FROM hr.people AS x(a, b, c, d, e, f, g) ORDER BY x.a;

-- name: alias-column-list-swaps-names
-- expect: masked
SELECT q.name FROM hr.people AS q(id, ssn, department_id, started, home, name, born, salary) ORDER BY q.id;

-- name: table-command
-- expect: masked
TABLE hr.reviews;

-- name: table-command-only-and-limit
-- expect: masked
TABLE ONLY public.cards ORDER BY id LIMIT 1;

-- name: whole-row-reference
-- expect: masked
SELECT p FROM hr.people p ORDER BY p.id;

-- name: whole-row-cast-text
-- expect: masked
SELECT p::text FROM hr.people p ORDER BY p.id;

-- name: whole-row-of-view
-- expect: masked
SELECT payroll FROM hr.payroll ORDER BY person;

-- name: whole-row-of-subquery
-- expect: masked
SELECT s FROM (SELECT id, born FROM hr.people ORDER BY id) s;

-- name: row-constructor
-- expect: masked
SELECT ROW(id, ssn, born) FROM hr.people ORDER BY id;

-- name: row-constructor-star
-- expect: masked
SELECT ROW(c.*, 1) FROM public.cards c ORDER BY c.id;

-- name: composite-star-expansion
-- expect: masked
SELECT (r).* FROM (SELECT r FROM hr.reviews r ORDER BY r.id) z;

-- name: composite-field-selection
-- expect: masked
SELECT (p).notes FROM hr.people p ORDER BY (p).id;

-- name: functional-notation-of-column
-- expect: masked
SELECT ssn(p), salary(p) FROM hr.people p ORDER BY id(p);

-- name: functional-notation-on-srf
-- expect: masked
SELECT ssn(e) FROM hr.everyone() e ORDER BY e.id;

-- name: srf-in-list-field
-- expect: masked
SELECT (hr.everyone()).secret_id;

-- name: srf-in-list-star
-- expect: masked
SELECT (hr.everyone()).*;

-- name: application-function-in-list
-- expect: masked
SELECT name, hr.pay_of(id) FROM hr.directory ORDER BY id;

-- name: application-function-in-from
-- expect: masked
SELECT * FROM hr.pay_of(3);

-- name: application-function-in-values
-- expect: masked
VALUES (1, hr.pay_of(1)), (2, hr.pay_of(2));

-- name: row-to-json
-- expect: masked
SELECT row_to_json(p) FROM hr.people p ORDER BY id;

-- name: to-jsonb-minus-key
-- expect: masked
SELECT to_jsonb(p) - 'name' - 'ssn' - 'salary' FROM hr.people p ORDER BY id;

-- name: to-jsonb-arrow
-- expect: masked
SELECT to_jsonb(c) ->> ('num' || 'ber') FROM public.cards c ORDER BY id;

-- name: json-agg-whole-row
-- expect: masked
SELECT json_agg(r ORDER BY r.id) FROM hr.reviews r;

-- name: jsonb-object-agg
-- expect: masked
SELECT jsonb_object_agg(name, jsonb_build_array(born, nicknames)) FROM hr.people;

-- name: jsonb-each-text-of-row
-- expect: masked
SELECT k.key, k.value FROM hr.people p, LATERAL jsonb_each_text(to_jsonb(p)) k WHERE p.id = 2 ORDER BY k.key;

-- name: jsonb-path-query
-- expect: masked
SELECT jsonb_path_query(to_jsonb(p), '$.notes.medical') FROM hr.people p ORDER BY id;

-- name: jsonb-subscript
-- expect: masked
SELECT id, notes['medical'], notes #>> '{level}' FROM hr.people ORDER BY id;

-- name: json-populate-own-type
-- expect: masked
SELECT (jsonb_populate_record(NULL::public.address, jsonb_build_object('street', ssn, 'city', salary))).* FROM hr.people ORDER BY id;

-- name: jsonb-to-record
-- expect: masked
SELECT z.medical FROM hr.people p, jsonb_to_record(p.notes) AS z(medical text, level int) ORDER BY p.id;

-- name: json-each-of-notes
-- expect: masked
SELECT p.id, e.* FROM hr.people p CROSS JOIN LATERAL jsonb_each(p.notes) AS e ORDER BY p.id, e.key;

-- name: array-agg-then-unnest
-- expect: masked
SELECT unnest(a) FROM (SELECT array_agg(number ORDER BY id) AS a FROM public.cards) s;

-- name: string-agg
-- expect: masked
SELECT string_agg(name || '=' || ssn, ';' ORDER BY id) FROM hr.people;

-- name: array-subquery-to-string
-- expect: masked
SELECT array_to_string(ARRAY(SELECT body FROM hr.reviews ORDER BY id), '|');

-- name: rows-from-with-ordinality
-- expect: masked
SELECT * FROM ROWS FROM (unnest(ARRAY(SELECT ssn FROM hr.people ORDER BY id)), generate_series(1, 4)) WITH ORDINALITY AS r(v, g, o);

-- name: json-array-elements-of-agg
-- expect: masked
SELECT json_array_elements_text((SELECT json_agg(salary ORDER BY id) FROM hr.people));

-- name: nicknames-joined
-- expect: masked
SELECT id, (SELECT string_agg(n, '/' ORDER BY o) FROM unnest(nicknames) WITH ORDINALITY u(n, o)) FROM hr.people ORDER BY id;

-- name: nickname-subscript-and-shape
-- expect: masked
SELECT nicknames[1], nicknames[:2], cardinality(nicknames), array_dims(nicknames), 'skelp' = ANY (nicknames) FROM hr.people ORDER BY id;

-- name: xmlagg-xmlelement
-- expect: masked
SELECT xmlagg(xmlelement(name person, xmlattributes(ssn AS t), name) ORDER BY id) FROM hr.people;

-- name: xmlforest-xmlcomment
-- expect: masked
SELECT xmlforest(salary AS a, born AS b), xmlserialize(CONTENT xmlcomment(replace(ssn, '-', ' ')) AS text) FROM hr.people ORDER BY id;

-- name: query-to-xml
-- expect: masked
SELECT query_to_xml('select ssn from hr.people order by id', true, false, '');

-- name: query-to-xml-built-text
-- expect: masked
SELECT query_to_xml(concat('sel', 'ect number fr', 'om public.car', 'ds order by id'), false, true, 'u:x');

-- name: query-to-xml-and-xmlschema
-- expect: masked
SELECT (xpath('//salary/text()', query_to_xml_and_xmlschema('select salary from hr.people order by id', false, false, '')))::text;

-- name: table-to-xml
-- expect: masked
SELECT table_to_xml('hr.people', true, true, '');

-- name: table-to-xml-from-catalogue
-- expect: masked
SELECT table_to_xml(c.oid, true, false, '') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'hr' AND c.relkind = 'r' ORDER BY c.relname;

-- name: schema-to-xml
-- expect: masked
SELECT schema_to_xml('hr', true, false, '');

-- name: database-to-xml-grepped
-- expect: masked
SELECT (xpath('//row/body/text()', database_to_xml(false, false, '')))::text;

-- name: cursor-to-xml
-- expect: masked
BEGIN;
DECLARE c CURSOR FOR SELECT ssn FROM hr.people ORDER BY id;
SELECT cursor_to_xml('c', 10, true, false, '');
COMMIT;

-- name: xmltable-over-column
-- expect: masked
SELECT t.v FROM hr.people p, XMLTABLE('/r' PASSING xmlelement(name r, p.ssn) COLUMNS v text PATH '.') t ORDER BY p.id;

-- name: xpath-over-table-xml
-- expect: masked
SELECT unnest(xpath('//number/text()', table_to_xml('public.cards', false, false, '')))::text;

-- name: ts-stat-dynamic-query
-- expect: masked
SELECT string_agg(word, ',' ORDER BY word) FROM ts_stat('SELECT to_tsvector(''simple'', body) FROM hr.reviews');

-- name: ts-rewrite-dynamic-query
-- expect: masked
SELECT ts_rewrite('a & b'::tsquery, 'SELECT ''a''::tsquery, plainto_tsquery(''simple'', replace(ssn, ''-'', '' '')) FROM hr.people WHERE id = 1');

-- name: ts-headline-and-vector
-- expect: masked
SELECT ts_headline('simple', body, to_tsquery('simple', 'zzz')), to_tsvector('simple', body) FROM hr.reviews ORDER BY id;

-- name: text-search-match-in-list
-- expect: masked
SELECT id, to_tsvector('english', body) @@ to_tsquery('english', 'excels | splendid') FROM hr.reviews ORDER BY id;

-- name: cast-fails-int
-- expect: masked
SELECT ssn::int FROM hr.people WHERE id = 1;

-- name: cast-fails-in-where
-- expect: masked
SELECT id FROM hr.people WHERE ssn::int = 7;

-- name: cast-fails-in-order-by
-- expect: masked
SELECT id FROM public.cards ORDER BY number::numeric;

-- name: cast-fails-in-group-by-having
-- expect: masked
SELECT count(*) FROM hr.reviews GROUP BY body::date HAVING max(body)::uuid IS NOT NULL;

-- name: cast-fails-in-join-condition
-- expect: masked
SELECT o.id FROM public.orders o JOIN hr.people p ON p.id = o.person_id AND p.ssn::inet IS NOT NULL;

-- name: cast-fails-json-context
-- expect: masked
SELECT (body)::json FROM hr.reviews ORDER BY id;

-- name: cast-fails-xml-detail
-- expect: masked
SELECT ('<a>' || number)::xml FROM public.cards WHERE id = 1;

-- name: cast-fails-regclass
-- expect: masked
SELECT quote_ident(ssn)::regclass FROM hr.people WHERE id = 2;

-- name: cast-fails-record-literal
-- expect: masked
SELECT ssn::public.address FROM hr.people WHERE id = 3;

-- name: cast-fails-array-literal
-- expect: masked
SELECT ('{' || salary::text)::int[] FROM hr.people WHERE id = 4;

-- name: cast-fails-enum
-- expect: masked
CREATE TYPE public.mood AS ENUM ('ok');
SELECT (notes ->> 'medical')::public.mood FROM hr.people WHERE id = 1;

-- name: cast-fails-range-jsonpath-tsquery
-- expect: masked
SELECT ('[' || ssn)::int4range FROM hr.people WHERE id = 1;
SELECT ('$.' || ssn || ' ?')::jsonpath FROM hr.people WHERE id = 1;
SELECT (body || ' & (')::tsquery FROM hr.reviews WHERE id = 1;

-- name: cast-fails-in-comma-values-insert
-- expect: masked
INSERT INTO public.scratch VALUES ((SELECT ssn FROM hr.people WHERE id = 1)::int, 'x');

-- name: in-list-error
-- expect: masked
SELECT name FROM hr.people WHERE id IN (1, (SELECT body::int FROM hr.reviews WHERE id = 1));

-- name: division-error-bit
-- expect: masked
SELECT 1 / CASE WHEN salary > 50000 THEN 1 ELSE 0 END FROM hr.people WHERE id = 1;

-- name: to-date-error
-- expect: masked
SELECT to_date(ssn, 'YYYY') FROM hr.people WHERE id = 1;

-- name: make-date-error
-- expect: masked
SELECT make_date(salary::int, 13, 1) FROM hr.people WHERE id = 1;

-- name: decode-error
-- expect: masked
SELECT decode(substr(number, 1, 1), 'hex') FROM public.cards WHERE id = 1;

-- name: bad-regexp-and-encoding-names
-- expect: masked
SELECT convert_to('x', ssn) FROM hr.people WHERE id = 1;
SELECT timestamptz '2024-01-01 00:00:00+00' AT TIME ZONE body FROM hr.reviews WHERE id = 1;
SELECT to_tsvector(number::regconfig, 'x') FROM public.cards WHERE id = 1;

-- name: function-argument-names-object
-- expect: masked
SELECT nextval(quote_ident(ssn)) FROM hr.people WHERE id = 1;
SELECT has_table_privilege(quote_ident(ssn), 'select') FROM hr.people WHERE id = 2;
SELECT pg_get_serial_sequence('public.orders', ssn) FROM hr.people WHERE id = 3;

-- name: query-to-xml-syntax-error
-- expect: masked
SELECT query_to_xml(ssn, true, true, '') FROM hr.people WHERE id = 1;

-- name: set-config-bad-value
-- expect: masked
SELECT set_config('TimeZone', ssn, false) FROM hr.people WHERE id = 1;
SELECT set_config('role', ssn, false) FROM hr.people WHERE id = 1;
SELECT set_config('work_mem', ssn, false) FROM hr.people WHERE id = 1;

-- name: extract-unknown-field
-- expect: masked
SELECT date_trunc(ssn, timestamp '2024-01-01') FROM hr.people WHERE id = 1;

-- name: case-when
-- expect: masked
SELECT name, CASE WHEN salary > 60000 THEN 'high' WHEN salary > 45000 THEN 'mid' ELSE 'low' END AS band FROM hr.people ORDER BY id;

-- name: simple-case-operand
-- expect: masked
SELECT CASE left(ssn, 1) WHEN 'z' THEN name ELSE 'other' END FROM hr.people ORDER BY id;

-- name: coalesce-greatest-nullif
-- expect: masked
SELECT coalesce(NULL, ssn), greatest(salary, 50000), least(born, date '1970-01-01'), nullif(left(ssn, 1), 'z') FROM hr.people ORDER BY id;

-- name: boolean-predicates-in-list
-- expect: masked
SELECT ssn LIKE 'z%', ssn ~ 'l', salary BETWEEN 40000 AND 60000, salary > ALL (ARRAY[35000, 45000]), born IN ('1961-03-17', '1979-08-05'), (salary, born) > (50000, '1970-01-01') FROM hr.people ORDER BY id;

-- name: overlaps-and-ranges
-- expect: masked
SELECT (born, interval '10 years') OVERLAPS (date '1960-01-01', date '1968-01-01'), daterange(born, NULL), numrange(0, salary), lower(daterange(born, 'infinity')) FROM hr.people ORDER BY id;

-- name: range-agg
-- expect: masked
SELECT range_agg(daterange(born, born + 1)), range_intersect_agg(numrange(0, salary)) FROM hr.people;

-- name: row-comparison-in-list
-- expect: masked
SELECT c.id, c = ROW(1, 'Ada', 'kx-77120-vorple')::public.cards, c IS DISTINCT FROM ROW(2, 'Bela', 'qz-99614-ollifer')::public.cards FROM public.cards c ORDER BY id;

-- name: format-and-concat
-- expect: masked
SELECT format('%s is %L', name, ssn), concat_ws('/', id, salary), concat(c) FROM hr.people JOIN public.cards c USING (id) ORDER BY id;

-- name: encode-convert-bytea
-- expect: masked
SELECT encode(photo, 'base64'), convert_from(photo, 'UTF8'), get_byte(photo, 0), bit_count(photo), substring(photo FROM 2 FOR 3) FROM hr.people ORDER BY id;

-- name: hashes
-- expect: masked
SELECT md5(ssn), sha256(ssn::bytea), hashtext(ssn), hash_record(p), hashtextextended(ssn, 7) FROM hr.people p ORDER BY id;

-- name: send-and-out-functions
-- expect: masked
SELECT record_send(ROW(ssn)), textsend(ssn), numeric_send(salary), uuid_send(secret_id), numeric_out(salary), record_out(ROW(born)) FROM hr.people ORDER BY id;

-- name: text-pieces
-- expect: masked
SELECT length(ssn), left(ssn, 3), ascii(right(ssn, 4)), reverse(ssn), translate(ssn, 'abc', 'xyz'), overlay(ssn PLACING '.' FROM 3), position('r' IN ssn), starts_with(ssn, 'z'), split_part(ssn, '-', 2) FROM hr.people ORDER BY id;

-- name: text-to-table-functions
-- expect: masked
SELECT id, regexp_split_to_table(ssn, '-') FROM hr.people ORDER BY id;

-- name: regexp-functions
-- expect: masked
SELECT regexp_match(ssn, '-(.+)-'), regexp_replace(ssn, '-', '_', 'g'), regexp_substr(ssn, '[a-m]+'), regexp_count(ssn, '[aeiou]'), regexp_instr(ssn, 'o') FROM hr.people ORDER BY id;

-- name: substring-per-character
-- expect: masked
SELECT p.id, i, substr(p.ssn, i, 1) FROM hr.people p, generate_series(1, 12) i ORDER BY p.id, i;

-- name: number-formatting
-- expect: masked
SELECT to_char(salary, 'FM999G999D00'), trunc(salary, -3), sign(salary - 50000), salary % 7, width_bucket(salary, 0, 100000, 20), pg_size_pretty(salary), scale(salary), point(salary, 0) FROM hr.people ORDER BY id;

-- name: date-arithmetic
-- expect: masked
SELECT to_char(born, 'Day YYYY'), extract(doy FROM born), age(date '2024-01-01', born), date '2024-01-01' - born, born + interval '1 day', date_part('decade', born), date_trunc('month', born) FROM hr.people ORDER BY id;

-- name: column-size
-- expect: masked
SELECT pg_column_size(nicknames), octet_length(photo), bit_length(ssn) FROM hr.people ORDER BY id;

-- name: uuid-text
-- expect: masked
SELECT replace(secret_id::text, '-', '')::bytea FROM hr.people ORDER BY id;

-- name: string-operators-qualified
-- expect: masked
SELECT 'a' OPERATOR(pg_catalog.||) ssn, pg_catalog.textcat(ssn, 'z'), pg_catalog.upper(ssn) COLLATE "C" FROM hr.people ORDER BY id;

-- name: through-harmless-application-function
-- expect: masked
SELECT public.shout(ssn), shout(salary::text), p.shout FROM hr.people, LATERAL (SELECT public.shout(number) FROM public.cards WHERE cards.id = people.id) p ORDER BY people.id;

-- name: window-lag-and-sum
-- expect: masked
SELECT id, lag(ssn) OVER w, sum(salary) OVER w, last_value(born) OVER (PARTITION BY department_id ORDER BY id) FROM hr.people WINDOW w AS (ORDER BY id) ORDER BY id;

-- name: window-rank-by-protected
-- expect: masked
SELECT id, rank() OVER (ORDER BY salary), ntile(2) OVER (ORDER BY born), percent_rank() OVER (ORDER BY ssn) FROM hr.people ORDER BY id;

-- name: window-name-ordered-by-protected
-- expect: masked
SELECT id, lead(name) OVER (ORDER BY salary), first_value(name) OVER (ORDER BY born DESC) FROM hr.people ORDER BY id;

-- name: window-partition-by-protected
-- expect: masked
SELECT id, count(*) OVER (PARTITION BY salary > 50000), row_number() OVER (PARTITION BY extract(decade FROM born) ORDER BY id) FROM hr.people ORDER BY id;

-- name: aggregates-plain
-- expect: masked
SELECT min(ssn), max(born), avg(salary), sum(salary), stddev(salary), bool_or(salary > 90000), corr(salary, id) FROM hr.people;

-- name: aggregate-filter
-- expect: masked
SELECT count(*) FILTER (WHERE salary > 50000), max(name) FILTER (WHERE born < '1970-01-01'), array_agg(id ORDER BY id) FILTER (WHERE ssn LIKE '%o%') FROM hr.people;

-- name: aggregate-order-by
-- expect: masked
SELECT string_agg(name, ',' ORDER BY salary), array_agg(id ORDER BY born DESC) FROM hr.people;

-- name: within-group
-- expect: masked
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY salary), mode() WITHIN GROUP (ORDER BY ssn), rank(50000) WITHIN GROUP (ORDER BY salary) FROM hr.people;

-- name: grouping-sets-over-protected
-- expect: masked
SELECT department_id, max(salary), grouping(department_id) FROM hr.people GROUP BY GROUPING SETS ((department_id), ()) ORDER BY department_id, 3;

-- name: group-by-protected
-- expect: masked
SELECT ssn, count(*) FROM hr.people GROUP BY ROLLUP (ssn) ORDER BY grouping(ssn), max(id);

-- name: distinct-protected
-- expect: masked
SELECT DISTINCT body FROM hr.reviews;

-- name: distinct-on
-- expect: masked
SELECT DISTINCT ON (department_id) department_id, ssn FROM hr.people ORDER BY department_id, id;

-- name: cte-plain
-- expect: masked
WITH a AS (SELECT id, ssn AS v FROM hr.people), b(i, w) AS (SELECT id, v FROM a) SELECT w FROM b ORDER BY i;

-- name: cte-shadows-other-table
-- expect: masked
WITH departments AS MATERIALIZED (SELECT id, number AS title FROM public.cards) SELECT title FROM departments ORDER BY id;

-- name: cte-recursive-text
-- expect: masked
WITH RECURSIVE r(i, s) AS (SELECT 0, '' UNION ALL SELECT i + 1, s || (SELECT p.ssn FROM hr.people p WHERE p.id = i + 1) FROM r WHERE i < 4) SELECT s FROM r WHERE i = 4;

-- name: cte-data-modifying-update
-- expect: masked
WITH u AS (UPDATE hr.people SET started = started RETURNING id, salary) SELECT salary FROM u ORDER BY id;

-- name: cte-data-modifying-delete
-- expect: masked
WITH d AS (DELETE FROM hr.reviews RETURNING *), i AS (INSERT INTO public.scratch SELECT id, body FROM d RETURNING note) SELECT note FROM i;

-- name: scalar-subquery-in-list
-- expect: masked
SELECT o.id, (SELECT p.ssn FROM hr.people p WHERE p.id = o.person_id) FROM public.orders o ORDER BY o.id;

-- name: exists-in-list
-- expect: masked
SELECT d.id, EXISTS (SELECT FROM hr.people p WHERE p.department_id = d.id AND p.salary > 60000), 'zorvex-marrow-02' IN (SELECT ssn FROM hr.people p WHERE p.department_id = d.id) FROM hr.departments d ORDER BY d.id;

-- name: correlated-count-in-list
-- expect: masked
SELECT o.id, (SELECT count(*) FROM hr.people p WHERE p.salary > o.amount * 700) FROM public.orders o ORDER BY o.id;

-- name: nested-scalar-row-subquery
-- expect: masked
SELECT (SELECT (SELECT ROW(p.id, p.ssn) FROM hr.people p WHERE p.id = d.id) FROM hr.departments d WHERE d.id = 1);

-- name: values-subquery
-- expect: masked
SELECT v.column1 FROM (VALUES ((SELECT ssn FROM hr.people WHERE id = 1)), ('x')) v;

-- name: lateral-subquery
-- expect: masked
SELECT d.title, l.m FROM hr.departments d LEFT JOIN LATERAL (SELECT max(p.salary) AS m FROM hr.people p WHERE p.department_id = d.id) l ON true ORDER BY d.id;

-- name: union-all-under-harmless-name
-- expect: masked
SELECT title FROM hr.departments UNION ALL SELECT ssn FROM hr.people;

-- name: union-second-branch-star
-- expect: masked
SELECT id + 100, title, 'x' FROM hr.departments UNION SELECT * FROM public.cards ORDER BY 1;

-- name: except-and-intersect
-- expect: masked
SELECT id, ssn FROM hr.people EXCEPT SELECT 0, 'x' ORDER BY 1;
(SELECT id, body FROM hr.reviews) INTERSECT ALL (SELECT id, body FROM hr.reviews) ORDER BY 1;

-- name: join-using-merged-alias
-- expect: masked
SELECT ju.ssn, ssn FROM hr.people a JOIN hr.people b USING (ssn) AS ju ORDER BY a.id;

-- name: full-join-merged-column
-- expect: masked
SELECT note FROM (SELECT number AS note FROM public.cards) c FULL JOIN (SELECT note FROM public.scratch) s USING (note);

-- name: natural-join-star
-- expect: masked
SELECT * FROM public.cards NATURAL JOIN (VALUES (1), (2)) v(id) ORDER BY id;

-- name: natural-join-renamed
-- expect: masked
SELECT note FROM (public.cards NATURAL LEFT JOIN public.scratch) AS j(id, holder, note, other) ORDER BY id;

-- name: tablesample-and-only
-- expect: masked
SELECT salary FROM ONLY hr.people TABLESAMPLE SYSTEM (100) FOR UPDATE;

-- name: fetch-first-with-offset
-- expect: masked
SELECT ssn FROM hr.people ORDER BY id OFFSET 1 ROW FETCH NEXT 2 ROWS ONLY;

-- name: view-payroll
-- expect: masked
SELECT * FROM hr.payroll ORDER BY person;

-- name: view-of-view
-- expect: masked
SELECT name, rounded FROM public.top_paid ORDER BY person;

-- name: view-column-function-notation
-- expect: masked
SELECT tax_number(v), (v).pay FROM hr.payroll v ORDER BY v.person;

-- name: materialized-view
-- expect: masked
SELECT name, year FROM hr.ages ORDER BY id;

-- name: materialized-view-whole-row
-- expect: masked
SELECT max(ages::text) FROM hr.ages WHERE id = 4;

-- name: create-table-as
-- expect: masked
CREATE TABLE public.copy1 AS SELECT id, ssn AS title FROM hr.people;
SELECT title FROM public.copy1 ORDER BY id;

-- name: select-into-temp
-- expect: masked
SELECT id, salary AS n INTO TEMP TABLE tt FROM hr.people;
TABLE tt;

-- name: create-table-as-execute
-- expect: masked
PREPARE q AS SELECT id, body FROM hr.reviews;
CREATE TABLE public.copy2 AS EXECUTE q;
SELECT * FROM public.copy2 ORDER BY id;

-- name: insert-select-read-back
-- expect: masked
INSERT INTO public.scratch SELECT id, number FROM public.cards;
SELECT note FROM public.scratch ORDER BY id;

-- name: insert-values-subquery-returning
-- expect: masked
INSERT INTO public.scratch (id, note) VALUES (1, (SELECT ssn FROM hr.people WHERE id = 1)) RETURNING note;

-- name: insert-on-conflict-returning
-- expect: masked
INSERT INTO public.cards AS c VALUES (1, 'Ada', 'new') ON CONFLICT (id) DO UPDATE SET holder = c.number, number = excluded.number RETURNING c.holder;

-- name: insert-default-function
-- expect: masked
ALTER TABLE public.scratch ALTER note SET DEFAULT hr.pay_of(2)::text;
INSERT INTO public.scratch (id) VALUES (1);
SELECT note FROM public.scratch;

-- name: update-copies-into-name
-- expect: masked
UPDATE hr.people SET name = ssn;
SELECT name FROM hr.directory ORDER BY id;

-- name: update-from-returning
-- expect: masked
UPDATE public.orders o SET item = p.ssn FROM hr.people p WHERE p.id = o.person_id AND o.id = 3 RETURNING o.item;

-- name: update-from-read-back
-- expect: masked
UPDATE public.orders SET data = data || jsonb_build_object('who', (SELECT to_jsonb(p) FROM hr.people p WHERE p.id = person_id)), tags[1] = (SELECT p.born::text FROM hr.people p WHERE p.id = person_id) WHERE id <= 3;
SELECT tags, data FROM public.orders WHERE id <= 3 ORDER BY id;

-- name: update-multi-assign-composite-field
-- expect: masked
UPDATE hr.people SET (name, home.street) = (SELECT q.ssn, q.salary::text FROM hr.people q WHERE q.id = people.id) WHERE id <> 3;
SELECT name, (home).street FROM hr.people ORDER BY id;

-- name: update-protected-returning-itself
-- expect: masked
UPDATE hr.people SET salary = salary + 1 RETURNING id, salary;

-- name: update-through-view-returning
-- expect: masked
UPDATE hr.payroll SET name = name WHERE person = 1 RETURNING *;

-- name: update-returning-whole-row
-- expect: masked
UPDATE public.cards SET holder = upper(holder) RETURNING cards;

-- name: delete-using-returning
-- expect: masked
DELETE FROM public.orders o USING hr.people p WHERE p.id = o.person_id AND o.id IN (1, 2) RETURNING o.id, p.ssn;

-- name: delete-returning-star
-- expect: masked
DELETE FROM public.cards RETURNING *;

-- name: merge-insert-read-back
-- expect: masked
MERGE INTO public.scratch s USING hr.people p ON s.id = p.id WHEN NOT MATCHED THEN INSERT (id, note) VALUES (p.id, p.ssn);
SELECT note FROM public.scratch ORDER BY id;

-- name: merge-update-read-back
-- expect: masked
MERGE INTO hr.departments d USING (SELECT department_id AS k, max(salary) AS m FROM hr.people GROUP BY 1) x ON x.k = d.id WHEN MATCHED THEN UPDATE SET budget = x.m;
SELECT budget FROM hr.departments ORDER BY id;

-- name: not-null-failing-row
-- expect: masked
UPDATE hr.people SET name = NULL WHERE id = 1;

-- name: check-failing-row
-- expect: masked
UPDATE hr.people SET salary = -salary WHERE id = 2;

-- name: not-null-failing-row-on-insert-select
-- expect: masked
INSERT INTO hr.reviews SELECT id + 50, person_id, NULL, body FROM hr.reviews;

-- name: own-check-failing-row
-- expect: masked
ALTER TABLE public.cards ADD CONSTRAINT no_a CHECK (holder <> 'zz');
UPDATE public.cards SET holder = 'zz' WHERE id = 2;

-- name: unique-key-detail
-- expect: masked
INSERT INTO hr.people SELECT id + 10, name, department_id, started, home, ssn, salary, born, notes, photo, nicknames, secret_id FROM hr.people;

-- name: unique-index-on-expression-detail
-- expect: masked
CREATE UNIQUE INDEX ON hr.people ((left(ssn, 1)));

-- name: exclusion-constraint-detail
-- expect: masked
ALTER TABLE hr.people ADD EXCLUDE USING gist (daterange(least(born, '1990-12-31'), '2020-01-01') WITH &&);

-- name: foreign-key-detail
-- expect: masked
CREATE TABLE public.ref (k text PRIMARY KEY);
ALTER TABLE public.cards ADD FOREIGN KEY (number) REFERENCES public.ref (k);

-- name: foreign-key-still-referenced-detail
-- expect: masked
CREATE TABLE public.kid (s text REFERENCES hr.people (ssn));
INSERT INTO public.kid SELECT ssn FROM hr.people WHERE id = 1;
DELETE FROM hr.reviews;
DELETE FROM hr.people WHERE id = 1;

-- name: partition-key-detail
-- expect: masked
CREATE TABLE public.parted (k text) PARTITION BY LIST (k);
INSERT INTO public.parted SELECT ssn FROM hr.people WHERE id = 1;

-- name: view-check-option-detail
-- expect: masked
CREATE VIEW public.vc AS SELECT id, holder, number FROM public.cards WHERE holder <> 'q' WITH CHECK OPTION;
UPDATE public.vc SET holder = 'q' WHERE id = 1;

-- name: insert-select-failing-row
-- expect: masked
CREATE TABLE public.narrow (v varchar(40) CHECK (length(v) < 3), n numeric(3,0));
INSERT INTO public.narrow SELECT ssn, 1 FROM hr.people;

-- name: alter-type-using-cast-error
-- expect: masked
ALTER TABLE public.cards ALTER COLUMN number TYPE bigint USING number::bigint;

-- name: alter-type-using-other-column
-- expect: masked
ALTER TABLE hr.departments ALTER COLUMN title TYPE text USING title || coalesce(hr.pay_of(id)::text, '');
SELECT title FROM hr.departments ORDER BY id;

-- name: alter-holder-type-using-number
-- expect: masked
ALTER TABLE public.cards ALTER COLUMN holder TYPE text USING number;
SELECT holder FROM public.cards ORDER BY id;

-- name: add-generated-column
-- expect: masked
ALTER TABLE public.cards ADD COLUMN tail text GENERATED ALWAYS AS (reverse(number)) STORED;
SELECT tail FROM public.cards ORDER BY id;

-- name: add-column-default-function
-- expect: masked
CREATE FUNCTION public.agg() RETURNS text LANGUAGE sql VOLATILE AS 'SELECT string_agg(ssn, '','' ORDER BY id) FROM hr.people';
ALTER TABLE public.orders ADD COLUMN extra text DEFAULT public.agg();
SELECT DISTINCT extra FROM public.orders;

-- name: rename-column
-- expect: masked
ALTER TABLE hr.people RENAME COLUMN ssn TO room;
SELECT room FROM hr.people ORDER BY id;

-- name: swap-column-names
-- expect: masked
ALTER TABLE public.cards RENAME COLUMN holder TO x;
ALTER TABLE public.cards RENAME COLUMN number TO holder;
ALTER TABLE public.cards RENAME COLUMN x TO number;
SELECT holder FROM public.cards ORDER BY id;

-- name: rename-column-in-transaction
-- expect: masked
BEGIN;
ALTER TABLE hr.people RENAME salary TO grade;
SELECT id, grade FROM hr.people ORDER BY id;
ROLLBACK;

-- name: rename-table
-- expect: masked
ALTER TABLE hr.people RENAME TO staff;
SELECT ssn FROM hr.staff ORDER BY id;

-- name: set-schema
-- expect: masked
ALTER TABLE hr.reviews SET SCHEMA public;
SELECT body FROM public.reviews ORDER BY id;

-- name: rename-schema
-- expect: masked
ALTER SCHEMA hr RENAME TO sales;
SELECT ssn FROM sales.people ORDER BY id;

-- name: swap-tables
-- expect: masked
ALTER TABLE public.scratch RENAME TO old_scratch;
ALTER TABLE public.cards RENAME TO scratch;
ALTER TABLE public.scratch RENAME COLUMN number TO note;
SELECT id, note FROM public.scratch ORDER BY id;

-- name: rename-view-column
-- expect: masked
ALTER VIEW hr.payroll RENAME COLUMN tax_number TO city;
SELECT city FROM hr.payroll ORDER BY person;

-- name: replace-harmless-view
-- expect: masked
CREATE OR REPLACE VIEW hr.directory AS SELECT id, name, department_id, started, secret_id AS ref FROM hr.people;
SELECT * FROM hr.directory ORDER BY id;

-- name: replace-view-same-columns
-- expect: masked
CREATE OR REPLACE VIEW hr.directory AS SELECT id, ssn AS name, department_id, born AS started FROM hr.people;
SELECT name, started FROM hr.directory ORDER BY id;

-- name: drop-and-remake-view
-- expect: masked
BEGIN;
DROP VIEW hr.directory;
CREATE VIEW hr.directory (id, name) AS SELECT id, hr.pay_of(id) FROM hr.people;
COMMIT;
SELECT * FROM hr.directory ORDER BY id;

-- name: drop-table-remake-as-view
-- expect: masked
DROP TABLE public.scratch;
CREATE VIEW public.scratch AS SELECT id, ssn AS note FROM hr.people;
SELECT * FROM public.scratch ORDER BY id;

-- name: table-becomes-view-by-rule
-- expect: masked
CREATE RULE "_RETURN" AS ON SELECT TO public.scratch DO INSTEAD SELECT id, number AS note FROM public.cards;
SELECT * FROM public.scratch;

-- name: new-view-chain
-- expect: masked
CREATE VIEW public.v1 AS SELECT id AS a, notes AS b FROM hr.people;
CREATE TEMP VIEW v2 (x, y) AS SELECT a, b ->> 'medical' FROM public.v1;
SELECT y FROM v2 ORDER BY x;

-- name: view-over-payroll-star
-- expect: masked
CREATE VIEW public.v3 AS SELECT * FROM hr.payroll NATURAL JOIN public.top_paid;
SELECT * FROM public.v3 ORDER BY person;

-- name: recursive-view
-- expect: masked
CREATE RECURSIVE VIEW public.rv (n, v) AS SELECT 1, (SELECT ssn FROM hr.people WHERE id = 1) UNION ALL SELECT n + 1, v FROM rv WHERE n < 2;
SELECT v FROM public.rv;

-- name: new-materialized-view
-- expect: masked
CREATE MATERIALIZED VIEW public.mv AS SELECT id, encode(photo, 'hex') AS h FROM hr.people WITH NO DATA;
REFRESH MATERIALIZED VIEW public.mv;
SELECT h FROM public.mv ORDER BY id;

-- name: security-barrier-view-leaky-function
-- expect: masked
CREATE VIEW public.sb WITH (security_barrier) AS SELECT id, name, ssn FROM hr.people;
CREATE FUNCTION public.spy(text) RETURNS bool COST 0.0001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
SELECT id FROM public.sb WHERE public.spy(ssn) ORDER BY id;

-- name: inherit-parent-made-afterwards
-- expect: masked
CREATE TABLE public.par (holder text NOT NULL, number text NOT NULL);
ALTER TABLE public.cards INHERIT public.par;
SELECT number FROM public.par;

-- name: parent-whole-row
-- expect: masked
CREATE TABLE public.par2 (body text NOT NULL);
ALTER TABLE hr.reviews INHERIT public.par2;
SELECT par2 FROM public.par2;

-- name: inherit-child-table
-- expect: masked
CREATE TABLE public.kid2 (extra int) INHERITS (hr.reviews);
INSERT INTO public.kid2 SELECT id + 10, person_id, stars, body FROM hr.reviews;
SELECT body FROM public.kid2 ORDER BY id;

-- name: attach-as-partition
-- expect: masked
CREATE TABLE public.allcards (id int NOT NULL, holder text NOT NULL, number text NOT NULL) PARTITION BY LIST (id);
ALTER TABLE public.allcards ATTACH PARTITION public.cards DEFAULT;
SELECT number FROM public.allcards ORDER BY id;

-- name: create-table-like
-- expect: masked
CREATE TABLE public.alike (LIKE hr.people INCLUDING DEFAULTS);
INSERT INTO public.alike TABLE hr.people;
SELECT ssn, born FROM public.alike ORDER BY id;

-- name: typed-table
-- expect: masked
CREATE TABLE public.typed OF public.address;
INSERT INTO public.typed SELECT ssn, salary::text FROM hr.people;
SELECT city, street FROM public.typed;

-- name: column-of-row-type
-- expect: masked
CREATE TABLE public.boxed (b hr.reviews);
INSERT INTO public.boxed SELECT r FROM hr.reviews r;
SELECT (b).body FROM public.boxed;

-- name: search-path-unqualified
-- expect: masked
SET search_path = hr;
SELECT ssn FROM people ORDER BY id;

-- name: search-path-own-schema-view
-- expect: masked
CREATE SCHEMA mine;
CREATE VIEW mine.departments AS SELECT id, ssn AS title FROM hr.people;
SET search_path TO mine, hr;
SELECT title FROM departments ORDER BY id;

-- name: search-path-by-set-config
-- expect: masked
SELECT set_config('search_path', 'hr, public', false);
SELECT body FROM reviews ORDER BY id;

-- name: search-path-per-function
-- expect: masked
CREATE FUNCTION public.sp() RETURNS text LANGUAGE plpgsql SET search_path = hr AS $$ BEGIN RETURN (SELECT max(ssn) FROM people); END $$;
SELECT public.sp();

-- name: temp-table-shadows-harmless
-- expect: masked
CREATE TEMP TABLE orders AS SELECT id, ssn AS item FROM hr.people;
SELECT item FROM orders ORDER BY id;

-- name: temp-view-shadows-harmless
-- expect: masked
CREATE TEMP VIEW scratch AS SELECT id, number AS note FROM public.cards;
SELECT note FROM scratch ORDER BY id;

-- name: function-shadows-builtin
-- expect: masked
CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE sql AS 'SELECT ssn FROM hr.people WHERE name = $1';
SET search_path = public, pg_catalog;
SELECT lower(name) FROM hr.directory ORDER BY id;

-- name: overload-preferred-by-type
-- expect: masked
CREATE FUNCTION public.shout(varchar) RETURNS text LANGUAGE sql AS 'SELECT salary::text FROM hr.people WHERE name = $1::text';
SELECT shout('Ada'::varchar);

-- name: replace-application-function
-- expect: masked
CREATE OR REPLACE FUNCTION public.shout(text) RETURNS text LANGUAGE sql AS 'SELECT ssn FROM hr.people WHERE name = $1';
SELECT id, public.shout(name) FROM hr.directory ORDER BY id;

-- name: operator-of-own
-- expect: masked
CREATE FUNCTION public.peek(int, int) RETURNS text LANGUAGE sql AS 'SELECT ssn FROM hr.people WHERE id = $1';
CREATE OPERATOR public.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = public.peek);
SELECT 1 OPERATOR(public.+) 1;
SET search_path = public, pg_catalog;
SELECT 2 + 2;

-- name: cast-of-own
-- expect: masked
CREATE FUNCTION public.addr(public.address) RETURNS int LANGUAGE sql AS 'SELECT ascii(substr(ssn, 9)) * 1000 + id FROM hr.people WHERE (home).street = $1.street';
CREATE CAST (public.address AS int) WITH FUNCTION public.addr(public.address) AS IMPLICIT;
SELECT id, home::int, home * 1 FROM hr.people ORDER BY id;

-- name: aggregate-of-own
-- expect: masked
CREATE FUNCTION public.acc(text, int) RETURNS text LANGUAGE sql AS 'SELECT coalesce($1, '''') || (SELECT ssn FROM hr.people WHERE id = $2)';
CREATE AGGREGATE public.cnt(int) (SFUNC = public.acc, STYPE = text);
SELECT public.cnt(id ORDER BY id) FROM hr.directory;

-- name: quoted-identifiers
-- expect: masked
SELECT "p"."ssn" AS "Name", "hr"."pay_of"(1) FROM "hr"."people" AS "p" ORDER BY "p"."id";

-- name: case-folding
-- expect: masked
SELECT pEoPlE.SSN, HR.PEOPLE.Salary FROM HR.People ORDER BY ID;

-- name: unicode-escaped-identifiers
-- expect: masked
SELECT U&"\0073sn", U&"s!0061lary" UESCAPE '!' FROM U&"\0068r".U&"peo\+000070le" ORDER BY id;

-- name: comments-inside
-- expect: masked
SELECT/**/ssn--x
/* /* nested */ FROM public.orders */FROM/**/hr/* . */./**/people ORDER BY id;

-- name: dollar-quoted-dynamic-sql
-- expect: masked
SELECT query_to_xml($q$select $$it's $$ || ssn from hr.people where id = 1$q$, true, false, $$$$);

-- name: escaped-string-dynamic-sql
-- expect: masked
SELECT query_to_xml(E'select \x73sn fr\157m hr.p\u0065ople order by 1=1, id', true, false, '');

-- name: table-qualified-comma-join
-- expect: masked
SELECT people.ssn FROM hr.people, public.scratch RIGHT JOIN public.cards ON true WHERE people.id = cards.id ORDER BY 1 = 1, cards.id;

-- name: prepare-execute
-- expect: masked
PREPARE s (int) AS SELECT name, ssn FROM hr.people WHERE id = $1;
EXECUTE s (1);
EXECUTE s (2);

-- name: execute-argument-function
-- expect: masked
PREPARE s (text) AS SELECT $1 AS v;
EXECUTE s (hr.pay_of(1));

-- name: prepare-then-redefine-view
-- expect: masked
PREPARE s AS SELECT id, name FROM hr.directory ORDER BY id;
EXECUTE s;
CREATE OR REPLACE VIEW hr.directory AS SELECT id, ssn AS name, department_id, started FROM hr.people;
EXECUTE s;

-- name: prepare-then-change-search-path
-- expect: masked
CREATE SCHEMA alt;
CREATE TABLE alt.scratch AS SELECT id, ssn AS note FROM hr.people;
PREPARE s AS SELECT id, note FROM scratch ORDER BY id;
EXECUTE s;
SET search_path = alt;
EXECUTE s;

-- name: cursor-fetch
-- expect: masked
BEGIN;
DECLARE cur SCROLL CURSOR FOR SELECT body FROM hr.reviews ORDER BY id;
FETCH FORWARD 2 FROM cur;
FETCH LAST FROM cur;
FETCH ABSOLUTE 1 FROM cur;
CLOSE cur;
COMMIT;

-- name: cursor-with-hold
-- expect: masked
DECLARE h CURSOR WITH HOLD FOR SELECT hr.pay_of(id) FROM hr.departments ORDER BY id;
FETCH ALL FROM h;

-- name: refcursor-function
-- expect: masked
CREATE FUNCTION public.rc() RETURNS refcursor LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'mycur'; BEGIN OPEN c FOR EXECUTE 'select number from public.cards order by id'; RETURN c; END $$;
BEGIN;
SELECT public.rc();
FETCH ALL IN mycur;
COMMIT;

-- name: where-current-of-returning
-- expect: masked
BEGIN;
DECLARE u CURSOR FOR SELECT id FROM public.cards FOR UPDATE;
FETCH 1 FROM u;
UPDATE public.cards SET holder = 'x' WHERE CURRENT OF u RETURNING number;
ROLLBACK;

-- name: do-raise-notice
-- expect: masked
DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM hr.people ORDER BY id LOOP RAISE NOTICE '%', r.ssn; END LOOP; END $$;

-- name: do-dynamic-execute
-- expect: masked
DO $$ DECLARE t text; BEGIN EXECUTE 'sel' || 'ect number from public.' || quote_ident('cards') || ' where id = $1' INTO t USING 1; RAISE WARNING USING MESSAGE = reverse(t); END $$;

-- name: raise-exception-all-fields
-- expect: masked
DO $$ DECLARE s text := (SELECT salary FROM hr.people WHERE id = 1); BEGIN RAISE EXCEPTION 'no' USING DETAIL = s, HINT = 'h' || s, COLUMN = s, TABLE = s, SCHEMA = s, DATATYPE = s, CONSTRAINT = s; END $$;

-- name: raise-sqlstate
-- expect: masked
DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = (SELECT upper(left(md5(ssn), 5)) FROM hr.people WHERE id = 1), MESSAGE = 'x'; END $$;

-- name: error-context-of-dynamic-sql
-- expect: masked
DO $$ BEGIN EXECUTE (SELECT 'bogus ' || ssn FROM hr.people WHERE id = 1); END $$;

-- name: assert-message
-- expect: masked
DO $$ BEGIN ASSERT false, (SELECT body FROM hr.reviews WHERE id = 2); END $$;

-- name: strict-params-detail
-- expect: masked
CREATE FUNCTION public.strictly() RETURNS void LANGUAGE plpgsql AS $$
#print_strict_params on
DECLARE v text; n int; BEGIN SELECT ssn INTO v FROM hr.people WHERE id = 1; SELECT id INTO STRICT n FROM public.scratch WHERE note = v; END $$;
SELECT public.strictly();

-- name: exception-message-stored
-- expect: masked
DO $$ DECLARE d text; BEGIN PERFORM ssn::int FROM hr.people WHERE id = 1; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS d = MESSAGE_TEXT; INSERT INTO public.scratch VALUES (1, d); END $$;
SELECT note FROM public.scratch;

-- name: do-writes-harmless-table
-- expect: masked
DO $$ BEGIN EXECUTE 'update hr.departments d set budget = (select sum(salary) from hr.people where department_id = d.id) where id < 3'; END $$;
SELECT id, budget FROM hr.departments ORDER BY id;

-- name: drop-if-exists-notice
-- expect: masked
DO $$ BEGIN EXECUTE format('DROP TABLE IF EXISTS %I', (SELECT ssn FROM hr.people WHERE id = 4)); END $$;

-- name: identifier-truncation-notice
-- expect: masked
DO $$ BEGIN EXECUTE format('CREATE TEMP TABLE %I ()', repeat((SELECT number FROM public.cards WHERE id = 1), 5)); END $$;

-- name: function-sql-new
-- expect: masked
CREATE FUNCTION public.f1() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT ssn FROM hr.people ORDER BY id; END;
SELECT * FROM public.f1();

-- name: function-returns-record
-- expect: masked
CREATE FUNCTION public.f2() RETURNS SETOF record LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'select id, salary from hr.people order by id'; END $$;
SELECT z.b FROM public.f2() AS z(a int, b numeric(10,2));

-- name: function-returns-table-named-harmless
-- expect: masked
CREATE FUNCTION public.f3() RETURNS TABLE (id int, title text) LANGUAGE plpgsql AS $$ DECLARE r hr.people%ROWTYPE; BEGIN FOR r IN SELECT * FROM hr.people p ORDER BY p.id LOOP id := r.id; title := r.ssn; RETURN NEXT; END LOOP; END $$;
SELECT title FROM public.f3();

-- name: function-default-argument
-- expect: masked
CREATE FUNCTION public.f4(x numeric DEFAULT hr.pay_of(1)) RETURNS numeric LANGUAGE sql AS 'SELECT $1';
SELECT public.f4();

-- name: function-taking-whole-row
-- expect: masked
CREATE FUNCTION public.f5(hr.people) RETURNS text LANGUAGE sql AS 'SELECT $1.ssn';
SELECT p.f5 FROM hr.people p ORDER BY p.id;

-- name: function-polymorphic-variadic
-- expect: masked
CREATE FUNCTION public.f6(VARIADIC anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1[2]';
SELECT public.f6(name, number) FROM hr.people JOIN public.cards USING (id) ORDER BY id;

-- name: function-out-parameters-star
-- expect: masked
CREATE FUNCTION public.f7(i int, OUT a text, OUT b date) LANGUAGE plpgsql AS $$ BEGIN SELECT ssn, born INTO a, b FROM hr.people WHERE id = i; END $$;
SELECT (public.f7(id)).* FROM hr.departments ORDER BY id;

-- name: temp-function
-- expect: masked
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS 'SELECT array_agg(secret_id ORDER BY id)::text FROM hr.people';
SELECT pg_temp.f();

-- name: security-definer-function
-- expect: masked
CREATE FUNCTION public.sd(int) RETURNS jsonb LANGUAGE sql SECURITY DEFINER STABLE AS 'SELECT notes FROM hr.people WHERE id = $1';
SELECT public.sd(o.person_id) FROM public.orders o WHERE o.id = 5;

-- name: procedure-inout
-- expect: masked
CREATE PROCEDURE public.pr(INOUT x text) LANGUAGE plpgsql AS $$ BEGIN x := (SELECT ssn FROM hr.people WHERE id = x::int); END $$;
CALL public.pr('3');

-- name: call-argument
-- expect: masked
CREATE PROCEDURE public.echo(INOUT x numeric) LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CALL public.echo(hr.pay_of(4));

-- name: trigger-before-update
-- expect: masked
CREATE FUNCTION public.tg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := OLD.ssn; RETURN NEW; END $$;
CREATE TRIGGER t BEFORE UPDATE ON hr.people FOR EACH ROW EXECUTE FUNCTION public.tg();
UPDATE hr.people SET started = started RETURNING id, name;

-- name: trigger-audit-table
-- expect: masked
CREATE FUNCTION public.tg2() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.scratch VALUES (OLD.id, to_json(OLD)::text); RETURN NULL; END $$;
CREATE TRIGGER t AFTER UPDATE ON public.cards FOR EACH ROW EXECUTE FUNCTION public.tg2();
UPDATE public.cards SET holder = holder;
SELECT note FROM public.scratch ORDER BY id;

-- name: trigger-transition-table-notice
-- expect: masked
CREATE FUNCTION public.tg3() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE INFO '%', (SELECT array_agg(r ORDER BY id) FROM gone r); RETURN NULL; END $$;
CREATE TRIGGER t AFTER DELETE ON hr.reviews REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION public.tg3();
DELETE FROM hr.reviews WHERE stars < 4;

-- name: trigger-argument-and-harmless-insert
-- expect: masked
CREATE FUNCTION public.tg4() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE TG_ARGV[0] INTO NEW.note; RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON public.scratch FOR EACH ROW EXECUTE FUNCTION public.tg4('select max(ssn) from hr.people');
INSERT INTO public.scratch VALUES (1, 'x') RETURNING *;

-- name: constraint-trigger-error-at-commit
-- expect: masked
CREATE FUNCTION public.tg5() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'late' USING DETAIL = (SELECT ssn FROM hr.people WHERE id = 2); END $$;
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON public.scratch DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.tg5();
BEGIN;
INSERT INTO public.scratch VALUES (1, 'x');
COMMIT;

-- name: deferred-unique-at-commit
-- expect: masked
ALTER TABLE public.scratch ADD CONSTRAINT u UNIQUE (note) DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO public.scratch SELECT i, ssn FROM hr.people, generate_series(1, 2) i WHERE people.id = 1;
COMMIT;

-- name: rule-do-also-select
-- expect: masked
CREATE RULE r AS ON INSERT TO public.scratch DO ALSO SELECT number FROM public.cards ORDER BY id;
INSERT INTO public.scratch VALUES (1, 'x');

-- name: rule-do-instead-returning
-- expect: masked
CREATE RULE r AS ON UPDATE TO public.scratch DO INSTEAD UPDATE public.cards SET holder = NEW.note WHERE id = NEW.id RETURNING id, number;
INSERT INTO public.scratch VALUES (1, 'x');
UPDATE public.scratch SET note = 'y' RETURNING note;

-- name: domain-check-raises
-- expect: masked
CREATE FUNCTION public.tell(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'value %', $1; RETURN true; END $$;
CREATE DOMAIN public.told AS text CHECK (public.tell(VALUE));
SELECT count(ssn::public.told) FROM hr.people;

-- name: check-constraint-raises
-- expect: masked
CREATE FUNCTION public.tell(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'value %', $1; RETURN true; END $$;
ALTER TABLE public.cards ADD CHECK (public.tell(number));

-- name: check-constraint-validated-later
-- expect: masked
CREATE FUNCTION public.tell(numeric) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'value %', $1; RETURN true; END $$;
ALTER TABLE hr.people ADD CONSTRAINT k CHECK (public.tell(salary)) NOT VALID;
ALTER TABLE hr.people VALIDATE CONSTRAINT k;

-- name: index-expression-raises
-- expect: masked
CREATE FUNCTION public.idx(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'value %', $1; RETURN $1; END $$;
CREATE INDEX ON hr.reviews (public.idx(body));

-- name: index-expression-cast-error
-- expect: masked
CREATE INDEX ON public.cards ((number::int));

-- name: policy-with-leaky-function
-- expect: masked
CREATE FUNCTION public.tell(text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'value %', $1; RETURN true; END $$;
ALTER TABLE public.cards ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON public.cards USING (public.tell(number));
SELECT id, holder FROM public.cards ORDER BY id;

-- name: leaky-function-in-join-and-having
-- expect: masked
CREATE FUNCTION public.spy(text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'x'; RAISE NOTICE USING MESSAGE = 'm', HINT = $1; RETURN true; END $$;
SELECT count(*) FROM public.cards c JOIN hr.people p ON c.id = p.id AND public.spy(c.number) HAVING public.spy(max(p.ssn));

-- name: explain-folded-constant
-- expect: masked
CREATE FUNCTION public.k() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT ssn FROM hr.people WHERE id = 1); END $$;
EXPLAIN (COSTS OFF) SELECT id FROM public.orders WHERE item = public.k();

-- name: explain-verbose-output-constant
-- expect: masked
CREATE FUNCTION public.k(int) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN hr.pay_of($1); END $$;
EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT public.k(1), id FROM public.orders LIMIT 1;

-- name: explain-execute-custom-plan
-- expect: masked
PREPARE s (numeric) AS SELECT id FROM public.orders WHERE amount = $1;
EXPLAIN (COSTS OFF) EXECUTE s (hr.pay_of(3));

-- name: explain-analyze-side-notice
-- expect: masked
CREATE FUNCTION public.spy(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', $1; RETURN $1; END $$;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT public.spy(number) FROM public.cards;

-- name: explain-width-tells-length
-- expect: masked
ANALYZE hr.people;
EXPLAIN SELECT ssn FROM hr.people;

-- name: role-setting-from-value
-- expect: masked
BEGIN;
DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER SET search_path = %I', (SELECT ssn FROM hr.people WHERE id = 1)); END $$;
SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user);
ROLLBACK;

-- name: copy-table
-- expect: masked
COPY hr.people TO STDOUT;

-- name: copy-columns-csv
-- expect: masked
COPY hr.people (id, ssn, born) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE (ssn), DELIMITER ';');

-- name: copy-query
-- expect: masked
COPY (SELECT name, row_to_json(p) FROM hr.people p ORDER BY id) TO STDOUT;

-- name: copy-returning
-- expect: masked
COPY (DELETE FROM public.cards RETURNING number) TO STDOUT CSV;

-- name: copy-binary
-- expect: masked
COPY public.cards TO STDOUT (FORMAT binary);

-- name: copy-view-query
-- expect: masked
COPY (TABLE public.top_paid) TO STDOUT;

-- name: copy-materialized-view-query
-- expect: masked
COPY (SELECT * FROM hr.ages ORDER BY id) TO STDOUT WITH CSV HEADER;

-- name: copy-to-stdout-old-syntax
-- expect: masked
COPY hr.reviews TO STDOUT WITH DELIMITER '|' NULL 'none';

-- name: pg-stats-histogram
-- expect: masked
ANALYZE hr.people;
SELECT attname, n_distinct, histogram_bounds, most_common_vals FROM pg_stats WHERE schemaname = 'hr' AND tablename = 'people' ORDER BY attname;

-- name: pg-stats-most-common-elements
-- expect: masked
UPDATE hr.people SET nicknames = nicknames || (SELECT nicknames FROM hr.people WHERE id = 2);
ANALYZE hr.people;
SELECT s.most_common_elems::text FROM pg_catalog.pg_stats s WHERE attname = 'nicknames';

-- name: pg-stats-expression-index
-- expect: masked
CREATE INDEX upp ON hr.people (upper(ssn));
ANALYZE hr.people;
SELECT histogram_bounds FROM pg_stats WHERE tablename = 'upp';

-- name: pg-stats-extended
-- expect: masked
CREATE STATISTICS hr.ext (mcv) ON ssn, salary FROM hr.people;
ANALYZE hr.people;
SELECT most_common_vals FROM pg_stats_ext WHERE statistics_name = 'ext';

-- name: pg-stats-extended-expression
-- expect: masked
CREATE STATISTICS hr.ext2 ON (lower(body)) FROM hr.reviews;
ANALYZE hr.reviews;
SELECT histogram_bounds FROM pg_stats_ext_exprs WHERE statistics_name = 'ext2';

-- name: pg-stats-of-copy
-- expect: masked
CREATE TABLE public.c3 AS SELECT 1 AS one, number FROM public.cards, generate_series(1, 3);
ANALYZE public.c3;
SELECT most_common_vals FROM pg_stats WHERE tablename = 'c3' AND attname = 'number';

-- name: default-expression-in-catalogue
-- expect: masked
DO $$ BEGIN EXECUTE format('ALTER TABLE public.scratch ALTER note SET DEFAULT %L', (SELECT ssn FROM hr.people WHERE id = 1)); END $$;
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'public.scratch'::regclass;
SELECT column_default FROM information_schema.columns WHERE table_name = 'scratch' AND column_name = 'note';

-- name: check-text-in-catalogue
-- expect: masked
DO $$ BEGIN EXECUTE format('ALTER TABLE public.scratch ADD CONSTRAINT c CHECK (note <> %L)', (SELECT salary FROM hr.people WHERE id = 1)); END $$;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'c';

-- name: function-source-in-catalogue
-- expect: masked
DO $$ BEGIN EXECUTE format('CREATE FUNCTION public.src() RETURNS text LANGUAGE sql AS %L', 'SELECT ' || quote_literal((SELECT number FROM public.cards WHERE id = 1))); END $$;
SELECT prosrc FROM pg_proc WHERE proname = 'src';
SELECT public.src();

-- name: view-constant
-- expect: masked
DO $$ BEGIN EXECUTE format('CREATE VIEW public.vk AS SELECT %L::text AS k', (SELECT ssn FROM hr.people WHERE id = 3)); END $$;
SELECT k FROM public.vk;
SELECT definition FROM pg_views WHERE viewname = 'vk';

-- name: partition-bound-in-catalogue
-- expect: masked
CREATE TABLE public.pb (v text) PARTITION BY LIST (v);
DO $$ BEGIN EXECUTE format('CREATE TABLE public.pb1 PARTITION OF public.pb FOR VALUES IN (%L)', (SELECT ssn FROM hr.people WHERE id = 3)); END $$;
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'pb1';

-- name: comment-by-do
-- expect: masked
DO $$ BEGIN EXECUTE format('COMMENT ON TABLE public.scratch IS %L', (SELECT string_agg(ssn, ',' ORDER BY id) FROM hr.people)); END $$;
SELECT obj_description('public.scratch'::regclass);

-- name: table-named-after-value
-- expect: masked
DO $$ BEGIN EXECUTE format('CREATE TABLE public.%I (x int)', 'n_' || (SELECT ssn FROM hr.people WHERE id = 1)); END $$;
SELECT relname FROM pg_class WHERE relname LIKE 'n_%-%';

-- name: column-named-after-value
-- expect: masked
DO $$ BEGIN EXECUTE format('ALTER TABLE public.scratch RENAME COLUMN note TO %I', (SELECT number FROM public.cards WHERE id = 1)); END $$;
SELECT * FROM public.scratch;

-- name: enum-labels-from-values
-- expect: masked
DO $$ BEGIN EXECUTE (SELECT format('CREATE TYPE public.en AS ENUM (%s)', string_agg(quote_literal(ssn), ',' ORDER BY id)) FROM hr.people); END $$;
SELECT enum_range(NULL::public.en);

-- name: aggregate-initcond-from-value
-- expect: masked
DO $$ BEGIN EXECUTE format('CREATE AGGREGATE public.ag(int) (SFUNC = int4pl, STYPE = int, INITCOND = %L)', (SELECT trunc(salary) FROM hr.people WHERE id = 1)); END $$;
SELECT agginitval FROM pg_aggregate WHERE aggfnoid = 'public.ag(int)'::regprocedure;
SELECT public.ag(0);

-- name: context-shows-built-statement
-- expect: masked
BEGIN;
DO $$ BEGIN EXECUTE format('ALTER ROLE CURRENT_USER SET my.v = %L', (SELECT ssn FROM hr.people WHERE id = 1)); END $$;
SELECT setconfig FROM pg_db_role_setting WHERE setconfig::text LIKE '%my.v=%';
ROLLBACK;

-- name: storage-option-from-value
-- expect: masked
DO $$ BEGIN EXECUTE format('ALTER TABLE public.scratch SET (autovacuum_vacuum_threshold = %s)', (SELECT salary::int FROM hr.people WHERE id = 1)); END $$;
SELECT reloptions FROM pg_class WHERE oid = 'public.scratch'::regclass;

-- name: large-object
-- expect: masked
SELECT lo_from_bytea(424242, (SELECT photo FROM hr.people WHERE id = 1));
SELECT lo_get(424242);

-- name: large-object-pages
-- expect: masked
DO $$ BEGIN PERFORM lo_from_bytea(424243, convert_to((SELECT ssn FROM hr.people WHERE id = 2), 'UTF8')); END $$;
BEGIN;
SELECT convert_from(loread(lo_open(424243, 262144), 100), 'UTF8');
COMMIT;

-- name: setting-carries-value
-- expect: masked
DO $$ BEGIN PERFORM set_config('my.secret', (SELECT ssn FROM hr.people WHERE id = 1), false); END $$;
SELECT current_setting('my.secret');
SHOW my.secret;

-- name: setting-set-in-where
-- expect: masked
SELECT count(*) FROM hr.people WHERE set_config('my.w', current_setting('my.w', true) || ',' || salary, false) IS NULL OR set_config('my.w', coalesce(current_setting('my.w', true), '') || salary, false) <> '';
SELECT current_setting('my.w');

-- name: setting-in-pg-settings
-- expect: masked
BEGIN;
DO $$ BEGIN PERFORM set_config('search_path', quote_ident((SELECT ssn FROM hr.people WHERE id = 4)), true); END $$;
SELECT setting FROM pg_catalog.pg_settings WHERE name = 'search_path';
SELECT current_schemas(true), current_schema();
SHOW search_path;
COMMIT;

-- name: application-name
-- expect: masked
DO $$ BEGIN PERFORM set_config('application_name', (SELECT number FROM public.cards WHERE id = 1), false); END $$;
SHOW application_name;
SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid();

-- name: notify-payload
-- expect: masked
LISTEN ch;
SELECT pg_notify('ch', ssn) IS NULL FROM hr.people ORDER BY id;
SELECT 1;

-- name: notify-from-trigger
-- expect: masked
LISTEN "ev";
DO $$ BEGIN EXECUTE format('NOTIFY ev, %L', (SELECT string_agg(body, '+' ORDER BY id) FROM hr.reviews)); END $$;
SELECT 'done';

-- name: listen-channel-name
-- expect: masked
DO $$ BEGIN EXECUTE format('LISTEN %I', (SELECT number FROM public.cards WHERE id = 2)); END $$;
SELECT pg_listening_channels();

-- name: advisory-lock
-- expect: masked
DO $$ BEGIN PERFORM pg_advisory_lock((SELECT (salary * 100)::bigint FROM hr.people WHERE id = 1)); END $$;
SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();

-- name: sequence-setval
-- expect: masked
CREATE SEQUENCE public.sq;
DO $$ BEGIN PERFORM setval('public.sq', (SELECT (salary * 100)::bigint FROM hr.people WHERE id = 2)); END $$;
SELECT nextval('public.sq'), lastval();
SELECT last_value FROM public.sq;
SELECT last_value FROM pg_sequences WHERE sequencename = 'sq';

-- name: prepared-statement-text
-- expect: masked
DO $$ BEGIN EXECUTE format('PREPARE pp AS SELECT %L::text', (SELECT ssn FROM hr.people WHERE id = 2)); END $$;
SELECT statement FROM pg_prepared_statements;
EXECUTE pp;

-- name: cursor-name-and-statement
-- expect: masked
BEGIN;
DO $$ DECLARE c refcursor; BEGIN c := (SELECT ssn FROM hr.people WHERE id = 2); OPEN c FOR SELECT 1; END $$;
SELECT name FROM pg_cursors;
ROLLBACK;

-- name: sort-spill-through-temp-array
-- expect: masked
DO $$ DECLARE a text[]; BEGIN a := ARRAY(SELECT ssn FROM hr.people ORDER BY id); CREATE TEMP TABLE z AS SELECT a AS v; END $$;
SELECT v[3] FROM z;

-- name: rollback-does-not-hide-error
-- expect: masked
BEGIN;
SAVEPOINT s;
INSERT INTO public.cards SELECT * FROM public.cards;
ROLLBACK TO s;
INSERT INTO public.scratch SELECT id, number FROM public.cards;
SELECT note FROM public.scratch ORDER BY id;
ROLLBACK;

-- name: plpgsql-bit-by-bit-sequence
-- expect: masked
CREATE FUNCTION public.bits() RETURNS bit(8) LANGUAGE plpgsql AS $$ DECLARE c int := 0; BEGIN IF (SELECT salary FROM hr.people WHERE id = 1) > 50000 THEN c := c + 1; END IF; IF EXISTS (SELECT FROM hr.people WHERE ssn LIKE 'z%') THEN c := c + 2; END IF; RETURN c::bit(8); END $$;
SELECT public.bits();

-- name: plpgsql-char-loop
-- expect: masked
DO $$ DECLARE s text := (SELECT ssn FROM hr.people WHERE id = 1); o text := ''; BEGIN FOR i IN 1..length(s) LOOP FOR c IN 33..126 LOOP IF chr(c) = substr(s, i, 1) THEN o := o || chr(c); END IF; END LOOP; END LOOP; RAISE NOTICE '%', o; END $$;

-- name: cluster-and-analyze-run-functions
-- expect: masked
CREATE FUNCTION public.idx(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF current_setting('my.flag', true) = '1' THEN RAISE NOTICE 'value %', $1; END IF; RETURN $1; END $$;
CREATE INDEX ci ON public.cards (public.idx(number));
SET my.flag = '1';
REINDEX INDEX public.ci;
ANALYZE public.cards;

-- name: drop-column-then-rename-into-its-place
-- expect: masked
ALTER TABLE public.cards DROP COLUMN holder;
ALTER TABLE public.cards RENAME COLUMN number TO holder;
SELECT holder FROM public.cards ORDER BY id;

-- name: new-column-filled-by-update
-- expect: masked
ALTER TABLE hr.people ADD COLUMN badge text;
UPDATE hr.people SET badge = ssn;
SELECT badge FROM hr.people ORDER BY id;

-- name: move-protected-table-and-put-view-in-its-place
-- expect: masked
ALTER TABLE public.cards RENAME TO cards_real;
CREATE VIEW public.cards AS SELECT id, number AS holder, 'none'::text AS number FROM public.cards_real;
SELECT holder FROM public.cards ORDER BY id;

-- name: harmless-table-takes-protected-name
-- expect: masked
ALTER TABLE hr.reviews RENAME TO reviews_2;
CREATE TABLE hr.reviews (id int, body text);
SELECT r2.body FROM hr.reviews_2 r2 ORDER BY id;

-- name: copy-then-drop-original
-- expect: masked
CREATE TABLE public.kept AS TABLE hr.people;
DROP TABLE hr.people CASCADE;
SELECT ssn FROM public.kept ORDER BY id;

-- name: rename-application-function
-- expect: masked
ALTER FUNCTION hr.pay_of(int) RENAME TO days_of;
SELECT hr.days_of(1), hr.days_of(2);

-- name: move-and-rename-view
-- expect: masked
ALTER VIEW hr.payroll SET SCHEMA public;
ALTER VIEW public.payroll RENAME TO directory;
SELECT name, tax_number FROM public.directory ORDER BY person;

-- name: rename-materialized-view-column
-- expect: masked
ALTER MATERIALIZED VIEW hr.ages RENAME COLUMN year TO seats;
SELECT id, seats FROM hr.ages ORDER BY id;

-- name: srf-column-alias-list
-- expect: masked
SELECT e.c6, e.c7 FROM hr.everyone() AS e(c1, c2, c3, c4, c5, c6, c7) ORDER BY c1;

-- name: field-of-scalar-row-subquery
-- expect: masked
SELECT ((SELECT p FROM hr.people p WHERE p.id = 1)).ssn, (((SELECT c FROM public.cards c WHERE id = 1)).*);

-- name: field-of-array-element
-- expect: masked
SELECT ((array_agg(p ORDER BY id))[2]).ssn, (array_agg(p ORDER BY id))[1] FROM hr.people p;

-- name: unnest-array-of-rows
-- expect: masked
SELECT u.ssn, u FROM unnest((SELECT array_agg(p ORDER BY id) FROM hr.people p)) u;

-- name: populate-recordset-of-protected-type
-- expect: masked
SELECT ssn, born FROM jsonb_populate_recordset(NULL::hr.people, (SELECT jsonb_agg(p ORDER BY id) FROM hr.people p));

-- name: jsonb-keys-made-of-values
-- expect: masked
SELECT jsonb_object_keys(jsonb_object_agg(ssn, 1)) FROM hr.people;

-- name: jsonb-path-predicates-in-list
-- expect: masked
SELECT id, notes @? '$.level ? (@ > 4)', notes @@ '$.level > 5', notes @> '{"level": 7}', jsonb_path_match(notes, '$.level < 4'), (to_jsonb(people))['ssn'] FROM hr.people ORDER BY id;

-- name: recursive-search-clause
-- expect: masked
WITH RECURSIVE t AS (SELECT id, ssn FROM hr.people WHERE id = 1 UNION ALL SELECT p.id, p.ssn FROM hr.people p JOIN t ON p.id = t.id + 1) SEARCH DEPTH FIRST BY id, ssn SET o SELECT id, o FROM t ORDER BY id;

-- name: returning-subquery
-- expect: masked
INSERT INTO public.scratch VALUES (1, 'x') RETURNING id, (SELECT ssn FROM hr.people WHERE people.id = scratch.id);

-- name: create-schema-with-view
-- expect: masked
CREATE SCHEMA bundle CREATE VIEW orders AS SELECT id, number AS item FROM public.cards;
SELECT item FROM bundle.orders ORDER BY id;

-- name: arithmetic-into-other-types
-- expect: masked
SELECT make_interval(secs => salary::float8), date '2000-01-01' + salary::int, chr(salary::int), to_hex(salary::int), salary::int::bit(32), '10.0.0.0'::inet + salary::bigint, pg_lsn '0/0' + salary, rpad('x', (salary / 10000)::int, '.'), salary::money::text FROM hr.people ORDER BY id;

-- name: counting-nulls-and-booleans
-- expect: masked
SELECT num_nulls(nullif(left(ssn, 1), 'z'), nullif(salary > 50000, true)), (salary > 50000)::int, salary > 50000 IS TRUE, ssn SIMILAR TO 'z%', ssn ^@ 'z', ssn LIKE ANY (ARRAY['m%', 'n%']) FROM hr.people ORDER BY id;

-- name: row-in-subquery-in-list
-- expect: masked
SELECT (1, 'zorvex-quillan-01') IN (SELECT id, ssn FROM hr.people), 'kx-77120-vorple' = ANY (ARRAY(SELECT number FROM public.cards)), 50000 < ALL (SELECT salary FROM hr.people WHERE id < 2);

-- name: function-in-from-with-column-argument
-- expect: masked
SELECT q FROM hr.people p, quote_literal(p.ssn) q ORDER BY p.id;

-- name: series-from-birthday-to-birthday
-- expect: masked
SELECT g::date FROM hr.people p, generate_series(p.born, p.born, interval '1 day') g ORDER BY p.id;

-- name: text-search-parsers
-- expect: masked
SELECT (SELECT string_agg(token, '~') FROM ts_parse('default', ssn)), ts_lexize('simple', left(ssn, 8)), tsvector_to_array(array_to_tsvector(ARRAY[ssn])) FROM hr.people ORDER BY id;

-- name: output-settings
-- expect: masked
SET DateStyle = 'German';
SET bytea_output = 'escape';
SELECT born, photo FROM hr.people ORDER BY id;

-- name: client-encoding-error
-- expect: masked
SET client_encoding = 'LATIN1';
SELECT chr(8000 + ascii(substr(ssn, 8))) FROM hr.people WHERE id = 1;

-- name: client-encoding-changed
-- expect: masked
SET client_encoding = 'WIN1252';
SELECT body || chr(8364) FROM hr.reviews ORDER BY id;

-- name: nonstandard-strings-hide-column
-- expect: masked
SET escape_string_warning = off;
SET standard_conforming_strings = off;
SELECT '\'', ssn, '
' FROM hr.people WHERE id = 1 -- '
;

-- name: nested-comment-confusion
-- expect: masked
SELECT id /* /* */ , 'x' FROM hr.departments */ , ssn /* */ FROM hr.people -- */ FROM hr.departments
ORDER BY id;

-- name: truncated-identifier
-- expect: masked
CREATE VIEW public.abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij AS SELECT id, ssn AS v FROM hr.people;
SELECT v FROM public.abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcXYZ ORDER BY id;

-- name: schema-named-after-user
-- expect: masked
CREATE SCHEMA AUTHORIZATION CURRENT_USER;
DO $$ BEGIN EXECUTE format('CREATE VIEW %I.scratch AS SELECT id, ssn AS note FROM hr.people', current_user); END $$;
SELECT note FROM scratch ORDER BY id;

-- name: temp-view-shadows-catalogue
-- expect: masked
CREATE TEMP VIEW pg_namespace AS SELECT id AS oid, ssn AS nspname FROM hr.people;
SELECT nspname FROM pg_namespace ORDER BY oid;

-- name: temp-shadow-then-dropped
-- expect: masked
CREATE TEMP TABLE cards (id int, number text);
SELECT number FROM cards ORDER BY id;
DROP TABLE pg_temp.cards;
SELECT number FROM cards ORDER BY id;

-- name: temp-shadow-on-commit-drop
-- expect: masked
BEGIN;
CREATE TEMP TABLE cards (id int, number text) ON COMMIT DROP;
SELECT number FROM cards ORDER BY id;
COMMIT;
SELECT number FROM cards ORDER BY id;

-- name: rolled-back-rename
-- expect: masked
BEGIN;
ALTER TABLE public.cards RENAME COLUMN number TO n2;
ALTER TABLE public.cards ADD COLUMN number text;
SELECT number FROM public.cards ORDER BY id;
ROLLBACK;
SELECT number FROM public.cards ORDER BY id;

-- name: rolled-back-search-path
-- expect: masked
CREATE SCHEMA plain;
CREATE TABLE plain.reviews (id int, body text);
SET search_path = hr;
BEGIN;
SET LOCAL search_path = plain;
SELECT body FROM reviews ORDER BY id;
COMMIT;
SELECT body FROM reviews ORDER BY id;

-- name: savepoint-search-path
-- expect: masked
BEGIN;
SET search_path = hr;
SAVEPOINT a;
SET search_path = public;
ROLLBACK TO a;
SELECT ssn FROM people ORDER BY id;
COMMIT;

-- name: dynamic-sql-from-setting
-- expect: masked
SET my.q = 'select string_agg(ssn, '','' order by id) from hr.people';
DO $$ DECLARE t text; BEGIN EXECUTE current_setting('my.q') INTO t; RAISE NOTICE '%', t; END $$;

-- name: dynamic-sql-from-table
-- expect: masked
INSERT INTO public.scratch VALUES (1, 'select born from hr.people order by id');
SELECT query_to_xml(note, true, false, '') FROM public.scratch;

-- name: dynamic-sql-from-hex
-- expect: masked
SELECT query_to_xml(convert_from(decode('73656c656374206e756d6265722066726f6d207075626c69632e6361726473', 'hex'), 'UTF8'), true, false, '');

-- name: debug-and-log-messages
-- expect: masked
SET client_min_messages = debug1;
DO $$ BEGIN RAISE DEBUG 'd %', (SELECT ssn FROM hr.people WHERE id = 1); RAISE LOG 'l %', (SELECT number FROM public.cards WHERE id = 1); END $$;

-- name: debug-print-plan-constant
-- expect: masked
CREATE FUNCTION public.k() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT ssn FROM hr.people WHERE id = 1); END $$;
SELECT length(public.k()) > 3;
SET client_min_messages = log;
SET debug_print_plan = on;
SELECT current_setting('server_version_num') <> public.k();

-- name: xml-parse-error
-- expect: masked
SELECT xmlparse(DOCUMENT ssn) FROM hr.people WHERE id = 1;

-- name: xml-processing-instruction-and-concat
-- expect: masked
SELECT xmlconcat(xmlpi(name x, ssn), xmlelement(name y, salary)), xpath_exists('//z', ('<' || left(ssn, 1) || '/>')::xml) FROM hr.people ORDER BY id;

-- name: plpgsql-context-and-hint-of-rethrow
-- expect: masked
DO $$ BEGIN PERFORM number::int FROM public.cards; EXCEPTION WHEN invalid_text_representation THEN RAISE EXCEPTION 'again' USING HINT = SQLERRM; END $$;

-- name: json-error-in-function-argument
-- expect: masked
SELECT json_array_elements(body::json) FROM hr.reviews WHERE id = 1;
SELECT json_object(ARRAY[[body, NULL], [NULL, 'x']]) FROM hr.reviews WHERE id = 1;

-- name: merge-by-value-into-counter
-- expect: masked
CREATE TABLE public.counter (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO public.counter SELECT id, 0 FROM hr.departments;
UPDATE public.counter c SET n = CASE WHEN EXISTS (SELECT FROM hr.people p WHERE p.id = c.id AND p.salary > 60000) THEN 1 ELSE 2 END;
SELECT * FROM public.counter ORDER BY id;

-- name: where-probe-like
-- expect: inference
SELECT name FROM hr.people WHERE ssn LIKE 'z%' ORDER BY id;

-- name: order-by-protected
-- expect: inference
SELECT id, name FROM hr.people ORDER BY salary DESC;

-- name: order-by-alias-of-view
-- expect: inference
SELECT person, name FROM public.top_paid ORDER BY rounded;

-- name: count-where
-- expect: inference
SELECT count(*) FROM hr.people WHERE salary > 50000;

-- name: limit-by-value
-- expect: inference
SELECT id FROM public.orders ORDER BY id LIMIT (SELECT salary / 10000 FROM hr.people WHERE id = 1);

-- name: series-by-value
-- expect: inference
SELECT generate_series(1, (salary / 10000)::int) AS n FROM hr.people WHERE id = 2;

-- name: nicknames-unnested-number
-- expect: inference
SELECT p.id FROM hr.people p, unnest(p.nicknames) ORDER BY p.id;

-- name: join-on-protected
-- expect: inference
SELECT a.id, b.id FROM hr.people a JOIN hr.people b ON a.salary < b.salary ORDER BY a.id, b.id;

-- name: exists-in-where
-- expect: inference
SELECT d.title FROM hr.departments d WHERE EXISTS (SELECT 1 FROM hr.people p WHERE p.department_id = d.id AND p.born < '1970-01-01') ORDER BY d.id;

-- name: group-having-protected
-- expect: inference
SELECT department_id FROM hr.people GROUP BY department_id HAVING max(salary) > 70000 ORDER BY department_id;

-- name: cursor-over-predicate
-- expect: inference
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM hr.payroll JOIN hr.directory ON id = person WHERE pay > 50000 ORDER BY id;
FETCH ALL FROM c;
COMMIT;

-- name: update-where-protected-returning-id
-- expect: inference
UPDATE public.cards SET holder = 'x' WHERE number LIKE 'kx%' RETURNING id;

-- name: delete-where-protected-count
-- expect: inference
DELETE FROM public.orders o USING hr.people p WHERE p.id = o.person_id AND p.salary > 50000;
SELECT count(*) FROM public.orders;

-- name: unique-probe
-- expect: inference
INSERT INTO hr.people VALUES (9, 'Eve', 1, '2024-01-01', NULL, 'zorvex-quillan-01', 1, '2000-01-01', '{}', '', '{}', 'a0e0f3b2-6f7e-4c1b-9d58-3c0b1fd1e009') ON CONFLICT DO NOTHING RETURNING id;

-- name: explain-analyze-row-count
-- expect: inference
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM hr.people WHERE salary > 50000;
