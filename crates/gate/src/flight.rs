//! An admitted operation on its way: the task that carries it, the parts of its result, its outcome.
//!
//! Whatever the target sends is masked before it is recorded and before it is released, under the policy in force then;
//! what cannot be masked is withheld, and its outcome says so.
//!
//! The task belongs to the gate. A client that goes away takes only its receiver with it: the exchange goes on and
//! its outcome is recorded. Whatever ends an exchange early (a panic, the end of the gateway's grace) leaves an
//! outcome too, written when [`InFlight`] is dropped; after a crash the next start writes it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use bytes::Bytes;
use tokio_util::task::task_tracker::TaskTrackerToken;
use vidimus_core::event::{Body, Ended, Masking as Found, Status};
use vidimus_core::{Action, ApprovalId, ErrorKind, Members, Operation, Protocol, Record, SessionId, StatementChanges};
use vidimus_credential::Subject;
use vidimus_log::AppendError;

use crate::answers::{self, Answer, AnswerSender, Answers};
use crate::context::SessionContext;
use crate::evidence::{EvidenceError, Written, WrittenChunk};
use crate::guarding;
use crate::masking::{Masked, MaskedTable, OutputSchema, Unmaskable};
use crate::questions::Pen;
use crate::recording::{Part, PayloadName};
use crate::released::Released;
use crate::rows::Rows;
use crate::table::{Sent, Table};
use crate::tasks::{Length, Permit, Serving};
use crate::trail::{Place, StreamPosition, Trail};
use crate::upstream::Wire;

/// Parts of a result that wait for a slow client; past it the target is not read.
const PARTS_WAITING: usize = 4;

/// How often an outcome that found no room is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// An operation that may pass: allowed, and its intent written.
#[must_use = "an admitted operation that is dropped is recorded as cancelled"]
pub struct Admitted {
    wire: Wire,
    /// On the heap: whatever future holds it, moves it and waits with it would have room for it more than once.
    flight: Box<InFlight>,
    answers: Answers,
    length: Length,
    is_rewritten: bool,
    changes: StatementChanges,
}

/// The running operation. Dropped without [`Self::finish`], it records that it was cancelled.
pub struct InFlight {
    session: Arc<SessionContext>,
    /// The caller's token, where it is exchanged for another.
    subject: Option<Arc<Subject>>,
    action: Action,
    method: Option<&'static str>,
    protocol: Protocol,
    /// Where the caller is.
    address: Option<IpAddr>,
    intent: u64,
    /// The approval that it passes by.
    approval: Option<ApprovalId>,
    started: Instant,
    parts: u64,
    part_bytes: u64,
    part_commitments: digest::Context,
    part_deliveries: digest::Context,
    /// What masking found in the parts.
    found: Found,
    /// Texts of the result with characters that people do not see.
    hidden: u64,
    /// The rows of the result that are not kept.
    rows: Rows,
    answers: AnswerSender,
    ended: bool,
    length: Length,
    /// Whether a client can come back for what it has not got.
    is_resumable: bool,
    /// What went out, once something did.
    trail: Option<Arc<Trail>>,
    /// The session closes only after this is dropped, which is after the outcome is written.
    _token: TaskTrackerToken,
    /// One of the operations that may run at once.
    permit: Permit,
}

/// How an exchange ended.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The last message, as it came from the target or is to be delivered.
    pub body: Bytes,
    /// Which members of it are the protocol's own.
    pub members: &'static Members,
    /// What a part of it keeps to, masked or not.
    pub schema: Option<OutputSchema>,
}

impl Outcome {
    /// An end without a message.
    pub const fn silent(status: Status) -> Self {
        Self { status, body: Bytes::new(), members: Members::NONE, schema: None }
    }
}

/// Why a part of a result was not released.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// It could not be recorded.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// It could not be masked.
    #[error(transparent)]
    Unmaskable(#[from] Unmaskable),
}

impl PartError {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Evidence(error) => error.kind(),
            Self::Unmaskable(error) => error.kind(),
        }
    }
}

/// What was measured of an exchange.
#[derive(Debug, Clone, Copy)]
struct Measured {
    microseconds: u64,
    bytes: u64,
}

impl Admitted {
    pub(crate) fn new(
        (session, subject): (Arc<SessionContext>, Option<Arc<Subject>>),
        (token, permit): (TaskTrackerToken, Permit),
        (intent, length, approval): (Written, Length, Option<ApprovalId>),
        operation: Operation,
    ) -> Self {
        let (sender, answers) = answers::channel(PARTS_WAITING);
        let wire = Wire::new(operation.wire, (Arc::clone(&session), subject.clone()), intent.position);
        let flight = Box::new(InFlight {
            session,
            subject,
            action: operation.action,
            method: operation.method,
            protocol: operation.protocol,
            address: operation.address,
            intent: intent.seq,
            approval,
            started: Instant::now(),
            parts: 0,
            part_bytes: 0,
            part_commitments: digest::Context::new(&digest::SHA256),
            part_deliveries: digest::Context::new(&digest::SHA256),
            found: Found::default(),
            hidden: 0,
            rows: Rows::default(),
            answers: sender,
            ended: false,
            length,
            is_resumable: false,
            trail: None,
            _token: token,
            permit,
        });
        Self { wire, flight, answers, length, is_rewritten: false, changes: StatementChanges::default() }
    }

    /// Says whether it is another call than the one that was asked for, and what was done to statements.
    pub(crate) const fn rewritten(mut self, is_rewritten: bool, changes: StatementChanges) -> Self {
        self.is_rewritten = is_rewritten;
        self.changes = changes;
        self
    }

    /// What was done to statements before they were admitted.
    pub const fn changes(&self) -> StatementChanges {
        self.changes
    }

    /// The call that will be sent, where that is another than the one that was asked for: what goes beside it must be made
    /// of this one.
    pub const fn rewritten_to(&self) -> Option<&Bytes> {
        if self.is_rewritten { Some(self.wire.bytes()) } else { None }
    }

    /// Gives each message of the stream a position to go on after. Nothing of it is kept when payloads are not.
    pub fn resumable(mut self) -> Self {
        self.flight.is_resumable = self.flight.session.spec().record == Record::Masked;
        self
    }

    /// Runs `exchange` in a task of the gate: send the wire, read the target's answer, hand parts and outcome to
    /// the flight.
    pub fn run<F, T>(self, exchange: F) -> Answers
    where
        F: FnOnce(Wire, Box<InFlight>) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        let tasks = self.flight.session.tasks().clone();
        tasks.spawn(self.length, exchange(self.wire, self.flight));
        self.answers
    }

    /// What an adapter needs that carries out one operation after the other in the task of a connection. Cut off, it drops the
    /// flight, which records that.
    pub fn serve(self) -> (Wire, Box<InFlight>, Answers, Serving) {
        let serving = self.flight.session.tasks().serving();
        (self.wire, self.flight, self.answers, serving)
    }
}

impl InFlight {
    /// Masks and records one part of the result, then releases it. Waits for a slow client, not for one that is gone.
    pub async fn chunk(&mut self, body: Bytes, members: &'static Members) -> Result<(), PartError> {
        self.look(&body).await;
        let masked = self.masked(&body, members).await?;
        self.part(masked).await
    }

    async fn part(&mut self, Masked { recorded, shown, found }: Masked) -> Result<(), PartError> {
        let written = self.written(&recorded, &shown, &found)?;
        self.session.evidence().settle(self.session.durability(), written.position).await?;
        // A client that is gone does not end the exchange.
        self.release(shown, Some(written.at)).await;
        Ok(())
    }

    /// Records one part.
    fn written(&mut self, recorded: &[u8], passed: &[u8], found: &Found) -> Result<WrittenChunk, EvidenceError> {
        let part = Part { name: PayloadName::Chunk, recorded, passed };
        let intent = (self.intent, self.session.durability());
        let written = self.session.strand().append_chunk(self.session.evidence(), intent, part)?;
        self.parts += 1;
        self.part_bytes += recorded.len() as u64;
        self.part_commitments.update(&written.commitment);
        self.part_deliveries.update(&written.delivered);
        self.found.add(found);
        Ok(written)
    }

    /// The same of a part that is a table.
    pub async fn table(&mut self, table: Arc<dyn Table>) -> Result<(), PartError> {
        let masked = self.masked_table(table).await?;
        self.part(masked).await
    }

    /// Records what the caller sends of its own in the course of the operation: rows of one cell, each masked, none where it
    /// cannot be read; leave to send it, when that is durable.
    pub async fn carry(&mut self, sent: Bytes, rows: Option<Vec<Bytes>>) -> Result<Wire, PartError> {
        let MaskedTable { masked, lines } = self.session.masked_table(Arc::new(Sent(rows))).await?;
        let recorded = self.rows.kept(masked.recorded, &lines, self.session.spec().rows_kept);
        let written = self.written(&recorded, &sent, &masked.found)?;
        Ok(Wire::new(sent, (Arc::clone(&self.session), self.subject.clone()), written.position))
    }

    /// Masks a table, and leaves out of the record what is more than it keeps.
    async fn masked_table(&mut self, table: Arc<dyn Table>) -> Result<Masked, Unmaskable> {
        let masked = self.session.masked_table_for_client(table, self.address).await?;
        let MaskedTable { masked: Masked { recorded, shown, found }, lines } = masked;
        self.look(&recorded).await;
        let recorded = self.rows.kept(recorded, &lines, self.session.spec().rows_kept);
        Ok(Masked { recorded, shown, found })
    }

    /// Counts what a part of the result hides. Nothing of it changes for that.
    async fn look(&mut self, body: &Bytes) {
        self.hidden = self.hidden.saturating_add(guarding::hidden_texts(body).await);
    }

    /// Masks what goes to the client, except what is revealed to it.
    pub(crate) async fn masked(&self, body: &Bytes, members: &'static Members) -> Result<Masked, Unmaskable> {
        self.session.masked_for_client(body, members, self.address).await
    }

    /// Releases a question of the target that was written, when it is as durable as it must be.
    pub(crate) async fn hand_over(&mut self, question: Bytes, written: Written) -> Result<(), EvidenceError> {
        self.session.evidence().settle(self.session.durability(), written.position).await?;
        self.release(question, written.at).await;
        Ok(())
    }

    /// Releases one message of a stream, which is on record.
    async fn release(&mut self, bytes: Bytes, at: Option<Place>) {
        let position = at.and_then(|at| self.follow(at));
        self.permit.spend(bytes.len());
        let _ = self.answers.send(Answer::Chunk(Released { bytes, position })).await;
    }

    /// Enters a message of a stream that can be resumed.
    fn follow(&mut self, at: Place) -> Option<StreamPosition> {
        if !self.is_resumable {
            return None;
        }
        let (session, is_own) = (&self.session, matches!(self.length, Length::Stream { .. }));
        self.trail.get_or_insert_with(|| session.trails().begin(self.intent, is_own)).enter(at)
    }

    /// Where its session records.
    pub(crate) fn context(&self) -> &SessionContext {
        &self.session
    }

    /// The caller's token, where it is exchanged for another.
    pub(crate) const fn subject(&self) -> Option<&Arc<Subject>> {
        self.subject.as_ref()
    }

    pub(crate) const fn answers(&self) -> &AnswerSender {
        &self.answers
    }

    /// The `seq` of its `operation.admitted`.
    pub(crate) const fn intent(&self) -> u64 {
        self.intent
    }

    /// The session it belongs to.
    pub(crate) fn session(&self) -> SessionId {
        self.session.id()
    }

    /// Where the caller is that it is run for.
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Leave to ask the target for the rest of its answer to what was sent. It carries no bytes.
    pub fn rest(&self) -> Wire {
        Wire::settled(Bytes::new(), (Arc::clone(&self.session), self.subject.clone()))
    }

    /// Passes on what another session of the same caller has recorded and released. It cannot be gone on after: the
    /// position was one of that session.
    pub async fn pass(&self, released: Released) {
        self.permit.spend(released.len());
        let _ = self.answers.send(Answer::Chunk(Released::new(released.bytes))).await;
    }

    /// Says that the target has begun a stream, before anything has come on it.
    pub async fn opened(&self) {
        let _ = self.answers.send(Answer::Opened).await;
    }

    /// Resolves when nobody waits for the result any more. To be dropped before [`Self::finish`].
    pub fn abandonment(&self) -> impl Future<Output = ()> + Send + use<> {
        let answers = self.answers.clone();
        async move { answers.closed().await }
    }

    /// Masks the last message, records the outcome, then releases it. When there is no room for the record, the result is
    /// withheld and the record is tried again until there is. What cannot be masked is withheld too; the client gets what
    /// `refused` makes of the reason.
    pub async fn finish(mut self: Box<Self>, outcome: Outcome, refused: impl FnOnce(&str) -> Bytes + Send) {
        let Outcome { status, body, members, schema } = outcome;
        self.look(&body).await;
        let masked = self.masked(&body, members).await;
        let masked = masked.and_then(|masked| masked.fitted(&body, schema.as_ref()));
        self.end(status, masked, refused).await;
    }

    /// The same where what came last is a table.
    pub async fn finish_table(
        mut self: Box<Self>,
        (status, table): (Status, Arc<dyn Table>),
        refused: impl FnOnce(&str) -> Bytes + Send,
    ) {
        let masked = self.masked_table(table).await.map(|masked| self.rows.told(masked));
        self.end(status, masked, refused).await;
    }

    async fn end(
        mut self: Box<Self>,
        mut status: Status,
        masked: Result<Masked, Unmaskable>,
        refused: impl FnOnce(&str) -> Bytes + Send,
    ) {
        let masked = masked.unwrap_or_else(|error| {
            tracing::error!(%error, session = %self.session.id(), "a result is withheld");
            status = Status::Withheld;
            let told = refused(error.public_message());
            Masked { recorded: told.clone(), shown: told, found: Found::default() }
        });
        let mut recorded = self.record(status, Some(&masked));
        if let Err(EvidenceError::Append(AppendError::Full { .. })) = recorded {
            self.permit.release();
            let _ = self.answers.send(Answer::Unrecorded).await;
            while let Err(EvidenceError::Append(AppendError::Full { .. })) = recorded {
                tokio::time::sleep(RETRY_INTERVAL).await;
                recorded = self.record(status, Some(&masked));
            }
            return;
        }
        let settled = match recorded {
            Ok(written) => {
                let settled = self.session.evidence().settle(self.session.durability(), written.position).await;
                settled.map(|()| written.at)
            }
            Err(error) => Err(error),
        };
        let answer = match settled {
            Ok(at) => {
                self.permit.spend(masked.shown.len());
                // A result that is no part of a stream needs no position.
                let position = at.filter(|_| self.trail.is_some() && !masked.shown.is_empty());
                let position = position.and_then(|at| self.follow(at));
                Answer::Last { status, released: Released { bytes: masked.shown, position } }
            }
            Err(error) => self.unrecorded(&error),
        };
        self.permit.release();
        let _ = self.answers.send(answer).await;
    }

    fn record(&mut self, status: Status, last: Option<&Masked>) -> Result<Written, EvidenceError> {
        let strand = self.session.strand();
        let pen = Pen { strand, evidence: self.session.evidence(), durability: self.session.durability() };
        self.session.questions().give_up(self.intent, pen);
        let measured = Measured {
            microseconds: u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            bytes: self.part_bytes + last.map_or(0, |last| last.recorded.len() as u64),
        };
        let mut payloads: Vec<Part<'_>> = Vec::with_capacity(2);
        let (parts, deliveries) = (self.part_commitments.clone().finish(), self.part_deliveries.clone().finish());
        if self.parts > 0 {
            payloads.push(Part { name: PayloadName::Chunks, recorded: parts.as_ref(), passed: deliveries.as_ref() });
        }
        let mut found = self.found.clone();
        if let Some(last) = last.filter(|last| !last.recorded.is_empty()) {
            payloads.push(Part { name: PayloadName::Response, recorded: &last.recorded, passed: &last.shown });
            found.add(&last.found);
        }
        let written = self.session.strand().append_with(
            self.session.evidence(),
            &payloads,
            Body::OperationOutcome(Ended {
                action: &self.action,
                method: self.method,
                protocol: self.protocol,
                intent: self.intent,
                approval: self.approval,
                status,
                microseconds: Some(measured.microseconds),
                bytes: measured.bytes,
                hidden: self.hidden,
                durability: self.session.durability(),
                masking: &found,
                payloads: &[],
            }),
        );
        self.ended = written.is_ok();
        if self.ended {
            // From here on everybody knows what came of it.
            if let Some(approval) = self.approval {
                self.session.shared().holds.table().remove(approval);
            }
            self.session.metrics().ended(self.session.target(), status, measured.microseconds);
            if self.hidden > 0 {
                self.session.metrics().hid(self.session.target());
            }
        }
        written
    }

    fn unrecorded(&self, error: &EvidenceError) -> Answer {
        tracing::error!(%error, session = %self.session.id(), "an outcome cannot be recorded; its result is withheld");
        Answer::Unrecorded
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(trail) = &self.trail {
            trail.end();
        }
        if !self.ended
            && let Err(error) = self.record(Status::Cancelled, None)
        {
            tracing::error!(%error, session = %self.session.id(), "a cancelled operation cannot be recorded");
        }
    }
}
