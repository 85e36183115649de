//! The cases: bytes for the gateway, the answer they must get, the event they must leave.

use serde_json::{Value, json};

use super::common::issuer::Issuer;
use super::common::raw::RawAnswer;

/// Messages that the codec refuses; the README beside them explains the fields.
const MESSAGES: &str = include_str!("../../../mcp/tests/bad_input/cases.jsonl");

/// A good message, which must not get through in bad company.
const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"fail","arguments":{"text":"smuggled"}}}"#;
const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}"#;
const UNKNOWN_SESSION: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What cases are made of.
pub(crate) struct World<'a> {
    pub(crate) issuer: &'a Issuer,
    pub(crate) port: u16,
    pub(crate) alice: String,
    pub(crate) session: String,
    pub(crate) foreign_session: String,
}

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) request: Vec<u8>,
    pub(crate) half_close: bool,
    pub(crate) answer: Told,
    pub(crate) left: Left,
}

/// What the sender is told.
pub(crate) enum Told {
    /// This HTTP status, and no message.
    Status(u16),
    /// This HTTP status, and a JSON-RPC error with this code.
    Error(u16, i64),
    /// A result of the tool that says it failed.
    Failed,
    /// One of these statuses, or nothing at all: HTTP's own refusals differ in detail.
    Refused,
}

/// What is left in the log.
pub(crate) enum Left {
    /// `operation.denied` with this reason; `policy` when policy decided.
    Denied(&'static str),
    /// The same, from the table of messages.
    DeniedAs(String),
    /// `auth.failed` with this reason.
    Failed(&'static str),
    /// Nothing, because.
    Nothing(&'static str),
}

const NO_REQUEST: Left = Left::Nothing("no request");
const NO_TARGET: Left = Left::Denied("unknown_path");
const NO_METHOD: Left = Left::Denied("http_method");

impl Left {
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Denied(reason) => format!("operation.denied {reason}"),
            Self::DeniedAs(reason) => format!("operation.denied {reason}"),
            Self::Failed(reason) => format!("auth.failed {reason}"),
            Self::Nothing(why) => format!("none: {why}"),
        }
    }
}

impl Told {
    /// How the answer differs from this.
    pub(crate) fn differs(&self, answer: &RawAnswer) -> Option<String> {
        let body = serde_json::from_str::<Value>(answer.body()).unwrap_or_default();
        let (expected, is_as_expected) = match self {
            Self::Status(status) => (status.to_string(), answer.status == Some(*status) && body["jsonrpc"].is_null()),
            Self::Error(status, code) => {
                let has_code = body["error"]["code"] == *code && body["jsonrpc"] == "2.0";
                (format!("{status} with {code}"), answer.status == Some(*status) && has_code)
            }
            Self::Failed => {
                ("a failed call".to_owned(), answer.status == Some(200) && body["result"]["isError"] == true)
            }
            Self::Refused => {
                let refused = answer.status.is_none_or(|status| (400..500).contains(&status));
                ("a refusal by HTTP".to_owned(), refused)
            }
        };
        // More than one answer means that something was taken for a second request.
        if answer.count() > 1 {
            return Some(format!("{} answers to one request", answer.count()));
        }
        (!is_as_expected).then(|| format!("expected {expected}"))
    }
}

pub(crate) fn all(world: &World<'_>) -> Vec<Case> {
    let mut cases = messages(world);
    for more in [identity(world), origins(world), http(world), paths(world), headers(world), sessions(world)] {
        cases.extend(more);
    }
    cases
}

/// A request being put together; `headers` are sent as they stand here, in this order.
struct Draft {
    line: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Draft {
    /// A good call in Alice's session.
    fn new(world: &World<'_>) -> Self {
        let headers = vec![
            ("Host", format!("127.0.0.1:{}", world.port)),
            ("Authorization", format!("Bearer {}", world.alice)),
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "application/json, text/event-stream".to_owned()),
            ("Mcp-Session-Id", world.session.clone()),
        ];
        Self { line: "POST /mcp/everything HTTP/1.1".to_owned(), headers, body: CALL.into() }
    }

    fn line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.line);
        self
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With this header instead of what it is.
    fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        self.without(name).and(name, value)
    }

    /// With this header besides.
    fn and(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// The bytes, with the length of the body.
    fn bytes(self) -> Vec<u8> {
        let length = self.body.len().to_string();
        self.and("Content-Length", length).unmeasured()
    }

    /// The bytes, without a word on the length of the body.
    fn unmeasured(self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.line).into_bytes();
        for (name, value) in self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"Connection: close\r\n\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn case(name: impl Into<String>, request: Vec<u8>, answer: Told, left: Left) -> Case {
    Case { name: name.into(), request, half_close: false, answer, left }
}

/// The codec's table, in a session.
fn messages(world: &World<'_>) -> Vec<Case> {
    let table: Vec<Value> = MESSAGES.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    table
        .iter()
        .map(|entry| {
            let expect = &entry["expect"];
            let status = u16::try_from(expect["status"].as_u64().unwrap()).unwrap();
            let answer = Told::Error(status, expect["code"].as_i64().unwrap());
            let left = Left::DeniedAs(expect["reason"].as_str().unwrap().to_owned());
            case(entry["name"].as_str().unwrap(), Draft::new(world).body(message(entry)).bytes(), answer, left)
        })
        .collect()
}

fn message(entry: &Value) -> Vec<u8> {
    if let Some(text) = entry["body"].as_str() {
        return text.into();
    }
    if let Some(hex) = entry["hex"].as_str() {
        let digits: Vec<u8> = hex.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
        return digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect();
    }
    let part = |at: usize| entry["repeat"][at].as_str().unwrap();
    let count = usize::try_from(entry["repeat"][2].as_u64().unwrap()).unwrap();
    (part(0).to_owned() + &part(1).repeat(count) + part(3)).into()
}

/// Tokens.
fn identity(world: &World<'_>) -> Vec<Case> {
    let issuer = world.issuer;
    let good = json!({ "alg": "ES256", "typ": "JWT", "kid": "k" });
    let header = |changes: &[(&str, &str)]| {
        let mut header = good.clone();
        for (name, value) in changes {
            header[*name] = json!(value);
        }
        header
    };
    let [point, jwk] = issuer.public_key();
    let tampered = {
        let other = issuer.unsigned(&good, json!({ "sub": "root" }));
        format!("{other}.{}", world.alice.rsplit('.').next().unwrap())
    };
    let critical = json!({ "alg": "ES256", "typ": "JWT", "kid": "k", "crit": ["b64"], "b64": false });
    let tokens = [
        ("a token for another audience", issuer.token_with(json!({ "aud": "another" })), "audience"),
        ("a token for no audience", issuer.token_with(json!({ "aud": null })), "claim"),
        ("an expired token", issuer.token_with(json!({ "exp": 1_700_000_000 })), "expired"),
        ("a token without an end", issuer.token_with(json!({ "exp": null })), "claim"),
        ("a token of the future", issuer.token_with(json!({ "nbf": 4_000_000_000_u64 })), "not_yet_valid"),
        ("a token of another issuer", issuer.token_with(json!({ "iss": "http://evil.example" })), "issuer"),
        ("a token without a subject", issuer.token_with(json!({ "sub": null })), "claim"),
        ("groups that are a number", issuer.token_with(json!({ "groups": 1 })), "groups"),
        ("alg none", format!("{}.", issuer.unsigned(&header(&[("alg", "none")]), json!({}))), "algorithm"),
        ("alg None", format!("{}.", issuer.unsigned(&header(&[("alg", "None")]), json!({}))), "algorithm"),
        ("HS256 signed with the public point", issuer.confused(&point), "algorithm"),
        ("HS256 signed with the public JWK", issuer.confused(&jwk), "algorithm"),
        ("an unknown key", issuer.signed(&header(&[("kid", "another")]), json!({})), "key"),
        ("RS256 with an ES256 key", issuer.signed(&header(&[("alg", "RS256")]), json!({})), "key"),
        ("a critical extension", issuer.signed(&critical, json!({})), "critical_header"),
        ("a token of another type", issuer.signed(&header(&[("typ", "logout+jwt")]), json!({})), "type"),
        ("claims under another token's signature", tampered, "signature"),
        ("no signature", format!("{}.", world.alice.rsplit_once('.').unwrap().0), "signature"),
        ("two parts", issuer.unsigned(&good, json!({})), "malformed"),
        ("one part", "abc".to_owned(), "malformed"),
        ("20 KB of token", "A".repeat(20 << 10), "size"),
    ];
    let mut cases: Vec<Case> = tokens
        .into_iter()
        .map(|(name, token, reason)| {
            let request = Draft::new(world).with("Authorization", format!("Bearer {token}")).bytes();
            case(name, request, Told::Status(401), Left::Failed(reason))
        })
        .collect();
    let alice = &world.alice;
    let without = Draft::new(world).without("Authorization");
    let mut add = |name: &str, draft: Draft| {
        cases.push(case(name, draft.bytes(), Told::Status(401), Left::Failed("missing")));
    };
    add("no token", without);
    add("Bearer without a token", Draft::new(world).with("Authorization", "Bearer "));
    add("Basic", Draft::new(world).with("Authorization", "Basic YWxpY2U6YWxpY2U="));
    add("a token without a scheme", Draft::new(world).with("Authorization", alice));
    add("two Authorization headers", Draft::new(world).and("Authorization", format!("Bearer {alice}")));
    add("a token in the query", {
        let line = format!("POST /mcp/everything?access_token={alice} HTTP/1.1");
        Draft::new(world).without("Authorization").line(&line)
    });
    add("Authorization beyond ASCII", Draft::new(world).with("Authorization", "Bearer \u{e9}"));
    add("DELETE without a token", Draft::new(world).without("Authorization").line("DELETE /mcp/everything HTTP/1.1"));
    cases
}

/// `Host` and `Origin`.
fn origins(world: &World<'_>) -> Vec<Case> {
    let good = format!("127.0.0.1:{}", world.port);
    let own = format!("http://{good}");
    let drafts = [
        ("another Host", Draft::new(world).with("Host", "evil.example"), "host"),
        ("Host without the port", Draft::new(world).with("Host", "127.0.0.1"), "host"),
        ("two Hosts", Draft::new(world).and("Host", "evil.example"), "host"),
        ("the same Host twice", Draft::new(world).and("Host", good), "host"),
        ("no Host", Draft::new(world).without("Host"), "host"),
        ("a foreign Origin", Draft::new(world).with("Origin", "https://evil.example"), "origin"),
        ("Origin null", Draft::new(world).with("Origin", "null"), "origin"),
        ("an Origin of another scheme", Draft::new(world).with("Origin", own.replace("http", "https")), "origin"),
        ("two Origins", Draft::new(world).and("Origin", own.clone()).and("Origin", own), "origin"),
    ];
    let refused = |(name, draft, reason): (&str, Draft, &'static str)| {
        case(name, draft.bytes(), Told::Status(403), Left::Failed(reason))
    };
    drafts.into_iter().map(refused).collect()
}

/// Framing and heads: most is refused before there is a request.
fn http(world: &World<'_>) -> Vec<Case> {
    let smuggled = String::from_utf8(Draft::new(world).bytes()).unwrap();
    let chunked = |body: &str| Draft::new(world).and("Transfer-Encoding", "chunked").body(body);
    let length = CALL.len();
    let raw = |line: &str| String::from_utf8(Draft::new(world).bytes()).unwrap().replacen("Accept: ", line, 1);
    let mut cases = vec![
        // RFC 9112 §6.1: the chunks count, and the connection is closed, so that the rest is no request.
        case(
            "Content-Length before Transfer-Encoding",
            Draft::new(world)
                .and("Content-Length", (5 + smuggled.len()).to_string())
                .and("Transfer-Encoding", "chunked")
                .body(format!("0\r\n\r\n{smuggled}"))
                .unmeasured(),
            Told::Error(400, -32700),
            Left::Denied("unexpected_end"),
        ),
        case(
            "Transfer-Encoding before Content-Length",
            chunked(&format!("0\r\n\r\n{smuggled}")).and("Content-Length", "5").unmeasured(),
            Told::Error(400, -32700),
            Left::Denied("unexpected_end"),
        ),
        case(
            "chunks that are none",
            chunked("zz\r\nhello\r\n").unmeasured(),
            Told::Status(400),
            Left::Denied("incomplete"),
        ),
        case(
            "a chunk larger than it says",
            chunked(&format!("1\r\n{CALL}\r\n0\r\n\r\n")).unmeasured(),
            Told::Status(400),
            Left::Denied("incomplete"),
        ),
        case(
            "a chunk of more bytes than there are numbers",
            chunked(&format!("FFFFFFFFFFFFFFFFF\r\n{CALL}")).unmeasured(),
            Told::Status(400),
            Left::Denied("incomplete"),
        ),
        case(
            "chunked, then something else",
            Draft::new(world).and("Transfer-Encoding", "chunked, gzip").unmeasured(),
            Told::Refused,
            NO_REQUEST,
        ),
        case(
            "two lengths",
            Draft::new(world).and("Content-Length", "1").and("Content-Length", length.to_string()).unmeasured(),
            Told::Refused,
            NO_REQUEST,
        ),
        case(
            "a negative length",
            Draft::new(world).and("Content-Length", "-1").unmeasured(),
            Told::Refused,
            NO_REQUEST,
        ),
        case(
            "a length with a sign",
            Draft::new(world).and("Content-Length", "+9").unmeasured(),
            Told::Refused,
            NO_REQUEST,
        ),
        case("a folded header", raw("X-Folded: a\r\n b\r\nAccept: ").into(), Told::Refused, NO_REQUEST),
        case("a space before the colon", raw("X-Space : a\r\nAccept: ").into(), Told::Refused, NO_REQUEST),
        case("NUL in a header", raw("X-Nul: a\0b\r\nAccept: ").into(), Told::Refused, NO_REQUEST),
        case("a header without a name", raw(": a\r\nAccept: ").into(), Told::Refused, NO_REQUEST),
        case("300 headers", raw(&format!("{}Accept: ", "X-Many: a\r\n".repeat(300))).into(), Told::Refused, NO_REQUEST),
        case(
            "300 KB in one header",
            raw(&format!("X-Long: {}\r\nAccept: ", "a".repeat(300 << 10))).into(),
            Told::Refused,
            NO_REQUEST,
        ),
        case("no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), Told::Refused, NO_REQUEST),
        case("HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), Told::Refused, NO_REQUEST),
        case("HTTP/9.9", Draft::new(world).line("POST /mcp/everything HTTP/9.9").bytes(), Told::Refused, NO_REQUEST),
        case(
            "more body than is taken",
            Draft::new(world).body(vec![b' '; (4 << 20) + 1]).bytes(),
            Told::Status(413),
            Left::Denied("too_large"),
        ),
    ];
    cases.push(Case {
        half_close: true,
        ..case(
            "less body than was announced",
            Draft::new(world).and("Content-Length", (length + 100).to_string()).unmeasured(),
            Told::Refused,
            Left::Denied("incomplete"),
        )
    });
    cases
}

/// Paths and methods.
fn paths(world: &World<'_>) -> Vec<Case> {
    let at = |line: &str| Draft::new(world).line(line).bytes();
    let unknown =
        |name: &str, line: &str| case(name, at(line), Told::Error(404, -32600), Left::Denied("unknown_target"));
    let nowhere = |name: &str, line: &str| case(name, at(line), Told::Status(404), NO_TARGET);
    let no_method = |name: &str, line: &str| case(name, at(line), Told::Status(405), NO_METHOD);
    vec![
        unknown("an unknown target", "POST /mcp/another HTTP/1.1"),
        unknown("no target", "POST /mcp/ HTTP/1.1"),
        unknown("a target in capitals", "POST /mcp/EVERYTHING HTTP/1.1"),
        unknown("dots for a target", "POST /mcp/.. HTTP/1.1"),
        unknown("encoded dots and slash", "POST /mcp/%2e%2e%2feverything HTTP/1.1"),
        unknown("an encoded letter", "POST /mcp/everythin%67 HTTP/1.1"),
        nowhere("another path", "POST / HTTP/1.1"),
        nowhere("metrics on the public listener", "GET /metrics HTTP/1.1"),
        nowhere("evidence on the public listener", "GET /v1/sessions HTTP/1.1"),
        nowhere("below a target", "POST /mcp/everything/x HTTP/1.1"),
        nowhere("up and down again", "POST /mcp/x/../everything HTTP/1.1"),
        nowhere("two slashes", "POST //mcp/everything HTTP/1.1"),
        nowhere("asterisk", "OPTIONS * HTTP/1.1"),
        nowhere("CONNECT", "CONNECT evil.example:443 HTTP/1.1"),
        case(
            "a stream that is to be JSON",
            Draft::new(world).line("GET /mcp/everything HTTP/1.1").with("Accept", "application/json").bytes(),
            Told::Status(406),
            Left::Denied("not_acceptable"),
        ),
        no_method("PUT", "PUT /mcp/everything HTTP/1.1"),
        no_method("TRACE", "TRACE /mcp/everything HTTP/1.1"),
        no_method("a method nobody knows", "BREW /mcp/everything HTTP/1.1"),
    ]
}

/// Headers of the transport.
fn headers(world: &World<'_>) -> Vec<Case> {
    let media = |name: &str, draft: Draft| case(name, draft.bytes(), Told::Status(415), Left::Denied("media_type"));
    let accept =
        |name: &str, draft: Draft| case(name, draft.bytes(), Told::Status(406), Left::Denied("not_acceptable"));
    let version = |name: &str, draft: Draft| {
        case(name, draft.bytes(), Told::Error(400, -32600), Left::Denied("protocol_version"))
    };
    vec![
        media("text/plain", Draft::new(world).with("Content-Type", "text/plain")),
        media("no Content-Type", Draft::new(world).without("Content-Type")),
        media("two Content-Types", Draft::new(world).and("Content-Type", "application/json")),
        media("UTF-16 by its name", Draft::new(world).with("Content-Type", "application/json; charset=utf-16")),
        media("a form", Draft::new(world).with("Content-Type", "application/x-www-form-urlencoded")),
        media("gzip", Draft::new(world).and("Content-Encoding", "gzip")),
        media("identity as an encoding", Draft::new(world).and("Content-Encoding", "identity")),
        accept("HTML wanted", Draft::new(world).with("Accept", "text/html")),
        accept("no stream wanted", Draft::new(world).with("Accept", "application/json")),
        accept("a stream refused", Draft::new(world).with("Accept", "application/json, text/event-stream;q=0")),
        version("a version of the past", Draft::new(world).with("MCP-Protocol-Version", "1999-01-01")),
        version("a version not agreed on", Draft::new(world).with("MCP-Protocol-Version", "2025-11-25")),
        version("the modern version in a session", Draft::new(world).with("MCP-Protocol-Version", "2026-07-28")),
        version("two versions", {
            let version = "2025-06-18";
            Draft::new(world).and("MCP-Protocol-Version", version).and("MCP-Protocol-Version", version)
        }),
    ]
}

/// Sessions, and good messages at the wrong time.
fn sessions(world: &World<'_>) -> Vec<Case> {
    let header = "Mcp-Session-Id";
    let refused = |name: &str, draft: Draft, status: u16, code: i64, reason: &'static str| {
        case(name, draft.bytes(), Told::Error(status, code), Left::Denied(reason))
    };
    let id = |id: &str| Draft::new(world).with(header, id);
    let outside = || Draft::new(world).without(header);
    let delete = "DELETE /mcp/everything HTTP/1.1";
    let with_token = |changes: Value| {
        let token = world.issuer.token_with(changes);
        outside().with("Authorization", format!("Bearer {token}")).body(HELLO)
    };
    let hello_with = |from: &str, to: &str| outside().body(HELLO.replacen(from, to, 1));
    let modern = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"fail","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let forbidden =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"forbidden"}}}"#;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/unheard-of"}"#;
    let answer = r#"{"jsonrpc":"2.0","id":9,"result":{}}"#;
    vec![
        refused("no session", outside(), 400, -32600, "no_session"),
        refused("an unknown session", id(UNKNOWN_SESSION), 404, -32600, "unknown_session"),
        refused("another principal's session", id(&world.foreign_session), 404, -32600, "unknown_session"),
        refused("a session of 300 bytes", id(&"A".repeat(300)), 400, -32600, "session_id"),
        refused("a session with a space", id("A A"), 400, -32600, "session_id"),
        refused("an empty session", id(""), 400, -32600, "session_id"),
        refused("two sessions", Draft::new(world).and(header, world.session.clone()), 400, -32600, "session_id"),
        refused("the end of no session", outside().line(delete), 400, -32600, "no_session"),
        refused(
            "the end of another's session",
            id(&world.foreign_session).line(delete),
            404,
            -32600,
            "unknown_session",
        ),
        refused(
            "the same person of another issuer's actor",
            {
                let token = world.issuer.token_with(json!({ "act": { "sub": "agent" } }));
                Draft::new(world).with("Authorization", format!("Bearer {token}"))
            },
            404,
            -32600,
            "unknown_session",
        ),
        refused(
            "the same person with other groups",
            {
                let token = world.issuer.token_with(json!({ "groups": ["support", "finance"] }));
                Draft::new(world).with("Authorization", format!("Bearer {token}"))
            },
            404,
            -32600,
            "unknown_session",
        ),
        refused(
            "the same person logged on in another way",
            {
                let token = world.issuer.token_with(json!({ "amr": ["pwd"] }));
                Draft::new(world).with("Authorization", format!("Bearer {token}"))
            },
            404,
            -32600,
            "unknown_session",
        ),
        refused("initialize in a session", Draft::new(world).body(HELLO), 400, -32602, "initialize_in_session"),
        refused("initialize without a version", hello_with("protocolVersion", "x"), 200, -32602, "missing_param"),
        refused("initialize with a numeric version", hello_with("\"2025-06-18\"", "1"), 200, -32602, "bad_param"),
        refused("initialize without capabilities", hello_with("capabilities", "x"), 400, -32602, "initialize"),
        refused("nobody's group connects", with_token(json!({ "groups": ["fraud"] })), 403, -32001, "policy"),
        refused("no group connects", with_token(json!({ "groups": null })), 403, -32001, "policy"),
        refused(
            "a modern call without its metadata",
            outside().body(modern).with("MCP-Protocol-Version", "2026-07-28").with("Mcp-Method", "tools/call"),
            400,
            -32602,
            "metadata",
        ),
        refused("a notification nobody knows", Draft::new(world).body(note), 400, -32600, "unknown_method"),
        refused("an answer nobody asked for", Draft::new(world).body(answer), 400, -32600, "unasked"),
        refused(
            "an unknown tool",
            Draft::new(world).body(CALL.replacen("\"fail\"", "\"no-such-tool\"", 1)),
            200,
            -32602,
            "unknown_tool",
        ),
        refused(
            "a tool in capitals",
            Draft::new(world).body(CALL.replacen("\"fail\"", "\"FAIL\"", 1)),
            200,
            -32602,
            "unknown_tool",
        ),
        case(
            "a call that policy forbids",
            Draft::new(world).body(forbidden).bytes(),
            Told::Failed,
            Left::Denied("policy"),
        ),
        case(
            "the same with its text escaped",
            Draft::new(world).body(forbidden.replace("forbidden", "f\\u006frbidden")).bytes(),
            Told::Failed,
            Left::Denied("policy"),
        ),
    ]
}
