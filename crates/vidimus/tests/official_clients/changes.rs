//! What the gateway tells an official client when policy changes its lists: each era in its own way, each list by itself.
//!
//! The server says nothing of its own here, and its stream stays silent.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rmcp::model::{ProtocolVersion, ServerNotification, SubscriptionFilter};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, NotificationContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, RoleClient};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::common::issuer::Issuer;
use crate::common::{ALLOW_ALL, Gateway, Setup};

/// How long a change of the policy files may take to be noticed and told.
const LIMIT: Duration = Duration::from_secs(30);

/// More notices than a test waits for.
const NOTICES: usize = 16;

/// Takes one tool away.
const WITHOUT_ERRORS: &str =
    r#"@id("no-errors") forbid (principal, action == Action::"everything/test_error_handling", resource);"#;
/// Takes one prompt away, and no tool.
const WITHOUT_IMAGES: &str = r#"@id("no-images") forbid (principal, action == Action::"prompts/get", resource)
when { context.prompt == "test_prompt_with_image" };"#;

/// Hears of changed lists.
struct Listener(mpsc::Sender<&'static str>);

impl ClientHandler for Listener {
    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        let _ = self.0.send("tools").await;
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        let _ = self.0.send("prompts").await;
    }

    async fn on_resource_list_changed(&self, _: NotificationContext<RoleClient>) {
        let _ = self.0.send("resources").await;
    }
}

struct World {
    gateway: Gateway,
    issuer: Issuer,
}

impl World {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/mcp", listener.local_addr()?);
        tokio::spawn(vidimus_conformance_server::serve(listener));
        let issuer = Issuer::start();
        Ok(Self { gateway: Gateway::start(&Setup::new(url), issuer.url()), issuer })
    }

    async fn client(&self, lifecycle: ClientLifecycleMode) -> Result<(RunningService<RoleClient, Listener>, Heard)> {
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.gateway.url());
        config.auth_header = Some(self.issuer.token("alice"));
        let (sender, heard) = mpsc::channel(NOTICES);
        let transport = StreamableHttpClientTransport::from_config(config);
        Ok((Listener(sender).serve_with_lifecycle(transport, lifecycle).await?, heard))
    }

    fn adopt(&self, further: &str) -> Result<()> {
        Ok(std::fs::write(self.gateway.dir.path().join("policies/test.cedar"), format!("{ALLOW_ALL}{further}"))?)
    }
}

type Heard = mpsc::Receiver<&'static str>;

async fn next(heard: &mut Heard) -> Result<&'static str> {
    tokio::time::timeout(LIMIT, heard.recv()).await?.context("the client has gone")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_a_session_hears_which_list_policy_has_changed() -> Result<()> {
    let world = World::start().await?;
    let (client, mut heard) = world.client(ClientLifecycleMode::Initialize).await?;
    let capabilities = json!(client.peer_info().context("a server")?)["capabilities"].clone();
    for list in ["tools", "prompts", "resources"] {
        assert_eq!(capabilities[list]["listChanged"], true, "{capabilities}");
    }
    let before = client.list_all_tools().await?.len();

    // It has asked for its tools alone, so it is told of nothing else.
    world.adopt(WITHOUT_ERRORS)?;
    assert_eq!(next(&mut heard).await?, "tools");
    assert_eq!(client.list_all_tools().await?.len(), before - 1);
    let prompts = client.list_all_prompts().await?.len();

    world.adopt(&format!("{WITHOUT_ERRORS}{WITHOUT_IMAGES}"))?;
    assert_eq!(next(&mut heard).await?, "prompts", "the tools are the same as before");
    assert_eq!(client.list_all_prompts().await?.len(), prompts - 1);
    world.adopt("")?;
    let mut both = [next(&mut heard).await?, next(&mut heard).await?];
    both.sort_unstable();
    assert_eq!(both, ["prompts", "tools"]);
    client.cancel().await?;

    // What was told is on record, as a part of the stream that it went out on.
    let sessions = world.gateway.sessions();
    let frames = sessions.iter().flat_map(|session| world.gateway.recording(session));
    let told = frames.filter(|frame| frame["body"]["text"].as_str().is_some_and(|text| text.contains("list_changed")));
    assert_eq!(told.count(), 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_of_2026_07_28_hears_of_what_it_asked_for() -> Result<()> {
    let world = World::start().await?;
    let modern = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    let (client, _heard) = world.client(modern).await?;
    let before = client.list_all_tools().await?.len();
    let filter: SubscriptionFilter =
        serde_json::from_value(json!({ "toolsListChanged": true, "resourcesListChanged": true }))?;
    // The server tells of its tools and not of its resources; through the gateway both are told of.
    let mut subscription = client.listen(filter).await?;
    assert_eq!(subscription.acknowledged().resources_list_changed, Some(true));

    world.adopt(&format!("{WITHOUT_ERRORS}{WITHOUT_IMAGES}"))?;
    let notice = tokio::time::timeout(LIMIT, subscription.next()).await??.context("the subscription has ended")?;
    assert!(matches!(notice, ServerNotification::ToolListChangedNotification(_)), "{notice:?}");
    assert_eq!(client.list_all_tools().await?.len(), before - 1);
    subscription.cancel().await?;
    client.cancel().await?;
    Ok(())
}
