//! `vidimus sessions replay` of a session at a database: statements with their values, and results as tables.

use std::process::Command;

use serde_json::Value;

use super::drivers::psycopg_reads_and_writes;
use super::{World, told};

/// What is shown of all sessions of clients at the database, one after another.
fn replayed(world: &World) -> String {
    let events = world.gateway.events();
    let opened = |event: &&Value| event["type"] == "session.opened" && event["target"] == "orders";
    let sessions = events.iter().filter(opened).map(|event| event["session"].as_str().unwrap());
    let shown: Vec<String> = sessions
        .map(|session| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_vidimus"));
            command.args(["sessions", "replay", session, "--config"]).arg(world.gateway.config());
            let (out, err) = told(&command.output().unwrap());
            assert!(err.is_empty(), "{err}");
            out
        })
        .collect();
    shown.join("\n")
}

/// Whether these lines follow each other, each without what stands before it.
fn has_lines(text: &str, lines: &[&str]) -> bool {
    let all: Vec<&str> = text.lines().map(str::trim_start).collect();
    all.windows(lines.len()).any(|window| window == lines)
}

#[test]
fn results_are_tables_and_nothing_acts_on_the_terminal() {
    let world = World::start("rows = 2");
    let strange = "select E'\\x1b]0;x\\x07' as \"a\u{1b}[31mb\", E'one\\ntwo', null as nothing";
    world.psql(&[
        "select id, name, email from people order by id",
        "select n from generate_series(1, 5) n",
        strange,
        "drop table people",
        "select 1 / 0",
        "do $$ begin end $$",
    ]);
    let shown = replayed(&world);
    let heading = "id | name |      email";
    let rule = "----+------+-----------------";
    let people = [heading, rule, "1  | Ann  | <EMAIL_ADDRESS>", "2  | Bob  | <EMAIL_ADDRESS>", "(2 rows)", "SELECT 2"];
    assert!(has_lines(&shown, &people), "{shown}");
    assert!(has_lines(&shown, &["n", "---", "1", "2", "(2 rows)", "SELECT 5"]), "{shown}");
    assert!(shown.contains("(3 rows left out of the record; SHA-256 of their lines: "), "{shown}");
    assert!(shown.contains("\\u{1b}]0;x\\u{7} | one\\ntwo | (null)"), "{shown}");
    assert!(
        shown.contains(" denied: no policy permits it") && shown.contains("ERROR:  division by zero (22012)"),
        "{shown}"
    );
    assert!(shown.chars().all(|character| character == '\n' || !character.is_control()), "{shown:?}");
}

#[test]
fn values_of_prepared_statements_stand_below_them_and_rows_have_their_names() {
    let world = World::start("durability = \"async\"");
    psycopg_reads_and_writes(&world);
    let shown = replayed(&world);
    let query = "select id, email, age from people where id >= $1 order by id";
    let heading = "id |      email      | age";
    let first = [query, "$1 = 1", heading, "----+-----------------+-----", "1  | <EMAIL_ADDRESS> | 41"];
    assert!(has_lines(&shown, &first), "{shown}");
    assert!(
        has_lines(&shown, &["copy lines from stdin", "7\\u{9}seven", "8\\u{9}<EMAIL_ADDRESS>", "COPY 2"]),
        "{shown}"
    );
    // One that was described and prepared, not run: names, and no rows.
    assert!(shown.matches(heading).count() >= 2 && shown.contains(" ok in "), "{shown}");
}
