//! What characters a text means where it does not hold them: `\u0040`, `%40`, `&#64;`, a no-break space, full-width digits.
//!
//! A value spelled so is the same value to whoever reads it: JSON escapes (RFC 8259 §7) in text that is no JSON, percent
//! signs (RFC 3986 §2.1), character references (HTML §13.5), and what Unicode has beside ASCII's own digits, hyphens and
//! spaces. Such a text is scanned as it stands and as it reads; what is found is replaced in the text as it stands. Text
//! without any of it costs a look for bytes; where hyphens and spaces of Unicode join no digits they are left alone, as
//! that is what prose has. Each character is read once and nothing is looked at beyond a bounded number of bytes after it.

mod characters;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::engine::Finding;

/// Backslashes before an escape's letter, and other signs that are escaped in turn: JSON in JSON doubles them.
const MAX_LAYERS: usize = 64;

/// Letters of a character reference that is known by name.
const MAX_NAME: usize = 6;

/// Digits of a character reference.
const MAX_REFERENCE: usize = 8;

/// Bytes by which a value is longer as a text reads than as it stands, at most.
const MAX_REST: usize = 256;

/// What a text begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Another spelling of an ASCII character, or of nothing to be seen, and its length.
    Of(Shown, usize),
    /// Nothing that stands for something else.
    None,
    /// What may become one.
    Unfinished,
}

/// What a spelling shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// An ASCII character.
    As(u8),
    Nothing,
}

/// A text as it reads, and where each of its bytes came from.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) text: Vec<u8>,
    places: Vec<Place>,
}

/// The end of a spelling.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// In the text as it reads.
    read: usize,
    /// In the text as it stands.
    stands: usize,
    /// Whether it reads as a byte.
    shows: bool,
}

impl Reading {
    /// Reads a text. `None` if it reads as it stands.
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        let ascii = text.is_ascii();
        let mut from = first(text, ascii)?;
        let mut reading = Self::default();
        let mut copied = 0;
        while let Some(rest) = text.get(from..) {
            let before = from.checked_sub(1).filter(|_| copied < from).and_then(|before| text.get(before));
            let before = before.or(reading.text.last()).copied();
            if let Spelling::Of(shown, length) = spelling(rest, before) {
                reading.text.extend_from_slice(text.get(copied..from).unwrap_or_default());
                if let Shown::As(byte) = shown {
                    reading.text.push(byte);
                }
                from += length;
                copied = from;
                reading.places.push(Place { read: reading.text.len(), stands: from, shows: shown != Shown::Nothing });
            } else {
                from += 1;
            }
            let Some(skipped) = text.get(from..).and_then(|rest| first(rest, ascii)) else { break };
            from += skipped;
        }
        if reading.places.is_empty() {
            return None;
        }
        reading.text.extend_from_slice(text.get(copied..).unwrap_or_default());
        Some(reading)
    }

    /// The same finding, by its place in the text as it stands.
    pub(crate) fn origin(&self, finding: &Finding) -> Finding {
        Finding { start: self.start(finding.start), end: self.end(finding.end), ..*finding }
    }

    /// What is read between two places of the text as it stands.
    pub(crate) fn between(&self, start: usize, end: usize) -> &[u8] {
        self.text.get(self.reads(start)..self.reads(end)).unwrap_or_default()
    }

    /// Where in the text as it reads a place of the text as it stands is.
    pub(crate) fn reads(&self, wanted: usize) -> usize {
        let after = self.places.partition_point(|place| place.stands <= wanted);
        let (read, stands) = self.before(after);
        let next = self.places.get(after).map_or(self.text.len(), |place| place.read);
        (read + wanted - stands).min(next)
    }

    /// Where what a place of the text as it stands may be in the middle of ends: the word, as the text reads, or what spells
    /// one character.
    pub(crate) fn past_word(&self, place: usize) -> usize {
        let read = self.reads(place);
        match rest_of_word(&self.text, read).unwrap_or(0) {
            0 => self.spelled_at(place).map_or(place, |spelled| spelled.end),
            rest => self.end(read + rest).max(place),
        }
    }

    /// Where what spells one character begins, if a place of the text as it stands is in the middle of it.
    pub(crate) fn spelled_from(&self, place: usize) -> usize {
        self.spelled_at(place).map_or(place, |spelled| spelled.start)
    }

    /// Whether a finding of the text as it stands is no more than a part of what spells one character: `u0011` of `\u0011`.
    pub(crate) fn spells(&self, finding: &Finding) -> bool {
        self.spelled_at(finding.start).is_some_and(|spelled| finding.end <= spelled.end)
    }

    /// What spells the character in whose middle a place of the text as it stands is.
    fn spelled_at(&self, place: usize) -> Option<Range<usize>> {
        let number = self.places.partition_point(|spelled| spelled.stands <= place);
        let spelled = self.places.get(number)?;
        let (read, stands) = self.before(number);
        let start = stands + (spelled.read - usize::from(spelled.shows) - read);
        (start < place).then_some(start..spelled.stands)
    }

    fn start(&self, read: usize) -> usize {
        let (known, stands) = self.before(self.places.partition_point(|place| place.read <= read));
        stands + read - known
    }

    /// What shows nothing behind the last byte is left out.
    fn end(&self, read: usize) -> usize {
        let after = self.places.partition_point(|place| place.read < read);
        if let Some(place) = self.places.get(after).filter(|place| place.read == read && place.shows) {
            return place.stands;
        }
        let (known, stands) = self.before(after);
        stands + read - known
    }

    /// The end of the spelling before the one of this number.
    fn before(&self, number: usize) -> (usize, usize) {
        number.checked_sub(1).and_then(|last| self.places.get(last)).map_or((0, 0), |place| (place.read, place.stands))
    }
}

/// How much of the word that goes on or ends at `at` comes behind it, as far as is looked. `None` if no word is before it.
pub(crate) fn rest_of_word(text: &[u8], at: usize) -> Option<usize> {
    text.get(at.checked_sub(1)?).filter(|before| before.is_ascii_alphanumeric())?;
    let rest = text.get(at..)?;
    Some(rest.iter().take(MAX_REST).take_while(|byte| byte.is_ascii_alphanumeric()).count())
}

/// The first byte that a spelling may begin with, in a text of which it is known whether it is all ASCII.
pub(crate) fn first(text: &[u8], ascii: bool) -> Option<usize> {
    if ascii {
        return memchr::memchr3(b'\\', b'%', b'&', text);
    }
    text.iter().position(|byte| LEADS.get(usize::from(*byte)).is_some_and(|leads| *leads))
}

/// By byte, whether a spelling may begin with it.
#[expect(clippy::indexing_slicing, reason = "the compiler reckons it")]
const LEADS: [bool; 256] = {
    let (mut leads, mut byte) = ([false; 256], 0_u8);
    loop {
        leads[byte as usize] = matches!(byte, b'\\' | b'%' | b'&') || characters::may_lead(byte);
        if byte == u8::MAX {
            break leads;
        }
        byte += 1;
    }
};

/// What `text` begins with, and `before` stands before.
pub(crate) fn spelling(text: &[u8], before: Option<u8>) -> Spelling {
    match text.first() {
        Some(b'\\') => escape(text),
        Some(b'%') => percent(text),
        Some(b'&') => reference(text),
        Some(0x80..) => characters::spelling(text, before),
        _ => Spelling::None,
    }
}

/// `\/`, `\u0040`: an engine knows `\n` and its like.
fn escape(text: &[u8]) -> Spelling {
    let backslashes = text.iter().take(MAX_LAYERS + 1).take_while(|byte| **byte == b'\\').count();
    match text.get(backslashes) {
        _ if backslashes > MAX_LAYERS => Spelling::None,
        None => Spelling::Unfinished,
        Some(b'/') => Spelling::Of(Shown::As(b'/'), backslashes + 1),
        Some(b'u') => hexadecimal(text, backslashes + 1, 4),
        Some(_) => Spelling::None,
    }
}

/// `%40`, and `%2540` where what was escaped was escaped again.
fn percent(text: &[u8]) -> Spelling {
    let layer = |number: usize| text.get(1 + 2 * number..3 + 2 * number) == Some(b"25");
    let layers = (0..MAX_LAYERS).take_while(|number| layer(*number)).count();
    let deep = hexadecimal(text, 1 + 2 * layers, 2);
    // A percent sign and nothing escaped behind it.
    if layers > 0 && deep == Spelling::None { Spelling::Of(Shown::As(b'%'), 1 + 2 * layers) } else { deep }
}

/// The character of so many hexadecimal digits at `at`.
fn hexadecimal(text: &[u8], at: usize, length: usize) -> Spelling {
    let digits = text.get(at..).unwrap_or_default();
    let digits = digits.get(..length).unwrap_or(digits);
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return Spelling::None;
    }
    if digits.len() < length {
        return Spelling::Unfinished;
    }
    // Two digits are a byte, and only of ASCII a character.
    let value = number(digits, 16).filter(|value| length > 2 || *value < 0x80);
    by_number(value, at + length)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    digits
        .iter()
        .try_fold(0_u32, |value, digit| value.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?))
}

fn by_number(value: Option<u32>, length: usize) -> Spelling {
    match value.and_then(char::from_u32).and_then(characters::ascii) {
        Some(shown) => Spelling::Of(shown, length),
        None => Spelling::None,
    }
}

/// `&#64;`, `&#x40;`, `&commat;`, `&amp;#64;`. Browsers do without the semicolon after a number.
fn reference(text: &[u8]) -> Spelling {
    const NAMES: [(&[u8], u8); 21] = [
        (b"commat;", b'@'),
        (b"period;", b'.'),
        (b"lowbar;", b'_'),
        (b"hyphen;", b'-'),
        (b"dash;", b'-'),
        (b"ndash;", b'-'),
        (b"minus;", b'-'),
        (b"plus;", b'+'),
        (b"colon;", b':'),
        (b"sol;", b'/'),
        (b"lpar;", b'('),
        (b"rpar;", b')'),
        (b"equals;", b'='),
        (b"percnt;", b'%'),
        (b"num;", b'#'),
        (b"quot;", b'"'),
        (b"apos;", b'\''),
        (b"nbsp;", b' '),
        (b"ensp;", b' '),
        (b"emsp;", b' '),
        (b"thinsp;", b' '),
    ];
    const HIDDEN: &[u8] = b"shy;";
    const AGAIN: &[u8] = b"amp;";
    let layer = |number: usize| text.get(1 + AGAIN.len() * number..)?.starts_with(AGAIN).then_some(());
    let at = 1 + AGAIN.len() * (0..MAX_LAYERS).take_while(|number| layer(*number).is_some()).count();
    let rest = text.get(at..).unwrap_or_default();
    if let Some(rest) = rest.strip_prefix(b"#") {
        let (mark, radix) = if matches!(rest.first(), Some(b'x' | b'X')) { (1, 16) } else { (0, 10) };
        let digits = rest.get(mark..).unwrap_or_default();
        let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
        let length = digits.iter().take(MAX_REFERENCE + 1).take_while(is_digit).count();
        let Some(next) = digits.get(length) else { return Spelling::Unfinished };
        let end = at + 1 + mark + length + usize::from(*next == b';');
        let value = digits.get(..length).filter(|digits| (1..=MAX_REFERENCE).contains(&digits.len()));
        return by_number(value.and_then(|digits| number(digits, radix)), end);
    }
    let letters = rest.iter().take(MAX_NAME + 1).take_while(|byte| byte.is_ascii_lowercase()).count();
    if letters < rest.len() && rest.get(letters) != Some(&b';') {
        return Spelling::None;
    }
    if let Some((name, byte)) = NAMES.iter().find(|(name, _)| rest.starts_with(name)) {
        return Spelling::Of(Shown::As(*byte), at + name.len());
    }
    if rest.starts_with(HIDDEN) {
        return Spelling::Of(Shown::Nothing, at + HIDDEN.len());
    }
    let mut names = NAMES.iter().map(|(name, _)| *name).chain([HIDDEN, AGAIN]);
    if names.any(|name| name.starts_with(rest)) { Spelling::Unfinished } else { Spelling::None }
}
