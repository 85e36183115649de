//! The writer: applies leaves of the evidence log, in order, one transaction per batch.
//!
//! The count of applied leaves is written in the same transaction as what the leaves say, so a crash at any moment
//! leaves the index at some earlier point of the log and never between two. Applying again is harmless; leaving out
//! is refused.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Statement, Transaction};

use crate::control::ControlStore;
use crate::leaf::{Described, Entry, Opened, What};
use crate::operations::Operations;
use crate::text::{self, Texts};
use crate::{Reader, StoreError, approvals, custody, pins, schema};

/// How many open sessions the writer remembers the row numbers of; past it, it forgets them all and asks again.
const MAX_REMEMBERED: usize = 16_384;

/// The index, opened by the one process that writes it.
pub struct Index {
    connection: Connection,
    path: PathBuf,
    /// Where words come from, when they are kept.
    texts: Option<Box<dyn Texts>>,
    applied: u64,
    numbers: HashMap<[u8; 16], i64>,
}

impl Index {
    /// Opens the index at `path`, or makes an empty one. One of another version is emptied.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, None)
    }

    /// Opens the index, and keeps the words of payloads when it is told where they come from. An index that was made the
    /// other way is emptied.
    pub fn open_with(path: &Path, texts: Option<Box<dyn Texts>>) -> Result<Self, StoreError> {
        let connection = schema::open_writer(path, texts.is_some())?;
        let applied = stored(&connection, "applied")?;
        let mut index = Self { connection, path: path.to_owned(), texts, applied, numbers: HashMap::new() };
        // A crash may have come between a deletion and this.
        index.wipe()?;
        Ok(index)
    }

    /// Sees to it that nothing of what was deleted is left in the files. What holds it up is said, and it is tried again
    /// with the next leaves.
    fn wipe(&mut self) -> Result<(), StoreError> {
        if !schema::empty_write_ahead_log(&self.connection, &self.path)? {
            tracing::warn!("a reader holds the index: what was erased is not yet overwritten");
            return Ok(());
        }
        self.connection.execute("UPDATE state SET wiped = applied", ())?;
        Ok(())
    }

    /// How many leaves, from the first of the log on, the index holds.
    ///
    /// More than the log has means that a power cut took leaves which the index had seen: [`clear`](Self::clear) it
    /// before the log grows again.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// How many of the applied leaves were no event this version understands, or repeated a `seq` of their session.
    /// `log verify` says which.
    pub fn unreadable(&self) -> Result<u64, StoreError> {
        stored(&self.connection, "unreadable")
    }

    /// Empties the index, to be made again from the first leaf.
    pub fn clear(&mut self) -> Result<(), StoreError> {
        schema::recreate(&mut self.connection, self.texts.is_some())?;
        self.applied = 0;
        self.numbers.clear();
        self.wipe()
    }

    /// Applies `leaves`, the first of which stands at `first_index` in the log. Those already applied are passed
    /// over. All are applied, or (on error) none.
    pub fn apply(&mut self, first_index: u64, leaves: &[&[u8]]) -> Result<(), StoreError> {
        let Some(known) = self.applied.checked_sub(first_index) else {
            return Err(StoreError::Gap { applied: self.applied, offered: first_index });
        };
        let Some(fresh) = usize::try_from(known).ok().and_then(|known| leaves.get(known..)) else {
            return Ok(());
        };
        if fresh.is_empty() {
            return Ok(());
        }
        if self.numbers.len() > MAX_REMEMBERED {
            self.numbers.clear();
        }
        let transaction = self.connection.transaction()?;
        let written = write(&transaction, &mut self.numbers, self.texts.as_deref_mut(), self.applied, fresh);
        let (applied, erased) = match written {
            Ok(written) => written,
            Err(error) => {
                // Sessions first seen in this batch will not be there after the roll-back.
                self.numbers.clear();
                return Err(error.into());
            }
        };
        if let Err(error) = transaction.commit() {
            self.numbers.clear();
            return Err(error.into());
        }
        self.applied = applied;
        if erased || custody::is_wipe_due(&self.connection)? {
            self.wipe()?;
        }
        Ok(())
    }

    /// A connection for reading the same file.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.path)
    }
}

/// Closing the file removes the write-ahead log, with what it holds, so it is overwritten first. What cannot be waits for the
/// next opening.
impl Drop for Index {
    fn drop(&mut self) {
        if let Err(error) = schema::empty_write_ahead_log(&self.connection, &self.path) {
            tracing::warn!(%error, "the index's write-ahead log is not overwritten at its end");
        }
    }
}

impl ControlStore for Index {
    type State = Reader;

    fn applied(&self) -> u64 {
        self.applied()
    }

    fn apply(&mut self, first_index: u64, leaves: &[&[u8]]) -> Result<(), StoreError> {
        self.apply(first_index, leaves)
    }

    fn clear(&mut self) -> Result<(), StoreError> {
        self.clear()
    }

    fn state(&self) -> Result<Reader, StoreError> {
        self.reader()
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("path", &self.path).field("applied", &self.applied).finish_non_exhaustive()
    }
}

/// What a batch adds to the counts of one session.
#[derive(Debug, Default)]
struct Tally {
    events: i64,
    operations: i64,
    denied: i64,
}

/// Writes the rows of `leaves`, which start at `first`; returns the count of applied leaves after them, and whether words
/// were deleted.
fn write(
    transaction: &Transaction<'_>,
    numbers: &mut HashMap<[u8; 16], i64>,
    mut texts: Option<&mut (dyn Texts + 'static)>,
    first: u64,
    leaves: &[&[u8]],
) -> Result<(u64, bool), rusqlite::Error> {
    let mut sessions = Sessions::prepare(transaction, numbers)?;
    let mut operations = Operations::prepare(transaction)?;
    let mut add_entry = transaction.prepare("INSERT OR IGNORE INTO entries VALUES (?1, ?2, ?3)")?;
    let mut add_event = transaction.prepare("INSERT OR IGNORE INTO events VALUES (?1, ?2)")?;
    let mut tallies: HashMap<i64, Tally> = HashMap::new();
    let mut unreadable = 0_i64;
    let mut erased = false;
    let mut at = first;
    for leaf in leaves {
        let position = at;
        at += 1;
        let Some((entry, seq)) =
            Entry::read(leaf).and_then(|entry| i64::try_from(entry.seq).ok().map(|seq| (entry, seq)))
        else {
            unreadable += 1;
            tracing::warn!(leaf = position, "no event this version understands; run `vidimus log verify`");
            continue;
        };
        let number = sessions.number(&entry)?;
        let leaf_index = integer(position);
        if add_entry.execute((number, seq, leaf_index))? == 0 {
            unreadable += 1;
            tracing::warn!(leaf = position, session = %entry.session, seq, "a repeated `seq`; run `vidimus log verify`");
            continue;
        }
        add_event.execute((entry.event.as_bytes().as_slice(), leaf_index))?;
        let tally = tallies.entry(number).or_default();
        tally.events += 1;
        match &entry.what {
            What::Opened(opened) => {
                sessions.opened(number, opened)?;
                if let Some(grant) = &opened.grant {
                    approvals::enter(transaction, grant.id, leaf_index)?;
                }
            }
            What::Closed { reason } => sessions.closed(number, entry.time, reason.as_deref())?,
            What::Admitted(_) | What::Held(_) => tally.operations += 1,
            What::Denied(_) => {
                tally.operations += 1;
                tally.denied += 1;
            }
            What::Custody(change) if custody::apply(transaction, &entry, change, leaf_index)? => {
                text::erase(transaction, change.session)?;
                erased = true;
            }
            What::Approval(id, expects, step) => {
                approvals::apply(transaction, &entry, (*id, *expects, step), leaf_index)?;
            }
            What::Ended(Described { operation, outcome: Some(outcome), .. }) if operation.approval.is_some() => {
                approvals::end(transaction, operation.approval.unwrap_or_default(), &outcome.status, leaf_index)?;
            }
            What::Defined(told) => pins::define(transaction, &entry, told)?,
            What::Pin(change) => pins::apply(transaction, &entry, change, leaf_index)?,
            What::Custody(_) | What::Ended(_) | What::Other => {}
        }
        let operation = operations.enter((number, seq, leaf_index), entry.time, &entry.what)?;
        if let (Some(texts), Some(operation)) = (&mut texts, operation)
            && let What::Admitted(described) | What::Denied(described) | What::Held(described) | What::Ended(described) =
                &entry.what
        {
            text::enter(transaction, &mut **texts, &entry, (number, operation, leaf_index), &described.payloads)?;
        }
    }
    let mut count = transaction.prepare(
        "UPDATE sessions SET events = events + ?2, operations = operations + ?3, denied = denied + ?4 WHERE number = ?1",
    )?;
    for (number, tally) in &tallies {
        count.execute((number, tally.events, tally.operations, tally.denied))?;
    }
    transaction.execute("UPDATE state SET applied = ?1, unreadable = unreadable + ?2", (integer(at), unreadable))?;
    Ok((at, erased))
}

/// The statements on `sessions`, and the row numbers of the sessions seen lately.
struct Sessions<'t> {
    numbers: &'t mut HashMap<[u8; 16], i64>,
    find: Statement<'t>,
    add: Statement<'t>,
    open: Statement<'t>,
    close: Statement<'t>,
}

impl<'t> Sessions<'t> {
    fn prepare(
        transaction: &'t Transaction<'_>,
        numbers: &'t mut HashMap<[u8; 16], i64>,
    ) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            numbers,
            find: transaction.prepare("SELECT number FROM sessions WHERE id = ?1")?,
            add: transaction.prepare(
                "INSERT INTO sessions (id, opened, who, target) VALUES (?1, ?2, ?3, ?4) RETURNING number",
            )?,
            open: transaction.prepare(
                "UPDATE sessions SET protocol = ?2, durability = ?3, record = ?4, client = ?5, display = ?6, parent = ?7 WHERE number = ?1",
            )?,
            close: transaction.prepare("UPDATE sessions SET closed = ?2, reason = ?3 WHERE number = ?1")?,
        })
    }

    /// The row of the entry's session, made when this is the first event of it.
    fn number(&mut self, entry: &Entry<'_>) -> Result<i64, rusqlite::Error> {
        let id = *entry.session.as_bytes();
        if let Some(number) = self.numbers.get(&id) {
            return Ok(*number);
        }
        let known = self.find.query_row((id.as_slice(),), |row| row.get(0)).optional()?;
        let number = if let Some(number) = known {
            number
        } else {
            let values = (id.as_slice(), entry.time, entry.who.as_deref(), entry.target.as_deref());
            self.add.query_row(values, |row| row.get(0))?
        };
        self.numbers.insert(id, number);
        Ok(number)
    }

    fn opened(&mut self, number: i64, opened: &Opened<'_>) -> Result<(), rusqlite::Error> {
        let display = opened.principal.as_ref().and_then(|principal| principal.display.as_deref());
        self.open.execute((
            number,
            opened.protocol.as_deref(),
            opened.durability.as_deref(),
            opened.record.as_deref(),
            opened.client.as_deref(),
            display,
            opened.parent.as_deref(),
        ))?;
        Ok(())
    }

    fn closed(&mut self, number: i64, time: &str, reason: Option<&str>) -> Result<(), rusqlite::Error> {
        self.close.execute((number, time, reason))?;
        Ok(())
    }
}

fn stored(connection: &Connection, column: &str) -> Result<u64, StoreError> {
    let value: i64 = connection.query_row(&format!("SELECT {column} FROM state"), (), |row| row.get(0))?;
    Ok(u64::try_from(value).unwrap_or(0))
}

/// SQLite integers are signed; a log of 2^63 leaves is out of reach.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
