//! What one session may use: calls, and bytes in both directions. A session at the endpoint for all targets and those beside
//! it have one budget together.
//!
//! A call that was admitted is answered in full, so bytes may go beyond the budget by what the calls that run bring; a
//! stream that is listened to ends when they do. Nothing begins after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{CallerLimits, Exceeded};

/// The names of the limits: the keys of the configuration.
const OF_CALLS: &str = "session_calls";
const OF_BYTES: &str = "session_bytes";

/// What a session may use, and has used.
#[derive(Debug)]
pub(super) struct Budget {
    max_calls: u64,
    max_bytes: u64,
    calls: AtomicU64,
    bytes: AtomicU64,
    /// Calls that run, streams not among them.
    running: AtomicU64,
    is_spent: AtomicBool,
}

/// A call's part in a budget.
#[derive(Debug)]
pub(super) struct Spending {
    budget: Arc<Budget>,
    is_stream: bool,
}

impl Budget {
    /// That of a new session, if it has one.
    pub(super) fn new(limits: &CallerLimits) -> Option<Arc<Self>> {
        if limits.session_calls.is_none() && limits.session_bytes.is_none() {
            return None;
        }
        Some(Arc::new(Self {
            max_calls: limits.session_calls.unwrap_or(u64::MAX),
            max_bytes: limits.session_bytes.unwrap_or(u64::MAX),
            calls: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            running: AtomicU64::new(0),
            is_spent: AtomicBool::new(false),
        }))
    }

    /// Takes one call with a request of so many bytes.
    pub(super) fn take(self: &Arc<Self>, bytes: usize, is_stream: bool) -> Result<Spending, Exceeded> {
        // Before it is known whether it may be, so that a session that is seen to run nothing begins nothing.
        let spending = Spending::new(self, is_stream);
        if self.calls.load(Ordering::Relaxed) >= self.max_calls || self.is_spent.load(Ordering::Acquire) {
            return Err(self.exceeded());
        }
        if add(&self.bytes, size(bytes), self.max_bytes).is_err() || add(&self.calls, 1, self.max_calls).is_err() {
            return Err(self.exceeded());
        }
        Ok(spending)
    }

    fn exceeded(&self) -> Exceeded {
        self.is_spent.store(true, Ordering::Release);
        let (limit, used) = if self.calls.load(Ordering::Relaxed) >= self.max_calls {
            (OF_CALLS, format!("made the {} calls", self.max_calls))
        } else {
            (OF_BYTES, format!("used up the {} bytes", self.max_bytes))
        };
        let message = format!("this session has {used} that one may (the limit `{limit}`); start a new one");
        Exceeded { limit: limit.into(), reason: "budget", message, retry_after: None }
    }

    /// Whether the session is over: somebody was told that nothing is left, and no call runs any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_spent.load(Ordering::Acquire) && self.running.load(Ordering::Acquire) == 0
    }
}

impl Spending {
    fn new(budget: &Arc<Budget>, is_stream: bool) -> Self {
        if !is_stream {
            budget.running.fetch_add(1, Ordering::AcqRel);
        }
        Self { budget: Arc::clone(budget), is_stream }
    }

    /// Counts bytes that go to the caller.
    pub(super) fn spend(&self, bytes: usize) {
        let before = self.budget.bytes.fetch_add(size(bytes), Ordering::Relaxed);
        if self.is_stream && before.saturating_add(size(bytes)) > self.budget.max_bytes {
            self.budget.is_spent.store(true, Ordering::Release);
        }
    }
}

impl Drop for Spending {
    fn drop(&mut self) {
        if !self.is_stream {
            self.budget.running.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Adds, unless that is more than `most`; then how much there is.
fn add(to: &AtomicU64, amount: u64, most: u64) -> Result<u64, u64> {
    to.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| used.checked_add(amount).filter(|sum| *sum <= most))
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
