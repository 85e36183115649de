//! How much of a target's changing definitions is recorded within an hour: a server that changes them without end, by fault
//! or on purpose, must not fill the log.

use std::time::Duration;

/// How long what was recorded counts.
const HOUR: Duration = Duration::from_hours(1);

/// Steps of one tool within it.
const STEPS_OF_TOOL: u32 = 8;

/// Steps of all tools of a target within it, but for first sights, of which there is one each.
const STEPS_OF_TARGET: u32 = 1_000;

/// Bytes of definitions of a target within it.
const BYTES_OF_TARGET: usize = 32 << 20;

/// What was recorded since a window of time began.
#[derive(Debug, Default)]
pub(super) struct Window {
    began: Option<Duration>,
    steps: u32,
    bytes: usize,
}

impl Window {
    /// Whether one more step of a tool is recorded; then it counts.
    pub(super) fn takes_step_of_tool(&mut self, now: Duration) -> bool {
        self.takes((1, STEPS_OF_TOOL), 0, now)
    }

    /// Whether one more step of a target's tools is recorded, with a definition of so many bytes.
    pub(super) fn takes_step_of_target(&mut self, bytes: usize, now: Duration) -> bool {
        self.takes((1, STEPS_OF_TARGET), bytes, now)
    }

    /// Whether a definition of a new tool is recorded.
    pub(super) fn takes_bytes(&mut self, bytes: usize, now: Duration) -> bool {
        self.takes((0, STEPS_OF_TARGET), bytes, now)
    }

    fn takes(&mut self, (steps, most): (u32, u32), bytes: usize, now: Duration) -> bool {
        if self.began.is_none_or(|began| now.saturating_sub(began) >= HOUR) {
            *self = Self { began: Some(now), steps: 0, bytes: 0 };
        }
        let (steps, bytes) = (self.steps.saturating_add(steps), self.bytes.saturating_add(bytes));
        let is_taken = steps <= most && bytes <= BYTES_OF_TARGET;
        if is_taken {
            (self.steps, self.bytes) = (steps, bytes);
        }
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_hour_takes_is_bounded_and_the_next_hour_takes_it_again() {
        let began = Duration::from_secs(7);
        let mut window = Window::default();
        assert!((0..STEPS_OF_TOOL).all(|_| window.takes_step_of_tool(began)));
        assert!(!window.takes_step_of_tool(began + HOUR / 2));
        assert!(window.takes_step_of_tool(began + HOUR));
        let mut window = Window::default();
        assert!(window.takes_bytes(BYTES_OF_TARGET - 1, began) && window.takes_step_of_target(1, began));
        assert!(!window.takes_step_of_target(1, began) && window.takes_step_of_target(0, began));
        assert!(window.takes_bytes(1, began + HOUR));
    }
}
