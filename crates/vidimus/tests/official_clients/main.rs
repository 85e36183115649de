//! Official clients and servers, all pairs of one era: what a client gets through the gateway is what it gets without.
//!
//! Real programs on both sides, an OpenID provider, and the gateway as an operator would run it. Each client takes the
//! same scripted session (`vidimus_testkit::script`) directly and through the gateway; the answers are compared step by
//! step and a table of all pairs is printed. What is not the same is listed here, with its reason and with what it is
//! instead: whatever else differs fails the test, and so does a difference that has gone.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

mod changes;
#[path = "../common/mod.rs"]
mod common;
mod federated;
mod rust;
mod servers;
mod sse;
mod waiting;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use common::{ALLOW_ALL, AUDIENCE, Gateway, Setup};
use serde_json::{Value, json};
use servers::{Fixtures, Server};
use vidimus_testkit::{Endpoint, Era, EverythingServer, OidcProvider, Sdk, Session, official, script};

/// What servers may ask of clients.
const ASKS: &str = r#"
@id("sampling") permit (principal in Group::"corp/support", action == Action::"sampling/createMessage", resource);
@id("elicitation") permit (principal in Group::"corp/support", action == Action::"elicitation/create", resource);
@id("roots") permit (principal in Group::"corp/support", action == Action::"roots/list", resource);
"#;

/// Alice may do everything but one thing; Bob may open sessions and ask for sums; Carol may nothing.
const POLICIES: &str = r#"
permit (principal in Group::"corp/support", action == Action::"connect", resource == Target::"everything");
permit (principal in Group::"corp/support", action in Action::"tools/call", resource == Target::"everything");

@id("no-secrets") @message("Secrets are not echoed.")
forbid (principal, action == Action::"everything/echo", resource == Target::"everything")
when { context.arguments has message && context.arguments.message like "*hunter2*" };

permit (principal in Group::"corp/finance", action == Action::"connect", resource == Target::"everything");
permit (principal in Group::"corp/finance", action == Action::"everything/get-sum", resource == Target::"everything");
"#;

/// A step that is not the same through the gateway, why that is so, and exactly what it is instead.
struct Difference {
    /// The target, or none for all of them.
    target: Option<&'static str>,
    step: &'static str,
    because: &'static str,
    instead: fn(&mut Value),
}

const DIFFERENCES: [Difference; 3] = [
    Difference {
        target: None,
        step: "connect",
        because: "the gateway tells of lists that policy changes, whether or not the server tells of its own",
        instead: |answer| {
            for list in ["tools", "prompts", "resources"] {
                if let Some(capability) =
                    answer.pointer_mut(&format!("/result/capabilities/{list}")).and_then(Value::as_object_mut)
                {
                    capability.insert("listChanged".to_owned(), json!(true));
                }
            }
        },
    },
    Difference {
        target: Some("everything"),
        step: "connect",
        because: "the gateway takes out the `tasks` of 2025-11-25: it cannot inspect what arrives by them yet",
        instead: |answer| {
            // `rmcp` does not show a capability that it does not know.
            answer["result"]["capabilities"].as_object_mut().unwrap().remove("tasks");
        },
    },
    Difference {
        target: None,
        step: "call no-such-tool",
        because: "the gateway answers by its own list, without asking the server: hidden tools look the same",
        instead: |answer| {
            answer.as_object_mut().unwrap().remove("result");
            answer["error"] = json!({ "code": -32602, "message": "Unknown tool: no-such-tool" });
        },
    },
];

/// Servers, the gateway in front of them, and who signs people in.
struct World {
    servers: Vec<Server>,
    provider: OidcProvider,
    gateway: Gateway,
    _everything: EverythingServer,
    _fixtures: Option<Fixtures>,
}

impl World {
    async fn start(policies: &str, fixtures: Option<Fixtures>) -> Result<Self> {
        let provider = OidcProvider::start().await?;
        let everything = tokio::task::spawn_blocking(EverythingServer::start).await??;
        let mut servers = vec![Server::http("everything", Era::Legacy, everything.url(), script::everything())];
        servers.extend(fixtures.iter().flat_map(Fixtures::servers));
        // `Setup` writes the table of "everything" itself.
        let tables: BTreeSet<_> =
            servers.iter().filter(|server| server.target != "everything").map(Server::table).collect();
        let tables: String = tables.into_iter().collect();
        let setup = Setup { policies, tables: &tables, ..Setup::new(everything.url()) };
        let gateway = Gateway::start(&setup, provider.issuer());
        Ok(Self { servers, provider, gateway, _everything: everything, _fixtures: fixtures })
    }

    async fn endpoint(&self, target: &str, who: &str) -> Result<Endpoint> {
        let url = format!("http://127.0.0.1:{}/mcp/{target}", self.gateway.port);
        Ok(Endpoint::Http { url, token: Some(self.provider.token_for(who, AUDIENCE).await?) })
    }

    /// What the client gets from `everything` as `who`, step by step, the handshake first.
    async fn through_the_gateway(&self, who: &str, steps: Value) -> Result<Vec<Value>> {
        Ok(take(&self.endpoint("everything", who).await?, steps))
    }
}

/// What the Python client gets from a server, step by step.
fn take(endpoint: &Endpoint, steps: Value) -> Vec<Value> {
    let session = Session { name: "it".to_owned(), era: Era::Legacy, endpoint: endpoint.clone(), steps };
    Sdk::Python1.run(&[session]).unwrap().remove("it").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_gets_the_same_from_every_server_of_its_era() -> Result<()> {
    let fixtures = Fixtures::start().await?;
    let world = World::start(&format!("{ALLOW_ALL}{ASKS}"), Some(fixtures)).await?;
    let mut sessions = Vec::new();
    for server in &world.servers {
        let through = world.endpoint(server.target, "alice").await?;
        for (leg, endpoint) in [("direct", server.direct.clone()), ("through", through)] {
            let name = format!("{} {} {leg}", server.target, server.era.name());
            sessions.push(Session { name, era: server.era, endpoint, steps: server.steps.clone() });
        }
    }
    // One client after the other: each session with a program starts one, and those of all clients at once would starve.
    let mut taken = Vec::new();
    for sdk in Sdk::ALL {
        let own: Vec<_> = sessions.iter().filter(|session| sdk.speaks(session.era)).cloned().collect();
        taken.push((sdk.name(), tokio::task::spawn_blocking(move || sdk.run(&own)).await??));
    }
    taken.push(("rmcp", rust::run(sessions).await?));

    let mut table = format!("{:<16}{:<20}{:>10}  not the same\n", "client", "server", "same/steps");
    let mut unexpected = String::new();
    for (client, answers) in taken {
        for server in &world.servers {
            let pair = format!("{} {}", server.target, server.era.name());
            // A client that does not speak the era has no answers.
            let Some(direct) = answers.get(&format!("{pair} direct")) else { continue };
            let through = &answers[&format!("{pair} through")];
            // The whole script was taken without the gateway: what is compared is there.
            assert_eq!(direct.len(), server.steps.as_array().unwrap().len() + 2, "{client} {pair}: {direct:#?}");
            let mut not_the_same = Vec::new();
            for (index, direct) in direct.iter().enumerate() {
                let through = through.get(index).unwrap_or(&Value::Null);
                if direct != through {
                    not_the_same.push(official::label(direct));
                }
                if *through != expected(server.target, direct) {
                    writeln!(unexpected, "{client} {pair}\n  direct  {direct}\n  through {through}")?;
                }
            }
            let counts = format!("{}/{}", direct.len() - not_the_same.len(), direct.len());
            writeln!(table, "{client:<16}{pair:<20}{counts:>10}  {}", not_the_same.join(", "))?;
        }
    }
    for Difference { target, step, because, .. } in DIFFERENCES {
        writeln!(table, "{step} ({}): {because}", target.unwrap_or("all servers"))?;
    }
    println!("{table}");
    assert_eq!(unexpected, "", "{table}\nthe gateway said:\n{}", world.gateway.process.log());
    Ok(())
}

/// What the gateway is to answer where the server answers `direct`.
fn expected(target: &str, direct: &Value) -> Value {
    let mut expected = direct.clone();
    for difference in DIFFERENCES {
        if difference.step == official::label(direct) && difference.target.is_none_or(|only| only == target) {
            (difference.instead)(&mut expected);
        }
    }
    expected
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_says_why_and_does_not_reach_the_server() -> Result<()> {
    let world = World::start(POLICIES, None).await?;
    let steps =
        json!([["call", "echo", { "message": "my password is hunter2" }], ["call", "echo", { "message": "fine" }]]);
    let answers = world.through_the_gateway("alice", steps).await?;

    let denied = &answers[1]["result"];
    assert_eq!(denied["isError"], json!(true));
    let text = denied["content"][0]["text"].as_str().context("a text")?;
    assert!(text.contains("Secrets are not echoed."), "{text}");
    assert_eq!(answers[2]["result"]["content"][0]["text"], json!("Echo: fine"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_holds_what_the_caller_may_use() -> Result<()> {
    let world = World::start(POLICIES, None).await?;
    let steps = json!([
        ["list_tools"],
        ["call", "get-sum", { "a": 1, "b": 2 }],
        ["call", "echo", { "message": "hello" }],
        ["list_prompts"],
        ["prompt", "simple-prompt", {}],
        ["read", "demo://resource/static/document/features.md"],
    ]);
    let answers = world.through_the_gateway("bob", steps).await?;

    let tools = answers[1]["result"]["tools"].as_array().context("tools")?;
    assert_eq!(tools.iter().map(|tool| &tool["name"]).collect::<Vec<_>>(), [&json!("get-sum")]);
    assert_eq!(answers[2]["result"]["content"][0]["text"], json!("The sum of 1 and 2 is 3."));
    // A tool that is not listed is as good as unknown: the answer must not tell the two apart.
    let hidden = answers[3].to_string().replace("echo", "no-such-tool");
    let steps = json!([["call", "no-such-tool", { "message": "hello" }]]);
    let unknown = world.through_the_gateway("bob", steps).await?;
    assert_eq!(without_reference(&hidden), without_reference(&unknown[1].to_string()));
    assert_eq!(answers[4]["result"]["prompts"], json!([]));
    assert!(answers[5]["error"].is_object(), "{}", answers[5]);
    assert!(answers[6]["error"].is_object(), "{}", answers[6]);
    Ok(())
}

/// A text without the reference to its record (a session's id and a number), which differs from call to call.
fn without_reference(text: &str) -> String {
    let is_id = |word: &&str| word.len() >= 36 && word.matches('-').count() >= 4;
    text.split([' ', '"', ')', '(', '.', ',']).filter(|word| !is_id(word)).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_passes_without_a_token_for_this_gateway_or_a_permit() -> Result<()> {
    let world = World::start(POLICIES, None).await?;
    let other_audience = world.provider.token_for("alice", "another-service").await?;
    let carol = world.provider.token_for("carol", AUDIENCE).await?;
    let tokens =
        [(None, "401"), (Some("not.a.token"), "401"), (Some(other_audience.as_str()), "401"), (Some(&carol), "403")];
    for (token, status) in tokens {
        let endpoint = Endpoint::Http { url: world.gateway.url(), token: token.map(str::to_owned) };
        let answers = take(&endpoint, json!([["ping"]]));
        let [refused] = &answers[..] else { anyhow::bail!("{answers:?}") };
        let text = refused["error"]["message"].as_str().context("a reason")?;
        assert!(text.contains(status), "{token:.20?}: {text}");
    }
    Ok(())
}
