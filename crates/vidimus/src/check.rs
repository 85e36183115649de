//! `vidimus check`: the configuration as it is understood, and the policies compiled against it.
//!
//! Starts nothing, opens no connection, reads no secret beyond whether it is there. Policies are compiled exactly as
//! `serve` compiles them before the targets' tools are known.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use vidimus_policy::{Policies, PolicyError};

use crate::config::{Config, Issuer, Target};
use crate::output::{self, Table, printable};
use crate::policy_files;
use crate::secret::SecretRef;

/// Checks the configuration at `path`. False when its policies are refused.
pub(crate) fn run(path: &Path, as_json: bool, out: &mut impl Write) -> anyhow::Result<bool> {
    let config = Config::load(path)?;
    let sources = policy_files::sources(&config.policy_dir).context("[policy] dir")?;
    let schemas = policy_files::schemas(&config).context("`tools` of a target")?;
    let policies = Policies::compile(&sources, &schemas);
    if as_json {
        output::json(out, &described(&config, sources.len(), &policies))?;
    } else {
        write_text(&config, sources.len(), &policies, out)?;
    }
    Ok(policies.is_ok())
}

fn write_text(
    config: &Config,
    files: usize,
    policies: &Result<Policies, Vec<PolicyError>>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let gateway = &config.gateway;
    let mut table = Table::new(&["GATEWAY", &gateway.name]);
    table.row(["clients", &gateway.listen.to_string()]);
    table.row(["public URL", &gateway.public_url.to_string()]);
    table.row(["administration", &gateway.admin.to_string()]);
    table.row(["data", &gateway.data_dir.display().to_string()]);
    table.row(["key", &shown(&gateway.key)]);
    table.write(out)?;
    writeln!(out)?;

    let mut table = Table::new(&["ISSUER", "ISS", "AUDIENCE"]);
    for issuer in &config.issuers {
        let verification = &issuer.verification;
        table.row([&verification.name, &verification.issuer, &verification.audiences.join(", ")]);
    }
    table.write(out)?;
    writeln!(out)?;

    let mut table = Table::new(&["TARGET", "URL", "DURABILITY", "RECORD", "HEADERS"]);
    for target in &config.targets {
        let headers: Vec<String> =
            target.headers.iter().map(|(name, secret)| format!("{name}: {}", shown(secret))).collect();
        table.row([
            target.name.as_str(),
            &target.url.to_string(),
            target.durability.name(),
            target.record.name(),
            &headers.join(", "),
        ]);
    }
    table.write(out)?;
    writeln!(out)?;

    let dir = printable(&config.policy_dir.display().to_string());
    match policies {
        Ok(policies) => {
            for warning in policies.warnings() {
                writeln!(out, "warning: {}", printable(&warning.to_string()))?;
            }
            if files == 0 {
                writeln!(out, "warning: {dir} holds no *.cedar file: everything will be denied")?;
            }
            writeln!(out, "ok: {files} policy files in {dir}, {}", policies.hash())
        }
        Err(errors) => {
            for error in errors {
                writeln!(out, "error: {}", output::printable_lines(&error.to_string()))?;
            }
            writeln!(out, "{} problems with the policies in {dir}", errors.len())
        }
    }
}

/// A reference, and whether it leads somewhere from here. It may from where the gateway runs and not from here.
fn shown(secret: &SecretRef) -> String {
    let missing = if secret.source.read().is_ok() { "" } else { " (not readable here)" };
    format!("{}{missing}", secret.source)
}

/// The configuration with its defaults filled in.
fn described(config: &Config, files: usize, policies: &Result<Policies, Vec<PolicyError>>) -> Value {
    let gateway = &config.gateway;
    let limits = &config.limits;
    let (ok, hash, notes) = match policies {
        Ok(policies) => (true, Some(policies.hash()), policies.warnings().iter().map(ToString::to_string).collect()),
        Err(errors) => (false, None, errors.iter().map(ToString::to_string).collect::<Vec<_>>()),
    };
    json!({
        "ok": ok,
        "config": { "path": config.path, "hash": config.hash },
        "gateway": {
            "name": gateway.name,
            "listen": gateway.listen.to_string(),
            "admin": gateway.admin.to_string(),
            "public_url": gateway.public_url.to_string(),
            "data_dir": gateway.data_dir,
            "socket": gateway.socket,
            "key": shown(&gateway.key),
            "allowed_origins": gateway.allowed_origins,
        },
        "limits": {
            "connections": limits.connections,
            "request_bytes": limits.request_bytes,
            "response_bytes": limits.response_bytes,
            "session_idle_s": limits.session_idle.as_secs_f64(),
            "shutdown_grace_s": limits.shutdown_grace.as_secs_f64(),
        },
        "issuers": config.issuers.iter().map(described_issuer).collect::<Vec<_>>(),
        "targets": config.targets.iter().map(described_target).collect::<Vec<_>>(),
        "policy": { "dir": config.policy_dir, "files": files, "hash": hash, "problems": notes },
    })
}

fn described_issuer(issuer: &Issuer) -> Value {
    let verification = &issuer.verification;
    let workload_when = verification.workload_when.as_ref();
    json!({
        "name": verification.name,
        "issuer": verification.issuer,
        "audiences": verification.audiences,
        "groups_claim": verification.groups_claim,
        "group_names": verification.group_names,
        "workload_when": workload_when.map(|rule| json!({ "claim": rule.claim, "equals": rule.equals })),
        "jwks_url": verification.jwks_url,
        "algorithms": issuer.algorithms,
        "leeway_s": verification.leeway.as_secs_f64(),
        "refresh_every_s": verification.refresh_every.as_secs_f64(),
        "display_claim": verification.display_claim,
        "allow_private": issuer.allow_private,
    })
}

fn described_target(target: &Target) -> Value {
    let headers: serde_json::Map<String, Value> =
        target.headers.iter().map(|(name, secret)| (name.to_string(), shown(secret).into())).collect();
    json!({
        "name": target.name.as_str(),
        "url": target.url.to_string(),
        "headers": headers,
        "durability": target.durability.name(),
        "record": target.record.name(),
        "tools": target.tools,
        "connect_timeout_s": target.connect_timeout.as_secs_f64(),
        "request_timeout_s": target.request_timeout.as_secs_f64(),
        "call_timeout_s": target.call_timeout.as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
[gateway]
key = { file = "kek" }
[identity.oidc.demo]
issuer = "https://login.example.com"
audience = "vidimus"
[policy]
dir = "policies"
[targets.crm]
protocol = "mcp"
url = "http://127.0.0.1:9000/mcp"
headers = { Authorization = { env = "VIDIMUS_TEST_IS_NOT_SET", format = "Bearer {}" } }
tools = "tools.json"
"#;

    fn checked(policy: &str, as_json: bool) -> (anyhow::Result<bool>, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir(path("policies")).unwrap();
        std::fs::write(path("policies/a.cedar"), policy).unwrap();
        std::fs::write(path("vidimus.toml"), CONFIG).unwrap();
        std::fs::write(path("kek"), "hunter2").unwrap();
        let schema = r#"{"type":"object","properties":{"amount":{"type":"integer"}},"required":["amount"]}"#;
        std::fs::write(path("tools.json"), format!(r#"{{"tools":[{{"name":"refund","inputSchema":{schema}}}]}}"#))
            .unwrap();
        let mut out = Vec::new();
        let result = run(&path("vidimus.toml"), as_json, &mut out);
        (result, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_good_configuration_is_shown_without_its_secrets() {
        let policy =
            r#"permit (principal, action == Action::"crm/refund", resource) when { context.arguments.amount < 5 };"#;
        let (result, text) = checked(policy, false);
        assert!(result.unwrap(), "{text}");
        assert!(text.contains("authorization: env VIDIMUS_TEST_IS_NOT_SET (not readable here)"), "{text}");
        assert!(text.contains("ok: 1 policy files"), "{text}");
        let (result, text) = checked(policy, true);
        assert!(result.unwrap());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["ok"], &value["targets"][0]["durability"]), (&json!(true), &json!("strict")));
        assert_eq!(value["issuers"][0]["leeway_s"], json!(60.0));
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn a_policy_that_does_not_fit_the_tools_is_refused_with_its_place() {
        let policy =
            "\npermit (principal, action == Action::\"crm/refund\", resource) when { context.arguments.amuont < 5 };";
        let (result, text) = checked(policy, false);
        assert!(!result.unwrap(), "{text}");
        assert!(text.contains("error: a.cedar:2:"), "{text}");
        let (result, text) = checked(policy, true);
        assert!(!result.unwrap());
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["ok"], json!(false));
    }

    #[test]
    fn a_configuration_that_is_refused_is_an_error() {
        let error = run(Path::new("/nonexistent/vidimus.toml"), false, &mut Vec::new()).unwrap_err();
        assert!(error.is::<crate::config::ConfigError>());
    }
}
