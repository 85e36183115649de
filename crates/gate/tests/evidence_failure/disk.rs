//! The real file system, until it is told to fail.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use vidimus_log::storage::{Access, StorageFile};
use vidimus_log::{FileSystem, Storage};

/// What fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Every write.
    Write(io::ErrorKind),
    /// Every write but those into the journal's ready segments, whose room was taken before.
    Grow(io::ErrorKind),
    /// Every sync.
    Sync,
}

/// Clones share the fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Option<Fault>>>);

impl Disk {
    pub(crate) fn fail(&self, fault: Fault) {
        *self.0.lock().unwrap() = Some(fault);
    }

    pub(crate) fn work(&self) {
        *self.0.lock().unwrap() = None;
    }

    fn writes(&self, path: &Path) -> io::Result<()> {
        let in_journal = path.parent().is_some_and(|dir| dir.ends_with("journal"));
        let is_ready = in_journal && path.extension().is_some_and(|extension| extension == "seg");
        match *self.0.lock().unwrap() {
            Some(Fault::Write(kind)) => Err(io::Error::new(kind, "injected")),
            Some(Fault::Grow(kind)) if !is_ready => Err(io::Error::new(kind, "injected")),
            _ => Ok(()),
        }
    }

    fn syncs(&self) -> io::Result<()> {
        match *self.0.lock().unwrap() {
            Some(Fault::Sync) => Err(io::Error::other("injected")),
            _ => Ok(()),
        }
    }
}

impl Storage for Disk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let file = FileSystem.open(path, access)?;
        Ok(Arc::new(OpenFile { file, path: path.to_owned(), disk: self.clone() }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.writes(path)?;
        FileSystem.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileSystem.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        FileSystem.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        FileSystem.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.syncs()?;
        FileSystem.sync_dir(dir)
    }

    fn sync(&self, files: &BTreeSet<PathBuf>, dirs: &BTreeSet<PathBuf>) -> io::Result<()> {
        self.syncs()?;
        FileSystem.sync(files, dirs)
    }
}

#[derive(Debug)]
struct OpenFile {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    disk: Disk,
}

impl StorageFile for OpenFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.writes(&self.path)?;
        self.file.write_at(bytes, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.syncs()?;
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}
