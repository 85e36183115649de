//! `float4` and `float8` as PostgreSQL 12 and later write them: the fewest digits that no other number is nearer to.
//!
//! Rust's shortest digits may lie exactly between two numbers, where only the rule "to even" leads back; PostgreSQL does not
//! rely on that and takes more digits. [`lies_between`] finds those.

/// Decimal exponents below which, and from which on, there is an exponent (`FLT_DIG`, `DBL_DIG`).
const SMALLEST_PLAIN: i32 = -4;
const FLOAT4_DIGITS: i32 = 6;
const FLOAT8_DIGITS: i32 = 15;
/// Digits that always suffice.
const FLOAT4_ENOUGH: usize = 9;
const FLOAT8_ENOUGH: usize = 17;
/// Bits of the mantissa that are stored, and the exponent of its last bit for the smallest exponent.
const FLOAT4_MANTISSA: (u32, i32) = (23, -149);
const FLOAT8_MANTISSA: (u32, i32) = (52, -1074);

pub(super) fn float4_to_text(value: f32) -> String {
    let parts = Parts::of(u64::from(value.abs().to_bits()), FLOAT4_MANTISSA);
    let is_value = |text: &String| text.parse() == Ok(value.abs());
    let shortest = digits(value.is_finite(), FLOAT4_ENOUGH, &parts, |precision| match precision {
        None => Some(format!("{:e}", value.abs())),
        Some(precision) => Some(format!("{:.precision$e}", value.abs())).filter(is_value),
    });
    written(value.is_nan(), value.is_sign_negative(), shortest, FLOAT4_DIGITS)
}

pub(super) fn float8_to_text(value: f64) -> String {
    let parts = Parts::of(value.abs().to_bits(), FLOAT8_MANTISSA);
    let is_value = |text: &String| text.parse() == Ok(value.abs());
    let shortest = digits(value.is_finite(), FLOAT8_ENOUGH, &parts, |precision| match precision {
        None => Some(format!("{:e}", value.abs())),
        Some(precision) => Some(format!("{:.precision$e}", value.abs())).filter(is_value),
    });
    written(value.is_nan(), value.is_sign_negative(), shortest, FLOAT8_DIGITS)
}

pub(super) fn float4_from_text(text: &str) -> Option<f32> {
    match text {
        "NaN" => Some(f32::NAN),
        "Infinity" => Some(f32::INFINITY),
        "-Infinity" => Some(f32::NEG_INFINITY),
        _ => number(text)?.parse().ok().filter(|value: &f32| value.is_finite()),
    }
}

pub(super) fn float8_from_text(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => number(text)?.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

/// Digits, a point, an exponent: no names.
fn number(text: &str) -> Option<&str> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte));
    let begins = text.strip_prefix('-').unwrap_or(text).starts_with(|first: char| first.is_ascii_digit());
    (is_number && begins).then_some(text)
}

/// A number as `mantissa` times two to the `exponent`.
struct Parts {
    mantissa: u64,
    exponent: i32,
    /// The number below is only half as far: the mantissa has come to its smallest.
    is_lowest: bool,
}

impl Parts {
    fn of(bits: u64, (stored, smallest): (u32, i32)) -> Self {
        let fraction = bits & ((1 << stored) - 1);
        match i32::try_from(bits >> stored).unwrap_or(0) {
            0 => Self { mantissa: fraction, exponent: smallest, is_lowest: false },
            exponent => Self {
                mantissa: fraction | 1 << stored,
                exponent: exponent - 1 + smallest,
                is_lowest: fraction == 0 && exponent > 1,
            },
        }
    }
}

/// `format` writes the number with its fewest digits, or with so many behind the point if that is still the number.
/// The digits without a point, and the exponent of the first. None for what is not finite.
fn digits(
    is_finite: bool,
    enough: usize,
    parts: &Parts,
    format: impl Fn(Option<usize>) -> Option<String>,
) -> Option<(String, i32)> {
    let split = |text: String| {
        let (mantissa, exponent) = text.split_once('e')?;
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let digits = digits.trim_end_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        Some((digits.to_owned(), exponent.parse().ok()?))
    };
    if !is_finite {
        return None;
    }
    let shortest = split(format(None)?)?;
    // Of two that are as short and as near, the even one.
    let shortest = format(Some(shortest.0.len() - 1)).and_then(split).unwrap_or(shortest);
    if !lies_between(&shortest, parts) {
        return Some(shortest);
    }
    let more = (shortest.0.len()..enough).filter_map(|precision| split(format(Some(precision))?));
    Some(more.into_iter().find(|longer| longer.0 != shortest.0 && !lies_between(longer, parts)).unwrap_or(shortest))
}

/// Whether these digits are exactly half-way to the number below or above.
///
/// Digits times ten to some power are a middle, an odd number times a power of two: so, without their factors of two, one
/// side's odd part is the other's. It can only be where the power of five is small, so that all fits.
fn lies_between((digits, first): &(String, i32), parts: &Parts) -> bool {
    let (Ok(decimal), Ok(count)) = (digits.parse::<u128>(), i32::try_from(digits.len())) else { return false };
    if decimal == 0 {
        return false;
    }
    let power = first + 1 - count;
    let five = 5_u128.checked_pow(power.unsigned_abs());
    let twice = u128::from(parts.mantissa) * 2;
    let lower = if parts.is_lowest { (twice * 2).wrapping_sub(1) } else { twice.wrapping_sub(1) };
    let odd = |number: u128| if number == 0 { 0 } else { number >> number.trailing_zeros() };
    [(twice + 1, 1), (lower, if parts.is_lowest { 2 } else { 1 })].into_iter().any(|(middle, bits)| {
        let (left, right) = match five {
            Some(five) if power >= 0 => (decimal.checked_mul(five), Some(middle)),
            Some(five) => (Some(decimal), middle.checked_mul(five)),
            None => (None, None),
        };
        let (Some(left), Some(right)) = (left, right) else { return false };
        if odd(left) != odd(right) {
            return false;
        }
        // The same power of two, too.
        let twos = |number: u128| i32::try_from(number.trailing_zeros()).unwrap_or(0);
        twos(left) + power == twos(right) + parts.exponent - bits
    })
}

fn written(is_nan: bool, is_negative: bool, digits: Option<(String, i32)>, plain: i32) -> String {
    let sign = if is_negative { "-" } else { "" };
    let Some((digits, first)) = digits else {
        return if is_nan { "NaN".to_owned() } else { format!("{sign}Infinity") };
    };
    if digits == "0" {
        return format!("{sign}0");
    }
    if !(SMALLEST_PLAIN..plain).contains(&first) {
        let (head, tail) = digits.split_at(1);
        let point = if tail.is_empty() { "" } else { "." };
        let direction = if first < 0 { '-' } else { '+' };
        return format!("{sign}{head}{point}{tail}e{direction}{:02}", first.unsigned_abs());
    }
    match usize::try_from(first) {
        Err(_) => {
            let zeros = usize::try_from(first.unsigned_abs()).unwrap_or(1) - 1;
            format!("{sign}0.{}{digits}", "0".repeat(zeros))
        }
        Ok(first) if digits.len() <= first + 1 => format!("{sign}{digits}{}", "0".repeat(first + 1 - digits.len())),
        Ok(first) => {
            let (whole, fraction) = digits.split_at(first + 1);
            format!("{sign}{whole}.{fraction}")
        }
    }
}
