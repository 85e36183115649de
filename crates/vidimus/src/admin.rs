//! The admin listener: `/metrics` for Prometheus, `/healthz` (the process lives), `/readyz` (it can take calls).
//!
//! Loopback only, by configuration. It shows no evidence and changes nothing. Requests with another `Host` than the
//! listener's own, or from a page elsewhere, are refused: a name that is made to lead to loopback (DNS rebinding) would
//! let any page read the metrics.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use vidimus_core::{Clock as _, SystemClock};
use vidimus_gate::{Gate, Level};
use vidimus_identity::Identity;
use vidimus_log::Health;
use vidimus_net::OriginPolicy;

/// Answers the admin listener. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Admin {
    gate: Gate,
    identity: Arc<Identity>,
    origins: Arc<OriginPolicy>,
    registry: Arc<Registry>,
    log: LogGauges,
}

/// What the log says of itself, read when the page is.
#[derive(Clone, Default)]
struct LogGauges {
    appended: Gauge,
    durable: Gauge,
    integrated: Gauge,
    journal: Gauge,
    checkpoint_age: Gauge,
    running: Gauge,
    last_sync: Gauge<f64, std::sync::atomic::AtomicU64>,
}

impl LogGauges {
    fn register(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        let log = registry.sub_registry_with_prefix("log");
        log.register("leaves_appended", "Events appended to the journal", gauges.appended.clone());
        log.register("leaves_durable", "Events that survive a power cut", gauges.durable.clone());
        log.register("leaves_integrated", "Events under the latest checkpoint", gauges.integrated.clone());
        log.register_with_unit("journal", "Journal in use", Unit::Bytes, gauges.journal.clone());
        log.register_with_unit("checkpoint_age", "Age of the checkpoint", Unit::Seconds, gauges.checkpoint_age.clone());
        log.register_with_unit("last_sync", "Duration of the last sync", Unit::Seconds, gauges.last_sync.clone());
        log.register("running", "1 while evidence can be written, else 0", gauges.running.clone());
        gauges
    }

    fn read(&self, status: &vidimus_log::Status) {
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.appended.set(count(status.appended));
        self.durable.set(count(status.durable));
        self.integrated.set(count(status.integrated));
        self.journal.set(count(status.journal_bytes));
        self.checkpoint_age.set(count(SystemClock.now().since(status.checkpoint_at).as_secs()));
        self.last_sync.set(status.last_sync.as_secs_f64());
        self.running.set(i64::from(!matches!(status.health, Health::Failed { .. })));
    }
}

impl Admin {
    /// Serves the metrics of `registry` and the state of these parts, to requests that name `listen`.
    pub(crate) fn new(gate: Gate, identity: Arc<Identity>, listen: SocketAddr, mut registry: Registry) -> Self {
        let log = LogGauges::register(&mut registry);
        let origins = Arc::new(OriginPolicy::new(&format!("http://{listen}"), listen, &[]));
        Self { gate, identity, origins, registry: Arc::new(registry), log }
    }

    /// Answers one request.
    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let (status, content_type, text) = match (request.method(), request.uri().path()) {
            _ if self.origins.check(request.headers()).is_err() => {
                (StatusCode::FORBIDDEN, "text/plain", "the Host or Origin header is not this listener's\n".to_owned())
            }
            (&Method::GET, "/healthz") => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
            (&Method::GET, "/readyz") => match self.not_ready() {
                None => (StatusCode::OK, "text/plain", "ready\n".to_owned()),
                Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{reason}\n")),
            },
            (&Method::GET, "/metrics") => self.metrics(),
            (&Method::GET, _) => {
                (StatusCode::NOT_FOUND, "text/plain", "there is /metrics, /healthz and /readyz\n".to_owned())
            }
            _ => (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".to_owned()),
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Why calls would be refused now, in words for an operator.
    fn not_ready(&self) -> Option<String> {
        let log = match self.gate.log_status().health {
            Health::Failed { why } => Some(format!("evidence cannot be written: {why}")),
            Health::NoSpace { why } => Some(format!("evidence will soon not be written: {why}")),
            Health::Running if self.gate.capacity() == Level::Stop => {
                Some("there is too little room for evidence (capacity.stop): free some where data_dir is".to_owned())
            }
            Health::Running => None,
        };
        log.or_else(|| {
            let keyless: Vec<String> = self
                .identity
                .status()
                .into_iter()
                .filter(|issuer| issuer.keys == 0)
                .map(|issuer| issuer.name)
                .collect();
            (!keyless.is_empty()).then(|| format!("no keys were fetched yet from: {}", keyless.join(", ")))
        })
    }

    fn metrics(&self) -> (StatusCode, &'static str, String) {
        self.log.read(&self.gate.log_status());
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => (StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text),
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "metrics cannot be written\n".to_owned()),
        }
    }
}
