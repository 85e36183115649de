//! The HTTP headers of Streamable HTTP (MCP 2025-11-25, "Transports").
//!
//! A header that decides where a message belongs or how it is read must be there once: of two, two readers may choose
//! differently, so the pair is refused.

#[cfg(test)]
mod tests;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use vidimus_core::ErrorKind;

use crate::initialize::Revision;

/// The session (MCP 2025-11-25, "Session Management").
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// The revision that was agreed on ("Protocol Version Header").
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The event to resume a stream after ("Resumability and Redelivery").
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The media type of one message.
pub const JSON: &str = "application/json";
/// The media type of a stream of messages.
pub const EVENT_STREAM: &str = "text/event-stream";

/// The longest session id, ours or a target's.
pub const MAX_SESSION_ID_BYTES: usize = 256;

/// A header that is not as the transport says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The header is there twice, too long, or holds other than visible ASCII.
    #[error("the header {0} is malformed")]
    Malformed(&'static str),
    /// `MCP-Protocol-Version` is not what was agreed on.
    #[error("the header mcp-protocol-version is not the version that was agreed on")]
    OtherRevision,
}

impl HeaderError {
    /// Always [`ErrorKind::Malformed`].
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Malformed
    }

    /// What the sender may read.
    pub fn public_message(&self) -> String {
        self.to_string()
    }
}

/// What every message to a target has. Nothing of the caller's request is among it.
pub(crate) fn request_headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

/// The session id, if there is one: visible ASCII, as MCP 2025-11-25 says.
pub fn session_id(headers: &HeaderMap) -> Result<Option<&str>, HeaderError> {
    let malformed = HeaderError::Malformed("mcp-session-id");
    let Some(value) = only(headers, &SESSION_ID).map_err(|()| malformed)? else { return Ok(None) };
    let visible = !value.is_empty() && value.bytes().all(|byte| matches!(byte, 0x21..=0x7E));
    if visible && value.len() <= MAX_SESSION_ID_BYTES { Ok(Some(value)) } else { Err(malformed) }
}

/// The revision the request names, if any; one the gateway does not speak is refused (400).
pub fn protocol_version(headers: &HeaderMap) -> Result<Option<Revision>, HeaderError> {
    let malformed = HeaderError::Malformed("mcp-protocol-version");
    let Some(value) = only(headers, &PROTOCOL_VERSION).map_err(|()| malformed)? else { return Ok(None) };
    Revision::parse(value).map(Some).ok_or(malformed)
}

/// Checks that a request within a session names the revision that was agreed on, or none: clients before 2025-06-18 do not.
pub fn check_revision(headers: &HeaderMap, agreed: Revision) -> Result<(), HeaderError> {
    match protocol_version(headers)? {
        Some(named) if named != agreed => Err(HeaderError::OtherRevision),
        _ => Ok(()),
    }
}

/// Whether the body is JSON in UTF-8 as it stands: one `Content-Type` of `application/json`, no `Content-Encoding`.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Ok(Some(value)) = only(headers, &CONTENT_TYPE) else { return false };
    let mut parts = value.split(';').map(str::trim);
    parts.next().is_some_and(|media| media.eq_ignore_ascii_case(JSON))
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => {
                charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
        && !headers.contains_key(CONTENT_ENCODING)
}

/// Whether an answer is a stream of events.
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    let Ok(Some(value)) = only(headers, &CONTENT_TYPE) else { return false };
    value.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case(EVENT_STREAM))
        && !headers.contains_key(CONTENT_ENCODING)
}

/// Whether the caller takes this media type (RFC 9110 §12.5.1). Without `Accept` it takes any.
pub fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    if !headers.contains_key(ACCEPT) {
        return true;
    }
    let family = media_type.split('/').next().unwrap_or_default();
    let ranges =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    ranges.filter(|range| !is_refused(range)).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        range == "*/*"
            || range.eq_ignore_ascii_case(media_type)
            || range.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(family))
    })
}

/// `;q=0`, in any number of zeros: not acceptable.
fn is_refused(range: &str) -> bool {
    range.split(';').skip(1).filter_map(|parameter| parameter.split_once('=')).any(|(name, weight)| {
        name.trim().eq_ignore_ascii_case("q") && weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0)
    })
}

/// The header's only value. Refuses a second one and whatever is not ASCII.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|value| Some(value.trim())).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}
