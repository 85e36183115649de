//! What the gate records of its surroundings: the machine's clock and the room for evidence.
//!
//! Whoever watches them calls here; nothing here reads a clock or a disk. What cannot be recorded is the caller's to say
//! again.

use vidimus_core::event::Body;
use vidimus_core::{Discipline, Step};

use crate::capacity::{Level, Thresholds};
use crate::evidence::EvidenceError;
use crate::gate::Gate;

impl Gate {
    /// Records how far the clock is to be believed, whether it jumped, and for how long the gateway has run, which retention
    /// counts: to be called each hour at least.
    pub fn clock_status(&self, clock: Discipline, step: Option<Step>) -> Result<(), EvidenceError> {
        let shared = self.shared();
        let body = Body::ClockStatus { clock, step, up: shared.up() };
        shared.control.append(&shared.evidence, body).map(drop)
    }

    /// Takes note of how many bytes are free, and records a change of level. The level holds whether it can be recorded
    /// or not; what could not be recorded is with the next call.
    pub fn observe_space(&self, free: u64, thresholds: &Thresholds) -> Result<Level, EvidenceError> {
        let shared = self.shared();
        let (level, news) = shared.capacity.observe(free, thresholds);
        shared.metrics.space(free, level);
        if level == Level::Stop {
            // What comes on them would go on being recorded.
            shared.tasks.end_streams();
        }
        if let Some(refused) = news {
            shared.control.append(&shared.evidence, Body::LogCapacity { level: level.name(), free, refused })?;
            shared.capacity.is_told(level, refused);
        }
        Ok(level)
    }

    /// How much room there is for evidence, as far as [`Self::observe_space`] was told.
    pub fn capacity(&self) -> Level {
        self.shared().capacity.level()
    }
}
