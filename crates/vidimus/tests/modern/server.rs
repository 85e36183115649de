//! A server of the modern era alone, which remembers what it got, and whose tools do what their names say.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A page that a client is asked to open, which names somebody.
pub(crate) const PAGE: &str = "https://pay.example/for/ada@example.com";

/// The state it gives, written with an escape that nobody must change.
pub(crate) const STATE: &str = r#""st\u00e4te/1""#;

/// What it calls the rest of its tools, which are those of the first page again.
pub(crate) const CURSOR: &str = r#""b\u0065fore secret""#;

/// One request it got.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    cancelled: Mutex<usize>,
}

/// A running server; dropping it closes its port.
pub(crate) struct ModernServer {
    pub(crate) url: String,
    state: Arc<State>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for ModernServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl ModernServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let state = Arc::clone(&state);
                        async move { Ok::<_, Infallible>(state.answer(request).await) }
                    });
                    let io = TokioIo::new(stream);
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                });
            }
        });
        Self { url, state, serving }
    }

    /// The requests of callers with this method.
    pub(crate) fn seen(&self, method: &str) -> Vec<Seen> {
        let seen = self.state.seen.lock().unwrap();
        let of_caller = |seen: &&Seen| !String::from_utf8_lossy(&seen.body).contains(r#""name":"vidimus""#);
        seen.iter()
            .filter(of_caller)
            .filter(|seen| seen.headers.get("mcp-method").unwrap() == method)
            .cloned()
            .collect()
    }

    /// How many requests were given up before they were answered.
    pub(crate) fn cancelled(&self) -> usize {
        *self.state.cancelled.lock().unwrap()
    }
}

/// Counts a request that is dropped.
struct OnDrop(Arc<State>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        *self.0.cancelled.lock().unwrap() += 1;
    }
}

impl State {
    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        if head.method != Method::POST || !head.headers.contains_key("mcp-method") {
            let error = json!({ "code": -32022, "message": "no", "data": { "supported": ["2026-07-28"] } });
            return respond(
                StatusCode::BAD_REQUEST,
                json!({ "jsonrpc": "2.0", "id": message["id"], "error": error }).to_string(),
            );
        }
        self.seen.lock().unwrap().push(Seen { headers: head.headers, body });
        let id = message["id"].clone();
        let result = |result: Value| {
            respond(StatusCode::OK, json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string())
        };
        let params = &message["params"];
        match message["method"].as_str().unwrap() {
            "server/discover" => result(json!({
                "resultType": "complete", "ttlMs": 3_600_000, "cacheScope": "public",
                "supportedVersions": ["2099-01-01", "2026-07-28"],
                "capabilities": { "tools": {}, "extensions": { "io.modelcontextprotocol/tasks": {}, "x.example/y": {} } },
            })),
            "tools/list" => {
                let plain = ["echo", "ask", "task", "hang", "secret", "page"];
                let mut tools: Vec<Value> =
                    plain.iter().map(|name| json!({ "name": name, "inputSchema": { "type": "object" } })).collect();
                tools.push(json!({ "name": "region", "inputSchema": { "type": "object", "properties": {
                    "region": { "type": "string", "x-mcp-header": "Region" } } } }));
                if params.get("cursor").is_some() {
                    return result(json!({ "resultType": "complete", "tools": tools }));
                }
                let tools = Value::from(tools);
                respond(
                    StatusCode::OK,
                    format!(
                        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","nextCursor":{CURSOR},"ttlMs":3600000,"cacheScope":"public","tools":{tools}}}}}"#
                    ),
                )
            }
            "tools/call" => match params["name"].as_str().unwrap() {
                "ask" if params.get("inputResponses").is_none() => {
                    let question = r#"{"name":{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object","properties":{}}}}}"#;
                    respond(
                        StatusCode::OK,
                        format!(
                            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"input_required","inputRequests":{question},"requestState":{STATE}}}}}"#
                        ),
                    )
                }
                "page" => result(json!({ "resultType": "input_required", "inputRequests": { "p": {
                    "method": "elicitation/create",
                    "params": { "mode": "url", "url": PAGE, "elicitationId": "e-1", "message": format!("See {PAGE}") } } } })),
                "task" => result(json!({ "resultType": "task", "taskId": "t-1", "status": "working" })),
                "hang" => {
                    let _given_up = OnDrop(Arc::clone(self));
                    std::future::pending().await
                }
                _ => result(json!({ "resultType": "complete", "content": [{ "type": "text", "text": "done" }] })),
            },
            "tasks/get" => result(json!({ "resultType": "complete", "taskId": "t-1", "status": "completed",
                "result": { "content": [] } })),
            "tasks/update" | "tasks/cancel" => result(json!({ "resultType": "complete" })),
            "subscriptions/listen" => {
                let (sender, receiver) = mpsc::channel(8);
                for (method, params) in [
                    ("notifications/subscriptions/acknowledged", json!({ "notifications": {} })),
                    ("notifications/resources/updated", json!({ "uri": "note://a" })),
                    ("notifications/tasks", json!({ "taskId": "t-other", "status": "working" })),
                    ("notifications/tools/list_changed", json!({})),
                ] {
                    let event = json!({ "jsonrpc": "2.0", "method": method, "params": params });
                    let _ = sender.send(Ok(Frame::data(Bytes::from(format!("data: {event}\n\n"))))).await;
                }
                let given_up = OnDrop(Arc::clone(self));
                let parts = futures_util::stream::unfold((receiver, sender, given_up), |mut held| async {
                    held.0.recv().await.map(|part| (part, held))
                });
                let mut response = Response::new(StreamBody::new(parts).boxed_unsync());
                response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
                response
            }
            _ => respond(
                StatusCode::NOT_FOUND,
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "no" } }).to_string(),
            ),
        }
    }
}

fn respond(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Full::from(body).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    response
}
