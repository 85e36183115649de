//! What is signed in a log's directory: the checkpoint, the one that witnesses cosigned last, and by whose keys.
//!
//! The cosigned one is read first: it is never newer than the checkpoint that was published, so a gateway that runs
//! meanwhile cannot make the two differ. Refused: a checkpoint that no trusted key signed for its size, one smaller than a
//! checkpoint that was kept elsewhere (a roll-back), one that the witness policy's quorum never saw.

use std::path::Path;

use super::check::unreadable;
use super::{Finding, Kept, Seen};
use crate::checkpoints::COSIGNED;
use crate::keylist::{self, KeyList};
use crate::note::{self, Checkpoint, MAX_NOTE_BYTES, NoteError, VerifierKey};
use crate::storage::{Storage, read_file};
use crate::trust::Trust;

/// The checkpoints of a log, and the keys they were opened with.
pub(super) struct Signed {
    keys: KeyList,
    /// Whether the keys were given, rather than the log's own.
    is_trusted: bool,
    pub(super) checkpoint: Checkpoint,
    note: String,
    /// The bytes of the file, or why there are none.
    cosigned: Result<Option<Vec<u8>>, String>,
}

impl Signed {
    /// Reads them. Without keys from elsewhere the log's own stand in.
    pub(super) fn read(storage: &dyn Storage, dir: &Path, trust: &Trust) -> Result<Self, Finding> {
        let keys = match trust.keys() {
            Some(keys) => keys.clone(),
            None => own_keys(storage, dir)?,
        };
        let cosigned = match read_file(storage, &dir.join(COSIGNED), MAX_NOTE_BYTES + 1) {
            Err(error) if error.is_not_found() => Ok(None),
            read => read.map(Some).map_err(|error| error.to_string()),
        };
        let is_trusted = trust.keys().is_some();
        let (note, checkpoint) = read_checkpoint(storage, dir, &keys, is_trusted)?;
        Ok(Self { keys, is_trusted, checkpoint, note, cosigned })
    }

    /// The list of public keys must be one, and name a key that was given.
    pub(super) fn check_keys(&self, storage: &dyn Storage, dir: &Path) -> Option<Finding> {
        let is_named = |list: &KeyList| self.keys.keys().iter().any(|given| list.has(&given.key));
        match own_keys(storage, dir) {
            Ok(list) if is_named(&list) => None,
            Ok(_) => {
                let expected = "the log's public keys, the given one among them";
                Some(finding(dir.join(keylist::FILE), expected, "others only"))
            }
            Err(finding) => Some(finding),
        }
    }

    /// The checkpoint that witnesses cosigned last, if there is one: proofs are made for it. It may be signed by a key that
    /// is retired by now, so what counts is that its root is the tree's; a signature of a known key must be right all the
    /// same.
    pub(super) fn cosigned(&self, dir: &Path) -> Result<Option<Checkpoint>, Finding> {
        let Checkpoint { origin, size, .. } = &self.checkpoint;
        let finding = |found: String| {
            finding(dir.join(COSIGNED), format!("a checkpoint of {origin} of at most size {size}"), found)
        };
        let Some(note) = self.cosigned.as_ref().map_err(|error| finding(error.clone()))? else { return Ok(None) };
        let note = std::str::from_utf8(note).map_err(|error| finding(error.to_string()))?;
        let keys: Vec<VerifierKey> = self.keys.keys().iter().map(|listed| listed.key.clone()).collect();
        if let Err(error) = note::open(note, &keys)
            && error != NoteError::UnknownSigner
        {
            return Err(finding(error.to_string()));
        }
        let text = note::text(note).map_err(|error| finding(error.to_string()))?;
        let cosigned: Checkpoint = text.parse().map_err(|error: NoteError| finding(error.to_string()))?;
        if cosigned.origin != *origin {
            return Err(finding(format!("one of {}", cosigned.origin)));
        }
        if cosigned.size > *size {
            return Err(finding(format!("size {}", cosigned.size)));
        }
        Ok(Some(cosigned))
    }

    /// A checkpoint that was kept elsewhere, when the log can go on from it.
    pub(super) fn kept(&self, kept: &Kept, dir: &Path) -> Result<Checkpoint, Finding> {
        let earlier = self.keys.open(&kept.note).map_err(|error| {
            finding(
                kept.file.clone(),
                format!("a checkpoint signed by one of {}", whose(self.is_trusted)),
                error.to_string(),
            )
        })?;
        let Checkpoint { origin, size, .. } = &self.checkpoint;
        if earlier.origin != *origin {
            return Err(finding(
                kept.file.clone(),
                format!("a checkpoint of {origin}"),
                format!("one of {}", earlier.origin),
            ));
        }
        if earlier.size > *size {
            let expected = format!("at least the {} entries of {}", earlier.size, kept.file.display());
            return Err(finding(dir.join("checkpoint"), expected, format!("{size}: the log was rolled back")));
        }
        Ok(earlier)
    }

    /// What the quorum of the policy has cosigned: the newest checkpoint, or the one that was cosigned last. `None` when the
    /// policy asks for no witness.
    pub(super) fn witnessed(&self, trust: &Trust, dir: &Path) -> Result<Option<Seen>, Finding> {
        if !trust.asks_for_witnesses() {
            return Ok(None);
        }
        let seen = |note: &str, size| trust.witnesses(note, &self.keys).map(|by| Some(Seen { size, by }));
        let newest = seen(&self.note, self.checkpoint.size);
        let last = self.cosigned.as_ref().ok().and_then(|note| str::from_utf8(note.as_deref()?).ok());
        let expected = "a checkpoint that the witnesses of the policy have cosigned";
        match (newest, self.cosigned(dir).ok().flatten().zip(last)) {
            (Ok(newest), _) => Ok(newest),
            (Err(_), Some((cosigned, note))) => {
                seen(note, cosigned.size).map_err(|error| finding(dir.join(COSIGNED), expected, error.to_string()))
            }
            (Err(error), None) => Err(finding(dir.join("checkpoint"), expected, error.to_string())),
        }
    }
}

/// The newest checkpoint, and its text.
pub(super) fn read_checkpoint(
    storage: &dyn Storage,
    dir: &Path,
    keys: &KeyList,
    is_trusted: bool,
) -> Result<(String, Checkpoint), Finding> {
    let file = dir.join("checkpoint");
    let finding =
        |found: String| finding(file.clone(), format!("a checkpoint signed by one of {}", whose(is_trusted)), found);
    let note = read_file(storage, &file, MAX_NOTE_BYTES + 1).map_err(|error| finding(error.to_string()))?;
    let note = String::from_utf8(note).map_err(|error| finding(error.to_string()))?;
    let checkpoint = keys.open(&note).map_err(|error| finding(error.to_string()))?;
    Ok((note, checkpoint))
}

/// The list of public keys that stands beside the log.
fn own_keys(storage: &dyn Storage, dir: &Path) -> Result<KeyList, Finding> {
    let file = dir.join(keylist::FILE);
    match keylist::load(storage, &file) {
        Ok(Some(list)) => Ok(list),
        Ok(None) => Err(finding(file, "the log's public keys, the given one among them", "no such file")),
        Err(error) => Err(unreadable(dir, None, error)),
    }
}

const fn whose(is_trusted: bool) -> &'static str {
    if is_trusted { "the given keys" } else { "the log's own keys" }
}

fn finding(file: impl Into<std::path::PathBuf>, expected: impl Into<String>, found: impl Into<String>) -> Finding {
    Finding { entry: None, file: file.into(), expected: expected.into(), found: found.into() }
}
