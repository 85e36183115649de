//! The index made again from the log: beside the old one, which it replaces when it is whole.
//!
//! No gateway may run meanwhile; the lock on the log sees to that. Whoever kills it loses nothing: what is made stays, and
//! the next run goes on from there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use vidimus_log::{Log, Storage};
use vidimus_store::{Difference, Reader, differences};

use crate::evidence::EvidenceError;
use crate::gate::{Gate, StartError, signer};
use crate::keyring::Keys;
use crate::keys::KeyEncryptionKey;
use crate::projection::{INDEX, Projection, open_index};

/// An index that is being made.
const REBUILD: &str = "index.db.rebuild";

/// What an index is made again from.
pub struct Rebuild {
    /// Where everything is kept. No gateway may run on it.
    pub data_dir: PathBuf,
    /// The name of the gateway.
    pub gateway: String,
    /// The keys, out of the keyring.
    pub keys: Keys,
    /// Whether words of payloads are kept.
    pub full_text: bool,
    /// The files.
    pub storage: Arc<dyn Storage>,
    /// Is told how many entries are done.
    pub progress: Box<dyn FnMut(u64) + Send>,
}

/// An index that was made again.
#[derive(Debug)]
pub struct Rebuilt {
    /// How many entries it holds.
    pub entries: u64,
    /// What it replaces.
    pub old: OldIndex,
}

/// The index that was there, against the log.
#[derive(Debug)]
pub enum OldIndex {
    /// There was none.
    Absent,
    /// It was not as far as the log, so they were not compared.
    Behind,
    /// It was what the log says.
    Same,
    /// It was not.
    Differs(Vec<Difference>),
    /// It could not be read.
    Unreadable(String),
}

impl OldIndex {
    fn compare(old: &Path, made: &Path) -> Self {
        if !old.exists() {
            return Self::Absent;
        }
        match differences(old, made) {
            Ok(None) => Self::Behind,
            Ok(Some(found)) if found.is_empty() => Self::Same,
            Ok(Some(found)) => Self::Differs(found),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

impl Rebuild {
    /// Makes the index again beside the old one, which it then replaces; returns how many entries it holds. One that was
    /// cut off goes on where it stopped. Blocks.
    pub fn run(self) -> Result<u64, StartError> {
        self.run_and_compare().map(|rebuilt| rebuilt.entries)
    }

    /// Does so, and says how the old one differed from it.
    pub fn run_and_compare(self) -> Result<Rebuilt, StartError> {
        let wrapping = Arc::new(KeyEncryptionKey::new(&self.keys.key)?);
        let origin = Gate::origin(&self.gateway);
        let signer = signer(&origin, &self.keys.signing)?;
        let made = self.data_dir.join(REBUILD);
        let failure = Arc::new(OnceLock::new());
        let index = open_index(&made, &self.data_dir, &wrapping, self.full_text)?;
        let projection = Projection::telling(index, Arc::clone(&failure), self.progress);
        let options = vidimus_log::Options {
            observer: Some(Box::new(projection)),
            ..vidimus_log::Options::new(&self.data_dir, &origin)
        };
        // Opening takes the lock, replays the journal, and tells the index all that it lacks.
        let (log, _) = Log::open(self.storage, options, signer)?;
        log.close().map_err(EvidenceError::from)?;
        drop(log);
        if let Some(failure) = failure.get() {
            return Err(StartError::Rebuild(failure.clone()));
        }
        let old = OldIndex::compare(&self.data_dir.join(INDEX), &made);
        replace(&made, &self.data_dir).map_err(|error| StartError::Rebuild(error.to_string()))?;
        Ok(Rebuilt { entries: Reader::open(&self.data_dir.join(INDEX))?.applied()?, old })
    }
}

/// Puts the new index in the place of the old one. The old one's companions go first: they would be taken for the new
/// one's. A crash in between leaves the old index at some earlier point, from which it goes on.
fn replace(made: &Path, data_dir: &Path) -> std::io::Result<()> {
    for companion in ["index.db-wal", "index.db-shm"] {
        match std::fs::remove_file(data_dir.join(companion)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(made, data_dir.join(INDEX))?;
    std::fs::File::open(data_dir)?.sync_all()
}
