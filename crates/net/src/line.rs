//! Connections of protocols that frame themselves: bytes both ways, with TLS from the beginning or from some point on.
//!
//! Here stand the limits: connections at once, time for a TLS handshake, time that a peer may let what is written wait,
//! and how much is read ahead. Cancel safety: a read that is dropped has taken nothing; a [`LineWriter::write`] that is
//! dropped may have written a part, and the line is of no use after it.

use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, client, server};

use crate::client::causes;
use crate::server::{pause, stopped};
use crate::stall::StallGuard;
use crate::tls::ServerTls;
use crate::{ClientTls, client::ConnectError};

/// How much room a read has: at first, and at most on a line that fills it.
const LEAST_ROOM: usize = 2 << 10;
const MOST_ROOM: usize = 64 << 10;

/// Bounds of the lines of one listener, or to one target.
#[derive(Debug, Clone)]
pub struct LineLimits {
    /// Lines at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Time for a connection to a target, and for a TLS handshake.
    pub handshake_timeout: Duration,
    /// Time a peer may let what is written wait without reading any of it.
    pub write_timeout: Duration,
    /// Time that lines get at shutdown.
    pub grace: Duration,
}

impl Default for LineLimits {
    fn default() -> Self {
        Self {
            connections: 1_000,
            handshake_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_mins(1),
            grace: Duration::from_secs(30),
        }
    }
}

/// A connection, and what has arrived on it and was not taken yet.
pub struct Line {
    stream: Stream,
    received: Received,
    limits: LineLimits,
    /// Its place among the lines of a listener.
    permit: Option<OwnedSemaphorePermit>,
}

enum Stream {
    Plain(StallGuard<TcpStream>),
    Served(Box<server::TlsStream<StallGuard<TcpStream>>>),
    Dialled(Box<client::TlsStream<StallGuard<TcpStream>>>),
}

/// The reading end.
pub struct LineReader {
    stream: tokio::io::ReadHalf<Stream>,
    received: Received,
    /// Its place among the lines of a listener.
    #[expect(dead_code, reason = "held until the line ends")]
    permit: Option<OwnedSemaphorePermit>,
}

/// What has arrived and was not taken, and how much room the next read has: little on a line that waits, much on one that is busy.
struct Received {
    bytes: BytesMut,
    room: usize,
}

impl Received {
    fn nothing() -> Self {
        Self { bytes: BytesMut::new(), room: LEAST_ROOM }
    }

    /// Reads what there is, once. Cancel safe.
    async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        self.bytes.reserve(self.room);
        let read = stream.read_buf(&mut self.bytes).await?;
        self.room = match read {
            _ if read >= self.room => (2 * self.room).min(MOST_ROOM),
            _ if read < self.room / 4 => (self.room / 2).max(LEAST_ROOM),
            _ => self.room,
        };
        Ok(read)
    }
}

/// The writing end.
pub struct LineWriter(tokio::io::WriteHalf<Stream>);

impl Line {
    /// Connects to a target at `host` and `port`, without TLS so far.
    pub async fn dial(host: &str, port: u16, limits: LineLimits) -> Result<Self, ConnectError> {
        let target: Arc<str> = format!("{host}:{port}").into();
        let after = limits.handshake_timeout;
        match timeout(after, TcpStream::connect((host, port))).await {
            Ok(Ok(stream)) => Ok(Self::new(stream, limits, None)),
            Ok(Err(error)) => Err(ConnectError::Refused { target, reason: error.to_string() }),
            Err(_) => Err(ConnectError::Timeout { target, after }),
        }
    }

    fn new(stream: TcpStream, limits: LineLimits, permit: Option<OwnedSemaphorePermit>) -> Self {
        // Without it small answers wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let stream = Stream::Plain(StallGuard::new(stream, limits.write_timeout));
        Self { stream, received: Received::nothing(), limits, permit }
    }

    /// The first byte that arrives, which stays where it is; none at the end of the line, and on one that is encrypted.
    pub async fn first_byte(&self) -> io::Result<Option<u8>> {
        let Stream::Plain(stream) = &self.stream else { return Ok(None) };
        let mut first = [0];
        Ok((stream.get_ref().peek(&mut first).await? > 0).then(|| first.first().copied()).flatten())
    }

    /// Whether it is encrypted.
    pub const fn is_secure(&self) -> bool {
        !matches!(self.stream, Stream::Plain(_))
    }

    /// Goes on with TLS, as the server. What has arrived and was not taken is a fault: it came before TLS, from anybody.
    pub async fn accept_tls(self, tls: &ServerTls) -> io::Result<Self> {
        let (stream, rest) = self.bare()?;
        let accepted = timeout(rest.limits.handshake_timeout, tls.acceptor().accept(stream)).await;
        let late = || io::Error::new(ErrorKind::TimedOut, "the TLS handshake was not finished in time");
        let stream = Stream::Served(Box::new(accepted.map_err(|_| late())??));
        Ok(rest.with(stream))
    }

    /// Goes on with TLS, as the client of a target that must be `server_name`.
    pub async fn connect_tls(self, tls: &ClientTls, server_name: ServerName<'static>) -> Result<Self, ConnectError> {
        let target: Arc<str> = server_name.to_str().into_owned().into();
        let after = self.limits.handshake_timeout;
        let failed = |error: &io::Error| ConnectError::Tls { target: Arc::clone(&target), reason: causes(error) };
        let (stream, rest) = self.bare().map_err(|error| failed(&error))?;
        let connecting = TlsConnector::from(tls.current()).connect(server_name, stream);
        match timeout(after, connecting).await {
            Ok(Ok(stream)) => Ok(rest.with(Stream::Dialled(Box::new(stream)))),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(ConnectError::TlsTimeout { target, after }),
        }
    }

    /// The stream, where it is plain and nothing has arrived ahead; and all else, which waits for another one.
    fn bare(self) -> io::Result<(StallGuard<TcpStream>, Waiting)> {
        let Self { stream, received, limits, permit } = self;
        match stream {
            Stream::Plain(stream) if received.bytes.is_empty() => Ok((stream, Waiting { limits, permit })),
            Stream::Plain(_) => Err(io::Error::new(ErrorKind::InvalidData, "bytes arrived before the TLS handshake")),
            _ => Err(io::Error::new(ErrorKind::InvalidInput, "TLS is there already")),
        }
    }

    /// What has arrived and was not taken.
    pub const fn received(&mut self) -> &mut BytesMut {
        &mut self.received.bytes
    }

    /// Waits for more; `Ok(0)` at the end of the line.
    pub async fn receive(&mut self) -> io::Result<usize> {
        self.received.read(&mut self.stream).await
    }

    /// Writes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Both ends, each for a task of its own.
    pub fn split(self) -> (LineReader, LineWriter) {
        let (read, write) = tokio::io::split(self.stream);
        (LineReader { stream: read, received: self.received, permit: self.permit }, LineWriter(write))
    }
}

/// All of a line but its stream.
struct Waiting {
    limits: LineLimits,
    permit: Option<OwnedSemaphorePermit>,
}

impl Waiting {
    fn with(self, stream: Stream) -> Line {
        Line { stream, received: Received::nothing(), limits: self.limits, permit: self.permit }
    }
}

impl LineReader {
    /// What has arrived and was not taken.
    pub const fn received(&mut self) -> &mut BytesMut {
        &mut self.received.bytes
    }

    /// Waits for more; `Ok(0)` at the end of the line.
    pub async fn receive(&mut self) -> io::Result<usize> {
        self.received.read(&mut self.stream).await
    }
}

impl LineWriter {
    /// Writes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// Writes what the peer takes of this, and takes it off. Cancel safe: what is dropped has written nothing.
    pub async fn write_some(&mut self, bytes: &mut BytesMut) -> io::Result<usize> {
        self.0.write_buf(bytes).await
    }

    /// Sees that what was written goes out. Cancel safe.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }

    /// Ends the line in this direction.
    pub async fn end(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}

/// A listener for lines that has been bound, not yet served.
#[derive(Debug)]
pub struct LineServer {
    listener: TcpListener,
    limits: LineLimits,
}

impl LineServer {
    /// Serves a bound TCP listener.
    pub const fn new(listener: TcpListener, limits: LineLimits) -> Self {
        Self { listener, limits }
    }

    /// Accepts and serves until `shutdown` turns true, then waits for the lines there are, at most the grace period, and ends
    /// what is left. `service` is given a line, who is at its other end, and what tells it to come to an end.
    pub async fn serve<S, F>(self, service: S, mut shutdown: watch::Receiver<bool>)
    where
        S: Fn(Line, IpAddr, watch::Receiver<bool>) -> F + Send + Sync,
        F: Future<Output = ()> + Send + 'static,
    {
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let mut lines = JoinSet::new();
        let closing = shutdown.clone();
        let accept_all = async {
            loop {
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
                // Those that have ended leave the set: it never holds more than there are permits, and one turn's.
                while lines.try_join_next().is_some() {}
                match self.listener.accept().await {
                    Ok((stream, address)) => {
                        let line = Line::new(stream, self.limits.clone(), Some(permit));
                        lines.spawn(service(line, address.ip().to_canonical(), closing.clone()));
                    }
                    Err(error) => pause(&error).await,
                }
            }
        };
        tokio::select! {
            () = accept_all => {}
            () = stopped(&mut shutdown) => {}
        }
        drop(self.listener);
        let all_ended = async { while lines.join_next().await.is_some() {} };
        if timeout(self.limits.grace, all_ended).await.is_err() {
            tracing::warn!(grace = ?self.limits.grace, "connections were cut off: they outlasted the grace period");
            lines.shutdown().await;
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Served(stream) => Pin::new(stream).poll_read(context, into),
            Self::Dialled(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Served(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Dialled(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Served(stream) => Pin::new(stream).poll_flush(context),
            Self::Dialled(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Served(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Dialled(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Shows nothing of what has arrived.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("is_secure", &self.is_secure()).finish_non_exhaustive()
    }
}
