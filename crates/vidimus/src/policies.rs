//! The policy files: read from the directory, compiled against the targets, put into force when they change.
//!
//! A changed set comes into force whole or not at all. One that does not compile is refused, on record, and the old
//! one stays.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use tokio::sync::watch;
use vidimus_core::{Protocol, ToolDefinition};
use vidimus_gate::Gate;
use vidimus_mcp::envelope::{Message, Sender};
use vidimus_mcp::{Adapter, lists};
use vidimus_policy::{Policies, PolicyError, Source, TargetSchema};

use crate::config::{Config, Target};

/// How often the directory is looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// The largest policy file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The policy files of a directory, by name.
pub(crate) fn sources(directory: &Path) -> anyhow::Result<Vec<Source>> {
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read the policy directory {}", directory.display()))?;
    let mut sources = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "cedar") {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let length = std::fs::metadata(&path)?.len();
        anyhow::ensure!(length <= MAX_FILE, "policy file {} is larger than 1 MiB", path.display());
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        sources.push(Source { name, text });
    }
    anyhow::ensure!(
        !sources.is_empty(),
        "no *.cedar file in {}: without policies nothing is permitted",
        directory.display()
    );
    sources.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(sources)
}

/// What policies are checked against: the targets, with the definitions of their tools as far as they are configured
/// or, given an adapter, known.
pub(crate) fn schemas(config: &Config, adapter: Option<&Adapter>) -> anyhow::Result<Vec<TargetSchema>> {
    config
        .targets
        .iter()
        .map(|target| {
            let read = adapter.and_then(|adapter| adapter.known_tools(&target.name));
            let tools = match (&target.tools, read) {
                (Some(_), _) => configured_tools(target)?,
                (None, read) => read.map(|tools| {
                    let mut tools: Vec<ToolDefinition> = tools.all().cloned().collect();
                    tools.sort_by(|left, right| left.name.cmp(&right.name));
                    tools
                }),
            };
            Ok(TargetSchema { name: target.name.clone(), protocol: Protocol::Mcp, tools })
        })
        .collect()
}

/// The definitions in the file that `targets.*.tools` names: the `result` of a `tools/list`.
fn configured_tools(target: &Target) -> anyhow::Result<Option<Vec<ToolDefinition>>> {
    let Some(path) = &target.tools else { return Ok(None) };
    let text = std::fs::read(path).with_context(|| format!("cannot read the tools of {}: {}", target.name, path.display()))?;
    let message = [br#"{"jsonrpc":"2.0","id":0,"result":"#.as_slice(), text.trim_ascii(), b"}"].concat();
    let page = Message::parse(Bytes::from(message), Sender::Server, &vidimus_core::json::Limits::default())
        .map_err(anyhow::Error::from)
        .and_then(|message| Ok(lists::tools(&message)?))
        .with_context(|| format!("{} is not the result of a tools/list", path.display()))?;
    Ok(Some(page.tools))
}

/// Compiles the policies of a configuration.
pub(crate) fn compile(config: &Config, adapter: Option<&Adapter>) -> anyhow::Result<Policies> {
    let sources = sources(&config.policy_dir)?;
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
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
        }
        let now = fingerprint(&config, Some(&adapter));
        if now == seen {
            continue;
        }
        seen = now;
        match compile(&config, Some(&adapter)) {
            Ok(policies) => {
                refused = None;
                let hash = policies.hash().to_owned();
                match gate.adopt(policies).await {
                    Ok(()) => tracing::info!(%hash, "Policies are in force"),
                    Err(error) => tracing::error!(%error, "Changed policies cannot be recorded, so they are not in force"),
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

/// What a compilation depends on; `None` when the files cannot be read.
fn fingerprint(config: &Config, adapter: Option<&Adapter>) -> Option<(Vec<(String, String)>, Vec<Option<Vec<ToolDefinition>>>)> {
    let sources = sources(&config.policy_dir).ok()?;
    let schemas = schemas(config, adapter).ok()?;
    let sources = sources.into_iter().map(|source| (source.name, source.text)).collect();
    Some((sources, schemas.into_iter().map(|schema| schema.tools).collect()))
}
