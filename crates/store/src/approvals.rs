//! Requests for approval: who asked for what, who decided, and whether it was used. Control state by expected version
//! (design 2, "State"; design 5, "Approvals").
//!
//! Each step is an event that names the version of the request that its author saw; one that names another, or that cannot
//! be taken from where the request is, is void and changes nothing. The order in the log decides, so of two who decide at
//! once the first counts, and replay gives the same. Refused here besides: an approval by whoever asked, by anybody in the
//! asker's chain, or by one person twice; a second use; any decision after the end.
//!
//! The gate keeps the requests that are not over in memory, by the same rules; after a restart it reads them from the log
//! ([`ApprovalLog`]), never from the index, which whoever can write to the data directory could alter.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Transaction};
use serde::{Deserialize, Serialize};
use vidimus_core::{ApprovalId, SessionId};

use crate::approval_step::{self, Ask, Issued, Quorum, Step};
use crate::custody::Outcome;
use crate::leaf::{Entry, What};

/// The most requests that one list looks at.
const MAX_LOOKED_AT: u32 = 100_000;
/// What an outcome says of an operation of which nobody knows whether it was done.
const UNKNOWN: &str = "unknown";

/// One person's approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Whose.
    pub by: String,
    /// By which rules.
    pub rules: Vec<String>,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// When.
    pub time: String,
}

/// How far a request for approval is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum ApprovalState {
    /// Too few have approved yet.
    Open,
    /// Enough have: the operation may pass, once.
    Approved,
    /// Somebody denied it.
    Denied {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Its time was up.
    Expired,
    /// It was not needed any more.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// The grant that was asked for is in force.
    Granted(Box<Issued>),
    /// It was, and is no more.
    Ended {
        /// How it ended: `revoked`, `expired`, `used`, …
        how: String,
        /// Who revoked it.
        by: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// The operation was sent, or was about to be.
    Used {
        /// In which session, and under which number there.
        reference: String,
        /// How it ended; none while that is not known.
        outcome: Option<String>,
    },
}

impl ApprovalState {
    /// The word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Denied { .. } => "denied",
            Self::Expired => "expired",
            Self::Cancelled { .. } => "cancelled",
            Self::Used { .. } => "used",
            Self::Granted(_) => "granted",
            Self::Ended { .. } => "ended",
        }
    }
}

/// A request for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id.
    #[serde(with = "approval_step::as_text")]
    pub id: ApprovalId,
    /// How many steps were taken. The next one must name this number.
    pub version: u64,
    /// What is asked for.
    pub ask: Ask,
    /// Who approved it.
    pub given: Vec<Given>,
    /// How far it is.
    pub state: ApprovalState,
}

/// Who took a step, when, and where that is on record.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// When.
    pub time: &'a str,
    /// Who; none where nobody did.
    pub who: Option<&'a str>,
    /// The session of the event.
    pub session: SessionId,
}

impl Approval {
    /// A request as it is made.
    pub const fn new(id: ApprovalId, ask: Ask) -> Self {
        Self { id, version: 1, ask, given: Vec::new(), state: ApprovalState::Open }
    }

    /// Break-glass as it begins: in force until then.
    pub fn opened(id: ApprovalId, ask: Ask, until: String) -> Option<Self> {
        let grant = ask.grant.as_ref().filter(|grant| grant.is_break_glass)?;
        let principal = grant.principal.clone();
        let issued = Issued {
            since: ask.requested.clone(),
            until,
            token: None,
            verifier: None,
            principal,
            scopes: Vec::new(),
            opened: 0,
        };
        Some(Self { id, version: 1, ask, given: Vec::new(), state: ApprovalState::Granted(Box::new(issued)) })
    }

    /// What an event makes of what was there before; none when it is void.
    fn next(before: Option<&Self>, (id, expects): (ApprovalId, u64), step: &Step, stamp: Stamp<'_>) -> Option<Self> {
        match (before, step) {
            (None, Step::Requested(ask)) if expects == 0 => Some(Self::new(id, Ask::clone(ask))),
            (None, Step::Opened(ask, until)) if expects == 0 => Self::opened(id, Ask::clone(ask), until.clone()),
            (None, _) => None,
            (Some(before), step) => before.after(expects, step, stamp),
        }
    }

    /// The request after a step; none when the step is void.
    #[must_use]
    pub fn after(&self, expects: u64, step: &Step, stamp: Stamp<'_>) -> Option<Self> {
        if expects != self.version {
            return None;
        }
        let is_pending = matches!(self.state, ApprovalState::Open | ApprovalState::Approved);
        let is_in_force = matches!(self.state, ApprovalState::Granted(_));
        let is_open = is_pending || is_in_force && matches!(step, Step::Ended { .. });
        if !is_open {
            return None;
        }
        let mut given = self.given.clone();
        let state = match step {
            Step::Approved { rules, reason } => {
                let by = stamp.who?;
                if self.state != ApprovalState::Open || !self.may_decide(by) || stamp.time >= self.ask.expires.as_str()
                {
                    return None;
                }
                let asked = |rule: &&String| self.ask.quorums.iter().any(|quorum| quorum.rule == **rule);
                let rules: Vec<String> = rules.iter().filter(asked).cloned().collect();
                if rules.is_empty() {
                    return None;
                }
                given.push(Given { by: by.to_owned(), rules, reason: reason.clone(), time: stamp.time.to_owned() });
                let is_met = |quorum: &Quorum| count(&given, &quorum.rule) >= quorum.approvers;
                if self.ask.quorums.iter().all(is_met) { ApprovalState::Approved } else { ApprovalState::Open }
            }
            Step::Denied { reason } => ApprovalState::Denied { by: stamp.who?.to_owned(), reason: reason.clone() },
            Step::Expired => ApprovalState::Expired,
            Step::Cancelled { reason } => ApprovalState::Cancelled { reason: reason.clone() },
            Step::Granted(issued) if self.state == ApprovalState::Approved => {
                let is_own = self.ask.grant.is_some() && stamp.who == Some(&self.ask.who);
                if !is_own || stamp.time >= self.ask.expires.as_str() {
                    return None;
                }
                ApprovalState::Granted(issued.clone())
            }
            Step::Ended { how, reason } if is_in_force => {
                ApprovalState::Ended { how: how.clone(), by: stamp.who.map(str::to_owned), reason: reason.clone() }
            }
            Step::Used { intent } if self.state == ApprovalState::Approved && self.ask.grant.is_none() => {
                ApprovalState::Used { reference: format!("{}/{intent}", stamp.session), outcome: None }
            }
            Step::Requested(_) | Step::Opened(..) | Step::Granted(_) | Step::Ended { .. } | Step::Used { .. } => {
                return None;
            }
        };
        Some(Self { id: self.id, version: self.version + 1, ask: self.ask.clone(), given, state })
    }

    /// Whether this person's approval would count: neither who asked, nor in that one's chain, nor heard already.
    pub fn may_decide(&self, person: &str) -> bool {
        person != self.ask.who
            && self.ask.barred.iter().all(|barred| barred != person)
            && self.given.iter().all(|given| given.by != person)
    }

    /// How many distinct people have approved by a rule. One person approves once, so each counts once.
    pub fn approved_by(&self, rule: &str) -> u64 {
        count(&self.given, rule)
    }

    /// The grant after one more session was opened with it.
    fn entered(mut self) -> Self {
        if let ApprovalState::Granted(issued) = &mut self.state {
            issued.opened += 1;
        }
        self
    }

    /// The request after its operation ended.
    fn ended(mut self, status: &str) -> Self {
        if let ApprovalState::Used { outcome, .. } = &mut self.state {
            *outcome = Some(status.to_owned());
        }
        self
    }
}

fn count(given: &[Given], rule: &str) -> u64 {
    let count = given.iter().filter(|given| given.rules.iter().any(|named| named == rule)).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Which requests for approval a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// Those that are over too.
    pub is_over: bool,
    /// At most so many, the latest first.
    pub limit: usize,
}

/// The requests for approval by the log alone, for whoever must not take an index's word for it.
#[derive(Debug, Default)]
pub struct ApprovalLog(HashMap<ApprovalId, Approval>);

impl ApprovalLog {
    /// Takes an entry of the log; every one that may hold a step must be given, in order. Says what became of the step in it,
    /// if it holds one.
    pub fn leaf(&mut self, leaf: &[u8]) -> Option<Outcome> {
        if !MEMBERS.iter().any(|member| leaf.windows(member.len()).any(|bytes| bytes == *member)) {
            return None;
        }
        let Entry { session, time, who, what, .. } = Entry::read(leaf)?;
        match what {
            What::Approval(id, expects, step) => {
                let stamp = Stamp { time, who: who.as_deref(), session };
                let after = Approval::next(self.0.get(&id), (id, expects), &step, stamp);
                let outcome = if after.is_some() { Outcome::Applied } else { Outcome::Void };
                self.0.extend(after.map(|after| (id, after)));
                Some(outcome)
            }
            What::Opened(opened) => {
                let id: ApprovalId = opened.grant?.id.parse().ok()?;
                let entered = self.0.remove(&id)?.entered();
                self.0.insert(id, entered);
                None
            }
            What::Ended(described) => {
                let id: ApprovalId = described.operation.approval?.parse().ok()?;
                let status = &described.outcome.as_ref()?.status;
                let ended = self.0.remove(&id)?.ended(status);
                self.0.insert(id, ended);
                None
            }
            _ => None,
        }
    }

    /// The requests that somebody may still hear of: those that wait, and those that were used with an outcome that is not
    /// known.
    pub fn left(self) -> impl Iterator<Item = Approval> {
        self.0.into_values().filter(|approval| match &approval.state {
            ApprovalState::Open
            | ApprovalState::Approved
            | ApprovalState::Denied { .. }
            | ApprovalState::Granted(_) => true,
            ApprovalState::Used { outcome, .. } => outcome.as_deref().is_none_or(|outcome| outcome == UNKNOWN),
            ApprovalState::Expired | ApprovalState::Cancelled { .. } | ApprovalState::Ended { .. } => false,
        })
    }
}

/// What every leaf with a step has in it, every outcome of an approved operation, and every session that was opened with a
/// grant: canonical JSON has no other way to write these names.
const MEMBERS: [&[u8]; 2] = [b"\"approval\":", b"\"grant\":"];

/// Applies a step.
pub(crate) fn apply(
    transaction: &Transaction<'_>,
    entry: &Entry<'_>,
    (id, expects, step): (ApprovalId, u64, &Step),
    leaf: i64,
) -> Result<(), rusqlite::Error> {
    let stamp = Stamp { time: entry.time, who: entry.who.as_deref(), session: entry.session };
    let before = read(transaction, id)?;
    let after = Approval::next(before.as_ref(), (id, expects), step, stamp);
    let Some(after) = after else {
        tracing::warn!(leaf, approval = %id, "a step of an approval came too late: it is void");
        return Ok(());
    };
    write(transaction, &after, leaf)
}

/// Enters that a session was opened with a grant.
pub(crate) fn enter(transaction: &Transaction<'_>, id: &str, leaf: i64) -> Result<(), rusqlite::Error> {
    let Ok(id) = id.parse() else { return Ok(()) };
    match read(transaction, id)? {
        Some(grant) => write(transaction, &grant.entered(), leaf),
        None => Ok(()),
    }
}

/// Enters how an approved operation ended.
pub(crate) fn end(transaction: &Transaction<'_>, id: &str, status: &str, leaf: i64) -> Result<(), rusqlite::Error> {
    let Ok(id) = id.parse() else { return Ok(()) };
    match read(transaction, id)? {
        Some(approval) => write(transaction, &approval.ended(status), leaf),
        None => Ok(()),
    }
}

/// A request for approval.
pub(crate) fn read(connection: &Connection, id: ApprovalId) -> Result<Option<Approval>, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT body FROM approvals WHERE id = ?1")?;
    let body: Option<String> = statement.query_row((id.as_bytes().as_slice(),), |row| row.get(0)).optional()?;
    Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
}

/// The requests that `filter` describes and `may_show` says yes to, the latest first. At most [`MAX_LOOKED_AT`] are looked at.
pub(crate) fn list(
    connection: &Connection,
    filter: ApprovalFilter,
    mut may_show: impl FnMut(&Approval) -> bool,
) -> Result<Vec<Approval>, rusqlite::Error> {
    let condition = if filter.is_over { "1" } else { "NOT is_over" };
    let query = format!("SELECT body FROM approvals WHERE {condition} ORDER BY leaf DESC LIMIT {MAX_LOOKED_AT}");
    let mut statement = connection.prepare(&query)?;
    let rows = statement.query_map((), |row| row.get::<_, String>(0))?;
    let mut shown = Vec::new();
    for body in rows {
        if shown.len() >= filter.limit {
            break;
        }
        shown.extend(serde_json::from_str(&body?).ok().filter(|approval| may_show(approval)));
    }
    Ok(shown)
}

/// The request of this id, or the only one whose id starts so, of those that `may_show` says yes to.
pub(crate) fn find(
    connection: &Connection,
    (low, high): ([u8; 16], [u8; 16]),
    mut may_show: impl FnMut(&Approval) -> bool,
) -> Result<Vec<Approval>, rusqlite::Error> {
    let query = format!("SELECT body FROM approvals WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT {MAX_LOOKED_AT}");
    let mut statement = connection.prepare(&query)?;
    let rows = statement.query_map((low.as_slice(), high.as_slice()), |row| row.get::<_, String>(0))?;
    let mut found = Vec::new();
    for body in rows {
        found.extend(serde_json::from_str(&body?).ok().filter(|approval| may_show(approval)));
        if found.len() > 1 {
            break;
        }
    }
    Ok(found)
}

/// The entry of the log by which the oldest request was made that is not over.
pub(crate) fn oldest_open(connection: &Connection) -> Result<Option<u64>, rusqlite::Error> {
    let leaf: Option<i64> =
        connection.query_row("SELECT min(leaf) FROM approvals WHERE NOT is_over", (), |row| row.get(0))?;
    Ok(leaf.and_then(|leaf| u64::try_from(leaf).ok()))
}

fn write(transaction: &Transaction<'_>, approval: &Approval, leaf: i64) -> Result<(), rusqlite::Error> {
    // What was read from JSON can be written as JSON.
    let Ok(body) = serde_json::to_string(approval) else { return Ok(()) };
    let is_over = match &approval.state {
        ApprovalState::Open | ApprovalState::Approved | ApprovalState::Granted(_) => false,
        ApprovalState::Denied { .. }
        | ApprovalState::Expired
        | ApprovalState::Cancelled { .. }
        | ApprovalState::Ended { .. } => true,
        ApprovalState::Used { outcome, .. } => outcome.is_some(),
    };
    transaction.execute(
        "INSERT INTO approvals VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, is_over = excluded.is_over, body = excluded.body",
        (approval.id.as_bytes().as_slice(), leaf, &approval.ask.who, approval.state.name(), is_over, body),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests;
