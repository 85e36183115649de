//! A session between a client and its server: what each says is read, decided on, recorded, masked and passed on.
//!
//! An operation is what the server runs: a simple query, or an `Execute` with what was sent before it in the same batch
//! (`Parse`, `Bind`, `Describe`); or these alone, where they are not run. One that is refused is put to the server as a
//! statement that is none, so that the batch and the transaction fail as if the server had refused it, and the server's
//! error is replaced by the reason. Cancel safety: dropping the future ends the connection; what runs is recorded as cut off.

mod answering;
mod asking;
mod result;
mod rewriting;
mod running;
mod statements;
mod tracer;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, timeout};
use vidimus_core::{Action, SqlKind};
use vidimus_gate::{
    ClientReader, ClientWriter, LineError, Rejection, Released, Session, Signal, TargetReader, TargetWriter,
};

use self::running::{Slot, Withheld};
use self::statements::{Known, Statements};
use self::tracer::Tracing;
use crate::backend::{self, TransactionStatus};
use crate::cancel::Key;
use crate::error::{Peer, ProtocolError};
use crate::frontend::{self, Named};
use crate::names::{Names, Portal};
use crate::order::{Order, RequestId};
use crate::shared::{Changing, Guest, Inner};
use crate::{say, tell};

/// How often it is looked whether the session is to end.
const TICK: Duration = Duration::from_secs(1);
/// Requests, and operations, that may wait for their answers before more of them are read.
const MOST_PENDING: usize = 1_024;
const MOST_RUNNING: usize = 64;
/// How long what a client has asked for before it went may take, and what is cancelled.
const LAST_ANSWERS: Duration = Duration::from_mins(5);
const CANCELLED: Duration = Duration::from_secs(10);

/// Settings of the server that clients are told at the beginning.
const TOLD: [&str; 13] = [
    "server_version",
    "server_encoding",
    "client_encoding",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "integer_datetimes",
    "standard_conforming_strings",
    "in_hot_standby",
    "default_transaction_read_only",
    "is_superuser",
    "scram_iterations",
    "search_path",
];

/// How long a part of an answer waits for more.
const LINGER: Duration = Duration::from_millis(20);

/// What has happened.
enum Event {
    Target(Result<(), LineError>),
    Client(io::Result<usize>),
    Sent(Result<(), LineError>),
    Cut,
    Lingered,
    Tick,
    Stop,
}

/// Why a session ends.
#[derive(Debug)]
enum End {
    /// The client has gone, or said good-bye.
    Client,
    /// The server has gone, or is not to be trusted.
    Target,
    /// The client broke the protocol.
    Protocol(ProtocolError),
    /// The gate has withheld something.
    Withheld,
    /// The session is over, or the gateway stops.
    Over(&'static str),
}

impl From<Withheld> for End {
    fn from(_: Withheld) -> Self {
        Self::Withheld
    }
}

impl From<LineError> for End {
    fn from(error: LineError) -> Self {
        tracing::warn!(%error, "the connection to a database has ended");
        match error {
            LineError::Evidence(_) => Self::Withheld,
            _ => Self::Target,
        }
    }
}

/// What may be read of the client, while something runs that may change settings in a way that its text does not tell: a
/// statement that comes after it would be read otherwise than the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Everything.
    Free,
    /// No statements, until the end of the batch.
    Guarded,
    /// Nothing, until the server is ready.
    Waiting,
}

/// What of a batch was read and is not sent yet.
#[derive(Default)]
struct Gathered {
    wire: BytesMut,
    first: Option<RequestId>,
    last: Option<RequestId>,
    statements: Vec<Arc<Known>>,
    /// What was bound.
    portals: Vec<Portal>,
}

/// What is read from.
struct Lines<'a> {
    client: &'a mut ClientReader,
    target: &'a mut TargetReader,
}

/// What is known of what the client has said.
#[derive(Default)]
struct Heard {
    /// Whether it is in the midst of a batch of the extended protocol.
    is_batch_open: bool,
    /// Whether some of that was sent to the server.
    is_batch_sent: bool,
    /// Requests that were read and are not sent.
    unsent: usize,
    /// Whether it has opened a cursor that may change settings when it moves.
    has_code_cursor: bool,
}

/// A connection from its first `ReadyForQuery` on.
struct Proxy {
    session: Session,
    address: IpAddr,
    client: ClientWriter,
    target: TargetWriter,
    order: Order,
    names: Names,
    statements: Statements,
    gathered: Gathered,
    slots: VecDeque<Slot>,
    /// Requests to describe something: what, and the types of its parameters so far.
    described: VecDeque<(RequestId, Named, Option<Vec<u32>>)>,
    reading: Reading,
    /// The request for which not everything is read.
    read_after: Option<RequestId>,
    /// A change of what names stand for, until the server is ready after the last request that may end it.
    changing: Option<(RequestId, Changing)>,
    /// The last request by which a portal with a name was rewritten, in the transaction that there is: SQL reaches it, too.
    rewritten: Option<RequestId>,
    /// Counts what the gateway runs before statements.
    serial: u64,
    /// What is protected by column; none where no rule can protect one.
    tracing: Option<Tracing>,
    heard: Heard,
    /// Whether the server was asked for what it has to say, since more was read.
    is_flushed: bool,
    /// Nobody takes what is passed on any more; what runs comes to its end all the same.
    is_client_gone: bool,
}

/// Serves a guest to its end; why that came.
pub(crate) async fn run(
    adapter: &Arc<Inner>,
    guest: Guest,
    address: IpAddr,
    closing: watch::Receiver<bool>,
) -> &'static str {
    let Guest { mut client, session, target, reader, writer, ready } = guest;
    let key = adapter.cancels.give(&session, &target.way, ready.key.as_ref());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let settings = ready.parameters.iter().map(|setting| (text(&setting.name), text(&setting.value)));
    let told = settings.filter(|(name, _)| TOLD.contains(&name.as_str()));
    let mut welcome = told.fold(say::let_in(), |all, (name, value)| all.then(&say::setting(&name, &value)));
    if let Some(key) = &key {
        welcome = welcome.then(&say::key(key.process, key.secret));
    }
    if client.say(&welcome.then(&say::ready(TransactionStatus::Idle))).await.is_err() {
        return "client";
    }
    let (mut from_client, mut client) = client.split();
    let tracing = match Tracing::begin(&adapter.gate, &target, &session).await {
        Ok(tracing) => tracing,
        Err(denied) => {
            let _ = client.send(&denied.release(|refusal| tell::fatal("58000", &refusal.message))).await;
            return "withheld";
        }
    };
    let mut proxy = Proxy {
        session,
        address,
        client,
        target: writer,
        order: Order::new(),
        names: Names::default(),
        statements: Statements::default(),
        gathered: Gathered::default(),
        slots: VecDeque::new(),
        described: VecDeque::new(),
        reading: Reading::Free,
        read_after: None,
        changing: None,
        rewritten: None,
        serial: 0,
        tracing,
        heard: Heard::default(),
        is_flushed: false,
        is_client_gone: false,
    };
    let mut from_target = reader;
    let end = proxy.serve(&mut Lines { client: &mut from_client, target: &mut from_target }, closing).await;
    drop(from_client);
    proxy.farewell(end, &mut from_target, key.as_ref()).await
}

impl Proxy {
    async fn serve(&mut self, lines: &mut Lines<'_>, mut closing: watch::Receiver<bool>) -> End {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Err(end) = self.hear_client(lines).await {
                return end;
            }
            let (is_idle, may_read) = (self.slots.is_empty(), self.has_room());
            let lingers = matches!(self.slots.front(), Some(Slot::Running(running)) if !running.batch.is_empty());
            let event = tokio::select! {
                received = lines.target.receive() => Event::Target(received),
                received = lines.client.receive(), if may_read => Event::Client(received),
                sent = self.target.flush(), if self.target.is_waiting() => Event::Sent(sent),
                () = running::cut_off(&mut self.slots) => Event::Cut,
                () = tokio::time::sleep(LINGER), if lingers => Event::Lingered,
                _ = tick.tick() => Event::Tick,
                stopped = closing.wait_for(|closing| *closing), if is_idle => {
                    drop(stopped);
                    Event::Stop
                }
            };
            let heard = match event {
                Event::Target(Ok(())) => self.hear_target(lines.target).await,
                Event::Target(Err(error)) => Err(error.into()),
                Event::Client(Ok(0) | Err(_)) => Err(End::Client),
                Event::Client(Ok(_)) => Ok(()),
                Event::Sent(sent) => sent.map_err(End::from),
                Event::Cut => Err(End::Over("closed")),
                Event::Lingered => self.pass_on_front().await,
                Event::Tick => self.session.end_due().map_or(Ok(()), |reason| Err(End::Over(reason))),
                Event::Stop => Err(End::Over("shutdown")),
            };
            if let Err(end) = heard {
                return end;
            }
        }
    }

    /// Whether more of the client may be read.
    fn has_room(&self) -> bool {
        self.order.pending() < MOST_PENDING
            && self.slots.len() < MOST_RUNNING
            && !self.target.is_full()
            && (self.reading != Reading::Waiting || self.order.is_copy_in())
    }

    /// Reads what the client has sent so far.
    async fn hear_client(&mut self, lines: &mut Lines<'_>) -> Result<(), End> {
        while self.has_room() {
            if !lines.client.received().is_empty() {
                self.drain(lines.target).await?;
                if self.must_look_up() {
                    self.look_up(lines.target).await?;
                }
            }
            let decoded = frontend::decode(lines.client.received(), &frontend::Limits::default());
            let Some((message, frame)) = decoded.map_err(End::Protocol)? else { return self.sent().await };
            self.is_flushed = false;
            self.said(message, &frame, lines).await?;
        }
        if self.reading != Reading::Waiting && !self.is_flushed && !self.target.is_full() {
            // The server keeps small answers back, and room comes of answers.
            self.prepare(lines).await?;
            self.is_flushed = true;
            self.target.say(&say::flush()).await?;
        }
        self.sent().await
    }

    /// Writes to the server what was for it, as far as it takes it.
    async fn sent(&mut self) -> Result<(), End> {
        Ok(self.target.offer().await?)
    }

    /// Waits for more of the server, while the session lasts.
    async fn hear_more(&mut self, from_target: &mut TargetReader) -> Result<(), End> {
        let event = tokio::select! {
            received = from_target.receive() => Event::Target(received),
            sent = self.target.flush(), if self.target.is_waiting() => Event::Sent(sent),
            () = running::cut_off(&mut self.slots) => Event::Cut,
            () = tokio::time::sleep(TICK) => Event::Tick,
        };
        match event {
            Event::Target(received) => {
                received?;
                self.hear_target(from_target).await
            }
            Event::Sent(sent) => Ok(sent?),
            Event::Cut => Err(End::Over("closed")),
            _ => self.session.end_due().map_or(Ok(()), |reason| Err(End::Over(reason))),
        }
    }

    /// Reads what the server has sent so far.
    async fn hear_target(&mut self, from_target: &mut TargetReader) -> Result<(), End> {
        loop {
            let decoded = backend::decode(from_target.received(), &backend::Limits::default());
            let Some((message, frame)) = decoded.map_err(|error| self.broken_by(error))? else { break };
            self.answered(message, frame).await?;
        }
        self.pass_on_parts().await
    }

    /// How a connection ends on which one side broke the protocol.
    fn broken_by(&self, error: ProtocolError) -> End {
        match error.peer() {
            Peer::Client => End::Protocol(error),
            Peer::Server => {
                tracing::error!(%error, session = %self.session.id(), "the database broke its protocol");
                End::Target
            }
        }
    }

    async fn pass_on(&mut self, released: &Released, after: Option<&Signal>) -> Result<(), End> {
        let written = match after {
            _ if self.is_client_gone => return Ok(()),
            None => self.client.send(released).await,
            Some(signal) => self.client.send_and_say(released, signal).await,
        };
        written.map_err(|_| End::Client)
    }

    async fn say(&mut self, signal: &Signal) -> Result<(), End> {
        if self.is_client_gone {
            return Ok(());
        }
        self.client.say(signal).await.map_err(|_| End::Client)
    }

    /// Ends the connection; what runs comes to its end where that can be.
    async fn farewell(mut self, end: End, from_target: &mut TargetReader, key: Option<&Key<'_>>) -> &'static str {
        // Whoever cuts off a session does not say why; the session does.
        let end = match end {
            End::Over("closed") => End::Over(self.session.end_due().unwrap_or("closed")),
            end => end,
        };
        tracing::debug!(?end, session = %self.session.id(), "a connection ends");
        let (told, reason) = match &end {
            End::Client => (None, "client"),
            End::Target => (Some(say::fatal("08006", "the connection to the database has ended")), "upstream"),
            End::Withheld => {
                let text =
                    "the gateway withholds this, and ends the connection: it cannot be recorded, or not be masked";
                (Some(say::fatal("58000", text)), "withheld")
            }
            End::Over(reason) => (Some(say::fatal_about("57P01", "the session has ended: ", reason)), *reason),
            End::Protocol(error) => {
                let message = error.public_message();
                let (kind, action) = (error.kind(), Action::Sql([SqlKind::Other].into_iter().collect()));
                let rejection = Rejection { kind, reason: "protocol", message, action, received: &[] };
                let denied = self.session.reject(rejection).await;
                let told = denied.release(|refusal| tell::fatal(error.sqlstate(), &refusal.message));
                let _ = self.client.send(&told).await;
                (None, "protocol")
            }
        };
        if let Some(told) = told {
            let _ = self.client.say(&told).await;
        }
        let _ = self.client.end().await;
        self.is_client_gone = true;
        // What may pass goes before it is cancelled, never after.
        let _ = self.sent().await;
        let is_asked_for = matches!(end, End::Client | End::Protocol(_));
        if !matches!(end, End::Target) && !self.slots.is_empty() {
            let answered = is_asked_for && timeout(LAST_ANSWERS, self.let_finish(from_target)).await.is_ok();
            // What the client may not have any more, or nobody waits for, is not to go on unseen.
            if !(answered && self.slots.is_empty()) {
                self.target.give_up();
                if let Some(key) = key {
                    key.cancel().await;
                    let _ = timeout(CANCELLED, self.let_finish(from_target)).await;
                }
            }
        }
        for slot in std::mem::take(&mut self.slots) {
            if let (Slot::Running(running), End::Target) = (slot, &end) {
                running.broken().await;
            }
        }
        if let Some(tracing) = self.tracing.take() {
            tracing.end().await;
        }
        if self.target.say(&say::terminate()).await.is_ok() {
            let _ = self.target.end().await;
        }
        reason
    }

    /// Lets the server finish what the client has asked for before it went.
    async fn let_finish(&mut self, from_target: &mut TargetReader) {
        let stop = if self.order.is_copy_in() { say::copy_fail() } else { say::flush() };
        // A `Sync` would end what the client has not ended. What was given up is heard of all the same.
        let _ = self.target.say(&stop).await;
        // What had arrived when the client went, nothing tells of again.
        if self.hear_target(from_target).await.is_err() {
            return;
        }
        while let Some(front) = self.slots.front_mut() {
            // What is complete waits for a `Sync` that will not come.
            let is_complete = matches!(front, Slot::Running(running) if running.is_complete);
            let heard = if is_complete { self.finish_front(None).await } else { self.hear_more(from_target).await };
            if heard.is_err() {
                return;
            }
        }
    }
}
