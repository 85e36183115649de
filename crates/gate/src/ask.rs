//! The other direction: what a target asks of the client in the middle of a call, and what the client answers.
//!
//! A question passes to the client when policy allows it and its intent is durable; an answer passes to the target when
//! policy still allows the question and the answer is durable. What is refused is told to the side that sent it, after
//! the refusal is on record (design part 2, `InFlight::ask` and `session.answer`).

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use vidimus_core::event::{Body, Ended, Masking as Found, Status};
use vidimus_core::{Effect, ErrorKind, Operation};
use vidimus_credential::Subject;
use vidimus_mask::ClassSet;

use crate::context::SessionContext;
use crate::flight::InFlight;
use crate::questions::{Pen, Question};
use crate::recording::{Part, PayloadName};
use crate::session::{Denied, Refusal, Rejection, Session};
use crate::upstream::Wire;

/// What became of a question of the target.
pub enum Asked {
    /// It is on its way to the client.
    Relayed,
    /// It may not pass; the target must be told.
    Declined(Declined),
}

/// A refusal on record, of something that the target sent.
#[must_use = "the target must be told"]
pub struct Declined {
    denied: Denied,
    context: Arc<SessionContext>,
    /// Whose token the target is shown with the refusal.
    subject: Option<Arc<Subject>>,
}

impl Declined {
    /// Why.
    pub const fn refusal(&self) -> &Refusal {
        self.denied.refusal()
    }

    /// The refusal in the words of the protocol, for the target; `None` when it could not be recorded.
    pub fn into_wire(self, encode: impl FnOnce() -> Bytes) -> Option<Wire> {
        // The reference says that the record stands, as durable as it must be.
        self.denied.refusal().reference.as_ref()?;
        Some(Wire::settled(encode(), (self.context, self.subject)))
    }
}

impl Session {
    /// Decides on a question that the target asks in the middle of `flight`, and hands it to the client. `id` is what
    /// the answer will name.
    pub async fn ask(&self, flight: &mut InFlight, id: &str, operation: Operation) -> Asked {
        let context = self.context();
        // The target is told of a refusal as the call was sent that it asks in.
        let told_as = flight.subject().cloned();
        let declined = |denied| Asked::Declined(Declined { denied, context: Arc::clone(context), subject: told_as });
        if flight.session() != self.id() || !context.questions().has_room(id) {
            return declined(self.crowded(&operation).await);
        }
        let masked = match flight.masked(&operation.wire, operation.members).await {
            Ok(masked) => masked,
            Err(error) => {
                let denied = self.unmaskable(&error, &operation.action).await;
                return declined(denied);
            }
        };
        let (decision, policy) = self.decided(&operation);
        context.metrics().decided(self.target(), decision.effect);
        let action = context.masked_action(&operation.action).await;
        let body = self.body(&operation, (&action, &masked.found), &decision, &policy);
        let request = [Part { name: PayloadName::Request, recorded: &masked.recorded, passed: &masked.shown }];
        if decision.effect == Effect::Deny {
            let written = context.strand().append_with(context.evidence(), &request, Body::OperationDenied(body));
            let denied = self.denied(written, ErrorKind::Denied, "policy", decision.message).await;
            return declined(denied);
        }
        let admit = || {
            let written = context.strand().append_with(context.evidence(), &request, Body::OperationAdmitted(body))?;
            let question = Question {
                action: operation.action.clone(),
                recorded: action.clone(),
                method: operation.method,
                protocol: operation.protocol,
                asked_in: flight.intent(),
                intent: written.seq,
                since: Instant::now(),
            };
            Ok((question, written))
        };
        let written = match context.questions().enter(id, admit) {
            Some(Ok(written)) => written,
            Some(Err(error)) => {
                return declined(self.unrecorded(&error));
            }
            None => return declined(self.crowded(&operation).await),
        };
        match flight.hand_over(masked.shown.clone(), written).await {
            Ok(()) => Asked::Relayed,
            Err(error) => declined(self.unrecorded(&error)),
        }
    }

    async fn crowded(&self, operation: &Operation) -> Denied {
        self.record_rejection(Rejection {
            kind: ErrorKind::Limit,
            reason: "questions",
            message: "too many requests of the target wait for the client, or two have one id".into(),
            action: operation.action.clone(),
            received: &operation.wire,
        })
        .await
    }

    /// Decides on what a target asks of the client inside a result, and records it. It has no answer of its own: the
    /// client sends that with its next request, which is decided and recorded like any other.
    pub async fn ask_in_result(&self, operation: Operation) -> Result<(), Denied> {
        let context = self.context();
        // The client gets it as part of the result, masked as it is here.
        let masked = match context.masked_for_client(&operation.wire, operation.members, operation.address).await {
            Ok(masked) => masked,
            Err(error) => return Err(self.unmaskable(&error, &operation.action).await),
        };
        let (decision, policy) = self.decided(&operation);
        context.metrics().decided(self.target(), decision.effect);
        let action = context.masked_action(&operation.action).await;
        let body = self.body(&operation, (&action, &masked.found), &decision, &policy);
        let request = [Part { name: PayloadName::Request, recorded: &masked.recorded, passed: &masked.shown }];
        if decision.effect == Effect::Deny {
            let written = context.strand().append_with(context.evidence(), &request, Body::OperationDenied(body));
            return Err(self.denied(written, ErrorKind::Denied, "policy", decision.message).await);
        }
        let admitted = context.strand().append_with(context.evidence(), &request, Body::OperationAdmitted(body));
        let ended = admitted.and_then(|admitted| {
            let ended = Ended {
                action: &action,
                method: operation.method,
                protocol: operation.protocol,
                intent: admitted.seq,
                approval: None,
                status: Status::Ok,
                microseconds: None,
                bytes: 0,
                hidden: 0,
                durability: context.durability(),
                masking: Found::NONE,
                payloads: &[],
            };
            context.strand().append(context.evidence(), Body::OperationOutcome(ended))
        });
        // The result that holds the question is released after its own outcome, which is written later.
        ended.map(drop).map_err(|error| self.unrecorded(&error))
    }

    /// Records the client's answer to a question, and gives the wire for the target. An answer to nothing that was
    /// asked, or to what policy no longer allows, is refused.
    pub async fn answer(&self, id: &str, status: Status, operation: Operation) -> Result<Wire, Denied> {
        let context = self.context();
        let Some(question) = context.questions().find(id) else { return Err(self.unasked(&operation).await) };
        let operation = Operation { action: question.action, method: question.method, ..operation };
        // For the record alone: the target gets the client's own words.
        let masked = match context.masked(&operation.wire, operation.members, ClassSet::EMPTY).await {
            Ok(masked) => masked,
            Err(error) => return Err(self.unmaskable(&error, &question.recorded).await),
        };
        let (decision, policy) = self.decided(&operation);
        if decision.effect == Effect::Deny {
            context.metrics().decided(self.target(), Effect::Deny);
            let request = [Part { name: PayloadName::Request, recorded: &masked.recorded, passed: &operation.wire }];
            let body = self.body(&operation, (&question.recorded, &masked.found), &decision, &policy);
            let written = context.strand().append_with(context.evidence(), &request, Body::OperationDenied(body));
            return Err(self.denied(written, ErrorKind::Denied, "policy", decision.message).await);
        }
        let pen = Pen { strand: context.strand(), evidence: context.evidence(), durability: context.durability() };
        match context.questions().end(id, Some(question.intent), status, Some((&masked, &operation.wire)), pen) {
            Some(Ok(written)) => {
                let microseconds = u64::try_from(question.since.elapsed().as_micros()).unwrap_or(u64::MAX);
                context.metrics().ended(self.target(), status, microseconds);
                Ok(Wire::new(operation.wire, (Arc::clone(context), self.subject().cloned()), written.position))
            }
            Some(Err(error)) => Err(self.unrecorded(&error)),
            None => Err(self.unasked(&operation).await),
        }
    }

    /// The target takes a question back.
    pub fn withdraw(&self, id: &str) {
        let context = self.context();
        let pen = Pen { strand: context.strand(), evidence: context.evidence(), durability: context.durability() };
        if let Some(Err(error)) = context.questions().end(id, None, Status::Cancelled, None, pen) {
            tracing::error!(%error, session = %self.id(), "a question that was taken back cannot be recorded");
        }
    }

    /// Records what a target sent and the adapter refuses.
    pub async fn decline(&self, rejection: Rejection<'_>) -> Declined {
        let context = Arc::clone(self.context());
        let subject = context.subject();
        Declined { denied: self.record_rejection(rejection).await, context, subject }
    }

    async fn unasked(&self, operation: &Operation) -> Denied {
        self.reject(Rejection {
            kind: ErrorKind::Malformed,
            reason: "unasked",
            message: "this answers nothing that was asked, or not any more".into(),
            action: operation.action.clone(),
            received: &operation.wire,
        })
        .await
    }
}
