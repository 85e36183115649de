//! Real traffic between real clients and a real server: `tokio-postgres`, `psql`, `pgbench` and `pg_dump`.
//!
//! It is recorded by a tee and read again as a proxy would read it. Another codec (`pgwire`) must read the same.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![expect(clippy::disallowed_types, reason = "the tee is no adapter")]

mod replay;
mod tee;

use std::io::Write as _;
use std::pin::pin;
use std::process::{Command, Stdio};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, future::join_all};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use vidimus_testkit::postgres::{SUPERUSER, SUPERUSER_PASSWORD};
use vidimus_testkit::{Postgres, tempdir};

use self::replay::{Seen, replay};
use self::tee::Tee;

/// Reads everything that passed, and adds up what was seen.
fn replayed(tee: &Tee) -> Seen {
    let mut all = Seen::new();
    for recording in tee.recordings() {
        for (name, count) in replay(&recording) {
            *all.entry(name).or_default() += count;
        }
    }
    all
}

fn saw(seen: &Seen, names: &[&str]) {
    for name in names {
        assert!(seen.contains_key(name), "no {name}: {seen:?}");
    }
}

async fn connect(tee: &Tee, database: &str) -> Client {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(tee.port).user(SUPERUSER).password(SUPERUSER_PASSWORD).dbname(database);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(async move {
        // Some of the tests have the server end it.
        let _ = connection.await;
    });
    client
}

#[tokio::test]
async fn tokio_postgres() {
    let server = Postgres::start().unwrap();
    let database = server.database().unwrap();
    let tee = Tee::before(server.port());
    let client = connect(&tee, &database).await;

    client
        .batch_execute(
            "CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t SELECT g, 'row ' || g FROM generate_series(1, 500) g;
             CREATE TABLE watched (a int);
             CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused''; END';
             CREATE TRIGGER watched BEFORE INSERT ON watched FOR EACH STATEMENT EXECUTE FUNCTION refuse();
             CREATE TABLE late (a int REFERENCES t DEFERRABLE INITIALLY DEFERRED);
             DO 'BEGIN RAISE NOTICE ''noticed''; END'",
        )
        .await
        .unwrap();
    let several = client.simple_query("SELECT 1; SELECT a FROM t LIMIT 3; ; SET work_mem = '4MB'").await.unwrap();
    assert!(several.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))));
    client.simple_query("").await.unwrap();
    client.simple_query("SELECT 1; SELECT no_such").await.unwrap_err();

    let statement = client.prepare("SELECT a, b FROM t WHERE a < $1 ORDER BY a").await.unwrap();
    let (first, second) = (10_i32, 400_i32);
    let parameters: [&(dyn ToSql + Sync); 1] = [&first];
    let pipelined = join_all((0..50).map(|_| client.query(&statement, &parameters))).await;
    assert!(pipelined.into_iter().all(|rows| rows.unwrap().len() == 9));
    // Some of a pipeline fail, each in its own batch.
    let mixed =
        join_all((0..20).map(|turn| client.execute(if turn % 3 == 0 { "SELECT 1/0" } else { "SELECT 1" }, &[]))).await;
    assert_eq!(mixed.iter().filter(|result| result.is_err()).count(), 7);
    client.prepare("SELECT wrong FROM t").await.unwrap_err();
    assert_eq!(client.query(&statement, &[&second]).await.unwrap().len(), 399);
    client.execute("", &[]).await.unwrap();
    client.execute("INSERT INTO late VALUES (100000)", &[]).await.unwrap_err();
    drop(statement);

    transactions_and_copies(&client, &tee, &database).await;

    client.simple_query("SELECT pg_terminate_backend(pg_backend_pid())").await.unwrap_err();
    drop(client);
    let seen = settle(&tee).await;
    saw(&seen, &["Query", "Parse", "Bind", "Describe", "Execute", "Close", "Sync", "CopyData", "CopyDone", "CopyFail"]);
    saw(
        &seen,
        &["RowDescription", "DataRow", "CommandComplete", "EmptyQueryResponse", "ErrorResponse", "NoticeResponse"],
    );
    saw(
        &seen,
        &["ParseComplete", "BindComplete", "CloseComplete", "NoData", "PortalSuspended", "ParameterDescription"],
    );
    saw(&seen, &["CopyInResponse", "CopyOutResponse", "NotificationResponse", "ParameterStatus", "BackendKeyData"]);
}

async fn transactions_and_copies(client: &Client, tee: &Tee, database: &str) {
    let mut other = connect(tee, database).await;
    let transaction = other.transaction().await.unwrap();
    let portal = transaction.bind("SELECT * FROM t", &[]).await.unwrap();
    while !transaction.query_portal(&portal, 200).await.unwrap().is_empty() {}
    drop(portal);
    transaction.rollback().await.unwrap();

    client.batch_execute("LISTEN channel").await.unwrap();
    other.execute("SELECT pg_notify('channel', 'told')", &[]).await.unwrap();
    client.query_one("SELECT 1", &[]).await.unwrap();

    let mut sink = pin!(client.copy_in("COPY t FROM STDIN").await.unwrap());
    for row in 1000..1200 {
        sink.send(Bytes::from(format!("{row}\tcopied\n"))).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 200);
    // The data is wrong; the table refuses any; the client gives up.
    // Where the table refuses, the server has not read the `Sync` that was sent ahead: there is one `ReadyForQuery` more
    // than this client expects, so it gets a connection of its own.
    let mut sink = pin!(client.copy_in("COPY t FROM STDIN").await.unwrap());
    let _ = sink.send(Bytes::from("not a number\n")).await;
    sink.finish().await.unwrap_err();
    let confused = connect(tee, database).await;
    match confused.copy_in::<_, Bytes>("COPY watched FROM STDIN").await {
        Ok(sink) => drop(pin!(sink).finish().await.unwrap_err()),
        Err(error) => assert!(error.to_string().contains("db error"), "{error}"),
    }
    drop(client.copy_in::<_, Bytes>("COPY t FROM STDIN").await.unwrap());
    let copied: Vec<Bytes> = client.copy_out("COPY t TO STDOUT").await.unwrap().try_collect().await.unwrap();
    assert_eq!(copied.len(), 700);
    let binary = client.copy_out("COPY t TO STDOUT (FORMAT binary)").await.unwrap();
    assert!(binary.count().await > 700);

    let cancel = other.cancel_token();
    let sleeps = other.query("SELECT pg_sleep(60)", &[]);
    let (slept, ()) = futures_util::future::join(sleeps, async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        cancel.cancel_query(NoTls).await.unwrap();
    })
    .await;
    slept.unwrap_err();
}

/// Waits until all connections have been read to their ends.
async fn settle(tee: &Tee) -> Seen {
    let count = || tee.recordings().iter().map(Vec::len).sum::<usize>();
    let mut before = usize::MAX;
    while before != count() {
        before = count();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    replayed(tee)
}

/// Runs a program through the tee, with this on its standard input.
fn run(command: &mut Command, tee: &Tee, input: &str) -> String {
    let command = command.env("PGPORT", tee.port.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn psql() {
    let server = Postgres::start().unwrap();
    let database = server.database().unwrap();
    let tee = Tee::before(server.port());
    let script = "\
CREATE TABLE t (a int, b text);
COPY t FROM STDIN;
1\tone
2\ttwo
\\.
COPY t FROM STDIN;
x\tnot a number
3\tthree
\\.
SELECT 1 \\; SELECT 2;
\\d t
\\dt
\\set FETCH_COUNT 100
SELECT g FROM generate_series(1, 350) g;
\\set FETCH_COUNT 0
COPY t TO STDOUT;
COPY t TO STDOUT \\; COPY t TO STDOUT \\; SELECT 3;
SELECT 1/0;
BEGIN; SELECT 1/0; SELECT 1; ROLLBACK;
SELECT a, b FROM t \\gdesc
DO 'BEGIN RAISE WARNING ''warned''; END';
VACUUM;
";
    let printed = run(server.program("psql").args(["-X", "-d", &database]), &tee, script);
    assert!(printed.contains("two") && printed.contains("(1 row)"), "{printed}");
    let dumped = run(server.program("pg_dump").args(["-d", &database]), &tee, "");
    assert!(dumped.contains("COPY public.t"), "{dumped}");
    let seen = replayed(&tee);
    saw(
        &seen,
        &["Query", "CopyInResponse", "CopyOutResponse", "CopyData", "ErrorResponse", "NoticeResponse", "Terminate"],
    );
    assert!(seen["DataRow"] > 300);
}

#[test]
fn pgbench() {
    let server = Postgres::start().unwrap();
    let database = server.database().unwrap();
    let tee = Tee::before(server.port());
    run(server.program("pgbench").args(["-i", "-q", &database]), &tee, "");
    for protocol in ["simple", "extended", "prepared"] {
        run(server.program("pgbench").args(["-c", "4", "-t", "50", "-M", protocol, &database]), &tee, "");
        run(server.program("pgbench").args(["-S", "-c", "4", "-t", "50", "-M", protocol, &database]), &tee, "");
    }
    let dir = tempdir().unwrap();
    let script = dir.path().join("pipeline.sql");
    let lines = "\\startpipeline\nSELECT 1;\nSELECT abalance FROM pgbench_accounts WHERE aid = 7;\n\\endpipeline\n";
    #[expect(clippy::disallowed_methods, reason = "pgbench reads a file")]
    std::fs::write(&script, lines).unwrap();
    run(
        server.program("pgbench").args(["-t", "20", "-M", "extended", "-n", "-f"]).arg(script).arg(&database),
        &tee,
        "",
    );
    let seen = replayed(&tee);
    assert!(seen["Execute"] > 2000 && seen["Query"] > 1000, "{seen:?}");
}
