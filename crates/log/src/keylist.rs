//! The file `log/keys`: who signed the log's checkpoints, and over which sizes of the tree.
//!
//! One line per key: `name+hash+base64 FROM [UNTIL]`. The key signs checkpoints of trees from size `FROM` on, and, once it is
//! retired, up to `UNTIL`. A line that is a verifier key alone has signed from the start. Keys overlap while one replaces
//! another. The file is as trustworthy as the place it was taken from: who verifies keeps a copy, or the keys, elsewhere.
//! Refused: a checkpoint whose only known signer was retired before, or came after, its size.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use vidimus_core::ErrorKind;

use crate::codec::decimal;
use crate::error::{Damage, ReadError};
use crate::note::{self, Checkpoint, NoteError, VerifierKey};
use crate::storage::{Storage, read_file};

/// Its name in the log's directory.
pub(crate) const FILE: &str = "keys";
/// The most bytes of the file that are read.
const MAX_FILE_BYTES: usize = 1 << 20;
/// The most keys of a list: one a month for fifty years.
const MAX_KEYS: usize = 600;

/// A key and the sizes of the tree that it signs for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// The key.
    pub key: VerifierKey,
    /// The first size.
    pub from: u64,
    /// The last size; none while it signs.
    pub until: Option<u64>,
}

/// Keys with the sizes they sign for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyList {
    keys: Vec<ListedKey>,
}

/// Why a list of keys, or a checkpoint by it, was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyListError {
    /// Not `name+hash+base64 FROM [UNTIL]`.
    #[error("line {0} is no key; expected name+hash+base64, and if it has them the sizes FROM and UNTIL")]
    Line(usize),
    /// No key, or too many.
    #[error("a list of 1 to {MAX_KEYS} keys is expected; this has {0}")]
    Count(usize),
    /// The note does not open with these keys.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Signed by a key that does not sign for that size.
    #[error("size {size} is signed only by a key that is not for it: {key}")]
    OutOfTime {
        /// The size of the tree.
        size: u64,
        /// The line of the key.
        key: String,
    },
}

impl KeyListError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Line(_) | Self::Count(_) => ErrorKind::Malformed,
            Self::Note(error) => error.kind(),
            Self::OutOfTime { .. } => ErrorKind::Evidence,
        }
    }
}

/// Reads the file; `None` when there is none.
pub(crate) fn load(storage: &dyn Storage, path: &Path) -> Result<Option<KeyList>, ReadError> {
    let bytes = match read_file(storage, path, MAX_FILE_BYTES) {
        Err(error) if error.is_not_found() => return Ok(None),
        other => other?,
    };
    String::from_utf8_lossy(&bytes).parse().map(Some).map_err(|error: KeyListError| {
        let expected = "the log's public keys".to_owned();
        Damage { file: path.to_owned(), offset: 0, expected, found: error.to_string() }.into()
    })
}

impl KeyList {
    /// Keys that sign for every size.
    pub fn always(keys: impl IntoIterator<Item = VerifierKey>) -> Self {
        Self { keys: keys.into_iter().map(|key| ListedKey { key, from: 0, until: None }).collect() }
    }

    /// The keys, in the order of the list.
    pub fn keys(&self) -> &[ListedKey] {
        &self.keys
    }

    /// Whether a line has this key.
    pub fn has(&self, key: &VerifierKey) -> bool {
        self.keys.iter().any(|listed| listed.key == *key)
    }

    /// Only those lines whose key is among these.
    #[must_use]
    pub fn restricted_to(mut self, keys: &[VerifierKey]) -> Self {
        self.keys.retain(|listed| keys.contains(&listed.key));
        self
    }

    /// Only those that sign for this size of the tree.
    #[must_use]
    pub fn at(mut self, size: u64) -> Self {
        self.keys.retain(|listed| listed.is_for(size));
        self
    }

    /// Whether a line of another list, as it stood when the tree had `size` leaves, says no more than this list does.
    pub(crate) fn vouches_for(&self, line: &ListedKey, size: u64) -> bool {
        let last = line.until.unwrap_or(size).max(line.from);
        self.keys.iter().any(|own| own.key == line.key && own.is_for(line.from) && own.is_for(last))
    }

    /// Adds those of another list.
    pub fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
    }

    /// The list once a log that has `size` leaves signs with the keys `active`: new ones begin there, others have ended.
    #[must_use]
    pub fn at_start(mut self, active: &[VerifierKey], size: u64) -> Self {
        for listed in &mut self.keys {
            listed.until = if active.contains(&listed.key) { None } else { listed.until.or(Some(size)) };
        }
        let is_first = self.keys.is_empty();
        for key in active {
            if !self.keys.iter().any(|listed| listed.key == *key) {
                self.keys.push(ListedKey { key: key.clone(), from: if is_first { 0 } else { size }, until: None });
            }
        }
        self
    }

    /// Opens a signed checkpoint, one of whose signers must be a key of the list that signs for its size.
    pub fn open(&self, note: &str) -> Result<Checkpoint, KeyListError> {
        let all: Vec<VerifierKey> = self.keys.iter().map(|listed| listed.key.clone()).collect();
        // Every known signature is checked, also of keys that are not for this size: a wrong one is never passed over.
        let (text, signer) = note::open(note, &all)?;
        let size = text.parse::<Checkpoint>()?.size;
        let current: Vec<VerifierKey> =
            self.keys.iter().filter(|listed| listed.is_for(size)).map(|listed| listed.key.clone()).collect();
        match Checkpoint::open(note, &current) {
            Err(NoteError::UnknownSigner) => {
                let listed = self.keys.iter().find(|listed| listed.key == *signer);
                Err(KeyListError::OutOfTime { size, key: listed.map(ToString::to_string).unwrap_or_default() })
            }
            other => Ok(other?),
        }
    }
}

impl ListedKey {
    fn is_for(&self, size: u64) -> bool {
        self.from <= size && self.until.is_none_or(|until| size <= until)
    }
}

impl fmt::Display for ListedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.from)?;
        self.until.map_or(Ok(()), |until| write!(f, " {until}"))
    }
}

impl fmt::Display for KeyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.iter().try_for_each(|listed| writeln!(f, "{listed}"))
    }
}

/// The key of one line; `None` when it is none.
fn parse_line(line: &str) -> Option<ListedKey> {
    let mut words = line.split(' ');
    let key = words.next()?.parse().ok()?;
    let from = words.next().map_or(Some(0), decimal)?;
    let until = words.next().map(decimal);
    let is_whole = words.next().is_none() && until.is_none_or(|until| until.is_some_and(|until| from <= until));
    is_whole.then_some(ListedKey { key, from, until: until.flatten() })
}

impl FromStr for KeyList {
    type Err = KeyListError;

    fn from_str(text: &str) -> Result<Self, KeyListError> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
        let keys: Vec<_> = lines
            .take(MAX_KEYS + 1)
            .map(|(at, line)| parse_line(line).ok_or(KeyListError::Line(at + 1)))
            .collect::<Result<_, _>>()?;
        if (1..=MAX_KEYS).contains(&keys.len()) { Ok(Self { keys }) } else { Err(KeyListError::Count(keys.len())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::Signer;
    use crate::tree::Hash;

    fn signer(seed: u8) -> Signer {
        Signer::from_seed("example.com/log", &[seed; 32]).unwrap()
    }

    fn checkpoint(seed: u8, size: u64) -> String {
        let checkpoint = Checkpoint { origin: "example.com/log".into(), size, root: Hash([9; 32]) };
        signer(seed).sign(&checkpoint.to_string()).unwrap()
    }

    fn key(seed: u8) -> VerifierKey {
        signer(seed).verifier().clone()
    }

    #[test]
    fn keys_replace_one_another_and_old_checkpoints_still_verify() {
        let list = KeyList::default().at_start(&[key(1)], 0);
        let list = list.at_start(&[key(2), key(1)], 100).at_start(&[key(2)], 150).at_start(&[key(2)], 170);
        assert_eq!(list.to_string(), format!("{} 0 150\n{} 100\n", key(1), key(2)));
        assert_eq!(list.to_string().parse::<KeyList>().unwrap(), list);
        for (seed, size) in [(1, 0), (1, 150), (2, 100), (2, 9_999)] {
            assert_eq!(list.open(&checkpoint(seed, size)).unwrap().size, size);
        }
        for (seed, size) in [(1, 151), (2, 99)] {
            let error = list.open(&checkpoint(seed, size)).unwrap_err();
            assert!(matches!(&error, KeyListError::OutOfTime { size: at, .. } if *at == size), "{error}");
        }
        assert_eq!(list.open(&checkpoint(3, 1)), Err(KeyListError::Note(NoteError::UnknownSigner)));
    }

    #[test]
    fn lists_that_would_be_misread_are_refused() {
        let key = key(1);
        assert_eq!(key.to_string().parse::<KeyList>().unwrap(), KeyList::always([key.clone()]));
        for bad in [format!("{key} x"), format!("{key} 5 4"), format!("{key} 1 2 3"), format!("{key} -1"), "x".into()] {
            assert_eq!(bad.parse::<KeyList>(), Err(KeyListError::Line(1)), "{bad}");
        }
        assert_eq!("\n".parse::<KeyList>(), Err(KeyListError::Count(0)));
    }
}
