//! What is masked through a real gateway, over real MCP: in answers, errors, streams, questions and the record.
//!
//! Values go in as arguments and come back from a target that repeats them. The target gets them exactly as they were
//! sent; the client gets them masked unless policy reveals their class to it; the record never holds them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::evidence::of_type;
use common::issuer::Issuer;
use common::upstream::Upstream;
use common::{ALLOW_ALL, Client, Gateway, Setup};
use http::Method;
use serde_json::{Value, json};

const CARD: &str = "4111 1111 1111 1111";
const MAIL: &str = "ada@example.com";

/// Sampling for everybody, and card numbers for the fraud team.
const REVEAL: &str = r#"
@id("sampling") permit (principal in Group::"corp/support", action == Action::"sampling/createMessage", resource);
@id("fraud") permit (principal in Group::"corp/fraud", action == Action::"reveal", resource == DataClass::"CREDIT_CARD")
when { context.target == Target::"everything" };
"#;

struct World {
    issuer: Issuer,
    upstream: Upstream,
    gateway: Gateway,
}

impl World {
    async fn start() -> Self {
        Self::with("").await
    }

    async fn with(tables: &str) -> Self {
        let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
        let policies = format!("{ALLOW_ALL}{REVEAL}");
        let setup = Setup { policies: &policies, tables, ..Setup::new(upstream.url()) };
        let gateway = Gateway::start(&setup, issuer.url());
        Self { issuer, upstream, gateway }
    }

    async fn alice(&self) -> Client {
        Client::open(self.gateway.url(), self.issuer.token("alice")).await
    }

    /// Of the fraud team too.
    async fn bob(&self) -> Client {
        let token = self.issuer.token_with(json!({ "sub": "bob", "groups": ["support", "fraud"] }));
        Client::open(self.gateway.url(), token).await
    }

    /// Everything in all recordings, as text; no frame holds a value, and the log with all recordings verifies.
    fn recorded(&self) -> String {
        let sessions = self.gateway.sessions();
        let frames: Vec<Value> = sessions.iter().flat_map(|session| self.gateway.recording(session)).collect();
        let text = Value::from(frames).to_string();
        let events = Value::from(self.gateway.events()).to_string();
        for value in [CARD, MAIL] {
            assert!(!text.contains(value), "{value} is in a recording: {text}");
            assert!(!events.contains(value), "{value} is in an event: {events}");
        }
        text
    }

    /// The counts of the last outcome of a tool.
    fn counts(&self, tool: &str) -> (Value, Value) {
        let events = self.gateway.events();
        let of_tool = |event: &&&Value| event["operation"]["action"] == format!("everything/{tool}");
        let outcomes = of_type(&events, "operation.outcome");
        let outcome = &outcomes.iter().rev().find(of_tool).unwrap()["outcome"];
        (outcome["masked"].clone(), outcome["revealed"].clone())
    }
}

fn arguments() -> Value {
    json!({ "card": CARD, "note": format!("write to {MAIL}"), "amount": 12 })
}

fn call(id: u64, tool: &str) -> String {
    let params = json!({ "name": tool, "arguments": arguments(), "_meta": { "progressToken": id } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_masked_for_the_client_and_in_the_record_and_its_arguments_reach_the_target_exactly() {
    let world = World::start().await;
    let alice = world.alice().await;
    let request = call(1, "twin");
    let answer = alice.post(request.clone()).await.unwrap();
    let result = &answer.json()["result"];
    let structured = json!({ "amount": 12, "card": "<CREDIT_CARD>", "note": "write to <EMAIL_ADDRESS>" });
    assert_eq!(result["structuredContent"], structured);
    let twin: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(twin, structured, "the text is masked as its twin is");
    assert!(world.upstream.bodies().iter().any(|body| **body == *request.as_bytes()), "the target gets every byte");
    assert_eq!(world.counts("twin"), (json!({ "CREDIT_CARD": 2, "EMAIL_ADDRESS": 2 }), json!({})));
    let events = world.gateway.events();
    let admitted = of_type(&events, "operation.admitted");
    let admitted = admitted.iter().rfind(|event| event["operation"]["action"] == "everything/twin").unwrap();
    assert_eq!(admitted["masked"], json!({ "CREDIT_CARD": 1, "EMAIL_ADDRESS": 1 }));
    assert!(admitted["payloads"][0]["delivered"].is_string(), "what went out differs from what is recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_is_revealed_to_one_group_and_never_in_the_record() {
    let world = World::start().await;
    let (alice, bob) = (world.alice().await, world.bob().await);
    let plain = json!({ "card": CARD, "mail": MAIL }).to_string();
    let of = |answer: Value| answer["result"]["structuredContent"].clone();
    let seen = of(bob.call(1, "twin", &plain).await.unwrap());
    assert_eq!(seen, json!({ "card": CARD, "mail": "<EMAIL_ADDRESS>" }));
    assert_eq!(world.counts("twin"), (json!({ "CREDIT_CARD": 2, "EMAIL_ADDRESS": 2 }), json!({ "CREDIT_CARD": 2 })));
    let seen = of(alice.call(2, "twin", &plain).await.unwrap());
    assert_eq!(seen, json!({ "card": "<CREDIT_CARD>", "mail": "<EMAIL_ADDRESS>" }));
    let recorded = world.recorded();
    assert!(recorded.contains("<CREDIT_CARD>") && recorded.contains("<EMAIL_ADDRESS>"), "{recorded}");

    // A policy that changes amid a session holds from then on.
    let policies = world.gateway.dir.path().join("policies/test.cedar");
    std::fs::write(&policies, ALLOW_ALL).unwrap();
    let limit = Instant::now() + Duration::from_secs(20);
    while of(bob.call(3, "twin", &plain).await.unwrap())["card"] == CARD {
        assert!(Instant::now() < limit, "the card is still revealed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    std::fs::write(&policies, format!("{ALLOW_ALL}{REVEAL}")).unwrap();
    while of(bob.call(4, "twin", &plain).await.unwrap())["card"] != CARD {
        assert!(Instant::now() < limit, "the card is not revealed again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.recorded();
    assert_eq!(world.gateway.verified(&[])["holds"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_masked_result_keeps_to_its_tools_output_schema_or_is_withheld() {
    let world = World::start().await;
    let alice = world.alice().await;
    let plain = json!({ "mail": MAIL, "card": CARD, "fixed": "nobody" }).to_string();
    let answer = alice.call(1, "promise", &plain).await.unwrap();
    let expected = json!({ "mail": "masked@example.invalid", "card": null, "fixed": "nobody" });
    assert_eq!(answer["result"]["structuredContent"], expected);

    let answer = alice.call(2, "promise", &json!({ "fixed": MAIL }).to_string()).await.unwrap();
    let told = answer.to_string();
    assert!(told.contains("output schema") && !told.contains(MAIL), "{told}");
    let events = world.gateway.events();
    let outcomes = of_type(&events, "operation.outcome");
    let withheld = |event: &&&Value| event["outcome"]["status"] == "withheld";
    assert_eq!(outcomes.iter().filter(withheld).count(), 1);
    world.recorded();
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_and_refused_messages_are_masked_too() {
    let world = World::start().await;
    let alice = world.alice().await;
    let plain = arguments().to_string();
    let error = alice.call(1, "refuse", &plain).await.unwrap()["error"].clone();
    assert_eq!((&error["code"], &error["data"]["card"]), (&json!(-32_000), &json!("<CREDIT_CARD>")));
    assert!(error["message"].as_str().unwrap().contains("write to <EMAIL_ADDRESS>"), "{error}");
    // What is refused is recorded masked: an unknown tool of such a name, a message that is none.
    let unknown = json!({ "name": MAIL, "arguments": arguments() });
    let unknown = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": unknown }).to_string();
    alice.post(unknown).await.unwrap();
    alice.post(format!("{{\"jsonrpc\":\"2.0\",\"Method\":\"{MAIL}\",\"x\":\"{CARD}\"")).await.unwrap();
    let events = Value::from(world.gateway.events()).to_string();
    assert!(!events.contains(MAIL) && events.contains("everything/<EMAIL_ADDRESS>"), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_makes_up_carries_no_value_into_the_evidence() {
    let world = World::start().await;
    let hello =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": MAIL, "version": CARD } });
    let mut client = Client::new(world.gateway.url(), world.issuer.token("alice"));
    let hello = json!({ "jsonrpc": "2.0", "id": CARD, "method": "initialize", "params": hello });
    let answer = client.post(hello.to_string()).await.unwrap();
    assert_eq!(answer.json()["id"], CARD, "the client gets its own id: {answer:?}");
    client.session = answer.session;
    let address = format!("note://notes?for={}", MAIL.replace('@', "%40"));
    for (method, params) in [
        ("tools/call", json!({ "name": "echo", "arguments": { MAIL: 1 }, "_meta": { "progressToken": MAIL } })),
        ("tools/call", json!({ "name": MAIL, "arguments": {} })),
        ("prompts/get", json!({ "name": MAIL, "arguments": { CARD: MAIL } })),
        ("resources/read", json!({ "uri": address })),
        ("tools/list", json!({ "cursor": MAIL })),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": MAIL }, "argument": { "name": "a", "value": "b" } }),
        ),
        (MAIL, json!({})),
    ] {
        let request = json!({ "jsonrpc": "2.0", "id": MAIL, "method": method, "params": params });
        let answer = client.post(request.to_string()).await.unwrap();
        assert_eq!(answer.json()["id"], MAIL, "{answer:?}");
    }
    client
        .post(
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": MAIL } })
                .to_string(),
        )
        .await
        .unwrap();
    let recorded = world.recorded();
    assert!(recorded.contains("prompts/get"), "what is the protocol's own is there: {recorded}");
    let events = world.gateway.events();
    assert!(!Value::from(events.clone()).to_string().contains("ada%40"), "{events:#?}");
    let opened = of_type(&events, "session.opened");
    assert!(opened.iter().any(|event| event["client"] == "<EMAIL_ADDRESS> <CREDIT_CARD>"), "{opened:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_questions_and_answers_are_masked_on_their_way() {
    let world = World::start().await;
    let alice = Arc::new(world.alice().await);
    let (caller, body) = (
        Arc::clone(&alice),
        json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": "talk", "arguments": arguments() } }),
    );
    let talking = tokio::spawn(async move { caller.receive(body.to_string()).await });
    let is_asked = |event: &Value| {
        event["type"] == "operation.admitted" && event["operation"]["action"] == "sampling/createMessage"
    };
    let events = world.gateway.events_once(is_asked);
    let asked = events.iter().find(|event| is_asked(event)).unwrap();
    assert_eq!(asked["masked"], json!({ "CREDIT_CARD": 1, "EMAIL_ADDRESS": 1 }));
    let content = json!({ "type": "text", "text": format!("{MAIL} it is") });
    let said =
        json!({ "jsonrpc": "2.0", "id": "ask-1", "result": { "role": "assistant", "content": content, "model": "m" } });
    let answer = alice.post(said.to_string()).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(world.upstream.bodies().iter().any(|seen| **seen == *said.to_string().as_bytes()));
    world.upstream.release();
    let text = String::from_utf8(talking.await.unwrap().body()).unwrap();
    assert_eq!(text.matches("event: message").count(), 3, "{text}");
    assert_eq!((text.matches("<CREDIT_CARD>").count(), text.matches("<EMAIL_ADDRESS>").count()), (3, 3), "{text}");
    assert!(!text.contains(MAIL) && !text.contains(CARD), "{text}");
    assert!(world.recorded().contains("<EMAIL_ADDRESS> it is"));
    assert_eq!(
        world.counts("talk").0,
        json!({ "CREDIT_CARD": 2, "EMAIL_ADDRESS": 2 }),
        "the log message and the result"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_revealed_on_a_stream_is_masked_when_it_is_sent_again() {
    let world = World::start().await;
    let bob = world.bob().await;
    let progress = json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": { "name": "progress",
        "arguments": arguments(), "_meta": { "progressToken": "p" } } });
    let text = bob.post(progress.to_string()).await.unwrap().text;
    assert!(text.contains(CARD) && !text.contains(MAIL), "{text}");
    let first = text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    let headers = [("accept", "text/event-stream"), ("content-type", ""), ("last-event-id", first)];
    let again = bob.send(Method::GET, &headers, "").await.unwrap().text;
    assert!(again.contains("<CREDIT_CARD>") && !again.contains(CARD), "{again}");
    world.recorded();
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_says_what_is_masked_and_how() {
    let tables = r#"
[masking]
operators = { EMAIL_ADDRESS = "token" }
allow = ["support@example.com"]
[masking.custom.BADGE]
patterns = ["EMP-[0-9]{5}"]
[targets.everything.masking]
operators = { CREDIT_CARD = "keep_last(4)" }
fields = { "$.nested.secret" = "US_SSN" }
"#;
    let world = World::with(tables).await;
    let alice = world.alice().await;
    let plain = json!({ "card": CARD, "first": MAIL, "second": "bob@example.com", "third": MAIL, "badge": "EMP-12345",
        "ours": "support@example.com", "nested": { "secret": "any text", "other": "any text" } });
    let seen = alice.call(1, "twin", &plain.to_string()).await.unwrap()["result"]["structuredContent"].clone();
    let text = |key: &str| seen[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("card"), "**** **** **** 1111");
    assert_eq!(text("first"), text("third"), "one value, one token");
    assert_ne!(text("first"), text("second"));
    assert!(text("first").starts_with("<EMAIL_ADDRESS_"), "{seen}");
    assert_eq!((text("badge").as_str(), text("ours").as_str()), ("<BADGE>", "support@example.com"));
    assert_eq!(seen["nested"], json!({ "secret": "<US_SSN>", "other": "any text" }));
    let checked = world.gateway.command(&["check"]);
    assert_eq!(checked["targets"][0]["masking"]["operators"]["CREDIT_CARD"], "keep_last(4)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_named_like_a_value_is_called_by_its_name_and_recorded_masked() {
    let world = World::with("[targets.everything.masking]\noperators = { EMAIL_ADDRESS = \"token\" }\n").await;
    let alice = world.alice().await;
    for (id, tool) in [(1, "mallory@example.com"), (2, "eve@example.com"), (3, "mallory@example.com")] {
        let answer = alice.call(id, tool, "{}").await.unwrap();
        assert_eq!(answer["result"]["content"][0]["text"], "{}", "{answer}");
        let sent = world.upstream.bodies().into_iter().next_back().unwrap();
        assert!(String::from_utf8_lossy(&sent).contains(tool), "what is forwarded is what was evaluated");
    }
    let recorded = world.recorded();
    let events = world.gateway.events();
    for text in [&recorded, &Value::from(events.clone()).to_string()] {
        assert!(!text.contains("mallory@") && !text.contains("eve@"), "{text}");
    }
    let admitted = of_type(&events, "operation.admitted");
    let actions: Vec<&str> = admitted
        .iter()
        .filter_map(|event| event["operation"]["action"].as_str()?.strip_prefix("everything/"))
        .collect();
    assert!(
        actions[0] == actions[2] && actions[0] != actions[1],
        "a name is masked alike wherever it stands: {actions:?}"
    );
    for action in actions {
        assert!(
            recorded.contains(&json!({ "name": action }).to_string().replace(['{', '}'], "").replace('"', "\\\"")),
            "{action}: {recorded}"
        );
    }
}
