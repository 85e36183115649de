//! What the demonstration's own servers share: loopback only, checked `Host` and `Origin`, an end.
//!
//! They hold nothing but made-up data, yet a page in a browser must not reach them either.

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vidimus_net::{HttpLimits, OriginPolicy, Server};

/// A server that is running; dropped, it stops.
#[derive(Debug)]
pub(crate) struct Running {
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    task: JoinHandle<()>,
    _stop: watch::Sender<bool>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A socket bound on loopback, and its URL. Any other address is refused.
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<(TcpListener, String)> {
    anyhow::ensure!(address.ip().is_loopback(), "the demonstration listens on loopback only, not on {address}");
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

/// Serves until it is dropped.
pub(super) fn serve<F>(
    listener: TcpListener,
    url: String,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) -> anyhow::Result<Running>
where
    F: Future<Output = Response<Full<Bytes>>> + Send,
{
    let origins = OriginPolicy::new(&url, listener.local_addr()?, &[]);
    let (stop, stopping) = watch::channel(false);
    let service = move |_, request: Request<Incoming>| {
        let allowed = origins.check(request.headers());
        let answer = answer.clone();
        async move {
            match allowed {
                Ok(()) => answer(request).await,
                Err(error) => text(StatusCode::FORBIDDEN, error.to_string()),
            }
        }
    };
    let task = tokio::spawn(Server::tcp(listener, HttpLimits::default()).serve(service, stopping));
    Ok(Running { url, task, _stop: stop })
}

/// An answer in plain text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", text.into())
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Response<Full<Bytes>> {
    answer(status, "application/json", Bytes::from(value.to_string()))
}

/// An answer of this type.
pub(super) fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_loopback_is_bound() {
        assert!(bind("127.0.0.1:0".parse().unwrap()).await.is_ok());
        for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let error = bind(open.parse().unwrap()).await.unwrap_err();
            assert!(error.to_string().contains("loopback only"), "{open}: {error}");
        }
    }
}
