//! The record of what is asked of token endpoints, as this crate needs it kept.

use std::future::Future;
use std::pin::Pin;

use crate::answer::Issued;
use crate::error::CredentialError;
use crate::rules::Grant;

/// A request for a token, for the record.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// By which grant.
    pub grant: Grant,
    /// For which caller, as `issuer|subject`; none for the gateway itself.
    pub caller: Option<&'a str>,
    /// Where, without a query.
    pub endpoint: &'a str,
    /// What the token is for, as far as that is said.
    pub audience: Option<&'a str>,
    /// Whether a refresh token is used in the place of the caller's.
    pub is_refresh: bool,
}

/// Records requests for tokens.
pub trait Observer: Send + Sync {
    /// One is about to be made. What cannot be recorded is not asked for.
    fn asked<'a>(&'a self, asked: Asked<'a>) -> Pin<Box<dyn Future<Output = Result<(), CredentialError>> + Send + 'a>>;

    /// It was answered. A token that cannot be recorded is not used.
    fn answered(&self, asked: Asked<'_>, answer: Result<&Issued, &CredentialError>) -> Result<(), CredentialError>;
}
