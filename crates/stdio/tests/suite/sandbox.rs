//! A directory for one test: a gateway's data and key, and what a server is granted.
//!
//! Everything in it is open to everybody as far as the file system goes, so that what a server cannot reach is kept from
//! it by its confinement alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vidimus_stdio::{Child, ChildLimits, Confinement, Launch, LogPiece, LogSink, Messages, RunAs};

/// Longer than anything here takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// `nobody`, on every system that tests run on.
const NOBODY: u32 = 65_534;

pub(crate) struct Sandbox {
    dir: TempDir,
    /// What servers that were started wrote to their standard error.
    log: Arc<Mutex<String>>,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = Self { dir, log: Arc::default() };
        open_to_all(sandbox.dir.path());
        for name in ["data", "keys", "granted", "readable", "scratch", "elsewhere"] {
            fs::create_dir(sandbox.path(name)).unwrap();
            open_to_all(&sandbox.path(name));
            fs::write(sandbox.path(name).join("file"), format!("content of {name}\n")).unwrap();
            open_to_all(&sandbox.path(name).join("file"));
        }
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Grants `granted` to write and `readable` to read.
    pub(crate) fn confinement(&self, command: &[&str]) -> Confinement {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let mut confinement = Confinement::new(command, vec![self.path("data"), self.path("keys/file")]);
        confinement.writable = vec![self.path("granted")];
        confinement.readable = vec![self.path("readable")];
        confinement.scratch_root = self.path("scratch");
        confinement.environment.0.insert("SANDBOX".to_owned(), self.dir.path().display().to_string());
        let is_root = rustix::process::geteuid().is_root();
        confinement.run_as = is_root.then_some(RunAs { uid: NOBODY, gid: NOBODY });
        confinement
    }

    pub(crate) fn launch(&self, confinement: Confinement) -> Launch {
        Launch {
            supervisor: env!("CARGO_BIN_EXE_stdio-child").into(),
            arguments: vec!["supervise".into()],
            confinement,
            limits: ChildLimits {
                close: Duration::from_secs(5),
                terminate: Duration::from_secs(5),
                ..ChildLimits::default()
            },
            log: kept(&self.log),
            owner: String::new(),
        }
    }

    /// Starts a script of the shell.
    pub(crate) async fn shell(&self, script: &str) -> (Child, Messages) {
        self.start(&self.launch(self.confinement(&["sh", "-c", script]))).await
    }

    pub(crate) async fn start(&self, launch: &Launch) -> (Child, Messages) {
        if let Err(remedy) = vidimus_stdio::landlock_available() {
            // A kernel without Landlock: the refusal is all there is to see.
            let refusal = Child::spawn(launch).await.unwrap_err().to_string();
            assert!(refusal.contains("isolation = \"none\""), "{refusal}");
            panic!("THIS KERNEL CANNOT CONFINE, SO NOTHING OF IT IS TESTED: {remedy}");
        }
        Child::spawn(launch).await.unwrap()
    }

    /// What the script writes, to its end.
    pub(crate) async fn output(&self, script: &str) -> Vec<String> {
        self.output_of(&self.launch(self.confinement(&["sh", "-c", script]))).await
    }

    pub(crate) async fn output_of(&self, launch: &Launch) -> Vec<String> {
        let (child, mut messages) = self.start(launch).await;
        let mut lines = Vec::new();
        while let Some(line) = next(&mut messages).await {
            lines.push(line);
        }
        child.ended().await;
        lines
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

/// Keeps what is written to a log.
pub(crate) fn kept(log: &Arc<Mutex<String>>) -> LogSink {
    let (log, (sink, mut pieces)) = (Arc::clone(log), LogSink::new());
    tokio::spawn(async move {
        while let Some(piece) = pieces.next().await {
            let text = match &piece {
                LogPiece::Written(bytes) => String::from_utf8_lossy(bytes),
                LogPiece::Remark(text) => text.into(),
            };
            log.lock().unwrap().push_str(&text);
        }
    });
    sink
}

/// The next message, or the test fails.
pub(crate) async fn next(messages: &mut Messages) -> Option<String> {
    let message = tokio::time::timeout(LIMIT, messages.next()).await.expect("nothing came");
    message.map(|message| String::from_utf8_lossy(&message).into_owned())
}

pub(crate) fn is_alive(pid: u32) -> bool {
    // A zombie is nobody.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn open_to_all(path: &Path) {
    let mode = if path.is_dir() { 0o777 } else { 0o666 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
