//! Break-glass: what needs approval passes for one person at one target, for a time, with an alarm.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::common::Client;
use super::common::evidence::of_type;
use super::{SOON, World, call, held, soon};

fn glass(length: &str) -> Value {
    json!({ "target": "ops", "for": length, "reason": "outage 0815" })
}

impl World {
    async fn at_ops(&self, who: &str) -> Client {
        Client::open(self.url("/mcp/ops"), self.issuer.token(who)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_held_passes_on_record_and_what_is_forbidden_does_not() {
    let world = World::new().await;
    let (alice, bob) = (world.at_ops("alice").await, world.at_ops("bob").await);
    assert!(call(&alice, "echo").await.1.contains("waits for approval"));
    let (status, opened) = world.post("/break-glass", &world.issuer.token("alice"), &glass("15m")).await;
    assert_eq!((status, &opened["state"], &opened["grant"]["break_glass"]), (200, &json!("granted"), &json!(true)));
    let id = opened["id"].as_str().unwrap().to_owned();
    assert!(!call(&alice, "echo").await.0, "in the session that was open already");
    assert!(!call(&world.at_ops("alice").await, "echo").await.0, "and in a new one");
    assert!(call(&bob, "echo").await.1.contains("waits for approval"), "for nobody else");
    for (tool, text) in [("twin", "Never."), ("mirror", "Not even then.")] {
        let (is_error, said) = call(&alice, tool).await;
        assert!(is_error && said.contains(text), "{said}");
    }
    // At /mcp too, and for no agent of hers.
    let all = Client::open(world.url("/mcp"), world.issuer.token("alice")).await;
    assert!(!call(&all, "ops_echo").await.0);
    let agent = world.issuer.token_with(json!({ "sub": "alice", "act": { "sub": "robot" } }));
    let agent = Client::open(world.url("/mcp/ops"), agent).await;
    assert!(call(&agent, "echo").await.1.contains("waits for approval"));

    let events = world.gateway.events();
    let passed: Vec<_> = of_type(&events, "operation.admitted")
        .into_iter()
        .filter(|event| event["operation"]["action"] == "ops/echo")
        .collect();
    assert_eq!(passed.len(), 3);
    for event in passed {
        assert_eq!((&event["operation"]["approval"], &event["decision"]["policies"]), (&json!(id), &json!(["held"])));
    }
    let outcomes = of_type(&events, "operation.outcome");
    assert!(outcomes.iter().any(|event| event["operation"]["approval"] == json!(id)));
    let told = &of_type(&events, "break_glass.opened")[0];
    let grant = &told["grant"];
    assert_eq!(
        (&told["who"], &told["target"], &grant["reason"]),
        (&json!("corp|alice"), &json!("ops"), &json!("outage 0815"))
    );
    let log = world.gateway.process.log();
    assert!(log.contains("BREAK-GLASS") && log.contains("corp|alice") && log.contains("outage 0815"), "{log}");
    let page = world.gateway.admin_page("/metrics").unwrap();
    assert!(page.contains("vidimus_break_glass_open 1"), "{page}");
    assert!(page.contains("vidimus_grants_total{target=\"ops\",step=\"break_glass\"} 1"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_on_time_and_by_a_word_with_its_sessions() {
    let world = World::new().await;
    let token = world.issuer.token("alice");
    let alice = Arc::new(world.at_ops("alice").await);
    assert_eq!(world.post("/break-glass", &token, &glass("2s")).await.0, 200);
    let (status, said) = world.post("/break-glass", &token, &glass("15m")).await;
    assert!(status == 409 && said["error"].as_str().unwrap().contains("already"), "{said}");
    let running = held(&alice, &world.ops).await;
    let received = tokio::time::timeout(SOON, running).await.unwrap().unwrap();
    assert!(!String::from_utf8(received.body()).unwrap().contains("\"result\""), "{received:?}");
    let fresh = world.at_ops("alice").await;
    assert!(call(&fresh, "echo").await.1.contains("waits for approval"), "as before");

    let (_, opened) = world.post("/break-glass", &token, &glass("15m")).await;
    let id = opened["id"].as_str().unwrap();
    assert!(!call(&fresh, "echo").await.0);
    let idle = world.at_ops("alice").await;
    assert_eq!(world.revoke(id, &world.token("eve", "visitors")).await.0, 404);
    assert_eq!(world.revoke(id, &world.token("sam", "security")).await.0, 200);
    assert!(fresh.call(1, "echo", "{}").await.is_err(), "the session that used it is closed");
    assert!(call(&idle, "echo").await.1.contains("waits for approval"), "one that did not goes on");
    let events = world.gateway.events_once(|event| event["grant"]["how"] == "revoked");
    let hows: Vec<&Value> = of_type(&events, "break_glass.closed").iter().map(|event| &event["grant"]["how"]).collect();
    assert_eq!(hows, [&json!("expired"), &json!("revoked")]);
    for cut in of_type(&events, "grant.cut") {
        assert!(cut["grant"]["sessions"] == 1 && cut["grant"]["us"].as_u64().unwrap() < 1_000_000, "{cut}");
    }
    soon(|| world.gateway.admin_page("/metrics").unwrap().contains("vidimus_break_glass_open 0")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_persons_whom_policy_lets_and_no_longer_than_configured() {
    let mut world = World::new().await;
    let alice = world.issuer.token("alice");
    let robot = world.issuer.token_with(json!({ "sub": "robot", "azp_type": "service" }));
    let acting = world.issuer.token_with(json!({ "sub": "alice", "act": { "sub": "robot" } }));
    let refused = [
        (&robot, glass("15m"), 403, "persons"),
        (&acting, glass("15m"), 403, "persons"),
        (&world.token("eve", "visitors"), glass("15m"), 403, "no policy permits break_glass"),
        (&alice, json!({ "target": "crm", "for": "15m", "reason": "x" }), 403, "no policy permits break_glass"),
        (&alice, glass("2h"), 400, "ask for 1s to 3600s"),
        (&alice, json!({ "target": "ops", "for": "15m", "reason": "" }), 400, "a reason"),
        (&alice, json!({ "target": "ops", "for": "15m", "grant": "several", "reason": "x" }), 400, "no grant"),
    ];
    for (token, body, expected, text) in refused {
        let (status, said) = world.post("/break-glass", token, &body).await;
        let told = said["error"].as_str().unwrap_or_default();
        assert!(status == expected && told.contains(text), "{status} {said}");
    }
    assert_eq!(world.api(Method::GET, "/break-glass", &alice, "").await.0, 404);

    // It is in force over a crash, and its end is.
    let file = world.gateway.dir.path().join("alice.token");
    std::fs::write(&file, &alice).unwrap();
    let broken = ["break-glass", "ops", "--for", "15m", "--reason", "outage", "--token-file", file.to_str().unwrap()];
    let id = world.gateway.command(&broken)["id"].as_str().unwrap().to_owned();
    world.gateway.process.kill().unwrap();
    world.gateway.restart();
    assert!(!call(&world.at_ops("alice").await, "echo").await.0);
    assert_eq!(world.revoke(&id, &alice).await.0, 200);
    world.gateway.process.kill().unwrap();
    world.gateway.restart();
    assert!(call(&world.at_ops("alice").await, "echo").await.1.contains("waits for approval"));
}
