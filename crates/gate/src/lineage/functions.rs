//! Functions of a database that compute something of their arguments alone.

use std::collections::{BTreeMap, BTreeSet};

use vidimus_sql::lineage::{Catalog, Origin, Outputs, lineage};

use super::LookedUpFunction;

/// Functions that call others are looked at so often.
const ROUNDS: usize = 3;

/// Tells a catalog of functions: of those that read nothing but their arguments, and of the names that may stand for another.
pub(super) fn add(catalog: &mut Catalog, functions: Vec<LookedUpFunction>) {
    let mut by_name: BTreeMap<(String, String), Vec<LookedUpFunction>> = BTreeMap::new();
    for function in functions {
        by_name.entry((function.0.clone(), function.1.clone())).or_default().push(function);
    }
    let mut rest: Vec<_> = by_name.into_iter().collect();
    let mut pure: BTreeSet<String> = BTreeSet::new();
    for _ in 0..ROUNDS {
        rest.retain(|((schema, name), functions)| {
            let is_pure = functions.iter().all(|function| is_pure(function, catalog));
            if is_pure {
                catalog.add_function(&format!("{schema}.{name}"));
                pure.insert(name.clone());
            }
            !is_pure
        });
        // Without a schema, a name may stand for any function of it.
        for name in pure.iter().filter(|name| !rest.iter().any(|((_, other), _)| other == *name)) {
            catalog.add_function(name);
        }
    }
    for ((_, name), _) in rest {
        catalog.doubt_function(&name);
    }
}

fn is_pure(function: &LookedUpFunction, catalog: &Catalog) -> bool {
    let LookedUpFunction(_, _, text, is_computed) = function;
    if *is_computed {
        return true;
    }
    let Some(script) = text.as_deref().and_then(|text| vidimus_sql::parse(text).ok()) else { return false };
    let mut statements = script.statements();
    let (Some(only), None) = (statements.next(), statements.next()) else { return false };
    let traced = lineage(&only, catalog);
    let is_empty = |origin: &Origin| *origin == Origin::none();
    let gives_nothing = match &traced.outputs {
        Outputs::All(origin) => is_empty(origin),
        Outputs::Columns(columns) => columns.iter().all(|column| is_empty(&column.origin)),
    };
    only.is_only(vidimus_sql::Group::Read)
        && traced.tables.is_empty()
        && gives_nothing
        && is_empty(&traced.inferred)
        && is_empty(&traced.stored)
}
