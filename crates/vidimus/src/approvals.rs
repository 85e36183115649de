//! Requests for approval as both sides of the gateway's interfaces know them: JSON over the socket, and below
//! `/api/v1/approvals` over HTTP.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use vidimus_gate::{Deed, Shown};
use vidimus_store::{Approval, ApprovalFilter, ApprovalState};

use crate::api;

/// The path of the list on the socket; below it, the requests by id.
pub(crate) const APPROVALS: &str = "/v1/approvals";

/// The most requests that one list shows.
pub(crate) const MAX_LISTED: usize = 1_000;

/// The answer to `/v1/approvals`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ApprovalList {
    /// The latest first.
    pub(crate) approvals: Vec<Request>,
}

/// A request for approval. Times are RFC 3339 in UTC.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) id: String,
    /// What a decision names: one that was made on another version counts for nothing.
    pub(crate) version: u64,
    /// `open`, `approved`, `denied`, `expired`, `cancelled` or `used`.
    pub(crate) state: String,
    /// By whom and why it was denied, why it was cancelled, or which operation used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    pub(crate) who: String,
    pub(crate) target: String,
    pub(crate) action: String,
    /// The policies that hold it.
    pub(crate) policies: Vec<String>,
    pub(crate) rules: Vec<Rule>,
    /// Who has approved it.
    pub(crate) given: Vec<Given>,
    pub(crate) asked: String,
    pub(crate) expires: String,
    /// Access for a time, if that is asked for, and no call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grant: Option<Box<GrantPart>>,
}

/// What is asked for where it is access for a time, and how far that is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GrantPart {
    pub(crate) name: String,
    /// How long it lasts from when its credential is issued.
    pub(crate) seconds: u64,
    pub(crate) reason: String,
    pub(crate) break_glass: bool,
    /// Sessions that may be opened with it, and that were; absent for break-glass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sessions: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) opened: Option<u64>,
    /// From when until when it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
}

/// A rule by which people must approve.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rule {
    #[serde(rename = "rule")]
    pub(crate) name: String,
    pub(crate) approvers: u64,
    pub(crate) approved: u64,
}

/// One person's approval.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) by: String,
    pub(crate) rules: Vec<String>,
    pub(crate) reason: Option<String>,
    pub(crate) time: String,
}

/// The answer to `/v1/approvals/{id}`: the request with everything around it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RequestDetail {
    pub(crate) request: Request,
    /// Who asks, in full, as the event that opened its session says.
    pub(crate) principal: Option<Box<RawValue>>,
    /// The client as it claims to be, and where it is.
    pub(crate) client: Option<String>,
    pub(crate) address: Option<String>,
    /// The session it was asked in, and the number of the event there.
    pub(crate) session: String,
    pub(crate) seq: u64,
    /// The arguments of the call, masked as they are recorded; absent where the target keeps sizes only.
    pub(crate) arguments: Option<Box<RawValue>>,
    /// What else the call says, such as answers to the server's questions: masked likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) further: BTreeMap<String, Box<RawValue>>,
    /// What the same principal did before, the latest first.
    pub(crate) before: Vec<Past>,
    /// The rules by which whoever looks may approve it.
    pub(crate) yours: Vec<String>,
}

/// An earlier operation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Past {
    pub(crate) session: String,
    pub(crate) seq: u64,
    pub(crate) time: String,
    pub(crate) action: String,
    /// `denied`, `held`, or how it ended; absent while it runs.
    pub(crate) status: Option<String>,
}

impl From<Approval> for Request {
    fn from(approval: Approval) -> Self {
        let rule = |quorum: &vidimus_store::Quorum| Rule {
            name: quorum.rule.clone(),
            approvers: quorum.approvers,
            approved: approval.approved_by(&quorum.rule),
        };
        let rules = approval.ask.quorums.iter().map(rule).collect();
        let state = approval.state.name().to_owned();
        let grant = approval.ask.grant.as_ref().map(|grant| Box::new(GrantPart::new(grant, &approval.state)));
        let detail = match approval.state {
            ApprovalState::Open | ApprovalState::Approved | ApprovalState::Expired | ApprovalState::Granted(_) => None,
            ApprovalState::Ended { how, by, reason } => {
                let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                Some(format!("{how}{by}{reason}"))
            }
            ApprovalState::Denied { by, reason } => Some(format!("by {by}: {reason}")),
            ApprovalState::Cancelled { reason } => Some(reason),
            ApprovalState::Used { reference, outcome: Some(outcome) } => Some(format!("by {reference}: {outcome}")),
            ApprovalState::Used { reference, outcome: None } => Some(format!("by {reference}")),
        };
        let given = |given: vidimus_store::Given| {
            let vidimus_store::Given { by, rules, reason, time } = given;
            Given { by, rules, reason, time }
        };
        Self {
            id: approval.id.to_string(),
            version: approval.version,
            state,
            detail,
            who: approval.ask.who,
            target: approval.ask.target,
            action: approval.ask.action,
            policies: approval.ask.policies,
            rules,
            given: approval.given.into_iter().map(given).collect(),
            asked: approval.ask.requested,
            expires: approval.ask.expires,
            grant,
        }
    }
}

impl GrantPart {
    fn new(grant: &vidimus_store::GrantAsk, state: &ApprovalState) -> Self {
        let issued = match state {
            ApprovalState::Granted(issued) => Some(issued),
            _ => None,
        };
        Self {
            name: grant.name.clone(),
            seconds: grant.seconds,
            reason: grant.reason.clone(),
            break_glass: grant.is_break_glass,
            sessions: (!grant.is_break_glass).then_some(grant.sessions),
            opened: issued.filter(|_| !grant.is_break_glass).map(|issued| issued.opened),
            since: issued.map(|issued| issued.since.clone()),
            until: issued.map(|issued| issued.until.clone()),
        }
    }
}

impl TryFrom<Shown> for RequestDetail {
    type Error = serde_json::Error;

    fn try_from(shown: Shown) -> Result<Self, Self::Error> {
        let Shown { approval, session: opened, request, before, rules } = shown;
        let text = |key: &str| opened.as_ref()?.get(key)?.as_str().map(str::to_owned);
        let (client, address) = (text("client"), text("address"));
        let principal = opened.as_ref().and_then(|opened| opened.get("principal"));
        let principal = principal.map(serde_json::value::to_raw_value).transpose()?;
        // Who asks for a grant is told by that itself.
        let (principal, address) = match &approval.ask.grant {
            Some(grant) => (Some(serde_json::value::to_raw_value(&grant.principal)?), Some(grant.address.clone())),
            None => (principal, address),
        };
        let past = |past: vidimus_store::PastOperation| Past {
            session: past.session.to_string(),
            seq: past.seq,
            time: past.time,
            action: past.action,
            status: if past.is_denied { Some("denied".to_owned()) } else { past.status },
        };
        let mut further = request.as_deref().map(parameters).unwrap_or_default();
        let arguments = further.remove("arguments");
        further.retain(|name, _| !["name", "requestState", "_meta"].contains(&name.as_str()));
        Ok(Self {
            session: approval.ask.session.to_string(),
            seq: approval.ask.held,
            request: approval.into(),
            principal,
            client,
            address,
            arguments,
            further,
            before: before.into_iter().map(past).collect(),
            yours: rules,
        })
    }
}

/// What stands in the parameters of a recorded call, as it stands there: numbers are not read. A statement of SQL is all
/// argument.
fn parameters(message: &str) -> BTreeMap<String, Box<RawValue>> {
    type Members = BTreeMap<String, Box<RawValue>>;
    let members: Members = serde_json::from_str(message).unwrap_or_default();
    match members.get("params") {
        Some(params) => serde_json::from_str(params.get()).unwrap_or_default(),
        None if members.contains_key("sql") => serde_json::from_str(message)
            .map(|whole| Members::from([("arguments".to_owned(), whole)]))
            .unwrap_or_default(),
        None => Members::new(),
    }
}

/// Which requests a query asks for: `all=true` for those that are over too.
pub(crate) fn filter(query: &str) -> Result<ApprovalFilter, String> {
    match query {
        "" => Ok(ApprovalFilter { is_over: false, limit: MAX_LISTED }),
        "all=true" => Ok(ApprovalFilter { is_over: true, limit: MAX_LISTED }),
        _ => Err("the query must be `all=true`, or none".to_owned()),
    }
}

/// The decision in a path and a query: `approval` or `denial`, `version=…&reason=…`.
pub(crate) fn deed(word: &str, query: &str) -> Result<(u64, Deed), String> {
    let (version, rest) = query.split_once('&').map_or((query, None), |(version, rest)| (version, Some(rest)));
    let version = version.strip_prefix("version=").and_then(|version| version.parse().ok());
    let version = version.ok_or("the query must be `version=NUMBER`, and then `reason=…`")?;
    let reason = rest.map(api::reason).transpose()?;
    match (word, reason) {
        ("approval", reason) => Ok((version, Deed::Approve { reason })),
        ("denial", Some(reason)) => Ok((version, Deed::Deny { reason })),
        ("denial", None) => Err("a denial needs a reason: the caller is told".to_owned()),
        _ => Err("a decision is `approval` or `denial`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_names_its_version_and_a_denial_says_why() {
        assert_eq!(deed("approval", "version=2"), Ok((2, Deed::Approve { reason: None })));
        let reason = Some("ok & done".to_owned());
        assert_eq!(deed("approval", "version=2&reason=ok%20%26%20done"), Ok((2, Deed::Approve { reason })));
        assert_eq!(deed("denial", "version=1&reason=no"), Ok((1, Deed::Deny { reason: "no".into() })));
        for (word, query) in [
            ("approval", ""),
            ("approval", "reason=x"),
            ("approval", "version=x"),
            ("approval", "version=-1"),
            ("denial", "version=1"),
            ("deletion", "version=1"),
            ("approval", "version=1&version=2"),
        ] {
            assert!(deed(word, query).is_err(), "{word}?{query}");
        }
    }

    #[test]
    fn arguments_are_shown_as_they_were_written() {
        let message = r#"{"jsonrpc":"2.0","params":{"name":"refund","arguments":{"n":9007199254740993,"m":1.0}}}"#;
        assert_eq!(parameters(message)["arguments"].get(), r#"{"n":9007199254740993,"m":1.0}"#);
        let statement = r#"{"sql":"select $1","parameters":["1.0"]}"#;
        assert_eq!(parameters(statement)["arguments"].get(), statement);
        assert!(parameters("{}").is_empty() && parameters("[]").is_empty());
        assert!(parameters("{}").is_empty() && parameters("").is_empty());
    }
}
