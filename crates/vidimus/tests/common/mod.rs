//! A real gateway process in a directory of its own, and what tests put around it.
//!
//! Issuer and target are whatever a test names: npm's provider and server (`vidimus_testkit`), or the ones of this
//! directory, which misbehave on demand.

#![allow(dead_code, reason = "each suite uses a part of it")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test support")]

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use vidimus_testkit::{Process, TempDir, free_port, tempdir};

pub(crate) mod evidence;
pub(crate) mod issuer;
pub(crate) mod programs;
pub(crate) mod raw;
pub(crate) mod upstream;

/// The audience of the gateway's tokens.
pub(crate) const AUDIENCE: &str = "vidimus";

/// The credential for the target, in the file `secret` beside the configuration.
pub(crate) const INJECTED_SECRET: &str = "injected-5e7d1c0aa8b94f7e";

/// The line of `[targets.NAME]` that has it sent.
pub(crate) const INJECTED_HEADER: &str = r#"headers = { X-Target-Key = { file = "secret", format = "Key {}" } }"#;

/// Everybody of these tests may do everything, and this machine's user may read evidence.
pub(crate) const ALLOW_ALL: &str = r#"
@id("connect") permit (principal in Group::"corp/support", action == Action::"connect", resource);
@id("tools") permit (principal in Group::"corp/support", action in Action::"tools/call", resource);
@id("resources") permit (principal in Group::"corp/support", action == Action::"resources/read", resource);
@id("prompts") permit (principal in Group::"corp/support", action == Action::"prompts/get", resource);
@id("view") permit (principal in Group::"local/owner", action == Action::"recording.view", resource);
@id("log") permit (principal in Group::"local/owner", action == Action::"log.read", resource);
"#;

/// How a gateway is set up.
pub(crate) struct Setup<'a> {
    pub(crate) target: &'a str,
    /// Where it is: a line of `[targets.NAME]`.
    pub(crate) server: String,
    pub(crate) policies: &'a str,
    pub(crate) durability: &'a str,
    pub(crate) record: &'a str,
    /// Further lines of `[gateway]`.
    pub(crate) gateway_lines: &'a str,
    /// Further lines of `[targets.NAME]`.
    pub(crate) target_lines: &'a str,
    /// Further tables.
    pub(crate) tables: &'a str,
    /// Puts further files into the directory of the configuration.
    pub(crate) files: &'a dyn Fn(&Path),
    /// The environment's `RUST_LOG`.
    pub(crate) log: &'a str,
}

impl Setup<'_> {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Setup {
            target: "everything",
            server: format!("url = \"{}\"", url.into()),
            policies: ALLOW_ALL,
            durability: "strict",
            record: "record = \"masked\"",
            gateway_lines: "",
            target_lines: "",
            tables: "",
            files: &|_| {},
            log: "info",
        }
    }
}

/// A gateway process. Dropping it kills it.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    pub(crate) admin: u16,
    pub(crate) key: [u8; 32],
    target: String,
    log: String,
}

impl Gateway {
    /// Starts a gateway that believes tokens of `issuer`, and waits until it is ready.
    pub(crate) fn start(setup: &Setup<'_>, issuer: &str) -> Self {
        let dir = tempdir().unwrap();
        let (port, admin) = (free_port().unwrap(), free_port().unwrap());
        std::fs::create_dir(dir.path().join("policies")).unwrap();
        std::fs::write(dir.path().join("policies/test.cedar"), setup.policies).unwrap();
        let key = dir.path().join("kek");
        let mut secret = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut secret).unwrap();
        std::fs::write(&key, secret).unwrap();
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
{gateway_lines}
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
{server}
durability = "{durability}"
{record}
{target_lines}
{tables}
"#,
            gateway_lines = setup.gateway_lines,
            target_lines = setup.target_lines,
            tables = setup.tables,
            target = setup.target,
            server = setup.server,
            durability = setup.durability,
            record = setup.record,
        );
        std::fs::write(dir.path().join("vidimus.toml"), config).unwrap();
        std::fs::write(dir.path().join("secret"), INJECTED_SECRET).unwrap();
        (setup.files)(dir.path());
        let process = spawn(dir.path(), setup.log);
        let (target, log) = (setup.target.to_owned(), setup.log.to_owned());
        let gateway = Self { process, dir, port, admin, key: secret, target, log };
        gateway.wait_until_ready();
        gateway
    }

    /// Starts the process again, on the same data.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.dir.path(), &self.log);
        self.wait_until_ready();
    }

    /// A gateway on a backup of this one's data directory, made as the manual says ("The data directory"): from an
    /// atomic snapshot, which here is a copy while the process stands still, without the index and the socket.
    pub(crate) fn restored(&self) -> Self {
        let dir = tempdir().unwrap();
        let own = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(own, Signal::STOP).unwrap();
        let copied = copy_backup(self.dir.path(), dir.path());
        kill_process(own, Signal::CONT).unwrap();
        copied.unwrap();
        let (port, admin) = (free_port().unwrap(), free_port().unwrap());
        let config = std::fs::read_to_string(self.config()).unwrap();
        let config = config.replace(&format!("127.0.0.1:{}", self.port), &format!("127.0.0.1:{port}"));
        let config = config.replace(&format!("127.0.0.1:{}", self.admin), &format!("127.0.0.1:{admin}"));
        std::fs::write(dir.path().join("vidimus.toml"), config).unwrap();
        let process = spawn(dir.path(), &self.log);
        let (target, log) = (self.target.clone(), self.log.clone());
        let gateway = Self { process, dir, port, admin, key: self.key, target, log };
        gateway.wait_until_ready();
        gateway
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp/{}", self.port, self.target)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("vidimus.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What a command of the gateway's program prints, with `--json`, when it ends with status 0.
    pub(crate) fn command(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What `log verify` says by the key that the gateway names, when it finds nothing.
    pub(crate) fn verified(&self, more: &[&str]) -> Value {
        let key = self.api("/v1/log/status")["key"].as_str().unwrap().to_owned();
        self.command(&[&["log", "verify", "--key", &key], more].concat())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> std::process::Output {
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
    pub(crate) fn admin_page(&self, path: &str) -> Option<String> {
        self.admin_answer(path, &format!("host: localhost:{}", self.admin))
    }

    /// What the admin listener answers to a request with these header lines.
    pub(crate) fn admin_answer(&self, path: &str, headers: &str) -> Option<String> {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.admin)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\n{headers}\r\nconnection: close\r\n\r\n").ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).ok()?;
        Some(page)
    }
}

/// Copies a directory with what is below it, but for what the manual leaves out of a backup.
fn copy_backup(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (name, to) = (entry.file_name().into_string().unwrap(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            std::fs::create_dir(&to)?;
            std::fs::set_permissions(&to, entry.metadata()?.permissions())?;
            copy_backup(&entry.path(), &to)?;
        } else if !name.starts_with("index.db") && name != "vidimus.sock" {
            std::fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

fn spawn(dir: &Path, log: &str) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vidimus"));
    command.args(["serve", "--config"]).arg(dir.join("vidimus.toml")).env("RUST_LOG", log).env("NO_COLOR", "1");
    Process::start("vidimus", &mut command).unwrap()
}

/// What came back from a POST.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) session: Option<String>,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The message, whether it came as JSON or as the only event of a stream.
    pub(crate) fn json(&self) -> Value {
        let text = match self.text.lines().find_map(|line| line.strip_prefix("data: ")) {
            Some(data) => data,
            None => &self.text,
        };
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }
}

/// An answer as it came.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// None when no head came.
    pub(crate) status: Option<u16>,
    pub(crate) parts: Vec<(Instant, Bytes)>,
    pub(crate) is_whole: bool,
}

impl Received {
    pub(crate) fn body(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|(_, part)| part).copied().collect()
    }
}

/// A plain client: what it sends is what a test says, byte for byte.
pub(crate) struct Client {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) session: Option<String>,
    http: hyper_util::client::legacy::Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
}

impl Client {
    pub(crate) fn new(url: impl Into<String>, token: impl Into<String>) -> Self {
        let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        Self { url: url.into(), token: token.into(), session: None, http }
    }

    /// The same, from an address of this machine.
    pub(crate) fn from_address(url: impl Into<String>, token: impl Into<String>, address: IpAddr) -> Self {
        let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
        connector.set_local_address(Some(address));
        let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build(connector);
        Self { url: url.into(), token: token.into(), session: None, http }
    }

    /// Opens a session with the usual handshake.
    pub(crate) async fn open(url: impl Into<String>, token: impl Into<String>) -> Self {
        let mut client = Self::new(url, token);
        let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
        let answer = client.post(hello).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        client.session = answer.session;
        let answer = client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await.unwrap();
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        client
    }

    pub(crate) async fn post(&self, body: impl Into<Bytes>) -> anyhow::Result<Answer> {
        self.send(Method::POST, &[], body).await
    }

    /// Calls a tool; the message that came back.
    pub(crate) async fn call(&self, id: u64, tool: &str, arguments: &str) -> anyhow::Result<Value> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
        );
        let answer = self.post(body).await?;
        anyhow::ensure!(answer.status == StatusCode::OK, "{answer:?}");
        Ok(answer.json())
    }

    /// Posts a message and takes what comes, to the end or as far as it comes.
    pub(crate) async fn receive(&self, body: impl Into<Bytes>) -> Received {
        use http_body_util::BodyExt as _;
        let request = self.request(Method::POST, &[], body).unwrap();
        let mut received = Received::default();
        let Ok(mut response) = self.http.request(request).await else { return received };
        received.status = Some(response.status().as_u16());
        while let Some(frame) = response.body_mut().frame().await {
            let Ok(frame) = frame else { return received };
            received.parts.push((Instant::now(), frame.into_data().unwrap_or_default()));
        }
        received.is_whole = true;
        received
    }

    /// Sends a request; `headers` come on top of the usual ones, and an empty value takes one away.
    pub(crate) async fn send(
        &self,
        method: Method,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Answer> {
        use http_body_util::BodyExt as _;
        let response = self.http.request(self.request(method, headers, body)?).await?;
        let (head, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
        let session = head.headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        Ok(Answer { status: head.status, session, headers: head.headers, text })
    }

    /// Sends a request without a body; its answer as it comes.
    pub(crate) async fn stream(
        &self,
        method: Method,
        headers: &[(&'static str, &str)],
    ) -> anyhow::Result<http::Response<hyper::body::Incoming>> {
        self.stream_of(method, headers, "").await
    }

    /// Sends a request; its answer as it comes.
    pub(crate) async fn stream_of(
        &self,
        method: Method,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> anyhow::Result<http::Response<hyper::body::Incoming>> {
        Ok(self.http.request(self.request(method, headers, body)?).await?)
    }

    fn request(
        &self,
        method: Method,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
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
        Ok(request)
    }
}

/// A request of MCP 2026-07-28, with its metadata.
pub(crate) fn modern_body(method: &str, params: &str) -> String {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"sampling":{}}}"#;
    let comma = if params.is_empty() { "" } else { "," };
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{params}{comma}{meta}}}}}"#)
}

/// Sends one, with the headers that repeat it.
pub(crate) async fn send_modern(client: &Client, method: &str, name: &str, params: &str) -> Answer {
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method), ("mcp-name", name)];
    client.send(Method::POST, &headers, modern_body(method, params)).await.unwrap()
}
