//! What may begin with three bytes: rules most places out before an automaton is tried there.
//!
//! Two lookups: the first two bytes lead to a row that many pairs share, the third to what goes on with it.

use std::collections::HashMap;

use super::automaton::Automaton;
use super::context::Words;

/// What may begin at a place: shapes of either tier, a word that names a class.
pub(super) const ALONE: u8 = 1;
pub(super) const CONTEXTUAL: u8 = 2;
pub(super) const NAMING: u8 = 4;

/// What may begin, by the first three bytes.
#[derive(Debug)]
pub(super) struct Beginnings {
    rows_of_pairs: Box<[u16]>,
    rows: Vec<[u8; 256]>,
    /// By row, whatever the third byte is.
    any: Vec<u8>,
}

impl Beginnings {
    pub(super) fn new(alone: &Automaton, contextual: &Automaton, words: &Words) -> Self {
        let mut known = HashMap::from([([0; 256], 0)]);
        let (mut rows, mut any) = (vec![[0; 256]], vec![0]);
        let pairs = (0..=u16::MAX).map(|pair| {
            let [first, second] = pair.to_be_bytes();
            let tiers = [(ALONE, alone.after(first, second)), (CONTEXTUAL, contextual.after(first, second))];
            let naming = if words.may_begin(first, second) { NAMING } else { 0 };
            if naming == 0 && tiers.iter().all(|(_, state)| state.is_none()) {
                return 0;
            }
            let mut row = [naming; 256];
            for (third, slot) in (0..=u8::MAX).zip(&mut row) {
                for (tier, automaton) in [(&tiers[0], alone), (&tiers[1], contextual)] {
                    *slot |= if tier.1.is_some_and(|state| automaton.goes_on(state, third)) { tier.0 } else { 0 };
                }
            }
            *known.entry(row).or_insert_with(|| {
                rows.push(row);
                any.push(row.iter().fold(0, |any, tiers| any | tiers));
                // No more rows than pairs.
                u16::try_from(rows.len() - 1).unwrap_or(0)
            })
        });
        let rows_of_pairs = pairs.collect();
        Self { rows_of_pairs, rows, any }
    }

    /// What may begin with these bytes; a text may end after two.
    pub(super) fn of(&self, first: u8, second: u8, third: Option<u8>) -> u8 {
        let pair = usize::from(u16::from_be_bytes([first, second]));
        let row = self.rows_of_pairs.get(pair).copied().map_or(0, usize::from);
        match third {
            Some(third) => self.rows.get(row).and_then(|row| row.get(usize::from(third))).copied().unwrap_or(0),
            None => self.any.get(row).copied().unwrap_or(0),
        }
    }

    /// Whether a shape may begin with this byte.
    pub(super) fn opens(&self, first: u8) -> bool {
        (0..=u8::MAX).any(|second| self.of(first, second, None) & (ALONE | CONTEXTUAL) != 0)
    }
}
