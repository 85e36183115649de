//! What can go wrong with the index, and what to do about it.
//!
//! A damaged index is never repaired in place and never deleted on its own: the operator is told that it may be.

use std::path::PathBuf;

use vidimus_core::ErrorKind;

/// The shortest beginning of an id that is looked for, in hexadecimal digits.
pub(crate) const MIN_PREFIX: usize = 4;

/// A failure of the index.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be opened or made.
    #[error("cannot open the index {}: {source}; check the directory's owner and mode", path.display())]
    Open {
        /// The index file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is a database of some other program.
    #[error("{} is not an index of this program; move it away, the index is made again from the log", .0.display())]
    Foreign(PathBuf),
    /// Leaves were offered that do not follow the ones already applied.
    #[error("leaves from {offered} were offered but {applied} are applied; apply the ones between first")]
    Gap {
        /// Leaves applied so far.
        applied: u64,
        /// The index of the first leaf offered.
        offered: u64,
    },
    /// No session has this id or prefix.
    #[error("no session `{0}`; list sessions to see their ids")]
    NotFound(String),
    /// No request for approval has this id or prefix.
    #[error("no request for approval `{0}` that you may see; `vidimus approvals` lists them")]
    NoApproval(String),
    /// More than one session starts with this prefix.
    #[error("more than one id starts with `{0}`; give more of it")]
    Ambiguous(String),
    /// Words are looked for that are not kept.
    #[error(
        "full-text search is off: set `full_text = true` in [index] and restart the gateway to have payloads searched"
    )]
    NoText,
    /// The text is neither an id nor the beginning of one.
    #[error("`{0}` is no id: give at least {min} of its hexadecimal digits", min = MIN_PREFIX)]
    BadId(String),
    /// The database failed.
    #[error(
        "the index failed: {0}; if it stays so, stop the gateway and delete index.db, it is made again from the log"
    )]
    Database(#[from] rusqlite::Error),
}

impl StoreError {
    /// The class of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) | Self::NoApproval(_) => ErrorKind::NotFound,
            Self::Ambiguous(_) | Self::BadId(_) | Self::NoText => ErrorKind::Malformed,
            Self::Open { .. } | Self::Foreign(_) => ErrorKind::Configuration,
            Self::Gap { .. } | Self::Database(_) => ErrorKind::Internal,
        }
    }

    /// What a caller may read: what it asked for, never a path or the database's own words.
    pub fn public_message(&self) -> String {
        match self {
            Self::NotFound(_) | Self::NoApproval(_) | Self::Ambiguous(_) | Self::BadId(_) | Self::NoText => {
                self.to_string()
            }
            Self::Open { .. } | Self::Foreign(_) | Self::Gap { .. } | Self::Database(_) => {
                "the index cannot be read now; ask the operator to look at the gateway's log".to_owned()
            }
        }
    }
}
