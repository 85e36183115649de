//! The people's side of approvals: what waits for them, what it is exactly, and their decision.
//!
//! Who may approve is policy's to say (`approve` on the rule), for each rule by itself; whoever asked sees its own requests.
//! A request that somebody may not see answers like one that is not there. Each look is on record, each decision an event
//! that names the version of the request it was made on. Refused: deciding on one's own request, or on one of somebody one
//! acts for or who acts for one; programs, and whoever is not known to be a person.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use vidimus_core::event::{Approval as Told, ApprovalStep, Body};
use vidimus_core::{Action, ApprovalId, Durability, Effect, ErrorKind, Principal, SessionId};
use vidimus_log::ReadError;
use vidimus_policy::Decision;
use vidimus_store::{Approval, ApprovalFilter, ApprovalState, PastOperation, Stamp, Step, StoreError};

use crate::custody::Person;
use crate::evidence::EvidenceError;
use crate::gate::Gate;
use crate::masking::Masking;
use crate::recording::Frames;
use crate::shared::Shared;
use crate::view::{CHECKPOINT_INTERVAL, CHECKPOINT_LIMIT, ViewError, Viewer};

/// The longest reason, in bytes.
const MAX_REASON_BYTES: usize = 500;
/// Operations of the same principal that are shown beside a request.
const PAST_OPERATIONS: u32 = 5;

/// Shows what waits for approval, and takes people's decisions. Cheap to clone.
#[derive(Clone)]
pub struct Approver {
    shared: Arc<Shared>,
    viewer: Viewer,
}

/// A request with what its approvers need to know.
#[derive(Debug)]
pub struct Shown {
    /// The request.
    pub approval: Approval,
    /// The event that opened its session: who asks, in full, and by which client.
    pub session: Option<Value>,
    /// The message that waits, masked as it is recorded; none where the target keeps sizes only, or the recording is gone.
    pub request: Option<String>,
    /// What the same principal did before, the latest first.
    pub before: Vec<PastOperation>,
    /// The rules by which whoever looks may approve it.
    pub rules: Vec<String>,
}

/// A decision of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// It may pass.
    Approve {
        /// Why.
        reason: Option<String>,
    },
    /// It may not.
    Deny {
        /// Why: the caller is told.
        reason: String,
    },
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum ApproverError {
    /// It is not to be seen.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The index does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The decision cannot be recorded.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// Policy does not let this person approve by any rule of it.
    #[error("no policy permits you to approve by {0}: it takes a permit that names the action `approve`")]
    NotPermitted(String),
    /// It is the person's own.
    #[error("you have asked for this yourself, or somebody has for you: another person must decide")]
    OwnRequest,
    /// The person has approved already.
    #[error("you have approved this already; {0}")]
    Again(String),
    /// It is over.
    #[error("this request is over: {0}")]
    Over(&'static str),
    /// Somebody else was faster.
    #[error("somebody else has just decided on this request (it is at version {0} now): look at it, then try again")]
    Raced(u64),
    /// There is no reason.
    #[error("a reason of 1 to {MAX_REASON_BYTES} bytes is needed")]
    Reason,
}

impl ApproverError {
    /// Who is at fault.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::View(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Evidence(error) => error.kind(),
            Self::NotPermitted(_) | Self::OwnRequest => ErrorKind::Denied,
            Self::Again(_) | Self::Over(_) | Self::Raced(_) | Self::Reason => ErrorKind::Malformed,
        }
    }
}

impl Gate {
    /// The people's side of approvals.
    pub fn approver(&self) -> Approver {
        Approver { shared: Arc::clone(self.shared()), viewer: self.viewer() }
    }
}

impl Approver {
    /// The requests that `principal` may decide on, or has made; the latest first.
    pub async fn list(&self, principal: &Principal, filter: ApprovalFilter) -> Result<Vec<Approval>, ApproverError> {
        self.looked(principal, "approvals").await?;
        let mut known = HashMap::new();
        let mut may_see = |approval: &Approval| {
            let Approval { ask, .. } = approval;
            let rules: Vec<String> = ask.quorums.iter().map(|quorum| quorum.rule.clone()).collect();
            let key = (rules, ask.target.clone(), ask.action.clone());
            ask.who == principal.id()
                || *known.entry(key).or_insert_with(|| !self.rules(principal, approval).is_empty())
        };
        if filter.is_over {
            return Ok(self.viewer.reader()?.approvals(filter, may_see)?);
        }
        let is_open = |approval: &&Approval| matches!(approval.state, ApprovalState::Open | ApprovalState::Approved);
        let mut open: Vec<Approval> = self.shared.holds.table().all().filter(is_open).cloned().collect();
        open.sort_by(|a, b| b.ask.requested.cmp(&a.ask.requested));
        open.retain(&mut may_see);
        open.truncate(filter.limit);
        Ok(open)
    }

    /// A request, with everything around it.
    pub async fn show(&self, principal: &Principal, id: &str) -> Result<Shown, ApproverError> {
        let (approval, rules) = self.found(principal, id).await?;
        self.looked(principal, "approval").await?;
        let before = self.viewer.reader()?.operations_before(
            (&approval.ask.who, &approval.ask.target),
            &approval.ask.requested,
            PAST_OPERATIONS,
        )?;
        let (session, held) = (approval.ask.session, approval.ask.held);
        // A grant says itself who asks for what.
        let (opened, request) = if approval.ask.grant.is_some() {
            (None, None)
        } else {
            let asked = (approval.id.to_string(), approval.ask.who.clone());
            self.viewer.blocking(move |viewer| request(viewer, (session, held), &asked)).await?
        };
        Ok(Shown { approval, session: opened, request, before, rules })
    }

    /// Takes the decision of a person on the version that it saw. Reasons are masked before they are recorded.
    pub async fn decide(
        &self,
        person: &Person,
        (id, expects): (&str, u64),
        deed: Deed,
        masking: &Masking,
    ) -> Result<Approval, ApproverError> {
        let principal = person.principal();
        let (approval, rules) = self.found(principal, id).await?;
        let who = principal.id();
        if !approval.may_decide(&who) {
            let given = approval.given.iter().find(|given| given.by == who);
            return Err(match given {
                Some(_) if matches!(deed, Deed::Approve { .. }) => ApproverError::Again(missing(&approval)),
                Some(_) => return self.take(&approval.id, expects, (&who, &rules), deed, masking).await,
                None => ApproverError::OwnRequest,
            });
        }
        if rules.is_empty() {
            let names: Vec<&str> = approval.ask.quorums.iter().map(|quorum| quorum.rule.as_str()).collect();
            return Err(ApproverError::NotPermitted(names.join(", ")));
        }
        self.take(&approval.id, expects, (&who, &rules), deed, masking).await
    }

    async fn take(
        &self,
        id: &ApprovalId,
        expects: u64,
        (who, rules): (&str, &[String]),
        deed: Deed,
        masking: &Masking,
    ) -> Result<Approval, ApproverError> {
        if rules.is_empty() {
            return Err(ApproverError::NotPermitted("any of its rules".to_owned()));
        }
        let policies = self.shared.policies.load_full();
        let needs_reason = rules.iter().any(|rule| policies.approval_rule(rule).is_some_and(|rule| rule.needs_reason));
        let deed = match deed {
            Deed::Approve { reason } => {
                let reason = reason.filter(|reason| !reason.trim().is_empty());
                if reason.is_none() && needs_reason {
                    return Err(ApproverError::Reason);
                }
                Deed::Approve { reason: reason.map(|reason| worded(&reason, masking)).transpose()? }
            }
            Deed::Deny { reason } => Deed::Deny { reason: worded(&reason, masking)? },
        };
        let (approval, written) = self.taken((*id, expects), (who, rules), &deed, policies.hash())?;
        self.shared.evidence.settle(Durability::Strict, written.position).await?;
        Ok(approval)
    }

    /// Takes a step under the lock of the table.
    fn taken(
        &self,
        (id, expects): (ApprovalId, u64),
        (who, rules): (&str, &[String]),
        deed: &Deed,
        policy: &str,
    ) -> Result<(Approval, crate::evidence::Written), ApproverError> {
        let Shared { evidence, control, holds, .. } = &*self.shared;
        let mut table = holds.table();
        let Some(hold) = table.by_id(id) else { return Err(ApproverError::Over("nothing waits for it any more")) };
        let (now, target) = (evidence.clock.now(), hold.approval.ask.target.clone());
        if hold.is_over(now) {
            table.expire(id, evidence, control)?;
            return Err(ApproverError::Over("its time is up"));
        }
        match &hold.approval.state {
            ApprovalState::Open | ApprovalState::Approved if hold.approval.version != expects => {
                return Err(ApproverError::Raced(hold.approval.version));
            }
            ApprovalState::Open => {}
            ApprovalState::Approved if matches!(deed, Deed::Deny { .. }) => {}
            ApprovalState::Approved => return Err(ApproverError::Over("enough people have approved it")),
            ApprovalState::Denied { .. } => return Err(ApproverError::Over("somebody has denied it")),
            ApprovalState::Used { .. } => return Err(ApproverError::Over("it was used")),
            ApprovalState::Granted(_) | ApprovalState::Ended { .. } => {
                return Err(ApproverError::Over("its credential was issued: revoke it (`vidimus grant revoke`)"));
            }
            ApprovalState::Expired => return Err(ApproverError::Over("its time is up")),
            ApprovalState::Cancelled { .. } => return Err(ApproverError::Over("it was not needed any more")),
        }
        let time = now.to_string();
        let stamp = Stamp { time: &time, who: Some(who), session: control.session() };
        let named: Vec<Arc<str>> = rules.iter().map(|rule| rule.as_str().into()).collect();
        let (step, told) = match deed {
            Deed::Approve { reason } => (
                Step::Approved { rules: rules.to_vec(), reason: reason.clone() },
                ApprovalStep::Approved { rules: &named, reason: reason.as_deref() },
            ),
            Deed::Deny { reason } => (Step::Denied { reason: reason.clone() }, ApprovalStep::Denied { reason }),
        };
        let taken = table.step(id, (&step, stamp), |expects| {
            let body = Body::Approval(Told { id, expects, policy: Some(policy), step: told });
            control.append_for(evidence, Some(who), Some(&target), body)
        })?;
        taken.ok_or(ApproverError::Over("it cannot be decided on any more"))
    }

    /// The request, and the rules by which `principal` may approve it. One that it may not see answers like one that is not
    /// there, and the attempt is on record.
    async fn found(&self, principal: &Principal, id: &str) -> Result<(Approval, Vec<String>), ApproverError> {
        let may_see =
            |approval: &Approval| approval.ask.who == principal.id() || !self.rules(principal, approval).is_empty();
        let waiting = {
            let table = self.shared.holds.table();
            id.parse().ok().and_then(|id| table.by_id(id)).map(|hold| hold.approval.clone())
        };
        let found = match waiting.filter(may_see) {
            Some(approval) => Ok(approval),
            None => self.viewer.reader()?.approval(id, may_see),
        };
        // The index is behind by a moment; and what it says of who it concerns is not believed where the gateway knows.
        let found = found.and_then(|found| {
            let waiting = self.shared.holds.table().by_id(found.id).map(|hold| hold.approval.clone());
            match waiting {
                Some(waiting) if !may_see(&waiting) => Err(StoreError::NoApproval(found.id.to_string())),
                waiting => Ok(waiting.unwrap_or(found)),
            }
        });
        match found {
            Ok(approval) => {
                let rules = self.rules(principal, &approval);
                Ok((approval, rules))
            }
            Err(StoreError::NoApproval(id)) => {
                let action = Action::Approve { rule: "unknown".into(), call: "unknown".into() };
                let decision = Decision::plain(Effect::Deny, Vec::new(), String::new());
                let denied = self.viewer.denied(principal, &action, None, &decision, Some("unknown_approval")).await;
                match denied {
                    ViewError::Evidence(error) => Err(error.into()),
                    _ => Err(StoreError::NoApproval(id).into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The rules of a request by which `principal` may approve it now.
    pub(crate) fn rules(&self, principal: &Principal, approval: &Approval) -> Vec<String> {
        let call: Arc<str> = approval.ask.action.as_str().into();
        let may = |rule: &&str| {
            let action = Action::Approve { rule: (*rule).into(), call: Arc::clone(&call) };
            self.viewer.decide(principal, &action, &approval.ask.target).effect == Effect::Allow
        };
        let rules = approval.ask.quorums.iter().map(|quorum| quorum.rule.as_str());
        rules.filter(may).map(str::to_owned).collect()
    }

    async fn looked(&self, principal: &Principal, what: &'static str) -> Result<(), ApproverError> {
        Ok(self.viewer.record(principal, None, Body::RecordingViewed { what, viewed: None }).await?)
    }
}

/// How many people are missing, in words.
fn missing(approval: &Approval) -> String {
    let of = |quorum: &vidimus_store::Quorum| {
        let left = quorum.approvers.saturating_sub(approval.approved_by(&quorum.rule));
        (left > 0).then(|| format!("{left} more by {}", quorum.rule))
    };
    let missing: Vec<String> = approval.ask.quorums.iter().filter_map(of).collect();
    if missing.is_empty() { "nobody else is needed".to_owned() } else { format!("it waits for {}", missing.join(", ")) }
}

/// A reason as it is recorded and told.
pub(crate) fn worded(reason: &str, masking: &Masking) -> Result<String, ApproverError> {
    let reason = reason.trim();
    if reason.is_empty() || reason.len() > MAX_REASON_BYTES {
        return Err(ApproverError::Reason);
    }
    Ok(masking.text(reason))
}

/// The event that opened a session, and the message of its operation of this number. Waits until a checkpoint covers it, so it
/// blocks.
fn request(
    viewer: &Viewer,
    (session, held): (SessionId, u64),
    (id, who): &(String, String),
) -> Result<(Option<Value>, Option<String>), ViewError> {
    let limit = Instant::now() + CHECKPOINT_LIMIT;
    let event = |seq: u64| loop {
        let leaves = viewer.reader()?.leaves_of(session)?;
        let index = leaves.iter().find(|(known, _)| *known == seq).map(|(_, index)| *index);
        match index.map(|index| viewer.log().leaf(index)) {
            None | Some(Err(ReadError::NotInCheckpoint { .. })) if Instant::now() < limit => {
                std::thread::sleep(CHECKPOINT_INTERVAL);
            }
            None => return Ok(None),
            Some(leaf) => return Ok::<_, ViewError>(serde_json::from_slice::<Value>(&leaf?).ok()),
        }
    };
    let (opened, held) = (event(0)?, event(held)?);
    // Whoever can write to the index could name any operation there: the log has to say that it is this request's.
    let is_its_own = held.as_ref().and_then(|event| event.pointer("/operation/approval")?.as_str()) == Some(id);
    let asked_by = |opened: &Value| {
        let of = |key: &str| opened.pointer(&format!("/principal/{key}")).and_then(Value::as_str);
        Some(format!("{}|{}", of("issuer")?, of("subject")?))
    };
    if !is_its_own || opened.as_ref().and_then(asked_by).as_deref() != Some(who) {
        return Ok((None, None));
    }
    // The last of them is what runs once it is approved.
    let payloads = held.as_ref().and_then(|event| event.get("payloads")).and_then(Value::as_array);
    let payload = payloads.and_then(|payloads| payloads.last()?.get("at")).and_then(Value::as_array);
    let place: Option<Vec<u64>> = payload.map(|at| at.iter().filter_map(Value::as_u64).collect());
    let place = place.and_then(|at| <[u64; 3]>::try_from(at).ok());
    let shared = viewer.shared();
    let mut frames = Frames::new(shared.recordings.clone(), Arc::clone(&shared.evidence.wrapping));
    let request = place.and_then(|at| frames.payload(session, at)).and_then(|bytes| String::from_utf8(bytes).ok());
    Ok((opened, request))
}
