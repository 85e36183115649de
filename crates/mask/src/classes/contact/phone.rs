//! Telephone numbers: international ones (ITU-T E.164), those of the North American numbering plan, and those that
//! begin with a trunk zero, where they are written as such; whatever else has as many digits only where something names it.

use super::plans;
use crate::class::{Shape, Verdict};

/// Digits of a national number, with its trunk prefix.
const NATIONAL: std::ops::RangeInclusive<usize> = 7..=13;

/// Digits of what is looked at, at most.
const MAX_DIGITS: usize = 20;

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
    let Some(written) = Written::of(value) else { return Verdict::Invalid };
    let digits = written.digits.get(..written.count).unwrap_or_default();
    let possible = match (value, digits) {
        ([b'+', ..] | [b'(', b'+', ..], _) => international(digits),
        (_, [0, 0, rest @ ..]) => international(rest),
        (_, all) => national(&written, all) || (all.len() > 13 && value.len() == all.len() && international(all)),
    };
    if possible { Verdict::Unproven } else { Verdict::Invalid }
}

fn without_extension(value: &[u8]) -> &[u8] {
    let end = value.iter().position(|byte| matches!(byte, b'x' | b'e')).unwrap_or(value.len());
    value.get(..end).unwrap_or_default().trim_ascii_end()
}

/// A number as it is written.
#[derive(Debug, Default)]
struct Written {
    digits: [u8; MAX_DIGITS],
    count: usize,
    /// The first groups of digits.
    groups: [Group; MAX_GROUPS],
    /// The byte after each of them, if there is one.
    separators: [u8; MAX_GROUPS],
}

/// Digits that stand together.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    width: usize,
    /// Its value; of more digits than a number is looked at with, some other.
    number: u64,
}

impl Written {
    /// None with too many digits, or where not every parenthesis that opens closes again, one at a time.
    fn of(value: &[u8]) -> Option<Self> {
        let mut written = Self::default();
        let (mut open, mut place, mut group) = (false, 0, Group::default());
        for byte in value {
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                *written.digits.get_mut(written.count)? = digit;
                written.count += 1;
                group.width += 1;
                group.number = group.number.wrapping_mul(10).wrapping_add(u64::from(digit));
                continue;
            }
            match (byte, open) {
                (b'(', false) => open = true,
                (b')', true) => open = false,
                (b'(' | b')', _) => return None,
                _ => {}
            }
            if group.width > 0 {
                if let (Some(slot), Some(separator)) =
                    (written.groups.get_mut(place), written.separators.get_mut(place))
                {
                    (*slot, *separator) = (group, *byte);
                }
                place += 1;
                group = Group::default();
            }
        }
        if let Some(slot) = written.groups.get_mut(place) {
            *slot = group;
        }
        (!open).then_some(written)
    }
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

fn national(written: &Written, digits: &[u8]) -> bool {
    let same = digits.iter().all(|digit| Some(digit) == digits.first());
    if !NATIONAL.contains(&digits.len()) || same {
        return false;
    }
    let Written { groups, separators, .. } = written;
    let one_separator = || separators.iter().filter(|byte| **byte != 0).all(|byte| *byte == separators[0]);
    let widths = groups.map(|group| group.width);
    match widths {
        // A day: 2024-03-15, 15.03.2024, or 20240315.
        [4, 2, 2, 0, ..] | [2, 2, 4, 0, ..] if separators[0] != b' ' && one_separator() => false,
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
fn is_day(number: u64) -> bool {
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    (1900..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
}
