//! C2SP tlog-tiles: paths of tiles and entry bundles, their contents, and reading them from storage.
//!
//! A tile holds up to 256 hashes, a bundle as many entries, each with a 16-bit big-endian length. A partial tile of a
//! published size may have been replaced by the full one, so readers fall back to that. Refused: files shorter or
//! longer than their path says.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::codec::length;
use crate::error::{Damage, ReadError};
use crate::frame::MAX_LEAF_BYTES;
use crate::storage::{Storage, read_file};
use crate::tree::{Hash, Nodes, fold};

/// Hashes in a full tile and entries in a full bundle (tlog-tiles, "Merkle Tree").
pub const TILE_WIDTH: u64 = 256;
/// The tree height of one tile: log2 of [`TILE_WIDTH`].
pub const TILE_HEIGHT: u32 = 8;
/// The largest bundle in bytes: 256 entries with their lengths.
pub(crate) const MAX_BUNDLE_BYTES: usize = 256 * (2 + MAX_LEAF_BYTES);
/// Length of a hash in a tile.
pub(crate) const HASH_BYTES: usize = 32;

/// Which tile: of hashes at a level, or of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Entry bundle.
    Entries,
    /// Hashes of subtrees of `256^level` leaves.
    Hashes(u32),
}

/// A tile's place: kind, index within the level, and how much of it the tree fills (1 to 256).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    /// What it holds.
    pub kind: Kind,
    /// Its index at its level.
    pub index: u64,
    /// How many hashes or entries it holds.
    pub width: u64,
}

impl Tile {
    /// The tile with this index in a tree of `size` leaves; `None` when that tree has no such tile.
    pub fn in_tree(kind: Kind, index: u64, size: u64) -> Option<Self> {
        let level = if let Kind::Hashes(level) = kind { level } else { 0 };
        let hashes = size.checked_shr(TILE_HEIGHT.checked_mul(level)?).unwrap_or(0);
        let width = hashes.checked_sub(index.checked_mul(TILE_WIDTH)?)?.min(TILE_WIDTH);
        (width > 0).then_some(Self { kind, index, width })
    }

    /// The path below the log's directory: `tile/0/x001/234.p/5`.
    pub fn path(&self) -> String {
        let full = self.full_path();
        if self.width == TILE_WIDTH { full } else { format!("{full}.p/{}", self.width) }
    }

    /// The path the tile has once it is full.
    pub(crate) fn full_path(&self) -> String {
        let kind = match self.kind {
            Kind::Entries => "entries".to_owned(),
            Kind::Hashes(level) => level.to_string(),
        };
        let mut name = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            name = format!("x{:03}/{name}", rest % 1000);
            rest /= 1000;
        }
        format!("tile/{kind}/{name}")
    }

    /// The directory of its partial tiles, which may go once the tile is full.
    pub(crate) fn partial_dir(&self) -> String {
        format!("{}.p", self.full_path())
    }
}

/// Appends an entry to a bundle. The journal has refused longer entries.
pub(crate) fn push_entry(bundle: &mut Vec<u8>, leaf: &[u8]) {
    bundle.extend_from_slice(&u16::try_from(leaf.len()).unwrap_or(u16::MAX).to_be_bytes());
    bundle.extend_from_slice(leaf);
}

/// The first `count` entries of a bundle, and the offset after them; `None` when it holds fewer.
pub(crate) fn entries(bundle: &[u8], count: u64) -> Option<(Vec<&[u8]>, usize)> {
    let mut entries = Vec::new();
    let mut rest = bundle;
    for _ in 0..count {
        let (size, after) = rest.split_first_chunk()?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
        entries.push(entry);
        rest = after;
    }
    Some((entries, bundle.len() - rest.len()))
}

/// The bytes of a tile of hashes.
pub(crate) fn hash_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Reads tiles and bundles of one log directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TileReader<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) dir: &'a Path,
}

impl TileReader<'_> {
    /// The hashes of a tile.
    pub(crate) fn hashes(&self, tile: Tile) -> Result<Vec<Hash>, ReadError> {
        let (bytes, path, is_full) = self.read(tile, MAX_BUNDLE_BYTES)?;
        let expected = length(HASH_BYTES).saturating_mul(if is_full { TILE_WIDTH } else { tile.width });
        if length(bytes.len()) != expected {
            return Err(damage(
                path,
                length(bytes.len()),
                format!("{expected} bytes"),
                format!("{} bytes", bytes.len()),
            ));
        }
        let wanted = usize::try_from(tile.width).unwrap_or(usize::MAX);
        Ok(bytes.as_chunks().0.iter().map(|hash| Hash(*hash)).take(wanted).collect())
    }

    /// The bytes of a bundle, cut to the tile's width.
    pub(crate) fn bundle(&self, tile: Tile) -> Result<Vec<u8>, ReadError> {
        let (mut bytes, path, is_full) = self.read(tile, MAX_BUNDLE_BYTES + 1)?;
        let end = entries(&bytes, tile.width).map(|(_, end)| end);
        match end {
            Some(end) if end == bytes.len() || (is_full && tile.width < TILE_WIDTH) => {
                bytes.truncate(end);
                Ok(bytes)
            }
            _ => {
                let found = format!("{} bytes that are not exactly that", bytes.len());
                Err(damage(path, 0, format!("{} entries with their lengths", tile.width), found))
            }
        }
    }

    /// Gives the entries from `from` on, in order, up to the end of the bundle that it stands in. Returns the index after
    /// them, which is `from` at the end of the tree of `size` leaves.
    pub(crate) fn leaves(&self, from: u64, size: u64, each: &mut dyn FnMut(&[u8])) -> Result<u64, ReadError> {
        let Some(tile) = Tile::in_tree(Kind::Entries, from / TILE_WIDTH, size).filter(|_| from < size) else {
            return Ok(from);
        };
        let bundle = self.bundle(tile)?;
        let known = usize::try_from(from % TILE_WIDTH).unwrap_or(usize::MAX);
        let (leaves, _) = entries(&bundle, tile.width).unwrap_or_default();
        leaves.get(known..).unwrap_or_default().iter().for_each(|leaf| each(leaf));
        Ok(from - from % TILE_WIDTH + tile.width)
    }

    fn read(&self, tile: Tile, limit: usize) -> Result<(Vec<u8>, PathBuf, bool), ReadError> {
        let path = self.dir.join(tile.path());
        match read_file(self.storage, &path, limit) {
            Err(error) if error.is_not_found() => {
                let full = self.dir.join(tile.full_path());
                match read_file(self.storage, &full, limit) {
                    Ok(bytes) => Ok((bytes, full, true)),
                    Err(error) if error.is_not_found() => {
                        Err(damage(path, 0, format!("{} hashes or entries", tile.width), "no such file".to_owned()))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            other => Ok((other?, path, tile.width == TILE_WIDTH)),
        }
    }
}

fn damage(file: PathBuf, offset: u64, expected: String, found: String) -> ReadError {
    Damage { file, offset, expected, found }.into()
}

/// Tiles of hashes that are at hand, by level and index.
pub(crate) type KnownTiles = HashMap<(u32, u64), Vec<Hash>>;

/// The nodes of a tree of `size` leaves, from its tiles; each tile is read once.
pub(crate) struct TileNodes<'a> {
    reader: TileReader<'a>,
    size: u64,
    tiles: KnownTiles,
}

impl<'a> TileNodes<'a> {
    pub(crate) fn new(reader: TileReader<'a>, size: u64) -> Self {
        Self::knowing(reader, size, HashMap::new())
    }

    /// Does not read the tiles that are at hand.
    pub(crate) fn knowing(reader: TileReader<'a>, size: u64, tiles: KnownTiles) -> Self {
        Self { reader, size, tiles }
    }
}

impl Nodes for TileNodes<'_> {
    type Error = ReadError;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, ReadError> {
        let (tile_level, height) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let first = index << height;
        let (tile_index, start) = (first / TILE_WIDTH, first % TILE_WIDTH);
        let outside = || {
            let file = self.reader.dir.join("checkpoint");
            Damage {
                file,
                offset: 0,
                expected: format!("a tree with node {index} at level {level}"),
                found: format!("size {}", self.size),
            }
        };
        let key = (tile_level, tile_index);
        if !self.tiles.contains_key(&key) {
            let tile = Tile::in_tree(Kind::Hashes(tile_level), tile_index, self.size).ok_or_else(outside)?;
            self.tiles.insert(key, self.reader.hashes(tile)?);
        }
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let hashes = self.tiles.get(&key).and_then(|hashes| hashes.get(start..)?.get(..1 << height));
        Ok(hashes.and_then(fold).ok_or_else(outside)?)
    }
}
