//! Appends left to the next sync: they reach the journal in order, before what is appended after them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use vidimus_log::testing::{Disk, Random};
use vidimus_log::{Entry, Log, Storage};

use super::{lazy_options, open_on, signer};

fn is_written(disk: &Disk, dir: &Path, leaf: &[u8]) -> bool {
    let segment = disk.all().remove(&dir.join("journal/00000001.seg")).unwrap();
    segment.windows(leaf.len()).any(|bytes| bytes == leaf)
}

#[test]
fn what_is_left_to_the_sync_is_written_by_it_or_by_the_next_append() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let (log, _) = Log::open(Arc::clone(&disk) as Arc<dyn Storage>, lazy_options(dir.path()), signer()).unwrap();
    let first = log.append_to_sync(&[Entry::Leaf(b"the first")]).unwrap();
    log.durable(first.position).wait().unwrap();
    assert!(is_written(&disk, dir.path(), b"the first"));

    // While a sync runs, the next one cannot begin.
    disk.set_faults(|faults| faults.sync_time = Duration::from_millis(500));
    log.append_to_sync(&[Entry::Leaf(b"the second")]).unwrap();
    super::eventually("the sync that takes long", || is_written(&disk, dir.path(), b"the second"));
    let third = log.append_to_sync(&[Entry::Leaf(b"the third")]).unwrap();
    assert!(!is_written(&disk, dir.path(), b"the third"));
    let fourth = log.append(&[Entry::Leaf(b"the fourth")]).unwrap();
    assert!(is_written(&disk, dir.path(), b"the third") && is_written(&disk, dir.path(), b"the fourth"));
    assert_eq!((third.first_leaf, fourth.first_leaf), (2, 3));

    // The end of the process alone loses nothing now, and the next one finds all in order.
    disk.set_faults(|faults| faults.sync_time = Duration::ZERO);
    log.append_to_sync(&[Entry::Leaf(b"the fifth")]).unwrap();
    log.close().unwrap();
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    let leaves: Vec<_> = (0..5).map(|index| log.leaf(index).unwrap()).collect();
    assert_eq!(leaves, [&b"the first"[..], b"the second", b"the third", b"the fourth", b"the fifth"]);
}

#[test]
fn all_who_wait_are_woken_whatever_they_append() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    disk.set_faults(|faults| faults.sync_time = Duration::from_micros(200));
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    let log = &log;
    std::thread::scope(|scope| {
        for thread in 1..=24 {
            scope.spawn(move || {
                let mut random = Random(thread);
                for _ in 0..100 {
                    // Also frames that are more than what is left to a sync, and than what a segment has left.
                    let leaf = vec![b'x'; usize::try_from(random.below(60_000) / (1 + random.below(500))).unwrap()];
                    let entries = [Entry::Leaf(&leaf)];
                    let appended =
                        if random.below(4) == 0 { log.append(&entries) } else { log.append_to_sync(&entries) };
                    let Ok(appended) = appended else { continue };
                    log.durable(appended.position).wait().unwrap();
                    assert!(log.status().durable > appended.first_leaf);
                }
            });
        }
    });
    assert!(log.status().appended > 1_000);
    log.close().unwrap();
}
