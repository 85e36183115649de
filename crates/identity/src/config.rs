//! What the operator says about an issuer (`[identity.oidc.NAME]`), checked once at start.
//!
//! Refused: names that would make `issuer|subject` or `issuer/group` ambiguous, addresses that are neither HTTPS nor
//! loopback, an empty list of audiences or algorithms, two issuers with one name or one `iss`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use http::Uri;
use vidimus_core::ErrorKind;

/// The longest token that is looked at, in bytes: what HTTP servers commonly take as a header.
pub const MAX_TOKEN_BYTES: usize = 16 << 10;
/// The longest name of an issuer, in bytes.
const MAX_NAME: usize = 64;
/// The most clock difference an operator may allow for: more would keep expired tokens alive for too long.
const MAX_LEEWAY: Duration = Duration::from_mins(5);
/// The shortest time between scheduled refreshes of the keys; a shorter one would be a load on the provider.
const MIN_REFRESH: Duration = Duration::from_secs(10);
/// The longest time between scheduled refreshes: so long a withdrawn key may still be believed.
const MAX_REFRESH: Duration = Duration::from_hours(1);

/// One issuer of tokens.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// The name principals and groups carry: `corp|alice`, `corp/support`. `[a-z][a-z0-9-]*`.
    pub name: String,
    /// The exact `iss` of its tokens, and where discovery starts unless `jwks_url` is set.
    pub issuer: String,
    /// A token must be for one of these (`aud`).
    pub audiences: Vec<String>,
    /// Where the groups are: a claim (`groups`) or a path (`realm_access.roles`). A claim whose name itself holds dots,
    /// such as a URL, is tried first. None: tokens bring no groups.
    pub groups_claim: Option<String>,
    /// Directory ids to names. The names are reserved: a group that merely *calls itself* so is refused.
    pub group_names: BTreeMap<String, String>,
    /// When a token speaks for a workload; else for a user.
    pub workload_when: Option<ClaimRule>,
    /// Signature algorithms to accept.
    pub algorithms: Vec<Algorithm>,
    /// Where the keys are, for issuers without discovery.
    pub jwks_url: Option<String>,
    /// How far the clocks of issuer and gateway may differ; at most five minutes.
    pub leeway: Duration,
    /// How often the keys are fetched: so long a withdrawn key may still be believed. Ten seconds to one hour.
    pub refresh_every: Duration,
    /// The claim with the name to display; by default `email`, `preferred_username` or `name`, whichever is there.
    pub display_claim: Option<String>,
}

impl IssuerConfig {
    /// An issuer with defaults for all that need not be said.
    pub fn new(name: impl Into<String>, issuer: impl Into<String>, audiences: Vec<String>) -> Self {
        Self {
            name: name.into(),
            issuer: issuer.into(),
            audiences,
            groups_claim: None,
            group_names: BTreeMap::new(),
            workload_when: None,
            algorithms: Algorithm::DEFAULT.to_vec(),
            jwks_url: None,
            leeway: Duration::from_mins(1),
            refresh_every: Duration::from_mins(5),
            display_claim: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let named = |problem| ConfigError::Issuer { name: self.name.clone(), problem };
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let starts_well = self.name.starts_with(|first: char| first.is_ascii_lowercase());
        if !starts_well || self.name.len() > MAX_NAME || !self.name.bytes().all(is_allowed) {
            return Err(named("is no name: use a-z, 0-9 and -, starting with a letter, at most 64 characters"));
        }
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            return Err(named("needs an audience: the `aud` its tokens for this gateway have"));
        }
        if self.algorithms.is_empty() {
            return Err(named("needs at least one algorithm"));
        }
        if Address::of(&self.issuer).is_none() || self.issuer.contains(['?', '#']) {
            return Err(named("needs an https `issuer` without query (http on loopback only)"));
        }
        if self.jwks_url.as_deref().is_some_and(|url| Address::of(url).is_none()) {
            return Err(named("needs an https `jwks_url` (http on loopback only)"));
        }
        if self.leeway > MAX_LEEWAY {
            return Err(named("allows too much clock difference: at most five minutes"));
        }
        if !(MIN_REFRESH..=MAX_REFRESH).contains(&self.refresh_every) {
            return Err(named("has to fetch its keys every ten seconds to one hour"));
        }
        Ok(())
    }
}

/// A claim and the value that makes the rule true.
#[derive(Debug, Clone)]
pub struct ClaimRule {
    /// A claim or a path, as in [`IssuerConfig::groups_claim`].
    pub claim: String,
    /// The string the claim must be; `true` and `false` also match truth values.
    pub equals: String,
}

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1). There is no symmetric one, and no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519; also under its fully specified name (RFC 9864 §2.2).
    EdDsa,
}

impl Algorithm {
    /// Those accepted unless the operator says otherwise: what providers use.
    pub const DEFAULT: [Self; 5] = [Self::Rs256, Self::Ps256, Self::Es256, Self::Es384, Self::EdDsa];

    /// The algorithm with this `alg` value, when it is one a public key can verify.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "ES512" => Self::Es512,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }
}

impl FromStr for Algorithm {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::named(name).ok_or_else(|| ConfigError::Algorithm(name.to_owned()))
    }
}

/// What is wrong with the configuration of issuers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// One issuer is not as it has to be.
    #[error("issuer `{name}` {problem}")]
    Issuer {
        /// Its name.
        name: String,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// Two issuers with one name or one `iss`.
    #[error("two issuers have the name or the `iss` `{0}`; each needs its own")]
    Duplicate(String),
    /// No algorithm a public key can verify.
    #[error("`{0}` is no algorithm to accept: use RS*, PS*, ES* or EdDSA")]
    Algorithm(String),
}

impl ConfigError {
    /// Always the operator's configuration.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Configuration
    }
}

/// Where a document may be fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    /// HTTPS, anywhere.
    Https,
    /// HTTP on this machine: tests and demonstrations.
    LoopbackHttp,
}

impl Address {
    /// What kind of address `url` is, if it is one a document may come from.
    pub(crate) fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        // A user name would let `https://trusted.example@elsewhere.example` look like the trusted host.
        if uri.authority()?.as_str().contains('@') {
            return None;
        }
        let host = uri.host().filter(|host| !host.is_empty())?;
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_loopback = host == "localhost" || literal.is_ok_and(|address| address.is_loopback());
        match uri.scheme_str()? {
            "https" => Some(Self::Https),
            "http" if is_loopback => Some(Self::LoopbackHttp),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_by_https_or_from_this_machine() {
        for (url, expected) in [
            ("https://login.example.com/realms/corp", Some(Address::Https)),
            ("http://127.0.0.1:8080", Some(Address::LoopbackHttp)),
            ("http://[::1]:8080/x", Some(Address::LoopbackHttp)),
            ("http://localhost/x", Some(Address::LoopbackHttp)),
            ("http://login.example.com", None),
            ("http://127.0.0.1@example.com/", None),
            ("https://login.example.com@example.org/", None),
            ("http://127.0.0.1.example.com/", None),
            ("http://localhost.example.com/", None),
            ("ftp://127.0.0.1/", None),
            ("file:///etc/passwd", None),
            ("/relative", None),
            ("", None),
        ] {
            assert_eq!(Address::of(url), expected, "{url}");
        }
    }

    #[test]
    fn no_symmetric_algorithm_can_be_configured() {
        for name in ["none", "None", "HS256", "HS512", "RSA1_5", "dir", "rs256", ""] {
            assert_eq!(name.parse::<Algorithm>(), Err(ConfigError::Algorithm(name.to_owned())));
        }
    }

    #[test]
    fn each_mistake_is_named() {
        type Change = fn(&mut IssuerConfig);
        let cases: [(Change, &str); 9] = [
            (|config| config.name = "corp|x".into(), "is no name"),
            (|config| config.name = String::new(), "is no name"),
            (|config| config.audiences.clear(), "needs an audience"),
            (|config| config.algorithms.clear(), "at least one algorithm"),
            (|config| config.issuer = "http://login.example.com".into(), "https `issuer`"),
            (|config| config.issuer = "https://login.example.com/?x".into(), "https `issuer`"),
            (|config| config.jwks_url = Some("http://10.0.0.1/jwks".into()), "https `jwks_url`"),
            (|config| config.leeway = Duration::from_secs(301), "clock difference"),
            (|config| config.refresh_every = Duration::from_secs(1), "every ten seconds"),
        ];
        for (change, expected) in cases {
            let mut config = IssuerConfig::new("corp", "https://login.example.com", vec!["vidimus".into()]);
            assert_eq!(config.check(), Ok(()));
            change(&mut config);
            let text = config.check().unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
