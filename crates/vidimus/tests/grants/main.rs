//! Access for a time, through a real gateway: who gets it, what its credential opens, and that it ends when it must.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod asking;
#[path = "../common/mod.rs"]
mod common;
mod ending;
mod glass;
#[path = "../modern/server.rs"]
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::issuer::Issuer;
use common::upstream::Upstream;
use common::{Answer, Client, Gateway, Received, Setup};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use server::ModernServer;
use tokio::task::JoinHandle;

/// How long anything may take that should happen soon.
const SOON: Duration = Duration::from_secs(20);

pub(crate) const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;

/// Nobody gets to `crm` but by a grant; everybody of support may ask for one. At `ops` calls need approval.
const POLICIES: &str = r#"
@id("connect") permit (principal, action == Action::"connect", resource == Target::"crm")
  when { context has grant && context.grant.name == "repair" };
@id("tools") permit (principal, action in Action::"tools/call", resource == Target::"crm")
  when { context has grant && !context.grant.break_glass };
@id("notes") permit (principal, action in [Action::"connect", Action::"tools/call"], resource == Target::"notes")
  when { context has grant };
@id("ops") permit (principal in Group::"corp/support", action in [Action::"connect", Action::"tools/call"],
  resource == Target::"ops");
@id("held") @approval("finance") forbid (principal, action == Action::"ops/echo", resource);
@id("waits") @approval("finance") forbid (principal, action == Action::"ops/held", resource);
@id("never") @message("Never.") forbid (principal, action == Action::"ops/twin", resource) when { context has address };
@id("later") @message("Not even then.") forbid (principal, action == Action::"ops/mirror", resource)
  when { context has grant && context.grant.break_glass };
@id("ask") permit (principal in Group::"corp/support", action == Action::"grant.request", resource)
  when { context.seconds <= 7200 };
@id("glass") permit (principal in Group::"corp/support", action == Action::"break_glass", resource == Target::"ops");
@id("finance") permit (principal in Group::"corp/finance", action == Action::"approve", resource);
@id("revoke") permit (principal in Group::"corp/security", action == Action::"grant.revoke", resource);
@id("view") permit (principal in Group::"local/owner", action == Action::"recording.view", resource);
@id("log") permit (principal in Group::"local/owner", action == Action::"log.read", resource);
"#;

const RULES: &str = r#"
[approvals.finance]
wait = "1ms"
[grants.repair]
targets = ["crm"]
approval = "finance"
longest = "4h"
[grants.read]
targets = ["notes"]
approval = "finance"
[grants.several]
targets = ["ops"]
approval = "finance"
sessions = 2
[grants.other]
targets = ["ops"]
approval = "finance"
[break_glass]
longest = "1h"
"#;

pub(crate) struct World {
    pub(crate) crm: Upstream,
    pub(crate) ops: Upstream,
    pub(crate) notes: ModernServer,
    pub(crate) issuer: Issuer,
    pub(crate) gateway: Gateway,
}

impl World {
    pub(crate) async fn new() -> Self {
        let (crm, ops, issuer) = (Upstream::start().await, Upstream::start().await, Issuer::start());
        let notes = ModernServer::start().await;
        let target = |name, url| format!("[targets.{name}]\nprotocol = \"mcp\"\nurl = \"{url}\"\n");
        let tables = format!("{}{}{RULES}", target("ops", ops.url()), target("notes", notes.url.clone()));
        let setup = Setup { target: "crm", policies: POLICIES, tables: &tables, ..Setup::new(crm.url()) };
        let gateway = Gateway::start(&setup, issuer.url());
        Self { crm, ops, notes, issuer, gateway }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.gateway.port)
    }

    pub(crate) fn token(&self, who: &str, group: &str) -> String {
        self.issuer.token_with(json!({ "sub": who, "groups": [group] }))
    }

    /// Asks the gateway's HTTP interface: the status, and what it says.
    pub(crate) async fn api(&self, method: Method, path: &str, token: &str, body: &str) -> (u16, Value) {
        let client = Client::new(self.url(&format!("/api/v1{path}")), token);
        let Answer { status, text, .. } = client.send(method, &[], body.to_owned()).await.unwrap();
        (status.as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> (u16, Value) {
        self.api(Method::POST, path, token, &body.to_string()).await
    }

    /// Asks for a grant as alice: its id.
    pub(crate) async fn asked(&self, body: &Value) -> String {
        let (status, said) = self.post("/grants", &self.issuer.token("alice"), body).await;
        assert_eq!((status, &said["state"]), (200, &json!("open")), "{said}");
        said["id"].as_str().unwrap().to_owned()
    }

    /// Approves as bob of finance.
    pub(crate) async fn approve(&self, id: &str) {
        let path = format!("/approvals/{id}/approval?version=1&reason=agreed");
        let (status, said) = self.api(Method::POST, &path, &self.token("bob", "finance"), "").await;
        assert_eq!((status, &said["state"]), (200, &json!("approved")), "{said}");
    }

    /// A grant in force for alice at a target: its id, and the credential.
    pub(crate) async fn granted(&self, body: &Value) -> (String, String) {
        let id = self.asked(body).await;
        self.approve(&id).await;
        let path = format!("/grants/{id}/credential");
        let (status, said) = self.post(&path, &self.issuer.token("alice"), &json!({})).await;
        assert_eq!(status, 200, "{said}");
        (id, said["token"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn revoke(&self, id: &str, token: &str) -> (u16, Value) {
        self.post(&format!("/grants/{id}/revocation"), token, &json!({ "reason": "no longer needed" })).await
    }

    /// The first message of a session at a path, by this token.
    pub(crate) async fn hello(&self, path: &str, token: &str) -> Answer {
        Client::new(self.url(path), token).post(HELLO).await.unwrap()
    }
}

/// What is asked for at `crm`.
pub(crate) fn repair(length: &str) -> Value {
    json!({ "target": "crm", "for": length, "reason": "ticket 4711" })
}

/// What a call came to: whether it failed, and its text.
pub(crate) async fn call(client: &Client, tool: &str) -> (bool, String) {
    let answer = client.call(1, tool, "{}").await.unwrap();
    let result = &answer["result"];
    (result["isError"] == true, result["content"][0]["text"].as_str().unwrap_or_default().to_owned())
}

/// Starts a call of `held`, and waits until the target has it.
pub(crate) async fn held(client: &Arc<Client>, at: &Upstream) -> JoinHandle<Received> {
    let body = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"held","arguments":{}}}"#;
    let client = Arc::clone(client);
    let task = tokio::spawn(async move { client.receive(body).await });
    soon(|| at.bodies().iter().any(|seen| **seen == *body.as_bytes())).await;
    task
}

pub(crate) async fn soon(mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < limit, "it took longer than {SOON:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// That a request was refused as one without a valid token is.
pub(crate) fn assert_challenged(answer: &Answer) {
    let challenge = answer.headers.get("www-authenticate").map(|value| value.to_str().unwrap());
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
    assert!(challenge.is_some_and(|challenge| challenge.contains("error=\"invalid_token\"")), "{challenge:?}");
}
