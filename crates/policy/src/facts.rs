//! Facts of a call in Cedar: their types in the schema, their values in a context, and which of them policies read.
//!
//! Every tool call has them, whatever the tool; statements of SQL have some. A fact that could not be had is absent although the schema says that it is
//! there: a policy that reads it fails, which denies.

use std::collections::BTreeSet;

use cedar_policy::{ExpressionConstructionError, RestrictedExpression};
use serde_json::{Value, json};
use vidimus_core::{Fact, FactSet, Facts};

use crate::reads::Reads;

/// The facts that are read.
pub(crate) fn read(reads: &Reads) -> FactSet {
    Fact::ALL.into_iter().filter(|fact| reads.attribute(fact.name()).is_some()).collect()
}

/// The facts that statements of SQL have.
pub(crate) const OF_STATEMENTS: [Fact; 4] = [Fact::Sql, Fact::Hidden, Fact::Secrets, Fact::Size];

/// The attributes of a context that has these, in Cedar's JSON schema format.
pub(crate) fn schema_of(facts: &[Fact]) -> Vec<(String, Value)> {
    facts.iter().map(|fact| (fact.name().to_owned(), typed(*fact))).collect()
}

/// The facts that are there and read, as attributes.
pub(crate) fn attributes(
    facts: &Facts,
    reads: &Reads,
) -> Result<Vec<(String, RestrictedExpression)>, ExpressionConstructionError> {
    let mut attributes = Vec::new();
    for fact in Fact::ALL.into_iter().filter(|fact| reads.attribute(fact.name()).is_some()) {
        if let Some(value) = value(fact, facts)? {
            attributes.push((fact.name().to_owned(), value));
        }
    }
    Ok(attributes)
}

fn typed(fact: Fact) -> Value {
    let (truth, number) = (json!({ "type": "Boolean" }), json!({ "type": "Long" }));
    let set = json!({ "type": "Set", "element": { "type": "String" } });
    let limit = json!({ "type": "Long", "required": false });
    let attributes = match fact {
        Fact::Hidden => return truth,
        Fact::Secrets => return number,
        Fact::Sql => json!({
            "parsed": truth, "kinds": set, "reads": set, "writes": set, "functions": set, "inferred": set,
            "statements": number, "unbounded": truth, "limit": limit, "read_only": truth,
        }),
        Fact::Shell => json!({ "parsed": truth, "programs": set, "dangerous": truth }),
        Fact::Paths => json!({ "traversal": truth, "sensitive": truth, "absolute": set, "outside": truth }),
        Fact::Urls => json!({ "hosts": set, "schemes": set, "private": truth }),
        Fact::Size => json!({ "bytes": number, "depth": number, "members": number, "digits": number }),
    };
    json!({ "type": "Record", "attributes": attributes })
}

fn value(fact: Fact, facts: &Facts) -> Result<Option<RestrictedExpression>, ExpressionConstructionError> {
    let truth = RestrictedExpression::new_bool;
    let fields = match fact {
        Fact::Hidden => return Ok(facts.hidden.map(truth)),
        Fact::Secrets => return Ok(facts.secrets.map(long)),
        Fact::Sql => facts.sql.as_ref().map(|sql| {
            let limit = sql.limit.map(|limit| ("limit", long(limit)));
            let rest = [
                ("parsed", truth(sql.parsed)),
                ("kinds", set(&sql.kinds)),
                ("reads", set(&sql.reads)),
                ("writes", set(&sql.writes)),
                ("functions", set(&sql.functions)),
                ("inferred", set(&sql.inferred)),
                ("statements", long(sql.statements)),
                ("unbounded", truth(sql.unbounded)),
                ("read_only", truth(sql.read_only)),
            ];
            rest.into_iter().chain(limit).collect::<Vec<_>>()
        }),
        Fact::Shell => facts.shell.as_ref().map(|shell| {
            vec![
                ("parsed", truth(shell.parsed)),
                ("programs", set(&shell.programs)),
                ("dangerous", truth(shell.dangerous)),
            ]
        }),
        Fact::Paths => facts.paths.as_ref().map(|paths| {
            vec![
                ("traversal", truth(paths.traversal)),
                ("sensitive", truth(paths.sensitive)),
                ("absolute", set(&paths.absolute)),
                ("outside", truth(paths.outside)),
            ]
        }),
        Fact::Urls => facts.urls.as_ref().map(|urls| {
            vec![("hosts", set(&urls.hosts)), ("schemes", set(&urls.schemes)), ("private", truth(urls.private))]
        }),
        Fact::Size => facts.size.map(|size| {
            vec![
                ("bytes", long(size.bytes)),
                ("depth", long(size.depth)),
                ("members", long(size.members)),
                ("digits", long(size.digits)),
            ]
        }),
    };
    let record = |fields: Vec<(&str, RestrictedExpression)>| {
        RestrictedExpression::new_record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)))
    };
    fields.map(record).transpose()
}

fn set(words: &BTreeSet<String>) -> RestrictedExpression {
    RestrictedExpression::new_set(words.iter().map(|word| RestrictedExpression::new_string(word.clone())))
}

/// What is beyond Cedar's integers is as good as their largest.
fn long(number: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(number).unwrap_or(i64::MAX))
}
