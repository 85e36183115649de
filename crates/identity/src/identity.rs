//! Verification of tokens from all configured issuers, and the memory of those verified.
//!
//! A token seen before costs one SHA-256 and one lookup. It is believed until it expires, until its key is no longer
//! published, or until the issuer's keys are too old to be believed, whichever is first. Refused tokens are not
//! remembered: what is refused now may be accepted after the next rotation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use quick_cache::sync::Cache;
use vidimus_core::{Clock, Principal, Timestamp};

use crate::claims;
use crate::config::{ConfigError, IssuerConfig, MAX_TOKEN_BYTES};
use crate::error::AuthError;
use crate::fetch::Fetch;
use crate::issuer::{Issuer, IssuerStatus};
use crate::jws::Unverified;
use crate::keys::Key;

/// Verified tokens that are remembered; the least used go first. About 1 KiB each.
const MAX_REMEMBERED: usize = 16_384;

/// Verifies bearer tokens.
pub struct Identity {
    /// By exact `iss`.
    issuers: BTreeMap<String, Arc<Issuer>>,
    clock: Arc<dyn Clock>,
    remembered: Cache<[u8; 32], Arc<Verified>>,
}

/// What a token proved. Only [`Identity::verify`] makes one.
pub struct Verified {
    /// Who it speaks for.
    pub principal: Arc<Principal>,
    /// From when on it proves nothing: `exp` plus the issuer's leeway.
    pub expires: Timestamp,
    /// SHA-256 of the token: names it in events without revealing it.
    pub token_digest: [u8; 32],
    /// OAuth scopes (`scope` or `scp`).
    pub scopes: Arc<[String]>,
    audience: Audience,
    key: Arc<Key>,
    issuer: Arc<Issuer>,
}

impl Identity {
    /// Checks the configuration. Keys are fetched by [`Self::run`], [`Self::refresh`] or the first token.
    #[expect(clippy::needless_pass_by_value, reason = "a reference to an Arc of a trait object is awkward to make")]
    pub fn new(issuers: Vec<IssuerConfig>, fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        let mut by_url: BTreeMap<String, Arc<Issuer>> = BTreeMap::new();
        for config in issuers {
            let issuer = Issuer::new(&config, Arc::clone(&fetch), Arc::clone(&clock))?;
            if by_url.values().any(|other| other.rules.name == config.name) {
                return Err(ConfigError::Duplicate(config.name));
            }
            if by_url.insert(config.issuer.clone(), Arc::new(issuer)).is_some() {
                return Err(ConfigError::Duplicate(config.issuer));
            }
        }
        Ok(Self { issuers: by_url, clock, remembered: Cache::new(MAX_REMEMBERED) })
    }

    /// Who a token for this gateway speaks for: its audience is one of those configured. Has to run in a tokio runtime:
    /// an unknown key id may start a fetch, which goes on when this future is dropped; nothing else is left behind.
    pub async fn verify(&self, token: &str) -> Result<Arc<Verified>, AuthError> {
        self.verify_for(token, &[]).await
    }

    /// The same for a token that may also be for one of `resources` and for nothing else: the canonical addresses of what
    /// it is used for (RFC 8707 §2). One for another resource is refused here, and good there.
    pub async fn verify_for(&self, token: &str, resources: &[&str]) -> Result<Arc<Verified>, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::TooLong);
        }
        let digest = sha256(token);
        if let Some(verified) = self.remembered.get(&digest) {
            if verified.is_current(self.clock.now()) {
                verified.audience.check(resources, &verified.issuer)?;
                return Ok(verified);
            }
            self.remembered.remove(&digest);
        }
        let verified = Arc::new(self.verify_unknown(token, digest, resources).await?);
        self.remembered.insert(digest, Arc::clone(&verified));
        Ok(verified)
    }

    /// Whether what was proved is still true now: for sessions that outlive the request with the token.
    pub fn is_current(&self, verified: &Verified) -> bool {
        verified.is_current(self.clock.now())
    }

    /// Fetches the keys of every issuer, once, all at the same time.
    pub async fn refresh(&self) {
        let mut fetches = tokio::task::JoinSet::new();
        for issuer in self.issuers.values() {
            let issuer = Arc::clone(issuer);
            fetches.spawn(async move { issuer.refresh().await });
        }
        while fetches.join_next().await.is_some() {}
    }

    /// Keeps the keys of every issuer fresh. Never ends while there is an issuer; dropping it stops all schedules.
    pub async fn run(self: Arc<Self>) {
        let mut schedules = tokio::task::JoinSet::new();
        for issuer in self.issuers.values() {
            schedules.spawn(Arc::clone(issuer).keep_fresh());
        }
        while schedules.join_next().await.is_some() {}
    }

    /// The `iss` of every issuer: `authorization_servers` of the protected resource metadata (RFC 9728 §2).
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.keys().map(String::as_str)
    }

    /// Whether the issuer of this configured name says which of its tokens are programs'. Where it does not, every one of
    /// them passes for a person's.
    pub fn tells_programs(&self, issuer: &str) -> bool {
        self.issuers.values().any(|known| known.rules.name == issuer && known.rules.tells_programs())
    }

    /// How the keys of every issuer stand.
    pub fn status(&self) -> Vec<IssuerStatus> {
        self.issuers.values().map(|issuer| issuer.status()).collect()
    }

    async fn verify_unknown(
        &self,
        token: &str,
        token_digest: [u8; 32],
        resources: &[&str],
    ) -> Result<Verified, AuthError> {
        let unverified = Unverified::parse(token)?;
        let issuer = {
            let claimed = unverified.claims.root().get("iss").and_then(|issuer| issuer.as_str());
            let claimed = claimed.ok_or(AuthError::Claim { claim: "iss", problem: "is missing or no string" })?;
            self.issuers.get(&*claimed).ok_or(AuthError::UnknownIssuer)?
        };
        let key = issuer.key(unverified.key_id.as_deref(), unverified.algorithm).await?;
        if !key.verifies(unverified.algorithm, unverified.signed, &unverified.signature) {
            return Err(AuthError::Signature);
        }

        // From here on the claims are the issuer's words.
        let claims = unverified.claims.root();
        let expires = claims::check_times(claims, self.clock.now(), issuer.rules.leeway)?;
        claims::check_use(claims)?;
        let audience = Audience::of(claims::audiences(claims)?, issuer);
        audience.check(resources, issuer)?;
        Ok(Verified {
            principal: Arc::new(issuer.rules.principal(claims)?),
            expires,
            token_digest,
            scopes: claims::scopes(claims).into(),
            audience,
            key,
            issuer: Arc::clone(issuer),
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("issuers", &self.issuers.keys()).finish_non_exhaustive()
    }
}

/// For whom a token is.
enum Audience {
    /// For all of this gateway: one of the audiences that are configured.
    Gateway,
    /// For whoever is named, which may be a part of this gateway.
    Named(Vec<String>),
}

impl Audience {
    fn of(named: Vec<String>, issuer: &Issuer) -> Self {
        if named.iter().any(|named| issuer.rules.audiences.contains(named)) {
            Self::Gateway
        } else {
            Self::Named(named)
        }
    }

    fn check(&self, resources: &[&str], issuer: &Issuer) -> Result<(), AuthError> {
        match self {
            Self::Named(named) if !named.iter().any(|named| resources.contains(&named.as_str())) => {
                Err(AuthError::Audience { issuer: issuer.rules.name.clone() })
            }
            _ => Ok(()),
        }
    }
}

impl Verified {
    fn is_current(&self, now: Timestamp) -> bool {
        now < self.expires && !self.key.is_retired() && self.issuer.is_fresh(now)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("principal", &self.principal)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

fn sha256(token: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    out
}
