//! Who is asking: the token of a request, verified and on record.
//!
//! [`Caller`] is made only by the gate, so opening a session without a verified identity does not compile. A failure is
//! counted and recorded; the caller learns that it failed, not why, beyond what RFC 6750 §3.1 names.

use std::net::IpAddr;
use std::sync::Arc;

use quick_cache::sync::Cache;
use vidimus_core::{ApprovalId, Principal, Timestamp};
use vidimus_credential::Subject;
use vidimus_identity::{Identity, Verified};

use crate::chains::Chain;
use crate::grants::Live;

/// Tokens remembered as recorded. One that is forgotten is recorded once more.
const TOKENS_REMEMBERED: usize = 65_536;

/// Who asks, verified.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) principal: Arc<Principal>,
    pub(crate) address: IpAddr,
    pub(crate) client: Option<String>,
    pub(crate) scopes: Arc<[String]>,
    /// Until when that is known.
    pub(crate) expires: Timestamp,
    /// Its token, where one may be exchanged for another.
    pub(crate) subject: Option<Arc<Subject>>,
    /// Whether what it asks counts towards its limits.
    pub(crate) is_counted: bool,
    /// The grant whose credential it came with.
    pub(crate) grant: Option<Arc<Live>>,
    /// The credential of a program of the gateway's that it came with.
    pub(crate) chain: Option<Arc<Chain>>,
}

impl Caller {
    /// Who it is.
    pub const fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// Where it is.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The id of the grant whose credential it came with.
    pub fn grant(&self) -> Option<ApprovalId> {
        self.grant.as_ref().map(|live| live.id)
    }

    /// Whether its token has not all of `scopes`.
    pub fn lacks(&self, scopes: &[String]) -> bool {
        scopes.iter().any(|scope| !self.scopes.contains(scope))
    }

    /// The caller of what the gateway asks by itself to answer a request that was counted.
    #[must_use]
    pub fn uncounted(self) -> Self {
        Self { is_counted: false, ..self }
    }

    /// The caller with the client's name and version as it claims them. A program's is that of the session it was started for.
    #[must_use]
    pub fn claiming(self, client: Option<String>) -> Self {
        if self.chain.is_some() { self } else { Self { client, ..self } }
    }
}

/// Verifies tokens and keeps what was recorded of them.
pub(crate) struct Authenticator {
    pub(crate) identity: Arc<Identity>,
    recorded: Cache<[u8; 32], ()>,
}

impl Authenticator {
    pub(crate) fn new(identity: Arc<Identity>) -> Self {
        Self { identity, recorded: Cache::new(TOKENS_REMEMBERED) }
    }

    /// Whether this token's acceptance is on record.
    pub(crate) fn is_recorded(&self, verified: &Verified) -> bool {
        self.recorded.get(&verified.token_digest).is_some()
    }

    /// Remembers that it is.
    pub(crate) fn set_recorded(&self, verified: &Verified) {
        self.recorded.insert(verified.token_digest, ());
    }
}
