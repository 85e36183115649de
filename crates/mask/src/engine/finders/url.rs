//! Web addresses (RFC 3986), from a dot of their host name outwards: `https://…` and, without a scheme, what has a known
//! top-level domain. Names without a dot are none, and an e-mail address is found as such.

use super::super::{End, Finding, Scan};
use super::hosts;
use crate::class::ClassId;

/// Bytes of a scheme, and of a user and password before the host, that are looked at.
const MAX_SCHEME: usize = 16;
const MAX_USER: usize = 96;

/// Bytes of a whole address.
const MAX_URL: usize = 2048;

const SCORE: u8 = 60;

pub(super) fn find(class: ClassId, text: &[u8], from: usize, end: End, scan: &mut Scan) {
    // A name may begin before a cut; then it is whole only with what stands there.
    let mut passed = 0;
    for dot in memchr::memchr_iter(b'.', text.get(from..).unwrap_or_default()).map(|offset| from + offset) {
        if dot < passed {
            continue;
        }
        let before = text.get(dot.saturating_sub(hosts::MAX_NAME)..dot).unwrap_or_default();
        let name = before.iter().rev().take_while(|byte| hosts::is_host(**byte)).count();
        let lead =
            text.get(dot - name..dot).unwrap_or_default().iter().take_while(|byte| !byte.is_ascii_alphanumeric());
        let host = (dot - name + lead.count()).max(passed);
        let rest = text.get(host..).unwrap_or_default();
        let run = rest.iter().take(hosts::MAX_NAME + 1).take_while(|byte| hosts::is_host(**byte)).count();
        passed = (host + run).max(dot + 1);
        let scheme = scheme(text, host);
        let Some(length) = host_name(rest.get(..run).unwrap_or_default(), scheme.is_some()) else { continue };
        let start = match (scheme, host.checked_sub(1).and_then(|at| text.get(at))) {
            (Some(start), _) => start,
            (None, Some(b'@')) => continue,
            (None, _) => host,
        };
        let stop = host + length + tail(rest.get(length..).unwrap_or_default());
        scan.findings.push(Finding { class, start, end: stop, score: SCORE });
        passed = stop.max(passed);
        if end == End::Open && stop + 1 >= text.len() {
            scan.live_from = scan.live_from.min(start);
        }
    }
    if end == End::Open {
        let longest = MAX_SCHEME + MAX_USER + hosts::MAX_NAME;
        let tail = text.get(text.len().saturating_sub(longest)..).unwrap_or_default();
        let open = tail.iter().rev().take_while(|byte| in_path(**byte)).count();
        scan.live_from = scan.live_from.min(text.len() - open);
    }
}

/// The length of a host: a name with a known top-level domain, whole; after a scheme an IPv4 address too.
fn host_name(run: &[u8], after_scheme: bool) -> Option<usize> {
    let whole = run.len() - run.iter().rev().take_while(|byte| !byte.is_ascii_alphanumeric()).count();
    let run = run.get(..whole)?;
    let address = || run.split(|byte| *byte == b'.').count() == 4 && run.iter().all(|byte| !byte.is_ascii_alphabetic());
    hosts::name(run).filter(|length| *length == whole).or_else(|| (after_scheme && address()).then_some(whole))
}

/// Where the scheme before a host begins, with a user between them or without.
fn scheme(text: &[u8], host: usize) -> Option<usize> {
    let before = text.get(host.saturating_sub(MAX_USER + MAX_SCHEME)..host)?;
    let user = before.iter().rev().take(MAX_USER).take_while(|byte| in_path(**byte) && **byte != b'/').count();
    let Some((before, [.., b'@'] | [])) = before.split_at_checked(before.len() - user) else { return None };
    let scheme = before.strip_suffix(b"://")?;
    let is_scheme = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let length = scheme.iter().rev().take(MAX_SCHEME).take_while(is_scheme).count();
    let begins = scheme.get(scheme.len() - length..)?.first()?.is_ascii_alphabetic();
    begins.then_some(host - user - b"://".len() - length)
}

/// The length of a port, a path, a query and a fragment, without the sentence's own punctuation after them.
fn tail(rest: &[u8]) -> usize {
    let port = match rest.split_first() {
        Some((b':', digits)) => match digits.iter().take(5).take_while(|byte| byte.is_ascii_digit()).count() {
            0 => 0,
            digits => digits + 1,
        },
        _ => 0,
    };
    let Some([b'/' | b'?' | b'#', ..]) = rest.get(port..) else { return port };
    let path = rest.iter().skip(port).take(MAX_URL).take_while(|byte| in_path(**byte)).count();
    let path = rest.get(port..port + path).unwrap_or_default();
    let punctuation = path.iter().rev().take_while(|byte| b".,;:!?".contains(byte)).count();
    port + path.len() - punctuation
}

/// Whether a byte may stand in a path, a query or a fragment. Other scripts' letters do, unencoded.
fn in_path(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !b"()<>\"'\\`{}|^".contains(&byte)
}
