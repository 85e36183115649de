//! Clients that hardly read, and a server that never stops talking: does the gateway's memory stay where it is?
//!
//! Half of the clients read nothing: the gateway ends their connections when they have not for its `write_timeout`. The
//! other half read a little every second, for ever.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::gateway::Gateway;
use super::memory::{Memory, megabytes};
use super::parts::{Parts, Reads};

/// Clients of each half.
const CLIENTS: u32 = 16;

/// Memory over time.
#[derive(Debug, Serialize)]
pub(super) struct Slow {
    seconds: f64,
    clients: u32,
    /// What the server said and the gateway recorded, in megabytes.
    recorded_mb: f64,
    resident_mb: Memory,
}

/// Lets clients of `gateway`, whose data is in `data`, hardly read for so many seconds.
pub(super) fn run(parts: &Parts, gateway: &Gateway, data: &Path, seconds: f64) -> Result<Slow> {
    let held = [
        parts.hold(gateway, &gateway.url(), CLIENTS, Reads::None)?,
        parts.hold(gateway, &gateway.url(), CLIENTS, Reads::Slow)?,
    ];
    let resident_mb = Memory::watch(gateway, seconds, || false)?;
    drop(held);
    // Segments of the journal are as large as they are when nothing is in them.
    let recorded_mb = megabytes(size(&data.join("recordings"))?);
    Ok(Slow { seconds, clients: 2 * CLIENTS, recorded_mb, resident_mb })
}

fn size(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

impl Slow {
    /// Whether memory stayed while something was said; what to print.
    pub(super) fn verdict(&self) -> (bool, String) {
        let text = format!(
            "{:.0} s, {} clients that hardly read, events of 64 KiB, {:.0} MB recorded: {}",
            self.seconds,
            self.clients,
            self.recorded_mb,
            self.resident_mb.text()
        );
        (self.recorded_mb >= 1.0 && self.resident_mb.stays(), text)
    }
}
