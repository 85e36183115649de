//! An HTTP listener with limits, over TCP, with or without TLS, or a Unix socket.
//!
//! HTTP/2 is spoken where TLS has agreed on it (ALPN), HTTP/1.1 everywhere else. hyper refuses conflicting
//! `Content-Length`, and control characters and folded lines in headers (RFC 9112 §6.3, §5.2, §11.2); of
//! `Transfer-Encoding` beside `Content-Length` the former counts and the connection ends. What heads must be besides is in
//! `head`, who the client is behind a proxy in `forwarded`. Here stand the limits: connections, header bytes (and hyper's
//! 100 headers), streams, time for a TLS handshake, for a head, on an idle connection too, and to take an answer.
//! On shutdown the listener closes at once, calls in flight finish within a grace period; what is left is aborted. So it
//! is when the future of [`Server::serve`] is dropped.

mod connection;
mod forwarded;
mod head;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use self::connection::Connection;
pub(crate) use self::connection::stopped;
pub use self::forwarded::{ClientHeader, Network, NetworkError, Proxies};
use crate::tls::ServerTls;

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
    /// Bytes of the target in a request line.
    pub target_bytes: usize,
    /// Time for a TLS handshake.
    pub handshake_timeout: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
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
            target_bytes: 8 << 10,
            handshake_timeout: Duration::from_secs(10),
            streams: 100,
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
    tls: Option<ServerTls>,
    proxies: Proxies,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix { listener: UnixListener, admits: fn(Option<u32>) -> bool },
}

impl Server {
    /// Serves a bound TCP listener.
    pub fn tcp(listener: TcpListener, limits: HttpLimits) -> Self {
        Self { listener: Listener::Tcp(listener), limits, tls: None, proxies: Proxies::default() }
    }

    /// Serves a bound Unix socket. `admits` is asked about each process as it connects, by its id (none when it is in
    /// another PID namespace), and not again: while the connection stays, the process may end, and its id may become
    /// another's.
    pub fn unix(listener: UnixListener, limits: HttpLimits, admits: fn(Option<u32>) -> bool) -> Self {
        Self { listener: Listener::Unix { listener, admits }, limits, tls: None, proxies: Proxies::default() }
    }

    /// The same over TLS; a Unix socket stays without.
    #[must_use]
    pub fn over_tls(self, tls: Option<ServerTls>) -> Self {
        Self { tls, ..self }
    }

    /// The same, where these proxies say for whom they ask.
    #[must_use]
    pub fn behind(self, proxies: Proxies) -> Self {
        Self { proxies, ..self }
    }

    /// Accepts and serves until `shutdown` turns true, then waits for calls in flight, at most the grace period,
    /// and ends what is left.
    pub async fn serve<S, F, B>(self, service: S, mut shutdown: watch::Receiver<bool>)
    where
        S: Fn(Peer, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let proxies = Arc::new(self.proxies);
        let mut connections = JoinSet::new();
        let closing = shutdown.clone();
        let accept_all = async {
            loop {
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
                // Those that have ended leave the set: it never holds more than there are permits, and one turn's.
                while connections.try_join_next().is_some() {}
                let place = |peer| Connection {
                    peer,
                    service: service.clone(),
                    limits: self.limits.clone(),
                    proxies: Arc::clone(&proxies),
                    closing: closing.clone(),
                    permit,
                };
                match &self.listener {
                    Listener::Tcp(listener) => match listener.accept().await {
                        Ok((stream, address)) => {
                            // Without it small answers wait for the peer's delayed acknowledgement.
                            let _ = stream.set_nodelay(true);
                            let connection = place(Peer::Address(address.ip().to_canonical()));
                            match &self.tls {
                                None => connections.spawn(connection.serve(stream)),
                                Some(tls) => connections.spawn(connection.serve_tls(tls.acceptor(), stream)),
                            };
                        }
                        Err(error) => pause(&error).await,
                    },
                    Listener::Unix { listener, admits } => match listener.accept().await {
                        Ok((stream, _)) => match stream.peer_cred() {
                            Ok(credentials) => {
                                let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
                                let peer = Peer::Process { uid: credentials.uid(), is_admitted: admits(pid) };
                                connections.spawn(place(peer).serve(stream));
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

pub(crate) async fn pause(error: &std::io::Error) {
    tracing::error!(%error, "a connection cannot be accepted; raise the limit on open files if this repeats");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}
