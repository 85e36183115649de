//! HTTP with SSE (MCP 2024-11-05) on either side of the gateway: what a client gets through it is what it gets without.
//!
//! Clients and servers are the official SDKs'. A client that speaks nothing else is taken to a server of Streamable HTTP; a
//! server that speaks nothing else to clients of Streamable HTTP, and to one that speaks it itself.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::Value;
use vidimus_testkit::{Endpoint, Era, EverythingServer, FixtureServer, Sdk, Session, official, script};

use crate::common::{ALLOW_ALL, AUDIENCE, Gateway, Setup};
use crate::{ASKS, OidcProvider, expected, rust};

/// Takes one session directly and one through the gateway; tells of each step that is not as it is to be.
fn compared(sdk: Sdk, target: &str, [direct, through]: [Endpoint; 2], steps: &Value) -> Result<String> {
    let session = |name: &str, endpoint: Endpoint| Session {
        name: name.to_owned(),
        era: Era::Legacy,
        endpoint,
        steps: steps.clone(),
    };
    let answers = sdk.run(&[session("direct", direct), session("through", through)])?;
    told(sdk.name(), target, (&answers["direct"], &answers["through"]), steps)
}

/// What an answer tells whenever it comes. TypeScript's client of this transport forgets, of its own accord and without the
/// gateway too, progress that comes in one piece with the result.
fn certain(client: &str, answer: &Value) -> Value {
    let mut answer = answer.clone();
    if client == Sdk::TypeScript1.name() && answer["step"][0] == "progress" {
        answer["seen"] = Value::Null;
    }
    answer
}

fn told(client: &str, target: &str, (direct, through): (&[Value], &[Value]), steps: &Value) -> Result<String> {
    // The whole script was taken without the gateway: what is compared is there.
    assert_eq!(direct.len(), steps.as_array().unwrap().len() + 2, "{client}: {direct:#?}");
    let (mut unexpected, mut same) = (String::new(), 0);
    for (index, direct) in direct.iter().enumerate() {
        let through = through.get(index).unwrap_or(&Value::Null);
        let [direct, through] = [direct, through].map(|answer| certain(client, answer));
        if through == expected(target, &direct) {
            same += usize::from(through == direct);
        } else {
            writeln!(
                unexpected,
                "{client} {target} {}\n  direct  {direct}\n  through {through}",
                official::label(&direct)
            )?;
        }
    }
    println!("{client:<16}{target:<20}{same}/{} the same", direct.len());
    Ok(unexpected)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_sse_gets_the_same_from_a_server_of_streamable_http() -> Result<()> {
    let provider = OidcProvider::start().await?;
    let everything = tokio::task::spawn_blocking(EverythingServer::start).await??;
    let policies = format!("{ALLOW_ALL}{ASKS}");
    let setup = Setup { policies: &policies, ..Setup::new(everything.url()) };
    let gateway = Gateway::start(&setup, provider.issuer());
    let token = Some(provider.token_for("alice", AUDIENCE).await?);
    let mut unexpected = String::new();
    for sdk in Sdk::SSE {
        let direct = Endpoint::Http { url: everything.url(), token: None };
        let url = format!("http://127.0.0.1:{}/sse/everything", gateway.port);
        let through = Endpoint::Sse { url, token: token.clone() };
        let taken = move || compared(sdk, "everything", [direct, through], &script::everything());
        unexpected += &tokio::task::spawn_blocking(taken).await??;
    }
    assert_eq!(unexpected, "", "the gateway said:\n{}", gateway.process.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_sse_gives_the_same_to_every_client() -> Result<()> {
    let provider = OidcProvider::start().await?;
    let everything = tokio::task::spawn_blocking(EverythingServer::start_sse);
    let python = tokio::task::spawn_blocking(FixtureServer::python_sse).await??;
    let everything = everything.await??;
    let policies = format!("{ALLOW_ALL}{ASKS}");
    let tables = format!(
        "[targets.python]\nprotocol = \"mcp\"\nurl = \"{}\"\ntransport = \"sse\"\nrecord = \"masked\"\n",
        python.url()
    );
    let setup = Setup {
        policies: &policies,
        target_lines: "transport = \"sse\"",
        tables: &tables,
        ..Setup::new(everything.url())
    };
    let gateway = Gateway::start(&setup, provider.issuer());
    let token = Some(provider.token_for("alice", AUDIENCE).await?);
    let targets = [
        ("everything", everything.url(), script::everything()),
        ("python", python.url(), script::fixture(Era::Legacy)),
    ];
    let mut unexpected = String::new();
    for (target, url, steps) in targets {
        let streamable =
            Endpoint::Http { url: format!("http://127.0.0.1:{}/mcp/{target}", gateway.port), token: token.clone() };
        for sdk in Sdk::SSE {
            let (direct, steps) = (Endpoint::Sse { url: url.clone(), token: None }, steps.clone());
            let events =
                Endpoint::Sse { url: format!("http://127.0.0.1:{}/sse/{target}", gateway.port), token: token.clone() };
            let through = streamable.clone();
            let taken = move || -> Result<String> {
                let over_http = compared(sdk, target, [direct.clone(), through], &steps)?;
                Ok(over_http + &compared(sdk, target, [direct, events], &steps)?)
            };
            unexpected += &tokio::task::spawn_blocking(taken).await??;
        }
        // Clients that do not speak the transport get it too.
        let session = Session { name: "it".into(), era: Era::Legacy, endpoint: streamable, steps };
        let answers = rust::run(vec![session]).await?.remove("it").unwrap();
        println!("rmcp            {target:<20}{} steps", answers.len());
        let opened = answers[0]["result"].is_object() && answers.iter().any(|answer| answer["step"][0] == "close");
        assert!(opened, "{answers:#?}");
    }
    assert_eq!(unexpected, "", "the gateway said:\n{}", gateway.process.log());
    Ok(())
}
