//! What may go to a client: bytes whose record stands.
//!
//! Only this crate makes [`Released`], from a recorded denial, a recorded result, or a [`Notice`] whose text is
//! fixed. An HTTP answer can be built from nothing else, so releasing before recording does not compile.

use bytes::Bytes;

use crate::trail::StreamPosition;

/// Bytes that may go to a client.
#[derive(Debug)]
pub struct Released {
    pub(crate) bytes: Bytes,
    /// Where a client that loses it can go on.
    pub(crate) position: Option<StreamPosition>,
}

impl Released {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self { bytes, position: None }
    }

    /// The bytes, for an answer that is made of several.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many bytes.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// An answer without content of a target, whose text is fixed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Nothing to say (202, 204).
    Empty,
    /// No or no valid token.
    Unauthenticated,
    /// The token has not the scopes that the target asks for.
    InsufficientScope,
    /// `Host` or `Origin` is not one of the gateway's.
    ForeignOrigin,
    /// No such path.
    NotFound,
    /// The method is not offered at this path.
    MethodNotAllowed,
    /// The body is too large.
    TooLarge,
    /// Too much is being received already.
    Crowded,
    /// A limit of the caller's is passed.
    Limited,
    /// The body did not arrive.
    Incomplete,
    /// The body is of another media type than the protocol's.
    MediaType,
    /// The client takes neither of the media types the protocol answers with.
    NotAcceptable,
    /// Evidence cannot be written (NIST SP 800-53 AU-5).
    EvidenceUnavailable,
    /// A fault of the gateway's own.
    Failed,
    /// The call was given up before its result came.
    CutOff,
    /// The target offers no stream of its own.
    NoStream,
    /// The target did not take what the client sent.
    NotDelivered,
    /// The gateway cannot check tokens now: the identity provider does not answer.
    IdentityUnavailable,
}

impl Notice {
    /// The text: a JSON object with `error` and `help`, or nothing.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Empty => "",
            Self::Unauthenticated => {
                r#"{"error":"unauthenticated","help":"send a valid bearer token in the Authorization header"}"#
            }
            Self::InsufficientScope => {
                r#"{"error":"insufficient_scope","help":"get a token with the scopes that WWW-Authenticate lists"}"#
            }
            Self::ForeignOrigin => {
                r#"{"error":"forbidden_origin","help":"the Host or Origin header is not one this gateway answers to"}"#
            }
            Self::NotFound => {
                r#"{"error":"not_found","help":"MCP targets are at /mcp/{target}, and all of them at /mcp; with the transport of 2024-11-05 at /sse/{target} and /sse"}"#
            }
            Self::MethodNotAllowed => {
                r#"{"error":"method_not_allowed","help":"POST sends a message; sessions have GET to listen and DELETE to end"}"#
            }
            Self::TooLarge => r#"{"error":"too_large","help":"the message is larger than this gateway accepts"}"#,
            Self::Crowded => {
                r#"{"error":"crowded","help":"too much is being received at once, of you or of all; send it again later"}"#
            }
            Self::Limited => {
                r#"{"error":"limited","help":"you have asked for more than you may now; Retry-After says when to try again"}"#
            }
            Self::Incomplete => r#"{"error":"incomplete","help":"the body did not arrive whole"}"#,
            Self::MediaType => {
                r#"{"error":"unsupported_media_type","help":"send Content-Type: application/json without Content-Encoding"}"#
            }
            Self::NotAcceptable => {
                r#"{"error":"not_acceptable","help":"send Accept: application/json, text/event-stream"}"#
            }
            Self::EvidenceUnavailable => {
                r#"{"error":"evidence_unavailable","help":"nothing passes while evidence cannot be written; tell the operator of this gateway"}"#
            }
            Self::Failed => r#"{"error":"internal","help":"the gateway failed; its log says why"}"#,
            Self::CutOff => {
                r#"{"error":"cut_off","help":"the call was cut off: its session was closed, or the gateway is stopping"}"#
            }
            Self::NoStream => {
                r#"{"error":"no_stream","help":"the target offers no stream of its own; answers to POST may be streams"}"#
            }
            Self::NotDelivered => r#"{"error":"not_delivered","help":"the target did not take the message"}"#,
            Self::IdentityUnavailable => {
                r#"{"error":"identity_unavailable","help":"the identity provider does not answer; try again"}"#
            }
        }
    }
}

impl From<Notice> for Released {
    fn from(notice: Notice) -> Self {
        Self::new(Bytes::from_static(notice.text().as_bytes()))
    }
}
