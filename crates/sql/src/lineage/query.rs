//! Queries: `WITH`, set operations, `SELECT`, `VALUES`, `TABLE`.

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use super::expression::is_own_operator;
use super::origin::Origin;
use super::reader::Reader;
use super::scope::{Environment, Field, Named, Rows, Scope};
use crate::names;
use crate::scan::TokenKind;
use crate::tree::Cursor;

/// How often a recursive query is followed until nothing new comes.
const MAX_ROUNDS: usize = 64;

impl Reader<'_> {
    /// What a query, or a statement in `WITH`, gives.
    pub(super) fn query(&mut self, node: Cursor<'_>, scope: &Scope<'_>) -> Rows {
        self.deeper(|reader| reader.query_here(node, scope))
    }

    fn query_here(&mut self, node: Cursor<'_>, scope: &Scope<'_>) -> Rows {
        let mut at = node;
        loop {
            at = match at.kind() {
                S::select_no_parens | S::simple_select => break,
                S::InsertStmt | S::UpdateStmt | S::DeleteStmt | S::MergeStmt => return self.change(at, scope),
                S::SelectStmt | S::select_clause | S::PreparableStmt | S::select_with_parens => {
                    match at.children().find(|child| !matches!(child.kind(), S::LParen | S::RParen)) {
                        Some(child) => child,
                        None => return Rows::unknown(),
                    }
                }
                _ => return Rows::unknown(),
            };
        }
        if at.is(S::simple_select) {
            return self.operands(at, None, scope);
        }
        let environment = self.with(at, scope);
        let inner = Scope::with(scope, &environment);
        let sort = at.child(S::opt_sort_clause).or_else(|| at.child(S::sort_clause));
        let body = at
            .children()
            .find(|child| matches!(child.kind(), S::select_clause | S::simple_select | S::select_with_parens));
        let rows = body.map_or_else(Rows::unknown, |body| self.operands(body, sort, &inner));
        for limit in at.children().filter(|child| matches!(child.kind(), S::select_limit | S::opt_select_limit)) {
            let read = self.value(limit, &inner);
            self.infer(&read);
        }
        rows
    }

    /// What `WITH` names, for a statement that may begin with it.
    pub(super) fn with<'a>(&mut self, statement: Cursor<'_>, scope: &Scope<'a>) -> Environment<'a> {
        let mut environment = Environment { named: Vec::new(), outer: Some(scope.environment) };
        let with = statement.child(S::opt_with_clause).unwrap_or(statement).child(S::with_clause);
        let Some((with, list)) = with.and_then(|with| Some((with, with.child(S::cte_list)?))) else {
            return environment;
        };
        let tables = list.items();
        if !with.has(S::RECURSIVE) {
            for table in tables {
                let rows = {
                    let inner = Scope::with(scope, &environment);
                    self.deeper(|reader| reader.named_query(table, &inner))
                };
                environment.named.push(Named { name: name_of(table), rows: renamed(table, rows) });
            }
            return environment;
        }
        // Each may name all others; what comes later is not known yet.
        let unknown = |table: &Cursor<'_>| Named { name: name_of(*table), rows: Rows::unknown() };
        environment.named.extend(tables.iter().map(unknown));
        for (place, table) in tables.into_iter().enumerate() {
            let rows = self.recursive(table, place, scope, &mut environment);
            // Rows that come again end it.
            if table.has(S::opt_cycle_clause) {
                self.infer(&rows.whole);
            }
            if let Some(named) = environment.named.get_mut(place) {
                named.rows = rows;
            }
        }
        environment
    }

    fn named_query(&mut self, table: Cursor<'_>, scope: &Scope<'_>) -> Rows {
        table.child(S::PreparableStmt).map_or_else(Rows::unknown, |query| self.query_here(query, scope))
    }

    /// A query that may name itself: followed until what it gives does not grow.
    fn recursive(
        &mut self,
        table: Cursor<'_>,
        place: usize,
        scope: &Scope<'_>,
        environment: &mut Environment<'_>,
    ) -> Rows {
        let name = name_of(table);
        let names_itself = table.descendants().any(|below| {
            below.is(S::qualified_name) && matches!(names::parts(below).as_slice(), [only] if *only == name)
        });
        let mut known = if names_itself {
            // The first operand gives the columns, and names nothing of itself.
            let first = table.find(S::simple_select).filter(|body| body.has(S::UNION));
            let first = first.and_then(|body| body.child(S::select_clause));
            let inner = Scope::with(scope, environment);
            renamed(table, first.map_or_else(Rows::unknown, |first| self.query(first, &inner)))
        } else {
            let inner = Scope::with(scope, environment);
            let rows = self.deeper(|reader| reader.named_query(table, &inner));
            return renamed(table, rows);
        };
        for _ in 0..MAX_ROUNDS {
            if let Some(named) = environment.named.get_mut(place) {
                named.rows = known.clone();
            }
            let inner = Scope::with(scope, environment);
            let rows = self.deeper(|reader| reader.named_query(table, &inner));
            let grown = joined(known.clone(), &renamed(table, rows));
            if grown == known {
                return known;
            }
            known = grown;
        }
        Rows::unknown()
    }

    /// The operands of set operations, or the only one.
    fn operands(&mut self, body: Cursor<'_>, sort: Option<Cursor<'_>>, scope: &Scope<'_>) -> Rows {
        let mut operands = Vec::new();
        let mut is_all = true;
        let mut at = body;
        loop {
            let sides: Vec<_> = at.children().filter(|child| child.is(S::select_clause)).collect();
            match (at.kind(), sides.as_slice()) {
                (S::simple_select, [left, right]) => {
                    is_all &= at.has(S::UNION) && at.child(S::set_quantifier).is_some_and(|all| all.has(S::ALL));
                    operands.push(*right);
                    at = *left;
                }
                (S::select_clause, _) => match at.children().next() {
                    Some(child) => at = child,
                    None => return Rows::unknown(),
                },
                _ => break,
            }
        }
        if operands.is_empty() && at.is(S::simple_select) {
            return self.select(at, sort, scope);
        }
        let mut rows = self.query(at, scope);
        while let Some(operand) = operands.pop() {
            let others = self.query(operand, scope);
            if !self.step(others.size()) {
                return Rows::unknown();
            }
            rows = joined(rows, &others);
        }
        // Which rows are the same decides how many come, as does their order.
        if !is_all || sort.is_some() {
            self.infer(&rows.whole);
        }
        rows
    }

    /// `SELECT`, `VALUES` or `TABLE`.
    fn select(&mut self, body: Cursor<'_>, sort: Option<Cursor<'_>>, scope: &Scope<'_>) -> Rows {
        if let Some(values) = body.child(S::values_clause) {
            return self.values(values, sort, scope);
        }
        let mut inner = Scope::inside(scope);
        let mut star = Rows::none();
        if let Some(table) = body.child(S::relation_expr) {
            let name = table.find(S::qualified_name);
            star = name.map_or_else(Rows::unknown, |name| self.relation(name, scope).1);
        }
        let from = body.child(S::from_clause).and_then(|from| from.child(S::from_list));
        for item in from.map(Cursor::items).unwrap_or_default() {
            let rows = self.item(item, scope, &mut inner);
            self.append(&mut star, rows);
        }
        if let Some(windows) = body.child(S::window_clause) {
            let read = self.value(windows, &inner);
            self.infer(&read);
            inner.windows = read;
        }
        let rows = if body.has(S::TABLE) {
            star
        } else {
            let list = body.child(S::opt_target_list).unwrap_or(body).child(S::target_list);
            list.map_or_else(Rows::none, |list| self.targets(list, &star, &inner))
        };
        for clause in body.children() {
            match clause.kind() {
                S::where_clause | S::having_clause => {
                    let read = self.value(clause, &inner);
                    self.infer(&read);
                }
                S::distinct_clause => {
                    self.infer(&rows.whole);
                    let read = self.value(clause, &inner);
                    self.infer(&read);
                }
                S::group_clause => self.ordered(clause, &rows, &inner),
                _ => {}
            }
        }
        if let Some(sort) = sort {
            self.ordered(sort, &rows, &inner);
        }
        rows
    }

    /// What `GROUP BY` or `ORDER BY` infers: their expressions, and columns of the result by name or number.
    fn ordered(&mut self, clause: Cursor<'_>, rows: &Rows, scope: &Scope<'_>) {
        let mut id = clause.id();
        while id < clause.end() && self.step(1) {
            let at = clause.at(id);
            id = id.saturating_add(1);
            let called = self.called_by_notation(at, scope);
            self.infer(&called);
            match at.kind() {
                S::columnref | S::Iconst if !self.step(rows.size()) => return,
                S::columnref => {
                    if let [only] = names::parts(at).as_slice()
                        // Two of one name, in different words, are refused by PostgreSQL.
                        && let Some(origin) = rows.surely(only).or_else(|| rows.column(only))
                    {
                        self.infer(&origin);
                        // The result's name comes first; where only it is there, nothing else is meant.
                        if scope.name(only).is_none() {
                            continue;
                        }
                    }
                    let read = self.column(at, scope);
                    self.infer(&read);
                }
                S::Iconst => {
                    let place: Option<usize> = at.value().parse().ok();
                    let field = place.and_then(|place| rows.fields.as_ref()?.get(place.checked_sub(1)?));
                    let origin = field.map_or_else(|| rows.whole.clone(), |field| field.origin.clone());
                    self.infer(&origin);
                }
                S::select_with_parens => {
                    id = at.end();
                    let read = self.value(at, scope);
                    self.infer(&read);
                }
                S::func_application => {
                    let read = self.value(at, scope);
                    self.infer(&read);
                }
                S::qual_Op | S::subquery_Op | S::any_operator | S::qual_all_Op if !is_own_operator(at) => {
                    self.infer(&Origin::Unknown);
                }
                _ => {}
            }
        }
    }

    /// What `VALUES` gives: columns in which values of all rows are.
    fn values(&mut self, clause: Cursor<'_>, sort: Option<Cursor<'_>>, scope: &Scope<'_>) -> Rows {
        let mut fields: Vec<Field> = Vec::new();
        let mut list = Some(clause);
        while let Some(at) = list {
            let row = at.child(S::expr_list).map(Cursor::items).unwrap_or_default();
            for (place, expression) in row.into_iter().enumerate() {
                let origin = self.value(expression, scope);
                self.infer_sets(expression, scope);
                if let Some(field) = fields.get_mut(place) {
                    field.origin.add(&origin);
                } else {
                    let name = Some(format!("column{}", place.saturating_add(1)));
                    fields.push(Field { name, origin });
                }
            }
            list = at.child(S::values_clause);
        }
        let rows = Rows::of(fields);
        if sort.is_some() {
            self.infer(&rows.whole);
        }
        rows
    }

    /// What a list of targets gives.
    pub(super) fn targets(&mut self, list: Cursor<'_>, star: &Rows, scope: &Scope<'_>) -> Rows {
        let mut rows = Rows::none();
        for target in list.items() {
            if !self.step(1) {
                return Rows::unknown();
            }
            if target.has(S::Star) {
                if !self.step(star.size()) {
                    return Rows::unknown();
                }
                self.append(&mut rows, star.clone());
                continue;
            }
            let Some(expression) = target.children().next() else { return Rows::unknown() };
            if let Some(name) = expression.only(S::columnref)
                && names::has_star(name)
            {
                let of =
                    scope.source(&names::parts(name)).filter(|of| self.step(of.size().saturating_add(scope.size())));
                let of = of.cloned().unwrap_or_else(Rows::unknown);
                self.append(&mut rows, of);
                continue;
            }
            let origin = self.value(expression, scope);
            self.infer_sets(expression, scope);
            if spreads(expression) {
                self.append(&mut rows, Rows { fields: None, whole: origin });
                continue;
            }
            let label = target.children().find(|child| matches!(child.kind(), S::ColLabel | S::BareColLabel));
            let name = label.map(|label| label.value().to_owned()).or_else(|| implied_name(expression));
            self.append(&mut rows, Rows { whole: origin.clone(), fields: Some(vec![Field { name, origin }]) });
        }
        rows
    }
}

/// Whether an expression is a row whose fields become columns: `(f(x)).*`.
fn spreads(expression: Cursor<'_>) -> bool {
    expression.values().last() == Some((TokenKind::Sign, "*"))
}

/// The name that PostgreSQL gives a column; none where that is not told here.
fn implied_name(expression: Cursor<'_>) -> Option<String> {
    if let Some(column) = expression.only(S::columnref) {
        let is_plain = column.values().all(|(_, value)| value != "[");
        return is_plain.then(|| names::parts(column).pop()).flatten();
    }
    let call = expression.only(S::func_expr).unwrap_or(expression);
    let call =
        call.child(S::func_application).filter(|_| call.is(S::func_expr)).or_else(|| call.only(S::func_application));
    names::parts(call?.child(S::func_name)?).pop()
}

fn name_of(table: Cursor<'_>) -> String {
    table.child(S::name).map(|name| name.value().to_owned()).unwrap_or_default()
}

/// What a named query gives, by the names that `WITH` gives its columns.
fn renamed(table: Cursor<'_>, mut rows: Rows) -> Rows {
    let names = table.child(S::opt_name_list).and_then(|list| list.child(S::name_list));
    let names: Vec<_> =
        names.map(Cursor::items).unwrap_or_default().into_iter().map(|name| name.value().to_owned()).collect();
    rows.rename(&names);
    // `SEARCH` and `CYCLE` add columns.
    if table.has(S::opt_search_clause) || table.has(S::opt_cycle_clause) {
        rows.fields = None;
    }
    rows
}

/// Rows of two queries under the names of the first.
fn joined(mut rows: Rows, others: &Rows) -> Rows {
    match (&mut rows.fields, &others.fields) {
        (Some(fields), Some(others)) if fields.len() == others.len() => {
            for (field, other) in fields.iter_mut().zip(others) {
                field.origin.add(&other.origin);
            }
        }
        (fields, _) => *fields = None,
    }
    rows.whole.add(&others.whole);
    rows
}
