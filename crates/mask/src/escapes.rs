//! Escapes of JSON's strings (RFC 8259 §7).
//!
//! More lenient than the standard where what is masked was let through already: half a surrogate pair is read as U+FFFD, and
//! a backslash before anything else as itself. Linear in the text; writing escapes only what must be.

/// Decodes what stands between the quotes of a JSON string and puts it into `out`; half a surrogate pair is U+FFFD.
pub(crate) fn decode(inner: &[u8], out: &mut Vec<u8>) {
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
