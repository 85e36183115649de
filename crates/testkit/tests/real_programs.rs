//! The pinned real programs work together without a gateway: what later suites compare against.

use anyhow::Result;
use serde_json::{Value, json};
use vidimus_testkit::{EverythingServer, python_client};

/// The answer to the first step that equals `step`.
fn answer<'a>(answers: &'a Value, step: &Value) -> Option<&'a Value> {
    answers.as_array()?.iter().find(|answer| answer.get("step") == Some(step))
}

#[test]
fn the_official_client_speaks_to_the_reference_server() -> Result<()> {
    let server = EverythingServer::start()?;
    let answers = python_client("e2e_client.py", &[&server.url(), "-"])?;

    let sum = answer(&answers, &json!(["call", "get-sum", {"a": 2, "b": 40.5}]));
    assert_eq!(
        sum.and_then(|sum| sum.pointer("/result/content/0/text")),
        Some(&json!("The sum of 2 and 40.5 is 42.5."))
    );
    let progress =
        answer(&answers, &json!(["progress", "trigger-long-running-operation", {"duration": 0.5, "steps": 5}]));
    let seen = progress.and_then(|progress| progress.pointer("/result/progress"));
    assert_eq!(seen.and_then(Value::as_array).map(Vec::len), Some(5), "progress arrives over SSE: {seen:?}");
    let unknown = answer(&answers, &json!(["read", "demo://resource/no-such"]));
    assert!(unknown.is_some_and(|unknown| unknown.get("error").is_some()), "{unknown:?}");

    // A second run gives the same bytes: so a difference through the gateway is the gateway's.
    assert_eq!(answers, python_client("e2e_client.py", &[&server.url(), "-"])?);
    Ok(())
}

#[test]
fn a_server_that_is_not_there_is_an_error_with_its_cause() -> Result<()> {
    let port = vidimus_testkit::free_port()?;
    let error = python_client("e2e_client.py", &[&format!("http://127.0.0.1:{port}/mcp"), "-"]).err();
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(text.contains("ConnectError"), "{text}");
    Ok(())
}
