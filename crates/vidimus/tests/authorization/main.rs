//! Authorization as clients meet it: metadata, challenges, audiences, scopes (RFC 9728, RFC 6750, RFC 8707).
//!
//! A real gateway, npm's certified provider, and the official clients' own OAuth flows.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod bridge;
#[path = "../common/mod.rs"]
mod common;
mod discovery;
mod signing_in;

use anyhow::Result;
use common::{ALLOW_ALL, AUDIENCE, Client, Gateway, Setup};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use vidimus_testkit::{EverythingServer, OidcProvider};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;

/// A provider, a server, and a gateway whose targets are that server.
struct World {
    provider: OidcProvider,
    gateway: Gateway,
    _everything: EverythingServer,
}

impl World {
    /// `everything` asks for no scope of its own, `books` for `write`.
    async fn start() -> Result<Self> {
        let provider = OidcProvider::start().await?;
        let everything = tokio::task::spawn_blocking(EverythingServer::start).await??;
        let books = format!(
            "[targets.books]\nprotocol = \"mcp\"\nurl = \"{}\"\nscopes = [\"use\", \"write\"]\n",
            everything.url()
        );
        let setup = Setup {
            policies: ALLOW_ALL,
            gateway_lines: "scopes = [\"use\"]",
            tables: &books,
            ..Setup::new(everything.url())
        };
        let gateway = Gateway::start(&setup, provider.issuer());
        Ok(Self { provider, gateway, _everything: everything })
    }

    fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway.port)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// Status and challenge that `initialize` gets at `path`.
    async fn initialize(&self, path: &str, token: &str) -> Result<(StatusCode, Option<String>)> {
        let answer = Client::new(self.url(path), token).post(INITIALIZE).await?;
        let challenge = answer.headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        Ok((answer.status, challenge))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_token_learns_where_to_get_one_and_nothing_else() -> Result<()> {
    let world = World::start().await?;
    let metadata = |name: &str| world.url(&format!("/.well-known/oauth-protected-resource{name}"));

    for name in ["/mcp/everything", "/mcp/books", "/mcp/no-such-target"] {
        let (status, challenge) = world.initialize(name, "").await?;
        let expected = format!(r#"Bearer error="invalid_token", scope="use", resource_metadata="{}""#, metadata(name));
        assert_eq!((status, challenge.as_deref()), (StatusCode::UNAUTHORIZED, Some(&*expected)));

        let (status, document) = vidimus_testkit::http_client::get(&metadata(name)).await?;
        let document: Value = serde_json::from_slice(&document)?;
        let expected = json!({
            "resource": world.url(name),
            "authorization_servers": [world.provider.issuer()],
            "scopes_supported": ["use"],
            "bearer_methods_supported": ["header"],
        });
        assert_eq!((status, document), (200, expected));
    }

    // Pages read it from anywhere; a page that sends a header of its own asks before.
    let page = [("origin", "https://app.example.com"), ("access-control-request-method", "GET")];
    let client = Client::new(metadata("/mcp/everything"), "");
    for (method, status) in [
        (Method::GET, StatusCode::OK),
        (Method::OPTIONS, StatusCode::NO_CONTENT),
        (Method::POST, StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let answer = client.send(method, &page, "").await?;
        assert_eq!((answer.status, &answer.headers["access-control-allow-origin"]), (status, &"*".parse()?));
    }
    let elsewhere = client.send(Method::GET, &[("host", "evil.example")], "").await?;
    assert_eq!(elsewhere.status, StatusCode::FORBIDDEN);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_where_its_audience_says() -> Result<()> {
    let world = World::start().await?;
    let (everything, all) = (world.url("/mcp/everything"), world.url("/mcp"));
    let elsewhere = world.url("/mcp/no-such-target");
    for (audience, status) in [
        (AUDIENCE, StatusCode::OK),
        (&*everything, StatusCode::OK),
        (&*all, StatusCode::OK),
        (&*elsewhere, StatusCode::UNAUTHORIZED),
        (&*world.origin(), StatusCode::UNAUTHORIZED),
        ("https://mcp.example.com/mcp/everything", StatusCode::UNAUTHORIZED),
    ] {
        let token = world.provider.token_for("alice", audience).await?;
        // Twice: the second time it is remembered.
        for _ in 0..2 {
            assert_eq!(world.initialize("/mcp/everything", &token).await?.0, status, "{audience}");
        }
    }
    // Accepted at one endpoint and remembered, it is refused at the other all the same.
    let token = world.provider.token_for("alice", &everything).await?;
    assert_eq!(world.initialize("/mcp/everything", &token).await?.0, StatusCode::OK);
    assert_eq!(world.initialize("/mcp/books", &token).await?.0, StatusCode::UNAUTHORIZED);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_a_scope_of_the_target_is_told_all_that_the_next_one_needs() -> Result<()> {
    let world = World::start().await?;
    let token = world.provider.token_for("alice", AUDIENCE).await?;
    let (status, challenge) = world.initialize("/mcp/books", &token).await?;
    let metadata = world.url("/.well-known/oauth-protected-resource/mcp/books");
    let expected = format!(r#"Bearer error="insufficient_scope", scope="use write", resource_metadata="{metadata}""#);
    assert_eq!((status, challenge.as_deref()), (StatusCode::FORBIDDEN, Some(&*expected)));

    world.gateway.events_once(|event| event.to_string().contains("insufficient_scope"));
    Ok(())
}
