//! The official MCP clients, pinned, as child processes that take the same scripted session.
//!
//! One program per SDK and major version; `python/session.py` says what a session is and what is printed of it. One
//! process takes any number of sessions side by side: starting an interpreter costs more than a session.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::install;

/// An official client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sdk {
    /// The Python package index's `mcp` 1.x.
    Python1,
    /// The Python package index's `mcp` 2.x.
    Python2,
    /// npm's `@modelcontextprotocol/sdk` 1.x.
    TypeScript1,
    /// npm's `@modelcontextprotocol/client` 2.x.
    TypeScript2,
}

/// What the protocol's revisions fall into (MCP 2026-07-28, "Versioning").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// Up to 2025-11-25: `initialize`, sessions.
    Legacy,
    /// From 2026-07-28: no sessions, every request says all that is needed.
    Modern,
}

/// Where a server is to be had.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// Streamable HTTP, with a bearer token or without.
    Http {
        /// The MCP endpoint.
        url: String,
        /// The bearer token.
        token: Option<String>,
    },
    /// HTTP with SSE (MCP 2024-11-05), with a bearer token or without. For [`Sdk::SSE`] alone.
    Sse {
        /// The SSE endpoint.
        url: String,
        /// The bearer token.
        token: Option<String>,
    },
    /// A program that the client starts and speaks to over standard input and output.
    Stdio {
        /// The program and its arguments.
        command: Vec<String>,
    },
}

/// One scripted session.
#[derive(Debug, Clone)]
pub struct Session {
    /// What its answers are filed under; no two sessions of one run have the same.
    pub name: String,
    /// The era to speak.
    pub era: Era,
    /// The server.
    pub endpoint: Endpoint,
    /// A list of steps, each a list of its kind and its arguments.
    pub steps: Value,
}

/// How a client that signs somebody in is known to the identity provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// It registers itself (RFC 7591).
    Dynamic,
    /// It names a document that says who it is (OAuth Client ID Metadata Document).
    Document,
    /// It was registered before.
    Registered,
}

impl Registration {
    fn name(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::Document => "document",
            Self::Registered => "registered",
        }
    }
}

/// What came of signing in.
#[derive(Debug)]
pub struct SignedIn {
    /// The client's requests in order, each as `METHOD gateway|provider/path status`.
    pub trace: Vec<String>,
    /// The names of the tools it is shown.
    pub tools: Vec<String>,
}

/// Kind and first argument of the step that `answer` answers, e.g. `call echo`.
pub fn label(answer: &Value) -> String {
    let step = answer.get("step").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    step.iter().take(2).filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

/// The answers of two takes of one script in pairs, those that differ; an error when they are not of one script.
pub fn differing<'a>(one: &'a [Value], other: &'a [Value]) -> Result<Vec<(&'a Value, &'a Value)>> {
    let steps = |answers: &'a [Value]| answers.iter().map(|answer| answer.get("step")).collect::<Vec<_>>();
    if steps(one) != steps(other) {
        bail!("not the same steps were taken:\n{one:?}\n{other:?}");
    }
    Ok(one.iter().zip(other).filter(|(one, other)| one != other).collect())
}

impl Sdk {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Python1, Self::Python2, Self::TypeScript1, Self::TypeScript2];

    /// Those that are taken to servers of HTTP with SSE: newer ones give the transport up.
    pub const SSE: [Self; 2] = [Self::Python1, Self::TypeScript1];

    /// As it stands in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python1 => "python 1.x",
            Self::Python2 => "python 2.x",
            Self::TypeScript1 => "typescript 1.x",
            Self::TypeScript2 => "typescript 2.x",
        }
    }

    /// Whether the client speaks `era`.
    pub fn speaks(self, era: Era) -> bool {
        era == Era::Legacy || matches!(self, Self::Python2 | Self::TypeScript2)
    }

    /// Takes `sessions`; by name, what each step of the session came to, "connect" first. Blocks.
    pub fn run(self, sessions: &[Session]) -> Result<BTreeMap<String, Vec<Value>>> {
        let input = sessions.iter().map(Session::json).collect::<Value>().to_string();
        let (printed, said) = self.output("client", &input)?;
        let mut answers: BTreeMap<_, _> = sessions.iter().map(|session| (session.name.clone(), Vec::new())).collect();
        for line in printed.lines() {
            let mut answer: Value = serde_json::from_str(line)
                .with_context(|| format!("{} printed no JSON: {line}\n{said}", self.name()))?;
            let session = answer.as_object_mut().and_then(|answer| answer.remove("session"));
            let session = session.as_ref().and_then(Value::as_str).and_then(|name| answers.get_mut(name));
            session.with_context(|| format!("{} names no session of its own: {line}", self.name()))?.push(answer);
        }
        Ok(answers)
    }

    /// Knows `url` alone, finds the identity provider by itself, signs alice in there, and lists tools. Blocks.
    pub fn sign_in(self, url: &str, registration: Registration) -> Result<SignedIn> {
        let input = json!({ "url": url, "registration": registration.name() }).to_string();
        let (printed, said) = self.output("oauth", &input)?;
        let signed_in: Value =
            serde_json::from_str(&printed).with_context(|| format!("{} printed {printed}\n{said}", self.name()))?;
        let texts = |key| {
            let list = signed_in.get(key).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
        };
        Ok(SignedIn { trace: texts("trace"), tools: texts("tools") })
    }

    /// What the client's program of this name prints, and what it says on standard error.
    fn output(self, script: &str, input: &str) -> Result<(String, String)> {
        let mut child = self
            .command(script)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start the client {}", self.name()))?;
        // The client reads all before it prints anything: neither side waits for the other.
        let mut stdin = child.stdin.take().context("the client has no standard input")?;
        let written = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (printed, said) = (text(&output.stdout), text(&output.stderr));
        if !output.status.success() || written.is_err() {
            bail!("the client {} ended with {}\n{printed}{said}", self.name(), output.status);
        }
        Ok((printed, said))
    }

    fn command(self, script: &str) -> Result<Command> {
        let python = |environment: &str, major: u8| {
            let mut command = Command::new(install::python(environment)?.join("bin/python"));
            let script = install::source_dir().join("python").join(format!("{script}_{major}.py"));
            command.arg(script).env("PYTHONDONTWRITEBYTECODE", "1");
            Ok(command)
        };
        let node = |name: &str| {
            let mut command = Command::new("node");
            command.arg(install::source_dir().join("npm").join(name).join(format!("{script}.mjs")));
            command.current_dir(install::npm(name)?);
            Ok(command)
        };
        match self {
            Self::Python1 => python("mcp-1", 1),
            Self::Python2 => python("mcp-2", 2),
            Self::TypeScript1 => node("typescript-1"),
            Self::TypeScript2 => node("typescript-2"),
        }
    }
}

impl Era {
    /// As it stands in tables and in the clients' input.
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

impl Endpoint {
    /// npm's `server-filesystem`, which may use `directory` and nothing else.
    pub fn filesystem(directory: &Path) -> Result<Self> {
        let script = "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js";
        let script = install::npm("server-filesystem")?.join(script);
        Self::stdio(&["node".as_ref(), script.as_os_str(), directory.as_os_str()])
    }

    /// The Python package index's `mcp-server-time`.
    pub fn time() -> Result<Self> {
        let program = install::python("mcp-1")?.join("bin/mcp-server-time");
        Self::stdio(&[program.as_os_str(), "--local-timezone=UTC".as_ref()])
    }

    fn stdio(command: &[&OsStr]) -> Result<Self> {
        let text = |part: &&OsStr| part.to_str().map(str::to_owned).context("a path that is no UTF-8");
        Ok(Self::Stdio { command: command.iter().map(text).collect::<Result<_>>()? })
    }
}

impl Session {
    fn json(&self) -> Value {
        let Self { name, era, endpoint, steps } = self;
        let mut session = json!({ "name": name, "era": era.name(), "steps": steps });
        let place = match endpoint {
            Endpoint::Http { url, token } => json!({ "url": url, "token": token, "transport": "http" }),
            Endpoint::Sse { url, token } => json!({ "url": url, "token": token, "transport": "sse" }),
            Endpoint::Stdio { command } => json!({ "command": command }),
        };
        if let (Some(session), Value::Object(place)) = (session.as_object_mut(), place) {
            session.extend(place);
        }
        session
    }
}
