//! One HTTP target: its address, the headers it demands, a pool of connections.
//!
//! HTTP/1.1 with keep-alive; HTTPS by rustls with the system's roots. No redirect is followed: a target that
//! redirects could send the injected credential elsewhere. A server may close an idle connection at the moment a
//! request is on its way (RFC 9112 section 9.3.1): what may be asked twice is then asked once more, on a connection of
//! its own; whatever else may have been done and is not sent again (RFC 9110 section 9.2.2). Cancel safety: dropping
//! the future of `send` drops the connection of that request.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use vidimus_core::ErrorKind;

/// Idle connections kept per target.
const IDLE_CONNECTIONS: usize = 256;

/// How long an idle connection is kept: below the 5 s after which Node's and Python's common servers close theirs.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Whether a request may reach the target twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It may do something each time.
    Never,
    /// It only asks, or what it does is done once however often it is asked for.
    Harmless,
}

/// A target reached by HTTP. Cheap to clone: clones share the pool.
#[derive(Clone)]
pub struct HttpTarget {
    client: HttpClient,
    /// Keeps no connection, so each of its requests goes over a new one.
    unpooled: HttpClient,
    url: Uri,
    injected: HeaderMap,
    response_timeout: Duration,
}

/// Why a target gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection, or it broke.
    #[error("the target cannot be reached: {}", causes(.0))]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    /// No response head in time.
    #[error("the target gave no response within {0:?}")]
    Timeout(Duration),
    /// The request could not be put together.
    #[error("the request for the target is not valid HTTP: {0}")]
    Request(#[from] http::Error),
    /// The system's root certificates could not be read.
    #[error("the system's root certificates cannot be read (install ca-certificates): {0}")]
    Roots(std::io::Error),
}

impl UpstreamError {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable(_) => ErrorKind::Upstream,
            Self::Timeout(_) => ErrorKind::Timeout,
            Self::Request(_) => ErrorKind::Internal,
            Self::Roots(_) => ErrorKind::Configuration,
        }
    }
}

impl HttpTarget {
    /// A target at `url`, whose every request carries `injected`. `connect_timeout` bounds one connection attempt,
    /// `response_timeout` the wait for the head of a response.
    pub fn new(
        url: Uri,
        mut injected: HeaderMap,
        connect_timeout: Duration,
        response_timeout: Duration,
    ) -> Result<Self, UpstreamError> {
        for value in injected.values_mut() {
            value.set_sensitive(true);
        }
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(UpstreamError::Roots)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector.clone());
        let unpooled = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { client, unpooled, url, injected, response_timeout })
    }

    /// Where the target is.
    pub const fn url(&self) -> &Uri {
        &self.url
    }

    /// Sends one request and waits for the head of the response. The injected headers win over `headers`.
    pub async fn send(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
        repeat: Repeat,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let mut request = Request::builder().method(method).uri(self.url.clone()).body(Full::new(body))?;
        *request.headers_mut() = headers;
        for (name, value) in &self.injected {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        request.headers_mut().entry(header::USER_AGENT).or_insert(HeaderValue::from_static("vidimus"));
        match tokio::time::timeout(self.response_timeout, self.answer(request, repeat)).await {
            Ok(answer) => answer.map_err(UpstreamError::Unreachable),
            Err(_) => Err(UpstreamError::Timeout(self.response_timeout)),
        }
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

/// The error with its causes: the library's own words name only the step that failed.
fn causes(error: &hyper_util::client::legacy::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests;
