//! An OpenID issuer inside the test: one ES256 key, discovery and key set over loopback HTTP, any claims at all.
//!
//! Real providers refuse to make the tokens that a gateway must refuse; this one signs whatever it is told.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::AUDIENCE;

/// A running issuer; it serves until the test's process ends.
pub(crate) struct Issuer {
    key: EcdsaKeyPair,
    url: String,
    jwk: Value,
}

impl Issuer {
    pub(crate) fn start() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        // SEC 1 §2.3.3: an uncompressed point is 4, x, y.
        let (x, y) = key.public_key().as_ref().split_first().unwrap().1.split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "k", "x": encoded(x), "y": encoded(y) });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") }).to_string();
        let keys = json!({ "keys": [jwk] }).to_string();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).unwrap_or(0);
                let wants_keys = head.get(..read).is_some_and(|head| head.starts_with(b"GET /jwks "));
                let body = if wants_keys { &keys } else { &discovery };
                // A gateway that was killed does not read its answer.
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { key, url, jwk }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A good token for a person of group `support`.
    pub(crate) fn token(&self, who: &str) -> String {
        self.token_with(json!({ "sub": who }))
    }

    /// A token whose claims differ from a good one's; a `null` takes a claim away.
    pub(crate) fn token_with(&self, changes: Value) -> String {
        self.signed(&json!({ "alg": "ES256", "typ": "JWT", "kid": "k" }), changes)
    }

    /// A token with this header, truly signed by ES256 whatever the header says.
    pub(crate) fn signed(&self, header: &Value, changes: Value) -> String {
        let signed = self.unsigned(header, changes);
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encoded(signature.as_ref()))
    }

    /// A token "signed" by HS256 with the public key as the secret: RFC 8725 §2.1, "Algorithm Confusion".
    pub(crate) fn confused(&self, secret: &[u8]) -> String {
        let signed = self.unsigned(&json!({ "alg": "HS256", "typ": "JWT", "kid": "k" }), json!({}));
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        format!("{signed}.{}", encoded(signature.as_ref()))
    }

    /// The public key as everybody can have it: the point, and the JWK's text.
    pub(crate) fn public_key(&self) -> [Vec<u8>; 2] {
        [self.key.public_key().as_ref().to_vec(), self.jwk.to_string().into_bytes()]
    }

    /// Header and claims, without a signature.
    pub(crate) fn unsigned(&self, header: &Value, changes: Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "alice", "groups": ["support"], "iat": now, "exp": now + 3600,
        });
        if let (Value::Object(claims), Value::Object(changes)) = (&mut claims, changes) {
            for (name, value) in changes {
                if value.is_null() {
                    claims.remove(&name);
                } else {
                    claims.insert(name, value);
                }
            }
        }
        format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()))
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
