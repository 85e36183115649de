//! What a server answers: told apart by what it answers, masked and recorded by the gate, and passed on.

use vidimus_gate::{Signal, Verdict};

use super::result::Columns;
use super::rewriting::NO_TRANSACTION;
use super::running::{BATCH_BYTES, Running, Slot};
use super::{End, Proxy, Reading, statements};
use crate::backend::{BackendMessage, TransactionStatus};
use crate::frame::Frame;
use crate::frontend::Named;
use crate::names::Described;
use crate::order::{Answer, Origin, Request, RequestKind};
use crate::read::Format;
use crate::say;

impl Proxy {
    /// A message of the server.
    pub(super) async fn answered(&mut self, message: BackendMessage, frame: Frame) -> Result<(), End> {
        let answer = self.order.receives(&message).map_err(|error| self.broken_by(error))?;
        self.names.answered(&message, &answer);
        match answer {
            Answer::Unasked => self.unasked(message, frame).await,
            Answer::End => {
                if let Some(Slot::Running(running)) = self.slots.front_mut() {
                    running.hear(message, frame).map_err(End::Protocol)?;
                    running.has_failed = true;
                    running.is_complete = true;
                    self.finish_complete(None).await?;
                }
                Err(End::Target)
            }
            Answer::To { request, is_last, skipped } => self.answer(request, is_last, &skipped, message, frame).await,
        }
    }

    /// What a server says without having been asked.
    async fn unasked(&mut self, message: BackendMessage, frame: Frame) -> Result<(), End> {
        if let BackendMessage::ParameterStatus(status) = &message
            && !status.keeps_meaning()
        {
            tracing::warn!(session = %self.session.id(), "a setting was changed under which statements would be misread");
            return Err(End::Over("unsafe_setting"));
        }
        // That it is no transaction block, in which what the gateway runs before a statement holds: it is for that one alone.
        let is_own = self.order.current().is_some_and(|request| request.origin == Origin::Gateway);
        if is_own && matches!(&message, BackendMessage::NoticeResponse(notice) if notice.code() == NO_TRANSACTION) {
            return Ok(());
        }
        if let Some(Slot::Running(running)) = self.slots.front_mut() {
            running.hear(message, frame).map_err(End::Protocol)?;
            return Ok(());
        }
        // Between operations: it becomes one of its own, which asks the server for nothing.
        if matches!(message, BackendMessage::ParameterStatus(_)) {
            return Ok(());
        }
        let Verdict::Admitted(admitted) = self.session.submit(statements::remark(self.address)).await else {
            return Ok(());
        };
        // It is never sent, so it has no number of its own.
        let Some((mut running, _)) = Running::take(admitted, None, None) else { return Ok(()) };
        running.batch.push(message, frame);
        let released = running.finish().await?;
        self.pass_on(&released, None).await
    }

    /// A message of the server that answers a request.
    async fn answer(
        &mut self,
        request: Request,
        is_last: bool,
        skipped: &[Request],
        message: BackendMessage,
        frame: Frame,
    ) -> Result<(), End> {
        if let BackendMessage::ReadyForQuery(status) = &message {
            let ready = say::ready(*status);
            if self.read_after.take_if(|id| *id <= request.id).is_some() {
                self.reading = Reading::Free;
            }
            if let Some(tracing) = &mut self.tracing {
                tracing.ready(request.id);
            }
            self.changed(request.id, *status);
            // What was sent after it may be in another transaction.
            if *status == TransactionStatus::Idle && self.rewritten < Some(request.id) {
                self.rewritten = None;
            }
            if let Some(Slot::Running(running)) = self.slots.front_mut()
                && running.last == Some(request.id)
            {
                running.is_complete = true;
            }
            if let Some(Slot::Refused { last, .. }) = self.slots.front()
                && *last == request.id
            {
                self.slots.pop_front();
            }
            return self.finish_complete(Some(&ready)).await;
        }
        while self.slots.front().is_some_and(|slot| slot.last() < Some(request.id)) {
            self.finish_front(None).await?;
        }
        self.note_description(request, &message, is_last);
        let has_failed = matches!(message, BackendMessage::ErrorResponse(_));
        if request.origin == Origin::Gateway && !has_failed {
            return Ok(());
        }
        match self.slots.front_mut() {
            None => return Err(End::Target),
            Some(Slot::Refused { told, .. }) => {
                let told = told.take().filter(|_| has_failed);
                if let Some(told) = told {
                    self.pass_on(&told, None).await?;
                }
                if has_failed && request.kind != RequestKind::Query && request.kind != RequestKind::FunctionCall {
                    self.slots.pop_front();
                }
            }
            Some(Slot::Running(running)) => {
                // Rows are masked by the columns that were told before them.
                let starts = matches!(message, BackendMessage::RowDescription(_) | BackendMessage::DataRow(_))
                    && !(running.is_described && matches!(message, BackendMessage::DataRow(_)));
                if starts && running.batch.has_rows() {
                    self.pass_on_front().await?;
                }
                self.add(request, message, frame)?;
                if let Some(Slot::Running(running)) = self.slots.front_mut() {
                    running.has_failed |= has_failed;
                    if has_failed && request.kind != RequestKind::Query {
                        // The rest of it is dropped.
                        running.last = Some(request.id);
                    }
                    running.is_complete =
                        has_failed && request.kind != RequestKind::Query || is_last && running.last == Some(request.id);
                    if running.batch.bytes() >= BATCH_BYTES {
                        self.pass_on_front().await?;
                    }
                }
            }
        }
        // What the server has dropped was never done.
        if let Some(last) = skipped.last() {
            self.slots.retain(|slot| slot.last() <= Some(request.id) || slot.last() > Some(last.id));
        }
        Ok(())
    }

    /// Adds a message to the answer that is being given.
    fn add(&mut self, request: Request, message: BackendMessage, frame: Frame) -> Result<(), End> {
        let Some(Slot::Running(running)) = self.slots.front_mut() else { return Ok(()) };
        match &message {
            // What is told of another portal or statement says nothing of the rows that follow.
            BackendMessage::RowDescription(description) if request.kind == RequestKind::Query => {
                let columns = Columns::of(description).guarded(Some(description), running.guarded.as_ref());
                running.batch.describe(columns);
                running.is_described = true;
            }
            BackendMessage::CopyOutResponse(copy) if copy.format == Format::Binary => {
                tracing::warn!(session = %self.session.id(), "binary COPY cannot be masked, so it is withheld");
                return Err(End::Withheld);
            }
            BackendMessage::CopyOutResponse(_)
                if running.guarded.as_ref().is_some_and(|guarded| !guarded.may_show_all()) =>
            {
                tracing::warn!(session = %self.session.id(), "lines of COPY may hold protected columns, so they are withheld");
                return Err(End::Withheld);
            }
            BackendMessage::CopyInResponse(copy) => running.copy_format = copy.format,
            BackendMessage::CopyBothResponse(_) => return Err(End::Target),
            BackendMessage::DataRow(row) if !running.is_described || running.batch.columns().len() != row.len() => {
                let run = running.portal.as_ref().filter(|run| !run.is_of_cursor);
                let portal = run.and_then(|run| self.names.answering_portal(&run.name));
                let described = portal.and_then(|portal| portal.columns().flatten());
                let described = described.filter(|described| described.columns.len() == row.len());
                let formats = running.portal.as_ref().map(|run| run.formats.as_slice()).unwrap_or_default();
                let unknown = || Columns::unknown(row.len(), formats);
                let columns = described.as_ref().map_or_else(unknown, Columns::of);
                let columns = columns.guarded(described.as_ref(), running.guarded.as_ref());
                running.batch.describe(columns);
                running.is_described = true;
            }
            _ => {}
        }
        running.hear(message, frame).map_err(End::Protocol)?;
        Ok(())
    }

    /// Keeps what the server says of statements and portals.
    fn note_description(&mut self, request: Request, message: &BackendMessage, is_last: bool) {
        while self.described.front().is_some_and(|(id, ..)| *id < request.id) {
            self.described.pop_front();
        }
        let Some((_, named, types)) = self.described.front_mut().filter(|(id, ..)| *id == request.id) else { return };
        let columns = match message {
            BackendMessage::ParameterDescription(described) => {
                *types = Some(described.clone());
                return;
            }
            BackendMessage::RowDescription(description) => Some(description.clone()),
            BackendMessage::NoData => None,
            _ => return,
        };
        match named {
            Named::Statement(name) => {
                let parameter_types = types.take().unwrap_or_default();
                self.names.statement_described(name, Described { parameter_types, columns });
            }
            Named::Portal(name) => self.names.portal_described(name, columns),
        }
        if is_last {
            self.described.pop_front();
        }
    }

    /// Passes on what must not wait: the server has nothing more to say for now.
    pub(super) async fn pass_on_parts(&mut self) -> Result<(), End> {
        let Some(Slot::Running(running)) = self.slots.front() else { return Ok(()) };
        let waits_for_sync = self.order.current().is_some_and(|next| next.kind == RequestKind::Sync);
        if running.is_complete && !waits_for_sync {
            return self.finish_front(None).await;
        }
        if self.order.is_copy_in() { self.pass_on_front().await } else { Ok(()) }
    }

    /// Passes on what has come of the answer that is being given.
    pub(super) async fn pass_on_front(&mut self) -> Result<(), End> {
        let Some(Slot::Running(running)) = self.slots.front_mut() else { return Ok(()) };
        match running.part().await? {
            Some(released) => self.pass_on(&released, None).await,
            None => Ok(()),
        }
    }

    /// Ends what is complete, and says this after it.
    async fn finish_complete(&mut self, after: Option<&Signal>) -> Result<(), End> {
        loop {
            let is_complete = |slot: &Slot| matches!(slot, Slot::Running(running) if running.is_complete);
            if !self.slots.front().is_some_and(is_complete) {
                break;
            }
            let is_last = !self.slots.get(1).is_some_and(is_complete);
            self.finish_front(after.filter(|_| is_last)).await?;
            if is_last {
                return Ok(());
            }
        }
        match after {
            Some(signal) => self.say(signal).await,
            None => Ok(()),
        }
    }

    pub(super) async fn finish_front(&mut self, after: Option<&Signal>) -> Result<(), End> {
        match self.slots.pop_front() {
            Some(Slot::Running(running)) => {
                let released = running.finish().await?;
                self.pass_on(&released, after).await
            }
            Some(Slot::Refused { .. }) | None => Ok(()),
        }
    }
}
