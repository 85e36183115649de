//! Functions that are called without parentheses behind their names (PostgreSQL, 8.16.3 "Accessing Composite Types"):
//! `(x).f`, `$1.f` and `a[1].f` are `f(x)` where no field is of that name, `t.f` is where `t` is a function in `FROM` that gives
//! plain values, and `TREAT(x AS f)` always is.

use std::collections::BTreeSet;

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use crate::names;
use crate::scan::TokenKind;
use crate::tree::Cursor;

/// Names by which a node may call a function in this way, whatever tables there are.
pub(crate) fn by_notation(at: Cursor<'_>) -> Vec<&str> {
    match at.kind() {
        S::c_expr => attributes(at).collect(),
        // Up to a subscript it is the name of a column.
        S::columnref => attributes(at).skip(names::parts(at).len().saturating_sub(1)).collect(),
        S::func_expr_common_subexpr if at.has(S::TREAT) => {
            let kind = at.child(S::Typename).unwrap_or(at);
            kind.values().filter(|(kind, _)| is_name(*kind)).map(|(_, name)| name).collect()
        }
        _ => Vec::new(),
    }
}

/// What functions in `FROM` may be called there.
#[derive(Debug, Default)]
pub(crate) struct Sources<'a> {
    names: BTreeSet<&'a str>,
    /// Whether one has no alias: the name that PostgreSQL gives it is not always that of the function (`trim`, `cast`, `ROWS FROM`).
    has_any: bool,
}

impl<'a> Sources<'a> {
    pub(crate) fn of(own: Cursor<'a>) -> Self {
        let mut sources = Self::default();
        for table in own.descendants().filter(|below| below.has(S::func_table)) {
            let alias = table.children().find(|child| matches!(child.kind(), S::func_alias_clause | S::alias_clause));
            let is_as = |kind: TokenKind, word: &str| kind == TokenKind::Word && word == "as";
            let name =
                alias.and_then(|alias| alias.values().find(|(kind, word)| is_name(*kind) && !is_as(*kind, word)));
            match name {
                Some((_, name)) => _ = sources.names.insert(name),
                None => sources.has_any = true,
            }
        }
        sources
    }

    /// The function that a column of such a source may be.
    fn called_at(&self, at: Cursor<'a>) -> Option<&'a str> {
        if self.names.is_empty() && !self.has_any || !at.is(S::columnref) {
            return None;
        }
        // Behind a subscript are attributes of what the function gives, and in it other names.
        let of_name = names::parts(at).len().saturating_sub(1);
        let last = attributes(at).take(of_name).last()?;
        (self.has_any || self.names.contains(at.value())).then_some(last)
    }
}

/// Every function that a statement may call so.
pub(crate) fn all(own: Cursor<'_>) -> Vec<String> {
    let sources = Sources::of(own);
    let mut all = Vec::new();
    for at in own.descendants() {
        all.extend(by_notation(at).into_iter().chain(sources.called_at(at)).map(str::to_owned));
    }
    all
}

/// Whether a function of PostgreSQL's own that is called so may tell something else than what it computes of its argument. Those
/// of other schemas are known from the catalog.
pub(crate) fn tells_more(name: &str) -> bool {
    let few = ["current_setting", "row_security_active", "setseed", "ts_debug", "txid_status"];
    name.starts_with("pg_") || few.contains(&name) || crate::functions::runs_code(&[name.to_owned()])
}

/// The attributes that a node takes, one of another; not those in its subscripts, which are other nodes' own.
fn attributes(at: Cursor<'_>) -> impl Iterator<Item = &str> {
    let behind = at.children().filter(|child| matches!(child.kind(), S::indirection | S::opt_indirection));
    behind.flat_map(Cursor::items).filter_map(|element| element.child(S::attr_name)).map(Cursor::value)
}

const fn is_name(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Word | TokenKind::Quoted)
}

#[cfg(test)]
mod tests {
    use crate::{Kind, parse};

    /// The functions that the only statement of a text may call, and whether it runs code.
    fn told(text: &str) -> (Vec<String>, bool) {
        let script = parse(text).unwrap();
        let statement = script.statements().next().unwrap();
        (statement.facts().functions.into_iter().collect(), statement.kinds().contains(&Kind::Code))
    }

    #[test]
    fn a_function_is_seen_however_it_is_called() {
        for text in [
            "select ('select 1'::text).ts_stat",
            "select ($1).ts_stat",
            "select $1.ts_stat",
            "select (array['a'])[1].ts_stat",
            "select a[1].ts_stat from t",
            "select t.a[1].ts_stat from t",
            "select (select 'x'::text).ts_stat",
            "select ((('x'::text))).\"ts_stat\"",
            "select TREAT('x' AS ts_stat)",
            "select treat('x' as setof ts_stat)",
            "select treat('x' as pg_catalog.ts_stat)",
            "select t.ts_stat from unnest(array['select 1'::text]) t",
            "select t.ts_stat from unnest(array['select 1'::text]) as t(x)",
            "select unnest.ts_stat from unnest(array['select 1'::text])",
            "select btrim.ts_stat from trim('select 1'::text)",
            "select text.ts_stat from cast('select 1' as text)",
            "select unnest.ts_stat from rows from (unnest(array['select 1'::text]))",
            "select r.ts_stat from rows from (unnest(array['select 1'::text])) r",
            "select \"as\".ts_stat from unnest(array['select 1'::text]) \"as\"",
            "select t.x from lateral unnest(array['select 1'::text]) as \"t\", lateral (select t.ts_stat) u",
            "select coalesce.ts_stat from coalesce('select 1'::text, '')",
            "select * from t where exists (select (a).ts_stat)",
            "insert into t values (($1).ts_stat)",
            "select 1 from t order by (b).x.ts_stat",
            "select t.ts_stat[u.i] from unnest(array['select 1'::text]) t, u",
            "select t.ts_stat[u.i][1:u.j] from unnest(array['select 1'::text]) t, u",
            "select t.ts_stat[:u.i].word from unnest(array['select 1'::text]) t, u",
            "select t.ts_stat[(u.i).x[v.k]].word[w.l] from unnest(array['select 1'::text]) t, u, v, w",
            "select u.a[t.ts_stat[u.i]] from unnest(array['select 1'::text]) t, u",
            "select btrim.ts_stat[u.i] from trim('select 1'::text), u",
            "select u.a[u.i].ts_stat[u.j] from u",
            "select u.a[(u.i).x].b[1].ts_stat[u.j].c from u",
            "select ($1).x[u.i].ts_stat[u.j] from u",
            "select (u.a)[u.i].ts_stat from u",
            "update u set a[(u.b).ts_stat] = 1",
            "insert into u (a[$1.ts_stat]) values (1)",
        ] {
            let (functions, is_code) = told(text);
            assert!(is_code && functions.iter().any(|name| name == "ts_stat"), "{text}: {functions:?}");
        }
    }

    #[test]
    fn names_of_columns_are_no_calls() {
        for text in [
            "select t.http_status, t.system from logs t",
            "select a.ts_stat from t a",
            "update t set a.ts_stat = 1",
            "select (information_schema._pg_expandarray(i.indkey)).n from pg_index i",
            "select ts_stat.* from ts_stat",
            "select t.t from unnest(array[1]) t",
            "select a[u.ts_stat] from u",
            "select (a)[u.ts_stat].b from u",
            "select t.x[u.ts_stat] from unnest(array[1]) t, u",
        ] {
            assert!(!told(text).1, "{text}");
        }
    }
}
