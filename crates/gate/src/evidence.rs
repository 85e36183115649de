//! Writing evidence: one strand of events per session, with dense numbers, and the payloads they commit to.
//!
//! An event and its payload are appended together, or not at all; a number is taken only when both were appended.
//! What promises `strict` is written by the sync that it then waits for, together with all others that wait; until that
//! sync it may be lost when the process ends, and nothing has passed by then. Everything else is written before the append
//! returns. Either way the journal has the events of a strand in their order. A failed append never passes silently: the
//! caller of every function here must refuse what it was about to do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vidimus_core::event::{Body, Decided, Ended, Logged, Payload};
use vidimus_core::{Clock, Durability, ErrorKind, Event, EventId, Record, SessionId, TargetName, Timestamp};
use vidimus_log::{AppendError, Appended, Entry, Log, Position};

use crate::keys::{KeyEncryptionKey, KeyError};
use crate::recording::{Part, Sealed, Writer};
use crate::trail::Place;

/// What all strands write with.
pub(crate) struct Evidence {
    /// The log.
    pub(crate) log: Log,
    /// The name of this gateway in events.
    pub(crate) gateway: Arc<str>,
    /// Where the time comes from.
    pub(crate) clock: Arc<dyn Clock>,
    /// Wraps the keys of recordings.
    pub(crate) wrapping: Arc<KeyEncryptionKey>,
}

/// Why evidence was not written; nothing may pass.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The log refused.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A recording's key is not to be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The session's last event was written already.
    #[error("the session is closed")]
    Closed,
    /// The session has intents whose outcome could not be written. The next start closes it.
    #[error("{0} operations of the session have no outcome on record, so it is not closed")]
    Dangling(u64),
}

impl EvidenceError {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Append(_) | Self::Key(_) | Self::Dangling(_) => ErrorKind::Evidence,
            Self::Closed => ErrorKind::NotFound,
        }
    }
}

/// The events of one session, in order.
pub(crate) struct Strand {
    session: SessionId,
    who: Option<Arc<str>>,
    target: Option<TargetName>,
    record: Record,
    state: Mutex<State>,
}

struct State {
    next: u64,
    /// No intent is taken any more; outcomes are.
    closing: bool,
    closed: bool,
    /// Intents without outcome.
    intents: u64,
    writer: Option<Writer>,
}

/// An event that was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// Its number in the session.
    pub(crate) seq: u64,
    /// Durable when the journal is past this.
    pub(crate) position: Position,
    /// Where its last payload is in the recording.
    pub(crate) at: Option<Place>,
}

/// A part of a streamed result that was written.
pub(crate) struct WrittenChunk {
    /// The commitment to it.
    pub(crate) commitment: [u8; 32],
    /// The one to what was delivered; the same where that is what is recorded.
    pub(crate) delivered: [u8; 32],
    /// Where it is in the recording.
    pub(crate) at: Place,
    /// Durable when the journal is past this.
    pub(crate) position: Position,
}

impl Strand {
    /// The strand of a session whose first event is still to come, or, after a crash, has `written` events.
    pub(crate) fn new(
        session: SessionId,
        who: Option<Arc<str>>,
        target: Option<TargetName>,
        record: Record,
        written: u64,
    ) -> Self {
        Self {
            session,
            who,
            target,
            record,
            state: Mutex::new(State { next: written, closing: false, closed: false, intents: 0, writer: None }),
        }
    }

    /// The session.
    pub(crate) const fn session(&self) -> SessionId {
        self.session
    }

    /// Appends an event.
    pub(crate) fn append(&self, evidence: &Evidence, body: Body<'_>) -> Result<Written, EvidenceError> {
        self.append_with(evidence, &[], body)
    }

    /// Appends an event of another principal or target than the strand's: the control session speaks for many.
    pub(crate) fn append_for(
        &self,
        evidence: &Evidence,
        who: Option<&str>,
        target: Option<&str>,
        body: Body<'_>,
    ) -> Result<Written, EvidenceError> {
        self.append_leaf_for(evidence, who, target, body).map(|(written, _)| written)
    }

    /// The same, with where it stands in the log.
    pub(crate) fn append_leaf_for(
        &self,
        evidence: &Evidence,
        who: Option<&str>,
        target: Option<&str>,
        body: Body<'_>,
    ) -> Result<(Written, u64), EvidenceError> {
        let mut state = self.lock()?;
        let seq = state.next;
        let leaf = self.leaf(evidence, seq, (who, target), body);
        let appended = evidence.append(Durability::Async, &[Entry::Leaf(&leaf)])?;
        state.next += 1;
        Ok((Written { seq, position: appended.position, at: None }, appended.first_leaf))
    }

    /// The same with when it happened.
    pub(crate) fn append_at(
        &self,
        evidence: &Evidence,
        (time, who, target): (Timestamp, Option<&str>, Option<&str>),
        body: Body<'_>,
    ) -> Result<Written, EvidenceError> {
        let mut state = self.lock()?;
        let seq = state.next;
        let leaf = self.leaf_at(evidence, (time, seq), (who, target), body);
        let appended = evidence.append(Durability::Async, &[Entry::Leaf(&leaf)])?;
        state.next += 1;
        Ok(Written { seq, position: appended.position, at: None })
    }

    /// Appends an event on an operation, with the payloads it is to commit to.
    pub(crate) fn append_with(
        &self,
        evidence: &Evidence,
        payloads: &[Part<'_>],
        body: Body<'_>,
    ) -> Result<Written, EvidenceError> {
        let mut state = self.lock()?;
        if state.closing && matches!(body, Body::OperationAdmitted(_)) {
            return Err(EvidenceError::Closed);
        }
        let State { next, intents, writer: slot, .. } = &mut *state;
        let before = slot.as_ref().map(Writer::place);
        let opened = match &body {
            Body::OperationAdmitted(_) => intents.saturating_add(1),
            Body::OperationOutcome(_) => intents.saturating_sub(1),
            _ => *intents,
        };
        match self.try_append(evidence, *next, slot, payloads, body) {
            Ok((position, at)) => {
                let seq = *next;
                *next += 1;
                *intents = opened;
                Ok(Written { seq, position, at })
            }
            Err(error) => {
                // Nothing was written, so the places are free again; the numbers of the frames are not.
                match (before, slot.as_mut()) {
                    (Some(place), Some(writer)) => writer.return_to(place),
                    _ => *slot = None,
                }
                Err(error)
            }
        }
    }

    fn try_append(
        &self,
        evidence: &Evidence,
        seq: u64,
        slot: &mut Option<Writer>,
        payloads: &[Part<'_>],
        body: Body<'_>,
    ) -> Result<(Position, Option<Place>), EvidenceError> {
        let mut opening = None;
        let mut sealed = Vec::with_capacity(payloads.len());
        let time = evidence.clock.now();
        for part in payloads {
            let writer = self.writer(slot, &mut opening, evidence)?;
            let frame = writer.seal(seq, time, *part)?;
            writer.advance(&frame);
            sealed.push(frame);
        }
        let commitments: Vec<Payload> = sealed.iter().map(|frame| frame.payload.clone()).collect();
        let durability = promised(&body);
        let leaf = self.leaf(evidence, seq, self.scope(), with_payloads(body, &commitments));
        let mut entries = self.entries(opening.as_deref(), &sealed);
        entries.push(Entry::Leaf(&leaf));
        Ok((evidence.append(durability, &entries)?.position, commitments.last().map(|payload| payload.at)))
    }

    /// Appends one part of the result of the operation admitted as `intent`, which promises `durability`. It has no event of
    /// its own: the outcome commits to all parts.
    pub(crate) fn append_chunk(
        &self,
        evidence: &Evidence,
        (intent, durability): (u64, Durability),
        part: Part<'_>,
    ) -> Result<WrittenChunk, EvidenceError> {
        let mut state = self.lock()?;
        let is_new = state.writer.is_none();
        match self.try_append_chunk(evidence, &mut state.writer, (intent, durability), part) {
            Ok(written) => Ok(written),
            Err(error) => {
                if is_new {
                    state.writer = None;
                }
                Err(error)
            }
        }
    }

    fn try_append_chunk(
        &self,
        evidence: &Evidence,
        slot: &mut Option<Writer>,
        (intent, durability): (u64, Durability),
        part: Part<'_>,
    ) -> Result<WrittenChunk, EvidenceError> {
        let mut opening = None;
        let writer = self.writer(slot, &mut opening, evidence)?;
        let sealed = writer.seal(intent, evidence.clock.now(), part)?;
        let entries = self.entries(opening.as_deref(), std::slice::from_ref(&sealed));
        let appended = evidence.append(durability, &entries)?;
        writer.advance(&sealed);
        let delivered = sealed.delivered.unwrap_or(sealed.commitment);
        Ok(WrittenChunk {
            commitment: sealed.commitment,
            delivered,
            at: sealed.payload.at,
            position: appended.position,
        })
    }

    /// The payload of a frame of this session's recording.
    pub(crate) fn reopen(&self, frame: Vec<u8>, at: Place) -> Option<Vec<u8>> {
        self.lock().ok()?.writer.as_ref()?.reopen(frame, at)
    }

    /// Takes no intent any more, so that every one that was taken gets its outcome before the last event.
    pub(crate) fn begin_close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closing = true;
    }

    /// Appends the last event of the session, which `body` makes of the count of all events. A second call finds
    /// the session closed.
    pub(crate) fn close<'a>(
        &self,
        evidence: &Evidence,
        body: impl FnOnce(u64) -> Body<'a>,
    ) -> Result<Written, EvidenceError> {
        let mut state = self.lock()?;
        if state.intents > 0 {
            return Err(EvidenceError::Dangling(state.intents));
        }
        let seq = state.next;
        let leaf = self.leaf(evidence, seq, self.scope(), body(seq + 1));
        let appended = evidence.append(Durability::Async, &[Entry::Leaf(&leaf)])?;
        state.next += 1;
        state.closed = true;
        Ok(Written { seq, position: appended.position, at: None })
    }

    fn lock(&self) -> Result<MutexGuard<'_, State>, EvidenceError> {
        // A poisoned lock means a panic between two plain assignments; the state is consistent either way.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed { Err(EvidenceError::Closed) } else { Ok(state) }
    }

    /// The recording's writer; when it is new, `opening` gets the frame that opens the recording.
    fn writer<'s>(
        &self,
        slot: &'s mut Option<Writer>,
        opening: &mut Option<Vec<u8>>,
        evidence: &Evidence,
    ) -> Result<&'s mut Writer, KeyError> {
        if slot.is_none() {
            let (writer, frame) = Writer::open(self.session, self.record, &evidence.wrapping)?;
            *slot = Some(writer);
            *opening = Some(frame);
        }
        // Filled just above, so the error cannot arise.
        slot.as_mut().ok_or(KeyError::Random)
    }

    fn entries<'a>(&self, opening: Option<&'a [u8]>, sealed: &'a [Sealed]) -> Vec<Entry<'a>> {
        let session = *self.session.as_bytes();
        let opening = opening.map(|bytes| Entry::Payload { session, segment: 0, offset: 0, bytes });
        let frames = sealed.iter().map(|frame| Entry::Payload {
            session,
            segment: frame.segment,
            offset: frame.offset,
            bytes: &frame.bytes,
        });
        opening.into_iter().chain(frames).collect()
    }

    fn scope(&self) -> (Option<&str>, Option<&str>) {
        (self.who.as_deref(), self.target.as_ref().map(TargetName::as_str))
    }

    fn leaf(&self, evidence: &Evidence, seq: u64, of: (Option<&str>, Option<&str>), body: Body<'_>) -> Vec<u8> {
        self.leaf_at(evidence, (evidence.clock.now(), seq), of, body)
    }

    fn leaf_at(
        &self,
        evidence: &Evidence,
        (time, seq): (Timestamp, u64),
        (who, target): (Option<&str>, Option<&str>),
        body: Body<'_>,
    ) -> Vec<u8> {
        Event { id: EventId::random(), time, gateway: &evidence.gateway, session: self.session, seq, who, target, body }
            .to_leaf()
    }
}

/// The event with its commitments filled in.
fn with_payloads<'a>(body: Body<'a>, payloads: &'a [Payload]) -> Body<'a> {
    match body {
        Body::OperationAdmitted(decided) => Body::OperationAdmitted(Decided { payloads, ..decided }),
        Body::OperationDenied(decided) => Body::OperationDenied(Decided { payloads, ..decided }),
        Body::OperationHeld(decided) => Body::OperationHeld(Decided { payloads, ..decided }),
        Body::OperationOutcome(ended) => Body::OperationOutcome(Ended { payloads, ..ended }),
        Body::ProgramLogged(logged) => Body::ProgramLogged(Logged { payloads, ..logged }),
        other => other,
    }
}

/// What the event says that its writer waits for.
const fn promised(body: &Body<'_>) -> Durability {
    match body {
        Body::OperationAdmitted(decided) | Body::OperationDenied(decided) | Body::OperationHeld(decided) => {
            decided.durability
        }
        Body::OperationOutcome(ended) => ended.durability,
        Body::SessionOpened(opened) => opened.durability,
        _ => Durability::Async,
    }
}

impl Evidence {
    /// Appends in the way that is cheaper for what is then waited for: many who wait share one write.
    fn append(&self, durability: Durability, entries: &[Entry<'_>]) -> Result<Appended, AppendError> {
        match durability {
            Durability::Strict => self.log.append_to_sync(entries),
            Durability::Async => self.log.append(entries),
        }
    }

    /// Waits until `position` is durable, if `durability` promises that.
    pub(crate) async fn settle(&self, durability: Durability, position: Position) -> Result<(), EvidenceError> {
        match durability {
            Durability::Strict => Ok(self.log.durable(position).await?),
            Durability::Async => Ok(()),
        }
    }
}
