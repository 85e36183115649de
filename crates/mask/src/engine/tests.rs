//! What is found, what is not, and what must not be found again.

use super::*;

fn engine(names: &[&str]) -> Engine {
    Engine::new(&Selection::new(names.iter().copied())).unwrap()
}

fn found(engine: &Engine, text: &str, path: &[&str]) -> Vec<(String, String)> {
    let mut scan = Scan::default();
    engine.scan(text.as_bytes(), path, End::Final, &mut scan);
    let value = |finding: &Finding| text.get(finding.start..finding.end).unwrap().to_owned();
    scan.findings().iter().map(|finding| (engine.name(finding.class).to_owned(), value(finding))).collect()
}

#[test]
fn a_number_without_a_check_digit_counts_only_where_something_names_it() {
    let engine = engine(&["default"]);
    let ssn = || vec![("US_SSN".to_owned(), "123456789".to_owned())];
    assert_eq!(found(&engine, "order 123456789 shipped", &[]), []);
    assert_eq!(found(&engine, "her SSN is 123456789.", &[]), ssn());
    assert_eq!(found(&engine, "social security number: 123456789", &[]), ssn());
    assert_eq!(found(&engine, "123456789", &["customer", "ssn"]), ssn());
    assert_eq!(found(&engine, "123456789", &["customerSsn"]), ssn());
    assert_eq!(found(&engine, "123456789", &["orderNumber"]), []);
}

#[test]
fn marks_are_not_found_again() {
    let engine = engine(&["default"]);
    assert_eq!(found(&engine, "ssn <US_SSN> and <US_SSN_12> and *****6789", &[]), []);
    assert_eq!(found(&engine, "ssn **123456789", &[]).len(), 1, "stars alone hide nothing");
}

#[test]
fn the_name_of_a_mark_assigns_nothing_to_what_follows_it() {
    let engine = engine(&["default", "secrets"]);
    for mark in ["<SECRET_PASSWORD>", "<SECRET_GITHUB_TOKEN_1>", "<SECRET_GENERIC:abcdefghijklmnopabcdefgh>"] {
        assert_eq!(found(&engine, &format!("{mark}\nR4nd0mQ8zX2kV7pT3w"), &[]), []);
    }
    assert!(!found(&engine, "<password>R4nd0mQ8zX2kV7pT3w</password>", &[]).is_empty());
}

#[test]
fn an_escape_in_undecoded_text_does_not_hide_the_word_after_it() {
    let engine = engine(&["default"]);
    assert_eq!(found(&engine, r"row\n078-05-1121\t4111111111111111", &[]).len(), 2);
}

#[test]
fn values_glued_to_a_word_are_found_where_nothing_else_looks_like_them() {
    let engine = engine(&["default"]);
    for value in ["415-555-0132", "131052-310V", "4111111111111111", "4111-1111-1111-1111"] {
        for text in [format!("call it is{value} now"), format!("{}{value}", "x".repeat(63)), format!("id_Q{value}.")] {
            let values: Vec<String> = found(&engine, &text, &[]).into_iter().map(|(_, value)| value).collect();
            assert_eq!(values, [value], "{text}");
        }
    }
    for none in ["v415-555", "a4111111111111112", "sha4111111111111111f0", "x1415-555-01327"] {
        assert_eq!(found(&engine, none, &[]), [], "{none}");
    }
}

#[test]
fn stars_around_a_value_hide_nothing() {
    let engine = engine(&["default"]);
    for value in ["4111-1111-1111-1111", "4111 1111 1111 1111", "536-90-4399", "10.1.2.3", "+1 212 555 0142"] {
        for stars in ["**", "***", "/**", "2**"] {
            let text = format!("{stars}{value}**, next");
            let values: Vec<String> = found(&engine, &text, &[]).into_iter().map(|(_, value)| value).collect();
            assert!(values.contains(&value.to_owned()), "{text}: {values:?}");
        }
    }
    assert_eq!(found(&engine, "**SSN**: 536904399", &[]).len(), 1, "a word between stars names what follows");
    assert_eq!(found(&engine, "ssn ****-**-4399, *****4399", &[]), []);
}

#[test]
fn only_near_words_name_a_number_however_few_words_there_are() {
    let engine = engine(&["US_SSN"]);
    let found = |before: usize, between: usize| {
        found(&engine, &format!("{}ssn{}123456789", " ".repeat(before), " ".repeat(between)), &[]).len()
    };
    for before in [0, 40, 200] {
        for between in [1, 30, 60, 80] {
            assert_eq!(found(before, between), 1, "{before} {between}");
        }
        for between in [100, 130, 200, 1 << 20] {
            assert_eq!(found(before, between), 0, "{before} {between}");
        }
    }
}
