//! E-mail addresses, from their `@` outwards: dot-string local part (RFC 5321 §4.1.2) and a host name.

use super::super::{End, Finding, Scan};
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
        let local = before.iter().rev().take_while(|byte| is_local(**byte)).count();
        let start = at - local;
        let after = text.get(at + 1..).unwrap_or_default();
        let domain = after.iter().take(MAX_DOMAIN).take_while(|byte| is_domain(**byte)).count();
        if end == End::Open && domain == after.len() {
            scan.live_from = scan.live_from.min(start);
        }
        let domain = after.get(..domain).unwrap_or_default();
        let Some(domain) = host(domain) else { continue };
        let start = start + before.iter().skip(before.len() - local).take_while(|byte| **byte == b'.').count();
        if start < at {
            scan.findings.push(Finding { class, start, end: at + 1 + domain, score: SCORE });
        }
    }
    if end == End::Open {
        let tail = text.iter().rev().take(MAX_LOCAL + 1).take_while(|byte| is_local(**byte)).count();
        scan.live_from = scan.live_from.min(text.len() - tail);
    }
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte)
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.'
}

/// The length of the host name that `text` begins with: labels and a top-level domain of letters.
fn host(text: &[u8]) -> Option<usize> {
    let mut end = None;
    let mut at = 0;
    for (place, label) in text.split(|byte| *byte == b'.').enumerate() {
        let well_formed = !label.is_empty() && label.len() <= 63 && !label.starts_with(b"-") && !label.ends_with(b"-");
        if !well_formed {
            break;
        }
        at += label.len();
        if place > 0 && label.len() >= 2 && label.iter().all(u8::is_ascii_alphabetic) {
            end = Some(at);
        }
        at += 1;
    }
    end
}
