//! Processes: whose descendant one is (`proc(5)`), and a memory that others cannot read (`prctl(2)`).
//!
//! What a program has started, and its end, is in `descendants`.

use std::fs;
use std::io;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

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

/// The parent's id (0: none here); nothing for a process that is gone.
pub(crate) fn parent_of(pid: u32) -> Option<u32> {
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
