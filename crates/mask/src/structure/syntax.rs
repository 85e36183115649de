//! JSON's grammar (RFC 8259), as far as masking needs it: is this JSON, and where do its strings end.
//!
//! More lenient than the gateway's parser, because what is masked here was let through already: keys may repeat, escapes
//! may be half of a surrogate pair, and bytes need not be UTF-8. Whatever it accepts is walked token by token; whatever it
//! refuses is masked as text.

use crate::bits;

/// Objects and arrays inside one another; what is deeper is text.
pub(super) const MAX_DEPTH: usize = 256;

/// Keys with escapes, decoded: the place after their first quote, and the text. In ascending order.
pub(super) type EscapedNames = Vec<(usize, String)>;

/// A string that was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quoted {
    /// One past the closing quote.
    pub(super) end: usize,
    pub(super) escaped: bool,
}

/// The escaped keys of JSON that is known to be JSON in UTF-8; without a backslash there are none.
pub(super) fn escaped_names(bytes: &[u8]) -> Option<EscapedNames> {
    match memchr::memchr(b'\\', bytes) {
        None => Some(EscapedNames::new()),
        Some(_) => json(bytes),
    }
}

/// The escaped keys, and those that are not UTF-8, if all of `bytes` is one JSON text.
pub(super) fn json(bytes: &[u8]) -> Option<EscapedNames> {
    read(bytes, false)
}

/// The escaped keys, if all of `bytes` is JSON texts one after another, each an object or an array: JSON lines and the
/// like.
pub(super) fn documents(bytes: &[u8]) -> Option<EscapedNames> {
    matches!(bytes.get(space_end(bytes, 0))?, b'{' | b'[').then(|| read(bytes, true))?
}

fn read(bytes: &[u8], many: bool) -> Option<EscapedNames> {
    let mut names = EscapedNames::new();
    // One look at all of it costs less than one at every name.
    let ascii = bytes.is_ascii();
    let mut open = [false; MAX_DEPTH];
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        // A value.
        at = space_end(bytes, at);
        match *bytes.get(at)? {
            opening @ (b'{' | b'[') => {
                let object = opening == b'{';
                *open.get_mut(depth)? = object;
                depth += 1;
                at = space_end(bytes, at + 1);
                if bytes.get(at) != Some(if object { &b'}' } else { &b']' }) {
                    if object {
                        at = name(bytes, at, ascii, &mut names)?;
                    }
                    continue;
                }
            }
            b'"' => at = string_end(bytes, at + 1)?.end,
            b'-' | b'0'..=b'9' => at = number_end(bytes, at)?,
            b't' => at = literal(bytes, at, b"true")?,
            b'f' => at = literal(bytes, at, b"false")?,
            b'n' => at = literal(bytes, at, b"null")?,
            _ => return None,
        }
        // What may follow it.
        loop {
            at = space_end(bytes, at);
            let Some(object) = depth.checked_sub(1).and_then(|inner| open.get(inner)).copied() else {
                match bytes.get(at) {
                    None => return Some(names),
                    Some(b'{' | b'[') if many => break,
                    Some(_) => return None,
                }
            };
            match (*bytes.get(at)?, object) {
                (b',', true) => {
                    at = name(bytes, space_end(bytes, at + 1), ascii, &mut names)?;
                    break;
                }
                (b',', false) => {
                    at += 1;
                    break;
                }
                (b'}', true) | (b']', false) => {
                    depth -= 1;
                    at += 1;
                }
                _ => return None,
            }
        }
    }
}

/// Passes over a key at `at` and the colon after it, in bytes of which it is known whether they are all ASCII.
fn name(bytes: &[u8], at: usize, ascii: bool, names: &mut EscapedNames) -> Option<usize> {
    (bytes.get(at)? == &b'"').then_some(())?;
    let quoted = string_end(bytes, at + 1)?;
    let raw = bytes.get(at + 1..quoted.end - 1)?;
    if quoted.escaped || !ascii && std::str::from_utf8(raw).is_err() {
        let mut decoded = Vec::new();
        crate::escapes::decode(raw, &mut decoded);
        names.push((at + 1, String::from_utf8_lossy(&decoded).into_owned()));
    }
    let colon = space_end(bytes, quoted.end);
    (bytes.get(colon)? == &b':').then_some(colon + 1)
}

pub(super) fn literal(bytes: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    bytes.get(at..)?.starts_with(word).then_some(at + word.len())
}

/// `[ minus ] int [ frac ] [ exp ]`.
pub(super) fn number_end(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = |from: usize| {
        let count = bytes.get(from..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(from + count)
    };
    let start = if bytes.get(at) == Some(&b'-') { at + 1 } else { at };
    let mut end = if bytes.get(start) == Some(&b'0') { start + 1 } else { digits(start)? };
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1)?;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        end = digits(end + 1 + sign)?;
    }
    Some(end)
}

/// The first byte from `at` on that is no white space.
pub(super) fn space_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Passes over the string whose first byte after the quote is at `start`.
pub(super) fn string_end(bytes: &[u8], start: usize) -> Option<Quoted> {
    let mut at = start;
    let mut escaped = false;
    loop {
        at = plain_end(bytes, at);
        if bytes.get(at)? == &b'"' {
            return Some(Quoted { end: at + 1, escaped });
        }
        escaped = true;
        at += 2;
    }
}

/// The first quote or backslash from `at` on, or the end. Most strings are short.
fn plain_end(bytes: &[u8], at: usize) -> usize {
    const SHORT: usize = 64;
    let rest = bytes.get(at..).unwrap_or_default();
    let (near, far) = rest.split_at(rest.len().min(SHORT));
    match bits::first_of(near, *b"\"\\") {
        Some(place) => at + place,
        None => at + near.len() + memchr::memchr2(b'"', b'\\', far).unwrap_or(far.len()),
    }
}

/// Passes over the value that begins at `at`, whatever it holds. For bytes known to be JSON.
pub(super) fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = at;
    loop {
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at + 1)?.end,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            _ => at = scalar_end(bytes, at),
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// One past a number or a literal.
pub(super) fn scalar_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b':' | b' ' | b'\t' | b'\n' | b'\r');
    at + rest.iter().position(ends).unwrap_or(rest.len())
}
