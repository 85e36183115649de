//! Reading one table of a configuration: typed values by key, and problems at their places.
//!
//! A getter notes what is wrong and answers `None`, so that reading goes on and every problem is found in one run.
//! What may be left out, and what holds then, comes from the table of keys alone.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::Document;
use super::keys::{Absent, Key, Section};
use crate::problem::did_you_mean;
use crate::secret::{PLACEHOLDER, SecretRef, Source};

/// A value and where it stands.
pub(super) type Value<'a> = &'a Spanned<DeValue<'a>>;

/// A table being read.
pub(super) struct Table<'a> {
    document: &'a Document,
    section: &'static Section,
    /// The heading with the operator's own names.
    heading: String,
    /// Where to say that something is missing.
    place: Range<usize>,
    content: &'a DeTable<'a>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    pub(super) fn new(
        document: &'a Document,
        section: &'static Section,
        heading: String,
        place: Range<usize>,
        content: &'a DeTable<'a>,
    ) -> Self {
        Self { document, section, heading, place, content, asked: RefCell::default() }
    }

    /// A value of any type; required ones are missed.
    pub(super) fn value(&self, name: &'static str) -> Option<Value<'a>> {
        let key = self.key(name)?;
        let value = self.content.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value);
        if value.is_none() && key.absent == Absent::Refused {
            let what = if self.heading.is_empty() { format!("no [{name}]") } else { format!("no `{name}` in {self}") };
            self.document.problem(self.place.clone(), what, Some(format!("add it: {}", key.about)));
        }
        value
    }

    /// A string in one of the small languages of values, or its default.
    pub(super) fn parsed<T>(&self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let Some(value) = self.value(name) else {
            return match self.key(name)?.absent {
                Absent::Default(text) => parse(text).ok(),
                Absent::Refused | Absent::Means(_) => None,
            };
        };
        self.parse(name, value, parse)
    }

    /// A list of such strings.
    pub(super) fn list<T>(&self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        let Some(value) = self.value(name) else {
            return match self.key(name)?.absent {
                Absent::Default(text) => text.split(' ').map(|text| parse(text).ok()).collect(),
                Absent::Means(_) => Some(Vec::new()),
                Absent::Refused => None,
            };
        };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(name, value);
            return None;
        };
        let parsed: Vec<Option<T>> = items.iter().map(|item| self.parse(name, item, &parse)).collect();
        parsed.into_iter().collect()
    }

    /// A count, at least one.
    pub(super) fn count(&self, name: &'static str) -> Option<usize> {
        let Some(value) = self.value(name) else {
            return match self.key(name)?.absent {
                Absent::Default(text) => text.parse().ok(),
                Absent::Refused | Absent::Means(_) => None,
            };
        };
        let count = match value.get_ref() {
            DeValue::Integer(integer) => usize::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        if count.is_none_or(|count| count == 0) {
            self.document.problem(value.span(), format!("`{name}` must be a whole number from 1"), None);
            return None;
        }
        count
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, name: &'static str) -> Option<bool> {
        let Some(value) = self.value(name) else {
            return match self.key(name)?.absent {
                Absent::Default(text) => text.parse().ok(),
                Absent::Refused | Absent::Means(_) => None,
            };
        };
        if let DeValue::Boolean(boolean) = value.get_ref() {
            return Some(*boolean);
        }
        self.wrong_type(name, value);
        None
    }

    /// A reference to a secret.
    pub(super) fn secret(&self, name: &'static str) -> Option<SecretRef> {
        let value = self.value(name)?;
        secret(self.document, name, value)
    }

    /// A table below this one, and where it stands.
    pub(super) fn table(&self, name: &'static str) -> Option<(Range<usize>, &'a DeTable<'a>)> {
        let value = self.value(name)?;
        let found = self.as_table(name, value)?;
        Some((value.span(), found))
    }

    /// The value as a table; a problem when it is none.
    pub(super) fn as_table(&self, name: &str, value: Value<'a>) -> Option<&'a DeTable<'a>> {
        let found = value.get_ref().as_table();
        if found.is_none() {
            self.wrong_type(name, value);
        }
        found
    }

    /// The value as a string in one of the small languages of values.
    pub(super) fn parse<T>(
        &self,
        name: &str,
        value: Value<'_>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_type(name, value);
            return None;
        };
        match parse(text) {
            Ok(parsed) => Some(parsed),
            Err(expected) => {
                if text.contains('@') {
                    // A URL with a password in it.
                    self.document.strike(value.span());
                }
                self.document.problem(value.span(), format!("`{name}` in {self}: {expected}"), None);
                None
            }
        }
    }

    /// Refuses every key that is not in the table of keys.
    pub(super) fn finish(&self) {
        debug_assert!(
            self.section.keys.iter().all(|key| self.asked.borrow().contains(&key.name)),
            "a key of [{}] is documented but never read; read: {:?}",
            self.section.heading,
            self.asked.borrow()
        );
        for (key, value) in self.content {
            if self.section.keys.iter().all(|known| known.name != key.get_ref()) {
                if value.span().start >= key.span().end {
                    self.document.strike(value.span());
                }
                let message = format!("unknown key `{}` in {self}", key.get_ref());
                self.document.problem(key.span(), message, Some(self.advice(key.get_ref())));
            }
        }
    }

    fn advice(&self, unknown: &str) -> String {
        let names = self.section.keys.iter().map(|key| key.name);
        if let Some(question) = did_you_mean(&unknown.to_ascii_lowercase(), names) {
            return question;
        }
        let elsewhere = |section: &&&Section| section.keys.iter().any(|key| key.name == unknown);
        if let Some(section) = super::keys::SECTIONS.iter().find(elsewhere) {
            return format!("`{unknown}` belongs in [{}]", section.heading);
        }
        let known: Vec<&str> = self.section.keys.iter().map(|key| key.name).collect();
        format!("known here: {}", known.join(", "))
    }

    fn wrong_type(&self, name: &str, value: Value<'_>) {
        let form = self.section.keys.iter().find(|key| key.name == name).map_or("text", |key| key.form);
        let found = match value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        // What is of the wrong type may be a secret in the wrong place.
        self.document.strike(value.span());
        self.document.problem(value.span(), format!("`{name}` in {self}: expected {form}, found {found}"), None);
    }

    fn key(&self, name: &'static str) -> Option<&'static Key> {
        self.asked.borrow_mut().push(name);
        let key = self.section.keys.iter().find(|key| key.name == name);
        debug_assert!(key.is_some(), "`{name}` is read from [{}] but not documented", self.section.heading);
        key
    }
}

impl std::fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.heading.is_empty() { f.write_str("the file") } else { write!(f, "[{}]", self.heading) }
    }
}

/// Reads a reference to a secret; `name` is what it is for.
pub(super) fn secret<'a>(document: &'a Document, name: &str, value: Value<'a>) -> Option<SecretRef> {
    let Some(table) = value.get_ref().as_table() else {
        document.strike(value.span());
        let remedy = "say where it is: { env = \"NAME\" } or { file = \"PATH\" }; if it was real, replace it, since \
                      files are copied and committed";
        document.problem(
            value.span(),
            format!("`{name}` is a secret, which a configuration must not hold"),
            Some(remedy.into()),
        );
        return None;
    };
    let table = Table::new(document, &super::keys::SECRET, name.to_owned(), value.span(), table);
    let env = table.parsed("env", |text| environment_name(text).inspect_err(|_| document.strike(value.span())));
    let file = table.parsed("file", super::value::text);
    let format = table.parsed("format", |text| {
        let fits = text.matches(PLACEHOLDER).count() == 1 && text.bytes().all(|byte| (0x20..0x7F).contains(&byte));
        if fits {
            return Ok(text.to_owned());
        }
        document.strike(value.span());
        Err("expected printable text with one `{}`".to_owned())
    });
    let given = ["env", "file"].map(|name| table.value(name).is_some());
    table.finish();
    if given == [true, true] || given == [false, false] {
        document.problem(value.span(), format!("`{name}` must name exactly one of `env` and `file`"), None);
        return None;
    }
    let source = env.map(Source::Env).or_else(|| file.map(|file| Source::File(document.resolve(&file))))?;
    Some(SecretRef { source, format })
}

/// The name of an environment variable (POSIX 8.1, lower case allowed). A value pasted here is mostly not one.
pub(super) fn environment_name(text: &str) -> Result<String, String> {
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if starts_well && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Ok(text.to_owned())
    } else {
        Err("expected the name of an environment variable".to_owned())
    }
}
