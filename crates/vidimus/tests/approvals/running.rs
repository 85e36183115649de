//! What an approved call does, and that it does it once.

use http::Method;
use serde_json::json;

use super::common::evidence::of_type;
use super::{World, call};

const CALL: &str = r#"{"text":"hello","n":9007199254740992}"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_call_runs_once_and_only_as_it_was_approved() {
    let world = World::new().await;
    let alice = world.alice().await;
    let bob = world.token("bob", "finance");
    let told = call(&alice, "echo", CALL).await;
    assert!(told.is_error && told.text.starts_with("Finance agrees first."), "{told:?}");
    assert!(told.text.contains(&told.reference) && told.text.contains("make the same call again"), "{told:?}");
    let again = call(&alice, "echo", r#"{ "n" : 9007199254740992, "text" : "h\u0065llo" }"#).await;
    assert_eq!(again.reference, told.reference, "the same call finds the same request, however it is written");
    for other in [
        r#"{"text":"hello","n":9007199254740993}"#,
        r#"{"text":"hello","n":9007199254740992.0}"#,
        r#"{"text":"hello"}"#,
    ] {
        assert_ne!(call(&alice, "echo", other).await.reference, told.reference, "{other}");
    }
    assert_eq!(world.reached(), 0);

    let (status, listed) = world.api(Method::GET, "", &bob).await;
    assert_eq!((status, listed["approvals"].as_array().unwrap().len()), (200, 4), "{listed}");
    let (status, shown) = world.api(Method::GET, &format!("/{}", told.reference), &bob).await;
    assert_eq!((status, &shown["request"]["state"], &shown["request"]["version"]), (200, &json!("open"), &json!(1)));
    assert_eq!(shown["arguments"].to_string(), CALL);
    assert_eq!((&shown["principal"]["subject"], &shown["client"]), (&json!("alice"), &json!("test 1")));
    assert_eq!((&shown["request"]["policies"], &shown["yours"]), (&json!(["held"]), &json!(["finance"])));

    let (status, said) = world.approve(&told.reference, 1, &bob).await;
    assert_eq!(
        (status, &said["state"], &said["given"][0]["by"]),
        (200, &json!("approved"), &json!("corp|bob")),
        "{said}"
    );
    let changed = call(&alice, "echo", r#"{"text":"hello","n":1}"#).await;
    assert!(changed.is_error && world.reached() == 0, "another call is not approved: {changed:?}");
    let ran = call(&alice, "echo", CALL).await;
    assert!(!ran.is_error && ran.text.contains("9007199254740992"), "{ran:?}");
    assert_eq!(world.reached(), 1);
    let once_more = call(&alice, "echo", CALL).await;
    assert!(once_more.is_error && once_more.reference != told.reference, "{once_more:?}");
    assert_eq!(world.reached(), 1);

    let events = world.gateway.events_once(|event| event["type"] == "operation.outcome");
    let used = of_type(&events, "approval.used");
    assert_eq!((used.len(), &used[0]["approval"]["id"]), (1, &json!(told.reference)));
    let admitted: Vec<_> =
        of_type(&events, "operation.admitted").into_iter().filter(|event| event["who"] == "corp|alice").collect();
    let admitted: Vec<_> =
        admitted.into_iter().filter(|event| event["operation"]["action"] == "everything/echo").collect();
    assert_eq!((admitted.len(), &admitted[0]["operation"]["approval"]), (1, &json!(told.reference)));
    assert_eq!(admitted[0]["decision"]["policy"], used[0]["approval"]["policy"]);
    let asked = of_type(&events, "approval.requested");
    assert_eq!((asked.len(), of_type(&events, "operation.held").len()), (6, 7));
    assert_eq!(asked[0]["approval"]["quorums"], json!([{ "approvers": 1, "rule": "finance" }]));
    let given = of_type(&events, "approval.approved");
    assert_eq!((&given[0]["who"], &given[0]["approval"]["reason"]), (&json!("corp|bob"), &json!("agreed")));
    world.gateway.verified(&["--recordings"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_decisions_outlive_the_gateway_and_so_does_their_end() {
    let mut world = World::new().await;
    let bob = world.token("bob", "finance");
    let told = call(&world.alice().await, "echo", CALL).await;
    let approved = call(&world.alice().await, "echo", r#"{"text":"second"}"#).await;
    let denied = call(&world.alice().await, "echo", r#"{"text":"third"}"#).await;
    assert_eq!(world.approve(&approved.reference, 1, &bob).await.0, 200);
    let denial = format!("/{}/denial?version=1&reason=no", denied.reference);
    assert_eq!(world.api(Method::POST, &denial, &bob).await.0, 200);
    world.gateway.process.kill().unwrap();
    world.gateway.restart();

    assert_eq!(call(&world.alice().await, "echo", CALL).await.reference, told.reference);
    let ran = call(&world.alice().await, "echo", r#"{"text":"second"}"#).await;
    assert!(!ran.is_error && world.reached() == 1, "{ran:?}");
    assert_eq!(world.approve(&told.reference, 1, &bob).await.0, 200);
    world.gateway.process.kill().unwrap();
    world.gateway.restart();
    let ran = call(&world.alice().await, "echo", CALL).await;
    assert!(!ran.is_error && world.reached() == 2, "{ran:?}");
    let again = call(&world.alice().await, "echo", r#"{"text":"second"}"#).await;
    assert!(again.is_error && again.reference != approved.reference && world.reached() == 2, "{again:?}");
    let (_, listed) = world.api(Method::GET, "?all=true", &bob).await;
    let state = |id: &str| {
        let list = listed["approvals"].as_array().unwrap();
        list.iter().find(|request| request["id"] == id).map(|request| request["state"].as_str().unwrap().to_owned())
    };
    assert_eq!(state(&approved.reference).as_deref(), Some("used"));
    assert_eq!(state(&denied.reference).as_deref(), Some("denied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_spent_by_a_crash_and_the_caller_is_told() {
    let mut world = World::with(
        "[approvals.finance]\nwait = \"1ms\"\n",
        r#"@approval("finance") forbid (principal, action == Action::"everything/hang", resource);
        permit (principal in Group::"corp/finance", action == Action::"approve", resource);"#,
    )
    .await;
    let bob = world.token("bob", "finance");
    let alice = world.alice().await;
    let told = call(&alice, "hang", "{}").await;
    assert_eq!(world.approve(&told.reference, 1, &bob).await.0, 200);
    let hanging = tokio::spawn(async move { alice.call(1, "hang", "{}").await });
    while world.reached() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    world.gateway.process.kill().unwrap();
    assert!(hanging.await.unwrap().is_err());
    world.gateway.restart();
    let spent = call(&world.alice().await, "hang", "{}").await;
    assert!(spent.is_error && spent.text.contains("whose outcome is unknown"), "{spent:?}");
    let events = world.gateway.events_once(|event| event["outcome"]["status"] == "unknown");
    let used = of_type(&events, "approval.used")[0];
    let reference = format!("{}/{}", used["session"].as_str().unwrap(), used["approval"]["intent"]);
    assert!(spent.text.contains(&reference), "{spent:?}");
    let anew = call(&world.alice().await, "hang", "{}").await;
    assert!(anew.is_error && anew.text.contains("waits for approval"), "told once: {anew:?}");
    assert_eq!(world.reached(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_in_force_at_the_release_decides() {
    let mut world = World::new().await;
    let bob = world.token("bob", "finance");
    let alice = world.alice().await;
    let (first, second) =
        (call(&alice, "echo", r#"{"text":"a"}"#).await, call(&alice, "echo", r#"{"text":"b"}"#).await);
    assert_eq!(world.approve(&first.reference, 1, &bob).await.0, 200);
    let file = world.gateway.dir.path().join("policies/test.cedar");
    let policies = std::fs::read_to_string(&file).unwrap();
    let adopt = |world: &mut World, text: String| {
        std::fs::write(&file, text).unwrap();
        let before = of_type(&world.gateway.events(), "policy.loaded").len();
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while of_type(&world.gateway.events(), "policy.loaded").len() == before {
            assert!(std::time::Instant::now() < limit, "the policies are not in force");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    };
    let never = "@message(\"Never.\") forbid (principal, action == Action::\"everything/echo\", resource)
        when { context.amr.isEmpty() };";
    adopt(&mut world, format!("{policies}{never}"));
    let forbidden = call(&alice, "echo", r#"{"text":"a"}"#).await;
    assert!(
        forbidden.is_error && forbidden.text.starts_with("Never."),
        "an approval lifts no other forbid: {forbidden:?}"
    );
    adopt(&mut world, policies.replace("Action::\"everything/echo\", ", ""));
    let free = call(&alice, "echo", r#"{"text":"b"}"#).await;
    assert!(!free.is_error && world.reached() == 1, "it needs no approval any more: {free:?}");
    let events = world.gateway.events_once(|event| event["approval"]["reason"] == "not_needed");
    let cancelled = of_type(&events, "approval.cancelled");
    assert_eq!(
        (&cancelled[0]["approval"]["id"], &cancelled[0]["approval"]["reason"]),
        (&json!(first.reference), &json!("forbidden"))
    );
    assert_eq!(cancelled[1]["approval"]["id"], json!(second.reference));
}
