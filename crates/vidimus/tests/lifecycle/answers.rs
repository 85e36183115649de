//! Answers of a target that are none, and answers in parts.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::common::Client;
use super::common::evidence::{of_type, outcome};
use super::common::upstream::{Hello, odd_answer};
use super::{SOON, World};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_is_not_passed_on() {
    let world = World::with(|setup| {
        setup.target_lines = "request_timeout = \"1s\"\ncall_timeout = \"3s\"";
        setup.tables = "[limits]\nresponse_bytes = \"1MiB\"";
    })
    .await;
    let client = world.client().await;
    let table = [
        ("wrong-id", "the target's answer is not MCP", "upstream"),
        ("redirect", "the target answered with status 307 Temporary Redirect", "upstream"),
        ("oversized", "the target's answer is larger than 1048576 bytes", "upstream"),
        ("announced", "the target's answer is larger than 1048576 bytes", "upstream"),
        ("gzip", "the target's answer is not MCP", "upstream"),
        ("not-json", "the target's answer is not MCP", "upstream"),
        ("html", "the target's answer is not MCP", "upstream"),
        ("cut-off", "the target's answer broke off", "upstream"),
        ("cut-stream", "the target's answer broke off", "upstream"),
        ("status", "the target answered with status 500 Internal Server Error", "upstream"),
        ("hang", "the target did not answer in time", "timeout"),
        ("comments", "the target's answer stopped for 1s", "timeout"),
        ("chatter", "the target's answer was not complete after 3s", "timeout"),
        ("drip", "the target's answer was not complete after 3s", "timeout"),
    ];
    for (id, (tool, message, _)) in (1..).zip(table) {
        let answer = client.receive(super::call(id, tool, &json!({}))).await;
        assert_eq!((answer.status, answer.is_whole), (Some(200), true), "{tool}");
        let text = String::from_utf8(answer.body()).unwrap();
        let last = text.lines().rev().find(|line| line.contains("jsonrpc")).unwrap();
        let last: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap_or(last)).unwrap();
        assert_eq!(
            last,
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32603, "message": message } }),
            "{tool}"
        );
    }
    // The session lives.
    assert!(client.call(100, "echo", "{}").await.unwrap()["result"].is_object());
    // What the target says of a call that failed is passed on, as it is.
    assert_eq!(client.call(101, "fail", "{}").await.unwrap()["result"], json!({ "content": [], "isError": true }));
    let events = world.gateway.events();
    for (tool, _, status) in table {
        assert_eq!(outcome(&events, &format!("everything/{tool}")), Some(status), "{tool}");
    }
    assert_eq!(outcome(&events, "everything/fail"), Some("error"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_cannot_take_all_memory_with_requests_that_never_arrive() {
    let world = World::start().await;
    let client = world.client().await;
    let bob = Client::open(world.gateway.url(), world.issuer.token("bob")).await;
    let head = format!(
        "POST /mcp/everything HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: 4194304\r\n\r\n{{",
        world.gateway.port, client.token
    );
    let mut held = Vec::new();
    // There is room for 32, so one is answered at once. Nothing else of hers is under way meanwhile.
    for _ in 0..33 {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", world.gateway.port)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        held.push(stream);
    }
    let is_waiting = |stream: &mut std::net::TcpStream| {
        stream.read(&mut [0; 64]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let limit = std::time::Instant::now() + SOON;
    while held.len() == 33 {
        held.retain_mut(is_waiting);
        assert!(std::time::Instant::now() < limit, "everything is received");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(held.len(), 32);
    // The answer may be lost: the connection ends with a body that nobody read.
    let refused = || async { client.call(1, "echo", "{}").await.is_err() };
    assert!(refused().await);
    assert!(bob.call(1, "echo", "{}").await.unwrap()["result"].is_object(), "others have room");
    drop(held);
    let limit = std::time::Instant::now() + SOON;
    while refused().await {
        assert!(std::time::Instant::now() < limit, "room is not given back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_and_unusual_answer_arrives_byte_for_byte() {
    let world = World::start().await;
    let client = world.client().await;
    let sent = odd_answer(&json!(1));
    assert!(sent.len() > 1 << 20, "{}", sent.len());
    let answer = client.receive(super::call(1, "odd", &json!({}))).await;
    assert!(answer.is_whole);
    // Line ends between tokens become spaces, as they would end lines of a stream.
    assert!(answer.body() == sent.replace(['\r', '\n'], " ").into_bytes(), "{:?}", answer.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_gone_is_told_without_its_address() {
    let world = World::start().await;
    let client = world.client().await;
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
    world.upstream.stop();
    let answer = client.call(2, "echo", "{}").await.unwrap();
    assert_eq!(answer["error"], json!({ "code": -32603, "message": "the target cannot be reached" }));
    assert_eq!(outcome(&world.gateway.events(), "everything/echo"), Some("upstream"));
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_an_answer_arrive_as_they_come_and_are_recorded() {
    let world = World::start().await;
    let client = world.client().await;
    let answer = client.receive(super::call(7, "progress", &json!({ "text": "done" }))).await;
    assert!(answer.status == Some(200) && answer.is_whole, "{answer:?}");
    let (first, last) = (answer.parts.first().unwrap().0, answer.parts.last().unwrap().0);
    assert!(last - first >= Duration::from_millis(100), "the parts came at once: {answer:?}");
    let text = String::from_utf8(answer.body()).unwrap();
    let sent: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(sent.len(), 4);
    assert!(sent[..3].iter().all(|part| part.contains("notifications/progress")) && sent[3].contains("done"));

    let events = world.gateway.events();
    let ended = of_type(&events, "operation.outcome")
        .into_iter()
        .find(|event| event["operation"]["action"] == "everything/progress");
    let ended = ended.expect("an outcome");
    let names: Vec<&Value> = ended["payloads"].as_array().unwrap().iter().map(|payload| &payload["name"]).collect();
    assert_eq!(names, ["chunks", "response"]);
    assert_eq!(ended["outcome"]["bytes"], sent.iter().map(|part| part.len()).sum::<usize>());
    let frames = world.gateway.recording(ended["session"].as_str().unwrap());
    let of_call = |frame: &&Value| {
        let (seq, is_chunk) = (&frame["seq"], frame["direction"] == "chunk");
        if is_chunk { *seq == ended["operation"]["intent"] } else { *seq == ended["seq"] }
    };
    let recorded: Vec<&str> =
        frames.iter().filter(of_call).map(|frame| frame["body"]["text"].as_str().unwrap()).collect();
    assert_eq!(recorded, sent);
}

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_log_and_ping_before_it_answers_initialize() {
    let world = World::start().await;
    world.upstream.change(|quirks| quirks.hello = Hello::Pings);
    let mut client = Client::new(world.gateway.url(), world.issuer.token("alice"));
    let response = client.stream_of(Method::POST, &[], HELLO).await.unwrap();
    assert_eq!(response.status(), 200);
    client.session = Some(response.headers()["mcp-session-id"].to_str().unwrap().to_owned());
    let mut body = response.into_body();
    let mut text = String::new();
    let mut answered = false;
    while let Some(frame) = tokio::time::timeout(SOON, body.frame()).await.unwrap() {
        text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
        if text.contains("hello-1") && !answered {
            let pong = client.post(r#"{"jsonrpc":"2.0","id":"hello-1","result":{}}"#).await.unwrap();
            assert_eq!(pong.status, 202, "{pong:?}");
            answered = true;
        }
    }
    assert!(text.contains("waking up") && text.contains("\"serverInfo\""), "{text}");
    let answer = client.call(2, "echo", "{}").await.unwrap();
    assert!(answer["result"].is_object(), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_fails_late_leaves_no_session() {
    let world = World::start().await;
    world.upstream.change(|quirks| quirks.hello = Hello::RefusesLate);
    let mut client = Client::new(world.gateway.url(), world.issuer.token("alice"));
    let answer = client.post(HELLO).await.unwrap();
    assert!(answer.text.contains("waking up") && answer.text.contains("not today"), "{}", answer.text);
    client.session = answer.session;
    assert!(client.session.is_some());
    super::soon(|| world.upstream.seen().iter().any(|seen| seen.method == Method::DELETE && !seen.own)).await;
    let after = client.post(super::call(2, "echo", &json!({}))).await.unwrap();
    assert_eq!(after.status, 404, "{after:?}");
    let events = world.gateway.events();
    assert!(of_type(&events, "session.closed").iter().any(|event| event["reason"] == "upstream"), "{events:#?}");
}
