//! `/.well-known/oauth-protected-resource/mcp…`: where clients get tokens for an endpoint (RFC 9728 §3); and
//! `/.well-known/vidimus`: at which port the gateway speaks PostgreSQL.
//!
//! Anybody may read it, web pages too: it says no more than the configuration's own addresses, and the same of targets that
//! are not there. Nothing of it is an event. Refused: other `Host` than the gateway's own, other methods than GET.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ALLOW, CACHE_CONTROL, CONTENT_TYPE,
};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use vidimus_gate::{Gate, Notice};
use vidimus_mcp::{ProtectedResources, WELL_KNOWN};
use vidimus_net::OriginPolicy;
use vidimus_net::server::Peer;

/// Where a gateway says at which ports it speaks other protocols: for `vidimus connect`.
pub(crate) const PLACES: &str = "/.well-known/vidimus";

const METHODS: &str = "GET, HEAD, OPTIONS";

/// Answers requests below the well-known address. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ResourceMetadata {
    gate: Gate,
    origins: Arc<OriginPolicy>,
    resources: Arc<ProtectedResources>,
    postgres: Option<PostgresPlace>,
}

/// Where clients of databases connect, on the gateway's own host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PostgresPlace {
    pub(crate) port: u16,
    /// Whether they must speak TLS.
    pub(crate) tls: bool,
}

/// What a gateway says of itself to programs of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Places {
    /// None where there is no listener for them.
    pub(crate) postgres: Option<PostgresPlace>,
}

impl ResourceMetadata {
    /// The metadata of these endpoints.
    pub(crate) fn new(
        gate: Gate,
        origins: OriginPolicy,
        resources: ProtectedResources,
        postgres: Option<PostgresPlace>,
    ) -> Self {
        Self { gate, origins: Arc::new(origins), resources: Arc::new(resources), postgres }
    }

    /// Whether a request is for such a document.
    pub(crate) fn is_asked(uri: &Uri) -> bool {
        uri.path() == PLACES
            || uri.path().strip_prefix(WELL_KNOWN).is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }

    /// Answers one request.
    pub(crate) fn answer<B>(&self, peer: Peer, request: &Request<B>) -> Response<Full<Bytes>> {
        if let Err(error) = self.origins.check_host(request.headers()) {
            let notice = self.gate.refused(peer.address(), error.label(), Notice::ForeignOrigin);
            return said(StatusCode::FORBIDDEN, notice.text());
        }
        let mut response = match *request.method() {
            Method::GET | Method::HEAD if request.uri().path() == PLACES => {
                found(serde_json::json!(Places { postgres: self.postgres }).to_string())
            }
            Method::GET | Method::HEAD => match self.resources.metadata(request.uri().path()) {
                Some(metadata) => found(metadata),
                None => said(
                    StatusCode::NOT_FOUND,
                    r#"{"error":"not_found","help":"there is metadata for /mcp, /mcp/{target}, /sse and /sse/{target}, unless clients are sent to no issuer"}"#,
                ),
            },
            // A page asks before it sends a header of its own: MCP clients send MCP-Protocol-Version.
            Method::OPTIONS => preflight(),
            _ => {
                let mut response =
                    said(StatusCode::METHOD_NOT_ALLOWED, r#"{"error":"method_not_allowed","help":"only GET"}"#);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
                response
            }
        };
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }
}

fn found(metadata: String) -> Response<Full<Bytes>> {
    let mut response = response(StatusCode::OK, Bytes::from(metadata));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

fn preflight() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("accept, mcp-protocol-version"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("300"));
    response
}

fn said(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = response(status, Bytes::from_static(text.as_bytes()));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn response(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let no_sniffing = HeaderName::from_static("x-content-type-options");
    response.headers_mut().insert(no_sniffing, HeaderValue::from_static("nosniff"));
    response
}
