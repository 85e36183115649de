//! Servers that are down, hang, come back or forget: the others go on meanwhile, and the client is told.

use std::time::{Duration, Instant};

use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use vidimus_testkit::free_port;

use crate::common::upstream::{Hello, List, Upstream};
use crate::{LIST, World, modern_body, names, send};

/// What nobody waits for takes less than this, however slow the machine.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A server that comes back is seen after ten seconds, and the time of a reading.
const SEEN_AGAIN: Duration = Duration::from_secs(40);

fn unavailable(answer: &Value) -> &Value {
    &answer["result"]["_meta"]["vidimus/unavailable"]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_others_work_while_one_is_down_and_it_is_seen_when_it_is_back() {
    let port = free_port().unwrap();
    let table = format!("[targets.later]\nprotocol = \"mcp\"\nurl = \"http://127.0.0.1:{port}/mcp\"\n");
    let world = World::start_with("", &table).await;
    let (alice, modern) = (world.legacy("alice").await, world.modern("alice"));
    let begun = Instant::now();
    let list = alice.post(LIST).await.unwrap().json();
    assert!(names(&list).contains(&"crm_echo") && names(&list).contains(&"notes_echo"), "{list}");
    assert_eq!(unavailable(&list), &json!(["later"]), "{list}");
    let list = send(&modern, "tools/list", "", "").await.json();
    assert_eq!((unavailable(&list), &list["result"]["ttlMs"]), (&json!(["later"]), &json!(0)), "{list}");
    let discovered = send(&modern, "server/discover", "", "").await.json();
    assert_eq!(unavailable(&discovered), &json!(["later"]), "{discovered}");
    let called = alice.call(2, "later_echo", "{}").await.unwrap();
    assert!(called["error"]["message"].as_str().unwrap().contains("`later` does not answer now"), "{called}");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());

    // Both know now that it is down: what they are told from here on is that it is back.
    drop((alice.post(LIST).await.unwrap(), send(&modern, "tools/list", "", "").await));
    let stream = alice.stream(Method::GET, &[("content-type", "")]).await.unwrap();
    assert_eq!(stream.status(), 200);
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "subscriptions/listen")];
    let wish = modern_body("subscriptions/listen", r#""notifications":{"toolsListChanged":true}"#);
    let subscription = modern.stream_of(Method::POST, &headers, wish).await.unwrap();
    let _later = Upstream::start_at(port).await;
    for (mut stream, id) in [(stream.into_body(), false), (subscription.into_body(), true)] {
        let mut heard = String::new();
        // Lists change for other reasons too, while the gateway is young: then it is told once more that this one is back.
        let listening = async {
            let mut told = 0;
            loop {
                while heard.matches("notifications/tools/list_changed").count() == told {
                    let frame = stream.frame().await.unwrap().unwrap();
                    heard.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
                }
                told = heard.matches("notifications/tools/list_changed").count();
                if unavailable(&alice.post(LIST).await.unwrap().json()).is_null() {
                    break;
                }
            }
        };
        tokio::time::timeout(SEEN_AGAIN, listening).await.unwrap();
        assert_eq!(heard.contains(r#""io.modelcontextprotocol/subscriptionId":7"#), id, "{heard}");
        assert_eq!(heard.contains("subscriptions/acknowledged"), id, "{heard}");
    }
    let list = alice.post(LIST).await.unwrap().json();
    assert!(names(&list).contains(&"later_echo") && unavailable(&list).is_null(), "{list}");
    let called = alice.call(3, "later_echo", r#"{"x":1}"#).await.unwrap();
    assert_eq!(called["result"]["content"][0]["text"], json!(r#"{"x":1}"#), "{called}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_is_missing_and_one_that_forgets_is_asked_again() {
    let world = World::start("").await;
    let alice = world.legacy("alice").await;
    assert!(names(&alice.post(LIST).await.unwrap().json()).contains(&"crm_echo"));
    let forgotten = alice.call(2, "crm_forget", "{}").await.unwrap();
    assert!(forgotten["error"]["message"].as_str().unwrap().contains("forgotten the session"), "{forgotten}");
    let called = alice.call(3, "crm_echo", r#"{"x":1}"#).await.unwrap();
    assert_eq!(called["result"]["content"][0]["text"], json!(r#"{"x":1}"#), "in a new session there: {called}");

    world.crm.stop();
    let list = alice.post(LIST).await.unwrap().json();
    assert_eq!(unavailable(&list), &json!(["crm"]), "{list}");
    assert!(names(&list).contains(&"notes_echo"), "{list}");
    let begun = Instant::now();
    assert_eq!(unavailable(&alice.post(LIST).await.unwrap().json()), &json!(["crm"]));
    assert!(begun.elapsed() < AT_ONCE, "nobody waits twice: {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_by_a_server_takes_it_from_nobody() {
    let world = World::start("").await;
    let (alice, bob) = (world.legacy("alice").await, world.legacy("bob").await);
    assert!(unavailable(&alice.post(LIST).await.unwrap().json()).is_null());
    let eve = world.legacy("eve").await;
    world.crm.change(|quirks| quirks.hello = Hello::RefusesLate);
    let refused = eve.call(2, "crm_echo", "{}").await.unwrap();
    assert!(refused["error"]["message"].as_str().unwrap().contains("`crm` refuses"), "{refused}");
    world.crm.change(|quirks| quirks.hello = Hello::Plain);
    let list = bob.post(LIST).await.unwrap().json();
    assert!(unavailable(&list).is_null() && names(&list).contains(&"crm_echo"), "{list}");
    let called = eve.call(3, "crm_echo", r#"{"x":1}"#).await.unwrap();
    assert_eq!(called["result"]["content"][0]["text"], json!(r#"{"x":1}"#), "and may try again: {called}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_in_line_for_a_server_that_hangs() {
    // It takes connections and says nothing.
    let hung = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = hung.local_addr().unwrap().port();
    let table = format!("[targets.hung]\nprotocol = \"mcp\"\nurl = \"http://127.0.0.1:{port}/mcp\"\n");
    let world = World::start_with("", &table).await;
    let alice = world.legacy("alice").await;
    let begun = Instant::now();
    let calls = (0..3).map(|id| alice.call(id, "hung_echo", "{}"));
    for called in futures_util::future::join_all(calls).await {
        let called = called.unwrap();
        assert!(called["error"]["message"].as_str().unwrap().contains("`hung` does not answer now"), "{called}");
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "all wait at once: {:?}", begun.elapsed());
    let begun = Instant::now();
    for id in 10..13 {
        let called = alice.call(id, "hung_echo", "{}").await.unwrap();
        assert!(called["error"]["message"].as_str().unwrap().contains("`hung` does not answer now"), "{called}");
    }
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    let metrics = world.gateway.admin_page("/metrics").unwrap();
    for line in [r#"vidimus_target_up{target="crm"} 1"#, r#"vidimus_target_up{target="hung"} 0"#] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_given_up_is_taken_back() {
    let world = World::start("").await;
    let (alice, modern) = (world.legacy("alice").await, world.modern("alice"));
    drop(alice.call(2, "crm_echo", "{}").await.unwrap());
    world.crm.change(|quirks| quirks.list = List::Hangs);
    let (list, other) = tokio::join!(alice.post(LIST), send(&modern, "tools/list", "", ""));
    assert_eq!(unavailable(&list.unwrap().json()), &json!(["crm"]));
    assert_eq!(unavailable(&other.json()), &json!(["crm"]));
    let taken_back = async {
        loop {
            let all: Vec<Value> = world.crm.bodies().iter().map(|body| serde_json::from_slice(body).unwrap()).collect();
            let of = |method: &str| all.iter().filter(|body| body["method"] == *method).cloned().collect::<Vec<_>>();
            let ids: Vec<_> = of("tools/list").iter().map(|body| body["id"].clone()).collect();
            let told = of("notifications/cancelled");
            if ids.len() == 2 && ids.iter().all(|id| told.iter().any(|told| told["params"]["requestId"] == *id)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(AT_ONCE, taken_back).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_before_it_lists_is_told_that_nobody_answers() {
    let world = World::start(r#"permit (principal, action == Action::"sampling/createMessage", resource);"#).await;
    let mut alice = crate::common::Client::new(world.url(), world.issuer.token("alice"));
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"sampling":{}},"clientInfo":{"name":"test","version":"1"}}}"#;
    alice.session = alice.post(hello).await.unwrap().session;
    world.crm.change(|quirks| quirks.list = List::Asks);
    let begun = Instant::now();
    let list = alice.post(LIST).await.unwrap().json();
    assert!(names(&list).contains(&"crm_echo") && unavailable(&list).is_null(), "{list}");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    let said = world.crm.bodies().iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect::<Vec<_>>();
    let answer = said.iter().find(|body| body.contains("\"list-1\"")).unwrap();
    assert!(answer.contains("-32601"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_too_long_is_an_error_of_its_server_and_of_that_list_alone() {
    let world = World::start("").await;
    let (alice, bob) = (world.legacy("alice").await, world.legacy("bob").await);
    let direct = crate::common::Client::open(world.gateway.url(), world.issuer.token("alice")).await;
    world.crm.change(|quirks| quirks.list = List::LongCursor);
    let list = alice.post(LIST).await.unwrap().json();
    assert!(unavailable(&list) == &json!(["crm"]) && names(&list).contains(&"notes_echo"), "{list}");
    let refused = direct.post(LIST).await.unwrap().json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("cursor of more than 8192 bytes"), "{refused}");
    world.crm.change(|quirks| quirks.list = List::Plain);
    let list = bob.post(LIST).await.unwrap().json();
    assert!(unavailable(&list).is_null() && names(&list).contains(&"crm_echo"), "it is not down: {list}");
}
