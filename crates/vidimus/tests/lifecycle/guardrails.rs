//! Facts of calls: what policy sees of arguments, and what it lets pass.

use serde_json::{Value, json};

use super::World;

/// Nothing of these may reach the server.
const GUARDS: &str = r#"
@id("no-private") @message("No private addresses.")
forbid (principal, action in Action::"tools/call", resource) when { context.urls.private };
@id("no-hidden") @message("No hidden text.")
forbid (principal, action in Action::"tools/call", resource) when { context.hidden };
@id("no-secrets") @message("No secrets.")
forbid (principal, action in Action::"tools/call", resource) when { context.secrets > 0 };
@id("not-deep") @message("Not so deep.")
forbid (principal, action in Action::"tools/call", resource) when { context.size.depth > 4 };
"#;

async fn guarded() -> World {
    World::with(|setup| setup.policies = format!("{}{GUARDS}", super::common::ALLOW_ALL).leak()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guardrail_forbids_never_reaches_the_server() {
    let world = guarded().await;
    let client = world.client().await;
    let key = format!("AKIA{}", "Q7ZL5RVN2WXTDC4M");
    let large = format!("{} http://127.0.0.1/", "word ".repeat(40_000));
    for (arguments, message) in [
        (json!({ "page": "http://169.254.169.254/latest/" }), "No private addresses."),
        (json!({ "page": { "deep": ["see http%3A%2F%2F0x7f.1/ please"] } }), "No private addresses."),
        (json!({ "page": large }), "No private addresses."),
        (json!({ "text": "pay\u{200b}ment" }), "No hidden text."),
        (json!({ "text": key }), "No secrets."),
        (json!({ "a": { "b": { "c": { "d": {} } } } }), "Not so deep."),
    ] {
        let seen = world.upstream.bodies().len();
        let answer = client.call(1, "echo", &arguments.to_string()).await.unwrap();
        assert!(answer.to_string().contains(message), "{answer}");
        assert_eq!(world.upstream.bodies().len(), seen, "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_harmless_passes() {
    let world = guarded().await;
    let client = world.client().await;
    for arguments in [json!({}), json!({ "page": "https://example.com/a?b=8.8.8.8" }), json!({ "text": "naïve 👩‍💻" })]
    {
        let answer = client.call(1, "echo", &arguments.to_string()).await.unwrap();
        assert!(answer["error"] == Value::Null && answer["result"]["isError"] != json!(true), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_results_hide_is_counted_and_passes_as_it_is() {
    let world = World::start().await;
    let client = world.client().await;
    for (id, text) in [(1, "plain caf\u{e9}"), (2, "pay\u{200b}ment"), (3, "\u{202e}ecnalab")] {
        let answer = client.call(id, "echo", &json!({ "text": text }).to_string()).await.unwrap();
        assert!(answer.to_string().contains(text), "{answer}");
    }
    let is_last = |event: &Value| event["type"] == "operation.outcome" && event["operation"]["intent"] == json!(9);
    let events = world.gateway.events_once(is_last);
    let outcomes = events.iter().filter(|event| event["type"] == "operation.outcome");
    let calls = outcomes.filter(|event| event["operation"]["action"] == "everything/echo");
    let hidden: Vec<_> = calls.map(|event| event["outcome"].get("hidden").and_then(Value::as_u64)).collect();
    assert_eq!(hidden, [None, Some(1), Some(1)]);
    let page = world.gateway.admin_page("/metrics").unwrap();
    assert!(page.contains("vidimus_hidden_text_results_total{target=\"everything\"} 2"), "{page}");
}

/// Policies of the library, those for agents for everybody.
fn library() -> String {
    let policies = [
        include_str!("../../../../policies/library/no-private-addresses.cedar"),
        include_str!("../../../../policies/library/no-path-traversal.cedar"),
        include_str!("../../../../policies/library/no-dangerous-shell.cedar"),
        include_str!("../../../../policies/library/no-unbounded-sql.cedar"),
        include_str!("../../../../policies/library/sql-read-only.cedar"),
        include_str!("../../../../policies/library/secrets-stay-here.cedar"),
        include_str!("../../../../policies/library/no-hidden-text.cedar"),
        include_str!("../../../../policies/library/not-too-large.cedar"),
    ];
    let policies = policies.concat().replace("principal in Group::\"corp/agents\"", "principal");
    format!("{}{policies}", super::common::ALLOW_ALL)
}

/// The arguments of each line of a corpus, as they are written.
fn calls(corpus: &str) -> Vec<(String, String)> {
    let lines = corpus.lines().map(|line| (line, serde_json::from_str::<Value>(line).unwrap()));
    let arguments = |case: &Value| case["raw"].as_str().map_or_else(|| case["arguments"].to_string(), str::to_owned);
    lines.map(|(line, case)| (line.chars().take(200).collect(), arguments(&case))).collect()
}

/// Attacks on how policies read arguments: these two are plain objects there (`vidimus-policy`, tests of arguments), and
/// nothing that a server would mind.
const WITHOUT_EFFECT: &[&str] = &["entity-group", "entity-extn-amount"];

/// Of a hundred harmless calls, so many may be refused.
const TOLERATED_PERCENT: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn no_attack_reaches_the_server_and_harmless_calls_do() {
    let facts = r#"facts = { shell = ["$.command", "$.steps[*].run"], sql = ["$.query", "$.batch.statements[*]"], dialect = "postgresql", roots = ["/srv/data", "/home/agent/work"] }"#;
    let world = World::with(|setup| {
        setup.policies = library().leak();
        setup.target_lines = facts;
    })
    .await;
    let client = world.client().await;
    for corpus in [
        include_str!("../../../guard/tests/corpus/attacks.jsonl"),
        include_str!("../../../guard/tests/corpus/independent_attacks.jsonl"),
    ] {
        for (line, arguments) in calls(corpus) {
            let seen = world.upstream.bodies().len();
            let answer = client.call(1, "echo", &arguments).await;
            let is_refused = world.upstream.bodies().len() == seen;
            let is_expected = WITHOUT_EFFECT.iter().any(|id| line.contains(id));
            assert!(is_refused != is_expected, "{line}: {answer:?}");
        }
    }
    let harmless = [
        include_str!("../../../guard/tests/corpus/harmless.jsonl"),
        include_str!("../../../guard/tests/corpus/independent_harmless.jsonl"),
    ];
    let (mut refused, mut all) = (Vec::new(), 0);
    for (line, arguments) in harmless.into_iter().flat_map(calls) {
        let seen = world.upstream.bodies().len();
        let answer = client.call(1, "echo", &arguments).await;
        all += 1;
        if world.upstream.bodies().len() == seen {
            refused.push(format!("{line}: {answer:?}"));
        }
    }
    assert!(refused.len() * 100 <= all * TOLERATED_PERCENT, "{refused:#?}");
}
