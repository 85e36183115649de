//! The policy files: read from the directory, compiled against the targets, put into force when they change.
//!
//! A changed set comes into force whole or not at all. One that does not compile is refused, on record, and the old
//! one stays. Where only the tools that a target offers are others than policies take them for, the set comes into
//! force without what that target says of its tools, so that no target can keep a change from the others: arguments
//! that a policy cannot read are then denied call by call, and the log, the record and the metric name the target.

use std::path::Path;
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
use vidimus_policy::{ApprovalRule, Policies, Source, TargetSchema, World};

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
    approvals: Vec<ApprovalRule>,
    rewrites: Vec<Arc<str>>,
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

/// What is wrong with a set.
#[derive(Debug)]
enum Fault {
    /// The files cannot be read, or are wrong whatever tools the targets have: the set before it stays in force.
    Files(anyhow::Error),
    /// They do not fit the tools that these targets offer now: the set is in force without those tools' definitions.
    Tools(Vec<(TargetName, Problems)>),
}

/// What a look at everything that policies are made of has shown.
struct Look {
    /// What they are made of; `None` when that is to be looked at anew.
    seen: Option<Inputs>,
    /// What to put into force, if anything.
    policies: Option<Policies>,
    fault: Option<Fault>,
}

impl Inputs {
    /// Reads what policies are made of: the files, and the targets with the definitions of their tools as far as they
    /// are configured.
    pub(crate) fn read(config: &Config) -> Result<Self, PolicyFilesError> {
        Self::of_directory(config, &config.policy_dir)
    }

    /// The same with the files of another directory.
    pub(crate) fn of_directory(config: &Config, directory: &Path) -> Result<Self, PolicyFilesError> {
        Ok(Self {
            sources: policy_files::sources(directory)?,
            schemas: policy_files::schemas(config)?,
            classes: config.masking.names(),
            approvals: config.approvals.clone(),
            rewrites: config.rewrites.iter().map(|rewrite| Arc::clone(&rewrite.name)).collect(),
            issuers: config.issuers.iter().map(|issuer| issuer.verification.name.clone()).collect(),
        })
    }

    /// The number of policy files.
    pub(crate) const fn files(&self) -> usize {
        self.sources.len()
    }

    /// The definitions of a target's tools, if they are configured.
    pub(crate) fn tools(&self, target: &TargetName) -> Option<&[ToolDefinition]> {
        self.schemas.iter().find(|schema| schema.name == *target)?.tools.as_deref()
    }

    /// Compiles policies, or says all that is wrong with them.
    pub(crate) fn compile(&self) -> Result<Policies, Problems> {
        let world = World {
            targets: &self.schemas,
            classes: &self.classes,
            approvals: &self.approvals,
            rewrites: &self.rewrites,
        };
        let compiled = Policies::compile_in(&self.sources, world);
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
    pub(crate) fn with_known(&self, known: impl Fn(&TargetName) -> Option<Vec<ToolDefinition>>) -> Self {
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

    fn show(&self, config: &Config, fault: Option<&Fault>) {
        self.refused.set(i64::from(matches!(fault, Some(Fault::Files(_)))));
        for target in &config.targets {
            let is_misfit = matches!(fault, Some(Fault::Tools(misfits))
                if misfits.iter().any(|(name, _)| *name == target.name));
            self.set(&target.name, is_misfit);
        }
    }
}

impl Fault {
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
                        "The policies do not fit the tools that this target offers now; what they cannot read is denied"
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
    let mut told: Option<String> = None;
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
        let Ok(Look { seen: now, policies, fault }) = looked.await else { return };
        seen = now;
        if policies.is_none() && fault.is_none() {
            continue;
        }
        gauges.show(&config, fault.as_ref());
        if let Some(policies) = policies {
            let hash = policies.hash().to_owned();
            match gate.adopt(policies).await {
                Ok(()) => tracing::info!(%hash, "Policies are in force"),
                Err(error) => {
                    tracing::error!(%error, "Changed policies cannot be recorded, so they are not in force yet");
                    // Tried again at the next look.
                    seen = None;
                    continue;
                }
            }
        }
        let reason = fault.as_ref().map(Fault::reason);
        if let (Some(fault), Some(reason)) = (&fault, &reason)
            && told.as_ref() != Some(reason)
        {
            fault.log();
            if let Err(error) = gate.refuse_policies(reason).await {
                tracing::error!(%error, "The refusal of changed policies cannot be recorded");
            }
        }
        told = reason;
    }
}

/// Looks at what policies are made of now and, when that is not what it was `before`, compiles them.
fn look(config: &Config, adapter: &Adapter, before: Option<Inputs>) -> Look {
    let configured = match Inputs::read(config) {
        Ok(inputs) => inputs,
        Err(error) => return Look { seen: None, policies: None, fault: Some(Fault::Files(error.into())) },
    };
    let now = configured.with_known(|target| {
        let mut tools: Vec<ToolDefinition> = adapter.known_tools(target)?.all().cloned().collect();
        tools.sort_by(|left, right| left.name.cmp(&right.name));
        Some(tools)
    });
    if before.as_ref() == Some(&now) {
        return Look { seen: before, policies: None, fault: None };
    }
    let (policies, fault) = match now.compile() {
        Ok(policies) => (Some(policies), None),
        Err(problems) => fitting(&configured, &now, problems),
    };
    Look { seen: Some(now), policies, fault }
}

/// What can be put into force of policies that do not compile with all tools that targets offer `now`, and why not all.
fn fitting(configured: &Inputs, now: &Inputs, problems: Problems) -> (Option<Policies>, Option<Fault>) {
    if let Err(faults) = configured.compile() {
        return (None, Some(Fault::Files(faults.into())));
    }
    let misfits = configured.misfits(now);
    let without = configured.with_known(|target| {
        let fits = misfits.iter().all(|(misfit, _)| misfit != target);
        now.schemas.iter().find(|schema| fits && schema.name == *target)?.tools.clone()
    });
    match without.compile() {
        Ok(policies) if !misfits.is_empty() => (Some(policies), Some(Fault::Tools(misfits))),
        // Only together they do not fit.
        Ok(_) | Err(_) => (None, Some(Fault::Files(problems.into()))),
    }
}
