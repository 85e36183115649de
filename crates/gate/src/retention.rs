//! Retention: recordings are kept for as long as a rule says, and are erased then (NIST SP 800-53 AU-11, SI-12(3)).
//!
//! A rule is on a target or on a data class; where several cover a session the shortest one ends its recording. Erasing is
//! done as persons have it done (`custody.rs`): confirmed first, destroyed, then said. Events name the rule in the place of
//! persons. No one person and no clock that is wrong shall erase everything at once: what makes more recordings due, a
//! shorter time or a hold removed, comes into force after a delay, and the clock is believed as far as `caution.rs` says.
//! Refused: whatever is under a legal hold, sessions that are still open, and what only the index says to be due.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use vidimus_core::event::{Body, Retention};
use vidimus_core::{Principal, SessionId, Timestamp};
use vidimus_log::ReadError;
use vidimus_store::{Before, Covered, Standing};

use crate::caution::Waiting;
use crate::custody::{Custodian, CustodyError, Step};
use crate::evidence::EvidenceError;
use crate::shared::Shared;
use crate::view::{ViewError, Viewer};

/// Recordings that retention ends in one pass: they share one cleaning of the journal.
const MAX_EXPIRED: u32 = 100;
/// The most sessions that are named as due.
pub const MAX_DUE_NAMED: u32 = 100;

const DAY: Duration = Duration::from_hours(24);

/// How long the recordings of some sessions are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whose.
    pub covered: Covered,
    /// How long after their session ended.
    pub keep: Duration,
}

/// How a rule stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStatus {
    /// The rule.
    pub rule: Rule,
    /// What it covers.
    pub standing: Standing,
    /// The sessions whose time is up by it, the longest ended first; at most [`MAX_DUE_NAMED`].
    pub due: Vec<SessionId>,
    /// Why they, or some of them, are not erased yet.
    pub waits: Option<Waiting>,
}

/// How looking for recordings whose time is up has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// So many are erased.
    Erased(usize),
    /// There are some, and they wait.
    Waits(Waiting),
}

impl Rule {
    /// What must have happened by when for a recording to be due, a removed hold being waited out for `delay`.
    fn before(&self, now: Timestamp, delay: Duration) -> Before {
        Before { closed: now - self.keep, released: now - delay }
    }

    fn as_event(&self) -> Retention<'_> {
        let (on, name) = match &self.covered {
            Covered::Target(name) => ("target", name.as_str()),
            Covered::Class(name) => ("class", name.as_str()),
        };
        Retention { on, name, keep: self.keep }
    }
}

/// As events give it for a reason.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.keep.as_secs() / DAY.as_secs();
        match &self.covered {
            Covered::Target(name) => write!(f, "retention of target {name}: {days} days"),
            Covered::Class(name) => write!(f, "retention of data class {name}: {days} days"),
        }
    }
}

impl Custodian {
    /// Puts rules on record, which brings them into force: longer times at once, shorter ones after the delay that was in
    /// force before, as for a shorter delay. To be called at each start.
    pub fn load_rules(&self, rules: &[Rule], delay: Duration) -> Result<(), EvidenceError> {
        let Shared { evidence, control, .. } = &**self.shared();
        let rules: Vec<Retention<'_>> = rules.iter().map(Rule::as_event).collect();
        control.append(evidence, Body::RetentionLoaded { rules: &rules, delay }).map(drop)
    }

    /// Erases the recordings whose time is up by this rule, as far as the log says so too.
    pub async fn expire(&self, rule: &Rule) -> Result<Expiry, CustodyError> {
        let now = self.shared().trusted_now();
        // As a rule there is none, and the log need not be read.
        if self.reader()?.expired(&rule.covered, rule.before(now, Duration::ZERO), 1)?.is_empty() {
            return Ok(Expiry::Erased(0));
        }
        let asked = rule.clone();
        let InForce { before, waits, .. } = self.read(move |shared| in_force(shared, &asked, now)).await?;
        let Some(before) = before else {
            return Ok(Expiry::Waits(waits.unwrap_or(Waiting::Unrecorded)));
        };
        let mut count = 0;
        loop {
            let expired = self.confirmed(rule, before).await?;
            if expired.is_empty() {
                return Ok(waits.filter(|_| count == 0).map_or(Expiry::Erased(count), Expiry::Waits));
            }
            count += expired.len();
            self.destroy(expired).await?;
        }
    }

    /// Confirms that the next recordings are to be erased which the rule ends.
    async fn confirmed(&self, rule: &Rule, before: Before) -> Result<Vec<SessionId>, CustodyError> {
        let reason = rule.to_string();
        let mut confirmed = Vec::new();
        for session in self.reader()?.expired(&rule.covered, before, MAX_EXPIRED)? {
            let (rule, leaves) = (rule.clone(), self.reader()?.leaves_of(session)?);
            if !self.read(move |shared| is_due(shared, &rule, before, (session, &leaves))).await? {
                return Err(CustodyError::NotDue(session));
            }
            let custody = self.agreed(session).await?;
            let row = self.reader()?.session(&session.to_string(), |_| true)?;
            match self.take(&row, &custody, Step::of_retention(&reason)).await {
                Ok(_) => confirmed.push(session),
                // A hold came first.
                Err(CustodyError::Raced(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(confirmed)
    }

    /// Reads the log, beside what else the gateway does.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, CustodyError> {
        let shared = Arc::clone(self.shared());
        Ok(tokio::task::spawn_blocking(move || read(&shared)).await.map_err(|_| ViewError::Stopping)??)
    }
}

impl Viewer {
    /// Whether a value of this data class was ever masked. It tells nothing of whose.
    pub async fn is_class_on_record(&self, class: &str) -> Result<bool, ViewError> {
        let class = class.to_owned();
        self.blocking(move |viewer| Ok(viewer.reader()?.classes()?.contains(&class))).await
    }

    /// How rules stand, what each would erase now, and what waits. Nothing is erased by asking.
    pub async fn retention(&self, principal: &Principal, rules: Vec<Rule>) -> Result<Vec<RuleStatus>, ViewError> {
        self.may_read_log(principal, "retention").await?;
        self.blocking(move |viewer| {
            let reader = viewer.reader()?;
            let now = viewer.shared().trusted_now();
            let status = |rule: Rule| {
                let mut before = rule.before(now, Duration::ZERO);
                let mut waits = None;
                if reader.standing(&rule.covered, before)?.due > 0 {
                    let found = in_force(viewer.shared(), &rule, now)?;
                    (before, waits) = (rule.before(now, found.delay), found.waits);
                }
                let standing = reader.standing(&rule.covered, before)?;
                let due = reader.expired(&rule.covered, before, MAX_DUE_NAMED)?;
                Ok(RuleStatus { rule, standing, due, waits })
            };
            rules.into_iter().map(status).collect()
        })
        .await
    }
}

impl Shared {
    /// The time, as far as it is believed where recordings are erased by it.
    fn trusted_now(&self) -> Timestamp {
        self.caution.now(&*self.evidence.clock)
    }
}

/// What a rule ends by what is in force.
struct InForce {
    /// None while nothing may be erased by it.
    before: Option<Before>,
    waits: Option<Waiting>,
    delay: Duration,
}

/// Asks the log and the clock. Blocks.
fn in_force(shared: &Shared, rule: &Rule, now: Timestamp) -> Result<InForce, ReadError> {
    let log = shared.evidence.log.snapshot();
    let (found, jumped) = shared.logged_custody.retention(&log, &rule.covered, now)?;
    let Some(found) = found else {
        return Ok(InForce { before: None, waits: Some(Waiting::Unrecorded), delay: Duration::ZERO });
    };
    let delay = found.delay;
    let gap = jumped.map(|at| at + delay).filter(|until| now < *until).map(Waiting::Gap);
    let clock = shared.caution.waits(&*shared.evidence.clock, delay).or(gap);
    let waits = clock.or(found.shorter_at.map(Waiting::Changed));
    let keep = found.keep.filter(|_| clock.is_none()).map(|keep| keep.max(rule.keep));
    let before = keep.map(|keep| Before { closed: now - keep, released: now - delay });
    Ok(InForce { before, waits, delay })
}

/// Whether the log itself says that a session is covered, ended before that, and was not under a hold since: what somebody
/// wrote into the index erases nothing. Blocks.
fn is_due(
    shared: &Shared,
    rule: &Rule,
    before: Before,
    (session, leaves): (SessionId, &[(u64, u64)]),
) -> Result<bool, ReadError> {
    let mut log = shared.evidence.log.snapshot();
    let Some((_, last)) = leaves.last() else { return Ok(false) };
    let id = session.to_string();
    let mut event = |index: u64| {
        let event: Option<Value> = serde_json::from_slice(&log.leaf(index)?).ok();
        Ok::<_, ReadError>(event.filter(|event| event.get("session").and_then(Value::as_str) == Some(&id)))
    };
    let Some(closed) = event(*last)? else { return Ok(false) };
    let text = |name: &str| closed.get(name).and_then(Value::as_str);
    let has_ended = text("type") == Some("session.closed")
        && text("time").and_then(|time| time.parse().ok()).is_some_and(|time: Timestamp| time < before.closed);
    let is_covered = match &rule.covered {
        Covered::Target(target) => text("target") == Some(target.as_str()),
        Covered::Class(class) => {
            let mut found = false;
            for (_, leaf) in leaves {
                let event = event(*leaf)?.unwrap_or_default();
                let masked = [event.get("masked"), event.get("outcome").and_then(|outcome| outcome.get("masked"))];
                found |= masked.into_iter().flatten().any(|masked| masked.get(class).is_some());
            }
            found
        }
    };
    let released = shared.logged_custody.released(&shared.evidence.log.snapshot(), session)?;
    Ok(has_ended && is_covered && released.is_none_or(|at| at < before.released.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_is_older_than_time_covers_nothing() {
        let rule = Rule { covered: Covered::Class("US_SSN".into()), keep: DAY * 36_500 };
        let before = |rule: &Rule, seconds| rule.before(Timestamp::from_seconds(seconds), Duration::ZERO).closed;
        assert_eq!(before(&rule, 86_400), Timestamp::from_seconds(0));
        assert_eq!(rule.to_string(), "retention of data class US_SSN: 36500 days");
        let rule = Rule { covered: Covered::Target("crm".parse().unwrap_or_else(|_| unreachable!())), keep: DAY };
        assert_eq!(before(&rule, 86_401), Timestamp::from_seconds(1));
    }
}
