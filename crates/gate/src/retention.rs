//! Retention: recordings are kept for as long as a rule says, and are erased then (NIST SP 800-53 AU-11, SI-12(3)).
//!
//! A rule is on a target or on a data class; where several cover a session the shortest one ends its recording. Erasing is
//! done as persons have it done (`custody.rs`): confirmed first, destroyed, then said. Events name the rule in the place of
//! persons. No one person and no clock that is wrong shall erase everything at once: what makes more recordings due, a
//! shorter time or a hold removed, comes into force after a delay, and time is what the log vouches for (`RetentionLog`), never
//! what a clock says. Refused: whatever is under a legal hold, sessions that are still open, what only the index says to be
//! due, and anything in the first hour after a start.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use vidimus_core::event::{Body, Retention};
use vidimus_core::{Principal, SessionId};
use vidimus_log::ReadError;
use vidimus_store::{Before, Covered, RetentionLog, Standing};

use crate::custody::{Custodian, CustodyError, Step};
use crate::evidence::EvidenceError;
use crate::shared::Shared;
use crate::view::{ViewError, Viewer};

/// Recordings that retention ends in one pass: they share one cleaning of the journal.
const MAX_EXPIRED: u32 = 100;
/// The most sessions that are named as due.
pub const MAX_DUE_NAMED: u32 = 100;

/// How long nothing is erased after a start: time to see that something is wrong.
const FIRST: Duration = Duration::from_hours(1);
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
    /// How much time the log vouches for since the session of one ended first; none where by the clock it is not due either.
    pub counted: Option<Duration>,
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

/// Why recordings whose time is up are not erased yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The gateway was started so lately that it erases nothing for this long.
    Started(Duration),
    /// A shorter time is in force when the gateway has run for this long.
    Changed(Duration),
    /// The rules are not on record yet.
    Unrecorded,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = |left: &Duration| left.as_secs().div_ceil(60);
        match self {
            Self::Started(left) => write!(f, "nothing is erased soon after a start: {} minutes to go", minutes(left)),
            Self::Changed(left) => write!(
                f,
                "what would be erased now is kept until the gateway has run for {} minutes more: the rule was made shorter",
                minutes(left)
            ),
            Self::Unrecorded => f.write_str("the rules are not on record yet"),
        }
    }
}

impl Rule {
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
        // As a rule nothing is due by the clock either, and the log need not be read.
        if !self.shared().may_be_due(rule, &self.reader()?.standing(&rule.covered, Before::NOTHING)?) {
            return Ok(Expiry::Erased(0));
        }
        let asked = rule.clone();
        let InForce { due, erased, waits, .. } = self.read(move |shared| in_force(shared, &asked, None)).await?;
        if self.reader()?.expired(&rule.covered, due, 1)?.is_empty() {
            return Ok(Expiry::Erased(0));
        }
        let Some(before) = erased else {
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
            let status = |rule: Rule| {
                let standing = reader.standing(&rule.covered, Before::NOTHING)?;
                if !viewer.shared().may_be_due(&rule, &standing) {
                    return Ok(RuleStatus { rule, standing, counted: None, due: Vec::new(), waits: None });
                }
                let InForce { due, counted, waits, .. } = in_force(viewer.shared(), &rule, standing.first)?;
                let standing = reader.standing(&rule.covered, due)?;
                let waits = waits.filter(|_| standing.due > 0);
                let due = reader.expired(&rule.covered, due, MAX_DUE_NAMED)?;
                Ok(RuleStatus { rule, standing, counted, due, waits })
            };
            rules.into_iter().map(status).collect()
        })
        .await
    }
}

impl Shared {
    /// Whether by the clock a recording is old enough: then the log is asked how old it is.
    fn may_be_due(&self, rule: &Rule, standing: &Standing) -> bool {
        let latest = (self.evidence.clock.now() - rule.keep).to_string();
        standing.oldest.as_ref().is_some_and(|oldest| *oldest < latest)
    }
}

/// What a rule ends by what is in force.
struct InForce {
    /// What is due by it once nothing waits.
    due: Before,
    /// What may be erased now; none while nothing may.
    erased: Option<Before>,
    waits: Option<Waiting>,
    /// How old the entry is at least that was asked about.
    counted: Option<Duration>,
}

/// Asks the log. Blocks.
fn in_force(shared: &Shared, rule: &Rule, entry: Option<u64>) -> Result<InForce, ReadError> {
    let up = shared.up();
    shared.logged_custody.retention(&shared.evidence.log.snapshot(), |log| {
        let counted = entry.map(|entry| log.age(entry, up));
        let Some(found) = log.in_force(&rule.covered, up) else {
            let due = before(log, (rule.keep, Duration::ZERO), up);
            return InForce { due, erased: None, waits: Some(Waiting::Unrecorded), counted };
        };
        let started = FIRST.checked_sub(up).filter(|left| !left.is_zero()).map(Waiting::Started);
        let before = |keep: Duration| before(log, (keep, found.delay), up);
        InForce {
            due: before(rule.keep),
            erased: found.keep.filter(|_| started.is_none()).map(|keep| before(keep.max(rule.keep))),
            waits: started.or(found.shorter_in.map(Waiting::Changed)),
            counted,
        }
    })
}

/// What must have happened by when for a recording to be due that is kept for so long, a removed hold being waited out
/// for `delay`, the gateway having run for `up`.
fn before(log: &RetentionLog, (keep, delay): (Duration, Duration), up: Duration) -> Before {
    Before { closed: log.first_younger(keep, up), released: log.first_younger(delay, up) }
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
    let released = shared.logged_custody.released(&log, session)?;
    let Some((_, last)) = leaves.last() else { return Ok(false) };
    let id = session.to_string();
    let mut event = |index: u64| {
        let event: Option<Value> = serde_json::from_slice(&log.leaf(index)?).ok();
        Ok::<_, ReadError>(event.filter(|event| event.get("session").and_then(Value::as_str) == Some(&id)))
    };
    let Some(closed) = event(*last)? else { return Ok(false) };
    let text = |name: &str| closed.get(name).and_then(Value::as_str);
    let has_ended = text("type") == Some("session.closed") && *last < before.closed;
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
    Ok(has_ended && is_covered && released.is_none_or(|entry| entry < before.released))
}
