//! Limits where calls and sessions begin: before policy is asked and before anything is written, so that a flood takes no
//! room for evidence.
//!
//! A refusal by a limit is counted, and leaves a record in the gateway's own session (`limit.exceeded`) once a minute for a
//! principal, target and limit. What the gateway itself asks for a caller, to answer a request that was counted, counts no
//! second time.

use vidimus_core::event::Body;
use vidimus_core::{Durability, ErrorKind, Operation, Principal};

use crate::authenticate::Caller;
use crate::capacity::Level;
use crate::context::TargetSpec;
use crate::evidence::EvidenceError;
use crate::gate::Gate;
use crate::limits::{Exceeded, Held, Limited};
use crate::refusals::{Count, Refused};
use crate::session::{self, Denied, Refusal, Session};
use crate::shared::Shared;
use crate::tasks::Length;

impl Session {
    /// Why the session is to be closed, when it is: `grant` when the grant that it is there by is over, `parent` when the
    /// session is whose program it is of, `expired` when it has lasted as long as it may, `budget` when it has used what it may
    /// and nothing runs in it any more. Nothing begins in it then.
    pub fn end_due(&self) -> Option<&'static str> {
        let (allowance, shared) = (self.context().allowance(), self.context().shared());
        if self.context().is_grant_over() {
            return Some("grant");
        }
        if self.context().chain().is_some_and(|chain| chain.is_over()) {
            return Some("parent");
        }
        if allowance.is_expired(|| shared.up()) {
            return Some("expired");
        }
        allowance.is_spent().then_some("budget")
    }

    /// Counts an operation towards its limits, before anything is written of it.
    pub(crate) async fn counted(&self, operation: &Operation, length: Length) -> Result<Held, Denied> {
        let (allowance, shared) = (self.context().allowance(), self.context().shared());
        let is_over = self.context().is_grant_over() || self.context().chain().is_some_and(|chain| chain.is_over());
        if is_over || allowance.is_expired(|| shared.up()) {
            return Err(self.unrecorded(&EvidenceError::Closed));
        }
        if !self.is_counted() {
            return Ok(Held::default());
        }
        let sent = (&operation.action, operation.wire.len());
        match allowance.take(sent, length != Length::Call, || shared.up()) {
            Ok(held) => Ok(held),
            Err(exceeded) => Err(Box::pin(self.limited(exceeded)).await),
        }
    }

    /// Counts what is refused for another reason, which is recorded too.
    pub(crate) async fn counted_rejection(&self) -> Result<(), Denied> {
        let shared = self.context().shared();
        match self.context().allowance().take_refused(|| shared.up()) {
            Ok(()) => Ok(()),
            Err(exceeded) => Err(Box::pin(self.limited(exceeded)).await),
        }
    }

    async fn limited(&self, exceeded: Exceeded) -> Denied {
        let who = self.principal().id();
        self.context().shared().limited(&who, Some(self.context().spec()), exceeded).await
    }
}

impl Shared {
    /// Refuses by a limit. The refusal is counted, and recorded when no record stands for it.
    pub(crate) async fn limited(&self, who: &str, target: Option<&TargetSpec>, exceeded: Exceeded) -> Denied {
        let Exceeded { limit, reason, message, retry_after } = exceeded;
        let name = target.map(|target| target.name.as_str());
        self.metrics.limited(name, &limit);
        let refused = Refused { who: Some(who.into()), target: name.map(Into::into), limit, reason };
        let reference = match self.refusals.count(&refused, self.up()) {
            Count::Stands(reference) => reference.map(|reference| reference.to_string()),
            Count::Record(count) => {
                let durability = target.map_or(Durability::Strict, |target| target.durability);
                match self.record_limited(&refused, count, durability).await {
                    Ok(reference) => Some(reference),
                    Err(error) => {
                        // Nothing passes, so nothing is lost but the time of the refusal.
                        self.refusals.put_back(&refused, count);
                        return session::unrecorded(&error, self.control.session());
                    }
                }
            }
        };
        let limit = Some(Limited::new(refused.limit, retry_after));
        Denied::new(Refusal { kind: ErrorKind::Limit, reason, message, reference, limit })
    }

    async fn record_limited(
        &self,
        refused: &Refused,
        count: u64,
        durability: Durability,
    ) -> Result<String, EvidenceError> {
        let body = Body::LimitExceeded { count, limit: &refused.limit, reason: refused.reason };
        let (who, target) = (refused.who.as_deref(), refused.target.as_deref());
        let written = self.control.append_for(&self.evidence, who, target, body)?;
        let reference = format!("{}/{}", self.control.session(), written.seq);
        self.refusals.stands(refused, &reference);
        self.evidence.settle(durability, written.position).await?;
        Ok(reference)
    }
}

impl Gate {
    /// Counts a request of people for evidence's own interfaces, each of which leaves an event: those of whoever has a token must
    /// not fill the disk. None begins when there is too little room.
    pub async fn counted_request(&self, caller: &Caller) -> Result<(), Denied> {
        if !self.shared().capacity.admits() {
            return Err(session::no_room());
        }
        self.counted_outside(caller.principal(), None).await
    }

    /// Counts what a caller sends outside any session and is refused for another reason, which is recorded too.
    pub(crate) async fn counted_outside(
        &self,
        principal: &Principal,
        target: Option<&TargetSpec>,
    ) -> Result<(), Denied> {
        let shared = self.shared();
        let applied = shared.limiter.of(principal, target.map(|target| &target.name), shared.up());
        match applied.take(None, false, || shared.up()) {
            Ok(_) => Ok(()),
            Err(exceeded) => Err(Box::pin(shared.limited(&principal.id(), target, exceeded)).await),
        }
    }

    /// Records the refusals by limits that were counted and are due, at the end all of them.
    pub(crate) fn record_limited(&self, is_end: bool) -> Result<(), EvidenceError> {
        let shared = self.shared();
        if shared.capacity.level() == Level::Stop && !is_end {
            // Counted, and recorded when there is room again.
            return Ok(());
        }
        let mut failed = Ok(());
        for (refused, count) in shared.refusals.due(shared.up(), is_end) {
            let body = Body::LimitExceeded { count, limit: &refused.limit, reason: refused.reason };
            let (who, target) = (refused.who.as_deref(), refused.target.as_deref());
            if let Err(error) = shared.control.append_for(&shared.evidence, who, target, body) {
                shared.refusals.put_back(&refused, count);
                failed = Err(error);
            }
        }
        failed
    }
}
