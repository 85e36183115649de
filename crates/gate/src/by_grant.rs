//! Callers who come with the credential of a grant, and their sessions.
//!
//! A credential stands for the principal it was issued to, as it was then, at its target alone. Refused, as any token that is
//! not valid: one that is not known, one whose grant is over, and one that is used anywhere but at its target.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use vidimus_core::TargetName;

use crate::authenticate::Caller;
use crate::context::TargetSpec;
use crate::gate::Gate;
use crate::grants::{Entered, Live, NoEntry, is_credential};
use crate::released::Notice;

impl Gate {
    /// The caller whose bearer token this is, at the endpoint of one target: a token of an issuer, or the credential of a
    /// grant for this very target.
    pub async fn authenticate_at(
        &self,
        token: Option<&str>,
        address: IpAddr,
        (resources, target): (&[&str], Option<&TargetName>),
    ) -> Result<Caller, Notice> {
        match (token.filter(|token| is_credential(token)), target) {
            (Some(credential), Some(target)) => self.by_credential(credential, address, target),
            _ => self.authenticate_for(token, address, resources).await,
        }
    }

    /// A place for a session of a grant at its own target, or what the caller is told.
    pub(crate) fn entered(&self, live: &Arc<Live>, target: &TargetSpec) -> Result<Entered, String> {
        if live.target != target.name || live.is_over(self.shared().times()) {
            return Err("the grant is over, or for another target".to_owned());
        }
        live.enter().map_err(|why| match why {
            NoEntry::Over => "the grant is over".to_owned(),
            NoEntry::Used(1) => "the one session that this grant is for was opened already".to_owned(),
            NoEntry::Used(most) => format!("the {most} sessions that this grant is for were opened already"),
        })
    }

    fn by_credential(&self, credential: &str, address: IpAddr, target: &TargetName) -> Result<Caller, Notice> {
        let shared = self.shared();
        match shared.grants.by_token(&shared.grants.tokens.name(credential)) {
            Some(live) => self.by_live(live, address, target),
            None => Err(self.refused(address, "unknown_grant", Notice::Unauthenticated)),
        }
    }

    /// The caller who has shown or proved the credential of a grant, unless the grant is over or for another target.
    pub(crate) fn by_live(&self, live: Arc<Live>, address: IpAddr, target: &TargetName) -> Result<Caller, Notice> {
        let shared = self.shared();
        let refused = |reason| Err(self.refused(address, reason, Notice::Unauthenticated));
        if live.target != *target {
            return refused("grant_of_another_target");
        }
        if live.is_over(shared.times()) {
            return refused("expired");
        }
        if !live.is_recorded.load(Ordering::Acquire) {
            if !shared.capacity.admits() {
                return Err(Notice::EvidenceUnavailable);
            }
            if let Err(error) = self.authenticated(&live.principal.id(), address, live.until) {
                tracing::error!(%error, "a log-on cannot be recorded, so it is refused");
                return Err(Notice::EvidenceUnavailable);
            }
            live.is_recorded.store(true, Ordering::Release);
        }
        Ok(Caller {
            principal: Arc::clone(&live.principal),
            address,
            client: None,
            scopes: Arc::clone(&live.scopes),
            expires: live.until,
            subject: None,
            is_counted: true,
            grant: Some(live),
            chain: None,
        })
    }
}
