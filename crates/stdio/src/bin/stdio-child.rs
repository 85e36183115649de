//! The stages as a program of their own: what this crate's tests start. The gateway has them as a subcommand.

use std::process::ExitCode;

fn main() -> ExitCode {
    let stage = std::env::args().nth(1);
    let ended = match stage.as_deref() {
        Some("supervise") => vidimus_stdio::stage::supervise(["confine"]),
        Some("confine") => vidimus_stdio::stage::confine(),
        _ => return ExitCode::from(2),
    };
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
