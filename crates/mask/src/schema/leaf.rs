//! Whether one subschema's own words accept a string, number, boolean or null (JSON Schema validation §6, formats §7.3).
//!
//! Combinators are places of their own and count nothing here.

use std::net::{Ipv4Addr, Ipv6Addr};

use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use vidimus_core::json::{Kind, Value};

/// Bytes a compiled pattern may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// What a subschema says of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Accepts,
    Refuses,
    /// It uses what is not understood here.
    Unknown,
}

/// Judges a leaf by the words of `schema` itself.
pub(super) fn judge(schema: Value<'_>, value: Value<'_>) -> Judgement {
    let accepted = match schema.kind() {
        Kind::Bool => schema.as_bool(),
        Kind::Object => accepts(schema, value),
        _ => None,
    };
    match accepted {
        Some(true) => Judgement::Accepts,
        Some(false) => Judgement::Refuses,
        None => Judgement::Unknown,
    }
}

/// Whether a schema says what a string looks like.
pub(super) fn has_form(schema: Value<'_>) -> bool {
    ["format", "pattern"].iter().any(|word| schema.get(word).is_some())
}

/// The lengths that a schema names.
pub(super) fn lengths(schema: Value<'_>) -> impl Iterator<Item = u64> {
    ["minLength", "maxLength"].into_iter().filter_map(move |word| schema.get(word)?.as_number()?.parse().ok())
}

/// The bounds that a schema names, as they are written.
pub(super) fn bounds(schema: Value<'_>) -> impl Iterator<Item = String> {
    ["minimum", "maximum", "multipleOf"]
        .into_iter()
        .filter_map(move |word| Some(schema.get(word)?.as_number()?.to_owned()))
}

/// Whether a pattern of ECMA-262, as far as it is regular, matches somewhere in a text.
pub(super) fn matches(pattern: &str, text: &str) -> Option<bool> {
    let regex = Regex::builder()
        .configure(Regex::config().nfa_size_limit(Some(MAX_PATTERN_BYTES)).utf8_empty(false))
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .build(pattern)
        .ok()?;
    Some(regex.is_match(text))
}

fn accepts(schema: Value<'_>, value: Value<'_>) -> Option<bool> {
    let mut all = true;
    for (word, says) in schema.members() {
        all &= match word.as_ref() {
            "type" => is_type(says, value),
            "enum" => says.elements().any(|allowed| same(allowed, value)),
            "const" => same(says, value),
            _ => match value.kind() {
                Kind::String => string(&word, says, &value.as_str()?)?,
                Kind::Number => number(&word, says, value.as_number()?)?,
                _ => true,
            },
        };
    }
    Some(all)
}

fn is_type(says: Value<'_>, value: Value<'_>) -> bool {
    let one = |name: &str| match (name, value.kind()) {
        ("string", Kind::String)
        | ("number", Kind::Number)
        | ("boolean", Kind::Bool)
        | ("null", Kind::Null)
        | ("object", Kind::Object)
        | ("array", Kind::Array) => true,
        ("integer", Kind::Number) => value.as_number().and_then(|text| text.parse().ok()).is_some_and(whole),
        _ => false,
    };
    match says.as_str() {
        Some(name) => one(&name),
        None => says.elements().any(|name| name.as_str().is_some_and(|name| one(&name))),
    }
}

fn whole(number: f64) -> bool {
    number.fract() == 0.0
}

fn same(one: Value<'_>, other: Value<'_>) -> bool {
    match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.kind() == other.kind() && one.raw() == other.raw(),
        _ => false,
    }
}

fn string(word: &str, says: Value<'_>, text: &str) -> Option<bool> {
    let limit = || says.as_number()?.parse::<usize>().ok();
    Some(match word {
        "minLength" => text.chars().count() >= limit()?,
        "maxLength" => text.chars().count() <= limit()?,
        "pattern" => matches(&says.as_str()?, text)?,
        "format" => format(&says.as_str()?, text),
        _ => true,
    })
}

fn number(word: &str, says: Value<'_>, text: &str) -> Option<bool> {
    let value: f64 = text.parse().ok()?;
    let limit = || says.as_number()?.parse::<f64>().ok();
    Some(match word {
        "minimum" => value >= limit()?,
        "maximum" => value <= limit()?,
        "exclusiveMinimum" => value > limit()?,
        "exclusiveMaximum" => value < limit()?,
        "multipleOf" => whole(value / limit()?),
        _ => true,
    })
}

/// Whether a text has a format. Formats that are not known here say nothing, as validators have it.
fn format(name: &str, text: &str) -> bool {
    let like = |pattern: &str| matches(pattern, text).unwrap_or(false);
    match name {
        "email" | "idn-email" => like(r"^[^@\s<>]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$"),
        "hostname" | "idn-hostname" => like(r"^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$"),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "uri" | "iri" => like(r#"^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"{}|\\^`]*$"#),
        "uri-reference" | "iri-reference" => like(r#"^[^\s<>"{}|\\^`]*$"#),
        "uuid" => like(r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"),
        "date" => like(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
        "date-time" => like(
            r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})$",
        ),
        "time" => like(r"^[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})$"),
        "duration" => like(r"^P[0-9A-Z.]+$"),
        "json-pointer" => text.is_empty() || text.starts_with('/'),
        "regex" => !text.contains(['<', '*', '[']),
        _ => true,
    }
}
