//! Wrapping keys by keys (AES-256-GCM, NIST SP 800-38D): the keyring's by the key-encryption key, all others by the ring's.
//!
//! A wrapped key is `nonce (12) ‖ ciphertext ‖ tag (16)`, bound to its purpose by the associated data. The
//! key-encryption key itself is never written. A wrapped key that does not open is refused, never replaced: making
//! a new one would orphan what the old one protects.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use vidimus_core::ErrorKind;
use vidimus_log::JournalKey;
use zeroize::Zeroizing;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Bytes that wrapping adds: nonce and tag.
pub(crate) const WRAPPING_BYTES: usize = NONCE_LEN + 16;

/// The purpose of the key that salts of deliveries are made with (RFC 5869 §3.2).
const DELIVERY_PURPOSE: &[u8] = b"vidimus.delivery-salt/1";
/// The purpose of the key that the journal's frames are authenticated with.
const JOURNAL_PURPOSE: &[u8] = b"vidimus.journal-frames/1";

/// A 256-bit secret; wiped when dropped, never printed.
pub struct Secret(Zeroizing<[u8; KEY_BYTES]>);

impl Secret {
    /// Takes these bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// New random bytes.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| KeyError::Random)?;
        Ok(Self(bytes))
    }

    /// The same bytes once more.
    pub(crate) fn copied(&self) -> Self {
        Self(self.0.clone())
    }

    /// The bytes, for the one call that needs them.
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a key is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    Random,
    /// Another key-encryption key wrapped it, or it was altered.
    #[error(
        "`{0}` does not open with the configured key-encryption key: it was made with another one, or altered since; restore \
         that key or a good copy, or use another data_dir"
    )]
    Unwrap(String),
}

impl KeyError {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Random => ErrorKind::Internal,
            Self::Unwrap(_) => ErrorKind::Configuration,
        }
    }
}

/// The key that wraps all others.
pub struct KeyEncryptionKey {
    key: LessSafeKey,
    /// Makes salts that whoever holds a recording's does not have.
    delivery: hmac::Key,
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyEncryptionKey(…)")
    }
}

impl KeyEncryptionKey {
    /// From the configured secret.
    pub fn new(secret: &Secret) -> Result<Self, KeyError> {
        let delivery = hmac::Key::new(hmac::HMAC_SHA256, &derived(secret, DELIVERY_PURPOSE)?);
        Ok(Self { key: cipher(secret)?, delivery })
    }

    /// The salt of the commitment to what was delivered, made of the salt of the one to what is recorded.
    pub(crate) fn delivery_salt(&self, salt: &[u8; KEY_BYTES]) -> [u8; KEY_BYTES] {
        let mut own = [0; KEY_BYTES];
        own.copy_from_slice(hmac::sign(&self.delivery, salt).as_ref());
        own
    }

    /// `key`, wrapped and bound to `purpose`.
    pub fn wrap(&self, key: &Secret, purpose: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| KeyError::Random)?;
        let mut sealed = key.expose().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose), &mut sealed)
            .map_err(|_| KeyError::Random)?;
        let mut wrapped = nonce.to_vec();
        wrapped.append(&mut sealed);
        Ok(wrapped)
    }

    /// The key that [`Self::wrap`] wrapped for the same purpose; `name` says which one in the error.
    pub fn unwrap(&self, wrapped: &[u8], purpose: &[u8], name: &str) -> Result<Secret, KeyError> {
        let refused = || KeyError::Unwrap(name.to_owned());
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or_else(refused)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let key = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(purpose), &mut opened)
            .map_err(|_| refused())?;
        Ok(Secret::new(<[u8; KEY_BYTES]>::try_from(&*key).map_err(|_| refused())?))
    }
}

/// A key derived from the key-encryption key for one purpose (HKDF-SHA256, RFC 5869).
pub(crate) fn derived(secret: &Secret, purpose: &[u8]) -> Result<[u8; KEY_BYTES], KeyError> {
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret.expose());
    let mut key = [0; KEY_BYTES];
    let purpose = [purpose];
    let expanded = extracted.expand(&purpose, hkdf::HKDF_SHA256).and_then(|expanded| expanded.fill(&mut key));
    expanded.map(|()| key).map_err(|_| KeyError::Random)
}

/// The key of the journal's frames, out of the ring's key: no rotation changes it, so a journal stays readable over it.
pub(crate) fn journal_key(secret: &Secret) -> Result<JournalKey, KeyError> {
    Ok(JournalKey::new(&derived(secret, JOURNAL_PURPOSE)?))
}

/// An AES-256-GCM key from a secret.
pub(crate) fn cipher(secret: &Secret) -> Result<LessSafeKey, KeyError> {
    UnboundKey::new(&AES_256_GCM, secret.expose()).map(LessSafeKey::new).map_err(|_| KeyError::Random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_only_with_its_key_and_purpose() -> Result<(), KeyError> {
        let (first, second) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let key = KeyEncryptionKey::new(&first)?;
        let wrapped = key.wrap(&Secret::new([7; 32]), b"purpose")?;
        assert_eq!(wrapped.len(), KEY_BYTES + WRAPPING_BYTES);
        assert_eq!(key.unwrap(&wrapped, b"purpose", "x")?.expose(), &[7; 32]);
        assert!(key.unwrap(&wrapped, b"another", "x").is_err());
        assert!(KeyEncryptionKey::new(&second)?.unwrap(&wrapped, b"purpose", "x").is_err());
        for length in 0..wrapped.len() {
            assert!(key.unwrap(wrapped.get(..length).unwrap_or_default(), b"purpose", "x").is_err());
        }
        Ok(())
    }
}
