//! What events say of approvals: who is asked, who decided, and what became of it (design part 5, "Approvals").
//!
//! Each step names the version of the request that it was decided on; the log's order decides between two. The arguments
//! of the operation stand in no event: `digest` binds the request to them, and the recording of its session holds them.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::{ApprovalId, SessionId};

/// A step in the life of a request for approval.
#[derive(Debug)]
pub struct Approval<'a> {
    /// The request.
    pub id: ApprovalId,
    /// The version of the request that whoever took the step saw; at any other the event is void.
    pub expects: u64,
    /// The version of the policies by which the step was taken: `sha256:…`. Absent where no policy was asked.
    pub policy: Option<&'a str>,
    /// What was done.
    pub step: ApprovalStep<'a>,
}

/// How many people must approve by one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// The rule.
    pub rule: Arc<str>,
    /// How many distinct people.
    pub approvers: u64,
}

/// What was done about a request for approval.
#[derive(Debug)]
pub enum ApprovalStep<'a> {
    /// It was made.
    Requested {
        /// The action, as events name it: `crm/refund`.
        action: &'a str,
        /// HMAC-SHA-256 over principal, target, action and arguments, in hex.
        digest: &'a str,
        /// When it ends unused.
        expires: Timestamp,
        /// The policies that held the operation.
        policies: &'a [Arc<str>],
        /// Every rule that must approve.
        quorums: &'a [Quorum],
        /// Who may not approve besides the principal: those in its chain.
        barred: &'a [String],
        /// The `seq` of the `operation.held` in the same session.
        held: u64,
    },
    /// One person approved it.
    Approved {
        /// By these rules.
        rules: &'a [Arc<str>],
        /// Why, in the person's words.
        reason: Option<&'a str>,
    },
    /// One person denied it.
    Denied {
        /// Why, in the person's words.
        reason: &'a str,
    },
    /// Its time was up.
    Expired,
    /// It was not needed any more.
    Cancelled {
        /// Why.
        reason: &'a str,
    },
    /// The operation is about to be sent, in the session of this event.
    Used {
        /// The `seq` of its `operation.admitted` there.
        intent: u64,
        /// The session in which it was asked for, and the `seq` of its `operation.held` there.
        asked: (SessionId, u64),
    },
}

impl ApprovalStep<'_> {
    /// The types of the events.
    pub const NAMES: [&'static str; 6] = [
        "approval.requested",
        "approval.approved",
        "approval.denied",
        "approval.expired",
        "approval.cancelled",
        "approval.used",
    ];

    /// The type of its event.
    pub const fn name(&self) -> &'static str {
        let [requested, approved, denied, expired, cancelled, used] = Self::NAMES;
        match self {
            Self::Requested { .. } => requested,
            Self::Approved { .. } => approved,
            Self::Denied { .. } => denied,
            Self::Expired => expired,
            Self::Cancelled { .. } => cancelled,
            Self::Used { .. } => used,
        }
    }
}
