//! Lineage: from which columns of tables the values of a result can derive, and which columns decide what rows come.
//!
//! Whatever is in an expression counts for its value: arguments, conditions of `CASE`, whole rows by the name of their table,
//! subqueries. What decides which rows come, how many, or in which order (`WHERE`, `JOIN … ON`, `GROUP BY`, `HAVING`, `ORDER BY`,
//! `DISTINCT`, `LIMIT`, arguments of functions that give sets), is `inferred`. What is not understood is [`Origin::Unknown`], never an empty set: functions that are not known to read nothing
//! but their arguments, tables that the catalog does not have, queries nested too deep. Error messages may tell values of all that
//! a statement touches.
//!
//! Operators and casts are taken for PostgreSQL's own; so are functions without a schema that bear the name of one of its own.

mod catalog;
mod changes;
mod expression;
mod from;
mod harmless;
mod objects;
mod of_catalog;
mod origin;
mod query;
mod reader;
mod scope;
mod sets;

use std::collections::BTreeSet;

pub use catalog::{Catalog, Relation};
pub use origin::{Column, Origin, Table};
use postgresql_cst_parser::syntax_kind::SyntaxKind as S;
use reader::Reader;
use scope::{Rows, Scope};

use crate::kind::{is_of_server, statement};
use crate::tree::Cursor;
use crate::{Statement, names};

/// From where what a statement gives, and keeps, can come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// What comes back as rows.
    pub outputs: Outputs,
    /// Columns that decide which rows come, or in which order.
    pub inferred: Origin,
    /// Of what is put elsewhere, to be read later: by `INSERT`, `UPDATE`, `MERGE`, `CREATE TABLE AS`, `CREATE VIEW`, and by
    /// functions of which nothing is known. A column of a table that is given its own value, as it is, is not among it.
    pub stored: Origin,
    /// Tables of the catalog that are read or changed, those beneath views included.
    pub tables: BTreeSet<Table>,
}

/// The columns of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outputs {
    /// As many as these, none where no rows come.
    Columns(Vec<Output>),
    /// Of a number that only the server knows; each derives from this at most.
    All(Origin),
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name, where that is known.
    pub name: Option<String>,
    /// What its values can derive from.
    pub origin: Origin,
}

impl Lineage {
    /// What anything that a statement tells can derive from: rows, messages of errors, plans.
    pub fn whole(&self) -> Origin {
        let mut whole = self.inferred.clone();
        whole.add(&self.stored);
        match &self.outputs {
            Outputs::Columns(outputs) => {
                for output in outputs {
                    whole.add(&output.origin);
                }
            }
            Outputs::All(origin) => whole.add(origin),
        }
        whole
    }
}

/// The lineage of a statement. Of `PREPARE` and `DECLARE` it is that of what `EXECUTE` and `FETCH` give, which themselves are
/// unknown to the text.
pub fn lineage(of: &Statement<'_>, catalog: &Catalog) -> Lineage {
    let mut reader = Reader::new(catalog);
    let outputs = match statement(of.node) {
        Some(own) => outputs(&mut reader, own),
        None => Outputs::All(Origin::Unknown),
    };
    reader.finish(outputs)
}

fn outputs(reader: &mut Reader<'_>, own: Cursor<'_>) -> Outputs {
    let root = Scope::root();
    match own.kind() {
        S::SelectStmt => {
            let rows = reader.query(own, &root);
            // Into a table: no rows come.
            if own.find(S::into_clause).is_some() { kept(reader, &rows) } else { given(rows) }
        }
        S::InsertStmt | S::UpdateStmt | S::DeleteStmt | S::MergeStmt => given(reader.change(own, &root)),
        S::PrepareStmt | S::DeclareCursorStmt => match inner(own) {
            Some(inner) => outputs(reader, inner),
            None => Outputs::All(Origin::Unknown),
        },
        S::CopyStmt => copied(reader, own, &root),
        S::ExplainStmt => {
            let shown = inner(own).map_or(Outputs::All(Origin::Unknown), |inner| {
                // What was prepared is not known here, and may be run.
                reader.store(if inner.is(S::ExecuteStmt) { &Origin::Unknown } else { const { &Origin::none() } });
                outputs(reader, inner)
            });
            let origin = match shown {
                Outputs::Columns(columns) => columns.into_iter().fold(Origin::none(), |mut all, column| {
                    all.add(&column.origin);
                    all
                }),
                Outputs::All(origin) => origin,
            };
            // Plans show how many rows were expected or came, and no values; what is not known may show anything.
            reader.infer(&origin);
            let plan = if origin == Origin::Unknown { Origin::Unknown } else { Origin::none() };
            Outputs::Columns(vec![Output { name: Some("QUERY PLAN".into()), origin: plan }])
        }
        S::CreateAsStmt | S::CreateMatViewStmt | S::ViewStmt => {
            let query = own.child(S::SelectStmt);
            // What a view calls is called whenever it is read, and then nothing tells of it.
            if !own.is(S::CreateAsStmt) && !reader.calls_only_known(own) {
                reader.store(&Origin::Unknown);
            }
            let rows = query.map_or_else(Rows::unknown, |query| reader.query(query, &root));
            kept(reader, &rows)
        }
        S::VariableShowStmt => Outputs::Columns(vec![Output { name: None, origin: Origin::none() }]),
        S::VariableSetStmt
        | S::VariableResetStmt
        | S::DiscardStmt
        | S::DeallocateStmt
        | S::ClosePortalStmt
        | S::ListenStmt
        | S::UnlistenStmt
        | S::TransactionStmt
        | S::TransactionStmtLegacy
        | S::ConstraintsSetStmt
        | S::TruncateStmt
        | S::LockStmt
        | S::VacuumStmt
        | S::AnalyzeStmt => Outputs::Columns(Vec::new()),
        // What is fetched was stored by nothing, what is run by the statement that was prepared.
        S::FetchStmt => Outputs::All(Origin::Unknown),
        S::ExecuteStmt => {
            let arguments = own.child(S::execute_param_clause).map(|given| reader.value(given, &root));
            let keeps = own.has(S::create_as_target) || arguments == Some(Origin::Unknown);
            reader.store(if keeps { &Origin::Unknown } else { const { &Origin::none() } });
            Outputs::All(Origin::Unknown)
        }
        // Rows or messages of anything.
        S::CallStmt | S::DoStmt => {
            reader.store(&Origin::Unknown);
            Outputs::All(Origin::Unknown)
        }
        // No rows, but afterwards names may stand for something else.
        _ => {
            let made = reader.made(own, &root);
            reader.store(&made);
            Outputs::Columns(Vec::new())
        }
    }
}

/// The statement in another.
fn inner(own: Cursor<'_>) -> Option<Cursor<'_>> {
    let inner =
        own.children().find(|child| matches!(child.kind(), S::PreparableStmt | S::ExplainableStmt | S::SelectStmt))?;
    statement(inner)
}

fn copied(reader: &mut Reader<'_>, copy: Cursor<'_>, root: &Scope<'_>) -> Outputs {
    // A program does anything, and files may hold, or become, anything.
    if is_of_server(copy) {
        reader.store(&Origin::Unknown);
    }
    if let Some(query) = copy.child(S::PreparableStmt) {
        return given(reader.query(query, root));
    }
    let Some(name) = copy.child(S::qualified_name) else { return Outputs::All(Origin::Unknown) };
    let (_, rows) = reader.relation(name, root);
    if copy.child(S::copy_from).is_none_or(|way| way.has(S::FROM)) {
        if reader.is_of_system(&names::parts(name)) {
            reader.store(&Origin::Unknown);
        }
        if let Some(condition) = copy.child(S::where_clause) {
            let read = reader.value(condition, root);
            reader.infer(&read);
        }
        return Outputs::Columns(Vec::new());
    }
    match copy.child(S::opt_column_list).and_then(|list| list.child(S::columnList)) {
        None => given(rows),
        Some(list) => {
            let named = list.items().into_iter().map(|item| {
                let name = item.value();
                Output { name: Some(name.to_owned()), origin: rows.column(name).unwrap_or(Origin::Unknown) }
            });
            Outputs::Columns(named.collect())
        }
    }
}

fn given(rows: Rows) -> Outputs {
    match rows.fields {
        None => Outputs::All(rows.whole),
        Some(fields) => Outputs::Columns(
            fields.into_iter().map(|field| Output { name: field.name, origin: field.origin }).collect(),
        ),
    }
}

fn kept(reader: &mut Reader<'_>, rows: &Rows) -> Outputs {
    reader.store(&rows.whole);
    Outputs::Columns(Vec::new())
}

#[cfg(test)]
mod tests;
