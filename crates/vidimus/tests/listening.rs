//! The stream of a server's own, through the gateway, message by message (MCP 2025-11-25, "Listening for Messages from
//! the Server", "Resumability and Redelivery").
//!
//! Notices about resources, questions with a URL, and what a client gets that lost the stream and opens another.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::time::Duration;

use common::evidence::of_type;
use common::issuer::Issuer;
use common::upstream::Upstream;
use common::{ALLOW_ALL, Client, Gateway, Setup};
use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

const ASKS: &str = r#"
@id("pay") permit (principal, action == Action::"elicitation/create", resource)
when { context has url && context.url like "https://pay.example/*" };
@id("not-b") forbid (principal, action == Action::"resources/read", resource) when { context.uri == "note://b" };
"#;

const LIMIT: Duration = Duration::from_secs(10);

/// A stream of events, as far as it has been read.
struct Events {
    body: Incoming,
    read: String,
}

impl Events {
    async fn open(client: &Client, last: &str) -> Self {
        let headers = [("accept", "text/event-stream"), ("content-type", ""), ("last-event-id", last)];
        let response = client.stream(Method::GET, &headers).await.unwrap();
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), read: String::new() }
    }

    /// Id and data of the next event.
    async fn next(&mut self) -> (String, String) {
        loop {
            if let Some(end) = self.read.find("\n\n") {
                let event: String = self.read.drain(..end + 2).collect();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                match field("id: ").zip(field("data: ")) {
                    Some(found) => return found,
                    None => continue,
                }
            }
            let frame = tokio::time::timeout(LIMIT, self.body.frame()).await.unwrap().unwrap().unwrap();
            self.read.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }
}

async fn world() -> (Issuer, Upstream, Gateway, Client) {
    let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
    let policies = format!("{ALLOW_ALL}{ASKS}");
    let gateway = Gateway::start(&Setup { policies: &policies, ..Setup::new(upstream.url()) }, issuer.url());
    let client = Client::open(gateway.url(), issuer.token("alice")).await;
    (issuer, upstream, gateway, client)
}

fn updated(uri: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}"#)
}

fn question(id: &str, url: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":"{id}","method":"elicitation/create","params":{{"mode":"url","elicitationId":"e-1","url":"{url}","message":"Pay"}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_and_questions_arrive_as_policy_allows() {
    let (_issuer, upstream, gateway, alice) = world().await;
    let mut events = Events::open(&alice, "").await;
    let (asked, elsewhere) =
        (question("q-1", "https://pay.example/7?a=b"), question("q-2", "https://elsewhere.example/"));
    upstream.say("1", &updated("note://b"));
    upstream.say("2", &updated("note://a"));
    upstream.say("3", &elsewhere);
    upstream.say("4", &asked);
    assert_eq!(events.next().await.1, updated("note://a"), "what may not be read is not spoken of");
    assert_eq!(events.next().await.1, asked, "byte for byte, and nothing of the other");

    let accepted = r#"{"jsonrpc":"2.0","id":"q-1","result":{"action":"accept"}}"#;
    assert_eq!(alice.post(accepted).await.unwrap().status.as_u16(), 202);
    assert_eq!(alice.post(accepted).await.unwrap().status.as_u16(), 400, "answered once");
    let bodies: Vec<String> = upstream.bodies().iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect();
    assert_eq!(bodies.iter().filter(|body| *body == accepted).count(), 1, "{bodies:#?}");
    let refused = bodies.iter().find(|body| body.contains("\"q-2\"")).unwrap();
    assert!(refused.contains("\"error\""), "{refused}");

    let all = gateway.events();
    let asked = |kind| {
        let of_kind = of_type(&all, kind).into_iter();
        of_kind.filter(|event: &&Value| event["operation"]["action"] == "elicitation/create").count()
    };
    assert_eq!((asked("operation.admitted"), asked("operation.denied"), asked("operation.outcome")), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_the_last_event_that_arrived() {
    let (_issuer, upstream, _gateway, alice) = world().await;
    let mut lost = Events::open(&alice, "").await;
    upstream.say("up-1", &updated("note://1"));
    upstream.say("up-2", &updated("note://2"));
    let first = lost.next().await;
    let second = lost.next().await;
    assert_eq!((&*first.1, &*second.1), (&*updated("note://1"), &*updated("note://2")));
    drop(lost);

    let mut again = Events::open(&alice, &first.0).await;
    assert_eq!(again.next().await, second, "under the id it had");
    upstream.say("up-3", &updated("note://3"));
    let third = again.next().await;
    assert_eq!(third.1, updated("note://3"));
    assert!(third.0 != second.0 && third.0 != first.0, "{third:?}");

    // The gateway asked the server to go on likewise.
    let asked: Vec<Option<String>> = upstream
        .seen()
        .into_iter()
        .filter(|seen| seen.method == Method::GET)
        .map(|seen| seen.headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned()))
        .collect();
    assert_eq!(asked, [None, Some("up-2".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_an_error_wants_opened_are_decided_like_questions() {
    let (_issuer, _upstream, gateway, alice) = world().await;
    let page = |url: &str| json!({ "mode": "url", "elicitationId": "e-1", "url": url, "message": "Pay" });
    let wanted = |pages: Value| json!({ "elicitations": pages }).to_string();
    let (good, evil) = ("https://pay.example/7?user=ada@example.com", "https://elsewhere.example/");
    let answer = alice.call(1, "refuse", &wanted(json!([page(good)]))).await.unwrap();
    assert_eq!(answer["error"]["data"]["elicitations"][0]["url"], good, "{answer}");
    let twin = json!({ "mode": "url", "URL": evil, "url": good });
    for (id, pages) in [(2, json!([page(good), page(evil)])), (3, json!([twin])), (4, json!({ "0": page(good) }))] {
        let answer = alice.call(id, "refuse", &wanted(pages)).await.unwrap();
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert!(!answer.to_string().contains(".example/"), "{answer}");
    }
    let twin = json!({ "Elicitations": [page(evil)] }).to_string();
    let answer = alice.call(5, "refuse", &twin).await.unwrap();
    assert!(!answer.to_string().contains(".example/"), "{answer}");

    let events = gateway.events();
    let asked = |kind| {
        let of_kind = of_type(&events, kind).into_iter();
        of_kind.filter(|event: &&Value| event["operation"]["action"] == "elicitation/create").count()
    };
    assert_eq!((asked("operation.admitted"), asked("operation.denied"), asked("operation.outcome")), (2, 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_era_asks_in_results_does_not_pass_in_this_one() {
    let (_issuer, upstream, _gateway, alice) = world().await;
    let question = json!({ "method": "elicitation/create", "params": { "message": "Tell me" } });
    let asks = json!({ "resultType": "input_required", "inputRequests": { "q": question }, "content": [] });
    let spelt = json!({ "content": [], "InputRequests": { "q": question } });
    for (id, result) in [(1, asks), (2, json!({ "resultType": "task", "content": [] })), (3, spelt)] {
        let answer = alice.call(id, "mirror", &result.to_string()).await.unwrap();
        assert!(answer["error"].is_object() && !answer.to_string().contains("Tell me"), "{answer}");
    }
    let plain = json!({ "content": [], "resultType": "complete", "other": 1 });
    assert_eq!(alice.call(4, "mirror", &plain.to_string()).await.unwrap()["result"], plain);

    let before = upstream.bodies().len();
    for extra in [r#""inputResponses":{"q":{"action":"accept"}}"#, r#""requestState":"s""#] {
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{{"name":"echo","arguments":{{}},{extra}}}}}"#
        );
        let answer = alice.post(call).await.unwrap().json();
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    assert_eq!(upstream.bodies().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_is_asked_as_from_where_it_is() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
    let near = r#"@id("near") forbid (principal, action in [Action::"elicitation/create", Action::"resources/read"], resource)
        unless { context has address && context.address.isInRange(ip("127.0.0.1/32")) };"#;
    let policies = format!("{ALLOW_ALL}{ASKS}{near}");
    let gateway = Gateway::start(&Setup { policies: &policies, ..Setup::new(upstream.url()) }, issuer.url());
    let alice = Client::open(gateway.url(), issuer.token("alice")).await;
    let mut elsewhere = Client::from_address(gateway.url(), &alice.token, "127.0.0.2".parse().unwrap());
    elsewhere.session.clone_from(&alice.session);
    let mut events = Events::open(&elsewhere, "").await;
    upstream.say("1", &question("q-1", "https://pay.example/7"));
    upstream.say("2", &updated("note://a"));
    upstream.say("3", r#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#);
    assert!(events.next().await.1.contains("list_changed"), "neither the question nor the note");
    drop(events);
    let mut events = Events::open(&alice, "").await;
    upstream.say("4", &question("q-2", "https://pay.example/8"));
    assert_eq!(events.next().await.1, question("q-2", "https://pay.example/8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_polled_for_arrives() {
    let (_issuer, upstream, gateway, alice) = world().await;
    let answer = alice.call(7, "poll", "{}").await.unwrap();
    assert_eq!(answer["result"], json!({ "content": [] }), "{answer}");
    let asked: Vec<String> = upstream
        .seen()
        .iter()
        .filter(|seen| seen.method == Method::GET)
        .filter_map(|seen| Some(seen.headers.get("last-event-id")?.to_str().unwrap().to_owned()))
        .collect();
    assert_eq!(asked, ["poll-1-7", "poll-2-7"]);
    let events = gateway.events();
    let outcome = of_type(&events, "operation.outcome").into_iter().next_back().unwrap();
    assert_eq!(outcome["outcome"]["status"], "ok");
}

/// How the streams ended that were listened to.
fn ends(gateway: &Gateway, count: usize) -> Vec<Value> {
    let is_end = |event: &&Value| event["type"] == "operation.outcome" && event["operation"]["action"] == "listen";
    let limit = std::time::Instant::now() + LIMIT;
    loop {
        let events = gateway.events();
        let ends: Vec<Value> = events.iter().filter(is_end).map(|event| event["outcome"]["status"].clone()).collect();
        if ends.len() >= count {
            return ends;
        }
        assert!(std::time::Instant::now() < limit, "{} of {count} streams have ended", ends.len());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_at_a_server_that_has_none_ends_with_its_client_its_successor_or_its_session() {
    let (_issuer, upstream, gateway, alice) = world().await;
    upstream.keep_silent();
    let gone = Events::open(&alice, "").await;
    drop(gone);
    assert_eq!(ends(&gateway, 1), ["ok"], "its client has gone");
    let mut replaced = Events::open(&alice, "").await;
    let mut last = Events::open(&alice, "").await;
    assert!(tokio::time::timeout(LIMIT, replaced.body.frame()).await.unwrap().is_none());
    assert_eq!(ends(&gateway, 2), ["ok", "ok"], "another took its place");
    assert_eq!(alice.send(Method::DELETE, &[], "").await.unwrap().status.as_u16(), 204);
    assert!(tokio::time::timeout(LIMIT, last.body.frame()).await.unwrap().is_none());
    assert_eq!(ends(&gateway, 3).len(), 3, "its session is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_token_it_was_asked_for_with() {
    let (issuer, _upstream, gateway, mut alice) = world().await;
    // A minute's leeway for the issuer's clock, and then three seconds.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let short = json!({ "sub": "alice", "iat": now - 600, "exp": now - 57 });
    let renewed = alice.token.clone();
    alice.token = issuer.token_with(short);
    let mut events = Events::open(&alice, "").await;
    assert!(tokio::time::timeout(LIMIT, events.body.frame()).await.expect("the stream ends").is_none());
    assert_eq!(ends(&gateway, 1), ["cancelled"]);
    alice.token = renewed;
    let mut again = Events::open(&alice, "").await;
    let on = tokio::time::timeout(Duration::from_secs(1), again.body.frame()).await;
    assert!(on.is_err(), "the session goes on with another token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_listener_may_no_longer_connect() {
    let (_issuer, _upstream, gateway, alice) = world().await;
    let mut events = Events::open(&alice, "").await;
    let policies = ALLOW_ALL.replacen("corp/support", "corp/nobody", 1);
    assert_ne!(policies, ALLOW_ALL);
    std::fs::write(gateway.dir.path().join("policies/test.cedar"), policies).unwrap();
    let end = async { while let Some(Ok(_)) = events.body.frame().await {} };
    tokio::time::timeout(LIMIT, end).await.expect("the stream ends");
    let outcomes = gateway.events();
    let outcomes = of_type(&outcomes, "operation.outcome");
    assert!(outcomes.iter().any(|event| event["outcome"]["status"] == "cancelled"), "{outcomes:#?}");
}

/// Bytes of each message that a client does not read.
const UNREAD_BYTES: usize = 64 << 10;

/// So many of them are more than the connections on the way can hold.
const MANY: usize = 1_024;

/// Bytes of the gateway's memory that are resident.
fn resident(gateway: &Gateway) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_makes_the_server_wait_and_loses_nothing() {
    let (_issuer, upstream, gateway, alice) = world().await;
    let mut events = Events::open(&alice, "").await;
    let before = resident(&gateway);
    let text = "x".repeat(UNREAD_BYTES);
    let message = |number| {
        let params = json!({ "level": "info", "data": { "number": number, "text": text } });
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params }).to_string()
    };
    let mut taken = 0;
    while taken < MANY && upstream.say_in_time("u", &message(taken), Duration::from_secs(2)).await {
        taken += 1;
    }
    assert!(taken < MANY, "{taken} messages of 64 KiB went somewhere");
    let grown = resident(&gateway).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more for a client that does not read, of {taken} messages");
    for number in 0..taken {
        let (_, data) = events.next().await;
        let told: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(told["params"]["data"]["number"], number);
    }
    assert!(upstream.say_in_time("u", &message(taken), LIMIT).await, "it goes on as soon as somebody reads");
}
