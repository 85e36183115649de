//! Field rules: which class a value is of because of where it stands, whatever it looks like.
//!
//! A rule is a JSON path (a subset of RFC 9535: names, indices, wildcards and descendants, no filters, slices or lists), a
//! key pattern (`*_ssn`, at any depth, in any case) or a column (`schema.table.column`, in any case). A rule holds for the
//! value it leads to and for everything inside that value. JSON paths win over key patterns, and of each kind those with
//! fewer wildcards win. What a rule cannot be read as is refused with its place.

mod json_path;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use self::json_path::JsonPath;
use crate::class::ClassId;
use crate::error::ConfigError;

/// Rules of one masker.
const MAX_RULES: usize = 1_000;

/// Bytes of a rule, and so of a key that a pattern without wildcards matches.
const MAX_RULE: usize = 256;

/// One step of the way from a document's root to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Into an object, by the decoded key.
    Key(&'a str),
    /// Into an array, from 0.
    Index(usize),
}

/// Field rules, compiled.
#[derive(Debug, Clone, Default)]
pub struct FieldRules {
    paths: Vec<(JsonPath, ClassId)>,
    /// Patterns without wildcards, in lower case.
    keys: HashMap<Box<[u8]>, ClassId>,
    /// Patterns with wildcards, in lower case.
    patterns: Vec<(Box<[u8]>, ClassId)>,
    /// Schema, table and column, in lower case; each may have wildcards.
    columns: Vec<([Box<[u8]>; 3], ClassId)>,
}

impl FieldRules {
    /// No rules.
    pub fn none() -> Self {
        Self::default()
    }

    /// Compiles rules, each with the name of its class, which `class` looks up.
    pub fn new(
        rules: &BTreeMap<String, String>,
        class: impl Fn(&str) -> Result<ClassId, ConfigError>,
    ) -> Result<Self, ConfigError> {
        if rules.len() > MAX_RULES {
            return Err(ConfigError::TooMany { what: "field rules", limit: MAX_RULES });
        }
        let mut compiled = Self::none();
        for (rule, name) in rules {
            let class = class(name)?;
            let wrong = |fault: Fault| ConfigError::FieldRule {
                rule: rule.clone(),
                at: rule.get(..fault.at).unwrap_or(rule).chars().count() + 1,
                why: fault.why.to_owned(),
            };
            compiled.add(rule, class).map_err(wrong)?;
        }
        compiled.paths.sort_by_key(|(path, _)| path.rank());
        compiled.patterns.sort_by_key(|(pattern, _)| wildcards(pattern));
        compiled.columns.sort_by_key(|(parts, _)| parts.iter().map(|part| wildcards(part)).sum::<usize>());
        Ok(compiled)
    }

    fn add(&mut self, rule: &str, class: ClassId) -> Result<(), Fault> {
        if rule.len() > MAX_RULE {
            return Err(Fault { at: 0, why: "it is longer than 256 bytes" });
        }
        if rule.starts_with('$') {
            self.paths.push((JsonPath::parse(rule)?, class));
            return Ok(());
        }
        let stray = |byte: char| byte.is_control() || byte.is_whitespace() || matches!(byte, '[' | ']' | '"' | '\'');
        if let Some(at) = rule.find(stray) {
            return Err(Fault { at, why: "a key with such a sign is written $..['odd key']" });
        }
        let parts: Vec<&str> = rule.split('.').collect();
        if let Some(empty) = parts.iter().position(|part| part.is_empty()) {
            let at = parts.iter().take(empty).map(|part| part.len() + 1).sum();
            return Err(Fault { at, why: "a name is missing" });
        }
        let lower = |part: &str| part.to_ascii_lowercase().into_bytes().into_boxed_slice();
        match *parts {
            [key] if key.contains('*') => self.patterns.push((lower(key), class)),
            // In two cases it is the same key: the rule that is first in the alphabet stays.
            [key] => _ = self.keys.entry(lower(key)).or_insert(class),
            [schema, table, column] => self.columns.push(([lower(schema), lower(table), lower(column)], class)),
            _ => {
                let why = "with dots it is schema.table.column; a path begins with $, a key with dots is $..['a.b']";
                return Err(Fault { at: 0, why });
            }
        }
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.keys.is_empty() && self.patterns.is_empty() && self.columns.is_empty()
    }

    /// Whether there are rules that can be of columns.
    pub fn has_columns(&self) -> bool {
        !(self.keys.is_empty() && self.patterns.is_empty() && self.columns.is_empty())
    }

    /// The class of the value at a path, if a rule holds for it or for something it is in.
    pub fn at(&self, path: &[Step<'_>]) -> Option<ClassId> {
        if let Some((_, class)) = self.paths.iter().find(|(rule, _)| rule.holds(path)) {
            return Some(*class);
        }
        if self.keys.is_empty() && self.patterns.is_empty() {
            return None;
        }
        path.iter().rev().find_map(|step| match step {
            Step::Key(key) => self.key(key),
            Step::Index(_) => None,
        })
    }

    /// The class of a column: by its schema and table, else as a key.
    pub fn column(&self, schema: &str, table: &str, column: &str) -> Option<ClassId> {
        let parts = [schema, table, column];
        let holds = |rule: &[Box<[u8]>; 3]| rule.iter().zip(parts).all(|(rule, part)| matches(rule, part.as_bytes()));
        self.columns.iter().find(|(rule, _)| holds(rule)).map(|(_, class)| *class).or_else(|| self.key(column))
    }

    fn key(&self, key: &str) -> Option<ClassId> {
        let mut lower = [0; MAX_RULE];
        let exact = lower.get_mut(..key.len()).and_then(|lower| {
            lower.copy_from_slice(key.as_bytes());
            lower.make_ascii_lowercase();
            self.keys.get(&*lower)
        });
        let pattern = || self.patterns.iter().find(|(pattern, _)| matches(pattern, key.as_bytes()));
        exact.or_else(|| pattern().map(|(_, class)| class)).copied()
    }
}

/// What is wrong with a rule, and at which of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fault {
    at: usize,
    why: &'static str,
}

fn wildcards(pattern: &[u8]) -> usize {
    memchr::memchr_iter(b'*', pattern).count()
}

/// Whether a text is what a lower-case pattern says, in any case; `*` is any number of bytes.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // Where the last star is, and how far what it stands for has grown.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(from) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(wanted) if *wanted == byte.to_ascii_lowercase() => (at, from) = (at + 1, from + 1),
            _ => {
                let Some((place, grown)) = star else { return false };
                star = Some((place, grown + 1));
                (at, from) = (place + 1, grown + 1);
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}
