//! Recordings: payload frames at their exact place in `recordings/SESSION/SEGMENT.seg`.
//!
//! Writing the same frame twice leaves the same file, so recovery may repeat any of it. A bounded number of files is
//! held open, the least recently used one is closed first.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vidimus_core::SessionId;

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

    /// Writes `bytes` at `offset` of the session's file.
    pub(crate) fn write(
        &mut self,
        storage: &dyn Storage,
        unsynced: &mut Unsynced,
        key: Key,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        self.uses += 1;
        if !self.open.contains_key(&key) {
            if self.open.len() >= MAX_OPEN_FILES
                && let Some(oldest) = self.open.iter().min_by_key(|(_, open)| open.used).map(|(key, _)| *key)
            {
                self.open.remove(&oldest);
            }
            let path = recording_path(&self.dir, key.0, key.1);
            let file = unsynced.open(storage, &path, Access::Update)?;
            self.open.insert(key, Open { path, file, used: 0 });
        }
        let Some(open) = self.open.get_mut(&key) else { return Ok(()) };
        open.used = self.uses;
        unsynced.mark(&open.path);
        open.file.write_at(bytes, offset).map_err(|error| StorageError::new("write", &open.path, error))
    }
}

/// The file that holds a segment of a session's recording, below the directory of recordings.
pub(crate) fn recording_path(dir: &Path, session: [u8; 16], segment: u32) -> PathBuf {
    dir.join(SessionId::from_bytes(session).to_string()).join(format!("{segment:08}.seg"))
}
