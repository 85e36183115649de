//! Taking sessions away as an archive: decided by policy for each, recorded before the first byte leaves.
//!
//! `recording.export` on the target lets a session's events go, `recording.view` besides its payloads, masked as they are
//! recorded. All proofs lead to one checkpoint, which covers what the index knew of the sessions when they were chosen:
//! the newest that witnesses have cosigned, or where that is too old, the newest. What a session does later is not in it.
//! Cancel safety: an export that is dropped before it is given has no event.

use std::path::Path;
use std::time::Instant;

use vidimus_core::event::Body;
use vidimus_core::{Action, Effect, Principal, SessionId};
use vidimus_log::Snapshot;
use vidimus_log::archive::Payload;
use vidimus_log::zip::{MAX_MEMBERS, MAX_ZIP_BYTES};
use vidimus_store::{MAX_SESSIONS, SessionFilter, SessionRow};

use crate::view::{CHECKPOINT_INTERVAL, CHECKPOINT_LIMIT, ViewError, Viewer};

/// Which sessions are exported.
#[derive(Debug, Clone)]
pub enum Selection {
    /// The one with this id, or the only one whose id begins so.
    Session(String),
    /// Those that the filter describes and that may be exported.
    Sessions(SessionFilter),
}

/// Sessions that may go, and the log they are in.
pub struct Export {
    viewer: Viewer,
    /// The log at the checkpoint that all proofs lead to.
    pub snapshot: Snapshot,
    /// The sessions.
    pub sessions: Vec<Exported>,
}

/// One session that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Its id.
    pub id: SessionId,
    /// The indexes of its events in the log, rising.
    pub leaves: Vec<u64>,
    /// Whether its payloads may go with it.
    pub with_payloads: bool,
}

impl Viewer {
    /// Decides what of the selection may go, and records that it goes. `described` says in words what was asked for.
    pub async fn export(
        &self,
        principal: &Principal,
        selection: Selection,
        described: &str,
    ) -> Result<Export, ViewError> {
        let rows = match selection {
            Selection::Session(id) => vec![self.permitted(principal, &id, Action::RecordingExport).await?],
            Selection::Sessions(filter) => {
                let rows = self.exportable(principal, filter).await?;
                let check =
                    move |viewer: &Self| rows.iter().try_for_each(|row| viewer.check_target(row)).map(|()| rows);
                self.blocking(check).await?
            }
        };
        let mut chosen = Vec::new();
        for row in &rows {
            let sees = |target: &str| self.decide(principal, &Action::RecordingView, target).effect == Effect::Allow;
            chosen.push((row.id, row.target.as_deref().is_some_and(sees)));
        }
        let export = self.blocking(move |viewer| viewer.found(&chosen)).await?;
        let with_payloads = export.sessions.iter().filter(|session| session.with_payloads).count() as u64;
        let target = if let [row] = rows.as_slice() { row.target.as_deref() } else { None };
        let sessions = export.sessions.len() as u64;
        let body = Body::RecordingExported { selection: described, sessions, with_payloads };
        self.record(principal, target, body).await?;
        Ok(export)
    }

    async fn exportable(&self, principal: &Principal, filter: SessionFilter) -> Result<Vec<SessionRow>, ViewError> {
        let filter = SessionFilter { limit: MAX_SESSIONS, ..filter };
        let (rows, hidden) = self.visible(principal, filter, Action::RecordingExport).await?;
        match (rows.len(), hidden) {
            (0, Some(denial)) => Err(self.denied(principal, &Action::RecordingExport, None, &denial, None).await),
            (0, None) => Err(ViewError::Nothing),
            (count, _) if count >= usize::try_from(MAX_SESSIONS).unwrap_or(usize::MAX) => {
                Err(ViewError::TooMany(MAX_SESSIONS))
            }
            _ => Ok(rows),
        }
    }

    /// Where the events of these sessions are, and a checkpoint that covers them.
    fn found(&self, chosen: &[(SessionId, bool)]) -> Result<Export, ViewError> {
        let reader = self.reader()?;
        let mut sessions = Vec::new();
        for &(id, with_payloads) in chosen {
            let leaves = reader.leaves_of(id)?.into_iter().map(|(_, leaf)| leaf).collect();
            sessions.push(Exported { id, leaves, with_payloads });
        }
        self.fit(&sessions)?;
        let last = sessions.iter().filter_map(|session| session.leaves.last().copied()).max().unwrap_or(0);
        let limit = Instant::now() + CHECKPOINT_LIMIT;
        loop {
            let snapshot = self.log().snapshot_for(last);
            if snapshot.checkpoint().size > last || Instant::now() > limit {
                return Ok(Export { viewer: self.clone(), snapshot, sessions });
            }
            std::thread::sleep(CHECKPOINT_INTERVAL);
        }
    }

    /// Refuses what cannot become one archive, before anything of it is on record. Parts of streamed results are files too
    /// and are not counted here, nor is what masking shortens: the writer of the archive has the last word.
    fn fit(&self, sessions: &[Exported]) -> Result<(), ViewError> {
        let events = sessions.iter().map(|session| session.leaves.len() as u64).sum();
        let with_payloads = sessions.iter().filter(|session| session.with_payloads);
        let bytes = with_payloads.map(|session| directory_bytes(&self.recording_dir(session.id))).sum();
        if events > MAX_MEMBERS as u64 || bytes > MAX_ZIP_BYTES {
            return Err(ViewError::TooLarge { events, bytes });
        }
        Ok(())
    }
}

/// The bytes of a recording's files; none where there is no recording.
fn directory_bytes(directory: &Path) -> u64 {
    let Ok(files) = std::fs::read_dir(directory) else { return 0 };
    files.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).sum()
}

impl Export {
    /// The payloads of a session, in the order of its recording; `None` when there is no recording any more. Blocks on
    /// the disk.
    pub fn payloads(&self, session: SessionId) -> Result<Option<Vec<Payload>>, ViewError> {
        if !self.viewer.recording_dir(session).exists() {
            return Ok(None);
        }
        let frames = self.viewer.frames(session)?.into_iter();
        let payload = |frame: crate::recording::Frame| {
            let content = frame.payload?;
            Some(Payload { at: frame.at, content, name: frame.name.name(), salt: frame.salt, seq: frame.seq })
        };
        Ok(Some(frames.filter_map(payload).collect()))
    }
}
