//! Servers written for tests with the official SDKs: `python/server_2.py` and `npm/typescript-2/server.mjs`
//! of both eras, `python/server_sse_1.py` of HTTP with SSE.
//!
//! All offer one of everything a client can use, under the same names, and answer the same every time. Over
//! HTTP, on a free loopback port. One server serves any number of sessions.

use std::process::Command;

use anyhow::Result;

use crate::install;
use crate::process::Process;

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct FixtureServer {
    process: Process,
    port: u16,
    path: &'static str,
}

impl FixtureServer {
    /// The server of the Python SDK 2.x. Blocks until it listens.
    pub fn python() -> Result<Self> {
        let interpreter = install::python("mcp-2")?.join("bin/python");
        let script = install::source_dir().join("python/server_2.py");
        Self::start("python server", Command::new(interpreter).arg(script).env("PYTHONDONTWRITEBYTECODE", "1"))
    }

    /// The server of the Python SDK 1.x, which speaks HTTP with SSE alone (MCP 2024-11-05). Blocks until it listens.
    pub fn python_sse() -> Result<Self> {
        let interpreter = install::python("mcp-1")?.join("bin/python");
        let script = install::source_dir().join("python/server_sse_1.py");
        let mut command = Command::new(interpreter);
        command.arg(script).env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(Self { path: "/sse", ..Self::start("python sse server", &mut command)? })
    }

    /// The server of the TypeScript SDK 2.x. Blocks until it listens.
    pub fn typescript() -> Result<Self> {
        let source = install::source_dir().join("npm");
        let mut command = Command::new("node");
        command
            .arg("--import")
            .arg(source.join("loopback.mjs"))
            .arg(source.join("typescript-2/server.mjs"))
            .current_dir(install::npm("typescript-2")?);
        Self::start("typescript server", &mut command)
    }

    fn start(name: &str, command: &mut Command) -> Result<Self> {
        let ready = |line: &str| line.strip_prefix("listening on port ")?.parse().ok();
        let (process, port) = Process::start_until(name, command, ready)?;
        Ok(Self { process, port, path: "/mcp" })
    }

    /// The MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.path)
    }

    /// The process, for its log.
    pub fn process(&self) -> &Process {
        &self.process
    }
}
