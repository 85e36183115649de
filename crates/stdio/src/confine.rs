//! The confiner: restricts itself, then becomes the program.
//!
//! In this order, because each step takes away what the one before needed: descriptors, session and file mask, grants
//! opened and checked, resource limits, user, working directory, Landlock, system calls, exec. It runs one thread, so
//! what holds for the thread holds for the program. The first step that fails ends it, and the supervisor learns why.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::Mode;
use rustix::process::{
    Gid, Resource, Rlimit, Signal, Uid, getrlimit, getuid, set_parent_process_death_signal, setrlimit, setsid, umask,
};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::confinement::{Confinement, ConfinementError, DEFAULT_PATH, Isolation, ResourceLimits, RunAs};
use crate::grants::{self, Access};
use crate::handover::{self, Streams, Task};
use crate::isolation::{self, IsolationError};
use crate::processes::protect_memory;
use crate::system_calls;

/// What the supervisor reads when the program is about to be executed; anything more is why it was not.
pub(crate) const CONFINED: &[u8] = b"confined\n";

/// Files made are for their owner alone.
const FILE_MASK: Mode = Mode::from_bits_truncate(0o077);

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Confinement(#[from] ConfinementError),
    #[error(transparent)]
    Isolation(#[from] IsolationError),
    #[error("this kernel filters no system calls ({0}): it takes CONFIG_SECCOMP_FILTER; or set isolation = \"none\"")]
    SystemCalls(seccompiler::Error),
    #[error("{0} failed: {1}")]
    Step(&'static str, io::Error),
    #[error("the server cannot start in {path}: {source}")]
    WorkingDirectory { path: String, source: io::Error },
    #[error("{path} cannot be executed: {source}; its interpreter may lie outside what is granted (programs)")]
    Program { path: String, source: io::Error },
}

/// Becomes the program that the parent names. Returns only if that fails, when the parent has been told why.
pub(crate) fn run() -> io::Result<()> {
    let socket = handover::socket_to_parent()?;
    protect_memory()?;
    let (task, streams) = handover::receive(&socket)?;
    let Err(refusal) = become_program(&socket, task, streams);
    (&socket).write_all(refusal.to_string().as_bytes())
}

fn become_program(mut socket: &UnixStream, task: Task, streams: Streams) -> Result<std::convert::Infallible, Refusal> {
    let Task { confinement, scratch } = task;
    let scratch = scratch.unwrap_or_else(|| confinement.scratch_root.clone());
    let step = |name| move |error: io::Error| Refusal::Step(name, error);
    let call = |name| move |error: rustix::io::Errno| Refusal::Step(name, error.into());

    isolation::close_descriptors_at_exec().map_err(step("closing inherited descriptors"))?;
    setsid().map_err(call("making a session"))?;
    umask(FILE_MASK);
    confinement.check_user()?;
    let program = confinement.program()?;
    let granted = match confinement.isolation {
        Isolation::Landlock => {
            let scratch = grants::configured([&scratch], Access::Write);
            Some(isolation::open(&confinement, confinement.grants(&program).chain(scratch))?)
        }
        Isolation::None => None,
    };
    limit(confinement.limits).map_err(call("setting resource limits"))?;
    if let Some(user) = confinement.run_as {
        become_user(user).map_err(call("becoming another user"))?;
    }
    let start = confinement.working_dir.as_ref().unwrap_or(&scratch);
    std::env::set_current_dir(start)
        .map_err(|source| Refusal::WorkingDirectory { path: start.display().to_string(), source })?;
    // After the change of user, which takes it back. The signal is for a supervisor that is killed.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(call("binding the server to its supervisor"))?;
    set_no_new_privs(true).map_err(call("giving up new privileges"))?;
    if let Some(granted) = granted {
        isolation::restrict(granted, confinement.network)?;
        system_calls::refuse(confinement.network).map_err(Refusal::SystemCalls)?;
    }
    // Fails if the supervisor went before the death signal was set.
    socket.write_all(CONFINED).map_err(step("telling the supervisor"))?;
    let source = command(&confinement, &program, &scratch, streams).exec();
    Err(Refusal::Program { path: program.display().to_string(), source })
}

fn command(confinement: &Confinement, program: &Path, scratch: &Path, streams: Streams) -> Command {
    let Streams([input, output, errors]) = streams;
    let mut command = Command::new(program);
    let mut words = confinement.command.iter();
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    command
        .args(words)
        .env_clear()
        .env("PATH", DEFAULT_PATH)
        .env("HOME", scratch)
        .env("TMPDIR", scratch)
        .env("LANG", "C.UTF-8")
        .envs(&confinement.environment.0)
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output))
        .stderr(Stdio::from(errors));
    command
}

fn limit(limits: ResourceLimits) -> rustix::io::Result<()> {
    let wanted = [
        (Resource::Nofile, limits.open_files),
        (Resource::Nproc, limits.processes),
        (Resource::Fsize, limits.file_size),
        (Resource::As, limits.address_space),
        (Resource::Cpu, limits.cpu_seconds),
        // A core dump would hold the server's secrets.
        (Resource::Core, Some(0)),
    ];
    for (resource, limit) in wanted.into_iter().filter_map(|(resource, limit)| Some((resource, limit?))) {
        // Never more than the gateway itself may have, which only root could get.
        let limit = getrlimit(resource).maximum.map_or(limit, |maximum| limit.min(maximum));
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}

/// Groups first: a user other than root may not change them.
fn become_user(RunAs { uid, gid }: RunAs) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    if getuid() == uid { Ok(()) } else { Err(rustix::io::Errno::PERM) }
}
