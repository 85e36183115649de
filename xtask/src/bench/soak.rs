//! One long run: does the gateway's memory stay where it is?
//!
//! The load runs in a thread while memory is read.

use std::thread;

use anyhow::{Context, Result, anyhow};
use serde::Serialize;

use super::gateway::Gateway;
use super::memory::Memory;
use super::parts::Parts;
use super::{Case, Shape};

/// What runs: a middling number of sessions, small payloads.
const CASE: Case = Case { shape: Shape::Json, sessions: 16, payload: 1024 };

/// Memory over time.
#[derive(Debug, Serialize)]
pub(super) struct Soak {
    seconds: f64,
    calls_per_second: f64,
    resident_mb: Memory,
}

/// Runs the load against `gateway` for so many seconds.
pub(super) fn run(parts: &Parts, gateway: &Gateway, seconds: f64) -> Result<Soak> {
    let (load, resident_mb) = thread::scope(|scope| {
        let load = scope.spawn(|| parts.load(&gateway.url(), CASE, seconds));
        let resident_mb = Memory::watch(gateway, seconds, || load.is_finished());
        (load.join().map_err(|_| anyhow!("the load's thread panicked")), resident_mb)
    });
    let load = load?.with_context(|| format!("the gateway said: {}", gateway.log()))?;
    Ok(Soak { seconds: load.seconds, calls_per_second: load.calls / load.seconds, resident_mb: resident_mb? })
}

impl Soak {
    /// Whether memory stayed; what to print.
    pub(super) fn verdict(&self) -> (bool, String) {
        let text = format!(
            "{:.0} s, {} sessions, 1 KiB, async, {:.0} calls/s: {}",
            self.seconds,
            CASE.sessions,
            self.calls_per_second,
            self.resident_mb.text()
        );
        (self.resident_mb.stays(), text)
    }
}
