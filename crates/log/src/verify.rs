//! The full check of a log directory: every entry, tile, checkpoint, and the completeness of every session.
//!
//! Everything is computed again from the entries and compared with what stands in the files; only the checkpoint's
//! signature is trusted, by the keys given, and that it goes on from checkpoints that were kept elsewhere. Without keys the
//! log's own stand in, which shows only that it is of one piece. Dense `seq` numbers and the count in a session's last event show missing
//! events, which a Merkle log alone cannot; an operation that was admitted has one outcome by then, whoever left it out.
//! Sessions still open, and their operations, are fine. Entries newer than the checkpoint are not examined, and payloads
//! are not: who knows their form looks at each event through [`log_and`]. The directory may be in use meanwhile; a log
//! that goes on is checked for ever by a [`Follower`].

mod check;
mod follow;
mod signed;

use std::fmt;
use std::path::{Path, PathBuf};

use self::check::{Check, Start};
pub use self::follow::{Follower, Step};
use self::signed::Signed;
use crate::checkpoints::COSIGNED;
use crate::completeness::Completeness;
use crate::edge::Edge;
use crate::note::{Checkpoint, VerifierKey};
use crate::storage::Storage;
use crate::tile::TileReader;
use crate::trust::{SeenBy, Trust};

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
    /// Whether the keys it was opened with were given, rather than the log's own.
    pub is_trusted: bool,
    /// What the quorum of the witness policy has cosigned, where it asks for one.
    pub witnessed: Option<Seen>,
    /// The sizes of the checkpoints that were kept elsewhere and compared.
    pub kept: Vec<u64>,
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

/// What witnesses have seen of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// They have cosigned the tree of so many entries.
    pub size: u64,
    /// Who, and when.
    pub by: Vec<SeenBy>,
}

impl Report {
    /// The exit status: 0 all holds, by a key that was given, and witnesses have seen it where the policy asks for them; 1
    /// something does not hold; 3 all holds, but not all was shown: no key was given, or witnesses have not seen the newest
    /// entries yet.
    pub fn exit_status(&self) -> u8 {
        match (self.holds(), self.is_trusted && self.unseen() == 0) {
            (false, _) => 1,
            (true, false) => 3,
            (true, true) => 0,
        }
    }

    /// How many of the newest entries the witnesses that the policy asks for have not seen yet.
    pub fn unseen(&self) -> u64 {
        let size = self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
        self.witnessed.as_ref().map_or(0, |seen| size.saturating_sub(seen.size))
    }

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

/// A checkpoint of the log that was kept elsewhere, and that the log must go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The file it was read from.
    pub file: PathBuf,
    /// The signed checkpoint.
    pub note: String,
}

/// Checks the log below the data directory `dir`, which one of `keys` signs. `progress` is told how many entries of how
/// many are done.
pub fn log(storage: &dyn Storage, dir: &Path, keys: &[VerifierKey], progress: &mut dyn FnMut(u64, u64)) -> Report {
    log_and(storage, dir, &Trust::in_keys(keys.iter().cloned()), &[], progress, &mut |_, _| Vec::new())
}

/// Checks the log as [`log()`] does, by what the caller trusts and against the checkpoints it kept, and has `examine` look
/// at every entry in order (index and leaf): what it finds counts as the log's own findings.
pub fn log_and(
    storage: &dyn Storage,
    dir: &Path,
    trust: &Trust,
    kept: &[Kept],
    progress: &mut dyn FnMut(u64, u64),
    examine: &mut dyn FnMut(u64, &[u8]) -> Vec<Finding>,
) -> Report {
    let dir = dir.join("log");
    let mut report = Report { is_trusted: trust.keys().is_some(), ..Report::default() };
    let signed = match Signed::read(storage, &dir, trust) {
        Ok(signed) => signed,
        Err(finding) => {
            report.add([finding]);
            return report;
        }
    };
    let checkpoint = &signed.checkpoint;
    report.add(signed.check_keys(storage, &dir));
    let mut completeness = Completeness::default();
    let mut look = |entry: u64, file: &Path, leaf: &[u8]| {
        let mut found = Vec::new();
        completeness.event(leaf, &mut |expected, found_there| {
            found.push(Finding { entry: Some(entry), file: file.to_path_buf(), expected, found: found_there });
        });
        found.extend(examine(entry, leaf));
        found
    };
    let mut check = Check::new(TileReader { storage, dir: &dir }, Edge::default(), checkpoint, &mut look);
    let mut starts = Vec::new();
    match signed.cosigned(&dir) {
        Ok(cosigned) => starts.extend(cosigned.map(|cosigned| Start::Cosigned { cosigned, file: dir.join(COSIGNED) })),
        Err(finding) => report.add([finding]),
    }
    for kept in kept {
        match signed.kept(kept, &dir) {
            Ok(earlier) => starts.push(Start::Kept { earlier, file: kept.file.clone() }),
            Err(finding) => report.add([finding]),
        }
    }
    report.kept = starts.iter().filter_map(Start::kept_size).collect();
    check.expect(starts);
    match signed.witnessed(trust, &dir) {
        Ok(witnessed) => report.witnessed = witnessed,
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
    report.checkpoint = Some(signed.checkpoint);
    report
}
