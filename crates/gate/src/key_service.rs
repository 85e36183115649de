//! The key-encryption key as a service: what wraps the key of the keyring, and opens it at start.
//!
//! The shape of a key management service: two calls that may take their time, may fail for a while, and never give the
//! key itself away. [`LocalKey`] is a key from a file or a variable. A service whose answer does not open is refused; one
//! that does not answer is an error to try again, never a reason to make a new key.

use std::fmt;
use std::pin::Pin;

use vidimus_core::ErrorKind;

use crate::keys::{self, KeyEncryptionKey, KeyError, Secret};

/// The purpose of a local key's name (RFC 5869 §3.2).
const NAME_PURPOSE: &[u8] = b"vidimus.key-name/1";

/// Why a key service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum KeyServiceError {
    /// It refuses: another key wrapped this, or the caller has no right to use the key.
    #[error("the key-encryption key {service} does not open the keyring: {why}")]
    Refused {
        /// Its name.
        service: String,
        /// What it said.
        why: String,
    },
    /// It does not answer, or not now.
    #[error("the key-encryption key {service} is not to be had now: {why}; try again")]
    Unavailable {
        /// Its name.
        service: String,
        /// What went wrong.
        why: String,
    },
}

impl KeyServiceError {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { .. } => ErrorKind::Configuration,
            Self::Unavailable { .. } => ErrorKind::Upstream,
        }
    }
}

/// The answer of a key service, when it comes.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, KeyServiceError>> + Send + 'a>>;

/// Wraps and unwraps keys without giving its own away.
pub trait KeyService: fmt::Debug + Send + Sync {
    /// Its name: stands in the keyring and in events, without spaces, and tells nothing of the key.
    fn name(&self) -> &str;
    /// `key`, wrapped and bound to `purpose`.
    fn wrap<'a>(&'a self, key: &'a Secret, purpose: &'a [u8]) -> Answer<'a, Vec<u8>>;
    /// The key that [`Self::wrap`] wrapped for the same purpose.
    fn unwrap<'a>(&'a self, wrapped: &'a [u8], purpose: &'a [u8]) -> Answer<'a, Secret>;
}

/// A key-encryption key that this process holds.
#[derive(Debug)]
pub struct LocalKey {
    name: String,
    key: KeyEncryptionKey,
}

impl LocalKey {
    /// From the configured secret.
    pub fn new(secret: &Secret) -> Result<Self, KeyError> {
        let name = keys::derived(secret, NAME_PURPOSE)?;
        let name = name.iter().take(8).fold("local-".to_owned(), |name, byte| format!("{name}{byte:02x}"));
        Ok(Self { name, key: KeyEncryptionKey::new(secret)? })
    }

    fn refused(&self, error: &KeyError) -> KeyServiceError {
        KeyServiceError::Refused { service: self.name.clone(), why: error.to_string() }
    }
}

impl KeyService for LocalKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn wrap<'a>(&'a self, key: &'a Secret, purpose: &'a [u8]) -> Answer<'a, Vec<u8>> {
        Box::pin(async move { self.key.wrap(key, purpose).map_err(|error| self.refused(&error)) })
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8], purpose: &'a [u8]) -> Answer<'a, Secret> {
        Box::pin(async move { self.key.unwrap(wrapped, purpose, "the keyring").map_err(|error| self.refused(&error)) })
    }
}
