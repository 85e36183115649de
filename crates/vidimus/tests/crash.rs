//! SIGKILL at random moments under load: what a client was told stands in the log, and what the server got was
//! decided before.
//!
//! Both durabilities make this promise for the end of the process; `strict` makes it for a power cut too, which
//! `vidimus-log` tests on a disk that loses what was not synced. `VIDIMUS_CRASH_KILLS` raises the number of kills.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use common::evidence::of_type;
use common::issuer::Issuer;
use common::upstream::Upstream;
use common::{Client, Gateway, Setup};
use serde_json::{Value, json};
use vidimus_log::{FileSystem, VerifierKey, verify};

/// Kills per durability, unless the environment says more.
const KILLS: usize = 10;
const SESSIONS: usize = 8;
/// Calls at once in each session.
const CALLERS: usize = 3;
/// A life lasts from the first to the second, in milliseconds.
const LIFE: (u64, u64) = (50, 400);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What a client received of one call before the connection ended.
#[derive(Debug, Clone)]
struct Received {
    /// The call's JSON-RPC id: unique over the whole test.
    call: String,
    /// The bytes of the body, as far as they came.
    body: Vec<u8>,
    /// Whether they are all.
    whole: bool,
}

/// What the log says of one call.
#[derive(Debug, Default)]
struct Recorded {
    request: Option<String>,
    outcome: Option<String>,
    response: Option<String>,
    chunks: Vec<String>,
    is_ordered: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_durability_is_strict() {
    crashes("strict").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_durability_is_async() {
    crashes("async").await;
}

async fn crashes(durability: &str) {
    let kills = std::env::var("VIDIMUS_CRASH_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
    let mut gateway = Gateway::start(&Setup { durability, ..Setup::new(upstream.url()) }, issuer.url());
    let mut received = Vec::new();
    let mut opened = 0;
    for life in 0..kills {
        let load = Load::start(&gateway, &issuer, life).await;
        opened += SESSIONS;
        tokio::time::sleep(Duration::from_millis(LIFE.0 + random() % (LIFE.1 - LIFE.0))).await;
        gateway.process.kill().unwrap();
        received.extend(load.finish().await);
        gateway.restart();
    }

    let events = gateway.events();
    let recorded = recorded(&gateway, &events);
    let found = assert_received(&received, &recorded);
    let reached = assert_reached(&upstream, &recorded);
    let (crashed, unknown) = assert_closed(&events);
    assert!(crashed >= opened, "{crashed} of {opened} sessions were closed");
    assert!(received.len() >= kills * SESSIONS, "a load that does nothing tests nothing: {}", received.len());
    assert!(unknown > 0, "no kill hit a call in flight");

    let key: VerifierKey = gateway.api("/v1/log/status")["key"].as_str().unwrap().parse().unwrap();
    assert!(gateway.process.terminate(STOP_LIMIT).unwrap().success(), "{}", gateway.process.log());
    let report = verify::log(&FileSystem, &gateway.data(), std::slice::from_ref(&key), &mut |_, _| {});
    assert!(report.holds(), "{:#?}", report.findings);
    assert_eq!((report.open_sessions, report.open_operations), (0, 0));
    let shown = gateway.run(&["log", "verify", "--key", &key.to_string(), "--recordings"]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stdout));
    report_counts(&format!(
        "{durability}: {kills} kills; events acknowledged {}, found {found}; calls that reached the server {reached}, \
         all admitted before; sessions closed as crashed {crashed}, outcomes unknown {unknown}; entries verified {}",
        received.len(),
        report.entries
    ));
}

#[expect(clippy::print_stdout, reason = "the counts are what the test is run by hand for")]
fn report_counts(text: &str) {
    println!("{text}");
}

/// Clients that call until the gateway is gone.
struct Load(tokio::task::JoinSet<Vec<Received>>);

impl Load {
    async fn start(gateway: &Gateway, issuer: &Issuer, life: usize) -> Self {
        let mut tasks = tokio::task::JoinSet::new();
        for session in 0..SESSIONS {
            let token = issuer.token(&format!("person-{session}"));
            let client = Arc::new(Client::open(gateway.url(), token).await);
            for caller in 0..CALLERS {
                tasks.spawn(calls(Arc::clone(&client), format!("{life}-{session}-{caller}")));
            }
        }
        Self(tasks)
    }

    async fn finish(self) -> Vec<Received> {
        self.0.join_all().await.into_iter().flatten().collect()
    }
}

async fn calls(client: Arc<Client>, name: String) -> Vec<Received> {
    let mut received = Vec::new();
    for number in 0.. {
        let call = format!("{name}-{number}");
        let (tool, arguments) = match number % 8 {
            3 => ("slow", json!({ "ms": 5 + random() % 60, "text": call })),
            6 => ("progress", json!({ "text": call })),
            _ => ("echo", json!({ "text": call, "pad": "x".repeat(usize::try_from(random() % 3000).unwrap()) })),
        };
        let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": call } });
        let body = json!({ "jsonrpc": "2.0", "id": call, "method": "tools/call", "params": params }).to_string();
        let answer = client.receive(body).await;
        let whole = answer.is_whole;
        if answer.status == Some(200) {
            received.push(Received { call, body: answer.body(), whole });
        }
        if !whole {
            break;
        }
    }
    received
}

/// What the log and the recordings say of each call, by its id.
fn recorded(gateway: &Gateway, events: &[Value]) -> BTreeMap<String, Recorded> {
    let mut calls: BTreeMap<String, Recorded> = BTreeMap::new();
    let callers =
        of_type(events, "session.opened").into_iter().filter(|event| event["principal"]["issuer"] != "vidimus");
    for session in callers.map(|event| event["session"].as_str().unwrap()) {
        let mut by_intent: BTreeMap<u64, String> = BTreeMap::new();
        let frames = gateway.recording(session);
        for frame in frames.iter().filter(|frame| frame["direction"] == "request") {
            let text = frame["body"]["text"].as_str().unwrap();
            let message: Value = serde_json::from_str(text).unwrap();
            if message["method"] == "tools/call" {
                let call = message["id"].as_str().unwrap().to_owned();
                by_intent.insert(frame["seq"].as_u64().unwrap(), call.clone());
                let call = calls.entry(call).or_default();
                assert!(call.request.replace(text.to_owned()).is_none(), "recorded twice: {text}");
            }
        }
        let mine = |event: &&Value| event["session"] == session;
        let admitted: BTreeSet<u64> = of_type(events, "operation.admitted")
            .into_iter()
            .filter(mine)
            .filter_map(|event| event["seq"].as_u64())
            .collect();
        for event in of_type(events, "operation.outcome").into_iter().filter(mine) {
            let (intent, seq) = (event["operation"]["intent"].as_u64().unwrap(), event["seq"].as_u64().unwrap());
            let Some(call) = by_intent.get(&intent).and_then(|call| calls.get_mut(call)) else { continue };
            call.is_ordered = admitted.contains(&intent) && intent < seq;
            let status = event["outcome"]["status"].as_str().unwrap().to_owned();
            assert!(call.outcome.replace(status).is_none(), "two outcomes: {event}");
            let response = frames.iter().find(|frame| frame["direction"] == "response" && frame["seq"] == seq);
            call.response = response.and_then(|frame| frame["body"]["text"].as_str()).map(str::to_owned);
            let chunks = frames.iter().filter(|frame| frame["direction"] == "chunk" && frame["seq"] == intent);
            call.chunks = chunks.map(|frame| frame["body"]["text"].as_str().unwrap().to_owned()).collect();
        }
    }
    calls
}

/// Every byte that a client got is in the recording. How many whole results were looked up and found.
fn assert_received(received: &[Received], recorded: &BTreeMap<String, Recorded>) -> usize {
    let mut found = 0;
    for received in received {
        let call = recorded.get(&received.call).unwrap_or_else(|| panic!("no record of {received:?}"));
        let body = std::str::from_utf8(&received.body).unwrap();
        if body.starts_with('{') || body.is_empty() {
            // A body of one message; cut short by a kill, it is the beginning of the record.
            let response = call.response.as_deref().unwrap_or_default();
            assert!(
                if received.whole { response == body } else { response.starts_with(body) },
                "{received:?} {call:?}"
            );
        } else {
            let mut parts: Vec<&str> = body.split("\n\n").collect();
            let cut = parts.pop().unwrap();
            assert!(!received.whole || cut.is_empty(), "{received:?}");
            let recorded: Vec<&str> = call.chunks.iter().chain(&call.response).map(String::as_str).collect();
            for (part, recorded) in parts.iter().zip(&recorded) {
                let data: Vec<&str> = part.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
                assert_eq!(data, [*recorded], "{received:?}");
            }
            assert!(parts.len() <= recorded.len(), "{received:?} {call:?}");
        }
        if received.whole {
            assert_eq!(call.outcome.as_deref(), Some("ok"), "{received:?}");
            assert!(call.is_ordered, "{received:?}");
        }
        found += 1;
    }
    found
}

/// Every call that reached the server was admitted before, with exactly its bytes. How many did.
fn assert_reached(upstream: &Upstream, recorded: &BTreeMap<String, Recorded>) -> usize {
    let mut reached = 0;
    for body in upstream.bodies() {
        let message: Value = serde_json::from_slice(&body).unwrap();
        if message["method"] != "tools/call" {
            continue;
        }
        let call = recorded.get(message["id"].as_str().unwrap()).unwrap_or_else(|| panic!("not admitted: {message}"));
        assert_eq!(call.request.as_deref().map(str::as_bytes), Some(&*body));
        reached += 1;
    }
    for (call, recorded) in recorded {
        assert!(recorded.outcome.is_some(), "{call} has no outcome");
    }
    reached
}

/// Every session of a caller is closed; the gateway itself may be reading the tools. How many by a crash, and how many outcomes
/// are unknown.
fn assert_closed(events: &[Value]) -> (usize, usize) {
    let of_callers = |name| {
        let is_caller = |event: &&Value| event["who"].as_str().is_some_and(|who| !who.starts_with("vidimus|"));
        let sessions = of_type(events, name).into_iter().filter(|event| event["target"] == "everything");
        sessions.filter(is_caller).map(|event| event["session"].as_str().unwrap()).collect::<BTreeSet<_>>()
    };
    let (opened, closed) = (of_callers("session.opened"), of_callers("session.closed"));
    assert_eq!(opened.difference(&closed).collect::<Vec<_>>(), Vec::<&&str>::new());
    let crashed = of_type(events, "session.closed").iter().filter(|event| event["reason"] == "crash").count();
    let outcomes = of_type(events, "operation.outcome");
    (crashed, outcomes.iter().filter(|event| event["outcome"]["status"] == "unknown").count())
}

/// Enough chance for moments and sizes.
fn random() -> u64 {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    u64::from_ne_bytes(bytes)
}
