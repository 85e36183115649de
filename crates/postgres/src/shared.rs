//! What all connections have in common, and what one begins with.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

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
    pub changes: Arc<AtomicU64>,
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
