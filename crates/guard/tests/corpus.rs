//! Attacks that guardrails must see, and harmless look-alikes that they must let pass.
//!
//! `attacks.jsonl` and `harmless.jsonl` were written before the code, `independent_*.jsonl` by somebody who did not know
//! it. What counts as seen is what the policies of `policies/library` refuse. Attacks on what is not derived here (secrets,
//! sizes, the entities of policies) are put to the whole gateway in `vidimus`'s tests.

#![expect(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use serde_json::Value;
use vidimus_core::json::{Document, Limits};
use vidimus_core::{Fact, Facts};
use vidimus_guard::{Dialect, Guard, Settings};

/// Of a hundred harmless calls, so many may be refused.
const TOLERATED_PERCENT: usize = 2;

/// Schemes that `policies/library/no-private-addresses.cedar` forbids.
const SCHEMES: &[&str] = &[
    "file",
    "gopher",
    "dict",
    "ldap",
    "ldaps",
    "tftp",
    "jar",
    "netdoc",
    "php",
    "phar",
    "expect",
    "javascript",
    "vbscript",
    "data",
    "view-source",
    "sftp",
    "smb",
    "unix",
];

#[test]
fn no_attack_of_ours_passes() {
    assert_eq!(passing(include_str!("corpus/attacks.jsonl"), ours), Vec::<&str>::new());
}

#[test]
fn no_attack_of_others_passes() {
    assert_eq!(passing(include_str!("corpus/independent_attacks.jsonl"), theirs), Vec::<&str>::new());
}

#[test]
fn hardly_a_harmless_call_is_refused() {
    for (lines, of) in [
        (include_str!("corpus/harmless.jsonl"), ours as fn(&Value) -> Option<Case>),
        (include_str!("corpus/independent_harmless.jsonl"), theirs),
    ] {
        let refused: Vec<_> =
            lines.lines().filter(|line| case(line, of).is_some_and(|case| !seen(&case).is_empty())).collect();
        assert!(refused.len() * 100 <= lines.lines().count() * TOLERATED_PERCENT, "{refused:#?}");
    }
}

struct Case {
    fact: Fact,
    arguments: Bytes,
    settings: Settings,
}

/// The attacks that are not seen for what they are.
fn passing(lines: &'static str, of: fn(&Value) -> Option<Case>) -> Vec<&'static str> {
    lines.lines().filter(|line| case(line, of).is_some_and(|case| !seen(&case).contains(&case.fact))).collect()
}

fn case(line: &str, of: fn(&Value) -> Option<Case>) -> Option<Case> {
    of(&serde_json::from_str(line).unwrap())
}

fn ours(line: &Value) -> Option<Case> {
    let fact = Fact::ALL.into_iter().find(|fact| line["fact"] == fact.name());
    Some(Case { fact: fact?, arguments: Bytes::from(line["arguments"].to_string()), settings: Settings::default() })
}

fn theirs(line: &Value) -> Option<Case> {
    let fact = match line["kind"].as_str().unwrap() {
        "ssrf" => Fact::Urls,
        "path" => Fact::Paths,
        "shell" => Fact::Shell,
        "sql" => Fact::Sql,
        "unicode" => Fact::Hidden,
        _ => return None,
    };
    let paths = |key: &str| line[key].as_str().map(|path| path.parse().unwrap()).into_iter().collect();
    let settings = Settings {
        roots: ["/srv/data", "/home/agent/work"].map(str::to_owned).to_vec(),
        shell: paths("shell"),
        sql: paths("sql"),
        dialect: if line["dialect"].is_string() { Dialect::PostgreSql } else { Dialect::Any },
        ..Settings::default()
    };
    Some(Case { fact, arguments: Bytes::from(line["arguments"].to_string()), settings })
}

/// The facts by which a call is refused.
fn seen(case: &Case) -> Vec<Fact> {
    let arguments = Document::parse(case.arguments.clone(), &Limits::default()).unwrap();
    let facts = Guard::new(case.settings.clone()).facts(Some(arguments.root()), Fact::ALL.into_iter().collect());
    Fact::ALL.into_iter().filter(|fact| is_seen(*fact, &facts)).collect()
}

fn is_seen(fact: Fact, facts: &Facts) -> bool {
    match fact {
        Fact::Urls => facts
            .urls
            .as_ref()
            .is_none_or(|urls| urls.private || urls.schemes.iter().any(|scheme| SCHEMES.contains(&scheme.as_str()))),
        Fact::Paths => facts.paths.as_ref().is_none_or(|paths| paths.traversal || paths.sensitive || paths.outside),
        Fact::Hidden => facts.hidden.unwrap_or(true),
        Fact::Shell => facts.shell.as_ref().is_none_or(|shell| shell.dangerous || !shell.parsed),
        Fact::Sql => facts
            .sql
            .as_ref()
            .is_none_or(|sql| !sql.parsed || sql.unbounded || sql.kinds.iter().any(|kind| kind != "select")),
        Fact::Secrets | Fact::Size => false,
    }
}
