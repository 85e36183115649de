//! Functions that give any number of rows, in `FROM` or in a list of targets: what they are given decides how many come.

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use super::harmless::is_harmless;
use super::of_catalog::tells_of_catalog;
use super::origin::Origin;
use super::reader::Reader;
use super::scope::Scope;
use crate::tree::Cursor;
use crate::{called, names};

/// Those of PostgreSQL's own that read nothing but their arguments and the system's catalogs, sorted (`pg_proc.proretset`).
const OF_SETS: &[&str] = &[
    "aclexplode",
    "generate_series",
    "generate_subscripts",
    "json_array_elements",
    "json_array_elements_text",
    "json_each",
    "json_each_text",
    "json_object_keys",
    "json_populate_recordset",
    "json_to_recordset",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_object_keys",
    "jsonb_path_query",
    "jsonb_populate_recordset",
    "jsonb_to_recordset",
    "pg_get_catalog_foreign_keys",
    "pg_get_keywords",
    "pg_listening_channels",
    "pg_options_to_table",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_tablespace_databases",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
    "regexp_matches",
    "regexp_split_to_table",
    "string_to_table",
    "unnest",
];

impl Reader<'_> {
    /// Notes what decides how many rows the functions in an expression give, but for those in its subqueries.
    pub(super) fn infer_sets(&mut self, expression: Cursor<'_>, scope: &Scope<'_>) {
        let mut id = expression.id();
        while id < expression.end() && self.step(1) {
            let at = expression.at(id);
            id = id.saturating_add(1);
            if at.is(S::select_with_parens) {
                id = at.end();
            } else if self.may_give_sets(at, scope) {
                id = at.end();
                let mut given = Origin::none();
                if at.is(S::columnref) {
                    given.add(&self.column(at, scope));
                }
                for child in at.children() {
                    given.add(&self.value(child, scope));
                }
                self.infer(&given);
            }
        }
    }

    /// Whether a function of `FROM` may give another number of rows than one.
    pub(super) fn gives_sets(&self, function: Cursor<'_>, scope: &Scope<'_>) -> bool {
        function.descendants().any(|at| self.may_give_sets(at, scope))
    }

    fn may_give_sets(&self, at: Cursor<'_>, scope: &Scope<'_>) -> bool {
        match at.kind() {
            S::func_application => {
                let name = at.child(S::func_name).map(names::parts).unwrap_or_default();
                match name.as_slice() {
                    [name] if self.catalog.doubts(name) || self.catalog.has_function(name) => true,
                    [name] => is_set(name),
                    [schema, name] if schema == "pg_catalog" => is_set(name),
                    _ => true,
                }
            }
            S::columnref if called::by_notation(at).is_empty() => match names::parts(at).as_slice() {
                [of @ .., last] if !of.is_empty() => {
                    let is_column = scope.source(of).is_some_and(|rows| rows.has_column(last));
                    !is_column && self.may_be_set(last)
                }
                _ => false,
            },
            _ => called::by_notation(at).into_iter().any(|name| self.may_be_set(name)),
        }
    }

    /// Whether a field's name may be that of a function that gives a set.
    fn may_be_set(&self, name: &str) -> bool {
        OF_SETS.binary_search(&name).is_ok()
            || self.catalog.doubts(name)
            || self.catalog.has_function(name)
            || !is_harmless(name) && !tells_of_catalog(name) && called::tells_more(name)
    }
}

/// Whether a function of PostgreSQL's own may give a set: one that is known to, or is not known.
fn is_set(name: &str) -> bool {
    OF_SETS.binary_search(&name).is_ok() || !is_harmless(name) && !tells_of_catalog(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_known() {
        assert!(OF_SETS.is_sorted());
        let is_known = |name: &&&str| is_harmless(name) || tells_of_catalog(name);
        assert_eq!(OF_SETS.iter().find(|name| !is_known(name)), None);
    }
}
