//! What a client asks: read as operations, decided on, and sent or refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use vidimus_core::{Action, ErrorKind, SqlKind, StatementChanges};
use vidimus_gate::{Admitted, Denied, Held, Rejection, Verdict};

use super::rewriting::{OWN, Restating, Way};
use super::running::{DENIED, Run, Running, Slot};
use super::statements::{Asked, Known};
use super::tracer::{ENDS_BATCH, Guarded};
use super::{End, Gathered, Lines, Proxy, Reading, TICK};
use crate::error::{FEATURE_NOT_SUPPORTED, PROTOCOL_VIOLATION};
use crate::frame::Frame;
use crate::frontend::{FrontendMessage, Named};
use crate::names::{Lookup, NameError, Portal};
use crate::order::{Origin, Request, RequestKind, Sent};
use crate::read::{Format, Text};
use crate::{say, tell};

/// How often a client that waits for people is told that it still does.
const STILL_WAITING: Duration = Duration::from_secs(20);
/// How much is read of a client that waits for people.
const MOST_READ_AHEAD: usize = 1 << 20;

/// The longest line of COPY data that is kept together.
const LONGEST_LINE: usize = 1 << 20;

impl Proxy {
    /// A message of the client.
    pub(super) async fn said(
        &mut self,
        message: FrontendMessage,
        frame: &Frame,
        lines: &mut Lines<'_>,
    ) -> Result<(), End> {
        // A batch ends with these, where the server reads them; whatever else is asked for begins one, or goes on with it.
        let is_end =
            matches!(message, FrontendMessage::Sync | FrontendMessage::Query(_) | FrontendMessage::FunctionCall(_));
        let is_data =
            matches!(message, FrontendMessage::CopyData(_) | FrontendMessage::CopyDone | FrontendMessage::CopyFail(_));
        self.heard.is_batch_open |= !is_end && !is_data;
        // What the server drops is about nothing.
        let mut checked = if self.order.is_failed() { Ok(()) } else { self.names.check(&message) };
        while matches!(checked, Err(NameError::Unsettled(_))) {
            self.hear_more(lines.target).await?;
            checked = self.names.check(&message);
        }
        match self.order.sends(&message, Origin::Client).map_err(End::Protocol)? {
            Sent::Dropped => Ok(()),
            Sent::Passed => self.passed(message, lines).await,
            Sent::Request(request) => {
                self.heard.is_batch_open &= !is_end;
                self.heard.unsent += 1;
                // A cursor of SQL is described as a portal, which runs nothing.
                let is_cursor = matches!(message, FrontendMessage::Describe(Named::Portal(_)));
                let is_let = |error: &NameError| is_cursor && matches!(error, NameError::Unknown(_));
                if let Err(error) = checked.or_else(|error| if is_let(&error) { Ok(()) } else { Err(error) }) {
                    let denied = self.reject("name", error.to_string(), frame).await;
                    return self.refuse(request, &denied, error.sqlstate()).await;
                }
                self.names.sent(request, &message);
                self.requested(request, message, frame, lines).await
            }
        }
    }

    /// A request of the client.
    async fn requested(
        &mut self,
        request: Request,
        message: FrontendMessage,
        frame: &Frame,
        lines: &mut Lines<'_>,
    ) -> Result<(), End> {
        match message {
            FrontendMessage::Sync => {
                self.prepare(lines).await?;
                if self.reading == Reading::Guarded {
                    self.reading = Reading::Waiting;
                }
                self.heard.unsent = 0;
                self.heard.is_batch_sent = false;
                Ok(self.target.say(&say::sync()).await?)
            }
            FrontendMessage::Query(_) | FrontendMessage::Parse(_) if self.reading != Reading::Free => {
                let message = "a statement that runs code ends its batch: send Sync after it".to_owned();
                let denied = self.reject("after_code", message, frame).await;
                self.refuse(request, &denied, FEATURE_NOT_SUPPORTED).await
            }
            // The server may plan it anew, by what names stand for here and, if that is undone, nowhere else.
            FrontendMessage::Bind(_) | FrontendMessage::Describe(_) if self.is_between_names() => {
                self.protect(request, ENDS_BATCH.to_owned(), frame).await
            }
            FrontendMessage::Query(text) => {
                self.prepare(lines).await?;
                let known = self.statements.known(&text);
                if let Some(denied) = self.misread(&known, frame).await {
                    return self.refuse(request, &denied, FEATURE_NOT_SUPPORTED).await;
                }
                let guarded = match self.traced(request.id, &known, &[]) {
                    Ok(guarded) => guarded,
                    Err(reason) => return self.protect(request, reason, frame).await,
                };
                self.forget(&known, guarded.as_ref());
                // What follows is read when it is certain that it means what it says.
                if self.may_change_settings(&known) || guarded.as_ref().is_some_and(Guarded::changes_names) {
                    (self.reading, self.read_after) = (Reading::Waiting, Some(request.id));
                }
                if let Some(denied) = self.reach(&known, frame).await {
                    return self.refuse(request, &denied, FEATURE_NOT_SUPPORTED).await;
                }
                let inferred = guarded.as_ref().map(Guarded::inferred).unwrap_or_default();
                let statements = [known];
                let restating = Restating {
                    asked: Asked::new(&statements, &[], inferred),
                    way: Way::Query,
                    wire: frame.bytes().clone(),
                    address: self.address,
                    serial: 0,
                };
                self.submit((request, None, guarded), &restating, lines).await
            }
            FrontendMessage::Execute(execute) => {
                let Lookup::Known(portal) = self.names.portal(&execute.portal) else {
                    let denied = self.reject("name", "there is no portal of this name".to_owned(), frame).await;
                    return self.refuse(request, &denied, "34000").await;
                };
                let known = self.statements.known(&portal.statement.text);
                if let Some(denied) = self.misread(&known, frame).await {
                    return self.refuse(request, &denied, FEATURE_NOT_SUPPORTED).await;
                }
                let guarded = match self.traced(request.id, &known, &self.gathered.statements.clone()) {
                    Ok(guarded) => guarded,
                    Err(reason) => return self.protect(request, reason, frame).await,
                };
                if let Some(denied) = self.reach(&known, frame).await {
                    return self.refuse(request, &denied, FEATURE_NOT_SUPPORTED).await;
                }
                let Gathered { mut wire, first, mut statements, mut portals, .. } = std::mem::take(&mut self.gathered);
                self.forget(&known, guarded.as_ref());
                if self.may_change_settings(&known) || guarded.as_ref().is_some_and(Guarded::changes_names) {
                    (self.reading, self.read_after) = (Reading::Guarded, Some(request.id));
                }
                let run = Run {
                    name: execute.portal.detached(),
                    formats: portal.bind.result_formats.clone(),
                    is_of_cursor: known.moves_cursors(),
                    first: first.unwrap_or(request.id),
                };
                let (given, bytes) = (portal.given, frame.bytes().len());
                statements.insert(0, known);
                portals.retain(|bound| bound.bind.portal != portal.bind.portal);
                portals.insert(0, portal);
                wire.extend_from_slice(frame.bytes());
                let inferred = guarded.as_ref().map(Guarded::inferred).unwrap_or_default();
                let restating = Restating {
                    asked: Asked::new(&statements, &portals, inferred),
                    way: Way::Execute { execute, bytes, given },
                    wire: wire.freeze(),
                    address: self.address,
                    serial: self.serial,
                };
                self.submit((request, Some(run), guarded), &restating, lines).await
            }
            FrontendMessage::FunctionCall(_) => {
                self.prepare(lines).await?;
                let message = "calls of functions by number are not supported; use SELECT".to_owned();
                let denied = self.reject("function_call", message, frame).await;
                self.refuse(request, &denied, FEATURE_NOT_SUPPORTED).await
            }
            message => {
                if let (FrontendMessage::Parse(parse), Some(tracing)) = (&message, &mut self.tracing) {
                    tracing.prepared_as(parse.name.as_str(), parse.text.as_str());
                }
                if let Some(text) = self.text_of(&message) {
                    let known = self.statements.known(&text);
                    self.gathered.statements.push(known);
                }
                if let FrontendMessage::Bind(bind) = &message
                    && let Lookup::Known(portal) = self.names.portal(&bind.portal)
                {
                    self.bound(&portal);
                    self.gathered.portals.push(portal);
                }
                if let FrontendMessage::Describe(named) = message {
                    self.described.push_back((request.id, named, None));
                }
                self.gathered.wire.extend_from_slice(frame.bytes());
                self.gathered.first.get_or_insert(request.id);
                self.gathered.last = Some(request.id);
                Ok(())
            }
        }
    }

    /// Keeps in mind what a portal may do that SQL can move by its name.
    fn bound(&mut self, portal: &Portal) {
        if portal.bind.portal.is_empty() {
            return;
        }
        self.heard.has_code_cursor |= self.statements.known(&portal.statement.text).may_change_settings();
        if let Some(tracing) = &mut self.tracing {
            tracing.bound_as(&self.session, portal);
        }
    }

    /// Whether a statement may change settings in a way that its text does not tell: by itself, or since it moves a cursor whose
    /// query may.
    fn may_change_settings(&mut self, known: &Known) -> bool {
        self.heard.has_code_cursor |= known.moves_cursors() && known.may_change_settings();
        known.may_change_settings() || known.moves_cursors() && self.heard.has_code_cursor
    }

    /// Forgets what names stand for that a statement may give to something else.
    fn forget(&mut self, known: &Known, guarded: Option<&Guarded>) {
        if known.renames_statements() {
            self.names.forget_statements();
        }
        if known.moves_cursors() || guarded.is_some_and(Guarded::changes_names) {
            self.names.forget_portals();
        }
    }

    /// Refuses what would get round the rules of columns.
    async fn protect(&mut self, request: Request, reason: String, frame: &Frame) -> Result<(), End> {
        let denied = self.reject("protected_columns", reason, frame).await;
        self.refuse(request, &denied, DENIED).await
    }

    /// The statement that a message is about.
    fn text_of(&self, message: &FrontendMessage) -> Option<Text> {
        let of_statement = |name: &Text| match self.names.statement(name) {
            Lookup::Known(statement) => Some(statement.text.clone()),
            Lookup::Unknown | Lookup::Unsettled => None,
        };
        match message {
            FrontendMessage::Parse(parse) => Some(parse.text.detached()),
            FrontendMessage::Bind(bind) => of_statement(&bind.statement),
            FrontendMessage::Describe(Named::Statement(name)) => of_statement(name),
            FrontendMessage::Describe(Named::Portal(name)) => match self.names.portal(name) {
                Lookup::Known(portal) => Some(portal.statement.text.clone()),
                Lookup::Unknown | Lookup::Unsettled => None,
            },
            _ => None,
        }
    }

    /// A message of the client that is no request.
    async fn passed(&mut self, message: FrontendMessage, lines: &mut Lines<'_>) -> Result<(), End> {
        match message {
            FrontendMessage::Terminate => Err(End::Client),
            FrontendMessage::CopyDone => {
                self.copy(BytesMut::new(), true).await?;
                Ok(self.target.say(&say::copy_done()).await?)
            }
            FrontendMessage::CopyFail(_) => Ok(self.target.say(&say::copy_fail()).await?),
            FrontendMessage::CopyData(data) => self.copy(data.into(), false).await,
            // Flush
            _ => {
                self.prepare(lines).await?;
                Ok(self.target.say(&say::flush()).await?)
            }
        }
    }

    /// Records COPY data of the client and sends it: lines whole, so that no value goes by in two halves.
    async fn copy(&mut self, data: BytesMut, is_last: bool) -> Result<(), End> {
        let Some(Slot::Running(running)) = self.slots.front_mut() else { return Ok(()) };
        running.copied.unsplit(data);
        let end = match memchr::memrchr(b'\n', &running.copied) {
            _ if is_last || running.copy_format == Format::Binary || running.copied.len() > LONGEST_LINE => {
                running.copied.len()
            }
            Some(end) => end + 1,
            None => 0,
        };
        if end == 0 {
            return Ok(());
        }
        let data = running.copied.split_to(end).freeze();
        let lines = || data.split_inclusive(|byte| *byte == b'\n').map(|line| data.slice_ref(line)).collect();
        let rows = (running.copy_format == Format::Text).then(lines);
        let mut message = BytesMut::new();
        FrontendMessage::CopyData(data).encode(&mut message).map_err(End::Protocol)?;
        let wire = running.carry(message.freeze(), rows).await?;
        Ok(self.target.send(wire).await?)
    }

    /// Sends what was gathered and is not run.
    pub(super) async fn prepare(&mut self, lines: &mut Lines<'_>) -> Result<(), End> {
        let Gathered { wire, first, last, statements, portals } = std::mem::take(&mut self.gathered);
        let (Some(first), Some(id)) = (first, last) else { return Ok(()) };
        let request = Request { id, kind: RequestKind::Parse, origin: Origin::Client };
        let guarded = self.traced_unrun(&statements);
        let restating = Restating {
            asked: Asked::new(&statements, &portals, BTreeSet::new()),
            way: Way::Prepare { first },
            wire: wire.freeze(),
            address: self.address,
            serial: self.serial,
        };
        self.submit((request, None, guarded), &restating, lines).await
    }

    /// Refuses what changes a setting without which what follows would be misread.
    async fn misread(&self, known: &Known, frame: &Frame) -> Option<Denied> {
        let setting = known.misreads()?;
        let message =
            format!("this would change {setting}, and the gateway could not read what follows: it stays as it is");
        Some(self.reject("unsafe_setting", message, frame).await)
    }

    /// Refuses what may run a portal by its name, where that was rewritten.
    async fn reach(&self, known: &Known, frame: &Frame) -> Option<Denied> {
        // `EXECUTE`, and functions, reach cursors, too.
        if !(known.moves_cursors() || known.runs_code()) || self.rewritten.is_none() {
            return None;
        }
        let message = "a portal was rewritten as policies want it, which a cursor could undo: use none before the transaction \
                       ends";
        Some(self.reject("rewritten_portal", message.to_owned(), frame).await)
    }

    /// Has an operation decided, waits for people where it must, and sends it or has it refused.
    async fn submit(
        &mut self,
        (request, portal, guarded): (Request, Option<Run>, Option<Guarded>),
        restating: &Restating<'_>,
        lines: &mut Lines<'_>,
    ) -> Result<(), End> {
        let mut verdict = self.session.submit_statements(restating.operation(), restating).await;
        loop {
            match verdict {
                Verdict::Admitted(_) | Verdict::Denied(_) if self.give_up_dropped(request) => return Ok(()),
                Verdict::Admitted(admitted) => {
                    return self.send(request, (portal, guarded), (admitted, restating), lines).await;
                }
                Verdict::Denied(denied) if denied.refusal().reason == "session_closed" => {
                    return Err(End::Over("closed"));
                }
                Verdict::Denied(denied) => return self.refuse(request, &denied, sqlstate(denied.refusal().kind)).await,
                Verdict::Held(held) => verdict = self.wait(held, restating, lines).await?,
            }
        }
    }

    async fn send(
        &mut self,
        request: Request,
        (portal, mut guarded): (Option<Run>, Option<Guarded>),
        (admitted, restating): (Admitted, &Restating<'_>),
        lines: &mut Lines<'_>,
    ) -> Result<(), End> {
        let changes = admitted.changes();
        let is_changed = changes != StatementChanges::default();
        let fewer = if is_changed { restating.fewer(changes).ok().flatten() } else { None };
        if let Some(fewer) = &fewer {
            // What may be shown is that of the text that is run.
            guarded = match self.traced(request.id, &fewer.known, &[]) {
                Ok(guarded) => guarded,
                Err(reason) => return self.protect(request, reason, &Frame::of(restating.wire.clone())).await,
            };
        }
        if let (Some(guarded), None) = (&mut guarded, restating.first()) {
            let other = fewer.as_ref().map(|fewer| Arc::clone(&fewer.known));
            let statements = other.as_ref().map_or(restating.asked.statements, std::slice::from_ref);
            let bound = portal.is_some().then(|| restating.asked.portals.first()).flatten();
            let relied = self.rely((request.id, bound), guarded, statements, lines).await?;
            if self.give_up_dropped(request) {
                return Ok(());
            }
            if let Err((code, reason)) = relied {
                let frame = Frame::of(restating.wire.clone());
                let denied = self.reject("protected_columns", reason.to_owned(), &frame).await;
                return self.refuse(request, &denied, code).await;
            }
        }
        let mut altered = None;
        if is_changed {
            // What follows from changes that the operation was made with.
            let Ok(how) = restating.altered(changes) else { return Err(End::Withheld) };
            let first = portal.as_ref().map(|run| run.first).or_else(|| restating.first());
            if let Some(first) = first.filter(|_| changes.read_only) {
                self.serial = self.serial.saturating_add(1);
                if !self.order.precede(first, &OWN) {
                    return Ok(());
                }
            }
            altered = Some(Box::new(how));
        }
        if let (Some(run), Some(rows)) = (&portal, restating.asked_for(altered.as_deref())) {
            self.names.asked_for(&run.name, rows);
        }
        if altered.is_some() && restating.asked.portals.iter().any(|portal| !portal.bind.portal.is_empty()) {
            self.rewritten = Some(request.id);
        }
        let Some((mut running, wire)) = Running::take(admitted, Some(request.id), portal) else {
            return Err(End::Over("closed"));
        };
        (running.guarded, running.altered) = (guarded, altered);
        self.slots.push_back(Slot::Running(Box::new(running)));
        self.note_sent(request);
        Ok(self.target.send(wire).await?)
    }

    /// Whether the server has dropped a request while it waited here: it is not sent, nobody answers it, and nothing waits for it
    /// any more.
    fn give_up_dropped(&mut self, request: Request) -> bool {
        let is_dropped = !self.order.is_pending(request.id);
        if is_dropped && self.read_after.take_if(|id| *id == request.id).is_some() {
            self.reading = Reading::Free;
        }
        is_dropped
    }

    /// What was read so far is sent with this request.
    fn note_sent(&mut self, request: Request) {
        self.heard.unsent = 0;
        self.heard.is_batch_sent = !matches!(request.kind, RequestKind::Query | RequestKind::FunctionCall);
    }

    /// Has the server refuse what the gateway refuses.
    async fn refuse(&mut self, request: Request, denied: &Denied, code: &str) -> Result<(), End> {
        let refusal = denied.refusal();
        let detail = refusal.reference.as_ref().map(|reference| format!("On record as {reference}."));
        let told = denied.release(|refusal| tell::error(code, &refusal.message, detail.as_deref()));
        // What was gathered goes with it: the server would drop it too.
        self.gathered = Gathered::default();
        self.slots.push_back(Slot::Refused { last: request.id, told: Some(told) });
        self.note_sent(request);
        let failing = match request.kind {
            RequestKind::Query | RequestKind::FunctionCall => say::failing_query(),
            _ => say::failing_parse(),
        };
        Ok(self.target.say(&failing).await?)
    }

    async fn reject(&self, reason: &'static str, message: String, frame: &Frame) -> Denied {
        let (kind, action) = (ErrorKind::Malformed, Action::Sql([SqlKind::Other].into_iter().collect()));
        self.session.reject(Rejection { kind, reason, message, action, received: frame.bytes() }).await
    }

    /// Waits for people, while all else goes on.
    async fn wait(
        &mut self,
        mut held: Box<Held>,
        restating: &Restating<'_>,
        lines: &mut Lines<'_>,
    ) -> Result<Verdict, End> {
        let mut told = tokio::time::interval(STILL_WAITING);
        let mut tick = tokio::time::interval(TICK);
        let reference = held.pending().reference.clone();
        loop {
            let has_room = lines.client.received().len() < MOST_READ_AHEAD;
            tokio::select! {
                () = held.decided() => return Ok(held.again(Some(restating)).await),
                _ = told.tick() => self.say(&say::notice("this statement waits for approval: ", &reference)).await?,
                _ = tick.tick() => if let Some(reason) = self.session.end_due() {
                    return Err(End::Over(reason));
                },
                received = lines.target.receive() => {
                    received?;
                    self.hear_target(lines.target).await?;
                }
                sent = self.target.flush(), if self.target.is_waiting() => sent?,
                received = lines.client.receive(), if has_room => match received {
                    Ok(0) | Err(_) => return Err(End::Client),
                    Ok(_) => {}
                },
            }
        }
    }
}

/// What a client is told of a refusal, by whose fault it is.
const fn sqlstate(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Limit => "53400",
        ErrorKind::Malformed => PROTOCOL_VIOLATION,
        ErrorKind::Evidence | ErrorKind::Internal => "58000",
        _ => DENIED,
    }
}
