//! The log as the static files that C2SP tlog-tiles serves: their names below the prefix, and what they hold.
//!
//! Only what the newest checkpoint covers exists, and a partial tile is cut from the widest there is: hashes and entries
//! never change, so any width of it is right. Refused: every other spelling of a name, and widths the tree has not reached.

use crate::codec::decimal;
use crate::error::ReadError;
use crate::log::Log;
use crate::tile::{Kind, TILE_WIDTH, Tile};

/// The highest level of a tile (tlog-tiles, "Merkle Tree").
const MAX_LEVEL: u64 = 63;

/// A file of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFile {
    /// The signed checkpoint.
    Checkpoint,
    /// A tile of hashes or a bundle of entries.
    Tile(Tile),
}

impl LogFile {
    /// The file of that name below the prefix; `None` when no log has one.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "checkpoint" {
            return Some(Self::Checkpoint);
        }
        let (kind, place) = name.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes(u32::try_from(decimal(level).filter(|level| *level <= MAX_LEVEL)?).ok()?),
        };
        let (place, width) = match place.split_once(".p/") {
            Some((place, width)) => (place, decimal(width).filter(|width| (1..TILE_WIDTH).contains(width))?),
            None => (place, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        for part in place.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Tile { kind, index, width };
        // A tile has one name: printing it again is the strictest comparison.
        (tile.path() == name).then_some(Self::Tile(tile))
    }

    /// Whether it holds entries, and so content.
    pub const fn has_entries(&self) -> bool {
        matches!(self, Self::Tile(Tile { kind: Kind::Entries, .. }))
    }

    /// Whether it never changes.
    pub const fn is_immutable(&self) -> bool {
        matches!(self, Self::Tile(_))
    }
}

impl Log {
    /// What a file holds; `None` when the newest checkpoint covers no such tile.
    pub fn file(&self, file: LogFile) -> Result<Option<Vec<u8>>, ReadError> {
        let tile = match file {
            LogFile::Checkpoint => return Ok(Some(self.checkpoint().as_bytes().to_vec())),
            LogFile::Tile(tile) => tile,
        };
        let widest = Tile::in_tree(tile.kind, tile.index, self.size());
        match widest.filter(|widest| tile.width <= widest.width) {
            Some(widest) => self.tile(widest, tile.width).map(Some),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_name() {
        let tile = |kind, index, width| Some(LogFile::Tile(Tile { kind, index, width }));
        for (name, file) in [
            ("checkpoint", Some(LogFile::Checkpoint)),
            ("tile/0/000", tile(Kind::Hashes(0), 0, 256)),
            ("tile/3/x001/x234/067.p/112", tile(Kind::Hashes(3), 1_234_067, 112)),
            ("tile/entries/x001/000", tile(Kind::Entries, 1000, 256)),
            ("tile/63/999.p/1", tile(Kind::Hashes(63), 999, 1)),
        ] {
            assert_eq!(LogFile::parse(name), file, "{name}");
        }
        for bad in [
            "",
            "keys",
            "cosigned",
            "checkpoint/",
            "../journal/state",
            "tile/0/../../journal/state",
            "tile/0",
            "tile/0/",
            "tile/64/000",
            "tile/00/000",
            "tile/-1/000",
            "tile/+1/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/1000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/0/+01",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/Entries/000",
        ] {
            assert_eq!(LogFile::parse(bad), None, "{bad}");
        }
    }
}
