//! Who is asking: the token of a request, verified and on record.
//!
//! [`Caller`] is made only here, so opening a session without a verified identity does not compile. A failure is
//! counted and recorded; the caller learns that it failed, not why, beyond what RFC 6750 §3.1 names.

use std::net::IpAddr;
use std::sync::Arc;

use quick_cache::sync::Cache;
use vidimus_core::{ErrorKind, Principal, Timestamp};
use vidimus_identity::{Identity, Verified};

use crate::gate::Gate;
use crate::released::Notice;

/// Tokens remembered as recorded. One that is forgotten is recorded once more.
const TOKENS_REMEMBERED: usize = 65_536;

/// Who asks, verified.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) principal: Arc<Principal>,
    pub(crate) address: IpAddr,
    pub(crate) client: Option<String>,
}

impl Caller {
    /// Who it is.
    pub const fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The caller with the client's name and version as it claims them.
    #[must_use]
    pub fn claiming(self, client: Option<String>) -> Self {
        Self { client, ..self }
    }
}

/// Verifies tokens and keeps what was recorded of them.
pub(crate) struct Authenticator {
    identity: Arc<Identity>,
    recorded: Cache<[u8; 32], Timestamp>,
}

impl Authenticator {
    pub(crate) fn new(identity: Arc<Identity>) -> Self {
        Self { identity, recorded: Cache::new(TOKENS_REMEMBERED) }
    }

    /// Whether this token's acceptance is on record; from now on it is.
    fn is_new(&self, verified: &Verified) -> bool {
        if self.recorded.get(&verified.token_digest).is_some() {
            return false;
        }
        self.recorded.insert(verified.token_digest, verified.expires);
        true
    }
}

impl Gate {
    /// The caller whose bearer token this is, or the notice to answer with.
    pub async fn authenticate(&self, token: Option<&str>, address: IpAddr) -> Result<Caller, Notice> {
        let Some(token) = token else {
            return Err(self.refused(address, "missing", Notice::Unauthenticated));
        };
        let authenticator = self.authenticator();
        match authenticator.identity.verify(token).await {
            Ok(verified) => {
                if authenticator.is_new(&verified) {
                    let who = verified.principal.id();
                    if let Err(error) = self.authenticated(&who, address, verified.expires) {
                        tracing::error!(%error, "a log-on cannot be recorded, so it is refused");
                        return Err(Notice::EvidenceUnavailable);
                    }
                }
                Ok(Caller { principal: Arc::clone(&verified.principal), address, client: None })
            }
            Err(error) => {
                tracing::debug!(%error, %address, "a token was refused");
                let notice = match error.kind() {
                    ErrorKind::Upstream | ErrorKind::Timeout => Notice::IdentityUnavailable,
                    _ => Notice::Unauthenticated,
                };
                Err(self.refused(address, error.reason(), notice))
            }
        }
    }

    /// Records that a request was refused before anybody was asked who it is, and gives `notice` back.
    pub fn refused(&self, address: IpAddr, reason: &'static str, notice: Notice) -> Notice {
        match self.unauthenticated(address, reason) {
            Ok(()) => notice,
            Err(error) => {
                tracing::error!(%error, "a refused request cannot be recorded");
                Notice::EvidenceUnavailable
            }
        }
    }
}
