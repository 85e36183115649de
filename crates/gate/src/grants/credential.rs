//! The credential of a grant: a bearer token that stands for one principal at one target.
//!
//! 256 random bits behind a prefix by which people and scanners know it. The gateway keeps no credential: events and memory
//! have HMAC-SHA-256 of it under a key of the gateway's own, which is also what it is found by, so that looking one up tells
//! nothing of how much of a guess was right. Beside it stands a verifier of SCRAM-SHA-256, sealed under another key: who has
//! a verifier and sees an authentication could make the next (RFC 5802 §9). Its salt is the target's, the same for everybody
//! and for names of no target, so that what a client is asked by says nothing of who has a grant.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vidimus_credential::scram::{ITERATIONS, SALT_BYTES, Verifier};
use zeroize::Zeroizing;

use crate::keys::{self, KeyError, Secret};

/// What every credential begins with. No token of an issuer does: those have two dots (RFC 7515 §3.1).
const PREFIX: &str = "vidimus_grant_";
/// What the credential of a program begins with, which stands for its session.
const PROGRAM_PREFIX: &str = "vidimus_program_";
/// Random bytes in one.
const BYTES: usize = 32;
/// The purpose of the key that names them (RFC 5869 §3.2).
const KEY_PURPOSE: &[u8] = b"vidimus.grant-credentials/1";
/// The purpose of the key that seals their verifiers.
const VERIFIER_PURPOSE: &[u8] = b"vidimus.grant-verifiers/1";
/// What is signed with a target's name to make its salt.
const SALT_OF: &str = "scram-salt:";

/// Makes credentials, their names and their verifiers.
pub(crate) struct Tokens {
    names: hmac::Key,
    verifiers: LessSafeKey,
}

impl Tokens {
    /// With a key of its own, derived from the keyring's.
    pub(crate) fn new(secret: &Secret) -> Result<Self, KeyError> {
        let names = hmac::Key::new(hmac::HMAC_SHA256, &keys::derived(secret, KEY_PURPOSE)?);
        let verifiers = keys::cipher(&Secret::new(keys::derived(secret, VERIFIER_PURPOSE)?))?;
        Ok(Self { names, verifiers })
    }

    /// A new credential.
    pub(crate) fn fresh() -> Result<Zeroizing<String>, KeyError> {
        Self::random(PREFIX)
    }

    /// A new credential of a program that the gateway starts; no endpoint for clients takes it.
    pub(crate) fn fresh_for_program() -> Result<Zeroizing<String>, KeyError> {
        Self::random(PROGRAM_PREFIX)
    }

    fn random(prefix: &str) -> Result<Zeroizing<String>, KeyError> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        rand::fill(&mut *bytes).map_err(|_| KeyError::Random)?;
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
        Ok(Zeroizing::new(format!("{prefix}{}", &*encoded)))
    }

    /// What stands for a credential in events, in hex.
    pub(crate) fn name(&self, credential: &str) -> String {
        let tag = hmac::sign(&self.names, credential.as_bytes());
        tag.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// The salt of all verifiers at a target, of whatever name.
    pub(crate) fn salt(&self, target: &str) -> Vec<u8> {
        let tag = hmac::sign(&self.names, format!("{SALT_OF}{target}").as_bytes());
        tag.as_ref().iter().copied().take(SALT_BYTES).collect()
    }

    /// The verifier of a credential at a target, sealed for the record. It takes some milliseconds.
    pub(crate) fn verifier(&self, credential: &str, target: &str) -> Result<String, KeyError> {
        let verifier = Verifier::with(credential, &self.salt(target), ITERATIONS).to_string();
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| KeyError::Random)?;
        let mut sealed = verifier.into_bytes();
        let (unique, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(self.name(credential)));
        self.verifiers.seal_in_place_append_tag(unique, aad, &mut sealed).map_err(|_| KeyError::Random)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// The verifier that was sealed for the credential of this name; none of what this gateway did not seal so.
    pub(crate) fn opened(&self, sealed: &str, name: &str) -> Option<Verifier> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let unique = Nonce::assume_unique_for_key(*nonce);
        let opened = self.verifiers.open_in_place(unique, Aad::from(name), sealed).ok()?;
        std::str::from_utf8(opened).ok()?.parse().ok()
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

    #[test]
    fn a_verifier_is_of_its_credential_and_opens_for_that_alone() {
        let tokens = Tokens::new(&Secret::new([1; 32])).unwrap();
        let one = Tokens::fresh().unwrap();
        let (sealed, name) = (tokens.verifier(&one, "orders").unwrap(), tokens.name(&one));
        let verifier = tokens.opened(&sealed, &name).unwrap();
        assert_eq!(verifier, Verifier::with(&one, &tokens.salt("orders"), ITERATIONS));
        assert_ne!(tokens.salt("orders"), tokens.salt("crm"));
        assert!(!sealed.contains("SCRAM"), "{sealed}");
        assert_eq!(tokens.opened(&sealed, "another"), None);
        assert_eq!(tokens.opened(&sealed[1..], &name), None);
        assert_eq!(Tokens::new(&Secret::new([2; 32])).unwrap().opened(&sealed, &name), None);
    }
}
