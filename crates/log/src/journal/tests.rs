//! Many threads that go from segment to segment at once: each segment begun holds a frame, or recovery ends there.

use std::sync::Arc;
use std::thread;

use super::*;
use crate::testing::Disk;

/// Tiny ones are made at once, so that several follow each other while one thread does not run.
const SEGMENT_BYTES: u64 = 256;
/// How many are gone through.
const SEGMENTS: u64 = 2_000;

#[test]
fn every_segment_begun_holds_a_frame() {
    let (disk, dir) = (Arc::new(Disk::default()), PathBuf::from("/journal"));
    disk.create_dir(&dir).unwrap();
    let bounds = Bounds { segment_bytes: SEGMENT_BYTES, max_segments: 2 * SEGMENTS };
    let start =
        Start { tail: State::GENESIS, first_segment: State::GENESIS.segment, has_next: false, free: Vec::new() };
    let storage = Arc::clone(&disk) as Arc<dyn Storage>;
    let key = JournalKey::new(&[7; 32]);
    let journal = Journal::new(storage, dir.clone(), bounds, key, Arc::new(Progress::new(0, 0)), start).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| journal.run_allocator());
        let leaving: Vec<_> = (0..4).map(|_| scope.spawn(|| journal.leave_segments_before(SEGMENTS))).collect();
        let mut appended = Ok(());
        while appended.is_ok() && leaving.iter().any(|leaving| !leaving.is_finished()) {
            appended = journal.append(&[Entry::Leaf(&[0xAB; 130])], Write::Now).map(drop);
        }
        journal.close();
        appended.unwrap();
        for leaving in leaving {
            leaving.join().unwrap().unwrap();
        }
    });
    let files = disk.all();
    let begun = State::GENESIS.segment..=journal.tail().0.segment;
    let is_empty = |segment: &u64| files[&segment_path(&dir, *segment)].iter().all(|byte| *byte == 0);
    assert_eq!(begun.filter(is_empty).collect::<Vec<_>>(), [0; 0]);
}
