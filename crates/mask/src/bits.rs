//! Which bytes of a block are of a kind: a bit for each byte, the first lowest.
//!
//! What rules places out at one look begins with such bits. They are made without a branch, sixteen bytes at a time.

use wide::u8x16;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// Bytes that are looked at together.
const PART: usize = 16;

/// Parts of a whole block.
const PARTS: usize = BLOCK / PART;

/// A block of bytes to ask about, or so many parts of its beginning: a short text has no more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<const COUNT: usize = PARTS>([u8x16; COUNT]);

impl<const COUNT: usize> Block<COUNT> {
    /// The first bytes of a text, zeros behind them where it has fewer.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let (whole, rest) = bytes.as_chunks::<PART>();
        let mut parts = [u8x16::ZERO; COUNT];
        for (part, bytes) in parts.iter_mut().zip(whole) {
            *part = u8x16::new(*bytes);
        }
        if let Some(part) = parts.get_mut(whole.len()).filter(|_| !rest.is_empty()) {
            let mut padded = [0; PART];
            if let Some(begin) = padded.get_mut(..rest.len()) {
                begin.copy_from_slice(rest);
            }
            *part = u8x16::new(padded);
        }
        Self(parts)
    }

    /// Where a byte stands.
    pub(crate) fn is(&self, byte: u8) -> u64 {
        self.bits(|part| part.simd_eq(u8x16::splat(byte)))
    }

    /// Where one of some bytes stands.
    #[inline]
    pub(crate) fn is_any<const BYTES: usize>(&self, bytes: [u8; BYTES]) -> u64 {
        self.bits(|part| is_any(part, bytes))
    }

    /// Where a byte from `first` to `last` stands.
    pub(crate) fn within(&self, first: u8, last: u8) -> u64 {
        self.bits(|part| between(part, first, last))
    }

    /// Where a byte of one of some ranges stands, each told by its first and its last.
    pub(crate) fn within_any(&self, ranges: &[(u8, u8)]) -> u64 {
        let mut found = [u8x16::ZERO; COUNT];
        for (first, last) in ranges {
            for (found, part) in found.iter_mut().zip(&self.0) {
                *found |= between(*part, *first, *last);
            }
        }
        Self(found).bits(|part| part)
    }

    /// The text with all its digits alike, if it is short.
    pub(crate) fn alike(&self) -> Option<Alike> {
        let mut parts = [u8x16::ZERO; ALIKE];
        for (slot, part) in parts.iter_mut().zip(&self.0) {
            *slot = between(*part, b'0', b'9').select(u8x16::splat(b'0'), *part);
        }
        (COUNT <= ALIKE).then_some(Alike(parts))
    }

    fn bits(&self, holds: impl Fn(u8x16) -> u8x16) -> u64 {
        let bits = self.0.iter().map(|part| u64::from(holds(*part).to_bitmask()));
        bits.zip((0_u32..).step_by(PART)).fold(0, |all, (bits, place)| all | bits << place)
    }
}

/// Parts of a text of which is told which others are like it.
const ALIKE: usize = 2;

/// A short text with all its digits alike, zeros behind it: two such texts differ in digits only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Alike([u8x16; ALIKE]);

/// Where the first of some bytes stands in a text that is expected to have one near its beginning.
#[inline]
pub(crate) fn first_of<const BYTES: usize>(text: &[u8], bytes: [u8; BYTES]) -> Option<usize> {
    let (parts, rest) = text.as_chunks::<PART>();
    for (number, part) in parts.iter().enumerate() {
        let found = is_any(u8x16::new(*part), bytes).to_bitmask();
        if found != 0 {
            return Some(number * PART + usize::try_from(found.trailing_zeros()).unwrap_or(0));
        }
    }
    let found = rest.iter().position(|byte| bytes.contains(byte))?;
    Some(parts.len() * PART + found)
}

fn is_any<const BYTES: usize>(part: u8x16, bytes: [u8; BYTES]) -> u8x16 {
    bytes.iter().fold(u8x16::ZERO, |any, byte| any | part.simd_eq(u8x16::splat(*byte)))
}

fn between(part: u8x16, first: u8, last: u8) -> u8x16 {
    let beyond = part - u8x16::splat(first);
    beyond.min(u8x16::splat(last - first)).simd_eq(beyond)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_stand_where_the_bytes_do(text in prop::collection::vec(any::<u8>(), 0..80), byte: u8, one: u8, other: u8) {
            let block = <Block>::new(&text);
            let (first, last) = (one.min(other), one.max(other));
            prop_assert_eq!(first_of(&text, [byte, one]), text.iter().position(|here| *here == byte || *here == one));
            for at in 0..BLOCK {
                let here = text.get(at).copied().unwrap_or(0);
                let bit = |bits: u64| bits >> at & 1 == 1;
                prop_assert_eq!(bit(block.is(byte)), here == byte);
                prop_assert_eq!(bit(block.is_any([byte, one])), here == byte || here == one);
                prop_assert_eq!(bit(block.within(first, last)), (first..=last).contains(&here));
                prop_assert_eq!(bit(block.within_any(&[(byte, byte), (first, last)])), here == byte || (first..=last).contains(&here));
            }
        }
    }
}
