//! What an operator says of a target's tokens.

use zeroize::Zeroizing;

/// The value of `grant_type` for token exchange (RFC 8693 §2.1).
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The type of an access token (RFC 8693 §3).
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The type of any JWT (RFC 8693 §3).
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Whose tokens are shown to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// The gateway's own, for everybody.
    ClientCredentials,
    /// Tokens for each caller, in exchange for its own.
    TokenExchange {
        /// Whether the caller's token is called a JWT instead of an access token.
        subject_is_jwt: bool,
        /// Whether the gateway says who it is by a token of its own (`actor_token`).
        names_actor: bool,
    },
}

impl Grant {
    /// The word in configurations and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client-credentials",
            Self::TokenExchange { .. } => "token-exchange",
        }
    }
}

/// Where tokens are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// At this URL.
    Token(String),
    /// Where the metadata of this issuer says (RFC 8414, OpenID Connect Discovery 1.0).
    Issuer(String),
}

/// How the gateway shows who it is (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// By the header `Authorization`.
    Basic,
    /// In the body.
    Post,
}

/// How tokens for one target are asked for.
pub struct Rules {
    /// Whose they are.
    pub grant: Grant,
    /// Where.
    pub endpoint: Endpoint,
    /// The gateway at the authorization server.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Zeroizing<String>,
    /// How it is shown.
    pub authentication: ClientAuthentication,
    /// The scopes to ask for.
    pub scopes: Vec<String>,
    /// The address of what the tokens are for (RFC 8707 §2).
    pub resource: Option<String>,
    /// The name of what they are for (RFC 8693 §2.1).
    pub audience: Option<String>,
}

impl Rules {
    /// What the tokens are for, in words for the record.
    pub fn purpose(&self) -> Option<&str> {
        self.audience.as_deref().or(self.resource.as_deref())
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("grant", &self.grant).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
