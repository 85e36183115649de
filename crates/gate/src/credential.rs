//! What a target is shown: a token for the gateway or for the caller, each request for one on record.
//!
//! Adapters see none of it: it is put into a request after the adapter has handed it over. A caller's token is held by its
//! sessions at targets that need it, for as long as those are open, and goes to the token endpoint of that target alone.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use vidimus_core::event::{self, Body, CredentialStep};
use vidimus_core::{Durability, TargetName};
use vidimus_credential::{
    Asked, Credential, CredentialError, Grant, Holder, Issued, Observer, Rules, Subject, TokenHttp,
};

use crate::context::{SessionContext, TargetSpec};
use crate::evidence::EvidenceError;
use crate::shared::Shared;
use crate::standing::Kind;

/// What a target is shown in every request. Made by [`Gate::credential`](crate::Gate::credential).
#[derive(Debug, Clone)]
pub struct TargetCredential {
    tokens: Credential,
    /// What the gateway shows for itself, where that is no token of its own.
    own: Option<HeaderValue>,
}

/// What was shown in a request.
pub(crate) enum Shown {
    /// What the operator set.
    Fixed(HeaderValue),
    /// A token.
    Token(Arc<Issued>),
}

impl Shown {
    pub(crate) fn header(&self) -> HeaderValue {
        match self {
            Self::Fixed(header) => header.clone(),
            Self::Token(issued) => issued.header(),
        }
    }
}

impl TargetCredential {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        target: &TargetSpec,
        (rules, http): (Rules, Arc<dyn TokenHttp>),
        own: Option<HeaderValue>,
    ) -> Self {
        let clock = Arc::clone(&shared.evidence.clock);
        let (target, durability) = (target.name.clone(), target.durability);
        let recorder = Recorder { shared: Arc::clone(shared), target, durability };
        Self { tokens: Credential::new(rules, http, Arc::new(recorder), clock), own }
    }

    /// What a request of a session shows, with its caller's token.
    pub(crate) async fn shown(
        &self,
        session: &SessionContext,
        subject: Option<&Arc<Subject>>,
    ) -> Result<Shown, CredentialError> {
        let holder = match (self.tokens.grant(), session.party().kind, subject) {
            (Grant::TokenExchange { .. }, Kind::Own, _) => match &self.own {
                Some(own) => return Ok(Shown::Fixed(own.clone())),
                None => Holder::Gateway,
            },
            (Grant::ClientCredentials, ..) => Holder::Gateway,
            (Grant::TokenExchange { .. }, _, Some(subject)) => Holder::Caller(subject),
            // Never the gateway's own in a caller's name.
            (Grant::TokenExchange { .. }, _, None) => return Err(CredentialError::Expired),
        };
        Ok(Shown::Token(self.tokens.token(holder, None).await?))
    }

    /// Another token than one that the target refused, if one is to be had.
    pub(crate) async fn another(
        &self,
        session: &SessionContext,
        subject: Option<&Arc<Subject>>,
        refused: &Shown,
    ) -> Option<HeaderValue> {
        let Shown::Token(refused) = refused else { return None };
        let holder = match (self.tokens.grant(), session.party().kind, subject) {
            (Grant::TokenExchange { .. }, Kind::Caller, Some(subject)) => Holder::Caller(subject),
            _ => Holder::Gateway,
        };
        match self.tokens.token(holder, Some(refused)).await {
            Ok(fresh) if !Arc::ptr_eq(&fresh, refused) => Some(fresh.header()),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, session = %session.id(), "a target refuses its credential, and there is no other");
                None
            }
        }
    }
}

/// Records what is asked of token endpoints for one target.
struct Recorder {
    shared: Arc<Shared>,
    target: TargetName,
    durability: Durability,
}

impl Recorder {
    fn append(&self, asked: Asked<'_>, step: CredentialStep<'_>) -> Result<vidimus_log::Position, EvidenceError> {
        let Asked { grant, caller, endpoint, audience, is_refresh } = asked;
        let body = Body::Credential(event::Credential { kind: grant.name(), endpoint, audience, is_refresh, step });
        let evidence = &self.shared.evidence;
        let own = self.shared.own_id();
        let who = caller.unwrap_or(&own);
        let written = self.shared.control.append_for(evidence, Some(who), Some(self.target.as_str()), body)?;
        Ok(written.position)
    }
}

impl Observer for Recorder {
    fn asked<'a>(&'a self, asked: Asked<'a>) -> Pin<Box<dyn Future<Output = Result<(), CredentialError>> + Send + 'a>> {
        Box::pin(async move {
            let settled = match self.append(asked, CredentialStep::Requested) {
                Ok(position) => self.shared.evidence.settle(self.durability, position).await,
                Err(error) => Err(error),
            };
            settled.map_err(|error| unrecorded(&error))
        })
    }

    fn answered(&self, asked: Asked<'_>, answer: Result<&Issued, &CredentialError>) -> Result<(), CredentialError> {
        let recorded = match answer {
            Ok(issued) => {
                let name = hmac::sign(&self.shared.token_names, issued.expose().as_bytes());
                let token = format!("hmac-sha256:{}", STANDARD.encode(name));
                self.append(asked, CredentialStep::Issued { token: &token, seconds: issued.lifetime().as_secs() })
            }
            Err(error) => self.append(asked, CredentialStep::Failed { reason: error.label() }),
        };
        recorded.map(drop).map_err(|error| unrecorded(&error))
    }
}

fn unrecorded(error: &EvidenceError) -> CredentialError {
    tracing::error!(%error, "a request for a token cannot be recorded");
    CredentialError::Unrecorded
}
