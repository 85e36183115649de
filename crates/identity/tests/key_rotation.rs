//! How keys come, stay and go: discovery, rotation, floods of unknown key ids, providers that fail.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{DISCOVERY, Documents, ISSUER, JWKS, NOW, Signer, World, claims};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use vidimus_core::ErrorKind;
use vidimus_identity::{AuthError, FetchError, RefreshError};

/// A token of `key` that names `kid` and lives for a week.
fn token(key: &Signer, kid: &str) -> String {
    let claims = claims(json!({ "exp": NOW + 7 * 86_400 }));
    key.token(&json!({ "alg": "ES256", "kid": kid }).to_string(), &claims.to_string())
}

fn curve() -> Signer {
    Signer::ecdsa("P-256")
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_forgotten() {
    let (old, new) = (curve(), curve());
    let world = World::new(&[old.jwk("old")], |_| {});
    let (with_old, with_new) = (token(&old, "old"), token(&new, "new"));
    let verified = world.verify(&with_old).await.unwrap();

    // Published beside the old one: found when a token names it.
    world.documents.serve_keys(&[new.jwk("new"), old.jwk("old")]);
    world.clock.forward(Duration::from_secs(10));
    assert_eq!(world.reason(&with_new).await, "accepted");
    assert!(Arc::ptr_eq(&world.verify(&with_old).await.unwrap(), &verified), "a key that stays forgets nothing");

    // Withdrawn: what it verified is worth nothing, also in sessions that are open.
    world.documents.serve_keys(&[new.jwk("new")]);
    world.identity.refresh().await;
    assert!(!world.identity.is_current(&verified));
    assert_eq!(world.reason(&with_old).await, "key");
    assert_eq!(world.reason(&with_new).await, "accepted");
}

#[tokio::test]
async fn another_key_under_the_same_id_is_another_key() {
    let (old, new) = (curve(), curve());
    let world = World::new(&[old.jwk("k")], |_| {});
    let (with_old, with_new) = (token(&old, "k"), token(&new, "k"));
    assert_eq!(world.reason(&with_old).await, "accepted");
    world.documents.serve_keys(&[new.jwk("k")]);
    world.identity.refresh().await;
    assert_eq!(world.reason(&with_old).await, "signature");
    assert_eq!(world.reason(&with_new).await, "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_unknown_key_ids_is_one_fetch() {
    let key = curve();
    let world = Arc::new(World::new(&[key.jwk("k")], |_| {}));
    world.identity.refresh().await;
    world.clock.forward(Duration::from_secs(10));
    let flood = |from: usize| {
        let mut tasks = tokio::task::JoinSet::new();
        for number in from..from + 500 {
            let (world, token) = (Arc::clone(&world), token(&key, &number.to_string()));
            tasks.spawn(async move { world.reason(&token).await });
        }
        tasks.join_all()
    };
    assert!(flood(0).await.iter().all(|reason| *reason == "key"));
    assert_eq!(world.documents.asked(JWKS), 2, "the first one and one for the flood");
    world.clock.forward(Duration::from_secs(9));
    flood(1000).await;
    assert_eq!(world.documents.asked(JWKS), 2, "not before ten seconds have passed");
    world.clock.forward(Duration::from_secs(1));
    flood(2000).await;
    assert_eq!(world.documents.asked(JWKS), 3);
    assert_eq!(world.reason(&token(&key, "k")).await, "accepted");
}

#[tokio::test]
async fn a_clock_that_steps_back_keeps_no_key_out() {
    let (old, new) = (curve(), curve());
    let world = World::new(&[old.jwk("old")], |_| {});
    world.identity.refresh().await;
    world.documents.serve_keys(&[new.jwk("new")]);
    world.clock.set(NOW - 30);
    assert_eq!(world.reason(&token(&new, "new")).await, "accepted");
}

#[tokio::test]
async fn all_wait_for_one_fetch_and_none_can_stop_it() {
    let key = curve();
    let mut documents = Documents::default();
    documents.gate = Some(Semaphore::new(0));
    let world = Arc::new(World::with_documents(documents, &[key.jwk("k")], |_| {}));
    let token = token(&key, "k");

    // The one who started the fetch goes away.
    let first = tokio::time::timeout(Duration::from_millis(50), world.verify(&token)).await;
    assert!(first.is_err(), "waits for the keys");
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (world, token) = (Arc::clone(&world), token.clone());
            tokio::spawn(async move { world.reason(&token).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    world.documents.gate.as_ref().unwrap().add_permits(2);
    for task in waiting {
        assert_eq!(task.await.unwrap(), "accepted");
    }
    assert_eq!(world.documents.all_asked(), [DISCOVERY, JWKS]);
}

#[tokio::test]
async fn a_provider_that_fails_keeps_its_old_keys_for_a_day() {
    let key = curve();
    let world = World::new(&[key.jwk("k")], |_| {});
    let token = token(&key, "k");
    let verified = world.verify(&token).await.unwrap();

    for broken in [json!({ "keys": [] }), json!({ "keys": [{ "kty": "oct", "k": "AA" }] }), json!("error"), json!({})] {
        world.documents.serve(JWKS, &broken);
        world.identity.refresh().await;
        assert_eq!(world.reason(&token).await, "accepted", "{broken}");
        let problem = world.identity.status().remove(0).problem;
        assert!(matches!(problem, Some(RefreshError::Keys { .. })), "{problem:?}");
    }
    world.documents.remove(JWKS);
    world.clock.forward(Duration::from_hours(24));
    world.identity.refresh().await;
    assert_eq!(world.reason(&token).await, "accepted");

    // Too old to be believed: nothing passes, remembered or not.
    world.clock.forward(Duration::from_secs(1));
    assert!(!world.identity.is_current(&verified));
    let error = world.verify(&token).await.unwrap_err();
    assert_eq!(error, AuthError::KeysUnavailable { issuer: "corp".into() });
    assert_eq!(error.kind(), ErrorKind::Upstream);

    // Back again: the next token brings the keys.
    world.documents.serve_keys(&[key.jwk("k")]);
    world.clock.forward(Duration::from_secs(10));
    assert_eq!(world.reason(&token).await, "accepted");
    assert_eq!(world.identity.status().remove(0).problem, None);
}

#[tokio::test]
async fn without_keys_the_provider_is_at_fault_and_not_the_caller() {
    let key = curve();
    let world = World::new(&[key.jwk("k")], |_| {});
    world.documents.remove(DISCOVERY);
    let token = token(&key, "k");
    assert_eq!(world.verify(&token).await.unwrap_err().kind(), ErrorKind::Upstream);
    assert_eq!(world.verify(&token).await.unwrap_err().kind(), ErrorKind::Upstream);
    assert_eq!(world.documents.asked(DISCOVERY), 1, "failed fetches are paced too");
    let problem = RefreshError::Fetch { url: DISCOVERY.into(), problem: FetchError::Status(404) };
    assert_eq!(world.identity.status().remove(0).problem, Some(problem));
    assert_eq!(world.identity.status().remove(0).confirmed, None);
}

#[tokio::test]
async fn a_discovery_document_must_be_the_issuers_own() {
    let key = curve();
    let world = World::new(&[key.jwk("k")], |_| {});
    let cases: [(Value, &str); 9] = [
        (json!({ "issuer": "https://evil.example.com", "jwks_uri": JWKS }), "another issuer's"),
        (json!({ "issuer": format!("{ISSUER}/"), "jwks_uri": JWKS }), "another issuer's"),
        (json!({ "jwks_uri": JWKS }), "another issuer's"),
        (json!({ "issuer": ISSUER }), "no `jwks_uri`"),
        (json!({ "issuer": ISSUER, "jwks_uri": 7 }), "no `jwks_uri`"),
        (json!({ "issuer": ISSUER, "jwks_uri": "http://login.example.com/keys" }), "not https"),
        (json!({ "issuer": ISSUER, "jwks_uri": "http://127.0.0.1/keys" }), "not https"),
        (json!({ "issuer": ISSUER, "jwks_uri": "file:///etc/passwd" }), "not https"),
        (json!("<html>"), "another issuer's"),
    ];
    for (document, expected) in cases {
        world.documents.serve(DISCOVERY, &document);
        world.identity.refresh().await;
        let problem = world.identity.status().remove(0).problem.unwrap().to_string();
        assert!(problem.contains(expected), "{document}: {problem}");
    }
    assert_eq!(world.documents.asked(JWKS), 0);
    world.documents.serve(DISCOVERY, &format!("{}{}", " ".repeat(64 << 10), json!({})));
    world.identity.refresh().await;
    assert!(world.identity.status().remove(0).problem.unwrap().to_string().contains("larger than"));
}

#[tokio::test]
async fn a_configured_key_address_needs_no_discovery() {
    let key = curve();
    let world = World::new(&[key.jwk("k")], |config| config.jwks_url = Some(JWKS.into()));
    assert_eq!(world.reason(&token(&key, "k")).await, "accepted");
    assert_eq!(world.documents.all_asked(), [JWKS]);
}

#[tokio::test]
async fn the_schedule_fetches_keys_before_the_first_token() {
    let key = curve();
    let world = World::new(&[key.jwk("k")], |_| {});
    let schedule = tokio::spawn(Arc::clone(&world.identity).run());
    while world.identity.status().remove(0).keys == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(world.reason(&token(&key, "k")).await, "accepted");
    assert_eq!(world.documents.asked(JWKS), 1);
    assert!(!schedule.is_finished());
    schedule.abort();
}

#[tokio::test]
async fn unknown_issuers_and_bad_algorithms_cause_no_fetch() {
    let key = curve();
    let world = World::new(&[key.jwk("k")], |_| {});
    let foreign = claims(json!({ "iss": "https://evil.example.com" })).to_string();
    world.reason(&key.token(r#"{"alg":"ES256","kid":"x"}"#, &foreign)).await;
    world.reason(&key.token(r#"{"alg":"ES512","kid":"x"}"#, &claims(json!({})).to_string())).await;
    assert!(world.documents.all_asked().is_empty());
}
