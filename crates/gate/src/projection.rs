//! The index follows the log, fed in the background.
//!
//! The log is the source of truth: an index that fails stands still and is said, and nothing else suffers.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use vidimus_core::SessionId;
use vidimus_log::storage::{StorageError, destroy_file};
use vidimus_log::{Observer, Storage};
use vidimus_store::{Index, StoreError, Texts};

use crate::keys::KeyEncryptionKey;
use crate::recording::Frames;

/// The index, below the data directory.
pub(crate) const INDEX: &str = "index.db";
/// One that is being made again, and one that was replaced by such.
pub(crate) const REBUILD: &str = "index.db.rebuild";
pub(crate) const REPLACED: &str = "index.db.replaced";

/// Feeds the index with what the log has integrated.
pub(crate) struct Projection {
    index: Index,
    failure: Arc<OnceLock<String>>,
    progress: Box<dyn FnMut(u64) + Send>,
}

impl Projection {
    /// One that says how many entries are done, and leaves word of a failure.
    pub(crate) fn telling(index: Index, failure: Arc<OnceLock<String>>, progress: Box<dyn FnMut(u64) + Send>) -> Self {
        Self { index, failure, progress }
    }
}

impl Observer for Projection {
    fn leaves(&mut self, first_index: u64, leaves: &[&[u8]]) {
        if self.failure.get().is_some() {
            return;
        }
        match self.index.apply(first_index, leaves) {
            Ok(()) => (self.progress)(self.index.applied()),
            Err(error) => {
                // The log is the source of truth: evidence is complete, only lists and search stand still.
                tracing::error!(%error, "the index takes no more events; stop the gateway and run `vidimus index rebuild`");
                // The first failure is the one that counts.
                let _ = self.failure.set(error.to_string());
            }
        }
    }

    fn observed(&self) -> u64 {
        self.index.applied()
    }
}

/// Destroys what making an index again has left, whole or cut off: it holds words of recordings, which are erased in the index
/// alone from now on. The caller holds the lock on the log, so nobody makes one now.
pub(crate) fn destroy_leftovers(storage: &dyn Storage, data_dir: &Path) -> Result<(), StorageError> {
    let list = |error| StorageError { action: "list", path: data_dir.to_owned(), source: error };
    let names = storage.list(data_dir).map_err(list)?;
    let is_left = |name: &&String| name.starts_with(REBUILD) || name.starts_with(REPLACED);
    names.iter().filter(is_left).try_for_each(|name| destroy_file(storage, &data_dir.join(name)))
}

/// The words of recorded payloads, opened with the key-encryption key.
struct RecordedTexts(Frames);

impl Texts for RecordedTexts {
    fn text(&mut self, session: SessionId, at: [u64; 3]) -> Option<String> {
        String::from_utf8(self.0.payload(session, at)?).ok()
    }
}

/// Opens an index of a data directory, with words when they are to be kept.
pub(crate) fn open_index(
    path: &Path,
    data_dir: &Path,
    wrapping: &Arc<KeyEncryptionKey>,
    full_text: bool,
) -> Result<Index, StoreError> {
    let texts: Option<Box<dyn Texts>> = full_text.then(|| {
        let frames = Frames::new(data_dir.join("recordings"), Arc::clone(wrapping));
        Box::new(RecordedTexts(frames)) as Box<dyn Texts>
    });
    Index::open_with(path, texts)
}
