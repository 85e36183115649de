//! `cargo xtask bench postgres`: what the gateway costs clients of PostgreSQL, against a direct connection and `PgBouncer`.
//!
//! What is measured (the gateway, `PgBouncer`) has core 0 for itself; server, clients and all else share core 1, also where
//! nothing stands between them. No TLS anywhere, and a server that does not sync: both are the same for every way. Ways are
//! interleaved for each load, and each run has a fresh gateway with an empty data directory. CPU time is that of what is
//! measured, connections and log-ins included, until its background work is done.

mod front;
mod load;
mod report;

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use vidimus_testkit::{Postgres, TempDir};

use self::front::Front;
use self::load::{Load, Speed};
use self::report::{Idle, Report};
use super::parts::{LOAD_CORE, Parts};
use crate::output::print;
use crate::workspace::Workspace;

/// Beside what all servers of tests have: room for idle connections, and nothing by itself in the middle of a run.
const SETTINGS: [&str; 3] = ["max_connections=700", "shared_buffers=512MB", "autovacuum=off"];
/// The scale of pgbench's tables: as many branches as there are clients, so that they seldom wait for each other.
const SCALE: &str = "16";
/// Clients of pgbench.
const CLIENTS: [u32; 2] = [1, 16];
/// Idle connections.
const IDLE: u32 = 500;

/// Rows of some 250 bytes, 100 MB in all: one in ten has an address of somebody's.
const WIDE: &str = "
CREATE UNLOGGED TABLE wide AS SELECT n AS id, 'Customer ' || n AS name,
  CASE WHEN n % 10 = 0 THEN 'customer' || n || '@example.com' ELSE 'none given' END AS email,
  (n % 977) / 10.0 AS weight,
  'The parcel was left with a neighbour because nobody was at home; the second attempt is on Tuesday between ten and '
  || 'noon. Please have the receipt of the shop at hand, since the driver will ask for it. Order ' || n AS note
FROM generate_series(1, 400000) n;
";

/// Between client and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Way {
    /// Nothing.
    Direct,
    /// `PgBouncer`: a connection to the server for each client's.
    #[value(name = "pgbouncer")]
    PgBouncer,
    /// The gateway with policies that read statements, detection, and a record that is durable before anything passes.
    Strict,
    /// The gateway with policies that read nothing, and one class to look for: a record of everything, durable too.
    Recording,
    /// As `strict`, with a record that is on its way to the disk.
    Async,
}

/// What clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Work {
    /// `pgbench -S`.
    Select,
    /// `pgbench -S -M prepared`.
    Prepared,
    /// `pgbench -M prepared`, like TPC-B.
    #[value(name = "tpc-b")]
    TpcB,
    /// One result of 100 MB, as rows.
    Rows,
    /// The same by `COPY … TO STDOUT`.
    Copy,
    /// 500 connections that do nothing.
    Idle,
}

/// A load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Case {
    work: Work,
    clients: u32,
}

/// What one run of one case on one way gave.
#[derive(Debug, Clone, Copy)]
struct Run {
    case: Case,
    way: Way,
    load: Load,
    /// None where nothing stands between.
    usage: Option<Usage>,
}

/// What a run cost what stands between. Memory in bytes.
#[derive(Debug, Clone, Copy)]
struct Usage {
    cpu_seconds: f64,
    before: u64,
    after: u64,
    peak: u64,
}

/// What all runs have in common.
struct Stage<'a> {
    workspace: &'a Workspace,
    parts: &'a Parts,
    scratch: &'a Path,
    server: Postgres,
    database: String,
    /// What runs have left: for minutes after much was removed, ext4 takes long to make a file.
    left: RefCell<Vec<TempDir>>,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::PgBouncer => "pgbouncer",
            Self::Strict => "strict",
            Self::Recording => "recording",
            Self::Async => "async",
        }
    }
}

impl Work {
    const fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Prepared => "prepared",
            Self::TpcB => "tpc-b",
            Self::Rows => "rows",
            Self::Copy => "copy",
            Self::Idle => "idle",
        }
    }

    /// Whether it is one large result.
    const fn is_result(self) -> bool {
        matches!(self, Self::Rows | Self::Copy)
    }
}

/// What to measure, how often and for how long.
pub(super) struct Wanted<'a> {
    pub(super) work: &'a [Work],
    pub(super) ways: &'a [Way],
    pub(super) rounds: usize,
    pub(super) seconds: f64,
    pub(super) is_json: bool,
}

/// Measures and prints.
pub(super) fn run((workspace, parts, scratch): (&Workspace, &Parts, &Path), wanted: &Wanted<'_>) -> Result<()> {
    if wanted.ways.contains(&Way::PgBouncer) {
        crate::test::ensure_pgbouncer()?;
    }
    pin_self()?;
    let say = |text: &str| {
        if !wanted.is_json {
            print(text);
        }
    };
    say("making the tables");
    let server = Postgres::start_with(&SETTINGS)?;
    let database = server.database()?;
    load::initialise(&server, &database, SCALE)?;
    server.sql(&database, WIDE)?;
    server.sql(&database, "VACUUM ANALYZE")?;
    let stage = Stage { workspace, parts, scratch, server, database, left: RefCell::default() };

    let speed = stage.masker()?;
    let (mut runs, rounds) = (Vec::new(), wanted.rounds);
    for round in 1..=rounds {
        for case in cases(wanted.work) {
            say(&format!("round {round}/{rounds}: {}, {} clients", case.work.name(), case.clients));
            for &way in wanted.ways {
                let run = stage.measure(case, way, wanted.seconds);
                runs.push(run.with_context(|| format!("{}, {}", case.work.name(), way.name()))?);
            }
        }
    }
    let mut idle = Vec::new();
    if wanted.work.contains(&Work::Idle) {
        say(&format!("{IDLE} idle connections"));
        for &way in wanted.ways.iter().filter(|way| matches!(way, Way::PgBouncer | Way::Async)) {
            idle.push(stage.idle(way)?);
        }
    }
    let report = Report::new(&runs, speed, idle);
    print(&if wanted.is_json { serde_json::to_string_pretty(&report)? } else { report.to_string() });
    Ok(())
}

fn cases(work: &[Work]) -> Vec<Case> {
    let clients: fn(Work) -> &'static [u32] = |work| match work {
        Work::Idle => &[],
        Work::Rows | Work::Copy => &[1],
        Work::Select | Work::Prepared | Work::TpcB => &CLIENTS,
    };
    work.iter().flat_map(|&work| clients(work).iter().map(move |&clients| Case { work, clients })).collect()
}

/// Leaves core 0 to what is measured: all that this process starts and does not pin stays where it is.
fn pin_self() -> Result<()> {
    let id = std::process::id().to_string();
    let output = Command::new("taskset").args(["--all-tasks", "--cpu-list", "--pid", LOAD_CORE, &id]).output();
    let output = output.context("cannot start taskset (Debian: util-linux)")?;
    if !output.status.success() {
        bail!("taskset: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

impl Stage<'_> {
    fn measure(&self, case: Case, way: Way, seconds: f64) -> Result<Run> {
        let front = Front::start(self, way)?;
        let before = front.proc().map(|proc| anyhow::Ok((proc.resident()?, proc.cpu_seconds()?))).transpose()?;
        let load = if case.work.is_result() {
            load::result(&front, case.work == Work::Copy)
        } else {
            load::pgbench(&front, case, seconds)
        };
        let load = load.with_context(|| front.log())?;
        let usage = match (front.proc(), before) {
            (Some(proc), Some((resident, cpu_seconds))) => Some(Usage {
                cpu_seconds: proc.cpu_seconds_when_quiet()? - cpu_seconds,
                before: resident,
                after: proc.resident()?,
                peak: proc.peak_resident()?,
            }),
            _ => None,
        };
        self.left.borrow_mut().push(front.stop()?);
        Ok(Run { case, way, load, usage })
    }

    /// What idle connections take.
    fn idle(&self, way: Way) -> Result<Idle> {
        let front = Front::start(self, way)?;
        let proc = front.proc().context("nothing stands between")?;
        let before = proc.resident()?;
        let held = load::hold(self, &front, IDLE).with_context(|| front.log())?;
        proc.cpu_seconds_when_quiet()?;
        let idle = Idle::new(way, IDLE, before, proc.resident()?);
        drop(held);
        self.left.borrow_mut().push(front.stop()?);
        Ok(idle)
    }

    /// The masking engine's own speed on the bytes of the large result.
    fn masker(&self) -> Result<Speed> {
        let dir = super::tempdir_in(self.scratch)?;
        let path = dir.path().join("result");
        let direct = Front::start(self, Way::Direct)?;
        load::save_result(&direct, &path)?;
        load::mask(self.workspace, &path)
    }
}
