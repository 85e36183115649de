//! `application/x-www-form-urlencoded` (URL standard §5): `a=b&c=d`, a name being context for its value.

use super::MaskError;
use super::nested::{Outcome, Work};
use crate::engine::Path;
use crate::fields::Step;

impl Work<'_> {
    /// Masks names and values; only what changed is encoded anew.
    pub(super) fn form(&mut self, form: &[u8], path: &Path<'_>) -> Result<Option<Vec<u8>>, MaskError> {
        let mut out = Vec::with_capacity(form.len());
        let mut changed = false;
        for (position, pair) in form.split(|byte| *byte == b'&').enumerate() {
            if position > 0 {
                out.push(b'&');
            }
            let equals = memchr::memchr(b'=', pair);
            let (name, value) = pair.split_at(equals.unwrap_or(pair.len()));
            let decoded_name = decode(name);
            let masked_name = self.as_text(&decoded_name, path).map_or(Outcome::Same, Outcome::Text);
            changed |= write(name, &masked_name, &mut out);
            let Some(value) = value.strip_prefix(b"=") else { continue };
            out.push(b'=');
            let decoded = decode(value);
            let key = String::from_utf8_lossy(&decoded_name);
            let ruled = self.rule(&[Step::Key(&key)]);
            let outcome = match ruled {
                Some(class) => self.ruled(&decoded, class),
                None => self.string(&decoded, &[path, &[&*key]].concat(), 0)?,
            };
            changed |= write(value, &outcome, &mut out);
        }
        Ok(changed.then_some(out))
    }
}

/// Writes a name or value, as it was unless it changed; true if it did.
fn write(original: &[u8], outcome: &Outcome, out: &mut Vec<u8>) -> bool {
    match outcome {
        Outcome::Same => out.extend_from_slice(original),
        Outcome::Null => {}
        Outcome::Text(masked) => encode(masked, out),
    }
    *outcome != Outcome::Same
}

fn decode(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((byte, after)) = rest.split_first() {
        let hexadecimal = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let escaped = match (byte, after) {
            (b'%', [high, low, ..]) => hexadecimal(high).zip(hexadecimal(low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        out.push(escaped.unwrap_or(if *byte == b'+' { b' ' } else { *byte }));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    out
}

fn encode(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    for byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'*' | b'-' | b'.' | b'_' => out.push(*byte),
            byte if byte.is_ascii_alphanumeric() => out.push(*byte),
            byte => {
                out.push(b'%');
                let digits = [byte >> 4, byte & 15].map(|half| DIGITS.get(usize::from(half)).copied().unwrap_or(b'0'));
                out.extend(digits);
            }
        }
    }
}
