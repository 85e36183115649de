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
use http::Method;
use serde_json::Value;
use vidimus_testkit::{EverythingServer, OidcProvider, python_client};

/// What ending a session's program may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;

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

/// Writes what is to be hidden where that is hard, more lines than are kept, a key whose beginning is among those that
/// are not, and ends.
const TALKATIVE: &str = r#"
exec >&2
echo 'cannot reach ada@example.com'
printf -- '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n{"n":1}\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n'
printf 'in color: ssn \033[1m078-05-1121\033[0m\n'
x=$(head -c 4090 /dev/zero | tr '\0' x)
echo "$x 4111 1111 1111 1111"
echo '{"nested":{"secret":"open sesame"},"x":"'$x$x'"}'
i=0; while [ $i -lt 5000 ]; do echo "line $i"; i=$((i+1)); done
echo '-----BEGIN RSA PRIVATE KEY-----'
i=0; while [ $i -lt 300 ]; do echo "MIIEvQ1${i}BADANBgkqhkiG9w0BAQEFAASCMIIEvQIBADANBgkqhkiG9w0BAQEFAASC"; i=$((i+1)); done
echo '-----END RSA PRIVATE KEY-----'
echo 'the disk is full'
exit 3
"#;

/// What masks it.
const FIELDS: &str = r#"
[targets.everything.masking]
fields = { "$.nested.secret" = "US_SSN" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_says_of_its_end_is_in_the_recording_masked_and_bounded() -> Result<()> {
    let (issuer, dir) = (Issuer::start(), programs::open_dir());
    let server = programs::lines(&["sh", "-c", TALKATIVE], dir.path());
    let gateway = Gateway::start(&Setup { server, tables: FIELDS, ..Setup::new("") }, issuer.url());
    let client = Client::new(gateway.url(), issuer.token("alice"));
    let answer = client.post(HELLO).await?;
    assert_eq!(answer.status, 502, "{answer:?}");

    let is_logged = |event: &Value| event["type"] == "program.logged" && event["who"] == "corp|alice";
    let events = gateway.events_once(|event| event["type"] == "session.closed" && event["who"] == "corp|alice");
    let logged: Vec<&Value> = events.iter().filter(|event| is_logged(event)).collect();
    let session = logged[0]["session"].as_str().context("a session")?;
    let frames = gateway.recording(session);
    let said: String = frames
        .iter()
        .filter(|frame| frame["direction"] == "log")
        .filter_map(|frame| frame["body"]["text"].as_str())
        .collect();
    let found = |class: &str| logged.iter().filter_map(|event| event["masked"][class].as_u64()).sum::<u64>();
    for (class, count) in [("EMAIL_ADDRESS", 1), ("SECRET_PRIVATE_KEY", 2), ("US_SSN", 2), ("CREDIT_CARD", 1)] {
        assert_eq!(found(class), count, "{class}: {logged:#?}");
    }
    assert!(said.starts_with("cannot reach <EMAIL_ADDRESS>\n<SECRET_PRIVATE_KEY>\nin color: ssn <US_SSN>\n"), "{said}");
    assert!(said.contains(&format!("{} <CRED…\n", "x".repeat(4_090))), "cut after it is masked: {said}");
    let left_out: u64 = logged.iter().filter_map(|event| event["left_out"].as_u64()).sum();
    let lines = said.lines().filter(|line| line.starts_with("line ")).count() as u64;
    assert!(lines > 0 && left_out > 0 && lines + left_out == 5_000, "{lines} lines, {left_out} left out: {said}");
    assert!(said.ends_with("line 4999\n<SECRET_PRIVATE_KEY>\nthe disk is full\n"), "its last words: {said}");

    // What is in the recording can be replayed, is what its event commits to, and is in the gateway's own log too.
    let replayed = gateway.run(&["sessions", "replay", session]);
    assert!(String::from_utf8_lossy(&replayed.stdout).contains("cannot reach <EMAIL_ADDRESS>"), "{replayed:?}");
    assert_eq!(gateway.verified(&["--recordings"])["holds"], true);
    let log = gateway.process.log();
    for says in ["cannot reach <EMAIL_ADDRESS>", "the disk is full"] {
        assert!(log.contains(&format!("A program says: {says}")), "{log}");
    }
    assert!(log.lines().filter(|line| line.contains(session)).count() < 5_000, "the log is bounded too");
    for value in ["ada@example.com", "MIIEvQ", "BKcwggSjAgEA", "078-05", "4111 1", "open sesame"] {
        assert!(!log.contains(value) && !said.contains(value), "{value}: {said}\n{log}");
    }
    Ok(())
}

/// Answers `initialize`, and says at its end what happened.
const LEAVING: &str = r#"
read line
echo '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"test","version":"1"}}}'
echo 'at work' >&2
while read line; do :; done
echo 'saved for ada@example.com' >&2
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_says_after_its_session_was_closed_is_in_the_gateways_log() -> Result<()> {
    let (issuer, dir) = (Issuer::start(), programs::open_dir());
    let server = programs::lines(&["sh", "-c", LEAVING], dir.path());
    let gateway = Gateway::start(&Setup { server, ..Setup::new("") }, issuer.url());
    let mut client = Client::new(gateway.url(), issuer.token("alice"));
    let answer = client.post(HELLO).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    client.session = answer.session;
    assert_eq!(client.send(Method::DELETE, &[], "").await?.status, 204);
    let session = |event: &Value| event["type"] == "session.closed" && event["who"] == "corp|alice";
    let events = gateway.events_once(session);
    let closed = events.iter().find(|event| session(event)).and_then(|event| event["session"].as_str());
    let closed = closed.context("a session")?;
    let said = |text: &str| {
        let limit = Instant::now() + LIMIT;
        let is_said = |line: &str| line.contains(closed) && line.contains(&format!("A program says: {text}"));
        while !gateway.process.log().lines().any(is_said) {
            assert!(Instant::now() < limit, "{text}: {}", gateway.process.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    said("at work");
    said("saved for <EMAIL_ADDRESS>");
    let recorded = gateway.recording(closed);
    let texts: Vec<_> = recorded.iter().filter_map(|frame| frame["body"]["text"].as_str()).collect();
    assert!(texts.contains(&"at work\n") && !texts.iter().any(|text| text.contains("saved")), "{texts:?}");
    Ok(())
}

/// Answers `initialize`, and what comes after it with errors that say of no request that they are its.
const SAYS_NO_ID: &str = r#"
read -r line
echo '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"test","version":"1"}}}'
while read -r line; do echo '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"cannot read ada@example.com"}}'; done
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_no_request_answers_the_only_one_and_else_is_remarked_in_the_recording() -> Result<()> {
    let (issuer, dir) = (Issuer::start(), programs::open_dir());
    let server = programs::lines(&["sh", "-c", SAYS_NO_ID], dir.path());
    let gateway = Gateway::start(&Setup { server, ..Setup::new("") }, issuer.url());
    let mut client = Client::new(gateway.url(), issuer.token("alice"));
    client.session = client.post(HELLO).await?.session;
    let opened = |event: &Value| event["type"] == "session.opened" && event["who"] == "corp|alice";
    let events = gateway.events_once(opened);
    let session = events.iter().find(|event| opened(event)).and_then(|event| event["session"].as_str());
    let session = session.context("a session")?;
    client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await?;
    let remark = "Of a program: a response without an id came while 0 requests ran";
    let limit = Instant::now() + LIMIT;
    while !gateway.process.log().lines().any(|line| line.contains(session) && line.contains(remark)) {
        assert!(Instant::now() < limit, "{}", gateway.process.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let answer = tokio::time::timeout(LIMIT, client.post(ping)).await??;
    assert!(answer.text.contains("-32700") && answer.text.contains("cannot read <EMAIL_ADDRESS>"), "{answer:?}");
    assert_eq!(client.send(Method::DELETE, &[], "").await?.status, 204);
    gateway.events_once(|event| event["type"] == "session.closed" && event["session"] == session);
    let recorded = gateway.recording(session);
    let mut texts = recorded.iter().filter_map(|frame| frame["body"]["text"].as_str());
    assert!(texts.any(|text| text.starts_with("vidimus: a response without an id")), "{recorded:?}");
    Ok(())
}

/// Answers with a text that no JSON reader takes the same way, and stays.
const UNREADABLE: &str = r#"
read -r line
echo '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{},"instructions":"\ud800"}}'
while read -r line; do :; done
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_no_parser_takes_is_refused_at_once() -> Result<()> {
    let (issuer, dir) = (Issuer::start(), programs::open_dir());
    let server = programs::lines(&["sh", "-c", UNREADABLE], dir.path());
    let gateway = Gateway::start(&Setup { server, ..Setup::new("") }, issuer.url());
    let answer = tokio::time::timeout(LIMIT, Client::new(gateway.url(), issuer.token("alice")).post(HELLO)).await??;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(gateway.process.log().contains("is not MCP"), "{}", gateway.process.log());
    Ok(())
}
