//! What a decision costs: `cargo run --release -p vidimus-policy --example bench_decide`
//!
//! Microseconds per decision (the best batch), context and arguments included, with 5, 50 and 500 policies: spread over targets as in
//! practice, and all of them on the one tool that is called, where slicing cannot help.

use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use vidimus_core::json::{Document, Limits};
use vidimus_core::{Action, Principal, PrincipalKind, Protocol, Timestamp, ToolAnnotations, ToolDefinition};
use vidimus_policy::{Claimed, Policies, Request, Source, TargetSchema};

const BATCHES: usize = 20;
const ROUNDS: u32 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let samples = include_str!("../../../policies/crm.cedar");
    report("sample policies, crm/refund", samples, "refund")?;
    report("sample policies, crm/get_customer", samples, "get_customer")?;
    for count in [5, 50, 500] {
        report(&format!("{count} policies on {} targets", count / 5), &spread(count)?, "refund")?;
    }
    for count in [5, 50, 500] {
        report(&format!("{count} policies on one tool"), &piled(count)?, "refund")?;
    }
    Ok(())
}

fn report(name: &str, policies: &str, tool: &str) -> Result<(), Box<dyn Error>> {
    let sources = [Source { name: "bench.cedar".into(), text: policies.into() }];
    let started = Instant::now();
    let policies =
        Policies::compile(&sources, &targets()?, &["CREDIT_CARD".into()]).map_err(|errors| format!("{errors:?}"))?;
    let compiled = started.elapsed();
    let subject = policies.subject(&principal());
    let text = r#"{"customer":"c-1042","amount":120,"note":"double charge"}"#;
    let document = Document::parse(text.into(), &Limits::default())?;
    let (action, target) = (Action::ToolCall(tool.into()), "crm".parse()?);
    let request = Request {
        action: &action,
        target: &target,
        arguments: Some(document.root()),
        annotations: Some(ToolAnnotations { read_only: tool != "refund", ..ToolAnnotations::default() }),
        facts: None,
        claimed: Claimed { client: Some("bench"), model: None },
        grant: None,
        address: Some([10, 0, 0, 1].into()),
        time: Timestamp::from_seconds(1_795_000_000),
    };
    // The best of several batches: what else the machine does only ever adds.
    let batches = (0..BATCHES).map(|_| {
        let started = Instant::now();
        for _ in 0..ROUNDS {
            black_box(policies.decide(black_box(&subject), black_box(&request)));
        }
        started.elapsed() / ROUNDS
    });
    let each = batches.min().unwrap_or_default();
    let decision = policies.decide(&subject, &request);
    writeln!(
        std::io::stdout(),
        "{name:36} {:8.2} µs/decision   {} by {} policies, compiled in {compiled:.0?}",
        each.as_secs_f64() * 1e6,
        decision.effect.name(),
        decision.policies.len(),
    )?;
    Ok(())
}

/// Five policies for each target.
fn spread(count: usize) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for number in 0..count / 5 {
        let target = if number == 0 { "crm".to_owned() } else { format!("t{number}") };
        write!(
            text,
            r#"
            permit (principal in Group::"demo/g", action == Action::"connect", resource == Target::"{target}");
            permit (principal in Group::"demo/g", action in Action::"tools/call", resource == Target::"{target}")
            when {{ context.tool.readOnlyHint }};
            permit (principal in Group::"demo/g", action == Action::"{target}/refund", resource);
            forbid (principal, action == Action::"{target}/refund", resource) when {{ context.arguments.amount > 500 }};
            forbid (principal, action == Action::"{target}/delete", resource);
            "#
        )?;
    }
    Ok(text)
}

fn piled(count: usize) -> Result<String, Box<dyn Error>> {
    let mut text = "permit (principal in Group::\"demo/g\", action == Action::\"crm/refund\", resource);\n".to_owned();
    for number in 1..count {
        writeln!(
            text,
            r#"forbid (principal, action == Action::"crm/refund", resource) when {{ context.arguments.amount > {} }};"#,
            1_000 + number
        )?;
    }
    Ok(text)
}

fn targets() -> Result<Vec<TargetSchema>, Box<dyn Error>> {
    let schema = r#"{"type":"object","properties":{"customer":{"type":"string"},"amount":{"type":"integer"},
        "note":{"type":"string"}},"required":["customer","amount"]}"#;
    let tools = ["refund", "get_customer", "delete", "delete_customer"].map(|name| ToolDefinition {
        name: name.into(),
        annotations: ToolAnnotations::default(),
        input_schema: schema.into(),
        output_schema: None,
    });
    let names = (1..100).map(|number| format!("t{number}")).chain(["crm".to_owned()]);
    names
        .map(|name| Ok(TargetSchema { name: name.parse()?, protocol: Protocol::Mcp, tools: Some(tools.to_vec()) }))
        .collect()
}

fn principal() -> Principal {
    Principal {
        kind: PrincipalKind::User,
        issuer: "demo".into(),
        subject: "alice".into(),
        groups: vec!["demo/g".into(), "demo/support".into()],
        display: None,
        actor_chain: Vec::new(),
        amr: vec!["pwd".into()],
        client_id: None,
    }
}
