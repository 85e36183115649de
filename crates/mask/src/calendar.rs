//! Days of the Gregorian calendar, which many national numbers begin with.

/// Whether a day exists. A year of two digits may be given as it stands: then 29 February exists in every fourth year.
pub(crate) fn is_day(year: u64, month: u64, day: u64) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400) || year == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_no_calendar_has_are_refused() {
        assert!(is_day(2024, 2, 29) && is_day(2000, 2, 29) && is_day(0, 2, 29) && is_day(96, 2, 29));
        assert!(!is_day(1900, 2, 29) && !is_day(2023, 2, 29) && !is_day(99, 2, 29));
        assert!(is_day(1999, 4, 30) && !is_day(1999, 4, 31) && !is_day(1999, 13, 1) && !is_day(1999, 0, 1));
        assert!(!is_day(1999, 1, 0) && is_day(1999, 12, 31) && !is_day(1999, 12, 32));
    }
}
