//! What may begin with three bytes: rules most places out before an automaton is tried there.
//!
//! Bytes that nothing tells apart are one kind. The kinds of the first two bytes lead to a row that many pairs share,
//! the third one's to what goes on with it: some ten kilobytes in all, which stay in the nearest cache.

use std::collections::HashMap;

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
                        *slot |= if automaton.after(cache, state, *third).is_some() { *tier } else { 0 };
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
        let mut all = Self { kinds, count, rows, begins, any, free: Box::new([0; SIEVE / 32]) };
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
