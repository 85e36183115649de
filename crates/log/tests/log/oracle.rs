//! Agreement with `tlog_tiles` and `signed_note`, which know nothing of this code: roots, proofs, tiles, notes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles as oracle;
use vidimus_log::note::NoteError;
use vidimus_log::testing::Disk;
use vidimus_log::tree::{Nodes, consistency_path, inclusion_path, range_hash, verify_consistency, verify_inclusion};
use vidimus_log::{Checkpoint, Entry, Hash, InclusionProof, Log, Options, Signer, Storage, VerifierKey};

use super::{ORIGIN, eventually, key, options, signer};

/// A tree as the oracle keeps it: every hash that is ever stored, in its order.
#[derive(Default)]
struct Stored(Vec<oracle::Hash>);

impl Stored {
    fn of(leaves: &[Vec<u8>]) -> Self {
        let mut stored = Self::default();
        for (index, leaf) in (0..).zip(leaves) {
            stored.push_at(index, leaf);
        }
        stored
    }

    fn push_at(&mut self, index: u64, leaf: &[u8]) {
        let hashes = oracle::stored_hashes(index, leaf, self).unwrap();
        self.0.extend(hashes);
    }

    fn root(&self, size: u64) -> oracle::Hash {
        oracle::tree_hash(size, self).unwrap()
    }
}

impl oracle::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<oracle::Hash>, oracle::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

/// The nodes of a tree over leaves in memory.
struct Leaves<'a>(&'a [Vec<u8>]);

impl Nodes for Leaves<'_> {
    type Error = std::convert::Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        if level == 0 {
            return Ok(Hash::of_leaf(&self.0[usize::try_from(index).unwrap()]));
        }
        let left = self.node(level - 1, 2 * index)?;
        Ok(Hash::of_node(&left, &self.node(level - 1, 2 * index + 1)?))
    }
}

fn theirs(hashes: &[Hash]) -> Vec<oracle::Hash> {
    hashes.iter().map(|hash| oracle::Hash(hash.0)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn proofs_agree_and_any_change_breaks_them(
        size in 1_usize..200, at in any::<prop::sample::Index>(), older in any::<prop::sample::Index>(),
        bit in any::<prop::sample::Index>(),
    ) {
        let leaves: Vec<Vec<u8>> = (0..size).map(|n| n.to_be_bytes()[8 - n % 8..].to_vec()).collect();
        let stored = Stored::of(&leaves);
        let (index, old) = (at.index(size), older.index(size) + 1);
        let (size, at, before) = (u64::try_from(size).unwrap(), u64::try_from(index).unwrap(), u64::try_from(old).unwrap());
        let mut nodes = Leaves(&leaves);
        let root = range_hash(&mut nodes, 0, size).unwrap();
        prop_assert_eq!(oracle::Hash(root.0), stored.root(size));

        let mut path = inclusion_path(&mut nodes, at, size).unwrap();
        prop_assert_eq!(theirs(&path), oracle::prove_record(size, at, &stored).unwrap());
        let leaf = Hash::of_leaf(&leaves[index]);
        prop_assert!(verify_inclusion(&leaf, at, size, &path, &root));
        prop_assert!(!verify_inclusion(&leaf, size, size, &path, &root));
        prop_assert!(!verify_inclusion(&Hash::of_leaf(b"another"), at, size, &path, &root));
        // Another index of the same tree has this path only if it has this leaf's place.
        for other in 0..size {
            prop_assert_eq!(verify_inclusion(&leaf, other, size, &path, &root), other == at);
        }
        if !path.is_empty() {
            let bit = bit.index(path.len() * 256);
            path[bit / 256].0[bit / 8 % 32] ^= 1 << (bit % 8);
            prop_assert!(!verify_inclusion(&leaf, at, size, &path, &root));
            path[bit / 256].0[bit / 8 % 32] ^= 1 << (bit % 8);
            prop_assert!(!verify_inclusion(&leaf, at, size, &path[..path.len() - 1], &root));
        }
        path.push(root);
        prop_assert!(!verify_inclusion(&leaf, at, size, &path, &root));

        let old_root = range_hash(&mut nodes, 0, before).unwrap();
        let mut path = consistency_path(&mut nodes, before, size).unwrap();
        prop_assert_eq!(theirs(&path), oracle::prove_tree(size, before, &stored).unwrap());
        prop_assert!(verify_consistency(before, &old_root, size, &root, &path));
        prop_assert!(!verify_consistency(before, &leaf, size, &root, &path) || leaf == old_root);
        prop_assert!(!verify_consistency(size + 1, &old_root, size, &root, &path));
        if !path.is_empty() {
            let bit = bit.index(path.len() * 256);
            path[bit / 256].0[bit / 8 % 32] ^= 1 << (bit % 8);
            prop_assert!(!verify_consistency(before, &old_root, size, &root, &path));
            path[bit / 256].0[bit / 8 % 32] ^= 1 << (bit % 8);
            prop_assert!(!verify_consistency(before, &old_root, size, &root, &path[1..]));
        }
        path.push(root);
        prop_assert!(!verify_consistency(before, &old_root, size, &root, &path));
    }
}

/// Our tiles as the oracle's reader wants them. Its paths carry the tile height, ours do not.
struct Tiles {
    disk: Arc<Disk>,
    dir: PathBuf,
}

impl oracle::TileReader for Tiles {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[oracle::Tile]) -> Result<Vec<Vec<u8>>, oracle::Error> {
        let files = self.disk.all();
        let path = |tile: &oracle::Tile| self.dir.join("log").join(tile.path().replacen("tile/8/", "tile/", 1));
        Ok(tiles
            .iter()
            .map(|tile| files.get(&path(tile)).unwrap_or_else(|| unreachable!("{tile:?}")).clone())
            .collect())
    }

    fn save_tiles(&self, _: &[oracle::Tile], _: &[Vec<u8>]) {}
}

/// Opens the note with the oracles alone.
fn opened_by_oracle(note: &str) -> oracle::Checkpoint {
    let verifier = StandardVerifier::new(&key().to_string()).unwrap();
    let note = Note::from_bytes(note.as_bytes()).unwrap();
    note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    oracle::Checkpoint::from_bytes(note.text()).unwrap()
}

#[test]
fn checkpoints_tiles_and_proofs_of_a_growing_log_agree() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let options =
        Options { max_journal_bytes: 64 << 20, checkpoint_interval: Duration::from_millis(1), ..options(dir.path()) };
    let (log, _) = Log::open(Arc::clone(&disk) as Arc<dyn Storage>, options, signer()).unwrap();
    let tiles = Tiles { disk: Arc::clone(&disk), dir: dir.path().to_path_buf() };
    let leaf = |index: u64| index.to_be_bytes();
    let mut stored = Stored::default();
    let mut before = (0, Hash::empty_root());
    // Around every boundary of tiles and levels; 65,536 entries fill the second level.
    for size in [1, 2, 3, 255, 256, 257, 511, 513, 1000, 65_279, 65_535, 65_536, 65_537, 66_000_u64] {
        let new: Vec<_> = (before.0..size).map(leaf).collect();
        for batch in new.chunks(300) {
            let entries: Vec<_> = batch.iter().map(|leaf| Entry::Leaf(leaf)).collect();
            log.append(&entries).unwrap();
        }
        (before.0..size).for_each(|index| stored.push_at(index, &leaf(index)));
        let last = log.append(&[]).unwrap().position;
        log.durable(last).wait().unwrap();
        eventually("integration", || log.status().integrated == size);

        let checkpoint = opened_by_oracle(&log.checkpoint());
        let root = stored.root(size);
        assert_eq!((checkpoint.origin(), checkpoint.size(), checkpoint.hash()), (ORIGIN, size, &root), "size {size}");
        let reader = oracle::TileHashReader::new(size, root, &tiles);
        for index in [0, 1, 254, 255, 256, 300, 65_279, 65_535, 65_536, size - 1, size / 2] {
            if index < size {
                let proof = log.prove(index).unwrap();
                let hash = oracle::record_hash(&leaf(index));
                oracle::check_record(&theirs(&proof.path), size, root, index, hash).unwrap();
                // The oracle makes the same proof from our tiles, which it authenticates on the way.
                assert_eq!(oracle::prove_record(size, index, &reader).unwrap(), theirs(&proof.path));
                assert_eq!(proof.to_string().parse(), Ok(proof));
            }
        }
        let path = log.witnessing().consistency(before.0, size).unwrap();
        assert!(verify_consistency(before.0, &before.1, size, &Hash(root.0), &path));
        if before.0 > 0 {
            oracle::check_tree(&theirs(&path), size, root, before.0, oracle::Hash(before.1.0)).unwrap();
        }
        before = (size, Hash(root.0));
    }
    log.close().unwrap();
    let files = disk.all();
    let names: Vec<_> = files.keys().filter(|path| path.starts_with(dir.path().join("log/tile/2"))).collect();
    assert_eq!(names, [&dir.path().join("log/tile/2/000.p/1")]);
    let old = dir.path().join("log/tile/0/000.p");
    assert!(!files.keys().any(|path| path.starts_with(&old)), "partial tiles go when the full one is durable");
}

#[test]
fn notes_signed_by_the_oracle_open_and_changed_ones_do_not() {
    let seed = [3; 32];
    let public = Signer::from_seed("witness.example/w", &seed).unwrap().verifier().to_string();
    let (name_and_id, _) = public.rsplit_once('+').unwrap();
    let private = format!("PRIVATE+KEY+{name_and_id}+{}", STANDARD.encode([&[1], &seed[..]].concat()));
    let theirs = StandardSigner::new(&private).unwrap();
    let their_key: VerifierKey = public.parse().unwrap();
    assert_eq!(their_key.to_string(), public);

    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: 9, root: Hash::empty_root() };
    let note = signer().sign(&checkpoint.to_string()).unwrap();
    let mut cosigned = Note::from_bytes(note.as_bytes()).unwrap();
    cosigned.add_sigs(&[&theirs]).unwrap();
    let cosigned = String::from_utf8(cosigned.to_bytes()).unwrap();
    assert_eq!(Checkpoint::open(&cosigned, &[key()]), Ok(checkpoint.clone()), "unknown signatures are ignored");
    assert_eq!(Checkpoint::open(&cosigned, &[key(), their_key.clone()]), Ok(checkpoint));
    assert_eq!(vidimus_log::note::open(&cosigned, std::slice::from_ref(&their_key)).unwrap().1, &their_key);
    // The origin must be the signer's name: a witness alone does not make a checkpoint of the log.
    assert!(matches!(Checkpoint::open(&cosigned, std::slice::from_ref(&their_key)), Err(NoteError::BadCheckpoint(_))));
    assert_eq!(Checkpoint::open(&note, std::slice::from_ref(&their_key)), Err(NoteError::UnknownSigner));

    let changed = cosigned.replacen("\n9\n", "\n8\n", 1);
    assert_eq!(Checkpoint::open(&changed, &[key()]), Err(NoteError::BadSignature(ORIGIN.into())));
    for malformed in [
        cosigned.trim_end().to_owned(),
        cosigned.replacen("\n\n", "\n", 1),
        cosigned.replace('\u{2014}', "-"),
        cosigned.replacen('9', "\t9", 1),
        format!("{cosigned}\u{2014} x\n"),
        format!("{cosigned}\u{2014} x !!\n"),
        format!("{cosigned}\u{2014} x AAA=\n"),
        String::new(),
    ] {
        assert!(matches!(Checkpoint::open(&malformed, &[key()]), Err(NoteError::Malformed(_))), "{malformed:?}");
    }
    for bad in ["", "a+b", "a+00000000+AQ==", &public.replacen("witness", "vitness", 1), &public[..public.len() - 4]] {
        assert_eq!(bad.parse::<VerifierKey>(), Err(NoteError::BadVerifierKey), "{bad}");
    }
    for bad in ["", "a b", "a+b", "a\nb", "a\u{a0}b"] {
        assert!(Signer::from_seed(bad, &[1; 32]).is_err(), "{bad:?}");
    }
}

#[test]
fn texts_that_are_no_checkpoint_or_proof_are_refused() {
    let root = Hash::empty_root();
    for bad in [
        "",
        "o\n1\n",
        "\n1\nAAAA\n",
        &format!("o\n01\n{root}\n"),
        &format!("o\n-1\n{root}\n"),
        &format!("o\n1\n{root}"),
        &format!("o\n1\n{root}\n\n"),
        "o\n1\nAAAA\n",
        &format!("o\n18446744073709551616\n{root}\n"),
    ] {
        assert!(bad.parse::<Checkpoint>().is_err(), "{bad:?}");
    }
    assert_eq!(format!("o\n1\n{root}\nextension\n").parse::<Checkpoint>().unwrap().size, 1);

    let note =
        signer().sign(&Checkpoint { origin: ORIGIN.into(), size: 1, root: Hash::of_leaf(b"x") }.to_string()).unwrap();
    let good = format!("c2sp.org/tlog-proof@v1\nextra AAEC\nindex 0\n\n{note}");
    let proof: InclusionProof = good.parse().unwrap();
    assert_eq!((proof.extra.as_deref(), proof.index, proof.path.len()), (Some(&[0, 1, 2][..]), 0, 0));
    assert_eq!(proof.to_string(), good);
    assert!(proof.verify(b"x", &[key()]).is_ok() && proof.verify(b"y", &[key()]).is_err());
    for (from, to) in [
        ("@v1", "@v2"),
        ("index 0", "index 00"),
        ("index 0", "index"),
        ("AAEC", "AAE"),
        ("0\n\n", "0\nAAAA\n\n"),
        ("\n\n", "\n"),
    ] {
        let changed = good.replace(from, to);
        assert!(changed.parse::<InclusionProof>().is_err(), "{changed}");
    }
    let long = good.replace("0\n\n", &format!("0\n{}\n", format!("{root}\n").repeat(65)));
    assert!(long.parse::<InclusionProof>().is_err());
}
