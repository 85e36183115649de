//! Characters of Unicode that people and programs write for those of ASCII (Unicode chapters 6.2, 23.2 and 22.3).
//!
//! Digits of the scripts in wide use, full-width forms, spaces, hyphens, and what shows nothing. Letters that merely look
//! alike are none: `о` is another letter than `o`.

use super::{Shown, Spelling};

/// Whether a character that [`ascii`] knows may begin with this byte.
pub(super) const fn may_lead(byte: u8) -> bool {
    matches!(byte, 0xC2 | 0xCD | 0xD8 | 0xD9 | 0xDB | 0xE0 | 0xE1 | 0xE2 | 0xE3 | 0xEF | 0xF0)
}

/// The ASCII character that a character stands for, or nothing to be seen.
pub(super) fn ascii(character: char) -> Option<Shown> {
    /// The zeros of ten digits each: Arabic, Persian, Devanagari, Bengali, Thai, and five styles of mathematics.
    const ZEROS: [u32; 10] = [0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0x1_D7CE, 0x1_D7D8, 0x1_D7E2, 0x1_D7EC, 0x1_D7F6];
    let byte = match character {
        '\0'..='\x7F' => u8::try_from(character).ok()?,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' => {
            return Some(Shown::Nothing);
        }
        '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' => return Some(Shown::Nothing),
        '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => b' ',
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' => b'-',
        '\u{3002}' | '\u{FF61}' => b'.',
        '\u{FE6B}' => b'@',
        '\u{FF01}'..='\u{FF5E}' => u8::try_from(u32::from(character) - 0xFEE0).ok()?,
        _ => {
            let digit =
                ZEROS.iter().find_map(|zero| u32::from(character).checked_sub(*zero).filter(|digit| *digit < 10));
            b'0' + u8::try_from(digit?).ok()?
        }
    };
    Some(Shown::As(byte))
}

/// What the character that `text` begins with stands for where it stands. `before` is what is read before it.
pub(super) fn spelling(text: &[u8], before: Option<u8>) -> Spelling {
    let (character, length) = match first(text) {
        First::Character(character) => (character, character.len_utf8()),
        First::Unfinished => return Spelling::Unfinished,
        First::None => return Spelling::None,
    };
    let Some(shown) = ascii(character) else { return Spelling::None };
    if matches!(shown, Shown::As(b'@' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')) {
        return Spelling::Of(shown, length);
    }
    let Some(before) = before.filter(u8::is_ascii_graphic) else { return Spelling::None };
    let Some(after) = text.get(length).copied() else { return Spelling::Unfinished };
    let digits = before.is_ascii_digit() || after.is_ascii_digit();
    // A mark joins what the value joined that it stands for.
    let joins_before = before.is_ascii_alphanumeric() || matches!(before, b'>' | b']' | b'*');
    let joins_after = !after.is_ascii() || after.is_ascii_alphanumeric() || matches!(after, b'<' | b'[' | b'*');
    let joins = match shown {
        Shown::Nothing => after.is_ascii_graphic() || !after.is_ascii(),
        // An em dash between words is prose; the other two are hyphens and nothing else.
        Shown::As(b' ' | b'-') if !matches!(character, '\u{2010}' | '\u{2011}') => {
            (before == b')' || joins_before && digits) && (joins_after || after == b'(')
        }
        Shown::As(b'(' | b')' | b',') => digits,
        Shown::As(_) => joins_before && (!after.is_ascii() || after.is_ascii_graphic()),
    };
    if joins { Spelling::Of(shown, length) } else { Spelling::None }
}

enum First {
    Character(char),
    /// A character that more bytes may complete.
    Unfinished,
    /// No UTF-8.
    None,
}

fn first(text: &[u8]) -> First {
    /// Bytes of the longest character.
    const LONGEST: usize = 4;
    let near = text.get(..LONGEST).unwrap_or(text);
    let valid = match std::str::from_utf8(near) {
        Ok(valid) => valid,
        Err(error) if error.valid_up_to() == 0 && error.error_len().is_none() => return First::Unfinished,
        Err(error) => {
            near.get(..error.valid_up_to()).and_then(|near| std::str::from_utf8(near).ok()).unwrap_or_default()
        }
    };
    valid.chars().next().map_or(First::None, First::Character)
}
