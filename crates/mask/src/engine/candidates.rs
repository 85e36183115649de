//! The places of a block at which shapes may begin: one kind of place after the other, so that what is decided at one is
//! seldom a surprise at the next.

use super::beginnings::{ALONE, CONTEXTUAL, without_digits};
use super::starts::Places;
use super::{End, Engine};
use crate::class::ClassSet;

/// Places of a block, a bit for each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Candidates {
    /// Shapes that need no context.
    pub(super) alone: u64,
    /// Shapes that need some.
    pub(super) contextual: u64,
    /// Shapes that may follow a letter.
    pub(super) glued: u64,
    /// Where a shape that needs no context could begin, had its outline not been asked.
    pub(super) outlined: u64,
}

impl Candidates {
    /// The same without what the outlines of shapes that need no context rule out in a whole text of one block.
    pub(super) fn sifted(mut self, engine: &Engine, text: &[u8]) -> Self {
        for at in places_of(self.alone).filter(|at| !engine.outlines.may_be_alone(text, *at, End::Final)) {
            self.outlined |= 1 << at;
        }
        self.alone ^= self.outlined;
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.alone | self.contextual | self.glued == 0
    }
}

impl Engine {
    /// Where in the block that begins at `block_at` shapes may begin; `behind` are the places of the block behind it, and
    /// `near` those with a digit near.
    #[inline]
    pub(super) fn candidates(
        &self,
        text: &[u8],
        block_at: usize,
        places: &Places,
        behind: &Places,
        near: u64,
        end: End,
    ) -> Candidates {
        let all = places.words | places.opening | places.escaped;
        let digits = all & places.digits;
        let digits_from = |lowest: u64| places.digits_from(lowest.trailing_zeros(), behind);
        let of_number =
            |lowest: u64| self.outlines.of_number(text, place(block_at, lowest), digits_from(lowest), end).0;
        let of_glued = |lowest: u64| self.outlines.of_glued(text, place(block_at, lowest), digits_from(lowest), end);
        let (alone, contextual) = if digits == 0 { (0, 0) } else { of_each::<1>(digits, of_number) };
        let behind_letters = places.glued(behind);
        let glued = if behind_letters == 0 { 0 } else { of_each::<1>(behind_letters, of_glued).0 };
        let quiet = all & !near;
        let may_be_free = |lowest: u64| {
            let first = text.get(place(block_at, lowest)..).and_then(<[u8]>::first_chunk);
            u8::from(first.is_none_or(|first| self.begins.may_be_free(*first)))
        };
        let is_one = quiet & quiet.wrapping_sub(1) == 0;
        let (free, _) = if is_one { of_each::<1>(quiet, may_be_free) } else { of_each::<8>(quiet, may_be_free) };
        let (words_alone, words_contextual) = of_each::<2>((all & near & !digits) | free, |lowest| {
            let at = place(block_at, lowest);
            let tiers = if near & lowest != 0 {
                self.begins(text, at) & (ALONE | CONTEXTUAL)
            } else if self.begins.may_go_on_free(text.get(at..).unwrap_or_default()) {
                without_digits(self.begins(text, at))
            } else {
                0
            };
            if tiers == 0 || !places.is_letter(lowest) {
                return tiers;
            }
            tiers & self.of_word(text, block_at, lowest, places, behind, end).0
        });
        let (alone, contextual) = (alone | words_alone, contextual | words_contextual);
        Candidates { alone, contextual, glued, outlined: 0 }
    }

    /// The classes that may match in context at a place of a block.
    #[inline(never)]
    pub(super) fn in_context(
        &self,
        text: &[u8],
        block_at: usize,
        lowest: u64,
        places: &Places,
        behind: &Places,
        end: End,
    ) -> &ClassSet {
        if places.digits & lowest != 0 {
            let digits = places.digits_from(lowest.trailing_zeros(), behind);
            self.outlines.of_number(text, place(block_at, lowest), digits, end).1
        } else if places.is_letter(lowest) {
            self.of_word(text, block_at, lowest, places, behind, end).1
        } else {
            &self.contextual_classes
        }
    }

    /// Of which tiers shapes may match at a place of a block where a letter is, and of which classes those that need context.
    #[inline]
    fn of_word(
        &self,
        text: &[u8],
        block_at: usize,
        lowest: u64,
        places: &Places,
        behind: &Places,
        end: End,
    ) -> (u8, &ClassSet) {
        let bit = lowest.trailing_zeros();
        let (letters, digits) = (places.letters_from(bit, behind), places.digits_from(bit, behind));
        self.outlines.of_word(text, place(block_at, lowest), letters, digits, end)
    }

    /// Whether what may begin at a place that is no digit stays the same with any digits in the place of those there.
    pub(super) fn begins_alike(&self, text: &[u8], at: usize) -> bool {
        let Some([first, second, rest @ ..]) = text.get(at..) else { return true };
        let any = |byte: u8| if byte.is_ascii_digit() { b'0'..=b'9' } else { byte..=byte };
        let begins = self.begins(text, at);
        let of = |second, third| self.begins.of(*first, second, third) == begins;
        any(*second).all(|second| match rest.first() {
            Some(third) => any(*third).all(|third| of(second, Some(third))),
            None => of(second, None),
        })
    }

    /// What may begin with the bytes at `at`; a single one is not enough.
    fn begins(&self, text: &[u8], at: usize) -> u8 {
        match text.get(at..) {
            Some([first, second, rest @ ..]) => self.begins.of(*first, *second, rest.first().copied()),
            _ => 0,
        }
    }
}

/// The places of some bits.
pub(super) fn places_of(bits: u64) -> impl Iterator<Item = usize> {
    let mut left = bits;
    std::iter::from_fn(move || {
        let lowest = left & left.wrapping_neg();
        left ^= lowest;
        (lowest != 0).then(|| place(0, lowest))
    })
}

/// The place in a text of the lowest bit of a block.
pub(super) fn place(block_at: usize, lowest: u64) -> usize {
    block_at + usize::try_from(lowest.trailing_zeros()).unwrap_or(0)
}

/// Of some bits those at which shapes that need no context may begin, and those at which others may. So many are asked
/// about at a time, whether there are as many or not: that costs less than a loop whose end nobody foresees.
#[inline]
fn of_each<const AT_ONCE: usize>(bits: u64, tiers: impl Fn(u64) -> u8) -> (u64, u64) {
    let (mut left, mut alone, mut contextual) = (bits, 0, 0);
    while left != 0 {
        for _ in 0..AT_ONCE {
            let lowest = left & left.wrapping_neg();
            left ^= lowest;
            let tiers = tiers(lowest);
            alone |= lowest & 0_u64.wrapping_sub(u64::from(tiers & ALONE));
            contextual |= lowest & 0_u64.wrapping_sub(u64::from(tiers & CONTEXTUAL != 0));
        }
    }
    (alone, contextual)
}
