//! The full check of a log directory: every entry, tile, checkpoint, and the completeness of every session.
//!
//! Everything is computed again from the entries and compared with what stands in the files; only the checkpoint's
//! signature is trusted, by the keys given. Dense `seq` numbers and the count in a session's last event show missing
//! events, which a Merkle log alone cannot; an operation that was admitted has one outcome by then, whoever left it out.
//! Sessions still open, and their operations, are fine. Entries newer than the checkpoint are not examined, and payloads
//! are not: who knows their form looks at each event through [`log_and`]. The directory may be in use meanwhile; a log
//! that goes on is checked for ever by a [`Follower`].

mod check;
mod follow;

use std::fmt;
use std::path::{Path, PathBuf};

use self::check::Check;
pub use self::follow::{Follower, Step};
use crate::checkpoints::COSIGNED;
use crate::completeness::Completeness;
use crate::edge::Edge;
use crate::keylist;
use crate::note::{self, Checkpoint, MAX_NOTE_BYTES, NoteError, VerifierKey};
use crate::storage::{Storage, read_file};
use crate::tile::TileReader;

/// The most findings that are listed; more are counted.
pub const MAX_FINDINGS: usize = 1000;

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The entry's index, where one is meant.
    pub entry: Option<u64>,
    /// The file it shows in.
    pub file: PathBuf,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(entry) = self.entry {
            write!(f, "entry {entry}, ")?;
        }
        write!(f, "{}: expected {}, found {}", self.file.display(), self.expected, self.found)
    }
}

/// What was checked, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The checkpoint, when its signature holds.
    pub checkpoint: Option<Checkpoint>,
    /// Entries whose content was compared with the tree.
    pub entries: u64,
    /// Tiles of hashes that were compared.
    pub tiles: u64,
    /// Sessions seen.
    pub sessions: u64,
    /// Those of them without their last event.
    pub open_sessions: u64,
    /// Operations that were admitted.
    pub operations: u64,
    /// Those of them without outcome, in sessions that are open.
    pub open_operations: u64,
    /// Operations that were denied.
    pub denied_operations: u64,
    /// The first [`MAX_FINDINGS`] findings.
    pub findings: Vec<Finding>,
    /// How many findings there were beyond those.
    pub further_findings: u64,
}

impl Report {
    /// Whether all of a signed checkpoint was checked and holds.
    pub fn holds(&self) -> bool {
        let size = self.checkpoint.as_ref().map(|checkpoint| checkpoint.size);
        self.findings.is_empty() && size == Some(self.entries)
    }

    fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            if self.findings.len() < MAX_FINDINGS {
                self.findings.push(finding);
            } else {
                self.further_findings += 1;
            }
        }
    }
}

/// Checks the log below the data directory `dir`. `progress` is told how many entries of how many are done.
pub fn log(storage: &dyn Storage, dir: &Path, keys: &[VerifierKey], progress: &mut dyn FnMut(u64, u64)) -> Report {
    log_and(storage, dir, keys, progress, &mut |_, _| Vec::new())
}

/// Checks the log as [`log()`] does, and has `examine` look at every entry in order (index and leaf): what it finds counts
/// as the log's own findings.
pub fn log_and(
    storage: &dyn Storage,
    dir: &Path,
    keys: &[VerifierKey],
    progress: &mut dyn FnMut(u64, u64),
    examine: &mut dyn FnMut(u64, &[u8]) -> Vec<Finding>,
) -> Report {
    let dir = dir.join("log");
    let mut report = Report::default();
    let checkpoint = match read_checkpoint(storage, &dir, keys) {
        Ok(checkpoint) => checkpoint,
        Err(finding) => {
            report.add([finding]);
            return report;
        }
    };
    report.add(check_keys(storage, &dir, keys));
    let mut completeness = Completeness::default();
    let mut look = |entry: u64, file: &Path, leaf: &[u8]| {
        let mut found = Vec::new();
        completeness.event(leaf, &mut |expected, found_there| {
            found.push(Finding { entry: Some(entry), file: file.to_path_buf(), expected, found: found_there });
        });
        found.extend(examine(entry, leaf));
        found
    };
    let mut check = Check::new(TileReader { storage, dir: &dir }, Edge::default(), &checkpoint, &mut look);
    match read_cosigned(storage, &dir, keys, &checkpoint) {
        Ok(cosigned) => check.expect(cosigned, dir.join(COSIGNED)),
        Err(finding) => report.add([finding]),
    }
    progress(0, checkpoint.size);
    while check.edge.size() < checkpoint.size && check.bundle() {
        report.add(std::mem::take(&mut check.findings));
        progress(check.edge.size(), checkpoint.size);
    }
    check.finish();
    report.add(std::mem::take(&mut check.findings));
    (report.entries, report.tiles) = (check.entries, check.tiles);
    report.sessions = completeness.sessions();
    report.open_sessions = completeness.open_sessions();
    report.operations = completeness.operations();
    report.open_operations = completeness.open_operations();
    report.denied_operations = completeness.denied_operations();
    report.checkpoint = Some(checkpoint);
    report
}

fn read_checkpoint(storage: &dyn Storage, dir: &Path, keys: &[VerifierKey]) -> Result<Checkpoint, Finding> {
    let file = dir.join("checkpoint");
    let finding = |found: String| {
        let expected = "a checkpoint signed by one of the given keys".to_owned();
        Finding { entry: None, file: file.clone(), expected, found }
    };
    let note = read_file(storage, &file, MAX_NOTE_BYTES + 1).map_err(|error| finding(error.to_string()))?;
    let note = std::str::from_utf8(&note).map_err(|error| finding(error.to_string()))?;
    Checkpoint::open(note, keys).map_err(|error| finding(error.to_string()))
}

/// The checkpoint that witnesses cosigned last, if there is one: proofs are made for it. It may be signed by a key that is
/// retired by now, so what counts is that its root is the tree's; a signature of a given key must be right all the same.
fn read_cosigned(
    storage: &dyn Storage,
    dir: &Path,
    keys: &[VerifierKey],
    newest: &Checkpoint,
) -> Result<Option<Checkpoint>, Finding> {
    let file = dir.join(COSIGNED);
    let finding = |found: String| {
        let expected = format!("a checkpoint of {} of at most size {}", newest.origin, newest.size);
        Finding { entry: None, file: file.clone(), expected, found }
    };
    let note = match read_file(storage, &file, MAX_NOTE_BYTES + 1) {
        Err(error) if error.is_not_found() => return Ok(None),
        other => other.map_err(|error| finding(error.to_string()))?,
    };
    let note = std::str::from_utf8(&note).map_err(|error| finding(error.to_string()))?;
    if let Err(error) = note::open(note, keys)
        && error != NoteError::UnknownSigner
    {
        return Err(finding(error.to_string()));
    }
    let text = note::text(note).map_err(|error| finding(error.to_string()))?;
    let cosigned: Checkpoint = text.parse().map_err(|error: NoteError| finding(error.to_string()))?;
    // A gateway that runs may have made both newer since the newest was read.
    let is_of_this_log = cosigned.origin == newest.origin;
    match read_checkpoint(storage, dir, keys) {
        _ if !is_of_this_log => Err(finding(format!("one of {}", cosigned.origin))),
        Ok(now) if cosigned.size > newest.size && cosigned.size <= now.size => Ok(None),
        _ if cosigned.size > newest.size => Err(finding(format!("size {}", cosigned.size))),
        _ => Ok(Some(cosigned)),
    }
}

/// The list of public keys must be one, and name a key that was given.
fn check_keys(storage: &dyn Storage, dir: &Path, keys: &[VerifierKey]) -> Option<Finding> {
    let file = dir.join(keylist::FILE);
    let found = match keylist::load(storage, &file) {
        Ok(Some(list)) if list.keys().iter().any(|listed| keys.contains(&listed.key)) => return None,
        Ok(Some(_)) => "others only".to_owned(),
        Ok(None) => "no such file".to_owned(),
        Err(error) => return Some(check::unreadable(dir, None, error)),
    };
    Some(Finding { entry: None, file, expected: "the log's public keys, the given one among them".to_owned(), found })
}
