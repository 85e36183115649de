//! What events say of grants: access for a time, asked for, approved, used and ended (design part 5, "Grants"), and of
//! break-glass, which nobody approves.
//!
//! A grant has the id of its request for approval, and its steps name the same versions: people's part of it is in the
//! events of approvals. A credential stands in no event: `token` is a hash of it under a key of the gateway, and
//! `verifier`, by which it can be proved, is sealed under another.

use std::sync::Arc;

use super::approval::Quorum;
use crate::clock::Timestamp;
use crate::id::ApprovalId;
use crate::principal::Principal;

/// A step in the life of a grant.
#[derive(Debug)]
pub struct Grant<'a> {
    /// The grant, and its request for approval.
    pub id: ApprovalId,
    /// The version of the request that whoever took the step saw; at any other the event is void.
    pub expects: u64,
    /// What was done.
    pub step: GrantStep<'a>,
}

/// What is asked for, and by whom.
#[derive(Debug)]
pub struct GrantAsked<'a> {
    /// The name of the grant in the configuration; `break-glass` for that.
    pub name: &'a str,
    /// Who asks, in full.
    pub principal: &'a Principal,
    /// Where who asks is.
    pub address: &'a str,
    /// How long it is to last, from when the credential is issued.
    pub seconds: u64,
    /// Why, in the words of who asks.
    pub reason: &'a str,
    /// The policies that let it be asked for.
    pub policies: &'a [Arc<str>],
    /// The version of the policies: `sha256:…`.
    pub policy: &'a str,
}

/// What was done about a grant.
#[derive(Debug)]
pub enum GrantStep<'a> {
    /// It was asked for.
    Requested {
        /// What, and by whom.
        asked: GrantAsked<'a>,
        /// HMAC-SHA-256 over principal, target and all that is asked for, in hex.
        digest: &'a str,
        /// When the request ends without one.
        expires: Timestamp,
        /// Every rule that must approve.
        quorums: &'a [Quorum],
        /// Who may not approve besides the principal: those in its chain.
        barred: &'a [String],
        /// Sessions that may be opened with it.
        sessions: u64,
    },
    /// Its credential was issued to who asked: the time begins.
    Granted {
        /// Whom the credential stands for, as of now.
        principal: &'a Principal,
        /// The scopes of the token that it was fetched with.
        scopes: &'a [String],
        /// HMAC-SHA-256 of the credential, in hex.
        token: &'a str,
        /// Its verifier of SCRAM-SHA-256, sealed under a key of the gateway.
        verifier: &'a str,
        /// When it ends.
        until: Timestamp,
    },
    /// Somebody broke the glass: what needs approval passes at once.
    Opened {
        /// Where to, and by whom.
        asked: GrantAsked<'a>,
        /// When it ends.
        until: Timestamp,
    },
    /// It is over.
    Ended {
        /// How.
        how: GrantEnd,
        /// Why, in the words of who revoked it.
        reason: Option<&'a str>,
        /// Whether it was break-glass.
        is_break_glass: bool,
    },
    /// The sessions that were open when it ended are closed.
    Cut {
        /// How many there were.
        sessions: u64,
        /// From when the gateway began to end it until the last of them was closed, in microseconds.
        microseconds: u64,
    },
}

/// How a grant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantEnd {
    /// Somebody revoked it.
    Revoked,
    /// Its time was up.
    Expired,
    /// The sessions that it was for have ended.
    Used,
    /// The gateway was started and the clock is before what the log has already: nobody knows what time is left.
    Clock,
    /// The configuration has it no more.
    Configuration,
}

impl GrantEnd {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::Revoked, Self::Expired, Self::Used, Self::Clock, Self::Configuration];

    /// The word in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::Clock => "clock",
            Self::Configuration => "configuration",
        }
    }
}

impl GrantStep<'_> {
    /// The type of its event.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "grant.requested",
            Self::Granted { .. } => "grant.granted",
            Self::Opened { .. } => "break_glass.opened",
            Self::Ended { is_break_glass: true, .. } => "break_glass.closed",
            Self::Ended { how: GrantEnd::Revoked, .. } => "grant.revoked",
            Self::Ended { how: GrantEnd::Expired, .. } => "grant.expired",
            Self::Ended { .. } => "grant.ended",
            Self::Cut { .. } => "grant.cut",
        }
    }
}
