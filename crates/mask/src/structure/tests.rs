//! Documents and payloads: what is masked in them, what stays as it was, and that JSON stays JSON.

use std::sync::LazyLock;

use super::*;
use crate::{Operator, Selection, Settings};

static MASKER: LazyLock<Masker> = LazyLock::new(|| masker(&[], &[]));

fn masker(operators: &[(&str, Operator)], fields: &[(&str, &str)]) -> Masker {
    let settings = Settings {
        operators: operators.iter().map(|(class, operator)| ((*class).to_owned(), *operator)).collect(),
        fields: fields.iter().map(|(rule, class)| ((*rule).to_owned(), (*class).to_owned())).collect(),
        ..Settings::new(Selection::new(["default"]), [7; 32])
    };
    Masker::new(&settings).unwrap()
}

fn payload_with(masker: &Masker, text: &str, form: Form) -> String {
    let scope = Scope::new(&ClassSet::EMPTY, masker.fields());
    let bytes = Bytes::from(text.to_owned());
    let (mut memory, mut tally) = (Memory::default(), Tally::default());
    let masked = masker.payload(&bytes, form, &scope, &mut memory, &mut tally).unwrap();
    String::from_utf8(masked.unwrap_or(bytes).to_vec()).unwrap()
}

fn payload(text: &str) -> String {
    payload_with(&MASKER, text, Form::Auto)
}

#[test]
fn only_what_holds_a_value_is_written_anew() {
    let text = "{ \"a\" : 1.50e+3,\n\t\"b\\u0062\": \"x\\/y\", \"mail\":[ \"jane@example.com\" ], \"n\" : -0.0 }";
    assert_eq!(payload(text), text.replace("jane@example.com", "<EMAIL_ADDRESS>"));
    assert_eq!(
        payload("{\"a\":\"\\u006aane\\u0040example.com\\n\\u0001\\\"\"}"),
        "{\"a\":\"<EMAIL_ADDRESS>\\n\\u0001\\\"\"}"
    );
}

#[test]
fn json_in_strings_of_json_is_masked_as_json() {
    let inner = r#"{"rows":[{"note":"row\n078-05-1121\tend","ssn":123456789}]}"#;
    let outer = |inner: &str| serde_json::json!({"content": [{"type": "text", "text": inner}]}).to_string();
    let masked = inner.replace("078-05-1121", "<US_SSN>").replace("123456789", "0");
    assert_eq!(payload(&outer(inner)), outer(&masked));
    assert_eq!(payload(&outer(&outer(&outer(inner)))), outer(&outer(&outer(&masked))));
    let lines = |inner: &str| outer(&format!("{inner}\n{inner}\n"));
    assert_eq!(payload(&lines(inner)), lines(&masked));
}
