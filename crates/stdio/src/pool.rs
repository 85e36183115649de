//! Children by key: started at first use, ended when idle, bounded per owner, per target and in all, restarted with back-off.
//!
//! One task owns the table; the handle talks to it by a bounded channel. Starting and ending happen in tasks of their
//! own, so a slow server delays nobody else's. A child counts against both caps from before its start until nothing of
//! it is left. One that ended early, or did not start, is not started again for a while: twice as long each time, until
//! one has run well. When the last handle of the pool is dropped, every child is killed.

mod table;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use vidimus_core::ErrorKind;

use crate::child::{Child, ChildError, Launch, Messages};
use table::{Request, Table};

/// Requests waiting for the table, which answers each at once.
const REQUESTS: usize = 64;

/// Whose child: the target, and what it is shared by (a session's or a principal's id).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolKey {
    /// The target's name.
    pub target: String,
    /// Opaque here.
    pub holder: String,
}

/// Bounds of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Children of one target.
    pub per_target: usize,
    /// Children of one target on behalf of one owner.
    pub per_owner: usize,
    /// Children in all.
    pub total: usize,
    /// How long a child may go unused; it is ended at the latest a quarter later.
    pub idle: Duration,
    /// The first wait before another start, and the longest.
    pub back_off: (Duration, Duration),
    /// A child that ran so long ran well.
    pub good_run: Duration,
    /// How long the end of all is waited for. More than one child takes to be asked and killed (`ChildLimits`).
    pub close: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            per_target: 32,
            per_owner: 16,
            total: 128,
            idle: Duration::from_mins(5),
            back_off: (Duration::from_secs(1), Duration::from_mins(1)),
            good_run: Duration::from_secs(30),
            close: Duration::from_secs(15),
        }
    }
}

/// A child in use: it is not idle as long as a lease of it is held.
#[derive(Debug)]
pub struct Lease {
    /// The child.
    pub child: Child,
    /// What it sends, for whoever gets the first lease of it, and for nobody after.
    pub messages: Option<Messages>,
    _held: Arc<()>,
}

/// Why there is no child.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PoolError {
    /// The cap of the target.
    #[error("the target has {limit} servers running, the most it may have: close sessions, or raise its limit")]
    TargetFull {
        /// The cap.
        limit: usize,
    },
    /// The cap of the owner.
    #[error("the caller has {limit} servers of the target running, the most one caller may have: close sessions")]
    OwnerFull {
        /// The cap.
        limit: usize,
    },
    /// The cap of all together.
    #[error("{limit} servers are running, the most of all targets together: close sessions, or raise the limit")]
    Full {
        /// The cap.
        limit: usize,
    },
    /// The last one ended too early, or did not start.
    #[error("the server ended early and is not started again for {} ms: look at what it logged", remaining.as_millis())]
    BackingOff {
        /// How long still.
        remaining: Duration,
    },
    /// The last one is still ending.
    #[error("the server before this one is still ending: try again")]
    Ending,
    /// It did not start.
    #[error(transparent)]
    Start(#[from] Arc<ChildError>),
    /// The pool is closed.
    #[error("the gateway is stopping and starts no server any more")]
    Stopped,
}

impl PoolError {
    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TargetFull { .. } | Self::OwnerFull { .. } | Self::Full { .. } => ErrorKind::Limit,
            Self::BackingOff { .. } | Self::Ending => ErrorKind::Upstream,
            Self::Start(error) => error.kind(),
            Self::Stopped => ErrorKind::Internal,
        }
    }

    /// What a caller may read.
    pub fn public_message(&self) -> &'static str {
        match self {
            Self::TargetFull { .. } => "too many servers of this target are running",
            Self::OwnerFull { .. } => "too many servers of this target are running for you: end sessions",
            Self::Full { .. } => "too many servers are running",
            Self::BackingOff { .. } => "the server ended early and is started again later",
            Self::Ending => "the server is ending: try again",
            Self::Start(error) => error.public_message(),
            Self::Stopped => "the gateway is stopping",
        }
    }
}

/// What a pool holds: gauges, and counters since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Children being started.
    pub starting: usize,
    /// Children running.
    pub running: usize,
    /// Children being ended.
    pub ending: usize,
    /// Keys that wait for another start.
    pub backing_off: usize,
    /// Starts that succeeded.
    pub started: u64,
    /// Starts that failed, and children that ended early.
    pub failed: u64,
    /// Requests refused for a cap.
    pub refused: u64,
}

/// A pool. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Pool {
    requests: mpsc::Sender<Request>,
    state: watch::Receiver<PoolState>,
}

impl Pool {
    /// An empty pool, on the current runtime.
    pub fn new(limits: PoolLimits) -> Self {
        let (requests, queue) = mpsc::channel(REQUESTS);
        let (publish, state) = watch::channel(PoolState::default());
        tokio::spawn(Table::new(limits, publish).run(queue));
        Self { requests, state }
    }

    /// The child of `key`, started as `launch` says if there is none. Cancel safe: a start goes on, and whoever asks
    /// next gets its child and its messages.
    pub async fn lease(&self, key: PoolKey, launch: &Launch) -> Result<Lease, PoolError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Lease { key, launch: Box::new(launch.clone()), answer };
        self.requests.send(request).await.map_err(|_| PoolError::Stopped)?;
        answered.await.map_err(|_| PoolError::Stopped)?
    }

    /// Ends the child of `key`, if there is one, and forgets its failures: the session is over. Does not wait for the
    /// end.
    pub async fn end(&self, key: PoolKey) {
        // A pool that has stopped has ended it.
        let _ = self.requests.send(Request::End { key }).await;
    }

    /// Ends every child, in order, starts no more, and waits until nothing is left, or for `PoolLimits::close`: then what
    /// is left is named in the log, and its supervisor goes on killing it. Cancel safe: the end goes on.
    pub async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.requests.send(Request::Close { answer }).await.is_ok() {
            // An error is a table that went, and with it every child.
            let _ = answered.await;
        }
    }

    /// What it holds now.
    pub fn state(&self) -> PoolState {
        *self.state.borrow()
    }
}
