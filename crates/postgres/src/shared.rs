//! What all connections have in common, and what one begins with.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vidimus_core::TargetName;
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
    /// What all its sessions have changed of what names stand for there, so far.
    pub changes: Arc<Changes>,
}

/// Changes of what names stand for in a database, by all sessions of its target.
#[derive(Debug, Default)]
pub struct Changes {
    /// How many began or came to an end.
    count: AtomicU64,
    /// How many have begun and not come to an end that the gateway knows of.
    under_way: AtomicU64,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Changing(Arc<Changes>);

impl Changes {
    /// How many there were; none where one is under way, so that there may be one more at any time.
    pub(crate) fn settled(&self) -> Option<u64> {
        let count = self.count.load(Ordering::SeqCst);
        (self.under_way.load(Ordering::SeqCst) == 0).then_some(count)
    }
}

impl Changing {
    pub(crate) fn begin(changes: &Arc<Changes>) -> Self {
        changes.under_way.fetch_add(1, Ordering::SeqCst);
        changes.count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(changes))
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
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
