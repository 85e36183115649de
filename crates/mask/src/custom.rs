//! Classes of one's own: patterns and words, in a form that cannot make scanning slow.
//!
//! A custom class has what a built-in one has, except code: safe patterns (`safe.rs`), lists of words, a validator by
//! name, words of context. Its own name is context too: `EMPLOYEE_ID` is named by the key `employee_id`. It is part of
//! `default` and of `all`. What is not as it must be is refused with the reason.

mod safe;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use crate::checksum;
use crate::class::{Check, Edges, Group, Values, Verdict};
use crate::classes;
use crate::engine::MAX_NAME;
use crate::error::ConfigError;
use crate::form::Tail;
use crate::operator::Operator;
use crate::selection::{Class, OwnedShape};

/// Custom classes of one masker.
const MAX_CUSTOM: usize = 64;

/// Patterns of one class.
const MAX_PATTERNS: usize = 16;

/// Words of one class, and of all classes together.
const MAX_WORDS: usize = 2_000;
const MAX_ALL_WORDS: usize = 5_000;

/// Bytes of a word in a list.
const WORD_BYTES: std::ops::RangeInclusive<usize> = safe::MIN_MATCH..=64;

/// Context phrases of one class, words of a phrase and bytes of a word: what `engine::context` looks at.
const MAX_CONTEXT: usize = 32;
const MAX_PHRASE: usize = 4;
const MAX_CONTEXT_WORD: usize = 32;

/// A class of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomClass {
    /// `[A-Z][A-Z0-9_]*`, not the name of a built-in class.
    pub name: String,
    /// Regular expressions over ASCII, bounded, without look-around. A match begins and ends where a word does.
    pub patterns: Vec<String>,
    /// Words and phrases that are values of the class, in any case.
    pub words: Vec<String>,
    /// What a match must pass: one of [`CustomClass::validators`].
    pub validator: Option<String>,
    /// Words that name the class, near a value or in a key.
    pub context: Vec<String>,
    /// 1 to 100: how sure a match is without a validator and context. Below 40 it is not masked without context.
    pub score: u8,
    /// Whether it counts only where it is named.
    pub needs_context: bool,
    /// How it is masked, if the settings say nothing else.
    pub operator: Option<Operator>,
}

impl CustomClass {
    /// A class without patterns and words yet, of a score that is masked.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            patterns: Vec::new(),
            words: Vec::new(),
            validator: None,
            context: Vec::new(),
            score: 60,
            needs_context: false,
            operator: None,
        }
    }

    /// The names of the validators.
    pub fn validators() -> impl Iterator<Item = &'static str> {
        VALIDATORS.iter().map(|(name, _)| *name)
    }

    fn compile(&self) -> Result<Class, String> {
        check_name(&self.name)?;
        if self.patterns.is_empty() && self.words.is_empty() {
            return Err("it has neither patterns nor words".to_owned());
        }
        if self.patterns.len() > MAX_PATTERNS || self.words.len() > MAX_WORDS {
            return Err(format!("at most {MAX_PATTERNS} patterns and {MAX_WORDS} words"));
        }
        if !(1..=100).contains(&self.score) {
            return Err("a score is from 1 to 100".to_owned());
        }
        let check = match &self.validator {
            Some(name) => Some(validator(name)?),
            None => None,
        };
        for (number, pattern) in (1..).zip(&self.patterns) {
            safe::check(pattern).map_err(|why| format!("pattern {number}: {why}"))?;
        }
        let words = list(&self.words)?;
        let shape = |pattern: String| OwnedShape {
            pattern: pattern.into(),
            score: self.score,
            needs_context: self.needs_context,
            edges: Edges::Word,
            tail: Tail::None,
            reaches_back: 0,
            after_letters: false,
        };
        let own = self.name.to_ascii_lowercase().replace('_', " ");
        let mut context = vec![own.trim().to_owned().into()];
        for phrase in &self.context {
            context.push(check_context(phrase)?.into());
        }
        if context.len() > MAX_CONTEXT {
            return Err(format!("at most {} context phrases", MAX_CONTEXT - 1));
        }
        Ok(Class {
            name: self.name.clone().into(),
            group: Group::Personal,
            shapes: self.patterns.iter().cloned().chain(words).map(shape).collect(),
            finder: None,
            keywords: &[],
            values: Values::Forms(&[]),
            anchors: &[],
            check,
            proves: true,
            context,
            in_default: true,
        })
    }
}

/// Compiles classes, which have different names.
pub(crate) fn compile(classes: &[CustomClass]) -> Result<Vec<Class>, ConfigError> {
    if classes.len() > MAX_CUSTOM {
        return Err(ConfigError::TooMany { what: "custom classes", limit: MAX_CUSTOM });
    }
    if classes.iter().map(|class| class.words.len()).sum::<usize>() > MAX_ALL_WORDS {
        return Err(ConfigError::TooMany { what: "words of custom classes", limit: MAX_ALL_WORDS });
    }
    let mut compiled: Vec<Class> = Vec::new();
    for class in classes {
        let wrong = |why: String| ConfigError::Custom { name: class.name.clone(), why };
        if compiled.iter().any(|other| *other.name == class.name) {
            return Err(wrong("there are two of this name".to_owned()));
        }
        compiled.push(class.compile().map_err(wrong)?);
    }
    Ok(compiled)
}

fn check_name(name: &str) -> Result<(), String> {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|first| first.is_ascii_uppercase());
    if !begins || !bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') {
        return Err("a name is capital letters, digits and _, with a letter first".to_owned());
    }
    if name.len() > MAX_NAME {
        return Err(format!("a name has at most {MAX_NAME} characters"));
    }
    let number = name.rsplit_once('_').is_some_and(|(_, last)| last.bytes().all(|byte| byte.is_ascii_digit()));
    if number {
        return Err("a name does not end in _ and a number, as the marks of the operator token do".to_owned());
    }
    if classes::all().any(|class| class.name == name) {
        return Err("a built-in class has this name".to_owned());
    }
    Ok(())
}

fn check_context(phrase: &str) -> Result<String, String> {
    let words: Vec<&str> = phrase.split_ascii_whitespace().collect();
    let good = |word: &&str| word.len() <= MAX_CONTEXT_WORD && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if words.is_empty() || words.len() > MAX_PHRASE || !words.iter().all(good) {
        return Err(format!(
            "the context {phrase:?} is not one to {MAX_PHRASE} words of at most {MAX_CONTEXT_WORD} ASCII letters and \
             digits"
        ));
    }
    Ok(words.join(" ").to_ascii_lowercase())
}

/// One pattern for a list of words, or none for none.
fn list(words: &[String]) -> Result<Option<String>, String> {
    if words.is_empty() {
        return Ok(None);
    }
    let mut pattern = String::from("(?i:");
    for (number, word) in (1..).zip(words) {
        if !WORD_BYTES.contains(&word.len()) || word.trim() != word || word.contains(char::is_control) {
            return Err(format!(
                "word {number} is not {} to {} bytes of text without space around it",
                WORD_BYTES.start(),
                WORD_BYTES.end()
            ));
        }
        if number > 1 {
            pattern.push('|');
        }
        for byte in word.bytes() {
            // Writing into a string cannot fail.
            let _ = write!(pattern, "\\x{byte:02X}");
        }
    }
    pattern.push(')');
    Ok(Some(pattern))
}

/// Validators by name; each wants two digits at least, for no digits pass every sum.
const VALIDATORS: &[(&str, Check)] = &[
    ("luhn", |value| passes(value, checksum::luhn(value))),
    ("mod11_10", |value| passes(value, checksum::mod_11_10(value))),
    ("mod97", |value| passes(value, checksum::mod_97(value.iter().copied()) == 1)),
    ("verhoeff", |value| passes(value, checksum::verhoeff(value))),
];

fn passes(value: &[u8], holds: bool) -> Verdict {
    if holds && checksum::count(value) >= 2 { Verdict::Valid } else { Verdict::Invalid }
}

fn validator(name: &str) -> Result<Check, String> {
    let known = VALIDATORS.iter().find(|(known, _)| *known == name).map(|(_, check)| *check);
    known.ok_or_else(|| {
        let names: Vec<&str> = CustomClass::validators().collect();
        format!("no validator is called {name:?}; there are {}", names.join(", "))
    })
}
