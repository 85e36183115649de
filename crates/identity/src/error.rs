//! Why a token is refused: the label for events and metrics, the text for operators, the text for the caller.
//!
//! No text holds any part of the token. The caller learns what to do, and nothing about configuration.

use vidimus_core::ErrorKind;

use crate::config::MAX_TOKEN_BYTES;

/// Why a token proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The token passes [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes; have the provider put less into it")]
    TooLong,
    /// No JWS in compact serialization with two JSON objects; says which rule it breaks.
    #[error("the token is no signed JWT: {0}")]
    Malformed(&'static str),
    /// `alg` is unknown, `none`, symmetric, or not allowed for this issuer.
    #[error("the token's `alg` is not on the issuer's list of algorithms")]
    Algorithm,
    /// `typ` says it is something else than an access or ID token.
    #[error("the token's `typ` is neither `JWT` nor `at+jwt`")]
    TokenType,
    /// The header names critical extensions; none is supported (RFC 7515 §4.1.11).
    #[error("the token's header has `crit`; no critical extension is supported")]
    CriticalHeader,
    /// `iss` is none of the configured issuers.
    #[error("the token's `iss` is no configured issuer; compare it with identity.oidc.*.issuer, exactly")]
    UnknownIssuer,
    /// The issuer publishes no one key with this `kid` that fits `alg`.
    #[error("issuer `{issuer}` publishes no single key that fits the token's `kid` and `alg`")]
    UnknownKey {
        /// Configured name of the issuer.
        issuer: String,
    },
    /// The issuer's keys cannot be had, or are older than they may be.
    #[error("the keys of issuer `{issuer}` cannot be fetched; see the warnings about its discovery document and JWKS")]
    KeysUnavailable {
        /// Configured name of the issuer.
        issuer: String,
    },
    /// The signature does not verify.
    #[error("the token's signature does not verify")]
    Signature,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet; compare the clocks of the issuer and the gateway")]
    NotYetValid,
    /// `aud` names none of the configured audiences.
    #[error("the token is for another audience than identity.oidc.{issuer}.audience and the address it is used at")]
    Audience {
        /// Configured name of the issuer.
        issuer: String,
    },
    /// A claim is missing or has a form it may not have.
    #[error("claim `{claim}` {problem}")]
    Claim {
        /// The claim's name in its specification.
        claim: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The groups claim has a form it may not have.
    #[error("groups claim `{claim}` {problem}")]
    Groups {
        /// The configured claim.
        claim: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The directory left the groups out because they are too many for a token.
    #[error(
        "groups claim `{claim}` was left out by the provider because the person is in too many groups; have it send \
         only groups assigned to the application (Entra ID: Token configuration, `Groups assigned to the \
         application`), or use app roles and set groups_claim to `roles`"
    )]
    GroupsOverage {
        /// The configured claim.
        claim: String,
    },
    /// The actor chain (`act`) has a form it may not have.
    #[error("the actor chain (claim `act`) {0}")]
    Actor(&'static str),
}

impl AuthError {
    /// The class of the error: the caller's proof is missing, except when the provider cannot be reached.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::KeysUnavailable { .. } => ErrorKind::Upstream,
            _ => ErrorKind::Unauthenticated,
        }
    }

    /// The label in events and metrics: lower-case, stable.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLong => "size",
            Self::Malformed(_) => "malformed",
            Self::Algorithm => "algorithm",
            Self::TokenType => "type",
            Self::CriticalHeader => "critical_header",
            Self::UnknownIssuer => "issuer",
            Self::UnknownKey { .. } => "key",
            Self::KeysUnavailable { .. } => "keys_unavailable",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Audience { .. } => "audience",
            Self::Claim { .. } => "claim",
            Self::Groups { .. } => "groups",
            Self::GroupsOverage { .. } => "groups_overage",
            Self::Actor(_) => "actor",
        }
    }

    /// What the caller may read.
    pub fn public_message(&self) -> &'static str {
        match self {
            Self::TooLong => "the access token is too long; ask the administrator to have less put into it",
            Self::Expired => "the access token has expired; sign in again",
            Self::NotYetValid => "the access token is not valid yet; check the clock of the identity provider",
            Self::Audience { .. } => "the access token is for another audience; request one for this gateway",
            Self::KeysUnavailable { .. } => "the identity provider cannot be reached; try again in a minute",
            Self::Groups { .. } | Self::Claim { .. } | Self::Actor(_) => {
                "the access token's claims are not as this gateway needs them; ask the administrator"
            }
            Self::GroupsOverage { .. } => {
                "the identity provider left your groups out of the access token because there are too many; ask the \
                 administrator to have it send only groups assigned to this application"
            }
            Self::Malformed(_)
            | Self::Algorithm
            | Self::TokenType
            | Self::CriticalHeader
            | Self::UnknownIssuer
            | Self::UnknownKey { .. }
            | Self::Signature => "the access token is not one this gateway accepts; sign in again",
        }
    }
}
