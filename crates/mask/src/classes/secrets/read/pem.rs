//! Private keys in armour: PEM (RFC 7468), that of `OpenPGP` (RFC 9580 §6.2) and of OpenSSH.
//!
//! A key whose end is missing counts as far as its base64 goes. One in which `\n` is written out is read like one with
//! line ends. In a log, something may stand before and after each line of a key, and lines of others between them; so
//! nothing but the end of the key, the beginning of another or very many lines of others end the search, and the base64 is
//! looked for within lines.

use std::ops::Range;

use memchr::memmem;

use super::jwt;
use crate::class::Verdict;
use crate::form::Reading;

/// The dashes around a label.
const DASHES: &[u8] = b"-----";

/// Bytes of a label, at most.
const MAX_LABEL: usize = 64;

/// Bytes between the lines, at least: below, it is an example.
const MIN_BODY: usize = 32;

/// Bytes between the lines, at most; keys of post-quantum schemes take some ten thousand.
const MAX_BODY: usize = 128 << 10;

/// Lines of others between two lines of a key whose end is missing, at most.
const MAX_OTHERS: usize = 16;

/// After so many lines of others no more of a key is expected, nor its end.
const GIVEN_UP: usize = 256;

/// Reads on after `BEGIN `.
pub(in super::super) fn read(reading: &mut Reading<'_>) -> Option<(usize, usize)> {
    let start = reading.start.checked_sub(DASHES.len())?;
    if reading.text.get(start..reading.start)? != DASHES {
        return None;
    }
    let rest = reading.rest(reading.from);
    let Some(label) = memmem::find(rest.get(..MAX_LABEL).unwrap_or(rest), DASHES) else {
        reading.open |= rest.len() < MAX_LABEL;
        return None;
    };
    memmem::find(rest.get(..label)?, b"PRIVATE KEY")?;
    let body = reading.from + label + DASHES.len();
    let rest = reading.rest(body);
    let rest = rest.get(..MAX_BODY).unwrap_or(rest);
    // Up to the next key at most, so no byte is read for two keys. Other dashes may stand between the lines of a log.
    let next = memmem::find(rest, b"-----BEGIN");
    let own = rest.get(..next.unwrap_or(rest.len()))?;
    let cut_off = |end: Option<usize>| end.filter(|end| *end >= MIN_BODY).map(|end| (start, body + end));
    let (end, given_up) = unterminated(own);
    let own = own.get(..given_up.unwrap_or(own.len()))?;
    if let Some(at) = memmem::find(own, b"-----END") {
        let footer = own.get(at..)?;
        let label = footer.get(DASHES.len()..footer.len().min(MAX_LABEL + 2 * DASHES.len())).unwrap_or_default();
        let Some(close) = memmem::find(label, DASHES) else {
            reading.open |= body + at + DASHES.len() + label.len() == reading.text.len();
            // Nothing behind what may have been the end counts, or it would depend on how much is there.
            return cut_off(unterminated(own.get(..at)?).0);
        };
        let long_enough = own.get(..at)?.trim_ascii().len() >= MIN_BODY;
        return long_enough.then_some((start, body + at + close + 2 * DASHES.len()));
    }
    reading.open |= next.is_none() && given_up.is_none() && rest.len() < MAX_BODY;
    cut_off(end)
}

/// Whether such armour begins in a text, and does not end in it.
pub(in super::super) fn begins(text: &[u8]) -> bool {
    memmem::rfind(text, b"-----BEGIN ").and_then(|at| text.get(at..)).is_some_and(|begun| {
        memmem::find(begun, b"PRIVATE KEY").is_some() && memmem::find(begun, b"-----END").is_none()
    })
}

/// Armour that is in base64 once more must turn out to be a private key's.
pub(in super::super) fn check(value: &[u8]) -> Verdict {
    let mut decoded = [0; 64];
    let length = jwt::decode(value, &mut decoded);
    let label = decoded.get(..length).unwrap_or_default();
    let is_key = value.starts_with(DASHES) || memmem::find(label, b"PRIVATE KEY").is_some();
    if is_key { Verdict::Unproven } else { Verdict::Invalid }
}

/// Where what looks like armour ends: lines of base64 behind header lines and empty ones; then also base64 within lines,
/// with a few lines of others between. And where so many of those came that no more of a key is to come: who only speaks of
/// the line that begins one must not keep a log waiting for its end.
fn unterminated(rest: &[u8]) -> (Option<usize>, Option<usize>) {
    let (mut at, mut end, mut others) = (0, None, 0);
    let mut around = None;
    while let Some(line) = rest.get(at..).filter(|line| !line.is_empty()) {
        let break_at = line.iter().position(|byte| matches!(byte, b'\n' | b'\r' | b'\\')).unwrap_or(line.len());
        let (content, after) = line.split_at(break_at);
        if let Some((run, is_long)) = key_in(content, around, others > 0) {
            if others <= MAX_OTHERS {
                end = Some(at + run.end);
            }
            if is_long {
                around = Some((run.start, content.len() - run.end));
                others = if others > MAX_OTHERS { MAX_OTHERS + 1 } else { 0 };
            } else if around.is_some() {
                // It may be a word.
                others += 1;
            }
        } else if !(content.trim_ascii().is_empty() || end.is_none() && is_header(content)) {
            others += 1;
        }
        let written_out = after.starts_with(b"\\n") || after.starts_with(b"\\r");
        at += break_at + if written_out { 2 } else { 1 };
        // A line that has no end yet may still become the key's.
        if others > GIVEN_UP && !after.is_empty() {
            return (end, Some(at.min(rest.len())));
        }
    }
    (end, None)
}

/// The base64 of a key in a line, and whether it is long enough to be that by itself. What is shorter is the key's if
/// nothing else stands in the line and nothing `came` between; or if as much stands `around` it as in a line before, since
/// a key's last line is short.
fn key_in(line: &[u8], around: Option<(usize, usize)>, came: bool) -> Option<(Range<usize>, bool)> {
    let (mut at, mut found) = (0, None);
    while let Some(begin) = line.get(at..).and_then(|rest| rest.iter().position(|byte| is_base64(*byte))) {
        let start = at + begin;
        let run = line.get(start..).unwrap_or_default();
        let run = run.get(..run.iter().position(|byte| !is_base64(*byte)).unwrap_or(run.len())).unwrap_or_default();
        at = start + run.len();
        let kinds: [fn(&u8) -> bool; 3] = [u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit];
        let begins_line = !came && line.get(..start).is_some_and(|before| before.trim_ascii().is_empty());
        let is_alone = begins_line && line.get(at..).is_some_and(|after| after.trim_ascii().is_empty());
        // Words and paths are letters of one kind; a key is not.
        let is_long = run.len() >= MIN_BODY && (begins_line || kinds.iter().all(|kind| run.iter().any(kind)));
        if is_long || is_alone || around == Some((start, line.len() - at)) {
            found = Some((start..at, is_long));
        }
    }
    found
}

fn is_header(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.iter().position(|byte| *byte == b':').is_some_and(|colon| {
        colon > 0 && line.iter().take(colon).all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    })
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}
