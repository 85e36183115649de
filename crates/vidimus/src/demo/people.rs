//! The demonstration's identity provider: three people and a CI job, tokens for the asking.
//!
//! OpenID Connect Discovery 1.0 and a JWK set (RFC 7517) as real providers have them; tokens are JWTs signed with
//! Ed25519 (RFC 8037) by a key that lives as long as the process. It proves nobody's identity, which is why it listens
//! on loopback only.

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use vidimus_core::{Clock as _, SystemClock};

use super::server::{self, Running};

/// The audience of every token.
pub(crate) const AUDIENCE: &str = "vidimus";
/// The claim that tells programs from people, and its value for programs.
pub(crate) const WORKLOAD_CLAIM: (&str, &str) = ("kind", "service");
/// How long a token is good for, in seconds: a working day.
const LIFETIME: u64 = 8 * 3_600;
/// The name of the only key.
const KEY_ID: &str = "demo-1";

/// Somebody tokens can be had for.
#[derive(Debug)]
struct Person {
    subject: &'static str,
    name: &'static str,
    group: &'static str,
    is_program: bool,
}

const PEOPLE: &[Person] = &[
    Person { subject: "alice", name: "Alice", group: "support", is_program: false },
    Person { subject: "bob", name: "Bob", group: "finance", is_program: false },
    Person { subject: "carol", name: "Carol", group: "security", is_program: false },
    Person { subject: "ci", name: "CI job", group: "ci", is_program: true },
];

/// The provider. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct People {
    issuer: Arc<str>,
    key: Arc<Ed25519KeyPair>,
}

/// Starts the provider on `address`, which must be on loopback.
pub(crate) async fn start(address: SocketAddr) -> anyhow::Result<(People, Running)> {
    let (listener, url) = server::bind(address).await?;
    let people = People { issuer: url.as_str().into(), key: Arc::new(Ed25519KeyPair::generate()?) };
    let answering = people.clone();
    let running = server::serve(listener, url, move |request| {
        let response = answering.answer(&request);
        async move { response }
    })?;
    Ok((people, running))
}

impl People {
    /// A token for `subject`; `None` when there is nobody of that name.
    pub(crate) fn token(&self, subject: &str) -> Option<String> {
        let person = PEOPLE.iter().find(|person| person.subject == subject)?;
        let now = SystemClock.now().seconds();
        let (claim, value) = WORKLOAD_CLAIM;
        let claims = json!({
            "iss": &*self.issuer,
            "sub": person.subject,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + LIFETIME,
            "name": person.name,
            "groups": [person.group],
            claim: if person.is_program { value } else { "person" },
        });
        let header = json!({ "alg": "EdDSA", "kid": KEY_ID, "typ": "JWT" });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()));
        Some(format!("{signed}.{signature}"))
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return server::text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri().path() {
            "/.well-known/openid-configuration" => server::json(StatusCode::OK, &self.discovery()),
            "/jwks" => server::json(StatusCode::OK, &self.keys()),
            "/token" => {
                let query = request.uri().query().unwrap_or_default();
                let subject = query.split('&').find_map(|pair| pair.strip_prefix("user=")).unwrap_or_default();
                match self.token(subject) {
                    Some(token) => server::text(StatusCode::OK, token + "\n"),
                    None => server::text(StatusCode::NOT_FOUND, format!("use /token?user=NAME: {}\n", names())),
                }
            }
            _ => {
                server::text(StatusCode::NOT_FOUND, "a demonstration's identity provider; tokens: /token?user=alice\n")
            }
        }
    }

    fn discovery(&self) -> Value {
        let issuer = &self.issuer;
        json!({
            "issuer": &**issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
        })
    }

    fn keys(&self) -> Value {
        let public = URL_SAFE_NO_PAD.encode(self.key.public_key());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": public, "kid": KEY_ID, "alg": "EdDSA", "use": "sig" }] })
    }
}

fn names() -> String {
    PEOPLE.iter().map(|person| person.subject).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use vidimus_testkit::http_client;

    use super::*;

    async fn started() -> (People, Running) {
        start("127.0.0.1:0".parse().unwrap()).await.unwrap()
    }

    async fn get(url: &str) -> (u16, Value) {
        let (status, body) = http_client::get(url).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into()))
    }

    #[tokio::test]
    async fn discovery_leads_to_the_key_that_signs() {
        let (people, running) = started().await;
        let (_, discovery) = get(&format!("{}/.well-known/openid-configuration", running.url)).await;
        assert_eq!(discovery["issuer"], running.url);
        let (_, keys) = get(discovery["jwks_uri"].as_str().unwrap()).await;
        let key = URL_SAFE_NO_PAD.decode(keys["keys"][0]["x"].as_str().unwrap()).unwrap();

        let (status, token) = get(&format!("{}/token?user=alice", running.url)).await;
        assert_eq!(status, 200);
        let token = token.as_str().unwrap().trim_end();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ED25519, &key).verify(signed.as_bytes(), &signature).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!((&claims["sub"], &claims["groups"]), (&json!("alice"), &json!(["support"])));
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(running.url), &json!(AUDIENCE)));
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), LIFETIME);
        assert!(people.token("ci").is_some());
    }

    #[tokio::test]
    async fn strangers_and_browsers_get_no_token() {
        let (people, running) = started().await;
        assert_eq!(people.token("mallory"), None);
        assert_eq!(get(&format!("{}/token?user=mallory", running.url)).await.0, 404);
        assert_eq!(get(&format!("{}/token", running.url)).await.0, 404);
        let from_page =
            Request::get(format!("{}/token?user=alice", running.url)).header("origin", "https://evil.example");
        let (status, _) = http_client::send(from_page.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(status, 403);
    }
}
