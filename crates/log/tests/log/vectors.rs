//! RFC 6962 §2.1: the reference data of the Certificate Transparency implementations, which all of them share.
//!
//! Eight leaves, the root of each of their trees, and paths in them. Facts, written here as data.

use std::convert::Infallible;

use vidimus_log::Hash;
use vidimus_log::tree::{Nodes, consistency_path, inclusion_path, range_hash, verify_consistency, verify_inclusion};

const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const EMPTY_ROOT: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const NODE_2_3: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const NODE_4_7: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const NODE_6_7: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const NODE_4_5: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const LEAF_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const LEAF_4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";

/// Leaf, size, path.
const INCLUSION: [(u64, u64, &[&str]); 5] = [
    (0, 1, &[]),
    (0, 8, &[LEAF_1, NODE_2_3, NODE_4_7]),
    (5, 8, &[LEAF_4, NODE_6_7, ROOTS[3]]),
    (2, 3, &[ROOTS[1]]),
    (1, 5, &[ROOTS[0], NODE_2_3, LEAF_4]),
];

/// Old size, new size, path.
const CONSISTENCY: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (1, 8, &[LEAF_1, NODE_2_3, NODE_4_7]),
    (6, 8, &[NODE_4_5, NODE_6_7, ROOTS[3]]),
    (2, 5, &[NODE_2_3, LEAF_4]),
];

struct Tree;

impl Nodes for Tree {
    type Error = Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Infallible> {
        if level == 0 {
            return Ok(Hash::of_leaf(&bytes(LEAVES[usize::try_from(index).unwrap()])));
        }
        Ok(Hash::of_node(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?))
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hash(hex: &str) -> Hash {
    Hash(bytes(hex).try_into().unwrap())
}

fn root(size: u64) -> Hash {
    hash(ROOTS[usize::try_from(size - 1).unwrap()])
}

#[test]
fn roots_are_those_of_the_reference_data() {
    assert_eq!(Hash::empty_root(), hash(EMPTY_ROOT));
    for size in 1..=8 {
        assert_eq!(range_hash(&mut Tree, 0, size), Ok(root(size)), "{size}");
    }
}

#[test]
fn paths_are_those_of_the_reference_data() {
    for (leaf, size, path) in INCLUSION {
        let path: Vec<_> = path.iter().map(|node| hash(node)).collect();
        assert_eq!(inclusion_path(&mut Tree, leaf, size), Ok(path.clone()), "{leaf} in {size}");
        let hashed = Tree.node(0, leaf).unwrap();
        assert!(verify_inclusion(&hashed, leaf, size, &path, &root(size)), "{leaf} in {size}");
        assert!(!verify_inclusion(&hashed, leaf ^ 1, size, &path, &root(size)), "{leaf} in {size}");
    }
    for (old, new, path) in CONSISTENCY {
        let path: Vec<_> = path.iter().map(|node| hash(node)).collect();
        assert_eq!(consistency_path(&mut Tree, old, new), Ok(path.clone()), "{old} to {new}");
        assert!(verify_consistency(old, &root(old), new, &root(new), &path), "{old} to {new}");
        assert!(!verify_consistency(old, &root(old), new, &hash(NODE_4_7), &path), "{old} to {new}");
    }
}
