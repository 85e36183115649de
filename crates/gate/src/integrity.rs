//! The evidence checked while the gateway runs (NIST SP 800-53 AU-9, SI-7): log and recordings, from the first entry on.
//!
//! A check follows the log: entries and tiles against the root that was signed, recordings against what the events commit
//! to. It is driven in small steps, so whoever drives it sets its share of the machine. A recording that is being erased
//! meanwhile is no finding: what is found in one waits until the log has been read as far as it went at that moment, and is
//! dropped when an erasure stands there. Nothing is repaired, and nothing stops the gateway.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vidimus_core::SessionId;
use vidimus_core::event::{Body, Damage};
use vidimus_log::verify::{Finding, Follower, Step};
use vidimus_log::{FileSystem, Log};

use crate::evidence::EvidenceError;
use crate::gate::Gate;
use crate::recording::{Fate, RecordingVerifier};

/// The most files with findings that wait to be told; what is damaged beyond is found by the next check.
const MAX_HELD: usize = 1_000;
/// The longest text of an event's field about damage, in characters.
const MAX_TEXT: usize = 300;

/// A check of log and recordings, under way.
pub struct IntegrityCheck {
    follower: Follower,
    recordings: RecordingVerifier,
    recordings_dir: PathBuf,
    log: Log,
    held: Vec<Held>,
    /// Files in `held`.
    files: BTreeSet<PathBuf>,
}

/// What was found in a recording, as long as it may be that it is being erased.
struct Held {
    finding: Finding,
    session: SessionId,
    /// How far the log went.
    until: u64,
}

/// What a step gave.
#[derive(Debug)]
pub struct Findings {
    /// Where the check is.
    pub step: Step,
    /// What is not as it must be; the first of each file.
    pub findings: Vec<Finding>,
}

impl Gate {
    /// A check of all evidence, from the first entry on. Its steps block on the disk.
    pub fn integrity_check(&self) -> IntegrityCheck {
        let shared = self.shared();
        IntegrityCheck {
            follower: Follower::new(self.data_dir(), shared.log_keys.clone()),
            recordings: RecordingVerifier::with(self.data_dir(), Some(Arc::clone(&shared.evidence.wrapping))),
            recordings_dir: shared.recordings.clone(),
            log: shared.evidence.log.clone(),
            held: Vec::new(),
            files: BTreeSet::new(),
        }
    }

    /// Records a finding of its own check.
    pub fn integrity_found(&self, finding: &Finding) -> Result<(), EvidenceError> {
        let Finding { entry, file, expected, found } = finding;
        let file = file.strip_prefix(self.data_dir()).unwrap_or(file).display().to_string();
        let (file, expected, found) = (bounded(&file), bounded(expected), bounded(found));
        let reason = format!("{file}: expected {expected}, found {found}");
        let damage = Damage { file: &file, entry: *entry, expected: &expected, found: &found };
        let body = Body::IntegrityFailed { by: "check", reason: &reason, damage: Some(damage) };
        self.shared().control.append(&self.shared().evidence, body).map(drop)
    }
}

impl IntegrityCheck {
    /// Entries that were checked, of how many under the checkpoint that is worked towards.
    pub fn progress(&self) -> (u64, u64) {
        (self.follower.examined(), self.follower.size())
    }

    /// Checks the next entries, or, when it has caught up with the log, whether there are new ones.
    pub fn step(&mut self) -> Findings {
        let Self { follower, recordings, recordings_dir, log, held, files } = self;
        let mut told = Vec::new();
        let mut hold = |finding: Finding| match session_of(recordings_dir, &finding.file) {
            Some(session) if held.len() < MAX_HELD && files.insert(finding.file.clone()) => {
                held.push(Held { finding, session, until: log.status().appended });
            }
            Some(_) => {}
            None => told.push(finding),
        };
        let (step, found) = follower.step(&FileSystem, &mut |entry, leaf| {
            recordings.event(entry, leaf).into_iter().for_each(&mut hold);
            Vec::new()
        });
        recordings.finish().into_iter().for_each(&mut hold);
        told.extend(found);
        let reached = self.follower.examined();
        told.extend(self.release(|held| held.until <= reached));
        Findings { step, findings: told }
    }

    /// Ends the check: also what waits for an erasure to be done is a finding now.
    pub fn finish(mut self) -> Vec<Finding> {
        let held = std::mem::take(&mut self.held);
        let is_there = |held: &Held| self.recordings.fate(held.session) != Fate::Erased;
        held.into_iter().filter(is_there).map(|held| held.finding).collect()
    }

    /// Gives what has waited long enough, and forgets what was erased.
    fn release(&mut self, is_due: impl Fn(&Held) -> bool) -> Vec<Finding> {
        let Self { held, recordings, .. } = self;
        held.retain(|held| recordings.fate(held.session) != Fate::Erased);
        let due = |held: &mut Held| is_due(held) && recordings.fate(held.session) == Fate::Kept;
        held.extract_if(.., due).map(|held| held.finding).collect()
    }
}

/// The session whose recording a file belongs to, if it is one's.
fn session_of(recordings: &Path, file: &Path) -> Option<SessionId> {
    file.strip_prefix(recordings).ok()?.iter().next()?.to_str()?.parse().ok()
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
