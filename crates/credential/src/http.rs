//! Requests to authorization servers, as this crate needs them made.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

/// What a server answered.
#[derive(Debug)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The body, bounded by whoever read it.
    pub body: Bytes,
}

/// Why it did not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Not in time.
    #[error("no answer in time")]
    Timeout,
    /// No connection, a broken one, an address that may not be reached, or too large an answer.
    #[error("{0}")]
    Failed(String),
}

/// Asks authorization servers. Follows no redirect.
pub trait TokenHttp: Send + Sync {
    /// What `GET url` answers.
    fn get<'a>(&'a self, url: &'a str) -> Pin<Box<dyn Future<Output = Result<HttpAnswer, HttpError>> + Send + 'a>>;

    /// What `POST url` with a form answers.
    fn post<'a>(
        &'a self,
        url: &'a str,
        authorization: Option<HeaderValue>,
        form: Zeroizing<String>,
    ) -> Pin<Box<dyn Future<Output = Result<HttpAnswer, HttpError>> + Send + 'a>>;
}
