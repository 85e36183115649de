//! The few requests that signing in takes, each over a connection of its own: HTTPS, or HTTP on this machine.
//!
//! No redirect is followed, no answer larger than [`MAX_ANSWER`] is read. Secrets go in bodies alone, never in addresses.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;
use vidimus_net::{HttpTarget, Repeat};

use super::LoginError;
use crate::config::{is_loopback, private_url};

/// The largest answer, in bytes: tokens with many groups are the largest.
const MAX_ANSWER: usize = 256 << 10;
/// How long connecting and answering may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Refuses an address over which others could read or change what goes there.
pub(super) fn check(what: &'static str, url: &str) -> Result<(), LoginError> {
    private_url(url).map(drop).map_err(|problem| LoginError::Address { what, url: url.to_owned(), problem })
}

/// Refuses the same, and an address on this machine that a gateway elsewhere names: programs that listen here alone
/// believe whoever reaches them.
pub(super) fn check_named(gateway: &str, what: &'static str, url: &str) -> Result<(), LoginError> {
    check(what, url)?;
    let is_here = |url: &str| url.parse::<Uri>().is_ok_and(|uri| is_loopback(&uri));
    if is_here(url) && !is_here(gateway) {
        let problem = format!("it is on this machine, and {gateway}, which names it, is not");
        return Err(LoginError::Address { what, url: url.to_owned(), problem });
    }
    Ok(())
}

/// The JSON document at `url`; none when there is none (404).
pub(super) async fn get<T: DeserializeOwned>(what: &'static str, url: &str) -> Result<Option<T>, LoginError> {
    let (status, body) = send(what, url, Method::GET, None, Bytes::new()).await?;
    match status {
        StatusCode::OK => Ok(Some(parsed(what, url, &body)?)),
        status if status.is_client_error() => Ok(None),
        status => Err(LoginError::Unavailable { what, url: url.to_owned(), problem: format!("it answered {status}") }),
    }
}

/// Posts JSON; status and body of the answer.
pub(super) async fn post_json(
    what: &'static str,
    url: &str,
    body: &serde_json::Value,
) -> Result<(StatusCode, Bytes), LoginError> {
    send(what, url, Method::POST, Some("application/json"), body.to_string().into()).await
}

/// Posts a form; status and body of the answer.
pub(super) async fn post_form(
    what: &'static str,
    url: &str,
    form: &[(&str, &str)],
) -> Result<(StatusCode, Bytes), LoginError> {
    let body = encoded_form(form).into();
    send(what, url, Method::POST, Some("application/x-www-form-urlencoded"), body).await
}

/// An answer as the JSON it must be.
pub(super) fn parsed<T: DeserializeOwned>(what: &'static str, url: &str, body: &[u8]) -> Result<T, LoginError> {
    // Its text may hold what was read, and that may be a token.
    serde_json::from_slice(body).map_err(|error| LoginError::Unavailable {
        what,
        url: url.to_owned(),
        problem: format!("the answer is not as it must be (line {}, column {})", error.line(), error.column()),
    })
}

/// `application/x-www-form-urlencoded`, and the query of an address.
pub(super) fn encoded_form(form: &[(&str, &str)]) -> String {
    let pairs = form.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encoded(text: &str) -> String {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let byte = |byte: u8| if is_unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(byte).collect()
}

async fn send(
    what: &'static str,
    url: &str,
    method: Method,
    content_type: Option<&'static str>,
    body: Bytes,
) -> Result<(StatusCode, Bytes), LoginError> {
    check(what, url)?;
    let unavailable = |problem: String| LoginError::Unavailable { what, url: url.to_owned(), problem };
    let uri = url.parse().map_err(|_| unavailable("it is no address".to_owned()))?;
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    let server =
        HttpTarget::new(uri, HeaderMap::new(), TIMEOUT, TIMEOUT).map_err(|error| unavailable(error.to_string()))?;
    let exchange = async {
        let response = server.send(method, headers, body, Repeat::Never).await;
        let (head, body) = response.map_err(|error| unavailable(error.to_string()))?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| unavailable(format!("the answer broke off: {error}")))?;
        Ok((head.status, body.to_bytes()))
    };
    tokio::time::timeout(TIMEOUT, exchange).await.map_err(|_| unavailable(format!("no answer within {TIMEOUT:?}")))?
}
