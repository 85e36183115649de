//! What the other steps need: compilers, Node, Python, PostgreSQL, Go, cargo tools, and the pinned programs that tests start.
//!
//! On Debian and as root, missing packages are installed with `apt-get`; otherwise each missing one is named with the
//! command that gets it. Rust itself is there, or this would not run; `rust-toolchain.toml` pins it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result, bail};
use vidimus_testkit::install;

use super::tools;
use crate::output::print;
use crate::workspace::Workspace;

/// A program that must be there, and the Debian packages that bring it.
struct Program {
    what: &'static str,
    /// A command line that ends with status 0 if it is there.
    probe: &'static [&'static str],
    packages: &'static [&'static str],
}

const PROGRAMS: &[Program] = &[
    Program { what: "a C compiler", probe: &["cc", "--version"], packages: &["gcc", "libc6-dev"] },
    Program { what: "make", probe: &["make", "--version"], packages: &["make"] },
    Program {
        what: "Node 20 or later",
        probe: &["node", "-e", "process.exit(Number(process.versions.node.split('.')[0]) >= 20 ? 0 : 1)"],
        packages: &["nodejs"],
    },
    Program { what: "npm", probe: &["npm", "--version"], packages: &["npm"] },
    Program {
        what: "Python 3.10 or later",
        probe: &["python3", "-c", "import sys; sys.exit(sys.version_info < (3, 10))"],
        packages: &["python3"],
    },
    Program {
        what: "PostgreSQL with its client programs",
        probe: &[
            "sh",
            "-c",
            "ls /usr/lib/postgresql/*/bin/initdb && ls /usr/lib/postgresql/*/bin/pgbench && setpriv -V",
        ],
        packages: &["postgresql", "postgresql-client", "util-linux"],
    },
    // What `VERIFY.md` in an archive tells an auditor to use.
    Program { what: "unzip", probe: &["unzip", "-v"], packages: &["unzip"] },
    Program { what: "OpenSSL 3", probe: &["openssl", "pkeyutl", "-help"], packages: &["openssl"] },
    Program { what: "xxd", probe: &["xxd", "-v"], packages: &["xxd"] },
    Program { what: "Python's venv", probe: &["python3", "-c", "import ensurepip, venv"], packages: &["python3-venv"] },
];

/// What a test goes without, saying so, where it cannot be had: Go, whose transparency log verifies ours.
const GO: Program =
    Program { what: "Go", probe: &["sh", "-c", "go version || ls /usr/lib/go-*/bin/go"], packages: &["golang-go"] };

/// What `cargo xtask bench postgres` compares the gateway with.
const PGBOUNCER: Program =
    Program { what: "PgBouncer", probe: &["/usr/sbin/pgbouncer", "--version"], packages: &["pgbouncer"] };

/// Makes sure that what only `cargo xtask bench postgres` needs is there.
pub(crate) fn ensure_pgbouncer() -> Result<()> {
    if answers(PGBOUNCER.probe) {
        return Ok(());
    }
    install_packages(&[&PGBOUNCER])?;
    if !answers(PGBOUNCER.probe) {
        bail!("PgBouncer is still missing after installing {}", PGBOUNCER.packages.join(" "));
    }
    Ok(())
}

/// Makes sure that everything is there.
pub(super) fn ensure(workspace: &Workspace) -> Result<()> {
    let missing = missing();
    if !missing.is_empty() {
        install_packages(&missing)?;
    }
    if let Some(program) = self::missing().first() {
        // Debian 12 has Node 18: a package is there, and too old.
        bail!("{} is still missing after installing {}", program.what, program.packages.join(" "));
    }
    print(&format!("programs: {} found", PROGRAMS.len()));
    if !answers(GO.probe)
        && let Err(error) = install_packages(&[&GO])
    {
        print(&format!("Go: {error:#}; SKIPPED: the log is not verified by Go's sumdb/tlog"));
    }
    tools::ensure(workspace)?;
    test_programs()
}

fn missing() -> Vec<&'static Program> {
    PROGRAMS.iter().filter(|program| !answers(program.probe)).collect()
}

fn answers(probe: &[&str]) -> bool {
    let Some((program, arguments)) = probe.split_first() else { return false };
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

fn install_packages(missing: &[&Program]) -> Result<()> {
    let names: Vec<&str> = missing.iter().map(|program| program.what).collect();
    let packages: Vec<&str> = missing.iter().flat_map(|program| program.packages).copied().collect();
    let by_hand = format!("missing: {}; on Debian: apt-get install {}", names.join(", "), packages.join(" "));
    if !is_root().unwrap_or(false) || !answers(&["apt-get", "--version"]) {
        bail!("{by_hand}");
    }
    print(&format!("installing {}", packages.join(" ")));
    apt_get(&["update", "--quiet"]).context(by_hand.clone())?;
    let install = [&["install", "--quiet", "--yes", "--no-install-recommends"], packages.as_slice()].concat();
    apt_get(&install).context(by_hand)
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    super::finish({
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command
    })
}

/// The owner of a process's entry in /proc is its effective user.
fn is_root() -> io::Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

/// Installs the pinned servers and clients now, so that no test waits for a download.
fn test_programs() -> Result<()> {
    for (name, dir) in install::everything()? {
        print(&format!("{name}: {}", shown(&dir)));
    }
    Ok(())
}

/// The part of a path below the target directory.
fn shown(path: &Path) -> String {
    let target = install::target_dir().unwrap_or_default();
    path.strip_prefix(&target).unwrap_or(path).display().to_string()
}
