//! Attacks that guardrails must see, and harmless look-alikes that they must let pass.
//!
//! Each line of a corpus names the fact that it is about and the arguments of a call. What counts as seen is what the
//! policies of `policies/library` refuse.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use bytes::Bytes;
use serde_json::Value;
use vidimus_core::json::{Document, Limits};
use vidimus_core::{Fact, Facts};
use vidimus_guard::{Guard, Settings};

/// Of a hundred harmless calls, so many may be refused.
const TOLERATED_PERCENT: usize = 2;

#[test]
fn no_attack_of_ours_passes() {
    assert_eq!(wrong(include_str!("corpus/attacks.jsonl"), true), Vec::<String>::new());
}

#[test]
fn hardly_a_harmless_call_of_ours_is_refused() {
    tolerated(include_str!("corpus/harmless.jsonl"));
}

fn tolerated(lines: &str) {
    let refused = wrong(lines, false);
    assert!(refused.len() * 100 <= lines.lines().count() * TOLERATED_PERCENT, "{refused:#?}");
}

/// The lines that are not judged as they should.
fn wrong(lines: &str, is_attack: bool) -> Vec<String> {
    let known = |line: &&str| Fact::ALL.iter().any(|fact| line.contains(&format!("\"fact\": \"{}\"", fact.name())));
    let judged = lines.lines().filter(known).map(|line| {
        let case: Value = serde_json::from_str(line).unwrap();
        (is_seen(&case), line)
    });
    judged.filter(|(is_seen, _)| *is_seen != is_attack).map(|(_, line)| line.to_owned()).collect()
}

fn is_seen(case: &Value) -> bool {
    let arguments = Bytes::from(case["arguments"].to_string());
    let arguments = Document::parse(arguments, &Limits::default()).unwrap();
    let fact = Fact::ALL.into_iter().find(|fact| case["fact"] == fact.name()).unwrap();
    let facts = Guard::new(Settings::default()).facts(Some(arguments.root()), [fact].into_iter().collect());
    seen(fact, &facts)
}

fn seen(fact: Fact, facts: &Facts) -> bool {
    match fact {
        Fact::Urls => facts.urls.as_ref().is_none_or(|urls| urls.private),
        Fact::Paths => facts.paths.as_ref().is_none_or(|paths| paths.traversal || paths.sensitive || paths.outside),
        Fact::Hidden => facts.hidden.unwrap_or(true),
        Fact::Shell => facts.shell.as_ref().is_none_or(|shell| shell.dangerous || !shell.parsed),
        Fact::Sql => facts.sql.as_ref().is_none_or(|sql| {
            !sql.parsed || sql.unbounded || sql.statements > 1 || sql.kinds.iter().any(|kind| kind != "select")
        }),
        Fact::Secrets | Fact::Size => panic!("no corpus is about {}", fact.name()),
    }
}
