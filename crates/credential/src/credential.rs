//! A target's credential: whose token is shown, and how it is come by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use vidimus_core::Clock;
use vidimus_core::json::{Document, Limits};

use crate::answer::{Issued, refusal};
use crate::error::CredentialError;
use crate::http::{HttpAnswer, HttpError, TokenHttp};
use crate::observer::{Asked, Observer};
use crate::request::{Proof, form};
use crate::rules::{Endpoint, Grant, Rules};
use crate::slot::{Failures, Slot, Time};
use crate::subject::Subject;

/// Requests to one token endpoint at once.
const REQUESTS: usize = 16;
/// The largest metadata that is read, in bytes.
const METADATA: Limits = Limits { max_bytes: 64 << 10, max_depth: 16, max_nodes: 8192 };

/// A target's credential. Cheap to clone.
#[derive(Clone)]
pub struct Credential(Arc<Inner>);

struct Inner {
    /// Tells credentials apart where tokens of several hang on one caller's.
    number: u64,
    rules: Rules,
    http: Arc<dyn TokenHttp>,
    observer: Arc<dyn Observer>,
    time: Time,
    own: Arc<Slot>,
    /// The token endpoint that the issuer's metadata names.
    found: Mutex<Option<Arc<str>>>,
    failed: Mutex<Failures>,
    places: Semaphore,
}

/// For whom a token is shown.
#[derive(Debug, Clone, Copy)]
pub enum Holder<'a> {
    /// For the gateway itself.
    Gateway,
    /// For the caller with this token.
    Caller(&'a Arc<Subject>),
}

impl Credential {
    /// By these rules.
    pub fn new(rules: Rules, http: Arc<dyn TokenHttp>, observer: Arc<dyn Observer>, clock: Arc<dyn Clock>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Self(Arc::new(Inner {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            rules,
            http,
            observer,
            time: Time::new(clock),
            own: Arc::default(),
            found: Mutex::default(),
            failed: Mutex::default(),
            places: Semaphore::new(REQUESTS),
        }))
    }

    /// By which grant callers' tokens are come by.
    pub fn grant(&self) -> Grant {
        self.0.rules.grant
    }

    /// A good token for `holder`; another one than `refused`, if one may be asked for. Waits for at most one request for
    /// each token. Cancel safe.
    pub async fn token(
        &self,
        holder: Holder<'_>,
        refused: Option<&Arc<Issued>>,
    ) -> Result<Arc<Issued>, CredentialError> {
        let inner = &self.0;
        match (inner.rules.grant, holder) {
            (Grant::ClientCredentials, _) | (_, Holder::Gateway) => inner.own(refused).await,
            (Grant::TokenExchange { subject_is_jwt, names_actor }, Holder::Caller(subject)) => {
                let request = |known: Option<Arc<Issued>>| {
                    let exchange = Exchange { subject: Arc::clone(subject), subject_is_jwt, names_actor, known };
                    exchange.run(Arc::clone(inner))
                };
                subject.slot(inner.number).obtain(refused, &inner.time, request).await
            }
        }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Credential").field(&self.0.rules).finish()
    }
}

/// One exchange of a caller's token.
struct Exchange {
    subject: Arc<Subject>,
    subject_is_jwt: bool,
    names_actor: bool,
    /// What was issued last.
    known: Option<Arc<Issued>>,
}

impl Exchange {
    async fn run(self, inner: Arc<Inner>) -> Result<Issued, CredentialError> {
        // A token that renews itself would outlive what the caller proved.
        if inner.time.is_past(self.subject.expires) {
            return Err(CredentialError::Expired);
        }
        let caller = Some(self.subject.who());
        if let Some(refresh) = self.known.as_ref().and_then(|known| known.refresh.as_ref()) {
            match inner.ask(&Proof::Refresh(refresh), caller).await {
                Err(CredentialError::Refused { .. } | CredentialError::Subject { .. }) => {}
                answer => return answer,
            }
        }
        let actor = if self.names_actor { Some(inner.own(None).await?) } else { None };
        let proof = Proof::Subject {
            token: self.subject.expose(),
            is_jwt: self.subject_is_jwt,
            actor: actor.as_deref().map(Issued::expose),
        };
        inner.ask(&proof, caller).await
    }
}

impl Inner {
    /// The gateway's own token.
    async fn own(self: &Arc<Self>, refused: Option<&Arc<Issued>>) -> Result<Arc<Issued>, CredentialError> {
        let request = |_| {
            let inner = Arc::clone(self);
            async move { inner.ask(&Proof::Client, None).await }
        };
        self.own.obtain(refused, &self.time, request).await
    }

    /// Asks for a token, on record.
    async fn ask(&self, proof: &Proof<'_>, caller: Option<&str>) -> Result<Issued, CredentialError> {
        let _place = self.places.acquire().await.map_err(|_| CredentialError::CutShort)?;
        if let Some(error) = self.failures().pause(self.time.now()) {
            return Err(error);
        }
        let endpoint = match self.endpoint().await {
            Ok(endpoint) => endpoint,
            Err(error) => {
                self.failures().failed(error.clone(), self.time.now());
                return Err(error);
            }
        };
        let grant = match proof {
            Proof::Client => Grant::ClientCredentials,
            Proof::Subject { .. } | Proof::Refresh(_) => self.rules.grant,
        };
        let shown = endpoint.split(['?', '#']).next().unwrap_or_default();
        let is_refresh = matches!(proof, Proof::Refresh(_));
        let asked = Asked { grant, caller, endpoint: shown, audience: self.rules.purpose(), is_refresh };
        self.observer.asked(asked).await?;
        let answer = self.answered(proof, &endpoint, shown).await;
        match &answer {
            Err(error) if error.is_of_the_endpoint() => {
                tracing::warn!(%error, "no token for a target");
                // It may have moved.
                *self.found() = None;
                self.failures().failed(error.clone(), self.time.now());
            }
            Err(error) => tracing::warn!(%error, "no token for a target"),
            Ok(_) => self.failures().succeeded(),
        }
        self.observer.answered(asked, answer.as_ref())?;
        answer
    }

    async fn answered(&self, proof: &Proof<'_>, endpoint: &str, shown: &str) -> Result<Issued, CredentialError> {
        let (form, authorization) = form(&self.rules, proof);
        let sent = self.time.now();
        let answer = self.http.post(endpoint, authorization, form).await.map_err(|error| unheard(shown, error))?;
        let is_exchange = matches!(proof, Proof::Subject { .. });
        if answer.status == 200 {
            return Issued::read(answer, sent, shown, is_exchange);
        }
        let mut secrets = vec![&**self.rules.client_secret];
        match proof {
            Proof::Client => {}
            Proof::Subject { token, actor, .. } => secrets.extend(std::iter::once(*token).chain(*actor)),
            Proof::Refresh(token) => secrets.push(token),
        }
        let endpoint = shown.to_owned();
        match refusal(&answer, &secrets).filter(|_| (400..500).contains(&answer.status) && answer.status != 429) {
            // RFC 8693 §2.2.2: `invalid_request` is said of a subject token that is not valid; many say `invalid_grant`.
            Some((code, reason)) if is_exchange && ["invalid_grant", "invalid_request"].contains(&&*code) => {
                Err(CredentialError::Subject { endpoint, reason })
            }
            Some((_, reason)) => Err(CredentialError::Refused { endpoint, reason }),
            // It refuses, in words of its own.
            None if (400..500).contains(&answer.status) && answer.status != 429 => {
                Err(CredentialError::Refused { endpoint, reason: format!("it answered {}", answer.status) })
            }
            None => Err(CredentialError::Unavailable { endpoint, problem: format!("it answered {}", answer.status) }),
        }
    }

    async fn endpoint(&self) -> Result<Arc<str>, CredentialError> {
        let issuer = match &self.rules.endpoint {
            Endpoint::Token(url) => return Ok(Arc::from(&**url)),
            Endpoint::Issuer(issuer) => issuer,
        };
        let known = self.found().clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let found: Arc<str> = self.discovered(issuer).await?.into();
        *self.found() = Some(Arc::clone(&found));
        Ok(found)
    }

    /// The token endpoint of an issuer, out of its own metadata.
    async fn discovered(&self, issuer: &str) -> Result<String, CredentialError> {
        let wrong = |problem: String| CredentialError::Metadata { issuer: issuer.to_owned(), problem };
        let mut last = "there is none".to_owned();
        for url in places(issuer) {
            let HttpAnswer { status, body } = self.http.get(&url).await.map_err(|error| unheard(&url, error))?;
            if status != 200 {
                last = format!("{url} answered {status}");
                continue;
            }
            let document = Document::parse(body, &METADATA).map_err(|_| wrong(format!("{url} is no strict JSON")))?;
            let root = document.root();
            if !root.get("issuer").is_some_and(|named| named.is_string(issuer)) {
                return Err(wrong(format!(
                    "{url} is another issuer's: its `issuer` is not exactly the configured one"
                )));
            }
            let endpoint = root.get("token_endpoint").and_then(|endpoint| endpoint.as_str());
            let endpoint = endpoint.ok_or_else(|| wrong(format!("{url} names no token_endpoint")))?;
            let is_private = endpoint.starts_with("https://") || issuer.starts_with("http://");
            return if is_private {
                Ok(endpoint.into_owned())
            } else {
                Err(wrong(format!("{url} names a token_endpoint that is not https")))
            };
        }
        Err(wrong(last))
    }

    fn found(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unheard(endpoint: &str, error: HttpError) -> CredentialError {
    let endpoint = endpoint.to_owned();
    match error {
        HttpError::Timeout => CredentialError::Timeout { endpoint },
        HttpError::Failed(problem) => CredentialError::Unavailable { endpoint, problem },
    }
}

/// Where the metadata of an issuer may be: RFC 8414 §3.1, then OpenID Connect Discovery 1.0 §4.
fn places(issuer: &str) -> [String; 2] {
    let base = issuer.trim_end_matches('/');
    let path = base.find("://").and_then(|scheme| base.get(scheme + 3..)?.find('/').map(|slash| scheme + 3 + slash));
    let (host, path) = path.and_then(|at| base.split_at_checked(at)).unwrap_or((base, ""));
    [format!("{host}/.well-known/oauth-authorization-server{path}"), format!("{base}/.well-known/openid-configuration")]
}

#[cfg(test)]
mod tests;
