//! Why there is no token for a target. Nothing here holds a secret or a token.

use vidimus_core::ErrorKind;

/// Why there is no token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CredentialError {
    /// The caller's own token has expired, so nothing can be exchanged for it.
    #[error("the caller's token has expired")]
    Expired,
    /// The authorization server refuses the caller's token (RFC 8693 §2.2.2).
    #[error("{endpoint} does not exchange the caller's token: {reason}")]
    Subject {
        /// Where it was asked.
        endpoint: String,
        /// The error code, and the description where it shows nothing of what was sent.
        reason: String,
    },
    /// The authorization server refuses the gateway (RFC 6749 §5.2).
    #[error("{endpoint} gives the gateway no token: {reason}; look at client_id, client_secret, scopes and resource")]
    Refused {
        /// Where it was asked.
        endpoint: String,
        /// The error code, and the description where it shows nothing of what was sent.
        reason: String,
    },
    /// It does not answer, or with a status that is neither a token nor a refusal.
    #[error("{endpoint} gives no token: {problem}")]
    Unavailable {
        /// Where it was asked.
        endpoint: String,
        /// What went wrong.
        problem: String,
    },
    /// It did not answer in time.
    #[error("{endpoint} gives no token in time")]
    Timeout {
        /// Where it was asked.
        endpoint: String,
    },
    /// Its answer is none that RFC 6749 §5.1 or RFC 8693 §2.2.1 allows.
    #[error("the answer of {endpoint} is no token: {problem}")]
    Malformed {
        /// Where it was asked.
        endpoint: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The metadata is not the issuer's (RFC 8414 §3.3).
    #[error("the metadata of {issuer} cannot be used: {problem}")]
    Metadata {
        /// The configured issuer.
        issuer: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The request, or its answer, cannot be recorded.
    #[error("a request for a token cannot be recorded, so none is asked for or used")]
    Unrecorded,
    /// The request ended without an answer: the runtime stops.
    #[error("the request for a token was cut short")]
    CutShort,
}

impl CredentialError {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Expired | Self::Subject { .. } => ErrorKind::Unauthenticated,
            Self::Refused { .. } => ErrorKind::Configuration,
            Self::Unavailable { .. } | Self::Malformed { .. } | Self::Metadata { .. } => ErrorKind::Upstream,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Unrecorded => ErrorKind::Evidence,
            Self::CutShort => ErrorKind::Internal,
        }
    }

    /// What the caller is told: nothing of addresses, and nothing that the authorization server said.
    pub const fn public_message(&self) -> &'static str {
        match self {
            Self::Expired => "your sign-in has expired; sign in again",
            Self::Subject { .. } => "your sign-in is not accepted for this target; sign in again",
            Self::Unrecorded => "nothing passes while evidence cannot be written",
            Self::Timeout { .. } | Self::Unavailable { .. } => {
                "the gateway gets no credential for the target at present; try again later"
            }
            Self::Refused { .. } | Self::Malformed { .. } | Self::Metadata { .. } | Self::CutShort => {
                "the gateway gets no credential for the target; tell the operator of this gateway"
            }
        }
    }

    /// The word in events.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Subject { .. } => "subject_refused",
            Self::Refused { .. } => "refused",
            Self::Unavailable { .. } => "unavailable",
            Self::Timeout { .. } => "timeout",
            Self::Malformed { .. } => "malformed",
            Self::Metadata { .. } => "metadata",
            Self::Unrecorded => "unrecorded",
            Self::CutShort => "cut_short",
        }
    }

    /// Whether the authorization server itself fails, whoever asks. An answer that cannot be used may be so for one caller.
    pub(crate) const fn is_of_the_endpoint(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Timeout { .. } | Self::Metadata { .. })
    }
}
