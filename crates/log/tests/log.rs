//! The log as its users hold it, on the real file system.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use vidimus_log::{Entry, FileSystem, Log, Options, Recovered, Signer};

fn open(dir: &std::path::Path) -> (Log, Recovered) {
    let mut options = Options::new(dir, "example.com/log");
    options.segment_bytes = 128 << 10;
    options.max_journal_bytes = 4 << 20;
    options.checkpoint_interval = Duration::from_millis(50);
    Log::open(Arc::new(FileSystem), options, Signer::from_seed("example.com/log", &[7; 32]).unwrap()).unwrap()
}

#[test]
fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let (log, recovered) = open(dir.path());
    assert_eq!(recovered, Recovered::default());
    for round in 0..3000_u64 {
        let leaf = format!("{{\"n\":{round}}}");
        let payload = round.to_be_bytes();
        let entries = [
            Entry::Leaf(leaf.as_bytes()),
            Entry::Payload { session: [9; 16], segment: 0, offset: round * 8, bytes: &payload },
        ];
        let appended = log.append(&entries).unwrap();
        assert_eq!(appended.first_leaf, round);
        if round % 100 == 0 {
            log.durable(appended.position).wait().unwrap();
        }
    }
    let started = Instant::now();
    while log.status().integrated < 3000 {
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", log.status());
        std::thread::sleep(Duration::from_millis(5));
    }
    for index in [0, 255, 256, 2999] {
        let leaf = log.leaf(index).unwrap();
        assert_eq!(leaf, format!("{{\"n\":{index}}}").into_bytes());
        let keys = [Signer::from_seed("example.com/log", &[7; 32]).unwrap().verifier().clone()];
        assert_eq!(log.prove(index).unwrap().verify(&leaf, &keys).unwrap().size, 3000);
    }
    log.close().unwrap();
    drop(log);
    let recording = dir.path().join("recordings/09090909-0909-0909-0909-090909090909/00000000.seg");
    let bytes = std::fs::read(recording).unwrap();
    assert_eq!(bytes.len(), 24000);
    assert_eq!(bytes[8 * 77..8 * 78], 77_u64.to_be_bytes());
    let (log, recovered) = open(dir.path());
    assert_eq!(recovered, Recovered::default());
    assert_eq!(log.status().appended, 3000);
    log.append(&[Entry::Leaf(b"more")]).unwrap();
    drop(log);
    assert_eq!(open(dir.path()).0.status().integrated, 3001);
}
