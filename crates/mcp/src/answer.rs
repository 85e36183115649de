//! Answers over HTTP: what was released, with the status and media type the protocol wants.
//!
//! A tool call that policy denies is HTTP 200 and a result marked as an error, so that a model reads why. What could
//! not be recorded is 503, whatever else it would have been (NIST SP 800-53 AU-5).

use std::num::NonZeroU32;
use std::sync::OnceLock;

use http::{HeaderValue, StatusCode};
use vidimus_core::ErrorKind;
use vidimus_core::event::Status;
use vidimus_gate::{Answer, Answers, Denied, Framing, Held, Notice, Pending, Refusal, Released, ReleasedBody};

use crate::envelope::{Id, Message, Method};
use crate::headers::{EVENT_STREAM, JSON};
use crate::reply::Meta;
use crate::sessions::McpSession;
use crate::{reply, sse};

/// The code of a refusal by policy outside tool calls: the first of JSON-RPC's range for implementations.
pub(crate) const DENIED: i32 = -32_001;

/// The code of a refusal by a limit, of the same range: none that MCP gives another meaning.
const LIMITED: i32 = -32_029;

/// What stands around each message of a stream.
pub(crate) const FRAMING: Framing = Framing { id: sse::ID, before: sse::BEFORE, after: sse::AFTER, idle: sse::IDLE };

/// An answer and its HTTP status.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: ReleasedBody,
    pub(crate) content_type: Option<&'static str>,
    /// `Mcp-Session-Id`, when a session begins.
    pub(crate) session: Option<HeaderValue>,
    /// `WWW-Authenticate`, when another token is needed: rare, and as large as all the rest.
    pub(crate) challenge: Option<Box<HeaderValue>>,
    /// `Retry-After` in seconds, when a limit was passed.
    pub(crate) retry_after: Option<NonZeroU32>,
    /// Whether the body is a fixed text of the gateway's and no message of the protocol.
    pub(crate) is_notice: bool,
}

impl Reply {
    pub(crate) fn json(status: StatusCode, released: Released) -> Self {
        Self::of(status, ReleasedBody::whole(released), Some(JSON))
    }

    pub(crate) fn stream(first: Option<Released>, answers: Answers) -> Self {
        Self::events(ReleasedBody::stream(first, answers, FRAMING))
    }

    pub(crate) fn notice(status: StatusCode, notice: Notice) -> Self {
        let content_type = (notice != Notice::Empty).then_some(JSON);
        Self { is_notice: true, ..Self::of(status, ReleasedBody::whole(notice), content_type) }
    }

    /// A stream of events.
    pub(crate) const fn events(body: ReleasedBody) -> Self {
        Self::of(StatusCode::OK, body, Some(EVENT_STREAM))
    }

    const fn of(status: StatusCode, body: ReleasedBody, content_type: Option<&'static str>) -> Self {
        Self { status, body, content_type, session: None, challenge: None, retry_after: None, is_notice: false }
    }

    pub(crate) fn challenged(self, challenge: HeaderValue) -> Self {
        Self { challenge: Some(Box::new(challenge)), ..self }
    }
}

/// A denial in the words of what was asked: a tool answers that it failed, so that a model reads why, and when to try again
/// if it was by a limit.
pub(crate) fn denied_as_asked(message: &Message, denied: &Denied, modern: bool) -> Reply {
    match (message.method(), message.id()) {
        (Some(Method::CallTool), Some(id))
            if denied.refusal().kind == ErrorKind::Denied || denied.refusal().limit.is_some() =>
        {
            let encode = |refusal: &Refusal| reply::tool_error(id, &refusal.message, meta(refusal), modern);
            Reply { retry_after: retry_after(denied), ..Reply::json(StatusCode::OK, denied.release(encode)) }
        }
        (_, Some(id)) => told(StatusCode::OK, Some(id), DENIED, denied),
        (_, None) => told(StatusCode::FORBIDDEN, None, DENIED, denied),
    }
}

/// What is told of a call that waits for approval: a tool answers that it failed, so that a model reads what to do.
pub(crate) fn pending(message: &Message, held: &Held, modern: bool) -> Reply {
    let encode = |pending: &Pending| {
        let text = told_pending(pending);
        match message.id() {
            Some(id) => reply::tool_error(id, &text, Some(pending.reference.as_str()), modern),
            None => reply::error(None, DENIED, &text, Some(pending.reference.as_str())),
        }
    };
    Reply::json(StatusCode::OK, held.release(encode))
}

/// What a call waits for, in words.
pub(crate) fn told_pending(pending: &Pending) -> String {
    let Pending { message, expires, .. } = pending;
    let until = expires.split_once('.').map_or(expires.as_str(), |(seconds, _)| seconds);
    format!(
        "{message} The call waits for approval until {until}Z and was not sent: make the same call again to have it run once approved"
    )
}

/// The answers of an exchange as an HTTP answer: JSON when there is only a result, else a stream.
///
/// `status` is set when the target's answer has one of its own.
pub(crate) async fn relayed(
    session: &McpSession,
    message: &Message,
    mut answers: Answers,
    status: &OnceLock<StatusCode>,
) -> Result<Reply, Reply> {
    let is_notification = message.id().is_none();
    match answers.next().await {
        Some(Answer::Last { status: Status::Ok, .. }) if is_notification => {
            Ok(Reply::notice(StatusCode::ACCEPTED, Notice::Empty))
        }
        Some(Answer::Last { released, .. }) => {
            // A client that has several targets keeps its own session.
            let status = if session.is_lost() && !session.is_beside() {
                StatusCode::NOT_FOUND
            } else if is_notification {
                StatusCode::BAD_GATEWAY
            } else {
                status.get().copied().unwrap_or(StatusCode::OK)
            };
            Ok(Reply::json(status, released))
        }
        Some(Answer::Opened) => Ok(Reply::stream(None, answers)),
        Some(Answer::Chunk(first)) => Ok(Reply::stream(Some(first), answers)),
        Some(Answer::Unrecorded) => Err(Reply::notice(StatusCode::SERVICE_UNAVAILABLE, Notice::EvidenceUnavailable)),
        None => Err(Reply::notice(StatusCode::SERVICE_UNAVAILABLE, Notice::CutOff)),
    }
}

/// The answer to a client that wants to listen: a stream once the target has begun one.
pub(crate) async fn listening(mut answers: Answers) -> Result<Reply, Reply> {
    match answers.next().await {
        Some(Answer::Opened) => Ok(Reply::stream(None, answers)),
        Some(Answer::Chunk(first)) => Ok(Reply::stream(Some(first), answers)),
        Some(Answer::Last { .. }) => Err(Reply::notice(StatusCode::METHOD_NOT_ALLOWED, Notice::NoStream)),
        Some(Answer::Unrecorded) => Err(Reply::notice(StatusCode::SERVICE_UNAVAILABLE, Notice::EvidenceUnavailable)),
        None => Err(Reply::notice(StatusCode::SERVICE_UNAVAILABLE, Notice::CutOff)),
    }
}

/// The status of a notice, unless evidence or identity are what is wrong.
pub(crate) fn refused(status: StatusCode, notice: Notice) -> Reply {
    match notice {
        Notice::EvidenceUnavailable | Notice::IdentityUnavailable => {
            Reply::notice(StatusCode::SERVICE_UNAVAILABLE, notice)
        }
        _ => Reply::notice(status, notice),
    }
}

/// A notice, if the denial it answers is on record.
pub(crate) fn evidenced(denied: &Denied, status: StatusCode, notice: Notice) -> Reply {
    if denied.refusal().limit.is_some() {
        let reply = Reply::notice(StatusCode::TOO_MANY_REQUESTS, Notice::Limited);
        Reply { retry_after: retry_after(denied), ..reply }
    } else if recorded(denied) {
        Reply::notice(status, notice)
    } else {
        Reply::notice(StatusCode::SERVICE_UNAVAILABLE, Notice::EvidenceUnavailable)
    }
}

/// Whether a denial is on record. One by a limit is counted, and to be told in its own words.
pub(crate) fn recorded(denied: &Denied) -> bool {
    denied.refusal().reference.is_some() && denied.refusal().limit.is_none()
}

/// What programs read of a refusal.
pub(crate) fn meta(refusal: &Refusal) -> Meta<'_> {
    let retry_after = refusal.limit.as_ref().and_then(|limit| limit.retry_after);
    Meta { reference: refusal.reference.as_deref(), retry_after }
}

fn retry_after(denied: &Denied) -> Option<NonZeroU32> {
    let seconds = meta(denied.refusal()).retry_after?;
    NonZeroU32::new(u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// A refusal as a JSON-RPC error, with the reference to its record; 503 when it could not be recorded, 429 for what is beyond
/// a limit and no request of a session.
pub(crate) fn told(status: StatusCode, id: Option<&Id>, code: i32, denied: &Denied) -> Reply {
    let refusal = denied.refusal();
    let status = match refusal.kind {
        // An answer to a request of a session: an official client (Python 1.x) gives the session up at any other status.
        _ if refusal.limit.is_some() && status == StatusCode::OK && id.is_some() => status,
        _ if refusal.limit.is_some() => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Evidence => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Limit if status == StatusCode::OK => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::NotFound if refusal.reason == "session_closed" => StatusCode::NOT_FOUND,
        _ => status,
    };
    let code = if refusal.limit.is_some() { LIMITED } else { code };
    let encode = |refusal: &Refusal| reply::error(id, code, &refusal.message, meta(refusal));
    Reply { retry_after: retry_after(denied), ..Reply::json(status, denied.release(encode)) }
}
