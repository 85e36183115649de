//! Calls in a time: the generic cell rate algorithm (ITU-T I.371 annex A, as a virtual schedule), exact to the nanosecond.
//!
//! One number says when all that was taken is made up for. It counts nanoseconds times the calls of the rate, so that no
//! division is needed and none is rounded.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So many calls in a time, and so many of them at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls in the time; at least one.
    pub calls: u32,
    /// The time.
    pub per: Duration,
    /// Calls that may come at once when none came for a while; at least one.
    pub burst: u32,
}

impl Rate {
    fn now(&self, now: Duration) -> u128 {
        now.as_nanos().saturating_mul(u128::from(self.calls.max(1)))
    }

    fn cost(&self) -> u128 {
        self.per.as_nanos()
    }

    /// What may be ahead of the time before a call.
    fn tolerance(&self) -> u128 {
        self.cost().saturating_mul(u128::from(self.burst.max(1) - 1))
    }

    fn wait(&self, ahead: u128) -> Duration {
        let nanoseconds = ahead.div_ceil(u128::from(self.calls.max(1)));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

/// `100/min`, as in the configuration.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per.as_secs() {
            1 => write!(f, "{}/s", self.calls),
            60 => write!(f, "{}/min", self.calls),
            3_600 => write!(f, "{}/h", self.calls),
            86_400 => write!(f, "{}/d", self.calls),
            seconds => write!(f, "{} in {seconds} s", self.calls),
        }
    }
}

/// How much of a rate is taken.
#[derive(Debug, Default)]
pub(super) struct Bucket(Mutex<u128>);

impl Bucket {
    /// Takes one call; else how long until there is one.
    pub(super) fn take(&self, rate: &Rate, now: Duration) -> Result<(), Duration> {
        let mut made_up = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = made_up.saturating_sub(rate.now(now)).saturating_sub(rate.tolerance());
        if ahead > 0 {
            return Err(rate.wait(ahead));
        }
        *made_up = (*made_up).max(rate.now(now)).saturating_add(rate.cost());
        Ok(())
    }

    /// Gives back one call that was taken and not made.
    pub(super) fn give_back(&self, rate: &Rate) {
        let mut made_up = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *made_up = made_up.saturating_sub(rate.cost());
    }

    /// How long until there is a call; none when there is one.
    pub(super) fn wait(&self, rate: &Rate, now: Duration) -> Option<Duration> {
        let made_up = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = made_up.saturating_sub(rate.now(now)).saturating_sub(rate.tolerance());
        (ahead > 0).then(|| rate.wait(ahead))
    }

    /// Whether it is as if nothing had ever been taken.
    pub(super) fn is_full(&self, rate: &Rate, now: Duration) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) <= rate.now(now)
    }
}
