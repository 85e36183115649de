//! Opening the data directory: replay of the journal, comparison with the checkpoint, and what a crash may explain.
//!
//! A bad frame ends the journal. It and what follows are dropped only when nothing says that it was durable: no
//! later frame was written after its sync (`durable` in frame headers), and the checkpoint does not cover it. So a
//! power cut in the middle of a sync passes, in whatever order the disk wrote; anything else is refused, and nothing
//! is changed then. Between deciding ([`find`]) and acting on it ([`Found::settle`]) witnesses are asked. Dropping is final:
//! the places are zeroed, so that no dropped frame ever returns.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoints::{Checkpoints, Published};
use crate::codec::length;
use crate::edge::Edge;
use crate::error::{Damage, OpenError};
use crate::frame::{Entry, Parsed};
use crate::integrate::{Integrator, Observer, Places, sign};
use crate::journal::{MAX_FREE_SEGMENTS, Start, segment_path};
use crate::journal_key::JournalKey;
use crate::keylist;
use crate::note::{Checkpoint, MAX_NOTE_BYTES, Signer};
use crate::segment::{Files, Segment};
use crate::state::State;
use crate::storage::{Access, SYNC, Storage, StorageError, destroy_file, read_file, replace_file};
use crate::tile::{Kind, KnownTiles, Tile, TileReader};
use crate::tree::Hash;

use vidimus_core::{Clock as _, SystemClock};

/// What opening found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Frames that were in the journal only and were integrated now.
    pub replayed: u64,
    /// Leaves in those frames.
    pub leaves: u64,
    /// Frames dropped at the end of the journal: not whole, or after such a one, and never acknowledged as durable.
    pub dropped_frames: u64,
    /// Their bytes, as far as they can be told.
    pub dropped: u64,
}

/// An opened directory, ready to go on.
pub(crate) struct Opened {
    pub(crate) integrator: Integrator,
    pub(crate) start: Start,
    pub(crate) recovered: Recovered,
}

/// A directory of which all is well or explained, and in which nothing is changed yet.
pub(crate) struct Found {
    /// What was integrated for certain.
    pub(crate) state: State,
    /// Where the journal ends.
    pub(crate) tail: State,
    key: JournalKey,
    pub(crate) published: Arc<Checkpoints>,
    /// Whether there is no log yet.
    pub(crate) is_new: bool,
    checkpoint: Checkpoint,
    segments: Vec<u64>,
    end: End,
    /// The tiles of the checkpoint's tree that are not integrated for certain.
    tiles: KnownTiles,
}

/// Looks at the directory and decides whether the log can go on from there. Changes nothing.
pub(crate) fn find(
    storage: &dyn Storage,
    places: &Places,
    signer: &Signer,
    key: &JournalKey,
    observed: Option<u64>,
) -> Result<Found, OpenError> {
    let (state, published, is_new) = load(storage, places, signer)?;
    let segments = segments(storage, &places.journal)?;
    let reader = TileReader { storage, dir: &places.log };
    let checkpoint = published.checkpoint.clone();
    let published = Arc::new(Checkpoints::load(storage, &places.log, published, &signer.verifiers())?);
    let mut tree = Replay::new(Edge::load(reader, state.leaves)?, checkpoint.clone(), places.checkpoint())?;
    let end = find_end(Files { storage, dir: &places.journal, key }, state, &segments, &mut tree)?;
    let tail = State { segment: end.segment, offset: end.offset, sequence: end.sequence, leaves: end.leaves };
    if let Some(observed) = observed
        && observed > tail.leaves
    {
        let expected = format!("at least {observed} entries, which the index has seen");
        return Err(damage(places.log.clone(), 0, expected, format!("{} entries", tail.leaves)));
    }
    let key = key.clone();
    Ok(Found { state, tail, key, published, is_new, checkpoint, segments, end, tiles: tree.tiles })
}

impl Found {
    /// The tiles that are at hand of the checkpoint's tree, with its size.
    pub(crate) fn take_tiles(&mut self) -> (u64, KnownTiles) {
        (self.checkpoint.size, std::mem::take(&mut self.tiles))
    }

    /// Makes it so: every step may be repeated after a crash.
    pub(crate) fn settle(
        self,
        storage: &Arc<dyn Storage>,
        places: &Places,
        segment_bytes: u64,
        signer: Signer,
        observer: Option<Box<dyn Observer>>,
    ) -> Result<Opened, OpenError> {
        let Self { state, tail, key, published, is_new, checkpoint, segments, end, .. } = self;
        if is_new {
            // As it is now: witnesses may have cosigned it.
            replace_file(storage.as_ref(), &places.checkpoint(), published.newest().note.as_bytes())?;
            state.store(storage.as_ref(), &places.state())?;
        }
        // Its name may not be durable yet, where the end came right after the rename: the state must not get ahead of it.
        storage.sync_dir(&places.log).map_err(|error| StorageError::new(SYNC, &places.log, error))?;
        publish_keys(storage.as_ref(), places, &signer, checkpoint.size)?;
        end.settle(Files { storage: storage.as_ref(), dir: &places.journal, key: &key })?;
        let edge = Edge::load(TileReader { storage: storage.as_ref(), dir: &places.log }, state.leaves)?;
        let mut integrator = Integrator::new(Arc::clone(storage), places.clone(), key, signer, edge, state, published);
        integrator.expected = Some(checkpoint);
        integrator.check_expected()?;
        if let Some(observer) = observer {
            integrator.observe(observer)?;
        }
        loop {
            let is_done = integrator.read(end.sequence)?;
            integrator.write_finished()?;
            if is_done {
                break;
            }
        }
        integrator.rewrite_narrower()?;
        integrator.cursor = tail;
        let recovered = Recovered {
            replayed: tail.sequence - state.sequence,
            leaves: tail.leaves - state.leaves,
            dropped_frames: end.dropped_frames,
            dropped: end.dropped_bytes,
        };
        if recovered.replayed > 0 {
            integrator.publish()?;
            integrator.store()?;
        }
        let stored = integrator.stored().segment;
        let (has_next, free) = tidy(storage.as_ref(), &places.journal, &segments, stored, tail.segment, segment_bytes)?;
        let start = Start { tail, first_segment: stored, has_next, free };
        Ok(Opened { integrator, start, recovered })
    }
}

/// Reads state and checkpoint, or makes up those of an empty log, as the last result tells.
fn load(storage: &dyn Storage, places: &Places, signer: &Signer) -> Result<(State, Published, bool), OpenError> {
    let state = State::load(storage, &places.state())?;
    let note = match read_file(storage, &places.checkpoint(), MAX_NOTE_BYTES + 1) {
        Err(error) if error.is_not_found() => None,
        other => Some(other?),
    };
    let refuse =
        |file: PathBuf, expected: &str, found: &str| Err(damage(file, 0, expected.to_owned(), found.to_owned()));
    let published = note.map(|note| read_checkpoint(places, signer, note)).transpose()?;
    match (state, published) {
        (Some(state), Some(published)) => {
            let size = published.checkpoint.size;
            if state.leaves > size {
                let expected = format!("a checkpoint of at least size {}, which was published", state.leaves);
                return Err(damage(places.checkpoint(), 0, expected, format!("size {size}")));
            }
            Ok((state, published, false))
        }
        (Some(_), None) => refuse(places.checkpoint(), "the last checkpoint", "no such file"),
        (None, Some(published)) if published.checkpoint.size > 0 => {
            refuse(places.state(), "the journal's state beside a checkpoint that covers entries", "no such file")
        }
        (None, _) => {
            if let Some(segment) = segments(storage, &places.journal)?.first() {
                return refuse(segment_path(&places.journal, *segment), "no segment in a new log", "a segment");
            }
            let published = sign(signer, 0, Hash::empty_root()).ok_or(OpenError::Signing)?;
            Ok((State::GENESIS, published, true))
        }
    }
}

fn read_checkpoint(places: &Places, signer: &Signer, note: Vec<u8>) -> Result<Published, OpenError> {
    let keys = signer.verifiers();
    let refuse = |why: String| {
        let expected = format!("a checkpoint signed by {}", signer.verifier().name());
        damage(places.checkpoint(), 0, expected, why)
    };
    let note = String::from_utf8(note).map_err(|_| refuse("bytes that are not UTF-8".to_owned()))?;
    let checkpoint = Checkpoint::open(&note, &keys).map_err(|error| refuse(error.to_string()))?;
    Ok(Published { checkpoint, note: note.into(), at: SystemClock.now() })
}

/// Writes the public keys where verifiers find them, with the sizes they sign for: a new one begins at the checkpoint's,
/// one that does not sign any more has ended there.
fn publish_keys(storage: &dyn Storage, places: &Places, signer: &Signer, size: u64) -> Result<(), OpenError> {
    let path = places.log.join(keylist::FILE);
    let old = keylist::load(storage, &path)?;
    let new = old.clone().unwrap_or_default().at_start(&signer.verifiers(), size);
    if old.as_ref() == Some(&new) {
        return Ok(());
    }
    Ok(replace_file(storage, &path, new.to_string().as_bytes())?)
}

/// The ids of all segment files, ascending.
fn segments(storage: &dyn Storage, dir: &Path) -> Result<Vec<u64>, OpenError> {
    let names = match storage.list(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(|error| StorageError::new("list", dir, error))?,
    };
    let mut ids: Vec<u64> = names.iter().filter_map(|name| name.strip_suffix(".seg")?.parse().ok()).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Where the journal ends.
#[derive(Debug)]
struct End {
    segment: u64,
    offset: u64,
    /// Frames before the end.
    sequence: u64,
    /// Leaves before the end.
    leaves: u64,
    /// Where frames begin that no later frame says to be durable: segment, offset, sequence.
    uncertain: VecDeque<(u64, u64, u64)>,
    dropped_frames: u64,
    dropped_bytes: u64,
    /// Segments after the end's in which frames were dropped.
    spoiled: Vec<u64>,
}

/// Walks the journal from `state` to its end and decides whether a crash explains that end. Changes nothing.
fn find_end(files: Files<'_>, state: State, segments: &[u64], tree: &mut Replay) -> Result<End, OpenError> {
    let dir = files.dir;
    let mut end = End {
        segment: state.segment,
        offset: state.offset,
        sequence: state.sequence,
        leaves: state.leaves,
        uncertain: VecDeque::new(),
        dropped_frames: 0,
        dropped_bytes: 0,
        spoiled: Vec::new(),
    };
    if !segments.contains(&state.segment) {
        // Only a log that never took a frame may be without a segment.
        if state == State::GENESIS && segments.is_empty() {
            return Ok(end);
        }
        let found = "no such file".to_owned();
        return Err(damage(segment_path(dir, state.segment), state.offset, "the journal's segment".to_owned(), found));
    }
    let mut segment = Segment::open(files, state.segment)?;
    loop {
        if end.take_frame(&mut segment, tree)? {
            continue;
        }
        let next = end.segment + 1;
        if segments.contains(&next) {
            let mut following = Segment::open(files, next)?;
            if following.frame_at(0)?.is_some_and(|(header, _)| header.sequence == end.sequence) {
                (end.segment, end.offset, segment) = (next, 0, following);
                continue;
            }
        }
        break;
    }
    end.judge_rest(files, segment, segments)?;
    if let Some(checkpoint) = &tree.expected {
        let expected = format!("entries up to the checkpoint's size of {}", checkpoint.size);
        let found = format!("the journal's end after {} entries", end.leaves);
        return Err(damage(segment_path(dir, end.segment), end.offset, expected, found));
    }
    Ok(end)
}

/// The tree as replay makes it, in memory only, up to the checkpoint's size: there the roots must agree.
struct Replay {
    edge: Edge,
    /// The checkpoint as long as the tree is smaller.
    expected: Option<Checkpoint>,
    file: PathBuf,
    /// Its tiles of hashes, but for those that are full and integrated.
    tiles: KnownTiles,
}

impl Replay {
    fn new(edge: Edge, checkpoint: Checkpoint, file: PathBuf) -> Result<Self, OpenError> {
        let mut tree = Self { edge, expected: Some(checkpoint), file, tiles: KnownTiles::new() };
        tree.compare()?;
        Ok(tree)
    }

    fn push(&mut self, leaf: &[u8]) -> Result<(), OpenError> {
        if self.expected.is_some() {
            self.edge.push(leaf);
            for (tile, bytes) in self.edge.take_finished() {
                know(&mut self.tiles, tile, &bytes);
            }
            self.compare()?;
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), OpenError> {
        let size = self.edge.size();
        let Some(checkpoint) = self.expected.take_if(|checkpoint| checkpoint.size == size) else { return Ok(()) };
        let root = self.edge.root();
        if root == checkpoint.root {
            for (tile, bytes) in self.edge.partial() {
                know(&mut self.tiles, tile, &bytes);
            }
            return Ok(());
        }
        let expected = format!("the root {root} of the {size} entries in tiles and journal");
        Err(damage(self.file.clone(), 0, expected, format!("root {}", checkpoint.root)))
    }
}

fn know(tiles: &mut KnownTiles, tile: Tile, bytes: &[u8]) {
    if let Kind::Hashes(level) = tile.kind {
        tiles.insert((level, tile.index), bytes.as_chunks().0.iter().map(|hash| Hash(*hash)).collect());
    }
}

impl End {
    /// Goes past the frame at the end, if there is one.
    fn take_frame(&mut self, segment: &mut Segment<'_>, tree: &mut Replay) -> Result<bool, OpenError> {
        let path = segment.path.clone();
        let frame = match segment.parsed_at(self.offset)? {
            Parsed::Frame(frame) if frame.header.sequence == self.sequence => frame,
            _ => return Ok(false),
        };
        let wrong = |expected: String, found: String| damage(path, self.offset, expected, found);
        if frame.header.first_leaf != self.leaves {
            let expected = format!("frame {} with leaf {}", self.sequence, self.leaves);
            return Err(wrong(expected, format!("leaf {}", frame.header.first_leaf)));
        }
        for entry in &frame.entries {
            if let Entry::Leaf(leaf) = entry {
                tree.push(leaf)?;
                self.leaves += 1;
            }
        }
        self.uncertain.push_back((self.segment, self.offset, self.sequence));
        while self.uncertain.front().is_some_and(|(_, _, sequence)| *sequence < frame.header.durable) {
            self.uncertain.pop_front();
        }
        self.offset += length(frame.length());
        self.sequence += 1;
        Ok(true)
    }

    /// Looks at all that follows the end. Refuses when the frame missing there was durable.
    fn judge_rest<'k>(
        &mut self,
        files: Files<'k>,
        mut segment: Segment<'k>,
        segments: &[u64],
    ) -> Result<(), OpenError> {
        let torn = segment.torn_at(self.offset)?;
        let found = segment.describe_at(self.offset)?;
        self.dropped_frames += u64::from(torn.is_some());
        self.dropped_bytes += torn.unwrap_or(0);
        let mut from = self.offset;
        let mut later = segments.iter().copied().filter(|id| *id > self.segment);
        loop {
            while let Some((at, header, size)) = segment.next_frame(from)? {
                if header.durable > self.sequence {
                    let expected = format!(
                        "frame {}, which was durable when frame {} was written ({} at byte {at})",
                        self.sequence,
                        header.sequence,
                        segment.path.display()
                    );
                    return Err(damage(segment_path(files.dir, self.segment), self.offset, expected, found));
                }
                self.dropped_frames += 1;
                self.dropped_bytes += length(size);
                if segment.id > self.segment && self.spoiled.last() != Some(&segment.id) {
                    self.spoiled.push(segment.id);
                }
                from = at + length(size);
            }
            let Some(id) = later.next() else { return Ok(()) };
            segment = Segment::open(files, id)?;
            from = 0;
        }
    }

    /// Makes the end final: what is kept is durable, what is dropped is gone.
    fn settle(&self, files: Files<'_>) -> Result<(), OpenError> {
        let Files { storage, dir, .. } = files;
        for id in &self.spoiled {
            destroy_file(storage, &segment_path(dir, *id))?;
        }
        if self.dropped_bytes > 0 {
            storage.sync_dir(dir).map_err(|error| StorageError::new(SYNC, dir, error))?;
            let segment = Segment::open_for_writing(files, self.segment)?;
            segment.zero_from(self.offset)?;
        }
        // A sync that failed before the crash may have left these bytes in memory only, marked as written. Writing
        // them again makes this sync a true one.
        let Some((first, start, _)) = self.uncertain.front().copied() else { return Ok(()) };
        for id in first..=self.segment {
            let segment = Segment::open_for_writing(files, id)?;
            let from = if id == first { start } else { 0 };
            let to = if id == self.segment { self.offset } else { segment.size };
            segment.write_again(from, to)?;
        }
        Ok(())
    }
}

/// Removes what no one needs: temporary files, segments given up or not yet begun. Those of the right size are kept:
/// the one after the tail in its place, which the first result tells, old ones to be used again.
fn tidy(
    storage: &dyn Storage,
    dir: &Path,
    segments: &[u64],
    stored: u64,
    tail: u64,
    segment_bytes: u64,
) -> Result<(bool, Vec<u64>), OpenError> {
    let mut has_next = false;
    let mut free = Vec::new();
    let remove = |path: &Path| match storage.remove(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StorageError::new("remove", path, error)),
        _ => Ok(()),
    };
    for id in segments.iter().copied().filter(|id| *id < stored || *id > tail) {
        let path = segment_path(dir, id);
        // One in which frames were dropped is gone already.
        let Ok(size) = storage.open(&path, Access::Read).and_then(|file| file.length()) else { continue };
        let is_whole = size == segment_bytes;
        if is_whole && id == tail + 1 {
            has_next = true;
        } else if is_whole && id < stored && free.len() < MAX_FREE_SEGMENTS {
            free.push(id);
        } else {
            destroy_file(storage, &path)?;
        }
    }
    for name in storage.list(dir).map_err(|error| StorageError::new("list", dir, error))? {
        if Path::new(&name).extension().is_some_and(|extension| extension == "tmp") {
            remove(&dir.join(name))?;
        }
    }
    Ok((has_next, free))
}

fn damage(file: PathBuf, offset: u64, expected: String, found: String) -> OpenError {
    Damage { file, offset, expected, found }.into()
}
