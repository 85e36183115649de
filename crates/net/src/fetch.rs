//! Guarded requests of the gateway's own: for identity providers' documents, to token endpoints, and to webhooks.
//!
//! Refuses: plain HTTP and addresses that are not public unless allowed, redirects, answers that are too large or
//! too slow. The address is checked after resolution and that very address is connected to, so a name that
//! changes its answer in between (DNS rebinding) gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use vidimus_core::ErrorKind;

/// The largest document fetched, in bytes.
pub const MAX_DOCUMENT: usize = 1 << 20;

/// How long one fetch may take in all.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches documents over HTTPS. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    client: Client<HttpsConnector<HttpConnector<GuardedResolver>>, Full<Bytes>>,
    private_allowed: bool,
}

/// Why a document was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is not one that may be fetched.
    #[error(
        "`{0}` may not be fetched: only https to public addresses; set allow_private for what is on a private network"
    )]
    Forbidden(String),
    /// The server could not be reached or broke off.
    #[error("`{url}` cannot be fetched: {reason}")]
    Unreachable {
        /// What was fetched.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// No whole answer in time.
    #[error("`{url}` cannot be fetched: no answer within {FETCH_TIMEOUT:?}")]
    Timeout {
        /// What was fetched.
        url: String,
    },
    /// The server answered with another status than 200.
    #[error("`{url}` answered {status}")]
    Status {
        /// What was fetched.
        url: String,
        /// The status it answered with.
        status: StatusCode,
    },
    /// The system's root certificates could not be read.
    #[error("the system's root certificates cannot be read (install ca-certificates): {0}")]
    Roots(std::io::Error),
}

impl FetchError {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Forbidden(_) | Self::Roots(_) => ErrorKind::Configuration,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Unreachable { .. } | Self::Status { .. } => ErrorKind::Upstream,
        }
    }
}

impl Fetcher {
    /// A fetcher; with `private_allowed` it also takes plain HTTP on loopback and private addresses.
    pub fn new(private_allowed: bool) -> Result<Self, FetchError> {
        let mut connector = HttpConnector::new_with_resolver(GuardedResolver { private_allowed });
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(FETCH_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(FetchError::Roots)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector), private_allowed })
    }

    /// The body of the 200 answer to GET `url`.
    pub async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        let request = Request::builder().method(Method::GET);
        match self.exchanged(url, request, Full::default()).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(FetchError::Status { url: url.to_owned(), status }),
        }
    }

    /// Status and body of the answer to POST `url` with a form.
    pub async fn post_form(
        &self,
        url: &str,
        authorization: Option<HeaderValue>,
        form: Bytes,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let request =
            Request::builder().method(Method::POST).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = match authorization {
            Some(authorization) => request.header(header::AUTHORIZATION, authorization),
            None => request,
        };
        self.exchanged(url, request, Full::new(form)).await
    }

    /// Status of the answer to POST `url` with a JSON body and further headers.
    pub async fn post_json(&self, url: &str, headers: HeaderMap, body: Bytes) -> Result<StatusCode, FetchError> {
        let mut request =
            Request::builder().method(Method::POST).header(header::CONTENT_TYPE, "application/json; charset=utf-8");
        if let Some(known) = request.headers_mut() {
            known.extend(headers);
        }
        Ok(self.exchanged(url, request, Full::new(body)).await?.0)
    }

    async fn exchanged(
        &self,
        url: &str,
        request: http::request::Builder,
        body: Full<Bytes>,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let uri = self.checked(url)?;
        let unreachable = |reason: String| FetchError::Unreachable { url: url.to_owned(), reason };
        let request = request
            .uri(uri)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, "vidimus")
            .body(body)
            .map_err(|error| unreachable(error.to_string()))?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| unreachable(chain(&error)))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_DOCUMENT).collect().await;
            let body = body.map(http_body_util::Collected::to_bytes).map_err(|error| unreachable(error.to_string()))?;
            Ok((status, body))
        };
        match tokio::time::timeout(FETCH_TIMEOUT, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(FetchError::Timeout { url: url.to_owned() }),
        }
    }

    fn checked(&self, url: &str) -> Result<Uri, FetchError> {
        let forbidden = || FetchError::Forbidden(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| forbidden())?;
        let host = uri.host().ok_or_else(forbidden)?;
        let scheme_allowed = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => self.private_allowed,
            _ => false,
        };
        // A literal address is never resolved, so the resolver's guard does not see it.
        let literal: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let address_allowed = self.private_allowed || literal.is_none_or(is_public);
        if scheme_allowed && address_allowed { Ok(uri) } else { Err(forbidden()) }
    }
}

/// The error with its causes, since hyper's own text says only "client error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Resolves names and drops addresses that are not public.
#[derive(Clone)]
struct GuardedResolver {
    private_allowed: bool,
}

impl tower_service::Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let private_allowed = self.private_allowed;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| private_allowed || is_public(address.ip())).collect();
            if allowed.is_empty() {
                let text = format!("`{}` has no public address", name.as_str());
                return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, text));
            }
            Ok(allowed.into_iter())
        })
    }
}

/// Whether an address is one of the public Internet (IANA special-purpose registries, RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b); // RFC 6598
    let protocol_assignments = a == 192 && b == 0 && c == 0; // RFC 6890
    let benchmarking = a == 198 && (b == 18 || b == 19); // RFC 2544
    let reserved = a == 0 || a >= 240;
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || shared
        || protocol_assignments
        || benchmarking
        || reserved)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let global_unicast = first & 0xe000 == 0x2000; // RFC 4291 §2.4: 2000::/3
    let documentation = first == 0x2001 && second == 0x0db8; // RFC 3849
    let translated = (first == 0x2001 && second == 0) || first == 0x2002; // Teredo, 6to4: carry any IPv4 address
    global_unicast && !documentation && !translated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(private.parse().is_ok_and(|address| !is_public(address)), "{private}");
        }
        for public in ["1.1.1.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111"] {
            assert!(public.parse().is_ok_and(is_public), "{public}");
        }
    }

    #[tokio::test]
    async fn private_addresses_are_refused_before_and_after_resolution() -> Result<(), FetchError> {
        let strict = Fetcher::new(false)?;
        for url in [
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://[::ffff:127.0.0.1]/x",
            "http://example.com/x",
            "file:///etc/passwd",
            "https:///x",
            "not a url",
        ] {
            assert!(matches!(strict.get(url).await, Err(FetchError::Forbidden(_))), "{url}");
        }
        let by_name = strict.get("https://localhost:1/x").await;
        assert!(
            matches!(&by_name, Err(FetchError::Unreachable { reason, .. }) if reason.contains("no public address"))
        );
        Ok(())
    }
}
