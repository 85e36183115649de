//! Where values come from.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A table or a view, as PostgreSQL keeps its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// A column of a table or a view.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column {
    /// The table.
    pub table: Table,
    /// The column's name.
    pub name: Arc<str>,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.table.schema, self.table.name, self.name)
    }
}

/// What a value can derive from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// These columns and no others.
    Columns(BTreeSet<Column>),
    /// Anything.
    Unknown,
}

impl Origin {
    /// Nothing that is stored: constants, parameters, the time.
    pub const fn none() -> Self {
        Self::Columns(BTreeSet::new())
    }

    /// Whether it can be this column.
    pub fn may_be(&self, column: &Column) -> bool {
        match self {
            Self::Columns(columns) => columns.contains(column),
            Self::Unknown => true,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Unknown, _) => {}
            (_, Self::Unknown) => *self = Self::Unknown,
            (Self::Columns(columns), Self::Columns(others)) => columns.extend(others.iter().cloned()),
        }
    }

    pub(super) fn size(&self) -> usize {
        match self {
            Self::Columns(columns) => columns.len(),
            Self::Unknown => 0,
        }
    }
}
