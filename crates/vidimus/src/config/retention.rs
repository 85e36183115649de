//! `[retention]`: how long recordings are kept, by target and by data class.

use std::ops::Range;
use std::time::Duration;

use toml::de::DeTable;
use vidimus_core::TargetName;
use vidimus_gate::Rule;
use vidimus_store::Covered;

use super::document::Document;
use super::masking::{Masking, pairs};
use super::table::Table;
use super::{keys, value};

/// What the table says, before targets are known.
#[derive(Debug, Default)]
pub(super) struct Retention {
    recordings: Option<Duration>,
    pub(super) delay: Duration,
    classes: Vec<(String, Duration)>,
}

/// Reads the table; without one, nothing is erased by itself.
pub(super) fn read<'a>(
    document: &'a Document,
    found: Option<(Range<usize>, &'a DeTable<'a>)>,
    masking: &Masking,
) -> Option<Retention> {
    let none = DeTable::new();
    let (place, table) = found.unwrap_or((0..0, &none));
    let table = Table::new(document, &keys::RETENTION, "retention".to_owned(), place, table);
    let is_given = table.value("recordings").is_some();
    let recordings = table.parsed("recordings", value::days);
    let classes = pairs(&table, "classes", |class, text| Ok((masking.class(class)?, value::days(text)?)));
    let delay = table.parsed("delay", value::duration);
    table.finish();
    if is_given && recordings.is_none() {
        return None;
    }
    Some(Retention { recordings, delay: delay?, classes: classes?.into_iter().collect() })
}

impl Retention {
    /// The rules on these targets, each with what it says itself, and on data classes.
    pub(super) fn rules<'a>(self, targets: impl Iterator<Item = (&'a TargetName, Option<Duration>)>) -> Vec<Rule> {
        let of_target = |(name, retain): (&TargetName, Option<Duration>)| {
            Some(Rule { covered: Covered::Target(name.clone()), keep: retain.or(self.recordings)? })
        };
        let of_class = |(name, keep)| Rule { covered: Covered::Class(name), keep };
        targets.filter_map(of_target).chain(self.classes.into_iter().map(of_class)).collect()
    }
}
