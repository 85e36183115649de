//! Secrets that are known by what stands in their middle or at their end, so that they begin before what was matched.

use crate::form::{Reading, Set, has_entropy};

/// A licence key of `MaxMind`: `AAAAAA_BBB…_mmk`, 6 and 29 letters or digits.
pub(in super::super) fn maxmind(reading: &mut Reading<'_>) -> Option<(usize, usize)> {
    let start = reading.start.checked_sub(37)?;
    let body = reading.text.get(start..reading.start)?;
    let well_formed = body.iter().enumerate().all(|(place, byte)| match place {
        6 | 36 => *byte == b'_',
        _ => byte.is_ascii_alphanumeric(),
    });
    (well_formed && !continues(reading.text, start) && has_entropy(body, 35)).then_some((start, reading.from))
}

/// GitLab: the cookie `_gitlab_session` with 32 lower-case letters and digits.
pub(in super::super) fn gitlab_session(reading: &mut Reading<'_>) -> Option<(usize, usize)> {
    let start = reading.start.checked_sub(1)?;
    let end = reading.run(Set::Lower, reading.from, 33);
    let cookie = reading.text.get(start) == Some(&b'_') && end - reading.from == 32;
    (cookie && has_entropy(reading.text.get(reading.from..end)?, 28)).then_some((start, end))
}

/// Terraform Cloud: 14 letters or digits, `.atlasv1.` and 60 to 70 of base64.
pub(in super::super) fn terraform(reading: &mut Reading<'_>) -> Option<(usize, usize)> {
    let start = reading.start.checked_sub(15)?;
    let (last, id) = reading.text.get(start..reading.start)?.split_last()?;
    if *last != b'.' || !id.iter().all(u8::is_ascii_alphanumeric) || continues(reading.text, start) {
        return None;
    }
    let end = reading.run(Set::UrlPadded, reading.from, 71);
    let value = reading.text.get(start..end)?;
    ((60..=70).contains(&(end - reading.from)) && has_entropy(value, 35)).then_some((start, end))
}

/// Microsoft Entra: three characters and a digit, `Q~`, and 31 to 34 more.
pub(in super::super) fn azure(reading: &mut Reading<'_>) -> Option<(usize, usize)> {
    const MOST: usize = 34;
    let start = reading.start.checked_sub(4)?;
    let of_it = |byte: &u8| Set::Dotted.has(*byte) || *byte == b'~';
    let (digit, first) = reading.text.get(start..reading.start)?.split_last()?;
    let upper = reading.text.get(reading.start) == Some(&b'Q');
    let before = start.checked_sub(1).and_then(|before| reading.text.get(before));
    if !upper
        || !digit.is_ascii_digit()
        || !first.iter().all(|byte| of_it(byte) && *byte != b'-')
        || before.is_some_and(of_it)
    {
        return None;
    }
    let length = reading.rest(reading.from).iter().take(MOST + 2).take_while(|byte| of_it(byte)).count();
    reading.open |= reading.from + length == reading.text.len();
    let stop = reading.rest(reading.from).get(..length).is_some_and(|rest| rest.ends_with(b"."));
    let length = if stop && length > MOST { length - 1 } else { length };
    let end = reading.from + length;
    let value = reading.text.get(start..end)?;
    ((31..=MOST).contains(&length) && has_entropy(value, 30)).then_some((start, end))
}

/// Whether a letter or digit stands before `start`.
fn continues(text: &[u8], start: usize) -> bool {
    start.checked_sub(1).and_then(|before| text.get(before)).is_some_and(u8::is_ascii_alphanumeric)
}
