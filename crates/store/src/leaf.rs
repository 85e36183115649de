//! The few fields of an event leaf that the index keeps, borrowed from the leaf's own bytes.
//!
//! A leaf is canonical JSON (design 3, "Event"), written by this gateway and bound by the log. Fields the index does
//! not keep are skipped without being decoded.

use std::borrow::Cow;

use serde::Deserialize;
use vidimus_core::{EventId, SessionId};

/// What the index takes from one leaf.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry<'a> {
    pub(crate) event: EventId,
    pub(crate) session: SessionId,
    pub(crate) seq: u64,
    pub(crate) time: &'a str,
    pub(crate) who: Option<Cow<'a, str>>,
    pub(crate) target: Option<Cow<'a, str>>,
    pub(crate) what: What<'a>,
}

/// What an event means to the index.
#[derive(Debug, PartialEq)]
pub(crate) enum What<'a> {
    Opened(Opened<'a>),
    Closed {
        reason: Option<Cow<'a, str>>,
    },
    /// An operation that was let through: its outcome is a further event.
    Admitted,
    Denied,
    Other,
}

/// What `session.opened` says besides whose session it is and on what.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Opened<'a> {
    #[serde(borrow)]
    pub(crate) protocol: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) durability: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) record: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) client: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) principal: Option<Identity<'a>>,
}

/// The identity in `session.opened`, as far as a list shows it.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Identity<'a> {
    #[serde(borrow)]
    pub(crate) display: Option<Cow<'a, str>>,
}

impl<'a> Entry<'a> {
    /// Reads a leaf. `None` when it is no event this version understands.
    pub(crate) fn read(leaf: &'a [u8]) -> Option<Self> {
        let head: Head<'a> = serde_json::from_slice(leaf).ok()?;
        let what = match head.kind {
            "session.opened" => What::Opened(serde_json::from_slice(leaf).ok()?),
            "session.closed" => What::Closed { reason: serde_json::from_slice::<Closing<'a>>(leaf).ok()?.reason },
            "log.stopped" => What::Closed { reason: Some("stopped".into()) },
            "operation.admitted" => What::Admitted,
            "operation.denied" => What::Denied,
            _ => What::Other,
        };
        Some(Self {
            event: head.id.parse().ok()?,
            session: head.session.parse().ok()?,
            seq: head.seq,
            time: head.time,
            who: head.who,
            target: head.target,
            what,
        })
    }
}

/// In every event. Ids, times and types hold no character that JSON escapes, so they borrow.
#[derive(Deserialize)]
struct Head<'a> {
    id: &'a str,
    session: &'a str,
    seq: u64,
    time: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    who: Option<Cow<'a, str>>,
    #[serde(borrow)]
    target: Option<Cow<'a, str>>,
}

/// In `session.closed` besides.
#[derive(Deserialize)]
struct Closing<'a> {
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
}
