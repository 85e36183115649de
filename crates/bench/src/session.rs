//! One client of the gateway: a connection of its own, one request at a time; with a handshake first (MCP 2025-11-25)
//! or without (2026-07-28). Dropping it closes the connection and leaves the session as it is; an answer that does not
//! come in time is an error.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::server::{MODERN_REVISION, REVISION};

/// One request may take this long; a load that hangs is a failed run.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(20);

/// A client and its connection.
pub(crate) struct Session {
    connection: SendRequest<Full<Bytes>>,
    path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) modern: bool,
}

impl Session {
    /// Connects.
    pub(crate) async fn new(url: &str, token: Option<&str>, modern: bool) -> Result<Self> {
        let rest = url.strip_prefix("http://").context("the address is not http://")?;
        let (authority, path) = rest.split_once('/').context("the address has no path")?;
        let stream = TcpStream::connect(authority).await.with_context(|| format!("cannot reach {authority}"))?;
        stream.set_nodelay(true)?;
        let (connection, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Its error is the next request's error too.
        tokio::spawn(async move { driver.await.ok() });
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(authority)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?);
        }
        Ok(Self { connection, path: format!("/{path}"), headers, modern })
    }

    /// The MCP handshake, and the list of tools as every client asks for it.
    pub(crate) async fn open(&mut self) -> Result<()> {
        self.open_as("bench-load", &json!({})).await
    }

    /// The same of a client with a name and capabilities of its own.
    pub(crate) async fn open_as(&mut self, name: &str, capabilities: &Value) -> Result<()> {
        if self.modern {
            self.headers.insert("mcp-protocol-version", HeaderValue::from_static(MODERN_REVISION));
            return Ok(());
        }
        let client = json!({ "name": name, "version": "1" });
        let parameters = json!({ "protocolVersion": REVISION, "capabilities": capabilities, "clientInfo": client });
        let message = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": parameters });
        let (status, headers, body) = self.send(Method::POST, message.to_string().into()).await?;
        if status != 200 {
            bail!("initialize: {status} {}", String::from_utf8_lossy(&body));
        }
        if let Some(session) = headers.get("mcp-session-id") {
            self.headers.insert("mcp-session-id", session.clone());
        }
        self.headers.insert("mcp-protocol-version", HeaderValue::from_static(REVISION));
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let (status, ..) = self.send(Method::POST, message.to_string().into()).await?;
        if status != 202 {
            bail!("notifications/initialized: {status}");
        }
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let (status, _, body) = self.send(Method::POST, message.to_string().into()).await?;
        if status != 200 || !contains(&body, b"echo\"") {
            bail!("tools/list: {status} {}", String::from_utf8_lossy(&body));
        }
        Ok(())
    }

    /// Ends the session, if there is one.
    pub(crate) async fn close(&mut self) -> Result<()> {
        if self.modern {
            return Ok(());
        }
        let (status, ..) = self.send(Method::DELETE, Bytes::new()).await?;
        if !matches!(status, 200 | 202 | 204) {
            bail!("DELETE: {status}");
        }
        Ok(())
    }

    /// Opens the stream of the server's own.
    pub(crate) async fn listen(&mut self) -> Result<Incoming> {
        let response = self.request(Method::GET, Bytes::new()).await?;
        let (head, body) = response.into_parts();
        if head.status != 200 {
            bail!("GET: {} {}", head.status, String::from_utf8_lossy(&body.collect().await?.to_bytes()));
        }
        Ok(body)
    }

    /// Sends a request and waits for all of its answer.
    pub(crate) async fn send(&mut self, method: Method, body: Bytes) -> Result<(u16, HeaderMap, Bytes)> {
        let exchange = async {
            let (head, body) = self.request(method, body).await?.into_parts();
            anyhow::Ok((head.status.as_u16(), head.headers, body.collect().await?.to_bytes()))
        };
        tokio::time::timeout(CALL_LIMIT, exchange).await.context("no answer in time")?
    }

    /// Sends a request; the answer has only begun.
    pub(crate) async fn request(&mut self, method: Method, body: Bytes) -> Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.path.parse()?;
        *request.headers_mut() = self.headers.clone();
        self.connection.ready().await?;
        Ok(self.connection.send_request(request).await?)
    }
}

/// Whether `needle` stands in `haystack`.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
