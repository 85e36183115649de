//! Full-text search over masked payloads: off unless it is asked for, since it keeps their words in the clear.
//!
//! A row stands for one payload; its number is made of the leaf's, so that the index comes out the same whenever it is
//! made. Rows of a recording that is erased are deleted so that nothing of them stays in the file: FTS5 removes their
//! words at once (`secure-delete`), SQLite overwrites the pages (`secure_delete`), and the write-ahead log is emptied.

use rusqlite::{Connection, Transaction};
use vidimus_core::SessionId;

use crate::leaf::{Entry, Payload};

/// The words of one payload that are searched; the rest is left out.
const MAX_TEXT_BYTES: usize = 256 << 10;
/// More payloads than one event names.
const MAX_PAYLOADS: i64 = 8;

/// The payload that holds no words: a hash over the parts of a streamed result.
const CHUNKS: &str = "chunks";

/// Where the words of recorded payloads come from.
pub trait Texts: Send {
    /// The masked payload of a session whose frame is at this place (segment, offset, length); none when it is not
    /// text, not kept, or erased.
    fn text(&mut self, session: SessionId, at: [u64; 3]) -> Option<String>;
}

/// Sets a connection up that is to leave nothing behind of what it deletes.
pub(crate) fn delete_securely(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.pragma_update(None, "secure_delete", "on")
}

/// The table of words.
pub(crate) const TABLE: &str = "
    CREATE VIRTUAL TABLE texts USING fts5 (body);
    INSERT INTO texts (texts, rank) VALUES ('secure-delete', 1);
";

/// Enters the words of an event's payloads.
pub(crate) fn enter(
    transaction: &Transaction<'_>,
    texts: &mut dyn Texts,
    entry: &Entry<'_>,
    (number, operation, leaf): (i64, i64, i64),
    payloads: &[Payload<'_>],
) -> Result<(), rusqlite::Error> {
    for (place, payload) in (0..MAX_PAYLOADS).zip(payloads) {
        if payload.name == CHUNKS {
            continue;
        }
        let Some(text) = texts.text(entry.session, payload.at) else { continue };
        let row = leaf.saturating_mul(MAX_PAYLOADS).saturating_add(place);
        let end = text.floor_char_boundary(MAX_TEXT_BYTES.min(text.len()));
        let text = text.get(..end).unwrap_or_default();
        transaction.prepare("INSERT INTO texts (rowid, body) VALUES (?1, ?2)")?.execute((row, text))?;
        let mut place = transaction.prepare("INSERT INTO text_rows VALUES (?1, ?2, ?3)")?;
        place.execute((number, row, operation))?;
    }
    Ok(())
}

/// Takes the words of a session out.
pub(crate) fn erase(transaction: &Transaction<'_>, session: SessionId) -> Result<(), rusqlite::Error> {
    const OF_SESSION: &str = "session = (SELECT number FROM sessions WHERE id = ?1)";
    let id = session.as_bytes().as_slice();
    if is_on(transaction)? {
        let words = format!("DELETE FROM texts WHERE rowid IN (SELECT row FROM text_rows WHERE {OF_SESSION})");
        transaction.execute(&words, (id,))?;
    }
    transaction.execute(&format!("DELETE FROM text_rows WHERE {OF_SESSION}"), (id,))?;
    Ok(())
}

/// Whether words are kept.
pub(crate) fn is_on(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.query_row("SELECT text FROM state", (), |row| row.get(0))
}

/// What is looked for, as one phrase: nothing in it is syntax.
pub(crate) fn phrase(words: &str) -> String {
    format!("\"{}\"", words.replace('"', "\"\""))
}
