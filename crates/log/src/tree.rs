//! RFC 6962 §2.1 Merkle trees: hashing, roots, inclusion and consistency proofs, and their verification.
//!
//! Provers read perfect subtrees through [`Nodes`]; verifiers need only hashes (algorithms of RFC 9162 §2.1.3.2 and
//! §2.1.4.2, which state RFC 6962's rules as steps).

use std::fmt;

use aws_lc_rs::digest;

use crate::codec::{base64, from_base64};

/// Prefix of a leaf's hash input (RFC 6962 §2.1).
const LEAF_PREFIX: u8 = 0;
/// Prefix of a node's hash input (RFC 6962 §2.1).
const NODE_PREFIX: u8 = 1;

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The root of the tree without leaves: SHA-256 of nothing.
    pub fn empty_root() -> Self {
        digested(digest::Context::new(&digest::SHA256))
    }

    /// The hash of a leaf.
    pub fn of_leaf(leaf: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[LEAF_PREFIX]);
        context.update(leaf);
        digested(context)
    }

    /// The hash of the node above `left` and `right`.
    pub fn of_node(left: &Self, right: &Self) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[NODE_PREFIX]);
        context.update(&left.0);
        context.update(&right.0);
        digested(context)
    }

    /// Reads standard base64 of exactly 32 bytes.
    pub fn from_base64(text: &str) -> Option<Self> {
        from_base64(text)?.try_into().ok().map(Self)
    }

    /// Reads the lines of a proof, at most `limit` of them.
    pub(crate) fn parse_lines<'t>(
        lines: impl Iterator<Item = &'t str>,
        limit: usize,
    ) -> Result<Vec<Self>, &'static str> {
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == limit {
                return Err("too many hashes");
            }
            hashes.push(Self::from_base64(line).ok_or("a hash that is not base64 of 32 bytes")?);
        }
        Ok(hashes)
    }
}

fn digested(context: digest::Context) -> Hash {
    let mut hash = Hash([0; 32]);
    // The lengths agree by the choice of the algorithm.
    for (to, from) in hash.0.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    hash
}

impl fmt::Display for Hash {
    /// Standard base64, as checkpoints write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// The hash over a perfect or imperfect subtree whose lowest hashes are given; `None` for none.
pub(crate) fn fold(hashes: &[Hash]) -> Option<Hash> {
    fold_with(hashes, None)
}

/// Like [`fold`], with the hash of everything to the right of `hashes` in the tree.
pub(crate) fn fold_with(hashes: &[Hash], right: Option<Hash>) -> Option<Hash> {
    match hashes {
        [] => right,
        [one] => Some(match right {
            None => *one,
            Some(right) => Hash::of_node(one, &right),
        }),
        _ if right.is_none() => {
            let (left, rest) = hashes.split_at(split(hashes.len()));
            Some(Hash::of_node(&fold(left)?, &fold(rest)?))
        }
        _ => {
            // The largest perfect subtree stands leftmost, what remains joins the right side.
            let largest = 1 << hashes.len().ilog2();
            let (left, rest) = hashes.split_at(largest);
            Some(Hash::of_node(&fold(left)?, &fold_with(rest, right)?))
        }
    }
}

/// The largest power of two below `size` (RFC 6962 §2.1's `k`); for `size` of at least 2.
fn split(size: usize) -> usize {
    1 << size.saturating_sub(1).ilog2()
}

/// Where hashes of perfect subtrees come from.
pub trait Nodes {
    /// Why a hash is not to be had.
    type Error;

    /// The hash over leaves `index * 2^level` to `(index + 1) * 2^level`.
    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The hash over leaves `from..to`, a subtree of the tree (RFC 6962 `MTH(D[from:to])`).
pub fn range_hash<N: Nodes>(nodes: &mut N, from: u64, to: u64) -> Result<Hash, N::Error> {
    let size = to.saturating_sub(from);
    if size == 0 {
        return Ok(Hash::empty_root());
    }
    let level = size.ilog2();
    if size.is_power_of_two() {
        return nodes.node(level, from >> level);
    }
    let middle = from + (1 << level);
    let left = range_hash(nodes, from, middle)?;
    Ok(Hash::of_node(&left, &range_hash(nodes, middle, to)?))
}

/// The inclusion proof of leaf `index` in the tree of `size`, from the leaf's sibling up (RFC 6962 §2.1.1).
pub fn inclusion_path<N: Nodes>(nodes: &mut N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let mut path = Vec::new();
    let (mut from, mut to) = (0, size);
    while to - from > 1 {
        let middle = from + (1 << (to - from - 1).ilog2());
        if index < middle {
            path.push(range_hash(nodes, middle, to)?);
            to = middle;
        } else {
            path.push(range_hash(nodes, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The consistency proof between the trees of `old` and `new` leaves, `0 < old <= new` (RFC 6962 §2.1.2).
pub fn consistency_path<N: Nodes>(nodes: &mut N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    let mut path = Vec::new();
    let (mut from, mut to) = (0, new);
    while to != old {
        let middle = from + (1 << (to - from - 1).ilog2());
        if old <= middle {
            path.push(range_hash(nodes, middle, to)?);
            to = middle;
        } else {
            path.push(range_hash(nodes, from, middle)?);
            from = middle;
        }
    }
    if from > 0 {
        // The old tree is no node of its own root's left edge, so the verifier needs its last subtree.
        path.push(range_hash(nodes, from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` proves that `leaf` is entry `index` of the tree with `size` leaves and this `root`.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = Hash::of_node(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = Hash::of_node(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `path` proves that the tree of `new` leaves begins with the tree of `old` leaves.
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, path: &[Hash]) -> bool {
    if old == new {
        return path.is_empty() && old_root == new_root;
    }
    if old == 0 || old > new {
        // Every tree begins with the empty one, which needs no proof; a tree never shrinks.
        return old == 0 && path.is_empty() && *old_root == Hash::empty_root();
    }
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let mut path = path.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return false };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = Hash::of_node(sibling, &old_hash);
            new_hash = Hash::of_node(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = Hash::of_node(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}
