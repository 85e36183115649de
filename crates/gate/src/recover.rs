//! What a crash left open, closed at the next start.
//!
//! A session without a last event gets one (`session.closed`, reason `crash`), and each of its intents without an
//! outcome gets `operation.outcome` with status `unknown`: the gateway ended before it knew. The numbers go on
//! where they stopped, so the session stays dense.
//!
//! What is written here is signed and stays, so the index only says where to look: every event of an open session is read
//! from the log, and the log is searched backwards for events that the index does not tell of. Refused, before anything is
//! written: an index that differs from the log.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde_json::Value;
use vidimus_core::event::{Body, Ended, LAST_EVENTS, Masking, Status};
use vidimus_core::{Action, ApprovalId, Durability, Protocol, Record, SessionId, TargetName};
use vidimus_log::{ReadError, Snapshot};
use vidimus_store::{Reader, StoreError};

use crate::evidence::{Evidence, EvidenceError, Strand};
use crate::logged_session::Head;

/// How many events the log is searched backwards for, where the run before was longer and the index knows of no older event
/// after which a session must have no other: about a hundred megabytes.
const MAX_SEARCHED: u64 = 1 << 17;
/// How many are read at once, as they lie in the files (C2SP tlog-tiles).
const BUNDLE: u64 = 256;

/// Why an open session was not closed.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The index does not answer.
    #[error(transparent)]
    Index(#[from] StoreError),
    /// The log does not give an event back.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The index is of another log, or stands still.
    #[error("the index has {applied} of {entries} events{why}: run `vidimus index rebuild`, then start again")]
    Behind {
        /// Events in the index.
        applied: u64,
        /// Events in the log.
        entries: u64,
        /// Why it took no more, if that is known.
        why: String,
    },
    /// The index and the log differ on a session that one of them has open.
    #[error(
        "the index does not say what the log says of session {0}, which one of them has open: somebody may have altered one \
         of them; run `vidimus log verify`, then `vidimus index rebuild`, then start again"
    )]
    Altered(SessionId),
    /// An event is not what this program writes.
    #[error("event {0} of the log is no event: run `vidimus log verify`")]
    Foreign(u64),
    /// The closing events cannot be written.
    #[error(transparent)]
    Write(#[from] EvidenceError),
}

/// A session that was not closed, by its events in the log.
pub(crate) struct Open {
    session: SessionId,
    who: Option<String>,
    target: Option<TargetName>,
    events: u64,
    /// Intents without outcome, by number.
    intents: BTreeMap<u64, Intent>,
}

/// An admitted operation, as its event names it.
struct Intent {
    action: String,
    method: Option<String>,
    object: Option<String>,
    /// The approval that it passed by.
    approval: Option<ApprovalId>,
}

/// The sessions without a last event. The index must have all the log's entries: what it lacks would be taken for what was
/// never written, and written once more. Blocks on the disk.
pub(crate) fn unfinished(
    evidence: &Evidence,
    index: &Path,
    failure: Option<&String>,
) -> Result<Vec<Open>, RecoveryError> {
    let reader = Reader::open(index)?;
    let (applied, entries) = (reader.applied()?, evidence.log.status().integrated);
    if applied != entries || failure.is_some() {
        let why = failure.map_or_else(String::new, |failure| format!(" ({failure})"));
        return Err(RecoveryError::Behind { applied, entries, why });
    }
    let mut log = evidence.log.snapshot();
    let mut open = Vec::new();
    let mut oldest = entries;
    for session in reader.unfinished()? {
        let leaves = reader.leaves_of(session)?;
        open.push(read(&mut log, session, &leaves)?);
        oldest = oldest.min(leaves.last().map_or(entries, |(_, index)| *index));
    }
    let mut newest = newest_events(&log, oldest)?;
    for Open { session, events, .. } in &open {
        let last = newest.remove(session).filter(|last| !last.is_final && last.seq.checked_add(1) == Some(*events));
        last.ok_or(RecoveryError::Altered(*session))?;
    }
    match newest.into_iter().find(|(_, last)| !last.is_final) {
        Some((session, _)) => Err(RecoveryError::Altered(session)),
        None => Ok(open),
    }
}

/// Closes sessions that have no last event.
pub(crate) fn close_open_sessions(evidence: &Evidence, unfinished: &[Open]) -> Result<(), RecoveryError> {
    unfinished.iter().try_for_each(|open| close(evidence, open))
}

/// The newest event of a session.
struct Newest {
    seq: u64,
    is_final: bool,
}

/// The newest event of each session that has one from `oldest` on, or after what closed everything older: the last start that
/// came as far as loading policies. Of a longer run no more than [`MAX_SEARCHED`] events are searched: a session that has none
/// among those is open only if the index says so, and then `oldest` is its last event.
fn newest_events(log: &Snapshot, oldest: u64) -> Result<HashMap<SessionId, Newest>, RecoveryError> {
    let size = log.checkpoint().size;
    let limit = oldest.min(size.saturating_sub(MAX_SEARCHED));
    let (mut newest, mut loaded) = (HashMap::new(), HashSet::new());
    let mut end = size;
    while end > limit {
        let start = (end - 1) / BUNDLE * BUNDLE;
        let (mut leaves, mut index) = (Vec::new(), start);
        log.bundle(start, &mut |leaf| leaves.push(leaf.to_vec()))?;
        index += leaves.len() as u64;
        for leaf in leaves.iter().rev() {
            index -= 1;
            let (session, Head { seq, kind, .. }) = Head::read(leaf).ok_or(RecoveryError::Foreign(index))?;
            newest.entry(session).or_insert(Newest { seq, is_final: LAST_EVENTS.contains(&kind) });
            match kind {
                "policy.loaded" => _ = loaded.insert(session),
                "log.started" if loaded.contains(&session) && index <= oldest => return Ok(newest),
                _ => {}
            }
        }
        end = start;
    }
    Ok(newest)
}

/// What these leaves, which must be all of a session's, say of it.
fn read(log: &mut Snapshot, session: SessionId, leaves: &[(u64, u64)]) -> Result<Open, RecoveryError> {
    let mut open = Open { session, who: None, target: None, events: 0, intents: BTreeMap::new() };
    let id = session.to_string();
    for (seq, index) in leaves {
        let event: Value = serde_json::from_slice(&log.leaf(*index)?).map_err(|_| RecoveryError::Foreign(*index))?;
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
        let number = event.get("seq").and_then(Value::as_u64);
        if text("/session") != Some(&id) || *seq != open.events || number != Some(open.events) {
            return Err(RecoveryError::Altered(session));
        }
        open.events += 1;
        match text("/type") {
            Some("session.opened") => {
                open.who = text("/who").map(str::to_owned);
                open.target = text("/target").and_then(|name| name.parse().ok());
            }
            Some("operation.admitted") => {
                let owned = |pointer| text(pointer).map(str::to_owned);
                let intent = Intent {
                    action: owned("/operation/action").unwrap_or_default(),
                    method: owned("/operation/method"),
                    object: owned("/operation/object"),
                    approval: text("/operation/approval").and_then(|id| id.parse().ok()),
                };
                open.intents.insert(*seq, intent);
            }
            Some("operation.outcome") => {
                let intent = event.pointer("/operation/intent").and_then(Value::as_u64);
                intent.and_then(|intent| open.intents.remove(&intent));
            }
            Some(kind) if LAST_EVENTS.contains(&kind) => return Err(RecoveryError::Altered(session)),
            _ => {}
        }
    }
    Ok(open)
}

fn close(evidence: &Evidence, open: &Open) -> Result<(), RecoveryError> {
    let who = open.who.as_deref().map(Into::into);
    let strand = Strand::new(open.session, who, open.target.clone(), Record::Sizes, open.events);
    for (intent, Intent { action, method, object, approval }) in &open.intents {
        let action = action_of(action, object.as_deref(), open.target.as_ref());
        strand.append(
            evidence,
            Body::OperationOutcome(Ended {
                action: &action,
                method: method.as_deref(),
                protocol: Protocol::Mcp,
                intent: *intent,
                approval: *approval,
                status: Status::Unknown,
                microseconds: None,
                bytes: 0,
                hidden: 0,
                durability: Durability::Strict,
                masking: Masking::NONE,
                payloads: &[],
            }),
        )?;
    }
    strand.close(evidence, |count| Body::SessionClosed { count, reason: "crash" })?;
    Ok(())
}

/// The action whose name stands in an event.
fn action_of(name: &str, object: Option<&str>, target: Option<&TargetName>) -> Action {
    let tool = target.and_then(|target| name.strip_prefix(target.as_str())).and_then(|rest| rest.strip_prefix('/'));
    match (tool, name, object) {
        (Some(tool), _, _) => Action::ToolCall(tool.into()),
        (None, "resources/read", Some(uri)) => Action::ResourceRead(uri.into()),
        (None, "prompts/get", Some(prompt)) => Action::PromptGet(prompt.into()),
        (None, method, _) => Action::Method(method.into()),
    }
}
