//! Sigstore's verifier of transparency logs, pinned: somebody else's code that judges our checkpoints and proofs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::install;

/// Checks a proof that carries its entry, by the log's key (`name+hash+base64`). Blocks; an error has what the program said.
pub fn verify_proof(proof: &Path, key: &str) -> Result<()> {
    let output = Command::new("node")
        .arg(install::source_dir().join("npm/sigstore/verify.mjs"))
        .arg(proof)
        .arg(key)
        .current_dir(install::npm("sigstore")?)
        .output()
        .context("cannot start node")?;
    if !output.status.success() {
        bail!("the proof does not hold for @sigstore/verify: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
