//! What a crash left open, closed at the next start.
//!
//! A session without a last event gets one (`session.closed`, reason `crash`), and each of its intents without an
//! outcome gets `operation.outcome` with status `unknown`: the gateway ended before it knew. The numbers go on
//! where they stopped, so the session stays dense.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use vidimus_core::event::{Body, Ended, Masking, Status};
use vidimus_core::{Action, Durability, Protocol, Record, SessionId, TargetName};
use vidimus_log::ReadError;
use vidimus_store::{Reader, StoreError};

use crate::evidence::{Evidence, EvidenceError, Strand};

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
    /// The index says that a session is open, and the log that it is closed.
    #[error(
        "the index has session {0} open, which the log has closed: somebody may have altered the index; run \
         `vidimus log verify`, then `vidimus index rebuild`, then start again"
    )]
    Altered(SessionId),
    /// An event is not what this program writes.
    #[error("event {0} of the log is no event: run `vidimus log verify`")]
    Foreign(u64),
    /// The closing events cannot be written.
    #[error(transparent)]
    Write(#[from] EvidenceError),
}

/// What is known of a session that was not closed.
#[derive(Default)]
struct Open {
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
}

/// The sessions without a last event, by an index that has all the log's entries: what it lacks would be taken for what was
/// never written, and written once more.
pub(crate) fn unfinished(
    index: &Path,
    entries: u64,
    failure: Option<&String>,
) -> Result<Vec<SessionId>, RecoveryError> {
    let reader = Reader::open(index)?;
    let applied = reader.applied()?;
    if applied != entries || failure.is_some() {
        let why = failure.map_or_else(String::new, |failure| format!(" ({failure})"));
        return Err(RecoveryError::Behind { applied, entries, why });
    }
    Ok(reader.unfinished()?)
}

/// Closes sessions that have no last event.
pub(crate) fn close_open_sessions(
    evidence: &Evidence,
    index: &Path,
    unfinished: &[SessionId],
) -> Result<(), RecoveryError> {
    let reader = Reader::open(index)?;
    for session in unfinished {
        let open = read(evidence, &reader, *session)?;
        close(evidence, *session, &open)?;
    }
    Ok(())
}

fn read(evidence: &Evidence, reader: &Reader, session: SessionId) -> Result<Open, RecoveryError> {
    let mut open = Open::default();
    for (seq, index) in reader.leaves_of(session)? {
        let leaf = evidence.log.leaf(index)?;
        let event: Value = serde_json::from_slice(&leaf).map_err(|_| RecoveryError::Foreign(index))?;
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
        open.events = seq + 1;
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
                };
                open.intents.insert(seq, intent);
            }
            Some("session.closed" | "log.stopped") => return Err(RecoveryError::Altered(session)),
            Some("operation.outcome") => {
                let intent = event.pointer("/operation/intent").and_then(Value::as_u64);
                intent.and_then(|intent| open.intents.remove(&intent));
            }
            _ => {}
        }
    }
    Ok(open)
}

fn close(evidence: &Evidence, session: SessionId, open: &Open) -> Result<(), RecoveryError> {
    let who = open.who.as_deref().map(Into::into);
    let strand = Strand::new(session, who, open.target.clone(), Record::Sizes, open.events);
    for (intent, Intent { action, method, object }) in &open.intents {
        let action = action_of(action, object.as_deref(), open.target.as_ref());
        strand.append(
            evidence,
            Body::OperationOutcome(Ended {
                action: &action,
                method: method.as_deref(),
                protocol: Protocol::Mcp,
                intent: *intent,
                status: Status::Unknown,
                microseconds: None,
                bytes: 0,
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
