//! Secrets: references in the configuration, and the values they lead to.
//!
//! A configuration never holds a secret, only where it is: an environment variable or a file. A value is wiped from
//! memory when dropped, and nothing here prints it, in errors neither.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use http::HeaderValue;
use zeroize::Zeroizing;

/// The largest secret that is read from a file, in bytes.
const MAX_SECRET: u64 = 64 << 10;
/// Where the value goes in a `format`.
pub(crate) const PLACEHOLDER: &str = "{}";

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// In an environment variable of this name.
    Env(String),
    /// In a file. One line break at the end is not part of the secret.
    File(PathBuf),
}

/// A reference to a secret, and how it is made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretRef {
    /// Where it is.
    pub(crate) source: Source,
    /// Text with one `{}` that the value replaces, e.g. `Bearer {}`.
    pub(crate) format: Option<String>,
}

/// The value of a secret.
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

/// Why a secret is not to be had. Names the reference, never the value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// There is no such variable, or it is empty.
    #[error("the environment variable {0} is not set or empty")]
    Unset(String),
    /// The file cannot be read.
    #[error("cannot read the secret in {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is empty, or larger than a secret can be.
    #[error("{} holds no secret: it is empty or larger than 64 KiB", .0.display())]
    Size(PathBuf),
    /// It is no text.
    #[error("the secret in {0} is no text (UTF-8)")]
    Text(String),
    /// It cannot stand in an HTTP header.
    #[error("the secret in {0} cannot stand in a header: it has line breaks or control characters")]
    Header(String),
}

impl SecretRef {
    /// Reads the secret and puts it into its format.
    pub(crate) fn resolve(&self) -> Result<Secret, SecretError> {
        let Secret(mut value) = self.source.read()?;
        if let Source::File(path) = &self.source {
            let line = value.strip_suffix(b"\n").map_or(&value[..], |line| line.strip_suffix(b"\r").unwrap_or(line));
            let end = line.len();
            value.truncate(end);
            if value.is_empty() {
                return Err(SecretError::Size(path.clone()));
            }
        }
        let Some((before, after)) = self.format.as_deref().and_then(|format| format.split_once(PLACEHOLDER)) else {
            return Ok(Secret(value));
        };
        let mut whole = Zeroizing::new(Vec::with_capacity(before.len() + value.len() + after.len()));
        whole.extend_from_slice(before.as_bytes());
        whole.extend_from_slice(&value);
        whole.extend_from_slice(after.as_bytes());
        Ok(Secret(whole))
    }

    /// The secret as text.
    pub(crate) fn resolve_text(&self) -> Result<Zeroizing<String>, SecretError> {
        let secret = self.resolve()?;
        let text = std::str::from_utf8(secret.expose()).map_err(|_| SecretError::Text(self.source.to_string()))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// The secret as the value of a header, marked sensitive so that HTTP code does not print it.
    pub(crate) fn resolve_header(&self) -> Result<HeaderValue, SecretError> {
        let secret = self.resolve()?;
        let mut value =
            HeaderValue::from_bytes(secret.expose()).map_err(|_| SecretError::Header(self.source.to_string()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Source {
    /// The bytes that stand there, a line break at the end included. Never empty.
    pub(crate) fn read(&self) -> Result<Secret, SecretError> {
        let (value, missing) = match self {
            Self::Env(name) => {
                let value = std::env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec).unwrap_or_default();
                (Zeroizing::new(value), SecretError::Unset(name.clone()))
            }
            Self::File(path) => {
                let value = read_file(path).map_err(|source| SecretError::Unreadable { path: path.clone(), source })?;
                (value, SecretError::Size(path.clone()))
            }
        };
        let bounded = u64::try_from(value.len()).is_ok_and(|length| length <= MAX_SECRET);
        if bounded && !value.is_empty() { Ok(Secret(value)) } else { Err(missing) }
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, std::io::Error> {
    let file = File::open(path)?;
    // Room for the whole from the start: a growing buffer would leave unwiped copies behind.
    let room = file.metadata()?.len().min(MAX_SECRET) + 2;
    let mut value = Zeroizing::new(Vec::with_capacity(usize::try_from(room).unwrap_or(0)));
    file.take(MAX_SECRET + 1).read_to_end(&mut value)?;
    Ok(value)
}

impl fmt::Display for Source {
    /// As in the configuration: `env CRM_TOKEN`, `file /run/secrets/crm`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

impl Secret {
    /// The bytes, for the one call that needs them.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_file(content: &[u8], format: Option<&str>) -> (tempfile::TempDir, SecretRef) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, content).unwrap();
        (directory, SecretRef { source: Source::File(path), format: format.map(str::to_owned) })
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_it() {
        for (content, expected) in
            [(&b"abc"[..], &b"abc"[..]), (b"abc\n", b"abc"), (b"abc\r\n", b"abc"), (b"a\n\n", b"a\n"), (b" a ", b" a ")]
        {
            let (_directory, secret) = in_file(content, None);
            assert_eq!(secret.resolve().unwrap().expose(), expected);
        }
    }

    #[test]
    fn a_header_gets_the_format_and_stays_out_of_sight() {
        let (_directory, secret) = in_file(b"s3cret\n", Some("Bearer {}"));
        let header = secret.resolve_header().unwrap();
        assert_eq!(header.as_bytes(), b"Bearer s3cret");
        let shown = format!("{header:?} {secret:?} {:?}", secret.resolve().unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        let (_directory, empty) = in_file(b"\n", None);
        assert!(matches!(empty.resolve(), Err(SecretError::Size(_))));
        let (_directory, large) = in_file(&vec![b'x'; (64 << 10) + 1], None);
        assert!(matches!(large.resolve(), Err(SecretError::Size(_))));
        let (_directory, lines) = in_file(b"hunter2\nX-Injected: 1", None);
        let error = lines.resolve_header().unwrap_err();
        assert!(matches!(error, SecretError::Header(_)) && !error.to_string().contains("hunter2"));
        let unset = SecretRef { source: Source::Env("VIDIMUS_TEST_IS_NOT_SET".into()), format: None };
        assert!(matches!(unset.resolve(), Err(SecretError::Unset(_))));
        let gone = SecretRef { source: Source::File("/nonexistent/secret".into()), format: None };
        assert!(matches!(gone.resolve(), Err(SecretError::Unreadable { .. })));
    }

    #[test]
    fn an_environment_variable_is_read() {
        // `PATH` is in every test's environment; setting one of our own would need unsafe code.
        let path = SecretRef { source: Source::Env("PATH".into()), format: None };
        assert_eq!(path.resolve().unwrap().expose(), std::env::var("PATH").unwrap().as_bytes());
    }
}
