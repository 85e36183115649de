//! The real file system, with a test deciding before each change whether it fails.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::storage::{Access, FileSystem, Storage, StorageFile};

/// What is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A file is opened, to be written if so.
    Open(Access),
    /// Bytes are written. One that fails has written the first half of them.
    Write,
    /// A file's bytes or a directory's names are made durable.
    Sync,
    /// A file is renamed.
    Rename,
    /// A directory is made.
    CreateDir,
    /// A file, or a directory with all it holds, is removed.
    Remove,
}

/// Decides whether an operation on a path fails.
type Decide = dyn Fn(Operation, &Path) -> io::Result<()> + Send + Sync;

/// The real file system, as far as `decide` lets it work. Clones share the decision.
#[derive(Clone)]
pub struct Faulty(Arc<Decide>);

impl Faulty {
    /// The file system with these faults.
    pub fn new(decide: impl Fn(Operation, &Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    fn ask(&self, operation: Operation, path: &Path) -> io::Result<()> {
        (self.0)(operation, path)
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

impl Storage for Faulty {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        self.ask(Operation::Open(access), path)?;
        let file = FileSystem.open(path, access)?;
        Ok(Arc::new(FaultyFile { file, path: path.to_owned(), faulty: self.clone() }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.ask(Operation::CreateDir, path)?;
        FileSystem.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Operation::Rename, from)?;
        FileSystem.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask(Operation::Remove, path)?;
        FileSystem.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        FileSystem.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.ask(Operation::Sync, dir)?;
        FileSystem.sync_dir(dir)
    }

    fn sync(&self, files: &BTreeSet<PathBuf>, dirs: &BTreeSet<PathBuf>) -> io::Result<()> {
        for path in files.iter().chain(dirs) {
            self.ask(Operation::Sync, path)?;
        }
        FileSystem.sync(files, dirs)
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    faulty: Faulty,
}

impl StorageFile for FaultyFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let asked = self.faulty.ask(Operation::Write, &self.path);
        asked.inspect_err(|_| drop(self.file.write_at(&bytes[..bytes.len() / 2], offset)))?;
        self.file.write_at(bytes, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faulty.ask(Operation::Sync, &self.path)?;
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}
