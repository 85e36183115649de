//! What calls leave on disk: a gateway under load, stopped, and then the bytes of every place of its data directory.
//!
//! The journal is counted apart: at the stop everything is integrated, and what is left are files to be used again. The
//! events are the gateway's own, of calls that a client made, read from the log's bundles (C2SP tlog-tiles, "Log Entries").

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::parts::Load;

/// What an operation's event may take on disk, at the 99th percentile (design part 3, "Event").
const MAX_EVENT_BYTES: u64 = 700;
/// An event's hash in the lowest tile; those above add 32 / 255 bytes, which is counted as one.
const HASH_BYTES: u64 = 33;
/// Names the events of operations.
const OPERATION: &str = "\"type\":\"operation.";
/// Bytes of a length in a bundle.
const LENGTH: usize = 2;

/// What so many calls left.
#[derive(Debug, Serialize)]
pub(super) struct Left {
    calls: f64,
    /// Those in full bundles.
    events: u64,
    /// An operation's event with its length and its hashes, in bytes.
    event_p50: u64,
    event_p99: u64,
    event_max: u64,
    bytes_per_call: PerCall,
    gb_per_million_calls: f64,
}

/// Bytes of each place, for one call.
#[derive(Debug, Serialize)]
struct PerCall {
    bundles: f64,
    tiles: f64,
    recordings: f64,
    index: f64,
    all: f64,
}

/// Counts what is below the data directory of a gateway that has stopped.
pub(super) fn count(data: &Path, load: &Load) -> Result<Left> {
    let tiles = data.join("log/tile");
    let entries = tiles.join("entries");
    let (mut events, mut sizes) = (0, Vec::new());
    each_file(&entries, &mut |path| {
        // Partial bundles (`000.p/17`) repeat one another, and the last one holds 255 events at most.
        if path.parent().is_some_and(|dir| dir.extension().is_some()) {
            return Ok(());
        }
        let bundle = fs::read(path)?;
        let mut rest = bundle.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<LENGTH>() {
            let size = usize::from(u16::from_be_bytes(*length));
            let (event, after) = after.split_at_checked(size).context("a bundle ends within an event")?;
            events += 1;
            if String::from_utf8_lossy(event).contains(OPERATION) {
                sizes.push(u64::try_from(LENGTH + size)? + HASH_BYTES);
            }
            rest = after;
        }
        Ok(())
    })?;
    sizes.sort_unstable();
    let at = |percent: usize| sizes.get((sizes.len() * percent / 100).min(sizes.len().saturating_sub(1))).copied();
    let (Some(event_p50), Some(event_p99), Some(event_max)) = (at(50), at(99), at(100)) else {
        bail!("no operation is in the log");
    };
    let bundles = size(&entries)?;
    let tiles = size(&tiles)? - bundles;
    let (recordings, index) = (size(&data.join("recordings"))?, size(&data.join("index.db"))?);
    let per_call = |bytes: u64| f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) * 1024.0 / load.all_calls;
    let all = per_call(bundles + tiles + recordings + index);
    Ok(Left {
        calls: load.all_calls,
        events,
        event_p50,
        event_p99,
        event_max,
        bytes_per_call: PerCall {
            bundles: per_call(bundles),
            tiles: per_call(tiles),
            recordings: per_call(recordings),
            index: per_call(index),
            all,
        },
        gb_per_million_calls: all / 1000.0,
    })
}

impl Left {
    /// Whether events are as small as they must be; what to print.
    pub(super) fn verdict(&self) -> (bool, String) {
        let PerCall { bundles, tiles, recordings, index, all } = self.bytes_per_call;
        let text = format!(
            "{} calls, {} events: an operation's event takes {} bytes at p50, {} at p99, {} at most (may be \
             {MAX_EVENT_BYTES} at p99); a call {all:.0}: bundles {bundles:.0}, tiles {tiles:.0}, recordings \
             {recordings:.0}, index {index:.0}; {:.2} GB for a million calls",
            self.calls, self.events, self.event_p50, self.event_p99, self.event_max, self.gb_per_million_calls
        );
        (self.event_p99 <= MAX_EVENT_BYTES, text)
    }
}

fn each_file(path: &Path, take: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            each_file(&entry?.path(), take)?;
        }
        return Ok(());
    }
    take(path)
}

fn size(path: &Path) -> Result<u64> {
    let mut bytes = 0;
    each_file(path, &mut |file| {
        bytes += fs::metadata(file)?.len();
        Ok(())
    })?;
    Ok(bytes)
}
