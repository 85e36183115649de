//! Servers of all versions that the gateway knows and Debian does not have: what is shown, masked, kept and refused.
//!
//! There are packages of them for x86-64 alone; elsewhere these tests are skipped, and say so.

use std::io::Write as _;
use std::process::Stdio;

use vidimus_testkit::Postgres;

use super::approval::is_cancelled;
use super::drivers::psycopg_reads_and_writes;
use super::{World, told};

const RULES: &str = "durability = \"async\"
[targets.orders.masking.fields]
\"*.staff.ssn\" = \"US_SSN\"
";

const STAFF: &str = "
CREATE TABLE staff (id int PRIMARY KEY, name text, ssn text);
INSERT INTO staff VALUES (1, 'Ann', '856-45-6789'), (2, 'Bob', '856-45-6790');
CREATE VIEW cards AS SELECT id, name, ssn AS number FROM staff;
CREATE FUNCTION ssn_of(int) RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM staff WHERE id = $1';
CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1) || ''!''';
";
const MASKED: &str = "<US_SSN>";
const WITHHELD: &str = "ERROR:  this would keep values of protected columns where no rule protects them";
const UNREAD: &str = "ERROR:  it cannot be read, in a database with protected columns";

/// Where a function's statement is kept as a tree and not as text.
const ATOMIC: u32 = 14;
const MERGE: u32 = 15;
/// `MERGE … RETURNING`
const MERGE_RETURNING: u32 = 17;
/// `RETURNING old.…, new.…`
const OLD_AND_NEW: u32 = 18;

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "there is no package of PostgreSQL 13 for this architecture")]
fn every_version_serves_13() {
    serves(13);
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "there is no package of PostgreSQL 14 for this architecture")]
fn every_version_serves_14() {
    serves(14);
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "there is no package of PostgreSQL 16 for this architecture")]
fn every_version_serves_16() {
    serves(16);
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "there is no package of PostgreSQL 17 for this architecture")]
fn every_version_serves_17() {
    serves(17);
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "there is no package of PostgreSQL 18 for this architecture")]
fn every_version_serves_18() {
    serves(18);
}

fn serves(version: u32) {
    // The gateway proves its password by SCRAM-SHA-256, inside TLS with the server's certificate checked.
    let world = World::before(Postgres::for_good(version).unwrap(), "", RULES, &|_| {});
    world.server.sql(&world.database, STAFF).unwrap();
    let told = world.psql(&["show server_version"]);
    assert!(told.0.starts_with(&format!("{version}.")), "{told:?}\n{}", world.gateway.process.log());

    what_is_found_is_masked(&world);
    protected_columns_are_kept(&world, version);
    errors_and_refusals_leave_the_session_as_it_is(&world);
    copy_goes_both_ways(&world);
    psycopg_reads_and_writes(&world);
    is_cancelled(&world);
    world.gateway.verified(&[]);
}

fn what_is_found_is_masked(world: &World) {
    let people = "select id, name, email, age, note from people order by id";
    let rows = "1|Ann|<EMAIL_ADDRESS>|41|{\"card\":\"<CREDIT_CARD>\"}\n2|Bob|<EMAIL_ADDRESS>|42|";
    assert_eq!(world.psql(&[people]), (rows.to_owned(), String::new()));
    let large = "select n, repeat('x', 100) from generate_series(1, 20000) n";
    assert_eq!(world.psql(&[large]).0.lines().count(), 20_000);
}

/// Each statement, and what is printed of it.
fn protected_columns_are_kept(world: &World, version: u32) {
    let psql = |statement: &str| {
        let (out, err) = world.psql(&[statement]);
        assert!(!out.contains("856-45") && !err.contains("856-45"), "{version}: {statement}: {out} {err}");
        (out, err)
    };
    let shown = |statement: &str, expected: &str| {
        assert_eq!(psql(statement), (expected.to_owned(), String::new()), "{version}: {statement}");
    };
    let kept = |statement: &str, error: &str| {
        let (out, err) = psql(statement);
        assert!(out.is_empty() && err.starts_with(error), "{version}: {statement}: {out} {err}");
    };
    shown("select id, ssn from staff order by id", &format!("1|{MASKED}\n2|{MASKED}"));
    shown("select s.ssn as x, upper(ssn), left(ssn, 3), name from staff s where id = 1", &format!("{MASKED}|||Ann"));
    shown("select name, number from cards where id = 1", "Ann|");
    shown("select * from staff where id = 1", &format!("1|Ann|{MASKED}"));
    shown("select staff from staff where id = 1", "");
    shown("select row_to_json(s), string_agg(s.ssn, ',') from staff s where id = 1 group by s", "|");
    shown("select ssn_of(1), shout('a'), shout(name) from staff where id = 1", "|A!|ANN!");
    shown("update staff set name = 'Ann' where id = 1 returning ssn, name, lower(ssn)", &format!("{MASKED}|Ann|"));
    shown("select count(*) from staff", "2");
    kept("insert into lines select id, ssn from staff", WITHHELD);
    kept("create table copied as select ssn from staff", WITHHELD);
    kept("copy staff to stdout", "ERROR:");
    kept("copy (select ssn from staff) to stdout", "ERROR:");
    kept("select ssn::int from staff", "ERROR:  the text of this message is withheld");

    let merged = "merge into lines using staff on n = id when not matched and id = 1 then insert values (id, ";
    if version >= ATOMIC {
        let atomic =
            "CREATE FUNCTION atomic(int) RETURNS text STABLE BEGIN ATOMIC SELECT ssn FROM staff WHERE id = $1; END";
        world.server.sql(&world.database, atomic).unwrap();
        shown("select atomic(1) from staff where id = 1", "");
    }
    if version >= MERGE {
        shown(&format!("{merged}'m')"), "");
        kept(&format!("{merged}ssn)"), WITHHELD);
        shown("delete from lines where t = 'm'", "");
    }
    if version >= MERGE_RETURNING {
        // Columns of what was joined stand beside the table's own.
        shown(&format!("{merged}'m') returning ssn, lower(ssn), name, n"), &format!("{MASKED}||Ann|1"));
        shown("delete from lines where t = 'm'", "");
    }
    if version >= OLD_AND_NEW {
        let updated = "update staff set name = name where id = 1 returning";
        let returned = "old.ssn, new.ssn, upper(old.ssn), new.ssn || 'x', old, row_to_json(new), name";
        shown(&format!("{updated} {returned}"), &format!("{MASKED}|{MASKED}|||||Ann"));
        kept(&format!("{updated} with (old as o, new as n) o.ssn, n.ssn"), UNREAD);
    }
}

fn errors_and_refusals_leave_the_session_as_it_is(world: &World) {
    let (out, err) = world.psql(&["drop table people", "select 1 / 0", "select email::int from people", "select 7"]);
    let errors: Vec<&str> = err.lines().filter(|line| line.starts_with("ERROR")).collect();
    let masked = "ERROR:  invalid input syntax for type integer: \"<EMAIL_ADDRESS>\"";
    assert_eq!(errors, ["ERROR:  no policy permits sql:ddl", "ERROR:  division by zero", masked], "{err}");
    assert_eq!(out, "7");
    let (_, err) = world.psql(&["delete from people"]);
    assert!(err.starts_with("ERROR:  Say which rows."), "{err}");
    assert_eq!(world.psql(&["set search_path = pg_catalog", "show search_path"]).0, "pg_catalog");
}

fn copy_goes_both_ways(world: &World) {
    let mut psql = world.program("psql");
    psql.args(["-X", "-q", "-c", "copy lines from stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = psql.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"1\tone\n2\ttwo@example.com\n").unwrap();
    assert_eq!(told(&child.wait_with_output().unwrap()), (String::new(), String::new()));
    assert_eq!(world.psql(&["copy lines to stdout"]).0, "1\tone\n2\t<EMAIL_ADDRESS>");
    assert_eq!(world.psql(&["delete from lines where n > 0"]), (String::new(), String::new()));
}
