//! What can go wrong, by who meets it: opening, appending, reading.
//!
//! The texts name files and are for operators; a caller gets `public_message()`.

use std::path::PathBuf;
use std::sync::Arc;

use vidimus_core::ErrorKind;

use crate::storage::StorageError;

/// What a caller is told of every failure to write evidence (NIST SP 800-53 AU-5).
const NO_EVIDENCE: &str = "evidence cannot be recorded, so nothing may pass";

/// Why an append, or waiting for it, failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A write or a sync failed earlier. For good: what the disk holds is no longer known.
    #[error("the evidence log failed and takes nothing more: {why}; repair the storage, then restart")]
    Failed {
        /// The first failure.
        why: Arc<str>,
    },
    /// There is no room now. Nothing was written; space may return.
    #[error("the journal has no room: {why}")]
    Full {
        /// What is missing and what to do.
        why: Arc<str>,
    },
    /// The leaf, or all entries together, are over the limit. Nothing was written.
    #[error("{what} of {size} bytes is over the limit of {limit}; split it or leave it out")]
    TooLarge {
        /// "a leaf" or "a batch".
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The log was closed.
    #[error("the evidence log is closed")]
    Closed,
}

impl AppendError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge { .. } => ErrorKind::Limit,
            Self::Failed { .. } | Self::Full { .. } | Self::Closed => ErrorKind::Evidence,
        }
    }

    /// What a caller may read.
    pub const fn public_message(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "the record of this operation would be too large",
            Self::Failed { .. } | Self::Full { .. } | Self::Closed => NO_EVIDENCE,
        }
    }
}

/// A place where the data directory does not hold what it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} at byte {offset}: expected {expected}, found {found}", .file.display())]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// Why a log was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the directory.
    #[error("{} is locked by another process; stop it, or use another data directory", .lock.display())]
    InUse {
        /// The lock file.
        lock: PathBuf,
    },
    /// An option makes no sense.
    #[error("the log's {option} is {found}; use {expected}")]
    BadOption {
        /// The option's name.
        option: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The journal is of a version that did not yet authenticate it.
    #[error(
        "{} is of an earlier version, in whose journal nothing tells who wrote a frame: use another data_dir, and keep this one \
         with the version that wrote it", .file.display()
    )]
    OldJournal {
        /// The journal's state.
        file: PathBuf,
    },
    /// A witness has no memory of a log that it is to witness.
    #[error(
        "the witness remembers nothing of the log {origin} in {}: if it has never cosigned it, have it begin (--init); if \
         it has, its memory is lost, and it would cosign another history: restore the newest state, or tell those who rely \
         on it", .dir.display()
    )]
    NoMemory {
        /// The log.
        origin: String,
        /// Where the witness remembers.
        dir: PathBuf,
    },
    /// Evidence is damaged, missing or rolled back in a way no crash explains.
    #[error(
        "the evidence log does not hold what it must: {0}; keep the directory as it is for examination and restore a good copy"
    )]
    Damaged(#[from] Damage),
    /// The storage refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The checkpoint could not be signed.
    #[error("the checkpoint cannot be signed; check the signing key")]
    Signing,
    /// A background thread could not be started.
    #[error("a background thread cannot be started: {0}")]
    Thread(std::io::Error),
}

impl OpenError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::BadOption { .. } | Self::InUse { .. } | Self::OldJournal { .. } | Self::NoMemory { .. } => {
                ErrorKind::Configuration
            }
            _ => ErrorKind::Evidence,
        }
    }

    /// What a caller may read.
    pub const fn public_message(&self) -> &'static str {
        NO_EVIDENCE
    }
}

/// Why something could not be read from the log.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The checkpoint does not cover that entry (yet).
    #[error("entry {index} is not in the checkpoint of size {size}; wait for the next checkpoint")]
    NotInCheckpoint {
        /// The index asked for.
        index: u64,
        /// The checkpoint's size.
        size: u64,
    },
    /// A file does not hold what it must.
    #[error("the evidence log does not hold what it must: {0}; run the verifier")]
    Damaged(#[from] Damage),
    /// The storage refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ReadError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NotInCheckpoint { .. } => ErrorKind::NotFound,
            Self::Damaged(_) | Self::Storage(_) => ErrorKind::Evidence,
        }
    }

    /// What a caller may read.
    pub const fn public_message(&self) -> &'static str {
        match self {
            Self::NotInCheckpoint { .. } => "no such entry in the log yet",
            Self::Damaged(_) | Self::Storage(_) => "the evidence log cannot be read",
        }
    }
}
