//! Appending, waiting, reading back, proving, closing; the observer; permissions.

use std::collections::BTreeSet;
use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use vidimus_log::{AppendError, Entry, FileSystem, Log, OpenError, Options, Recovered, Signer, Storage as _};

use super::{ORIGIN, SEGMENT, eventually, key, lazy_options, open, options, signer};

#[test]
fn what_is_appended_is_read_proven_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (log, recovered) = open(dir.path());
    assert_eq!(recovered, Recovered::default());
    let session: [u8; 16] = [0xab; 16];
    for round in 0..3000_u64 {
        let leaf = format!("{{\"n\":{round}}}");
        let payload = round.to_be_bytes();
        let place = Entry::Payload { session, segment: 3, offset: round * 8, bytes: &payload };
        let appended = log.append(&[Entry::Leaf(leaf.as_bytes()), place]).unwrap();
        assert_eq!(appended.first_leaf, round);
        if round % 100 == 0 {
            log.durable(appended.position).wait().unwrap();
            assert!(log.status().durable > round);
        }
    }
    eventually("integration", || log.status().integrated == 3000);
    for index in [0, 1, 255, 256, 1000, 2815, 2816, 2999] {
        let leaf = log.leaf(index).unwrap();
        assert_eq!(leaf, format!("{{\"n\":{index}}}").into_bytes());
        let proof = log.prove(index).unwrap();
        assert_eq!(proof.verify(&leaf, &[key()]).unwrap().size, 3000);
        assert!(proof.verify(b"other", &[key()]).is_err());
    }
    assert!(log.leaf(3000).is_err());
    assert!(log.prove(3000).is_err());
    log.close().unwrap();
    assert_eq!(log.append(&[Entry::Leaf(b"late")]), Err(AppendError::Closed));
    drop(log);

    let recording = dir.path().join("recordings/abababab-abab-abab-abab-abababababab/00000003.seg");
    let expected: Vec<u8> = (0..3000_u64).flat_map(u64::to_be_bytes).collect();
    assert_eq!(std::fs::read(recording).unwrap(), expected);

    let (log, recovered) = open(dir.path());
    assert_eq!(recovered, Recovered::default(), "a closed log has nothing to recover");
    assert_eq!(log.append(&[Entry::Leaf(b"more")]).unwrap().first_leaf, 3000);
    drop(log);
    let (log, recovered) = open(dir.path());
    assert_eq!((recovered, log.status().integrated), (Recovered::default(), 3001), "dropping closes");
}

#[test]
fn a_durable_future_wakes_once_its_position_is_reached() {
    struct Counted(AtomicU64);
    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(Arc::new(FileSystem), lazy_options(dir.path()), signer()).unwrap();
    let appended = log.append(&[Entry::Leaf(b"{}")]).unwrap();
    assert_eq!(log.status().syncs, 0, "nobody waits, so nothing is synced");
    let counted = Arc::new(Counted(AtomicU64::new(0)));
    let waker = Waker::from(Arc::clone(&counted));
    let mut context = Context::from_waker(&waker);
    let mut durable = pin!(log.durable(appended.position));
    // Polling twice must not lose or double the wake-up.
    let pending = durable.as_mut().poll(&mut context).is_pending() && durable.as_mut().poll(&mut context).is_pending();
    eventually("the sync", || log.status().durable == 1);
    eventually("the wake-up", || !pending || counted.0.load(Ordering::SeqCst) == 1);
    assert!(matches!(durable.as_mut().poll(&mut context), Poll::Ready(Ok(()))));
    assert_eq!(log.status().syncs, 1);
}

#[test]
fn one_sync_serves_all_who_wait() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(Arc::new(FileSystem), lazy_options(dir.path()), signer()).unwrap();
    for _ in 0..500 {
        log.append(&[Entry::Leaf(b"{}")]).unwrap();
    }
    let last = log.append(&[]).unwrap();
    log.durable(last.position).wait().unwrap();
    let status = log.status();
    assert_eq!((status.durable, status.syncs), (500, 1));
}

#[test]
fn a_batch_is_whole_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    let long = vec![b'x'; 65_535];
    assert_eq!(log.append(&[Entry::Leaf(&long), Entry::Leaf(b"")]).unwrap().first_leaf, 0);
    let too_long = vec![b'x'; 65_536];
    let error = log.append(&[Entry::Leaf(b"kept out too"), Entry::Leaf(&too_long)]).unwrap_err();
    assert_eq!(error.to_string(), "a leaf of 65536 bytes is over the limit of 65535; split it or leave it out");
    let payload = vec![1; usize::try_from(SEGMENT).unwrap()];
    let whole = Entry::Payload { session: [1; 16], segment: 0, offset: 0, bytes: &payload };
    assert!(matches!(log.append(&[whole]), Err(AppendError::TooLarge { what: "a batch", .. })));
    assert_eq!(log.append(&[]).unwrap().first_leaf, 2);
    log.close().unwrap();
    assert_eq!(log.leaf(0).unwrap(), long);
    assert_eq!(log.leaf(1).unwrap(), b"");
    assert_eq!(log.status().integrated, 2);
}

#[test]
fn two_cannot_open_one_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    let Err(error) = super::try_open(dir.path()) else { unreachable!("opened twice") };
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(log);
    open(dir.path());
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |change: fn(&mut Options)| {
        let mut options = options(dir.path());
        change(&mut options);
        matches!(Log::open(Arc::new(FileSystem), options, signer()), Err(OpenError::BadOption { .. }))
    };
    assert!(refused(|options| options.segment_bytes = 1000));
    assert!(refused(|options| options.segment_bytes = SEGMENT + 1));
    assert!(refused(|options| options.max_journal_bytes = SEGMENT));
    assert!(refused(|options| options.origin = "other".into()));
}

#[test]
fn another_key_does_not_open_the_log() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let other = Signer::from_seed(ORIGIN, &[8; 32]).unwrap();
    let Err(error) = Log::open(Arc::new(FileSystem), options(dir.path()), other) else { unreachable!("opened") };
    assert!(error.to_string().contains("not signed by any of the given keys"), "{error}");
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Vec<u8>>>>);

impl vidimus_log::Observer for Seen {
    fn observed(&self) -> u64 {
        u64::try_from(self.0.lock().unwrap().len()).unwrap()
    }

    fn leaves(&mut self, first_index: u64, leaves: &[&[u8]]) {
        assert_eq!(first_index, self.observed());
        self.0.lock().unwrap().extend(leaves.iter().map(|leaf| leaf.to_vec()));
    }
}

fn open_observed(dir: &Path, seen: &Seen) -> Result<Log, OpenError> {
    let options = Options { observer: Some(Box::new(seen.clone())), ..options(dir) };
    Ok(Log::open(Arc::new(FileSystem), options, signer())?.0)
}

#[test]
fn the_observer_is_told_of_every_leaf_in_order_whatever_it_missed() {
    let dir = tempfile::tempdir().unwrap();
    let expected = |count: u32| (0..count).map(|n| n.to_be_bytes().to_vec()).collect::<Vec<_>>();
    let append = |log: &Log, range: std::ops::Range<u32>| {
        for n in range {
            log.append(&[Entry::Leaf(&n.to_be_bytes())]).unwrap();
        }
    };
    let seen = Seen::default();
    let log = open_observed(dir.path(), &seen).unwrap();
    append(&log, 0..700);
    drop(log);
    assert_eq!(*seen.0.lock().unwrap(), expected(700));
    // Without it, and with one that has lost its last entries, begins at nothing, or is up to date.
    let (log, _) = open(dir.path());
    append(&log, 700..1000);
    drop(log);
    for kept in [0, 1, 256, 300, 700] {
        seen.0.lock().unwrap().truncate(kept);
        drop(open_observed(dir.path(), &seen).unwrap());
        assert_eq!(*seen.0.lock().unwrap(), expected(1000), "kept {kept}");
    }
    // One that has seen more than there is knows of entries that were lost.
    seen.0.lock().unwrap().push(Vec::new());
    let Err(error) = open_observed(dir.path(), &seen) else { unreachable!("opened") };
    assert!(error.to_string().contains("at least 1001 entries"), "{error}");
}

#[test]
fn only_the_owner_may_read() {
    fn check(path: &Path) {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        if path.is_dir() {
            path.read_dir().unwrap().for_each(|entry| check(&entry.unwrap().path()));
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (log, _) = open(&data);
    for _ in 0..300 {
        log.append(&[Entry::Leaf(b"{}"), Entry::Payload { session: [2; 16], segment: 0, offset: 0, bytes: b"x" }])
            .unwrap();
    }
    drop(log);
    check(&data);
}

#[test]
fn many_files_are_synced_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let files: BTreeSet<_> = (0..300).map(|n| dir.path().join(n.to_string())).collect();
    for file in &files {
        std::fs::write(file, "x").unwrap();
    }
    let dirs = BTreeSet::from([dir.path().to_path_buf()]);
    FileSystem.sync(&files, &dirs).unwrap();
    FileSystem.sync(&files.iter().take(3).cloned().collect(), &dirs).unwrap();
    let missing = BTreeSet::from([dir.path().join("missing")]);
    assert!(FileSystem.sync(&missing, &dirs).is_err());
}

#[test]
fn the_public_key_stands_beside_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    drop(open(dir.path()));
    assert_eq!(std::fs::read_to_string(dir.path().join("log/keys")).unwrap(), format!("{} 0\n", key()));
}

#[test]
fn segments_are_given_up_and_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    let leaf = vec![b'x'; 4000];
    // Eighty segments' worth through a journal of at most thirty-two.
    for round in 0..2600_u64 {
        let appended = loop {
            match log.append(&[Entry::Leaf(&leaf)]) {
                Err(AppendError::Full { .. }) => std::thread::sleep(std::time::Duration::from_millis(5)),
                other => break other.unwrap(),
            }
        };
        assert_eq!(appended.first_leaf, round);
    }
    eventually("trimming", || log.status().integrated == 2600 && log.status().journal_bytes < 2 * SEGMENT);
    let count = || std::fs::read_dir(dir.path().join("journal")).unwrap().count();
    eventually("removal", || count() < 8);
    drop(log);
    let (log, recovered) = open(dir.path());
    assert_eq!(recovered, Recovered::default());
    assert_eq!(log.leaf(2599).unwrap(), leaf);
}
