//! The full check of a log directory: every entry, tile, checkpoint, and the completeness of every session.
//!
//! Everything is computed again from the entries and compared with what stands in the files; only the checkpoint's
//! signature is trusted, by the keys given. Dense `seq` numbers and the count in a session's last event show missing
//! events, which a Merkle log alone cannot; an operation that was admitted has one outcome by then, whoever left it out.
//! Sessions still open, and their operations, are fine. Entries newer than the checkpoint are not examined, and payloads
//! are not: who knows their form looks at each event through [`log_and`]. The directory may be in use meanwhile.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::completeness::Completeness;
use crate::edge::Edge;
use crate::error::{Damage, ReadError};
use crate::note::{Checkpoint, MAX_NOTE_BYTES, VerifierKey};
use crate::storage::{Storage, read_file};
use crate::tile::{Kind, TILE_WIDTH, Tile, TileReader, entries};
use crate::tree::Hash;

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

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.further_findings += 1;
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
            report.add(finding);
            return report;
        }
    };
    let reader = TileReader { storage, dir: &dir };
    let mut check = Check { reader, report, edge: Edge::default(), completeness: Completeness::default(), examine };
    let size = checkpoint.size;
    progress(0, size);
    while check.edge.size() < size {
        if !check.bundle(size) {
            break;
        }
        progress(check.edge.size(), size);
    }
    check.finish(checkpoint)
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

struct Check<'a> {
    reader: TileReader<'a>,
    report: Report,
    /// The tree as the entries make it.
    edge: Edge,
    completeness: Completeness,
    examine: &'a mut dyn FnMut(u64, &[u8]) -> Vec<Finding>,
}

impl Check<'_> {
    /// Checks the next bundle and the tiles it completes. False when neither entries nor hashes can be read.
    fn bundle(&mut self, size: u64) -> bool {
        let first = self.edge.size();
        let index = first / TILE_WIDTH;
        let (Some(bundle), Some(hashes)) =
            (Tile::in_tree(Kind::Entries, index, size), Tile::in_tree(Kind::Hashes(0), index, size))
        else {
            return false;
        };
        match self.reader.bundle(bundle) {
            Ok(bytes) => {
                let (leaves, _) = entries(&bytes, bundle.width).unwrap_or_default();
                let file = self.reader.dir.join(bundle.path());
                for (entry, leaf) in (first..).zip(leaves) {
                    self.edge.push(leaf);
                    self.report.entries += 1;
                    self.event(entry, &file, leaf);
                    for finding in (self.examine)(entry, leaf) {
                        self.report.add(finding);
                    }
                }
            }
            Err(error) => {
                // The hashes stand in for the entries, so that the rest can be checked.
                self.unreadable(Some(first), error);
                match self.reader.hashes(hashes) {
                    Ok(hashes) => hashes.into_iter().for_each(|hash| self.edge.push_hash(hash)),
                    Err(error) => {
                        self.unreadable(Some(first), error);
                        return false;
                    }
                }
            }
        }
        let finished: Vec<_> = self.edge.take_finished().collect();
        for (tile, bytes) in finished {
            self.tile(tile, &bytes);
        }
        true
    }

    /// Compares a tile of hashes with the one computed from the entries.
    fn tile(&mut self, tile: Tile, computed: &[u8]) {
        let Kind::Hashes(level) = tile.kind else { return };
        let stored = match self.reader.hashes(tile) {
            Ok(hashes) => hashes,
            Err(error) => return self.unreadable(None, error),
        };
        self.report.tiles += 1;
        let first = tile.index * TILE_WIDTH;
        for ((index, computed), stored) in (first..).zip(computed.as_chunks().0).zip(&stored) {
            let computed = Hash(*computed);
            if computed != *stored {
                let entry = (level == 0).then_some(index);
                let file = self.reader.dir.join(tile.path());
                let (expected, found) = (format!("hash {computed} at {index}"), format!("hash {stored}"));
                self.report.add(Finding { entry, file, expected, found });
            }
        }
    }

    /// Checks an event's place in its session, and that it opens or ends its operation rightly.
    fn event(&mut self, entry: u64, file: &Path, leaf: &[u8]) {
        let Self { report, completeness, .. } = self;
        completeness.event(leaf, &mut |expected, found| {
            report.add(Finding { entry: Some(entry), file: file.to_path_buf(), expected, found });
        });
    }

    fn finish(mut self, checkpoint: Checkpoint) -> Report {
        let partial: Vec<_> = self.edge.partial().collect();
        if self.edge.size() == checkpoint.size {
            for (tile, bytes) in partial {
                self.tile(tile, &bytes);
            }
            let root = self.edge.root();
            if root != checkpoint.root {
                let file = self.reader.dir.join("checkpoint");
                let expected = format!("root {root} of the {} entries", checkpoint.size);
                self.report.add(Finding { entry: None, file, expected, found: format!("root {}", checkpoint.root) });
            }
        }
        self.report.sessions = self.completeness.sessions();
        self.report.open_sessions = self.completeness.open_sessions();
        self.report.operations = self.completeness.operations();
        self.report.open_operations = self.completeness.open_operations();
        self.report.denied_operations = self.completeness.denied_operations();
        self.report.checkpoint = Some(checkpoint);
        self.report
    }

    fn unreadable(&mut self, entry: Option<u64>, error: ReadError) {
        let finding = match error {
            ReadError::Damaged(Damage { file, expected, found, .. }) => Finding { entry, file, expected, found },
            other => {
                let file = self.reader.dir.to_path_buf();
                Finding { entry, file, expected: "a readable file".to_owned(), found: other.to_string() }
            }
        };
        self.report.add(finding);
    }
}
