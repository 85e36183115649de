//! One connection, from its TLS handshake to its end: HTTP/2 where ALPN has chosen it, else HTTP/1.1.
//!
//! Bounds of HTTP/2 (RFC 9113 §10.5): streams, bytes of a head, windows, resets of streams that were not served yet (the
//! "rapid reset" of CVE-2023-44487); hyper and h2 bound `CONTINUATION` frames and what they keep of reset streams.
//! Cancel safety: dropping the future ends the connection and every request on it.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::forwarded::Proxies;
use super::{HttpLimits, Peer, head};
use crate::activity::Activity;
use crate::stall::StallGuard;
use crate::tls::H2;

/// Resets of streams that were opened and not served yet, before the connection is closed.
const PENDING_RESETS: usize = 20;

/// Streams that were reset because the client broke the protocol, before the connection is closed.
const ERROR_RESETS: usize = 64;

/// Bytes a client may send ahead on one stream, and on all of a connection.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// Bytes of answers waiting on one stream before its body is asked for more.
const SEND_BUFFER: usize = 256 << 10;

/// One connection that is to be served.
pub(super) struct Connection<S> {
    pub(super) peer: Peer,
    pub(super) service: S,
    pub(super) limits: HttpLimits,
    pub(super) proxies: Arc<Proxies>,
    pub(super) closing: watch::Receiver<bool>,
    /// Its place among the connections.
    #[expect(dead_code, reason = "held until the connection ends")]
    pub(super) permit: OwnedSemaphorePermit,
}

/// What a request is answered with: by the service, or before it.
type Answered<B> = Either<B, Full<Bytes>>;

impl<S, F, B> Connection<S>
where
    S: Fn(Peer, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Serves a connection that is without TLS to its end.
    pub(super) async fn serve<T: AsyncRead + AsyncWrite + Unpin>(self, stream: T) {
        let stream = StallGuard::new(stream, self.limits.write_timeout);
        self.serve_http1(stream).await;
    }

    /// Agrees on TLS, then serves to the end.
    pub(super) async fn serve_tls<T: AsyncRead + AsyncWrite + Unpin>(self, acceptor: TlsAcceptor, stream: T) {
        let activity = Activity::default();
        // Below TLS, which keeps what the peer does not take.
        let stream = StallGuard::new(stream, self.limits.write_timeout).counted(activity.clone());
        let mut closing = self.closing.clone();
        let handshake = tokio::time::timeout(self.limits.handshake_timeout, acceptor.accept(stream));
        let accepted = tokio::select! {
            accepted = handshake => accepted,
            () = stopped(&mut closing) => return,
        };
        match accepted {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(H2) => {
                self.serve_http2(stream, activity).await;
            }
            Ok(Ok(stream)) => self.serve_http1(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, peer = %self.peer.address(), "a TLS handshake failed"),
            Err(_) => tracing::debug!(peer = %self.peer.address(), "a TLS handshake was not finished in time"),
        }
    }

    async fn serve_http1<T: AsyncRead + AsyncWrite + Unpin>(self, stream: T) {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_timeout)
            .max_buf_size(self.limits.head_bytes);
        let mut closing = self.closing.clone();
        let answer = service_fn(|request| {
            // On the heap, and off it with its answer: hyper keeps the place of a request's future for as long as the
            // connection.
            let response = Box::pin(self.answered(request));
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
        told(ended);
    }

    async fn serve_http2<T: AsyncRead + AsyncWrite + Unpin>(self, stream: T, activity: Activity) {
        // Requests run in tasks of their own; none outlives the connection.
        let requests = CancellationToken::new();
        let _end = requests.clone().drop_guard();
        let mut builder = http2::Builder::new(Tasks(requests));
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            .max_header_list_size(u32::try_from(self.limits.head_bytes).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_local_error_reset_streams(ERROR_RESETS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER);
        let (head_timeout, write_timeout) = (self.limits.head_timeout, self.limits.write_timeout);
        let mut closing = self.closing.clone();
        let connection = Arc::new(self);
        let answer = service_fn(|request| {
            let connection = Arc::clone(&connection);
            let open = activity.request();
            async move {
                let response = Box::pin(connection.answered(request)).await;
                Ok::<_, Infallible>(response.map(|body| open.body(body)))
            }
        });
        let mut served = pin!(builder.serve_connection(TokioIo::new(stream), answer));
        let ended = tokio::select! {
            ended = served.as_mut() => ended,
            () = stopped(&mut closing) => {
                served.as_mut().graceful_shutdown();
                served.await
            }
            () = activity.idle(head_timeout) => {
                // Its client learns what was served, if it listens at all.
                served.as_mut().graceful_shutdown();
                match tokio::time::timeout(head_timeout, served).await {
                    Ok(ended) => ended,
                    Err(_) => return,
                }
            }
            () = activity.stalled(write_timeout) => {
                tracing::debug!("a client does not read the answer on a stream: its connection is closed");
                return;
            }
        };
        told(ended);
    }

    /// Checks the head of a request and has it answered.
    async fn answered(&self, mut request: Request<Incoming>) -> Response<Answered<B>> {
        let peer = match head::check(&mut request, &self.limits) {
            Ok(()) => match self.peer {
                Peer::Address(peer) => Peer::Address(self.proxies.client(peer, request.headers_mut())),
                process @ Peer::Process { .. } => process,
            },
            Err(error) => {
                tracing::debug!(%error, peer = %self.peer.address(), "a request was refused before it was read");
                return error.response().map(Either::Right);
            }
        };
        (self.service)(peer, request).await.map(Either::Left)
    }
}

/// Runs the requests of a connection for as long as it lasts.
#[derive(Clone)]
struct Tasks(CancellationToken);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        let end = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = end.cancelled() => {}
                () = request => {}
            }
        });
    }
}

/// Waits until shutdown is asked for, or whoever could ask is gone.
pub(crate) async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

fn told(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
