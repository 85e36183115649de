//! Processes: ending all that a program has started, whose descendant one is, and a memory that others cannot read.
//!
//! A process that outlives its parent becomes a child of the nearest *subreaper* (`prctl(2)`), so killing one's own
//! children until there are none reaches everything, sessions and daemons included. Their ids cannot be taken by others
//! meanwhile: nobody else reaps them. A program that forks and exits faster than it can be looked at delays the end;
//! its process group is killed in one step, and `ResourceLimits::processes` bounds the rest.

use std::fs;
use std::io;
use std::thread::sleep;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group,
    set_child_subreaper, set_dumpable_behavior, wait,
};

/// This thread's children, which are the process's where there is one thread (`proc(5)`, `CONFIG_PROC_CHILDREN`).
const CHILDREN: &str = "/proc/thread-self/children";
/// Between two looks at who is left: at first, and at most.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));
/// A chain of parents longer than this is none that a server of ours has.
const MAX_ANCESTORS: usize = 1_024;

/// Keeps other processes of the same user from reading this one's memory, environment and descriptors
/// (`PR_SET_DUMPABLE`), and from getting a core dump of it. What is executed starts anew without it.
pub fn protect_memory() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Whether process `pid` is this process or was started, directly or not, by it. Servers are, also what they leave
/// behind: their supervisor adopts it. True for a process that is gone, so that nobody passes by ending in time.
///
/// For the gateway's own local sockets: Landlock below ABI 9 does not keep a server of the same user from a socket
/// with a path, so whoever accepts there asks this about its peer (`SO_PEERCRED`).
pub fn descends_from_this_process(pid: u32) -> bool {
    let own = std::process::id();
    let mut pid = pid;
    for _ in 0..MAX_ANCESTORS {
        match parent_of(pid) {
            _ if pid == own => return true,
            Some(0) => return false,
            Some(parent) => pid = parent,
            None => return true,
        }
    }
    true
}

/// Makes this process adopt what its children leave behind, or says why it cannot find them.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    let children = fs::read_to_string(CHILDREN);
    children.map_err(|error| io::Error::other(format!("{CHILDREN} cannot be read ({error}): the kernel lacks it")))?;
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Sends `signal` to the group that `leader` leads and to every child of this process.
pub(crate) fn signal_all(leader: Pid, signal: Signal) {
    // Both fail when there is nobody left, which is no failure.
    let _ = kill_process_group(leader, signal);
    for child in children() {
        let _ = kill_process(child, signal);
    }
}

/// Kills everything and reaps it; tells `ended` of each child that is no more. Returns when nothing is left.
pub(crate) fn kill_all(leader: Pid, mut ended: impl FnMut(Pid, WaitStatus)) {
    let (mut pause, longest) = LOOK_AGAIN;
    loop {
        signal_all(leader, Signal::KILL);
        if !reap(&mut ended) {
            return;
        }
        sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

/// Reaps every child that has ended. False when there are no children left at all.
pub(crate) fn reap(ended: &mut impl FnMut(Pid, WaitStatus)) -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => ended(pid, status),
            Ok(None) => return true,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

fn children() -> Vec<Pid> {
    let list = fs::read_to_string(CHILDREN).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw)).collect()
}

/// The parent's id (0: none here); nothing for a process that is gone.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // `pid (name) state parent …`; the name may hold anything, parentheses included.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_child_descends_and_a_parent_does_not() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        assert!(descends_from_this_process(child.id()));
        assert!(descends_from_this_process(std::process::id()));
        assert!(!descends_from_this_process(parent_of(std::process::id()).unwrap()));
        assert!(!descends_from_this_process(1));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(descends_from_this_process(child.id()), "one that is gone passed");
    }

    #[test]
    fn a_protected_process_dumps_nothing() {
        protect_memory().unwrap();
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
