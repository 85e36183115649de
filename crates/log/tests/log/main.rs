//! The log as its users hold it: on the real file system, on one that fails, and against independent oracles.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod basics;
mod crash;
mod ct;
mod destroy;
mod faults;
mod go;
mod grouped;
mod keys;
mod oracle;
mod power;
mod proofs;
mod recovery;
mod segments;
mod vectors;
mod verify;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vidimus_log::testing::Disk;
use vidimus_log::{FileSystem, JournalKey, Log, OpenError, Options, Recovered, Signer, Storage, VerifierKey};

const ORIGIN: &str = "example.com/log";
const SEGMENT: u64 = 128 << 10;

fn signer() -> Signer {
    Signer::from_seed(ORIGIN, &[7; 32]).unwrap()
}

fn journal_key() -> JournalKey {
    JournalKey::new(&[7; 32])
}

fn key() -> VerifierKey {
    signer().verifier().clone()
}

fn options(dir: &Path) -> Options {
    Options {
        segment_bytes: SEGMENT,
        max_journal_bytes: 4 << 20,
        checkpoint_interval: Duration::from_millis(50),
        sync_interval: Duration::from_millis(20),
        ..Options::new(dir, ORIGIN, journal_key())
    }
}

/// Options under which nothing is integrated or synced unless asked for.
fn lazy_options(dir: &Path) -> Options {
    let never = Duration::from_hours(1);
    Options { checkpoint_interval: never, sync_interval: never, ..options(dir) }
}

fn try_open(dir: &Path) -> Result<(Log, Recovered), OpenError> {
    Log::open(Arc::new(FileSystem), options(dir), signer())
}

fn open(dir: &Path) -> (Log, Recovered) {
    try_open(dir).unwrap()
}

fn open_on(storage: &Arc<Disk>, dir: &Path) -> Result<(Log, Recovered), OpenError> {
    Log::open(Arc::clone(storage) as Arc<dyn Storage>, options(dir), signer())
}

/// Waits until the condition holds; ten seconds are far more than it needs.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(10), "waited for: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
