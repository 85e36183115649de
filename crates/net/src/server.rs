//! An HTTP/1.1 listener with limits, over TCP or a Unix socket.
//!
//! hyper refuses conflicting `Content-Length` and `Transfer-Encoding` and control characters in headers
//! (RFC 9112 §6.3, §11.2). Here stand the limits: connections, header bytes (and hyper's 100 headers), time to send a head.
//! On shutdown the listener closes at once, calls in flight finish within a grace period.

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
use tokio::sync::{Semaphore, mpsc, watch};

/// The pause after a failed accept (the process is out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds of one listener.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Connections open at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Time a client may take to send a request head.
    pub head_timeout: Duration,
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
    /// A process on this machine, by its user id (`SO_PEERCRED`).
    User(u32),
}

impl Peer {
    /// The IP address; for a local process the loopback address.
    pub const fn address(self) -> IpAddr {
        match self {
            Self::Address(address) => address,
            Self::User(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
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
    Unix(UnixListener),
}

impl Server {
    /// Serves a bound TCP listener.
    pub const fn tcp(listener: TcpListener, limits: HttpLimits) -> Self {
        Self { listener: Listener::Tcp(listener), limits }
    }

    /// Serves a bound Unix socket.
    pub const fn unix(listener: UnixListener, limits: HttpLimits) -> Self {
        Self { listener: Listener::Unix(listener), limits }
    }

    /// Accepts and serves until `shutdown` turns true, then waits for calls in flight, at most the grace period.
    pub async fn serve<S, F, B>(self, service: S, mut shutdown: watch::Receiver<bool>)
    where
        S: Fn(Peer, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        // Every connection holds a sender; when the last is gone, all calls have ended.
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        let closing = shutdown.clone();
        let accept_all = async {
            loop {
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
                let guard = (permit, alive.clone());
                match &self.listener {
                    Listener::Tcp(listener) => match listener.accept().await {
                        Ok((stream, address)) => {
                            // Without it small answers wait for the peer's delayed acknowledgement.
                            let _ = stream.set_nodelay(true);
                            let peer = Peer::Address(address.ip().to_canonical());
                            spawn(stream, peer, service.clone(), &self.limits, closing.clone(), guard);
                        }
                        Err(error) => pause(&error).await,
                    },
                    Listener::Unix(listener) => match listener.accept().await {
                        Ok((stream, _)) => match stream.peer_cred() {
                            Ok(credentials) => {
                                let peer = Peer::User(credentials.uid());
                                spawn(stream, peer, service.clone(), &self.limits, closing.clone(), guard);
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
        drop(alive);
        if tokio::time::timeout(self.limits.grace, all_gone.recv()).await.is_err() {
            tracing::warn!(grace = ?self.limits.grace, "calls in flight were cut off: they outlasted the grace period");
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

fn spawn<T, S, F, B, G>(
    stream: T,
    peer: Peer,
    service: S,
    limits: &HttpLimits,
    mut closing: watch::Receiver<bool>,
    guard: G,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Fn(Peer, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    G: Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_buf_size(limits.head_bytes);
    tokio::spawn(async move {
        let _guard = guard;
        let answer = service_fn(move |request| {
            let response = service(peer, request);
            async move { Ok::<_, Infallible>(response.await) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), answer));
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
    });
}
