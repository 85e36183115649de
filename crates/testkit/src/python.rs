//! A script for the official Python client 1.x, pinned, as a child process.
//!
//! Scripts live in `python/`. The scripted session that all official clients take is [`crate::official`]'s; this runs
//! a script of another kind.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::install;

/// Runs `python/SCRIPT` with `args` in the pinned environment and returns the JSON it printed. Blocks; in a
/// single-threaded runtime that also holds the server under test, call it from `spawn_blocking`.
///
/// An exit status other than 0 is an error that contains what the script printed.
pub fn python_client(script: &str, args: &[&str]) -> Result<Value> {
    let output = Command::new(install::python("mcp-1")?.join("bin/python"))
        .arg(install::source_dir().join("python").join(script))
        .args(args)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .with_context(|| format!("cannot start {script}"))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{script} ended with {}\n{printed}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_str(&printed).with_context(|| format!("{script} printed no JSON:\n{printed}"))
}
