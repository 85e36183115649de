//! What the gateway shows a target instead of the client's token: tokens that it asks an authorization server for.
//!
//! By client credentials (RFC 6749 §4.4) for the gateway itself, or by token exchange (RFC 8693) for the caller, whose token
//! goes to the token endpoint that the operator named and to nobody else. Tokens are kept in memory, asked for once however
//! many wait, and renewed before they expire; an endpoint that fails is left alone for a while. Nothing here opens a
//! connection or writes evidence: [`TokenHttp`] and [`Observer`] do, and what the observer cannot record is not used.
//!
//! Beside them, how a password is proved without being told: [`scram`], the gateway to its targets and clients to the gateway.

mod answer;
mod credential;
mod error;
mod http;
mod observer;
mod request;
mod rules;
pub mod scram;
mod slot;
mod subject;

pub use self::answer::Issued;
pub use self::credential::{Credential, Holder};
pub use self::error::CredentialError;
pub use self::http::{HttpAnswer, HttpError, TokenHttp};
pub use self::observer::{Asked, Observer};
pub use self::rules::{ClientAuthentication, Endpoint, Grant, Rules};
pub use self::subject::{Subject, Subjects};
