//! Steps of requests for approval and of grants as they are taken, for channels that tell people of them.
//!
//! A listener that is too slow misses steps and hears that it did: nobody who waits for people waits for it.

use std::sync::Arc;

use tokio::sync::broadcast;
use vidimus_store::{Approval, ApprovalState};

use crate::gate::Gate;
use crate::shared::Shared;

/// Hears each step of each request and of each grant from now on.
pub struct ApprovalFeed {
    steps: broadcast::Receiver<Arc<Approval>>,
    shared: Arc<Shared>,
}

/// What a feed gives.
#[derive(Debug)]
pub enum Heard {
    /// A request after a step.
    Step(Arc<Approval>),
    /// Steps were missed: [`ApprovalFeed::open`] says what still waits.
    Missed,
}

impl Gate {
    /// Steps of requests for approval from now on.
    pub fn approval_feed(&self) -> ApprovalFeed {
        let shared = Arc::clone(self.shared());
        let steps = shared.steps.listen();
        ApprovalFeed { steps, shared }
    }
}

impl ApprovalFeed {
    /// What people have still to know of: requests that wait for them, and broken glass.
    pub fn open(&self) -> Vec<Approval> {
        let is_open = |approval: &&Approval| approval.state == ApprovalState::Open;
        let mut open: Vec<Approval> = self.shared.holds.table().all().filter(is_open).cloned().collect();
        let is_glass = |approval: &Approval| approval.ask.grant.as_ref().is_some_and(|grant| grant.is_break_glass);
        open.extend(self.shared.grants.all().into_iter().filter(is_glass));
        open
    }

    /// The next step. Cancel safe.
    pub async fn next(&mut self) -> Heard {
        match self.steps.recv().await {
            Ok(step) => Heard::Step(step),
            Err(broadcast::error::RecvError::Lagged(_)) => Heard::Missed,
            // The table is gone, and with it every step.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
