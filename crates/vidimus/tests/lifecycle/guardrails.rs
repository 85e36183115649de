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
