//! The two stages between the gateway and a program, as its executable's hidden subcommand runs them.
//!
//! Both are told everything over their standard input, which is a socket; started by hand they end with an error. They
//! must run before the process has a second thread.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use crate::{confine, supervise};

/// This very executable, also after another one has taken its place on disk (`proc(5)`).
pub(crate) const OWN_EXECUTABLE: &str = "/proc/self/exe";

/// Runs the supervisor, to the end of everything it has started. `confiner` are the arguments with which this
/// executable runs [`confine`].
pub fn supervise<A: Into<OsString>>(confiner: impl IntoIterator<Item = A>) -> io::Result<()> {
    let mut command = Command::new(OWN_EXECUTABLE);
    command.args(confiner.into_iter().map(Into::into));
    supervise::run(command)
}

/// Restricts this process and becomes the program. Returns only when that is refused and the supervisor knows why.
pub fn confine() -> io::Result<()> {
    confine::run()
}
