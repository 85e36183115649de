//! Which targets answer, for Prometheus: asked when the page is read, so that it is never older than what callers see.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use vidimus_core::TargetName;
use vidimus_mcp::Adapter;

/// The MCP targets of a gateway.
pub(crate) struct Targets {
    adapter: Adapter,
    names: Vec<TargetName>,
}

impl Targets {
    /// Those of these names.
    pub(crate) const fn new(adapter: Adapter, names: Vec<TargetName>) -> Self {
        Self { adapter, names }
    }
}

impl std::fmt::Debug for Targets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Targets").field("names", &self.names).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabel {
    target: String,
}

impl Collector for Targets {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let about = "0 while the target does not answer, 1 otherwise";
        let mut family = encoder.encode_descriptor("target_up", about, None, MetricType::Gauge)?;
        for name in &self.names {
            let is_up = ConstGauge::new(i64::from(self.adapter.is_up(name)));
            is_up.encode(family.encode_family(&TargetLabel { target: name.to_string() })?)?;
        }
        Ok(())
    }
}
