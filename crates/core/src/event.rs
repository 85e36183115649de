//! Events: the entries of the evidence log, as canonical JSON leaves (`vidimus.event/1`).
//!
//! An event says what happened, when, where, from where, with what outcome and for whom (NIST SP 800-53 AU-3);
//! payloads are committed to, never contained. Groups and client details stand once, in `session.opened`.
//! [`CATALOGUE`] documents every type and why it is logged (AU-2); a leaf never exceeds 65,535 bytes, which the
//! log enforces.

mod catalogue;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::canonical::ObjectWriter;
use crate::clock::{Discipline, Step, Timestamp};
use crate::id::{EventId, SessionId};
use crate::operation::{Action, Effect, Protocol};
use crate::principal::Principal;
use crate::target::{Durability, Record};

pub use catalogue::{CATALOGUE, Entry};

/// The value of `v` in every leaf.
pub const VERSION: &str = "vidimus.event/1";

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
    /// A session was opened.
    SessionOpened(Opened<'a>),
    /// A session was closed.
    SessionClosed {
        /// Events of the session, this one included.
        count: u64,
        /// `client`, `idle`, `shutdown`, `policy`, `crash`, `upstream`.
        reason: &'a str,
    },
    /// An operation was allowed and recorded before it went to the target.
    OperationAdmitted(Decided<'a>),
    /// An operation was refused, by policy or because it could not be understood.
    OperationDenied(Decided<'a>),
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
    /// Something was done about whether a recording is kept.
    Custody(Custody<'a>),
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

/// The identity and circumstances of a session, stated once.
#[derive(Debug)]
pub struct Opened<'a> {
    /// Who opened it.
    pub principal: &'a Principal,
    /// Where the caller is.
    pub address: &'a str,
    /// The client's name and version as it claims them.
    pub client: Option<&'a str>,
    /// The protocol.
    pub protocol: Protocol,
    /// The policies that determined the decision.
    pub policies: &'a [Arc<str>],
    /// `sha256:…` of the policy set.
    pub policy: &'a str,
    /// The promise about evidence.
    pub durability: Durability,
    /// Whether payloads are kept.
    pub record: Record,
}

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

/// An operation and what was decided on it.
#[derive(Debug)]
pub struct Decided<'a> {
    /// What it wanted to do.
    pub action: &'a Action,
    /// The protocol's method, where the action does not say it.
    pub method: Option<&'a str>,
    /// The protocol it came in.
    pub protocol: Protocol,
    /// The caller's `traceparent`, as claimed.
    pub trace: Option<&'a str>,
    /// The decision.
    pub effect: Effect,
    /// The policies that determined it.
    pub policies: &'a [Arc<str>],
    /// `sha256:…` of the policy set.
    pub policy: &'a str,
    /// Why it was refused when no policy did: `malformed`, `unknown_tool`, `evidence`, …
    pub reason: Option<&'a str>,
    /// The promise about evidence.
    pub durability: Durability,
    /// What masking found in the request.
    pub masking: &'a Masking,
    /// Commitments to the request.
    pub payloads: &'a [Payload],
}

/// How an admitted operation ended.
#[derive(Debug)]
pub struct Ended<'a> {
    /// What it wanted to do.
    pub action: &'a Action,
    /// The protocol's method, where the action does not say it.
    pub method: Option<&'a str>,
    /// The protocol it came in.
    pub protocol: Protocol,
    /// The `seq` of its `operation.admitted`.
    pub intent: u64,
    /// How it ended.
    pub status: Status,
    /// Microseconds from admission to the end; absent when unknown.
    pub microseconds: Option<u64>,
    /// Bytes of the result, as recorded.
    pub bytes: u64,
    /// The promise about evidence.
    pub durability: Durability,
    /// What masking found in the result.
    pub masking: &'a Masking,
    /// Commitments to the result.
    pub payloads: &'a [Payload],
}

/// What a program wrote to its standard error, beside the protocol it speaks.
#[derive(Debug)]
pub struct Logged<'a> {
    /// Lines that were left out before this event: too many, not to be masked, or no room for them.
    pub left_out: u64,
    /// What masking found.
    pub masking: &'a Masking,
    /// The commitment to the lines; none where all were left out.
    pub payloads: &'a [Payload],
}

/// What masking found in payloads: values by data class, never the values themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masking {
    /// Values that the record holds masked, all of them.
    pub masked: BTreeMap<Arc<str>, u64>,
    /// Those among them that the client was shown, because policy reveals their class.
    pub revealed: BTreeMap<Arc<str>, u64>,
}

impl Masking {
    /// Nothing found.
    pub const NONE: &'static Self = &Self { masked: BTreeMap::new(), revealed: BTreeMap::new() };

    /// Adds what was found in another payload.
    pub fn add(&mut self, other: &Self) {
        for (own, others) in [(&mut self.masked, &other.masked), (&mut self.revealed, &other.revealed)] {
            for (class, count) in others {
                let own = own.entry(Arc::clone(class)).or_default();
                *own = own.saturating_add(*count);
            }
        }
    }
}

/// How an admitted operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// The target answered with a result.
    Ok,
    /// The target answered with an error of the protocol, or a result marked as one.
    Error,
    /// The target did not answer, or not as its protocol demands.
    Upstream,
    /// The target answered, and its answer could not be masked, so it was withheld.
    Withheld,
    /// The target took too long.
    Timeout,
    /// The operation was given up: the client cancelled it, the session or the gateway was closed.
    Cancelled,
    /// The gateway ended before it knew.
    Unknown,
}

impl Status {
    /// The word in events, and the metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Upstream => "upstream",
            Self::Withheld => "withheld",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }
}

/// A commitment to a payload, and where the recording keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// `request`, `response`, `chunks` or `log`.
    pub name: &'static str,
    /// Base64 of the HMAC-SHA256 commitment to what is recorded (design part 3, "Event").
    pub commitment: String,
    /// The same to the bytes that were sent or delivered, where they are others than those recorded.
    pub delivered: Option<String>,
    /// Segment, offset and length of the frame in the session's recording.
    pub at: [u64; 3],
    /// Bytes of the payload as recorded.
    pub bytes: u64,
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
            Self::SessionOpened(_) => "session.opened",
            Self::SessionClosed { .. } => "session.closed",
            Self::OperationAdmitted(_) => "operation.admitted",
            Self::OperationDenied(_) => "operation.denied",
            Self::OperationOutcome(_) => "operation.outcome",
            Self::ProgramLogged(_) => "program.logged",
            Self::WitnessCosigned { .. } => "witness.cosigned",
            Self::WitnessLagging { .. } => "witness.lagging",
            Self::IntegrityFailed { .. } => "integrity.failed",
            Self::Custody(custody) => custody.step.name(),
            Self::RecordingViewed { .. } => "recording.viewed",
            Self::KeysOpened { .. } => "admin.keys_opened",
            Self::KeyChanged { .. } => "admin.key_changed",
            Self::RecordingExported { .. } => "recording.exported",
        }
    }
}

impl Event<'_> {
    /// The leaf: canonical JSON (RFC 8785), keys in ascending order.
    pub fn to_leaf(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(768);
        let mut object = ObjectWriter::new(&mut out);
        self.write_before_gateway(&mut object);
        object.string("gateway", self.gateway).string("id", &self.id.to_string());
        self.write_after_id(&mut object);
        object.integer("seq", self.seq).string("session", &self.session.to_string());
        object.optional("target", self.target).string("time", &self.time.to_string());
        object.string("type", self.body.name()).string("v", VERSION).optional("who", self.who);
        object.end();
        out
    }

    fn write_before_gateway(&self, object: &mut ObjectWriter<'_>) {
        match &self.body {
            Body::AuthSucceeded { address, .. } => {
                object.string("address", address);
            }
            Body::AuthFailed { address, count, .. } => {
                object.string("address", address).integer("count", *count);
            }
            Body::LogStopped { count } | Body::SessionClosed { count, .. } => {
                object.integer("count", *count);
            }
            Body::ConfigLoaded { hash } => {
                object.string("config", hash);
            }
            Body::SessionOpened(opened) => {
                object.string("address", opened.address).optional("client", opened.client);
                write_decision(object, Effect::Allow, opened.policies, opened.policy, None);
                object.string("durability", opened.durability.name());
            }
            Body::OperationAdmitted(decided) | Body::OperationDenied(decided) => {
                write_decision(object, decided.effect, decided.policies, decided.policy, decided.reason);
                object.string("durability", decided.durability.name());
            }
            Body::OperationOutcome(ended) => {
                object.string("durability", ended.durability.name());
            }
            Body::LogRecovered { dropped, frames } => {
                object.integer("dropped", *dropped).integer("frames", *frames);
            }
            Body::KeyChanged { what, key, at } => {
                object.object("change", |change| {
                    change.string("at", at).string("key", key).string("what", what);
                });
            }
            Body::RecordingExported { selection, sessions, with_payloads } => {
                object.object("export", |export| {
                    export.string("selection", selection).integer("sessions", *sessions);
                    export.integer("with_payloads", *with_payloads);
                });
            }
            Body::LogStarted { absent_witnesses, clock, .. } => {
                if !absent_witnesses.is_empty() {
                    object.strings("absent_witnesses", absent_witnesses);
                }
                write_clock(object, *clock, None);
            }
            Body::WitnessLagging { by, cosigned, behind, .. } => {
                object.integer("behind", *behind).string("by", by).integer("cosigned", *cosigned);
            }
            Body::WitnessCosigned { by, cosigned } => {
                object.string("by", by).integer("cosigned", *cosigned);
            }
            Body::IntegrityFailed { by, damage, .. } => {
                object.string("by", by);
                if let Some(Damage { file, entry, expected, found }) = damage {
                    object.object("damage", |out| {
                        if let Some(entry) = entry {
                            out.integer("entry", *entry);
                        }
                        out.string("expected", expected).string("file", file).string("found", found);
                    });
                }
            }
            Body::ClockStatus { clock, step } => write_clock(object, *clock, *step),
            Body::Custody(custody) => write_custody(object, custody),
            Body::LogCapacity { level, free, refused } => {
                object.object("capacity", |out| {
                    out.integer("free", *free).string("level", level).integer("refused", *refused);
                });
            }
            Body::PolicyLoaded { .. }
            | Body::RetentionLoaded { .. }
            | Body::PolicyRefused { .. }
            | Body::ProgramLogged(_)
            | Body::KeysOpened { .. }
            | Body::RecordingViewed { .. } => {}
        }
        if let Body::AuthSucceeded { expires, .. } = &self.body {
            object.string("expires", &expires.to_string());
        }
    }

    fn write_after_id(&self, object: &mut ObjectWriter<'_>) {
        match &self.body {
            Body::LogStarted { version, .. } => {
                object.string("program", version);
            }
            Body::PolicyLoaded { hash } => {
                object.string("policy", hash);
            }
            Body::RetentionLoaded { rules, delay } => {
                object.object("retention", |out| {
                    out.integer("delay_s", delay.as_secs()).array("rules", rules, |out, rule| {
                        let mut entry = ObjectWriter::new(out);
                        entry.integer("keep_s", rule.keep.as_secs()).string("name", rule.name).string("on", rule.on);
                        entry.end();
                    });
                });
            }
            Body::KeysOpened { kek, signing } => {
                object.object("keys", |keys| {
                    keys.string("kek", kek).strings("signing", signing);
                });
            }
            Body::PolicyRefused { kept, reason } => {
                object.string("policy", kept).string("reason", reason);
            }
            Body::AuthFailed { reason, .. }
            | Body::SessionClosed { reason, .. }
            | Body::WitnessLagging { reason, .. }
            | Body::IntegrityFailed { reason, .. } => {
                object.string("reason", reason);
            }
            Body::SessionOpened(opened) => write_opened(object, opened),
            Body::OperationAdmitted(decided) | Body::OperationDenied(decided) => {
                object.counts("masked", counts(&decided.masking.masked));
                let Decided { action, method, protocol, trace, .. } = *decided;
                self.write_operation(object, &Described { action, method, protocol, intent: None, trace });
                write_payloads(object, decided.payloads);
                // Only what a target asks goes to a client, so only it can reveal anything.
                if !decided.masking.revealed.is_empty() {
                    object.counts("revealed", counts(&decided.masking.revealed));
                }
            }
            Body::OperationOutcome(ended) => {
                let Ended { action, method, protocol, intent, .. } = *ended;
                self.write_operation(
                    object,
                    &Described { action, method, protocol, intent: Some(intent), trace: None },
                );
                object.object("outcome", |outcome| {
                    outcome.integer("bytes", ended.bytes).counts("masked", counts(&ended.masking.masked));
                    outcome.counts("revealed", counts(&ended.masking.revealed));
                    outcome.string("status", ended.status.name());
                    if let Some(microseconds) = ended.microseconds {
                        outcome.integer("us", microseconds);
                    }
                });
                write_payloads(object, ended.payloads);
            }
            Body::ProgramLogged(logged) => {
                object.integer("left_out", logged.left_out);
                object.counts("masked", counts(&logged.masking.masked));
                write_payloads(object, logged.payloads);
            }
            Body::RecordingViewed { .. }
            | Body::RecordingExported { .. }
            | Body::WitnessCosigned { .. }
            | Body::KeyChanged { .. }
            | Body::LogStopped { .. }
            | Body::LogRecovered { .. }
            | Body::LogCapacity { .. }
            | Body::Custody(_)
            | Body::ClockStatus { .. }
            | Body::ConfigLoaded { .. }
            | Body::AuthSucceeded { .. } => {}
        }
        if let Body::RecordingViewed { what, viewed } = &self.body {
            object.object("read", |read| {
                read.optional("session", viewed.map(|session| session.to_string()).as_deref()).string("what", what);
            });
        }
    }

    fn write_operation(&self, object: &mut ObjectWriter<'_>, described: &Described<'_>) {
        object.object("operation", |operation| {
            operation.string("action", &described.action.name(self.target.unwrap_or_default()));
            if let Some(intent) = described.intent {
                operation.integer("intent", intent);
            }
            operation.optional("method", described.method).optional("object", described.action.object());
            operation.string("protocol", described.protocol.name()).optional("trace", described.trace);
        });
    }
}

/// What an event says of its operation.
struct Described<'a> {
    action: &'a Action,
    method: Option<&'a str>,
    protocol: Protocol,
    intent: Option<u64>,
    trace: Option<&'a str>,
}

fn write_decision(
    object: &mut ObjectWriter<'_>,
    effect: Effect,
    policies: &[Arc<str>],
    policy: &str,
    reason: Option<&str>,
) {
    object.object("decision", |decision| {
        decision.string("effect", effect.name()).strings("policies", policies).string("policy", policy);
        decision.optional("reason", reason);
    });
}

fn write_opened(object: &mut ObjectWriter<'_>, opened: &Opened<'_>) {
    let principal = opened.principal;
    object.object("principal", |out| {
        out.array("actors", &principal.actor_chain, |out, actor| {
            crate::canonical::write_string(out, &format!("{}|{}", actor.issuer, actor.subject));
        });
        out.strings("amr", &principal.amr).optional("client_id", principal.client_id.as_deref());
        out.optional("display", principal.display.as_deref()).strings("groups", &principal.groups);
        out.string("issuer", &principal.issuer).string("kind", principal.kind.name());
        out.string("subject", &principal.subject);
    });
    object.string("protocol", opened.protocol.name()).string("record", opened.record.name());
}

fn write_custody(object: &mut ObjectWriter<'_>, custody: &Custody<'_>) {
    object.object("custody", |out| {
        out.optional("confirmed_by", custody.confirmed_by).integer("expects", custody.expects);
        out.optional("expires", custody.expires.map(|expires| expires.to_string()).as_deref());
        out.string("reason", custody.reason).optional("requested_by", custody.requested_by);
        out.string("session", &custody.session.to_string());
    });
}

fn write_clock(object: &mut ObjectWriter<'_>, clock: Discipline, step: Option<Step>) {
    let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    object.object("clock", |out| {
        if let Some(since) = clock.since() {
            out.integer("set_s_ago", since.as_secs());
        }
        out.string("state", clock.name());
        if let Some((direction, by)) = step.map(Step::parts) {
            out.string("step", direction).integer("step_us", microseconds(by));
        }
    });
}

fn counts(counts: &BTreeMap<Arc<str>, u64>) -> impl Iterator<Item = (&str, u64)> {
    counts.iter().map(|(class, count)| (&**class, *count))
}

fn write_payloads(object: &mut ObjectWriter<'_>, payloads: &[Payload]) {
    if payloads.is_empty() {
        return;
    }
    object.array("payloads", payloads, |out, payload| {
        let mut entry = ObjectWriter::new(out);
        entry.integers("at", &payload.at).integer("bytes", payload.bytes);
        entry.string("commitment", &payload.commitment).optional("delivered", payload.delivered.as_deref());
        entry.string("name", payload.name);
        entry.end();
    });
}

#[cfg(test)]
mod tests;
