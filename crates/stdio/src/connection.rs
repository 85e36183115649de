//! One running server and who waits for what it says: JSON-RPC over one pair of pipes, taken apart into streams.
//!
//! A response goes to the stream of the request with its id, which it ends. Progress goes to the request that has its
//! token. Whatever else the server sends while requests run (its own requests, log messages) goes to the latest of
//! them, as a server that speaks Streamable HTTP would do; changes of lists and resources go to who listens. What nobody
//! takes waits, up to a bound, for the next listener; beyond it the oldest is dropped.
//!
//! A stream that is not read makes the server wait: it is one pipe, and nothing is buffered without bound. A server of
//! which nobody wants anything for long enough is ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, timeout};
use vidimus_core::json::{Document, Limits, Value};

use crate::child::{ChildError, Messages};
use crate::pool::Lease;

/// Messages waiting in one stream.
const STREAM_QUEUE: usize = 16;
/// Messages nobody listened to, kept for the next listener.
const MAX_UNHEARD: usize = 64;
/// Requests of one client that may run at once.
const MAX_RUNNING: usize = 256;

/// How long who waits for a server that says no more waits for the rest of its log.
const LOG_GRACE: Duration = Duration::from_millis(250);

/// In so many parts of the idle time it is looked at whether the server is idle.
const IDLE_LOOKS: u32 = 4;

/// What the server says to one request, or to who listens.
pub(crate) type Stream = mpsc::Receiver<Bytes>;

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
    listener: Option<mpsc::Sender<Bytes>>,
    unheard: VecDeque<Bytes>,
}

#[derive(Debug)]
struct Running {
    id: Key,
    token: Option<Key>,
    answers: mpsc::Sender<Bytes>,
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
}

/// What a message is, as far as its way depends on it.
#[derive(Debug)]
enum Kind {
    Request { id: Key, token: Option<Key>, is_initialize: bool },
    Notification { progress_of: Option<Key>, is_change: bool },
    Response { id: Option<Key> },
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
    /// Takes over a server that has just started, to end it when it is unused for `idle`. Must be called in a runtime.
    pub(crate) fn new(mut lease: Lease, limits: Limits, idle: Duration) -> Self {
        let routes = Arc::new(Mutex::new(Routes::new()));
        if let Some(messages) = lease.messages.take() {
            tokio::spawn(distribute(messages, Arc::clone(&routes), limits, idle, lease.child.log_end()));
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
            let _ = sender.try_send(message);
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
    log_end: impl Future<Output = ()> + Send,
) {
    let mut told = false;
    loop {
        let message = match timeout(idle / IDLE_LOOKS, messages.next()).await {
            Ok(Some(message)) => message,
            Err(_) if !lock(&routes).is_idle(idle) => continue,
            Ok(None) | Err(_) => break,
        };
        let Some(kind) = Kind::read(&message, &limits) else {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!("a stdio server writes to its standard output what is no message; it is not passed on");
            }
            continue;
        };
        let stream = {
            let mut routes = lock(&routes);
            let Some(stream) = routes.way_of(&kind) else {
                routes.keep(message);
                continue;
            };
            stream
        };
        // An error says that nobody waits any more.
        let _ = stream.send(message).await;
    }
    drop(messages);
    // A server may close its output and log on; then nobody waits for that.
    let _ = timeout(LOG_GRACE, log_end).await;
    *lock(&routes) = Routes::new();
}

impl Routes {
    fn new() -> Self {
        Self { used: Instant::now(), running: Vec::new(), listener: None, unheard: VecDeque::new() }
    }

    fn is_idle(&self, idle: Duration) -> bool {
        self.used.elapsed() >= idle
            && self.running.iter().all(|running| running.answers.is_closed())
            && self.listener.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    fn way_of(&mut self, kind: &Kind) -> Option<mpsc::Sender<Bytes>> {
        let latest = |routes: &Self| {
            let open = routes.running.iter().rev().find(|running| !running.answers.is_closed());
            open.map(|running| running.answers.clone())
        };
        let listening = |routes: &Self| routes.listener.clone().filter(|listener| !listener.is_closed());
        match kind {
            Kind::Response { id } => {
                let at = self.running.iter().position(|running| Some(&running.id) == id.as_ref());
                // A response nobody asked for goes to nobody: a closed stream takes it.
                let nobody = || mpsc::channel(1).0;
                Some(at.map_or_else(nobody, |at| self.running.remove(at).answers))
            }
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
        if self.unheard.len() >= MAX_UNHEARD {
            self.unheard.pop_front();
        }
        self.unheard.push_back(message);
    }
}

fn lock(routes: &Mutex<Routes>) -> MutexGuard<'_, Routes> {
    routes.lock().unwrap_or_else(PoisonError::into_inner)
}
