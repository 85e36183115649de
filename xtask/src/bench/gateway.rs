//! A gateway under measurement: configured, started, pinned, and what the kernel says about it.
//!
//! It does all of its work: tokens are verified, a policy set that reads arguments decides, payloads are recorded.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use vidimus_testkit::{Process, free_port, port};

use super::parts::{self, Parts};
use super::proc::Proc;
use crate::workspace::Workspace;

/// What starting may take.
const START_LIMIT: Duration = Duration::from_secs(20);
/// What stopping may take.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Two rules that allow and one that looks at an argument and does not forbid.
const POLICIES: &str = r#"
permit (principal in Group::"bench/bench", action == Action::"connect", resource == Target::"echo");
@id("tools")
permit (principal in Group::"bench/bench", action in Action::"tools/call", resource == Target::"echo");
@id("no-secrets")
forbid (principal, action == Action::"echo/echo", resource == Target::"echo")
when { context.arguments has text && context.arguments.text == "secret" };
"#;

/// What is behind a gateway, and who may do what there.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) policies: String,
    /// The `[targets]` of its configuration.
    pub(super) targets: String,
}

impl Setup {
    /// One server, `echo`. `path` is that of the MCP server; without one the gateway starts the server.
    pub(super) fn echo(parts: &Parts, path: Option<&str>, durability: &str) -> Self {
        let server = match path {
            None => program(parts.program()),
            Some(path) => format!("url = \"{}{path}\"", parts.origin()),
        };
        let targets = format!(
            r#"
[targets.echo]
protocol = "mcp"
{server}
durability = "{durability}"
record = "masked"
"#,
        );
        Self { policies: POLICIES.to_owned(), targets }
    }
}

/// A running gateway.
#[derive(Debug)]
pub(super) struct Gateway {
    process: Process,
    port: u16,
}

impl Gateway {
    /// Writes a configuration into `dir` and starts the release binary with it on its core.
    pub(super) fn start(workspace: &Workspace, parts: &Parts, dir: &Path, setup: &Setup) -> Result<Self> {
        let (port, admin) = (free_port()?, free_port()?);
        let (issuer, jwks) = parts.issuer();
        fs::create_dir(dir.join("policies"))?;
        fs::write(dir.join("policies/bench.cedar"), &setup.policies)?;
        let mut key = [0; 32];
        fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        fs::write(dir.join("key"), key)?;
        fs::set_permissions(dir.join("key"), fs::Permissions::from_mode(0o600))?;
        let targets = &setup.targets;
        let configuration = format!(
            r#"
[gateway]
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{admin}"
data_dir = "data"
key = {{ file = "key" }}

[identity.oidc.bench]
issuer = "{issuer}"
audience = "vidimus-bench"
jwks_url = "{jwks}"
allow_private = true

[policy]
dir = "policies"
{targets}"#,
        );
        fs::write(dir.join("vidimus.toml"), configuration)?;
        let mut command = parts::pinned(parts::GATEWAY_CORE, &parts::binary(workspace, "vidimus"));
        command.args(["serve", "--config", "vidimus.toml"]).current_dir(dir).env("RUST_LOG", "warn");
        let mut process = Process::start("vidimus serve", &mut command)?;
        if let Err(error) = port::wait_for_port(port, START_LIMIT) {
            let status = process.kill()?;
            bail!("{error}; vidimus serve ({status}) said:\n{}", process.log());
        }
        Ok(Self { process, port })
    }

    /// Where it listens.
    pub(super) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The MCP endpoint of `echo`.
    pub(super) fn url(&self) -> String {
        format!("{}/mcp/echo", self.origin())
    }

    /// The MCP endpoint for all targets.
    pub(super) fn endpoint(&self) -> String {
        format!("{}/mcp", self.origin())
    }

    /// What it has printed.
    pub(super) fn log(&self) -> String {
        self.process.log()
    }

    /// CPU seconds used so far, by all threads, in user and kernel mode.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        self.told(Proc::cpu_seconds)
    }

    /// The same, once background work is done.
    pub(super) fn cpu_seconds_when_quiet(&self) -> Result<f64> {
        self.told(Proc::cpu_seconds_when_quiet)
    }

    /// Resident memory, in bytes.
    pub(super) fn resident(&self) -> Result<u64> {
        self.told(Proc::resident)
    }

    /// The most there was.
    pub(super) fn peak_resident(&self) -> Result<u64> {
        self.told(Proc::peak_resident)
    }

    /// The process.
    pub(super) fn proc(&self) -> Proc {
        Proc(self.process.id())
    }

    /// Ends it as an operator would.
    pub(super) fn stop(mut self) -> Result<()> {
        let status = self.process.terminate(STOP_LIMIT)?;
        if !status.success() {
            bail!("vidimus serve ended with {status}:\n{}", self.process.log());
        }
        Ok(())
    }

    /// What the kernel says of it.
    fn told<T>(&self, ask: impl FnOnce(Proc) -> Result<T>) -> Result<T> {
        ask(self.proc()).with_context(|| format!("the gateway has gone; it said:\n{}", self.process.log()))
    }
}

/// The lines of a target that is `program`. A gateway that is root must give it another user.
fn program(program: &Path) -> String {
    let dir = program.parent().unwrap_or(program).to_string_lossy();
    let user = if rustix::process::geteuid().is_root() { "run_as = \"65534:65534\"" } else { "" };
    format!("command = [{:?}, \"stdio\"]\nprograms = [{dir:?}]\n{user}", program.to_string_lossy())
}
