//! Reading evidence: decided by policy, recorded before anything is shown.
//!
//! Evidence is as sensitive as the systems it is about. A session's events and recording need `recording.view` on
//! its target; the log's status, proofs and the gateway's own events need `log.read`. What a caller may not see
//! answers like what does not exist.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vidimus_core::event::Body;
use vidimus_core::{Action, Durability, Effect, ErrorKind, EventId, Principal, SessionId, TargetName};
use vidimus_log::zip::{MAX_MEMBERS, MAX_ZIP_BYTES};
use vidimus_log::{InclusionProof, LogFile, ReadError};
use vidimus_policy::{Claimed, Decision, Request};
use vidimus_store::{ControlState as _, Erasure, Reader, SessionFilter, SessionRow, StoreError};

use crate::evidence::EvidenceError;
use crate::logged_session::Head;
use crate::recording::{self, Frame, RecordingError};
use crate::shared::Shared;

/// Stands for the gateway itself where policy wants a target.
const GATEWAY: &str = "gateway";

/// A recording that is shown: all of it is in memory then, and is answered whole.
const MAX_RECORDING_BYTES: u64 = 256 << 20;

/// How long a checkpoint may take to cover what the index has seen.
pub(crate) const CHECKPOINT_LIMIT: Duration = Duration::from_secs(10);
/// How often it is looked for.
pub(crate) const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(50);

/// Reads evidence for principals.
#[derive(Clone)]
pub struct Viewer {
    shared: Arc<Shared>,
    data_dir: Arc<Path>,
}

/// A session with its events.
#[derive(Debug)]
pub struct Viewed {
    /// The session.
    pub session: SessionRow,
    /// Its events: index in the log and canonical JSON.
    pub events: Vec<(u64, Vec<u8>)>,
}

/// A session with its events and its recording.
#[derive(Debug)]
pub struct Recorded {
    /// The session and its events.
    pub viewed: Viewed,
    /// Its frames, each checked against the commitment in its event.
    pub frames: Vec<Frame>,
}

/// Why nothing is shown.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// Policy says no.
    #[error("{0}")]
    Denied(String),
    /// The read cannot be recorded.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The index does not know it, or does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log has no such event.
    #[error("no event `{0}`; a session's events name their ids")]
    NoEvent(EventId),
    /// The log does not give it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The recording is not what was written.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A recording's frame and the event that commits to it differ.
    #[error(
        "the recording of session {0} does not match the commitments in its events: run `vidimus log verify --recordings`, which names event and file"
    )]
    Mismatch(SessionId),
    /// The index and the log differ.
    #[error(
        "the index does not say what the log says of session {0}: somebody may have altered it; run `vidimus log verify`, then \
         `vidimus index rebuild`"
    )]
    Altered(SessionId),
    /// A recording's file cannot be read.
    #[error("the recording of session {session} cannot be read: {error}")]
    File {
        /// The session.
        session: SessionId,
        /// What went wrong.
        error: std::io::Error,
    },
    /// A recording is larger than what is shown at once.
    #[error(
        "the recording of session {session} has {bytes} bytes, more than the {limit} that can be shown at once: show the session's events instead"
    )]
    TooLong {
        /// The session.
        session: SessionId,
        /// Bytes in its files.
        bytes: u64,
        /// The most.
        limit: u64,
    },
    /// No session is as was asked for.
    #[error("no session is as you describe it; `sessions list` shows which there are")]
    Nothing,
    /// More sessions than one export takes.
    #[error("more than {0} sessions are as you describe them: export less at a time, with --since and --until")]
    TooMany(u32),
    /// The sessions are more than an archive holds.
    #[error(
        "these sessions have {events} events and {bytes} bytes of recordings, and an archive holds at most {MAX_MEMBERS} files \
         and {MAX_ZIP_BYTES} bytes: export less at a time"
    )]
    TooLarge {
        /// Each is a proof, and so a file.
        events: u64,
        /// Of the recordings that would go.
        bytes: u64,
    },
    /// The recording was erased.
    #[error("the recording of session {0} was erased; its events say what happened in it")]
    Erased(SessionId),
    /// The reading task was cut off.
    #[error("reading was cut off: the gateway is stopping")]
    Stopping,
}

impl ViewError {
    /// Who is at fault.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Denied(_) => ErrorKind::Denied,
            Self::Evidence(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::NoEvent(_) | Self::Read(_) | Self::Nothing | Self::Erased(_) | Self::Stopping => ErrorKind::NotFound,
            Self::TooLong { .. } | Self::TooMany(_) | Self::TooLarge { .. } => ErrorKind::Limit,
            Self::Recording(_) | Self::Mismatch(_) | Self::Altered(_) | Self::File { .. } => ErrorKind::Evidence,
        }
    }
}

impl Viewer {
    pub(crate) const fn new(shared: Arc<Shared>, data_dir: Arc<Path>) -> Self {
        Self { shared, data_dir }
    }

    /// The sessions that `filter` describes, of those whose target `principal` may look into.
    pub async fn sessions(&self, principal: &Principal, filter: SessionFilter) -> Result<Vec<SessionRow>, ViewError> {
        let (named, control) = (filter.target.clone(), filter.control);
        let mut shown = Vec::new();
        let mut denial = named.map(|target| self.decide(principal, &Action::RecordingView, target.as_str()));
        if denial.as_ref().is_none_or(|decision| decision.effect == Effect::Allow) {
            (shown, _) = self.visible(principal, filter, Action::RecordingView).await?;
            denial = None;
            if shown.is_empty() {
                // Whoever may see no session at all is told so rather than shown an empty list. That is decided
                // without the filter: the answer tells nothing of the sessions it describes.
                let any = SessionFilter { control, limit: 1, ..SessionFilter::default() };
                let (seen, hidden) = self.visible(principal, any, Action::RecordingView).await?;
                denial = hidden.filter(|_| seen.is_empty());
            }
        }
        if let Some(decision) = denial {
            return Err(self.denied(principal, &Action::RecordingView, None, &decision, None).await);
        }
        self.viewed(principal, "sessions", None).await?;
        Ok(shown)
    }

    /// A session and its events.
    pub async fn session(&self, principal: &Principal, id: &str) -> Result<Viewed, ViewError> {
        let row = self.permitted(principal, id, Action::RecordingView).await?;
        self.viewed(principal, "session", Some(row.id)).await?;
        self.blocking(move |viewer| viewer.events(row)).await
    }

    /// A session with its recording, opened and checked.
    pub async fn recording(&self, principal: &Principal, id: &str) -> Result<Recorded, ViewError> {
        let row = self.permitted(principal, id, Action::RecordingView).await?;
        self.viewed(principal, "recording", Some(row.id)).await?;
        self.blocking(move |viewer| {
            let session = row.id;
            if let Erasure::Confirmed { .. } | Erasure::Erased = viewer.reader()?.custody(session)?.erasure {
                return Err(ViewError::Erased(session));
            }
            // Events first: what they commit to is written by then.
            let viewed = viewer.events(row)?;
            let frames = viewer.frames(session)?;
            if recording::is_as_committed(&viewed.events, &frames) {
                Ok(Recorded { viewed, frames })
            } else {
                Err(ViewError::Mismatch(session))
            }
        })
        .await
    }

    /// The proof that an event is in the log, and the event.
    pub async fn proof(&self, principal: &Principal, event: EventId) -> Result<(Vec<u8>, InclusionProof), ViewError> {
        self.may_read_log(principal, "proof").await?;
        self.blocking(move |viewer| {
            let index = viewer.reader()?.leaf_of(event)?.ok_or(ViewError::NoEvent(event))?;
            let log = &viewer.shared.evidence.log;
            Ok((log.leaf(index)?, log.prove(index)?))
        })
        .await
    }

    /// What the log says of itself.
    pub async fn status(&self, principal: &Principal) -> Result<vidimus_log::Status, ViewError> {
        self.may_read_log(principal, "status").await?;
        Ok(self.shared.evidence.log.status())
    }

    /// A file of the log; `None` when there is none (yet).
    pub async fn log_file(&self, principal: &Principal, file: LogFile) -> Result<Option<Vec<u8>>, ViewError> {
        self.may_read_log(principal, if file.has_entries() { "entries" } else { "tree" }).await?;
        self.blocking(move |viewer| Ok(viewer.shared.evidence.log.file(file)?)).await
    }

    /// The same for anybody, where the operator has made that public which holds no content: nothing is recorded. `None`
    /// for entries.
    pub async fn public_log_file(&self, file: LogFile) -> Result<Option<Vec<u8>>, ViewError> {
        if file.has_entries() {
            return Ok(None);
        }
        self.blocking(move |viewer| Ok(viewer.shared.evidence.log.file(file)?)).await
    }

    pub(crate) async fn may_read_log(&self, principal: &Principal, what: &'static str) -> Result<(), ViewError> {
        let decision = self.decide(principal, &Action::LogRead, GATEWAY);
        if decision.effect == Effect::Deny {
            return Err(self.denied(principal, &Action::LogRead, None, &decision, None).await);
        }
        self.viewed(principal, what, None).await
    }

    /// The session, when `principal` may look into it, or take it away. One it may not is answered like one that does not
    /// exist, and both attempts are recorded as denials.
    pub(crate) async fn permitted(
        &self,
        principal: &Principal,
        id: &str,
        action: Action,
    ) -> Result<SessionRow, ViewError> {
        let (wanted, viewing, wants) = (id.to_owned(), principal.clone(), action.clone());
        let mut hidden = None;
        let (row, hidden) = self
            .blocking(move |viewer| {
                let row = viewer.reader()?.session(&wanted, |row| {
                    let decision = viewer.decide_row(&viewing, row, &wants);
                    let is_allowed = decision.effect == Effect::Allow;
                    if !is_allowed {
                        hidden.get_or_insert((row.target.clone(), decision));
                    }
                    is_allowed
                });
                Ok((row, hidden))
            })
            .await?;
        if let Err(StoreError::NotFound(_)) = &row {
            let unknown = || Decision::plain(Effect::Deny, Vec::new(), String::new());
            let reason = hidden.is_none().then_some("unknown_session");
            let (target, decision) = hidden.unwrap_or_else(|| (None, unknown()));
            let denied = self.denied(principal, &action, target.as_deref(), &decision, reason).await;
            if let ViewError::Evidence(_) = denied {
                return Err(denied);
            }
        }
        let row = row?;
        self.blocking(move |viewer| viewer.check_target(&row).map(|()| row)).await
    }

    /// Whether the first event of a session is on the target that the index has it on. Waits until a checkpoint covers it, so
    /// it blocks.
    pub(crate) fn check_target(&self, row: &SessionRow) -> Result<(), ViewError> {
        let altered = || {
            tracing::error!(session = %row.id, "the index does not say what the log says of a session");
            ViewError::Altered(row.id)
        };
        let Some((0, index)) = self.reader()?.leaves_of(row.id)?.first().copied() else { return Err(altered()) };
        let limit = Instant::now() + CHECKPOINT_LIMIT;
        let leaf = loop {
            match self.log().leaf(index) {
                Err(ReadError::NotInCheckpoint { .. }) if Instant::now() < limit => {
                    std::thread::sleep(CHECKPOINT_INTERVAL);
                }
                leaf => break leaf?,
            }
        };
        let first = Head::of(&leaf, row.id, 0).ok_or_else(altered)?;
        if first.target.as_deref() == row.target.as_deref() { Ok(()) } else { Err(altered()) }
    }

    /// The sessions that `filter` describes and `principal` may look into, and why another one is left out.
    pub(crate) async fn visible(
        &self,
        principal: &Principal,
        filter: SessionFilter,
        action: Action,
    ) -> Result<(Vec<SessionRow>, Option<Decision>), ViewError> {
        let principal = principal.clone();
        self.blocking(move |viewer| {
            let mut known: BTreeMap<Option<String>, bool> = BTreeMap::new();
            let mut denial = None;
            let shown = viewer.reader()?.sessions_that(&filter, |row| {
                *known.entry(row.target.clone()).or_insert_with(|| {
                    let decision = viewer.decide_row(&principal, row, &action);
                    let is_allowed = decision.effect == Effect::Allow;
                    if !is_allowed {
                        denial = Some(decision);
                    }
                    is_allowed
                })
            })?;
            Ok((shown, denial))
        })
        .await
    }

    /// What policy says of an action on a session. The gateway's own sessions are read as the log is, and have no recording
    /// that could be erased or held.
    fn decide_row(&self, principal: &Principal, row: &SessionRow, action: &Action) -> Decision {
        match (row.target.as_deref(), action) {
            (Some(target), action) => self.decide(principal, action, target),
            (None, Action::RecordingErase | Action::RecordingHold) => {
                Decision::plain(Effect::Deny, Vec::new(), "the gateway's own sessions have no recording".into())
            }
            (None, _) => self.decide(principal, &Action::LogRead, GATEWAY),
        }
    }

    pub(crate) fn decide(&self, principal: &Principal, action: &Action, target: &str) -> Decision {
        let policies = self.shared.policies.load_full();
        let Ok(target) = target.parse::<TargetName>() else {
            return Decision::plain(Effect::Deny, Vec::new(), "the session's target has no valid name".into());
        };
        let subject = policies.subject(principal);
        policies.decide(
            &subject,
            &Request {
                action,
                target: &target,
                arguments: None,
                annotations: None,
                facts: None,
                claimed: Claimed { client: None, model: None },
                grant: None,
                address: None,
                time: self.shared.evidence.clock.now(),
            },
        )
    }

    /// Records a denial and words it.
    pub(crate) async fn denied(
        &self,
        principal: &Principal,
        action: &Action,
        target: Option<&str>,
        decision: &Decision,
        reason: Option<&str>,
    ) -> ViewError {
        let policies = self.shared.policies.load_full();
        let body = Body::OperationDenied(vidimus_core::event::Decided {
            action,
            method: None,
            protocol: vidimus_core::Protocol::Admin,
            trace: None,
            effect: Effect::Deny,
            policies: &decision.policies,
            policy: policies.hash(),
            reason,
            approval: None,
            rewrites: &[],
            durability: Durability::Strict,
            masking: vidimus_core::event::Masking::NONE,
            payloads: &[],
        });
        match self.record(principal, target, body).await {
            Ok(()) => ViewError::Denied(decision.message.clone()),
            Err(error) => error.into(),
        }
    }

    async fn viewed(
        &self,
        principal: &Principal,
        what: &'static str,
        viewed: Option<SessionId>,
    ) -> Result<(), ViewError> {
        Ok(self.record(principal, None, Body::RecordingViewed { what, viewed }).await?)
    }

    pub(crate) async fn record(
        &self,
        principal: &Principal,
        target: Option<&str>,
        body: Body<'_>,
    ) -> Result<(), EvidenceError> {
        let evidence = &self.shared.evidence;
        let written = self.shared.control.append_for(evidence, Some(&principal.id()), target, body)?;
        evidence.settle(Durability::Strict, written.position).await
    }

    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, ViewError> + Send + 'static,
    ) -> Result<T, ViewError> {
        let viewer = self.clone();
        tokio::task::spawn_blocking(move || read(&viewer)).await.unwrap_or(Err(ViewError::Stopping))
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.data_dir.join("index.db"))
    }

    /// All frames of a session's recording, opened; not compared with any event.
    pub(crate) fn frames(&self, session: SessionId) -> Result<Vec<Frame>, ViewError> {
        let segments = segments(session, &self.recording_dir(session), MAX_RECORDING_BYTES)?;
        Ok(recording::read(session, segments, &self.shared.evidence.wrapping)?)
    }

    /// Where a session's recording is, if it has one.
    pub(crate) fn recording_dir(&self, session: SessionId) -> std::path::PathBuf {
        self.data_dir.join("recordings").join(session.to_string())
    }

    pub(crate) fn log(&self) -> &vidimus_log::Log {
        &self.shared.evidence.log
    }

    fn events(&self, session: SessionRow) -> Result<Viewed, ViewError> {
        let mut events = Vec::new();
        for (seq, index) in self.reader()?.leaves_of(session.id)? {
            match self.shared.evidence.log.leaf(index) {
                Ok(leaf) if Head::of(&leaf, session.id, seq).is_none() => return Err(ViewError::Altered(session.id)),
                Ok(leaf) => events.push((index, leaf)),
                // The index is told before the checkpoint is signed: what is newer is shown a second later.
                Err(ReadError::NotInCheckpoint { .. }) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Viewed { session, events })
    }
}

/// The files of a recording in order; none when nothing was recorded. Their sizes are asked for first.
fn segments(session: SessionId, directory: &Path, limit: u64) -> Result<Vec<Vec<u8>>, ViewError> {
    let file_error = |error| ViewError::File { session, error };
    let mut files = Vec::new();
    let mut bytes: u64 = 0;
    loop {
        let path = directory.join(format!("{:08}.seg", files.len()));
        match std::fs::metadata(&path) {
            Ok(metadata) => bytes = bytes.saturating_add(metadata.len()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
            Err(error) => return Err(file_error(error)),
        }
        files.push(path);
    }
    if bytes > limit {
        return Err(ViewError::TooLong { session, bytes, limit });
    }
    let mut segments = Vec::with_capacity(files.len());
    let mut left = limit;
    for path in files {
        // The session may go on while it is read: no more than the limit all the same.
        let mut segment = Vec::new();
        let file = std::fs::File::open(&path).map_err(file_error)?;
        file.take(left.saturating_add(1)).read_to_end(&mut segment).map_err(file_error)?;
        let length = segment.len() as u64;
        left = left.checked_sub(length).ok_or(ViewError::TooLong { session, bytes: limit - left + length, limit })?;
        segments.push(segment);
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_past_the_limit_is_refused_by_its_size() {
        let session = SessionId::from_bytes([9; 16]);
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(segments(session, directory.path(), 10).unwrap(), Vec::<Vec<u8>>::new());
        std::fs::write(directory.path().join("00000000.seg"), [1; 6]).unwrap();
        std::fs::write(directory.path().join("00000001.seg"), [2; 4]).unwrap();
        assert_eq!(segments(session, directory.path(), 10).unwrap(), [vec![1; 6], vec![2; 4]]);
        let error = segments(session, directory.path(), 9).unwrap_err();
        assert!(matches!(error, ViewError::TooLong { bytes: 10, limit: 9, .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Limit);
    }
}
