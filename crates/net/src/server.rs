//! An HTTP/1.1 listener with limits, over TCP or a Unix socket.
//!
//! hyper refuses conflicting `Content-Length` and `Transfer-Encoding` and control characters in headers
//! (RFC 9112 §6.3, §11.2). Here stand the limits: connections, header bytes (and hyper's 100 headers), time to send a
//! head, on an idle connection too, and time to take an answer.
//! On shutdown the listener closes at once, calls in flight finish within a grace period; what is left is aborted. So it
//! is when the future of [`Server::serve`] is dropped.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::stall::StallGuard;

/// The pause after a failed accept (the process is out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds of one listener.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Connections open at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Time a client may take to send a request head, on a connection it keeps open counted from the last answer.
    pub head_timeout: Duration,
    /// Time a client may let an answer wait without reading any of it.
    pub write_timeout: Duration,
    /// Bytes of a request head.
    pub head_bytes: usize,
    /// Time that calls in flight get at shutdown.
    pub grace: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(30),
            head_bytes: 64 << 10,
            grace: Duration::from_secs(30),
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP peer.
    Address(IpAddr),
    /// A process on this machine, as the kernel names it (`SO_PEERCRED`).
    Process {
        /// Its user.
        uid: u32,
        /// What the listener asks of processes was true of it as it connected ([`Server::unix`]).
        is_admitted: bool,
    },
}

impl Peer {
    /// The IP address; for a local process the loopback address.
    pub const fn address(self) -> IpAddr {
        match self {
            Self::Address(address) => address,
            Self::Process { .. } => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }
}

/// A listener that has been bound, not yet served.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    limits: HttpLimits,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, admits: fn(Option<u32>) -> bool },
}

impl Server {
    /// Serves a bound TCP listener.
    pub const fn tcp(listener: TcpListener, limits: HttpLimits) -> Self {
        Self { listener: Listener::Tcp(listener), limits }
    }

    /// Serves a bound Unix socket. `admits` is asked about each process as it connects, by its id (none when it is in
    /// another PID namespace), and not again: while the connection stays, the process may end, and its id may become
    /// another's.
    pub const fn unix(listener: UnixListener, limits: HttpLimits, admits: fn(Option<u32>) -> bool) -> Self {
        Self { listener: Listener::Unix { listener, admits }, limits }
    }

    /// Accepts and serves until `shutdown` turns true, then waits for calls in flight, at most the grace period,
    /// and ends what is left.
    pub async fn serve<S, F, B>(self, service: S, mut shutdown: watch::Receiver<bool>)
    where
        S: Fn(Peer, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let mut connections = JoinSet::new();
        let closing = shutdown.clone();
        let accept_all = async {
            loop {
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
                // Those that have ended leave the set: it never holds more than there are permits, and one turn's.
                while connections.try_join_next().is_some() {}
                match &self.listener {
                    Listener::Tcp(listener) => match listener.accept().await {
                        Ok((stream, address)) => {
                            // Without it small answers wait for the peer's delayed acknowledgement.
                            let _ = stream.set_nodelay(true);
                            let peer = Peer::Address(address.ip().to_canonical());
                            connections.spawn(connection(
                                stream,
                                peer,
                                service.clone(),
                                self.limits.clone(),
                                closing.clone(),
                                permit,
                            ));
                        }
                        Err(error) => pause(&error).await,
                    },
                    Listener::Unix { listener, admits } => match listener.accept().await {
                        Ok((stream, _)) => match stream.peer_cred() {
                            Ok(credentials) => {
                                let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
                                let peer = Peer::Process { uid: credentials.uid(), is_admitted: admits(pid) };
                                connections.spawn(connection(
                                    stream,
                                    peer,
                                    service.clone(),
                                    self.limits.clone(),
                                    closing.clone(),
                                    permit,
                                ));
                            }
                            Err(error) => tracing::warn!(%error, "a local caller without credentials was refused"),
                        },
                        Err(error) => pause(&error).await,
                    },
                }
            }
        };
        tokio::select! {
            () = accept_all => {}
            () = stopped(&mut shutdown) => {}
        }
        drop(self.listener);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.limits.grace, all_ended).await.is_err() {
            tracing::warn!(grace = ?self.limits.grace, "calls in flight were cut off: they outlasted the grace period");
            connections.shutdown().await;
        }
    }
}

async fn pause(error: &std::io::Error) {
    tracing::error!(%error, "a connection cannot be accepted; raise the limit on open files if this repeats");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Waits until shutdown is asked for, or whoever could ask is gone.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Serves one connection to its end. `_permit` is its place among the connections.
async fn connection<T, S, F, B>(
    stream: T,
    peer: Peer,
    service: S,
    limits: HttpLimits,
    mut closing: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
) where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Fn(Peer, Request<Incoming>) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_buf_size(limits.head_bytes);
    let answer = service_fn(move |request| {
        // On the heap, and off it with its answer: hyper keeps the place of a request's future for as long as the connection.
        let response = Box::pin(service(peer, request));
        async move { Ok::<_, Infallible>(response.await) }
    });
    let stream = TokioIo::new(StallGuard::new(stream, limits.write_timeout));
    let mut connection = pin!(builder.serve_connection(stream, answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
