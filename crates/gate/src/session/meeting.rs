//! A call that needs approval meets what is known of it: a new request, one that waits, or what people decided.
//!
//! Decided under the policies in force now, each time. It passes by an approval only when every rule that holds it now is
//! one that was asked, with as many people as it takes now. `approval.used` is durable before the call can be sent; after a
//! crash the approval is spent, and whoever calls again is told by which operation.
//! Cancel safety: what is on record stays; a leg that is dropped while it waits leaves the request as it is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use vidimus_core::event::{Approval as Told, ApprovalStep, Body, Decided, Quorum as Wanted};
use vidimus_core::{Action, ApprovalId, Durability, Effect, ErrorKind, Operation, Timestamp};
use vidimus_policy::{ApprovalRule, Decision, Policies};
use vidimus_store::{Approval, ApprovalState, Ask, Quorum, Stamp, Step};

use super::rewriting::Evaluated;
use super::{Denied, Refusal, Session, Verdict};
use crate::context::SessionContext;
use crate::evidence::{EvidenceError, Written};
use crate::flight::Admitted;
use crate::holds::{self, Digest, Places, Table};
use crate::limits;
use crate::released::Released;
use crate::statements::Restate;
use crate::tasks::{Length, Permit};

/// A call that waits for people. The call itself is kept here alone: a leg that is dropped forgets it, and the same call made
/// again finds the same request.
#[must_use = "the caller must be told"]
pub struct Held {
    session: Session,
    operation: Operation,
    approval: ApprovalId,
    pending: Pending,
    changes: watch::Receiver<()>,
    /// How long its caller is kept waiting at most.
    patience: Duration,
    has_given_up: bool,
}

/// What a call waits for, for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// What people approve it by: the request's id.
    pub reference: String,
    /// When the request ends: RFC 3339.
    pub expires: String,
    /// What policy says of it.
    pub message: String,
}

/// What is asked, and what was decided on it.
pub(crate) struct Asked<'a> {
    pub(crate) evaluated: &'a Evaluated,
    pub(crate) policies: &'a Arc<Policies>,
    pub(crate) action: Action,
    /// The request that a leg has waited for: that one over, none is made anew.
    pub(crate) waited_for: Option<ApprovalId>,
}

/// What became of it.
enum Met {
    Held { written: Written, approval: Box<Approval>, changes: watch::Receiver<()> },
    Admitted { written: Written, used: Written, permit: Permit, approval: ApprovalId },
    Refused { written: Written, kind: ErrorKind, reason: &'static str, message: String },
    Crowded,
}

impl Held {
    /// What it waits for.
    pub const fn pending(&self) -> &Pending {
        &self.pending
    }

    /// What the client is told meanwhile, in the words of the protocol. That it waits is on record.
    pub fn release(&self, encode: impl FnOnce(&Pending) -> Bytes) -> Released {
        Released::new(encode(&self.pending))
    }

    pub(super) fn context(&self) -> &Arc<SessionContext> {
        self.session.context()
    }

    pub(super) fn bytes(&self) -> usize {
        self.operation.wire.len()
    }

    /// How long its caller may be kept waiting: what it asks must not run when its token is no longer good.
    pub(super) fn patience(&self) -> Duration {
        self.patience.min(self.session.token_left())
    }

    pub(super) fn places(&self) -> Option<Places> {
        self.context().shared().holds.places(self.approval)
    }

    /// Notes that nothing was decided while its caller waited.
    pub(super) const fn give_up_waiting(&mut self) {
        self.has_given_up = true;
    }

    pub(super) const fn has_given_up(&self) -> bool {
        self.has_given_up
    }

    /// The same as a refusal, for whoever cannot wait.
    pub(crate) fn refused(self: Box<Self>) -> Denied {
        let Pending { reference, message, .. } = self.pending;
        Denied::new(Refusal {
            kind: ErrorKind::Denied,
            reason: "policy",
            message,
            reference: Some(reference),
            limit: None,
        })
    }

    /// Resolves when people have decided, or the time of the request is up. Cancel safe.
    pub async fn decided(&mut self) {
        let clock = &self.session.context().evidence().clock;
        let end = self.pending.expires.parse::<Timestamp>().unwrap_or(Timestamp::from_seconds(0));
        let left = end.since(clock.now());
        tokio::select! {
            changed = self.changes.changed() => drop(changed),
            () = tokio::time::sleep(left) => {}
        }
    }

    /// Decides on the call once more, under the policies in force now. Statements may be sent otherwise by `restate`.
    pub async fn again(self: Box<Self>, restate: Option<&dyn Restate>) -> Verdict {
        let Self { session, operation, approval, .. } = *self;
        session.resubmitted(operation, approval, restate).await
    }
}

impl Session {
    /// What becomes of a call that people may let pass.
    pub(crate) async fn meet(&self, asked: Asked<'_>, counted: limits::Held) -> Verdict {
        let met = self.met(&asked, counted);
        let patience = shortest(&asked, |rule| rule.wait);
        let Asked { evaluated, action, .. } = asked;
        match met {
            Err(error) => Verdict::Denied(self.unrecorded(&error)),
            Ok(Met::Crowded) => Verdict::Denied(self.too_many(evaluated.asked().clone()).await),
            Ok(Met::Refused { written, kind, reason, message }) => {
                Verdict::Denied(self.denied(Ok(written), kind, reason, message).await)
            }
            Ok(Met::Held { written, approval, changes }) => {
                let settled = self.context().evidence().settle(Durability::Strict, written.position).await;
                if let Err(error) = settled {
                    return Verdict::Denied(self.unrecorded(&error));
                }
                let (reference, expires) = (approval.id.to_string(), approval.ask.expires);
                let pending = Pending { reference, expires, message: evaluated.decision.message.clone() };
                Verdict::Held(Box::new(Held {
                    session: self.clone(),
                    // As it came: it is rewritten anew when it is decided on again.
                    operation: evaluated.asked().clone(),
                    approval: approval.id,
                    pending,
                    changes,
                    patience,
                    has_given_up: false,
                }))
            }
            Ok(Met::Admitted { written, used, permit, approval }) => {
                let admitted = Admitted::new(
                    (Arc::clone(self.context()), self.subject().cloned()),
                    (self.context().tasks().token(), permit),
                    (written, Length::Call, Some(approval)),
                    Operation { action, ..evaluated.operation().clone() },
                );
                // Whatever the target's durability is: a power cut must not give an approval back.
                match self.context().evidence().settle(Durability::Strict, used.position).await {
                    Ok(()) => Verdict::Admitted(admitted.rewritten(evaluated.is_rewritten(), evaluated.changes)),
                    Err(error) => Verdict::Denied(self.unrecorded(&error)),
                }
            }
        }
    }

    /// Ends the request for a call that needs no approval any more, or could not pass with one.
    pub(crate) fn not_needed(&self, operation: &Operation, decision: &Decision, policy: &str) {
        let shared = self.context().shared();
        if !matches!(operation.action, Action::ToolCall(_) | Action::Sql(_))
            || !shared.holds.has_any(&self.principal().id())
        {
            return;
        }
        let digest = self.digest(operation);
        let mut table = shared.holds.table();
        let Some(hold) = table.by_digest(&digest) else { return };
        let id = hold.approval.id;
        if !matches!(hold.approval.state, ApprovalState::Open | ApprovalState::Approved) {
            return;
        }
        let reason = if decision.effect == Effect::Allow { "not_needed" } else { "forbidden" };
        if let Err(error) = table.cancel(id, (&shared.evidence, &shared.control), (reason, Some(policy))) {
            tracing::error!(%error, approval = %id, "the end of a request for approval cannot be recorded");
        }
    }

    fn digest(&self, operation: &Operation) -> Digest {
        let root = operation.arguments.as_ref().map(|arguments| (arguments.document.root(), arguments.path));
        let arguments = root.as_ref().and_then(|(root, path)| root.at(path));
        let beside = root.as_ref().and_then(|(root, path)| root.at(path.split_last()?.1));
        let digests = &self.context().shared().holds.digests;
        digests.of(self.principal(), self.target(), &operation.action, arguments, beside)
    }

    /// Takes the step that follows, under the lock of the table.
    fn met(&self, asked: &Asked<'_>, counted: limits::Held) -> Result<Met, EvidenceError> {
        let shared = self.context().shared();
        let (evidence, control) = (&*shared.evidence, &shared.control);
        let quorums = quorums(asked);
        let digest = self.digest(asked.evaluated.operation());
        let now = evidence.clock.now();
        let mut table = shared.holds.table();
        if let Some(hold) = table.by_digest(&digest)
            && hold.is_over(now)
        {
            let id = hold.approval.id;
            table.expire(id, evidence, control)?;
        }
        let known = table.by_digest(&digest).map(|hold| (hold.approval.clone(), hold.changes()));
        let known = known.filter(|(approval, _)| match (&approval.state, asked.waited_for) {
            // It runs: the same call once more is another.
            (ApprovalState::Used { outcome: None, .. }, _) => false,
            (_, Some(waited)) => waited == approval.id,
            (_, None) => true,
        });
        let Some((approval, changes)) = known else {
            return match asked.waited_for {
                Some(id) => self.over(asked, id),
                None => self.request(&mut table, asked, (digest, quorums, now)),
            };
        };
        match &approval.state {
            ApprovalState::Denied { by: _, reason } => {
                table.remove(approval.id);
                let message = format!("{} Denied: {reason}", asked.evaluated.decision.message);
                self.refuse(asked, approval.id, "approval_denied", message)
            }
            ApprovalState::Used { reference, .. } => {
                table.remove(approval.id);
                let message = format!(
                    "this call was approved, and the approval was used by {reference}, whose outcome is unknown: look \
                     whether it was done before you ask again"
                );
                self.refuse(asked, approval.id, "approval_spent", message)
            }
            ApprovalState::Open | ApprovalState::Approved if !covers(&approval, &quorums) => {
                let reason = ("other_rules", Some(asked.policies.hash()));
                table.cancel(approval.id, (evidence, control), reason)?;
                self.request(&mut table, asked, (digest, quorums, now))
            }
            ApprovalState::Approved => self.use_up(&mut table, asked, (&approval, counted)),
            ApprovalState::Open
            | ApprovalState::Expired
            | ApprovalState::Cancelled { .. }
            | ApprovalState::Granted(_)
            | ApprovalState::Ended { .. } => {
                let written = self.held(asked, approval.id)?;
                Ok(Met::Held { written, approval: Box::new(approval), changes })
            }
        }
    }

    /// Makes a new request.
    fn request(
        &self,
        table: &mut Table,
        asked: &Asked<'_>,
        (digest, quorums, now): (Digest, Vec<Quorum>, Timestamp),
    ) -> Result<Met, EvidenceError> {
        let who = self.principal().id();
        if let Err(full) = table.room(&who) {
            let message = holds::told_why(full).to_owned();
            let written = self.append(asked, (None, Some("too_many_held")), Effect::Deny)?;
            return Ok(Met::Refused { written, kind: ErrorKind::Limit, reason: "too_many_held", message });
        }
        let id = ApprovalId::random();
        let held = self.held(asked, id)?;
        let expires = now + shortest(asked, |rule| rule.expires);
        let barred: Vec<String> =
            self.principal().actor_chain.iter().map(|actor| format!("{}|{}", actor.issuer, actor.subject)).collect();
        let ask = Ask {
            who,
            target: self.target().to_string(),
            action: asked.action.name(self.target().as_str()).into_owned(),
            digest: holds::hex(&digest),
            session: self.id(),
            held: held.seq,
            requested: now.to_string(),
            expires: expires.to_string(),
            policies: asked.evaluated.decision.policies.iter().map(ToString::to_string).collect(),
            policy: asked.policies.hash().to_owned(),
            quorums,
            barred,
            grant: None,
        };
        let wanted = |quorum: &Quorum| Wanted { rule: quorum.rule.as_str().into(), approvers: quorum.approvers };
        let wanted: Vec<Wanted> = ask.quorums.iter().map(wanted).collect();
        let step = ApprovalStep::Requested {
            action: &ask.action,
            digest: &ask.digest,
            expires,
            policies: &asked.evaluated.decision.policies,
            quorums: &wanted,
            barred: &ask.barred,
            held: ask.held,
        };
        let body = Body::Approval(Told { id, expects: 0, policy: Some(asked.policies.hash()), step });
        let written = self.context().strand().append(self.context().evidence(), body)?;
        table.insert(Approval::new(id, ask));
        let Some(hold) = table.by_id(id) else { return Ok(Met::Crowded) };
        Ok(Met::Held { written, approval: Box::new(hold.approval.clone()), changes: hold.changes() })
    }

    /// Uses an approval: the call is admitted, and the approval spent, before anything is sent.
    fn use_up(
        &self,
        table: &mut Table,
        asked: &Asked<'_>,
        (approval, counted): (&Approval, limits::Held),
    ) -> Result<Met, EvidenceError> {
        let context = self.context();
        let Some(permit) = context.tasks().permit(Length::Call, counted) else { return Ok(Met::Crowded) };
        let written = self.append(asked, (Some(approval.id), None), Effect::Allow)?;
        let (who, time) = (self.principal().id(), context.evidence().clock.now().to_string());
        let stamp = Stamp { time: &time, who: Some(&who), session: self.id() };
        let step = Step::Used { intent: written.seq };
        let used = table.step(approval.id, (&step, stamp), |expects| {
            let asked_in = (approval.ask.session, approval.ask.held);
            let told = ApprovalStep::Used { intent: written.seq, asked: asked_in };
            let policy = Some(asked.policies.hash());
            let body = Body::Approval(Told { id: approval.id, expects, policy, step: told });
            context.strand().append(context.evidence(), body)
        });
        match used {
            Ok(Some((_, used))) => Ok(Met::Admitted { written, used, permit, approval: approval.id }),
            // An intent is on record and nothing will be sent: say so.
            Ok(None) => {
                self.give_up(asked, (written, permit));
                Err(EvidenceError::Closed)
            }
            Err(error) => {
                self.give_up(asked, (written, permit));
                Err(error)
            }
        }
    }

    /// Records that an admitted call is not sent. Dropping what would have carried it does so.
    fn give_up(&self, asked: &Asked<'_>, (intent, permit): (Written, Permit)) {
        drop(Admitted::new(
            (Arc::clone(self.context()), None),
            (self.context().tasks().token(), permit),
            (intent, Length::Call, None),
            Operation { action: asked.action.clone(), ..asked.evaluated.operation().clone() },
        ));
    }

    /// Tells a leg that what it has waited for is over.
    fn over(&self, asked: &Asked<'_>, id: ApprovalId) -> Result<Met, EvidenceError> {
        let message = format!(
            "{} The request for approval {id} has ended without one; call again to ask anew",
            asked.evaluated.decision.message
        );
        self.refuse(asked, id, "approval_expired", message)
    }

    fn refuse(
        &self,
        asked: &Asked<'_>,
        id: ApprovalId,
        reason: &'static str,
        message: String,
    ) -> Result<Met, EvidenceError> {
        let written = self.append(asked, (Some(id), Some(reason)), Effect::Deny)?;
        Ok(Met::Refused { written, kind: ErrorKind::Denied, reason, message })
    }

    fn held(&self, asked: &Asked<'_>, id: ApprovalId) -> Result<Written, EvidenceError> {
        self.append(asked, (Some(id), None), Effect::Hold)
    }

    /// Appends what became of the call, with its request.
    fn append(
        &self,
        asked: &Asked<'_>,
        (approval, reason): (Option<ApprovalId>, Option<&str>),
        effect: Effect,
    ) -> Result<Written, EvidenceError> {
        let Evaluated { decision, rewrites, found, .. } = asked.evaluated;
        let decided = self.body(asked.evaluated.operation(), (&asked.action, found), decision, asked.policies.hash());
        let decided = Decided { approval, reason, effect, rewrites, ..decided };
        let body = match effect {
            Effect::Allow => Body::OperationAdmitted(decided),
            Effect::Deny => Body::OperationDenied(decided),
            Effect::Hold => Body::OperationHeld(decided),
        };
        let parts = asked.evaluated.parts();
        let written = self.context().strand().append_with(self.context().evidence(), &parts, body)?;
        self.context().metrics().decided(self.target(), effect);
        Ok(written)
    }
}

/// How many people it takes now, by each rule that holds the call now.
fn quorums(asked: &Asked<'_>) -> Vec<Quorum> {
    let quorum = |rule: &Arc<str>| Quorum {
        rule: rule.to_string(),
        approvers: asked.policies.approval_rule(rule).map_or(u64::MAX, |rule| rule.approvers),
    };
    asked.evaluated.decision.approvals.iter().map(quorum).collect()
}

/// Whether a request asks for all that is needed now.
fn covers(approval: &Approval, quorums: &[Quorum]) -> bool {
    let asks = |wanted: &Quorum| {
        let of_rule = approval.ask.quorums.iter().find(|quorum| quorum.rule == wanted.rule);
        of_rule.is_some_and(|quorum| quorum.approvers >= wanted.approvers)
    };
    quorums.iter().all(asks)
}

/// What the strictest of the rules says of a time.
fn shortest(asked: &Asked<'_>, of: impl Fn(&ApprovalRule) -> Duration) -> Duration {
    let rules = asked.evaluated.decision.approvals.iter().filter_map(|rule| asked.policies.approval_rule(rule));
    rules.map(of).min().unwrap_or_default()
}
