//! The token by which a caller showed who it is, for as long as a session needs it to be exchanged.
//!
//! The same text is held once, and what was issued for it hangs on it: when the last session lets go of it, all of that is
//! wiped. It is lent to the exchange and to nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use vidimus_core::Timestamp;
use zeroize::Zeroizing;

use crate::slot::Slot;

/// Tokens that are known before those that nobody holds any more are forgotten.
const SWEPT_FROM: usize = 64;

/// A caller's token.
pub struct Subject {
    token: Zeroizing<String>,
    /// `issuer|subject`.
    who: Box<str>,
    pub(crate) expires: Timestamp,
    /// What was issued for it, by credential.
    slots: Mutex<HashMap<u64, Arc<Slot>>>,
}

/// The callers' tokens that are held.
#[derive(Default)]
pub struct Subjects {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    subjects: HashMap<[u8; 32], Weak<Subject>>,
    /// How many were held when those that nobody holds any more were forgotten last.
    swept: usize,
}

impl Subjects {
    /// The token of this digest, which belongs to `who` and proves that until `expires`.
    pub fn hold(&self, digest: [u8; 32], token: &str, who: &str, expires: Timestamp) -> Arc<Subject> {
        let mut known = self.known();
        if let Some(subject) = known.subjects.get(&digest).and_then(Weak::upgrade) {
            return subject;
        }
        // As many more as there were, so that each is looked at a bounded number of times.
        if known.subjects.len() >= (2 * known.swept).max(SWEPT_FROM) {
            known.subjects.retain(|_, subject| subject.strong_count() > 0);
            known.swept = known.subjects.len();
        }
        let subject = Arc::new(Subject {
            token: Zeroizing::new(token.to_owned()),
            who: who.into(),
            expires,
            slots: Mutex::default(),
        });
        known.subjects.insert(digest, Arc::downgrade(&subject));
        subject
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subject {
    /// Whose it is: `issuer|subject`.
    pub fn who(&self) -> &str {
        &self.who
    }

    pub(crate) fn expose(&self) -> &str {
        &self.token
    }

    /// Where a credential keeps what was issued for it.
    pub(crate) fn slot(&self, credential: u64) -> Arc<Slot> {
        Arc::clone(self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(credential).or_default())
    }
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").field("who", &self.who).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_held_once_and_only_while_somebody_holds_it() {
        let subjects = Subjects::default();
        let hold = |number: u8| subjects.hold([number; 32], "token", "corp|alice", Timestamp::from_seconds(1));
        let (first, again, other) = (hold(1), hold(1), hold(2));
        assert!(Arc::ptr_eq(&first, &again) && !Arc::ptr_eq(&first, &other));
        let slot = Arc::downgrade(&first.slot(1));
        drop((first, again));
        assert!(slot.upgrade().is_none(), "what was issued is gone with it");
        for number in 0..=255 {
            hold(number);
        }
        assert!(subjects.known().subjects.len() <= SWEPT_FROM);
        assert!(!format!("{other:?}").contains("token"));
    }
}
