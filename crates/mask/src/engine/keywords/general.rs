//! Secrets of no known issuer: which names call a value one, and which values look like one.

use super::Mark;
use super::assigned::Assigned;
use crate::class::ClassId;
use crate::form::{Set, has_entropy};
use crate::placeholder::is_placeholder;

/// Bytes of a value that is no password, at most and at least.
pub(super) const MAX_GENERIC: usize = 512;
const MIN_GENERIC: usize = 10;

/// The entropy of a value that looks drawn at random, in tenths of a bit.
const RANDOM: u8 = 35;

/// Bytes of a password, at most and at least.
const MAX_PASSWORD: usize = 128;
const MIN_PASSWORD: usize = 4;

/// Bytes before and after a keyword that belong to its identifier, at most.
const MAX_NAME: usize = 50;

/// Words after which a name tells of a secret, not the secret itself.
const ABOUT: [&[u8]; 44] = [
    b"name",
    b"names",
    b"id",
    b"ids",
    b"url",
    b"uri",
    b"endpoint",
    b"file",
    b"path",
    b"dir",
    b"size",
    b"length",
    b"len",
    b"count",
    b"type",
    b"types",
    b"alias",
    b"version",
    b"format",
    b"algorithm",
    b"alg",
    b"method",
    b"source",
    b"store",
    b"ring",
    b"pair",
    b"board",
    b"code",
    b"policy",
    b"field",
    b"label",
    b"hint",
    b"prefix",
    b"suffix",
    b"usage",
    b"expiry",
    b"expires",
    b"ttl",
    b"status",
    b"scope",
    b"provider",
    b"issuer",
    b"manager",
    b"stone",
];

/// Words before which a key is no secret.
const PLAIN: [&[u8]; 18] = [
    b"public",
    b"pub",
    b"primary",
    b"foreign",
    b"sort",
    b"partition",
    b"hash",
    b"row",
    b"cache",
    b"index",
    b"idx",
    b"natural",
    b"schema",
    b"sequence",
    b"csrf",
    b"hot",
    b"bucket",
    b"pagination",
];

/// What stands directly before `key` and the like in identifiers written together: `apikey`, `authtoken`.
const COMPOUNDS: [&[u8]; 14] = [
    b"api",
    b"access",
    b"secret",
    b"auth",
    b"private",
    b"encryption",
    b"signing",
    b"master",
    b"app",
    b"account",
    b"shared",
    b"client",
    b"session",
    b"user",
];

/// Classes of general rules, if they are looked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Classes {
    pub(super) password: Option<ClassId>,
    pub(super) generic: Option<ClassId>,
}

/// A value that was judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub(super) span: Option<(usize, usize)>,
    /// Whether more text could make another of it.
    pub(super) open: bool,
}

/// Whether the identifier around a keyword of passwords means one.
pub(super) fn names_password(text: &[u8], start: usize, end: usize) -> bool {
    let whole = end - start > 3 || begins_word(text, start);
    whole && !tells_about(text, end)
}

/// Whether the identifier around a keyword means a secret.
pub(super) fn names_secret(text: &[u8], start: usize, end: usize) -> bool {
    let Some(keyword) = text.get(start..end) else { return false };
    // Short words are parts of many others: `monkey`, `author`, `capital`.
    let short = keyword.len() <= 4 || keyword.eq_ignore_ascii_case(b"access");
    let whole = !short || begins_word(text, start) && ends_word(text, end);
    whole && !tells_about(text, end) && !is_plain(text, start)
}

fn begins_word(text: &[u8], start: usize) -> bool {
    let (Some(first), before) = (text.get(start), text.get(..start).unwrap_or_default()) else { return false };
    match before.last() {
        Some(last) if last.is_ascii_alphabetic() => {
            let camel = first.is_ascii_uppercase() && last.is_ascii_lowercase();
            let ends = |word: &&[u8]| {
                before
                    .len()
                    .checked_sub(word.len())
                    .and_then(|from| before.get(from..))
                    .is_some_and(|end| end.eq_ignore_ascii_case(word))
            };
            camel || COMPOUNDS.iter().any(ends)
        }
        _ => true,
    }
}

fn ends_word(text: &[u8], end: usize) -> bool {
    let last = end.checked_sub(1).and_then(|last| text.get(last));
    let after = match text.get(end) {
        Some(b's' | b'S') => text.get(end + 1),
        after => after,
    };
    match (last, after) {
        (Some(last), Some(after)) if after.is_ascii_alphabetic() => {
            last.is_ascii_lowercase() && after.is_ascii_uppercase()
        }
        _ => true,
    }
}

/// Whether the identifier around a keyword stands in a value: behind a `=` of another.
pub(super) fn is_nested(text: &[u8], start: usize) -> bool {
    let before = text.get(start.saturating_sub(MAX_NAME)..start).unwrap_or_default();
    before.iter().rev().find(|byte| !Set::Dotted.has(**byte)) == Some(&b'=')
}

/// Whether the last word of the identifier makes it about a secret, as in `key_name`.
fn tells_about(text: &[u8], end: usize) -> bool {
    let rest = text.get(end..).unwrap_or_default();
    let length = rest
        .iter()
        .take(MAX_NAME)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        .count();
    let tail = rest.get(..length).unwrap_or_default();
    let last = tail
        .iter()
        .rposition(|byte| !byte.is_ascii_alphanumeric())
        .map_or(tail, |at| tail.get(at + 1..).unwrap_or_default());
    let camel =
        last.windows(2).rposition(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    let last = camel.and_then(|at| last.get(at + 1..)).unwrap_or(last);
    !last.is_empty() && ABOUT.iter().any(|word| word.eq_ignore_ascii_case(last))
}

/// Whether the word before the keyword makes it none, as in `public_key`.
fn is_plain(text: &[u8], start: usize) -> bool {
    let before = match text.get(start.saturating_sub(MAX_NAME)..start).unwrap_or_default() {
        [before @ .., other] if !other.is_ascii_alphanumeric() => before,
        before => before,
    };
    before.last().is_some_and(u8::is_ascii_alphanumeric)
        && PLAIN.iter().any(|word| {
            let from = before.len().checked_sub(word.len());
            from.and_then(|from| before.get(from..)).is_some_and(|end| end.eq_ignore_ascii_case(word))
        })
}

/// Judges a value whose run of token bytes ends at `end`.
pub(super) fn generic(text: &[u8], assigned: &Assigned, end: usize, mark_at: impl Fn(usize) -> Mark) -> Value {
    let open = end == text.len() || mark_at(end) == Mark::Unfinished;
    let end = if text.get(end.wrapping_sub(1)) == Some(&b'.') { end - 1 } else { end };
    let end = match assigned.quote {
        Some(quote) if !matches!(text.get(end), Some(next) if *next == quote || *next == b'\\') => {
            match quoted(text, assigned.value, quote) {
                Some(end) => end,
                None => return Value { span: None, open: open || assigned.value + MAX_PASSWORD >= text.len() },
            }
        }
        _ => end,
    };
    let Some(value) = text.get(assigned.value..end) else { return Value { span: None, open } };
    let goes_on = matches!(text.get(end), Some(b'(' | b'[' | b'{' | b'$' | b':' | b'%' | b'!' | b'*' | b'#' | b'^'))
        || matches!(mark_at(end), Mark::Until(_));
    let stands = (MIN_GENERIC..=MAX_GENERIC).contains(&value.len()) && !goes_on && looks_random(value);
    Value { span: stands.then_some((assigned.value, end)), open }
}

/// The end of a quoted value with more than the bytes of tokens in it: punctuation, but nothing that code or a template
/// is made of.
fn quoted(text: &[u8], start: usize, quote: u8) -> Option<usize> {
    let rest = text.get(start..)?;
    let length = rest
        .iter()
        .take(MAX_PASSWORD)
        .take_while(|byte| **byte != quote && byte.is_ascii_graphic() && !b"(){}[]<>\\\"'`;,".contains(byte))
        .count();
    (rest.get(length) == Some(&quote)).then_some(start + length)
}

/// Whether a value looks drawn at random: digits and letters without order, and hardly any words. A version behind a name
/// counts for nothing.
pub(super) fn looks_random(value: &[u8]) -> bool {
    is_random(value) && without_version(value).is_none_or(is_random)
}

fn is_random(value: &[u8]) -> bool {
    let digits = value.iter().any(u8::is_ascii_digit);
    let letters = value.iter().any(u8::is_ascii_alphabetic);
    let path = matches!(value.first(), Some(b'/' | b'.' | b'@'));
    digits
        && letters
        && !path
        && !is_in_order(value)
        && has_entropy(value, RANDOM)
        && !is_words(value)
        && !is_placeholder(value)
}

/// What stands before a version, as in `library-core-1.12.3`. None if none ends the value.
fn without_version(value: &[u8]) -> Option<&[u8]> {
    let at = value.iter().rposition(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
    let (name, version) = (value.get(..at)?, value.get(at + 1..)?);
    let parts = version.split(|byte| *byte == b'.');
    let is_version = parts.clone().count() > 1 && parts.into_iter().all(|part| !part.is_empty());
    (matches!(value.get(at), Some(b'-' | b':' | b'@' | b'_')) && is_version).then_some(name)
}

/// Ten bytes that follow each other, as in `0123456789` and `abcdefghij`.
fn is_in_order(value: &[u8]) -> bool {
    let mut length = 0;
    value.windows(2).any(|pair| {
        let follows = matches!(pair, [a, b] if a.wrapping_add(1) == *b);
        length = if follows { length + 1 } else { 0 };
        length >= 9
    })
}

/// Whether half of a value reads like words; with separators between them, two fifths.
fn is_words(value: &[u8]) -> bool {
    let parted = value.iter().any(|byte| matches!(byte, b'_' | b'-' | b'.'));
    let (least, of) = if parted { (2, 5) } else { (1, 2) };
    of * letters_in_words(value) >= least * value.len()
}

/// How many letters stand in what reads like words: four and more of one case, with vowels at most three letters apart.
fn letters_in_words(value: &[u8]) -> usize {
    let vowel = |byte: u8| matches!(byte.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let (mut all, mut length, mut vowels, mut apart, mut speakable) = (0, 0, 0, 0, true);
    let mut before = 0_u8;
    for byte in value.iter().copied().chain([0]) {
        let joins = byte.is_ascii_alphabetic() && !(byte.is_ascii_uppercase() && before.is_ascii_lowercase());
        if !joins || length == 0 {
            if length >= 4 && vowels > 0 && vowels < length && speakable {
                all += length;
            }
            (length, vowels, apart, speakable) = (0, 0, 0, true);
        }
        if byte.is_ascii_alphabetic() {
            length += 1;
            vowels += usize::from(vowel(byte));
            apart = if vowel(byte) { 0 } else { apart + 1 };
            speakable &= apart <= 3;
        }
        before = byte;
    }
    all
}

/// Judges what may be a password.
pub(super) fn password(text: &[u8], assigned: &Assigned, mark_at: impl Fn(usize) -> Mark) -> Value {
    let rest = text.get(assigned.value..).unwrap_or_default();
    let near = rest.get(..MAX_PASSWORD + 1).unwrap_or(rest);
    let ends = |byte: &u8| match assigned.quote {
        Some(quote) => *byte == quote || matches!(byte, b'\n' | b'\r'),
        None => {
            *byte <= b' '
                || matches!(byte, b',' | b';' | b')' | b'&' | b'<' | b'>' | b'"' | b'\'' | b'`' | b'}' | b']' | b'\\')
        }
    };
    let (mut at, mut is_mark_open) = (0, false);
    let end = loop {
        let Some(byte) = near.get(at) else { break None };
        match mark_at(assigned.value + at) {
            // What holds a mark was no password before it was masked.
            Mark::Until(_) => return Value { span: None, open: is_mark_open },
            mark => {
                is_mark_open |= mark == Mark::Unfinished;
                if ends(byte) {
                    break Some(at);
                }
                at += 1;
            }
        }
    };
    let open = end.is_none() && near.len() == rest.len() || end == Some(rest.len()) || is_mark_open;
    let value = near.get(..end.unwrap_or(near.len())).unwrap_or_default();
    let closed = match assigned.quote {
        Some(quote) => end.and_then(|end| near.get(end)) == Some(&quote),
        // Something ends it, or the text does.
        None => end.is_some() || near.len() <= MAX_PASSWORD,
    };
    let value = if assigned.quote.is_some() { value.strip_suffix(b"\\").unwrap_or(value) } else { value };
    let stands = closed
        && value.len() >= MIN_PASSWORD
        && !assigned.listed_code(value)
        && !is_placeholder(value)
        && !is_code(value, assigned);
    Value { span: stands.then_some((assigned.value, assigned.value + value.len())), open }
}

impl Assigned {
    /// After a comma, only a quoted value with more than letters is a password: `("password", "Ab1Cd2")`.
    fn listed_code(&self, value: &[u8]) -> bool {
        self.listed
            && (self.quote.is_none()
                || value.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b' ')))
    }
}

/// Whether it is an expression, a type or a sentence rather than a password.
fn is_code(value: &[u8], assigned: &Assigned) -> bool {
    let letters = value.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.' | b'-' | b':'));
    if assigned.quote.is_some() {
        let blanks = memchr::memchr_iter(b' ', value).count();
        return value.windows(2).any(|pair| pair == b"${" || pair == b"{{" || pair == b"$(")
            || blanks >= 2 && value.iter().all(|byte| byte.is_ascii_alphabetic() || b" .,'!?:-".contains(byte));
    }
    let expression = value.iter().any(|byte| matches!(byte, b'(' | b'[' | b'{' | b'$' | b'|'));
    expression
        || letters && !(assigned.attached && value.iter().all(u8::is_ascii_alphanumeric))
        || value.iter().all(|byte| !Set::Alnum.has(*byte))
}
