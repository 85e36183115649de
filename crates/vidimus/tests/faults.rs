//! What a server can do wrong on the wire, what the client is then told, and what outcome is on record.
//!
//! The server is a script that speaks HTTP by hand, so that it can break it at every place: faults that no real server
//! makes on demand. The manual's table ("When a server misbehaves") is held by this file and by `lifecycle/answers.rs`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::evidence::{of_type, outcome};
use common::issuer::Issuer;
use common::{Client, Gateway, Setup};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it does when a tool is called. `ID` stands for the id of the request.
#[derive(Debug, Clone)]
enum Act {
    /// Says this and closes the connection.
    Say(String),
    /// Says this and stays.
    Stay(String),
    /// Says this, then the other again and again.
    Repeat(String, &'static str),
}

use Act::{Repeat, Say, Stay};

fn with_status(status: &str, headers: &str, body: &str) -> String {
    // The id of the request takes as many bytes as what stands for it.
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn answer(body: &str) -> String {
    with_status("200 OK", "", body)
}

const RESULT: &str = r#"{"jsonrpc":"2.0","id":ID,"result":{"content":[]}}"#;
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

const NOT_MCP: &str = "the target's answer is not MCP";
const BROKE: &str = "the connection to the target broke; the call may have been carried out";
const BROKE_OFF: &str = "the target's answer broke off";
const LATE: &str = "the target did not answer in time";
const TOO_LARGE: &str = "the target's answer is larger than 65536 bytes";

/// Name, what the server does, what the client is told, the outcome.
fn faults(elsewhere: u16) -> Vec<(&'static str, Act, &'static str, &'static str)> {
    let redirect = format!("location: http://127.0.0.1:{elsewhere}/mcp\r\n");
    vec![
        // No answer at all, or none that is HTTP.
        ("closes", Say(String::new()), BROKE, "upstream"),
        ("closes-in-head", Say("HTTP/1.1 200 OK\r\ncontent-".into()), BROKE, "upstream"),
        ("greets", Say("220 mail.example ESMTP\r\n".into()), BROKE, "upstream"),
        ("zeroes", Say("\0\0\0\0\r\n\r\n".into()), BROKE, "upstream"),
        ("old-http", Say("<h1>It works</h1>\r\n\r\n".into()), BROKE, "upstream"),
        ("folds", Say(format!("HTTP/1.1 200 OK\r\nx: a\r\n b\r\n\r\n{RESULT}")), BROKE, "upstream"),
        (
            "two-lengths",
            Say(answer(RESULT).replacen("content-length", "content-length: 1\r\ncontent-length", 1)),
            BROKE,
            "upstream",
        ),
        (
            "many-headers",
            Say(answer(RESULT).replacen("content-type", &("x: a\r\n".repeat(500) + "content-type"), 1)),
            BROKE,
            "upstream",
        ),
        ("endless-head", Repeat("HTTP/1.1 200 OK\r\n".into(), "x-more: aaaaaaaaaaaaaaaa\r\n"), BROKE, "upstream"),
        (
            "switches",
            Stay("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".into()),
            "the target answered with status 101 Switching Protocols",
            "upstream",
        ),
        ("hangs", Stay(String::new()), LATE, "timeout"),
        ("continues", Repeat(String::new(), "HTTP/1.1 100 Continue\r\n\r\n"), LATE, "timeout"),
        // Another status.
        (
            "no-content",
            Say("HTTP/1.1 204 No Content\r\n\r\n".into()),
            "the target answered with status 204 No Content",
            "upstream",
        ),
        ("unauthorized", Say(with_status("401 Unauthorized", "", "{}")), NOT_MCP, "upstream"),
        ("moved", Say(with_status("308 Permanent Redirect", &redirect, "")), NOT_MCP, "upstream"),
        (
            "found",
            Say(format!("HTTP/1.1 302 Found\r\n{redirect}content-length: 0\r\n\r\n")),
            "the target answered with status 302 Found",
            "upstream",
        ),
        (
            "fails-with-result",
            Say(with_status("500 Internal Server Error", "", RESULT)),
            "the target answered with status 500 Internal Server Error",
            "upstream",
        ),
        // Another body.
        ("empty", Say(answer("")), NOT_MCP, "upstream"),
        ("batch", Say(answer(&format!("[{RESULT}]"))), NOT_MCP, "upstream"),
        ("no-id", Say(answer(&RESULT.replace("\"id\":ID,", ""))), NOT_MCP, "upstream"),
        ("null-id", Say(answer(&RESULT.replace("ID", "null"))), NOT_MCP, "upstream"),
        ("text-id", Say(answer(&RESULT.replace("ID", "\"ID\""))), NOT_MCP, "upstream"),
        (
            "both",
            Say(answer(&RESULT.replace("\"result\"", "\"error\":{\"code\":1,\"message\":\"x\"},\"result\""))),
            NOT_MCP,
            "upstream",
        ),
        ("twice-in-one", Say(answer(&format!("{RESULT}{RESULT}"))), NOT_MCP, "upstream"),
        ("shorter", Say(answer(RESULT).replacen("content-length: ", "content-length: 9", 1)), BROKE_OFF, "upstream"),
        ("cut-chunk", Say(format!("{CHUNKED}ff\r\n{RESULT}")), BROKE_OFF, "upstream"),
        ("bad-chunk", Say(format!("{CHUNKED}zz\r\n{RESULT}\r\n0\r\n\r\n")), BROKE_OFF, "upstream"),
        ("large", Say(answer(&format!("{}{RESULT}", " ".repeat(70 << 10)))), TOO_LARGE, "upstream"),
        // Streams.
        ("cut-stream", Say(EVENTS.into()), BROKE_OFF, "upstream"),
        ("no-stream", Say(format!("{EVENTS}{RESULT}\n\n")), BROKE_OFF, "upstream"),
        ("other-id", Say(format!("{EVENTS}data: {}\n\n", RESULT.replace("ID", "99"))), NOT_MCP, "upstream"),
        (
            "large-event",
            Repeat(
                format!("{EVENTS}data: "),
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            NOT_MCP,
            "upstream",
        ),
        ("silent-stream", Stay(EVENTS.into()), "the target's answer stopped for 1s", "timeout"),
        ("comments", Repeat(EVENTS.into(), ": on\n\n"), "the target's answer stopped for 1s", "timeout"),
        (
            "drips",
            Repeat("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n".into(), " "),
            "the target's answer was not complete after 3s",
            "timeout",
        ),
    ]
}

/// The server: what it does by tool, and the names that were called, in order.
struct Script {
    acts: Vec<(&'static str, Act)>,
    called: Mutex<Vec<String>>,
}

impl Script {
    async fn start(acts: Vec<(&'static str, Act)>) -> (Arc<Self>, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Self { acts, called: Mutex::default() });
        let serving = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = Arc::clone(&serving);
                tokio::spawn(async move { script.serve(stream).await });
            }
        });
        (script, port)
    }

    fn count(&self, name: &str) -> usize {
        self.called.lock().unwrap().iter().filter(|called| *called == name).count()
    }

    /// Answers requests until one breaks the connection. Nothing here reports an error: the gateway may close at any time.
    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut received = Vec::new();
        loop {
            let (head, body) = loop {
                if let Some((head, body)) = request(&mut received) {
                    break (head, body);
                }
                if stream.read_buf(&mut received).await.ok()? == 0 {
                    return None;
                }
            };
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            let id = message["id"].to_string();
            let said = match message["method"].as_str().unwrap_or_default() {
                _ if head.starts_with("GET") => {
                    "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n".to_owned()
                }
                "initialize" => {
                    let version = &message["params"]["protocolVersion"];
                    let info = json!({ "name": "script", "version": "1" });
                    let result =
                        json!({ "protocolVersion": version, "capabilities": { "tools": {} }, "serverInfo": info });
                    let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
                    with_status("200 OK", "mcp-session-id: s-1\r\n", &body.to_string())
                }
                "tools/list" => {
                    let names = self.acts.iter().map(|(name, _)| *name).chain(["good"]);
                    let tools: Vec<_> =
                        names.map(|name| json!({ "name": name, "inputSchema": { "type": "object" } })).collect();
                    answer(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": { "tools": tools } }).to_string())
                }
                "tools/call" => {
                    let name = message["params"]["name"].as_str().unwrap_or_default();
                    self.called.lock().unwrap().push(name.to_owned());
                    match self.acts.iter().find(|(own, _)| *own == name) {
                        None => answer(&RESULT.replace("ID", &id)),
                        Some((_, act)) => return act.play(&mut stream, &id).await,
                    }
                }
                _ => "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned(),
            };
            stream.write_all(said.as_bytes()).await.ok()?;
        }
    }
}

impl Act {
    async fn play(&self, stream: &mut TcpStream, id: &str) -> Option<()> {
        // Of two digits, as `ID` is: lengths stay.
        assert_eq!(id.len(), 2, "{id}");
        match self {
            Say(text) => stream.write_all(text.replace("ID", id).as_bytes()).await.ok(),
            Stay(text) => {
                stream.write_all(text.replace("ID", id).as_bytes()).await.ok()?;
                while stream.read(&mut [0; 1024]).await.ok()? > 0 {}
                None
            }
            Repeat(text, more) => {
                stream.write_all(text.as_bytes()).await.ok()?;
                let more = if more.len() > 8 { more.repeat(640) } else { (*more).to_owned() };
                loop {
                    stream.write_all(more.as_bytes()).await.ok()?;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }
}

/// The next request of what was received.
fn request(received: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase().replacen("get ", "GET ", 1);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    if received.len() < end + length {
        return None;
    }
    let body = received[end..end + length].to_vec();
    received.drain(..end + length);
    Some((head, body))
}

async fn world(acts: Vec<(&'static str, Act)>) -> (Arc<Script>, Gateway, Client) {
    let issuer = Issuer::start();
    let (script, port) = Script::start(acts).await;
    let setup = Setup {
        target_lines: "request_timeout = \"1s\"\ncall_timeout = \"3s\"",
        tables: "[limits]\nresponse_bytes = \"64KiB\"",
        ..Setup::new(format!("http://127.0.0.1:{port}/mcp"))
    };
    let gateway = Gateway::start(&setup, issuer.url());
    let client = Client::open(gateway.url(), issuer.token("alice")).await;
    (script, gateway, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_told_recorded_and_costs_one_call() {
    let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let faults = faults(elsewhere.local_addr().unwrap().port());
    let (script, gateway, client) = world(faults.iter().map(|(name, act, ..)| (*name, act.clone())).collect()).await;
    let mut wrong = Vec::new();
    for (id, (name, _, told, _)) in (10..).zip(&faults) {
        let answer = client.call(id, name, "{}").await;
        let expected = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32603, "message": told } });
        match &answer {
            Ok(answer) if *answer == expected => {}
            other => wrong.push(format!("{name}: expected `{told}`, got {other:?}")),
        }
        if script.count(name) != 1 {
            wrong.push(format!("{name}: the call came {} times", script.count(name)));
        }
        // The session lives, and the next answer is its own.
        match client.call(id, "good", "{}").await {
            Ok(answer) if answer["id"] == id && answer["result"].is_object() => {}
            other => wrong.push(format!("after {name}: {other:?}")),
        }
    }
    let events = gateway.events();
    for (name, _, _, status) in &faults {
        let found = outcome(&events, &format!("everything/{name}"));
        if found != Some(*status) {
            wrong.push(format!("{name}: the outcome is {found:?}, not {status}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), faults.len(), wrong.join("\n"));
    let followed = tokio::time::timeout(Duration::from_millis(100), elsewhere.accept()).await;
    assert!(followed.is_err(), "a redirect was followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_nobody_asked_for_is_nobodys() {
    // Two answers to one request: the second must not become the answer to the next.
    let evil = RESULT.replace("[]", r#"[{"type":"text","text":"planted"}]"#);
    let two = format!("{}{}", answer(RESULT), answer(&evil.replace("ID", "11")));
    let (_, gateway, client) = world(vec![("plants", Stay(two))]).await;
    let first = client.call(10, "plants", "{}").await.unwrap();
    assert!(first["result"].is_object() && !first.to_string().contains("planted"), "{first}");
    let second = client.call(11, "good", "{}").await.unwrap();
    assert!(second["result"].is_object() && !second.to_string().contains("planted"), "{second}");
    assert_eq!(outcome(&gateway.events(), "everything/plants"), Some("ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_400_of_every_session_it_has_forgotten_costs_a_new_one() {
    // What the SDKs' examples answer: not 404, and an error that answers nothing.
    let body = r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID"},"id":null}"#;
    let refusal = Say(with_status("400 Bad Request", "", body));
    let said = Say(with_status(
        "400 Bad Request",
        "",
        &RESULT.replace("\"result\":{\"content\":[]}", "\"error\":{\"code\":-32602,\"message\":\"bad\"}"),
    ));
    let (_, gateway, client) = world(vec![("forgot", refusal), ("bad", said)]).await;
    // One may be meant for the message; what answers the request is an answer; a good one in between settles it.
    for (id, tool) in (10..).zip(["forgot", "good", "bad", "bad", "forgot", "bad"]) {
        let answer = client.call(id, tool, "{}").await.unwrap();
        let code = match tool {
            "forgot" => json!(-32000),
            "bad" => json!(-32602),
            _ => Value::Null,
        };
        assert_eq!(answer["error"]["code"], code, "{tool}: {answer}");
        assert_eq!(answer["id"], id, "the client finds its answer by the id that it gave: {answer}");
    }
    // Two in a row are meant for the session.
    assert_eq!(client.call(20, "forgot", "{}").await.unwrap()["error"]["code"], -32000);
    let lost =
        client.post(r#"{"jsonrpc":"2.0","id":21,"method":"tools/call","params":{"name":"forgot","arguments":{}}}"#);
    let lost = lost.await.unwrap();
    assert_eq!(lost.status, StatusCode::NOT_FOUND, "{lost:?}");
    assert!(lost.text.contains("the target has forgotten the session"), "{lost:?}");
    let again = Client::open(gateway.url(), client.token.clone()).await;
    assert!(again.call(22, "good", "{}").await.unwrap()["result"].is_object());
    let after = client.post(r#"{"jsonrpc":"2.0","id":23,"method":"ping"}"#).await.unwrap();
    assert_eq!(after.status, StatusCode::NOT_FOUND, "{after:?}");
    let events = gateway.events();
    assert!(of_type(&events, "session.closed").iter().any(|event| event["reason"] == "upstream"), "{events:#?}");
}
