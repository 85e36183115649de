//! An MCP server that remembers every request it gets, and whose tools misbehave as their names say.
//!
//! Sessions that the gateway opens for itself, to read definitions, are told from those of callers by `clientInfo`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

/// What it offers, and how each behaves:
/// `echo` answers with its arguments; `slow` after `ms`; `held` when the test says so; `hang` never; `progress` as a
/// stream of three notifications, 50 ms apart; `comments` as a stream of nothing but comments and empty events;
/// `twin` with its arguments as structured content and as text, and `promise` so too, with [`promised`] as its output
/// schema; `mirror` with them as the whole result; `refuse` with an error that repeats them; `talk` with a
/// stream of a log message and a sampling request that repeat them, and its result when the test says so;
/// `poll` with a stream that ends at once, twice, and is to be gone on with;
/// `odd` with [`odd_answer`]; `chatter` as one of notifications without end; `drip` as JSON without end; those named
/// like somebody's address as `echo` does; the others answer what is no answer.
pub(crate) const TOOLS: [&str; 28] = [
    "echo",
    "slow",
    "held",
    "hang",
    "progress",
    "comments",
    "chatter",
    "drip",
    "fail",
    "wrong-id",
    "redirect",
    "oversized",
    "announced",
    "gzip",
    "not-json",
    "html",
    "cut-off",
    "cut-stream",
    "status",
    "forget",
    "odd",
    "twin",
    "refuse",
    "talk",
    "mirror",
    "poll",
    "mallory@example.com",
    "eve@example.com",
];

/// The output schema of `promise`.
pub(crate) fn promised() -> Value {
    json!({
        "type": "object",
        "properties": {
            "mail": { "type": "string", "format": "email" },
            "card": { "type": ["string", "null"], "pattern": "^[0-9 ]+$" },
            "fixed": { "enum": ["ada@example.com", "nobody"] },
        },
    })
}

/// One request it got.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether it belongs to a session of the gateway's own.
    pub(crate) own: bool,
}

/// A running server; dropping it closes its port.
pub(crate) struct Upstream {
    pub(crate) port: u16,
    state: Arc<State>,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    /// Its sessions, and whether they are the gateway's own.
    sessions: Mutex<BTreeMap<String, bool>>,
    finished: Mutex<Vec<Value>>,
    release: Notify,
    /// Whether it has no streams of its own.
    is_silent: AtomicBool,
    /// The streams of its own that callers' sessions hold open.
    listeners: Mutex<Vec<mpsc::Sender<Part>>>,
    quirks: Mutex<Quirks>,
    /// Somebody has answered its ping.
    pinged: Notify,
}

/// What else it does that servers do.
#[derive(Debug, Default, Clone)]
pub(crate) struct Quirks {
    /// It does not answer the gateway's own sessions.
    pub(crate) hangs_for_the_gateway: bool,
    /// It does not answer notifications, nor answers.
    pub(crate) hangs_on_notices: bool,
    /// How it answers callers' `initialize`.
    pub(crate) hello: Hello,
    /// Its lists of tools have two pages, with [`CURSOR`] between them.
    pub(crate) has_pages: bool,
    /// Tools that it has besides.
    pub(crate) more_tools: Vec<&'static str>,
    /// Tools that it has for callers alone.
    pub(crate) only_for_callers: Vec<&'static str>,
    /// Members of definitions that it shows besides, or in the place of others; a tool with `null` is not listed.
    pub(crate) definitions: BTreeMap<&'static str, Value>,
    /// The same for callers alone.
    pub(crate) definitions_for_callers: BTreeMap<&'static str, Value>,
    /// How many resources it lists.
    pub(crate) resources: usize,
    /// What it does when a caller asks for its tools.
    pub(crate) list: List,
    /// Whether it takes what `Authorization` says; 401 otherwise.
    pub(crate) admits: Option<fn(&str) -> bool>,
    /// Values of `Authorization` that it takes no more.
    pub(crate) revoked: Vec<String>,
}

/// How it answers `initialize`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hello {
    /// At once.
    #[default]
    Plain,
    /// It logs and pings, and answers when the ping is answered.
    Pings,
    /// It logs, and answers with an error.
    RefusesLate,
}

/// What it does when a caller asks for a list.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// It answers.
    #[default]
    Plain,
    /// It never answers.
    Hangs,
    /// It asks something first, and answers when that is answered.
    Asks,
    /// It answers with a cursor of 9,000 characters.
    LongCursor,
}

/// What it calls its second page, written with an escape that nobody must change.
pub(crate) const CURSOR: &str = r#""after-s\u0065cret""#;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;
/// A part of a stream, or how it breaks.
type Part = Result<Frame<Bytes>, std::io::Error>;

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::start_at(0).await
    }

    /// One on this port, or on a free one if that is 0.
    pub(crate) async fn start_at(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
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
                    let _ = stream.set_nodelay(true);
                    // Broken connections are what some tests are about.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { port, state, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The bodies of callers' requests, in order.
    pub(crate) fn bodies(&self) -> Vec<Bytes> {
        self.seen().into_iter().filter(|seen| !seen.own && seen.method == Method::POST).map(|seen| seen.body).collect()
    }

    /// The ids of the calls that it has answered in full.
    pub(crate) fn finished(&self) -> Vec<Value> {
        self.state.finished.lock().unwrap().clone()
    }

    /// Says something on every stream of its own, under an event id.
    pub(crate) fn say(&self, id: &str, message: &str) {
        let event = Bytes::from(format!("id: {id}\ndata: {message}\n\n"));
        let mut listeners = self.state.listeners.lock().unwrap();
        listeners.retain(|listener| listener.try_send(Ok(Frame::data(event.clone()))).is_ok());
    }

    /// Says something on the stream of its own that was opened last, when that takes it; whether it did within `limit`.
    pub(crate) async fn say_in_time(&self, id: &str, message: &str, limit: Duration) -> bool {
        let event = Bytes::from(format!("id: {id}\ndata: {message}\n\n"));
        let listener = self.state.listeners.lock().unwrap().last().cloned().unwrap();
        let said = tokio::time::timeout(limit, listener.send(Ok(Frame::data(event)))).await;
        said.is_ok_and(|said| said.is_ok())
    }

    /// Has no streams of its own from now on.
    pub(crate) fn keep_silent(&self) {
        self.state.is_silent.store(true, Ordering::Relaxed);
    }

    /// Changes what it does.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Quirks)) {
        change(&mut self.state.quirks.lock().unwrap());
    }

    /// How often the gateway itself has asked for its tools.
    pub(crate) fn readings(&self) -> usize {
        let is_list = |seen: &&Seen| seen.own && String::from_utf8_lossy(&seen.body).contains("\"tools/list\"");
        self.seen().iter().filter(is_list).count()
    }

    /// Lets every waiting `held` call end.
    pub(crate) fn release(&self) {
        self.state.release.notify_waiters();
    }

    /// Closes the port and all connections.
    pub(crate) fn stop(&self) {
        self.serving.abort();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
    }
}

impl State {
    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        let session = head.headers.get("mcp-session-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let is_hello = message["method"] == "initialize";
        let own = if is_hello {
            message["params"]["clientInfo"]["name"] == "vidimus"
        } else {
            self.sessions.lock().unwrap().get(&session).copied().unwrap_or(false)
        };
        let last = head.headers.get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let shown =
            head.headers.get("authorization").and_then(|shown| shown.to_str().ok()).unwrap_or_default().to_owned();
        self.seen.lock().unwrap().push(Seen { method: head.method.clone(), headers: head.headers, body, own });
        let quirks = self.quirks.lock().unwrap().clone();
        if quirks.admits.is_some_and(|admits| !admits(&shown)) || quirks.revoked.contains(&shown) {
            return plain(StatusCode::UNAUTHORIZED, "");
        }
        if own && quirks.hangs_for_the_gateway {
            return std::future::pending().await;
        }
        if is_hello {
            let hello = self.hello(&message["id"], &message["params"]["protocolVersion"], own);
            return if own || quirks.hello == Hello::Plain { hello } else { self.greeted(hello, quirks.hello).await };
        }
        if head.method == Method::DELETE {
            self.sessions.lock().unwrap().remove(&session);
            return plain(StatusCode::OK, "");
        }
        if !self.sessions.lock().unwrap().contains_key(&session) {
            return plain(StatusCode::NOT_FOUND, "no such session");
        }
        if head.method == Method::GET && self.is_silent.load(Ordering::Relaxed) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "");
        }
        let last = last.split_once('-').filter(|(poll, _)| *poll == "poll");
        if let Some((step, id)) = last.and_then(|(_, rest)| rest.split_once('-')) {
            let id: Value = id.parse().unwrap();
            let answer = json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [] } });
            return polled(if step == "1" { format!("id: poll-2-{id}\n\n") } else { format!("data: {answer}\n\n") });
        }
        if head.method == Method::GET {
            let (sender, receiver) = mpsc::channel(8);
            self.listeners.lock().unwrap().push(sender);
            return stream(receiver, "text/event-stream");
        }
        let id = &message["id"];
        if message.get("result").is_some() || message.get("error").is_some() {
            self.pinged.notify_one();
        }
        match message["method"].as_str().unwrap_or_default() {
            "notifications/cancelled" | "" if quirks.hangs_on_notices => std::future::pending().await,
            _ if id.is_null() || message.get("method").is_none() => plain(StatusCode::ACCEPTED, ""),
            "resources/list" => {
                let resources: Vec<Value> = (0..quirks.resources)
                    .map(|number| json!({ "name": "r", "uri": format!("note://{number}") }))
                    .collect();
                result(id, &json!({ "resources": resources }))
            }
            "tools/list" if !own && quirks.list == List::Hangs => std::future::pending().await,
            "tools/list" if !own && quirks.list == List::Asks => self.asking(id),
            "tools/list" if !own && quirks.list == List::LongCursor => {
                result(id, &json!({ "tools": [], "nextCursor": "x".repeat(9_000) }))
            }
            "tools/list" if quirks.has_pages && message["params"].get("cursor").is_none() => {
                let tools = r#"[{"name":"echo","inputSchema":{"type":"object"}}]"#;
                let page =
                    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":{tools},"nextCursor":{CURSOR}}}}}"#);
                json_response(Full::from(page).map_err(never).boxed_unsync())
            }
            "tools/list" => {
                let tools = TOOLS.iter().chain(&quirks.more_tools);
                let tools = tools.chain(if own { &[] } else { &*quirks.only_for_callers });
                let tools = tools.map(|name| json!({ "name": name, "inputSchema": { "type": "object" } }));
                let amount = json!({ "type": "object", "properties": { "amount": { "type": "number" } }, "required": ["amount"] });
                let charge =
                    json!({ "name": "charge", "inputSchema": amount, "annotations": { "idempotentHint": true } });
                let promise =
                    json!({ "name": "promise", "inputSchema": { "type": "object" }, "outputSchema": promised() });
                let mut changed = quirks.definitions.clone();
                changed.extend(if own { BTreeMap::new() } else { quirks.definitions_for_callers.clone() });
                let tools = tools.chain([charge, promise]).filter_map(|mut tool| {
                    match changed.get(tool["name"].as_str().unwrap()) {
                        Some(Value::Null) => return None,
                        Some(members) => tool.as_object_mut().unwrap().extend(members.as_object().unwrap().clone()),
                        None => {}
                    }
                    Some(tool)
                });
                result(id, &json!({ "tools": tools.collect::<Vec<Value>>() }))
            }
            "tools/call" => self.call(id, &message["params"], &session).await,
            "resources/read" => {
                let contents = json!([{ "uri": message["params"]["uri"], "text": "of mine" }]);
                result(id, &json!({ "contents": contents }))
            }
            _ => result(id, &json!({})),
        }
    }

    fn hello(&self, id: &Value, version: &Value, own: bool) -> Response<Body> {
        let has_resources = self.quirks.lock().unwrap().resources > 0;
        let capabilities = if has_resources { json!({ "tools": {}, "resources": {} }) } else { json!({ "tools": {} }) };
        let mut sessions = self.sessions.lock().unwrap();
        let mut random = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut random).unwrap();
        let session = format!("up-{:032x}", u128::from_ne_bytes(random));
        sessions.insert(session.clone(), own);
        let mut response = result(
            id,
            &json!({
                "protocolVersion": version, "capabilities": capabilities,
                "serverInfo": { "name": "upstream", "version": "1" },
            }),
        );
        response.headers_mut().insert("mcp-session-id", session.parse().unwrap());
        response
    }

    /// The answer to `initialize` as a stream that begins with other things.
    async fn greeted(self: &Arc<Self>, hello: Response<Body>, how: Hello) -> Response<Body> {
        let (head, body) = hello.into_parts();
        let mut body: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
        let refuses = how == Hello::RefusesLate;
        if refuses {
            body = json!({ "jsonrpc": "2.0", "id": body["id"], "error": { "code": -32_000, "message": "not today" } });
        }
        let log = json!({ "level": "info", "data": "waking up" });
        let log = event(&json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": log }));
        let ping = event(&json!({ "jsonrpc": "2.0", "id": "hello-1", "method": "ping" }));
        let (sender, receiver) = mpsc::channel(1);
        let state = Arc::clone(self);
        tokio::spawn(async move {
            for part in if refuses { vec![log] } else { vec![log, ping] } {
                let _ = sender.send(Ok(Frame::data(part))).await;
            }
            if !refuses {
                state.pinged.notified().await;
            }
            let _ = sender.send(Ok(Frame::data(event(&body)))).await;
        });
        let mut response = stream(receiver, "text/event-stream");
        response.headers_mut().insert("mcp-session-id", head.headers["mcp-session-id"].clone());
        response
    }

    /// A list of one tool, after a question that has to be answered.
    fn asking(self: &Arc<Self>, id: &Value) -> Response<Body> {
        let text = json!({ "role": "user", "content": { "type": "text", "text": "?" } });
        let ask = json!({ "messages": [text], "maxTokens": 9 });
        let ask =
            event(&json!({ "jsonrpc": "2.0", "id": "list-1", "method": "sampling/createMessage", "params": ask }));
        let tools = json!([{ "name": "echo", "inputSchema": { "type": "object" } }]);
        let last = event(&json!({ "jsonrpc": "2.0", "id": id, "result": { "tools": tools } }));
        let (sender, receiver) = mpsc::channel(1);
        let state = Arc::clone(self);
        tokio::spawn(async move {
            let _ = sender.send(Ok(Frame::data(ask))).await;
            state.pinged.notified().await;
            let _ = sender.send(Ok(Frame::data(last))).await;
        });
        stream(receiver, "text/event-stream")
    }

    async fn call(self: &Arc<Self>, id: &Value, params: &Value, session: &str) -> Response<Body> {
        let arguments = &params["arguments"];
        let text = json!({ "content": [{ "type": "text", "text": arguments.to_string() }] });
        let response = match params["name"].as_str().unwrap_or_default() {
            "slow" => {
                tokio::time::sleep(Duration::from_millis(arguments["ms"].as_u64().unwrap_or(10))).await;
                result(id, &text)
            }
            "held" => {
                self.release.notified().await;
                result(id, &text)
            }
            "hang" => std::future::pending().await,
            "progress" => return progress(id, &text, &params["_meta"]["progressToken"], 3),
            "comments" => endless(Bytes::from_static(b": still there\n\ndata:\n\n"), "text/event-stream"),
            "chatter" => endless(notification(&params["_meta"]["progressToken"], 1), "text/event-stream"),
            "drip" => endless(Bytes::from_static(b" "), "application/json"),
            "fail" => result(id, &json!({ "content": [], "isError": true })),
            "twin" | "promise" => {
                let content = json!([{ "type": "text", "text": arguments.to_string() }]);
                result(id, &json!({ "content": content, "structuredContent": arguments }))
            }
            "poll" => polled(format!("id: poll-1-{id}\nretry: 10\ndata: \n\n")),
            "mirror" => result(id, arguments),
            "refuse" => {
                let error = json!({ "code": -32_000, "message": arguments.to_string(), "data": arguments });
                let body = json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string();
                json_response(Full::from(body).map_err(never).boxed_unsync())
            }
            "talk" => return talk(self, id, arguments),
            "odd" => json_response(Full::from(odd_answer(id)).map_err(never).boxed_unsync()),
            "wrong-id" => result(&json!("another"), &text),
            "redirect" => {
                let mut response = plain(StatusCode::TEMPORARY_REDIRECT, "");
                response.headers_mut().insert("location", "http://127.0.0.1:1/elsewhere".parse().unwrap());
                response
            }
            "oversized" => {
                let part = || Ok(Frame::data(Bytes::from(vec![b' '; 64 << 10])));
                let parts: Vec<Result<_, std::io::Error>> = (0..64).map(|_| part()).collect();
                json_response(StreamBody::new(futures_util::stream::iter(parts)).boxed_unsync())
            }
            "announced" => result(id, &json!({ "content": [{ "type": "text", "text": "x".repeat(4 << 20) }] })),
            "gzip" => {
                let mut response = result(id, &text);
                response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
                response
            }
            "not-json" => json_response(
                Full::from(&b"{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\"}"[..]).map_err(never).boxed_unsync(),
            ),
            "html" => plain(StatusCode::OK, "<h1>It works</h1>"),
            "cut-off" => broken(vec![Bytes::from_static(b"{\"jsonrpc\":\"2.0\",")], "application/json"),
            "cut-stream" => broken(vec![notification(&json!(1), 1)], "text/event-stream"),
            "status" => plain(StatusCode::INTERNAL_SERVER_ERROR, "panic at 10.0.0.1"),
            "forget" => {
                self.sessions.lock().unwrap().remove(session);
                plain(StatusCode::NOT_FOUND, "no such session")
            }
            _ => result(id, &text),
        };
        self.finished.lock().unwrap().push(id.clone());
        response
    }
}

/// A log message, a question, and the result once the test says so.
fn talk(state: &Arc<State>, id: &Value, arguments: &Value) -> Response<Body> {
    let said = arguments.to_string();
    let log = json!({ "level": "info", "data": arguments });
    let log = event(&json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": log }));
    let text = json!({ "role": "user", "content": { "type": "text", "text": said } });
    let ask = json!({ "messages": [text], "maxTokens": 9 });
    let ask = event(&json!({ "jsonrpc": "2.0", "id": "ask-1", "method": "sampling/createMessage", "params": ask }));
    let last = json!({ "content": [{ "type": "text", "text": said }] });
    let last = event(&json!({ "jsonrpc": "2.0", "id": id, "result": last }));
    let (sender, receiver) = mpsc::channel(1);
    let state = Arc::clone(state);
    tokio::spawn(async move {
        let released = state.release.notified();
        for part in [log, ask] {
            let _ = sender.send(Ok(Frame::data(part))).await;
        }
        released.await;
        let _ = sender.send(Ok(Frame::data(last))).await;
    });
    stream(receiver, "text/event-stream")
}

/// 1 MiB that whoever prints JSON again would change: unknown fields, odd numbers, escapes, white space, order.
pub(crate) fn odd_answer(id: &Value) -> String {
    let item = "{ \"zeta\":1.0e+02,\"alpha\" : -0.0,\"n\":123456789012345678901234567890.10,\"e\":1E400,\r\n\t\
                \"\\u0041\":\"\\u00e9\\/é\\ud83d\\ude00\",\"_unknown\":[ ]}";
    let items = vec![item; (1 << 20) / 120].join(" ,\n");
    format!(
        "{{\"x\":null,\"result\" : {{\"extra\":[{items}],\"content\":[ ],\"Later\":true}},\"id\":{id},\"jsonrpc\":\"2.0\"}}"
    )
}

/// Notifications with a pause before each, then the result.
fn progress(id: &Value, text: &Value, token: &Value, count: u64) -> Response<Body> {
    let (sender, receiver) = mpsc::channel(1);
    let (last, token) = (event(&json!({ "jsonrpc": "2.0", "id": id, "result": text })), token.clone());
    tokio::spawn(async move {
        for step in 1..=count {
            if sender.send(Ok(Frame::data(notification(&token, step)))).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let _ = sender.send(Ok(Frame::data(last))).await;
    });
    stream(receiver, "text/event-stream")
}

/// The same part again and again, for as long as somebody listens.
fn endless(part: Bytes, content_type: &'static str) -> Response<Body> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        while sender.send(Ok(Frame::data(part.clone()))).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    stream(receiver, content_type)
}

/// Parts of an answer, then the end of the connection.
fn broken(parts: Vec<Bytes>, content_type: &'static str) -> Response<Body> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for part in parts {
            let _ = sender.send(Ok(Frame::data(part))).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let _ = sender.send(Err(std::io::Error::other("cut off"))).await;
    });
    stream(receiver, content_type)
}

/// A stream of this text, which then ends.
fn polled(text: String) -> Response<Body> {
    let (sender, receiver) = mpsc::channel(1);
    drop(sender.try_send(Ok(Frame::data(text.into()))));
    stream(receiver, "text/event-stream")
}

fn stream(receiver: mpsc::Receiver<Part>, content_type: &'static str) -> Response<Body> {
    let parts = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|part| (part, receiver))
    });
    let mut response = Response::new(StreamBody::new(parts).boxed_unsync());
    response.headers_mut().insert("content-type", content_type.parse().unwrap());
    response
}

fn notification(token: &Value, step: u64) -> Bytes {
    let params = json!({ "progressToken": token, "progress": step, "total": 3 });
    event(&json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params }))
}

fn event(message: &Value) -> Bytes {
    format!("event: message\ndata: {message}\n\n").into()
}

fn result(id: &Value, result: &Value) -> Response<Body> {
    let body = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
    json_response(Full::from(body).map_err(never).boxed_unsync())
}

fn json_response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::from(text).map_err(never).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn never(never: Infallible) -> std::io::Error {
    match never {}
}
