//! System calls that a confined program does not get (seccomp, Linux `Documentation/userspace-api/seccomp_filter.rst`).
//!
//! Landlock has no word for what a process may do to others of its user: their limits (`prlimit` with a file size of 0
//! ends a gateway), priorities and processors. Those calls are left for the caller itself (process 0), and refused for
//! any other, threads named by their number included. Refused altogether is what looks into other processes, makes
//! namespaces and mounts, loads programs into the kernel, or goes around a filter (`io_uring`, other call tables: 32 bit
//! programs are killed). Without network, sockets are for this machine alone (`unix`, and `netlink`, which lists
//! interfaces). A filter reads numbers and never memory, so `clone3`, whose flags it cannot see, is said not to exist: C
//! libraries then use `clone`.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

/// Refused whatever their arguments.
const REFUSED: &[i64] = &[
    // Other processes, and what belongs to them.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_syslog,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Other views of the file system.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
];
/// Their first argument is a process: 0 is the caller.
const OF_A_PROCESS: &[i64] = &[
    libc::SYS_prlimit64,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setaffinity,
];
/// Their first argument is a kind of what the second one names (0: the caller's own), with the kind that means all
/// processes of a user.
const OF_A_KIND: &[(i64, u64)] = &[(libc::SYS_setpriority, PRIO_USER), (libc::SYS_ioprio_set, IOPRIO_WHO_USER)];
/// `setpriority(2)`
const PRIO_USER: u64 = 2;
/// `ioprio_set(2)`
const IOPRIO_WHO_USER: u64 = 3;
/// `clone(2)`: without it the other namespaces are root's.
const CLONE_NEWUSER: u64 = 0x1000_0000;
/// `socket(2)`: families that stay on this machine.
const LOCAL_FAMILIES: &[u64] = &[1, 16];

/// Calls from here on are those of x32, another table of the same architecture.
const X32: u32 = 0x4000_0000;
/// Loads the number of the call; compares it; answers (`linux/bpf_common.h`, `linux/seccomp.h`).
const LOAD_NUMBER: u16 = 0x20;
const IS_AT_LEAST: u16 = 0x35;
const ANSWER: u16 = 0x06;

/// Takes the calls from the calling thread, and from all it becomes or starts, for ever. Also sets `no_new_privs`.
pub(crate) fn refuse(network: bool) -> Result<(), Error> {
    apply(absent(), libc::ENOSYS)?;
    apply(refused(network)?, libc::EPERM)?;
    let other_table = [
        sock_filter { code: LOAD_NUMBER, jt: 0, jf: 0, k: 0 },
        sock_filter { code: IS_AT_LEAST, jt: 0, jf: 1, k: X32 },
        sock_filter { code: ANSWER, jt: 0, jf: 0, k: error(libc::EPERM).into() },
        sock_filter { code: ANSWER, jt: 0, jf: 0, k: SeccompAction::Allow.into() },
    ];
    seccompiler::apply_filter(&other_table)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn absent() -> Rules {
    // No rule is every call.
    Rules::from([(libc::SYS_clone3, Vec::new())])
}

fn refused(network: bool) -> Result<Rules, BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};

    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    for call in OF_A_PROCESS {
        rules.insert(*call, vec![SeccompRule::new(vec![argument(0, Ne, 0)?])?]);
    }
    for (call, of_a_user) in OF_A_KIND {
        let others = SeccompRule::new(vec![argument(1, Ne, 0)?])?;
        rules.insert(*call, vec![others, SeccompRule::new(vec![argument(0, Eq, *of_a_user)?])?]);
    }
    let new_user = argument(0, MaskedEq(CLONE_NEWUSER), CLONE_NEWUSER)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![new_user])?]);
    if !network {
        let is_none: Result<Vec<_>, _> = LOCAL_FAMILIES.iter().map(|family| argument(0, Ne, *family)).collect();
        rules.insert(libc::SYS_socket, vec![SeccompRule::new(is_none?)?]);
    }
    Ok(rules)
}

/// All of these arguments are 32 bits wide to the kernel, or have their flags there.
fn argument(index: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
}

fn apply(rules: Rules, answer: i32) -> Result<(), Error> {
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, error(answer), ARCH.try_into()?)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)
}

fn error(number: i32) -> SeccompAction {
    SeccompAction::Errno(number.unsigned_abs())
}
