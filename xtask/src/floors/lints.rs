//! Lint settings that cargo does not inherit by itself.
//!
//! A crate opts into the workspace's lints by two lines of its manifest. An adapter's own `clippy.toml` (it bans raw
//! sockets, processes and files) *replaces* the root one, so it must hold everything the root one holds.

use std::fs;

use anyhow::{Context, Result};

use super::{Violation, crates};
use crate::workspace::Workspace;

const INHERIT: &str = "[lints]\nworkspace = true\n";
/// Types an adapter's `clippy.toml` bans at the least.
const BANNED_IN_ADAPTERS: [&str; 4] =
    ["tokio::net::TcpStream", "std::net::TcpStream", "tokio::process::Command", "std::process::Command"];

/// Checks every manifest and every adapter's `clippy.toml`.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for package in &workspace.packages {
        let manifest = fs::read_to_string(&package.manifest_path)?;
        if !manifest.contains(INHERIT) {
            violations.push(Violation {
                place: workspace.relative(&package.manifest_path).display().to_string(),
                what: "does not take the workspace's lints".to_owned(),
                remedy: "add `[lints]` with `workspace = true`",
            });
        }
    }
    let root = workspace.root.join("clippy.toml");
    let root = fs::read_to_string(&root).with_context(|| format!("cannot read {}", root.display()))?;
    for adapter in crates::adapters(workspace) {
        let path = adapter.dir().join("clippy.toml");
        let own = fs::read_to_string(&path).unwrap_or_default();
        violations.extend(missing(&root, &own).into_iter().map(|what| Violation {
            place: workspace.relative(&path).display().to_string(),
            what,
            remedy: "repeat every line of the root clippy.toml, then ban what an adapter must not hold (see crates/mcp)",
        }));
    }
    Ok(violations)
}

/// What an adapter's file lacks.
fn missing(root: &str, own: &str) -> Vec<String> {
    let repeated = root.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines = repeated.filter(|line| !own.lines().any(|own| own == *line)).map(|line| format!("lacks `{line}`"));
    let banned = BANNED_IN_ADAPTERS.iter().filter(|path| !own.contains(&format!("{{ path = \"{path}\"")));
    lines.chain(banned.map(|path| format!("does not ban {path}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "# comment\nallow-unwrap-in-tests = true\n";

    #[test]
    fn an_adapter_repeats_the_root_and_bans_the_wire() {
        let bans = BANNED_IN_ADAPTERS.map(|path| format!("{{ path = \"{path}\", reason = \"r\" }}\n")).concat();
        assert!(missing(ROOT, &format!("allow-unwrap-in-tests = true\n{bans}")).is_empty());
        assert_eq!(missing(ROOT, &bans), ["lacks `allow-unwrap-in-tests = true`"]);
        assert_eq!(missing(ROOT, ROOT).len(), BANNED_IN_ADAPTERS.len());
    }
}
