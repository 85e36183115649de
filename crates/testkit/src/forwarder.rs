//! A loopback forwarder that adds a bearer token, for clients that cannot be told one.
//!
//! `Host` and `Origin` pass as they come, so that the server behind it can be tested for what it does with them; bodies
//! pass part by part in both directions, and a client that goes away takes its request with it. Not for the gateway: it
//! believes everybody.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

type Upstream = Client<HttpConnector, Incoming>;

/// A running forwarder. Dropping it ends it.
#[derive(Debug)]
pub struct Forwarder {
    port: u16,
    serving: JoinHandle<()>,
}

impl Forwarder {
    /// Forwards requests to the loopback port `to`, each with `token`. Needs a runtime for as long as it lives.
    pub async fn start(to: u16, token: &str) -> Result<Self> {
        let authorization =
            HeaderValue::from_str(&format!("Bearer {token}")).context("the token is no header value")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let serving = tokio::spawn(async move {
            let upstream: Upstream = Client::builder(TokioExecutor::new()).build_http();
            while let Ok((stream, _)) = listener.accept().await {
                let (upstream, authorization) = (upstream.clone(), authorization.clone());
                tokio::spawn(async move {
                    let service = service_fn(|request| forward(&upstream, to, request, &authorization));
                    // It ends when either side goes, which the client sees.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { port, serving })
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn forward(
    upstream: &Upstream,
    to: u16,
    mut request: Request<Incoming>,
    authorization: &HeaderValue,
) -> Result<Response<Incoming>> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = format!("http://127.0.0.1:{to}{path}").parse::<Uri>()?;
    request.headers_mut().insert(AUTHORIZATION, authorization.clone());
    Ok(upstream.request(request).await?)
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::http_client;

    #[tokio::test]
    async fn a_request_passes_with_its_own_host_and_origin_and_a_token() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let forwarder = Forwarder::start(server.local_addr().unwrap().port(), "t0ken").await.unwrap();
        let seen = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\nbody") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 418 I'm a teapot\r\ncontent-length: 3\r\n\r\ntea").await.unwrap();
            String::from_utf8(head).unwrap().to_lowercase()
        });
        let request = Request::post(format!("http://127.0.0.1:{}/mcp/x?y=z", forwarder.port()))
            .header("host", "evil.example.com")
            .header("origin", "http://evil.example.com")
            .body(Full::from("body"))
            .unwrap();
        let (status, body) = http_client::send(request).await.unwrap();
        assert_eq!((status, body.as_ref()), (418, b"tea".as_slice()));
        let head = seen.await.unwrap();
        assert!(head.starts_with("post /mcp/x?y=z http/1.1\r\n"), "{head}");
        for line in ["host: evil.example.com", "origin: http://evil.example.com", "authorization: bearer t0ken"] {
            assert_eq!(head.lines().filter(|found| *found == line).count(), 1, "{line}: {head}");
        }
    }
}
