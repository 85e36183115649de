//! The client side of MCP 2024-11-05, "Transports: HTTP with SSE", at `/sse/{target}` and `/sse`: a transport and nothing
//! else.
//!
//! GET opens a stream, whose first event says where messages are sent: to the same path, with an id that nobody can guess.
//! A POST there is answered 202, and what the message comes to at `/mcp/{target}` is put on the stream. The id authenticates
//! nothing: whoever posts must be the principal that opened the stream, at the same target, or the stream is unknown (404).
//! The session ends with its stream, when the calls in flight have left their outcomes; the stream ends with the token it
//! listens by, with its session, and when an answer cannot be given. Refused besides: messages of 2026-07-28, a second
//! `initialize`, requests while [`REQUESTS`] answers wait to be read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method as HttpMethod, Request, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use vidimus_core::event::Status;
use vidimus_core::json::Limits;
use vidimus_core::{ErrorKind, Principal, TargetName};
use vidimus_gate::{Caller, Lane, Notice, Room};
use vidimus_net::Incoming;

use super::{Adapter, BAD_HEADER, ENDPOINT_PATH, MAX_SESSIONS, Visit, close};
use crate::answer::{FRAMING, Reply, evidenced, told};
use crate::envelope::{Message, MessageKind, Method, Sender};
use crate::headers::{self, EVENT_STREAM, SESSION_ID};
use crate::protected::EVENTS;
use crate::sessions::McpSession;
use crate::target::Target;
use crate::{modern, sse};

/// The parameter of a query that holds the id of a stream.
const SESSION: &str = "session";

/// Requests of one stream whose answers are not all on it yet.
const REQUESTS: u32 = 128;

/// Streams that one principal may have open.
const MAX_OF_PRINCIPAL: usize = MAX_SESSIONS / 10;

/// How long a stream may be open without a session.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_mins(1);

/// How long after the target has ended its own stream it is listened to again, at first and at most.
const LISTEN_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// How often it is looked whether calls in flight have ended.
const LOOK: Duration = Duration::from_millis(250);

/// The streams that are open, by their ids.
#[derive(Default)]
pub(super) struct EventStreams(Mutex<HashMap<Box<str>, Arc<EventStream>>>);

/// The stream of one client.
struct EventStream {
    lane: Lane,
    principal: Arc<Principal>,
    target: TargetName,
    /// A place for each request whose answers are not all on the stream yet.
    places: Arc<Semaphore>,
    /// A session is being opened, or has been.
    is_begun: AtomicBool,
    /// What the session is called at `/mcp/{target}`.
    session: OnceLock<HeaderValue>,
    is_listening: AtomicBool,
    /// Cancelled when the stream has ended.
    gone: CancellationToken,
}

/// The path at `/mcp` of what is at this one; none when it is no path of this transport.
pub(super) fn beside(path: &str) -> Option<String> {
    let below = path.strip_prefix(EVENTS).filter(|below| below.is_empty() || below.starts_with('/'))?;
    Some(format!("{ENDPOINT_PATH}{below}"))
}

impl EventStreams {
    /// Enters a stream, if there is room for one more, and for one more of its principal.
    fn enter(&self, stream: &Arc<EventStream>) -> bool {
        let mut open = self.open();
        let of_principal = || open.values().filter(|other| other.principal.is_same(&stream.principal)).count();
        let has_room = open.len() < MAX_SESSIONS && of_principal() < MAX_OF_PRINCIPAL;
        if has_room {
            open.insert(stream.lane.id().into(), Arc::clone(stream));
        }
        has_room
    }

    /// The stream of this id, if it is this principal's at this target.
    fn find(&self, id: &str, principal: &Principal, target: &Target) -> Option<Arc<EventStream>> {
        let stream = self.open().get(id).map(Arc::clone)?;
        (stream.principal.is_same(principal) && stream.target == target.spec.name).then_some(stream)
    }

    fn remove(&self, stream: &EventStream) {
        self.open().remove(stream.lane.id());
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<EventStream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventStream {
    /// The headers of a message in its session.
    fn in_session(&self, headers: &HeaderMap) -> HeaderMap {
        let mut headers = headers.clone();
        // This transport does not know the header: what a client sends of it means nothing.
        headers.remove(&SESSION_ID);
        if let Some(session) = self.session.get() {
            headers.insert(SESSION_ID, session.clone());
        }
        headers
    }
}

/// A message on its way, with what it came with.
struct Passed {
    stream: Arc<EventStream>,
    caller: Caller,
    target: Arc<Target>,
    headers: HeaderMap,
}

impl Passed {
    fn visit(&self) -> Visit<'_> {
        Visit { caller: &self.caller, target: &self.target, session: None, gone: &self.stream.gone }
    }
}

impl Adapter {
    /// Answers a request to a path of this transport.
    pub(super) async fn with_events(
        &self,
        caller: &Caller,
        target: &Arc<Target>,
        request: Request<Incoming>,
        gone: &CancellationToken,
    ) -> Result<Reply, Reply> {
        let visit = Visit { caller, target, session: None, gone };
        let id = request.uri().query().and_then(id_of).map(str::to_owned);
        match (request.method(), id) {
            (&HttpMethod::GET, None) => self.stream_opened(&visit, &request).await,
            (&HttpMethod::POST, Some(id)) => self.posted_beside(&visit, request, &id).await,
            // A client that speaks Streamable HTTP too tries that first, and learns by this status that it is not here.
            _ => Err(self.no_method(caller, target).await),
        }
    }

    /// Opens a stream.
    async fn stream_opened(&self, visit: &Visit<'_>, request: &Request<Incoming>) -> Result<Reply, Reply> {
        if !headers::accepts(request.headers(), EVENT_STREAM) {
            let denied = self.reject(visit, ErrorKind::Malformed, "not_acceptable", "", &[]).await;
            return Err(evidenced(&denied, StatusCode::NOT_ACCEPTABLE, Notice::NotAcceptable));
        }
        let address = format!("{}{}?{SESSION}=", self.0.resources.prefix(), request.uri().path());
        let Some((lane, body)) = Lane::open(&address, sse::BEFORE_ENDPOINT, FRAMING) else {
            return Err(Reply::notice(StatusCode::INTERNAL_SERVER_ERROR, Notice::Failed));
        };
        let stream = Arc::new(EventStream {
            lane,
            principal: Arc::clone(visit.caller.principal()),
            target: visit.target.spec.name.clone(),
            places: Arc::new(Semaphore::new(usize::try_from(REQUESTS).unwrap_or(usize::MAX))),
            is_begun: AtomicBool::new(false),
            session: OnceLock::new(),
            is_listening: AtomicBool::new(false),
            gone: CancellationToken::new(),
        });
        if !self.0.event_streams.enter(&stream) {
            let text = "too many sessions are open; try again later";
            let denied = self.reject(visit, ErrorKind::Limit, "sessions", text, &[]).await;
            return Err(told(StatusCode::SERVICE_UNAVAILABLE, None, BAD_HEADER, &denied));
        }
        self.0.requests.spawn(self.clone().kept(stream));
        Ok(Reply::events(body))
    }

    /// Waits for the end of a stream, then ends its session when the calls in flight are over.
    async fn kept(self, stream: Arc<EventStream>) {
        let unused = async {
            tokio::time::sleep(HANDSHAKE_TIMEOUT).await;
            if stream.session.get().is_some() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = stream.lane.ended() => {}
            () = unused => {}
            () = self.0.stop.cancelled() => {}
        }
        self.0.event_streams.remove(&stream);
        stream.lane.end();
        stream.gone.cancel();
        // A session that is being opened is known when its request is through.
        let Ok(_places) = stream.places.acquire_many(REQUESTS).await else { return };
        let session = stream.session.get().and_then(|id| id.to_str().ok()).and_then(|id| self.0.sessions.remove(id));
        let Some(session) = session else { return };
        // "Disconnection SHOULD NOT be interpreted as the client cancelling its request" (MCP 2025-11-25).
        let idle = async {
            while is_used(&session) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let reason = if self.0.stop.run_until_cancelled(idle).await.is_some() { "client" } else { "shutdown" };
        close(vec![session], reason).await;
    }

    /// Takes a message for a stream.
    async fn posted_beside(&self, outside: &Visit<'_>, request: Request<Incoming>, id: &str) -> Result<Reply, Reply> {
        self.must_be_json(outside, request.headers()).await?;
        let Some(stream) = self.0.event_streams.find(id, outside.caller.principal(), outside.target) else {
            let text = "the stream is unknown; open a new one with GET";
            let denied = self.reject(outside, ErrorKind::NotFound, "unknown_session", text, &[]).await;
            return Err(told(StatusCode::NOT_FOUND, None, BAD_HEADER, &denied));
        };
        let (head, body) = request.into_parts();
        let (body, room) = self.body(outside, body).await?;
        let headers = stream.in_session(&head.headers);
        let limits = Limits { max_bytes: outside.target.limits.request_bytes, ..Limits::default() };
        let message = match Message::parse(body.clone(), Sender::Client, &limits) {
            Ok(message) => message,
            Err(error) => return Err(self.malformed(outside, &headers, &error, &body).await),
        };
        let refused = |status, reason, text: &'static str| {
            let message = &message;
            async move {
                let kind =
                    if status == StatusCode::TOO_MANY_REQUESTS { ErrorKind::Limit } else { ErrorKind::Malformed };
                let denied = self.reject(outside, kind, reason, text, message.bytes()).await;
                told(status, message.id(), BAD_HEADER, &denied)
            }
        };
        if modern::is_modern(&headers, &message) {
            let text = "HTTP with SSE is of revisions before 2026-07-28; send messages of that one to /mcp";
            return Err(refused(StatusCode::BAD_REQUEST, "not_of_transport", text).await);
        }
        let is_hello = message.method() == Some(Method::Initialize) && message.id().is_some();
        if is_hello && stream.is_begun.swap(true, Ordering::AcqRel) {
            let text = "the stream has a session already; open another stream for another one";
            return Err(refused(StatusCode::BAD_REQUEST, "initialize_in_session", text).await);
        }
        if !is_hello && stream.session.get().is_none() {
            let text = "the stream has no session yet: send initialize first, and wait for its answer";
            return Err(refused(StatusCode::BAD_REQUEST, "no_session", text).await);
        }
        let (caller, target) = (outside.caller.clone(), Arc::clone(outside.target));
        let passed = Passed { stream: Arc::clone(&stream), caller, target, headers };
        if matches!(message.kind(), MessageKind::Request { .. }) {
            let Ok(place) = Arc::clone(&stream.places).try_acquire_owned() else {
                let text = "too many answers wait to be read from the stream; read them first";
                return Err(refused(StatusCode::TOO_MANY_REQUESTS, "too_many_answers", text).await);
            };
            if !is_hello {
                self.hear_once(&passed);
            }
            self.0.requests.spawn(self.clone().answered_beside(passed, message, (room, place)));
            return Ok(Reply::notice(StatusCode::ACCEPTED, Notice::Empty));
        }
        let is_begin = message.method() == Some(Method::Initialized);
        let taken = self.taken(&passed.visit(), &passed.headers, message).await;
        if is_begin && taken.is_ok() {
            self.hear_once(&passed);
        }
        // It has no answer, and some clients take a refusal of one message for the end of all: it is on record.
        taken.or_else(|reply| match reply.status {
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::SERVICE_UNAVAILABLE => {
                end_if_unknown(&stream, &reply);
                Err(reply)
            }
            _ => Ok(Reply::notice(StatusCode::ACCEPTED, Notice::Empty)),
        })
    }

    /// Answers a request on its stream.
    async fn answered_beside(self, passed: Passed, message: Message, (room, _place): (Room, OwnedSemaphorePermit)) {
        let stream = &passed.stream;
        let is_hello = message.method() == Some(Method::Initialize);
        let (Ok(reply) | Err(reply)) = self.taken(&passed.visit(), &passed.headers, message).await;
        drop(room);
        match reply.session.clone() {
            // Set once: there is one such request.
            Some(session) => drop(stream.session.set(session)),
            None if is_hello => stream.is_begun.store(false, Ordering::Release),
            None => {}
        }
        put(stream, reply).await;
    }

    /// Listens to the target for as long as the stream is open. Once.
    fn hear_once(&self, passed: &Passed) {
        if passed.stream.is_listening.swap(true, Ordering::AcqRel) {
            return;
        }
        let Passed { stream, caller, target, .. } = passed;
        let headers = stream.in_session(&HeaderMap::new());
        let passed = Passed { stream: Arc::clone(stream), caller: caller.clone(), target: Arc::clone(target), headers };
        self.0.requests.spawn(self.clone().heard_beside(passed));
    }

    async fn heard_beside(self, passed: Passed) {
        let (mut wait, longest) = LISTEN_AGAIN;
        loop {
            match self.listened(&passed.visit(), &passed.headers).await {
                Ok(reply) => match passed.stream.lane.carry(reply.body).await {
                    // The target has ended its stream, or lost it.
                    Some(Status::Ok | Status::Upstream | Status::Timeout) => {}
                    // The token has expired, policy has changed, or the gateway stops.
                    _ => break,
                },
                // The target could not be listened to.
                Err(reply) if reply.status == StatusCode::METHOD_NOT_ALLOWED => {}
                Err(_) => break,
            }
            let waited = passed.stream.gone.run_until_cancelled(tokio::time::sleep(wait)).await;
            if waited.is_none() {
                break;
            }
            wait = longest.min(wait * 2);
        }
        // No further requests; what was asked is still answered.
        let stream = &passed.stream;
        self.0.event_streams.remove(stream);
        drop(stream.gone.run_until_cancelled(stream.places.acquire_many(REQUESTS)).await);
        stream.lane.end();
    }
}

/// Puts a reply on the stream, which ends when there is no answer to put on it: whoever waits for one then learns of it.
async fn put(stream: &EventStream, reply: Reply) {
    let is_over = reply.is_notice || reply.status == StatusCode::NOT_FOUND;
    let carried = if reply.is_notice { None } else { stream.lane.carry(reply.body).await };
    if is_over || carried.is_none() {
        stream.lane.end();
    }
}

/// Ends a stream whose session is no more.
fn end_if_unknown(stream: &EventStream, reply: &Reply) {
    if reply.status == StatusCode::NOT_FOUND {
        stream.lane.end();
    }
}

/// Whether something runs in a session, or in one beside it.
fn is_used(session: &Arc<McpSession>) -> bool {
    Arc::strong_count(session) > 1 || session.front().is_some_and(crate::sessions::Front::is_used)
}

/// The id of a stream in a query that is nothing else.
fn id_of(query: &str) -> Option<&str> {
    query.strip_prefix(SESSION)?.strip_prefix('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_paths_and_its_addresses() {
        assert_eq!(beside("/sse").as_deref(), Some("/mcp"));
        assert_eq!(beside("/sse/crm").as_deref(), Some("/mcp/crm"));
        for other in ["/mcp", "/ssex", "/", "/mcp/sse"] {
            assert_eq!(beside(other), None, "{other}");
        }
        assert_eq!(id_of("session=a%20b"), Some("a%20b"));
        assert_eq!(id_of("a=b&session=c"), None);
    }
}
