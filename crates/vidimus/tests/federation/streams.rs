//! What servers say in the middle of calls and by themselves: each part to whom it is for, with ids that do not collide.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::World;
use crate::common::Client;
use crate::common::upstream::Upstream;

const LIMIT: Duration = Duration::from_secs(20);

const SAMPLING: &str = r#"permit (principal, action == Action::"sampling/createMessage", resource);"#;

/// A stream, and what of it was read.
struct Events {
    body: Incoming,
    read: String,
}

impl Events {
    async fn of(client: &Client, body: String) -> Self {
        let response = client.stream_of(Method::POST, &[], body).await.unwrap();
        Self { body: response.into_body(), read: String::new() }
    }

    /// The next message that is as `wanted`.
    async fn next(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let next = async {
            loop {
                while let Some(end) = self.read.find("\n\n") {
                    let event: String = self.read.drain(..end + 2).collect();
                    assert!(!event.contains("id: "), "no part can be gone on after: {event}");
                    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                    let message = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
                    if let Some(message) = message.filter(&wanted) {
                        return message;
                    }
                }
                let frame = self.body.frame().await.unwrap().unwrap();
                self.read.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
            }
        };
        tokio::time::timeout(LIMIT, next).await.unwrap()
    }
}

fn talk(id: u64, target: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{target}_talk","arguments":{{"of":"{target}"}}}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_ask_under_one_id_and_each_gets_its_own_answer() {
    let other = Upstream::start().await;
    let table = format!("[targets.other]\nprotocol = \"mcp\"\nurl = \"{}\"\n", other.url());
    let world = World::start_with(SAMPLING, &table).await;
    let mut alice = Client::new(world.url(), world.issuer.token("alice"));
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"sampling":{}},"clientInfo":{"name":"test","version":"1"}}}"#;
    alice.session = alice.post(hello).await.unwrap().session;
    let (mut one, mut two) = (Events::of(&alice, talk(1, "crm")).await, Events::of(&alice, talk(2, "other")).await);
    let is_question = |message: &Value| message["method"] == "sampling/createMessage";
    let (of_crm, of_other) = (one.next(is_question).await, two.next(is_question).await);
    assert_eq!((&of_crm["id"], &of_other["id"]), (&json!(r#"crm "ask-1""#), &json!(r#"other "ask-1""#)));
    for (question, text) in [(&of_other, "for other"), (&of_crm, "for crm")] {
        let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": {
            "role": "assistant", "model": "m", "content": { "type": "text", "text": text } } });
        assert_eq!(alice.post(answer.to_string()).await.unwrap().status.as_u16(), 202);
        assert_ne!(alice.post(answer.to_string()).await.unwrap().status.as_u16(), 202, "answered once");
    }
    for (server, own, foreign) in [(&world.crm, "for crm", "for other"), (&other, "for other", "for crm")] {
        let all: Vec<_> = server.bodies().iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect();
        let answers: Vec<_> = all.iter().filter(|body| body.contains("assistant")).collect();
        assert_eq!(answers.len(), 1, "{all:#?}");
        assert!(answers[0].contains(own) && !answers[0].contains(foreign), "{answers:?}");
        assert!(answers[0].contains(r#""id":"ask-1""#), "under the id that it gave: {answers:?}");
        server.release();
    }
    let is_result = |message: &Value| message.get("result").is_some();
    assert_eq!((&one.next(is_result).await["id"], &two.next(is_result).await["id"]), (&json!(1), &json!(2)));
    // An answer that names no question, or another's session, is for nobody.
    for id in [r#""ask-1""#, r#""crm \"ask-9\"""#, r#""notes \"ask-1\"""#, "1"] {
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert_eq!(alice.post(answer).await.unwrap().status.as_u16(), 400, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_takes_back_its_call_and_no_other() {
    let world = World::start("").await;
    let alice = world.legacy("alice").await;
    let call = |id: u64, tool: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}"}}}}"#)
    };
    let cancel =
        |id: u64| format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#);
    let (hanging, other) = (alice.post(call(1, "crm_hang")), alice.post(call(2, "notes_hang")));
    let cancelling = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(alice.post(cancel(1)).await.unwrap().status.as_u16(), 202);
        assert_eq!(alice.post(cancel(9)).await.unwrap().status.as_u16(), 202);
        assert_eq!(alice.post(cancel(2)).await.unwrap().status.as_u16(), 202);
    };
    let all = async { tokio::join!(hanging, other, cancelling) };
    let (hanging, other, ()) = tokio::time::timeout(LIMIT, all).await.unwrap();
    for answer in [hanging.unwrap(), other.unwrap()] {
        assert_eq!(answer.json()["error"]["message"], json!("the request was cancelled"), "{}", answer.text);
    }
    let told = world.crm.bodies().iter().filter(|body| String::from_utf8_lossy(body).contains("cancelled")).count();
    assert_eq!((told, world.notes.cancelled()), (1, 1), "each server is told as its era does");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_servers_say_by_themselves_reaches_who_listens() {
    let other = Upstream::start().await;
    let table = format!("[targets.other]\nprotocol = \"mcp\"\nurl = \"{}\"\n", other.url());
    let world = World::start_with("", &table).await;
    let alice = world.legacy("alice").await;
    let headers = [("accept", "text/event-stream"), ("content-type", "")];
    let response = alice.stream(Method::GET, &headers).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut events = Events { body: response.into_body(), read: String::new() };
    // The sessions at the servers are opened after the client began to listen.
    for target in ["crm", "other"] {
        drop(alice.call(1, &format!("{target}_echo"), "{}").await.unwrap());
    }
    let notice = |of: &str| {
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":"of {of}"}}}}"#)
    };
    let is_notice = |message: &Value| message["method"] == "notifications/message";
    let saying = async {
        loop {
            world.crm.say("1", &notice("crm"));
            other.say("1", &notice("other"));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let mut heard = std::collections::BTreeSet::new();
    let hearing = async {
        while heard.len() < 2 {
            heard.insert(events.next(is_notice).await["params"]["data"].as_str().unwrap().to_owned());
        }
    };
    tokio::select! { () = hearing => {} () = saying => {} }
    let refused =
        alice.send(Method::GET, &[("accept", "text/event-stream"), ("last-event-id", "1-1")], "").await.unwrap();
    assert_eq!(refused.status.as_u16(), 400, "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_tells_of_its_own_calls_alone() {
    let other = Upstream::start().await;
    let table = format!("[targets.other]\nprotocol = \"mcp\"\nurl = \"{}\"\n", other.url());
    let world = World::start_with("", &table).await;
    let alice = world.legacy("alice").await;
    let headers = [("accept", "text/event-stream"), ("content-type", "")];
    let response = alice.stream(Method::GET, &headers).await.unwrap();
    let mut events = Events { body: response.into_body(), read: String::new() };
    drop(alice.call(1, "other_echo", "{}").await.unwrap());
    let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"crm_held","_meta":{"progressToken":"t-1"}}}"#;
    let telling = async {
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t-1","progress":1,"message":"of NAME"}}"#;
        let complete =
            r#"{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"e-1"}}"#;
        let notice = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"of NAME"}}"#;
        let mut heard = std::collections::BTreeSet::new();
        let hearing = async {
            while !(heard.contains("progress of crm") && heard.contains("message of other")) {
                let message = events.next(|message| message["method"].is_string()).await;
                let params = &message["params"];
                let of = params["message"].as_str().or(params["data"].as_str()).unwrap_or_default();
                heard.insert(format!("{} {of}", message["method"].as_str().unwrap().rsplit('/').next().unwrap()));
            }
        };
        let saying = async {
            loop {
                for message in [progress, complete, notice] {
                    other.say("1", &message.replace("NAME", "other"));
                }
                world.crm.say("1", &progress.replace("NAME", "crm"));
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::select! { () = hearing => {} () = saying => {} }
        world.crm.release();
        heard
    };
    let (answer, heard) = tokio::join!(alice.post(call), telling);
    assert!(answer.unwrap().json().get("result").is_some());
    assert!(
        !heard.contains("progress of other") && !heard.iter().any(|what| what.starts_with("complete")),
        "{heard:?}"
    );
}
