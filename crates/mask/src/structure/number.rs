//! JSON numbers: scanned as they are written, and masked by numbers.

use super::nested::{Outcome, Work};
use super::row::ColumnKind;
use crate::class::ClassId;
use crate::engine::Path;
use crate::masker::Part;
use crate::operator::Operator;

/// Digits of a number that masking derives, at most: what fits 64 bits, with a sign.
const MAX_DERIVED: usize = 18;

impl Work<'_> {
    /// A number that `path` leads to. Only whole numbers are looked at, with `.0` behind them or not.
    pub(super) fn number(&mut self, lexeme: &[u8], path: &Path<'_>) -> Outcome {
        let Some(digits) = digits(lexeme).filter(|digits| digits.len() >= super::nested::MIN_VALUE - 1) else {
            return Outcome::Same;
        };
        match self.found(digits, path).first() {
            Some(part) => self.masked_number(digits, part),
            None => Outcome::Same,
        }
    }

    /// A number that a rule says is of a class.
    pub(super) fn ruled_number(&mut self, lexeme: &[u8], class: ClassId) -> Outcome {
        if lexeme == b"0" {
            return Outcome::Same;
        }
        *self.tally.masked.entry(class).or_default() += 1;
        let digits = digits(lexeme).unwrap_or(lexeme);
        self.masked_number(digits, &Part::whole(class, digits.len()))
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

/// The digits of a whole number.
fn digits(lexeme: &[u8]) -> Option<&[u8]> {
    let lexeme = lexeme.strip_prefix(b"-").unwrap_or(lexeme);
    let end = lexeme.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(lexeme.len());
    let (digits, rest) = lexeme.split_at_checked(end)?;
    let is_whole = match rest {
        [] => true,
        [b'.', zeros @ ..] => zeros.iter().all(|byte| *byte == b'0'),
        _ => false,
    };
    is_whole.then_some(digits)
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
