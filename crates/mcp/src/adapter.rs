//! The client side: Streamable HTTP at `/mcp/{target}` (MCP 2025-03-26 to 2025-11-25, "Transports").
//!
//! In order, each with its record: `Host` and `Origin`, the token, the target, the headers, the message, the session,
//! the tool. Only then is the operation submitted. GET opens the stream of the target's own; a response of the client
//! answers what the target asked. Refused besides: answers to nothing, batches, bodies past the limit. The same with the
//! transport of 2024-11-05, at `/sse/{target}`, is `event_streams`.

mod admission;
mod asked;
mod event_streams;
mod federated;
mod handshake;
mod hearing;
mod locating;
mod opening;
mod stateless;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vidimus_core::event::Status;
use vidimus_core::json::{Limits, Replacement, SpliceError, splice};
use vidimus_core::{Action, ErrorKind, Members, Operation, Protocol, TargetName, ToolDefinition};
use vidimus_gate::{
    Admitted, Answers, Caller, Denied, EvidenceError, Gate, Notice, Rejection, ReleasedBody, Rest, Room, Session,
    Verdict,
};
use vidimus_net::server::Peer;
use vidimus_net::{Incoming, OriginPolicy};

use self::asked::{action, expected, is_continued, method_beside_action, progress};
use self::event_streams::EventStreams;
use crate::answer::{DENIED, Reply, denied_as_asked, evidenced, listening, pending, recorded, refused, relayed, told};
use crate::call::{Call, Expected};
use crate::envelope::{EnvelopeError, Id, Message, MessageKind, Method, Sender, code};
use crate::exchange;
use crate::headers::{self, EVENT_STREAM, JSON, LAST_EVENT_ID, SESSION_ID};
use crate::initialize::{self, Implementation};
use crate::pinned::ToolPin;
use crate::protected::ProtectedResources;
use crate::sessions::{McpSession, Sessions};
use crate::target::Target;
use crate::tools::{DefinitionsError, Tools};
use crate::waiting::{self, Patience};
use crate::{cursors, definitions, federation, listen, members, modern, reply};

/// The path of a target is this and its name.
const PATH: &str = "/mcp/";

/// The path of the endpoint for all targets.
const ENDPOINT_PATH: &str = "/mcp";

/// What listening to a target is called in evidence.
const LISTEN: &str = "listen";

/// What listening is called when it goes on after an event.
const RESUME: &str = "resume";

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);

/// How long targets are told of sessions that are closed together, however many there are.
const TELL_TIMEOUT: Duration = Duration::from_secs(10);

/// Sessions that are closed at once.
const CLOSED_AT_ONCE: usize = 64;

/// Sessions open at once over all targets.
const MAX_SESSIONS: usize = 100_000;

/// MCP's `HeaderMismatch` is of the modern era; legacy servers answer 400 with this JSON-RPC code.
const BAD_HEADER: i32 = code::INVALID_REQUEST;

/// The MCP adapter. Cheap to clone.
#[derive(Clone)]
pub struct Adapter(Arc<Inner>);

struct Inner {
    gate: Gate,
    origins: OriginPolicy,
    resources: ProtectedResources,
    targets: BTreeMap<TargetName, Arc<Target>>,
    /// The endpoint for all of them.
    endpoint: Arc<Target>,
    sessions: Sessions,
    /// The sessions of the modern era, by what tells them apart.
    stateless: Sessions,
    /// The streams of clients that speak HTTP with SSE.
    event_streams: EventStreams,
    /// The requests being answered, and the readings of definitions.
    requests: TaskTracker,
    /// What they do not go on after: then nothing of a target is waited for any more.
    stop: CancellationToken,
}

/// Where a message of a caller is about to go.
struct Visit<'a> {
    caller: &'a Caller,
    target: &'a Arc<Target>,
    session: Option<&'a Arc<McpSession>>,
    /// Says that the client is not there any more.
    gone: &'a CancellationToken,
}

impl Adapter {
    /// The adapter for these targets, and for the endpoint of them all. Must be called in a runtime: it reads their
    /// definitions there.
    pub fn new(
        gate: Gate,
        origins: OriginPolicy,
        resources: ProtectedResources,
        targets: Vec<Target>,
        endpoint: Target,
    ) -> Self {
        let targets: BTreeMap<TargetName, Arc<Target>> =
            targets.into_iter().map(|target| (target.spec.name.clone(), Arc::new(target))).collect();
        let (requests, stop) = (TaskTracker::new(), CancellationToken::new());
        for target in targets.values() {
            requests.spawn(definitions::keep(gate.clone(), Arc::clone(target), stop.clone()));
        }
        let (sessions, stateless) = (Sessions::new(MAX_SESSIONS), Sessions::new(MAX_SESSIONS));
        let endpoint = Arc::new(endpoint);
        let event_streams = EventStreams::default();
        let inner =
            Inner { gate, origins, resources, targets, endpoint, sessions, stateless, event_streams, requests, stop };
        Self(Arc::new(inner))
    }

    /// Answers one request. The work goes on when this future is dropped because the client has gone: a session that
    /// is being opened or closed is never left half way.
    pub async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Response<ReleasedBody> {
        let adapter = self.clone();
        let gone = CancellationToken::new();
        let guard = gone.clone().drop_guard();
        let has_streams_alone = event_streams::beside(request.uri().path()).is_some();
        let replied = self.0.requests.spawn(async move { adapter.replied(peer, request, gone).await }).await;
        // From here on the client's going shows in the body of the answer.
        drop(guard.disarm());
        let reply = match replied {
            Ok(Ok(reply) | Err(reply)) => reply,
            Err(_) => Reply::notice(StatusCode::INTERNAL_SERVER_ERROR, Notice::Failed),
        };
        let mut response = Response::new(reply.body);
        *response.status_mut() = reply.status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        if let Some(content_type) = reply.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(session) = reply.session {
            headers.insert(SESSION_ID, session);
        }
        if reply.content_type == Some(EVENT_STREAM) {
            headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        }
        if let Some(challenge) = reply.challenge {
            headers.insert(WWW_AUTHENTICATE, *challenge);
        }
        if let Some(seconds) = reply.retry_after {
            headers.insert(RETRY_AFTER, seconds.get().into());
        }
        if reply.status == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = if has_streams_alone { "GET, POST" } else { "GET, POST, DELETE" };
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }

    /// Reads the definitions of a target, for whoever wants to check policies against them.
    pub async fn tools(&self, name: &TargetName) -> Option<Result<Arc<Tools>, DefinitionsError>> {
        let target = self.0.targets.get(name)?;
        Some(target.tools.get(&CancellationToken::new(), || Some(())).await)
    }

    /// The definitions of a target as last read, however old.
    pub fn known_tools(&self, name: &TargetName) -> Option<Arc<Tools>> {
        self.0.targets.get(name)?.tools.known()
    }

    /// Whether there is a target of this name.
    pub fn has_target(&self, name: &TargetName) -> bool {
        self.0.targets.contains_key(name)
    }

    /// Has a target's definitions read again, because others are accepted now. Waits for nothing.
    pub fn read_anew(&self, name: &TargetName) {
        if let Some(target) = self.0.targets.get(name) {
            target.tools.read_anew();
        }
    }

    /// Whether a target answers, as far as that was seen; true of one that nobody has spoken to yet.
    pub fn is_up(&self, name: &TargetName) -> bool {
        self.0.targets.get(name).is_some_and(|target| !target.tools.is_down())
    }

    /// Closes sessions unused for `idle`.
    pub async fn expire(&self, idle: Duration) {
        close(self.0.sessions.expire(idle), "idle").await;
        close(self.0.stateless.expire(idle), "idle").await;
    }

    /// Closes sessions that have lasted as long as they may, used what they may, or whose grant is over: to be called each
    /// second, and when grants have ended, since what listens in them goes on until then. Nothing begins in one meanwhile.
    /// Waits for no target. Must be called in a runtime.
    pub fn end_due(&self) {
        for (reason, sessions) in self.0.sessions.due().into_iter().chain(self.0.stateless.due()) {
            self.0.requests.spawn(close(sessions, reason));
        }
    }

    /// Ends requests that are being answered, then closes all sessions: the gateway stops. Before it comes the end of
    /// operations in flight ([`Gate::drain`]), for which requests wait.
    pub async fn close_all(&self) {
        self.0.stop.cancel();
        self.0.requests.close();
        self.0.requests.wait().await;
        close(self.0.sessions.expire(Duration::ZERO), "shutdown").await;
        close(self.0.stateless.expire(Duration::ZERO), "shutdown").await;
    }

    async fn replied(&self, peer: Peer, request: Request<Incoming>, gone: CancellationToken) -> Result<Reply, Reply> {
        let gate = &self.0.gate;
        let address = peer.address();
        if let Err(error) = self.0.origins.check(request.headers()) {
            let notice = gate.refused(address, error.label(), Notice::ForeignOrigin);
            return Err(refused(StatusCode::FORBIDDEN, notice));
        }
        let caller = self.caller(address, &request).await?;
        let target = self.target_of(&caller, request.uri().path()).await?;
        if caller.lacks(self.0.resources.scopes_of(&target.spec.name)) {
            return Err(self.insufficient_scope(&caller, &target, request.uri().path()).await);
        }
        if event_streams::beside(request.uri().path()).is_some() {
            return Box::pin(self.with_events(&caller, &target, request, &gone)).await;
        }
        // Each way on the heap by itself: no request needs the room of the largest, which is as large as the buffers of a
        // connection, and would leave those that are opened next resident in full.
        match *request.method() {
            HttpMethod::POST => Box::pin(self.posted(&caller, &target, request, &gone)).await,
            // "HTTP GET or DELETE to the MCP endpoint: respond with 405" (MCP 2026-07-28).
            HttpMethod::GET | HttpMethod::DELETE
                if modern::names_revision(request.headers()) && !request.headers().contains_key(&SESSION_ID) =>
            {
                Err(self.no_method(&caller, &target).await)
            }
            HttpMethod::GET => {
                let visit = Visit { caller: &caller, target: &target, session: None, gone: &gone };
                Box::pin(self.listened(&visit, request.headers())).await
            }
            HttpMethod::DELETE => {
                let visit = Visit { caller: &caller, target: &target, session: None, gone: &gone };
                Box::pin(self.deleted(&visit, request.headers())).await
            }
            _ => Err(self.no_method(&caller, &target).await),
        }
    }

    /// Opens the stream of the target's own.
    async fn listened(&self, outside: &Visit<'_>, headers: &HeaderMap) -> Result<Reply, Reply> {
        if !headers::accepts(headers, EVENT_STREAM) {
            let denied = self.reject(outside, ErrorKind::Malformed, "not_acceptable", "", &[]).await;
            return Err(evidenced(&denied, StatusCode::NOT_ACCEPTABLE, Notice::NotAcceptable));
        }
        let session = self.session(outside, headers, None).await?;
        let visit = Visit { session: Some(&session), ..*outside };
        self.check_revision(&visit, headers, None).await?;
        if session.front().is_some() {
            return self.listened_at_endpoint(&visit, &session, headers).await;
        }
        let rest = self.rest(&visit, &session, headers).await?;
        let operation = Operation {
            protocol: Protocol::Mcp,
            action: Action::Method(LISTEN.into()),
            method: rest.is_some().then_some(RESUME),
            wire: Bytes::new(),
            record: None,
            sql: None,
            members: Members::NONE,
            arguments: None,
            annotations: None,
            address: Some(outside.caller.address()),
            trace: None,
        };
        match session.gate.listen(operation, outside.caller).await {
            Ok(admitted) => {
                let answers = match rest {
                    Some(rest) if !rest.is_own() => admitted.run(move |_, flight| flight.replay(rest)),
                    rest => {
                        let end = session.stream.replace();
                        let admitted = admitted.resumable();
                        admitted.run(move |wire, flight| listen::listen(session, (end, rest), wire, flight))
                    }
                };
                listening(answers).await
            }
            Err(denied) => Err(told(StatusCode::FORBIDDEN, None, DENIED, &denied)),
        }
    }

    /// What the client has not got of a stream, when it comes back for it.
    async fn rest(&self, visit: &Visit<'_>, session: &McpSession, headers: &HeaderMap) -> Result<Option<Rest>, Reply> {
        let Ok(last) = headers::only(headers, &LAST_EVENT_ID) else { return Err(self.unknown_event(visit).await) };
        let Some(last) = last else { return Ok(None) };
        match last.parse().ok().and_then(|position| session.gate.rest_of(position)) {
            Some(rest) => Ok(Some(rest)),
            None => Err(self.unknown_event(visit).await),
        }
    }

    async fn unknown_event(&self, visit: &Visit<'_>) -> Reply {
        let text = "Last-Event-ID is no event of this session that can be gone on after";
        let denied = self.reject(visit, ErrorKind::NotFound, "unknown_event", text, &[]).await;
        told(StatusCode::BAD_REQUEST, None, BAD_HEADER, &denied)
    }

    /// Passes the client's answer to what the target asked.
    async fn answered(&self, visit: &Visit<'_>, session: &Arc<McpSession>, message: &Message) -> Result<Reply, Reply> {
        let MessageKind::Response { id: Some(id), is_error } = message.kind() else {
            return Err(self.not_offered(visit, message).await);
        };
        let status = if *is_error { Status::Error } else { Status::Ok };
        let operation = Operation {
            protocol: Protocol::Mcp,
            action: Action::Method("response".into()),
            method: None,
            wire: message.bytes().clone(),
            record: None,
            sql: None,
            members: members::ANSWER,
            arguments: None,
            annotations: None,
            address: Some(visit.caller.address()),
            trace: None,
        };
        let wire = match session.gate.asked_by(visit.caller).answer(&id.key(), status, operation).await {
            Ok(wire) => wire,
            Err(denied) => return Err(told(StatusCode::BAD_REQUEST, None, code::INVALID_REQUEST, &denied)),
        };
        let sent = session.target.upstream.send(wire, session.headers());
        let sent = tokio::time::timeout(session.target.limits.silence, sent);
        // The outcome of the question is on record already.
        match self.0.stop.run_until_cancelled(sent).await {
            Some(Ok(Ok(response))) if response.status().is_success() => {
                Ok(Reply::notice(StatusCode::ACCEPTED, Notice::Empty))
            }
            Some(Ok(_)) => Err(Reply::notice(StatusCode::BAD_GATEWAY, Notice::NotDelivered)),
            Some(Err(_)) => Err(Reply::notice(StatusCode::GATEWAY_TIMEOUT, Notice::NotDelivered)),
            None => Err(Reply::notice(StatusCode::SERVICE_UNAVAILABLE, Notice::NotDelivered)),
        }
    }

    /// Refuses a request that names another revision than the session's.
    async fn check_revision(
        &self,
        visit: &Visit<'_>,
        headers: &HeaderMap,
        message: Option<&Message>,
    ) -> Result<(), Reply> {
        let agreed = visit.session.and_then(|session| session.version.get());
        let Some(Err(error)) = agreed.map(|agreed| headers::check_revision(headers, *agreed)) else { return Ok(()) };
        let received = message.map_or(&[] as &[u8], |message| message.bytes());
        let text = error.public_message();
        let denied = self.reject(visit, ErrorKind::Malformed, "protocol_version", &text, received).await;
        Err(told(StatusCode::BAD_REQUEST, message.and_then(Message::id), BAD_HEADER, &denied))
    }

    async fn deleted(&self, visit: &Visit<'_>, headers: &HeaderMap) -> Result<Reply, Reply> {
        let session = self.session(visit, headers, None).await?;
        if let Ok(Some(id)) = headers::session_id(headers)
            && let Some(session) = self.0.sessions.remove(id)
        {
            close(vec![Arc::clone(&session)], "client").await;
        }
        drop(session);
        Ok(Reply::notice(StatusCode::NO_CONTENT, Notice::Empty))
    }

    async fn posted(
        &self,
        caller: &Caller,
        target: &Arc<Target>,
        request: Request<Incoming>,
        gone: &CancellationToken,
    ) -> Result<Reply, Reply> {
        let outside = Visit { caller, target, session: None, gone };
        self.must_be_json(&outside, request.headers()).await?;
        if !headers::accepts(request.headers(), JSON) || !headers::accepts(request.headers(), EVENT_STREAM) {
            let denied = self.reject(&outside, ErrorKind::Malformed, "not_acceptable", "", &[]).await;
            return Err(evidenced(&denied, StatusCode::NOT_ACCEPTABLE, Notice::NotAcceptable));
        }
        let (head, body) = request.into_parts();
        // Held until there is an answer: so much of the gateway's memory the request takes.
        let (body, _room) = self.body(&outside, body).await?;
        let limits = Limits { max_bytes: target.limits.request_bytes, ..Limits::default() };
        let message = match Message::parse(body.clone(), Sender::Client, &limits) {
            Ok(message) => message,
            Err(error) => return Err(self.malformed(&outside, &head.headers, &error, &body).await),
        };
        if modern::is_modern(&head.headers, &message) {
            return Box::pin(self.stateless(&outside, &head.headers, &message)).await;
        }
        self.taken(&outside, &head.headers, message).await
    }

    /// Answers a message of the legacy era.
    async fn taken(&self, outside: &Visit<'_>, headers: &HeaderMap, message: Message) -> Result<Reply, Reply> {
        if message.method() == Some(Method::Initialize) && message.id().is_some() {
            return Box::pin(self.initialize(outside, headers, message)).await;
        }
        let session = self.session(outside, headers, Some(&message)).await?;
        let visit = Visit { session: Some(&session), ..*outside };
        self.check_revision(&visit, headers, Some(&message)).await?;
        if session.front().is_some() {
            return Box::pin(self.at_endpoint(&visit, &session, headers, &message)).await;
        }
        if matches!(message.kind(), MessageKind::Response { .. }) {
            return self.answered(&visit, &session, &message).await;
        }
        Box::pin(self.within(&visit, &session, &message)).await
    }

    /// Refuses what is not said to be JSON, on record.
    async fn must_be_json(&self, visit: &Visit<'_>, headers: &HeaderMap) -> Result<(), Reply> {
        if headers::is_json(headers) {
            return Ok(());
        }
        let denied = self.reject(visit, ErrorKind::Malformed, "media_type", "", &[]).await;
        Err(evidenced(&denied, StatusCode::UNSUPPORTED_MEDIA_TYPE, Notice::MediaType))
    }

    /// The whole body, within the limits, and the room it takes.
    async fn body(&self, visit: &Visit<'_>, body: Incoming) -> Result<(Bytes, Room), Reply> {
        let limit = visit.target.limits.request_bytes;
        let announced = body.size_hint().upper().and_then(|length| usize::try_from(length).ok());
        let Some(room) = self.0.gate.room(visit.caller, announced.unwrap_or(limit).min(limit)) else {
            let denied = self.reject(visit, ErrorKind::Limit, "received", "", &[]).await;
            return Err(evidenced(&denied, StatusCode::SERVICE_UNAVAILABLE, Notice::Crowded));
        };
        let limited = Limited::new(body, visit.target.limits.request_bytes);
        let (kind, reason, status, notice) = match tokio::time::timeout(BODY_TIMEOUT, limited.collect()).await {
            Ok(Ok(collected)) => return Ok((collected.to_bytes(), room)),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                (ErrorKind::Limit, "too_large", StatusCode::PAYLOAD_TOO_LARGE, Notice::TooLarge)
            }
            Ok(Err(_)) => (ErrorKind::Malformed, "incomplete", StatusCode::BAD_REQUEST, Notice::Incomplete),
            Err(_) => (ErrorKind::Malformed, "incomplete", StatusCode::REQUEST_TIMEOUT, Notice::Incomplete),
        };
        let denied = self.reject(visit, kind, reason, "", &[]).await;
        Err(evidenced(&denied, status, notice))
    }

    /// Records and answers what is no message. It belongs to the caller's session, when it names one.
    async fn malformed(&self, visit: &Visit<'_>, headers: &HeaderMap, error: &EnvelopeError, body: &[u8]) -> Reply {
        let named = headers::session_id(headers).ok().flatten();
        let session = named.and_then(|id| self.0.sessions.find(id, visit.caller, visit.target));
        let visit = Visit { session: session.as_ref(), ..*visit };
        // What an era does not have is unknown in it, whatever its parameters are.
        if modern::names_revision(headers) && error.method().is_some_and(|method| !method.is_modern()) {
            let denied = self.reject(&visit, error.kind(), "unknown_method", "Method not found", body).await;
            return told(StatusCode::NOT_FOUND, error.id(), code::METHOD_NOT_FOUND, &denied);
        }
        let denied = self.reject(&visit, error.kind(), error.label(), &error.public_message(), body).await;
        let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
        told(status, error.id(), error.code(), &denied)
    }

    /// The caller's session that the headers name.
    async fn session(
        &self,
        visit: &Visit<'_>,
        headers: &HeaderMap,
        message: Option<&Message>,
    ) -> Result<Arc<McpSession>, Reply> {
        let (status, reason, text) = match headers::session_id(headers) {
            Ok(Some(id)) => match self.0.sessions.find(id, visit.caller, visit.target) {
                Some(session) if let Some(reason) = session.gate.end_due() => {
                    self.0.sessions.remove(id);
                    close(vec![session], reason).await;
                    (StatusCode::NOT_FOUND, "unknown_session", "the session has ended; start a new one")
                }
                Some(session) if !session.is_lost() => return Ok(session),
                Some(session) => {
                    self.0.sessions.remove(id);
                    close(vec![Arc::clone(&session)], "upstream").await;
                    (StatusCode::NOT_FOUND, "unknown_session", "the target has forgotten the session; start a new one")
                }
                None => (StatusCode::NOT_FOUND, "unknown_session", "the session is unknown; start a new one"),
            },
            Ok(None) => (
                StatusCode::BAD_REQUEST,
                "no_session",
                "Mcp-Session-Id is missing: send initialize first, and then the session id it answers with",
            ),
            Err(_) => (StatusCode::BAD_REQUEST, "session_id", "Mcp-Session-Id is malformed"),
        };
        let received = message.map_or(&[] as &[u8], |message| message.bytes());
        let denied = self.reject(visit, ErrorKind::NotFound, reason, text, received).await;
        Err(told(status, message.and_then(Message::id), BAD_HEADER, &denied))
    }

    async fn within(&self, visit: &Visit<'_>, session: &Arc<McpSession>, message: &Message) -> Result<Reply, Reply> {
        let answers = self.begun_within(visit, session, message, unique(session, message)).await?;
        relayed(session, message, answers, &OnceLock::new()).await
    }

    /// Decides on a message of a legacy session, and sends it, perhaps under another id; what comes back.
    async fn begun_within(
        &self,
        visit: &Visit<'_>,
        session: &Arc<McpSession>,
        message: &Message,
        (own_id, mut replacements): (Option<Id>, Vec<Replacement>),
    ) -> Result<Answers, Reply> {
        if message.is_continuation() {
            let text =
                "inputResponses and requestState belong to revision 2026-07-28, which this session does not speak";
            let denied = self.reject(visit, ErrorKind::Malformed, "not_of_revision", text, message.bytes()).await;
            return Err(told(StatusCode::OK, message.id(), code::INVALID_PARAMS, &denied));
        }
        let annotations = match message.method() {
            Some(Method::CallTool) => Some(self.tool(visit, session, message).await?.annotations),
            Some(Method::ListTools) => {
                self.definitions(visit, session, message).await?;
                None
            }
            _ => None,
        };
        let method = message.method().filter(|method| method.is_legacy());
        let (Some(method), Some(action)) = (method, action(message)) else {
            return Err(self.not_offered(visit, message).await);
        };
        let cursor = self.cursor(visit, session, message, method).await?;
        replacements.extend(cursor);
        replacements.sort_by_key(|replacement| replacement.span.start);
        let wire = splice(message.bytes(), &replacements).map_err(|error| unspliced(&error))?;
        let name = match &action {
            Action::ToolCall(tool) => Some(Box::from(&**tool)),
            _ => None,
        };
        let operation = Operation {
            protocol: Protocol::Mcp,
            action,
            method: method_beside_action(message),
            wire,
            record: None,
            sql: None,
            members: members::of_request(method),
            arguments: message.operation_arguments(),
            annotations,
            address: Some(visit.caller.address()),
            trace: message.traceparent(),
        };
        let (expected, answer_as) = match (expected(message), own_id) {
            (Expected::Response { id, method }, Some(own)) => (Expected::Response { id: own, method }, Some(id)),
            (expected, _) => (expected, None),
        };
        let (is_continued, progress) = (is_continued(message), progress(message));
        let call = Call { is_continued, name, answer_as, progress, ..Call::legacy(session, expected) };
        let modern = session.client_is_modern();
        let answers = match session.gate.asked_by(visit.caller).submit(operation).await {
            Verdict::Admitted(admitted) => run(admitted, session, call),
            Verdict::Denied(denied) => {
                // What is taken back ends here, though the target cannot be told now.
                if denied.refusal().limit.is_some()
                    && let Some(id) = message.cancelled_request()
                {
                    session.cancel(&id);
                }
                return Err(denied_as_asked(message, &denied, modern));
            }
            Verdict::Held(held) => waiting::wait(held, (session, message, call), Patience::of(session), run)
                .map_err(|held| pending(message, &held, modern))?,
        };
        // At once, and whether or not the target takes the notice.
        if let Some(id) = message.cancelled_request() {
            session.cancel(&id);
        }
        Ok(answers)
    }

    /// The accepted definition of the tool that is called, if the caller may know of it.
    async fn tool(
        &self,
        visit: &Visit<'_>,
        session: &Arc<McpSession>,
        message: &Message,
    ) -> Result<ToolDefinition, Reply> {
        let name = message.tool_name().unwrap_or_default();
        let tools = self.definitions(visit, session, message).await?;
        if let Some(tool) = tools.get(&name).filter(|tool| session.gate.may_see(tool)) {
            return match tools.pin(&name).filter(|(_, pin)| pin.is_held) {
                Some((_, pin)) => Err(self.changed_tool(session, message, (&name, pin)).await),
                None => Ok(tool.clone()),
            };
        }
        // It may be new. One that is hidden is treated alike, so that nobody can tell the two apart.
        visit.target.tools.refresh();
        let shown = session.is_beside().then(|| federation::named(&visit.target.spec.name, &name)).flatten();
        Err(self.unknown_tool(session, message, (&name, shown.as_deref().unwrap_or(&name))).await)
    }

    /// Records and answers a call of a tool whose definition has changed since it was accepted.
    async fn changed_tool(&self, session: &McpSession, message: &Message, (name, pin): (&str, &ToolPin)) -> Reply {
        let text = pin.held_message(&session.target.spec.name, name);
        let rejection = Rejection {
            kind: ErrorKind::Denied,
            reason: "definition_changed",
            message: text,
            action: Action::ToolCall(name.into()),
            received: message.bytes(),
        };
        let denied = session.gate.reject(rejection).await;
        denied_as_asked(message, &denied, session.client_is_modern())
    }

    /// Records and answers a call of a tool that is not there for this caller; `shown` is what the caller calls it.
    async fn unknown_tool(&self, session: &McpSession, message: &Message, (own, shown): (&str, &str)) -> Reply {
        let rejection = Rejection {
            kind: ErrorKind::NotFound,
            reason: "unknown_tool",
            message: String::new(),
            action: Action::ToolCall(own.into()),
            received: message.bytes(),
        };
        let denied = session.gate.reject(rejection).await;
        match message.id() {
            Some(id) if recorded(&denied) => {
                Reply::json(StatusCode::OK, denied.release(|_| reply::unknown_tool(id, shown)))
            }
            id => told(StatusCode::OK, id, code::INVALID_PARAMS, &denied),
        }
    }

    /// What puts the target's own cursor into the place of the one that the client brings.
    async fn cursor(
        &self,
        visit: &Visit<'_>,
        session: &McpSession,
        message: &Message,
        method: Method,
    ) -> Result<Option<Replacement>, Reply> {
        if let Ok(cursor) = cursors::opened(session, method, message) {
            return Ok(cursor);
        }
        Err(self.foreign_cursor(visit, message).await)
    }

    async fn foreign_cursor(&self, visit: &Visit<'_>, message: &Message) -> Reply {
        let text = "cursor is not one that this list was given, or it is too old; list from the beginning";
        let denied = self.reject(visit, ErrorKind::Malformed, "cursor", text, message.bytes()).await;
        told(StatusCode::OK, message.id(), code::INVALID_PARAMS, &denied)
    }

    /// What the gateway knows of the target's tools: by that calls are decided, and lists filtered.
    async fn definitions(
        &self,
        visit: &Visit<'_>,
        session: &McpSession,
        message: &Message,
    ) -> Result<Arc<Tools>, Reply> {
        match visit.target.tools.get(visit.gone, || session.gate.undecided()).await {
            Ok(tools) => Ok(tools),
            Err(error) => Err(self.no_definitions(visit, message, &error).await),
        }
    }

    async fn no_definitions(&self, visit: &Visit<'_>, message: &Message, error: &DefinitionsError) -> Reply {
        tracing::warn!(target = %visit.target.spec.name, %error, "a call cannot be decided");
        let text = "the target's tools are not known: it does not answer";
        let denied = self.reject(visit, ErrorKind::Upstream, "definitions", text, message.bytes()).await;
        told(StatusCode::OK, message.id(), code::INTERNAL_ERROR, &denied)
    }

    /// A method that is not offered, a response to nothing that was asked.
    async fn not_offered(&self, visit: &Visit<'_>, message: &Message) -> Reply {
        let text = "Method not found";
        let denied = self.reject(visit, ErrorKind::Malformed, "unknown_method", text, message.bytes()).await;
        match (message.kind(), message.id()) {
            (MessageKind::Request { .. }, id) => told(StatusCode::OK, id, code::METHOD_NOT_FOUND, &denied),
            _ => told(StatusCode::BAD_REQUEST, None, code::INVALID_REQUEST, &denied),
        }
    }

    /// Records what is refused before policy is asked: in the session, or else with the gateway's own events.
    async fn reject(
        &self,
        visit: &Visit<'_>,
        kind: ErrorKind,
        reason: &'static str,
        text: &str,
        received: &[u8],
    ) -> Denied {
        let rejection =
            Rejection { kind, reason, message: text.to_owned(), action: Action::Method("unknown".into()), received };
        match visit.session {
            Some(session) => session.gate.reject(rejection).await,
            None => self.0.gate.reject(visit.caller.principal(), Some(&visit.target.spec), rejection).await,
        }
    }
}

/// Records the end of sessions, all at once, then tells their targets, as far as those listen.
async fn close(sessions: Vec<Arc<McpSession>>, reason: &'static str) {
    let sessions: Vec<_> = sessions.into_iter().flat_map(McpSession::with_those_beside).collect();
    let until = Instant::now() + TELL_TIMEOUT;
    let close = |session: Arc<McpSession>| async move {
        match session.gate.close(reason).await {
            Ok(leave) => exchange::end(&session, &leave, until).await,
            Err(EvidenceError::Closed) => {}
            Err(error) => {
                tracing::error!(%error, session = %session.gate.id(), "the end of a session cannot be recorded");
            }
        }
    };
    futures_util::stream::iter(sessions).for_each_concurrent(CLOSED_AT_ONCE, close).await;
}

/// The answer to a request that could not be put together: a fault of ours.
fn unspliced(error: &SpliceError) -> Reply {
    tracing::error!(%error, "a request could not be put together");
    Reply::notice(StatusCode::INTERNAL_SERVER_ERROR, Notice::Failed)
}

/// The capabilities of the client that the target may not use.
fn withheld(session: &Session) -> Vec<&'static str> {
    let asks = [("sampling", Action::Sampling), ("elicitation", Action::Elicitation(None)), ("roots", Action::Roots)];
    let denied = asks.into_iter().filter(|(_, action)| !session.may_do(action, None)).map(|(capability, _)| capability);
    denied.chain([initialize::TASKS]).collect()
}

/// Starts the exchange in a task of the gate.
fn run(admitted: Admitted, session: &Arc<McpSession>, call: Call) -> Answers {
    let session = Arc::clone(session);
    let call = match admitted.rewritten_to() {
        Some(message) => call.rewritten(message),
        None => call,
    };
    // Streams of the modern era are not resumable (MCP 2026-07-28, "Receiving Messages").
    // Nor are those of a client that has several targets: positions are a session's own.
    let admitted = if session.is_modern || session.is_beside() { admitted } else { admitted.resumable() };
    admitted.run(move |wire, flight| exchange::exchange(session, call, wire, flight))
}

/// An id that is the only one in a session, and what puts it into a request: in the modern era ids are a connection's own,
/// so a legacy session of such a client may have two of one id at once.
fn unique(session: &McpSession, message: &Message) -> (Option<Id>, Vec<Replacement>) {
    let span = message.id().and_then(|_| message.document().root().get("id")).map(|id| id.span());
    let Some(span) = span.filter(|_| session.is_bridged()) else { return (None, Vec::new()) };
    let id = session.own_id();
    let with = Bytes::copy_from_slice(id.lexeme().as_bytes());
    (Some(id), vec![Replacement { span, with }])
}

/// The client's name and version as it claims them.
fn claimed(client: &Implementation) -> Option<String> {
    let text = format!("{} {}", client.name, client.version);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
