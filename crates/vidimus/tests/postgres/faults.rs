//! Clients that break the protocol, say who they are not, or go away; and a server that does.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{World, told};

/// A connection that says just what it is told.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) fn new(world: &World) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", world.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(stream)
    }

    /// In a session as Alice.
    pub(crate) fn ready(world: &World) -> Self {
        let mut raw = Self::new(world);
        raw.start(&[("user", "alice"), ("database", "orders")]);
        raw.message(b'p', format!("{}\0", world.issuer.token("alice")).as_bytes());
        raw.until(b'Z');
        raw
    }

    pub(crate) fn start(&mut self, parameters: &[(&str, &str)]) {
        let parameters = parameters.iter();
        let body = parameters.fold(String::new(), |body, (name, value)| format!("{body}{name}\0{value}\0"));
        let length = u32::try_from(body.len() + 9).unwrap();
        self.0
            .write_all(&[&length.to_be_bytes()[..], &196_608_u32.to_be_bytes(), body.as_bytes(), &[0]].concat())
            .unwrap();
    }

    pub(crate) fn message(&mut self, tag: u8, body: &[u8]) {
        let length = u32::try_from(body.len() + 4).unwrap();
        self.0.write_all(&[&[tag][..], &length.to_be_bytes(), body].concat()).unwrap();
    }

    /// The next message.
    pub(crate) fn next(&mut self) -> Option<(u8, String)> {
        let mut head = [0; 5];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        self.0.read_exact(&mut body).ok()?;
        Some((head[0], String::from_utf8_lossy(&body).into_owned()))
    }

    /// The next message of a type.
    fn until(&mut self, tag: u8) -> String {
        loop {
            let (found, body) = self.next().unwrap();
            if found == tag {
                return body;
            }
        }
    }

    /// What comes until the connection ends: the errors.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).filter(|(tag, _)| *tag == b'E').map(|(_, body)| body).collect()
    }
}

#[test]
fn who_breaks_the_protocol_is_told_so_and_the_server_hears_nothing() {
    let world = World::start("");
    let broken: [(&str, &[u8]); 7] = [
        ("an unknown type", b"?\0\0\0\x04"),
        ("a length below its own", b"Q\0\0\0\x01"),
        ("a query without an end", b"Q\0\0\0\x0cselect 1"),
        ("bytes after the end", b"Q\0\0\0\x0eselect 1\0x"),
        ("a length beyond the limit", b"Q\x7f\xff\xff\xff"),
        ("COPY data without a COPY", b"d\0\0\0\x05x"),
        ("a password in the middle", b"p\0\0\0\x05\0"),
    ];
    for (what, bytes) in broken {
        let mut raw = Raw::ready(&world);
        raw.0.write_all(bytes).unwrap();
        let errors = raw.rest();
        assert!(
            errors.len() == 1 && errors[0].contains("VFATAL") && errors[0].contains("C08P01"),
            "{what}: {errors:?}"
        );
    }
    let events = world.recorded();
    let refused =
        events.iter().filter(|event| event["decision"]["reason"] == "protocol" || event["reason"] == "protocol");
    assert_eq!(refused.count(), broken.len(), "{events:#?}");
    assert!(!events.iter().any(|event| event["type"] == "operation.admitted" && event["target"] == "orders"));
}

#[test]
fn nobody_gets_in_by_another_name_or_without_a_token() {
    let world = World::start("");
    let refused = |parameters: &[(&str, &str)], password: &str| {
        let mut raw = Raw::new(&world);
        raw.start(parameters);
        raw.message(b'p', format!("{password}\0").as_bytes());
        raw.rest().join("\n")
    };
    let alice = world.issuer.token("alice");
    let stranger = world.issuer.token_with(json!({ "sub": "alice", "groups": ["nobody"] }));
    let orders = [("user", "alice"), ("database", "orders")];
    assert!(refused(&orders, "").contains("C28P01"));
    assert!(refused(&orders, "guess").contains("C28P01"));
    assert!(refused(&orders, &stranger).contains("no policy permits connect"));
    assert!(refused(&[("user", "root"), ("database", "orders")], &alice).contains("the user must be you"));
    assert!(refused(&[("user", "alice"), ("database", "secrets")], &alice).contains("C3D000"));
    assert!(refused(&[("user", "alice"), ("database", "everything")], &alice).contains("C3D000"));
    for name in ["options", "search_path", "role", "replication"] {
        let mut raw = Raw::new(&world);
        raw.start(&[("user", "alice"), ("database", "orders"), (name, "x")]);
        assert!(raw.rest().join("\n").contains("cannot be set by a client"), "{name}");
    }
}

#[test]
fn a_server_that_goes_away_ends_the_session_and_the_outcome_says_so() {
    let world = World::start("");
    let mut raw = Raw::ready(&world);
    raw.message(b'Q', b"select count(*) from generate_series(1, 20000000000)\0");
    let server = vidimus_testkit::Postgres::shared().unwrap();
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
               where query like 'select count(%' and state = 'active' and datname = current_database() and pid <> pg_backend_pid()";
    let begun = Instant::now();
    while server.sql(&world.database, end).unwrap().trim() != "1" {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(50));
    }
    let errors = raw.rest().join("\n");
    assert!(errors.contains("57P01") && errors.contains("the connection to the database has ended"), "{errors}");
    let events = world.gateway.events();
    let outcome =
        events.iter().find(|event| event["type"] == "operation.outcome" && event["target"] == "orders").unwrap();
    assert_eq!(outcome["outcome"]["status"], "error", "{outcome}");
    let closed = events.iter().find(|event| event["type"] == "session.closed" && event["target"] == "orders").unwrap();
    assert_eq!(closed["reason"], "upstream", "{closed}");
}

#[test]
fn what_a_client_that_goes_away_has_asked_for_is_done_and_recorded() {
    let world = World::start("");
    let mut raw = Raw::ready(&world);
    raw.message(b'Q', b"insert into lines select count(*), '' from generate_series(1, 20000000)\0");
    std::thread::sleep(Duration::from_millis(300));
    drop(raw);
    let done = |event: &serde_json::Value| event["type"] == "operation.outcome" && event["target"] == "orders";
    let events = world.gateway.events_once(done);
    assert_eq!(events.iter().find(|event| done(event)).unwrap()["outcome"]["status"], "ok");
    assert_eq!(world.psql(&["select count(*) from lines"]).0, "1");
}

/// A parsed and bound statement, all of whose columns come in this format.
fn bind(raw: &mut Raw, name: &str, sql: &str, format: u8) {
    raw.message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes());
    raw.message(b'B', &[b"\0".as_slice(), name.as_bytes(), &[0, 0, 0, 0, 0, 0, 1, 0, format]].concat());
}

#[test]
fn rows_are_masked_by_their_own_columns_whatever_else_is_described() {
    let world = World::start("");
    let mut raw = Raw::ready(&world);
    // Another statement's columns are numbers.
    bind(&mut raw, "emails", "select email from people order by id", 0);
    raw.message(b'P', b"numbers\0select 1\0\0\0");
    raw.message(b'D', b"Snumbers\0");
    raw.message(b'E', b"\0\0\0\0\0");
    raw.message(b'S', b"");
    assert!(raw.until(b'D').ends_with("<EMAIL_ADDRESS>"));
    assert_eq!(raw.until(b'Z'), "I");
    // A statement is described in text, and its values come in binary.
    bind(&mut raw, "cards", "select 4111111111111111::int8 as card", 1);
    raw.message(b'D', b"Scards\0");
    raw.message(b'E', b"\0\0\0\0\0");
    raw.message(b'S', b"");
    let row = raw.until(b'D');
    assert!(!row.as_bytes().ends_with(&4_111_111_111_111_111_i64.to_be_bytes()), "{row:?}");
    assert_eq!(raw.until(b'Z'), "I");
    // What follows a COPY in the same message has other columns.
    raw.message(b'Q', b"copy (select email from people order by id) to stdout; select 1\0");
    assert_eq!((raw.until(b'd').as_str(), raw.until(b'd').as_str()), ("<EMAIL_ADDRESS>\n", "<EMAIL_ADDRESS>\n"));
    assert_eq!(raw.until(b'Z'), "I");
}

#[test]
fn settings_are_not_changed_by_writing_to_them() {
    let world = World::start("");
    let (_, err) = world
        .psql(&["update pg_settings set setting = 'off' where name = 'standard_conforming_strings'", "select 'a\\'"]);
    assert!(err.contains("it stays as it is"), "{err}");
}

#[test]
fn a_long_pipeline_is_done_and_one_without_an_end_is_not_kept() {
    let world = World::start("durability = \"async\"");
    let mut raw = Raw::ready(&world);
    raw.message(b'P', b"add\0insert into lines values (1, 'x')\0\0\0");
    for _ in 0..300 {
        raw.message(b'B', b"\0add\0\0\0\0\0\0\0");
        raw.message(b'E', b"\0\0\0\0\0");
    }
    raw.message(b'S', b"");
    assert_eq!(raw.until(b'Z'), "I");
    assert_eq!(world.psql(&["select count(*) from lines"]).0, "300");
    // A client that goes away in the middle leaves nothing behind.
    raw.message(b'B', b"\0add\0\0\0\0\0\0\0");
    raw.message(b'E', b"\0\0\0\0\0");
    drop(raw);
    let closed = |event: &serde_json::Value| event["type"] == "session.closed" && event["target"] == "orders";
    let limit = Instant::now() + Duration::from_secs(20);
    while world.gateway.events().iter().filter(|event| closed(event)).count() < 2 {
        assert!(Instant::now() < limit, "the session is not closed");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(world.psql(&["select count(*) from lines"]).0, "300", "what was not ended is not done");
}

#[test]
fn binary_values_that_nobody_has_described_are_null() {
    let world = World::start("");
    let mut raw = Raw::ready(&world);
    raw.message(b'P', b"\0select 4111111111111111::int8\0\0\0");
    // All columns in binary.
    raw.message(b'B', b"\0\0\0\0\0\0\0\x01\0\x01");
    raw.message(b'E', b"\0\0\0\0\0");
    raw.message(b'S', b"");
    assert_eq!(raw.until(b'D').as_bytes()[..3], [0, 1, 0xEF], "one column, whose length is -1");
    assert_eq!(raw.until(b'Z'), "I");
}

#[test]
fn a_pipeline_with_a_refused_statement_in_it_changes_nothing() {
    let world = World::start("");
    let mut raw = Raw::ready(&world);
    let mut run = |sql: &str| {
        raw.message(b'P', format!("\0{sql}\0\0\0").as_bytes());
        raw.message(b'B', b"\0\0\0\0\0\0\0\0");
        raw.message(b'E', b"\0\0\0\0\0");
    };
    run("insert into lines values (1, 'x')");
    run("drop table lines");
    run("insert into lines values (2, 'y')");
    raw.message(b'S', b"");
    let error = raw.until(b'E');
    assert!(error.contains("no policy permits sql:ddl"), "{error}");
    assert_eq!(raw.until(b'Z'), "I");
    assert_eq!(world.psql(&["select count(*) from lines"]).0, "0");
    // The same connection goes on.
    raw.message(b'Q', b"select 1\0");
    assert!(raw.until(b'C').starts_with("SELECT 1"));
    let (_, err) = told(&world.program("psql").args(["-X", "-c", "select 1"]).output().unwrap());
    assert!(err.is_empty(), "{err}");
}

#[test]
fn leave_for_a_statement_ends_with_the_policies_that_gave_it() {
    let world = World::start("durability = \"async\"");
    let mut raw = Raw::ready(&world);
    let mut is_refused = || {
        raw.message(b'Q', b"select 1\0");
        let mut is_refused = false;
        loop {
            match raw.next().unwrap().0 {
                b'E' => is_refused = true,
                b'Z' => return is_refused,
                _ => {}
            }
        }
    };
    assert!(!is_refused() && !is_refused());
    let forbids = r#"forbid (principal, action in Action::"sql:read", resource);"#;
    std::fs::write(world.gateway.dir.path().join("policies/later.cedar"), forbids).unwrap();
    let begun = Instant::now();
    while !is_refused() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", world.gateway.process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(is_refused());
}
