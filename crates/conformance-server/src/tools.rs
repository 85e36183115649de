//! Tools whose answer depends on the request, or that talk to the client before they answer (MCP server/tools).
//!
//! A legacy session is asked on its stream (`sampling/createMessage`, `elicitation/create`); since 2026-07-28 such a
//! tool fails, because servers send no requests any more (`input` has those that ask in the new way).

#![expect(deprecated, reason = "logging and sampling are part of MCP 2025-11-25")]

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientResult, ContentBlock, CreateMessageRequest,
    ElicitRequest, LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, ServerRequest,
};
use rmcp::service::{RequestContext, ServiceError};
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use crate::changes::Change;
use crate::fixture::{CHANGING, Fixture, capabilities, is_legacy};
use crate::input::{self, Round};

/// Between two steps of a tool that reports on itself.
const STEP: Duration = Duration::from_millis(50);
/// What progress is counted up to.
const WHOLE: f64 = 100.0;
/// How a tool that asked the user begins its answer.
const COMPLETED: &str = "Elicitation completed";

type Context = RequestContext<RoleServer>;

/// Runs the tool that `request` names.
pub(crate) async fn call(
    fixture: &Fixture,
    request: &CallToolRequestParams,
    context: &Context,
) -> Result<CallToolResponse, ErrorData> {
    let name = request.name.as_ref();
    let rounds = fixture.call(request.input_responses.as_ref(), request.request_state.as_deref(), context);
    if let Some(round) = rounds.run(name) {
        return round.map(answer);
    }
    if name == "test_streaming_elicitation" && !is_legacy(context) {
        report_progress(&[0.0], context).await?;
        return rounds.greet().map(answer);
    }
    match fixture.shared.catalogue.results.get(name) {
        Some(content) => Ok(CallToolResult::success(content.clone()).into()),
        None => run(fixture, request, context).await.map(CallToolResponse::from),
    }
}

/// Runs a tool that comes to its end in one round.
async fn run(
    fixture: &Fixture,
    request: &CallToolRequestParams,
    context: &Context,
) -> Result<CallToolResult, ErrorData> {
    match request.name.as_ref() {
        "test_error_handling" => Ok(failed("This tool intentionally returns an error for testing")),
        "test_tool_with_logging" => {
            let steps = ["Tool execution started", "Tool processing data", "Tool execution completed"];
            log(fixture, &steps, context).await
        }
        "test_logging_tool" => log(fixture, &["Tool executed"], context).await,
        "test_tool_with_progress" => {
            report_progress(&[0.0, 50.0, WHOLE], context).await?;
            Ok(done("The work is done."))
        }
        "test_sampling" => sample(text_argument(request, "prompt")?, context).await,
        "test_elicitation" => elicit("User response", text_argument(request, "message")?, user(), context).await,
        "test_elicitation_sep1034_defaults" => elicit(COMPLETED, "Please check these.", defaults(), context).await,
        "test_elicitation_sep1330_enums" => elicit(COMPLETED, "Please choose.", choices(), context).await,
        "test_streaming_elicitation" => elicit(COMPLETED, "Who are you?", user(), context).await,
        "test_missing_capability" if capabilities(context).sampling.is_none() => {
            Err(input::missing_capability("sampling"))
        }
        "test_missing_capability" => Ok(done("The client can sample.")),
        "test_trigger_tool_change" => change(fixture, Change::Tools, context).await,
        "test_trigger_prompt_change" => change(fixture, Change::Prompts, context).await,
        CHANGING if fixture.shared.changes.is_there(Change::Tools) => Ok(done("It is there.")),
        name => Err(ErrorData::invalid_params(format!("no tool is called {name}"), None)),
    }
}

fn done(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

fn failed(text: impl Into<String>) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

fn answer(round: Round) -> CallToolResponse {
    match round {
        Round::Ask(result) => result.into(),
        Round::Done(text) => done(text).into(),
    }
}

fn text_argument<'a>(request: &'a CallToolRequestParams, name: &str) -> Result<&'a str, ErrorData> {
    let value = request.arguments.as_ref().and_then(|arguments| arguments.get(name)).and_then(Value::as_str);
    value.ok_or_else(|| ErrorData::invalid_params(format!("the tool needs the argument {name}"), None))
}

async fn log(fixture: &Fixture, steps: &[&str], context: &Context) -> Result<CallToolResult, ErrorData> {
    for (step, text) in steps.iter().enumerate() {
        if step > 0 {
            tokio::time::sleep(STEP).await;
        }
        if fixture.may_log(LoggingLevel::Info, context) {
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(text));
            context.peer.notify_logging_message(message).await.map_err(|error| internal(&error))?;
        }
    }
    Ok(done("The steps are in the log."))
}

/// Says how far the work is, if the request has a token to say it with.
async fn report_progress(steps: &[f64], context: &Context) -> Result<(), ErrorData> {
    for (number, progress) in steps.iter().enumerate() {
        if number > 0 {
            tokio::time::sleep(STEP).await;
        }
        if let Some(token) = context.meta.get_progress_token() {
            let report = ProgressNotificationParam::new(token, *progress).with_total(WHOLE);
            context.peer.notify_progress(report).await.map_err(|error| internal(&error))?;
        }
    }
    Ok(())
}

async fn sample(prompt: &str, context: &Context) -> Result<CallToolResult, ErrorData> {
    if capabilities(context).sampling.is_none() {
        return Ok(failed("The client cannot sample."));
    }
    let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
    let params =
        serde_json::from_value(json!({ "messages": [message], "maxTokens": 100 })).map_err(|e| internal(&e))?;
    match context.peer.send_request(ServerRequest::CreateMessageRequest(CreateMessageRequest::new(params))).await {
        Ok(ClientResult::CreateMessageResult(result)) => {
            let text = result.message.content.first().and_then(|content| content.as_text()).map(|text| &*text.text);
            Ok(done(format!("LLM response: {}", text.unwrap_or("(no text)"))))
        }
        other => Ok(unanswered(other)),
    }
}

/// Has the user fill in a form; `label` begins the answer.
async fn elicit(label: &str, message: &str, schema: Value, context: &Context) -> Result<CallToolResult, ErrorData> {
    if capabilities(context).elicitation.is_none() {
        return Ok(failed("The client cannot ask its user."));
    }
    let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    let params = serde_json::from_value(params).map_err(|error| internal(&error))?;
    match context.peer.send_request(ServerRequest::ElicitRequest(ElicitRequest::new(params))).await {
        Ok(ClientResult::ElicitResult(result)) => {
            let action = serde_json::to_value(&result.action).map_err(|error| internal(&error))?;
            let (action, content) = (action.as_str().unwrap_or_default(), result.content.unwrap_or_default());
            Ok(done(format!("{label}: action={action}, content={content}")))
        }
        other => Ok(unanswered(other)),
    }
}

fn unanswered(answer: Result<ClientResult, ServiceError>) -> CallToolResult {
    match answer {
        Ok(_) => failed("The client answered something else."),
        Err(error) => failed(format!("The client did not answer: {error}")),
    }
}

/// Changes a list and tells whoever wants to know: listeners, and before 2026-07-28 the session that asked.
async fn change(fixture: &Fixture, list: Change, context: &Context) -> Result<CallToolResult, ErrorData> {
    fixture.shared.changes.make(list).await;
    if is_legacy(context) {
        let told = match list {
            Change::Tools => context.peer.notify_tool_list_changed().await,
            Change::Prompts => context.peer.notify_prompt_list_changed().await,
        };
        told.map_err(|error| internal(&error))?;
    }
    Ok(done("The list has changed."))
}

/// A form for a user's name and address.
fn user() -> Value {
    json!({
        "type": "object", "required": ["username", "email"], "properties": {
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" },
        }
    })
}

/// A form with a default for every primitive type (SEP-1034).
fn defaults() -> Value {
    json!({
        "type": "object", "required": [], "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "default": true },
        }
    })
}

/// A form with all five kinds of choices (SEP-1330).
fn choices() -> Value {
    let options = ["option1", "option2", "option3"];
    let titled = json!([
        { "const": "value1", "title": "First Option" },
        { "const": "value2", "title": "Second Option" },
        { "const": "value3", "title": "Third Option" },
    ]);
    let legacy = ["Option One", "Option Two", "Option Three"];
    json!({
        "type": "object", "required": [], "properties": {
            "untitledSingle": { "type": "string", "enum": options },
            "titledSingle": { "type": "string", "oneOf": titled.clone() },
            "legacyEnum": { "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": legacy },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
            "titledMulti": { "type": "array", "items": { "anyOf": titled } },
        }
    })
}

fn internal(error: &dyn std::error::Error) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

#[cfg(test)]
mod tests {
    use rmcp::model::ElicitRequestParams;

    use super::*;

    /// What `rmcp` makes of a form is what the client gets: no keyword may be lost on the way.
    #[test]
    fn forms_reach_the_client_as_they_are_written() {
        for schema in [user(), defaults(), choices()] {
            let params = json!({ "mode": "form", "message": "m", "requestedSchema": schema });
            let typed: ElicitRequestParams = serde_json::from_value(params.clone()).unwrap();
            assert_eq!(serde_json::to_value(typed).unwrap(), params);
        }
    }
}
