//! Who may decide, how many it takes, and when it is too late.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::common::evidence::of_type;
use super::{World, call};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_approves_nothing_and_neither_does_a_program_or_a_stranger() {
    let world = World::new().await;
    let told = call(&world.alice().await, "echo", r#"{"text":"hello"}"#).await;
    let own = world.issuer.token_with(json!({ "sub": "alice", "groups": ["finance", "support"] }));
    let (status, said) = world.approve(&told.reference, 1, &own).await;
    assert!(status == 403 && said["error"].as_str().unwrap().contains("another person"), "{said}");
    let program = world.issuer.token_with(json!({ "sub": "robot", "groups": ["finance"], "azp_type": "service" }));
    let (status, said) = world.approve(&told.reference, 1, &program).await;
    assert!(status == 403 && said["error"].as_str().unwrap().contains("persons"), "{said}");
    let acting = json!({ "sub": "bob", "groups": ["finance"], "act": { "sub": "robot" } });
    let (status, said) = world.approve(&told.reference, 1, &world.issuer.token_with(acting)).await;
    assert!(status == 403 && said["error"].as_str().unwrap().contains("persons"), "{said}");
    let stranger = world.token("eve", "support");
    let (status, said) = world.approve(&told.reference, 1, &stranger).await;
    assert_eq!(status, 404, "what one may not see is not there: {said}");
    let unknown = world.approve("00000000-0000-7000-8000-000000000001", 1, &stranger).await;
    assert_eq!(unknown.0, 404);
    assert_eq!(world.api(Method::GET, "", &stranger).await.1, json!({ "approvals": [] }));
    assert_eq!(world.api(Method::GET, "", "no token").await.0, 401);
    let (status, mine) = world.api(Method::GET, "", &world.issuer.token("alice")).await;
    assert_eq!((status, mine["approvals"].as_array().unwrap().len()), (200, 1), "who asked sees it");
    assert!(call(&world.alice().await, "echo", r#"{"text":"hello"}"#).await.is_error);
    assert_eq!(world.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_in_the_chain_of_who_asks_approves() {
    let world = World::new().await;
    let agent = world.issuer.token_with(json!({ "sub": "alice", "act": { "sub": "carol" } }));
    let client = super::Client::open(world.gateway.url(), agent).await;
    let told = call(&client, "echo", r#"{"text":"hello"}"#).await;
    let carol = world.token("carol", "finance");
    let (status, said) = world.approve(&told.reference, 1, &carol).await;
    assert!(status == 403 && said["error"].as_str().unwrap().contains("another person"), "{said}");
    let herself = call(&world.alice().await, "echo", r#"{"text":"hello"}"#).await;
    assert_ne!(herself.reference, told.reference, "what an agent asks for her is another request than her own");
    assert_eq!(world.approve(&told.reference, 1, &world.token("bob", "finance")).await.0, 200);
    assert!(!call(&client, "echo", r#"{"text":"hello"}"#).await.is_error);
    assert!(call(&world.alice().await, "echo", r#"{"text":"hello"}"#).await.is_error);
    assert_eq!(world.reached(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_is_of_distinct_people_and_every_rule_counts() {
    let world = World::new().await;
    let alice = world.alice().await;
    let (bob, carol) = (world.token("bob", "finance"), world.token("carol", "finance"));
    let told = call(&alice, "twin", "{}").await;
    let (_, said) = world.approve(&told.reference, 1, &bob).await;
    assert_eq!((&said["state"], &said["rules"][0]["approved"]), (&json!("open"), &json!(1)));
    let (status, said) = world.approve(&told.reference, 2, &bob).await;
    assert!(status == 409 && said["error"].as_str().unwrap().contains("1 more by board"), "{said}");
    assert!(call(&alice, "twin", "{}").await.is_error && world.reached() == 0);
    let (status, said) = world.approve(&told.reference, 1, &carol).await;
    assert!(status == 409 && said["error"].as_str().unwrap().contains("version 2"), "{said}");
    assert_eq!(world.approve(&told.reference, 2, &carol).await.1["state"], "approved");
    assert!(!call(&alice, "twin", "{}").await.is_error && world.reached() == 1);

    let both = call(&alice, "mirror", "{}").await;
    assert_eq!(world.approve(&both.reference, 1, &bob).await.1["state"], "open");
    let dave = world.token("dave", "security");
    let silent = world.api(Method::POST, &format!("/{}/approval?version=2", both.reference), &dave).await;
    assert!(silent.0 == 400 && silent.1["error"].as_str().unwrap().contains("reason"), "{silent:?}");
    assert_eq!(world.approve(&both.reference, 2, &dave).await.1["state"], "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_says_why_and_takes_back_what_was_approved() {
    let world = World::new().await;
    let alice = world.alice().await;
    let bob = world.token("bob", "finance");
    let told = call(&alice, "echo", "{}").await;
    assert_eq!(world.approve(&told.reference, 1, &bob).await.0, 200);
    let denial = |version: u64, reason: &str| format!("/{}/denial?version={version}{reason}", told.reference);
    assert_eq!(world.api(Method::POST, &denial(2, ""), &bob).await.0, 400);
    let why = "&reason=ask%20ada%40example.com%20first";
    assert_eq!(world.api(Method::POST, &denial(2, why), &bob).await.1["state"], "denied");
    let denied = call(&alice, "echo", "{}").await;
    assert!(denied.is_error && denied.text.contains("Denied: ask ") && denied.text.contains(" first"), "{denied:?}");
    assert!(!denied.text.contains("ada@example.com"), "masked: {denied:?}");
    let anew = call(&alice, "echo", "{}").await;
    assert!(anew.reference != told.reference && anew.text.contains("waits for approval"), "{anew:?}");
    // What is over is known from the index.
    world.gateway.sessions();
    assert_eq!((world.api(Method::POST, &denial(3, why), &bob).await.0, world.reached()), (409, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_not_used_in_time_ends_and_is_on_record() {
    let world = World::with(
        "[approvals.finance]\nwait = \"1ms\"\nexpires = \"2s\"\n",
        r#"@approval("finance") forbid (principal, action == Action::"everything/echo", resource);
        permit (principal in Group::"corp/finance", action == Action::"approve", resource);"#,
    )
    .await;
    let alice = world.alice().await;
    let bob = world.token("bob", "finance");
    let (first, second) = (call(&alice, "echo", "{}").await, call(&alice, "echo", r#"{"text":"x"}"#).await);
    assert_eq!(world.approve(&first.reference, 1, &bob).await.0, 200);
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let late = world.approve(&second.reference, 1, &bob).await;
    assert!(late.0 == 409 && late.1["error"].as_str().unwrap().contains("time is up"), "{late:?}");
    let anew = call(&alice, "echo", "{}").await;
    assert!(anew.is_error && anew.reference != first.reference && world.reached() == 0, "{anew:?}");
    let events = world.gateway.events_once(|event| event["type"] == "approval.expired");
    assert_eq!(of_type(&events, "approval.expired").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_at_one_moment_make_one_decision_and_one_effect() {
    let world = World::new().await;
    let mut alice = world.alice().await;
    let (bob, carol) = (world.token("bob", "finance"), world.token("carol", "finance"));
    for round in 0..200 {
        if round % 50 == 49 {
            // Each round leaves a request behind, and one principal may have a hundred.
            let token = world.issuer.token(&format!("alice-{round}"));
            alice = super::Client::open(world.gateway.url(), token).await;
        }
        let arguments = json!({ "text": round.to_string() }).to_string();
        let told = call(&alice, "echo", &arguments).await;
        let denial = format!("/{}/denial?version=1&reason=no", told.reference);
        let second = async {
            if round % 2 == 0 {
                world.approve(&told.reference, 1, &carol).await
            } else {
                world.api(Method::POST, &denial, &carol).await
            }
        };
        let (one, two) = tokio::join!(world.approve(&told.reference, 1, &bob), second);
        let mut statuses = [one.0, two.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{one:?} {two:?}");
        let before = world.reached();
        let (first, again) = tokio::join!(call(&alice, "echo", &arguments), call(&alice, "echo", &arguments));
        let ran = usize::from(!first.is_error) + usize::from(!again.is_error);
        let is_approved = one.0 == 200 || round % 2 == 0;
        assert_eq!(
            (ran, world.reached() - before),
            (usize::from(is_approved), usize::from(is_approved)),
            "round {round}"
        );
    }
}
