//! Rewrites: changes to arguments, or to statements of a database, that have a name in configuration, and that policies ask for
//! by it. Those of statements are only named here: whoever knows how statements are sent makes them.
//!
//! All that are asked for at once are laid over one text: places are looked up in the arguments as they were sent, so no
//! rewrite sees what another has done, and the order does not matter. What is not named stays byte for byte as it was.
//! Refused: two that change one argument, or a part of what another changes; an argument beside which stands one whose name
//! differs in letter case only, since servers do not agree on which of them counts. What a rewrite does not fit (a text
//! where a number is to be clamped, SQL that is not understood) stays as it is: the policy that asked forbids it then.

mod decimal;
mod edits;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use vidimus_core::StatementChanges;
use vidimus_core::canonical::write_string;
use vidimus_core::json::{Document, SpliceError, Value, splice};

pub use self::decimal::{InvalidNumber, Number};
use self::edits::{Edit, Edits};
use crate::lookup::{At, Path, Place, Twin};
use crate::sql::{Dialect, capped};

/// A rewrite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// Its name.
    pub name: Arc<str>,
    /// What it is of, and does.
    pub of: RewriteOf,
}

/// What a rewrite is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RewriteOf {
    /// One argument of a call, or several that one path leads to; and what is done there.
    Argument(Path, Change),
    /// Statements of a database.
    Statements(StatementChanges),
}

/// What a rewrite of arguments does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Puts this JSON text there; an object that has no such member gets it.
    Set(Bytes),
    /// Takes it out.
    Remove,
    /// Replaces a number below the least or above the most by that.
    Clamp {
        /// The least.
        least: Option<Number>,
        /// The most.
        most: Option<Number>,
    },
    /// Limits a query of SQL to so many rows.
    MaxRows(u64),
}

/// Why rewrites cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// There is none of this name.
    #[error("there is no rewrite `{0}`")]
    Unknown(Arc<str>),
    /// One of statements, and this is a call.
    #[error("the rewrite `{0}` is of statements of a database, and this is none")]
    NotOfCalls(Arc<str>),
    /// One of arguments, and these are statements.
    #[error("the rewrite `{0}` changes an argument, and statements of a database have none")]
    NotOfStatements(Arc<str>),
    /// Two change the same.
    #[error("the rewrites `{0}` and `{1}` change the same argument")]
    Conflict(Arc<str>, Arc<str>),
    /// Servers may take another argument for the one that is changed.
    #[error("the rewrite `{rewrite}` changes `{name}`, and `{twin}` may be taken for it: send one of them")]
    Twin {
        /// The rewrite.
        rewrite: Arc<str>,
        /// The name that it has.
        name: String,
        /// The name beside it.
        twin: String,
    },
    /// A fault of ours.
    #[error(transparent)]
    Splice(#[from] SpliceError),
}

/// A text with these rewrites applied to the arguments that `path` leads to; itself, where none changes anything.
pub(crate) fn apply(
    document: &Document,
    path: &[&str],
    rewrites: &[&Rewrite],
    dialect: Dialect,
) -> Result<Bytes, RewriteError> {
    let changes = rewrites.iter().map(|rewrite| of_argument(rewrite)).collect::<Result<Vec<_>, _>>()?;
    let Some(arguments) = document.root().at(path) else { return Ok(document.bytes().clone()) };
    let mut edits = Edits::default();
    for (rewrite, (argument, change)) in rewrites.iter().zip(changes) {
        let places = argument.places(arguments).map_err(|Twin { name, twin }| RewriteError::Twin {
            rewrite: Arc::clone(&rewrite.name),
            name,
            twin,
        })?;
        for place in places {
            if let Some(edit) = edit(place, (&rewrite.name, change), dialect) {
                edits.add(edit);
            }
        }
    }
    Ok(splice(document.bytes(), &edits.replacements()?)?)
}

/// What a rewrite of arguments is of, and does.
fn of_argument(rewrite: &Rewrite) -> Result<(&Path, &Change), RewriteError> {
    match &rewrite.of {
        RewriteOf::Argument(argument, change) => Ok((argument, change)),
        RewriteOf::Statements(_) => Err(RewriteError::NotOfCalls(Arc::clone(&rewrite.name))),
    }
}

/// What these rewrites do to statements, together.
pub(crate) fn of_statements(rewrites: &[&Rewrite]) -> Result<StatementChanges, RewriteError> {
    rewrites.iter().try_fold(StatementChanges::default(), |all, rewrite| match &rewrite.of {
        RewriteOf::Statements(changes) => Ok(all.and(*changes)),
        RewriteOf::Argument(..) => Err(RewriteError::NotOfStatements(Arc::clone(&rewrite.name))),
    })
}

/// What a rewrite does in one place; nothing where it does not fit, or where that is there already.
fn edit<'a>(place: Place<'a>, (rewrite, change): (&'a Arc<str>, &'a Change), dialect: Dialect) -> Option<Edit<'a>> {
    let with = match (change, place.at.value()) {
        (Change::Set(value), found) => {
            if found.is_some_and(|found| found.raw().as_bytes() == value) {
                return None;
            }
            Some(value.clone())
        }
        (_, None) => return None,
        (Change::Remove, Some(_)) => None,
        (Change::Clamp { least, most }, Some(found)) => Some(clamped(found, least.as_ref(), most.as_ref())?),
        (Change::MaxRows(rows), Some(found)) => {
            let capped = capped(&found.as_str()?, dialect, *rows)?;
            let mut text = Vec::new();
            write_string(&mut text, &capped);
            Some(text.into())
        }
    };
    Some(Edit { rewrite, place, with })
}

/// The bound that a number is beyond.
fn clamped(found: Value<'_>, least: Option<&Number>, most: Option<&Number>) -> Option<Bytes> {
    let number = found.as_number()?;
    let below = least.filter(|least| least.is_above(number));
    let bound = below.or_else(|| most.filter(|most| most.is_below(number)))?;
    Some(Bytes::copy_from_slice(bound.as_str().as_bytes()))
}

impl<'a> At<'a> {
    /// What is there.
    const fn value(&self) -> Option<Value<'a>> {
        match self {
            Self::Member(_, value) | Self::Element(value) => Some(*value),
            Self::Absent(_) => None,
        }
    }
}
