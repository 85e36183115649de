//! Many principals at once: does anybody hear of another?
//!
//! Clients and server each check all they hear for markers of others (`crates/bench/src/crosstalk.rs`). Afterwards the
//! evidence is read: a recording that holds two principals' markers would be the same fault where nobody listens. A run
//! in which principals fail, or idle ones are told nothing, shows little: that is a fault too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::gateway::{Gateway, Setup};
use super::memory::Memory;
use super::parts::{self, Parts};
use crate::workspace::Workspace;

/// Of sessions with more operations than this, one in [`SAMPLED`] is read.
const SHORT: u64 = 100;
const SAMPLED: usize = 10;
/// Sessions of one page.
const PAGE: &str = "1000";
/// What markers begin with (`crates/bench/src/marker.rs`), and how many letters follow.
const MARKER: &str = "marker-";
const LETTERS: usize = 6;

const POLICIES: &str = r#"
permit (principal in Group::"bench/bench", action == Action::"connect", resource);
permit (principal in Group::"bench/bench", action in Action::"tools/call", resource);
permit (principal in Group::"bench/bench", action == Action::"resources/read", resource);
permit (principal in Group::"bench/bench", action == Action::"sampling/createMessage", resource);
permit (principal in Group::"bench/bench", action == Action::"elicitation/create", resource);
permit (principal in Group::"local/owner", action == Action::"log.read", resource);
permit (principal in Group::"local/owner", action == Action::"recording.view", resource);
"#;

/// How many clients, of a principal each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clients {
    pub(super) idle: usize,
    pub(super) busy: usize,
}

/// What both sides and the evidence say.
#[derive(Debug, Serialize)]
pub(super) struct CrossTalk {
    clients: Figures,
    evidence: Evidence,
    resident_mb: Memory,
}

/// What `bench-load crosstalk` prints.
#[derive(Debug, Serialize, Deserialize)]
struct Figures {
    idle: u64,
    busy: u64,
    seconds: f64,
    opened_seconds: f64,
    calls: u64,
    questions: u64,
    messages: u64,
    mixed: u64,
    failed: u64,
    deaf: u64,
    first: Option<String>,
    heard: BTreeMap<String, u64>,
    server: Server,
}

#[derive(Debug, Serialize, Deserialize)]
struct Server {
    messages: u64,
    mixed: u64,
    unanswered: u64,
    sessions: u64,
    first: Option<String>,
}

/// What the recordings hold.
#[derive(Debug, Default, Serialize)]
struct Evidence {
    sessions: usize,
    /// Whose recordings were read.
    read: usize,
    /// Sessions, and principals, with more than one marker.
    mixed: Vec<String>,
    /// Sessions with calls and without a marker: they would show nothing.
    unmarked: usize,
}

/// Runs the clients for so many seconds, and reads their evidence.
pub(super) fn run(
    workspace: &Workspace,
    parts: &Parts,
    scratch: &Path,
    Clients { idle, busy }: Clients,
    seconds: f64,
) -> Result<CrossTalk> {
    let dir = super::tempdir_in(scratch)?;
    let targets = format!(
        "\n[targets.marked]\nprotocol = \"mcp\"\nurl = \"{}/mcp\"\ndurability = \"async\"\nrecord = \"masked\"\n",
        parts.marked()
    );
    let gateway = Gateway::start(workspace, parts, dir.path(), &Setup { policies: POLICIES.to_owned(), targets })?;
    let (clients, resident_mb) = thread::scope(|scope| {
        let clients = scope.spawn(|| parts.crosstalk(&gateway.origin(), idle, busy, seconds));
        let resident_mb = Memory::watch(&gateway, seconds, || clients.is_finished());
        (clients.join().map_err(|_| anyhow!("the thread of the clients panicked")), resident_mb)
    });
    let clients = clients?.with_context(|| format!("the gateway said: {}", gateway.log()))?;
    gateway.cpu_seconds_when_quiet()?;
    let evidence = evidence(workspace, dir.path())?;
    gateway.stop()?;
    Ok(CrossTalk { clients: serde_json::from_value(clients)?, evidence, resident_mb: resident_mb? })
}

/// Reads the recordings as an auditor would.
fn evidence(workspace: &Workspace, dir: &Path) -> Result<Evidence> {
    let vidimus = |arguments: &[&str]| {
        let mut command = Command::new(parts::binary(workspace, "vidimus"));
        let output = command.args(arguments).args(["--json", "--config", "vidimus.toml"]).current_dir(dir).output()?;
        if !output.status.success() {
            bail!("vidimus {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    };
    let mut evidence = Evidence::default();
    let mut of_principals: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut after: Option<String> = None;
    let mut long = 0;
    loop {
        let mut arguments = vec!["sessions", "list", "--limit", PAGE];
        arguments.extend(after.iter().flat_map(|after| ["--after", after]));
        let page: Value = serde_json::from_str(&vidimus(&arguments)?)?;
        for session in page.get("sessions").and_then(Value::as_array).context("no sessions")? {
            evidence.sessions += 1;
            let operations = session.get("operations").and_then(Value::as_u64).unwrap_or_default();
            // The session at the endpoint for all targets holds no payload of its own.
            if operations == 0 || session.get("target").is_none_or(Value::is_null) {
                continue;
            }
            long += usize::from(operations > SHORT);
            if operations > SHORT && long % SAMPLED != 0 {
                continue;
            }
            let id = session.get("id").and_then(Value::as_str).context("a session without an id")?;
            let recording = vidimus(&["sessions", "replay", id])?;
            let found: BTreeSet<&str> = markers(&recording).collect();
            evidence.read += 1;
            evidence.unmarked += usize::from(found.is_empty());
            if found.len() > 1 {
                evidence.mixed.push(id.to_owned());
            }
            let who = session.get("who").and_then(Value::as_str).unwrap_or_default().to_owned();
            of_principals.entry(who).or_default().extend(found.into_iter().map(str::to_owned));
        }
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    evidence.mixed.extend(of_principals.into_iter().filter(|(_, found)| found.len() > 1).map(|(who, _)| who));
    Ok(evidence)
}

/// The markers in a text.
fn markers(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(MARKER).filter_map(|(start, _)| text.get(start..start + MARKER.len() + LETTERS))
}

impl CrossTalk {
    /// Whether nobody heard of another, and everybody could have.
    pub(super) fn is_clean(&self) -> bool {
        self.verdicts().iter().take(3).all(|(holds, _)| *holds)
    }

    /// The first thing that is wrong.
    pub(super) fn first(&self) -> String {
        let first = self.clients.first.as_ref().or(self.clients.server.first.as_ref());
        first.cloned().unwrap_or_else(|| format!("in the evidence: {:?}", self.evidence.mixed))
    }

    /// For clients, server, evidence and memory whether it holds, and what to print.
    pub(super) fn verdicts(&self) -> [(bool, String); 4] {
        let Figures { idle, busy, seconds, opened_seconds, calls, questions, messages, .. } = &self.clients;
        let Figures { mixed, failed, deaf, heard, server, .. } = &self.clients;
        let kinds: Vec<_> = heard.iter().map(|(kind, count)| format!("\n         {kind}: {count}")).collect();
        let evidence = &self.evidence;
        [
            (
                mixed + failed + deaf == 0,
                format!(
                    "{idle} idle and {busy} busy principals for {seconds:.0} s, open after {opened_seconds:.1} s: {calls} calls, \
                     {questions} questions answered, {messages} messages heard; {mixed} of another's, {failed} clients failed, \
                     {deaf} were told nothing{}",
                    kinds.concat()
                ),
            ),
            (
                server.mixed + server.unanswered == 0,
                format!(
                    "the server heard {} messages in {} sessions: {} of another's, {} questions not answered",
                    server.messages, server.sessions, server.mixed, server.unanswered
                ),
            ),
            (
                evidence.mixed.is_empty() && evidence.unmarked == 0 && evidence.read > 0,
                format!(
                    "{} sessions on record, {} recordings read: {} with another's marker, {} with none",
                    evidence.sessions,
                    evidence.read,
                    evidence.mixed.len(),
                    evidence.unmarked
                ),
            ),
            (self.resident_mb.stays(), self.resident_mb.text()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anothers_marker_anywhere_is_a_fault_and_so_is_a_run_that_shows_nothing() {
        let clean = |change: &dyn Fn(&mut CrossTalk)| {
            let server = Server { messages: 1, mixed: 0, unanswered: 0, sessions: 1, first: None };
            let clients = Figures {
                idle: 1,
                busy: 1,
                seconds: 1.0,
                opened_seconds: 1.0,
                calls: 1,
                questions: 1,
                messages: 1,
                mixed: 0,
                failed: 0,
                deaf: 0,
                first: None,
                heard: BTreeMap::new(),
                server,
            };
            let evidence = Evidence { sessions: 1, read: 1, ..Evidence::default() };
            let mut found = CrossTalk { clients, evidence, resident_mb: Memory::of(vec![10.0; 10]) };
            change(&mut found);
            found.is_clean()
        };
        assert!(clean(&|_| ()));
        assert!(!clean(&|found| found.clients.mixed = 1));
        assert!(!clean(&|found| found.clients.failed = 1));
        assert!(!clean(&|found| found.clients.deaf = 1));
        assert!(!clean(&|found| found.clients.server.mixed = 1));
        assert!(!clean(&|found| found.clients.server.unanswered = 1));
        assert!(!clean(&|found| found.evidence.mixed.push("a session".into())));
        assert!(!clean(&|found| found.evidence.read = 0));
        assert_eq!(markers("x marker-abcdef marker-ab").collect::<Vec<_>>(), ["marker-abcdef"]);
    }
}
