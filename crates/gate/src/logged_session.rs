//! What an entry of the log itself says of which session it is.
//!
//! The index says which events are a session's and which target it is on. Whoever can write to the data directory can write
//! there that a session is on another target, which more people may look into, or that events of one are another's. So where
//! policy is asked about a session, or its events are shown, they are read and say themselves what they are of.

use std::borrow::Cow;

use serde::Deserialize;
use vidimus_core::SessionId;

/// What every event says of its session.
#[derive(Deserialize)]
pub(crate) struct Head<'a> {
    session: &'a str,
    /// Its number in the session.
    pub(crate) seq: u64,
    /// What kind of event it is.
    #[serde(rename = "type")]
    pub(crate) kind: &'a str,
    /// What it is on.
    #[serde(borrow)]
    pub(crate) target: Option<Cow<'a, str>>,
}

impl<'a> Head<'a> {
    /// Reads it, and of which session it is; none when the entry is no event.
    pub(crate) fn read(leaf: &'a [u8]) -> Option<(SessionId, Self)> {
        let head: Self = serde_json::from_slice(leaf).ok()?;
        Some((head.session.parse().ok()?, head))
    }

    /// Reads it; none when the entry is not this event of this session.
    pub(crate) fn of(leaf: &'a [u8], session: SessionId, seq: u64) -> Option<Self> {
        Self::read(leaf).filter(|(of, head)| *of == session && head.seq == seq).map(|(_, head)| head)
    }
}
