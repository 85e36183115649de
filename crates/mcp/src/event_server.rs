//! A server of MCP 2024-11-05, "Transports: HTTP with SSE", as an endpoint of Streamable HTTP: the rest of the gateway knows
//! one transport.
//!
//! `initialize` opens a stream of its own (GET), whose first event says where messages go, and is answered with an
//! `Mcp-Session-Id` that stands for that stream; what is sent with that id is posted there. What comes on the stream goes to
//! who waits for it ([`Switch`]). When the stream has ended, its id is unknown (404), and answers that had not come break
//! off. The ids never reach a client. Refused: messages that would go to another origin than the configured address's, and
//! an address that is late, too long, or none. A stream that nobody reads is not read either.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use vidimus_core::json::Limits;
use vidimus_core::{ErrorKind, Principal};
use vidimus_gate::{SendError, Upstream, Wire};
use vidimus_net::{HttpTarget, TargetBody};
use vidimus_stdio::{Answer, Delivered, Held, Switch, is_initialize};

use crate::headers::{self, EVENT_STREAM, SESSION_ID};
use crate::sse;

/// The longest address that messages are sent to.
const MAX_ADDRESS_BYTES: usize = 4 << 10;

/// Bytes of a stream before its first event.
const MAX_BEFORE_ADDRESS: usize = 64 << 10;

/// KiB of messages that nobody has taken, beyond the longest message.
const UNTAKEN_KIB: usize = 4 << 10;

/// How much of the answer to a POST is read, so that its connection can be used again, and for how long.
const RECEIPT_BYTES: usize = 4 << 10;
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(1);

/// Characters of a server's own words in an error.
const MAX_SHOWN: usize = 200;

/// Why there is no stream to send messages by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventServerError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the target answered GET with status {0}: it has no SSE endpoint there (transport = \"sse\")")]
    Status(StatusCode),
    #[error("the target's SSE endpoint is no stream of events")]
    NoEvents,
    #[error("the target's stream ended, or began with something else, before it said where messages go")]
    NoAddress,
    #[error("the target did not say where messages go within {0:?} (request_timeout)")]
    Late(Duration),
    #[error(
        "too many streams of this principal, or of all, are open at the target (a quarter, and three, of its `requests`)"
    )]
    Crowded,
    #[error("the target wants messages sent to {0}, which is no address of its own origin")]
    Foreign(String),
}

impl EventServerError {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Send(SendError::Evidence(_)) => ErrorKind::Evidence,
            Self::Send(SendError::Upstream(error)) => error.kind(),
            Self::Send(SendError::Credential(error)) => error.kind(),
            Self::Late(_) => ErrorKind::Timeout,
            Self::Crowded => ErrorKind::Limit,
            Self::Status(_) | Self::NoEvents | Self::NoAddress | Self::Foreign(_) => ErrorKind::Upstream,
        }
    }

    /// What the caller is told: nothing of addresses or the network.
    pub(crate) const fn public_message(&self) -> &'static str {
        match self {
            Self::Send(SendError::Credential(error)) => error.public_message(),
            Self::Send(_) => "the target cannot be reached",
            Self::Status(_) | Self::NoEvents => "the target has no SSE endpoint at its address",
            Self::NoAddress => "the target did not say where messages go",
            Self::Late(_) => "the target did not answer in time",
            Self::Crowded => "too many sessions are open at the target; close some",
            Self::Foreign(_) => "the target wants messages sent to another origin",
        }
    }
}

/// The way to such a server. Clones are the same one.
#[derive(Clone)]
pub struct EventServer(Arc<Shared>);

struct Shared {
    upstream: Upstream<HttpTarget>,
    limits: Limits,
    patience: Duration,
    next: AtomicU64,
    sessions: Mutex<HashMap<String, Arc<Connection>>>,
    streams: Arc<Streams>,
}

/// One stream that is open, and where its messages go. Dropping it closes the stream.
struct Connection {
    _share: Share,
    path: PathAndQuery,
    switch: Switch,
    ended: CancellationToken,
    _end: DropGuard,
}

impl EventServer {
    /// The server at the address of `upstream`. Its messages have `response_bytes` at most; where they go it must have
    /// said within `patience`. Of the `requests` that may be under way at once, streams leave some to messages.
    pub fn new(upstream: Upstream<HttpTarget>, response_bytes: usize, patience: Duration, requests: usize) -> Self {
        let limits = Limits { max_bytes: response_bytes, ..Limits::default() };
        let (next, sessions) = (AtomicU64::new(1), Mutex::default());
        let streams = Arc::new(Streams::new(requests));
        Self(Arc::new(Shared { upstream, limits, patience, next, sessions, streams }))
    }

    /// Sends a message as Streamable HTTP has it.
    pub(crate) async fn send(&self, wire: Wire, head: HeaderMap) -> Result<Response<Answer>, EventServerError> {
        if let Some(id) = id_of(&head) {
            let Some(connection) = self.connection(id) else { return Ok(Answer::none(StatusCode::NOT_FOUND)) };
            return self.post(&connection, wire, head).await;
        }
        // What is of no session starts one, or is of an era that this transport does not have.
        if !is_initialize(wire.bytes(), &Limits { max_bytes: usize::MAX, ..Limits::default() }) {
            return Ok(Answer::none(StatusCode::BAD_REQUEST));
        }
        let connection = Arc::new(self.open(&wire, &head).await?);
        let mut response = self.post(&connection, wire, head).await?;
        if response.status().is_success() {
            let number = self.0.next.fetch_add(1, Ordering::Relaxed);
            let mut sessions = self.sessions();
            sessions.retain(|_, connection| !connection.ended.is_cancelled());
            sessions.insert(number.to_string(), connection);
            response.headers_mut().insert(SESSION_ID, HeaderValue::from(number));
        }
        Ok(response)
    }

    /// Listens to what belongs to no request. What is sent with it says which session that is of.
    pub(crate) async fn listen(&self, wire: Wire, head: &HeaderMap) -> Result<Response<Answer>, SendError> {
        self.0.upstream.ready(&wire).await?;
        let Some(connection) = id_of(head).and_then(|id| self.connection(id)) else {
            return Ok(Answer::none(StatusCode::NOT_FOUND));
        };
        Ok(connection.switch.listen().map_or_else(|| Answer::none(StatusCode::CONFLICT), Answer::stream))
    }

    /// Closes the stream of a session.
    pub(crate) fn end(&self, head: &HeaderMap) -> Response<Answer> {
        if let Some(id) = id_of(head) {
            drop(self.sessions().remove(id));
        }
        Answer::none(StatusCode::OK)
    }

    /// Opens a stream and waits for the address that it begins with.
    async fn open(&self, wire: &Wire, head: &HeaderMap) -> Result<Connection, EventServerError> {
        let Shared { upstream, limits, patience, streams, .. } = &*self.0;
        let share = streams.enter(wire.principal()).ok_or(EventServerError::Crowded)?;
        let mut head = head.clone();
        head.remove(CONTENT_TYPE);
        head.insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
        let response = upstream.open(wire, head).await?;
        if response.status() != StatusCode::OK {
            return Err(EventServerError::Status(response.status()));
        }
        if !headers::is_event_stream(response.headers()) {
            return Err(EventServerError::NoEvents);
        }
        let mut body = response.into_body();
        let mut decoder = sse::Decoder::new(limits.max_bytes);
        let begun = tokio::time::timeout(*patience, address(&mut body, &mut decoder));
        let (address, first) = begun.await.map_err(|_| EventServerError::Late(*patience))??;
        let path = path_of(upstream.url(), &address).ok_or_else(|| EventServerError::Foreign(shown(&address)))?;
        let (switch, ended) = (Switch::new(*limits), CancellationToken::new());
        let reader = Reader { body, decoder, switch: switch.clone(), max_bytes: limits.max_bytes, has_warned: false };
        let own = ended.clone();
        tokio::spawn(async move {
            own.run_until_cancelled(reader.read(first)).await;
            own.cancel();
        });
        Ok(Connection { _share: share, path, switch, _end: ended.clone().drop_guard(), ended })
    }

    /// Posts a message; what comes back to it on the stream, if it is a request.
    ///
    /// Some servers answer the POST only when they have done what it asks, so what comes on the stream is not kept waiting
    /// for that.
    async fn post(
        &self,
        connection: &Arc<Connection>,
        wire: Wire,
        mut head: HeaderMap,
    ) -> Result<Response<Answer>, EventServerError> {
        let stream = match connection.switch.expect(wire.bytes()) {
            Ok(stream) => stream,
            Err(untaken) => return Ok(Answer::untaken(&untaken)),
        };
        head.remove(&SESSION_ID);
        let posted = tokio::spawn(self.clone().posted(Arc::clone(connection), wire, head));
        let mut posting = Posting { posted, goes_on: false };
        let Some(mut stream) = stream else {
            return Ok(Answer::none(match posting.end().await? {
                Some(status) if status.is_success() => StatusCode::ACCEPTED,
                status => status.unwrap_or(StatusCode::NOT_FOUND),
            }));
        };
        let status = tokio::select! {
            biased;
            has_begun = stream.begun() => if has_begun { None } else { posting.end().await? },
            status = posting.end() => status?,
        };
        // Without a status it may have arrived, and the stream says what came of it.
        if let Some(status) = status.filter(|status| !status.is_success()) {
            return Ok(Answer::none(status));
        }
        posting.goes_on = true;
        Ok(Answer::stream(stream))
    }

    /// Posts a message to its end: the status, or none where its stream has ended before there was one. If it fails, whoever
    /// waits for an answer to it waits no longer.
    async fn posted(
        self,
        connection: Arc<Connection>,
        wire: Wire,
        head: HeaderMap,
    ) -> Result<Option<StatusCode>, SendError> {
        let message = wire.bytes().clone();
        let sent = self.0.upstream.send_at(&connection.path, wire, head);
        let response = tokio::select! {
            biased;
            response = sent => response.inspect_err(|_| connection.switch.give_up(&message))?,
            () = connection.ended.cancelled() => return Ok(None),
        };
        let status = response.status();
        tokio::spawn(tokio::time::timeout(
            RECEIPT_TIMEOUT,
            Limited::new(response.into_body(), RECEIPT_BYTES).collect(),
        ));
        if status == StatusCode::NOT_FOUND {
            // It does not know its own stream any more.
            connection.ended.cancel();
        }
        if !status.is_success() {
            connection.switch.give_up(&message);
        }
        Ok(Some(status))
    }

    /// The stream of a session, while it is open.
    fn connection(&self, id: &str) -> Option<Arc<Connection>> {
        let mut sessions = self.sessions();
        let connection = sessions.get(id)?;
        if connection.ended.is_cancelled() {
            sessions.remove(id);
            return None;
        }
        Some(Arc::clone(connection))
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message that is being posted. Dropped before it is known what came of it, the request is given up.
struct Posting {
    posted: JoinHandle<Result<Option<StatusCode>, SendError>>,
    goes_on: bool,
}

impl Posting {
    /// Cancel safe.
    async fn end(&mut self) -> Result<Option<StatusCode>, SendError> {
        // A panic has its own word in the log; the stream is of no use after it.
        (&mut self.posted).await.unwrap_or(Ok(Some(StatusCode::INTERNAL_SERVER_ERROR)))
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        if !self.goes_on {
            self.posted.abort();
        }
    }
}

/// How many streams each principal has open. Each takes one of the target's requests for as long as it is open.
struct Streams {
    open: Mutex<HashMap<String, usize>>,
    most: usize,
    most_of_one: usize,
}

/// A stream among those of its principal, until this is dropped.
struct Share {
    streams: Arc<Streams>,
    who: String,
}

impl Streams {
    /// A quarter of the requests is left to messages, and no principal has more than a quarter of them for streams.
    fn new(requests: usize) -> Self {
        let quarter = (requests / 4).max(1);
        Self { open: Mutex::default(), most: requests.saturating_sub(quarter).max(1), most_of_one: quarter }
    }

    fn enter(self: &Arc<Self>, principal: &Principal) -> Option<Share> {
        let who = principal.id();
        let mut open = self.open();
        let of_one = open.get(&who).copied().unwrap_or(0);
        if of_one >= self.most_of_one || open.values().sum::<usize>() >= self.most {
            return None;
        }
        open.insert(who.clone(), of_one + 1);
        Some(Share { streams: Arc::clone(self), who })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        match open.get_mut(&self.who) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&self.who)),
        }
    }
}

/// What a server wrote, fit for a log: one line, not long.
fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect()
}

fn id_of(head: &HeaderMap) -> Option<&str> {
    head.get(&SESSION_ID).and_then(|id| id.to_str().ok())
}

/// The address that a stream begins with, and the events that came along.
async fn address(
    body: &mut TargetBody,
    decoder: &mut sse::Decoder,
) -> Result<(String, Vec<sse::Event>), EventServerError> {
    let (mut events, mut read) = (Vec::new(), 0_usize);
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        read = read.saturating_add(data.len());
        decoder.push(&data, &mut events).map_err(|_| EventServerError::NoAddress)?;
        if !events.is_empty() {
            let first = events.remove(0);
            let address = String::from_utf8(first.data.to_vec()).ok().filter(|text| text.len() <= MAX_ADDRESS_BYTES);
            let address = address.filter(|_| first.name == sse::ENDPOINT).ok_or(EventServerError::NoAddress)?;
            return Ok((address, events));
        }
        if read > MAX_BEFORE_ADDRESS {
            break;
        }
    }
    Err(EventServerError::NoAddress)
}

/// Takes what comes on a stream to who waits for it.
struct Reader {
    body: TargetBody,
    decoder: sse::Decoder,
    switch: Switch,
    max_bytes: usize,
    /// A server that sends what is no message is told of once.
    has_warned: bool,
}

impl Reader {
    /// Reads until the stream ends; then whoever waits for something waits no longer.
    async fn read(mut self, mut events: Vec<sse::Event>) {
        let kib = self.max_bytes.div_ceil(1024).saturating_add(UNTAKEN_KIB).min(Semaphore::MAX_PERMITS);
        let room = Arc::new(Semaphore::new(kib));
        loop {
            for event in std::mem::take(&mut events) {
                // Another address, or what nobody knows, is no message.
                if event.name == "message" && !event.data.is_empty() {
                    self.deliver(sse::flatten(&event.data), &room).await;
                }
            }
            let Some(Ok(frame)) = self.body.frame().await else { break };
            let Ok(data) = frame.into_data() else { continue };
            if let Err(error) = self.decoder.push(&data, &mut events) {
                tracing::warn!(%error, "the stream of a server that speaks HTTP with SSE is closed");
                break;
            }
        }
        self.switch.close();
    }

    async fn deliver(&mut self, message: Bytes, room: &Arc<Semaphore>) {
        let size = u32::try_from(message.len().div_ceil(1024)).unwrap_or(u32::MAX);
        let room = Arc::clone(room).acquire_many_owned(size).await.ok();
        let remark = match self.switch.deliver(Held::new(message, room)).await {
            Delivered::Yes => return,
            Delivered::NoMessage => "it holds what is no message, which is not passed on".to_owned(),
            Delivered::Remark(remark) => remark,
        };
        if !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(%remark, "of a server's stream, and of what else like it comes on it");
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.switch.close();
    }
}

/// Path and query of where a server wants its messages, as a reference relative to `base` (RFC 3986 §5.2); none when that is
/// of another origin, or no reference. Dot segments stay: the server reads them.
fn path_of(base: &Uri, reference: &str) -> Option<PathAndQuery> {
    let reference = reference.split('#').next().unwrap_or_default();
    if reference.is_empty() || !reference.bytes().all(|byte| matches!(byte, 0x21..=0x7E)) || reference.contains('\\') {
        return None;
    }
    let scheme = base.scheme_str()?;
    let has_scheme = reference.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
    let absolute = match reference.strip_prefix("//") {
        Some(_) => Some(format!("{scheme}:{reference}")),
        None => has_scheme.then(|| reference.to_owned()),
    };
    if let Some(absolute) = absolute {
        let uri: Uri = absolute.parse().ok()?;
        let is_own = uri.scheme() == base.scheme() && place(&uri)? == place(base)?;
        return uri.path_and_query().filter(|_| is_own).cloned();
    }
    let own_path = base.path();
    match reference.chars().next()? {
        '/' => reference.parse().ok(),
        '?' => format!("{own_path}{reference}").parse().ok(),
        _ => format!("{}/{reference}", own_path.rsplit_once('/').map_or("", |(before, _)| before)).parse().ok(),
    }
}

/// Host and port, written one way.
fn place(uri: &Uri) -> Option<(String, u16)> {
    let authority = uri.authority().filter(|authority| !has_user(authority))?;
    let own_port = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    Some((authority.host().to_ascii_lowercase(), authority.port_u16().unwrap_or(own_port)))
}

fn has_user(authority: &Authority) -> bool {
    authority.as_str().contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_leave_room_for_messages_and_for_other_principals() {
        let principal = |subject: &str| Principal {
            kind: vidimus_core::PrincipalKind::User,
            issuer: "corp".into(),
            subject: subject.into(),
            groups: Vec::new(),
            display: None,
            actor_chain: Vec::new(),
            amr: Vec::new(),
            client_id: None,
        };
        let streams = Arc::new(Streams::new(8));
        let mut mine: Vec<_> = (0..3).map(|_| streams.enter(&principal("mallory"))).collect();
        assert_eq!(mine.iter().flatten().count(), 2, "a quarter");
        let others: Vec<_> = (0..6).map(|number| streams.enter(&principal(&number.to_string()))).collect();
        assert_eq!(others.iter().flatten().count(), 4, "three quarters in all");
        mine.clear();
        assert!(streams.enter(&principal("mallory")).is_some());
        drop(others);
        assert!(streams.open().is_empty());
        // Where there is one request at a time, there is one stream.
        let one = Arc::new(Streams::new(1));
        let share = one.enter(&principal("ann"));
        assert!(share.is_some() && one.enter(&principal("bob")).is_none());
    }

    #[test]
    fn a_servers_words_are_one_short_line() {
        assert_eq!(shown("http://x/\n2026 ERROR\u{1b}[31m"), "http://x/\\n2026 ERROR\\u{1b}[31m");
        assert_eq!(shown(&"x".repeat(4096)).len(), MAX_SHOWN);
    }

    #[test]
    fn messages_go_to_the_same_origin_or_nowhere() {
        let base: Uri = "http://Example.com/a/sse?x=1".parse().unwrap();
        for (reference, path) in [
            ("/messages/?session_id=1", "/messages/?session_id=1"),
            ("?session=1", "/a/sse?session=1"),
            ("messages?id=a:b", "/a/messages?id=a:b"),
            ("http://example.com/m#x", "/m"),
            ("http://example.com:80/m?x", "/m?x"),
            ("//EXAMPLE.com/m", "/m"),
            ("http://example.com", "/"),
            ("/m?to=http://elsewhere", "/m?to=http://elsewhere"),
        ] {
            assert_eq!(path_of(&base, reference).map(|path| path.to_string()).as_deref(), Some(path), "{reference}");
        }
        for foreign in [
            "",
            "#x",
            "https://example.com/m",
            "http://example.com:8080/m",
            "http://elsewhere/m",
            "//elsewhere/m",
            "http://example.com@elsewhere/m",
            "http://user@example.com/m",
            "http:/m",
            "file:///etc/passwd",
            "/m\r\nx: y",
            "/\\elsewhere/m",
            "/m m",
            "javascript:1",
        ] {
            assert_eq!(path_of(&base, foreign), None, "{foreign}");
        }
    }
}
