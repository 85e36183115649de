//! What is put in the place of a value.
//!
//! Each is recognised afterwards (`engine::marks`), so that masking twice changes nothing. There is no plain hash: a
//! nine-digit number falls to a dictionary whatever the hash.

use std::fmt;

use aws_lc_rs::hmac;

use crate::engine::{HASH_LETTERS, MAX_KEPT};
use crate::placeholder::REDACTED;

/// Digits of a session's number, at most: a session tells fewer values apart than that has.
const MAX_NUMBER: usize = 6;

/// How a class is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Operator {
    /// `<EMAIL_ADDRESS>`
    #[default]
    Replace,
    /// `[REDACTED]`: not even the class is told.
    Redact,
    /// Stars for all letters and digits but the last few; separators stay. Never more than half of a value is kept.
    KeepLast(u8),
    /// `<EMAIL_ADDRESS:` and 96 bits of an HMAC-SHA256 under the gateway's key `>`: equal values stay equal.
    Hmac,
    /// `<EMAIL_ADDRESS_1>`: numbered by first sight, within a session.
    Token,
    /// `null` in JSON where the value is the whole string or number; `<EMAIL_ADDRESS>` elsewhere.
    Nullify,
}

/// An operator that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no operator is called {0:?}; use \"replace\", \"redact\", \"keep_last(N)\" with N from 1 to {MAX_KEPT}, \"hmac\", \
     \"token\" or \"nullify\""
)]
pub struct UnknownOperator(String);

impl std::str::FromStr for Operator {
    type Err = UnknownOperator;

    fn from_str(text: &str) -> Result<Self, UnknownOperator> {
        let kept = text.strip_prefix("keep_last(").and_then(|rest| rest.strip_suffix(')'));
        let kept = kept
            .and_then(|count| count.trim().parse().ok())
            .filter(|count| (1..=MAX_KEPT).contains(&usize::from(*count)));
        match (text, kept) {
            ("replace", _) => Ok(Self::Replace),
            ("redact", _) => Ok(Self::Redact),
            ("hmac", _) => Ok(Self::Hmac),
            ("token", _) => Ok(Self::Token),
            ("nullify", _) => Ok(Self::Nullify),
            (_, Some(count)) => Ok(Self::KeepLast(count)),
            _ => Err(UnknownOperator(text.to_owned())),
        }
    }
}

impl Operator {
    /// Whether a value is what this operator writes for a value of a class, so that it need not be masked again. Stars of
    /// any other origin may stand beside what they do not hide.
    pub(crate) fn wrote(self, name: &str, value: &[u8]) -> bool {
        let inner = value.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">"));
        let rest = inner.and_then(|inner| inner.strip_prefix(name.as_bytes()));
        // Every operator writes the plain mark where it can tell no more.
        if rest == Some(b"") {
            return true;
        }
        match (self, rest) {
            (Self::Redact, _) => value == REDACTED,
            (Self::Token, Some([b'_', number @ ..])) => {
                (1..=MAX_NUMBER).contains(&number.len()) && number.iter().all(u8::is_ascii_digit)
            }
            (Self::Hmac, Some([b':', hash @ ..])) => {
                hash.len() == HASH_LETTERS && hash.iter().all(|letter| (b'a'..=b'p').contains(letter))
            }
            (Self::KeepLast(count), _) => is_kept(count, value),
            _ => false,
        }
    }
}

/// Whether a value is stars, what separates them, and no more letters and digits at its end than are kept.
fn is_kept(count: u8, value: &[u8]) -> bool {
    let stars = memchr::memchr_iter(b'*', value).count();
    let (hidden, shown) = value.split_at(memchr::memrchr(b'*', value).map_or(0, |last| last + 1));
    let kept = shown.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    value.is_ascii()
        && kept <= stars.min(usize::from(count))
        && stars > 0
        && !hidden.iter().any(u8::is_ascii_alphanumeric)
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replace => f.write_str("replace"),
            Self::Redact => f.write_str("redact"),
            Self::KeepLast(count) => write!(f, "keep_last({count})"),
            Self::Hmac => f.write_str("hmac"),
            Self::Token => f.write_str("token"),
            Self::Nullify => f.write_str("nullify"),
        }
    }
}

/// Writes the mark of a class: `<NAME>`.
pub(crate) fn mark(name: &str, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

/// Writes the mark of a class with a session's number for the value.
pub(crate) fn numbered(name: &str, number: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("<{name}_{number}>").as_bytes());
}

/// Writes the mark of a class with the value's keyed hash, as letters only, so that no detector takes it for a number.
pub(crate) fn hashed(name: &str, value: &[u8], key: &hmac::Key, out: &mut Vec<u8>) {
    let mut context = hmac::Context::with_key(key);
    context.update(name.as_bytes());
    context.update(&[0]);
    context.update(value);
    let tag = context.sign();
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    for byte in tag.as_ref().iter().take(HASH_LETTERS / 2) {
        out.extend([b'a' + (byte >> 4), b'a' + (byte & 15)]);
    }
    out.push(b'>');
}

/// Writes stars for all but the last `count` letters and digits; other ASCII stays, whatever else is one star a character.
pub(crate) fn keep_last(count: u8, value: &[u8], out: &mut Vec<u8>) {
    let all = value.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    let mut hidden = all - usize::from(count).min(all / 2);
    for byte in value {
        match byte {
            0x80..=0xBF => {}
            byte if byte.is_ascii_alphanumeric() && hidden == 0 => out.push(*byte),
            byte if byte.is_ascii_alphanumeric() => {
                hidden -= 1;
                out.push(b'*');
            }
            0xC0.. => out.push(b'*'),
            byte => out.push(*byte),
        }
    }
}
