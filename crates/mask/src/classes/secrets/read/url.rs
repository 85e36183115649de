//! User and password in an address (RFC 3986 §3.2.1): `scheme://user:password@host`.

use crate::form::Reading;
use crate::placeholder::is_placeholder;

/// Bytes of user and password, at most.
const MAX_USERINFO: usize = 320;

/// Reads on after `://`.
pub(in super::super) fn read(reading: &mut Reading<'_>) -> Option<(usize, usize)> {
    let rest = reading.rest(reading.from);
    // A slash ends it, so addresses one after the other are read once each.
    let ends =
        |byte: &u8| *byte <= b' ' || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\');
    let near = rest.get(..MAX_USERINFO).unwrap_or(rest);
    let length = near.iter().position(ends).unwrap_or(near.len());
    let authority = near.get(..length)?;
    let at = authority.iter().rposition(|byte| *byte == b'@');
    let open = length == rest.len();
    let read = at.and_then(|at| {
        let userinfo = authority.get(..at)?;
        let colon = userinfo.iter().position(|byte| *byte == b':')?;
        let password = userinfo.get(colon + 1..)?;
        (!password.is_empty() && !is_placeholder(password)).then_some((reading.from, reading.from + at))
    });
    reading.open |= open;
    read
}
