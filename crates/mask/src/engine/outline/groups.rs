//! What the first two groups of digits of a number tell, or the letters of a word and the digits behind them: most are no
//! shape's, and their lengths and what stands behind them say so, without a walk through an outline whose every step waits
//! for the one before.
//!
//! The figures are drawn from the outlines themselves, by following all their states at once. They rule out only what no
//! outline accepts: whoever passes is looked at as before. Which digits there are makes no difference.

use std::collections::HashMap;

use super::{ANYWHERE, Matched, Outline, STATE};
use crate::class::{ClassId, ClassSet, MAX_CLASSES};
use crate::engine::End;
use crate::engine::beginnings::{ALONE, CONTEXTUAL};

/// Bytes that stand for all of a group: of a number, or of the letters that a word begins with.
pub(super) const DIGITS: &[u8] = b"01";
pub(super) const LETTERS: &[u8] = b"Aa";

/// Bytes of the first and the second group, at most: longer ones are not told apart.
const MAX_FIRST: usize = 20;
const MAX_SECOND: usize = 8;

/// Entries of a row for each kind of byte.
const SECONDS: usize = MAX_SECOND + 1;

/// Set in an entry where a shape that says enough may match.
const SAYS_ENOUGH: u16 = 1 << 15;

/// The number of a set in an entry: the classes of which shapes that need context may match. The first holds none, the
/// second all.
const SET: u16 = SAYS_ENOUGH - 1;
const NO_CLASS: u16 = 0;
const EVERY_CLASS: u16 = 1;

/// What may match, by the lengths of the groups and the bytes behind them.
#[derive(Debug)]
pub(super) struct Groups {
    /// By byte.
    kinds: Box<[u8; 256]>,
    /// Kinds of bytes, and the end of the text, which is the last.
    count: usize,
    /// By the length of the first group and the kind behind it; nothing matches where it is the first row.
    rows: Vec<u16>,
    /// By row, the digits of the second group and the kind behind it.
    entries: Vec<u16>,
    sets: Vec<ClassSet>,
    /// What may match anywhere, because no outline tells.
    untold: u16,
}

impl Groups {
    /// Follows the outlines of the shapes that say enough and of those that need context, of which the first group is made of
    /// these bytes, as far as they may stand where they begin: a bit of `edges` is set for each of [`super::ALL_EDGES`] that
    /// bears what is before.
    pub(super) fn new(alone: Option<&Outline>, contextual: Option<&Outline>, group: &[u8], edges: u8) -> Self {
        let (kinds, examples) = kinds([alone, contextual]);
        let count = examples.len() + 1;
        let mut every = ClassSet::EMPTY;
        (0..).map(ClassId).take(MAX_CLASSES).for_each(|class| every.insert(class));
        let mut drawing = Drawing {
            examples: &examples,
            group,
            edges,
            sets: vec![ClassSet::EMPTY, every],
            numbers: HashMap::from([(ClassSet::EMPTY, NO_CLASS), (every, EVERY_CLASS)]),
            rows: vec![vec![0; SECONDS * count]; (MAX_FIRST + 1) * count],
        };
        let untold =
            [(alone, SAYS_ENOUGH), (contextual, EVERY_CLASS)].into_iter().fold(0, |untold, (outline, entry)| {
                match outline {
                    Some(outline) => drawing.follow(outline, entry),
                    None => return untold | entry,
                }
                untold
            });
        let nothing = vec![0; SECONDS * count];
        let mut entries = nothing.clone();
        let mut known = HashMap::from([(nothing, 0)]);
        let number = |row: Vec<u16>| {
            *known.entry(row).or_insert_with_key(|row| {
                entries.extend_from_slice(row);
                // No more rows than first groups and kinds.
                u16::try_from(entries.len() / row.len() - 1).unwrap_or(0)
            })
        };
        let rows = drawing.rows.into_iter().map(number).collect();
        Self { kinds, count, rows, entries, sets: drawing.sets, untold }
    }

    /// Of which tiers shapes may match at `at`, and of which classes those that need context; a bit of `group` is set for
    /// each byte from there on that may be of the first group, and of `digits` for each that is a digit.
    #[inline]
    pub(super) fn may_match(&self, text: &[u8], at: usize, group: u64, digits: u64, end: End) -> (u8, &ClassSet) {
        let entry = self.entry(text, at, group, digits, end).unwrap_or(SAYS_ENOUGH | EVERY_CLASS) | self.untold;
        let alone = if entry & SAYS_ENOUGH != 0 { ALONE } else { 0 };
        let contextual = if entry & SET == NO_CLASS { 0 } else { CONTEXTUAL };
        (alone | contextual, self.sets.get(usize::from(entry & SET)).unwrap_or(&ClassSet::EMPTY))
    }

    /// None where it cannot be told.
    #[inline]
    fn entry(&self, text: &[u8], at: usize, group: u64, digits: u64, end: End) -> Option<u16> {
        let first = usize::try_from(group.trailing_ones()).ok().filter(|first| *first <= MAX_FIRST)?;
        let kind = self.kind(text, at + first, end)?;
        let row = self.rows.get(first * self.count + kind).copied().map(usize::from)?;
        if row == 0 {
            return Some(0);
        }
        let behind = digits >> (first + 1);
        let second = usize::try_from(behind.trailing_ones()).ok().filter(|second| *second <= MAX_SECOND)?;
        let kind = self.kind(text, at + first + 1 + second, end)?;
        self.entries.get((row * SECONDS + second) * self.count + kind).copied()
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        (self.rows.len() + self.entries.len()) * size_of::<u16>() + size_of_val(&*self.sets)
    }

    /// The kind of the byte at a place; of a text that goes on behind its end that is not known.
    #[inline]
    fn kind(&self, text: &[u8], at: usize, end: End) -> Option<usize> {
        match text.get(at) {
            Some(byte) => self.kinds.get(usize::from(*byte)).copied().map(usize::from),
            None => (end == End::Final).then_some(self.count - 1),
        }
    }
}

/// The kind of every byte, which no outline tells apart further unless it is a digit, and a byte of every kind.
fn kinds(outlines: [Option<&Outline>; 2]) -> (Box<[u8; 256]>, Vec<u8>) {
    let mut known = HashMap::new();
    let mut examples = Vec::new();
    let mut kinds = Box::new([0; 256]);
    for (byte, kind) in (0..=u8::MAX).zip(kinds.iter_mut()) {
        let own = |outline: &Outline| if byte.is_ascii_digit() { 0 } else { outline.kind(byte) };
        let told_by = outlines.map(|outline| outline.map(own));
        let told_by = (told_by, byte.is_ascii_alphanumeric(), byte.is_ascii_digit());
        *kind = *known.entry(told_by).or_insert_with(|| {
            examples.push(byte);
            // No more kinds than bytes.
            u8::try_from(examples.len() - 1).unwrap_or(0)
        });
    }
    (kinds, examples)
}

/// Rows in the making: one for each length of the first group and kind behind it.
struct Drawing<'a> {
    examples: &'a [u8],
    group: &'a [u8],
    edges: u8,
    sets: Vec<ClassSet>,
    numbers: HashMap<ClassSet, u16>,
    rows: Vec<Vec<u16>>,
}

impl Drawing<'_> {
    /// Adds what an outline tells: one bit, or the classes where the entry is made of sets.
    fn follow(&mut self, outline: &Outline, entry: u16) {
        let count = self.examples.len() + 1;
        let follower = Follower { outline, edges: self.edges, leads_to: outline.leads_to(self.edges) };
        let mut first = Reached { states: vec![outline.start], matched: ClassSet::EMPTY };
        for length in 1..=MAX_FIRST {
            first = follower.step(&first, self.group, length > 1);
            for kind in 0..count {
                let Some(mut row) = self.rows.get_mut(length * count + kind).map(std::mem::take) else { continue };
                self.draw(&follower, &first, kind, entry, &mut row);
                if let Some(slot) = self.rows.get_mut(length * count + kind) {
                    *slot = row;
                }
            }
        }
    }

    /// What may match behind a first group and a byte of a kind, by the second group and what is behind it.
    fn draw(&mut self, follower: &Follower<'_>, first: &Reached, kind: usize, entry: u16, row: &mut [u16]) {
        let Some(byte) = self.examples.get(kind).copied() else {
            let entry = self.entry(&follower.ends(first), entry);
            for slot in row {
                *slot |= entry;
            }
            return;
        };
        let is_word = byte.is_ascii_alphanumeric();
        let mut second = follower.step(first, any_digit(&byte), is_word);
        for (digits, row) in row.chunks_mut(self.examples.len() + 1).enumerate() {
            if second.states.is_empty() && second.matched.is_empty() {
                return;
            }
            let behind = digits > 0 || is_word;
            for (kind, slot) in row.iter_mut().enumerate() {
                let classes = match self.examples.get(kind) {
                    Some(next) => {
                        follower.may(&follower.step(&second, any_digit(next), behind && next.is_ascii_alphanumeric()))
                    }
                    None => follower.ends(&second),
                };
                *slot |= self.entry(&classes, entry);
            }
            second = follower.step(&second, DIGITS, behind);
        }
    }

    fn entry(&mut self, classes: &ClassSet, entry: u16) -> u16 {
        if classes.is_empty() {
            return 0;
        }
        if entry == SAYS_ENOUGH {
            return entry;
        }
        let sets = &mut self.sets;
        *self.numbers.entry(*classes).or_insert_with(|| {
            match u16::try_from(sets.len()).ok().filter(|next| *next < SET) {
                Some(next) => {
                    sets.push(*classes);
                    next
                }
                None => EVERY_CLASS,
            }
        })
    }
}

/// What a byte of a kind may be.
fn any_digit(example: &u8) -> &[u8] {
    if example.is_ascii_digit() { DIGITS } else { std::slice::from_ref(example) }
}

/// All states that some bytes lead to.
#[derive(Debug, Default)]
struct Reached {
    states: Vec<u16>,
    /// The classes that matched on the way, and that what is known of their surroundings leaves standing.
    matched: ClassSet,
}

/// Follows an outline.
struct Follower<'a> {
    outline: &'a Outline,
    edges: u8,
    /// By state, the classes that may yet match.
    leads_to: Vec<ClassSet>,
}

impl Follower<'_> {
    /// After one of some bytes; `in_word` says that it and the byte before it are letters or digits.
    fn step(&self, from: &Reached, bytes: &[u8], in_word: bool) -> Reached {
        let outline = self.outline;
        let mut reached = Reached { states: Vec::new(), matched: from.matched };
        for state in &from.states {
            for byte in bytes {
                let to = outline.to(*state, outline.kind(*byte));
                let state = to & STATE;
                // Within a word only what ends anywhere stands.
                let ends = if in_word { ANYWHERE } else { u8::MAX };
                let stands = |matched: &&Matched| matched.edges & self.edges & ends != 0;
                if let Some(matched) = outline.matched.get(usize::from(state)).filter(stands) {
                    reached.matched.extend(&outline.classes_of(*matched));
                }
                if self.leads_to.get(usize::from(state)).is_some_and(|classes| !classes.is_empty()) {
                    reached.states.push(state);
                }
            }
        }
        reached.states.sort_unstable();
        reached.states.dedup();
        reached
    }

    /// The classes that matched or may yet.
    fn may(&self, reached: &Reached) -> ClassSet {
        let mut classes = reached.matched;
        let leads_to = reached.states.iter().filter_map(|state| self.leads_to.get(usize::from(*state)));
        leads_to.for_each(|more| classes.extend(more));
        classes
    }

    /// The classes that match where the text ends, or did before.
    fn ends(&self, reached: &Reached) -> ClassSet {
        let mut classes = reached.matched;
        for state in &reached.states {
            let matched = self.outline.at_end.get(usize::from(*state));
            if let Some(matched) = matched.filter(|matched| matched.edges & self.edges != 0) {
                classes.extend(&self.outline.classes_of(*matched));
            }
        }
        classes
    }
}

impl Outline {
    fn classes_of(&self, matched: Matched) -> ClassSet {
        self.classes.get(usize::from(matched.classes)).copied().unwrap_or_default()
    }

    /// By state, the classes that match somewhere behind it with one of some edges.
    fn leads_to(&self, edges: u8) -> Vec<ClassSet> {
        let classes_of =
            |matched: Matched| if matched.edges & edges == 0 { ClassSet::EMPTY } else { self.classes_of(matched) };
        let at_end = self.at_end.iter().map(|matched| classes_of(*matched));
        let mut leads_to: Vec<ClassSet> = at_end.collect();
        let mut changed = true;
        while changed {
            changed = false;
            for (state, next) in self.next.chunks(1 << self.shift).enumerate().rev() {
                let mut classes = leads_to.get(state).copied().unwrap_or_default();
                for to in next {
                    let to = usize::from(to & STATE);
                    let matched = self.matched.get(to).copied().unwrap_or_default();
                    classes.extend(&classes_of(matched));
                    classes.extend(&leads_to.get(to).copied().unwrap_or_default());
                }
                if let Some(slot) = leads_to.get_mut(state).filter(|slot| **slot != classes) {
                    *slot = classes;
                    changed = true;
                }
            }
        }
        leads_to
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::Engine;
    use crate::selection::Selection;

    static ALL: LazyLock<Engine> = LazyLock::new(|| Engine::new(&Selection::new(["all"])).unwrap());

    /// What the number or the word tells that begins at a place.
    fn told_at(text: &str, at: usize, end: End) -> (u8, ClassSet) {
        let own = &text[at..];
        let beyond =
            if end == End::Open { u64::MAX.checked_shl(u32::try_from(own.len()).unwrap()).unwrap_or(0) } else { 0 };
        let bits =
            |is: fn(&u8) -> bool| own.bytes().take(64).rev().fold(0, |bits, byte| bits << 1 | u64::from(is(&byte)));
        let digits = bits(u8::is_ascii_digit) | beyond;
        let letters = bits(u8::is_ascii_alphabetic);
        let text = text.as_bytes();
        let (tiers, classes) = match text[at] {
            b'0'..=b'9' => ALL.outlines.of_number(text, at, digits, end),
            _ => ALL.outlines.of_word(text, at, letters, digits, end),
        };
        (tiers, *classes)
    }

    fn told(text: &str, end: End) -> (u8, ClassSet) {
        told_at(text, 0, end)
    }

    fn accepts(outline: Option<&Outline>, text: &str, at: usize, named: Option<&ClassSet>) -> bool {
        outline.is_none_or(|outline| outline.may_match(text.as_bytes(), at, End::Final, named))
    }

    #[test]
    fn most_numbers_are_told_by_their_groups() {
        for text in ["12:34", "1,", "56.123Z"] {
            assert_eq!(told(text, End::Final), (0, ClassSet::EMPTY), "{text}");
        }
        assert_eq!(told("123-45-6789", End::Final).0, ALONE | CONTEXTUAL);
        assert_eq!(told("200 took", End::Final).0, CONTEXTUAL, "a security code, if something names one");
        assert_eq!(told("12", End::Open).0, ALONE | CONTEXTUAL, "it may go on");
    }

    #[test]
    fn what_is_before_a_number_and_the_letters_of_a_word_tell_too() {
        let alone = |text: &str, at: usize| told_at(text, at, End::Final).0 & ALONE != 0;
        assert!(alone("10.123.45.67", 0));
        assert!(!alone("10.123.45.67", 3), "a part of a longer one");
        assert!(!alone("1-123-45-6789", 2));
        assert!(alone("x-123-45-6789", 2));
        for text in ["status=200 ", "because ", "len() > 4", "INFO http", "request=0f3a"] {
            assert_eq!(told(text, End::Final).1, ClassSet::EMPTY, "{text}");
        }
        assert!(!told("x1112 ", End::Final).1.is_empty(), "a driver's license, if something names one");
    }

    /// Of an open text nothing may be ruled out that it becomes.
    fn nothing_is_ruled_out(text: &str, at: usize, more: Option<&str>) -> Result<(), TestCaseError> {
        let (tiers, classes) = told_at(text, at, if more.is_some() { End::Open } else { End::Final });
        let whole = format!("{text}{}", more.unwrap_or_default());
        let (outlines, all) = (&ALL.outlines, &ALL.contextual_classes);
        let is_number = text.as_bytes()[at].is_ascii_digit();
        let contextual = if is_number { &outlines.numbers } else { &outlines.words };
        let in_context = |named: &ClassSet| accepts(contextual.as_ref(), &whole, at, Some(named));
        if is_number {
            prop_assert!(tiers & ALONE != 0 || !accepts(outlines.alone.as_ref(), &whole, at, None));
        }
        prop_assert!(tiers & CONTEXTUAL != 0 || !in_context(all));
        for id in (0..).map(ClassId).take(MAX_CLASSES).filter(|id| all.contains(*id)) {
            let mut class = ClassSet::EMPTY;
            class.insert(id);
            prop_assert!(classes.contains(id) || !in_context(&class), "{id:?}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn nothing_is_ruled_out_of_numbers_that_an_outline_accepts(
            before in "([0-9a-z]?[ ./:(-])?",
            text in "[0-9]{1,21}[ ./:_()A-Za-z,\\-]?[0-9]{0,10}[ ./:_()A-Za-z,\\-]{0,2}[0-9A-Z ./-]{0,30}",
            more in prop::option::of("[0-9A-Z ./:-]{0,12}"),
        ) {
            nothing_is_ruled_out(&format!("{before}{text}"), before.len(), more.as_deref())?;
        }

        #[test]
        fn nor_of_words(
            text in "([A-Z]{1,6}|[a-z]{1,6}|[A-Za-z]{1,24})[ ./:_A-Za-z-]?[0-9]{0,10}[ ./:_A-Za-z-]{0,2}[0-9A-Z ./-]{0,30}",
            more in prop::option::of("[0-9A-Z ./:-]{0,12}"),
        ) {
            nothing_is_ruled_out(&text, 0, more.as_deref())?;
        }
    }
}
