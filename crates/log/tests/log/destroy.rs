//! Destroying recordings: no file holds a byte of them any more, the journal's included, and all else stays.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use vidimus_core::SessionId;
use vidimus_log::storage::Access;
use vidimus_log::testing::{Faulty, Operation};
use vidimus_log::{DestroyError, Entry, verify};

use super::*;

const SECRET: &[u8] = b"the sealed bytes of a session that is to go";
const KEPT: &[u8] = b"the sealed bytes of a session that is to stay";

fn payload(session: u8, offset: u64, bytes: &[u8]) -> Entry<'_> {
    Entry::Payload { session: [session; 16], segment: 0, offset, bytes }
}

/// The files below a directory that hold these bytes. One that the log renames meanwhile is seen under its other name, at
/// the latest when the log is closed.
fn holders(dir: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holders(&path, bytes));
        } else if std::fs::read(&path).unwrap_or_default().windows(bytes.len()).any(|window| window == bytes) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Writes both sessions, and so much after them that their segments are integrated, and some used again.
fn write(log: &Log, filler_segments: u64) {
    let leaf = |number: u64| format!("leaf {number}");
    log.append(&[payload(1, 0, SECRET), payload(2, 0, KEPT), Entry::Leaf(leaf(0).as_bytes())]).unwrap();
    let filler = vec![0xAB; 30 << 10];
    for number in 0..filler_segments * 4 {
        let offset = 1_000 + number * filler.len() as u64;
        let appended = log.append(&[payload(2, offset, &filler), Entry::Leaf(leaf(number + 1).as_bytes())]).unwrap();
        log.durable(appended.position).wait().unwrap();
    }
}

#[test]
fn no_file_holds_what_was_destroyed_and_the_rest_stays() {
    for filler_segments in [0, 1, 2, 9] {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = open(dir.path());
        write(&log, filler_segments);
        assert!(!holders(&dir.path().join("journal"), SECRET).is_empty() || filler_segments > 0);
        log.destroy_recordings(&[SessionId::from_bytes([1; 16])]).unwrap();
        assert_eq!(holders(dir.path(), SECRET), [""; 0], "{filler_segments} segments of filler");
        assert_eq!(holders(&dir.path().join("recordings"), KEPT).len(), 1);
        let leaves = log.status().appended;
        log.close().unwrap();
        drop(log);

        let (log, recovered) = open(dir.path());
        assert_eq!((recovered.dropped, log.status().appended), (0, leaves));
        log.append(&[Entry::Leaf(b"goes on")]).unwrap();
        log.close().unwrap();
        assert_eq!(holders(dir.path(), SECRET), [""; 0]);
        let checked = verify::log(&FileSystem, dir.path(), &[key()], &mut |_, _| {});
        assert_eq!(
            (checked.entries, checked.checkpoint.map(|checkpoint| checkpoint.size)),
            (leaves + 1, Some(leaves + 1))
        );
    }
}

#[test]
fn it_can_be_repeated_and_while_others_write() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    write(&log, 1);
    let writer = log.clone();
    let writing = thread::spawn(move || {
        for number in 0..200_u64 {
            writer.append(&[Entry::Leaf(format!("meanwhile {number}").as_bytes())]).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
    });
    let sessions = [SessionId::from_bytes([1; 16]), SessionId::from_bytes([9; 16])];
    log.destroy_recordings(&sessions).unwrap();
    log.destroy_recordings(&sessions).unwrap();
    writing.join().unwrap();
    let appended = log.status().appended;
    log.close().unwrap();
    assert_eq!((holders(dir.path(), SECRET), appended), (vec![], 1 + 4 + 200));
}

#[test]
fn what_a_crash_interrupts_is_done_at_the_next_time() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    write(&log, 1);
    let session = SessionId::from_bytes([1; 16]);
    let directory = dir.path().join("recordings").join(session.to_string());
    eventually("the recording is there", || directory.is_dir());
    // A file that cannot be overwritten stands for any step that fails.
    std::fs::create_dir(directory.join("99999999.seg")).unwrap();
    assert!(log.destroy_recordings(&[session]).is_err());
    assert!(log.append(&[Entry::Leaf(b"goes on")]).is_ok(), "the log is none the worse");
    log.close().unwrap();
    drop(log);
    std::fs::remove_dir(directory.join("99999999.seg")).unwrap();
    let (log, _) = open(dir.path());
    log.destroy_recordings(&[session]).unwrap();
    assert_eq!(holders(dir.path(), SECRET), [""; 0]);
}

#[test]
fn a_file_lying_ready_that_could_not_be_overwritten_is_overwritten_at_the_next_time() {
    let (disk, dir) = (Arc::new(Disk::default()), tempfile::tempdir().unwrap());
    // Nothing is given up before the end, so the segment after the second is a new one.
    let (log, _) = Log::open(Arc::clone(&disk) as Arc<dyn Storage>, lazy_options(dir.path()), signer()).unwrap();
    write(&log, 2);
    eventually("the third segment", || disk.all().contains_key(&dir.path().join("journal/00000003.seg")));
    log.close().unwrap();
    drop(log);
    // Started again, the first segment lies ready to be used once more.
    let (log, _) = open_on(&disk, dir.path()).unwrap();
    let holders = || -> Vec<_> {
        let holds = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|window| window == SECRET);
        let files =
            disk.all().into_iter().filter(|(path, bytes)| path.starts_with(dir.path().join("journal")) && holds(bytes));
        files.map(|(path, _)| path).collect()
    };
    let first = [dir.path().join("journal/00000001.seg")];
    assert_eq!(holders(), first);
    disk.set_faults(|faults| faults.write = Some("00000001.seg"));
    let sessions = [SessionId::from_bytes([1; 16])];
    let error = log.destroy_recordings(&sessions).unwrap_err();
    assert!(matches!(error, DestroyError::Storage(_)), "{error}");
    disk.set_faults(|faults| faults.write = None);
    assert_eq!(holders(), first, "it failed");
    log.destroy_recordings(&sessions).unwrap();
    assert!(holders().is_empty());
    log.append(&[Entry::Leaf(b"goes on")]).unwrap();
    log.close().unwrap();
}

#[test]
fn no_segment_is_removed_with_what_it_held() {
    let dir = tempfile::tempdir().unwrap();
    let removed = Arc::new(AtomicU64::new(0));
    let storage = Faulty::new({
        let removed = Arc::clone(&removed);
        move |operation, path| {
            if operation == Operation::Remove && path.extension().is_some_and(|extension| extension == "seg") {
                assert!(std::fs::read(path)?.iter().all(|byte| *byte == 0), "{} holds something", path.display());
                removed.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        }
    });
    let opened = |options| Log::open(Arc::new(storage.clone()), options, signer()).unwrap().0;
    // Many segments are given up at once, more than are kept to be used again.
    let log = opened(Options { checkpoint_interval: Duration::from_secs(2), ..options(dir.path()) });
    write(&log, 20);
    log.close().unwrap();
    drop(log);
    assert!(removed.load(Ordering::SeqCst) > 0, "none was removed: the test tests nothing");
    // Those that lie unused are of another length now.
    removed.store(0, Ordering::SeqCst);
    opened(Options { segment_bytes: 2 * SEGMENT, ..options(dir.path()) }).close().unwrap();
    assert!(removed.load(Ordering::SeqCst) > 0);
}

/// The system's answer when a process has all the file descriptors it may have.
fn too_many_files() -> io::Error {
    rustix::io::Errno::MFILE.into()
}

/// Appends until the next segment is begun; their bytes go to the second session.
fn fill_a_segment(log: &Log) {
    let filler = vec![0xAB; 30 << 10];
    for number in 0..4 {
        let offset = (1 << 20) + number * filler.len() as u64;
        log.append(&[payload(2, offset, &filler), Entry::Leaf(b"filler")]).unwrap();
    }
}

#[test]
fn a_file_that_is_used_again_is_neither_forgotten_nor_replaced_when_a_step_of_that_fails() {
    // What fails once on the allocator's thread: the rename; then, the file having its new name, the next two steps.
    for failing in [Operation::Rename, Operation::Sync, Operation::Open(Access::Update)] {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal");
        let log = Log::open(Arc::new(FileSystem), lazy_options(dir.path()), signer()).unwrap().0;
        write(&log, 2);
        eventually("the third segment", || journal.join("00000003.seg").exists());
        log.close().unwrap();
        drop(log);
        // Another name of the file that lies ready, by which it is found even when nothing else refers to it.
        let kept = dir.path().join("first");
        std::fs::hard_link(journal.join("00000001.seg"), &kept).unwrap();
        let holds_secret = || holders(dir.path(), SECRET).contains(&kept.display().to_string());
        assert!(holds_secret());

        let (is_reusing, has_failed) = (AtomicBool::new(false), Arc::new(AtomicBool::new(false)));
        let failed = Arc::clone(&has_failed);
        let storage = Faulty::new(move |operation, path| {
            if thread::current().name() != Some("log-allocate") {
                return Ok(());
            }
            if operation == Operation::Rename && path.ends_with("00000001.seg") {
                is_reusing.store(true, Ordering::SeqCst);
            }
            let fails =
                operation == failing && is_reusing.load(Ordering::SeqCst) && !failed.swap(true, Ordering::SeqCst);
            if fails { Err(too_many_files()) } else { Ok(()) }
        });
        let log = Log::open(Arc::new(storage), options(dir.path()), signer()).unwrap().0;
        fill_a_segment(&log);
        eventually("the failure", || has_failed.load(Ordering::SeqCst));
        // Refused until the segment is made, a second later.
        let sessions = [SessionId::from_bytes([1; 16])];
        eventually("its destruction", || log.destroy_recordings(&sessions).is_ok());
        assert!(!holds_secret(), "{failing:?}");
        assert_eq!(holders(dir.path(), SECRET), [""; 0], "{failing:?}");
        log.append(&[Entry::Leaf(b"goes on")]).unwrap();
        log.close().unwrap();
    }
}

#[test]
fn segments_given_up_that_could_not_be_overwritten_are_before_anything_counts_as_destroyed() {
    let dir = tempfile::tempdir().unwrap();
    let has_failed = Arc::new(AtomicBool::new(false));
    let failed = Arc::clone(&has_failed);
    let storage = Faulty::new(move |operation, path| {
        let is_destroying = operation == Operation::Open(Access::Update)
            && path.parent().is_some_and(|parent| parent.ends_with("journal"))
            && thread::current().name() == Some("log-integrate");
        if is_destroying && !failed.swap(true, Ordering::SeqCst) { Err(too_many_files()) } else { Ok(()) }
    });
    // Many segments are given up at once, more than are kept to be used again; the oldest is destroyed first.
    let options = Options { checkpoint_interval: Duration::from_secs(2), ..options(dir.path()) };
    let log = Log::open(Arc::new(storage), options, signer()).unwrap().0;
    write(&log, 20);
    eventually("the failure", || has_failed.load(Ordering::SeqCst));
    log.destroy_recordings(&[SessionId::from_bytes([1; 16])]).unwrap();
    assert_eq!(holders(dir.path(), SECRET), [""; 0]);
    log.close().unwrap();
}

#[test]
fn of_two_callers_the_second_does_not_count_on_what_the_first_has_not_done() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(Arc::new(FileSystem), lazy_options(dir.path()), signer()).unwrap().0;
    write(&log, 2);
    eventually("the third segment", || dir.path().join("journal/00000003.seg").exists());
    log.close().unwrap();
    drop(log);
    let has_begun = Arc::new(AtomicBool::new(false));
    let begun = Arc::clone(&has_begun);
    // The first one's file takes long to overwrite, longer than all that the second one has to do; then it fails.
    let storage = Faulty::new(move |operation, path| {
        let is_first = operation == Operation::Write
            && path.ends_with("00000001.seg")
            && thread::current().name() == Some("first");
        if !is_first {
            return Ok(());
        }
        begun.store(true, Ordering::SeqCst);
        thread::sleep(Duration::from_secs(1));
        Err(io::Error::other("injected write failure"))
    });
    let log = Log::open(Arc::new(storage), options(dir.path()), signer()).unwrap().0;
    let sessions = [SessionId::from_bytes([1; 16])];
    let first = {
        let log = log.clone();
        let run = move || log.destroy_recordings(&sessions);
        thread::Builder::new().name("first".to_owned()).spawn(run).unwrap()
    };
    eventually("the first one's write", || has_begun.load(Ordering::SeqCst));
    log.destroy_recordings(&sessions).unwrap();
    assert_eq!(holders(dir.path(), SECRET), [""; 0]);
    assert!(matches!(first.join().unwrap(), Err(DestroyError::Storage(_))));
    log.close().unwrap();
}
