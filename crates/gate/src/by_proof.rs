//! Callers who prove that they have the credential of a grant without showing it: SCRAM-SHA-256 (RFC 5802, RFC 7677).
//!
//! Whoever asks is answered alike: the salt is the target's, or that of a name of none, and the proof is held against the
//! verifiers of all grants of the name that is claimed. Which of them it was, whether there was one, and whether there is
//! such a target, is told by nothing but success. What fails is counted and recorded as a token that is not valid.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use vidimus_core::TargetName;
use vidimus_credential::scram::{Exchange, ScramError};

use crate::authenticate::Caller;
use crate::gate::Gate;
use crate::grants::Live;
use crate::released::Notice;
use crate::signal::Signal;

/// A proof that is waited for.
#[derive(Debug)]
pub struct Challenge {
    exchange: Exchange,
    target: String,
    known: Vec<Arc<Live>>,
    address: IpAddr,
}

impl Gate {
    /// Asks who is called `user` to prove the credential of a grant for `target`: `first` is the client's first message,
    /// the second of what is returned the answer to it. A message that is none is recorded, and why is told.
    pub fn challenge(
        &self,
        (user, target): (&str, &str),
        first: &[u8],
        address: IpAddr,
    ) -> Result<(Challenge, Signal), Notice> {
        let grants = &self.shared().grants;
        let (exchange, answer) =
            Exchange::first(&grants.tokens.salt(target), first).map_err(|error| self.unproved(address, error))?;
        let known = grants.of_name(target, user);
        Ok((Challenge { exchange, target: target.to_owned(), known, address }, said(&answer)))
    }

    /// The caller whose proof this is, and the gateway's own proof for it.
    pub fn proved(&self, challenge: Challenge, last: &[u8]) -> Result<(Caller, Signal), Notice> {
        let Challenge { exchange, target, known, address } = challenge;
        let verifiers = known.iter().filter_map(|live| live.verifier.as_ref());
        let (place, answer) = exchange.last(last, verifiers).map_err(|error| self.unproved(address, error))?;
        // Each of them has a verifier, so the place is the same.
        match (known.into_iter().nth(place), target.parse::<TargetName>()) {
            (Some(live), Ok(target)) => Ok((self.by_live(live, address, &target)?, said(&answer))),
            _ => Err(self.unproved(address, ScramError::Refused)),
        }
    }

    fn unproved(&self, address: IpAddr, error: ScramError) -> Notice {
        match error {
            ScramError::Refused => self.refused(address, "unproved_grant", Notice::Unauthenticated),
            ScramError::Malformed(_) | ScramError::TooManyIterations => {
                tracing::debug!(%error, %address, "a proof by SCRAM is none");
                self.refused(address, "malformed_proof", Notice::Unauthenticated)
            }
            ScramError::NoRandom => {
                tracing::error!(%error, "nobody can log on by SCRAM");
                Notice::IdentityUnavailable
            }
        }
    }
}

/// Nonces, a salt and signatures, which say nothing of an operation and are short (RFC 5802 §7).
fn said(answer: &Bytes) -> Signal {
    Signal::default().name(&String::from_utf8_lossy(answer))
}
