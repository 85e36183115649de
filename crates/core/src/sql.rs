//! What statements of SQL do, in the words of policies and events.

/// What is done to statements so that they may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatementChanges {
    /// Rows that a query gives at the most; none where that stays as it is.
    pub max_rows: Option<u64>,
    /// Whether they are run in a transaction in which nothing can be written.
    pub read_only: bool,
}

impl StatementChanges {
    /// These and those: the fewer rows.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let max_rows = self.max_rows.into_iter().chain(other.max_rows).min();
        Self { max_rows, read_only: self.read_only || other.read_only }
    }
}

/// What a statement does: the action `sql:NAME` (design part 5, "Model").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SqlKind {
    /// `BEGIN`, `COMMIT`, `SAVEPOINT` and the like. Decided as `connect` is.
    Transaction,
    /// Changes what the session alone sees, or shows it: `SET`, `SHOW`, `DISCARD`, `DEALLOCATE`. Decided as `connect` is.
    Session,
    /// Reads: `SELECT`, `TABLE`, `VALUES`, `COPY … TO STDOUT`.
    Select,
    /// `INSERT`, `COPY … FROM STDIN`.
    Insert,
    /// `UPDATE`; also the locks of `SELECT … FOR UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// `TRUNCATE`.
    Truncate,
    /// Makes, changes or drops what a schema holds.
    Ddl,
    /// Roles, permissions, settings of the server, upkeep.
    Admin,
    /// Runs what the statement does not show: `DO`, `CALL`, functions that run code or reach files and other servers.
    Code,
    /// Anything else.
    Other,
}

impl SqlKind {
    /// Every kind, the least of them first.
    pub const ALL: [Self; 12] = [
        Self::Transaction,
        Self::Session,
        Self::Select,
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Merge,
        Self::Truncate,
        Self::Ddl,
        Self::Admin,
        Self::Code,
        Self::Other,
    ];

    /// The word in facts: `select`.
    pub fn name(self) -> &'static str {
        self.action().strip_prefix("sql:").unwrap_or_default()
    }

    /// The action of policies and events: `sql:select`.
    pub const fn action(self) -> &'static str {
        match self {
            Self::Transaction => "sql:transaction",
            Self::Session => "sql:session",
            Self::Select => "sql:select",
            Self::Insert => "sql:insert",
            Self::Update => "sql:update",
            Self::Delete => "sql:delete",
            Self::Merge => "sql:merge",
            Self::Truncate => "sql:truncate",
            Self::Ddl => "sql:ddl",
            Self::Admin => "sql:admin",
            Self::Code => "sql:code",
            Self::Other => "sql:other",
        }
    }

    /// The action that it is a member of besides.
    pub const fn group(self) -> Option<&'static str> {
        match self {
            Self::Select => Some("sql:read"),
            Self::Insert | Self::Update | Self::Delete | Self::Merge | Self::Truncate => Some("sql:write"),
            Self::Transaction | Self::Session | Self::Ddl | Self::Admin | Self::Code | Self::Other => None,
        }
    }

    /// Whether policy decides it as `connect`: it touches nothing but the session.
    pub const fn is_of_session(self) -> bool {
        matches!(self, Self::Transaction | Self::Session)
    }

    const fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

/// What all statements of one message do. `WITH … DELETE … SELECT` reads and deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SqlKinds(u16);

impl SqlKinds {
    /// Whether it has this one.
    pub const fn contains(self, kind: SqlKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Adds one.
    pub const fn insert(&mut self, kind: SqlKind) {
        self.0 |= kind.bit();
    }

    /// Those it has, the least first.
    pub fn iter(self) -> impl Iterator<Item = SqlKind> {
        SqlKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }

    /// The gravest, which names the operation; nothing at all is a change of the session that changes nothing.
    pub fn gravest(self) -> SqlKind {
        self.iter().last().unwrap_or(SqlKind::Session)
    }
}

impl FromIterator<SqlKind> for SqlKinds {
    fn from_iter<I: IntoIterator<Item = SqlKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |bits, kind| bits | kind.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_kept_and_the_gravest_names_them() {
        for kind in SqlKind::ALL {
            let one = SqlKinds::from_iter([kind]);
            assert_eq!((one.iter().collect::<Vec<_>>(), one.gravest()), (vec![kind], kind));
            assert_eq!(format!("sql:{}", kind.name()), kind.action());
        }
        let mut both = SqlKinds::from_iter([SqlKind::Delete]);
        both.insert(SqlKind::Select);
        assert_eq!(both.iter().collect::<Vec<_>>(), [SqlKind::Select, SqlKind::Delete]);
        assert_eq!(both.gravest(), SqlKind::Delete);
        assert_eq!(SqlKinds::default().gravest(), SqlKind::Session);
    }
}
