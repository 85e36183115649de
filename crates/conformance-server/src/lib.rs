//! The MCP server behind the gateway in `cargo xtask conformance` and in tests: all that the official suite asks of one.
//!
//! It follows MCP 2025-11-25 and 2026-07-28, both at one Streamable HTTP endpoint, with `rmcp` for the protocol. What
//! the suite wants by name (`@modelcontextprotocol/conformance`, `list --requirements REVISION`) stands in
//! `catalogue.json` where it is always the same, and in `tools`, `input`, `prompts` and `resources` where it depends on
//! the request. Requests with a `Host` or `Origin` that is not this machine's are refused. Not part of the gateway: only
//! tests depend on it.

mod catalogue;
mod changes;
mod fixture;
mod input;
mod prompts;
mod resources;
mod server;
mod tools;

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Result;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;

use crate::fixture::{Fixture, Shared};

/// Pages of this machine, at any port. (`Host` names of this machine are what `rmcp` allows by itself.)
const ORIGINS: [&str; 3] = ["http://127.0.0.1:*", "http://localhost:*", "http://[::1]:*"];

/// Serves MCP at `/mcp` of `listener`, until it is dropped. Connections that are open then go on.
pub async fn serve(listener: TcpListener) -> Result<()> {
    let shared = Arc::new(Shared::new()?);
    let service = StreamableHttpService::new(
        move || Ok(Fixture::new(Arc::clone(&shared))),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default().with_allowed_origins(ORIGINS),
    );
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| async { Ok::<_, Infallible>(service.handle(request).await) });
            // It ends when the peer goes, which is no error here.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}
