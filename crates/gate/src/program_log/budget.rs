//! How much of what a program says is kept: in a minute, and in all.
//!
//! Everything counts with what it costs besides its text, so that empty lines are bounded too. Where a line has no room in
//! a minute, none after it has.

use std::time::Duration;

use tokio::time::Instant;

/// The time that [`BYTES_IN_A_MINUTE`] counts for.
const MINUTE: Duration = Duration::from_mins(1);

/// Bytes of one program that are kept in a minute.
const BYTES_IN_A_MINUTE: usize = 256 << 10;

/// Bytes of one program that are kept in all.
const BYTES_IN_ALL: usize = 4 << 20;

/// What an event counts for besides its lines.
const EVENT_BYTES: usize = 1 << 10;

/// What a line counts for besides its text: in the gateway's own log it stands behind a time, a target and a session.
const LINE_BYTES: usize = 128;

/// What may still be kept of one program.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    minute_began: Instant,
    left_in_minute: usize,
}

impl Budget {
    pub(super) const fn new(now: Instant) -> Self {
        Self { left: BYTES_IN_ALL, minute_began: now, left_in_minute: BYTES_IN_A_MINUTE }
    }

    /// Takes what a line of so many bytes needs, if that is left. The first line of an event needs the event too.
    pub(super) fn take(&mut self, now: Instant, bytes: usize, is_first: bool) -> bool {
        if now.duration_since(self.minute_began) >= MINUTE {
            (self.minute_began, self.left_in_minute) = (now, BYTES_IN_A_MINUTE);
        }
        let needed = bytes.saturating_add(LINE_BYTES).saturating_add(if is_first { EVENT_BYTES } else { 0 });
        if needed > self.left.min(self.left_in_minute) {
            // A shorter line must not stand behind a gap that no event tells of.
            self.left_in_minute = 0;
            return false;
        }
        self.left -= needed;
        self.left_in_minute -= needed;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_writes_without_end_is_kept_up_to_the_bounds() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let in_a_minute = |budget: &mut Budget, at| (0..10_000).filter(|_| budget.take(at, 1_000, false)).count();
        let first = in_a_minute(&mut budget, start);
        assert!((1..=BYTES_IN_A_MINUTE / 1_000).contains(&first), "{first}");
        assert!(!budget.take(start, 0, false), "what comes after a gap is behind it");
        let all: usize = (1..1_000).map(|minute| in_a_minute(&mut budget, start + MINUTE * minute)).sum();
        assert!((all + first) * 1_000 <= BYTES_IN_ALL, "{all}");
        assert!(all > 10 * first, "{all}");
    }

    #[test]
    fn empty_lines_and_their_events_are_bounded_too() {
        let start = Instant::now();
        let seconds = |first| {
            let mut budget = Budget::new(start);
            (0..1_000_000_u32).filter(|second| budget.take(start + Duration::from_secs(1) * *second, 0, first)).count()
        };
        assert!(seconds(true) <= BYTES_IN_ALL / EVENT_BYTES && seconds(false) <= BYTES_IN_ALL / LINE_BYTES);
    }
}
