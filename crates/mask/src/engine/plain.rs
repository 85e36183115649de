//! Short and plain texts: values of JSON are mostly a word, a number or a date.
//!
//! Their signs, seen at one look, say that they hold no JSON, no mark, no escape and no other spelling of a character, and
//! which finders may find something. What is left of a scan is done as in any other text.

use super::{Cut, End, Engine, Path, Scan};
use crate::bits::{BLOCK, Block};
use crate::class::Finder;

/// Colons of an IPv6 address without `::` (RFC 4291 §2.2), at least: its last two groups may be an IPv4 address.
const MIN_COLONS: u32 = 6;

impl Engine {
    /// Scans a whole text that `path` leads to if it is short and plain, which reads as it stands. False if it is not.
    pub(crate) fn scan_plain(&self, text: &[u8], path: &Path<'_>, scan: &mut Scan) -> bool {
        let signs = match text.len() {
            0..=16 => Signs::of(&Block::<1>::new(text)),
            17..=32 => Signs::of(&Block::<2>::new(text)),
            33..=BLOCK => Signs::of(&<Block>::new(text)),
            _ => return false,
        };
        let is_plain = usize::try_from(signs.plain.count_ones()) == Ok(text.len());
        if is_plain {
            self.scan_with(text, Cut::default(), Some(&signs), path, End::Final, scan);
        }
        is_plain
    }
}

/// Which signs stand in a text of one block.
pub(super) struct Signs {
    plain: u64,
    colons: u64,
    ats: u64,
    dots: u64,
}

impl Signs {
    fn of<const COUNT: usize>(block: &Block<COUNT>) -> Self {
        let letters = block.lowered().within(b'a', b'z');
        let ats = block.is(b'@');
        let others = block.within(b' ', b'!') | block.within(b'\'', b')') | block.within(b'+', b';') | block.is(b'_');
        Self { plain: letters | others | ats, colons: block.is(b':'), ats, dots: block.is(b'.') }
    }

    /// Whether a finder may find something.
    pub(super) fn may_hold(&self, finder: Finder) -> bool {
        match finder {
            Finder::Email => self.ats != 0,
            Finder::Ipv6 => self.colons & self.colons >> 1 != 0 || self.colons.count_ones() >= MIN_COLONS,
            Finder::Url => self.dots != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::selection::Selection;
    use crate::spelling::Reading;

    static ENGINES: LazyLock<[Engine; 2]> = LazyLock::new(|| {
        [&["default", "secrets"][..], &["all"]]
            .map(|classes| Engine::new(&Selection::new(classes.iter().copied())).unwrap())
    });

    const KEYS: [&str; 8] = ["id", "name", "ssn", "phone", "api_key", "token", "github_token", "<US_SSN>"];

    #[test]
    fn what_begins_json_marks_or_spellings_is_not_plain() {
        for text in ["", "Anna", "2026-11-21T08:00:00Z", "jane@example.com", "(415) 555-0134", "it's a_b, c; d/e!"] {
            assert!(ENGINES[0].scan_plain(text.as_bytes(), &[], &mut Scan::default()), "{text}");
        }
        let long = "a ".repeat(BLOCK / 2 + 1);
        for text in ["{a", "[1]", "a%40b", "a\\n", "caf\u{e9}", "<US_SSN>", "a\nb", "**12", "a&b", "a=b", "a\0b", &long]
        {
            assert!(!ENGINES[0].scan_plain(text.as_bytes(), &[], &mut Scan::default()), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn what_is_plain_reads_as_it_stands_and_holds_what_any_scan_finds(
            text in "[ -;@A-Z_a-z]{0,66}|([0-9a-f]{0,4}:){1,8}[0-9a-f.]{0,15}|([0-9]{1,6}[-:./ ]?){1,8}|\
                ([A-Z]{0,2}[0-9]{0,9} ?){1,5}|((ssn|card|AWS|key|tel|a@b\\.org)?[ =:]?[0-9A-Za-z]{1,12}[ -]?){1,4}",
            key in prop::sample::select(&KEYS[..]),
        ) {
            for engine in &*ENGINES {
                let (mut plain, mut any) = (Scan::default(), Scan::default());
                if engine.scan_plain(text.as_bytes(), &[key], &mut plain) {
                    engine.scan(text.as_bytes(), &[key], End::Final, &mut any);
                    prop_assert_eq!(plain.findings(), any.findings());
                    prop_assert!(Reading::of(text.as_bytes()).is_none());
                }
            }
        }
    }
}
