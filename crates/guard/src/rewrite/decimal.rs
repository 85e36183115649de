//! Numbers as they are written in JSON (RFC 8259 §6), compared exactly: no float is made of them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A bound for numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

/// A text that is no number of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidNumber;

/// The most digits of an exponent that count; whatever has more is beyond all others.
const MAX_EXPONENT_DIGITS: usize = 30;

impl fmt::Display for InvalidNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number is written as in JSON, such as `500` or `0.25`")
    }
}

impl std::error::Error for InvalidNumber {}

impl FromStr for Number {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
        let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let exponent = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
        let is_number = are_digits(whole)
            && (whole == "0" || !whole.starts_with('0'))
            && fraction.is_none_or(are_digits)
            && exponent.is_none_or(are_digits);
        if is_number { Ok(Self(text.to_owned())) } else { Err(InvalidNumber) }
    }
}

impl Number {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is above a number of JSON.
    pub(super) fn is_above(&self, number: &str) -> bool {
        compare(&self.0, number) == Ordering::Greater
    }

    /// Whether it is below one.
    pub(super) fn is_below(&self, number: &str) -> bool {
        compare(&self.0, number) == Ordering::Less
    }

    /// Whether it is above another bound.
    pub fn exceeds(&self, other: &Self) -> bool {
        self.is_above(&other.0)
    }
}

/// Compares two numbers of JSON by their values.
fn compare(one: &str, other: &str) -> Ordering {
    let (one, other) = (Decimal::read(one), Decimal::read(other));
    match (one.sign(), other.sign()) {
        (-1, -1) => other.magnitude().cmp(&one.magnitude()),
        (1, 1) => one.magnitude().cmp(&other.magnitude()),
        (one, other) => one.cmp(&other),
    }
}

/// `±0.DIGITS × 10^point`, the digits without zeros at either end; no digits for zero.
struct Decimal {
    is_negative: bool,
    digits: Vec<u8>,
    point: i128,
}

impl Decimal {
    fn read(text: &str) -> Self {
        let is_negative = text.starts_with('-');
        let unsigned = text.trim_start_matches('-');
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = whole.bytes().chain(fraction.bytes());
        let zeros = digits.clone().take_while(|digit| *digit == b'0').count();
        let mut digits: Vec<u8> = digits.skip(zeros).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let place = |count: usize| i128::try_from(count).unwrap_or(i128::MAX);
        let point = place(whole.len()).saturating_sub(place(zeros)).saturating_add(exponent_of(exponent));
        Self { is_negative, digits, point }
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    fn magnitude(&self) -> (i128, &[u8]) {
        (self.point, &self.digits)
    }
}

fn exponent_of(text: &str) -> i128 {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.trim_start_matches('0');
    let size = match digits.len() {
        0 => 0,
        1..=MAX_EXPONENT_DIGITS => digits.parse().unwrap_or(i128::MAX),
        _ => i128::MAX,
    };
    if is_negative { size.saturating_neg() } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_their_exact_values() {
        let rising = [
            "-1e400",
            "-9007199254740993",
            "-9007199254740992",
            "-1.5",
            "-1",
            "-1e-400",
            "0",
            "1e-99999999999999999999999999999999999",
            "1e-400",
            "0.1",
            "0.10000000000000000000001",
            "1",
            "1.0000000000000000000000000001",
            "9.99",
            "10",
            "1e2",
            "9007199254740992",
            "9007199254740993",
            "10000000000000000000000",
            "10000000000000000000001",
            "1e400",
            "1.1E+400",
            "1e99999999999999999999999999999999999",
        ];
        for (place, one) in rising.iter().enumerate() {
            for (other_place, other) in rising.iter().enumerate() {
                assert_eq!(compare(one, other), place.cmp(&other_place), "{one} {other}");
            }
        }
        for (one, same) in
            [("-0", "0"), ("0e5", "-0.000"), ("1e3", "1000"), ("1000e-3", "1"), ("0.5", "5E-1"), ("1.50", "15e-1")]
        {
            assert_eq!(compare(one, same), Ordering::Equal, "{one} {same}");
        }
    }

    #[test]
    fn bounds_are_numbers_of_json() {
        for good in ["0", "-0", "10", "-1.5", "1e400", "2E-3", "0.25"] {
            assert_eq!(good.parse::<Number>().map(|number| number.0), Ok(good.to_owned()));
        }
        for bad in ["", "-", "+1", "01", "1.", ".5", "1e", "0x10", "1_000", "inf", "nan", "1 ", "\"1\"", "--1"] {
            assert_eq!(bad.parse::<Number>(), Err(InvalidNumber), "{bad}");
        }
    }
}
