//! The question and the answer: what a gate asks of policies, and what they say.

use std::net::IpAddr;
use std::sync::Arc;

use crate::error::Place;
use vidimus_core::json::Value;
use vidimus_core::{Action, Effect, Facts, Rewriting, TargetName, Timestamp, ToolAnnotations};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What the principal wants to do. A [`Action::Method`] is decided as `connect` is.
    pub action: &'a Action,
    /// The target it is done to; of no account for `log.read`.
    pub target: &'a TargetName,
    /// The arguments of a tool call.
    pub arguments: Option<Value<'a>>,
    /// The annotations of the tool's accepted definition; `None` stands for MCP's defaults.
    pub annotations: Option<ToolAnnotations>,
    /// What is known of the arguments: at least what [`crate::Policies::facts_read`] names. What is not there cannot be judged.
    pub facts: Option<&'a Facts>,
    /// What the client says of itself.
    pub claimed: Claimed<'a>,
    /// The grant by which the caller is there, if it is by one.
    pub grant: Option<&'a Granted>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// When it came. Policies see milliseconds.
    pub time: Timestamp,
}

/// The circumstances in which it is asked what may be revealed: everything but an operation.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The target whose data it is.
    pub target: &'a TargetName,
    /// What the client says of itself.
    pub claimed: Claimed<'a>,
    /// The grant by which the caller is there, if it is by one.
    pub grant: Option<&'a Granted>,
    /// Where the caller is.
    pub address: Option<IpAddr>,
    /// When it is asked.
    pub time: Timestamp,
}

/// Access that somebody was given for a time: `context.grant`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Its name in the configuration; `break-glass` for that alone.
    pub name: Arc<str>,
    /// Its id in events.
    pub id: Arc<str>,
    /// Whether the caller has broken the glass at this target.
    pub is_break_glass: bool,
}

/// What a client says of itself and nobody vouches for. A permit cannot read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Claimed<'a> {
    /// The client's name.
    pub client: Option<&'a str>,
    /// The model that drives it.
    pub model: Option<&'a str>,
}

/// One policy that can apply to a request, and what it says of it by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// The policy's id.
    pub id: Arc<str>,
    /// Where it begins.
    pub place: Place,
    /// Whether it is a permit; else it is a forbid.
    pub permits: bool,
    /// Whether it can be about this principal and reads what is asked for: arguments, a URI, a name, an address.
    pub reads_call: bool,
    /// The approval rule by which what it forbids may pass all the same.
    pub approval: Option<Arc<str>>,
    /// The rewrite after which what it forbids may pass all the same.
    pub rewrite: Option<Arc<str>>,
    /// What it says.
    pub verdict: Verdict,
}

/// What a policy says of a request by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its scope and its conditions hold.
    Holds,
    /// They do not.
    DoesNotHold,
    /// It cannot be evaluated, which denies; why.
    Fails(String),
}

/// What was decided, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may pass.
    pub effect: Effect,
    /// The ids of the policies that determined it, sorted: the permits; or the forbids and those that failed; none
    /// when no policy permits.
    pub policies: Vec<Arc<str>>,
    /// For a denial, the text for the caller: the `@message` of the forbids, else what happened. Empty when allowed.
    pub message: String,
    /// Approval rules, sorted: the denial stands unless people approve by every one of them. Empty where nobody can.
    pub approvals: Vec<Arc<str>>,
    /// Rewrites, sorted by name: the denial stands unless the call is rewritten by every one of them, once, and then decided
    /// again. Empty where that would not help. Approvals are asked for after that, so where there are rewrites there are none.
    pub rewrites: Vec<Rewriting>,
}

impl Decision {
    /// A denial, or leave to pass, that nothing is to be done about.
    pub fn plain(effect: Effect, policies: Vec<Arc<str>>, message: String) -> Self {
        Self { effect, policies, message, approvals: Vec::new(), rewrites: Vec::new() }
    }

    /// The decision on what is two things at once, each decided by itself: what either denies is denied, and what lifts a
    /// denial must lift both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut both = match (self.stands(), other.stands()) {
            (true, false) => return self,
            (false, true) => return other,
            _ if self.effect == Effect::Allow && other.effect == Effect::Deny => return other,
            _ if self.effect == Effect::Deny && other.effect == Effect::Allow => return self,
            _ => self,
        };
        if both.message != other.message {
            let separator = if both.message.is_empty() || other.message.is_empty() { "" } else { " " };
            both.message = format!("{}{separator}{}", both.message, other.message);
        }
        both.policies.extend(other.policies);
        both.policies.sort();
        both.policies.dedup();
        for rewriting in other.rewrites {
            match both.rewrites.iter_mut().find(|known| known.name == rewriting.name) {
                Some(known) => {
                    known.policies.extend(rewriting.policies);
                    known.policies.sort();
                    known.policies.dedup();
                }
                None => both.rewrites.push(rewriting),
            }
        }
        both.rewrites.sort_by(|one, other| one.name.cmp(&other.name));
        // People are asked about what comes of rewriting.
        both.approvals.extend(other.approvals);
        both.approvals.sort();
        both.approvals.dedup();
        if !both.rewrites.is_empty() {
            both.approvals.clear();
        }
        both
    }

    /// Whether it is a denial that nothing lifts.
    fn stands(&self) -> bool {
        self.effect == Effect::Deny && self.approvals.is_empty() && self.rewrites.is_empty()
    }

    /// The decision on a call that was rewritten already: what wants a rewrite still denies it.
    #[must_use]
    pub fn once_rewritten(self, applied: &[Rewriting]) -> Self {
        if self.rewrites.is_empty() {
            return self;
        }
        let because = format!("{} changed it, and not so that it may pass: {}", names(applied), names(&self.rewrites));
        self.not_rewritten(&because)
    }

    /// The decision on a call that cannot be rewritten as policies want; why.
    #[must_use]
    pub fn not_rewritten(self, because: &str) -> Self {
        let message = format!("{} ({because})", self.message);
        Self::plain(Effect::Deny, self.policies, message)
    }
}

/// `the rewrite a`, `the rewrites a and b`.
fn names(rewrites: &[Rewriting]) -> String {
    let names: Vec<&str> = rewrites.iter().map(|rewrite| &*rewrite.name).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("the rewrite{plural} {}", names.join(" and "))
}
