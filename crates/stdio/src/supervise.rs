//! The supervisor: starts the confiner, adopts what the program leaves behind, and ends all of it.
//!
//! It stays until nothing is left, removes the scratch directory and reports how the program ended. Its socket to the
//! gateway is its life line: when that closes, for whatever reason, it kills. It is not confined but for its signals,
//! which stay among its descendants where the kernel can do that; it reads nothing that the program says, and runs one
//! thread. With ABI 6 of Landlock, or another user, the program cannot signal it; if it is killed all the same, the
//! program itself dies with it (`PR_SET_PDEATHSIG`).

use std::fs::{self, DirBuilder};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitStatus, pidfd_open};

use crate::confine::CONFINED;
use crate::confinement::Confinement;
use crate::descendants::{Descendants, ask_to_end, reap};
use crate::handover::{self, KILL, Report, Status, Streams, TERMINATE, Task};
use crate::processes::protect_memory;

/// How long the confiner may take to become the program.
const CONFINE_LIMIT: Duration = Duration::from_secs(10);
/// The confiner's last words are short.
const MAX_REASON: u64 = 4 * 1024;
/// How often adopted processes that have ended are reaped.
const REAP_INTERVAL: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// Names tried for a scratch directory; another process squats on names at most.
const SCRATCH_NAMES: u32 = 100;

/// Supervises the program that the parent names, until everything has ended. `confiner` starts the next stage.
pub(crate) fn run(confiner: Command) -> io::Result<()> {
    let socket = handover::socket_to_parent()?;
    protect_memory()?;
    let (task, streams) = handover::receive(&socket)?;
    let report = match start(confiner, task.confinement, streams) {
        Ok(running) => {
            // Fails when the gateway has gone: then the wait for orders ends at once.
            let _ = handover::report(&socket, &Report::Started { pid: running.pid() });
            running.wait_for_the_end(&socket)
        }
        Err(error) => Report::Refused { reason: error.to_string() },
    };
    handover::report(&socket, &report)
}

/// A program and its scratch directory.
#[derive(Debug)]
struct Running {
    leader: Pid,
    descendants: Descendants,
    scratch: Scratch,
}

/// A private directory, removed when dropped.
#[derive(Debug)]
struct Scratch(PathBuf);

fn start(mut confiner: Command, confinement: Confinement, streams: Streams) -> io::Result<Running> {
    let descendants = Descendants::adopt()?;
    let scratch = Scratch::make(&confinement)?;
    let (socket, theirs) = UnixStream::pair()?;
    socket.set_read_timeout(Some(CONFINE_LIMIT))?;
    let child = confiner
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // The command holds the confiner's end of the socket, whose closing is waited for below.
    drop(confiner);
    let running = Running { leader: Pid::from_child(&child), descendants, scratch };
    let task = Task { confinement, scratch: Some(running.scratch.0.clone()) };
    let told = handover::send(&socket, &task, &streams);
    drop(streams);
    let mut words = Vec::new();
    let read = told.and_then(|()| (&socket).take(MAX_REASON).read_to_end(&mut words));
    if read.is_ok() && words == CONFINED {
        return Ok(running);
    }
    running.descendants.kill_all(running.leader, |_, _| {});
    let reason = words.strip_prefix(CONFINED).unwrap_or(&words);
    Err(match read {
        Err(error) => io::Error::other(format!("the confiner does not answer: {error}")),
        Ok(_) if reason.is_empty() => io::Error::other("the confiner ended without a word"),
        Ok(_) => io::Error::other(String::from_utf8_lossy(reason).into_owned()),
    })
}

impl Running {
    fn pid(&self) -> u32 {
        self.leader.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits until the program ends or is to end, ends everything else, and says how it went.
    fn wait_for_the_end(self, socket: &UnixStream) -> Report {
        let leader = self.leader;
        let mut status = None;
        let mut note = |pid: Pid, wait: WaitStatus| {
            if pid == leader {
                status = wait.exit_status().map(Status::Code).or(wait.terminating_signal().map(Status::Signal));
            }
        };
        // Without a descriptor for the process its end is seen at the next look.
        let process = pidfd_open(leader, PidfdFlags::empty()).ok();
        let mut has_ended = false;
        while !has_ended {
            match next_order(socket, process.as_ref()) {
                Some(TERMINATE) => ask_to_end(leader),
                Some(_) => break,
                None => {}
            }
            reap(&mut |pid, wait| {
                has_ended |= pid == leader;
                note(pid, wait);
            });
        }
        self.descendants.kill_all(leader, &mut note);
        // The scratch directory goes before the report, so that whoever reads it finds nothing left.
        drop(self);
        Report::Ended { status }
    }
}

impl Scratch {
    fn make(confinement: &Confinement) -> io::Result<Self> {
        let root = &confinement.scratch_root;
        for number in 0..SCRATCH_NAMES {
            let path = root.join(format!("vidimus-stdio-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot_make(root, &error)),
                Ok(()) => {
                    let scratch = Self(path);
                    if let Some(user) = confinement.run_as {
                        chown(&scratch.0, Some(user.uid), Some(user.gid)).map_err(|error| cannot_make(root, &error))?;
                    }
                    return Ok(scratch);
                }
            }
        }
        Err(cannot_make(root, &io::Error::from(io::ErrorKind::AlreadyExists)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed (a full disk, a mount) is left in the system's temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn cannot_make(root: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!("no scratch directory can be made in {}: {error}", root.display()))
}

/// Waits for an order, the program's end, or the time to reap. A gateway that has gone orders to kill.
fn next_order(mut socket: &UnixStream, process: Option<&OwnedFd>) -> Option<u8> {
    let mut watched = vec![PollFd::new(socket, PollFlags::IN)];
    watched.extend(process.map(|process| PollFd::new(process, PollFlags::IN)));
    // An interrupted wait is a short one.
    let _ = poll(&mut watched, Some(&REAP_INTERVAL));
    if watched.first().is_none_or(|socket| socket.revents().is_empty()) {
        return None;
    }
    let mut order = [0];
    match socket.read(&mut order) {
        Ok(1) => Some(order[0]),
        _ => Some(KILL),
    }
}
