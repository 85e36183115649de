//! Every way a token can be wrong, against an issuer whose keys are real.

mod common;

use std::time::Duration;

use aws_lc_rs::hmac;
use common::{ISSUER, JWKS, NOW, Signer, World, claims, encoded};
use serde_json::{Value, json};
use vidimus_core::ErrorKind;
use vidimus_identity::{Algorithm, Identity, IssuerConfig, MAX_TOKEN_BYTES};

const HEADER: &str = r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#;

fn world() -> (Signer, World) {
    let key = Signer::ecdsa("P-256");
    let world = World::new(&[key.jwk("k")], |_| {});
    (key, world)
}

#[tokio::test]
async fn accepts_every_algorithm_that_is_configured() {
    let signers = [
        (Signer::rsa(), vec!["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
        (Signer::ecdsa("P-256"), vec!["ES256"]),
        (Signer::ecdsa("P-384"), vec!["ES384"]),
        (Signer::ecdsa("P-521"), vec!["ES512"]),
        (Signer::ed25519(), vec!["EdDSA", "Ed25519"]),
    ];
    let jwks: Vec<Value> = signers.iter().enumerate().map(|(at, (key, _))| key.jwk(&at.to_string())).collect();
    let all: Vec<&str> = signers.iter().flat_map(|(_, names)| names.clone()).collect();
    let everything = World::new(&jwks, |config| config.algorithms = all.iter().map(|a| a.parse().unwrap()).collect());
    let default = World::new(&jwks, |_| {});
    for (at, (key, names)) in signers.iter().enumerate() {
        for name in names {
            let token =
                key.token(&json!({ "alg": name, "kid": at.to_string() }).to_string(), &claims(json!({})).to_string());
            let verified = everything.verify(&token).await.unwrap();
            assert_eq!(verified.principal.id(), "corp|alice", "{name}");
            let is_default = Algorithm::DEFAULT.contains(&name.parse().unwrap());
            assert_eq!(default.reason(&token).await, if is_default { "accepted" } else { "algorithm" }, "{name}");
        }
    }
}

#[tokio::test]
async fn refuses_tokens_by_their_claims() {
    let (key, world) = world();
    for (changes, expected) in [
        (json!({}), "accepted"),
        (json!({ "aud": ["x", "other-name"] }), "accepted"),
        (json!({ "aud": "vidimus2" }), "audience"),
        (json!({ "aud": "VIDIMUS" }), "audience"),
        (json!({ "aud": [] }), "audience"),
        (json!({ "aud": ["x", "vidimus "] }), "audience"),
        (json!({ "aud": ["vidimus", 7] }), "claim"),
        (json!({ "aud": 7 }), "claim"),
        (json!({ "aud": { "vidimus": true } }), "claim"),
        (json!({ "aud": null }), "claim"),
        (json!({ "iss": "https://login.example.com/realms/corp/" }), "issuer"),
        (json!({ "iss": "https://login.example.com/realms/CORP" }), "issuer"),
        (json!({ "iss": "https://evil.example.com" }), "issuer"),
        (json!({ "iss": [ISSUER] }), "claim"),
        (json!({ "iss": null }), "claim"),
        (json!({ "exp": NOW - 59 }), "accepted"),
        (json!({ "exp": NOW - 60 }), "expired"),
        (json!({ "exp": 0 }), "expired"),
        (json!({ "exp": 2_000_000_000.5 }), "accepted"),
        (json!({ "exp": -1 }), "claim"),
        (json!({ "exp": 1e300 }), "claim"),
        (json!({ "exp": (NOW + 600).to_string() }), "claim"),
        (json!({ "exp": true }), "claim"),
        (json!({ "exp": null }), "claim"),
        (json!({ "nbf": NOW + 60 }), "accepted"),
        (json!({ "nbf": NOW + 61 }), "not_yet_valid"),
        (json!({ "nbf": "later" }), "claim"),
        (json!({ "iat": NOW + 61 }), "not_yet_valid"),
        (json!({ "iat": null }), "accepted"),
        (json!({ "nonce": "n-0S6_WzA2Mj" }), "claim"),
        (json!({ "at_hash": "x" }), "claim"),
        (json!({ "c_hash": "y" }), "claim"),
        (json!({ "sub": null }), "claim"),
        (json!({ "sub": "" }), "claim"),
        (json!({ "sub": 7 }), "claim"),
        (json!({ "sub": "alice\n" }), "claim"),
        (json!({ "sub": "\u{85}" }), "claim"),
        (json!({ "sub": "x".repeat(1025) }), "claim"),
        (json!({ "sub": "repo:acme/payments:ref:refs/heads/main" }), "accepted"),
    ] {
        let token = key.token(HEADER, &claims(changes.clone()).to_string());
        assert_eq!(world.reason(&token).await, expected, "{changes}");
    }
}

#[tokio::test]
async fn refuses_tokens_by_their_header() {
    let (key, world) = world();
    let attacker = Signer::ecdsa("P-256");
    let good = claims(json!({})).to_string();
    for (header, expected) in [
        (json!({ "alg": "ES256", "kid": "k" }), "accepted"),
        (json!({ "alg": "ES256" }), "accepted"),
        (json!({ "alg": "ES256", "kid": "k", "typ": "JWT" }), "accepted"),
        (json!({ "alg": "ES256", "kid": "k", "typ": "application/at+jwt" }), "accepted"),
        (json!({ "alg": "ES256", "kid": "k", "typ": "dpop+jwt" }), "type"),
        (json!({ "alg": "ES256", "kid": "k", "typ": "logout+jwt" }), "type"),
        (json!({ "alg": "ES256", "kid": "k", "typ": 7 }), "type"),
        (json!({ "alg": "ES256", "kid": "k", "crit": ["b64"], "b64": false }), "critical_header"),
        (json!({ "alg": "ES256", "kid": "k", "crit": [] }), "critical_header"),
        (json!({ "alg": "ES256", "kid": "other" }), "key"),
        (json!({ "alg": "ES256", "kid": "K" }), "key"),
        (json!({ "alg": "ES256", "kid": 7 }), "malformed"),
        (json!({ "alg": "ES256", "kid": "k".repeat(513) }), "malformed"),
        (json!({ "alg": "RS256", "kid": "k" }), "key"),
        (json!({ "alg": "ES384", "kid": "k" }), "key"),
        (json!({ "alg": "EdDSA", "kid": "k" }), "key"),
        (json!({ "alg": "none", "kid": "k" }), "algorithm"),
        (json!({ "alg": "es256", "kid": "k" }), "algorithm"),
        (json!({ "alg": ["ES256"], "kid": "k" }), "algorithm"),
        (json!({ "kid": "k" }), "algorithm"),
        (json!(["ES256"]), "malformed"),
        (json!("ES256"), "malformed"),
    ] {
        assert_eq!(world.reason(&key.token(&header.to_string(), &good)).await, expected, "{header}");
    }

    // Keys that the token brings along or points to are not looked at.
    for header in [
        json!({ "alg": "ES256", "kid": "k", "jwk": attacker.jwk("k") }),
        json!({ "alg": "ES256", "jwk": attacker.jwk("k") }),
        json!({ "alg": "ES256", "kid": "k", "jku": "https://evil.example.com/jwks", "x5u": "https://evil.example.com" }),
    ] {
        assert_eq!(world.reason(&attacker.token(&header.to_string(), &good)).await, "signature", "{header}");
    }
    assert!(world.documents.all_asked().iter().all(|url| url.starts_with("https://login.example.com/")));
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let rsa = Signer::rsa();
    let world = World::new(&[rsa.jwk("k")], |_| {});
    let jwk = rsa.jwk("k");
    let secrets = [jwk.to_string(), jwk["n"].as_str().unwrap().to_owned(), String::new()];
    for secret in secrets {
        for (name, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS512", hmac::HMAC_SHA512)] {
            let header = json!({ "alg": name, "kid": "k" }).to_string();
            let signed = format!("{}.{}", encoded(header), encoded(claims(json!({})).to_string()));
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), signed.as_bytes());
            assert_eq!(world.reason(&format!("{signed}.{}", encoded(tag))).await, "algorithm");
        }
    }
    // `none`, with and without a signature.
    let signed = format!("{}.{}", encoded(r#"{"alg":"none"}"#), encoded(claims(json!({})).to_string()));
    assert_eq!(world.reason(&format!("{signed}.")).await, "algorithm");
    // One padding's signature is not the other's.
    let pkcs1 = rsa.token(r#"{"alg":"RS256","kid":"k"}"#, &claims(json!({})).to_string());
    let signature = pkcs1.rsplit_once('.').unwrap().1;
    let signed = format!("{}.{}", encoded(r#"{"alg":"PS256","kid":"k"}"#), pkcs1.split('.').nth(1).unwrap());
    assert_eq!(world.reason(&pkcs1).await, "accepted");
    assert_eq!(world.reason(&format!("{signed}.{signature}")).await, "signature");
}

#[tokio::test]
async fn refuses_what_two_parsers_may_read_differently() {
    let (key, world) = world();
    let good = claims(json!({})).to_string();
    let with_claim = |text: &str| good.replacen('{', &format!("{{{text},"), 1);
    for claims in [
        with_claim(r#""sub":"root""#),
        with_claim(r#""su\u0062":"root""#),
        with_claim(r#""act":{"sub":"a","sub":"b"}"#),
        with_claim(r#""x":"\ud800""#),
        with_claim(r#""x":01"#),
        format!("{good} x"),
        format!("\u{feff}{good}"),
        good.replace('}', ""),
        format!("[{good}]"),
        String::new(),
        with_claim(&format!(r#""x":{}{}"#, "[".repeat(17), "]".repeat(17))),
    ] {
        assert_eq!(world.reason(&key.token(HEADER, &claims)).await, "malformed", "{claims}");
    }
    for header in [r#"{"alg":"ES256","alg":"ES256","kid":"k"}"#, r#"{"alg":"none","kid":"k","al\u0067":"ES256"}"#, "{"]
    {
        assert_eq!(world.reason(&key.token(header, &good)).await, "malformed", "{header}");
    }
    let not_utf8 = format!("{}.{}", encoded(HEADER), encoded(b"{\"iss\":\"\xff\"}"));
    let signature = encoded(key.sign("ES256", not_utf8.as_bytes()));
    assert_eq!(world.reason(&format!("{not_utf8}.{signature}")).await, "malformed");
}

#[tokio::test]
async fn refuses_what_is_not_three_parts_of_base64url() {
    let (key, world) = world();
    let token = key.token(HEADER, &claims(json!({})).to_string());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(world.reason(&token).await, "accepted");
    for (text, expected) in [
        (String::new(), "malformed"),
        (".".into(), "malformed"),
        ("..".into(), "malformed"),
        ("not a token".into(), "malformed"),
        (signed.to_owned(), "malformed"),
        (format!("{signed}."), "signature"),
        (format!("{token}."), "malformed"),
        (format!("{token}.x.y"), "malformed"),
        (format!("{token}="), "malformed"),
        (format!(" {token}"), "malformed"),
        (format!("{token}\n"), "malformed"),
        (format!("{signed}.{}", &signature[..40]), "signature"),
        (format!("{signed}.{signature}AAAA"), "signature"),
        (format!("{signed}.{}", encoded([0; 64])), "signature"),
        ("x".repeat(MAX_TOKEN_BYTES + 1), "size"),
        ("x".repeat(MAX_TOKEN_BYTES), "malformed"),
    ] {
        assert_eq!(world.reason(&text).await, expected, "{text}");
    }
    let error = world.verify(&format!("{token}.x.y")).await.unwrap_err().to_string();
    assert!(error.contains("encrypted tokens are not supported"), "{error}");
    let large = claims(json!({ "x": "x".repeat(MAX_TOKEN_BYTES) }));
    assert_eq!(world.reason(&key.es256(&large)).await, "size");
}

#[tokio::test]
async fn no_single_changed_character_is_accepted() {
    let (key, world) = world();
    let token = key.token(HEADER, &claims(json!({})).to_string());
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(world.verify(&changed).await.is_err(), "position {at}");
    }
    assert!(world.verify(&token).await.is_ok());
}

#[tokio::test]
async fn another_keys_signature_is_none() {
    let (key, world) = world();
    let attacker = Signer::ecdsa("P-256");
    assert_eq!(world.reason(&attacker.es256(&claims(json!({})))).await, "signature");
    // Claims of one token with the signature of another.
    let mine = key.es256(&claims(json!({})));
    let other = key.es256(&claims(json!({ "sub": "root" })));
    let mixed = format!("{}.{}", other.rsplit_once('.').unwrap().0, mine.rsplit_once('.').unwrap().1);
    assert_eq!(world.reason(&mixed).await, "signature");
}

#[tokio::test]
async fn one_issuers_key_is_no_others() {
    let (corp, partner) = (Signer::ecdsa("P-256"), Signer::ecdsa("P-256"));
    let documents = common::Documents::default();
    documents.serve(JWKS, &json!({ "keys": [corp.jwk("k")] }));
    documents.serve("https://partner.example.org/keys", &json!({ "keys": [partner.jwk("k")] }));
    let mut first = IssuerConfig::new("corp", ISSUER, vec!["vidimus".into()]);
    first.jwks_url = Some(JWKS.into());
    let mut second = IssuerConfig::new("partner", "https://partner.example.org", vec!["vidimus".into()]);
    second.jwks_url = Some("https://partner.example.org/keys".into());
    let clock = World::new(&[], |_| {}).clock;
    let identity =
        Identity::new(vec![first, second], std::sync::Arc::new(documents), clock as std::sync::Arc<_>).unwrap();

    let theirs = claims(json!({ "iss": "https://partner.example.org" }));
    assert_eq!(identity.verify(&corp.es256(&claims(json!({})))).await.unwrap().principal.id(), "corp|alice");
    assert_eq!(identity.verify(&partner.es256(&theirs)).await.unwrap().principal.id(), "partner|alice");
    assert_eq!(identity.verify(&partner.es256(&claims(json!({})))).await.unwrap_err().reason(), "signature");
    assert_eq!(identity.verify(&corp.es256(&theirs)).await.unwrap_err().reason(), "signature");
    assert_eq!(identity.issuers().collect::<Vec<_>>(), [ISSUER, "https://partner.example.org"]);
}

#[tokio::test]
async fn errors_tell_nothing_of_the_token() {
    let (key, world) = world();
    let secret = "s3cr3tcl41m";
    for changes in [
        json!({ "aud": secret }),
        json!({ "iss": secret }),
        json!({ "exp": secret }),
        json!({ "exp": 1 , "x": secret }),
        json!({ "sub": format!("{secret}\n") }),
    ] {
        let token = key.es256(&claims(changes));
        let error = world.verify(&token).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        for text in [error.to_string(), format!("{error:?}"), error.public_message().to_owned()] {
            assert!(!text.contains(secret) && !text.contains(&token[..20]), "{text}");
        }
        assert!(!error.public_message().contains("corp"), "{error}");
    }
}

#[tokio::test]
async fn a_remembered_token_still_expires() {
    let (key, world) = world();
    let token = key.es256(&claims(json!({ "exp": NOW + 100 })));
    let verified = world.verify(&token).await.unwrap();
    assert_eq!(verified.expires.seconds(), NOW + 160, "with the leeway");
    world.clock.forward(Duration::from_secs(159));
    assert!(std::sync::Arc::ptr_eq(&world.verify(&token).await.unwrap(), &verified), "remembered");
    world.clock.forward(Duration::from_secs(1));
    assert_eq!(world.reason(&token).await, "expired");
    assert!(!world.identity.is_current(&verified));
}

/// The figure itself is measured in release builds; this only tells a lookup from a signature check.
#[tokio::test]
async fn a_remembered_token_costs_no_signature_check() {
    let (key, world) = world();
    let token = key.es256(&claims(json!({ "groups": vec!["a-group-with-a-name"; 20] })));
    world.verify(&token).await.unwrap();
    let mut fastest = Duration::MAX;
    for _ in 0..200 {
        let begun = std::time::Instant::now();
        for _ in 0..10 {
            world.verify(&token).await.unwrap();
        }
        fastest = fastest.min(begun.elapsed() / 10);
    }
    assert!(fastest < Duration::from_micros(30), "{fastest:?}");
}
