//! Streams of clients: what is on them, whose they are, what becomes of what a client does not read.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::common::evidence::{of_type, outcome};
use crate::common::issuer::Issuer;
use crate::common::upstream::Upstream;
use crate::common::{Answer, Client, Gateway, Setup, modern_body};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A client of HTTP with SSE: its stream, and where it posts.
struct Sse {
    body: Incoming,
    read: String,
    posts: Client,
    address: String,
}

impl Sse {
    async fn open(gateway: &Gateway, token: &str) -> Self {
        let at = |path: &str| format!("http://127.0.0.1:{}{path}", gateway.port);
        let client = Client::new(at("/sse/everything"), token);
        let headers = [("accept", "text/event-stream"), ("content-type", "")];
        let response = client.stream(Method::GET, &headers).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream =
            Self { body: response.into_body(), read: String::new(), posts: client, address: String::new() };
        let (name, address) = stream.next().await.unwrap();
        assert_eq!(name, "endpoint");
        stream.posts = Client::new(at(&address), token);
        stream.address = address;
        stream
    }

    /// One that has a session.
    async fn begun(gateway: &Gateway, token: &str) -> Self {
        let mut stream = Self::open(gateway, token).await;
        assert_eq!(stream.post(hello()).await.status, StatusCode::ACCEPTED);
        assert_eq!(stream.message().await["result"]["protocolVersion"], "2024-11-05");
        assert_eq!(stream.post(INITIALIZED.to_owned()).await.status, StatusCode::ACCEPTED);
        stream
    }

    async fn post(&self, body: String) -> Answer {
        self.posts.send(Method::POST, &[("accept", "")], body).await.unwrap()
    }

    /// Name and data of the next event; none at the end of the stream.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some(end) = self.read.find("\n\n") {
                let event: String = self.read.drain(..end + 2).collect();
                assert!(!event.contains("id: "), "nothing here can be gone on with: {event}");
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                match field("event: ").zip(field("data: ")) {
                    Some(found) => return Some(found),
                    None => continue,
                }
            }
            let frame = tokio::time::timeout(LIMIT, self.body.frame()).await.unwrap()?.ok()?;
            self.read.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }

    async fn message(&mut self) -> Value {
        let (name, data) = self.next().await.unwrap();
        assert_eq!(name, "message");
        serde_json::from_str(&data).unwrap()
    }
}

fn hello() -> String {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "old", "version": "1" },
    } })
    .to_string()
}

fn call(id: usize, tool: &str, arguments: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
        .to_string()
}

async fn world(tables: &str) -> (Issuer, Upstream, Gateway) {
    let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
    let gateway = Gateway::start(&Setup { tables, ..Setup::new(upstream.url()) }, issuer.url());
    (issuer, upstream, gateway)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_says_where_messages_go_and_carries_what_they_come_to() {
    let (issuer, upstream, gateway) = world("").await;
    let mut alice = Sse::begun(&gateway, &issuer.token("alice")).await;
    let id = alice.address.strip_prefix("/sse/everything?session=").unwrap();
    assert!(id.len() >= 43, "256 bits: {id}");

    let posted = alice.post(call(1, "echo", &json!({ "text": "one\ntwo" }))).await;
    assert_eq!((posted.status, posted.text.as_str()), (StatusCode::ACCEPTED, ""));
    let answer = alice.message().await;
    assert!(answer["id"] == 1 && answer["result"].is_object(), "{answer}");
    // A stream of the target, part by part.
    let progress = r#"{"name":"progress","arguments":{},"_meta":{"progressToken":"t"}}"#;
    alice.post(format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{progress}}}"#)).await;
    let mut parts = Vec::new();
    while parts.last().is_none_or(|part: &Value| part["id"] != 2) {
        parts.push(alice.message().await);
    }
    assert_eq!(parts.len(), 4, "three notifications and the result: {parts:#?}");
    // The target's own stream.
    let log =
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "x" } });
    while !upstream.seen().iter().any(|seen| seen.method == Method::GET && !seen.own) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    upstream.say("u-1", &log.to_string());
    assert_eq!(alice.message().await, log);
    // What the target cannot do is answered on the stream too.
    alice.post(call(3, "no-such-tool", &json!({}))).await;
    assert_eq!(alice.message().await["error"]["code"], -32602);

    drop(alice);
    let closed = |event: &Value| event["type"] == "session.closed" && event["reason"] == "client";
    let is_callers = |event: &&Value| event["client"] == "old 1";
    let events = gateway.events_once(|event| closed(event) && event["count"].as_u64() > Some(8));
    assert_eq!(of_type(&events, "session.opened").into_iter().filter(is_callers).count(), 1);
    assert_eq!(outcome(&events, "everything/echo"), Some("ok"));
    let ended = async {
        while !upstream.seen().iter().any(|seen| seen.method == Method::DELETE && !seen.own) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, ended).await.expect("the target is told of the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_its_principals_and_no_ones_else() {
    let (issuer, upstream, gateway) = world("[limits]\nrequest_bytes = \"4KiB\"").await;
    let token = issuer.token("alice");
    let mut alice = Sse::open(&gateway, &token).await;
    let path = "/sse/everything";
    let url = format!("http://127.0.0.1:{}{path}", gateway.port);

    // Nothing but initialize begins.
    let early = alice.post(call(1, "echo", &json!({}))).await;
    assert_eq!((early.status, &early.json()["id"]), (StatusCode::BAD_REQUEST, &json!(1)), "{early:?}");
    assert_eq!(alice.post(hello()).await.status, StatusCode::ACCEPTED);
    alice.message().await;
    assert_eq!(alice.post(INITIALIZED.to_owned()).await.status, StatusCode::ACCEPTED);
    let before = upstream.bodies().len();

    // Another principal, another set of groups of the same one, another id, another target, none.
    let mallory = Client::new(&alice.posts.url, issuer.token("mallory"));
    let regrouped = issuer.token_with(json!({ "sub": "alice", "groups": ["support", "finance"] }));
    let regrouped = Client::new(&alice.posts.url, regrouped);
    let forged = Client::new(format!("{url}?session={}", "A".repeat(43)), &token);
    let elsewhere = Client::new(alice.posts.url.replace(path, "/sse"), &token);
    for stranger in [&mallory, &regrouped, &forged, &elsewhere] {
        let answer = stranger.post(call(2, "echo", &json!({}))).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    }
    let nobody = Client::new(&alice.posts.url, "not.a.token").post(call(2, "echo", &json!({}))).await.unwrap();
    let challenge = nobody.headers.get("www-authenticate");
    assert_eq!((nobody.status, challenge.is_some()), (StatusCode::UNAUTHORIZED, true), "{nobody:?}");
    let foreign = alice.posts.send(Method::POST, &[("origin", "http://evil.example")], hello()).await.unwrap();
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);

    // The owner, but not as the transport says.
    let refused = [
        (alice.post(hello()).await, StatusCode::BAD_REQUEST),
        (alice.post(call(3, "echo", &json!({ "text": "x".repeat(5_000) }))).await, StatusCode::PAYLOAD_TOO_LARGE),
        (alice.post(format!("[{}]", call(3, "echo", &json!({})))).await, StatusCode::BAD_REQUEST),
        (alice.post(modern_body("tools/list", "")).await, StatusCode::BAD_REQUEST),
        (Client::new(&url, &token).post(hello()).await.unwrap(), StatusCode::METHOD_NOT_ALLOWED),
        (alice.posts.send(Method::DELETE, &[], "").await.unwrap(), StatusCode::METHOD_NOT_ALLOWED),
        (alice.posts.send(Method::GET, &[], "").await.unwrap(), StatusCode::METHOD_NOT_ALLOWED),
        (
            Client::new(&url, &token).send(Method::GET, &[("accept", "application/json")], "").await.unwrap(),
            StatusCode::NOT_ACCEPTABLE,
        ),
    ];
    for (answer, status) in &refused {
        assert_eq!(answer.status, *status, "{answer:?}");
    }
    assert_eq!(refused[4].0.headers["allow"], "GET, POST");
    // What answers nothing is recorded, and is no reason for a client to give its stream up.
    let unasked = alice.post(r#"{"jsonrpc":"2.0","id":"x","result":{}}"#.to_owned()).await;
    assert_eq!(unasked.status, StatusCode::ACCEPTED);
    assert_eq!(upstream.bodies().len(), before, "nothing of it came to the target");
    // The header of the newer transport means nothing here; the stream is as it was.
    let answer = alice.posts.send(Method::POST, &[("mcp-session-id", "x")], call(4, "echo", &json!({}))).await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(alice.message().await["id"], 4);

    let events = gateway.events();
    let denied = of_type(&events, "operation.denied");
    let count = |reason: &str| denied.iter().filter(|event| event["decision"]["reason"] == reason).count();
    assert_eq!(count("unknown_session"), 4, "{denied:#?}");
    for reason in ["no_session", "unasked", "initialize_in_session", "too_large", "not_of_transport", "not_acceptable"]
    {
        assert_eq!(count(reason), 1, "{reason}: {denied:#?}");
    }
    // There is metadata of the path, for whoever has no token yet.
    let metadata = format!("/.well-known/oauth-protected-resource{path}");
    let metadata = Client::new(format!("http://127.0.0.1:{}{metadata}", gateway.port), "");
    let metadata = metadata.send(Method::GET, &[("authorization", "")], "").await.unwrap();
    assert_eq!(metadata.json()["resource"], url);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_refused_more_and_loses_nothing() {
    let (issuer, upstream, gateway) = world("").await;
    let mut alice = Sse::begun(&gateway, &issuer.token("alice")).await;
    let text = "x".repeat(128 << 10);
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for id in 10..400 {
        let answer = alice.post(call(id, "echo", &json!({ "text": text }))).await;
        match answer.status {
            StatusCode::ACCEPTED => accepted.push(id),
            StatusCode::TOO_MANY_REQUESTS => refused += 1,
            _ => panic!("{answer:?}"),
        }
        if refused > 3 {
            break;
        }
    }
    assert!(refused > 3, "{} answers of 128 KiB went somewhere", accepted.len());
    let sent = upstream.bodies().len();
    assert!(sent <= accepted.len() + 2, "what is refused does not come to the target");
    let mut answered = Vec::new();
    while answered.len() < accepted.len() {
        answered.push(usize::try_from(alice.message().await["id"].as_u64().unwrap()).unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, accepted);
    assert_eq!(alice.post(call(500, "echo", &json!({}))).await.status, StatusCode::ACCEPTED, "it goes on");
    assert_eq!(alice.message().await["id"], 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_outlive_their_stream_and_its_session_does_not_outlive_them() {
    let (issuer, upstream, gateway) = world("").await;
    let alice = Sse::begun(&gateway, &issuer.token("alice")).await;
    alice.post(call(1, "held", &json!({}))).await;
    while !upstream.bodies().iter().any(|body| String::from_utf8_lossy(body).contains("\"held\"")) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let posts = Client::new(&alice.posts.url, &alice.posts.token);
    drop(alice);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(posts.post(call(2, "echo", &json!({}))).await.unwrap().status, StatusCode::NOT_FOUND);
    assert_eq!(outcome(&gateway.events(), "everything/held"), None);
    upstream.release();
    let held =
        |event: &Value| event["type"] == "operation.outcome" && event["operation"]["action"] == "everything/held";
    let events = gateway.events_once(held);
    let ended = events.iter().find(|event| held(event)).unwrap();
    assert_eq!(ended["outcome"]["status"], "ok");
    let session = ended["session"].clone();
    let closed = |event: &Value| event["type"] == "session.closed" && event["session"] == session;
    let events = gateway.events_once(closed);
    assert_eq!(events.iter().find(|event| closed(event)).unwrap()["reason"], "client");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_token_and_with_its_session() {
    let (issuer, upstream, gateway) = world("").await;
    // A minute's leeway for the issuer's clock, and then three seconds.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let short = issuer.token_with(json!({ "sub": "alice", "iat": now - 600, "exp": now - 57 }));
    let mut brief = Sse::begun(&gateway, &short).await;
    let mut forgotten = Sse::begun(&gateway, &issuer.token("bob")).await;
    assert_eq!(brief.next().await, None);

    // The target knows the session no more: the call says so, and the client has to connect again.
    forgotten.post(call(1, "forget", &json!({}))).await;
    let told = forgotten.message().await;
    let told = if told["result"].is_object() {
        forgotten.post(call(2, "echo", &json!({}))).await;
        forgotten.message().await
    } else {
        told
    };
    assert_eq!(told["error"]["message"], "the target has forgotten the session; start a new one", "{told}");
    assert_eq!(forgotten.next().await, None);
    let upstream_closed = |event: &Value| event["type"] == "session.closed" && event["count"].as_u64() > Some(4);
    gateway.events_once(upstream_closed);
    drop(upstream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_answers_what_was_asked_and_ends_its_streams() {
    let (issuer, _upstream, mut gateway) = world("").await;
    let mut alice = Sse::begun(&gateway, &issuer.token("alice")).await;
    let mut idle = Sse::begun(&gateway, &issuer.token("bob")).await;
    alice.post(call(1, "slow", &json!({ "ms": 1500, "text": "finished" }))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let stopped = tokio::task::spawn_blocking(move || (gateway.process.terminate(LIMIT).unwrap(), gateway));
    assert_eq!(alice.message().await["id"], 1);
    assert_eq!(alice.next().await, None);
    assert_eq!(idle.next().await, None);
    let (status, mut gateway) = stopped.await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", gateway.process.log());
    gateway.restart();
    let events = gateway.events();
    assert_eq!(outcome(&events, "everything/slow"), Some("ok"));
    assert!(of_type(&events, "session.closed").iter().all(|event| event["reason"] != "crash"), "{events:#?}");
}
