//! Power cuts at random moments: what was acknowledged as durable is there, and what is there is a prefix.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vidimus_log::testing::{Crashes, Disk, Random};
use vidimus_log::{Entry, Log};

use super::{key, open_on};

fn leaf(thread: u64, count: u64) -> Vec<u8> {
    let mut leaf = format!("{thread} {count} ").into_bytes();
    leaf.resize(30 + usize::try_from((thread * 7 + count * 131) % 900).unwrap(), b'.');
    leaf
}

/// Appends until told to stop; returns what was acknowledged as durable: index and leaf.
fn append(log: &Log, thread: u64, stop: &AtomicBool) -> Vec<(u64, Vec<u8>)> {
    let mut acknowledged = Vec::new();
    for count in 0.. {
        let leaf = leaf(thread, count);
        let bytes = count.to_be_bytes();
        let session = [u8::try_from(thread).unwrap(); 16];
        let payload = Entry::Payload { session, segment: 0, offset: count * 8, bytes: &bytes };
        let entries = [Entry::Leaf(&leaf), payload];
        // Every fourth is asynchronous; of the others, half are left to the sync.
        let appended = if count % 4 < 2 { log.append_to_sync(&entries) } else { log.append(&entries) };
        let Ok(appended) = appended else { break };
        if count % 4 != 3 && log.durable(appended.position).wait().is_ok() && !stop.load(Ordering::SeqCst) {
            acknowledged.push((appended.first_leaf, leaf));
        }
        if stop.load(Ordering::SeqCst) {
            break;
        }
    }
    acknowledged
}

#[test]
fn what_was_acknowledged_as_durable_survives_any_power_cut() {
    let mut dropped = 0;
    for seed in 1..=24_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let dir = tempfile::tempdir().unwrap();
        let mut disk = Arc::new(Disk::default());
        let mut known: Vec<(u64, Vec<u8>)> = Vec::new();
        for round in 0..4 {
            disk.set_faults(|faults| faults.sync_time = Duration::from_micros(500));
            let (log, recovered) = open_on(&disk, dir.path()).unwrap_or_else(|error| unreachable!("{seed} {error}"));
            dropped += recovered.dropped_frames;
            for (index, leaf) in &known {
                assert_eq!(log.leaf(*index).unwrap(), *leaf, "seed {seed}, round {round}, entry {index}");
                log.prove(*index).unwrap().verify(leaf, &[key()]).unwrap();
            }
            let size = log.status().appended;
            let stop = AtomicBool::new(false);
            let (after, acknowledged) = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..3)
                    .map(|thread| {
                        scope.spawn({
                            let (log, stop) = (&log, &stop);
                            move || append(log, thread, stop)
                        })
                    })
                    .collect();
                std::thread::sleep(Duration::from_millis(5 + random.below(60)));
                // Whoever is acknowledged after this line may be lost, so nobody is.
                stop.store(true, Ordering::SeqCst);
                let after = disk.cut(&mut random);
                (after, threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>())
            });
            assert!(acknowledged.iter().all(|(index, _)| *index >= size));
            known.extend(acknowledged);
            drop(log);
            disk = after;
        }
        let (log, _) = open_on(&disk, dir.path()).unwrap();
        let size = log.status().integrated;
        for (index, leaf) in &known {
            assert_eq!(log.leaf(*index).unwrap(), *leaf);
        }
        // Asynchronous entries may be lost, but none that is there is spoiled.
        log.close().unwrap();
        for index in 0..size {
            let leaf = log.leaf(index).unwrap();
            let text = String::from_utf8(leaf.clone()).unwrap();
            let mut words = text.split(' ').map(str::parse::<u64>);
            let (thread, count) = (words.next().unwrap().unwrap(), words.next().unwrap().unwrap());
            assert_eq!(leaf, self::leaf(thread, count));
        }
    }
    assert!(dropped > 0, "no cut ever spoiled a frame: the test tests nothing");
}

#[test]
fn hundreds_of_crashes_lose_nothing_that_was_promised() {
    let dir = tempfile::tempdir().unwrap();
    let counts = Crashes::new(dir.path(), 1).run(200).unwrap();
    // All kinds came about, else the test tests nothing.
    assert!(counts.kills > 0 && counts.kills < counts.crashes && counts.in_recovery > 0, "{counts}");
    assert!(counts.replays > 0 && counts.drops > 0 && counts.lost > 0 && counts.durable > 100, "{counts}");
}
