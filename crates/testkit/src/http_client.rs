//! The smallest HTTP/1.1 client tests need: one request, the whole answer, loopback only.
//!
//! Not for the gateway: there is no TLS here. Each request gives up after 20 seconds.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// How long an answer may take.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// The status and the body of the answer to `request`.
pub async fn send(request: Request<Full<Bytes>>) -> Result<(u16, Bytes)> {
    let uri = request.uri().clone();
    if !matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]")) {
        bail!("tests talk to loopback only, not to {uri}");
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let exchange = async {
        let answer = client.request(request).await.with_context(|| format!("{uri} did not answer"))?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    };
    tokio::time::timeout(TIME_LIMIT, exchange).await.with_context(|| format!("{uri} took too long"))?
}

/// The status and the body behind `url`.
pub async fn get(url: &str) -> Result<(u16, Bytes)> {
    send(Request::get(url).body(Full::default())?).await
}
