//! A stdio server as an endpoint of Streamable HTTP, without a network: the rest of the gateway knows one transport.
//!
//! `initialize` starts a server of its own and answers with an `Mcp-Session-Id` that stands for it; what is sent with
//! that id goes to that server and to no other; `GET` listens, `DELETE` ends it. When the server has ended, its id is
//! unknown (404), which tells a client to start again (MCP 2025-11-25, "Transports: Session Management"). The ids never
//! reach a client: the gateway has its own. Answers are always streams of events.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body::{Body, Frame};
use vidimus_core::ErrorKind;
use vidimus_core::json::Limits;
use zeroize::Zeroizing;

use crate::child::{ChildError, Launch};
use crate::connection::{Connection, ConnectionError};
use crate::pool::{Pool, PoolError, PoolKey};
use crate::standard_error::LogSink;
use crate::switch::{Stream, Untaken, is_initialize};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const BEFORE: &[u8] = b"data: ";
const AFTER: &[u8] = b"\n\n";

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// It was not started, or does not take messages.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// There is no room for another one, or it fails again and again.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

impl EndpointError {
    /// Who is at fault.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Child(error) => error.kind(),
            Self::Pool(error) => error.kind(),
        }
    }
}

/// What goes with a server that is started.
pub struct Beginning {
    /// Who gets what it logs.
    pub log: LogSink,
    /// On whose behalf it runs.
    pub owner: String,
    /// Variables of this one alone, beside those of all or instead of them: secrets.
    pub variables: Vec<(String, Zeroizing<String>)>,
}

/// A variable that says a server where it reaches another target of the gateway, and with what credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chained {
    /// Its name.
    pub variable: String,
    /// The target.
    pub target: String,
    /// What stands before the user in the address: `postgresql://`.
    pub scheme: &'static str,
    /// What stands behind the credential: `@127.0.0.1:6432/orders`.
    pub place: String,
}

impl Chained {
    /// The whole address. Everything in the user's name but letters, digits and `-._~` is percent-encoded (RFC 3986 §2.1).
    pub fn address(&self, user: &str, credential: &str) -> Zeroizing<String> {
        let encoded = user.bytes().fold(String::new(), |text, byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text + char::from(byte).encode_utf8(&mut [0; 4])
            }
            _ => text + &format!("%{byte:02X}"),
        });
        Zeroizing::new(format!("{}{encoded}:{credential}{}", self.scheme, self.place))
    }
}

/// A server that is started for each session, and ends with it. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Endpoint(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    target: String,
    launch: Launch,
    pool: Pool,
    limits: Limits,
    idle: Duration,
    chained: Vec<Chained>,
    next: AtomicU64,
    sessions: Mutex<HashMap<String, Arc<Connection>>>,
}

/// The answer's body: nothing, or what the server says as server-sent events.
#[derive(Debug)]
pub struct Answer(Option<Stream>);

impl Endpoint {
    /// The endpoint of `target`, whose servers are started as `launch` says and counted in `pool`. `limits` bound the
    /// messages both ways; a server unused for `idle` is ended.
    pub fn new(target: String, launch: Launch, pool: Pool, limits: Limits, idle: Duration) -> Self {
        let (next, sessions, chained) = (AtomicU64::new(1), Mutex::default(), Vec::new());
        Self(Arc::new(Shared { target, launch, pool, limits, idle, chained, next, sessions }))
    }

    /// The same whose servers are told where to reach other targets.
    #[must_use]
    pub fn chaining(self, chained: Vec<Chained>) -> Self {
        let Shared { target, launch, pool, limits, idle, .. } = &*self.0;
        let (next, sessions) = (AtomicU64::new(1), Mutex::default());
        let (target, launch, pool) = (target.clone(), launch.clone(), pool.clone());
        Self(Arc::new(Shared { target, launch, pool, limits: *limits, idle: *idle, chained, next, sessions }))
    }

    /// What its servers are told of other targets.
    pub fn chained(&self) -> &[Chained] {
        &self.0.chained
    }

    /// One request as Streamable HTTP has it; when it starts a server, with what `beginning` makes. Cancel safe: a message is passed on whole or not at all.
    pub async fn send(
        &self,
        method: Method,
        head: &HeaderMap,
        message: Bytes,
        beginning: impl FnOnce() -> Beginning + Send,
    ) -> Result<Response<Answer>, EndpointError> {
        let id = head.get(SESSION_ID).and_then(|id| id.to_str().ok());
        let Some(id) = id else {
            return if method == Method::POST && is_initialize(&message, &self.0.limits) {
                self.start(message, beginning()).await
            } else {
                Ok(Answer::none(StatusCode::BAD_REQUEST))
            };
        };
        let Some(connection) = self.connection(id) else { return Ok(Answer::none(StatusCode::NOT_FOUND)) };
        match method {
            Method::POST => answer(&connection, message).await,
            Method::GET => Ok(connection.listen().map_or_else(|| Answer::none(StatusCode::CONFLICT), Answer::stream)),
            Method::DELETE => {
                self.end(id).await;
                Ok(Answer::none(StatusCode::OK))
            }
            _ => Ok(Answer::none(StatusCode::METHOD_NOT_ALLOWED)),
        }
    }

    async fn start(&self, message: Bytes, beginning: Beginning) -> Result<Response<Answer>, EndpointError> {
        let Shared { launch, pool, limits, idle, next, sessions, .. } = &*self.0;
        let number = next.fetch_add(1, Ordering::Relaxed);
        let id = number.to_string();
        let Beginning { log, owner, variables } = beginning;
        let mut launch = Launch { log: log.clone(), owner, ..launch.clone() };
        let own = variables.into_iter().map(|(name, value)| (name, String::clone(&value)));
        launch.confinement.environment.0.extend(own);
        let lease = pool.lease(self.key(&id), &launch).await?;
        let connection = Arc::new(Connection::new(lease, *limits, *idle, log));
        {
            let mut sessions = lock(sessions);
            sessions.retain(|_, connection| !connection.has_ended());
            sessions.insert(id, Arc::clone(&connection));
        }
        let begun = answer(&connection, message).await;
        if !begun.as_ref().is_ok_and(|response| response.status().is_success()) {
            // Nobody learns its id, so nobody could end it.
            self.end(&number.to_string()).await;
        }
        let mut response = begun?;
        response.headers_mut().insert(SESSION_ID, HeaderValue::from(number));
        Ok(response)
    }

    async fn end(&self, id: &str) {
        lock(&self.0.sessions).remove(id);
        self.0.pool.end(self.key(id)).await;
    }

    fn key(&self, id: &str) -> PoolKey {
        PoolKey { target: self.0.target.clone(), holder: id.to_owned() }
    }

    /// The session's server, while it runs.
    fn connection(&self, id: &str) -> Option<Arc<Connection>> {
        let mut sessions = lock(&self.0.sessions);
        let connection = sessions.get(id)?;
        if connection.has_ended() {
            sessions.remove(id);
            return None;
        }
        Some(Arc::clone(connection))
    }
}

async fn answer(connection: &Connection, message: Bytes) -> Result<Response<Answer>, EndpointError> {
    match connection.send(message).await {
        Ok(Some(answers)) => Ok(Answer::stream(answers)),
        Ok(None) => Ok(Answer::none(StatusCode::ACCEPTED)),
        Err(ConnectionError::Untaken(untaken)) => Ok(Answer::untaken(&untaken)),
        Err(ConnectionError::Child(ChildError::Ended(_))) => Ok(Answer::none(StatusCode::NOT_FOUND)),
        Err(ConnectionError::Child(error)) => Err(error.into()),
    }
}

impl Answer {
    /// Nothing but a status.
    pub fn none(status: StatusCode) -> Response<Self> {
        let mut response = Response::new(Self(None));
        *response.status_mut() = status;
        response
    }

    /// What the server says, message by message.
    pub fn stream(messages: Stream) -> Response<Self> {
        let mut response = Response::new(Self(Some(messages)));
        response.headers_mut().insert(CONTENT_TYPE, EVENT_STREAM);
        response
    }

    /// The status of a request that cannot be waited for.
    pub fn untaken(untaken: &Untaken) -> Response<Self> {
        Self::none(match untaken {
            Untaken::IdInUse => StatusCode::CONFLICT,
            Untaken::TooMany => StatusCode::TOO_MANY_REQUESTS,
        })
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(stream) = &mut self.get_mut().0 else { return Poll::Ready(None) };
        let held = ready!(stream.poll_next(context));
        Poll::Ready(held.map(|held| Ok(Frame::data(event(&held.message)))))
    }
}

/// One event. A message of a pipe is one line; a carriage return, which JSON has only between tokens, would end a line
/// of a stream of events, so it becomes a space.
fn event(message: &Bytes) -> Bytes {
    let mut out = BytesMut::with_capacity(BEFORE.len() + message.len() + AFTER.len());
    out.extend_from_slice(BEFORE);
    out.extend_from_slice(message);
    out.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b' ');
    out.extend_from_slice(AFTER);
    out.freeze()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_takes_users_of_any_name() {
        let (variable, target) = ("DATABASE_URL".to_owned(), "orders".to_owned());
        let place = "@127.0.0.1:6432/orders?sslmode=disable".to_owned();
        let chained = Chained { variable, target, scheme: "postgresql://", place };
        for (user, encoded) in
            [("alice", "alice"), ("ann@example.com", "ann%40example.com"), ("a:/é~", "a%3A%2F%C3%A9~")]
        {
            let expected = format!("postgresql://{encoded}:secret@127.0.0.1:6432/orders?sslmode=disable");
            assert_eq!(*chained.address(user, "secret"), expected);
        }
    }
}
