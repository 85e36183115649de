//! All that this process has started, directly or not: adopted, signalled, killed, reaped.
//!
//! A process that outlives its parent becomes a child of the nearest *subreaper* (`prctl(2)`), so sessions and daemons
//! stay descendants too. Killing them one by one loses against a chain of processes that each start the next. So this
//! process enters a Landlock domain of its own whose signals stay inside (ABI 6, Linux 6.12): from there `kill(-1)`
//! reaches exactly what it has started, in one step that no fork outruns. On an older kernel descendants are stopped until
//! a look finds no new one, and then killed, again and again until none is left; there a program that forks and exits
//! faster than `/proc` can be read still delays the end, until `ResourceLimits::processes` or its own errors stop it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::thread::sleep;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpid, getppid, kill_process, kill_process_group, pidfd_open,
    pidfd_send_signal, set_child_subreaper, test_kill_process, wait,
};

use crate::isolation;
use crate::processes::parent_of;

/// This thread's children, which are the process's where there is one thread (`proc(5)`, `CONFIG_PROC_CHILDREN`).
const CHILDREN: &str = "/proc/thread-self/children";
/// Between two looks at who is left, when nobody new was found: at first, and at most.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));
/// So often new ones are stopped before those there are killed.
const MAX_LOOKS: usize = 64;

/// What this process has started and adopts.
#[derive(Debug)]
pub(crate) struct Descendants {
    /// Signals of this process reach them and nobody else.
    are_a_domain: bool,
}

impl Descendants {
    /// Makes this process adopt what its children leave behind, or says why it cannot find them. Must be called before
    /// it starts anything, and before it has a second thread.
    pub(crate) fn adopt() -> io::Result<Self> {
        let children = fs::read_to_string(CHILDREN);
        children
            .map_err(|error| io::Error::other(format!("{CHILDREN} cannot be read ({error}): the kernel lacks it")))?;
        set_child_subreaper(Some(getpid()))?;
        // Without its domain a `kill(-1)` of root's would end the machine: what the kernel says is tried out.
        let parent_is_out_of_reach = || getppid().is_some_and(|parent| test_kill_process(parent) == Err(Errno::PERM));
        Ok(Self { are_a_domain: isolation::keep_signals_inside() && parent_is_out_of_reach() })
    }

    /// Kills everything and reaps it; tells `ended` of each child that is no more. Returns when nothing is left.
    pub(crate) fn kill_all(&self, leader: Pid, mut ended: impl FnMut(Pid, WaitStatus)) {
        let (shortest, longest) = LOOK_AGAIN;
        let mut pause = shortest;
        let mut known = BTreeSet::new();
        loop {
            let has_new = if self.are_a_domain {
                // `kill(-1)`; an error is that there is nobody left.
                let _ = kill_process_group(Pid::INIT, Signal::KILL);
                false
            } else {
                let _ = kill_process_group(leader, Signal::KILL);
                stop_and_kill(&mut known)
            };
            if !reap(&mut ended) {
                return;
            }
            if has_new {
                pause = shortest;
            } else {
                sleep(pause);
                pause = (pause * 2).min(longest);
            }
        }
    }
}

/// Asks the group that `leader` leads, and every child of this process, to end.
pub(crate) fn ask_to_end(leader: Pid) {
    // Both fail when there is nobody left, which is no failure.
    let _ = kill_process_group(leader, Signal::TERM);
    for child in children() {
        let _ = kill_process(child, Signal::TERM);
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

/// Kills what is there, stopped first so that it starts nothing. Whether there was any that is not in `known`, which
/// becomes what was found.
fn stop_and_kill(known: &mut BTreeSet<u32>) -> bool {
    let mut stopped = BTreeSet::new();
    let mut found = find();
    for _ in 0..MAX_LOOKS {
        if found.is_subset(&stopped) {
            break;
        }
        for pid in found.difference(&stopped) {
            signal_one(*pid, &found, Signal::STOP);
        }
        stopped.append(&mut found);
        found = find();
    }
    for pid in &found {
        signal_one(*pid, &found, Signal::KILL);
    }
    let has_new = !found.is_subset(known);
    *known = found;
    has_new
}

/// Every descendant, as far as one reading of `/proc` shows. Those that have ended and were not reaped are among them:
/// one whose first thread has ended looks the same.
fn find() -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some((pid, parent)) = pid.and_then(|pid| Some((pid, parent_of(pid)?))) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut parents = vec![std::process::id()];
    while let Some(parent) = parents.pop() {
        let of_parent = children.remove(&parent).unwrap_or_default();
        found.extend(&of_parent);
        parents.extend(of_parent);
    }
    found
}

/// Signals `pid` if it still is of the `family`. Its number may be somebody else's by now, if its parent has reaped it.
fn signal_one(pid: u32, family: &BTreeSet<u32>, signal: Signal) {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(Ok(process)) = raw.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else { return };
    // Asked after it was opened: an answer about another one means that the one opened is gone, and gets no signal.
    if parent_of(pid).is_some_and(|parent| parent == std::process::id() || family.contains(&parent)) {
        // Fails when it has ended.
        let _ = pidfd_send_signal(&process, signal);
    }
}

fn children() -> Vec<Pid> {
    let list = fs::read_to_string(CHILDREN).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw)).collect()
}
