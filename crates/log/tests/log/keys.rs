//! Signing keys that replace one another: both sign meanwhile, and the list says for which sizes each did.

use std::path::Path;
use std::sync::Arc;

use vidimus_log::{Checkpoint, Entry, FileSystem, KeyList, Log, OpenError, Signer, VerifierKey};

use super::{ORIGIN, options};

fn signer(seed: u8) -> Signer {
    Signer::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn key(seed: u8) -> VerifierKey {
    signer(seed).verifier().clone()
}

/// Opens the log with these keys, appends an entry, and closes it; the checkpoint and the list of keys after that.
fn one_more(dir: &Path, signer: Signer) -> Result<(String, KeyList), OpenError> {
    let (log, _) = Log::open(Arc::new(FileSystem), options(dir), signer)?;
    log.append(&[Entry::Leaf(b"entry")]).unwrap();
    log.close().unwrap();
    Ok((log.checkpoint().to_string(), log.snapshot().keys().unwrap()))
}

#[test]
fn old_and_new_keys_overlap_and_old_checkpoints_still_verify() {
    let dir = tempfile::tempdir().unwrap();
    let (first, list) = one_more(dir.path(), signer(1)).unwrap();
    assert_eq!(list.to_string(), format!("{} 0\n", key(1)));
    let (both, _) = one_more(dir.path(), signer(2).and(signer(1)).unwrap()).unwrap();
    for seed in [1, 2] {
        assert_eq!(Checkpoint::open(&both, &[key(seed)]).unwrap().size, 2);
    }
    let (last, list) = one_more(dir.path(), signer(2)).unwrap();
    assert_eq!(list.to_string(), format!("{} 0 2\n{} 1\n", key(1), key(2)));
    for note in [&first, &both, &last] {
        assert!(list.open(note).is_ok());
    }
    assert!(Checkpoint::open(&last, &[key(1)]).is_err());
}

#[test]
fn a_key_that_has_signed_nothing_of_the_checkpoint_does_not_open_the_log() {
    let dir = tempfile::tempdir().unwrap();
    one_more(dir.path(), signer(1)).unwrap();
    assert!(matches!(one_more(dir.path(), signer(2)), Err(OpenError::Damaged(_))));
    assert!(one_more(dir.path(), signer(1)).is_ok(), "nothing was changed");
}

#[test]
fn a_list_of_keys_that_is_none_is_refused_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    one_more(dir.path(), signer(1)).unwrap();
    std::fs::write(dir.path().join("log/keys"), "no key\n").unwrap();
    assert!(matches!(one_more(dir.path(), signer(1)), Err(OpenError::Damaged(_))));
    assert_eq!(std::fs::read_to_string(dir.path().join("log/keys")).unwrap(), "no key\n");
}

#[test]
fn only_keys_of_one_name_sign_together() {
    let other = Signer::from_seed("example.com/other", &[3; 32]).unwrap();
    assert!(signer(1).and(other).is_err());
}
