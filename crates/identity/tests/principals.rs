//! What claims become: groups of every shape, users and workloads, actors, scopes.

mod common;

use std::sync::Arc;

use common::{ISSUER, Signer, World, claims};
use serde_json::{Value, json};
use vidimus_core::{Principal, PrincipalKind};
use vidimus_identity::{AuthError, ClaimRule, IssuerConfig};

/// The principal of a token with these claims, for an issuer with this configuration.
async fn principal(change: impl FnOnce(&mut IssuerConfig), changes: Value) -> Result<Arc<Principal>, AuthError> {
    let key = Signer::ecdsa("P-256");
    let world = World::new(&[key.jwk("k")], change);
    Ok(Arc::clone(&world.verify(&key.es256(&claims(changes))).await?.principal))
}

async fn groups(claim: &str, changes: Value) -> Result<Vec<String>, AuthError> {
    Ok(principal(|config| config.groups_claim = Some(claim.into()), changes).await?.groups.clone())
}

#[tokio::test]
async fn groups_come_in_every_shape_providers_use() {
    for (claim, changes, expected) in [
        ("groups", json!({ "groups": ["support", "finance"] }), vec!["corp/finance", "corp/support"]),
        ("groups", json!({ "groups": ["b", "a", "b"] }), vec!["corp/a", "corp/b"]),
        ("groups", json!({ "groups": "support" }), vec!["corp/support"]),
        ("groups", json!({ "groups": "with space" }), vec!["corp/with space"]),
        ("groups", json!({ "groups": [] }), vec![]),
        ("groups", json!({}), vec![]),
        ("realm_access.roles", json!({ "realm_access": { "roles": ["admin"] } }), vec!["corp/admin"]),
        ("realm_access.roles", json!({ "realm_access": {} }), vec![]),
        ("realm_access.roles", json!({ "realm_access": "x" }), vec![]),
        ("https://example.com/groups", json!({ "https://example.com/groups": ["a"] }), vec!["corp/a"]),
        // The whole name comes first: nobody can hide a claim behind a path.
        ("a.b", json!({ "a.b": ["whole"], "a": { "b": ["path"] } }), vec!["corp/whole"]),
        ("groups", json!({ "groups": ["x"], "_claim_names": { "photos": "src1" } }), vec!["corp/x"]),
        ("groups", json!({ "groups": ["x"], "hasgroups": false }), vec!["corp/x"]),
    ] {
        assert_eq!(groups(claim, changes.clone()).await.unwrap(), expected, "{changes}");
    }
    assert!(principal(|_| {}, json!({ "groups": ["x"] })).await.unwrap().groups.is_empty(), "none configured");
}

#[tokio::test]
async fn groups_that_cannot_be_trusted_refuse_the_token() {
    for (claim, changes, expected) in [
        ("groups", json!({ "groups": 7 }), "groups"),
        ("groups", json!({ "groups": true }), "groups"),
        ("groups", json!({ "groups": { "support": true } }), "groups"),
        ("groups", json!({ "groups": ["a", 7] }), "groups"),
        ("groups", json!({ "groups": [["a"]] }), "groups"),
        ("groups", json!({ "groups": [""] }), "groups"),
        ("groups", json!({ "groups": ["a\u{1b}[2J"] }), "groups"),
        ("groups", json!({ "groups": ["x".repeat(257)] }), "groups"),
        ("groups", json!({ "groups": (0..513).map(|n| n.to_string()).collect::<Vec<_>>() }), "groups"),
        ("groups", json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": {} }), "groups_overage"),
        ("groups", json!({ "_claim_names": { "groups": "src1" }, "groups": ["a"] }), "groups_overage"),
        ("groups", json!({ "hasgroups": true }), "groups_overage"),
        ("groups", json!({ "hasgroups": "true" }), "groups_overage"),
        ("realm_access.roles", json!({ "_claim_names": { "realm_access": "src1" } }), "groups_overage"),
    ] {
        assert_eq!(groups(claim, changes.clone()).await.unwrap_err().reason(), expected, "{changes}");
    }
    let null = r#"{"alg":"ES256"}"#;
    let key = Signer::ecdsa("P-256");
    let world = World::new(&[key.jwk("k")], |config| config.groups_claim = Some("groups".into()));
    let text = claims(json!({})).to_string().replacen('{', r#"{"groups":null,"#, 1);
    assert_eq!(world.reason(&key.token(null, &text)).await, "groups");
}

#[tokio::test]
async fn an_overage_says_what_to_do() {
    let error = groups("groups", json!({ "_claim_names": { "groups": "src1" } })).await.unwrap_err();
    assert!(error.to_string().contains("Groups assigned to the application"), "{error}");
    assert!(error.public_message().contains("ask the administrator"));
    // Where no groups are wanted none are missed.
    assert!(principal(|_| {}, json!({ "hasgroups": true })).await.is_ok());
}

#[tokio::test]
async fn directory_ids_get_names_that_nobody_else_can_take() {
    let mapped = |config: &mut IssuerConfig| {
        config.groups_claim = Some("groups".into());
        config.group_names.insert("0b6f-01".into(), "support".into());
        config.group_names.insert("finance".into(), "finance".into());
    };
    let found = principal(mapped, json!({ "groups": ["0b6f-01", "other-id", "finance"] })).await.unwrap();
    assert_eq!(found.groups, ["corp/finance", "corp/other-id", "corp/support"]);
    let error = principal(mapped, json!({ "groups": ["support"] })).await.unwrap_err();
    assert_eq!(error.reason(), "groups", "someone named a group of theirs `support`");
}

#[tokio::test]
async fn a_configured_claim_tells_workloads_from_users() {
    for (claim, equals, changes, expected) in [
        ("azp_type", "service", json!({ "azp_type": "service" }), PrincipalKind::Workload),
        ("azp_type", "service", json!({ "azp_type": "Service" }), PrincipalKind::User),
        ("azp_type", "service", json!({ "azp_type": ["service"] }), PrincipalKind::User),
        ("azp_type", "service", json!({}), PrincipalKind::User),
        ("x.is_service", "true", json!({ "x": { "is_service": true } }), PrincipalKind::Workload),
        ("x.is_service", "true", json!({ "x": { "is_service": false } }), PrincipalKind::User),
    ] {
        let rule = ClaimRule { claim: claim.into(), equals: equals.into() };
        let found = principal(|config| config.workload_when = Some(rule), changes.clone()).await.unwrap();
        assert_eq!(found.kind, expected, "{changes}");
    }
    assert_eq!(principal(|_| {}, json!({ "azp_type": "service" })).await.unwrap().kind, PrincipalKind::User);
}

#[tokio::test]
async fn a_token_of_a_ci_job_is_a_workload() {
    let issuer = "https://token.actions.githubusercontent.com";
    let key = Signer::rsa();
    let world = World::new(&[key.jwk("k")], |config| {
        config.name = "ci".into();
        config.issuer = issuer.into();
        config.jwks_url = Some(common::JWKS.into());
        config.workload_when = Some(ClaimRule { claim: "repository_owner".into(), equals: "acme".into() });
    });
    let job = claims(json!({
        "iss": issuer,
        "sub": "repo:acme/payments:environment:production",
        "repository": "acme/payments",
        "repository_owner": "acme",
        "ref": "refs/heads/main",
        "run_id": "4711",
        "jti": "b3f5",
    }));
    let token = key.token(r#"{"alg":"RS256","kid":"k","typ":"JWT","x5t":"k"}"#, &job.to_string());
    let verified = world.verify(&token).await.unwrap();
    assert_eq!(verified.principal.kind, PrincipalKind::Workload);
    assert_eq!(verified.principal.id(), "ci|repo:acme/payments:environment:production");
}

#[tokio::test]
async fn the_current_actor_comes_first() {
    let act = json!({ "sub": "agent", "act": { "sub": "service", "iss": ISSUER, "act": { "sub": "first" } } });
    let found = principal(|_| {}, json!({ "act": act, "may_act": { "sub": "nobody" } })).await.unwrap();
    let chain: Vec<String> =
        found.actor_chain.iter().map(|actor| format!("{}|{}", actor.issuer, actor.subject)).collect();
    assert_eq!(chain, ["corp|agent", "corp|service", "corp|first"]);
    assert_eq!(found.id(), "corp|alice", "the principal is the subject");

    let nested =
        |depth: usize| (0..depth).fold(json!({ "sub": "last" }), |inner, _| json!({ "sub": "x", "act": inner }));
    assert_eq!(principal(|_| {}, json!({ "act": nested(7) })).await.unwrap().actor_chain.len(), 8);
    for act in [
        nested(8),
        json!("agent"),
        json!({}),
        json!({ "sub": 7 }),
        json!({ "sub": "a\nb" }),
        json!({ "sub": "agent", "iss": "https://elsewhere.example.com" }),
        json!({ "sub": "agent", "act": [] }),
    ] {
        assert_eq!(principal(|_| {}, json!({ "act": act })).await.unwrap_err().reason(), "actor", "{act}");
    }
}

#[tokio::test]
async fn what_is_only_shown_never_refuses_a_token() {
    let found = principal(|_| {}, json!({ "email": "a@example.com", "name": "Alice", "amr": ["pwd", "otp"] })).await;
    let found = found.unwrap();
    assert_eq!(found.display.as_deref(), Some("a@example.com"));
    assert_eq!(found.amr, ["pwd", "otp"]);

    let odd = json!({ "email": "a\u{7}", "preferred_username": 7, "name": "Alice", "amr": "pwd", "azp": "app" });
    let found = principal(|_| {}, odd).await.unwrap();
    assert_eq!(found.display.as_deref(), Some("Alice"));
    assert!(found.amr.is_empty());
    assert_eq!(found.client_id.as_deref(), Some("app"));

    let named = |config: &mut IssuerConfig| config.display_claim = Some("who.nick".into());
    let found = principal(named, json!({ "email": "a@example.com", "who": { "nick": "al" }, "client_id": "c" })).await;
    let found = found.unwrap();
    assert_eq!((found.display.as_deref(), found.client_id.as_deref()), (Some("al"), Some("c")));
}

#[tokio::test]
async fn scopes_are_a_string_or_a_list() {
    let key = Signer::ecdsa("P-256");
    let world = World::new(&[key.jwk("k")], |_| {});
    for (changes, expected) in [
        (json!({ "scope": "read  write" }), vec!["read", "write"]),
        (json!({ "scp": ["read", "write"] }), vec!["read", "write"]),
        (json!({ "scope": 7 }), vec![]),
        (json!({}), vec![]),
    ] {
        assert_eq!(world.verify(&key.es256(&claims(changes))).await.unwrap().scopes.to_vec(), expected);
    }
}
