//! How far the journal is integrated: everything before this place is durable in tiles and recordings, so recovery
//! replays from here and older segments may go. One small file, replaced as a whole.
//!
//! Refused: a file whose checksum or form is wrong, and one of a journal whose frames have no MAC.

use std::fmt::Write as _;
use std::path::Path;

use crate::error::{Damage, OpenError};
use crate::storage::{Storage, StorageError, read_file, replace_file};

/// The first line.
const VERSION: &str = "vidimus.journal/2";
/// The first line of a journal whose frames have no MAC. Nothing tells who wrote them.
const WITHOUT_MAC: &str = "vidimus.journal/1";
/// More than the file ever has.
const MAX_STATE_BYTES: usize = 1024;

/// A place in the journal and what came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// The segment's id.
    pub(crate) segment: u64,
    /// Offset in the segment, in bytes.
    pub(crate) offset: u64,
    /// Frames before it.
    pub(crate) sequence: u64,
    /// Leaves before it.
    pub(crate) leaves: u64,
}

impl State {
    /// Where every journal begins. Segment ids begin at 1, so that zeros are no header of any segment.
    pub(crate) const GENESIS: Self = Self { segment: 1, offset: 0, sequence: 0, leaves: 0 };

    /// Reads the file; `None` when there is none.
    pub(crate) fn load(storage: &dyn Storage, path: &Path) -> Result<Option<Self>, OpenError> {
        let bytes = match read_file(storage, path, MAX_STATE_BYTES) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        let text = std::str::from_utf8(&bytes).ok();
        if text.and_then(|text| text.lines().next()) == Some(WITHOUT_MAC) {
            return Err(OpenError::OldJournal { file: path.to_path_buf() });
        }
        let state = text.and_then(Self::parse);
        let damage = || Damage {
            file: path.to_path_buf(),
            offset: 0,
            expected: format!("a {VERSION} state with its checksum"),
            found: format!("{} other bytes", bytes.len()),
        };
        Ok(Some(state.ok_or_else(damage)?))
    }

    /// Replaces the file, durably.
    pub(crate) fn store(&self, storage: &dyn Storage, path: &Path) -> Result<(), StorageError> {
        replace_file(storage, path, self.text().as_bytes())
    }

    fn text(&self) -> String {
        let Self { segment, offset, sequence, leaves } = self;
        let mut text = format!("{VERSION}\nsegment {segment}\noffset {offset}\nsequence {sequence}\nleaves {leaves}\n");
        let crc = crc32c::crc32c(text.as_bytes());
        // Writing into a string cannot fail.
        let _ = writeln!(text, "crc32c {crc:08x}");
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().skip(1);
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.parse().ok();
        let state = Self {
            segment: field("segment ")?,
            offset: field("offset ")?,
            sequence: field("sequence ")?,
            leaves: field("leaves ")?,
        };
        (state.text() == text).then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_state_is_refused() {
        let state = State { segment: 3, offset: 4096, sequence: 77, leaves: 150 };
        let text = state.text();
        assert_eq!(State::parse(&text), Some(state));
        for changed in
            [text.replace("150", "149"), text.replace("/2", "/3"), format!("{text}\n"), text.replace("crc", "CRC")]
        {
            assert_eq!(State::parse(&changed), None, "{changed}");
        }
    }
}
