//! How a value is written where an automaton should not say it: runs of bytes too long for states, and what needs a
//! function of its own.
//!
//! A [`Form`] is a row of parts without alternatives, so reading it needs no second try. A [`Reader`] reads freely, but
//! within bounds of its own or what [`Runs`] remembers: neither may make many candidates in one text cost more than the
//! text's length.

use crate::checksum::entropy;

/// Bytes whose entropy is measured, at most: it bounds what one candidate costs.
const MEASURED: usize = 96;

/// Sets of ASCII bytes that runs are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// `0-9`
    Digit,
    /// `0-9a-f`
    LowerHex,
    /// `0-9a-fA-F`
    Hex,
    /// `0-9a-z`
    Lower,
    /// `0-9A-Z`
    Upper,
    /// `0-9A-Za-z`
    Alnum,
    /// `0-9A-Za-z_`
    Word,
    /// `0-9A-Za-z_-`: base64 for URLs
    Url,
    /// The same with `=`
    UrlPadded,
    /// `0-9A-Za-z_.-`
    Dotted,
    /// `0-9A-Za-z_.=-`
    DottedPadded,
    /// `0-9A-Za-z+/`
    Base64,
    /// The same with `=`
    Base64Padded,
    /// `0-9A-Za-z_.~+/=-` (RFC 6750's `b64token`) and `@`
    Token,
    /// `0-9A-Za-z%`: escaped as in addresses
    Percent,
    /// `0-9A-Za-z_.-`, space and tab: what follows a keyword in an identifier or a phrase
    Phrase,
}

const SETS: usize = 16;

const DIGIT: u16 = 1;
const HEX_LOWER: u16 = 1 << 1;
const REST_LOWER: u16 = 1 << 2;
const HEX_UPPER: u16 = 1 << 3;
const REST_UPPER: u16 = 1 << 4;
const UNDERSCORE: u16 = 1 << 5;
const HYPHEN: u16 = 1 << 6;
const DOT: u16 = 1 << 7;
const EQUALS: u16 = 1 << 8;
const PLUS_SLASH: u16 = 1 << 9;
const TILDE_AT: u16 = 1 << 10;
const BLANK: u16 = 1 << 11;
const PERCENT: u16 = 1 << 12;

const ALNUM: u16 = DIGIT | HEX_LOWER | REST_LOWER | HEX_UPPER | REST_UPPER;

/// What every byte is, by the bits above.
static KINDS: [u16; 256] = kinds();

const fn kinds() -> [u16; 256] {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        #[expect(clippy::indexing_slicing, reason = "runs when it is compiled")]
        {
            kinds[byte as usize] = match byte {
                b'0'..=b'9' => DIGIT,
                b'a'..=b'f' => HEX_LOWER,
                b'g'..=b'z' => REST_LOWER,
                b'A'..=b'F' => HEX_UPPER,
                b'G'..=b'Z' => REST_UPPER,
                b'_' => UNDERSCORE,
                b'-' => HYPHEN,
                b'.' => DOT,
                b'=' => EQUALS,
                b'+' | b'/' => PLUS_SLASH,
                b'~' | b'@' => TILDE_AT,
                b' ' | b'\t' => BLANK,
                b'%' => PERCENT,
                _ => 0,
            };
        }
        byte += 1;
    }
    kinds
}

impl Set {
    const fn bits(self) -> u16 {
        match self {
            Self::Digit => DIGIT,
            Self::LowerHex => DIGIT | HEX_LOWER,
            Self::Hex => DIGIT | HEX_LOWER | HEX_UPPER,
            Self::Lower => DIGIT | HEX_LOWER | REST_LOWER,
            Self::Upper => DIGIT | HEX_UPPER | REST_UPPER,
            Self::Alnum => ALNUM,
            Self::Word => ALNUM | UNDERSCORE,
            Self::Url => ALNUM | UNDERSCORE | HYPHEN,
            Self::UrlPadded => ALNUM | UNDERSCORE | HYPHEN | EQUALS,
            Self::Dotted => ALNUM | UNDERSCORE | HYPHEN | DOT,
            Self::DottedPadded => ALNUM | UNDERSCORE | HYPHEN | DOT | EQUALS,
            Self::Base64 => ALNUM | PLUS_SLASH,
            Self::Base64Padded => ALNUM | PLUS_SLASH | EQUALS,
            Self::Token => ALNUM | UNDERSCORE | HYPHEN | DOT | EQUALS | PLUS_SLASH | TILDE_AT,
            Self::Percent => ALNUM | PERCENT,
            Self::Phrase => ALNUM | UNDERSCORE | HYPHEN | DOT | BLANK,
        }
    }

    /// Whether a byte belongs to it.
    pub(crate) fn has(self, byte: u8) -> bool {
        KINDS.get(usize::from(byte)).is_some_and(|kind| kind & self.bits() != 0)
    }
}

/// A part of a form.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// As many bytes of a set as there are, but no more than the last figure and no fewer than the first.
    Run(Set, usize, usize),
    /// These bytes.
    Text(&'static str),
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// How a value is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) parts: &'static [Part],
    /// The least Shannon entropy of the value, in tenths of a bit per byte: `xxxx…` is a placeholder.
    pub(crate) entropy: u8,
}

/// How a shape goes on after its pattern matched.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tail {
    /// The pattern is all of it.
    None,
    /// Parts.
    Form(Form),
    /// A function.
    Read(Reader),
}

/// Reads on from a match; tells where the value begins and ends, if it is one.
pub(crate) type Reader = fn(&mut Reading<'_>) -> Option<(usize, usize)>;

/// A match that is read on.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) text: &'a [u8],
    /// Where the pattern matched.
    pub(crate) start: usize,
    /// Where it ended.
    pub(crate) from: usize,
    pub(crate) runs: &'a mut Runs,
    /// Set where the text's end was met: more text could change what is read.
    pub(crate) open: bool,
}

impl<'a> Reading<'a> {
    /// What is left from `at`.
    pub(crate) fn rest(&self, at: usize) -> &'a [u8] {
        self.text.get(at..).unwrap_or_default()
    }

    /// Where the run of a set at `at` ends, at most `limit` bytes on.
    pub(crate) fn run(&mut self, set: Set, at: usize, limit: usize) -> usize {
        let end = self.runs.end(self.text, set, at, limit);
        self.open |= end == self.text.len();
        end
    }

    /// Reads a form from `at`; its value begins at `start`.
    pub(crate) fn form(&mut self, form: &Form, start: usize, at: usize) -> Option<(usize, usize)> {
        let mut end = at;
        for part in form.parts {
            match part {
                Part::Run(set, least, most) => {
                    let to = self.run(*set, end, *most);
                    if to - end < *least {
                        return None;
                    }
                    end = to;
                }
                Part::Text(wanted) => end = self.one_of(&[wanted], end)?,
                Part::OneOf(wanted) => end = self.one_of(wanted, end)?,
            }
        }
        let value = self.text.get(start..end)?;
        (form.entropy == 0 || has_entropy(value, form.entropy)).then_some((start, end))
    }

    fn one_of(&mut self, wanted: &[&str], at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        let found = wanted.iter().find(|wanted| rest.starts_with(wanted.as_bytes()));
        if found.is_none() {
            self.open |= wanted.iter().any(|wanted| wanted.as_bytes().starts_with(rest));
        }
        found.map(|found| at + found.len())
    }
}

/// Whether a value's bytes have this much Shannon entropy, in tenths of a bit.
pub(crate) fn has_entropy(value: &[u8], tenths: u8) -> bool {
    let measured = value.get(..MEASURED).unwrap_or(value);
    entropy(measured) * 10 >= u32::from(tenths) * 1024
}

/// Where runs end, remembered, so that many candidates inside one run cost its length once.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    known: [Known; SETS],
    /// Whether anything is remembered.
    used: bool,
    /// Where the last token's header ended that was read.
    header: usize,
}

/// Every byte of a text from `from` to `to` belongs to the set; if `whole`, the one at `to` does not.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    from: usize,
    to: usize,
    whole: bool,
}

impl Runs {
    /// Forgets everything: another text comes.
    pub(crate) fn clear(&mut self) {
        if self.used {
            *self = Self::default();
        }
    }

    /// Whether the header of a token that ends at `end` is the first to end there. Of several beginnings in one run only
    /// the first is read, or a run of them would be decoded once for each.
    pub(crate) fn is_first_header(&mut self, end: usize) -> bool {
        self.used = true;
        std::mem::replace(&mut self.header, end) != end
    }

    /// Where the run of a set that `at` is in ends, at most `limit` bytes on.
    pub(crate) fn end(&mut self, text: &[u8], set: Set, at: usize, limit: usize) -> usize {
        let bound = at.saturating_add(limit).min(text.len());
        self.used = true;
        let Some(known) = self.known.get_mut(set as usize) else { return at };
        if at < known.from || at > known.to {
            *known = Known { from: at, to: at, whole: false };
        }
        if !known.whole && known.to < bound {
            let run = text.get(known.to..bound).unwrap_or_default();
            let length = run.iter().position(|byte| !set.has(*byte));
            known.whole = length.is_some();
            known.to += length.unwrap_or(run.len());
        }
        known.to.min(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &'static [Part], entropy: u8, text: &str) -> (Option<(usize, usize)>, bool) {
        let mut runs = Runs::default();
        let mut reading = Reading { text: text.as_bytes(), start: 0, from: 0, runs: &mut runs, open: false };
        let read = reading.form(&Form { parts, entropy }, 0, 0);
        (read, reading.open)
    }

    #[test]
    fn parts_are_read_in_their_order_and_the_end_of_the_text_is_told() {
        const PARTS: &[Part] = &[Part::Text("key-"), Part::Run(Set::LowerHex, 4, 8), Part::OneOf(&["-us", "-eu"])];
        assert_eq!(read(PARTS, 0, "key-0123abcd-us1"), (Some((0, 15)), false));
        assert_eq!(read(PARTS, 0, "key-012-us"), (None, false), "too short");
        assert_eq!(read(PARTS, 0, "key-0123456789-us"), (None, false), "too long");
        assert_eq!(read(PARTS, 0, "key-0123-e"), (None, true), "may become one");
        assert_eq!(read(PARTS, 0, "key-01"), (None, true));
        assert_eq!(read(PARTS, 0, "ke"), (None, true));
        assert_eq!(read(PARTS, 40, "key-00000000-us"), (None, false), "a placeholder");
    }

    #[test]
    fn remembered_runs_end_where_the_text_says() {
        let text = b"ab-cd.ef--gh";
        let mut runs = Runs::default();
        for (at, limit) in [(0, 2), (1, 100), (0, 100), (3, 1), (6, 2), (5, 9), (11, 9), (0, 100)] {
            let bound = (at + limit).min(text.len());
            let plainly = (at..bound).find(|at| !Set::Url.has(text[*at])).unwrap_or(bound);
            assert_eq!(runs.end(text, Set::Url, at, limit), plainly, "{at} {limit}");
        }
    }

    #[test]
    fn every_set_has_a_place_of_its_own() {
        assert_eq!(Set::Phrase as usize + 1, SETS);
    }
}
