//! Events: the entries of the evidence log, as canonical JSON leaves (`vidimus.event/1`).
//!
//! An event says what happened, when, where, from where, with what outcome and for whom (NIST SP 800-53 AU-3);
//! payloads are committed to, never contained. Groups and client details stand once, in `session.opened`.
//! [`CATALOGUE`] documents every type and why it is logged (AU-2); a leaf never exceeds 65,535 bytes, which the
//! log enforces.

mod approval;
mod catalogue;
mod credential;
mod custody;
mod grant;
mod leaf;
mod operation;
mod pin;

use std::time::Duration;

use crate::clock::{Discipline, Step, Timestamp};
use crate::id::{EventId, SessionId};

pub use approval::{Approval, ApprovalStep, Quorum};
pub use catalogue::{CATALOGUE, Entry};
pub use credential::{Credential, CredentialStep};
pub use custody::{Custody, CustodyStep, Retention};
pub use grant::{Grant, GrantAsked, GrantEnd, GrantStep};
pub use operation::{Decided, Ended, Logged, Masking, Opened, Payload, Status};
pub use pin::{Definition, Pin, PinStep};

/// The value of `v` in every leaf.
pub const VERSION: &str = "vidimus.event/1";

/// The types of the events that end a session. They carry the count of its events, and none of it comes after them.
pub const LAST_EVENTS: [&str; 2] = ["session.closed", "log.stopped"];

/// One entry in the evidence log.
#[derive(Debug)]
pub struct Event<'a> {
    /// Its id.
    pub id: EventId,
    /// When it happened, by the gateway's clock.
    pub time: Timestamp,
    /// The name of the gateway.
    pub gateway: &'a str,
    /// The session it belongs to; events without one belong to the process's control session.
    pub session: SessionId,
    /// Dense within the session, from 0: a missing event shows.
    pub seq: u64,
    /// The principal's id (`issuer|subject`), where there is one.
    pub who: Option<&'a str>,
    /// The target's name, where there is one.
    pub target: Option<&'a str>,
    /// What happened.
    pub body: Body<'a>,
}

/// What happened.
#[derive(Debug)]
pub enum Body<'a> {
    /// The gateway started writing.
    LogStarted {
        /// The program's version.
        version: &'a str,
        /// Witnesses of the log that could not be asked whether it was rolled back.
        absent_witnesses: &'a [String],
        /// How far its times are to be believed.
        clock: Discipline,
    },
    /// The gateway stopped in good order.
    LogStopped {
        /// Events of the control session, this one included.
        count: u64,
        /// How long it ran, by the monotonic clock.
        up: Duration,
    },
    /// Recovery at start dropped or replayed something.
    LogRecovered {
        /// Frames replayed from the journal.
        frames: u64,
        /// Bytes of torn frames that were dropped; they were never acknowledged as durable.
        dropped: u64,
    },
    /// The room for evidence fell below a threshold, or is back.
    LogCapacity {
        /// `ample`, `warning`, `alarm` or `stop`.
        level: &'a str,
        /// Bytes free for the data directory.
        free: u64,
        /// Operations and log-ons refused for it since the last such event.
        refused: u64,
    },
    /// How far the times of events are to be believed: hourly, on change, and when the clock jumped.
    ClockStatus {
        /// Whether a time source keeps it.
        clock: Discipline,
        /// The jump, if it was one.
        step: Option<Step>,
        /// How long the gateway has run, by the monotonic clock.
        up: Duration,
    },
    /// A configuration came into force.
    ConfigLoaded {
        /// `sha256:…` of the file.
        hash: &'a str,
    },
    /// Rules of retention, as of a start. A shorter time comes into force later than the event.
    RetentionLoaded {
        /// All of them.
        rules: &'a [Retention<'a>],
        /// How long before a shorter time comes into force.
        delay: Duration,
    },
    /// A policy set came into force.
    PolicyLoaded {
        /// `sha256:…` of the set.
        hash: &'a str,
    },
    /// A changed policy set was refused; the old one stays in force.
    PolicyRefused {
        /// `sha256:…` of the set that stays.
        kept: &'a str,
        /// The first error.
        reason: &'a str,
    },
    /// A token was accepted for the first time.
    AuthSucceeded {
        /// Where the caller is.
        address: &'a str,
        /// When the token expires.
        expires: Timestamp,
    },
    /// A caller was not authenticated.
    AuthFailed {
        /// Where the caller is.
        address: &'a str,
        /// How many failures this event stands for.
        count: u64,
        /// The label of the failure, e.g. `expired`.
        reason: &'a str,
    },
    /// Requests were refused by a limit of the operator's, of one principal at one target.
    LimitExceeded {
        /// How many refusals this event stands for.
        count: u64,
        /// The name of the limit.
        limit: &'a str,
        /// `rate`, `concurrent`, `sessions` or `budget`.
        reason: &'a str,
    },
    /// A session was opened.
    SessionOpened(Opened<'a>),
    /// A session was closed.
    SessionClosed {
        /// Events of the session, this one included.
        count: u64,
        /// `client`, `idle`, `expired`, `budget`, `grant`, `shutdown`, `policy`, `crash`, `upstream`.
        reason: &'a str,
    },
    /// An operation was allowed and recorded before it went to the target.
    OperationAdmitted(Decided<'a>),
    /// An operation was refused, by policy or because it could not be understood.
    OperationDenied(Decided<'a>),
    /// An operation waits until people approve it.
    OperationHeld(Decided<'a>),
    /// An admitted operation ended.
    OperationOutcome(Ended<'a>),
    /// A program that runs for the session wrote to its standard error.
    ProgramLogged(Logged<'a>),
    /// A witness cosigns the log's checkpoints: again, or still.
    WitnessCosigned {
        /// Its name in the configuration.
        by: &'a str,
        /// Entries it has cosigned.
        cosigned: u64,
    },
    /// A witness has not cosigned for a while.
    WitnessLagging {
        /// Its name in the configuration.
        by: &'a str,
        /// Entries it has cosigned.
        cosigned: u64,
        /// Entries under the checkpoint that it has not.
        behind: u64,
        /// What keeps it, as far as known.
        reason: &'a str,
    },
    /// Evidence is not what it was.
    IntegrityFailed {
        /// What showed it: `witness`, or the gateway's own `check`.
        by: &'a str,
        /// What was found.
        reason: &'a str,
        /// Where, if it is in a file.
        damage: Option<Damage<'a>>,
    },
    /// A token for a target is asked for, or came, or did not.
    Credential(Credential<'a>),
    /// Something was done about whether a held operation may pass.
    Approval(Approval<'a>),
    /// Something was done about access for a time.
    Grant(Grant<'a>),
    /// Something was done about whether a recording is kept.
    Custody(Custody<'a>),
    /// A definition of a tool was seen that is not known.
    Defined(Definition<'a>),
    /// What is accepted of a tool, or what it has, is another.
    Pin(Pin<'a>),
    /// Evidence was read.
    RecordingViewed {
        /// What was read: `sessions`, `session`, `recording`, `proof`, `status`, `retention`, `entries`, or `tree`: checkpoint
        /// and hashes.
        what: &'a str,
        /// The session read, where it was one.
        viewed: Option<SessionId>,
    },
    /// The keys were opened for use.
    KeysOpened {
        /// The name of the key-encryption key.
        kek: &'a str,
        /// The public keys that sign the log from now on, the newest first.
        signing: &'a [String],
    },
    /// A key came or went since the last start.
    KeyChanged {
        /// `signing_added`, `signing_retired`, `kek_added` or `kek_retired`.
        what: &'a str,
        /// The public key, or the name of the key-encryption key.
        key: &'a str,
        /// When, RFC 3339.
        at: &'a str,
    },
    /// Sessions were taken away, in an archive.
    RecordingExported {
        /// What was asked for, in words.
        selection: &'a str,
        /// How many sessions went.
        sessions: u64,
        /// Of those, how many with their payloads.
        with_payloads: u64,
    },
}

/// A file that does not hold what it must.
#[derive(Debug, Clone, Copy)]
pub struct Damage<'a> {
    /// The file, below the data directory.
    pub file: &'a str,
    /// The entry of the log that it concerns, if it is one.
    pub entry: Option<u64>,
    /// What should be there.
    pub expected: &'a str,
    /// What is there.
    pub found: &'a str,
}

impl Body<'_> {
    /// The value of `type`; an entry of [`CATALOGUE`].
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LogStarted { .. } => "log.started",
            Self::LogStopped { .. } => "log.stopped",
            Self::LogRecovered { .. } => "log.recovered",
            Self::LogCapacity { .. } => "log.capacity",
            Self::ClockStatus { .. } => "clock.status",
            Self::ConfigLoaded { .. } => "config.loaded",
            Self::RetentionLoaded { .. } => "retention.loaded",
            Self::PolicyLoaded { .. } => "policy.loaded",
            Self::PolicyRefused { .. } => "policy.refused",
            Self::AuthSucceeded { .. } => "auth.succeeded",
            Self::AuthFailed { .. } => "auth.failed",
            Self::LimitExceeded { .. } => "limit.exceeded",
            Self::SessionOpened(_) => "session.opened",
            Self::SessionClosed { .. } => "session.closed",
            Self::OperationAdmitted(_) => "operation.admitted",
            Self::OperationDenied(_) => "operation.denied",
            Self::OperationHeld(_) => "operation.held",
            Self::OperationOutcome(_) => "operation.outcome",
            Self::ProgramLogged(_) => "program.logged",
            Self::WitnessCosigned { .. } => "witness.cosigned",
            Self::WitnessLagging { .. } => "witness.lagging",
            Self::IntegrityFailed { .. } => "integrity.failed",
            Self::Credential(credential) => credential.step.name(),
            Self::Approval(approval) => approval.step.name(),
            Self::Grant(grant) => grant.step.name(),
            Self::Custody(custody) => custody.step.name(),
            Self::Defined(_) => "pin.defined",
            Self::Pin(pin) => pin.step.name(),
            Self::RecordingViewed { .. } => "recording.viewed",
            Self::KeysOpened { .. } => "admin.keys_opened",
            Self::KeyChanged { .. } => "admin.key_changed",
            Self::RecordingExported { .. } => "recording.exported",
        }
    }
}

#[cfg(test)]
mod tests;
