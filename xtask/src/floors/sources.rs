//! House rules that are read off a Rust file: its header, its length, words that mean "not finished".
//!
//! Words are looked for everywhere, comments and tests included: an unfinished thing is an issue, not a note in the code.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Violation;
use crate::workspace::Workspace;

/// Lines of one file. A file has one subject; most stay near 500.
const MAX_LINES: usize = 800;
/// What marks unfinished code, put together here so that this file does not mark itself.
const FORBIDDEN: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("#[ign", "ore"),
];

/// A Rust file of ours.
#[derive(Debug)]
pub(super) struct Source {
    /// From the workspace's root.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Every Rust file below our packages' directories.
pub(super) fn read(workspace: &Workspace) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for package in &workspace.packages {
        collect(package.dir(), &mut |path| {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            sources.push(Source { path: workspace.relative(path).to_owned(), text });
            Ok(())
        })?;
    }
    sources.sort_by(|one, two| one.path.cmp(&two.path));
    Ok(sources)
}

/// Checks one file.
pub(super) fn check(source: &Source) -> Vec<Violation> {
    let path = source.path.display();
    let mut violations = Vec::new();
    // A crate's root may open with its README instead.
    if !source.text.starts_with("//!") && !source.text.starts_with("#![doc = include_str!(") {
        violations.push(Violation {
            place: path.to_string(),
            what: "does not open with //! lines".to_owned(),
            remedy: "say what it is, the specification it follows, what it refuses, cancel safety where it matters",
        });
    }
    let lines = source.text.lines().count();
    if lines > MAX_LINES {
        violations.push(Violation {
            place: path.to_string(),
            what: format!("has {lines} lines, {MAX_LINES} at most"),
            remedy: "a file has one subject: split it, or move its tests to NAME/tests.rs",
        });
    }
    for (number, line) in (1..).zip(source.text.lines()) {
        for word in FORBIDDEN.iter().filter(|word| line.contains(**word)) {
            violations.push(Violation {
                place: format!("{path}:{number}"),
                what: format!("contains `{word}`"),
                remedy: "finish it, or open an issue and leave it out",
            });
        }
    }
    violations
}

fn collect(dir: &Path, found: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_dir() && !hidden && !path.ends_with("target") && !path.ends_with("node_modules") {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let source = Source { path: "crates/x/src/a.rs".into(), text: text.to_owned() };
        check(&source).iter().map(|violation| format!("{}: {}", violation.place, violation.what)).collect()
    }

    #[test]
    fn a_short_finished_file_with_a_header_holds() {
        assert!(found("//! What it is.\n\nfn main() {}\n").is_empty());
    }

    #[test]
    fn a_readme_is_a_header() {
        assert!(found("#![doc = include_str!(\"../README.md\")]\nmod a;\n").is_empty());
    }

    #[test]
    fn a_header_comes_first() {
        assert_eq!(found("use std::fmt;\n//! Late.\n"), ["crates/x/src/a.rs: does not open with //! lines"]);
    }

    #[test]
    fn the_longest_file_has_800_lines() {
        let header = "//! What it is.\n";
        assert!(found(&format!("{header}{}", "\n".repeat(799))).is_empty());
        let long = format!("{header}{}", "\n".repeat(800));
        assert_eq!(found(&long), ["crates/x/src/a.rs: has 801 lines, 800 at most"]);
    }

    #[test]
    fn unfinished_code_is_found_with_its_line() {
        let text = format!("//! What it is.\nfn later() {{ {}) }}\n// {}: later\n", FORBIDDEN[0], FORBIDDEN[3]);
        let places: Vec<String> = found(&text).iter().map(|line| line[..20].to_owned()).collect();
        assert_eq!(places, ["crates/x/src/a.rs:2:", "crates/x/src/a.rs:3:"]);
    }
}
