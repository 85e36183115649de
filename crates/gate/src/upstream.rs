//! What may go to a target: the bytes that were evaluated, once the intent is on record.
//!
//! Only this crate makes [`Wire`], and only [`Upstream`] takes it, so dispatching what was not decided, or before
//! its intent is durable, does not compile.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use vidimus_core::{Durability, ErrorKind, Principal, TargetName};
use vidimus_credential::{CredentialError, Subject};
use vidimus_log::Position;
use vidimus_net::{HttpTarget, Repeat, TargetBody, UpstreamError};
use vidimus_stdio::{Beginning, Chained, Endpoint, EndpointError, LogSink};
use zeroize::Zeroizing;

use crate::chains::Chain;
use crate::context::SessionContext;
use crate::credential::TargetCredential;
use crate::evidence::EvidenceError;
use crate::grants::Tokens;
use crate::keys::KeyError;
use crate::program_log;

/// Exactly the bytes of an admitted operation. Ready when the intent is as durable as its target demands.
pub struct Wire {
    pub(crate) bytes: Bytes,
    /// Whose it is.
    pub(crate) session: Arc<SessionContext>,
    /// The caller's token, where it is exchanged for another.
    subject: Option<Arc<Subject>>,
    /// Where the record of it is; none when it is as durable as it must be already.
    pub(crate) intent: Option<Position>,
    repeat: Repeat,
}

impl Wire {
    pub(crate) fn new(
        bytes: Bytes,
        (session, subject): (Arc<SessionContext>, Option<Arc<Subject>>),
        intent: Position,
    ) -> Self {
        Self { bytes, session, subject, intent: Some(intent), repeat: Repeat::Never }
    }

    /// Bytes whose record stands already.
    pub(crate) fn settled(bytes: Bytes, (session, subject): (Arc<SessionContext>, Option<Arc<Subject>>)) -> Self {
        Self { bytes, session, subject, intent: None, repeat: Repeat::Never }
    }

    /// The same, which may be sent once more when the connection breaks before anything came back: to have been
    /// asked twice does the target no harm.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.repeat = Repeat::Harmless;
        self
    }

    /// Whose session it is sent in.
    pub fn principal(&self) -> &Principal {
        &self.session.party().principal
    }

    /// Whether nothing of its record has to be waited for.
    pub(crate) fn is_ready(&self) -> bool {
        self.intent.is_none() || self.session.durability() == Durability::Async
    }

    pub(crate) async fn ready(&self) -> Result<(), EvidenceError> {
        match self.intent {
            Some(position) => self.session.evidence().settle(self.session.durability(), position).await,
            None => Ok(()),
        }
    }

    /// The same bytes, on record already.
    fn again(&self) -> Self {
        let (session, subject) = (Arc::clone(&self.session), self.subject.clone());
        Self { bytes: self.bytes.clone(), session, subject, intent: None, repeat: self.repeat }
    }
}

/// Leave to talk to the target beside operations: the `connect` decision. Permits what carries no content.
pub struct Dial(pub(crate) Arc<SessionContext>);

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dial").field(&self.0.id()).finish()
    }
}

/// A way to a target. Implemented for the transports of `vidimus-net` and `vidimus-stdio`; adapters only name it.
pub trait Transport: Send + Sync {
    /// What comes back after the head.
    type Body: Send;

    /// Sends the bytes of a wire that is ready.
    fn send(
        &self,
        head: HeaderMap,
        wire: Wire,
    ) -> impl Future<Output = Result<Response<Self::Body>, TransportError>> + Send;

    /// Asks for what the target has to say by itself.
    fn listen(&self, head: HeaderMap) -> impl Future<Output = Result<Response<Self::Body>, TransportError>> + Send;

    /// Tells the target that the session is over.
    fn end(&self, head: HeaderMap) -> impl Future<Output = Result<Response<Self::Body>, TransportError>> + Send;
}

impl Transport for HttpTarget {
    type Body = TargetBody;

    async fn send(&self, head: HeaderMap, wire: Wire) -> Result<Response<Self::Body>, TransportError> {
        Ok(Self::send(self, Method::POST, head, wire.bytes, wire.repeat).await?)
    }

    async fn listen(&self, head: HeaderMap) -> Result<Response<Self::Body>, TransportError> {
        Ok(Self::send(self, Method::GET, head, Bytes::new(), Repeat::Harmless).await?)
    }

    async fn end(&self, head: HeaderMap) -> Result<Response<Self::Body>, TransportError> {
        Ok(Self::send(self, Method::DELETE, head, Bytes::new(), Repeat::Harmless).await?)
    }
}

impl Transport for Endpoint {
    type Body = vidimus_stdio::Answer;

    async fn send(&self, head: HeaderMap, wire: Wire) -> Result<Response<Self::Body>, TransportError> {
        let Wire { bytes, session, .. } = wire;
        let beginning = || Beginning {
            log: program_log::sink(&session),
            owner: session.party().principal.id(),
            variables: chained(&session, self.chained()),
        };
        Ok(Self::send(self, Method::POST, &head, bytes, beginning).await?)
    }

    async fn listen(&self, head: HeaderMap) -> Result<Response<Self::Body>, TransportError> {
        Ok(Self::send(self, Method::GET, &head, Bytes::new(), nobodys).await?)
    }

    async fn end(&self, head: HeaderMap) -> Result<Response<Self::Body>, TransportError> {
        Ok(Self::send(self, Method::DELETE, &head, Bytes::new(), nobodys).await?)
    }
}

/// What is no message starts no program.
const fn nobodys() -> Beginning {
    Beginning { log: LogSink::nobody(), owner: String::new(), variables: Vec::new() }
}

/// The variables of a program that is started for a session: where to reach other targets, each with a credential of the
/// session's own. One that cannot be made is left out, so that its target is not reached.
fn chained(session: &Arc<SessionContext>, wanted: &[Chained]) -> Vec<(String, Zeroizing<String>)> {
    let one = |chained: &Chained| match issued(session, chained.target.parse().ok()?) {
        Ok(credential) => {
            let alias = session.party().principal.alias();
            Some((chained.variable.clone(), chained.address(alias, &credential)))
        }
        Err(error) => {
            tracing::error!(%error, target = %chained.target, "a program gets no credential");
            None
        }
    };
    wanted.iter().filter_map(one).collect()
}

/// A new credential for the program of a session, at another target.
fn issued(session: &SessionContext, target: TargetName) -> Result<Zeroizing<String>, KeyError> {
    let (shared, party) = (session.shared(), session.party());
    let credential = Tokens::fresh_for_program()?;
    let whose = (Arc::clone(&party.principal), party.client.clone());
    shared.chains.insert(shared.grants.tokens.name(&credential), Chain::new(session.id(), whose, target));
    Ok(credential)
}

/// The only writer to a target.
#[derive(Debug, Clone)]
pub struct Upstream<T>(Way<T>);

/// The way to a target, and what it is shown.
#[derive(Debug, Clone)]
struct Way<T> {
    transport: T,
    credential: Option<TargetCredential>,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The intent is not durable, so nothing was sent.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// There is nothing to show the target, so nothing was sent.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The target did not answer.
    #[error(transparent)]
    Upstream(#[from] TransportError),
}

/// Why a target did not answer, by the way to it.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Over the network.
    #[error(transparent)]
    Http(#[from] UpstreamError),
    /// A program of this machine.
    #[error(transparent)]
    Stdio(#[from] EndpointError),
    /// The gateway itself answers: no target is there.
    #[error("there is no target to send this to")]
    Nowhere,
}

impl TransportError {
    /// Whether the target may have got what was sent, where the transport can tell.
    pub const fn was_sent(&self) -> bool {
        match self {
            Self::Http(error) => error.was_sent(),
            Self::Stdio(_) | Self::Nowhere => false,
        }
    }

    /// Who is at fault.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Http(error) => error.kind(),
            Self::Stdio(error) => error.kind(),
            Self::Nowhere => ErrorKind::Internal,
        }
    }
}

impl<T: Transport> Upstream<T> {
    pub(crate) const fn new(transport: T) -> Self {
        Self(Way { transport, credential: None })
    }

    /// The same, where every request shows this.
    #[must_use]
    pub fn showing(self, credential: TargetCredential) -> Self {
        Self(Way { credential: Some(credential), ..self.0 })
    }

    /// Sends what was evaluated, after its intent is durable.
    pub async fn send(&self, wire: Wire, head: HeaderMap) -> Result<Response<T::Body>, SendError> {
        wire.ready().await?;
        let transport = &self.0.transport;
        self.shown(&wire, head, |head| transport.send(head, wire.again())).await
    }

    /// Listens to the target, after the intent to is durable. The wire carries no bytes.
    pub async fn listen(&self, wire: Wire, head: HeaderMap) -> Result<Response<T::Body>, SendError> {
        wire.ready().await?;
        self.shown(&wire, head, |head| self.0.transport.listen(head)).await
    }

    /// Tells the target that the session is over.
    pub async fn end(&self, leave: &Dial, head: HeaderMap) -> Result<Response<T::Body>, SendError> {
        let wire = Wire::settled(Bytes::new(), (Arc::clone(&leave.0), leave.0.subject()));
        self.shown(&wire, head, |head| self.0.transport.end(head)).await
    }

    /// Sends a request with the target's credential. One that the target does not take (401) has not been done (RFC 9110
    /// section 15.5.2), and is sent once more with a fresh one.
    async fn shown<F>(
        &self,
        wire: &Wire,
        mut head: HeaderMap,
        send: impl Fn(HeaderMap) -> F,
    ) -> Result<Response<T::Body>, SendError>
    where
        F: Future<Output = Result<Response<T::Body>, TransportError>>,
    {
        let Some(credential) = &self.0.credential else { return Ok(send(head).await?) };
        let shown = credential.shown(&wire.session, wire.subject.as_ref()).await?;
        head.insert(AUTHORIZATION, shown.header());
        let answer = send(head.clone()).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let Some(fresh) = credential.another(&wire.session, wire.subject.as_ref(), &shown).await else {
            return Ok(answer);
        };
        head.insert(AUTHORIZATION, fresh);
        Ok(send(head).await?)
    }
}

/// A server that answers on one stream, and takes messages at another path (MCP 2024-11-05, "Transports: HTTP with SSE").
impl Upstream<HttpTarget> {
    /// Opens the stream on which what comes back to `wire` will come, after its intent is durable.
    pub async fn open(&self, wire: &Wire, head: HeaderMap) -> Result<Response<TargetBody>, SendError> {
        wire.ready().await?;
        self.shown(wire, head, |head| self.0.transport.listen(head)).await
    }

    /// Sends what was evaluated to another path of the same target, after its intent is durable.
    pub async fn send_at(
        &self,
        path: &PathAndQuery,
        wire: Wire,
        head: HeaderMap,
    ) -> Result<Response<TargetBody>, SendError> {
        wire.ready().await?;
        let transport = &self.0.transport;
        let send = |head| {
            let bytes = wire.bytes.clone();
            async { Ok(transport.send_at(path, Method::POST, head, bytes, wire.repeat).await?) }
        };
        self.shown(&wire, head, send).await
    }

    /// Waits until the intent is durable, where what it is for has been opened already.
    pub async fn ready(&self, wire: &Wire) -> Result<(), SendError> {
        Ok(wire.ready().await?)
    }

    /// Where the target is.
    pub const fn url(&self) -> &Uri {
        self.0.transport.url()
    }
}

impl Wire {
    /// The bytes, for whoever has to know what comes back to them.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
