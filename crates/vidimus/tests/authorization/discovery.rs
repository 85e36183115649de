//! Clients that know the address of the gateway and nothing else: what each asks for, in order, until it is shown tools.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;
use vidimus_testkit::{Registration, Sdk};

use crate::World;

/// What every client does before it is shown anything. `/reg` is asked for by those that register themselves.
const FOUND: [&str; 5] = [
    "gateway/mcp/everything 401",
    "GET gateway/.well-known/oauth-protected-resource/mcp/everything 200",
    "GET provider/.well-known/oauth-authorization-server 200",
    "POST provider/reg 201",
    "POST provider/token 200",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_official_client_finds_the_identity_provider_by_itself() -> Result<()> {
    let world = World::start().await?;
    let mut printed = String::new();
    for sdk in Sdk::ALL {
        for registration in [Registration::Dynamic, Registration::Document, Registration::Registered] {
            let url = world.url("/mcp/everything");
            let signed_in = tokio::task::spawn_blocking(move || sdk.sign_in(&url, registration)).await??;
            writeln!(printed, "{} {registration:?}\n  {}", sdk.name(), signed_in.trace.join("\n  "))?;
            assert!(signed_in.tools.iter().any(|tool| tool == "echo"), "{signed_in:?}");

            // What comes after the token may come side by side.
            let token = signed_in.trace.iter().position(|request| request.starts_with("POST provider/token")).unwrap();
            let (finding, then) = signed_in.trace.split_at(token + 1);
            // Some look for everything again when they come back with a code.
            let mut seen = BTreeSet::new();
            let finding: Vec<_> = finding.iter().filter(|request| seen.insert(*request)).collect();
            let expected = FOUND.iter().filter(|step| registration == Registration::Dynamic || !step.contains("/reg "));
            let expected: Vec<_> = expected.collect();
            assert_eq!(finding.len(), expected.len(), "{printed}");
            for (request, expected) in finding.into_iter().zip(expected) {
                assert!(request.ends_with(expected), "{request} is not {expected}\n{printed}");
            }
            assert_eq!(then[0], "POST gateway/mcp/everything 200", "{printed}");
            assert!(!then.iter().any(|request| request.contains("provider") || request.ends_with(" 401")), "{printed}");
        }
    }
    println!("{printed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_step_up_to_the_scopes_that_a_target_asks_for() -> Result<()> {
    let world = World::start().await?;
    let mut printed = String::new();
    // TypeScript's 1.x refreshes the token that it has, which gets no further scope, and gives up.
    for sdk in [Sdk::Python1, Sdk::Python2, Sdk::TypeScript2] {
        let url = world.url("/mcp/books");
        let signed_in = tokio::task::spawn_blocking(move || sdk.sign_in(&url, Registration::Registered)).await??;
        writeln!(printed, "{}\n  {}", sdk.name(), signed_in.trace.join("\n  "))?;
        assert!(signed_in.tools.iter().any(|tool| tool == "echo"), "{printed}");
        let count = |request: &str| signed_in.trace.iter().filter(|made| *made == request).count();
        // Python's 1.x goes on with a further scope at its next connection alone.
        assert!(
            matches!((count("POST gateway/mcp/books 403"), count("POST provider/token 200")), (1..=2, 2)),
            "one token with what all ask for, one with what the target asks for besides\n{printed}"
        );
    }
    println!("{printed}");
    Ok(())
}
