//! `numeric` in binary (`numeric_send`): digits to the base of 10,000, the weight of the first, sign, and decimal places.

use std::fmt::Write as _;

use bytes::{Buf as _, BufMut as _};

/// Decimal digits of one digit.
const WIDTH: usize = 4;
/// The base.
const BASE: u16 = 10_000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
/// Decimal places that there can be (`NUMERIC_DSCALE_MAX`).
const MAX_PLACES: usize = 0x3FFF;
/// Decimal digits before the point that there can be.
const MAX_WHOLE: usize = 131_072;
/// Count, weight, sign, places.
const HEADER_BYTES: usize = 8;

pub(super) fn to_text(mut value: &[u8]) -> Option<String> {
    if value.len() < HEADER_BYTES {
        return None;
    }
    let (count, weight) = (usize::from(value.get_u16()), i32::from(value.get_i16()));
    let (sign, places) = (value.get_u16(), usize::from(value.get_u16()));
    let (digits, rest) = value.as_chunks::<2>();
    let digits: Vec<u16> = digits.iter().map(|digit| u16::from_be_bytes(*digit)).collect();
    if digits.len() != count || !rest.is_empty() || places > MAX_PLACES || digits.iter().any(|digit| *digit >= BASE) {
        return None;
    }
    let mut text = String::new();
    match sign {
        0 => {}
        NEGATIVE => text.push('-'),
        NAN => return Some("NaN".to_owned()),
        INFINITY => return Some("Infinity".to_owned()),
        NEGATIVE_INFINITY => return Some("-Infinity".to_owned()),
        _ => return None,
    }
    // The digit of a weight; there are none but zeros outside of what was sent.
    let digit = |at: i32| {
        let place = usize::try_from(weight - at).ok();
        place.and_then(|place| digits.get(place)).copied().unwrap_or(0)
    };
    if weight < 0 {
        text.push('0');
    } else {
        write!(text, "{}", digit(weight)).ok()?;
        for at in (0..weight).rev() {
            write!(text, "{:04}", digit(at)).ok()?;
        }
    }
    if places > 0 {
        text.push('.');
        let end = text.len() + places;
        let mut at = -1;
        while text.len() < end {
            write!(text, "{:04}", digit(at)).ok()?;
            at -= 1;
        }
        text.truncate(end);
    }
    // No server sends a zero with a sign, or digits beyond its places.
    if text.starts_with('-') && !text.contains(|digit| matches!(digit, '1'..='9')) {
        text.remove(0);
    }
    Some(text)
}

pub(super) fn from_text(text: &str) -> Option<Vec<u8>> {
    let special = |sign| written(&[], 0, sign, 0);
    match text {
        "NaN" => return special(NAN),
        "Infinity" => return special(INFINITY),
        "-Infinity" => return special(NEGATIVE_INFINITY),
        _ => {}
    }
    let (sign, number) = text.strip_prefix('-').map_or((0, text), |number| (NEGATIVE, number));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = whole == "0" || (!whole.is_empty() && !whole.starts_with('0'));
    if !is_plain || !are_digits(whole) || !are_digits(fraction) || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    if whole.len() > MAX_WHOLE || fraction.len() > MAX_PLACES {
        return None;
    }
    // Whole digits on both sides of the point.
    let before = (WIDTH - whole.len() % WIDTH) % WIDTH;
    let after = (WIDTH - fraction.len() % WIDTH) % WIDTH;
    let all = format!("{}{whole}{fraction}{}", "0".repeat(before), "0".repeat(after));
    let (groups, _) = all.as_bytes().as_chunks::<WIDTH>();
    let digits: Option<Vec<u16>> = groups.iter().map(|group| std::str::from_utf8(group).ok()?.parse().ok()).collect();
    let digits = digits?;
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    let trailing = digits.iter().rev().take_while(|digit| **digit == 0).count();
    let kept = digits.get(leading..digits.len() - trailing.min(digits.len() - leading))?;
    let weight = i16::try_from((whole.len() + before) / WIDTH).ok()?.checked_sub(1)?;
    let weight = weight.checked_sub(i16::try_from(leading).ok()?)?;
    if kept.is_empty() {
        return if sign == 0 { written(&[], 0, 0, fraction.len()) } else { None };
    }
    written(kept, weight, sign, fraction.len())
}

fn written(digits: &[u16], weight: i16, sign: u16, places: usize) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(HEADER_BYTES + 2 * digits.len());
    value.put_u16(u16::try_from(digits.len()).ok()?);
    value.put_i16(weight);
    value.put_u16(sign);
    value.put_u16(u16::try_from(places).ok()?);
    for digit in digits {
        value.put_u16(*digit);
    }
    Some(value)
}
