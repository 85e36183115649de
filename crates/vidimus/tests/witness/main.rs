//! What outsiders see of a log: `vidimus log witness` by itself, gateways that are watched by it, and `/log/`.
//!
//! Every test runs the real programs; what is asked of a witness is written by hand.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;

mod attacks;
mod files;
mod gateway;
mod server;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use vidimus_log::{VerifierKey, WitnessKey};
use vidimus_testkit::{Process, TempDir, free_port, tempdir};

/// How long anything may take that should happen soon.
const SOON: Duration = Duration::from_secs(30);

/// The name of every witness here.
const NAME: &str = "witness.example.com/w1";

/// A witness process with a directory of its own. Dropping it kills it.
struct Witness {
    dir: TempDir,
    port: u16,
    logs: Vec<VerifierKey>,
    process: Process,
}

/// What a witness answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Witness {
    /// Starts a witness of these logs, and waits until it serves.
    fn start(logs: &[VerifierKey]) -> Self {
        let dir = tempdir().unwrap();
        let mut seed = [0_u8; 32];
        aws_lc_rs::rand::fill(&mut seed).unwrap();
        let key = dir.path().join("key");
        std::fs::write(&key, seed).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let port = free_port().unwrap();
        let process = spawn(dir.path(), port, logs, &["--init"]);
        Self { dir, port, logs: logs.to_vec(), process }
    }

    /// Starts the process again, on the same state.
    fn restart(&mut self) {
        self.process = spawn(self.dir.path(), self.port, &self.logs, &[]);
    }

    /// Loses its memory, and begins anew.
    fn forget(&mut self) {
        self.process.kill().unwrap();
        std::fs::remove_file(self.memory()).unwrap();
        self.process = spawn(self.dir.path(), self.port, &self.logs, &["--init"]);
    }

    fn key(&self) -> WitnessKey {
        let output = command(self.dir.path()).arg("--show-key").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().parse().unwrap()
    }

    /// Sends these bytes as a request's body. `None` when no whole answer came.
    fn ask(&self, body: &str) -> Option<Answer> {
        let request = format!(
            "POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        self.exchange(request.as_bytes())
    }

    fn exchange(&self, request: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(SOON)).ok()?;
        // Whoever refuses early need not read the rest.
        let _ = stream.write_all(request);
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }
}

impl Witness {
    /// Where it remembers the only log it was told of.
    fn memory(&self) -> PathBuf {
        let files = std::fs::read_dir(self.dir.path().join("state")).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        files.find(|file| file.extension().is_some_and(|extension| extension == "checkpoint")).unwrap()
    }
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vidimus"));
    command.args(["log", "witness", "--name", NAME, "--key"]).arg(dir.join("key")).env("NO_COLOR", "1");
    command
}

fn spawn(dir: &Path, port: u16, logs: &[VerifierKey], more: &[&str]) -> Process {
    let mut command = command(dir);
    command.arg("--state").arg(dir.join("state")).arg("--listen").arg(format!("127.0.0.1:{port}")).args(more);
    for log in logs {
        command.arg("--log").arg(log.to_string());
    }
    let mut process = Process::start("witness", &mut command).unwrap();
    process.wait_for_line(SOON, |line| line.contains("Serving").then_some(())).unwrap();
    process
}
