//! The ways another program may read a text: as it is, with compatibility characters made plain, and decoded, up to
//! three times over.
//!
//! Decoded are percent-encoding (RFC 3986 §2.1), also `%uXXXX` and UTF-8 that is longer than it need be, and numeric
//! character references (`&#46;`). Made plain are the characters that host names map to ASCII (UTS #46) and the likes of
//! `.`, `/` and `\`; characters that are ignored there are left out.

use std::borrow::Cow;

/// Decodings inside one another.
const MAX_DECODINGS: usize = 3;

/// The readings of a text, the text as it is (but plain) first. Each is at most as long as the one before.
pub(crate) fn of(text: &str) -> Vec<Cow<'_, str>> {
    let mut readings = vec![plain(text)];
    for _ in 0..MAX_DECODINGS {
        let Some(decoded) = readings.last().and_then(|last| decoded(last)) else { break };
        readings.push(Cow::Owned(plain(&decoded).into_owned()));
    }
    readings
}

/// A text with compatibility characters made plain.
fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if !is_ignored(character) {
            plain.push(simple(character));
        }
    }
    Cow::Owned(plain)
}

/// UTS #46 "ignored", and what else is not seen.
fn is_ignored(character: char) -> bool {
    matches!(character, '\u{AD}' | '\u{34F}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The ASCII character that a compatibility character stands for, else itself.
fn simple(character: char) -> char {
    let code = u32::from(character);
    let offset = |first: u32, base: char, period: u32| {
        let place = code.saturating_sub(first).checked_rem(period).unwrap_or(0);
        char::from_u32(u32::from(base).saturating_add(place)).unwrap_or(character)
    };
    match code {
        // Full width.
        0xFF01..=0xFF5E => offset(0xFF01, '!', 94),
        0x3000 | 0xA0 | 0x2000..=0x200A | 0x202F | 0x205F => ' ',
        // Full stops and one-dot leaders.
        0x3002 | 0xFF61 | 0x2024 | 0xFE52 => '.',
        // Slashes.
        0x2044 | 0x2215 | 0x29F8 | 0x2571 | 0x1735 => '/',
        0xFE68 | 0x2216 | 0x29F5 | 0x29F9 => '\\',
        0xFE55 | 0x2236 | 0xA789 => ':',
        0xFE6B => '@',
        // Circled, superscript and subscript digits.
        0x2460..=0x2468 => offset(0x2460, '1', 9),
        0x2776..=0x277E => offset(0x2776, '1', 9),
        0x24EA | 0x24FF | 0x2070 | 0x2080 => '0',
        0x2074..=0x2079 => offset(0x2074, '4', 6),
        0x2081..=0x2089 => offset(0x2081, '1', 9),
        0xB9 => '1',
        0xB2 => '2',
        0xB3 => '3',
        // Circled and mathematical letters and digits.
        0x24B6..=0x24CF => offset(0x24B6, 'a', 26),
        0x24D0..=0x24E9 => offset(0x24D0, 'a', 26),
        0x1D7CE..=0x1D7FF => offset(0x1D7CE, '0', 10),
        0x1D400..=0x1D6A3 => match code.saturating_sub(0x1D400).checked_rem(52).unwrap_or(0) {
            upper @ 0..26 => char::from_u32(u32::from('A').saturating_add(upper)).unwrap_or(character),
            lower => char::from_u32(u32::from('a').saturating_add(lower).saturating_sub(26)).unwrap_or(character),
        },
        0x2102 | 0x212D => 'c',
        0x210A => 'g',
        0x210B..=0x210E => 'h',
        0x2110 | 0x2111 => 'i',
        0x2112 | 0x2113 => 'l',
        0x2115 => 'n',
        0x2119 => 'p',
        0x211A => 'q',
        0x211B..=0x211D => 'r',
        0x2124 | 0x2128 => 'z',
        0x212A => 'k',
        0x212C => 'b',
        0x212F | 0x2130 => 'e',
        0x2131 => 'f',
        0x2133 => 'm',
        0x2134 => 'o',
        0x17F => 's',
        _ => character,
    }
}

/// One decoding; `None` when there is nothing to decode.
fn decoded(text: &str) -> Option<String> {
    if !text.contains(['%', '&']) {
        return None;
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut place = 0;
    let mut has_changed = false;
    while let Some(byte) = bytes.get(place) {
        let rest = bytes.get(place..).unwrap_or_default();
        let found = match byte {
            b'%' => percent(rest),
            b'&' => reference(rest),
            _ => None,
        };
        match found {
            Some((Found::Byte(byte), length)) => {
                decoded.push(byte);
                place = place.saturating_add(length);
                has_changed = true;
            }
            Some((Found::Character(character), length)) => {
                decoded.extend(character.encode_utf8(&mut [0; 4]).bytes());
                place = place.saturating_add(length);
                has_changed = true;
            }
            None => {
                decoded.push(*byte);
                place = place.saturating_add(1);
            }
        }
    }
    has_changed.then(|| from_utf8(&decoded))
}

enum Found {
    Byte(u8),
    Character(char),
}

fn percent(rest: &[u8]) -> Option<(Found, usize)> {
    if let Some(digits) = rest.get(2..6).filter(|_| matches!(rest.get(1), Some(b'u' | b'U'))) {
        return char::from_u32(number(digits, 16)?).map(|character| (Found::Character(character), 6));
    }
    let byte = u8::try_from(number(rest.get(1..3)?, 16)?).ok()?;
    Some((Found::Byte(byte), 3))
}

/// `&#46;` and `&#x2e;`, with or without the semicolon.
fn reference(rest: &[u8]) -> Option<(Found, usize)> {
    let digits = rest.strip_prefix(b"&#")?;
    let (radix, digits, before) = match digits.strip_prefix(b"x").or_else(|| digits.strip_prefix(b"X")) {
        Some(digits) => (16, digits, 3_usize),
        None => (10, digits, 2),
    };
    let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
    let length = digits.iter().take(8).take_while(is_digit).count();
    let character = char::from_u32(number(digits.get(..length)?, radix)?)?;
    let end = usize::from(digits.get(length) == Some(&b';'));
    Some((Found::Character(character), before.saturating_add(length).saturating_add(end)))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let mut number: u32 = 0;
    for digit in digits {
        number = number.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?)?;
    }
    (!digits.is_empty()).then_some(number)
}

/// Bytes as text. A character that takes more bytes than it need is what a careless decoder makes of it; what is no UTF-8
/// at all is U+FFFD.
fn from_utf8(bytes: &[u8]) -> String {
    let mut short = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let low = |place: usize| after.get(place).filter(|byte| (0x80..0xC0).contains(*byte)).map(|byte| byte & 0x3F);
        let overlong = match first {
            0xC0 | 0xC1 => low(0).map(|last| (((first & 1) << 6) | last, 1)),
            0xE0 => match (low(0), low(1)) {
                (Some(0), Some(last)) => Some((last, 2)),
                (Some(1), Some(last)) => Some((0x40 | last, 2)),
                _ => None,
            },
            0xF0 => match (low(0), low(1), low(2)) {
                (Some(0), Some(0), Some(last)) => Some((last, 3)),
                (Some(0), Some(1), Some(last)) => Some((0x40 | last, 3)),
                _ => None,
            },
            _ => None,
        };
        let (byte, length) = overlong.unwrap_or((*first, 0));
        short.push(byte);
        rest = after.get(length..).unwrap_or_default();
    }
    String::from_utf8_lossy(&short).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_may_be_read_as() {
        for (text, last) in [
            ("plain", "plain"),
            ("%2e%2E/", "../"),
            ("%252e%252e%252f", "../"),
            ("%25252e", "."),
            ("%2525252e", "%2e"),
            ("%c0%ae%c0%af", "./"),
            ("%e0%80%ae", "."),
            ("%f0%80%80%ae", "."),
            ("%c1%9c", "\\"),
            ("%u002e%u2215", "./"),
            ("&#46;&#x2F;&#47", ".//"),
            ("１２７。0．0｡1", "127.0.0.1"),
            ("①⑨⓪", "190"),
            ("𝟏𝟐𝟕.𝕝𝕠𝕔𝕒𝕝", "127.local"),
            ("ⓛocal\u{AD}\u{200B}host", "localhost"),
            ("100% & more &amp; %zz &#; %", "100% & more &amp; %zz &#; %"),
            ("%ff%61", "\u{FFFD}a"),
        ] {
            assert_eq!(of(text).last().unwrap(), last, "{text}");
        }
    }
}
