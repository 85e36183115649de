//! Characters that people do not see, or that change the order of others (Unicode TR36, UAX #9; "Trojan Source",
//! CVE-2021-42574): one table for what callers send, what servers answer and how they describe their tools.
//!
//! Hidden are: tag characters but in flags, zero-width characters but where scripts join by them (Persian and Indic words,
//! emoji), bidirectional overrides, and embeddings and isolates that do not end, variation selectors one after another.
//! Escapes are terminals' escape sequences and other control characters.

/// Whether there are control characters but those that end lines and pages, and tabs.
pub fn has_escapes(text: &str) -> bool {
    text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t' | '\u{C}'))
}

/// Whether there are characters that nobody sees, where no script and no picture needs them, or that turn the order of others.
pub fn has_invisible(text: &str) -> bool {
    !text.is_ascii() && (unseen(text) || directions(text))
}

/// Whether a character is not seen by itself, wherever it stands. Without those, a text reads as it looks.
pub const fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn unseen(text: &str) -> bool {
    let mut before = '\0';
    let mut in_flag = false;
    let mut characters = text.chars().enumerate().peekable();
    while let Some((place, character)) = characters.next() {
        let after = characters.peek().map_or('\0', |(_, after)| *after);
        let is_seen = match character {
            // A flag of a region: a black flag, letters as tags, the end as a tag.
            '\u{E0020}'..='\u{E007E}' if in_flag || before == '\u{1F3F4}' => {
                in_flag = true;
                matches!(after, '\u{E0020}'..='\u{E007F}')
            }
            '\u{E007F}' if in_flag => {
                in_flag = false;
                true
            }
            // Joins emoji, and letters of Arabic and Indic scripts.
            '\u{200D}' => is_emoji(before) && is_emoji(after) || joins(before),
            '\u{200C}' => joins(before) && joins(after),
            // A byte order mark at the beginning says what it is.
            '\u{FEFF}' => place == 0,
            // A form of an ideograph (Unicode TS 37).
            '\u{E0100}'..='\u{E01EF}' => is_ideograph(before),
            '\u{E0000}'..='\u{E0FFF}'
            | '\u{AD}'
            | '\u{200B}'
            | '\u{2060}'..='\u{2064}'
            | '\u{206A}'..='\u{206F}'
            | '\u{34F}'
            | '\u{180E}'
            | '\u{115F}'
            | '\u{1160}'
            | '\u{3164}'
            | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{1D173}'..='\u{1D17A}' => false,
            '\u{FE00}'..='\u{FE0F}' => !matches!(before, '\u{FE00}'..='\u{FE0F}' | '\0' | ' ' | 'A'..='Z' | 'a'..='z'),
            _ => true,
        };
        if !is_seen {
            return true;
        }
        before = character;
    }
    false
}

/// Scripts that join their letters, or keep them apart, by characters that are not seen.
fn joins(character: char) -> bool {
    matches!(u32::from(character), 0x600..=0x8FF | 0x900..=0xDFF | 0xE80..=0xEFF | 0x1000..=0x109F | 0x1780..=0x18AF
        | 0xFB50..=0xFDFF | 0xFE70..=0xFEFC)
}

fn is_ideograph(character: char) -> bool {
    matches!(u32::from(character), 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF)
}

fn is_emoji(character: char) -> bool {
    matches!(u32::from(character), 0x1F000..=0x1FAFF | 0x2190..=0x2BFF | 0x3030 | 0xFE0F | 0x23 | 0x2A)
}

/// Overrides, and embeddings and isolates that are open at the end of a line.
fn directions(text: &str) -> bool {
    text.lines().any(|line| {
        let (mut embeddings, mut isolates) = (0_usize, 0_usize);
        for character in line.chars() {
            match character {
                '\u{202D}' | '\u{202E}' => return true,
                '\u{202A}' | '\u{202B}' => embeddings = embeddings.saturating_add(1),
                '\u{202C}' if embeddings == 0 => return true,
                '\u{202C}' => embeddings = embeddings.saturating_sub(1),
                '\u{2066}'..='\u{2068}' => isolates = isolates.saturating_add(1),
                '\u{2069}' if isolates == 0 => return true,
                '\u{2069}' => isolates = isolates.saturating_sub(1),
                _ => {}
            }
        }
        embeddings > 0 || isolates > 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_and_what_is_not() {
        for text in
            ["hi\u{E0049}\u{E0067}", "pass\u{200B}word", "x\u{202E}gpj.exe", "\u{2066}open", "a\u{FE0F}\u{FE01}"]
        {
            assert!(has_invisible(text) && !has_escapes(text), "{text:?}");
            assert!(text.chars().any(is_invisible), "{text:?}");
        }
        for text in ["\u{1B}[31mred", "bell\u{7}", "a\u{9B}31m"] {
            assert!(has_escapes(text) && !has_invisible(text), "{text:?}");
        }
        for text in
            ["plain\n\ttext\u{C}", "می\u{200C}خواهم", "👩\u{200D}💻", "\u{2067}שלום\u{2069} x", "right\u{200E}mark", ""]
        {
            assert!(!has_invisible(text) && !has_escapes(text), "{text:?}");
        }
    }
}
