//! How long recordings are kept, on the command line: erasing by two persons, legal holds, retention by rules.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Gateway, Output, session_prefix};

#[derive(Debug, Args)]
#[group(id = "step", required = true, multiple = false, args = ["reason", "confirm"])]
pub(crate) struct Erase {
    /// The session's id, or enough of its beginning
    #[arg(value_parser = session_prefix)]
    pub(crate) session: String,
    /// Ask to erase it, for this reason
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Confirm what another person has asked for
    #[arg(long)]
    pub(crate) confirm: bool,
    /// A file with your token; the variable `VIDIMUS_TOKEN` if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Hold {
    /// Put a legal hold on the recording of a session; ends a request to erase it
    #[command(after_help = "Example:\n  vidimus hold add 0199a1b2 --reason 'case 7' --config vidimus.toml")]
    Add(HoldChange),
    /// Remove a legal hold
    #[command(
        after_help = "Example:\n  vidimus hold remove 0199a1b2 --reason 'case 7 is closed' --config vidimus.toml"
    )]
    Remove(HoldChange),
}

#[derive(Debug, Args)]
pub(crate) struct HoldChange {
    /// The session's id, or enough of its beginning
    #[arg(value_parser = session_prefix)]
    pub(crate) session: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// A file with your token; without one and without the variable `VIDIMUS_TOKEN` you are the account you run as
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Retention {
    /// Show the rules of `[retention]` and `retain`, what each covers, and how much is due, held, or kept
    ///
    /// Asks the running gateway; policy decides (`log.read`). Nothing is erased by asking.
    #[command(after_help = "Example:\n  vidimus retention status --due --config vidimus.toml")]
    Status {
        /// Name the sessions whose recording would be erased now, at most a hundred for each rule
        #[arg(long)]
        due: bool,
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        output: Output,
    },
}
