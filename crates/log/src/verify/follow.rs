//! A check that goes on with the log: for the gateway that checks itself while it runs.
//!
//! It begins with the first entry, goes bundle by bundle up to the newest checkpoint, and then on with every newer one. Full
//! bundles are read once; the last, unfinished one is read again with each checkpoint. Each entry is examined once. Whoever
//! drives it decides how fast: one [`Follower::step`] reads a bundle and a tile or two. Whether sessions are whole is left
//! to [`super::log_and`]: no entry can be missing from a tree whose root was signed. It needs memory for the tree's edge only.

use std::path::{Path, PathBuf};

use super::Finding;
use super::check::Check;
use super::signed::read_checkpoint;
use crate::edge::Edge;
use crate::keylist::KeyList;
use crate::note::{Checkpoint, VerifierKey};
use crate::storage::Storage;
use crate::tile::{TILE_WIDTH, TileReader};

/// A check that goes on with the log.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    keys: KeyList,
    /// The tree of the full bundles.
    edge: Edge,
    /// Entries that were examined.
    examined: u64,
    /// What is worked towards.
    checkpoint: Option<Checkpoint>,
    /// The checkpoint up to which all was checked.
    reached: Option<Checkpoint>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is more to check.
    More,
    /// All that the newest checkpoint covers is checked.
    CaughtUp,
    /// Neither entries nor hashes can be read, so that it gets no further.
    Stuck,
}

impl Follower {
    /// A check of the log below the data directory `data_dir`, whose checkpoints one of `keys` signs.
    pub fn new(data_dir: &Path, keys: Vec<VerifierKey>) -> Self {
        let dir = data_dir.join("log");
        let keys = KeyList::always(keys);
        Self { dir, keys, edge: Edge::default(), examined: 0, checkpoint: None, reached: None }
    }

    /// Entries that were examined.
    pub const fn examined(&self) -> u64 {
        self.examined
    }

    /// Entries under the checkpoint that is worked towards.
    pub fn size(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size)
    }

    /// Checks one bundle, and has `examine` look at each entry of it that it has not seen (index and leaf).
    pub fn step(
        &mut self,
        storage: &dyn Storage,
        examine: &mut dyn FnMut(u64, &[u8]) -> Vec<Finding>,
    ) -> (Step, Vec<Finding>) {
        if self.checkpoint == self.reached {
            match read_checkpoint(storage, &self.dir, &self.keys, true).map(|(_, checkpoint)| checkpoint) {
                Ok(checkpoint) if Some(&checkpoint) == self.reached.as_ref() => return (Step::CaughtUp, Vec::new()),
                Ok(checkpoint) if checkpoint.size < self.reached_size() => {
                    return (Step::CaughtUp, vec![self.shrunk(&checkpoint)]);
                }
                Ok(checkpoint) => self.checkpoint = Some(checkpoint),
                Err(finding) => return (Step::CaughtUp, vec![finding]),
            }
        }
        let Some(checkpoint) = self.checkpoint.clone() else { return (Step::CaughtUp, Vec::new()) };
        let is_last = checkpoint.size - self.edge.size() < TILE_WIDTH;
        let edge = if is_last { self.edge.clone() } else { std::mem::take(&mut self.edge) };
        let mut examined = self.examined;
        let mut look = |entry: u64, _: &Path, leaf: &[u8]| {
            if entry < examined {
                return Vec::new();
            }
            examined = entry + 1;
            examine(entry, leaf)
        };
        let mut check = Check::new(TileReader { storage, dir: &self.dir }, edge, &checkpoint, &mut look);
        let is_read = check.edge.size() == checkpoint.size || check.bundle();
        if is_last && is_read {
            check.finish();
        }
        let Check { edge, findings, .. } = check;
        self.examined = examined;
        if !is_last {
            self.edge = edge;
        } else if is_read {
            self.reached = Some(checkpoint);
        }
        let step = match (is_read, is_last) {
            (false, _) => Step::Stuck,
            (true, true) => Step::CaughtUp,
            (true, false) => Step::More,
        };
        (step, findings)
    }

    fn reached_size(&self) -> u64 {
        self.reached.as_ref().map_or(0, |checkpoint| checkpoint.size)
    }

    fn shrunk(&self, checkpoint: &Checkpoint) -> Finding {
        let expected = format!("a checkpoint of at least size {}, as was published before", self.reached_size());
        let found = format!("size {}", checkpoint.size);
        Finding { entry: None, file: self.dir.join("checkpoint"), expected, found }
    }
}
