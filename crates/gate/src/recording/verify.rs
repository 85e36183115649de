//! Recordings checked against the events that commit to them, as the log is read in order.
//!
//! Without the key-encryption key: the files are there, hold every frame an event names in its place, of its event, name
//! and size, and nothing but whole frames up to a session's end. With it also: every frame opens, and what it holds is
//! what the event commits to. A recording that is not there is a finding unless a later event says that it was erased, and
//! one that is there after that event is a finding too, and so is an erasure that nobody was entitled to by the log itself:
//! two persons or retention, and no legal hold. Where sizes only are kept there is no content to compare, which is counted.
//! Each frame is read once and alone; besides there is some state for each open session. No content leaves this module.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::ErrorKind as IoErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::LessSafeKey;
use serde_json::Value;
use vidimus_core::SessionId;
use vidimus_core::event::LAST_EVENTS;
use vidimus_log::verify::Finding;
use vidimus_log::{MAX_FRAME_BYTES, SALT_BYTES};
use vidimus_store::{CustodyLog, Erasure};

use super::committed::{Commits, Follower, Problem, Seen};
use super::{HEADER_BYTES, Header, OPENING_BYTES, TAG_BYTES};
use crate::keys::{KeyEncryptionKey, KeyError, Secret};

/// The type of the event that says that a recording is destroyed.
const ERASED: &str = "recording.erased";

/// The type of the event after which a recording is being destroyed.
const CONFIRMED: &str = "admin.erase_confirmed";

/// What a frame has besides its content.
const OVERHEAD_BYTES: u64 = (HEADER_BYTES + SALT_BYTES + TAG_BYTES) as u64;

/// Bytes of the content of a frame that keeps a size only.
const SIZE_BYTES: u64 = 8;

/// Checks recordings, given every event of the log in order.
pub struct RecordingVerifier {
    directory: PathBuf,
    wrapping: Option<Arc<KeyEncryptionKey>>,
    /// Sessions without their last event.
    sessions: HashMap<SessionId, Session>,
    /// What is to be said of recordings that are not there, unless the log says later that they were erased.
    missing: BTreeMap<SessionId, Finding>,
    erased: BTreeMap<SessionId, ErasedRecording>,
    /// Sessions whose erasure is confirmed, and not said to be done.
    leaving: BTreeSet<SessionId>,
    /// Who was entitled to what, by the log.
    custody: CustodyLog,
    checked: Checked,
}

/// Whether the log says that a recording is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It does not.
    Kept,
    /// It says that it is to be, and not yet that it is.
    Leaving,
    /// It is.
    Erased,
}

/// A recording that is not there because it was erased, as the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedRecording {
    /// The session.
    pub session: SessionId,
    /// Who asked for it; none when retention did.
    pub requested_by: Option<String>,
    /// Who confirmed it.
    pub confirmed_by: Option<String>,
    /// Why.
    pub reason: String,
}

/// How much was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Payloads that events commit to and that are as far as could be seen what was committed to.
    pub payloads: u64,
    /// Frames read: these payloads, and the parts of streamed results.
    pub frames: u64,
    /// Frames that were opened with the key.
    pub opened: u64,
    /// Opened frames that keep a size only, so that there is no content to compare.
    pub sizes: u64,
}

/// How far a session's recording has been followed.
struct Session {
    is_missing: bool,
    follower: Follower,
    place: Place,
    has_recording: bool,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    segment: u64,
    offset: u64,
    /// Numbers of frames rise; one may be left out, when its frame could not be written.
    least_number: u64,
}

/// An event as far as recordings are concerned.
struct Read {
    session: SessionId,
    commits: Commits,
    is_last: bool,
    erased: Option<ErasedRecording>,
    confirmed: Option<SessionId>,
}

impl RecordingVerifier {
    /// For the recordings below `data_dir`; without the key of the keyring only what stands in the clear is checked.
    pub fn new(data_dir: &Path, key: Option<&Secret>) -> Result<Self, KeyError> {
        Ok(Self::with(data_dir, key.map(KeyEncryptionKey::new).transpose()?.map(Arc::new)))
    }

    /// The same with a key that is in use.
    pub(crate) fn with(data_dir: &Path, wrapping: Option<Arc<KeyEncryptionKey>>) -> Self {
        Self {
            directory: data_dir.join("recordings"),
            wrapping,
            sessions: HashMap::new(),
            missing: BTreeMap::new(),
            erased: BTreeMap::new(),
            leaving: BTreeSet::new(),
            custody: CustodyLog::default(),
            checked: Checked::default(),
        }
    }

    /// Whether the log says, as far as it was read, that a session's recording is erased.
    pub(crate) fn fate(&self, session: SessionId) -> Fate {
        match (self.erased.contains_key(&session), self.leaving.contains(&session)) {
            (true, _) => Fate::Erased,
            (_, true) => Fate::Leaving,
            _ => Fate::Kept,
        }
    }

    /// How much was checked so far.
    pub const fn checked(&self) -> Checked {
        self.checked
    }

    /// The recordings that are not there because they were erased.
    pub fn erased(&self) -> impl Iterator<Item = &ErasedRecording> {
        self.erased.values()
    }

    /// Call it after the last event: the recordings that are not there although no event says that they were erased.
    pub fn finish(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.missing).into_values().collect()
    }

    /// Takes note of an erasure; findings when nobody was entitled to it, and when the recording is still there.
    fn erasure(&mut self, entry: u64, erased: ErasedRecording) -> Vec<Finding> {
        let session = erased.session;
        let is_decided = self.custody.custody(session).erasure == Erasure::Erased;
        self.missing.remove(&session);
        self.leaving.remove(&session);
        self.erased.insert(session, erased);
        let directory = self.directory.join(session.to_string());
        let finding = |expected: String, found: &str| Finding {
            entry: Some(entry),
            file: directory.clone(),
            expected,
            found: found.to_owned(),
        };
        let mut findings = Vec::new();
        if !is_decided {
            let decided =
                format!("a decision of two persons, or of retention, to erase session {session}, under no hold");
            findings.push(finding(decided, "none in the log"));
        }
        if directory.exists() {
            findings.push(finding(format!("no recording of session {session}, which is erased"), "one"));
        }
        findings
    }

    /// Checks what the log's next event commits to: at most one finding for the event, and one for the rest of the
    /// recording at its session's end.
    pub fn event(&mut self, entry: u64, leaf: &[u8]) -> Vec<Finding> {
        let Some(Read { session, commits, is_last, erased, confirmed }) = Read::parse(leaf) else {
            let expected = "an event whose payloads this version can read".to_owned();
            let (file, found) = (self.directory.clone(), "one whose payloads were not checked".to_owned());
            return vec![Finding { entry: Some(entry), file, expected, found }];
        };
        self.custody.leaf(entry, leaf);
        if let Some(erased) = erased {
            return self.erasure(entry, erased);
        }
        self.leaving.extend(confirmed);
        let mut state = self.sessions.remove(&session).unwrap_or_default();
        let directory = self.directory.join(session.to_string());
        if commits.count() > 0 && !state.has_recording && !directory.exists() {
            state.is_missing = true;
        }
        state.has_recording |= commits.count() > 0;
        if state.is_missing {
            self.missing.entry(session).or_insert_with(|| Finding {
                entry: Some(entry),
                file: segment_path(&directory, 0),
                expected: format!("a recording (session {session}, event {})", commits.seq()),
                found: "no such file".to_owned(),
            });
            if !is_last {
                self.sessions.insert(session, state);
            }
            return Vec::new();
        }
        let finding = |Problem { segment, expected, found }| {
            let expected = format!("{expected} (session {session}, event {})", commits.seq());
            Finding { entry: Some(entry), file: segment_path(&directory, segment), expected, found }
        };
        let mut walk = Walk::new(&directory, session, self.wrapping.as_deref(), state.place, &mut self.checked);
        let mut findings = Vec::new();
        match state.follower.event(&commits, &mut || walk.next()) {
            Ok(()) => walk.checked.payloads += commits.count(),
            Err(problem) => {
                findings.push(finding(problem));
                walk.resume(&commits);
            }
        }
        if is_last && state.has_recording {
            // An open session's rest may still be written; a closed one's is whole.
            let mut rest = std::iter::from_fn(|| walk.next().transpose());
            if let Err(problem) = rest.try_for_each(|frame| state.follower.pass(&frame?)) {
                findings.push(finding(problem));
            }
        }
        if !is_last {
            state.place = walk.place;
            self.sessions.insert(session, state);
        }
        findings
    }
}

impl Default for Session {
    fn default() -> Self {
        let place = Place { segment: 0, offset: OPENING_BYTES as u64, least_number: 0 };
        Self { is_missing: false, follower: Follower::default(), place, has_recording: false }
    }
}

impl Read {
    fn parse(leaf: &[u8]) -> Option<Self> {
        let event: Value = serde_json::from_slice(leaf).ok()?;
        let kind = event.get("type")?.as_str()?;
        let is_last = LAST_EVENTS.contains(&kind);
        let erased = if kind == ERASED { Some(ErasedRecording::read(event.get("custody")?)?) } else { None };
        let confirmed = match kind {
            CONFIRMED => Some(event.get("custody")?.get("session")?.as_str()?.parse().ok()?),
            _ => None,
        };
        let session = event.get("session")?.as_str()?.parse().ok()?;
        Some(Self { session, commits: Commits::read(&event)?, is_last, erased, confirmed })
    }
}

impl ErasedRecording {
    fn read(custody: &Value) -> Option<Self> {
        let text = |key: &str| custody.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            session: text("session")?.parse().ok()?,
            requested_by: text("requested_by"),
            confirmed_by: text("confirmed_by"),
            reason: text("reason")?,
        })
    }
}

/// Reads one recording's frames in order.
struct Walk<'a> {
    directory: &'a Path,
    session: SessionId,
    wrapping: Option<&'a KeyEncryptionKey>,
    place: Place,
    checked: &'a mut Checked,
    file: Option<Open>,
    /// The session's key, once the recording has been opened with one.
    key: Option<LessSafeKey>,
    has_begun: bool,
}

struct Open {
    segment: u64,
    file: File,
    length: u64,
}

impl<'a> Walk<'a> {
    const fn new(
        directory: &'a Path,
        session: SessionId,
        wrapping: Option<&'a KeyEncryptionKey>,
        place: Place,
        checked: &'a mut Checked,
    ) -> Self {
        Self { directory, session, wrapping, place, checked, file: None, key: None, has_begun: false }
    }

    /// The next frame; none at the end of the recording.
    fn next(&mut self) -> Result<Option<Seen>, Problem> {
        self.begin()?;
        loop {
            let Place { segment, offset, .. } = self.place;
            let Some(length) = self.open(segment)? else { return Ok(None) };
            if offset < length {
                return self.frame(length).map(Some);
            }
            if offset > length {
                return Err(self.problem(format!("{offset} bytes"), format!("{length} bytes")));
            }
            self.place.segment += 1;
            self.place.offset = 0;
        }
    }

    /// Goes on after the payloads of an event that are not what they must be.
    fn resume(&mut self, event: &Commits) {
        if let Some((segment, offset)) = event.end() {
            self.place = Place { segment, offset, least_number: 0 };
        }
    }

    /// Looks at the frame that opens the recording.
    fn begin(&mut self) -> Result<(), Problem> {
        if self.has_begun {
            return Ok(());
        }
        self.has_begun = true;
        let problem = |found: String| Problem { segment: 0, expected: "a recording".to_owned(), found };
        let length = self.open(0)?.ok_or_else(|| problem("no such file".to_owned()))?;
        if length < OPENING_BYTES as u64 {
            return Err(problem(format!("{length} bytes")));
        }
        let opening = self.read(0, OPENING_BYTES)?;
        let wrapped = super::wrapped_key(&opening).map_err(|found| problem(found.to_owned()))?;
        if let Some(wrapping) = self.wrapping {
            let key = super::session_key(self.session, wrapped, wrapping);
            self.key = Some(key.map_err(|_| problem("a key that the key-encryption key does not open".to_owned()))?);
        }
        Ok(())
    }

    /// The frame at the place, in a file of `length` bytes.
    fn frame(&mut self, length: u64) -> Result<Seen, Problem> {
        let Place { segment, offset, least_number } = self.place;
        let expected = format!("a whole frame at byte {offset}");
        let problem = |found: String| Problem { segment, expected: expected.clone(), found };
        let cut_short = || problem(format!("the end of the file at byte {length}"));
        if length - offset < HEADER_BYTES as u64 {
            return Err(cut_short());
        }
        let header =
            Header::parse(&self.read(offset, HEADER_BYTES)?).ok_or_else(|| problem("other bytes".to_owned()))?;
        let (frame_length, content) = (u64::from(header.length), u64::from(header.length).checked_sub(OVERHEAD_BYTES));
        let Some(content) = content.filter(|content| header.is_whole || *content == SIZE_BYTES) else {
            return Err(problem(format!("one of {frame_length} bytes")));
        };
        let size = usize::try_from(header.length).ok().filter(|size| *size <= MAX_FRAME_BYTES);
        let size = size.ok_or_else(|| problem(format!("one of {frame_length} bytes")))?;
        if frame_length > length - offset {
            return Err(cut_short());
        }
        if header.number < least_number {
            return Err(problem(format!("number {}, which is out of order", header.number)));
        }
        let at = [segment, offset, frame_length];
        let seen = if let Some(key) = &self.key {
            let mut bytes = self.read(offset, size)?;
            let opened = super::open(self.session, key, &mut bytes, at);
            let (_, frame) = opened.ok_or_else(|| problem("one that does not open: it was altered".to_owned()))?;
            self.checked.opened += 1;
            self.checked.sizes += u64::from(frame.payload.is_none());
            Seen::from(&frame)
        } else {
            let bytes = header.is_whole.then_some(content);
            Seen { at, seq: header.seq, name: header.name, bytes, commitment: None, chunks: None }
        };
        self.checked.frames += 1;
        self.place = Place { segment, offset: offset + frame_length, least_number: header.number.saturating_add(1) };
        Ok(seen)
    }

    /// Opens a segment, if it is not open: its length, or none when there is no such file.
    fn open(&mut self, segment: u64) -> Result<Option<u64>, Problem> {
        if let Some(open) = self.file.as_ref().filter(|open| open.segment == segment) {
            return Ok(Some(open.length));
        }
        let opened = File::open(segment_path(self.directory, segment))
            .and_then(|file| file.metadata().map(|metadata| (file, metadata.len())));
        match opened {
            Ok((file, length)) => {
                self.file = Some(Open { segment, file, length });
                Ok(Some(length))
            }
            Err(error) if error.kind() == IoErrorKind::NotFound => Ok(None),
            Err(error) => Err(Problem { segment, expected: "a readable file".to_owned(), found: error.to_string() }),
        }
    }

    fn read(&self, offset: u64, size: usize) -> Result<Vec<u8>, Problem> {
        let mut bytes = vec![0; size];
        let read = self.file.as_ref().map(|open| open.file.read_exact_at(&mut bytes, offset));
        match read {
            Some(Ok(())) => Ok(bytes),
            Some(Err(error)) => Err(self.problem(format!("{size} readable bytes at byte {offset}"), error.to_string())),
            None => Err(self.problem("an open file".to_owned(), "none".to_owned())),
        }
    }

    fn problem(&self, expected: String, found: String) -> Problem {
        Problem { segment: self.place.segment, expected, found }
    }
}

fn segment_path(directory: &Path, segment: u64) -> PathBuf {
    directory.join(format!("{segment:08}.seg"))
}

#[cfg(test)]
mod tests;
