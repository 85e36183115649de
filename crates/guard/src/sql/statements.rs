//! What parsed statements do.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    CopySource, CopyTarget, Expr, FromTable, Function, Insert, LimitClause, ObjectName, OnInsert, Query, Select,
    SetExpr, Statement, TableFactor, TableObject, TableWithJoins, TopQuantity, UtilityOption, Value, Visit, Visitor,
};
use vidimus_core::SqlFacts;

use super::{CODE, conditions};

pub(super) const SELECT: &str = "select";
const INSERT: &str = "insert";
const UPDATE: &str = "update";
const DELETE: &str = "delete";
const DDL: &str = "ddl";
const ADMIN: &str = "admin";
const OTHER: &str = "other";

/// The facts of statements.
pub(super) fn facts(statements: &[Statement]) -> SqlFacts {
    let mut seen = Seen::default();
    let mut limit = Some(0);
    for statement in statements {
        // What is only explained is not done.
        seen.is_explained = is_only_explained(statement);
        let _: ControlFlow<()> = statement.visit(&mut seen);
        seen.is_explained = false;
        if let Statement::Query(query) = statement {
            limit = limit.zip(limit_of(query)).map(|(all, one): (u64, u64)| all.max(one));
        }
    }
    let is_query = statements.iter().any(|statement| matches!(statement, Statement::Query(_)));
    let reads = seen.read.into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect();
    let too_many = [&seen.writes, &seen.functions].into_iter().any(|names| names.len() > crate::MAX_NAMES);
    SqlFacts {
        parsed: !too_many,
        kinds: seen.kinds,
        reads,
        writes: seen.writes,
        functions: seen.functions,
        inferred: BTreeSet::new(),
        statements: u64::try_from(statements.len()).unwrap_or(u64::MAX),
        unbounded: seen.unbounded,
        limit: limit.filter(|_| is_query),
        read_only: false,
    }
}

fn is_only_explained(statement: &Statement) -> bool {
    let Statement::Explain { analyze, options, .. } = statement else { return false };
    let runs = |option: &UtilityOption| option.name.value.eq_ignore_ascii_case("analyze");
    !analyze && !options.iter().flatten().any(runs)
}

#[derive(Debug, Default)]
struct Seen {
    kinds: BTreeSet<String>,
    /// Tables by how often they were met but to be written.
    read: BTreeMap<String, i64>,
    writes: BTreeSet<String>,
    functions: BTreeSet<String>,
    unbounded: bool,
    is_explained: bool,
    scopes: Vec<Scope>,
}

/// A query with the names that it gives to others (`WITH`).
#[derive(Debug, Default)]
struct Scope {
    names: Vec<String>,
    /// How many of them can be used where the visit is now.
    visible: usize,
    /// The queries of the names, by where they are in memory.
    queries: Vec<*const Query>,
    is_recursive: bool,
}

impl Seen {
    fn kind(&mut self, kind: &str) {
        let kind = if self.is_explained { SELECT } else { kind };
        self.kinds.insert(kind.to_owned());
    }

    /// A table that is written; `is_met` when the visit meets it among those that are read, too.
    fn write(&mut self, name: &ObjectName, is_met: bool) {
        if self.is_explained {
            return;
        }
        let name = table(name);
        if is_met {
            let count = self.read.entry(name.clone()).or_default();
            *count = count.saturating_sub(1);
        }
        self.writes.insert(name);
    }

    fn write_first(&mut self, tables: &[TableWithJoins]) {
        for written in tables {
            if let TableFactor::Table { name, .. } = &written.relation {
                self.write(name, true);
            }
        }
    }

    fn unbounded(&mut self, condition: Option<&Expr>, is_limited: bool) {
        self.unbounded |= !self.is_explained && !is_limited && condition.is_none_or(conditions::always_holds);
    }

    fn inserted(&mut self, insert: &Insert) {
        self.kind(INSERT);
        match &insert.table {
            TableObject::TableName(name) => self.write(name, true),
            TableObject::TableFunction(function) => {
                self.kind(CODE);
                self.called(function);
            }
            TableObject::TableQuery(_) => {}
        }
        if insert.replace_into || insert.overwrite {
            self.kind(DELETE);
        }
        if insert.on.as_ref().is_some_and(|on| matches!(on, OnInsert::DuplicateKeyUpdate(_) | OnInsert::OnConflict(_)))
            || insert.or.is_some()
        {
            self.kind(UPDATE);
        }
    }

    fn called(&mut self, function: &Function) {
        self.functions.insert(table(&function.name));
    }

    fn is_given(&self, name: &ObjectName) -> bool {
        let [part] = name.0.as_slice() else { return false };
        let Some(part) = part.as_ident() else { return false };
        let part = part.value.to_lowercase();
        self.scopes.iter().any(|scope| scope.names.iter().take(scope.visible).any(|name| *name == part))
    }
}

impl Visitor for Seen {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let address = std::ptr::from_ref(query);
        if let Some(scope) = self.scopes.last_mut()
            && let Some(place) = scope.queries.iter().position(|known| *known == address)
            && !scope.is_recursive
        {
            scope.visible = place;
        }
        let tables = query.with.iter().flat_map(|with| &with.cte_tables);
        let names: Vec<String> = tables.clone().map(|table| table.alias.name.value.to_lowercase()).collect();
        self.scopes.push(Scope {
            visible: names.len(),
            names,
            queries: tables.map(|table| std::ptr::from_ref(&*table.query)).collect(),
            is_recursive: query.with.as_ref().is_some_and(|with| with.recursive),
        });
        if !query.locks.is_empty() {
            self.kind(OTHER);
        }
        if query.settings.is_some() || query.format_clause.is_some() || !query.pipe_operators.is_empty() {
            self.kind(OTHER);
        }
        if let SetExpr::Table(named) = &*query.body {
            let name = named.table_name.iter().map(|name| name.to_lowercase());
            let name = named.schema_name.iter().map(|schema| schema.to_lowercase()).chain(name);
            let count = self.read.entry(name.collect::<Vec<_>>().join(".")).or_default();
            *count = count.saturating_add(1);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.scopes.pop();
        if let Some(scope) = self.scopes.last_mut() {
            scope.visible = scope.names.len();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let Some(into) = &select.into {
            self.kind(DDL);
            self.writes.extend(into.targets.iter().map(|target| target.to_string().to_lowercase()));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        if !self.is_given(name) {
            let name = table(name);
            // DuckDB and others read files by such names.
            if name.contains(['/', '\\', ':', '*']) {
                self.kind(CODE);
            }
            let count = self.read.entry(name).or_default();
            *count = count.saturating_add(1);
        }
        if self.read.len() > crate::MAX_NAMES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.functions.insert(table(name));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expression {
            self.called(function);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        self.done(statement);
        ControlFlow::Continue(())
    }
}

impl Seen {
    fn done(&mut self, statement: &Statement) {
        match statement {
            Statement::Query(query) if is_changing(&query.body) => {}
            Statement::Query(_)
            | Statement::Explain { .. }
            | Statement::ExplainTable { .. }
            | Statement::ShowFunctions { .. }
            | Statement::ShowVariable { .. }
            | Statement::ShowStatus { .. }
            | Statement::ShowVariables { .. }
            | Statement::ShowCreate { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowCatalogs { .. }
            | Statement::ShowDatabases { .. }
            | Statement::ShowProcessList { .. }
            | Statement::ShowSchemas { .. }
            | Statement::ShowCharset(_)
            | Statement::ShowObjects(_)
            | Statement::ShowTables { .. }
            | Statement::ShowViews { .. }
            | Statement::ShowCollation { .. } => self.kind(SELECT),
            Statement::Insert(insert) => self.inserted(insert),
            Statement::Update(update) => {
                self.kind(UPDATE);
                self.write_first(std::slice::from_ref(&update.table));
                self.unbounded(update.selection.as_ref(), update.limit.is_some());
            }
            Statement::Delete(delete) => {
                self.kind(DELETE);
                let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
                self.write_first(tables);
                for name in &delete.tables {
                    self.write(name, false);
                }
                self.unbounded(delete.selection.as_ref(), delete.limit.is_some());
            }
            Statement::Merge(merge) => {
                for kind in [INSERT, UPDATE, DELETE] {
                    self.kind(kind);
                }
                if let TableFactor::Table { name, .. } = &merge.table {
                    self.write(name, true);
                }
                self.unbounded(Some(&merge.on), false);
            }
            Statement::Truncate(truncate) => {
                self.kind(DELETE);
                self.unbounded |= !self.is_explained;
                for target in &truncate.table_names {
                    self.write(&target.name, true);
                }
            }
            Statement::Copy { source, to, target, .. } => self.copied(source, *to, target),
            _ => self.defined(statement),
        }
    }

    fn copied(&mut self, source: &CopySource, to: bool, target: &CopyTarget) {
        self.kind(match target {
            CopyTarget::Program { .. } | CopyTarget::File { .. } => ADMIN,
            CopyTarget::Stdin | CopyTarget::Stdout => {
                if to {
                    SELECT
                } else {
                    INSERT
                }
            }
        });
        if matches!(target, CopyTarget::Program { .. } | CopyTarget::File { .. }) {
            self.kind(CODE);
        }
        if let CopySource::Table { table_name, .. } = source {
            if to {
                let count = self.read.entry(table(table_name)).or_default();
                *count = count.saturating_add(1);
            } else {
                self.write(table_name, false);
            }
        }
    }

    /// Statements that change what there is, or who may do what, and all others.
    fn defined(&mut self, statement: &Statement) {
        match statement {
            Statement::CreateTable(create) => {
                self.kind(DDL);
                self.write(&create.name, true);
            }
            Statement::AlterTable(alter) => {
                self.kind(DDL);
                self.write(&alter.name, true);
            }
            Statement::Drop { names, .. } => {
                self.kind(DDL);
                for name in names {
                    self.write(name, false);
                }
            }
            Statement::CreateView(_)
            | Statement::CreateVirtualTable { .. }
            | Statement::CreateIndex(_)
            | Statement::CreateSchema { .. }
            | Statement::CreateDatabase { .. }
            | Statement::CreateSequence { .. }
            | Statement::CreateDomain(_)
            | Statement::CreateType { .. }
            | Statement::CreateMacro { .. }
            | Statement::AlterSchema(_)
            | Statement::AlterIndex { .. }
            | Statement::AlterView { .. }
            | Statement::AlterType(_)
            | Statement::DropDomain(_)
            | Statement::DropFunction(_)
            | Statement::DropProcedure { .. }
            | Statement::DropTrigger(_)
            | Statement::Comment { .. }
            | Statement::RenameTable(_) => self.kind(DDL),
            Statement::CreateFunction(_)
            | Statement::CreateProcedure { .. }
            | Statement::CreateTrigger(_)
            | Statement::AlterFunction(_)
            | Statement::CreateExtension(_)
            | Statement::CreateOperator(_)
            | Statement::CreateServer(_) => {
                self.kind(DDL);
                self.kind(CODE);
            }
            Statement::LoadData { .. }
            | Statement::Load { .. }
            | Statement::Install { .. }
            | Statement::Directory { .. }
            | Statement::CopyIntoSnowflake { .. }
            | Statement::Unload { .. }
            | Statement::ExportData(_)
            | Statement::Put { .. }
            | Statement::List(_)
            | Statement::Remove(_)
            | Statement::CreateStage { .. }
            | Statement::AttachDatabase { .. }
            | Statement::AttachDuckDBDatabase { .. }
            | Statement::Execute { .. }
            | Statement::Prepare { .. }
            | Statement::Call(_) => {
                self.kind(ADMIN);
                self.kind(CODE);
            }
            Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::Use(_)
            | Statement::Declare { .. }
            | Statement::Open(_)
            | Statement::Fetch { .. }
            | Statement::Close { .. }
            | Statement::Case(_)
            | Statement::If(_)
            | Statement::While(_)
            | Statement::Raise(_)
            | Statement::RaisError { .. }
            | Statement::Throw(_)
            | Statement::Print(_)
            | Statement::Return(_)
            | Statement::Assert { .. }
            | Statement::LISTEN { .. }
            | Statement::UNLISTEN { .. } => self.kind(OTHER),
            // Roles, rights, settings, upkeep, and whatever is new.
            _ => self.kind(ADMIN),
        }
    }
}

fn is_changing(body: &SetExpr) -> bool {
    match body {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => true,
        SetExpr::Query(query) => is_changing(&query.body),
        _ => false,
    }
}

/// A name in lower case, its parts joined with dots.
fn table(name: &ObjectName) -> String {
    let parts = name.0.iter().map(|part| part.as_ident().map_or_else(|| part.to_string(), |part| part.value.clone()));
    parts.collect::<Vec<_>>().join(".").to_lowercase()
}

/// The largest number of rows of a query, where it is a number.
pub(super) fn limit_of(query: &Query) -> Option<u64> {
    let clause = query.limit_clause.as_ref().and_then(|clause| match clause {
        LimitClause::LimitOffset { limit: Some(limit), limit_by, .. } if limit_by.is_empty() => number(limit),
        LimitClause::OffsetCommaLimit { limit, .. } => number(limit),
        LimitClause::LimitOffset { .. } => None,
    });
    let fetch = query.fetch.as_ref().filter(|fetch| !fetch.percent && !fetch.with_ties);
    let fetch = fetch.and_then(|fetch| fetch.quantity.as_ref().map_or(Some(1), number));
    let top = match &*query.body {
        SetExpr::Select(select) => select.top.as_ref().filter(|top| !top.percent && !top.with_ties),
        _ => None,
    };
    let top = top.and_then(|top| top.quantity.as_ref()).and_then(|quantity| match quantity {
        TopQuantity::Constant(count) => Some(*count),
        TopQuantity::Expr(count) => number(count),
    });
    clause.or(fetch).or(top)
}

fn number(expression: &Expr) -> Option<u64> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::Nested(inner) => number(inner),
        _ => None,
    }
}
