//! An issuer of tokens: one ES256 key, published as a key set, and a token per session signed in advance.
//!
//! Every token speaks for a person of its own in group `bench`, so that a gateway has as many principals as sessions.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::server;

/// The most sessions a run opens.
const TOKENS: usize = 5_000;
/// Longer than any run.
const LIFETIME: Duration = Duration::from_hours(12);
/// The `aud` of every token.
const AUDIENCE: &str = "vidimus-bench";
/// The key's name.
const KEY_ID: &str = "bench";

/// What a gateway and a load generator need to know.
pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) jwks_url: String,
    pub(crate) tokens: Vec<String>,
}

/// Makes the key, publishes it on a loopback port and signs the tokens.
pub(crate) async fn start() -> Result<Issuer> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).context("cannot make a key")?;
    // SEC 1 §2.3.3: an uncompressed point is 4, x, y.
    let (x, y) = key.public_key().as_ref().get(1..).context("an empty public key")?.split_at(32);
    let key_set = json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    }]});
    let origin = server::start_document(key_set.to_string()).await?;
    let tokens = (0..TOKENS).map(|number| sign(&key, &origin, number)).collect::<Result<_>>()?;
    Ok(Issuer { jwks_url: format!("{origin}/jwks"), url: origin, tokens })
}

fn sign(key: &EcdsaKeyPair, issuer: &str, number: usize) -> Result<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let claims = json!({
        "iss": issuer, "aud": AUDIENCE, "sub": format!("person-{number}"), "groups": ["bench"],
        "iat": now.as_secs(), "exp": (now + LIFETIME).as_secs(),
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({ "alg": "ES256", "typ": "JWT", "kid": KEY_ID })), part(&claims));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).context("cannot sign")?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
