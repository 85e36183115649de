//! Connections: HTTP listeners with limits and TLS, upstream HTTP with pools, checks of `Host` and `Origin`, guarded fetches.
//!
//! Nothing here knows of policy, evidence or MCP. What leaves through [`HttpTarget`] carries the target's own
//! credential; the caller's never reaches it, because the adapter hands over only the headers it names.

mod activity;
mod bearer;
pub mod client;
mod exchanged;
pub mod fetch;
pub mod line;
pub mod origin;
mod pem;
pub mod server;
mod stall;
mod tls;

pub use bearer::bearer;
pub use client::{ClientTls, HttpTarget, Repeat, TargetBody, TargetOptions, TargetTls, UpstreamError};
pub use fetch::{FetchError, Fetcher};
/// The body of a message that is arriving.
pub use hyper::body::Incoming;
pub use line::{Line, LineLimits, LineReader, LineServer, LineWriter};
pub use origin::{OriginError, OriginPolicy};
pub use pem::TlsError;
pub use server::{ClientHeader, HttpLimits, Network, NetworkError, Proxies, Server};
pub use tls::{ServerTls, TlsFiles};
