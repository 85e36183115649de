//! TLS from the configuration on: clients over HTTP/2, a certificate renewed while the gateway runs, a target behind an
//! authority of its own, and the client's address as proxies tell it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::issuer::Issuer;
use common::upstream::Upstream;
use common::{Client, Gateway, Setup};
use http::{HeaderMap, Method, StatusCode, Version};
use http_body_util::BodyExt as _;
use rustix::process::{Pid, Signal, kill_process};
use vidimus_net::{HttpTarget, Repeat, TargetOptions, TargetTls};
use vidimus_testkit::certificates::{Authority, Issued, VALID};

const LIMIT: Duration = Duration::from_secs(30);

const TLS: &str = "[gateway.tls]\ncertificate = \"chain.pem\"\nkey = \"key.pem\"\n";

fn issued(authority: &Authority) -> Issued {
    authority.issue("gateway", &["127.0.0.1", "localhost"], VALID).unwrap()
}

fn put(dir: &Path, issued: &Issued) {
    std::fs::write(dir.join("chain.pem"), &issued.certificate).unwrap();
    std::fs::write(dir.join("key.pem"), &issued.key).unwrap();
    std::fs::set_permissions(dir.join("key.pem"), std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A client that believes one authority. It keeps no connection between two requests for longer than the test waits.
fn client(gateway: &Gateway, authority: &Authority) -> HttpTarget {
    let ca = gateway.dir.path().join("authority.pem");
    std::fs::write(&ca, authority.certificate()).unwrap();
    let url = format!("https://127.0.0.1:{}/mcp/everything", gateway.port);
    let tls = TargetTls { ca: Some(ca), ..TargetTls::default() };
    let headers = HeaderMap::new();
    let options = TargetOptions { headers, connect_timeout: LIMIT, response_timeout: LIMIT, requests: 10, tls };
    HttpTarget::with(url.parse().unwrap(), options).unwrap()
}

async fn posted(
    client: &HttpTarget,
    token: &str,
    session: Option<&str>,
    body: &str,
) -> anyhow::Result<(http::response::Parts, String)> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse()?);
    headers.insert("content-type", "application/json".parse()?);
    headers.insert("accept", "application/json, text/event-stream".parse()?);
    if let Some(session) = session {
        headers.insert("mcp-session-id", session.parse()?);
    }
    let answer = client.send(Method::POST, headers, Bytes::from(body.to_owned()), Repeat::Never).await?;
    let (head, body) = answer.into_parts();
    Ok((head, String::from_utf8(body.collect().await?.to_bytes().to_vec())?))
}

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_served_over_http2_and_a_renewed_certificate_needs_no_restart() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
    let (first, second) = (Authority::new("first").unwrap(), Authority::new("second").unwrap());
    let before = |dir: &Path| put(dir, &issued(&first));
    let setup = Setup { tables: TLS, files: &before, ..Setup::new(upstream.url()) };
    let gateway = Gateway::start(&setup, issuer.url());
    let token = issuer.token("alice");
    let alice = client(&gateway, &first);
    let (head, _) = posted(&alice, &token, None, HELLO).await.unwrap();
    assert_eq!((head.status, head.version), (StatusCode::OK, Version::HTTP_2));
    let session = head.headers["mcp-session-id"].to_str().unwrap().to_owned();
    let call =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"over TLS"}}}"#;
    let (head, body) = posted(&alice, &token, Some(&session), call).await.unwrap();
    assert!(head.status == StatusCode::OK && body.contains("over TLS"), "{body}");
    // Whoever speaks no TLS gets nothing.
    let plain = Client::new(gateway.url(), &token).post(HELLO).await;
    assert!(plain.is_err(), "{plain:?}");

    // In the middle of a renewal: the certificate is new, and its key is not there yet.
    let renewed = issued(&second);
    std::fs::write(gateway.dir.path().join("chain.pem"), &renewed.certificate).unwrap();
    until(|| gateway.process.log().contains("the old one stays in force")).await;
    assert!(gateway.process.log().contains("chain.pem"), "{}", gateway.process.log());
    posted(&client(&gateway, &first), &token, Some(&session), call).await.unwrap();
    put(gateway.dir.path(), &renewed);
    let own = Pid::from_raw(i32::try_from(gateway.process.id()).unwrap()).unwrap();
    kill_process(own, Signal::HUP).unwrap();
    until(|| gateway.process.log().contains("The new certificate is in force")).await;
    posted(&client(&gateway, &second), &token, Some(&session), call).await.unwrap();
    let refused = posted(&client(&gateway, &first), &token, Some(&session), call).await.unwrap_err();
    assert!(refused.to_string().contains("no TLS with"), "{refused}");
}

async fn until(holds: impl Fn() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < limit);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_address_is_what_trusted_proxies_say() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
    let setup = Setup { gateway_lines: "trusted_proxies = [\"127.0.0.0/30\"]", ..Setup::new(upstream.url()) };
    let gateway = Gateway::start(&setup, issuer.url());
    let from = |proxy: &str, said: &'static str| {
        let (url, proxy) = (gateway.url(), proxy.parse().unwrap());
        async move {
            let headers = [("x-forwarded-for", said), ("forwarded", "for=9.9.9.9")];
            Client::from_address(url, "no token", proxy).send(Method::POST, &headers, HELLO).await.unwrap()
        }
    };
    assert_eq!(from("127.0.0.1", "1.1.1.1, 203.0.113.9, 127.0.0.2").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(from("127.0.0.9", "1.1.1.1").await.status, StatusCode::UNAUTHORIZED);
    let events = gateway.events();
    let addresses: Vec<_> = common::evidence::of_type(&events, "auth.failed")
        .iter()
        .map(|event| event["address"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(addresses, ["203.0.113.9", "127.0.0.9"]);
}
