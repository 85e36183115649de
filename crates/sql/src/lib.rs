//! SQL for PostgreSQL: what each statement of a text does, to what, and to the session; and from which columns its results derive.
//!
//! What is here reads and judges text alone: it resolves nothing and asks no server. It reads what PostgreSQL reads: a scanner
//! that follows PostgreSQL's own (`scan`), and the tables of PostgreSQL's own grammar (`tree`), held against each other. It never
//! panics, takes time linear in the text, and is bounded; what is beyond a bound or not understood is a [`ParseError`].
//! Modules, from below: `scan`, `tree` · `names`, `functions`, `settings` · `kind`, `conditions`, `facts`, `effects` · `lineage`,
//! `rows`, which limits a query's rows.

mod called;
mod conditions;
mod effects;
mod error;
mod facts;
mod functions;
mod kind;
pub mod lineage;
mod names;
mod rows;
mod scan;
mod settings;
mod tree;

use std::collections::BTreeSet;
use std::ops::Range;

pub use effects::{Discarded, Effect};
pub use error::ParseError;
pub use facts::Columns;
pub use kind::{Group, Kind};
use postgresql_cst_parser::syntax_kind::SyntaxKind;
pub use rows::{Capped, capped};
pub use scan::Options;
use tree::{Cursor, Tree};
use vidimus_core::SqlFacts;

/// Longer texts are not read, in bytes.
pub const MAX_TEXT: usize = 1 << 20;
/// Texts of more words and signs are not read; of long lists of plain values, the first two thousand count.
pub const MAX_TOKENS: usize = 50_000;
/// Parentheses, brackets and `CASE` inside one another.
pub const MAX_DEPTH: usize = 200;
/// Statements in one text.
pub const MAX_STATEMENTS: usize = 1_000;

/// Reads a text as a server with default settings would. The text is what the server gets in UTF-8: of a session with another
/// `client_encoding`, nothing here is true.
pub fn parse(text: &str) -> Result<Script, ParseError> {
    parse_with(text, Options::default())
}

/// Reads a text as a server with these settings would.
pub fn parse_with(text: &str, options: Options) -> Result<Script, ParseError> {
    if text.len() > MAX_TEXT {
        return Err(ParseError::TooLong(text.len()));
    }
    let tree = Tree::parse(text, scan::tokens(text, options)?)?;
    let top = tree.root().find(SyntaxKind::stmtmulti);
    let statements: Vec<_> = top.map(Cursor::items).unwrap_or_default().into_iter().map(Cursor::id).collect();
    if statements.len() > MAX_STATEMENTS {
        return Err(ParseError::TooManyStatements(statements.len()));
    }
    Ok(Script { tree, statements })
}

/// A text that was read: statements, none where there is nothing but white space, comments and semicolons.
#[derive(Debug, Clone)]
pub struct Script {
    tree: Tree,
    statements: Vec<usize>,
}

impl Script {
    /// The text.
    pub fn text(&self) -> &str {
        self.tree.text()
    }

    /// Its statements, in order.
    pub fn statements(&self) -> impl Iterator<Item = Statement<'_>> {
        let root = self.tree.root();
        self.statements.iter().map(move |id| Statement { node: root.at(*id) })
    }
}

/// One statement of a text.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// `toplevel_stmt` of the grammar, or the `PreparableStmt` of another statement.
    node: Cursor<'a>,
}

impl<'a> Statement<'a> {
    /// Where it is in the text, in bytes, from its first word to its last.
    pub fn range(&self) -> Range<usize> {
        self.node.range()
    }

    /// It alone, as it is written.
    pub fn text(&self) -> &'a str {
        self.node.written()
    }

    /// What it does; several where it does several things. Never empty.
    pub fn kinds(&self) -> BTreeSet<Kind> {
        kind::kinds(self.node)
    }

    /// Whether all that it does is of this group.
    pub fn is_only(&self, group: Group) -> bool {
        self.kinds().into_iter().all(|kind| kind.group() == group)
    }

    /// Whether it is one that `PREPARE` takes: `SELECT`, `VALUES`, `TABLE`, `INSERT`, `UPDATE`, `DELETE` or `MERGE`.
    pub fn is_plain(&self) -> bool {
        let own = kind::statement(self.node).map(Cursor::kind);
        own.is_some_and(|kind| {
            matches!(
                kind,
                SyntaxKind::SelectStmt
                    | SyntaxKind::InsertStmt
                    | SyntaxKind::UpdateStmt
                    | SyntaxKind::DeleteStmt
                    | SyntaxKind::MergeStmt
            )
        })
    }

    /// Whether it is a query (`SELECT`, `VALUES`, `TABLE`) and does nothing but read, as far as its text tells.
    pub fn is_query(&self) -> bool {
        kind::statement(self.node).is_some_and(|own| own.is(SyntaxKind::SelectStmt))
            && self.kinds().into_iter().all(|kind| kind == Kind::Select)
    }

    /// What policies are told of it.
    pub fn facts(&self) -> SqlFacts {
        facts::facts(self.node)
    }

    /// The columns that it names, as they are written.
    pub fn columns(&self) -> Columns {
        facts::columns(self.node)
    }

    /// What it does to its session, in order.
    pub fn effects(&self) -> Vec<Effect> {
        effects::effects(self.node)
    }

    /// The statement in it: of `PREPARE`, `DECLARE`, `EXPLAIN`, `COPY (…)`, `CREATE TABLE AS`.
    pub fn inner(&self) -> Option<Statement<'a>> {
        let outer = kind::statement(self.node)?;
        let is_outer = matches!(
            outer.kind(),
            SyntaxKind::PrepareStmt
                | SyntaxKind::DeclareCursorStmt
                | SyntaxKind::ExplainStmt
                | SyntaxKind::CopyStmt
                | SyntaxKind::CreateAsStmt
                | SyntaxKind::CreateMatViewStmt
                | SyntaxKind::ViewStmt
        );
        let is_inner = |child: &Cursor<'_>| {
            matches!(child.kind(), SyntaxKind::PreparableStmt | SyntaxKind::ExplainableStmt | SyntaxKind::SelectStmt)
        };
        let inner = outer.children().find(is_inner).filter(|_| is_outer)?;
        Some(Statement { node: inner })
    }
}

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;

#[cfg(test)]
mod tests;
