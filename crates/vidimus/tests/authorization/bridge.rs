//! `vidimus mcp bridge`: what a client gets of a server through it is what it gets over HTTP.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use vidimus_testkit::{Endpoint, Era, FixtureServer, OidcProvider, Sdk, Session, official, script};

use crate::common::{ALLOW_ALL, AUDIENCE, Gateway, Setup};
use crate::signing_in::Person;
use crate::{INITIALIZE, World};

/// How long one line may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What servers may ask of clients.
const ASKS: &str = r#"
@id("sampling") permit (principal in Group::"corp/support", action == Action::"sampling/createMessage", resource);
@id("elicitation") permit (principal in Group::"corp/support", action == Action::"elicitation/create", resource);
@id("roots") permit (principal in Group::"corp/support", action == Action::"roots/list", resource);
"#;

/// A bridge and its lines.
struct Bridge {
    child: std::process::Child,
    input: Option<ChildStdin>,
    output: Receiver<Value>,
}

impl Bridge {
    fn start(person: &Person, world: &World, arguments: &[&str], token: Option<&str>) -> Result<Self> {
        let mut command = person.command(world, &[&["mcp", "bridge"], arguments].concat());
        if let Some(token) = token {
            command.env("VIDIMUS_TOKEN", token);
        }
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().context("standard output")?).lines();
        let (sender, output) = sync_channel(64);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Ok(Self { input: child.stdin.take(), child, output })
    }

    fn say(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.input.as_mut().context("standard input")?, "{line}")?)
    }

    fn next(&self) -> Result<Value> {
        self.output.recv_timeout(LIMIT).context("the bridge says nothing")
    }

    /// Ends standard input; whether it ended well, and what it said.
    fn end(mut self) -> Result<(bool, String)> {
        drop(self.input.take());
        let output = self.child.wait_with_output()?;
        Ok((output.status.success(), String::from_utf8(output.stderr)?))
    }
}

/// What a bridge answers to these lines, one each, before it ends well.
pub(crate) fn exchanged(person: &Person, world: &World, arguments: &[&str], lines: &[&str]) -> Result<Vec<Value>> {
    let mut bridge = Bridge::start(person, world, arguments, None)?;
    let mut answers = Vec::new();
    for line in lines {
        bridge.say(line)?;
        answers.push(bridge.next()?);
    }
    let (went_well, said) = bridge.end()?;
    anyhow::ensure!(went_well, "{said}");
    Ok(answers)
}

#[tokio::test(flavor = "multi_thread")]
async fn official_clients_of_both_eras_get_by_the_bridge_what_they_get_over_http() -> Result<()> {
    let provider = OidcProvider::start().await?;
    let everything = tokio::task::spawn_blocking(vidimus_testkit::EverythingServer::start).await??;
    let modern = tokio::task::spawn_blocking(FixtureServer::python).await??;
    let policies = format!("{ALLOW_ALL}{ASKS}");
    let tables = format!("[targets.modern]\nprotocol = \"mcp\"\nurl = \"{}\"\nrecord = \"masked\"\n", modern.url());
    let setup = Setup { policies: &policies, tables: &tables, ..Setup::new(everything.url()) };
    let gateway = Gateway::start(&setup, provider.issuer());
    let origin = format!("http://127.0.0.1:{}", gateway.port);
    let token = provider.token_for("alice", AUDIENCE).await?;
    let file = gateway.dir.path().join("alice.token");
    std::fs::write(&file, &token)?;

    let mut sessions = Vec::new();
    for (target, era, steps) in
        [("everything", Era::Legacy, script::everything()), ("modern", Era::Modern, script::fixture(Era::Modern))]
    {
        let http = Endpoint::Http { url: format!("{origin}/mcp/{target}"), token: Some(token.clone()) };
        let program =
            [env!("CARGO_BIN_EXE_vidimus"), "mcp", "bridge", "--target", target, "--url", &origin, "--token-file"];
        let command = program.iter().map(ToString::to_string).chain([file.display().to_string()]).collect();
        for (name, endpoint) in [("http", http), ("bridge", Endpoint::Stdio { command })] {
            sessions.push(Session { name: format!("{target} {name}"), era, endpoint, steps: steps.clone() });
        }
    }
    let mut table = String::new();
    for sdk in Sdk::ALL {
        let own: Vec<_> = sessions.iter().filter(|session| sdk.speaks(session.era)).cloned().collect();
        let answers = tokio::task::spawn_blocking(move || sdk.run(&own)).await??;
        for target in ["everything", "modern"] {
            let (Some(http), Some(bridge)) =
                (answers.get(&format!("{target} http")), answers.get(&format!("{target} bridge")))
            else {
                continue;
            };
            let differing = official::differing(http, bridge)?;
            let may_lose = matches!(sdk, Sdk::TypeScript1 | Sdk::TypeScript2);
            let is_lost = |(http, bridge): &(&Value, &Value)| may_lose && lost_progress(http, bridge);
            let differing: Vec<_> = differing.into_iter().filter(|pair| !is_lost(pair)).collect();
            let (steps, same) = (http.len(), http.len() - differing.len());
            writeln!(table, "{} {target}: {same} of {steps} the same", sdk.name())?;
            assert!(differing.is_empty() && http.len() > 10, "{table}{differing:#?}");
        }
    }
    println!("{table}");
    Ok(())
}

/// Whether all that differs is progress at the end: TypeScript's clients forget who waits for it as they read an answer, and
/// over standard input and output they read what comes at once at once. On a busy machine that may be all of it.
fn lost_progress(http: &Value, bridge: &Value) -> bool {
    let seen = |answer: &Value| answer["seen"].as_array().cloned().unwrap_or_default();
    let without = |answer: &Value| json!([answer["step"], answer["result"], answer["error"]]);
    official::label(http).starts_with("progress ")
        && without(http) == without(bridge)
        && seen(http).starts_with(&seen(bridge))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_an_error_of_the_protocol_and_words_for_the_person() -> Result<()> {
    let (world, person) = (World::start().await?, Person::new()?);
    let target = ["--target", "everything"];
    for (arguments, token, text) in [
        (&target[..], None, "you are not signed in"),
        (&target[..], Some("no.valid.token"), "does not take your token"),
        (
            &["--target", "books"][..],
            Some(&*world.provider.token_for("alice", AUDIENCE).await?),
            "--scope use --scope write",
        ),
        (&["--target", "everything", "--url", "http://127.0.0.1:1"][..], Some("t"), "the gateway cannot be used"),
    ] {
        let mut bridge = Bridge::start(&person, &world, arguments, token)?;
        bridge.say(INITIALIZE)?;
        let answer = bridge.next()?;
        let said = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(answer["id"] == 0 && said.contains(text), "{arguments:?}: {answer}");
        // A message that is none does not end it.
        bridge.say("{\"jsonrpc\":\"2.0\",\"id\":7,\"id\":8,\"method\":\"ping\"}")?;
        assert!(bridge.next()?["error"].is_object());
        let (went_well, said) = bridge.end()?;
        assert!(went_well && said.contains(text), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_input_ends_the_session_and_a_lost_session_ends_the_bridge() -> Result<()> {
    let (mut world, person) = (World::start().await?, Person::new()?);
    let token = world.provider.token_for("alice", AUDIENCE).await?;
    let open = |world: &World| -> Result<Bridge> {
        let mut bridge = Bridge::start(&person, world, &["--target", "everything"], Some(&token))?;
        bridge.say(INITIALIZE)?;
        assert!(bridge.next()?["result"].is_object());
        bridge.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)?;
        Ok(bridge)
    };
    // What is under way is answered before the end.
    let mut bridge = open(&world)?;
    let call = json!({ "jsonrpc": "2.0", "id": "last", "method": "tools/call",
        "params": { "name": "trigger-long-running-operation", "arguments": { "duration": 1, "steps": 1 } } });
    bridge.say(&call.to_string())?;
    drop(bridge.input.take());
    let mut answer = bridge.next()?;
    while answer["id"] != "last" {
        answer = bridge.next()?;
    }
    assert!(answer["result"]["content"].is_array(), "{answer}");
    let (went_well, said) = bridge.end()?;
    assert!(went_well, "{said}");
    world.gateway.events_once(|event| event["type"] == "session.closed" && event.to_string().contains("client"));

    // A gateway that has started again knows no session.
    let mut bridge = open(&world)?;
    world.gateway.process.kill()?;
    world.gateway.restart();
    bridge.say(r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#)?;
    let mut answer = bridge.next()?;
    while answer["id"] != 9 {
        answer = bridge.next()?;
    }
    assert!(answer["error"].is_object(), "{answer}");
    let (went_well, said) = bridge.end()?;
    assert!(!went_well && said.contains("has ended the session"), "{said}");
    Ok(())
}
