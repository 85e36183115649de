//! Who waits for what one server says on one way: JSON-RPC taken apart into streams.
//!
//! A response goes to the stream of the request with its id, which it ends. Progress goes to the request that has its
//! token. Whatever else the server sends while requests run (its own requests, log messages) goes to the latest of
//! them, as a server that speaks Streamable HTTP would do; changes of lists and resources go to who listens. What nobody
//! takes waits, up to a bound, for the next listener; beyond it the oldest is dropped. An answer that no strict parser
//! takes goes to its request all the same, or to the latest one if it does not say: who asked refuses it as it would
//! refuse it over HTTP, and waits no longer. A response without an id (JSON-RPC 2.0 section 5: the request's could not be
//! read) answers the one request that runs; where it could be another's, there is a remark.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Duration, Instant};
use vidimus_core::json::{Document, Limits, Value};

/// Messages waiting in one stream.
const STREAM_QUEUE: usize = 16;
/// Messages nobody listened to, kept for the next listener.
const MAX_UNHEARD: usize = 64;
/// Bytes of them, and never more than one message may have.
const MAX_UNHEARD_BYTES: usize = 256 << 10;
/// Requests of one client that may run at once.
const MAX_RUNNING: usize = 256;

/// How the ids of requests begin that the gateway makes for a client.
const OWN_REQUESTS: &str = "vidimus/";

/// Every message has it, and hardly anything else that a program prints.
const VERSION_KEY: &[u8] = b"\"jsonrpc\"";

/// A message on its way. It counts as untaken until this is dropped.
#[derive(Debug)]
pub struct Held {
    pub(crate) message: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// A message that takes this room while nobody has taken it; none for one that is counted elsewhere.
    pub const fn new(message: Bytes, room: Option<OwnedSemaphorePermit>) -> Self {
        Self { message, _room: room }
    }
}

/// What the server says to one request, or to who listens.
#[derive(Debug)]
pub struct Stream {
    first: Option<Held>,
    rest: mpsc::Receiver<Held>,
}

/// Why a request cannot be waited for.
#[derive(Debug, thiserror::Error)]
pub enum Untaken {
    /// An id stands for one request at a time.
    #[error("a request with this id is running")]
    IdInUse,
    /// There is a bound.
    #[error("{MAX_RUNNING} requests are running")]
    TooMany,
}

/// What became of a message of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivered {
    /// It was passed on, kept, or dropped as nobody waits for it any more.
    Yes,
    /// It is no message.
    NoMessage,
    /// It may be meant for anybody, so it was passed on to nobody.
    Remark(String),
}

/// Who waits for what one server says. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Switch {
    routes: Arc<Mutex<Routes>>,
    limits: Limits,
}

impl Switch {
    /// One for a server whose messages keep to `limits`.
    pub fn new(limits: Limits) -> Self {
        Self { routes: Arc::new(Mutex::new(Routes::new(&limits))), limits }
    }

    /// The stream of what comes back to a message that is about to be sent; none when nothing comes back to one. An id
    /// stays taken until the server has answered it, though nobody waits any more, and also when the message was not
    /// sent: a late answer must not pass for the answer to another request.
    pub fn expect(&self, message: &Bytes) -> Result<Option<Stream>, Untaken> {
        let mut routes = self.routes();
        routes.used = Instant::now();
        let Some(Kind::Request { id, token, .. }) = Kind::read(message, &self.limits) else { return Ok(None) };
        if routes.running.iter().any(|running| running.id == id) {
            return Err(Untaken::IdInUse);
        }
        if routes.running.len() >= MAX_RUNNING {
            // What was cancelled is never answered; the oldest of it makes room.
            let given_up = routes.running.iter().position(|running| running.answers.is_closed());
            routes.running.remove(given_up.ok_or(Untaken::TooMany)?);
        }
        let (answers, stream) = mpsc::channel(STREAM_QUEUE);
        routes.running.push(Running { id, token, answers });
        Ok(Some(Stream { first: None, rest: stream }))
    }

    /// Ends the stream of a message that did not reach the server after all. Its id stays taken.
    pub fn give_up(&self, message: &Bytes) {
        let Some(Kind::Request { id, .. }) = Kind::read(message, &self.limits) else { return };
        let mut routes = self.routes();
        for running in routes.running.iter_mut().filter(|running| running.id == id) {
            // Nobody listens at the other end.
            running.answers = mpsc::channel(1).0;
        }
    }

    /// Listens to what belongs to no request. `None` while somebody else does.
    pub fn listen(&self) -> Option<Stream> {
        let (sender, stream) = mpsc::channel(MAX_UNHEARD);
        let mut routes = self.routes();
        if routes.listener.as_ref().is_some_and(|listener| !listener.is_closed()) {
            return None;
        }
        for message in routes.unheard.drain(..) {
            // There is room for all of them.
            let _ = sender.try_send(Held::new(message, None));
        }
        routes.listener = Some(sender);
        Some(Stream { first: None, rest: stream })
    }

    /// Takes what the server says to who waits for it, and waits while that one does not read.
    pub async fn deliver(&self, held: Held) -> Delivered {
        let kind = Kind::read(&held.message, &self.limits).or_else(|| Kind::guess(&held.message));
        let Some(kind) = kind else { return Delivered::NoMessage };
        let stream = {
            let mut routes = self.routes();
            if let Some(remark) = routes.remark(&kind) {
                return Delivered::Remark(remark);
            }
            let Some(stream) = routes.way_of(&kind) else {
                routes.keep(held.message);
                return Delivered::Yes;
            };
            stream
        };
        // An error says that nobody waits any more.
        let _ = stream.send(held).await;
        Delivered::Yes
    }

    /// Whether nobody has wanted anything for so long.
    pub(crate) fn is_idle(&self, idle: Duration) -> bool {
        self.routes().is_idle(idle)
    }

    /// Ends all streams: the server says no more.
    pub fn close(&self) {
        *self.routes() = Routes::new(&self.limits);
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this message starts a session (MCP 2025-11-25, "Lifecycle").
pub fn is_initialize(message: &Bytes, limits: &Limits) -> bool {
    matches!(Kind::read(message, limits), Some(Kind::Request { is_initialize: true, .. }))
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
    /// Whether it is one of the gateway's own requests (`vidimus/1`).
    fn is_own(&self) -> bool {
        matches!(self, Self::Text(text) if text.starts_with(OWN_REQUESTS))
    }

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

impl Stream {
    /// Waits for the first message without taking it; false where the stream ends without one. Cancel safe.
    pub async fn begun(&mut self) -> bool {
        if self.first.is_none() {
            self.first = self.rest.recv().await;
        }
        self.first.is_some()
    }

    /// The next message; none at the end.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Held>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => self.rest.poll_recv(context),
        }
    }
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
        // What a client has asked for comes before what the gateway asks for it, of which the client knows nothing.
        let latest = |routes: &Self| {
            let open = || routes.running.iter().rev().filter(|running| !running.answers.is_closed());
            let of_client = open().find(|running| !running.id.is_own());
            of_client.or_else(|| open().next()).map(|running| running.answers.clone())
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
