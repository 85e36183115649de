//! One HTTP target: its address, the headers it demands, a pool of connections.
//!
//! HTTP/2 where ALPN agrees on it, else HTTP/1.1 with keep-alive. No redirect is followed: a target that redirects could
//! send the injected credential elsewhere. Requests at once are bounded, and so is the time for each stage: a place, the
//! connection, TLS, the head of the answer; whoever reads the body bounds the rest. A server may close an idle connection
//! at the moment a request is on its way (RFC 9112 section 9.3.1): what may be asked twice is then asked once more, on a
//! connection of its own; whatever else may have been done and is not sent again (RFC 9110 section 9.2.2). Cancel safety:
//! dropping the future of `send` drops the connection of that request, or resets its stream.

mod connector;

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vidimus_core::ErrorKind;

use self::connector::Connector;
pub(crate) use self::connector::causes;
pub use self::connector::{ClientTls, ConnectError, TargetTls};
use crate::pem::TlsError;
/// A name that a certificate is for.
pub use rustls::pki_types::ServerName;

/// Idle connections kept per target.
const IDLE_CONNECTIONS: usize = 256;

/// How long an idle connection is kept: below the 5 s after which Node's and Python's common servers close theirs.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How often a peer is asked whether it lives while requests wait on an HTTP/2 connection, and how long it may take to say
/// so: they would all wait for their whole time on one that is gone.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes a target may send ahead on one stream, and on all of a connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

/// Requests to a target at once, streams that are listened to included.
const REQUESTS: usize = 10_000;

type HttpClient = Client<Connector, Full<Bytes>>;

/// Whether a request may reach the target twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It may do something each time.
    Never,
    /// It only asks, or what it does is done once however often it is asked for.
    Harmless,
}

/// How a target is spoken to.
#[derive(Debug, Clone)]
pub struct TargetOptions {
    /// What every request carries.
    pub headers: HeaderMap,
    /// Time for a connection, for the TLS handshake after it, and for a place among the requests before it.
    pub connect_timeout: Duration,
    /// Time until the head of an answer.
    pub response_timeout: Duration,
    /// Requests at once; one lasts until the body of its answer is read or dropped.
    pub requests: usize,
    /// How TLS is spoken.
    pub tls: TargetTls,
}

/// A target reached by HTTP. Cheap to clone: clones share the pool.
#[derive(Clone)]
pub struct HttpTarget {
    client: HttpClient,
    /// Keeps no connection, so each of its requests goes over a new one.
    unpooled: HttpClient,
    url: Uri,
    /// Scheme and host, for errors.
    name: Arc<str>,
    injected: HeaderMap,
    connect_timeout: Duration,
    response_timeout: Duration,
    places: Arc<Semaphore>,
    requests: usize,
    tls: ClientTls,
}

/// Why a target gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke before the answer began.
    #[error("the connection to {target} broke: {}", causes(source))]
    Broken {
        /// Scheme and host.
        target: Arc<str>,
        /// What broke it.
        source: hyper_util::client::legacy::Error,
    },
    /// No response head in time.
    #[error("{target} gave no response within {after:?} (request_timeout)")]
    Timeout {
        /// Scheme and host.
        target: Arc<str>,
        /// How long it was waited for.
        after: Duration,
    },
    /// There are as many requests as may be.
    #[error("{requests} requests to {target} are being answered, and none ended within {after:?} (requests)")]
    Crowded {
        /// Scheme and host.
        target: Arc<str>,
        /// How many.
        requests: usize,
        /// How long it was waited for.
        after: Duration,
    },
    /// The request could not be put together.
    #[error("the request for the target is not valid HTTP: {0}")]
    Request(#[from] http::Error),
    /// The files for TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl UpstreamError {
    /// Whether the target may have got the request.
    pub const fn was_sent(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::Timeout { .. })
    }

    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect(error) => error.kind(),
            Self::Broken { .. } => ErrorKind::Upstream,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Crowded { .. } => ErrorKind::Limit,
            Self::Request(_) => ErrorKind::Internal,
            Self::Tls(error) => error.kind(),
        }
    }
}

impl HttpTarget {
    /// A target at `url`, whose every request carries `injected`; `connect_timeout` and `response_timeout` as in
    /// [`TargetOptions`], the system's roots for TLS.
    pub fn new(
        url: Uri,
        injected: HeaderMap,
        connect_timeout: Duration,
        response_timeout: Duration,
    ) -> Result<Self, UpstreamError> {
        let tls = TargetTls::default();
        let options = TargetOptions { headers: injected, connect_timeout, response_timeout, requests: REQUESTS, tls };
        Self::with(url, options)
    }

    /// A target at `url` that is spoken to like this. Reads the files for TLS.
    pub fn with(url: Uri, options: TargetOptions) -> Result<Self, UpstreamError> {
        let TargetOptions { headers: mut injected, connect_timeout, response_timeout, requests, tls } = options;
        for value in injected.values_mut() {
            value.set_sensitive(true);
        }
        let origin = [url.scheme_str(), url.authority().map(http::uri::Authority::as_str)];
        let name: Arc<str> = origin.map(Option::unwrap_or_default).join("://").into();
        let connector = Connector::new(&url, Arc::clone(&name), &tls, connect_timeout)?;
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS);
        let tls = connector.tls().clone();
        let client = builder.build(connector.clone());
        let unpooled = builder.pool_max_idle_per_host(0).build(connector);
        let places = Arc::new(Semaphore::new(requests.min(Semaphore::MAX_PERMITS)));
        Ok(Self { client, unpooled, url, name, injected, connect_timeout, response_timeout, places, requests, tls })
    }

    /// Where the target is.
    pub const fn url(&self) -> &Uri {
        &self.url
    }

    /// The TLS with it.
    pub const fn tls(&self) -> &ClientTls {
        &self.tls
    }

    /// Sends one request and waits for the head of the response. The injected headers win over `headers`.
    pub fn send(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
        repeat: Repeat,
    ) -> impl Future<Output = Result<Response<TargetBody>, UpstreamError>> + Send {
        self.send_to(Ok(self.url.clone()), method, headers, body, repeat)
    }

    /// The same to another path of the target, with its query: never to another place.
    pub fn send_at(
        &self,
        path: &PathAndQuery,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
        repeat: Repeat,
    ) -> impl Future<Output = Result<Response<TargetBody>, UpstreamError>> + Send {
        let mut parts = self.url.clone().into_parts();
        parts.path_and_query = Some(path.clone());
        self.send_to(Uri::from_parts(parts).map_err(http::Error::from), method, headers, body, repeat)
    }

    async fn send_to(
        &self,
        url: Result<Uri, http::Error>,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
        repeat: Repeat,
    ) -> Result<Response<TargetBody>, UpstreamError> {
        let mut request = Request::builder().method(method).uri(url?).body(Full::new(body))?;
        *request.headers_mut() = headers;
        for (name, value) in &self.injected {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        request.headers_mut().entry(header::USER_AGENT).or_insert(HeaderValue::from_static("vidimus"));
        let place = self.place().await?;
        match tokio::time::timeout(self.response_timeout, self.answer(request, repeat)).await {
            Ok(Ok(answer)) => Ok(answer.map(|body| TargetBody { body, _place: place })),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(UpstreamError::Timeout { target: Arc::clone(&self.name), after: self.response_timeout }),
        }
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, UpstreamError> {
        let place = tokio::time::timeout(self.connect_timeout, Arc::clone(&self.places).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| UpstreamError::Crowded {
            target: Arc::clone(&self.name),
            requests: self.requests,
            after: self.connect_timeout,
        })
    }

    async fn answer(
        &self,
        request: Request<Full<Bytes>>,
        repeat: Repeat,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let again = (repeat == Repeat::Harmless).then(|| request.clone());
        match (self.client.request(request).await, again) {
            (Err(error), Some(again)) if is_closed(&error) => self.unpooled.request(again).await,
            (answer, _) => answer,
        }
    }

    /// The stage at which it failed.
    fn failed(&self, error: hyper_util::client::legacy::Error) -> UpstreamError {
        match error.source().and_then(|cause| cause.downcast_ref::<ConnectError>()) {
            Some(error) => UpstreamError::Connect(error.clone()),
            None => UpstreamError::Broken { target: Arc::clone(&self.name), source: error },
        }
    }
}

/// The body of an answer. Its request counts among those at once until this is dropped.
#[derive(Debug)]
pub struct TargetBody {
    body: Incoming,
    _place: OwnedSemaphorePermit,
}

impl Body for TargetBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether the server closed the connection before it answered anything.
fn is_closed(error: &hyper_util::client::legacy::Error) -> bool {
    let Some(cause) = error.source() else { return false };
    let reset = |cause: &(dyn Error + 'static)| {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
        cause.downcast_ref::<std::io::Error>().is_some_and(|cause| matches!(cause.kind(), BrokenPipe | ConnectionReset))
    };
    let Some(http) = cause.downcast_ref::<hyper::Error>() else { return false };
    http.is_incomplete_message() || http.is_canceled() || http.source().is_some_and(reset)
}

#[cfg(test)]
mod tests;
