//! One message to the target and what comes back, in a task of the gate (Streamable HTTP, MCP 2025-11-25,
//! "Transports: Sending Messages to the Server").
//!
//! The target's answer is read as strictly as a client's message: one response with the id that was asked, or
//! notifications and requests to the client before it (`asks`). Refused: redirects, compressed or oversized bodies, a
//! response to something else; silence, with or without comments in it,
//! and answers that take longer or are larger than the target's limits allow. What goes back to the client are the
//! target's bytes, with lists filtered and capabilities clamped by splicing.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use vidimus_core::event::Status;
use vidimus_core::json::Limits;
use vidimus_core::{Action, ErrorKind};
use vidimus_gate::{Dial, EvidenceError, InFlight, Outcome, SendError, Wire};
use vidimus_net::Incoming;

use crate::envelope::{Class, Id, ListKind, Message, MessageKind, Method, Sender, code};
use crate::headers;
use crate::sessions::McpSession;
use crate::{asks, initialize, lists, reply, sse};

/// How long the target may take to answer the end of a session.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// What the answer to a message must be.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// None: it was a notification.
    Nothing,
    /// A response to this request.
    Response {
        /// Its id.
        id: Id,
        /// What was asked.
        method: Method,
    },
}

/// Why the target's answer is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the target answered with status {0}")]
    Status(StatusCode),
    #[error("the target has forgotten the session; start a new one")]
    SessionLost,
    #[error("the target's answer broke off")]
    BrokenOff,
    #[error("the target's answer stopped for {0:?}")]
    Silence(Duration),
    #[error("the target's answer was not complete after {0:?}")]
    Unfinished(Duration),
    #[error("the target's answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the target's answer is not MCP: {0}")]
    NotMcp(String),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

impl Fault {
    pub(crate) const fn status(&self) -> Status {
        match self {
            Self::Silence(_) | Self::Unfinished(_) => Status::Timeout,
            Self::Send(error) => match error {
                SendError::Evidence(_) => Status::Cancelled,
                SendError::Upstream(error) => match error.kind() {
                    ErrorKind::Timeout => Status::Timeout,
                    _ => Status::Upstream,
                },
            },
            Self::Evidence(_) => Status::Cancelled,
            Self::Status(_) | Self::SessionLost | Self::BrokenOff | Self::TooLarge(_) | Self::NotMcp(_) => {
                Status::Upstream
            }
        }
    }

    /// What the caller is told: nothing of addresses or the network.
    fn public_message(&self) -> String {
        match self {
            Self::Send(SendError::Upstream(error)) => match error.kind() {
                ErrorKind::Timeout => "the target did not answer in time".into(),
                _ => "the target cannot be reached".into(),
            },
            Self::Send(SendError::Evidence(_)) | Self::Evidence(_) => {
                "nothing passes while evidence cannot be written".into()
            }
            Self::NotMcp(_) => "the target's answer is not MCP".into(),
            Self::Status(_)
            | Self::SessionLost
            | Self::BrokenOff
            | Self::Silence(_)
            | Self::Unfinished(_)
            | Self::TooLarge(_) => self.to_string(),
        }
    }
}

/// Sends the wire, hands parts of the answer to the flight as they come, and finishes it.
pub(crate) async fn exchange(session: Arc<McpSession>, expected: Expected, wire: Wire, mut flight: InFlight) {
    let outcome = match &expected {
        Expected::Response { id, .. } => {
            let running = session.run(id);
            tokio::select! {
                biased;
                outcome = outcome(&session, &expected, wire, &mut flight) => outcome,
                () = running.cancelled.cancelled() => taken_back(id),
            }
        }
        Expected::Nothing => outcome(&session, &expected, wire, &mut flight).await,
    };
    flight.finish(outcome).await;
}

/// The end of a request that the client has taken back: it waits for no answer any more.
fn taken_back(id: &Id) -> Outcome {
    let body = reply::error(Some(id), code::INTERNAL_ERROR, "the request was cancelled", None);
    Outcome { status: Status::Cancelled, body }
}

/// Sends the wire and hands parts of the answer to the flight; how it ended, in words for the client.
pub(crate) async fn outcome(
    session: &Arc<McpSession>,
    expected: &Expected,
    wire: Wire,
    flight: &mut InFlight,
) -> Outcome {
    match answered(session, expected, wire, flight).await {
        Ok(outcome) => outcome,
        Err(fault) => {
            tracing::warn!(
                target = %session.target.spec.name,
                session = %session.gate.id(),
                error = %fault,
                "a call got no valid answer from its target"
            );
            if matches!(fault, Fault::SessionLost) {
                session.set_lost();
            }
            let body = match expected {
                Expected::Nothing => Bytes::new(),
                Expected::Response { id, .. } => {
                    reply::error(Some(id), code::INTERNAL_ERROR, &fault.public_message(), None)
                }
            };
            Outcome { status: fault.status(), body }
        }
    }
}

async fn answered(
    session: &Arc<McpSession>,
    expected: &Expected,
    wire: Wire,
    flight: &mut InFlight,
) -> Result<Outcome, Fault> {
    let mut patience = Patience::new(&session.target.limits);
    let sent = session.target.upstream.send(wire, session.headers());
    let response = tokio::time::timeout_at(patience.deadline, sent).await.map_err(|_| patience.unfinished())??;
    patience.heard();
    let status = response.status();
    if status == StatusCode::NOT_FOUND && session.upstream_id.get().is_some() {
        return Err(Fault::SessionLost);
    }
    let Expected::Response { id, method } = expected else {
        return if status.is_success() {
            Ok(Outcome { status: Status::Ok, body: Bytes::new() })
        } else {
            Err(Fault::Status(status))
        };
    };
    let upstream_id = match headers::session_id(response.headers()) {
        Ok(id) => id.and_then(|id| HeaderValue::from_str(id).ok()),
        Err(error) => return Err(Fault::NotMcp(error.to_string())),
    };
    let outcome = if headers::is_json(response.headers()) {
        let body = collect(response, session.target.limits.response_bytes, &mut patience).await?;
        let message = read(session, body)?;
        // An error status may carry the reason as a JSON-RPC error; a result under one is none.
        let is_error = matches!(message.kind(), MessageKind::Response { is_error: true, .. });
        if !status.is_success() && !is_error {
            return Err(Fault::Status(status));
        }
        concluded(session, id, *method, &message)?
    } else if status != StatusCode::OK {
        return Err(Fault::Status(status));
    } else if headers::is_event_stream(response.headers()) {
        streamed(session, id, *method, response, flight, &mut patience).await?
    } else {
        return Err(Fault::NotMcp("it is neither plain JSON nor a stream of events".into()));
    };
    if *method == Method::Initialize
        && outcome.status == Status::Ok
        && let Some(upstream_id) = upstream_id
    {
        // Set once: the session is new.
        let _ = session.upstream_id.set(upstream_id);
    }
    Ok(outcome)
}

/// Tells the target that its session is over, without waiting long: whether it listens changes nothing.
pub(crate) async fn end(session: &McpSession, leave: &Dial) {
    if session.upstream_id.get().is_none() || session.is_lost() {
        return;
    }
    let told = session.target.upstream.end(leave, session.headers());
    match tokio::time::timeout(END_TIMEOUT, told).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::debug!(%error, session = %session.gate.id(), "the target was not told that a session ended");
        }
        Err(_) => tracing::debug!(session = %session.gate.id(), "the target did not answer the end of a session"),
    }
}

/// Reads an SSE answer: notifications go on as they come, the response ends it.
async fn streamed(
    session: &Arc<McpSession>,
    id: &Id,
    method: Method,
    response: Response<Incoming>,
    flight: &mut InFlight,
    patience: &mut Patience,
) -> Result<Outcome, Fault> {
    let limits = &session.target.limits;
    let mut body = response.into_body();
    let mut decoder = sse::Decoder::new(limits.response_bytes);
    let mut events = Vec::new();
    let mut left = limits.stream_bytes;
    loop {
        let Some(data) = patience.data(&mut body).await? else { return Err(Fault::BrokenOff) };
        left = left.checked_sub(data.len()).ok_or(Fault::TooLarge(limits.stream_bytes))?;
        decoder.push(&data, &mut events).map_err(|error| Fault::NotMcp(error.to_string()))?;
        for event in events.drain(..) {
            if event.data.is_empty() {
                // A 2025-11-25 server may send an empty event to prime resumption.
                continue;
            }
            let message = read(session, event.data)?;
            match message.kind() {
                MessageKind::Response { .. } => return concluded(session, id, method, &message),
                MessageKind::Notification { .. } | MessageKind::Request { .. } => {
                    asks::relay(session, &message, flight).await?;
                }
            }
            // Only a message counts: comments and empty events say nothing of the call.
            patience.heard();
        }
    }
}

/// Reads a message of the target.
pub(crate) fn read(session: &McpSession, body: Bytes) -> Result<Message, Fault> {
    Message::parse(body, Sender::Server, &json_limits(session)).map_err(|error| Fault::NotMcp(error.to_string()))
}

fn json_limits(session: &McpSession) -> Limits {
    Limits { max_bytes: session.target.limits.response_bytes, ..Limits::default() }
}

/// The outcome that a response stands for, once it is the response to what was asked.
fn concluded(session: &McpSession, asked: &Id, method: Method, message: &Message) -> Result<Outcome, Fault> {
    let MessageKind::Response { id, is_error } = message.kind() else {
        return Err(Fault::NotMcp("it is no response".into()));
    };
    if id.as_ref().is_some_and(|id| id != asked) || (id.is_none() && !is_error) {
        return Err(Fault::NotMcp("it answers another request".into()));
    }
    if *is_error {
        return Ok(Outcome { status: Status::Error, body: sse::flatten(message.bytes()) });
    }
    let body = match method.class() {
        // The gateway itself reads whole lists: what it learns is what callers' lists are filtered by.
        Class::List(kind) if !session.gate.is_own() => filtered(session, kind, message)?,
        _ if method == Method::Initialize => {
            let hello = initialize::server_hello(message).map_err(|error| Fault::NotMcp(error.to_string()))?;
            // Set once: the session is new.
            let _ = session.version.set(hello.revision);
            hello.wire
        }
        _ => message.bytes().clone(),
    };
    let failed = method == Method::CallTool
        && message.result().and_then(|result| result.get("isError")).and_then(|flag| flag.as_bool()) == Some(true);
    let status = if failed { Status::Error } else { Status::Ok };
    Ok(Outcome { status, body: sse::flatten(&body) })
}

/// A list without what the caller may not see.
fn filtered(session: &McpSession, kind: ListKind, message: &Message) -> Result<Bytes, Fault> {
    let tools = session.target.tools.known();
    let is_visible = |name: &str| match kind {
        // A tool the gateway has not read the definition of cannot be called, so it is not shown.
        ListKind::Tools => {
            tools.as_ref().and_then(|tools| tools.get(name)).is_some_and(|tool| session.gate.may_see(tool))
        }
        ListKind::Resources => session.gate.may_do(&Action::ResourceRead(name.into())),
        ListKind::Prompts => session.gate.may_do(&Action::PromptGet(name.into())),
        // A template names no resource yet: reading one is decided by its URI.
        ListKind::ResourceTemplates => true,
    };
    let list = lists::filter(message, kind, &json_limits(session), is_visible)
        .map_err(|error| Fault::NotMcp(error.to_string()))?;
    if list.unreadable > 0 {
        tracing::warn!(
            target = %session.target.spec.name,
            elements = list.unreadable,
            "elements of a list were withheld: they cannot be read for certain"
        );
    }
    Ok(list.document.bytes().clone())
}

/// The whole body, without a copy when it came in one piece.
async fn collect(response: Response<Incoming>, limit: usize, patience: &mut Patience) -> Result<Bytes, Fault> {
    let announced = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Fault::TooLarge(limit));
    }
    let mut body = response.into_body();
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(data) = patience.data(&mut body).await? {
        if !data.is_empty() {
            patience.heard();
        }
        if first.len() + all.len() + data.len() > limit {
            return Err(Fault::TooLarge(limit));
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.reserve(announced.unwrap_or(2 * (first.len() + data.len())));
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// How long the target's answer is still waited for: until it has been silent for too long, or the call has taken too
/// long, whichever is first.
struct Patience {
    silence: Duration,
    silent_until: Instant,
    total: Duration,
    deadline: Instant,
}

impl Patience {
    fn new(limits: &crate::target::Limits) -> Self {
        let now = Instant::now();
        let (silence, total) = (limits.silence, limits.total);
        Self { silence, silent_until: now + silence, total, deadline: now + total }
    }

    /// The target has said something.
    fn heard(&mut self) {
        self.silent_until = Instant::now() + self.silence;
    }

    /// The next data of the body; `None` at its end.
    async fn data(&self, body: &mut Incoming) -> Result<Option<Bytes>, Fault> {
        let until = self.silent_until.min(self.deadline);
        loop {
            // A timeout alone does not end a body that always has something ready.
            if Instant::now() >= until {
                return Err(self.lost());
            }
            let frame = tokio::time::timeout_at(until, body.frame()).await.map_err(|_| self.lost())?;
            let Some(frame) = frame else { return Ok(None) };
            if let Ok(data) = frame.map_err(|_| Fault::BrokenOff)?.into_data() {
                return Ok(Some(data));
            }
        }
    }

    fn lost(&self) -> Fault {
        if self.silent_until < self.deadline { Fault::Silence(self.silence) } else { self.unfinished() }
    }

    const fn unfinished(&self) -> Fault {
        Fault::Unfinished(self.total)
    }
}
