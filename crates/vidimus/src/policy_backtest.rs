//! `vidimus policy backtest`: what other policies would have decided on operations of the past.
//!
//! Operations come from the running gateway, which decides and records who reads them. Each is put to the policies as it
//! was: whose it was, from where, when. What was asked for is taken from the recording, and only where a policy reads it;
//! where the record does not hold it as it was, and policies need it, the operation cannot be decided and is told as such.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use vidimus_core::json::{Document, Limits};
use vidimus_core::{Effect, TargetName, ToolAnnotations, ToolDefinition};
use vidimus_policy::{Considered, Policies, Verdict};
use vidimus_store::{MAX_SESSIONS, SessionFilter};

use crate::api::{self, Direction, FrameBody, Recording, SessionDetail, SessionList, SessionSummary, ToolList};
use crate::cli::Backtest;
use crate::client::{self, ClientError};
use crate::config::Config;
use crate::output::{self, Table, counted, printable};
use crate::policies::Inputs;
use crate::policy_files;
use crate::policy_question::{Answer, Question, Wish};
use crate::policy_record::{Recorded, Session};

/// How often it says how far it is; what takes less says nothing.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Operations that are listed without `--json`.
const LISTED: usize = 100;

/// Puts recorded operations to policies. False when something would be decided otherwise.
pub(crate) async fn run(options: &Backtest, out: &mut impl Write) -> anyhow::Result<bool> {
    let config = Config::load(&options.file.config)?;
    let directory = options.policies.as_deref().unwrap_or(&config.policy_dir);
    let inputs = Inputs::of_directory(&config, directory)?;
    let socket = config.gateway.socket.as_path();
    let mut notes = Vec::new();
    let tools = tools(socket, &config, options.target.as_ref(), &mut notes).await?;
    let policies = inputs.with_known(|name| tools.get(name.as_str()).cloned()).compile()?;
    let mut trial = Trial { socket, config: &config, policies, tools, tested: Tested::default(), notes };

    let (sessions, are_more) = sessions(socket, options).await?;
    let mut told = Instant::now();
    for (number, session) in sessions.iter().enumerate() {
        trial.session(session).await?;
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            // Nothing is lost when nobody reads it.
            let _ = writeln!(io::stderr(), "{} of {}", number + 1, counted(sessions.len() as u64, "session"));
        }
    }
    let Trial { policies, tested, mut notes, .. } = trial;
    if are_more {
        notes.push(format!(
            "there are older sessions than these {}: say --sessions with a larger number",
            sessions.len()
        ));
    }
    let is_same = tested.differences.is_empty();
    if options.output.json {
        output::json(out, &told_in_json(&tested, &notes, sessions.len(), policies.hash()))?;
    } else {
        write_tested(&tested, &notes, sessions.len(), out)?;
    }
    Ok(is_same)
}

/// The definitions of the targets' tools: as they are configured, or else as the gateway knows them.
async fn tools(
    socket: &Path,
    config: &Config,
    only: Option<&TargetName>,
    notes: &mut Vec<String>,
) -> anyhow::Result<BTreeMap<String, Vec<ToolDefinition>>> {
    let mut known = BTreeMap::new();
    let asked = config.targets.iter().filter(|target| only.is_none_or(|only| *only == target.name));
    for target in asked {
        let name = &target.name;
        if let Some(configured) = policy_files::schema(target)?.tools {
            known.insert(name.to_string(), configured);
            continue;
        }
        match client::get::<ToolList>(socket, &format!("{}/{name}", api::TOOLS)).await {
            Ok(list) => {
                known.insert(name.to_string(), list.tools.into_iter().map(definition).collect());
            }
            Err(error @ ClientError::Refused { .. }) => {
                notes.push(format!(
                    "the tools of {name} are not known, so their annotations count as MCP's defaults: {error}"
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(known)
}

fn definition(tool: api::Tool) -> ToolDefinition {
    let api::Annotations { read_only_hint, destructive_hint, idempotent_hint, open_world_hint } = tool.annotations;
    ToolDefinition {
        name: tool.name,
        annotations: ToolAnnotations {
            read_only: read_only_hint,
            destructive: destructive_hint,
            idempotent: idempotent_hint,
            open_world: open_world_hint,
        },
        input_schema: Bytes::copy_from_slice(tool.input_schema.get().as_bytes()),
        output_schema: None,
    }
}

/// The sessions that are meant, the latest first, and whether there are more of them.
async fn sessions(socket: &Path, options: &Backtest) -> anyhow::Result<(Vec<SessionSummary>, bool)> {
    let most = usize::try_from(options.sessions)?;
    let mut filter = SessionFilter {
        since: Some(options.since),
        until: options.until,
        who: options.who.clone(),
        target: options.target.clone(),
        limit: options.sessions.clamp(1, MAX_SESSIONS),
        ..SessionFilter::default()
    };
    let mut found = Vec::new();
    loop {
        let list: SessionList = client::get(socket, &format!("{}?{}", api::SESSIONS, api::to_query(&filter))).await?;
        found.extend(list.sessions);
        let Some(next) = list.next else { return Ok((found, false)) };
        if found.len() >= most {
            found.truncate(most);
            return Ok((found, true));
        }
        filter.after = Some(next.parse().context("the gateway's answer is not understood")?);
    }
}

/// What is tried, and what came of it so far.
struct Trial<'a> {
    socket: &'a Path,
    config: &'a Config,
    policies: Policies,
    tools: BTreeMap<String, Vec<ToolDefinition>>,
    tested: Tested,
    notes: Vec<String>,
}

/// What came of all operations.
#[derive(Debug, Default)]
struct Tested {
    /// Those that would be decided as they were: allowed, denied.
    same: [u64; 2],
    /// Those that were not decided by policy but refused before, or that every caller may do.
    left_out: u64,
    differences: Vec<Tried>,
    undecided: Vec<Tried>,
}

/// An operation of which something is to be told.
#[derive(Debug, Serialize)]
struct Tried {
    session: String,
    seq: u64,
    time: String,
    who: String,
    action: String,
    /// What was decided, and by which policies.
    was: &'static str,
    was_by: Vec<String>,
    /// The rewrites that were applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    was_rewritten_by: Vec<String>,
    /// What would be; absent where that cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    would_be: Option<&'static str>,
    /// The rewrites that would be applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    would_be_rewritten_by: Vec<String>,
    /// The policies that would decide; or those that read what is not on record.
    by: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

/// What was asked for, as far as the record holds it.
enum Asked {
    /// As it was.
    Known(Option<Document>),
    /// Masked, erased or never kept.
    Unknown,
}

impl Trial<'_> {
    async fn session(&mut self, summary: &SessionSummary) -> anyhow::Result<()> {
        if summary.target.is_none() {
            return Ok(());
        }
        let detail: SessionDetail =
            client::get(self.socket, &format!("{}/{}", api::SESSIONS, api::encode(&summary.id))).await?;
        if detail.unsigned() > 0 {
            self.notes.push(format!("the last events of session {} are not signed yet and left out", summary.id));
        }
        let leaves = detail.events.iter().map(|entry| entry.event.get());
        let Some(session) = Session::read(leaves).with_context(|| format!("session {}", summary.id))? else {
            self.notes.push(format!("session {} is not of a target that policies are about", summary.id));
            return Ok(());
        };
        let mut recording = None;
        for operation in &session.operations {
            if !operation.is_by_policy {
                self.tested.left_out += 1;
                continue;
            }
            let mut question = session.question(operation, self.annotations(&session, operation));
            let mut answer = question.ask(&self.policies, self.config, None);
            let reads_call = answer.considered.iter().any(|one| one.reads_call);
            let asked = match (reads_call, operation.is_masked) {
                (false, _) => Asked::Known(None),
                (true, true) => Asked::Unknown,
                (true, false) => {
                    if recording.is_none() {
                        recording = Some(self.requests(&summary.id).await?);
                    }
                    arguments(recording.as_ref(), operation)
                }
            };
            let is_known = matches!(asked, Asked::Known(_));
            if let Asked::Known(Some(arguments)) = asked {
                question.arguments = Some(arguments);
                answer = question.ask(&self.policies, self.config, None);
            }
            self.enter(&session, operation, &question, answer, is_known);
        }
        Ok(())
    }

    /// The requests of a session by their `seq`; none of them where the recording cannot be had, which is noted.
    async fn requests(&mut self, session: &str) -> anyhow::Result<BTreeMap<u64, String>> {
        let path = format!("{}/{}/{}", api::SESSIONS, api::encode(session), api::RECORDING);
        let recording: Recording = match client::get(self.socket, &path).await {
            Ok(recording) => recording,
            Err(ClientError::Refused { body, .. }) => {
                self.notes.push(body.error);
                return Ok(BTreeMap::new());
            }
            Err(error) => return Err(error.into()),
        };
        let requests = recording.frames.into_iter().filter(|frame| frame.direction == Direction::Request);
        let with_text = requests.filter_map(|frame| match frame.body? {
            FrameBody::Text(text) => Some((frame.seq, text)),
            FrameBody::Base64(_) => None,
        });
        Ok(with_text.collect())
    }

    fn annotations(&self, session: &Session, operation: &Recorded) -> Option<ToolAnnotations> {
        let tool = operation.tool()?;
        let known = self.tools.get(session.target.as_str())?;
        known.iter().find(|known| known.name == tool).map(|tool| tool.annotations)
    }

    /// Enters what came of an operation; `is_known` says whether the answer is to what was asked for then.
    fn enter(&mut self, session: &Session, operation: &Recorded, question: &Question, answer: Answer, is_known: bool) {
        let rewrites: Vec<String> = answer.rewrites.iter().map(|rewrite| rewrite.name.to_string()).collect();
        let readers = if is_known { Vec::new() } else { undecidable(&answer.considered) };
        let tried = |would_be: Option<Effect>, by: Vec<String>, message| Tried {
            session: session.id.clone(),
            seq: operation.seq,
            time: operation.time.to_string(),
            who: question.principal.id(),
            action: match &question.wish {
                Wish::Act(action) => action.name(session.target.as_str()).into_owned(),
                Wish::Reveal(class) => class.to_string(),
            },
            was: operation.effect.name(),
            was_by: operation.policies.clone(),
            was_rewritten_by: operation.rewrites.clone(),
            would_be_rewritten_by: rewrites.clone(),
            would_be: would_be.map(Effect::name),
            by,
            message,
        };
        if !readers.is_empty() {
            self.tested.undecided.push(tried(None, readers, String::new()));
        } else if answer.effect == operation.effect && (answer.effect == Effect::Deny || rewrites == operation.rewrites)
        {
            let [allowed, denied] = &mut self.tested.same;
            *(if answer.effect == Effect::Allow { allowed } else { denied }) += 1;
        } else {
            let by = answer.deciding.iter().map(ToString::to_string).collect();
            self.tested.differences.push(tried(Some(answer.effect), by, answer.message));
        }
    }
}

/// What a call was made with, by the recording of its session.
fn arguments(requests: Option<&BTreeMap<u64, String>>, operation: &Recorded) -> Asked {
    let Some(request) = requests.and_then(|requests| requests.get(&operation.seq)) else { return Asked::Unknown };
    if operation.tool().is_none() {
        return Asked::Known(None);
    }
    let Ok(document) = Document::parse(Bytes::copy_from_slice(request.as_bytes()), &Limits::default()) else {
        return Asked::Unknown;
    };
    let arguments = document.root().get("params").and_then(|params| params.get("arguments"));
    let Some(arguments) = arguments else { return Asked::Known(None) };
    match Document::parse(Bytes::copy_from_slice(arguments.raw().as_bytes()), &Limits::default()) {
        Ok(arguments) => Asked::Known(Some(arguments)),
        Err(_) => Asked::Unknown,
    }
}

/// The policies without whose verdict nothing can be said, since they read what is not known. None where the others decide.
fn undecidable(considered: &[Considered]) -> Vec<String> {
    let (readers, others): (Vec<_>, Vec<_>) = considered.iter().partition(|one| one.reads_call);
    let denies = others.iter().any(|one| match one.verdict {
        Verdict::Holds => !one.permits,
        Verdict::Fails(_) => true,
        Verdict::DoesNotHold => false,
    });
    let may_permit = considered.iter().any(|one| one.permits && (one.reads_call || one.verdict == Verdict::Holds));
    if denies || !may_permit {
        return Vec::new();
    }
    let mut ids: Vec<_> = readers.iter().map(|one| one.id.to_string()).collect();
    ids.sort();
    ids
}

fn told_in_json(tested: &Tested, notes: &[String], sessions: usize, policy: &str) -> serde_json::Value {
    let [allowed, denied] = tested.same;
    json!({
        "policy_hash": policy, "sessions": sessions,
        "same": { "allow": allowed, "deny": denied }, "not_by_policy": tested.left_out,
        "different": tested.differences, "undecided": tested.undecided, "notes": notes,
    })
}

fn write_tested(tested: &Tested, notes: &[String], sessions: usize, out: &mut impl Write) -> io::Result<()> {
    for note in notes {
        writeln!(out, "note: {}", printable(note))?;
    }
    let ways = [
        ("allow", "deny", "allowed → denied"),
        ("deny", "allow", "denied → allowed"),
        ("allow", "allow", "rewritten otherwise"),
    ];
    let [allowed, denied] = tested.same;
    let mut table = Table::new(&["CHANGE", "OPERATIONS"]);
    table.row(["allowed as before", &allowed.to_string()]);
    table.row(["denied as before", &denied.to_string()]);
    for (was, would_be, change) in ways {
        let is_so = |tried: &&Tried| tried.was == was && tried.would_be == Some(would_be);
        table.row([change, &tested.differences.iter().filter(is_so).count().to_string()]);
    }
    table.row(["not decidable", &tested.undecided.len().to_string()]);
    table.row(["not decided by policy", &tested.left_out.to_string()]);
    table.write(out)?;
    writeln!(out, "in {}", counted(sessions as u64, "session"))?;
    for (was, would_be, change) in ways {
        let rows = tested.differences.iter().filter(|tried| tried.was == was && tried.would_be == Some(would_be));
        write_rows(change, "WOULD DECIDE", rows, out)?;
    }
    write_rows(
        "not decidable: policies read what the record does not hold as it was",
        "READ IT",
        tested.undecided.iter(),
        out,
    )
}

fn write_rows<'a>(
    heading: &str,
    by: &str,
    tried: impl Iterator<Item = &'a Tried>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut table = Table::new(&["SESSION", "SEQ", "TIME", "WHO", "ACTION", "DECIDED", by]);
    let mut rows = 0;
    for tried in tried {
        rows += 1;
        if rows <= LISTED {
            let (seq, time) = (tried.seq.to_string(), output::whole_seconds(&tried.time));
            let (was_by, by) = (tried.was_by.join(" "), tried.by.join(" "));
            table.row([&tried.session, &seq, &time, &tried.who, &tried.action, &was_by, &by]);
        }
    }
    if rows == 0 {
        return Ok(());
    }
    writeln!(out, "\n{heading}")?;
    table.write(out)?;
    if rows > LISTED {
        writeln!(out, "and {} more: --json has them all", rows - LISTED)?;
    }
    Ok(())
}
