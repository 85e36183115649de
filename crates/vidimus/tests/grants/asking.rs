//! Who asks, who decides, who gets the credential, and what that opens.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::common::evidence::of_type;
use super::common::{Answer, Client, modern_body, send_modern};
use super::{World, assert_challenged, call, repair};

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_asked_for_approved_fetched_once_and_used() {
    let world = World::new().await;
    let alice = world.issuer.token("alice");
    assert_eq!(world.hello("/mcp/crm", &alice).await.status, StatusCode::FORBIDDEN, "she may not without one");
    let id = world.asked(&repair("1h")).await;
    assert_eq!(world.asked(&repair("1h")).await, id, "the same words are the same request");
    let fetch = format!("/grants/{id}/credential");
    let (status, said) = world.post(&fetch, &alice, &json!({})).await;
    assert!(status == 409 && said["error"].as_str().unwrap().contains("not approved yet"), "{said}");

    // Whoever decides sees who asks for what, and why.
    let bob = world.token("bob", "finance");
    let (_, listed) = world.api(Method::GET, "/approvals", &bob, "").await;
    assert_eq!(listed["approvals"][0]["grant"]["name"], "repair", "{listed}");
    let (status, shown) = world.api(Method::GET, &format!("/approvals/{id}"), &bob, "").await;
    assert_eq!((status, &shown["principal"]["groups"]), (200, &json!(["corp/support"])), "{shown}");
    let grant = &shown["request"]["grant"];
    assert_eq!((&grant["reason"], &grant["seconds"]), (&json!("ticket 4711"), &json!(3_600)), "{shown}");
    assert_eq!((&shown["request"]["target"], &shown["yours"]), (&json!("crm"), &json!(["finance"])));
    world.approve(&id).await;

    let (status, _) = world.post(&fetch, &bob, &json!({})).await;
    assert_eq!(status, 403, "the approver gets no credential");
    let (status, issued) = world.post(&fetch, &alice, &json!({})).await;
    assert_eq!((status, &issued["grant"]["state"]), (200, &json!("granted")), "{issued}");
    let token = issued["token"].as_str().unwrap().to_owned();
    let (status, again) = world.post(&fetch, &alice, &json!({})).await;
    assert!(status == 409 && again["error"].as_str().unwrap().contains("shown once"), "{again}");

    let client = Client::open(world.url("/mcp/crm"), token.clone()).await;
    assert!(!call(&client, "echo").await.0);
    let (_, mine) = world.api(Method::GET, &format!("/grants/{id}"), &alice, "").await;
    assert_eq!((&mine["state"], &mine["grant"]["opened"]), (&json!("granted"), &json!(1)), "{mine}");

    let events = world.gateway.events();
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains(&token) && !world.gateway.process.log().contains(&token), "no record has the credential");
    let opened = of_type(&events, "session.opened");
    let opened = opened.iter().find(|event| event["grant"] == json!({ "id": id, "name": "repair" })).unwrap();
    assert_eq!((&opened["who"], &opened["principal"]["groups"]), (&json!("corp|alice"), &json!(["corp/support"])));
    let granted = of_type(&events, "grant.granted");
    assert_eq!((granted.len(), &granted[0]["who"], &granted[0]["target"]), (1, &json!("corp|alice"), &json!("crm")));
    assert_eq!(of_type(&events, "grant.requested").len(), 1);
    assert_eq!(of_type(&events, "approval.approved").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_good_at_its_target_alone_and_no_other_text_is_one() {
    let world = World::new().await;
    let (_, token) = world.granted(&repair("1h")).await;
    for path in ["/mcp/ops", "/mcp", "/sse/ops", "/mcp/unknown", "/mcp/crm/x"] {
        assert_challenged(&world.hello(path, &token).await);
    }
    for path in ["/grants", "/approvals", "/approvals/x/approval?version=1"] {
        assert_eq!(world.api(Method::GET, path, &token, "").await.0, 401, "{path}");
    }
    let log = Client::new(world.url("/log/checkpoint"), token.as_str()).send(Method::GET, &[], "").await.unwrap();
    assert_eq!(log.status, StatusCode::UNAUTHORIZED);
    let body = token.strip_prefix("vidimus_grant_").unwrap();
    let mut other = token.clone().into_bytes();
    *other.last_mut().unwrap() = if other.ends_with(b"A") { b"E" } else { b"A" }[0];
    for forged in [
        token[..token.len() - 1].to_owned(),
        token.to_uppercase(),
        format!("{token}A"),
        format!("vidimus_grant_{}", "A".repeat(43)),
        "vidimus_grant_".to_owned(),
        body.to_owned(),
        String::from_utf8(other).unwrap(),
    ] {
        assert_challenged(&world.hello("/mcp/crm", &forged).await);
    }
    let events = world.gateway.events();
    assert!(of_type(&events, "session.opened").iter().all(|event| event.get("grant").is_none()));
    let reasons: Vec<_> = of_type(&events, "auth.failed").iter().map(|event| event["reason"].clone()).collect();
    for reason in ["grant_of_another_target", "grant_elsewhere", "unknown_grant"] {
        assert!(reasons.contains(&json!(reason)), "{reason}: {reasons:?}");
    }
    assert_eq!(world.hello("/mcp/crm", &token).await.status, StatusCode::OK, "and it was used up by none of that");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_grant_is_reached_by_its_credential_alone_and_there_is_one() {
    let world = World::new().await;
    let (_, token) = world.granted(&repair("1h")).await;
    let client = Client::open(world.url("/mcp/crm"), token.clone()).await;
    // Her own token is of the same principal, and does not reach it.
    let mut other = Client::new(client.url.clone(), world.issuer.token("alice"));
    other.session.clone_from(&client.session);
    let answer = other.post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    let second = world.hello("/mcp/crm", &token).await;
    let said = second.json()["error"]["message"].clone();
    assert_eq!(second.status, StatusCode::FORBIDDEN);
    assert!(said.as_str().unwrap().contains("the one session that this grant is for"), "{said}");
    let modern = Client::new(world.url("/mcp/crm"), token.clone());
    let answer =
        modern.send(Method::POST, &[("mcp-protocol-version", "2026-07-28")], modern_body("tools/list", "")).await;
    assert_ne!(answer.unwrap().status, StatusCode::OK);
    assert!(!call(&client, "echo").await.0, "the first one goes on");

    // When it has ended, so has the grant.
    assert_eq!(client.send(Method::DELETE, &[], "").await.unwrap().status, StatusCode::NO_CONTENT);
    assert_challenged(&world.hello("/mcp/crm", &token).await);
    let events = world.gateway.events_once(|event| event["type"] == "grant.ended");
    assert_eq!(of_type(&events, "grant.ended")[0]["grant"]["how"], "used");

    let body = json!({ "target": "ops", "grant": "several", "for": "1h", "reason": "two windows" });
    let (_, token) = world.granted(&body).await;
    let opened: Vec<Answer> = [
        world.hello("/mcp/ops", &token).await,
        world.hello("/mcp/ops", &token).await,
        world.hello("/mcp/ops", &token).await,
    ]
    .into();
    let opened: Vec<u16> = opened.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(opened, [200, 200, 403]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_offered_to_whom_policy_lets_and_by_others_than_who_asks() {
    let world = World::new().await;
    let (alice, eve) = (world.issuer.token("alice"), world.token("eve", "visitors"));
    let refused = [
        (&eve, repair("1h"), 403, "no policy permits grant.request"),
        (&alice, repair("3h"), 403, "no policy permits grant.request"),
        (&alice, repair("5h"), 400, "ask for 1s to"),
        (&alice, json!({ "target": "crm", "grant": "several", "for": "1h", "reason": "x" }), 400, "no grant `several`"),
        (&alice, json!({ "target": "ops", "for": "1h", "reason": "x" }), 400, "several grants"),
        (&alice, json!({ "target": "nowhere", "for": "1h", "reason": "x" }), 400, "no grant"),
        (&alice, json!({ "target": "crm", "for": "1h", "reason": " " }), 400, "a reason"),
        (&alice, json!({ "target": "crm", "for": "1h", "reason": "x".repeat(501) }), 400, "a reason"),
        (&alice, json!({ "target": "crm", "for": "1h", "reason": "x", "who": "corp|bob" }), 400, "unknown field"),
        (&alice, json!({ "target": "crm", "for": "1h", "reason": "x".repeat(20_000) }), 400, "longer than"),
    ];
    for (token, body, expected, text) in refused {
        let (status, said) = world.post("/grants", token, &body).await;
        let told = said["error"].as_str().unwrap_or_default();
        assert!(status == expected && told.contains(text), "{status} {said}");
    }
    let id = world.asked(&repair("1h")).await;
    let own = world.issuer.token_with(json!({ "sub": "alice", "groups": ["finance", "support"] }));
    let path = format!("/approvals/{id}/approval?version=1&reason=mine");
    let (status, said) = world.api(Method::POST, &path, &own, "").await;
    assert!(status == 403 && said["error"].as_str().unwrap().contains("another person"), "{said}");
    // To others it is not there.
    assert_eq!(world.api(Method::GET, &format!("/grants/{id}"), &eve, "").await.0, 404);
    assert_eq!(world.api(Method::GET, "/grants", &eve, "").await.1, json!({ "grants": [] }));
    assert_eq!(world.revoke(&id, &eve).await.0, 404);
    // An agent of hers is another than she is.
    world.approve(&id).await;
    let agent = world.issuer.token_with(json!({ "sub": "alice", "act": { "sub": "robot" } }));
    let (status, said) = world.post(&format!("/grants/{id}/credential"), &agent, &json!({})).await;
    assert_eq!(status, 403, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_or_taken_back_opens_nothing() {
    let world = World::new().await;
    let (alice, bob) = (world.issuer.token("alice"), world.token("bob", "finance"));
    let denied = world.asked(&repair("1h")).await;
    let path = format!("/approvals/{denied}/denial?version=1&reason=not%20now");
    assert_eq!(world.api(Method::POST, &path, &bob, "").await.1["state"], "denied");
    let (status, said) = world.post(&format!("/grants/{denied}/credential"), &alice, &json!({})).await;
    assert!(status == 409 && said["error"].as_str().unwrap().contains("denied by corp|bob: not now"), "{said}");
    let again = world.asked(&repair("1h")).await;
    assert_ne!(again, denied, "after a denial it is asked anew");

    world.approve(&again).await;
    let (status, taken) = world.revoke(&again, &alice).await;
    assert_eq!((status, &taken["state"]), (200, &json!("cancelled")), "{taken}");
    let (status, said) = world.post(&format!("/grants/{again}/credential"), &alice, &json!({})).await;
    assert!(status == 409 || status == 404, "{said}");
    let (_, listed) = world.api(Method::GET, "/grants", &alice, "").await;
    assert_eq!(listed["grants"].as_array().map(Vec::len), Some(0), "{listed}");
    world.gateway.sessions();
    let (_, all) = world.api(Method::GET, "/grants?all=true", &alice, "").await;
    let states: Vec<&Value> = all["grants"].as_array().unwrap().iter().map(|grant| &grant["state"]).collect();
    assert_eq!(states, [&json!("cancelled"), &json!("denied")], "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_modern_era_has_one_session_of_a_grant_too() {
    let world = World::new().await;
    let (_, token) = world.granted(&json!({ "target": "notes", "for": "1h", "reason": "x" })).await;
    let client = Client::new(world.url("/mcp/notes"), token.as_str());
    let echo = r#""name":"echo","arguments":{}"#;
    for _ in 0..3 {
        let answer = send_modern(&client, "tools/call", "echo", echo).await;
        assert_eq!((answer.status, answer.json().get("error")), (StatusCode::OK, None), "{answer:?}");
    }
    // Another client, as it claims, would be another session.
    let other = modern_body("tools/call", echo).replace("\"test\"", "\"other\"");
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "echo")];
    let answer = client.send(Method::POST, &headers, other).await.unwrap();
    assert!(answer.status == StatusCode::FORBIDDEN && answer.text.contains("the one session"), "{answer:?}");
    let own = Client::new(world.url("/mcp/notes"), world.issuer.token("alice"));
    assert_eq!(send_modern(&own, "tools/call", "echo", echo).await.status, StatusCode::FORBIDDEN);
    let seen = world.notes.seen("tools/call");
    assert_eq!((seen.len(), world.notes.cancelled()), (3, 0));
    let has_token = |text: String| text.contains(token.strip_prefix("vidimus_grant_").unwrap());
    for request in seen {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        assert!(!has_token(format!("{:?}", request.headers)) && !has_token(body), "the target gets no credential");
    }
}
