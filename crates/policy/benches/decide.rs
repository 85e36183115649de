//! What a decision costs: microseconds of one call, by how many policies can apply to it (design part 5,
//! "Semantics" 4: Cedar is linear in the policies it is given, so each target and action has a set of its own).
//!
//! 500 policies in all, of which a slice holds the number of the row; half of them forbid, and read an argument that
//! does not fulfil them, so that each is evaluated to its end. Each decision is timed alone, by the wall clock: what
//! else runs on the machine shows in the last hundredth. `cargo xtask bench policy`.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use vidimus_core::json::{Document, Limits};
use vidimus_core::{Action, Effect, Principal, PrincipalKind, Protocol, Timestamp, ToolAnnotations, ToolDefinition};
use vidimus_policy::{Claimed, Policies, Request, Source, TargetSchema};

/// Policies in all.
const POLICIES: usize = 500;
/// Of which so many can apply.
const SLICES: [usize; 7] = [1, 10, 25, 50, 100, 250, 500];
const DECISIONS: u32 = 20_000;
const WARMUP: u32 = 1_000;
/// The bar: at most so many policies in a slice, decided within so many microseconds by 99 of 100.
const BAR: (usize, f64) = (50, 50.0);

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{POLICIES} policies; µs of one decision, of {DECISIONS}")?;
    writeln!(out, "{:>8}  {:>8}  {:>8}  {:>8}  {:>10}", "in slice", "p50", "p99", "mean", "compiled")?;
    for slice in SLICES {
        let (mut times, compiled) = measure(slice)?;
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default().as_secs_f64() * 1e6;
        let mean = (times.iter().sum::<Duration>() / DECISIONS).as_secs_f64() * 1e6;
        let verdict = match slice == BAR.0 {
            true if at(99) <= BAR.1 => "  holds",
            true => "  MISSED",
            false => "",
        };
        let compiled = compiled.as_secs_f64() * 1e3;
        writeln!(out, "{slice:>8}  {:>8.1}  {:>8.1}  {mean:>8.1}  {compiled:>7.0} ms{verdict}", at(50), at(99))?;
    }
    Ok(writeln!(out, "the bar: p99 at most {} µs with {} in the slice", BAR.1, BAR.0)?)
}

/// The time of each decision, and of compiling the set.
fn measure(slice: usize) -> Result<(Vec<Duration>, Duration), Box<dyn Error>> {
    let sources = [Source { name: "bench.cedar".into(), text: text(slice)? }];
    let begin = Instant::now();
    let policies = Policies::compile(&sources, &targets()?, &[])
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let compiled = begin.elapsed();
    let principal = Principal {
        kind: PrincipalKind::User,
        issuer: "corp".into(),
        subject: "ann".into(),
        groups: (0..20).map(|number| format!("corp/team-{number}")).collect(),
        display: None,
        actor_chain: Vec::new(),
        amr: vec!["pwd".into(), "otp".into()],
        client_id: Some("agent".into()),
    };
    let subject = policies.subject(&principal);
    let arguments = br#"{"customer":"c-1001","amount":120,"note":"the second parcel was damaged","lines":[1,2,3]}"#;
    let arguments = Document::parse(Bytes::from_static(arguments), &Limits::default())?;
    let (action, target) = (Action::ToolCall("refund".into()), "crm".parse()?);
    let request = Request {
        action: &action,
        target: &target,
        arguments: Some(arguments.root()),
        annotations: Some(ToolAnnotations::default()),
        facts: None,
        claimed: Claimed { client: Some("agent 1.0"), model: None },
        grant: None,
        address: Some([10, 0, 0, 7].into()),
        time: Timestamp::from_seconds(1_790_000_000),
    };
    let mut times = Vec::new();
    for number in 0..WARMUP + DECISIONS {
        let begin = Instant::now();
        let decision = policies.decide(&subject, &request);
        let took = begin.elapsed();
        if decision.effect != Effect::Allow {
            return Err(format!("denied: {}", decision.message).into());
        }
        if number >= WARMUP {
            times.push(took);
        }
    }
    Ok((times, compiled))
}

/// A permit and `slice` - 1 others for one tool; the rest are for other targets.
fn text(slice: usize) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for number in 0..POLICIES {
        let (target, effect) = match number {
            0 => ("crm".to_owned(), "permit"),
            within if within < slice => ("crm".to_owned(), if within % 2 == 0 { "permit" } else { "forbid" }),
            other => (format!("t{}", other % 10), if other % 2 == 0 { "permit" } else { "forbid" }),
        };
        let condition = match number % 4 {
            _ if number == 0 => "true".to_owned(),
            0 => format!("context.arguments.amount > {}", 1_000 + number),
            1 => format!("context.arguments.customer == \"c-{number}\""),
            2 => format!("principal in Group::\"corp/team-{}\" && context.arguments.amount < 0", number % 20),
            _ => format!("context.arguments has note && context.arguments.note like \"*secret {number}*\""),
        };
        writeln!(
            text,
            "@id(\"p{number}\") {effect} (principal, action == Action::\"{target}/refund\", resource == Target::\"{target}\") when {{ {condition} }};"
        )?;
    }
    Ok(text)
}

fn targets() -> Result<Vec<TargetSchema>, Box<dyn Error>> {
    let schema = br#"{"type":"object","properties":{"customer":{"type":"string"},"amount":{"type":"integer"},"note":{"type":"string"}},"required":["customer","amount"]}"#;
    let names = (0..10).map(|number| format!("t{number}")).chain(["crm".to_owned()]);
    let schemas = names.map(|name| {
        let tool = ToolDefinition {
            name: "refund".into(),
            annotations: ToolAnnotations::default(),
            input_schema: Bytes::from_static(schema),
            output_schema: None,
        };
        Ok(TargetSchema { name: name.parse()?, protocol: Protocol::Mcp, tools: Some(vec![tool]) })
    });
    schemas.collect()
}
