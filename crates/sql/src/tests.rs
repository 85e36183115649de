//! Statements, what is told of each, and texts that are written to be misread. Expectations are from PostgreSQL's documentation.

use super::*;

fn first(text: &str) -> Script {
    let script = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(script.statements.len(), 1, "{text}");
    script
}

fn kinds(text: &str) -> String {
    let script = first(text);
    let kinds = script.statements().next().unwrap().kinds();
    kinds.into_iter().map(Kind::name).collect::<Vec<_>>().join(" ")
}

fn facts(text: &str) -> SqlFacts {
    first(text).statements().next().unwrap().facts()
}

fn effects(text: &str) -> Vec<Effect> {
    first(text).statements().next().unwrap().effects()
}

fn words(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn statements_are_told_apart() {
    let script = parse(" select 1 ; ;insert into t values (';') -- ;\n;;do $$ ; $$;").unwrap();
    let texts: Vec<_> = script.statements().map(|statement| statement.text()).collect();
    assert_eq!(texts, ["select 1", "insert into t values (';')", "do $$ ; $$"]);
    let script = parse("select U&'a!0061' uescape /* */ '!' ;").unwrap();
    assert_eq!(script.statements().next().unwrap().text(), "select U&'a!0061' uescape /* */ '!'");
    let script = parse("create function f() returns int begin atomic select 1; select 2; end; select 3").unwrap();
    assert_eq!(script.statements().count(), 2);
    for text in ["", " ; ;; ", "-- x", "/* a */;"] {
        assert_eq!(parse(text).unwrap().statements().count(), 0, "{text}");
    }
}

#[test]
fn each_statement_has_its_kinds() {
    for (text, expected) in [
        ("select 1", "select"),
        ("values (1)", "select"),
        ("table t", "select"),
        ("(select 1) union all (select 2)", "select"),
        ("with d as (delete from t returning *) select * from d", "select delete"),
        ("with d as (update t set a = 1 returning *) insert into u select * from d", "select insert update"),
        ("insert into t values (1)", "insert"),
        ("insert into t default values", "insert"),
        ("insert into t select 1", "select insert"),
        ("insert into t values (1) on conflict (a) do update set a = 2", "insert update"),
        ("insert into t values (1) on conflict do nothing", "insert"),
        ("update t set a = 1", "update"),
        ("update t set a = (select 1)", "select update"),
        ("delete from t", "delete"),
        (
            "merge into t using s on a = b when matched then delete when not matched then insert values (1)",
            "insert delete merge",
        ),
        ("truncate t", "truncate"),
        ("copy t to stdout", "copy_out"),
        ("copy t from stdin", "copy_in"),
        ("copy (select 1) to stdout", "select copy_out"),
        ("copy (delete from t returning *) to stdout", "delete copy_out"),
        ("copy t to '/tmp/x'", "copy_out code"),
        ("copy t from program 'id'", "copy_in code"),
        ("create table t (a int)", "ddl"),
        ("create table t as select 1", "select ddl"),
        ("select 1 into t", "select ddl"),
        ("with x as (select 1) select a into t from x", "select ddl"),
        ("create view v as select 1", "ddl"),
        ("create view v as select * from pg_settings", "ddl code"),
        ("create or replace temp view v as table pg_catalog.pg_settings", "ddl code"),
        ("create view v as select name from t, U&\"pg\\005Fsettings\" s with local check option", "ddl code"),
        ("create recursive view v (a) as select setting from only \"pg_settings\"", "ddl code"),
        ("create view v as select (select max(setting) from d.pg_catalog.pg_settings)", "ddl code"),
        ("create materialized view v as select * from pg_settings", "select ddl code"),
        ("create rule r as on update to v do instead update pg_settings set setting = new.b", "update ddl code"),
        ("create schema s create table t (a int) create view v as select * from pg_settings", "ddl code"),
        ("create view v as select 'pg_settings' as pg_settings from pg_settings_of", "ddl"),
        ("create table t as select * from pg_settings", "select ddl"),
        ("create schema s", "ddl"),
        ("create schema s grant select on table hr.people to public", "ddl admin"),
        ("create schema s create trigger g before insert on t for each row execute function f()", "ddl code"),
        ("create schema s create table t (a int) create view v as select 1 create index on t (a)", "ddl"),
        ("create schema s create sequence q create view v as select pg_read_file('x')", "ddl code"),
        ("create schema s create table t (a text default pg_read_file('x')) grant all on t to u", "ddl admin code"),
        ("update pg_proc set prosrc = 'x'", "update code"),
        ("update only \"pg_catalog\".PG_CLASS c set relname = 'x'", "update code"),
        ("insert into pg_db_role_setting values (0, 0, '{}')", "insert code"),
        ("with w as (delete from d.pg_catalog.pg_policy returning 1) select * from w", "select delete code"),
        ("merge into pg_class using t on true when matched then delete", "delete merge code"),
        ("copy pg_authid from stdin", "copy_in code"),
        ("copy pg_class to stdout", "copy_out"),
        ("explain update pg_proc set prosrc = 'x'", "select"),
        ("update pgbench_accounts set a = 1", "update"),
        ("update hr.pg_class set a = 1", "update"),
        ("update pg_settings set setting = 'x'", "update"),
        ("select * from pg_class for update", "select update"),
        ("drop table t", "ddl"),
        ("create index on t (a)", "ddl"),
        ("create function f() returns int language sql as 'select 1'", "ddl code"),
        ("create trigger g before insert on t execute function f()", "ddl code"),
        ("create rule r as on insert to t do also delete from u", "delete ddl code"),
        ("create extension dblink", "ddl code"),
        ("grant select on t to u", "admin"),
        ("create role r", "admin"),
        ("alter system set a = 1", "admin"),
        ("vacuum", "admin"),
        ("analyze t", "admin"),
        ("load 'x'", "admin code"),
        ("reindex table t", "admin"),
        ("set role none", "admin"),
        ("set session authorization u", "admin"),
        ("set local role u", "admin"),
        ("set \"role\" = u", "admin"),
        ("reset role", "admin"),
        ("set \"ROLE\" to u", "admin"),
        ("reset \"Role\"", "admin"),
        ("set local U&\"SESSION\\005FREPLICATION_ROLE\" = replica", "admin"),
        ("set \"Session_Authorization\" = u", "admin"),
        ("set session_replication_role = replica", "admin"),
        ("set search_path = a, b", "session"),
        ("show all", "session"),
        ("reset all", "session"),
        ("discard all", "session"),
        ("deallocate all", "session"),
        ("listen c", "session"),
        ("notify c", "other"),
        ("lock table t", "other"),
        ("select 1 for update", "select update"),
        ("begin", "transaction"),
        ("start transaction read only", "transaction"),
        ("set transaction read only", "transaction"),
        ("set session characteristics as transaction read write", "admin"),
        ("end", "transaction"),
        ("rollback to x", "transaction"),
        ("do 'x'", "code"),
        ("call p()", "code"),
        ("execute p", "code"),
        ("create table t as execute p", "ddl code"),
        ("prepare p as delete from t", "delete"),
        ("prepare p as select 1", "select"),
        ("declare c cursor for select 1", "select"),
        ("fetch all c", "select"),
        ("explain select 1", "select"),
        ("explain delete from t", "select"),
        ("explain analyze delete from t", "select delete"),
        ("explain (analyze) delete from t", "select delete"),
        ("explain (analyze off, verbose) delete from t", "select"),
        ("explain (analyze true) insert into t select 1", "select insert"),
        ("explain (analyze, analyze off) delete from t", "select delete"),
        ("explain (\"analyze\") delete from t", "select delete"),
        ("explain execute p", "select code"),
        ("select pg_read_file('x')", "select code"),
        ("select pg_catalog.pg_ls_dir('x')", "select code"),
        ("select U&\"pg_read\\005Ffile\"('x')", "select code"),
        ("select \"pg_read_file\"('x')", "select code"),
        ("select PG_READ_FILE ('x')", "select code"),
        ("select * from dblink('x', 'y') as t(a int)", "select code"),
        ("select query_to_xml('select 1', true, true, '')", "select code"),
        ("select set_config('role', 'x', false)", "select code"),
        ("select set_config('search_path', '', false)", "select session"),
        ("select set_config('search_path', name, false) from t", "select code"),
        ("select set_config(a, 'x', false) from t", "select code"),
        ("explain select lo_import('x')", "select code"),
        ("update t set a = pg_terminate_backend(1)", "update code"),
    ] {
        assert_eq!(kinds(text), expected, "{text}");
    }
}

#[test]
fn tables_and_functions_are_named() {
    for (text, reads, writes, functions) in [
        ("select * from T, s.\"T\" as x, only u, U&\"\\0076\"", "s.T t u v", "", ""),
        ("select f(a), s.g(b) over (), h(*) from t", "t", "", "f h s.g"),
        ("with t as (select * from u) select * from t, s.t", "s.t u", "", ""),
        ("with t as (select * from t) select 1", "t", "", ""),
        ("with recursive t as (select * from t) select 1", "", "", ""),
        ("with a as (select 1), b as (select * from a) select * from b", "", "", ""),
        ("with b as (select * from a), a as (select 1) select * from b", "a", "", ""),
        ("select * from (with t as (select 1) select * from t) x, t", "t", "", ""),
        ("insert into t select * from t", "t", "t", ""),
        ("with x as (select 1) insert into x select * from x", "", "x", ""),
        ("with x as (select 1) delete from t using x where t.a = x.a", "", "t", ""),
        ("update t set a = (select max(b) from u) from v", "u v", "t", "max"),
        ("delete from t using u returning *", "t u", "t", ""),
        ("merge into t using u on true when matched then do nothing", "u", "t", ""),
        ("truncate a, only b.c", "", "a b.c", ""),
        ("copy s.t to stdout", "s.t", "", ""),
        ("copy s.t from stdin", "", "s.t", ""),
        ("select * into n from t", "t", "n", ""),
        ("create table n as select * from t", "t", "n", ""),
        ("create view v as select * from t", "t", "v", ""),
        ("drop table if exists a.b, \"C\"", "", "C a.b", ""),
        ("alter table only t add column c int default f()", "", "t", "f"),
        ("create table t (a int references u) inherits (v)", "u v", "t", ""),
        ("explain delete from t", "t", "", ""),
        ("select * from t x for update of x", "t", "", ""),
        ("select * from \"a.b\".c", "\"a.b\".c", "", ""),
        ("select coalesce(a, 1), current_user from rows from (f(1), g(2)) x", "", "", "coalesce current_user f g"),
        ("select 1 from t tablesample s.m(1)", "t", "", "s.m"),
        ("grant select on t to u", "", "t", ""),
        ("lock t", "t", "", ""),
        (
            "create schema s create view v as select f(a) from u create table t (a int references w) create index on t (g(a)) \
             create sequence q create trigger h before insert on t for each row execute function k() grant select on hr.people to x",
            "u w",
            "hr.people q t v",
            "f g k",
        ),
    ] {
        let facts = facts(text);
        assert!(facts.parsed);
        let told = (words(&facts.reads), words(&facts.writes), words(&facts.functions));
        assert_eq!(told, (reads.to_owned(), writes.to_owned(), functions.to_owned()), "{text}");
    }
}

#[test]
fn limits_and_conditions_are_known() {
    for (text, limit) in [
        ("select 1 limit 5", Some(5)),
        ("select 1 limit 0x10", Some(16)),
        ("select 1 fetch first 7 rows only", Some(7)),
        ("select 1 fetch first row only", Some(1)),
        ("select 1 fetch first row with ties", None),
        ("select 1 limit all", None),
        ("select 1 limit $1", None),
        ("select 1 limit 5 + 5", None),
        ("select 1 limit -1", None),
        ("(select 1 limit 3)", Some(3)),
        ("(select 1 limit 3) limit 2", Some(2)),
        ("(select 1 limit 3) union (select 2)", None),
        ("select * from (select 1 limit 3) x", None),
        ("delete from t", None),
    ] {
        assert_eq!(facts(text).limit, limit, "{text}");
    }
    for text in [
        "delete from t",
        "delete from t where true",
        "delete from t where 1 = 1 or a = 2",
        "delete from t where a = a",
        "delete from t where ((a = A))",
        "delete from t where a = 1 or a <> 1",
        "delete from t where a is null or a is not null",
        "delete from t where a like '%'",
        "update t set a = 1 where not false",
        "with x as (delete from t returning *) select * from x",
        "truncate t",
    ] {
        assert!(facts(text).unbounded, "{text}");
    }
    for text in [
        "delete from t where a = 1",
        "delete from t where a = $1",
        "delete from t where false",
        "delete from t where current of c",
        "update t set a = 1 where exists (select 1)",
        "delete from t where a = 1 or b = 2",
        "explain delete from t",
        "select 1",
    ] {
        assert!(!facts(text).unbounded, "{text}");
    }
}

#[test]
fn facts_name_kinds_as_policies_do() {
    assert_eq!(words(&facts("copy t from stdin").kinds), "insert");
    assert_eq!(words(&facts("copy (delete from t returning *) to '/x'").kinds), "code delete select");
}

#[test]
fn columns_are_named_as_written() {
    let script = first("insert into t (a, \"B\") select x, t.y, t.*, * from t where z > 0");
    let columns = script.statements().next().unwrap().columns();
    assert_eq!((words(&columns.read), words(&columns.written)), ("* t.* t.y x z".to_owned(), "B a".to_owned()));
    let script = first("update t set a = b, (c, d) = (select 1, 2)");
    let columns = script.statements().next().unwrap().columns();
    assert_eq!((words(&columns.read), words(&columns.written)), ("b".to_owned(), "a c d".to_owned()));
}

#[test]
fn sessions_change_as_statements_say() {
    let set = |name: &str, value: &[&str], is_local| Effect::Set {
        name: Some(name.into()),
        value: Some(value.iter().map(|value| (*value).to_owned()).collect()),
        is_local,
    };
    for (text, expected) in [
        ("set search_path to a, 'B', \"C\"", vec![set("search_path", &["a", "B", "C"], false)]),
        ("set local SEARCH_PATH = x", vec![set("search_path", &["x"], true)]),
        ("set schema 'x'", vec![set("search_path", &["x"], false)]),
        ("set role u", vec![set("role", &["u"], false)]),
        ("set role none", vec![set("role", &["none"], false)]),
        ("set session session authorization 'u'", vec![set("session_authorization", &["u"], false)]),
        ("set time zone 'UTC'", vec![set("timezone", &["UTC"], false)]),
        ("set names 'utf8'", vec![set("client_encoding", &["utf8"], false)]),
        ("set standard_conforming_strings = off", vec![set("standard_conforming_strings", &["off"], false)]),
        ("set a.b = -1.5", vec![set("a.b", &["-1.5"], false)]),
        ("set transaction read only", vec![set("transaction", &["read only"], false)]),
        ("select set_config('Search_Path', 'x', true)", vec![set("search_path", &["x"], true)]),
        ("set a to default", vec![Effect::Set { name: Some("a".into()), value: None, is_local: false }]),
        ("select set_config(a, b, c)", vec![Effect::Set { name: None, value: None, is_local: false }]),
        ("reset all", vec![Effect::Reset(None)]),
        ("reset search_path", vec![Effect::Reset(Some("search_path".into()))]),
        ("reset session authorization", vec![Effect::Reset(Some("session_authorization".into()))]),
        ("begin work", vec![Effect::Begin { is_read_only: None }]),
        ("begin isolation level serializable, read write", vec![Effect::Begin { is_read_only: Some(false) }]),
        ("start transaction read only", vec![Effect::Begin { is_read_only: Some(true) }]),
        ("end", vec![Effect::Commit { chains: false }]),
        ("commit and chain", vec![Effect::Commit { chains: true }]),
        ("commit and no chain", vec![Effect::Commit { chains: false }]),
        ("abort", vec![Effect::Rollback { chains: false }]),
        ("rollback to savepoint x", vec![Effect::RollbackTo("x".into())]),
        ("savepoint X", vec![Effect::Savepoint("x".into())]),
        ("release x", vec![Effect::Release("x".into())]),
        ("prepare transaction 'x'", vec![Effect::PrepareTransaction]),
        ("rollback prepared 'x'", vec![]),
        ("prepare \"P\" (int) as select 1", vec![Effect::Prepare("P".into())]),
        ("execute p(1)", vec![Effect::Execute("p".into())]),
        ("explain analyze execute p", vec![Effect::Execute("p".into())]),
        ("deallocate prepare p", vec![Effect::Deallocate(Some("p".into()))]),
        ("deallocate all", vec![Effect::Deallocate(None)]),
        ("declare c scroll cursor for select 1", vec![Effect::Declare("c".into())]),
        ("fetch forward 3 from c", vec![Effect::Fetch("c".into())]),
        ("move c", vec![Effect::Fetch("c".into())]),
        ("close c", vec![Effect::Close(Some("c".into()))]),
        ("close all", vec![Effect::Close(None)]),
        ("create temp table s.t (a int)", vec![Effect::Temporary("t".into())]),
        ("create local temporary table t as select 1", vec![Effect::Temporary("t".into())]),
        ("create temp table t as execute p", vec![Effect::Execute("p".into()), Effect::Temporary("t".into())]),
        ("create temp view v as select 1", vec![Effect::Temporary("v".into())]),
        ("select 1 into temp t", vec![Effect::Temporary("t".into())]),
        ("create unlogged table temp (a int)", vec![]),
        ("select 1 into temporary_x", vec![]),
        ("select 1 as x into app.temporary", vec![]),
        ("create table temp.t as select 1", vec![]),
        ("listen c", vec![Effect::Listen("c".into())]),
        ("unlisten *", vec![Effect::Unlisten(None)]),
        ("discard temp", vec![Effect::Discard(Discarded::Temporary)]),
        ("discard all", vec![Effect::Discard(Discarded::All)]),
        (
            "update pg_settings set setting = 'off' where name = 'x'",
            vec![Effect::Set { name: None, value: None, is_local: false }],
        ),
        (
            "with w as (update only U&\"pg\\005Fsettings\" as s set setting = 'off') select 1",
            vec![Effect::Set { name: None, value: None, is_local: false }],
        ),
        ("explain update pg_settings set setting = 'off'", vec![]),
        ("update settings set setting = 'off' from pg_settings", vec![]),
        ("select 1", vec![]),
    ] {
        assert_eq!(effects(text), expected, "{text}");
    }
}

#[test]
fn inner_statements_are_found() {
    for (text, inner) in [
        ("prepare p as delete from t", Some("delete from t")),
        ("declare c cursor for select 1", Some("select 1")),
        ("explain (verbose) update t set a = 1", Some("update t set a = 1")),
        ("copy (select 1) to stdout", Some("select 1")),
        ("create table t as select 2", Some("select 2")),
        ("copy t to stdout", None),
        ("select 1", None),
    ] {
        let script = first(text);
        let statement = script.statements().next().unwrap();
        assert_eq!(statement.inner().map(|inner| inner.text()), inner, "{text}");
    }
}

#[test]
fn bounds_are_named() {
    assert_eq!(parse(&" ".repeat(MAX_TEXT + 1)).unwrap_err(), ParseError::TooLong(MAX_TEXT + 1));
    let deep = format!("select {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(parse(&deep).unwrap_err(), ParseError::TooDeep(7 + MAX_DEPTH));
    assert_eq!(
        parse(&"select 1;".repeat(MAX_STATEMENTS + 1)).unwrap_err(),
        ParseError::TooManyStatements(MAX_STATEMENTS + 1)
    );
    assert_eq!(parse(&format!("select 1{}", "+a".repeat(50_000))).unwrap_err(), ParseError::TooManyTokens);
    assert_eq!(parse("select 'x' 'y'").unwrap_err(), ParseError::Syntax(11));
    assert!(parse("select 'x''y', E'a'e'b'").is_err());
}

#[test]
fn long_texts_are_read_within_their_bounds() {
    let almost = |piece: &str| piece.repeat((MAX_TOKENS - 10) / 2);
    for text in [
        format!("select 1{}", almost("+a")),
        format!("select {} true", almost("not not ")),
        format!("select {} 1", almost("- - ")),
        format!("select 1 where a in (b{})", almost(",b")),
        format!("select a{}", almost(",a")),
        format!("select {}", "case when a then ".repeat(MAX_DEPTH) + "1" + &" end".repeat(MAX_DEPTH)),
        format!("select {}1{}", "(select ".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH)),
        format!("select 1 {}", "union select 1 ".repeat((MAX_TOKENS - 2) / 3)),
        format!("select * from a {}", "natural join a ".repeat((MAX_TOKENS - 4) / 3)),
        format!("delete from t where a{}", almost(" or a")),
        format!("/*{}*/ select '{}'", "/* */".repeat(50_000), "x".repeat(500_000)),
    ] {
        let began = std::time::Instant::now();
        let script = parse(&text).unwrap_or_else(|error| panic!("{}: {error}", &text[..40]));
        let statement = script.statements().next().unwrap();
        let _ = (statement.facts(), statement.effects(), statement.columns());
        assert!(began.elapsed().as_secs() < 20, "{}", &text[..40]);
    }
}

#[test]
fn long_lists_of_values_count_little() {
    let numbers: Vec<_> = (1..=60_000).map(|number| format!("${number}")).collect();
    let script = first(&format!("select * from t where a in ({}) and b = f(c)", numbers.join(", ")));
    let facts = script.statements().next().unwrap().facts();
    assert_eq!((words(&facts.reads), words(&facts.functions)), ("t".to_owned(), "f".to_owned()));
    let rows = vec!["(1, 'a', -2.5, null, default)"; 30_000];
    let text = format!("insert into t values {} returning g(a)", rows.join(","));
    let script = first(&text);
    let statement = script.statements().next().unwrap();
    assert_eq!(statement.text(), text);
    assert_eq!(words(&statement.facts().functions), "g");
    // One value in the middle that is none of them.
    let mut rows = vec!["(1)"; 9_000];
    rows[5_000] = "(f(1))";
    let script = first(&format!("insert into t values {}", rows.join(",")));
    assert_eq!(words(&script.statements().next().unwrap().facts().functions), "f");
}
