//! One MCP server behind the gateway: how to reach it, and what it defines.

use std::sync::Arc;
use std::time::Duration;

use vidimus_gate::{TargetSpec, Upstream};
use vidimus_net::HttpTarget;

use crate::tools::KnownTools;

/// A target as the adapter sees it.
pub struct Target {
    pub(crate) spec: Arc<TargetSpec>,
    pub(crate) upstream: Upstream<HttpTarget>,
    pub(crate) limits: Limits,
    pub(crate) tools: KnownTools,
}

/// Bounds of one target's messages.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a message from a client.
    pub request_bytes: usize,
    /// Bytes of a message from the target.
    pub response_bytes: usize,
    /// The longest silence inside an answer of the target.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { request_bytes: 4 << 20, response_bytes: 16 << 20, silence: Duration::from_mins(5) }
    }
}

impl Target {
    /// A target that is reached by `upstream`.
    pub fn new(spec: Arc<TargetSpec>, upstream: Upstream<HttpTarget>, limits: Limits) -> Self {
        Self { spec, upstream, limits, tools: KnownTools::default() }
    }
}
