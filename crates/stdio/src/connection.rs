//! One running server and who waits for what it says: JSON-RPC over one pair of pipes, taken apart into streams.
//!
//! A response goes to the stream of the request with its id, which it ends. Progress goes to the request that has its
//! token. Whatever else the server sends while requests run (its own requests, log messages) goes to the latest of
//! them, as a server that speaks Streamable HTTP would do; changes of lists and resources go to who listens. What nobody
//! takes waits, up to a bound, for the next listener; beyond it the oldest is dropped. An answer that no strict parser
//! takes goes to its request all the same, or to the latest one if it does not say: who asked refuses it as it would
//! refuse it over HTTP, and waits no longer. A response without an id (JSON-RPC 2.0 section 5: the request's could not be
//! read) answers the one request that runs; where it could be another's, the program's log gets a remark.
//!
//! A stream that is not read makes the server wait: it is one pipe, and nothing is buffered without bound, in messages
//! or in bytes. A server of which nobody wants anything for long enough is ended, whatever it says meanwhile.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, timeout};
use vidimus_core::json::{Document, Limits, Value};

use crate::child::{ChildError, Held, Messages};
use crate::pool::Lease;
use crate::standard_error::{LogPiece, LogSink};

/// Messages waiting in one stream.
const STREAM_QUEUE: usize = 16;
/// Messages nobody listened to, kept for the next listener.
const MAX_UNHEARD: usize = 64;
/// Bytes of them, and never more than one message may have.
const MAX_UNHEARD_BYTES: usize = 4 << 20;
/// Requests of one client that may run at once.
const MAX_RUNNING: usize = 256;

/// How long who waits for a server that says no more waits for the rest of its log.
const LOG_GRACE: Duration = Duration::from_millis(250);

/// In so many parts of the idle time it is looked at whether the server is idle.
const IDLE_LOOKS: u32 = 4;

/// Every message has it, and hardly anything else that a program prints.
const VERSION_KEY: &[u8] = b"\"jsonrpc\"";

/// What the server says to one request, or to who listens.
pub(crate) type Stream = mpsc::Receiver<Held>;

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(transparent)]
    Child(#[from] ChildError),
    #[error("a request with this id is running")]
    IdInUse,
    #[error("{MAX_RUNNING} requests are running")]
    TooMany,
}

/// A running server. While it is held, the server is not idle.
#[derive(Debug)]
pub(crate) struct Connection {
    lease: Lease,
    routes: Arc<Mutex<Routes>>,
    limits: Limits,
}

#[derive(Debug)]
struct Routes {
    /// When a client last sent something.
    used: Instant,
    /// In the order in which they were sent.
    running: Vec<Running>,
    listener: Option<mpsc::Sender<Held>>,
    unheard: VecDeque<Bytes>,
    max_unheard_bytes: usize,
}

#[derive(Debug)]
struct Running {
    id: Key,
    token: Option<Key>,
    answers: mpsc::Sender<Held>,
}

/// An id or a progress token: strings and numbers are different ones.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Text(String),
    Number(String),
}

impl Key {
    fn read(value: Value<'_>) -> Option<Self> {
        let number = || value.as_number().map(|number| Self::Number(number.to_owned()));
        value.as_str().map(|text| Self::Text(text.into_owned())).or_else(number)
    }

    /// The same of what the strict parser refuses.
    fn guess(value: &RawValue) -> Option<Self> {
        let text = value.get();
        let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        let text_of = || serde_json::from_str(text).ok().map(Self::Text);
        if is_number { Some(Self::Number(text.to_owned())) } else { text_of() }
    }
}

/// What a message is, as far as its way depends on it.
#[derive(Debug)]
enum Kind {
    Request {
        id: Key,
        token: Option<Key>,
        is_initialize: bool,
    },
    Notification {
        progress_of: Option<Key>,
        is_change: bool,
    },
    Response {
        id: Option<Key>,
    },
    /// Meant as a message, and somebody may wait for it.
    Unreadable,
}

/// As much of what is no message as its way depends on.
#[derive(Debug, Deserialize)]
struct Guess<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<IgnoredAny>,
}

impl Kind {
    /// `None` when it is no JSON-RPC message.
    fn read(message: &Bytes, limits: &Limits) -> Option<Self> {
        let document = Document::parse(message.clone(), limits).ok()?;
        let root = document.root();
        let id = root.get("id").and_then(Key::read);
        let Some(method) = root.get("method").and_then(|method| method.as_str()) else {
            let answers = root.get("result").is_some() || root.get("error").is_some();
            return answers.then_some(Self::Response { id });
        };
        Some(match id {
            Some(id) => Self::Request {
                id,
                token: root.at(&["params", "_meta", "progressToken"]).and_then(Key::read),
                is_initialize: method == "initialize",
            },
            None => Self::Notification {
                progress_of: root.at(&["params", "progressToken"]).and_then(Key::read),
                is_change: method.ends_with("/list_changed") || method.ends_with("/updated"),
            },
        })
    }

    /// What a line that is no JSON-RPC message was meant to be. `None` for one that nobody waits for: a notification, or
    /// what a program prints.
    fn guess(line: &Bytes) -> Option<Self> {
        memmem::find(line, VERSION_KEY)?;
        match serde_json::from_slice(line) {
            Ok(Guess { id: None, method: Some(_) }) => None,
            Ok(Guess { id: Some(id), method: None }) => {
                Some(Key::guess(id).map_or(Self::Unreadable, |id| Self::Response { id: Some(id) }))
            }
            _ => Some(Self::Unreadable),
        }
    }
}

/// What a client's message was.
#[derive(Debug)]
pub(crate) enum Sent {
    /// A request: what comes back.
    Request(Stream),
    /// A notification or a response: nothing comes back.
    Told,
}

/// Whether this message starts a session (MCP 2025-11-25, "Lifecycle").
pub(crate) fn is_initialize(message: &Bytes, limits: &Limits) -> bool {
    matches!(Kind::read(message, limits), Some(Kind::Request { is_initialize: true, .. }))
}

impl Connection {
    /// Takes over a server that has just started, to end it when it is unused for `idle`. What is to be remarked of it
    /// goes to `log`. Must be called in a runtime.
    pub(crate) fn new(mut lease: Lease, limits: Limits, idle: Duration, log: LogSink) -> Self {
        let routes = Arc::new(Mutex::new(Routes::new(&limits)));
        if let Some(messages) = lease.messages.take() {
            tokio::spawn(distribute(messages, Arc::clone(&routes), limits, idle, (log, lease.child.log_end())));
        }
        Self { lease, routes, limits }
    }

    /// Sends a message. Cancel safe: it is sent whole or not at all.
    pub(crate) async fn send(&self, message: Bytes) -> Result<Sent, ConnectionError> {
        lock(&self.routes).used = Instant::now();
        let Some(Kind::Request { id, token, .. }) = Kind::read(&message, &self.limits) else {
            self.lease.child.send(message).await?;
            return Ok(Sent::Told);
        };
        let (answers, stream) = mpsc::channel(STREAM_QUEUE);
        {
            let mut routes = lock(&self.routes);
            // An id stays taken until the server has answered it, though nobody waits any more: a late answer must not
            // pass for the answer to another request.
            if routes.running.iter().any(|running| running.id == id) {
                return Err(ConnectionError::IdInUse);
            }
            if routes.running.len() >= MAX_RUNNING {
                // What was cancelled is never answered; the oldest of it makes room.
                let given_up = routes.running.iter().position(|running| running.answers.is_closed());
                routes.running.remove(given_up.ok_or(ConnectionError::TooMany)?);
            }
            routes.running.push(Running { id, token, answers });
        }
        // When this fails or is cancelled the server may have the message all the same, so its id stays taken.
        self.lease.child.send(message).await?;
        Ok(Sent::Request(stream))
    }

    /// Listens to what belongs to no request. `None` while somebody else does.
    pub(crate) fn listen(&self) -> Option<Stream> {
        let (sender, stream) = mpsc::channel(MAX_UNHEARD);
        let mut routes = lock(&self.routes);
        if routes.listener.as_ref().is_some_and(|listener| !listener.is_closed()) {
            return None;
        }
        for message in routes.unheard.drain(..) {
            // There is room for all of them.
            let _ = sender.try_send(Held::uncounted(message));
        }
        routes.listener = Some(sender);
        Some(stream)
    }

    /// Whether the server has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.lease.child.has_ended().is_some()
    }
}

/// Takes what the server says to who waits for it, until it says no more, or nobody wants anything of it; then all
/// streams end, and so does the server, as nobody would read on. Why it ended stands in its log, so that is first taken
/// to its end.
async fn distribute(
    mut messages: Messages,
    routes: Arc<Mutex<Routes>>,
    limits: Limits,
    idle: Duration,
    (log, log_end): (LogSink, impl Future<Output = ()> + Send),
) {
    let mut told = false;
    loop {
        let held = match timeout(idle / IDLE_LOOKS, messages.next_held()).await {
            Ok(Some(held)) => Some(held),
            Ok(None) => break,
            Err(_) => None,
        };
        // Asked each time: one that talks on without end would never let the time run out.
        if lock(&routes).is_idle(idle) {
            break;
        }
        let Some(held) = held else { continue };
        let Some(kind) = Kind::read(&held.message, &limits).or_else(|| Kind::guess(&held.message)) else {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!("a stdio server writes to its standard output what is no message; it is not passed on");
            }
            continue;
        };
        let remark = lock(&routes).remark(&kind);
        if let Some(remark) = remark {
            log.put(LogPiece::Remark(remark)).await;
            continue;
        }
        let stream = {
            let mut routes = lock(&routes);
            let Some(stream) = routes.way_of(&kind) else {
                routes.keep(held.message);
                continue;
            };
            stream
        };
        // An error says that nobody waits any more.
        let _ = stream.send(held).await;
    }
    drop((messages, log));
    // A server may close its output and log on; then nobody waits for that.
    let _ = timeout(LOG_GRACE, log_end).await;
    *lock(&routes) = Routes::new(&limits);
}

impl Routes {
    fn new(limits: &Limits) -> Self {
        let max_unheard_bytes = limits.max_bytes.min(MAX_UNHEARD_BYTES);
        Self { used: Instant::now(), running: Vec::new(), listener: None, unheard: VecDeque::new(), max_unheard_bytes }
    }

    fn is_idle(&self, idle: Duration) -> bool {
        self.used.elapsed() >= idle
            && self.running.iter().all(|running| running.answers.is_closed())
            && self.listener.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    /// What to remark of a message that may be meant for anybody.
    fn remark(&self, kind: &Kind) -> Option<String> {
        let count = self.running.len();
        (matches!(kind, Kind::Response { id: None }) && count != 1).then(|| {
            format!(
                "a response without an id came while {count} requests ran; it is passed on to none, and each waits on"
            )
        })
    }

    fn way_of(&mut self, kind: &Kind) -> Option<mpsc::Sender<Held>> {
        // A closed stream takes what is for nobody.
        let nobody = || mpsc::channel(1).0;
        let latest = |routes: &Self| {
            let open = routes.running.iter().rev().find(|running| !running.answers.is_closed());
            open.map(|running| running.answers.clone())
        };
        let listening = |routes: &Self| routes.listener.clone().filter(|listener| !listener.is_closed());
        match kind {
            Kind::Response { id } => {
                // One without an id comes here when one request alone runs.
                let at = self.running.iter().position(|running| id.as_ref().is_none_or(|id| running.id == *id));
                Some(at.map_or_else(nobody, |at| self.running.remove(at).answers))
            }
            Kind::Unreadable => Some(latest(self).unwrap_or_else(nobody)),
            Kind::Notification { progress_of: Some(token), .. } => {
                // The latest: an earlier one with this token may be given up and not answered yet.
                let asked = self.running.iter().rev().find(|running| running.token.as_ref() == Some(token));
                asked.map(|running| running.answers.clone()).or_else(|| listening(self))
            }
            Kind::Notification { is_change: true, .. } => listening(self),
            Kind::Notification { .. } | Kind::Request { .. } => latest(self).or_else(|| listening(self)),
        }
    }

    fn keep(&mut self, message: Bytes) {
        self.unheard.push_back(message);
        let bytes = |unheard: &VecDeque<Bytes>| unheard.iter().map(Bytes::len).sum::<usize>();
        while self.unheard.len() > MAX_UNHEARD || bytes(&self.unheard) > self.max_unheard_bytes {
            self.unheard.pop_front();
        }
    }
}

fn lock(routes: &Mutex<Routes>) -> MutexGuard<'_, Routes> {
    routes.lock().unwrap_or_else(PoisonError::into_inner)
}
