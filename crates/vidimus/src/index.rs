//! `vidimus index rebuild`: the index made again from the log, with progress on standard error.
//!
//! It shows no content, so it needs no decision; it needs the key-encryption key, which opens the log's signing key and,
//! with full-text search, the recordings.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use vidimus_gate::{Gate, Keyring, Options, Rebuild};
use vidimus_log::FileSystem;

use crate::config::Config;
use crate::{key, output};

/// How often it says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);
/// The longest checkpoint that is looked at for the number of entries.
const MAX_CHECKPOINT: usize = 64 << 10;

/// Makes the index again.
pub(crate) fn rebuild(config: &Path, as_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    let gateway = config.gateway;
    let service = key::service(&gateway.key, &gateway.data_dir)?;
    let origin = Gate::origin(&gateway.name);
    let opened = Keyring::open(&FileSystem, &gateway.data_dir, &service, &origin);
    let ring = tokio::runtime::Builder::new_current_thread().build()?.block_on(opened)?;
    let of = size(&gateway.data_dir).map_or_else(String::new, |size| format!(" of {size}"));
    let mut told = Instant::now();
    let rebuild = Rebuild {
        data_dir: gateway.data_dir,
        gateway: gateway.name,
        keys: ring.keys(&service),
        full_text: config.full_text,
        storage: Options::files(),
        progress: Box::new(move |done| {
            if told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                // Nothing is lost when nobody reads it.
                let _ = writeln!(io::stderr(), "indexed {done}{of} entries");
            }
        }),
    };
    let entries = rebuild.run()?;
    if as_json {
        output::json(out, &json!({ "entries": entries }))?;
    } else {
        writeln!(out, "the index holds {entries} entries")?;
    }
    Ok(())
}

/// How many entries the checkpoint covers, for people who wait (C2SP tlog-checkpoint: the second line).
fn size(data_dir: &Path) -> Option<u64> {
    let checkpoint = std::fs::read(data_dir.join("log").join("checkpoint")).ok()?;
    let text = std::str::from_utf8(checkpoint.get(..MAX_CHECKPOINT.min(checkpoint.len()))?).ok()?;
    text.lines().nth(1)?.parse().ok()
}
