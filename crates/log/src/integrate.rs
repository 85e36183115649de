//! Integration: durable journal frames become tiles, recordings, and signed checkpoints, in the background.
//!
//! Only what is durable in the journal is integrated, so only that is ever signed. Tiles become durable before the
//! journal segment they came from is given up, not one by one: until then the journal is their copy, and recovery
//! writes them again. Order when giving up: tiles and recordings durable, checkpoint durable, state durable, trim.
//! A full disk and a lack of file descriptors are waited out; any other failure, and every failed sync, fails the log.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vidimus_core::{Clock as _, SystemClock};

use crate::checkpoints::{Checkpoints, Published};
use crate::codec::length;
use crate::edge::Edge;
use crate::error::{Damage, OpenError, ReadError};
use crate::frame::{self, Entry, Frame, HEADER, MAX_FRAME_BYTES, Parsed};
use crate::journal::{Journal, segment_path};
use crate::journal_key::JournalKey;
use crate::note::{Checkpoint, Signer};
use crate::recordings::Recordings;
use crate::state::State;
use crate::storage::{Access, Storage, StorageError, StorageFile, Unsynced};
use crate::sync::Progress;
use crate::tile::{Kind, TILE_WIDTH, Tile, TileReader, entries};

/// How much of the journal is read at a time, at most and at least.
const READ_BYTES: usize = 1 << 20;
const MIN_READ_BYTES: usize = 16 << 10;
/// What a frame is taken to have when nobody has read it: a wrong guess costs a second read.
const LIKELY_FRAME_BYTES: u64 = 1 << 10;
/// Pause between rounds, so that leaves are integrated in batches.
const PAUSE: Duration = Duration::from_millis(20);
/// How long until a write is tried again on a full disk, or without a file descriptor.
const RETRY: Duration = Duration::from_secs(1);

/// How many files may wait to be synced before that is done, a segment being finished or not.
const MAX_UNSYNCED_FILES: usize = 1024;

/// Is told of every integrated leaf, in order, in batches, on a background thread: for projections of the log.
pub trait Observer: Send {
    /// How many leaves it already has. Asked once, when the log is opened; what is missing is then told first.
    fn observed(&self) -> u64;
    /// Takes leaves `first_index` and following. All of them are durable.
    fn leaves(&mut self, first_index: u64, leaves: &[&[u8]]);
}

/// Where everything lies.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) journal: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) recordings: PathBuf,
}

impl Places {
    pub(crate) fn below(dir: &Path) -> Self {
        Self { journal: dir.join("journal"), log: dir.join("log"), recordings: dir.join("recordings") }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.journal.join("state")
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.log.join("checkpoint")
    }
}

/// Why integration stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntegrateError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Damaged(#[from] Damage),
    #[error("the checkpoint cannot be signed")]
    Signing,
}

impl From<IntegrateError> for OpenError {
    fn from(error: IntegrateError) -> Self {
        match error {
            IntegrateError::Storage(error) => Self::Storage(error),
            IntegrateError::Damaged(damage) => Self::Damaged(damage),
            IntegrateError::Signing => Self::Signing,
        }
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(error) => Self::Storage(error),
            ReadError::Damaged(damage) => Self::Damaged(damage),
            ReadError::NotInCheckpoint { index, size } => Self::Damaged(Damage {
                file: PathBuf::from("checkpoint"),
                offset: 0,
                expected: format!("a tree with entry {index}"),
                found: format!("size {size}"),
            }),
        }
    }
}

/// What a part of the journal holds.
struct Found<'a> {
    frames: Vec<Frame<'a>>,
    /// What is wrong behind them, or the size of a buffer in which the first of them has room.
    outcome: Result<Option<usize>, IntegrateError>,
    /// Whether the segment ends behind them.
    ends_segment: bool,
}

/// Moves frames from the journal to where they stay.
pub(crate) struct Integrator {
    storage: Arc<dyn Storage>,
    places: Places,
    key: JournalKey,
    signer: Signer,
    edge: Edge,
    recordings: Recordings,
    unsynced: Unsynced,
    observer: Option<Box<dyn Observer>>,
    observed: u64,
    /// Up to where frames are integrated.
    pub(crate) cursor: State,
    /// Up to where that is durable outside the journal.
    stored: State,
    published: Arc<Checkpoints>,
    published_at: Instant,
    /// A checkpoint that must come out when the tree reaches its size; recovery's proof of consistency.
    pub(crate) expected: Option<Checkpoint>,
    file: Option<(u64, Arc<dyn StorageFile>)>,
    buffer: Vec<u8>,
}

impl fmt::Debug for Integrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Integrator").field("cursor", &self.cursor).field("stored", &self.stored).finish_non_exhaustive()
    }
}

impl Integrator {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        places: Places,
        key: JournalKey,
        signer: Signer,
        edge: Edge,
        state: State,
        published: Arc<Checkpoints>,
    ) -> Self {
        let recordings = Recordings::new(places.recordings.clone());
        Self {
            storage,
            places,
            key,
            signer,
            edge,
            recordings,
            unsynced: Unsynced::default(),
            observer: None,
            observed: 0,
            cursor: state,
            stored: state,
            published,
            published_at: Instant::now(),
            expected: None,
            file: None,
            buffer: Vec::new(),
        }
    }

    /// Sets who is told of leaves, and tells it the integrated ones it does not have yet.
    pub(crate) fn observe(&mut self, mut observer: Box<dyn Observer>) -> Result<(), ReadError> {
        let size = self.edge.size();
        let mut next = observer.observed();
        while next < size {
            let index = next / TILE_WIDTH;
            let Some(tile) = Tile::in_tree(Kind::Entries, index, size) else { break };
            let bundle = self.reader().bundle(tile)?;
            let (leaves, _) = entries(&bundle, tile.width).unwrap_or_default();
            let known = usize::try_from(next % TILE_WIDTH).unwrap_or(0);
            observer.leaves(next, leaves.get(known..).unwrap_or_default());
            next = index * TILE_WIDTH + tile.width;
        }
        self.observed = next;
        self.observer = Some(observer);
        Ok(())
    }

    /// The integrator thread.
    pub(crate) fn run(&mut self, journal: &Journal, progress: &Progress, interval: Duration) {
        loop {
            let timeout =
                if self.is_changed() { interval.saturating_sub(self.published_at.elapsed()) } else { interval };
            let stops = progress.wait_past(self.cursor.sequence, timeout);
            if progress.failure().is_some() {
                return;
            }
            match self.round(journal, progress.durable(), stops, interval) {
                Ok(()) if stops => return,
                Ok(()) => {
                    if progress.no_space().is_some() {
                        progress.set_no_space(None);
                    }
                    std::thread::sleep(PAUSE);
                }
                Err(IntegrateError::Storage(error)) if let Some(remedy) = error.remedy() => {
                    tracing::warn!(%error, remedy, "integration waits");
                    progress.set_no_space(Some(format!("{error}; {remedy}").into()));
                    // They are opened again when needed; meanwhile others may need their descriptors more.
                    self.recordings.close_files();
                    if stops {
                        // All of it is durable in the journal; the next start integrates it.
                        return;
                    }
                    std::thread::sleep(RETRY);
                }
                Err(error) => return progress.fail(&error.to_string()),
            }
        }
    }

    fn round(
        &mut self,
        journal: &Journal,
        durable: u64,
        stops: bool,
        interval: Duration,
    ) -> Result<(), IntegrateError> {
        let started = Instant::now();
        loop {
            self.write_finished()?;
            let caught_up = self.read(durable)?;
            // Leaves the loop to publish on time also when there is much to integrate.
            if caught_up || (!stops && started.elapsed() >= interval) {
                break;
            }
        }
        self.write_finished()?;
        if stops || (self.is_changed() && self.published_at.elapsed() >= interval) {
            self.publish()?;
            if self.is_due_to_store() || (stops && self.cursor != self.stored) {
                self.store()?;
            }
        }
        // Also when nothing is new: it may have failed before.
        if !journal.is_trimmed_to(self.stored.segment) {
            journal.trim(self.stored.segment)?;
        }
        Ok(())
    }

    /// Whether something was integrated that checkpoint or state do not cover.
    fn is_changed(&self) -> bool {
        self.is_due_to_store() || self.edge.size() > self.published.size()
    }

    /// Whether a segment can be given up, or many files wait to be synced.
    fn is_due_to_store(&self) -> bool {
        self.cursor.segment > self.stored.segment || self.unsynced.count() >= MAX_UNSYNCED_FILES
    }

    /// Integrates the frames of one read that are below `durable`. True when there are no more.
    pub(crate) fn read(&mut self, durable: u64) -> Result<bool, IntegrateError> {
        if self.cursor.sequence >= durable {
            return Ok(true);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let likely = (durable - self.cursor.sequence).saturating_mul(LIKELY_FRAME_BYTES);
        let mut wanted = usize::try_from(likely).unwrap_or(READ_BYTES).clamp(MIN_READ_BYTES, READ_BYTES);
        let result = loop {
            if let Err(error) = self.fill(&mut buffer, wanted) {
                break Err(error);
            }
            match self.integrate(&buffer, durable) {
                Ok(Some(larger)) if larger > wanted => wanted = larger,
                Ok(Some(needed)) => break Err(self.missing_frame(self.cursor, &Parsed::Incomplete { needed }).into()),
                Ok(None) => break Ok(self.cursor.sequence >= durable),
                Err(error) => break Err(error),
            }
        };
        if buffer.capacity() <= READ_BYTES {
            self.buffer = buffer;
        }
        result
    }

    fn fill(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> Result<(), IntegrateError> {
        let (segment, offset) = (self.cursor.segment, self.cursor.offset);
        let path = segment_path(&self.places.journal, segment);
        let file = match &self.file {
            Some((open, file)) if *open == segment => Arc::clone(file),
            _ => {
                let file = self.storage.open(&path, Access::Read);
                file.map_err(|error| StorageError::new("open", &path, error))?
            }
        };
        buffer.resize(wanted, 0);
        let read = file.read_at(buffer, offset).map_err(|error| StorageError::new("read", &path, error))?;
        buffer.truncate(read);
        self.file = Some((segment, file));
        Ok(())
    }

    /// Integrates the frames in `buffer`, which begins at the cursor. `Some` asks for a buffer of that size.
    fn integrate(&mut self, buffer: &[u8], durable: u64) -> Result<Option<usize>, IntegrateError> {
        let Found { frames, outcome, ends_segment } = self.frames_in(buffer, durable);
        // Payloads first, as that may fail and be repeated; then leaves, which cannot.
        let payloads = frames.iter().flat_map(|frame| &frame.entries).filter_map(|entry| match entry {
            Entry::Payload { session, segment, offset, bytes } => Some(((*session, *segment), *offset, *bytes)),
            Entry::Leaf(_) => None,
        });
        self.recordings.write(self.storage.as_ref(), &mut self.unsynced, payloads)?;
        let first_leaf = self.edge.size();
        let mut leaves = Vec::new();
        let taken = frames.iter().try_for_each(|frame| self.take(frame, &mut leaves));
        if taken.is_ok() && ends_segment {
            self.cursor = State { segment: self.cursor.segment + 1, offset: 0, ..self.cursor };
        }
        self.tell(first_leaf, &leaves);
        taken.and(outcome)
    }

    /// The frames in `buffer`, which begins at the cursor, that are below `durable`; those before damage, too.
    fn frames_in<'a>(&self, buffer: &'a [u8], durable: u64) -> Found<'a> {
        let mut found = Found { frames: Vec::new(), outcome: Ok(None), ends_segment: false };
        let (mut rest, mut at) = (buffer, self.cursor);
        while at.sequence < durable {
            let frame = match frame::parse(rest, at.segment, &self.key) {
                Parsed::Frame(frame) if frame.header.sequence == at.sequence => frame,
                Parsed::Incomplete { needed } if found.frames.is_empty() && needed > buffer.len() => {
                    found.outcome = Ok(Some(needed.min(MAX_FRAME_BYTES)));
                    break;
                }
                Parsed::Incomplete { .. } => break,
                wrong @ Parsed::Forged { .. } => {
                    found.outcome = Err(self.missing_frame(at, &wrong).into());
                    break;
                }
                // What is no frame here is the end of the segment when there is room for nothing, or when the next
                // segment goes on with the very frame that is expected; `durable` says that it exists.
                _ if !found.frames.is_empty() && rest.len() < HEADER => break,
                _ if at.offset > 0 => {
                    found.ends_segment = true;
                    break;
                }
                wrong => {
                    found.outcome = Err(self.missing_frame(at, &wrong).into());
                    break;
                }
            };
            if frame.header.first_leaf != at.leaves {
                let damage = Damage {
                    file: segment_path(&self.places.journal, at.segment),
                    offset: at.offset,
                    expected: format!("frame {} with leaf {}", at.sequence, at.leaves),
                    found: format!("leaf {}", frame.header.first_leaf),
                };
                found.outcome = Err(damage.into());
                break;
            }
            rest = rest.get(frame.length()..).unwrap_or_default();
            at = after(at, &frame);
            found.frames.push(frame);
        }
        found
    }

    /// Takes the leaves of one frame in, and goes on behind it.
    fn take<'a>(&mut self, frame: &Frame<'a>, leaves: &mut Vec<&'a [u8]>) -> Result<(), IntegrateError> {
        for entry in &frame.entries {
            if let Entry::Leaf(leaf) = entry {
                self.edge.push(leaf);
                leaves.push(leaf);
                self.check_expected()?;
            }
        }
        self.cursor = after(self.cursor, frame);
        Ok(())
    }

    /// Tells the observer those of the leaves from `first` on that it does not have.
    pub(crate) fn tell(&mut self, first: u64, leaves: &[&[u8]]) {
        let Some(observer) = &mut self.observer else { return };
        let known = usize::try_from(self.observed.saturating_sub(first)).unwrap_or(usize::MAX);
        if let Some(new) = leaves.get(known..)
            && !new.is_empty()
        {
            observer.leaves(self.observed, new);
            self.observed += length(new.len());
        }
    }

    /// When the tree has the size of the expected checkpoint it must have its root; its partial tiles are written
    /// again then, as a power cut may have spoiled them.
    pub(crate) fn check_expected(&mut self) -> Result<(), IntegrateError> {
        let Some(expected) = self.expected.take_if(|expected| expected.size == self.edge.size()) else { return Ok(()) };
        let root = self.edge.root();
        if root != expected.root {
            let expected = format!("entries whose tree of size {} has root {}", expected.size, expected.root);
            let found = format!("entries with root {root}");
            return Err(Damage { file: self.places.checkpoint(), offset: 0, expected, found }.into());
        }
        Ok(self.edge.write_partial(self.storage.as_ref(), &self.places.log, &mut self.unsynced)?)
    }

    pub(crate) fn write_finished(&mut self) -> Result<(), StorageError> {
        self.edge.write_finished(self.storage.as_ref(), &self.places.log, &mut self.unsynced)
    }

    pub(crate) fn rewrite_narrower(&mut self) -> Result<(), StorageError> {
        self.edge.rewrite_narrower(self.storage.as_ref(), &self.places.log, &mut self.unsynced)
    }

    /// Signs a checkpoint over what is integrated, when it is more than the last one covers.
    pub(crate) fn publish(&mut self) -> Result<(), IntegrateError> {
        self.published_at = Instant::now();
        if self.edge.size() == self.published.size() {
            return Ok(());
        }
        self.edge.write_partial(self.storage.as_ref(), &self.places.log, &mut self.unsynced)?;
        let published = sign(&self.signer, self.edge.size(), self.edge.root()).ok_or(IntegrateError::Signing)?;
        Ok(self.published.publish(self.storage.as_ref(), published)?)
    }

    /// Makes everything integrated durable and remembers the place; call after [`Self::publish`].
    pub(crate) fn store(&mut self) -> Result<(), IntegrateError> {
        let storage = self.storage.as_ref();
        self.unsynced.sync(storage)?;
        self.cursor.store(storage, &self.places.state())?;
        while let Some(dir) = self.edge.superseded(&self.places.log) {
            match storage.remove(&dir) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StorageError::new("remove", &dir, error).into());
                }
                _ => self.edge.superseded_is_gone(),
            }
        }
        // Last, so that all of it is repeated when a part must be.
        self.stored = self.cursor;
        Ok(())
    }

    /// The place up to which the journal may be given up.
    pub(crate) fn stored(&self) -> State {
        self.stored
    }

    fn reader(&self) -> TileReader<'_> {
        TileReader { storage: self.storage.as_ref(), dir: &self.places.log }
    }

    fn missing_frame(&self, at: State, found: &Parsed<'_>) -> Damage {
        Damage {
            file: segment_path(&self.places.journal, at.segment),
            offset: at.offset,
            expected: format!("frame {}, which is durable", at.sequence),
            found: describe(found),
        }
    }
}

/// Where the frame stands that follows one at `at`.
fn after(at: State, frame: &Frame<'_>) -> State {
    let leaves = frame.entries.iter().filter(|entry| matches!(entry, Entry::Leaf(_))).count();
    State {
        segment: at.segment,
        offset: at.offset + length(frame.length()),
        sequence: at.sequence + 1,
        leaves: at.leaves + length(leaves),
    }
}

/// A checkpoint signed now; `None` when the key does not sign.
pub(crate) fn sign(signer: &Signer, size: u64, root: crate::tree::Hash) -> Option<Published> {
    let checkpoint = Checkpoint { origin: signer.verifier().name().to_owned(), size, root };
    let note = signer.sign(&checkpoint.to_string())?;
    Some(Published { checkpoint, note: note.into(), at: SystemClock.now() })
}

/// What stands where a frame was expected.
pub(crate) fn describe(found: &Parsed<'_>) -> String {
    match found {
        Parsed::Frame(frame) => format!("frame {}", frame.header.sequence),
        Parsed::Incomplete { needed } => format!("the beginning of a frame of {needed} bytes"),
        Parsed::Torn { header, .. } => format!("frame {} with a wrong checksum", header.sequence),
        Parsed::Forged { header } => {
            format!(
                "frame {}, which this gateway did not write: its checksum is right, and its MAC is not",
                header.sequence
            )
        }
        Parsed::Nothing => "no frame".to_owned(),
    }
}
