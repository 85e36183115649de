//! Wall-clock time as nanoseconds since the Unix epoch, the trait through which code reads it, and how far it is to be
//! believed (NIST SP 800-53 AU-8).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment in UTC, nanoseconds since 1970-01-01T00:00:00Z (until the year 2554).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `nanoseconds` after the Unix epoch.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// The moment `seconds` after the Unix epoch; saturates at the end of the range.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn nanoseconds(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later (the clock stepped back).
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    /// Ends at the epoch.
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// RFC 3339 in UTC with nine fractional digits: `2026-11-20T23:47:40.123456789Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds();
        let (days, of_day) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil_date(days);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:09}Z",
            of_day / 3_600,
            of_day / 60 % 60,
            of_day % 60,
            self.0 % 1_000_000_000
        )
    }
}

/// A text that is no time as events write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a time such as 2026-11-20T23:47:40.123456789Z")]
pub struct NoTimestamp;

/// What [`fmt::Display`] writes, and nothing else.
impl FromStr for Timestamp {
    type Err = NoTimestamp;

    fn from_str(text: &str) -> Result<Self, NoTimestamp> {
        let number = |range: std::ops::Range<usize>| {
            let digits = text.get(range).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|digits| digits.parse::<u64>().ok()).ok_or(NoTimestamp)
        };
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let of_day = number(11..13)? * 3_600 + number(14..16)? * 60 + number(17..19)?;
        let days = days_of(year, month, day).ok_or(NoTimestamp)?;
        let seconds = days * 86_400 + of_day;
        let nanoseconds = seconds.checked_mul(1_000_000_000).and_then(|whole| whole.checked_add(number(20..29).ok()?));
        let timestamp = Self(nanoseconds.ok_or(NoTimestamp)?);
        // Months of other lengths, a second 61, and all that stands between the numbers.
        if timestamp.to_string() == text { Ok(timestamp) } else { Err(NoTimestamp) }
    }
}

/// A Gregorian date from 1970 on to days since the epoch; the inverse of [`civil_date`].
fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let year_from_march = year - u64::from(month <= 2 && year > 0);
    let month_from_march = (month + 9) % 12;
    let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

/// Days since the epoch to a Gregorian date (the era method: years that begin in March, 400-year eras).
fn civil_date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // days from 0000-03-01 to 1970-01-01
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Where the time comes from. Tests put a clock of their own here.
pub trait Clock: Send + Sync {
    /// The current time in UTC.
    fn now(&self) -> Timestamp;

    /// The time that has passed since, whatever the wall clock was set to.
    fn elapsed(&self, since: Instant) -> Duration {
        since.elapsed()
    }
}

/// The system's real-time clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// How far the system's clock is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discipline {
    /// A time source keeps it.
    Synchronised {
        /// How far off it is at most, by the kernel's reckoning.
        max_error: Duration,
    },
    /// None does, or none has lately: how far off it is, nobody knows.
    Unsynchronised,
    /// Nobody tells.
    Unknown,
}

impl Discipline {
    /// The word in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Synchronised { .. } => "synchronised",
            Self::Unsynchronised => "unsynchronised",
            Self::Unknown => "unknown",
        }
    }

    /// How far off it is at most, where that is known.
    pub const fn max_error(self) -> Option<Duration> {
        match self {
            Self::Synchronised { max_error } => Some(max_error),
            Self::Unsynchronised | Self::Unknown => None,
        }
    }
}

/// A jump of the wall clock against the monotonic one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The wall clock was set ahead, or the machine slept.
    Forward(Duration),
    /// The wall clock was set back.
    Back(Duration),
}

impl Step {
    /// The jump in a stretch that took `elapsed` by the monotonic clock, when it is more than `tolerance`.
    pub fn between(before: Timestamp, after: Timestamp, elapsed: Duration, tolerance: Duration) -> Option<Self> {
        let expected = before + elapsed;
        let (ahead, behind) = (after.since(expected), expected.since(after));
        match (ahead > tolerance, behind > tolerance) {
            (true, _) => Some(Self::Forward(ahead)),
            (_, true) => Some(Self::Back(behind)),
            _ => None,
        }
    }

    /// The word in events, and by how much.
    pub const fn parts(self) -> (&'static str, Duration) {
        match self {
            Self::Forward(by) => ("forward", by),
            Self::Back(by) => ("back", by),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_wall_clock_is_told_from_time_that_passed() {
        let at = Timestamp::from_seconds;
        let step =
            |after, elapsed| Step::between(at(1_000), after, Duration::from_secs(elapsed), Duration::from_secs(1));
        assert_eq!(step(at(1_010), 10), None);
        assert_eq!(step(at(1_011), 10), None, "as much as is tolerated");
        assert_eq!(step(at(1_012), 10), Some(Step::Forward(Duration::from_secs(2))));
        assert_eq!(step(at(1_009), 10), None);
        assert_eq!(step(at(900), 10), Some(Step::Back(Duration::from_secs(110))));
    }

    #[test]
    fn prints_rfc_3339_with_nanoseconds() {
        assert_eq!(Timestamp::from_nanoseconds(0).to_string(), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(Timestamp::from_seconds(951_782_400).to_string(), "2000-02-29T00:00:00.000000000Z");
        assert_eq!(Timestamp::from_seconds(4_107_542_399).to_string(), "2100-02-28T23:59:59.000000000Z");
        assert_eq!(Timestamp::from_seconds(4_107_542_400).to_string(), "2100-03-01T00:00:00.000000000Z");
    }

    #[test]
    fn agrees_with_jiff_over_four_centuries() -> Result<(), jiff::Error> {
        for day in (0..146_097_u64).step_by(97) {
            let ours = Timestamp::from_seconds(day * 86_400 + day % 86_400);
            let theirs = jiff::Timestamp::from_second(i64::try_from(ours.seconds()).unwrap_or(0))?;
            assert_eq!(ours.to_string(), format!("{theirs:.9}"));
            assert_eq!(ours.to_string().parse(), Ok(ours));
        }
        Ok(())
    }

    #[test]
    fn only_times_as_events_write_them_are_read() {
        let time = Timestamp::from_nanoseconds(1_795_000_000_123_456_789);
        assert_eq!(time.to_string().parse(), Ok(time));
        for text in [
            "",
            "2026-11-20",
            "2026-11-20T23:47:40Z",
            "2026-11-20T23:47:40.123456789",
            "2026-11-20T23:47:40.123456789+",
            "2026-11-20 23:47:40.123456789Z",
            "2026-02-30T00:00:00.000000000Z",
            "2026-11-20T24:00:00.000000000Z",
            "2026-00-10T00:00:00.000000000Z",
            "1969-12-31T23:59:59.000000000Z",
            "0000-01-01T00:00:00.000000000Z",
            "9999-12-31T23:59:59.000000000Z",
            "+026-11-20T23:47:40.123456789Z",
            "2026-11-20T23:47:40.12345678\u{e9}",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NoTimestamp), "{text}");
        }
    }

    #[test]
    fn a_step_back_is_no_negative_duration() {
        let (early, late) = (Timestamp::from_seconds(1), Timestamp::from_seconds(2));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.since(early), Duration::from_secs(1));
    }
}
