//! One long run: does the gateway's memory stay where it is?
//!
//! The load runs in a thread while memory is read; the first fifth is warm-up, in which caches and buffers fill.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;

use super::gateway::Gateway;
use super::parts::Parts;
use super::{Case, Shape};

/// What runs: a middling number of sessions, small payloads.
const CASE: Case = Case { shape: Shape::Json, sessions: 16, payload: 1024 };
/// How often memory is read in a run.
const SAMPLES: u32 = 60;
/// Memory at the end is at most this much above that after the warm-up.
const GROWTH: f64 = 1.1;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Memory over time.
#[derive(Debug, Serialize)]
pub(super) struct Soak {
    seconds: f64,
    calls_per_second: f64,
    /// Resident megabytes, at even distances.
    resident_mb: Vec<f64>,
}

/// Runs the load against `gateway` for so many seconds.
pub(super) fn run(parts: &Parts, gateway: &Gateway, seconds: f64) -> Result<Soak> {
    let mut resident_mb = Vec::new();
    let load = thread::scope(|scope| {
        let load = scope.spawn(|| parts.load(&gateway.url(), CASE, seconds));
        let (begin, pause) = (Instant::now(), Duration::from_secs_f64(seconds) / SAMPLES);
        while !load.is_finished() {
            // Short sleeps, so that a failed load is not waited for.
            thread::sleep(pause.min(Duration::from_secs(1)));
            let due = pause * u32::try_from(resident_mb.len() + 1)?;
            if begin.elapsed() >= due {
                #[expect(clippy::cast_precision_loss, reason = "memory stays far below 2^52 bytes")]
                resident_mb.push(gateway.resident()? as f64 / MEBIBYTE);
            }
        }
        load.join().map_err(|_| anyhow!("the load's thread panicked"))?
    });
    let load = load.with_context(|| format!("the gateway said: {}", gateway.log()))?;
    Ok(Soak { seconds: load.seconds, calls_per_second: load.calls / load.seconds, resident_mb })
}

impl Soak {
    /// Whether memory stayed; what to print.
    pub(super) fn verdict(&self) -> (bool, String) {
        let warm = self.resident_mb.len() / 5;
        let after = |skip: usize| self.resident_mb.iter().skip(skip).copied().next().unwrap_or(f64::NAN);
        let (warmed, last) = (after(warm), self.resident_mb.last().copied().unwrap_or(f64::NAN));
        let highest = self.resident_mb.iter().copied().fold(f64::NAN, f64::max);
        let text = format!(
            "{:.0} s, {} sessions, 1 KiB, async, {:.0} calls/s: resident {warmed:.1} MB after a fifth, {last:.1} MB at the \
             end, {highest:.1} MB at most",
            self.seconds, CASE.sessions, self.calls_per_second
        );
        (last <= warmed * GROWTH, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(resident_mb: &[f64]) -> bool {
        Soak { seconds: 10.0, calls_per_second: 1.0, resident_mb: resident_mb.to_vec() }.verdict().0
    }

    #[test]
    fn memory_may_grow_while_it_warms_up_and_then_no_more() {
        assert!(verdict(&[10.0, 40.0, 41.0, 40.0, 42.0]));
        assert!(!verdict(&[10.0, 40.0, 41.0, 43.0, 45.0]));
        assert!(!verdict(&[]));
    }
}
