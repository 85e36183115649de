//! The evidence socket: `sessions` and `log` of the command line, answered by the running gateway.
//!
//! The caller is who the kernel says it is (`SO_PEERCRED`): principal `User::"local|UID"`, in group `local/owner`
//! when it is the gateway's own user or root. Policy decides as for anybody else, and every read is on record.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use serde::Serialize;
use vidimus_core::{ErrorKind, EventId, Principal, PrincipalKind};
use vidimus_gate::{Gate, ViewError, Viewer};
use vidimus_log::VerifierKey;
use vidimus_net::server::Peer;

use crate::api::{self, ErrorBody, LogStatus, ProofFile, Recording, SessionDetail, SessionList};

/// The issuer of local principals.
const LOCAL: &str = "local";

/// Answers the evidence socket. Cheap to clone.
#[derive(Clone)]
pub(crate) struct EvidenceApi {
    viewer: Viewer,
    key: VerifierKey,
}

/// Why a request was not answered.
enum Failure {
    /// The request is not one of this interface.
    Bad(StatusCode, String),
    /// Evidence was not shown.
    View(ViewError),
    /// What is shown is not what this program writes.
    Foreign,
}

impl From<serde_json::Error> for Failure {
    fn from(_: serde_json::Error) -> Self {
        Self::Foreign
    }
}

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        Self::View(error)
    }
}

impl EvidenceApi {
    /// Shows the evidence of this gate.
    pub(crate) fn new(gate: &Gate) -> Self {
        Self { viewer: gate.viewer(), key: gate.log_key().clone() }
    }

    /// Answers one request.
    pub(crate) async fn answer<B>(&self, peer: Peer, request: Request<B>) -> Response<Full<Bytes>> {
        let answered = match (peer, request.method()) {
            (Peer::User(uid), &Method::GET) => self.routed(&local_principal(uid), request.uri()).await,
            (Peer::User(_), _) => Err(Failure::Bad(StatusCode::METHOD_NOT_ALLOWED, "only GET".into())),
            (Peer::Address(_), _) => Err(Failure::Bad(StatusCode::FORBIDDEN, "only over the socket".into())),
        };
        let (status, body) = match answered {
            Ok(body) => (StatusCode::OK, body),
            Err(failure) => failed(&failure),
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    async fn routed(&self, principal: &Principal, uri: &Uri) -> Result<Bytes, Failure> {
        let path: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
        match path.as_slice() {
            ["v1", "sessions"] => {
                let filter = api::from_query(uri.query().unwrap_or_default())
                    .map_err(|error| Failure::Bad(StatusCode::BAD_REQUEST, error))?;
                let rows = self.viewer.sessions(principal, filter).await?;
                json(&SessionList { sessions: rows.into_iter().map(Into::into).collect() })
            }
            ["v1", "sessions", id] => json(&SessionDetail::try_from(self.viewer.session(principal, id).await?)?),
            ["v1", "sessions", id, "recording"] => {
                json(&Recording::try_from(self.viewer.recording(principal, id).await?)?)
            }
            ["v1", "log", "status"] => json(&LogStatus::new(&self.viewer.status(principal).await?, &self.key)),
            ["v1", "log", "proof", event] => {
                let event: EventId =
                    event.parse().map_err(|_| Failure::Bad(StatusCode::BAD_REQUEST, "an event id is a UUID".into()))?;
                let (leaf, proof) = self.viewer.proof(principal, event).await?;
                json(&ProofFile::new(&leaf, &proof, &self.key)?)
            }
            _ => Err(Failure::Bad(StatusCode::NOT_FOUND, "no such path".into())),
        }
    }
}

/// The principal of a process on this machine.
fn local_principal(uid: u32) -> Principal {
    let is_owner = uid == rustix::process::geteuid().as_raw() || uid == 0;
    Principal {
        kind: PrincipalKind::User,
        issuer: LOCAL.into(),
        subject: uid.to_string(),
        groups: if is_owner { vec![format!("{LOCAL}/owner")] } else { Vec::new() },
        display: None,
        actor_chain: Vec::new(),
        amr: Vec::new(),
        client_id: None,
    }
}

fn json(value: &impl Serialize) -> Result<Bytes, Failure> {
    Ok(Bytes::from(serde_json::to_vec(value)?))
}

fn failed(failure: &Failure) -> (StatusCode, Bytes) {
    let (status, error) = match failure {
        Failure::Bad(status, message) => (*status, message.clone()),
        Failure::Foreign => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the log holds what is no event: run `vidimus log verify`".to_owned())
        }
        Failure::View(error) => {
            let status = match error.kind() {
                ErrorKind::Denied => StatusCode::FORBIDDEN,
                ErrorKind::NotFound => StatusCode::NOT_FOUND,
                ErrorKind::Malformed => StatusCode::BAD_REQUEST,
                ErrorKind::Limit => StatusCode::UNPROCESSABLE_ENTITY,
                ErrorKind::Evidence => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, error.to_string())
        }
    };
    let help = (status == StatusCode::FORBIDDEN)
        .then(|| "evidence is read by policy: permit recording.view or log.read to Group::\"local/owner\"".to_owned());
    let body = serde_json::to_vec(&ErrorBody { error, help }).unwrap_or_default();
    (status, Bytes::from(body))
}
