//! One message to the target and what comes back, in a task of the gate (Streamable HTTP, MCP 2025-11-25,
//! "Transports: Sending Messages to the Server").
//!
//! The target's answer is read as strictly as a client's message: one response with the id that was asked, or
//! notifications and requests to the client before it (`asks`). Refused: redirects, compressed or oversized bodies, a
//! response to something else; silence, with or without comments in it,
//! and answers that take longer or are larger than the target's limits allow. A stream that the target ends before its
//! response is gone on with where the target gave it an event id. What goes back to the client are the
//! target's bytes, with lists filtered and capabilities clamped by splicing.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_LENGTH};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use vidimus_core::Action;
use vidimus_core::event::Status;
use vidimus_core::json::{Document, Limits, Replacement, splice};
use vidimus_gate::{Dial, InFlight, Outcome, Wire};

use crate::call::{Call, Expected, Fault, read};
use crate::envelope::{Id, MessageKind, Method, code};
use crate::headers::{self, EVENT_STREAM, LAST_EVENT_ID};
use crate::outcomes::concluded;
use crate::server::ServerBody;
use crate::sessions::McpSession;
use crate::{asks, changed, members, offline, reply, sse, tell};

/// How long the target may take to answer the end of a session.
pub(crate) const END_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an answer that goes on for as long as the client listens may take: longer than any process runs.
const ENDLESS: Duration = Duration::from_hours(24 * 365 * 10);

/// How long to wait before a stream is gone on with when the target does not say, and at least.
const RETRY: Duration = Duration::from_secs(1);
const SHORTEST_RETRY: Duration = Duration::from_millis(50);

/// Sends the wire, hands parts of the answer to the flight as they come, and finishes it.
pub(crate) async fn exchange(session: Arc<McpSession>, call: Call, wire: Wire, mut flight: Box<InFlight>) {
    let _followed = call.progress.as_ref().map(|token| session.topics.follow(token));
    let outcome = match &call.expected {
        Expected::Response { id, .. } => {
            let gone = flight.abandonment();
            match session.run(id) {
                Some(running) => tokio::select! {
                    biased;
                    outcome = outcome(&session, &call, wire, &mut flight) => outcome,
                    () = running.cancelled.cancelled() => taken_back(id),
                    // "Closing the SSE response stream MUST be treated as cancellation" (MCP 2026-07-28), not before.
                    () = gone, if session.client_is_modern() => taken_back(id),
                },
                None => in_use(id),
            }
        }
        Expected::Nothing => outcome(&session, &call, wire, &mut flight).await,
    };
    let outcome = Outcome { body: as_the_client_asked(&call, outcome.body), ..outcome };
    flight.finish(outcome, |reason| as_the_client_asked(&call, withheld(&session, &call, reason))).await;
}

/// An answer under the id that the client gave its request. What cannot be read is none of a target's: it goes as it is.
fn as_the_client_asked(call: &Call, body: Bytes) -> Bytes {
    let Some(id) = &call.answer_as else { return body };
    let limits = Limits { max_bytes: usize::MAX, max_nodes: usize::MAX, ..Limits::default() };
    let Ok(document) = Document::parse(body.clone(), &limits) else { return body };
    let Some(span) = document.root().get("id").map(|id| id.span()) else { return body };
    splice(&body, &[Replacement { span, with: Bytes::copy_from_slice(id.lexeme().as_bytes()) }]).unwrap_or(body)
}

/// What the client gets instead of a result that cannot be masked.
fn withheld(session: &McpSession, call: &Call, reason: &str) -> Bytes {
    match &call.expected {
        Expected::Response { id, method: Method::CallTool } => {
            reply::tool_error(id, reason, None, session.client_is_modern())
        }
        Expected::Response { id, .. } => reply::error(Some(id), code::INTERNAL_ERROR, reason, None),
        Expected::Nothing => Bytes::new(),
    }
}

/// The end of a request whose id another one of the session still bears (JSON-RPC 2.0 section 4 and MCP, "Requests": an id
/// is used once): the target could not say which of the two it answers.
pub(crate) fn in_use(id: &Id) -> Outcome {
    let text = "a request of this id is being answered; use each id once";
    let body = reply::error(Some(id), code::INVALID_REQUEST, text, None);
    Outcome { status: Status::Error, body, members: members::OWN, schema: None }
}

/// The end of a request that the client has taken back: it waits for no answer any more.
pub(crate) fn taken_back(id: &Id) -> Outcome {
    let body = reply::error(Some(id), code::INTERNAL_ERROR, "the request was cancelled", None);
    Outcome { status: Status::Cancelled, body, members: members::OWN, schema: None }
}

/// Sends the wire and hands parts of the answer to the flight; how it ended, in words for the client.
pub(crate) async fn outcome(session: &Arc<McpSession>, call: &Call, wire: Wire, flight: &mut InFlight) -> Outcome {
    match answered(session, call, wire, flight).await {
        Ok(outcome) => outcome,
        Err(fault) => {
            tracing::warn!(
                target = %session.target.spec.name,
                session = %session.gate.id(),
                error = %fault,
                "a call got no valid answer from its target"
            );
            session.set_blame(fault.blame());
            if matches!(fault, Fault::SessionLost) {
                session.set_lost();
            }
            if let Some(body) = offline::instead(session, call, &fault) {
                // What is on record is that the target did not answer.
                let members = members::of_answer(Method::ListTools, session.is_modern);
                return Outcome { status: fault.status(), body, members, schema: None };
            }
            let body = match &call.expected {
                Expected::Nothing => Bytes::new(),
                Expected::Response { id, .. } => {
                    reply::error(Some(id), code::INTERNAL_ERROR, &fault.public_message(), None)
                }
            };
            Outcome { status: fault.status(), body, members: members::OWN, schema: None }
        }
    }
}

async fn answered(session: &Arc<McpSession>, call: &Call, wire: Wire, flight: &mut InFlight) -> Result<Outcome, Fault> {
    let mut patience = Patience::new(&session.target.limits, call.endless);
    let wire = if call.is_repeatable() { wire.repeatable() } else { wire };
    // On the heap until there is an answer: a subscription then waits without it.
    let sent = Box::pin(session.target.upstream.send(wire, call.head.clone()));
    let response = tokio::time::timeout_at(patience.deadline, sent).await.map_err(|_| patience.unfinished())??;
    patience.heard();
    let status = response.status();
    if status == StatusCode::NOT_FOUND && session.upstream_id.get().is_some() {
        return Err(Fault::SessionLost);
    }
    let Expected::Response { method, .. } = &call.expected else {
        return if status.is_success() { Ok(Outcome::silent(Status::Ok)) } else { Err(refused(session, status)) };
    };
    let upstream_id = match headers::session_id(response.headers()) {
        Ok(id) => id.and_then(|id| HeaderValue::from_str(id).ok()),
        Err(error) => return Err(Fault::NotMcp(error.to_string())),
    };
    if *method == Method::Initialize
        && let Some(upstream_id) = upstream_id
    {
        // Set once: the session is new. Whatever the answer is, the target holds a session now, and is told of its end.
        let _ = session.upstream_id.set(upstream_id);
    }
    let outcome = if headers::is_json(response.headers()) {
        let body = collect(response, session.target.limits.response_bytes, &mut patience).await?;
        let message = read(session, body)?;
        // An error status may carry the reason as a JSON-RPC error; a result under one is none.
        let is_error = matches!(message.kind(), MessageKind::Response { is_error: true, .. });
        if !status.is_success() && !is_error {
            return Err(refused(session, status));
        }
        if message.id().is_some() {
            session.set_known();
        } else if is_lost(session, status) {
            return Err(Fault::SessionLost);
        }
        concluded(session, call, &message, flight.address()).await?
    } else if status != StatusCode::OK {
        return Err(refused(session, status));
    } else if headers::is_event_stream(response.headers()) {
        session.set_known();
        streamed(session, call, response, flight, &mut patience).await?
    } else {
        return Err(Fault::NotMcp("it is neither plain JSON nor a stream of events".into()));
    };
    Ok(outcome)
}

/// A status without an answer to what was asked.
fn refused(session: &McpSession, status: StatusCode) -> Fault {
    if is_lost(session, status) { Fault::SessionLost } else { Fault::Status(status) }
}

/// Whether a status that comes with no answer by the request's id means that the session is forgotten. 400 may be meant for
/// the message; twice in a row it is meant for the session: so servers answer that do not know its id, and do not know
/// either that the answer to that is 404.
fn is_lost(session: &McpSession, status: StatusCode) -> bool {
    status == StatusCode::BAD_REQUEST && session.upstream_id.get().is_some() && session.doubt()
}

/// Tells the target that its session is over, without waiting long, and not beyond `until`: whether it listens changes
/// nothing.
pub(crate) async fn end(session: &McpSession, leave: &Dial, until: Instant) {
    if session.upstream_id.get().is_none() {
        return;
    }
    if session.is_lost() {
        session.target.upstream.forget(&session.headers());
        return;
    }
    let told = session.target.upstream.end(leave, session.headers());
    match tokio::time::timeout_at(until.min(Instant::now() + END_TIMEOUT), told).await {
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
    call: &Call,
    response: Response<ServerBody>,
    flight: &mut InFlight,
    patience: &mut Patience,
) -> Result<Outcome, Fault> {
    let limits = &session.target.limits;
    let mut body = response.into_body();
    let mut decoder = sse::Decoder::new(limits.response_bytes);
    let mut events = Vec::new();
    // The gateway itself waits for one message.
    let most = if session.gate.is_own() { limits.response_bytes } else { limits.stream_bytes };
    let mut left = most;
    let mut changes = tell::Changes::of(session);
    if call.endless {
        // Policies may have changed between the decision and now.
        may_go_on(session, flight)?;
    }
    // What a subscription tells of comes after its acknowledgement.
    let mut listener: Option<tell::Listener<'_>> = None;
    loop {
        let data = tokio::select! {
            data = patience.data(&mut body) => match data {
                Err(Fault::BrokenOff) => None,
                data => data?,
            },
            changed = changes.next(), if call.endless => {
                may_go_on(session, flight)?;
                if let Some(listener) = listener.as_mut().filter(|_| changed) {
                    Box::pin(listener.changes(session, flight)).await?;
                }
                continue;
            }
        };
        let Some(data) = data else {
            body = resumed(session, &decoder, flight, patience).await?;
            decoder.reconnected();
            continue;
        };
        left = left.checked_sub(data.len()).ok_or(Fault::TooLarge(most))?;
        decoder.push(&data, &mut events).map_err(|error| Fault::NotMcp(error.to_string()))?;
        for event in std::mem::take(&mut events) {
            if event.data.is_empty() {
                // A 2025-11-25 server may send an empty event to prime resumption.
                continue;
            }
            let message = read(session, event.data)?;
            match message.kind() {
                MessageKind::Response { .. } => return concluded(session, call, &message, flight.address()).await,
                MessageKind::Notification { method: Method::Acknowledged } if call.endless && listener.is_none() => {
                    let acknowledged = changed::acknowledged(&message, &call.lists);
                    let acknowledged = acknowledged.map_err(|error| Fault::NotMcp(error.to_string()))?;
                    asks::relay(session, &read(session, acknowledged)?, flight).await?;
                    let subscription = match &call.expected {
                        Expected::Response { id, .. } => Some(id),
                        Expected::Nothing => None,
                    };
                    let begun = tell::Listener::new(session, &call.lists, subscription);
                    listener.insert(begun).changes(session, flight).await?;
                }
                MessageKind::Notification { .. } | MessageKind::Request { .. } => {
                    asks::relay(session, &message, flight).await?;
                }
            }
            // Only a message counts: comments and empty events say nothing of the call.
            patience.heard();
        }
    }
}

/// The rest of an answer whose stream has ended too early, where the target said after which event to go on (MCP
/// 2025-11-25, "Resumability and Redelivery", and how servers make clients poll).
async fn resumed(
    session: &McpSession,
    decoder: &sse::Decoder,
    flight: &InFlight,
    patience: &Patience,
) -> Result<ServerBody, Fault> {
    let id = HeaderValue::from_str(decoder.last_event_id()).ok();
    let id = id.filter(|id| !id.is_empty() && !session.is_modern).ok_or(Fault::BrokenOff)?;
    let wait = decoder.retry().unwrap_or(RETRY).max(SHORTEST_RETRY);
    let mut headers = session.headers();
    headers.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(LAST_EVENT_ID, id);
    let asked = async {
        tokio::time::sleep(wait).await;
        session.target.upstream.listen(flight.rest(), headers).await
    };
    let response = tokio::time::timeout_at(patience.end(), asked).await.map_err(|_| patience.lost())??;
    if response.status() == StatusCode::OK && headers::is_event_stream(response.headers()) {
        Ok(response.into_body())
    } else {
        Err(Fault::BrokenOff)
    }
}

/// Refuses to go on listening when the caller may connect no more.
pub(crate) fn may_go_on(session: &McpSession, flight: &InFlight) -> Result<(), Fault> {
    if session.gate.may_do(&Action::Connect, flight.address()) { Ok(()) } else { Err(Fault::Revoked) }
}

/// The whole body, without a copy when it came in one piece.
async fn collect(response: Response<ServerBody>, limit: usize, patience: &mut Patience) -> Result<Bytes, Fault> {
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
    fn new(limits: &crate::target::Limits, endless: bool) -> Self {
        let now = Instant::now();
        let (silence, total) = if endless { (ENDLESS, ENDLESS) } else { (limits.silence, limits.total) };
        Self { silence, silent_until: now + silence, total, deadline: now + total }
    }

    /// The target has said something.
    fn heard(&mut self) {
        self.silent_until = Instant::now() + self.silence;
    }

    /// The next data of the body; `None` at its end.
    async fn data(&self, body: &mut ServerBody) -> Result<Option<Bytes>, Fault> {
        let until = self.end();
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

    /// When it ends, if nothing is heard.
    fn end(&self) -> Instant {
        self.silent_until.min(self.deadline)
    }

    fn lost(&self) -> Fault {
        if self.silent_until < self.deadline { Fault::Silence(self.silence) } else { self.unfinished() }
    }

    const fn unfinished(&self) -> Fault {
        Fault::Unfinished(self.total)
    }
}
