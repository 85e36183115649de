//! What one session may take: the rules that apply to it, its budget, its time.

use std::sync::Arc;
use std::time::Duration;

use vidimus_core::{Action, Principal, TargetName};

use super::{Applied, Budget, CallerLimits, Exceeded, Held, Limiter};

/// What a session may take. The default is whatever it wants.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    applied: Applied,
    budget: Option<Arc<Budget>>,
    /// When it ends, in time that the gateway runs.
    ends: Option<Duration>,
}

impl Allowance {
    /// That of a new session of a principal at a target.
    pub(crate) fn new(
        limits: &CallerLimits,
        limiter: &Limiter,
        (principal, target): (&Principal, &TargetName),
        now: Duration,
    ) -> Self {
        let applied = limiter.of(principal, Some(target), now);
        let ends = limits.session_max.map(|max| now.saturating_add(max));
        Self { applied, budget: Budget::new(limits), ends }
    }

    /// That of a session beside this one, which is at the endpoint for all targets: it shares the budget, and ends with it.
    pub(crate) fn beside(
        &self,
        limiter: &Limiter,
        (principal, target): (&Principal, &TargetName),
        now: Duration,
    ) -> Self {
        Self { applied: limiter.of(principal, Some(target), now), budget: self.budget.clone(), ends: None }
    }

    /// Whether a call could be made in it, without counting one.
    pub(crate) fn check(&self, now: Duration) -> Result<(), Exceeded> {
        self.applied.check(None, now)
    }

    /// Counts what is refused for another reason, which is recorded too.
    pub(crate) fn take_refused(&self, now: impl FnOnce() -> Duration) -> Result<(), Exceeded> {
        self.applied.take(None, false, now).map(drop)
    }

    /// Counts a call with so many bytes, or a stream.
    pub(crate) fn take(
        &self,
        (action, bytes): (&Action, usize),
        is_stream: bool,
        now: impl FnOnce() -> Duration,
    ) -> Result<Held, Exceeded> {
        // What only speaks of calls, such as to take one back, waits for none.
        let is_use = !is_stream && !matches!(action, Action::Method(_));
        let held = self.applied.take(Some(action), is_use, now)?;
        match &self.budget {
            Some(budget) => Ok(held.spending(budget.take(bytes, is_stream)?)),
            None => Ok(held),
        }
    }

    /// Whether its time is over.
    pub(crate) fn is_expired(&self, now: impl FnOnce() -> Duration) -> bool {
        self.ends.is_some_and(|ends| ends <= now())
    }

    /// Whether its budget is used up, and nothing runs in it any more.
    pub(crate) fn is_spent(&self) -> bool {
        self.budget.as_ref().is_some_and(|budget| budget.is_over())
    }
}
