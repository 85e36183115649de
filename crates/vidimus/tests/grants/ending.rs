//! How grants end: by their time, by somebody's word, with what is open in them; and what a restart leaves.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;

use super::common::Client;
use super::common::evidence::{of_type, outcome};
use super::{SOON, World, assert_challenged, call, held, repair};

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_cuts_calls_and_streams_within_a_second() {
    let world = World::new().await;
    let (id, token) = world.granted(&repair("1h")).await;
    let client = Arc::new(Client::open(world.url("/mcp/crm"), token.clone()).await);
    let stream = client.stream(Method::GET, &[("accept", "text/event-stream")]).await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let listening = tokio::spawn(async move { stream.into_body().collect().await.is_ok() });
    let running = held(&client, &world.crm).await;

    let (status, said) = world.revoke(&id, &world.token("sam", "security")).await;
    assert_eq!((status, &said["state"]), (200, &json!("ended")), "{said}");
    assert!(said["detail"].as_str().unwrap().contains("revoked by corp|sam: no longer needed"), "{said}");
    let received = tokio::time::timeout(SOON, running).await.unwrap().unwrap();
    assert!(!String::from_utf8(received.body()).unwrap().contains("\"result\""), "{received:?}");
    tokio::time::timeout(SOON, listening).await.unwrap().unwrap();
    assert_challenged(&client.post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await.unwrap());

    let events = world.gateway.events_once(|event| event["type"] == "grant.cut");
    let cut = &of_type(&events, "grant.cut")[0]["grant"];
    assert_eq!((&cut["id"], &cut["sessions"]), (&json!(id), &json!(1)));
    assert!(cut["us"].as_u64().unwrap() < 1_000_000, "{cut}");
    let revoked = of_type(&events, "grant.revoked");
    assert_eq!((revoked.len(), &revoked[0]["who"]), (1, &json!("corp|sam")));
    let closed = of_type(&events, "session.closed");
    assert!(closed.iter().any(|event| event["reason"] == "grant" && event["target"] == "crm"), "{closed:?}");
    assert_eq!(outcome(&events, "crm/held"), Some("cancelled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn time_ends_a_grant_in_the_middle_of_what_runs() {
    let world = World::new().await;
    let (_, token) = world.granted(&repair("3s")).await;
    let client = Arc::new(Client::open(world.url("/mcp/crm"), token.clone()).await);
    assert!(!call(&client, "echo").await.0);
    let stream = client.stream(Method::GET, &[("accept", "text/event-stream")]).await.unwrap();
    let listening = tokio::spawn(async move { stream.into_body().collect().await.is_ok() });
    let running = held(&client, &world.crm).await;
    let received = tokio::time::timeout(SOON, running).await.unwrap().unwrap();
    assert!(!String::from_utf8(received.body()).unwrap().contains("\"result\""), "{received:?}");
    tokio::time::timeout(SOON, listening).await.unwrap().unwrap();
    assert_challenged(&client.post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await.unwrap());
    assert_challenged(&world.hello("/mcp/crm", &token).await);
    let events = world.gateway.events_once(|event| event["type"] == "grant.cut");
    assert_eq!(of_type(&events, "grant.expired").len(), 1);
    assert_eq!(of_type(&events, "grant.cut")[0]["grant"]["sessions"], 1);
    assert_eq!(outcome(&events, "crm/held"), Some("cancelled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_granted_and_what_is_revoked_stay_so_over_a_crash() {
    let mut world = World::new().await;
    let alice = world.issuer.token("alice");
    let (_, kept) = world.granted(&repair("1h")).await;
    let (revoked, gone) = world.granted(&repair("2h")).await;
    assert_eq!(world.revoke(&revoked, &alice).await.0, 200, "who asked for it ends it");
    let (_, used) = world.granted(&repair("30m")).await;
    let client = Client::open(world.url("/mcp/crm"), used.clone()).await;
    assert!(!call(&client, "echo").await.0);
    let (_, short) = world.granted(&repair("1s")).await;
    let waits = world.asked(&repair("90m")).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    world.gateway.process.kill().unwrap();
    world.gateway.restart();

    for token in [&gone, &used, &short] {
        assert_challenged(&world.hello("/mcp/crm", token).await);
    }
    let client = Client::open(world.url("/mcp/crm"), kept.clone()).await;
    assert!(!call(&client, "echo").await.0, "what was not used is as it was");
    world.approve(&waits).await;
    let (status, _) = world.post(&format!("/grants/{waits}/credential"), &alice, &json!({})).await;
    assert_eq!(status, 200, "what waited waits still");

    world.gateway.sessions();
    let before = world.api(Method::GET, "/grants?all=true", &alice, "").await;
    assert!(world.gateway.process.terminate(SOON).unwrap().success());
    let rebuilt = world.gateway.run(&["index", "rebuild"]);
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
    world.gateway.restart();
    world.gateway.sessions();
    let after = world.api(Method::GET, "/grants?all=true", &alice, "").await;
    let states = |list: &serde_json::Value| {
        let grants = list["grants"].as_array().unwrap().iter();
        grants.map(|grant| (grant["id"].clone(), grant["state"].clone())).collect::<Vec<_>>()
    };
    // The session of the one that was kept ended with the gateway.
    let mut expected = states(&before.1);
    let kept = expected.iter_mut().filter(|(id, state)| *state == "granted" && *id != json!(waits));
    kept.for_each(|(_, state)| *state = json!("ended"));
    assert_eq!(states(&after.1), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_asks_waits_prints_the_credential_and_ends_it() {
    let world = World::new().await;
    let alice = world.gateway.dir.path().join("alice.token");
    std::fs::write(&alice, world.issuer.token("alice")).unwrap();
    let as_alice = ["--token-file", alice.to_str().unwrap()];
    let request = ["grant", "request", "crm", "--for", "1h", "--reason", "ticket 4711"];
    let asked = world.gateway.command(&[&request[..], &as_alice].concat());
    let id = asked["id"].as_str().unwrap().to_owned();
    assert_eq!(world.gateway.command(&[&["grant", "list"][..], &as_alice].concat())["grants"][0]["id"], json!(id));
    let mut waiting = std::process::Command::new(env!("CARGO_BIN_EXE_vidimus"));
    waiting.args(request).args(["--wait", "--json"]).args(as_alice).arg("--config").arg(world.gateway.config());
    let waiting = tokio::task::spawn_blocking(move || waiting.output().unwrap());
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.approve(&id).await;
    let waited = waiting.await.unwrap();
    let progress = String::from_utf8_lossy(&waited.stderr);
    assert!(progress.contains("is open: finance 0/1") && progress.contains("is approved: finance 1/1"), "{progress}");
    let issued: serde_json::Value = serde_json::from_slice(&waited.stdout).unwrap();
    assert_eq!(issued["grant"]["id"], json!(id), "the same words find the same request");
    let token = issued["token"].as_str().unwrap();
    let client = Client::open(world.url("/mcp/crm"), token).await;
    assert!(!call(&client, "echo").await.0);
    let shown = world.gateway.command(&[&["grant", "show", &id][..], &as_alice].concat());
    assert_eq!((&shown["state"], &shown["grant"]["opened"]), (&json!("granted"), &json!(1)));
    let ended = world.gateway.command(&[&["grant", "revoke", &id, "--reason", "done"][..], &as_alice].concat());
    assert_eq!(ended["state"], "ended");
    assert_challenged(&world.hello("/mcp/crm", token).await);
    let none = world.gateway.run(&request);
    assert!(!none.status.success() && String::from_utf8_lossy(&none.stderr).contains("--token-file"), "{none:?}");
}
