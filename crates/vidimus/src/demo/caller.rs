//! An MCP client, as small as the demonstration's script and tests need: one session, one call at a time.
//!
//! Plain HTTP to loopback. It gives what came back, whatever it is; judging it is the caller's.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The revision it speaks.
const REVISION: &str = "2025-06-18";

/// A client of one server.
#[derive(Debug)]
pub(super) struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    token: Option<String>,
    session: Option<HeaderValue>,
    next_id: u64,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// The messages: one in a JSON answer, any number in a stream, none in others.
    pub(super) messages: Vec<Value>,
    /// The body, when it is neither.
    pub(super) text: String,
}

impl Reply {
    /// The last message: the answer to the request.
    pub(super) fn answer(&self) -> &Value {
        self.messages.last().unwrap_or(&Value::Null)
    }
}

impl Caller {
    pub(super) fn new(url: &str, token: Option<&str>) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, url: url.to_owned(), token: token.map(str::to_owned), session: None, next_id: 0 }
    }

    /// Opens a session. Later requests belong to it.
    pub(super) async fn open(&mut self) -> anyhow::Result<Reply> {
        let client = json!({ "name": "vidimus-demo", "version": env!("CARGO_PKG_VERSION") });
        let params = json!({ "protocolVersion": REVISION, "capabilities": {}, "clientInfo": client });
        let reply = self.request("initialize", &params).await?;
        if reply.status == StatusCode::OK {
            let done = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            self.send(Method::POST, done.to_string()).await?;
        }
        Ok(reply)
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn request(&mut self, method: &str, params: &Value) -> anyhow::Result<Reply> {
        self.next_id += 1;
        let message = json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params });
        self.send(Method::POST, message.to_string()).await
    }

    /// Calls a tool.
    pub(super) async fn call(&mut self, tool: &str, arguments: &Value) -> anyhow::Result<Reply> {
        self.request("tools/call", &json!({ "name": tool, "arguments": arguments })).await
    }

    /// Ends the session.
    pub(super) async fn close(mut self) -> anyhow::Result<Reply> {
        self.send(Method::DELETE, String::new()).await
    }

    /// Sends a body as it is.
    pub(super) async fn send(&mut self, method: Method, body: String) -> anyhow::Result<Reply> {
        let mut request = Request::builder()
            .method(method)
            .uri(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session).header("mcp-protocol-version", REVISION);
        }
        let request = request.body(Full::from(body))?;
        let exchange = async {
            let response = self.client.request(request).await?;
            let (head, body) = response.into_parts();
            Ok::<_, anyhow::Error>((head, body.collect().await?.to_bytes()))
        };
        let (head, body) = tokio::time::timeout(TIMEOUT, exchange)
            .await
            .with_context(|| format!("{} gave no answer within {TIMEOUT:?}", self.url))?
            .with_context(|| format!("cannot ask {}", self.url))?;
        if let Some(session) = head.headers.get("mcp-session-id") {
            self.session = Some(session.clone());
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let messages = if content_type.starts_with(b"text/event-stream") {
            text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?).ok()).collect()
        } else {
            serde_json::from_str(&text).into_iter().collect()
        };
        Ok(Reply { status: head.status, messages, text })
    }
}
