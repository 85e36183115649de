//! A target that is a program: npm's reference server on its standard input and output, started by the gateway.
//!
//! The official client sees the same as from that server over HTTP; the program reaches neither the gateway's data nor
//! its key, gets nothing of its environment, and ends with its session.

mod common;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use common::evidence::of_type;
use common::issuer::Issuer;
use common::programs;
use common::{ALLOW_ALL, AUDIENCE, Client, Gateway, Setup};
use serde_json::{Value, json};
use vidimus_testkit::{EverythingServer, OidcProvider, python_client};

/// What ending a session's program may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// What servers may ask of clients.
const ASKS: &str = r#"
permit (principal in Group::"corp/support", action == Action::"sampling/createMessage", resource);
permit (principal in Group::"corp/support", action == Action::"elicitation/create", resource);
permit (principal in Group::"corp/support", action == Action::"roots/list", resource);
"#;

/// Processes of the gateway's that hold `text` in their command line.
fn running(text: &str) -> usize {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(text))
        .count()
}

fn wait_until_none_runs(text: &str) {
    let limit = Instant::now() + LIMIT;
    while running(text) > 0 {
        assert!(Instant::now() < limit, "{} processes are still there", running(text));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sees_what_it_sees_over_http_and_the_program_ends_with_the_session() -> Result<()> {
    let provider = OidcProvider::start().await?;
    let over_http = tokio::task::spawn_blocking(EverythingServer::start).await??;
    let dir = programs::open_dir();
    let (installed, program) = tokio::task::spawn_blocking(EverythingServer::program).await??;
    programs::copy(&installed.join("."), dir.path());
    let program = dir.path().join(program).display().to_string();
    let server = programs::lines(&["node", &program, "stdio"], dir.path());
    let policies = format!("{ALLOW_ALL}{ASKS}");
    let setup = Setup { server, policies: &policies, ..Setup::new("") };
    let mut gateway = Gateway::start(&setup, provider.issuer());
    let token = provider.token_for("alice", AUDIENCE).await?;

    let both = |script: &str| -> Result<(Value, Value)> {
        let direct = python_client(script, &[&over_http.url(), "-"])?;
        let through = python_client(script, &[&gateway.url(), &token]);
        Ok((direct, through.with_context(|| format!("the gateway said:\n{}", gateway.process.log()))?))
    };
    let (direct, through) = both("e2e_client.py")?;
    let (direct, through) = (direct.as_array().context("steps")?, through.as_array().context("steps")?);
    assert_eq!(direct.len(), through.len());
    let differing: Vec<_> = direct.iter().zip(through).filter(|(direct, through)| direct != through).collect();
    let steps: Vec<_> = differing.iter().map(|(_, through)| &through["step"][0]).collect();
    // The capability that the gateway cannot inspect yet is taken out, and an unknown tool is the gateway's to answer.
    assert_eq!(steps, ["initialize", "call"], "{differing:#?}");
    assert_eq!(differing[1].1["step"][1], "no-such-tool");

    let (direct, through) = both("e2e_asks.py")?;
    assert_eq!(through["results"], direct["results"], "{}", gateway.process.log());
    for kind in ["sampling", "elicitation"] {
        assert_eq!(through["asked"][kind], direct["asked"][kind], "{kind}");
    }
    assert!(through["asked"]["roots"].as_u64() >= Some(1), "{through}");
    assert!(of_type(&gateway.events(), "operation.outcome").len() > 10);
    // The clients have ended their sessions, and the gateway has read the definitions.
    wait_until_none_runs(&program);

    // A session that is open when the gateway ends takes its program with it.
    let client = Client::open(gateway.url(), &token).await;
    assert!(running(&program) > 0, "{}", gateway.process.log());
    drop(client);
    assert!(gateway.process.terminate(LIMIT)?.success(), "{}", gateway.process.log());
    wait_until_none_runs(&program);
    Ok(())
}

/// Writes what it was told to hide, a key over several lines, more lines than are taken in a second, and ends.
const TALKATIVE: &str = r#"
echo 'cannot reach ada@example.com' >&2
printf -- '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n' >&2
i=0; while [ $i -lt 1000 ]; do echo "line $i"; i=$((i+1)); done >&2
exit 3
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_says_of_its_end_is_in_the_recording_masked_and_bounded() -> Result<()> {
    let (issuer, dir) = (Issuer::start(), programs::open_dir());
    let server = programs::lines(&["sh", "-c", TALKATIVE], dir.path());
    let gateway = Gateway::start(&Setup { server, ..Setup::new("") }, issuer.url());
    let client = Client::new(gateway.url(), issuer.token("alice"));
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
    let answer = client.post(hello).await?;
    assert_eq!(answer.status, 502, "{answer:?}");

    let is_logged = |event: &Value| event["type"] == "program.logged" && event["who"] == "corp|alice";
    let events = gateway.events_once(|event| event["type"] == "session.closed" && event["who"] == "corp|alice");
    let logged: Vec<&Value> = events.iter().filter(|event| is_logged(event)).collect();
    assert_eq!(logged[0]["masked"], json!({ "EMAIL_ADDRESS": 1, "SECRET_PRIVATE_KEY": 1 }), "{logged:#?}");
    let session = logged[0]["session"].as_str().context("a session")?;
    let frames = gateway.recording(session);
    let said: String = frames
        .iter()
        .filter(|frame| frame["direction"] == "log")
        .filter_map(|frame| frame["body"]["text"].as_str())
        .collect();
    assert!(said.starts_with("cannot reach <EMAIL_ADDRESS>\n"), "{said}");
    let left_out: u64 = logged.iter().filter_map(|event| event["left_out"].as_u64()).sum();
    let lines = said.lines().filter(|line| line.starts_with("line ")).count() as u64;
    assert!(lines > 0 && left_out > 0 && lines + left_out == 1_000, "{lines} lines, {left_out} left out: {said}");

    // What is in the recording can be replayed, is what its event commits to, and is in the gateway's own log too.
    let replayed = gateway.run(&["sessions", "replay", session]);
    assert!(String::from_utf8_lossy(&replayed.stdout).contains("cannot reach <EMAIL_ADDRESS>"), "{replayed:?}");
    let verified = gateway.run(&["log", "verify", "--recordings"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let log = gateway.process.log();
    assert!(log.contains("A program says: cannot reach <EMAIL_ADDRESS>"), "{log}");
    for value in ["ada@example.com", "MIIEvQIBADAN", "BKcwggSjAgEA"] {
        assert!(!log.contains(value) && !said.contains(value), "{value}: {said}\n{log}");
    }
    Ok(())
}
