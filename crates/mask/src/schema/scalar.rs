//! Whether a schema as a whole accepts a string, number, boolean or null (JSON Schema 2020-12 core §10.2).
//!
//! Combinators and references inside the document are followed. What is not understood is not guessed.

use vidimus_core::json::{Kind, Value};

use super::MAX_DEPTH;
use super::leaf::{Judgement, judge};
use super::places::follow;

/// Subschemas that are judged for one value, at most.
const MAX_JUDGED: usize = 256;

/// Judges a value that is no object and no array by a schema and all that it combines.
pub(super) fn accepts<'a>(root: Value<'a>, schema: Value<'a>, value: Value<'_>) -> Judgement {
    let accepted = Judge { root, left: MAX_JUDGED }.accepts(schema, value, 0);
    accepted.map_or(Judgement::Unknown, |accepted| if accepted { Judgement::Accepts } else { Judgement::Refuses })
}

/// Whether a schema's judgement of a value depends on its type alone.
pub(super) fn asks_for_type_only(schema: Value<'_>) -> bool {
    const SAYS_NOTHING: &[&str] =
        &["type", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment"];
    schema.kind() == Kind::Bool || schema.members().all(|(word, _)| SAYS_NOTHING.contains(&word.as_ref()))
}

struct Judge<'a> {
    root: Value<'a>,
    left: usize,
}

impl<'a> Judge<'a> {
    /// None if it cannot be told.
    fn accepts(&mut self, schema: Value<'a>, value: Value<'_>, depth: usize) -> Option<bool> {
        self.left = self.left.checked_sub(1)?;
        if depth >= MAX_DEPTH {
            return None;
        }
        let mut all = match judge(schema, value) {
            Judgement::Accepts => true,
            Judgement::Refuses => false,
            Judgement::Unknown => return None,
        };
        for (word, says) in schema.members() {
            all &= match word.as_ref() {
                "$ref" => self.accepts(follow(self.root, says).ok()?, value, depth + 1)?,
                "$dynamicRef" | "$recursiveRef" => return None,
                "allOf" => {
                    let branches = says.elements().count();
                    self.count(says, value, depth)? == branches
                }
                "anyOf" => self.count(says, value, depth)? > 0,
                "oneOf" => self.count(says, value, depth)? == 1,
                "not" => !self.accepts(says, value, depth + 1)?,
                "if" => {
                    let branch = if self.accepts(says, value, depth + 1)? { "then" } else { "else" };
                    match schema.get(branch) {
                        Some(branch) => self.accepts(branch, value, depth + 1)?,
                        None => true,
                    }
                }
                _ => true,
            };
        }
        Some(all)
    }

    /// How many branches accept a value.
    fn count(&mut self, branches: Value<'a>, value: Value<'_>, depth: usize) -> Option<usize> {
        let mut count = 0;
        for branch in branches.elements() {
            count += usize::from(self.accepts(branch, value, depth + 1)?);
        }
        Some(count)
    }
}
