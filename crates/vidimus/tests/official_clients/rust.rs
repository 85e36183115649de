//! The official Rust client, `rmcp`: takes the scripted sessions that `vidimus_testkit::official` has others take.
//!
//! It runs in the test's own process. What a session is and what is told of it stands in testkit's `python/session.py`.

#![expect(deprecated, reason = "the newest revision deprecates what it still has, and what only older ones have")]

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rmcp::model::{
    CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult, ListRootsResult,
    LoggingMessageNotificationParam, ProgressNotificationParam, ProtocolVersion,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RequestContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ErrorData, RoleClient, ServiceError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::process::Command;
use vidimus_testkit::{Endpoint, Era, Session};

/// One step may take this long: a gateway that loses an answer fails the step, and does not hang the test.
const LIMIT: Duration = Duration::from_mins(1);
/// A whole session may take this long: what has no limit of its own, opening and closing, has this one.
const SESSION_LIMIT: Duration = Duration::from_mins(6);
/// `rmcp` hands each notification to a task of its own: the last ones may still run when the answer is there.
const SETTLE: Duration = Duration::from_millis(100);

/// What server-everything logs on its own stream: no order holds between that and the answers.
const UNORDERED: [&str; 2] = ["Roots updated", "Received Subscribe"];

type Client = RunningService<RoleClient, Recorder>;

/// What the server sends and asks, and what a client with a model, a user and directories answers.
#[derive(Clone, Default)]
struct Recorder {
    seen: Arc<Mutex<Vec<Value>>>,
}

/// Takes `sessions` side by side; by name, what each step of the session came to.
pub(crate) async fn run(sessions: Vec<Session>) -> Result<BTreeMap<String, Vec<Value>>> {
    let mut running = tokio::task::JoinSet::new();
    for session in sessions {
        running.spawn(async move {
            let name = session.name.clone();
            // What is missing of a session that is cut off fails the comparison.
            (name, tokio::time::timeout(SESSION_LIMIT, one(session)).await.unwrap_or_default())
        });
    }
    Ok(running.join_all().await.into_iter().collect())
}

async fn one(session: Session) -> Vec<Value> {
    let recorder = Recorder::default();
    let client = match connect(&session, recorder.clone()).await {
        Ok(client) => client,
        Err(error) => return vec![recorder.told(&json!(["connect"]), Err(error))],
    };
    let server = client.peer_info().context("a server that says nothing of itself");
    let mut answers = vec![recorder.told(&json!(["connect"]), server.and_then(|server| plain(&*server)))];
    for step in session.steps.as_array().unwrap() {
        let outcome = tokio::time::timeout(LIMIT, take(&client, step)).await;
        tokio::time::sleep(SETTLE).await;
        answers.push(recorder.told(step, outcome.unwrap_or_else(|late| Err(late.into()))));
    }
    let closed = client.cancel().await.map(|_| json!({})).map_err(anyhow::Error::from);
    answers.push(recorder.told(&json!(["close"]), closed));
    answers
}

async fn connect(session: &Session, recorder: Recorder) -> Result<Client> {
    let lifecycle = match session.era {
        Era::Legacy => ClientLifecycleMode::Initialize,
        Era::Modern => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
    };
    match &session.endpoint {
        Endpoint::Http { url, token } => {
            let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
            config.auth_header.clone_from(token);
            Ok(recorder.serve_with_lifecycle(StreamableHttpClientTransport::from_config(config), lifecycle).await?)
        }
        Endpoint::Sse { url, .. } => bail!("rmcp does not speak HTTP with SSE: {url}"),
        Endpoint::Stdio { command } => {
            let [program, arguments @ ..] = command.as_slice() else { bail!("a server without a command") };
            let mut server = Command::new(program);
            server.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut server = server.spawn()?;
            // It ends by itself when its input does.
            let pipes = server.stdout.take().zip(server.stdin.take()).context("a server without pipes")?;
            Ok(recorder.serve_with_lifecycle(pipes, lifecycle).await?)
        }
    }
}

async fn take(client: &Client, step: &Value) -> Result<Value> {
    let [kind, arguments @ ..] = step.as_array().unwrap().as_slice() else { bail!("an empty step") };
    match (kind.as_str().unwrap(), arguments) {
        ("ping", []) => {
            let ping = rmcp::model::ClientRequest::PingRequest(rmcp::model::PingRequest::default());
            plain(&client.peer().send_request(ping).await?)
        }
        ("list_tools", []) => plain(&client.list_tools(None).await?),
        ("list_prompts", []) => plain(&client.list_prompts(None).await?),
        ("list_resources", []) => plain(&client.list_resources(None).await?),
        ("list_resource_templates", []) => plain(&client.list_resource_templates(None).await?),
        ("call" | "progress", [name, arguments]) => call(client, name, arguments).await,
        ("parallel", [name, each]) => {
            let calls = each.as_array().unwrap().iter().map(|arguments| call(client, name, arguments));
            Ok(futures_util::future::try_join_all(calls).await?.into())
        }
        ("read", [uri]) => plain(&client.read_resource(params(json!({ "uri": uri }))?).await?),
        ("subscribe", [uri]) => plain(&client.subscribe(params(json!({ "uri": uri }))?).await?),
        ("prompt", [name, arguments]) => {
            plain(&client.get_prompt(params(json!({ "name": name, "arguments": arguments }))?).await?)
        }
        ("complete", [reference, name, value]) => {
            let argument = json!({ "name": name, "value": value });
            plain(&client.complete(params(json!({ "ref": reference, "argument": argument }))?).await?)
        }
        ("set_level", [level]) => plain(&client.set_level(params(json!({ "level": level }))?).await?),
        ("listen", []) => {
            let mut subscription = client.listen(params(json!({ "toolsListChanged": true }))?).await?;
            let honoured = plain(subscription.acknowledged());
            subscription.cancel().await?;
            honoured
        }
        _ => bail!("no such step: {step}"),
    }
}

async fn call(client: &Client, name: &Value, arguments: &Value) -> Result<Value> {
    // In the modern era a server writes log messages only for requests that ask for them.
    let meta = json!({ "io.modelcontextprotocol/logLevel": "debug" });
    plain(&client.call_tool(params(json!({ "name": name, "arguments": arguments, "_meta": meta }))?).await?)
}

/// Parameters in `rmcp`'s type, which code outside cannot write down.
fn params<T: DeserializeOwned>(params: Value) -> Result<T> {
    Ok(serde_json::from_value(params)?)
}

fn plain(value: &impl Serialize) -> Result<Value> {
    Ok(serde_json::to_value(value)?)
}

impl Recorder {
    fn told(&self, step: &Value, outcome: Result<Value>) -> Value {
        let mut seen = std::mem::take(&mut *self.seen.lock().unwrap());
        // Tasks of their own again: what came first is not what was recorded first.
        seen.sort_by_key(Value::to_string);
        match outcome {
            Ok(result) => json!({ "step": step, "result": result, "seen": seen }),
            Err(error) => {
                let error = match error.downcast_ref::<ServiceError>() {
                    Some(ServiceError::McpError(wire)) => json!(wire),
                    _ => json!({ "message": format!("{error:#}") }),
                };
                json!({ "step": step, "error": error, "seen": seen })
            }
        }
    }

    fn see(&self, seen: Value) {
        self.seen.lock().unwrap().push(seen);
    }
}

impl ClientHandler for Recorder {
    fn get_info(&self) -> rmcp::model::ClientConfig {
        let capabilities = json!({ "sampling": {}, "elicitation": { "form": {} }, "roots": {} });
        let client = json!({ "name": "vidimus-test", "version": "1.0.0" });
        let info = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client });
        params(info).unwrap()
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        self.see(json!(["sampling", params.messages]));
        let content = json!({ "type": "text", "text": "written by a model" });
        answer(json!({ "role": "assistant", "content": content, "model": "a-model" }))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.see(json!(["elicitation", request]));
        answer(json!({ "action": "accept", "content": { "name": "Ada" } }))
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        // Not among what is seen: a server asks when it likes.
        answer(json!({ "roots": [{ "uri": "file:///srv/project", "name": "project" }] }))
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.see(json!(["progress", params.progress, params.total, params.message]));
    }

    async fn on_logging_message(&self, params: LoggingMessageNotificationParam, _: NotificationContext<RoleClient>) {
        let is_unordered = |text: &str| UNORDERED.iter().any(|begin| text.starts_with(begin));
        if !params.data.as_str().is_some_and(is_unordered) {
            self.see(json!(["log", params.level, params.data]));
        }
    }
}

fn answer<T: DeserializeOwned>(answer: Value) -> Result<T, ErrorData> {
    serde_json::from_value(answer).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
