//! Which recordings a rule of retention covers, and which of them it is time to erase (NIST SP 800-53 AU-11).
//!
//! A rule covers the closed sessions of a target, or those in which a value of a data class was masked. What is held is
//! never due, and what is erased, or about to be, is covered no more. Times are compared as text: they sort.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use vidimus_core::{SessionId, TargetName, Timestamp};

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
    /// Those of them under a legal hold.
    pub held: u64,
    /// When the session of the oldest one ended: RFC 3339, UTC, nine fractional digits.
    pub oldest: Option<String>,
}

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
    /// The covered sessions that ended before `before` and that no hold keeps; the longest ended first.
    pub fn expired(&self, covered: &Covered, before: Timestamp, limit: u32) -> Result<Vec<SessionId>, StoreError> {
        Ok(expired(self.connection(), covered, before, limit)?)
    }

    /// How a rule stands that erases what ended before `before`.
    pub fn standing(&self, covered: &Covered, before: Timestamp) -> Result<Standing, StoreError> {
        let (condition, value) = covered.condition();
        let query = format!(
            "SELECT count(*), count(*) FILTER (WHERE closed < ?2 AND hold IS NULL), count(hold), min(closed) \
             FROM {COVERED} AND {condition}"
        );
        let values = params_from_iter([value, Value::Text(before.to_string())]);
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        let standing = self.connection().query_row(&query, values, |row| {
            let (kept, due, held) = (count(row.get(0)?), count(row.get(1)?), count(row.get(2)?));
            Ok(Standing { kept, due, held, oldest: row.get(3)? })
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

fn expired(
    connection: &Connection,
    covered: &Covered,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<SessionId>, rusqlite::Error> {
    let (condition, value) = covered.condition();
    let query = format!(
        "SELECT id FROM {COVERED} AND {condition} AND closed < ?2 AND hold IS NULL ORDER BY closed, number LIMIT ?3"
    );
    let values = params_from_iter([value, Value::Text(before.to_string()), Value::Integer(limit.into())]);
    let mut statement = connection.prepare(&query)?;
    let rows = statement.query_map(values, |row| Ok(SessionId::from_bytes(row.get(0)?)))?;
    rows.collect()
}
