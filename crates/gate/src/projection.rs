//! The index follows the log, fed in the background.
//!
//! The log is the source of truth: an index that fails stands still and is said, and nothing else suffers.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use vidimus_core::SessionId;
use vidimus_log::Observer;
use vidimus_store::{Index, StoreError, Texts};

use crate::keys::KeyEncryptionKey;
use crate::recording::Frames;

/// The index, below the data directory.
pub(crate) const INDEX: &str = "index.db";

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
