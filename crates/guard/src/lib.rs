//! Guardrails: facts from the arguments of calls (design part 5, "Guardrails").
//!
//! What is here reads and judges nothing but text: it resolves no name, opens no file and runs no command. It takes time
//! linear in what it reads, never panics on it, and is bounded: where a bound is passed, the fact is absent, which denies
//! where a policy reads it. Besides, it changes arguments as policies ask (`rewrite`). Modules, from below: `readings`, `walk`,
//! `lookup`, `hosts` · `urls`, `paths`, `shell`, `sql`, `hidden`, `size` · `rewrite`.

mod hidden;
mod hosts;
mod lookup;
mod paths;
mod readings;
mod rewrite;
mod shell;
mod size;
mod sql;
mod urls;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
pub use hidden::{hidden_texts, may_hide};
pub use lookup::{InvalidPath, Path};
pub use rewrite::{Change, InvalidNumber, Number, Rewrite, RewriteError, RewriteOf};
pub use sql::{Dialect, UnknownDialect, facts as sql_facts};
use vidimus_core::json::{Document, Value};
use vidimus_core::{Fact, FactSet, Facts, StatementChanges};

/// Names of one kind (hosts, paths, tables) in one call. With more, the fact cannot be had.
const MAX_NAMES: usize = 1_000;

/// Derives facts for the calls of one target. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guard(Arc<Settings>);

/// What is known of a target's arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Directories that paths may lead to; empty for any.
    pub roots: Vec<String>,
    /// Where shell commands are, besides under keys that say so.
    pub shell: Vec<Path>,
    /// Where SQL is, besides under keys that say so.
    pub sql: Vec<Path>,
    /// Which SQL that is.
    pub dialect: Dialect,
    /// How calls may be rewritten, where policies ask for it.
    pub rewrites: Arc<[Rewrite]>,
}

impl Guard {
    /// A guard with these settings.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }

    /// The facts of a call that are asked for; no arguments are an empty object. [`Fact::Secrets`] is masking's to tell.
    pub fn facts(&self, arguments: Option<Value<'_>>, wanted: FactSet) -> Facts {
        let wanted = |fact| wanted.contains(fact);
        let mut facts = Facts::default();
        if wanted(Fact::Size) {
            facts.size = Some(size::of(arguments));
        }
        if wanted(Fact::Hidden) {
            facts.hidden = Some(hidden::is_in(arguments));
        }
        if wanted(Fact::Urls) {
            facts.urls = urls::of(arguments);
        }
        if wanted(Fact::Sql) {
            facts.sql = Some(sql::of(arguments, &self.0.sql, self.0.dialect));
        }
        if wanted(Fact::Shell) {
            facts.shell = Some(shell::of(arguments, &self.0.shell));
        }
        if wanted(Fact::Paths) {
            facts.paths = paths::of(arguments, &self.0.roots);
        }
        facts
    }

    /// A message with the rewrites of these names applied to the arguments that `path` leads to; itself, where none of them
    /// changes anything. It is to be parsed again before it is used.
    pub fn rewritten(&self, message: &Document, path: &[&str], names: &[&str]) -> Result<Bytes, RewriteError> {
        rewrite::apply(message, path, &self.named(names)?, self.0.dialect)
    }

    /// What the rewrites of these names do to statements, together.
    pub fn statement_changes(&self, names: &[&str]) -> Result<StatementChanges, RewriteError> {
        rewrite::of_statements(&self.named(names)?)
    }

    fn named(&self, names: &[&str]) -> Result<Vec<&Rewrite>, RewriteError> {
        let known = |name: &&str| {
            let found = self.0.rewrites.iter().find(|rewrite| *rewrite.name == **name);
            found.ok_or_else(|| RewriteError::Unknown((*name).into()))
        };
        names.iter().map(known).collect()
    }
}

/// Adds a name; `None` when there are too many.
fn insert(names: &mut BTreeSet<String>, name: &str) -> Option<()> {
    if !names.contains(name) {
        names.insert(name.to_owned());
    }
    (names.len() <= MAX_NAMES).then_some(())
}
