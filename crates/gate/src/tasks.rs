//! The tasks that carry operations: they belong to the gate and its sessions, not to a connection.
//!
//! Cutting a task off drops its [`InFlight`](crate::InFlight), which records that the operation was cancelled.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// All tasks of a gate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    cut_off: CancellationToken,
}

/// The tasks of one session.
#[derive(Debug, Clone)]
pub(crate) struct SessionTasks {
    all: TaskTracker,
    own: TaskTracker,
    cut_off: CancellationToken,
}

impl Tasks {
    /// The tasks of a new session.
    pub(crate) fn session(&self) -> SessionTasks {
        SessionTasks { all: self.tracker.clone(), own: TaskTracker::new(), cut_off: self.cut_off.child_token() }
    }

    /// Waits for all tasks, then cuts off those that outlast `grace`.
    pub(crate) async fn finish(&self, grace: Duration) {
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_err() {
            self.cut_off.cancel();
            self.tracker.wait().await;
        }
    }
}

impl SessionTasks {
    /// Runs a task until it ends or is cut off, whoever waits for it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cut_off = self.cut_off.clone();
        self.all.spawn(async move {
            cut_off.run_until_cancelled_owned(task).await;
        });
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
