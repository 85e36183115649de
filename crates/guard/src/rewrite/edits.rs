//! What rewrites do to one text, brought together into replacements of its bytes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use vidimus_core::canonical::write_string;
use vidimus_core::json::{Replacement, Value, without_elements, without_members};

use super::RewriteError;
use crate::lookup::{At, Place};

/// One change in one place.
#[derive(Debug)]
pub(super) struct Edit<'a> {
    pub(super) rewrite: &'a Arc<str>,
    pub(super) place: Place<'a>,
    /// The JSON text to be there; none to take out what is.
    pub(super) with: Option<Bytes>,
}

/// Changes to one text.
#[derive(Debug, Default)]
pub(super) struct Edits<'a> {
    /// Of what is there, by where it begins.
    present: Vec<Edit<'a>>,
    /// Of members that are not there yet.
    absent: Vec<Edit<'a>>,
}

/// What is done to one object or array.
#[derive(Default)]
struct Container<'a, 'e> {
    value: Option<Value<'a>>,
    /// Where the values begin that are taken out, and the names of members that are.
    removed: HashSet<usize>,
    names: HashSet<String>,
    added: Vec<(&'e str, &'e Bytes)>,
}

impl<'a> Edits<'a> {
    pub(super) fn add(&mut self, edit: Edit<'a>) {
        if matches!(edit.place.at, At::Absent(_)) { &mut self.absent } else { &mut self.present }.push(edit);
    }

    /// The replacements, in order.
    pub(super) fn replacements(mut self) -> Result<Vec<Replacement>, RewriteError> {
        self.present.sort_by_key(|edit| edit.place.at.start());
        self.absent.sort_by_key(|edit| (edit.place.container.span().start, edit.place.at.name()));
        self.check()?;
        let mut replacements = Vec::new();
        let mut containers: BTreeMap<usize, Container<'a, '_>> = BTreeMap::new();
        for edit in self.present.iter().chain(&self.absent) {
            let container = || edit.place.container;
            match (&edit.place.at, &edit.with) {
                (At::Member(_, value) | At::Element(value), Some(with)) => {
                    replacements.push(Replacement { span: value.span(), with: with.clone() });
                }
                (At::Member(key, value), None) => {
                    let container = entry(&mut containers, container());
                    container.removed.insert(value.span().start);
                    container.names.extend(key.as_str().map(std::borrow::Cow::into_owned));
                }
                (At::Element(value), None) => {
                    entry(&mut containers, container()).removed.insert(value.span().start);
                }
                (At::Absent(name), Some(with)) => entry(&mut containers, container()).added.push((name, with)),
                (At::Absent(_), None) => {}
            }
        }
        for container in containers.values() {
            replacements.extend(container.replacements());
        }
        // What is put in comes before what is taken out behind it.
        replacements.sort_by_key(|replacement| (replacement.span.start, replacement.span.end));
        Ok(replacements)
    }

    /// That no two change the same, or one a part of what another changes.
    fn check(&self) -> Result<(), RewriteError> {
        let conflict = |one: &Edit<'_>, other: &Edit<'_>| {
            Err(RewriteError::Conflict(Arc::clone(one.rewrite), Arc::clone(other.rewrite)))
        };
        for (one, other) in self.present.iter().zip(self.present.iter().skip(1)) {
            if other.place.at.start() < one.place.at.end() {
                return conflict(one, other);
            }
        }
        for (one, other) in self.absent.iter().zip(self.absent.iter().skip(1)) {
            let begins = |edit: &Edit<'_>| edit.place.container.span().start;
            if begins(one) == begins(other) && one.place.at.name() == other.place.at.name() {
                return conflict(one, other);
            }
        }
        for edit in &self.absent {
            let begins = edit.place.container.span().start;
            let after = self.present.partition_point(|present| present.place.at.start() <= begins);
            let before = after.checked_sub(1).and_then(|last| self.present.get(last));
            if let Some(around) = before.filter(|present| begins < present.place.at.end()) {
                return conflict(around, edit);
            }
        }
        Ok(())
    }
}

fn entry<'m, 'a, 'e>(
    containers: &'m mut BTreeMap<usize, Container<'a, 'e>>,
    value: Value<'a>,
) -> &'m mut Container<'a, 'e> {
    let container = containers.entry(value.span().start).or_default();
    container.value = Some(value);
    container
}

impl Container<'_, '_> {
    fn replacements(&self) -> Vec<Replacement> {
        let Some(value) = self.value else { return Vec::new() };
        let mut replacements = if value.is_array() {
            without_elements(value, |element| self.removed.contains(&element.span().start))
        } else {
            without_members(value, |name| self.names.contains(name))
        };
        if !self.added.is_empty() {
            let stays = value.entries().any(|(_, member)| !self.removed.contains(&member.span().start));
            let begin = value.span().start.saturating_add(1);
            replacements.push(Replacement { span: begin..begin, with: added(&self.added, stays) });
        }
        replacements
    }
}

/// Members for the beginning of an object.
fn added(members: &[(&str, &Bytes)], are_others: bool) -> Bytes {
    let mut text = Vec::new();
    for (place, (name, value)) in members.iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        write_string(&mut text, name);
        text.push(b':');
        text.extend_from_slice(value);
    }
    if are_others {
        text.push(b',');
    }
    text.into()
}

impl<'a> At<'a> {
    fn start(&self) -> usize {
        self.span().start
    }

    fn end(&self) -> usize {
        self.span().end
    }

    fn span(&self) -> std::ops::Range<usize> {
        match self {
            Self::Member(_, value) | Self::Element(value) => value.span(),
            Self::Absent(_) => 0..0,
        }
    }

    const fn name(&self) -> &'a str {
        match self {
            Self::Absent(name) => name,
            Self::Member(..) | Self::Element(_) => "",
        }
    }
}
