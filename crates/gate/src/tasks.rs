//! The tasks that carry operations: they belong to the gate and its sessions, not to a connection.
//!
//! Cutting a task off drops its [`InFlight`](crate::InFlight), which records that the operation was cancelled.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::limits::Held;
use crate::shares::{Amounts, Share, Shares};

/// Operations that run at once, over all sessions. A call runs on when its client leaves, so connections do not bound
/// them.
const MAX_OPERATIONS: usize = 4_096;

/// Operations that run at once in one session.
const MAX_SESSION_OPERATIONS: usize = 128;

/// Streams that listen to targets at once, over all sessions. Each waits most of its time.
const MAX_STREAMS: usize = 32_768;

/// KiB of requests that are received at once and not passed on yet, over all callers.
const MAX_RECEIVED: usize = 512 * 1024;

/// Calls of one target that wait at once for what they are decided by.
const MAX_UNDECIDED: usize = 128;

/// Everything. Whoever keeps sessions has a bound for them, and the operator has one for each principal.
const ALL: Amounts = Amounts {
    sessions: Semaphore::MAX_PERMITS,
    operations: MAX_OPERATIONS,
    streams: MAX_STREAMS,
    received: MAX_RECEIVED,
    undecided: Semaphore::MAX_PERMITS,
};

/// One target has at most half, so that one that hangs leaves room for others.
const OF_TARGET: Amounts =
    Amounts { operations: MAX_OPERATIONS / 2, streams: MAX_STREAMS / 2, undecided: MAX_UNDECIDED, ..ALL };

/// So has one principal, who may take all it can get.
const OF_PRINCIPAL: Amounts = Amounts { received: MAX_RECEIVED / 4, undecided: ALL.undecided, ..OF_TARGET };

/// One principal at one target has at most half of what that target may have.
const OF_BOTH: Amounts =
    Amounts { operations: MAX_OPERATIONS / 4, streams: MAX_STREAMS / 4, undecided: MAX_UNDECIDED / 2, ..ALL };

/// All tasks of a gate.
#[derive(Debug)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    cut_off: CancellationToken,
    streams_end: Arc<StreamsEnd>,
    of_all: Arc<Share>,
    of_principals: Shares,
    of_targets: Shares,
    /// Of a principal at a target.
    of_both: Shares,
}

/// Ends streams, which never end by themselves: what is cancelled when those that run now are to end.
#[derive(Debug, Default)]
struct StreamsEnd(Mutex<CancellationToken>);

impl StreamsEnd {
    fn running(&self) -> CancellationToken {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// That of the streams until now; later ones have another.
    fn next(&self) -> CancellationToken {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *running, CancellationToken::new())
    }
}

/// How long an operation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Until it is answered.
    Call,
    /// For as long as somebody listens, and may.
    Stream {
        /// When who listens is not known to be who it is any more: its token expires.
        until: Instant,
    },
}

/// Leave for one operation to run: of its session, of its principal at its target, of each of the two, and of all.
#[derive(Debug)]
pub(crate) struct Permit {
    _of: [OwnedSemaphorePermit; 5],
    /// What it takes of the operator's limits.
    held: Held,
}

impl Permit {
    /// Counts bytes that go to the caller.
    pub(crate) fn spend(&self, bytes: usize) {
        self.held.spend(bytes);
    }

    /// Gives free what it takes of the operator's limits: the caller is about to be answered, and may ask again at once.
    pub(crate) fn release(&mut self) {
        self.held = Held::default();
    }
}

impl Tasks {
    /// No tasks, of principals that may have so many sessions each.
    pub(crate) fn new(sessions: usize) -> Self {
        Self {
            tracker: TaskTracker::new(),
            cut_off: CancellationToken::new(),
            streams_end: Arc::default(),
            of_all: Arc::new(Share::new(ALL)),
            of_principals: Shares::new(Amounts { sessions: sessions.min(Semaphore::MAX_PERMITS), ..OF_PRINCIPAL }),
            of_targets: Shares::new(OF_TARGET),
            of_both: Shares::new(OF_BOTH),
        }
    }
}

/// Room for a request while it is received.
#[derive(Debug)]
#[must_use = "the room is free again when this is dropped"]
pub struct Room {
    _of: [OwnedSemaphorePermit; 2],
    /// What its principal has is counted for as long as it has any.
    _of_principal: Arc<Share>,
}

/// Stands for an operation that an adapter carries out in a task of its own: the gate waits for it, and tells it to end.
#[derive(Debug)]
#[must_use = "the gate waits for as long as this is held"]
pub struct Serving {
    _token: TaskTrackerToken,
    cut_off: CancellationToken,
}

impl Serving {
    /// Resolves when the operation is cut off. Cancel safe.
    pub async fn cut_off(&self) {
        self.cut_off.cancelled().await;
    }

    /// Whether it was.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off.is_cancelled()
    }
}

/// A place among the calls of a target that wait for what they are decided by.
#[derive(Debug)]
#[must_use = "the place is free again when this is dropped"]
pub struct Undecided {
    _of: [OwnedSemaphorePermit; 2],
    /// What is taken of these is counted for as long as somebody has any.
    _shares: [Arc<Share>; 2],
}

/// The tasks of one session.
#[derive(Debug, Clone)]
pub(crate) struct SessionTasks {
    all: TaskTracker,
    own: TaskTracker,
    cut_off: CancellationToken,
    streams_end: Arc<StreamsEnd>,
    of_session: Arc<Semaphore>,
    of_principal: Arc<Share>,
    of_target: Arc<Share>,
    of_both: Arc<Share>,
    of_all: Arc<Share>,
    /// One of the sessions that its principal may have, until it has ended.
    session: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl Tasks {
    /// The tasks of a new session; `None` when the principal has as many as one may have. One that does not count may
    /// always be.
    pub(crate) fn session(&self, principal: &str, target: &str, counts: bool) -> Option<SessionTasks> {
        let of_principal = self.of_principals.of(principal);
        let session = || Arc::clone(&of_principal.sessions).try_acquire_owned().ok();
        let session = if counts { Some(session()?) } else { None };
        Some(SessionTasks {
            all: self.tracker.clone(),
            own: TaskTracker::new(),
            cut_off: self.cut_off.child_token(),
            streams_end: Arc::clone(&self.streams_end),
            of_session: Arc::new(Semaphore::new(MAX_SESSION_OPERATIONS)),
            of_principal,
            of_target: self.of_targets.of(target),
            // No target's name has a space.
            of_both: self.of_both.of(&format!("{target} {principal}")),
            of_all: Arc::clone(&self.of_all),
            session: Arc::new(Mutex::new(session)),
        })
    }

    /// Room to receive so many bytes of a principal's; `None` when too much is received already.
    pub(crate) fn room(&self, principal: &str, bytes: usize) -> Option<Room> {
        let size = u32::try_from(bytes.div_ceil(1024)).ok()?;
        let of = |share: &Share| Arc::clone(&share.received).try_acquire_many_owned(size).ok();
        let of_principal = self.of_principals.of(principal);
        Some(Room { _of: [of(&of_principal)?, of(&self.of_all)?], _of_principal: of_principal })
    }

    /// Ends every stream that runs now.
    pub(crate) fn end_streams(&self) {
        self.streams_end.next().cancel();
    }

    /// Waits for all tasks, then cuts off those that outlast `grace`.
    pub(crate) async fn finish(&self, grace: Duration) {
        self.tracker.close();
        self.streams_end.running().cancel();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_err() {
            self.cut_off.cancel();
            self.tracker.wait().await;
        }
    }

    /// Cuts off what is left, and whatever begins from now on.
    pub(crate) async fn cut_off(&self) {
        self.cut_off.cancel();
        self.tracker.wait().await;
    }
}

impl SessionTasks {
    /// Runs a task until it ends or is cut off, whoever waits for it; one that listens also until it may no longer, or
    /// all streams are ended.
    pub(crate) fn spawn(&self, length: Length, task: impl Future<Output = ()> + Send + 'static) {
        let cut_off = self.cut_off.clone();
        // On the heap once: every future that wraps another holds it twice, as it was given and as it runs.
        let task = Box::pin(task);
        match length {
            Length::Call => drop(self.all.spawn(cut_off.run_until_cancelled_owned(task))),
            Length::Stream { until } => {
                let end = self.streams_end.running();
                drop(self.all.spawn(async move {
                    tokio::select! {
                        biased;
                        () = cut_off.cancelled() => {}
                        () = end.cancelled() => {}
                        () = task => {}
                        () = tokio::time::sleep_until(until) => {}
                    }
                }));
            }
        }
    }

    /// Stands for a call that has no task of its own.
    pub(crate) fn serving(&self) -> Serving {
        Serving { _token: self.all.token(), cut_off: self.cut_off.clone() }
    }

    /// Runs a task that is no operation, and that ends by itself when it is told: the session closes after it.
    pub(crate) fn spawn_told<F>(&self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        drop(self.own.spawn(task(self.cut_off.clone())));
    }

    /// Runs a task that goes on when the session is closed, and ends by itself; the gate waits for it.
    pub(crate) fn spawn_beyond(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.all.spawn(task));
    }

    /// Leave to run one more operation, with what it holds of the operator's limits; `None` when too many run already.
    pub(crate) fn permit(&self, length: Length, held: Held) -> Option<Permit> {
        let of = |share: &Share| match length {
            Length::Call => Arc::clone(&share.operations),
            Length::Stream { .. } => Arc::clone(&share.streams),
        };
        let one = |of: Arc<Semaphore>| of.try_acquire_owned().ok();
        Some(Permit {
            _of: [
                one(Arc::clone(&self.of_session))?,
                one(of(&self.of_both))?,
                one(of(&self.of_principal))?,
                one(of(&self.of_target))?,
                one(of(&self.of_all))?,
            ],
            held,
        })
    }

    /// A place to wait for what a call is decided by; `None` when too many of the target wait already, or of its principal.
    pub(crate) fn undecided(&self) -> Option<Undecided> {
        let of = |share: &Share| Arc::clone(&share.undecided).try_acquire_owned().ok();
        Some(Undecided {
            _of: [of(&self.of_both)?, of(&self.of_target)?],
            _shares: [Arc::clone(&self.of_both), Arc::clone(&self.of_target)],
        })
    }

    /// What is cancelled when the session ends, and when the gate waits for nothing that takes long.
    pub(crate) fn ends(&self) -> [CancellationToken; 2] {
        [self.cut_off.clone(), self.streams_end.running()]
    }

    /// Held by an operation from before its intent is written until its outcome is.
    pub(crate) fn token(&self) -> TaskTrackerToken {
        self.own.token()
    }

    /// The session has ended: its principal may have another.
    pub(crate) fn release_session(&self) {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether what runs was cut off: the session ends.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.cut_off.is_cancelled()
    }

    /// Cuts off what still runs, and what begins from now on. Waits for nothing.
    pub(crate) fn begin_cut_off(&self) {
        self.cut_off.cancel();
    }

    /// Cuts off what still runs, and waits until every operation has left its outcome.
    pub(crate) async fn cut_off(&self) {
        self.cut_off.cancel();
        self.own.close();
        self.own.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions of one principal.
    const SESSIONS: usize = 1_000;

    /// All permits of this kind that the sessions of one principal with one target can get.
    fn all(tasks: &Tasks, (principal, target): (&str, &str), length: Length) -> (Vec<SessionTasks>, Vec<Permit>) {
        let (mut sessions, mut permits) = (Vec::new(), Vec::new());
        loop {
            let session = tasks.session(principal, target, true).unwrap();
            let before = permits.len();
            permits.extend(std::iter::from_fn(|| session.permit(length, Held::default())));
            if permits.len() == before {
                return (sessions, permits);
            }
            assert_eq!(permits.len() - before, MAX_SESSION_OPERATIONS);
            sessions.push(session);
        }
    }

    #[test]
    fn one_principal_or_target_leaves_room_for_others() {
        let tasks = Tasks::new(SESSIONS);
        let stream = Length::Stream { until: Instant::now() };
        for (length, most) in [(Length::Call, MAX_OPERATIONS), (stream, MAX_STREAMS)] {
            let may = |principal, target| {
                tasks.session(principal, target, true).unwrap().permit(length, Held::default()).is_some()
            };
            let greedy = all(&tasks, ("alice", "hung"), length);
            assert_eq!(greedy.1.len(), most / 4);
            assert!(!may("alice", "hung") && may("alice", "other") && may("bob", "hung"));
            let more = all(&tasks, ("alice", "other"), length);
            assert_eq!(more.1.len(), most / 4);
            assert!(!may("alice", "third"), "she has half of all");
            let others = all(&tasks, ("bob", "hung"), length);
            assert_eq!(others.1.len(), most / 4);
            assert!(!may("carol", "hung") && may("carol", "third"), "the target has half of all");
            let rest = all(&tasks, ("carol", "third"), length);
            assert_eq!(rest.1.len(), most / 4);
            assert!(!may("dave", "fourth"), "all is taken");
            drop(greedy);
            assert!(may("dave", "fourth") && may("alice", "hung"));
        }
    }

    #[test]
    fn what_is_received_is_bounded_by_bytes() {
        let tasks = Tasks::new(SESSIONS);
        let size = 4 << 20;
        let held: Vec<_> = std::iter::from_fn(|| tasks.room("alice", size)).collect();
        assert_eq!(held.len() * size, MAX_RECEIVED * 1024 / 4);
        let others: Vec<_> =
            ["bob", "carol", "dave"].iter().flat_map(|who| std::iter::from_fn(|| tasks.room(who, size))).collect();
        assert_eq!(others.len() * size, 3 * MAX_RECEIVED * 1024 / 4);
        assert!(tasks.room("erin", 1).is_none() && tasks.room("erin", usize::MAX).is_none());
        drop(others);
        assert!(tasks.room("alice", 1).is_none() && tasks.room("bob", size).is_some());
    }

    #[test]
    fn one_principal_waits_in_half_of_the_places_of_a_target() {
        let tasks = Tasks::new(SESSIONS);
        let places = |principal, target| {
            let session = tasks.session(principal, target, true).unwrap();
            std::iter::from_fn(|| session.undecided()).collect::<Vec<_>>()
        };
        // Whatever session of hers it is.
        let (greedy, again) = (places("alice", "hung"), places("alice", "hung"));
        assert_eq!((greedy.len(), again.len()), (MAX_UNDECIDED / 2, 0));
        assert_eq!(places("alice", "other").len(), MAX_UNDECIDED / 2);
        let others = places("bob", "hung");
        assert_eq!(others.len(), MAX_UNDECIDED / 2);
        assert!(places("carol", "hung").is_empty());
        drop(greedy);
        assert_eq!(places("carol", "hung").len(), MAX_UNDECIDED / 2);
    }

    #[test]
    fn one_principal_has_so_many_sessions() {
        let tasks = Tasks::new(SESSIONS);
        let held: Vec<_> = std::iter::from_fn(|| tasks.session("alice", "t", true)).collect();
        assert_eq!(held.len(), SESSIONS);
        assert!(tasks.session("bob", "t", true).is_some());
        assert!(tasks.session("alice", "t", false).is_some(), "one beside another does not count");
        held[0].release_session();
        let next = tasks.session("alice", "t", true);
        assert!(next.is_some() && tasks.session("alice", "t", true).is_none(), "what has ended may still be held");
        held[0].release_session();
        assert!(tasks.session("alice", "t", true).is_none(), "it ends once");
        drop(held);
        assert!(tasks.session("alice", "t", true).is_some());
    }

    #[tokio::test]
    async fn streams_end_in_time_together_and_calls_do_not() {
        let tasks = Tasks::new(SESSIONS);
        let session = tasks.session("alice", "t", true).unwrap();
        let run = |length| {
            let (gone, ended) = tokio::sync::oneshot::channel::<()>();
            session.spawn(length, async move {
                let _held = gone;
                std::future::pending::<()>().await;
            });
            ended
        };
        let call = run(Length::Call);
        let (soon, late) = (Duration::from_millis(100), Duration::from_hours(1));
        let first = run(Length::Stream { until: Instant::now() + soon });
        let second = run(Length::Stream { until: Instant::now() + late });
        let begun = Instant::now();
        assert!(first.await.is_err() && begun.elapsed() >= soon);
        tasks.end_streams();
        assert!(second.await.is_err() && begun.elapsed() < late);
        let third = run(Length::Stream { until: Instant::now() + soon });
        let begun = Instant::now();
        assert!(third.await.is_err() && begun.elapsed() >= soon, "a later one is another");
        let last = run(Length::Stream { until: Instant::now() + late });
        tasks.finish(soon).await;
        assert!(last.await.is_err() && call.await.is_err());
        assert!(begun.elapsed() < late);
    }
}
