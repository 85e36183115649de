//! What a server that speaks HTTP with SSE can do wrong, what its client is told, and what outcome is on record.
//!
//! The server is a script that speaks HTTP by hand. What it does at the beginning of a stream is said by the path of the
//! target, what it does at a call by the tool. The manual's table ("When a server misbehaves") is held by this file too.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::common::evidence::outcome;
use crate::common::issuer::Issuer;
use crate::common::{Client, Gateway, Setup, send_modern};

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 8\r\n\r\nAccepted";
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
const FAILED: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";

const NO_ENDPOINT: &str = "the target has no SSE endpoint at its address";
const NO_ADDRESS: &str = "the target did not say where messages go";
const FOREIGN: &str = "the target wants messages sent to another origin";

/// Target, what the client is told at `initialize`, and the outcome.
const AT_THE_BEGINNING: [(&str, &str, &str); 10] = [
    ("silent", "the target did not answer in time", "timeout"),
    ("other-event", NO_ADDRESS, "upstream"),
    ("ends", NO_ADDRESS, "upstream"),
    ("endless", NO_ADDRESS, "upstream"),
    ("foreign", FOREIGN, "upstream"),
    ("foreign-host", FOREIGN, "upstream"),
    ("page", NO_ENDPOINT, "upstream"),
    ("no-get", NO_ENDPOINT, "upstream"),
    ("redirects", NO_ENDPOINT, "upstream"),
    ("refuses-posts", "the target answered with status 500 Internal Server Error", "upstream"),
];

/// Tool, what the client is told, and the outcome.
const AT_A_CALL: [(&str, &str, &str); 6] = [
    ("dies", "the target's answer broke off", "upstream"),
    ("other-id", "the target's answer stopped for 1s", "timeout"),
    ("fails", "the target answered with status 500 Internal Server Error", "upstream"),
    ("forgets", "the target has forgotten the session; start a new one", "upstream"),
    ("unreadable", "the target's answer is not MCP", "upstream"),
    ("large", "the target's answer broke off", "upstream"),
];

#[derive(Default)]
struct Script {
    /// What is to be said on streams; nothing more ends one.
    streams: Mutex<HashMap<u64, mpsc::Sender<String>>>,
    elsewhere: u16,
}

impl Script {
    async fn start(elsewhere: u16) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Self { elsewhere, ..Self::default() });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&script);
                tokio::spawn(async move { script.serve(stream).await });
            }
        });
        port
    }

    /// Answers requests until one breaks the connection. Nothing here reports an error: the gateway may close at any time.
    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut received = Vec::new();
        loop {
            let (head, body) = loop {
                if let Some(request) = request(&mut received) {
                    break request;
                }
                if stream.read_buf(&mut received).await.ok()? == 0 {
                    return None;
                }
            };
            let path = head.split(' ').nth(1)?.to_owned();
            if head.starts_with("GET") {
                return self.begin(stream, path.strip_prefix('/')?).await;
            }
            let said = self.posted(&path, &serde_json::from_slice(&body).unwrap_or_default()).await?;
            stream.write_all(said.as_bytes()).await.ok()?;
        }
    }

    async fn begin(&self, mut stream: TcpStream, how: &str) -> Option<()> {
        let elsewhere = self.elsewhere;
        let said = match how {
            "silent" => {
                stream.write_all(format!("{EVENTS}: wait\n\n").as_bytes()).await.ok()?;
                while stream.read(&mut [0; 1024]).await.ok()? > 0 {}
                return None;
            }
            "endless" => {
                stream.write_all(format!("{EVENTS}event: endpoint\ndata: /").as_bytes()).await.ok()?;
                loop {
                    stream.write_all("a".repeat(8_192).as_bytes()).await.ok()?;
                }
            }
            "other-event" => format!("{EVENTS}data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}}\n\n"),
            "ends" => EVENTS.to_owned(),
            "foreign" => format!("{EVENTS}event: endpoint\ndata: http://127.0.0.1:{elsewhere}/m\n\n"),
            "foreign-host" => format!("{EVENTS}event: endpoint\ndata: //localhost:{elsewhere}/m\n\n"),
            "page" => "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi".to_owned(),
            "no-get" => "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "redirects" => format!(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{elsewhere}/\r\ncontent-length: 0\r\n\r\n"
            ),
            "refuses-posts" => {
                stream.write_all(format!("{EVENTS}event: endpoint\ndata: /refuse\n\n").as_bytes()).await.ok()?;
                while stream.read(&mut [0; 1024]).await.ok()? > 0 {}
                return None;
            }
            _ => return self.stay(stream).await,
        };
        stream.write_all(said.as_bytes()).await.ok()
    }

    async fn stay(&self, mut stream: TcpStream) -> Option<()> {
        let (sender, mut receiver) = mpsc::channel(8);
        let number = {
            let mut streams = self.streams.lock().unwrap();
            let number = u64::try_from(streams.len()).unwrap();
            streams.insert(number, sender);
            number
        };
        stream.write_all(format!("{EVENTS}event: endpoint\ndata: /m?{number}\n\n").as_bytes()).await.ok()?;
        while let Some(text) = receiver.recv().await {
            if text.is_empty() {
                return None;
            }
            stream.write_all(text.as_bytes()).await.ok()?;
        }
        None
    }

    async fn posted(&self, path: &str, message: &Value) -> Option<&'static str> {
        let Some(number) = path.strip_prefix("/m?") else { return Some(FAILED) };
        let sender = self.streams.lock().unwrap().get(&number.parse::<u64>().ok()?)?.clone();
        let id = &message["id"];
        let result = |result: Value| format!("data: {}\n\n", json!({ "jsonrpc": "2.0", "id": id, "result": result }));
        let said = match message["method"].as_str().unwrap_or_default() {
            "initialize" => result(json!({
                "protocolVersion": "2024-11-05", "capabilities": { "tools": {} },
                "serverInfo": { "name": "script", "version": "1" },
            })),
            "tools/list" => {
                let names =
                    AT_A_CALL.iter().map(|(name, ..)| *name).chain(["good", "twice", "posted-late", "posted-never"]);
                let tools: Vec<_> =
                    names.map(|name| json!({ "name": name, "inputSchema": { "type": "object" } })).collect();
                result(json!({ "tools": tools }))
            }
            "tools/call" => {
                let good = result(json!({ "content": [] }));
                match message["params"]["name"].as_str().unwrap_or_default() {
                    "dies" => String::new(),
                    "other-id" => good.replace(&format!("\"id\":{id}"), "\"id\":\"99\""),
                    "fails" => return Some(FAILED),
                    "forgets" => return Some(NOT_FOUND),
                    "unreadable" => format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"id\":1,\"result\":{{}}}}\n\n"),
                    "large" => format!("data: {}\n\n", "x".repeat(70 << 10)),
                    "twice" => format!("{good}{}", good.replace("[]", r#"[{"type":"text","text":"planted"}]"#)),
                    _ => good,
                }
            }
            _ => return Some(ACCEPTED),
        };
        sender.send(said).await.ok()?;
        // As servers do that answer a POST when they have done what it asks, or fail after it.
        match message["params"]["name"].as_str() {
            Some("posted-late") => tokio::time::sleep(Duration::from_secs(5)).await,
            Some("posted-never") => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                return None;
            }
            _ => {}
        }
        Some(ACCEPTED)
    }
}

/// The next request of what was received.
fn request(received: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let length = length.unwrap_or(0);
    if received.len() < end + length {
        return None;
    }
    let body = received[end..end + length].to_vec();
    received.drain(..end + length);
    Some((head, body))
}

struct World {
    issuer: Issuer,
    gateway: Gateway,
    elsewhere: TcpListener,
}

impl World {
    async fn start() -> Self {
        let issuer = Issuer::start();
        let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = Script::start(elsewhere.local_addr().unwrap().port()).await;
        let lines = "transport = \"sse\"\nrequest_timeout = \"1s\"\ncall_timeout = \"3s\"";
        let mut tables = "[limits]\nresponse_bytes = \"64KiB\"\n".to_owned();
        for (name, ..) in AT_THE_BEGINNING {
            writeln!(tables, "[targets.{name}]\nprotocol = \"mcp\"\nurl = \"http://127.0.0.1:{port}/{name}\"\n{lines}")
                .unwrap();
        }
        let setup =
            Setup { target_lines: lines, tables: &tables, ..Setup::new(format!("http://127.0.0.1:{port}/good")) };
        let gateway = Gateway::start(&setup, issuer.url());
        Self { issuer, gateway, elsewhere }
    }

    fn client(&self, target: &str) -> Client {
        let url = format!("http://127.0.0.1:{}/mcp/{target}", self.gateway.port);
        Client::new(url, self.issuer.token("alice"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_does_not_begin_as_it_should_opens_no_session() {
    let world = World::start().await;
    let hello = r#"{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
    let mut wrong = Vec::new();
    for (target, told, _) in AT_THE_BEGINNING {
        let answer = world.client(target).post(hello).await.unwrap();
        let expected = json!({ "jsonrpc": "2.0", "id": 7, "error": { "code": -32603, "message": told } });
        if answer.status != StatusCode::BAD_GATEWAY || answer.json() != expected || answer.session.is_some() {
            wrong.push(format!("{target}: expected `{told}`, got {answer:?}"));
        }
    }
    let events = world.gateway.events();
    for (target, _, status) in AT_THE_BEGINNING {
        let is_hello =
            |event: &&Value| event["type"] == "operation.outcome" && event["operation"]["action"] == "initialize";
        let of_target = |event: &&Value| {
            let opened =
                events.iter().find(|other| other["type"] == "session.opened" && other["session"] == event["session"]);
            opened.is_some_and(|opened| opened["target"]["name"] == target || opened["target"] == target)
        };
        let found: Vec<_> =
            events.iter().filter(is_hello).filter(of_target).map(|event| &event["outcome"]["status"]).collect();
        if found.is_empty() || found.iter().any(|found| **found != status) {
            wrong.push(format!("{target}: the outcomes are {found:?}, not {status}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let followed = tokio::time::timeout(Duration::from_millis(100), world.elsewhere.accept()).await;
    assert!(followed.is_err(), "something went to another origin");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_at_a_call_is_told_and_recorded() {
    let world = World::start().await;
    let mut wrong = Vec::new();
    for (tool, told, _) in AT_A_CALL {
        let client = Client::open(world.client("everything").url, world.issuer.token("alice")).await;
        let body =
            json!({ "jsonrpc": "2.0", "id": 10, "method": "tools/call", "params": { "name": tool, "arguments": {} } });
        let answer = client.post(body.to_string()).await.unwrap();
        let expected = json!({ "jsonrpc": "2.0", "id": 10, "error": { "code": -32603, "message": told } });
        if answer.json() != expected {
            wrong.push(format!("{tool}: expected `{told}`, got {answer:?}"));
        }
        // The session lives, or is gone as a whole.
        let is_lost = matches!(tool, "dies" | "forgets" | "large");
        let next = client.post(body.to_string().replace(tool, "good").replace("10", "11")).await.unwrap();
        let status = if is_lost { StatusCode::NOT_FOUND } else { StatusCode::OK };
        if next.status != status || (!is_lost && !next.json()["result"].is_object()) {
            wrong.push(format!("after {tool}: {next:?}"));
        }
    }
    let events = world.gateway.events();
    for (tool, _, status) in AT_A_CALL {
        let found = outcome(&events, &format!("everything/{tool}"));
        if found != Some(status) {
            wrong.push(format!("{tool}: the outcome is {found:?}, not {status}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), world.gateway.process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_not_kept_waiting_for_the_end_of_its_post() {
    let world = World::start().await;
    let client = Client::open(world.client("everything").url, world.issuer.token("alice")).await;
    for (id, tool) in [(20, "posted-late"), (21, "posted-never"), (22, "good"), (23, "posted-never")] {
        let answer = client.call(id, tool, "{}").await.unwrap();
        assert!(answer["id"] == id && answer["result"].is_object(), "{tool}: {answer}");
        assert_eq!(outcome(&world.gateway.events(), &format!("everything/{tool}")), Some("ok"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_nobody_asked_for_is_nobodys_and_clients_of_another_era_are_told() {
    let world = World::start().await;
    let client = Client::open(world.client("everything").url, world.issuer.token("alice")).await;
    for id in 20..24 {
        let answer = client.call(id, "twice", "{}").await.unwrap();
        assert!(answer["id"] == id && !answer.to_string().contains("planted"), "{answer}");
    }
    // As in front of any server that has sessions: the newest era is not spoken there.
    let modern = send_modern(&client, "tools/list", "", "").await;
    assert!(modern.status.is_client_error() || modern.json()["error"].is_object(), "{modern:?}");
}
