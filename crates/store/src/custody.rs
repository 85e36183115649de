//! The custody of recordings: who holds what, and what is to be erased. Control state by expected version (design 2, "State").
//!
//! Each step is an event that names the version of the session's custody that its author saw. The projection applies it
//! when that is the version still, and when the step may be taken from there; every other one is kept as void and changes
//! nothing. The order in the log decides, so of two who act at once one wins, and replay gives the same winner.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Transaction};
use vidimus_core::SessionId;
use vidimus_core::event::CustodyStep;

use crate::leaf::{Change, Entry, What};

/// Whether a session's recording is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Custody {
    /// How many steps were taken. The next one must name this number.
    pub version: u64,
    /// Why it may not be erased; none when it may.
    pub hold: Option<String>,
    /// How far its erasure is.
    pub erasure: Erasure,
}

/// How far the erasure of a recording is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Erasure {
    /// Nobody wants it.
    #[default]
    None,
    /// Somebody asked for it; somebody else may confirm it in time.
    Requested(Request),
    /// It is confirmed and under way: it will be completed, after a crash too.
    Confirmed {
        /// Who asked; none when retention did.
        requested_by: Option<String>,
        /// Who confirmed; none when retention did.
        confirmed_by: Option<String>,
        /// Why.
        reason: String,
    },
    /// The recording is destroyed.
    Erased,
}

/// A request to erase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it ends: RFC 3339, UTC, nine fractional digits.
    pub expires: String,
}

impl Custody {
    /// The custody after a step at this time by this principal; none when the step is void.
    fn after(&self, change: &Change<'_>, time: &str, who: Option<&str>) -> Option<Self> {
        if change.expects != self.version {
            return None;
        }
        let reason = change.reason.to_string();
        let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
        let (hold, erasure) = match (change.step, &self.hold, &self.erasure) {
            (CustodyStep::HoldAdded, None, Erasure::None | Erasure::Requested(_)) => (Some(reason), Erasure::None),
            (CustodyStep::HoldRemoved, Some(_), erasure) => (None, erasure.clone()),
            (CustodyStep::EraseRequested, None, Erasure::None | Erasure::Requested(_)) => {
                let request = Request { by: who?.to_owned(), reason, expires: owned(&change.expires)? };
                (None, Erasure::Requested(request))
            }
            (CustodyStep::EraseConfirmed, None, erasure) => {
                let is_due = match erasure {
                    // Retention asks nobody.
                    Erasure::None => change.confirmed_by.is_none(),
                    Erasure::Requested(request) => {
                        change.confirmed_by.is_none()
                            || (who.is_some_and(|who| who != request.by)
                                && change.confirmed_by.as_deref() == who
                                && change.requested_by.as_deref().is_none_or(|by| by == request.by)
                                && time < request.expires.as_str())
                    }
                    Erasure::Confirmed { .. } | Erasure::Erased => false,
                };
                let (requested_by, confirmed_by) = (owned(&change.requested_by), owned(&change.confirmed_by));
                (None, is_due.then_some(Erasure::Confirmed { requested_by, confirmed_by, reason })?)
            }
            (CustodyStep::Erased, hold, Erasure::Confirmed { .. }) => (hold.clone(), Erasure::Erased),
            _ => return None,
        };
        Some(Self { version: self.version + 1, hold, erasure })
    }
}

/// What became of a control event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It changed the state.
    Applied,
    /// It named a version that was past, or a step that could not be taken from there: it changed nothing.
    Void,
}

/// The custody of all recordings by the log alone, for whoever must not take an index's word for it.
#[derive(Debug, Default)]
pub struct CustodyLog {
    custody: HashMap<SessionId, Custody>,
    /// The entry by which the last hold on a recording was removed.
    released: HashMap<SessionId, u64>,
}

impl CustodyLog {
    /// Takes an entry of the log; every one that may hold a step must be given, in order. Says what became of the step in it,
    /// if it holds one.
    pub fn leaf(&mut self, entry: u64, leaf: &[u8]) -> Option<Outcome> {
        if !leaf.windows(MEMBER.len()).any(|bytes| bytes == MEMBER) {
            return None;
        }
        let Some(Entry { time, who, what: What::Custody(change), .. }) = Entry::read(leaf) else { return None };
        let custody = self.custody.entry(change.session).or_default();
        let Some(after) = custody.after(&change, time, who.as_deref()) else { return Some(Outcome::Void) };
        *custody = after;
        if change.step == CustodyStep::HoldRemoved {
            self.released.insert(change.session, entry);
        }
        Some(Outcome::Applied)
    }

    /// The custody of a session; that of one with no step yet is the beginning.
    pub fn custody(&self, session: SessionId) -> Custody {
        self.custody.get(&session).cloned().unwrap_or_default()
    }

    /// The entry by which the last hold on a session's recording was removed.
    pub fn released(&self, session: SessionId) -> Option<u64> {
        self.released.get(&session).copied()
    }
}

/// What every leaf with a step has in it: canonical JSON has no other way to write this name.
const MEMBER: &[u8] = b"\"custody\":";

/// Applies a step; whether it is one that orders destruction.
pub(crate) fn apply(
    transaction: &Transaction<'_>,
    entry: &Entry<'_>,
    change: &Change<'_>,
    leaf: i64,
) -> Result<bool, rusqlite::Error> {
    let before = read(transaction, change.session)?;
    let after = before.after(change, entry.time, entry.who.as_deref());
    transaction.execute(
        "INSERT INTO steps VALUES (?1, ?2, ?3, ?4, ?5)",
        (leaf, change.session.as_bytes().as_slice(), change.step.name(), entry.time, after.is_none()),
    )?;
    let Some(after) = after else {
        tracing::warn!(leaf, session = %change.session, step = change.step.name(), "a step of custody came too late: it is void");
        return Ok(false);
    };
    write(transaction, change.session, &after)?;
    Ok(change.step == CustodyStep::EraseConfirmed)
}

/// Whether something was deleted that is not overwritten yet.
pub(crate) fn is_wipe_due(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let due = "SELECT EXISTS (SELECT 1 FROM steps, state WHERE leaf >= wiped AND NOT void AND step = ?1)";
    connection.query_row(due, (CustodyStep::EraseConfirmed.name(),), |row| row.get(0))
}

/// The custody of a session; that of one with no step yet is the beginning.
pub(crate) fn read(connection: &Connection, session: SessionId) -> Result<Custody, rusqlite::Error> {
    let mut statement = connection.prepare(
        "SELECT version, hold, state, requested_by, confirmed_by, reason, expires FROM custody WHERE session = ?1",
    )?;
    let custody = statement.query_row((session.as_bytes().as_slice(),), |row| {
        let (requested_by, confirmed_by): (Option<String>, Option<String>) = (row.get(3)?, row.get(4)?);
        let reason = row.get::<_, Option<String>>(5)?.unwrap_or_default();
        let erasure = match row.get::<_, String>(2)?.as_str() {
            "requested" => Erasure::Requested(Request {
                by: requested_by.unwrap_or_default(),
                reason,
                expires: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
            }),
            "confirmed" => Erasure::Confirmed { requested_by, confirmed_by, reason },
            "erased" => Erasure::Erased,
            _ => Erasure::None,
        };
        let version = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
        Ok(Custody { version, hold: row.get(1)?, erasure })
    });
    Ok(custody.optional()?.unwrap_or_default())
}

fn write(transaction: &Transaction<'_>, session: SessionId, custody: &Custody) -> Result<(), rusqlite::Error> {
    let (state, requested_by, confirmed_by, reason, expires) = match &custody.erasure {
        Erasure::None => ("none", None, None, None, None),
        Erasure::Requested(Request { by, reason, expires }) => {
            ("requested", Some(by), None, Some(reason), Some(expires))
        }
        Erasure::Confirmed { requested_by, confirmed_by, reason } => {
            ("confirmed", requested_by.as_ref(), confirmed_by.as_ref(), Some(reason), None)
        }
        Erasure::Erased => ("erased", None, None, None, None),
    };
    let version = i64::try_from(custody.version).unwrap_or(i64::MAX);
    transaction.execute(
        "INSERT OR REPLACE INTO custody VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (session.as_bytes().as_slice(), version, &custody.hold, state, requested_by, confirmed_by, reason, expires),
    )?;
    Ok(())
}
