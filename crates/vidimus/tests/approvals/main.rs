//! Calls that wait for people, through a real gateway: what runs, how often, and who may let it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod deciding;
mod running;
mod waiting;
mod webhooks;

use common::issuer::Issuer;
use common::upstream::Upstream;
use common::{ALLOW_ALL, Answer, Client, Gateway, Setup};
use http::Method;
use serde_json::{Value, json};

/// `echo` needs finance, `twin` two of finance, `mirror` finance and security.
const HELD: &str = r#"
@id("held") @approval("finance") @message("Finance agrees first.")
forbid (principal, action in [Action::"everything/echo", Action::"everything/mirror"], resource);
@id("both") @approval("security") forbid (principal, action == Action::"everything/mirror", resource);
@id("two") @approval("board") forbid (principal, action == Action::"everything/twin", resource);
@id("finance") permit (principal in Group::"corp/finance", action == Action::"approve", resource)
  when { resource in [ApprovalRule::"finance", ApprovalRule::"board"] };
@id("security") permit (principal in Group::"corp/security", action == Action::"approve",
  resource == ApprovalRule::"security");
"#;

const RULES: &str = r#"
[approvals.finance]
wait = "1ms"
[approvals.security]
wait = "1ms"
justification = "required"
[approvals.board]
wait = "1ms"
approvers = 2
"#;

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) issuer: Issuer,
    pub(crate) upstream: Upstream,
}

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) is_error: bool,
    pub(crate) text: String,
    /// What stands in `_meta`.
    pub(crate) reference: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(RULES, HELD).await
    }

    pub(crate) async fn with(rules: &str, held: &str) -> Self {
        Self::with_files(rules, held, &|_| {}).await
    }

    pub(crate) async fn with_files(rules: &str, held: &str, files: &dyn Fn(&std::path::Path)) -> Self {
        let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
        let policies = format!("{ALLOW_ALL}{held}");
        let setup = Setup { policies: &policies, tables: rules, files, ..Setup::new(upstream.url()) };
        let gateway = Gateway::start(&setup, issuer.url());
        Self { gateway, issuer, upstream }
    }

    pub(crate) async fn alice(&self) -> Client {
        Client::open(self.gateway.url(), self.issuer.token("alice")).await
    }

    pub(crate) fn token(&self, who: &str, group: &str) -> String {
        self.issuer.token_with(json!({ "sub": who, "groups": [group] }))
    }

    /// Asks the gateway's HTTP interface: the status, and what it says.
    pub(crate) async fn api(&self, method: Method, path: &str, token: &str) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/api/v1/approvals{path}", self.gateway.port);
        let Answer { status, text, .. } = Client::new(url, token).send(method, &[], "").await.unwrap();
        (status.as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Approves a request as it is at this version.
    pub(crate) async fn approve(&self, id: &str, version: u64, token: &str) -> (u16, Value) {
        self.api(Method::POST, &format!("/{id}/approval?version={version}&reason=agreed"), token).await
    }

    /// How many calls of tools have reached the server.
    pub(crate) fn reached(&self) -> usize {
        let is_call = |body: &&bytes::Bytes| String::from_utf8_lossy(body).contains("tools/call");
        self.upstream.bodies().iter().filter(is_call).count()
    }
}

pub(crate) async fn call(client: &Client, tool: &str, arguments: &str) -> Told {
    static ID: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let id = ID.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let answer = client.call(id, tool, arguments).await.unwrap();
    let result = &answer["result"];
    Told {
        is_error: result["isError"] == true,
        text: result["content"][0]["text"].as_str().unwrap_or_default().to_owned(),
        reference: result["_meta"]["vidimus/reference"].as_str().unwrap_or_default().to_owned(),
    }
}
