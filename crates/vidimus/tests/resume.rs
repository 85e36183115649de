//! A client that loses a stream and comes back for the rest (MCP 2025-11-25, "Resumability and Redelivery").
//!
//! What it gets again is what was recorded, byte for byte, with the ids it had the first time; nobody else gets it, and
//! where payloads are not kept nothing is promised.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::evidence::of_type;
use common::issuer::Issuer;
use common::upstream::Upstream;
use common::{ALLOW_ALL, Client, Gateway, Setup};
use http::Method;

const PROGRESS: &str = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"progress","arguments":{},"_meta":{"progressToken":"p"}}}"#;

const GET: [(&str, &str); 2] = [("accept", "text/event-stream"), ("content-type", "")];

/// The events of a stream, comments left out.
fn events(text: &str) -> Vec<String> {
    text.split_terminator("\n\n").filter(|event| !event.starts_with(':')).map(str::to_owned).collect()
}

fn id(event: &str) -> &str {
    event.lines().find_map(|line| line.strip_prefix("id: ")).unwrap()
}

async fn rest(client: &Client, last: &str) -> (u16, String) {
    let headers = [GET[0], GET[1], ("last-event-id", last)];
    let answer = client.send(Method::GET, &headers, "").await.unwrap();
    (answer.status.as_u16(), answer.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_a_stream_comes_again_to_its_own_principal() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
    let gateway = Gateway::start(&Setup { policies: ALLOW_ALL, ..Setup::new(upstream.url()) }, issuer.url());
    let alice = Client::open(gateway.url(), issuer.token("alice")).await;
    let sent = events(&alice.post(PROGRESS).await.unwrap().text);
    assert_eq!(sent.len(), 4, "{sent:?}");
    for (at, event) in sent.iter().enumerate() {
        let (status, text) = rest(&alice, id(event)).await;
        assert_eq!((status, events(&text)), (200, sent[at + 1..].to_vec()));
    }

    // A connection that breaks amid the stream: what was still to come, comes.
    let broken = tokio::time::timeout(Duration::from_millis(70), alice.post(PROGRESS.replace('9', "10"))).await;
    assert!(broken.is_err(), "the stream was complete: {broken:?}");
    let admitted = |event: &serde_json::Value| {
        event["type"] == "operation.admitted" && event["operation"]["action"] == "everything/progress"
    };
    let calls = gateway.events_once(|event| admitted(event) && event["seq"].as_u64() > Some(4));
    let stream = calls.iter().rfind(|event| admitted(event)).unwrap()["seq"].clone();
    let (_, text) = rest(&alice, &format!("{stream}-1")).await;
    let again = events(&text);
    assert_eq!(again.len(), 3, "{text}");
    assert_eq!(
        again[2].replace("\"id\":10", "\"id\":9").split_once("data").unwrap().1,
        sent[3].split_once("data").unwrap().1
    );

    let bob = Client::open(gateway.url(), issuer.token("bob")).await;
    let mut thief = Client::new(gateway.url(), issuer.token("bob"));
    thief.session.clone_from(&alice.session);
    let first = id(&sent[0]);
    assert_eq!(rest(&thief, first).await.0, 404, "another's session");
    assert_eq!(rest(&bob, first).await.0, 400, "of no stream of his");
    for unknown in ["999-1", "x", &format!("{}-99", first.split_once('-').unwrap().0)] {
        assert_eq!(rest(&alice, unknown).await.0, 400, "{unknown}");
    }
    let all = gateway.events();
    let resumed =
        of_type(&all, "operation.admitted").into_iter().filter(|event| event["operation"]["method"] == "resume");
    assert_eq!(resumed.count(), 5, "each time is on record");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_promised_where_payloads_are_not_kept() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
    let setup = Setup { record: "record = \"sizes\"", ..Setup::new(upstream.url()) };
    let gateway = Gateway::start(&setup, issuer.url());
    let alice = Client::open(gateway.url(), issuer.token("alice")).await;
    let text = alice.post(PROGRESS).await.unwrap().text;
    assert_eq!((events(&text).len(), text.contains("id: ")), (4, false), "{text}");
}
