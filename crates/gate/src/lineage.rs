//! Field rules of databases: which columns they protect, and what of a statement's answer may derive from one.
//!
//! An adapter looks up what the database has and how the session finds it; that is a [`Catalogue`]. A [`Tracer`] follows each
//! statement by it: what may be shown, which messages of the server may tell values, and what is refused, since values would
//! be kept where no rule protects them, or since nobody could tell any more what names stand for.

mod functions;
mod tracer;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash as _, Hasher};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use serde::Deserialize;
use vidimus_mask::FieldRules;
use vidimus_sql::lineage::{Catalog, Column, Origin, Table};

pub use self::tracer::{Age, Inferred, Messages, Traced, Tracer, Visible};
use crate::session::Session;

/// What an adapter has looked up.
#[derive(Debug, Default, Deserialize)]
pub struct LookedUp {
    /// Whether the transaction keeps to a snapshot, so that it may not see what is there now.
    #[serde(default)]
    pub is_of_snapshot: bool,
    /// Schemas in which names are looked for, in order: `current_schemas(true)`.
    pub path: Vec<String>,
    /// Tables, and what is read as one.
    pub relations: Vec<LookedUpRelation>,
    /// Tables whose rows others have too: the number of the one that inherits, and of the one that it inherits from.
    pub inherits: Option<Vec<(u32, u32)>>,
    /// Columns that are computed of others of their row: the numbers of the table and of the column.
    #[serde(default)]
    pub generated: Option<Vec<(u32, i16)>>,
    /// Functions that are none of the database system's own.
    pub functions: Option<Vec<LookedUpFunction>>,
}

/// A table, or what is read as one: its number, its schema, its name, the query of a view, and its columns with their numbers.
#[derive(Debug, Hash, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct LookedUpRelation(pub u32, pub String, pub String, pub Option<String>, pub Option<Vec<(i16, String)>>);

/// A function: its schema, its name, its text where it is one of SQL, and whether it computes something of its arguments alone
/// in a language that only administrators write functions in.
#[derive(Debug, Hash, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct LookedUpFunction(pub String, pub String, pub Option<String>, pub bool);

/// What a database has, and what of it field rules protect.
#[derive(Debug)]
pub struct Catalogue {
    catalog: Catalog,
    /// Columns that a rule names, or that share their rows with one that it names; each with that one.
    protected: BTreeMap<Column, Column>,
    tables: BTreeSet<Table>,
    numbers: HashMap<(u32, i16), Column>,
    /// SHA-256 of what was looked up.
    print: [u8; 32],
}

impl Catalogue {
    pub(crate) fn new(mut looked_up: LookedUp, rules: &FieldRules) -> Self {
        let print = print(&mut looked_up);
        let LookedUp { path, relations, inherits, generated, functions, is_of_snapshot: _ } = looked_up;
        let mut catalog = Catalog::new(path);
        let (mut protected, mut by_number) = (BTreeMap::new(), HashMap::new());
        let mut tables: HashMap<u32, Found> = HashMap::new();
        for LookedUpRelation(number, schema, name, definition, columns) in relations {
            let columns: Vec<(i16, Arc<str>)> =
                columns.unwrap_or_default().into_iter().map(|(place, name)| (place, name.into())).collect();
            let names = columns.iter().map(|(_, name)| Arc::clone(name));
            match &definition {
                Some(query) => catalog.add_view(&schema, &name, names, query),
                None => catalog.add_table(&schema, &name, names),
            }
            let table = Table { schema: schema.into(), name: name.into() };
            for (place, name) in &columns {
                let column = Column { table: table.clone(), name: Arc::clone(name) };
                if rules.column(&table.schema, &table.name, name).is_some() && !is_of_system(&table) {
                    protected.insert(column.clone(), column.clone());
                }
                by_number.insert((number, *place), column);
            }
            let columns = columns.into_iter().map(|(_, name)| name).collect();
            tables.insert(number, Found { table, columns });
        }
        for (number, place) in generated.unwrap_or_default() {
            compute(&mut protected, by_number.get(&(number, place)));
        }
        share(&mut protected, &tables, &inherits.unwrap_or_default());
        let numbers = by_number.into_iter().filter_map(|(place, column)| {
            let ruled = protected.get(&column)?.clone();
            Some((place, ruled))
        });
        functions::add(&mut catalog, functions.unwrap_or_default());
        let tables = protected.keys().map(|column| column.table.clone()).collect();
        Self { numbers: numbers.collect(), catalog, protected, tables, print }
    }

    /// Whether there is a column that a rule protects.
    pub fn protects(&self) -> bool {
        !self.protected.is_empty()
    }

    /// The protected column of this number in the table of that number: schema, table and name of the column whose rule it is.
    pub fn protected(&self, table: u32, column: i16) -> Option<[&str; 3]> {
        let ruled = self.numbers.get(&(table, column))?;
        Some([&ruled.table.schema, &ruled.table.name, &ruled.name])
    }

    /// How many tables, and what is read as one, it has.
    pub fn len(&self) -> usize {
        self.catalog.relations().count()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The protected columns of an origin; none where it is unknown.
    fn of(&self, origin: &Origin) -> Option<Vec<String>> {
        match origin {
            Origin::Unknown => None,
            Origin::Columns(columns) => {
                let protected = columns.iter().filter(|column| self.protected.contains_key(column));
                Some(protected.map(ToString::to_string).collect())
            }
        }
    }
}

/// SHA-256 of what names stand for, in whatever order a database tells it, and however the transaction sees it.
fn print(looked_up: &mut LookedUp) -> [u8; 32] {
    looked_up.relations.sort_unstable();
    looked_up.inherits.iter_mut().for_each(|them| them.sort_unstable());
    looked_up.generated.iter_mut().for_each(|them| them.sort_unstable());
    looked_up.functions.iter_mut().for_each(|them| them.sort_unstable());
    let LookedUp { is_of_snapshot: _, path, relations, inherits, generated, functions } = looked_up;
    let mut print = Print(Context::new(&SHA256));
    (path, relations, inherits, generated, functions).hash(&mut print);
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(print.0.finish().as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

/// SHA-256 of what is hashed.
struct Print(Context);

impl Hasher for Print {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.clone().finish().as_ref().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
    }
}

/// A table, with the names of its columns.
struct Found {
    table: Table,
    columns: Vec<Arc<str>>,
}

/// What the database system has for itself holds no rows of anybody; what tells of those is known by name.
fn is_of_system(table: &Table) -> bool {
    matches!(&*table.schema, "pg_catalog" | "information_schema")
}

/// A generated column may be computed of any other of its row, so it is protected where one of them is.
fn compute(protected: &mut BTreeMap<Column, Column>, generated: Option<&Column>) {
    let Some(generated) = generated.filter(|generated| !protected.contains_key(generated)) else { return };
    let of_row = protected.iter().find(|(column, _)| column.table == generated.table);
    if let Some(rule) = of_row.map(|(_, rule)| rule.clone()) {
        protected.insert(generated.clone(), rule);
    }
}

/// Tables that inherit have rows in common: what one of them protects, all of them do.
fn share(protected: &mut BTreeMap<Column, Column>, tables: &HashMap<u32, Found>, inherits: &[(u32, u32)]) {
    loop {
        let before = protected.len();
        for (child, parent) in inherits {
            let (Some(child), Some(parent)) = (tables.get(child), tables.get(parent)) else { continue };
            for name in &parent.columns {
                let of = |found: &Found| Column { table: found.table.clone(), name: Arc::clone(name) };
                let (below, above) = (of(child), of(parent));
                match (protected.get(&below).cloned(), protected.get(&above).cloned()) {
                    (None, Some(rule)) => _ = protected.insert(below, rule),
                    (Some(rule), None) => _ = protected.insert(above, rule),
                    _ => {}
                }
            }
        }
        if protected.len() == before {
            return;
        }
    }
}

impl Session {
    /// Whether field rules may protect columns of the target.
    pub fn has_column_rules(&self) -> bool {
        self.context().masking().field_rules().has_columns()
    }

    /// What of a database the target's field rules protect.
    pub fn catalogue(&self, looked_up: LookedUp) -> Catalogue {
        Catalogue::new(looked_up, self.context().masking().field_rules())
    }
}

#[cfg(test)]
mod tests;
