//! One text of SQL for PostgreSQL, its first byte whether backslashes escape: comments around it change nothing, and each of
//! its statements is the same alone as among the others.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vidimus_sql::{Options, Statement, parse_with};

fn told(statement: Statement<'_>) -> String {
    format!("{:?} {:?} {:?}", statement.facts(), statement.effects(), statement.columns())
}

fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    let options = Options { standard_conforming_strings: first & 1 == 0 };
    let Ok(script) = parse_with(text, options) else { return };
    let all: Vec<_> = script.statements().map(told).collect();
    let spaced = format!("/* ' */{text}\n/* \" */");
    let again = parse_with(&spaced, options).expect("the same with comments");
    assert_eq!(again.statements().map(told).collect::<Vec<_>>(), all, "{text:?}");
    for (statement, told_before) in script.statements().zip(&all) {
        let alone = parse_with(statement.text(), options).expect("a statement alone");
        assert_eq!(&alone.statements().map(told).collect::<Vec<_>>(), &[told_before.clone()], "{text:?}");
    }
});
