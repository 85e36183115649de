//! The boundary to the disk: the few file operations the log needs, so that tests can make each of them fail.
//!
//! A write is complete or an error; a file's bytes are durable after its `sync_data`, its name after `sync_dir`.
//! Files are created with mode 0600 and directories with 0700 (NIST SP 800-53 AU-9).

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::codec::length;

/// Mode of every file: owner only.
const FILE_MODE: u32 = 0o600;
/// Mode of every directory: owner only.
const DIRECTORY_MODE: u32 = 0o700;
/// Up to this many files are synced one by one; above, one `syncfs` is cheaper than as many commits of the file
/// system's own journal.
const MAX_SINGLE_SYNCS: usize = 128;
/// The smallest unit in which files are cached; a multiple of it is one as well.
const PAGE_BYTES: u64 = 64 << 10;
/// Zeros written at a time over what is destroyed.
const OVERWRITE_BYTES: usize = 1 << 20;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// For reading; it must exist.
    Read,
    /// For reading and writing, created when missing.
    Update,
    /// For writing from nothing: created, or emptied.
    Replace,
}

/// A file system, or a test's faulty one. Paths are full paths.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>>;
    /// Creates one directory; its parent must exist. `AlreadyExists` when it does.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Renames a file, replacing what stands there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file, or a directory with all it holds.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a directory's names durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes the bytes of `files` and the names in `dirs` durable, in any order. None of them is read again soon, so
    /// memory that caches them may go to others.
    fn sync(&self, files: &BTreeSet<PathBuf>, dirs: &BTreeSet<PathBuf>) -> io::Result<()>;
}

/// One open file.
pub trait StorageFile: fmt::Debug + Send + Sync {
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Reads at `offset` until `buffer` is full or the file ends; returns how much.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Makes what was written durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    /// The file's length in bytes.
    fn length(&self) -> io::Result<u64>;
}

/// A storage operation that failed: what, where, why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", .path.display())]
pub struct StorageError {
    /// The operation as a verb: "write", "sync" …
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

impl StorageError {
    pub(crate) fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_path_buf(), source }
    }

    /// What to do about a failure that lost nothing, after which the operation may be repeated; `None` for all others.
    ///
    /// A full disk or quota is one, except in a sync. Too few file descriptors are one everywhere: only opening a file
    /// needs one, so what was to be done, a sync included, was not begun.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        let errno = rustix::io::Errno::from_io_error(&self.source);
        if matches!(errno, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)) {
            return Some("raise the limit of open files, or lower limits.connections");
        }
        let is_full = matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        (is_full && self.action != SYNC).then_some("free some space")
    }

    /// Whether the file was not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// The action of a failed sync in a [`StorageError`].
pub(crate) const SYNC: &str = "sync";

/// The real file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSystem;

impl Storage for FileSystem {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let mut options = OpenOptions::new();
        options.read(true).mode(FILE_MODE);
        match access {
            Access::Read => {}
            Access::Update => {
                options.write(true).create(true);
            }
            Access::Replace => {
                options.write(true).create(true).truncate(true);
            }
        }
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(DIRECTORY_MODE).create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = fs::read_dir(dir)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn sync(&self, files: &BTreeSet<PathBuf>, dirs: &BTreeSet<PathBuf>) -> io::Result<()> {
        if files.len() + dirs.len() > MAX_SINGLE_SYNCS
            && let Some(any) = dirs.first()
        {
            rustix::fs::syncfs(File::open(any)?)?;
            files.iter().filter_map(|file| File::open(file).ok()).for_each(|file| uncache(&file));
            return Ok(());
        }
        for file in files {
            let file = File::open(file)?;
            file.sync_all()?;
            uncache(&file);
        }
        for dir in dirs {
            self.sync_dir(dir)?;
        }
        Ok(())
    }
}

/// Lets the memory go that caches a file whose bytes are durable: what is recorded all day would otherwise push out what
/// the machine's other programs read, and every new page costs more than one used again. Its last, unfinished page
/// stays, as the next write goes there. Only advice: that it is not taken does no harm.
fn uncache(file: &File) {
    let whole_pages = file.metadata().map_or(0, |metadata| metadata.len() / PAGE_BYTES * PAGE_BYTES);
    if let Some(length) = NonZeroU64::new(whole_pages) {
        let _ = rustix::fs::fadvise(file, 0, Some(length), rustix::fs::Advice::DontNeed);
    }
}

#[derive(Debug)]
struct RealFile(File);

impl StorageFile for RealFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..)
            && !rest.is_empty()
        {
            match self.0.read_at(rest, offset.saturating_add(length(filled))) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// Creates a directory and what is missing above it; durable.
pub fn create_dirs(storage: &dyn Storage, path: &Path) -> Result<(), StorageError> {
    let create = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|error| StorageError::new("create", path, error)),
    };
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return create(storage.create_dir(path));
    };
    match storage.create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_dirs(storage, parent)?;
            create(storage.create_dir(path))?;
        }
        other => other.map_err(|error| StorageError::new("create", path, error))?,
    }
    storage.sync_dir(parent).map_err(|error| StorageError::new(SYNC, parent, error))
}

/// Reads a whole file of at most `limit` bytes; a longer one is cut there, which its parser then refuses.
pub(crate) fn read_file(storage: &dyn Storage, path: &Path, limit: usize) -> Result<Vec<u8>, StorageError> {
    let failed = |error| StorageError::new("read", path, error);
    let file = storage.open(path, Access::Read).map_err(failed)?;
    let size = usize::try_from(file.length().map_err(failed)?).unwrap_or(usize::MAX).min(limit);
    let mut bytes = vec![0; size];
    let read = file.read_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Replaces a file as a whole, durably: temporary file, sync, rename, sync of the directory.
pub fn replace_file(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    let temporary = temporary_name(path);
    let file =
        storage.open(&temporary, Access::Replace).map_err(|error| StorageError::new("create", &temporary, error))?;
    file.write_at(bytes, 0).map_err(|error| StorageError::new("write", &temporary, error))?;
    file.sync_data().map_err(|error| StorageError::new(SYNC, &temporary, error))?;
    storage.rename(&temporary, path).map_err(|error| StorageError::new("rename to", path, error))?;
    let dir = path.parent().unwrap_or(path);
    storage.sync_dir(dir).map_err(|error| StorageError::new(SYNC, dir, error))
}

/// Writes zeros over all that a file holds, in its place, durably. File systems that write elsewhere and disks that
/// remap keep what they keep: what is destroyed for certain is what a key was needed for.
pub(crate) fn overwrite(storage: &dyn Storage, path: &Path) -> Result<(), StorageError> {
    let failed = |error| StorageError::new("overwrite", path, error);
    let file = storage.open(path, Access::Update).map_err(failed)?;
    let size = file.length().map_err(failed)?;
    let zeros = vec![0; usize::try_from(size).unwrap_or(OVERWRITE_BYTES).min(OVERWRITE_BYTES)];
    let mut offset = 0;
    while offset < size {
        let count = usize::try_from(size - offset).unwrap_or(OVERWRITE_BYTES).min(zeros.len());
        file.write_at(zeros.get(..count).unwrap_or(&zeros), offset).map_err(failed)?;
        offset += length(count);
    }
    file.sync_data().map_err(|error| StorageError::new(SYNC, path, error))
}

/// Overwrites a file and removes it; its name is gone for certain after a sync of its directory. May be repeated.
pub fn destroy_file(storage: &dyn Storage, path: &Path) -> Result<(), StorageError> {
    overwrite(storage, path)?;
    storage.remove(path).map_err(|error| StorageError::new("remove", path, error))
}

/// The temporary name beside `path`.
pub(crate) fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// Files and directories changed but not yet synced, so that many changes share one [`Storage::sync`].
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    files: BTreeSet<PathBuf>,
    dirs: BTreeSet<PathBuf>,
}

impl Unsynced {
    /// Opens a file, creating missing directories above it, and remembers that both need a sync.
    pub(crate) fn open(
        &mut self,
        storage: &dyn Storage,
        path: &Path,
        access: Access,
    ) -> Result<Arc<dyn StorageFile>, StorageError> {
        let file = match storage.open(path, access) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && access != Access::Read => {
                if let Some(parent) = path.parent() {
                    self.create_dirs(storage, parent)?;
                }
                storage.open(path, access)
            }
            other => other,
        };
        let file = file.map_err(|error| StorageError::new("open", path, error))?;
        self.mark(path);
        Ok(file)
    }

    /// Remembers that the file was written.
    pub(crate) fn mark(&mut self, path: &Path) {
        if !self.files.contains(path) {
            self.files.insert(path.to_path_buf());
            self.dirs.extend(path.parent().map(Path::to_path_buf));
        }
    }

    /// Replaces a file as a whole; readers see the old or the new one, a power cut may lose it until [`Self::sync`].
    pub(crate) fn replace(&mut self, storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
        let temporary = temporary_name(path);
        let file = self.open(storage, &temporary, Access::Replace)?;
        self.files.remove(&temporary);
        file.write_at(bytes, 0).map_err(|error| StorageError::new("write", &temporary, error))?;
        storage.rename(&temporary, path).map_err(|error| StorageError::new("rename to", path, error))?;
        self.mark(path);
        Ok(())
    }

    /// How many files wait.
    pub(crate) fn count(&self) -> usize {
        self.files.len()
    }

    /// Makes everything remembered durable.
    pub(crate) fn sync(&mut self, storage: &dyn Storage) -> Result<(), StorageError> {
        if let Some(any) = self.files.first().or_else(|| self.dirs.first()) {
            storage.sync(&self.files, &self.dirs).map_err(|error| StorageError::new(SYNC, any, error))?;
        }
        self.files.clear();
        self.dirs.clear();
        Ok(())
    }

    fn create_dirs(&mut self, storage: &dyn Storage, path: &Path) -> Result<(), StorageError> {
        let failed = |error| StorageError::new("create", path, error);
        match storage.create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().ok_or_else(|| failed(error))?;
                self.create_dirs(storage, parent)?;
                storage.create_dir(path).map_err(failed)?;
            }
            other => other.map_err(failed)?,
        }
        self.dirs.extend(path.parent().map(Path::to_path_buf));
        Ok(())
    }
}
