//! What policies decide, show and refuse, through the public interface.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod approvals;
mod arguments;
mod decisions;
mod refusals;
mod reveal;
mod rewrites;
mod samples;
mod statements;
mod visibility;

use std::sync::Arc;

use vidimus_core::json::{Document, Limits};
use vidimus_core::{
    Action, Effect, Facts, Principal, PrincipalKind, Protocol, TargetName, Timestamp, ToolAnnotations, ToolDefinition,
};
use vidimus_policy::{Claimed, Decision, Policies, Request, Source, TargetSchema};

/// 2026-11-20T12:00:00Z
const NOON: Timestamp = Timestamp::from_seconds(1_795_176_000);

fn principal(subject: &str, groups: &[&str]) -> Principal {
    Principal {
        kind: PrincipalKind::User,
        issuer: "demo".into(),
        subject: subject.into(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        display: None,
        actor_chain: Vec::new(),
        amr: Vec::new(),
        client_id: None,
    }
}

/// The data classes of these tests.
fn classes() -> Vec<Arc<str>> {
    ["CREDIT_CARD", "EMAIL_ADDRESS", "US_SSN"].map(Arc::from).to_vec()
}

fn target(name: &str) -> TargetName {
    name.parse().unwrap()
}

fn tool(name: &str, annotations: ToolAnnotations, schema: &'static str) -> ToolDefinition {
    ToolDefinition { name: name.into(), annotations, input_schema: schema.as_bytes().into(), output_schema: None }
}

const READ_ONLY: ToolAnnotations =
    ToolAnnotations { read_only: true, destructive: false, idempotent: true, open_world: false };

/// The target of the sample policies.
fn crm() -> TargetSchema {
    let customer = r#"{"type":"object","properties":{"customer":{"type":"string"}},"required":["customer"]}"#;
    let refund = r#"{"type":"object","properties":{"customer":{"type":"string"},"amount":{"type":"integer"},
        "share":{"type":"number"},"note":{"type":"string"},"limit":{"type":"integer"},"tags":{"type":"array",
        "items":{"type":"string"}},"any":{"anyOf":[{"type":"string"},{"type":"integer"}]},
        "options":{"type":"object","properties":{"force":{"type":"boolean"}}}},"required":["customer","amount"]}"#;
    TargetSchema {
        name: target("crm"),
        protocol: Protocol::Mcp,
        tools: Some(vec![
            tool("list_customers", READ_ONLY, r#"{"type":"object"}"#),
            tool("get_customer", READ_ONLY, customer),
            tool("search_customers", READ_ONLY, r#"{"type":"object","properties":{"query":{"type":"string"}}}"#),
            tool("refund", ToolAnnotations { destructive: false, ..ToolAnnotations::default() }, refund),
            tool("delete_customer", ToolAnnotations::default(), customer),
        ]),
    }
}

fn definition(name: &str) -> ToolDefinition {
    crm().tools.unwrap().into_iter().find(|tool| tool.name == name).expect("a tool of the sample target")
}

fn source(name: &str, text: &str) -> Source {
    Source { name: name.into(), text: text.into() }
}

/// Policies of one file `p.cedar` for the sample target and one called `orders` whose tools are not known.
fn compile(text: &str) -> Result<Policies, Vec<String>> {
    let orders = TargetSchema { name: target("orders"), protocol: Protocol::Mcp, tools: None };
    Policies::compile(&[source("p.cedar", text)], &[crm(), orders], &classes())
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// A question, with what it leaves open filled in.
struct Question<'a> {
    policies: &'a Policies,
    principal: &'a Principal,
    target: &'a str,
    annotations: Option<ToolAnnotations>,
    claimed: Claimed<'a>,
    address: Option<&'a str>,
    time: Timestamp,
}

impl<'a> Question<'a> {
    fn new(policies: &'a Policies, principal: &'a Principal) -> Self {
        let claimed = Claimed::default();
        Self { policies, principal, target: "crm", annotations: None, claimed, address: None, time: NOON }
    }

    fn ask(&self, action: &Action, arguments: Option<&str>) -> Decision {
        self.ask_with(action, arguments, None)
    }

    fn ask_of(&self, action: &Action, facts: &Facts) -> Decision {
        self.ask_with(action, None, Some(facts))
    }

    fn ask_with(&self, action: &Action, arguments: Option<&str>, facts: Option<&Facts>) -> Decision {
        let document = arguments.map(|text| Document::parse(text.to_owned().into(), &Limits::default()).unwrap());
        self.policies.decide(
            &self.policies.subject(self.principal),
            &Request {
                action,
                target: &target(self.target),
                arguments: document.as_ref().map(Document::root),
                annotations: self.annotations,
                facts,
                claimed: self.claimed,
                grant: None,
                address: self.address.map(|address| address.parse().unwrap()),
                time: self.time,
            },
        )
    }

    fn call(&self, tool: &str, arguments: &str) -> Decision {
        self.ask(&Action::ToolCall(tool.into()), Some(arguments))
    }
}

fn is_allowed(decision: &Decision) -> bool {
    decision.effect == Effect::Allow
}

/// `allow a b` or `deny a b: message`.
fn shown(decision: &Decision) -> String {
    let mut words = vec![decision.effect.name()];
    words.extend(decision.policies.iter().map(|id| &**id));
    if decision.message.is_empty() { words.join(" ") } else { format!("{}: {}", words.join(" "), decision.message) }
}
