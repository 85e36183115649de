//! Tables that statements about objects name: by `any_name` of the grammar, by a column of theirs, or by a list that is not of
//! tables alone. (What has a `qualified_name` needs none of this.)

use postgresql_cst_parser::syntax_kind::SyntaxKind as S;

use crate::names;
use crate::tree::Cursor;

/// What a node names so, and whether it is changed by it.
pub(super) fn named(at: Cursor<'_>) -> Vec<(Vec<String>, bool)> {
    let of_object = || at.child(S::any_name).map(names::parts);
    let written: Vec<Vec<String>> = match at.kind() {
        S::DropStmt => {
            let names = at.child(S::any_name_list).map(Cursor::items).unwrap_or_default();
            names.into_iter().map(names::parts).chain(of_object()).collect()
        }
        S::CommentStmt | S::SecLabelStmt if at.has(S::COLUMN) => of_object().and_then(table_of).into_iter().collect(),
        S::CommentStmt | S::SecLabelStmt | S::AlterExtensionContentsStmt if !at.has(S::DOMAIN_P) => {
            of_object().into_iter().collect()
        }
        S::ImportForeignSchemaStmt => imported(at),
        // What a sequence belongs to is not changed by it, nor what is published.
        S::SeqOptElem if at.has(S::OWNED) => {
            return of_object().and_then(table_of).map(|table| (table, false)).into_iter().collect();
        }
        S::CreatePublicationStmt | S::AlterPublicationStmt => {
            return published(at).into_iter().map(|table| (table, false)).collect();
        }
        _ => Vec::new(),
    };
    written.into_iter().map(|name| (name, true)).collect()
}

/// The table of a column.
fn table_of(mut column: Vec<String>) -> Option<Vec<String>> {
    column.pop();
    (!column.is_empty()).then_some(column)
}

/// Tables that `IMPORT FOREIGN SCHEMA` makes, where it says which.
fn imported(at: Cursor<'_>) -> Vec<Vec<String>> {
    let which = at.child(S::import_qualification).filter(|which| which.find(S::LIMIT).is_some());
    let into = at.children().filter(|child| child.is(S::name)).last();
    let (Some(which), Some(into)) = (which, into) else { return Vec::new() };
    let names = which.descendants().filter(|below| below.is(S::qualified_name));
    let there = |name: Cursor<'_>| Some(vec![into.value().to_owned(), names::parts(name).pop()?]);
    names.filter_map(there).collect()
}

/// Tables of a publication that are named without the word: what stands before says what they are.
fn published(at: Cursor<'_>) -> Vec<Vec<String>> {
    let mut is_table = false;
    let mut tables = Vec::new();
    for object in at.child(S::pub_obj_list).map(Cursor::items).unwrap_or_default() {
        if object.has(S::TABLE) || object.has(S::TABLES) {
            is_table = object.has(S::TABLE);
        } else if is_table && object.has(S::ColId) {
            tables.push(names::parts(object));
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::parse;

    fn joined(names: &BTreeSet<String>) -> String {
        names.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_table_that_a_statement_names_is_told() {
        for (text, reads, writes) in [
            ("drop policy p on hr.t", "", "hr.t"),
            ("drop policy if exists p on d.hr.\"T\" cascade", "", "d.hr.T"),
            ("drop trigger g on hr.t", "", "hr.t"),
            ("drop rule r on t restrict", "", "t"),
            ("drop table a, b.c", "", "a b.c"),
            ("drop view a, b.c", "", "a b.c"),
            ("drop materialized view concurrently_", "", "concurrently_"),
            ("drop foreign table a", "", "a"),
            ("drop index concurrently a.i", "", "a.i"),
            ("drop sequence a.s", "", "a.s"),
            ("drop statistics a.s", "", "a.s"),
            ("drop schema a cascade", "", ""),
            ("drop type a.t", "", ""),
            ("drop function f(a.t)", "", ""),
            ("comment on table hr.t is 'x'", "", "hr.t"),
            ("comment on view hr.t is null", "", "hr.t"),
            ("comment on materialized view hr.t is 'x'", "", "hr.t"),
            ("comment on foreign table hr.t is 'x'", "", "hr.t"),
            ("comment on index hr.t is 'x'", "", "hr.t"),
            ("comment on sequence hr.t is 'x'", "", "hr.t"),
            ("comment on column hr.t.c is 'x'", "", "hr.t"),
            ("comment on column t.c is 'x'", "", "t"),
            ("comment on constraint c on hr.t is 'x'", "", "hr.t"),
            ("comment on trigger g on hr.t is 'x'", "", "hr.t"),
            ("comment on rule r on hr.t is 'x'", "", "hr.t"),
            ("comment on policy p on U&\"hr\".t is 'x'", "", "hr.t"),
            ("comment on constraint c on domain hr.d is 'x'", "", ""),
            ("comment on schema hr is 'x'", "", ""),
            ("comment on type hr.t is 'x'", "", ""),
            ("security label on table hr.t is 'x'", "", "hr.t"),
            ("security label for p on column hr.t.c is 'x'", "", "hr.t"),
            ("security label on view hr.t is 'x'", "", "hr.t"),
            ("security label on role r is 'x'", "", ""),
            ("alter extension e add table hr.t", "", "hr.t"),
            ("alter extension e drop materialized view hr.t", "", "hr.t"),
            ("alter extension e add function f(int)", "", ""),
            ("create policy p on hr.t using (a in (select b from u))", "u", "hr.t"),
            ("alter policy p on hr.t with check (exists (select from u))", "u", "hr.t"),
            ("alter policy p on hr.t rename to q", "", "hr.t"),
            ("create statistics s on a, b from hr.t", "", "hr.t"),
            ("create statistics if not exists x.s (ndistinct) on a, (b + 1) from only hr.t", "", "hr.t"),
            ("alter statistics s set statistics 5", "", ""),
            ("create trigger g before update on hr.t for each row execute function f()", "", "hr.t"),
            ("create constraint trigger g after insert on t from u for each row execute function f()", "u", "t"),
            ("alter trigger g on hr.t rename to h", "", "hr.t"),
            ("alter trigger g on hr.t depends on extension e", "", "hr.t"),
            ("alter materialized view hr.t no depends on extension e", "", "hr.t"),
            ("alter index hr.t depends on extension e", "", "hr.t"),
            ("alter rule r on hr.t rename to q", "", "hr.t"),
            ("create rule r as on update to hr.t do also insert into u select * from w", "w", "hr.t u"),
            ("alter table hr.t rename column a to b", "", "hr.t"),
            ("alter table hr.t set schema x", "", "hr.t"),
            ("alter table hr.t owner to x", "", "hr.t"),
            ("alter table hr.t disable row level security", "", "hr.t"),
            ("alter table hr.t attach partition u for values in (1)", "", "hr.t u"),
            ("alter table hr.t detach partition u concurrently", "", "hr.t u"),
            ("alter index i attach partition j", "", "i j"),
            ("alter table t add foreign key (a) references u (b)", "u", "t"),
            ("alter view hr.t alter column a set default 1", "", "hr.t"),
            ("alter sequence s owned by hr.t.c", "hr.t", "s"),
            ("create sequence s owned by t.c", "t", "s"),
            ("create sequence s owned by none", "", "s"),
            ("alter sequence s restart", "", "s"),
            ("alter foreign table hr.t add column c int", "", "hr.t"),
            ("create table t (a int generated always as identity (sequence name s owned by u.c))", "u", "t"),
            ("create table t partition of u default", "u", "t"),
            ("create foreign table t (a int) server s", "", "t"),
            ("import foreign schema x limit to (a, b) from server s into hr", "", "hr.a hr.b"),
            ("import foreign schema x except (a) from server s into hr", "", ""),
            ("create index on only hr.t (f(a))", "", "hr.t"),
            ("create materialized view v as select * from hr.t", "hr.t", "v"),
            ("refresh materialized view concurrently hr.v", "", "hr.v"),
            ("cluster hr.t using i", "hr.t", ""),
            ("cluster i on hr.t", "hr.t", ""),
            ("reindex (verbose) table concurrently hr.t", "hr.t", ""),
            ("reindex index i", "i", ""),
            ("reindex schema hr", "", ""),
            ("vacuum full verbose hr.t (a), u", "hr.t u", ""),
            ("vacuum (full) hr.t", "hr.t", ""),
            ("analyze hr.t (a), u", "hr.t u", ""),
            ("lock table hr.t, only u in exclusive mode nowait", "hr.t u", ""),
            ("truncate hr.t, only u restart identity cascade", "", "hr.t u"),
            (
                "create publication p for table hr.t, u (a) where (b > 1), only w, only (x.y), tables in schema s, z",
                "hr.t u w x.y",
                "",
            ),
            ("create publication p for tables in schema s, z, table hr.t", "hr.t", ""),
            ("create publication p for all tables", "", ""),
            ("alter publication p add table hr.t, x.u", "hr.t x.u", ""),
            ("alter publication p set table hr.t, u", "hr.t u", ""),
            ("alter publication p drop table hr.t, u", "hr.t u", ""),
            ("grant select (a), update on hr.t, u to x", "", "hr.t u"),
            ("revoke grant option for all on table hr.t from x cascade", "", "hr.t"),
            ("grant usage on sequence hr.s to x", "", "hr.s"),
            ("grant select on all tables in schema hr to x", "", ""),
            ("set constraints hr.c deferred", "", ""),
            ("create function f() returns int begin atomic select a from hr.t; end", "hr.t", ""),
        ] {
            let script = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let facts = script.statements().next().unwrap().facts();
            assert_eq!((joined(&facts.reads), joined(&facts.writes)), (reads.to_owned(), writes.to_owned()), "{text}");
        }
    }
}
