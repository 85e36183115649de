//! npm's `@modelcontextprotocol/server-everything`: the reference MCP server, over Streamable HTTP or HTTP with SSE.
//!
//! It would listen on every interface and a fixed port; `npm/loopback.mjs`, loaded before it, binds a free loopback port
//! instead and prints which. One server serves any number of sessions; tests that count its requests start their own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::install;
use crate::process::Process;

/// The program in its installation.
const PROGRAM: &str = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct EverythingServer {
    process: Process,
    port: u16,
    path: &'static str,
}

impl EverythingServer {
    /// Installs the pinned version if need be, starts it and waits until it listens. Blocks.
    pub fn start() -> Result<Self> {
        Self::start_as("streamableHttp", "/mcp")
    }

    /// The same that speaks HTTP with SSE alone (MCP 2024-11-05). Blocks.
    pub fn start_sse() -> Result<Self> {
        Self::start_as("sse", "/sse")
    }

    fn start_as(transport: &str, path: &'static str) -> Result<Self> {
        let dir = install::npm("server-everything")?;
        let mut command = Command::new("node");
        command
            .arg("--import")
            .arg(install::source_dir().join("npm/loopback.mjs"))
            .arg(dir.join(PROGRAM))
            .arg(transport)
            .current_dir(&dir)
            .env("PORT", "0");
        let ready = |line: &str| line.strip_prefix("listening on port ")?.parse().ok();
        let (process, port) = Process::start_until("server-everything", &mut command, ready)?;
        Ok(Self { process, port, path })
    }

    /// Where its installation is, and its program in there, which takes the argument `stdio` too. Blocks.
    pub fn program() -> Result<(PathBuf, &'static str)> {
        Ok((install::npm("server-everything")?, PROGRAM))
    }

    /// The MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.path)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process: its log names every request, one per line.
    pub fn process(&self) -> &Process {
        &self.process
    }
}
