//! Messages that must be refused, from a table that end-to-end tests share (`bad_input/README.md`).
//!
//! Every case is read through the public parser and must get exactly the refusal the table names.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::Value;
use vidimus_core::json::Limits;
use vidimus_mcp::envelope::{Class, Message, Sender, code};
use vidimus_mcp::reply;

const CASES: &str = include_str!("bad_input/cases.jsonl");

fn cases() -> impl Iterator<Item = Value> {
    CASES.lines().map(|line| serde_json::from_str(line).expect(line))
}

fn body(case: &Value) -> Vec<u8> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match (case.get("body"), case.get("hex"), case.get("repeat").and_then(Value::as_array).map(Vec::as_slice)) {
        (Some(body), None, None) => text(body).into_bytes(),
        (None, Some(hex), None) => {
            let digits: Vec<_> = text(hex).chars().map(|digit| digit.to_digit(16).unwrap()).collect();
            digits.as_chunks::<2>().0.iter().map(|[high, low]| u8::try_from(high << 4 | low).unwrap()).collect()
        }
        (None, None, Some([before, unit, count, after])) => {
            let count = usize::try_from(count.as_u64().unwrap()).unwrap();
            (text(before) + &text(unit).repeat(count) + &text(after)).into_bytes()
        }
        _ => Vec::new(),
    }
}

/// The reason, code and status a body is refused with; none when it is accepted.
fn refusal(body: Vec<u8>) -> Option<(String, i64, u64)> {
    match Message::parse(Bytes::from(body), Sender::Client, &Limits::default()) {
        Ok(message) => {
            let unknown = message.method().is_some_and(|method| method.class() == Class::Unknown);
            unknown.then(|| ("unknown_method".to_owned(), i64::from(code::METHOD_NOT_FOUND), 200))
        }
        Err(error) => {
            // The answer itself must be a message, and tell nothing but the rule.
            let answer: Value =
                serde_json::from_slice(&reply::error(error.id(), error.code(), &error.public_message(), None)).unwrap();
            assert_eq!(answer.pointer("/error/code"), Some(&error.code().into()));
            assert_eq!(answer.get("id").is_some_and(Value::is_null), error.id().is_none());
            Some((error.label().to_owned(), error.code().into(), error.http_status().into()))
        }
    }
}

#[test]
fn every_case_gets_the_refusal_it_names() {
    let mut wrong = Vec::new();
    for case in cases() {
        let expect = |key: &str| case.pointer(&format!("/expect/{key}")).unwrap().clone();
        let found = refusal(body(&case));
        let expected = (
            expect("reason").as_str().unwrap().to_owned(),
            expect("code").as_i64().unwrap(),
            expect("status").as_u64().unwrap(),
        );
        if found.as_ref() != Some(&expected) {
            wrong.push(format!("{}: expected {expected:?}, got {found:?}", case.get("name").unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_whole() {
    let names: Vec<_> = cases().map(|case| case.get("name").unwrap().to_string()).collect();
    assert!(names.len() >= 60, "{} cases", names.len());
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "names are unique");
    assert!(cases().all(|case| ["body", "hex", "repeat"].iter().filter(|key| case.get(**key).is_some()).count() == 1));
}

#[test]
fn what_is_not_in_the_table_passes() {
    let call =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"Name":"x","a":1.50}}}"#;
    let depth = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"a":{}{}}}}}}}"#,
        "[".repeat(61),
        "]".repeat(61)
    );
    for body in [call, depth.as_str(), r#"{"jsonrpc":"2.0","id":-7,"method":"ping","x":{"Method":1}}"#] {
        assert_eq!(refusal(body.into()), None, "{body}");
    }
}
