//! `FROM`: tables, functions, subqueries and joins, and what they are called.

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use super::origin::Origin;
use super::reader::Reader;
use super::scope::{Field, Rows, Scope, Source};
use crate::names;
use crate::tree::Cursor;

/// Functions that give one column, whatever they are given.
const OF_ONE_COLUMN: &[&str] = &[
    "generate_series",
    "generate_subscripts",
    "regexp_split_to_table",
    "string_to_table",
    "json_array_elements",
    "json_array_elements_text",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "json_object_keys",
    "jsonb_object_keys",
    "jsonb_path_query",
];

/// What an item is called: its own name, and those of its columns.
#[derive(Debug, Default)]
struct Alias {
    name: Option<String>,
    columns: Vec<String>,
    /// Whether the columns are all there are (`AS x(a int, b text)`).
    is_complete: bool,
}

impl Alias {
    fn of(item: Cursor<'_>) -> Self {
        let mut alias = Self::default();
        let clause = item
            .children()
            .find(|child| matches!(child.kind(), S::opt_alias_clause | S::alias_clause | S::func_alias_clause));
        let Some(clause) = clause else { return alias };
        for at in clause.descendants() {
            match at.kind() {
                S::ColId if alias.name.is_none() && alias.columns.is_empty() => {
                    alias.name = Some(at.value().to_owned());
                }
                S::name => alias.columns.push(at.value().to_owned()),
                S::TableFuncElement => {
                    alias.columns.push(at.value().to_owned());
                    alias.is_complete = true;
                }
                _ => {}
            }
        }
        alias
    }
}

impl Reader<'_> {
    /// What an item of `FROM` gives for `*`; its names are added to the scope. `outer` is what it sees without `LATERAL`.
    pub(super) fn item(&mut self, item: Cursor<'_>, outer: &Scope<'_>, here: &mut Scope<'_>) -> Rows {
        // Joins are written from the left: down to the first item, and back up.
        let mut joins = Vec::new();
        let mut at = item;
        let mut rows = loop {
            let Some(join) = at.child(S::joined_table).filter(|join| is_plain(at, *join)) else {
                break self.simple_item(at, outer, here);
            };
            let Some(left) = join.child(S::table_ref) else { break self.simple_item(at, outer, here) };
            joins.push(join);
            at = left;
        };
        while let Some(join) = joins.pop() {
            let Some(right) = join.children().filter(|child| child.is(S::table_ref)).nth(1) else {
                return Rows::unknown();
            };
            let others = self.deeper_item(right, outer, here);
            rows = self.join(join, rows, others, here);
        }
        rows
    }

    fn deeper_item(&mut self, item: Cursor<'_>, outer: &Scope<'_>, here: &mut Scope<'_>) -> Rows {
        self.deeper(|reader| reader.item(item, outer, here))
    }

    /// An item that is no join, or one in parentheses.
    fn simple_item(&mut self, item: Cursor<'_>, outer: &Scope<'_>, here: &mut Scope<'_>) -> Rows {
        let alias = Alias::of(item);
        if let Some(join) = item.child(S::joined_table) {
            return self.join_in_parentheses(join, alias, outer, here);
        }
        if let Some(sample) = item.child(S::tablesample_clause) {
            let read = self.value(sample, here);
            self.infer(&read);
        }
        if let Some(table) = item.child(S::relation_expr) {
            let Some(name) = table.find(S::qualified_name) else { return Rows::unknown() };
            let (schema, mut rows) = self.relation(name, here);
            rows.rename(&alias.columns);
            let own = names::parts(name).pop();
            let schema = schema.filter(|_| alias.name.is_none());
            here.sources.push(Source { alias: alias.name.or(own), schema, rows: rows.clone() });
            return rows;
        }
        let mut rows = if let Some(query) = item.child(S::select_with_parens) {
            if item.has(S::LATERAL_P) { self.query(query, here) } else { self.query(query, outer) }
        } else if let Some(function) = item.child(S::func_table) {
            self.function(function, &alias, here)
        } else if let Some(table) = item.child(S::xmltable).or_else(|| item.child(S::json_table)) {
            // Each column is taken from the document by a path, and so is each row.
            let whole = self.value(table, here);
            self.infer(&whole);
            Rows { fields: None, whole }
        } else {
            Rows::unknown()
        };
        rows.rename(&alias.columns);
        let own = item
            .child(S::func_table)
            .and_then(|function| names::parts(function.find(S::func_application)?.child(S::func_name)?).pop());
        here.sources.push(Source { alias: alias.name.or(own), schema: None, rows: rows.clone() });
        rows
    }

    /// `(a JOIN b …)`, with a name that hides those in it, or without.
    fn join_in_parentheses(&mut self, join: Cursor<'_>, alias: Alias, outer: &Scope<'_>, here: &mut Scope<'_>) -> Rows {
        let before = here.sources.len();
        let mut rows = self.deeper(|reader| {
            // `((a JOIN b …))` and `(a JOIN b …)` hold the join itself.
            let mut join = join;
            while let Some(inner) = join.child(S::joined_table) {
                join = inner;
            }
            let mut sides = join.children().filter(|child| child.is(S::table_ref));
            let (Some(left), Some(right)) = (sides.next(), sides.next()) else { return Rows::unknown() };
            let rows = reader.item(left, outer, here);
            let others = reader.deeper_item(right, outer, here);
            reader.join(join, rows, others, here)
        });
        if alias.name.is_some() {
            here.sources.truncate(before);
            rows.rename(&alias.columns);
            here.sources.push(Source { alias: alias.name, schema: None, rows: rows.clone() });
        }
        rows
    }

    /// What two joined items give: columns that `USING` or `NATURAL` merge come first.
    fn join(&mut self, join: Cursor<'_>, left: Rows, right: Rows, here: &mut Scope<'_>) -> Rows {
        let mut rows = left;
        if !self.step(right.size()) {
            return Rows::unknown();
        }
        let condition = join.child(S::join_qual);
        let using = condition.and_then(|condition| condition.child(S::name_list));
        let merged: Vec<String> = match (using, &rows.fields, &right.fields) {
            (Some(list), ..) => list.items().into_iter().map(|name| name.value().to_owned()).collect(),
            (None, Some(fields), Some(_)) if join.has(S::NATURAL) && are_named(&rows) && are_named(&right) => {
                let names = fields.iter().filter_map(|field| field.name.clone());
                names.filter(|name| right.has_column(name)).collect()
            }
            (None, ..) if join.has(S::NATURAL) => {
                // Which columns are merged is not known, so neither is what comes.
                self.infer(&rows.whole);
                self.infer(&right.whole);
                self.append(&mut rows, right);
                rows.fields = None;
                return rows;
            }
            _ => {
                if let Some(condition) = condition {
                    let read = self.value(condition, here);
                    self.infer(&read);
                }
                self.append(&mut rows, right);
                return rows;
            }
        };
        if !self.step(merged.len().saturating_mul(rows.size()).saturating_add(rows.size())) {
            return Rows::unknown();
        }
        let mut fields = Vec::new();
        for name in &merged {
            let mut origin = rows.column(name).unwrap_or(Origin::Unknown);
            origin.add(&right.column(name).unwrap_or(Origin::Unknown));
            self.infer(&origin);
            fields.push(Field { name: Some(name.clone()), origin });
        }
        let is_known = are_named(&rows) && are_named(&right);
        if let Some(alias) =
            condition.and_then(|condition| condition.child(S::opt_alias_clause_for_join_using)?.child(S::ColId))
        {
            let rows = Rows::of(fields.clone());
            here.sources.push(Source { alias: Some(alias.value().to_owned()), schema: None, rows });
        }
        self.append(&mut rows, right);
        rows.fields = rows.fields.filter(|_| is_known).map(|others| {
            let is_other = |field: &Field| !field.name.as_ref().is_some_and(|name| merged.contains(name));
            fields.extend(others.into_iter().filter(is_other));
            fields
        });
        rows
    }

    /// What functions in `FROM` give.
    fn function(&mut self, table: Cursor<'_>, alias: &Alias, here: &Scope<'_>) -> Rows {
        let whole = self.value(table, here);
        if self.gives_sets(table, here) {
            self.infer(&whole);
        }
        let field = |name: Option<String>, origin: &Origin| Field { name, origin: origin.clone() };
        let ordinality =
            table.has(S::opt_ordinality).then(|| Field { name: Some("ordinality".into()), origin: Origin::none() });
        if alias.is_complete {
            let fields = alias.columns.iter().map(|name| field(Some(name.clone()), &whole));
            return Rows { fields: Some(fields.chain(ordinality).collect()), whole };
        }
        let name = table.child(S::func_expr_windowless).and_then(|call| call.child(S::func_application));
        let name = name.and_then(|call| call.child(S::func_name)).map(names::parts).unwrap_or_default();
        let is_single = match name.as_slice() {
            [name] => OF_ONE_COLUMN.contains(&name.as_str()),
            [schema, name] => schema == "pg_catalog" && OF_ONE_COLUMN.contains(&name.as_str()),
            _ => false,
        };
        if is_single {
            // Its name is the alias or the function's, unless its result has one.
            let own = name.last().filter(|name| !name.starts_with("json"));
            let fields = [field(own.map(|own| alias.name.as_ref().unwrap_or(own).clone()), &whole)];
            let fields = fields.into_iter().chain(ordinality);
            return Rows { fields: Some(fields.collect()), whole };
        }
        Rows { fields: None, whole }
    }
}

/// Whether all columns have names that are known.
fn are_named(rows: &Rows) -> bool {
    rows.fields.iter().flatten().all(|field| field.name.is_some())
}

/// Whether a join is not in parentheses, so that its names are seen as they are.
fn is_plain(item: Cursor<'_>, join: Cursor<'_>) -> bool {
    !item.has(S::LParen) && !join.has(S::joined_table)
}
