//! A password in a file of its own, as libpq reads it ("The Password File"), for as long as a program runs.
//!
//! The file is its owner's alone (0600), in a directory that nobody else may enter (0700), on the tmpfs of the person's session
//! where there is one. It is good for one host, port, database and user, so that it goes to nobody else. It is removed when
//! this is dropped; a program that is killed leaves it to the end of the person's session.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_lc_rs::rand;
use zeroize::Zeroizing;

/// The file, and its directory.
#[derive(Debug)]
pub(super) struct PasswordFile {
    directory: PathBuf,
    path: PathBuf,
}

impl PasswordFile {
    /// Writes it.
    pub(super) fn new(host: &str, port: u16, (database, user): (&str, &str), password: &str) -> anyhow::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let place = runtime.filter(|path| path.is_absolute() && path.is_dir()).unwrap_or_else(std::env::temp_dir);
        Self::below(&place, &line([host, &port.to_string(), database, user, password]))
    }

    fn below(place: &Path, line: &str) -> anyhow::Result<Self> {
        let mut random = [0; 16];
        rand::fill(&mut random).ok().context("the system gives no random numbers")?;
        let directory = place.join(format!("vidimus-connect-{:032x}", u128::from_be_bytes(random)));
        let made = DirBuilder::new().mode(0o700).create(&directory);
        made.with_context(|| format!("cannot make {}", directory.display()))?;
        let own = Self { path: directory.join("pgpass"), directory };
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&own.path);
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        written.with_context(|| format!("cannot write {}", own.path.display()))?;
        Ok(own)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it.
    pub(super) fn remove(self) {
        drop(self);
    }
}

impl Drop for PasswordFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            crate::login::note(&format!("vidimus: remove {} yourself: {error}", self.directory.display()));
        }
    }
}

/// One entry: fields apart by `:`, which stands in one behind `\`, as `\` does.
fn line(fields: [&str; 5]) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(fields.iter().map(|field| 2 * field.len() + 1).sum()));
    for (place, field) in fields.iter().enumerate() {
        if place > 0 {
            line.push(':');
        }
        for character in field.chars() {
            if matches!(character, ':' | '\\') {
                line.push('\\');
            }
            line.push(character);
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_its_owners_alone_and_goes() {
        let place = tempfile::tempdir().unwrap();
        let text = line(["::1", "6432", "orders", r"a\b", "secret"]);
        assert_eq!(*text, "\\:\\:1:6432:orders:a\\\\b:secret\n");
        let file = PasswordFile::below(place.path(), &text).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(file.path()), mode(&file.directory)), (0o600, 0o700));
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), *text);
        file.remove();
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
