//! JSON strings (RFC 8259 §7): finding their end, checking their escapes, decoding them.
//!
//! Plain text is passed over eight bytes at a time. Surrogate escapes must come in pairs, so that a decoded string is
//! always Unicode text.

use std::borrow::Cow;

use super::error::Problem;

/// A string that was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scanned {
    /// One past the closing quote.
    pub(super) end: usize,
    /// Whether it holds an escape.
    pub(super) escaped: bool,
}

/// Passes over the string whose first byte after the quote is at `start`.
pub(super) fn scan(bytes: &[u8], start: usize) -> Result<Scanned, (Problem, usize)> {
    let mut at = start;
    let mut escaped = false;
    loop {
        at = plain_end(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok(Scanned { end: at + 1, escaped }),
            Some(b'\\') => {
                escaped = true;
                at = escape_end(bytes, at)?;
            }
            Some(_) => return Err((Problem::ControlCharacter, at)),
            None => return Err((Problem::UnexpectedEnd, at)),
        }
    }
}

/// The decoded form of what stands between the quotes.
pub(super) fn decoded(inner: &str, escaped: bool) -> Cow<'_, str> {
    if escaped { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) }
}

/// The first byte from `at` on that is a quote, a backslash or a control character; the end when there is none.
fn plain_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let (words, tail) = rest.as_chunks::<8>();
    for (position, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            // The lowest set bit is the top bit of the first special byte.
            return at + position * 8 + usize::try_from(special.trailing_zeros() / 8).unwrap_or(0);
        }
    }
    let in_tail = tail.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\').unwrap_or(tail.len());
    at + words.len() * 8 + in_tail
}

/// The top bit of the first byte that is `"`, `\` or below 0x20, and perhaps of bytes after it ("SIMD within a
/// register": a borrow can only mark bytes above a true hit). Zero when there is none.
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = ONES << 7;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    (below_space | is_quote | is_backslash) & TOPS
}

/// Checks the escape at `at` (a backslash) and gives the byte after it.
fn escape_end(bytes: &[u8], at: usize) -> Result<usize, (Problem, usize)> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match code_unit(bytes, at)? {
            0xD800..=0xDBFF => match bytes.get(at + 6..at + 8) {
                Some(b"\\u") => match code_unit(bytes, at + 6)? {
                    0xDC00..=0xDFFF => Ok(at + 12),
                    _ => Err((Problem::LoneSurrogate, at)),
                },
                _ => Err((Problem::LoneSurrogate, at)),
            },
            0xDC00..=0xDFFF => Err((Problem::LoneSurrogate, at)),
            _ => Ok(at + 6),
        },
        Some(_) => Err((Problem::InvalidEscape, at)),
        None => Err((Problem::UnexpectedEnd, at + 1)),
    }
}

/// The UTF-16 code unit of the `\uXXXX` at `at`.
fn code_unit(bytes: &[u8], at: usize) -> Result<u32, (Problem, usize)> {
    let digits = bytes.get(at + 2..at + 6).ok_or((Problem::UnexpectedEnd, bytes.len()))?;
    digits.iter().try_fold(0, |unit, digit| {
        let value = char::from(*digit).to_digit(16).ok_or((Problem::InvalidEscape, at))?;
        Ok(unit << 4 | value)
    })
}

/// Decodes text whose escapes [`scan`] has checked.
fn unescape(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, after)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut units = after.chars();
        rest = match units.next() {
            Some('b') => push(&mut out, '\u{8}', units.as_str()),
            Some('f') => push(&mut out, '\u{c}', units.as_str()),
            Some('n') => push(&mut out, '\n', units.as_str()),
            Some('r') => push(&mut out, '\r', units.as_str()),
            Some('t') => push(&mut out, '\t', units.as_str()),
            Some('u') => {
                let first = hexadecimal(units.as_str(), 0);
                match first {
                    0xD800..=0xDBFF => {
                        let second = hexadecimal(units.as_str(), 6);
                        let scalar = 0x1_0000 + ((first & 0x3FF) << 10) + (second & 0x3FF);
                        push(&mut out, character(scalar), units.as_str().get(10..).unwrap_or_default())
                    }
                    _ => push(&mut out, character(first), units.as_str().get(4..).unwrap_or_default()),
                }
            }
            Some(itself) => push(&mut out, itself, units.as_str()),
            None => "",
        };
    }
    out.push_str(rest);
    out
}

fn push<'a>(out: &mut String, decoded: char, rest: &'a str) -> &'a str {
    out.push(decoded);
    rest
}

fn hexadecimal(text: &str, at: usize) -> u32 {
    text.get(at..at + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0xFFFD)
}

fn character(scalar: u32) -> char {
    char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER)
}
