//! Recordings: payload frames at their exact place in `recordings/SESSION/SEGMENT.seg`.
//!
//! Writing the same frame twice leaves the same file, so recovery may repeat any of it. A bounded number of files is
//! held open, the least recently used one is closed first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vidimus_core::SessionId;

use crate::codec::length;
use crate::storage::{Access, Storage, StorageError, StorageFile, Unsynced};

/// How many recording files are held open.
const MAX_OPEN_FILES: usize = 256;

/// Which file of which session.
type Key = ([u8; 16], u32);

/// Writes payload frames into recordings.
#[derive(Debug)]
pub(crate) struct Recordings {
    dir: PathBuf,
    open: HashMap<Key, Open>,
    /// Counts uses; the open file with the lowest is the least recently used.
    uses: u64,
}

/// Payloads that follow one another in a file.
struct Run<'a> {
    key: Key,
    offset: u64,
    end: u64,
    pieces: Vec<&'a [u8]>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: Arc<dyn StorageFile>,
    used: u64,
}

impl Recordings {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, open: HashMap::new(), uses: 0 }
    }

    /// Gives the descriptors of all files back.
    pub(crate) fn close_files(&mut self) {
        self.open.clear();
    }

    /// Writes payloads, each with its file and its offset there, in their order: those of a file that follow one another at once.
    pub(crate) fn write<'a>(
        &mut self,
        storage: &dyn Storage,
        unsynced: &mut Unsynced,
        payloads: impl Iterator<Item = (Key, u64, &'a [u8])>,
    ) -> Result<(), StorageError> {
        let (mut runs, mut latest) = (Vec::<Run<'a>>::new(), HashMap::new());
        for (key, offset, bytes) in payloads {
            let open = latest.get(&key).and_then(|index: &usize| runs.get_mut(*index));
            if let Some(run) = open.filter(|run| run.end == offset) {
                run.push(bytes);
            } else {
                latest.insert(key, runs.len());
                let mut run = Run { key, offset, end: offset, pieces: Vec::new() };
                run.push(bytes);
                runs.push(run);
            }
        }
        let mut joined = Vec::new();
        for Run { key, offset, pieces, .. } in runs {
            let open = self.file(storage, unsynced, key)?;
            let bytes = if let [piece] = pieces.as_slice() {
                piece
            } else {
                joined.clear();
                for piece in &pieces {
                    joined.extend_from_slice(piece);
                }
                joined.as_slice()
            };
            open.file.write_at(bytes, offset).map_err(|error| StorageError::new("write", &open.path, error))?;
        }
        Ok(())
    }

    /// The open file of a segment, which will be synced.
    fn file(&mut self, storage: &dyn Storage, unsynced: &mut Unsynced, key: Key) -> Result<&Open, StorageError> {
        self.uses += 1;
        let used = self.uses;
        if !self.open.contains_key(&key)
            && self.open.len() >= MAX_OPEN_FILES
            && let Some(oldest) = self.open.iter().min_by_key(|(_, open)| open.used).map(|(key, _)| *key)
        {
            self.open.remove(&oldest);
        }
        match self.open.entry(key) {
            Entry::Occupied(open) => {
                let open = open.into_mut();
                open.used = used;
                unsynced.mark(&open.path);
                Ok(open)
            }
            Entry::Vacant(place) => {
                let path = recording_path(&self.dir, key.0, key.1);
                let file = unsynced.open(storage, &path, Access::Update)?;
                Ok(place.insert(Open { path, file, used }))
            }
        }
    }
}

impl<'a> Run<'a> {
    fn push(&mut self, bytes: &'a [u8]) {
        self.end = self.end.saturating_add(length(bytes.len()));
        self.pieces.push(bytes);
    }
}

/// The file that holds a segment of a session's recording, below the directory of recordings.
pub(crate) fn recording_path(dir: &Path, session: [u8; 16], segment: u32) -> PathBuf {
    dir.join(SessionId::from_bytes(session).to_string()).join(format!("{segment:08}.seg"))
}
