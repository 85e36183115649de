//! The few fields of an event leaf that the index keeps, borrowed from the leaf's own bytes.
//!
//! A leaf is canonical JSON (design 3, "Event"), written by this gateway and bound by the log. Fields the index does
//! not keep are skipped without being decoded.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use vidimus_core::event::{CustodyStep, PinStep};
use vidimus_core::{ApprovalId, EventId, SessionId};

use crate::approval_step::{Ask, GrantAsk, Grantee, Issued, Quorum, Step};

/// What the types of all steps of approvals begin with.
const APPROVAL: &str = "approval.";
/// And those of grants.
const GRANTS: [&str; 2] = ["grant.", "break_glass."];
/// The name that break-glass has where grants have one.
const BREAK_GLASS: &str = "break-glass";

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
    Admitted(Described<'a>),
    Denied(Described<'a>),
    /// An operation that waits for people.
    Held(Described<'a>),
    /// How an admitted operation ended.
    Ended(Described<'a>),
    Custody(Change<'a>),
    /// A step of a request for approval, with the version that it names.
    Approval(ApprovalId, u64, Step),
    Defined(PinDefinition<'a>),
    Pin(PinChange<'a>),
    Other,
}

/// What an event says of an operation.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Described<'a> {
    #[serde(borrow)]
    pub(crate) operation: Operation<'a>,
    /// In `operation.outcome`.
    #[serde(borrow)]
    pub(crate) outcome: Option<Outcome<'a>>,
    /// In the others, what masking found.
    #[serde(borrow, default)]
    pub(crate) masked: BTreeMap<Cow<'a, str>, u64>,
    #[serde(borrow, default)]
    pub(crate) payloads: Vec<Payload<'a>>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Operation<'a> {
    #[serde(borrow)]
    pub(crate) action: Cow<'a, str>,
    /// In `operation.outcome`: the `seq` of the event that admitted it.
    pub(crate) intent: Option<u64>,
    /// The request for approval that it waits for, or passed by.
    pub(crate) approval: Option<&'a str>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Outcome<'a> {
    #[serde(borrow)]
    pub(crate) status: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) masked: BTreeMap<Cow<'a, str>, u64>,
}

/// A payload that is recorded, and where.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Payload<'a> {
    pub(crate) at: [u64; 3],
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
}

/// A step in the custody of a recording, in the event's member `custody`.
#[derive(Debug, PartialEq)]
pub(crate) struct Change<'a> {
    pub(crate) step: CustodyStep,
    pub(crate) session: SessionId,
    pub(crate) expects: u64,
    pub(crate) reason: Cow<'a, str>,
    pub(crate) expires: Option<Cow<'a, str>>,
    pub(crate) requested_by: Option<Cow<'a, str>>,
    pub(crate) confirmed_by: Option<Cow<'a, str>>,
}

/// A definition of a tool, or a part of it, in the event's member `definition`.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct PinDefinition<'a> {
    #[serde(borrow)]
    pub(crate) tool: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) fingerprint: Cow<'a, str>,
    pub(crate) part: u64,
    pub(crate) of: u64,
    #[serde(borrow)]
    pub(crate) text: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) signs: Vec<Cow<'a, str>>,
}

/// A step in what is accepted of a tool, in the event's member `pin`.
#[derive(Debug, PartialEq)]
pub(crate) struct PinChange<'a> {
    pub(crate) step: PinStep,
    pub(crate) tool: Cow<'a, str>,
    pub(crate) expects: u64,
    pub(crate) fingerprint: Option<Cow<'a, str>>,
    pub(crate) accepted: Option<Cow<'a, str>>,
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
    pub(crate) parent: Option<Cow<'a, str>>,
    /// The grant that it was opened with.
    #[serde(borrow)]
    pub(crate) grant: Option<OfGrant<'a>>,
    #[serde(borrow)]
    pub(crate) principal: Option<Identity<'a>>,
}

/// A grant that a session was opened with.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct OfGrant<'a> {
    pub(crate) id: &'a str,
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
            "operation.admitted" => What::Admitted(serde_json::from_slice(leaf).ok()?),
            "operation.denied" => What::Denied(serde_json::from_slice(leaf).ok()?),
            "operation.held" => What::Held(serde_json::from_slice(leaf).ok()?),
            "operation.outcome" => What::Ended(serde_json::from_slice(leaf).ok()?),
            "pin.defined" => What::Defined(serde_json::from_slice::<Defining<'a>>(leaf).ok()?.definition),
            kind if kind.starts_with(APPROVAL) => read_approval(&head, leaf)?,
            kind if GRANTS.iter().any(|grants| kind.starts_with(grants)) => read_grant(&head, leaf)?,
            kind => {
                let custody = CustodyStep::ALL.into_iter().find(|step| step.name() == kind);
                let pin = PinStep::ALL.into_iter().find(|step| step.name() == kind);
                match (custody, pin) {
                    (Some(step), _) => What::Custody(Change::read(step, leaf)?),
                    (None, Some(step)) => What::Pin(PinChange::read(step, leaf)?),
                    (None, None) => What::Other,
                }
            }
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

impl<'a> Change<'a> {
    fn read(step: CustodyStep, leaf: &'a [u8]) -> Option<Self> {
        let Keeping { custody } = serde_json::from_slice(leaf).ok()?;
        Some(Self {
            step,
            session: custody.session.parse().ok()?,
            expects: custody.expects,
            reason: custody.reason,
            expires: custody.expires,
            requested_by: custody.requested_by,
            confirmed_by: custody.confirmed_by,
        })
    }
}

/// In the events of approvals besides.
#[derive(Deserialize)]
struct Approving {
    approval: ApprovingDetail,
}

#[derive(Deserialize)]
struct ApprovingDetail {
    id: String,
    expects: u64,
    policy: Option<String>,
    action: Option<String>,
    digest: Option<String>,
    expires: Option<String>,
    held: Option<u64>,
    intent: Option<u64>,
    reason: Option<String>,
    #[serde(default)]
    barred: Vec<String>,
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    quorums: Vec<Quorum>,
    #[serde(default)]
    rules: Vec<String>,
}

fn read_approval<'a>(head: &Head<'a>, leaf: &'a [u8]) -> Option<What<'a>> {
    let Approving { approval: detail } = serde_json::from_slice(leaf).ok()?;
    let step = match head.kind {
        "approval.requested" => Step::Requested(Box::new(Ask {
            who: head.who.as_deref()?.to_owned(),
            target: head.target.as_deref()?.to_owned(),
            action: detail.action?,
            digest: detail.digest?,
            session: head.session.parse().ok()?,
            held: detail.held?,
            requested: head.time.to_owned(),
            expires: detail.expires?,
            policies: detail.policies,
            policy: detail.policy?,
            quorums: detail.quorums,
            barred: detail.barred,
            grant: None,
        })),
        "approval.approved" => Step::Approved { rules: detail.rules, reason: detail.reason },
        "approval.denied" => Step::Denied { reason: detail.reason? },
        "approval.expired" => Step::Expired,
        "approval.cancelled" => Step::Cancelled { reason: detail.reason? },
        "approval.used" => Step::Used { intent: detail.intent? },
        _ => return Some(What::Other),
    };
    Some(What::Approval(detail.id.parse().ok()?, detail.expects, step))
}

/// In the events of grants besides.
#[derive(Deserialize)]
struct Granting {
    grant: GrantingDetail,
}

#[derive(Deserialize)]
struct GrantingDetail {
    id: String,
    expects: u64,
    name: Option<String>,
    address: Option<String>,
    digest: Option<String>,
    expires: Option<String>,
    how: Option<String>,
    policy: Option<String>,
    principal: Option<Grantee>,
    reason: Option<String>,
    seconds: Option<u64>,
    sessions: Option<u64>,
    token: Option<String>,
    until: Option<String>,
    verifier: Option<String>,
    #[serde(default)]
    barred: Vec<String>,
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    quorums: Vec<Quorum>,
    #[serde(default)]
    scopes: Vec<String>,
}

fn read_grant<'a>(head: &Head<'a>, leaf: &'a [u8]) -> Option<What<'a>> {
    let Granting { grant: detail } = serde_json::from_slice(leaf).ok()?;
    let (id, expects) = (detail.id.parse().ok()?, detail.expects);
    let ask = |detail: GrantingDetail, is_break_glass| {
        Some(Box::new(Ask {
            who: head.who.as_deref()?.to_owned(),
            target: head.target.as_deref()?.to_owned(),
            action: format!("grant:{}", detail.name.as_deref()?),
            digest: detail.digest.unwrap_or_default(),
            session: head.session.parse().ok()?,
            held: head.seq,
            requested: head.time.to_owned(),
            expires: detail.expires.or(detail.until)?,
            policies: detail.policies,
            policy: detail.policy?,
            quorums: detail.quorums,
            barred: detail.barred,
            grant: Some(Box::new(GrantAsk {
                name: detail.name?,
                seconds: detail.seconds?,
                sessions: detail.sessions.unwrap_or_default(),
                reason: detail.reason?,
                is_break_glass,
                principal: detail.principal?,
                address: detail.address?,
            })),
        }))
    };
    let step = match head.kind {
        "grant.requested" if detail.name.as_deref() != Some(BREAK_GLASS) => Step::Requested(ask(detail, false)?),
        "grant.granted" => Step::Granted(Box::new(Issued {
            since: head.time.to_owned(),
            until: detail.until?,
            token: detail.token,
            verifier: detail.verifier,
            principal: detail.principal?,
            scopes: detail.scopes,
            opened: 0,
        })),
        "break_glass.opened" => {
            let until = detail.until.clone()?;
            Step::Opened(ask(detail, true)?, until)
        }
        "grant.revoked" | "grant.expired" | "grant.ended" | "break_glass.closed" => {
            Step::Ended { how: detail.how?, reason: detail.reason }
        }
        _ => return Some(What::Other),
    };
    Some(What::Approval(id, expects, step))
}

impl<'a> PinChange<'a> {
    fn read(step: PinStep, leaf: &'a [u8]) -> Option<Self> {
        let Pinning { pin } = serde_json::from_slice(leaf).ok()?;
        let PinDetail { tool, expects, fingerprint, accepted } = pin;
        Some(Self { step, tool, expects, fingerprint, accepted })
    }
}

/// In `pin.defined` besides.
#[derive(Deserialize)]
struct Defining<'a> {
    #[serde(borrow)]
    definition: PinDefinition<'a>,
}

/// In the other events of pins besides.
#[derive(Deserialize)]
struct Pinning<'a> {
    #[serde(borrow)]
    pin: PinDetail<'a>,
}

#[derive(Deserialize)]
struct PinDetail<'a> {
    #[serde(borrow)]
    tool: Cow<'a, str>,
    expects: u64,
    #[serde(borrow)]
    fingerprint: Option<Cow<'a, str>>,
    #[serde(borrow)]
    accepted: Option<Cow<'a, str>>,
}

/// In the events of custody besides.
#[derive(Deserialize)]
struct Keeping<'a> {
    #[serde(borrow)]
    custody: KeepingDetail<'a>,
}

#[derive(Deserialize)]
struct KeepingDetail<'a> {
    session: &'a str,
    expects: u64,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    expires: Option<Cow<'a, str>>,
    #[serde(borrow)]
    requested_by: Option<Cow<'a, str>>,
    #[serde(borrow)]
    confirmed_by: Option<Cow<'a, str>>,
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
