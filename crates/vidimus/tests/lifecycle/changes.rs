//! Policies and keys that change while the gateway runs.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use vidimus_testkit::OidcProvider;
use vidimus_testkit::oidc_provider::OldKeys;

use super::common::evidence::of_type;
use super::common::upstream::Upstream;
use super::common::{ALLOW_ALL, AUDIENCE, Client, Gateway, Setup};
use super::{World, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_policy_decides_in_open_sessions() {
    let world = World::start().await;
    let client = world.client().await;
    let arguments = r#"{"text":"secret"}"#;
    assert!(client.call(1, "echo", arguments).await.unwrap()["result"]["isError"].is_null());
    let rule = r#"@id("quiet") @message("Quiet, please.") forbid (principal, action == Action::"everything/echo", resource)
        when { context.arguments has text && context.arguments.text == "secret" };"#;
    std::fs::write(world.gateway.dir.path().join("policies/quiet.cedar"), rule).unwrap();
    let denied = loop {
        let answer = client.call(2, "echo", arguments).await.unwrap();
        if answer["result"]["isError"] == true {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(denied.to_string().contains("Quiet, please."), "{denied}");
    assert!(client.call(3, "echo", r#"{"text":"fine"}"#).await.unwrap()["result"]["isError"].is_null());

    let events = world.gateway.events();
    let denied = of_type(&events, "operation.denied")[0];
    assert_eq!(denied["decision"]["policies"], json!(["quiet"]));
    let loaded = of_type(&events, "policy.loaded");
    assert_eq!(loaded.last().unwrap()["policy"], denied["decision"]["policy"]);
    assert_ne!(loaded[0]["policy"], denied["decision"]["policy"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_owner_may_no_longer_connect_does_nothing_more() {
    let world = World::start().await;
    let client = world.client().await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    let policies = ALLOW_ALL.replacen("corp/support", "corp/nobody", 1);
    assert_ne!(policies, ALLOW_ALL);
    std::fs::write(world.gateway.dir.path().join("policies/test.cedar"), policies).unwrap();
    let limit = std::time::Instant::now() + super::SOON;
    while client.call(2, "echo", "{}").await.unwrap()["result"]["isError"] != true {
        assert!(std::time::Instant::now() < limit, "the old policy stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_policy_is_refused_and_the_old_one_stays() {
    let world = World::start().await;
    let client = world.client().await;
    std::fs::write(world.gateway.dir.path().join("policies/broken.cedar"), "permit (principal, action, resource")
        .unwrap();
    let events = world.gateway.events_once(|event| event["type"] == "policy.refused");
    let refused = of_type(&events, "policy.refused")[0];
    assert!(refused["reason"].as_str().unwrap().contains("broken.cedar"), "{refused}");
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    let events = world.gateway.events();
    let admitted = *of_type(&events, "operation.admitted").last().unwrap();
    assert_eq!(admitted["decision"]["policy"], refused["policy"]);
    assert_eq!(of_type(&events, "policy.refused").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_keys_are_learned_and_old_ones_forgotten() {
    let provider = OidcProvider::start().await.unwrap();
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&Setup::new(upstream.url()), provider.issuer());
    let old = provider.token_for("alice", AUDIENCE).await.unwrap();
    let client = Client::open(gateway.url(), &old).await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());

    provider.rotate(OldKeys::Drop).await.unwrap();
    let new = provider.token_for("alice", AUDIENCE).await.unwrap();
    let mut renewed = Client::new(gateway.url(), &new);
    renewed.session.clone_from(&client.session);
    let limit = std::time::Instant::now() + super::SOON;
    loop {
        let answer = renewed.post(super::call(2, "echo", &json!({}))).await.unwrap();
        if answer.status == StatusCode::OK {
            break;
        }
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        // Keys are fetched at most every ten seconds, so that bad tokens are no load on the provider.
        assert!(std::time::Instant::now() < limit, "the new key is not learned");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let answer = client.post(super::call(3, "echo", &json!({}))).await.unwrap();
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "a token of a withdrawn key");
    soon(|| of_type(&gateway.events(), "auth.failed").iter().any(|event| event["reason"] == "key")).await;
}
