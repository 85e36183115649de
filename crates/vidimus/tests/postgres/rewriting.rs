//! Statements that pass rewritten: with fewer rows, or where nothing can be written.

use std::fmt::Write as _;
use std::process::Stdio;

use http::Method;
use serde_json::{Value, json};
use vidimus_testkit::{Postgres, python_script};

use super::World;
use super::approval::{asked, request};
use super::drivers::arguments;
use super::faults::Raw;

const POLICIES: &str = r#"
@id("capped") @rewrite("cap-rows") @message("Lines come by ten.")
forbid (principal, action == Action::"sql:select", resource == Target::"orders")
when { context.sql.reads.contains("lines") } unless { context.sql has limit && context.sql.limit <= 10 };
@id("quiet") @rewrite("quiet") @message("Functions do not write.")
forbid (principal, action == Action::"sql:select", resource == Target::"orders")
when { !context.sql.functions.isEmpty() && !["count"].containsAll(context.sql.functions) }
unless { context.sql.read_only };
@id("sized") @rewrite("sized") forbid (principal, action == Action::"sql:select", resource == Target::"orders")
when { context.sql.reads.contains("sized") };
@id("asked") @approval("finance") forbid (principal, action == Action::"sql:select", resource == Target::"orders")
when { context.sql.functions.contains("asked") };
"#;

const REWRITES: &str = r#"
durability = "async"
[rewrites.cap-rows]
max_rows = 10
[rewrites.quiet]
read_only = true
[rewrites.sized]
argument = "$.amount"
max = 5
"#;

const FUNCTIONS: &str = "
INSERT INTO lines SELECT n, 'line ' || n FROM generate_series(1, 100) n;
CREATE FUNCTION quiet(n int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION asked(n int) RETURNS int LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION noted(n int) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO payments VALUES (n, 1); RETURN n; END $$;
CREATE FUNCTION undone(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  BEGIN PERFORM pg_catalog.set_config('transaction_read_only', 'off', true); EXCEPTION WHEN OTHERS THEN NULL; END;
  INSERT INTO payments VALUES (n, 1); RETURN n; END $$;
CREATE FUNCTION reset(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  SET LOCAL transaction_read_only = off; INSERT INTO payments VALUES (n, 1); RETURN n; END $$;
";

/// A gateway that has statements rewritten; more of its target's table.
fn start(more: &str) -> World {
    let policies = |dir: &std::path::Path| std::fs::write(dir.join("policies/rewrites.cedar"), POLICIES).unwrap();
    let world = World::with("", &format!("{more}{REWRITES}"), &policies);
    Postgres::shared().unwrap().sql(&world.database, FUNCTIONS).unwrap();
    world
}

/// How many payments there are.
fn payments(world: &World) -> String {
    Postgres::shared().unwrap().sql(&world.database, "SELECT count(*) FROM payments").unwrap().trim().to_owned()
}

#[test]
fn psql_gets_fewer_rows_and_writes_nothing_by_functions() {
    let world = start("");
    let ten = (1..=10).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
    for query in [
        "select n from lines order by n",
        "select n from lines order by n -- all of them",
        "select n from lines order by n limit 50 /* limit 5 */;",
        "select n from lines order by n fetch first 20 rows only",
        "select n from lines order by n limit all",
        "with l as (select n from lines limit 99) select n from l order by n",
        "select n from lines union select n from lines order by n",
    ] {
        assert_eq!(world.psql(&[query]), (ten.clone(), String::new()), "{query}\n{}", world.gateway.process.log());
    }
    // In read-only transactions of their own: the connection goes on as it was.
    let (out, err) = world.psql(&["select quiet(7)", "insert into lines values (999, 'x')", "select quiet(8)"]);
    assert_eq!((out.as_str(), err.as_str()), ("7\n8", ""));
    for function in ["noted", "undone", "reset"] {
        let (out, err) = world.psql(&[&format!("select {function}(1)"), "insert into lines values (1000, 'x')"]);
        assert!(out.is_empty(), "{function}: {out}");
        let is_refused = err.contains("cannot execute INSERT in a read-only transaction")
            || err.contains("transaction read-write mode must be set before any query")
            || err.contains("cannot set transaction read-write mode inside a read-only transaction");
        assert!(is_refused && err.matches("ERROR").count() == 1, "{function}: {err}");
    }
    assert_eq!(payments(&world), "0");
    assert_eq!(world.psql(&["select count(*) from lines where n = 1000"]).0, "3");
    // In a transaction it holds to the end.
    let (_, err) = world.psql(&["begin", "select quiet(1)", "insert into lines values (1, 'x')", "rollback"]);
    assert!(err.contains("cannot execute INSERT in a read-only transaction"), "{err}");
}

#[test]
fn errors_are_about_the_text_that_was_sent() {
    let world = start("");
    for query in ["select quiet(1), nosuch", "select 'ü', quiet(n) from lines limit 5000 offset nosuch"] {
        let (_, err) = world.psql(&[query]);
        let lines: Vec<&str> = err.lines().collect();
        assert_eq!(lines[0], "ERROR:  column \"nosuch\" does not exist", "{err}");
        assert_eq!(lines[1], format!("LINE 1: {query}"), "{err}");
        let under = |text: &str, sign: &str| text[..text.find(sign).unwrap()].chars().count();
        assert_eq!(under(lines[2], "^"), under(lines[1], "nosuch"), "{err}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let world = start("");
    for (query, because) in [
        ("select n from lines; select n from lines", "that takes one query that only reads"),
        ("copy lines to stdout", "that takes one query that only reads"),
        ("copy (select n from lines) to stdout", "that takes one query that only reads"),
        ("begin; declare c cursor for select n from lines; fetch all from c", "that takes one query that only reads"),
        ("explain analyze select n from lines", "that takes one query that only reads"),
        ("select n from lines limit (select 100)", "its own limit is no plain number"),
        ("select n from lines limit 5 + 95", "its own limit is no plain number"),
        ("select n from lines order by n fetch first 20 rows with ties", "its own limit is no plain number"),
        (
            "with d as (delete from lines where n = 1 returning *) select * from d",
            "that takes one query that only reads",
        ),
        ("select n from lines for update", "that takes one query that only reads"),
        ("select quiet(1); set transaction read write", "that takes one statement that only reads"),
        ("select * from sized", "the rewrite `sized` changes an argument, and statements of a database have none"),
    ] {
        let (out, err) = world.psql(&[query]);
        assert!(out.is_empty() && err.contains("ERROR") && err.contains(because), "{query}: {out}\n{err}");
    }
}

#[test]
fn both_forms_are_on_record() {
    let world = start("");
    world.psql(&["select n from lines order by n limit 50"]);
    world.psql(&["select quiet(n) from lines"]);
    let events = world.recorded();
    let admitted: Vec<&Value> =
        events.iter().filter(|event| event["type"] == "operation.admitted" && event["target"] == "orders").collect();
    let names = |event: &Value| -> Vec<String> {
        let all = event["decision"]["rewrites"].as_array().unwrap();
        all.iter().map(|rewrite| rewrite["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(admitted.len(), 2, "{events:#?}");
    assert_eq!(
        (names(admitted[0]), names(admitted[1])),
        (vec!["cap-rows".into()], vec!["cap-rows".into(), "quiet".into()])
    );
    let forms = |event: &Value| -> Vec<Value> {
        let frames = world.gateway.recording(event["session"].as_str().unwrap());
        let text = |frame: &Value| frame["body"]["text"].as_str().unwrap().to_owned();
        frames[..2].iter().map(|frame| serde_json::from_str(&text(frame)).unwrap()).collect()
    };
    let sql = "select n from lines order by n limit";
    let expected = [json!({ "sql": format!("{sql} 50") }), json!({ "sql": format!("{sql} 10") })];
    assert_eq!(forms(admitted[0]), expected);
    let both = json!({ "sql": "select quiet(n) from lines LIMIT 10", "read_only": true });
    assert_eq!(forms(admitted[1]), [json!({ "sql": "select quiet(n) from lines" }), both]);
    world.gateway.verified(&[]);
}

#[test]
fn drivers_get_fewer_rows_and_write_nothing_by_functions() {
    let world = start("");
    let arguments = arguments(&world);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told = python_script("postgres", "rewritten.py", &arguments).unwrap();
    let ten: Vec<i32> = (5..15).collect();
    let writes = json!(["25006", "cannot execute INSERT in a read-only transaction"]);
    let psycopg = &told["psycopg"];
    assert_eq!((&psycopg["text"], &psycopg["binary"]), (&json!(ten), &json!(ten)), "{told}");
    assert_eq!(psycopg["prepared"], json!([(1..11).collect::<Vec<_>>(), [98, 99, 100]]));
    assert_eq!((&psycopg["limited"], &psycopg["status"]), (&json!(ten), &json!("SELECT 10")));
    assert_eq!((&psycopg["reads"], &psycopg["again"], &psycopg["count"]), (&json!([1]), &json!([2]), &json!(1)));
    assert_eq!((&psycopg["writes"], &psycopg["inside"]), (&writes, &json!([[3], [4]])));
    assert_eq!((&psycopg["pipeline"], &psycopg["own"]), (&json!([ten, 5]), &json!([0])));
    assert_eq!(psycopg["notices"], json!([]), "of the gateway's own statements, nothing is told");
    let asyncpg = &told["asyncpg"];
    assert_eq!((&asyncpg["all"], &asyncpg["pages"]), (&json!(ten), &json!(ten)), "{told}");
    assert_eq!(asyncpg["fetched"], json!([ten[..4], ten[4..8], ten[8..]]));
    assert_eq!((&asyncpg["reads"], &asyncpg["writes"]), (&json!(1), &writes));
    assert_eq!((&asyncpg["after"], &asyncpg["warned"]), (&json!(2), &json!([])));
    assert_eq!(payments(&world), "0");
}

/// A statement that is parsed, bound to a portal and run for some rows, in one batch.
fn run(raw: &mut Raw, portal: &str, sql: &str, rows: u8) {
    raw.message(b'P', format!("\0{sql}\0\0\0").as_bytes());
    raw.message(b'B', format!("{portal}\0\0\0\0\0\0\0\0").as_bytes());
    execute(raw, portal, rows);
}

fn execute(raw: &mut Raw, portal: &str, rows: u8) {
    raw.message(b'E', &[portal.as_bytes(), &[0, 0, 0, 0, rows]].concat());
}

/// What comes up to the end of the batch: types of messages, one letter each, with the tag or the text of an error.
fn answers(raw: &mut Raw) -> String {
    let mut told = String::new();
    loop {
        let (tag, body) = raw.next().unwrap();
        told.push(char::from(tag));
        let text = |letter: &str| body.split('\0').find_map(|field| field.strip_prefix(letter)).unwrap_or_default();
        match tag {
            b'C' => write!(told, "({})", body.trim_end_matches('\0')).unwrap(),
            b'E' | b'N' => write!(told, "({} {})", text("C"), text("M")).unwrap(),
            b'Z' => return told + &body,
            _ => {}
        }
    }
}

#[test]
fn a_portal_that_was_limited_gives_no_more_by_any_way() {
    let world = start("");
    let mut raw = Raw::ready(&world);
    let query = "select n from lines order by n";
    // Pages of a size of the client's own, and one that is asked for beyond the end.
    raw.message(b'Q', b"begin\0");
    assert_eq!(answers(&mut raw), "C(BEGIN)ZT");
    run(&mut raw, "p", query, 6);
    execute(&mut raw, "p", 6);
    raw.message(b'S', b"");
    assert_eq!(answers(&mut raw), "12DDDDDDsDDDDC(SELECT 4)ZT");
    for sql in ["fetch all from p", "move all in p", "declare c cursor for select 1"] {
        raw.message(b'Q', format!("{sql}\0").as_bytes());
        let told = answers(&mut raw);
        assert!(told.starts_with("E(0A000 a portal was rewritten"), "{sql}: {told}");
        raw.message(b'Q', b"rollback\0");
        assert!(answers(&mut raw).ends_with("ZI"));
        raw.message(b'Q', b"begin\0");
        answers(&mut raw);
        run(&mut raw, "p", query, 0);
        raw.message(b'S', b"");
        assert_eq!(answers(&mut raw), "12DDDDDDDDDDC(SELECT 10)ZT");
    }
    execute(&mut raw, "p", 0);
    raw.message(b'S', b"");
    let told = answers(&mut raw);
    assert!(told.contains("42501 Lines come by ten. (what is run has given the 10 rows that it may)"), "{told}");
    raw.message(b'Q', b"rollback\0");
    answers(&mut raw);
    // One that is bound and not run is one, too.
    raw.message(b'Q', b"begin\0");
    answers(&mut raw);
    raw.message(b'P', format!("\0{query}\0\0\0").as_bytes());
    raw.message(b'B', b"p\0\0\0\0\0\0\0\0");
    raw.message(b'S', b"");
    assert_eq!(answers(&mut raw), "12ZT");
    raw.message(b'Q', b"fetch all from p\0");
    let told = answers(&mut raw);
    assert!(told.starts_with("E(0A000 a portal was rewritten"), "{told}");
    raw.message(b'Q', b"rollback\0");
    answers(&mut raw);
    // Until the transaction ends: what was closed may be bound again by what is sent already.
    raw.message(b'Q', b"begin\0");
    answers(&mut raw);
    run(&mut raw, "p", query, 0);
    raw.message(b'C', b"Pp\0");
    run(&mut raw, "q", "select n from lines where n < 3", 0);
    raw.message(b'S', b"");
    assert_eq!(answers(&mut raw), "12DDDDDDDDDDC(SELECT 10)312DDC(SELECT 2)ZT");
    raw.message(b'Q', b"declare c cursor for select 1\0");
    assert!(answers(&mut raw).starts_with("E(0A000 a portal was rewritten"));
    raw.message(b'Q', b"rollback\0");
    answers(&mut raw);
    raw.message(b'Q', b"begin\0");
    answers(&mut raw);
    raw.message(b'Q', b"declare c cursor for select 1\0");
    assert_eq!(answers(&mut raw), "C(DECLARE CURSOR)ZT");
}

#[test]
fn a_batch_is_read_only_from_the_statement_on_that_must_be() {
    let world = start("");
    let mut raw = Raw::ready(&world);
    run(&mut raw, "", "insert into lines values (2000, 'x')", 0);
    run(&mut raw, "", "select quiet(1)", 0);
    raw.message(b'S', b"");
    assert_eq!(answers(&mut raw), "12C(INSERT 0 1)12DC(SELECT 1)ZI");
    for function in ["noted", "undone", "reset"] {
        run(&mut raw, "", "insert into lines values (3000, 'x')", 0);
        run(&mut raw, "", &format!("select {function}(1)"), 0);
        run(&mut raw, "", "insert into lines values (3000, 'x')", 0);
        raw.message(b'S', b"");
        let told = answers(&mut raw);
        assert!(told.starts_with("12C(INSERT 0 1)12E(25") && told.ends_with(")ZI"), "{told}");
    }
    // What is only prepared and bound runs input functions; and a transaction that has failed says so itself.
    raw.message(b'P', b"s\0select quiet($1)\0\0\0");
    raw.message(b'D', b"Ss\0");
    raw.message(b'S', b"");
    assert_eq!(answers(&mut raw), "1tTZI");
    raw.message(b'Q', b"begin; select nosuch\0");
    assert!(answers(&mut raw).ends_with("ZE"));
    run(&mut raw, "", "select quiet(1)", 0);
    raw.message(b'S', b"");
    let aborted = "current transaction is aborted, commands ignored until end of transaction block";
    assert_eq!(answers(&mut raw), format!("E(25P02 {aborted})ZE"));
    raw.message(b'Q', b"rollback\0");
    assert_eq!(answers(&mut raw), "C(ROLLBACK)ZI");
    // Names that a client takes from the gateway make its own statement fail, and nothing is written.
    for n in 0..40 {
        raw.message(b'P', format!("VIDIMUS READ ONLY {n}\0set transaction read write\0\0\0").as_bytes());
    }
    raw.message(b'S', b"");
    assert!(answers(&mut raw).ends_with("ZI"));
    run(&mut raw, "", "select noted(1)", 0);
    raw.message(b'S', b"");
    let told = answers(&mut raw);
    assert!(told.starts_with("E(42P05"), "{told}");
    assert_eq!(payments(&world), "0");
    assert_eq!(world.psql(&["select count(*) from lines where n >= 2000"]).0, "1");
}

#[test]
fn protected_columns_stay_so_in_what_was_rewritten() {
    let world = start("masking = { fields = { \"public.lines.t\" = \"US_SSN\" } }\n");
    let query = "select quiet(n), upper(t), n from lines where n > 98 order by n";
    let (out, err) = world.psql(&[query]);
    assert_eq!((out.as_str(), err.as_str()), ("99||99\n100||100", ""), "{}", world.gateway.process.log());
    let (out, _) = world.psql(&["select t, n from lines where n = 7", "select count(*) from lines"]);
    assert!(!out.contains("line") && out.ends_with("|7\n100"), "{out}");
    let mut raw = Raw::ready(&world);
    run(&mut raw, "", query, 1);
    execute(&mut raw, "", 1);
    raw.message(b'S', b"");
    assert_eq!(answers(&mut raw), "12DsDsZI");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_asked_about_what_will_be_run() {
    let world = start("");
    let mut psql = world.program("psql");
    psql.args(["-X", "-q", "-A", "-t", "-c", "select asked(n) from lines order by n"]);
    let child = psql.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let request = request(&world).await;
    let (id, version) = (request["id"].as_str().unwrap(), &request["version"]);
    let shown = asked(&world, Method::GET, &format!("/{id}")).await;
    let form = json!({ "sql": "select asked(n) from lines order by n LIMIT 10", "read_only": true });
    assert_eq!(shown["arguments"], form, "{shown}");
    asked(&world, Method::POST, &format!("/{id}/approval?version={version}&reason=because")).await;
    let (out, err) = tokio::task::spawn_blocking(|| super::told(&child.wait_with_output().unwrap())).await.unwrap();
    assert_eq!(out.lines().count(), 10, "{err}");
}
