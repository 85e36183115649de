//! The other side of the measurement: `bench-load` as MCP server, issuer, load and commit loop, each pinned.
//!
//! Settings and figures travel as one line of JSON. A part that fails ends the benchmark with what the part said.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vidimus_testkit::{Process, TempDir};

use super::gateway::Gateway;
use super::{Case, Shape};
use crate::workspace::{Workspace, cargo};

/// The gateway's core.
pub(super) const GATEWAY_CORE: &str = "0";
/// The core of everything else.
pub(super) const LOAD_CORE: &str = "1";
/// What a part may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);
/// What opening thousands of sessions may take.
const OPEN_LIMIT: Duration = Duration::from_mins(5);
/// Unmeasured seconds before each run.
const WARMUP_SECONDS: f64 = 0.5;
/// Seconds of one run of the commit loop.
const COMMIT_SECONDS: f64 = 1.0;
/// An event and the heads of two frames, which go to disk with every payload.
const EVENT_BYTES: usize = 700;

/// What a run of the load gave; latencies in microseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Load {
    pub(super) calls: f64,
    pub(super) seconds: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) mean_us: f64,
    /// Measured calls and those of the warm-up.
    pub(super) all_calls: f64,
}

/// How far held sessions go after the handshake.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reads {
    /// They open no stream, and their connections close.
    Closed,
    /// They read all of their streams.
    All,
    /// They read a little of their streams each second.
    Slow,
    /// They read nothing.
    None,
}

/// What a run of the commit loop gave.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Commits {
    /// How long a frame waited until it was durable.
    pub(super) mean_us: f64,
}

/// The MCP server and issuer, running, and how to start the rest.
#[derive(Debug)]
pub(super) struct Parts {
    program: PathBuf,
    served: Served,
    tokens: TempDir,
    _server: Process,
}

/// What `bench-load serve` says about itself.
#[derive(Debug, Deserialize)]
struct Served {
    origin: String,
    /// The server that watches who is told what.
    marked: String,
    issuer: String,
    jwks: String,
    tokens: Vec<String>,
}

/// Builds the gateway and `bench-load` for measuring.
pub(super) fn build(workspace: &Workspace) -> Result<()> {
    let status = Command::new(cargo())
        .current_dir(&workspace.root)
        .args(["build", "--release", "--locked", "--quiet", "--bins"])
        .args(["--package", "vidimus", "--package", "vidimus-bench"])
        .status()?;
    if !status.success() {
        bail!("the release build failed: {status}");
    }
    Ok(())
}

/// Measures with a benchmark of a crate's own.
pub(super) fn bench_crate(workspace: &Workspace, package: &str, name: &str) -> Result<()> {
    let status = Command::new(cargo())
        .current_dir(&workspace.root)
        .args(["bench", "--locked", "--quiet", "--package", package, "--bench", name])
        .status()?;
    if !status.success() {
        bail!("the benchmark {name} of {package} failed: {status}");
    }
    Ok(())
}

/// Measures the evidence log with the programs of its own crate: appends beside a bare loop of group commits, then what
/// many events cost on disk, at a start and to verify.
pub(super) fn bench_log(workspace: &Workspace, events: u64) -> Result<()> {
    let place = workspace.target.join("bench");
    std::fs::create_dir_all(&place).with_context(|| format!("cannot create {}", place.display()))?;
    for (example, arguments) in [("bench_append", Vec::new()), ("bench_volume", vec![events.to_string()])] {
        let status = Command::new(cargo())
            .current_dir(&workspace.root)
            .args(["run", "--release", "--locked", "--quiet", "--package", "vidimus-log", "--example", example, "--"])
            .args(arguments)
            .arg(&place)
            .status()?;
        if !status.success() {
            bail!("{example} failed: {status}");
        }
    }
    Ok(())
}

/// Ends the evidence log so often, at any moment, and says what was there afterwards.
pub(super) fn crash_log(workspace: &Workspace, crashes: u64, seed: u64) -> Result<()> {
    let status = Command::new(cargo())
        .current_dir(&workspace.root)
        .args(["run", "--locked", "--quiet", "--package", "vidimus-log", "--features", "testing"])
        .args(["--example", "crashes", "--", &crashes.to_string(), &seed.to_string()])
        .status()?;
    if !status.success() {
        bail!("something that was promised was not there: {status}");
    }
    Ok(())
}

/// A release binary.
pub(super) fn binary(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join("release").join(name)
}

/// `program`, confined to one core.
pub(super) fn pinned(core: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    // A part's error message is enough, without the places it passed.
    command.args(["--cpu-list", core]).arg(program).env_remove("RUST_BACKTRACE");
    command
}

impl Parts {
    /// Starts the MCP server and the issuer.
    pub(super) fn start(workspace: &Workspace) -> Result<Self> {
        let program = binary(workspace, "bench-load");
        let mut server = Process::start("bench-load serve", pinned(LOAD_CORE, &program).arg("serve"))?;
        let served: Served = server.wait_for_line(START_LIMIT, |line| serde_json::from_str(line).ok())?;
        let tokens = vidimus_testkit::tempdir()?;
        std::fs::write(tokens.path().join("tokens"), served.tokens.join("\n"))?;
        Ok(Self { program, served, tokens, _server: server })
    }

    /// Where the MCP server's endpoints are.
    pub(super) fn origin(&self) -> &str {
        &self.served.origin
    }

    /// Where the server that watches who is told what is.
    pub(super) fn marked(&self) -> &str {
        &self.served.marked
    }

    /// The program that is the MCP server.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// The `iss` of the tokens, and where its keys are.
    pub(super) fn issuer(&self) -> (&str, &str) {
        (&self.served.issuer, &self.served.jwks)
    }

    /// A token of the issuer, for `person-0`.
    pub(super) fn token(&self) -> Result<&str> {
        self.served.tokens.first().map(String::as_str).context("the issuer has signed no token")
    }

    /// Runs the load against an endpoint.
    pub(super) fn load(&self, url: &str, case: Case, seconds: f64) -> Result<Load> {
        let settings = json!({
            "url": url, "tokens": self.tokens.path().join("tokens"), "sessions": case.sessions,
            "payload": case.payload, "list": case.shape == Shape::List, "modern": case.shape == Shape::Modern,
            "warmup_seconds": WARMUP_SECONDS, "seconds": seconds,
        });
        self.run(LOAD_CORE, "load", &settings)
    }

    /// Runs clients of many principals against the gateway at `gateway`, which has the target `marked`.
    pub(super) fn crosstalk(&self, gateway: &str, idle: usize, busy: usize, seconds: f64) -> Result<Value> {
        let settings = json!({
            "gateway": gateway, "target": "/mcp/marked", "server": self.marked(),
            "tokens": self.tokens.path().join("tokens"), "idle": idle, "busy": busy, "seconds": seconds,
        });
        self.run(LOAD_CORE, "crosstalk", &settings)
    }

    /// Opens sessions at an endpoint of a gateway, which stay until what is returned is dropped.
    pub(super) fn hold(&self, gateway: &Gateway, url: &str, sessions: u32, reads: Reads) -> Result<Process> {
        let tokens = self.tokens.path().join("tokens");
        let settings = json!({ "url": url, "tokens": tokens, "sessions": sessions, "reads": reads });
        let mut command = pinned(LOAD_CORE, &self.program);
        let mut held = Process::start("bench-load hold", command.args(["hold", &settings.to_string()]))?;
        held.wait_for_line(OPEN_LIMIT, |line| line.starts_with("{\"open\":").then_some(()))
            .with_context(|| format!("the gateway said: {}", gateway.log()))?;
        Ok(held)
    }

    /// Runs the commit loop in `dir`, on the gateway's core, with frames as the gateway would write them.
    pub(super) fn commit(&self, dir: &Path, case: Case) -> Result<Commits> {
        let frame = case.payload + EVENT_BYTES;
        let settings = json!({ "dir": dir, "waiters": case.sessions, "frame": frame, "seconds": COMMIT_SECONDS });
        self.run(GATEWAY_CORE, "commit", &settings)
    }

    fn run<T: DeserializeOwned>(&self, core: &str, part: &str, settings: &Value) -> Result<T> {
        let output = pinned(core, &self.program)
            .args([part, &settings.to_string()])
            .output()
            .context("cannot start taskset (Debian: util-linux)")?;
        if !output.status.success() {
            bail!("bench-load {part} {settings}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
