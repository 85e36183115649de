//! Why a message was refused, what it is answered with, and to which request.
//!
//! The texts name rules and keys of the protocol, never what the message held, so the sender may read them.

use vidimus_core::ErrorKind;
use vidimus_core::json::JsonError;

use super::id::Id;
use super::method::Method;

/// Error codes of JSON-RPC 2.0 §5.1 and of MCP.
pub mod code {
    /// The text is no JSON.
    pub const PARSE_ERROR: i32 = -32700;
    /// The JSON is no message.
    pub const INVALID_REQUEST: i32 = -32600;
    /// The method is not offered.
    pub const METHOD_NOT_FOUND: i32 = -32601;
    /// The parameters are not the method's; MCP also says so of an unknown tool ("Tools", "Error Handling").
    pub const INVALID_PARAMS: i32 = -32602;
    /// The fault is on this side.
    pub const INTERNAL_ERROR: i32 = -32603;
    /// Headers and body differ (MCP 2026-07-28, "Error Codes").
    pub const HEADER_MISMATCH: i32 = -32020;
    /// The client lacks a capability that the request needs.
    pub const MISSING_CAPABILITY: i32 = -32021;
    /// The revision is not spoken.
    pub const UNSUPPORTED_VERSION: i32 = -32022;
}

/// A refused message. Small on purpose: the details are behind one pointer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .0.problem)]
pub struct EnvelopeError(Box<Refusal>);

/// A problem, and the request it is of when its id was read.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) problem: Problem,
    pub(super) id: Option<Id>,
    /// What it asks for, when that much could be read.
    pub(super) method: Option<Method>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, id: None, method: None }
    }
}

impl From<Refusal> for EnvelopeError {
    fn from(refusal: Refusal) -> Self {
        Self(Box::new(refusal))
    }
}

impl EnvelopeError {
    /// The rule that was broken.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// The request to answer, when its id was read.
    pub fn id(&self) -> Option<&Id> {
        self.0.id.as_ref()
    }

    /// What the refused request asks for; none when there is no request with an id and a method.
    pub fn method(&self) -> Option<Method> {
        self.0.method.filter(|_| self.0.id.is_some())
    }

    /// The sender's fault, or a limit.
    pub fn kind(&self) -> ErrorKind {
        match &self.0.problem {
            Problem::Json(error) => error.kind(),
            _ => ErrorKind::Malformed,
        }
    }

    /// The rule as a metric label.
    pub fn label(&self) -> &'static str {
        self.0.problem.label()
    }

    /// The JSON-RPC code to answer with.
    pub fn code(&self) -> i32 {
        match &self.0.problem {
            Problem::Json(error) if error.kind() == ErrorKind::Limit => code::INVALID_REQUEST,
            Problem::Json(_) => code::PARSE_ERROR,
            Problem::ParamsNotObject | Problem::BadParam { .. } | Problem::MissingParam { .. } => code::INVALID_PARAMS,
            _ => code::INVALID_REQUEST,
        }
    }

    /// The HTTP status to answer with: 413 past a limit; 200 when the request is one and has an id, and only its
    /// parameters are wrong, so that clients find the answer; else 400.
    pub fn http_status(&self) -> u16 {
        match (self.kind(), self.code()) {
            (ErrorKind::Limit, _) => 413,
            (_, code::INVALID_PARAMS) if self.id().is_some() => 200,
            _ => 400,
        }
    }

    /// What the sender may read.
    pub fn public_message(&self) -> String {
        self.to_string()
    }
}

/// A rule of the envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The id is null, a fraction, a boolean, a container, or too long (MCP 2025-11-25, "Requests": string or integer).
    #[error("the id must be a string or an integer")]
    BadId,
    /// The method is no string, empty, too long, or holds control characters.
    #[error("the method must be a short string without control characters")]
    BadMethod,
    /// A parameter whose type or length is not the method's.
    #[error("the parameter {key} has the wrong type, is empty or too long, or holds control characters")]
    BadParam {
        /// The parameter.
        key: &'static str,
    },
    /// A result or an error that is none.
    #[error("the response must hold one result object, or one error with an integer code and a message")]
    BadResponse,
    /// A batch where there are none.
    #[error("batches are not supported; send one message per request")]
    Batch,
    /// A key that differs from a known one in letter case only.
    #[error("a key differs from {known} in letter case only")]
    CaseVariant {
        /// The known key.
        known: &'static str,
    },
    /// No strict JSON.
    #[error("{0}")]
    Json(JsonError),
    /// A parameter that the method cannot do without.
    #[error("the parameter {key} is missing")]
    MissingParam {
        /// The parameter.
        key: &'static str,
    },
    /// A method beside a result or an error, or a result beside an error.
    #[error("a message holds one of method, result and error")]
    Mixed,
    /// No method, no result, no error.
    #[error("the message holds no method, no result and no error")]
    Neither,
    /// JSON, but no object.
    #[error("a message is a JSON object")]
    NotAnObject,
    /// A notification's method with an id.
    #[error("this method is a notification and has no id")]
    NotificationWithId,
    /// Positional parameters, which MCP does not have.
    #[error("params must be an object")]
    ParamsNotObject,
    /// A request's method without an id: nobody could be told its outcome.
    #[error("this method is a request and needs an id")]
    RequestWithoutId,
    /// `jsonrpc` is not `"2.0"`.
    #[error("jsonrpc must be \"2.0\"")]
    Version,
}

impl Problem {
    /// The rule as a metric label and in tables of refusals.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::BadId => "bad_id",
            Self::BadMethod => "bad_method",
            Self::BadParam { .. } => "bad_param",
            Self::BadResponse => "bad_response",
            Self::Batch => "batch",
            Self::CaseVariant { .. } => "case_variant",
            Self::Json(error) => error.problem.label(),
            Self::MissingParam { .. } => "missing_param",
            Self::Mixed => "mixed",
            Self::Neither => "neither",
            Self::NotAnObject => "not_an_object",
            Self::NotificationWithId => "notification_with_id",
            Self::ParamsNotObject => "params_not_object",
            Self::RequestWithoutId => "request_without_id",
            Self::Version => "version",
        }
    }
}
