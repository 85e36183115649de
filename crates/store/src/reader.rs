//! Reading the index: lists of sessions, one session by id or the beginning of it, and where its events are.
//!
//! A reader sees the last committed batch and never holds the writer up. It answers with places in the log; the
//! events themselves are read from the log, so nobody who alters this file alters evidence.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use vidimus_core::{EventId, SessionId, TargetName, Timestamp};

use crate::error::MIN_PREFIX;
use crate::{StoreError, schema};

/// The most sessions one list answers.
pub const MAX_SESSIONS: u32 = 10_000;
/// The most sessions that one list asks for whether they may be shown; whoever needs older ones narrows the filter.
pub const MAX_ASKED: u32 = 100_000;
/// Hexadecimal digits in an id.
const ID_DIGITS: usize = 32;

const COLUMNS: &str = "id, opened, who, display, target, protocol, durability, record, client, closed, reason, events, operations, denied";

/// Which sessions a list shows; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Opened at this time or later.
    pub since: Option<Timestamp>,
    /// Opened before this time.
    pub until: Option<Timestamp>,
    /// Of this principal: `issuer|subject`, exactly.
    pub who: Option<String>,
    /// On this target.
    pub target: Option<TargetName>,
    /// Control sessions too: a gateway process's own events (its start, its configuration, who read evidence).
    pub control: bool,
    /// At most so many, the latest first. [`MAX_SESSIONS`] is the most.
    pub limit: u32,
}

/// One session as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// When it was opened: RFC 3339, UTC, nine fractional digits.
    pub opened: String,
    /// Whose it is: `issuer|subject`. None for a control session.
    pub who: Option<String>,
    /// Its owner's name or e-mail address as the issuer states it; for display only.
    pub display: Option<String>,
    /// What it is on. None for a control session.
    pub target: Option<String>,
    /// The protocol, by its name in configuration.
    pub protocol: Option<String>,
    /// `strict` or `async`.
    pub durability: Option<String>,
    /// `sizes` or `masked`.
    pub record: Option<String>,
    /// The client's name as it claims.
    pub client: Option<String>,
    /// When it was closed; none while it is open.
    pub closed: Option<String>,
    /// Why it was closed.
    pub reason: Option<String>,
    /// Events recorded.
    pub events: u64,
    /// Operations asked for, the denied ones included.
    pub operations: u64,
    /// Operations denied.
    pub denied: u64,
}

impl SessionRow {
    /// Whether it holds a gateway process's own events rather than a principal's.
    pub fn is_control(&self) -> bool {
        self.target.is_none()
    }
}

/// A connection for reading.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens the index at `path`, which an [`Index`](crate::Index) has made.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: schema::open_reader(path)? })
    }

    /// How many leaves of the log the index holds.
    pub fn applied(&self) -> Result<u64, StoreError> {
        let applied: i64 = self.connection.query_row("SELECT applied FROM state", (), |row| row.get(0))?;
        Ok(count(applied))
    }

    /// The sessions that `filter` describes, the latest opened first.
    pub fn sessions(&self, filter: &SessionFilter) -> Result<Vec<SessionRow>, StoreError> {
        self.sessions_that(filter, |_| true)
    }

    /// The sessions that `filter` describes and `may_show` says yes to, the latest opened first. The filter's limit is
    /// on those; of the described ones at most [`MAX_ASKED`] are asked for.
    pub fn sessions_that(
        &self,
        filter: &SessionFilter,
        mut may_show: impl FnMut(&SessionRow) -> bool,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let mut conditions = vec!["1"];
        let mut values: Vec<Value> = Vec::new();
        let mut condition = |text, value: String| {
            conditions.push(text);
            values.push(Value::Text(value));
        };
        if let Some(since) = filter.since {
            condition("opened >= ?", since.to_string());
        }
        if let Some(until) = filter.until {
            condition("opened < ?", until.to_string());
        }
        if let Some(who) = &filter.who {
            condition("who = ?", who.clone());
        }
        if let Some(target) = &filter.target {
            condition("target = ?", target.to_string());
        }
        if !filter.control {
            conditions.push("target IS NOT NULL");
        }
        values.push(Value::Integer(MAX_ASKED.into()));
        let query = format!(
            "SELECT {COLUMNS} FROM sessions WHERE {} ORDER BY opened DESC, number DESC LIMIT ?",
            conditions.join(" AND ")
        );
        let mut statement = self.connection.prepare(&query)?;
        // Read row by row: the first ones are enough, as a rule.
        let rows = statement.query_map(params_from_iter(values), session)?;
        let limit = usize::try_from(filter.limit.min(MAX_SESSIONS)).unwrap_or(usize::MAX);
        let is_shown = |row: &Result<SessionRow, _>| row.as_ref().map_or(true, &mut may_show);
        Ok(rows.filter(is_shown).take(limit).collect::<Result<_, _>>()?)
    }

    /// The session with this id, or the only one whose id starts so (dashes may be left out), of those that `may_show`
    /// says yes to: the others are as if they were not there.
    pub fn session(
        &self,
        id_or_prefix: &str,
        mut may_show: impl FnMut(&SessionRow) -> bool,
    ) -> Result<SessionRow, StoreError> {
        let (low, high) = bounds(id_or_prefix)?;
        let query = format!("SELECT {COLUMNS} FROM sessions WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT {MAX_ASKED}");
        let mut statement = self.connection.prepare(&query)?;
        let rows = statement.query_map(params![low.as_slice(), high.as_slice()], session)?;
        let mut shown = rows.filter(|row: &Result<SessionRow, _>| row.as_ref().map_or(true, &mut may_show));
        let Some(found) = shown.next().transpose()? else {
            return Err(StoreError::NotFound(id_or_prefix.to_owned()));
        };
        if shown.next().is_some() { Err(StoreError::Ambiguous(id_or_prefix.to_owned())) } else { Ok(found) }
    }

    /// The sessions without a last event, control sessions too: open now, or left open by a crash.
    pub fn unfinished(&self) -> Result<Vec<SessionId>, StoreError> {
        let mut statement = self.connection.prepare("SELECT id FROM sessions WHERE closed IS NULL ORDER BY number")?;
        let rows = statement.query_map((), |row| Ok(SessionId::from_bytes(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Where the session's events stand in the log: (`seq`, index of the leaf), by `seq`. Empty when there is no such
    /// session.
    pub fn leaves_of(&self, session: SessionId) -> Result<Vec<(u64, u64)>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT seq, leaf FROM entries WHERE session = (SELECT number FROM sessions WHERE id = ?1) ORDER BY seq",
        )?;
        let rows = statement
            .query_map((session.as_bytes().as_slice(),), |row| Ok((count(row.get(0)?), count(row.get(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Where an event stands in the log; none when the index does not know it.
    pub fn leaf_of(&self, event: EventId) -> Result<Option<u64>, StoreError> {
        let leaf = self
            .connection
            .query_row("SELECT leaf FROM events WHERE id = ?1", (event.as_bytes().as_slice(),), |row| row.get(0))
            .optional()?;
        Ok(leaf.map(count))
    }
}

fn session(row: &Row<'_>) -> Result<SessionRow, rusqlite::Error> {
    Ok(SessionRow {
        id: SessionId::from_bytes(row.get(0)?),
        opened: row.get(1)?,
        who: row.get(2)?,
        display: row.get(3)?,
        target: row.get(4)?,
        protocol: row.get(5)?,
        durability: row.get(6)?,
        record: row.get(7)?,
        client: row.get(8)?,
        closed: row.get(9)?,
        reason: row.get(10)?,
        events: count(row.get(11)?),
        operations: count(row.get(12)?),
        denied: count(row.get(13)?),
    })
}

/// Counts are never negative; a file that says so was altered, and shows zero.
fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The lowest and highest id that starts with these digits.
fn bounds(prefix: &str) -> Result<([u8; 16], [u8; 16]), StoreError> {
    let bad = || StoreError::BadId(prefix.chars().take(ID_DIGITS + 4).collect());
    let digits: String = prefix.chars().filter(|character| *character != '-').collect();
    if !(MIN_PREFIX..=ID_DIGITS).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(bad());
    }
    let pad = |with: &str| {
        let padding = with.repeat(ID_DIGITS - digits.len());
        u128::from_str_radix(&format!("{digits}{padding}"), 16).map(u128::to_be_bytes).map_err(|_| bad())
    };
    Ok((pad("0")?, pad("f")?))
}
