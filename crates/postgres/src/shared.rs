//! What all connections have in common, and what one begins with.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use vidimus_core::{SessionId, TargetName};
use vidimus_gate::{ClientLine, Gate, LineTarget, Session, TargetReader, TargetSpec, TargetWriter};
use vidimus_net::ServerTls;

use crate::cancel::Cancels;
use crate::upstream::Ready;

/// A server that clients reach by the gateway.
#[derive(Debug, Clone)]
pub struct Target {
    /// What the gate must know of it.
    pub spec: Arc<TargetSpec>,
    /// The way there.
    pub way: LineTarget,
    /// The database there.
    pub database: String,
    /// Scopes that a token must have.
    pub scopes: Vec<String>,
    /// The resources that a token may be for and still be good here (RFC 8707 §2).
    pub resources: Vec<String>,
    /// What names stand for there, as its sessions change it and rely on it.
    pub changes: Arc<Changes>,
}

/// What names stand for in a database: who is about to change that, and who relies on it, of all sessions of its target.
///
/// A statement is followed by what names stand for, and the server finds that out for itself later. Between the two nothing
/// may change it, so changes and what relies on them exclude each other, except within a session. Whoever waits does so
/// for a while only: the server may have one wait for the other where nobody sees it.
#[derive(Debug, Default)]
pub struct Changes {
    state: Mutex<Under>,
    ended: Notify,
}

/// What is under way, by session.
#[derive(Debug, Default)]
struct Under {
    /// How many changes began or came to an end.
    count: u64,
    changing: HashMap<SessionId, usize>,
    relying: HashMap<SessionId, usize>,
    /// Changes that have begun to wait: what comes after them does not go before them.
    waiting: usize,
}

/// How long a change that waits has others wait that come later: not for as long as it waits itself, or one after the other
/// would keep everybody from everything.
const FIRST: Duration = Duration::from_secs(2);

/// A change, until it is dropped.
#[derive(Debug)]
pub(crate) struct Changing {
    changes: Arc<Changes>,
    session: SessionId,
}

/// A statement that was followed, until it is dropped.
#[derive(Debug)]
pub(crate) struct Relying {
    changes: Arc<Changes>,
    session: SessionId,
}

impl Changes {
    /// How many there were, for a session; none where another's is under way, so that there may be one more at any time.
    pub(crate) fn settled(&self, session: SessionId) -> Option<u64> {
        let under = self.lock();
        (!under.is_changed_by_others(session)).then_some(under.count)
    }

    /// Whether another session's is under way.
    pub(crate) fn is_changed_by_others(&self, session: SessionId) -> bool {
        self.lock().is_changed_by_others(session)
    }

    /// Begins a change, after what relies on what was before has ended; none where that takes too long.
    pub(crate) async fn change(self: &Arc<Self>, session: SessionId, patience: Duration) -> Option<Changing> {
        let begin = |under: &mut Under| {
            let is_free = !under.is_changed_by_others(session) && under.relying.keys().all(|other| *other == session);
            if is_free {
                under.count += 1;
                *under.changing.entry(session).or_default() += 1;
            }
            is_free
        };
        let first = Waiting::new(self);
        let mut begun = self.wait(patience.min(FIRST), begin).await;
        drop(first);
        let rest = patience.saturating_sub(FIRST);
        if !begun && !rest.is_zero() {
            begun = self.wait(rest, begin).await;
        }
        begun.then(|| Changing { changes: Arc::clone(self), session })
    }

    /// Relies on what names stand for, after changes have ended; none where that takes too long.
    pub(crate) async fn rely(self: &Arc<Self>, session: SessionId, patience: Duration) -> Option<Relying> {
        let begun = self.wait(patience, |under| {
            let is_free = !under.is_changed_by_others(session)
                && (under.waiting == 0
                    || under.relying.contains_key(&session)
                    || under.changing.contains_key(&session));
            if is_free {
                *under.relying.entry(session).or_default() += 1;
            }
            is_free
        });
        begun.await.then(|| Relying { changes: Arc::clone(self), session })
    }

    /// Waits until this succeeds. Cancel safety: what has not succeeded has done nothing.
    async fn wait(&self, patience: Duration, mut begin: impl FnMut(&mut Under) -> bool) -> bool {
        let begun = async {
            loop {
                let ended = self.ended.notified();
                tokio::pin!(ended);
                // Told of what ends from here on, also between the look and the wait.
                ended.as_mut().enable();
                if begin(&mut self.lock()) {
                    return;
                }
                ended.await;
            }
        };
        timeout(patience, begun).await.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Under> {
        // A panic between two plain assignments leaves counts that are consistent either way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Under {
    fn is_changed_by_others(&self, session: SessionId) -> bool {
        self.changing.keys().any(|other| *other != session)
    }
}

/// One less of a session's.
fn leave(counts: &mut HashMap<SessionId, usize>, session: SessionId) {
    if let Entry::Occupied(mut count) = counts.entry(session) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        let mut under = self.changes.lock();
        under.count += 1;
        leave(&mut under.changing, self.session);
        drop(under);
        self.changes.ended.notify_waiters();
    }
}

impl Drop for Relying {
    fn drop(&mut self) {
        leave(&mut self.changes.lock().relying, self.session);
        self.changes.ended.notify_waiters();
    }
}

/// A change that waits.
struct Waiting<'a>(&'a Changes);

impl<'a> Waiting<'a> {
    fn new(changes: &'a Changes) -> Self {
        changes.lock().waiting += 1;
        Self(changes)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
        self.0.ended.notify_waiters();
    }
}

/// What all connections have in common.
pub(crate) struct Inner {
    pub(crate) gate: Gate,
    pub(crate) targets: HashMap<TargetName, Target>,
    /// None where clients speak in plain text, on loopback.
    pub(crate) tls: Option<ServerTls>,
    pub(crate) cancels: Cancels,
    /// Whether programs connect that the gateway has started, and nobody else.
    pub(crate) is_for_programs: bool,
}

/// A client in its session, and its server, which is ready.
pub(crate) struct Guest {
    pub(crate) client: ClientLine,
    pub(crate) session: Session,
    pub(crate) target: Target,
    pub(crate) reader: TargetReader,
    pub(crate) writer: TargetWriter,
    /// What the server said until it was ready.
    pub(crate) ready: Ready,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(20);

    fn session(number: u8) -> SessionId {
        SessionId::from_bytes([number; 16])
    }

    #[tokio::test]
    async fn changes_and_what_relies_on_them_exclude_each_other() {
        let (changes, one, other) = (Arc::new(Changes::default()), session(1), session(2));
        let relying = changes.rely(one, SOON).await.unwrap();
        assert!(changes.change(other, SOON).await.is_none());
        // A session does not wait for itself.
        let changing = changes.change(one, SOON).await.unwrap();
        assert_eq!(changes.settled(one), Some(1));
        assert_eq!(changes.settled(other), None);
        drop(relying);
        assert!(changes.rely(other, SOON).await.is_none());
        let (own, theirs) = (changes.rely(one, SOON).await, changes.change(other, SOON).await);
        assert!(own.is_some() && theirs.is_none());
        drop((own, changing));
        assert_eq!(changes.settled(other), Some(2));
        assert!(changes.rely(other, SOON).await.is_some());
    }

    #[tokio::test]
    async fn a_change_that_waits_comes_before_what_comes_later() {
        let (changes, one, other, third) = (Arc::new(Changes::default()), session(1), session(2), session(3));
        let relying = changes.rely(one, SOON).await.unwrap();
        let waiting = tokio::spawn({
            let changes = Arc::clone(&changes);
            async move { changes.change(other, LONG).await.map(|changing| (changing, changes.settled(session(2)))) }
        });
        while changes.lock().waiting == 0 {
            tokio::task::yield_now().await;
        }
        assert!(changes.rely(third, SOON).await.is_none());
        // What it waits for can go on.
        assert!(changes.rely(one, SOON).await.is_some());
        drop(relying);
        let (changing, seen) = waiting.await.unwrap().unwrap();
        assert_eq!(seen, Some(1));
        drop(changing);
        assert!(changes.rely(third, SOON).await.is_some());
        let under = changes.lock();
        assert_eq!((under.changing.len(), under.relying.len(), under.waiting), (0, 0, 0));
    }
}
