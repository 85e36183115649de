//! Private keys in armour: PEM (RFC 7468), that of `OpenPGP` (RFC 9580 §6.2) and of OpenSSH.
//!
//! A key whose end is missing counts as far as its base64 goes. One in which `\n` is written out is read like one with
//! line ends.

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
    // The next dashes are this key's end or another's beginning, so no byte is read for two keys.
    let dashes = memmem::find(rest.get(..MAX_BODY).unwrap_or(rest), DASHES);
    if let Some(at) = dashes
        && let Some(footer) = rest.get(at..)
        && footer.starts_with(b"-----END")
    {
        let label = footer.get(DASHES.len()..footer.len().min(MAX_LABEL + 2 * DASHES.len())).unwrap_or_default();
        let Some(close) = memmem::find(label, DASHES) else {
            reading.open |= body + at + DASHES.len() + label.len() == reading.text.len();
            return unterminated(body, rest.get(..at)?).map(|end| (start, end));
        };
        let long_enough = rest.get(..at)?.trim_ascii().len() >= MIN_BODY;
        return long_enough.then_some((start, body + at + close + 2 * DASHES.len()));
    }
    reading.open |= dashes.is_none() && rest.len() < MAX_BODY || dashes.is_some_and(|at| rest.len() < at + 8);
    unterminated(body, rest.get(..dashes.unwrap_or(MAX_BODY)).unwrap_or(rest)).map(|end| (start, end))
}

/// Armour that is in base64 once more must turn out to be a private key's.
pub(in super::super) fn check(value: &[u8]) -> Verdict {
    let mut decoded = [0; 64];
    let length = jwt::decode(value, &mut decoded);
    let label = decoded.get(..length).unwrap_or_default();
    let is_key = value.starts_with(DASHES) || memmem::find(label, b"PRIVATE KEY").is_some();
    if is_key { Verdict::Unproven } else { Verdict::Invalid }
}

/// The end of what looks like armour: lines of base64, header lines and empty ones.
fn unterminated(body: usize, rest: &[u8]) -> Option<usize> {
    let mut end = 0;
    let mut at = 0;
    while let Some(line) = rest.get(at..).filter(|line| !line.is_empty()) {
        let break_at = line.iter().position(|byte| matches!(byte, b'\n' | b'\r' | b'\\')).unwrap_or(line.len());
        let (content, after) = line.split_at_checked(break_at)?;
        let content = content.trim_ascii();
        let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        let header = content.iter().position(|byte| *byte == b':').is_some_and(|colon| {
            colon > 0 && content.iter().take(colon).all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        });
        if !content.is_empty() {
            let length = content.iter().take_while(|byte| base64(byte)).count();
            if length < content.len() && !header {
                // The line on which it stops may still begin with the key's last bytes.
                end = if length >= MIN_BODY { at + length } else { end };
                break;
            }
            end = at + break_at;
        }
        let written_out = after.starts_with(b"\\n") || after.starts_with(b"\\r");
        at += break_at + if written_out { 2 } else { 1 };
    }
    (end >= MIN_BODY).then_some(body + end)
}
