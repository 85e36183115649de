//! Whether sessions are whole: dense `seq` numbers, the count in the last event, one outcome of every operation.
//!
//! A Merkle tree proves that nothing was altered, not that nothing is missing (design part 3, "Event"). Fed with the
//! events of any number of sessions, each session's in order. Sessions still open, and their operations, are fine.

use std::collections::HashMap;

use vidimus_core::event::LAST_EVENTS;

use crate::codec::length;
use crate::intents::{Intents, MAX_OPEN_INTENTS, TooMany};
use crate::leaf::{Place, place};

/// The type of the events that admit an operation.
const ADMITTED: &str = "operation.admitted";
/// The type of the events that deny one.
const DENIED: &str = "operation.denied";
/// The type of the events that say how an admitted operation ended.
const OUTCOME: &str = "operation.outcome";
/// How many operations without outcome one finding names.
const MAX_NAMED_INTENTS: usize = 8;

/// Sessions as far as their events were seen.
#[derive(Debug)]
pub(crate) struct Completeness {
    sessions: HashMap<Box<str>, Session>,
    intents: Intents,
    operations: u64,
    denied: u64,
}

#[derive(Debug)]
struct Session {
    /// Its place among the sessions seen.
    number: u64,
    /// The next `seq`.
    next: u64,
    is_closed: bool,
}

impl Default for Completeness {
    fn default() -> Self {
        Self { sessions: HashMap::new(), intents: Intents::new(MAX_OPEN_INTENTS), operations: 0, denied: 0 }
    }
}

impl Completeness {
    /// Checks an event's place in its session, and that it opens or ends its operation rightly. `add` is told what was
    /// expected and found where that is not so.
    pub(crate) fn event(&mut self, leaf: &[u8], add: &mut dyn FnMut(String, String)) {
        let Self { sessions, intents, operations, denied } = self;
        let Some(place) = place(leaf) else {
            let expected = "an event: canonical JSON with session, seq and type".to_owned();
            return add(expected, format!("{} other bytes", leaf.len()));
        };
        let Place { session, seq, kind, count, .. } = place;
        if !sessions.contains_key(session) {
            let number = length(sessions.len());
            sessions.insert(session.into(), Session { number, next: 0, is_closed: false });
        }
        let Some(known) = sessions.get_mut(session) else { return };
        if known.is_closed {
            add(format!("no event of session {session} after its last"), format!("{kind} with seq {seq}"));
        } else if seq != known.next {
            add(format!("seq {} of session {session}", known.next), format!("seq {seq}"));
        }
        known.next = seq.saturating_add(1);
        if let Some((expected, found)) = operation(intents, known.number, &place) {
            add(expected, found);
        }
        if LAST_EVENTS.contains(&kind) {
            known.is_closed = true;
            if count != Some(known.next) {
                let found = count.map_or_else(|| "no count".to_owned(), |count| format!("count {count}"));
                add(format!("count {} in the last event of session {session}", known.next), found);
            }
            let left = intents.take(known.number);
            if !left.is_empty() {
                add(
                    format!("an outcome of every operation before the last event of session {session}"),
                    none_of(&left),
                );
            }
        }
        *operations += u64::from(kind == ADMITTED);
        *denied += u64::from(kind == DENIED);
    }

    /// How many sessions were seen.
    pub(crate) fn sessions(&self) -> u64 {
        length(self.sessions.len())
    }

    /// Those of them without their last event.
    pub(crate) fn open_sessions(&self) -> u64 {
        length(self.sessions.values().filter(|session| !session.is_closed).count())
    }

    /// Operations that were admitted.
    pub(crate) const fn operations(&self) -> u64 {
        self.operations
    }

    /// Operations that were denied.
    pub(crate) const fn denied_operations(&self) -> u64 {
        self.denied
    }

    /// Admitted operations without outcome, in sessions that are open.
    pub(crate) fn open_operations(&self) -> u64 {
        length(self.intents.count())
    }
}

/// Tracks the operation that an event admits or ends: what was expected and found when that is not right.
fn operation(intents: &mut Intents, number: u64, place: &Place<'_>) -> Option<(String, String)> {
    let Place { session, seq, kind, intent, .. } = *place;
    match (kind, intent) {
        (ADMITTED, _) if intents.admit(number, seq) == Err(TooMany) => Some((
            format!("at most {MAX_OPEN_INTENTS} operations without outcome at once"),
            format!("one more, seq {seq} of session {session}; no outcome is checked from here on"),
        )),
        (OUTCOME, None) => {
            Some((format!("the intent of the outcome with seq {seq} of session {session}"), "none".to_owned()))
        }
        (OUTCOME, Some(intent)) if !intents.end(number, intent) => Some((
            format!("an outcome of an operation of session {session} that was admitted and has none yet"),
            format!("a second outcome, or one of what was not admitted: seq {seq} for intent {intent}"),
        )),
        _ => None,
    }
}

/// Names the operations that have no outcome.
fn none_of(intents: &[u64]) -> String {
    let named: Vec<String> = intents.iter().take(MAX_NAMED_INTENTS).map(u64::to_string).collect();
    let dots = if intents.len() > MAX_NAMED_INTENTS { ", …" } else { "" };
    format!("none of {}: seq {}{dots}", intents.len(), named.join(", "))
}
