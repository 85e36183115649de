//! `vidimus tools` on the command line: what targets offer, and which of it is accepted.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vidimus_core::TargetName;

use super::{Gateway, Output};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Tools {
    #[command(subcommand)]
    pub(crate) command: Option<Pinned>,
    /// The target
    #[arg(required = true)]
    pub(crate) target: Option<TargetName>,
    #[command(flatten)]
    pub(crate) gateway: Gateway,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Pinned {
    /// Show how the definition of each tool stands to the accepted one
    ///
    /// `accepted`: it is that. `changed`: the server shows another one, and calls of the tool are held. `new`: none is
    /// accepted, and the tool is hidden. `gone`: the server does not have it now. Signs are those of hidden instructions in
    /// what the server shows.
    #[command(after_help = "Example:\n  vidimus tools pins crm --config vidimus.toml")]
    Pins {
        /// The target; all of them if not given
        target: Option<TargetName>,
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        output: Output,
    },
    /// Show what a server shows in the place of accepted definitions
    #[command(after_help = "Examples:\n  vidimus tools diff crm --config vidimus.toml\n  \
                            vidimus tools diff crm refund --config vidimus.toml")]
    Diff {
        /// The target
        target: TargetName,
        /// The tool, as `pins` calls it; all that wait to be accepted if not given
        tool: Option<String>,
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        output: Output,
    },
    /// Accept the definition of a tool that `diff` has shown
    ///
    /// Policy decides (`administer`). It is in force as soon as the gateway has read the server again, within seconds.
    #[command(
        after_help = "Example:\n  vidimus tools accept crm refund --fingerprint 3f9a0c41d2 --config vidimus.toml"
    )]
    Accept {
        /// The target
        target: TargetName,
        /// The tool, as `pins` calls it
        tool: String,
        /// The fingerprint of the definition, or its first 8 digits or more; another definition is not accepted
        #[arg(long, value_name = "DIGITS")]
        fingerprint: String,
        /// A file with your token; without one and without the variable `VIDIMUS_TOKEN` you are the account you run as
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        #[command(flatten)]
        gateway: Gateway,
        #[command(flatten)]
        output: Output,
    },
}
