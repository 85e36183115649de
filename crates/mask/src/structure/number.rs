//! JSON numbers: scanned as they are written, and masked by numbers.

use std::borrow::Cow;

use super::nested::{Outcome, Work};
use super::row::ColumnKind;
use crate::class::ClassId;
use crate::engine::Path;
use crate::masker::Part;
use crate::operator::Operator;

/// Digits of a number with an exponent, at most: more are no number that anybody has been given.
const MAX_WRITTEN_OUT: usize = 24;

/// Digits of a number that masking derives, at most: what fits 64 bits, with a sign.
const MAX_DERIVED: usize = 18;

impl Work<'_> {
    /// A number that `path` leads to. Only whole numbers are looked at, however they are written.
    pub(super) fn number(&mut self, lexeme: &[u8], path: &Path<'_>) -> Outcome {
        let Some(digits) = digits(lexeme).filter(|digits| digits.len() >= super::nested::MIN_VALUE - 1) else {
            return Outcome::Same;
        };
        let found = if self.scan_plain(&digits, path) {
            if self.memory.scan.findings().is_empty() {
                return Outcome::Same;
            }
            self.plainly_found()
        } else {
            self.found(&digits, path)
        };
        match found.parts.first() {
            Some(part) => self.masked_number(&digits, part),
            None => Outcome::Same,
        }
    }

    /// A number that a rule says is of a class.
    pub(super) fn ruled_number(&mut self, lexeme: &[u8], class: ClassId) -> Outcome {
        if lexeme == b"0" {
            return Outcome::Same;
        }
        *self.tally.masked.entry(class).or_default() += 1;
        let digits = digits(lexeme).unwrap_or(Cow::Borrowed(lexeme));
        self.masked_number(&digits, &Part::whole(class, digits.len()))
    }

    /// What stands for a number: 0, or what the operator makes of it.
    fn masked_number(&mut self, digits: &[u8], part: &Part) -> Outcome {
        let operator = self.masker.operator(part.class);
        let length = digits.len().min(MAX_DERIVED);
        let derived = match operator {
            Operator::Nullify => return Outcome::Null,
            Operator::Replace | Operator::Redact => None,
            Operator::KeepLast(_) => Some(self.written(digits, part).into_iter().filter(u8::is_ascii_digit).collect()),
            Operator::Hmac => Some(hash_digits(&self.written(digits, part), length)),
            Operator::Token => self.memory.number(part.class, digits).map(|number| numbered(number, length)),
        };
        let derived: Vec<u8> = derived.unwrap_or_default();
        let leading = derived.iter().take_while(|digit| **digit == b'0').count();
        match derived.get(leading..) {
            Some(number @ [_, ..]) => Outcome::Text(number.to_vec()),
            _ => Outcome::Text(b"0".to_vec()),
        }
    }

    fn written(&mut self, digits: &[u8], part: &Part) -> Vec<u8> {
        let mut mark = Vec::new();
        self.masker.write(part, digits, self.memory, &mut mark);
        mark
    }
}

/// The digits of a whole number: `4111`, `4111.0`, and `4.111E3`, as some programs write what is large.
fn digits(lexeme: &[u8]) -> Option<Cow<'_, [u8]>> {
    let lexeme = lexeme.strip_prefix(b"-").unwrap_or(lexeme);
    let end = lexeme.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(lexeme.len());
    let (whole, rest) = lexeme.split_at_checked(end)?;
    if rest.is_empty() {
        return Some(Cow::Borrowed(whole));
    }
    let (fraction, exponent) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (rest.get(..at)?, std::str::from_utf8(rest.get(at + 1..)?).ok()?.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let fraction = fraction.strip_prefix(b".").unwrap_or(fraction);
    let fraction = fraction.get(..fraction.iter().rposition(|byte| *byte != b'0').map_or(0, |last| last + 1))?;
    if exponent == 0 && fraction.is_empty() {
        return Some(Cow::Borrowed(whole));
    }
    let length =
        i32::try_from(whole.len()).ok()?.checked_add(exponent).and_then(|length| usize::try_from(length).ok())?;
    if length < whole.len() + fraction.len() || length > MAX_WRITTEN_OUT {
        return None;
    }
    let mut digits = [whole, fraction].concat();
    digits.resize(length, b'0');
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    Some(Cow::Owned(digits.split_off(leading)))
}

/// As many digits as asked for, from the letters between the colon and the end of a hash's mark, which are halves of
/// bytes. The first is 1, so that what fitted an integer of some size still does.
fn hash_digits(mark: &[u8], length: usize) -> Vec<u8> {
    let letters = mark.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    let (pairs, _) = letters.as_chunks::<2>();
    let digit = |[high, low]: &[u8; 2]| b'1' + (high.wrapping_mul(16).wrapping_add(*low)) % 8;
    std::iter::once(b'1').chain(pairs.iter().cycle().map(digit)).take(length).collect()
}

/// 1 and a session's number, filled up with zeros between them: as many digits as asked for.
fn numbered(number: u32, length: usize) -> Vec<u8> {
    format!("1{number:0width$}", width = length.saturating_sub(1)).into_bytes()
}

/// What stands for a number in a column of a kind.
pub(super) fn in_column(kind: ColumnKind, outcome: Outcome) -> Outcome {
    match (kind, outcome) {
        (ColumnKind::Other, Outcome::Text(_)) => Outcome::Null,
        (_, outcome) => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        let read =
            |lexeme: &'static str| digits(lexeme.as_bytes()).map(|digits| String::from_utf8(digits.to_vec()).unwrap());
        for lexeme in ["536904399", "-536904399.00", "5.36904399E8", "5.36904399e+8", "0.536904399E9", "536904399e0"] {
            assert_eq!(read(lexeme).as_deref(), Some("536904399"), "{lexeme}");
        }
        assert_eq!(read("41111111e8").as_deref(), Some("4111111100000000"));
        for lexeme in ["5.3690439", "5.36904399E7", "1e400", "1e-3", "1e99999999999", "1E+x"] {
            assert_eq!(read(lexeme), None, "{lexeme}");
        }
    }
}
