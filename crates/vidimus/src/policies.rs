//! The policy files: read from the directory, compiled against the targets, put into force when they change.
//!
//! A changed set comes into force whole or not at all. One that does not compile is refused, on record, and the old
//! one stays. So it is when the files are as they were, but a target's tools turn out to be others than policies take
//! them for: then the log, the record and the metric name the target.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use vidimus_core::{TargetName, ToolDefinition};
use vidimus_gate::Gate;
use vidimus_mcp::Adapter;
use vidimus_policy::{Policies, Source, TargetSchema};

use crate::config::Config;
use crate::output::causes;
use crate::policy_faults;
use crate::policy_files::{self, PolicyFilesError};
use crate::problem::Problems;

/// How often the directory is looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// What a compilation depends on.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Inputs {
    sources: Vec<Source>,
    schemas: Vec<TargetSchema>,
    classes: Vec<Arc<str>>,
    issuers: Vec<String>,
}

/// What an operator is alerted by: 1 while policies are refused, else 0.
#[derive(Clone, Default)]
pub(crate) struct Gauges {
    refused: Gauge,
    misfit: Family<TargetLabel, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabel {
    target: String,
}

/// Why a changed set is not put into force.
#[derive(Debug)]
enum Refusal {
    /// The files cannot be read, or are wrong whatever tools the targets have.
    Files(anyhow::Error),
    /// They do not fit the tools that these targets offer now.
    Tools(Vec<(TargetName, Problems)>),
}

impl Inputs {
    /// Reads what policies are made of: the files, and the targets with the definitions of their tools as far as they
    /// are configured.
    pub(crate) fn read(config: &Config) -> Result<Self, PolicyFilesError> {
        Ok(Self {
            sources: policy_files::sources(&config.policy_dir)?,
            schemas: policy_files::schemas(config)?,
            classes: config.masking.names(),
            issuers: config.issuers.iter().map(|issuer| issuer.verification.name.clone()).collect(),
        })
    }

    /// The number of policy files.
    pub(crate) const fn files(&self) -> usize {
        self.sources.len()
    }

    /// Compiles policies, or says all that is wrong with them.
    pub(crate) fn compile(&self) -> Result<Policies, Problems> {
        let compiled = Policies::compile(&self.sources, &self.schemas, &self.classes);
        let mut problems = policy_faults::unknown_issuers(&self.sources, &self.issuers);
        match compiled {
            Ok(policies) if problems.is_empty() => return Ok(policies),
            Ok(_) => {}
            Err(errors) => {
                problems.extend(errors.into_iter().map(|error| policy_faults::explained(error, &self.sources)));
            }
        }
        Err(Problems(problems))
    }

    /// The same with definitions that targets gave, where none are configured.
    fn with_known(&self, known: impl Fn(&TargetName) -> Option<Vec<ToolDefinition>>) -> Self {
        let mut inputs = self.clone();
        for schema in inputs.schemas.iter_mut().filter(|schema| schema.tools.is_none()) {
            schema.tools = known(&schema.name);
        }
        inputs
    }

    /// The targets whose tools, as `known` has them, policies that compile without do not fit, each with what is wrong.
    fn misfits(&self, known: &Self) -> Vec<(TargetName, Problems)> {
        let learned = known.schemas.iter().filter(|schema| !self.schemas.contains(schema));
        let misfit = |schema: &TargetSchema| {
            let alone = self.with_known(|name| schema.tools.clone().filter(|_| *name == schema.name));
            alone.compile().err().map(|problems| (schema.name.clone(), problems))
        };
        learned.filter_map(misfit).collect()
    }
}

impl Gauges {
    /// Registers them, one of each target's.
    pub(crate) fn register(registry: &mut Registry, config: &Config) -> Self {
        let gauges = Self::default();
        let policies = registry.sub_registry_with_prefix("policies");
        policies.register(
            "refused",
            "1 while changed policy files are refused and the old ones stay in force",
            gauges.refused.clone(),
        );
        policies.register(
            "misfit",
            "1 while the policies do not fit the tools that the target offers now",
            gauges.misfit.clone(),
        );
        for target in &config.targets {
            gauges.set(&target.name, false);
        }
        gauges
    }

    fn set(&self, target: &TargetName, is_misfit: bool) {
        self.misfit.get_or_create(&TargetLabel { target: target.to_string() }).set(i64::from(is_misfit));
    }

    fn show(&self, config: &Config, refusal: Option<&Refusal>) {
        self.refused.set(i64::from(matches!(refusal, Some(Refusal::Files(_)))));
        for target in &config.targets {
            let is_misfit = matches!(refusal, Some(Refusal::Tools(misfits))
                if misfits.iter().any(|(name, _)| *name == target.name));
            self.set(&target.name, is_misfit);
        }
    }
}

impl Refusal {
    /// What is recorded of it.
    fn reason(&self) -> String {
        match self {
            Self::Files(error) => causes(error),
            Self::Tools(misfits) => {
                let told = misfits.iter().map(|(target, problems)| {
                    format!("the policies do not fit the tools that target {target} offers now: {problems}")
                });
                told.collect::<Vec<_>>().join("\n")
            }
        }
    }

    fn log(&self) {
        match self {
            Self::Files(error) => {
                tracing::error!(error = %causes(error), "Changed policies are refused; the old ones stay in force");
            }
            Self::Tools(misfits) => {
                for (target, problems) in misfits {
                    tracing::error!(
                        %target, %problems,
                        "The policies do not fit the tools that this target offers now; those in force stay as they are"
                    );
                }
            }
        }
    }
}

/// Puts changed policies into force until `stop` turns true.
pub(crate) async fn watch(
    config: Config,
    in_force: Inputs,
    gate: Gate,
    adapter: Adapter,
    gauges: Gauges,
    mut stop: watch::Receiver<bool>,
) {
    let mut refused: Option<String> = None;
    let mut seen = Some(in_force);
    let config = Arc::new(config);
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
        }
        // Reading files and compiling take long enough to keep calls waiting, so they have a thread of their own.
        let (files, known, before) = (Arc::clone(&config), adapter.clone(), seen.take());
        let looked = tokio::task::spawn_blocking(move || look(&files, &known, before));
        let Ok((now, compiled)) = looked.await else { return };
        seen = now;
        match compiled {
            None => {}
            Some(Ok(policies)) => {
                refused = None;
                gauges.show(&config, None);
                let hash = policies.hash().to_owned();
                match gate.adopt(policies).await {
                    Ok(()) => tracing::info!(%hash, "Policies are in force"),
                    Err(error) => {
                        tracing::error!(%error, "Changed policies cannot be recorded, so they are not in force yet");
                        // Tried again at the next look.
                        seen = None;
                    }
                }
            }
            Some(Err(refusal)) => {
                gauges.show(&config, Some(&refusal));
                let reason = refusal.reason();
                if refused.as_ref() == Some(&reason) {
                    continue;
                }
                refusal.log();
                if let Err(error) = gate.refuse_policies(&reason).await {
                    tracing::error!(%error, "The refusal of changed policies cannot be recorded");
                }
                refused = Some(reason);
            }
        }
    }
}

/// What policies are made of now, and, when that is not what it was `before`, what they compile to.
fn look(
    config: &Config,
    adapter: &Adapter,
    before: Option<Inputs>,
) -> (Option<Inputs>, Option<Result<Policies, Refusal>>) {
    let configured = match Inputs::read(config) {
        Ok(inputs) => inputs,
        Err(error) => return (None, Some(Err(Refusal::Files(error.into())))),
    };
    let now = configured.with_known(|target| {
        let mut tools: Vec<ToolDefinition> = adapter.known_tools(target)?.all().cloned().collect();
        tools.sort_by(|left, right| left.name.cmp(&right.name));
        Some(tools)
    });
    if before.as_ref() == Some(&now) {
        return (before, None);
    }
    let compiled = now.compile().map_err(|problems| match configured.compile() {
        Err(faults) => Refusal::Files(faults.into()),
        Ok(_) => match configured.misfits(&now) {
            // Only together they do not fit.
            misfits if misfits.is_empty() => Refusal::Files(problems.into()),
            misfits => Refusal::Tools(misfits),
        },
    });
    (Some(now), Some(compiled))
}
