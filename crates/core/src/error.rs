//! What kind of failure something was: the label of the metric, the class of the answer.
//!
//! Every library error has `kind()`. What a caller may read is a separate text (`public_message()`), never the
//! error's own `Display`, which may name paths, addresses or configuration.

use std::fmt;

/// Who is at fault, and so what the caller is told. Also the `kind` label of the error metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The caller did not prove who it is (HTTP 401).
    Unauthenticated,
    /// Policy said no (HTTP 403, or the protocol's own refusal).
    Denied,
    /// The caller sent what its protocol does not allow (HTTP 400).
    Malformed,
    /// A size, depth, count or rate limit was passed (HTTP 413 or 429).
    Limit,
    /// What was asked for does not exist, or the caller may not know that it does (HTTP 404).
    NotFound,
    /// The target did not answer, or answered what its protocol does not allow (HTTP 502).
    Upstream,
    /// The target took too long (HTTP 504).
    Timeout,
    /// Evidence cannot be written, so nothing may pass (HTTP 503; NIST SP 800-53 AU-5).
    Evidence,
    /// The operator's configuration or policy is wrong (start-up, or HTTP 503).
    Configuration,
    /// A fault of ours (HTTP 500).
    Internal,
}

impl ErrorKind {
    /// The metric label: lower-case, stable.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::Malformed => "malformed",
            Self::Limit => "limit",
            Self::NotFound => "not_found",
            Self::Upstream => "upstream",
            Self::Timeout => "timeout",
            Self::Evidence => "evidence",
            Self::Configuration => "configuration",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
