//! Servers that are down, hang, come back or forget: the others go on meanwhile, and the client is told.

use std::time::{Duration, Instant};

use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use vidimus_testkit::free_port;

use crate::common::upstream::Upstream;
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
