//! `vidimus check`: the configuration as it is understood, and what would keep `serve` from starting on it.
//!
//! Starts nothing and opens no connection. The key-encryption key and the policies are looked at by the same functions as
//! at start, before the targets' tools are known; other secrets that are not to be had are warnings, since they may be where
//! the gateway runs. No secret is shown.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use vidimus_core::Protocol;
use vidimus_credential::Endpoint;
use vidimus_gate::LimitRule;
use vidimus_net::ServerTls;
use vidimus_policy::Policies;
use vidimus_stdio::Isolation;

use crate::config::{Config, ConfigError, Database, Issuer, Masking, Oauth, ProgramError, Server, Target};
use crate::key;
use crate::output::{self, Table, counted, printable};
use crate::policies::Inputs;
use crate::problem::{Problem, did_you_mean};
use crate::secret::SecretRef;
use crate::webhooks::Signer;

/// Checks the configuration at `path`. False when there are problems. A configuration that cannot be read at all is an
/// error, but for `as_json`: whoever reads JSON finds every problem there.
pub(crate) fn run(path: &Path, as_json: bool, out: &mut impl Write) -> anyhow::Result<bool> {
    let checked = match Config::load(path) {
        Ok(config) => Checked::new(config),
        Err(error) if as_json => {
            output::json(out, &refused(path, &error))?;
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    };
    if as_json {
        output::json(out, &described(&checked))?;
    } else {
        write_text(&checked, out)?;
    }
    Ok(checked.problems.is_empty())
}

/// A configuration and what came of checking it.
struct Checked {
    config: Config,
    files: usize,
    policies: Option<Policies>,
    /// Tools that limits name and targets do not have.
    missed: Vec<String>,
    problems: Vec<Problem>,
}

impl Checked {
    fn new(config: Config) -> Self {
        let mut problems = Vec::new();
        if let Err(error) = key::load(&config.gateway.key, &config.gateway.data_dir) {
            problems.push(Problem::new(error.to_string()));
        }
        if let Some(files) = &config.gateway.tls
            && let Err(error) = ServerTls::load(files.clone())
        {
            problems.push(Problem::new(error.to_string()));
        }
        for target in &config.targets {
            let program = match &target.server {
                Server::Http { tls, .. } => {
                    if let Err(error) = tls.check() {
                        problems.push(Problem::new(format!("target {}: {error}", target.name)));
                    }
                    continue;
                }
                Server::Program(program) => program,
            };
            // A secret that is not to be had here is a warning.
            if let Ok(confinement) = config.confinement(program)
                && let Err(error) = confinement.check()
            {
                problems.push(Problem::new(format!("target {}: {error}", target.name)));
            }
        }
        if let Some(files) = config.postgres.as_ref().and_then(|listener| listener.tls.as_ref())
            && let Err(error) = ServerTls::load(files.clone())
        {
            problems.push(Problem::new(format!("[listeners.postgres]: {error}")));
        }
        for database in &config.databases {
            if let Some(Err(error)) = database.tls.as_ref().map(|tls| tls.check()) {
                problems.push(Problem::new(format!("target {}: {error}", database.name)));
            }
        }
        let mut checked: Vec<&Masking> = Vec::new();
        let of_servers = config.targets.iter().map(|target| (&target.name, &target.masking));
        for (name, masking) in of_servers.chain(config.databases.iter().map(|own| (&own.name, &own.masking))) {
            if !checked.contains(&masking) {
                checked.push(masking);
                if let Err(error) = masking.check() {
                    problems.push(Problem::new(format!("the masking of target {name}: {error}")));
                }
            }
        }
        let (mut files, mut policies, mut missed) = (0, None, Vec::new());
        match Inputs::read(&config) {
            Err(error) => problems.push(Problem::new(error.to_string())),
            Ok(inputs) => {
                files = inputs.files();
                missed = config.limits.callers.rules.iter().flat_map(|rule| missed_by(rule, &inputs)).collect();
                match inputs.compile() {
                    Ok(compiled) => policies = Some(compiled),
                    Err(found) => problems.extend(found.0),
                }
            }
        }
        Self { config, files, policies, missed, problems }
    }

    fn warnings(&self) -> Vec<String> {
        let dir = self.config.policy_dir.display();
        let none = (self.policies.is_some() && self.files == 0)
            .then(|| format!("{dir} holds no *.cedar file: everything will be denied"));
        let headers = self.config.targets.iter().flat_map(|target| {
            let headers = match &target.server {
                Server::Http { headers, .. } => headers.as_slice(),
                Server::Program(_) => &[],
            };
            let resolved = headers.iter().map(|(name, secret)| (name, secret.resolve_header()));
            resolved.filter_map(|(name, value)| Some((name, value.err()?))).map(|(name, error)| {
                format!("`serve` needs the header {name} of target {}, and from here {error}", target.name)
            })
        });
        let oauth = self.config.targets.iter().filter_map(|target| {
            let Server::Http { oauth: Some(oauth), .. } = &target.server else { return None };
            let error = oauth.client_secret.resolve_text().err()?;
            Some(format!("`serve` needs the client_secret of target {}, and from here {error}", target.name))
        });
        let passwords = self.config.databases.iter().filter_map(|database| {
            let error = database.password.as_ref()?.resolve_text().err()?;
            Some(format!("`serve` needs the password of target {}, and from here {error}", database.name))
        });
        let nowhere = (self.config.postgres.is_none() && !self.config.databases.is_empty())
            .then(|| "no client can reach the databases: add [listeners.postgres]".to_owned());
        let programs = self.config.targets.iter().filter_map(|target| match &target.server {
            Server::Program(program) => {
                let error: ProgramError = self.config.confinement(program).err()?;
                Some(format!("`serve` starts target {} with secrets, and from here {error}", target.name))
            }
            Server::Http { .. } => None,
        });
        let webhooks = self.config.webhooks.iter().filter_map(|webhook| {
            let error = Signer::of(&webhook.secret).err()?;
            Some(format!("`serve` signs messages to webhook {}, and from here {error}", webhook.name))
        });
        let has_approvers = self.config.issuers.iter().any(|issuer| issuer.verification.workload_when.is_some());
        let needs_persons = !self.config.approvals.is_empty() || self.config.grants.break_glass.is_some();
        let nobody = (needs_persons && !has_approvers).then(|| {
            "nobody can approve anything, nor break the glass: nothing tells which tokens are programs', so none counts as a \
             person's; set `workload_when` in [identity.oidc.NAME]"
                .to_owned()
        });
        let policies = self.policies.iter().flat_map(Policies::warnings).map(ToString::to_string);
        policies
            .chain(none)
            .chain(self.missed.clone())
            .chain(headers)
            .chain(oauth)
            .chain(programs)
            .chain(webhooks)
            .chain(nobody)
            .chain(passwords)
            .chain(nowhere)
            .collect()
    }
}

/// The tools of a limit that its target does not have, as far as they are configured: it would hold nothing back.
fn missed_by(rule: &LimitRule, inputs: &Inputs) -> Vec<String> {
    let Some((target, tools)) = rule.target.as_ref().and_then(|target| Some((target, inputs.tools(target)?))) else {
        return Vec::new();
    };
    let is_there = |name: &String| tools.iter().any(|tool| tool.name == **name);
    let missing = rule.tools.iter().filter(|name| !is_there(name)).map(|name| {
        let near = did_you_mean(name, tools.iter().map(|tool| &*tool.name));
        let help = near.map(|near| format!("; {near}")).unwrap_or_default();
        format!("the limit `{}` is for `{name}`, which the `tools` of target {target} do not have{help}", rule.name)
    });
    missing.collect()
}

fn write_text(checked: &Checked, out: &mut impl Write) -> std::io::Result<()> {
    let Checked { config, files, policies, problems, .. } = checked;
    let gateway = &config.gateway;
    let mut table = Table::new(&["GATEWAY", &gateway.name]);
    table.row(["clients", &gateway.listen.to_string()]);
    if let Some(tls) = &gateway.tls {
        table.row(["certificate", &tls.certificate.display().to_string()]);
    }
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

    let mut table = Table::new(&["TARGET", "SERVER", "DURABILITY", "RECORD", "SECRETS"]);
    for target in &config.targets {
        let (server, secrets): (_, Vec<_>) = match &target.server {
            Server::Http { url, headers, oauth, .. } => {
                let headers = headers.iter().map(|(name, secret)| format!("{name}: {}", shown(secret)));
                let oauth =
                    oauth.as_ref().map(|oauth| format!("{}: {}", oauth.kind().name(), shown(&oauth.client_secret)));
                (url.to_string(), headers.chain(oauth).collect())
            }
            Server::Program(program) => (program.command.join(" "), {
                let secrets = program.env.iter().map(|(name, secret)| format!("{name}: {}", shown(secret)));
                let chained = program.chained.iter();
                secrets.chain(chained.map(|chain| format!("{}: target {}", chain.variable, chain.target))).collect()
            }),
        };
        let (durability, record) = (target.durability.name(), target.record.name());
        table.row([target.name.as_str(), &server, durability, record, &secrets.join(", ")]);
    }
    table.write(out)?;
    writeln!(out)?;

    for warning in checked.warnings() {
        writeln!(out, "warning: {}", printable(&warning))?;
    }
    for problem in problems {
        writeln!(out, "error: {}", output::printable_lines(&problem.to_string()))?;
    }
    match policies {
        Some(policies) if problems.is_empty() => {
            let dir = printable(&config.policy_dir.display().to_string());
            writeln!(out, "ok: {} in {dir}, {}", counted(*files as u64, "policy file"), policies.hash())
        }
        _ => writeln!(out, "{}", counted(problems.len() as u64, "problem")),
    }
}

/// A reference, and whether it leads somewhere from here. It may from where the gateway runs and not from here.
fn shown(secret: &SecretRef) -> String {
    let missing = if secret.source.read().is_ok() { "" } else { " (not readable here)" };
    format!("{}{missing}", secret.source)
}

/// What there is to say when there is no configuration.
fn refused(path: &Path, error: &ConfigError) -> Value {
    json!({ "ok": false, "problems": error.problems(), "config": { "path": path } })
}

/// The configuration with its defaults filled in.
fn described(checked: &Checked) -> Value {
    let Checked { config, files, policies, problems, .. } = checked;
    let gateway = &config.gateway;
    let limits = &config.limits;
    json!({
        "ok": problems.is_empty(),
        "problems": problems,
        "warnings": checked.warnings(),
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
            "scopes": gateway.scopes,
        },
        "limits": {
            "connections": limits.connections,
            "request_bytes": limits.request_bytes,
            "response_bytes": limits.response_bytes,
            "sessions": limits.callers.sessions,
            "session_idle_s": limits.session_idle.as_secs_f64(),
            "session_max_s": limits.callers.session_max.map(|max| max.as_secs_f64()),
            "session_calls": limits.callers.session_calls,
            "session_bytes": limits.callers.session_bytes,
            "rules": limits.callers.rules.iter().map(described_rule).collect::<Vec<_>>(),
            "shutdown_grace_s": limits.shutdown_grace.as_secs_f64(),
        },
        "issuers": config.issuers.iter().map(described_issuer).collect::<Vec<_>>(),
        "targets": config.targets.iter().map(described_target).collect::<Vec<_>>(),
        "databases": config.databases.iter().map(described_database).collect::<Vec<_>>(),
        "policy": { "dir": config.policy_dir, "files": files, "hash": policies.as_ref().map(Policies::hash) },
    })
}

fn described_rule(rule: &LimitRule) -> Value {
    json!({
        "name": &*rule.name,
        "calls": rule.calls.map(|rate| rate.to_string()),
        "burst": rule.calls.map(|rate| rate.burst),
        "concurrent": rule.concurrent,
        "per": if rule.is_shared { "all" } else { "principal" },
        "groups": rule.groups,
        "kind": rule.kind.map(|kind| kind.name().to_lowercase()),
        "target": rule.target.as_ref().map(vidimus_core::TargetName::as_str),
        "tools": rule.tools,
    })
}

fn described_database(database: &Database) -> Value {
    json!({
        "name": database.name.as_str(),
        "protocol": Protocol::Postgres.name(),
        "address": format!("{}:{}", database.host, database.port),
        "user": database.user,
        "database": database.catalog,
        "tls": database.tls.is_some(),
        "durability": database.durability.name(),
        "record": database.record.name(),
        "rows": database.rows,
        "scopes": database.scopes,
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
        "advertised": issuer.is_advertised,
    })
}

fn described_oauth(oauth: &Oauth) -> Value {
    let (issuer, token_endpoint) = match &oauth.endpoint {
        Endpoint::Issuer(issuer) => (Some(issuer), None),
        Endpoint::Token(url) => (None, Some(url)),
    };
    json!({
        "grant": oauth.grant.name(),
        "issuer": issuer,
        "token_endpoint": token_endpoint,
        "client_id": oauth.client_id,
        "client_secret": shown(&oauth.client_secret),
        "allow_private": oauth.allow_private,
    })
}

fn described_target(target: &Target) -> Value {
    let mut described = match &target.server {
        Server::Http { url, headers, oauth, is_sse, .. } => {
            let headers: serde_json::Map<String, Value> =
                headers.iter().map(|(name, secret)| (name.to_string(), shown(secret).into())).collect();
            let transport = if *is_sse { "sse" } else { "http" };
            let oauth = oauth.as_deref().map(described_oauth);
            json!({ "url": url.to_string(), "transport": transport, "headers": headers, "oauth": oauth })
        }
        Server::Program(program) => {
            let env: serde_json::Map<String, Value> =
                program.env.iter().map(|(name, secret)| (name.clone(), shown(secret).into())).collect();
            let chained: serde_json::Map<String, Value> =
                program.chained.iter().map(|chain| (chain.variable.clone(), chain.target.to_string().into())).collect();
            let variables: Vec<_> = program.variables.iter().map(|(name, _)| name).collect();
            json!({
                "command": program.command,
                "env": env,
                "chained": chained,
                "variables": variables,
                "read": program.read,
                "write": program.write,
                "programs": program.programs,
                "run_as": program.run_as.map(|user| format!("{}:{}", user.uid, user.gid)),
                "isolation": match program.isolation {
                    Isolation::Landlock => "landlock",
                    Isolation::None => "none",
                },
                "network": program.network,
                "idle_s": program.idle.as_secs_f64(),
            })
        }
    };
    let common = json!({
        "name": target.name.as_str(),
        "scopes": target.scopes,
        "durability": target.durability.name(),
        "record": target.record.name(),
        "masking": described_masking(&target.masking),
        "tools": target.tools,
        "connect_timeout_s": target.connect_timeout.as_secs_f64(),
        "request_timeout_s": target.request_timeout.as_secs_f64(),
        "call_timeout_s": target.call_timeout.as_secs_f64(),
    });
    if let (Value::Object(described), Value::Object(common)) = (&mut described, common) {
        described.extend(common);
    }
    described
}

/// What is masked of a target. Entries of the allow-list are values: only their number is shown.
fn described_masking(masking: &Masking) -> Value {
    let operators: serde_json::Map<String, Value> =
        masking.operators.iter().map(|(class, operator)| (class.clone(), operator.to_string().into())).collect();
    json!({
        "classes": masking.classes,
        "operators": operators,
        "fields": masking.fields,
        "allow": masking.allow.len(),
        "custom": masking.custom.iter().map(|class| &class.name).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8; 32] = b"~key\x00\x91\xe2\x13\x44\xb5\x06\xc7\x28\xd9\x1a\xfb\x8c\x3d\xae\x5f\x60\xf1\x72\x83\x94\x05\xb6\x47\xd8\x69\x0a\x1b";

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
[limits.rules.refunds]
calls = "20/d"
target = "crm"
tools = ["refund", "refudn"]
"#;

    fn checked_with(policy: &str, key: &[u8], mode: u32, as_json: bool) -> (anyhow::Result<bool>, String) {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir(path("policies")).unwrap();
        std::fs::write(path("policies/a.cedar"), policy).unwrap();
        std::fs::write(path("vidimus.toml"), CONFIG).unwrap();
        if !key.is_empty() {
            std::fs::write(path("kek"), key).unwrap();
            std::fs::set_permissions(path("kek"), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let schema = r#"{"type":"object","properties":{"amount":{"type":"integer"}},"required":["amount"]}"#;
        std::fs::write(path("tools.json"), format!(r#"{{"tools":[{{"name":"refund","inputSchema":{schema}}}]}}"#))
            .unwrap();
        let mut out = Vec::new();
        let result = run(&path("vidimus.toml"), as_json, &mut out);
        (result, String::from_utf8(out).unwrap())
    }

    fn checked(policy: &str, as_json: bool) -> (anyhow::Result<bool>, String) {
        checked_with(policy, KEY, 0o600, as_json)
    }

    #[test]
    fn a_good_configuration_is_shown_without_its_secrets() {
        let policy =
            r#"permit (principal, action == Action::"crm/refund", resource) when { context.arguments.amount < 5 };"#;
        let (result, text) = checked(policy, false);
        assert!(result.unwrap(), "{text}");
        assert!(text.contains("authorization: env VIDIMUS_TEST_IS_NOT_SET (not readable here)"), "{text}");
        assert!(text.contains("warning: `serve` needs the header authorization of target crm"), "{text}");
        let missed = "warning: the limit `refunds` is for `refudn`, which the `tools` of target crm do not have; did you mean \
                      `refund`?";
        assert!(text.contains(missed) && !text.contains("is for `refund`,"), "{text}");
        assert!(text.contains("ok: 1 policy file in"), "{text}");
        let (result, text) = checked(policy, true);
        assert!(result.unwrap());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["ok"], &value["problems"]), (&json!(true), &json!([])));
        assert_eq!(value["targets"][0]["durability"], json!("strict"));
        let rule = &value["limits"]["rules"][0];
        assert_eq!((&rule["calls"], &rule["burst"], &rule["per"]), (&json!("20/d"), &json!(20), &json!("principal")));
        assert_eq!(value["issuers"][0]["leeway_s"], json!(60.0));
        assert!(!text.contains("~key"));
    }

    #[test]
    fn a_policy_that_does_not_fit_the_tools_is_refused_with_its_place() {
        let policy =
            "\npermit (principal, action == Action::\"crm/refund\", resource) when { context.arguments.amuont < 5 };";
        let (result, text) = checked(policy, false);
        assert!(!result.unwrap(), "{text}");
        assert!(text.contains("error: a.cedar:2:") && text.ends_with("\n1 problem\n"), "{text}");
        let (result, text) = checked(policy, true);
        assert!(!result.unwrap());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["ok"], json!(false));
        assert_eq!(value["problems"][0]["help"], json!("did you mean `amount`?"));
    }

    #[test]
    fn a_key_that_serve_would_refuse_is_a_problem() {
        let cases: [(&[u8], u32, &str); 4] = [
            (b"", 0o600, "cannot read the secret in"),
            (b"hunter2", 0o600, "holds no key: it must be 32 bytes"),
            (KEY, 0o644, "may be read by others than its owner (mode 0644)"),
            (&[7; 32], 0o600, "not random"),
        ];
        for (key, mode, said) in cases {
            let (result, text) = checked_with("", key, mode, false);
            assert!(!result.unwrap() && text.contains(said) && text.ends_with("\n1 problem\n"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        let (result, text) = checked_with("nonsense", b"", 0o600, true);
        assert!(!result.unwrap());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["problems"].as_array().unwrap().len(), 2, "the policies are looked at all the same: {text}");
    }

    #[test]
    fn an_issuer_that_is_not_configured_is_a_problem() {
        let (result, text) = checked("permit (principal in Group::\"dmo/x\", action, resource);", false);
        assert!(!result.unwrap(), "{text}");
        assert!(text.contains("error: a.cedar:1:22: there is no issuer `dmo`") && text.contains("`demo`?"), "{text}");
    }

    #[test]
    fn a_configuration_that_is_refused_is_an_error_and_in_json_a_report() {
        let absent = Path::new("/nonexistent/vidimus.toml");
        let error = run(absent, false, &mut Vec::new()).unwrap_err();
        assert!(error.is::<ConfigError>());
        let directory = tempfile::tempdir().unwrap();
        let broken = directory.path().join("vidimus.toml");
        std::fs::write(&broken, "[gateway]\nlisten = 8080\nkey = \"s3cret\"\n").unwrap();
        for (path, place) in [(absent, None), (&*broken, Some(format!("{}:2:10", broken.display())))] {
            let mut out = Vec::new();
            assert!(!run(path, true, &mut out).unwrap());
            let text = String::from_utf8(out).unwrap();
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["ok"], json!(false));
            let problems = value["problems"].as_array().unwrap();
            assert!(problems.iter().any(|problem| problem["place"] == json!(place)), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}
