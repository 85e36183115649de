//! One grant in force: whose, where, how long, and the sessions that are there by it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vidimus_core::{ApprovalId, Principal, SessionId, TargetName, Timestamp};
use vidimus_credential::scram::Verifier;
use vidimus_policy::Granted;
use vidimus_store::{Approval, ApprovalState};

use crate::tasks::SessionTasks;

/// A grant in force.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) id: ApprovalId,
    /// The grant as policies see it.
    pub(crate) granted: Arc<Granted>,
    /// Whom it stands for.
    pub(crate) principal: Arc<Principal>,
    pub(crate) target: TargetName,
    pub(crate) scopes: Arc<[String]>,
    /// What its credential is proved by; none of one that was issued by a gateway that made none.
    pub(crate) verifier: Option<Verifier>,
    /// When it ends by the wall clock.
    pub(crate) until: Timestamp,
    /// When it ends, in time that the gateway runs.
    ends: Duration,
    /// Sessions that may be opened with it.
    most: u64,
    /// Whether the log has that its credential was accepted, in this process.
    pub(crate) is_recorded: AtomicBool,
    is_over: AtomicBool,
    uses: Mutex<Uses>,
}

/// The sessions of a grant.
#[derive(Debug, Default)]
struct Uses {
    /// How many were opened with it, or are being.
    opened: u64,
    /// Those that are not closed yet, on record.
    open: u64,
    sessions: Vec<(SessionId, SessionTasks)>,
    ended: Option<Ended>,
}

#[derive(Debug, Clone, Copy)]
struct Ended {
    /// In time that the gateway runs.
    at: Duration,
    /// Sessions that were open then.
    open: u64,
}

/// What a session leaves behind at a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Others are open, or others may be.
    Nothing,
    /// It was the last one of all that may be opened.
    UsedUp,
    /// It was the last one of those that were open when the grant ended, so long ago.
    Cut { sessions: u64, took: Duration },
}

/// Why no session can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoEntry {
    /// As many were opened as may be.
    Used(u64),
    /// It is over.
    Over,
}

/// A place for one session of a grant, given back when none comes of it.
#[must_use = "the place is given back when this is dropped"]
pub(crate) struct Entered(Option<Arc<Live>>);

impl Entered {
    /// The session is open.
    pub(crate) fn keep(mut self, session: SessionId, tasks: &SessionTasks) {
        if let Some(live) = self.0.take() {
            live.bind(session, tasks);
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(live) = &self.0 {
            let mut uses = live.uses();
            uses.opened = uses.opened.saturating_sub(1);
            uses.open = uses.open.saturating_sub(1);
        }
    }
}

impl Live {
    /// A grant as the log has it: `left` is how long it lasts from now on, `up` how long the gateway has run.
    pub(crate) fn of(approval: &Approval, (now, up): (Timestamp, Duration)) -> Option<Self> {
        let (ApprovalState::Granted(issued), Some(ask)) = (&approval.state, &approval.ask.grant) else { return None };
        let until: Timestamp = issued.until.parse().ok()?;
        let left = until.since(now).min(Duration::from_secs(ask.seconds));
        Some(Self {
            id: approval.id,
            granted: Arc::new(Granted {
                name: ask.name.as_str().into(),
                id: approval.id.to_string().into(),
                is_break_glass: ask.is_break_glass,
            }),
            principal: Arc::new(super::principal(&issued.principal)?),
            target: approval.ask.target.parse().ok()?,
            scopes: issued.scopes.clone().into(),
            verifier: None,
            until,
            ends: up.saturating_add(left),
            most: ask.sessions,
            is_recorded: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            uses: Mutex::new(Uses { opened: issued.opened, ..Uses::default() }),
        })
    }

    pub(crate) fn is_break_glass(&self) -> bool {
        self.granted.is_break_glass
    }

    /// Whether its time is up.
    pub(crate) fn is_past(&self, (now, up): (Timestamp, Duration)) -> bool {
        now >= self.until || up >= self.ends
    }

    /// Whether it is over, for whatever reason.
    pub(crate) fn is_over(&self, times: (Timestamp, Duration)) -> bool {
        self.is_over.load(Ordering::Acquire) || self.is_past(times)
    }

    /// How many sessions were opened with it, or are being.
    pub(crate) fn opened(&self) -> u64 {
        self.uses().opened
    }

    /// Whether all sessions that may be opened with it were, and have ended.
    pub(crate) fn is_used_up(&self) -> bool {
        let uses = self.uses();
        !self.is_break_glass() && uses.open == 0 && uses.opened >= self.most
    }

    /// A place for one more session.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Entered, NoEntry> {
        let mut uses = self.uses();
        if uses.ended.is_some() {
            return Err(NoEntry::Over);
        }
        if uses.opened >= self.most {
            return Err(NoEntry::Used(self.most));
        }
        uses.opened += 1;
        uses.open += 1;
        Ok(Entered(Some(Arc::clone(self))))
    }

    /// Enters a session for which there is a place; one that comes too late is cut off.
    fn bind(&self, session: SessionId, tasks: &SessionTasks) {
        let mut uses = self.uses();
        uses.sessions.push((session, tasks.clone()));
        if uses.ended.is_some() {
            tasks.begin_cut_off();
        }
    }

    /// Enters a session that is open already, once; false when the grant or the session is over.
    pub(crate) fn join(&self, session: SessionId, tasks: &SessionTasks) -> bool {
        let mut uses = self.uses();
        if uses.ended.is_some() || tasks.is_cut_off() {
            return false;
        }
        if !uses.sessions.iter().any(|(known, _)| *known == session) {
            uses.open += 1;
            uses.sessions.push((session, tasks.clone()));
        }
        true
    }

    /// A session that was entered is closed, on record.
    pub(crate) fn leave(&self, session: SessionId, up: Duration) -> Left {
        let mut uses = self.uses();
        let before = uses.sessions.len();
        uses.sessions.retain(|(known, _)| *known != session);
        if uses.sessions.len() == before {
            return Left::Nothing;
        }
        uses.open = uses.open.saturating_sub(1);
        match uses.ended {
            Some(Ended { at, open }) if uses.open == 0 => Left::Cut { sessions: open, took: up.saturating_sub(at) },
            None if !self.is_break_glass() && uses.open == 0 && uses.opened >= self.most => Left::UsedUp,
            _ => Left::Nothing,
        }
    }

    /// Ends it, as of `at`, and cuts off what runs in its sessions; how many there are, with those being opened.
    pub(crate) fn end(&self, at: Duration) -> u64 {
        self.is_over.store(true, Ordering::Release);
        let mut uses = self.uses();
        let open = uses.open;
        uses.ended = Some(Ended { at, open });
        for (_, tasks) in &uses.sessions {
            tasks.begin_cut_off();
        }
        open
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
