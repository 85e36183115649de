//! What targets have asked of the client and nobody has answered yet, session by session.
//!
//! A question is an operation the other way round: its intent is what the target asked, its outcome what the client
//! answered. It belongs to the call, or the stream, in which it was asked, and ends with it at the latest, so a session
//! never closes over one. Asking writes the intent and enters the question in one step, answering takes it out and writes
//! its outcome in one step: of two with one id one counts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use vidimus_core::event::{Body, Ended, Masking as Found, Status};
use vidimus_core::{Action, Durability, Protocol};

use crate::evidence::{Evidence, EvidenceError, Strand, Written};
use crate::masking::Masked;
use crate::recording::{Part, PayloadName};

/// Questions of one session that wait for an answer.
const MAX_QUESTIONS: usize = 32;

/// The questions of one session by the id the target gave them, in a form the adapter chooses.
#[derive(Debug, Default)]
pub(crate) struct Questions(Mutex<HashMap<Box<str>, Question>>);

/// One that waits for an answer.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) action: Action,
    /// The action as events name it.
    pub(crate) recorded: Action,
    pub(crate) method: Option<&'static str>,
    pub(crate) protocol: Protocol,
    /// The `seq` of the operation in which it was asked.
    pub(crate) asked_in: u64,
    /// The `seq` of its own `operation.admitted`.
    pub(crate) intent: u64,
    pub(crate) since: Instant,
}

/// An answer as it is recorded, and as it goes to the target.
pub(crate) type Answered<'a> = (&'a Masked, &'a Bytes);

/// What to write with.
#[derive(Clone, Copy)]
pub(crate) struct Pen<'a> {
    pub(crate) strand: &'a Strand,
    pub(crate) evidence: &'a Evidence,
    pub(crate) durability: Durability,
}

impl Questions {
    /// Whether another one may be asked under this id.
    pub(crate) fn has_room(&self, id: &str) -> bool {
        has_room(&self.lock(), id)
    }

    /// Enters a question once `admit` has written its intent; `None` when there is no room for it under this id.
    pub(crate) fn enter(
        &self,
        id: &str,
        admit: impl FnOnce() -> Result<(Question, Written), EvidenceError>,
    ) -> Option<Result<Written, EvidenceError>> {
        let mut open = self.lock();
        has_room(&open, id).then(|| {
            let (question, written) = admit()?;
            open.insert(id.into(), question);
            Ok(written)
        })
    }

    /// The question with this id.
    pub(crate) fn find(&self, id: &str) -> Option<Question> {
        self.lock().get(id).cloned()
    }

    /// Takes a question out and writes how it ended; `None` when there is none with this id, or another than the one with
    /// this `intent`. One whose outcome cannot be written stays.
    pub(crate) fn end(
        &self,
        id: &str,
        intent: Option<u64>,
        status: Status,
        answer: Option<Answered<'_>>,
        pen: Pen<'_>,
    ) -> Option<Result<Written, EvidenceError>> {
        match self.lock().entry(id.into()) {
            Entry::Occupied(entry) if intent.is_none_or(|intent| intent == entry.get().intent) => {
                let written = outcome(entry.get(), status, answer, pen);
                if written.is_ok() {
                    entry.remove();
                }
                Some(written)
            }
            _ => None,
        }
    }

    /// Ends, unanswered, what was asked in an operation that ends now.
    pub(crate) fn give_up(&self, asked_in: u64, pen: Pen<'_>) {
        self.lock().retain(|_, question| {
            if question.asked_in != asked_in {
                return true;
            }
            if let Err(error) = outcome(question, Status::Cancelled, None, pen) {
                // The intent stays open: the session is not closed as complete, and the next start says `unknown`.
                tracing::error!(%error, session = %pen.strand.session(), "an unanswered question cannot be recorded");
            }
            false
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Question>> {
        // A poisoned lock means a panic between map operations, each of which leaves a whole map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_room(open: &HashMap<Box<str>, Question>, id: &str) -> bool {
    open.len() < MAX_QUESTIONS && !open.contains_key(id)
}

fn outcome(
    question: &Question,
    status: Status,
    answer: Option<Answered<'_>>,
    pen: Pen<'_>,
) -> Result<Written, EvidenceError> {
    let payload =
        answer.map(|(masked, passed)| Part { name: PayloadName::Response, recorded: &masked.recorded, passed });
    pen.strand.append_with(
        pen.evidence,
        payload.as_slice(),
        Body::OperationOutcome(Ended {
            action: &question.recorded,
            method: question.method,
            protocol: question.protocol,
            intent: question.intent,
            approval: None,
            status,
            microseconds: Some(u64::try_from(question.since.elapsed().as_micros()).unwrap_or(u64::MAX)),
            bytes: answer.map_or(0, |(masked, _)| masked.recorded.len() as u64),
            hidden: 0,
            durability: pen.durability,
            masking: answer.map_or(Found::NONE, |(masked, _)| &masked.found),
            payloads: &[],
        }),
    )
}
