//! What becomes of calls when something goes away or changes: the client, the target, the gateway, policies, keys.
//!
//! Every test runs the gateway's program with a target that misbehaves on demand, and reads the log afterwards.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod admin;
mod answers;
mod archive;
mod backup;
mod changes;
mod custody;
mod definitions;
mod endings;
mod evidence;
mod guardrails;
mod integrity;
mod keys;
mod lists;
mod pins;
mod rebuild;
mod secrets;
mod verification;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::issuer::Issuer;
use common::upstream::Upstream;
use common::{Client, Gateway, Received, Setup};
use serde_json::{Value, json};

/// How long anything may take that should happen soon.
const SOON: Duration = Duration::from_secs(20);

struct World {
    issuer: Issuer,
    upstream: Upstream,
    gateway: Gateway,
}

impl World {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Setup<'static>)) -> Self {
        let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
        let mut setup = Setup::new(upstream.url());
        change(&mut setup);
        let gateway = Gateway::start(&setup, issuer.url());
        Self { issuer, upstream, gateway }
    }

    /// A session of Alice's.
    async fn client(&self) -> Arc<Client> {
        Arc::new(Client::open(self.gateway.url(), self.issuer.token("alice")).await)
    }

    /// Starts a call and waits until the target has it.
    async fn in_flight(
        &self,
        client: &Arc<Client>,
        tool: &str,
        arguments: &Value,
    ) -> tokio::task::JoinHandle<Received> {
        let client = Arc::clone(client);
        let body = call(1, tool, arguments);
        let sent = body.clone();
        let task = tokio::spawn(async move { client.receive(body).await });
        soon(|| self.upstream.bodies().iter().any(|seen| **seen == *sent.as_bytes())).await;
        task
    }
}

fn call(id: u64, tool: &str, arguments: &Value) -> String {
    let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": id } });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
}

async fn soon(mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < limit, "it took longer than {SOON:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
