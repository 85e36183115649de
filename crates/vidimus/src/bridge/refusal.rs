//! Why a message got no answer, in words for the person and for the client.

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use vidimus_net::UpstreamError;

use crate::login::LoginError;
use crate::output::printable;

/// The longest text of a gateway that is shown.
const MAX_SHOWN: usize = 300;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// There is no token.
    #[error(transparent)]
    Token(#[from] LoginError),
    /// The gateway cannot be reached.
    #[error("the gateway cannot be used: {0}")]
    Unreachable(#[from] UpstreamError),
    /// It answered with an error.
    #[error("the gateway answered {status}{said}")]
    Refused { status: StatusCode, said: String },
    /// It takes no token that there is.
    #[error("the gateway does not take your token{0}; sign in again with `vidimus login`")]
    Unauthenticated(String),
    /// The token has too few scopes.
    #[error("your token lacks a scope; sign in again with `vidimus login{0}`")]
    Scopes(String),
    /// The answer did not come to its end.
    #[error("the gateway's answer broke off, and cannot be gone on with")]
    BrokenOff,
    /// The answer is none.
    #[error("the gateway's answer is no message of MCP: {0}")]
    NoMessage(String),
    /// It took too long to take a message.
    #[error("the gateway did not take the message in time")]
    Late,
}

impl Refusal {
    /// What an answer with this head and body refuses.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let challenge = headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if challenge.contains("error=\"insufficient_scope\"") {
            let scopes = parameter(challenge, "scope").unwrap_or_default();
            let scopes = scopes.split(' ').filter(|scope| is_plain(scope));
            return Self::Scopes(scopes.flat_map(|scope| [" --scope ", scope]).collect());
        }
        let said = said(body);
        if status == StatusCode::UNAUTHORIZED { Self::Unauthenticated(said) } else { Self::Refused { status, said } }
    }
}

/// Whether a scope is nothing else to a shell: what stands in the command that is shown comes from whoever answered.
fn is_plain(scope: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/._-".contains(&byte);
    !scope.is_empty() && !scope.starts_with('-') && scope.bytes().all(is_plain)
}

/// The value of a parameter of a challenge that needs no unescaping (RFC 6750 §3).
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = challenge.split_once(&format!(" {name}=\""))?;
    value.split('"').next()
}

/// What an error of the gateway says, in either of its forms.
fn said(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Protocol { error: Message },
        Notice { help: String },
    }
    match serde_json::from_slice(body) {
        Ok(Said::Protocol { error: Message { message: text } } | Said::Notice { help: text }) => {
            format!(": {}", printable(&text.chars().take(MAX_SHOWN).collect::<String>()))
        }
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do() {
        let mut headers = HeaderMap::new();
        let notice = br#"{"error":"x","help":"send it\u001b again"}"#;
        let text = |headers: &HeaderMap, status: u16, body: &[u8]| {
            Refusal::of(StatusCode::from_u16(status).unwrap(), headers, body).to_string()
        };
        assert_eq!(text(&headers, 503, notice), r"the gateway answered 503 Service Unavailable: send it\u{1b} again");
        let error = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#;
        assert_eq!(text(&headers, 404, error), "the gateway answered 404 Not Found: no");
        assert_eq!(text(&headers, 502, b"<html>"), "the gateway answered 502 Bad Gateway");
        assert!(text(&headers, 401, b"").contains("vidimus login"));
        let challenge = r#"Bearer error="insufficient_scope", scope="use write", resource_metadata="x""#;
        headers.insert(header::WWW_AUTHENTICATE, challenge.parse().unwrap());
        assert!(text(&headers, 403, b"").ends_with("`vidimus login --scope use --scope write`"));
    }
}
