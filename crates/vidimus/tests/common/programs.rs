//! Programs as targets: places that their user can read, and the lines that configure them.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use vidimus_testkit::{TempDir, tempdir};

/// `nobody`: programs must not run as root.
const RUN_AS: &str = "run_as = \"65534:65534\"";

/// A place that the programs' user can read, whatever the build directory is like.
pub(crate) fn open_dir() -> TempDir {
    let dir = tempdir().unwrap();
    open(dir.path(), 0o755);
    dir
}

/// Says who may do what in a place.
pub(crate) fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// Copies what is installed at `from` to where the programs' user can read it.
pub(crate) fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

/// The lines of `[targets.NAME]` for a program that is installed below `dir`.
pub(crate) fn lines(command: &[&str], dir: &Path) -> String {
    let user = if rustix::process::geteuid().is_root() { RUN_AS } else { "" };
    format!("command = {}\nprograms = [{:?}]\n{user}", json!(command), dir.display().to_string())
}
