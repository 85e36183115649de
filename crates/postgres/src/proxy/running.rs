//! Operations in flight on one connection, in the order in which the server answers them.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use vidimus_core::Members;
use vidimus_core::event::Status;
use vidimus_gate::{Admitted, Answer, Answers, InFlight, Outcome, Released, Serving, Wire};

use super::result::Batch;
use super::rewriting::Altered;
use super::tracer::Guarded;
use crate::backend::BackendMessage;
use crate::error::ProtocolError;
use crate::frame::Frame;
use crate::order::RequestId;
use crate::read::{Format, Text};
use crate::tell;

/// How much of a result goes on at a time.
pub(crate) const BATCH_BYTES: usize = 128 << 10;

/// SQLSTATE `insufficient_privilege`.
pub(crate) const DENIED: &str = "42501";

/// What was asked of the server, and becomes of its answer.
pub(crate) enum Slot {
    /// An operation that the server carries out.
    Running(Box<Running>),
    /// One that was refused: the client is told so where the answer would have been.
    Refused { last: RequestId, told: Option<Released> },
}

/// An operation that the server carries out.
pub(crate) struct Running {
    /// The last request of it; none where the server was asked nothing.
    pub(crate) last: Option<RequestId>,
    /// The portal that is run, where it is one.
    pub(crate) portal: Option<Run>,
    /// What of its answer may be shown; all, where nothing is protected by column.
    pub(crate) guarded: Option<Guarded>,
    /// What of its answer is otherwise than its client asked for, where it was rewritten.
    pub(crate) altered: Option<Box<Altered>>,
    /// Whether the columns of its rows are known.
    pub(crate) is_described: bool,
    flight: Option<Box<InFlight>>,
    answers: Answers,
    cut: Cut,
    pub(crate) batch: Batch,
    /// What the client sends by COPY, and has not ended a line of.
    pub(crate) copied: BytesMut,
    /// The form of that.
    pub(crate) copy_format: Format,
    pub(crate) is_complete: bool,
    pub(crate) has_failed: bool,
}

/// What tells when the gate cuts an operation off, once.
struct Cut {
    serving: Serving,
    was_told: bool,
}

/// A portal that is run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) name: Text,
    /// The formats that its values were asked for in.
    pub(crate) formats: Vec<Format>,
    /// Whether what was told of its columns may be of another cursor: `FETCH`.
    pub(crate) is_of_cursor: bool,
    /// The first request of what is sent with it.
    pub(crate) first: RequestId,
}

/// The gate has withheld something, or the client cannot be told what happened: the connection ends.
#[derive(Debug)]
pub(crate) struct Withheld;

/// Resolves once when the gate has cut off what the server is carrying out. Cancel safe.
pub(crate) async fn cut_off(slots: &mut VecDeque<Slot>) {
    match slots.front_mut() {
        Some(Slot::Running(running)) if !running.cut.was_told => {
            running.cut.serving.cut_off().await;
            running.cut.was_told = true;
        }
        _ => std::future::pending().await,
    }
}

impl Slot {
    pub(crate) const fn last(&self) -> Option<RequestId> {
        match self {
            Self::Running(running) => running.last,
            Self::Refused { last, .. } => Some(*last),
        }
    }
}

impl Running {
    /// Takes an admitted operation, and the wire that is to be sent; none where it is cut off already.
    pub(crate) fn take(admitted: Admitted, last: Option<RequestId>, portal: Option<Run>) -> Option<(Self, Wire)> {
        let (wire, flight, answers, serving) = admitted.serve();
        if serving.is_cut_off() {
            return None;
        }
        let own = Self {
            last,
            portal,
            guarded: None,
            altered: None,
            is_described: false,
            flight: Some(flight),
            answers,
            cut: Cut { serving, was_told: false },
            batch: Batch::default(),
            copied: BytesMut::new(),
            copy_format: Format::Text,
            is_complete: false,
            has_failed: false,
        };
        Some((own, wire))
    }

    /// Takes a message of its answer, as far as the client may know of it.
    pub(crate) fn hear(&mut self, message: BackendMessage, frame: Frame) -> Result<(), ProtocolError> {
        let heard = match &mut self.altered {
            None => Some((message, frame)),
            Some(altered) => altered.heard(message, frame)?,
        };
        let Some((message, frame)) = heard else { return Ok(()) };
        let is_end = matches!(message, BackendMessage::CommandComplete(_) | BackendMessage::EmptyQueryResponse);
        match &mut self.guarded {
            None => self.batch.push(message, frame),
            Some(guarded) => {
                let (message, frame) = guarded.told(message, frame)?;
                self.batch.push(message, frame);
                if is_end {
                    guarded.next_statement();
                }
            }
        }
        Ok(())
    }

    /// What may go to the client of what has come so far.
    pub(crate) async fn part(&mut self) -> Result<Option<Released>, Withheld> {
        if self.batch.is_empty() {
            return Ok(None);
        }
        let table = Arc::new(self.batch.take());
        let Some(flight) = &mut self.flight else { return Err(Withheld) };
        if let Err(error) = flight.table(table).await {
            tracing::error!(%error, "a part of a result is withheld");
            return Err(Withheld);
        }
        match self.answers.next().await {
            Some(Answer::Chunk(released)) => Ok(Some(released)),
            _ => Err(Withheld),
        }
    }

    /// What may go to the client of the rest.
    pub(crate) async fn finish(mut self) -> Result<Released, Withheld> {
        let Some(flight) = self.flight.take() else { return Err(Withheld) };
        let status = if self.has_failed { Status::Error } else { Status::Ok };
        let table = Arc::new(self.batch.take());
        flight.finish_table((status, table), withheld).await;
        match self.answers.next().await {
            Some(Answer::Last { released, .. }) => Ok(released),
            _ => Err(Withheld),
        }
    }

    /// Records how an operation of the gateway's own has ended.
    pub(crate) async fn told(mut self, status: Status, body: Bytes) {
        if let Some(flight) = self.flight.take() {
            let outcome = Outcome { status, body, members: Members::NONE, schema: None };
            flight.finish(outcome, |_| Bytes::new()).await;
        }
    }

    /// Records that the server did not answer.
    pub(crate) async fn broken(mut self) {
        if let Some(flight) = self.flight.take() {
            flight.finish(Outcome::silent(Status::Upstream), |_| Bytes::new()).await;
        }
    }

    /// The record of what the client sends of its own in the course of it, and leave to send it.
    pub(crate) async fn carry(&mut self, sent: Bytes, rows: Option<Vec<Bytes>>) -> Result<Wire, Withheld> {
        let Some(flight) = &mut self.flight else { return Err(Withheld) };
        flight.carry(sent, rows).await.map_err(|error| {
            tracing::error!(%error, "what a client sends cannot be recorded, so it is not sent");
            Withheld
        })
    }
}

fn withheld(message: &str) -> Bytes {
    tell::error("58000", message, None)
}
