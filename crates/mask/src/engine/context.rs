//! Words that name a class: before a candidate in its text, and in the keys or column names that lead to it.
//!
//! Text is read backwards from the candidate, a few words at most, and never past something already masked: what was
//! masked names its own class instead. So masking a masked text again finds no word that was not near before.

use std::collections::HashMap;

use super::marks::Marks;
use crate::class::{ClassId, ClassSet};

/// Words read before a candidate; Presidio reads five tokens.
const NEAR_WORDS: usize = 5;

/// Bytes read before a candidate, at most.
pub(super) const NEAR_BYTES: usize = 96;

/// Words longer than this name nothing.
const MAX_WORD: usize = 32;

/// Words of a phrase before its last.
const MAX_BEFORE: usize = 3;

/// The names that lead to a text, outermost first: JSON keys, or schema, table and column.
pub type Path<'a> = [&'a str];

/// Path segments that count, from the innermost.
const NEAR_SEGMENTS: usize = 3;

/// All words and phrases of the classes of one engine.
#[derive(Debug, Default)]
pub(super) struct Words {
    by_last: HashMap<Box<[u8]>, Vec<Phrase>>,
    /// A word's length and its first and last letter: rules most words out.
    sieve: Vec<bool>,
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
    pub(super) end: usize,
    pub(super) class: ClassId,
}

/// The last words of a text that were looked up, so that none is looked up twice.
#[derive(Debug, Default)]
pub(super) struct Near {
    /// The last of them last.
    words: Vec<NearWord>,
    /// Where the last of them ends.
    upto: usize,
}

#[derive(Debug, Clone, Copy)]
struct NearWord {
    start: usize,
    named: ClassSet,
    /// A mark: nothing before it is read.
    mark: bool,
}

impl Near {
    /// Forgets the text.
    pub(super) fn clear(&mut self) {
        self.words.clear();
        self.upto = 0;
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
        if self.sieve.is_empty() {
            self.sieve = vec![false; SIEVE];
        }
        if let Some(slot) = self.sieve.get_mut(sieve(last.as_bytes())) {
            *slot = true;
        }
        let before: Vec<Box<[u8]>> = before.iter().rev().take(MAX_BEFORE).map(|word| word.as_bytes().into()).collect();
        let phrases = self.by_last.entry(last.as_bytes().into()).or_default();
        if let Some(phrase) = phrases.iter_mut().find(|phrase| phrase.before == before) {
            phrase.classes.insert(class);
        } else {
            let mut classes = ClassSet::EMPTY;
            classes.insert(class);
            phrases.push(Phrase { before, classes });
        }
    }

    /// Classes named by the words before `at`, which does not lie before the place last asked for by much: candidates
    /// come in order.
    pub(super) fn before(
        &self,
        text: &[u8],
        at: usize,
        previous: Option<Previous>,
        marks: &Marks,
        near: &mut Near,
    ) -> ClassSet {
        let from = at.saturating_sub(NEAR_BYTES);
        if at < near.upto {
            near.clear();
        }
        // Words not looked up yet, the nearest first.
        let mut fresh = [None; NEAR_WORDS];
        let mut position = at;
        for slot in &mut fresh {
            let Some((start, end)) = word_before(text, from.max(near.upto), position) else { break };
            let mut named = ClassSet::EMPTY;
            let mark = marks.around(text, start, end);
            match mark {
                Some(class) => named.extend(&class),
                None => self.look_up(text, start.saturating_sub(NEAR_BYTES), start, end, &mut named),
            }
            *slot = Some((NearWord { start, named, mark: mark.is_some() }, end));
            position = start;
        }
        for (word, end) in fresh.into_iter().flatten().rev() {
            if near.words.len() == NEAR_WORDS {
                near.words.remove(0);
            }
            near.words.push(word);
            near.upto = end;
        }
        let barrier = previous.filter(|previous| previous.end >= from);
        let floor = barrier.map_or(from, |previous| previous.end);
        let mut named = ClassSet::EMPTY;
        let mut words = 0;
        for word in near.words.iter().rev().take_while(|word| word.start >= floor) {
            words += 1;
            named.extend(&word.named);
            if word.mark {
                return named;
            }
        }
        if let Some(previous) = barrier.filter(|_| words < NEAR_WORDS) {
            named.insert(previous.class);
        }
        named
    }

    /// Classes named by the innermost segments of a path.
    pub(super) fn in_path(&self, path: &Path<'_>) -> ClassSet {
        let mut named = ClassSet::EMPTY;
        for segment in path.iter().rev().take(NEAR_SEGMENTS) {
            let segment = segment.as_bytes();
            let mut position = segment.len();
            while let Some((start, end)) = word_before(segment, 0, position) {
                self.look_up(segment, 0, start, end, &mut named);
                position = start;
            }
        }
        named
    }

    /// A word as it stands; and its parts when it is written in camel case.
    fn look_up(&self, text: &[u8], floor: usize, start: usize, end: usize, named: &mut ClassSet) {
        self.look_up_part(text, floor, start, end, named);
        let Some(word) = text.get(start..end) else { return };
        let mut part_end = end;
        for (offset, pair) in word.windows(2).enumerate().rev() {
            let [left, right] = pair else { continue };
            if right.is_ascii_uppercase() && left.is_ascii_lowercase() {
                self.look_up_part(text, floor, start + offset + 1, part_end, named);
                part_end = start + offset + 1;
            }
        }
        if part_end != end {
            self.look_up_part(text, floor, start, part_end, named);
        }
    }

    fn look_up_part(&self, text: &[u8], floor: usize, start: usize, end: usize, named: &mut ClassSet) {
        let Some(word) = text.get(start..end).filter(|word| word.len() <= MAX_WORD) else { return };
        let mut lower = [0; MAX_WORD];
        for (slot, byte) in lower.iter_mut().zip(word) {
            *slot = byte.to_ascii_lowercase();
        }
        let singular = word.len().saturating_sub(1);
        let mut candidates = [lower.get(..word.len()), None];
        if lower.get(singular) == Some(&b's') {
            candidates = [candidates[0], lower.get(..singular)];
        }
        for word in candidates.into_iter().flatten() {
            if !self.sieve.get(sieve(word)).is_some_and(|known| *known) {
                continue;
            }
            for phrase in self.by_last.get(word).into_iter().flatten() {
                if preceded_by(text, floor, start, &phrase.before) {
                    named.extend(&phrase.classes);
                }
            }
        }
    }
}

const SIEVE: usize = 1 << 14;

/// A place in the sieve, by the length, the first two letters and the last of a lower-case word.
fn sieve(word: &[u8]) -> usize {
    let at = |place: usize| usize::from(word.get(place).copied().unwrap_or(0) & 31);
    let last = at(word.len().saturating_sub(1));
    (at(0) << 9 ^ at(1) << 5 ^ last ^ word.len() << 11) % SIEVE
}

/// Whether these words stand before `at`, nearest first; parts of one camel-case word count.
fn preceded_by(text: &[u8], floor: usize, at: usize, before: &[Box<[u8]>]) -> bool {
    let mut position = at;
    before.iter().all(|wanted| {
        let Some((start, end)) = word_before(text, floor, position) else { return false };
        let Some(word) = text.get(start..end) else { return false };
        let start = if word.len() > wanted.len() { end - wanted.len() } else { start };
        let Some(part) = text.get(start..end) else { return false };
        // A part of a longer word only where camel case begins one.
        let begins = word.len() == part.len() || part.first().is_some_and(u8::is_ascii_uppercase);
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
