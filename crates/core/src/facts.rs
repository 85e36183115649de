//! Facts of a call: what its arguments say, in a form that policy can read.
//!
//! `guard` derives them, `policy` gives them to Cedar, the gate stands between the two. A fact that is `None` could not be
//! had, so a policy that reads it is not told a guess: it fails, and the call is denied.

use std::collections::BTreeSet;

/// One fact, as policies name it: `context.NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fact {
    /// SQL in arguments.
    Sql,
    /// Shell commands in arguments.
    Shell,
    /// File paths in arguments.
    Paths,
    /// URLs and hosts in arguments.
    Urls,
    /// Characters that people do not see or take for others.
    Hidden,
    /// Secrets in the call.
    Secrets,
    /// How much there is.
    Size,
}

impl Fact {
    /// Every fact there is.
    pub const ALL: [Self; 7] =
        [Self::Sql, Self::Shell, Self::Paths, Self::Urls, Self::Hidden, Self::Secrets, Self::Size];

    /// The attribute of a policy's context.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Shell => "shell",
            Self::Paths => "paths",
            Self::Urls => "urls",
            Self::Hidden => "hidden",
            Self::Secrets => "secrets",
            Self::Size => "size",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Sql => 1,
            Self::Shell => 2,
            Self::Paths => 4,
            Self::Urls => 8,
            Self::Hidden => 16,
            Self::Secrets => 32,
            Self::Size => 64,
        }
    }
}

/// Of which classes of masking the values are secrets.
const SECRET: &str = "SECRET_";

/// The fact [`Fact::Secrets`], from how many values of each class masking found.
pub fn secrets<'a>(found: impl Iterator<Item = (&'a str, u64)>) -> u64 {
    found.filter(|(class, _)| class.starts_with(SECRET)).map(|(_, count)| count).fold(0, u64::saturating_add)
}

/// Some facts: those that policies read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FactSet(u8);

impl FactSet {
    /// Whether it has this one.
    pub const fn contains(self, fact: Fact) -> bool {
        self.0 & fact.bit() != 0
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Fact> for FactSet {
    fn from_iter<I: IntoIterator<Item = Fact>>(facts: I) -> Self {
        Self(facts.into_iter().fold(0, |set, fact| set | fact.bit()))
    }
}

/// The facts of one call, those that were asked for and could be had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Of SQL.
    pub sql: Option<SqlFacts>,
    /// Of shell commands.
    pub shell: Option<ShellFacts>,
    /// Of file paths.
    pub paths: Option<PathFacts>,
    /// Of URLs and hosts.
    pub urls: Option<UrlFacts>,
    /// Whether there are invisible or deceptive characters.
    pub hidden: Option<bool>,
    /// How many secrets masking found.
    pub secrets: Option<u64>,
    /// How much there is.
    pub size: Option<SizeFacts>,
}

/// What SQL would do: of a statement, or of all statements in a call. No SQL at all is `parsed` and empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlFacts {
    /// Whether all of it was understood. Where not, the rest tells of what was.
    pub parsed: bool,
    /// `select`, `insert`, `update`, `delete`, `ddl`, `admin`, `code`, `other`.
    pub kinds: BTreeSet<String>,
    /// Tables that are read, in lower case, qualified as they are written.
    pub reads: BTreeSet<String>,
    /// Tables that are written or changed.
    pub writes: BTreeSet<String>,
    /// Functions that are called.
    pub functions: BTreeSet<String>,
    /// Columns that field rules protect and that decide which rows come: `schema.table.column`, or `*` where it may be any.
    pub inferred: BTreeSet<String>,
    /// How many statements there are.
    pub statements: u64,
    /// Whether an `UPDATE` or `DELETE` has no condition, or one that always holds.
    pub unbounded: bool,
    /// The largest number of rows that each query is limited to; `None` where one has no limit.
    pub limit: Option<u64>,
    /// Whether they are run where nothing can be written: only where they were rewritten so.
    pub read_only: bool,
}

impl SqlFacts {
    /// No SQL.
    pub const fn none() -> Self {
        Self {
            parsed: true,
            kinds: BTreeSet::new(),
            reads: BTreeSet::new(),
            writes: BTreeSet::new(),
            functions: BTreeSet::new(),
            inferred: BTreeSet::new(),
            statements: 0,
            unbounded: false,
            limit: None,
            read_only: false,
        }
    }

    /// These, and what others would do beside them. Limited to what the least limited of them is.
    pub fn add(&mut self, other: &Self) {
        self.limit = match (self.statements, other.statements) {
            (0, _) => other.limit,
            (_, 0) => self.limit,
            _ => self.limit.zip(other.limit).map(|(one, other)| one.max(other)),
        };
        self.read_only = match (self.statements, other.statements) {
            (0, _) => other.read_only,
            (_, 0) => self.read_only,
            _ => self.read_only && other.read_only,
        };
        self.parsed &= other.parsed;
        self.unbounded |= other.unbounded;
        self.statements = self.statements.saturating_add(other.statements);
        self.kinds.extend(other.kinds.iter().cloned());
        self.inferred.extend(other.inferred.iter().cloned());
        self.reads.extend(other.reads.iter().cloned());
        self.writes.extend(other.writes.iter().cloned());
        self.functions.extend(other.functions.iter().cloned());
    }
}

/// What shell commands would do. No command at all is `parsed` and empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellFacts {
    /// Whether all of it was understood.
    pub parsed: bool,
    /// Programs that are run, without their directories.
    pub programs: BTreeSet<String>,
    /// Whether it deletes recursively, runs what it downloads or decodes, opens a way back, and the like.
    pub dangerous: bool,
}

/// File paths in arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathFacts {
    /// Whether one climbs out of its directory, or is one that no program for files should get.
    pub traversal: bool,
    /// Whether one is of a file that holds credentials.
    pub sensitive: bool,
    /// Those that are absolute.
    pub absolute: BTreeSet<String>,
    /// Whether one leads out of the directories that the target is configured for; never where none are.
    pub outside: bool,
}

/// URLs and hosts in arguments. Names are not resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UrlFacts {
    /// Hosts, in lower case.
    pub hosts: BTreeSet<String>,
    /// Schemes, in lower case.
    pub schemes: BTreeSet<String>,
    /// Whether a host is, or carries, an address that is not for the public Internet, or a name of such.
    pub private: bool,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeFacts {
    /// Bytes of the arguments, as received.
    pub bytes: u64,
    /// Objects and arrays inside one another.
    pub depth: u64,
    /// Values in all.
    pub members: u64,
    /// The most digits that a number would have, written out without exponent.
    pub digits: u64,
}
