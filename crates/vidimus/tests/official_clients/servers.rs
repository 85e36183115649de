//! The servers of the table: how each is reached without the gateway and by it, and what is done there.
//!
//! Over HTTP those made with the official SDKs; on standard input and output npm's file server and the Python package
//! index's time server, which the gateway starts confined, and a client without it starts as it likes.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use vidimus_testkit::{Endpoint, Era, FixtureServer, TempDir, install, script};

use crate::common::programs;

/// A line of the table. One server can be in two lines, one for each era.
pub(crate) struct Server {
    pub(crate) target: &'static str,
    pub(crate) era: Era,
    pub(crate) direct: Endpoint,
    /// Where it is: the lines of `[targets.TARGET]`.
    lines: String,
    pub(crate) steps: Value,
}

impl Server {
    pub(crate) fn http(target: &'static str, era: Era, url: String, steps: Value) -> Self {
        let lines = format!("url = \"{url}\"");
        Self { target, era, direct: Endpoint::Http { url, token: None }, lines, steps }
    }

    /// A program that is installed below `dir`.
    fn program(target: &'static str, command: &[&str], dir: &Path, further: &str, steps: Value) -> Self {
        let lines = format!("{}\n{further}", programs::lines(command, dir));
        let command = command.iter().map(ToString::to_string).collect();
        Self { target, era: Era::Legacy, direct: Endpoint::Stdio { command }, lines, steps }
    }

    /// The table of the configuration.
    pub(crate) fn table(&self) -> String {
        format!("[targets.{}]\nprotocol = \"mcp\"\n{}\nrecord = \"masked\"\n", self.target, self.lines)
    }
}

/// The servers beside npm's `server-everything`.
pub(crate) struct Fixtures {
    python: FixtureServer,
    typescript: FixtureServer,
    rust: String,
    _serving: JoinHandle<Result<()>>,
    /// Where the programs are installed, and what the file server may use.
    programs: TempDir,
    interpreter: String,
}

impl Fixtures {
    pub(crate) async fn start() -> Result<Self> {
        let python = tokio::task::spawn_blocking(FixtureServer::python);
        let typescript = tokio::task::spawn_blocking(FixtureServer::typescript).await??;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let rust = format!("http://{}/mcp", listener.local_addr()?);
        let serving = tokio::spawn(vidimus_conformance_server::serve(listener));
        let (programs, interpreter) = tokio::task::spawn_blocking(installed).await??;
        Ok(Self { python: python.await??, typescript, rust, _serving: serving, programs, interpreter })
    }

    /// Their lines of the table.
    pub(crate) fn servers(&self) -> Vec<Server> {
        let mut servers = Vec::new();
        for era in [Era::Legacy, Era::Modern] {
            servers.push(Server::http("python", era, self.python.url(), script::fixture(era)));
            servers.push(Server::http("typescript", era, self.typescript.url(), script::fixture(era)));
            servers.push(Server::http("rmcp", era, self.rust.clone(), script::conformance(era)));
        }
        let dir = self.programs.path();
        let (files, packages) = (dir.join("files"), dir.join("python"));
        let script = dir.join("npm/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js");
        let (script, used) = (script.display().to_string(), files.display().to_string());
        let grant = format!("write = [{used:?}]");
        servers.push(Server::program("files", &["node", &script, &used], dir, &grant, script::filesystem(&files)));
        let path = format!("PYTHONPATH={}", packages.display());
        let command = [
            "/usr/bin/env",
            &path,
            "PYTHONDONTWRITEBYTECODE=1",
            &self.interpreter,
            "-m",
            "mcp_server_time",
            "--local-timezone=UTC",
        ];
        servers.push(Server::program("time", &command, dir, "", script::time()));
        servers
    }
}

/// Both programs where any user can read them, a file for the file server, and the interpreter of the time server.
fn installed() -> Result<(TempDir, String)> {
    let dir = programs::open_dir();
    programs::copy(&install::npm("server-filesystem")?, &dir.path().join("npm"));
    let environment = install::python("mcp-1")?;
    let library = std::fs::read_dir(environment.join("lib"))?.next().context("an environment without a library")??;
    programs::copy(&library.path().join("site-packages"), &dir.path().join("python"));
    let files = dir.path().join("files");
    std::fs::create_dir(&files)?;
    std::fs::write(files.join("note.txt"), "a note\n")?;
    programs::open(&files, 0o777);
    // One of the system's own: an interpreter in somebody's home is nothing that another user can run. Its version is the
    // environment's, whose packages are compiled for it.
    let interpreter = Path::new("/usr/bin").join(library.file_name());
    anyhow::ensure!(interpreter.exists(), "{} is missing: the time server needs it", interpreter.display());
    Ok((dir, interpreter.display().to_string()))
}
