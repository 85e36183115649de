//! The tables of a configuration, one function each, and what must hold between them.
//!
//! Every value of a table is read before the first missing one ends it, so that all problems are found.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::uri::Scheme;
use toml::Spanned;
use toml::de::DeTable;
use vidimus_core::{Durability, Record, TargetName};
use vidimus_gate::{GrantRules, Thresholds};
use vidimus_guard::Rewrite;
use vidimus_identity::{Algorithm, ClaimRule, IssuerConfig};
use vidimus_mcp::Pinning;
use vidimus_net::{ClientHeader, Network, Proxies};

use super::document::Document;
use super::table::{Table, secret};
use super::{
    Config, Database, Gateway, Issuer, Masking, Server, Target, approvals, databases, facts, grants, limits, masking,
    retention, rewrites, stdio, tls, value, webhooks, witnesses,
};
use super::{keys, oauth};

/// The socket in `data_dir`.
pub(crate) const SOCKET: &str = "vidimus.sock";

/// The most clock difference an issuer may have.
const MAX_LEEWAY: Duration = Duration::from_mins(5);
/// How often keys may be fetched: more often would be a load on the issuer, less often would believe withdrawn keys.
const REFRESH_BOUNDS: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_hours(1);

/// Headers that make up the HTTP message or the MCP session (RFC 9110 §7.6.1, MCP 2025-11-25 "Transports"): a
/// configured value would break the one or the other.
const RESERVED_HEADERS: &[&str] = &[
    "accept",
    "connection",
    "content-length",
    "content-type",
    "content-encoding",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads the whole document. `None` only when a problem was noted.
pub(super) fn read(document: &Document, path: &Path, hash: String) -> Option<Config> {
    let parsed = document.parse()?;
    let root = Table::new(document, &keys::ROOT, String::new(), 0..0, parsed.get_ref());
    let gateway = root.table("gateway").and_then(|(place, table)| gateway(document, place, table));
    let capacity = capacity(document, root.table("capacity"));
    let integrity_every = integrity_every(document, root.table("integrity"));
    let full_text = full_text(document, root.table("index"));
    let issuers = root.table("identity").and_then(|(place, table)| issuers(document, place, table));
    let policy_dir = root.table("policy").and_then(|(place, table)| {
        let table = Table::new(document, &keys::POLICY, "policy".to_owned(), place, table);
        let dir = table.parsed("dir", value::text);
        table.finish();
        Some(document.resolve(&dir?))
    });
    let approvals = approvals::read(document, root.table("approvals"));
    let rules: Vec<String> = approvals.iter().flatten().map(|rule| rule.name.to_string()).collect();
    let webhooks = webhooks::read(document, root.table("webhooks"), &rules);
    let rewrites = rewrites::read(document, root.table("rewrites"));
    let masking = masking::read(document, root.table("masking"));
    // Where it is wrong, targets are still read: every problem is told at once.
    let for_targets = (masking.clone().unwrap_or_else(masking::nothing), rewrites.clone().unwrap_or_default());
    let found = root.table("targets");
    let names: Vec<&str> = found.iter().flat_map(|(_, table)| table.keys()).map(|name| &**name.get_ref()).collect();
    let of_rules = approvals.iter().flatten().map(|rule| &*rule.name).collect();
    let known = grants::Known { targets: names.clone(), rules: approvals.as_ref().map(|_| of_rules) };
    let grants_place = root.table("grants").map_or(0..0, |(place, _)| place);
    let grants = grants::read(document, root.table("grants"), &known);
    let break_glass = grants::break_glass(document, root.table("break_glass"));
    let targets = found.and_then(|(place, table)| targets(document, place, table, &for_targets));
    let of_issuers = issuers.as_ref().map(|issuers| issuers.iter().map(|own| &*own.verification.name).collect());
    let postgres = databases::listener(document, root.table("listeners"));
    let limits = limits::read(document, root.table("limits"), &limits::Known { targets: names, issuers: of_issuers });
    let retention = retention::read(document, root.table("retention"), &for_targets.0);
    let witnesses = witnesses::read(document, root.table("witnesses"));
    let is_log_public = is_log_public(document, root.table("log"));
    root.finish();
    let (targets, databases) = targets.unzip();
    grants::check(document, &grants_place, grants.as_deref(), targets.as_deref());
    let (targets, databases, retention) = (targets?, databases?, retention?);
    Some(Config {
        path: path.to_owned(),
        hash,
        gateway: gateway?,
        limits: limits?,
        capacity: capacity?,
        integrity_every: integrity_every?,
        full_text: full_text?,
        issuers: issuers?,
        policy_dir: policy_dir?,
        approvals: approvals?,
        webhooks: webhooks?,
        rewrites: rewrites?,
        grants: GrantRules { grants: grants?, break_glass: break_glass? },
        masking: masking?,
        retention_delay: retention.delay,
        retention: retention.rules(
            targets
                .iter()
                .map(|target| (&target.name, target.retain))
                .chain(databases.iter().map(|database| (&database.name, database.retain))),
        ),
        targets,
        databases,
        postgres: postgres?,
        witnesses: witnesses?,
        is_log_public: is_log_public?,
    })
}

fn is_log_public<'a>(document: &'a Document, found: Option<(Range<usize>, &'a DeTable<'a>)>) -> Option<bool> {
    let none = DeTable::new();
    let (place, table) = found.unwrap_or((0..0, &none));
    let table = Table::new(document, &keys::LOG, "log".to_owned(), place, table);
    let is_public = table.boolean("public");
    table.finish();
    is_public
}

fn gateway<'a>(document: &'a Document, place: Range<usize>, table: &'a DeTable<'a>) -> Option<Gateway> {
    let table = Table::new(document, &keys::GATEWAY, "gateway".to_owned(), place.clone(), table);
    let name = table.parsed("name", value::name);
    let listen = table.parsed("listen", value::address);
    let admin = table.parsed("admin", value::loopback_address);
    let tls = tls::listener(document, table.table("tls"));
    let scheme = if table.value("tls").is_some() { "https" } else { "http" };
    let public_url = match (table.value("public_url"), listen) {
        (Some(given), _) => table.parse("public_url", given, value::private_url),
        (None, Some(listen)) if listen.ip().is_loopback() => value::url(&format!("{scheme}://{listen}")).ok(),
        (None, Some(_)) => {
            let help = "add the address clients use, `https://…`, and a certificate ([gateway.tls]) or a TLS-terminating \
                        proxy before the gateway";
            let message = "`listen` is not on loopback, so [gateway] needs `public_url`";
            document.problem(place.clone(), message, Some(help.to_owned()));
            None
        }
        (None, None) => None,
    };
    let data_dir = table.parsed("data_dir", value::text).map(|path| document.resolve(&path));
    let socket = table.parsed("socket", value::text).map(|path| document.resolve(&path));
    let key = table.secret("key");
    let allowed_origins = table.list("allowed_origins", value::origin);
    let scopes = table.list("scopes", value::scope);
    let trusted = table.list("trusted_proxies", |text| text.parse::<Network>().map_err(|error| error.to_string()));
    let header = table.parsed("client_header", |text| {
        let headers = [("x-forwarded-for", ClientHeader::XForwardedFor), ("forwarded", ClientHeader::Forwarded)];
        one_of(&text.to_ascii_lowercase(), &headers)
    });
    table.finish();
    if let (Some(listen), Some(admin)) = (listen, admin)
        && listen == admin
        && listen.port() != 0
    {
        document.problem(place.clone(), "`listen` and `admin` are the same address", None);
    }
    if key.as_ref().is_some_and(|key| key.format.is_some()) {
        document.problem(place, "`key` takes no `format`: it is 32 bytes, not text", None);
    }
    let data_dir = data_dir?;
    Some(Gateway {
        name: name?,
        listen: listen?,
        admin: admin?,
        public_url: public_url?,
        socket: socket.unwrap_or_else(|| data_dir.join(SOCKET)),
        data_dir,
        key: key?,
        allowed_origins: allowed_origins?,
        scopes: scopes?,
        tls: tls?,
        proxies: Proxies { trusted: trusted?, header: header? },
    })
}

fn capacity<'a>(document: &'a Document, found: Option<(Range<usize>, &'a DeTable<'a>)>) -> Option<Thresholds> {
    let none = DeTable::new();
    let (place, table) = found.unwrap_or((0..0, &none));
    let table = Table::new(document, &keys::CAPACITY, "capacity".to_owned(), place.clone(), table);
    let warning = table.parsed("warning", value::space);
    let alarm = table.parsed("alarm", value::space);
    let stop = table.parsed("stop", value::space);
    table.finish();
    let thresholds = Thresholds { warning: warning?, alarm: alarm?, stop: stop? };
    if thresholds.warning < thresholds.alarm || thresholds.alarm < thresholds.stop {
        let help = "less room is worse: `warning` is at least `alarm`, `alarm` at least `stop`";
        document.problem(place, "the thresholds of [capacity] are out of order", Some(help.to_owned()));
        return None;
    }
    Some(thresholds)
}

fn integrity_every<'a>(document: &'a Document, found: Option<(Range<usize>, &'a DeTable<'a>)>) -> Option<Duration> {
    let none = DeTable::new();
    let (place, table) = found.unwrap_or((0..0, &none));
    let table = Table::new(document, &keys::INTEGRITY, "integrity".to_owned(), place, table);
    let every = table.parsed("every", value::duration);
    table.finish();
    every
}

fn full_text<'a>(document: &'a Document, found: Option<(Range<usize>, &'a DeTable<'a>)>) -> Option<bool> {
    let none = DeTable::new();
    let (place, table) = found.unwrap_or((0..0, &none));
    let table = Table::new(document, &keys::INDEX, "index".to_owned(), place, table);
    let full_text = table.boolean("full_text");
    table.finish();
    full_text
}

fn issuers<'a>(document: &'a Document, place: Range<usize>, table: &'a DeTable<'a>) -> Option<Vec<Issuer>> {
    let identity = Table::new(document, &keys::IDENTITY, "identity".to_owned(), place, table);
    let found = identity.table("oidc");
    identity.finish();
    let (place, table) = found?;
    let mut issuers: Vec<Option<Issuer>> = Vec::new();
    for (name, value) in table {
        let issuer = identity.as_table("oidc", value).and_then(|table| issuer(document, name, table));
        if let Some(issuer) = &issuer
            && let Some(twin) =
                issuers.iter().flatten().find(|other| other.verification.issuer == issuer.verification.issuer)
        {
            let message =
                format!("`{}` and `{}` have the same `issuer`", twin.verification.name, issuer.verification.name);
            let help = "a token must lead to one of them; keep one, and list its audiences";
            document.problem(name.span(), message, Some(help.to_owned()));
        }
        issuers.push(issuer);
    }
    if issuers.is_empty() {
        document.problem(place, "no issuer in [identity.oidc]", Some("add an [identity.oidc.NAME]".to_owned()));
    }
    issuers.into_iter().collect()
}

fn issuer<'a>(
    document: &'a Document,
    name: &'a Spanned<toml::de::DeString<'a>>,
    table: &'a DeTable<'a>,
) -> Option<Issuer> {
    let heading = format!("identity.oidc.{}", name.get_ref());
    let table = Table::new(document, &keys::ISSUER, heading.clone(), name.span(), table);
    let own_name = value::issuer_name(name.get_ref());
    if let Err(expected) = &own_name {
        document.problem(name.span(), expected.as_str(), None);
    }
    let allow_private = table.boolean("allow_private");
    let fetched = |text: &str| {
        let uri = value::url(text)?;
        match (uri.scheme() == Some(&Scheme::HTTPS), value::is_loopback(&uri), allow_private) {
            (true, false, _) | (_, true, Some(true)) => Ok(uri),
            (_, true, _) => Err("this is loopback: set `allow_private = true` if that is meant".to_owned()),
            (false, false, _) => Err("expected `https`: whoever can alter the answer can make tokens".to_owned()),
        }
    };
    let issuer = table.parsed("issuer", |text| {
        if text.contains('?') {
            return Err("expected an address without query (OpenID Connect Discovery 1.0 §2)".to_owned());
        }
        fetched(text).map(|_| text.to_owned())
    });
    let audiences = audiences(document, &table);
    let groups_claim = table.parsed("groups_claim", value::text);
    let group_names = match table.table("group_names") {
        Some((_, names)) => names
            .iter()
            .map(|(id, name)| Some((id.get_ref().to_string(), table.parse("group_names", name, value::text)?)))
            .collect(),
        None => Some(BTreeMap::new()),
    };
    let workload_when = table.table("workload_when").map(|(place, found)| {
        let when = Table::new(document, &keys::WORKLOAD_WHEN, format!("{heading}.workload_when"), place, found);
        let (claim, equals) = (when.parsed("claim", value::text), when.parsed("equals", value::text));
        when.finish();
        Some(ClaimRule { claim: claim?, equals: equals? })
    });
    let jwks_url = table.parsed("jwks_url", |text| fetched(text).map(|_| text.to_owned()));
    let algorithms = table.list("algorithms", |text| {
        let algorithm = Algorithm::named(text).ok_or("expected a public-key algorithm: RS*, PS*, ES* or EdDSA")?;
        Ok((text.to_owned(), algorithm))
    });
    if let Some(given) = table.value("algorithms").filter(|_| algorithms.as_ref().is_some_and(Vec::is_empty)) {
        document.problem(given.span(), "`algorithms` lists none: no token would be accepted", None);
    }
    let leeway = table.parsed("leeway", |text| {
        value::duration(text).and_then(|leeway| (leeway <= MAX_LEEWAY).then_some(leeway).ok_or("at most 5m".into()))
    });
    let refresh_every = table.parsed("refresh_every", |text| {
        let every = value::duration(text)?;
        REFRESH_BOUNDS.contains(&every).then_some(every).ok_or_else(|| "expected 10s to 1h".to_owned())
    });
    let display_claim = table.parsed("display_claim", value::text);
    let is_advertised = table.boolean("advertised");
    table.finish();
    let (names, algorithms): (Vec<_>, Vec<_>) = algorithms?.into_iter().unzip();
    let workload_when = match workload_when {
        Some(rule) => Some(rule?),
        None => None,
    };
    let verification = IssuerConfig {
        name: own_name.ok()?,
        issuer: issuer?,
        audiences: audiences?,
        groups_claim: Some(groups_claim?),
        group_names: group_names?,
        workload_when,
        algorithms,
        jwks_url,
        leeway: leeway?,
        refresh_every: refresh_every?,
        display_claim,
    };
    Some(Issuer { verification, algorithms: names, allow_private: allow_private?, is_advertised: is_advertised? })
}

/// One text or a list of at least one.
fn audiences(document: &Document, table: &Table<'_>) -> Option<Vec<String>> {
    let given = table.value("audience")?;
    if !given.get_ref().is_array() {
        return Some(vec![table.parse("audience", given, value::text)?]);
    }
    let list = table.list("audience", value::text)?;
    if list.is_empty() {
        document.problem(given.span(), "`audience` lists none: tokens meant for other services would pass", None);
    }
    Some(list)
}

fn targets<'a>(
    document: &'a Document,
    place: Range<usize>,
    table: &'a DeTable<'a>,
    shared: &(Masking, Arc<[Rewrite]>),
) -> Option<(Vec<Target>, Vec<Database>)> {
    let (mut targets, mut databases): (Vec<Option<Target>>, Vec<Option<Database>>) = Default::default();
    for (name, value) in table {
        let own_name = target_name(document, name);
        let Some(table) = value.get_ref().as_table() else {
            document.strike(value.span());
            document.problem(value.span(), format!("`{}` in [targets] must be a table", name.get_ref()), None);
            targets.push(None);
            continue;
        };
        let protocol = table.iter().find(|(key, _)| key.get_ref() == "protocol");
        if protocol.is_some_and(|(_, protocol)| protocol.get_ref().as_str() == Some("postgres")) {
            databases.push(databases::database(document, (own_name, name), table, &shared.0));
        } else {
            targets.push(target(document, (own_name, name), table, shared));
        }
    }
    if targets.is_empty() && databases.is_empty() {
        document.problem(place, "no target in [targets]", Some("add a [targets.NAME]".to_owned()));
    }
    let targets = targets.into_iter().collect::<Option<Vec<_>>>();
    let databases = databases.into_iter().collect::<Option<Vec<_>>>();
    if let (Some(targets), Some(databases)) = (&targets, &databases) {
        stdio::check(document, targets, databases);
    }
    targets.zip(databases)
}

fn target_name(document: &Document, name: &Spanned<toml::de::DeString<'_>>) -> Option<TargetName> {
    let own_name = name.get_ref().parse::<TargetName>();
    match &own_name {
        Err(error) => document.problem(name.span(), error.to_string(), None),
        Ok(own) if own.is_federation() => {
            let text = format!("`{own}` is what the gateway's own endpoint for all targets is called");
            document.problem(name.span(), text, Some("give the target another name".to_owned()));
        }
        Ok(_) => {}
    }
    own_name.ok()
}

fn target<'a>(
    document: &'a Document,
    (own_name, name): (Option<TargetName>, &'a Spanned<toml::de::DeString<'a>>),
    table: &'a DeTable<'a>,
    (gateway, rewrites): &(Masking, Arc<[Rewrite]>),
) -> Option<Target> {
    let table = Table::new(document, &keys::TARGET, format!("targets.{}", name.get_ref()), name.span(), table);
    let protocol = table.parsed("protocol", |text| one_of(text, &[("mcp", 0), ("postgres", 1)]));
    let url = table.parsed("url", value::url);
    let is_sse = table.parsed("transport", |text| one_of(text, &[("http", false), ("sse", true)]));
    let headers = table.table("headers").map_or(Some(Vec::new()), |(_, found)| headers(document, found));
    let durability = table.parsed("durability", |text| {
        one_of(text, &[Durability::Strict, Durability::Async].map(|durability| (durability.name(), durability)))
    });
    let record = table.parsed("record", |text| {
        if text == "unmasked" {
            return Err("payloads are never recorded as they passed: write \"masked\"".to_owned());
        }
        one_of(text, &[Record::Sizes, Record::Masked].map(|record| (record.name(), record)))
    });
    let pins = table.parsed("pins", |text| {
        one_of(text, &[Pinning::Record, Pinning::Strict, Pinning::Off].map(|pins| (pins.name(), pins)))
    });
    let retain = table.parsed("retain", value::days);
    let scopes = table.list("scopes", value::scope);
    let heading = format!("targets.{}.masking", name.get_ref());
    let masking = masking::of_target(document, heading, table.table("masking"), gateway);
    let heading = format!("targets.{}.facts", name.get_ref());
    let guard = facts::of_target(document, heading, table.table("facts"), rewrites);
    let tools = table.parsed("tools", value::text).map(|path| document.resolve(&path));
    let connect_timeout = table.parsed("connect_timeout", value::duration);
    let request_timeout = table.parsed("request_timeout", value::duration);
    let call_timeout = table.parsed("call_timeout", value::duration);
    let requests = table.count("requests");
    let heading = format!("targets.{}.tls", name.get_ref());
    let tls = tls::target(document, heading, table.table("tls"), url.as_ref());
    let heading = format!("targets.{}.oauth", name.get_ref());
    let oauth = oauth::of_target(document, heading, table.table("oauth"), headers.as_deref());
    let program = stdio::program(document, &table);
    let server = match (table.value("url"), table.value("command")) {
        (Some(_), None) => {
            let (headers, tls) = (headers.zip(oauth), tls.map(Box::new));
            url.and_then(|url| {
                let (headers, oauth) = headers?;
                Some(Server::Http { url, headers, oauth, is_sse: is_sse?, requests: requests?, tls: tls? })
            })
        }
        (None, Some(_)) => {
            if let Some(given) = table.value("headers") {
                document.problem(given.span(), "`headers` go to a `url`; a program has `env`".to_owned(), None);
            }
            for of_url in ["requests", "tls", "oauth", "transport"] {
                if let Some(given) = table.value(of_url) {
                    document.problem(given.span(), format!("`{of_url}` is for a `url`, not for a program"), None);
                }
            }
            program.map(|program| Server::Program(Box::new(program)))
        }
        (None, None) => {
            let remedy = "add `url`, or `command` for a program that the gateway starts";
            document.problem(name.span(), format!("no `url` in [targets.{}]", name.get_ref()), Some(remedy.into()));
            None
        }
        (Some(given), Some(_)) => {
            document.problem(given.span(), "a target has a `url` or a `command`, not both".to_owned(), None);
            None
        }
    };
    table.finish();
    protocol?;
    Some(Target {
        name: own_name?,
        server: server?,
        scopes: scopes?,
        durability: durability?,
        record: record?,
        pins: pins?,
        retain,
        masking: masking?,
        guard: guard?,
        tools,
        connect_timeout: connect_timeout?,
        request_timeout: request_timeout?,
        call_timeout: call_timeout?,
    })
}

fn headers<'a>(document: &'a Document, table: &'a DeTable<'a>) -> Option<Vec<(HeaderName, crate::secret::SecretRef)>> {
    let mut headers: Vec<(HeaderName, crate::secret::SecretRef)> = Vec::new();
    let mut complete = true;
    for (name, value) in table {
        let reference = secret(document, name.get_ref(), value);
        let header = HeaderName::from_bytes(name.get_ref().as_bytes());
        let problem = match &header {
            Err(_) => Some("is no header name"),
            Ok(header) if RESERVED_HEADERS.contains(&header.as_str()) => Some("is set by the gateway itself"),
            Ok(header) if headers.iter().any(|(other, _)| other == header) => {
                Some("is there twice; case does not matter")
            }
            Ok(_) => None,
        };
        if let Some(problem) = problem {
            document.problem(name.span(), format!("header `{}` {problem}", name.get_ref()), None);
        }
        match (header, reference, problem) {
            (Ok(header), Some(reference), None) => headers.push((header, reference)),
            _ => complete = false,
        }
    }
    complete.then_some(headers)
}

pub(super) fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        format!("expected {}", words.join(" or "))
    })
}
