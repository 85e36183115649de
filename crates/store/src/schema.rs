//! The tables, and how a connection to them is opened.
//!
//! A file of an older or newer version of these tables is emptied, because it can be made again; a file that some
//! other program made is refused. The file is readable by its owner alone, and SQLite gives its `-wal` and `-shm`
//! companions the same mode.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::{StoreError, text};

/// Marks the file as ours (SQLite `PRAGMA application_id`): "VDMS".
const APPLICATION_ID: i64 = 0x5644_4D53;
/// The version of the tables below (SQLite `PRAGMA user_version`). Raise it with every change to them.
const VERSION: i64 = 7;
/// How long a connection waits for a lock that another one holds for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// `number` stands for a session in `entries`, so that the row of an event stays a few bytes. Times are RFC 3339 in
/// UTC with nine fractional digits, which sort as text. `target` is null for control sessions. `texts` is there when
/// words are kept; `wiped` is the count of leaves up to which nothing of what was deleted is left in the files.
const TABLES: &str = "
    CREATE TABLE state (
        only       INTEGER PRIMARY KEY CHECK (only = 1),
        applied    INTEGER NOT NULL,
        unreadable INTEGER NOT NULL,
        text       INTEGER NOT NULL,
        wiped      INTEGER NOT NULL
    );
    INSERT INTO state VALUES (1, 0, 0, 0, 0);
    CREATE TABLE sessions (
        number     INTEGER PRIMARY KEY,
        id         BLOB NOT NULL UNIQUE,
        opened     TEXT NOT NULL,
        who        TEXT,
        display    TEXT,
        target     TEXT,
        protocol   TEXT,
        durability TEXT,
        record     TEXT,
        client     TEXT,
        parent     TEXT,
        closed     TEXT,
        reason     TEXT,
        events     INTEGER NOT NULL DEFAULT 0,
        operations INTEGER NOT NULL DEFAULT 0,
        denied     INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX sessions_opened ON sessions (opened);
    CREATE INDEX sessions_parent ON sessions (parent) WHERE parent IS NOT NULL;
    CREATE TABLE entries (
        session INTEGER NOT NULL,
        seq     INTEGER NOT NULL,
        leaf    INTEGER NOT NULL,
        PRIMARY KEY (session, seq)
    ) WITHOUT ROWID;
    CREATE TABLE events (
        id   BLOB PRIMARY KEY,
        leaf INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE actions (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE classes (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE operations (
        session INTEGER NOT NULL,
        seq     INTEGER NOT NULL,
        leaf    INTEGER NOT NULL,
        time    TEXT NOT NULL,
        action  INTEGER NOT NULL,
        denied  INTEGER NOT NULL,
        status  TEXT,
        PRIMARY KEY (session, seq)
    ) WITHOUT ROWID;
    CREATE TABLE masked (
        session INTEGER NOT NULL,
        seq     INTEGER NOT NULL,
        class   INTEGER NOT NULL,
        count   INTEGER NOT NULL,
        PRIMARY KEY (session, seq, class)
    ) WITHOUT ROWID;
    CREATE TABLE text_rows (
        session INTEGER NOT NULL,
        row     INTEGER NOT NULL,
        seq     INTEGER NOT NULL,
        PRIMARY KEY (session, row)
    ) WITHOUT ROWID;
    CREATE TABLE custody (
        session      BLOB PRIMARY KEY,
        version      INTEGER NOT NULL,
        hold         TEXT,
        state        TEXT NOT NULL,
        requested_by TEXT,
        confirmed_by TEXT,
        reason       TEXT,
        expires      TEXT
    ) WITHOUT ROWID;
    CREATE TABLE approvals (
        id      BLOB PRIMARY KEY,
        leaf    INTEGER NOT NULL,
        who     TEXT NOT NULL,
        state   TEXT NOT NULL,
        is_over INTEGER NOT NULL,
        body    TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX approvals_leaf ON approvals (leaf);
    CREATE INDEX approvals_open ON approvals (leaf) WHERE NOT is_over;
    CREATE TABLE steps (
        leaf    INTEGER PRIMARY KEY,
        session BLOB NOT NULL,
        step    TEXT NOT NULL,
        time    TEXT NOT NULL,
        void    INTEGER NOT NULL
    );
    CREATE TABLE pins (
        target      TEXT NOT NULL,
        tool        TEXT NOT NULL,
        version     INTEGER NOT NULL,
        accepted    TEXT,
        accepted_by TEXT,
        pending     TEXT,
        gone        INTEGER NOT NULL,
        since       TEXT NOT NULL,
        PRIMARY KEY (target, tool)
    ) WITHOUT ROWID;
    CREATE TABLE definitions (
        target      TEXT NOT NULL,
        tool        TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        part        INTEGER NOT NULL,
        of          INTEGER NOT NULL,
        text        TEXT NOT NULL,
        signs       TEXT NOT NULL,
        PRIMARY KEY (target, tool, fingerprint, part)
    );
";

const DROP_TABLES: &str = "
    DROP TABLE IF EXISTS state;
    DROP TABLE IF EXISTS sessions;
    DROP TABLE IF EXISTS entries;
    DROP TABLE IF EXISTS events;
    DROP TABLE IF EXISTS actions;
    DROP TABLE IF EXISTS classes;
    DROP TABLE IF EXISTS operations;
    DROP TABLE IF EXISTS masked;
    DROP TABLE IF EXISTS text_rows;
    DROP TABLE IF EXISTS texts;
    DROP TABLE IF EXISTS custody;
    DROP TABLE IF EXISTS approvals;
    DROP TABLE IF EXISTS steps;
    DROP TABLE IF EXISTS pins;
    DROP TABLE IF EXISTS definitions;
";

/// Opens the file for the writer, making it and its tables when they are not there.
///
/// With `text` words are kept. An index that was made the other way is emptied, to be made again.
pub(crate) fn open_writer(path: &Path, text: bool) -> Result<Connection, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    let mut connection = connect(path)?;
    // A power cut may take the last transactions but not the file's consistency; they are applied again.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    text::delete_securely(&connection)?;
    match (pragma(&connection, "application_id")?, pragma(&connection, "user_version")?) {
        (APPLICATION_ID, VERSION) if text::is_on(&connection)? == text => {}
        (APPLICATION_ID, _) => recreate(&mut connection, text)?,
        (0, 0) if is_empty(&connection)? => recreate(&mut connection, text)?,
        _ => return Err(StoreError::Foreign(path.to_owned())),
    }
    Ok(connection)
}

/// Opens the file for reading only. The writer must have made it.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    match (pragma(&connection, "application_id")?, pragma(&connection, "user_version")?) {
        (APPLICATION_ID, VERSION) => Ok(connection),
        _ => Err(StoreError::Foreign(path.to_owned())),
    }
}

/// Empties the index: drops the tables and makes them anew, in one transaction.
pub(crate) fn recreate(connection: &mut Connection, text: bool) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(DROP_TABLES)?;
    transaction.execute_batch(TABLES)?;
    if text {
        transaction.execute_batch(text::TABLE)?;
        transaction.execute("UPDATE state SET text = 1", ())?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// Moves all of the write-ahead log into the file, overwrites it, and empties it, so that what was deleted is in neither, nor
/// in the blocks that are given back. Waits for readers; false when one, or another writer, keeps it from that.
pub(crate) fn empty_write_ahead_log(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    Ok(overwrite_write_ahead_log(connection, path)? && checkpoint(connection, "TRUNCATE")?)
}

/// The first part of that. All readers read the file itself then, and what comes next is written from the beginning.
fn overwrite_write_ahead_log(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let version = pragma(connection, "data_version")?;
    if !checkpoint(connection, "RESTART")? {
        return Ok(false);
    }
    // Nobody writes meanwhile. Whoever has since the checkpoint is in what would be overwritten.
    match connection.execute_batch("BEGIN IMMEDIATE") {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => return Ok(false),
        begun => begun?,
    }
    let overwritten = match pragma(connection, "data_version") {
        Ok(now) if now == version => overwrite(&companion(path)),
        Ok(_) => Ok(false),
        Err(error) => Err(error),
    };
    connection.execute_batch("ROLLBACK")?;
    overwritten
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<bool, rusqlite::Error> {
    let is_busy = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), (), |row| row.get::<_, i64>(0));
    is_busy.map(|busy| busy == 0)
}

fn companion(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Writes zeros over all that a file holds, if there is one, durably.
fn overwrite(path: &Path) -> Result<bool, StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    let file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        other => other.map_err(failed)?,
    };
    let length = file.metadata().map_err(failed)?.len();
    let written = std::io::copy(&mut std::io::repeat(0).take(length), &mut &file).map_err(failed)?;
    file.sync_data().map_err(failed)?;
    Ok(written == length)
}

/// Readers too open for writing, because they share the `-shm` file with the writer; `query_only` holds them back.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

fn is_empty(connection: &Connection) -> Result<bool, StoreError> {
    Ok(connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", (), |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_write_ahead_log_is_overwritten_and_nothing_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index.db");
        let connection = open_writer(&path, false).unwrap();
        let add = |name: &str| connection.execute("INSERT INTO actions (name) VALUES (?1)", (name,)).unwrap();
        let count = |connection: &Connection| -> i64 {
            connection.query_row("SELECT count(*) FROM actions", (), |row| row.get(0)).unwrap()
        };
        let holds = |word: &[u8]| {
            let log = std::fs::read(companion(&path)).unwrap();
            (log.len(), log.windows(word.len()).any(|bytes| bytes == word))
        };
        let reader = open_reader(&path).unwrap();
        add("zebracorn");
        assert!(holds(b"zebracorn").1 && count(&reader) == 1);
        assert!(overwrite_write_ahead_log(&connection, &path).unwrap());
        let (length, found) = holds(b"zebracorn");
        assert!(length > 0 && !found, "it is overwritten before it is cut");
        assert_eq!(std::fs::read(companion(&path)).unwrap(), vec![0; length]);
        // Readers that were there, new ones, and the writer go on.
        assert_eq!((count(&reader), count(&open_reader(&path).unwrap())), (1, 1));
        add("other");
        assert_eq!((count(&connection), count(&reader), count(&open_reader(&path).unwrap())), (2, 2, 2));
        assert!(empty_write_ahead_log(&connection, &path).unwrap());
        assert_eq!(holds(b"other"), (0, false));
        let sound: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
        assert_eq!((sound.as_str(), count(&reader)), ("ok", 2));

        // One who reads an older state keeps it from that.
        connection.busy_timeout(Duration::from_millis(10)).unwrap();
        add("third");
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(count(&reader), 3);
        add("fourth");
        assert!(!empty_write_ahead_log(&connection, &path).unwrap());
        assert!(holds(b"fourth").1);
        reader.execute_batch("COMMIT").unwrap();
        // So does one who writes.
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(!overwrite_write_ahead_log(&connection, &path).unwrap());
        writer.execute_batch("COMMIT").unwrap();
        assert!(empty_write_ahead_log(&connection, &path).unwrap());
        assert_eq!(count(&reader), 4);
    }

    #[test]
    fn a_crash_between_the_overwriting_and_the_cut_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index.db");
        let connection = open_writer(&path, false).unwrap();
        connection.execute("INSERT INTO actions (name) VALUES ('zebracorn')", ()).unwrap();
        assert!(overwrite_write_ahead_log(&connection, &path).unwrap());
        let copy = directory.path().join("copy.db");
        std::fs::copy(&path, &copy).unwrap();
        std::fs::copy(companion(&path), companion(&copy)).unwrap();
        let connection = open_writer(&copy, false).unwrap();
        let name: String = connection.query_row("SELECT name FROM actions", (), |row| row.get(0)).unwrap();
        assert_eq!(name, "zebracorn");
    }
}
