//! What a database has: tables, views, and where names are looked for. Data that the caller gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::origin::Table;

/// Tables and views of a database, and how a session finds them. Reading a table gives rows of those that inherit from it, too:
/// what is said of a column of such a child must be said of the parent's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    relations: BTreeMap<Table, Relation>,
    search_path: Vec<Arc<str>>,
    functions: BTreeSet<String>,
    doubted: BTreeSet<String>,
}

/// A table, or what is read as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Relation {
    /// Its columns, in the order in which `*` gives them.
    pub columns: Vec<Arc<str>>,
    /// Of a view or materialized view: its query, as `pg_get_viewdef` gives it under the catalog's search path.
    pub definition: Option<Arc<str>>,
}

impl Catalog {
    /// An empty catalog of a session in which names without a schema are looked for in these, in this order:
    /// `current_schemas(true)`.
    pub fn new<N: Into<Arc<str>>>(search_path: impl IntoIterator<Item = N>) -> Self {
        Self { search_path: search_path.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Adds a table with its columns.
    pub fn add_table<C: Into<Arc<str>>>(&mut self, schema: &str, name: &str, columns: impl IntoIterator<Item = C>) {
        let columns = columns.into_iter().map(Into::into).collect();
        self.add(schema, name, Relation { columns, definition: None });
    }

    /// Adds a view with its columns and its query.
    pub fn add_view<C: Into<Arc<str>>>(
        &mut self,
        schema: &str,
        name: &str,
        columns: impl IntoIterator<Item = C>,
        definition: &str,
    ) {
        let columns = columns.into_iter().map(Into::into).collect();
        self.add(schema, name, Relation { columns, definition: Some(definition.into()) });
    }

    fn add(&mut self, schema: &str, name: &str, relation: Relation) {
        self.relations.insert(Table { schema: schema.into(), name: name.into() }, relation);
    }

    /// Says that a function reads nothing but its arguments: `name` of one that is found without a schema, or `schema.name`.
    pub fn add_function(&mut self, name: &str) {
        self.functions.insert(name.to_owned());
    }

    /// Says that without a schema this name may stand for a function that reads anything, whatever others are called so.
    pub fn doubt_function(&mut self, name: &str) {
        self.doubted.insert(name.to_owned());
    }

    pub(super) fn doubts(&self, name: &str) -> bool {
        self.doubted.contains(name)
    }

    /// All there are.
    pub fn relations(&self) -> impl Iterator<Item = (&Table, &Relation)> {
        self.relations.iter()
    }

    pub(super) fn has_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }

    /// The relation of this name, with its schema or without.
    pub(super) fn relation(&self, parts: &[String]) -> Option<(&Table, &Relation)> {
        let find = |schema: &str, name: &str| {
            self.relations.get_key_value(&Table { schema: schema.into(), name: name.into() })
        };
        match parts {
            [name] => self.search_path.iter().find_map(|schema| find(schema, name)),
            // The database, which must be the current one.
            [schema, name] | [_, schema, name] => find(schema, name),
            _ => None,
        }
    }
}
