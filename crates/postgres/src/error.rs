//! Why a message was refused, and what the client is told (SQLSTATE: PostgreSQL documentation, "Error Codes").
//!
//! The texts name rules of the protocol, never what a message held, so either peer may read them.

use vidimus_core::ErrorKind;

/// `protocol_violation`.
pub const PROTOCOL_VIOLATION: &str = "08P01";
/// `program_limit_exceeded`.
pub const PROGRAM_LIMIT_EXCEEDED: &str = "54000";
/// `feature_not_supported`.
pub const FEATURE_NOT_SUPPORTED: &str = "0A000";

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The client; the protocol calls it the frontend.
    Client,
    /// The server; the protocol calls it the backend.
    Server,
}

/// A message that the protocol does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ProtocolError {
    peer: Peer,
    problem: Problem,
}

/// The rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// No message has this type byte in this direction.
    #[error("unknown message type 0x{0:02X}")]
    UnknownType(u8),
    /// The length word is less than itself, or not what this type always has.
    #[error("{message} message has a length of {length} bytes, which it cannot have")]
    Length {
        /// The message.
        message: &'static str,
        /// The length word.
        length: u32,
    },
    /// The length word is more than is allowed here.
    #[error("{message} message has {length} bytes, and {limit} are allowed")]
    TooLong {
        /// The message.
        message: &'static str,
        /// The length word.
        length: u64,
        /// The most.
        limit: usize,
    },
    /// What the body holds does not fit its length, or is not what belongs there.
    #[error("{message} message is malformed: {what}")]
    Malformed {
        /// The message.
        message: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A message that belongs elsewhere.
    #[error("{message} message is out of order: {what}")]
    Order {
        /// The message.
        message: &'static str,
        /// Why not here.
        what: &'static str,
    },
    /// A message that is well-formed and not supported.
    #[error("{what} is not supported")]
    Unsupported {
        /// What it is.
        what: &'static str,
    },
    /// More than is kept of something.
    #[error("too many {what}: {limit} are allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The most.
        limit: usize,
    },
    /// Unencrypted bytes followed a request for encryption (CVE-2021-23214).
    #[error("bytes were sent after the request for encryption and before the answer to it")]
    BeforeEncryption,
}

impl ProtocolError {
    pub(crate) fn new(peer: Peer, problem: Problem) -> Self {
        Self { peer, problem }
    }

    /// The rule.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Who broke it.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match (self.peer, &self.problem) {
            (Peer::Server, _) => ErrorKind::Upstream,
            (Peer::Client, Problem::TooLong { .. } | Problem::TooMany { .. }) => ErrorKind::Limit,
            (Peer::Client, _) => ErrorKind::Malformed,
        }
    }

    /// The SQLSTATE the client is told.
    pub fn sqlstate(&self) -> &'static str {
        match (self.peer, &self.problem) {
            (Peer::Client, Problem::TooMany { .. }) => PROGRAM_LIMIT_EXCEEDED,
            (Peer::Client, Problem::Unsupported { .. }) => FEATURE_NOT_SUPPORTED,
            _ => PROTOCOL_VIOLATION,
        }
    }

    /// What the client is told: of the server's faults only that there was one.
    pub fn public_message(&self) -> String {
        match self.peer {
            Peer::Client => self.problem.to_string(),
            Peer::Server => "the database server sent what its protocol does not allow".to_owned(),
        }
    }
}
