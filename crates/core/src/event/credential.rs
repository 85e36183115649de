//! What events say of tokens that the gateway asks for, to show them to a target. Never the tokens.

/// A step in coming by a token.
#[derive(Debug, Clone, Copy)]
pub struct Credential<'a> {
    /// `client-credentials` or `token-exchange`.
    pub kind: &'a str,
    /// Where it is asked for.
    pub endpoint: &'a str,
    /// What it is for, as far as that is said.
    pub audience: Option<&'a str>,
    /// Whether a refresh token is used in the place of the caller's.
    pub is_refresh: bool,
    /// Which step.
    pub step: CredentialStep<'a>,
}

/// The steps in coming by a token.
#[derive(Debug, Clone, Copy)]
pub enum CredentialStep<'a> {
    /// It is about to be asked for: the caller's token is about to be shown, where it is exchanged.
    Requested,
    /// It was issued.
    Issued {
        /// A keyed hash of it.
        token: &'a str,
        /// Seconds it is used for at most.
        seconds: u64,
    },
    /// It was not.
    Failed {
        /// The label of the failure, e.g. `refused`.
        reason: &'a str,
    },
}

impl CredentialStep<'_> {
    /// The type of its event.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "credential.requested",
            Self::Issued { .. } => "credential.issued",
            Self::Failed { .. } => "credential.failed",
        }
    }
}
