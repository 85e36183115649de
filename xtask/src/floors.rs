//! `cargo xtask floors`: the architecture's invariants that no compiler holds.
//!
//! `crates` checks who imports whom against the floor table, `sources` reads every Rust file for its header, length and
//! forbidden words, `modules` finds circles of modules inside a crate, `lints` looks after `clippy.toml` files.
//! Every violation names the place and what to do about it.

mod crates;
mod lints;
mod modules;
mod sources;

use std::fmt;

use anyhow::Result;

use crate::output::print;
use crate::workspace::Workspace;

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    /// The file, from the workspace's root, with a line where there is one.
    place: String,
    /// What is wrong.
    what: String,
    /// What to do about it.
    remedy: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    {}", self.place, self.what, self.remedy)
    }
}

/// Checks everything and prints what is wrong. True if nothing is.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let files = sources::read(workspace)?;
    let mut violations = crates::check(workspace);
    violations.extend(lints::check(workspace)?);
    violations.extend(files.iter().flat_map(sources::check));
    violations.extend(modules::check(workspace, &files));

    for violation in &violations {
        print(&violation.to_string());
    }
    let (packages, files) = (workspace.packages.len(), files.len());
    match violations.len() {
        0 => print(&format!("floors hold: {packages} packages, {files} files")),
        count => print(&format!("{count} violations in {packages} packages, {files} files")),
    }
    Ok(violations.is_empty())
}
