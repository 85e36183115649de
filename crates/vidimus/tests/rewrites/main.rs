//! Calls that pass rewritten, through a real gateway: what the server gets, what is on record, what is denied.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
#[expect(dead_code, reason = "shared with the suite of the modern era")]
#[path = "../modern/server.rs"]
mod server;

use common::evidence::of_type;
use common::issuer::Issuer;
use common::upstream::Upstream;
use common::{ALLOW_ALL, Client, Gateway, Setup, modern_body};
use http::Method;
use serde_json::{Value, json};
use server::ModernServer;

const POLICIES: &str = r#"
@id("capped") @rewrite("cap-rows") @message("Reads are limited to 10 rows.")
forbid (principal, action in Action::"tools/call", resource)
when { context.sql.statements > 0 } unless { context.sql has limit && context.sql.limit <= 10 };
@id("capped-too") @rewrite("cap-more")
forbid (principal, action in Action::"tools/call", resource) when { context.sql.reads.contains("twice") };
@id("small") @rewrite("small") forbid (principal, action in Action::"tools/call", resource) when { context.size.digits > 5 };
@id("elsewhere") @rewrite("elsewhere") forbid (principal, action in Action::"tools/call", resource)
when { context.urls.hosts.contains("example.com") };
@id("no-private") @message("No private addresses.")
forbid (principal, action in Action::"tools/call", resource) when { context.urls.private };
@id("held") @approval("finance") forbid (principal, action == Action::"everything/mirror", resource);
@id("finance") permit (principal in Group::"corp/finance", action == Action::"approve", resource);
@id("in-eu") @rewrite("eu") forbid (principal, action == Action::"notes/region", resource)
when { context.arguments has region && context.arguments.region != "eu" };
"#;

const TABLES: &str = r#"
[approvals.finance]
wait = "1ms"
[rewrites.cap-rows]
argument = "$.query"
max_rows = 10
[rewrites.cap-more]
argument = "$.query"
max_rows = 5
[rewrites.small]
argument = "$.amount"
max = 500
[rewrites.elsewhere]
argument = "$.page"
set = "http://127.0.0.1/"
[rewrites.eu]
argument = "$.region"
set = "eu"
"#;

/// A server of each era.
struct World {
    everything: Upstream,
    notes: ModernServer,
    issuer: Issuer,
    gateway: Gateway,
}

impl World {
    async fn start() -> Self {
        let (everything, notes, issuer) = (Upstream::start().await, ModernServer::start().await, Issuer::start());
        let policies = format!("{ALLOW_ALL}{POLICIES}");
        let notes_table =
            format!("[targets.notes]\nprotocol = \"mcp\"\nurl = \"{}\"\nrecord = \"masked\"\n", notes.url);
        let tables = format!("{TABLES}{notes_table}");
        let setup = Setup {
            policies: &policies,
            tables: &tables,
            target_lines: r#"facts = { dialect = "postgresql" }"#,
            ..Setup::new(everything.url())
        };
        let gateway = Gateway::start(&setup, issuer.url());
        Self { everything, notes, issuer, gateway }
    }

    async fn alice(&self) -> Client {
        Client::open(self.gateway.url(), self.issuer.token("alice")).await
    }

    /// The calls that have reached the server.
    fn calls(&self) -> Vec<String> {
        let bodies = self.everything.bodies().into_iter().map(|body| String::from_utf8(body.to_vec()).unwrap());
        bodies.filter(|body| body.contains("tools/call")).collect()
    }

    /// The newest event of a type that is about a tool of this name.
    fn event(&self, kind: &str, action: &str) -> Value {
        let is_it = |event: &Value| event["type"] == kind && event["operation"]["action"] == action;
        let events = self.gateway.events_once(is_it);
        events.into_iter().rfind(is_it).unwrap_or_else(|| panic!("no {kind} of {action}"))
    }

    /// What is recorded of an event: direction and text.
    fn recorded(&self, event: &Value) -> Vec<(String, String)> {
        let frames = self.gateway.recording(event["session"].as_str().unwrap());
        let own = frames.into_iter().filter(|frame| frame["seq"] == event["seq"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        own.map(|frame| (text(&frame["direction"]), text(&frame["body"]["text"]))).collect()
    }
}

fn message(answer: &Value) -> String {
    let result = &answer["result"];
    assert_eq!(result["isError"], json!(true), "{answer}");
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

fn call(id: u64, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_gets_what_was_rewritten_and_the_record_has_both() {
    let world = World::start().await;
    let alice = world.alice().await;
    let asked =
        r#"{ "note" : "\u00fc 4111 1111 1111 1111", "query":"select \u0027a\u0027, b from t -- all", "n":[1.0, -0]}"#;
    let rewritten =
        asked.replace(r#""select \u0027a\u0027, b from t -- all""#, r#""select 'a', b from t LIMIT 10 -- all""#);
    let answer = alice.call(1, "echo", asked).await.unwrap();
    assert_ne!(answer["result"]["isError"], json!(true), "{answer}");
    assert_eq!(world.calls(), [call(1, "echo", &rewritten)], "all else is byte for byte what was sent");

    let admitted = world.event("operation.admitted", "everything/echo");
    assert_eq!(admitted["decision"]["rewrites"], json!([{ "by": ["capped"], "name": "cap-rows" }]));
    assert_eq!((&admitted["decision"]["effect"], &admitted["decision"]["reason"]), (&json!("allow"), &Value::Null));
    assert_eq!(admitted["masked"], json!({ "CREDIT_CARD": 2 }), "in each form");
    let payloads = admitted["payloads"].as_array().unwrap();
    assert_eq!(payloads.iter().map(|payload| &payload["name"]).collect::<Vec<_>>(), ["request", "rewritten"]);
    assert!(payloads.iter().all(|payload| payload["delivered"].is_string()), "both differ from what is recorded");
    let recorded = world.recorded(&admitted);
    let masked = |text: &str| text.replace("4111 1111 1111 1111", "[CREDIT_CARD-1]");
    let [(first, request), (second, sent)] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!((first.as_str(), second.as_str()), ("request", "rewritten"));
    let without_card =
        |text: &str| (!text.contains("4111")).then(|| text.split("\"query\"").nth(1).unwrap().to_owned());
    assert_eq!(without_card(request), Some(masked(asked).split("\"query\"").nth(1).unwrap().to_owned() + "}}"));
    assert_eq!(without_card(sent), Some(rewritten.split("\"query\"").nth(1).unwrap().to_owned() + "}}"));
    world.gateway.verified(&["--recordings"]);
    let replayed = world.gateway.run(&["sessions", "replay", admitted["session"].as_str().unwrap()]);
    let replayed = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(replayed.contains("\"rewritten\"") && replayed.contains("LIMIT 10"), "{replayed}");

    let explained = world.gateway.run(&[
        "policy",
        "explain",
        "--principal",
        "corp|alice",
        "--group",
        "corp/support",
        "--target",
        "everything",
        "--tool",
        "echo",
        "--arguments",
        asked,
    ]);
    let explained: Value = serde_json::from_slice(&explained.stdout).unwrap();
    assert_eq!((&explained["effect"], &explained["rewrites"]), (&json!("allow"), &json!(["cap-rows"])), "{explained}");
    assert_eq!(explained["rewritten"], json!(rewritten));

    // In range, and not at all SQL: as it was asked.
    for arguments in [r#"{"query":"select 1 limit 10"}"#, r#"{"query":"what is new"}"#] {
        alice.call(2, "echo", arguments).await.unwrap();
        assert_eq!(*world.calls().last().unwrap(), call(2, "echo", arguments));
    }
    alice.call(3, "echo", r#"{"query":"select 2"}"#).await.unwrap();
    alice.call(4, "echo", r#"{"query":"last"}"#).await.unwrap();
    // Put to the same policies once more, they are decided as they were; of one the record holds a value masked.
    let is_last = |event: &Value| event["type"] == "operation.outcome" && event["operation"]["intent"] == json!(11);
    world.gateway.events_once(is_last);
    let tried = world.gateway.command(&["policy", "backtest", "--since", "1h"]);
    assert_eq!((&tried["different"], &tried["same"]["allow"]), (&json!([]), &json!(6)), "{tried}");
    assert_eq!((&tried["undecided"][0]["seq"], &tried["undecided"][1]), (&admitted["seq"], &Value::Null), "{tried}");
    let plain = world.event("operation.admitted", "everything/echo");
    assert_eq!((plain["decision"].get("rewrites"), plain["payloads"].as_array().unwrap().len()), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rewrite_does_not_make_good_is_denied() {
    let world = World::start().await;
    let alice = world.alice().await;
    for (arguments, told, rewrites) in [
        // No query that can be limited.
        (r#"{"query":"delete from t where a = 1"}"#, "the rewrite cap-rows cannot change it", 0),
        (r#"{"query":"select 1; select 2"}"#, "the rewrite cap-rows cannot change it", 0),
        (r#"{"query":"select * into x from t"}"#, "the rewrite cap-rows cannot change it", 0),
        (r#"{"query":"select * from t limit 10 + 90"}"#, "the rewrite cap-rows cannot change it", 0),
        // Elsewhere than the rewrite looks.
        (r#"{"sql":"select * from t"}"#, "the rewrite cap-rows cannot change it", 0),
        // One of two is limited: the other still has no limit.
        (
            r#"{"query":"select * from t","sql":"select * from u"}"#,
            "the rewrite cap-rows changed it, and not so that it may pass: the rewrite cap-rows",
            1,
        ),
        (r#"{"query":"select * from t","Query":"x"}"#, "`Query` may be taken for it", 0),
        (r#"{"query":"select * from twice"}"#, "`cap-more` and `cap-rows` change the same argument", 0),
        // What it becomes is forbidden.
        (r#"{"page":"http://example.com/"}"#, "No private addresses.", 1),
    ] {
        let answer = alice.call(1, "echo", arguments).await.unwrap();
        assert!(message(&answer).contains(told), "{arguments}: {answer}");
        let denied = world.event("operation.denied", "everything/echo");
        let applied = denied["decision"]["rewrites"].as_array().map_or(0, Vec::len);
        assert_eq!((applied, world.recorded(&denied).len()), (rewrites, rewrites + 1), "{denied}");
    }
    assert!(world.calls().is_empty());
    world.gateway.verified(&["--recordings"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_clamped_without_a_float() {
    let world = World::start().await;
    let alice = world.alice().await;
    for (amount, sent) in
        [("1e400", "500"), ("10000000000000000000001", "500"), ("500.0000001", "500"), ("123.4", "123.4"), ("-0", "-0")]
    {
        let answer = alice.call(1, "echo", &format!(r#"{{"amount":{amount} }}"#)).await.unwrap();
        assert_ne!(answer["result"]["isError"], json!(true), "{answer}");
        assert_eq!(*world.calls().last().unwrap(), call(1, "echo", &format!(r#"{{"amount":{sent} }}"#)));
    }
    // In range, or elsewhere: what is too long stays so.
    for arguments in [r#"{"amount":0.000000001}"#, r#"{"other":1e400}"#, r#"{"amount":9,"n":[1e400]}"#] {
        let answer = alice.call(1, "echo", arguments).await.unwrap();
        assert!(message(&answer).contains("the rewrite small cannot change it"), "{answer}");
    }
    assert_eq!(world.calls().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_approve_what_was_rewritten_and_that_runs() {
    let world = World::start().await;
    let alice = world.alice().await;
    let (asked, other) = (r#"{"query":"select * from t"}"#, r#"{"query":"select * from t limit 99"}"#);
    let told = alice.call(1, "mirror", asked).await.unwrap();
    let reference = told["result"]["_meta"]["vidimus/reference"].as_str().unwrap().to_owned();
    let held = world.event("operation.held", "everything/mirror");
    assert_eq!((&held["decision"]["rewrites"][0]["name"], world.recorded(&held).len()), (&json!("cap-rows"), 2));
    // By whatever way it is asked for, what runs is one call, so it is one request.
    let same = alice.call(2, "mirror", r#"{"query":"select * from t LIMIT 10"}"#).await.unwrap();
    assert_eq!(same["result"]["_meta"]["vidimus/reference"], json!(reference));
    let another = alice.call(3, "mirror", other).await.unwrap();
    assert_ne!(another["result"]["_meta"]["vidimus/reference"], json!(reference));

    let bob = world.issuer.token_with(json!({ "sub": "bob", "groups": ["finance"] }));
    let url = format!("http://127.0.0.1:{}/api/v1/approvals/{reference}", world.gateway.port);
    let shown = Client::new(url.clone(), bob.clone()).send(Method::GET, &[], "").await.unwrap().json();
    assert_eq!(shown["arguments"], json!({ "query": "select * from t LIMIT 10" }), "what runs is what is shown");
    let approving = format!("{url}/approval?version=1&reason=agreed");
    let approved = Client::new(approving, bob).send(Method::POST, &[], "").await.unwrap();
    assert_eq!(approved.status.as_u16(), 200, "{}", approved.text);
    assert!(world.calls().is_empty());
    let ran = alice.call(4, "mirror", asked).await.unwrap();
    assert_ne!(ran["result"]["isError"], json!(true), "{ran}");
    assert_eq!(world.calls(), [call(4, "mirror", r#"{"query":"select * from t LIMIT 10"}"#)]);
    let admitted = world.event("operation.admitted", "everything/mirror");
    assert_eq!(admitted["operation"]["approval"], json!(reference));
    assert_eq!(admitted["decision"]["rewrites"][0]["name"], json!("cap-rows"));
    world.gateway.verified(&["--recordings"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_repeat_arguments_repeat_the_rewritten_ones() {
    let world = World::start().await;
    let token = world.issuer.token("alice");
    let base = format!("http://127.0.0.1:{}", world.gateway.port);
    for (path, tool) in [("/mcp/notes", "region"), ("/mcp", "notes_region")] {
        let client = Client::new(format!("{base}{path}"), token.clone());
        let body = modern_body("tools/call", &format!(r#""name":"{tool}","arguments":{{"region":"us"}}"#));
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
            ("mcp-param-region", "us"),
            ("mcp-param-unknown", "us"),
        ];
        let answer = client.send(Method::POST, &headers, body).await.unwrap();
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        let seen = world.notes.seen("tools/call");
        let last = seen.last().unwrap();
        assert_eq!(last.headers["mcp-param-region"], "eu", "{path}");
        assert!(!last.headers.contains_key("mcp-param-unknown"), "nothing of what was asked is left");
        let body = String::from_utf8_lossy(&last.body);
        assert!(body.contains(r#""arguments":{"region":"eu"}"#), "{body}");
    }
    // A client of the other era, which knows nothing of such headers.
    let legacy = Client::open(format!("{base}/mcp"), token).await;
    let answer = legacy.call(3, "notes_region", r#"{"region":"us"}"#).await.unwrap();
    assert_eq!(answer.get("error"), None, "{answer}");
    let seen = world.notes.seen("tools/call");
    assert_eq!((seen.len(), seen[2].headers["mcp-param-region"].to_str().unwrap()), (3, "eu"));
    let answer = legacy.call(4, "everything_echo", r#"{"query":"select * from t"}"#).await.unwrap();
    assert_ne!(answer["result"]["isError"], json!(true), "{answer}");
    assert!(world.calls()[0].contains("LIMIT 10"));
    let events = world.gateway.events_once(|event| event["type"] == "operation.outcome");
    let rewritten =
        of_type(&events, "operation.admitted").into_iter().filter(|event| !event["decision"]["rewrites"].is_null());
    assert_eq!(rewritten.count(), 4);
}
