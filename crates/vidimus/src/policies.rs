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

/// What a compilation depends on; none when the files cannot be read.
type Fingerprint = Option<(Vec<Source>, Vec<TargetSchema>)>;

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

/// Compiles the policies of a configuration.
pub(crate) fn compile(config: &Config, adapter: Option<&Adapter>) -> anyhow::Result<Policies> {
    let sources = policy_files::sources(&config.policy_dir)?;
    let schemas = schemas(config, adapter)?;
    Policies::compile(&sources, &schemas).map_err(|errors| anyhow::anyhow!("{}", report(&errors)))
}

/// All errors, one a line or more.
pub(crate) fn report(errors: &[PolicyError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Puts changed policies into force until `stop` turns true.
pub(crate) async fn watch(config: Config, gate: Gate, adapter: Adapter, mut stop: watch::Receiver<bool>) {
    let mut refused: Option<String> = None;
    let mut seen = fingerprint(&config, None);
    let config = Arc::new(config);
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
        }
        // Reading files and compiling take long enough to keep calls waiting, so they have a thread of their own.
        let (files, known) = (Arc::clone(&config), adapter.clone());
        let before = seen.take();
        let looked = tokio::task::spawn_blocking(move || {
            let now = fingerprint(&files, Some(&known));
            let compiled = (now != before).then(|| compile(&files, Some(&known)));
            (now, compiled)
        });
        let Ok((now, compiled)) = looked.await else { return };
        seen = now;
        let Some(compiled) = compiled else { continue };
        match compiled {
            Ok(policies) => {
                refused = None;
                let hash = policies.hash().to_owned();
                match gate.adopt(policies).await {
                    Ok(()) => tracing::info!(%hash, "Policies are in force"),
                    Err(error) => {
                        tracing::error!(%error, "Changed policies cannot be recorded, so they are not in force");
                    }
                }
            }
            Err(error) => {
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

fn fingerprint(config: &Config, adapter: Option<&Adapter>) -> Fingerprint {
    Some((policy_files::sources(&config.policy_dir).ok()?, schemas(config, adapter).ok()?))
}
