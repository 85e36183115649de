//! A program and its messages, as the gateway sees it: a handle, a receiver, and the tasks behind them.
//!
//! One task writes, one reads, one follows standard error, one waits for the end. Every queue is bounded: a slow reader
//! makes the program wait, a program that does not read is killed as hung, one that writes too long a line is killed and
//! said so. The end is published when nothing of the program is left: no process, no scratch directory.
//! A handle that is dropped ends the program, and so does a gateway that dies: the supervisor sees its socket close.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf, pipe};
use tokio::process::{Child as Process, Command};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;
use vidimus_core::ErrorKind;

use crate::confinement::{Confinement, ConfinementError};
use crate::handover::{self, KILL, Report, Status, Streams, TERMINATE, Task};
use crate::lines::{LineError, Lines, one_line};
use crate::stage::OWN_EXECUTABLE;
use crate::standard_error::{self, LogLimits, LogSink};
use crate::switch::Held;

/// A report of the supervisor is short.
const MAX_REPORT: usize = 16 * 1024;
/// Faults waiting to be looked at: the first one decides.
const FAULTS: usize = 4;

/// What to start, and within which bounds.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The executable that has the stages (see [`crate::stage`]).
    pub supervisor: PathBuf,
    /// Its arguments for the stage `supervise`.
    pub arguments: Vec<OsString>,
    /// What the program may do.
    pub confinement: Confinement,
    /// Sizes and times.
    pub limits: ChildLimits,
    /// Who gets its standard error.
    pub log: LogSink,
    /// On whose behalf it runs, whatever that is called: nobody may have all servers of a target.
    pub owner: String,
}

impl Launch {
    /// Through this executable's own subcommand. Nobody gets its standard error.
    pub fn new(arguments: &[&str], confinement: Confinement, limits: ChildLimits) -> Self {
        let arguments = arguments.iter().map(OsString::from).collect();
        Self {
            supervisor: OWN_EXECUTABLE.into(),
            arguments,
            confinement,
            limits,
            log: LogSink::nobody(),
            owner: String::new(),
        }
    }
}

/// Sizes and times of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildLimits {
    /// Bytes of a message it sends.
    pub message: usize,
    /// Messages waiting, each way.
    pub queue: usize,
    /// Bytes of what it sent and nobody has taken yet, wherever that waits; one message fits always. Beyond, it waits.
    pub untaken: usize,
    /// How long it may take to start.
    pub start: Duration,
    /// How long a message may take to be written; then it is hung.
    pub write: Duration,
    /// How long it may take to end once its input is closed; then it gets SIGTERM.
    pub close: Duration,
    /// How long it may take to end after SIGTERM; then it is killed.
    pub terminate: Duration,
    /// Its standard error.
    pub log: LogLimits,
}

impl Default for ChildLimits {
    fn default() -> Self {
        Self {
            message: 4 << 20,
            queue: 16,
            untaken: 8 << 20,
            start: Duration::from_secs(15),
            write: Duration::from_secs(30),
            close: Duration::from_secs(2),
            terminate: Duration::from_secs(2),
            log: LogLimits::default(),
        }
    }
}

/// Why a program was not started, or takes no message.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The configuration is wrong.
    #[error(transparent)]
    Confinement(#[from] ConfinementError),
    /// A stage would not start it.
    #[error("the server was not started: {0}")]
    Refused(String),
    /// It took too long to start.
    #[error("the server did not start in time: look at what it logs, or allow it more")]
    Slow,
    /// The system would not have it.
    #[error("the server cannot be started: {0}")]
    System(#[from] io::Error),
    /// It has ended, or is ending.
    #[error("the server has ended: {0:?}")]
    Ended(Option<Ended>),
}

impl ChildError {
    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Confinement(_) | Self::Refused(_) => ErrorKind::Configuration,
            Self::Slow => ErrorKind::Timeout,
            Self::System(_) => ErrorKind::Internal,
            Self::Ended(_) => ErrorKind::Upstream,
        }
    }

    /// What a caller may read.
    pub fn public_message(&self) -> &'static str {
        match self {
            Self::Ended(_) => "the server has ended",
            Self::Slow => "the server did not start in time",
            Self::Confinement(_) | Self::Refused(_) | Self::System(_) => "the server cannot be started",
        }
    }
}

/// Why a program was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It ended by itself.
    Itself,
    /// It was told to, or nobody holds it any more.
    Closed,
    /// It did not read what it was sent, in time.
    Hung,
    /// It sent a message beyond the limit.
    TooLong,
    /// It closed its input or output and stayed.
    Deaf,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub cause: Cause,
    /// Exit status or signal; none when its supervisor was killed.
    pub status: Option<Status>,
}

/// A running program. Clones are the same one; when the last is dropped, it is killed.
#[derive(Debug, Clone)]
pub struct Child {
    id: u32,
    input: mpsc::Sender<Bytes>,
    close: mpsc::Sender<()>,
    ended: watch::Receiver<Option<Ended>>,
    /// Closed when its standard error has been read to the end.
    log: watch::Receiver<()>,
}

/// What the program sends. Dropping it closes the program: nobody would read on.
#[derive(Debug)]
pub struct Messages(mpsc::Receiver<Held>);

impl Messages {
    /// The next message, without its line end; none when the program has closed its output. What was sent before that
    /// is still delivered. Cancel safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        Some(self.next_held().await?.message)
    }

    /// The same, still counted as untaken.
    pub(crate) async fn next_held(&mut self) -> Option<Held> {
        self.0.recv().await
    }
}

impl Child {
    /// Checks the confinement and starts the program. Where this is cancelled the program is killed.
    pub async fn spawn(launch: &Launch) -> Result<(Self, Messages), ChildError> {
        let limits = launch.limits;
        // Looks at files, and forks.
        let starting = launch.clone();
        let started = tokio::task::spawn_blocking(move || start(&starting)).await;
        let started = started.map_err(|_| io::Error::other("the task that starts it failed"))?;
        let Started { process, socket, input, output, errors } = started?;
        let (reports, orders) = UnixStream::from_std(socket)?.into_split();
        let mut reports = Lines::new(reports, MAX_REPORT);
        let id = match timeout(limits.start, next_report(&mut reports)).await {
            Ok(Some(Report::Started { pid })) => pid,
            Ok(Some(Report::Refused { reason })) => return Err(ChildError::Refused(reason)),
            Ok(_) => return Err(ChildError::Refused("its supervisor ended without a word".to_owned())),
            Err(_) => return Err(ChildError::Slow),
        };

        let (input_sender, input_queue) = mpsc::channel(limits.queue.max(1));
        let (message_sender, messages) = mpsc::channel(limits.queue.max(1));
        let (close, close_orders) = mpsc::channel(1);
        let (fault_sender, faults) = mpsc::channel(FAULTS);
        let (closing_sender, closing) = watch::channel(false);
        let (ended_sender, ended) = watch::channel(None);
        tokio::spawn(write(input, input_queue, closing, limits.write, fault_sender.clone()));
        tokio::spawn(read(Lines::new(output, limits.message), limits.untaken, message_sender, fault_sender));
        let (log_sender, log) = watch::channel(());
        let following = standard_error::follow(errors, limits.log, launch.log.clone());
        tokio::spawn(async move {
            following.await;
            drop(log_sender);
        });
        let watcher = Watcher { limits, process, reports, orders, closing: closing_sender };
        tokio::spawn(watcher.run(close_orders, faults, ended_sender));
        Ok((Self { id, input: input_sender, close, ended, log }, Messages(messages)))
    }

    /// The program's process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Queues a message; waits while the queue is full. Raw CR and LF in it become spaces. Cancel safe: it was queued
    /// whole, or not. An error says that it was not.
    pub async fn send(&self, message: Bytes) -> Result<(), ChildError> {
        self.input.send(message).await.map_err(|_| ChildError::Ended(self.has_ended()))
    }

    /// Ends it the way MCP says ("stdio", shutdown): its input is closed when what is queued is written, then SIGTERM,
    /// then SIGKILL. Waits until nothing is left. Cancel safe: the end goes on.
    pub async fn close(&self) -> Ended {
        self.ask_to_close();
        self.ended().await
    }

    /// The same without waiting.
    pub(crate) fn ask_to_close(&self) {
        // Full or closed: it is ending already.
        let _ = self.close.try_send(());
    }

    /// Waits until nothing of it is left. Cancel safe.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        let found = ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended);
        // The watcher went without a word when the runtime stops.
        found.unwrap_or(Ended { cause: Cause::Closed, status: None })
    }

    /// Resolves when all that it wrote to its standard error has gone to the sink. Holds nothing of it.
    pub(crate) fn log_end(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut log = self.log.clone();
        async move { while log.changed().await.is_ok() {} }
    }

    /// How it ended, if it has.
    pub fn has_ended(&self) -> Option<Ended> {
        *self.ended.borrow()
    }
}

/// The gateway's ends of everything.
#[derive(Debug)]
struct Started {
    process: Process,
    socket: StdUnixStream,
    input: pipe::Sender,
    output: pipe::Receiver,
    errors: pipe::Receiver,
}

fn start(launch: &Launch) -> Result<Started, ChildError> {
    launch.confinement.check()?;
    let (socket, theirs) = StdUnixStream::pair()?;
    let (their_input, input) = io::pipe()?;
    let (output, their_output) = io::pipe()?;
    let (errors, their_errors) = io::pipe()?;
    let process = Command::new(&launch.supervisor)
        .args(&launch.arguments)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C in a terminal is the gateway's to handle.
        .process_group(0)
        .spawn()?;
    let streams = Streams([their_input.into(), their_output.into(), their_errors.into()]);
    socket.set_write_timeout(Some(launch.limits.start))?;
    handover::send(&socket, &Task { confinement: launch.confinement.clone(), scratch: None }, &streams)?;
    socket.set_nonblocking(true)?;
    Ok(Started {
        process,
        socket,
        input: pipe::Sender::from_owned_fd(input.into())?,
        output: pipe::Receiver::from_owned_fd(output.into())?,
        errors: pipe::Receiver::from_owned_fd(errors.into())?,
    })
}

async fn next_report(reports: &mut Reports) -> Option<Report> {
    let line = reports.next().await.ok()??;
    serde_json::from_slice(&line).ok()
}

/// Writes what is queued; closes the program's input when told to, or when nobody can queue any more.
async fn write(
    mut input: pipe::Sender,
    mut queue: mpsc::Receiver<Bytes>,
    mut closing: watch::Receiver<bool>,
    limit: Duration,
    faults: mpsc::Sender<Cause>,
) {
    loop {
        let message = tokio::select! {
            message = queue.recv() => message,
            () = told(&mut closing) => {
                queue.close();
                queue.recv().await
            }
        };
        let Some(message) = message else { return };
        let fault = match timeout(limit, input.write_all(&one_line(&message))).await {
            Ok(Ok(())) => continue,
            Ok(Err(_)) => Cause::Deaf,
            Err(_) => Cause::Hung,
        };
        // Full: another fault has been told.
        let _ = faults.try_send(fault);
        return;
    }
}

async fn told(closing: &mut watch::Receiver<bool>) {
    // An error is a watcher that has gone: then everything is to end too.
    drop(closing.wait_for(|closing| *closing).await);
}

/// Passes messages on, no faster than they are taken.
async fn read(
    mut lines: Lines<pipe::Receiver>,
    untaken: usize,
    messages: mpsc::Sender<Held>,
    faults: mpsc::Sender<Cause>,
) {
    let size = u32::try_from(untaken).unwrap_or(u32::MAX).max(1);
    let room = Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(usize::MAX)));
    let fault = loop {
        let next = tokio::select! {
            next = lines.next() => next,
            () = messages.closed() => break Cause::Closed,
        };
        let message = match next {
            Ok(Some(message)) => message,
            Err(LineError::TooLong) => break Cause::TooLong,
            Ok(None) | Err(LineError::Failed) => break Cause::Deaf,
        };
        let takes = u32::try_from(message.len()).unwrap_or(u32::MAX).min(size);
        let room = tokio::select! {
            room = Arc::clone(&room).acquire_many_owned(takes) => room.ok(),
            () = messages.closed() => break Cause::Closed,
        };
        if messages.send(Held::new(message, room)).await.is_err() {
            break Cause::Closed;
        }
    };
    // Full: another fault has been told.
    let _ = faults.try_send(fault);
}

type Reports = Lines<OwnedReadHalf>;

/// Waits for the end, or brings it about.
#[derive(Debug)]
struct Watcher {
    limits: ChildLimits,
    process: Process,
    reports: Reports,
    orders: OwnedWriteHalf,
    /// Tells the writer to close the program's input.
    closing: watch::Sender<bool>,
}

impl Watcher {
    async fn run(
        mut self,
        mut close: mpsc::Receiver<()>,
        mut faults: mpsc::Receiver<Cause>,
        ended: watch::Sender<Option<Ended>>,
    ) {
        let (cause, may_take_leave) = tokio::select! {
            biased;
            Some(fault) = faults.recv() => (fault, matches!(fault, Cause::Deaf | Cause::Closed)),
            order = close.recv() => (Cause::Closed, order.is_some()),
            report = next_report(&mut self.reports) => return self.publish(Cause::Itself, report, &ended).await,
        };
        self.closing.send_replace(true);
        if may_take_leave {
            if let Ok(report) = timeout(self.limits.close, next_report(&mut self.reports)).await {
                // One that closes its output and then ends did so by itself.
                let cause = if cause == Cause::Deaf { Cause::Itself } else { cause };
                return self.publish(cause, report, &ended).await;
            }
            self.order(TERMINATE).await;
            if let Ok(report) = timeout(self.limits.terminate, next_report(&mut self.reports)).await {
                return self.publish(cause, report, &ended).await;
            }
        }
        self.order(KILL).await;
        let report = next_report(&mut self.reports).await;
        self.publish(cause, report, &ended).await;
    }

    async fn order(&mut self, order: u8) {
        // Fails when the supervisor has gone, which its report tells.
        let _ = self.orders.write_all(&[order]).await;
    }

    /// Says how it ended once its supervisor is gone too.
    async fn publish(mut self, cause: Cause, report: Option<Report>, ended: &watch::Sender<Option<Ended>>) {
        let status = match report {
            Some(Report::Ended { status }) => status,
            _ => None,
        };
        // It ends when its socket closes, whatever it has said.
        drop((self.orders, self.reports));
        if let Err(error) = self.process.wait().await {
            tracing::warn!(%error, "A supervisor of a server cannot be waited for");
        }
        ended.send_replace(Some(Ended { cause, status }));
    }
}
