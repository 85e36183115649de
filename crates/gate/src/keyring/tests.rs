//! Rings that open, rotate and survive: with key services that fail, and with a disk that stops at every step.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use vidimus_log::note::Checkpoint;
use vidimus_log::storage::Access;
use vidimus_log::testing::{self, Operation};
use vidimus_log::{FileSystem, Hash};

use super::*;
use crate::key_service::{Answer, LocalKey};

const ORIGIN: &str = "vidimus/test";
const BY: &str = "local|0";
const NOW: Timestamp = Timestamp::from_nanoseconds(1_800_000_000_000_000_000);

fn local(byte: u8) -> LocalKey {
    LocalKey::new(&Secret::new([byte; 32])).unwrap()
}

async fn open<'s>(storage: &'s dyn Storage, dir: &Path, service: &dyn KeyService) -> Result<Keyring<'s>, KeyringError> {
    Keyring::open(storage, dir, service, ORIGIN).await
}

/// The ring's own key and signing seeds, as a gateway would start with them.
async fn secrets(dir: &Path, service: &dyn KeyService) -> Result<Vec<[u8; 32]>, KeyringError> {
    let keys = open(&FileSystem, dir, service).await?.keys(service);
    Ok(std::iter::once(&keys.key).chain(&keys.signing).map(|secret| *secret.expose()).collect())
}

fn checkpoint(seed: &Secret) -> String {
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: 3, root: Hash([1; 32]) };
    Signer::from_seed(ORIGIN, seed.expose()).unwrap().sign(&checkpoint.to_string()).unwrap()
}

#[tokio::test]
async fn a_ring_is_made_once_and_opens_with_its_key_only() {
    let dir = tempfile::tempdir().unwrap();
    let first = secrets(dir.path(), &local(1)).await.unwrap();
    assert_eq!(secrets(dir.path(), &local(1)).await.unwrap(), first);
    let error = secrets(dir.path(), &local(2)).await.unwrap_err();
    assert!(matches!(error, KeyringError::OtherKey { .. }), "{error}");
    let text = std::fs::read_to_string(dir.path().join("keys/ring")).unwrap();
    for secret in &first {
        assert!(!text.contains(&STANDARD.encode(secret)), "nothing stands in the clear");
    }
    std::fs::remove_file(dir.path().join("keys/ring")).unwrap();
    std::fs::create_dir(dir.path().join("log")).unwrap();
    std::fs::write(dir.path().join("log/checkpoint"), "").unwrap();
    assert!(matches!(secrets(dir.path(), &local(1)).await, Err(KeyringError::Missing(_))), "no new key for an old log");
}

#[tokio::test]
async fn an_altered_ring_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    secrets(dir.path(), &local(1)).await.unwrap();
    let path = dir.path().join("keys/ring");
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, bad).unwrap();
        assert!(secrets(dir.path(), &local(1)).await.is_err(), "byte {at}");
        std::fs::write(&path, &good[..at]).unwrap();
        assert!(secrets(dir.path(), &local(1)).await.is_err(), "cut to {at}");
    }
}

#[tokio::test]
async fn what_others_may_read_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    secrets(dir.path(), &local(1)).await.unwrap();
    for (name, mode, wanted) in [("keys/ring", 0o640, "chmod 600"), ("keys", 0o750, "chmod 700")] {
        let path = dir.path().join(name);
        let before = std::fs::metadata(&path).unwrap().permissions();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = secrets(dir.path(), &local(1)).await.unwrap_err().to_string();
        assert!(error.contains(wanted) && error.contains(&format!("{mode:04o}")), "{error}");
        std::fs::set_permissions(&path, before).unwrap();
    }
    assert!(secrets(dir.path(), &local(1)).await.is_ok());
}

#[tokio::test]
async fn key_encryption_keys_overlap_and_the_secrets_stay() {
    let dir = tempfile::tempdir().unwrap();
    let before = secrets(dir.path(), &local(1)).await.unwrap();
    let mut ring = open(&FileSystem, dir.path(), &local(1)).await.unwrap();
    ring.add_service(&local(2), BY, NOW).await.unwrap();
    assert!(matches!(ring.add_service(&local(2), BY, NOW).await, Err(KeyringError::Step(_))));
    assert!(matches!(open(&FileSystem, dir.path(), &local(1)).await, Err(KeyringError::InUse)));
    drop(ring);
    let mut ring = open(&FileSystem, dir.path(), &local(1)).await.unwrap();
    let refused = ring.retire_services(&local(1), BY, NOW).unwrap_err().to_string();
    assert!(refused.contains(local(2).name()), "{refused}");
    drop(ring);
    for byte in [1, 2] {
        assert_eq!(secrets(dir.path(), &local(byte)).await.unwrap(), before);
    }
    let mut ring = open(&FileSystem, dir.path(), &local(2)).await.unwrap();
    ring.retire_services(&local(2), BY, NOW).unwrap();
    let whats: Vec<_> = ring.keys(&local(2)).changes.iter().map(|change| change.what.clone()).collect();
    assert_eq!(whats, ["kek_added", "kek_retired"]);
    drop(ring);
    assert_eq!(secrets(dir.path(), &local(2)).await.unwrap(), before);
    assert!(matches!(secrets(dir.path(), &local(1)).await, Err(KeyringError::OtherKey { .. })));
}

#[tokio::test]
async fn signing_keys_overlap_until_the_new_one_has_signed() {
    let dir = tempfile::tempdir().unwrap();
    let service = local(1);
    let mut ring = open(&FileSystem, dir.path(), &service).await.unwrap();
    let old = ring.keys(&service).signing.remove(0);
    assert!(matches!(ring.retire_signing(&checkpoint(&old), BY, NOW), Err(KeyringError::Step(_))));
    let public = ring.add_signing(ORIGIN, BY, NOW).unwrap();
    assert!(matches!(ring.add_signing(ORIGIN, BY, NOW), Err(KeyringError::Step(_))));
    assert!(ring.retire_signing(&checkpoint(&old), BY, NOW).is_err(), "the new key has not signed");
    drop(ring);
    let mut ring = open(&FileSystem, dir.path(), &service).await.unwrap();
    let keys = ring.keys(&service);
    assert_eq!((keys.signing.len(), ring.signing().next()), (2, Some(&public)));
    ring.retire_signing(&checkpoint(&keys.signing[0]), BY, NOW).unwrap();
    drop(ring);
    let mut ring = open(&FileSystem, dir.path(), &service).await.unwrap();
    assert_eq!(ring.signing().collect::<Vec<_>>(), [&public]);
    let changes = ring.keys(&service).changes;
    assert_eq!(changes.len(), 2);
    assert_eq!(
        (&*changes[0].what, &changes[0].key, &*changes[1].what),
        ("signing_added", &public.to_string(), "signing_retired")
    );
    ring.told().unwrap();
    drop(ring);
    assert!(open(&FileSystem, dir.path(), &service).await.unwrap().keys(&service).changes.is_empty());
}

/// A file system that stops after so many operations that change something, as a process that is killed there.
fn stopping() -> (testing::Faulty, Arc<AtomicI64>) {
    let left = Arc::new(AtomicI64::new(i64::MAX));
    let counter = Arc::clone(&left);
    let storage = testing::Faulty::new(move |operation, _| match operation {
        Operation::Open(Access::Read) | Operation::CreateDir => Ok(()),
        _ if counter.fetch_sub(1, Ordering::SeqCst) > 0 => Ok(()),
        _ => Err(io::Error::other("stopped")),
    });
    (storage, left)
}

#[tokio::test]
async fn a_rotation_that_stops_at_any_step_leaves_a_ring_that_starts() {
    let mut outcomes = BTreeSet::new();
    for steps in 0..5 {
        for is_signing in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let before = secrets(dir.path(), &local(1)).await.unwrap();
            let (storage, left) = stopping();
            let mut ring = open(&storage, dir.path(), &local(1)).await.unwrap();
            left.store(steps, Ordering::SeqCst);
            let rotated = if is_signing {
                ring.add_signing(ORIGIN, BY, NOW).map(drop)
            } else {
                ring.add_service(&local(2), BY, NOW).await
            };
            assert!(rotated.is_err(), "{steps}");
            drop(ring);
            let after = secrets(dir.path(), &local(1)).await.unwrap();
            assert_eq!(
                (after.first(), after.last()),
                (before.first(), before.last()),
                "{steps}: what was there is there"
            );
            let with_new = secrets(dir.path(), &local(2)).await.is_ok();
            outcomes.insert((steps, is_signing, after.len(), with_new));
            // It goes on from there: the same step, or its end.
            let mut ring = open(&FileSystem, dir.path(), &local(1)).await.unwrap();
            let again = if is_signing {
                ring.add_signing(ORIGIN, BY, NOW).map(drop)
            } else {
                ring.add_service(&local(2), BY, NOW).await
            };
            let was_done = after.len() == 3 || with_new;
            assert_eq!(again.is_err(), was_done, "{steps}: {again:?}");
        }
    }
    // Stopped before the rename it is the ring before, after it (only its sync is missing) the one after.
    assert!(outcomes.contains(&(3, true, 2, false)) && outcomes.contains(&(4, true, 3, false)), "{outcomes:?}");
    assert!(outcomes.contains(&(3, false, 2, false)) && outcomes.contains(&(4, false, 2, true)), "{outcomes:?}");
}

/// A key service that fails as the network does, or answers what is wrong.
#[derive(Debug)]
struct Faulty {
    inner: LocalKey,
    fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Unavailable,
    OtherKey,
    Truncated,
}

impl KeyService for Faulty {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn wrap<'a>(&'a self, key: &'a Secret, purpose: &'a [u8]) -> Answer<'a, Vec<u8>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            match self.fault {
                Fault::Unavailable => Err(self.unavailable()),
                Fault::OtherKey => self.inner.wrap(&Secret::new([9; 32]), purpose).await,
                Fault::Truncated => self.inner.wrap(key, purpose).await.map(|wrapped| wrapped[..20].to_vec()),
            }
        })
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8], purpose: &'a [u8]) -> Answer<'a, Secret> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            match self.fault {
                Fault::Unavailable => Err(self.unavailable()),
                Fault::OtherKey => Ok(Secret::new([9; 32])),
                Fault::Truncated => self.inner.unwrap(&wrapped[..wrapped.len() / 2], purpose).await,
            }
        })
    }
}

impl Faulty {
    fn unavailable(&self) -> KeyServiceError {
        KeyServiceError::Unavailable { service: self.name().to_owned(), why: "no route to host".into() }
    }
}

#[tokio::test]
async fn a_key_service_that_fails_never_costs_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let before = secrets(dir.path(), &local(1)).await.unwrap();
    let path = dir.path().join("keys/ring");
    let ring = std::fs::read(&path).unwrap();
    for fault in [Fault::Unavailable, Fault::OtherKey, Fault::Truncated] {
        let faulty = Faulty { inner: local(1), fault };
        let error = secrets(dir.path(), &faulty).await.unwrap_err();
        assert_eq!(error.kind() == ErrorKind::Upstream, fault == Fault::Unavailable, "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), ring, "{fault:?}: nothing was written");
    }
    // A new key-encryption key that wraps wrongly would lock the ring for good once the old one is retired.
    for fault in [Fault::Unavailable, Fault::OtherKey, Fault::Truncated] {
        let faulty = Faulty { inner: local(2), fault };
        let mut ring = open(&FileSystem, dir.path(), &local(1)).await.unwrap();
        assert!(ring.add_service(&faulty, BY, NOW).await.is_err(), "{fault:?}");
    }
    assert_eq!(secrets(dir.path(), &local(1)).await.unwrap(), before);
    let empty = tempfile::tempdir().unwrap();
    for fault in [Fault::Unavailable, Fault::OtherKey, Fault::Truncated] {
        let faulty = Faulty { inner: local(1), fault };
        assert!(secrets(empty.path(), &faulty).await.is_err(), "{fault:?}");
        assert!(!empty.path().join("keys/ring").exists(), "{fault:?}: no ring that cannot be opened");
    }
}
