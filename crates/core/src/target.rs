//! One upstream system the gateway fronts: its name and what it promises about evidence.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest name of a target, in bytes.
pub const MAX_TARGET_NAME: usize = 64;

/// A target's name: `[a-z][a-z0-9-]*`, at most [`MAX_TARGET_NAME`] bytes. Stands in URLs, policies and events.
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetName(Arc<str>);

/// Why a text is no target name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no target name: use a-z, 0-9 and -, starting with a letter, at most 64 characters")]
pub struct BadTargetName(String);

/// The name under which the gateway's own endpoint for all targets is on record; no target is called so.
const FEDERATION: &str = "federation";

impl TargetName {
    /// The name of the gateway's own endpoint for all targets.
    pub fn federation() -> Self {
        Self(FEDERATION.into())
    }

    /// Whether it is that name, which no target may have.
    pub fn is_federation(&self) -> bool {
        *self.0 == *FEDERATION
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TargetName {
    type Err = BadTargetName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if starts_well && text.len() <= MAX_TARGET_NAME && text.bytes().all(is_allowed) {
            Ok(Self(text.into()))
        } else {
            Err(BadTargetName(text.chars().take(MAX_TARGET_NAME).collect()))
        }
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TargetName({})", self.0)
    }
}

/// What an acknowledged record survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// Intent durable before dispatch, each chunk and the outcome durable before release: survives a power cut.
    #[default]
    Strict,
    /// Written to the journal before, synced within a second: survives the end of the process, not a power cut.
    Async,
}

impl Durability {
    /// The word in configuration and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Async => "async",
        }
    }
}

/// What the gateway shows a target of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// Headers that the operator set.
    Headers,
    /// A token of the gateway's own (RFC 6749 §4.4).
    ClientCredentials,
    /// A token for the caller, in exchange for its own (RFC 8693).
    TokenExchange,
    /// A user and a password that the operator set.
    Password,
}

impl CredentialKind {
    /// The word in configuration and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::ClientCredentials => "client-credentials",
            Self::TokenExchange => "token-exchange",
            Self::Password => "password",
        }
    }
}

/// Whether payloads are kept. What is kept is masked, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Record {
    /// Sizes and commitments only.
    #[default]
    Sizes,
    /// Requests and results with every value of a data class masked, encrypted.
    Masked,
}

impl Record {
    /// The word in configuration and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sizes => "sizes",
            Self::Masked => "masked",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_safe_in_urls_paths_and_policies() {
        for good in ["crm", "orders-2", "a"] {
            assert!(good.parse::<TargetName>().is_ok(), "{good}");
        }
        for bad in ["", "Crm", "1st", "-x", "a/b", "a_b", "..", "é", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<TargetName>().is_err(), "{bad}");
        }
    }
}
