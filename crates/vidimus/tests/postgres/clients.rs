//! `psql`, `pgbench` and `pg_dump`: what they get.

use std::process::Stdio;

use super::{World, told};

#[test]
fn psql_reads_what_is_masked_and_is_refused_what_policy_denies() {
    let world = World::start("");
    let (out, err) = world.psql(&["select id, name, email, age, note from people order by id"]);
    let rows = "1|Ann|<EMAIL_ADDRESS>|41|{\"card\":\"<CREDIT_CARD>\"}\n2|Bob|<EMAIL_ADDRESS>|42|";
    assert_eq!((out.as_str(), err.as_str()), (rows, ""), "{}", world.gateway.process.log());

    let (out, err) = world.psql(&["drop table people"]);
    assert!(out.is_empty() && err.starts_with("ERROR:  no policy permits sql:ddl\nDETAIL:  On record as "), "{err}");
    let (_, err) = world.psql(&["delete from people"]);
    assert!(err.starts_with("ERROR:  Say which rows."), "{err}");
    let (out, err) = world.psql(&["delete from people where id = 2 returning email", "select count(*) from people"]);
    assert_eq!((out.as_str(), err.as_str()), ("<EMAIL_ADDRESS>\n1", ""));
    // What a server says of an error may hold values.
    let (_, err) = world.psql(&["select email::int from people"]);
    assert_eq!(err, "ERROR:  invalid input syntax for type integer: \"<EMAIL_ADDRESS>\"");
}

#[test]
fn a_refusal_fails_the_transaction_as_the_servers_own_would() {
    let world = World::start("");
    let commands = [
        "begin",
        "insert into lines values (1, 'x')",
        "drop table lines",
        "insert into lines values (2, 'y')",
        "commit",
    ];
    let (_, err) = world.psql(&commands);
    let errors: Vec<&str> = err.lines().filter(|line| line.starts_with("ERROR")).collect();
    let aborted = "ERROR:  current transaction is aborted, commands ignored until end of transaction block";
    assert_eq!(errors, ["ERROR:  no policy permits sql:ddl", aborted], "{err}");
    assert_eq!(world.psql(&["select count(*) from lines"]).0, "0");
    // Several statements in one message pass together or not at all.
    let (_, err) = world.psql(&["insert into lines values (1, 'x'); drop table lines"]);
    assert!(err.contains("no policy permits sql:ddl"), "{err}");
    assert_eq!(world.psql(&["select count(*) from lines"]).0, "0");
}

#[test]
fn what_would_be_misread_is_refused() {
    let world = World::start("");
    for command in [
        "set standard_conforming_strings = off",
        "set client_encoding = 'SJIS'",
        "select set_config('client_encoding', 'latin1', false)",
        "selec 1",
        "do $$ begin end $$",
        "copy people to '/tmp/people'",
        "select pg_read_file('/etc/passwd')",
    ] {
        let (out, err) = world.psql(&[command]);
        assert!(out.is_empty() && err.starts_with("ERROR:"), "{command}: {out} {err}");
        assert!(err.contains("no policy permits") || err.contains("it stays as it is"), "{command}: {err}");
    }
}

#[test]
fn copy_goes_both_ways() {
    let world = World::start("");
    let mut psql = world.program("psql");
    psql.args(["-X", "-q", "-c", "copy lines from stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = psql.stderr(Stdio::piped()).spawn().unwrap();
    let lines = (0..1_000).fold(String::new(), |all, n| all + &format!("{n}\tfriend{n}@example.com\n"));
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    assert_eq!(told(&child.wait_with_output().unwrap()), (String::new(), String::new()));
    let (out, err) = world.psql(&["select count(*), min(n), max(n) from lines", "copy lines to stdout"]);
    let copied: Vec<&str> = out.lines().collect();
    assert_eq!((copied[0], copied.len(), err.as_str()), ("1000|0|999", 1_001, ""));
    assert!(copied[1..].iter().enumerate().all(|(n, line)| *line == format!("{n}\t<EMAIL_ADDRESS>")), "{out}");
    let (_, err) = world.psql(&["copy lines to stdout (format binary)"]);
    assert!(err.contains("the gateway withholds this"), "{err}");
}

#[test]
fn large_results_come_whole() {
    let world = World::start("durability = \"async\"\nrows = 10");
    let (out, err) = world.psql(&["select n, repeat('x', 100) from generate_series(1, 20000) n"]);
    assert_eq!((out.lines().count(), err.as_str()), (20_000, ""));
    assert!(out.ends_with(&format!("20000|{}", "x".repeat(100))));
}

#[test]
fn pgbench_runs_in_every_mode() {
    let world = World::start("durability = \"async\"");
    let server = vidimus_testkit::Postgres::shared().unwrap();
    let made = server.program("pgbench").args(["-i", "-q", "-d", &world.database]).output().unwrap();
    assert!(made.status.success(), "{}", told(&made).1);
    for mode in ["simple", "extended", "prepared"] {
        for builtin in ["select-only", "tpcb-like"] {
            let mut pgbench = world.program("pgbench");
            pgbench.args(["-n", "-M", mode, "-b", builtin, "-c", "2", "-t", "20", "orders"]);
            let (out, err) = told(&pgbench.output().unwrap());
            assert!(out.contains("number of transactions actually processed: 40/40"), "{mode} {builtin}: {out}\n{err}");
        }
    }
}

#[test]
fn pg_dump_takes_a_table_with_its_values_masked() {
    let world = World::start("");
    let mut dump = world.program("pg_dump");
    dump.args(["-t", "people", "--no-owner", "orders"]);
    let (out, err) = told(&dump.output().unwrap());
    assert!(out.contains("CREATE TABLE public.people"), "{out}\n{err}\n{}", world.gateway.process.log());
    assert!(out.contains("1\tAnn\t<EMAIL_ADDRESS>\t41") && !out.contains("ann@example.com"), "{out}");
}
