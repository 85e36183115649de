//! The gateway's memory over time: does it stay where it is?
//!
//! The first fifth is warm-up, in which caches and buffers fill.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::gateway::Gateway;

/// How often memory is read in a run.
const SAMPLES: u32 = 60;
/// Memory at the end is at most this much above that after the warm-up.
const GROWTH: f64 = 1.1;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Resident megabytes, at even distances.
#[derive(Debug, Serialize)]
pub(super) struct Memory(Vec<f64>);

impl Memory {
    #[cfg(test)]
    pub(super) fn of(resident: Vec<f64>) -> Self {
        Self(resident)
    }

    /// Reads it for so many seconds, or until `is_over` before that.
    pub(super) fn watch(gateway: &Gateway, seconds: f64, is_over: impl Fn() -> bool) -> Result<Self> {
        let mut resident = Vec::new();
        let (begin, length) = (Instant::now(), Duration::from_secs_f64(seconds));
        let pause = length / SAMPLES;
        while !is_over() && begin.elapsed() < length {
            // Short sleeps, so that what has failed is not waited for.
            thread::sleep(pause.min(Duration::from_secs(1)));
            if begin.elapsed() >= pause * u32::try_from(resident.len() + 1)? {
                resident.push(megabytes(gateway.resident()?));
            }
        }
        Ok(Self(resident))
    }

    /// Whether it stayed.
    pub(super) fn stays(&self) -> bool {
        self.last() <= self.warmed() * GROWTH
    }

    /// What to print.
    pub(super) fn text(&self) -> String {
        let highest = self.0.iter().copied().fold(f64::NAN, f64::max);
        let (warmed, last) = (self.warmed(), self.last());
        format!("resident {warmed:.1} MB after a fifth, {last:.1} MB at the end, {highest:.1} MB at most")
    }

    fn warmed(&self) -> f64 {
        self.0.get(self.0.len() / 5).copied().unwrap_or(f64::NAN)
    }

    fn last(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }
}

/// Bytes as megabytes.
#[expect(clippy::cast_precision_loss, reason = "memory stays far below 2^52 bytes")]
pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / MEBIBYTE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stays(resident: &[f64]) -> bool {
        Memory(resident.to_vec()).stays()
    }

    #[test]
    fn memory_may_grow_while_it_warms_up_and_then_no_more() {
        assert!(stays(&[10.0, 40.0, 41.0, 40.0, 42.0]));
        assert!(!stays(&[10.0, 40.0, 41.0, 43.0, 45.0]));
        assert!(!stays(&[]));
    }
}
