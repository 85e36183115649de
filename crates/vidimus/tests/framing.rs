//! Where one request ends and the next begins: each trick is refused, or read in one way, and the target gets what was read
//! once and nothing besides (RFC 9112 §11.2, "Request Smuggling").
//!
//! Each case is a good call in a bad frame, from an address of its own, often with a second call hidden behind it. What the
//! target got is counted by a word in the call that no other case has.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::net::Ipv4Addr;

use common::issuer::Issuer;
use common::raw;
use common::upstream::Upstream;
use common::{Client, Gateway, INJECTED_HEADER, Setup};

/// What must become of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// The call reaches the target once, and its answer is the last on the connection.
    Once,
    /// It does not, and the sender is told this, or nothing.
    Refused(u16),
}

/// The length of a chunk as it stands before it.
fn hex(text: &str) -> String {
    format!("{:x}", text.len())
}

struct Cases {
    port: u16,
    token: String,
    session: String,
    all: Vec<(&'static str, Vec<u8>, Read)>,
}

impl Cases {
    /// The call of the case that comes next, and the one hidden behind it.
    fn bodies(&self) -> (String, String) {
        let call = |word: &str| {
            let number = self.all.len();
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{word}-{number}-"}}}}}}"#
            )
        };
        (call("read"), call("hidden"))
    }

    /// The head of a good call with these lines, the blank one not included.
    fn head(&self, line: &str, more: &str) -> String {
        format!(
            "{line}\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMcp-Session-Id: {}\r\n{more}",
            self.port, self.token, self.session
        )
    }

    /// A case whose frame is `lines`, and whose body is made of the call. `hides` puts a whole second request behind it.
    fn add(&mut self, name: &'static str, lines: &str, body: impl Fn(&str) -> String, hides: bool, read: Read) {
        self.add_as(name, "POST /mcp/everything HTTP/1.1", lines, body, hides, read);
    }

    fn add_as(
        &mut self,
        name: &'static str,
        line: &str,
        lines: &str,
        body: impl Fn(&str) -> String,
        hides: bool,
        read: Read,
    ) {
        let (call, hidden) = self.bodies();
        let lines = lines.replace("LENGTH", &call.len().to_string());
        let close = if hides { "" } else { "Connection: close\r\n" };
        let mut bytes = self.head(line, &format!("{lines}{close}\r\n")) + &body(&call);
        if hides {
            let length = format!("Content-Length: {}\r\nConnection: close\r\n\r\n", hidden.len());
            bytes += &(self.head("POST /mcp/everything HTTP/1.1", &length) + &hidden);
        }
        self.all.push((name, bytes.into_bytes(), read));
    }
}

fn plain(call: &str) -> String {
    call.to_owned()
}

fn chunked(call: &str) -> String {
    format!("{}\r\n{call}\r\n0\r\n\r\n", hex(call))
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn fill(cases: &mut Cases) {
    use Read::{Once, Refused};
    const LENGTH: &str = "Content-Length: LENGTH\r\n";
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
    // Two lengths of one message (RFC 9112 §6.3). Chunks count over a length, and the connection ends with them.
    cases.add("a length, and chunks", &format!("{LENGTH}{CHUNKED}"), chunked, true, Once);
    cases.add("chunks, and a length", &format!("{CHUNKED}{LENGTH}"), chunked, true, Once);
    cases.add("chunks, and a length of nothing", &format!("{CHUNKED}Content-Length: 0\r\n"), chunked, true, Once);
    cases.add("one length twice", &format!("{LENGTH}{LENGTH}"), plain, false, Once);
    cases.add("two lengths", &format!("{LENGTH}Content-Length: 5\r\n"), plain, true, Refused(400));
    cases.add("a list of lengths", "Content-Length: LENGTH, LENGTH\r\n", plain, true, Refused(400));
    cases.add("a length with a sign", "Content-Length: +LENGTH\r\n", plain, true, Refused(400));
    cases.add("a length in hexadecimal", "Content-Length: 0x10\r\n", plain, true, Refused(400));
    cases.add("no number for a length", "Content-Length: many\r\n", plain, true, Refused(400));
    cases.add("an empty length", "Content-Length: \r\n", plain, true, Refused(400));
    cases.add(
        "a length of more than there are numbers",
        "Content-Length: 99999999999999999999999\r\n",
        plain,
        true,
        Refused(400),
    );
    // Names of the encoding.
    cases.add("chunked in capitals", "Transfer-Encoding: CHUNKED\r\n", chunked, false, Once);
    cases.add("chunked behind blanks", "Transfer-Encoding:  \t chunked \t\r\n", chunked, false, Once);
    for (name, value) in [
        ("xchunked", "xchunked"),
        ("chunked and something", "chunked, identity"),
        ("identity", "identity"),
        ("gzip", "gzip"),
        ("quoted chunked", "\"chunked\""),
        ("chunked with a parameter", "chunked;q=1"),
        ("nothing for an encoding", ""),
    ] {
        cases.add(name, &format!("Transfer-Encoding: {value}\r\n"), chunked, true, Refused(400));
    }
    cases.add("chunked behind a vertical tab", "Transfer-Encoding: \x0bchunked\r\n", chunked, true, Refused(400));
    cases.add("an encoding of HTTP/1.0", CHUNKED, plain, true, Refused(400));
    if let Some((_, bytes, _)) = cases.all.last_mut() {
        *bytes = String::from_utf8(bytes.clone()).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1).into_bytes();
    }
    // Chunks (RFC 9112 §7.1).
    let extended = |call: &str| format!("{};name=\"va\\\"lue\"\r\n{call}\r\n0;last\r\n\r\n", hex(call));
    cases.add("chunk extensions", CHUNKED, extended, false, Once);
    let trailed =
        |call: &str| format!("{}\r\n{call}\r\n0\r\nContent-Length: 7\r\nMcp-Session-Id: x\r\n\r\n", hex(call));
    cases.add("trailers", CHUNKED, trailed, false, Once);
    let in_two = |call: &str| {
        let (first, second) = call.split_at(10);
        format!("a\r\n{first}\r\n{:0>8}\r\n{second}\r\n0\r\n\r\n", hex(second))
    };
    cases.add("chunks with leading zeroes", CHUNKED, in_two, false, Once);
    cases.add("a chunk of 0x", CHUNKED, |call| format!("0x{}\r\n{call}\r\n0\r\n\r\n", hex(call)), true, Refused(400));
    cases.add("a chunk of -1", CHUNKED, |call| format!("-1\r\n{call}\r\n0\r\n\r\n"), true, Refused(400));
    cases.add(
        "a chunk without its end",
        CHUNKED,
        |call| format!("{}\r\n{call}0\r\n\r\n", hex(call)),
        true,
        Refused(400),
    );
    cases.add(
        "a chunk whose line ends with a line feed alone",
        CHUNKED,
        |call| format!("{}\n{call}\r\n0\r\n\r\n", hex(call)),
        true,
        Refused(400),
    );
    cases.add(
        "a chunk extension with a line feed in it",
        CHUNKED,
        |call| format!("{};a\nb\r\n{call}\r\n0\r\n\r\n", hex(call)),
        true,
        Refused(400),
    );
    // Heads (RFC 9112 §2.2, §5).
    for (name, line) in [
        ("a folded header", "X-Folded: a\r\n b: c\r\n"),
        ("a folded header that hides chunks", "X-Folded: a\r\n Transfer-Encoding: chunked\r\n"),
        ("a header that begins with a blank", " X: a\r\n"),
        ("a blank before the colon", "Transfer-Encoding : chunked\r\n"),
        ("NUL in a header", "X-Nul: a\0b\r\n"),
        ("a carriage return in a header", "X-Return: a\rTransfer-Encoding: chunked\r\n"),
        ("a header without a colon", "X-Nothing\r\n"),
        ("a header without a name", ": a\r\n"),
        ("NUL in the name of a header", "X-\0Nul: a\r\n"),
    ] {
        cases.add(name, &format!("{line}{LENGTH}"), plain, true, Refused(400));
    }
    cases.add("lines that end with a line feed alone", &format!("X-Feed: a\n{LENGTH}"), plain, false, Once);
    // Hosts (RFC 9112 §3.2).
    let port = cases.port;
    let at = |host: &str| format!("POST http://{host}/mcp/everything HTTP/1.1");
    cases.add_as("a whole address", &at(&format!("127.0.0.1:{port}")), LENGTH, plain, false, Once);
    cases.add_as("a whole address elsewhere", &at("evil.example"), LENGTH, plain, true, Refused(400));
    cases.add_as("a whole address with a name", &at(&format!("u@127.0.0.1:{port}")), LENGTH, plain, true, Refused(400));
    cases.add_as("no path", "POST HTTP/1.1", LENGTH, plain, true, Refused(400));
    cases.add_as("a blank in the path", "POST /mcp/everything x HTTP/1.1", LENGTH, plain, true, Refused(400));
    // Sizes.
    let long = format!("POST /mcp/everything?{} HTTP/1.1", "a".repeat(9_000));
    cases.add_as("a path of 9 KB", &long, LENGTH, plain, true, Refused(414));
    let large = format!("X-Large: {}\r\n{LENGTH}", "a".repeat(70 << 10));
    cases.add("a head of 70 KB", &large, plain, true, Refused(431));
    cases.add("101 headers", &("X: a\r\n".repeat(101) + LENGTH), plain, true, Refused(431));
    // Expectations and upgrades (RFC 9110 §10.1.1, §7.8).
    cases.add("100-continue", &format!("Expect: 100-continue\r\n{LENGTH}"), plain, false, Once);
    cases.add("another expectation", &format!("Expect: 200-ok\r\n{LENGTH}"), plain, true, Refused(417));
    let h2c = format!("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n{LENGTH}");
    cases.add("an upgrade to HTTP/2", &h2c, plain, false, Once);
    cases.add("an upgrade to WebSocket", &format!("Upgrade: websocket\r\n{LENGTH}"), plain, false, Once);
    // Hop-by-hop headers (RFC 9110 §7.6.1) and what only proxies may say.
    let hops = format!(
        "Connection: X-Target-Key, Mcp-Session-Id\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\n\
         Trailer: X-Late\r\nX-Custom: 1\r\nX-Forwarded-For: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\nCookie: a=b\r\n\
         X-Target-Key: the client's own\r\n{LENGTH}"
    );
    cases.add("headers of a hop", &hops, plain, false, Once);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_reaches_the_target_twice_or_hidden() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start().await);
    let setup = Setup { target_lines: INJECTED_HEADER, ..Setup::new(upstream.url()) };
    let gateway = Gateway::start(&setup, issuer.url());
    let token = issuer.token("alice");
    let client = Client::open(gateway.url(), &token).await;
    let session = client.session.clone().unwrap();
    let mut cases = Cases { port: gateway.port, token, session, all: Vec::new() };
    fill(&mut cases);
    let mut wrong = Vec::new();
    for (number, (name, bytes, read)) in (0_u32..).zip(&cases.all) {
        let source = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 2, 0, 1)) + number);
        let answer = raw::exchange(gateway.port, source, bytes, false).await;
        let statuses: Vec<u16> = answer
            .text
            .split("HTTP/1.1 ")
            .skip(1)
            .filter_map(|rest| rest.get(..3)?.parse().ok())
            .filter(|status| *status != 100)
            .collect();
        let is_as_told = match read {
            Read::Once => statuses == [200] && answer.text.contains(&format!("read-{number}-")),
            Read::Refused(status) => statuses.is_empty() || statuses == [*status],
        };
        let got = |word: &str| {
            let marked = format!("{word}-{number}-");
            upstream.bodies().iter().filter(|body| String::from_utf8_lossy(body).contains(&marked)).count()
        };
        let came = (got("read"), got("hidden"));
        if !is_as_told || came != (usize::from(*read == Read::Once), 0) {
            wrong.push(format!("{name}: {read:?}, but the target got {came:?}, and the sender {:.300}", answer.text));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.all.len(), wrong.join("\n"));
    let own =
        ["x-custom", "cookie", "keep-alive", "te", "trailer", "forwarded", "x-forwarded-for", "expect", "upgrade"];
    for seen in upstream.seen() {
        assert!(own.iter().all(|name| !seen.headers.contains_key(*name)), "{:?}", seen.headers);
        assert_eq!(seen.headers["x-target-key"], format!("Key {}", common::INJECTED_SECRET), "the gateway's own");
    }
    assert!(client.call(1, "echo", "{}").await.unwrap()["result"].is_object());
}
