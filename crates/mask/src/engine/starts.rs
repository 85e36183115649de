//! Where words begin: a bit for each byte of a block, eight bytes at a time.
//!
//! Scanning is bound by this pass where a text holds nothing of interest, so it has no branch per byte.

/// Bytes of a block.
pub(super) const BLOCK: usize = 64;

/// Bytes other than letters and digits at which shapes may begin, at most; one more, and every byte is looked up.
const MAX_OPENING: usize = 6;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Finds the places of a block where a shape may begin.
#[derive(Debug, Default)]
pub(super) struct Starts {
    opening: Vec<u8>,
    every: Vec<bool>,
}

impl Starts {
    /// `opening` are the bytes that are no letters or digits and begin a shape.
    pub(super) fn new(opening: impl IntoIterator<Item = u8>) -> Self {
        let opening: Vec<u8> = opening.into_iter().collect();
        if opening.len() <= MAX_OPENING {
            return Self { opening, every: Vec::new() };
        }
        let mut every = vec![false; 256];
        for byte in opening {
            if let Some(slot) = every.get_mut(usize::from(byte)) {
                *slot = true;
            }
        }
        Self { opening: Vec::new(), every }
    }

    /// The places in a block, lowest bit first. `inside` tells whether the byte before the block is a letter or digit,
    /// and afterwards whether the block's last byte is.
    pub(super) fn of(&self, block: &[u8], inside: &mut bool) -> u64 {
        let (mut words, mut opening) = (0, 0);
        let mut shift = 0;
        let (eights, rest) = block.as_chunks::<8>();
        for eight in eights {
            let bytes = u64::from_le_bytes(*eight);
            words |= gather(word_bytes(bytes)) << shift;
            opening |= self.opening_bytes(bytes) << shift;
            shift += 8;
        }
        if !rest.is_empty() {
            let mut padded = [0; 8];
            for (slot, byte) in padded.iter_mut().zip(rest) {
                *slot = *byte;
            }
            let bytes = u64::from_le_bytes(padded);
            words |= gather(word_bytes(bytes)) << shift;
            opening |= self.opening_bytes(bytes) << shift;
        }
        if !self.every.is_empty() {
            for (place, byte) in block.iter().enumerate() {
                opening |= u64::from(self.every.get(usize::from(*byte)).is_some_and(|opens| *opens)) << place;
            }
        }
        let starts = words & !(words << 1 | u64::from(*inside));
        *inside = words >> (block.len().clamp(1, BLOCK) - 1) & 1 == 1;
        starts | opening
    }

    fn opening_bytes(&self, bytes: u64) -> u64 {
        let mut found = 0;
        for opening in &self.opening {
            // Exact: a byte of `difference` is zero only where the bytes are equal.
            let difference = bytes ^ (LOW * u64::from(*opening));
            found |= !(((difference & !HIGH) + !HIGH) | difference);
        }
        gather(found & HIGH)
    }
}

/// The high bit of every byte that is an ASCII letter or digit.
fn word_bytes(bytes: u64) -> u64 {
    let plain = bytes & !HIGH;
    let lower = plain | (LOW * 0x20);
    let letters = (lower + LOW * (0x80 - 0x61)) & !(lower + LOW * (0x80 - 0x7B));
    let digits = (plain + LOW * (0x80 - 0x30)) & !(plain + LOW * (0x80 - 0x3A));
    (letters | digits) & !bytes & HIGH
}

/// Brings the high bits of eight bytes together, the first byte's lowest.
fn gather(high_bits: u64) -> u64 {
    high_bits.wrapping_mul(0x0002_0408_1020_4081) >> 56
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plainly(text: &[u8], opening: &[u8]) -> Vec<usize> {
        let word = |at: usize| text[at].is_ascii_alphanumeric();
        (0..text.len()).filter(|at| opening.contains(&text[*at]) || word(*at) && (*at == 0 || !word(at - 1))).collect()
    }

    fn by_blocks(text: &[u8], starts: &Starts) -> Vec<usize> {
        let mut inside = false;
        let mut all = Vec::new();
        for (number, block) in text.chunks(BLOCK).enumerate() {
            let bits = starts.of(block, &mut inside);
            all.extend((0..BLOCK).filter(|place| bits >> place & 1 == 1).map(|place| number * BLOCK + place));
        }
        all
    }

    proptest! {
        #[test]
        fn blocks_tell_the_same_as_a_plain_loop(text in proptest::collection::vec(any::<u8>(), 0..300), many: bool) {
            let opening: &[u8] = if many { b"+(-<:/@\xC3" } else { b"+(-" };
            prop_assert_eq!(by_blocks(&text, &Starts::new(opening.iter().copied())), plainly(&text, opening));
        }

        #[test]
        fn so_they_do_for_text(text in "[a-z0-9+(@\\[`{/: -]{0,200}") {
            let starts = Starts::new(*b"+(-");
            prop_assert_eq!(by_blocks(text.as_bytes(), &starts), plainly(text.as_bytes(), b"+(-"));
        }
    }
}
