//! Which recordings a rule of retention covers, and which of them it is time to erase (NIST SP 800-53 AU-11).
//!
//! A rule covers the closed sessions of a target, or those in which a value of a data class was masked. What is held is
//! never due, nor what a hold has kept until lately, and what is erased, or about to be, is covered no more. What comes before
//! what is told by places in the log, as clocks can be set.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use vidimus_core::{SessionId, TargetName};

use crate::{Reader, StoreError};

/// The sessions that a rule of retention covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Covered {
    /// Those of a target.
    Target(TargetName),
    /// Those with an operation in which a value of this data class was masked, whatever their target.
    Class(String),
}

/// How a rule stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Recordings of closed sessions that it covers.
    pub kept: u64,
    /// Those of them whose time is up and that no hold keeps.
    pub due: u64,
    /// Those of them whose time is up and whose hold was removed only lately.
    pub released: u64,
    /// Those of them under a legal hold.
    pub held: u64,
    /// When, by the clock, the session of one ended first: RFC 3339, UTC, nine fractional digits.
    pub oldest: Option<String>,
    /// The entry of the log by which the session of one ended first.
    pub first: Option<u64>,
}

/// Before which entries of the log things must have happened for a recording to be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// The end of its session.
    pub closed: u64,
    /// The removal of the last hold on it.
    pub released: u64,
}

/// That the last hold was not removed lately, `?3` being when that begins.
const SETTLED: &str =
    "sessions.id NOT IN (SELECT session FROM steps WHERE step = 'admin.hold_removed' AND NOT void AND leaf >= ?3)";

/// The entry by which a closed session ended: its last.
const ENDED: &str = "(SELECT leaf FROM entries WHERE session = sessions.number AND seq = sessions.events - 1)";

const COVERED: &str = "sessions LEFT JOIN custody ON custody.session = sessions.id \
     WHERE target IS NOT NULL AND closed IS NOT NULL AND coalesce(state, 'none') IN ('none', 'requested')";

impl Covered {
    fn condition(&self) -> (&'static str, Value) {
        match self {
            Self::Target(name) => ("target = ?1", Value::Text(name.to_string())),
            Self::Class(name) => (
                "EXISTS (SELECT 1 FROM masked WHERE masked.session = sessions.number \
                 AND class = (SELECT classes.number FROM classes WHERE name = ?1))",
                Value::Text(name.clone()),
            ),
        }
    }
}

impl Reader {
    /// The covered sessions that ended before that and that no hold keeps; the longest ended first.
    pub fn expired(&self, covered: &Covered, before: Before, limit: u32) -> Result<Vec<SessionId>, StoreError> {
        Ok(expired(self.connection(), covered, before, limit)?)
    }

    /// How a rule stands that erases what ended before that.
    pub fn standing(&self, covered: &Covered, before: Before) -> Result<Standing, StoreError> {
        let (condition, value) = covered.condition();
        let query = format!(
            "SELECT count(*), count(*) FILTER (WHERE {ENDED} < ?2 AND hold IS NULL AND {SETTLED}), \
             count(*) FILTER (WHERE {ENDED} < ?2 AND hold IS NULL AND NOT {SETTLED}), count(hold), min(closed), \
             min({ENDED}) FROM {COVERED} AND {condition}"
        );
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        let standing = self.connection().query_row(&query, params_from_iter(before.after(value)), |row| {
            let (kept, due, released) = (count(row.get(0)?), count(row.get(1)?), count(row.get(2)?));
            let first = row.get::<_, Option<i64>>(5)?.map(count);
            Ok(Standing { kept, due, released, held: count(row.get(3)?), oldest: row.get(4)?, first })
        });
        Ok(standing?)
    }

    /// The data classes of which a value was ever masked.
    pub fn classes(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection().prepare("SELECT name FROM classes ORDER BY name")?;
        let rows = statement.query_map((), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Before {
    /// Nothing has happened before the first entry.
    pub const NOTHING: Self = Self { closed: 0, released: 0 };

    /// The values of `?1` to `?3`.
    fn after(self, first: Value) -> [Value; 3] {
        let entry = |entry: u64| Value::Integer(i64::try_from(entry).unwrap_or(i64::MAX));
        [first, entry(self.closed), entry(self.released)]
    }
}

fn expired(
    connection: &Connection,
    covered: &Covered,
    before: Before,
    limit: u32,
) -> Result<Vec<SessionId>, rusqlite::Error> {
    let (condition, value) = covered.condition();
    let query = format!(
        "SELECT id FROM {COVERED} AND {condition} AND {ENDED} < ?2 AND hold IS NULL AND {SETTLED} \
         ORDER BY closed, number LIMIT ?4"
    );
    let values = before.after(value).into_iter().chain([Value::Integer(limit.into())]);
    let mut statement = connection.prepare(&query)?;
    let rows = statement.query_map(params_from_iter(values), |row| Ok(SessionId::from_bytes(row.get(0)?)))?;
    rows.collect()
}
