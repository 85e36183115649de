//! The lock that keeps a second process from the same directory: a file beside the data, locked while it is open.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::OpenError;
use crate::storage::{Storage, StorageError, create_dirs};

/// Makes the directory if it is missing, and locks it until the result is dropped or the process ends.
pub(crate) fn take(storage: &dyn Storage, dir: &Path) -> Result<File, OpenError> {
    create_dirs(storage, dir)?;
    let path = dir.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(|error| StorageError::new("create", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { lock: path }),
        Err(TryLockError::Error(error)) => Err(StorageError::new("lock", &path, error).into()),
    }
}
