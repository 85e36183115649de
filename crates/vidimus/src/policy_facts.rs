//! The facts of a call that is only asked about, derived as the gate derives them.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use vidimus_core::json::Document;
use vidimus_core::{Fact, FactSet, Facts, facts};
use vidimus_mask::{ClassSet, Form, Masker, Memory, Scope, Tally};

use crate::config::Target;

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
    Some(facts::secrets(tally.masked.iter().map(|(class, count)| (masker.engine().name(*class), *count))))
}

/// The facts that are there, for people and programs, by their names in policies.
pub(crate) fn shown(facts: &Facts) -> Map<String, Value> {
    let sql = facts.sql.as_ref().map(|sql| {
        json!({
            "parsed": sql.parsed, "kinds": sql.kinds, "reads": sql.reads, "writes": sql.writes, "functions": sql.functions,
            "inferred": sql.inferred, "statements": sql.statements, "unbounded": sql.unbounded, "limit": sql.limit,
            "read_only": sql.read_only,
        })
    });
    let shell = facts.shell.as_ref();
    let shell = shell.map(|it| json!({ "parsed": it.parsed, "programs": it.programs, "dangerous": it.dangerous }));
    let paths = facts.paths.as_ref().map(|paths| {
        json!({
            "traversal": paths.traversal, "sensitive": paths.sensitive, "outside": paths.outside,
            "absolute": paths.absolute,
        })
    });
    let urls = facts.urls.as_ref();
    let urls = urls.map(|urls| json!({ "hosts": urls.hosts, "schemes": urls.schemes, "private": urls.private }));
    let size = facts.size.map(
        |size| json!({ "bytes": size.bytes, "depth": size.depth, "members": size.members, "digits": size.digits }),
    );
    let named = [
        (Fact::Sql, sql),
        (Fact::Shell, shell),
        (Fact::Paths, paths),
        (Fact::Urls, urls),
        (Fact::Hidden, facts.hidden.map(Value::from)),
        (Fact::Secrets, facts.secrets.map(Value::from)),
        (Fact::Size, size),
    ];
    named.into_iter().filter_map(|(fact, value)| Some((fact.name().to_owned(), value?))).collect()
}
