//! An MCP server that watches who is told what: every session and every request belongs to one principal, whose marker
//! all of its messages hold ([`crate::marker`]).
//!
//! In the legacy era (MCP 2025-11-25) a call of `echo` is answered with a stream: progress, a log message, every other
//! time a question to the client's model, and the result; and each session is told something on its stream of its own
//! again and again. In the modern one (2026-07-28) every other call needs an answer first, and subscriptions are told of
//! their resource. Ids of questions are small numbers, the same in all sessions: who mixes them up is found. A message
//! with another principal's marker is counted, and the first is kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::marker;
use crate::server::{self, Answer, Content, MODERN_REVISION, REVISION};
use crate::value::{at, set};

/// Where figures are, for the clients.
pub(crate) const VERDICT_PATH: &str = "/verdict";
/// The resource of a principal is this and its marker.
pub(crate) const RESOURCE: &str = "note://";
/// Each stream of its own says something so often.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// How long a client's model may think.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Messages that wait in one stream.
const WAITING: usize = 16;

#[derive(Default)]
struct Marked {
    sessions: Mutex<HashMap<String, Arc<Known>>>,
    /// The subscriptions of the modern era, with the marker of each.
    subscriptions: Mutex<Vec<(String, mpsc::Sender<Bytes>)>>,
    opened: AtomicU64,
    messages: AtomicU64,
    unanswered: AtomicU64,
    mixed: AtomicU64,
    first: Mutex<Option<String>>,
}

/// A legacy session.
#[derive(Default)]
struct Known {
    marker: Mutex<Option<String>>,
    stream: Mutex<Option<mpsc::Sender<Bytes>>>,
    /// The questions that are open, by id.
    asked: Mutex<HashMap<u64, oneshot::Sender<()>>>,
    questions: AtomicU64,
}

/// Starts it on a free loopback port and returns its origin.
pub(crate) async fn start() -> Result<String> {
    let marked = Arc::new(Marked::default());
    let serving = Arc::clone(&marked);
    let (origin, _) = server::listen(move |request| {
        let marked = Arc::clone(&serving);
        async move { marked.answer(request).await.unwrap_or_else(|_| server::status(StatusCode::BAD_REQUEST)) }
    })
    .await?;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(TOLD_EVERY).await;
            marked.tell_all();
        }
    });
    Ok(origin)
}

impl Marked {
    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Result<Answer> {
        let (head, body) = request.into_parts();
        if head.uri.path() == VERDICT_PATH {
            return Ok(server::json_answer(self.verdict().to_string().into()));
        }
        let session = head.headers.get("mcp-session-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        if head.method == Method::DELETE {
            locked(&self.sessions).remove(session.as_deref().unwrap_or_default());
            return Ok(server::status(StatusCode::OK));
        }
        let known = session.as_ref().and_then(|id| locked(&self.sessions).get(id).map(Arc::clone));
        if session.is_some() && known.is_none() {
            return Ok(server::status(StatusCode::NOT_FOUND));
        }
        if head.method == Method::GET {
            let (sender, receiver) = mpsc::channel(WAITING);
            *locked(&known.context("no session")?.stream) = Some(sender);
            return Ok(server::events(Content::Said(receiver)));
        }
        let body = body.collect().await?.to_bytes();
        let text = std::str::from_utf8(&body)?;
        let message: Value = serde_json::from_slice(&body)?;
        self.messages.fetch_add(1, Ordering::Relaxed);
        match known {
            Some(known) => {
                self.watch(&known, text);
                Ok(self.within(known, &message))
            }
            None if head.headers.contains_key("mcp-method") => {
                let own = marker::all(text).next().unwrap_or_default().to_owned();
                self.check(text, &own);
                self.stateless(&message, own)
            }
            None => self.opened(&message, text),
        }
    }

    /// Holds a message to the marker of its session, or takes the session's from it.
    fn watch(&self, known: &Known, text: &str) {
        let mut marker = locked(&known.marker);
        if marker.is_none() {
            *marker = marker::all(text).next().map(str::to_owned);
        }
        if let Some(marker) = &*marker {
            self.check(text, marker);
        }
    }

    fn check(&self, text: &str, own: &str) {
        if marker::foreign(text, own).is_some() {
            self.mixed.fetch_add(1, Ordering::Relaxed);
            locked(&self.first).get_or_insert_with(|| format!("the server heard of {own}: {text:.600}"));
        }
    }

    fn opened(&self, message: &Value, text: &str) -> Result<Answer> {
        let hello = json!({
            "protocolVersion": REVISION, "capabilities": { "tools": {}, "logging": {} },
            "serverInfo": { "name": "marked", "version": "1" },
        });
        let mut answer = result(message, &hello);
        if at(message, "/method") == "initialize" {
            let known = Arc::new(Known::default());
            self.watch(&known, text);
            let id = self.opened.fetch_add(1, Ordering::Relaxed).to_string();
            answer.headers_mut().insert("mcp-session-id", HeaderValue::from_str(&id)?);
            locked(&self.sessions).insert(id, known);
        }
        Ok(answer)
    }

    /// A message of a legacy session.
    fn within(self: &Arc<Self>, known: Arc<Known>, message: &Value) -> Answer {
        let Some(method) = at(message, "/method").as_str() else {
            // A client that has several servers has ids that say which; what comes here is this server's own again.
            let asked = at(message, "/id").as_u64().and_then(|id| locked(&known.asked).remove(&id));
            match asked {
                Some(asked) if message.get("result").is_some() => drop(asked.send(())),
                _ => drop(self.unanswered.fetch_add(1, Ordering::Relaxed)),
            }
            return server::status(StatusCode::ACCEPTED);
        };
        match method {
            "tools/call" => {
                let (sender, receiver) = mpsc::channel(WAITING);
                let (marked, message) = (Arc::clone(self), message.clone());
                tokio::spawn(async move { marked.say(&known, &message, &sender).await });
                server::events(Content::Said(receiver))
            }
            _ => result(message, &listed(method)),
        }
    }

    /// What a call is answered with, part for part. Whoever reads it may go at any time.
    async fn say(&self, known: &Known, call: &Value, to: &mpsc::Sender<Bytes>) -> Option<()> {
        let text = at(call, "/params/arguments/text");
        if let Some(token) = at(call, "/params/_meta").get("progressToken") {
            let params = json!({ "progressToken": token, "progress": 1, "message": text });
            to.send(notice("notifications/progress", &params)).await.ok()?;
        }
        to.send(notice("notifications/message", &json!({ "level": "info", "data": text }))).await.ok()?;
        let question = known.questions.fetch_add(1, Ordering::Relaxed);
        if question.is_multiple_of(2) {
            let (answered, answer) = oneshot::channel();
            locked(&known.asked).insert(question, answered);
            let content = json!({ "role": "user", "content": { "type": "text", "text": text } });
            let params = json!({ "messages": [content], "maxTokens": 9 });
            let method = "sampling/createMessage";
            let request = json!({ "jsonrpc": "2.0", "id": question, "method": method, "params": params });
            to.send(server::event(&request.to_string())).await.ok()?;
            if tokio::time::timeout(ANSWER_LIMIT, answer).await.is_err() {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
            }
        }
        let result = json!({ "content": [{ "type": "text", "text": text }], "isError": false });
        let response = json!({ "jsonrpc": "2.0", "id": at(call, "/id"), "result": result });
        to.send(server::event(&response.to_string())).await.ok()
    }

    /// A request of the modern era, of the principal with this marker.
    fn stateless(&self, request: &Value, own: String) -> Result<Answer> {
        let params = at(request, "/params");
        match at(request, "/method").as_str().unwrap_or_default() {
            "subscriptions/listen" => {
                let (sender, receiver) = mpsc::channel(WAITING);
                let granted = json!({ "notifications": at(params, "/notifications") });
                sender.try_send(notice("notifications/subscriptions/acknowledged", &granted))?;
                locked(&self.subscriptions).push((own, sender));
                Ok(server::events(Content::Said(receiver)))
            }
            "tools/call" if params.get("requestState").is_some() => {
                let text = at(params, "/arguments/text").clone();
                let content = json!([{ "type": "text", "text": text }]);
                Ok(result(request, &json!({ "resultType": "complete", "content": content })))
            }
            "tools/call" => {
                let text = at(params, "/arguments/text").as_str().unwrap_or_default();
                let schema = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
                let params = json!({ "message": text, "requestedSchema": schema });
                let ask = json!({ "who": { "method": "elicitation/create", "params": params } });
                let asks = json!({ "resultType": "input_required", "inputRequests": ask, "requestState": text });
                Ok(result(request, &asks))
            }
            method => Ok(result(request, &listed(method))),
        }
    }

    /// Says something to everybody who listens; who has gone is forgotten.
    fn tell_all(&self) {
        for known in locked(&self.sessions).values() {
            let marker = locked(&known.marker).clone();
            if let (Some(stream), Some(marker)) = (&*locked(&known.stream), marker) {
                // Who reads too slowly is told the next time.
                let _ = stream.try_send(notice("notifications/message", &json!({ "level": "info", "data": marker })));
            }
        }
        locked(&self.subscriptions).retain(|(marker, stream)| {
            let params = json!({ "uri": format!("{RESOURCE}{marker}") });
            let _ = stream.try_send(notice("notifications/resources/updated", &params));
            !stream.is_closed()
        });
    }

    fn verdict(&self) -> Value {
        json!({
            "messages": self.messages.load(Ordering::Relaxed), "mixed": self.mixed.load(Ordering::Relaxed),
            "unanswered": self.unanswered.load(Ordering::Relaxed), "sessions": self.opened.load(Ordering::Relaxed),
            "first": *locked(&self.first),
        })
    }
}

/// What a method is answered with that nobody's marker is in.
fn listed(method: &str) -> Value {
    let cached = |mut result: Value| {
        set(&mut result, "resultType", "complete".into());
        set(&mut result, "ttlMs", 3_600_000.into());
        set(&mut result, "cacheScope", "public".into());
        result
    };
    match method {
        "server/discover" => cached(json!({
            "supportedVersions": [MODERN_REVISION, REVISION],
            "capabilities": { "tools": {}, "resources": { "subscribe": true } },
            "serverInfo": { "name": "marked", "version": "1" },
        })),
        "tools/list" => cached(json!({ "tools": [server::tool(0)] })),
        "resources/list" => cached(json!({ "resources": [] })),
        "resources/templates/list" => {
            let template = format!("{RESOURCE}{{name}}");
            cached(json!({ "resourceTemplates": [{ "uriTemplate": template, "name": "note" }] }))
        }
        "prompts/list" => cached(json!({ "prompts": [] })),
        _ => json!({}),
    }
}

fn result(request: &Value, result: &Value) -> Answer {
    let Some(id) = request.get("id") else { return server::status(StatusCode::ACCEPTED) };
    server::json_answer(json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string().into())
}

fn notice(method: &str, params: &Value) -> Bytes {
    server::event(&json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
