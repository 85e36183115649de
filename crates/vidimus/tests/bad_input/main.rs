//! Bad input end to end: what each case is answered, what it leaves in the log, and that it reaches no server.
//!
//! Messages come from the table that the codec's own tests use (`crates/mcp/tests/bad_input`); requests, headers,
//! tokens and sessions from `cases.rs`. One gateway takes them all, each followed by a good call that must get its
//! answer. `cargo nextest run -p vidimus --test bad_input --no-capture` prints the table.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod cases;

use std::net::Ipv4Addr;

use cases::{Case, Left};
use common::evidence::of_type;
use common::issuer::Issuer;
use common::raw::{self, RawAnswer};
use common::upstream::{Seen, Upstream};
use common::{ALLOW_ALL, Client, Gateway, INJECTED_HEADER, INJECTED_SECRET, Setup};
use serde_json::Value;

/// Bob may connect and call nothing that says `forbidden`; Mallory may not even connect.
const RULES: &str = r#"
@id("no-forbidden-text") @message("This text is forbidden.")
forbid (principal, action == Action::"everything/echo", resource)
when { context.arguments has text && context.arguments.text like "*forbidden*" };
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_case_is_answered_recorded_and_kept_from_the_server() {
    let issuer = Issuer::start();
    let upstream = Upstream::start().await;
    let policies = format!("{ALLOW_ALL}{RULES}");
    let setup = Setup { policies: &policies, target_lines: INJECTED_HEADER, ..Setup::new(upstream.url()) };
    let gateway = Gateway::start(&setup, issuer.url());
    let (alice, bob) = (issuer.token("alice"), issuer.token("bob"));
    let client = Client::open(gateway.url(), &alice).await;
    let other = Client::open(gateway.url(), &bob).await;
    // So that the gateway need not read definitions for the first time amid a case.
    client.call(0, "echo", "{}").await.unwrap();

    let world = cases::World {
        issuer: &issuer,
        port: gateway.port,
        alice: alice.clone(),
        session: client.session.clone().unwrap(),
        foreign_session: other.session.clone().unwrap(),
    };
    let cases = cases::all(&world);
    let mut rows = Vec::new();
    let mut wrong = Vec::new();
    for (number, case) in (0_u64..).zip(&cases) {
        let source = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + u32::try_from(number).unwrap());
        let before = upstream.seen().len();
        let answer = raw::exchange(gateway.port, source, &case.request, case.half_close).await;
        if let Some(problem) = case.answer.differs(&answer) {
            wrong.push(format!("{}: {problem}; got {answer:.400?}", case.name));
        }
        wrong.extend(leaks(&answer, &world, &upstream).map(|leak| format!("{}: the answer holds {leak}", case.name)));

        let alive = client.call(number, "echo", r#"{"text":"alive"}"#).await;
        if !alive.as_ref().is_ok_and(|answer| answer["result"].is_object()) {
            wrong.push(format!("{}: afterwards a good call got {alive:?}", case.name));
        }
        let new: Vec<Seen> = upstream.seen().split_off(before).into_iter().filter(|seen| !seen.own).collect();
        if new.len() != 1 || !String::from_utf8_lossy(&new[0].body).contains("alive") {
            let bodies: Vec<_> = new.iter().map(|seen| &seen.body).collect();
            wrong.push(format!("{}: the server got {bodies:?}", case.name));
        }
        rows.push((case, source.to_string(), told(&answer)));
    }
    let left = left(&gateway, &mut wrong, &cases);
    table(&rows, &left);
    for ((case, source, _), (event, address)) in
        rows.iter().filter(|row| !matches!(row.0.left, Left::Nothing(_))).zip(&left)
    {
        if case.left.label() != *event || address.as_ref().is_some_and(|address| address != source) {
            wrong.push(format!("{}: left `{event}` of {address:?}, not `{}`", case.name, case.left.label()));
        }
    }
    for seen in upstream.seen() {
        let carries = |secret: &str| {
            let in_headers =
                seen.headers.values().any(|value| String::from_utf8_lossy(value.as_bytes()).contains(secret));
            in_headers || String::from_utf8_lossy(&seen.body).contains(secret)
        };
        assert!(!carries(&alice) && !carries(&bob), "the server got a client's token: {seen:?}");
        assert!(carries(INJECTED_SECRET), "the server did not get its credential: {seen:?}");
        assert_eq!(seen.headers.get("authorization"), None);
    }
    assert!(!gateway.process.log().contains("panicked"), "{}", gateway.process.log());
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 200, "{} cases", cases.len());
}

/// What an answer must not tell.
fn leaks<'a>(
    answer: &'a RawAnswer,
    world: &cases::World<'_>,
    upstream: &Upstream,
) -> impl Iterator<Item = String> + 'a {
    let session = upstream.seen().iter().find_map(|seen| seen.headers.get("mcp-session-id").cloned());
    let session = session.map_or_else(|| "no session".to_owned(), |id| id.to_str().unwrap().to_owned());
    let secrets = [
        INJECTED_SECRET.to_owned(),
        "x-target-key".to_owned(),
        world.alice.clone(),
        format!("127.0.0.1:{}", upstream.port),
        session,
        ".rs:".to_owned(),
    ];
    secrets.into_iter().filter(|secret| answer.text.contains(secret.as_str()))
}

/// The status and, where there is one, the JSON-RPC code of an answer.
fn told(answer: &RawAnswer) -> String {
    let code = serde_json::from_str::<Value>(answer.body()).ok().and_then(|body| body["error"]["code"].as_i64());
    match (answer.status, code) {
        (Some(status), Some(code)) => format!("{status} {code}"),
        (Some(status), None) => status.to_string(),
        (None, _) => "closed".to_owned(),
    }
}

/// What the cases left, in order: `operation.denied` or `auth.failed`, with its reason, and the address of the latter.
fn left(gateway: &Gateway, wrong: &mut Vec<String>, cases: &[Case]) -> Vec<(String, Option<String>)> {
    let events = gateway.events();
    for event in &events {
        let name = event["type"].as_str().unwrap();
        if name.starts_with("operation.")
            && name != "operation.denied"
            && event["operation"]["action"] == "everything/fail"
        {
            wrong.push(format!("an event on an operation nobody asked for: {event}"));
        }
    }
    let opened = of_type(&events, "session.opened").len();
    let own = events.iter().filter(|event| event["principal"]["issuer"] == "vidimus").count();
    if opened - own != 2 {
        wrong.push(format!("{} sessions were opened, not two", opened - own));
    }
    let left: Vec<_> = events
        .iter()
        .filter_map(|event| match event["type"].as_str()? {
            "operation.denied" => {
                let reason = event["decision"]["reason"].as_str().unwrap_or("policy");
                Some((format!("operation.denied {reason}"), None))
            }
            "auth.failed" => {
                let address = event["address"].as_str()?.to_owned();
                Some((format!("auth.failed {}", event["reason"].as_str()?), Some(address)))
            }
            _ => None,
        })
        .collect();
    let expected = cases.iter().filter(|case| !matches!(case.left, Left::Nothing(_))).count();
    if left.len() != expected {
        wrong.push(format!("{expected} cases leave an event, and there are {}", left.len()));
    }
    left
}

#[expect(clippy::print_stdout, reason = "the table is what the test is run by hand for")]
fn table(rows: &[(&Case, String, String)], left: &[(String, Option<String>)]) {
    let mut left = left.iter();
    println!("{:<60} {:<12} event", "case", "answer");
    for (case, _, answer) in rows {
        let event = match case.left {
            Left::Nothing(why) => format!("none: {why}"),
            _ => left.next().map_or_else(|| "missing".to_owned(), |(event, _)| event.clone()),
        };
        println!("{:<60} {answer:<12} {event}", case.name.escape_debug().to_string());
    }
    println!("{} cases", rows.len());
}
