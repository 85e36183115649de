//! Where words begin: a bit for each byte of a block, eight bytes at a time.
//!
//! Scanning is bound by this pass where a text holds nothing of interest, so it has no branch per byte.

/// Bytes of a block.
pub(super) const BLOCK: usize = 64;

/// Bytes other than letters and digits at which shapes may begin, at most; one more, and every byte is looked up.
const MAX_OPENING: usize = 6;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Places of a block, lowest bit first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    /// Where words begin, and the bytes that open a shape.
    pub(super) starts: u64,
    /// Where a capital follows a small letter: the inner words of camel case.
    pub(super) inner: u64,
}

/// What the byte before a block is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Before {
    word: bool,
    small: bool,
}

impl Before {
    pub(super) fn new(byte: Option<&u8>) -> Self {
        Self { word: byte.is_some_and(u8::is_ascii_alphanumeric), small: byte.is_some_and(u8::is_ascii_lowercase) }
    }
}

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

    /// The places in a block. `before` tells of the byte before it, and afterwards of its last byte.
    pub(super) fn of(&self, block: &[u8], before: &mut Before) -> Places {
        let mut masks = Masks::default();
        let (eights, rest) = block.as_chunks::<8>();
        for (number, eight) in (0..).zip(eights) {
            self.add(u64::from_le_bytes(*eight), number * 8, &mut masks);
        }
        if !rest.is_empty() {
            let mut padded = [0; 8];
            for (slot, byte) in padded.iter_mut().zip(rest) {
                *slot = *byte;
            }
            self.add(u64::from_le_bytes(padded), u32::try_from(eights.len() * 8).unwrap_or(0), &mut masks);
        }
        if !self.every.is_empty() {
            for (place, byte) in block.iter().enumerate() {
                masks.opening |= u64::from(self.every.get(usize::from(*byte)).is_some_and(|opens| *opens)) << place;
            }
        }
        let words = masks.small | masks.capital | masks.digit;
        let places = Places {
            starts: words & !(words << 1 | u64::from(before.word)) | masks.opening,
            inner: masks.capital & (masks.small << 1 | u64::from(before.small)),
        };
        let last = block.len().clamp(1, BLOCK) - 1;
        *before = Before { word: words >> last & 1 == 1, small: masks.small >> last & 1 == 1 };
        places
    }

    fn add(&self, bytes: u64, shift: u32, masks: &mut Masks) {
        let plain = bytes & !HIGH;
        let lower = plain | (LOW * 0x20);
        let letters = (lower + LOW * (0x80 - 0x61)) & !(lower + LOW * (0x80 - 0x7B)) & !bytes & HIGH;
        let digits = (plain + LOW * (0x80 - 0x30)) & !(plain + LOW * (0x80 - 0x3A)) & !bytes & HIGH;
        // The bit that tells small letters from capitals, brought to the top.
        let small = plain << 2;
        masks.small |= gather(letters & small) << shift;
        masks.capital |= gather(letters & !small) << shift;
        masks.digit |= gather(digits) << shift;
        masks.opening |= self.opening_bytes(bytes) << shift;
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

/// Whether one of eight bytes is an ASCII digit.
pub(super) fn any_digit(bytes: [u8; 8]) -> bool {
    let bytes = u64::from_le_bytes(bytes);
    let plain = bytes & !HIGH;
    (plain + LOW * (0x80 - 0x30)) & !(plain + LOW * (0x80 - 0x3A)) & !bytes & HIGH != 0
}

#[derive(Default)]
struct Masks {
    small: u64,
    capital: u64,
    digit: u64,
    opening: u64,
}

/// Brings the high bits of eight bytes together, the first byte's lowest.
fn gather(high_bits: u64) -> u64 {
    high_bits.wrapping_mul(0x0002_0408_1020_4081) >> 56
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plainly(text: &[u8], opening: &[u8]) -> (Vec<usize>, Vec<usize>) {
        let word = |at: usize| text[at].is_ascii_alphanumeric();
        let starts = |at: &usize| opening.contains(&text[*at]) || word(*at) && (*at == 0 || !word(at - 1));
        let inner = |at: &usize| *at > 0 && text[*at].is_ascii_uppercase() && text[at - 1].is_ascii_lowercase();
        ((0..text.len()).filter(starts).collect(), (0..text.len()).filter(inner).collect())
    }

    fn by_blocks(text: &[u8], starts: &Starts) -> (Vec<usize>, Vec<usize>) {
        let mut before = Before::default();
        let (mut all, mut inner) = (Vec::new(), Vec::new());
        for (number, block) in text.chunks(BLOCK).enumerate() {
            let places = starts.of(block, &mut before);
            let listed =
                |bits: u64| (0..BLOCK).filter(move |place| bits >> place & 1 == 1).map(move |at| number * BLOCK + at);
            all.extend(listed(places.starts));
            inner.extend(listed(places.inner));
        }
        (all, inner)
    }

    proptest! {
        #[test]
        fn blocks_tell_the_same_as_a_plain_loop(text in proptest::collection::vec(any::<u8>(), 0..300), many: bool) {
            let opening: &[u8] = if many { b"+(-<:/@\xC3" } else { b"+(-" };
            prop_assert_eq!(by_blocks(&text, &Starts::new(opening.iter().copied())), plainly(&text, opening));
        }

        #[test]
        fn so_they_do_for_text(text in "[a-zA-Z0-9+(@\\[`{/: -]{0,200}") {
            let starts = Starts::new(*b"+(-");
            prop_assert_eq!(by_blocks(text.as_bytes(), &starts), plainly(text.as_bytes(), b"+(-"));
        }
    }
}
