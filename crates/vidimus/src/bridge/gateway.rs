//! The gateway as the bridge sees it: Streamable HTTP with the token of whoever uses it.
//!
//! MCP 2025-11-25, "Streamable HTTP", and 2026-07-28. A token that is not taken is replaced once, when it can be. A stream
//! that ends without the answer is gone on with by `Last-Event-ID`, a bounded number of times without a new message. Cancel
//! safe: who gives up waiting closes the connection, which in 2026-07-28 cancels the request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use tokio_util::sync::CancellationToken;
use vidimus_mcp::envelope::{Message, MessageKind, Method, Sender};
use vidimus_mcp::headers::{EVENT_STREAM, JSON, LAST_EVENT_ID, PROTOCOL_VERSION, SESSION_ID, is_event_stream};
use vidimus_mcp::modern::{self, mirror};
use vidimus_mcp::sse::Decoder;
use vidimus_net::{HttpTarget, Repeat, TargetBody};

use super::refusal::Refusal;
use super::{LIMITS, Lines, MAX_MESSAGE};
use crate::login::{Tokens, note};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest wait for an answer to begin: the gateway and the client have limits of their own, which are shorter.
const ANSWER: Duration = Duration::from_hours(24);
/// How long the gateway may take to take a message that gets no answer, and to end a session.
const TAKE: Duration = Duration::from_mins(1);
const END: Duration = Duration::from_secs(5);
/// How often a stream is gone on with that gives nothing.
const MAX_RETURNS: u32 = 5;
/// The wait before a stream is gone on with, at first and at most, unless it says.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// An endpoint of a gateway.
pub(super) struct Gateway {
    endpoint: HttpTarget,
    tokens: Tokens,
    lines: Lines,
    session: ArcSwapOption<Session>,
    /// Schemas of tools that name headers, as they were listed.
    schemas: ArcSwap<BTreeMap<String, Bytes>>,
    lost: CancellationToken,
    /// Ends what has no end of its own.
    listening: CancellationToken,
}

/// What requests of a session have in their head.
#[derive(Clone)]
struct Session {
    id: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

impl Gateway {
    pub(super) fn new(endpoint: &str, tokens: Tokens, lines: Lines) -> anyhow::Result<Self> {
        let endpoint = endpoint.parse().with_context(|| format!("{endpoint} is no address"))?;
        Ok(Self {
            endpoint: HttpTarget::new(endpoint, HeaderMap::new(), CONNECT, ANSWER)?,
            tokens,
            lines,
            session: ArcSwapOption::empty(),
            schemas: ArcSwap::default(),
            lost: CancellationToken::new(),
            listening: CancellationToken::new(),
        })
    }

    /// Has a request answered: what comes is written out, and the answer last.
    pub(super) async fn ask(&self, request: &Message, is_modern: bool) -> Result<(), Refusal> {
        let response = self.send(HttpMethod::POST, &self.head(request, is_modern), request.bytes()).await?;
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            return self.refused(request, is_modern, head.status, &head.headers, body).await;
        }
        if request.method() == Some(Method::Initialize) {
            let id = head.headers.get(&SESSION_ID).cloned();
            self.session.store(Some(Arc::new(Session { id, version: None })));
        }
        if is_event_stream(&head.headers) {
            return self.streamed(request, is_modern, body).await;
        }
        if self.relay(collected(body).await?, Some(request)).await? {
            Ok(())
        } else {
            Err(Refusal::NoMessage("it answers something else than was asked".to_owned()))
        }
    }

    /// Sends what gets no answer.
    pub(super) async fn tell(&self, message: &Message, is_modern: bool) -> Result<(), Refusal> {
        let head = self.head(message, is_modern);
        let told = self.send(HttpMethod::POST, &head, message.bytes());
        let response = tokio::time::timeout(TAKE, told).await.map_err(|_| Refusal::Late)??;
        let (head, body) = response.into_parts();
        if head.status.is_success() {
            return Ok(());
        }
        self.notice_loss(is_modern, head.status);
        Err(Refusal::of(head.status, &head.headers, &collected(body).await.unwrap_or_default()))
    }

    /// Keeps the stream of the server's own open, until the end.
    pub(super) fn listen(gateway: &Arc<Self>) {
        let gateway = Arc::clone(gateway);
        tokio::spawn(async move {
            gateway.while_listening(gateway.keep_listening()).await;
        });
    }

    /// Goes on until [`Self::stop_listening`].
    pub(super) async fn while_listening(&self, listening: impl Future<Output = ()>) {
        self.listening.run_until_cancelled(listening).await;
    }

    /// Ends what has no end of its own.
    pub(super) fn stop_listening(&self) {
        self.listening.cancel();
    }

    /// Waits until the gateway has forgotten the session.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Whether there is no session, as in revision 2026-07-28.
    pub(super) fn has_no_session(&self) -> bool {
        self.session.load().is_none()
    }

    /// Ends the session, if the gateway still takes that.
    pub(super) async fn end(&self) {
        let session = self.session.load_full();
        if session.is_some_and(|session| session.id.is_some()) && !self.lost.is_cancelled() {
            let (head, nothing) = (self.session_head(), Bytes::new());
            let ended = self.send(HttpMethod::DELETE, &head, &nothing);
            if !matches!(tokio::time::timeout(END, ended).await, Ok(Ok(_))) {
                note("vidimus: the session could not be ended; the gateway ends it when it has been idle");
            }
        }
    }

    async fn send(&self, method: HttpMethod, head: &HeaderMap, body: &Bytes) -> Result<Response<TargetBody>, Refusal> {
        let mut refused = None;
        loop {
            let token = self.tokens.bearer(refused.as_deref()).await?;
            let mut headers = head.clone();
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| Refusal::Unauthenticated(": it cannot stand in a header".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
            let response = self.endpoint.send(method.clone(), headers, body.clone(), Repeat::Never).await?;
            let is_final = refused.is_some() || !self.tokens.is_renewable();
            if response.status() != StatusCode::UNAUTHORIZED || is_final {
                return Ok(response);
            }
            // Refused before anything was done: the same may be sent again.
            refused = Some(token);
        }
    }

    /// The head of a message: of its session, or made of what it says itself.
    fn head(&self, message: &Message, is_modern: bool) -> HeaderMap {
        let mut head = if is_modern {
            let schemas = self.schemas.load();
            let schema = message.tool_name().and_then(|name| schemas.get(&*name));
            modern::head(message, &schema.map(|schema| mirror::mirrored(message, schema)).unwrap_or_default())
        } else if message.method() == Some(Method::Initialize) {
            HeaderMap::new()
        } else {
            self.session_head()
        };
        head.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        head.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        head
    }

    fn session_head(&self) -> HeaderMap {
        let mut head = HeaderMap::new();
        if let Some(Session { id, version }) = self.session.load_full().as_deref() {
            head.extend(id.iter().map(|id| (SESSION_ID, id.clone())));
            head.extend(version.iter().map(|version| (PROTOCOL_VERSION, version.clone())));
        }
        head
    }

    /// What the gateway says to a request that it does not pass on. An answer in the protocol's own form is the answer.
    async fn refused(
        &self,
        request: &Message,
        is_modern: bool,
        status: StatusCode,
        headers: &HeaderMap,
        body: TargetBody,
    ) -> Result<(), Refusal> {
        self.notice_loss(is_modern, status);
        let body = collected(body).await.unwrap_or_default();
        let refusal = Refusal::of(status, headers, &body);
        let is_answer = |message: &Message| is_answer(message, request);
        let answers = Message::parse(body.clone(), Sender::Server, &LIMITS).is_ok_and(|message| is_answer(&message));
        match refusal {
            Refusal::Refused { .. } if answers => self.relay(body, Some(request)).await.map(drop),
            refusal => Err(refusal),
        }
    }

    /// MCP 2025-11-25, "Session Management": 404 within a session says that it is over.
    fn notice_loss(&self, is_modern: bool, status: StatusCode) {
        let has_session = self.session.load().as_ref().is_some_and(|session| session.id.is_some());
        if !is_modern && has_session && status == StatusCode::NOT_FOUND {
            self.lost.cancel();
        }
    }

    /// Writes out the messages of a stream until the answer, over as many connections as that takes.
    async fn streamed(&self, request: &Message, is_modern: bool, mut body: TargetBody) -> Result<(), Refusal> {
        let mut decoder = Decoder::new(MAX_MESSAGE);
        let mut returns = 0;
        loop {
            let before = decoder.last_event_id().to_owned();
            if self.read(body, &mut decoder, Some(request)).await? {
                return Ok(());
            }
            // Streams of 2026-07-28 are not resumable, and those without ids are not either.
            if is_modern || decoder.last_event_id().is_empty() {
                return Err(Refusal::BrokenOff);
            }
            returns = if decoder.last_event_id() == before { returns } else { 0 };
            body = loop {
                if returns == MAX_RETURNS {
                    return Err(Refusal::BrokenOff);
                }
                returns += 1;
                tokio::time::sleep(decoder.retry().unwrap_or(RETRY.0).min(RETRY.1)).await;
                match self.stream(decoder.last_event_id()).await {
                    Ok(body) => break body,
                    Err(Refusal::Unreachable(_)) => {}
                    Err(refusal) => return Err(refusal),
                }
            };
            decoder.reconnected();
        }
    }

    async fn keep_listening(&self) {
        let mut decoder = Decoder::new(MAX_MESSAGE);
        let mut pause = RETRY.0;
        loop {
            match self.stream(decoder.last_event_id()).await {
                Ok(body) => {
                    pause = RETRY.0;
                    decoder.reconnected();
                    if let Err(refusal) = self.read(body, &mut decoder, None).await {
                        note(&format!("vidimus: the server's own messages are not shown any more: {refusal}"));
                        return;
                    }
                }
                // There is no such stream.
                Err(Refusal::Refused { status: StatusCode::METHOD_NOT_ALLOWED, .. }) => return,
                Err(Refusal::Refused { status: StatusCode::NOT_FOUND, .. }) => return self.lost.cancel(),
                // It cannot be gone on with: what was missed is missed.
                Err(Refusal::Refused { status: StatusCode::BAD_REQUEST, .. })
                    if !decoder.last_event_id().is_empty() =>
                {
                    note("vidimus: the gateway does not remember what the server said meanwhile");
                    decoder = Decoder::new(MAX_MESSAGE);
                    continue;
                }
                Err(refusal) => {
                    if pause == RETRY.0 {
                        note(&format!(
                            "vidimus: the server's own messages cannot be had, and are asked for again: {refusal}"
                        ));
                    }
                    pause = RETRY.1.min(pause * 2);
                }
            }
            tokio::time::sleep(decoder.retry().unwrap_or(pause).clamp(pause, RETRY.1)).await;
        }
    }

    /// A stream of the session: the one of this event, or the server's own.
    async fn stream(&self, after: &str) -> Result<TargetBody, Refusal> {
        let mut head = self.session_head();
        head.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
        if let Ok(after) = HeaderValue::from_str(after)
            && !after.is_empty()
        {
            head.insert(LAST_EVENT_ID, after);
        }
        let (head, body) = self.send(HttpMethod::GET, &head, &Bytes::new()).await?.into_parts();
        if head.status.is_success() && is_event_stream(&head.headers) {
            return Ok(body);
        }
        Err(Refusal::of(head.status, &head.headers, &collected(body).await.unwrap_or_default()))
    }

    /// Writes out the messages of one connection; whether the answer to `request` was among them. A connection that breaks
    /// ends there.
    async fn read(
        &self,
        mut body: TargetBody,
        decoder: &mut Decoder,
        request: Option<&Message>,
    ) -> Result<bool, Refusal> {
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(piece) = frame.into_data() else { continue };
            let mut events = Vec::new();
            let read = decoder.push(&piece, &mut events);
            for event in events.into_iter().filter(|event| event.name == "message" && !event.data.is_empty()) {
                if self.relay(event.data, request).await? {
                    return Ok(true);
                }
            }
            read.map_err(|error| Refusal::NoMessage(error.to_string()))?;
        }
        Ok(false)
    }

    /// Writes out one message, and keeps of it what later messages need; whether it answers `request`.
    async fn relay(&self, bytes: Bytes, request: Option<&Message>) -> Result<bool, Refusal> {
        let message = Message::parse(bytes, Sender::Server, &LIMITS);
        let message = message.map_err(|error| Refusal::NoMessage(error.to_string()))?;
        let answered = request.filter(|request| is_answer(&message, request));
        if let Some(request) = answered {
            self.keep(&message, request);
        }
        // When nobody reads any more, what comes is read to its end all the same.
        let _ = self.lines.send(one_line(message.bytes())).await;
        Ok(answered.is_some())
    }

    fn keep(&self, answer: &Message, request: &Message) {
        let Some(result) = answer.result() else { return };
        match request.method() {
            Some(Method::Initialize) => {
                let version = result.get("protocolVersion").and_then(|version| version.as_str());
                let version = version.and_then(|version| HeaderValue::from_str(&version).ok());
                let id = self.session.load().as_ref().and_then(|session| session.id.clone());
                self.session.store(Some(Arc::new(Session { id, version })));
            }
            Some(Method::ListTools) => {
                let Some(tools) = result.get("tools") else { return };
                let named: BTreeMap<String, Bytes> = tools
                    .elements()
                    .filter_map(|tool| Some((tool.get("name")?.as_str()?.into_owned(), tool.get("inputSchema")?.raw())))
                    .filter(|(_, schema)| mirror::has_headers(schema.as_bytes()))
                    .map(|(name, schema)| (name, Bytes::copy_from_slice(schema.as_bytes())))
                    .collect();
                if !named.is_empty() {
                    self.schemas.rcu(|known| {
                        let mut known = BTreeMap::clone(known);
                        known.extend(named.clone());
                        known
                    });
                }
            }
            _ => {}
        }
    }
}

fn is_answer(message: &Message, request: &Message) -> bool {
    matches!(message.kind(), MessageKind::Response { id: Some(id), .. } if request.id() == Some(id))
}

/// A message without line ends: in JSON they are only white space, here they would end it.
fn one_line(message: &Bytes) -> Bytes {
    if !message.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return message.clone();
    }
    message.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect::<Vec<u8>>().into()
}

async fn collected(body: TargetBody) -> Result<Bytes, Refusal> {
    let body = Limited::new(body, MAX_MESSAGE).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|_| Refusal::BrokenOff)
}
