-- The database of the corpus. `values-a.sql` and `values-b.sql` fill the protected columns with different values;
-- all else is the same in both.
-- Protected: hr.people.ssn, .salary, .born, .notes, .photo, .nicknames, .secret_id; hr.reviews.body; public.cards.number.
CREATE SCHEMA hr;
CREATE TYPE public.address AS (street text, city text);
CREATE TABLE hr.departments (id int PRIMARY KEY, title text NOT NULL, budget numeric(12,2) NOT NULL);
CREATE TABLE hr.people (
    id int PRIMARY KEY,
    name text NOT NULL,
    department_id int REFERENCES hr.departments (id),
    started date NOT NULL,
    home address,
    ssn text NOT NULL UNIQUE,
    salary numeric(10,2) NOT NULL CHECK (salary > 0),
    born date NOT NULL,
    notes jsonb NOT NULL,
    photo bytea NOT NULL,
    nicknames text[] NOT NULL,
    secret_id uuid NOT NULL
);
CREATE TABLE hr.reviews (id int PRIMARY KEY, person_id int NOT NULL REFERENCES hr.people (id), stars int NOT NULL, body text NOT NULL);
CREATE TABLE public.cards (id int PRIMARY KEY, holder text NOT NULL, number text NOT NULL);
CREATE TABLE public.orders (id int PRIMARY KEY, person_id int NOT NULL, item text NOT NULL, amount numeric(10,2) NOT NULL, placed timestamptz NOT NULL, tags text[] NOT NULL, data jsonb NOT NULL);
CREATE TABLE public.scratch (id int, note text);
-- Views, one on another, one that renames.
CREATE VIEW hr.directory AS SELECT id, name, department_id, started FROM hr.people;
CREATE VIEW hr.payroll AS SELECT id AS person, name, salary AS pay, ssn AS tax_number FROM hr.people;
CREATE VIEW public.top_paid AS SELECT person, name, round(pay) AS rounded FROM hr.payroll;
CREATE MATERIALIZED VIEW hr.ages AS SELECT id, name, extract(year FROM born) AS year FROM hr.people WITH NO DATA;
-- Functions of the application.
CREATE FUNCTION hr.pay_of(int) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT salary FROM hr.people WHERE id = $1';
CREATE FUNCTION public.shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1) || ''!''';
CREATE FUNCTION hr.everyone() RETURNS SETOF hr.people LANGUAGE sql STABLE AS 'SELECT * FROM hr.people';
