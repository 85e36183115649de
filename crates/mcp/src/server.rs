//! The way to an MCP server: Streamable HTTP, or a program that the gateway starts and that is spoken to as if by it.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame};
use vidimus_gate::{Dial, SendError, TransportError, Upstream, Wire};
use vidimus_net::{HttpTarget, TargetBody};
use vidimus_stdio::{Answer, Endpoint};

/// The way to an MCP server.
#[derive(Clone)]
pub enum Server {
    /// Over the network.
    Http(Box<Upstream<HttpTarget>>),
    /// A program of this machine, one for each session.
    Stdio(Upstream<Endpoint>),
    /// None: the gateway itself answers.
    Nowhere,
}

/// What comes back, as it arrives.
#[derive(Debug)]
pub(crate) enum ServerBody {
    Http(TargetBody),
    Stdio(Answer),
}

impl Server {
    /// Sends what was evaluated, after its intent is durable.
    pub(crate) async fn send(&self, wire: Wire, head: HeaderMap) -> Result<Response<ServerBody>, SendError> {
        match self {
            Self::Http(upstream) => Ok(upstream.send(wire, head).await?.map(ServerBody::Http)),
            Self::Stdio(upstream) => Ok(upstream.send(wire, head).await?.map(ServerBody::Stdio)),
            Self::Nowhere => Err(SendError::Upstream(TransportError::Nowhere)),
        }
    }

    /// Listens to the server, after the intent to is durable.
    pub(crate) async fn listen(&self, wire: Wire, head: HeaderMap) -> Result<Response<ServerBody>, SendError> {
        match self {
            Self::Http(upstream) => Ok(upstream.listen(wire, head).await?.map(ServerBody::Http)),
            Self::Stdio(upstream) => Ok(upstream.listen(wire, head).await?.map(ServerBody::Stdio)),
            Self::Nowhere => Err(SendError::Upstream(TransportError::Nowhere)),
        }
    }

    /// Tells the server that the session is over.
    pub(crate) async fn end(&self, leave: &Dial, head: HeaderMap) -> Result<Response<ServerBody>, SendError> {
        match self {
            Self::Http(upstream) => Ok(upstream.end(leave, head).await?.map(ServerBody::Http)),
            Self::Stdio(upstream) => Ok(upstream.end(leave, head).await?.map(ServerBody::Stdio)),
            Self::Nowhere => Err(SendError::Upstream(TransportError::Nowhere)),
        }
    }
}

impl From<Upstream<HttpTarget>> for Server {
    fn from(upstream: Upstream<HttpTarget>) -> Self {
        Self::Http(Box::new(upstream))
    }
}

impl From<Upstream<Endpoint>> for Server {
    fn from(upstream: Upstream<Endpoint>) -> Self {
        Self::Stdio(upstream)
    }
}

impl Body for ServerBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Box<dyn Error + Send + Sync>>>> {
        match self.get_mut() {
            Self::Http(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Stdio(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
        }
    }
}
