//! Agreement with `ct-merkle`, an implementation of RFC 6962 trees that shares nothing with ours but the RFC: every
//! inclusion proof and every consistency proof in all trees up to a size, in both directions.

use std::convert::Infallible;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use sha2::Sha256;
use vidimus_log::Hash;
use vidimus_log::tree::{Nodes, consistency_path, inclusion_path, range_hash, verify_consistency, verify_inclusion};

/// More than one full tile is not needed here: trees know nothing of tiles.
const SIZES: u64 = 70;

/// A tree whose leaf of an index is that index as text.
struct Tree;

impl Nodes for Tree {
    type Error = Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Infallible> {
        if level == 0 {
            return Ok(Hash::of_leaf(leaf(index).as_bytes()));
        }
        Ok(Hash::of_node(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?))
    }
}

fn leaf(index: u64) -> String {
    index.to_string()
}

fn concatenated(path: &[Hash]) -> Vec<u8> {
    path.iter().flat_map(|hash| hash.0).collect()
}

fn hashes(concatenated: &[u8]) -> Vec<Hash> {
    concatenated.as_chunks().0.iter().map(|hash| Hash(*hash)).collect()
}

fn theirs(root: &Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new(root.0.into(), size)
}

#[test]
fn ct_merkle_verifies_all_our_proofs_and_we_all_of_its() {
    let mut tree = MemoryBackedTree::<Sha256, String>::new();
    let mut roots = Vec::new();
    for size in 1..=SIZES {
        tree.push(leaf(size - 1));
        let root = range_hash(&mut Tree, 0, size).unwrap();
        assert!(tree.root() == theirs(&root, size), "root of {size}");
        for index in 0..size {
            let path = inclusion_path(&mut Tree, index, size).unwrap();
            let proof = InclusionProof::try_from_bytes(concatenated(&path)).unwrap();
            theirs(&root, size).verify_inclusion(&leaf(index), index, &proof).unwrap();
            assert!(theirs(&root, size).verify_inclusion(&leaf(index + 1), index, &proof).is_err());
            let path = hashes(tree.prove_inclusion(usize::try_from(index).unwrap()).as_bytes());
            assert!(verify_inclusion(&Hash::of_leaf(leaf(index).as_bytes()), index, size, &path, &root));
        }
        for (old, old_root) in (1..).zip(&roots) {
            let path = consistency_path(&mut Tree, old, size).unwrap();
            let proof = ConsistencyProof::try_from_bytes(concatenated(&path)).unwrap();
            theirs(&root, size).verify_consistency(&theirs(old_root, old), &proof).unwrap();
            assert!(theirs(&root, size).verify_consistency(&theirs(&root, old), &proof).is_err());
            let path = hashes(tree.prove_consistency(usize::try_from(size - old).unwrap()).as_bytes());
            assert!(verify_consistency(old, old_root, size, &root, &path), "{old} to {size}");
        }
        roots.push(root);
    }
}
