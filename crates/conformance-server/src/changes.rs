//! Lists that change while clients look: one tool and one prompt that come and go (MCP 2026-07-28, subscriptions).
//!
//! Whoever listens is told of each change it asked for. Following begins when `follow` returns: what changed before is
//! not told, and a follower that falls far behind misses changes, not the fact that there was one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::broadcast;

/// Changes kept for a follower that is behind.
const BACKLOG: usize = 16;
/// A client may ask for a change as soon as it has read that it is listening, which is just before its listener
/// follows.
const UNTIL_LISTENERS_FOLLOW: Duration = Duration::from_millis(20);

/// A list that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Tools,
    Prompts,
}

/// What is there beside the catalogue, and who is told about it.
#[derive(Debug)]
pub(crate) struct Changes {
    tool: AtomicBool,
    prompt: AtomicBool,
    told: broadcast::Sender<Change>,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self { tool: AtomicBool::new(false), prompt: AtomicBool::new(false), told: broadcast::Sender::new(BACKLOG) }
    }

    /// Whether the thing that comes and goes is there.
    pub(crate) fn is_there(&self, list: Change) -> bool {
        self.flag(list).load(Ordering::Relaxed)
    }

    /// Adds it or takes it away, and tells every follower.
    pub(crate) async fn make(&self, list: Change) {
        tokio::time::sleep(UNTIL_LISTENERS_FOLLOW).await;
        self.flag(list).fetch_xor(true, Ordering::Relaxed);
        // It fails when nobody follows.
        let _ = self.told.send(list);
    }

    /// Changes from now on.
    pub(crate) fn follow(&self) -> broadcast::Receiver<Change> {
        self.told.subscribe()
    }

    fn flag(&self, list: Change) -> &AtomicBool {
        match list {
            Change::Tools => &self.tool,
            Change::Prompts => &self.prompt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_told_to_whoever_follows_and_the_next_one_undoes_it() {
        let changes = Changes::new();
        let mut follower = changes.follow();
        changes.make(Change::Tools).await;
        assert_eq!(follower.recv().await.unwrap(), Change::Tools);
        assert!(changes.is_there(Change::Tools) && !changes.is_there(Change::Prompts));
        changes.make(Change::Tools).await;
        assert!(!changes.is_there(Change::Tools));
    }
}
