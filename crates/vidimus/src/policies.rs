//! The policy files: read from the directory, compiled against the targets, put into force when they change.
//!
//! A changed set comes into force whole or not at all. One that does not compile is refused, on record, and the old
//! one stays.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use vidimus_core::ToolDefinition;
use vidimus_gate::Gate;
use vidimus_mcp::Adapter;
use vidimus_policy::{Policies, PolicyError, Source, TargetSchema};

use crate::config::Config;
use crate::policy_files::{self, PolicyFilesError};

/// How often the directory is looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// What a compilation depends on.
#[derive(PartialEq, Eq)]
pub(crate) struct Inputs {
    sources: Vec<Source>,
    schemas: Vec<TargetSchema>,
}

/// What policies are checked against: the targets, with the definitions of their tools as far as they are configured
/// or, given an adapter, known.
fn schemas(config: &Config, adapter: Option<&Adapter>) -> Result<Vec<TargetSchema>, PolicyFilesError> {
    let mut schemas = policy_files::schemas(config)?;
    for schema in &mut schemas {
        let read = adapter.and_then(|adapter| adapter.known_tools(&schema.name));
        if let (None, Some(read)) = (&schema.tools, read) {
            let mut tools: Vec<ToolDefinition> = read.all().cloned().collect();
            tools.sort_by(|left, right| left.name.cmp(&right.name));
            schema.tools = Some(tools);
        }
    }
    Ok(schemas)
}

/// Reads what policies are made of.
pub(crate) fn inputs(config: &Config, adapter: Option<&Adapter>) -> Result<Inputs, PolicyFilesError> {
    Ok(Inputs { sources: policy_files::sources(&config.policy_dir)?, schemas: schemas(config, adapter)? })
}

/// Compiles policies.
pub(crate) fn compile(inputs: &Inputs) -> anyhow::Result<Policies> {
    Policies::compile(&inputs.sources, &inputs.schemas).map_err(|errors| anyhow::anyhow!("{}", report(&errors)))
}

/// All errors, one a line or more.
pub(crate) fn report(errors: &[PolicyError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Puts changed policies into force until `stop` turns true.
pub(crate) async fn watch(
    config: Config,
    in_force: Inputs,
    gate: Gate,
    adapter: Adapter,
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
        let looked = tokio::task::spawn_blocking(move || match inputs(&files, Some(&known)) {
            Ok(now) if Some(&now) == before.as_ref() => (before, None),
            Ok(now) => {
                let compiled = compile(&now);
                (Some(now), Some(compiled))
            }
            Err(error) => (None, Some(Err(error.into()))),
        });
        let Ok((now, compiled)) = looked.await else { return };
        seen = now;
        match compiled {
            None => {}
            Some(Ok(policies)) => {
                refused = None;
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
            Some(Err(error)) => {
                let reason = format!("{error:#}");
                if refused.as_ref() == Some(&reason) {
                    continue;
                }
                tracing::error!(error = %reason, "Changed policies are refused; the old ones stay in force");
                if let Err(error) = gate.refuse_policies(&reason).await {
                    tracing::error!(%error, "The refusal of changed policies cannot be recorded");
                }
                refused = Some(reason);
            }
        }
    }
}
