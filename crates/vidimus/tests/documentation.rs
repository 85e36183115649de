//! The manual's first configuration and its policies are ones that `vidimus check` accepts, and its cases hold.
//!
//! The reference pages are held to the program by unit tests; these are the pages that people copy from.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use vidimus_testkit::tempdir;

/// A page of the manual.
fn page(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src").join(name);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The first block of a language on a page.
fn block(page: &str, language: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("```{language}\n"))?;
    let (block, _) = rest.split_once("```")?;
    Some(block.lines().map(str::trim_start).collect::<Vec<_>>().join("\n"))
}

#[test]
fn what_the_manual_shows_passes_the_check() -> Result<()> {
    let dir = tempdir()?;
    let start = page("getting-started.md")?;
    fs::write(dir.path().join("vidimus.toml"), block(&start, "toml").context("a configuration")?)?;
    fs::create_dir(dir.path().join("policies"))?;
    for (name, page) in
        [("start", start), ("policy", page("tasks/policy.md")?), ("evidence", page("tasks/evidence.md")?)]
    {
        let policies = block(&page, "cedar").with_context(|| format!("policies on the page {name}"))?;
        fs::write(dir.path().join(format!("policies/{name}.cedar")), policies)?;
    }
    let cases = block(&page("tasks/policy.md")?, "toml").context("cases")?;
    fs::write(dir.path().join("policies/policy.test.toml"), cases)?;
    let mut key = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    fs::write(dir.path().join("kek"), key)?;
    fs::set_permissions(dir.path().join("kek"), fs::Permissions::from_mode(0o600))?;

    for command in [&["check"][..], &["policy", "test"]] {
        let checked = Command::new(env!("CARGO_BIN_EXE_vidimus"))
            .args(command)
            .arg("--config")
            .arg(dir.path().join("vidimus.toml"))
            .output()?;
        let (said, error) = (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
        ensure!(checked.status.success(), "{command:?}: {said}{error}");
    }
    Ok(())
}
