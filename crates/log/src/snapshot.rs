//! The log at one checkpoint: entries and proofs that all lead to the same root, however the log goes on meanwhile.
//!
//! For archives: many entries in rising order, so the bundle that was read last is kept. Pruned or damaged tiles are
//! errors, not gaps.

use std::path::PathBuf;
use std::sync::Arc;

use crate::checkpoints::Published;
use crate::error::{Damage, ReadError};
use crate::keylist::{self, FILE, KeyList};
use crate::note::Checkpoint;
use crate::proof::InclusionProof;
use crate::storage::Storage;
use crate::tile::{Kind, TILE_WIDTH, Tile, TileNodes, TileReader, entries};
use crate::tree::inclusion_path;

/// The log at one checkpoint.
#[derive(Debug, Clone)]
pub struct Snapshot {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    published: Published,
    /// The bundle that was read last.
    bundle: Option<(Tile, Vec<u8>)>,
}

impl Snapshot {
    pub(crate) const fn new(storage: Arc<dyn Storage>, dir: PathBuf, published: Published) -> Self {
        Self { storage, dir, published, bundle: None }
    }

    /// The checkpoint.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.published.checkpoint
    }

    /// The checkpoint, signed.
    pub fn note(&self) -> &str {
        &self.published.note
    }

    /// The log's public keys.
    pub fn keys(&self) -> Result<KeyList, ReadError> {
        let path = self.dir.join(FILE);
        keylist::load(self.storage.as_ref(), &path)?.ok_or_else(|| {
            let (expected, found) = ("the log's public keys".to_owned(), "no such file".to_owned());
            Damage { file: path, offset: 0, expected, found }.into()
        })
    }

    /// An entry.
    pub fn leaf(&mut self, index: u64) -> Result<Vec<u8>, ReadError> {
        let size = self.published.checkpoint.size;
        let missing = ReadError::NotInCheckpoint { index, size };
        if index >= size {
            return Err(missing);
        }
        let Some(tile) = Tile::in_tree(Kind::Entries, index / TILE_WIDTH, size) else { return Err(missing) };
        let bundle = match self.bundle.take() {
            Some((known, bundle)) if known == tile => bundle,
            _ => self.reader().bundle(tile)?,
        };
        let within = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        let leaf = entries(&bundle, tile.width).and_then(|(leaves, _)| leaves.get(within).map(|leaf| leaf.to_vec()));
        self.bundle = Some((tile, bundle));
        leaf.ok_or_else(|| {
            let file = self.dir.join(tile.path());
            Damage { file, offset: 0, expected: format!("entry {index}"), found: "fewer entries".to_owned() }.into()
        })
    }

    /// Gives the entries from `from` on, in order, up to the end of the bundle that it stands in: for whoever reads many,
    /// since a bundle is read and cut into entries once. Returns the index after them, which is `from` at the end.
    pub fn bundle(&self, from: u64, each: &mut dyn FnMut(&[u8])) -> Result<u64, ReadError> {
        self.reader().leaves(from, self.published.checkpoint.size, each)
    }

    /// The proof that an entry is in the tree of the checkpoint.
    pub fn prove(&self, index: u64) -> Result<InclusionProof, ReadError> {
        let size = self.published.checkpoint.size;
        if index >= size {
            return Err(ReadError::NotInCheckpoint { index, size });
        }
        let path = inclusion_path(&mut TileNodes::new(self.reader(), size), index, size)?;
        Ok(InclusionProof { extra: None, index, path, checkpoint: self.published.note.to_string() })
    }

    fn reader(&self) -> TileReader<'_> {
        TileReader { storage: self.storage.as_ref(), dir: &self.dir }
    }
}
