//! The two ends of a protocol that frames itself: a client's connection, and one to its target.
//!
//! Both are read by the adapter and written by the gate: a client's end takes what was released, a target's end a wire
//! whose intent is on record. Besides both take [`Signal`]s, which say nothing of an operation. The credential is shown to a
//! target in a [`Handshake`], which sees it while it makes its answer.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use tokio::sync::watch;
use vidimus_core::ErrorKind;
use vidimus_net::client::{ConnectError, ServerName};
use vidimus_net::{ClientTls, Line, LineLimits, LineReader, LineServer, LineWriter, ServerTls};
use zeroize::Zeroizing;

use crate::evidence::EvidenceError;
use crate::released::Released;
use crate::signal::Signal;
use crate::upstream::{Dial, Wire};

/// How much for a target waits at most to be written together.
const MOST_WAITING: usize = 8 << 10;

/// A client's connection, before its session.
#[derive(Debug)]
pub struct ClientLine(Line);

/// What a client says.
pub struct ClientReader(LineReader);

/// What a client is told.
pub struct ClientWriter(LineWriter);

/// Where a target is, and what it is shown.
#[derive(Debug, Clone)]
pub struct LineTarget(Arc<Way>);

/// The way to a target.
pub struct Way {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its TLS and the name of its certificate; none where it is reached in plain text.
    pub tls: Option<(ClientTls, ServerName<'static>)>,
    /// Whom the gateway is there.
    pub user: String,
    /// Its password there.
    pub password: Option<Password>,
    /// Bounds.
    pub limits: LineLimits,
}

/// A password of the gateway's, which nothing shows.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes it.
    pub const fn new(password: Zeroizing<String>) -> Self {
        Self(password)
    }
}

/// A connection to a target, before it has let the gateway in.
#[derive(Debug)]
pub struct TargetLine {
    line: Line,
    target: LineTarget,
}

/// What a target says.
pub struct TargetReader(LineReader);

/// What a target is told. What is sent and said waits until there is much of it, or it is flushed, so that a batch is one write.
///
/// A target that does not read is never waited for here: it may be one that waits for its own answer to be read. What it does
/// not take waits, [`Self::is_full`] says when nothing more should come, and [`Self::flush`] waits for it, beside all else.
pub struct TargetWriter {
    line: LineWriter,
    waiting: BytesMut,
    /// Whether something was written that may not have gone out.
    is_written: bool,
    /// Whether nothing more may go out.
    is_given_up: bool,
}

/// What the gateway shows a target.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// Who it is there.
    pub user: &'a str,
    /// Its password.
    pub password: Option<&'a [u8]>,
}

/// What an adapter says to a target to be let in. It sees the credential for as long as it makes an answer.
pub trait Handshake: Send {
    /// Takes what has arrived, which is nothing at first; says what comes next.
    fn next(&mut self, received: &mut BytesMut, login: Login<'_>) -> Result<Next, Box<dyn Error + Send + Sync>>;
}

/// How a handshake goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// More must arrive.
    Wait,
    /// This is to be written.
    Write(Vec<u8>),
    /// TLS comes next, under the name that the target's certificate must be for.
    Secure,
    /// The target has let the gateway in.
    Done,
}

/// Why a target cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke.
    #[error("the connection to the target broke: {0}")]
    Broken(#[from] io::Error),
    /// The target has closed it.
    #[error("the target has closed the connection")]
    Closed,
    /// The target has not let the gateway in.
    #[error("the target does not let the gateway in: {0}")]
    Refused(String),
    /// The intent is not durable, so nothing was sent.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

impl LineError {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect(error) => error.kind(),
            Self::Broken(_) | Self::Closed | Self::Refused(_) => ErrorKind::Upstream,
            Self::Evidence(error) => error.kind(),
        }
    }
}

/// Serves lines until `shutdown` turns true: `service` has the client's end, who is there, and what tells it to end.
pub async fn serve_lines<S, F>(server: LineServer, service: S, shutdown: watch::Receiver<bool>)
where
    S: Fn(ClientLine, IpAddr, watch::Receiver<bool>) -> F + Send + Sync,
    F: Future<Output = ()> + Send + 'static,
{
    server.serve(move |line, address, closing| service(ClientLine(line), address, closing), shutdown).await;
}

impl ClientLine {
    /// The first byte that arrives, which stays where it is; none at the end of the line, and on one that is encrypted.
    pub async fn first_byte(&self) -> io::Result<Option<u8>> {
        self.0.first_byte().await
    }

    /// What has arrived and was not taken.
    pub const fn received(&mut self) -> &mut BytesMut {
        self.0.received()
    }

    /// Waits for more; `Ok(0)` at the end of the line.
    pub async fn receive(&mut self) -> io::Result<usize> {
        self.0.receive().await
    }

    /// Whether it is encrypted.
    pub const fn is_secure(&self) -> bool {
        self.0.is_secure()
    }

    /// Goes on with TLS. Bytes that came before it are a fault.
    pub async fn accept_tls(self, tls: &ServerTls) -> io::Result<Self> {
        Ok(Self(self.0.accept_tls(tls).await?))
    }

    /// Says something without content.
    pub async fn say(&mut self, signal: &Signal) -> io::Result<()> {
        self.0.write(signal.bytes()).await
    }

    /// Passes on what was released.
    pub async fn send(&mut self, released: &Released) -> io::Result<()> {
        self.0.write(released.as_bytes()).await
    }

    /// Both ends, each for a task of its own.
    pub fn split(self) -> (ClientReader, ClientWriter) {
        let (reader, writer) = self.0.split();
        (ClientReader(reader), ClientWriter(writer))
    }
}

impl ClientReader {
    /// What has arrived and was not taken.
    pub const fn received(&mut self) -> &mut BytesMut {
        self.0.received()
    }

    /// Waits for more; `Ok(0)` at the end of the line.
    pub async fn receive(&mut self) -> io::Result<usize> {
        self.0.receive().await
    }
}

impl ClientWriter {
    /// Says something without content.
    pub async fn say(&mut self, signal: &Signal) -> io::Result<()> {
        self.0.write(signal.bytes()).await
    }

    /// Passes on what was released.
    pub async fn send(&mut self, released: &Released) -> io::Result<()> {
        self.0.write(released.as_bytes()).await
    }

    /// The same, and says something without content after it, at once.
    pub async fn send_and_say(&mut self, released: &Released, signal: &Signal) -> io::Result<()> {
        self.0.write(&[released.as_bytes(), signal.bytes()].concat()).await
    }

    /// Ends the line.
    pub async fn end(&mut self) -> io::Result<()> {
        self.0.end().await
    }
}

impl LineTarget {
    /// One that is reached this way.
    pub fn new(way: Way) -> Self {
        Self(Arc::new(way))
    }

    /// Whether it must be reached by TLS.
    pub fn is_secure(&self) -> bool {
        self.0.tls.is_some()
    }

    /// Connects, in plain text so far.
    pub async fn dial(&self, _leave: &Dial) -> Result<TargetLine, LineError> {
        let line = Line::dial(&self.0.host, self.0.port, self.0.limits.clone()).await?;
        Ok(TargetLine { line, target: self.clone() })
    }
}

impl TargetLine {
    /// What has arrived and was not taken.
    pub const fn received(&mut self) -> &mut BytesMut {
        self.line.received()
    }

    /// Waits for more.
    pub async fn receive(&mut self) -> Result<(), LineError> {
        match self.line.receive().await? {
            0 => Err(LineError::Closed),
            _ => Ok(()),
        }
    }

    /// Says something without content.
    pub async fn say(&mut self, signal: &Signal) -> Result<(), LineError> {
        Ok(self.line.write(signal.bytes()).await?)
    }

    /// Goes on with TLS, under the name that its certificate must be for.
    pub async fn connect_tls(self) -> Result<Self, LineError> {
        let Self { line, target } = self;
        let Some((tls, name)) = &target.0.tls else {
            return Err(LineError::Refused("it is not configured for TLS".to_owned()));
        };
        Ok(Self { line: line.connect_tls(tls, name.clone()).await?, target })
    }

    /// Is let in.
    pub async fn log_in(self, handshake: &mut impl Handshake) -> Result<Self, LineError> {
        let limit = self.target.0.limits.handshake_timeout;
        let done = tokio::time::timeout(limit, self.shake(handshake)).await;
        done.unwrap_or_else(|_| Err(LineError::Refused(format!("it did not answer within {limit:?}"))))
    }

    async fn shake(mut self, handshake: &mut impl Handshake) -> Result<Self, LineError> {
        let way = Arc::clone(&self.target.0);
        loop {
            let password = way.password.as_ref().map(|password| password.0.as_bytes());
            let login = Login { user: &way.user, password };
            let next = handshake.next(self.line.received(), login);
            match next.map_err(|error| LineError::Refused(error.to_string()))? {
                Next::Write(bytes) => self.line.write(&Zeroizing::new(bytes)).await?,
                Next::Secure => self = self.connect_tls().await?,
                Next::Wait => self.receive().await?,
                Next::Done => return Ok(self),
            }
        }
    }

    /// Both ends, each for a task of its own.
    pub fn split(self) -> (TargetReader, TargetWriter) {
        let (reader, writer) = self.line.split();
        (
            TargetReader(reader),
            TargetWriter { line: writer, waiting: BytesMut::new(), is_written: false, is_given_up: false },
        )
    }
}

impl TargetReader {
    /// What has arrived and was not taken.
    pub const fn received(&mut self) -> &mut BytesMut {
        self.0.received()
    }

    /// Waits for more.
    pub async fn receive(&mut self) -> Result<(), LineError> {
        match self.0.receive().await? {
            0 => Err(LineError::Closed),
            _ => Ok(()),
        }
    }
}

impl TargetWriter {
    /// Sends what was evaluated, after its intent is durable.
    pub async fn send(&mut self, wire: Wire) -> Result<(), LineError> {
        if !wire.is_ready() {
            // What was sent before it is not kept back by its record.
            self.offer().await?;
            wire.ready().await?;
        }
        self.put(&wire.bytes).await
    }

    /// Says something without content.
    pub async fn say(&mut self, signal: &Signal) -> Result<(), LineError> {
        self.put(signal.bytes()).await
    }

    /// Drops what waits. Nothing is sent any more: the target may have a part of a message, which must not become whole.
    pub fn give_up(&mut self) {
        if !self.waiting.is_empty() {
            self.waiting.clear();
            self.is_given_up = true;
        }
    }

    async fn put(&mut self, bytes: &[u8]) -> Result<(), LineError> {
        if self.is_given_up {
            return Err(LineError::Closed);
        }
        self.waiting.extend_from_slice(bytes);
        if self.is_full() { self.offer().await } else { Ok(()) }
    }

    /// Whether so much waits that nothing more should come.
    pub fn is_full(&self) -> bool {
        self.waiting.len() > MOST_WAITING
    }

    /// Whether something waits.
    pub fn is_waiting(&self) -> bool {
        self.is_written || !self.waiting.is_empty()
    }

    /// Writes what the target takes of it at once.
    pub async fn offer(&mut self) -> Result<(), LineError> {
        let mut flushing = pin!(self.flush());
        poll_fn(|context| match flushing.as_mut().poll(context) {
            Poll::Pending => Poll::Ready(Ok(())),
            done @ Poll::Ready(_) => done,
        })
        .await
    }

    /// Writes what waits. Cancel safe: what is dropped has written a part, and the rest waits.
    pub async fn flush(&mut self) -> Result<(), LineError> {
        while !self.waiting.is_empty() {
            self.is_written = true;
            if self.line.write_some(&mut self.waiting).await? == 0 {
                return Err(LineError::Closed);
            }
        }
        if self.is_written {
            self.line.flush().await?;
            self.is_written = false;
        }
        Ok(())
    }

    /// Ends the line.
    pub async fn end(&mut self) -> Result<(), LineError> {
        self.flush().await?;
        Ok(self.line.end().await?)
    }
}

/// Shows nothing of the password.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}
