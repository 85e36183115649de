//! The tasks that carry operations: they belong to the gate and its sessions, not to a connection.
//!
//! Cutting a task off drops its [`InFlight`](crate::InFlight), which records that the operation was cancelled.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Operations that run at once, over all sessions. A call runs on when its client leaves, so connections do not bound
/// them.
const MAX_OPERATIONS: usize = 4_096;

/// Operations that run at once in one session.
const MAX_SESSION_OPERATIONS: usize = 128;

/// Streams that listen to targets at once, over all sessions. Each waits most of its time.
const MAX_STREAMS: usize = 16_384;

/// All tasks of a gate.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    cut_off: CancellationToken,
    /// Ends streams, which never end by themselves, as soon as the gate is told to finish.
    streams_end: CancellationToken,
    permits: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

/// How long an operation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Until it is answered.
    Call,
    /// For as long as somebody listens.
    Stream,
}

/// Leave for one operation to run.
#[derive(Debug)]
pub(crate) struct Permit {
    _of_session: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            tracker: TaskTracker::new(),
            cut_off: CancellationToken::new(),
            streams_end: CancellationToken::new(),
            permits: Arc::new(Semaphore::new(MAX_OPERATIONS)),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        }
    }
}

/// The tasks of one session.
#[derive(Debug, Clone)]
pub(crate) struct SessionTasks {
    all: TaskTracker,
    own: TaskTracker,
    cut_off: CancellationToken,
    streams_end: CancellationToken,
    of_all: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    of_session: Arc<Semaphore>,
}

impl Tasks {
    /// The tasks of a new session.
    pub(crate) fn session(&self) -> SessionTasks {
        SessionTasks {
            all: self.tracker.clone(),
            own: TaskTracker::new(),
            cut_off: self.cut_off.child_token(),
            streams_end: self.streams_end.clone(),
            of_all: Arc::clone(&self.permits),
            streams: Arc::clone(&self.streams),
            of_session: Arc::new(Semaphore::new(MAX_SESSION_OPERATIONS)),
        }
    }

    /// Waits for all tasks, then cuts off those that outlast `grace`.
    pub(crate) async fn finish(&self, grace: Duration) {
        self.tracker.close();
        self.streams_end.cancel();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_err() {
            self.cut_off.cancel();
            self.tracker.wait().await;
        }
    }
}

impl SessionTasks {
    /// Runs a task until it ends or is cut off, whoever waits for it; one that listens also until the gate is told to
    /// finish.
    pub(crate) fn spawn(&self, length: Length, task: impl Future<Output = ()> + Send + 'static) {
        let (cut_off, end) = (self.cut_off.clone(), self.streams_end.clone());
        // On the heap once: every future that wraps another holds it twice, as it was given and as it runs.
        let task = Box::pin(task);
        match length {
            Length::Call => drop(self.all.spawn(cut_off.run_until_cancelled_owned(task))),
            Length::Stream => {
                drop(self.all.spawn(cut_off.run_until_cancelled_owned(end.run_until_cancelled_owned(task))));
            }
        }
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

    /// Leave to run one more operation; `None` when too many run already.
    pub(crate) fn permit(&self, length: Length) -> Option<Permit> {
        let all = match length {
            Length::Call => &self.of_all,
            Length::Stream => &self.streams,
        };
        let of_session = Arc::clone(&self.of_session).try_acquire_owned().ok()?;
        let of_all = Arc::clone(all).try_acquire_owned().ok()?;
        Some(Permit { _of_session: of_session, _of_all: of_all })
    }

    /// Held by an operation from before its intent is written until its outcome is.
    pub(crate) fn token(&self) -> TaskTrackerToken {
        self.own.token()
    }

    /// Cuts off what still runs, and waits until every operation has left its outcome.
    pub(crate) async fn cut_off(&self) {
        self.cut_off.cancel();
        self.own.close();
        self.own.wait().await;
    }
}
