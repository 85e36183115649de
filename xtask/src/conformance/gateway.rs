//! A gateway in a directory of its own, with an OpenID provider beside it and, because the suite cannot be told a
//! token, a forwarder before it that adds one.
//!
//! The forwarder's address is the gateway's public one, so that `Host` and `Origin` mean to the gateway what the suite
//! means by them.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use vidimus_testkit::{Forwarder, OidcProvider, Process, TempDir, free_port, http_client};

use crate::workspace::Workspace;

/// What starting may take.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How often the gateway is asked whether it is ready.
const POLL: Duration = Duration::from_millis(50);
const AUDIENCE: &str = "vidimus";
/// Encrypts a directory that lives for a minute, and nothing else.
const THROWAWAY_KEY: &str = "76696469 6d757320 636f6e66 6f726d61 6e636520 73756974 65206f6e 6c792121";
const KEY_VARIABLE: &str = "VIDIMUS_CONFORMANCE_KEY";

/// Whoever is in the group may do everything.
const POLICIES: &str = r#"
@id("everything") permit (principal in Group::"corp/support", action, resource == Target::"server");
"#;

/// A running gateway. Dropping it kills it, and what belongs to it.
pub(super) struct Gateway {
    process: Process,
    forwarder: Forwarder,
    _provider: OidcProvider,
    _dir: TempDir,
}

impl Gateway {
    /// Starts a gateway before the server at `upstream` and waits until it is ready.
    pub(super) async fn start(workspace: &Workspace, upstream: &str) -> Result<Self> {
        let provider = OidcProvider::start().await?;
        let token = provider.token_for("alice", AUDIENCE).await?;
        let (port, admin) = (free_port()?, free_port()?);
        let forwarder = Forwarder::start(port, &token).await?;
        let dir = vidimus_testkit::tempdir()?;
        std::fs::create_dir(dir.path().join("policies"))?;
        std::fs::write(dir.path().join("policies/everything.cedar"), POLICIES)?;
        let configuration = format!(
            r#"
[gateway]
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{admin}"
public_url = "http://127.0.0.1:{public}"
data_dir = "data"
key = {{ env = "{KEY_VARIABLE}" }}

[identity.oidc.corp]
issuer = "{issuer}"
audience = "{AUDIENCE}"
allow_private = true

[policy]
dir = "policies"

[targets.server]
protocol = "mcp"
url = "{upstream}"
"#,
            public = forwarder.port(),
            issuer = provider.issuer(),
        );
        std::fs::write(dir.path().join("vidimus.toml"), configuration)?;
        let mut command = Command::new(workspace.target.join("debug/vidimus"));
        command.args(["serve", "--config", "vidimus.toml"]).current_dir(dir.path());
        command.env(KEY_VARIABLE, THROWAWAY_KEY.replace(' ', "")).env("RUST_LOG", "info").env("NO_COLOR", "1");
        let process = Process::start("vidimus serve", &mut command)?;
        let gateway = Self { process, forwarder, _provider: provider, _dir: dir };
        gateway.wait_until_ready(admin).await?;
        Ok(gateway)
    }

    /// The endpoint for clients without a token.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp/server", self.forwarder.port())
    }

    /// What it has printed.
    pub(super) fn log(&self) -> String {
        self.process.log()
    }

    async fn wait_until_ready(&self, admin: u16) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let page = format!("http://127.0.0.1:{admin}/readyz");
        while !http_client::get(&page).await.is_ok_and(|(status, _)| status == 200) {
            if Instant::now() > deadline {
                bail!("the gateway was not ready within {START_LIMIT:?}; it said:\n{}", self.log());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}
