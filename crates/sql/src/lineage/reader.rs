//! What is known so far, while a statement is followed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use super::catalog::{Catalog, Relation};
use super::origin::{Column, Origin, Table};
use super::scope::{Field, Rows, Scope};
use super::{Lineage, Outputs};
use crate::kind::statement;
use crate::names;
use crate::tree::Cursor;

/// Queries, and views, inside one another.
const MAX_NESTING: usize = 48;
/// Steps of following a statement: nodes, names looked up, columns put together.
const MAX_STEPS: usize = 500_000;
/// Columns of a result: PostgreSQL gives no more.
const MAX_COLUMNS: usize = 1_664;

/// Relations that tell of the values of all others.
const TELLTALES: &[&str] = &[
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
    "pg_stat_activity",
    "pg_stat_statements",
    "pg_largeobject",
];

/// A view of PostgreSQL's own: a rule makes settings of what it is updated with.
const SETTINGS: &str = "pg_settings";

/// Columns of every table that hold nothing of a row.
const SYSTEM_COLUMNS: &[&str] = &["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// Follows one statement.
pub(super) struct Reader<'c> {
    pub(super) catalog: &'c Catalog,
    inferred: Origin,
    stored: Origin,
    tables: BTreeSet<Table>,
    /// What views give, and what decides about their rows.
    views: BTreeMap<Table, (Rows, Origin)>,
    nesting: usize,
    steps: usize,
}

impl<'c> Reader<'c> {
    pub(super) const fn new(catalog: &'c Catalog) -> Self {
        Self {
            catalog,
            inferred: Origin::none(),
            stored: Origin::none(),
            tables: BTreeSet::new(),
            views: BTreeMap::new(),
            nesting: 0,
            steps: 0,
        }
    }

    pub(super) fn finish(self, outputs: Outputs) -> Lineage {
        if self.steps > MAX_STEPS {
            let (outputs, inferred) = (Outputs::All(Origin::Unknown), Origin::Unknown);
            return Lineage { outputs, inferred, stored: Origin::Unknown, tables: self.tables };
        }
        Lineage { outputs, inferred: self.inferred, stored: self.stored, tables: self.tables }
    }

    pub(super) fn infer(&mut self, origin: &Origin) {
        self.inferred.add(origin);
    }

    /// The rows of a query whose value stands in an expression, and what decides which rows they are.
    pub(super) fn inner_query(&mut self, query: Cursor<'_>, scope: &Scope<'_>) -> (Rows, Origin) {
        let before = std::mem::replace(&mut self.inferred, Origin::none());
        let rows = self.query(query, scope);
        let decided = std::mem::replace(&mut self.inferred, before);
        self.infer(&decided);
        (rows, decided)
    }

    pub(super) fn store(&mut self, origin: &Origin) {
        self.stored.add(origin);
    }

    /// Counts steps; whether there are any left.
    pub(super) fn step(&mut self, count: usize) -> bool {
        self.steps = self.steps.saturating_add(count);
        self.steps <= MAX_STEPS
    }

    /// Adds columns after others, as far as there are steps left and PostgreSQL gives them.
    pub(super) fn append(&mut self, rows: &mut Rows, others: Rows) {
        let is_known = self.step(others.size());
        let width = rows.fields.iter().chain(&others.fields).map(Vec::len).fold(0, usize::saturating_add);
        if is_known && width <= MAX_COLUMNS {
            rows.append(others);
        } else {
            *rows = Rows::unknown();
        }
    }

    /// Does something one level deeper; what is too deep is unknown.
    pub(super) fn deeper(&mut self, follow: impl FnOnce(&mut Self) -> Rows) -> Rows {
        if self.nesting >= MAX_NESTING || !self.step(1) {
            self.infer(&Origin::Unknown);
            self.store(&Origin::Unknown);
            return Rows::unknown();
        }
        self.nesting = self.nesting.saturating_add(1);
        let rows = follow(self);
        self.nesting = self.nesting.saturating_sub(1);
        rows
    }

    /// The rows of a `qualified_name`, and the schema of what it names; none for a query that `WITH` names.
    pub(super) fn relation(&mut self, name: Cursor<'_>, scope: &Scope<'_>) -> (Option<String>, Rows) {
        let parts = names::parts(name);
        if let [only] = parts.as_slice()
            && let Some(rows) = scope.environment.rows(only)
        {
            if !self.step(rows.size()) {
                return (None, Rows::unknown());
            }
            return (None, rows.clone());
        }
        self.table(&parts)
    }

    /// The rows of a table or a view.
    pub(super) fn table(&mut self, parts: &[String]) -> (Option<String>, Rows) {
        let Some((table, relation)) = self.catalog.relation(parts) else { return (None, Rows::unknown()) };
        let schema = Some(table.schema.to_string());
        self.tables.insert(table.clone());
        if TELLTALES.contains(&&*table.name) {
            return (schema, Rows::unknown());
        }
        if !self.step(relation.columns.len()) {
            return (schema, Rows::unknown());
        }
        let mut rows = own_rows(table, relation);
        if let Some(definition) = &relation.definition {
            let beneath = self.view(table, definition);
            rows = put_over(rows, &beneath);
        }
        (schema, rows)
    }

    /// Whether a change of a relation may be one of settings, or of what names stand for: of a table that the database system has
    /// for itself, or of a view of one.
    pub(super) fn is_of_system(&self, parts: &[String]) -> bool {
        let mut at = self.catalog.relation(parts);
        let is_view = at.is_some_and(|(_, relation)| relation.definition.is_some());
        if is_view && self.tables.iter().any(|table| &*table.name == SETTINGS) {
            return true;
        }
        for _ in 0..MAX_NESTING {
            let Some((table, relation)) = at else { return false };
            if matches!(&*table.schema, "pg_catalog" | "information_schema") {
                return true;
            }
            let Some(definition) = &relation.definition else { return false };
            let Ok(script) = crate::parse(definition) else { return true };
            let query = script.statements().next().map(|only| only.node);
            at = query.and_then(first_of_from).and_then(|name| self.catalog.relation(&name));
        }
        true
    }

    /// What the query of a view gives.
    fn view(&mut self, table: &Table, definition: &Arc<str>) -> Rows {
        if let Some((rows, decided)) = self.views.get(table).cloned() {
            self.infer(&decided);
            return rows;
        }
        let before = std::mem::replace(&mut self.inferred, Origin::none());
        let rows = self.deeper(|reader| {
            // A view of itself gives what is not known.
            reader.views.insert(table.clone(), (Rows::unknown(), Origin::Unknown));
            let Ok(script) = crate::parse(definition) else { return Rows::unknown() };
            let mut statements = script.statements();
            match (statements.next(), statements.next()) {
                (Some(only), None) => match statement(only.node) {
                    Some(query) => reader.query(query, &Scope::root()),
                    None => Rows::unknown(),
                },
                _ => Rows::unknown(),
            }
        });
        let decided = std::mem::replace(&mut self.inferred, before);
        self.infer(&decided);
        self.views.insert(table.clone(), (rows.clone(), decided));
        rows
    }
}

/// The first table that a query reads, which is what a change of it as a view changes.
fn first_of_from(query: Cursor<'_>) -> Option<Vec<String>> {
    let mut id = query.id();
    while id < query.end() {
        let at = query.at(id);
        match at.kind() {
            S::from_clause => return at.find(S::qualified_name).map(names::parts),
            S::with_clause | S::target_list => id = at.end(),
            _ => id = id.saturating_add(1),
        }
    }
    None
}

fn own_rows(table: &Table, relation: &Relation) -> Rows {
    let field = |name: &Arc<str>| {
        let column = Column { table: table.clone(), name: Arc::clone(name) };
        Field { name: Some(name.to_string()), origin: Origin::Columns([column].into()) }
    };
    Rows::of(relation.columns.iter().map(field).collect())
}

/// The columns of a view with what its query gives.
fn put_over(mut rows: Rows, beneath: &Rows) -> Rows {
    match (&mut rows.fields, &beneath.fields) {
        (Some(fields), Some(below)) if fields.len() == below.len() => {
            for (field, below) in fields.iter_mut().zip(below) {
                field.origin.add(&below.origin);
            }
            rows.whole.add(&beneath.whole);
        }
        _ => rows.taint(&beneath.whole),
    }
    rows
}

pub(super) fn is_system_column(name: &str) -> bool {
    SYSTEM_COLUMNS.contains(&name)
}
