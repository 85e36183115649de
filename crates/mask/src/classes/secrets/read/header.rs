//! Credentials in HTTP headers (RFC 9110 §11.6.2): `Authorization: Basic …`, `Bearer …`, `X-Api-Key: …`.

use super::jwt;
use crate::form::{Reading, Set, has_entropy};
use crate::placeholder::is_placeholder;

/// Bytes of credentials, at most.
const MAX_VALUE: usize = 16 << 10;

/// Bytes of credentials, at least; with no scheme before them, twice that.
const MIN_VALUE: usize = 8;

/// Bytes of a scheme's name, at most.
const MAX_SCHEME: usize = 12;

/// What may stand between a header's name, its colon and its value, at most.
const MAX_GAP: usize = 8;

/// Reads on after a header's name.
pub(in super::super) fn read(reading: &mut Reading<'_>) -> Option<(usize, usize)> {
    let at = skip(reading, reading.from);
    if !matches!(reading.text.get(at), Some(b':' | b'=' | b',')) {
        return None;
    }
    let at = at + 1 + usize::from(reading.text.get(at + 1) == Some(&b'>'));
    let at = skip(reading, at);
    let scheme = reading.run(Set::Url, at, MAX_SCHEME);
    let blanks = reading.rest(scheme).iter().take(2).take_while(|byte| **byte == b' ').count();
    let has_scheme = blanks > 0 && reading.text.get(at..scheme).is_some_and(is_scheme);
    if !has_scheme {
        return value(reading, at, false);
    }
    let basic = reading.text.get(at..scheme).is_some_and(|name| name.eq_ignore_ascii_case(b"basic"));
    let (start, end) = value(reading, scheme + blanks, true)?;
    (!basic || is_basic(reading.text.get(start..end)?)).then_some((start, end))
}

/// Reads on after `Bearer `, wherever it stands.
pub(in super::super) fn bearer(reading: &mut Reading<'_>) -> Option<(usize, usize)> {
    let (start, end) = value(reading, reading.from, false)?;
    (end - start >= 20).then_some((start, end))
}

fn skip(reading: &mut Reading<'_>, at: usize) -> usize {
    let rest = reading.rest(at);
    let length = rest
        .iter()
        .take(MAX_GAP)
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b'`' | b']'))
        .count();
    reading.open |= length == rest.len();
    at + length
}

fn is_scheme(name: &[u8]) -> bool {
    const SCHEMES: [&[u8]; 9] =
        [b"basic", b"bearer", b"token", b"apikey", b"api-key", b"api-token", b"digest", b"negotiate", b"splunk"];
    SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(name))
}

fn value(reading: &mut Reading<'_>, at: usize, has_scheme: bool) -> Option<(usize, usize)> {
    let end = reading.run(Set::Token, at, MAX_VALUE);
    let value = reading.text.get(at..end)?;
    let least = if has_scheme { MIN_VALUE } else { 2 * MIN_VALUE };
    let digits = value.iter().any(u8::is_ascii_digit);
    let looks_secret = digits || has_scheme && (value.ends_with(b"=") || value.len() >= 24);
    let followed = matches!(reading.text.get(end), Some(b'(' | b'{' | b'$' | b'<' | b'['));
    let stands = value.len() >= least && looks_secret && !followed && has_entropy(value, 27) && !is_placeholder(value);
    stands.then_some((at, end))
}

/// Whether it decodes to `user:password`.
fn is_basic(value: &[u8]) -> bool {
    let mut decoded = [0; 192];
    let length = jwt::decode(value, &mut decoded);
    decoded.get(..length).is_some_and(|text| text.contains(&b':')) || value.len() > 24
}
