//! The log as its users hold it: open, append, wait, read, prove, close.
//!
//! [`Log`] is a handle, cheap to clone. Three threads serve it: the syncer, the allocator of segments, and the
//! integrator. Closing it, or dropping the last handle, makes everything durable, integrates it, and signs it.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use vidimus_core::{SessionId, Timestamp};

use crate::checkpoints::{Checkpoints, Published};
use crate::codec::lock;
use crate::destroy::{self, DestroyError};
use crate::dir_lock;
use crate::error::{AppendError, Damage, OpenError, ReadError};
use crate::frame::Entry;
use crate::integrate::{Integrator, Observer, Places};
use crate::journal::{Bounds, Journal, Write};
use crate::journal_key::JournalKey;
use crate::note::Signer;
use crate::proof::InclusionProof;
use crate::recover::{self, Recovered};
use crate::snapshot::Snapshot;
use crate::storage::{Storage, create_dirs};
use crate::sync::{Durable, Position, Progress};
use crate::tile::{HASH_BYTES, Kind, Tile, TileReader, entries, hash_bytes};
use crate::tree::Hash;
use crate::witnessing::Witnessing;

/// The smallest segment that holds a leaf of the longest length.
pub const MIN_SEGMENT_BYTES: u64 = 128 << 10;

/// How a log is kept.
pub struct Options {
    /// The data directory; `journal`, `log` and `recordings` are made below it.
    pub dir: PathBuf,
    /// The log's name: origin of its checkpoints and name of its key.
    pub origin: String,
    /// The key of the journal's frames: the same at every start.
    pub journal_key: JournalKey,
    /// Length of a journal segment, at least [`MIN_SEGMENT_BYTES`], a multiple of 8.
    pub segment_bytes: u64,
    /// Past this much journal waiting to be integrated appends are refused. At least two segments.
    pub max_journal_bytes: u64,
    /// Entries nobody waits for are synced at least this often.
    pub sync_interval: Duration,
    /// While entries come, a checkpoint is signed this often.
    pub checkpoint_interval: Duration,
    /// Is told of every leaf, in order.
    pub observer: Option<Box<dyn Observer>>,
}

impl Options {
    /// The defaults for a data directory, a name and a journal's key.
    pub fn new(dir: impl Into<PathBuf>, origin: impl Into<String>, journal_key: JournalKey) -> Self {
        Self {
            dir: dir.into(),
            origin: origin.into(),
            journal_key,
            segment_bytes: 64 << 20,
            max_journal_bytes: 1 << 30,
            sync_interval: Duration::from_millis(500),
            checkpoint_interval: Duration::from_secs(1),
            observer: None,
        }
    }

    fn check(&self, signer: &Signer) -> Result<(), OpenError> {
        let refuse = |option, expected: String, found: String| Err(OpenError::BadOption { option, expected, found });
        if self.origin != signer.verifier().name() {
            return refuse("origin", format!("the key's name, {}", signer.verifier().name()), self.origin.clone());
        }
        if self.segment_bytes < MIN_SEGMENT_BYTES || !self.segment_bytes.is_multiple_of(8) {
            let expected = format!("a multiple of 8 of at least {MIN_SEGMENT_BYTES}");
            return refuse("segment_bytes", expected, self.segment_bytes.to_string());
        }
        if self.max_journal_bytes / 2 < self.segment_bytes {
            let expected = format!("at least two segments, {}", self.segment_bytes.saturating_mul(2));
            return refuse("max_journal_bytes", expected, self.max_journal_bytes.to_string());
        }
        Ok(())
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("dir", &self.dir).field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// What an append was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The index of the first leaf; the others follow. The next free index when there was no leaf.
    pub first_leaf: u64,
    /// What to wait for with [`Log::durable`].
    pub position: Position,
}

/// Whether the log takes entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Running,
    /// It does, but only until the journal's segments are full: the disk is, or no file can be opened.
    NoSpace {
        /// What is missing.
        why: Arc<str>,
    },
    /// It does not any more.
    Failed {
        /// The first failure.
        why: Arc<str>,
    },
}

/// The log at one moment. Counts of leaves are sizes: indexes below them are meant.
#[derive(Debug, Clone)]
pub struct Status {
    /// Leaves appended.
    pub appended: u64,
    /// Leaves that survive a power cut.
    pub durable: u64,
    /// Leaves the checkpoint covers.
    pub integrated: u64,
    /// The checkpoint's root.
    pub root: Hash,
    /// When the checkpoint was signed, or read at start.
    pub checkpoint_at: Timestamp,
    /// Journal in use, in bytes.
    pub journal_bytes: u64,
    /// Whether entries are taken.
    pub health: Health,
    /// Syncs of the journal since start.
    pub syncs: u64,
    /// How long the last one took.
    pub last_sync: Duration,
}

/// A handle on the open log.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Arc<dyn Storage>,
    places: Places,
    journal: Arc<Journal>,
    progress: Arc<Progress>,
    published: Arc<Checkpoints>,
    /// Held while recordings are destroyed.
    destroying: Mutex<()>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    syncer: JoinHandle<()>,
    allocator: JoinHandle<()>,
    integrator: JoinHandle<()>,
    /// Held as long as the threads live.
    lock: File,
}

impl Log {
    /// Opens or creates the log in a directory, recovering what a crash left.
    pub fn open(storage: Arc<dyn Storage>, options: Options, signer: Signer) -> Result<(Self, Recovered), OpenError> {
        let (log, recovered, ()) = Self::open_if(storage, options, signer, |_| Ok::<_, OpenError>(()))?;
        Ok((log, recovered))
    }

    /// Does so if the log may go on from where it was found: `admission` is asked when that is known and nothing is
    /// changed yet; only what witnesses cosign is stored by it.
    pub fn open_if<A, E: From<OpenError>>(
        storage: Arc<dyn Storage>,
        options: Options,
        signer: Signer,
        admission: impl FnOnce(&Witnessing) -> Result<A, E>,
    ) -> Result<(Self, Recovered, A), E> {
        options.check(&signer)?;
        let lock = dir_lock::take(storage.as_ref(), &options.dir)?;
        let places = Places::below(&options.dir);
        for dir in [&places.journal, &places.log, &places.recordings] {
            create_dirs(storage.as_ref(), dir).map_err(OpenError::from)?;
        }
        let observed = options.observer.as_ref().map(|observer| observer.observed());
        let mut found = recover::find(storage.as_ref(), &places, &signer, &options.journal_key, observed)?;
        let progress = Arc::new(Progress::new(found.tail.sequence, found.tail.leaves));
        let published = Arc::clone(&found.published);
        let witnessing = |known| {
            let (storage, dir) = (Arc::clone(&storage), places.log.clone());
            Witnessing::new(storage, dir, Arc::clone(&published), Arc::clone(&progress), known)
        };
        let admitted = admission(&witnessing(Arc::new(found.take_tiles())))?;
        let Options { segment_bytes, max_journal_bytes, observer, journal_key, .. } = options;
        let recover::Opened { integrator, start, recovered } =
            found.settle(&storage, &places, segment_bytes, signer, observer)?;
        let bounds = Bounds { segment_bytes, max_segments: max_journal_bytes / segment_bytes };
        let dir = places.journal.clone();
        let journal = Journal::new(Arc::clone(&storage), dir, bounds, journal_key, Arc::clone(&progress), start);
        let journal = Arc::new(journal.map_err(OpenError::from)?);
        let intervals = (options.sync_interval, options.checkpoint_interval);
        let threads = Mutex::new(Some(Threads::start(&journal, &progress, integrator, intervals, lock)?));
        Ok((
            Self {
                inner: Arc::new(Inner {
                    storage,
                    places,
                    journal,
                    progress,
                    published,
                    destroying: Mutex::default(),
                    threads,
                }),
            },
            recovered,
            admitted,
        ))
    }

    /// The log as it lies, for what is made again from it while nobody writes to it: checked as at a start, and not changed.
    /// Refused where there is none.
    pub fn at_rest(
        storage: Arc<dyn Storage>,
        dir: &Path,
        signer: &Signer,
        journal_key: &JournalKey,
    ) -> Result<AtRest, OpenError> {
        let lock = dir_lock::take(storage.as_ref(), dir)?;
        let places = Places::below(dir);
        let found = recover::find(storage.as_ref(), &places, signer, journal_key, None)?;
        if found.is_new {
            let (expected, found) = ("a log".to_owned(), "no checkpoint".to_owned());
            return Err(Damage { file: places.checkpoint(), offset: 0, expected, found }.into());
        }
        Ok(AtRest { storage, dir: places.log, entries: found.state.leaves, _lock: lock })
    }

    /// Appends all entries, in order, or none. When this returns they survive the end of the process; see
    /// [`Log::durable`] for power cuts. Blocks for one write, and rarely while the next segment is being made.
    pub fn append(&self, entries: &[Entry<'_>]) -> Result<Appended, AppendError> {
        let (first_leaf, position) = self.inner.journal.append(entries, Write::Now)?;
        Ok(Appended { first_leaf, position })
    }

    /// Appends all entries, in order, or none, for a caller who waits for [`Log::durable`] anyway: they are written with
    /// the sync that makes them durable, one write for all who wait. That sync is asked for at once; until then they may
    /// be lost even when only the process ends.
    pub fn append_to_sync(&self, entries: &[Entry<'_>]) -> Result<Appended, AppendError> {
        let (first_leaf, position) = self.inner.journal.append(entries, Write::WithSync)?;
        Ok(Appended { first_leaf, position })
    }

    /// Resolves when everything up to `position` survives a power cut. The sync is asked for at once, not at the
    /// first poll.
    pub fn durable(&self, position: Position) -> Durable {
        Durable::new(Arc::clone(&self.inner.progress), position)
    }

    /// The log at this moment.
    pub fn status(&self) -> Status {
        let progress = &self.inner.progress;
        let (tail, journal_bytes) = self.inner.journal.tail();
        let published = self.published();
        let (syncs, last_sync) = progress.syncs();
        let blocked = self.inner.journal.blocked().or_else(|| progress.no_space());
        let health = match (progress.failure(), blocked) {
            (Some(why), _) => Health::Failed { why: Arc::clone(why) },
            (None, Some(why)) => Health::NoSpace { why },
            (None, None) => Health::Running,
        };
        Status {
            appended: tail.leaves,
            durable: progress.durable_leaves(),
            integrated: published.checkpoint.size,
            root: published.checkpoint.root,
            checkpoint_at: published.at,
            journal_bytes,
            health,
            syncs,
            last_sync,
        }
    }

    /// The latest checkpoint, signed.
    pub fn checkpoint(&self) -> Arc<str> {
        self.published().note
    }

    /// An entry of the log, when the checkpoint covers it.
    pub fn leaf(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        self.snapshot().leaf(index)
    }

    /// Proof that an entry is in the tree of the newest checkpoint that witnesses have cosigned, or, where that does not
    /// cover it yet, of the latest checkpoint.
    pub fn prove(&self, index: u64) -> Result<InclusionProof, ReadError> {
        self.snapshot_for(index).prove(index)
    }

    /// The first `width` hashes or entries of a tile, as bytes.
    pub(crate) fn tile(&self, tile: Tile, width: u64) -> Result<Vec<u8>, ReadError> {
        let mut bytes = match tile.kind {
            Kind::Hashes(_) => hash_bytes(&self.reader().hashes(tile)?),
            Kind::Entries => self.reader().bundle(tile)?,
        };
        let end = match tile.kind {
            Kind::Hashes(_) => usize::try_from(width).unwrap_or(usize::MAX).saturating_mul(HASH_BYTES),
            Kind::Entries => entries(&bytes, width).map_or(0, |(_, end)| end),
        };
        bytes.truncate(end);
        Ok(bytes)
    }

    /// What the log has to do with its witnesses.
    pub fn witnessing(&self) -> Witnessing {
        let Inner { storage, places, published, progress, .. } = &*self.inner;
        Witnessing::new(
            Arc::clone(storage),
            places.log.clone(),
            Arc::clone(published),
            Arc::clone(progress),
            Arc::default(),
        )
    }

    /// Destroys the recordings of sessions that are closed: overwrites and removes their files and all that the journal
    /// still holds of them. Their entries in the log stay. May be repeated. Blocks, for seconds as a rule.
    pub fn destroy_recordings(&self, sessions: &[SessionId]) -> Result<(), DestroyError> {
        let Inner { storage, places, journal, progress, destroying, .. } = &*self.inner;
        let _alone = lock(destroying);
        destroy::destroy(storage.as_ref(), &places.recordings, (journal, progress), sessions)
    }

    /// Takes no more entries, makes all durable, integrates them, signs, and ends the threads. Later calls return
    /// the same. Dropping the last handle does this too, but cannot say how it went.
    pub fn close(&self) -> Result<(), AppendError> {
        self.inner.close()
    }

    /// The log at the latest checkpoint, to be read while it goes on.
    pub fn snapshot(&self) -> Snapshot {
        self.at(self.published())
    }

    /// The log at the newest checkpoint that witnesses have cosigned, or, where that does not cover this entry yet, at the
    /// latest checkpoint.
    pub fn snapshot_for(&self, index: u64) -> Snapshot {
        let cosigned = self.inner.published.cosigned().filter(|cosigned| index < cosigned.checkpoint.size);
        self.at(cosigned.unwrap_or_else(|| self.published()))
    }

    /// How many leaves the latest checkpoint covers.
    pub(crate) fn size(&self) -> u64 {
        self.inner.published.size()
    }

    fn at(&self, published: Published) -> Snapshot {
        Snapshot::new(Arc::clone(&self.inner.storage), self.inner.places.log.clone(), published)
    }

    fn published(&self) -> Published {
        self.inner.published.newest()
    }

    fn reader(&self) -> TileReader<'_> {
        TileReader { storage: self.inner.storage.as_ref(), dir: &self.inner.places.log }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("log", &self.inner.places.log).finish_non_exhaustive()
    }
}

/// A log that nobody writes to as long as this lives.
#[derive(Debug)]
pub struct AtRest {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    entries: u64,
    /// Held as long as this lives.
    _lock: File,
}

impl AtRest {
    /// How many entries lie in bundles for certain. The journal may hold more, which the next start adds.
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Gives the entries from `from` on, in order, up to the end of their bundle. Returns the index after them, which is
    /// `from` at the end.
    pub fn bundle(&self, from: u64, each: &mut dyn FnMut(&[u8])) -> Result<u64, ReadError> {
        TileReader { storage: self.storage.as_ref(), dir: &self.dir }.leaves(from, self.entries, each)
    }
}

impl Threads {
    fn start(
        journal: &Arc<Journal>,
        progress: &Arc<Progress>,
        mut integrator: Integrator,
        (sync_interval, checkpoint_interval): (Duration, Duration),
        lock: File,
    ) -> Result<Self, OpenError> {
        let starter = Starter { journal, progress };
        Ok(Self {
            syncer: starter.spawn("log-sync", move |journal, _| journal.run_syncer(sync_interval))?,
            allocator: starter.spawn("log-allocate", |journal, _| journal.run_allocator())?,
            integrator: starter.spawn("log-integrate", move |journal, progress| {
                integrator.run(journal, progress, checkpoint_interval);
            })?,
            lock,
        })
    }
}

impl Inner {
    fn close(&self) -> Result<(), AppendError> {
        if let Some(Threads { syncer, allocator, integrator, lock }) = lock(&self.threads).take() {
            // Each thread ends after the one that feeds it. One that panicked has failed the log on its way out.
            self.journal.close();
            self.progress.stop_syncer();
            let _ = syncer.join();
            self.progress.stop_integrator();
            let _ = integrator.join();
            let _ = allocator.join();
            drop(lock);
        }
        self.progress.check()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Who wants to know how it went calls `Log::close`.
        let _ = self.close();
    }
}

/// Starts the background threads; when one cannot be started, the others end.
struct Starter<'a> {
    journal: &'a Arc<Journal>,
    progress: &'a Arc<Progress>,
}

impl Starter<'_> {
    fn spawn(
        &self,
        name: &str,
        run: impl FnOnce(&Journal, &Progress) + Send + 'static,
    ) -> Result<JoinHandle<()>, OpenError> {
        let (journal, progress) = (Arc::clone(self.journal), Arc::clone(self.progress));
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let guard = FailOnPanic(&progress);
            run(&journal, &progress);
            drop(guard);
        });
        thread.map_err(|error| {
            self.journal.close();
            self.progress.fail("a background thread could not be started");
            OpenError::Thread(error)
        })
    }
}

/// Fails the log when a background thread ends by a panic, so that nobody waits for it for ever.
struct FailOnPanic<'a>(&'a Progress);

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail("a background thread of the log panicked");
        }
    }
}
