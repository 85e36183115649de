//! The witness against logs that fork, shrink and replay, against crashes and failing disks, and against races.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::cosignature::cosignatures;
use crate::note::Signer;
use crate::storage::{Access, FileSystem};
use crate::testing::{Faulty, Operation};
use crate::tree::{Nodes, consistency_path, range_hash};

const ORIGIN: &str = "example.com/log";

/// A tree whose leaf `n` is `n`, up to a leaf from which on another history is told.
struct Tree {
    forked_at: u64,
}

impl Nodes for Tree {
    type Error = std::convert::Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        if level == 0 {
            let leaf = if index < self.forked_at { index } else { index + 1_000_000 };
            return Ok(Hash::of_leaf(&leaf.to_be_bytes()));
        }
        Ok(Hash::of_node(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?))
    }
}

const TRUE: Tree = Tree { forked_at: u64::MAX };

fn cosigner() -> Cosigner {
    Cosigner::from_seed("witness.example/w", &[9; 32]).unwrap()
}

fn log(seed: u8) -> Signer {
    Signer::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn open_on(storage: Arc<dyn Storage>, dir: &Path) -> Result<Witness, OpenError> {
    begin(&FileSystem, dir, &[log(1).verifier().clone()])?;
    Witness::open(storage, dir, cosigner(), vec![log(1).verifier().clone()])
}

fn open(dir: &Path) -> Witness {
    open_on(Arc::new(FileSystem), dir).unwrap()
}

fn note(mut tree: Tree, size: u64) -> String {
    let root = range_hash(&mut tree, 0, size).unwrap();
    log(1).sign(&Checkpoint { origin: ORIGIN.into(), size, root }.to_string()).unwrap()
}

/// A request from a log that knows the witness to have seen `old`.
fn request(mut tree: Tree, old: u64, size: u64) -> String {
    let path = if old == 0 { Vec::new() } else { consistency_path(&mut tree, old, size).unwrap() };
    let path = path.iter().fold(String::new(), |text, hash| text + &hash.to_string() + "\n");
    format!("old {old}\n{path}\n{}", note(tree, size))
}

fn ask(witness: &Witness, request: &str) -> Result<Cosigned, Refusal> {
    witness.add_checkpoint(request.as_bytes(), 1_700_000_000)
}

#[test]
fn what_continues_the_known_tree_is_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    let witness = open(dir.path());
    let mut old = 0;
    for size in [0, 1, 3, 3, 4, 7, 256, 1000] {
        let cosigned = ask(&witness, &request(TRUE, old, size)).unwrap();
        assert_eq!((cosigned.old, cosigned.size), (old, size));
        let keys = [witness.key().clone()];
        let checkpoint = format!("{}{}", note(TRUE, size), cosigned.lines);
        assert_eq!(cosignatures(&checkpoint, &keys).unwrap()[0].seconds, 1_700_000_000);
        assert_eq!(witness.seen(), [(ORIGIN.to_owned(), size)]);
        old = size;
    }
}

#[test]
fn another_history_is_never_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    let witness = open(dir.path());
    ask(&witness, &request(TRUE, 0, 20)).unwrap();
    let fork = || Tree { forked_at: 19 };
    // The same size with another root, a longer tree on it, with its own proof and with the true one.
    assert!(matches!(ask(&witness, &request(fork(), 20, 20)), Err(Refusal::Conflict { size: 20, is_fork: true })));
    assert!(matches!(ask(&witness, &request(fork(), 20, 33)), Err(Refusal::Inconsistent { size: 20 })));
    let true_proof = request(TRUE, 20, 33);
    let mixed = format!("{}\n\n{}", true_proof.split_once("\n\n").unwrap().0, note(fork(), 33));
    assert!(matches!(ask(&witness, &mixed), Err(Refusal::Inconsistent { size: 20 })));
    // A tree that shrinks, whatever the log says to have shown, and the beginning once more.
    for (old, size) in [(19, 19), (0, 20), (0, 25), (0, 0), (21, 30)] {
        let refused = ask(&witness, &request(TRUE, old, size));
        assert!(matches!(refused, Err(Refusal::Conflict { size: 20, is_fork: false })), "{old} to {size}: {refused:?}");
    }
    assert!(matches!(
        ask(&witness, &request(TRUE, 20, 20).replacen("old 20", "old 21", 1)),
        Err(Refusal::Malformed(_))
    ));
    // A proof where there is nothing to prove.
    let extra = request(TRUE, 20, 20).replacen("old 20\n", &format!("old 20\n{}\n", Hash::empty_root()), 1);
    assert!(matches!(ask(&witness, &extra), Err(Refusal::Inconsistent { .. })));
    assert_eq!(witness.seen(), [(ORIGIN.to_owned(), 20)]);
    ask(&witness, &true_proof).unwrap();
}

#[test]
fn an_empty_tree_has_one_root() {
    let dir = tempfile::tempdir().unwrap();
    let text = Checkpoint { origin: ORIGIN.into(), size: 0, root: Hash::of_leaf(b"x") }.to_string();
    let refused = ask(&open(dir.path()), &format!("old 0\n\n{}", log(1).sign(&text).unwrap()));
    assert!(matches!(refused, Err(Refusal::Conflict { size: 0, is_fork: true })));
}

#[test]
fn logs_and_keys_it_was_not_told_of_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let witness = open(dir.path());
    let good = request(TRUE, 0, 5);
    let text = note::text(good.split_once("\n\n").unwrap().1).unwrap().to_owned();
    let by = |signer: &Signer, text: &str| format!("old 0\n\n{}", signer.sign(text).unwrap());
    assert!(matches!(ask(&witness, &by(&log(2), &text)), Err(Refusal::Untrusted(NoteError::UnknownSigner))));
    let other = Signer::from_seed("example.com/other", &[1; 32]).unwrap();
    let foreign = text.replace(ORIGIN, "example.com/other");
    assert!(matches!(ask(&witness, &by(&other, &foreign)), Err(Refusal::UnknownLog(_))));
    // The log's own key under another log's origin.
    assert!(matches!(ask(&witness, &by(&log(1), &foreign)), Err(Refusal::UnknownLog(_))));
    let forged = good.replacen("\n5\n", "\n6\n", 1);
    assert!(matches!(ask(&witness, &forged), Err(Refusal::Untrusted(NoteError::BadSignature(_)))));
    assert_eq!(witness.seen(), [(ORIGIN.to_owned(), 0)]);
}

#[test]
fn what_is_no_request_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let witness = open(dir.path());
    let good = request(TRUE, 0, 5);
    let hash = format!("{}\n", Hash::empty_root());
    for bad in [
        String::new(),
        "old 0".to_owned(),
        good.replacen("old 0", "old", 1),
        good.replacen("old 0", "old 00", 1),
        good.replacen("old 0", "old -1", 1),
        good.replacen("old 0", "old 18446744073709551616", 1),
        good.replacen("old 0", "new 0", 1),
        good.replacen("old 0\n", "old 0\nAAAA\n", 1),
        good.replacen("old 0\n", &format!("old 0\n{}", hash.repeat(64)), 1),
        good.replacen("old 0\n\n", "old 0\n", 1),
        good.trim_end().to_owned(),
        good.replace('\n', "\r\n"),
        format!("{good}{}", "x".repeat(MAX_REQUEST_BYTES)),
    ] {
        assert!(matches!(ask(&witness, &bad), Err(Refusal::Malformed(_))), "{bad:?}");
    }
    assert!(matches!(witness.add_checkpoint(b"\xff", 0), Err(Refusal::Malformed(_))));
}

#[test]
fn it_remembers_across_restarts_and_refuses_a_damaged_memory() {
    let dir = tempfile::tempdir().unwrap();
    let witness = open(dir.path());
    ask(&witness, &request(TRUE, 0, 20)).unwrap();
    assert!(matches!(open_on(Arc::new(FileSystem), dir.path()), Err(OpenError::InUse { .. })));
    drop(witness);
    let witness = open(dir.path());
    assert_eq!(witness.seen(), [(ORIGIN.to_owned(), 20)]);
    assert!(ask(&witness, &request(Tree { forked_at: 3 }, 20, 30)).is_err());
    ask(&witness, &request(TRUE, 20, 21)).unwrap();
    drop(witness);
    let file = state_file(dir.path(), ORIGIN);
    for damaged in
        ["", "example.com/log\n21\n", "example.com/other\n21\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"]
    {
        std::fs::write(&file, damaged).unwrap();
        assert!(matches!(open_on(Arc::new(FileSystem), dir.path()), Err(OpenError::Damaged(_))), "{damaged}");
    }
}

#[test]
fn a_memory_that_is_gone_is_not_begun_anew_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Witness::open(Arc::new(FileSystem), dir.path(), cosigner(), vec![log(1).verifier().clone()]);
    assert!(matches!(open(), Err(OpenError::NoMemory { .. })));
    let keys = [log(1).verifier().clone(), log(2).verifier().clone()];
    assert_eq!(begin(&FileSystem, dir.path(), &keys).unwrap(), [ORIGIN], "one log, two keys");
    assert_eq!(begin(&FileSystem, dir.path(), &keys).unwrap(), [""; 0]);
    ask(&open().unwrap(), &request(TRUE, 0, 20)).unwrap();
    assert_eq!(begin(&FileSystem, dir.path(), &keys).unwrap(), [""; 0]);
    assert_eq!(open().unwrap().seen(), [(ORIGIN.to_owned(), 20)], "what is remembered stays");
    std::fs::remove_file(state_file(dir.path(), ORIGIN)).unwrap();
    assert!(matches!(open(), Err(OpenError::NoMemory { .. })));
}

#[test]
fn its_key_is_no_logs_key() {
    let dir = tempfile::tempdir().unwrap();
    let key = Signer::from_seed(ORIGIN, &[9; 32]).unwrap().verifier().clone();
    let opened = Witness::open(Arc::new(FileSystem), dir.path(), cosigner(), vec![key]);
    assert!(matches!(opened, Err(OpenError::BadOption { .. })));
}

/// Fails, or "dies", at the n-th operation that changes the disk, and at all after it, as long as `left` is not set anew.
fn failing(operations: u64, error: io::ErrorKind) -> (Arc<AtomicU64>, Arc<dyn Storage>) {
    let left = Arc::new(AtomicU64::new(operations));
    let counter = Arc::clone(&left);
    let storage = Faulty::new(move |operation, _| match operation {
        Operation::Open(Access::Read) | Operation::CreateDir => Ok(()),
        _ => {
            let left = counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            left.map(drop).map_err(|_| error.into())
        }
    });
    (left, Arc::new(storage))
}

#[test]
fn a_death_at_any_step_leaves_a_memory_that_covers_all_it_has_signed() {
    let mut deaths = 0;
    for operations in 0_u64.. {
        let dir = tempfile::tempdir().unwrap();
        ask(&open(dir.path()), &request(TRUE, 0, 20)).unwrap();
        let (_, storage) = failing(operations, io::ErrorKind::Other);
        let Ok(witness) = open_on(storage, dir.path()) else { continue };
        let signed: Vec<u64> = [(20, 25), (25, 40)]
            .iter()
            .filter_map(|(old, size)| Some(ask(&witness, &request(TRUE, *old, *size)).ok()?.size))
            .collect();
        drop(witness);
        // The next process knows what was signed, or more; the fork that an attacker now offers is refused.
        let witness = open(dir.path());
        let known = witness.seen()[0].1;
        assert!(known >= signed.last().copied().unwrap_or(20), "after {operations} operations: {known}, {signed:?}");
        let fork = Tree { forked_at: 19 };
        assert!(ask(&witness, &request(fork, known, 50)).is_err(), "after {operations} operations");
        ask(&witness, &request(TRUE, known, 50)).unwrap();
        if signed == [25, 40] {
            break;
        }
        deaths += 1;
    }
    assert!(deaths >= 10, "each write has five steps: {deaths}");
}

#[test]
fn after_a_failed_sync_nothing_is_signed_any_more() {
    let dir = tempfile::tempdir().unwrap();
    // Opening and writing the temporary file pass, its sync does not.
    let (left, storage) = failing(2, io::ErrorKind::Other);
    ask(&open(dir.path()), &request(TRUE, 0, 1)).unwrap();
    let witness = open_on(storage, dir.path()).unwrap();
    assert!(matches!(ask(&witness, &request(TRUE, 1, 2)), Err(Refusal::Failed(_))));
    left.store(u64::MAX, Ordering::SeqCst);
    let refused = ask(&witness, &request(TRUE, 1, 2)).unwrap_err();
    assert!(matches!(refused, Refusal::Failed(_)) && !refused.public_message().contains(".checkpoint"));
}

#[test]
fn a_full_disk_is_waited_out() {
    let dir = tempfile::tempdir().unwrap();
    let (left, storage) = failing(1, io::ErrorKind::StorageFull);
    ask(&open(dir.path()), &request(TRUE, 0, 1)).unwrap();
    let witness = open_on(storage, dir.path()).unwrap();
    assert!(matches!(ask(&witness, &request(TRUE, 1, 2)), Err(Refusal::Failed(_))));
    assert_eq!(witness.seen(), [(ORIGIN.to_owned(), 1)]);
    left.store(u64::MAX, Ordering::SeqCst);
    ask(&witness, &request(TRUE, 1, 2)).unwrap();
}

#[test]
fn of_two_histories_offered_at_once_one_is_signed() {
    let dir = tempfile::tempdir().unwrap();
    let witness = open(dir.path());
    ask(&witness, &request(TRUE, 0, 1)).unwrap();
    let requests: Vec<String> = (1..9).map(|forked_at| request(Tree { forked_at }, 1, 9)).collect();
    let signed = std::thread::scope(|scope| {
        let asked: Vec<_> = requests.iter().map(|request| scope.spawn(|| ask(&witness, request).is_ok())).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).filter(|is_signed| *is_signed).count()
    });
    assert_eq!(signed, 1);
}
