//! `cargo xtask bench`: what the gateway costs, against a direct connection, in one run.
//!
//! Rounds are interleaved (direct, async, strict, and the bare commit loop, for every case, then all again), so that a
//! machine that changes its speed changes it for all. Core 0 is the gateway's; load and MCP server share core 1. Every run has a fresh gateway with an empty data directory, which records every payload; CPU time is counted until
//! the gateway's background work is done. Figures are benchmarks, not tests: what misses its mark is said, and the
//! status is 0 all the same.

mod crosstalk;
mod disk;
mod gateway;
mod idle;
mod memory;
mod parts;
mod postgres;
mod proc;
mod report;
mod slow;
mod soak;
mod tools;

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::output::print;
use crate::workspace::Workspace;

use gateway::{Gateway, Setup};
use parts::{Commits, Load, Parts};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to measure.
    #[arg(value_enum, default_value = "gateway")]
    what: What,
    /// Print one JSON document and no table.
    #[arg(long)]
    json: bool,
    /// Numbers of sessions.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    sessions: Vec<usize>,
    /// Bytes of text, each way.
    #[arg(long, value_delimiter = ',', default_value = "1024,65536")]
    payload: Vec<usize>,
    /// What is asked, of which kind of server.
    #[arg(long, value_delimiter = ',', default_value = "json")]
    shape: Vec<Shape>,
    /// Measured seconds of each run; for `cross-talk` of all of it, for which minutes say more.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Measure the release binaries that are there, and build none.
    #[arg(long)]
    no_build: bool,
    /// Run one load for so many seconds instead, and look at the gateway's memory.
    #[arg(long, value_name = "SECONDS")]
    soak: Option<f64>,
    /// Open so many sessions instead, and look at the gateway's memory.
    #[arg(long, value_name = "SESSIONS")]
    idle: Option<u32>,
    /// Let clients hardly read what a server sends for so many seconds instead, and look at the gateway's memory.
    #[arg(long, value_name = "SECONDS")]
    slow_client: Option<f64>,
    /// Run one load for so many seconds instead, and count what the calls left on disk.
    #[arg(long, value_name = "SECONDS")]
    disk: Option<f64>,
    /// How often everything is run: three times, for `postgres` once, if nothing is said.
    #[arg(long)]
    rounds: Option<usize>,
    /// For `log`: how many events are written, opened and verified.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// For `cross-talk`: how many clients listen, and how many call.
    #[arg(long, value_name = "IDLE,BUSY", value_delimiter = ',', default_value = "2000,200")]
    clients: Vec<usize>,
    /// For `postgres`: what clients do.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "select,prepared,tpc-b,rows,copy,idle")]
    work: Vec<postgres::Work>,
    /// For `postgres`: what stands between client and server; without `direct` and `pgbouncer` there is nothing to compare with.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "direct,pgbouncer,strict,recording,async")]
    way: Vec<postgres::Way>,
    /// For `crash`: how often the log is ended.
    #[arg(long, default_value_t = 5_000)]
    crashes: u64,
    /// For `crash`: where the random numbers begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Which part is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The gateway, against a direct connection; all options are for this.
    Gateway,
    /// The masking engine alone: MB per CPU-second of one core, on texts made from a seed.
    Mask,
    /// Guardrails alone: what facts of a call take, by kind and size of its arguments.
    Guard,
    /// Policy alone: what a decision takes, by how many of 500 policies can apply.
    Policy,
    /// The evidence log alone: appends beside a bare loop of group commits, size, start and verification of many events.
    Log,
    /// The evidence log under kills and power cuts, on a disk in memory: what was there afterwards. No benchmark: the status
    /// is 0 only if all that was promised was there.
    Crash,
    /// Whether principals hear of each other: clients of both eras at once, a marker for each, and their recordings
    /// afterwards (`--clients`, `--seconds`). No benchmark: the status is 0 only if nobody did.
    CrossTalk,
    /// PostgreSQL: `pgbench` and a result of 100 MB, directly, through `PgBouncer` and through the gateway in three ways; memory of
    /// 500 idle connections. Takes some four minutes (`--seconds`, `--rounds`).
    Postgres,
    /// The endpoint for all targets, with many servers of many tools each: start, first and next list, memory.
    Tools,
}

/// One size of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Case {
    shape: Shape,
    sessions: usize,
    payload: usize,
}

/// What is asked, of which kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Shape {
    /// Calls, answered with JSON.
    Json,
    /// Calls, answered with a stream of events.
    Sse,
    /// Calls without a session (MCP 2026-07-28).
    Modern,
    /// Calls to a server that the gateway starts; there is no direct connection to compare with.
    Stdio,
    /// Lists of 500 tools; the payload counts for nothing.
    List,
}

impl Shape {
    /// The path at the MCP server, if it is reached over the network.
    fn path(self) -> Option<&'static str> {
        match self {
            Self::Json | Self::Modern => Some("/mcp"),
            Self::Stdio => None,
            Self::Sse => Some("/sse"),
            Self::List => Some("/tools/500"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sse => "sse",
            Self::Modern => "modern",
            Self::Stdio => "stdio",
            Self::List => "list",
        }
    }
}

/// Between client and MCP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Direct,
    Async,
    Strict,
}

/// What one run of one case in one mode gave.
#[derive(Debug, Clone, Copy)]
struct Run {
    case: Case,
    mode: Mode,
    load: Load,
    /// None without a gateway.
    usage: Option<Usage>,
}

/// What a run cost the gateway.
#[derive(Debug, Clone, Copy)]
struct Usage {
    cpu_seconds: f64,
    /// Resident before the first session, in bytes.
    idle: u64,
    /// Resident at most.
    peak: u64,
}

/// Measures and prints.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    if arguments.what == What::Mask {
        return parts::bench_crate(workspace, "vidimus-mask", "mask");
    }
    if arguments.what == What::Guard {
        return parts::bench_crate(workspace, "vidimus-guard", "facts");
    }
    if arguments.what == What::Policy {
        return parts::bench_crate(workspace, "vidimus-policy", "decide");
    }
    if arguments.what == What::Log {
        return parts::bench_log(workspace, arguments.events);
    }
    if arguments.what == What::Crash {
        return parts::crash_log(workspace, arguments.crashes, arguments.seed);
    }
    if std::thread::available_parallelism()?.get() < 2 {
        bail!("the benchmark pins the gateway to one core and the load to another: it needs two");
    }
    let say = |text: &str| {
        if !arguments.json {
            print(text);
        }
    };
    if !arguments.no_build {
        say("building the release binaries");
        parts::build(workspace)?;
    }
    let parts = Parts::start(workspace)?;
    // Below the target directory: /tmp may be memory, where a sync costs nothing.
    let scratch = workspace.target.join("bench");
    std::fs::create_dir_all(&scratch)?;

    if arguments.what == What::CrossTalk {
        let &[idle, busy] = arguments.clients.as_slice() else { bail!("--clients takes two numbers") };
        let found = crosstalk::run(workspace, &parts, &scratch, crosstalk::Clients { idle, busy }, arguments.seconds)?;
        conclude(&found, arguments.json, found.verdicts())?;
        return if found.is_clean() { Ok(()) } else { Err(anyhow::anyhow!("{}", found.first())) };
    }
    if arguments.what == What::Postgres {
        let Arguments { work, way: ways, seconds, json: is_json, .. } = arguments;
        let rounds = arguments.rounds.unwrap_or(1);
        let wanted = postgres::Wanted { work, ways, rounds, seconds: *seconds, is_json: *is_json };
        return postgres::run((workspace, &parts, &scratch), &wanted);
    }
    if arguments.what == What::Tools {
        let tools = tools::run(workspace, &parts, &scratch)?;
        return conclude(&tools, arguments.json, tools.verdicts());
    }

    if let Some(sessions) = arguments.idle {
        let setup = Setup::echo(&parts, Shape::Json.path(), "async");
        let start = |dir: &Path| Gateway::start(workspace, &parts, dir, &setup);
        let idle = idle::run(&parts, sessions, start, &scratch)?;
        return conclude(&idle, arguments.json, idle.verdicts());
    }
    if let Some(seconds) = arguments.slow_client {
        let dir = tempdir_in(&scratch)?;
        let gateway = Gateway::start(workspace, &parts, dir.path(), &Setup::echo(&parts, Some("/flood"), "async"))?;
        let slow = slow::run(&parts, &gateway, &dir.path().join("data"), seconds)?;
        gateway.stop()?;
        return conclude(&slow, arguments.json, [slow.verdict()]);
    }
    if let Some(seconds) = arguments.soak {
        let dir = tempdir_in(&scratch)?;
        let gateway = Gateway::start(workspace, &parts, dir.path(), &Setup::echo(&parts, Shape::Json.path(), "async"))?;
        let soak = soak::run(&parts, &gateway, seconds)?;
        gateway.stop()?;
        return conclude(&soak, arguments.json, [soak.verdict()]);
    }
    if let Some(seconds) = arguments.disk {
        let dir = tempdir_in(&scratch)?;
        let gateway =
            Gateway::start(workspace, &parts, dir.path(), &Setup::echo(&parts, Shape::Json.path(), "strict"))?;
        let case = Case { shape: Shape::Json, sessions: 16, payload: 1024 };
        let load = parts.load(&gateway.url(), case, seconds)?;
        gateway.stop()?;
        let left = disk::count(&dir.path().join("data"), &load)?;
        return conclude(&left, arguments.json, [left.verdict()]);
    }
    let (mut runs, mut commits) = (Vec::new(), Vec::new());
    let rounds = arguments.rounds.unwrap_or(3);
    for round in 1..=rounds {
        for case in cases(arguments) {
            let Case { shape, sessions, payload } = case;
            say(&format!("round {round}/{rounds}: {} {sessions} × {payload} B", shape.name()));
            commits.push((case, measure_commits(&parts, &scratch, case)?));
            for mode in [Mode::Direct, Mode::Async, Mode::Strict] {
                if (mode, shape) == (Mode::Direct, Shape::Stdio) {
                    continue;
                }
                runs.push(measure(workspace, &parts, &scratch, case, mode, arguments.seconds)?);
            }
        }
    }
    let report = report::summarize(&runs, &commits);
    print(&if arguments.json { serde_json::to_string_pretty(&report)? } else { report.to_string() });
    Ok(())
}

/// Prints figures about memory: as JSON, or what was asked for and what there is.
fn conclude(figures: &impl Serialize, json: bool, verdicts: impl IntoIterator<Item = (bool, String)>) -> Result<()> {
    if json {
        print(&serde_json::to_string_pretty(figures)?);
        return Ok(());
    }
    for (holds, text) in verdicts {
        print(&format!("{:<6} {text}", if holds { "holds" } else { "MISSED" }));
    }
    Ok(())
}

fn cases(arguments: &Arguments) -> Vec<Case> {
    let mut cases = Vec::new();
    for &shape in &arguments.shape {
        for &payload in &arguments.payload {
            cases.extend(arguments.sessions.iter().map(|&sessions| Case { shape, sessions, payload }));
        }
    }
    cases
}

fn measure_commits(parts: &Parts, scratch: &Path, case: Case) -> Result<Commits> {
    let dir = tempdir_in(scratch)?;
    parts.commit(dir.path(), case)
}

fn measure(workspace: &Workspace, parts: &Parts, scratch: &Path, case: Case, mode: Mode, seconds: f64) -> Result<Run> {
    let durability = match mode {
        Mode::Direct => {
            let path = case.shape.path().context("a program has no address")?;
            let load = parts.load(&format!("{}{path}", parts.origin()), case, seconds)?;
            return Ok(Run { case, mode, load, usage: None });
        }
        Mode::Async => "async",
        Mode::Strict => "strict",
    };
    let dir = tempdir_in(scratch)?;
    let gateway = Gateway::start(workspace, parts, dir.path(), &Setup::echo(parts, case.shape.path(), durability))?;
    let (idle, before) = (gateway.resident()?, gateway.cpu_seconds()?);
    let load = parts.load(&gateway.url(), case, seconds);
    let load = load.with_context(|| format!("the gateway said: {}", gateway.log()))?;
    let cpu_seconds = gateway.cpu_seconds_when_quiet()? - before;
    let usage = Usage { cpu_seconds, idle, peak: gateway.peak_resident()? };
    gateway.stop()?;
    Ok(Run { case, mode, load, usage: Some(usage) })
}

fn tempdir_in(dir: &Path) -> Result<vidimus_testkit::TempDir> {
    Ok(vidimus_testkit::TempDir::new_in(dir)?)
}
