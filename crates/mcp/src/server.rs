//! The way to an MCP server: Streamable HTTP, or one that is spoken to as if by it: a program that the gateway starts, a
//! server of HTTP with SSE.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame};
use vidimus_gate::{Dial, SendError, TransportError, Upstream, Wire};
use vidimus_net::{HttpTarget, TargetBody};
use vidimus_stdio::{Answer, Endpoint};

use crate::event_server::{EventServer, EventServerError};

/// The way to an MCP server.
#[derive(Clone)]
pub enum Server {
    /// Over the network.
    Http(Box<Upstream<HttpTarget>>),
    /// Over the network, to a server of 2024-11-05.
    Events(EventServer),
    /// A program of this machine, one for each session.
    Stdio(Upstream<Endpoint>),
    /// None: the gateway itself answers.
    Nowhere,
}

/// What comes back, as it arrives.
#[derive(Debug)]
pub(crate) enum ServerBody {
    Http(TargetBody),
    TakenApart(Answer),
}

impl Server {
    /// Sends what was evaluated, after its intent is durable.
    pub(crate) async fn send(&self, wire: Wire, head: HeaderMap) -> Result<Response<ServerBody>, EventServerError> {
        match self {
            Self::Http(upstream) => Ok(upstream.send(wire, head).await?.map(ServerBody::Http)),
            Self::Events(server) => Ok(server.send(wire, head).await?.map(ServerBody::TakenApart)),
            Self::Stdio(upstream) => Ok(upstream.send(wire, head).await?.map(ServerBody::TakenApart)),
            Self::Nowhere => Err(SendError::Upstream(TransportError::Nowhere).into()),
        }
    }

    /// Listens to the server, after the intent to is durable.
    pub(crate) async fn listen(&self, wire: Wire, head: HeaderMap) -> Result<Response<ServerBody>, SendError> {
        match self {
            Self::Http(upstream) => Ok(upstream.listen(wire, head).await?.map(ServerBody::Http)),
            Self::Events(server) => Ok(server.listen(wire, &head).await?.map(ServerBody::TakenApart)),
            Self::Stdio(upstream) => Ok(upstream.listen(wire, head).await?.map(ServerBody::TakenApart)),
            Self::Nowhere => Err(SendError::Upstream(TransportError::Nowhere)),
        }
    }

    /// Lets go of what is kept for a session that the server has forgotten.
    pub(crate) fn forget(&self, head: &HeaderMap) {
        if let Self::Events(server) = self {
            drop(server.end(head));
        }
    }

    /// Tells the server that the session is over.
    pub(crate) async fn end(&self, leave: &Dial, head: HeaderMap) -> Result<Response<ServerBody>, SendError> {
        match self {
            Self::Http(upstream) => Ok(upstream.end(leave, head).await?.map(ServerBody::Http)),
            Self::Events(server) => Ok(server.end(&head).map(ServerBody::TakenApart)),
            Self::Stdio(upstream) => Ok(upstream.end(leave, head).await?.map(ServerBody::TakenApart)),
            Self::Nowhere => Err(SendError::Upstream(TransportError::Nowhere)),
        }
    }
}

impl From<Upstream<HttpTarget>> for Server {
    fn from(upstream: Upstream<HttpTarget>) -> Self {
        Self::Http(Box::new(upstream))
    }
}

impl From<EventServer> for Server {
    fn from(server: EventServer) -> Self {
        Self::Events(server)
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
            Self::TakenApart(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
        }
    }
}
