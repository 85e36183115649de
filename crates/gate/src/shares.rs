//! What one principal and one target may take of all: so much that nobody notices, and never so much that nothing is left
//! for others. A share lives as long as somebody holds it: whoever holds a permit of one must hold the share too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

/// Entries at which those are first taken out whose sessions have ended.
const FIRST_SWEEP: usize = 64;

/// So much of what runs at once.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) sessions: Arc<Semaphore>,
    pub(crate) operations: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    /// In KiB: what is received and not passed on yet.
    pub(crate) received: Arc<Semaphore>,
    /// Calls that cannot be decided yet.
    pub(crate) undecided: Arc<Semaphore>,
}

/// How much that is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amounts {
    pub(crate) sessions: usize,
    pub(crate) operations: usize,
    pub(crate) streams: usize,
    pub(crate) received: usize,
    pub(crate) undecided: usize,
}

/// The shares that are in use, by name.
#[derive(Debug)]
pub(crate) struct Shares {
    amounts: Amounts,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    by_name: HashMap<Box<str>, Weak<Share>>,
    sweep_at: usize,
}

impl Share {
    /// A share of its own.
    pub(crate) fn new(amounts: Amounts) -> Self {
        let of = |amount| Arc::new(Semaphore::new(amount));
        Self {
            sessions: of(amounts.sessions),
            operations: of(amounts.operations),
            streams: of(amounts.streams),
            received: of(amounts.received),
            undecided: of(amounts.undecided),
        }
    }
}

impl Shares {
    /// Shares of this size each.
    pub(crate) fn new(amounts: Amounts) -> Self {
        Self { amounts, table: Mutex::new(Table { by_name: HashMap::new(), sweep_at: FIRST_SWEEP }) }
    }

    /// The share of this name.
    pub(crate) fn of(&self, name: &str) -> Arc<Share> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = table.by_name.get(name).and_then(Weak::upgrade) {
            return share;
        }
        if table.by_name.len() >= table.sweep_at {
            table.by_name.retain(|_, share| share.strong_count() > 0);
            table.sweep_at = FIRST_SWEEP.max(2 * table.by_name.len());
        }
        let share = Arc::new(Share::new(self.amounts));
        table.by_name.insert(name.into(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMOUNTS: Amounts = Amounts { sessions: 1, operations: 2, streams: 3, received: 4, undecided: 5 };

    #[test]
    fn a_share_is_one_for_all_of_its_name_and_goes_with_the_last() {
        let shares = Shares::new(AMOUNTS);
        let (one, same, other) = (shares.of("alice"), shares.of("alice"), shares.of("bob"));
        let taken = Arc::clone(&one.sessions).try_acquire_owned().unwrap();
        assert!(same.sessions.try_acquire().is_err());
        assert_eq!((other.sessions.available_permits(), other.streams.available_permits()), (1, 3));
        drop((one, same));
        assert_eq!(shares.of("alice").sessions.available_permits(), 1, "of another share, whoever holds the old one");
        drop(taken);
    }

    #[test]
    fn names_that_are_gone_take_no_room() {
        let shares = Shares::new(AMOUNTS);
        let kept = shares.of("kept");
        for number in 0..10_000 {
            drop(shares.of(&number.to_string()));
        }
        assert!(shares.table.lock().unwrap().by_name.len() <= FIRST_SWEEP);
        assert!(Arc::ptr_eq(&kept, &shares.of("kept")));
    }
}
