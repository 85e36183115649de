//! What the gateway shows servers: tokens by client credentials and token exchange, from npm's certified provider, at a
//! server that checks them; and what happens when an authorization server misbehaves.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use common::evidence::of_type;
use common::issuer::Issuer;
use common::upstream::{Seen, Upstream};
use common::{AUDIENCE, Client, Gateway, Setup};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use vidimus_testkit::OidcProvider;

/// What the tokens at the provider are for.
const CRM: &str = "https://crm.example.com/mcp";
const SECRET: &str = "client-secret-0b1d5e77";

/// The policies of these tests: bob too may do everything.
const POLICIES: &str = r#"
@id("all") permit (principal, action, resource);
"#;

/// What a JWT says.
fn claims(shown: &str) -> Option<Value> {
    let payload = shown.strip_prefix("Bearer ")?.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// A server that takes tokens for itself alone.
fn is_for_crm(shown: &str) -> bool {
    claims(shown).is_some_and(|claims| claims["aud"] == CRM)
}

/// The values of `Authorization` with which tools were called.
fn shown(seen: &[Seen]) -> BTreeSet<String> {
    let is_call = |seen: &&Seen| String::from_utf8_lossy(&seen.body).contains("\"tools/call\"");
    let calls = seen.iter().filter(is_call);
    calls.map(|seen| seen.headers["authorization"].to_str().unwrap().to_owned()).collect()
}

fn credential_events(events: &[Value]) -> Vec<(String, String, String)> {
    let named = |event: &Value| event["type"].as_str().unwrap().starts_with("credential.");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = events.iter().filter(|event| named(event));
    found.map(|event| (text(&event["type"]), text(&event["who"]), text(&event["credential"]["kind"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_token_is_asked_for_once_and_is_all_that_the_server_sees() -> Result<()> {
    let provider = OidcProvider::start().await?;
    let upstream = Upstream::start().await;
    upstream.change(|quirks| quirks.admits = Some(is_for_crm));
    let oauth = format!(
        "[targets.everything.oauth]\nissuer = \"{}\"\nclient_id = \"gateway\"\nclient_secret = {{ file = \"oauth\" }}\n\
         scopes = [\"use\"]\nresource = \"{CRM}\"\nallow_private = true\n",
        provider.issuer()
    );
    let files = |dir: &std::path::Path| std::fs::write(dir.join("oauth"), "gateway-secret\n").unwrap();
    let setup = Setup { policies: POLICIES, tables: &oauth, files: &files, log: "trace", ..Setup::new(upstream.url()) };
    let mut gateway = Gateway::start(&setup, provider.issuer());
    let callers = provider.token_for("alice", AUDIENCE).await?;
    let before = provider.served("/token").await?;
    let mut sessions = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (url, token) = (gateway.url(), callers.clone());
        sessions.spawn(async move {
            let client = Client::open(url, token).await;
            client.call(10, "echo", r#"{"text":"hello"}"#).await.unwrap()
        });
    }
    for answer in sessions.join_all().await {
        assert!(answer["result"].is_object(), "{answer}");
    }
    // Before or after this count began, by whoever came first; the gateway reads definitions with the same one.
    assert!(provider.served("/token").await? <= before + 1);
    let of_callers = shown(&upstream.seen());
    assert_eq!(of_callers.len(), 1, "{of_callers:?}");
    assert!(upstream.seen().iter().any(|seen| seen.own));
    assert!(upstream.seen().iter().all(|seen| of_callers.contains(seen.headers["authorization"].to_str().unwrap())));
    let token = of_callers.first().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    assert_eq!(claims(of_callers.first().unwrap()).unwrap()["client_id"], "gateway");
    assert!(upstream.seen().iter().all(|seen| !format!("{:?}", seen.headers).contains(&callers)));

    let events = gateway.events();
    let own = "vidimus|gw-test";
    let expected = ["credential.requested", "credential.issued"]
        .map(|kind| (kind.to_owned(), own.to_owned(), "client-credentials".to_owned()));
    assert_eq!(credential_events(&events), expected);
    let issued = of_type(&events, "credential.issued")[0];
    assert_eq!((&issued["target"], &issued["credential"]["audience"]), (&json!("everything"), &json!(CRM)));
    assert!(issued["credential"]["token"].as_str().unwrap().starts_with("hmac-sha256:"), "{issued}");
    assert_eq!(of_type(&events, "session.opened")[0]["credential"]["kind"], "client-credentials");

    // Neither the token nor the secret stands in any event, recording, file or line of the log.
    let recorded = gateway.sessions().iter().map(|id| json!(gateway.recording(id)).to_string()).collect::<String>();
    let events = json!(events).to_string();
    gateway.process.terminate(Duration::from_secs(20))?;
    let log = gateway.process.log();
    let signature = token.rsplit('.').next().unwrap();
    for secret in [&token, signature, "gateway-secret", &callers] {
        for (place, text) in [("recordings", &recorded), ("events", &events), ("log", &log)] {
            assert!(!text.contains(secret), "a secret is in the {place}");
        }
        assert!(!is_below(&gateway.data(), secret), "a secret is in data_dir");
    }
    assert!(log.contains("TRACE"));
    Ok(())
}

fn is_below(dir: &std::path::Path, secret: &str) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_below(&path, secret);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        // A journal is made of 64 MiB of zeros ahead of time.
        let written: Vec<u8> =
            bytes.chunks(4096).filter(|block| block.iter().any(|byte| *byte != 0)).flatten().copied().collect();
        written.windows(secret.len()).any(|window| window == secret.as_bytes())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_gets_a_token_of_its_own_in_exchange() -> Result<()> {
    let provider = OidcProvider::start().await?;
    let upstream = Upstream::start().await;
    upstream.change(|quirks| quirks.admits = Some(|shown| claims(shown).is_some_and(|claims| claims["aud"] == "crm")));
    let oauth = format!(
        "headers = {{ Authorization = {{ file = \"own\" }} }}\n[targets.everything.oauth]\ngrant = \"token-exchange\"\n\
         issuer = \"{}\"\nclient_id = \"gateway\"\nclient_secret = {{ file = \"oauth\" }}\naudience = \"crm\"\n\
         actor_token = true\nallow_private = true\n",
        provider.issuer()
    );
    // For definitions: what the operator gives the gateway itself.
    let own = format!("Bearer x.{}.x", URL_SAFE_NO_PAD.encode(r#"{"aud":"crm","sub":"definitions"}"#));
    let files = |dir: &std::path::Path| {
        std::fs::write(dir.join("oauth"), "gateway-secret").unwrap();
        std::fs::write(dir.join("own"), &own).unwrap();
    };
    let setup = Setup { policies: POLICIES, tables: &oauth, files: &files, ..Setup::new(upstream.url()) };
    let gateway = Gateway::start(&setup, provider.issuer());
    let mut tokens = Vec::new();
    for who in ["alice", "bob"] {
        let token = provider.token_for(who, AUDIENCE).await?;
        let before = upstream.seen().len();
        let client = Client::open(gateway.url(), token.clone()).await;
        let answer = client.call(10, "echo", "{}").await?;
        assert!(answer["result"].is_object(), "{answer}");
        // A second session with the same token needs no second exchange.
        let second = Client::open(gateway.url(), token.clone()).await;
        assert!(second.call(11, "echo", "{}").await?["result"].is_object());
        let shown = shown(&upstream.seen().split_off(before));
        assert_eq!(shown.len(), 1, "{shown:?}");
        let claims = claims(shown.first().unwrap()).unwrap();
        assert_eq!((&claims["sub"], &claims["act"]["sub"]), (&json!(who), &json!("gateway")));
        tokens.push(token);
    }
    let of_the_gateway = upstream.seen().into_iter().filter(|seen| seen.own);
    assert!(of_the_gateway.map(|seen| seen.headers["authorization"].clone()).all(|shown| shown == own.as_str()));
    for token in &tokens {
        assert!(upstream.seen().iter().all(|seen| !format!("{:?}", seen.headers).contains(token)));
    }
    let events = gateway.events();
    let exchanges: Vec<_> =
        credential_events(&events).into_iter().filter(|event| event.2 == "token-exchange").collect();
    let expected = [
        ("credential.requested", "alice"),
        ("credential.issued", "alice"),
        ("credential.requested", "bob"),
        ("credential.issued", "bob"),
    ]
    .map(|(kind, who)| (kind.to_owned(), format!("corp|{who}"), "token-exchange".to_owned()));
    assert_eq!(exchanges, expected);
    let own =
        of_type(&events, "credential.issued").into_iter().filter(|event| event["who"] == "vidimus|gw-test").count();
    assert_eq!(own, 1, "the actor's token is asked for once");
    Ok(())
}

/// What the scripted authorization server answers.
#[derive(Clone)]
enum Act {
    /// A new token each time, `token-1`, `token-2`, …, with these further members.
    Issue(&'static str),
    Say(u16, &'static [(&'static str, &'static str)], String),
    Hang,
}

/// An authorization server that does what it is told, by the path it is asked at, and remembers the forms.
struct Script {
    port: u16,
    acts: Vec<(&'static str, Act)>,
    asked: Mutex<Vec<(String, String)>>,
}

impl Script {
    async fn start(acts: Vec<(&'static str, Act)>) -> Arc<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Self { port, acts, asked: Mutex::default() });
        let serving = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&serving);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let script = Arc::clone(&script);
                        async move { Ok::<_, Infallible>(script.answer(request).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        script
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let name = request.uri().path().trim_start_matches('/').to_owned();
        let form = request.into_body().collect().await.unwrap().to_bytes();
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((name.clone(), String::from_utf8(form.to_vec()).unwrap()));
            asked.iter().filter(|(other, _)| *other == name).count()
        };
        let act = self.acts.iter().find(|(own, _)| *own == name).map(|(_, act)| act.clone());
        let (status, headers, body) = match act {
            None => (404, [].as_slice(), String::new()),
            Some(Act::Issue(more)) => {
                let body = format!(r#"{{"access_token":"{name}-{number}","token_type":"Bearer"{more}}}"#);
                (200, [].as_slice(), body)
            }
            Some(Act::Say(status, headers, body)) => (status, headers, body),
            Some(Act::Hang) => return std::future::pending().await,
        };
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(Full::from(body)).unwrap()
    }

    fn count(&self, name: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|(asked, _)| asked == name).count()
    }

    /// A target for each of the acts, at this server.
    fn targets(&self, url: &str, more: &str) -> String {
        let target = |(name, _): &(&str, Act)| {
            format!(
                "[targets.{name}]\nprotocol = \"mcp\"\nurl = \"{url}\"\n[targets.{name}.oauth]\n\
                 token_endpoint = \"http://127.0.0.1:{}/{name}\"\nclient_id = \"gateway\"\n\
                 client_secret = {{ file = \"oauth\" }}\nallow_private = true\n{more}\n",
                self.port
            )
        };
        self.acts.iter().map(target).collect()
    }
}

fn gateway(tables: &str, issuer: &Issuer) -> Gateway {
    let files = |dir: &std::path::Path| std::fs::write(dir.join("oauth"), SECRET).unwrap();
    // A target that nobody asks: each of the others is in `tables`.
    let setup = Setup { policies: POLICIES, tables, files: &files, ..Setup::new("http://127.0.0.1:9/mcp") };
    Gateway::start(&setup, issuer.url())
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;

const LATER: &str = "the gateway gets no credential for the target at present; try again later";
const OPERATOR: &str = "the gateway gets no credential for the target; tell the operator of this gateway";

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_sent_and_the_caller_is_told_so() {
    let say = |status, body: &str| Act::Say(status, &[], body.to_owned());
    let faults = vec![
        ("broken", say(500, "oops"), LATER, "upstream"),
        ("busy", say(429, r#"{"error":"slow_down"}"#), LATER, "upstream"),
        ("moved", Act::Say(302, &[("location", "/good")], String::new()), LATER, "upstream"),
        ("kept", Act::Say(307, &[("location", "/good")], String::new()), LATER, "upstream"),
        ("large", Act::Say(200, &[], "x".repeat(2 << 20)), LATER, "upstream"),
        ("html", say(200, "<html>Sign in</html>"), OPERATOR, "upstream"),
        ("dpop", say(200, r#"{"access_token":"a","token_type":"DPoP"}"#), OPERATOR, "upstream"),
        ("stale", say(200, r#"{"access_token":"a","token_type":"Bearer","expires_in":0}"#), OPERATOR, "upstream"),
        ("split", say(200, r#"{"access_token":"a\r\nx: y","token_type":"Bearer"}"#), OPERATOR, "upstream"),
        ("twice", say(200, r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#), OPERATOR, "upstream"),
        (
            "refused",
            say(401, &format!(r#"{{"error":"invalid_client","error_description":"not {SECRET}"}}"#)),
            OPERATOR,
            "upstream",
        ),
        ("hangs", Act::Hang, LATER, "timeout"),
    ];
    let (upstream, issuer) = (Upstream::start().await, Issuer::start());
    let mut acts: Vec<_> = faults.iter().map(|(name, act, ..)| (*name, act.clone())).collect();
    acts.push(("good", Act::Issue("")));
    let script = Script::start(acts).await;
    let gateway = gateway(&script.targets(&upstream.url(), ""), &issuer);
    let (origin, token) = (format!("http://127.0.0.1:{}/mcp", gateway.port), issuer.token("alice"));
    let mut wrong = Vec::new();
    for (name, _, told, _) in &faults {
        let client = Client::new(format!("{origin}/{name}"), token.clone());
        let answer = client.post(INITIALIZE).await.unwrap();
        if answer.json()["error"]["message"] != *told {
            wrong.push(format!("{name}: {answer:?}"));
        }
        // Again and again: it is left alone.
        for _ in 0..10 {
            client.post(INITIALIZE).await.unwrap();
        }
        if script.count(name) > 5 {
            wrong.push(format!("{name}: asked {} times", script.count(name)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let sent = upstream.seen();
    assert!(
        sent.iter().all(|seen| seen.headers["authorization"].to_str().unwrap().starts_with("Bearer good-")),
        "{sent:?}"
    );
    assert_eq!(script.count("good"), script.count("good").min(1), "a redirect was followed");
    let events = gateway.events();
    for (name, _, _, status) in &faults {
        let of_target: Vec<_> =
            events.iter().filter(|event| event["target"] == *name && event["who"] == "corp|alice").cloned().collect();
        let found = of_type(&of_target, "operation.outcome").first().map(|event| event["outcome"]["status"].clone());
        assert_eq!(found, Some(json!(status)), "{name}");
        assert!(events.iter().any(|event| event["type"] == "credential.failed" && event["target"] == *name), "{name}");
    }
    assert!(!gateway.process.log().contains(SECRET) && !json!(events).to_string().contains(SECRET));
    // The others work.
    let client = Client::open(format!("{origin}/good"), token).await;
    assert!(client.call(10, "echo", "{}").await.unwrap()["result"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_server_refuses_is_renewed_once_and_the_call_done_once() {
    let (upstream, issuer) = (Upstream::start().await, Issuer::start());
    let script = Script::start(vec![("crm", Act::Issue(""))]).await;
    let gateway = gateway(&script.targets(&upstream.url(), ""), &issuer);
    let client = Client::open(format!("http://127.0.0.1:{}/mcp/crm", gateway.port), issuer.token("alice")).await;
    assert!(client.call(10, "echo", "{}").await.unwrap()["result"].is_object());
    assert_eq!(shown(&upstream.seen()), BTreeSet::from(["Bearer crm-1".to_owned()]));

    upstream.change(|quirks| quirks.revoked.push("Bearer crm-1".to_owned()));
    let mut calls = tokio::task::JoinSet::new();
    let client = Arc::new(client);
    for id in 20..40 {
        let client = Arc::clone(&client);
        calls.spawn(async move { client.call(id, "echo", "{}").await.unwrap() });
    }
    for answer in calls.join_all().await {
        assert!(answer["result"].is_object(), "{answer}");
    }
    assert_eq!(script.count("crm"), 2, "one new token for all of them");

    // A server that takes no token at all gets each call twice at most, and no flood of tokens is asked for.
    upstream.change(|quirks| quirks.admits = Some(|_| false));
    let before = upstream.seen().len();
    for id in 50..60 {
        let answer = client.call(id, "echo", "{}").await.unwrap();
        assert!(answer["error"]["message"].as_str().unwrap().contains("401"), "{answer}");
    }
    let is_call = |seen: &Seen| String::from_utf8_lossy(&seen.body).contains("\"tools/call\"");
    let calls = upstream.seen().split_off(before).into_iter().filter(is_call).count();
    assert!((10..=11).contains(&calls), "{calls}");
    assert!(script.count("crm") <= 3, "{}", script.count("crm"));
    let events = gateway.events();
    let outcomes =
        of_type(&events, "operation.outcome").into_iter().filter(|event| event["operation"]["action"] == "crm/echo");
    assert_eq!(outcomes.filter(|event| event["outcome"]["status"] == "ok").count(), 21, "each call once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_is_refused_says_to_sign_in_again_and_a_new_sign_in_goes_on() {
    let (upstream, issuer) = (Upstream::start().await, Issuer::start());
    let refusal = Act::Say(400, &[], r#"{"error":"invalid_grant"}"#.to_owned());
    let access_token = r#","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","expires_in":3600"#;
    let script = Script::start(vec![("never", refusal), ("crm", Act::Issue(access_token))]).await;
    let gateway = gateway(&script.targets(&upstream.url(), "grant = \"token-exchange\""), &issuer);
    let origin = format!("http://127.0.0.1:{}/mcp", gateway.port);
    let refused = Client::new(format!("{origin}/never"), issuer.token("alice")).post(INITIALIZE).await.unwrap();
    let told = "your sign-in is not accepted for this target; sign in again";
    assert_eq!(refused.json()["error"]["message"], told);

    // A session goes on with each token that its caller brings, and each is exchanged for itself.
    let first = issuer.token_with(json!({ "jti": "first" }));
    let mut client = Client::open(format!("{origin}/crm"), first.clone()).await;
    assert!(client.call(10, "echo", "{}").await.unwrap()["result"].is_object());
    client.token = issuer.token_with(json!({ "jti": "second" }));
    assert!(client.call(11, "echo", "{}").await.unwrap()["result"].is_object());
    let forms: Vec<_> =
        script.asked.lock().unwrap().iter().filter(|(name, _)| name == "crm").map(|(_, form)| form.clone()).collect();
    for token in [&first, &client.token] {
        assert_eq!(
            forms.iter().filter(|form| form.contains(&format!("subject_token={token}&"))).count(),
            1,
            "{forms:?}"
        );
    }
    // Bob's token for this target is nobody else's.
    let bob = Client::open(format!("{origin}/crm"), issuer.token("bob")).await;
    assert!(bob.call(12, "echo", "{}").await.unwrap()["result"].is_object());
    let shown = shown(&upstream.seen());
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert_eq!(client.send(http::Method::DELETE, &[], "").await.unwrap().status, StatusCode::NO_CONTENT);
}
