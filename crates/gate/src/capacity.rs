//! Room for evidence (NIST SP 800-53 AU-4, AU-5): how much is left, and what passes when it is little.
//!
//! Below `stop` nothing new begins: operations, sessions and log-ons are refused before anything is written, so that what
//! is left serves what runs already: every admitted operation still gets its outcome, every session its end, and streams end at once. What is
//! refused meanwhile is counted, and the event that says that room is back carries the count. A level is left again only
//! when an eighth more than its threshold is free, so that a disk at a threshold makes no stream of events.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Free bytes below which something happens; each at most as large as the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// The operator is told.
    pub warning: u64,
    /// The operator is told as loudly as it goes.
    pub alarm: u64,
    /// Nothing new begins.
    pub stop: u64,
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Enough.
    Ample,
    /// Less than `warning`.
    Warning,
    /// Less than `alarm`.
    Alarm,
    /// Less than `stop`.
    Stop,
}

impl Level {
    const ALL: [Self; 4] = [Self::Ample, Self::Warning, Self::Alarm, Self::Stop];

    /// The word in events and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ample => "ample",
            Self::Warning => "warning",
            Self::Alarm => "alarm",
            Self::Stop => "stop",
        }
    }

    /// 0 to 3, as in metrics.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Ample => 0,
            Self::Warning => 1,
            Self::Alarm => 2,
            Self::Stop => 3,
        }
    }

    fn from_number(number: u8) -> Self {
        Self::ALL.into_iter().find(|level| level.number() == number).unwrap_or(Self::Stop)
    }
}

impl Thresholds {
    /// The level with so much free, after `before`.
    fn level(&self, free: u64, before: Level) -> Level {
        let entered = [(Level::Stop, self.stop), (Level::Alarm, self.alarm), (Level::Warning, self.warning)];
        let held = |level: Level, threshold: u64| {
            let margin = if before >= level { threshold / 8 } else { 0 };
            free < threshold.saturating_add(margin)
        };
        entered.into_iter().find(|(level, threshold)| held(*level, *threshold)).map_or(Level::Ample, |(level, _)| level)
    }
}

/// The level in force.
#[derive(Debug, Default)]
pub(crate) struct Capacity {
    level: AtomicU8,
    /// The level on record.
    told: AtomicU8,
    refused: AtomicU64,
}

impl Capacity {
    pub(crate) fn level(&self) -> Level {
        Level::from_number(self.level.load(Ordering::Relaxed))
    }

    /// Whether there is room for more than what was begun needs.
    pub(crate) fn has_room(&self) -> bool {
        self.level() != Level::Stop
    }

    /// Whether something new may begin; one that may not is counted.
    pub(crate) fn admits(&self) -> bool {
        let admits = self.has_room();
        if !admits {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        admits
    }

    /// Goes to the level that fits; with how many were refused when that is to be recorded.
    pub(crate) fn observe(&self, free: u64, thresholds: &Thresholds) -> (Level, Option<u64>) {
        let level = thresholds.level(free, self.level());
        self.level.store(level.number(), Ordering::Relaxed);
        let is_news = self.told.load(Ordering::Relaxed) != level.number();
        (level, is_news.then(|| self.refused.load(Ordering::Relaxed)))
    }

    /// The level, and that so many were refused, is on record.
    pub(crate) fn is_told(&self, level: Level, refused: u64) {
        self.told.store(level.number(), Ordering::Relaxed);
        self.refused.fetch_sub(refused, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds { warning: 800, alarm: 400, stop: 80 };

    #[test]
    fn each_threshold_has_its_level_and_is_left_with_a_margin() {
        let capacity = Capacity::default();
        for (free, level) in [
            (10_000, Level::Ample),
            (800, Level::Ample),
            (799, Level::Warning),
            (850, Level::Warning),
            (399, Level::Alarm),
            (79, Level::Stop),
            (89, Level::Stop),
            (90, Level::Alarm),
            (449, Level::Alarm),
            (450, Level::Warning),
            (900, Level::Ample),
            (0, Level::Stop),
            (10_000, Level::Ample),
        ] {
            assert_eq!(capacity.observe(free, &THRESHOLDS).0, level, "{free}");
        }
    }

    #[test]
    fn what_is_refused_is_counted() {
        let capacity = Capacity::default();
        assert!(capacity.admits());
        assert_eq!(capacity.observe(1, &THRESHOLDS), (Level::Stop, Some(0)));
        assert!(!capacity.admits() && !capacity.admits());
        assert_eq!(capacity.observe(1, &THRESHOLDS), (Level::Stop, Some(2)), "still not on record");
        capacity.is_told(Level::Stop, 2);
        assert_eq!(capacity.observe(1, &THRESHOLDS), (Level::Stop, None));
        assert!(!capacity.admits());
        assert_eq!(capacity.observe(10_000, &THRESHOLDS), (Level::Ample, Some(1)));
    }
}
