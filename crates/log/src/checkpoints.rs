//! The checkpoints that readers work with: the newest, and the newest that witnesses have cosigned.
//!
//! The integrator publishes, whoever asks witnesses adds what they signed, and both files are replaced as a whole, one
//! writer at a time; readers never wait for the disk. `checkpoint` is signed about once a second; `cosigned` may be older,
//! and is what proofs are best made for. Refused: a cosigned checkpoint of a larger tree than the newest one's, since that
//! was published: the newest was rolled back.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use vidimus_core::{Clock as _, SystemClock, Timestamp};

use crate::codec::lock;
use crate::error::{Damage, OpenError};
use crate::note::{self, Checkpoint, MAX_NOTE_BYTES, NoteError, VerifierKey};
use crate::storage::{Storage, StorageError, read_file, replace_file};

/// The name of the file of the newest that witnesses have cosigned.
pub(crate) const COSIGNED: &str = "cosigned";

/// A checkpoint as it was published.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) note: Arc<str>,
    pub(crate) at: Timestamp,
}

/// The two, and their files.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    dir: PathBuf,
    newest: Mutex<Published>,
    cosigned: Mutex<Option<Published>>,
    /// Held while files are replaced.
    writing: Mutex<()>,
}

impl Checkpoints {
    /// The checkpoints of the log in `dir`, of which `newest` was read or made.
    pub(crate) fn load(
        storage: &dyn Storage,
        dir: &Path,
        newest: Published,
        keys: &[VerifierKey],
    ) -> Result<Self, OpenError> {
        let cosigned = load_cosigned(storage, &cosigned_file(dir), &newest.checkpoint, keys)?;
        Ok(Self {
            dir: dir.to_owned(),
            newest: Mutex::new(newest),
            cosigned: Mutex::new(cosigned),
            writing: Mutex::default(),
        })
    }

    pub(crate) fn newest(&self) -> Published {
        lock(&self.newest).clone()
    }

    /// The size of the newest.
    pub(crate) fn size(&self) -> u64 {
        lock(&self.newest).checkpoint.size
    }

    pub(crate) fn cosigned(&self) -> Option<Published> {
        lock(&self.cosigned).clone()
    }

    /// Makes this the newest, durably.
    pub(crate) fn publish(&self, storage: &dyn Storage, published: Published) -> Result<(), StorageError> {
        let _writing = lock(&self.writing);
        replace_file(storage, &self.dir.join("checkpoint"), published.note.as_bytes())?;
        *lock(&self.newest) = published;
        Ok(())
    }

    /// Adds signature lines to a checkpoint that was published: it is the newest one cosigned now. One that is older than
    /// that changes nothing. A witness that cosigns the same again replaces its line: an idle log that is started a hundred
    /// times must not end with a file that nobody reads any more.
    pub(crate) fn cosign(&self, storage: &dyn Storage, signed: &str, lines: &str) -> Result<(), StorageError> {
        let Some(signed) = parsed(signed) else { return Ok(()) };
        let _writing = lock(&self.writing);
        let base = match self.cosigned() {
            Some(other) if other.checkpoint.size > signed.checkpoint.size => return Ok(()),
            Some(other) if other.checkpoint == signed.checkpoint => other,
            _ => signed,
        };
        // What was verified has the form of signature lines; what has not is no cosignature.
        let Ok(note) = note::with_signatures(&base.note, lines) else { return Ok(()) };
        let cosigned = Published { note: note.into(), ..base };
        replace_file(storage, &cosigned_file(&self.dir), cosigned.note.as_bytes())?;
        if self.newest().checkpoint == cosigned.checkpoint {
            replace_file(storage, &self.dir.join("checkpoint"), cosigned.note.as_bytes())?;
            lock(&self.newest).note = Arc::clone(&cosigned.note);
        }
        *lock(&self.cosigned) = Some(cosigned);
        Ok(())
    }
}

fn cosigned_file(dir: &Path) -> PathBuf {
    dir.join(COSIGNED)
}

fn parsed(note: &str) -> Option<Published> {
    let checkpoint = note::text(note).ok()?.parse().ok()?;
    Some(Published { checkpoint, note: note.into(), at: SystemClock.now() })
}

/// The checkpoint that was cosigned last. A signature of the log's present keys must be right; it may be of earlier ones
/// only. Those of witnesses are not checked: whoever is given them checks them, and witnesses soon cosign a newer one.
fn load_cosigned(
    storage: &dyn Storage,
    file: &Path,
    newest: &Checkpoint,
    keys: &[VerifierKey],
) -> Result<Option<Published>, OpenError> {
    let note = match read_file(storage, file, MAX_NOTE_BYTES + 1) {
        Err(error) if error.is_not_found() => return Ok(None),
        other => other?,
    };
    if let Err(error @ NoteError::BadSignature(_)) =
        std::str::from_utf8(&note).map_or(Ok(()), |note| note::open(note, keys).map(drop))
    {
        let expected = format!("a checkpoint of {} as it was signed", newest.origin);
        return Err(Damage { file: file.to_owned(), offset: 0, expected, found: error.to_string() }.into());
    }
    let cosigned = std::str::from_utf8(&note).ok().and_then(parsed);
    let cosigned = cosigned.filter(|cosigned| cosigned.checkpoint.origin == newest.origin);
    let refuse =
        |expected: String, found: String| Err(Damage { file: file.to_owned(), offset: 0, expected, found }.into());
    match cosigned {
        None => refuse(format!("a checkpoint of {}", newest.origin), "other content".to_owned()),
        Some(cosigned) if cosigned.checkpoint.size > newest.size => refuse(
            format!("at most size {}, as the checkpoint beside it", newest.size),
            format!("size {}, which witnesses have seen", cosigned.checkpoint.size),
        ),
        cosigned => Ok(cosigned),
    }
}
