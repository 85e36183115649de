//! What may go to a target: the bytes that were evaluated, once the intent is on record.
//!
//! Only this crate makes [`Wire`], and only [`Upstream`] takes it, so dispatching what was not decided, or before
//! its intent is durable, does not compile.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri};
use vidimus_core::ErrorKind;
use vidimus_log::Position;
use vidimus_net::{HttpTarget, Repeat, TargetBody, UpstreamError};
use vidimus_stdio::{Beginning, Endpoint, EndpointError, LogSink};

use crate::context::SessionContext;
use crate::evidence::EvidenceError;
use crate::program_log;

/// Exactly the bytes of an admitted operation. Ready when the intent is as durable as its target demands.
pub struct Wire {
    pub(crate) bytes: Bytes,
    /// Whose it is.
    pub(crate) session: Arc<SessionContext>,
    /// Where the record of it is; none when it is as durable as it must be already.
    pub(crate) intent: Option<Position>,
    repeat: Repeat,
}

impl Wire {
    pub(crate) const fn new(bytes: Bytes, session: Arc<SessionContext>, intent: Position) -> Self {
        Self { bytes, session, intent: Some(intent), repeat: Repeat::Never }
    }

    /// Bytes whose record stands already.
    pub(crate) const fn settled(bytes: Bytes, session: Arc<SessionContext>) -> Self {
        Self { bytes, session, intent: None, repeat: Repeat::Never }
    }

    /// The same, which may be sent once more when the connection breaks before anything came back: to have been
    /// asked twice does the target no harm.
    #[must_use]
    pub const fn repeatable(mut self) -> Self {
        self.repeat = Repeat::Harmless;
        self
    }

    async fn ready(&self) -> Result<(), EvidenceError> {
        match self.intent {
            Some(position) => self.session.evidence().settle(self.session.durability(), position).await,
            None => Ok(()),
        }
    }
}

/// Leave to talk to the target beside operations: the `connect` decision. Permits what carries no content.
#[derive(Debug)]
pub struct Dial(pub(crate) ());

/// A way to a target. Implemented for the transports of `vidimus-net` and `vidimus-stdio`; adapters only name it.
pub trait Transport: Send + Sync {
    /// What goes along with the bytes, e.g. HTTP headers.
    type Head: Send;
    /// What comes back.
    type Answer: Send;

    /// Sends the bytes of a wire that is ready.
    fn send(&self, head: Self::Head, wire: Wire) -> impl Future<Output = Result<Self::Answer, TransportError>> + Send;

    /// Asks for what the target has to say by itself.
    fn listen(&self, head: Self::Head) -> impl Future<Output = Result<Self::Answer, TransportError>> + Send;

    /// Tells the target that the session is over.
    fn end(&self, head: Self::Head) -> impl Future<Output = Result<Self::Answer, TransportError>> + Send;
}

impl Transport for HttpTarget {
    type Head = HeaderMap;
    type Answer = http::Response<TargetBody>;

    async fn send(&self, head: HeaderMap, wire: Wire) -> Result<Self::Answer, TransportError> {
        Ok(Self::send(self, Method::POST, head, wire.bytes, wire.repeat).await?)
    }

    async fn listen(&self, head: HeaderMap) -> Result<Self::Answer, TransportError> {
        Ok(Self::send(self, Method::GET, head, Bytes::new(), Repeat::Harmless).await?)
    }

    async fn end(&self, head: HeaderMap) -> Result<Self::Answer, TransportError> {
        Ok(Self::send(self, Method::DELETE, head, Bytes::new(), Repeat::Harmless).await?)
    }
}

impl Transport for Endpoint {
    type Head = HeaderMap;
    type Answer = http::Response<vidimus_stdio::Answer>;

    async fn send(&self, head: HeaderMap, wire: Wire) -> Result<Self::Answer, TransportError> {
        let Wire { bytes, session, .. } = wire;
        let beginning = || Beginning { log: program_log::sink(&session), owner: session.party().principal.id() };
        Ok(Self::send(self, Method::POST, &head, bytes, beginning).await?)
    }

    async fn listen(&self, head: HeaderMap) -> Result<Self::Answer, TransportError> {
        Ok(Self::send(self, Method::GET, &head, Bytes::new(), nobodys).await?)
    }

    async fn end(&self, head: HeaderMap) -> Result<Self::Answer, TransportError> {
        Ok(Self::send(self, Method::DELETE, &head, Bytes::new(), nobodys).await?)
    }
}

/// What is no message starts no program.
const fn nobodys() -> Beginning {
    Beginning { log: LogSink::nobody(), owner: String::new() }
}

/// The only writer to a target.
#[derive(Debug, Clone)]
pub struct Upstream<T>(T);

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The intent is not durable, so nothing was sent.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
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
        Self(transport)
    }

    /// Sends what was evaluated, after its intent is durable.
    pub async fn send(&self, wire: Wire, head: T::Head) -> Result<T::Answer, SendError> {
        wire.ready().await?;
        Ok(self.0.send(head, wire).await?)
    }

    /// Listens to the target, after the intent to is durable. The wire carries no bytes.
    pub async fn listen(&self, wire: Wire, head: T::Head) -> Result<T::Answer, SendError> {
        wire.ready().await?;
        Ok(self.0.listen(head).await?)
    }

    /// Tells the target that the session is over.
    pub async fn end(&self, _leave: &Dial, head: T::Head) -> Result<T::Answer, SendError> {
        Ok(self.0.end(head).await?)
    }
}

/// A server that answers on one stream, and takes messages at another path (MCP 2024-11-05, "Transports: HTTP with SSE").
impl Upstream<HttpTarget> {
    /// Opens the stream on which what comes back to `wire` will come, after its intent is durable.
    pub async fn open(&self, wire: &Wire, head: HeaderMap) -> Result<http::Response<TargetBody>, SendError> {
        wire.ready().await?;
        Ok(self.0.listen(head).await?)
    }

    /// Sends what was evaluated to another path of the same target, after its intent is durable.
    pub async fn send_at(
        &self,
        path: &PathAndQuery,
        wire: Wire,
        head: HeaderMap,
    ) -> Result<http::Response<TargetBody>, SendError> {
        wire.ready().await?;
        let sent = self.0.send_at(path, Method::POST, head, wire.bytes, wire.repeat).await;
        Ok(sent.map_err(TransportError::from)?)
    }

    /// Waits until the intent is durable, where what it is for has been opened already.
    pub async fn ready(&self, wire: &Wire) -> Result<(), SendError> {
        Ok(wire.ready().await?)
    }

    /// Where the target is.
    pub const fn url(&self) -> &Uri {
        self.0.url()
    }
}

impl Wire {
    /// The bytes, for whoever has to know what comes back to them.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
