//! What a token endpoint answers: a token (RFC 6749 §5.1, RFC 8693 §2.2.1), a refusal (RFC 6749 §5.2), or neither.
//!
//! Refused: a token that is no bearer token or cannot stand in a header, one that has expired already, duplicate members,
//! anything that is no JSON object.

use std::time::Duration;

use http::HeaderValue;
use vidimus_core::json::{Document, Limits};
use zeroize::Zeroizing;

use crate::error::CredentialError;
use crate::http::HttpAnswer;
use crate::rules::{ACCESS_TOKEN, JWT};

/// The largest answer that is read, in bytes. Tokens are below 16 KiB.
const MAX_ANSWER_BYTES: usize = 64 << 10;
const LIMITS: Limits = Limits { max_bytes: MAX_ANSWER_BYTES, max_depth: 16, max_nodes: 1024 };
/// The longest token, in bytes: what servers take as a header.
const MAX_TOKEN_BYTES: usize = 16 << 10;
/// How long a token is used that does not say how long it lives (RFC 6749 §5.1 only recommends that it does).
const UNSAID_LIFETIME: Duration = Duration::from_mins(5);
/// How long a token is used at most.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24);
/// How long before its end a token is renewed at most; at least a tenth of its life.
const LONGEST_MARGIN: Duration = Duration::from_mins(1);
/// The longest text of a refusal that is shown to operators, in characters.
const MAX_REASON: usize = 200;

/// A token that was issued. Wiped when dropped, never printed.
pub struct Issued {
    token: Zeroizing<String>,
    header: HeaderValue,
    pub(crate) refresh: Option<Zeroizing<String>>,
    /// By the time of its credential.
    pub(crate) renew_at: Duration,
    pub(crate) expires: Duration,
    lifetime: Duration,
}

impl Issued {
    /// `Bearer …`, marked sensitive.
    pub fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// The token, for the one call that names it.
    pub fn expose(&self) -> &str {
        &self.token
    }

    /// How long it is used from when it was asked for.
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A token as an answer to a request that was sent at `asked`. `is_exchange`: by RFC 8693, where the type of what was
    /// issued must be said.
    pub(crate) fn read(
        answer: HttpAnswer,
        asked: Duration,
        endpoint: &str,
        is_exchange: bool,
    ) -> Result<Self, CredentialError> {
        let malformed = |problem| CredentialError::Malformed { endpoint: endpoint.to_owned(), problem };
        let document = Document::parse(answer.body, &LIMITS).map_err(|_| malformed("it is no strict JSON"))?;
        let root = document.root();
        let text = |name: &str| root.get(name).and_then(|value| value.as_str());
        let token = text("access_token").ok_or_else(|| malformed("it has no access_token"))?;
        if token.is_empty() || token.len() > MAX_TOKEN_BYTES || !token.bytes().all(|byte| (0x21..0x7f).contains(&byte))
        {
            return Err(malformed("its access_token cannot stand in a header"));
        }
        let kind = text("token_type").ok_or_else(|| malformed("it has no token_type"))?;
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(malformed("its token_type is not Bearer"));
        }
        if is_exchange {
            let issued = text("issued_token_type").ok_or_else(|| malformed("it has no issued_token_type"))?;
            if ![ACCESS_TOKEN, JWT].contains(&&*issued) {
                return Err(malformed("its issued_token_type is no access token"));
            }
        }
        let lifetime = match root.get("expires_in") {
            None => UNSAID_LIFETIME,
            // Some send it as text.
            Some(value) => {
                let text = value.as_number().map(Into::into).or_else(|| value.as_str());
                let seconds = text.and_then(|text| text.parse::<u64>().ok());
                Duration::from_secs(seconds.ok_or_else(|| malformed("its expires_in is no number of seconds"))?)
            }
        };
        if lifetime.is_zero() {
            return Err(malformed("its token has expired already"));
        }
        let lifetime = lifetime.min(LONGEST_LIFETIME);
        let margin = LONGEST_MARGIN.min(lifetime / 10);
        let token = Zeroizing::new(token.into_owned());
        let bearer = Zeroizing::new(format!("Bearer {}", &*token));
        let mut header = HeaderValue::from_str(&bearer).map_err(|_| malformed("its access_token is no header"))?;
        header.set_sensitive(true);
        let refresh = text("refresh_token").filter(|refresh| !refresh.is_empty() && refresh.len() <= MAX_TOKEN_BYTES);
        let refresh = refresh.map(|refresh| Zeroizing::new(refresh.into_owned()));
        let expires = asked.saturating_add(lifetime);
        Ok(Self { token, header, refresh, renew_at: expires.saturating_sub(margin), expires, lifetime })
    }
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// What a refusal says: its code, and its description unless that shows one of `secrets`. `None` when it is no refusal.
pub(crate) fn refusal(answer: &HttpAnswer, secrets: &[&str]) -> Option<(String, String)> {
    let document = Document::parse(answer.body.clone(), &LIMITS).ok()?;
    let root = document.root();
    let is_code = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let code = root.get("error").and_then(|error| error.as_str())?;
    let code =
        if code.bytes().all(is_code) && code.len() <= 64 { code.into_owned() } else { "another error".to_owned() };
    let said = root.get("error_description").and_then(|said| said.as_str()).unwrap_or_default();
    let shows = secrets.iter().any(|secret| !secret.is_empty() && said.contains(secret));
    let said: String = said.chars().filter(|character| !character.is_control()).take(MAX_REASON).collect();
    let reason = if shows || said.is_empty() { code.clone() } else { format!("{code} ({said})") };
    Some((code, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, is_exchange: bool) -> Result<Issued, CredentialError> {
        let answer = HttpAnswer { status: 200, body: body.to_owned().into() };
        Issued::read(answer, Duration::from_secs(7), "https://idp.example/token", is_exchange)
    }

    #[test]
    fn only_bearer_tokens_that_live_are_tokens() {
        for (body, problem) in [
            ("<html>", "it is no strict JSON"),
            ("[]", "it has no access_token"),
            (r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#, "it is no strict JSON"),
            (r#"{"access_token":1,"token_type":"Bearer"}"#, "it has no access_token"),
            (r#"{"access_token":"","token_type":"Bearer"}"#, "its access_token cannot stand in a header"),
            (r#"{"access_token":"a\r\nX: 1","token_type":"Bearer"}"#, "its access_token cannot stand in a header"),
            (r#"{"access_token":"a"}"#, "it has no token_type"),
            (r#"{"access_token":"a","token_type":"DPoP"}"#, "its token_type is not Bearer"),
            (r#"{"access_token":"a","token_type":"N_A"}"#, "its token_type is not Bearer"),
            (r#"{"access_token":"a","token_type":"Bearer","expires_in":0}"#, "its token has expired already"),
            (r#"{"access_token":"a","token_type":"Bearer","expires_in":-1}"#, "its expires_in is no number of seconds"),
            (
                r#"{"access_token":"a","token_type":"Bearer","expires_in":1e9}"#,
                "its expires_in is no number of seconds",
            ),
        ] {
            let error = read(body, false).unwrap_err();
            assert!(matches!(error, CredentialError::Malformed { problem: found, .. } if found == problem), "{body}");
        }
    }

    #[test]
    fn the_life_of_a_token_is_bounded_and_its_margin_a_tenth() {
        for (said, lifetime, margin) in [
            ("", 300, 30),
            (r#","expires_in":10"#, 10, 1),
            (r#","expires_in":"100""#, 100, 10),
            (r#","expires_in":3600"#, 3600, 60),
            (r#","expires_in":18446744073709551615"#, 86_400, 60),
        ] {
            let issued = read(&format!(r#"{{"access_token":"a","token_type":"bearer"{said}}}"#), false).unwrap();
            assert_eq!(issued.lifetime(), Duration::from_secs(lifetime), "{said}");
            assert_eq!(issued.renew_at + Duration::from_secs(margin), issued.expires, "{said}");
        }
    }

    #[test]
    fn an_exchange_says_what_it_issued() {
        let body = |kind: &str| format!(r#"{{"access_token":"a","token_type":"Bearer"{kind}}}"#);
        assert!(read(&body(""), true).is_err());
        assert!(read(&body(r#","issued_token_type":"urn:ietf:params:oauth:token-type:saml2""#), true).is_err());
        let good = read(&body(&format!(r#","issued_token_type":"{ACCESS_TOKEN}""#)), true).unwrap();
        assert_eq!(good.header().to_str().unwrap(), "Bearer a");
        assert!(good.header().is_sensitive() && !format!("{good:?}").contains("Bearer"));
    }

    #[test]
    fn a_refusal_shows_nothing_of_what_was_sent() {
        let said = |description: &str| {
            let body = format!(r#"{{"error":"invalid_grant","error_description":"{description}"}}"#);
            refusal(&HttpAnswer { status: 400, body: body.into() }, &["hunter2"]).unwrap().1
        };
        assert_eq!(said("expired"), "invalid_grant (expired)");
        assert_eq!(said("token hunter2 is bad"), "invalid_grant");
        assert!(refusal(&HttpAnswer { status: 400, body: "<html>".into() }, &[]).is_none());
        let odd = HttpAnswer { status: 400, body: r#"{"error":"Bad Token abc"}"#.into() };
        assert_eq!(refusal(&odd, &[]).unwrap().1, "another error");
    }
}
