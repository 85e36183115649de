//! `/log/`: the log as outsiders read it over HTTP, and who may read what of it.
#![expect(clippy::indexing_slicing, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use vidimus_log::tree::verify_inclusion;
use vidimus_log::{Checkpoint, Hash, VerifierKey};

use super::SOON;
use super::common::evidence::of_type;
use super::common::issuer::Issuer;
use super::common::upstream::Upstream;
use super::common::{ALLOW_ALL, Gateway, Setup};

/// Alice may read the log.
const READER: &str =
    r#"@id("reader") permit (principal == User::"corp|alice", action == Action::"log.read", resource);"#;

struct Got {
    status: u16,
    head: String,
    body: Vec<u8>,
}

fn request(gateway: &Gateway, line: &str, headers: &str) -> Got {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "{line} HTTP/1.1\r\n{headers}connection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
    Got { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body: bytes[end + 4..].to_vec() }
}

fn get(gateway: &Gateway, name: &str, token: Option<&str>) -> Got {
    let host = format!("host: 127.0.0.1:{}\r\n", gateway.port);
    let token = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    request(gateway, &format!("GET /log/{name}"), &format!("{host}{token}"))
}

async fn gateway(tables: &str) -> (Gateway, Issuer, Upstream) {
    let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
    let policies = format!("{ALLOW_ALL}\n{READER}");
    let setup = Setup { policies: &policies, tables, ..Setup::new(upstream.url()) };
    let gateway = Gateway::start(&setup, issuer.url());
    (gateway, issuer, upstream)
}

/// The first checkpoint of some entries that `token` is shown, by the log's key: one is signed about once a second.
fn checkpoint(gateway: &Gateway, token: Option<&str>) -> (Checkpoint, String) {
    let key: VerifierKey = gateway.api("/v1/log/status")["key"].as_str().unwrap().parse().unwrap();
    let begun = Instant::now();
    loop {
        let got = get(gateway, "checkpoint", token);
        assert_eq!(got.status, 200, "{}", got.head);
        assert!(got.head.contains("content-type: text/plain; charset=utf-8"), "{}", got.head);
        let body = String::from_utf8(got.body).unwrap();
        let checkpoint = Checkpoint::open(&body, std::slice::from_ref(&key)).unwrap();
        if checkpoint.size > 1 {
            return (checkpoint, got.head);
        }
        assert!(begun.elapsed() < SOON, "{body}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The leaves of a bundle (tlog-tiles, "Log entries").
fn leaves(mut bundle: &[u8]) -> Vec<&[u8]> {
    let mut leaves = Vec::new();
    while let [high, low, rest @ ..] = bundle {
        let (leaf, rest) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        leaves.push(leaf);
        bundle = rest;
    }
    leaves
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_need_log_read_even_where_hashes_are_public() {
    let (gateway, issuer, _upstream) = gateway("[log]\npublic = true").await;
    let (alice, bob) = (issuer.token("alice"), issuer.token_with(json!({ "sub": "bob" })));
    let (checkpoint, head) = checkpoint(&gateway, None);
    assert!(head.contains("cache-control: public, max-age=1\r\n"), "{head}");
    let width = checkpoint.size;
    assert!((2..256).contains(&width), "{width}");
    let hashes = get(&gateway, &format!("tile/0/000.p/{width}"), None);
    assert_eq!(hashes.status, 200);
    assert!(hashes.head.contains("content-type: application/octet-stream"), "{}", hashes.head);
    assert!(hashes.head.contains("cache-control: public, max-age=31536000, immutable"), "{}", hashes.head);
    let hashes: Vec<Hash> = hashes.body.as_chunks().0.iter().map(|hash| Hash(*hash)).collect();
    assert_eq!(hashes.len(), usize::try_from(width).unwrap());

    let bundle = format!("tile/entries/000.p/{width}");
    let got = get(&gateway, &bundle, None);
    assert!(got.status == 401 && got.head.contains("www-authenticate: bearer"), "{}", got.head);
    assert_eq!(get(&gateway, &bundle, Some(&bob)).status, 403);
    let entries = get(&gateway, &bundle, Some(&alice));
    assert!(entries.status == 200 && entries.head.contains("cache-control: private,"), "{}", entries.head);
    let entries = leaves(&entries.body);
    let hashed: Vec<Hash> = entries.iter().map(|leaf| Hash::of_leaf(leaf)).collect();
    assert_eq!(hashed, hashes, "the entries are those that the checkpoint covers");
    // One leaf in the tree of two, as far as that takes only what was fetched.
    let (first, second) = (hashes[0], hashes[1]);
    assert!(verify_inclusion(&first, 0, 2, &[second], &Hash::of_node(&first, &second)));

    let events = gateway.events();
    let viewed = of_type(&events, "recording.viewed").into_iter().filter(|event| event["who"] == "corp|alice");
    assert_eq!(viewed.map(|event| &event["read"]["what"]).collect::<Vec<_>>(), ["entries"]);
    let denied = of_type(&events, "operation.denied").into_iter().filter(|event| event["who"] == "corp|bob");
    assert_eq!(denied.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_public_unless_it_is_made_so() {
    let (gateway, issuer, _upstream) = gateway("").await;
    let alice = issuer.token("alice");
    let (newest, head) = checkpoint(&gateway, Some(&alice));
    assert!(head.contains("cache-control: private, max-age=1\r\n") && head.contains("vary: authorization"), "{head}");
    let tile = format!("tile/0/000.p/{}", newest.size);
    for name in ["checkpoint", &tile, "keys", ""] {
        assert_eq!(get(&gateway, name, None).status, 401, "{name}");
    }
    assert_eq!(get(&gateway, &tile, Some(&alice)).status, 200);
    for name in
        ["", "keys", "cosigned", "../journal/state", "%2e%2e/journal/state", "tile/0/999", "tile/9/000", "checkpoint/"]
    {
        assert_eq!(get(&gateway, name, Some(&alice)).status, 404, "{name}");
    }
    let host = format!("host: 127.0.0.1:{}\r\nauthorization: Bearer {alice}\r\n", gateway.port);
    assert_eq!(request(&gateway, "POST /log/checkpoint", &host).status, 405);
    assert_eq!(request(&gateway, "GET /log/checkpoint", "host: evil.example\r\n").status, 403);
    assert_eq!(request(&gateway, "GET /logs/checkpoint", &host).status, 404);
}
