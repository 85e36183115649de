//! Who is asking: an OpenID Connect token becomes a [`Principal`](vidimus_core::Principal).
//!
//! The gateway is an OAuth 2.1 resource server. [`Identity::verify`] takes a bearer token (JWS compact serialization,
//! RFC 7515 §7.1) and answers with who it speaks for, or with why it is refused. Keys come from each issuer's discovery
//! document and JWKS (OpenID Connect Discovery 1.0 §4, RFC 7517), through a [`Fetch`] that the caller supplies: nothing
//! here opens a connection.
//!
//! Attacks it stands against (RFC 8725): `none` and HMAC do not exist as algorithms; a key only knows the algorithms
//! that fit its type; keys named or embedded by the token (`jwk`, `jku`, `x5c`) are never looked at; unknown critical
//! headers, duplicate keys and foreign token types are refused; unknown key ids cannot make it flood the issuer.

mod claims;
mod config;
mod error;
mod fetch;
mod identity;
mod issuer;
mod jws;
mod keys;
mod principal;

pub use config::{Algorithm, ClaimRule, ConfigError, IssuerConfig, MAX_TOKEN_BYTES};
pub use error::AuthError;
pub use fetch::{Fetch, FetchError};
pub use identity::{Identity, Verified};
pub use issuer::{IssuerStatus, RefreshError};
