//! Pins: which definition of each tool is accepted, and what its server shows now. Control state by expected version
//! (design 2, "State").
//!
//! Each step is an event that names the version of the pin that it was decided on. The projection applies it when that is
//! the version still, and when the step may be taken from there; every other one changes nothing, and is said. Kept of the
//! definitions themselves are those that a pin names; the others are in the log.

use rusqlite::{Connection, OptionalExtension as _, Transaction};
use vidimus_core::TargetName;
use vidimus_core::event::PinStep;

use crate::leaf::{Entry, PinChange, PinDefinition};

/// What is accepted of a tool, and what it has now. Fingerprints are `sha256:…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pin {
    /// How many steps were taken. The next one must name this number.
    pub version: u64,
    /// The definition that is in force; none while nobody has accepted any.
    pub accepted: Option<String>,
    /// Who accepted it; none where it was the first one and trusted.
    pub accepted_by: Option<String>,
    /// The definition that the server shows instead, not accepted yet.
    pub pending: Option<String>,
    /// Whether the server has the tool no more.
    pub is_gone: bool,
    /// When the last step was taken: RFC 3339, UTC, nine fractional digits.
    pub since: String,
}

/// A step as its event tells it.
#[derive(Debug, Clone, Copy)]
pub struct PinMove<'a> {
    /// Which step.
    pub step: PinStep,
    /// The version it was decided on.
    pub expects: u64,
    /// The definition it is about.
    pub fingerprint: Option<&'a str>,
    /// The definition that is in force after it.
    pub accepted: Option<&'a str>,
}

/// A definition, as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDefinition {
    /// Canonical form, masked.
    pub text: String,
    /// Signs of hidden instructions in it, by name.
    pub signs: Vec<String>,
}

impl Pin {
    /// The pin after a step at this time by this principal; none when the step is void.
    pub fn after(&self, taken: PinMove<'_>, time: &str, who: Option<&str>) -> Option<Self> {
        if taken.expects != self.version {
            return None;
        }
        let fingerprint = taken.fingerprint.map(str::to_owned);
        let is_accepted = fingerprint.is_some() && fingerprint == self.accepted;
        let same = self.clone();
        let next = match taken.step {
            PinStep::Recorded if self.version == 0 && fingerprint.is_some() => {
                let is_trusted = taken.accepted == fingerprint.as_deref();
                let (accepted, pending) = if is_trusted { (fingerprint, None) } else { (None, fingerprint) };
                Self { accepted, pending, ..same }
            }
            PinStep::Changed if self.version > 0 && fingerprint.is_some() && !is_accepted => {
                Self { pending: fingerprint, is_gone: false, ..same }
            }
            PinStep::Gone if self.version > 0 && !self.is_gone => Self { pending: None, is_gone: true, ..same },
            PinStep::Restored if is_accepted => Self { pending: None, is_gone: false, ..same },
            PinStep::Accepted if fingerprint.is_some() && fingerprint == self.pending => {
                Self { accepted: fingerprint, accepted_by: Some(who?.to_owned()), pending: None, ..same }
            }
            _ => return None,
        };
        Some(Self { version: self.version + 1, since: time.to_owned(), ..next })
    }
}

/// Applies a step.
pub(crate) fn apply(
    transaction: &Transaction<'_>,
    entry: &Entry<'_>,
    change: &PinChange<'_>,
    leaf: i64,
) -> Result<(), rusqlite::Error> {
    let Some(target) = entry.target.as_deref() else { return Ok(()) };
    let before = read(transaction, target, &change.tool)?;
    let taken = PinMove {
        step: change.step,
        expects: change.expects,
        fingerprint: change.fingerprint.as_deref(),
        accepted: change.accepted.as_deref(),
    };
    let Some(pin) = before.after(taken, entry.time, entry.who.as_deref()) else {
        tracing::warn!(leaf, target, step = change.step.name(), "a step of a pin is void");
        return Ok(());
    };
    let version = i64::try_from(pin.version).unwrap_or(i64::MAX);
    transaction.execute(
        "INSERT OR REPLACE INTO pins VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (target, &change.tool, version, &pin.accepted, &pin.accepted_by, &pin.pending, pin.is_gone, &pin.since),
    )?;
    transaction.execute(
        "DELETE FROM definitions WHERE target = ?1 AND tool = ?2 AND fingerprint IS NOT ?3 AND fingerprint IS NOT ?4",
        (target, &change.tool, &pin.accepted, &pin.pending),
    )?;
    Ok(())
}

/// Keeps a part of a definition, which a step that follows names.
pub(crate) fn define(
    transaction: &Transaction<'_>,
    entry: &Entry<'_>,
    told: &PinDefinition<'_>,
) -> Result<(), rusqlite::Error> {
    let Some(target) = entry.target.as_deref() else { return Ok(()) };
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    transaction.execute(
        "INSERT OR REPLACE INTO definitions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            target,
            &told.tool,
            &told.fingerprint,
            number(told.part),
            number(told.of),
            &told.text,
            told.signs.join(SIGNS_APART),
        ),
    )?;
    Ok(())
}

/// Between the names of signs; in none of them.
const SIGNS_APART: &str = " ";

const COLUMNS: &str = "version, accepted, accepted_by, pending, gone, since";

/// The pin of a tool; that of one with no step yet is the beginning.
pub(crate) fn read(connection: &Connection, target: &str, tool: &str) -> Result<Pin, rusqlite::Error> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM pins WHERE target = ?1 AND tool = ?2"))?;
    Ok(statement.query_row((target, tool), |row| pin(row, 0)).optional()?.unwrap_or_default())
}

/// All pins, by target and tool.
pub(crate) fn all(connection: &Connection) -> Result<Vec<(TargetName, String, Pin)>, rusqlite::Error> {
    let mut statement =
        connection.prepare(&format!("SELECT target, tool, {COLUMNS} FROM pins ORDER BY target, tool"))?;
    let rows = statement.query_map((), |row| Ok((row.get::<_, String>(0)?, row.get(1)?, pin(row, 2)?)))?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    // A name that is none was never configured.
    Ok(rows.into_iter().filter_map(|(target, tool, pin)| Some((target.parse().ok()?, tool, pin))).collect())
}

/// A definition that a pin names; none when not all of it is told yet.
pub(crate) fn definition(
    connection: &Connection,
    target: &str,
    tool: &str,
    fingerprint: &str,
) -> Result<Option<StoredDefinition>, rusqlite::Error> {
    let mut statement = connection.prepare(
        "SELECT of, text, signs FROM definitions WHERE target = ?1 AND tool = ?2 AND fingerprint = ?3 ORDER BY part",
    )?;
    let rows = statement.query_map((target, tool, fingerprint), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    })?;
    let mut found = StoredDefinition { text: String::new(), signs: Vec::new() };
    let mut of = Vec::new();
    for row in rows {
        let (parts_in_all, text, signs) = row?;
        found.text.push_str(&text);
        found.signs.extend(signs.split(SIGNS_APART).filter(|sign| !sign.is_empty()).map(str::to_owned));
        of.push(parts_in_all);
    }
    let is_whole = !of.is_empty() && of.iter().all(|of_all| usize::try_from(*of_all) == Ok(of.len()));
    Ok(is_whole.then_some(found))
}

fn pin(row: &rusqlite::Row<'_>, first: usize) -> Result<Pin, rusqlite::Error> {
    Ok(Pin {
        version: u64::try_from(row.get::<_, i64>(first)?).unwrap_or(0),
        accepted: row.get(first + 1)?,
        accepted_by: row.get(first + 2)?,
        pending: row.get(first + 3)?,
        is_gone: row.get(first + 4)?,
        since: row.get(first + 5)?,
    })
}
