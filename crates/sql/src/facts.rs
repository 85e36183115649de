//! What policies are told of a statement: tables, functions, columns, conditions and limits, as far as the text tells.

use std::collections::{BTreeMap, BTreeSet};

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;
use vidimus_core::{SqlFacts, SqlKind};

use crate::conditions::always_holds;
use crate::kind::{is_only_explained, kinds, statement};
use crate::tree::Cursor;
use crate::{called, names};

mod objects;

/// Names of one kind in one statement. With more, the statement counts as not parsed.
const MAX_NAMES: usize = 1_000;

/// Columns that a statement names, as they are written: `a`, `t.a`, `t.*`, `*`. A name may be of a whole row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Columns {
    /// Wherever a value is taken from one.
    pub read: BTreeSet<String>,
    /// That are set: by `UPDATE`, `INSERT` and `COPY … FROM` with a list of columns.
    pub written: BTreeSet<String>,
}

/// The facts of one statement.
pub(crate) fn facts(node: Cursor<'_>) -> SqlFacts {
    let mut facts = SqlFacts { statements: 1, ..SqlFacts::none() };
    let Some(own) = statement(node) else { return SqlFacts { parsed: false, ..facts } };
    facts.kinds = kinds(node).into_iter().map(|kind| SqlKind::from(kind).name().to_owned()).collect();
    facts.functions = functions(own);
    let tables = Tables::of(own);
    facts.reads = tables.read;
    facts.writes = tables.written;
    if is_only_explained(own) {
        facts.reads.append(&mut facts.writes);
    } else {
        facts.unbounded = own.is(S::TruncateStmt) || own.descendants().chain([own]).any(is_unbounded);
    }
    facts.limit = limit(own);
    if [&facts.reads, &facts.writes, &facts.functions].into_iter().any(|names| names.len() > MAX_NAMES) {
        return SqlFacts { parsed: false, kinds: facts.kinds, statements: 1, ..SqlFacts::none() };
    }
    facts
}

/// Whether this is an `UPDATE` or `DELETE` of every row.
fn is_unbounded(at: Cursor<'_>) -> bool {
    if !matches!(at.kind(), S::UpdateStmt | S::DeleteStmt) {
        return false;
    }
    match at.child(S::where_or_current_clause) {
        None => true,
        Some(clause) => clause.child(S::a_expr).is_some_and(always_holds),
    }
}

/// Names of functions that are called.
fn functions(own: Cursor<'_>) -> BTreeSet<String> {
    let mut functions: BTreeSet<String> = called::all(own).into_iter().collect();
    for below in own.descendants() {
        match below.kind() {
            S::func_application | S::tablesample_clause | S::CreateTrigStmt | S::CreateEventTrigStmt => {
                functions.extend(below.child(S::func_name).map(|name| names::joined(&names::parts(name))));
            }
            S::func_expr_common_subexpr => {
                functions.insert(below.value().to_owned());
            }
            _ => {}
        }
    }
    if matches!(own.kind(), S::CreateTrigStmt | S::CreateEventTrigStmt) {
        functions.extend(own.child(S::func_name).map(|name| names::joined(&names::parts(name))));
    }
    functions
}

/// Where the names that `WITH` gives stand for its queries: a name, from which node, up to which.
#[derive(Debug, Default)]
pub(crate) struct Given(BTreeMap<String, Vec<(usize, usize)>>);

impl Given {
    pub(crate) fn below(own: Cursor<'_>) -> Self {
        let mut given = Self::default();
        for at in own.descendants().chain([own]) {
            let with = at.child(S::opt_with_clause).unwrap_or(at).child(S::with_clause);
            let Some(with) = with else { continue };
            let Some(list) = with.child(S::cte_list) else { continue };
            for table in list.items() {
                let from = if with.has(S::RECURSIVE) { with.id() } else { table.end() };
                let Some(name) = table.child(S::name) else { continue };
                given.0.entry(name.value().to_owned()).or_default().push((from, at.end()));
            }
        }
        given
    }

    fn stands_at(&self, name: &str, at: Cursor<'_>) -> bool {
        let places = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        places.iter().any(|(from, to)| *from <= at.id() && at.id() < *to)
    }
}

/// Tables of a statement.
#[derive(Debug, Default)]
struct Tables {
    read: BTreeSet<String>,
    written: BTreeSet<String>,
}

impl Tables {
    fn of(own: Cursor<'_>) -> Self {
        let mut tables = Self::default();
        let given = Given::below(own);
        let targets = targets(own);
        for at in own.descendants() {
            if !at.is(S::qualified_name) {
                continue;
            }
            let parts = names::parts(at);
            let name = names::joined(&parts);
            if targets.written.contains(&at.id()) {
                tables.written.insert(name.clone());
                if !targets.returned.contains(&at.id()) {
                    continue;
                }
            }
            let is_given = matches!(parts.as_slice(), [only] if given.stands_at(only, at));
            if !is_given && !targets.aliases.contains(&at.id()) {
                tables.read.insert(name);
            }
        }
        for at in own.descendants().chain([own]) {
            for (name, is_written) in objects::named(at) {
                let names = if is_written { &mut tables.written } else { &mut tables.read };
                names.insert(names::joined(&name));
            }
        }
        tables
    }
}

/// Of which `qualified_name` what is known by where they stand, by node.
#[derive(Debug, Default)]
struct Targets {
    written: BTreeSet<usize>,
    /// Written, and rows of them come back.
    returned: BTreeSet<usize>,
    /// Names of tables as this query calls them (`FOR UPDATE OF a`), or of what is none.
    aliases: BTreeSet<usize>,
}

fn targets(own: Cursor<'_>) -> Targets {
    let mut targets = Targets::default();
    for at in own.descendants().chain([own]) {
        let target = match at.kind() {
            S::InsertStmt => at.child(S::insert_target),
            S::UpdateStmt | S::DeleteStmt | S::MergeStmt => at.child(S::relation_expr_opt_alias),
            S::into_clause
            | S::create_as_target
            | S::create_mv_target
            // Parts of tables change whose rows they hold.
            | S::partition_cmd
            | S::index_partition_cmd => Some(at),
            S::CopyStmt if at.child(S::copy_from).is_some_and(|way| way.has(S::FROM)) => at.child(S::qualified_name),
            S::TruncateStmt => {
                let list = at.child(S::relation_expr_list).map(Cursor::items).unwrap_or_default();
                targets.written.extend(list.into_iter().filter_map(qualified_name));
                None
            }
            S::GrantStmt | S::RevokeStmt => {
                let names = at.descendants().filter(|below| below.is(S::qualified_name));
                targets.written.extend(names.map(Cursor::id));
                None
            }
            S::CreateStatsStmt => {
                let names = at.child(S::from_list).map(Cursor::items).unwrap_or_default();
                targets.written.extend(names.into_iter().filter_map(qualified_name));
                None
            }
            S::locked_rels_list | S::constraints_set_list | S::import_qualification => {
                let names = at.descendants().filter(|below| below.is(S::qualified_name));
                targets.aliases.extend(names.map(Cursor::id));
                None
            }
            S::CreateStmt
            | S::CreateForeignTableStmt
            | S::ViewStmt
            | S::IndexStmt
            | S::AlterTableStmt
            | S::RenameStmt
            | S::AlterObjectSchemaStmt
            | S::AlterObjectDependsStmt
            | S::CreateTrigStmt
            | S::RuleStmt
            | S::CreatePolicyStmt
            | S::AlterPolicyStmt
            | S::RefreshMatViewStmt
            | S::CreateSeqStmt
            | S::AlterSeqStmt => {
                at.children().find(|child| matches!(child.kind(), S::qualified_name | S::relation_expr))
            }
            _ => None,
        };
        if let Some(id) = target.and_then(qualified_name) {
            targets.written.insert(id);
            if at.has(S::returning_clause) {
                targets.returned.insert(id);
            }
        }
    }
    targets
}

fn qualified_name(at: Cursor<'_>) -> Option<usize> {
    if at.is(S::qualified_name) { Some(at.id()) } else { at.find(S::qualified_name).map(Cursor::id) }
}

/// The largest number of rows of a query, where that is a number.
fn limit(own: Cursor<'_>) -> Option<u64> {
    limit_clause(own).and_then(number)
}

/// What limits the rows of a query, if something does.
pub(crate) fn limit_clause(own: Cursor<'_>) -> Option<Cursor<'_>> {
    let mut query = own.is(S::SelectStmt).then(|| own.children().next()).flatten()?;
    loop {
        // After a locking clause, an `opt_select_limit`.
        if let Some(limit) = query.child(S::opt_select_limit).unwrap_or(query).child(S::select_limit) {
            return limit.child(S::limit_clause);
        }
        // In parentheses: of the query in them.
        query = match query.kind() {
            S::select_with_parens | S::select_clause => {
                query.children().find(|child| matches!(child.kind(), S::select_with_parens | S::select_no_parens))?
            }
            S::select_no_parens => query.child(S::select_clause).or_else(|| query.child(S::simple_select))?,
            _ => return None,
        };
    }
}

fn number(clause: Cursor<'_>) -> Option<u64> {
    if clause.has(S::TIES) {
        return None;
    }
    let value = clause.child(S::select_limit_value).or_else(|| clause.child(S::select_fetch_first_value));
    match value {
        Some(value) => value.only(S::Iconst)?.value().parse().ok(),
        None => clause.has(S::FETCH).then_some(1),
    }
}

/// The columns that a statement names.
pub(crate) fn columns(node: Cursor<'_>) -> Columns {
    let mut columns = Columns::default();
    let Some(own) = statement(node) else { return columns };
    for at in own.descendants() {
        match at.kind() {
            S::columnref => {
                let mut parts = names::parts(at);
                if at.descendants().any(|below| below.is(S::Star)) {
                    parts.push("*".to_owned());
                }
                columns.read.insert(names::joined(&parts));
            }
            S::target_el if at.has(S::Star) => {
                columns.read.insert("*".to_owned());
            }
            S::simple_select if at.has(S::TABLE) => {
                columns.read.insert("*".to_owned());
            }
            S::set_target | S::insert_column_item => {
                columns.written.insert(at.value().to_owned());
            }
            S::columnElem if own.is(S::CopyStmt) => {
                let is_in = own.child(S::copy_from).is_some_and(|way| way.has(S::FROM));
                let set = if is_in { &mut columns.written } else { &mut columns.read };
                set.insert(at.value().to_owned());
            }
            _ => {}
        }
    }
    columns
}
