//! What the gateway knows of a target's tools when the target hangs, or has other tools than before.

use std::time::{Duration, Instant};

use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::common::evidence::of_type;
use super::common::issuer::Issuer;
use super::common::upstream::Upstream;
use super::common::{ALLOW_ALL, Client, Gateway, Setup};
use super::{SOON, World, call, soon};

/// Longer than the least time between two readings of a target.
const NEXT_READING: Duration = Duration::from_millis(5_500);

/// What needs no answer of the target is answered within this, also by a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

const HIDDEN: &str = r#"forbid (principal, action == Action::"everything/drip", resource);"#;

const LIST: &str = r#"{"jsonrpc":"2.0","id":9,"method":"tools/list","params":{}}"#;

async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(limit, work).await;
    assert!(done.is_ok(), "{what} took longer than {limit:?}");
    done.unwrap()
}

/// A gateway whose target never answers the gateway itself.
async fn hung(tables: &'static str) -> World {
    let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
    upstream.change(|quirks| quirks.hangs_for_the_gateway = true);
    let gateway = Gateway::start(&Setup { tables, ..Setup::new(upstream.url()) }, issuer.url());
    World { issuer, upstream, gateway }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_hangs_keeps_nobody_waiting_for_what_is_known() {
    let world = World::with(|setup| setup.policies = format!("{ALLOW_ALL}{HIDDEN}").leak()).await;
    let client = world.client().await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    tokio::time::sleep(NEXT_READING).await;
    world.upstream.change(|quirks| quirks.hangs_for_the_gateway = true);
    let before = world.upstream.seen().len();
    for (id, tool) in (2..).zip(["nothing", "drip", "nothing", "other"]) {
        let answer = within(AT_ONCE, tool, client.call(id, tool, "{}")).await.unwrap();
        assert_eq!(answer["error"]["code"], json!(-32602), "{answer}");
        assert_eq!(answer["error"]["message"], format!("Unknown tool: {tool}"));
    }
    // The target was asked meanwhile, and hangs.
    soon(|| world.upstream.seen()[before..].iter().any(|seen| String::from_utf8_lossy(&seen.body).contains("vidimus")))
        .await;
    let answer = within(AT_ONCE, "echo", client.call(8, "echo", "{}")).await.unwrap();
    assert!(answer["result"].is_object(), "{answer}");
    let listed = within(AT_ONCE, "the list", client.post(LIST)).await.unwrap();
    assert!(listed.text.contains("\"echo\"") && !listed.text.contains("\"drip\""), "{}", listed.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_tool_is_found_by_who_has_listed_it_and_soon_by_who_calls_it() {
    let world = World::start().await;
    let client = world.client().await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    world.upstream.change(|quirks| quirks.more_tools.push("listed"));
    let listed = within(SOON, "the list", client.post(LIST)).await.unwrap();
    assert!(listed.text.contains("\"listed\""), "{}", listed.text);
    let answer = client.call(2, "listed", "{}").await.unwrap();
    assert!(answer["result"].is_object(), "{answer}");

    world.upstream.change(|quirks| quirks.more_tools.push("called"));
    let refused = within(AT_ONCE, "a new tool", client.call(3, "called", "{}")).await.unwrap();
    assert_eq!(refused["error"]["code"], json!(-32602), "{refused}");
    let limit = Instant::now() + 2 * NEXT_READING;
    while client.call(4, "called", "{}").await.unwrap()["result"].is_null() {
        assert!(Instant::now() < limit, "it is not found");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_only_callers_are_listed_is_looked_for_once() {
    let world = World::start().await;
    let client = world.client().await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    world.upstream.change(|quirks| quirks.only_for_callers = vec!["mine"]);
    let listed = within(SOON, "the list", client.post(LIST)).await.unwrap();
    assert!(!listed.text.contains("\"mine\"") && listed.text.contains("\"echo\""), "{}", listed.text);
    let listed = within(AT_ONCE, "the list", client.post(LIST)).await.unwrap();
    assert!(!listed.text.contains("\"mine\""), "{}", listed.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_its_tools_have_changed_is_asked_for_them() {
    let world = World::start().await;
    let client = world.client().await;
    let headers = [("accept", "text/event-stream"), ("content-type", "")];
    let stream = client.stream(Method::GET, &headers).await.unwrap();
    soon(|| world.upstream.readings() == 1).await;
    world.upstream.say("1", r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    soon(|| world.upstream.readings() == 2).await;
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_is_told_of_new_tools_that_the_server_does_not_announce() {
    let world = World::start().await;
    let client = world.client().await;
    client.post(LIST).await.unwrap();
    let headers = [("accept", "text/event-stream"), ("content-type", "")];
    let mut body = client.stream(Method::GET, &headers).await.unwrap().into_body();
    world.upstream.change(|quirks| quirks.more_tools.push("new"));
    let other = world.client().await;
    assert!(other.call(1, "new", "{}").await.unwrap()["error"].is_object());
    let told = async {
        let mut text = String::new();
        while !text.contains("notifications/tools/list_changed") {
            text.push_str(std::str::from_utf8(&body.frame().await.unwrap().unwrap().into_data().unwrap()).unwrap());
        }
    };
    within(SOON, "the notice", told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_call_waits_no_longer_than_its_client() {
    let world = hung("").await;
    let client = world.client().await;
    let waited = tokio::time::timeout(Duration::from_secs(1), client.call(1, "echo", "{}")).await;
    assert!(waited.is_err(), "{waited:?}");
    let is_refused = |event: &Value| event["decision"]["reason"] == "definitions";
    world.gateway.events_once(is_refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_definitions() {
    let mut world = hung("[limits]\nshutdown_grace = \"1s\"").await;
    let client = world.client().await;
    let waiting = tokio::spawn(async move { client.receive(call(1, "echo", &json!({}))).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stopped = world.gateway.process.terminate(SOON).unwrap();
    assert_eq!(stopped.code(), Some(0), "{}", world.gateway.process.log());
    waiting.await.unwrap();
    world.upstream.change(|quirks| quirks.hangs_for_the_gateway = false);
    world.gateway.restart();
    let events = world.gateway.events();
    let closed = of_type(&events, "session.closed");
    assert!(closed.iter().all(|event| event["reason"] != "crash"), "{closed:#?}");
    let again = Client::open(world.gateway.url(), world.issuer.token("alice")).await;
    assert!(again.call(1, "echo", "{}").await.unwrap()["result"].is_object());
}
