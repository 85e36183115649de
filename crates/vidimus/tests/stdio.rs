//! A target that is a program: npm's reference server on its standard input and output, started by the gateway.
//!
//! The official client sees the same as from that server over HTTP; the program reaches neither the gateway's data nor
//! its key, gets nothing of its environment, and ends with its session.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use common::evidence::of_type;
use common::{ALLOW_ALL, AUDIENCE, Client, Gateway, Setup};
use serde_json::{Value, json};
use vidimus_testkit::{EverythingServer, OidcProvider, TempDir, python_client, tempdir};

/// `nobody`: programs must not run as root.
const RUN_AS: &str = "run_as = \"65534:65534\"";
/// What ending a session's program may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// What servers may ask of clients.
const ASKS: &str = r#"
permit (principal in Group::"corp/support", action == Action::"sampling/createMessage", resource);
permit (principal in Group::"corp/support", action == Action::"elicitation/create", resource);
permit (principal in Group::"corp/support", action == Action::"roots/list", resource);
"#;

/// A place that the programs' user can read, whatever the build directory is like.
fn open_dir() -> Result<TempDir> {
    let dir = tempdir()?;
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}

/// The line of a program below `dir`.
fn server(command: &[&str], dir: &Path) -> String {
    let user = if rustix::process::geteuid().is_root() { RUN_AS } else { "" };
    format!("command = {}\nprograms = [{:?}]\n{user}", json!(command), dir.display().to_string())
}

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
    let dir = open_dir()?;
    let (installed, program) = tokio::task::spawn_blocking(EverythingServer::program).await??;
    let copied = Command::new("cp").arg("-r").arg(installed.join(".")).arg(dir.path()).status()?;
    assert!(copied.success());
    let program = dir.path().join(program).display().to_string();
    let server = server(&["node", &program, "stdio"], dir.path());
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
