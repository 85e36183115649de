//! The check of an archive or a proof, as `vidimus-verify` and `vidimus verify` run it: files in, a report and an exit
//! status out.
//!
//! Beneath it is `vidimus-log` alone: no network, no runtime, no configuration, so that an auditor can read all that judges
//! (`cargo xtask floors` holds it to that). Keys come from the caller; without one nothing is verified, whatever holds.

mod proof;

use std::fs::File;
use std::io::{self, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vidimus_log::archive::{self, ArchiveReport};
use vidimus_log::keylist::KeyListError;
use vidimus_log::policy::PolicyError;
use vidimus_log::proof::VERSION;
use vidimus_log::proof_report::ProofReport;
use vidimus_log::{KeyList, Trust, VerifierKey};

use proof::{check_proof, read_policy};

/// The exit status when the check could not begin: the command line, a key or the file cannot be read.
pub const EXIT_UNUSABLE: u8 = 2;
/// The most bytes of a file of keys.
const MAX_KEY_FILE_BYTES: u64 = 1 << 20;
/// How a zip file begins that holds something (APPNOTE.TXT 4.3.7).
const ZIP: &[u8] = b"PK\x03\x04";
/// How often it says how far it is; what takes less says nothing.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Why a check could not begin.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// A file of keys holds no keys.
    #[error(
        "{}: {error}; a key is name+hash+base64, as `vidimus log status` prints it, or a file of such lines, as log/keys is",
        path.display()
    )]
    Keys {
        /// The file, or the key as it was given.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyListError,
    },
    /// The file is neither of what can be checked.
    #[error(
        "{} is neither an archive (.zip, as `vidimus export` writes it) nor a proof (.tlog-proof, as `vidimus log prove \
         --out` does)",
        .0.display()
    )]
    Neither(PathBuf),
    /// A file of witnesses is no policy.
    #[error("{}: {error}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: PolicyError,
    },
    /// Nothing says which log is believed.
    #[error(
        "give the key of the log with --key, or a --witness-policy that lists it; where both list logs, they must agree"
    )]
    NoLog,
    /// What belongs to a proof was given for an archive.
    #[error("--event is for proofs, and this is an archive")]
    NotForArchives,
}

/// What was checked.
#[derive(Debug)]
pub enum Report {
    /// An archive.
    Archive(ArchiveReport),
    /// A proof.
    Proof(ProofReport),
}

/// Checks the file at `path`, be it an archive or a proof. `event` is the file of the event that a proof does not carry.
/// Long work says on `progress` how far it is.
pub fn check_file(
    path: &Path,
    trust: &Trust,
    event: Option<&Path>,
    progress: &mut impl Write,
) -> Result<Report, CheckError> {
    if begins_with(path, VERSION.as_bytes())? {
        return Ok(Report::Proof(check_proof(path, trust, event)?));
    }
    if !begins_with(path, ZIP)? {
        return Err(CheckError::Neither(path.to_owned()));
    }
    if event.is_some() {
        return Err(CheckError::NotForArchives);
    }
    Ok(Report::Archive(check(path, trust, progress)?))
}

impl Report {
    /// The exit status: 0 it holds, 1 it does not, 3 an archive holds together, but no key was given or sessions have no end.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Archive(report) => report.outcome().exit_status(),
            Self::Proof(report) => report.exit_status(),
        }
    }

    /// The report for people.
    pub fn to_text(&self) -> String {
        match self {
            Self::Archive(report) => report.to_text(),
            Self::Proof(report) => report.to_text(),
        }
    }

    /// The report for programs: one line of JSON.
    pub fn to_json(&self) -> String {
        match self {
            Self::Archive(report) => report.to_json(),
            Self::Proof(report) => report.to_json(),
        }
    }
}

/// Whether the file begins so.
fn begins_with(path: &Path, start: &[u8]) -> Result<bool, CheckError> {
    let mut read = Vec::new();
    File::open(path)
        .and_then(|file| file.take(start.len() as u64).read_to_end(&mut read))
        .map_err(|error| CheckError::File { path: path.to_owned(), error })?;
    Ok(read == start)
}

/// What is trusted: the log's keys, each argument a key or a file of them, and the policy in a file, which says which
/// witnesses must have cosigned and may list the log's key as well.
pub fn trust(keys: &[String], policy: Option<&Path>) -> Result<Trust, CheckError> {
    let policy = policy.map(read_policy).transpose()?;
    Trust::new(trusted(keys)?, policy).ok_or(CheckError::NoLog)
}

/// The keys that are trusted: each argument is a key, or a file of them. `None` when there is no argument.
fn trusted(arguments: &[String]) -> Result<Option<KeyList>, CheckError> {
    let mut keys: Option<KeyList> = None;
    for argument in arguments {
        let path = Path::new(argument);
        let more = match argument.parse::<VerifierKey>() {
            Ok(key) => KeyList::always([key]),
            // A slip in a key must not read as a file that is missing.
            Err(_) if argument.contains('+') && !path.exists() => {
                argument.parse().map_err(|error| CheckError::Keys { path: path.to_owned(), error })?
            }
            Err(_) => read_keys(path)?,
        };
        keys.get_or_insert_default().extend(more);
    }
    Ok(keys)
}

fn read_keys(path: &Path) -> Result<KeyList, CheckError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_KEY_FILE_BYTES).read_to_string(&mut text))
        .map_err(|error| CheckError::File { path: path.to_owned(), error })?;
    text.parse().map_err(|error| CheckError::Keys { path: path.to_owned(), error })
}

/// Checks the archive at `path`. Long work says on `progress` how far it is.
pub fn check(path: &Path, trust: &Trust, progress: &mut impl Write) -> Result<ArchiveReport, CheckError> {
    let file = File::open(path).map_err(|error| CheckError::File { path: path.to_owned(), error })?;
    let mut told = Instant::now();
    Ok(archive::verify(BufReader::new(file), trust, &mut |done, of| {
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            // Nothing is lost when nobody reads it.
            let _ = writeln!(progress, "checked {done} of {of}");
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn a_key_is_given_as_it_is_or_in_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        std::fs::write(&path, format!("{KEY} 5 9\n")).unwrap();
        let keys = trusted(&[KEY.to_owned(), path.display().to_string()]).unwrap().unwrap();
        assert_eq!(keys.to_string(), format!("{KEY} 0\n{KEY} 5 9\n"));
        assert_eq!(trusted(&[]).unwrap(), None);
        std::fs::write(&path, "no key\n").unwrap();
        assert!(matches!(trusted(&[path.display().to_string()]), Err(CheckError::Keys { .. })));
        assert!(matches!(trusted(&["name".to_owned()]), Err(CheckError::File { .. })));
        let slip = trusted(&[KEY.replace("ARpc", "ARpd")]).unwrap_err();
        assert!(matches!(slip, CheckError::Keys { .. }), "{slip}");
    }

    #[test]
    fn what_is_neither_archive_nor_proof_is_named_as_that() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes");
        for content in ["", "P", "some notes"] {
            std::fs::write(&path, content).unwrap();
            let error = check_file(&path, &Trust::default(), None, &mut io::sink()).unwrap_err();
            assert!(matches!(error, CheckError::Neither(_)), "{content}: {error}");
        }
        std::fs::write(&path, "PK\x03\x04 but no archive").unwrap();
        assert_eq!(check_file(&path, &Trust::default(), None, &mut io::sink()).unwrap().exit_status(), 1);
    }
}
