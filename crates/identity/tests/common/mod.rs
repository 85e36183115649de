//! An issuer inside the test: real keys, documents served from memory, a clock that the test turns.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Value, json};
use vidimus_core::{Clock, Timestamp};
use vidimus_identity::{AuthError, Fetch, FetchError, Identity, IssuerConfig, Verified};

pub(crate) const ISSUER: &str = "https://login.example.com/realms/corp";
pub(crate) const DISCOVERY: &str = "https://login.example.com/realms/corp/.well-known/openid-configuration";
pub(crate) const JWKS: &str = "https://login.example.com/keys";
/// When tests begin, in seconds since the epoch.
pub(crate) const NOW: u64 = 2_000_000_000;

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A private key.
pub(crate) enum Signer {
    Rsa(RsaKeyPair),
    Ecdsa(&'static str, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))
    }

    pub(crate) fn ecdsa(curve: &'static str) -> Self {
        let algorithm = match curve {
            "P-384" => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            "P-521" => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
            _ => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        };
        Self::Ecdsa(curve, EcdsaKeyPair::generate(algorithm).expect("a key"))
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().expect("a key"))
    }

    /// The public key as a JWK with this `kid`.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Rsa(pair) => {
                // RSAPublicKey (RFC 8017 A.1.1) of 2048 bits: nine bytes of framing, the modulus, then 65537.
                let der = pair.public_key().as_ref();
                json!({ "kid": kid, "kty": "RSA", "n": encoded(&der[9..265]), "e": "AQAB" })
            }
            Self::Ecdsa(curve, pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                json!({ "kid": kid, "kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y) })
            }
            Self::Ed25519(pair) => {
                json!({ "kid": kid, "kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key()) })
            }
        }
    }

    pub(crate) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let padding: &dyn signature::RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut out).expect("a signature");
                out
            }
            Self::Ecdsa(_, pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A token with exactly this header and these claims, as text.
    pub(crate) fn token(&self, header: &str, claims: &str) -> String {
        let algorithm = serde_json::from_str::<Value>(header).ok();
        let algorithm = algorithm.as_ref().and_then(|header| header["alg"].as_str()).unwrap_or_default().to_owned();
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.sign(&algorithm, signed.as_bytes());
        format!("{signed}.{}", encoded(signature))
    }

    /// An ES256 token of the key `k`.
    pub(crate) fn es256(&self, claims: &Value) -> String {
        self.token(r#"{"alg":"ES256","kid":"k"}"#, &claims.to_string())
    }
}

/// Good claims, changed by `changes`; a `null` takes a claim away.
pub(crate) fn claims(changes: Value) -> Value {
    let mut claims = json!({ "iss": ISSUER, "aud": "vidimus", "sub": "alice", "exp": NOW + 600, "iat": NOW });
    if let (Value::Object(claims), Value::Object(changes)) = (&mut claims, changes) {
        for (name, value) in changes {
            if value.is_null() {
                claims.remove(&name);
            } else {
                claims.insert(name, value);
            }
        }
    }
    claims
}

/// A clock that stands still until it is turned.
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    pub(crate) fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

/// Serves documents from memory and remembers what was asked for.
#[derive(Default)]
pub(crate) struct Documents {
    served: Mutex<BTreeMap<String, String>>,
    asked: Mutex<Vec<String>>,
    /// While closed, answers wait.
    pub(crate) gate: Option<tokio::sync::Semaphore>,
}

impl Documents {
    pub(crate) fn serve(&self, url: &str, document: &impl ToString) {
        self.served.lock().expect("not poisoned").insert(url.to_owned(), document.to_string());
    }

    pub(crate) fn serve_keys(&self, keys: &[Value]) {
        self.serve(JWKS, &json!({ "keys": keys }));
    }

    pub(crate) fn remove(&self, url: &str) {
        self.served.lock().expect("not poisoned").remove(url);
    }

    /// How often `url` was asked for.
    pub(crate) fn asked(&self, url: &str) -> usize {
        self.asked.lock().expect("not poisoned").iter().filter(|asked| *asked == url).count()
    }

    pub(crate) fn all_asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

impl Fetch for Documents {
    fn get<'a>(&'a self, url: &'a str) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>> {
        Box::pin(async move {
            self.asked.lock().expect("not poisoned").push(url.to_owned());
            if let Some(gate) = &self.gate {
                gate.acquire().await.expect("never closed").forget();
            }
            let document = self.served.lock().expect("not poisoned").get(url).cloned();
            document.map(Bytes::from).ok_or(FetchError::Status(404))
        })
    }
}

/// One issuer `corp` and all around it.
pub(crate) struct World {
    pub(crate) identity: Arc<Identity>,
    pub(crate) documents: Arc<Documents>,
    pub(crate) clock: Arc<TestClock>,
}

impl World {
    /// Serves `keys` at [`JWKS`], named by the discovery document.
    pub(crate) fn new(keys: &[Value], change: impl FnOnce(&mut IssuerConfig)) -> Self {
        Self::with_documents(Documents::default(), keys, change)
    }

    pub(crate) fn with_documents(documents: Documents, keys: &[Value], change: impl FnOnce(&mut IssuerConfig)) -> Self {
        documents.serve(DISCOVERY, &json!({ "issuer": ISSUER, "jwks_uri": JWKS }));
        documents.serve_keys(keys);
        let mut config = IssuerConfig::new("corp", ISSUER, vec!["vidimus".into(), "other-name".into()]);
        change(&mut config);
        let documents = Arc::new(documents);
        let clock = Arc::new(TestClock(AtomicU64::new(NOW)));
        let identity =
            Identity::new(vec![config], Arc::<Documents>::clone(&documents), Arc::<TestClock>::clone(&clock));
        Self { identity: Arc::new(identity.expect("a good configuration")), documents, clock }
    }

    pub(crate) async fn verify(&self, token: &str) -> Result<Arc<Verified>, AuthError> {
        self.identity.verify(token).await
    }

    /// Why a token is refused; `accepted` when it is not.
    pub(crate) async fn reason(&self, token: &str) -> &'static str {
        match self.verify(token).await {
            Ok(_) => "accepted",
            Err(error) => error.reason(),
        }
    }
}
