//! Words that name a class: before a candidate in its text, and in the keys or column names that lead to it.
//!
//! Once a candidate asks, the few words before it that can count are looked up, each at most once in a pass; the
//! candidate sees those that stand a few words before it, and never past something already masked: what was masked names
//! its own class instead. So masking a masked text again finds no word that was not near before. What another reading of
//! the text holds names its class too: nobody can tell from its mark which reading held it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::marks::Marks;
use crate::class::{ClassId, ClassSet};

/// Words before a candidate that count; Presidio reads five tokens.
pub(super) const NEAR_WORDS: u32 = 5;

/// Bytes before a candidate that count, at most.
pub(super) const NEAR_BYTES: usize = 96;

/// Words longer than this name nothing.
pub(super) const MAX_WORD: usize = 32;

/// Words of a phrase before its last, and the bytes they stand in.
const MAX_BEFORE: usize = 3;
pub(super) const PHRASE_BYTES: usize = 64;

/// The names that lead to a text, outermost first: JSON keys, or schema, table and column.
pub type Path<'a> = [&'a str];

/// Path segments that count, from the innermost.
pub(super) const NEAR_SEGMENTS: usize = 3;

/// All words and phrases of the classes of one engine.
#[derive(Debug, Default)]
pub(super) struct Words {
    by_last: HashMap<Box<[u8]>, Vec<Phrase>, BuildHasherDefault<WordHasher>>,
    /// A bit for the first three letters: rules most words out.
    sieve: Vec<u64>,
    /// A bit for the length and the first eight letters: rules the rest out, nearly always.
    known: Vec<u64>,
    /// A bit for a hash of the first four letters.
    fourth: Vec<u64>,
    /// Whether some word begins with a digit.
    digits: bool,
    /// Whether a word before the last of some phrase has one.
    digits_before: bool,
}

#[derive(Debug)]
struct Phrase {
    /// The words before the last, nearest first.
    before: Vec<Box<[u8]>>,
    classes: ClassSet,
}

/// What was masked last before a candidate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Previous {
    pub(super) start: usize,
    pub(super) end: usize,
    /// What it names: nothing where masking left no name.
    pub(super) classes: ClassSet,
}

impl Previous {
    pub(super) fn new(start: usize, end: usize, class: Option<ClassId>) -> Self {
        let mut classes = ClassSet::EMPTY;
        if let Some(class) = class {
            classes.insert(class);
        }
        Self { start, end, classes }
    }

    /// The last of what is before and a part that ends no earlier. Of parts that overlap one mark is made, which names any
    /// of their classes.
    pub(super) fn with(self, before: Option<Self>) -> Self {
        match before {
            Some(before) if before.overlaps(self.start, self.end) => {
                let mut classes = self.classes;
                classes.extend(&before.classes);
                Self { start: before.start.min(self.start), end: before.end.max(self.end), classes }
            }
            Some(before) if before.end > self.end => before,
            _ => self,
        }
    }

    pub(super) fn overlaps(&self, start: usize, end: usize) -> bool {
        self.start < end && start < self.end
    }

    /// The same after the first `count` bytes of the text were let go.
    pub(super) fn after_dropping(self, count: usize) -> Option<Self> {
        let end = self.end.checked_sub(count)?;
        Some(Self { start: self.start.saturating_sub(count), end, ..self })
    }
}

/// The naming words near a place of a text.
#[derive(Debug, Default)]
pub(super) struct Near {
    /// The last of them last.
    hits: Vec<Hit>,
}

#[derive(Debug, Clone, Copy)]
struct Hit {
    start: usize,
    /// Which word of the text it is, or is part of.
    word: u32,
    named: ClassSet,
}

impl Near {
    /// Forgets the text.
    pub(super) fn clear(&mut self) {
        self.hits.clear();
    }

    /// Forgets what is no longer near.
    pub(super) fn leave_behind(&mut self, at: usize) {
        self.hits.retain(|hit| hit.start + NEAR_BYTES >= at);
    }

    /// The text's word of this number names something, at `start`.
    pub(super) fn add(&mut self, start: usize, word: u32, named: ClassSet) {
        self.hits.push(Hit { start, word, named });
    }

    /// Whether no word that was looked up last names anything.
    pub(super) fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// Adds the classes that the words name which were looked up last, wherever they count.
    pub(super) fn all(&self, named: &mut ClassSet) {
        self.hits.iter().for_each(|hit| named.extend(&hit.named));
    }

    /// Whether no word near `at` names anything; the last word up to there has the number `word`.
    pub(super) fn is_silent(&self, at: usize, word: u32) -> bool {
        self.before(at, word).next().is_none()
    }

    /// Adds the classes named near `at`; the last word up to there has the number `word`.
    pub(super) fn named(&self, at: usize, word: u32, previous: Option<Previous>, named: &mut ClassSet) {
        let previous = previous.filter(|previous| previous.end + NEAR_BYTES >= at);
        let floor = previous.map_or(0, |previous| previous.end);
        for hit in self.before(at, word).take_while(|hit| hit.start >= floor) {
            named.extend(&hit.named);
        }
        if let Some(previous) = previous {
            named.extend(&previous.classes);
        }
    }

    /// The naming words that count for a candidate, the nearest first.
    fn before(&self, at: usize, word: u32) -> impl Iterator<Item = &Hit> {
        let counts = move |hit: &&Hit| hit.start + NEAR_BYTES >= at && word.wrapping_sub(hit.word) <= NEAR_WORDS;
        self.hits.iter().rev().skip_while(move |hit| hit.start >= at).take_while(counts)
    }
}

impl Words {
    /// Adds a phrase, and the word it makes when written together.
    pub(super) fn add(&mut self, phrase: &str, class: ClassId) {
        let words: Vec<String> = phrase.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
        self.insert(&words, class);
        if words.len() > 1 {
            self.insert(&[words.concat()], class);
        }
    }

    fn insert(&mut self, words: &[String], class: ClassId) {
        let Some((last, before)) = words.split_last() else { return };
        if last.len() > MAX_WORD {
            return;
        }
        self.admit(last.as_bytes());
        self.known.resize(KNOWN / 64, 0);
        let mut begins = [0; CHUNK];
        begins.iter_mut().zip(last.bytes()).for_each(|(slot, byte)| *slot = byte);
        set(&mut self.known, known(u64::from_le_bytes(begins), last.len()));
        let before: Vec<Box<[u8]>> = before.iter().rev().take(MAX_BEFORE).map(|word| word.as_bytes().into()).collect();
        self.digits_before |= before.iter().any(|word| word.iter().any(u8::is_ascii_digit));
        let phrases = self.by_last.entry(last.as_bytes().into()).or_default();
        if let Some(phrase) = phrases.iter_mut().find(|phrase| phrase.before == before) {
            phrase.classes.insert(class);
        } else {
            let mut classes = ClassSet::EMPTY;
            classes.insert(class);
            phrases.push(Phrase { before, classes });
        }
    }

    /// Lets words with these first letters through the sieves; a short word may stand in the plural or in camel case.
    fn admit(&mut self, word: &[u8]) {
        self.digits |= word.first().is_some_and(u8::is_ascii_digit);
        self.sieve.resize(SIEVE / 64, 0);
        self.fourth.resize(SIEVE / 64, 0);
        let at = |place: usize| word.get(place).copied().map(letter);
        let any = || 0..32;
        let thirds: Vec<u8> = at(2).map_or_else(|| any().collect(), |third| vec![third]);
        for third in thirds {
            let place = sieve(at(0).unwrap_or(0), at(1).unwrap_or(0), third);
            set(&mut self.sieve, place);
            let fourths: Vec<u8> = at(3).map_or_else(|| any().collect(), |fourth| vec![fourth]);
            for fourth in fourths {
                set(&mut self.fourth, with_fourth(place, fourth));
            }
        }
    }

    /// Whether some word begins with a digit.
    pub(super) fn begin_with_digits(&self) -> bool {
        self.digits
    }

    /// Whether what a text's words name depends on digits only where one directly follows a letter.
    pub(super) fn ignore_digits(&self) -> bool {
        !self.digits && !self.digits_before
    }

    /// What the word that begins at `start` names, as it stands or as the first part of a camel-case word; phrases are
    /// read back a bounded way.
    #[inline]
    pub(super) fn at(&self, text: &[u8], start: usize) -> Option<ClassSet> {
        if self.may_name(text.get(start..)?) { self.at_possible(text, start) } else { None }
    }

    /// Whether the first letters are those of a word that names something: most words are told by them.
    #[inline]
    fn may_name(&self, word: &[u8]) -> bool {
        let (place, fourth) = if let [first, second, third, fourth, ..] = word {
            (sieve(letter(*first), letter(*second), letter(*third)), letter(*fourth))
        } else {
            let at = |place: usize| word.get(place).copied().map_or(0, letter);
            (sieve(at(0), at(1), at(2)), at(3))
        };
        is_set(&self.sieve, place) && is_set(&self.fourth, with_fourth(place, fourth))
    }

    /// What the word names that may name something.
    #[inline(never)]
    fn at_possible(&self, text: &[u8], start: usize) -> Option<ClassSet> {
        let rest = text.get(start..)?;
        let measured = Measured::of(rest);
        let word = rest.get(..measured.length)?;
        let floor = start.saturating_sub(PHRASE_BYTES);
        let mut named = ClassSet::EMPTY;
        self.look_up(text, floor, start, word, measured.begins, &mut named);
        if let Some(part) = word.get(..measured.part).filter(|part| part.len() < word.len()) {
            self.look_up(text, floor, start, part, measured.begins, &mut named);
        }
        (!named.is_empty()).then_some(named)
    }

    /// Classes named by the innermost segments of a path.
    pub(super) fn in_path(&self, path: &Path<'_>, marks: &Marks) -> ClassSet {
        let mut named = ClassSet::EMPTY;
        for segment in path.iter().rev().take(NEAR_SEGMENTS) {
            let text = segment.as_bytes();
            let mut start = 0;
            while let Some(skipped) = text.get(start..).and_then(|rest| rest.iter().position(u8::is_ascii_alphanumeric))
            {
                start += skipped;
                // A masked name names nothing: it did not before it was masked.
                if let Some((end, _)) = marks.skip(text, start) {
                    start = end;
                    continue;
                }
                if let Some(classes) = self.at(text, start) {
                    named.extend(&classes);
                }
                start += camel_part(text.get(start..).unwrap_or_default()).max(1);
            }
        }
        named
    }

    /// Adds what a word names, whose first bytes in lower case are `begins`.
    fn look_up(&self, text: &[u8], floor: usize, start: usize, word: &[u8], begins: u64, named: &mut ClassSet) {
        if is_set(&self.known, known(begins, word.len())) {
            self.look_up_exactly(text, floor, start, word, named);
        }
        if let Some(singular) = word.strip_suffix(b"s").or(word.strip_suffix(b"S"))
            && is_set(&self.known, known(begins, singular.len()))
        {
            self.look_up_exactly(text, floor, start, singular, named);
        }
    }

    fn look_up_exactly(&self, text: &[u8], floor: usize, start: usize, word: &[u8], named: &mut ClassSet) {
        let mut lower = [0; MAX_WORD];
        let Some(lower) = lower.get_mut(..word.len()) else { return };
        for (slot, byte) in lower.iter_mut().zip(word) {
            *slot = byte.to_ascii_lowercase();
        }
        let phrases = self.by_last.get(&*lower).into_iter().flatten();
        // One look at the word before rules most phrases out.
        let mut last_before = None;
        for phrase in phrases {
            let may_end = phrase.before.first().is_none_or(|wanted| {
                let before = *last_before.get_or_insert_with(|| word_before(text, floor, start));
                let last = before.and_then(|(_, end)| text.get(end.checked_sub(1)?));
                last.is_some_and(|last| wanted.last().is_some_and(|wanted| wanted.eq_ignore_ascii_case(last)))
            });
            if may_end && preceded_by(text, floor, start, &phrase.before) {
                named.extend(&phrase.classes);
            }
        }
    }
}

/// FNV-1a: the words are the configuration's, so nobody can choose them to collide.
#[derive(Debug, Clone, Copy)]
struct WordHasher(usize);

impl Default for WordHasher {
    fn default() -> Self {
        Self(HASH_BASIS)
    }
}

impl Hasher for WordHasher {
    fn finish(&self) -> u64 {
        self.0 as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash_step(hash, *byte));
    }
}

/// Bytes of a word that are looked at together.
const CHUNK: usize = 8;

/// The word that a text begins with, measured eight bytes at a time.
struct Measured {
    /// No more than [`MAX_WORD`] and one.
    length: usize,
    /// The length of its first part in camel case; its own where it is in none.
    part: usize,
    /// Its first eight bytes in lower case, and whatever is behind a shorter word.
    begins: u64,
}

impl Measured {
    fn of(text: &[u8]) -> Self {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const TOPS: u64 = ONES << 7;
        // Bytes of ASCII from `first` to `last`, by their top bits.
        let within = |bytes: u64, first: u64, last: u64| {
            let low = bytes & !TOPS;
            (low + ONES * (0x80 - first)) & !(low + ONES * (0x7F - last)) & !bytes & TOPS
        };
        let text = text.get(..MAX_WORD + 1).unwrap_or(text);
        let (mut measured, mut part) = (Self { length: 0, part: 0, begins: 0 }, None);
        let mut ends_small = 0;
        loop {
            let rest = text.get(measured.length..).unwrap_or_default();
            let bytes = u64::from_le_bytes(rest.first_chunk().copied().unwrap_or_else(|| {
                let mut padded = [0; CHUNK];
                padded.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
                padded
            }));
            let lower = bytes | ONES << 5;
            if measured.length == 0 {
                measured.begins = lower;
            }
            let letters = within(lower, 0x61, 0x7A);
            // What is a capital has no bit 5, which small letters have.
            let small = letters & bytes << 2;
            let capitals = letters & !small;
            let others = !(letters | within(bytes, 0x30, 0x39)) & TOPS;
            let here = others.trailing_zeros() / 8;
            let inner = capitals & (small << 8 | ends_small);
            if part.is_none() && inner != 0 && inner.trailing_zeros() / 8 < here {
                part = Some(measured.length + usize::try_from(inner.trailing_zeros() / 8).unwrap_or(0));
            }
            measured.length += usize::try_from(here).unwrap_or(0);
            if others != 0 || measured.length > MAX_WORD {
                break;
            }
            ends_small = small >> (64 - 8);
        }
        measured.part = part.unwrap_or(measured.length);
        measured
    }
}

/// The place of a word of some length, of whose first bytes in lower case more may be told than it has.
fn known(begins: u64, length: usize) -> usize {
    let beyond = u32::try_from(CHUNK.saturating_sub(length) * 8).unwrap_or(0);
    let begins = begins.checked_shl(beyond).unwrap_or(0);
    let mixed = (begins ^ length as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from(mixed >> (64 - KNOWN.trailing_zeros())).unwrap_or(0)
}

/// Places for the beginnings of words.
const KNOWN: usize = 1 << 16;

/// FNV-1a's first value; [`hash_step`] takes one more byte in.
pub(super) const HASH_BASIS: usize = 0xCBF2_9CE4_8422_2325;

pub(super) fn hash_step(hash: usize, byte: u8) -> usize {
    let mixed = (hash ^ usize::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    // The low bits decide: let the high ones have a say.
    mixed ^ (mixed >> 29)
}

/// Places of the sieve.
const SIEVE: usize = 1 << 15;

/// The place of three letters, each by [`letter`].
fn sieve(first: u8, second: u8, third: u8) -> usize {
    usize::from(first) << 10 | usize::from(second) << 5 | usize::from(third)
}

/// The place of a fourth letter after three others.
fn with_fourth(place: usize, fourth: u8) -> usize {
    (place.wrapping_mul(33) ^ usize::from(fourth).wrapping_mul(1117)) % SIEVE
}

fn set(bits: &mut [u64], place: usize) {
    if let Some(word) = bits.get_mut(place / 64) {
        *word |= 1 << (place % 64);
    }
}

fn is_set(bits: &[u64], place: usize) -> bool {
    bits.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
}

/// A letter or digit in five bits, whatever its case (some digits share theirs with a letter); 0 for anything else.
fn letter(byte: u8) -> u8 {
    LETTERS.get(usize::from(byte)).copied().unwrap_or(0)
}

#[expect(clippy::indexing_slicing, reason = "the compiler reckons it")]
const LETTERS: [u8; 256] = {
    let (mut letters, mut byte) = ([0; 256], 0_u8);
    loop {
        letters[byte as usize] = if byte.is_ascii_alphanumeric() { byte & 31 } else { 0 };
        if byte == u8::MAX {
            break letters;
        }
        byte += 1;
    }
};

/// The length of the first part of a word in camel case; the whole word where it is in none.
fn camel_part(word: &[u8]) -> usize {
    let word = word.get(..word.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count()).unwrap_or_default();
    let edge = |pair: &[u8]| matches!(pair, [left, right] if left.is_ascii_lowercase() && right.is_ascii_uppercase());
    word.windows(2).position(edge).map_or(word.len(), |at| at + 1)
}

/// Whether these words stand before `at`, nearest first; parts of one camel-case word count.
fn preceded_by(text: &[u8], floor: usize, at: usize, before: &[Box<[u8]>]) -> bool {
    let mut position = at;
    before.iter().all(|wanted| {
        let Some((start, end)) = word_before(text, floor, position) else { return false };
        let start = start.max(end.saturating_sub(wanted.len()));
        let Some(part) = text.get(start..end) else { return false };
        let edge = start.checked_sub(1).and_then(|before| text.get(before));
        // A part of a longer word only where camel case begins one.
        let begins = !edge.is_some_and(u8::is_ascii_alphanumeric) || part.first().is_some_and(u8::is_ascii_uppercase);
        position = start;
        begins && part.eq_ignore_ascii_case(wanted)
    })
}

/// The last word in `floor..at`; none if it begins before `floor`.
fn word_before(text: &[u8], floor: usize, at: usize) -> Option<(usize, usize)> {
    let before = text.get(floor..at)?;
    let end = before.iter().rposition(u8::is_ascii_alphanumeric)? + 1;
    match before.get(..end)?.iter().rposition(|byte| !byte.is_ascii_alphanumeric()) {
        Some(edge) => Some((floor + edge + 1, floor + end)),
        None => match floor.checked_sub(1).and_then(|at| text.get(at)) {
            Some(byte) if byte.is_ascii_alphanumeric() => None,
            _ => Some((floor, floor + end)),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_are_measured_as_a_plain_loop_does(text in "[a-zA-Z0-9]{0,36}[@`{\\[/:_ é\u{7f}]?.{0,12}|.{0,12}") {
            let text = text.as_bytes();
            let measured = Measured::of(text);
            let length = text.iter().take(MAX_WORD + 1).take_while(|byte| byte.is_ascii_alphanumeric()).count();
            prop_assert_eq!(measured.length, length);
            prop_assert_eq!(measured.part, camel_part(&text[..length]));
            let mut begins = [0; CHUNK];
            begins.iter_mut().zip(&text[..length]).for_each(|(slot, byte)| *slot = byte.to_ascii_lowercase());
            prop_assert_eq!(known(measured.begins, length), known(u64::from_le_bytes(begins), length));
        }
    }
}
