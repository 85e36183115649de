//! `[witnesses.NAME]`: who watches over the log.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable};
use vidimus_log::{VerifierKey, WitnessKey};

use super::document::Document;
use super::sections::one_of;
use super::table::{Table, Value};
use super::{OnStart, Witness, keys, value};

/// The witnesses, by name; none when there is no table.
pub(super) fn read<'a>(document: &'a Document, found: Option<(Range<usize>, &'a DeTable<'a>)>) -> Option<Vec<Witness>> {
    let mut witnesses: Vec<Option<Witness>> = Vec::new();
    for (name, value) in found.into_iter().flat_map(|(_, table)| table) {
        let witness = witness(document, name, value);
        if let Some(witness) = &witness
            && let Some(twin) = witnesses.iter().flatten().find(|other| other.key == witness.key)
        {
            let message = format!("`{}` and `{}` are one witness: they have the same `key`", twin.name, witness.name);
            document.problem(name.span(), message, None);
        }
        witnesses.push(witness);
    }
    witnesses.into_iter().collect()
}

fn witness<'a>(document: &'a Document, name: &'a Spanned<DeString<'a>>, value: Value<'a>) -> Option<Witness> {
    let own_name = value::name(name.get_ref());
    if let Err(expected) = &own_name {
        document.problem(name.span(), expected.as_str(), None);
    }
    let Some(table) = value.get_ref().as_table() else {
        document.strike(value.span());
        document.problem(value.span(), format!("`{}` in [witnesses] must be a table", name.get_ref()), None);
        return None;
    };
    let table = Table::new(document, &keys::WITNESS, format!("witnesses.{}", name.get_ref()), name.span(), table);
    let url = table.parsed("url", |text| {
        let url = value::url(text)?;
        if url.query().is_none() { Ok(url) } else { Err("expected a URL without query".to_owned()) }
    });
    let key = table.parsed("key", |text| {
        if text.parse::<VerifierKey>().is_ok() {
            return Err("this is a log's key: a witness's is what `vidimus log witness --show-key` prints".to_owned());
        }
        text.parse::<WitnessKey>().map_err(|error| error.to_string())
    });
    let on_start =
        table.parsed("on_start", |text| one_of(text, &[("refuse", OnStart::Refuse), ("warn", OnStart::Warn)]));
    table.finish();
    Some(Witness { name: own_name.ok()?, url: url?, key: key?, on_start: on_start? })
}
