//! What masking leaves behind: `<US_SSN>`, `<US_SSN_3>`, `<US_SSN:abcd…>`, `[REDACTED]`, `*****1120`.
//!
//! They are recognised so that masking twice changes nothing. A mark is exact, and holds too little to hide a value in.

use std::collections::HashMap;

use crate::class::ClassId;
use crate::placeholder::REDACTED;

/// Digits of a session token's number, at most.
const MAX_NUMBER: usize = 6;

/// Letters of a keyed hash in a mark.
pub(crate) const HASH_LETTERS: usize = 24;

/// Bytes of a class's name, at most.
pub(crate) const MAX_NAME: usize = 48;

/// Bytes of a mark after its `<`, at most.
pub(super) const MAX_MARK: usize = MAX_NAME + HASH_LETTERS + 2;

/// Letters and digits that may follow stars and count as kept by masking.
pub(crate) const MAX_KEPT: usize = 6;

/// The names that marks carry.
#[derive(Debug)]
pub(super) struct Marks {
    names: HashMap<Box<[u8]>, ClassId>,
    /// A bit for the first two bytes of each: most words behind a `<` are no class's.
    begins: [u64; 64],
}

impl Default for Marks {
    fn default() -> Self {
        Self { names: HashMap::new(), begins: [0; 64] }
    }
}

impl Marks {
    pub(super) fn add(&mut self, name: &str, class: ClassId) {
        self.names.insert(name.as_bytes().into(), class);
        let [first, rest @ ..] = name.as_bytes() else { return };
        if let Some(seconds) = self.begins.get_mut(usize::from(first & 63)) {
            // A name of one letter is followed by anything.
            *seconds |= rest.first().map_or(u64::MAX, |second| 1 << (second & 63));
        }
    }

    /// Whether a name may begin with the first bytes of a text.
    fn may_name(&self, text: &[u8]) -> bool {
        let [first, second, ..] = text else { return false };
        self.begins.get(usize::from(first & 63)).is_some_and(|seconds| seconds >> (second & 63) & 1 == 1)
    }

    /// The end of the mark whose first word begins at `start`, and the class it names.
    pub(super) fn skip(&self, text: &[u8], start: usize) -> Option<(usize, Option<ClassId>)> {
        match text.get(start.checked_sub(1)?)? {
            b'<' => self.named(text, start).map(|(end, class)| (end, Some(class))),
            b'[' => text.get(start - 1..)?.starts_with(REDACTED).then_some((start - 1 + REDACTED.len(), None)),
            b'*' => {
                text.get(start.checked_sub(2)?).filter(|byte| **byte == b'*')?;
                let kept = text.get(start..)?.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
                // A word between stars is emphasis, and may name what follows.
                let is_word = text.get(start..start + kept)?.iter().all(u8::is_ascii_alphabetic);
                (kept <= MAX_KEPT && !is_word).then_some((start + kept, None))
            }
            _ => None,
        }
    }

    /// Whether the word that begins at `start`, near the end of a text to which more is added, may become part of a mark.
    pub(super) fn may_grow(text: &[u8], start: usize) -> bool {
        let Some(rest) = text.get(start..).filter(|rest| rest.len() < MAX_MARK) else { return false };
        let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.');
        match start.checked_sub(1).and_then(|before| text.get(before)) {
            Some(b'<') => rest.iter().all(in_name),
            Some(b'[') => REDACTED.get(1..).is_some_and(|mark| mark.starts_with(rest)),
            Some(b'*') => rest.len() <= MAX_KEPT && rest.iter().all(u8::is_ascii_alphanumeric),
            _ => false,
        }
    }

    /// A whole `<…>` mark whose name begins at `start`: its end and its class.
    fn named(&self, text: &[u8], start: usize) -> Option<(usize, ClassId)> {
        let rest = text.get(start..).filter(|rest| self.may_name(rest))?;
        let inner = rest.get(..MAX_MARK).unwrap_or(rest);
        let inner = inner.get(..inner.iter().position(|byte| *byte == b'>')?)?;
        let class = self.names.get(inner).or_else(|| {
            let number = inner.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            let hash = inner.iter().rev().take_while(|byte| byte.is_ascii_lowercase()).count();
            if (1..=MAX_NUMBER).contains(&number) {
                self.names.get(inner.get(..inner.len() - number)?.strip_suffix(b"_")?)
            } else if hash == HASH_LETTERS {
                self.names.get(inner.get(..inner.len() - hash)?.strip_suffix(b":")?)
            } else {
                None
            }
        })?;
        Some((start + inner.len() + 1, *class))
    }
}
