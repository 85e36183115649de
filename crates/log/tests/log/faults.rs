//! A failed write or sync ends the log for good; a full disk refuses before anything passes, and recovers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use vidimus_core::ErrorKind;
use vidimus_log::testing::Disk;
use vidimus_log::{AppendError, Entry, Health, Log, Storage};

use super::{SEGMENT, eventually, lazy_options, open_on, signer};

fn assert_failed(log: &Log, error: &AppendError) {
    assert!(matches!(error, AppendError::Failed { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Evidence);
    assert!(error.to_string().contains("injected"), "{error}");
    assert!(matches!(log.status().health, Health::Failed { .. }));
    // For good, although the disk works again.
    assert_eq!(log.append(&[Entry::Leaf(b"after")]).unwrap_err(), *error);
    assert_eq!(log.close().unwrap_err(), *error);
}

#[test]
fn a_failed_sync_fails_all_who_wait_and_all_who_come() {
    let (disk, dir) = (Arc::new(Disk::default()), tempfile::tempdir().unwrap());
    let (log, _) = Log::open(Arc::clone(&disk) as Arc<dyn Storage>, lazy_options(dir.path()), signer()).unwrap();
    let first = log.append(&[Entry::Leaf(b"first")]).unwrap();
    log.durable(first.position).wait().unwrap();
    // Else making the next segment may be what fails, while a sync of the journal is still good.
    eventually("the next segment", || {
        let names = disk.list(&dir.path().join("journal")).unwrap_or_default();
        names.iter().filter(|name| name.contains(".seg") && !name.contains(".tmp")).count() == 2
    });
    disk.set_faults(|faults| {
        faults.sync = Some(".seg");
        faults.sync_time = Duration::from_millis(20);
    });
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let log = log.clone();
            std::thread::spawn(move || {
                let appended = log.append(&[Entry::Leaf(b"lost")])?;
                log.durable(appended.position).wait()
            })
        })
        .collect();
    let errors: Vec<_> = waiting.into_iter().map(|thread| thread.join().unwrap().unwrap_err()).collect();
    disk.set_faults(|faults| faults.sync = None);
    assert_eq!(log.durable(first.position).wait(), Ok(()), "what was durable stays acknowledged");
    for error in &errors {
        assert_failed(&log, error);
    }
    assert_eq!(log.status().durable, 1);
}

#[test]
fn a_failed_write_fails_the_log() {
    let (disk, dir) = (Arc::new(Disk::default()), tempfile::tempdir().unwrap());
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    disk.set_faults(|faults| faults.write = Some(".seg"));
    let error = log.append(&[Entry::Leaf(b"x")]).unwrap_err();
    disk.set_faults(|faults| faults.write = None);
    assert_failed(&log, &error);
}

#[test]
fn a_failure_of_any_background_write_or_sync_fails_the_log() {
    for place in ["tile", "recordings", "checkpoint", "state", "tile/entries"] {
        for sync in [false, true] {
            let (disk, dir) = (Arc::new(Disk::default()), tempfile::tempdir().unwrap());
            let (log, _) = open_on(&disk, dir.path()).unwrap();
            disk.set_faults(|faults| *(if sync { &mut faults.sync } else { &mut faults.write }) = Some(place));
            let leaf = vec![b'x'; 1000];
            let payload = Entry::Payload { session: [1; 16], segment: 0, offset: 0, bytes: b"payload" };
            // Past the end of a segment, so that it is to be given up.
            eventually(place, || log.append(&[Entry::Leaf(&leaf), payload]).is_err());
            disk.set_faults(|faults| (faults.sync, faults.write) = (None, None));
            let error = log.append(&[]).unwrap_err();
            assert_failed(&log, &error);
            // Nothing that was appended is lost: the journal still has it.
            let appended = log.status().appended;
            drop(log);
            let (log, _) = open_on(&disk, dir.path()).unwrap();
            assert_eq!(log.status().integrated, appended, "{place}");
        }
    }
}

#[test]
fn a_full_disk_refuses_and_recovers_when_space_returns() {
    let (disk, dir) = (Arc::new(Disk::default()), tempfile::tempdir().unwrap());
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    log.append(&[Entry::Leaf(b"first")]).unwrap();
    eventually("integration and the next segment", || log.status().integrated == 1);
    eventually("the next segment", || disk.used() > 2 * usize::try_from(SEGMENT).unwrap());
    let used = disk.used();
    disk.set_faults(|faults| faults.capacity = Some(used));
    let leaf = vec![b'x'; 1000];
    let mut appended = 1;
    let error = loop {
        match log.append(&[Entry::Leaf(&leaf)]) {
            Ok(_) => appended += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AppendError::Full { .. }), "{error}");
    assert!(appended > 150, "what had room was taken: {appended}");
    assert!(matches!(log.status().health, Health::NoSpace { .. }), "{:?}", log.status());
    disk.set_faults(|faults| faults.capacity = None);
    eventually("space", || log.append(&[Entry::Leaf(&leaf)]).is_ok());
    eventually("integration", || log.status().integrated == appended + 1);
    eventually("health", || log.status().health == Health::Running);
    log.close().unwrap();
}

#[test]
fn without_file_descriptors_the_log_waits_and_loses_nothing() {
    for (place, errno) in [
        ("", Errno::MFILE),
        ("tile", Errno::NFILE),
        (".p", Errno::MFILE),
        ("recordings", Errno::MFILE),
        ("checkpoint", Errno::MFILE),
        ("state", Errno::NFILE),
        ("journal", Errno::MFILE),
    ] {
        let (disk, dir) = (Arc::new(Disk::default()), tempfile::tempdir().unwrap());
        let (log, _) = open_on(&disk, dir.path()).unwrap();
        let leaf = vec![b'x'; 1000];
        let payload = |offset| Entry::Payload { session: [1; 16], segment: 0, offset, bytes: b"payload" };
        log.append(&[Entry::Leaf(&leaf), payload(0)]).unwrap();
        eventually(place, || log.status().integrated == 1);
        disk.set_faults(|faults| faults.open = Some((place, errno)));
        let mut appended = 1;
        // What has room is taken; past a segment every file is needed.
        eventually(place, || {
            appended += u64::from(log.append(&[Entry::Leaf(&leaf), payload(appended * 7)]).is_ok());
            matches!(log.status().health, Health::NoSpace { .. })
        });
        let Health::NoSpace { why } = log.status().health else { unreachable!("it cannot open yet") };
        assert!(why.ends_with("raise the limit of open files, or lower limits.connections"), "{place}: {why}");
        disk.set_faults(|faults| faults.open = None);
        eventually(place, || log.status().integrated == appended && log.status().health == Health::Running);
        log.close().unwrap();
        let recordings = disk.all().into_iter().find(|(path, _)| path.starts_with(dir.path().join("recordings")));
        assert_eq!(recordings.unwrap().1, b"payload".repeat(usize::try_from(appended).unwrap()), "{place}");
        let (log, _) = open_on(&disk, dir.path()).unwrap();
        assert_eq!(log.leaf(appended - 1).unwrap(), leaf, "{place}");
    }
}

#[test]
fn past_its_bound_the_journal_refuses_and_goes_on_when_integration_does() {
    let (disk, dir) = (Arc::new(Disk::default()), tempfile::tempdir().unwrap());
    let mut options = lazy_options(dir.path());
    options.max_journal_bytes = 3 * SEGMENT;
    let (log, _) = Log::open(Arc::clone(&disk) as Arc<dyn Storage>, options, signer()).unwrap();
    let leaf = vec![b'x'; 5000];
    let mut appended = 0;
    let error = loop {
        match log.append(&[Entry::Leaf(&leaf)]) {
            Ok(_) => appended += 1,
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("raise max_journal_bytes"), "{error}");
    assert_eq!(appended, 3 * 25, "three segments of frames of 5,064 bytes");
    log.close().unwrap();
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    assert_eq!(log.append(&[Entry::Leaf(&leaf)]).unwrap().first_leaf, appended);
}

#[test]
fn a_start_that_cannot_sync_does_not_start() {
    let (disk, dir) = (Arc::new(Disk::default()), tempfile::tempdir().unwrap());
    disk.set_faults(|faults| faults.sync = Some("journal"));
    let error = open_on(&disk, Path::new(dir.path())).unwrap_err();
    assert!(error.to_string().contains("injected sync failure"), "{error}");
    disk.set_faults(|faults| faults.sync = None);
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    assert_eq!(log.append(&[Entry::Leaf(b"x")]).unwrap().first_leaf, 0);
}
