//! A witness (C2SP tlog-witness): it remembers the largest tree of each log that it has cosigned, and cosigns only what
//! continues that tree. Whoever holds a log's key and rewrites the log finds nobody to sign the other history.
//!
//! What is cosigned is durable before the cosignature leaves ([`Witness::add_checkpoint`]), and one request of a log is
//! answered at a time, so neither a crash nor a race makes it sign two histories. Refused: logs and keys it was not told
//! of, smaller trees, trees that do not begin with the one it knows, and everything after a failed sync. A log of which
//! nothing is remembered is begun with by a call of its own ([`begin`]): who starts with an empty directory, a disk that was
//! not mounted, would else cosign any history.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest;
use vidimus_core::ErrorKind;

use crate::codec::{decimal, lock};
use crate::cosignature::{Cosigner, WitnessKey};
use crate::dir_lock;
use crate::error::{Damage, OpenError};
use crate::note::{self, Checkpoint, MAX_NOTE_BYTES, NoteError, VerifierKey};
use crate::storage::{Storage, StorageError, read_file, replace_file};
use crate::tree::{Hash, verify_consistency};

/// The most hashes of a consistency proof (tlog-witness, "add-checkpoint").
const MAX_PROOF_LINES: usize = 63;
/// The longest request in bytes: the old size, the hashes with their newlines, and the checkpoint.
pub const MAX_REQUEST_BYTES: usize = 64 + MAX_PROOF_LINES * 45 + MAX_NOTE_BYTES;
/// More than the text of a remembered checkpoint has, whatever its origin.
const MAX_STATE_BYTES: usize = MAX_NOTE_BYTES;

/// Why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request is none, or asks for a tree that shrinks.
    #[error("{0}")]
    Malformed(&'static str),
    /// The witness was not told of this log.
    #[error("the log `{0}` is not known to this witness")]
    UnknownLog(String),
    /// None of the log's keys has signed.
    #[error("not signed by a key of the log: {0}")]
    Untrusted(NoteError),
    /// The witness knows another size than the request names, or another tree of that size.
    #[error("the last tree cosigned has {size} entries{}", if *is_fork { " and another root" } else { "" })]
    Conflict {
        /// The size it knows.
        size: u64,
        /// Whether the request has the same size with another root.
        is_fork: bool,
    },
    /// The new tree does not begin with the known one, as far as the proof shows.
    #[error("the proof does not show that the tree begins with the {size} entries that were cosigned last")]
    Inconsistent {
        /// The size it knows.
        size: u64,
    },
    /// The witness cannot remember, so it does not sign.
    #[error("the witness cannot write its state: {0}")]
    Failed(Arc<str>),
}

impl Refusal {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed(_) => ErrorKind::Malformed,
            Self::UnknownLog(_) => ErrorKind::NotFound,
            Self::Untrusted(_) => ErrorKind::Unauthenticated,
            Self::Conflict { .. } | Self::Inconsistent { .. } => ErrorKind::Denied,
            Self::Failed(_) => ErrorKind::Evidence,
        }
    }

    /// What the log may read.
    pub fn public_message(&self) -> String {
        match self {
            Self::Failed(_) => "the witness cannot write its state".to_owned(),
            other => other.to_string(),
        }
    }
}

/// A checkpoint that was cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// The log.
    pub origin: String,
    /// The size that was known before.
    pub old: u64,
    /// The size that is known now.
    pub size: u64,
    /// The answer: signature lines, each with its newline.
    pub lines: String,
}

/// A witness with its memory in a directory. Every call blocks on the disk.
pub struct Witness {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    cosigner: Cosigner,
    /// The keys of each log, by origin.
    logs: BTreeMap<String, Vec<VerifierKey>>,
    memory: Mutex<Memory>,
    /// Held as long as this lives.
    _lock: File,
}

#[derive(Default)]
struct Memory {
    seen: BTreeMap<String, Seen>,
    /// The first failure to write; nothing is signed after it.
    failed: Option<Arc<str>>,
}

/// The largest tree of a log that was cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    size: u64,
    root: Hash,
    /// Whether this process has made it durable. What was read at start may have been written by one that died before.
    is_durable: bool,
}

impl Witness {
    /// A witness that remembers in `dir` what it has cosigned of these logs; a log may have several keys, all under its
    /// origin as name. Each must have been begun with ([`begin`]). Only one process may have the directory.
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: &Path,
        cosigner: Cosigner,
        keys: Vec<VerifierKey>,
    ) -> Result<Self, OpenError> {
        let mut logs: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        for key in keys {
            if key.public_key() == cosigner.key().public_key() {
                let (expected, found) = ("a key of its own".to_owned(), format!("that of the log {}", key.name()));
                return Err(OpenError::BadOption { option: "witness key", expected, found });
            }
            logs.entry(key.name().to_owned()).or_default().push(key);
        }
        let lock = dir_lock::take(storage.as_ref(), dir)?;
        let mut memory = Memory::default();
        for origin in logs.keys() {
            let seen = load(storage.as_ref(), &state_file(dir, origin), origin)?;
            let seen = seen.ok_or_else(|| OpenError::NoMemory { origin: origin.clone(), dir: dir.to_owned() })?;
            memory.seen.insert(origin.clone(), seen);
        }
        Ok(Self { storage, dir: dir.to_owned(), cosigner, logs, memory: Mutex::new(memory), _lock: lock })
    }

    /// The witness's public key.
    pub const fn key(&self) -> &WitnessKey {
        self.cosigner.key()
    }

    /// Every log with the size of its tree that was cosigned last.
    pub fn seen(&self) -> Vec<(String, u64)> {
        let memory = lock(&self.memory);
        let size = |origin: &String| memory.seen.get(origin).map_or(0, |seen| seen.size);
        self.logs.keys().map(|origin| (origin.clone(), size(origin))).collect()
    }

    /// Answers the body of one `add-checkpoint` request, `seconds` after the Unix epoch.
    pub fn add_checkpoint(&self, body: &[u8], seconds: u64) -> Result<Cosigned, Refusal> {
        let Request { old, path, note } = Request::parse(body)?;
        let (text, checkpoint) = self.opened(note)?;
        if old > checkpoint.size {
            return Err(Refusal::Malformed("the old size is larger than the checkpoint's"));
        }
        let mut memory = lock(&self.memory);
        let Memory { seen: all, failed } = &mut *memory;
        if let Some(why) = failed {
            return Err(Refusal::Failed(Arc::clone(why)));
        }
        let nothing = Seen { size: 0, root: Hash::empty_root(), is_durable: false };
        let seen = all.get(&checkpoint.origin).copied().unwrap_or(nothing);
        let is_fork = seen.size == checkpoint.size && seen.root != checkpoint.root;
        if old != seen.size || is_fork {
            return Err(Refusal::Conflict { size: seen.size, is_fork: is_fork && old == seen.size });
        }
        if !verify_consistency(old, &seen.root, checkpoint.size, &checkpoint.root, &path) {
            return Err(Refusal::Inconsistent { size: seen.size });
        }
        if seen.size != checkpoint.size || !seen.is_durable {
            if let Err(error) = self.remember(&checkpoint) {
                let why: Arc<str> = error.to_string().into();
                if error.remedy().is_none() {
                    *failed = Some(Arc::clone(&why));
                }
                return Err(Refusal::Failed(why));
            }
            let now = Seen { size: checkpoint.size, root: checkpoint.root, is_durable: true };
            all.insert(checkpoint.origin.clone(), now);
        }
        // Signed while the next request waits: the time is that at which this tree was the largest.
        let lines =
            self.cosigner.cosign(text, seconds).ok_or_else(|| Refusal::Failed("the key does not sign".into()))?;
        Ok(Cosigned { origin: checkpoint.origin, old, size: checkpoint.size, lines })
    }

    /// The checkpoint in a note, when a key of the log it names has signed it.
    fn opened<'n>(&self, note: &'n str) -> Result<(&'n str, Checkpoint), Refusal> {
        let text = note::text(note).map_err(|_| Refusal::Malformed("no signed note"))?;
        let checkpoint: Checkpoint = text.parse().map_err(|_| Refusal::Malformed("no checkpoint"))?;
        let keys = self.logs.get(&checkpoint.origin).ok_or_else(|| Refusal::UnknownLog(checkpoint.origin.clone()))?;
        note::open(note, keys).map_err(Refusal::Untrusted)?;
        Ok((text, checkpoint))
    }

    fn remember(&self, checkpoint: &Checkpoint) -> Result<(), StorageError> {
        let file = state_file(&self.dir, &checkpoint.origin);
        replace_file(self.storage.as_ref(), &file, checkpoint.to_string().as_bytes())
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("dir", &self.dir).field("key", self.key()).finish_non_exhaustive()
    }
}

/// Begins to remember in `dir` those of the logs with these keys of which nothing is remembered there; their origins.
pub fn begin(storage: &dyn Storage, dir: &Path, keys: &[VerifierKey]) -> Result<Vec<String>, OpenError> {
    let _lock = dir_lock::take(storage, dir)?;
    let origins: BTreeSet<&str> = keys.iter().map(VerifierKey::name).collect();
    let mut begun = Vec::new();
    for origin in origins {
        let file = state_file(dir, origin);
        if load(storage, &file, origin)?.is_none() {
            let nothing = Checkpoint { origin: origin.to_owned(), size: 0, root: Hash::empty_root() };
            replace_file(storage, &file, nothing.to_string().as_bytes())?;
            begun.push(origin.to_owned());
        }
    }
    Ok(begun)
}

/// The body of a request (tlog-witness, "add-checkpoint").
struct Request<'b> {
    old: u64,
    path: Vec<Hash>,
    note: &'b str,
}

impl<'b> Request<'b> {
    fn parse(body: &'b [u8]) -> Result<Self, Refusal> {
        if body.len() > MAX_REQUEST_BYTES {
            return Err(Refusal::Malformed("the request is too long"));
        }
        let text = std::str::from_utf8(body).map_err(|_| Refusal::Malformed("the request is not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or(Refusal::Malformed("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal);
        let old = old.ok_or(Refusal::Malformed("no old size"))?;
        let path = Hash::parse_lines(lines, MAX_PROOF_LINES).map_err(Refusal::Malformed)?;
        Ok(Self { old, path, note })
    }
}

/// The file that holds the text of the checkpoint cosigned last. Origins are no file names, so their hash is.
fn state_file(dir: &Path, origin: &str) -> PathBuf {
    let hash = digest::digest(&digest::SHA256, origin.as_bytes());
    let name = hash.as_ref().iter().fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
    dir.join(format!("{name}.checkpoint"))
}

fn load(storage: &dyn Storage, file: &Path, origin: &str) -> Result<Option<Seen>, OpenError> {
    let bytes = match read_file(storage, file, MAX_STATE_BYTES) {
        Err(error) if error.is_not_found() => return Ok(None),
        other => other?,
    };
    let checkpoint = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse::<Checkpoint>().ok());
    let seen = checkpoint.filter(|checkpoint| checkpoint.origin == origin);
    let seen = seen.map(|Checkpoint { size, root, .. }| Seen { size, root, is_durable: false });
    seen.map(Some).ok_or_else(|| {
        let expected = format!("the last checkpoint of {origin} that was cosigned");
        let found = "other content".to_owned();
        Damage { file: file.to_owned(), offset: 0, expected, found }.into()
    })
}

#[cfg(test)]
mod tests;
