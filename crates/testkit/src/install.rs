//! Installs pinned npm and Python packages once, below `<target>/testkit`.
//!
//! The directory's name holds a digest of the lock file and the interpreter's version, so a changed pin is a new
//! directory and an unchanged one costs nothing. A file lock lets one process install while parallel tests wait; a
//! marker written last tells a finished installation from one that was cut short, which is removed and done again.
//! Install scripts of packages are never run.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Written last into a finished installation.
const MARKER: &str = ".complete";

/// Installs `npm/NAME` (a `package.json` with its lock) and returns the directory that holds `node_modules`.
pub fn npm(name: &str) -> Result<PathBuf> {
    let source = source_dir().join("npm").join(name);
    let lock = fs::read(source.join("package-lock.json"))
        .with_context(|| format!("{} has no package-lock.json", source.display()))?;
    once(&format!("npm-{name}"), &[&lock, &version_of("node")?], |dir| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source.join(file), dir.join(file))?;
        }
        run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(dir))
    })
}

/// Installs `python/NAME/requirements.txt` into a virtual environment and returns its directory.
pub fn python(name: &str) -> Result<PathBuf> {
    let requirements = source_dir().join("python").join(name).join("requirements.txt");
    let lock = fs::read(&requirements).with_context(|| format!("{} is missing", requirements.display()))?;
    once(&format!("python-{name}"), &[&lock, &version_of("python3")?], |dir| {
        run(Command::new("python3").args(["-m", "venv"]).arg(dir))?;
        // The list is complete: `--no-deps` makes a package it forgets an error and not a newest version.
        run(Command::new(dir.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary", ":all:", "--requirement"])
            .arg(&requirements))?;
        run(Command::new(dir.join("bin/python")).args(["-m", "pip", "check"]))
    })
}

/// Installs whatever this crate has a lock file for; names and directories, in order.
pub fn everything() -> Result<Vec<(String, PathBuf)>> {
    let mut installed = Vec::new();
    for (kind, lock, install) in
        [("npm", "package-lock.json", npm as fn(&str) -> _), ("python", "requirements.txt", python)]
    {
        for entry in fs::read_dir(source_dir().join(kind))? {
            let entry = entry?;
            if entry.path().join(lock).is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                installed.push((format!("{kind} {name}"), install(&name)?));
            }
        }
    }
    installed.sort();
    Ok(installed)
}

/// This crate's directory: scripts and lock files.
pub fn source_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Cargo's target directory: the one the running test was built in.
pub fn target_dir() -> Result<PathBuf> {
    let executable = std::env::current_exe()?;
    let tagged = executable.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file());
    Ok(tagged.with_context(|| format!("{} is in no target directory", executable.display()))?.to_owned())
}

/// Runs `install` in an empty directory, unless a finished installation of the same `keys` is there.
pub(crate) fn once(name: &str, keys: &[&[u8]], install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    once_below(&target_dir()?.join("testkit"), name, keys, install)
}

fn once_below(root: &Path, name: &str, keys: &[&[u8]], install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    // Not a security boundary: the digest only tells one lock file from the next. npm checks package integrity.
    let mut hasher = DefaultHasher::new();
    keys.hash(&mut hasher);
    let dir = root.join(format!("{name}-{:016x}", hasher.finish()));
    if dir.join(MARKER).is_file() {
        return Ok(dir);
    }
    fs::create_dir_all(root)?;
    let lock = File::create(root.join(format!("{name}.lock")))?;
    lock.lock()?;
    if dir.join(MARKER).is_file() {
        return Ok(dir);
    }
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir(&dir)?;
    install(&dir).with_context(|| format!("cannot install {name} into {}", dir.display()))?;
    File::create(dir.join(MARKER))?;
    Ok(dir)
}

fn version_of(program: &str) -> Result<Vec<u8>> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .with_context(|| format!("{program} is missing; `cargo xtask test --only prerequisites` says how to get it"))?;
    Ok(output.stdout)
}

pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn parallel_callers_install_once() {
        let root = tempfile::tempdir().unwrap();
        let installed = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    once_below(root.path(), "x", &[b"lock"], |dir| {
                        installed.fetch_add(1, Ordering::SeqCst);
                        Ok(fs::write(dir.join("file"), "content")?)
                    })
                    .unwrap()
                });
            }
        });
        assert_eq!(installed.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failed_installation_is_done_again_from_nothing() {
        let root = tempfile::tempdir().unwrap();
        once_below(root.path(), "x", &[b"lock"], |dir| {
            fs::write(dir.join("half"), "")?;
            bail!("no network")
        })
        .unwrap_err();
        let dir = once_below(root.path(), "x", &[b"lock"], |_| Ok(())).unwrap();
        assert!(!dir.join("half").exists());
    }

    #[test]
    fn another_lock_file_is_another_directory() {
        let root = tempfile::tempdir().unwrap();
        let one = once_below(root.path(), "x", &[b"one"], |_| Ok(())).unwrap();
        let two = once_below(root.path(), "x", &[b"two"], |_| Ok(())).unwrap();
        assert_ne!(one, two);
    }
}
