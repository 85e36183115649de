//! The official clients at the endpoint for all targets: what each server answers there is what it answers directly.
//!
//! One session of each client does what the scripts do at every server, one server after the other, by the names that
//! things have at the endpoint. What needs another name is renamed; what two servers have under one URI is read once. What is
//! not the same is named, with its reason.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};
use vidimus_testkit::{Endpoint, Era, Sdk, Session, official};

use crate::common::{ALLOW_ALL, AUDIENCE};
use crate::servers::{Fixtures, Server};
use crate::{ASKS, World, rust};

/// Which step, of which target or none for all, and why it is not the same.
const DIFFERENCES: [(Option<&str>, &str, &str); 1] =
    [(None, "call no-such-tool", "the gateway answers by its own list, without asking the server")];

/// A step at a server by the names of the endpoint; none for what is asked of all servers, or of the first with this URI.
fn renamed(target: &str, step: &Value) -> Option<Value> {
    let mut step = step.clone();
    let kind = step[0].as_str()?.to_owned();
    match kind.as_str() {
        "call" | "parallel" | "progress" | "prompt" => {
            step[1] = json!(format!("{target}_{}", step[1].as_str()?));
        }
        "complete" if step[1]["type"] == "ref/prompt" => {
            step[1]["name"] = json!(format!("{target}_{}", step[1]["name"].as_str()?));
        }
        // The fixtures of both SDKs have the same resources; those of the first by name are read.
        "read" | "subscribe" if target != "typescript" && !step[1].as_str()?.contains("no-such") => {}
        _ => return None,
    }
    Some(step)
}

/// What a server answered, without the name of the step; none for what is not compared.
fn compared(answer: &Value) -> Value {
    let mut answer = answer.clone();
    answer.as_object_mut().unwrap().remove("step");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_gets_from_all_servers_together_what_it_gets_from_each() -> Result<()> {
    let fixtures = Fixtures::start().await?;
    let world = World::start(&format!("{ALLOW_ALL}{ASKS}"), Some(fixtures)).await?;
    let token = world.provider.token_for("alice", AUDIENCE).await?;
    let url = format!("http://127.0.0.1:{}/mcp", world.gateway.port);
    let mut sessions = Vec::new();
    for era in [Era::Legacy, Era::Modern] {
        let servers: Vec<&Server> = world.servers.iter().filter(|server| server.era == era).collect();
        let mut steps = vec![json!(["list_tools"])];
        for server in &servers {
            steps.extend(server.steps.as_array().unwrap().iter().filter_map(|step| renamed(server.target, step)));
            let name = format!("{} {}", server.target, era.name());
            sessions.push(Session { name, era, endpoint: server.direct.clone(), steps: server.steps.clone() });
        }
        let endpoint = Endpoint::Http { url: url.clone(), token: Some(token.clone()) };
        sessions.push(Session { name: format!("all {}", era.name()), era, endpoint, steps: Value::Array(steps) });
    }
    let mut taken = Vec::new();
    for sdk in Sdk::ALL {
        let own: Vec<_> = sessions.iter().filter(|session| sdk.speaks(session.era)).cloned().collect();
        taken.push((sdk.name(), tokio::task::spawn_blocking(move || sdk.run(&own)).await??));
    }
    taken.push(("rmcp", rust::run(sessions).await?));

    let (mut table, mut unexpected) = (format!("{:<16}{:<10}{:>10}\n", "client", "era", "same/steps"), String::new());
    for (client, answers) in taken {
        for era in [Era::Legacy, Era::Modern] {
            let Some(all) = answers.get(&format!("all {}", era.name())) else { continue };
            // The handshake and the list come first, and the end last.
            let mut through = all.iter().skip(2);
            let (mut same, mut count) = (0, 0);
            for server in world.servers.iter().filter(|server| server.era == era) {
                let direct = &answers[&format!("{} {}", server.target, era.name())];
                for direct in direct.iter().filter(|direct| renamed(server.target, &direct["step"]).is_some()) {
                    let through = through.next().unwrap_or(&Value::Null);
                    count += 1;
                    let label = official::label(direct);
                    let is_known = DIFFERENCES
                        .iter()
                        .any(|(target, step, _)| *step == label && target.is_none_or(|target| target == server.target));
                    let is_same = through.is_object() && compared(through) == compared(direct);
                    same += usize::from(is_same);
                    if is_same == is_known {
                        writeln!(unexpected, "{client} {}\n  direct  {direct}\n  through {through}", server.target)?;
                    }
                }
            }
            writeln!(table, "{client:<16}{:<10}{:>10}", era.name(), format!("{same}/{count}"))?;
        }
    }
    println!("{table}");
    assert_eq!(unexpected, "", "{table}\nthe gateway said:\n{}", world.gateway.process.log());
    Ok(())
}
