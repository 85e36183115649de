//! What waits for approval, over the socket and over HTTP: lists, one request, and people's decisions.
//!
//! Over HTTP (`/api/v1/approvals`, on the clients' listener) whoever asks is who its bearer token says. Over the socket it is
//! the local account, which decides on nothing, or whose token is given. Refused: other `Host` and `Origin` than the
//! gateway's own, other methods than GET and POST, and decisions of whoever is no person.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use vidimus_core::{ErrorKind, Principal};
use vidimus_gate::{Approver, ApproverError, Caller, Gate, Masking};
use vidimus_net::OriginPolicy;
use vidimus_net::server::Peer;
use vidimus_store::StoreError;

use crate::approvals::{self, ApprovalList, RequestDetail};
use crate::people_api::{self, Refused};

/// Where the requests are over HTTP.
const PREFIX: &str = "/api/v1/approvals";

/// Answers requests for what waits for approval. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ApprovalsApi {
    gate: Gate,
    approver: Approver,
    /// How reasons are masked.
    masking: Masking,
    origins: Arc<OriginPolicy>,
}

impl ApprovalsApi {
    pub(crate) fn new(gate: &Gate, masking: Masking, origins: OriginPolicy) -> Self {
        Self { gate: gate.clone(), approver: gate.approver(), masking, origins: Arc::new(origins) }
    }

    /// Whether a request over HTTP is for this.
    pub(crate) fn is_asked(uri: &Uri) -> bool {
        uri.path().strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers one request over HTTP.
    pub(crate) async fn answer<B>(&self, peer: Peer, request: &Request<B>) -> Response<Full<Bytes>> {
        let caller = people_api::caller(&self.gate, &self.origins, request.headers(), peer.address()).await;
        let caller = match caller {
            Ok(caller) => caller,
            Err(response) => return *response,
        };
        let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
        let query = request.uri().query().unwrap_or_default();
        let answered = match *request.method() {
            Method::GET => self.read(caller.principal(), path, query).await,
            Method::POST => self.decide(Some(&caller), path, query).await,
            _ => Err((StatusCode::METHOD_NOT_ALLOWED, "only GET and POST".to_owned())),
        };
        people_api::answer(answered)
    }

    /// The list, or one request: `path` is what follows the list's own.
    pub(crate) async fn read(&self, principal: &Principal, path: &str, query: &str) -> Result<Bytes, Refused> {
        match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
            [""] => {
                let filter = approvals::filter(query).map_err(|error| (StatusCode::BAD_REQUEST, error))?;
                let listed = self.approver.list(principal, filter).await.map_err(|error| refused(&error))?;
                json(&ApprovalList { approvals: listed.into_iter().map(Into::into).collect() })
            }
            [id] => {
                let shown = self.approver.show(principal, id).await.map_err(|error| refused(&error))?;
                json(&RequestDetail::try_from(shown).map_err(|_| foreign())?)
            }
            _ => Err((StatusCode::NOT_FOUND, "no such path".to_owned())),
        }
    }

    /// A decision on one request.
    pub(crate) async fn decide(&self, caller: Option<&Caller>, path: &str, query: &str) -> Result<Bytes, Refused> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let [id, word] = parts.as_slice() else { return Err((StatusCode::NOT_FOUND, "no such path".to_owned())) };
        let (version, deed) = approvals::deed(word, query).map_err(|error| (StatusCode::BAD_REQUEST, error))?;
        let none = || "deciding is done by persons: give a token that an issuer gave to one".to_owned();
        let person =
            caller.ok_or_else(none).and_then(|caller| self.gate.person(caller).map_err(|error| error.to_string()));
        let person = person.map_err(|error| (StatusCode::FORBIDDEN, error))?;
        let decided = self.approver.decide(&person, (id, version), deed, &self.masking).await;
        json(&approvals::Request::from(decided.map_err(|error| refused(&error))?))
    }
}

fn json(value: &impl serde::Serialize) -> Result<Bytes, Refused> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|_| foreign())
}

fn foreign() -> Refused {
    (StatusCode::INTERNAL_SERVER_ERROR, "the log holds what is no event: run `vidimus log verify`".to_owned())
}

fn refused(error: &ApproverError) -> Refused {
    let status = match error.kind() {
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Malformed if matches!(error, ApproverError::Reason | ApproverError::Store(_)) => {
            StatusCode::BAD_REQUEST
        }
        ErrorKind::Malformed => StatusCode::CONFLICT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = match error {
        ApproverError::Store(error @ StoreError::Database(_)) => error.public_message(),
        error => error.to_string(),
    };
    (status, text)
}
