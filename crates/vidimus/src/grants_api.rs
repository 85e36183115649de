//! Grants and break-glass over the socket and over HTTP: asked for, listed, fetched, ended.
//!
//! Over HTTP (`/api/v1/grants` and `/api/v1/break-glass`, on the clients' listener) whoever asks is who its bearer token
//! says; over the socket the same with a token, and the local account without one, which may look and asks for nothing.
//! Bodies are JSON, small and strict. A credential is in one answer, which is never stored. Refused: other `Host` and
//! `Origin` than the gateway's own, other methods than GET and POST, and the credential of a grant in the place of a token.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use serde::{Deserialize, Serialize};
use vidimus_core::{ErrorKind, Principal};
use vidimus_gate::{Caller, Gate, GrantError, GrantWanted, Granter, Issue, Masking, ViewError};
use vidimus_net::server::Peer;
use vidimus_net::{Incoming, OriginPolicy};
use vidimus_store::StoreError;

use crate::approvals::{self, Request as Asked};
use crate::config;
use crate::people_api::{self, Refused};

/// Where grants are on the socket; over HTTP the same below `/api`.
pub(crate) const GRANTS: &str = "/v1/grants";
/// Where the glass is broken.
pub(crate) const BREAK_GLASS: &str = "/v1/break-glass";

/// What stands before these over HTTP.
const OVER_HTTP: &str = "/api";
/// The largest body, in bytes.
const MAX_BODY: usize = 16 << 10;
/// How long it may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The body of a request for a grant, or for break-glass.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) target: String,
    /// Which grant; of the target's only one if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grant: Option<String>,
    /// How long, as in the configuration: `1h`.
    #[serde(rename = "for")]
    pub(crate) length: String,
    pub(crate) reason: String,
}

/// The body of a revocation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revocation {
    pub(crate) reason: String,
}

/// The answer to `/v1/grants`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GrantList {
    /// The latest first.
    pub(crate) grants: Vec<Asked>,
}

/// The answer to `/v1/grants/{id}/credential`, once.
#[derive(Serialize, Deserialize)]
pub(crate) struct Credential {
    pub(crate) grant: Asked,
    /// The bearer token.
    pub(crate) token: String,
    pub(crate) until: String,
}

/// Answers requests for grants. Cheap to clone.
#[derive(Clone)]
pub(crate) struct GrantsApi {
    gate: Gate,
    granter: Granter,
    /// How reasons are masked.
    masking: Masking,
    origins: Arc<OriginPolicy>,
}

impl GrantsApi {
    pub(crate) fn new(gate: &Gate, granter: Granter, masking: Masking, origins: OriginPolicy) -> Self {
        Self { gate: gate.clone(), granter, masking, origins: Arc::new(origins) }
    }

    /// Whether a request over HTTP is for this.
    pub(crate) fn is_asked(uri: &Uri) -> bool {
        uri.path().strip_prefix(OVER_HTTP).is_some_and(Self::is_path)
    }

    /// Whether a path on the socket is.
    pub(crate) fn is_path(path: &str) -> bool {
        let below =
            |prefix| path.strip_prefix(prefix).is_some_and(|rest: &str| rest.is_empty() || rest.starts_with('/'));
        below(GRANTS) || below(BREAK_GLASS)
    }

    /// Answers one request over HTTP.
    pub(crate) async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let caller = people_api::caller(&self.gate, &self.origins, request.headers(), peer.address()).await;
        let caller = match caller {
            Ok(caller) => caller,
            Err(response) => return *response,
        };
        let path = request.uri().path().strip_prefix(OVER_HTTP).unwrap_or_default().to_owned();
        people_api::answer(self.answered(caller.principal(), Some(&caller), &path, request).await)
    }

    /// Answers a request for what is at `path`, as it is on the socket. Without a caller it is the local account's.
    pub(crate) async fn answered(
        &self,
        principal: &Principal,
        caller: Option<&Caller>,
        path: &str,
        request: Request<Incoming>,
    ) -> Result<Bytes, Refused> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let method = request.method().clone();
        let bad = |error| (StatusCode::BAD_REQUEST, error);
        if path == BREAK_GLASS && method == Method::POST {
            let caller = caller.ok_or_else(nobody)?;
            let person = self.gate.person(caller).map_err(|error| (StatusCode::FORBIDDEN, error.to_string()))?;
            let wanted = wanted(&body(request).await?).map_err(bad)?;
            if wanted.name.is_some() {
                return Err(bad("break-glass is no grant of the configuration: leave `grant` out".to_owned()));
            }
            return shown(self.granter.break_glass(&person, caller, &wanted, &self.masking).await);
        }
        let rest = path.strip_prefix(GRANTS).unwrap_or("/unknown/path/of/grants");
        let parts: Vec<&str> = rest.trim_matches('/').split('/').collect();
        match (&method, parts.as_slice()) {
            (&Method::GET, [""]) => {
                let listed = self.granter.list(principal, approvals::filter(&query).map_err(bad)?).await;
                let grants = listed.map_err(|error| refused(&error))?.into_iter().map(Into::into).collect();
                json(&GrantList { grants })
            }
            (&Method::GET, [id]) => shown(self.granter.show(principal, id).await),
            (&Method::POST, [""]) => {
                let caller = caller.ok_or_else(nobody)?;
                let wanted = wanted(&body(request).await?).map_err(bad)?;
                shown(self.granter.request(caller, &wanted, &self.masking).await)
            }
            (&Method::POST, [id, "credential"]) => {
                let caller = caller.ok_or_else(nobody)?;
                let issued = self.granter.credential(caller, id).await;
                let Issue { grant, token, until } = issued.map_err(|error| refused(&error))?;
                json(&Credential { grant: grant.into(), token: token.to_string(), until })
            }
            (&Method::POST, [id, "revocation"]) => {
                let (id, principal) = ((*id).to_owned(), principal.clone());
                let asked = serde_json::from_slice(&body(request).await?);
                let Revocation { reason } = asked.map_err(|error| bad(format!("the body: {error}")))?;
                shown(self.granter.revoke(&principal, &id, &reason, &self.masking).await)
            }
            (&Method::GET | &Method::POST, _) => Err((StatusCode::NOT_FOUND, "no such path".to_owned())),
            _ => Err((StatusCode::METHOD_NOT_ALLOWED, "only GET and POST".to_owned())),
        }
    }
}

fn nobody() -> Refused {
    (StatusCode::FORBIDDEN, "give a token of an issuer: grants are for whom one vouches for".to_owned())
}

/// The body of a request, all of it.
async fn body(request: Request<Incoming>) -> Result<Bytes, Refused> {
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(request.into_body(), MAX_BODY).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => {
            let text = format!("the body is broken off, or longer than {MAX_BODY} bytes");
            Err((StatusCode::BAD_REQUEST, text))
        }
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body did not come in time".to_owned())),
    }
}

fn wanted(body: &[u8]) -> Result<GrantWanted, String> {
    let wanted: Wanted = serde_json::from_slice(body).map_err(|error| format!("the body: {error}"))?;
    let length = config::duration(&wanted.length).map_err(|error| format!("`for`: {error}"))?;
    Ok(GrantWanted { target: wanted.target, name: wanted.grant, length, reason: wanted.reason })
}

fn shown(grant: Result<vidimus_store::Approval, GrantError>) -> Result<Bytes, Refused> {
    json(&Asked::from(grant.map_err(|error| refused(&error))?))
}

fn json(value: &impl Serialize) -> Result<Bytes, Refused> {
    let foreign = |_| (StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written".to_owned());
    serde_json::to_vec(value).map(Bytes::from).map_err(foreign)
}

fn refused(error: &GrantError) -> Refused {
    let status = match error.kind() {
        _ if error.is_conflict() => StatusCode::CONFLICT,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Malformed => StatusCode::BAD_REQUEST,
        ErrorKind::Limit => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = match error {
        GrantError::Store(error @ StoreError::Database(_))
        | GrantError::View(ViewError::Store(error @ StoreError::Database(_))) => error.public_message(),
        error => error.to_string(),
    };
    (status, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_where_how_long_and_why_and_nothing_else() {
        let asked = wanted(br#"{"target":"crm","for":"90m","reason":"ticket 4711"}"#).unwrap();
        assert_eq!((asked.length, asked.name), (Duration::from_mins(90), None));
        for bad in [
            "",
            "[]",
            r#"{"target":"crm","for":"1h"}"#,
            r#"{"target":"crm","for":"1w","reason":"x"}"#,
            r#"{"target":"crm","for":3600,"reason":"x"}"#,
            r#"{"target":"crm","for":"1h","reason":"x","who":"corp|bob"}"#,
            r#"{"target":"crm","target":"ops","for":"1h","reason":"x"}"#,
        ] {
            assert!(wanted(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_these_and_what_is_below_them() {
        for path in ["/v1/grants", "/v1/grants/0199/credential", "/v1/break-glass"] {
            assert!(GrantsApi::is_path(path), "{path}");
        }
        for path in ["/v1/grantsx", "/v1/approvals", "/grants", ""] {
            assert!(!GrantsApi::is_path(path), "{path}");
        }
    }
}
