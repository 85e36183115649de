//! The claims that say for whom, from when and until when a token is (RFC 7519 §4.1), and how other claims are found.
//!
//! `exp` is required and `nbf` and `iat` are kept when present; each may be off by the configured leeway, no more.

use std::time::Duration;

use vidimus_core::Timestamp;
use vidimus_core::json::Value;

use crate::error::AuthError;

/// The most scopes that are read; more are a mistake.
const MAX_SCOPES: usize = 256;

/// Checks `exp`, `nbf` and `iat`, and returns the moment from which the token is worth nothing: `exp` and the leeway.
pub(crate) fn check_times(claims: Value<'_>, now: Timestamp, leeway: Duration) -> Result<Timestamp, AuthError> {
    let Some(expires) = moment(claims, "exp")? else {
        return Err(AuthError::Claim {
            claim: "exp",
            problem: "is missing: tokens that never expire are not accepted",
        });
    };
    let expires = expires + leeway;
    if now >= expires {
        return Err(AuthError::Expired);
    }
    for claim in ["nbf", "iat"] {
        if moment(claims, claim)?.is_some_and(|begins| begins > now + leeway) {
            return Err(AuthError::NotYetValid);
        }
    }
    Ok(expires)
}

/// Refuses ID tokens: they say to a client who signed in, and are no right to anything (OpenID Connect Core 1.0 section 2;
/// RFC 9068 section 5 on telling the two apart). Only they have these claims.
pub(crate) fn check_use(claims: Value<'_>) -> Result<(), AuthError> {
    let problem = "makes it an ID token: a client has to send its access token";
    let found = ["nonce", "at_hash", "c_hash"].into_iter().find(|claim| claims.get(claim).is_some());
    found.map_or(Ok(()), |claim| Err(AuthError::Claim { claim, problem }))
}

/// Whom `aud`, a string or an array of strings, names (RFC 7519 §4.1.3).
pub(crate) fn audiences(claims: Value<'_>) -> Result<Vec<String>, AuthError> {
    let wrong = AuthError::Claim { claim: "aud", problem: "is neither a string nor an array of strings" };
    let named = strings(claims.get("aud").ok_or(AuthError::Claim { claim: "aud", problem: "is missing" })?);
    named.ok_or(wrong)
}

/// `scope` (RFC 9068 §2.2.3) or `scp`: one string with spaces, or an array. Anything else is no scope.
pub(crate) fn scopes(claims: Value<'_>) -> Vec<String> {
    let listed = claims.get("scope").or_else(|| claims.get("scp")).and_then(strings).unwrap_or_default();
    listed.iter().flat_map(|entry| entry.split_ascii_whitespace()).take(MAX_SCOPES).map(str::to_owned).collect()
}

/// A string as a list of one, an array of strings as it is; nothing for any other value.
pub(crate) fn strings(value: Value<'_>) -> Option<Vec<String>> {
    if let Some(one) = value.as_str() {
        return Some(vec![one.into_owned()]);
    }
    value.is_array().then(|| value.elements().map(|element| Some(element.as_str()?.into_owned())).collect())?
}

/// A `NumericDate` (RFC 7519 §2): seconds since the epoch, fractions allowed.
fn moment(claims: Value<'_>, claim: &'static str) -> Result<Option<Timestamp>, AuthError> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    let number = value.as_number().and_then(|text| text.parse::<f64>().ok());
    // Fails for negative and for absurdly large numbers; doubles are exact far past the year 2554.
    let since_epoch = number.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let since_epoch = since_epoch.ok_or(AuthError::Claim { claim, problem: "is no number of seconds since 1970" })?;
    Ok(Some(Timestamp::from_seconds(0) + since_epoch))
}

/// Where a claim is: a name, or a path of names with dots between.
#[derive(Debug, Clone)]
pub(crate) struct ClaimPath(String);

impl ClaimPath {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The outermost claim on the path.
    pub(crate) fn first(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// The claim with exactly this name (names may hold dots, as URLs do); else the one at the end of the path.
    pub(crate) fn find<'a>(&self, claims: Value<'a>) -> Option<Value<'a>> {
        claims.get(&self.0).or_else(|| self.0.split('.').try_fold(claims, |value, key| value.get(key)))
    }
}
