//! One bundle of entries after the other, compared with the tiles of hashes and, at the end, with a checkpoint's root.
//!
//! What is wrong is blamed on the file that is: entries that the hashes above them contradict, or hashes that the entries
//! contradict. Where the hashes are right they stand in for the entries, so that one altered entry is one finding and the
//! rest is still checked.

use std::path::{Path, PathBuf};

use super::Finding;
use crate::edge::Edge;
use crate::error::{Damage, ReadError};
use crate::note::Checkpoint;
use crate::tile::{Kind, TILE_WIDTH, Tile, TileReader, entries};
use crate::tree::{Hash, fold};

/// Looks at an entry: its index, its file, its bytes.
type Look<'a> = &'a mut dyn FnMut(u64, &Path, &[u8]) -> Vec<Finding>;

/// A checkpoint of an earlier size, which the tree must begin with.
pub(super) enum Start {
    /// The log says itself that witnesses cosigned it.
    Cosigned { cosigned: Checkpoint, file: PathBuf },
    /// The caller kept it elsewhere.
    Kept { earlier: Checkpoint, file: PathBuf },
}

/// A check under way.
pub(super) struct Check<'a> {
    reader: TileReader<'a>,
    /// The tree as the entries make it.
    pub(super) edge: Edge,
    checkpoint: &'a Checkpoint,
    /// What the tree must begin with, the largest first.
    starts: Vec<Start>,
    look: Look<'a>,
    pub(super) entries: u64,
    pub(super) tiles: u64,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Check<'a> {
    pub(super) const fn new(reader: TileReader<'a>, edge: Edge, checkpoint: &'a Checkpoint, look: Look<'a>) -> Self {
        Self { reader, edge, checkpoint, starts: Vec::new(), look, entries: 0, tiles: 0, findings: Vec::new() }
    }

    /// Has the tree compared with other checkpoints on the way.
    pub(super) fn expect(&mut self, mut starts: Vec<Start>) {
        starts.sort_by_key(|start| std::cmp::Reverse(start.checkpoint().size));
        self.starts = starts;
        self.compare_starts();
    }

    /// Checks the next bundle and the tiles it completes. False when neither entries nor hashes can be read.
    pub(super) fn bundle(&mut self) -> bool {
        let (first, size) = (self.edge.size(), self.checkpoint.size);
        let index = first / TILE_WIDTH;
        let (Some(bundle), Some(hashes)) =
            (Tile::in_tree(Kind::Entries, index, size), Tile::in_tree(Kind::Hashes(0), index, size))
        else {
            return false;
        };
        let stored = self.reader.hashes(hashes);
        self.tiles += u64::from(stored.is_ok());
        match (self.reader.bundle(bundle), stored) {
            (Ok(bytes), stored) => {
                let (leaves, _) = entries(&bytes, bundle.width).unwrap_or_default();
                let file = self.reader.dir.join(bundle.path());
                let computed: Vec<Hash> = leaves.iter().map(|leaf| Hash::of_leaf(leaf)).collect();
                let hashes = match stored {
                    Ok(stored) => self.settle(hashes, computed, stored),
                    Err(error) => {
                        self.findings.push(unreadable(self.reader.dir, None, error));
                        computed
                    }
                };
                for ((entry, leaf), hash) in (first..).zip(leaves).zip(hashes) {
                    self.push(hash);
                    self.entries += 1;
                    self.findings.extend((self.look)(entry, &file, leaf));
                }
            }
            (Err(error), stored) => {
                // The hashes stand in for the entries, so that the rest can be checked.
                self.findings.push(unreadable(self.reader.dir, Some(first), error));
                match stored {
                    Ok(hashes) => hashes.into_iter().for_each(|hash| self.push(hash)),
                    Err(error) => {
                        self.findings.push(unreadable(self.reader.dir, Some(first), error));
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

    /// Compares the root, and the tiles that the tree does not fill yet, once all entries are in.
    pub(super) fn finish(&mut self) {
        if self.edge.size() != self.checkpoint.size {
            return;
        }
        let partial: Vec<_> = self.edge.partial().collect();
        for (tile, bytes) in partial {
            self.tile(tile, &bytes);
        }
        let (root, size) = (self.edge.root(), self.checkpoint.size);
        if root != self.checkpoint.root {
            let file = self.reader.dir.join("checkpoint");
            let expected = format!("root {root} of the {size} entries");
            self.findings.push(Finding {
                entry: None,
                file,
                expected,
                found: format!("root {}", self.checkpoint.root),
            });
        }
    }

    /// Compares the hashes of entries with those in their tile, and gives the right ones.
    fn settle(&mut self, tile: Tile, computed: Vec<Hash>, stored: Vec<Hash>) -> Vec<Hash> {
        if computed == stored {
            return computed;
        }
        let is_stored_right = self.is_right(tile, &stored);
        let kind = if is_stored_right { Kind::Entries } else { tile.kind };
        let file = self.reader.dir.join(Tile { kind, ..tile }.path());
        let first = tile.index * TILE_WIDTH;
        let differ = (first..).zip(computed.iter().zip(&stored)).filter(|(_, (computed, stored))| computed != stored);
        self.findings.extend(differ.map(|(entry, (computed, stored))| {
            let (expected, found) = if is_stored_right {
                (format!("an entry with hash {stored}"), format!("one with hash {computed}"))
            } else {
                (format!("hash {computed} at {entry}"), format!("hash {stored}"))
            };
            Finding { entry: Some(entry), file: file.clone(), expected, found }
        }));
        if is_stored_right { stored } else { computed }
    }

    /// Whether what stands above these hashes of entries agrees with them: the next level, or, for the last ones, the root.
    fn is_right(&self, tile: Tile, hashes: &[Hash]) -> bool {
        if tile.width == TILE_WIDTH {
            let above = Tile::in_tree(Kind::Hashes(1), tile.index / TILE_WIDTH, self.checkpoint.size);
            let above = above.and_then(|above| self.reader.hashes(above).ok());
            let at = usize::try_from(tile.index % TILE_WIDTH).unwrap_or(usize::MAX);
            return above.is_some_and(|above| above.get(at).copied() == fold(hashes));
        }
        let mut edge = self.edge.clone();
        for hash in hashes {
            edge.push_hash(*hash);
        }
        edge.root() == self.checkpoint.root
    }

    /// Compares a tile of hashes of subtrees with the one computed from the entries.
    fn tile(&mut self, tile: Tile, computed: &[u8]) {
        // Those of the entries themselves were compared with the entries.
        if matches!(tile.kind, Kind::Hashes(0) | Kind::Entries) {
            return;
        }
        let stored = match self.reader.hashes(tile) {
            Ok(hashes) => hashes,
            Err(error) => return self.findings.push(unreadable(self.reader.dir, None, error)),
        };
        self.tiles += 1;
        let first = tile.index * TILE_WIDTH;
        for ((index, computed), stored) in (first..).zip(computed.as_chunks().0).zip(&stored) {
            let computed = Hash(*computed);
            if computed != *stored {
                let file = self.reader.dir.join(tile.path());
                let (expected, found) = (format!("hash {computed} at {index}"), format!("hash {stored}"));
                self.findings.push(Finding { entry: None, file, expected, found });
            }
        }
    }

    fn push(&mut self, hash: Hash) {
        self.edge.push_hash(hash);
        self.compare_starts();
    }

    fn compare_starts(&mut self) {
        let size = self.edge.size();
        while let Some(start) = self.starts.pop_if(|start| start.checkpoint().size <= size) {
            let root = self.edge.root();
            if root != start.checkpoint().root {
                self.findings.push(start.refuted_by(root, self.reader.dir));
            }
        }
    }
}

impl Start {
    const fn checkpoint(&self) -> &Checkpoint {
        match self {
            Self::Cosigned { cosigned: checkpoint, .. } | Self::Kept { earlier: checkpoint, .. } => checkpoint,
        }
    }

    /// The size of one that the caller kept.
    pub(super) const fn kept_size(&self) -> Option<u64> {
        match self {
            Self::Cosigned { .. } => None,
            Self::Kept { earlier, .. } => Some(earlier.size),
        }
    }

    /// The tree has this root instead: what the log says of itself is wrong then, or, for a checkpoint from elsewhere, the
    /// log.
    fn refuted_by(self, root: Hash, dir: &Path) -> Finding {
        match self {
            Self::Cosigned { cosigned: Checkpoint { size, root: other, .. }, file } => {
                let expected = format!("root {root} of the first {size} entries");
                Finding { entry: None, file, expected, found: format!("root {other}") }
            }
            Self::Kept { earlier: Checkpoint { size, root: other, .. }, file } => {
                let expected = format!("first {size} entries with the root {other} of {}", file.display());
                let found = format!("root {root}: the history was forged since");
                Finding { entry: None, file: dir.join("checkpoint"), expected, found }
            }
        }
    }
}

/// The finding that a file cannot be read, or is not what it must be.
pub(super) fn unreadable(dir: &Path, entry: Option<u64>, error: ReadError) -> Finding {
    match error {
        ReadError::Damaged(Damage { file, expected, found, .. }) => Finding { entry, file, expected, found },
        other => {
            Finding { entry, file: dir.to_path_buf(), expected: "a readable file".to_owned(), found: other.to_string() }
        }
    }
}
