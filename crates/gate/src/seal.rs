//! What a target wants back from the client unread: sealed, so that only the one it was for can bring it back.
//!
//! MCP 2026-07-28, "Multi Round-Trip Requests", has the client carry `requestState`, and asks that it be bound to the
//! principal, the request and a time. It is sealed with AES-256-GCM under a key that is derived from the key-encryption
//! key (RFC 5869), so it outlives a restart; principal, target and request are associated data. What does not open is
//! told apart from nothing: wrong key, other principal, other request and too late are one answer.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use vidimus_core::Timestamp;

use crate::keys::{KeyError, Secret};

/// The purpose of the derived key (RFC 5869 §3.2).
const KEY_PURPOSE: &[u8] = b"vidimus.carried-state/1";

/// Bytes of the time after which the state does not open, in front of it.
const EXPIRY_BYTES: usize = 8;

/// Seals and opens carried state.
pub(crate) struct Sealer(LessSafeKey);

impl Sealer {
    /// With a key of its own, derived from the key-encryption key.
    pub(crate) fn new(secret: &Secret) -> Result<Self, KeyError> {
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret.expose());
        let purpose = [KEY_PURPOSE];
        let derived = extracted.expand(&purpose, &AES_256_GCM).map_err(|_| KeyError::Random)?;
        Ok(Self(LessSafeKey::new(UnboundKey::from(derived))))
    }

    pub(crate) fn seal(&self, aad: &[u8], expires: Timestamp, state: &[u8]) -> Result<String, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| KeyError::Random)?;
        let mut sealed = expires.nanoseconds().to_be_bytes().to_vec();
        sealed.extend_from_slice(state);
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(unique, Aad::from(aad), &mut sealed).map_err(|_| KeyError::Random)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    pub(crate) fn open(&self, aad: &[u8], now: Timestamp, text: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let opened = self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), sealed).ok()?;
        let (expires, state) = opened.split_first_chunk::<EXPIRY_BYTES>()?;
        (now <= Timestamp::from_nanoseconds(u64::from_be_bytes(*expires))).then(|| state.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_opens_for_whom_it_was_sealed_and_in_time() {
        let sealer = Sealer::new(&Secret::new([1; 32])).unwrap();
        let (now, later) = (Timestamp::from_seconds(10), Timestamp::from_seconds(20));
        let text = sealer.seal(b"alice", later, b"\"state\"").unwrap();
        assert_eq!(sealer.open(b"alice", now, &text).as_deref(), Some(b"\"state\"".as_slice()));
        assert_eq!(
            Sealer::new(&Secret::new([1; 32])).unwrap().open(b"alice", later, &text).map(|state| state.len()),
            Some(7)
        );
        assert_eq!(sealer.open(b"bob", now, &text), None);
        assert_eq!(sealer.open(b"alice", Timestamp::from_seconds(21), &text), None);
        assert_eq!(Sealer::new(&Secret::new([2; 32])).unwrap().open(b"alice", now, &text), None);
        assert_ne!(sealer.seal(b"alice", later, b"\"state\"").unwrap(), text, "each has a nonce of its own");
    }

    #[test]
    fn no_altered_state_opens() {
        let sealer = Sealer::new(&Secret::new([1; 32])).unwrap();
        let now = Timestamp::from_seconds(1);
        let text = sealer.seal(b"a", now, b"state").unwrap();
        for at in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(sealer.open(b"a", now, &altered), None, "{at}");
            assert_eq!(sealer.open(b"a", now, &text[..at]), None, "{at}");
        }
    }
}
