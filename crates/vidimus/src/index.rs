//! `vidimus index rebuild`: the index made again from the log, with progress on standard error.
//!
//! It shows no content, so it needs no decision; it needs the key-encryption key, which opens the log's signing key and,
//! with full-text search, the recordings.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use vidimus_gate::{Gate, Keyring, OldIndex, Options, Rebuild, Rebuilt};
use vidimus_log::FileSystem;
use vidimus_store::Difference;

use crate::config::Config;
use crate::{key, output};

/// How often it says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);
/// The longest checkpoint that is looked at for the number of entries.
const MAX_CHECKPOINT: usize = 64 << 10;

/// Makes the index again.
pub(crate) fn rebuild(config: &Path, resume: bool, as_json: bool, out: &mut impl Write) -> anyhow::Result<()> {
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
        resume,
        storage: Options::files(),
        progress: Box::new(move |done| {
            if told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                // Nothing is lost when nobody reads it.
                let _ = writeln!(io::stderr(), "indexed {done}{of} entries");
            }
        }),
    };
    let Rebuilt { entries, old } = rebuild.run_and_compare()?;
    let old = found(&old);
    if as_json {
        output::json(out, &json!({ "entries": entries, "old_index": old }))?;
    } else {
        writeln!(out, "the index holds {entries} entries")?;
        for line in old {
            writeln!(out, "{}", output::printable(&line))?;
        }
    }
    Ok(())
}

/// What is to be said of the index that was there: nothing where it was what the log says, or there was none.
fn found(old: &OldIndex) -> Vec<String> {
    match old {
        OldIndex::Absent | OldIndex::Same => Vec::new(),
        OldIndex::Behind => vec!["the old index held another number of entries, so they were not compared".to_owned()],
        OldIndex::NotCompared => {
            vec!["gone on with what was there, so the old index was not compared with the log".to_owned()]
        }
        OldIndex::Unreadable(why) => vec![format!("the old index could not be read: {why}")],
        OldIndex::Differs(tables) => {
            let said = |Difference { table, foreign, missing }: &Difference| {
                format!(
                    "the old index was not what the log says: in the table {table}, {foreign} rows were others, and \
                     {missing} of the log's were missing"
                )
            };
            tables.iter().map(said).collect()
        }
    }
}

/// How many entries the checkpoint covers, for people who wait (C2SP tlog-checkpoint: the second line).
fn size(data_dir: &Path) -> Option<u64> {
    let checkpoint = std::fs::read(data_dir.join("log").join("checkpoint")).ok()?;
    let text = std::str::from_utf8(checkpoint.get(..MAX_CHECKPOINT.min(checkpoint.len()))?).ok()?;
    text.lines().nth(1)?.parse().ok()
}
