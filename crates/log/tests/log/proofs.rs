//! Proofs as files, under attack: whoever alters any character, line or order of one must not be believed.

use std::sync::Arc;

use vidimus_log::proof::ProofError;
use vidimus_log::testing::Disk;
use vidimus_log::{Checkpoint, Cosigner, Entry, Hash, InclusionProof, Log, Signer, Storage, WitnessPolicy};

use super::{ORIGIN, eventually, key, options, signer};

const LEAF: &[u8] = br#"{"seq":1}"#;

fn witness(number: u8) -> Cosigner {
    Cosigner::from_seed(&format!("witness.example/{number}"), &[100 + number; 32]).unwrap()
}

/// Both of two witnesses must have cosigned.
fn policy() -> WitnessPolicy {
    let (one, two) = (witness(1), witness(2));
    format!("log {}\nwitness a {}\nwitness b {}\ngroup both all a b\nquorum both\n", key(), one.key(), two.key())
        .parse()
        .unwrap()
}

/// The proof of an entry in the middle of a log, cosigned by both witnesses, with the entry as extra data.
fn proof() -> InclusionProof {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let (log, _) = Log::open(disk as Arc<dyn Storage>, options(dir.path()), signer()).unwrap();
    for other in 0..20_u8 {
        let leaf = if other == 7 { LEAF } else { &[other] };
        log.append(&[Entry::Leaf(leaf)]).unwrap();
    }
    eventually("integration", || log.status().integrated == 20);
    let mut proof = log.prove(7).unwrap();
    let (text, _) = vidimus_log::note::open(&proof.checkpoint, &[key()]).unwrap();
    let lines: String = [1, 2].map(|number| witness(number).cosign(text, 1_700_000_000).unwrap()).concat();
    proof.checkpoint.push_str(&lines);
    proof.extra = Some(LEAF.to_vec());
    proof
}

/// What a careful reader of the file does: the leaf is what it carries.
fn is_believed(file: &str) -> bool {
    let Ok(proof) = file.parse::<InclusionProof>() else { return false };
    let Some(leaf) = &proof.extra else { return false };
    proof.verify_by(leaf, &policy()).is_ok()
}

#[test]
fn a_proof_with_its_leaf_and_cosignatures_stands_alone() {
    let proof = proof();
    let (file, policy) = (proof.to_string(), policy());
    assert!(is_believed(&file));
    let witnessed = proof.verify_by(LEAF, &policy).unwrap();
    assert_eq!((witnessed.checkpoint.size, witnessed.cosignatures.len()), (20, 2));
    assert_eq!(witnessed.cosignatures[0].seconds, 1_700_000_000);
    assert!(proof.verify(LEAF, &[key()]).is_ok(), "the log's key alone");
}

#[test]
fn every_character_of_a_proof_counts() {
    let file = proof().to_string();
    for (at, character) in file.char_indices() {
        for other in ["A", "B", "0", "1", "=", " ", "\n", ""] {
            let mut altered = file.clone();
            altered.replace_range(at..at + character.len_utf8(), other);
            assert!(altered == file || !is_believed(&altered), "{other:?} for {character:?} at {at}:\n{altered}");
        }
    }
    for end in 0..file.len() {
        assert!(!file.is_char_boundary(end) || !is_believed(&file[..end]), "cut at {end}");
    }
    for tail in ["\n", " ", "x", "\0", "\n\n"] {
        assert!(!is_believed(&format!("{file}{tail}")), "{tail:?}");
    }
}

#[test]
fn every_line_of_a_proof_counts_and_stands_in_its_place() {
    let file = proof().to_string();
    let lines: Vec<&str> = file.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(at);
        assert!(!is_believed(&without.concat()), "without line {at}");
        for with in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, with);
            // The order of signatures says nothing, and the two empty lines are equal.
            let are_signatures = [at, with].iter().all(|line| lines[*line].starts_with('\u{2014}'));
            let is_same = are_signatures || lines[at] == lines[with];
            assert_eq!(is_believed(&swapped.concat()), is_same, "lines {at} and {with} swapped");
        }
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at]);
        assert_eq!(is_believed(&doubled.concat()), lines[at].starts_with('\u{2014}'), "line {at} twice");
    }
}

#[test]
fn what_others_signed_is_not_believed() {
    let proof = proof();
    let (text, _) = vidimus_log::note::open(&proof.checkpoint, &[key()]).unwrap();
    let cosigned: String = proof
        .checkpoint
        .lines()
        .filter(|line| line.contains("witness.example"))
        .fold(String::new(), |lines, line| lines + line + "\n");
    // The log under another key, with the witnesses' true cosignatures.
    let forged = Signer::from_seed(ORIGIN, &[8; 32]).unwrap().sign(text).unwrap() + &cosigned;
    let altered = InclusionProof { checkpoint: forged, ..proof.clone() };
    assert!(matches!(altered.verify_by(LEAF, &policy()), Err(ProofError::Checkpoint(_))));
    // The log's key holder rewrites history: the witnesses have signed the true one.
    let rewritten = Checkpoint { origin: ORIGIN.into(), size: 20, root: Hash::of_leaf(b"other") }.to_string();
    let altered = InclusionProof { checkpoint: signer().sign(&rewritten).unwrap() + &cosigned, ..proof.clone() };
    assert!(matches!(altered.verify_by(LEAF, &policy()), Err(ProofError::Checkpoint(_))));
    // Without the witnesses, and with one of them only.
    let bare = InclusionProof { checkpoint: signer().sign(text).unwrap(), ..proof.clone() };
    assert!(matches!(bare.verify_by(LEAF, &policy()), Err(ProofError::Unwitnessed(_))));
    let one = bare.checkpoint.clone() + &witness(1).cosign(text, 5).unwrap();
    let altered = InclusionProof { checkpoint: one, ..proof.clone() };
    assert!(matches!(altered.verify_by(LEAF, &policy()), Err(ProofError::Unwitnessed(_))));
    // Another entry of the same log.
    assert!(matches!(proof.verify_by(&[6], &policy()), Err(ProofError::Mismatch { index: 7, size: 20 })));
}

#[test]
fn cosignatures_are_kept_with_their_checkpoint_and_proofs_prefer_it() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let (log, _) = super::open_on(&disk, dir.path()).unwrap();
    let append = |log: &Log, leaves: std::ops::Range<u8>| {
        let size = u64::from(leaves.end);
        for leaf in leaves {
            log.append(&[Entry::Leaf(&[leaf])]).unwrap();
        }
        eventually("integration", || log.status().integrated == size);
    };
    append(&log, 0..5);
    let witnessing = log.witnessing();
    let (checkpoint, note) = witnessing.checkpoint();
    let line = witness(1).cosign(&checkpoint.to_string(), 7).unwrap();
    witnessing.add(&note, &line).unwrap();
    assert_eq!(*log.checkpoint(), format!("{note}{line}"));
    // A second witness later, on the checkpoint as it is then.
    let second = witness(2).cosign(&checkpoint.to_string(), 9).unwrap();
    witnessing.add(&log.checkpoint(), &second).unwrap();
    append(&log, 5..9);
    assert!(!log.checkpoint().contains("witness"), "the newest is another");
    let proof = log.prove(4).unwrap();
    assert_eq!(policy().open(&proof.checkpoint).unwrap().checkpoint.size, 5);
    assert!(proof.verify_by(&[4], &policy()).is_ok());
    // What it does not cover is proved by the newest.
    assert!(matches!(log.prove(6).unwrap().verify_by(&[6], &policy()), Err(ProofError::Unwitnessed(_))));
    // What comes late, or again, takes nothing away.
    witnessing.add(&note, &line).unwrap();
    assert!(log.prove(4).unwrap().verify_by(&[4], &policy()).is_ok());
    log.close().unwrap();
    drop((log, witnessing));

    let (log, _) = super::open_on(&disk, dir.path()).unwrap();
    assert!(log.prove(4).unwrap().checkpoint.contains("witness"), "they survive a restart");
    let (path, (newest, _)) = (log.witnessing().consistency(5, 9).unwrap(), log.witnessing().checkpoint());
    assert!(vidimus_log::tree::verify_consistency(5, &checkpoint.root, 9, &newest.root, &path));
    log.close().unwrap();
    drop(log);

    // The newest checkpoint was replaced by an older one that the log had signed.
    let file = dir.path().join("log/cosigned");
    let ahead = Checkpoint { size: 10, ..newest };
    let signed = signer().sign(&ahead.to_string()).unwrap() + &witness(1).cosign(&ahead.to_string(), 7).unwrap();
    disk.tamper(&file, |bytes| *bytes = signed.into_bytes());
    let refused = super::open_on(&disk, dir.path()).unwrap_err().to_string();
    assert!(refused.contains("expected at most size 9") && refused.contains("found size 10"), "{refused}");
}

#[test]
fn a_checkpoint_cosigned_at_a_thousand_starts_keeps_one_line_of_each_witness() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::default());
    let (log, _) = super::open_on(&disk, dir.path()).unwrap();
    log.append(&[Entry::Leaf(b"a")]).unwrap();
    eventually("integration", || log.status().integrated == 1);
    let (checkpoint, note) = log.witnessing().checkpoint();
    let text = checkpoint.to_string();
    for seconds in 0..1000 {
        let lines: String = [1, 2].map(|number| witness(number).cosign(&text, seconds).unwrap()).concat();
        log.witnessing().add(&note, &lines).unwrap();
    }
    let newest: String = [1, 2].map(|number| witness(number).cosign(&text, 999).unwrap()).concat();
    assert_eq!(*log.checkpoint(), format!("{note}{newest}"), "the later line replaces the earlier");
    log.close().unwrap();
    drop(log);
    let (log, _) = super::open_on(&disk, dir.path()).unwrap();
    assert_eq!(policy().open(&log.prove(0).unwrap().checkpoint).unwrap().checkpoint.size, 1);
}
