//! IPv6 addresses in all their spellings (RFC 4291 §2.2, RFC 4007 §11), from their first `:` outwards.
//!
//! Left out is what many other things look like: a time of day, a ratio, `::` between names of a program.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::{End, Finding, Scan};
use crate::class::ClassId;
use crate::placeholder::REDACTED;

/// Bytes of the longest spelling: six groups and an IPv4 address.
const MAX_ADDRESS: usize = 45;

/// Bytes of a zone, its `%` included: as long as interface names get, and some.
const MAX_ZONE: usize = 24;

/// Bytes of the longest group.
const MAX_GROUP: usize = 4;

/// Colons of an address that leaves out no groups, at least: before six groups and an IPv4 address.
const MIN_COLONS: usize = 6;

/// Hexadecimal digits from which an address is one beyond doubt.
const FEW_DIGITS: usize = 5;

const SCORE: u8 = 100;
const SCORE_OF_SHORT: u8 = 30;

pub(super) fn find(class: ClassId, text: &[u8], from: usize, end: End, scan: &mut Scan) {
    // The colon of a label such as `ip:` stands before the address that it begins, and so before a cut at that address.
    let label = from.checked_sub(1).filter(|before| text.get(*before) == Some(&b':'));
    let first = label.unwrap_or(from);
    let (mut passed, mut found_to) = (first, 0);
    for colon in memchr::memchr_iter(b':', text.get(first..).unwrap_or_default()).map(|offset| first + offset) {
        if colon < passed || !goes_on(text.get(colon + 1)) {
            continue;
        }
        if end == End::Final
            && let Some(length) = too_few_colons(text.get(colon + 1..).unwrap_or_default())
        {
            passed = colon + 1 + length;
            continue;
        }
        let (start, whole) = beginning(text, colon, found_to);
        let rest = text.get(start..).unwrap_or_default();
        let run = rest.iter().take(MAX_ADDRESS + 1).take_while(|byte| goes_on(Some(byte)) || **byte == b'.').count();
        let spelled = rest.get(..run).unwrap_or_default();
        let behind_label = || next_label(spelled).map_or(start + run, |label| start + label).max(colon + 1);
        if !whole {
            passed = behind_label();
            continue;
        }
        let behind = rest.get(run..).unwrap_or_default();
        if end == End::Open && behind.len() < REDACTED.len() && matches!(behind.first(), Some(b'<' | b'[')) {
            // It may become a mark.
            scan.live_from = scan.live_from.min(start);
        }
        if let Some(address) = longest_address(rest, run).or_else(|| before_number(spelled, run <= MAX_ADDRESS)) {
            let score = score(rest.get(..address).unwrap_or_default());
            let suffix = suffix(rest.get(address..).unwrap_or_default());
            scan.findings.push(Finding { class, start, end: start + address + suffix, score });
            passed = start + address + suffix;
            found_to = passed;
        } else {
            passed = behind_label();
        }
    }
    if end == End::Open {
        live(text, from, scan);
    }
}

/// The place of the first colon in the spelling of what is no address behind which one may begin all the same: the colon
/// stands behind an IPv4 address or a number too long for a group, which may be masked and then is a label.
fn next_label(spelled: &[u8]) -> Option<usize> {
    let (mut group, mut is_dotted) = (0, false);
    for (at, byte) in spelled.iter().enumerate() {
        match byte {
            b':' if (is_dotted && group > 0 || group > MAX_GROUP) && spelled.get(at + 1) != Some(&b':') => {
                return Some(at);
            }
            b':' => (group, is_dotted) = (0, false),
            b'.' => (group, is_dotted) = (0, group > 0),
            _ => group += 1,
        }
    }
    None
}

/// The length of what follows a colon and may be of an address, if it has too few colons for one, as a time of day and a
/// port have, and is too short for its end to depend on where the address begins.
fn too_few_colons(text: &[u8]) -> Option<usize> {
    let (mut colons, mut last) = (1, b':');
    for (length, byte) in text.iter().enumerate().take(MAX_ADDRESS - MAX_GROUP) {
        match byte {
            b':' if last == b':' || colons + 1 >= MIN_COLONS => return None,
            b':' => colons += 1,
            b'.' => {}
            byte if byte.is_ascii_hexdigit() => {}
            _ => return Some(length),
        }
        last = *byte;
    }
    (text.len() < MAX_ADDRESS - MAX_GROUP).then_some(text.len())
}

/// Names of programs (`a::b`), slices (`[1::2]`) and the addresses that everybody has (`::`, `::1`) read as short ones.
fn score(address: &[u8]) -> u8 {
    let digits = address.iter().filter(|byte| byte.is_ascii_hexdigit()).count();
    if digits >= FEW_DIGITS && address.iter().any(u8::is_ascii_digit) { SCORE } else { SCORE_OF_SHORT }
}

/// Whether a byte may follow a `:` in an address.
fn goes_on(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_hexdigit() || *byte == b':')
}

/// Where an address around a colon begins, and whether nothing before makes it part of a name, a longer number or a
/// longer chain. That may be the group before the colon, the colon itself for `::`, or, after a label such as `ip:`, what
/// follows it. Up to `found_to` an address was found.
fn beginning(text: &[u8], colon: usize, found_to: usize) -> (usize, bool) {
    let before = text.get(colon.saturating_sub(MAX_GROUP + 1)..colon).unwrap_or_default();
    let group = colon - before.iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if group == colon && text.get(colon + 1) != Some(&b':') {
        return (colon + 1, before.last() != Some(&b':'));
    }
    let before = text.get(..group).unwrap_or_default();
    // An escape such as `\n` in text that was not decoded is no letter.
    let escaped = matches!(before, [.., b'\\', b'n' | b'r' | b't']);
    let last = before.last().filter(|_| !escaped);
    let mut in_word = last.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    // A word or a number too long for a group is a label, and so is another address; before `::` it is a name of a program,
    // and what was masked there is no less.
    let is_address = matches!(before, [.., b'0'..=b'9', b'.'])
        || group < colon && (group < found_to || is_network(before, text.get(group..colon).unwrap_or_default()));
    if (in_word || is_address) && text.get(colon + 1) != Some(&b':') {
        return (colon + 1, true);
    }
    in_word |= is_address || group == colon && ends_mark(before);
    let joins = |byte: &u8| matches!(byte, b':' | b'.');
    (group, escaped || !in_word && !before.last().is_some_and(joins))
}

/// Whether a text ends with an IPv4 address and the slash before its prefix length, which `number` may be.
fn is_network(text: &[u8], number: &[u8]) -> bool {
    /// Bytes of the longest IPv4 address, and one that would make it a longer number.
    const LONGEST: usize = 16;
    let Some(before) = text.strip_suffix(b"/") else { return false };
    let prefix = std::str::from_utf8(number).ok().and_then(|digits| digits.parse::<u8>().ok());
    if number.len() > 2 || prefix.is_none_or(|prefix| prefix > 32) {
        return false;
    }
    let length = before.iter().rev().take(LONGEST).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let address = before.get(before.len() - length..).and_then(|address| std::str::from_utf8(address).ok());
    // A dot may stand before it, which belongs to something else.
    let address = address.and_then(|address| address.rsplit("..").next()).map(|it| it.strip_prefix('.').unwrap_or(it));
    address.is_some_and(|address| address.parse::<Ipv4Addr>().is_ok())
}

/// The length of the longest address that `text` begins with and that ends where a word may end.
fn longest_address(text: &[u8], run: usize) -> Option<usize> {
    if run > MAX_ADDRESS {
        return None;
    }
    // A time of day, a port.
    let whole = text.get(..run)?;
    let leaves_out = || whole.windows(2).any(|pair| pair == b"::");
    if memchr::memchr_iter(b':', whole).count() < MIN_COLONS && !leaves_out() {
        return None;
    }
    // What stands behind `::` or a dot belonged to it before it was masked.
    if (whole.ends_with(b"::") || whole.ends_with(b".")) && begins_mark(text.get(run..)?) {
        return None;
    }
    let mut length = run;
    // A full stop or a colon of the sentence may follow.
    while length >= 2 {
        let candidate = text.get(..length)?;
        let goes_on = text.get(length).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if !goes_on && parses(candidate) {
            return Some(length);
        }
        length = match candidate {
            [shorter @ .., b'.'] if length == run => shorter.len(),
            [shorter @ .., b':'] if length == run && !shorter.ends_with(b":") => shorter.len(),
            _ => break,
        };
    }
    // What is one beyond doubt and ends in `::` may have a word behind it, even another value.
    let address = text.get(..run).filter(|address| address.ends_with(b"::"))?;
    (score(address) == SCORE && parses(address)).then_some(run)
}

/// The length of an address that stands before a number in the spelling of what is none: once the number is masked, the
/// address stands alone. What is before another colon may end in an IPv4 address.
fn before_number(spelled: &[u8], is_whole: bool) -> Option<usize> {
    let is_address = |end: &usize| spelled.get(..*end).is_some_and(parses);
    let mut from = 0;
    loop {
        let colon = memchr::memchr(b':', spelled.get(from..)?).map(|length| from + length);
        let group = spelled.get(from..colon.unwrap_or(spelled.len()))?;
        let is_ipv4 = || std::str::from_utf8(group).is_ok_and(|group| group.parse::<Ipv4Addr>().is_ok());
        let is_number = group.len() > MAX_GROUP && (group.iter().all(u8::is_ascii_digit) || is_ipv4());
        if is_number && (colon.is_some() || is_whole) {
            return colon.into_iter().chain(from.checked_sub(1)).find(is_address);
        }
        from = colon? + 1;
    }
}

/// Whether a text ends like a mark that names a class, or none.
fn ends_mark(text: &[u8]) -> bool {
    matches!(text, [.., b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z', b'>']) || text.ends_with(REDACTED)
}

/// Whether a text begins like a mark that names a class, or none.
fn begins_mark(text: &[u8]) -> bool {
    matches!(text, [b'<', b'A'..=b'Z', b'A'..=b'Z' | b'_', ..]) || text.starts_with(REDACTED)
}

fn parses(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// The length of a zone and a prefix length after an address.
fn suffix(rest: &[u8]) -> usize {
    let in_zone = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'~');
    let zone = match rest.split_first() {
        // A name or an index: not what is encoded with a percent sign.
        Some((b'%', name)) => {
            let length = name.iter().take(MAX_ZONE).take_while(in_zone).count();
            let name = name.get(..length).unwrap_or_default();
            let is_zone = name.first().is_some_and(u8::is_ascii_alphabetic) || name.iter().all(u8::is_ascii_digit);
            if is_zone && length > 0 { length + 1 } else { 0 }
        }
        _ => 0,
    };
    let Some([b'/', digits @ ..]) = rest.get(zone..) else { return zone };
    let count = digits.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let prefix = digits.get(..count).and_then(|digits| std::str::from_utf8(digits).ok());
    match prefix.and_then(|digits| digits.parse::<u8>().ok()) {
        Some(0..=128) if digits.iter().take(count).all(u8::is_ascii_digit) => zone + 1 + count,
        _ => zone,
    }
}

/// More text may make an address of what the text ends with, or a longer one.
fn live(text: &[u8], from: usize, scan: &mut Scan) {
    let longest = MAX_ADDRESS + MAX_ZONE + 4;
    let tail = text.get(text.len().saturating_sub(longest).max(from)..).unwrap_or_default();
    let may_go_on =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'.' | b'%' | b'/' | b'_' | b'-' | b'~');
    let length = tail.iter().rev().take_while(may_go_on).count();
    let tail = tail.get(tail.len() - length..).unwrap_or_default();
    scan.live_from = scan.live_from.min(text.len() - tail.len());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_has_too_few_colons_is_no_address(text in "[0-9a-fT. -]{0,6}:[0-9a-f]([0-9a-f]{0,5}[:. T]{0,2}){0,12}") {
            let text = text.as_bytes();
            let colon = text.iter().position(|byte| *byte == b':').unwrap();
            if let Some(length) = too_few_colons(&text[colon + 1..]) {
                let (start, _) = beginning(text, colon, 0);
                let rest = &text[start..];
                let run = rest.iter().take(MAX_ADDRESS + 1).take_while(|byte| goes_on(Some(byte)) || **byte == b'.').count();
                prop_assert_eq!((start + run).max(colon + 1), colon + 1 + length);
                prop_assert_eq!(longest_address(rest, run), None);
            }
        }
    }

    #[test]
    fn an_address_after_a_label_is_found_from_a_cut_at_the_address() {
        let text = b"ip:db8::111/11 x";
        for from in [0, 2, 3] {
            let mut scan = Scan::default();
            find(ClassId(0), text, from, End::Final, &mut scan);
            let found: Vec<(usize, usize)> = scan.findings.iter().map(|finding| (finding.start, finding.end)).collect();
            assert_eq!(found, [(3, 14)], "from {from}");
        }
    }
}
