//! The credential of a grant: a bearer token that stands for one principal at one target.
//!
//! 256 random bits behind a prefix by which people and scanners know it. The gateway keeps no credential: events and memory
//! have HMAC-SHA-256 of it under a key of the gateway's own, which is also what it is found by, so that looking one up tells
//! nothing of how much of a guess was right.

use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::keys::{self, KeyError, Secret};

/// What every credential begins with. No token of an issuer does: those have two dots (RFC 7515 §3.1).
const PREFIX: &str = "vidimus_grant_";
/// Random bytes in one.
const BYTES: usize = 32;
/// The purpose of the key that names them (RFC 5869 §3.2).
const KEY_PURPOSE: &[u8] = b"vidimus.grant-credentials/1";

/// Makes credentials, and their names.
pub(crate) struct Tokens(hmac::Key);

impl Tokens {
    /// With a key of its own, derived from the keyring's.
    pub(crate) fn new(secret: &Secret) -> Result<Self, KeyError> {
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &keys::derived(secret, KEY_PURPOSE)?)))
    }

    /// A new credential.
    pub(crate) fn fresh() -> Result<Zeroizing<String>, KeyError> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        rand::fill(&mut *bytes).map_err(|_| KeyError::Random)?;
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
        Ok(Zeroizing::new(format!("{PREFIX}{}", &*encoded)))
    }

    /// What stands for a credential in events, in hex.
    pub(crate) fn name(&self, credential: &str) -> String {
        let tag = hmac::sign(&self.0, credential.as_bytes());
        tag.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }
}

/// Whether a bearer token is meant to be a credential of a grant.
pub(crate) fn is_one(token: &str) -> bool {
    token.starts_with(PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_random_and_their_names_are_this_gateways() {
        let (one, other) = (Tokens::fresh().unwrap(), Tokens::fresh().unwrap());
        assert_ne!(*one, *other);
        assert!(is_one(&one) && one.len() == PREFIX.len() + 43, "{}", one.len());
        assert!(!is_one(&one.to_uppercase()) && !is_one("eyJhbGciOiJSUzI1NiJ9.e30.c2ln"));
        let tokens = Tokens::new(&Secret::new([1; 32])).unwrap();
        assert_eq!(tokens.name(&one), Tokens::new(&Secret::new([1; 32])).unwrap().name(&one));
        let others = [tokens.name(&other), Tokens::new(&Secret::new([2; 32])).unwrap().name(&one)];
        assert!(others.iter().all(|name| *name != tokens.name(&one) && name.len() == 64));
        assert_ne!(tokens.name(&one[..one.len() - 1]), tokens.name(&one), "truncated");
    }
}
