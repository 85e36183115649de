//! Reading the index: lists of sessions, one session by id or the beginning of it, and where its events are.
//!
//! A reader sees the last committed batch and never holds the writer up. It answers with places in the log; the
//! events themselves are read from the log, so nobody who alters this file alters evidence.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use vidimus_core::{Effect, EventId, SessionId, TargetName, Timestamp};

use crate::approvals::{self, Approval, ApprovalFilter};
use crate::control::ControlState;
use crate::custody::{self, Custody, Outcome};
use crate::error::MIN_PREFIX;
use crate::pins::{self, Pin, StoredDefinition};
use crate::{StoreError, schema, text};

/// The most sessions one list answers.
pub const MAX_SESSIONS: u32 = 10_000;
/// The most sessions that one list asks for whether they may be shown; whoever needs older ones narrows the filter.
pub const MAX_ASKED: u32 = 100_000;
/// Hexadecimal digits in an id.
const ID_DIGITS: usize = 32;

const COLUMNS: &str = "id, opened, who, display, target, protocol, durability, record, client, closed, reason, events, operations, denied, parent";

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
    /// Opened for this session, which is at the endpoint for all targets.
    pub parent: Option<SessionId>,
    /// With an operation of this name, as in events: `crm/get_customer`, `resources/read`.
    pub action: Option<String>,
    /// With an operation that was let through, or one that was denied.
    pub effect: Option<Effect>,
    /// With an operation in which a value of this data class was masked.
    pub class: Option<String>,
    /// With an operation whose masked payloads hold these words, one after the other. Needs an index that keeps words.
    pub text: Option<String>,
    /// Those that follow this one in the list.
    pub after: Option<SessionId>,
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
    /// The session at the endpoint for all targets that it was opened for.
    pub parent: Option<String>,
}

impl SessionRow {
    /// Whether it holds a gateway process's own events rather than a principal's.
    pub fn is_control(&self) -> bool {
        self.target.is_none()
    }
}

/// One operation of a principal's, as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastOperation {
    /// The session.
    pub session: SessionId,
    /// Its number there.
    pub seq: u64,
    /// When.
    pub time: String,
    /// What it was: `crm/refund`.
    pub action: String,
    /// Whether it was denied.
    pub is_denied: bool,
    /// How it ended, or `held`; none when it was denied, or runs.
    pub status: Option<String>,
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

    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
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
        let mut conditions = vec!["1".to_owned()];
        let mut values: Vec<Value> = Vec::new();
        let mut condition = |text: &str, value: String| {
            conditions.push(text.to_owned());
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
        if let Some(parent) = filter.parent {
            condition("parent = ?", parent.to_string());
        }
        if !filter.control {
            conditions.push("target IS NOT NULL".to_owned());
        }
        if let Some(operation) = self.operation_condition(filter, &mut values)? {
            conditions.push(operation);
        }
        if let Some(after) = filter.after {
            conditions.push("(opened, number) < (SELECT opened, number FROM sessions WHERE id = ?)".to_owned());
            values.push(Value::Blob(after.as_bytes().to_vec()));
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

    /// That one and the same operation of the session meets all that the filter says of operations; none when it says
    /// nothing of them.
    fn operation_condition(
        &self,
        filter: &SessionFilter,
        values: &mut Vec<Value>,
    ) -> Result<Option<String>, StoreError> {
        let mut conditions = Vec::new();
        if let Some(action) = &filter.action {
            conditions.push("action = (SELECT number FROM actions WHERE name = ?)");
            values.push(Value::Text(action.clone()));
        }
        if let Some(effect) = filter.effect {
            conditions.push("denied = ?");
            values.push(Value::Integer(i64::from(effect == Effect::Deny)));
        }
        if let Some(class) = &filter.class {
            conditions.push(
                "EXISTS (SELECT 1 FROM masked WHERE masked.session = operations.session AND masked.seq = operations.seq \
                 AND class = (SELECT number FROM classes WHERE name = ?))",
            );
            values.push(Value::Text(class.clone()));
        }
        if let Some(words) = &filter.text {
            if !text::is_on(&self.connection)? {
                return Err(StoreError::NoText);
            }
            conditions.push(
                "EXISTS (SELECT 1 FROM text_rows WHERE text_rows.session = operations.session \
                 AND text_rows.seq = operations.seq AND row IN (SELECT rowid FROM texts WHERE texts MATCH ?))",
            );
            values.push(Value::Text(text::phrase(words)));
        }
        let all = conditions.join(" AND ");
        Ok((!conditions.is_empty())
            .then(|| format!("EXISTS (SELECT 1 FROM operations WHERE operations.session = sessions.number AND {all})")))
    }

    /// Whether words were deleted that are not overwritten yet.
    pub fn is_wipe_due(&self) -> Result<bool, StoreError> {
        Ok(custody::is_wipe_due(&self.connection)?)
    }

    /// How many leaves were applied when nothing of what had been deleted was left in the files.
    pub fn wiped(&self) -> Result<u64, StoreError> {
        Ok(count(self.connection.query_row("SELECT wiped FROM state", (), |row| row.get(0))?))
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

    /// The requests for approval that `filter` describes and `may_show` says yes to, the latest first.
    pub fn approvals(
        &self,
        filter: ApprovalFilter,
        may_show: impl FnMut(&Approval) -> bool,
    ) -> Result<Vec<Approval>, StoreError> {
        Ok(approvals::list(&self.connection, filter, may_show)?)
    }

    /// The request for approval with this id, or the only one whose id starts so, of those that `may_show` says yes to: the
    /// others are as if they were not there.
    pub fn approval(
        &self,
        id_or_prefix: &str,
        may_show: impl FnMut(&Approval) -> bool,
    ) -> Result<Approval, StoreError> {
        let mut found = approvals::find(&self.connection, bounds(id_or_prefix)?, may_show)?;
        match (found.pop(), found.is_empty()) {
            (Some(approval), true) => Ok(approval),
            (Some(_), false) => Err(StoreError::Ambiguous(id_or_prefix.to_owned())),
            (None, _) => Err(StoreError::NoApproval(id_or_prefix.to_owned())),
        }
    }

    /// The entry of the log by which the oldest request for approval was made that is not over.
    pub fn oldest_open_approval(&self) -> Result<Option<u64>, StoreError> {
        Ok(approvals::oldest_open(&self.connection)?)
    }

    /// The last operations of a principal's at a target before this time, the latest first.
    pub fn operations_before(
        &self,
        (who, target): (&str, &str),
        time: &str,
        limit: u32,
    ) -> Result<Vec<PastOperation>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT sessions.id, seq, time, name, operations.denied, status FROM operations \
             JOIN sessions ON sessions.number = operations.session JOIN actions ON actions.number = operations.action \
             WHERE sessions.number IN (SELECT number FROM sessions WHERE who = ?1 AND target = ?2 \
             ORDER BY opened DESC LIMIT 50) AND time < ?3 ORDER BY time DESC LIMIT ?4",
        )?;
        let rows = statement.query_map((who, target, time, limit), |row| {
            Ok(PastOperation {
                session: SessionId::from_bytes(row.get(0)?),
                seq: count(row.get(1)?),
                time: row.get(2)?,
                action: row.get(3)?,
                is_denied: row.get(4)?,
                status: row.get(5)?,
            })
        })?;
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

impl ControlState for Reader {
    fn custody(&self, session: SessionId) -> Result<Custody, StoreError> {
        Ok(custody::read(&self.connection, session)?)
    }

    fn outcome(&self, leaf: u64) -> Result<Option<Outcome>, StoreError> {
        let leaf = i64::try_from(leaf).unwrap_or(i64::MAX);
        let found = self.connection.query_row("SELECT void FROM steps WHERE leaf = ?1", (leaf,), |row| row.get(0));
        Ok(found.optional()?.map(|is_void| if is_void { Outcome::Void } else { Outcome::Applied }))
    }

    fn erasures_under_way(&self) -> Result<Vec<SessionId>, StoreError> {
        let mut statement =
            self.connection.prepare("SELECT session FROM custody WHERE state = 'confirmed' ORDER BY session")?;
        let rows = statement.query_map((), |row| Ok(SessionId::from_bytes(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn pins(&self) -> Result<Vec<(TargetName, String, Pin)>, StoreError> {
        Ok(pins::all(&self.connection)?)
    }

    fn definition(&self, target: &str, tool: &str, fingerprint: &str) -> Result<Option<StoredDefinition>, StoreError> {
        Ok(pins::definition(&self.connection, target, tool, fingerprint)?)
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
        parent: row.get(14)?,
    })
}

/// Counts are never negative; a file that says so was altered, and shows zero.
pub(crate) fn count(value: i64) -> u64 {
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
