//! What events say of sessions and operations: who, by which decision, how it ended, and what was said, by commitments.
//!
//! Identity stands once, in `session.opened`; payloads are committed to, never contained (design part 3, "Event").

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{ApprovalId, SessionId};
use crate::operation::{Action, Effect, Protocol, Rewriting};
use crate::principal::Principal;
use crate::target::{CredentialKind, Durability, Record};

/// The identity and circumstances of a session, stated once.
#[derive(Debug)]
pub struct Opened<'a> {
    /// Who opened it.
    pub principal: &'a Principal,
    /// Where the caller is.
    pub address: &'a str,
    /// The client's name and version as it claims them.
    pub client: Option<&'a str>,
    /// The session at the endpoint for all targets that it was opened for.
    pub parent: Option<SessionId>,
    /// The grant that it was opened with, and its name.
    pub grant: Option<(ApprovalId, &'a str)>,
    /// The protocol.
    pub protocol: Protocol,
    /// The policies that determined the decision.
    pub policies: &'a [Arc<str>],
    /// `sha256:…` of the policy set.
    pub policy: &'a str,
    /// The promise about evidence.
    pub durability: Durability,
    /// Whether payloads are kept.
    pub record: Record,
    /// What the target is shown in its requests, if anything.
    pub credential: Option<CredentialKind>,
}

/// An operation and what was decided on it.
#[derive(Debug)]
pub struct Decided<'a> {
    /// What it wanted to do.
    pub action: &'a Action,
    /// The protocol's method, where the action does not say it.
    pub method: Option<&'a str>,
    /// The protocol it came in.
    pub protocol: Protocol,
    /// The caller's `traceparent`, as claimed.
    pub trace: Option<&'a str>,
    /// The decision.
    pub effect: Effect,
    /// The policies that determined it.
    pub policies: &'a [Arc<str>],
    /// `sha256:…` of the policy set.
    pub policy: &'a str,
    /// Why it was refused when no policy did: `malformed`, `unknown_tool`, `evidence`, …
    pub reason: Option<&'a str>,
    /// The request for approval that it waits for, or passes by; or the break-glass that lets it pass without one.
    pub approval: Option<ApprovalId>,
    /// The rewrites that were applied before it was decided on.
    pub rewrites: &'a [Rewriting],
    /// The promise about evidence.
    pub durability: Durability,
    /// What masking found in the request, as it was asked and as it was rewritten.
    pub masking: &'a Masking,
    /// Commitments to the request, and to what it was rewritten to.
    pub payloads: &'a [Payload],
}

/// How an admitted operation ended.
#[derive(Debug)]
pub struct Ended<'a> {
    /// What it wanted to do.
    pub action: &'a Action,
    /// The protocol's method, where the action does not say it.
    pub method: Option<&'a str>,
    /// The protocol it came in.
    pub protocol: Protocol,
    /// The `seq` of its `operation.admitted`.
    pub intent: u64,
    /// The request for approval, or the break-glass, that it passed by.
    pub approval: Option<ApprovalId>,
    /// How it ended.
    pub status: Status,
    /// Microseconds from admission to the end; absent when unknown.
    pub microseconds: Option<u64>,
    /// Bytes of the result, as recorded.
    pub bytes: u64,
    /// Texts of the result, as it came, with characters in them that people do not see.
    pub hidden: u64,
    /// The promise about evidence.
    pub durability: Durability,
    /// What masking found in the result.
    pub masking: &'a Masking,
    /// Commitments to the result.
    pub payloads: &'a [Payload],
}

/// What a program wrote to its standard error, beside the protocol it speaks.
#[derive(Debug)]
pub struct Logged<'a> {
    /// Lines that were left out before this event: too many, not to be masked, or no room for them.
    pub left_out: u64,
    /// What masking found.
    pub masking: &'a Masking,
    /// The commitment to the lines; none where all were left out.
    pub payloads: &'a [Payload],
}

/// What masking found in payloads: values by data class, never the values themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masking {
    /// Values that the record holds masked, all of them.
    pub masked: BTreeMap<Arc<str>, u64>,
    /// Those among them that the client was shown, because policy reveals their class.
    pub revealed: BTreeMap<Arc<str>, u64>,
}

impl Masking {
    /// Nothing found.
    pub const NONE: &'static Self = &Self { masked: BTreeMap::new(), revealed: BTreeMap::new() };

    /// Adds what was found in another payload.
    pub fn add(&mut self, other: &Self) {
        for (own, others) in [(&mut self.masked, &other.masked), (&mut self.revealed, &other.revealed)] {
            for (class, count) in others {
                let own = own.entry(Arc::clone(class)).or_default();
                *own = own.saturating_add(*count);
            }
        }
    }
}

/// How an admitted operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// The target answered with a result.
    Ok,
    /// The target answered with an error of the protocol, or a result marked as one.
    Error,
    /// The target did not answer, or not as its protocol demands.
    Upstream,
    /// The target answered, and its answer could not be masked, so it was withheld.
    Withheld,
    /// The target took too long.
    Timeout,
    /// The operation was given up: the client cancelled it, the session or the gateway was closed.
    Cancelled,
    /// The gateway ended before it knew.
    Unknown,
}

impl Status {
    /// The word in events, and the metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Upstream => "upstream",
            Self::Withheld => "withheld",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }
}

/// A commitment to a payload, and where the recording keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// `request`, `rewritten`, `response`, `chunks` or `log`.
    pub name: &'static str,
    /// Base64 of the HMAC-SHA256 commitment to what is recorded (design part 3, "Event").
    pub commitment: String,
    /// The same to the bytes that were sent or delivered, where they are others than those recorded.
    pub delivered: Option<String>,
    /// Segment, offset and length of the frame in the session's recording.
    pub at: [u64; 3],
    /// Bytes of the payload as recorded.
    pub bytes: u64,
}
