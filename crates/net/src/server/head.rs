//! What the head of a request must be, whatever it is for (RFC 9110, RFC 9112 §3.2, RFC 9113 §8.3.1).
//!
//! A request names its host once: in `Host`, or in `:authority`, which is then put in the place of `Host`; where both or
//! an absolute target are there they must agree, since whoever stands before the gateway may have gone by the other.
//! Refused besides: targets that are too long, expectations other than `100-continue`. Upgrades are not offered, so a
//! request for one is read as if it did not ask (RFC 9110 §7.8).

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;

use super::HttpLimits;

/// Why the head of a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadError {
    #[error("the address of the request is too long")]
    Target,
    #[error("the headers of the request are too large")]
    Size,
    #[error("the request names two hosts")]
    Authority,
    #[error("the only expectation that is met is 100-continue")]
    Expectation,
}

impl HeadError {
    const fn status(self) -> StatusCode {
        match self {
            Self::Target => StatusCode::URI_TOO_LONG,
            Self::Size => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Authority => StatusCode::BAD_REQUEST,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
        }
    }

    /// The answer; it ends a connection of HTTP/1.1, on which where the next request begins may be part of the trick.
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(format!("{self}\n"))));
        *response.status_mut() = self.status();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// Checks the head, and names the host in `Host` alone.
pub(super) fn check<B>(request: &mut Request<B>, limits: &HttpLimits) -> Result<(), HeadError> {
    let length = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    if length + authority.as_ref().map_or(0, String::len) > limits.target_bytes {
        return Err(HeadError::Target);
    }
    // hyper stops reading when a head that is not whole fills its buffer; one that is whole by then may be larger.
    let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers > limits.head_bytes {
        return Err(HeadError::Size);
    }
    // The target of CONNECT names another host by design; nothing answers it.
    if let Some(authority) = authority.filter(|_| request.method() != Method::CONNECT) {
        let mut hosts = request.headers().get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (None, _) if request.version() == Version::HTTP_2 => {
                let host = HeaderValue::try_from(authority).map_err(|_| HeadError::Authority)?;
                request.headers_mut().insert(HOST, host);
            }
            (Some(host), None) if host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {}
            _ => return Err(HeadError::Authority),
        }
    }
    if request
        .headers()
        .get_all(EXPECT)
        .iter()
        .any(|expected| !expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        return Err(HeadError::Expectation);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(version: Version, target: &str, headers: &[(&str, &str)]) -> Result<Option<String>, HeadError> {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        check(&mut request, &HttpLimits { target_bytes: 40, head_bytes: 100, ..HttpLimits::default() })?;
        Ok(request.headers().get(HOST).map(|host| host.to_str().unwrap().to_owned()))
    }

    #[test]
    fn a_host_is_named_once_or_alike() {
        let host = Some("gw.example".to_owned());
        assert_eq!(checked(Version::HTTP_11, "/mcp", &[("host", "gw.example")]), Ok(host.clone()));
        assert_eq!(checked(Version::HTTP_11, "http://GW.example/mcp", &[("host", "gw.example")]), Ok(host.clone()));
        assert_eq!(checked(Version::HTTP_2, "https://gw.example/mcp", &[]), Ok(host.clone()));
        assert_eq!(checked(Version::HTTP_2, "https://gw.example/mcp", &[("host", "gw.example")]), Ok(host));
        for version in [Version::HTTP_11, Version::HTTP_2] {
            for others in [&[("host", "evil.example")][..], &[("host", "gw.example"), ("host", "gw.example")]] {
                assert_eq!(checked(version, "https://gw.example/mcp", others), Err(HeadError::Authority));
            }
        }
        assert_eq!(checked(Version::HTTP_11, "http://gw.example/mcp", &[]), Err(HeadError::Authority));
    }

    #[test]
    fn targets_and_expectations_are_bounded() {
        let long = format!("/{}", "a".repeat(40));
        assert_eq!(checked(Version::HTTP_11, &long, &[("host", "x")]), Err(HeadError::Target));
        assert!(checked(Version::HTTP_11, &long[1..], &[("host", "x")]).is_err(), "no path at all");
        let large = "a".repeat(60);
        assert!(checked(Version::HTTP_11, "/", &[("host", "x"), ("a", &large)]).is_ok());
        let twice = [("host", "x"), ("a", &*large), ("a", &*large)];
        assert_eq!(checked(Version::HTTP_11, "/", &twice), Err(HeadError::Size));
        assert!(checked(Version::HTTP_11, "/", &[("host", "x"), ("expect", "100-Continue")]).is_ok());
        assert_eq!(checked(Version::HTTP_11, "/", &[("host", "x"), ("expect", "200-ok")]), Err(HeadError::Expectation));
    }
}
