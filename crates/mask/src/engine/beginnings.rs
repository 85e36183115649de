//! What may begin with three bytes: rules most places out before an automaton is tried there.
//!
//! Bytes that nothing tells apart are one kind. The kinds of the first two bytes lead to a row that many pairs share,
//! the third one's to what goes on with it: some ten kilobytes in all, which stay in the nearest cache.

use std::collections::HashMap;

use regex_automata::hybrid::dfa::Cache;

use super::automaton::{Automaton, State};
use super::caches::{Caches, Tiers};

/// What may begin at a place: shapes of either tier.
pub(super) const ALONE: u8 = 1;
pub(super) const CONTEXTUAL: u8 = 2;
/// The same for shapes that can do without a digit near their beginning ([`super::digits`]).
const ALONE_FREE: u8 = 8;
const CONTEXTUAL_FREE: u8 = 16;

/// Takes away what needs a digit.
pub(super) fn without_digits(begins: u8) -> u8 {
    (begins & (ALONE_FREE | CONTEXTUAL_FREE)) >> 3
}

/// What may begin, by the first three bytes.
#[derive(Debug)]
pub(super) struct Beginnings {
    kinds: Box<[u8; 256]>,
    /// How many kinds there are.
    count: usize,
    /// By the kinds of two bytes.
    rows: Vec<u16>,
    /// By row and the kind of the third byte.
    begins: Vec<u8>,
    /// By row, whatever the third byte is.
    any: Vec<u8>,
    /// A bit for each [`sieve`] of the shapes that can do without a digit.
    free: Box<[u32; SIEVE / 32]>,
    /// A bit for the [`hash`] of five bytes without a digit with which such a shape begins, a small letter first.
    fives: Box<[u64; FIVES / 64]>,
    /// By the lowest bits of the first byte, a bit for each second one behind which such a shape ends already.
    twos: [u32; 32],
}

impl Beginnings {
    /// `free` are those of the shapes that can do without a digit near their beginning.
    pub(super) fn new(tiers: &Tiers, free: &Tiers, caches: &mut Caches) -> Self {
        let (kinds, examples) = kinds(tiers);
        let count = examples.len();
        let mut known = HashMap::from([(vec![0; count], 0)]);
        let (mut begins, mut any) = (vec![0; count], vec![0]);
        let mut rows = Vec::with_capacity(count * count);
        let mut of_free = Caches::of(free);
        let mut fives = Fives::new(&kinds);
        let mut tiers = [
            (ALONE, &tiers.alone, &mut caches.alone),
            (CONTEXTUAL, &tiers.contextual, &mut caches.contextual),
            (ALONE_FREE, &free.alone, &mut of_free.alone),
            (CONTEXTUAL_FREE, &free.contextual, &mut of_free.contextual),
        ];
        for first in &examples {
            for second in &examples {
                let mut row = vec![0; count];
                for (tier, automaton, cache) in &mut tiers {
                    let Some(state) = automaton.start(cache) else { continue };
                    let Some(state) = automaton.after(cache, state, *first) else { continue };
                    let Some(state) = automaton.after(cache, state, *second) else { continue };
                    for (third, slot) in examples.iter().zip(&mut row) {
                        let Some(state) = automaton.after(cache, state, *third) else { continue };
                        *slot |= *tier;
                        if without_digits(*tier) != 0 {
                            fives.add([*first, *second, *third], *tier, automaton, cache, state);
                        }
                    }
                }
                rows.push(*known.entry(row).or_insert_with_key(|row| {
                    begins.extend_from_slice(row);
                    any.push(row.iter().fold(0, |any, tiers| any | tiers));
                    // No more rows than pairs of kinds.
                    u16::try_from(any.len() - 1).unwrap_or(0)
                }));
            }
        }
        let (fives, twos) = (fives.known, fives.twos);
        let mut all = Self { kinds, count, rows, begins, any, free: Box::new([0; SIEVE / 32]), fives, twos };
        let thirds: Vec<u32> = all.begins.chunks(count).map(|row| all.thirds(row)).collect();
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let row = all.row(first, second);
                if let (Some(slot), Some(thirds)) = (all.free.get_mut(sieve([first, second, 0]) / 32), thirds.get(row))
                {
                    *slot |= thirds;
                }
            }
        }
        all
    }

    /// A bit for each third letter with which a shape of a row goes on that can do without a digit.
    fn thirds(&self, row: &[u8]) -> u32 {
        let free = |byte: u8| row.get(self.kind(byte)).is_some_and(|begins| without_digits(*begins) != 0);
        (0..=u8::MAX).filter(|byte| free(*byte)).fold(0, |thirds, byte| thirds | 1 << (byte & 31))
    }

    /// Whether a shape that can do without a digit may begin with these bytes.
    pub(super) fn may_be_free(&self, bytes: [u8; 3]) -> bool {
        let place = sieve(bytes);
        self.free.get(place / 32).is_some_and(|thirds| thirds >> (place % 32) & 1 == 1)
    }

    /// Whether one may begin as a text does without a digit near: five bytes tell more than the three that
    /// [`Self::may_be_free`] knows.
    pub(super) fn may_go_on_free(&self, text: &[u8]) -> bool {
        let Some(bytes) = text.first_chunk().filter(|bytes| bytes[0].is_ascii_lowercase()) else { return true };
        let place = hash(*bytes);
        let twos = self.twos.get(usize::from(bytes[0] & 31));
        if twos.is_some_and(|seconds| seconds >> (bytes[1] & 31) & 1 == 1) {
            return true;
        }
        self.fives.get(place / 64).is_some_and(|known| known >> (place % 64) & 1 == 1)
    }

    /// What may begin with these bytes; a text may end after two.
    pub(super) fn of(&self, first: u8, second: u8, third: Option<u8>) -> u8 {
        let row = self.row(first, second);
        match third {
            Some(third) => self.begins.get(row * self.count + self.kind(third)).copied().unwrap_or(0),
            None => self.any.get(row).copied().unwrap_or(0),
        }
    }

    fn row(&self, first: u8, second: u8) -> usize {
        self.rows.get(self.kind(first) * self.count + self.kind(second)).copied().map_or(0, usize::from)
    }

    fn kind(&self, byte: u8) -> usize {
        self.kinds.get(usize::from(byte)).copied().map_or(0, usize::from)
    }

    /// Whether a shape may begin with this byte.
    pub(super) fn opens(&self, first: u8) -> bool {
        (0..=u8::MAX).any(|second| self.of(first, second, None) & (ALONE | CONTEXTUAL) != 0)
    }
}

/// Places of the sieve.
const SIEVE: usize = 1 << 16;

/// The place of three bytes: letters whatever their case but for the first one's, and what shares their lowest bits.
fn sieve([first, second, third]: [u8; 3]) -> usize {
    usize::from(first & 63) << 10 | usize::from(second & 31) << 5 | usize::from(third & 31)
}

/// Places for the first five bytes of shapes.
const FIVES: usize = 1 << 16;

/// The place of five bytes: what shares their lowest bits has the same.
fn hash(bytes: [u8; 5]) -> usize {
    let all = bytes.iter().fold(0_u32, |all, byte| all << 5 | u32::from(byte & 31));
    usize::try_from(all.wrapping_mul(0x85EB_CA6B) >> (32 - FIVES.trailing_zeros())).unwrap_or(0)
}

/// A byte, and the state that it leads to unless anything may follow it.
#[derive(Debug, Clone, Copy)]
struct Lead {
    byte: u8,
    to: Option<State>,
}

/// The first five bytes of shapes, in the making.
struct Fives<'k> {
    kinds: &'k [u8; 256],
    /// By kind, its bytes without digits: a text that has one near is not asked about.
    bytes: Vec<Vec<u8>>,
    /// By tier and state, the bytes that lead on and the states that they lead to.
    leads: HashMap<(u8, State), Vec<Lead>>,
    known: Box<[u64; FIVES / 64]>,
    twos: [u32; 32],
}

impl<'k> Fives<'k> {
    fn new(kinds: &'k [u8; 256]) -> Self {
        let mut bytes: Vec<Vec<u8>> = Vec::new();
        for (byte, kind) in (0..=u8::MAX).zip(kinds) {
            bytes.resize(bytes.len().max(usize::from(*kind) + 1), Vec::new());
            if let Some(bytes) = bytes.get_mut(usize::from(*kind)).filter(|_| !byte.is_ascii_digit()) {
                bytes.push(byte);
            }
        }
        Self { kinds, bytes, leads: HashMap::new(), known: Box::new([0; FIVES / 64]), twos: [0; 32] }
    }

    /// A shape of a tier begins with three bytes of the kinds of these, which lead to a state.
    fn add(&mut self, begin: [u8; 3], tier: u8, automaton: &Automaton, cache: &mut Cache, state: State) {
        let [mut firsts, seconds, thirds] = begin.map(|byte| self.alike(byte));
        firsts.retain(u8::is_ascii_lowercase);
        if firsts.is_empty() {
            return;
        }
        if Automaton::has_ended(state) {
            for first in firsts {
                if let Some(twos) = self.twos.get_mut(usize::from(first & 31)) {
                    *twos |= seconds.iter().fold(0, |all, second| all | 1 << (second & 31));
                }
            }
            return;
        }
        for fourth in self.leads(tier, automaton, cache, Some(state)) {
            for fifth in self.leads(tier, automaton, cache, fourth.to) {
                let begins = firsts.iter().flat_map(|first| seconds.iter().map(move |second| (*first, *second)));
                for (first, second) in begins {
                    for third in &thirds {
                        let place = hash([first, second, *third, fourth.byte, fifth.byte]);
                        if let Some(known) = self.known.get_mut(place / 64) {
                            *known |= 1 << (place % 64);
                        }
                    }
                }
            }
        }
    }

    /// All bytes of the kind of one that differ in their lowest bits.
    fn alike(&self, byte: u8) -> Vec<u8> {
        let kind = self.kinds.get(usize::from(byte)).copied().unwrap_or(0);
        let mut bytes = self.bytes.get(usize::from(kind)).cloned().unwrap_or_default();
        bytes.dedup_by_key(|byte| *byte & 31);
        bytes
    }

    /// What leads on from a state: anything where a shape ended before it.
    fn leads(&mut self, tier: u8, automaton: &Automaton, cache: &mut Cache, state: Option<State>) -> Vec<Lead> {
        let Some(state) = state.filter(|state| !Automaton::has_ended(*state)) else {
            return (0..32).map(|byte| Lead { byte, to: None }).collect();
        };
        if let Some(leads) = self.leads.get(&(tier, state)) {
            return leads.clone();
        }
        let mut leads = Vec::new();
        for bytes in &self.bytes {
            let to = bytes.first().and_then(|byte| automaton.after(cache, state, *byte));
            if to.is_some() {
                leads.extend(bytes.iter().map(|byte| Lead { byte: *byte, to }));
            }
        }
        self.leads.insert((tier, state), leads.clone());
        leads
    }
}

/// The kind of every byte, and a byte of every kind.
fn kinds(tiers: &Tiers) -> (Box<[u8; 256]>, Vec<u8>) {
    let mut known = HashMap::new();
    let mut examples = Vec::new();
    let mut kinds = Box::new([0; 256]);
    for (byte, kind) in (0..=u8::MAX).zip(kinds.iter_mut()) {
        let told_by = (tiers.alone.class_of(byte), tiers.contextual.class_of(byte));
        *kind = *known.entry(told_by).or_insert_with(|| {
            examples.push(byte);
            // No more kinds than bytes.
            u8::try_from(examples.len() - 1).unwrap_or(0)
        });
    }
    (kinds, examples)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::engine::Engine;
    use crate::selection::Selection;

    static DEFAULT: LazyLock<Engine> = LazyLock::new(|| Engine::new(&Selection::new(["default"])).unwrap());

    #[test]
    fn five_bytes_tell_words_from_shapes_that_begin_as_they_do() {
        let known: u32 = DEFAULT.begins.fives.iter().map(|known| known.count_ones()).sum();
        assert!(usize::try_from(known).unwrap() < FIVES / 4, "{known} leave too few places free");
        for text in [
            "shippo_live_",
            "sk-proj",
            "authress_1",
            "be:ca:fe:aa:bb:cc",
            "https://x",
            "mmkAB",
            "npm_x",
            "xoxa-",
            "eyJhb",
            "s.abc",
        ] {
            assert!(DEFAULT.begins.may_go_on_free(text.as_bytes()), "{text}");
        }
        for text in ["shipment", "because", "closed", "http.server", "auth.session"] {
            assert!(!DEFAULT.begins.may_go_on_free(text.as_bytes()), "{text}");
        }
    }
}
