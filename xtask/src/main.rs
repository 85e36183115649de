//! The chores: `cargo xtask floors`, `cargo xtask test`, `cargo xtask bench`, `cargo xtask conformance`.
//!
//! Nothing here is part of the gateway. Every chore says what it does, runs from any directory of the workspace, and
//! ends with status 0 only when all of it holds.

mod bench;
mod conformance;
mod floors;
mod output;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::output::print;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of the Vidimus workspace", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check that crates import only from floors below, and the house rules a compiler does not know.
    Floors,
    /// Run every check and every test, on a fresh machine too: what is needed is installed or named.
    Test(test::Arguments),
    /// Measure the gateway against a direct connection: speed, CPU time, memory.
    Bench(bench::Arguments),
    /// Hold the gateway against the official MCP conformance suite: what passes directly must pass through it.
    Conformance(conformance::Arguments),
    /// What the suite starts as the client of one scenario.
    #[command(hide = true)]
    ConformanceClient(conformance::ClientArguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            print(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<bool> {
    let workspace = Workspace::find()?;
    match chore {
        Chore::Floors => floors::run(&workspace),
        Chore::Test(arguments) => Ok(test::run(&workspace, &arguments)),
        Chore::Bench(arguments) => bench::run(&workspace, &arguments).map(|()| true),
        Chore::Conformance(arguments) => conformance::run(&workspace, &arguments),
        Chore::ConformanceClient(arguments) => conformance::play(&workspace, &arguments).map(|()| true),
    }
}
