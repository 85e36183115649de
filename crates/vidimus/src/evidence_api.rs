//! The evidence socket: `sessions` and `log` of the command line, answered by the running gateway.
//!
//! The caller is who the kernel says it is (`SO_PEERCRED`): principal `User::"local|UID"`, in group `local/owner`
//! when it is the gateway's own user or root. Policy decides as for anybody else, and every read is on record.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use serde::Serialize;
use serde_json::value::RawValue;
use vidimus_core::{ErrorKind, EventId, Principal, PrincipalKind, Timestamp};
use vidimus_gate::{Frame, Gate, PayloadName, ViewError, Viewer};
use vidimus_net::server::Peer;
use vidimus_store::{SessionFilter, SessionRow};

use crate::api::{
    ErrorBody, LogStatus, LoggedEvent, Proof, Recording, RecordingFrame, SessionDetail, SessionSummary, Sessions,
};

/// The issuer of local principals.
const LOCAL: &str = "local";

/// Sessions in a list when nothing else is asked for.
const DEFAULT_LIMIT: u32 = 50;

/// Answers the evidence socket. Cheap to clone.
#[derive(Clone)]
pub(crate) struct EvidenceApi {
    viewer: Viewer,
}

/// Why a request was not answered.
enum Failure {
    /// The request is not one of this interface.
    Bad(StatusCode, &'static str),
    /// Evidence was not shown.
    View(ViewError),
    /// What is shown is not what this program writes.
    Foreign,
}

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        Self::View(error)
    }
}

impl EvidenceApi {
    /// Shows the evidence of this gate.
    pub(crate) fn new(gate: &Gate) -> Self {
        Self { viewer: gate.viewer() }
    }

    /// Answers one request.
    pub(crate) async fn answer<B>(&self, peer: Peer, request: Request<B>) -> Response<Full<Bytes>> {
        let answered = match (peer, request.method()) {
            (Peer::User(uid), &Method::GET) => self.routed(&local_principal(uid), request.uri()).await,
            (Peer::User(_), _) => Err(Failure::Bad(StatusCode::METHOD_NOT_ALLOWED, "only GET")),
            (Peer::Address(_), _) => Err(Failure::Bad(StatusCode::FORBIDDEN, "only over the socket")),
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
                let filter = filter(uri.query().unwrap_or_default())?;
                let rows = self.viewer.sessions(principal, filter).await?;
                json(&Sessions { sessions: rows.into_iter().map(summary).collect() })
            }
            ["v1", "sessions", id] => {
                let viewed = self.viewer.session(principal, id).await?;
                json(&SessionDetail { session: summary(viewed.session), events: logged(viewed.events)? })
            }
            ["v1", "sessions", id, "recording"] => {
                let recorded = self.viewer.recording(principal, id).await?;
                json(&Recording {
                    session: summary(recorded.viewed.session),
                    events: logged(recorded.viewed.events)?,
                    frames: recorded.frames.into_iter().filter_map(frame).collect(),
                })
            }
            ["v1", "log", "status"] => {
                let status = self.viewer.status(principal).await?;
                json(&log_status(&status))
            }
            ["v1", "log", "proof", event] => {
                let event: EventId =
                    event.parse().map_err(|_| Failure::Bad(StatusCode::BAD_REQUEST, "an event id is a UUID"))?;
                let (leaf, proof) = self.viewer.proof(principal, event).await?;
                json(&Proof { index: proof.index, event: raw(leaf)?, proof: proof.to_string() })
            }
            _ => Err(Failure::Bad(StatusCode::NOT_FOUND, "no such path")),
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

/// The filter in a query: `since`, `until`, `who`, `target`, `control`, `limit`.
fn filter(query: &str) -> Result<SessionFilter, Failure> {
    let bad = |text| Failure::Bad(StatusCode::BAD_REQUEST, text);
    let pairs: HashMap<String, String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').map(|(key, value)| (key.to_owned(), unescaped(value))))
        .collect::<Option<_>>()
        .ok_or_else(|| bad("a query is key=value pairs"))?;
    let time = |key: &str| {
        pairs.get(key).map(|text| timestamp(text).ok_or_else(|| bad("since and until are RFC 3339 times"))).transpose()
    };
    let target = pairs.get("target").map(|name| name.parse()).transpose().map_err(|_| bad("no such target"))?;
    let limit = pairs.get("limit").map_or(Ok(DEFAULT_LIMIT), |limit| limit.parse());
    Ok(SessionFilter {
        since: time("since")?,
        until: time("until")?,
        who: pairs.get("who").cloned(),
        target,
        control: pairs.get("control").is_some_and(|value| value == "true"),
        limit: limit.map_err(|_| bad("limit is a number"))?,
    })
}

fn timestamp(text: &str) -> Option<Timestamp> {
    let parsed: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(parsed.as_nanosecond()).ok().map(Timestamp::from_nanoseconds)
}

/// Undoes percent-encoding (RFC 3986 §2.1); what is no valid escape stays.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = (*first == b'%').then(|| after.get(..2)).flatten();
        let decoded = escape.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = after.get(if decoded.is_some() { 2.. } else { 0.. }).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn summary(row: SessionRow) -> SessionSummary {
    SessionSummary {
        id: row.id.to_string(),
        opened: row.opened,
        closed: row.closed,
        reason: row.reason,
        who: row.who,
        display: row.display,
        target: row.target,
        protocol: row.protocol,
        durability: row.durability,
        record: row.record,
        client: row.client,
        events: row.events,
        operations: row.operations,
        denied: row.denied,
    }
}

fn logged(events: Vec<(u64, Vec<u8>)>) -> Result<Vec<LoggedEvent>, Failure> {
    events.into_iter().map(|(index, leaf)| Ok(LoggedEvent { index, event: raw(leaf)? })).collect()
}

fn raw(leaf: Vec<u8>) -> Result<Box<RawValue>, Failure> {
    let text = String::from_utf8(leaf).map_err(|_| Failure::Foreign)?;
    RawValue::from_string(text).map_err(|_| Failure::Foreign)
}

/// A frame as it is shown; none for one that only binds others together.
fn frame(frame: Frame) -> Option<RecordingFrame> {
    if frame.name == PayloadName::Chunks {
        return None;
    }
    let (text, base64) = match frame.payload.map(String::from_utf8) {
        None => (None, None),
        Some(Ok(text)) => (Some(text), None),
        Some(Err(error)) => (None, Some(STANDARD.encode(error.as_bytes()))),
    };
    Some(RecordingFrame {
        seq: frame.seq,
        time: frame.time.to_string(),
        name: frame.name.name().to_owned(),
        text,
        base64,
    })
}

fn log_status(status: &vidimus_log::Status) -> LogStatus {
    LogStatus {
        health: match &status.health {
            vidimus_log::Health::Running => "running".to_owned(),
            vidimus_log::Health::NoSpace { why } | vidimus_log::Health::Failed { why } => why.to_string(),
        },
        appended: status.appended,
        durable: status.durable,
        integrated: status.integrated,
        root: STANDARD.encode(status.root.0),
        checkpoint_at: status.checkpoint_at.to_string(),
        journal_bytes: status.journal_bytes,
        syncs: status.syncs,
        last_sync_us: u64::try_from(status.last_sync.as_micros()).unwrap_or(u64::MAX),
    }
}

fn json(value: &impl Serialize) -> Result<Bytes, Failure> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|_| Failure::Foreign)
}

fn failed(failure: &Failure) -> (StatusCode, Bytes) {
    let (status, error, message) = match failure {
        Failure::Bad(status, message) => (*status, "bad_request", (*message).to_owned()),
        Failure::Foreign => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "the log holds what is no event".to_owned()),
        Failure::View(error) => {
            let status = match error.kind() {
                ErrorKind::Denied => StatusCode::FORBIDDEN,
                ErrorKind::NotFound => StatusCode::NOT_FOUND,
                ErrorKind::Malformed => StatusCode::BAD_REQUEST,
                ErrorKind::Evidence => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, error.kind().label(), error.to_string())
        }
    };
    let body = serde_json::to_vec(&ErrorBody { error: error.to_owned(), message }).unwrap_or_default();
    (status, Bytes::from(body))
}
