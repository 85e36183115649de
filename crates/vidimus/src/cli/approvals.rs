//! What waits for approval, on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Gateway, Output, session_prefix};

#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// List the calls that wait for you, and those that you wait for; the latest first
    #[command(after_help = "Example:\n  vidimus approvals list --config vidimus.toml")]
    List {
        /// Those that are over too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// Show one request: who asks for exactly what, why it is held, and what the same principal did before
    #[command(after_help = "Example:\n  vidimus approvals show 0199a1b2-… --config vidimus.toml")]
    Show {
        /// The request's id, or enough of its beginning
        #[arg(value_parser = session_prefix)]
        id: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// Approve a request: the call may pass, once
    #[command(
        after_help = "Example:\n  vidimus approvals approve 0199a1b2-… --reason 'agreed with the customer' --config vidimus.toml"
    )]
    Approve {
        /// The request's id, or enough of its beginning
        #[arg(value_parser = session_prefix)]
        id: String,
        /// Why; some rules demand it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// The version that you have seen, if it must be that one; the one that is now if not given
        #[arg(long, value_name = "NUMBER")]
        version: Option<u64>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Deny a request, or take back what was approved and is not used yet; the caller is told the reason
    #[command(
        after_help = "Example:\n  vidimus approvals deny 0199a1b2-… --reason 'not this customer' --config vidimus.toml"
    )]
    Deny {
        /// The request's id, or enough of its beginning
        #[arg(value_parser = session_prefix)]
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The version that you have seen, if it must be that one; the one that is now if not given
        #[arg(long, value_name = "NUMBER")]
        version: Option<u64>,
        #[command(flatten)]
        asked: Asked,
    },
}

/// Who asks which gateway.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// A file with your token; the variable `VIDIMUS_TOKEN` if not given. Without either you are the account you run as, which
    /// may look where policy permits it, and decides on nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) output: Output,
}
