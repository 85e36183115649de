//! The index made again from the log: beside the old one, which it replaces when it is whole.
//!
//! No gateway may run meanwhile; the lock on the log sees to that. The log is read and not changed, since no witness is
//! asked: what only its journal holds the next start adds. Whoever kills it loses nothing: what is made stays, and another
//! run goes on from there if it is told to. Not unasked: what lies there may be somebody else's, and would be believed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vidimus_log::{Log, Storage};
use vidimus_store::{Difference, Reader, differences};

use crate::gate::{Gate, StartError, signer};
use crate::keyring::Keys;
use crate::keys::{KeyEncryptionKey, journal_key};
use crate::projection::{INDEX, REBUILD, REPLACED, destroy_leftovers, open_index};

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
    /// Whether to go on with what a run that was cut off has left.
    pub resume: bool,
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
    /// It held another number of entries, so they were not compared.
    Behind,
    /// It was not compared: the one it would be compared with is in part an earlier run's.
    NotCompared,
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
    /// Makes the index again beside the old one, which it then replaces; returns how many entries it holds. Blocks.
    pub fn run(self) -> Result<u64, StartError> {
        self.run_and_compare().map(|rebuilt| rebuilt.entries)
    }

    /// Does so, and says how the old one differed from it.
    pub fn run_and_compare(self) -> Result<Rebuilt, StartError> {
        let signer = signer(&Gate::origin(&self.gateway), &self.keys.signing)?;
        let journal_key = journal_key(&self.keys.key)?;
        // Taken first, and held to the end: no gateway starts meanwhile, and no other runs this.
        let log = Log::at_rest(Arc::clone(&self.storage), &self.data_dir, &signer, &journal_key)?;
        let made = self.data_dir.join(REBUILD);
        let resumes = self.resume && made.exists();
        if !resumes {
            let destroyed = destroy_leftovers(self.storage.as_ref(), &self.data_dir);
            destroyed.map_err(|error| StartError::Rebuild(error.to_string()))?;
        }
        let wrapping = Arc::new(KeyEncryptionKey::new(&self.keys.key)?);
        let mut index = open_index(&made, &self.data_dir, &wrapping, self.full_text)?;
        if index.applied() > log.entries() {
            index.clear()?;
        }
        let mut progress = self.progress;
        while index.applied() < log.entries() {
            let (first, mut leaves) = (index.applied(), Vec::new());
            let read = log.bundle(first, &mut |leaf| leaves.push(leaf.to_vec()));
            read.map_err(|error| StartError::Rebuild(error.to_string()))?;
            index.apply(first, &leaves.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            progress(index.applied());
        }
        drop(index);
        let old = if resumes { OldIndex::NotCompared } else { OldIndex::compare(&self.data_dir.join(INDEX), &made) };
        replace(self.storage.as_ref(), &self.data_dir).map_err(|error| StartError::Rebuild(error.to_string()))?;
        Ok(Rebuilt { entries: Reader::open(&self.data_dir.join(INDEX))?.applied()?, old })
    }
}

/// Puts the new index in the place of the old one, whose files are overwritten and removed. Its companions go first: they
/// would be taken for the new one's. A crash in between leaves no index, and the next start makes one.
fn replace(storage: &dyn Storage, data_dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    for companion in ["-wal", "-shm", ""] {
        let from = data_dir.join(format!("{INDEX}{companion}"));
        match storage.rename(&from, &data_dir.join(format!("{REPLACED}{companion}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    storage.rename(&data_dir.join(REBUILD), &data_dir.join(INDEX))?;
    storage.sync_dir(data_dir)?;
    Ok(destroy_leftovers(storage, data_dir)?)
}
