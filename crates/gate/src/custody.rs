//! The custody of recordings: legal holds, and erasing by two persons. For when their time is up, see `retention.rs`.
//!
//! A recording is erased when one person has asked for it and another one has confirmed it in time (NIST SP 800-53
//! AU-9(5)), or when the target's retention ends. Its files, salts and key are destroyed, with every copy in the journal
//! and every word in the index; its events stay, so proofs still verify, and `recording.erased` says who wanted it.
//! Order: the confirmation is durable and in force, then destruction, then `recording.erased`. What a crash cuts off in
//! between is completed later ([`Custodian::finish`]). Each step names the version of the custody that it was decided on;
//! of two who act at once the first in the log wins, and the other is told.
//! Refused: erasing what is held, what is still open, and any step by an account of this machine, by a program, alone or in
//! the place of a person, and by whoever comes from an issuer of which nobody said what its programs are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vidimus_core::event::{Body, Custody as Change, CustodyStep};
use vidimus_core::{Action, Actor, Durability, ErrorKind, Principal, PrincipalKind, SessionId, Timestamp};
use vidimus_log::{DestroyError, ReadError, Snapshot};
use vidimus_store::{ControlState as _, Custody, Erasure, Outcome, Reader, Request, SessionRow, StoreError};

use crate::authenticate::Caller;
use crate::evidence::EvidenceError;
use crate::gate::Gate;
use crate::shared::Shared;
use crate::view::{ViewError, Viewer};

/// How long a request to erase may be confirmed.
const REQUEST_VALID: Duration = Duration::from_hours(24);
/// The longest reason, in bytes.
const MAX_REASON_BYTES: usize = 500;
/// How long the index may take to take a step in.
const MAX_LAG: Duration = Duration::from_secs(15);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Keeps recordings, and destroys them. Cheap to clone.
#[derive(Clone)]
pub struct Custodian {
    shared: Arc<Shared>,
    viewer: Viewer,
}

/// A person whom an issuer vouches for: neither a program, alone or in the place of a person, nor an account of this
/// machine, of which one person may have several.
#[derive(Debug, Clone)]
pub struct Person(Arc<Principal>);

/// Why a token is no person's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPerson {
    /// It is a program's own.
    #[error("this is done by persons: this token is a program's")]
    Program,
    /// A program holds it and acts for a person.
    #[error("this is done by persons themselves: with this token {0} acts for one")]
    Acting(String),
    /// Its issuer does not tell programs from people.
    #[error(
        "this is done by persons: nothing tells which tokens of the issuer `{0}` are programs'; set \
         [identity.oidc.{0}] workload_when"
    )]
    Untold(String),
}

/// What a session's custody is now.
#[derive(Debug)]
pub struct Kept {
    /// The session.
    pub session: SessionId,
    /// Its custody.
    pub custody: Custody,
}

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// The session is not to be found, or policy says no.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The index does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The step cannot be recorded.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The log cannot be read.
    #[error("the log cannot be asked who decided on it: {0}; nothing is erased")]
    Read(#[from] ReadError),
    /// The index and the log differ.
    #[error(
        "the index does not say what the log says of the custody of session {0}: it stands still, or somebody has altered it; \
         run `vidimus log verify`, then `vidimus index rebuild`, then try again"
    )]
    Altered(SessionId),
    /// The index says so, and nobody did.
    #[error(
        "the log holds no decision to erase the recording of session {0}, whatever the index says: somebody may have \
         altered that; run `vidimus log verify`, then `vidimus index rebuild`; nothing is erased"
    )]
    Undecided(SessionId),
    /// The index says so, and the log does not.
    #[error(
        "the index says that the time of session {0} is up, and the log does not: somebody may have altered it; run \
         `vidimus log verify`, then `vidimus index rebuild`; nothing is erased"
    )]
    NotDue(SessionId),
    /// The recording is not destroyed yet.
    #[error("{0}; the erasure is confirmed, and will be completed")]
    Destroy(#[from] DestroyError),
    /// The recording is held.
    #[error("session {0} is under a legal hold ({1}): remove the hold first")]
    Held(SessionId, String),
    /// There is no hold.
    #[error("session {0} is under no hold")]
    NotHeld(SessionId),
    /// The session is not over.
    #[error("session {0} is still open: its recording can be erased when it is closed")]
    Open(SessionId),
    /// Nobody asked.
    #[error("nobody has asked to erase the recording of session {0}: ask first, and have another person confirm")]
    NotRequested(SessionId),
    /// Who asked may not confirm.
    #[error("you have asked for this yourself: another person must confirm it")]
    OwnRequest,
    /// The request has ended.
    #[error("the request to erase the recording of session {0} ended at {1}: ask again")]
    Expired(SessionId, String),
    /// It is done, or being done.
    #[error("the recording of session {0} is erased, or being erased")]
    Gone(SessionId),
    /// Somebody else was faster.
    #[error("somebody else has just changed the custody of session {0}: look at it, then try again")]
    Raced(SessionId),
    /// The index lags.
    #[error("the step is recorded and the index has not taken it in within {MAX_LAG:?}: look at `vidimus log status`")]
    Behind,
    /// There is no reason.
    #[error("a reason of 1 to {MAX_REASON_BYTES} bytes is needed")]
    Reason,
}

impl CustodyError {
    /// Who is at fault.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::View(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Evidence(error) => error.kind(),
            Self::Destroy(error) => error.kind(),
            Self::Behind | Self::Read(_) | Self::Altered(_) | Self::Undecided(_) | Self::NotDue(_) => {
                ErrorKind::Evidence
            }
            Self::OwnRequest => ErrorKind::Denied,
            Self::Held(..)
            | Self::NotHeld(_)
            | Self::Open(_)
            | Self::NotRequested(_)
            | Self::Expired(..)
            | Self::Gone(_)
            | Self::Raced(_)
            | Self::Reason => ErrorKind::Malformed,
        }
    }
}

impl Gate {
    /// The person behind a token, as far as its issuer can tell.
    pub fn person(&self, caller: &Caller) -> Result<Person, NoPerson> {
        let principal = caller.principal();
        if principal.kind != PrincipalKind::User {
            return Err(NoPerson::Program);
        }
        if let Some(Actor { issuer, subject }) = principal.actor_chain.first() {
            return Err(NoPerson::Acting(format!("{issuer}|{subject}")));
        }
        if !self.shared().authenticator.identity.tells_programs(&principal.issuer) {
            return Err(NoPerson::Untold(principal.issuer.clone()));
        }
        Ok(Person(Arc::clone(principal)))
    }

    /// Keeps recordings, and destroys them.
    pub fn custodian(&self) -> Custodian {
        Custodian { shared: Arc::clone(self.shared()), viewer: self.viewer() }
    }
}

/// A step that is to be taken.
pub(crate) struct Step<'a> {
    kind: CustodyStep,
    who: Option<&'a str>,
    reason: &'a str,
    expires: Option<Timestamp>,
    requested_by: Option<&'a str>,
    confirmed_by: Option<&'a str>,
}

impl<'a> Step<'a> {
    const fn new(step: CustodyStep, who: &'a str, reason: &'a str) -> Self {
        Self { kind: step, who: Some(who), reason, expires: None, requested_by: None, confirmed_by: None }
    }

    /// What retention does in the place of persons.
    pub(crate) const fn of_retention(reason: &'a str) -> Self {
        Step { who: None, ..Self::new(CustodyStep::EraseConfirmed, "", reason) }
    }
}

impl Custodian {
    /// Puts a recording under a legal hold: it may not be erased until the hold is removed. Ends a request to erase it.
    pub async fn hold(&self, principal: &Principal, session: &str, reason: &str) -> Result<Kept, CustodyError> {
        check(reason)?;
        let (row, custody) = self.found(principal, &Action::RecordingHold, session).await?;
        match (&custody.hold, &custody.erasure) {
            (Some(hold), _) => return Err(CustodyError::Held(row.id, hold.clone())),
            (None, Erasure::Confirmed { .. } | Erasure::Erased) => return Err(CustodyError::Gone(row.id)),
            (None, Erasure::None | Erasure::Requested(_)) => {}
        }
        self.take_logged(&row, &custody, Step::new(CustodyStep::HoldAdded, &principal.id(), reason)).await?;
        self.kept(row.id)
    }

    /// Removes a legal hold.
    pub async fn release(&self, principal: &Principal, session: &str, reason: &str) -> Result<Kept, CustodyError> {
        check(reason)?;
        let (row, custody) = self.found(principal, &Action::RecordingHold, session).await?;
        if custody.hold.is_none() {
            return Err(CustodyError::NotHeld(row.id));
        }
        self.take_logged(&row, &custody, Step::new(CustodyStep::HoldRemoved, &principal.id(), reason)).await?;
        self.kept(row.id)
    }

    /// Asks to erase a recording. Another person may confirm it for a day.
    pub async fn request_erasure(&self, person: &Person, session: &str, reason: &str) -> Result<Kept, CustodyError> {
        check(reason)?;
        let (row, custody) = self.found(&person.0, &Action::RecordingErase, session).await?;
        erasable(&row, &custody)?;
        let expires = Some(self.shared.evidence.clock.now() + REQUEST_VALID);
        let who = person.0.id();
        let step = Step { expires, ..Step::new(CustodyStep::EraseRequested, &who, reason) };
        self.take_logged(&row, &custody, step).await?;
        self.kept(row.id)
    }

    /// Confirms what another person has asked for, and erases the recording.
    pub async fn confirm_erasure(&self, person: &Person, session: &str) -> Result<Kept, CustodyError> {
        let (row, custody) = self.found(&person.0, &Action::RecordingErase, session).await?;
        erasable(&row, &custody)?;
        let Erasure::Requested(Request { by, reason, expires }) = &custody.erasure else {
            return Err(CustodyError::NotRequested(row.id));
        };
        let who = person.0.id();
        if *by == who {
            return Err(CustodyError::OwnRequest);
        }
        if *expires <= self.shared.evidence.clock.now().to_string() {
            return Err(CustodyError::Expired(row.id, expires.clone()));
        }
        let step = Step {
            requested_by: Some(by),
            confirmed_by: Some(&who),
            ..Step::new(CustodyStep::EraseConfirmed, &who, reason)
        };
        self.take(&row, &custody, step).await?;
        self.destroy(vec![row.id]).await?;
        self.kept(row.id)
    }

    /// Completes erasures that were confirmed and cut off; returns how many.
    pub async fn finish(&self) -> Result<usize, CustodyError> {
        let (mut decided, mut undecided) = (Vec::new(), None);
        for session in self.viewer.reader()?.erasures_under_way()? {
            match self.check_decided(&[session]).await {
                Ok(()) => decided.push(session),
                Err(error) => undecided = Some(error),
            }
        }
        let count = decided.len();
        if count > 0 {
            self.destroy_decided(decided).await?;
        }
        undecided.map_or(Ok(count), Err)
    }

    /// Destroys what is confirmed, then says so. May be repeated.
    pub(crate) async fn destroy(&self, sessions: Vec<SessionId>) -> Result<(), CustodyError> {
        self.check_decided(&sessions).await?;
        self.destroy_decided(sessions).await
    }

    async fn destroy_decided(&self, sessions: Vec<SessionId>) -> Result<(), CustodyError> {
        let (log, doomed) = (self.shared.evidence.log.clone(), sessions.clone());
        let destroyed = tokio::task::spawn_blocking(move || log.destroy_recordings(&doomed)).await;
        destroyed.map_err(|_| ViewError::Stopping)??;
        self.wiped().await?;
        for session in sessions {
            let custody = self.agreed(session).await?;
            let Erasure::Confirmed { requested_by, confirmed_by, reason } = &custody.erasure else { continue };
            let row = self.viewer.reader()?.session(&session.to_string(), |_| true)?;
            let step = Step {
                who: None,
                requested_by: requested_by.as_deref(),
                confirmed_by: confirmed_by.as_deref(),
                ..Step::new(CustodyStep::Erased, "", reason)
            };
            match self.take(&row, &custody, step).await {
                // Whoever completes the same erasure at the same time says the same.
                Ok(_) | Err(CustodyError::Raced(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the log says of all these sessions that their recordings are to be erased.
    async fn check_decided(&self, sessions: &[SessionId]) -> Result<(), CustodyError> {
        let sessions = sessions.to_vec();
        self.told(move |custodian, log| {
            let custody = custodian.shared.logged_custody.of(log, &sessions)?;
            let is_open = |custody: &Custody| !matches!(custody.erasure, Erasure::Confirmed { .. } | Erasure::Erased);
            let open = custody.iter().zip(&sessions).find(|(custody, _)| is_open(custody));
            open.map_or(Ok(()), |(_, session)| Err(CustodyError::Undecided(*session)))
        })
        .await
    }

    /// Asks the log, again for a while where it does not say what was expected: what the index knows may be under no
    /// checkpoint for a moment.
    async fn told<T: Send + 'static>(
        &self,
        ask: impl Fn(&Self, &Snapshot) -> Result<T, CustodyError> + Send + Sync + 'static,
    ) -> Result<T, CustodyError> {
        let ask = Arc::new(ask);
        let mut limit = None;
        loop {
            let (custodian, ask) = (self.clone(), Arc::clone(&ask));
            let asked = move || ask(&custodian, &custodian.shared.evidence.log.snapshot());
            let told = tokio::task::spawn_blocking(asked).await.map_err(|_| ViewError::Stopping)?;
            // From the first answer on: for that all of the log may have been read.
            let limit = *limit.get_or_insert_with(|| Instant::now() + MAX_LAG);
            match told {
                Err(CustodyError::Altered(_) | CustodyError::Undecided(_)) if Instant::now() < limit => {
                    tokio::time::sleep(LOOK).await;
                }
                told => return told,
            }
        }
    }

    /// Waits until the index has overwritten what was taken out of it.
    async fn wiped(&self) -> Result<(), CustodyError> {
        let started = Instant::now();
        let applied = self.viewer.reader()?.applied()?;
        while self.viewer.reader()?.is_wipe_due()? {
            if started.elapsed() >= MAX_LAG {
                tracing::error!(applied, "a reader holds the index, so erased words are not overwritten yet");
                return Err(CustodyError::Behind);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The session, when `principal` may do this with its recording, and its custody.
    async fn found(
        &self,
        principal: &Principal,
        action: &Action,
        session: &str,
    ) -> Result<(SessionRow, Custody), CustodyError> {
        let row = self.viewer.permitted(principal, session, action.clone()).await?;
        let custody = self.agreed(row.id).await?;
        Ok((row, custody))
    }

    /// The custody of a session, as the log and the index both say. A step by a version that only the index has would be void,
    /// and whoever took it would be told that it holds.
    pub(crate) async fn agreed(&self, session: SessionId) -> Result<Custody, CustodyError> {
        self.told(move |custodian, log| {
            let logged = custodian.shared.logged_custody.of(log, &[session])?.pop().unwrap_or_default();
            let indexed = custodian.reader()?.custody(session)?;
            if logged == indexed { Ok(logged) } else { Err(CustodyError::Altered(session)) }
        })
        .await
    }

    /// Takes a step on which nothing else follows that asks the log, and waits until that has it in force.
    async fn take_logged(&self, row: &SessionRow, seen: &Custody, step: Step<'_>) -> Result<(), CustodyError> {
        let (session, leaf) = (row.id, self.take(row, seen, step).await?);
        self.told(move |custodian, log| match custodian.shared.logged_custody.outcome(log, leaf)? {
            Some(Outcome::Applied) => Ok(()),
            Some(Outcome::Void) | None => Err(CustodyError::Altered(session)),
        })
        .await
    }

    /// Records a step on the custody that was seen, and waits until the index has it in force. Where it stands in the log.
    pub(crate) async fn take(&self, row: &SessionRow, seen: &Custody, step: Step<'_>) -> Result<u64, CustodyError> {
        let body = Body::Custody(Change {
            step: step.kind,
            session: row.id,
            expects: seen.version,
            reason: step.reason,
            expires: step.expires,
            requested_by: step.requested_by,
            confirmed_by: step.confirmed_by,
        });
        let Shared { evidence, control, .. } = &*self.shared;
        let (written, leaf) = control.append_leaf_for(evidence, step.who, row.target.as_deref(), body)?;
        evidence.settle(Durability::Strict, written.position).await?;
        let started = Instant::now();
        loop {
            match self.viewer.reader()?.outcome(leaf)? {
                Some(Outcome::Applied) => return Ok(leaf),
                Some(Outcome::Void) => return Err(CustodyError::Raced(row.id)),
                None if started.elapsed() >= MAX_LAG => return Err(CustodyError::Behind),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    pub(crate) fn reader(&self) -> Result<Reader, StoreError> {
        self.viewer.reader()
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn kept(&self, session: SessionId) -> Result<Kept, CustodyError> {
        Ok(Kept { session, custody: self.viewer.reader()?.custody(session)? })
    }
}

fn check(reason: &str) -> Result<(), CustodyError> {
    let is_given = !reason.trim().is_empty() && reason.len() <= MAX_REASON_BYTES;
    is_given.then_some(()).ok_or(CustodyError::Reason)
}

fn erasable(row: &SessionRow, custody: &Custody) -> Result<(), CustodyError> {
    if let Some(hold) = &custody.hold {
        return Err(CustodyError::Held(row.id, hold.clone()));
    }
    if matches!(custody.erasure, Erasure::Confirmed { .. } | Erasure::Erased) {
        return Err(CustodyError::Gone(row.id));
    }
    if row.closed.is_none() {
        return Err(CustodyError::Open(row.id));
    }
    Ok(())
}
