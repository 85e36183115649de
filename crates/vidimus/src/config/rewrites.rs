//! `[rewrites.NAME]`: changes to arguments, or to statements of databases, that policies may ask for.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};
use vidimus_core::StatementChanges;
use vidimus_core::canonical::write_string;
use vidimus_guard::{Change, InvalidNumber, Number, Path, Rewrite, RewriteOf};

use super::document::Document;
use super::table::{Table, Value};
use super::{keys, value};

/// Of a statement's rows, so many can be counted by PostgreSQL's protocol (`Execute`).
const MOST_ROWS: u64 = 0x7FFF_FFFF;

/// The rewrites, by name; none when there is no table.
pub(super) fn read<'a>(
    document: &'a Document,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
) -> Option<Arc<[Rewrite]>> {
    let rewrites = found.into_iter().flat_map(|(_, table)| table);
    let rewrites: Vec<_> = rewrites.map(|(name, value)| rewrite(document, name, value)).collect();
    rewrites.into_iter().collect()
}

fn rewrite<'a>(document: &'a Document, name: &'a Spanned<DeString<'a>>, value: Value<'a>) -> Option<Rewrite> {
    let own_name = value::name(name.get_ref());
    if let Err(expected) = &own_name {
        document.problem(name.span(), expected.as_str(), None);
    }
    let Some(table) = value.get_ref().as_table() else {
        document.strike(value.span());
        document.problem(value.span(), format!("`{}` in [rewrites] must be a table", name.get_ref()), None);
        return None;
    };
    let table = Table::new(document, &keys::REWRITE, format!("rewrites.{}", name.get_ref()), name.span(), table);
    let is_of_statements = table.value("argument").is_none();
    let argument =
        table.parsed("argument", |text| text.parse::<Path>().map_err(|error| format!("{error}, not like `{text}`")));
    let set = table.value("set").map(|value| noted(document, "set", value, json_text(value)));
    let bounds = ["min", "max"].map(|name| table.value(name).map(|value| noted(document, name, value, number(value))));
    let rows = table.value("max_rows").map(|_| table.count("max_rows"));
    let is_removed = table.boolean("remove");
    let is_read_only = table.boolean("read_only");
    table.finish();
    let [least, most] = bounds;
    let is_clamped = least.is_some() || most.is_some();
    let (is_removed, is_read_only) = (is_removed?, is_read_only?);
    let given = [set.is_some(), is_clamped, rows.is_some(), is_removed, is_read_only];
    if given.into_iter().filter(|given| *given).count() != 1 {
        let help = "a rewrite does one thing; a call can be rewritten by several";
        let message =
            format!("{table} must have exactly one of `set`, `remove`, `max_rows`, `read_only`, and `min` with `max`");
        document.problem(name.span(), message, Some(help.to_owned()));
        return None;
    }
    if is_read_only && !is_of_statements {
        let help = "leave `argument` out, and name the rewrite in policies about databases";
        document.problem(name.span(), format!("`read_only` in {table} is of statements"), Some(help.to_owned()));
        return None;
    }
    if is_of_statements && rows.is_none() && !is_read_only {
        let help = "add the path to what is changed; `max_rows` and `read_only` alone can do without, for statements";
        document.problem(name.span(), format!("no `argument` in {table}"), Some(help.to_owned()));
        return None;
    }
    let rows = rows.map(|rows| rows.and_then(|rows| u64::try_from(rows).ok()));
    if is_of_statements && rows.flatten().is_some_and(|rows| rows > MOST_ROWS) {
        document.problem(name.span(), format!("`max_rows` in {table} is more than {MOST_ROWS}"), None);
        return None;
    }
    // A value that is wrong was noted.
    let (least, most) =
        (least.map_or(Some(None), |bound| bound.map(Some)), most.map_or(Some(None), |bound| bound.map(Some)));
    let (least, most) = (least?, most?);
    if let (Some(least), Some(most)) = (&least, &most)
        && least.exceeds(most)
    {
        document.problem(name.span(), format!("`min` in {table} is more than `max`"), None);
        return None;
    }
    let of = match (set, rows) {
        (None, Some(rows)) if is_of_statements => {
            RewriteOf::Statements(StatementChanges { max_rows: Some(rows?), read_only: false })
        }
        (None, None) if is_read_only => RewriteOf::Statements(StatementChanges { max_rows: None, read_only: true }),
        (Some(set), _) => RewriteOf::Argument(argument?, Change::Set(set?.into())),
        (None, Some(rows)) => RewriteOf::Argument(argument?, Change::MaxRows(rows?)),
        (None, None) if is_clamped => RewriteOf::Argument(argument?, Change::Clamp { least, most }),
        (None, None) => RewriteOf::Argument(argument?, Change::Remove),
    };
    Some(Rewrite { name: own_name.ok()?.into(), of })
}

/// The value, or none and a problem.
fn noted<T>(document: &Document, name: &str, value: Value<'_>, read: Result<T, String>) -> Option<T> {
    read.map_err(|expected| document.problem(value.span(), format!("`{name}`: {expected}"), None)).ok()
}

/// A bound: a number as TOML has it, or as text.
fn number(value: Value<'_>) -> Result<Number, String> {
    let text = match value.get_ref() {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        other => other.as_str().unwrap_or_default(),
    };
    text.parse::<Number>()
        .map_err(|error: InvalidNumber| format!("{error}, or as a text where TOML has no such number"))
}

/// A value of TOML as JSON text, its numbers as they are written.
fn json_text(value: Value<'_>) -> Result<Vec<u8>, String> {
    let mut json = Vec::new();
    write_json(value.get_ref(), &mut json)?;
    Ok(json)
}

fn write_json(value: &DeValue<'_>, json: &mut Vec<u8>) -> Result<(), String> {
    match value {
        DeValue::String(text) => write_string(json, text),
        DeValue::Boolean(truth) => json.extend_from_slice(truth.to_string().as_bytes()),
        DeValue::Integer(integer) if integer.radix() == 10 => write_number(integer.as_str(), json)?,
        DeValue::Float(float) => write_number(float.as_str(), json)?,
        DeValue::Integer(_) | DeValue::Datetime(_) => {
            return Err("JSON has no such value: write a text, a number, true, false, a list or a table".to_owned());
        }
        DeValue::Array(items) => {
            json.push(b'[');
            for (place, item) in items.iter().enumerate() {
                separate(place, json);
                write_json(item.get_ref(), json)?;
            }
            json.push(b']');
        }
        DeValue::Table(table) => {
            json.push(b'{');
            for (place, (key, item)) in table.iter().enumerate() {
                separate(place, json);
                write_string(json, key.get_ref());
                json.push(b':');
                write_json(item.get_ref(), json)?;
            }
            json.push(b'}');
        }
    }
    Ok(())
}

fn separate(place: usize, json: &mut Vec<u8>) {
    if place > 0 {
        json.push(b',');
    }
}

fn write_number(text: &str, json: &mut Vec<u8>) -> Result<(), String> {
    let number = text.parse::<Number>().map_err(|error| error.to_string())?;
    json.extend_from_slice(number.as_str().as_bytes());
    Ok(())
}
