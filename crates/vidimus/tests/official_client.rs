//! Real programs on both sides: the official Python client, the gateway, npm's reference server, an OpenID provider.
//!
//! What a client gets through the gateway is compared with what it gets without. The gateway runs as an operator would
//! run it: the binary, a configuration file, policies, a data directory.

mod common;

use anyhow::{Context as _, Result};
use common::{AUDIENCE, Gateway, Setup};
use serde_json::{Value, json};
use vidimus_testkit::{EverythingServer, OidcProvider, python_client};

const CLIENT: &str = "e2e_client.py";

/// Alice may do everything but two things; Bob may open sessions and ask for sums; Carol may nothing.
const POLICIES: &str = r#"
permit (principal in Group::"corp/support", action == Action::"connect", resource == Target::"everything");
permit (principal in Group::"corp/support", action in Action::"tools/call", resource == Target::"everything");
permit (principal in Group::"corp/support", action == Action::"resources/read", resource == Target::"everything");
permit (principal in Group::"corp/support", action == Action::"prompts/get", resource == Target::"everything");

@id("no-secrets") @message("Secrets are not echoed.")
forbid (principal, action == Action::"everything/echo", resource == Target::"everything")
when { context.arguments has message && context.arguments.message like "*hunter2*" };

permit (principal in Group::"corp/finance", action == Action::"connect", resource == Target::"everything");
permit (principal in Group::"corp/finance", action == Action::"everything/get-sum", resource == Target::"everything");
"#;

struct World {
    server: EverythingServer,
    provider: OidcProvider,
    gateway: Gateway,
}

impl World {
    async fn start() -> Result<Self> {
        let provider = OidcProvider::start().await?;
        let server = tokio::task::spawn_blocking(EverythingServer::start).await??;
        let gateway = Gateway::start(&Setup { policies: POLICIES, ..Setup::new(server.url()) }, provider.issuer());
        Ok(Self { server, provider, gateway })
    }

    /// What the client sees as `who`, step by step.
    async fn through_the_gateway(&self, who: &str, steps: Option<&Value>) -> Result<Value> {
        let token = self.provider.token_for(who, AUDIENCE).await?;
        run_client(&self.gateway.url(), &token, steps)
            .with_context(|| format!("the gateway said:\n{}", self.gateway.process.log()))
    }
}

fn run_client(url: &str, token: &str, steps: Option<&Value>) -> Result<Value> {
    let steps = steps.map(Value::to_string);
    let arguments: Vec<&str> = [url, token].into_iter().chain(steps.as_deref()).collect();
    python_client(CLIENT, &arguments)
}

/// Answers in pairs, those that differ.
fn differences<'a>(direct: &'a Value, through: &'a Value) -> Result<Vec<(&'a Value, &'a Value)>> {
    let (direct, through) = (direct.as_array().context("a list")?, through.as_array().context("a list")?);
    assert_eq!(direct.len(), through.len());
    Ok(direct.iter().zip(through).filter(|(direct, through)| direct != through).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_do_everything_sees_what_it_sees_without_the_gateway() -> Result<()> {
    let world = World::start().await?;
    let direct = run_client(&world.server.url(), "-", None)?;
    let through = world.through_the_gateway("alice", None).await?;

    let mut differing = differences(&direct, &through)?.into_iter();
    // The gateway takes out the one capability that it cannot inspect yet; nothing else of the handshake changes.
    let (direct, through) = differing.next().context("initialize")?;
    let mut expected = direct.clone();
    expected["result"]["capabilities"].as_object_mut().context("capabilities")?.remove("tasks");
    assert_eq!(&expected, through);
    // An unknown tool is answered by the gateway, from its own list, without asking the server.
    let (_, unknown) = differing.next().context("the unknown tool")?;
    assert_eq!(unknown["step"], json!(["call", "no-such-tool", { "x": 1 }]));
    let text = unknown.to_string();
    assert!(text.contains("no-such-tool"), "{text}");
    assert_eq!(differing.next(), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_says_why_and_does_not_reach_the_server() -> Result<()> {
    let world = World::start().await?;
    let steps =
        json!([["call", "echo", { "message": "my password is hunter2" }], ["call", "echo", { "message": "fine" }]]);
    let answers = world.through_the_gateway("alice", Some(&steps)).await?;

    let denied = &answers[1]["result"];
    assert_eq!(denied["isError"], json!(true));
    let text = denied["content"][0]["text"].as_str().context("a text")?;
    assert!(text.contains("Secrets are not echoed."), "{text}");
    assert_eq!(answers[2]["result"]["content"][0]["text"], json!("Echo: fine"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_holds_what_the_caller_may_use() -> Result<()> {
    let world = World::start().await?;
    let steps = json!([
        ["list_tools"],
        ["call", "get-sum", { "a": 1, "b": 2 }],
        ["call", "echo", { "message": "hello" }],
        ["list_prompts"],
        ["prompt", "simple-prompt", {}],
        ["read", "demo://resource/static/document/features.md"],
    ]);
    let answers = world.through_the_gateway("bob", Some(&steps)).await?;

    let tools = answers[1]["result"]["tools"].as_array().context("tools")?;
    assert_eq!(tools.iter().map(|tool| &tool["name"]).collect::<Vec<_>>(), [&json!("get-sum")]);
    assert_eq!(answers[2]["result"]["content"][0]["text"], json!("The sum of 1 and 2 is 3."));
    // A tool that is not listed is as good as unknown: the answer must not tell the two apart.
    let hidden = answers[3].to_string().replace("echo", "no-such-tool");
    let steps = json!([["call", "no-such-tool", { "message": "hello" }]]);
    let unknown = world.through_the_gateway("bob", Some(&steps)).await?;
    assert_eq!(without_reference(&hidden), without_reference(&unknown[1].to_string()));
    assert_eq!(answers[4]["result"]["prompts"], json!([]));
    assert!(answers[5]["error"].is_object(), "{}", answers[5]);
    assert!(answers[6]["error"].is_object(), "{}", answers[6]);
    Ok(())
}

/// A text without the reference to its record (a session's id and a number), which differs from call to call.
fn without_reference(text: &str) -> String {
    let is_id = |word: &&str| word.len() >= 36 && word.matches('-').count() >= 4;
    text.split([' ', '"', ')', '(', '.', ',']).filter(|word| !is_id(word)).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_passes_without_a_token_for_this_gateway_or_a_permit() -> Result<()> {
    let world = World::start().await?;
    let other_audience = world.provider.token_for("alice", "another-service").await?;
    let carol = world.provider.token_for("carol", AUDIENCE).await?;
    for (token, status) in [("-", "401"), ("not.a.token", "401"), (other_audience.as_str(), "401"), (&carol, "403")] {
        let error = run_client(&world.gateway.url(), token, None).err().context("a refusal")?.to_string();
        assert!(error.contains(status), "{token:.20}: {error}");
    }
    Ok(())
}
