//! Writes an archive to a stream: all events in the order of the log, each with its proof, then payloads by session.
//!
//! One session's payloads are in memory at a time. Refused before anything is written: more than a zip file holds.

use std::io::Write;

use vidimus_core::{ErrorKind, SessionId};
use vidimus_log::archive::{ArchiveWriter, Claims, Disclosure, Payload};
use vidimus_log::zip::{MAX_MEMBERS, ZipError};
use vidimus_log::{ReadError, Snapshot};

/// Files of an archive besides proofs and payloads, at most.
const OTHER_FILES: usize = 8;

/// A session that goes into an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The indexes of its events in the log.
    pub leaves: Vec<u64>,
    /// Whether its payloads may go with it.
    pub with_payloads: bool,
}

/// Why an archive was not written; what was written of it is none. `E` is the reason why payloads were not to be had.
#[derive(Debug, thiserror::Error)]
pub enum ReportError<E> {
    /// The stream, or the format, takes no more.
    #[error(transparent)]
    Zip(#[from] ZipError),
    /// The log does not give an event or its proof.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Payloads are not to be had.
    #[error(transparent)]
    Payloads(E),
}

impl<E> ReportError<E> {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Zip(error) => error.kind(),
            Self::Read(error) => error.kind(),
            Self::Payloads(_) => ErrorKind::Evidence,
        }
    }
}

/// Writes the archive of `sessions`. `payloads` gives a session's payloads in the order of its recording, or none when
/// there is no recording any more; it is asked only for sessions whose payloads may go and are kept.
pub fn write_archive<W: Write, E>(
    out: W,
    snapshot: &mut Snapshot,
    sessions: &[Session],
    claims: &Claims,
    mut payloads: impl FnMut(SessionId) -> Result<Option<Vec<Payload>>, E>,
) -> Result<W, ReportError<E>> {
    let size = snapshot.checkpoint().size;
    // What came after the checkpoint is for the next archive: the sessions are open in this one.
    let mut leaves: Vec<u64> =
        sessions.iter().flat_map(|session| &session.leaves).copied().filter(|leaf| *leaf < size).collect();
    leaves.sort_unstable();
    if leaves.len() + OTHER_FILES > MAX_MEMBERS {
        return Err(ZipError::TooLarge.into());
    }
    let mut writer = ArchiveWriter::new(out, snapshot.note(), &snapshot.keys()?.at(size))?;
    for index in leaves {
        let leaf = snapshot.leaf(index)?;
        writer.event(&leaf, &snapshot.prove(index)?)?;
    }
    for session in sessions {
        let id = session.id.to_string();
        let keeps = writer.keeps_payloads(&id);
        if keeps != Some(true) {
            writer.without_payloads(&id, Disclosure::Sizes);
        } else if !session.with_payloads {
            writer.without_payloads(&id, Disclosure::Withheld);
        } else if !writer.has_payloads(&id) {
            writer.payloads(&id, &[])?;
        } else if let Some(payloads) = payloads(session.id).map_err(ReportError::Payloads)? {
            writer.payloads(&id, &payloads)?;
        } else {
            writer.without_payloads(&id, Disclosure::Erased);
        }
    }
    Ok(writer.finish(claims, snapshot.checkpoint())?)
}

#[cfg(test)]
mod tests;
