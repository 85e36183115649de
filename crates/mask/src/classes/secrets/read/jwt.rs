//! JSON Web Tokens in their compact form (RFC 7515 §3.1, RFC 7516 §3.1).

use crate::class::Verdict;
use crate::form::{Reading, Set};

/// Bytes of one part, at most.
const MAX_PART: usize = 64 << 10;

/// Bytes of a header or payload, at least.
const MIN_PART: usize = 17;

/// Bytes of a header that are decoded.
const DECODED: usize = 384;

/// Reads on after `ey`.
pub(in super::super) fn read(reading: &mut Reading<'_>) -> Option<(usize, usize)> {
    let start = reading.start;
    let header = part(reading, start)?;
    if header - start < MIN_PART || !reading.runs.is_first_header(header) {
        return None;
    }
    let mut end = part(reading, header + 1)?;
    let payload = reading.text.get(header + 1..end)?;
    let signed = payload.starts_with(b"ey") && payload.len() >= MIN_PART;
    // A signed token has one more part, which may be empty; an encrypted one has three.
    let dots = if signed { 1 } else { 3 };
    if !signed && !names_algorithm(reading.text.get(start..header)?) {
        return None;
    }
    for dot in 0..dots {
        if reading.text.get(end) != Some(&b'.') {
            reading.open |= end == reading.text.len();
            return None;
        }
        end = if dot + 1 == dots { reading.run(Set::UrlPadded, end + 1, MAX_PART) } else { part(reading, end + 1)? };
    }
    Some((start, end))
}

/// The end of a part that a dot follows.
fn part(reading: &mut Reading<'_>, at: usize) -> Option<usize> {
    let end = reading.run(Set::Url, at, MAX_PART);
    (reading.text.get(end) == Some(&b'.')).then_some(end)
}

/// Valid if the header is JSON that names an algorithm (RFC 7515 §4.1.1).
pub(in super::super) fn check(value: &[u8]) -> Verdict {
    let header = value.split(|byte| *byte == b'.').next().unwrap_or_default();
    if names_algorithm(header) { Verdict::Valid } else { Verdict::Unproven }
}

fn names_algorithm(header: &[u8]) -> bool {
    let mut json = [0; DECODED];
    let decoded = decode(header, &mut json);
    let json = json.get(..decoded).unwrap_or_default();
    json.starts_with(b"{") && json.windows(5).any(|name| name == b"\"alg\"" || name == b"\"enc\"")
}

/// Decodes base64 of either alphabet (RFC 4648) as far as it goes and `out` holds it; tells how many bytes it was.
pub(in super::super) fn decode(text: &[u8], out: &mut [u8]) -> usize {
    let value = |byte: &u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let mut slots = out.iter_mut();
    let (mut bits, mut held, mut count) = (0_u32, 0_u32, 0);
    for six in text.iter().map_while(value) {
        bits = bits << 6 | six;
        held += 6;
        if held >= 8 {
            held -= 8;
            let [.., byte] = (bits >> held).to_be_bytes();
            let Some(slot) = slots.next() else { break };
            *slot = byte;
            count += 1;
            bits &= (1 << held) - 1;
        }
    }
    count
}
