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
async fn policies_that_do_not_fit_the_tools_of_a_target_say_so() {
    let limit = r#"@id("limit") forbid (principal, action == Action::"everything/charge", resource)
        when { context.arguments.amount > 500 };"#;
    let world = World::with(|setup| setup.policies = format!("{ALLOW_ALL}{limit}").leak()).await;
    let gateway = &world.gateway;
    // The file is as it was; what came is the definition of the tool.
    let events = gateway.events_once(|event| event["type"] == "policy.refused");
    let reason = of_type(&events, "policy.refused")[0]["reason"].as_str().unwrap();
    for said in [
        "the policies do not fit the tools that target everything offers now: test.cedar:",
        "argument `amount` of `everything/charge`: ",
        r#"`context.arguments.amount.greaterThan(decimal("…"))`"#,
    ] {
        assert!(reason.contains(said), "{reason}");
    }
    assert!(gateway.process.log().contains("do not fit the tools that this target offers now"));
    let misfit = r#"vidimus_policies_misfit{target="everything"}"#;
    let gauge = |name: &str| {
        let page = gateway.admin_page("/metrics").unwrap();
        page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u8>().ok()).unwrap()
    };
    assert_eq!((gauge(misfit), gauge("vidimus_policies_refused")), (1, 0));

    // What such a policy cannot read is denied, and it keeps no other change from coming into force.
    let client = world.client().await;
    let charged = client.call(1, "charge", r#"{"amount":700}"#).await.unwrap();
    assert_eq!(charged["result"]["isError"], true, "{charged}");
    let rule = r#"@id("quiet") @message("Quiet, please.")
        forbid (principal, action == Action::"everything/echo", resource);"#;
    std::fs::write(gateway.dir.path().join("policies/quiet.cedar"), rule).unwrap();
    soon(|| of_type(&gateway.events(), "policy.loaded").len() == 3).await;
    let denied = client.call(2, "echo", "{}").await.unwrap();
    assert!(denied.to_string().contains("Unknown tool: echo"), "what is forbidden altogether is not shown: {denied}");
    assert_eq!((gauge(misfit), of_type(&gateway.events(), "policy.refused").len()), (1, 1));
    std::fs::remove_file(gateway.dir.path().join("policies/quiet.cedar")).unwrap();

    // What the gateway knows of the tools is what `check` can be given.
    let tools = gateway.command(&["tools", "everything"]);
    std::fs::write(gateway.dir.path().join("everything.tools.json"), tools.to_string()).unwrap();
    let config = std::fs::read_to_string(gateway.config()).unwrap();
    let changed = config.replace("durability =", "tools = \"everything.tools.json\"\ndurability =");
    std::fs::write(gateway.config(), changed).unwrap();
    let checked = gateway.run(&["check"]);
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((checked.status.code(), &report["ok"]), (Some(2), &json!(false)));
    assert!(report["problems"][0]["message"].as_str().unwrap().contains("`everything/charge`"), "{report}");

    let mended = limit.replace("amount > 500", r#"amount.greaterThan(decimal("500.0"))"#);
    std::fs::write(gateway.dir.path().join("policies/test.cedar"), format!("{ALLOW_ALL}{mended}")).unwrap();
    soon(|| gauge(misfit) == 0).await;
    assert!(gateway.run(&["check"]).status.success());
    std::fs::write(gateway.dir.path().join("policies/broken.cedar"), "permit").unwrap();
    soon(|| gauge("vidimus_policies_refused") == 1).await;
    assert_eq!(gauge(misfit), 0);
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
