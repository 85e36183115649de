//! Rows of a table: the column's name is context, its type says what may stand in a value's place.

use bytes::Bytes;

use super::nested::{Outcome, Work};
use super::{MaskError, Scope, number};
use crate::masker::{Masker, Memory, Tally};

/// What a column holds, as far as masking cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Characters, of any length.
    Text,
    /// Whole numbers or decimals, written in digits.
    Number,
    /// JSON, written out.
    Json,
    /// Anything else, written out: dates, booleans, UUIDs, addresses. It is masked by null.
    Other,
}

/// A column of a row.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// The schema, or empty where it is not known.
    pub schema: &'a str,
    /// The table, or empty.
    pub table: &'a str,
    /// The column's own name, whatever the query calls it; empty for an expression.
    pub name: &'a str,
    /// What the query calls it.
    pub label: &'a str,
    /// What it holds.
    pub kind: ColumnKind,
}

/// What becomes of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// It stays.
    Same,
    /// It is null now.
    Null,
    /// Its text now.
    Text(Bytes),
}

impl Masker {
    /// Masks one row; a null cell is `None`. The answer has a cell for each.
    pub fn row(
        &self,
        columns: &[Column<'_>],
        cells: &[Option<&[u8]>],
        scope: &Scope<'_>,
        memory: &mut Memory,
        tally: &mut Tally,
    ) -> Result<Vec<Cell>, MaskError> {
        if columns.len() != cells.len() {
            return Err(MaskError::Row { cells: cells.len(), columns: columns.len() });
        }
        let mut work = Work { masker: self, scope, memory, tally };
        let masked = columns.iter().zip(cells).map(|(column, cell)| match cell {
            None => Ok(Cell::Same),
            Some(cell) => Ok(match work.cell(column, cell)? {
                Outcome::Same => Cell::Same,
                Outcome::Null => Cell::Null,
                Outcome::Text(text) => Cell::Text(text.into()),
            }),
        });
        masked.collect()
    }
}

impl Work<'_> {
    fn cell(&mut self, column: &Column<'_>, cell: &[u8]) -> Result<Outcome, MaskError> {
        let fields = self.scope.fields;
        let rule = |name: &str| fields.column(column.schema, column.table, name);
        let ruled = if fields.is_empty() { None } else { rule(column.name).or_else(|| rule(column.label)) };
        let ruled = ruled.filter(|class| !self.is_revealed(*class));
        let mut names = [""; 3];
        let path = path_of(column, &mut names);
        let joined;
        let path = if self.scope.path.is_empty() {
            path
        } else {
            joined = [self.scope.path, path].concat();
            &joined
        };
        match (column.kind, ruled) {
            (ColumnKind::Number, Some(class)) => Ok(self.ruled_number(cell, class)),
            (ColumnKind::Number, None) => Ok(self.number(cell, path)),
            (ColumnKind::Text, Some(class)) => Ok(self.ruled(cell, class)),
            (ColumnKind::Text | ColumnKind::Json, None) => self.string(cell, path, 0),
            (ColumnKind::Json, Some(class)) => Ok(match self.ruled(cell, class) {
                Outcome::Same => Outcome::Same,
                _ => Outcome::Null,
            }),
            (ColumnKind::Other, Some(class)) => Ok(number::in_column(column.kind, self.ruled(cell, class))),
            (ColumnKind::Other, None) => Ok(number::in_column(column.kind, self.string(cell, path, 0)?)),
        }
    }
}

/// The names that lead to the cells of a column, those it has, each once: the innermost counts most.
fn path_of<'n, 'a>(column: &Column<'a>, names: &'n mut [&'a str; 3]) -> &'n [&'a str] {
    let label = if column.label == column.name { "" } else { column.label };
    let known = [column.table, label, column.name].into_iter().filter(|name| !name.is_empty());
    let mut count = 0;
    for (place, name) in names.iter_mut().zip(known) {
        *place = name;
        count += 1;
    }
    names.get(..count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_led_to_by_the_names_it_has_and_the_innermost_is_one() {
        for (table, label, name, expected) in [
            ("", "", "", &[][..]),
            ("", "mail", "", &["mail"][..]),
            ("users", "mail", "", &["users", "mail"]),
            ("users", "email", "email", &["users", "email"]),
            ("users", "m", "email", &["users", "m", "email"]),
        ] {
            let column = Column { schema: "public", table, name, label, kind: ColumnKind::Text };
            assert_eq!(path_of(&column, &mut [""; 3]), expected);
        }
    }
}
