//! SQL in arguments: what statements would do, which tables they read and write, which functions they call.
//!
//! A text is parsed by `sqlparser`, in the dialect that is configured or in one that takes most of all. What databases do
//! not agree on, or what `sqlparser` is known to read otherwise than they, makes it `parsed = false` before that
//! (`ambiguity`): who wants to be sure denies what is not parsed.

mod ambiguity;
mod conditions;
mod functions;
mod recognition;
mod rows;
mod statements;

use std::fmt;
use std::str::FromStr;

use sqlparser::dialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Tokenizer;
use vidimus_core::SqlFacts;
use vidimus_core::json::Value;

pub(crate) use self::rows::capped;
use crate::lookup::Path;
use crate::walk::{Role, Texts};

/// Longer texts are not parsed.
const MAX_TEXT: usize = 256 << 10;
/// Parentheses, subqueries and the like inside one another.
const MAX_DEPTH: usize = 48;

/// The SQL that a target speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Not known: what databases read differently is not parsed.
    #[default]
    Any,
    /// PostgreSQL, with `standard_conforming_strings`, as is the default.
    PostgreSql,
    /// `MySQL` and `MariaDB`, without `NO_BACKSLASH_ESCAPES`, as is the default.
    MySql,
    /// SQLite.
    Sqlite,
    /// Microsoft SQL Server.
    MsSql,
    /// Oracle.
    Oracle,
    /// `BigQuery`.
    BigQuery,
    /// Snowflake.
    Snowflake,
    /// `ClickHouse`.
    ClickHouse,
    /// `DuckDB`.
    DuckDb,
}

impl Dialect {
    /// Every dialect that can be named.
    pub const ALL: [Self; 9] = [
        Self::PostgreSql,
        Self::MySql,
        Self::Sqlite,
        Self::MsSql,
        Self::Oracle,
        Self::BigQuery,
        Self::Snowflake,
        Self::ClickHouse,
        Self::DuckDb,
    ];

    /// As it is written in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::PostgreSql => "postgresql",
            Self::MySql => "mysql",
            Self::Sqlite => "sqlite",
            Self::MsSql => "mssql",
            Self::Oracle => "oracle",
            Self::BigQuery => "bigquery",
            Self::Snowflake => "snowflake",
            Self::ClickHouse => "clickhouse",
            Self::DuckDb => "duckdb",
        }
    }

    fn grammar(self) -> Box<dyn dialect::Dialect> {
        match self {
            Self::Any => Box::new(dialect::GenericDialect {}),
            Self::PostgreSql => Box::new(dialect::PostgreSqlDialect {}),
            Self::MySql => Box::new(dialect::MySqlDialect {}),
            Self::Sqlite => Box::new(dialect::SQLiteDialect {}),
            Self::MsSql => Box::new(dialect::MsSqlDialect {}),
            Self::Oracle => Box::new(dialect::OracleDialect {}),
            Self::BigQuery => Box::new(dialect::BigQueryDialect {}),
            Self::Snowflake => Box::new(dialect::SnowflakeDialect {}),
            Self::ClickHouse => Box::new(dialect::ClickHouseDialect {}),
            Self::DuckDb => Box::new(dialect::DuckDbDialect {}),
        }
    }
}

/// A name that is no dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownDialect;

impl fmt::Display for UnknownDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Dialect::ALL.into_iter().map(Dialect::name).collect();
        write!(f, "a dialect of SQL is one of {}", names.join(", "))
    }
}

impl std::error::Error for UnknownDialect {}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == text).ok_or(UnknownDialect)
    }
}

/// The SQL of arguments, where paths lead, and under keys that mean SQL.
pub(crate) fn of(arguments: Option<Value<'_>>, paths: &[Path], dialect: Dialect) -> SqlFacts {
    let mut all = SqlFacts { limit: Some(0), ..SqlFacts::none() };
    let configured =
        arguments.into_iter().flat_map(|arguments| paths.iter().flat_map(move |path| path.values(arguments)));
    for value in configured {
        match value.as_str() {
            Some(text) => add(&mut all, facts(&text, dialect)),
            // A list of statements, or nothing that a database takes for one.
            None => {
                for element in value.elements() {
                    element.as_str().into_iter().for_each(|text| add(&mut all, facts(&text, dialect)));
                }
            }
        }
    }
    for text in Texts::of(arguments).filter(|text| text.role == Role::String) {
        if recognition::is_sql(&text.key, &text.value) {
            add(&mut all, facts(&text.value, dialect));
        }
    }
    if all.statements == 0 {
        all.limit = None;
    }
    all
}

/// What one text of SQL would do. Never `limit` beyond what all of its queries are limited to.
pub fn facts(text: &str, dialect: Dialect) -> SqlFacts {
    let unknown = SqlFacts { parsed: false, ..SqlFacts::none() };
    if text.len() > MAX_TEXT || ambiguity::is_in(text, dialect) {
        return unknown;
    }
    let grammar = dialect.grammar();
    let Ok(tokens) = Tokenizer::new(&*grammar, text).with_unescape(true).tokenize() else { return unknown };
    if ambiguity::is_too_deep(&tokens) {
        return unknown;
    }
    let runs_code = functions::called(&tokens);
    let parsed = Parser::new(&*grammar).with_recursion_limit(MAX_DEPTH).with_tokens(tokens).parse_statements();
    let mut facts = match parsed {
        Ok(statements) => statements::facts(&statements),
        Err(_) => unknown,
    };
    if runs_code {
        facts.kinds.insert(CODE.to_owned());
    }
    facts
}

const CODE: &str = "code";

fn add(all: &mut SqlFacts, one: SqlFacts) {
    all.parsed &= one.parsed;
    all.unbounded |= one.unbounded;
    all.statements = all.statements.saturating_add(one.statements);
    all.limit = all.limit.zip(one.limit).map(|(all, one)| all.max(one));
    for (all, one) in [
        (&mut all.kinds, one.kinds),
        (&mut all.reads, one.reads),
        (&mut all.writes, one.writes),
        (&mut all.functions, one.functions),
    ] {
        all.extend(one);
        if all.len() > crate::MAX_NAMES {
            all.clear();
        }
    }
}

#[cfg(test)]
mod tests;
