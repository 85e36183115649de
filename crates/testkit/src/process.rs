//! A child process that ends with the test, and what it printed.
//!
//! `Process` is killed by its own id when dropped, also when the test panics. Standard output and error are read by
//! threads into one bounded log: read it with `log()`, wait for a line with `wait_for_line`.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Lines kept per process; the oldest go first.
const LOG_LINES: usize = 10_000;
/// How often the exit of a child is looked for.
const POLL: Duration = Duration::from_millis(10);
/// How often a program that tests need, and do not test, is started before it counts as broken.
const STARTS: usize = 3;
/// Interpreters start within three seconds on a busy two-core machine; the rest is margin.
const START_LIMIT: Duration = Duration::from_secs(40);

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Process {
    /// Starts `command` with no standard input and its output captured. `name` stands in error messages.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        let log = Arc::new(Log::default());
        if let Some(stdout) = child.stdout.take() {
            log.follow(stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            log.follow(stderr);
        }
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Starts a program that a test needs but does not test, and waits until it prints what `ready` looks for.
    ///
    /// An interpreter that hangs or dies as it starts is killed and started again, three times in all; the error
    /// holds what each had said. Programs under test are started with [`Process::start`], where a failure counts.
    pub fn start_until<T>(name: &str, command: &mut Command, ready: impl Fn(&str) -> Option<T>) -> Result<(Self, T)> {
        Self::start_until_within(START_LIMIT, name, command, ready)
    }

    fn start_until_within<T>(
        limit: Duration,
        name: &str,
        command: &mut Command,
        ready: impl Fn(&str) -> Option<T>,
    ) -> Result<(Self, T)> {
        let mut failures = Vec::new();
        for _ in 0..STARTS {
            let mut process = Self::start(name, command)?;
            match process.wait_for_line(limit, &ready) {
                Ok(found) => return Ok((process, found)),
                Err(error) => failures.push(error.to_string()),
            }
        }
        bail!("{}", failures.join("\n"))
    }

    /// The operating system's id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far, on both streams, in the order it was read.
    pub fn log(&self) -> String {
        self.log.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// The first line that `wanted` turns into something, printed already or within `limit`.
    pub fn wait_for_line<T>(&mut self, limit: Duration, wanted: impl Fn(&str) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + limit;
        let mut seen = 0;
        loop {
            let lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = lines.iter().skip(seen).find_map(|line| wanted(line)) {
                return Ok(found);
            }
            seen = lines.len();
            let (lines, _) = self.log.grown.wait_timeout(lines, POLL).unwrap_or_else(PoisonError::into_inner);
            let quiet = lines.len() == seen;
            drop(lines);
            if quiet && let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} before it said what was waited for:\n{}", self.name, self.log());
            }
            if Instant::now() > deadline {
                bail!("{} did not say what was waited for within {limit:?}:\n{}", self.name, self.log());
            }
        }
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("{} did not end within {limit:?}:\n{}", self.name, self.log());
            }
            thread::sleep(POLL);
        }
    }

    /// Asks it to end (SIGTERM) and waits.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(limit)
    }

    /// Sends it `signal`, unless it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            // The child is not reaped yet, so its id cannot have become another process's.
            let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw).context("a process id out of range")?;
            kill_process(pid, signal)?;
        }
        Ok(())
    }

    /// Kills it at once (SIGKILL): what a crash looks like.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process has gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    /// Reads `stream` to its end on a thread of its own.
    fn follow(self: &Arc<Self>, stream: impl io::Read + Send + 'static) {
        let log = Arc::clone(self);
        thread::spawn(move || {
            let mut stream = io::BufReader::new(stream);
            let mut line = Vec::new();
            while io::BufRead::read_until(&mut stream, b'\n', &mut line).is_ok_and(|read| read > 0) {
                log.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
    }

    fn push(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LOG_LINES {
            lines.remove(0);
        }
        lines.push(line);
        self.grown.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Process {
        Process::start("shell", Command::new("sh").args(["-c", script])).unwrap()
    }

    fn exists(id: u32) -> bool {
        std::path::Path::new(&format!("/proc/{id}")).exists()
    }

    #[test]
    fn finds_lines_of_both_streams_and_ends_on_drop() {
        let mut process = shell("echo port 41; echo oops >&2; exec sleep 60");
        let port: u16 =
            process.wait_for_line(LIMIT, |line| line.strip_prefix("port ").and_then(|port| port.parse().ok())).unwrap();
        assert_eq!(port, 41);
        process.wait_for_line(LIMIT, |line| (line == "oops").then_some(())).unwrap();

        let id = process.id();
        assert!(exists(id));
        drop(process);
        assert!(!exists(id));
    }

    #[test]
    fn a_program_that_ends_early_is_an_error_with_its_output() {
        let mut process = shell("echo no such option; exit 3");
        let error = process.wait_for_line(LIMIT, |line| (line == "ready").then_some(())).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no such option"), "{error}");
    }

    #[test]
    fn a_program_that_hangs_or_dies_as_it_starts_is_started_again() {
        let dir = tempfile::tempdir().unwrap();
        let limit = Duration::from_millis(500);
        let port = |line: &str| line.strip_prefix("port ")?.parse::<u16>().ok();
        // One byte more at each start: the first hangs, the second dies, the third is well.
        let script = "printf x >>starts; case $(cat starts) in x) exec sleep 60;; xx) exit 3;; esac; echo port 41; exec sleep 60";
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(dir.path());
        let (process, found) = Process::start_until_within(limit, "shell", &mut command, port).unwrap();
        assert_eq!(found, 41);
        assert!(exists(process.id()));

        let mut command = Command::new("sh");
        command.args(["-c", "printf y >>starts; echo no such option; exit 3"]).current_dir(dir.path());
        let error = Process::start_until_within(limit, "shell", &mut command, port).unwrap_err().to_string();
        assert!(error.contains("no such option"), "{error}");
        assert_eq!(std::fs::read_to_string(dir.path().join("starts")).unwrap(), "xxxyyy");
    }

    #[test]
    fn terminate_lets_the_program_finish() {
        let mut process = shell("trap 'echo finished; exit 7' TERM; echo ready; while :; do sleep 0.02; done");
        process.wait_for_line(LIMIT, |line| (line == "ready").then_some(())).unwrap();
        assert_eq!(process.terminate(LIMIT).unwrap().code(), Some(7));
        process.wait_for_line(LIMIT, |line| (line == "finished").then_some(())).unwrap();
    }
}
