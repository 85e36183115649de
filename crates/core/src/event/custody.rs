//! What events say of keeping and erasing recordings (NIST SP 800-53 AU-11): rules, and the steps of those who may.
//!
//! Each step names the version of the session's custody that it was decided on; the log's order decides between two.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::SessionId;

/// A step in the custody of a session's recording.
#[derive(Debug)]
pub struct Custody<'a> {
    /// Which step.
    pub step: CustodyStep,
    /// The session whose recording it is.
    pub session: SessionId,
    /// The version of the session's custody that whoever took the step saw; at any other the event is void.
    pub expects: u64,
    /// Why, in the words of whoever took it.
    pub reason: &'a str,
    /// When a request to erase ends unconfirmed.
    pub expires: Option<Timestamp>,
    /// Who asked for what was erased; absent where retention did.
    pub requested_by: Option<&'a str>,
    /// Who confirmed it.
    pub confirmed_by: Option<&'a str>,
}

/// How long some recordings are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention<'a> {
    /// The kind of what it is on: `target` or `class`.
    pub on: &'static str,
    /// Its name.
    pub name: &'a str,
    /// How long after the end of a session.
    pub keep: Duration,
}

/// The steps in the custody of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CustodyStep {
    /// It may not be erased.
    HoldAdded,
    /// It may be erased again.
    HoldRemoved,
    /// Somebody asked to erase it.
    EraseRequested,
    /// Somebody else confirmed that, or its time was up: it is destroyed now.
    EraseConfirmed,
    /// It is destroyed.
    Erased,
}

impl CustodyStep {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::HoldAdded, Self::HoldRemoved, Self::EraseRequested, Self::EraseConfirmed, Self::Erased];

    /// The type of its event.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HoldAdded => "admin.hold_added",
            Self::HoldRemoved => "admin.hold_removed",
            Self::EraseRequested => "admin.erase_requested",
            Self::EraseConfirmed => "admin.erase_confirmed",
            Self::Erased => "recording.erased",
        }
    }
}
