//! Go's own transparency log, `sumdb/tlog` and `sumdb/note`, as a program that verifies a log on disk.
//!
//! The packages come with every Go tool chain (`cmd/vendor/golang.org/x/mod`); they are taken from the one that is
//! installed when the test runs, so nothing is downloaded and nothing of it is in this repository. What calls them is
//! `tlog.go`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Where Debian puts tool chains that are not on the search path.
const DEBIAN: &str = "/usr/lib";
/// What is taken from the tool chain, below its `src/cmd/vendor`.
const PACKAGES: [&str; 3] =
    ["golang.org/x/mod/sumdb/tlog", "golang.org/x/mod/sumdb/note", "golang.org/x/crypto/ed25519"];
/// Of those, what newer tool chains do without.
const OPTIONAL: &str = "golang.org/x/crypto/ed25519";

/// The verifier, built in a directory of its own.
pub(super) struct Verifier(TempDir);

impl Verifier {
    /// Builds it; an error says what this machine is without.
    pub(super) fn build() -> Result<Self, String> {
        let go = tool_chain().ok_or("no Go tool chain is installed (Debian: apt-get install golang-go)")?;
        let root = Command::new(&go).args(["env", "GOROOT"]).output().unwrap().stdout;
        let vendored = Path::new(String::from_utf8(root).unwrap().trim()).join("src/cmd/vendor");
        if !vendored.join("golang.org/x/mod/sumdb/tlog").is_dir() {
            return Err(format!("{} is without the source of sumdb/tlog", vendored.display()));
        }
        let dir = tempfile::tempdir().unwrap();
        for package in PACKAGES {
            let from = vendored.join(package);
            if from.is_dir() || package != OPTIONAL {
                copy_package(&from, &dir.path().join("src").join(package));
            }
        }
        let source = dir.path().join("src/tlog");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("main.go"), include_str!("tlog.go")).unwrap();
        // A workspace without modules, so that no module is looked for anywhere else.
        let mut command = Command::new(&go);
        command.args(["build", "-o", "verifier", "tlog"]).current_dir(dir.path());
        command.env("GOPATH", dir.path()).env("GOCACHE", dir.path().join("cache"));
        command.env("GO111MODULE", "off").env("GOFLAGS", "").env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0");
        let built = command.output().unwrap();
        assert!(built.status.success(), "go build: {}", String::from_utf8_lossy(&built.stderr));
        Ok(Self(dir))
    }

    /// What it says of the log in a directory, by its key, grown from earlier checkpoints; an error when it does not hold.
    pub(super) fn verify(&self, log: &Path, key: &str, earlier: &[&Path]) -> Result<String, String> {
        let output = Command::new(self.0.path().join("verifier")).arg(log).arg(key).args(earlier).output().unwrap();
        let said = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(said(output.stdout)) } else { Err(said(output.stderr)) }
    }
}

/// The `go` on the search path, or else the newest of Debian's.
fn tool_chain() -> Option<PathBuf> {
    let names = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let named_go = names.filter(|entry| entry.file_name().to_string_lossy().starts_with("go-"));
    let mut found: Vec<PathBuf> = named_go.map(|entry| entry.path().join("bin/go")).collect();
    found.sort();
    found.push(PathBuf::from("go"));
    let runs = |go: &PathBuf| Command::new(go).arg("version").output().is_ok_and(|output| output.status.success());
    found.into_iter().rev().find(runs)
}

fn copy_package(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        let is_test = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("_test"));
        if path.extension().is_some_and(|extension| extension == "go") && !is_test {
            fs::copy(&path, to.join(entry.file_name())).unwrap();
        }
    }
}
