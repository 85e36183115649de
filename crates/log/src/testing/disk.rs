//! A disk in memory that can lose power, run full, and fail: what the real one does rarely, on demand.
//!
//! Bytes written and names changed survive [`Disk::cut`] for certain only after their sync. Of what was not synced
//! any subset of 512-byte sectors survives, and any prefix of the changes of names, as on a journaling file system.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::io::Errno;

use super::Random;
use crate::storage::{Access, Storage, StorageFile};

const SECTOR: usize = 512;

/// The disk. Files opened on it share its state.
#[derive(Debug, Default)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default, Clone)]
struct State {
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    changes: Vec<Change>,
    files: BTreeMap<u64, Content>,
    dirs: BTreeSet<PathBuf>,
    next: u64,
    faults: Faults,
}

/// What goes wrong from now on.
#[derive(Debug, Default, Clone)]
pub struct Faults {
    /// Syncs of paths that contain this fail.
    pub sync: Option<&'static str>,
    /// Writes to paths that contain this fail.
    pub write: Option<&'static str>,
    /// Opening paths that contain this fails for want of a descriptor; syncs by path open too.
    pub open: Option<(&'static str, Errno)>,
    /// Bytes the disk holds.
    pub capacity: Option<usize>,
    /// After this many further changes every change and sync fails, as if the program had ended there.
    pub fuse: Option<usize>,
    /// How long a sync takes.
    pub sync_time: Duration,
}

#[derive(Debug, Clone)]
enum Change {
    Link(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
}

#[derive(Debug, Default, Clone)]
struct Content {
    current: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Link(path, file) => drop(names.insert(path.clone(), *file)),
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Unlink(path) => drop(names.remove(path)),
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        match self {
            Self::Link(path, _) | Self::Unlink(path) | Self::Rename(path, _) => path.parent() == Some(dir),
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, part: &[u8]) {
    if bytes.len() < offset + part.len() {
        bytes.resize(offset + part.len(), 0);
    }
    bytes[offset..offset + part.len()].copy_from_slice(part);
}

impl State {
    fn burn(&mut self) -> io::Result<()> {
        match &mut self.faults.fuse {
            Some(0) => Err(io::Error::other("injected end")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn open(&self, path: &Path) -> io::Result<()> {
        match self.faults.open {
            Some((part, errno)) if path.to_string_lossy().contains(part) => Err(errno.into()),
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.burn()?;
        change.apply(&mut self.names);
        self.changes.push(change);
        Ok(())
    }

    /// Makes the first `count` writes durable.
    fn sync_file(&mut self, path: &Path, file: u64, count: usize) -> io::Result<()> {
        self.burn()?;
        if self.faults.sync.is_some_and(|part| path.to_string_lossy().contains(part)) {
            return Err(io::Error::other("injected sync failure"));
        }
        let Content { durable, unsynced, .. } = self.files.get_mut(&file).unwrap();
        let count = count.min(unsynced.len());
        unsynced.drain(..count).for_each(|(offset, bytes)| put(durable, offset, &bytes));
        Ok(())
    }

    fn sync_names(&mut self, dir: &Path) -> io::Result<()> {
        self.open(dir)?;
        self.burn()?;
        if self.faults.sync.is_some_and(|part| dir.to_string_lossy().contains(part)) {
            return Err(io::Error::other("injected sync failure"));
        }
        let (now, later) = std::mem::take(&mut self.changes).into_iter().partition(|change: &Change| change.is_in(dir));
        self.changes = later;
        let now: Vec<Change> = now;
        for change in now {
            change.apply(&mut self.durable_names);
        }
        Ok(())
    }
}

impl Disk {
    /// Has other things go wrong.
    pub fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.0.lock().unwrap().faults);
    }

    /// Bytes in files.
    pub fn used(&self) -> usize {
        let state = self.0.lock().unwrap();
        state.names.values().map(|file| state.files[file].current.len()).sum()
    }

    /// The disk as the program's end at this moment leaves it: the system still has everything.
    pub fn killed(&self) -> Arc<Self> {
        let mut state = self.0.lock().unwrap().clone();
        state.faults = Faults::default();
        Arc::new(Self(Arc::new(Mutex::new(state))))
    }

    /// Makes everything durable, as the system does sooner or later.
    pub fn flush(&self) {
        let mut state = self.0.lock().unwrap();
        state.durable_names = state.names.clone();
        state.changes.clear();
        for content in state.files.values_mut() {
            content.durable.clone_from(&content.current);
            content.unsynced.clear();
        }
    }

    /// All files with their contents.
    pub fn all(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = self.0.lock().unwrap();
        state.names.iter().map(|(path, file)| (path.clone(), state.files[file].current.clone())).collect()
    }

    /// Takes a file away that is there.
    pub fn delete(&self, path: &Path) {
        self.0.lock().unwrap().names.remove(path).unwrap();
    }

    /// The disk as a power cut at this moment leaves it.
    pub fn cut(&self, random: &mut Random) -> Arc<Self> {
        let mut state = self.0.lock().unwrap().clone();
        state.faults = Faults::default();
        let kept = random.below(u64::try_from(state.changes.len()).unwrap() + 1);
        for change in state.changes.drain(..).take(usize::try_from(kept).unwrap()) {
            change.apply(&mut state.durable_names);
        }
        // From nothing of what was not synced to all of it.
        let chance = random.below(5);
        for content in state.files.values_mut() {
            for (offset, bytes) in content.unsynced.drain(..) {
                let (mut at, mut rest) = (offset, bytes.as_slice());
                while !rest.is_empty() {
                    let (sector, after) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
                    if random.below(4) < chance {
                        put(&mut content.durable, at, sector);
                    }
                    (at, rest) = (at + sector.len(), after);
                }
            }
            content.current.clone_from(&content.durable);
        }
        state.names.clone_from(&state.durable_names);
        Arc::new(Self(Arc::new(Mutex::new(state))))
    }

    /// Changes a file's bytes as no program of ours would.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock().unwrap();
        let file = *state.names.get(path).unwrap_or_else(|| unreachable!("no {}", path.display()));
        let content = state.files.get_mut(&file).unwrap();
        change(&mut content.current);
        content.durable.clone_from(&content.current);
        content.unsynced.clear();
    }
}

impl Storage for Disk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn StorageFile>> {
        let mut state = self.0.lock().unwrap();
        state.open(path)?;
        let file = match state.names.get(path) {
            Some(file) => *file,
            None if access == Access::Read => return Err(ErrorKind::NotFound.into()),
            None => {
                if !path.parent().is_some_and(|dir| state.dirs.contains(dir)) {
                    return Err(ErrorKind::NotFound.into());
                }
                state.next += 1;
                let file = state.next;
                state.files.insert(file, Content::default());
                state.change(Change::Link(path.to_path_buf(), file))?;
                file
            }
        };
        if access == Access::Replace {
            state.files.insert(file, Content::default());
        }
        Ok(Arc::new(DiskFile { state: Arc::clone(&self.0), path: path.to_path_buf(), file }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.dirs.contains(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        // What lies above the first directory exists elsewhere.
        if !state.dirs.is_empty() && !path.parent().is_some_and(|dir| state.dirs.contains(dir)) {
            return Err(ErrorKind::NotFound.into());
        }
        state.dirs.insert(path.to_path_buf());
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if !state.names.contains_key(from) {
            return Err(ErrorKind::NotFound.into());
        }
        state.change(Change::Rename(from.to_path_buf(), to.to_path_buf()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let below: Vec<PathBuf> = state.names.keys().filter(|name| name.starts_with(path)).cloned().collect();
        let is_dir = state.dirs.contains(path);
        if is_dir {
            state.open(path)?;
        }
        if below.is_empty() && !is_dir {
            return Err(ErrorKind::NotFound.into());
        }
        state.dirs.retain(|dir| !dir.starts_with(path));
        below.into_iter().try_for_each(|name| state.change(Change::Unlink(name)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.0.lock().unwrap();
        if !state.dirs.contains(dir) {
            return Err(ErrorKind::NotFound.into());
        }
        let names = state.names.keys().chain(&state.dirs).filter(|path| path.parent() == Some(dir));
        Ok(names.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.lock().unwrap().sync_names(dir)
    }

    fn sync(&self, files: &BTreeSet<PathBuf>, dirs: &BTreeSet<PathBuf>) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        for path in files {
            let file = *state.names.get(path).ok_or(ErrorKind::NotFound)?;
            state.open(path)?;
            state.sync_file(path, file, usize::MAX)?;
        }
        dirs.iter().try_for_each(|dir| state.sync_names(dir))
    }
}

#[derive(Debug)]
struct DiskFile {
    state: Arc<Mutex<State>>,
    path: PathBuf,
    file: u64,
}

impl StorageFile for DiskFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.faults.write.is_some_and(|part| self.path.to_string_lossy().contains(part)) {
            return Err(io::Error::other("injected write failure"));
        }
        state.burn()?;
        let offset = usize::try_from(offset).unwrap();
        let total: usize = state.names.values().map(|file| state.files[file].current.len()).sum();
        let grown = (offset + bytes.len()).saturating_sub(state.files[&self.file].current.len());
        if state.faults.capacity.is_some_and(|capacity| grown > 0 && total + grown > capacity) {
            return Err(ErrorKind::StorageFull.into());
        }
        let content = state.files.get_mut(&self.file).unwrap();
        put(&mut content.current, offset, bytes);
        content.unsynced.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.state.lock().unwrap();
        let rest = state.files[&self.file].current.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (time, count) = {
            let state = self.state.lock().unwrap();
            (state.faults.sync_time, state.files[&self.file].unsynced.len())
        };
        // What is written while the sync runs is not part of it.
        std::thread::sleep(time);
        self.state.lock().unwrap().sync_file(&self.path, self.file, count)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.state.lock().unwrap().files[&self.file].current.len()).unwrap())
    }
}
