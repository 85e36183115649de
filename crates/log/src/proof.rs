//! Inclusion proofs as files: C2SP `.tlog-proof`, which one can verify offline with public keys alone: the log's, and
//! those of witnesses where a policy asks for them.
//!
//! A proof is of a leaf, which it does not hold; as extra data it may carry the leaf, which the proof then shows to be
//! what is in the log. Refused: hashes that are not 32 bytes of base64, more lines than a tree of 2^64 leaves has levels,
//! an index outside the checkpoint's tree.

use std::fmt;
use std::str::FromStr;

use vidimus_core::ErrorKind;

use crate::codec::{base64, decimal, from_base64};
use crate::frame::MAX_LEAF_BYTES;
use crate::note::{Checkpoint, MAX_NOTE_BYTES, NoteError, VerifierKey};
use crate::policy::{Unwitnessed, WitnessPolicy, Witnessed};
use crate::tree::{Hash, verify_inclusion};

/// The first line of a proof file (tlog-proof, "Format").
pub const VERSION: &str = "c2sp.org/tlog-proof@v1";
/// The most hashes in a path: one per level of a tree with 64-bit indexes.
const MAX_PATH: usize = 64;

/// The longest proof file in bytes: extra data of the longest leaf, the path and the checkpoint.
pub const MAX_PROOF_BYTES: usize = MAX_NOTE_BYTES + 2 * MAX_LEAF_BYTES + 64 * 64;

/// Why a proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The text is no proof.
    #[error("no tlog-proof: {0}")]
    Malformed(&'static str),
    /// The checkpoint in it was refused.
    #[error("the proof's checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// Too few witnesses have cosigned it.
    #[error("the proof's checkpoint: {0}")]
    Unwitnessed(Unwitnessed),
    /// The hashes do not lead from the entry to the checkpoint's root.
    #[error("entry {index} is not proven: its hash does not lead to the root of the checkpoint of size {size}")]
    Mismatch {
        /// The index the proof claims.
        index: u64,
        /// The checkpoint's size.
        size: u64,
    },
}

impl ProofError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed(_) => ErrorKind::Malformed,
            Self::Checkpoint(_) | Self::Unwitnessed(_) | Self::Mismatch { .. } => ErrorKind::Evidence,
        }
    }
}

impl From<Unwitnessed> for ProofError {
    fn from(error: Unwitnessed) -> Self {
        match error {
            Unwitnessed::Checkpoint(error) => Self::Checkpoint(error),
            quorum @ Unwitnessed::Quorum { .. } => Self::Unwitnessed(quorum),
        }
    }
}

/// Proof that an entry is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Opaque data of the application; nothing authenticates it.
    pub extra: Option<Vec<u8>>,
    /// The entry's index.
    pub index: u64,
    /// Hashes from the entry's sibling up to the root's child.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

impl InclusionProof {
    /// Checks signature and path for this leaf, and gives the checkpoint that holds it.
    pub fn verify(&self, leaf: &[u8], keys: &[VerifierKey]) -> Result<Checkpoint, ProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, keys)?;
        self.leads_from(leaf, &checkpoint)?;
        Ok(checkpoint)
    }

    /// Checks path, signature and cosignatures for this leaf, and gives the checkpoint that holds it.
    pub fn verify_by<'p>(&self, leaf: &[u8], policy: &'p WitnessPolicy) -> Result<Witnessed<'p>, ProofError> {
        let witnessed = policy.open(&self.checkpoint)?;
        self.leads_from(leaf, &witnessed.checkpoint)?;
        Ok(witnessed)
    }

    fn leads_from(&self, leaf: &[u8], checkpoint: &Checkpoint) -> Result<(), ProofError> {
        if verify_inclusion(&Hash::of_leaf(leaf), self.index, checkpoint.size, &self.path, &checkpoint.root) {
            Ok(())
        } else {
            Err(ProofError::Mismatch { index: self.index, size: checkpoint.size })
        }
    }
}

impl fmt::Display for InclusionProof {
    /// The contents of a `.tlog-proof` file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{VERSION}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", base64(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for InclusionProof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        if text.len() > MAX_PROOF_BYTES {
            return Err(ProofError::Malformed("too long"));
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Malformed("no empty line"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(VERSION) {
            return Err(ProofError::Malformed("unknown version"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra
            .and_then(|line| line.strip_prefix("extra "))
            .map(|encoded| from_base64(encoded).ok_or(ProofError::Malformed("extra data that is not base64")));
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let path = Hash::parse_lines(lines, MAX_PATH).map_err(ProofError::Malformed)?;
        Ok(Self {
            extra: extra.transpose()?,
            index: index.ok_or(ProofError::Malformed("no index"))?,
            path,
            checkpoint: checkpoint.to_owned(),
        })
    }
}
