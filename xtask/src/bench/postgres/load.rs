//! What clients do: PostgreSQL's own `pgbench` and `psql`, and the masking engine alone on what `psql` got.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use vidimus_testkit::{Postgres, Process};

use super::super::memory::megabytes;
use super::super::parts::{self, GATEWAY_CORE};
use super::super::proc::Proc;
use super::front::Front;
use super::{Case, Stage, Work};
use crate::workspace::Workspace;

/// What pgbench's transaction like TPC-B has: `BEGIN`, `UPDATE`, `SELECT`, two more `UPDATE`s, `INSERT`, `END`.
const TPCB_STATEMENTS: f64 = 7.0;
/// The large result.
const ROWS: &str = "SELECT * FROM wide";
const COPY: &str = "COPY wide TO STDOUT";
/// Each connection asks once, and says no more.
const IDLE_SCRIPT: &str = "SELECT 1;\n\\sleep 600 s\n";
/// How often the masking engine is measured.
const MASKER_RUNS: usize = 3;
/// What opening hundreds of connections may take, and how often it is looked.
const OPEN_LIMIT: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(200);

/// What one run gave: many statements, or one result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Transactions or results, and the statements in them.
    pub(super) transactions: f64,
    pub(super) statements: f64,
    pub(super) seconds: f64,
    /// Of a transaction.
    pub(super) mean_ms: f64,
}

/// How fast the masking engine alone is.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Speed {
    /// Of the result, as text.
    pub(super) megabytes: f64,
    pub(super) mb_per_second: f64,
    pub(super) mb_per_cpu_second: f64,
}

/// Makes pgbench's tables.
pub(super) fn initialise(server: &Postgres, database: &str, scale: &str) -> Result<()> {
    let mut pgbench = server.program("pgbench");
    finished("pgbench", &pgbench.args(["-i", "-q", "-s", scale, database]).output()?)
}

/// Runs pgbench's own scripts for so many seconds, at least one.
pub(super) fn pgbench(front: &Front<'_>, case: Case, seconds: f64) -> Result<Load> {
    let (script, mode, statements) = match case.work {
        Work::Select => ("select-only", "simple", 1.0),
        Work::TpcB => ("tpcb-like", "prepared", TPCB_STATEMENTS),
        _ => ("select-only", "prepared", 1.0),
    };
    let output = front
        .program("pgbench")
        .args(["-n", "-b", script, "-M", mode, "-c", &case.clients.to_string()])
        .args(["-T", &format!("{:.0}", seconds.ceil().max(1.0))])
        .output()
        .context("cannot start pgbench")?;
    finished("pgbench", &output)?;
    let told = String::from_utf8_lossy(&output.stdout);
    let figure = |before: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(before));
        let figure = line.and_then(|rest| rest.split([' ', '/']).next()?.parse::<f64>().ok());
        figure.with_context(|| format!("pgbench did not say `{before}`: {told}"))
    };
    let transactions = figure("number of transactions actually processed: ")?;
    let (tps, mean_ms) = (figure("tps = ")?, figure("latency average = ")?);
    if figure("number of failed transactions: ")? > 0.0 {
        bail!("transactions failed: {told}");
    }
    Ok(Load { transactions, statements: transactions * statements, seconds: transactions / tps, mean_ms })
}

/// Gets the large result, and drops it.
pub(super) fn result(front: &Front<'_>, is_copy: bool) -> Result<Load> {
    let began = Instant::now();
    let mut psql = psql(front, if is_copy { COPY } else { ROWS });
    finished("psql", &psql.stdout(Stdio::null()).output().context("cannot start psql")?)?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Load { transactions: 1.0, statements: 1.0, seconds, mean_ms: seconds * 1e3 })
}

/// Writes the large result into a file.
pub(super) fn save_result(front: &Front<'_>, path: &Path) -> Result<()> {
    let mut psql = psql(front, COPY);
    finished("psql", &psql.stdout(File::create(path)?).output().context("cannot start psql")?)
}

fn psql(front: &Front<'_>, statement: &str) -> Command {
    let mut psql = front.program("psql");
    psql.args(["-X", "-q", "-A", "-t", "-c", statement]);
    psql
}

/// Opens so many connections that do nothing after one statement; they stay until what is returned is dropped.
pub(super) fn hold(stage: &Stage<'_>, front: &Front<'_>, connections: u32) -> Result<Process> {
    let script = stage.scratch.join("idle.sql");
    std::fs::write(&script, IDLE_SCRIPT)?;
    let mut command = front.program("pgbench");
    command.args(["-n", "-T", "600", "-c", &connections.to_string(), "-f"]).arg(script);
    let held = Process::start("pgbench", &mut command)?;
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND state = 'idle' AND query LIKE 'SELECT 1%'",
        stage.database
    );
    let deadline = Instant::now() + OPEN_LIMIT;
    while stage.server.sql("postgres", &count)?.trim().parse::<u32>()? < connections {
        if Instant::now() > deadline {
            bail!("not all connections were opened; pgbench said: {}", held.log());
        }
        std::thread::sleep(LOOK);
    }
    Ok(held)
}

/// Masks a file with the release binary, as the gateway masks by default.
pub(super) fn mask(workspace: &Workspace, path: &Path) -> Result<Speed> {
    let own = Proc(std::process::id());
    let masked = |input: File| {
        let (began, before) = (Instant::now(), own.childrens_cpu_seconds()?);
        let mut mask = parts::pinned(GATEWAY_CORE, &parts::binary(workspace, "vidimus"));
        let mask = mask.args(["mask", "--format", "lines"]).stdin(input).stdout(Stdio::null());
        finished("vidimus mask", &mask.output().context("cannot start taskset (Debian: util-linux)")?)?;
        anyhow::Ok((began.elapsed().as_secs_f64(), own.childrens_cpu_seconds()? - before))
    };
    // The best of some runs: others of the machine only make it slower. What starting takes is not masking.
    let best = |path: &Path| {
        let mut best = (f64::INFINITY, f64::INFINITY);
        for _ in 0..MASKER_RUNS {
            let (seconds, cpu_seconds) = masked(File::open(path)?)?;
            best = (best.0.min(seconds), best.1.min(cpu_seconds));
        }
        anyhow::Ok(best)
    };
    let ((idle, idle_cpu), (all, all_cpu)) = (best(Path::new("/dev/null"))?, best(path)?);
    let megabytes = megabytes(std::fs::metadata(path)?.len());
    let (mb_per_second, mb_per_cpu_second) = (megabytes / (all - idle), megabytes / (all_cpu - idle_cpu));
    Ok(Speed { megabytes, mb_per_second, mb_per_cpu_second })
}

fn finished(name: &str, output: &Output) -> Result<()> {
    if !output.status.success() {
        bail!("{name} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
