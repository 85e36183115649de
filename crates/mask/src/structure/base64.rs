//! Base64 (RFC 4648 §4 and §5) in a text: alone, in `data:…;base64,`, behind a word, in lines of MIME (RFC 2045 §6.8).
//!
//! Only what is canonical counts. Identifiers and hashes are base64 as well: what decodes to text is masked as text; in what
//! decodes to anything else the stretches of text are, so long ones only. Each run of characters is decoded once, so the
//! work is linear.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Characters of base64 in a text, at least, to be taken for it.
const MIN_LENGTH: usize = 24;

/// The same where the name of the member says that it is base64: MCP's `blob`.
const MIN_BLOB: usize = 8;

/// Bytes of a stretch of text in what is none as a whole, at least.
const MIN_STRETCH: usize = 12;

/// Of so many characters of text one may be a control character.
const CONTROLS_PER: usize = 20;

/// What a byte is to base64: none of its characters.
const OTHER: u8 = 1;

/// One of its characters that hexadecimal digits and hyphens are not.
const HIGH: u8 = 2;

/// Something that was in base64.
#[derive(Debug)]
pub(super) struct Encoded {
    /// Where it stands in the text.
    pub(super) range: Range<usize>,
    engine: &'static GeneralPurpose,
    /// Characters of its lines and what ends them, if it has several.
    lines: Option<(usize, &'static [u8])>,
    /// Whether `=` ends it and text follows, which might go on with its characters.
    parted: bool,
    pub(super) decoded: Vec<u8>,
    pub(super) is_text: bool,
}

impl Encoded {
    /// Other text, encoded in the same way. It ends where this one does: with `=`, for which a space may be added.
    pub(super) fn encode(&self, mut text: Vec<u8>) -> Vec<u8> {
        if self.parted && text.len().is_multiple_of(3) {
            text.push(b' ');
        }
        let encoded = self.engine.encode(text).into_bytes();
        match self.lines {
            None => encoded,
            Some((length, end)) => encoded.chunks(length).collect::<Vec<_>>().join(end),
        }
    }
}

/// Whether a text may hold base64. `is_blob` says that the whole text is meant to be it.
pub(super) fn may_be_in(text: &[u8], is_blob: bool) -> bool {
    is_blob || long_run(text, 0).is_some()
}

/// All that a text holds in base64, in order. `is_blob` says that the whole text is meant to be it.
pub(super) fn all(text: &[u8], is_blob: bool) -> Vec<Encoded> {
    let mut all = Vec::new();
    if is_blob && (MIN_BLOB..MIN_LENGTH).contains(&text.len()) && text.iter().all(|byte| kind(*byte) != OTHER) {
        all.extend(decode(text, 0..text.len(), None));
        return all;
    }
    let mut from = 0;
    while let Some(start) = long_run(text, from) {
        let first = run(text, start);
        from = read(text, first, &mut all).max(start + 1);
    }
    all
}

/// Where the first run of at least [`MIN_LENGTH`] characters begins, of those that begin at `from` or behind it. Looked at
/// from the last byte that it must have: most bytes of most texts are never looked at.
fn long_run(text: &[u8], from: usize) -> Option<usize> {
    let mut start = from;
    loop {
        let wanted = text.get(start..)?.get(..MIN_LENGTH)?;
        match wanted.iter().rposition(|byte| !is_inner(*byte)) {
            Some(other) => start += other + 1,
            None => return Some(start),
        }
    }
}

/// Reads what begins with a run; returns where it ends.
fn read(text: &[u8], first: Range<usize>, all: &mut Vec<Encoded>) -> usize {
    if let Some(wrapped) = wrapped(text, &first) {
        let end = wrapped.range.end;
        all.push(wrapped);
        return end;
    }
    let end = first.end;
    let whole = decode(text, first.clone(), None);
    if whole.as_ref().is_some_and(|whole| whole.is_text) {
        all.extend(whole);
        return end;
    }
    // A path of an address: slashes are characters of base64.
    let (mut start, before) = (first.start, all.len());
    for part in text.get(first).unwrap_or_default().split(|byte| *byte == b'/') {
        let range = start..start + part.len();
        start = range.end + 1;
        if range.len() >= MIN_LENGTH {
            all.extend(decode(text, range, None).filter(|encoded| encoded.is_text));
        }
    }
    if all.len() == before {
        all.extend(whole);
    }
    end
}

/// Lines of one length, the last of which may be shorter.
fn wrapped(text: &[u8], first: &Range<usize>) -> Option<Encoded> {
    let length = first.len();
    let rest = text.get(first.end..)?;
    let ends: [&'static [u8]; 2] = [b"\r\n", b"\n"];
    let end = ends.into_iter().find(|end| rest.starts_with(end))?;
    let (mut joined, mut last) = (text.get(first.clone())?.to_vec(), first.clone());
    while last.len() == length && text.get(last.end..)?.starts_with(end) {
        let next = run(text, last.end + end.len());
        if next.is_empty() || next.len() > length {
            break;
        }
        joined.extend_from_slice(text.get(next.clone())?);
        last = next;
    }
    if last == *first {
        return None;
    }
    let (range, follows) = (first.start..last.end, last.end < text.len());
    let encoded = decode(&joined, 0..joined.len(), Some((length, end)))?;
    Some(Encoded { range, parted: follows && joined.ends_with(b"="), ..encoded })
}

/// The characters from `start` on, with the padding that ends them.
fn run(text: &[u8], start: usize) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    let inner = rest.iter().take_while(|byte| is_inner(**byte)).count();
    let padding = rest.iter().skip(inner).take(2).take_while(|byte| **byte == b'=').count();
    start..start + inner + padding
}

fn decode(text: &[u8], range: Range<usize>, lines: Option<(usize, &'static [u8])>) -> Option<Encoded> {
    let encoded = text.get(range.clone())?;
    // Hexadecimal digits, as in hashes and UUIDs, are what no text becomes.
    if encoded.iter().take(MIN_LENGTH).all(|byte| kind(*byte) & HIGH == 0) {
        return None;
    }
    let is_url = |byte: &u8| matches!(byte, b'-' | b'_');
    // Without `=` at the end, the URL alphabet means that there never is one.
    let engine = match (encoded.iter().any(is_url), encoded.last() == Some(&b'='), encoded.len() % 4 == 0) {
        (false, _, true) => &STANDARD,
        (false, _, false) => &STANDARD_NO_PAD,
        (true, true, _) => &URL_SAFE,
        (true, false, _) => &URL_SAFE_NO_PAD,
    };
    let decoded = engine.decode(encoded).ok()?;
    let is_text = is_text(&decoded);
    let parted = encoded.ends_with(b"=") && range.end < text.len();
    Some(Encoded { range, engine, lines, parted, decoded, is_text })
}

fn is_inner(byte: u8) -> bool {
    kind(byte) != OTHER && byte != b'='
}

fn kind(byte: u8) -> u8 {
    KINDS.get(usize::from(byte)).copied().unwrap_or(OTHER)
}

/// By byte.
#[expect(clippy::indexing_slicing, reason = "the compiler reckons it")]
const KINDS: [u8; 256] = {
    let (mut kinds, mut byte) = ([OTHER; 256], 0);
    while byte < 0x80 {
        kinds[byte as usize] = match byte {
            b'0'..=b'9' | b'a'..=b'f' | b'-' => 0,
            b'A'..=b'Z' | b'g'..=b'z' | b'+' | b'/' | b'_' | b'=' => HIGH,
            _ => OTHER,
        };
        byte += 1;
    }
    kinds
};

/// Whether bytes are UTF-8 with few control characters.
fn is_text(bytes: &[u8]) -> bool {
    let controls = bytes.iter().filter(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()).count();
    controls <= bytes.len() / CONTROLS_PER && std::str::from_utf8(bytes).is_ok()
}

/// The stretches of ASCII text in bytes that are none as a whole.
pub(super) fn stretches(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    bytes.split(|byte| !byte.is_ascii_graphic() && *byte != b' ').filter_map(move |stretch| {
        let range = at..at + stretch.len();
        at = range.end + 1;
        (stretch.len() >= MIN_STRETCH).then_some(range)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_long_run_is_the_one_that_a_plain_loop_finds(
            text in "([a-zA-Z0-9+/_\\-]{0,50}[ .=é\n@`{]{0,3}){0,5}",
            from in 0..30_usize,
        ) {
            let text = text.as_bytes();
            let begins = |at: &usize| *at == from || !is_inner(text[at - 1]);
            let is_long = |at: &usize| text[*at..].iter().take_while(|byte| is_inner(**byte)).count() >= MIN_LENGTH;
            prop_assert_eq!(long_run(text, from), (from..text.len()).filter(begins).find(is_long));
        }
    }
}
