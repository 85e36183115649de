//! `cargo xtask conformance`: what a server passes of the official MCP suite, and whether the gateway before it loses
//! any.
//!
//! For each revision the suite runs twice against the same server: directly, and through a gateway of its own, where a
//! principal with a token of a real OpenID provider may do everything; and twice against the same client, which it shows
//! servers of its own. What counts are the scenarios that the revision
//! requires; the others are run and named, and decide nothing. Status 0 only if the server passes all that is required
//! and the gateway loses none of it. Everything listens on loopback and ends with the command.

mod client;
mod gateway;
mod report;
mod suite;

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use vidimus_testkit::Process;

use crate::output::print;
use crate::workspace::{Workspace, cargo};

use gateway::Gateway;
use report::{Leg, Report};
use suite::{Findings, Side, Suite};

pub(crate) use client::{Arguments as ClientArguments, play};

/// The revisions whose required scenarios are run. The gateway loses nothing of them: `cargo xtask test` holds it to that.
const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];
/// What the server may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// What to run.
#[derive(Default, clap::Args)]
pub(crate) struct Arguments {
    /// The MCP endpoint of another server on this machine, instead of the workspace's own.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Only this revision; may be repeated.
    #[arg(long, value_parser = REVISIONS)]
    revision: Vec<String>,
    /// Only what is asked of servers, or of clients.
    #[arg(long)]
    side: Option<Side>,
    /// Print one JSON document and no table.
    #[arg(long)]
    json: bool,
    /// Run the debug binaries that are there, and build none.
    #[arg(long)]
    no_build: bool,
}

/// Runs the suite for all revisions, as a check.
pub(crate) fn hold(workspace: &Workspace) -> Result<()> {
    if !run(workspace, &Arguments::default())? {
        bail!("see above, and `{}` for what was asked and answered", workspace.target.join("conformance").display());
    }
    Ok(())
}

/// Runs the suite and prints what passed. True if all that is required passes and nothing is lost.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<bool> {
    let say = |text: &str| {
        if !arguments.json {
            print(text);
        }
    };
    say("installing the suite unless it is there");
    let suite = Suite::install(&workspace.target.join("conformance"))?;
    if !arguments.no_build {
        say("building the gateway and the server");
        build(workspace)?;
    }
    let sides = [Side::Server, Side::Client].into_iter().filter(|side| arguments.side.is_none_or(|only| only == *side));
    let mut report = Report::default();
    for side in sides {
        for revision in REVISIONS.iter().filter(|revision| arguments.wants(revision)) {
            say(&format!("{revision}, {}s: directly and through the gateway", side.name()));
            let (direct, through) = match side {
                Side::Server => of_server(workspace, &suite, arguments.upstream.as_deref(), revision)?,
                Side::Client => {
                    report.leave_out(revision, suite.authorization(revision)?);
                    (suite.against_client(revision, Leg::Direct)?, suite.against_client(revision, Leg::Gateway)?)
                }
            };
            report.add(revision, side, &direct, &through);
        }
    }
    print(&if arguments.json { serde_json::to_string_pretty(&report)? } else { report.to_string() });
    Ok(report.holds())
}

/// What the suite finds of a server directly, and through a gateway.
fn of_server(
    workspace: &Workspace,
    suite: &Suite,
    upstream: Option<&str>,
    revision: &str,
) -> Result<(Findings, Findings)> {
    // Its threads serve the forwarder while this one waits for the suite.
    let runtime = tokio::runtime::Runtime::new()?;
    let server = Server::start(workspace, upstream)?;
    let direct = suite.against_server(&server.url, revision, Leg::Direct)?;
    let gateway = runtime.block_on(Gateway::start(workspace, &server.url))?;
    let through = suite.against_server(&gateway.url(), revision, Leg::Gateway);
    let through = through.with_context(|| format!("the gateway said:\n{}", gateway.log()))?;
    Ok((direct, through))
}

impl Arguments {
    fn wants(&self, revision: &str) -> bool {
        self.revision.is_empty() || self.revision.iter().any(|wanted| wanted == revision)
    }
}

/// The server that the suite is run against.
struct Server {
    url: String,
    /// None if somebody else started it.
    _process: Option<Process>,
}

impl Server {
    fn start(workspace: &Workspace, upstream: Option<&str>) -> Result<Self> {
        if let Some(url) = upstream {
            return Ok(Self { url: url.to_owned(), _process: None });
        }
        let mut command = Command::new(workspace.target.join("debug/conformance-server"));
        let mut process = Process::start("conformance-server", &mut command)?;
        let url = process.wait_for_line(START_LIMIT, |line| line.starts_with("http://").then(|| line.to_owned()))?;
        Ok(Self { url, _process: Some(process) })
    }
}

/// Builds the gateway and the server as tests are built.
fn build(workspace: &Workspace) -> Result<()> {
    let status = Command::new(cargo())
        .current_dir(&workspace.root)
        .args(["build", "--locked", "--quiet", "--bins"])
        .args(["--package", "vidimus", "--package", "vidimus-conformance-server"])
        .status()
        .context("cannot start cargo build")?;
    if !status.success() {
        bail!("the build failed: {status}");
    }
    Ok(())
}
