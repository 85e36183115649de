//! Rewrites of arguments as people and attackers write them, and what is left of each.

use proptest::prelude::*;
use vidimus_core::json::Limits;

use super::*;
use crate::{Guard, Settings};

/// What is left of arguments when one rewrite after another is asked for at once: `PATH CHANGE`.
fn rewritten(arguments: &str, changes: &[&str]) -> Result<String, RewriteError> {
    rewritten_in(Dialect::PostgreSql, arguments, changes)
}

fn rewritten_in(dialect: Dialect, arguments: &str, changes: &[&str]) -> Result<String, RewriteError> {
    let rewrites: Vec<Rewrite> = (0..).zip(changes).map(|(number, text)| rewrite(number, text)).collect();
    let names: Vec<String> = rewrites.iter().map(|rewrite| rewrite.name.to_string()).collect();
    let guard = Guard::new(Settings { rewrites: rewrites.into(), dialect, ..Settings::default() });
    let text = format!(r#"{{"id":1, "params" : {{"name":"t","arguments":{arguments}}}}}"#);
    let document = Document::parse(Bytes::from(text), &Limits::default()).unwrap();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rewritten = guard.rewritten(&document, &["params", "arguments"], &names)?;
    let rewritten = String::from_utf8(rewritten.to_vec()).unwrap();
    let arguments = rewritten.strip_prefix(r#"{"id":1, "params" : {"name":"t","arguments":"#).unwrap();
    Ok(arguments.strip_suffix("}}").unwrap().to_owned())
}

fn rewrite(number: usize, text: &str) -> Rewrite {
    let (path, change) = text.split_once(' ').unwrap();
    let (word, value) = change.split_once(' ').unwrap_or((change, ""));
    let bound = |name: &str| {
        let found = value.split(' ').find_map(|bound| bound.strip_prefix(name));
        found.map(|bound| bound.parse::<Number>().unwrap())
    };
    let change = match word {
        "set" => Change::Set(Bytes::copy_from_slice(value.as_bytes())),
        "remove" => Change::Remove,
        "clamp" => Change::Clamp { least: bound("min="), most: bound("max=") },
        "rows" => Change::MaxRows(value.parse().unwrap()),
        other => panic!("{other}"),
    };
    Rewrite { name: format!("r{number}").into(), of: RewriteOf::Argument(path.parse().unwrap(), change) }
}

#[test]
fn what_is_not_named_stays_byte_for_byte() {
    for (arguments, changes, expected) in [
        (r#"{ "a" : 1 ,"b":[1, 2]}"#, &["$.a set 2"][..], r#"{ "a" : 2 ,"b":[1, 2]}"#),
        (r#"{ "b":1 }"#, &["$.a set \"x\""], r#"{"a":"x", "b":1 }"#),
        ("{}", &["$.a set true"], r#"{"a":true}"#),
        ("{ }", &["$.a set {\"b\":null}", "$.c set 1"], r#"{"a":{"b":null},"c":1 }"#),
        (r#"{"a":1, "b":2 ,"c":3}"#, &["$.a remove"], r#"{"b":2 ,"c":3}"#),
        (r#"{"a":1, "b":2 ,"c":3}"#, &["$.a remove", "$.b remove"], r#"{"c":3}"#),
        (r#"{"a":1, "b":2 ,"c":3}"#, &["$.b remove", "$.c remove"], r#"{"a":1}"#),
        (r#"{"a":1, "b":2}"#, &["$.b remove", "$.a remove", "$.c set 3"], r#"{"c":3}"#),
        (r#"{"a":1, "b":2}"#, &["$.a remove", "$.b set 3", "$.c set 4"], r#"{"c":4,"b":3}"#),
        (r#"{"a":[1,9,{"b":9}]}"#, &["$.a[*] clamp max=5"], r#"{"a":[1,5,{"b":9}]}"#),
        (r#"{"a":[{"b":1},{"b":2,"c":3},4]}"#, &["$.a[*].b remove"], r#"{"a":[{},{"c":3},4]}"#),
        (r#"{"a":[{"b":1},{}]}"#, &["$.a[*].b set 7"], r#"{"a":[{"b":7},{"b":7}]}"#),
        (r#"{"a":[1, 2,3]}"#, &["$.a[*] remove"], r#"{"a":[]}"#),
        (r#"{"odd-\"name\"":1}"#, &["$['odd-\"name\"'] set 2"], r#"{"odd-\"name\"":2}"#),
        (r#"{"d\u0072y":1}"#, &["$.dry set true"], r#"{"d\u0072y":true}"#),
        ("{}", &["$['a\"b'] set 1"], r#"{"a\"b":1}"#),
    ] {
        assert_eq!(rewritten(arguments, changes).as_deref(), Ok(expected), "{arguments} {changes:?}");
    }
}

#[test]
fn what_does_not_fit_stays_as_it_is() {
    for (arguments, change) in [
        (r#"{"a":1}"#, "$.a set 1"),
        (r#"{"a":1}"#, "$.b.c set 1"),
        (r#"{"a":[1]}"#, "$.a.b set 1"),
        (r#"{"a":1}"#, "$.b remove"),
        (r#"{"a":"5000"}"#, "$.a clamp max=500"),
        (r#"{"a":500.0}"#, "$.a clamp min=1 max=500"),
        (r#"{"a":-0}"#, "$.a clamp min=0"),
        (r#"{"a":9007199254740993}"#, "$.a clamp max=9007199254740993"),
        (r#"{"a":["select 1"]}"#, "$.a rows 10"),
        (r#"{"a":1}"#, "$.a rows 10"),
        ("[]", "$.a set 1"),
        ("null", "$.a set 1"),
    ] {
        assert_eq!(rewritten(arguments, &[change]).as_deref(), Ok(arguments), "{change}");
    }
}

#[test]
fn numbers_are_clamped_as_they_are_written() {
    for (number, expected) in [
        ("1e400", "500"),
        ("10000000000000000000001", "500"),
        ("500.00000000000000000000000001", "500"),
        ("-1e400", "-2.50"),
        ("-2.5000000000000001", "-2.50"),
        ("5.0e2", "5.0e2"),
        ("-0", "-0"),
    ] {
        let clamped = rewritten(&format!(r#"{{"a":{number}}}"#), &["$.a clamp min=-2.50 max=500"]);
        assert_eq!(clamped, Ok(format!(r#"{{"a":{expected}}}"#)));
    }
}

#[test]
fn two_that_change_the_same_are_refused() {
    for (arguments, changes) in [
        (r#"{"a":1}"#, ["$.a set 1000", "$.a clamp max=0"]),
        (r#"{"a":1}"#, ["$.a set 2", "$.a remove"]),
        (r#"{"a":{"b":1}}"#, ["$.a remove", "$.a.b set 2"]),
        (r#"{"a":{"b":1}}"#, ["$.a.b set 2", "$.a set {}"]),
        (r#"{"a":[{"b":1}]}"#, ["$.a[*] remove", "$.a[*].b remove"]),
        ("{}", ["$.a set 1", "$.a set 2"]),
        (r#"{"a":{}}"#, ["$.a remove", "$.a.b set 2"]),
        (r#"{"x":0,"a":[0,{"c":{}}]}"#, ["$.a[*].c.b set 1", "$.a set 2"]),
    ] {
        let (one, other) = ("r0".into(), "r1".into());
        let refused = rewritten(arguments, &changes);
        let is_conflict =
            [RewriteError::Conflict(Arc::clone(&one), Arc::clone(&other)), RewriteError::Conflict(other, one)];
        assert!(is_conflict.iter().any(|conflict| refused.as_ref() == Err(conflict)), "{changes:?}: {refused:?}");
    }
    assert_eq!(
        rewritten(r#"{"a":{},"b":{}}"#, &["$.a.x set 1", "$.b.x set 2"]).as_deref(),
        Ok(r#"{"a":{"x":1},"b":{"x":2}}"#)
    );
}

#[test]
fn a_name_in_other_letter_case_is_refused() {
    for (arguments, path) in [
        (r#"{"Limit":100000}"#, "$.limit"),
        (r#"{"limit":1,"LIMIT":2}"#, "$.limit"),
        (r#"{"o":{"li\u004dit":1}}"#, "$.o.limit"),
        (r#"{"O":{"limit":1}}"#, "$.o.limit"),
        ("{\"\u{17f}ize\":1}", "$.size"),
    ] {
        let refused = rewritten(arguments, &[&format!("{path} set 1")]);
        assert!(matches!(refused, Err(RewriteError::Twin { .. })), "{arguments}: {refused:?}");
    }
}

#[test]
fn a_name_that_nothing_has_is_refused() {
    let document = Document::parse(Bytes::from_static(b"{}"), &Limits::default()).unwrap();
    let refused = Guard::default().rewritten(&document, &[], &["cap-rows"]);
    assert_eq!(refused, Err(RewriteError::Unknown("cap-rows".into())));
}

#[test]
fn rows_are_capped_inside_the_string() {
    let capped = rewritten(r#"{"q":"SELECT \u0027\u00fc\u0027,\n a FROM t -- all"}"#, &["$.q rows 10"]).unwrap();
    assert_eq!(capped, r#"{"q":"SELECT 'ü',\n a FROM t LIMIT 10 -- all"}"#);
    let mssql = rewritten_in(Dialect::MsSql, r#"{"q":"select distinct a from t;"}"#, &["$.q rows 10"]).unwrap();
    assert_eq!(mssql, r#"{"q":"select distinct TOP (10) a from t;"}"#);
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof!["0|[1-9][0-9]{0,2}", Just("null".to_owned()), "\"[a-c]{0,2}\"", Just("-0.5e3".to_owned())];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let members = prop::collection::btree_map("[a-d]", inner.clone(), 0..4);
        let object = (members, "[ \n]{0,2}").prop_map(|(members, space)| {
            let members: Vec<_> =
                members.iter().map(|(key, value)| format!("{space}\"{key}\" :{value}{space}")).collect();
            format!("{{{}}}", members.join(","))
        });
        let array = (prop::collection::vec(inner, 0..4), "[ \t]{0,2}")
            .prop_map(|(items, space)| format!("[{space}{}]", items.join(&format!("{space},"))));
        prop_oneof![object, array]
    })
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof!["\\.[a-e]", Just("[*]".to_owned())], 1..4)
        .prop_map(|steps| format!("${}", steps.concat()))
}

fn change() -> impl Strategy<Value = String> {
    let change = prop_oneof![Just("remove"), Just("set {\"z\":[9]}"), Just("clamp min=5 max=50"), Just("set \"new\"")];
    (path(), change).prop_map(|(path, change)| format!("{path} {change}"))
}

/// Every value that contains no others, and every empty container, with its way from the top, as it is written.
fn leaves(value: Value<'_>, way: &str, found: &mut Vec<(String, String)>) {
    let mut is_leaf = true;
    for (key, member) in value.members() {
        is_leaf = false;
        leaves(member, &format!("{way}.{key}"), found);
    }
    for element in value.elements() {
        is_leaf = false;
        leaves(element, &format!("{way}[*]"), found);
    }
    if is_leaf && !value.is_object() && !value.is_array() {
        found.push((way.to_owned(), value.raw().to_owned()));
    }
}

#[test]
fn what_is_of_statements_is_not_of_calls_and_the_other_way_round() {
    let of = |name: &str, changes| Rewrite { name: name.into(), of: RewriteOf::Statements(changes) };
    let cap = |most| StatementChanges { max_rows: Some(most), ..StatementChanges::default() };
    let read_only = StatementChanges { read_only: true, ..StatementChanges::default() };
    let rewrites = vec![of("few", cap(10)), of("some", cap(100)), of("quiet", read_only), rewrite(1, "$.a remove")];
    let guard = Guard::new(Settings { rewrites: rewrites.into(), ..Settings::default() });
    // Of two numbers of rows, the smaller is both.
    let all = StatementChanges { max_rows: Some(10), read_only: true };
    assert_eq!(guard.statement_changes(&["some", "quiet", "few"]), Ok(all));
    assert_eq!(guard.statement_changes(&["few", "r1"]), Err(RewriteError::NotOfStatements("r1".into())));
    assert_eq!(guard.statement_changes(&["none"]), Err(RewriteError::Unknown("none".into())));
    let call = Document::parse(Bytes::from_static(b"{\"a\":1}"), &Limits::default()).unwrap();
    assert_eq!(guard.rewritten(&call, &[], &["r1", "few"]), Err(RewriteError::NotOfCalls("few".into())));
    assert_eq!(guard.rewritten(&call, &["no"], &["quiet"]), Err(RewriteError::NotOfCalls("quiet".into())));
}

proptest! {
    #[test]
    fn what_comes_out_is_json_whose_other_values_are_the_same(text in json(), changes in prop::collection::vec(change(), 1..4)) {
        let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
        if let Ok(rewritten) = rewritten(&text, &changes) {
            let parse = |text: &str| Document::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default());
            let (before, after) = (parse(&text).unwrap(), parse(&rewritten).unwrap());
            // What stands on none of the ways is there as it was, in the same order.
            let others = |document: &Document| {
                let mut found = Vec::new();
                leaves(document.root(), "$", &mut found);
                let named = |way: &str| changes.iter().any(|change| {
                    let path = change.split(' ').next().unwrap_or_default();
                    covers(path, way)
                });
                found.into_iter().filter(|(way, _)| !named(way)).collect::<Vec<_>>()
            };
            prop_assert_eq!(others(&before), others(&after));
        }
    }

    #[test]
    fn what_was_rewritten_is_not_changed_again(text in json(), change in change()) {
        if let Ok(once) = rewritten(&text, &[&change]) {
            prop_assert_eq!(rewritten(&once, &[&change]), Ok(once.clone()));
        }
    }
}

/// Whether a path leads to this place, or above it. `[*]` stands for members too.
fn covers(path: &str, way: &str) -> bool {
    let steps = |text: &str| -> Vec<String> {
        text.trim_start_matches('$').replace("[*]", ".*").split('.').skip(1).map(str::to_owned).collect()
    };
    let (path, way) = (steps(path), steps(way));
    path.len() <= way.len() && path.iter().zip(&way).all(|(step, own)| step == "*" || step == own)
}
