//! What a webhook is told: one step of one request for approval, as JSON.

use bytes::Bytes;
use serde::Serialize;
use vidimus_core::Timestamp;
use vidimus_store::{Approval, ApprovalState};

use crate::approvals::Request;

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The same each time it is sent: the request's id and its version.
    pub(crate) id: String,
    pub(crate) body: Bytes,
    /// When the request ends: what has not been told by then is told no more, unless it is how it ended.
    pub(crate) expires: Option<Timestamp>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    /// RFC 3339, in UTC: when the request was made or decided on last.
    timestamp: &'a str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    gateway: &'a str,
    /// Where to look at the request and decide on it, with a token of one's own.
    url: String,
    request: Request,
}

impl Message {
    pub(crate) fn of(approval: &Approval, gateway: &str, public_url: &str) -> Self {
        let kind = kind(approval);
        let timestamp = approval.given.last().map_or(&approval.ask.requested, |given| &given.time);
        // Whoever may end a grant sees it there, and need not be an approver.
        let is_grant = approval.ask.grant.is_some() && !matches!(approval.state, ApprovalState::Open);
        let kind_of = if is_grant { "grants" } else { "approvals" };
        let data = Data {
            gateway,
            url: format!("{public_url}/api/v1/{kind_of}/{}", approval.id),
            request: Request::from(approval.clone()),
        };
        let envelope = Envelope { kind, timestamp, data };
        // Texts and numbers alone: that cannot fail. If it did, the receiver sees that a message is empty.
        let body = serde_json::to_vec(&envelope).unwrap_or_default().into();
        let is_open = matches!(approval.state, ApprovalState::Open | ApprovalState::Approved);
        let expires = if is_open { approval.ask.expires.parse().ok() } else { None };
        Self { id: format!("{}-{}", approval.id, approval.version), body, expires }
    }
}

/// The name of the event that the message tells of.
fn kind(approval: &Approval) -> &'static str {
    let is_glass = approval.ask.grant.as_ref().is_some_and(|grant| grant.is_break_glass);
    match &approval.state {
        ApprovalState::Granted(_) if is_glass => "break_glass.opened",
        ApprovalState::Ended { .. } if is_glass => "break_glass.closed",
        ApprovalState::Open if approval.given.is_empty() && approval.ask.grant.is_some() => "grant.requested",
        ApprovalState::Open if approval.given.is_empty() => "approval.requested",
        ApprovalState::Open | ApprovalState::Approved => "approval.approved",
        ApprovalState::Denied { .. } => "approval.denied",
        ApprovalState::Expired => "approval.expired",
        ApprovalState::Cancelled { .. } => "approval.cancelled",
        ApprovalState::Used { .. } => "approval.used",
        ApprovalState::Granted(_) => "grant.granted",
        ApprovalState::Ended { how, .. } if how == "revoked" => "grant.revoked",
        ApprovalState::Ended { how, .. } if how == "expired" => "grant.expired",
        ApprovalState::Ended { .. } => "grant.ended",
    }
}
