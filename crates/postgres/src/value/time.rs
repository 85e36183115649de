//! Dates and times in binary: days and microseconds since 2000-01-01 in the Gregorian calendar, as ISO 8601 writes them and
//! PostgreSQL ends them (`BC`); intervals as `IntervalStyle` postgres does.
//!
//! Text is taken back only as it would be written, but for the offset of a `timestamptz`, which a session may have another
//! of.

use std::fmt::Write as _;

const MICROS: i64 = 1_000_000;
const MINUTE: i64 = 60 * MICROS;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Days from 0000-03-01, where years begin that end with their leap day, to 2000-01-01.
const EPOCH: i64 = 730_425;
/// Days of 400 years, 100 years, 4 years and one.
const ERA_DAYS: i64 = 146_097;
const INFINITY: &str = "infinity";
const NEGATIVE_INFINITY: &str = "-infinity";
const BEFORE_CHRIST: &str = " BC";

pub(super) fn date_to_text(value: &[u8]) -> Option<String> {
    let days = i32::from_be_bytes(value.try_into().ok()?);
    match days {
        i32::MAX => Some(INFINITY.to_owned()),
        i32::MIN => Some(NEGATIVE_INFINITY.to_owned()),
        days => {
            let (date, era) = date_of(days.into());
            Some(format!("{date}{era}"))
        }
    }
}

pub(super) fn date_from_text(text: &str) -> Option<Vec<u8>> {
    let days = match text {
        INFINITY => i32::MAX,
        NEGATIVE_INFINITY => i32::MIN,
        text => i32::try_from(days_of(text)?).ok()?,
    };
    same(days.to_be_bytes().to_vec(), text, date_to_text)
}

pub(super) fn time_to_text(value: &[u8]) -> Option<String> {
    clock(i64::from_be_bytes(value.try_into().ok()?))
}

pub(super) fn time_from_text(text: &str) -> Option<Vec<u8>> {
    same(micros_of(text)?.to_be_bytes().to_vec(), text, time_to_text)
}

pub(super) fn timetz_to_text(value: &[u8]) -> Option<String> {
    let (time, west) = value.split_first_chunk::<8>()?;
    let west = i64::from(i32::from_be_bytes(west.try_into().ok()?));
    let mut text = clock(i64::from_be_bytes(*time))?;
    let (hours, minutes, seconds) = (west.abs() / 3600, west.abs() / 60 % 60, west.abs() % 60);
    write!(text, "{}{hours:02}", if west > 0 { '-' } else { '+' }).ok()?;
    if minutes != 0 || seconds != 0 {
        write!(text, ":{minutes:02}").ok()?;
    }
    if seconds != 0 {
        write!(text, ":{seconds:02}").ok()?;
    }
    Some(text)
}

pub(super) fn timetz_from_text(text: &str) -> Option<Vec<u8>> {
    let (time, east) = split_offset(text)?;
    let west = i32::try_from(-east).ok()?;
    let value = [&micros_of(time)?.to_be_bytes()[..], &west.to_be_bytes()].concat();
    same(value, text, timetz_to_text)
}

/// `offset` is what follows the time: nothing, or UTC's.
pub(super) fn timestamp_to_text(value: &[u8], offset: &str) -> Option<String> {
    match i64::from_be_bytes(value.try_into().ok()?) {
        i64::MAX => Some(INFINITY.to_owned()),
        i64::MIN => Some(NEGATIVE_INFINITY.to_owned()),
        micros => {
            let (date, era) = date_of(micros.div_euclid(DAY));
            Some(format!("{date} {}{offset}{era}", clock(micros.rem_euclid(DAY))?))
        }
    }
}

pub(super) fn timestamp_from_text(text: &str, has_offset: bool) -> Option<Vec<u8>> {
    match text {
        INFINITY => return Some(i64::MAX.to_be_bytes().to_vec()),
        NEGATIVE_INFINITY => return Some(i64::MIN.to_be_bytes().to_vec()),
        _ => {}
    }
    let (rest, era) = text.strip_suffix(BEFORE_CHRIST).map_or((text, ""), |rest| (rest, BEFORE_CHRIST));
    let (date, time) = rest.split_once(' ')?;
    let (time, east) = if has_offset { split_offset(time)? } else { (time, 0) };
    let days = days_of(&format!("{date}{era}"))?;
    let local = days.checked_mul(DAY)?.checked_add(micros_of(time)?)?;
    // As it is written, but for the offset.
    same(local.to_be_bytes().to_vec(), &format!("{date} {time}{era}"), |value| timestamp_to_text(value, ""))?;
    Some(local.checked_sub(east.checked_mul(MICROS)?)?.to_be_bytes().to_vec())
}

pub(super) fn interval_to_text(value: &[u8]) -> Option<String> {
    let (micros, rest) = value.split_first_chunk::<8>()?;
    let (days, months) = rest.split_first_chunk::<4>()?;
    let micros = i64::from_be_bytes(*micros);
    let (days, months) = (i32::from_be_bytes(*days), i32::from_be_bytes(months.try_into().ok()?));
    match (micros, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => return Some(INFINITY.to_owned()),
        (i64::MIN, i32::MIN, i32::MIN) => return Some(NEGATIVE_INFINITY.to_owned()),
        _ => {}
    }
    let mut text = String::new();
    let mut is_before = false;
    for (count, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if count == 0 {
            continue;
        }
        let space = if text.is_empty() { "" } else { " " };
        let sign = if is_before && count > 0 { "+" } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        write!(text, "{space}{sign}{count} {unit}{plural}").ok()?;
        is_before = count < 0;
    }
    if text.is_empty() || micros != 0 {
        let space = if text.is_empty() { "" } else { " " };
        let sign = match micros {
            ..0 => "-",
            _ if is_before => "+",
            _ => "",
        };
        write!(text, "{space}{sign}{}", magnitude(micros.unsigned_abs())).ok()?;
    }
    Some(text)
}

pub(super) fn interval_from_text(text: &str) -> Option<Vec<u8>> {
    let (mut micros, mut days, mut months) = (0_i64, 0_i32, 0_i32);
    match text {
        INFINITY => (micros, days, months) = (i64::MAX, i32::MAX, i32::MAX),
        NEGATIVE_INFINITY => (micros, days, months) = (i64::MIN, i32::MIN, i32::MIN),
        _ => {
            let mut words = text.split(' ');
            while let Some(word) = words.next() {
                if word.contains(':') {
                    let (sign, clock) = word.strip_prefix('-').map_or((1, word), |clock| (-1, clock));
                    micros = micros_of(clock.strip_prefix('+').unwrap_or(clock))?.checked_mul(sign)?;
                    continue;
                }
                let count: i32 = word.parse().ok()?;
                match words.next()?.trim_end_matches('s') {
                    "year" => months = months.checked_add(count.checked_mul(12)?)?,
                    "mon" => months = months.checked_add(count)?,
                    "day" => days = days.checked_add(count)?,
                    _ => return None,
                }
            }
        }
    }
    let value = [&micros.to_be_bytes()[..], &days.to_be_bytes(), &months.to_be_bytes()].concat();
    same(value, text, interval_to_text)
}

/// The value, if that is how it is written.
fn same(value: Vec<u8>, text: &str, written: impl Fn(&[u8]) -> Option<String>) -> Option<Vec<u8>> {
    (written(&value)? == text).then_some(value)
}

/// A day since 2000-01-01, and what follows its time.
fn date_of(days: i64) -> (String, &'static str) {
    // Years from March on, in eras of 400 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
    let days = days + EPOCH;
    let (era, of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, BEFORE_CHRIST) };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

/// The inverse. What is no date becomes another one, which [`same`] finds.
fn days_of(text: &str) -> Option<i64> {
    let (date, is_before) = text.strip_suffix(BEFORE_CHRIST).map_or((text, false), |date| (date, true));
    let mut parts = date.split('-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) || year > 10_000_000 {
        return None;
    }
    let year = if is_before { 1 - year } else { year };
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    Some(era * ERA_DAYS + of_era - EPOCH)
}

/// The time of a day, which may be its end.
fn clock(micros: i64) -> Option<String> {
    (0..=DAY).contains(&micros).then(|| magnitude(micros.unsigned_abs()))
}

/// Hours, minutes, seconds, and as many places as there is need of.
fn magnitude(micros: u64) -> String {
    let [per_second, per_minute, per_hour] = [MICROS, MINUTE, HOUR].map(i64::unsigned_abs);
    let (hours, minutes) = (micros / per_hour, micros % per_hour / per_minute);
    let (seconds, fraction) = (micros % per_minute / per_second, micros % per_second);
    let text = format!("{hours:02}:{minutes:02}:{seconds:02}");
    if fraction == 0 {
        return text;
    }
    let fraction = format!("{fraction:06}");
    format!("{text}.{}", fraction.trim_end_matches('0'))
}

/// The inverse.
fn micros_of(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':').map(number);
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || fraction.len() > 6 {
        return None;
    }
    let fraction = number(&format!("{fraction:0<6}"))?;
    hours
        .checked_mul(HOUR)?
        .checked_add(minutes.checked_mul(MINUTE)?)?
        .checked_add(seconds.checked_mul(MICROS)?)?
        .checked_add(fraction)
}

/// What stands before an offset, and the offset in seconds to the east.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    let place = text.rfind(['+', '-'])?;
    let (time, offset) = text.split_at_checked(place)?;
    let (sign, offset) = offset.strip_prefix('-').map_or((1, offset.get(1..)?), |offset| (-1, offset));
    let mut parts = offset.split(':').map(number);
    let hours = parts.next()??;
    let (minutes, seconds) = (parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?);
    if parts.next().is_some() || hours > 15 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some((time, sign * (hours * 3600 + minutes * 60 + seconds)))
}

/// Digits alone.
fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
