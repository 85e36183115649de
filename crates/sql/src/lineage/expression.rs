//! What a value can derive from: everything that is named in its expression.

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use super::harmless::is_harmless;
use super::of_catalog::tells_of_catalog;
use super::origin::Origin;
use super::reader::{Reader, is_system_column};
use super::scope::Scope;
use crate::functions::runs_code;
use crate::tree::Cursor;
use crate::{called, names};

impl Reader<'_> {
    /// What can be in the value of an expression, or of all expressions below a node.
    pub(super) fn value(&mut self, expression: Cursor<'_>, scope: &Scope<'_>) -> Origin {
        let mut origin = Origin::none();
        let mut id = expression.id();
        while id < expression.end() {
            if !self.step(1) {
                return Origin::Unknown;
            }
            let at = expression.at(id);
            id = id.saturating_add(1);
            origin.add(&self.called_by_notation(at, scope));
            match at.kind() {
                S::columnref => {
                    let column = self.column(at, scope);
                    if !self.step(column.size()) {
                        return Origin::Unknown;
                    }
                    origin.add(&column);
                }
                S::select_with_parens => {
                    id = at.end();
                    let (rows, decided) = self.inner_query(at, scope);
                    // Which rows there are decides what its value is.
                    origin.add(&decided);
                    // `EXISTS` tells whether there are rows, not what is in them.
                    if !expression.at(at.id().saturating_sub(1)).is(S::EXISTS) {
                        origin.add(&rows.whole);
                    }
                }
                S::func_application => {
                    let name = at.child(S::func_name).map(names::parts).unwrap_or_default();
                    if !self.is_known(&name) {
                        id = at.end();
                        origin.add(&self.unknown_function(&name, at, scope));
                    }
                }
                S::qual_Op | S::subquery_Op | S::any_operator if !is_own_operator(at) => origin = Origin::Unknown,
                S::over_clause | S::window_specification => origin.add(&scope.windows),
                _ => {}
            }
        }
        origin
    }

    /// A function that may do anything, with what it gets: one that runs code does, any other may keep it.
    fn unknown_function(&mut self, name: &[String], call: Cursor<'_>, scope: &Scope<'_>) -> Origin {
        let mut given = Origin::none();
        for child in call.children() {
            given.add(&self.value(child, scope));
        }
        self.store(&given);
        if matches!(name, [name] if keeps(name))
            || matches!(name, [schema, name] if schema == "pg_catalog" && keeps(name))
        {
            return given;
        }
        if runs_code(name) {
            self.store(&Origin::Unknown);
        }
        Origin::Unknown
    }

    /// What a function may give that is called by a name behind its argument.
    pub(super) fn called_by_notation(&mut self, at: Cursor<'_>, scope: &Scope<'_>) -> Origin {
        let mut origin = Origin::none();
        for name in called::by_notation(at) {
            if self.is_plain(name) {
                continue;
            }
            if at.is(S::columnref) {
                let column = self.column(at, scope);
                self.store(&column);
            }
            origin.add(&self.unknown_function(&[name.to_owned()], at, scope));
        }
        origin
    }

    /// Whether what is called by such a name is a field, or computed of its argument alone.
    fn is_plain(&self, name: &str) -> bool {
        self.is_known(&[name.to_owned()]) || !self.catalog.doubts(name) && !called::tells_more(name)
    }

    /// Whether all functions below a node are known to read nothing but their arguments.
    pub(super) fn calls_only_known(&self, node: Cursor<'_>) -> bool {
        if node.descendants().flat_map(called::by_notation).any(|name| !self.is_plain(name)) {
            return false;
        }
        let mut calls = node.descendants().filter(|at| at.is(S::func_application));
        calls.all(|call| self.is_known(&call.child(S::func_name).map(names::parts).unwrap_or_default()))
    }

    fn is_known(&self, name: &[String]) -> bool {
        let own = match name {
            [name] if self.catalog.doubts(name) => return false,
            [name] => name,
            [schema, name] if schema == "pg_catalog" => name,
            [schema, name] if schema == "information_schema" => return name.starts_with("_pg_"),
            [schema, name] => return self.catalog.has_function(&format!("{schema}.{name}")),
            _ => return false,
        };
        is_harmless(own) || tells_of_catalog(own) || self.catalog.has_function(own)
    }

    /// What the name of a column, or of a row, stands for.
    pub(super) fn column(&mut self, name: Cursor<'_>, scope: &Scope<'_>) -> Origin {
        if !self.step(scope.size()) {
            return Origin::Unknown;
        }
        let parts = names::parts(name);
        if names::has_star(name) {
            return scope.source(&parts).map_or(Origin::Unknown, |rows| rows.whole.clone());
        }
        match parts.as_slice() {
            [] => Origin::Unknown,
            [only] => match scope.name(only) {
                Some(origin) => origin,
                None if is_system_column(only) => Origin::none(),
                None => Origin::Unknown,
            },
            [of @ .., last] => {
                let rows = scope.source(of);
                if !rows.is_some_and(|rows| rows.has_column(last)) && !self.is_plain(last) {
                    // A function of what a function in `FROM` gives, written like a column.
                    let given = rows.map_or(Origin::Unknown, |rows| rows.whole.clone());
                    self.store(&given);
                    if runs_code(std::slice::from_ref(last)) {
                        self.store(&Origin::Unknown);
                    }
                    return Origin::Unknown;
                }
                let Some(rows) = rows else { return Origin::Unknown };
                match rows.column(last) {
                    Some(origin) => origin,
                    None if is_system_column(last) => Origin::none(),
                    // A function of the row, written like a column.
                    None => Origin::Unknown,
                }
            }
        }
    }
}

/// Whether a function of PostgreSQL's own keeps or tells what it gets, and does nothing else.
fn keeps(name: &str) -> bool {
    matches!(name, "set_config" | "setval" | "pg_notify" | "pg_sleep")
        || name.starts_with("pg_advisory_")
        || name.starts_with("pg_try_advisory_")
}

/// Whether an operator is not of a schema other than PostgreSQL's own.
pub(super) fn is_own_operator(at: Cursor<'_>) -> bool {
    let mut names = at.descendants().filter(|below| below.is(S::ColId));
    names.all(|schema| schema.value() == "pg_catalog")
}
