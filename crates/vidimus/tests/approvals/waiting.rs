//! Clients that wait: streams, progress, legs, and what happens when somebody goes.

use std::time::{Duration, Instant};

use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::common::evidence::of_type;
use super::common::{Client, send_modern};
use super::{HELD, World, call};

const PATIENT: &str = "[approvals.finance]\n[approvals.security]\n[approvals.board]\n";

fn body(id: u64, meta: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"hello"}}{meta}}}}}"#
    )
}

impl World {
    /// The only request that is open, once there is one.
    async fn open_request(&self, token: &str) -> String {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let (_, listed) = self.api(Method::GET, "", token).await;
            if let Some(request) = listed["approvals"].as_array().and_then(|list| list.first()) {
                return request["id"].as_str().unwrap().to_owned();
            }
            assert!(Instant::now() < limit, "nothing waits");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The messages of a stream.
fn messages(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_client_hears_of_progress_and_gets_the_result_on_its_stream() {
    let world = World::with(PATIENT, HELD).await;
    let (alice, bob) = (world.alice().await, world.token("bob", "finance"));
    let call = alice.post(body(1, r#","_meta":{"progressToken":"t"}"#));
    let decided = async {
        let id = world.open_request(&bob).await;
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(world.reached(), 0);
        assert_eq!(world.approve(&id, 1, &bob).await.0, 200);
    };
    let (answer, ()) = tokio::join!(call, decided);
    let messages = messages(&answer.unwrap().text);
    assert_eq!(messages.len(), 2, "{messages:#?}");
    assert_eq!(messages[0]["method"], "notifications/progress");
    assert_eq!(messages[0]["params"]["progressToken"], "t");
    assert!(messages[1]["result"]["content"][0]["text"].as_str().unwrap().contains("hello"), "{messages:#?}");
    assert_eq!(world.reached(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_ends_the_waiting_and_so_does_the_end_of_the_rules_patience() {
    let rules = PATIENT.replace("[approvals.security]", "wait = \"3s\"\n[approvals.security]");
    let world = World::with(&rules, HELD).await;
    let (alice, bob) = (world.alice().await, world.token("bob", "finance"));
    let denied = async {
        let id = world.open_request(&bob).await;
        let denial = format!("/{id}/denial?version=1&reason=no");
        assert_eq!(world.api(Method::POST, &denial, &bob).await.0, 200);
    };
    let begun = Instant::now();
    let (told, ()) = tokio::join!(call(&alice, "echo", r#"{"text":"hello"}"#), denied);
    assert!(told.is_error && told.text.contains("Denied: no") && begun.elapsed() < Duration::from_secs(3), "{told:?}");

    let begun = Instant::now();
    let told = call(&alice, "echo", r#"{"text":"hello"}"#).await;
    assert!(told.is_error && told.text.contains("waits for approval"), "{told:?}");
    assert!((Duration::from_secs(3)..Duration::from_secs(6)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(world.approve(&told.reference, 1, &bob).await.0, 200);
    assert!(!call(&alice, "echo", r#"{"text":"hello"}"#).await.is_error);
    assert_eq!(world.reached(), 1);
    let events = world.gateway.events_once(|event| event["type"] == "approval.used");
    assert_eq!(of_type(&events, "operation.held").len(), 2, "a leg leaves no second event");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_or_takes_the_call_back_ends_the_leg_and_not_the_request() {
    let world = World::with(PATIENT, HELD).await;
    let (alice, bob) = (world.alice().await, world.token("bob", "finance"));
    let mut stream = alice.stream_of(Method::POST, &[], body(1, "")).await.unwrap();
    let id = world.open_request(&bob).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), stream.body_mut().frame()).await.is_err());
    drop(stream);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.approve(&id, 1, &bob).await.0, 200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.reached(), 0, "nobody waits for it");
    assert!(!call(&alice, "echo", r#"{"text":"hello"}"#).await.is_error);
    assert_eq!(world.reached(), 1);

    let stream = alice.stream_of(Method::POST, &[], body(7, "")).await.unwrap();
    let id = world.open_request(&bob).await;
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    assert_eq!(alice.post(cancelled).await.unwrap().status, 202);
    let rest = stream.into_body().collect().await.unwrap().to_bytes();
    assert!(rest.is_empty(), "{rest:?}");
    assert_eq!(world.approve(&id, 1, &bob).await.0, 200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.reached(), 1, "it was taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_tells_those_who_wait_and_keeps_their_requests() {
    let mut world = World::with(PATIENT, HELD).await;
    let (alice, bob) = (world.alice().await, world.token("bob", "finance"));
    let waiting = tokio::spawn(async move { call(&alice, "echo", r#"{"text":"hello"}"#).await });
    let id = world.open_request(&bob).await;
    let begun = Instant::now();
    assert!(world.gateway.process.terminate(Duration::from_secs(20)).unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let told = waiting.await.unwrap();
    assert!(told.is_error && told.reference == id, "{told:?}");
    world.gateway.restart();
    assert_eq!(world.approve(&id, 1, &bob).await.0, 200);
    assert!(!call(&world.alice().await, "echo", r#"{"text":"hello"}"#).await.is_error);
    assert_eq!(world.reached(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modern_client_comes_back_in_legs() {
    let world = World::with(PATIENT, HELD).await;
    let client = Client::new(world.gateway.url(), world.issuer.token("alice"));
    let bob = world.token("bob", "finance");
    let params = |state: Option<&str>| {
        let state = state.map(|state| format!(r#","requestState":"{state}""#)).unwrap_or_default();
        format!(r#""name":"echo","arguments":{{"text":"hello"}}{state}"#)
    };
    let begun = Instant::now();
    let first = send_modern(&client, "tools/call", "echo", &params(None)).await.json();
    assert!((Duration::from_secs(45)..Duration::from_secs(55)).contains(&begun.elapsed()), "{first}");
    assert_eq!(first["result"]["resultType"], "input_required", "{first}");
    assert!(first["result"].get("inputRequests").is_none(), "{first}");
    let state = first["result"]["requestState"].as_str().unwrap();
    let altered = format!("{}{}", if state.starts_with('A') { "B" } else { "A" }, &state[1..]);
    let refused = send_modern(&client, "tools/call", "echo", &params(Some(&altered))).await.json();
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    let again = params(Some(state));
    let (second, ()) = tokio::join!(send_modern(&client, "tools/call", "echo", &again), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let id = world.open_request(&bob).await;
        assert_eq!(first["result"]["_meta"]["vidimus/reference"], json!(id));
        assert_eq!(world.approve(&id, 1, &bob).await.0, 200);
    });
    let second = second.json();
    // This server speaks no such revision, and says so: the call was sent.
    assert!(second["error"]["message"].as_str().unwrap().contains("the target answered with status 404"), "{second}");
    assert_eq!(world.reached(), 1);
    let sent = world.upstream.bodies().into_iter().find(|body| String::from_utf8_lossy(body).contains("tools/call"));
    assert!(!String::from_utf8_lossy(&sent.unwrap()).contains("requestState"), "the state is the gateway's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_at_the_endpoint_for_all_targets_too() {
    let world = World::with(PATIENT, HELD).await;
    let bob = world.token("bob", "finance");
    let url = format!("http://127.0.0.1:{}/mcp", world.gateway.port);
    let alice = Client::open(url, world.issuer.token("alice")).await;
    let (told, ()) = tokio::join!(call(&alice, "everything_echo", r#"{"text":"hello"}"#), async {
        let id = world.open_request(&bob).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(world.approve(&id, 1, &bob).await.0, 200);
    });
    assert!(!told.is_error && told.text.contains("hello"), "{told:?}");
    assert_eq!(world.reached(), 1);
}
