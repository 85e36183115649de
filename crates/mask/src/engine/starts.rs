//! Where words begin: a bit for each byte of a block.
//!
//! Every byte of every text passes here, so it has no branch per byte.

use super::digits::NEAR;
use crate::bits::{Alike, Block};

/// Each step doubles the bytes that a place sees, the last by as much as [`NEAR`] wants.
const NEAR_STEPS: [usize; 4] = [1, 2, 4, 5];

const _: () = assert!(NEAR_STEPS[0] + NEAR_STEPS[1] + NEAR_STEPS[2] + NEAR_STEPS[3] + 1 == NEAR);

/// Letters that stand for a control character behind a backslash.
const ESCAPE_LETTERS: [u8; 5] = *b"nrtbf";

/// What marks begin with, or what is left of a value behind stars.
const MARK_BEGINS: [u8; 3] = *b"<[*";

/// Places of a block, lowest bit first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Where words begin.
    pub(super) words: u64,
    /// Bytes that are no letters or digits and open a shape.
    pub(super) opening: u64,
    /// Where a capital follows a small letter: the inner words of camel case.
    pub(super) inner: u64,
    /// Behind the letter of an escape such as `\n` in text that was not decoded, which hides the beginning of a word.
    pub(super) escaped: u64,
    /// Words behind `<`, `[` or `*`: they may be a mark's.
    pub(super) marked: u64,
    pub(super) digits: u64,
    letters: u64,
    /// Digits directly behind a letter that is no escape's.
    behind_letters: u64,
}

impl Places {
    /// Whether no letter stands directly before a digit, so that no word of letters holds one.
    pub(super) fn parts_words_from_digits(&self) -> bool {
        self.behind_letters == 0
    }

    /// Where something else than a digit begins, and a digit is among its first three bytes.
    pub(super) fn begin_before_digits(&self) -> u64 {
        let begins = (self.words | self.opening) & !self.digits;
        begins & (self.digits >> 1 | self.digits >> 2)
    }

    /// Places with a digit among the [`NEAR`] bytes from there; `next` are the places of the block behind.
    pub(super) fn near_digits(&self, next: &Self) -> u64 {
        let (mut here, mut beyond) = (self.digits, next.digits);
        if here | beyond == 0 {
            return 0;
        }
        for step in NEAR_STEPS {
            here |= here >> step | beyond << (64 - step);
            beyond |= beyond >> step;
        }
        here
    }

    /// Where three digits or more stand directly behind a letter; `next` are the places of the block behind.
    pub(super) fn glued(&self, next: &Self) -> u64 {
        let second = self.digits >> 1 | next.digits << 63;
        let third = self.digits >> 2 | next.digits << 62;
        self.behind_letters & second & third
    }

    /// Which of the 64 bytes from the place of a bit on are digits; `next` are the places of the block behind.
    pub(super) fn digits_from(&self, bit: u32, next: &Self) -> u64 {
        self.digits >> bit | (next.digits << (63 - bit)) << 1
    }

    /// The same of letters.
    pub(super) fn letters_from(&self, bit: u32, next: &Self) -> u64 {
        self.letters >> bit | (next.letters << (63 - bit)) << 1
    }

    /// Whether a letter is at the place of a bit.
    pub(super) fn is_letter(&self, lowest: u64) -> bool {
        self.letters & lowest != 0
    }

    /// The places of a text's last block, of so many bytes, where more of the text may follow.
    pub(super) fn open_ended(self, length: usize) -> Self {
        let beyond = u32::try_from(length).ok().and_then(|length| u64::MAX.checked_shl(length)).unwrap_or(0);
        Self { digits: self.digits | beyond, ..self }
    }

    /// What may stand behind an open text's last block.
    pub(super) const ANYTHING: Self =
        Self { digits: u64::MAX, letters: 0, words: 0, opening: 0, inner: 0, escaped: 0, marked: 0, behind_letters: 0 };
}

/// The last two bytes before a block; 0 where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Before {
    last: u8,
    last_but_one: u8,
}

impl Before {
    /// What follows these bytes.
    pub(super) fn new(before: &[u8]) -> Self {
        Self::default().after(before)
    }

    fn after(self, bytes: &[u8]) -> Self {
        match bytes {
            [.., last_but_one, last] => Self { last: *last, last_but_one: *last_but_one },
            [last] => Self { last: *last, last_but_one: self.last },
            [] => self,
        }
    }

    /// Whether the last byte is the letter of an escape.
    fn is_escape(self) -> bool {
        self.last_but_one == b'\\' && ESCAPE_LETTERS.contains(&self.last)
    }
}

/// Finds the places of a block where a shape may begin.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// The bytes that are no letters or digits and begin a shape, as ranges: the first and the last of each.
    opening: Vec<(u8, u8)>,
    /// Those of them that stand in plain texts.
    plain: Vec<(u8, u8)>,
}

/// Signs that stand in plain texts beside letters, digits and `@`, as ranges.
const PLAIN_SIGNS: [(u8, u8); 5] = [(b' ', b'!'), (b'\'', b')'), (b'+', b'/'), (b':', b';'), (b'_', b'_')];

impl Starts {
    /// `opening` are the bytes that are no letters or digits and begin a shape, in ascending order.
    pub(super) fn new(opening: impl IntoIterator<Item = u8>) -> Self {
        let opening: Vec<u8> = opening.into_iter().collect();
        let is_plain =
            |byte: &u8| *byte == b'@' || PLAIN_SIGNS.iter().any(|(first, last)| (*first..=*last).contains(byte));
        let plain = ranges(opening.iter().copied().filter(is_plain));
        Self { opening: ranges(opening), plain }
    }

    /// The places in a block. `before` tells of what is before it, and afterwards of its last bytes.
    #[inline(never)]
    pub(super) fn of(&self, block: &[u8], before: &mut Before) -> Places {
        // A short text costs as much as it has parts.
        let places = match block.len() {
            0..=16 => self.places(&Block::<1>::new(block), *before),
            17..=32 => self.places(&Block::<2>::new(block), *before),
            _ => self.places(&<Block>::new(block), *before),
        };
        *before = before.after(block);
        places
    }

    fn places<const COUNT: usize>(&self, block: &Block<COUNT>, before: Before) -> Places {
        let (small, capital, digits) = (block.within(b'a', b'z'), block.within(b'A', b'Z'), block.within(b'0', b'9'));
        let (marks, backslashes) = (block.is_any(MARK_BEGINS), block.is(b'\\'));
        let all = small | capital | digits;
        let words = all & !(all << 1 | u64::from(before.last.is_ascii_alphanumeric()));
        let mut escaped = u64::from(before.is_escape());
        if backslashes != 0 || before.last == b'\\' {
            let letters = block.is_any(ESCAPE_LETTERS);
            escaped |= ((backslashes << 1 | u64::from(before.last == b'\\')) & letters) << 1;
        }
        let letters = small | capital;
        Places {
            words,
            opening: block.within_any(&self.opening),
            inner: capital & (small << 1 | u64::from(before.last.is_ascii_lowercase())),
            escaped: escaped & all,
            marked: words & (marks << 1 | u64::from(MARK_BEGINS.contains(&before.last))),
            digits,
            letters,
            behind_letters: digits & (letters << 1 | u64::from(before.last.is_ascii_alphabetic())) & !escaped,
        }
    }
}

/// Bytes in ascending order as ranges.
fn ranges(bytes: impl IntoIterator<Item = u8>) -> Vec<(u8, u8)> {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for byte in bytes {
        match ranges.last_mut().filter(|(_, last)| last.checked_add(1) == Some(byte)) {
            Some((_, last)) => *last = byte,
            None => ranges.push((byte, byte)),
        }
    }
    ranges
}

/// A text of one block that holds no mark, no escape and no other spelling of a character.
pub(super) struct Plain {
    pub(super) places: Places,
    pub(super) colons: u64,
    pub(super) ats: u64,
    pub(super) dots: u64,
    /// The text with all its digits alike, if it is short enough to be remembered.
    pub(super) alike: Option<Alike>,
}

impl Starts {
    /// The places of a text of one block, whose bytes are these, if it is plain.
    pub(super) fn plain<const COUNT: usize>(&self, text: &[u8]) -> Option<Plain> {
        let block = Block::<COUNT>::new(text);
        let (small, capital, digits) = (block.within(b'a', b'z'), block.within(b'A', b'Z'), block.within(b'0', b'9'));
        let letters = small | capital;
        let (all, ats) = (letters | digits, block.is(b'@'));
        let others = block.within_any(&PLAIN_SIGNS);
        if usize::try_from((all | others | ats).count_ones()) != Ok(text.len()) {
            return None;
        }
        let places = Places {
            words: all & !(all << 1),
            opening: block.within_any(&self.plain),
            inner: capital & small << 1,
            escaped: 0,
            marked: 0,
            digits,
            letters,
            behind_letters: digits & letters << 1,
        };
        Some(Plain { places, colons: block.is(b':'), ats, dots: block.is(b'.'), alike: block.alike() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bits::BLOCK;

    /// Words and opening bytes, inner words, words behind an escape's letter, words behind what begins marks, three
    /// digits behind a letter.
    type Listed = [Vec<usize>; 5];

    fn plainly(text: &[u8], opening: &[u8]) -> Listed {
        let word = |at: usize| text[at].is_ascii_alphanumeric();
        let begins = |at: usize| word(at) && (at == 0 || !word(at - 1));
        let starts = |at: &usize| opening.contains(&text[*at]) || begins(*at);
        let inner = |at: &usize| *at > 0 && text[*at].is_ascii_uppercase() && text[at - 1].is_ascii_lowercase();
        let escaped = |at: &usize| *at > 1 && word(*at) && text[at - 2] == b'\\' && b"nrtbf".contains(&text[at - 1]);
        let marked = |at: &usize| *at > 0 && begins(*at) && b"<[*".contains(&text[at - 1]);
        let digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
        let glued =
            |at: &usize| *at > 0 && text[at - 1].is_ascii_alphabetic() && (*at..at + 3).all(digit) && !escaped(at);
        let all = 0..text.len();
        [
            all.clone().filter(starts).collect(),
            all.clone().filter(inner).collect(),
            all.clone().filter(escaped).collect(),
            all.clone().filter(marked).collect(),
            all.filter(glued).collect(),
        ]
    }

    fn by_blocks(text: &[u8], starts: &Starts) -> Listed {
        let mut before = Before::default();
        let mut all = Listed::default();
        let blocks: Vec<Places> = text.chunks(BLOCK).map(|block| starts.of(block, &mut before)).collect();
        for (number, places) in blocks.iter().enumerate() {
            let glued = places.glued(blocks.get(number + 1).unwrap_or(&Places::default()));
            let bits = [places.words | places.opening, places.inner, places.escaped, places.marked, glued];
            for (all, bits) in all.iter_mut().zip(bits) {
                all.extend((0..BLOCK).filter(|place| bits >> place & 1 == 1).map(|place| number * BLOCK + place));
            }
        }
        all
    }

    proptest! {
        #[test]
        fn blocks_tell_the_same_as_a_plain_loop(text in proptest::collection::vec(any::<u8>(), 0..300), many: bool) {
            let opening: &[u8] = if many { b"(+-/:<=@\xC3" } else { b"(+-" };
            prop_assert_eq!(by_blocks(&text, &Starts::new(opening.iter().copied())), plainly(&text, opening));
        }

        #[test]
        fn so_they_do_for_text(text in "[a-zA-Z0-9+(@<*\\\\\\[`{/: -]{0,200}") {
            let starts = Starts::new(*b"(+-");
            prop_assert_eq!(by_blocks(text.as_bytes(), &starts), plainly(text.as_bytes(), b"(+-"));
        }

        #[test]
        fn digits_are_near_where_one_is_among_the_next_bytes(text in "[a-z ]{0,20}[0-9a-z ]{0,140}", open: bool) {
            let starts = Starts::new([]);
            let mut before = Before::default();
            let mut blocks: Vec<Places> =
                text.as_bytes().chunks(BLOCK).map(|block| starts.of(block, &mut before)).collect();
            if let Some(last) = blocks.last_mut().filter(|_| open) {
                *last = last.open_ended((text.len() - 1) % BLOCK + 1);
            }
            let beyond = if open { Places::ANYTHING } else { Places::default() };
            for (number, places) in blocks.iter().enumerate() {
                let near = places.near_digits(blocks.get(number + 1).unwrap_or(&beyond));
                for at in number * BLOCK..text.len().min((number + 1) * BLOCK) {
                    let rest = &text.as_bytes()[at..text.len().min(at + NEAR)];
                    let may_grow = open && at + NEAR > text.len();
                    let expected = may_grow || rest.iter().any(u8::is_ascii_digit);
                    prop_assert_eq!(near >> (at - number * BLOCK) & 1 == 1, expected);
                }
            }
        }
    }
}
