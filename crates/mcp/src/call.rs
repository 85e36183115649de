//! One message to a target, what must come back, and why what came back is no answer.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use vidimus_core::ErrorKind;
use vidimus_core::event::Status;
use vidimus_core::json::Limits;
use vidimus_gate::{EvidenceError, PartError, SendError, Unmaskable};

use crate::changed::List;
use crate::envelope::{Id, Message, Method, Sender};
use crate::event_server::EventServerError;
use crate::modern;
use crate::sessions::{Blame, McpSession};

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

/// One message to the target, beside its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// What must come back.
    pub(crate) expected: Expected,
    /// The headers that go along.
    pub(crate) head: HeaderMap,
    /// The schema of the tool, where it has headers repeat arguments.
    pub(crate) repeating: Option<Bytes>,
    /// Whether the answer goes on for as long as the client listens.
    pub(crate) endless: bool,
    /// The lists of whose changes the client asks to be told.
    pub(crate) lists: Vec<List>,
    /// Whether it asks for a list from a cursor on.
    pub(crate) is_continued: bool,
    /// The tool; in the modern era the prompt or resource too.
    pub(crate) name: Option<Box<str>>,
    /// The id that the client gave the request, where it goes to the target under another one.
    pub(crate) answer_as: Option<Id>,
    /// The token by which the client is told of its progress.
    pub(crate) progress: Option<Id>,
    /// The HTTP status that goes with an answer of the modern era, once it is known.
    pub(crate) status: Arc<OnceLock<StatusCode>>,
}

impl Call {
    /// A message of a session on the wire.
    pub(crate) fn legacy(session: &McpSession, expected: Expected) -> Self {
        let head = session.headers();
        let (lists, status) = (Vec::new(), Arc::default());
        let (name, answer_as, progress) = (None, None, None);
        Self {
            expected,
            head,
            repeating: None,
            endless: false,
            lists,
            is_continued: false,
            name,
            answer_as,
            progress,
            status,
        }
    }

    /// The same for a call that is sent with other arguments than the client's: headers that repeat arguments repeat those.
    pub(crate) fn rewritten(self, message: &Bytes) -> Self {
        let Some(schema) = &self.repeating else { return self };
        let head = modern::head_of_arguments(self.head, message, schema);
        Self { head, ..self }
    }

    /// Whether it does no harm to send it twice. A notification tells what is so, and twice is no more than once.
    pub(crate) const fn is_repeatable(&self) -> bool {
        match self.expected {
            Expected::Nothing => true,
            Expected::Response { method, .. } => method.is_repeatable(),
        }
    }
}

/// Why the target's answer is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Events(EventServerError),
    #[error("the target answered with status {0}")]
    Status(StatusCode),
    #[error("the target has forgotten the session; start a new one")]
    SessionLost,
    #[error("policy does not let the caller connect any more")]
    Revoked,
    #[error("the target's answer broke off")]
    BrokenOff,
    #[error("the target's answer stopped for {0:?}")]
    Silence(Duration),
    #[error("the target's answer was not complete after {0:?}")]
    Unfinished(Duration),
    #[error("the target's answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the target's list has more than {0} elements in one answer; a server of so many answers in pages")]
    TooMany(usize),
    #[error(
        "the target's list goes on by a cursor of more than {0} bytes; a server keeps what is longer, and names it"
    )]
    LongCursor(usize),
    #[error("the target's answer is not MCP: {0}")]
    NotMcp(String),
    #[error("the gateway failed; its log says why")]
    Failed,
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Unmaskable(#[from] Unmaskable),
}

impl From<EventServerError> for Fault {
    fn from(error: EventServerError) -> Self {
        match error {
            EventServerError::Send(error) => Self::Send(error),
            error => Self::Events(error),
        }
    }
}

impl From<PartError> for Fault {
    fn from(error: PartError) -> Self {
        match error {
            PartError::Evidence(error) => Self::Evidence(error),
            PartError::Unmaskable(error) => Self::Unmaskable(error),
        }
    }
}

impl Fault {
    /// Whose fault it is.
    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Silence(_) | Self::Unfinished(_) | Self::BrokenOff => Blame::Target,
            Self::Send(SendError::Upstream(error)) if error.kind() != ErrorKind::Limit => Blame::Target,
            // What stands before a server that is down; 500 may be about one message.
            Self::Status(StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT) => {
                Blame::Target
            }
            Self::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Blame::Caller,
            _ => Blame::Message,
        }
    }

    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Silence(_) | Self::Unfinished(_) => Status::Timeout,
            Self::Send(error) => match error {
                SendError::Evidence(_) => Status::Cancelled,
                SendError::Credential(error) if error.kind() == ErrorKind::Timeout => Status::Timeout,
                SendError::Credential(_) => Status::Upstream,
                SendError::Upstream(error) => match error.kind() {
                    ErrorKind::Timeout => Status::Timeout,
                    _ => Status::Upstream,
                },
            },
            Self::Events(error) if error.kind() == ErrorKind::Timeout => Status::Timeout,
            Self::Evidence(_) | Self::Revoked => Status::Cancelled,
            Self::Unmaskable(_) | Self::Failed => Status::Withheld,
            Self::Events(_)
            | Self::Status(_)
            | Self::SessionLost
            | Self::BrokenOff
            | Self::TooLarge(_)
            | Self::TooMany(_)
            | Self::LongCursor(_)
            | Self::NotMcp(_) => Status::Upstream,
        }
    }

    /// What the caller is told: nothing of addresses or the network.
    pub(crate) fn public_message(&self) -> String {
        match self {
            Self::Send(SendError::Upstream(error)) => match error.kind() {
                ErrorKind::Timeout => "the target did not answer in time".into(),
                ErrorKind::Limit => "too many requests wait for the target".into(),
                _ if error.was_sent() => {
                    "the connection to the target broke; the call may have been carried out".into()
                }
                _ => "the target cannot be reached".into(),
            },
            Self::Send(SendError::Credential(error)) => error.public_message().into(),
            Self::Send(SendError::Evidence(_)) | Self::Evidence(_) => {
                "nothing passes while evidence cannot be written".into()
            }
            Self::Events(error) => error.public_message().into(),
            Self::NotMcp(_) => "the target's answer is not MCP".into(),
            Self::Unmaskable(error) => error.public_message().into(),
            Self::Status(_)
            | Self::SessionLost
            | Self::Revoked
            | Self::BrokenOff
            | Self::Silence(_)
            | Self::Unfinished(_)
            | Self::TooLarge(_)
            | Self::TooMany(_)
            | Self::LongCursor(_)
            | Self::Failed => self.to_string(),
        }
    }
}

/// Reads a message of the target.
pub(crate) fn read(session: &McpSession, body: Bytes) -> Result<Message, Fault> {
    Message::parse(body, Sender::Server, &json_limits(session)).map_err(|error| Fault::NotMcp(error.to_string()))
}

/// How large a message of the target may be.
pub(crate) fn json_limits(session: &McpSession) -> Limits {
    Limits { max_bytes: session.target.limits.response_bytes, ..Limits::default() }
}
