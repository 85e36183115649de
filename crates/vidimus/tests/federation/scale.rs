//! Fifty servers of a hundred tools each, behind one endpoint: how long, and how much memory. The figures are printed
//! (`cargo nextest run -p vidimus --test federation fifty --no-capture`); what is checked is that the lists are whole, and
//! that none of it takes as long as somebody would notice as a fault.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::common::issuer::Issuer;
use crate::common::{ALLOW_ALL, Client, Gateway, Setup};
use crate::{LIST, names};

const SERVERS: usize = 50;
const TOOLS: usize = 100;
const CLIENTS: usize = 10;

/// Far more than it takes, on a machine that does other things too.
const LIMIT: Duration = Duration::from_mins(1);

/// All servers on one port: each has a path of its own.
async fn servers() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tools: Vec<Value> = (0..TOOLS)
        .map(|number| {
            let properties = json!({ "query": { "type": "string", "description": "What to look for" },
                "limit": { "type": "integer", "minimum": 1 } });
            json!({ "name": format!("look_up_{number}"), "description": "Looks something up. ".repeat(10),
                "inputSchema": { "type": "object", "properties": properties, "required": ["query"] } })
        })
        .collect();
    let tools = json!({ "tools": tools });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tools = tools.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let tools = tools.clone();
                    async move { Ok::<_, Infallible>(answer(request, tools).await) }
                });
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    port
}

async fn answer(request: Request<Incoming>, tools: Value) -> Response<Full<Bytes>> {
    let is_post = request.method() == Method::POST;
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({ "protocolVersion": "2025-06-18", "capabilities": { "tools": {} },
            "serverInfo": { "name": "one of many", "version": "1" } }),
        "tools/list" => tools,
        "tools/call" => json!({ "content": [{ "type": "text", "text": "found" }] }),
        _ => Value::Null,
    };
    let mut response = Response::new(Full::default());
    if !is_post || result.is_null() {
        *response.status_mut() = if is_post { StatusCode::ACCEPTED } else { StatusCode::METHOD_NOT_ALLOWED };
        return response;
    }
    let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string();
    let mut response = Response::new(Full::from(body));
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    response
}

/// KiB of memory that the process has in use.
fn resident(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_servers_of_a_hundred_tools_are_one_list() {
    let (port, issuer) = (servers().await, Issuer::start());
    let mut tables = String::new();
    for number in 1..SERVERS {
        let url = format!("http://127.0.0.1:{port}/{number}");
        write!(tables, "[targets.s{number}]\nprotocol = \"mcp\"\nurl = \"{url}\"\n").unwrap();
    }
    let setup = Setup {
        target: "s0",
        tables: &tables,
        policies: ALLOW_ALL,
        ..Setup::new(format!("http://127.0.0.1:{port}/0"))
    };
    let begun = Instant::now();
    let gateway = Gateway::start(&setup, issuer.url());
    let started = begun.elapsed();
    let at_first = resident(&gateway);
    let url = format!("http://127.0.0.1:{}/mcp", gateway.port);

    let begun = Instant::now();
    let client = Client::open(&url, issuer.token("alice")).await;
    let welcomed = begun.elapsed();
    let mut lists = Vec::new();
    let mut bytes = 0;
    for _ in 0..3 {
        let begun = Instant::now();
        let answer = client.post(LIST).await.unwrap();
        lists.push(begun.elapsed());
        bytes = answer.text.len();
        let list = answer.json();
        assert_eq!(names(&list).len(), SERVERS * TOOLS, "{}", list["result"]["_meta"]);
    }
    let with_one = resident(&gateway);
    let begun = Instant::now();
    let called = client.call(2, "s49_look_up_99", r#"{"query":"x"}"#).await.unwrap();
    let call = begun.elapsed();
    assert_eq!(called["result"]["content"][0]["text"], json!("found"), "{called}");

    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let client = Client::open(&url, issuer.token(if number % 2 == 0 { "alice" } else { "bob" })).await;
        drop(client.post(LIST).await.unwrap());
        clients.push(client);
    }
    let with_many = resident(&gateway);
    println!("{SERVERS} servers of {TOOLS} tools: the gateway starts in {started:?}, with {at_first} KiB resident");
    println!(
        "initialize {welcomed:?}; tools/list of {bytes} bytes: first {:?}, then {:?} and {:?}; a call {call:?}",
        lists[0], lists[1], lists[2]
    );
    println!(
        "resident: {with_one} KiB after three lists, {with_many} KiB with {CLIENTS} clients more ({} KiB each)",
        with_many.saturating_sub(with_one) / CLIENTS as u64
    );
    assert!(lists.iter().all(|list| *list < LIMIT), "{lists:?}");
}
