//! Texts that nobody wrote by hand: nothing panics, and what is blank to PostgreSQL changes nothing.

use proptest::prelude::*;
use vidimus_sql::{Script, parse};

/// Pieces of SQL in any order, and whatever else there is.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "select", "insert into", "update", "delete from", "with", "as", "from", "where", "t", "s.t", "\"T\"", "a", "b.c",
            "*", ",", "(", ")", "[", "]", ";", "1", ".5", "$1", "'x'", "E'\\''", "U&\"\\0061\"", "UESCAPE", "'!'", "$$x$$",
            "--", "/*", "*/", "\n", "=", "||", "::", "case", "when", "end", "union", "values", "set", "copy", "to stdout",
            "explain", "analyze", "returning", "join", "using", "N'", "B'1'", "0x1F", "é", "\0", "'", "\"", "$a$", "begin",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.join(" "))
}

fn told(script: &Script) -> Vec<String> {
    script
        .statements()
        .map(|statement| format!("{:?} {:?} {:?}", statement.facts(), statement.effects(), statement.columns()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_panics(text in pieces()) {
        if let Ok(script) = parse(&text) {
            for statement in script.statements() {
                prop_assert!(text.get(statement.range()).is_some());
                prop_assert!(!statement.kinds().is_empty());
                let _ = (statement.facts(), statement.effects(), statement.columns(), statement.inner());
            }
        }
    }

    #[test]
    fn comments_and_white_space_mean_nothing(text in pieces(), comment in "[a-z'\"$;]{0,5}") {
        if let Ok(script) = parse(&text) {
            let spaced = format!("/*{comment}*/ {text} \n-- {comment}\n");
            let again = parse(&spaced).expect("the same with comments");
            prop_assert_eq!(told(&script), told(&again));
        }
    }
}
