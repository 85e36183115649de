//! Destroying recordings: their files, and every copy of them that the journal still holds.
//!
//! The journal goes first: what is not in it any more, no recovery brings back. Every segment that may hold a frame of the
//! recordings is left, integrated, and overwritten before its file is used again or removed; so are those that lie ready
//! for use. Then the files are overwritten and removed. One caller does so at a time: to another, files that are being
//! overwritten would seem not to be there. Each step may be repeated: after a crash all of it is.
//! Refused: while the journal cannot be integrated in time, which loses nothing.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use vidimus_core::{ErrorKind, SessionId};

use crate::error::AppendError;
use crate::journal::Journal;
use crate::storage::{SYNC, Storage, StorageError, overwrite};
use crate::sync::Progress;

/// How long integration may take.
const MAX_WAIT: Duration = Duration::from_mins(5);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Why something was not destroyed; it may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum DestroyError {
    /// The log takes nothing.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A file cannot be overwritten or removed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Integration does not get ahead.
    #[error("the journal was not integrated within {MAX_WAIT:?}; look at `vidimus log status`, then try again")]
    Slow,
}

impl DestroyError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Evidence
    }
}

/// Destroys the recordings of `sessions`, to which nothing is written any more. Blocks.
pub(crate) fn destroy(
    storage: &dyn Storage,
    recordings: &Path,
    (journal, progress): (&Journal, &Progress),
    sessions: &[SessionId],
) -> Result<(), DestroyError> {
    let (first, unused) = journal.begin_wiping();
    let mut wiped = Ok(());
    for (segment, path) in unused {
        // Also what could not be overwritten goes back: the journal must know of it when this is tried again.
        wiped = wiped.and(overwrite(storage, &path));
        journal.give_back(segment);
    }
    wiped?;
    journal.leave_segments_before(first)?;
    let started = Instant::now();
    while !journal.is_trimmed_to(first) {
        progress.check()?;
        if started.elapsed() >= MAX_WAIT {
            return Err(DestroyError::Slow);
        }
        thread::sleep(LOOK);
    }
    let mut removed = false;
    for session in sessions {
        removed |= remove(storage, &recordings.join(session.to_string()))?;
    }
    if removed {
        storage.sync_dir(recordings).map_err(|error| StorageError::new(SYNC, recordings, error))?;
    }
    Ok(())
}

/// Overwrites and removes a recording's directory; false when there is none.
fn remove(storage: &dyn Storage, directory: &Path) -> Result<bool, StorageError> {
    let names = match storage.list(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(|error| StorageError::new("list", directory, error))?,
    };
    for name in names {
        overwrite(storage, &directory.join(name))?;
    }
    storage.remove(directory).map_err(|error| StorageError::new("remove", directory, error))?;
    Ok(true)
}
