//! Agreement with Go's `sumdb/tlog` and `sumdb/note`, which know nothing of this code, on a log as it lies on disk.
//!
//! Where no Go tool chain is installed there is nothing to agree with: the test says so and checks nothing.
//! `cargo xtask test` installs one where it may.
#![expect(clippy::print_stderr, reason = "what the verifier said, or why there is none")]

mod tool_chain;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use vidimus_log::{Checkpoint, Entry, FileSystem, Hash, Log, Options, Signer};

use self::tool_chain::Verifier;
use super::{ORIGIN, eventually, key, options, signer};

/// One after another; 65,536 entries fill the second level of tiles.
const SIZES: [u64; 6] = [1, 256, 257, 4_000, 65_536, 66_000];

fn leaf(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// Writes a log of [`SIZES`] and returns its checkpoints' files, the last one excepted.
fn grow(dir: &Path) -> Vec<PathBuf> {
    let options =
        Options { max_journal_bytes: 64 << 20, checkpoint_interval: Duration::from_millis(1), ..options(dir) };
    let (log, _) = Log::open(Arc::new(FileSystem), options, signer()).unwrap();
    let mut earlier = Vec::new();
    let mut next = 0;
    for size in SIZES {
        let leaves: Vec<Vec<u8>> = (next..size).map(leaf).collect();
        for batch in leaves.chunks(500) {
            let entries: Vec<_> = batch.iter().map(|leaf| Entry::Leaf(leaf)).collect();
            log.append(&entries).unwrap();
        }
        next = size;
        eventually("integration", || log.status().integrated == size);
        earlier.push(dir.join(format!("checkpoint-{size}")));
        fs::write(earlier.last().unwrap(), &*log.checkpoint()).unwrap();
    }
    log.close().unwrap();
    earlier.pop();
    earlier
}

#[test]
fn go_verifies_every_entry_and_all_growth_and_refuses_what_was_changed() {
    let verifier = match Verifier::build() {
        Ok(verifier) => verifier,
        Err(why) => return eprintln!("SKIPPED, Go's sumdb/tlog has verified nothing: {why}"),
    };
    let dir = tempfile::tempdir().unwrap();
    let earlier = grow(dir.path());
    let earlier: Vec<&Path> = earlier.iter().map(PathBuf::as_path).collect();
    let (log, key) = (dir.path().join("log"), key().to_string());
    let said = verifier.verify(&log, &key, &earlier).unwrap();
    eprintln!("{said}");
    for expected in [
        "checkpoint: 66000 entries",
        "signed by example.com/log",
        "66000 of 66000 entries proven",
        "from 986 sizes",
        "from 5 earlier",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }

    let refused = |file: &Path, change: &dyn Fn(&mut Vec<u8>), by: &str| {
        let good = fs::read(file).unwrap();
        let mut bad = good.clone();
        change(&mut bad);
        fs::write(file, bad).unwrap();
        let error = verifier.verify(&log, &key, &earlier).unwrap_err();
        fs::write(file, good).unwrap();
        assert!(error.contains(by), "{}: {error}", file.display());
        eprintln!("{} changed: {error}", file.strip_prefix(dir.path()).unwrap().display());
    };
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    refused(&log.join("tile/entries/007"), &flip, "entry 2047");
    refused(&log.join("tile/entries/007"), &|bytes| bytes.truncate(bytes.len() - 1), "ends before entry 2047");
    refused(&log.join("tile/0/009"), &flip, "entry 2304");
    // Which proof meets the wrong hash first is the verifier's affair.
    refused(&log.join("tile/1/000"), &flip, "");
    refused(&log.join("checkpoint"), &|bytes| bytes[ORIGIN.len() + 1] ^= 1, "signature");
    // A checkpoint that the same key has signed over another history.
    refused(
        earlier[3],
        &|bytes| {
            let forked = Checkpoint { origin: ORIGIN.into(), size: 4_000, root: Hash::of_leaf(b"fork") };
            *bytes = signer().sign(&forked.to_string()).unwrap().into_bytes();
        },
        "from 4000 to 66000",
    );
    let stranger = Signer::from_seed(ORIGIN, &[9; 32]).unwrap().verifier().to_string();
    assert!(verifier.verify(&log, &stranger, &[]).unwrap_err().contains("the checkpoint"));
}
