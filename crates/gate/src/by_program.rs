//! Callers who come with the credential of a program that the gateway started for a session ([`crate::chains`]).
//!
//! It stands for the caller of that session, at one target, and is taken where such programs connect and nowhere else.

use std::net::IpAddr;
use std::sync::Arc;

use vidimus_core::{TargetName, Timestamp};

use crate::authenticate::Caller;
use crate::gate::Gate;
use crate::released::Notice;

impl Gate {
    /// The caller whose program has this credential: nobody else's, and no token of an issuer. It has no scopes.
    pub fn authenticate_program(
        &self,
        credential: Option<&str>,
        address: IpAddr,
        target: Option<&TargetName>,
    ) -> Result<Caller, Notice> {
        let shared = self.shared();
        let refused = |reason| Err(self.refused(address, reason, Notice::Unauthenticated));
        let Some(credential) = credential else { return refused("missing") };
        match shared.chains.by_name(&shared.grants.tokens.name(credential)) {
            None => refused("unknown_program"),
            Some(chain) if target != Some(&chain.target) => refused("program_of_another_target"),
            Some(chain) => Ok(Caller {
                principal: Arc::clone(&chain.principal),
                address,
                client: chain.client.clone(),
                scopes: Arc::default(),
                // It ends with its session.
                expires: Timestamp::from_nanoseconds(u64::MAX),
                subject: None,
                is_counted: true,
                grant: None,
                chain: Some(chain),
            }),
        }
    }
}
