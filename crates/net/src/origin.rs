//! `Host` and `Origin` of a request, checked against what the gateway answers to (DNS rebinding).
//!
//! MCP 2025-11-25, "Streamable HTTP: Security Warning": servers must validate `Origin` on all connections and
//! answer 403. A browser always sends `Origin` with a cross-site POST; programs send none, which is allowed.
//! Refuses: no or several `Host` headers, a host or origin that is not listed.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderValue, Uri, header};

/// The hosts and origins a listener answers to.
#[derive(Debug, Clone)]
pub struct OriginPolicy {
    hosts: BTreeSet<String>,
    origins: BTreeSet<String>,
}

/// Why a request was refused; the answer is 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// `Host` names something else.
    #[error("the Host header names no address of this gateway; set gateway.public_url to the address clients use")]
    Host,
    /// `Origin` is not allowed.
    #[error("the Origin header is not allowed; list it in gateway.allowed_origins if that page may call the gateway")]
    Origin,
}

impl OriginError {
    /// The label in evidence and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
        }
    }
}

impl OriginPolicy {
    /// Answers to the authority of `public_url`, to `listen` (`address:port`), and, when that is a loopback
    /// address, to its other names. Allows the origins of those and `allowed_origins`.
    pub fn new(public_url: &str, listen: std::net::SocketAddr, allowed_origins: &[String]) -> Self {
        Self::by_scheme("http", public_url, listen, allowed_origins)
    }

    /// The same for a listener that speaks TLS itself.
    pub fn over_tls(public_url: &str, listen: std::net::SocketAddr, allowed_origins: &[String]) -> Self {
        Self::by_scheme("https", public_url, listen, allowed_origins)
    }

    fn by_scheme(scheme: &str, public_url: &str, listen: std::net::SocketAddr, allowed_origins: &[String]) -> Self {
        let mut hosts = BTreeSet::from([listen.to_string()]);
        if listen.ip().is_loopback() {
            let port = listen.port();
            hosts.extend([format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
        }
        // What the listener itself speaks; the scheme of the public address is what that says.
        let mut origins: BTreeSet<String> = hosts.iter().map(|host| format!("{scheme}://{host}")).collect();
        origins.extend(allowed_origins.iter().map(|origin| origin.to_ascii_lowercase()));
        if let Ok(uri) = public_url.parse::<Uri>()
            && let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority())
        {
            hosts.insert(authority.as_str().to_ascii_lowercase());
            origins.insert(format!("{scheme}://{authority}").to_ascii_lowercase());
        }
        Self { hosts, origins }
    }

    /// Checks the headers of one request.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), OriginError> {
        self.check_host(headers)?;
        if headers.contains_key(header::ORIGIN) {
            let origin = single(headers, &header::ORIGIN).ok_or(OriginError::Origin)?;
            if !contains(&self.origins, origin) {
                return Err(OriginError::Origin);
            }
        }
        Ok(())
    }

    /// Checks `Host` alone: for documents that any page may read.
    pub fn check_host(&self, headers: &HeaderMap) -> Result<(), OriginError> {
        let host = single(headers, &header::HOST).ok_or(OriginError::Host)?;
        if contains(&self.hosts, host) { Ok(()) } else { Err(OriginError::Host) }
    }
}

fn contains(allowed: &BTreeSet<String>, value: &str) -> bool {
    allowed.contains(value) || allowed.contains(&value.to_ascii_lowercase())
}

/// The value of a header that stands exactly once, as text.
fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(value)), None) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(headers: &[(&str, &str)]) -> Result<(), OriginError> {
        let policy = OriginPolicy::new(
            "https://gw.example.com",
            std::net::SocketAddr::from(([127, 0, 0, 1], 8080)),
            &["https://Console.example.com".to_owned()],
        );
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (name.parse::<header::HeaderName>(), HeaderValue::from_str(value)) {
                map.append(name, value);
            }
        }
        policy.check(&map)
    }

    #[test]
    fn only_own_names_are_answered() {
        for good in ["gw.example.com", "GW.example.com", "127.0.0.1:8080", "localhost:8080", "[::1]:8080"] {
            assert_eq!(checked(&[("host", good)]), Ok(()), "{good}");
        }
        for bad in ["evil.example", "gw.example.com.evil.example", "127.0.0.1", "127.0.0.1:8081", ""] {
            assert_eq!(checked(&[("host", bad)]), Err(OriginError::Host), "{bad}");
        }
        assert_eq!(checked(&[]), Err(OriginError::Host));
        assert_eq!(checked(&[("host", "localhost:8080"), ("host", "evil.example")]), Err(OriginError::Host));
    }

    #[test]
    fn only_listed_origins_are_answered() {
        for good in ["http://localhost:8080", "https://gw.example.com", "https://console.example.com"] {
            assert_eq!(checked(&[("host", "localhost:8080"), ("origin", good)]), Ok(()), "{good}");
        }
        for bad in ["null", "http://gw.example.com", "https://evil.example", "http://localhost:80", ""] {
            assert_eq!(checked(&[("host", "localhost:8080"), ("origin", bad)]), Err(OriginError::Origin), "{bad}");
        }
    }
}
