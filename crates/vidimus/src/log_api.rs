//! `/log/`: the evidence log as static files over HTTP (C2SP tlog-tiles), on the clients' listener.
//!
//! Entries go to whom policy permits `log.read`, and each read is on record. Checkpoint and hashes hold no content: they
//! are read alike, or by anybody where `[log] public` says so. Who asks is who their bearer token says. Refused: other
//! `Host` and `Origin` than the gateway's own, other methods than GET, and names that no log has.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use vidimus_core::ErrorKind;
use vidimus_gate::{Gate, Notice, ViewError, Viewer};
use vidimus_log::LogFile;
use vidimus_net::server::Peer;
use vidimus_net::{OriginPolicy, bearer};

/// Where the files are.
const PREFIX: &str = "/log/";
/// A year: tiles never change (tlog-tiles, "Merkle Tree").
const IMMUTABLE: (&str, &str) = ("public, max-age=31536000, immutable", "private, max-age=31536000, immutable");
/// A checkpoint lives about a second (tlog-tiles, "Checkpoints").
const MUTABLE: (&str, &str) = ("public, max-age=1", "private, max-age=1");

/// Answers requests below `/log/`. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LogApi {
    gate: Gate,
    viewer: Viewer,
    origins: Arc<OriginPolicy>,
    is_public: bool,
}

impl LogApi {
    /// The log of this gate; with `is_public` everybody may read what holds no content.
    pub(crate) fn new(gate: Gate, origins: OriginPolicy, is_public: bool) -> Self {
        Self { viewer: gate.viewer(), gate, origins: Arc::new(origins), is_public }
    }

    /// The name of the file that a request is for, when it is for one of the log's.
    pub(crate) fn path(uri: &Uri) -> Option<&str> {
        uri.path().strip_prefix(PREFIX)
    }

    /// Answers one request.
    pub(crate) async fn answer<B>(&self, peer: Peer, request: &Request<B>) -> Response<Full<Bytes>> {
        let (headers, address) = (request.headers(), peer.address());
        if let Err(error) = self.origins.check(headers) {
            return said(
                StatusCode::FORBIDDEN,
                self.gate.refused(address, error.label(), Notice::ForeignOrigin).text(),
            );
        }
        let file = Self::path(request.uri()).and_then(LogFile::parse);
        let is_public = self.is_public && file.is_some_and(|file| !file.has_entries());
        let read = if is_public && request.method() == Method::GET {
            match file {
                Some(file) => self.viewer.public_log_file(file).await,
                None => Ok(None),
            }
        } else {
            let caller = match self.gate.authenticate(bearer(headers), address).await {
                Ok(caller) => caller,
                Err(notice) => return unauthenticated(notice),
            };
            match file {
                _ if request.method() != Method::GET => {
                    return said(StatusCode::METHOD_NOT_ALLOWED, r#"{"error":"method_not_allowed","help":"only GET"}"#);
                }
                Some(file) => self.viewer.log_file(caller.principal(), file).await,
                None => Ok(None),
            }
        };
        match (read, file) {
            (Ok(Some(bytes)), Some(file)) => found(file, bytes, is_public),
            (Ok(_), _) => said(
                StatusCode::NOT_FOUND,
                r#"{"error":"not_found","help":"there is /log/checkpoint, and tiles as far as it reaches (C2SP tlog-tiles)"}"#,
            ),
            (Err(error), _) => failed(&error),
        }
    }
}

fn found(file: LogFile, bytes: Vec<u8>, is_public: bool) -> Response<Full<Bytes>> {
    let (public, private) = if file.is_immutable() { IMMUTABLE } else { MUTABLE };
    let content_type =
        if file == LogFile::Checkpoint { "text/plain; charset=utf-8" } else { "application/octet-stream" };
    let mut response = response(StatusCode::OK, Bytes::from(bytes), content_type);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(if is_public { public } else { private }));
    if !is_public {
        headers.insert(VARY, HeaderValue::from_static("authorization"));
    }
    response
}

fn unauthenticated(notice: Notice) -> Response<Full<Bytes>> {
    let status = match notice {
        Notice::Unauthenticated => StatusCode::UNAUTHORIZED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = said(status, notice.text());
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn failed(error: &ViewError) -> Response<Full<Bytes>> {
    match error.kind() {
        ErrorKind::Denied => said(
            StatusCode::FORBIDDEN,
            r#"{"error":"denied","help":"policy must permit log.read on Log::\"gateway\""}"#,
        ),
        kind => {
            tracing::error!(%error, %kind, "A file of the log cannot be served");
            said(StatusCode::SERVICE_UNAVAILABLE, Notice::EvidenceUnavailable.text())
        }
    }
}

fn said(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = response(status, Bytes::from_static(text.as_bytes()), "application/json");
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn response(status: StatusCode, body: Bytes, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let no_sniffing = HeaderName::from_static("x-content-type-options");
    response.headers_mut().insert(no_sniffing, HeaderValue::from_static("nosniff"));
    response
}
