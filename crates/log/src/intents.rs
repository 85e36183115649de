//! Operations that were admitted and have no outcome yet, over all sessions of a log that is checked.
//!
//! A tree that holds says nothing of an outcome that was never written: an intent is answered once, before its session
//! ends (design part 3, "Event"). Memory is bounded: past the limit nothing is tracked any more, which the caller
//! must report, because what cannot be checked does not hold.

use std::collections::BTreeSet;

/// The most operations without outcome that are held in mind at once. A gateway runs some thousands at once, and gives
/// each that a crash cut off an outcome at its next start.
pub(crate) const MAX_OPEN_INTENTS: usize = 1 << 20;

/// Intents without outcome, by the number of their session and their `seq`.
#[derive(Debug)]
pub(crate) struct Intents {
    open: BTreeSet<(u64, u64)>,
    limit: usize,
    is_full: bool,
}

/// More operations have no outcome than are tracked; from now on none is. Told once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Intents {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { open: BTreeSet::new(), limit, is_full: false }
    }

    /// How many have no outcome.
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// An operation was admitted.
    pub(crate) fn admit(&mut self, session: u64, seq: u64) -> Result<(), TooMany> {
        if self.is_full {
            return Ok(());
        }
        if self.open.len() >= self.limit {
            self.is_full = true;
            self.open.clear();
            return Err(TooMany);
        }
        self.open.insert((session, seq));
        Ok(())
    }

    /// An operation ended. False when it was not open: never admitted, or answered before.
    pub(crate) fn end(&mut self, session: u64, seq: u64) -> bool {
        self.is_full || self.open.remove(&(session, seq))
    }

    /// A session ended: its operations without outcome, which are forgotten.
    pub(crate) fn take(&mut self, session: u64) -> Vec<u64> {
        let of_session: Vec<u64> = self.open.range((session, 0)..=(session, u64::MAX)).map(|(_, seq)| *seq).collect();
        for seq in &of_session {
            self.open.remove(&(session, *seq));
        }
        of_session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_ends_once_and_in_its_session() {
        let mut intents = Intents::new(9);
        for (session, seq) in [(1, 0), (2, 0), (2, 5), (3, 0)] {
            assert_eq!(intents.admit(session, seq), Ok(()));
        }
        assert!(!intents.end(1, 5) && intents.end(2, 5) && !intents.end(2, 5));
        assert_eq!(intents.take(2), [0]);
        assert_eq!(intents.take(2), []);
        assert_eq!(intents.count(), 2);
        assert!(intents.end(1, 0) && intents.end(3, 0));
    }

    #[test]
    fn past_the_limit_it_says_so_once_and_tracks_nothing() {
        let mut intents = Intents::new(2);
        assert_eq!((intents.admit(1, 0), intents.admit(1, 1)), (Ok(()), Ok(())));
        assert!(intents.end(1, 0));
        assert_eq!((intents.admit(1, 2), intents.admit(1, 3)), (Ok(()), Err(TooMany)));
        assert_eq!((intents.admit(1, 4), intents.count()), (Ok(()), 0));
        // What is not tracked is no finding of its own.
        assert!(intents.end(1, 9) && intents.take(1).is_empty());
    }
}
