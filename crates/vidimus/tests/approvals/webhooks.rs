//! Webhooks: who is told of what, how it is signed, and that a receiver that is down delays nobody.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::common::Client;
use super::{HELD, RULES, World, call};

const SECRET: &str = "a secret that receivers know too";

/// One message as it came.
#[derive(Debug, Clone)]
struct Got {
    headers: HeaderMap,
    body: Bytes,
    at: Instant,
}

impl Got {
    fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Its signature as Standard Webhooks 1.0 has it.
    fn is_signed(&self) -> bool {
        let header = |name: &str| self.headers[name].to_str().unwrap();
        let mut signed = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).into_bytes();
        signed.extend(&self.body);
        let encoded = header("webhook-signature").strip_prefix("v1,").unwrap();
        let tag = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), &signed, &tag).is_ok()
    }
}

/// A receiver that answers its first messages with these statuses, and the others with 204.
struct Receiver {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    async fn start(first: &'static [u16]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let known = Arc::clone(&got);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let known = Arc::clone(&known);
                let answer = service_fn(move |request: Request<Incoming>| {
                    let known = Arc::clone(&known);
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let mut known = known.lock().unwrap();
                        let status = first.get(known.len()).copied().unwrap_or(204);
                        known.push(Got { headers: parts.headers, body, at: Instant::now() });
                        let mut response = Response::new(Full::<Bytes>::default());
                        *response.status_mut() = StatusCode::from_u16(status).unwrap();
                        response.headers_mut().insert("location", "/elsewhere".parse().unwrap());
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { port, got }
    }

    /// What came, once it is so many messages.
    async fn messages(&self, count: usize) -> Vec<Got> {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            let got = self.got.lock().unwrap().clone();
            if got.len() >= count {
                return got;
            }
            assert!(Instant::now() < limit, "{} of {count} messages: {got:#?}", got.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn table(name: &str, port: u16, further: &str) -> String {
    format!(
        "[webhooks.{name}]\nurl = \"http://127.0.0.1:{port}/hook\"\nsecret = {{ file = \"hook\" }}\nallow_private = true\n{further}\n"
    )
}

/// Alice may break the glass.
const GLASS: &str =
    r#"@id("glass") permit (principal in Group::"corp/support", action == Action::"break_glass", resource);"#;

async fn world(tables: &str) -> World {
    let tables = format!("{RULES}[break_glass]\nlongest = \"1h\"\n{tables}");
    World::with_files(&tables, &format!("{HELD}{GLASS}"), &|dir| std::fs::write(dir.join("hook"), SECRET).unwrap())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_is_told_signed_and_without_arguments() {
    let (all, security) = (Receiver::start(&[]).await, Receiver::start(&[]).await);
    let tables =
        format!("{}{}", table("all", all.port, ""), table("security", security.port, "rules = [\"security\"]"));
    let world = world(&tables).await;
    let (alice, bob) = (world.alice().await, world.token("bob", "finance"));
    let told = call(&alice, "echo", r#"{"text":"attack at dawn"}"#).await;
    let requested = all.messages(1).await.remove(0);
    assert!(requested.is_signed() && requested.id() == format!("{}-1", told.reference), "{requested:?}");
    let message = requested.json();
    assert_eq!((&message["type"], &message["data"]["gateway"]), (&"approval.requested".into(), &"gw-test".into()));
    let request = &message["data"]["request"];
    assert_eq!((&request["action"], &request["target"]), (&"everything/echo".into(), &"everything".into()));
    assert_eq!((&request["rules"][0]["rule"], &request["version"]), (&"finance".into(), &1.into()));
    let url = format!("http://127.0.0.1:{}/api/v1/approvals/{}", world.gateway.port, told.reference);
    assert_eq!(message["data"]["url"], url);

    assert_eq!(world.approve(&told.reference, 1, &bob).await.0, 200);
    assert!(!call(&alice, "echo", r#"{"text":"attack at dawn"}"#).await.is_error);
    let got = all.messages(3).await;
    let types: std::collections::BTreeSet<String> =
        got.iter().map(|got| format!("{} {}", got.id().rsplit('-').next().unwrap(), got.json()["type"])).collect();
    let types: Vec<_> = types.iter().map(|text| text.replace('"', "")).collect();
    assert_eq!(types, ["1 approval.requested", "2 approval.approved", "3 approval.used"]);
    assert!(got.iter().all(Got::is_signed));
    assert!(got.iter().all(|got| !String::from_utf8_lossy(&got.body).contains("dawn")), "arguments are not told");
    assert!(got.iter().all(|got| !String::from_utf8_lossy(&got.body).contains(SECRET)));

    // `mirror` is held by finance and security.
    call(&alice, "mirror", r#"{"text":"x"}"#).await;
    assert_eq!(security.messages(1).await[0].json()["data"]["request"]["action"], "everything/mirror");
    all.messages(4).await;
    assert_eq!(security.got.lock().unwrap().len(), 1, "the others do not concern it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_down_delays_nobody_and_is_told_when_it_is_back() {
    // One port with nobody, one that takes connections and says nothing, one that refuses at first.
    let nobody = vidimus_testkit::free_port().unwrap();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (flaky, healthy) = (Receiver::start(&[500, 307, 503]).await, Receiver::start(&[]).await);
    let tables = [
        table("a-nobody", nobody, ""),
        table("b-silent", silent.local_addr().unwrap().port(), ""),
        table("c-flaky", flaky.port, ""),
        table("healthy", healthy.port, ""),
    ];
    let world = world(&tables.concat()).await;
    let alice = world.alice().await;
    let begun = Instant::now();
    let told = call(&alice, "echo", r#"{"text":"hello"}"#).await;
    assert!(told.is_error && begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let first = healthy.messages(1).await;
    assert!(first[0].at - begun < Duration::from_secs(5), "{:?}", first[0].at - begun);

    let got = flaky.messages(4).await;
    assert!(got.iter().all(Got::is_signed));
    let ids: std::collections::BTreeSet<&str> = got.iter().map(Got::id).collect();
    assert_eq!(ids.len(), 1, "the same message is sent again under the same id");
    let waits: Vec<Duration> = got.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(waits[0] >= Duration::from_millis(700) && waits[2] > waits[0], "{waits:?}");
    let log = world.gateway.process.log();
    for name in ["a-nobody", "c-flaky"] {
        assert!(log.lines().any(|line| line.contains("does not accept") && line.contains(name)), "{log}");
    }
    let metrics = world.gateway.admin_page("/metrics").unwrap();
    assert!(metrics.contains(r#"vidimus_webhook_messages_total{webhook="healthy",outcome="accepted"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"vidimus_webhook_messages_total{webhook="c-flaky",outcome="refused"} 3"#), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_is_told_again_after_a_restart_under_the_same_id() {
    let receiver = Receiver::start(&[]).await;
    let mut world = world(&table("all", receiver.port, "")).await;
    let told = call(&world.alice().await, "echo", r#"{"text":"hello"}"#).await;
    let first = receiver.messages(1).await.remove(0);
    world.gateway.process.kill().unwrap();
    world.gateway.restart();
    let again = receiver.messages(2).await.remove(1);
    assert_eq!((first.id(), again.id()), (&*format!("{}-1", told.reference), first.id()));
    let request = |got: &Got| got.json()["data"]["request"].clone();
    assert_eq!(
        (&request(&first)["expires"], &request(&first)["rules"]),
        (&request(&again)["expires"], &request(&again)["rules"])
    );
    assert!(again.is_signed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_that_a_secret_is_too_short_or_missing() {
    let world = world(&table("chat", 9, "")).await;
    let hook = world.gateway.dir.path().join("hook");
    let checked = || {
        let checked = world.gateway.run(&["check"]);
        format!("{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr))
    };
    assert!(!checked().contains("webhook"), "{}", checked());
    std::fs::write(&hook, "short").unwrap();
    assert!(checked().contains("webhook chat, and from here the secret is too short"), "{}", checked());
    std::fs::remove_file(&hook).unwrap();
    assert!(checked().contains("webhook chat, and from here cannot read the secret"), "{}", checked());
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_glass_is_told_of_and_its_end_too() {
    let receiver = Receiver::start(&[]).await;
    let mut world = world(&table("all", receiver.port, "")).await;
    let alice = world.issuer.token("alice");
    let url = |path: &str| format!("http://127.0.0.1:{}/api/v1{path}", world.gateway.port);
    let body = json!({ "target": "everything", "for": "15m", "reason": "outage 0815" }).to_string();
    let post = async |url: String, body: String| {
        let headers = [("content-type", "application/json")];
        let answer = Client::new(url, &alice).send(Method::POST, &headers, body).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        serde_json::from_str::<Value>(&answer.text).unwrap()
    };
    let opened = post(url("/break-glass"), body).await;
    let message = receiver.messages(1).await.remove(0);
    assert!(message.is_signed());
    assert_eq!(
        (&message.json()["type"], &message.json()["data"]["request"]["who"]),
        (&json!("break_glass.opened"), &json!("corp|alice"))
    );

    let again = {
        world.gateway.process.kill().unwrap();
        world.gateway.restart();
        receiver.messages(2).await.remove(1)
    };
    assert_eq!(again.id(), message.id(), "it is in force still, so it is told again");
    let path =
        format!("http://127.0.0.1:{}/api/v1/grants/{}/revocation", world.gateway.port, opened["id"].as_str().unwrap());
    post(path, json!({ "reason": "all is well" }).to_string()).await;
    assert_eq!(receiver.messages(3).await[2].json()["type"], "break_glass.closed");
}
