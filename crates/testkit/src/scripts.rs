//! Scripts for what is pinned for Python and Node, as child processes that print JSON.
//!
//! Scripts live in `python/` and `npm/`. The scripted session that all official clients take is [`crate::official`]'s; these
//! run scripts of another kind. They block; in a single-threaded runtime that also holds the server under test, call them
//! from `spawn_blocking`. An exit status other than 0 is an error that contains what the script printed.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::install;

/// Runs `python/SCRIPT` with the official Python client 1.x.
pub fn python_client(script: &str, args: &[&str]) -> Result<Value> {
    python_script("mcp-1", script, args)
}

/// Runs `python/SCRIPT` with the packages of `python/PACKAGES`.
pub fn python_script(packages: &str, script: &str, args: &[&str]) -> Result<Value> {
    let mut command = Command::new(install::python(packages)?.join("bin/python"));
    command.arg(install::source_dir().join("python").join(script)).args(args).env("PYTHONDONTWRITEBYTECODE", "1");
    printed(command, script)
}

/// Runs `npm/SCRIPT` in the directory where the packages of `npm/PACKAGES` are installed.
pub fn node_script(packages: &str, script: &str, args: &[&str]) -> Result<Value> {
    let mut command = Command::new("node");
    command.arg(install::source_dir().join("npm").join(script)).args(args).current_dir(install::npm(packages)?);
    printed(command, script)
}

fn printed(mut command: Command, script: &str) -> Result<Value> {
    let output = command.output().with_context(|| format!("cannot start {script}"))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{script} ended with {}\n{printed}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_str(&printed).with_context(|| format!("{script} printed no JSON:\n{printed}"))
}
