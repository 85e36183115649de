//! `INSERT`, `UPDATE`, `DELETE` and `MERGE`: what they keep, and what `RETURNING` gives.

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use super::origin::Origin;
use super::reader::Reader;
use super::scope::{Rows, Scope, Source};
use crate::names;
use crate::tree::Cursor;

impl Reader<'_> {
    /// What a change of rows gives back; nothing without `RETURNING`.
    pub(super) fn change(&mut self, statement: Cursor<'_>, scope: &Scope<'_>) -> Rows {
        let environment = self.with(statement, scope);
        let around = Scope::with(scope, &environment);
        let mut here = Scope::inside(&around);
        let Some(mut target) = self.target(statement) else { return Rows::unknown() };
        let own = target.rows.clone();
        let mut star = Rows::none();
        let mut kept = Origin::none();
        // The rows that are inserted.
        if let Some(rest) = statement.child(S::insert_rest)
            && let Some(query) = rest.child(S::SelectStmt)
        {
            kept.add(&self.query(query, &around).whole);
        }
        // The row that could not be inserted is what was given for it, whatever is in the table.
        let excluded = Source { alias: Some("excluded".into()), schema: None, rows: own.of_origin(&kept) };
        here.sources.push(target.clone());
        let others = statement.children().filter_map(|child| match child.kind() {
            S::from_clause | S::using_clause => child.child(S::from_list).map(Cursor::items),
            S::table_ref => Some(vec![child]),
            _ => None,
        });
        for item in others.flatten() {
            let rows = self.item(item, &around, &mut here);
            self.append(&mut star, rows);
        }
        let mut given = Vec::new();
        for clause in statement.children() {
            match clause.kind() {
                S::set_clause_list => given.extend(self.given(clause, &here, &target)),
                // The condition of a `MERGE`, or of which rows are changed.
                S::where_or_current_clause | S::a_expr => {
                    let read = self.value(clause, &here);
                    self.infer(&read);
                }
                S::merge_when_list => {
                    for branch in clause.items() {
                        self.branch(branch, &here, &target, &mut given, &mut kept);
                    }
                }
                S::opt_on_conflict => {
                    let mut conflict = Scope::inside(&here);
                    // Neither hides the other's columns.
                    conflict.sources.extend([target.clone(), excluded.clone()]);
                    self.infer(&conflicting(clause, &own));
                    self.branch(clause, &conflict, &target, &mut given, &mut kept);
                }
                _ => {}
            }
        }
        self.store(&kept);
        for given in given.iter().filter(|given| !given.is_kept_in_place) {
            self.store(&given.origin);
        }
        let Some(list) = statement.child(S::returning_clause).and_then(|clause| clause.child(S::target_list)) else {
            return Rows::none();
        };
        // What comes back of the target may be what was just put there.
        target.rows.taint(&kept);
        for Given { column, origin, .. } in &given {
            target.rows.taint_column(column.as_deref(), origin);
        }
        let mut returned = Scope::inside(&around);
        for name in ["old", "new"] {
            let is_taken = here.sources.iter().any(|source| source.alias.as_deref() == Some(name));
            if !is_taken {
                let rows = Rows { fields: target.rows.fields.clone(), whole: target.rows.whole.clone() };
                returned.sources.push(Source { alias: Some(name.into()), schema: None, rows });
            }
        }
        // `*` is of the target first; of `MERGE`, of the source first.
        let all = if statement.is(S::MergeStmt) {
            self.append(&mut star, target.rows.clone());
            star
        } else {
            let mut all = target.rows.clone();
            self.append(&mut all, star);
            all
        };
        if let Some(first) = here.sources.first_mut() {
            *first = target;
        }
        let mut inner = Scope::inside(&returned);
        inner.sources = here.sources;
        self.targets(list, &all, &inner)
    }

    /// What is done where a condition holds: by `WHEN` of `MERGE`, or by `ON CONFLICT`.
    fn branch(
        &mut self,
        branch: Cursor<'_>,
        here: &Scope<'_>,
        target: &Source,
        given: &mut Vec<Given>,
        kept: &mut Origin,
    ) {
        for part in branch.children() {
            match part.kind() {
                S::set_clause_list => given.extend(self.given(part, here, target)),
                S::merge_update => match part.child(S::set_clause_list) {
                    Some(clauses) => given.extend(self.given(clauses, here, target)),
                    None => kept.add(&Origin::Unknown),
                },
                S::merge_insert => kept.add(&self.value(part, here)),
                _ => {
                    let read = self.value(part, here);
                    self.infer(&read);
                }
            }
        }
    }

    /// What `SET` gives each column.
    fn given(&mut self, clauses: Cursor<'_>, here: &Scope<'_>, target: &Source) -> Vec<Given> {
        let given = clauses.items().into_iter().map(|clause| {
            let name = clause.child(S::set_target).and_then(|target| target.child(S::ColId)).map(Cursor::value);
            Given {
                column: name.map(str::to_owned),
                origin: self.value(clause, here),
                is_kept_in_place: is_kept_in_place(clause, target),
            }
        });
        given.collect()
    }

    /// The table that is changed, by the name it has in the statement.
    fn target(&mut self, statement: Cursor<'_>) -> Option<Source> {
        let target = statement.child(S::insert_target).or_else(|| statement.child(S::relation_expr_opt_alias))?;
        let name = target.find(S::qualified_name)?;
        // Never what `WITH` names.
        let parts = names::parts(name);
        let (schema, rows) = self.table(&parts);
        if self.is_of_system(&parts) {
            self.store(&Origin::Unknown);
        }
        let alias = target.child(S::ColId).map(|alias| alias.value().to_owned());
        let schema = schema.filter(|_| alias.is_none());
        Some(Source { alias: alias.or_else(|| parts.last().cloned()), schema, rows })
    }
}

/// What decides whether a row can be inserted: the columns that are named, or any of the table.
fn conflicting(clause: Cursor<'_>, own: &Rows) -> Origin {
    let Some(list) = clause.child(S::opt_conf_expr).and_then(|named| named.child(S::index_params)) else {
        return own.whole.clone();
    };
    let mut columns = Origin::none();
    for element in list.items() {
        if let Some(column) = element.child(S::ColId) {
            columns.add(&own.column(column.value()).unwrap_or(Origin::Unknown));
        }
    }
    columns
}

/// What a column is given.
struct Given {
    /// None where several are given something at once.
    column: Option<String>,
    origin: Origin,
    /// Whether it is what was there.
    is_kept_in_place: bool,
}

/// Whether a column of a table is given its own value, as it is. An expression of it is another value: what is shown of the
/// column would be shown of that.
fn is_kept_in_place(clause: Cursor<'_>, target: &Source) -> bool {
    let mut children = clause.children();
    let (Some(column), Some(_), Some(value), None) =
        (children.next(), children.next(), children.next(), children.next())
    else {
        return false;
    };
    let Some(column) = column.only(S::ColId) else { return false };
    let Some(value) = value.only(S::columnref) else { return false };
    let parts = names::parts(value);
    // Names with dots between them, and nothing behind.
    if value.size().saturating_add(1) != parts.len().saturating_mul(2) {
        return false;
    }
    let is_of_target = match parts.as_slice() {
        [name] => name == column.value(),
        [of, name] => name == column.value() && target.alias.as_ref() == Some(of),
        [schema, of, name] => {
            name == column.value() && target.alias.as_ref() == Some(of) && target.schema.as_ref() == Some(schema)
        }
        _ => false,
    };
    // A column of a view is what its query gives.
    let is_of_table =
        matches!(target.rows.surely(column.value()), Some(Origin::Columns(columns)) if columns.len() == 1);
    is_of_target && is_of_table
}
