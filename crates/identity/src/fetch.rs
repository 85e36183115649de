//! How discovery documents and key sets are fetched: the boundary to the network, supplied by the caller.
//!
//! The implementation keeps design 4's rules for discovery: HTTPS only (loopback excepted), no private addresses unless
//! configured, redirects re-checked, limits on size and time. This crate checks the URL's scheme, the size and the time
//! once more, so that a careless implementation is not a hole.

use std::pin::Pin;

use bytes::Bytes;

/// Fetches documents of identity providers.
pub trait Fetch: Send + Sync {
    /// The body of a successful (200) answer to `GET url`. Dropping the future gives the attempt up.
    fn get<'a>(&'a self, url: &'a str) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>>;
}

/// Why a document did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The server answered with another status than 200.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// No answer in time.
    #[error("the server took too long")]
    Timeout,
    /// The answer passes the size limit, in bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The address is not one the gateway may reach.
    #[error("the address may not be reached: {0}")]
    Refused(String),
    /// The connection failed.
    #[error("{0}")]
    Connection(String),
}
