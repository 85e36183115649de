//! Whose a session is, and what policy in force says of it: kept once for each version of the policies.
//!
//! What may be revealed is decided for all data classes at once (design part 6), and again when the policies change;
//! where a policy reads the time or the caller's address, it is asked each time.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use vidimus_core::{Action, Effect, Principal, SqlFacts, SqlKinds, TargetName, Timestamp};
use vidimus_mask::ClassSet;
use vidimus_policy::{Claimed, Decision, Granted, Moment, Policies, Request, Subject};

use crate::masking::Masking;

/// Decisions on statements that are kept in a session: a program has few that do different things.
const MOST_ALLOWED: usize = 32;

/// Whose session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A caller's; policy decides.
    Caller,
    /// The gateway's own, to read a target's definitions; a fixed list of methods decides.
    Own,
    /// A caller's, at the gateway's own endpoint for all targets: what it gets there went through a session of its own at
    /// each of them. A fixed list of methods decides.
    Endpoint,
}

/// Who acts in a session.
pub(crate) struct Party {
    pub(crate) principal: Arc<Principal>,
    pub(crate) address: IpAddr,
    pub(crate) client: Option<String>,
    pub(crate) kind: Kind,
    standing: ArcSwap<Standing>,
}

/// What policy says of the session itself, under one version of it.
pub(crate) struct Standing {
    pub(crate) policies: Arc<Policies>,
    pub(crate) subject: Subject,
    revealed: OnceLock<ClassSet>,
    /// Leave that statements were given, where it rests on nothing that changes.
    allowed: Mutex<Vec<Allowed>>,
}

/// Leave for whatever does this.
struct Allowed {
    statements: Statements,
    decision: Decision,
}

/// What statements do.
#[derive(Debug, Clone)]
pub(crate) struct Statements {
    pub(crate) kinds: SqlKinds,
    pub(crate) facts: Arc<SqlFacts>,
}

impl Statements {
    /// Facts are mostly those of one prepared statement, which are compared at once.
    fn is_same(&self, other: &Self) -> bool {
        self.kinds == other.kinds && (Arc::ptr_eq(&self.facts, &other.facts) || self.facts == other.facts)
    }
}

/// What is known of a caller beside its identity.
pub(crate) struct Facts<'a> {
    pub(crate) address: IpAddr,
    pub(crate) client: Option<&'a str>,
    /// By which grant it is there, and whether it has broken the glass.
    pub(crate) grant: Option<Arc<Granted>>,
    pub(crate) time: Timestamp,
}

impl Party {
    pub(crate) fn new(
        principal: Arc<Principal>,
        (address, client): (IpAddr, Option<String>),
        kind: Kind,
        standing: Standing,
    ) -> Self {
        Self { principal, address, client, kind, standing: ArcSwap::from_pointee(standing) }
    }

    /// What the policies in force say of the session.
    pub(crate) fn standing(&self, current: &Arc<Policies>) -> Arc<Standing> {
        let known = self.standing.load_full();
        if Arc::ptr_eq(&known.policies, current) {
            return known;
        }
        let fresh = Arc::new(Standing::new(Arc::clone(current), &self.principal));
        self.standing.store(Arc::clone(&fresh));
        fresh
    }
}

impl Standing {
    pub(crate) fn new(policies: Arc<Policies>, principal: &Principal) -> Self {
        let subject = policies.subject(principal);
        Self { policies, subject, revealed: OnceLock::new(), allowed: Mutex::default() }
    }

    /// The decision on statements that were allowed before, where it is still the same.
    pub(crate) fn allowed(&self, statements: &Statements) -> Option<Decision> {
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = allowed.iter().find(|known| known.statements.is_same(statements))?;
        Some(known.decision.clone())
    }

    /// Keeps a decision on statements if they may pass, and will whenever this session asks for the same under these policies.
    /// What is denied is asked anew: that is rare, and said in the log where a policy failed.
    pub(crate) fn keep(&self, statements: Statements, target: &TargetName, decision: &Decision) {
        if decision.effect != Effect::Allow || !self.policies.rest_on_statements(statements.kinds, target) {
            return;
        }
        let mut allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        if allowed.len() >= MOST_ALLOWED {
            allowed.clear();
        }
        allowed.push(Allowed { statements, decision: decision.clone() });
    }

    /// Whether the session may be at all, now: policy may read the time and the caller's address.
    pub(crate) fn connect(&self, target: &TargetName, facts: &Facts<'_>) -> Decision {
        self.policies.decide(&self.subject, &facts.request(&Action::Connect, target))
    }

    pub(crate) fn policy_hash(&self) -> &str {
        self.policies.hash()
    }

    /// The classes that the caller is shown of a target.
    pub(crate) fn revealed(&self, target: &TargetName, masking: &Masking, facts: &Facts<'_>) -> ClassSet {
        let ask = || {
            let (claimed, grant) = (facts.claimed(), facts.grant.as_deref());
            let moment = Moment { target, claimed, grant, address: Some(facts.address), time: facts.time };
            masking.classes(&self.policies.revealed(&self.subject, &moment))
        };
        if self.policies.reveals_vary() { ask() } else { *self.revealed.get_or_init(ask) }
    }
}

impl<'a> Facts<'a> {
    pub(crate) fn request<'b>(&'b self, action: &'b Action, target: &'b TargetName) -> Request<'b> {
        Request {
            action,
            target,
            arguments: None,
            annotations: None,
            facts: None,
            claimed: self.claimed(),
            grant: self.grant.as_deref(),
            address: Some(self.address),
            time: self.time,
        }
    }

    fn claimed(&self) -> Claimed<'a> {
        Claimed { client: self.client, model: None }
    }
}
