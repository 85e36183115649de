//! Sessions of statements, by what a catalogue says.

use std::sync::Arc;

use vidimus_mask::{ClassId, FieldRules};

use super::*;

const RULES: [(&str, &str); 2] = [("hr.people.ssn", "US_SSN"), ("*.*.badge", "US_SSN")];

/// More names than are kept in mind.
const MANY: usize = 10_001;

fn rules() -> FieldRules {
    let engine = vidimus_mask::Engine::new(&vidimus_mask::Selection::new(["US_SSN"])).unwrap();
    let class: ClassId = engine.class("US_SSN").unwrap();
    let rules = RULES.map(|(rule, class)| (rule.to_owned(), class.to_owned())).into();
    FieldRules::new(&rules, |_| Ok(class)).unwrap()
}

fn looked_up() -> LookedUp {
    serde_json::from_value(serde_json::json!({
        "path": ["pg_catalog", "public"],
        "relations": [
            [10, "hr", "people", null, [[1, "id"], [2, "name"], [4, "ssn"]]],
            [11, "public", "people", null, [[1, "id"], [2, "ssn"]]],
            [12, "public", "staff", null, [[1, "badge"], [2, "name"]]],
            [13, "public", "old_staff", null, [[1, "badge"], [2, "name"], [3, "left"]]],
            [14, "public", "all_staff", null, [[1, "badge"], [2, "name"]]],
            [15, "hr", "numbers", " SELECT people.id, people.ssn AS number FROM hr.people;", [[1, "id"], [2, "number"]]],
            [16, "pg_catalog", "pg_class", null, [[1, "oid"], [2, "badge"]]],
            [21, "pg_catalog", "pg_settings", null, [[1, "name"], [2, "setting"]]],
            [22, "public", "settings", " SELECT name, setting FROM pg_settings;", [[1, "name"], [2, "setting"]]],
            [17, "public", "empty", null, null],
            [18, "public", "part", null, [[1, "k"], [2, "v"]]],
            [19, "hr", "whole", null, [[1, "k"], [2, "v"]]],
            [20, "public", "computed", null, [[1, "badge"], [2, "loud"]]],
        ],
        "inherits": [[13, 12], [18, 19], [99, 12]],
        "generated": [[20, 2], [17, 1], [18, 2]],
        "functions": [
            ["public", "shout", " SELECT upper($1) || '!' ", false],
            ["public", "louder", "select public.shout($1)", false],
            ["public", "peek", "select ssn from hr.people where id = $1", false],
            ["public", "lower", "select ssn from hr.people where name = $1", false],
            ["public", "twice", "select 1; select 2", false],
            ["public", "opaque", null, false],
            ["public", "similar", null, true],
        ],
    }))
    .unwrap()
}

fn tracer() -> Tracer {
    let mut tracer = Tracer::default();
    tracer.looked_up(Some(Arc::new(Catalogue::new(looked_up(), &rules()))), false);
    tracer
}

/// What may be shown of the last statement, or why it is refused.
fn shown(tracer: &mut Tracer, text: &str) -> String {
    let traced = tracer.run(text);
    match (&traced.refused, traced.shown.last()) {
        (None, _) if traced.is_open => "all".to_owned(),
        (Some(reason), _) => reason.split(':').next().unwrap().to_owned(),
        (None, Some(Visible::Columns(columns))) => columns.iter().map(|may| if *may { 'y' } else { 'n' }).collect(),
        (None, _) => "nothing".to_owned(),
    }
}

#[test]
fn rules_protect_what_they_name_and_what_shares_its_rows() {
    let catalogue = Catalogue::new(looked_up(), &rules());
    assert!(catalogue.protects() && !catalogue.is_empty());
    assert_eq!(catalogue.protected(10, 4), Some(["hr", "people", "ssn"]));
    assert_eq!(catalogue.protected(10, 2), None);
    // What is computed in its row may be computed of it.
    assert_eq!(catalogue.protected(20, 2), Some(["public", "computed", "badge"]));
    // By a wildcard each has a rule of its own; the system's own tables have none.
    assert_eq!(catalogue.protected(13, 1), Some(["public", "old_staff", "badge"]));
    assert_eq!((catalogue.protected(16, 2), catalogue.protected(11, 2)), (None, None));

    // A rule of the parent is a rule of its parts, and the other way round.
    for rule in ["hr.whole.v", "public.part.v"] {
        let class =
            vidimus_mask::Engine::new(&vidimus_mask::Selection::new(["US_SSN"])).unwrap().class("US_SSN").unwrap();
        let rules = FieldRules::new(&[(rule.to_owned(), "US_SSN".to_owned())].into(), |_| Ok(class)).unwrap();
        let catalogue = Catalogue::new(looked_up(), &rules);
        assert_eq!(catalogue.protected(18, 2).map(|names| names.join(".")).as_deref(), Some(rule));
        assert_eq!(catalogue.protected(19, 2).map(|names| names.join(".")).as_deref(), Some(rule));
    }
    let none = Catalogue::new(looked_up(), &FieldRules::none());
    assert!(!none.protects());
    let mut tracer = Tracer::default();
    tracer.looked_up(Some(Arc::new(none)), false);
    // Nothing is hidden, and what changes is seen all the same.
    assert_eq!(shown(&mut tracer, "select ssn from hr.people"), "all");
    assert_eq!(shown(&mut tracer, "create table t as select ssn from hr.people"), "all");
    assert!(tracer.run("rollback").changes_names);
    assert!(tracer.run("commit").changes_database);
    // What a transaction has taken away may come back with its end.
    assert!(tracer.run("do $$ begin end $$").refused.is_some());
    for text in ["selec 1", "do $$ begin end $$"] {
        let mut tracer = Tracer::default();
        tracer.looked_up(Some(Arc::new(Catalogue::new(looked_up(), &FieldRules::none()))), false);
        assert_eq!(shown(&mut tracer, text), "all");
        assert!(tracer.run(text).refused.is_some() || tracer.prepare(text).changes_database, "{text}");
    }
}

#[test]
fn values_are_followed_to_what_is_shown() {
    let mut tracer = tracer();
    for (text, expected) in [
        ("select id, name from hr.people", "yy"),
        ("select * from hr.people", "yyn"),
        ("select * from people", "yy"),
        ("select number, id from hr.numbers", "ny"),
        ("select upper(badge), name from staff", "ny"),
        ("select shout(name), louder(name), public.louder(name), similar(name) from hr.people", "yyyy"),
        ("select public.shout(ssn) from hr.people", "n"),
        ("select peek(1)", "n"),
        ("select lower('x'), pg_catalog.lower('x')", "ny"),
        ("select twice(), opaque()", "nn"),
        ("select * from empty", ""),
        ("select * from unheard_of", "nothing"),
        ("copy hr.people (id, name) to stdout", "yy"),
        ("copy hr.people to stdout", "COPY cannot show protected columns, or what derives from them"),
        (
            "copy old_staff (name) from program 'psql'",
            "this could keep values of protected columns where no rule protects them, or change what names stand for, in a way that \
             the gateway cannot follow",
        ),
        (
            "copy (select 1) to program 'psql'",
            "this could keep values of protected columns where no rule protects them, or change what names stand for, in a way that \
             the gateway cannot follow",
        ),
        ("copy old_staff (name) from stdin", ""),
        (
            "update settings set setting = 'hr' where name = 'search_path'",
            "this could keep values of protected columns where no rule protects them, or change what names stand for, in a way that \
             the gateway cannot follow",
        ),
        (
            "with w as (update settings set setting = 'hr' returning 1) select * from w",
            "this could keep values of protected columns where no rule protects them, or change what names stand for, in a way that \
             the gateway cannot follow",
        ),
        ("select setting from settings", "y"),
        ("insert into staff values ('b', 'n') returning *", "ny"),
        ("update staff set badge = badge, name = 'x' returning *", "ny"),
        ("update staff set badge = upper(name) returning *", "ny"),
        (
            "update staff set badge = reverse(badge) returning badge",
            "this would keep values of protected columns where no rule protects them",
        ),
        (
            "merge into staff s using old_staff o on true when matched then update set badge = reverse(s.badge)",
            "this would keep values of protected columns where no rule protects them",
        ),
        (
            "insert into staff values ('b') on conflict (name) do update set badge = excluded.badge, name = excluded.badge",
            "",
        ),
        (
            "insert into staff values ('b') on conflict (name) do update set badge = reverse(staff.badge)",
            "this would keep values of protected columns where no rule protects them",
        ),
        ("create temp table x as select name from hr.people", ""),
        (
            "create temp table x as select ssn from hr.people",
            "this would keep values of protected columns where no rule protects them",
        ),
        (
            "do 'begin end'",
            "this could keep values of protected columns where no rule protects them, or change what names stand for, in a way that \
             the gateway cannot follow",
        ),
        ("this is no sql", "it cannot be read, in a database with protected columns"),
        ("select 1; select ssn from hr.people", "n"),
        (
            "set search_path = hr; select ssn from people",
            "a statement that changes what names stand for must be sent by itself, where columns are protected",
        ),
    ] {
        assert_eq!(shown(&mut tracer, text), expected, "{text}");
    }
}

#[test]
fn what_decides_which_rows_come_is_told() {
    let mut tracer = tracer();
    let inferred = |tracer: &mut Tracer, text: &str| tracer.run(text).inferred.clone();
    let ssn = Inferred::Columns(["hr.people.ssn".to_owned()].into());
    assert_eq!(inferred(&mut tracer, "select id from hr.people where ssn like '1%'"), ssn);
    assert_eq!(inferred(&mut tracer, "select id from hr.people order by ssn"), ssn);
    assert_eq!(inferred(&mut tracer, "select ssn from hr.people where id = 1"), Inferred::Columns([].into()));
    assert_eq!(inferred(&mut tracer, "select id from hr.people where peek(id) = '1'"), Inferred::Unknown);
    for sets in [
        "select id, (select count(*) from generate_series(1, substr(ssn, 1, 3)::int)) from hr.people",
        "select id, g from hr.people, generate_series(1, ssn::int) g",
        "select id, unnest(string_to_array(ssn, null)) from hr.people",
        "select id, opaque(ssn) from hr.people where id = 1",
        "select id, shout(ssn) from hr.people where id = 1",
    ] {
        let what = inferred(&mut tracer, sets);
        assert!(what == ssn, "{sets}: {what:?}");
    }
    assert_eq!(inferred(&mut tracer, "select count(*) from opaque()"), Inferred::Unknown);
    assert_eq!(inferred(&mut tracer, "select upper(ssn), opaque() from hr.people"), Inferred::Columns([].into()));
    // Whose count is shown, or not.
    let count = "select (select count(*) from generate_series(1, ssn::int)) from hr.people";
    assert_eq!(shown(&mut tracer, count), "n");
    for nothing in [
        "declare \"c\" cursor for select id, ssn || '' from hr.people order by id",
        "fetch forward 1 from \"c\"",
        "fetch forward all from \"c\"",
        "close \"c\"",
        "begin",
        "prepare p as select ssn from hr.people",
        "execute p",
    ] {
        assert_eq!(inferred(&mut tracer, nothing), Inferred::Columns([].into()), "{nothing}");
    }
}

#[test]
fn messages_are_told_as_far_as_they_can_tell_no_values() {
    let mut tracer = tracer();
    let messages = |tracer: &mut Tracer, text: &str| tracer.run(text).messages;
    for (text, expected) in [
        ("select 1", Messages::Open),
        ("select id from people", Messages::Open),
        ("select id from hr.people", Messages::Values),
        ("commit", Messages::Values),
        ("select peek(1)", Messages::Anything),
        ("select id from people; select peek(1)", Messages::Anything),
    ] {
        assert_eq!(messages(&mut tracer, text), expected, "{text}");
    }
}

#[test]
fn cursors_and_prepared_statements_are_what_may_go_by_their_names() {
    let mut tracer = tracer();
    let mut show = |text: &str| shown(&mut tracer, text);
    assert_eq!(show("fetch all from c"), "nothing");
    show("declare c cursor with hold for select id, name from hr.people");
    assert_eq!(show("fetch all from c"), "yy");
    // Whether the second was declared, or failed since the first still is there, nobody knows.
    show("declare c cursor for select ssn, ssn from hr.people");
    assert_eq!(show("fetch all from c"), "nothing");
    show("close c");
    assert_eq!(show("fetch all from c"), "nothing");

    let unknown = "which statement was prepared by this name is not known, in a database with protected columns";
    assert_eq!(show("execute p"), unknown);
    show("prepare p as select name from hr.people where id = $1");
    assert_eq!(show("execute p (1)"), "y");
    assert_eq!(
        show("execute p (peek(1))").split(',').next(),
        Some("this could keep values of protected columns where no rule protects them")
    );
    show("deallocate p");
    show("prepare p as select ssn from hr.people");
    assert_eq!(show("execute p"), "nothing");
    assert_eq!(show("prepare q as create table x as select ssn from hr.people").split(' ').next(), Some("it"));
    // A message of the protocol gives names, too: what `PREPARE` then fails to take is still the other's.
    tracer.prepared_as("r".to_owned(), "select upper(ssn) from hr.people");
    shown(&mut tracer, "prepare r as select name from hr.people");
    assert_eq!(shown(&mut tracer, "execute r"), "nothing");
    // Whatever is declared besides, a name that was known is not forgotten.
    shown(&mut tracer, "declare s cursor with hold for select ssn from hr.people");
    for number in 0..MANY {
        tracer.run(&format!("declare n{number} cursor for select 1"));
    }
    shown(&mut tracer, "declare s cursor for select name from hr.people");
    assert_eq!(shown(&mut tracer, "fetch all from s"), "nothing");
    // Only looked at: nothing has that name now.
    tracer.prepare("declare d cursor for select id from hr.people");
    assert_eq!(shown(&mut tracer, "fetch all from d"), "nothing");
}

#[test]
fn what_names_stand_for_is_asked_again_after_what_changes_it() {
    let changes = |tracer: &mut Tracer, text: &str| tracer.run(text).changes_names;
    let mut tracer = tracer();
    for (text, expected) in [
        ("select 1", false),
        ("begin", false),
        ("commit", false),
        ("set statement_timeout = 5", false),
        ("listen x", false),
        ("set search_path = hr", true),
        ("reset search_path", true),
        ("select set_config('search_path', 'hr', true)", true),
        ("select set_config(name, 'hr', true) from hr.people", true),
        ("set role app", true),
        ("reset all", true),
        ("discard all", true),
        ("create temp table people (id int)", true),
        ("drop table people", true),
    ] {
        tracer.looked_up(Some(Arc::new(Catalogue::new(looked_up(), &rules()))), false);
        assert_eq!(changes(&mut tracer, text), expected, "{text}");
    }
    // What is undone with a transaction is undone when it ends.
    tracer.looked_up(Some(Arc::new(Catalogue::new(looked_up(), &rules()))), true);
    assert!(changes(&mut tracer, "rollback to a"));
    assert!(changes(&mut tracer, "rollback"));
    tracer.looked_up(Some(Arc::new(Catalogue::new(looked_up(), &rules()))), false);
    assert!(!changes(&mut tracer, "rollback"));
    assert_eq!(
        shown(&mut Tracer::default(), "select 1"),
        "what names stand for in this database has changed while the transaction keeps to what it saw before, so the gateway \
         cannot tell what is protected"
    );
}

#[test]
fn what_was_only_prepared_gives_no_name_and_is_followed_anew_when_it_runs() {
    let (declare, fetch) = ("declare c cursor for select ssn || '' from hr.people", "fetch all from c");
    let mut tracer = tracer();
    assert_eq!(shown(&mut tracer, "declare c cursor for select name from hr.people"), "y");
    tracer.prepare(declare);
    assert_eq!(shown(&mut tracer, fetch), "y");
    tracer.run(declare);
    assert_eq!(shown(&mut tracer, fetch), "nothing");

    let mut tracer = self::tracer();
    tracer.run("prepare q as select name from hr.people");
    assert_eq!(shown(&mut tracer, "execute q"), "y");
    let other = "prepare q as select ssn || '' from hr.people";
    tracer.prepare(other);
    tracer.run(other);
    assert_eq!(shown(&mut tracer, "execute q"), "nothing");
}

#[test]
fn a_portal_is_a_cursor_of_its_name() {
    let mut tracer = tracer();
    tracer.bound_as("c", "select name from hr.people", true);
    assert_eq!(shown(&mut tracer, "fetch all from c"), "y");
    tracer.bound_as("c", "select ssn || '' from hr.people", true);
    assert_eq!(shown(&mut tracer, "fetch all from c"), "nothing");
    // Where names may stand for something else by now, nothing is known of it.
    tracer.bound_as("d", "select name from hr.people", false);
    assert_eq!(shown(&mut tracer, "fetch all from d"), "nothing");
}

#[test]
fn what_a_cursor_changes_it_changes_when_it_moves() {
    let mut tracer = tracer();
    let changes = |tracer: &mut Tracer, text: &str| tracer.run(text).changes_names;
    tracer.run("declare a cursor for select set_config('search_path', 'hr', false)");
    tracer.run("declare b cursor for select name from hr.people");
    assert!(changes(&mut tracer, "fetch a") && changes(&mut tracer, "fetch nobody_knows"));
    assert!(!changes(&mut tracer, "fetch b"));
}

#[test]
fn two_phase_commits_are_ends_of_transactions() {
    for text in ["prepare transaction 'x'", "commit prepared 'x'", "rollback prepared 'x'"] {
        let traced = tracer().run(text);
        assert!(traced.changes_names && traced.changes_database, "{text}");
    }
}

#[test]
fn others_are_told_of_what_changes_the_database() {
    let mut tracer = tracer();
    let mut told = |text: &str| tracer.run(text).changes_database;
    for own in
        ["set search_path = hr", "set role app", "reset role", "create temp table t (x int)", "select 1", "commit"]
    {
        assert!(!told(own), "{own}");
    }
    assert!(told("select 1 as x into public.temporary") && told("create table public.some (x int)") && told("commit"));
}

#[test]
fn what_is_true_of_names_is_true_for_their_age() {
    let with = |table: &str| {
        let mut looked_up = looked_up();
        let LookedUpRelation(_, schema, name, ..) = &mut looked_up.relations[0];
        (*schema, *name) = ("hr".to_owned(), table.to_owned());
        Some(Arc::new(Catalogue::new(looked_up, &rules())))
    };
    let mut tracer = tracer();
    tracer.bound_as("c", "select name from hr.people", true);
    tracer.prepared_as("s".to_owned(), "select name from hr.people");
    let age = tracer.age();
    tracer.looked_up(Some(Arc::new(Catalogue::new(looked_up(), &rules()))), false);
    assert_eq!(tracer.age(), age);
    assert_eq!((shown(&mut tracer, "fetch c"), shown(&mut tracer, "execute s")), ("y".to_owned(), "y".to_owned()));
    tracer.looked_up(with("others"), false);
    assert_ne!(tracer.age(), age);
    assert_eq!(shown(&mut tracer, "fetch c"), "nothing");
    assert!(tracer.run("execute s").refused.is_some());
    // What comes back is not of the same age.
    tracer.looked_up(Some(Arc::new(Catalogue::new(looked_up(), &rules()))), false);
    assert_eq!(shown(&mut tracer, "fetch c"), "nothing");
    assert!(tracer.run("set transaction snapshot '00000003-1'").refused.is_some());
    assert!(tracer.run("set transaction isolation level serializable").refused.is_none());
}

#[test]
fn no_more_of_what_was_prepared_is_kept_than_has_room() {
    let mut tracer = tracer();
    let long = |name: usize| format!("select {name}, '{}'", "x".repeat(1_000_000));
    for name in 0..20 {
        tracer.prepared_as(format!("s{name}"), &long(name));
    }
    assert_eq!(shown(&mut tracer, "execute s1"), "yy");
    let reason = "which statement was prepared by this name is not known, in a database with protected columns";
    assert_eq!(shown(&mut tracer, "execute s19"), reason);
    // A short one does not make a name known again.
    tracer.prepared_as("s19".to_owned(), "select 1");
    assert_eq!(shown(&mut tracer, "execute s19"), reason);
}

#[test]
fn functions_are_followed_however_they_are_called() {
    let mut tracer = tracer();
    for (text, expected) in [
        ("select (ssn).length from hr.people", "n"),
        ("select (name).length from hr.people", "y"),
        ("select ('select 1'::text).ts_stat", "n"),
        ("select ($1).opaque", "n"),
        ("select (1).peek", "n"),
        ("select ('x'::text).shout", "y"),
        ("select treat(1 as peek)", "n"),
        ("select treat('select 1' as ts_stat)", "n"),
        ("select t.peek from unnest(array[1]) t", "n"),
        ("select btrim.ts_stat from trim('select 1'::text)", "n"),
        ("select (array[1])[1].peek", "n"),
        ("select (information_schema._pg_expandarray(array[1])).n", "y"),
    ] {
        let told = shown(&mut tracer, text);
        let is_refused = told.len() > 3;
        assert!(told == expected || expected == "n" && is_refused, "{text}: {told}");
    }
}

#[test]
fn where_nothing_is_known_a_transaction_can_only_end() {
    let mut tracer = tracer();
    tracer.looked_up(None, true);
    for text in ["select 1", "rollback; select ssn from hr.people", "savepoint a", "not sql"] {
        assert!(tracer.run(text).refused.is_some(), "{text}");
    }
    for text in ["rollback", "commit", "end"] {
        let traced = tracer.run(text);
        assert!(traced.refused.is_none() && traced.changes_names, "{text}");
    }
}

#[test]
fn what_no_prepare_takes_is_not_followed_through_execute() {
    for text in
        ["declare c cursor for select ssn from hr.people", "close c", "create table t (x int)", "fetch c", "rollback"]
    {
        let mut tracer = tracer();
        tracer.prepared_as("s".to_owned(), text);
        let told = shown(&mut tracer, "execute s");
        assert!(told.starts_with("EXECUTE is followed"), "{text}: {told}");
    }
    let mut tracer = tracer();
    tracer.prepared_as("s".to_owned(), "select name, ssn || '' from hr.people");
    assert_eq!(shown(&mut tracer, "execute s"), "yn");
}
