//! The MCP server behind the gateway: `echo` as fast as hyper allows, nothing else (MCP 2025-11-25 by Streamable HTTP
//! and by stdio, and 2026-07-28).
//!
//! Arguments are not parsed and printed again: the text goes back byte for byte, so the server's cost stays far below
//! what is measured. The path chooses: `/mcp` answers JSON, `/sse` streams of events, `/tools/N` has N tools. The stream
//! of its own (GET) says nothing; at `/flood` it says as much as is read of it.

use std::borrow::Cow;
use std::convert::Infallible;
use std::io::{BufRead as _, Write as _};
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The revision offered to every client.
pub(crate) const REVISION: &str = "2025-11-25";
/// The revision of clients that open no session.
pub(crate) const MODERN_REVISION: &str = "2026-07-28";

static SESSIONS: AtomicU64 = AtomicU64::new(1);

/// Bytes of each message of a flood.
const FLOOD_BYTES: usize = 64 << 10;

pub(crate) type Answer = Response<Content>;

/// What an answer holds.
pub(crate) enum Content {
    Whole(Full<Bytes>),
    /// What comes, until its sender is gone.
    Said(mpsc::Receiver<Bytes>),
    /// A stream that never ends and says this again and again, or nothing.
    Stream(Option<Bytes>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context),
            Self::Said(receiver) => receiver.poll_recv(context).map(|said| said.map(|event| Ok(Frame::data(event)))),
            Self::Stream(Some(event)) => Poll::Ready(Some(Ok(Frame::data(event.clone())))),
            Self::Stream(None) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(_) | Self::Said(_) => SizeHint::default(),
        }
    }
}

/// Starts the MCP server on a free loopback port and returns its origin.
pub(crate) async fn start() -> Result<(String, JoinHandle<()>)> {
    listen(|request| async { answer(request).await.unwrap_or_else(|_| status(StatusCode::BAD_REQUEST)) }).await
}

/// Serves one JSON document at every path of a free loopback port and returns its origin.
pub(crate) async fn start_document(document: String) -> Result<String> {
    let document = Bytes::from(document);
    let (origin, _) = listen(move |_| std::future::ready(json_answer(document.clone()))).await?;
    Ok(origin)
}

pub(crate) async fn listen<F, S>(service: S) -> Result<(String, JoinHandle<()>)>
where
    S: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let service = Arc::new(service);
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Without it the last part of a large answer waits for an acknowledgement; a failure shows as latency.
            let _ = stream.set_nodelay(true);
            let service = Arc::clone(&service);
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let service = Arc::clone(&service);
                    async move { Ok::<_, Infallible>(service(request).await) }
                });
                // It ends when the peer goes, which is no error here.
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok((origin, serving))
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    arguments: Option<Arguments<'a>>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    text: &'a RawValue,
}

async fn answer(request: Request<Incoming>) -> Result<Answer> {
    if request.method() == Method::DELETE {
        return Ok(status(StatusCode::OK));
    }
    let path = request.uri().path().to_owned();
    if request.method() == Method::GET {
        return Ok(events(Content::Stream((path == "/flood").then(flood))));
    }
    if request.method() != Method::POST {
        return Ok(status(StatusCode::METHOD_NOT_ALLOWED));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let tools = path.strip_prefix("/tools/").map(str::parse).transpose()?.unwrap_or(1);
    let Some((reply, opens)) = reply(&body, tools)? else { return Ok(status(StatusCode::ACCEPTED)) };
    let mut answer = if path == "/sse" { events(whole(event(&reply))) } else { json_answer(Bytes::from(reply)) };
    if opens {
        let session = SESSIONS.fetch_add(1, Ordering::Relaxed);
        answer.headers_mut().insert("mcp-session-id", HeaderValue::from(session));
    }
    Ok(answer)
}

/// Serves standard input and output, one message a line, until the input ends.
pub(crate) fn serve_stdio() -> Result<()> {
    let (input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    for line in input.lines() {
        if let Some((reply, _)) = reply(line?.as_bytes(), 1)? {
            writeln!(output, "{reply}")?;
            output.flush()?;
        }
    }
    Ok(())
}

/// What a message is answered with, and whether it opens a session; none to a notification.
fn reply(message: &[u8], tools: usize) -> Result<Option<(String, bool)>> {
    let message: Message = serde_json::from_slice(message)?;
    let Some(id) = message.id.map(RawValue::get) else { return Ok(None) };
    let method = message.method.as_deref();
    let result = match method {
        Some("tools/call") => {
            let text = message.params.and_then(|params| params.arguments).context("no text")?.text;
            // Built by hand: the text is a JSON string already.
            format!(
                r#"{{"resultType":"complete","content":[{{"type":"text","text":{}}}],"isError":false}}"#,
                text.get()
            )
        }
        Some("initialize") => json!({
            "protocolVersion": REVISION, "capabilities": { "tools": {} },
            "serverInfo": { "name": "bench-load", "version": "1" },
        })
        .to_string(),
        Some("server/discover") => json!({
            "resultType": "complete", "supportedVersions": [MODERN_REVISION, REVISION],
            "capabilities": { "tools": {} }, "serverInfo": { "name": "bench-load", "version": "1" },
            "ttlMs": 60_000, "cacheScope": "public",
        })
        .to_string(),
        Some("tools/list") => {
            let tools: Vec<_> = (0..tools).map(tool).collect();
            json!({ "resultType": "complete", "tools": tools, "ttlMs": 60_000, "cacheScope": "public" }).to_string()
        }
        Some("prompts/list") => json!({ "prompts": [] }).to_string(),
        Some("resources/list") => json!({ "resources": [] }).to_string(),
        Some("ping") => "{}".to_owned(),
        _ => {
            let error = r#"{"code":-32601,"message":"method not found"}"#;
            return Ok(Some((format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#), false)));
        }
    };
    Ok(Some((format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#), method == Some("initialize"))))
}

/// The definition of a tool; the first is `echo`, and all take what it takes.
pub(crate) fn tool(number: usize) -> serde_json::Value {
    json!({
        "name": if number == 0 { "echo".to_owned() } else { format!("tool_{number:04}") },
        "description": "Gives the text back",
        "inputSchema": { "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"] },
    })
}

/// One event of a flood: a log message.
fn flood() -> Bytes {
    let message = json!({
        "jsonrpc": "2.0", "method": "notifications/message",
        "params": { "level": "info", "data": "x".repeat(FLOOD_BYTES) },
    });
    event(&message.to_string())
}

pub(crate) fn event(message: &str) -> Bytes {
    format!("event: message\ndata: {message}\n\n").into()
}

pub(crate) fn events(content: Content) -> Answer {
    let mut answer = Response::new(content);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer
}

pub(crate) fn json_answer(body: Bytes) -> Answer {
    let mut answer = Response::new(whole(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

pub(crate) fn status(status: StatusCode) -> Answer {
    let mut answer = Response::new(whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

fn whole(body: Bytes) -> Content {
    Content::Whole(Full::new(body))
}
