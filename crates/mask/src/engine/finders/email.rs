//! E-mail addresses, from their `@` outwards: dot-string local part (RFC 5321 §4.1.2) and a host name, both with letters
//! of European scripts too (RFC 6531).
//!
//! Of what a local part may hold by the standard, `=`, `/`, `?`, `&`, braces and bars are left out: they join an address
//! to something else far more often than they are part of one.

use super::super::{End, Finding, Scan};
use super::hosts;
use crate::class::ClassId;

/// Bytes of a local part (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL: usize = 64;

/// Bytes of a domain (RFC 5321 §4.5.3.1.2).
const MAX_DOMAIN: usize = 255;

/// The score of an address whose grammar fits.
const SCORE: u8 = 100;

pub(super) fn find(class: ClassId, text: &[u8], from: usize, end: End, scan: &mut Scan) {
    for at in memchr::memchr_iter(b'@', text.get(from..).unwrap_or_default()).map(|offset| from + offset) {
        let before = text.get(at.saturating_sub(MAX_LOCAL)..at).unwrap_or_default();
        let start = at - local(before);
        let after = text.get(at + 1..).unwrap_or_default();
        let domain = after.iter().take(MAX_DOMAIN).take_while(|byte| is_domain(**byte)).count();
        if end == End::Open && domain == after.len() {
            scan.live_from = scan.live_from.min(start);
        }
        let domain = after.get(..domain).unwrap_or_default();
        // Letters of another script may follow without a space.
        let latin = || domain.iter().position(|byte| !byte.is_ascii()).and_then(|end| domain.get(..end));
        let Some(domain) = hosts::name(domain).or_else(|| hosts::name(latin()?)) else { continue };
        if start < at {
            scan.findings.push(Finding { class, start, end: at + 1 + domain, score: SCORE });
        }
    }
    if end == End::Open {
        let tail = text.iter().rev().take(MAX_LOCAL + 1).take_while(|byte| is_local(**byte)).count();
        scan.live_from = scan.live_from.min(text.len() - tail);
    }
}

/// The length of the local part that `text` ends with. It begins with a letter, a digit or `_`, never inside a character.
fn local(text: &[u8]) -> usize {
    let run = text.iter().rev().take_while(|byte| is_local(**byte)).count();
    let run = text.get(text.len() - run..).unwrap_or_default();
    let other_script = if run.is_ascii() {
        0
    } else {
        run.iter().rposition(|byte| *byte == 0xC2 || *byte >= 0xE0).map_or(0, |lead| lead + 1)
    };
    let begins = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0xC3;
    let rest = run.get(other_script..).unwrap_or_default();
    rest.iter().position(begins).map_or(0, |skipped| rest.len() - skipped)
}

/// What a byte may be part of.
const LOCAL: u8 = 1;
const DOMAIN: u8 = 2;

/// By byte. Lead bytes up to 0xDF are those of European scripts; 0xC2 leads punctuation.
#[expect(clippy::indexing_slicing, reason = "the compiler reckons it")]
const PARTS: [u8; 256] = {
    let (mut parts, mut byte) = ([0; 256], 0_u8);
    loop {
        let local = byte.is_ascii_alphanumeric()
            || byte >= 0x80
            || matches!(byte, b'!' | b'#'..=b'%' | b'\'' | b'*' | b'+' | b'-' | b'^' | b'_' | b'~' | b'.');
        let domain = hosts::is_host(byte) || matches!(byte, 0x80..=0xBF | 0xC3..=0xDF);
        parts[byte as usize] = if local { LOCAL } else { 0 } | if domain { DOMAIN } else { 0 };
        if byte == u8::MAX {
            break parts;
        }
        byte += 1;
    }
};

fn is_local(byte: u8) -> bool {
    PARTS.get(usize::from(byte)).is_some_and(|parts| parts & LOCAL != 0)
}

fn is_domain(byte: u8) -> bool {
    PARTS.get(usize::from(byte)).is_some_and(|parts| parts & DOMAIN != 0)
}
