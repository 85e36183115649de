//! Going from one segment of the journal to the next while several threads write: no more are begun than are needed.

use std::sync::{Condvar, Mutex};
use std::thread;

use vidimus_log::Entry;
use vidimus_log::testing::{Faulty, Operation};

use super::*;

fn filler(offset: u64, bytes: &[u8]) -> Entry<'_> {
    Entry::Payload { session: [2; 16], segment: 0, offset, bytes }
}

#[test]
fn threads_that_wait_for_the_next_segment_share_it() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let allocator = Arc::clone(&gate);
    let storage = Faulty::new(move |operation, path| {
        if operation == Operation::Rename && path.ends_with("00000003.seg.tmp") {
            let (is_open, opened) = &*allocator;
            drop(opened.wait_while(is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
        }
        Ok(())
    });
    let log = Log::open(Arc::new(storage), lazy_options(dir.path()), signer()).unwrap().0;
    let bytes = vec![0xAB; 30 << 10];
    // Four such frames fill a segment: these fill the first two.
    for number in 0..8 {
        log.append(&[filler(number * 40_000, &bytes), Entry::Leaf(b"before")]).unwrap();
    }
    assert_eq!(log.status().journal_bytes / SEGMENT, 1);
    thread::scope(|scope| {
        for number in 8..11 {
            let (log, bytes) = (&log, &bytes);
            scope.spawn(move || log.append(&[filler(number * 40_000, bytes), Entry::Leaf(b"after")]).unwrap());
        }
        // Time for them to begin to wait. One that comes later finds room in the third segment.
        thread::sleep(Duration::from_millis(300));
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
    });
    assert_eq!(log.status().journal_bytes / SEGMENT, 2, "each went on to a segment of its own");
    log.close().unwrap();
}
