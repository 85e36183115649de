//! The endpoint for all targets, with many servers of many tools each: how long a start takes, how long lists take, and
//! how much memory it is.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use super::gateway::{Gateway, Setup};
use super::memory::megabytes;
use super::parts::{Parts, Reads};
use super::{Case, Shape};
use crate::workspace::Workspace;

const SERVERS: usize = 50;
const TOOLS: usize = 100;
/// How long clients list.
const SECONDS: f64 = 5.0;
/// Clients that list at once, after the first.
const CLIENTS: usize = 8;
const MILLISECOND_US: f64 = 1e3;

const POLICIES: &str = r#"
permit (principal in Group::"bench/bench", action == Action::"connect", resource);
permit (principal in Group::"bench/bench", action in Action::"tools/call", resource);
"#;

/// What it took.
#[derive(Debug, Serialize)]
pub(super) struct Tools {
    /// From the start of the process until it listens.
    start_ms: f64,
    /// Handshake and first list of the first client, which opens a session at every server.
    first_client_ms: f64,
    /// The same of the second.
    second_client_ms: f64,
    /// A list in an open session, with nobody else there.
    list_p50_ms: f64,
    /// Lists a second, of several clients at once.
    lists_per_second: f64,
    cpu_ms_per_list: f64,
    started_mb: f64,
    /// After the first client.
    listed_mb: f64,
    peak_mb: f64,
}

/// Starts a gateway with all of the servers, and lists their tools.
pub(super) fn run(workspace: &Workspace, parts: &Parts, scratch: &Path) -> Result<Tools> {
    let dir = super::tempdir_in(scratch)?;
    let mut targets = String::new();
    for number in 0..SERVERS {
        write!(
            targets,
            "\n[targets.server{number:02}]\nprotocol = \"mcp\"\nurl = \"{}/tools/{TOOLS}\"\ndurability = \"async\"\nrecord = \"masked\"\n",
            parts.origin()
        )?;
    }
    let begin = Instant::now();
    let gateway = Gateway::start(workspace, parts, dir.path(), &Setup { policies: POLICIES.to_owned(), targets })?;
    let start_ms = milliseconds(begin);
    // It reads the servers' definitions by itself once it listens; a client that comes at once waits for them.
    let started_mb = megabytes(gateway.resident()?);
    let url = gateway.endpoint();
    let open = || {
        let begin = Instant::now();
        parts.hold(&gateway, &url, 1, Reads::Closed).map(|held| (milliseconds(begin), held))
    };
    let (first_client_ms, first) = open()?;
    let listed_mb = megabytes(gateway.resident()?);
    let (second_client_ms, second) = open()?;
    drop((first, second));
    let case = |sessions| Case { shape: Shape::List, sessions, payload: 0 };
    let alone = parts.load(&url, case(1), SECONDS)?;
    let before = gateway.cpu_seconds_when_quiet()?;
    let together = parts.load(&url, case(CLIENTS), SECONDS)?;
    let cpu_seconds = gateway.cpu_seconds_when_quiet()? - before;
    let tools = Tools {
        start_ms,
        first_client_ms,
        second_client_ms,
        list_p50_ms: alone.p50_us / MILLISECOND_US,
        lists_per_second: together.calls / together.seconds,
        cpu_ms_per_list: cpu_seconds * 1e3 / together.all_calls,
        started_mb,
        listed_mb,
        peak_mb: megabytes(gateway.peak_resident()?),
    };
    gateway.stop()?;
    Ok(tools)
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

impl Tools {
    /// What to print; no mark is set for any of it.
    pub(super) fn verdicts(&self) -> [(bool, String); 3] {
        let Self { start_ms, first_client_ms, second_client_ms, list_p50_ms, lists_per_second, .. } = self;
        let Self { cpu_ms_per_list, started_mb, listed_mb, peak_mb, .. } = self;
        [
            (true, format!("{SERVERS} servers × {TOOLS} tools: listens after {start_ms:.0} ms, {started_mb:.1} MB")),
            (
                true,
                format!(
                    "first client (handshake and list) {first_client_ms:.0} ms, second {second_client_ms:.0} ms; resident \
                     {listed_mb:.1} MB after the first, {peak_mb:.1} MB at most"
                ),
            ),
            (
                true,
                format!(
                    "a list of all {list_p50_ms:.1} ms at the median; {CLIENTS} clients at once {lists_per_second:.1} lists/s, \
                     {cpu_ms_per_list:.1} CPU-ms each"
                ),
            ),
        ]
    }
}
