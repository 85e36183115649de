//! State that a principal's client carries for a target: who may bring it back, and for how long.
//!
//! `seal` has the cryptography; here is what the state is bound to (MCP 2026-07-28, "Multi Round-Trip Requests").

use std::time::Duration;

use crate::keys::KeyError;
use crate::session::Session;

impl Session {
    /// Seals state that this principal's client carries for the target, for one kind of `request` and a time.
    pub fn seal(&self, request: &[u8], state: &[u8], lifetime: Duration) -> Result<String, KeyError> {
        let shared = self.context().shared();
        shared.sealer.seal(&self.bound(request), shared.evidence.clock.now() + lifetime, state)
    }

    /// Opens what [`Self::seal`] made for the same principal, target and request; `None` for anything else.
    pub fn unseal(&self, request: &[u8], text: &str) -> Option<Vec<u8>> {
        let shared = self.context().shared();
        shared.sealer.open(&self.bound(request), shared.evidence.clock.now(), text)
    }

    /// What sealed state is bound to, each part with its length.
    fn bound(&self, request: &[u8]) -> Vec<u8> {
        let principal = self.principal();
        let kind = principal.kind.name();
        let mut bound = Vec::new();
        for part in [kind.as_bytes(), principal.id().as_bytes(), self.target().as_str().as_bytes(), request] {
            bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bound.extend_from_slice(part);
        }
        bound
    }
}
