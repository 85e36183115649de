//! The grants in force: found by their credential or by whose they are, ended on record, and read back from the log.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use vidimus_core::event::{Body, Grant as Told, GrantEnd, GrantStep};
use vidimus_core::{ApprovalId, Principal, PrincipalKind, SessionId, TargetName, Timestamp};
use vidimus_store::{Approval, ApprovalState, Stamp, Step};

use super::credential::Tokens;
use super::live::{Left, Live};
use crate::evidence::{Evidence, EvidenceError, Strand, Written};
use crate::metrics::Metrics;
use crate::steps::Steps;

/// The grants of a gate.
pub(crate) struct Grants {
    pub(crate) tokens: Tokens,
    table: Mutex<Table>,
    /// How many of them are break-glass: almost always none, and then no call asks for one.
    glasses: AtomicUsize,
    /// Told when one has ended.
    pub(crate) ended: watch::Sender<()>,
    steps: Steps,
}

#[derive(Default)]
struct Table {
    by_id: HashMap<ApprovalId, Entry>,
    by_token: HashMap<String, ApprovalId>,
}

struct Entry {
    approval: Approval,
    live: Arc<Live>,
}

impl Entry {
    /// The request as it is now, with how many sessions were opened.
    fn now(&self) -> Approval {
        let mut approval = self.approval.clone();
        if let ApprovalState::Granted(issued) = &mut approval.state {
            issued.opened = self.live.opened();
        }
        approval
    }
}

/// Where the ends of grants are recorded and counted.
#[derive(Clone, Copy)]
pub(crate) struct Books<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) control: &'a Strand,
    pub(crate) metrics: &'a Metrics,
    /// When the gateway began to run.
    pub(crate) started: Instant,
}

impl Books<'_> {
    fn up(&self) -> Duration {
        self.evidence.clock.elapsed(self.started)
    }
}

/// How a grant is ended, and by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending<'a> {
    pub(crate) how: GrantEnd,
    pub(crate) by: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
}

impl Ending<'_> {
    pub(crate) const fn by_itself(how: GrantEnd) -> Self {
        Self { how, by: None, reason: None }
    }
}

impl Grants {
    pub(crate) fn new(tokens: Tokens, restored: Vec<Approval>, now: Timestamp, steps: Steps) -> Self {
        let grants = Self {
            tokens,
            table: Mutex::default(),
            glasses: AtomicUsize::new(0),
            ended: watch::Sender::new(()),
            steps,
        };
        for approval in restored {
            if grants.insert(approval, (now, Duration::ZERO)).is_none() {
                tracing::error!("a grant on record cannot be read, so it is not in force");
            }
        }
        grants
    }

    /// How many are break-glass.
    pub(crate) fn glasses(&self) -> usize {
        self.glasses.load(Ordering::Acquire)
    }

    /// Enters a grant that is in force, on record.
    pub(crate) fn insert(&self, approval: Approval, times: (Timestamp, Duration)) -> Option<Arc<Live>> {
        let mut live = Live::of(&approval, times)?;
        if let ApprovalState::Granted(issued) = &approval.state
            && let (Some(sealed), Some(token)) = (&issued.verifier, &issued.token)
        {
            live.verifier = self.tokens.opened(sealed, token);
        }
        let live = Arc::new(live);
        let mut table = self.table();
        if let ApprovalState::Granted(issued) = &approval.state
            && let Some(token) = &issued.token
        {
            table.by_token.insert(token.clone(), approval.id);
        }
        if live.is_break_glass() {
            self.steps.tell(&approval);
            self.glasses.fetch_add(1, Ordering::AcqRel);
        }
        table.by_id.insert(approval.id, Entry { approval, live: Arc::clone(&live) });
        Some(live)
    }

    /// The grant whose credential has this name.
    pub(crate) fn by_token(&self, token: &str) -> Option<Arc<Live>> {
        let table = self.table();
        let entry = table.by_id.get(table.by_token.get(token)?)?;
        Some(Arc::clone(&entry.live))
    }

    /// The grants at a target of who is called `name` there, that have a verifier.
    pub(crate) fn of_name(&self, target: &str, name: &str) -> Vec<Arc<Live>> {
        let is_it = |live: &&Arc<Live>| {
            live.target.as_str() == target && live.verifier.is_some() && live.principal.is_called(name)
        };
        self.table().by_id.values().map(|entry| &entry.live).filter(is_it).map(Arc::clone).collect()
    }

    /// A grant in force, as its request stands.
    pub(crate) fn approval(&self, id: ApprovalId) -> Option<Approval> {
        self.table().by_id.get(&id).map(Entry::now)
    }

    /// All that are in force.
    pub(crate) fn all(&self) -> Vec<Approval> {
        self.table().by_id.values().map(Entry::now).collect()
    }

    /// The break-glass of a person at a target; nobody who acts for the person has it.
    pub(crate) fn glass(
        &self,
        (principal, target): (&Principal, &TargetName),
        times: impl FnOnce() -> (Timestamp, Duration),
    ) -> Option<Arc<Live>> {
        if self.glasses.load(Ordering::Acquire) == 0
            || principal.kind != PrincipalKind::User
            || !principal.actor_chain.is_empty()
        {
            return None;
        }
        let is_it = |live: &Live| {
            live.is_break_glass()
                && live.target == *target
                && live.principal.issuer == principal.issuer
                && live.principal.subject == principal.subject
        };
        let live = {
            let table = self.table();
            table.by_id.values().map(|entry| &entry.live).find(|live| is_it(live)).map(Arc::clone)
        };
        live.filter(|live| !live.is_over(times()))
    }

    /// Ends a grant: on record, then in fact. None when it is none that is in force, or not of this version any more.
    pub(crate) fn end(
        &self,
        books: Books<'_>,
        (id, expects): (ApprovalId, Option<u64>),
        ending: Ending<'_>,
    ) -> Result<Option<(Approval, Written)>, EvidenceError> {
        let at = books.up();
        let (after, live, written) = {
            let mut table = self.table();
            let Some(entry) = table.by_id.get(&id) else { return Ok(None) };
            let before = entry.approval.version;
            let Ending { how, by, reason } = ending;
            let step = Step::Ended { how: how.name().to_owned(), reason: reason.map(str::to_owned) };
            let time = books.evidence.clock.now().to_string();
            let stamp = Stamp { time: &time, who: by, session: books.control.session() };
            let Some(after) = entry.approval.after(expects.unwrap_or(before), &step, stamp) else { return Ok(None) };
            let live = Arc::clone(&entry.live);
            let is_break_glass = live.is_break_glass();
            let told = Told { id, expects: before, step: GrantStep::Ended { how, reason, is_break_glass } };
            let target = live.target.as_str();
            let written = books.control.append_for(books.evidence, by, Some(target), Body::Grant(told))?;
            self.steps.tell(&after);
            table.by_id.remove(&id);
            table.by_token.retain(|_, of| *of != id);
            if is_break_glass {
                self.glasses.fetch_sub(1, Ordering::AcqRel);
                books.metrics.break_glass.dec();
            }
            (after, live, written)
        };
        let open = live.end(at);
        books.metrics.granted(&live.target, ending.how.name());
        if live.is_break_glass() {
            let (who, how) = (&after.ask.who, ending.how.name());
            tracing::warn!(%who, target = %live.target, id = %id, how, "break-glass is over");
        }
        if open == 0 && ending.how != GrantEnd::Used {
            record_cut(books, &live, (0, books.up().saturating_sub(at)));
        }
        self.ended.send_replace(());
        Ok(Some((after, written)))
    }

    /// Ends those whose time is up.
    pub(crate) fn expire(&self, books: Books<'_>) -> Result<usize, EvidenceError> {
        let times = (books.evidence.clock.now(), books.up());
        self.end_all(books, |live| live.is_past(times).then_some(GrantEnd::Expired))
    }

    /// Ends those that are to end.
    pub(crate) fn end_all(
        &self,
        books: Books<'_>,
        mut why: impl FnMut(&Live) -> Option<GrantEnd>,
    ) -> Result<usize, EvidenceError> {
        let due: Vec<_> = {
            let table = self.table();
            table.by_id.iter().filter_map(|(id, entry)| Some((*id, why(&entry.live)?))).collect()
        };
        for (id, how) in &due {
            self.end(books, (*id, None), Ending::by_itself(*how))?;
        }
        Ok(due.len())
    }

    /// A session of a grant is closed, on record.
    pub(crate) fn left(&self, books: Books<'_>, live: &Live, session: SessionId) {
        match live.leave(session, books.up()) {
            Left::Nothing => {}
            Left::UsedUp => {
                if let Err(error) = self.end(books, (live.id, None), Ending::by_itself(GrantEnd::Used)) {
                    tracing::error!(%error, grant = %live.id, "the end of a grant cannot be recorded");
                }
            }
            Left::Cut { sessions, took } => record_cut(books, live, (sessions, took)),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records that the sessions of a grant are closed, and how long that took.
fn record_cut(books: Books<'_>, live: &Live, (sessions, took): (u64, Duration)) {
    let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let told = Told { id: live.id, expects: 0, step: GrantStep::Cut { sessions, microseconds } };
    let target = live.target.as_str();
    if let Err(error) = books.control.append_for(books.evidence, None, Some(target), Body::Grant(told)) {
        tracing::error!(%error, grant = %live.id, "that the sessions of a grant are closed cannot be recorded");
    }
}
