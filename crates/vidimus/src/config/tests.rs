//! Configurations that hold, configurations that do not, and what is said about them.

mod databases;
mod rewrites;

use super::*;
use crate::secret::Source;

const SMALLEST: &str = r#"
[gateway]
key = { env = "VIDIMUS_KEY" }
[identity.oidc.corp]
issuer = "https://login.example.com/realms/corp"
audience = "vidimus"
[policy]
dir = "policies"
[targets.crm]
protocol = "mcp"
url = "http://127.0.0.1:9000/mcp"
"#;

/// The line of a target that is not a program.
const CRM_URL: &str = "url = \"http://127.0.0.1:9000/mcp\"";

/// Every key there is.
const FULL: &str = r#"
[gateway]
name = "gw-1"
listen = "0.0.0.0:8443"
admin = "127.0.0.1:9081"
public_url = "https://mcp.example.com"
data_dir = "/var/lib/vidimus"
socket = "/run/vidimus.sock"
key = { file = "/etc/vidimus/kek" }
allowed_origins = ["https://App.example.com"]
scopes = ["use"]
trusted_proxies = ["10.0.0.0/8", "::1"]
client_header = "Forwarded"

[gateway.tls]
certificate = "tls/chain.pem"
key = "/etc/vidimus/key.pem"
client_ca = "tls/clients.pem"

[capacity]
warning = "20GiB"
alarm = "512MiB"
stop = "512MiB"

[integrity]
every = "6h"

[index]
full_text = true

[limits]
connections = 500
request_bytes = "64KiB"
response_bytes = "1MiB"
sessions = 40
session_idle = "5m"
session_max = "8h"
session_calls = 1000
session_bytes = "64MiB"
shutdown_grace = "1s"
rules = { refunds = { calls = "20/min", burst = 5, concurrent = 2, per = "all", groups = ["corp/agents"], kind = "workload", target = "crm", tools = ["refund"] } }

[identity.oidc.corp]
issuer = "http://127.0.0.1:4000/"
audience = ["vidimus", "https://mcp.example.com"]
groups_claim = "realm_access.roles"
group_names = { "0b6f" = "support" }
workload_when = { claim = "azp_type", equals = "service" }
jwks_url = "https://10.0.0.1/jwks"
algorithms = ["ES256"]
leeway = "5s"
refresh_every = "10s"
display_claim = "upn"
allow_private = true
advertised = false

[identity.oidc.ci]
issuer = "https://ci.example.com"
audience = "vidimus"

[policy]
dir = "policies"

[approvals.finance]
approvers = 2
expires = "4h"
wait = "30s"
justification = "required"
message = "Finance agrees first."

[webhooks.chat]
url = "https://chat.example.com/hook"
secret = { env = "CHAT_HOOK" }
rules = ["finance"]
allow_private = true

[rewrites.cap-rows]
argument = "$.query"
max_rows = 1000

[rewrites.small]
argument = "$.amount"
min = 0
max = "1e3"

[rewrites.euro]
argument = "$.currency"
set = "EUR"

[rewrites.plain]
argument = "$.debug"
remove = true

[rewrites.quiet]
read_only = true

[grants.repair]
targets = ["crm"]
approval = "finance"
longest = "2h"
sessions = 3

[break_glass]
longest = "30m"

[masking]
classes = "default"
operators = { EMAIL_ADDRESS = "token" }
fields = { "*_badge" = "BADGE" }
allow = ["*@example.org", "CREDIT_CARD=4111 1111 1111 1111"]
custom = { BADGE = { patterns = ["EMP-[0-9]{5}"], words = ["blue badge"], validator = "luhn", context = ["badge"], score = 50, needs_context = true, operator = "redact" } }

[listeners.postgres]
listen = "0.0.0.0:6432"
certificate = "tls/pg.pem"
key = "/etc/vidimus/pg.key"
client_ca = "tls/people.pem"
connections = 50

[targets.orders]
protocol = "postgres"
address = "db.internal:5432"
user = "gateway"
password = { env = "ORDERS_PASSWORD" }
database = "shop"
sslmode = "verify-full"
tls = { ca = "tls/db.pem", server_name = "db" }
durability = "async"
record = "sizes"
rows = 5
retain = "30d"
scopes = ["sql"]
masking = { classes = "secrets" }
connect_timeout = "1s"

[targets.crm]
protocol = "mcp"
masking = { classes = ["default", "BADGE"], operators = { US_SSN = "keep_last(4)" }, fields = { "$.customers[*].ssn" = "US_SSN" }, allow = ["10.0.0.0/8"] }
facts = { shell = ["$.run"], sql = ["$.report.queries[*]"], dialect = "postgresql", roots = ["/srv/files"] }
url = "https://127.0.0.1:9000/mcp"
transport = "http"
requests = 7
headers = { Authorization = { env = "CRM_TOKEN", format = "Bearer {}" }, X-Tenant = { file = "tenant" } }
durability = "async"
record = "masked"
pins = "strict"
retain = "90d"
scopes = ["crm:use"]
tools = "crm.tools.json"
connect_timeout = "250ms"
request_timeout = "2h"
call_timeout = "3h"
[targets.crm.tls]
ca = "tls/ca.pem"
certificate = "tls/own.pem"
key = "tls/own.key"
server_name = "crm.internal"

[targets.files]
protocol = "mcp"
command = ["node", "server.js"]
env = { KEY = { env = "FILES_KEY" } }
variables = { MODE = "x" }
read = ["/srv/files"]
write = ["out"]
programs = ["/opt/node"]
run_as = "65534:65534"
isolation = "landlock"
network = false
idle = "1m"
[targets.vault]
protocol = "mcp"
url = "https://vault.internal/mcp"
[targets.vault.oauth]
token_endpoint = "https://login.example.com/token"
client_id = "vidimus"
client_secret = { env = "VAULT_SECRET" }
[targets.wiki]
protocol = "mcp"
url = "https://wiki.internal/mcp"
[targets.wiki.oauth]
grant = "token-exchange"
issuer = "https://login.example.com"
client_id = "vidimus"
client_secret = { env = "WIKI_SECRET" }
auth_method = "client_secret_post"
scopes = ["read"]
resource = "https://wiki.internal/mcp"
audience = "wiki"
subject_token_type = "jwt"
actor_token = true
allow_private = true
[witnesses.w1]
url = "https://witness.example.com/log"
key = "witness.example.com/w1+4fcb14dd+BBt0NftABy2xr6AjKFsSlg8JgUbn2+ipj4Hp34kdnSE2"
on_start = "warn"
[log]
public = true
[retention]
recordings = "400d"
delay = "12h"
classes = { US_SSN = "30d", BADGE = "7d" }
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/etc/vidimus/vidimus.toml"), text.to_owned())
}

fn report(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// `SMALLEST` with one line put in place of another.
fn with(line: &str, instead: &str) -> String {
    assert!(SMALLEST.contains(line), "{line}");
    SMALLEST.replace(line, instead)
}

#[test]
fn the_smallest_configuration_has_safe_defaults() {
    let config = parse(SMALLEST).unwrap();
    let gateway = &config.gateway;
    assert_eq!(
        (gateway.listen.to_string(), gateway.admin.to_string()),
        ("127.0.0.1:8080".into(), "127.0.0.1:9080".into())
    );
    assert_eq!(gateway.public_url, "http://127.0.0.1:8080");
    assert_eq!(gateway.data_dir, Path::new("/etc/vidimus/data"));
    assert_eq!(gateway.socket, Path::new("/etc/vidimus/data/vidimus.sock"));
    assert_eq!(gateway.key.source, Source::Env("VIDIMUS_KEY".into()));
    assert_eq!(config.policy_dir, Path::new("/etc/vidimus/policies"));
    let issuer = &config.issuers[0];
    assert_eq!(issuer.verification.algorithms, vidimus_identity::Algorithm::DEFAULT, "the identity crate's own");
    assert_eq!(issuer.algorithms.len(), 5);
    let unsaid = IssuerConfig::new("corp", "https://login.example.com/realms/corp", vec!["vidimus".into()]);
    assert_eq!(issuer.verification.leeway, unsaid.leeway);
    assert_eq!(issuer.verification.refresh_every, unsaid.refresh_every);
    assert!(issuer.is_advertised && gateway.scopes.is_empty() && config.targets[0].scopes.is_empty());
    assert!(!issuer.allow_private && issuer.verification.workload_when.is_none());
    let target = &config.targets[0];
    assert_eq!((target.durability, target.record), (Durability::Strict, Record::Sizes));
    assert!(matches!(&target.server, Server::Http { headers, .. } if headers.is_empty()));
    assert_eq!(target.call_timeout, Duration::from_hours(1));
    assert!(config.hash.starts_with("sha256:") && config.hash.len() == 71);
    assert_eq!(config.limits.request_bytes, 4 << 20);
}

#[test]
fn a_target_may_be_a_program() {
    let config = parse(FULL).unwrap();
    let Server::Program(program) = &config.targets[1].server else { panic!("{config:?}") };
    assert_eq!(program.command, ["node", "server.js"]);
    assert_eq!((program.env[0].0.as_str(), program.variables[0].1.as_str()), ("KEY", "x"));
    assert_eq!(program.write, [Path::new("/etc/vidimus/out")]);
    assert_eq!(program.run_as.map(|user| (user.uid, user.gid)), Some((65_534, 65_534)));
    assert_eq!((program.isolation, program.network), (vidimus_stdio::Isolation::Landlock, false));
    assert_eq!(program.idle, Duration::from_mins(1));
    assert!(matches!(config.confinement(program), Err(ProgramError::Secret(name, _)) if name == "KEY"));
    // It reaches neither the data nor the key, and changes nothing that the gateway is told.
    let confinement = config.confinement(&Program { env: Vec::new(), ..program.as_ref().clone() }).unwrap();
    let keys = ["/etc/vidimus/kek", "/etc/vidimus/key.pem", "/etc/vidimus/pg.key", "/etc/vidimus/tls/own.key"];
    assert_eq!(confinement.forbidden[0], Path::new("/var/lib/vidimus"));
    assert_eq!(confinement.forbidden[1..], keys.map(Path::new));
    let told = [
        "/etc/vidimus/vidimus.toml",
        "/etc/vidimus/policies",
        "/run/vidimus.sock",
        "/etc/vidimus/tls/chain.pem",
        "/etc/vidimus/tls/clients.pem",
        "/etc/vidimus/tls/pg.pem",
        "/etc/vidimus/tls/people.pem",
        "/etc/vidimus/tls/ca.pem",
        "/etc/vidimus/tls/own.pem",
        "/etc/vidimus/tls/db.pem",
        "/etc/vidimus/crm.tools.json",
    ];
    assert_eq!(confinement.unwritable, told.map(Path::new));
}

#[test]
fn every_key_is_understood() {
    let config = parse(FULL).unwrap();
    assert_eq!(config.gateway.allowed_origins, ["https://app.example.com"]);
    assert_eq!(config.gateway.socket, Path::new("/run/vidimus.sock"));
    let tls = config.gateway.tls.as_ref().unwrap();
    assert_eq!(tls.certificate, Path::new("/etc/vidimus/tls/chain.pem"));
    assert_eq!(tls.client_ca.as_deref(), Some(Path::new("/etc/vidimus/tls/clients.pem")));
    assert_eq!(config.gateway.proxies.trusted.len(), 2);
    assert_eq!(config.gateway.proxies.header, vidimus_net::ClientHeader::Forwarded);
    assert_eq!(config.limits.session_idle, Duration::from_mins(5));
    let callers = &config.limits.callers;
    assert_eq!((callers.sessions, callers.session_max), (40, Some(Duration::from_hours(8))));
    assert_eq!((callers.session_calls, callers.session_bytes), (Some(1_000), Some(64 << 20)));
    let [rule] = &*callers.rules else { panic!("{callers:?}") };
    assert_eq!((&*rule.name, rule.is_shared, rule.concurrent), ("refunds", true, Some(2)));
    assert_eq!(rule.calls.map(|rate| (rate.to_string(), rate.burst)), Some(("20/min".to_owned(), 5)));
    assert_eq!((rule.groups.as_slice(), rule.tools.as_slice()), (&["corp/agents".into()][..], &["refund".into()][..]));
    let corp = &config.issuers.iter().find(|issuer| issuer.verification.name == "corp").unwrap().verification;
    assert_eq!(corp.issuer, "http://127.0.0.1:4000/", "the text itself, since `iss` is compared exactly");
    assert_eq!(corp.audiences.len(), 2);
    assert_eq!(corp.group_names["0b6f"], "support");
    assert_eq!(corp.workload_when.as_ref().unwrap().equals, "service");
    let target = &config.targets[0];
    let Server::Http { headers, requests, tls, .. } = &target.server else { panic!("{target:?}") };
    assert_eq!(*requests, 7);
    assert_eq!(tls.ca.as_deref(), Some(Path::new("/etc/vidimus/tls/ca.pem")));
    assert_eq!(tls.identity.as_ref().unwrap().1, Path::new("/etc/vidimus/tls/own.key"));
    assert_eq!(tls.server_name, Some("crm.internal".try_into().unwrap()));
    assert_eq!(headers[0].0, "authorization");
    assert_eq!(headers[0].1.format.as_deref(), Some("Bearer {}"));
    assert_eq!(headers[1].1.source, Source::File("/etc/vidimus/tenant".into()));
    assert_eq!((target.durability, target.record), (Durability::Async, Record::Masked));
    assert_eq!(target.pins, Pinning::Strict);
    assert_eq!((target.retain, config.full_text), (Some(Duration::from_hours(90 * 24)), true));
    assert_eq!((config.capacity.warning, config.capacity.stop), (20 << 30, 512 << 20));
    assert_eq!(config.integrity_every, Duration::from_hours(6));
    assert_eq!(parse(SMALLEST).unwrap().integrity_every, Duration::from_hours(24));
    assert_eq!(target.tools.as_deref(), Some(Path::new("/etc/vidimus/crm.tools.json")));
    assert_eq!(target.connect_timeout, Duration::from_millis(250));
    assert_eq!(target.call_timeout, Duration::from_hours(3));
}

#[test]
fn retention_is_by_target_and_by_data_class() {
    let rules = |text: &str| parse(text).unwrap().retention.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        rules(FULL),
        [
            "retention of target crm: 90 days",
            "retention of target files: 400 days",
            "retention of target vault: 400 days",
            "retention of target wiki: 400 days",
            "retention of target orders: 30 days",
            "retention of data class BADGE: 7 days",
            "retention of data class US_SSN: 30 days"
        ]
    );
    assert_eq!(rules(SMALLEST), [""; 0], "nothing is erased unless somebody says so");
    assert_eq!(parse(SMALLEST).unwrap().retention_delay, Duration::from_hours(24));
    for (lines, expected) in [
        ("classes = { US_SNN = \"30d\" }", "did you mean `US_SSN`?"),
        ("classes = { US_SSN = \"30\" }", "classes"),
        ("recordings = \"90\"", "recordings"),
        ("delay = \"25h\"", "delay"),
        ("recording = \"90d\"", "did you mean `recordings`?"),
    ] {
        let error = parse(&format!("{SMALLEST}\n[retention]\n{lines}")).unwrap_err().to_string();
        assert!(error.contains(expected), "{lines}: {error}");
    }
}

#[test]
fn a_targets_masking_comes_on_top_of_the_gateways() {
    use vidimus_mask::Operator;
    let config = parse(FULL).unwrap();
    let (crm, files) = (&config.targets[0].masking, &config.targets[1].masking);
    assert_eq!(*files, config.masking);
    assert_eq!(
        (&config.masking.classes[..], &crm.classes[..]),
        (&["default".into()][..], &["default".into(), "BADGE".into()][..])
    );
    assert_eq!(crm.operators.len(), 2);
    assert_eq!(crm.operators["US_SSN"], Operator::KeepLast(4));
    assert_eq!((crm.fields.len(), files.fields.len()), (2, 1));
    assert_eq!((crm.allow.len(), files.allow.len()), (3, 2));
    let [badge] = &crm.custom[..] else { panic!("{crm:?}") };
    assert_eq!((badge.score, badge.needs_context, badge.operator), (50, true, Some(Operator::Redact)));
    assert_eq!(config.masking.allow[1].class.as_deref(), Some("CREDIT_CARD"));
    assert!(config.masking.names().iter().any(|name| &**name == "BADGE"));
    assert_eq!(parse(SMALLEST).unwrap().masking.classes, ["default"]);
}

#[test]
fn what_a_targets_arguments_are_is_read() {
    let guard = |text: &str| parse(text).unwrap().targets[0].guard.clone();
    let paths = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let settings = vidimus_guard::Settings {
        shell: paths(&["$.run"]),
        sql: paths(&["$.report.queries[*]"]),
        dialect: vidimus_guard::Dialect::PostgreSql,
        roots: vec!["/srv/files".to_owned()],
        rewrites: parse(FULL).unwrap().rewrites,
    };
    assert_eq!(guard(FULL), vidimus_guard::Guard::new(settings));
    assert_eq!(guard(SMALLEST), vidimus_guard::Guard::default());
    for (line, expected) in [
        ("sql = [\"query\"]", "a path to an argument is written like `$.query`"),
        ("dialect = \"postgres\"", "a dialect of SQL is one of postgresql, mysql"),
        ("roots = [\"srv/../etc\"]", "a root is a directory like `/srv/files`, without `..`"),
        ("shel = []", "unknown key `shel`"),
    ] {
        let error = parse(&format!("{SMALLEST}\n[targets.crm.facts]\n{line}\n")).unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn what_is_wrong_with_masking_is_said_with_the_nearest_name() {
    let wrong = |lines: &str| {
        let text = format!("{SMALLEST}{lines}");
        let ConfigError::Refused { problems, .. } = parse(&text).unwrap_err() else { panic!("{lines}") };
        problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join(" | ")
    };
    for (lines, expected) in [
        ("[masking]\nclasses = \"CREDIT_CRD\"", "did you mean `CREDIT_CARD`?"),
        ("[masking]\nclasses = []", "lists none"),
        ("[masking]\nclases = \"default\"", "unknown key `clases`"),
        ("[masking]\noperators = { US_SSN = \"hash\" }", "no operator is called \"hash\""),
        ("[masking]\noperators = { US_SNN = \"redact\" }", "did you mean `US_SSN`?"),
        ("[masking]\nfields = [\"a\"]", "expected table of texts"),
        ("[masking.custom.BADGE]\nvalidator = \"lun\"", "expected one of"),
        ("[targets.crm.masking]\nfields = { ssn = \"SSN\" }", "no data class is called `SSN`"),
        ("[targets.crm.masking]\ncustom = {}", "unknown key `custom`"),
    ] {
        let found = wrong(lines);
        assert!(found.contains(expected), "{lines}: {found}");
    }
    let upside_down = format!("{SMALLEST}\n[capacity]\nstop = \"9GiB\"\n");
    let error = parse(&upside_down).unwrap_err().to_string();
    assert!(error.contains("the thresholds of [capacity] are out of order"), "{error}");
    let reserved = SMALLEST.replace("[targets.crm]", "[targets.federation]");
    let error = parse(&reserved).unwrap_err().to_string();
    assert!(error.contains("`federation` is what the gateway's own endpoint for all targets is called"), "{error}");
    let unmasked = SMALLEST.replace("[targets.crm]", "[targets.crm]\nrecord = \"unmasked\"");
    let error = parse(&unmasked).unwrap_err().to_string();
    assert!(error.contains("payloads are never recorded as they passed: write \"masked\""), "{error}");
}

#[test]
fn witnesses_are_told_apart_by_their_keys_and_never_confused_with_logs() {
    const KEY: &str = "witness.example.com/w1+4fcb14dd+BBt0NftABy2xr6AjKFsSlg8JgUbn2+ipj4Hp34kdnSE2";
    const LOG_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let with = |witnesses: &str| parse(&format!("{SMALLEST}\n{witnesses}"));
    let one = format!("[witnesses.a]\nurl = \"http://w:1/x\"\nkey = \"{KEY}\"\n");
    let config = with(&one).unwrap();
    assert_eq!((config.witnesses[0].name.as_str(), config.witnesses[0].on_start), ("a", OnStart::Refuse));
    assert!(!config.is_log_public && parse(SMALLEST).unwrap().witnesses.is_empty());
    for (bad, expected) in [
        (one.replace(KEY, LOG_KEY), "this is a log's key"),
        (one.replace(KEY, "x"), "no key of a witness"),
        (format!("{one}{}", one.replace("witnesses.a", "witnesses.b")), "`a` and `b` are one witness"),
        (one.replace("/x", "/x?y"), "without query"),
        (format!("{one}on_start = \"ignore\""), "expected \"refuse\" or \"warn\""),
        (one.replace("url", "uri"), "no `url` in [witnesses.a]"),
        ("witnesses = 1".to_owned(), "witnesses"),
    ] {
        let error = with(&bad).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn grants_name_what_there_is_and_have_bounds() {
    let with = |text: &str| parse(&format!("{SMALLEST}[approvals.finance]\n{text}"));
    let config = with("[grants.repair]\ntargets = [\"crm\"]\napproval = \"finance\"\n[break_glass]\n").unwrap();
    let grant = &config.grants.grants[0];
    assert_eq!((&*grant.name, &*grant.approval, grant.longest), ("repair", "finance", Duration::from_hours(4)));
    assert_eq!((grant.sessions, config.grants.break_glass), (1, Some(Duration::from_hours(1))));
    assert_eq!(with("").unwrap().grants.break_glass, None, "off unless it is there");
    for (bad, expected) in [
        ("[grants.repair]\ntargets = [\"crm\"]\n", "The rule in `[approvals]`"),
        ("[grants.repair]\ntargets = [\"crn\"]\napproval = \"finance\"\n", "did you mean `crm`"),
        ("[grants.repair]\ntargets = []\napproval = \"finance\"\n", "lists none"),
        ("[grants.repair]\ntargets = [\"crm\"]\napproval = \"finanse\"\n", "did you mean `finance`"),
        ("[grants.repair]\ntargets = [\"crm\"]\napproval = \"finance\"\nlongest = \"2d\"\n", "at most a day"),
        ("[grants.repair]\ntargets = [\"crm\"]\napproval = \"finance\"\nlongest = \"9ms\"\n", "at least \"1s\""),
        ("[grants.repair]\ntargets = [\"crm\"]\napproval = \"finance\"\nsessions = 101\n", "more than 100"),
        ("[grants.break-glass]\ntargets = [\"crm\"]\napproval = \"finance\"\n", "another name"),
        ("[break_glass]\nshortest = \"1h\"\n", "unknown key"),
    ] {
        let error = with(bad).unwrap_err().to_string();
        assert!(error.contains(expected), "{bad}: {error}");
    }
}

#[test]
fn approval_rules_have_defaults_and_bounds() {
    let with = |text: &str| parse(&format!("{SMALLEST}{text}"));
    let config = with("[approvals.finance]\n").unwrap();
    let rule = &config.approvals[0];
    assert_eq!((&*rule.name, rule.approvers, rule.needs_reason, &rule.message), ("finance", 1, false, &None));
    assert_eq!((rule.expires, rule.wait), (Duration::from_hours(1), Duration::from_mins(4)));
    for (bad, expected) in [
        ("approvers = 0", "whole number from 1"),
        ("approvers = 11", "more than 10"),
        ("expires = \"2d\"", "at most a day"),
        ("justification = \"yes\"", "expected \"required\" or \"optional\""),
        ("message = \"\"", "1 to 500 bytes"),
        ("quorum = 2", "unknown key `quorum`"),
    ] {
        let error = with(&format!("[approvals.finance]\n{bad}\n")).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(with("[approvals.\"a b\"]\n").is_err());
}

#[test]
fn the_sample_with_every_key_has_every_key() {
    for section in keys::SECTIONS {
        for key in section.keys {
            let is_there = [format!("\n{} = ", key.name), format!(".{}]\n", key.name), format!(" {} = ", key.name)];
            assert!(is_there.iter().any(|text| FULL.contains(text)), "{} in [{}]", key.name, section.heading);
        }
    }
}

#[test]
fn all_problems_are_shown_in_one_report() {
    let text = r#"
[gateway]
listn = "127.0.0.1:8080"
listen = "localhost:8080"
admin = "0.0.0.0:9080"
key = "c2VjcmV0LWtleS1tYXRlcmlhbC1pbi10aGUtb3Blbg=="
dir = "policies"
allowed_origins = ["*"]

[limit]
connections = 5

[limits]
connections = 0
session_idle = 30
request_bytes = "4MB"

[identity.oidc.corp]
issuer = "http://login.example.com"
algorithms = ["HS256", "none"]
workload_when = { claim = "azp" }

[targets.CRM]
protocol = "mysql"
url = "http://user:hunter2@crm/mcp"
headers = { Authorization = "Bearer hunter2", X-Key = { env = "sk-hunter2" }, Host = { env = "H" }, host = { env = "H" } }
durability = "maybe"
token = "hunter2"
record = true
"#;
    let report = report(text);
    assert!(!report.contains("c2Vj"), "a literal secret is shown");
    insta::assert_snapshot!(report);
}

#[test]
fn syntax_errors_are_shown_without_what_follows() {
    let text = "[gateway]\nlisten = 127.0.0.1:8080\nkey = hunter2 extra\n[gateway]\n";
    let report = report(text);
    assert!(report.contains("/etc/vidimus/vidimus.toml:2:"), "{report}");
    insta::assert_snapshot!(report);
}

#[test]
fn no_way_of_writing_a_secret_down_gets_it_shown() {
    for (line, instead) in [
        (r#"key = { env = "VIDIMUS_KEY" }"#, r#"key = "hunter2""#),
        (r#"key = { env = "VIDIMUS_KEY" }"#, r#"key = ["hunter2"]"#),
        (r#"key = { env = "VIDIMUS_KEY" }"#, r#"key = { env = "hunter2 !" }"#),
        (r#"key = { env = "VIDIMUS_KEY" }"#, r#"key = { value = "hunter2", fiel = "x", env = "A" }"#),
        (r#"key = { env = "VIDIMUS_KEY" }"#, r#"key = { env = "A", format = "hunter2" }"#),
        (r#"key = { env = "VIDIMUS_KEY" }"#, "key = hunter2"),
        (r#"key = { env = "VIDIMUS_KEY" }"#, "key = 'hunter2"),
        (r#"key = { env = "VIDIMUS_KEY" }"#, "key = { env = \"A\" } hunter2"),
        (r#"protocol = "mcp""#, "protocol = \"mcp\"\nheaders = { A = \"hunter2\", B = { env = 1 } }"),
        (r#"protocol = "mcp""#, "protocol = \"mcp\"\nheaders = { A = { env = \"A\" }, A = \"hunter2\" }"),
        (r#"protocol = "mcp""#, "protocol = \"mcp\"\npassword = \"hunter2\""),
        (r#"protocol = "mcp""#, "protocol = \"mcp\"\nheaders = \"hunter2\""),
        (r#"url = "http://127.0.0.1:9000/mcp""#, r#"url = "http://u:hunter2@127.0.0.1:9000/mcp""#),
        ("[policy]", "[gateway.tls]\ncertificate = \"c\"\nkey = \"-----BEGIN PRIVATE KEY-----hunter2\"\n[policy]"),
    ] {
        let report = report(&with(line, instead));
        assert!(!report.contains("hunter2"), "{instead}\n{report}");
    }
}

#[test]
fn what_would_be_unsafe_is_refused_with_the_reason() {
    let key = r#"key = { env = "VIDIMUS_KEY" }"#;
    let issuer = r#"issuer = "https://login.example.com/realms/corp""#;
    let audience = r#"audience = "vidimus""#;
    for (line, instead, reason) in [
        (key, "", "no `key` in [gateway]"),
        (key, "key = { env = \"A\", file = \"B\" }", "exactly one of `env` and `file`"),
        (key, "key = {}", "exactly one of `env` and `file`"),
        (key, "key = { env = \"A\", format = \"{}\" }", "`key` takes no `format`"),
        (key, "key = { env = \"A\" }\nlisten = \"0.0.0.0:8080\"", "needs `public_url`"),
        (key, "key = { env = \"A\" }\npublic_url = \"http://gw.example.com\"", "in the clear"),
        (key, "key = { env = \"A\" }\nadmin = \"127.0.0.1:8080\"", "the same address"),
        (issuer, "issuer = \"http://login.example.com\"", "can make tokens"),
        (issuer, "issuer = \"http://login.example.com\"\nallow_private = true", "can make tokens"),
        (issuer, "issuer = \"http://127.0.0.1:1\"", "allow_private = true"),
        (issuer, "issuer = \"https://a\"\njwks_url = \"http://a/\"", "can make tokens"),
        (audience, "audience = []", "tokens meant for other services"),
        (audience, "", "no `audience`"),
        (audience, "audience = \"a\"\nleeway = \"6m\"", "at most 5m"),
        (audience, "audience = \"a\"\nrefresh_every = \"2h\"", "10s to 1h"),
        (issuer, "issuer = \"https://a/?b\"", "without query"),
        (audience, "audience = \"a\"\nalgorithms = []", "no token would be accepted"),
        ("[targets.crm]", "[targets.x]\nprotocol = \"mcp\"\n[targets.crm]", "no `url` in [targets.x]"),
        (CRM_URL, &format!("{CRM_URL}\ncommand = [\"a\"]"), "a `url` or a `command`, not both"),
        (CRM_URL, "command = []", "`command` is empty"),
        (CRM_URL, "command = [\"a\"]\nheaders = { a = { env = \"B\" } }", "a program has `env`"),
        (CRM_URL, "command = [\"a\"]\nrun_as = \"root\"", "expected \"UID:GID\""),
        (CRM_URL, "command = [\"a\"]\nrun_as = \"0:0\"", "expected \"UID:GID\""),
        (CRM_URL, "command = [\"a\"]\nisolation = \"some\"", "expected \"landlock\" or \"none\""),
        (CRM_URL, "command = [\"a\"]\nenv = { A = \"hunter2\" }", "is a secret"),
        (CRM_URL, "command = [\"a\"]\nenv = { \"A=\" = { env = \"B\" } }", "name of an environment variable"),
        (CRM_URL, "command = [\"a\"]\nvariables = { A = 1 }", "`A` must be text"),
        (
            "[policy]",
            "[identity.oidc.twin]\nissuer = \"https://login.example.com/realms/corp\"\naudience = \"x\"\n[policy]",
            "have the same `issuer`",
        ),
        // Its groups would be `local/…`, and `local/owner` reads evidence.
        (key, "key = { env = \"A\" }\ntrusted_proxies = [\"10.0.0.1/8\"]", "bits behind the prefix"),
        (key, "key = { env = \"A\" }\ntrusted_proxies = [\"proxy\"]", "expected an address or a network"),
        (key, "key = { env = \"A\" }\n[gateway.tls]\ncertificate = \"c\"", "no `key` in [gateway.tls]"),
        (CRM_URL, &format!("{CRM_URL}\ntls = {{ ca = \"c\" }}"), "is for a `url` with https"),
        (CRM_URL, "url = \"https://a\"\ntls = { certificate = \"c\" }", "belong together"),
        (CRM_URL, "url = \"https://a\"\ntls = { server_name = \"a b\" }", "expected a host name"),
        (CRM_URL, "url = \"https://a\"\ntls = { verify = false }", "unknown key `verify`"),
        (CRM_URL, "command = [\"a\"]\nrequests = 1", "not for a program"),
        (CRM_URL, "command = [\"a\"]\noauth = {}", "not for a program"),
        ("[identity.oidc.corp]", "[identity.oidc.local]", "`local` is the gateway's own"),
        ("[identity.oidc.corp]", "[identity.oidc.vidimus]", "`vidimus` is the gateway's own"),
    ] {
        let report = report(&with(line, instead));
        assert!(report.contains(reason), "{instead}\n{report}");
    }
}

/// The table `oauth` of a target that has these lines besides.
fn with_oauth(lines: &str, headers: &str) -> String {
    let table = format!(
        "{CRM_URL}\n{headers}\n[targets.crm.oauth]\nclient_id = \"gw\"\n{lines}\n[targets.other]\nprotocol = \"mcp\"\n{CRM_URL}"
    );
    with(CRM_URL, &table)
}

#[test]
fn what_is_said_of_a_targets_tokens_must_be_whole() {
    let (secret, endpoint) = ("client_secret = { env = \"S\" }", "token_endpoint = \"https://idp.example.com/token\"");
    let issuer = "issuer = \"https://idp.example.com\"";
    let shown = "headers = { Authorization = { env = \"H\" } }";
    for (lines, headers, reason) in [
        (format!("{secret}\n{endpoint}\n{issuer}"), "", "exactly one of `issuer` and `token_endpoint`"),
        (secret.to_owned(), "", "exactly one of `issuer` and `token_endpoint`"),
        (format!("client_secret = \"hunter2\"\n{endpoint}"), "", "is a secret"),
        (endpoint.to_owned(), "", "no `client_secret`"),
        (format!("{secret}\n{}", endpoint.replace("https", "http")), "", "expected `https`"),
        (
            format!("{secret}\n{endpoint}\ngrant = \"password\""),
            "",
            "expected \"client-credentials\" or \"token-exchange\"",
        ),
        (format!("{secret}\n{endpoint}\nactor_token = true"), "", "is for grant = \"token-exchange\""),
        (format!("{secret}\n{endpoint}\nsubject_token_type = \"jwt\""), "", "is for grant = \"token-exchange\""),
        (format!("{secret}\n{endpoint}\nresource = \"crm\""), "", "expected an absolute URL"),
        (format!("{secret}\n{endpoint}\naudience = \"\""), "", "expected printable text"),
        (format!("{secret}\n{endpoint}\nclient_secrets = 1"), "", "did you mean `client_secret`"),
        (format!("{secret}\n{endpoint}"), shown, "are two credentials for one target"),
    ] {
        let report = report(&with_oauth(&lines, headers));
        assert!(report.contains(reason) && !report.contains("hunter2"), "{lines}\n{report}");
    }
}

#[test]
fn a_targets_tokens_are_asked_for_as_it_says() {
    let lines = "grant = \"token-exchange\"\nissuer = \"http://10.0.0.7/realm\"\nclient_secret = { env = \"S\" }\n\
                 auth_method = \"client_secret_post\"\nscopes = [\"a\", \"b\"]\nresource = \"https://crm.internal/mcp\"\n\
                 audience = \"crm\"\nsubject_token_type = \"jwt\"\nactor_token = true\nallow_private = true";
    let config = parse(&with_oauth(lines, "headers = { Authorization = { env = \"H\" } }")).unwrap();
    let Server::Http { oauth: Some(oauth), headers, .. } = &config.targets[0].server else { panic!("no table") };
    assert_eq!(oauth.grant, vidimus_credential::Grant::TokenExchange { subject_is_jwt: true, names_actor: true });
    assert_eq!(oauth.endpoint, vidimus_credential::Endpoint::Issuer("http://10.0.0.7/realm".into()));
    assert!(oauth.allow_private && headers.len() == 1 && oauth.client_id == "gw");
}

#[test]
fn tables_without_content_are_refused() {
    let report = report("");
    for missing in ["no [gateway]", "no [identity]", "no [policy]", "no [targets]"] {
        assert!(report.contains(missing), "{report}");
    }
    assert!(!report.contains("no [limits]"), "{report}");
    let empty = "[gateway]\nkey = { env = \"A\" }\n[identity.oidc]\n[policy]\ndir = \"p\"\n[targets]\n";
    let report = self::report(empty);
    assert!(report.contains("no issuer") && report.contains("no target"), "{report}");
}

#[test]
fn control_characters_of_the_file_stay_out_of_the_report() {
    let report = report("[gateway]\n\"a\\u001b[31m\" = 1\nb = \"\u{9b}\u{202e}\"\n");
    assert!(report.chars().all(|character| character == '\n' || !character.is_control()), "{report:?}");
    assert!(!report.contains('\u{202e}'));
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nonexistent/vidimus.toml")).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
    assert!(error.to_string().contains("/nonexistent/vidimus.toml"));
}

#[test]
fn a_rule_that_would_hold_nothing_back_is_refused_with_what_is_missing() {
    let with = |rule: &str| parse(&format!("{SMALLEST}\n[limits.rules.{rule}"));
    assert!(with("r]\ncalls = \"5/s\"").is_ok() && with("r]\nconcurrent = 1\ntarget = \"crm\"").is_ok());
    for (bad, expected) in [
        ("r]", "[limits.rules.r] limits nothing"),
        ("r]\nburst = 5\nconcurrent = 1", "`burst` is a part of `calls`"),
        ("r]\ncalls = \"5/s\"\ntarget = \"crn\"", "there is no [targets.crn]; did you mean `crm`?"),
        ("r]\ncalls = \"5/s\"\ntarget = \"warehouse\"", "those that there are: crm"),
        ("r]\ncalls = \"5/s\"\ntools = [\"refund\"]", "`tools` are of one target"),
        ("r]\ncalls = \"5/s\"\ntarget = \"crm\"\ntools = []", "`tools` lists none"),
        ("r]\ncalls = \"5/s\"\ngroups = []", "`groups` lists none"),
        ("r]\ncalls = \"5/s\"\ngroups = [\"agents\"]", "expected a group as policies name it"),
        ("r]\ncalls = 5", "expected rate, found a number"),
        ("r]\ncalls = \"5/m\"", "expected calls in a time"),
        ("r]\ncall = \"5/s\"", "did you mean `calls`?"),
        ("r]\nconcurrent = 0", "`concurrent` must be a whole number from 1"),
        ("r]\nconcurrent = 2000000", "`concurrent` is at most 1000000"),
        ("r]\ncalls = \"5/s\"\nkind = \"agent\"", "expected \"user\" or \"workload\""),
        ("sessions]\ncalls = \"5/s\"", "`sessions` is a limit of [limits] itself"),
        ("R]\ncalls = \"5/s\"", "expected a name of a-z"),
    ] {
        let error = with(bad).unwrap_err().to_string();
        assert!(error.contains(expected), "{bad}: {error}");
    }
}
