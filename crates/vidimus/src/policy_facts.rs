//! The facts of a call that is only asked about, derived as the gate derives them.

use std::collections::BTreeMap;

use bytes::Bytes;
use vidimus_core::json::Document;
use vidimus_core::{Fact, FactSet, Facts};
use vidimus_mask::{ClassSet, Form, Masker, Memory, Scope, Tally};

use crate::config::Target;

/// Of which classes of masking the values are secrets.
const SECRET: &str = "SECRET_";

/// The facts that are wanted. What cannot be had is not there.
pub(crate) fn of(target: &Target, arguments: Option<&Document>, wanted: FactSet) -> Facts {
    let mut facts = target.guard.facts(arguments.map(Document::root), wanted);
    if wanted.contains(Fact::Secrets) {
        facts.secrets = secrets(target, arguments.map(Document::bytes));
    }
    facts
}

fn secrets(target: &Target, arguments: Option<&Bytes>) -> Option<u64> {
    let Some(arguments) = arguments else { return Some(0) };
    let masker = Masker::new(&target.masking.settings()).ok()?;
    let scope = Scope::new(&ClassSet::EMPTY, masker.fields());
    let mut tally = Tally::default();
    masker.payload(arguments, Form::Auto, &scope, &mut Memory::default(), &mut tally).ok()?;
    let masked: BTreeMap<_, _> = tally.masked;
    let secrets = masked.iter().filter(|(class, _)| masker.engine().name(**class).starts_with(SECRET));
    Some(secrets.map(|(_, count)| *count).fold(0, u64::saturating_add))
}
