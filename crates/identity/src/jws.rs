//! A token before anything in it is believed: JWS compact serialization (RFC 7515 §7.1) around JWT claims (RFC 7519).
//!
//! Refused here: other than three parts, padded or otherwise irregular base64url,
//! duplicate keys at any depth, `crit` (RFC 7515 §4.1.11), foreign `typ`, and every `alg` that is not a public-key
//! signature. Header members that offer keys (`jwk`, `jku`, `x5c`, `x5u`) are not read at all.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use vidimus_core::json::{Document, Limits};

use crate::config::{Algorithm, MAX_TOKEN_BYTES};
use crate::error::AuthError;

/// The longest key id, in bytes.
const MAX_KEY_ID: usize = 512;
/// Header and claims: within the token's size, so many values and levels.
const LIMITS: Limits = Limits { max_bytes: MAX_TOKEN_BYTES, max_depth: 16, max_nodes: 8192 };

/// What the token says of itself. Nothing here is verified.
pub(crate) struct Unverified<'a> {
    /// `alg`.
    pub(crate) algorithm: Algorithm,
    /// `kid`.
    pub(crate) key_id: Option<String>,
    /// The JWT claims, an object.
    pub(crate) claims: Document,
    /// What the signature is over: both parts with the dot between.
    pub(crate) signed: &'a [u8],
    /// The signature's bytes.
    pub(crate) signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Takes a token apart; the caller has seen that it is no longer than [`MAX_TOKEN_BYTES`].
    pub(crate) fn parse(token: &'a str) -> Result<Self, AuthError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(AuthError::Malformed("it has no three parts"))?;
        let (header, claims) = signed.split_once('.').ok_or(AuthError::Malformed("it has no three parts"))?;
        if claims.contains('.') {
            return Err(AuthError::Malformed("it has more than three parts; encrypted tokens are not supported"));
        }
        let (algorithm, key_id) = read_header(&object(header)?)?;
        Ok(Self {
            algorithm,
            key_id,
            claims: object(claims)?,
            signed: signed.as_bytes(),
            signature: decoded(signature)?,
        })
    }
}

fn read_header(header: &Document) -> Result<(Algorithm, Option<String>), AuthError> {
    let header = header.root();
    if header.get("crit").is_some() {
        return Err(AuthError::CriticalHeader);
    }
    let algorithm = header.get("alg").and_then(|alg| alg.as_str()).ok_or(AuthError::Algorithm)?;
    let algorithm = Algorithm::named(&algorithm).ok_or(AuthError::Algorithm)?;
    if let Some(kind) = header.get("typ") {
        let kind = kind.as_str().ok_or(AuthError::TokenType)?.to_ascii_lowercase();
        // RFC 7515 §4.1.9 lets the prefix be left out; RFC 9068 §2.1 and RFC 7519 §5.1 name the two types.
        if !matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt") {
            return Err(AuthError::TokenType);
        }
    }
    let key_id = match header.get("kid") {
        None => None,
        Some(id) => {
            let id = id.as_str().filter(|id| id.len() <= MAX_KEY_ID);
            Some(id.ok_or(AuthError::Malformed("its `kid` is no string of at most 512 bytes"))?.into_owned())
        }
    };
    Ok((algorithm, key_id))
}

fn object(part: &str) -> Result<Document, AuthError> {
    let document = Document::parse(Bytes::from(decoded(part)?), &LIMITS)
        .map_err(|_| AuthError::Malformed("header or claims are no strict JSON (duplicate keys, limits, UTF-8)"))?;
    if document.root().is_object() {
        Ok(document)
    } else {
        Err(AuthError::Malformed("header or claims are no JSON object"))
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, AuthError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| AuthError::Malformed("a part is no base64url without padding"))
}
