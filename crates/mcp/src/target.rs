//! One MCP server behind the gateway: how to reach it, and what it defines.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use vidimus_core::Protocol;
use vidimus_gate::{Masking, TargetSpec};

use crate::server::Server;
use crate::tools::KnownTools;

/// Resources and templates of one target that are remembered.
const MAX_LISTED: usize = 20_000;

/// A target as the adapter sees it.
pub struct Target {
    pub(crate) spec: Arc<TargetSpec>,
    pub(crate) upstream: Server,
    pub(crate) limits: Limits,
    pub(crate) tools: KnownTools,
    /// Whether the gateway reads it in the modern era first: as it was last read. Of a server not read yet clients of
    /// both eras try the modern one first (MCP 2026-07-28, "Versioning"); programs are spoken to in the legacy one.
    pub(crate) is_modern: AtomicBool,
    /// Whether it answers clients of the legacy era, though it was read in the other one; once one has asked.
    pub(crate) speaks_legacy: OnceLock<bool>,
    /// The same of the modern era.
    pub(crate) speaks_modern: OnceLock<bool>,
    /// What it listed, by which requests at the endpoint for all targets find it.
    pub(crate) listed: Listed,
}

/// The resources that a target has listed to anybody, and the templates of such.
#[derive(Debug, Default)]
pub(crate) struct Listed(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    resources: HashSet<Box<str>>,
    templates: BTreeSet<Box<str>>,
}

impl Listed {
    /// Keeps the URI of a resource, or a template of URIs; all others go when there are too many.
    pub(crate) fn enter(&self, text: &str, is_template: bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.resources.len() + known.templates.len() >= MAX_LISTED {
            *known = Known::default();
        }
        if is_template {
            known.templates.insert(text.into());
        } else {
            known.resources.insert(text.into());
        }
    }

    /// Whether it listed just this.
    pub(crate) fn has(&self, text: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.resources.contains(text) || known.templates.contains(text)
    }

    /// How many bytes of a URI are those that stand before the first variable of a template; none if of none.
    pub(crate) fn fit(&self, uri: &str) -> Option<usize> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fixed = |template: &str| template.split('{').next().filter(|fixed| uri.starts_with(fixed)).map(str::len);
        known.templates.iter().filter_map(|template| fixed(template)).max()
    }
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
        let (tools, listed) = (KnownTools::default(), Listed::default());
        let (speaks_legacy, speaks_modern) = (OnceLock::new(), OnceLock::new());
        Self { spec, upstream, limits, tools, is_modern, speaks_legacy, speaks_modern, listed }
    }

    /// Whether it was last read in the modern era.
    pub(crate) fn is_modern(&self) -> bool {
        self.is_modern.load(Ordering::Relaxed)
    }

    /// Whether it is the endpoint for all targets.
    pub(crate) fn is_endpoint(&self) -> bool {
        self.spec.name.is_federation()
    }

    /// The gateway's own endpoint for all targets.
    pub fn endpoint(masking: Masking, limits: Limits) -> Self {
        Self::new(Arc::new(TargetSpec::endpoint(Protocol::Mcp, masking)), Server::Nowhere, limits)
    }
}
