//! How many sessions, for how long, and how much in one (NIST SP 800-53 AC-10, AC-12, SC-10).

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{SOON, World, call, refusal, retry_after, soon};
use crate::common::evidence::{of_type, outcome};
use crate::common::{Client, modern_body, send_modern};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;

/// The ends of callers' sessions for this reason, by their targets.
fn closings(events: &[Value], reason: &str) -> Vec<String> {
    let closed = of_type(events, "session.closed").into_iter().filter(|event| event["reason"] == reason);
    let mut targets: Vec<_> = closed.map(|event| event["target"].as_str().unwrap().to_owned()).collect();
    targets.sort();
    targets
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_opens_get_as_many_sessions_as_there_are_and_ended_ones_make_room() {
    let world = World::start("[limits]\nsessions = 5\n").await;
    let url = world.url("/mcp/crm");
    let opens: Vec<_> = (0..100)
        .map(|_| {
            let client = Client::new(url.clone(), world.issuer.token("alice"));
            tokio::spawn(async move { (client.post(HELLO).await.unwrap(), client) })
        })
        .collect();
    let mut open = Vec::new();
    for opened in opens {
        let (answer, mut client) = opened.await.unwrap();
        if answer.status == StatusCode::OK {
            client.session = answer.session;
            open.push(client);
            continue;
        }
        assert_eq!((answer.status, retry_after(&answer)), (StatusCode::TOO_MANY_REQUESTS, None), "{answer:?}");
        let told = "you have 5 sessions open, as many as one may have (the limit `sessions`): end one, with DELETE and \
                    its Mcp-Session-Id, or wait until unused ones are closed";
        assert_eq!(answer.json()["error"]["message"], json!(told));
    }
    assert_eq!(open.len(), 5);
    world.client("bob").await;
    let modern = Client::new(world.url("/mcp/notes"), world.issuer.token("alice"));
    let answer = send_modern(&modern, "tools/call", "echo", r#""name":"echo","arguments":{}"#).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "at all targets together: {answer:?}");

    let ended = open.pop().unwrap();
    assert_eq!(ended.send(Method::DELETE, &[], "").await.unwrap().status, StatusCode::NO_CONTENT);
    let answer = send_modern(&modern, "tools/call", "echo", r#""name":"echo","arguments":{}"#).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = Client::new(url, world.issuer.token("alice")).post(HELLO).await.unwrap();
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "that was the room of the one that ended");
    let events = world.gateway.events();
    let recorded = of_type(&events, "limit.exceeded");
    assert_eq!(recorded.len(), 2, "one at crm, one at notes: {recorded:?}");
    assert!(recorded.iter().all(|event| event["limit"]["name"] == "sessions" && event["who"] == "corp|alice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_at_the_endpoint_for_all_counts_once_with_those_beside_it() {
    let world = World::start("[limits]\nsessions = 1\n").await;
    let alice = Client::open(world.url("/mcp"), world.issuer.token("alice")).await;
    for tool in ["crm_echo", "notes_echo"] {
        assert_eq!(refusal(&alice.post(call(1, tool, "{}")).await.unwrap()), None, "{tool}");
    }
    let direct = Client::new(world.url("/mcp/crm"), world.issuer.token("alice"));
    assert_eq!(direct.post(HELLO).await.unwrap().status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(alice.send(Method::DELETE, &[], "").await.unwrap().status, StatusCode::NO_CONTENT);
    assert_eq!(direct.post(HELLO).await.unwrap().status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn first_requests_of_the_modern_era_that_come_at_once_are_one_session() {
    let world = World::start("[limits]\nsessions = 1\n").await;
    let calls: Vec<_> = (0..30)
        .map(|_| {
            let client = Client::new(world.url("/mcp/notes"), world.issuer.token("alice"));
            let arguments = r#""name":"echo","arguments":{}"#;
            tokio::spawn(async move { send_modern(&client, "tools/call", "echo", arguments).await })
        })
        .collect();
    for call in calls {
        let answer = call.await.unwrap();
        assert_eq!((answer.status, refusal(&answer)), (StatusCode::OK, None), "{answer:?}");
    }
    let events = world.gateway.events();
    let opened = of_type(&events, "session.opened").into_iter().filter(|event| event["who"] == "corp|alice").count();
    assert_eq!((opened, of_type(&events, "limit.exceeded").len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_its_time_is_over_whatever_runs_in_it() {
    let world = World::start("[limits]\nsession_max = \"3s\"\n").await;
    let alice = world.client("alice").await;
    let all = Client::open(world.url("/mcp"), world.issuer.token("bob")).await;
    assert_eq!(refusal(&all.post(call(1, "crm_echo", "{}")).await.unwrap()), None);
    let stream = alice.stream(Method::GET, &[("accept", "text/event-stream")]).await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let listening = tokio::spawn(async move {
        use http_body_util::BodyExt as _;
        stream.into_body().collect().await.is_ok()
    });
    let held = world.held(&alice, 2).await;
    let received = tokio::time::timeout(SOON, held).await.unwrap().unwrap();
    assert!(!String::from_utf8(received.body()).unwrap().contains("result"), "{received:?}");
    tokio::time::timeout(SOON, listening).await.unwrap().unwrap();
    for client in [&*alice, &all] {
        let answer = client.post(call(3, "echo", "{}")).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    }
    let events = world.gateway.events_once(|event| event["type"] == "session.closed" && event["target"] == "crm");
    assert_eq!(outcome(&events, "crm/held"), Some("cancelled"));
    let expired = closings(&events, "expired");
    assert_eq!(expired.len(), 3, "that at crm, that at the endpoint, and the one beside it: {expired:?}");
    // In the modern era nobody notices.
    let modern = Client::new(world.url("/mcp/notes"), world.issuer.token("carol"));
    for _ in 0..10 {
        let answer = send_modern(&modern, "tools/call", "echo", r#""name":"echo","arguments":{}"#).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let events = world.gateway.events();
    assert!(closings(&events, "expired").iter().any(|target| target == "notes"));
    assert_eq!(of_type(&events, "operation.denied").len(), 2, "the two that came too late");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_of_calls_is_exact_and_the_session_ends_after_those_that_run() {
    let world = World::start("[limits]\nsession_calls = 5\n").await;
    let alice = world.client("alice").await;
    // The handshake was two of them.
    let held = world.held(&alice, 1).await;
    for id in 2..=3 {
        assert_eq!(refusal(&alice.post(call(id, "echo", "{}")).await.unwrap()), None, "{id}");
    }
    for id in 4..=5 {
        let told = refusal(&alice.post(call(id, "echo", "{}")).await.unwrap()).unwrap();
        let expected = "this session has made the 5 calls that one may (the limit `session_calls`); start a new one";
        assert!(told.starts_with(expected), "{told}");
    }
    world.crm.release();
    assert_eq!(held.await.unwrap().status, Some(200), "what runs is answered");
    let answer = alice.post(call(6, "echo", "{}")).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    let events = world.gateway.events();
    assert_eq!(closings(&events, "budget"), ["crm"]);
    assert_eq!(outcome(&events, "crm/held"), Some("ok"));
    assert_eq!(world.echoes(), 2);

    // Under a race, exactly as many.
    let bob = world.client("bob").await;
    let calls: Vec<_> = (0..30)
        .map(|id| {
            let bob = Arc::clone(&bob);
            tokio::spawn(async move { bob.post(call(id, "echo", "{}")).await.unwrap() })
        })
        .collect();
    let mut passed = 0;
    for answer in calls {
        let answer = answer.await.unwrap();
        passed += usize::from(answer.status == StatusCode::OK && refusal(&answer).is_none());
    }
    assert_eq!((passed, world.echoes()), (3, 5));

    // At the endpoint for all targets, one budget whatever is used.
    let carol = Client::open(world.url("/mcp"), world.issuer.token("carol")).await;
    for tool in ["crm_echo", "notes_echo", "crm_echo"] {
        assert_eq!(refusal(&carol.post(call(1, tool, "{}")).await.unwrap()), None, "{tool}");
    }
    assert!(refusal(&carol.post(call(2, "notes_echo", "{}")).await.unwrap()).is_some());
    soon(|| {
        let ended = closings(&world.gateway.events(), "budget");
        ended.iter().filter(|target| *target == "notes").count() == 1
    })
    .await;
    assert_eq!(carol.post(call(3, "crm_echo", "{}")).await.unwrap().status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_of_bytes_counts_both_directions() {
    let world = World::start("[limits]\nsession_bytes = \"1MiB\"\n").await;
    let alice = world.client("alice").await;
    // Some 600,000 bytes with its answer, then some 900,000 before its own, then more than there is.
    let text = format!(r#"{{"text":"{}"}}"#, "x".repeat(300_000));
    for id in 1..=2 {
        let answer = alice.post(call(id, "echo", &text)).await.unwrap();
        assert!(refusal(&answer).is_none() && answer.text.len() > 300_000, "answered in full");
    }
    let told = refusal(&alice.post(call(3, "echo", "{}")).await.unwrap()).unwrap();
    let expected =
        "this session has used up the 1048576 bytes that one may (the limit `session_bytes`); start a new one";
    assert!(told.starts_with(expected), "{told}");
    assert_eq!(alice.post(call(4, "echo", "{}")).await.unwrap().status, StatusCode::NOT_FOUND);
    assert_eq!(closings(&world.gateway.events(), "budget"), ["crm"]);
    // In the modern era the next request begins another session.
    let modern = Client::new(world.url("/mcp/notes"), world.issuer.token("alice"));
    let large = format!(r#""name":"echo","arguments":{text}"#);
    let mut answers = Vec::new();
    for _ in 0..5 {
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "echo")];
        let answer = modern.send(Method::POST, &headers, modern_body("tools/call", &large)).await.unwrap();
        answers.push(refusal(&answer).is_some());
    }
    assert_eq!(answers.iter().filter(|is_refused| **is_refused).count(), 1, "{answers:?}");
}
