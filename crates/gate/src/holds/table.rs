//! The table of requests for approval that are not over, and their way back from the log after a restart.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use vidimus_core::event::{Approval as Told, ApprovalStep, Body, Status};
use vidimus_core::{ApprovalId, Timestamp};
use vidimus_log::ReadError;
use vidimus_store::{Approval, ApprovalLog, ApprovalState, Reader, Stamp, Step, StoreError};

use super::digest::{Digest, Digests};
use crate::evidence::{Evidence, EvidenceError, Strand, Written};
use crate::steps::Steps;

/// Requests that wait at once, over all principals.
const MAX_HOLDS: usize = 10_000;
/// Those of one principal. Whoever asks for more than people can look at gets nothing approved sooner.
const MAX_OF_PRINCIPAL: usize = 100;

/// Callers that wait at once, over all requests.
const MAX_LEGS: usize = 4_096;
/// Those that wait for one request: a client may have lost one and asked again.
const MAX_OF_REQUEST: usize = 4;

/// The requests for approval of a gate.
pub(crate) struct Holds {
    pub(crate) digests: Digests,
    legs: Arc<Semaphore>,
    table: Mutex<Table>,
}

/// Places among the callers that wait.
pub(crate) struct Places {
    _of: [OwnedSemaphorePermit; 2],
}

/// What is not over, or was not told yet.
#[derive(Default)]
pub(crate) struct Table {
    steps: Steps,
    by_id: HashMap<ApprovalId, Hold>,
    by_digest: HashMap<Digest, ApprovalId>,
    by_end: BTreeSet<(String, ApprovalId)>,
    of_principals: HashMap<String, usize>,
}

/// One request.
pub(crate) struct Hold {
    pub(crate) approval: Approval,
    digest: Digest,
    /// Told when somebody decided.
    changed: watch::Sender<()>,
    legs: Arc<Semaphore>,
    /// When its whole time has passed since it was made, or since the gateway knows of it: a clock that is set back gives it no
    /// more than that. None where no clock reaches so far.
    ends: Option<Instant>,
}

/// Why no request can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All places are taken.
    All,
    /// Those of the principal are.
    Principal,
}

impl Holds {
    pub(crate) fn new(digests: Digests, left: impl IntoIterator<Item = Approval>, steps: Steps) -> Self {
        let mut table = Table { steps, ..Table::default() };
        for approval in left {
            table.insert(approval);
        }
        Self { digests, legs: Arc::new(Semaphore::new(MAX_LEGS)), table: Mutex::new(table) }
    }

    /// The table, for as long as a step takes. A panic in between leaves it as it was before the step or after it.
    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Places for one more caller that waits for this request; none when too many do.
    pub(crate) fn places(&self, id: ApprovalId) -> Option<Places> {
        let of_request = Arc::clone(&self.table().by_id(id)?.legs).try_acquire_owned().ok()?;
        Some(Places { _of: [of_request, Arc::clone(&self.legs).try_acquire_owned().ok()?] })
    }

    /// Whether a principal has any request that waits: most have none, and their calls need no digest.
    pub(crate) fn has_any(&self, who: &str) -> bool {
        let table = self.table();
        !table.of_principals.is_empty() && table.of_principals.contains_key(who)
    }

    /// Ends the requests whose time is up; each is recorded.
    pub(crate) fn expire(&self, evidence: &Evidence, control: &Strand) -> Result<usize, EvidenceError> {
        let now = evidence.clock.now().to_string();
        let mut table = self.table();
        let mut ended = 0;
        while let Some((_, id)) = table.by_end.first().filter(|(end, _)| *end <= now).cloned() {
            table.expire(id, evidence, control)?;
            ended += 1;
        }
        let past = Instant::now();
        let by_run_time = table.by_id.values().filter(|hold| hold.ends.is_some_and(|ends| ends <= past));
        for id in by_run_time.map(|hold| hold.approval.id).collect::<Vec<_>>() {
            table.expire(id, evidence, control)?;
            ended += 1;
        }
        Ok(ended)
    }
}

impl Table {
    /// Whether there is room for one more request of a principal.
    pub(crate) fn room(&self, who: &str) -> Result<(), Full> {
        match self.of_principals.get(who) {
            Some(count) if *count >= MAX_OF_PRINCIPAL => Err(Full::Principal),
            _ if self.by_id.len() >= MAX_HOLDS => Err(Full::All),
            _ => Ok(()),
        }
    }

    pub(crate) fn insert(&mut self, approval: Approval) {
        let Some(digest) = from_hex(&approval.ask.digest) else { return };
        let id = approval.id;
        self.steps.tell(&approval);
        self.by_digest.insert(digest, id);
        self.by_end.insert((approval.ask.expires.clone(), id));
        *self.of_principals.entry(approval.ask.who.clone()).or_default() += 1;
        let (changed, legs) = (watch::Sender::new(()), Arc::new(Semaphore::new(MAX_OF_REQUEST)));
        let ends = whole_time(&approval).and_then(|time| Instant::now().checked_add(time));
        self.by_id.insert(id, Hold { approval, digest, changed, legs, ends });
    }

    pub(crate) fn by_digest(&self, digest: &Digest) -> Option<&Hold> {
        self.by_id.get(self.by_digest.get(digest)?)
    }

    pub(crate) fn by_id(&self, id: ApprovalId) -> Option<&Hold> {
        self.by_id.get(&id)
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Approval> {
        self.by_id.values().map(|hold| &hold.approval)
    }

    /// Forgets a request that is over, and whose end was told.
    pub(crate) fn remove(&mut self, id: ApprovalId) {
        let Some(Hold { approval, digest, .. }) = self.by_id.remove(&id) else { return };
        if self.by_digest.get(&digest) == Some(&id) {
            self.by_digest.remove(&digest);
        }
        self.by_end.remove(&(approval.ask.expires.clone(), id));
        if let Some(count) = self.of_principals.get_mut(&approval.ask.who) {
            *count -= 1;
            if *count == 0 {
                self.of_principals.remove(&approval.ask.who);
            }
        }
    }

    /// Takes a step: `append` puts its event into the log. None when the step cannot be taken from where the request is.
    pub(crate) fn step(
        &mut self,
        id: ApprovalId,
        (step, stamp): (&Step, Stamp<'_>),
        append: impl FnOnce(u64) -> Result<Written, EvidenceError>,
    ) -> Result<Option<(Approval, Written)>, EvidenceError> {
        let Some(hold) = self.by_id.get_mut(&id) else { return Ok(None) };
        let expects = hold.approval.version;
        let Some(after) = hold.approval.after(expects, step, stamp) else { return Ok(None) };
        let written = append(expects)?;
        hold.approval = after.clone();
        if after.state != ApprovalState::Open {
            hold.changed.send_replace(());
        }
        self.steps.tell(&after);
        Ok(Some((after, written)))
    }

    /// Ends a request for this reason: it is not needed any more.
    pub(crate) fn cancel(
        &mut self,
        id: ApprovalId,
        (evidence, control): (&Evidence, &Strand),
        (reason, policy): (&str, Option<&str>),
    ) -> Result<Option<(Approval, Written)>, EvidenceError> {
        let step = Step::Cancelled { reason: reason.to_owned() };
        self.end(id, (evidence, control), &step, (ApprovalStep::Cancelled { reason }, policy))
    }

    /// Ends a request whose time is up.
    pub(crate) fn expire(
        &mut self,
        id: ApprovalId,
        evidence: &Evidence,
        control: &Strand,
    ) -> Result<(), EvidenceError> {
        self.end(id, (evidence, control), &Step::Expired, (ApprovalStep::Expired, None)).map(drop)
    }

    fn end(
        &mut self,
        id: ApprovalId,
        (evidence, control): (&Evidence, &Strand),
        step: &Step,
        (told, policy): (ApprovalStep<'_>, Option<&str>),
    ) -> Result<Option<(Approval, Written)>, EvidenceError> {
        let target = self.by_id.get(&id).map(|hold| hold.approval.ask.target.clone());
        let time = evidence.clock.now().to_string();
        let stamp = Stamp { time: &time, who: None, session: control.session() };
        let append = |expects| {
            let body = Body::Approval(Told { id, expects, policy, step: told });
            control.append_for(evidence, None, target.as_deref(), body)
        };
        // What was denied or used is over already, and only forgotten.
        let ended = self.step(id, (step, stamp), append)?;
        self.remove(id);
        Ok(ended)
    }
}

impl Hold {
    /// Tells when somebody decided from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Whether its time is up.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.approval.ask.expires <= now.to_string() || self.ends.is_some_and(|ends| ends <= Instant::now())
    }
}

/// What the log has of grants in force at a start.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    pub(crate) grants: Vec<Approval>,
    /// When the newest event of the log was written.
    pub(crate) newest: Option<Timestamp>,
}

/// Why the requests that a stop left open are not known.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The index does not answer.
    #[error(transparent)]
    Index(#[from] StoreError),
    /// The log does not give an event back.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The requests that are not over, and the grants in force, by the log: the index says only from where on to read. What it
/// leaves out is asked for anew; nothing that it adds counts.
pub(crate) fn restored(evidence: &Evidence, index: &Path) -> Result<(Vec<Approval>, Restored), RestoreError> {
    let Some(mut next) = Reader::open(index)?.oldest_open_approval()? else { return Ok(Default::default()) };
    let log = evidence.log.snapshot();
    let mut approvals = ApprovalLog::default();
    let mut newest: Option<Timestamp> = None;
    while next < log.checkpoint().size {
        next = log.bundle(next, &mut |leaf| {
            _ = approvals.leaf(leaf);
            // Not the last one's: a clock that was set back has written that.
            newest = newest.max(time_of(leaf));
        })?;
    }
    let unknown = |mut approval: Approval| {
        if let ApprovalState::Used { outcome, .. } = &mut approval.state {
            *outcome = Some(Status::Unknown.name().to_owned());
        }
        approval
    };
    let (grants, left): (Vec<_>, Vec<_>) =
        approvals.left().partition(|approval| matches!(approval.state, ApprovalState::Granted(_)));
    Ok((left.into_iter().map(unknown).collect(), Restored { grants, newest }))
}

/// How long a request may wait in all.
fn whole_time(approval: &Approval) -> Option<Duration> {
    let at = |time: &str| time.parse::<Timestamp>().ok();
    Some(at(&approval.ask.expires)?.since(at(&approval.ask.requested)?))
}

/// When an event was recorded.
fn time_of(leaf: &[u8]) -> Option<Timestamp> {
    #[derive(serde::Deserialize)]
    struct Stamped<'a> {
        time: &'a str,
    }
    serde_json::from_slice::<Stamped<'_>>(leaf).ok()?.time.parse().ok()
}

/// A digest as it stands in events.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn from_hex(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    (text.len() == 64).then_some(digest)
}

/// What the caller is told.
pub(crate) fn told_why(full: Full) -> &'static str {
    match full {
        Full::All => "too many calls wait for approval; try again when some have been decided",
        Full::Principal => "too many of your calls wait for approval; wait until some have been decided",
    }
}
