//! Two indexes compared, row by row: the one that was there, and the one that the log makes.
//!
//! Whoever rewrites the index alters no evidence, but may mislead who looks something up in it. Words of payloads are not
//! compared. Both must have taken in the same entries of the log, and nobody may write to them meanwhile.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::StoreError;
use crate::reader::count;

/// How one table differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// Rows that only the first index has.
    pub foreign: u64,
    /// Rows that only the second index has.
    pub missing: u64,
}

/// How the index at `old` differs from the one at `new`; `None` when they have not taken in the same entries.
pub fn differences(old: &Path, new: &Path) -> Result<Option<Vec<Difference>>, StoreError> {
    let connection = Connection::open_with_flags(new, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute("ATTACH DATABASE ?1 AS old", [old.to_string_lossy()])?;
    let applied = |name: &str| -> rusqlite::Result<i64> {
        connection.query_row(&format!("SELECT applied FROM {name}.state"), (), |row| row.get(0))
    };
    if applied("old")? != applied("main")? {
        return Ok(None);
    }
    let names = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
                 AND name NOT LIKE 'text%' AND name <> 'state' ORDER BY name";
    let mut statement = connection.prepare(names)?;
    let tables = statement.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let mut found = Vec::new();
    for table in tables {
        let only_in = |one: &str, other: &str| -> Result<u64, StoreError> {
            let rows = format!("SELECT * FROM {one}.{table} EXCEPT SELECT * FROM {other}.{table}");
            let number: i64 = connection.query_row(&format!("SELECT count(*) FROM ({rows})"), (), |row| row.get(0))?;
            Ok(count(number))
        };
        let (foreign, missing) = (only_in("old", "main")?, only_in("main", "old")?);
        if foreign + missing > 0 {
            found.push(Difference { table, foreign, missing });
        }
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Index;

    #[test]
    fn a_row_that_was_rewritten_added_or_deleted_shows() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        for path in [&old, &new] {
            drop(Index::open(path).unwrap());
        }
        assert_eq!(differences(&old, &new).unwrap(), Some(Vec::new()));
        let change = |sql: &str| Connection::open(&old).unwrap().execute_batch(sql).unwrap();
        change("INSERT INTO sessions (number, id, opened) VALUES (1, x'01', 't')");
        let difference = Difference { table: "sessions".to_owned(), foreign: 1, missing: 0 };
        assert_eq!(differences(&old, &new).unwrap(), Some(vec![difference]));
        Connection::open(&new)
            .unwrap()
            .execute_batch("INSERT INTO sessions (number, id, opened, who) VALUES (1, x'01', 't', 'a|b')")
            .unwrap();
        let difference = Difference { table: "sessions".to_owned(), foreign: 1, missing: 1 };
        assert_eq!(differences(&old, &new).unwrap(), Some(vec![difference]));
        change("UPDATE state SET applied = 7");
        assert_eq!(differences(&old, &new).unwrap(), None);
        std::fs::write(&old, "no index").unwrap();
        assert!(differences(&old, &new).is_err());
    }
}
