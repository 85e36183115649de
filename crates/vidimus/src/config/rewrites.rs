//! `[rewrites.NAME]`: changes to arguments that policies may ask for.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};
use vidimus_core::canonical::write_string;
use vidimus_guard::{Change, InvalidNumber, Number, Path, Rewrite};

use super::document::Document;
use super::table::{Table, Value};
use super::{keys, value};

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
    let argument =
        table.parsed("argument", |text| text.parse::<Path>().map_err(|error| format!("{error}, not like `{text}`")));
    let set = table.value("set").map(|value| noted(document, "set", value, json_text(value)));
    let bounds = ["min", "max"].map(|name| table.value(name).map(|value| noted(document, name, value, number(value))));
    let rows = table.value("max_rows").map(|_| table.count("max_rows"));
    let is_removed = table.boolean("remove");
    table.finish();
    let [least, most] = bounds;
    let is_clamped = least.is_some() || most.is_some();
    let given = [set.is_some(), is_clamped, rows.is_some(), is_removed?];
    if given.into_iter().filter(|given| *given).count() != 1 {
        let help = "a rewrite does one thing; a call can be rewritten by several";
        let message = format!("{table} must have exactly one of `set`, `remove`, `max_rows`, and `min` with `max`");
        document.problem(name.span(), message, Some(help.to_owned()));
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
    let change = match (set, rows) {
        (Some(set), _) => Change::Set(set?.into()),
        (None, Some(rows)) => Change::MaxRows(u64::try_from(rows?).ok()?),
        (None, None) if is_clamped => Change::Clamp { least, most },
        (None, None) => Change::Remove,
    };
    Some(Rewrite { name: own_name.ok()?.into(), argument: argument?, change })
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
