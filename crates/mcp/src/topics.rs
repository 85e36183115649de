//! What a target may tell a client of that has other targets too: the progress of its own requests, the end of what it
//! asked itself (MCP 2025-11-25, "Progress", "Elicitation: Completion Notifications").
//!
//! Tokens and ids are the client's and the targets' own, and name no target. So one target could speak of what is
//! another's, if it knew or guessed how that is called: a notice passes in the session alone that its topic is of.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::envelope::Id;

/// Elicitations of one session that are remembered.
const MAX_ELICITATIONS: usize = 1_024;

/// The longest id of an elicitation, in bytes.
const MAX_ELICITATION_BYTES: usize = 512;

/// The topics of one session.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    /// The progress tokens of requests that are being answered, each with how many.
    progress: Mutex<HashMap<Id, usize>>,
    /// The elicitations that the client was asked for, the oldest first.
    elicitations: Mutex<VecDeque<Box<str>>>,
}

/// Progress that may be told of, until it is dropped.
pub(crate) struct Followed<'a>(&'a Topics, Id);

impl Drop for Followed<'_> {
    fn drop(&mut self) {
        let mut progress = self.0.progress();
        if let Some(count) = progress.get_mut(&self.1) {
            *count = count.saturating_sub(1);
        }
        progress.retain(|_, count| *count > 0);
    }
}

impl Topics {
    /// A request with this progress token is being answered.
    pub(crate) fn follow(&self, token: &Id) -> Followed<'_> {
        *self.progress().entry(token.clone()).or_default() += 1;
        Followed(self, token.clone())
    }

    /// Whether a request with this progress token is being answered.
    pub(crate) fn is_followed(&self, token: &Id) -> bool {
        self.progress().contains_key(token)
    }

    /// The client was asked for an elicitation of this id; too long ones are not remembered.
    pub(crate) fn enter_elicitation(&self, id: &str) {
        if id.len() > MAX_ELICITATION_BYTES || self.has_elicitation(id) {
            return;
        }
        let mut elicitations = self.elicitations();
        if elicitations.len() >= MAX_ELICITATIONS {
            elicitations.pop_front();
        }
        elicitations.push_back(id.into());
    }

    /// Whether the client was asked for an elicitation of this id.
    pub(crate) fn has_elicitation(&self, id: &str) -> bool {
        self.elicitations().iter().any(|own| **own == *id)
    }

    fn progress(&self) -> MutexGuard<'_, HashMap<Id, usize>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elicitations(&self) -> MutexGuard<'_, VecDeque<Box<str>>> {
        self.elicitations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_of_while_any_request_of_its_token_is_answered() {
        let (topics, one, other) = (Topics::default(), Id::from_name("1"), Id::from_number(1));
        let first = topics.follow(&one);
        let second = topics.follow(&one);
        assert!(topics.is_followed(&one) && !topics.is_followed(&other));
        drop(first);
        assert!(topics.is_followed(&one));
        drop(second);
        assert!(!topics.is_followed(&one) && topics.progress().is_empty());
    }

    #[test]
    fn elicitations_are_remembered_within_bounds() {
        let topics = Topics::default();
        for number in 0..=MAX_ELICITATIONS {
            topics.enter_elicitation(&number.to_string());
        }
        topics.enter_elicitation(&"x".repeat(MAX_ELICITATION_BYTES + 1));
        assert!(!topics.has_elicitation("0") && topics.has_elicitation("1"));
        assert_eq!(topics.elicitations().len(), MAX_ELICITATIONS);
    }
}
