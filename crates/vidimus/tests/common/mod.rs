//! A real gateway process with a real identity provider, in a directory of its own.

#![allow(dead_code, reason = "each suite uses a part of it")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test support")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use vidimus_testkit::{OidcProvider, Process, TempDir, free_port, tempdir};

/// The audience of the gateway's tokens.
pub const AUDIENCE: &str = "vidimus";

/// Everybody of these tests may do everything, and this machine's user may read evidence.
pub const ALLOW_ALL: &str = r#"
@id("connect") permit (principal in Group::"corp/support", action == Action::"connect", resource);
@id("tools") permit (principal in Group::"corp/support", action in Action::"tools/call", resource);
@id("resources") permit (principal in Group::"corp/support", action == Action::"resources/read", resource);
@id("prompts") permit (principal in Group::"corp/support", action == Action::"prompts/get", resource);
@id("view") permit (principal in Group::"local/owner", action == Action::"recording.view", resource);
@id("log") permit (principal in Group::"local/owner", action == Action::"log.read", resource);
"#;

/// How a gateway is set up.
pub struct Setup<'a> {
    pub target: &'a str,
    pub url: String,
    pub policies: &'a str,
    pub durability: &'a str,
    pub record: &'a str,
    pub extra: &'a str,
}

impl Setup<'_> {
    pub fn new(url: impl Into<String>) -> Self {
        Setup {
            target: "everything",
            url: url.into(),
            policies: ALLOW_ALL,
            durability: "strict",
            record: "record = \"unmasked\"",
            extra: "",
        }
    }
}

/// A gateway process. Dropping it kills it.
pub struct Gateway {
    pub process: Process,
    pub dir: TempDir,
    pub port: u16,
    pub admin: u16,
    target: String,
}

impl Gateway {
    pub fn start(setup: &Setup<'_>, provider: &OidcProvider) -> Self {
        let dir = tempdir().unwrap();
        let (port, admin) = (free_port().unwrap(), free_port().unwrap());
        std::fs::create_dir(dir.path().join("policies")).unwrap();
        std::fs::write(dir.path().join("policies/test.cedar"), setup.policies).unwrap();
        let key = dir.path().join("kek");
        let mut random = [0_u8; 32];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut random).unwrap();
        std::fs::write(&key, random).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let config = format!(
            r#"
[gateway]
name = "gw-test"
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{admin}"
public_url = "http://127.0.0.1:{port}"
data_dir = "data"
key = {{ file = "kek" }}
{extra}
[identity.oidc.corp]
issuer = "{issuer}"
audience = "{AUDIENCE}"
groups_claim = "groups"
workload_when = {{ claim = "azp_type", equals = "service" }}
allow_private = true
[policy]
dir = "policies"
[targets.{target}]
protocol = "mcp"
url = "{url}"
durability = "{durability}"
{record}
"#,
            issuer = provider.issuer(),
            extra = setup.extra,
            target = setup.target,
            url = setup.url,
            durability = setup.durability,
            record = setup.record,
        );
        std::fs::write(dir.path().join("vidimus.toml"), config).unwrap();
        let process = spawn(dir.path());
        let gateway = Self { process, dir, port, admin, target: setup.target.to_owned() };
        gateway.wait_until_ready();
        gateway
    }

    /// Starts the process again, on the same data.
    pub fn restart(&mut self) {
        self.process = spawn(self.dir.path());
        self.wait_until_ready();
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp/{}", self.port, self.target)
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("vidimus.toml")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What a command of the gateway's program prints, with `--json`, when it ends with status 0.
    pub fn command(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(env!("CARGO_BIN_EXE_vidimus"))
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .arg("--json")
            .output()
            .unwrap()
    }

    fn wait_until_ready(&self) {
        let limit = Instant::now() + Duration::from_secs(30);
        while !self.admin_page("/readyz").is_some_and(|page| page.starts_with("HTTP/1.1 200")) {
            assert!(Instant::now() < limit, "the gateway is not ready:\n{}", self.process.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A page of the admin listener, head included.
    pub fn admin_page(&self, path: &str) -> Option<String> {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.admin)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).ok()?;
        Some(page)
    }
}

fn spawn(dir: &Path) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vidimus"));
    command.args(["serve", "--config"]).arg(dir.join("vidimus.toml"));
    Process::start("vidimus", &mut command).unwrap()
}

/// What came back from a POST.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub session: Option<String>,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Answer {
    /// The message, whether it came as JSON or as the only event of a stream.
    pub fn json(&self) -> Value {
        let text = match self.text.lines().find_map(|line| line.strip_prefix("data: ")) {
            Some(data) => data,
            None => &self.text,
        };
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }
}

/// A plain client: what it sends is what a test says, byte for byte.
pub struct Client {
    pub url: String,
    pub token: String,
    pub session: Option<String>,
    http: hyper_util::client::legacy::Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
}

impl Client {
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> Self {
        let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        Self { url: url.into(), token: token.into(), session: None, http }
    }

    /// Opens a session with the usual handshake.
    pub async fn open(url: impl Into<String>, token: impl Into<String>) -> Self {
        let mut client = Self::new(url, token);
        let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
        let answer = client.post(hello).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        client.session = answer.session;
        let answer = client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await.unwrap();
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        client
    }

    pub async fn post(&self, body: impl Into<Bytes>) -> anyhow::Result<Answer> {
        self.send(Method::POST, &[], body).await
    }

    /// Calls a tool; the message that came back.
    pub async fn call(&self, id: u64, tool: &str, arguments: &str) -> anyhow::Result<Value> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
        );
        let answer = self.post(body).await?;
        anyhow::ensure!(answer.status == StatusCode::OK, "{answer:?}");
        Ok(answer.json())
    }

    /// Sends a request; `headers` come on top of the usual ones, and an empty value takes one away.
    pub async fn send(
        &self,
        method: Method,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Answer> {
        use http_body_util::BodyExt as _;
        let mut request = Request::builder().method(method).uri(&self.url).body(Full::new(body.into()))?;
        let map = request.headers_mut();
        map.insert("content-type", "application/json".parse()?);
        map.insert("accept", "application/json, text/event-stream".parse()?);
        map.insert("authorization", format!("Bearer {}", self.token).parse()?);
        if let Some(session) = &self.session {
            map.insert("mcp-session-id", session.parse()?);
        }
        for (name, value) in headers {
            if value.is_empty() {
                map.remove(*name);
            } else {
                map.insert(*name, value.parse()?);
            }
        }
        let response = self.http.request(request).await?;
        let (head, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
        let session = head.headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        Ok(Answer { status: head.status, session, headers: head.headers, text })
    }
}
