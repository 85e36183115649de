//! The sample policies of the repository: they validate strictly, and this is what they decide.

use std::path::Path;

use vidimus_core::{Action, Principal};
use vidimus_policy::{Policies, Source};

use super::{Question, crm, definition, principal, shown, target};

fn samples() -> Policies {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let sources: Vec<Source> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cedar"))
        .map(|path| Source {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            text: std::fs::read_to_string(&path).unwrap(),
        })
        .collect();
    assert_eq!(sources.len(), 2);
    Policies::compile(&sources, &[crm()], &super::classes()).unwrap()
}

fn people() -> [(&'static str, Principal); 4] {
    [
        ("support", principal("alice", &["demo/support"])),
        ("finance", principal("bob", &["demo/finance"])),
        ("security", principal("carol", &["demo/security"])),
        ("nobody", principal("mallory", &["other/support"])),
    ]
}

#[test]
fn they_validate_without_a_warning() {
    assert_eq!(samples().warnings(), []);
}

#[test]
fn they_decide() {
    let policies = samples();
    let tool = |name: &str| Action::ToolCall(name.into());
    let questions = [
        (Action::Connect, None),
        (tool("get_customer"), Some(r#"{"customer":"c-1"}"#)),
        (tool("refund"), Some(r#"{"customer":"c-1","amount":500}"#)),
        (tool("refund"), Some(r#"{"customer":"c-1","amount":501}"#)),
        (tool("refund"), Some(r#"{"customer":"c-1","amount":10001}"#)),
        (tool("refund"), Some(r#"{"customer":"c-1","amount":-1}"#)),
        (tool("refund"), Some(r#"{"customer":"c-1","amount":"501"}"#)),
        (tool("refund"), Some(r#"{"customer":"c-1","amount":1e3}"#)),
        (tool("refund"), Some(r#"{"customer":"c-1"}"#)),
        (tool("delete_customer"), Some(r#"{"customer":"c-1"}"#)),
        (tool("unheard_of"), Some("{}")),
        (Action::ResourceRead("crm://customers".into()), None),
        (Action::RecordingView, None),
        (Action::LogRead, None),
    ];
    let mut table = Vec::new();
    for (name, principal) in people() {
        for (action, arguments) in &questions {
            let annotations = match action {
                Action::ToolCall(tool) if &**tool != "unheard_of" => Some(definition(tool).annotations),
                _ => None,
            };
            let question = Question { annotations, ..Question::new(&policies, &principal) };
            let amount = arguments.unwrap_or_default().split_once("amount\":").map_or("", |(_, rest)| rest);
            let decision = shown(&question.ask(action, *arguments));
            let asked = format!("{} {}", action.name("crm"), amount.trim_end_matches('}'));
            table.push(format!("{name}: {}\n    {decision}", asked.trim_end()));
        }
    }
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn lists_show() {
    let policies = samples();
    let mut table = Vec::new();
    for (name, principal) in people() {
        let subject = policies.subject(&principal);
        let shown: Vec<_> = crm()
            .tools
            .unwrap()
            .into_iter()
            .filter(|tool| policies.visible(&subject, &target("crm"), tool))
            .map(|tool| tool.name)
            .collect();
        table.push(format!("{name}: {}", if shown.is_empty() { "nothing".into() } else { shown.join(" ") }));
    }
    insta::assert_snapshot!(table.join("\n"), @"
    support: list_customers get_customer search_customers refund
    finance: list_customers get_customer search_customers refund
    security: nothing
    nobody: nothing
    ");
}
