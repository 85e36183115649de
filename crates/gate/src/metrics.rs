//! Counters of the choke point, for Prometheus.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use vidimus_core::event::Status;
use vidimus_core::{Effect, TargetName};

use crate::capacity::Level;

/// Upper bounds of the duration histogram, in seconds.
const DURATION_BUCKETS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// What the gate counts.
#[derive(Debug)]
pub struct Metrics {
    decisions: Family<DecisionLabels, Counter>,
    outcomes: Family<OutcomeLabels, Counter>,
    durations: Family<TargetLabels, Histogram, fn() -> Histogram>,
    pub(crate) sessions: Gauge<i64, std::sync::atomic::AtomicI64>,
    pub(crate) unauthenticated: Counter<u64, AtomicU64>,
    limited: Family<LimitLabels, Counter>,
    hidden: Family<TargetLabels, Counter>,
    free: Gauge,
    level: Gauge,
    grants: Family<GrantLabels, Counter>,
    pub(crate) break_glass: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabels {
    target: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    target: Name,
    effect: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GrantLabels {
    target: Name,
    step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    target: String,
    limit: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    target: Name,
    status: &'static str,
}

/// A target's name as a label; clones share its text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name(TargetName);

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        self.0.as_str().encode(encoder)
    }
}

impl Metrics {
    /// Registers everything under `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            decisions: Family::default(),
            outcomes: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            sessions: Gauge::default(),
            unauthenticated: Counter::default(),
            limited: Family::default(),
            hidden: Family::default(),
            free: Gauge::default(),
            level: Gauge::default(),
            grants: Family::default(),
            break_glass: Gauge::default(),
        };
        registry.register("decisions", "Decisions on operations, by target and effect", metrics.decisions.clone());
        registry.register("outcomes", "Ends of admitted operations, by target and status", metrics.outcomes.clone());
        registry.register(
            "operation_duration_seconds",
            "Time from admission to outcome, by target",
            metrics.durations.clone(),
        );
        registry.register("sessions_open", "Sessions open now", metrics.sessions.clone());
        registry.register("unauthenticated", "Requests without a valid token", metrics.unauthenticated.clone());
        registry.register("limited", "Requests refused by a limit, by target and limit", metrics.limited.clone());
        let about = "Results with characters in them that people do not see, by target";
        registry.register("hidden_text_results", about, metrics.hidden.clone());
        registry.register_with_unit("free", "Room for evidence", Unit::Bytes, metrics.free.clone());
        let about =
            "0 while there is room for evidence, 1 below warning, 2 below alarm, 3 below stop: nothing new begins";
        registry.register("capacity_level", about, metrics.level.clone());
        registry.register("grants", "Steps of grants and of break-glass, by target and step", metrics.grants.clone());
        registry.register("break_glass_open", "Overrides by break-glass in force", metrics.break_glass.clone());
        metrics
    }

    /// A step of a grant: `requested`, `granted`, `break_glass`, or how one ended.
    pub(crate) fn granted(&self, target: &TargetName, step: &'static str) {
        self.grants.get_or_create(&GrantLabels { target: Name(target.clone()), step }).inc();
    }

    pub(crate) fn space(&self, free: u64, level: Level) {
        self.free.set(i64::try_from(free).unwrap_or(i64::MAX));
        self.level.set(i64::from(level.number()));
    }

    pub(crate) fn decided(&self, target: &TargetName, effect: Effect) {
        let labels = DecisionLabels { target: Name(target.clone()), effect: effect.name() };
        self.decisions.get_or_create(&labels).inc();
    }

    /// A request was refused by a limit; without a target, one for none that there is.
    pub(crate) fn limited(&self, target: Option<&str>, limit: &str) {
        let labels = LimitLabels { target: target.unwrap_or_default().to_owned(), limit: limit.to_owned() };
        self.limited.get_or_create(&labels).inc();
    }

    /// A result held characters that people do not see.
    pub(crate) fn hid(&self, target: &TargetName) {
        self.hidden.get_or_create(&TargetLabels { target: Name(target.clone()) }).inc();
    }

    pub(crate) fn ended(&self, target: &TargetName, status: Status, microseconds: u64) {
        let labels = OutcomeLabels { target: Name(target.clone()), status: status.name() };
        self.outcomes.get_or_create(&labels).inc();
        let seconds = std::time::Duration::from_micros(microseconds).as_secs_f64();
        self.durations.get_or_create(&TargetLabels { target: Name(target.clone()) }).observe(seconds);
    }
}
