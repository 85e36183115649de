//! Access for a time, on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Gateway, Output, session_prefix};

#[derive(Debug, Subcommand)]
pub(crate) enum Grant {
    /// Ask for access to a target for a time; people decide
    ///
    /// With `--wait` the command stays until they have, and prints the credential: alone on standard output, what happens
    /// meanwhile on standard error.
    #[command(after_help = "Example:\n  \
                            vidimus grant request crm --for 1h --reason 'ticket 4711' --wait --config vidimus.toml")]
    Request {
        #[command(flatten)]
        wanted: Wanted,
        /// The grant, where the target has several
        #[arg(long, value_name = "NAME")]
        grant: Option<String>,
        /// Wait until people have decided, and print the credential
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// Fetch the credential of a grant that you asked for and people have approved: once, and its time begins
    #[command(after_help = "Example:\n  vidimus grant credential 0199a1b2-… --config vidimus.toml")]
    Credential {
        /// The grant's id, or enough of its beginning
        #[arg(value_parser = session_prefix)]
        id: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// List the grants that you asked for, may approve, or may end; the latest first
    #[command(after_help = "Example:\n  vidimus grant list --config vidimus.toml")]
    List {
        /// Those that are over too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        asked: Asked,
    },
    /// Show one grant
    #[command(after_help = "Example:\n  vidimus grant show 0199a1b2-… --config vidimus.toml")]
    Show {
        /// The grant's id, or enough of its beginning
        #[arg(value_parser = session_prefix)]
        id: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// End a grant, or break-glass, before its time: sessions are cut off at once
    #[command(after_help = "Example:\n  \
                            vidimus grant revoke 0199a1b2-… --reason 'no longer needed' --config vidimus.toml")]
    Revoke {
        /// The grant's id, or enough of its beginning
        #[arg(value_parser = session_prefix)]
        id: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        asked: Asked,
    },
}

/// Where to, how long, why.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// The target
    pub(crate) target: String,
    /// How long, such as 45m or 2h
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) length: String,
    /// Why: people are shown it, and it is on record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct BreakGlass {
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    #[command(flatten)]
    pub(crate) asked: Asked,
}

/// Who asks which gateway.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// A file with your token; the variable `VIDIMUS_TOKEN` if not given. Without either you are the account you run as, which
    /// may look where policy permits it, and asks for nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) output: Output,
}
