//! MCP 2026-07-28 through the gateway: a server of that era alone, and requests written byte for byte.
//!
//! What the specification says of headers, metadata and status codes; input that a server requires, and state that comes
//! back byte for byte and only to whom it was given; tasks; subscriptions; a client that goes away.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod server;

use std::time::{Duration, Instant};

use common::evidence::of_type;
use common::issuer::Issuer;
use common::{ALLOW_ALL, Client, Gateway, Setup, modern_body as body, send_modern as send};
use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use server::{CURSOR, ModernServer, PAGE, STATE};

const ASKS: &str =
    r#"@id("forms") permit (principal, action == Action::"elicitation/create", resource) unless { context has url };"#;

struct World {
    server: ModernServer,
    issuer: Issuer,
    gateway: Gateway,
}

impl World {
    async fn start(policies: &str) -> Self {
        let (server, issuer) = (ModernServer::start().await, Issuer::start());
        let policies = format!(
            "{ALLOW_ALL}{policies} forbid (principal, action == Action::\"everything/secret\", resource);
             forbid (principal, action == Action::\"resources/read\", resource) when {{ context.uri == \"note://b\" }};"
        );
        let gateway = Gateway::start(&Setup { policies: &policies, ..Setup::new(&server.url) }, issuer.url());
        Self { server, issuer, gateway }
    }

    fn client(&self, who: &str) -> Client {
        Client::new(self.gateway.url(), self.issuer.token(who))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_stands_for_itself() {
    let world = World::start("").await;
    let alice = world.client("alice");

    let discovered = send(&alice, "server/discover", "", "").await.json();
    let result = &discovered["result"];
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(result["capabilities"]["extensions"], json!({ "io.modelcontextprotocol/tasks": {} }));
    let listed = send(&alice, "tools/list", "", "").await.json();
    let names: Vec<_> = listed["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["echo", "ask", "task", "hang", "page", "region"], "secret is not for her");
    for result in [result, &listed["result"]] {
        assert_eq!((&result["cacheScope"], &result["ttlMs"]), (&json!("private"), &json!(60_000)));
    }

    let answer = send(&alice, "tools/call", "echo", r#""name":"echo","x":[1.0]"#).await;
    assert_eq!((answer.status.as_u16(), answer.session.as_ref()), (200, None));
    let seen = world.server.seen("tools/call");
    // No policy lets the server ask for anything, so it does not learn that it could.
    let sent = body("tools/call", r#""name":"echo","x":[1.0]"#);
    assert_eq!(seen[0].body, sent.replace(r#""elicitation":{},"sampling":{}"#, ""));
    let header = |name: &str| seen[0].headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("mcp-name").as_deref(), Some("echo"));
    assert_eq!(header("mcp-protocol-version").as_deref(), Some("2026-07-28"));
    assert_eq!((header("authorization"), header("mcp-session-id")), (None, None));

    let hidden = send(&alice, "tools/call", "secret", r#""name":"secret""#).await;
    assert_eq!(hidden.json()["error"]["code"], json!(-32602), "{}", hidden.text);
    // One principal, one target, one client: one session, whatever was asked.
    let events = world.gateway.events();
    let opened = of_type(&events, "session.opened");
    assert_eq!(opened.iter().filter(|event| event["client"] == "test 1").count(), 1, "{opened:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_agree_is_refused_and_recorded() {
    let world = World::start("").await;
    let alice = world.client("alice");
    let call = body("tools/call", r#""name":"echo""#);
    let with = |changes: &[(&'static str, &'static str)]| {
        let mut headers =
            vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "echo")];
        headers.extend_from_slice(changes);
        headers
    };
    let other = call.replace("2026-07-28", "2099-01-01");
    let region = body("tools/call", r#""name":"region","arguments":{"region":"eu"}"#);
    for (headers, body, status, code, reason) in [
        (with(&[("mcp-method", "tools/list")]), &call, 400, -32020, "header_mismatch"),
        (with(&[("mcp-name", "region")]), &call, 400, -32020, "header_mismatch"),
        (with(&[("mcp-protocol-version", "")]), &call, 400, -32020, "header_mismatch"),
        (with(&[("mcp-name", "region")]), &region, 400, -32020, "header_mismatch"),
        (with(&[("mcp-protocol-version", "2099-01-01")]), &other, 400, -32022, "protocol_version"),
        (
            with(&[]),
            &r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo"}}"#.to_owned(),
            400,
            -32602,
            "metadata",
        ),
        (
            with(&[("mcp-method", "sampling/createMessage")]),
            &body("sampling/createMessage", ""),
            404,
            -32601,
            "unknown_method",
        ),
        // Of another era, whatever its parameters are.
        (with(&[("mcp-method", "initialize")]), &body("initialize", ""), 404, -32601, "unknown_method"),
        (with(&[("mcp-method", "logging/setLevel")]), &body("logging/setLevel", ""), 404, -32601, "unknown_method"),
        (
            with(&[("mcp-method", "resources/subscribe")]),
            &body("resources/subscribe", ""),
            404,
            -32601,
            "unknown_method",
        ),
        (
            with(&[("mcp-method", "initialize")]),
            &body("initialize", r#""protocolVersion":"x""#),
            404,
            -32601,
            "unknown_method",
        ),
    ] {
        let answer = alice.send(Method::POST, &headers, body.clone()).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]["code"]),
            (status, &json!(code)),
            "{body}: {}",
            answer.text
        );
        let data = &answer.json()["error"]["data"];
        if code == -32022 {
            assert_eq!((&data["supported"], &data["requested"]), (&json!(["2026-07-28"]), &json!("2099-01-01")));
        }
        let (session, seq) = data["vidimus/reference"].as_str().unwrap().split_once('/').unwrap();
        let seq: u64 = seq.parse().unwrap();
        let is_it = |event: &Value| event["session"] == session && event["seq"] == seq;
        let events = world.gateway.events_once(is_it);
        let denied = events.iter().find(|event| is_it(event)).unwrap();
        assert_eq!(denied["decision"]["reason"], reason, "{denied}");
    }
    for method in [Method::GET, Method::DELETE] {
        let answer = alice.send(method, &[("mcp-protocol-version", "2026-07-28")], "").await.unwrap();
        assert_eq!(answer.status.as_u16(), 405);
    }
    let right = with(&[("mcp-name", "region"), ("mcp-param-region", "eu"), ("mcp-param-unknown", "x")]);
    assert_eq!(alice.send(Method::POST, &right, region).await.unwrap().status.as_u16(), 200);
    let seen = world.server.seen("tools/call");
    assert_eq!(seen.len(), 1, "nothing that was refused arrived");
    assert_eq!(
        (&seen[0].headers["mcp-param-region"], &seen[0].headers["mcp-param-unknown"]),
        (&"eu".parse().unwrap(), &"x".parse().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn required_input_is_decided_and_its_state_comes_back_to_whom_it_was_given() {
    let world = World::start(ASKS).await;
    let (alice, bob) = (world.client("alice"), world.client("bob"));
    let asked = send(&alice, "tools/call", "ask", r#""name":"ask""#).await.json();
    assert_eq!(asked["result"]["resultType"], "input_required");
    assert_eq!(asked["result"]["inputRequests"]["name"]["params"]["message"], "Who?");
    let sealed = asked["result"]["requestState"].as_str().unwrap().to_owned();
    assert!(!sealed.contains("te/1"), "{sealed}");

    let retry = |name: &str, state: &str| {
        format!(
            r#""name":"{name}","inputResponses":{{"name":{{"action":"accept","content":{{}}}}}},"requestState":"{state}""#
        )
    };
    let mut altered = sealed.clone();
    altered.replace_range(20..21, if sealed.as_bytes()[20] == b'A' { "B" } else { "A" });
    for (client, name, state) in
        [(&bob, "ask", &*sealed), (&alice, "echo", &*sealed), (&alice, "ask", &*altered), (&alice, "ask", "")]
    {
        let refused = send(client, "tools/call", name, &retry(name, state)).await;
        assert_eq!(refused.json()["error"]["code"], json!(-32602), "{}", refused.text);
    }
    let answered = send(&alice, "tools/call", "ask", &retry("ask", &sealed)).await;
    assert_eq!(answered.json()["result"]["content"][0]["text"], "done");
    let seen = world.server.seen("tools/call");
    assert_eq!(seen.len(), 2);
    let expected = body("tools/call", &retry("ask", "@")).replace("\"@\"", STATE).replace(r#","sampling":{}"#, "");
    assert_eq!(seen[1].body, expected);

    let events = world.gateway.events();
    let asked: Vec<&Value> =
        events.iter().filter(|event| event["operation"]["action"] == "elicitation/create").collect();
    assert_eq!(
        asked.iter().map(|event| &event["type"]).collect::<Vec<_>>(),
        ["operation.admitted", "operation.outcome"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_tells_nothing_and_comes_back_to_whom_it_was_given() {
    let world = World::start("").await;
    let (alice, bob) = (world.client("alice"), world.client("bob"));
    let first = send(&alice, "tools/list", "", "").await;
    assert!(!first.text.contains("fore secret"), "{}", first.text);
    let sealed = format!(r#""cursor":{}"#, first.json()["result"]["nextCursor"]);
    let own = format!(r#""cursor":{CURSOR}"#);
    for (client, method, cursor) in
        [(&bob, "tools/list", &sealed), (&alice, "prompts/list", &sealed), (&alice, "tools/list", &own)]
    {
        let refused = send(client, method, "", cursor).await;
        assert_eq!(refused.json()["error"]["code"], json!(-32602), "{}", refused.text);
    }
    let rest = send(&alice, "tools/list", "", &sealed).await;
    assert!(rest.json()["result"]["tools"].is_array(), "{}", rest.text);
    let seen = world.server.seen("tools/list");
    let sent = body("tools/list", &own).replace(r#""elicitation":{},"sampling":{}"#, "");
    assert_eq!((seen.len(), &seen[1].body[..]), (2, sent.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_to_open_is_whole_for_the_client_and_masked_in_the_record() {
    let world =
        World::start(r#"@id("pages") permit (principal, action == Action::"elicitation/create", resource);"#).await;
    let asked = send(&world.client("alice"), "tools/call", "page", r#""name":"page""#).await.json();
    let params = &asked["result"]["inputRequests"]["p"]["params"];
    assert_eq!(params["url"], PAGE, "{asked}");
    assert_eq!(params["message"], "See https://pay.example/for/<EMAIL_ADDRESS>");
    let sessions = world.gateway.sessions();
    let frames: Vec<Value> = sessions.iter().flat_map(|session| world.gateway.recording(session)).collect();
    let recorded = format!("{}{}", Value::from(frames), Value::from(world.gateway.events()));
    assert!(recorded.contains("https://pay.example/for/<EMAIL_ADDRESS>") && !recorded.contains(PAGE), "{recorded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn required_input_that_policy_denies_does_not_reach_the_client() {
    let world = World::start("").await;
    let answer = send(&world.client("alice"), "tools/call", "ask", r#""name":"ask""#).await;
    assert!(!answer.text.contains("Who?"), "{}", answer.text);
    assert_eq!(answer.json()["result"]["isError"], json!(true));
    assert_eq!(answer.json()["result"]["resultType"], "complete");
    let denied = world.gateway.events();
    let denied = of_type(&denied, "operation.denied");
    assert_eq!(denied[0]["operation"]["action"], "elicitation/create");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_its_callers() {
    let world = World::start("").await;
    let (alice, bob) = (world.client("alice"), world.client("bob"));
    assert_eq!(send(&alice, "tools/call", "task", r#""name":"task""#).await.json()["result"]["taskId"], "t-1");
    assert_eq!(send(&alice, "tasks/get", "t-1", r#""taskId":"t-1""#).await.json()["result"]["status"], "completed");
    let update = r#""taskId":"t-1","inputResponses":{"name":{"action":"accept","content":{"n":1.0}}}"#;
    for (method, params) in [("tasks/update", update), ("tasks/cancel", r#""taskId":"t-1""#)] {
        let done = send(&alice, method, "t-1", params).await.json();
        assert_eq!(done["result"]["resultType"], "complete", "{method}: {done}");
        let sent = body(method, params).replace(r#""elicitation":{},"sampling":{}"#, "");
        assert_eq!(world.server.seen(method)[0].body, sent);
    }
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        for (client, task) in [(&bob, "t-1"), (&alice, "t-2")] {
            let refused = send(client, method, task, &update.replace("t-1", task)).await;
            assert_eq!(refused.json()["error"]["code"], json!(-32602), "{method}: {}", refused.text);
        }
        assert_eq!(world.server.seen(method).len(), 1, "{method}");
    }
    let events = world.gateway.events();
    for method in ["tasks/update", "tasks/cancel"] {
        let of = |kind, wanted: &'static str| {
            let of_kind = of_type(&events, kind).into_iter();
            of_kind.filter(|event: &&Value| event["operation"]["action"] == wanted).count()
        };
        assert_eq!((of("operation.admitted", method), of("operation.outcome", method)), (1, 1), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_has_cancelled() {
    let world = World::start("").await;
    let alice = world.client("alice");
    for (method, name, params) in [
        ("tools/call", "hang", r#""name":"hang""#),
        ("subscriptions/listen", "", r#""notifications":{"resourceSubscriptions":["note://a"]}"#),
    ] {
        let before = world.server.cancelled();
        let waited = tokio::time::timeout(Duration::from_secs(2), send(&alice, method, name, params)).await;
        assert!(waited.is_err(), "{method} was answered");
        let limit = Instant::now() + Duration::from_secs(10);
        while world.server.cancelled() == before {
            assert!(Instant::now() < limit, "{method} goes on at the server");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let is_cancelled = |event: &Value| event["outcome"]["status"] == "cancelled";
    let events = world
        .gateway
        .events_once(|event| is_cancelled(event) && event["operation"]["action"] == "subscriptions/listen");
    let call = |event: &&Value| is_cancelled(event) && event["operation"]["action"] == "everything/hang";
    assert!(events.iter().any(|event| call(&event)), "{events:#?}");
    // What is of another caller's task was withheld from the stream.
    let withheld = |event: &&Value| event["decision"]["reason"] == "server_message";
    assert_eq!(events.iter().filter(withheld).count(), 1);

    let denied =
        send(&alice, "subscriptions/listen", "", r#""notifications":{"resourceSubscriptions":["note://b"]}"#).await;
    assert_eq!(denied.json()["error"]["code"], json!(-32001), "{}", denied.text);
}

/// Longer than changed policies take to come into force on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A subscription to the list of tools, as far as it has been read.
struct Subscription {
    body: Incoming,
    read: String,
}

impl Subscription {
    /// Opens one, past what this server says of its own.
    async fn open(client: &Client, gateway: &Gateway) -> Self {
        let method = "subscriptions/listen";
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method), ("mcp-name", "")];
        let asked = body(method, r#""notifications":{"toolsListChanged":true}"#);
        let response = client.stream_of(Method::POST, &headers, asked).await.unwrap();
        let mut subscription = Self { body: response.into_body(), read: String::new() };
        subscription.changes(1, gateway).await;
        subscription
    }

    /// Waits until it was told so often that the list has changed.
    async fn changes(&mut self, count: usize, gateway: &Gateway) {
        let limit = tokio::time::Instant::now() + PATIENCE;
        while self.read.matches("notifications/tools/list_changed").count() < count {
            let frame = tokio::time::timeout_at(limit, self.body.frame()).await;
            let Ok(frame) = frame else { panic!("it was told {}\n{}", self.read, gateway.process.log()) };
            self.read.push_str(std::str::from_utf8(&frame.unwrap().unwrap().into_data().unwrap()).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subscription_is_told_of_a_changed_list_whoever_else_was_told_or_read_it() {
    let world = World::start("").await;
    let alice = world.client("alice");
    let file = world.gateway.dir.path().join("policies/test.cedar");
    let policies = std::fs::read_to_string(&file).unwrap();
    let forbid = |tool: &str| {
        let forbidden = format!("{policies}\nforbid (principal, action == Action::\"everything/{tool}\", resource);");
        std::fs::write(&file, forbidden).unwrap();
    };
    let page = async |cursor: &str, hidden: &str| {
        let limit = Instant::now() + PATIENCE;
        while send(&alice, "tools/list", "", cursor).await.text.contains(&format!("\"{hidden}\"")) {
            assert!(Instant::now() < limit, "{hidden} is still listed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    page("", "secret").await;
    let (mut first, mut second) =
        (Subscription::open(&alice, &world.gateway).await, Subscription::open(&alice, &world.gateway).await);
    forbid("hang");
    first.changes(2, &world.gateway).await;
    second.changes(2, &world.gateway).await;

    // Two clients share a name, and so a session: what one reads, the other does not know.
    page("", "hang").await;
    let mut third = Subscription::open(&alice, &world.gateway).await;
    third.changes(2, &world.gateway).await;

    // The rest of a list that has changed since its first page.
    let before = send(&alice, "tools/list", "", "").await.json();
    forbid("echo");
    page(&format!(r#""cursor":{}"#, before["result"]["nextCursor"]), "echo").await;
    let mut fourth = Subscription::open(&alice, &world.gateway).await;
    for (subscription, count) in [(&mut first, 3), (&mut second, 3), (&mut third, 3), (&mut fourth, 2)] {
        subscription.changes(count, &world.gateway).await;
    }
}
