//! One issuer: its rules, its keys, and how they are kept fresh.
//!
//! Keys are fetched by discovery (OpenID Connect Discovery 1.0 §4) or from a configured JWKS address: at start, every
//! `refresh_every`, and when a token names an unknown key, then at most once per [`MIN_FETCH_INTERVAL`]. One fetch runs
//! at a time and all who need it wait for that one; it runs in a task of its own, so a caller that goes away does not
//! stop it. When fetching fails the old keys stay, but no longer than [`MAX_KEY_AGE`]: then everything is refused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::watch;
use vidimus_core::json::{Document, Limits};
use vidimus_core::{Clock, ErrorKind, Timestamp};

use crate::config::{Address, Algorithm, ConfigError, IssuerConfig};
use crate::error::AuthError;
use crate::fetch::{Fetch, FetchError};
use crate::keys::{Key, KeySet, KeySetError, MAX_JWKS_BYTES};
use crate::principal::PrincipalRules;

/// Unknown key ids cause at most one fetch per issuer in this time.
const MIN_FETCH_INTERVAL: Duration = Duration::from_secs(10);
/// How soon a scheduled fetch is tried again after one that failed.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// How long keys are believed after they were last seen published.
const MAX_KEY_AGE: Duration = Duration::from_hours(24);
/// How long one document may take.
const FETCH_TIME_LIMIT: Duration = Duration::from_secs(10);
/// The largest discovery document that is read, in bytes: usual ones are below 8 KiB.
const MAX_DISCOVERY_BYTES: usize = 64 << 10;
const DISCOVERY_LIMITS: Limits = Limits { max_bytes: MAX_DISCOVERY_BYTES, max_depth: 16, max_nodes: 8192 };

/// Why an issuer's keys could not be refreshed. For operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// A document did not come.
    #[error("cannot fetch {url}: {problem}")]
    Fetch {
        /// The address asked.
        url: String,
        /// What went wrong.
        problem: FetchError,
    },
    /// The discovery document is not to be believed.
    #[error("the discovery document {url} {problem}")]
    Discovery {
        /// Its address.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The key set is not to be used.
    #[error("the key set {url} is not used: {problem}")]
    Keys {
        /// Its address.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The fetch ended without an answer: the runtime stops, or the `Fetch` panicked.
    #[error("the fetch was cut short")]
    CutShort,
}

impl RefreshError {
    /// The provider's fault as far as the gateway can tell.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Fetch { problem: FetchError::Timeout, .. } => ErrorKind::Timeout,
            _ => ErrorKind::Upstream,
        }
    }
}

/// How an issuer's keys stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerStatus {
    /// The configured name.
    pub name: String,
    /// Keys that can be used.
    pub keys: usize,
    /// When they were last seen published.
    pub confirmed: Option<Timestamp>,
    /// Why the last refresh failed, if it did.
    pub problem: Option<RefreshError>,
}

pub(crate) struct Issuer {
    pub(crate) rules: PrincipalRules,
    /// The exact `iss`, and where discovery starts.
    url: String,
    algorithms: Vec<Algorithm>,
    jwks_url: Option<String>,
    refresh_every: Duration,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    published: ArcSwap<Published>,
    flight: Mutex<Flight>,
    /// Counts the fetches that have ended.
    landed: watch::Sender<u64>,
}

/// The keys, and when they were last seen published.
#[derive(Default)]
struct Published {
    keys: KeySet,
    confirmed: Option<Timestamp>,
}

/// The one fetch that may run.
#[derive(Default)]
struct Flight {
    running: bool,
    started: Option<Timestamp>,
    problem: Option<RefreshError>,
}

impl Issuer {
    pub(crate) fn new(
        config: &IssuerConfig,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            rules: PrincipalRules::new(config),
            url: config.issuer.clone(),
            algorithms: config.algorithms.clone(),
            jwks_url: config.jwks_url.clone(),
            refresh_every: config.refresh_every,
            fetch,
            clock,
            published: ArcSwap::default(),
            flight: Mutex::default(),
            landed: watch::Sender::new(0),
        })
    }

    /// The key that a token names. Waits for a fetch when it is unknown, if one is due.
    pub(crate) async fn key(self: &Arc<Self>, id: Option<&str>, algorithm: Algorithm) -> Result<Arc<Key>, AuthError> {
        if !self.algorithms.contains(&algorithm) {
            return Err(AuthError::Algorithm);
        }
        if let Some(key) = self.known_key(id, algorithm) {
            return Ok(key);
        }
        if let Some(landing) = self.take_off(Pace::Bounded) {
            landed(landing).await;
            if let Some(key) = self.known_key(id, algorithm) {
                return Ok(key);
            }
        }
        let name = self.rules.name.clone();
        if !self.is_fresh(self.clock.now()) || self.flight().problem.is_some() {
            Err(AuthError::KeysUnavailable { issuer: name })
        } else {
            Err(AuthError::UnknownKey { issuer: name })
        }
    }

    /// Whether the keys were seen published recently enough to be believed.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        self.published.load().is_fresh(now)
    }

    /// Fetches the keys, or waits for the fetch that runs already.
    pub(crate) async fn refresh(self: &Arc<Self>) {
        if let Some(landing) = self.take_off(Pace::Scheduled) {
            landed(landing).await;
        }
    }

    /// Refreshes the keys again and again. Never ends; dropping it stops the schedule.
    pub(crate) async fn keep_fresh(self: Arc<Self>) {
        loop {
            self.refresh().await;
            let failed = self.flight().problem.is_some();
            let pause = if failed { RETRY_AFTER.min(self.refresh_every) } else { self.refresh_every };
            tokio::time::sleep(pause).await;
        }
    }

    pub(crate) fn status(&self) -> IssuerStatus {
        let published = self.published.load();
        IssuerStatus {
            name: self.rules.name.clone(),
            keys: published.keys.len(),
            confirmed: published.confirmed,
            problem: self.flight().problem.clone(),
        }
    }

    fn known_key(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<Key>> {
        let published = self.published.load();
        published.is_fresh(self.clock.now()).then(|| published.keys.select(id, algorithm).cloned())?
    }

    /// Starts a fetch or joins the one that runs; none when it would be too soon after the last.
    fn take_off(self: &Arc<Self>, pace: Pace) -> Option<watch::Receiver<u64>> {
        let now = self.clock.now();
        let mut flight = self.flight();
        // Subscribed under the lock: a fetch that lands later is seen, one that has landed is not running.
        let landing = self.landed.subscribe();
        if flight.running {
            return Some(landing);
        }
        // A clock that stepped back does not count as recent: it would keep new keys out.
        let is_recent = |started: Timestamp| started <= now && now.since(started) < MIN_FETCH_INTERVAL;
        if pace == Pace::Bounded && flight.started.is_some_and(is_recent) {
            return None;
        }
        flight.running = true;
        flight.started = Some(now);
        drop(flight);

        let airborne = Airborne { issuer: Arc::clone(self), problem: Some(RefreshError::CutShort) };
        tokio::spawn(airborne.fly());
        Some(landing)
    }

    async fn load(&self) -> Result<KeySet, RefreshError> {
        let url = match &self.jwks_url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let bytes = self.get(&url, MAX_JWKS_BYTES).await?;
        KeySet::parse(bytes, &self.algorithms)
            .map_err(|problem: KeySetError| RefreshError::Keys { url, problem: problem.to_string() })
    }

    /// Reads `jwks_uri` from the discovery document, which must be this issuer's own (§4.3: "exactly match").
    async fn discover(&self) -> Result<String, RefreshError> {
        let base = self.url.strip_suffix('/').unwrap_or(&self.url);
        let url = format!("{base}/.well-known/openid-configuration");
        let bytes = self.get(&url, MAX_DISCOVERY_BYTES).await?;
        let problem = match Document::parse(bytes, &DISCOVERY_LIMITS) {
            Err(_) => "is no strict JSON",
            Ok(document) => {
                let root = document.root();
                let jwks_url = root.get("jwks_uri").and_then(|uri| uri.as_str());
                if !root.get("issuer").is_some_and(|issuer| issuer.is_string(&self.url)) {
                    "is another issuer's: its `issuer` is not exactly the configured one"
                } else if let Some(jwks_url) = jwks_url {
                    let address = Address::of(&jwks_url);
                    if address == Some(Address::Https) || (address.is_some() && address == Address::of(&self.url)) {
                        return Ok(jwks_url.into_owned());
                    }
                    "names a `jwks_uri` that is not https"
                } else {
                    "names no `jwks_uri`"
                }
            }
        };
        Err(RefreshError::Discovery { url, problem })
    }

    async fn get(&self, url: &str, max_bytes: usize) -> Result<Bytes, RefreshError> {
        let answer = tokio::time::timeout(FETCH_TIME_LIMIT, self.fetch.get(url)).await;
        match answer.unwrap_or(Err(FetchError::Timeout)) {
            Ok(bytes) if bytes.len() <= max_bytes => Ok(bytes),
            Ok(_) => Err(FetchError::TooLarge(max_bytes)),
            Err(problem) => Err(problem),
        }
        .map_err(|problem| RefreshError::Fetch { url: url.to_owned(), problem })
    }

    fn install(&self, keys: KeySet) {
        let keys = self.published.load().keys.succeeded_by(keys);
        self.published.store(Arc::new(Published { keys, confirmed: Some(self.clock.now()) }));
    }

    fn flight(&self) -> std::sync::MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Published {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.confirmed.is_some_and(|confirmed| now.since(confirmed) <= MAX_KEY_AGE)
    }
}

/// Whether a fetch has to keep [`MIN_FETCH_INTERVAL`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// A token asked for it: anyone can send those.
    Bounded,
    /// The gateway itself asked for it.
    Scheduled,
}

/// A running fetch. Dropping it lands it, also when the task panics or is cancelled, so nobody waits for ever.
struct Airborne {
    issuer: Arc<Issuer>,
    problem: Option<RefreshError>,
}

impl Airborne {
    async fn fly(mut self) {
        match self.issuer.load().await {
            Ok(keys) => {
                self.issuer.install(keys);
                self.problem = None;
            }
            Err(problem) => self.problem = Some(problem),
        }
    }
}

impl Drop for Airborne {
    fn drop(&mut self) {
        let issuer = &self.issuer;
        if let Some(problem) = &self.problem {
            tracing::warn!(issuer = %issuer.rules.name, %problem, "keys not refreshed");
        }
        let mut flight = issuer.flight();
        flight.running = false;
        flight.problem = self.problem.take();
        drop(flight);
        issuer.landed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Waits until the fetch has ended. The sender outlives it: the issuer holds it.
async fn landed(mut landing: watch::Receiver<u64>) {
    let _ = landing.changed().await;
}
