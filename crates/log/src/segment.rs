//! Examining one journal segment at rest: frames where they should be, torn ones, and frames anywhere in what
//! follows; and the two repairs of recovery, zeroing and writing again.
//!
//! Refuses, wherever it looks, a frame that was written without the journal's key. Reads at most one large piece of the
//! file at a time. Repairs are durable when they return.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::codec::length;
use crate::error::{Damage, OpenError};
use crate::frame::{self, ALIGNMENT, Parsed};
use crate::integrate::describe;
use crate::journal::segment_path;
use crate::journal_key::JournalKey;
use crate::storage::{Access, SYNC, Storage, StorageError, StorageFile};

/// How much of a segment is read at a time.
const READ_BYTES: usize = 1 << 20;

/// The journal's files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) dir: &'a Path,
    pub(crate) key: &'a JournalKey,
}

/// One segment file under examination.
#[derive(Debug)]
pub(crate) struct Segment<'k> {
    pub(crate) id: u64,
    pub(crate) path: PathBuf,
    key: &'k JournalKey,
    file: Arc<dyn StorageFile>,
    pub(crate) size: u64,
    /// Bytes of the file from `start` on.
    buffer: Vec<u8>,
    start: u64,
}

impl<'k> Segment<'k> {
    /// Opens it for reading.
    pub(crate) fn open(files: Files<'k>, id: u64) -> Result<Self, OpenError> {
        Self::open_with(files, id, Access::Read)
    }

    /// Opens it for repair.
    pub(crate) fn open_for_writing(files: Files<'k>, id: u64) -> Result<Self, OpenError> {
        Self::open_with(files, id, Access::Update)
    }

    fn open_with(Files { storage, dir, key }: Files<'k>, id: u64, access: Access) -> Result<Self, OpenError> {
        let path = segment_path(dir, id);
        let file = storage.open(&path, access).map_err(|error| StorageError::new("open", &path, error))?;
        let size = file.length().map_err(|error| StorageError::new("read", &path, error))?;
        Ok(Self { id, path, key, file, size, buffer: Vec::new(), start: 0 })
    }

    /// The valid frame at `offset`: its header and length.
    pub(crate) fn frame_at(&mut self, offset: u64) -> Result<Option<(frame::Header, usize)>, OpenError> {
        match self.parsed_at(offset)? {
            Parsed::Frame(frame) => Ok(Some((frame.header, frame.length()))),
            _ => Ok(None),
        }
    }

    /// The length of the frame at `offset` when its header is of this segment but the frame is not whole.
    pub(crate) fn torn_at(&mut self, offset: u64) -> Result<Option<u64>, OpenError> {
        Ok(match self.parsed_at(offset)? {
            Parsed::Torn { claimed, .. } | Parsed::Incomplete { needed: claimed } => Some(length(claimed)),
            Parsed::Frame(_) | Parsed::Forged { .. } | Parsed::Nothing => None,
        })
    }

    /// What stands at `offset`, in words.
    pub(crate) fn describe_at(&mut self, offset: u64) -> Result<String, OpenError> {
        Ok(describe(&self.parsed_at(offset)?))
    }

    /// The first valid frame at or after `offset`, wherever it begins.
    pub(crate) fn next_frame(&mut self, mut offset: u64) -> Result<Option<(u64, frame::Header, usize)>, OpenError> {
        let word = length(ALIGNMENT);
        while offset < self.size {
            self.read(offset, READ_BYTES)?;
            let words = self.bytes_from(offset).as_chunks::<ALIGNMENT>().0;
            // The segment's id is the second word of a header.
            let id = self.id.to_le_bytes();
            let Some(at) = words.iter().skip(1).position(|word| *word == id) else {
                // A header whose first word ends the buffer is found in the next one.
                offset += length(words.len().saturating_sub(1).max(1)) * word;
                continue;
            };
            offset += length(at) * word;
            if let Some((header, size)) = self.frame_at(offset)? {
                return Ok(Some((offset, header, size)));
            }
            offset += word;
        }
        Ok(None)
    }

    /// What stands at `offset`, unless it is forged.
    pub(crate) fn parsed_at(&mut self, offset: u64) -> Result<Parsed<'_>, OpenError> {
        self.read(offset, frame::HEADER)?;
        self.read(offset, frame::needed(self.bytes_from(offset), self.id))?;
        let parsed = frame::parse(self.bytes_from(offset), self.id, self.key);
        if let Parsed::Forged { .. } = parsed {
            let (expected, found) = ("a frame of this gateway".to_owned(), describe(&parsed));
            return Err(Damage { file: self.path.clone(), offset, expected, found }.into());
        }
        Ok(parsed)
    }

    /// Has at least `wanted` bytes from `offset` in the buffer, unless the file ends.
    fn read(&mut self, offset: u64, wanted: usize) -> Result<(), OpenError> {
        let end = self.start + length(self.buffer.len());
        if offset >= self.start && (offset + length(wanted)).min(self.size) <= end {
            return Ok(());
        }
        self.buffer.resize(wanted.max(READ_BYTES), 0);
        let read = self.file.read_at(&mut self.buffer, offset);
        let read = read.map_err(|error| StorageError::new("read", &self.path, error))?;
        self.buffer.truncate(read);
        self.start = offset;
        Ok(())
    }

    fn bytes_from(&self, offset: u64) -> &[u8] {
        let skipped = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.buffer.get(skipped..).unwrap_or_default()
    }

    /// Fills the file with zeros from `offset` on, durably.
    pub(crate) fn zero_from(&self, offset: u64) -> Result<(), OpenError> {
        self.overwrite(offset, self.size, |buffer, _| {
            buffer.fill(0);
            Ok(())
        })
    }

    /// Writes the same bytes again and syncs, so that they are durable whatever an earlier sync did.
    pub(crate) fn write_again(&self, from: u64, to: u64) -> Result<(), OpenError> {
        self.overwrite(from, to, |buffer, at| {
            let read = self.file.read_at(buffer, at).map_err(|error| StorageError::new("read", &self.path, error))?;
            buffer.truncate(read);
            Ok(())
        })
    }

    fn overwrite(
        &self,
        from: u64,
        to: u64,
        content: impl Fn(&mut Vec<u8>, u64) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let mut at = from;
        while at < to {
            let size = usize::try_from(to - at).unwrap_or(READ_BYTES).min(READ_BYTES);
            let mut buffer = vec![0; size];
            content(&mut buffer, at)?;
            self.file.write_at(&buffer, at).map_err(|error| StorageError::new("write", &self.path, error))?;
            at += length(size);
        }
        Ok(self.file.sync_data().map_err(|error| StorageError::new(SYNC, &self.path, error))?)
    }
}
