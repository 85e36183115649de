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
    known: Mutex<HashMap<[u8; 32], Weak<Subject>>>,
}

impl Subjects {
    /// The token of this digest, which belongs to `who` and proves that until `expires`.
    pub fn hold(&self, digest: [u8; 32], token: &str, who: &str, expires: Timestamp) -> Arc<Subject> {
        let mut known = self.known();
        if let Some(subject) = known.get(&digest).and_then(Weak::upgrade) {
            return subject;
        }
        if known.len() >= SWEPT_FROM && known.len() == known.capacity() {
            known.retain(|_, subject| subject.strong_count() > 0);
        }
        let subject = Arc::new(Subject {
            token: Zeroizing::new(token.to_owned()),
            who: who.into(),
            expires,
            slots: Mutex::default(),
        });
        known.insert(digest, Arc::downgrade(&subject));
        subject
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], Weak<Subject>>> {
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
        assert!(subjects.known().len() <= 2 * SWEPT_FROM, "{}", subjects.known().len());
        assert!(!format!("{other:?}").contains("token"));
    }
}
