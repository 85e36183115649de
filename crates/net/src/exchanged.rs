//! What is made of files that are exchanged while the gateway runs: certificates, keys, authorities.
//!
//! Files are read whole or not at all: what cannot be used leaves what was made before in force.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::pem::{self, TlsError};

/// What is made of some files, as they were when they could be used last.
pub(crate) struct Exchanged<T> {
    paths: Vec<PathBuf>,
    current: RwLock<Arc<T>>,
    /// What the files held when they were looked at last, usable or not.
    seen: Mutex<u64>,
    hasher: RandomState,
}

impl<T> Exchanged<T> {
    /// What `read` makes of the files at `paths`.
    pub(crate) fn load(paths: Vec<PathBuf>, read: impl FnOnce() -> Result<T, TlsError>) -> Result<Self, TlsError> {
        let hasher = RandomState::new();
        let seen = fingerprint(&paths, &hasher);
        let current = RwLock::new(Arc::new(read()?));
        Ok(Self { paths, current, seen: Mutex::new(seen), hasher })
    }

    /// The files.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Looks at the files again: `Ok(true)` when what `read` makes of them is in force now, `Ok(false)` when nothing has
    /// changed since the last look. After an error what was in force stays so, and the error is told once for each state of
    /// the files. Blocks for as long as the files take to read.
    pub(crate) fn reload(&self, read: impl FnOnce() -> Result<T, TlsError>) -> Result<bool, TlsError> {
        // Held while the files are read: of two looks at once the slower one must not win with what it read before.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = fingerprint(&self.paths, &self.hasher);
        if *seen == found {
            return Ok(false);
        }
        *seen = found;
        let made = Arc::new(read()?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = made;
        Ok(true)
    }

    /// What is in force.
    pub(crate) fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tells one state of the files from another. It depends on content and mode alone: what replaces a file by its equal
/// changes nothing.
fn fingerprint(paths: &[PathBuf], hasher: &RandomState) -> u64 {
    let contents: Vec<_> = paths.iter().map(|path| pem::state(path)).collect();
    hasher.hash_one(contents)
}
