//! Escapes: of JSON's strings (RFC 8259 §7), and those found in text that is not JSON as a whole.
//!
//! Text with pieces of JSON or of URLs in it hides values behind `\u0040`, `\/` or `%40`. Such text is scanned with these
//! read too, and what is found is replaced in the text as it stands.

/// Decodes what stands between the quotes of a JSON string and puts it into `out`; half a surrogate pair is U+FFFD.
pub(super) fn decode(inner: &[u8], out: &mut Vec<u8>) {
    // No escape is shorter than what it stands for, and there is room to write eight bytes where fewer are meant.
    out.clear();
    out.resize(inner.len() + 8, 0);
    let (mut from, mut to) = (0, 0);
    while let Some(rest) = inner.get(from..).filter(|rest| !rest.is_empty()) {
        let (plain, room) = (rest.first_chunk::<8>(), out.get_mut(to..).and_then(<[u8]>::first_chunk_mut::<8>));
        if let (Some(plain), Some(room)) = (plain, room) {
            *room = *plain;
            let count = before_backslash(*plain);
            from += count;
            to += count;
            if count == 8 {
                continue;
            }
        } else if rest.first() != Some(&b'\\') {
            if let (Some(byte), Some(room)) = (rest.first(), out.get_mut(to)) {
                *room = *byte;
            }
            from += 1;
            to += 1;
            continue;
        }
        let (character, length) = character(inner.get(from..).unwrap_or_default());
        let mut encoded = [0; 4];
        let encoded = character.encode_utf8(&mut encoded).as_bytes();
        if let Some(room) = out.get_mut(to..to + encoded.len()) {
            room.copy_from_slice(encoded);
        }
        from += length;
        to += encoded.len();
    }
    out.truncate(to);
}

/// Bytes before the first backslash.
fn before_backslash(bytes: [u8; 8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let backslash = u64::from_le_bytes(bytes) ^ (ONES * 0x5C);
    let found = backslash.wrapping_sub(ONES) & !backslash & (ONES << 7);
    usize::try_from(found.trailing_zeros() / 8).unwrap_or(8)
}

/// What the escape at the beginning of `text` stands for, and its length.
fn character(text: &[u8]) -> (char, usize) {
    match text.get(1) {
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'"') => ('"', 2),
        Some(b'/') => ('/', 2),
        Some(b'\\') => ('\\', 2),
        Some(b'u') => match (unit(text), text.get(6..).and_then(unit)) {
            (Some(high @ 0xD800..=0xDBFF), Some(low @ 0xDC00..=0xDFFF)) => {
                let scalar = 0x1_0000 + ((high & 0x3FF) << 10) + (low & 0x3FF);
                (char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
            }
            (Some(unit), _) => (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            (None, _) => ('\\', 1),
        },
        _ => ('\\', 1),
    }
}

/// The UTF-16 code unit of a `\uXXXX` that `text` begins with.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

/// Writes text as it stands between the quotes of a JSON string.
pub(crate) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = special(rest) {
        let (plain, after) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = after.split_first() else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => {
                let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' - 10 + value };
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// The first byte that a JSON string must escape.
fn special(text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, tail) = text.as_chunks::<8>();
    for (position, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let (quote, backslash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5C));
        let found = (quote.wrapping_sub(ONES) & !quote
            | backslash.wrapping_sub(ONES) & !backslash
            | word.wrapping_sub(ONES * 0x20) & !word)
            & (ONES << 7);
        if found != 0 {
            return Some(position * 8 + usize::try_from(found.trailing_zeros() / 8).unwrap_or(0));
        }
    }
    let in_tail = tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    in_tail.map(|at| words.len() * 8 + at)
}

/// A text with its escapes read, and where each came from.
#[derive(Debug, Default)]
pub(super) struct Unescaped {
    pub(super) text: Vec<u8>,
    /// After each escape: the place in `text`, and the place in the text as it stands.
    places: Vec<(usize, usize)>,
}

impl Unescaped {
    /// Reads escapes. `None` if there are none.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        memchr::memchr2(b'\\', b'%', text)?;
        let mut read = Self::default();
        let mut at = 0;
        while let Some(next) = text.get(at..).and_then(|rest| memchr::memchr2(b'\\', b'%', rest)) {
            let rest = text.get(at + next..).unwrap_or_default();
            read.text.extend_from_slice(text.get(at..at + next).unwrap_or_default());
            if let Escape::Of(byte, length) = escape(rest) {
                read.text.push(byte);
                at += next + length;
                read.places.push((read.text.len(), at));
            } else {
                read.text.extend(rest.first());
                at += next + 1;
            }
        }
        read.text.extend_from_slice(text.get(at..).unwrap_or_default());
        (!read.places.is_empty()).then_some(read)
    }

    /// The place in the text as it stands.
    pub(super) fn origin(&self, place: usize) -> usize {
        let before = self.places.partition_point(|(read, _)| *read <= place);
        let (read, origin) = before.checked_sub(1).and_then(|at| self.places.get(at)).copied().unwrap_or((0, 0));
        origin + place - read
    }

    /// What was read between two places of the text as it stands.
    pub(super) fn between(&self, start: usize, end: usize) -> &[u8] {
        let place = |wanted: usize| {
            let before = self.places.partition_point(|(_, origin)| *origin <= wanted);
            let (read, origin) = before.checked_sub(1).and_then(|at| self.places.get(at)).copied().unwrap_or((0, 0));
            let next = self.places.get(before).map_or(self.text.len(), |(read, _)| *read);
            (read + wanted - origin).min(next)
        };
        self.text.get(place(start)..place(end)).unwrap_or_default()
    }
}

/// Backslashes before an escape's letter: JSON in JSON doubles them.
const MAX_BACKSLASHES: usize = 64;

/// What a text begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// An escape for a byte, and its length.
    Of(u8, usize),
    /// Nothing that stands for something else.
    None,
    /// What may become an escape.
    Unfinished,
}

/// The escape for an ASCII character that a text begins with, of those that can hide something: an engine knows `\n` and
/// its like.
pub(crate) fn escape(text: &[u8]) -> Escape {
    let hexadecimal = |at: usize, length: usize| {
        let digits = text.get(at..).unwrap_or_default();
        let digits = digits.get(..length).unwrap_or(digits);
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Escape::None;
        }
        if digits.len() < length {
            return Escape::Unfinished;
        }
        let value = digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?));
        let byte = value.and_then(|value| u8::try_from(value).ok()).filter(u8::is_ascii);
        byte.map_or(Escape::None, |byte| Escape::Of(byte, at + length))
    };
    if text.first() == Some(&b'%') {
        return hexadecimal(1, 2);
    }
    let backslashes = text.iter().take(MAX_BACKSLASHES + 1).take_while(|byte| **byte == b'\\').count();
    match text.get(backslashes) {
        _ if !(1..=MAX_BACKSLASHES).contains(&backslashes) => Escape::None,
        None => Escape::Unfinished,
        Some(b'/') => Escape::Of(b'/', backslashes + 1),
        Some(b'u') => hexadecimal(backslashes + 1, 4),
        Some(_) => Escape::None,
    }
}
