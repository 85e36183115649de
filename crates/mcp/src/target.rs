//! One MCP server behind the gateway: how to reach it, and what it defines.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vidimus_core::{CredentialKind, Protocol};
use vidimus_gate::{Masking, TargetSpec};

use crate::server::Server;
use crate::tools::KnownTools;

/// How long it is believed that a target speaks an era, or does not.
const ERAS_KEPT: Duration = Duration::from_mins(5);

/// Whether a target's definitions are pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pinning {
    /// They are not: whatever the target shows holds at once.
    Off,
    /// The first definition of a tool is trusted, later ones wait to be accepted.
    #[default]
    Record,
    /// Each definition waits to be accepted, the first one too.
    Strict,
}

impl Pinning {
    /// The word in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Record => "record",
            Self::Strict => "strict",
        }
    }
}

/// A target as the adapter sees it.
pub struct Target {
    pub(crate) spec: Arc<TargetSpec>,
    pub(crate) upstream: Server,
    pub(crate) limits: Limits,
    pub(crate) tools: KnownTools,
    /// Whether its definitions are pinned.
    pub(crate) pins: Pinning,
    /// Whether the gateway reads it in the modern era first: as it was last read. Of a server not read yet clients of
    /// both eras try the modern one first (MCP 2026-07-28, "Versioning"); programs are spoken to in the legacy one.
    pub(crate) is_modern: AtomicBool,
    /// Which eras it speaks, beside the one it is read in.
    pub(crate) eras: Eras,
}

/// Which eras a target answers clients in, as some handshake showed lately. What one client's handshake showed is not
/// true for ever: it is forgotten after a while, and when the target was away.
#[derive(Debug, Default)]
pub(crate) struct Eras(Mutex<[Option<(bool, Instant)>; 2]>);

impl Eras {
    /// Whether it speaks the modern era, or the legacy one; none when that is not known.
    pub(crate) fn speaks(&self, is_modern: bool) -> Option<bool> {
        let [legacy, modern] = *self.known();
        let (speaks, seen) = if is_modern { modern } else { legacy }?;
        (seen.elapsed() < ERAS_KEPT).then_some(speaks)
    }

    /// A handshake has shown whether it speaks an era.
    pub(crate) fn learn(&self, is_modern: bool, speaks: bool) {
        let [legacy, modern] = &mut *self.known();
        *(if is_modern { modern } else { legacy }) = Some((speaks, Instant::now()));
    }

    /// It was away, and may be another server now.
    pub(crate) fn forget(&self) {
        *self.known() = [None; 2];
    }

    fn known(&self) -> MutexGuard<'_, [Option<(bool, Instant)>; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (tools, pins, eras) = (KnownTools::default(), Pinning::Off, Eras::default());
        Self { spec, upstream, limits, tools, pins, is_modern, eras }
    }

    /// The same with its definitions pinned so.
    #[must_use]
    pub fn pinned(self, pins: Pinning) -> Self {
        Self { pins, ..self }
    }

    /// Whether it was last read in the modern era.
    pub(crate) fn is_modern(&self) -> bool {
        self.is_modern.load(Ordering::Relaxed)
    }

    /// A caller waited in vain for it. It counts as down where all callers are answered by one server and in one way; a
    /// program, a stream or a token of the caller's own says nothing of others, so it is only looked at again.
    pub(crate) fn missed(&self) {
        let is_alike =
            matches!(self.upstream, Server::Http(_)) && self.spec.credential != Some(CredentialKind::TokenExchange);
        if is_alike {
            self.tools.miss();
        } else {
            self.tools.read_anew();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_eras_is_known_of_each_alone_until_it_is_forgotten() {
        let eras = Eras::default();
        eras.learn(true, false);
        assert_eq!((eras.speaks(true), eras.speaks(false)), (Some(false), None));
        eras.learn(false, true);
        assert_eq!((eras.speaks(true), eras.speaks(false)), (Some(false), Some(true)));
        eras.forget();
        assert_eq!((eras.speaks(true), eras.speaks(false)), (None, None));
        let long_ago = Instant::now().checked_sub(ERAS_KEPT);
        *eras.known() = [long_ago.map(|seen| (false, seen)), None];
        assert_eq!(eras.speaks(false), None);
    }
}
