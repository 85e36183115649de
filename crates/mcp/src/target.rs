//! One MCP server behind the gateway: how to reach it, and what it defines.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use vidimus_gate::TargetSpec;

use crate::server::Server;
use crate::tools::KnownTools;

/// A target as the adapter sees it.
pub struct Target {
    pub(crate) spec: Arc<TargetSpec>,
    pub(crate) upstream: Server,
    pub(crate) limits: Limits,
    pub(crate) tools: KnownTools,
    /// Whether the gateway reads it in the modern era first: as it was last read. Of a server not read yet clients of
    /// both eras try the modern one first (MCP 2026-07-28, "Versioning"); programs are spoken to in the legacy one.
    pub(crate) is_modern: AtomicBool,
}

/// Bounds of one target's messages.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a message from a client.
    pub request_bytes: usize,
    /// Bytes of a message from the target.
    pub response_bytes: usize,
    /// Bytes of a streamed answer of the target, all of its messages together.
    pub stream_bytes: usize,
    /// The longest time inside an answer of the target without a message, or a part of the one message it is.
    pub silence: Duration,
    /// The longest time from sending a message to the end of its answer.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 4 << 20,
            response_bytes: 16 << 20,
            stream_bytes: 1 << 30,
            silence: Duration::from_mins(5),
            total: Duration::from_hours(1),
        }
    }
}

impl Target {
    /// A target that is reached by `upstream`.
    pub fn new(spec: Arc<TargetSpec>, upstream: impl Into<Server>, limits: Limits) -> Self {
        let upstream = upstream.into();
        let is_modern = AtomicBool::new(matches!(upstream, Server::Http(_)));
        Self { spec, upstream, limits, tools: KnownTools::default(), is_modern }
    }
}
