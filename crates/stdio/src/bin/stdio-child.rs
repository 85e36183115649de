//! The stages as a program of their own: what this crate's tests start. The gateway has them as a subcommand.
//!
//! One stage more stands for an older kernel: it takes Landlock from itself and is the supervisor then.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::process::ExitCode;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

fn main() -> ExitCode {
    let stage = std::env::args().nth(1);
    let ended = match stage.as_deref() {
        Some("supervise") => vidimus_stdio::stage::supervise(["confine"]),
        Some("supervise-without-landlock") if take_landlock().is_some() => vidimus_stdio::stage::supervise(["confine"]),
        Some("confine") => vidimus_stdio::stage::confine(),
        _ => return ExitCode::from(2),
    };
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn take_landlock() -> Option<()> {
    let refuse = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let calls = BTreeMap::from([(libc::SYS_landlock_create_ruleset, Vec::new())]);
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, refuse, ARCH.try_into().ok()?).ok()?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter).ok()?).ok()
}
