//! How far the clock is to be trusted with what cannot be undone: retention erases by it.
//!
//! A clock that is wrong by years would end every recording at once. So time is believed up to the newest event of before
//! the start and what has passed since by the monotonic clock; nothing is erased in the first hour, while a time source says
//! that it does not keep the clock, or for a while after a jump. Jumps between events of before are the log's to tell
//! (`RetentionLog`).

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use vidimus_core::{Clock, Discipline, Step, Timestamp};

/// How long nothing is erased after a start: time to see that something is wrong.
const FIRST: Duration = Duration::from_hours(1);

/// Why recordings whose time is up are not erased yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The gateway was started so lately that it erases nothing for this long.
    Started(Duration),
    /// A time source is there and does not keep the clock.
    Unsynchronised,
    /// The clock was set while the gateway ran; it is not erased by for this long.
    Jumped(Duration),
    /// From one event to the next more than a day passed: the clock was set, or the gateway was down. It is not erased by
    /// until then.
    Gap(Timestamp),
    /// A shorter time is in force from then on.
    Changed(Timestamp),
    /// The rules are not on record yet.
    Unrecorded,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = |left: &Duration| left.as_secs().div_ceil(60);
        match self {
            Self::Started(left) => write!(f, "nothing is erased soon after a start: {} minutes to go", minutes(left)),
            Self::Unsynchronised => f.write_str("the clock is not kept by its time source: nothing is erased by it"),
            Self::Jumped(left) => {
                write!(f, "the clock has jumped: nothing is erased by it for {} minutes", minutes(left))
            }
            Self::Gap(until) => write!(
                f,
                "from one event to the next more than a day passed, by the clock: nothing is erased by it until {until}"
            ),
            Self::Changed(at) => write!(f, "what would be erased now is kept until {at}: the rule was made shorter"),
            Self::Unrecorded => f.write_str("the rules are not on record yet"),
        }
    }
}

/// What is known of the clock since the start.
#[derive(Debug)]
pub(crate) struct Caution {
    started: Instant,
    /// The newest event of before the start.
    newest: Timestamp,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    discipline: Discipline,
    /// How long after the start it last jumped.
    jumped: Option<Duration>,
}

impl Caution {
    /// At a start, after an event of this time.
    pub(crate) fn new(newest: Timestamp, discipline: Discipline) -> Self {
        Self { started: Instant::now(), newest, seen: Mutex::new(Seen { discipline, jumped: None }) }
    }

    /// Takes note of what the clock does.
    pub(crate) fn observe(&self, clock: &dyn Clock, discipline: Discipline, step: Option<Step>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.discipline = discipline;
        if step.is_some() {
            seen.jumped = Some(clock.elapsed(self.started));
        }
    }

    /// The time, as far as it is to be believed. It may be behind by as long as the gateway was down, never ahead.
    pub(crate) fn now(&self, clock: &dyn Clock) -> Timestamp {
        clock.now().min(self.newest + clock.elapsed(self.started))
    }

    /// Why nothing may be erased by the clock now; a jump is waited out for `delay`.
    pub(crate) fn waits(&self, clock: &dyn Clock, delay: Duration) -> Option<Waiting> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let up = clock.elapsed(self.started);
        if seen.discipline == Discipline::Unsynchronised {
            return Some(Waiting::Unsynchronised);
        }
        let left = seen.jumped.and_then(|jumped| (jumped + delay).checked_sub(up)).filter(|left| !left.is_zero());
        match (left, FIRST.checked_sub(up)) {
            (Some(left), _) => Some(Waiting::Jumped(left)),
            (None, Some(left)) if !left.is_zero() => Some(Waiting::Started(left)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A wall clock and a monotonic one, in seconds.
    #[derive(Default)]
    struct Hands(AtomicU64, AtomicU64);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
        }

        fn elapsed(&self, _: Instant) -> Duration {
            Duration::from_secs(self.1.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn a_clock_is_believed_up_to_the_newest_event_and_what_has_passed() {
        let caution = Caution::new(Timestamp::from_seconds(1_000), Discipline::Unknown);
        let now = |wall: u64, up: u64| caution.now(&Hands(wall.into(), up.into())).seconds();
        assert_eq!(now(900_000, 60), 1_060, "ten days ahead, or down for ten days");
        assert_eq!(now(1_050, 60), 1_050);
        assert_eq!(now(10, 60), 10);
    }

    #[test]
    fn nothing_is_erased_in_the_first_hour_or_by_a_clock_that_is_off_or_has_jumped() {
        let clock = Hands::default();
        let up = |seconds| clock.1.store(seconds, Ordering::SeqCst);
        let caution = Caution::new(Timestamp::from_seconds(1_000), Discipline::Unknown);
        let delay = Duration::from_hours(24);
        up(3_599);
        assert_eq!(caution.waits(&clock, delay), Some(Waiting::Started(Duration::from_secs(1))));
        up(3_600);
        assert_eq!(caution.waits(&clock, delay), None);
        caution.observe(&clock, Discipline::Unsynchronised, None);
        assert_eq!(caution.waits(&clock, delay), Some(Waiting::Unsynchronised));
        caution.observe(&clock, Discipline::Unknown, Some(Step::Forward(delay)));
        up(3_600 + 86_399);
        assert_eq!(caution.waits(&clock, delay), Some(Waiting::Jumped(Duration::from_secs(1))));
        up(3_600 + 86_400);
        assert_eq!(caution.waits(&clock, delay), None);
    }
}
