//! The client that the suite's own servers are held against: the official TypeScript SDK's, by itself or behind a gateway.
//!
//! The suite starts a server for each scenario and then a command with the server's address. That command is this
//! program again (`conformance-client`, which nobody else has use for): it starts a gateway of its own before the
//! server, if the leg is the gateway's, and lets the client loose on it.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};
use vidimus_testkit::install;

use super::gateway::Gateway;
use super::report::Leg;
use crate::workspace::Workspace;

/// The command for the suite, which gives it to a shell; [`EXECUTABLE`] says where this program is.
pub(super) const COMMAND: &str = "exec \"$VIDIMUS_XTASK\" conformance-client";
/// The variable in the command.
pub(super) const EXECUTABLE: &str = "VIDIMUS_XTASK";

/// What the suite's command is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What stands between the client and the server.
    #[arg(long)]
    leg: Leg,
    /// The MCP endpoint of the suite's server.
    url: String,
}

/// Plays the scenario that the environment names; an error if the client did not end well.
pub(crate) fn play(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        // The suite ends what takes too long with a signal: what was started here has to end with it.
        let mut ended = signal(SignalKind::terminate())?;
        tokio::select! {
            played = through(workspace, arguments) => played,
            _ = ended.recv() => bail!("the suite's time was over"),
        }
    })
}

async fn through(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    match arguments.leg {
        Leg::Direct => client(&arguments.url).await,
        Leg::Gateway => {
            let gateway = Gateway::start(workspace, &arguments.url).await?;
            client(&gateway.url()).await.with_context(|| format!("the gateway said:\n{}", gateway.log()))
        }
    }
}

async fn client(url: &str) -> Result<()> {
    let mut command = Command::new("node");
    command.arg(install::source_dir().join("npm/typescript-2/conformance.mjs")).arg(url);
    command.current_dir(install::npm("typescript-2")?);
    let mut client = tokio::process::Command::from(command);
    let status = client.kill_on_drop(true).status().await.context("cannot start node")?;
    ensure!(status.success(), "the client ended with {status}");
    Ok(())
}
