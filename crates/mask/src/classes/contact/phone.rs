//! Telephone numbers: international ones (ITU-T E.164), those of the North American numbering plan, and those that
//! begin with a trunk zero, where they are written as such; whatever else has as many digits only where something names it.

use super::plans;
use crate::checksum;
use crate::class::{Shape, Verdict};

/// Digits of a national number, with its trunk prefix.
const NATIONAL: std::ops::RangeInclusive<usize> = 7..=13;

/// Groups of digits that are looked at.
const MAX_GROUPS: usize = 8;

pub(super) const SHAPES: &[Shape] = &[
    // +44 (0)20 7946 0958, (+49) 30 1234567, +1-202-555-0143x12
    Shape::alone(r"\(?\+[1-9](?:[ .()/-]{0,3}[0-9]){6,16}(?: ?(?:x|ext\.?) ?[0-9]{1,6})?", 75).unjoined(),
    // 001-202-555-0143
    Shape::alone(r"00[1-9][0-9]{0,2}[ .-](?:[ .()/-]{0,2}[0-9]){6,13}", 60).unjoined(),
    // (202) 555-0143
    Shape::alone(r"(?:1[-. ]?)?\([2-9][0-8][0-9]\) ?[2-9][0-9]{2}[-. ]?[0-9]{4}(?: ?(?:x|ext\.?) ?[0-9]{1,6})?", 60)
        .unjoined(),
    // 202-555-0143, 1-202-555-0143
    Shape::alone(r"(?:1-)?[2-9][0-8][0-9]-[2-9][0-9]{2}-[0-9]{4}(?: ?(?:x|ext\.?) ?[0-9]{1,6})?", 60)
        .unjoined()
        .after_letters(),
    Shape::alone(r"(?:1\.)?[2-9][0-8][0-9]\.[2-9][0-9]{2}\.[0-9]{4}(?: ?(?:x|ext\.?) ?[0-9]{1,6})?", 60).unjoined(),
    // 01 98 76 54 32
    Shape::alone(r"0[1-9](?:(?: [0-9]{2}){4}|(?:\.[0-9]{2}){4}|(?:-[0-9]{2}){4})", 60).unjoined(),
    // 020 7946 0958, 07700 900123, 090-1234-5678
    Shape::alone(r"0[1-9][0-9]{1,3}(?: [0-9]{3,4} [0-9]{3,4}|-[0-9]{3,4}-[0-9]{3,4})", 60).unjoined(),
    Shape::alone(r"0[1-9][0-9]{3} [0-9]{6}", 60).unjoined(),
    // 044 668 18 00, 0470 12 34 56
    Shape::alone(r"0[1-9][0-9]{1,2} [0-9]{2,3} [0-9]{2} [0-9]{2}", 60).unjoined(),
    Shape::alone(r"\(0[1-9][0-9]{0,4}\) ?[0-9]{3,4}[ -]?[0-9]{3,5}", 60).unjoined(),
    // Where something names it: 45 67 89 01, (37) 788-063, 358 0594, 07700 900 123
    Shape::in_context(r"[0-9]{2,5}(?:[ ./-][0-9]{2,8}){1,5}(?:x[0-9]{1,6})?", 20).unjoined(),
    Shape::in_context(r"\([0-9]{1,5}\)[ -]?[0-9]{2,4}(?:[ ./-]?[0-9]{2,4}){1,3}(?:x[0-9]{1,6})?", 20).unjoined(),
    Shape::in_context(r"[0-9]{7,15}", 10).unjoined(),
];

pub(super) fn check(value: &[u8]) -> Verdict {
    let value = without_extension(value);
    let mut digits = [0_u8; 20];
    let mut count = 0;
    for (slot, byte) in digits.iter_mut().zip(value.iter().filter(|byte| byte.is_ascii_digit())) {
        *slot = byte - b'0';
        count += 1;
    }
    let digits = digits.get(..count).unwrap_or_default();
    let possible = checksum::count(value) == count
        && balanced(value)
        && match (value, digits) {
            ([b'+', ..] | [b'(', b'+', ..], _) => international(digits),
            (_, [0, 0, rest @ ..]) => international(rest),
            (_, all) => national(value, all) || (count > 13 && value.len() == count && international(all)),
        };
    if possible { Verdict::Unproven } else { Verdict::Invalid }
}

fn without_extension(value: &[u8]) -> &[u8] {
    let end = value.iter().position(|byte| matches!(byte, b'x' | b'e')).unwrap_or(value.len());
    value.get(..end).unwrap_or_default().trim_ascii_end()
}

/// Whether every parenthesis that opens closes again, one at a time.
fn balanced(value: &[u8]) -> bool {
    let mut open = false;
    for byte in value {
        match (byte, open) {
            (b'(', false) => open = true,
            (b')', true) => open = false,
            (b'(' | b')', _) => return false,
            _ => {}
        }
    }
    !open
}

/// A calling code, and as many digits after it as its countries have. A trunk zero that nobody dials from abroad is
/// often written.
fn international(digits: &[u8]) -> bool {
    let Some((code, lengths)) = plans::of(digits) else { return false };
    let number = digits.get(code..).unwrap_or_default();
    let trunk = usize::from(number.first() == Some(&0));
    let fits = lengths.contains(&number.len()) || lengths.contains(&(number.len() - trunk));
    fits && !matches!(number, [0, 0, ..])
        && !(digits.starts_with(&[1]) && number.first().is_none_or(|first| *first < 2))
}

fn national(value: &[u8], digits: &[u8]) -> bool {
    let same = digits.iter().all(|digit| Some(digit) == digits.first());
    if !NATIONAL.contains(&digits.len()) || same {
        return false;
    }
    let (groups, separators) = groups(value);
    let one_separator = separators.iter().filter(|byte| **byte != 0).all(|byte| *byte == separators[0]);
    let widths = groups.map(|group| group.width);
    match widths {
        // A day: 2024-03-15, 15.03.2024, or 20240315.
        [4, 2, 2, 0, ..] | [2, 2, 4, 0, ..] if one_separator && separators[0] != b' ' => false,
        [8, 0, ..] => !is_day(groups[0].number),
        // A social security number of the United States; an IPv4 address.
        [3, 2, 4, 0, ..] if separators[0] == b'-' => false,
        [_, _, 1..=3, 1..=3, 0, ..] if separators[0] == b'.' && groups.iter().all(|group| group.number < 256) => false,
        // A rounded amount: 12 000 000.
        [1..=3, 3, 3, 0, ..] if groups[2].number == 0 => false,
        // The North American plan has no area codes such as 911 (N11).
        [3, 3, 4, 0, ..] | [1, 3, 3, 4, 0, ..] => {
            let area = if widths[0] == 1 { groups[1].number } else { groups[0].number };
            area % 100 != 11
        }
        _ => true,
    }
}

/// Whether eight digits read as a day of the last or this century.
fn is_day(number: u32) -> bool {
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    (1900..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
}

/// Digits that stand together.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    width: usize,
    number: u32,
}

/// The groups of digits, and the first byte after each of them but the last.
fn groups(value: &[u8]) -> ([Group; MAX_GROUPS], [u8; MAX_GROUPS]) {
    let mut groups = [Group::default(); MAX_GROUPS];
    let mut separators = [0; MAX_GROUPS];
    let parts = value.split(|byte| !byte.is_ascii_digit()).filter(|part| !part.is_empty());
    for (group, part) in groups.iter_mut().zip(parts) {
        group.width = part.len();
        group.number =
            checksum::digits(part).fold(0, |number: u32, digit| number.saturating_mul(10).saturating_add(digit));
    }
    let gaps = value.windows(2).filter(|pair| matches!(pair, [b'0'..=b'9', after] if !after.is_ascii_digit()));
    for (slot, gap) in separators.iter_mut().zip(gaps) {
        *slot = gap.last().copied().unwrap_or_default();
    }
    (groups, separators)
}
