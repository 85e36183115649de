//! The evidence socket: `sessions`, `log` and `tools` of the command line, answered by the running gateway.
//!
//! The caller is who the kernel says it is (`SO_PEERCRED`): principal `User::"local|UID"`, in group `local/owner`
//! when it is the gateway's own user or root. Policy decides on evidence as for anybody else, and every read is on record.
//! Who changes the custody of a recording may say who it is by a token, and must to erase one.
//! The tools of targets are no evidence: the gateway's own user and root may see them, and how they stand to what is
//! accepted; to accept more is decided by policy.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use serde::Serialize;
use tokio::sync::{Semaphore, watch};
use vidimus_core::{ErrorKind, EventId, Principal, PrincipalKind, TargetName};
use vidimus_gate::{Caller, CustodyError, Gate, Notice, PinError, Rule, Selection, ViewError, Viewer};
use vidimus_log::VerifierKey;
use vidimus_mcp::Adapter;
use vidimus_net::Incoming;
use vidimus_net::server::Peer;
use vidimus_store::{MAX_SESSIONS, SessionFilter, StoreError};

use crate::api::{
    self, CustodyState, ErrorBody, LogStatus, ProofFile, Recording, RetentionStatus, SessionDetail, SessionList,
    ToolList,
};
use crate::approvals;
use crate::approvals_api::ApprovalsApi;
use crate::archive_stream::{self, ApiBody};
use crate::config::{Config, LOCAL_ISSUER, Masking, OWN_ISSUER};
use crate::grants_api::GrantsApi;
use crate::integrity;
use crate::pins_api::{self, PINS};
use crate::witnesses::Watch;

/// Answers the evidence socket. Cheap to clone.
#[derive(Clone)]
pub(crate) struct EvidenceApi {
    gate: Gate,
    viewer: Viewer,
    keys: Arc<[VerifierKey]>,
    witnesses: watch::Receiver<Vec<Watch>>,
    adapter: Adapter,
    integrity: watch::Receiver<integrity::Progress>,
    rules: Arc<[Rule]>,
    /// Knows the names of data classes.
    masking: Arc<Masking>,
    /// What waits for approval.
    approvals: ApprovalsApi,
    /// Access for a time.
    grants: GrantsApi,
    /// One export at a time: each holds a session's payloads in memory.
    exports: Arc<Semaphore>,
}

/// Why a request was not answered.
enum Failure {
    /// The request is not one of this interface.
    Bad(StatusCode, String),
    /// Evidence was not shown.
    View(ViewError),
    /// A recording's custody is as it was.
    Custody(CustodyError),
    /// A definition is not accepted.
    Pin(PinError),
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

impl From<CustodyError> for Failure {
    fn from(error: CustodyError) -> Self {
        match error {
            CustodyError::View(error) => Self::View(error),
            error => Self::Custody(error),
        }
    }
}

impl EvidenceApi {
    /// Shows the evidence of this gate, how its witnesses stand, how far it was checked, and the tools of this adapter's
    /// targets.
    pub(crate) fn new(
        gate: &Gate,
        (adapter, approvals, grants): (Adapter, ApprovalsApi, GrantsApi),
        config: &Config,
        witnesses: watch::Receiver<Vec<Watch>>,
        integrity: watch::Receiver<integrity::Progress>,
    ) -> Self {
        let (keys, exports) = (gate.log_keys().into(), Arc::new(Semaphore::new(1)));
        let (rules, masking) = (config.retention.clone().into(), Arc::new(config.masking.clone()));
        let (gate, viewer) = (gate.clone(), gate.viewer());
        Self { gate, viewer, keys, witnesses, adapter, integrity, rules, masking, approvals, grants, exports }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Response<ApiBody> {
        let answered = match (peer, request.method()) {
            (Peer::Process { is_admitted: false, .. }, _) => Err(Failure::Bad(
                StatusCode::FORBIDDEN,
                "programs that the gateway has started read no evidence".into(),
            )),
            (Peer::Process { uid, .. }, &Method::GET) if request.uri().path() == api::EXPORT => {
                match self.export(&local_principal(uid), request.uri()).await {
                    Ok(response) => return response,
                    Err(failure) => Err(failure),
                }
            }
            (Peer::Process { uid, .. }, _) if request.uri().path().starts_with(approvals::APPROVALS) => {
                self.approval(uid, &request).await
            }
            (Peer::Process { uid, .. }, _) if GrantsApi::is_path(request.uri().path()) => {
                self.grant(uid, request).await
            }
            (Peer::Process { uid, .. }, &Method::GET) => self.routed(&local_principal(uid), request.uri()).await,
            (Peer::Process { uid, .. }, &Method::POST) => self.changed(uid, &request).await,
            (Peer::Process { .. }, _) => Err(Failure::Bad(StatusCode::METHOD_NOT_ALLOWED, "only GET and POST".into())),
            (Peer::Address(_), _) => Err(Failure::Bad(StatusCode::FORBIDDEN, "only over the socket".into())),
        };
        let (status, body) = match answered {
            Ok(body) => (StatusCode::OK, body),
            Err(failure) => failed(&failure),
        };
        let mut response = Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
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
                self.check_class(&filter).await?;
                json(&self.sessions(principal, filter).await?)
            }
            ["v1", "sessions", id] => json(&SessionDetail::try_from(self.viewer.session(principal, id).await?)?),
            ["v1", "sessions", id, "recording"] => {
                json(&Recording::try_from(self.viewer.recording(principal, id).await?)?)
            }
            ["v1", "log", "status"] => {
                let status = self.viewer.status(principal).await?;
                let witnesses = self.witnesses.borrow().iter().map(|watch| watch.state(status.integrated)).collect();
                json(&LogStatus::new(&status, &self.keys, witnesses, self.integrity.borrow().clone()))
            }
            ["v1", "log", "proof", event] => {
                let event: EventId =
                    event.parse().map_err(|_| Failure::Bad(StatusCode::BAD_REQUEST, "an event id is a UUID".into()))?;
                let (leaf, proof) = self.viewer.proof(principal, event).await?;
                json(&ProofFile::new(&leaf, &proof, self.keys.first().ok_or(Failure::Foreign)?)?)
            }
            ["v1", "retention"] => {
                let rules = self.viewer.retention(principal, self.rules.to_vec()).await?;
                json(&RetentionStatus { rules: rules.into_iter().map(Into::into).collect() })
            }
            ["v1", "tools", target] => self.tools(principal, target).await,
            ["v1", "pins", rest @ ..] if rest.len() <= 2 => self.pins(principal, rest).await,
            _ => Err(Failure::Bad(StatusCode::NOT_FOUND, "no such path".into())),
        }
    }

    /// What waits for approval, or a decision on it. Whoever gives a token is whose it is.
    async fn approval<B>(&self, uid: u32, request: &Request<B>) -> Result<Bytes, Failure> {
        let caller = match bearer(request.headers())? {
            Some(token) => Some(self.authenticated(token).await?),
            None => None,
        };
        let path = request.uri().path().strip_prefix(approvals::APPROVALS).unwrap_or_default();
        let query = request.uri().query().unwrap_or_default();
        let answered = match (request.method(), &caller) {
            (&Method::GET, Some(caller)) => self.approvals.read(caller.principal(), path, query).await,
            (&Method::GET, None) => self.approvals.read(&local_principal(uid), path, query).await,
            (&Method::POST, caller) => self.approvals.decide(caller.as_ref(), path, query).await,
            _ => Err((StatusCode::METHOD_NOT_ALLOWED, "only GET and POST".to_owned())),
        };
        answered.map_err(|(status, error)| Failure::Bad(status, error))
    }

    /// Access for a time, asked for, shown or ended. Whoever gives a token is whose it is.
    async fn grant(&self, uid: u32, request: Request<Incoming>) -> Result<Bytes, Failure> {
        let caller = match bearer(request.headers())? {
            Some(token) => Some(self.authenticated(token).await?),
            None => None,
        };
        let principal =
            caller.as_ref().map_or_else(|| local_principal(uid), |caller| Principal::clone(caller.principal()));
        let path = request.uri().path().to_owned();
        let answered = self.grants.answered(&principal, caller.as_ref(), &path, request).await;
        answered.map_err(|(status, error)| Failure::Bad(status, error))
    }

    /// The archive of what the query asks for: decided and recorded now, written while it is read.
    async fn export(&self, principal: &Principal, uri: &Uri) -> Result<Response<ApiBody>, Failure> {
        let query = uri.query().unwrap_or_default();
        let selection = api::export_from_query(query).map_err(|error| Failure::Bad(StatusCode::BAD_REQUEST, error))?;
        if let Selection::Sessions(filter) = &selection {
            self.check_class(filter).await?;
        }
        let permit = Arc::clone(&self.exports).try_acquire_owned().map_err(|_| {
            Failure::Bad(StatusCode::CONFLICT, "another export is under way; start again when it has ended".into())
        })?;
        let described = api::export_query(&selection);
        let export = self.viewer.export(principal, selection, &described).await?;
        let mut response = Response::new(archive_stream::stream(export, principal.id(), described, permit));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
        Ok(response)
    }

    /// Changes the custody of a recording. Whoever gives a token is whose it is; a hold can be the local account's.
    async fn changed<B>(&self, uid: u32, request: &Request<B>) -> Result<Bytes, Failure> {
        let bad = |error| Failure::Bad(StatusCode::BAD_REQUEST, error);
        let caller = match bearer(request.headers())? {
            Some(token) => Some(self.authenticated(token).await?),
            None => None,
        };
        let principal =
            caller.as_ref().map_or_else(|| local_principal(uid), |caller| Principal::clone(caller.principal()));
        let person = || {
            let none = || "this is done by persons: give a token that an issuer gave to one".to_owned();
            let person = caller.as_ref().ok_or_else(none);
            let person = person.and_then(|caller| self.gate.person(caller).map_err(|error| error.to_string()));
            person.map_err(|error| Failure::Bad(StatusCode::FORBIDDEN, error))
        };
        if let Some(path) = request.uri().path().strip_prefix(&format!("{PINS}/")) {
            if let Some(caller) = &caller {
                let person = self.gate.person(caller);
                person.map_err(|error| Failure::Bad(StatusCode::FORBIDDEN, error.to_string()))?;
            }
            return self.accepted(&principal, path, request.uri()).await;
        }
        let (custodian, uri) = (self.gate.custodian(), request.uri());
        let reason = || api::reason(uri.query().unwrap_or_default()).map_err(bad);
        let path: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
        let (kept, action) = match path.as_slice() {
            ["v1", "sessions", id, "erasure"] => {
                (custodian.request_erasure(&person()?, id, &reason()?).await, "recording.erase")
            }
            ["v1", "sessions", id, "erasure", "confirmation"] => {
                (custodian.confirm_erasure(&person()?, id).await, "recording.erase")
            }
            ["v1", "sessions", id, "hold"] => (custodian.hold(&principal, id, &reason()?).await, "recording.hold"),
            ["v1", "sessions", id, "hold", "removal"] => {
                (custodian.release(&principal, id, &reason()?).await, "recording.hold")
            }
            _ => return Err(Failure::Bad(StatusCode::NOT_FOUND, "no such path".into())),
        };
        json(&CustodyState::from(kept.map_err(|error| unchanged(error, action))?))
    }

    /// Refuses a filter by a data class that there is none of: its list would be empty, and taken for an answer.
    async fn check_class(&self, filter: &SessionFilter) -> Result<(), Failure> {
        let Some(class) = &filter.class else { return Ok(()) };
        let Err(error) = self.masking.class(class) else { return Ok(()) };
        // One that the configuration had once may be on record.
        if self.viewer.is_class_on_record(class).await? {
            return Ok(());
        }
        Err(Failure::Bad(StatusCode::BAD_REQUEST, error))
    }

    async fn authenticated(&self, token: &str) -> Result<Caller, Failure> {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.gate.authenticate(Some(token), here).await.map_err(|notice| match notice {
            Notice::Unauthenticated => Failure::Bad(StatusCode::UNAUTHORIZED, "the token is not valid".into()),
            _ => Failure::Bad(StatusCode::SERVICE_UNAVAILABLE, "the token cannot be checked or recorded now".into()),
        })
    }

    /// The sessions of a filter. Those the gateway opened itself are shown only with its control sessions, or when
    /// they are what is asked for.
    async fn sessions(&self, principal: &Principal, filter: SessionFilter) -> Result<SessionList, ViewError> {
        let is_own = |who: &str| who.split_once('|').is_some_and(|(issuer, _)| issuer == OWN_ISSUER);
        let with_own = filter.control || filter.who.as_deref().is_some_and(is_own);
        let wanted = filter.limit;
        let limit = if with_own { wanted } else { MAX_SESSIONS };
        let mut rows = self.viewer.sessions(principal, SessionFilter { limit, ..filter }).await?;
        rows.retain(|row| with_own || !row.who.as_deref().is_some_and(is_own));
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        rows.truncate(wanted);
        let next = rows.last().filter(|_| rows.len() == wanted).map(|row| row.id.to_string());
        Ok(SessionList { sessions: rows.into_iter().map(Into::into).collect(), next })
    }

    /// How definitions stand to the accepted ones: of all targets, of one, or of one tool in full.
    async fn pins(&self, principal: &Principal, path: &[&str]) -> Result<Bytes, Failure> {
        may_see_tools(principal)?;
        let (target, tool) = (path.first().map(|target| self.target(target)).transpose()?, path.get(1));
        let tool = tool.map(|tool| decoded(tool)).transpose()?;
        let list = pins_api::list(&self.gate.pins(), target.as_ref(), tool.as_deref()).await?;
        if let (Some(tool), true) = (tool, list.pins.is_empty()) {
            return Err(Failure::Bad(StatusCode::NOT_FOUND, format!("there is no tool `{tool}` that was ever seen")));
        }
        json(&list)
    }

    /// Accepts a definition, and has the target read again, so that it is in force.
    async fn accepted(&self, principal: &Principal, path: &str, uri: &Uri) -> Result<Bytes, Failure> {
        let path: Vec<&str> = path.split('/').collect();
        let [target, tool, "acceptance"] = path.as_slice() else {
            return Err(Failure::Bad(StatusCode::NOT_FOUND, "no such path".into()));
        };
        let (target, tool) = (self.target(target)?, decoded(tool)?);
        let query = uri.query().unwrap_or_default();
        let state = pins_api::accept(&self.gate.pins(), principal, (&target, &tool), query).await;
        let state = state.map_err(Failure::Pin)?;
        self.adapter.read_anew(&target);
        json(&state)
    }

    /// A target that pins may be of.
    fn target(&self, name: &str) -> Result<TargetName, Failure> {
        let pins = self.gate.pins();
        let target = name.parse().ok().filter(|target| self.adapter.has_target(target) || !pins.of(target).is_empty());
        target.ok_or_else(|| Failure::Bad(StatusCode::NOT_FOUND, format!("there is no target `{name}`")))
    }

    async fn tools(&self, principal: &Principal, target: &str) -> Result<Bytes, Failure> {
        may_see_tools(principal)?;
        let unknown = || Failure::Bad(StatusCode::NOT_FOUND, format!("there is no target `{target}`"));
        let name: TargetName = target.parse().map_err(|_| unknown())?;
        match self.adapter.tools(&name).await {
            None => Err(unknown()),
            Some(Ok(tools)) => json(&ToolList::new(tools.all())?),
            Some(Err(error)) => Err(Failure::Bad(StatusCode::BAD_GATEWAY, error.to_string())),
        }
    }
}

fn may_see_tools(principal: &Principal) -> Result<(), Failure> {
    if principal.groups.is_empty() {
        return Err(Failure::Bad(StatusCode::FORBIDDEN, "only the gateway's user and root may see tools".into()));
    }
    Ok(())
}

/// A part of a path.
fn decoded(part: &str) -> Result<String, Failure> {
    let bad = || Failure::Bad(StatusCode::BAD_REQUEST, "the path is not percent-encoded UTF-8".into());
    api::decode(part).ok_or_else(bad)
}

/// Why the custody is as it was. A session that is not there and one that policy keeps from the caller are told of in the same
/// words, which say what may be missing.
fn unchanged(error: CustodyError, action: &str) -> Failure {
    match error {
        CustodyError::View(ViewError::Store(StoreError::NotFound(id))) => Failure::Bad(
            StatusCode::NOT_FOUND,
            format!(
                "no session `{id}` whose recording you may do this with: either there is none, or no policy permits you \
                 {action} on its target (it takes a permit that names {action})"
            ),
        ),
        error => error.into(),
    }
}

/// The bearer token of a request, if it has one (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    let bad = || Failure::Bad(StatusCode::BAD_REQUEST, "the Authorization header must be `Bearer TOKEN`".into());
    token.map(Some).ok_or_else(bad)
}

/// Whether a process that connects may ask at all. One that the gateway has started may have its user, and is not to have
/// its rights.
pub(crate) fn admits(pid: Option<u32>) -> bool {
    pid.is_some_and(|pid| pid == std::process::id() || !vidimus_stdio::descends_from_this_process(pid))
}

/// The principal of a process on this machine.
pub(crate) fn local_principal(uid: u32) -> Principal {
    let is_owner = uid == rustix::process::geteuid().as_raw() || uid == 0;
    Principal {
        kind: PrincipalKind::User,
        issuer: LOCAL_ISSUER.into(),
        subject: uid.to_string(),
        groups: if is_owner { vec![format!("{LOCAL_ISSUER}/owner")] } else { Vec::new() },
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
    let mut help = None;
    let (status, error) = match failure {
        Failure::Bad(status, message) => (*status, message.clone()),
        Failure::Foreign => {
            (StatusCode::INTERNAL_SERVER_ERROR, "the log holds what is no event: run `vidimus log verify`".to_owned())
        }
        Failure::Custody(error) => {
            let status = match error.kind() {
                ErrorKind::Denied => StatusCode::FORBIDDEN,
                ErrorKind::NotFound => StatusCode::NOT_FOUND,
                ErrorKind::Malformed => StatusCode::CONFLICT,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, error.to_string())
        }
        Failure::Pin(PinError::View(ViewError::Denied(message))) => {
            help = Some("it takes a permit that names administer on the target");
            (StatusCode::FORBIDDEN, message.clone())
        }
        Failure::Pin(error) => {
            let status = match error.kind() {
                ErrorKind::NotFound => StatusCode::NOT_FOUND,
                ErrorKind::Malformed => StatusCode::CONFLICT,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, error.to_string())
        }
        Failure::View(ViewError::NoEvent(event)) => {
            help = Some(
                "`vidimus sessions show SESSION` shows a session's events with their ids in the column EVENT, \
                 `vidimus sessions list --all` the sessions",
            );
            (StatusCode::NOT_FOUND, format!("there is no event `{event}` in the log"))
        }
        Failure::View(error) => {
            let status = match error.kind() {
                ErrorKind::Denied => {
                    help = Some(
                        "evidence is read by policy: permit recording.view, recording.export or log.read to Group::\"local/owner\"",
                    );
                    StatusCode::FORBIDDEN
                }
                ErrorKind::NotFound => StatusCode::NOT_FOUND,
                ErrorKind::Malformed => StatusCode::BAD_REQUEST,
                ErrorKind::Limit => StatusCode::UNPROCESSABLE_ENTITY,
                ErrorKind::Evidence => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, error.to_string())
        }
    };
    let body = serde_json::to_vec(&ErrorBody { error, help: help.map(str::to_owned) }).unwrap_or_default();
    (status, Bytes::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_started_reads_no_evidence() {
        let mut started = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!admits(Some(started.id())));
        started.kill().unwrap();
        started.wait().unwrap();
        assert!(!admits(Some(started.id())) && !admits(None), "one that is gone, or not to be seen");
        assert!(admits(Some(std::process::id())) && admits(Some(std::os::unix::process::parent_id())));
    }
}
