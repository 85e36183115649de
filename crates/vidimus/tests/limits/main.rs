//! Limits of calls and of sessions, with a real gateway before servers of both eras: what passes, what a client is told, what
//! is on record, and that what was taken is free again however a call ends.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod clients;
#[path = "../common/mod.rs"]
mod common;
#[path = "../modern/server.rs"]
mod server;
mod sessions;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::evidence::of_type;
use common::issuer::Issuer;
use common::upstream::Upstream;
use common::{ALLOW_ALL, Answer, Client, Gateway, Received, Setup, send_modern};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use server::ModernServer;
use tokio::task::JoinHandle;

/// How long anything may take that should happen soon.
const SOON: Duration = Duration::from_secs(20);

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// A gateway that has a server of the legacy era as `crm` and one of the modern era as `notes`.
struct World {
    crm: Upstream,
    notes: ModernServer,
    issuer: Issuer,
    gateway: Gateway,
}

impl World {
    async fn start(tables: &str) -> Self {
        let (crm, notes, issuer) = (Upstream::start().await, ModernServer::start().await, Issuer::start());
        let tables = format!("[targets.notes]\nprotocol = \"mcp\"\nurl = \"{}\"\n{tables}", notes.url);
        let setup = Setup { target: "crm", policies: ALLOW_ALL, tables: &tables, ..Setup::new(crm.url()) };
        let gateway = Gateway::start(&setup, issuer.url());
        Self { crm, notes, issuer, gateway }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.gateway.port)
    }

    /// A session at `crm`.
    async fn client(&self, who: &str) -> Arc<Client> {
        Arc::new(Client::open(self.url("/mcp/crm"), self.issuer.token(who)).await)
    }

    /// Starts a call of `held`, and waits until the target has it.
    async fn held(&self, client: &Arc<Client>, id: u64) -> JoinHandle<Received> {
        let (client, body) = (Arc::clone(client), call(id, "held", "{}"));
        let sent = body.clone();
        let task = tokio::spawn(async move { client.receive(body).await });
        soon(|| self.crm.bodies().iter().filter(|seen| **seen == *sent.as_bytes()).count() > 0).await;
        task
    }

    /// Calls of `echo` that the server of the legacy era got.
    fn echoes(&self) -> usize {
        let is_echo = |body: &&bytes::Bytes| String::from_utf8_lossy(body).contains(r#""name":"echo""#);
        self.crm.bodies().iter().filter(is_echo).count()
    }

    /// A number of the metrics page.
    fn metric(&self, name: &str) -> u64 {
        let page = self.gateway.admin_page("/metrics").unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }
}

fn call(id: u64, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

async fn soon(mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < limit, "it took longer than {SOON:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn retry_after(answer: &Answer) -> Option<u64> {
    answer.headers.get("retry-after").map(|seconds| seconds.to_str().unwrap().parse().unwrap())
}

/// What a client reads of a call of a tool that was refused by a limit; none of one that was not.
fn refusal(answer: &Answer) -> Option<String> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let json = answer.json();
    let text = json["result"]["content"][0]["text"].as_str().unwrap_or_default();
    if json["result"]["isError"] != true || !text.contains("the limit `") {
        return None;
    }
    let told = retry_after(answer).map(|seconds| json!(seconds));
    assert_eq!(json["result"]["_meta"].get("vidimus/retryAfter"), told.as_ref(), "{json}");
    Some(text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_holds_in_both_eras_in_all_sessions_and_at_the_endpoint_for_all() {
    let mut world = World::start(
        r#"
[limits.rules.crm-echo]
calls = "3/h"
target = "crm"
tools = ["echo"]
[limits.rules.notes-echo]
calls = "3/h"
target = "notes"
tools = ["echo"]
"#,
    )
    .await;
    let (one, other) = (world.client("alice").await, world.client("alice").await);
    let all = Client::open(world.url("/mcp"), world.issuer.token("alice")).await;
    let echo = |id| call(id, "echo", "{}");
    assert_eq!(refusal(&one.post(echo(1)).await.unwrap()), None);
    assert_eq!(refusal(&other.post(echo(2)).await.unwrap()), None);
    assert_eq!(refusal(&all.post(call(3, "crm_echo", "{}")).await.unwrap()), None);
    let mut refused = 0;
    for (client, body) in [(&*one, echo(4)), (&*other, echo(5)), (&all, call(6, "crm_echo", "{}")), (&*one, echo(7))] {
        let answer = client.post(body).await.unwrap();
        let told = refusal(&answer).unwrap();
        assert!(told.contains("too many calls: the limit `crm-echo` is 3/h; try again in 1"), "{told}");
        assert!((1_190..=1_200).contains(&retry_after(&answer).unwrap()), "a third of an hour: {answer:?}");
        refused += 1;
    }
    assert_eq!(refusal(&one.post(call(8, "fail", "{}")).await.unwrap()), None, "other tools have no limit");
    assert_eq!(refusal(&world.client("bob").await.post(echo(9)).await.unwrap()), None, "each has its own");
    assert_eq!(world.echoes(), 4, "nothing else reached the server");

    let modern = Client::new(world.url("/mcp/notes"), world.issuer.token("alice"));
    let call_of = |name: &str| format!(r#""name":"{name}","arguments":{{}}"#);
    let all = Client::new(world.url("/mcp"), world.issuer.token("alice"));
    for number in 0..6 {
        let answer = if number % 2 == 0 {
            send_modern(&modern, "tools/call", "echo", &call_of("echo")).await
        } else {
            send_modern(&all, "tools/call", "notes_echo", &call_of("notes_echo")).await
        };
        let told = refusal(&answer);
        assert_eq!(told.is_some(), number >= 3, "{answer:?}");
        if told.is_some() {
            assert_eq!(answer.json()["result"]["resultType"], "complete");
        }
    }
    assert_eq!(world.notes.seen("tools/call").len(), 3);
    assert_eq!(world.metric(r#"vidimus_limited_total{target="crm",limit="crm-echo"}"#), refused);
    assert_eq!(world.metric(r#"vidimus_limited_total{target="notes",limit="notes-echo"}"#), 3);

    // One record at once, and the number of the others at the end of their minute, here at the stop.
    let events = world.gateway.events();
    assert_eq!(of_type(&events, "operation.denied"), Vec::<&Value>::new());
    let counts = |events: &[Value]| -> Vec<(String, u64)> {
        let mut counts: Vec<_> = of_type(events, "limit.exceeded")
            .into_iter()
            .map(|event| {
                assert_eq!(
                    (&event["who"], &event["limit"]["reason"]),
                    (&json!("corp|alice"), &json!("rate")),
                    "{event}"
                );
                (event["limit"]["name"].as_str().unwrap().to_owned(), event["limit"]["count"].as_u64().unwrap())
            })
            .collect();
        counts.sort();
        counts
    };
    assert_eq!(counts(&events), [("crm-echo".into(), 1), ("notes-echo".into(), 1)]);
    let first = of_type(&events, "limit.exceeded")[0];
    let reference = format!("{}/{}", first["session"].as_str().unwrap(), first["seq"]);
    let told = one.post(echo(10)).await.unwrap().json();
    assert_eq!(told["result"]["_meta"]["vidimus/reference"], json!(reference), "the record that stands for it");
    assert_eq!(world.gateway.process.terminate(SOON).unwrap().code(), Some(0));
    world.gateway.restart();
    let expected = [("crm-echo", 1), ("crm-echo", refused), ("notes-echo", 1), ("notes-echo", 2)];
    assert_eq!(counts(&world.gateway.events()), expected.map(|(limit, count)| (limit.to_owned(), count)));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_floods_is_refused_before_it_is_recorded() {
    let world = World::start("[limits.rules.all]\ncalls = \"30/min\"\nburst = 3\n").await;
    let alice = world.client("alice").await;
    assert_eq!(alice.post(PING).await.unwrap().status, StatusCode::OK);
    let answer = alice.post(PING).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "an answer of the session's: {answer:?}");
    let (json, wait) = (answer.json(), retry_after(&answer).unwrap());
    assert_eq!((&json["id"], &json["error"]["code"]), (&json!(1), &json!(-32_029)), "{json}");
    assert_eq!(json["error"]["data"]["vidimus/retryAfter"], json!(wait));
    assert!((1..=2).contains(&wait), "one comes every 2 s: {wait}");
    tokio::time::sleep(Duration::from_secs(wait)).await;
    let answer = alice.post(PING).await.unwrap();
    assert_eq!((answer.json().get("error"), retry_after(&answer)), (None, None), "the time that was told is right");

    // Messages, garbage, unknown tools and sessions, notifications, streams, and handshakes.
    let stranger = Client::new(world.url("/mcp/crm"), world.issuer.token("alice"));
    let nobody = Client::new(world.url("/mcp/nobody"), world.issuer.token("alice"));
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
    for refused in [
        alice.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await.unwrap(),
        alice.post("{").await.unwrap(),
        stranger.post(hello).await.unwrap(),
    ] {
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "no request of a session: {refused:?}");
    }
    let begun = Instant::now();
    let (mut refused, mut passed) = (0_u64, 0_u64);
    for _ in 0..40 {
        let answers = [
            alice.post(PING).await.unwrap(),
            alice.post("{").await.unwrap(),
            alice.post(call(2, "none", "{}")).await.unwrap(),
            alice.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await.unwrap(),
            alice.send(Method::GET, &[("accept", "application/json")], "").await.unwrap(),
            stranger.post(PING).await.unwrap(),
            stranger.post(hello).await.unwrap(),
            nobody.post(PING).await.unwrap(),
        ];
        for answer in answers {
            let is_refused = answer.status == StatusCode::TOO_MANY_REQUESTS
                || answer.text.contains("the limit `all`") && retry_after(&answer).is_some();
            *(if is_refused { &mut refused } else { &mut passed }) += 1;
        }
    }
    let most = begun.elapsed().as_secs() / 2 + 4;
    assert!(passed <= most && refused >= 300, "{passed} of at most {most} passed, {refused} were refused");
    let events = world.gateway.events();
    let of_alice = events.iter().filter(|event| event["who"] == "corp|alice").count();
    assert!(of_alice < 60, "{of_alice} events");
    assert!(of_type(&events, "limit.exceeded").len() <= 2, "at crm, and at nothing that there is");
}

#[tokio::test(flavor = "multi_thread")]
async fn places_for_calls_at_once_are_free_again_however_a_call_ends() {
    let world = World::start(
        r#"
[limits.rules.two]
concurrent = 2
per = "all"
target = "crm"
[limits.rules.serial]
concurrent = 1
target = "crm"
tools = ["fail"]
[limits.rules.hanging]
concurrent = 1
target = "notes"
"#,
    )
    .await;
    let (alice, bob) = (world.client("alice").await, world.client("bob").await);
    let echo = |id| call(id, "echo", "{}");
    let is_full = async |client: &Client| {
        let answer = client.post(echo(99)).await.unwrap();
        let told = refusal(&answer);
        if let Some(told) = &told {
            assert!(told.contains("too many calls at once: the limit `two` is 2; try again when"), "{told}");
            assert_eq!(retry_after(&answer), Some(1));
        }
        told.is_some()
    };
    // By its answer.
    let held = [world.held(&alice, 1).await, world.held(&bob, 2).await];
    assert!(is_full(&alice).await && is_full(&bob).await);
    world.crm.release();
    for task in held {
        assert_eq!(task.await.unwrap().status, Some(200));
    }
    assert!(!is_full(&alice).await);
    // Before its answer is with the client, who may ask again at once.
    for id in 0..100 {
        assert_eq!(refusal(&bob.post(call(id, "fail", "{}")).await.unwrap()), None, "{id}");
    }
    // By an error, and by no answer.
    for tool in ["fail", "cut-off", "not-json", "status", "oversized", "fail", "cut-off"] {
        alice.post(call(3, tool, "{}")).await.unwrap();
    }
    assert!(!is_full(&alice).await);
    // A client that goes does not end its call, and the place is taken until the target has answered.
    let held = [world.held(&alice, 4).await, world.held(&bob, 5).await];
    held[0].abort();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(is_full(&bob).await);
    // By the end of a session.
    let third = world.client("carol").await;
    assert_eq!(bob.send(Method::DELETE, &[], "").await.unwrap().status, StatusCode::NO_CONTENT);
    let last = world.held(&third, 6).await;
    assert!(is_full(&third).await, "one that is gone, and one that is held");
    assert_eq!(third.post(PING).await.unwrap().status, StatusCode::OK, "what uses nothing waits for no place");
    world.crm.release();
    assert_eq!(last.await.unwrap().status, Some(200));
    let taken_back = world.held(&third, 7).await;
    let notice = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    assert_eq!(third.post(notice).await.unwrap().status, StatusCode::ACCEPTED);
    taken_back.await.unwrap();
    assert!(!is_full(&third).await);

    // In the modern era a client that goes has cancelled its request.
    let modern = Arc::new(Client::new(world.url("/mcp/notes"), world.issuer.token("alice")));
    let hang = r#""name":"hang","arguments":{}"#;
    for round in 1..=3 {
        let client = Arc::clone(&modern);
        let hanging = tokio::spawn(async move { send_modern(&client, "tools/call", "hang", hang).await.status });
        let is_hang = |seen: &&server::Seen| String::from_utf8_lossy(&seen.body).contains(r#""name":"hang""#);
        soon(|| world.notes.seen("tools/call").iter().filter(is_hang).count() == round).await;
        let answer = send_modern(&modern, "tools/call", "echo", r#""name":"echo","arguments":{}"#).await;
        assert!(refusal(&answer).unwrap().contains("the limit `hanging` is 1"));
        hanging.abort();
        soon(|| world.notes.cancelled() == round).await;
        // The target may hear of it before the gateway has recorded it.
        let limit = Instant::now() + SOON;
        while refusal(&send_modern(&modern, "tools/call", "echo", r#""name":"echo","arguments":{}"#).await).is_some() {
            assert!(Instant::now() < limit, "the place is not free again");
        }
    }
}
