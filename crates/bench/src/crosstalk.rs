//! Clients of many principals at once, each of which checks that all it hears is its own ([`crate::marked`]).
//!
//! Of both eras, at the target and at the endpoint for all targets. Busy ones call `echo`, read the answer part for part
//! and answer what they are asked meanwhile; idle ones call once, then only listen. What is another's, an answer that is
//! no answer, and a client that cannot go on are counted, and the first of them is kept: the run goes on to its end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::marked::{RESOURCE, VERDICT_PATH};
use crate::session::{CALL_LIMIT, Session};
use crate::value::{at, set};
use crate::{marker, server};

/// Clients that are opened at once.
const OPENING: usize = 32;
/// Between two calls of one busy client.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two looks of an idle client at the clock.
const LOOK: Duration = Duration::from_secs(1);

/// What to do; the JSON argument of `bench-load crosstalk`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The gateway, `http://127.0.0.1:PORT`.
    gateway: String,
    /// The path of the target there.
    target: String,
    /// The server behind it.
    server: String,
    /// A file with one bearer token per line, of a principal each.
    tokens: String,
    idle: usize,
    busy: usize,
    seconds: f64,
}

/// What a client is; a principal's number says it.
#[derive(Debug, Clone, Copy)]
struct Kind {
    modern: bool,
    /// At the endpoint for all targets.
    federated: bool,
}

impl Kind {
    fn of(number: usize) -> Self {
        Self { modern: matches!(number % 8, 3 | 4 | 7), federated: number % 8 >= 5 }
    }

    fn name(self, busy: bool) -> &'static str {
        match (busy, self.modern, self.federated) {
            (true, false, false) => "busy, legacy, target",
            (true, true, false) => "busy, modern, target",
            (true, false, true) => "busy, legacy, all targets",
            (true, true, true) => "busy, modern, all targets",
            (false, false, false) => "idle, legacy, target",
            (false, true, false) => "idle, modern, target",
            (false, false, true) => "idle, legacy, all targets",
            (false, true, true) => "idle, modern, all targets",
        }
    }
}

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    questions: AtomicU64,
    messages: AtomicU64,
    mixed: AtomicU64,
    failed: AtomicU64,
    /// Idle clients that were told nothing after their call.
    deaf: AtomicU64,
    first: Mutex<Option<String>>,
    /// Messages by kind of client.
    heard: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counts {
    fn note(&self, counter: &AtomicU64, what: impl FnOnce() -> String) {
        counter.fetch_add(1, Ordering::Relaxed);
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(what);
    }
}

/// Runs the clients; figures of both sides.
pub(crate) async fn run(settings: &str) -> Result<Value> {
    let settings: Settings = serde_json::from_str(settings).context("the settings are not what crosstalk needs")?;
    let tokens = std::fs::read_to_string(&settings.tokens)?;
    let tokens: Vec<&str> = tokens.lines().collect();
    let all = settings.idle + settings.busy;
    ensure!(tokens.len() >= all, "there are {} tokens for {all} principals", tokens.len());
    let counts = Arc::new(Counts::default());
    let turns = Arc::new(Semaphore::new(OPENING));
    let opening = Instant::now();
    let mut clients = JoinSet::new();
    for (number, token) in tokens.into_iter().take(all).enumerate() {
        let kind = Kind::of(number);
        let path = if kind.federated { "/mcp" } else { &settings.target };
        let (url, token, turns) = (format!("{}{path}", settings.gateway), token.to_owned(), Arc::clone(&turns));
        let counts = Arc::clone(&counts);
        let busy = number >= settings.idle;
        clients.spawn(async move {
            let client = Client { url, token, kind, own: marker::of(number), counts, name: kind.name(busy) };
            let turn = turns.acquire_owned().await?;
            let mut session = client.connected().await?;
            session.open_as(&client.own, &json!({ "sampling": {} })).await?;
            let mut answers = client.beside(&session).await?;
            client.call(&mut session, &mut answers, 0).await?;
            let stream = if busy { None } else { Some(client.listen(&mut answers).await?) };
            drop(turn);
            anyhow::Ok((client, session, answers, stream))
        });
    }
    let mut open = Vec::new();
    while let Some(client) = clients.join_next().await {
        match client? {
            Ok(client) => open.push(client),
            Err(error) => counts.note(&counts.failed, || format!("a client could not begin: {error:#}")),
        }
    }
    let opened = opening.elapsed().as_secs_f64();
    let until = Instant::now() + Duration::from_secs_f64(settings.seconds);
    let mut running = JoinSet::new();
    for (client, mut session, mut answers, stream) in open {
        running.spawn(async move {
            let ended = match stream {
                Some(stream) => client.hear(stream, until).await,
                None => client.be_busy(&mut session, &mut answers, until).await,
            };
            if let Err(error) = ended {
                client.counts.note(&client.counts.failed, || format!("{} {}: {error:#}", client.name, client.own));
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended?;
    }
    let mut server = Session::new(&format!("{}{VERDICT_PATH}", settings.server), None, false).await?;
    let (_, _, verdict) = server.send(Method::GET, Bytes::new()).await?;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Ok(json!({
        "idle": settings.idle, "busy": settings.busy, "seconds": settings.seconds, "opened_seconds": opened,
        "calls": count(&counts.calls), "questions": count(&counts.questions), "messages": count(&counts.messages),
        "mixed": count(&counts.mixed), "failed": count(&counts.failed), "deaf": count(&counts.deaf),
        "first": *counts.first.lock().unwrap_or_else(PoisonError::into_inner),
        "heard": *counts.heard.lock().unwrap_or_else(PoisonError::into_inner),
        "server": serde_json::from_slice::<Value>(&verdict)?,
    }))
}

/// One principal.
struct Client {
    url: String,
    token: String,
    kind: Kind,
    own: String,
    counts: Arc<Counts>,
    name: &'static str,
}

impl Client {
    async fn connected(&self) -> Result<Session> {
        Session::new(&self.url, Some(&self.token), self.kind.modern).await
    }

    /// A second connection of the same session.
    async fn beside(&self, session: &Session) -> Result<Session> {
        let mut beside = self.connected().await?;
        beside.headers.clone_from(&session.headers);
        Ok(beside)
    }

    /// Calls until the time has come.
    async fn be_busy(&self, session: &mut Session, answers: &mut Session, until: Instant) -> Result<()> {
        let mut number = 1;
        while Instant::now() < until {
            self.call(session, answers, number).await?;
            number += 1;
            tokio::time::sleep(PAUSE).await;
        }
        session.close().await
    }

    /// One call, with all that is asked before it is answered.
    async fn call(&self, session: &mut Session, answers: &mut Session, number: u64) -> Result<()> {
        let text = format!("{} calls for the {number}. time", self.own);
        let name = if self.kind.federated { "marked_echo" } else { "echo" };
        let mut params = json!({ "name": name, "arguments": { "text": text } });
        if self.kind.modern {
            session.headers.insert("mcp-method", HeaderValue::from_static("tools/call"));
            session.headers.insert("mcp-name", HeaderValue::from_static(name));
            set(&mut params, "_meta", self.meta());
        } else {
            set(&mut params, "_meta", json!({ "progressToken": text }));
        }
        self.counts.calls.fetch_add(1, Ordering::Relaxed);
        let mut result = self.asked(session, answers, &json_request(number, "tools/call", &params)).await?;
        if at(&result, "/resultType") == "input_required" {
            self.counts.questions.fetch_add(1, Ordering::Relaxed);
            let keys = at(&result, "/inputRequests").as_object().context("no inputRequests")?.keys();
            let content = json!({ "action": "accept", "content": { "name": self.own } });
            let responses = keys.map(|key| (key.clone(), content.clone())).collect();
            set(&mut params, "inputResponses", responses);
            set(&mut params, "requestState", at(&result, "/requestState").clone());
            result = self.asked(session, answers, &json_request(number, "tools/call", &params)).await?;
        }
        ensure!(at(&result, "/content/0/text") == text.as_str(), "{text:?} was answered {result}");
        Ok(())
    }

    /// The result of a request.
    async fn asked(&self, session: &mut Session, answers: &mut Session, request: &Value) -> Result<Value> {
        let exchange = async {
            let response = session.request(Method::POST, request.to_string().into()).await?;
            let status = response.status();
            let mut messages = Messages::of(response)?;
            while let Some(message) = messages.next().await? {
                let message = self.heard(&message)?;
                if at(&message, "/id") == at(request, "/id") && message.get("method").is_none() {
                    ensure!(message.get("result").is_some(), "{status}: {message}");
                    return Ok(at(&message, "/result").clone());
                }
                if at(&message, "/method") == "sampling/createMessage" {
                    self.counts.questions.fetch_add(1, Ordering::Relaxed);
                    let content = json!({ "type": "text", "text": self.own });
                    let answer = json!({ "role": "assistant", "content": content, "model": "none" });
                    let answer = json!({ "jsonrpc": "2.0", "id": at(&message, "/id"), "result": answer });
                    let (status, _, body) = answers.send(Method::POST, answer.to_string().into()).await?;
                    ensure!(status == 202, "an answer was answered {status}: {}", String::from_utf8_lossy(&body));
                }
            }
            bail!("{status}, and no answer")
        };
        tokio::time::timeout(CALL_LIMIT, exchange).await.context("no answer in time")?
    }

    /// Opens the stream on which a server tells this principal of what nobody asked for.
    async fn listen(&self, session: &mut Session) -> Result<Messages> {
        if !self.kind.modern {
            return Messages::of(session.request(Method::GET, Bytes::new()).await?);
        }
        session.headers.insert("mcp-method", HeaderValue::from_static("subscriptions/listen"));
        session.headers.remove("mcp-name");
        let wanted = json!({ "resourceSubscriptions": [format!("{RESOURCE}{}", self.own)] });
        let params = json!({ "notifications": wanted, "_meta": self.meta() });
        let request = json_request(1, "subscriptions/listen", &params);
        Messages::of(session.request(Method::POST, request.to_string().into()).await?)
    }

    /// Listens until the time has come.
    async fn hear(&self, mut stream: Messages, until: Instant) -> Result<()> {
        let mut heard = 0_u64;
        while Instant::now() < until {
            match tokio::time::timeout(LOOK, stream.next()).await {
                Err(_) => {}
                Ok(message) => {
                    let message = self.heard(&message?.context("the stream ended")?)?;
                    heard += u64::from(marker::all(&message.to_string()).next().is_some());
                }
            }
        }
        if heard == 0 {
            self.counts.note(&self.counts.deaf, || format!("{} {} was told nothing", self.name, self.own));
        }
        Ok(())
    }

    /// Checks a message for what is another's.
    fn heard(&self, text: &str) -> Result<Value> {
        self.counts.messages.fetch_add(1, Ordering::Relaxed);
        *self.counts.heard.lock().unwrap_or_else(PoisonError::into_inner).entry(self.name).or_default() += 1;
        if marker::foreign(text, &self.own).is_some() {
            self.counts.note(&self.counts.mixed, || format!("{} {} heard {text:.600}", self.name, self.own));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// What requests of the modern era carry.
    fn meta(&self) -> Value {
        json!({
            "io.modelcontextprotocol/protocolVersion": server::MODERN_REVISION,
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
            "io.modelcontextprotocol/clientInfo": { "name": self.own, "version": "1" },
        })
    }
}

fn json_request(number: u64, method: &str, params: &Value) -> Value {
    // 0 and 1 were taken by the handshake.
    json!({ "jsonrpc": "2.0", "id": number + 2, "method": method, "params": params })
}

/// The messages of an answer: one of JSON, or those of a stream.
struct Messages {
    body: Incoming,
    is_stream: bool,
    read: Vec<u8>,
}

impl Messages {
    fn of(response: Response<Incoming>) -> Result<Self> {
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let is_stream = content_type.starts_with("text/event-stream");
        ensure!(is_stream || content_type.starts_with("application/json"), "{} {content_type}", response.status());
        Ok(Self { body: response.into_body(), is_stream, read: Vec::new() })
    }

    /// The next one; none at the end. May be given up while it waits.
    async fn next(&mut self) -> Result<Option<String>> {
        loop {
            while let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n").filter(|_| self.is_stream) {
                let event: Vec<u8> = self.read.drain(..end + 2).collect();
                let event = String::from_utf8(event)?;
                let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
                if data.iter().any(|line| !line.trim().is_empty()) {
                    return Ok(Some(data.join("\n").trim().to_owned()));
                }
            }
            match self.body.frame().await {
                Some(frame) => self.read.extend(frame?.into_data().unwrap_or_default()),
                None if self.is_stream || self.read.is_empty() => return Ok(None),
                None => return Ok(Some(String::from_utf8(std::mem::take(&mut self.read))?)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings for a server without a gateway before it: at its endpoint for all targets it knows no prefixed names, so
    /// only as many clients as come before those that go there.
    async fn figures(origin: &str, clients: usize) -> Value {
        let dir = tempfile::tempdir().unwrap();
        let tokens = dir.path().join("tokens");
        std::fs::write(&tokens, "a\nb\nc\nd\ne\n").unwrap();
        let settings = json!({
            "gateway": origin, "target": "/mcp/marked", "server": origin, "tokens": tokens,
            "idle": clients / 2, "busy": clients - clients / 2, "seconds": 6,
        });
        run(&settings.to_string()).await.unwrap()
    }

    #[tokio::test]
    async fn hears_and_answers_what_is_its_own() {
        let figures = figures(&crate::marked::start().await.unwrap(), 5).await;
        for nothing in ["/mixed", "/failed", "/deaf", "/server/mixed", "/server/unanswered"] {
            assert_eq!(figures.pointer(nothing), Some(&json!(0)), "{figures}");
        }
        assert!(figures["questions"].as_u64() > Some(5) && figures["messages"].as_u64() > Some(50), "{figures}");
    }

    #[tokio::test]
    async fn what_is_anothers_is_counted() {
        // Everybody hears of one marker.
        let said =
            json!({ "jsonrpc": "2.0", "id": 2, "result": { "content": [], "tools": "echo\"", "who": marker::of(9) } });
        let origin = server::start_document(said.to_string()).await.unwrap();
        let settings = Client {
            url: format!("{origin}/mcp"),
            token: "a".into(),
            kind: Kind { modern: true, federated: false },
            own: marker::of(1),
            counts: Arc::default(),
            name: "one",
        };
        let (mut session, mut answers) = (settings.connected().await.unwrap(), settings.connected().await.unwrap());
        settings.call(&mut session, &mut answers, 0).await.unwrap_err();
        assert_eq!(settings.counts.mixed.load(Ordering::Relaxed), 1);
    }
}
