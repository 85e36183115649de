//! The part of a log that witnesses are asked with: it reads checkpoints and takes cosignatures, and appends nothing.
//!
//! It is there before the log is open, so that witnesses can be asked before anything is changed. Then the tiles of the
//! newest checkpoint may be in the journal only, if a power cut took the files: those are at hand in memory.

use std::path::PathBuf;
use std::sync::Arc;

use crate::checkpoints::{Checkpoints, Published};
use crate::error::ReadError;
use crate::note::Checkpoint;
use crate::storage::{Storage, StorageError};
use crate::sync::Progress;
use crate::tile::{KnownTiles, TileNodes, TileReader};
use crate::tree::{Hash, consistency_path};

/// What witnesses are asked with.
#[derive(Debug, Clone)]
pub struct Witnessing {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    published: Arc<Checkpoints>,
    progress: Arc<Progress>,
    /// Of the tree of this size, the tiles that are at hand.
    known: Arc<(u64, KnownTiles)>,
}

impl Witnessing {
    pub(crate) const fn new(
        storage: Arc<dyn Storage>,
        dir: PathBuf,
        published: Arc<Checkpoints>,
        progress: Arc<Progress>,
        known: Arc<(u64, KnownTiles)>,
    ) -> Self {
        Self { storage, dir, published, progress, known }
    }

    /// The latest checkpoint, signed.
    pub fn checkpoint(&self) -> (Checkpoint, Arc<str>) {
        let Published { checkpoint, note, .. } = self.published.newest();
        (checkpoint, note)
    }

    /// The newest checkpoint that witnesses have cosigned, with their signatures as they are stored: not verified.
    pub fn cosigned(&self) -> Option<(Checkpoint, Arc<str>)> {
        self.published.cosigned().map(|Published { checkpoint, note, .. }| (checkpoint, note))
    }

    /// Proof that the tree of a published checkpoint of `size` leaves begins with the tree of `old` leaves.
    pub fn consistency(&self, old: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
        if old > size {
            return Err(ReadError::NotInCheckpoint { index: old, size });
        }
        if old == 0 {
            return Ok(Vec::new());
        }
        let reader = TileReader { storage: self.storage.as_ref(), dir: &self.dir };
        let (of, known) = &*self.known;
        let known = if *of == size { known.clone() } else { KnownTiles::new() };
        consistency_path(&mut TileNodes::knowing(reader, size, known), old, size)
    }

    /// Adds signature lines of witnesses, verified, to a checkpoint that [`Self::checkpoint`] gave. Blocks on the disk.
    pub fn add(&self, signed: &str, lines: &str) -> Result<(), StorageError> {
        let added = self.published.cosign(self.storage.as_ref(), signed, lines);
        added.inspect_err(|error| {
            if error.remedy().is_none() {
                self.progress.fail(&error.to_string());
            }
        })
    }
}
