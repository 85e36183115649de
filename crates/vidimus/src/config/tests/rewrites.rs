//! Rewrites: of arguments, and of statements.

use vidimus_core::StatementChanges;
use vidimus_guard::{Change, Number, RewriteOf};

use super::*;

#[test]
fn rewrites_do_one_thing_each_with_numbers_as_they_are_written() {
    let with = |text: &str| parse(&format!("{SMALLEST}[rewrites.a]\nargument = \"$.x\"\n{text}\n"));
    let number = |text: &str| Some(text.parse::<Number>().unwrap());
    for (text, change) in [
        ("set = \"E\\\"UR\"", Change::Set(r#""E\"UR""#.into())),
        ("set = 1.50", Change::Set("1.50".into())),
        (
            "set = { a = [true, 9007199254740993], b = \"\" }",
            Change::Set(r#"{"a":[true,9007199254740993],"b":""}"#.into()),
        ),
        ("remove = true", Change::Remove),
        ("max = 500", Change::Clamp { least: None, most: number("500") }),
        ("min = -0.5\nmax = \"1e400\"", Change::Clamp { least: number("-0.5"), most: number("1e400") }),
        ("max_rows = 1000", Change::MaxRows(1000)),
    ] {
        let config = with(text).unwrap();
        let [rewrite] = &*config.rewrites else { panic!("{:?}", config.rewrites) };
        let of = RewriteOf::Argument("$.x".parse().unwrap(), change);
        assert_eq!((&*rewrite.name, &rewrite.of), ("a", &of), "{text}");
    }
    for (text, expected) in [
        ("", "exactly one of `set`, `remove`, `max_rows`"),
        ("remove = false", "exactly one of"),
        ("set = 1\nmax = 2", "exactly one of"),
        ("set = 2026-11-22", "JSON has no such value"),
        ("set = inf", "a number is written as in JSON"),
        ("max = \"much\"", "a number is written as in JSON"),
        ("max = true", "a number is written as in JSON"),
        ("min = 2\nmax = 1.9999", "`min` in [rewrites.a] is more than `max`"),
        ("max_rows = 0", "whole number from 1"),
        ("rows = 1", "unknown key `rows`"),
        ("read_only = true", "`read_only` in [rewrites.a] is of statements"),
        ("read_only = true\nremove = true", "exactly one of"),
    ] {
        let error = with(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let error = parse(&format!("{SMALLEST}[rewrites.a]\nargument = \"x\"\nremove = true\n")).unwrap_err().to_string();
    assert!(error.contains("a path to an argument is written like"), "{error}");
}

#[test]
fn rewrites_without_an_argument_are_of_statements() {
    let with = |text: &str| parse(&format!("{SMALLEST}[rewrites.a]\n{text}\n"));
    let nothing = StatementChanges::default();
    for (text, changes) in [
        ("max_rows = 2147483647", StatementChanges { max_rows: Some(2_147_483_647), ..nothing }),
        ("read_only = true", StatementChanges { read_only: true, ..nothing }),
    ] {
        let config = with(text).unwrap();
        let [rewrite] = &*config.rewrites else { panic!("{:?}", config.rewrites) };
        assert_eq!(rewrite.of, RewriteOf::Statements(changes), "{text}");
    }
    for (text, expected) in [
        ("remove = true", "no `argument` in [rewrites.a]"),
        ("set = 1", "no `argument`"),
        ("max = 1", "no `argument`"),
        ("max_rows = 2147483648", "is more than 2147483647"),
        ("max_rows = 5\nread_only = true", "exactly one of"),
        ("read_only = false", "exactly one of"),
        ("read_only = 1", "`read_only`"),
    ] {
        let error = with(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
