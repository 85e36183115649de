//! The MCP server behind the gateway: `echo` as fast as hyper allows, nothing else (MCP 2025-06-18, Streamable HTTP).
//!
//! Arguments are not parsed and printed again: the text goes back byte for byte, so the server's cost stays far below
//! what is measured. Answers are JSON; there is no GET stream.

use std::borrow::Cow;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The revision offered to every client.
const REVISION: &str = "2025-06-18";

static SESSIONS: AtomicU64 = AtomicU64::new(1);

type Answer = Response<Full<Bytes>>;

/// Starts the MCP server on a free loopback port and returns its endpoint.
pub(crate) async fn start() -> Result<(String, JoinHandle<()>)> {
    let (origin, serving) =
        listen(|request| async { answer(request).await.unwrap_or_else(|_| status(StatusCode::BAD_REQUEST)) }).await?;
    Ok((format!("{origin}/mcp"), serving))
}

/// Serves one JSON document at every path of a free loopback port and returns its origin.
pub(crate) async fn start_document(document: String) -> Result<String> {
    let document = Bytes::from(document);
    let (origin, _) = listen(move |_| std::future::ready(json_answer(document.clone()))).await?;
    Ok(origin)
}

async fn listen<F, S>(service: S) -> Result<(String, JoinHandle<()>)>
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
    if request.method() != Method::POST {
        return Ok(status(StatusCode::METHOD_NOT_ALLOWED));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let message: Message = serde_json::from_slice(&body)?;
    let Some(id) = message.id.map(RawValue::get) else { return Ok(status(StatusCode::ACCEPTED)) };
    let result = match message.method.as_deref() {
        Some("tools/call") => {
            let text = message.params.and_then(|params| params.arguments).context("no text")?.text;
            // Built by hand: the text is a JSON string already.
            let content = format!(r#"{{"content":[{{"type":"text","text":{}}}],"isError":false}}"#, text.get());
            return Ok(json_answer(Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{content}}}"#))));
        }
        Some("initialize") => json!({
            "protocolVersion": REVISION, "capabilities": { "tools": {} },
            "serverInfo": { "name": "bench-load", "version": "1" },
        }),
        Some("tools/list") => json!({ "tools": [{
            "name": "echo", "description": "Gives the text back",
            "inputSchema": { "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"] },
        }]}),
        Some("prompts/list") => json!({ "prompts": [] }),
        Some("resources/list") => json!({ "resources": [] }),
        Some("ping") => json!({}),
        _ => {
            let error = r#"{"code":-32601,"message":"method not found"}"#;
            return Ok(json_answer(Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))));
        }
    };
    let mut answer = json_answer(Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)));
    if message.method.as_deref() == Some("initialize") {
        let session = SESSIONS.fetch_add(1, Ordering::Relaxed);
        answer.headers_mut().insert("mcp-session-id", HeaderValue::from(session));
    }
    Ok(answer)
}

fn json_answer(body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn status(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
