//! The right edge of the tree in memory: the partial bundle and the partial tile of each level, from which the root
//! and every new tile follow.
//!
//! Pushing a leaf cannot fail; tiles that became full wait in `finished` until they are written, so a full disk
//! loses nothing and the writing may be repeated. A partial tile that may be durable is never written again: that
//! would put a file that a power cut can empty in its place, and recovery starts from those of the last stored size.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::codec::length;
use crate::error::{Damage, ReadError};
use crate::storage::{Storage, StorageError, Unsynced};
use crate::tile::{Kind, TILE_HEIGHT, TILE_WIDTH, Tile, TileReader, entries, hash_bytes, push_entry};
use crate::tree::{Hash, fold, fold_with};

/// The growing side of the tree.
#[derive(Debug, Default, Clone)]
pub(crate) struct Edge {
    size: u64,
    /// The size whose partial tiles were durable when this was loaded.
    durable: u64,
    /// The size whose partial tiles were written last.
    written: u64,
    /// Entries of the partial bundle.
    bundle: Vec<u8>,
    /// Hashes of the partial tile at each level, lowest first; each shorter than a full tile.
    levels: Vec<Vec<Hash>>,
    /// Full tiles not yet written.
    finished: VecDeque<(Tile, Vec<u8>)>,
    /// Tiles that became full: their partial versions may go when they are durable.
    superseded: Vec<Tile>,
}

impl Edge {
    /// Reads the edge of the tree of `size` leaves from its tiles, and checks entries against hashes.
    pub(crate) fn load(reader: TileReader<'_>, size: u64) -> Result<Self, ReadError> {
        let mut levels = Vec::new();
        let mut level = 0;
        while size.checked_shr(TILE_HEIGHT * level).unwrap_or(0) > 0 {
            let tile = partial_tile(Kind::Hashes(level), size);
            levels.push(if tile.width == 0 { Vec::new() } else { reader.hashes(tile)? });
            level += 1;
        }
        let tile = partial_tile(Kind::Entries, size);
        let bundle = if tile.width == 0 { Vec::new() } else { reader.bundle(tile)? };
        let (leaves, _) = entries(&bundle, tile.width).unwrap_or_default();
        let hashes: Vec<Hash> = leaves.into_iter().map(Hash::of_leaf).collect();
        if levels.first().map_or(&[] as &[Hash], Vec::as_slice) != hashes {
            let file = reader.dir.join(tile.path());
            let expected = format!("entries with the hashes of {}", Tile { kind: Kind::Hashes(0), ..tile }.path());
            return Err(Damage { file, offset: 0, expected, found: "other entries".to_owned() }.into());
        }
        Ok(Self { size, durable: size, written: size, bundle, levels, ..Self::default() })
    }

    /// How many leaves the tree has.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The root hash (RFC 6962 §2.1).
    pub(crate) fn root(&self) -> Hash {
        let over = self.levels.iter().fold(None, |right, hashes| fold_with(hashes, right));
        over.unwrap_or_else(Hash::empty_root)
    }

    /// Adds a leaf.
    pub(crate) fn push(&mut self, leaf: &[u8]) {
        push_entry(&mut self.bundle, leaf);
        self.push_hash(Hash::of_leaf(leaf));
    }

    /// Adds a leaf of which only the hash is at hand: for a tree that is only computed.
    pub(crate) fn push_hash(&mut self, mut hash: Hash) {
        self.size += 1;
        for level in 0_u32.. {
            let position = usize::try_from(level).unwrap_or(usize::MAX);
            if self.levels.len() <= position {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(position) else { return };
            hashes.push(hash);
            if length(hashes.len()) < TILE_WIDTH {
                return;
            }
            let index = (self.size >> (TILE_HEIGHT * (level + 1))) - 1;
            let tile = Tile { kind: Kind::Hashes(level), index, width: TILE_WIDTH };
            if level == 0 {
                let bundle = std::mem::take(&mut self.bundle);
                self.finished.push_back((Tile { kind: Kind::Entries, ..tile }, bundle));
            }
            self.finished.push_back((tile, hash_bytes(hashes)));
            let Some(above) = fold(hashes) else { return };
            hash = above;
            hashes.clear();
        }
    }

    /// Takes the tiles that became full, for a tree that is only computed.
    pub(crate) fn take_finished(&mut self) -> impl Iterator<Item = (Tile, Vec<u8>)> + '_ {
        self.finished.drain(..)
    }

    /// Writes the tiles that became full. May be repeated after a full disk.
    pub(crate) fn write_finished(
        &mut self,
        storage: &dyn Storage,
        dir: &Path,
        unsynced: &mut Unsynced,
    ) -> Result<(), StorageError> {
        while let Some((tile, bytes)) = self.finished.front() {
            unsynced.replace(storage, &dir.join(tile.path()), bytes)?;
            self.superseded.push(*tile);
            self.finished.pop_front();
        }
        Ok(())
    }

    /// Writes the partial tiles of the present size that do not stand there yet.
    pub(crate) fn write_partial(
        &mut self,
        storage: &dyn Storage,
        dir: &Path,
        unsynced: &mut Unsynced,
    ) -> Result<(), StorageError> {
        for (tile, bytes) in self.partial() {
            if partial_tile(tile.kind, self.written) != tile {
                unsynced.replace(storage, &dir.join(tile.path()), &bytes)?;
            }
        }
        self.written = self.size;
        Ok(())
    }

    /// Writes narrower versions of the present partial tiles again, as far as they are newer than what was durable
    /// at the start: earlier checkpoints promised them, and a power cut may have spoiled them.
    pub(crate) fn rewrite_narrower(
        &self,
        storage: &dyn Storage,
        dir: &Path,
        unsynced: &mut Unsynced,
    ) -> Result<(), StorageError> {
        for (tile, bytes) in self.partial() {
            let durable = partial_tile(tile.kind, self.durable);
            let is_durable = |width: u64| tile.index == durable.index && width <= durable.width;
            let names = storage.list(&dir.join(tile.partial_dir())).unwrap_or_default();
            let widths = names.iter().filter_map(|name| name.parse().ok());
            for width in widths.filter(|width| *width < tile.width && !is_durable(*width)) {
                let end = match tile.kind {
                    Kind::Entries => entries(&bytes, width).map_or(0, |(_, end)| end),
                    Kind::Hashes(_) => usize::try_from(width * 32).unwrap_or(0),
                };
                let narrower = bytes.get(..end).unwrap_or_default();
                unsynced.replace(storage, &dir.join(Tile { width, ..tile }.path()), narrower)?;
            }
        }
        Ok(())
    }

    /// A directory of partial tiles whose full version was written. To be removed once that is durable.
    pub(crate) fn superseded(&self, dir: &Path) -> Option<PathBuf> {
        self.superseded.last().map(|tile| dir.join(tile.partial_dir()))
    }

    /// Forgets the directory that [`Self::superseded`] names.
    pub(crate) fn superseded_is_gone(&mut self) {
        self.superseded.pop();
    }

    /// The partial tiles of the present size.
    pub(crate) fn partial(&self) -> impl Iterator<Item = (Tile, Vec<u8>)> + '_ {
        let bundle = (!self.bundle.is_empty()).then(|| (partial_tile(Kind::Entries, self.size), self.bundle.clone()));
        let hashes = (0_u32..).zip(&self.levels).filter(|(_, hashes)| !hashes.is_empty());
        let tiles = hashes.map(|(level, hashes)| (partial_tile(Kind::Hashes(level), self.size), hash_bytes(hashes)));
        bundle.into_iter().chain(tiles)
    }
}

/// The partial tile of that kind in the tree of `size` leaves; of no width where the tree has none.
fn partial_tile(kind: Kind, size: u64) -> Tile {
    let level = if let Kind::Hashes(level) = kind { level } else { 0 };
    let filled = size.checked_shr(TILE_HEIGHT * level).unwrap_or(0);
    Tile { kind, index: filled / TILE_WIDTH, width: filled % TILE_WIDTH }
}
