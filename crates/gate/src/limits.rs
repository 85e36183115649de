//! What callers may take at most, as the operator says: calls in a time, calls at once, sessions, and what one session may
//! use (NIST SP 800-53 AC-10, AC-12, SC-5, SC-10).
//!
//! A rule counts what it applies to, of each principal by itself or of all together; a call has to keep within every rule
//! that applies to it, and one that does not counts for none. What was counted is kept until it makes no difference any
//! more, whatever sessions end meanwhile: a new session is no new allowance. Time is the monotonic clock's.

mod allowance;
mod bucket;
mod budget;
mod table;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use vidimus_core::{Action, Principal, PrincipalKind, TargetName};

pub(crate) use self::allowance::Allowance;
pub use self::bucket::Rate;
use self::budget::{Budget, Spending};
use self::table::{Table, Used};

/// Sessions of one principal at once, unless the operator says otherwise.
const SESSIONS: usize = 20_000;

/// When to try again where nothing says when a call will end.
const SOON: Duration = Duration::from_secs(1);

/// The name of the limit of sessions at once: the key of the configuration.
pub(crate) const OF_SESSIONS: &str = "sessions";

/// What callers may take at most.
#[derive(Debug, Clone)]
pub struct CallerLimits {
    /// How many calls in a time, and at once.
    pub rules: Vec<LimitRule>,
    /// Sessions of one principal at once. Those that a session at the endpoint for all targets has beside it count with it.
    pub sessions: usize,
    /// How long a session lasts at most, however it is used.
    pub session_max: Option<Duration>,
    /// Calls in one session.
    pub session_calls: Option<u64>,
    /// Bytes of requests and results in one session, as they pass.
    pub session_bytes: Option<u64>,
}

impl Default for CallerLimits {
    fn default() -> Self {
        Self { rules: Vec::new(), sessions: SESSIONS, session_max: None, session_calls: None, session_bytes: None }
    }
}

/// How many calls, of whom, of what. At least one of `calls` and `concurrent` is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRule {
    /// What the operator calls it.
    pub name: Arc<str>,
    /// Only principals in one of these groups; empty for all.
    pub groups: Vec<String>,
    /// Only principals of this kind.
    pub kind: Option<PrincipalKind>,
    /// Only at this target.
    pub target: Option<TargetName>,
    /// Only these tools of that target; empty for whatever is asked of it.
    pub tools: Vec<String>,
    /// Whether all principals have one allowance together, and not each its own.
    pub is_shared: bool,
    /// Calls in a time.
    pub calls: Option<Rate>,
    /// Calls at once.
    pub concurrent: Option<usize>,
}

impl LimitRule {
    fn is_for(&self, principal: &Principal, target: Option<&TargetName>) -> bool {
        (self.groups.is_empty() || self.groups.iter().any(|group| principal.groups.contains(group)))
            && self.kind.is_none_or(|kind| kind == principal.kind)
            && self.target.as_ref().is_none_or(|own| Some(own) == target)
    }

    fn covers(&self, action: Option<&Action>) -> bool {
        self.tools.is_empty()
            || matches!(action, Some(Action::ToolCall(tool)) if self.tools.iter().any(|own| **own == **tool))
    }
}

/// A call that is not within a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exceeded {
    /// The name of the limit.
    pub(crate) limit: Arc<str>,
    /// `rate`, `concurrent`, `sessions` or `budget`.
    pub(crate) reason: &'static str,
    /// The text for the caller.
    pub(crate) message: String,
    /// When it would be within it, as far as that is known.
    pub(crate) retry_after: Option<Duration>,
}

impl Exceeded {
    fn of_rate(rule: &LimitRule, rate: &Rate, wait: Duration) -> Self {
        let seconds = seconds(wait);
        let message = format!("too many calls: the limit `{}` is {rate}; try again in {seconds} s", rule.name);
        Self { limit: Arc::clone(&rule.name), reason: "rate", message, retry_after: Some(wait) }
    }

    fn of_concurrent(rule: &LimitRule, most: usize) -> Self {
        let message = format!(
            "too many calls at once: the limit `{}` is {most}; try again when one of those that run has ended",
            rule.name
        );
        Self { limit: Arc::clone(&rule.name), reason: "concurrent", message, retry_after: Some(SOON) }
    }

    /// As many sessions are open as one principal may have.
    pub(crate) fn of_sessions(most: usize) -> Self {
        let sessions = if most == 1 { "session" } else { "sessions" };
        let message = format!(
            "you have {most} {sessions} open, as many as one may have (the limit `{OF_SESSIONS}`): end one, with DELETE \
             and its Mcp-Session-Id, or wait until unused ones are closed"
        );
        Self { limit: OF_SESSIONS.into(), reason: "sessions", message, retry_after: None }
    }
}

/// By which limit something was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// The name of the limit.
    pub name: Arc<str>,
    /// Whole seconds after which it would be within the limit, as far as that is known.
    pub retry_after: Option<u64>,
}

impl Limited {
    pub(crate) fn new(name: Arc<str>, retry_after: Option<Duration>) -> Self {
        Self { name, retry_after: retry_after.map(seconds) }
    }
}

/// Whole seconds, up: what `Retry-After` says (RFC 9110 §10.2.3).
fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// The rules, with what is used of each.
#[derive(Debug, Default)]
pub(crate) struct Limiter(Vec<(Arc<LimitRule>, Table)>);

/// The rules that apply to one principal at one target, with what is used of them.
#[derive(Debug, Default)]
pub(crate) struct Applied(Box<[(Arc<LimitRule>, Arc<Used>)]>);

/// What a call takes of its limits for as long as it runs.
#[derive(Debug, Default)]
#[must_use = "what runs at once is free again when this is dropped"]
pub(crate) struct Held {
    _slots: Vec<OwnedSemaphorePermit>,
    /// The budget of its session, if that has one.
    spending: Option<Spending>,
}

impl Held {
    fn spending(self, spending: Spending) -> Self {
        Self { spending: Some(spending), ..self }
    }

    /// Counts bytes that go to the caller.
    pub(crate) fn spend(&self, bytes: usize) {
        if let Some(spending) = &self.spending {
            spending.spend(bytes);
        }
    }
}

impl Limiter {
    pub(crate) fn new(rules: Vec<LimitRule>) -> Self {
        Self(rules.into_iter().map(|rule| (Arc::new(rule), Table::default())).collect())
    }

    /// What applies to a principal at a target; without one, outside all of them.
    pub(crate) fn of(&self, principal: &Principal, target: Option<&TargetName>, now: Duration) -> Applied {
        if self.0.is_empty() {
            return Applied::default();
        }
        let who = principal.id();
        let applied = self.0.iter().filter(|(rule, _)| rule.is_for(principal, target));
        let used = |(rule, table): &(Arc<LimitRule>, Table)| {
            let name = if rule.is_shared { "" } else { &who };
            (Arc::clone(rule), table.of(name, rule, now))
        };
        Applied(applied.map(used).collect())
    }
}

impl Applied {
    /// Counts a call, or says by what it may not be. `at_once` of one that counts among those that run at once.
    pub(crate) fn take(
        &self,
        action: Option<&Action>,
        at_once: bool,
        now: impl FnOnce() -> Duration,
    ) -> Result<Held, Exceeded> {
        if self.0.is_empty() {
            return Ok(Held::default());
        }
        let now = now();
        let rules = || self.0.iter().filter(|(rule, _)| rule.covers(action));
        self.check(action, now)?;
        let mut slots = Vec::new();
        for (rule, used) in rules().filter(|_| at_once) {
            if let Some(running) = &used.running {
                let slot = Arc::clone(running).try_acquire_owned();
                slots.push(slot.map_err(|_| Exceeded::of_concurrent(rule, rule.concurrent.unwrap_or_default()))?);
            }
        }
        for (taken, (rule, used)) in rules().enumerate() {
            let Some(rate) = &rule.calls else { continue };
            // Another may have come between.
            if let Err(wait) = used.calls.take(rate, now) {
                for (rule, used) in rules().take(taken) {
                    if let Some(rate) = &rule.calls {
                        used.calls.give_back(rate);
                    }
                }
                return Err(Exceeded::of_rate(rule, rate, wait));
            }
        }
        Ok(Held { _slots: slots, spending: None })
    }

    /// Whether a call may be by its rates, without counting it: else by which not for the longest time.
    pub(crate) fn check(&self, action: Option<&Action>, now: Duration) -> Result<(), Exceeded> {
        let waits = self.0.iter().filter(|(rule, _)| rule.covers(action)).filter_map(|(rule, used)| {
            let rate = rule.calls.as_ref()?;
            Some((used.calls.wait(rate, now)?, rule, rate))
        });
        match waits.max_by_key(|(wait, ..)| *wait) {
            Some((wait, rule, rate)) => Err(Exceeded::of_rate(rule, rate, wait)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
