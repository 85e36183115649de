//! The cargo tools that the steps call, each pinned.
//!
//! A tool of exactly the pinned version that is already on the search path is used. Otherwise it is built from crates.io
//! with the lock file it was published with, below the target directory: a developer's own tools are left alone.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::output::print;
use crate::workspace::{Workspace, cargo};

/// A tool and how to ask for its version.
struct Tool {
    package: &'static str,
    version: &'static str,
    /// The command line that prints the version: a program, or a cargo subcommand.
    asks: &'static [&'static str],
    /// Arguments for `cargo install`.
    features: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    Tool {
        package: "cargo-nextest",
        version: "0.9.143",
        asks: &["cargo", "nextest", "--version"],
        // Without the part that updates itself, which brings a TLS stack of its own.
        features: &["--no-default-features", "--features", "default-no-update"],
    },
    Tool { package: "cargo-deny", version: "0.20.0", asks: &["cargo", "deny", "--version"], features: &[] },
    Tool { package: "mdbook", version: "0.5.4", asks: &["mdbook", "--version"], features: &[] },
];

/// Where tools are installed.
pub(super) fn bin_dir(workspace: &Workspace) -> PathBuf {
    root(workspace).join("bin")
}

/// Installs what is not there in the pinned version.
pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    for tool in TOOLS {
        if is_there(workspace, tool) {
            print(&format!("{} {}: found", tool.package, tool.version));
            continue;
        }
        print(&format!("{} {}: building it once, this takes some minutes", tool.package, tool.version));
        let status = Command::new(cargo())
            .args(["install", "--locked", "--quiet", "--force", "--version", tool.version])
            .args(tool.features)
            .arg("--root")
            .arg(root(workspace))
            .arg(tool.package)
            // Tools run for seconds: what counts is how long they take to build.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .status()
            .context("cannot start cargo install")?;
        if !status.success() || !is_there(workspace, tool) {
            bail!("cannot install {} {}", tool.package, tool.version);
        }
    }
    Ok(())
}

fn root(workspace: &Workspace) -> PathBuf {
    workspace.target.join("tools")
}

fn is_there(workspace: &Workspace, tool: &Tool) -> bool {
    let Some((program, arguments)) = tool.asks.split_first() else { return false };
    let output = super::tool_command(workspace, program).args(arguments).output();
    output.is_ok_and(|output| {
        let printed = String::from_utf8_lossy(&output.stdout);
        // `cargo-nextest 0.9.143 (…)`, `cargo-deny 0.20.0`, `mdbook v0.5.4`
        output.status.success() && printed.split_whitespace().any(|word| word.trim_start_matches('v') == tool.version)
    })
}
