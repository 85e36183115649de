//! What went out on a stream, in order, by its place in the recording: for a client that comes back for the rest.
//!
//! MCP 2025-11-25, "Resumability and Redelivery": each message has an id of its own, and after `Last-Event-ID` come the
//! messages of the same stream that followed. Kept here are places alone; the messages are read from the recording, so
//! what is sent again is what was recorded. A place is entered only when its message is as durable as it must be.
//! Bounded: of a session the latest streams, of a stream its first messages; what is past that has no id.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Streams of one session that can be resumed.
const MAX_TRAILS: usize = 8;

/// Messages of one stream that can be sent again.
const MAX_MESSAGES: usize = 1_024;

/// Segment, offset and length of a frame in the session's recording.
pub(crate) type Place = [u64; 3];

/// Which message of which stream of a session: what stands in an event's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPosition {
    /// The `seq` of the operation whose stream it is.
    pub(crate) stream: u64,
    /// How many messages of the stream came up to and with it.
    pub(crate) messages: usize,
}

impl fmt::Display for StreamPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.stream, self.messages)
    }
}

impl FromStr for StreamPosition {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (stream, messages) = text.split_once('-').unwrap_or((text, ""));
        Ok(Self { stream: stream.parse()?, messages: messages.parse()? })
    }
}

/// The streams of one session.
#[derive(Debug, Default)]
pub(crate) struct Trails(Mutex<BTreeMap<u64, Arc<Trail>>>);

/// One stream.
#[derive(Debug)]
pub(crate) struct Trail {
    stream: u64,
    /// Whether it is one of the target's own, which goes on with a new one.
    pub(crate) is_own: bool,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    places: Vec<Place>,
    ended: bool,
}

/// What comes after a message.
pub(crate) enum Next {
    /// This one.
    Message(StreamPosition, Place),
    /// Nothing: the stream has ended.
    End,
}

impl Trails {
    /// Begins a stream; the oldest is forgotten when there are too many.
    pub(crate) fn begin(&self, stream: u64, is_own: bool) -> Arc<Trail> {
        let trail = Arc::new(Trail { stream, is_own, state: Mutex::default(), changed: Notify::new() });
        let mut trails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if trails.len() >= MAX_TRAILS {
            trails.pop_first();
        }
        trails.insert(stream, Arc::clone(&trail));
        trail
    }

    /// The stream that this message is of.
    pub(crate) fn find(&self, position: StreamPosition) -> Option<Arc<Trail>> {
        let trails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trail = trails.get(&position.stream)?;
        (position.messages <= trail.state().places.len()).then(|| Arc::clone(trail))
    }
}

impl Trail {
    /// Enters a message; its position, unless the stream is too long.
    pub(crate) fn enter(&self, place: Place) -> Option<StreamPosition> {
        let mut state = self.state();
        if state.places.len() >= MAX_MESSAGES {
            return None;
        }
        state.places.push(place);
        let messages = state.places.len();
        drop(state);
        self.changed.notify_waiters();
        Some(StreamPosition { stream: self.stream, messages })
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_waiters();
    }

    /// What comes after so many messages, when it is there.
    pub(crate) async fn next(&self, messages: usize) -> Next {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if let Some(next) = self.known(messages) {
                return next;
            }
            changed.await;
        }
    }

    /// What is known to come after so many messages; `None` while the stream goes on without another one.
    pub(crate) fn known(&self, messages: usize) -> Option<Next> {
        let state = self.state();
        match state.places.get(messages) {
            Some(place) => Some(Next::Message(StreamPosition { stream: self.stream, messages: messages + 1 }, *place)),
            None => state.ended.then_some(Next::End),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let position = StreamPosition { stream: 12, messages: 3 };
        assert_eq!(position.to_string(), "12-3");
        assert_eq!("12-3".parse(), Ok(position));
        for wrong in ["", "12", "-", "1-", "-1", "1-2-3", "1 -2", "a-1", "18446744073709551616-1"] {
            assert!(wrong.parse::<StreamPosition>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_comes_after_a_message_is_the_next_one_of_its_stream() {
        let trails = Trails::default();
        let trail = trails.begin(5, false);
        let first = trail.enter([0, 1, 2]).unwrap();
        let second = trail.enter([0, 3, 4]).unwrap();
        let found = trails.find(first).unwrap();
        assert!(matches!(found.known(first.messages), Some(Next::Message(position, [0, 3, 4])) if position == second));
        assert!(found.known(second.messages).is_none(), "it goes on");
        trail.end();
        assert!(matches!(found.known(second.messages), Some(Next::End)));
        assert!(trails.find(StreamPosition { stream: 5, messages: 3 }).is_none(), "never sent");
        assert!(trails.find(StreamPosition { stream: 6, messages: 0 }).is_none(), "another stream");
        for stream in 10..10 + MAX_TRAILS as u64 {
            trails.begin(stream, false);
        }
        assert!(trails.find(first).is_none(), "forgotten");
    }
}
