//! Calls in flight when the client, the session or the gateway ends.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::common::Client;
use super::common::evidence::{of_type, outcome};
use super::{SOON, World, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_does_not_stop_its_call() {
    let world = World::start().await;
    let client = world.client().await;
    let task = world.in_flight(&client, "held", &json!({})).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    // Time for the gateway to notice that nobody listens any more.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(outcome(&world.gateway.events(), "everything/held"), None);
    world.upstream.release();
    let events = world
        .gateway
        .events_once(|event| event["type"] == "operation.outcome" && event["operation"]["action"] == "everything/held");
    assert_eq!(outcome(&events, "everything/held"), Some("ok"));
    assert_eq!(world.upstream.finished().len(), 1);
    // The session goes on.
    assert!(client.call(2, "echo", "{}").await.unwrap()["result"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_cancels_its_calls() {
    let world = World::start().await;
    let client = world.client().await;
    let task = world.in_flight(&client, "held", &json!({})).await;
    let answer = client.send(Method::DELETE, &[], "").await.unwrap();
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
    let received = task.await.unwrap();
    assert!(!String::from_utf8(received.body()).unwrap().contains("result"), "{received:?}");

    let events = world.gateway.events();
    let cancelled = of_type(&events, "operation.outcome")
        .into_iter()
        .find(|event| event["operation"]["action"] == "everything/held");
    let cancelled = cancelled.expect("an outcome");
    assert_eq!(cancelled["outcome"]["status"], "cancelled");
    let closed = closings(&events, "client").into_iter().find(|event| event["session"] == cancelled["session"]);
    assert_eq!(closed.expect("an end")["seq"].as_u64(), cancelled["seq"].as_u64().map(|seq| seq + 1));
    // The target was told, and the id is worth nothing any more.
    assert!(world.upstream.seen().iter().any(|seen| seen.method == Method::DELETE && !seen.own));
    let answer = client.post(super::call(3, "echo", &json!({}))).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_told_to_stop_finishes_what_it_began() {
    let mut world = World::start().await;
    let client = world.client().await;
    let idle = world.client().await;
    let task = world.in_flight(&client, "slow", &json!({ "ms": 1500, "text": "finished" })).await;
    let stopped = world.gateway.process.terminate(SOON).unwrap();
    let received = task.await.unwrap();
    let text = String::from_utf8(received.body()).unwrap();
    assert!(received.status == Some(200) && text.contains("finished"), "{received:?}");
    assert_eq!(stopped.code(), Some(0), "{}", world.gateway.process.log());
    drop(idle);

    world.gateway.restart();
    let events = world.gateway.events();
    assert_eq!(outcome(&events, "everything/slow"), Some("ok"));
    assert_eq!(closings(&events, "shutdown").len(), 2);
    assert_eq!(closings(&events, "crash").len(), 0);
    let names: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let stop = names.iter().position(|name| *name == "log.stopped").expect("log.stopped");
    assert_eq!(names[stop + 1], "log.started", "nothing comes after the stop");
    assert!(names[..stop].contains(&"session.closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_ever() {
    let mut world = World::with(|setup| setup.tables = "[limits]\nshutdown_grace = \"1s\"").await;
    let client = world.client().await;
    let task = world.in_flight(&client, "hang", &json!({})).await;
    let stopped = world.gateway.process.terminate(SOON).unwrap();
    assert_eq!(stopped.code(), Some(0), "{}", world.gateway.process.log());
    let received = task.await.unwrap();
    assert!(!String::from_utf8(received.body()).unwrap().contains("result"), "{received:?}");
    world.gateway.restart();
    let events = world.gateway.events();
    assert_eq!(outcome(&events, "everything/hang"), Some("cancelled"));
    assert_eq!(closings(&events, "shutdown").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_taken_back_ends_though_the_target_does_not_listen() {
    let world = World::start().await;
    let client = world.client().await;
    let task = world.in_flight(&client, "hang", &json!({})).await;
    world.upstream.change(|quirks| quirks.hangs_on_notices = true);
    let notice = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let teller = std::sync::Arc::clone(&client);
    let told = tokio::spawn(async move { teller.post(notice).await });
    let received = tokio::time::timeout(Duration::from_secs(5), task).await.expect("the call ends").unwrap();
    let text = String::from_utf8(received.body()).unwrap();
    assert!(text.contains("the request was cancelled"), "{text}");
    // The target is told beside it.
    soon(|| world.upstream.bodies().iter().any(|body| body == notice.as_bytes())).await;
    assert_eq!(outcome(&world.gateway.events(), "everything/hang"), Some("cancelled"));
    told.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_target_that_takes_no_answer() {
    let mut world = World::with(|setup| {
        setup.tables = "[limits]\nshutdown_grace = \"1s\"";
        let sampling = r#"permit (principal, action == Action::"sampling/createMessage", resource);"#;
        setup.policies = format!("{}{sampling}", super::common::ALLOW_ALL).leak();
    })
    .await;
    let client = world.client().await;
    let call = world.in_flight(&client, "talk", &json!({})).await;
    world.upstream.change(|quirks| quirks.hangs_on_notices = true);
    let answer = r#"{"jsonrpc":"2.0","id":"ask-1","result":{"role":"assistant","content":{"type":"text","text":"no"},"model":"m"}}"#;
    let teller = std::sync::Arc::clone(&client);
    let told = tokio::spawn(async move {
        while !teller.post(answer).await.is_ok_and(|answer| answer.status != StatusCode::BAD_REQUEST) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    soon(|| world.upstream.bodies().iter().any(|body| body == answer.as_bytes())).await;
    let stopped = world.gateway.process.terminate(SOON).unwrap();
    assert_eq!(stopped.code(), Some(0), "{}", world.gateway.process.log());
    told.abort();
    drop(call.await.unwrap());
    world.gateway.restart();
    let events = world.gateway.events();
    assert_eq!(outcome(&events, "sampling/createMessage"), Some("ok"));
    assert_eq!(outcome(&events, "everything/talk"), Some("cancelled"));
    assert_eq!(closings(&events, "crash").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_forgot_the_session_costs_a_new_one() {
    let world = World::start().await;
    let client = world.client().await;
    let answer = client.post(super::call(1, "forget", &json!({}))).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    let answer = client.post(super::call(2, "echo", &json!({}))).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    let again = Client::open(world.gateway.url(), world.issuer.token("alice")).await;
    assert!(again.call(3, "echo", "{}").await.unwrap()["result"].is_object());
    let events = world.gateway.events();
    assert_eq!(outcome(&events, "everything/forget"), Some("upstream"));
    assert_eq!(closings(&events, "upstream").len(), 1);
}

fn closings<'a>(events: &'a [Value], reason: &str) -> Vec<&'a Value> {
    of_type(events, "session.closed")
        .into_iter()
        .filter(|event| event["reason"] == reason && event["who"] != "vidimus|gw-test")
        .collect()
}
