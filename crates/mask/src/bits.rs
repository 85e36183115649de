//! Which bytes of a block are of a kind: a bit for each byte, the first lowest.
//!
//! What rules places out at one look begins with such bits. They are made without a branch, sixteen bytes at a time.

use wide::u8x64;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// A block of bytes to ask about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block(u8x64);

impl Block {
    /// The first bytes of a text, zeros behind them where it has fewer.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        if let Some(whole) = bytes.first_chunk() {
            return Self(u8x64::new(*whole));
        }
        let mut padded = [0; BLOCK];
        if let Some(begin) = padded.get_mut(..bytes.len()) {
            begin.copy_from_slice(bytes);
        }
        Self(u8x64::new(padded))
    }

    /// Where a byte stands.
    pub(crate) fn is(&self, byte: u8) -> u64 {
        self.0.simd_eq(u8x64::splat(byte)).to_bitmask()
    }

    /// Where one of some bytes stands.
    pub(crate) fn is_any(&self, bytes: &[u8]) -> u64 {
        bytes.iter().fold(u8x64::ZERO, |any, byte| any | self.0.simd_eq(u8x64::splat(*byte))).to_bitmask()
    }

    /// Where a byte from `first` to `last` stands.
    pub(crate) fn within(&self, first: u8, last: u8) -> u64 {
        let beyond = self.0 - u8x64::splat(first);
        beyond.min(u8x64::splat(last - first)).simd_eq(beyond).to_bitmask()
    }

    /// The same with every capital a small letter; other bytes may become others.
    pub(crate) fn lowered(&self) -> Self {
        Self(self.0 | u8x64::splat(0x20))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_stand_where_the_bytes_do(text in prop::collection::vec(any::<u8>(), 0..80), byte: u8, one: u8, other: u8) {
            let block = Block::new(&text);
            let (first, last) = (one.min(other), one.max(other));
            for at in 0..BLOCK {
                let here = text.get(at).copied().unwrap_or(0);
                let bit = |bits: u64| bits >> at & 1 == 1;
                prop_assert_eq!(bit(block.is(byte)), here == byte);
                prop_assert_eq!(bit(block.is_any(&[byte, one])), here == byte || here == one);
                prop_assert_eq!(bit(block.within(first, last)), (first..=last).contains(&here));
                prop_assert_eq!(bit(block.lowered().within(b'a', b'z')), here.is_ascii_alphabetic());
            }
        }
    }
}
