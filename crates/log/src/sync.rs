//! Who waits for which position, how far the journal is durable, and whether the log has failed.
//!
//! [`Durable`] is a plain future: cancel-safe, it holds no lock between polls, and dropping it loses nothing but the
//! wake-up. A wish to be durable counts from [`Progress::request`], before the first poll, so that a sync can overlap
//! other work.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::codec::lock;
use crate::error::AppendError;

/// A place in the journal after an append: that append and all before it lie below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub(crate) u64);

/// Resolves when the journal is durable past a position, or the log has failed.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Durable {
    progress: Arc<Progress>,
    position: Position,
    ticket: Option<u64>,
}

impl Durable {
    pub(crate) fn new(progress: Arc<Progress>, position: Position) -> Self {
        progress.request(position);
        Self { progress, position, ticket: None }
    }

    /// Blocks the thread until it resolves.
    pub fn wait(self) -> Result<(), AppendError> {
        self.progress.wait(self.position)
    }
}

impl Future for Durable {
    type Output = Result<(), AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { progress, position, ticket } = &mut *self;
        progress.poll(*position, ticket, context)
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            lock(&self.progress.state).waiting.remove(&(self.position.0, ticket));
        }
    }
}

/// How far the journal is durable. Counts are frames (positions) and leaves since the log began.
#[derive(Debug)]
pub(crate) struct Progress {
    durable: AtomicU64,
    durable_leaves: AtomicU64,
    syncs: AtomicU64,
    last_sync_micros: AtomicU64,
    failure: OnceLock<Arc<str>>,
    /// Why integration waits, when the disk is full or no file can be opened.
    no_space: Mutex<Option<Arc<str>>>,
    /// The highest position someone asked for.
    wanted: AtomicU64,
    /// Whether the syncer must be woken for a wish.
    syncer_sleeps: AtomicBool,
    state: Mutex<Wishes>,
    /// Wakes the syncer.
    work: Condvar,
    /// Wakes the integrator.
    advanced: Condvar,
    /// Wake the threads that wait for a sync with an even and with an odd number: none is woken for a sync that does not
    /// reach it.
    even: Condvar,
    odd: Condvar,
}

#[derive(Debug, Default)]
struct Wishes {
    /// How many syncs were begun, and up to where the last one goes.
    begun: u64,
    begun_to: u64,
    /// Sync now even if nobody waits: much is unsynced, or the log is closing.
    hurry: bool,
    syncer_stops: bool,
    integrator_stops: bool,
    next_ticket: u64,
    waiting: BTreeMap<(u64, u64), Waker>,
}

impl Progress {
    pub(crate) fn new(durable: u64, durable_leaves: u64) -> Self {
        Self {
            durable: AtomicU64::new(durable),
            durable_leaves: AtomicU64::new(durable_leaves),
            syncs: AtomicU64::new(0),
            last_sync_micros: AtomicU64::new(0),
            failure: OnceLock::new(),
            no_space: Mutex::default(),
            wanted: AtomicU64::new(0),
            syncer_sleeps: AtomicBool::new(false),
            state: Mutex::default(),
            work: Condvar::new(),
            advanced: Condvar::new(),
            even: Condvar::new(),
            odd: Condvar::new(),
        }
    }

    /// Frames known to be on disk.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Leaves known to be on disk.
    pub(crate) fn durable_leaves(&self) -> u64 {
        self.durable_leaves.load(Ordering::Acquire)
    }

    /// How many syncs there were, and how long the last one took.
    pub(crate) fn syncs(&self) -> (u64, Duration) {
        (self.syncs.load(Ordering::Relaxed), Duration::from_micros(self.last_sync_micros.load(Ordering::Relaxed)))
    }

    /// The first failure, if there was one.
    pub(crate) fn failure(&self) -> Option<&Arc<str>> {
        self.failure.get()
    }

    /// Why integration waits for space, if it does.
    pub(crate) fn no_space(&self) -> Option<Arc<str>> {
        lock(&self.no_space).clone()
    }

    pub(crate) fn set_no_space(&self, why: Option<Arc<str>>) {
        *lock(&self.no_space) = why;
    }

    /// An error when the log has failed.
    pub(crate) fn check(&self) -> Result<(), AppendError> {
        self.failure().map_or(Ok(()), |why| Err(AppendError::Failed { why: Arc::clone(why) }))
    }

    /// Fails the log for good and wakes all who wait. Only the first reason is kept.
    pub(crate) fn fail(&self, why: &str) {
        if self.failure.set(why.into()).is_ok() {
            tracing::error!(why, "the evidence log failed and takes nothing more");
        }
        let wakers = {
            let mut state = lock(&self.state);
            std::mem::take(&mut state.waiting)
        };
        for waiting in [&self.work, &self.advanced, &self.even, &self.odd] {
            waiting.notify_all();
        }
        wakers.into_values().for_each(Waker::wake);
    }

    /// Asks the syncer to make `position` durable.
    pub(crate) fn request(&self, position: Position) {
        // Here the wish is stored, then the sleep read; in `wait_for_work` the other way round. So one of the two sees the
        // other, and no lock is needed while the syncer is busy.
        let before = self.wanted.fetch_max(position.0, Ordering::SeqCst);
        if before < position.0 && self.durable() < position.0 && self.syncer_sleeps.load(Ordering::SeqCst) {
            // Whoever announced its sleep under this lock is asleep once it is free.
            drop(lock(&self.state));
            self.work.notify_one();
        }
    }

    /// Asks the syncer not to wait for its interval.
    pub(crate) fn hurry(&self) {
        lock(&self.state).hurry = true;
        self.work.notify_one();
    }

    /// The syncer's sleep: until someone wants a position, or `interval` has passed. True when it shall stop.
    pub(crate) fn wait_for_work(&self, interval: Duration) -> bool {
        let state = lock(&self.state);
        self.syncer_sleeps.store(true, Ordering::SeqCst);
        let idle = |state: &mut Wishes| {
            self.wanted.load(Ordering::SeqCst) <= self.durable()
                && !state.hurry
                && !state.syncer_stops
                && self.failure().is_none()
        };
        let (mut state, _) = match self.work.wait_timeout_while(state, interval, idle) {
            Ok(woken) => woken,
            Err(poisoned) => poisoned.into_inner(),
        };
        self.syncer_sleeps.store(false, Ordering::SeqCst);
        state.hurry = false;
        state.syncer_stops
    }

    /// The syncer's word that a sync begins which makes everything up to `frames` durable.
    pub(crate) fn begin_sync(&self, frames: u64) {
        let mut state = lock(&self.state);
        state.begun += 1;
        state.begun_to = frames;
    }

    /// The syncer's report that everything below is on disk. Wakes those who waited for it.
    pub(crate) fn reached(&self, frames: u64, leaves: u64, took: Duration) {
        self.durable_leaves.store(leaves, Ordering::Release);
        self.durable.store(frames, Ordering::Release);
        self.last_sync_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        let (begun, woken) = {
            let mut state = lock(&self.state);
            let later = state.waiting.split_off(&(frames + 1, 0));
            (state.begun, std::mem::replace(&mut state.waiting, later))
        };
        self.number(begun).notify_all();
        self.advanced.notify_one();
        woken.into_values().for_each(Waker::wake);
    }

    /// The integrator's sleep: until more than `seen` frames are durable, or `timeout`. True when it shall stop.
    pub(crate) fn wait_past(&self, seen: u64, timeout: Duration) -> bool {
        let idle = |state: &mut Wishes| self.durable() <= seen && !state.integrator_stops && self.failure().is_none();
        let (state, _) = match self.advanced.wait_timeout_while(lock(&self.state), timeout, idle) {
            Ok(woken) => woken,
            Err(poisoned) => poisoned.into_inner(),
        };
        state.integrator_stops
    }

    pub(crate) fn stop_syncer(&self) {
        lock(&self.state).syncer_stops = true;
        self.work.notify_all();
    }

    pub(crate) fn stop_integrator(&self) {
        lock(&self.state).integrator_stops = true;
        self.advanced.notify_all();
    }

    /// Blocks the thread until everything up to `position` is durable.
    fn wait(&self, position: Position) -> Result<(), AppendError> {
        let mut state = lock(&self.state);
        while self.durable() < position.0 {
            self.check()?;
            // Everything below `position` was appended before, so the next sync reaches it if the last one does not.
            let reached_by = if position.0 <= state.begun_to { state.begun } else { state.begun + 1 };
            state = self.number(reached_by).wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// What those wait on who wait for the sync of that number.
    fn number(&self, sync: u64) -> &Condvar {
        if sync.is_multiple_of(2) { &self.even } else { &self.odd }
    }

    fn poll(
        &self,
        position: Position,
        ticket: &mut Option<u64>,
        context: &Context<'_>,
    ) -> Poll<Result<(), AppendError>> {
        if self.durable() >= position.0 {
            *ticket = None;
            return Poll::Ready(Ok(()));
        }
        let mut state = lock(&self.state);
        // Both are set before the syncer takes this lock to wake, so nobody is left behind.
        if self.durable() >= position.0 {
            *ticket = None;
            return Poll::Ready(Ok(()));
        }
        if let Err(error) = self.check() {
            *ticket = None;
            return Poll::Ready(Err(error));
        }
        let number = *ticket.get_or_insert_with(|| {
            state.next_ticket += 1;
            state.next_ticket
        });
        state.waiting.insert((position.0, number), context.waker().clone());
        Poll::Pending
    }
}
