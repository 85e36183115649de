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
        let excluded = {
            let mut rows = own.clone();
            rows.taint(&kept);
            Source { alias: Some("excluded".into()), schema: None, rows }
        };
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
        for clause in statement.children() {
            match clause.kind() {
                S::set_clause_list => kept.add(&self.value(clause, &here)),
                // The condition of a `MERGE`, or of which rows are changed.
                S::where_or_current_clause | S::a_expr => {
                    let read = self.value(clause, &here);
                    self.infer(&read);
                }
                S::merge_when_list => {
                    let read = self.value(clause, &here);
                    self.infer(&read);
                    kept.add(&read);
                }
                S::opt_on_conflict => {
                    let mut conflict = Scope::inside(&here);
                    conflict.sources.push(excluded.clone());
                    let read = self.value(clause, &conflict);
                    self.infer(&read);
                    kept.add(&read);
                }
                _ => {}
            }
        }
        let given = self.given(statement, &here);
        self.store(&given.as_ref().map_or_else(|| kept.clone(), |given| elsewhere(given, &own)));
        let Some(list) = statement.child(S::returning_clause).and_then(|clause| clause.child(S::target_list)) else {
            return Rows::none();
        };
        // What comes back of the target may be what was just put there.
        match given {
            None => target.rows.taint(&kept),
            Some(given) => {
                for (column, origin) in given {
                    target.rows.taint_column(column.as_deref(), &origin);
                }
            }
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

    /// What each column is given by `UPDATE`; without a name where several are given at once.
    fn given(&mut self, statement: Cursor<'_>, here: &Scope<'_>) -> Option<Vec<(Option<String>, Origin)>> {
        let clauses = statement.child(S::set_clause_list).filter(|_| statement.is(S::UpdateStmt))?;
        let given = clauses.items().into_iter().map(|clause| {
            let target = clause.child(S::set_target).and_then(|target| target.child(S::ColId));
            (target.map(|target| target.value().to_owned()), self.value(clause, here))
        });
        Some(given.collect())
    }

    /// The table that is changed, by the name it has in the statement.
    fn target(&mut self, statement: Cursor<'_>) -> Option<Source> {
        let target = statement.child(S::insert_target).or_else(|| statement.child(S::relation_expr_opt_alias))?;
        let name = target.find(S::qualified_name)?;
        // Never what `WITH` names.
        let parts = names::parts(name);
        let (schema, rows) = self.table(&parts);
        let alias = target.child(S::ColId).map(|alias| alias.value().to_owned());
        let schema = schema.filter(|_| alias.is_none());
        Some(Source { alias: alias.or_else(|| parts.last().cloned()), schema, rows })
    }
}

/// What is kept in other columns than it comes of: that a column is changed by what it was keeps nothing anywhere else.
fn elsewhere(given: &[(Option<String>, Origin)], own: &Rows) -> Origin {
    let mut elsewhere = Origin::none();
    for (column, origin) in given {
        let same = column.as_deref().and_then(|column| own.column(column));
        match (origin, same) {
            (Origin::Columns(columns), Some(Origin::Columns(same))) => {
                let others = columns.iter().filter(|column| !same.contains(*column)).cloned();
                elsewhere.add(&Origin::Columns(others.collect()));
            }
            _ => elsewhere.add(origin),
        }
    }
    elsewhere
}
