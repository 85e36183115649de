//! The write-ahead journal: appends, group sync, and segments made ahead of time.
//!
//! An append takes one lock, assigns indexes, and adds one frame at the tail. It survives a power cut when [`Progress`]
//! has passed its position; the end of the process when it returns, or, left to the next sync, no sooner than a power
//! cut. Frames are always written in order, and a segment that is begun has one before the lock is free again: without it
//! none after it would be found. Segments are filled with zeros beforehand, so a sync writes data only; trimmed ones are
//! used again under a new name. None whose bytes may still be there is ever forgotten, whatever fails. Syncs never hold
//! the lock. After a failed write or sync nothing is taken any more.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::codec::{length, lock};
use crate::error::AppendError;
use crate::frame::{self, Entry, Header, MAX_FRAME_BYTES};
use crate::journal_key::{JournalKey, Mac};
use crate::state::State;
use crate::storage::{Access, SYNC, Storage, StorageError, StorageFile, destroy_file, overwrite, temporary_name};
use crate::sync::{Position, Progress};

/// How much may be written before a sync starts even if nobody waits.
const MAX_UNSYNCED_BYTES: u64 = 8 << 20;
/// Trimmed segments kept to be used again: as many as are written between two checkpoints when payloads are large.
pub(crate) const MAX_FREE_SEGMENTS: usize = 4;
/// How long an append waits for the next segment while it is being made.
const MAX_WAIT_FOR_SEGMENT: Duration = Duration::from_secs(2);
/// How long until a segment is tried again on a full disk, or without a file descriptor.
const RETRY: Duration = Duration::from_secs(1);
/// Zeros written at a time. A file system may keep what one write has filled as one piece in memory, and look through all of
/// it at each small write later (ext4, Linux 6.16 and later: 4 µs more for each at 1 MiB).
const ZEROS: usize = 16 << 10;
/// Frames left to the next sync are written without it when they are more than this; a larger buffer is given back.
const MAX_UNWRITTEN_BYTES: usize = 1 << 20;

/// The journal's bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) segment_bytes: u64,
    pub(crate) max_segments: u64,
}

/// When a frame is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// Before the append returns.
    Now,
    /// Together with all others that the next sync makes durable, which is asked for at once.
    WithSync,
}

/// Where a fresh or recovered journal goes on.
#[derive(Debug)]
pub(crate) struct Start {
    /// Where the next frame goes.
    pub(crate) tail: State,
    /// The oldest segment still needed.
    pub(crate) first_segment: u64,
    /// Whether the segment after the tail's is already there, empty.
    pub(crate) has_next: bool,
    /// Old segment files that may be used again.
    pub(crate) free: Vec<u64>,
}

#[derive(Debug)]
pub(crate) struct Journal {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    bounds: Bounds,
    key: JournalKey,
    progress: Arc<Progress>,
    writer: Mutex<Writer>,
    /// The next segment is ready, or needed, or the journal is closing.
    changed: Condvar,
}

#[derive(Debug)]
struct Writer {
    tail: State,
    current: Arc<dyn StorageFile>,
    next: Option<Arc<dyn StorageFile>>,
    /// Files with bytes not yet handed to a sync, oldest first, with their segment.
    unsynced: Vec<(u64, Arc<dyn StorageFile>)>,
    unsynced_bytes: u64,
    /// The oldest segment still needed.
    first_segment: u64,
    /// Trimmed segments whose files may be used again.
    free: Vec<u64>,
    /// Trimmed segments whose files are too many to be used again: listed until they are destroyed.
    surplus: Vec<u64>,
    /// Segments before this one are overwritten when they are given up.
    wipe_before: u64,
    /// Why the next segment cannot be made at the moment.
    blocked: Option<Arc<str>>,
    closed: bool,
    /// Frames before the tail, of the current segment, that are not written yet.
    unwritten: Vec<u8>,
}

/// How far the next segment is made. Kept when a step fails, to go on from there: a file that is used again may hold
/// copies of what is to be destroyed, and one put in its place would leave them on the disk without a name.
#[derive(Debug, Clone, Copy)]
enum Making {
    /// Nothing is there.
    Nothing,
    /// This trimmed segment's file is to be used again.
    Again(u64),
    /// The file has its name, which may not be durable.
    Named,
}

/// What of a frame is known before its place is.
struct Prepared<'a> {
    entries: &'a [Entry<'a>],
    size: u64,
    mac: Mac,
}

impl Journal {
    /// A journal that goes on at `start`.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        dir: PathBuf,
        bounds: Bounds,
        key: JournalKey,
        progress: Arc<Progress>,
        start: Start,
    ) -> Result<Self, StorageError> {
        let Start { tail, first_segment, has_next, free } = start;
        let open = |id| {
            let path = segment_path(&dir, id);
            storage.open(&path, Access::Update).map_err(|error| StorageError::new("open", &path, error))
        };
        let current = if tail == State::GENESIS {
            make_file(storage.as_ref(), &dir, tail.segment, bounds.segment_bytes)?;
            open_named(storage.as_ref(), &dir, tail.segment)?
        } else {
            open(tail.segment)?
        };
        let next = if has_next { Some(open(tail.segment + 1)?) } else { None };
        let writer = Writer {
            tail,
            current,
            next,
            unsynced: Vec::new(),
            unsynced_bytes: 0,
            first_segment,
            free,
            surplus: Vec::new(),
            wipe_before: 0,
            blocked: None,
            closed: false,
            unwritten: Vec::new(),
        };
        Ok(Self { storage, dir, bounds, key, progress, writer: Mutex::new(writer), changed: Condvar::new() })
    }

    /// Appends all entries as one frame; returns the first leaf's index and the position after the frame.
    pub(crate) fn append(&self, entries: &[Entry<'_>], write: Write) -> Result<(u64, Position), AppendError> {
        if entries.is_empty() {
            let writer = lock(&self.writer);
            self.progress.check()?;
            return if writer.closed {
                Err(AppendError::Closed)
            } else {
                Ok((writer.tail.leaves, Position(writer.tail.sequence)))
            };
        }
        let frame = self.prepare(entries)?;
        let mut writer = self.make_room(self.open_writer()?, frame.size)?;
        let (first_leaf, position) = self.add(&mut writer, frame, write)?;
        let much = writer.unsynced_bytes >= MAX_UNSYNCED_BYTES;
        drop(writer);
        if write == Write::WithSync {
            self.progress.request(position);
        }
        if much {
            self.progress.hurry();
        }
        Ok((first_leaf, position))
    }

    /// The frame of these entries, if they fit into one.
    fn prepare<'a>(&self, entries: &'a [Entry<'a>]) -> Result<Prepared<'a>, AppendError> {
        let limit = usize::try_from(self.bounds.segment_bytes).unwrap_or(usize::MAX).min(MAX_FRAME_BYTES);
        let size = length(frame::encoded_length(entries, limit)?);
        Ok(Prepared { entries, size, mac: frame::mac_of(&self.key, entries) })
    }

    /// The writer, if the journal takes entries.
    fn open_writer(&self) -> Result<MutexGuard<'_, Writer>, AppendError> {
        let writer = lock(&self.writer);
        self.progress.check()?;
        if writer.closed { Err(AppendError::Closed) } else { Ok(writer) }
    }

    /// Goes on to a segment in which a frame of this size has room, if need be.
    fn make_room<'a>(
        &'a self,
        mut writer: MutexGuard<'a, Writer>,
        size: u64,
    ) -> Result<MutexGuard<'a, Writer>, AppendError> {
        while writer.tail.offset + size > self.bounds.segment_bytes {
            writer = self.roll(writer)?;
        }
        Ok(writer)
    }

    /// Adds one frame, which has room and may be without entries.
    fn add(&self, writer: &mut Writer, frame: Prepared<'_>, write: Write) -> Result<(u64, Position), AppendError> {
        let Prepared { entries, size, mac } = frame;
        let Writer { tail, current, unsynced, unsynced_bytes, unwritten, .. } = writer;
        let first_leaf = tail.leaves;
        let header =
            Header { segment: tail.segment, sequence: tail.sequence, durable: self.progress.durable(), first_leaf };
        frame::encode(unwritten, header, entries, mac);
        if unsynced.last().is_none_or(|(segment, _)| *segment != tail.segment) {
            unsynced.push((tail.segment, Arc::clone(current)));
        }
        let leaves = entries.iter().filter(|entry| matches!(entry, Entry::Leaf(_))).count();
        tail.offset += size;
        tail.sequence += 1;
        tail.leaves += length(leaves);
        let position = Position(tail.sequence);
        *unsynced_bytes += size;
        if write == Write::Now || unwritten.len() >= MAX_UNWRITTEN_BYTES {
            self.write_or_fail(writer)?;
        }
        Ok((first_leaf, position))
    }

    /// Writes the frames that are not written yet.
    fn write(&self, writer: &mut Writer) -> Result<(), StorageError> {
        let Writer { tail, current, unwritten, .. } = writer;
        if unwritten.is_empty() {
            return Ok(());
        }
        let written = current.write_at(unwritten, tail.offset.saturating_sub(length(unwritten.len())));
        written.map_err(|error| StorageError::new("write", &segment_path(&self.dir, tail.segment), error))?;
        unwritten.clear();
        if unwritten.capacity() > MAX_UNWRITTEN_BYTES {
            *unwritten = Vec::new();
        }
        Ok(())
    }

    /// The same, and fails the log when they cannot be written.
    fn write_or_fail(&self, writer: &mut Writer) -> Result<(), AppendError> {
        self.write(writer).map_err(|error| {
            self.progress.fail(&error.to_string());
            self.progress.check().err().unwrap_or(AppendError::Closed)
        })
    }

    /// Leaves this segment, unless another thread does so during the wait: goes to the next one, to which the caller adds
    /// a frame before it lets go of the lock. Refuses when there is none and none is coming soon.
    fn roll<'a>(&'a self, writer: MutexGuard<'a, Writer>) -> Result<MutexGuard<'a, Writer>, AppendError> {
        let left = writer.tail.segment;
        let waits = |writer: &mut Writer| {
            writer.tail.segment == left
                && writer.next.is_none()
                && self.no_room(writer).is_none()
                && !writer.closed
                && self.progress.failure().is_none()
        };
        let (mut writer, _) = match self.changed.wait_timeout_while(writer, MAX_WAIT_FOR_SEGMENT, waits) {
            Ok(woken) => woken,
            Err(poisoned) => poisoned.into_inner(),
        };
        self.progress.check()?;
        if writer.closed {
            return Err(AppendError::Closed);
        }
        if writer.tail.segment != left {
            return Ok(writer);
        }
        self.write_or_fail(&mut writer)?;
        let Some(next) = writer.next.take() else {
            let why = self.no_room(&writer).unwrap_or_else(|| "the disk is too slow to make the next segment".into());
            return Err(AppendError::Full { why });
        };
        writer.current = next;
        writer.tail.segment += 1;
        writer.tail.offset = 0;
        self.changed.notify_all();
        Ok(writer)
    }

    /// Why there can be no further segment at the moment.
    fn no_room(&self, writer: &Writer) -> Option<Arc<str>> {
        if writer.tail.segment + 1 - writer.first_segment >= self.bounds.max_segments {
            let Bounds { segment_bytes, max_segments } = self.bounds;
            let why = format!(
                "{max_segments} segments of {segment_bytes} bytes wait to be integrated; relieve the disk or raise \
                 max_journal_bytes"
            );
            return Some(why.into());
        }
        writer.blocked.clone()
    }

    /// Makes everything appended so far durable with as few syncs as there are files.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        let (tail, files) = {
            let mut writer = lock(&self.writer);
            self.write(&mut writer)?;
            writer.unsynced_bytes = 0;
            (writer.tail, std::mem::take(&mut writer.unsynced))
        };
        if files.is_empty() {
            return Ok(());
        }
        self.progress.begin_sync(tail.sequence);
        let started = Instant::now();
        for (segment, file) in files {
            file.sync_data().map_err(|error| StorageError::new(SYNC, &segment_path(&self.dir, segment), error))?;
        }
        self.progress.reached(tail.sequence, tail.leaves, started.elapsed());
        Ok(())
    }

    /// The syncer thread: one sync serves all who wait; the next starts when it returns.
    pub(crate) fn run_syncer(&self, interval: Duration) {
        let mut woken = 0;
        loop {
            let stops = self.progress.wait_for_work(interval);
            if self.progress.failure().is_some() {
                return;
            }
            // Those whom the last sync woke are about to append. They come first where there are more threads than cores;
            // a sync for the first of them alone would make all others wait for two.
            if woken > 1 {
                std::thread::yield_now();
            }
            let before = self.progress.durable();
            if let Err(error) = self.sync() {
                self.progress.fail(&error.to_string());
                return;
            }
            woken = self.progress.durable().saturating_sub(before);
            if stops {
                return;
            }
        }
    }

    /// The allocator thread: keeps one segment ready ahead of the current one.
    pub(crate) fn run_allocator(&self) {
        let mut making = Making::Nothing;
        let mut writer = lock(&self.writer);
        loop {
            if writer.closed || self.progress.failure().is_some() {
                return;
            }
            let at_bound = writer.tail.segment + 1 - writer.first_segment >= self.bounds.max_segments;
            if writer.next.is_some() || at_bound {
                writer = self.changed.wait(writer).unwrap_or_else(std::sync::PoisonError::into_inner);
                continue;
            }
            // It stays the next one until it is made: there is no other to go on to.
            let id = writer.tail.segment + 1;
            if matches!(making, Making::Nothing)
                && let Some(free) = writer.free.pop()
            {
                making = Making::Again(free);
            }
            drop(writer);
            let made = self.make_next(id, &mut making);
            writer = lock(&self.writer);
            match made {
                Ok(file) => {
                    making = Making::Nothing;
                    writer.next = Some(file);
                    writer.blocked = None;
                    self.changed.notify_all();
                }
                Err(error) if let Some(remedy) = error.remedy() => {
                    tracing::warn!(%error, remedy, "the next journal segment waits");
                    writer.blocked = Some(format!("{error}; {remedy}").into());
                    self.changed.notify_all();
                    let closed = |writer: &mut Writer| !writer.closed;
                    (writer, _) = match self.changed.wait_timeout_while(writer, RETRY, closed) {
                        Ok(woken) => woken,
                        Err(poisoned) => poisoned.into_inner(),
                    };
                }
                Err(error) => return self.progress.fail(&error.to_string()),
            }
        }
    }

    /// Makes the segment after the tail's, from where it was left.
    fn make_next(&self, id: u64, making: &mut Making) -> Result<Arc<dyn StorageFile>, StorageError> {
        let storage = self.storage.as_ref();
        match *making {
            Making::Nothing => make_file(storage, &self.dir, id, self.bounds.segment_bytes)?,
            Making::Again(free) => {
                let old = segment_path(&self.dir, free);
                let renamed = storage.rename(&old, &segment_path(&self.dir, id));
                renamed.map_err(|error| StorageError::new("rename", &old, error))?;
            }
            Making::Named => {}
        }
        *making = Making::Named;
        open_named(storage, &self.dir, id)
    }

    /// Gives up segments before `first`, whose contents are durable elsewhere. What fails is done when this is repeated.
    pub(crate) fn trim(&self, first: u64) -> Result<(), StorageError> {
        let mut wiped = 0;
        let surplus = loop {
            let mut writer = lock(&self.writer);
            let due = writer.first_segment.max(wiped)..first.min(writer.wipe_before);
            if due.is_empty() {
                let mut gone: Vec<u64> = (writer.first_segment..first).collect();
                writer.first_segment = writer.first_segment.max(first);
                while writer.free.len() < MAX_FREE_SEGMENTS
                    && let Some(free) = gone.pop()
                {
                    writer.free.push(free);
                }
                writer.surplus.extend(gone);
                break writer.surplus.clone();
            }
            drop(writer);
            wiped = due.end;
            for segment in due {
                overwrite(self.storage.as_ref(), &segment_path(&self.dir, segment))?;
            }
        };
        self.changed.notify_all();
        // A file that is only removed leaves its bytes on the disk, where no later erasure finds them.
        for segment in surplus {
            destroy_file(self.storage.as_ref(), &segment_path(&self.dir, segment))?;
            lock(&self.writer).surplus.retain(|listed| *listed != segment);
        }
        Ok(())
    }

    /// From here on every segment that may hold what is written so far is overwritten when it is given up: the one in use,
    /// and the one made ready after it, which may hold what was in it before. Returns the first one after them, and the
    /// files that lie unused, for the caller to overwrite and [`Self::give_back`].
    pub(crate) fn begin_wiping(&self) -> (u64, Vec<(u64, PathBuf)>) {
        let mut writer = lock(&self.writer);
        let first = writer.tail.segment + 2;
        writer.wipe_before = writer.wipe_before.max(first);
        let unused = std::mem::take(&mut writer.free);
        (first, unused.into_iter().map(|segment| (segment, segment_path(&self.dir, segment))).collect())
    }

    /// Takes an overwritten file back, to be used again.
    pub(crate) fn give_back(&self, segment: u64) {
        lock(&self.writer).free.push(segment);
    }

    /// Goes on to segment `first` at least, so that those before it can be integrated and given up.
    pub(crate) fn leave_segments_before(&self, first: u64) -> Result<(), AppendError> {
        let mut writer = self.open_writer()?;
        loop {
            let frame = self.prepare(&[])?;
            writer = self.make_room(writer, frame.size)?;
            let (_, position) = self.add(&mut writer, frame, Write::Now)?;
            if writer.tail.segment >= first {
                drop(writer);
                self.progress.request(position);
                return Ok(());
            }
            writer = self.roll(writer)?;
        }
    }

    /// Whether all segments before this one were given up, and none of them waits to be destroyed.
    pub(crate) fn is_trimmed_to(&self, segment: u64) -> bool {
        let writer = lock(&self.writer);
        writer.first_segment >= segment && writer.surplus.iter().all(|surplus| *surplus >= segment)
    }

    /// Where the next frame goes, and how many bytes of segments are in use.
    pub(crate) fn tail(&self) -> (State, u64) {
        let writer = lock(&self.writer);
        let full = (writer.tail.segment - writer.first_segment).saturating_mul(self.bounds.segment_bytes);
        (writer.tail, full.saturating_add(writer.tail.offset))
    }

    /// Why the journal may soon be without room, if so.
    pub(crate) fn blocked(&self) -> Option<Arc<str>> {
        lock(&self.writer).blocked.clone()
    }

    /// Takes no more entries and ends the allocator.
    pub(crate) fn close(&self) {
        lock(&self.writer).closed = true;
        self.changed.notify_all();
    }
}

/// The file of a segment.
pub(crate) fn segment_path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("{segment:08}.seg"))
}

/// Makes a segment of zeros; its name is durable after [`open_named`].
fn make_file(storage: &dyn Storage, dir: &Path, segment: u64, bytes: u64) -> Result<(), StorageError> {
    let path = segment_path(dir, segment);
    let temporary = temporary_name(&path);
    let made = fill_with_zeros(storage, &temporary, bytes);
    if made.is_err() {
        // Gives the space back; that it cannot be removed is no further harm, the next start removes it.
        let _ = storage.remove(&temporary);
    }
    made?;
    storage.rename(&temporary, &path).map_err(|error| StorageError::new("rename to", &path, error))
}

/// Makes a segment's name durable and opens it.
fn open_named(storage: &dyn Storage, dir: &Path, segment: u64) -> Result<Arc<dyn StorageFile>, StorageError> {
    let path = segment_path(dir, segment);
    storage.sync_dir(dir).map_err(|error| StorageError::new(SYNC, dir, error))?;
    storage.open(&path, Access::Update).map_err(|error| StorageError::new("open", &path, error))
}

fn fill_with_zeros(storage: &dyn Storage, path: &Path, bytes: u64) -> Result<(), StorageError> {
    let file = storage.open(path, Access::Replace).map_err(|error| StorageError::new("create", path, error))?;
    let zeros = vec![0; ZEROS.min(usize::try_from(bytes).unwrap_or(ZEROS))];
    let mut offset = 0;
    while offset < bytes {
        let count = usize::try_from(bytes - offset).unwrap_or(ZEROS).min(zeros.len());
        let chunk = zeros.get(..count).unwrap_or(&zeros);
        file.write_at(chunk, offset).map_err(|error| StorageError::new("make room in", path, error))?;
        offset += length(count);
    }
    file.sync_data().map_err(|error| StorageError::new(SYNC, path, error))
}

#[cfg(test)]
mod tests;
