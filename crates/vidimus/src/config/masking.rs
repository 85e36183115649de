//! `[masking]` and `[targets.NAME.masking]`: what is masked of a target's payloads, and how (design part 6).
//!
//! A target's own table adds to the gateway's: its classes take the place of the gateway's, its operators win, its field
//! rules and its allow-list come on top. Classes are checked by name here, with the nearest known name; the rest of what can
//! be wrong is found when the settings are compiled, by `check` and at the start.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;
use vidimus_gate::{Gate, Masking as Compiled};
use vidimus_mask::{Allow, ConfigError, CustomClass, Masker, Operator, Selection, Settings, UnknownOperator};

use super::document::Document;
use super::keys;
use super::table::Table;
use super::value;
use crate::problem::did_you_mean;

/// Words that stand for many classes.
const GROUPS: [&str; 3] = ["all", "default", "secrets"];

/// Which classes are masked, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Masking {
    pub(crate) classes: Vec<String>,
    pub(crate) operators: BTreeMap<String, Operator>,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) allow: Vec<Allow>,
    pub(crate) custom: Vec<CustomClass>,
}

impl Masking {
    /// The names of all classes there are, for policies.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let own = self.custom.iter().map(|class| Arc::from(&*class.name));
        vidimus_mask::catalogue().map(|class| Arc::from(class.name)).chain(own).collect()
    }

    /// A class by its name, or what else may be meant.
    pub(crate) fn class(&self, name: &str) -> Result<String, String> {
        Known::new(&self.custom).class(name)
    }

    /// Compiles it as the gateway would, to see whether it can.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        Masker::new(&self.settings()).map(drop)
    }

    /// What the masker is made of, without the gateway's key.
    pub(crate) fn settings(&self) -> Settings {
        let selection = Selection::new(self.classes.iter());
        // As `vidimus mask --classes all` does: whoever says so wants whatever has the shape of a value.
        let is_all = self.classes.iter().any(|class| class == "all");
        let selection = if is_all { selection.without_context() } else { selection };
        Settings {
            operators: self.operators.clone(),
            fields: self.fields.clone(),
            custom: self.custom.clone(),
            allow: self.allow.clone(),
            // The gate derives the key.
            ..Settings::new(selection, [0; 32])
        }
    }
}

/// What is compiled is shared by all targets that are masked alike: an engine takes some megabytes.
#[derive(Default)]
pub(crate) struct Shared(Vec<(Masking, Compiled)>);

impl Shared {
    /// The compiled masking of a target.
    pub(crate) fn compile(&mut self, gate: &Gate, masking: &Masking) -> Result<Compiled, ConfigError> {
        if let Some((_, compiled)) = self.0.iter().find(|(known, _)| known == masking) {
            return Ok(compiled.clone());
        }
        let compiled = gate.masking(masking.settings())?;
        self.0.push((masking.clone(), compiled.clone()));
        Ok(compiled)
    }
}

/// Reads `[masking]`; without one, the defaults hold.
pub(super) fn read<'a>(document: &'a Document, found: Option<(Range<usize>, &'a DeTable<'a>)>) -> Option<Masking> {
    let none = DeTable::new();
    let (place, table) = found.unwrap_or((0..0, &none));
    let table = Table::new(document, &keys::MASKING, "masking".to_owned(), place, table);
    let custom = custom(document, &table);
    let known = Known::new(custom.as_deref().unwrap_or_default());
    let classes = classes(document, &table, &known, || vec!["default".to_owned()]);
    let rest = rest(&table, &known);
    table.finish();
    let (operators, fields, allow) = rest?;
    Some(Masking { classes: classes?, operators, fields, allow, custom: custom? })
}

/// Nothing in particular, for a file that is refused anyway.
pub(super) fn nothing() -> Masking {
    let (operators, fields) = (BTreeMap::new(), BTreeMap::new());
    Masking { classes: Vec::new(), operators, fields, allow: Vec::new(), custom: Vec::new() }
}

/// Reads `[targets.NAME.masking]` on top of the gateway's own.
pub(super) fn of_target<'a>(
    document: &'a Document,
    heading: String,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
    gateway: &Masking,
) -> Option<Masking> {
    let Some((place, table)) = found else { return Some(gateway.clone()) };
    let table = Table::new(document, &keys::TARGET_MASKING, heading, place, table);
    let known = Known::new(&gateway.custom);
    let classes = classes(document, &table, &known, || gateway.classes.clone());
    let rest = rest(&table, &known);
    table.finish();
    let (operators, fields, allow) = rest?;
    let mut masking = gateway.clone();
    masking.classes = classes?;
    masking.operators.extend(operators);
    masking.fields.extend(fields);
    masking.allow.extend(allow);
    Some(masking)
}

/// The names that may stand for classes.
struct Known<'a>(Vec<&'a str>);

impl<'a> Known<'a> {
    fn new(custom: &'a [CustomClass]) -> Self {
        let own = custom.iter().map(|class| &*class.name);
        Self(vidimus_mask::catalogue().map(|class| class.name).chain(own).collect())
    }

    fn class(&self, name: &str) -> Result<String, String> {
        if self.0.contains(&name) {
            return Ok(name.to_owned());
        }
        let near = did_you_mean(&name.to_ascii_uppercase(), self.0.iter().copied());
        let help = near.unwrap_or_else(|| "`vidimus mask --list` shows them all".to_owned());
        Err(format!("no data class is called `{name}`; {help}"))
    }

    fn class_or_group(&self, name: &str) -> Result<String, String> {
        if GROUPS.contains(&name) { Ok(name.to_owned()) } else { self.class(name) }
    }
}

/// The `classes` of a table, or those that hold when it says nothing of them.
fn classes(
    document: &Document,
    table: &Table<'_>,
    known: &Known<'_>,
    unsaid: impl FnOnce() -> Vec<String>,
) -> Option<Vec<String>> {
    let Some(given) = table.value("classes") else { return Some(unsaid()) };
    let class = |text: &str| known.class_or_group(text);
    if !given.get_ref().is_array() {
        return Some(vec![table.parse("classes", given, class)?]);
    }
    let list = table.list("classes", class)?;
    if list.is_empty() {
        document.problem(given.span(), "`classes` lists none: nothing would be masked, in no record either", None);
        return None;
    }
    Some(list)
}

type Rest = (BTreeMap<String, Operator>, BTreeMap<String, String>, Vec<Allow>);

/// Operators, field rules and allow-list of a table.
fn rest(table: &Table<'_>, known: &Known<'_>) -> Option<Rest> {
    let operators = pairs(table, "operators", |class, text| {
        let operator = text.parse().map_err(|error: UnknownOperator| error.to_string())?;
        Ok((known.class(class)?, operator))
    });
    let fields = pairs(table, "fields", |rule, class| Ok((rule.to_owned(), known.class(class)?)));
    let allow = table.list("allow", |text| allowed(text, known));
    Some((operators?, fields?, allow?))
}

/// A table of texts, each read with its key.
pub(super) fn pairs<T>(
    table: &Table<'_>,
    name: &'static str,
    parse: impl Fn(&str, &str) -> Result<(String, T), String>,
) -> Option<BTreeMap<String, T>> {
    let Some((_, found)) = table.table(name) else {
        // A value of another type was noted.
        return table.value(name).is_none().then(BTreeMap::new);
    };
    let read = found.iter().map(|(key, value)| table.parse(name, value, |text| parse(key.get_ref(), text)));
    let read: Vec<Option<(String, T)>> = read.collect();
    read.into_iter().collect()
}

/// `VALUE`, or `CLASS=VALUE`.
fn allowed(text: &str, known: &Known<'_>) -> Result<Allow, String> {
    match text.split_once('=').filter(|(class, _)| known.0.contains(class)) {
        Some((class, value)) => Ok(Allow { value: value::text(value)?, class: Some(class.to_owned()) }),
        None => Ok(Allow { value: value::text(text)?, class: None }),
    }
}

/// `[masking.custom.NAME]`, in the order of their names.
fn custom(document: &Document, table: &Table<'_>) -> Option<Vec<CustomClass>> {
    let Some((_, found)) = table.table("custom") else { return table.value("custom").is_none().then(Vec::new) };
    let read: Vec<Option<CustomClass>> = found
        .iter()
        .map(|(name, value)| {
            let own = table.as_table("custom", value)?;
            let heading = format!("masking.custom.{}", name.get_ref());
            let own = Table::new(document, &keys::CUSTOM_CLASS, heading, name.span(), own);
            let patterns = own.list("patterns", value::text);
            let words = own.list("words", value::text);
            let validator = own.parsed("validator", |text| {
                let names: Vec<&str> = CustomClass::validators().collect();
                let unknown = || format!("expected one of {}", names.join(", "));
                if names.contains(&text) { Ok(text.to_owned()) } else { Err(unknown()) }
            });
            let context = own.list("context", value::text);
            let score = own.count("score").map(|score| u8::try_from(score).unwrap_or(u8::MAX));
            let needs_context = own.boolean("needs_context");
            let operator =
                own.parsed("operator", |text| text.parse().map_err(|error: UnknownOperator| error.to_string()));
            own.finish();
            Some(CustomClass {
                name: name.get_ref().to_string(),
                patterns: patterns?,
                words: words?,
                validator,
                context: context?,
                score: score?,
                needs_context: needs_context?,
                operator,
            })
        })
        .collect();
    read.into_iter().collect()
}
