//! Steps of requests for approval and of grants, told as they are taken.

use std::sync::Arc;

use tokio::sync::broadcast;
use vidimus_store::Approval;

/// Steps that a listener may be behind before it misses some.
const STEPS_BEHIND: usize = 1_024;

/// Tells of steps of requests and of grants. Clones tell the same listeners.
#[derive(Clone)]
pub(crate) struct Steps(broadcast::Sender<Arc<Approval>>);

impl Default for Steps {
    fn default() -> Self {
        Self(broadcast::Sender::new(STEPS_BEHIND))
    }
}

impl Steps {
    /// Hears each step from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<Approval>> {
        self.0.subscribe()
    }

    /// Tells of a request after a step that is in the log.
    pub(crate) fn tell(&self, approval: &Approval) {
        if self.0.receiver_count() > 0 {
            // Somebody listens, or did a moment ago.
            drop(self.0.send(Arc::new(approval.clone())));
        }
    }
}
