//! Statements that wait for people, and those that are cancelled.

use std::process::Stdio;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::common::Client;
use super::{World, told};

const SOON: Duration = Duration::from_secs(20);

/// Asks the interface for approvers as Bob of finance.
pub(crate) async fn asked(world: &World, method: Method, path: &str) -> Value {
    let token = world.issuer.token_with(json!({ "sub": "bob", "groups": ["finance"] }));
    let url = format!("http://127.0.0.1:{}/api/v1/approvals{path}", world.gateway.port);
    let answer = Client::new(url, &token).send(method, &[], "").await.unwrap();
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    serde_json::from_str(&answer.text).unwrap()
}

/// The request for approval there is, as soon as there is one.
pub(crate) async fn request(world: &World) -> Value {
    let limit = Instant::now() + SOON;
    loop {
        let list = asked(world, Method::GET, "").await;
        if let Some(request) = list["approvals"].as_array().and_then(|all| all.first()) {
            return request.clone();
        }
        assert!(Instant::now() < limit, "nobody asks for approval: {list}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_waits_until_people_have_decided() {
    let world = World::start("");
    for (decision, expected) in [("approval", "INSERT 0 1"), ("denial", "")] {
        let mut psql = world.program("psql");
        psql.args(["-X", "-c", "insert into payments values (1, 20)"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = psql.spawn().unwrap();
        let request = request(&world).await;
        let (id, version) = (request["id"].as_str().unwrap(), &request["version"]);
        let shown = asked(&world, Method::GET, &format!("/{id}")).await;
        assert_eq!(shown["arguments"]["sql"], "insert into payments values (1, 20)", "{shown}");
        asked(&world, Method::POST, &format!("/{id}/{decision}?version={version}&reason=because")).await;
        let (out, err) = tokio::task::spawn_blocking(|| told(&child.wait_with_output().unwrap())).await.unwrap();
        assert_eq!(out, expected, "{err}\n{}", world.gateway.process.log());
        assert!(err.contains(&format!("this statement waits for approval: {id}")), "{err}");
        assert_eq!(err.contains("Denied: because"), decision == "denial", "{err}");
    }
    assert_eq!(world.psql(&["select count(*) from payments"]).0, "1");
}

#[test]
fn a_statement_is_cancelled_by_the_key_that_the_gateway_gave() {
    is_cancelled(&World::start(""));
}

/// Interrupts `psql`, which then asks that its statement be cancelled.
pub(crate) fn is_cancelled(world: &World) {
    let mut psql = world.program("psql");
    psql.args(["-X", "-c", "select count(*) from generate_series(1, 20000000000)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let begun = Instant::now();
    let child = psql.spawn().unwrap();
    let is_running = || {
        let running = "select count(*) from pg_stat_activity where query like '%20000000000)' and state = 'active'";
        world.server.sql(&world.database, &format!("{running} and datname = current_database()")).unwrap().trim() == "1"
    };
    while !is_running() {
        assert!(begun.elapsed() < SOON, "{}", world.gateway.process.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    // What Ctrl-C does.
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let (_, err) = told(&child.wait_with_output().unwrap());
    assert!(err.contains("canceling statement due to user request"), "{err}\n{}", world.gateway.process.log());
    assert!(begun.elapsed() < Duration::from_secs(40) && !is_running());
}
