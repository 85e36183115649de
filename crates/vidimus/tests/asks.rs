//! What a server asks of a client, through the gateway: the official Python client, npm's reference server.
//!
//! Sampling, elicitation and roots inside a call, roots and log messages on the server's own stream: what policy allows
//! arrives with the bytes that were recorded, what it does not is refused to the server and recorded too.

mod common;

use anyhow::{Context as _, Result};
use common::evidence::of_type;
use common::{ALLOW_ALL, AUDIENCE, Gateway, Setup};
use serde_json::{Value, json};
use vidimus_testkit::{EverythingServer, OidcProvider, python_client};

const CLIENT: &str = "e2e_asks.py";

/// What servers may ask of clients.
const ASKS: &str = r#"
@id("sampling") permit (principal in Group::"corp/support", action == Action::"sampling/createMessage", resource);
@id("elicitation") permit (principal in Group::"corp/support", action == Action::"elicitation/create", resource);
@id("roots") permit (principal in Group::"corp/support", action == Action::"roots/list", resource);
"#;

async fn asked(policies: &str) -> Result<(Value, Gateway, EverythingServer, String)> {
    let provider = OidcProvider::start().await?;
    let server = tokio::task::spawn_blocking(EverythingServer::start).await??;
    let gateway = Gateway::start(&Setup { policies, ..Setup::new(server.url()) }, provider.issuer());
    let token = provider.token_for("alice", AUDIENCE).await?;
    let answers = python_client(CLIENT, &[&gateway.url(), &token])
        .with_context(|| format!("the gateway said:\n{}", gateway.process.log()))?;
    Ok((answers, gateway, server, token))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_policy_allows_a_server_to_ask_is_asked_answered_and_recorded() -> Result<()> {
    let (through, gateway, server, _) = asked(&format!("{ALLOW_ALL}{ASKS}")).await?;
    let direct = python_client(CLIENT, &[&server.url(), "-"])?;
    assert_eq!(through["results"], direct["results"], "{}", gateway.process.log());
    assert_eq!(through["asked"]["sampling"], direct["asked"]["sampling"]);
    assert_eq!(through["asked"]["elicitation"], direct["asked"]["elicitation"]);
    assert!(through["asked"]["roots"].as_u64() >= Some(1), "{through}");
    assert_eq!(through["logged"], json!(true), "{through}");

    let events = gateway.events();
    for action in ["sampling/createMessage", "elicitation/create", "roots/list"] {
        let is_it = |event: &&&Value| event["operation"]["action"] == action;
        let admitted =
            of_type(&events, "operation.admitted").into_iter().find(|event| is_it(&event)).context(action)?;
        let session = admitted["session"].as_str().context("session")?;
        let outcome = of_type(&events, "operation.outcome").into_iter().find(|event| is_it(&event)).context(action)?;
        assert_eq!(outcome["outcome"]["status"], "ok");
        assert_eq!(outcome["operation"]["intent"], admitted["seq"]);
        let frames = gateway.recording(session);
        let body =
            |seq: &Value| frames.iter().find(|frame| frame["seq"] == *seq).map(|frame| frame["body"].to_string());
        assert!(body(&admitted["seq"]).context("question")?.contains(action), "{action}");
        assert!(body(&outcome["seq"]).context("answer")?.contains("result"), "{action}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_policy_does_not_allow_is_not_asked_and_the_server_is_told() -> Result<()> {
    // The capability is declared, as policy would allow forms at some hosts; this one it denies.
    let policies = format!(
        "{ALLOW_ALL}{ASKS}@id(\"no-forms\") forbid (principal, action == Action::\"elicitation/create\", resource)
         when {{ context.time > datetime(\"2020-01-01\") }};
         @id(\"no-model\") forbid (principal, action == Action::\"sampling/createMessage\", resource);"
    );
    let (through, gateway, ..) = asked(&policies).await?;
    assert_eq!(through["asked"]["sampling"], json!([]));
    assert_eq!(through["asked"]["elicitation"], json!([]));
    assert!(through["asked"]["roots"].as_u64() >= Some(1), "{through}");
    // Without the capability the server has no such tool.
    let text = through["results"].to_string();
    assert!(!text.contains("written by"), "{text}");
    assert_eq!(
        of_type(&gateway.events(), "operation.admitted")
            .iter()
            .filter(|event| event["operation"]["action"] == "sampling/createMessage")
            .count(),
        0
    );
    Ok(())
}
