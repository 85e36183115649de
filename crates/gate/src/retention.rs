//! Retention: recordings are kept for as long as a rule says, and are erased then (NIST SP 800-53 AU-11, SI-12(3)).
//!
//! A rule is on a target or on a data class; where several cover a session the shortest one ends its recording. Erasing is
//! done as persons have it done (`custody.rs`): confirmed first, destroyed, then said. Events name the rule in the place of
//! persons. Refused: whatever is under a legal hold, and sessions that are still open.

use std::fmt;
use std::time::Duration;

use vidimus_core::{Principal, SessionId, Timestamp};
use vidimus_store::{ControlState as _, Covered, Standing};

use crate::custody::{Custodian, CustodyError, Step};
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
    /// The sessions whose recording it would erase now, the longest ended first; at most [`MAX_DUE_NAMED`].
    pub due: Vec<SessionId>,
}

impl Rule {
    /// Sessions that ended before this have kept their recording long enough.
    fn before(&self, now: Timestamp) -> Timestamp {
        let keep = u64::try_from(self.keep.as_nanos()).unwrap_or(u64::MAX);
        Timestamp::from_nanoseconds(now.nanoseconds().saturating_sub(keep))
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
    /// Erases the recordings whose time is up by this rule; returns how many.
    pub async fn expire(&self, rule: &Rule) -> Result<usize, CustodyError> {
        let (reason, before) = (rule.to_string(), rule.before(self.now()));
        let mut count = 0;
        loop {
            let expired = self.reader()?.expired(&rule.covered, before, MAX_EXPIRED)?;
            let mut confirmed = Vec::new();
            for session in expired {
                let custody = self.reader()?.custody(session)?;
                let row = self.reader()?.session(&session.to_string(), |_| true)?;
                match self.take(&row, &custody, Step::of_retention(&reason)).await {
                    Ok(()) => confirmed.push(session),
                    // A hold came first.
                    Err(CustodyError::Raced(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if confirmed.is_empty() {
                return Ok(count);
            }
            count += confirmed.len();
            self.destroy(confirmed).await?;
        }
    }
}

impl Viewer {
    /// Whether a value of this data class was ever masked. It tells nothing of whose.
    pub async fn is_class_on_record(&self, class: &str) -> Result<bool, ViewError> {
        let class = class.to_owned();
        self.blocking(move |viewer| Ok(viewer.reader()?.classes()?.contains(&class))).await
    }

    /// How rules stand, and what each would erase now. Nothing is erased by asking.
    pub async fn retention(&self, principal: &Principal, rules: Vec<Rule>) -> Result<Vec<RuleStatus>, ViewError> {
        self.may_read_log(principal, "retention").await?;
        let now = self.now();
        self.blocking(move |viewer| {
            let reader = viewer.reader()?;
            let status = |rule: Rule| {
                let before = rule.before(now);
                let standing = reader.standing(&rule.covered, before)?;
                let due = reader.expired(&rule.covered, before, MAX_DUE_NAMED)?;
                Ok(RuleStatus { rule, standing, due })
            };
            rules.into_iter().map(status).collect()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_is_older_than_time_covers_nothing() {
        let rule = Rule { covered: Covered::Class("US_SSN".into()), keep: DAY * 36_500 };
        assert_eq!(rule.before(Timestamp::from_seconds(86_400)), Timestamp::from_seconds(0));
        assert_eq!(rule.to_string(), "retention of data class US_SSN: 36500 days");
        let rule = Rule { covered: Covered::Target("crm".parse().unwrap_or_else(|_| unreachable!())), keep: DAY };
        assert_eq!(rule.before(Timestamp::from_seconds(86_401)), Timestamp::from_seconds(1));
    }
}
