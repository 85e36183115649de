//! `vidimus stdio-child`: what runs between the gateway and a stdio server. Hidden: the gateway alone starts it.
//!
//! `supervise` starts this executable again as `confine`, which becomes the server. Both run before anything has made a
//! second thread, take what they are to do from their standard input, and print nothing.

use crate::cli::Stage;

/// How the gateway starts the first stage.
pub(crate) const SUPERVISE: [&str; 2] = ["stdio-child", "supervise"];
/// How the first stage starts the second.
const CONFINE: [&str; 2] = ["stdio-child", "confine"];

/// Runs a stage to its end.
pub(crate) fn run(stage: Stage) -> std::io::Result<()> {
    match stage {
        Stage::Supervise => vidimus_stdio::stage::supervise(CONFINE),
        Stage::Confine => vidimus_stdio::stage::confine(),
    }
}
