//! Every key a configuration may hold: the one table from which files are checked and the reference is written.
//!
//! A key that is not here is refused. A default that stands here is the one that is used, because the reader takes it
//! from here. A test holds that every key here is read and every key read is here.

mod databases;
mod grants;
mod limits;
mod rewrites;
mod webhooks;

pub(super) use databases::{DATABASE, LISTENER_POSTGRES};
pub(super) use grants::{APPROVAL, BREAK_GLASS, GRANT};
pub(super) use limits::{LIMIT_RULE, LIMITS};
pub(super) use rewrites::REWRITE;
pub(super) use webhooks::WEBHOOK;

/// What happens when a key is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// The configuration is refused.
    Refused,
    /// This value holds.
    Default(&'static str),
    /// What the words say.
    Means(&'static str),
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// The form of the value, for people.
    pub(super) form: &'static str,
    pub(super) absent: Absent,
    pub(super) about: &'static str,
}

/// One table.
#[derive(Debug)]
pub(super) struct Section {
    /// The heading, with `NAME` where the operator's own name stands.
    pub(super) heading: &'static str,
    pub(super) about: &'static str,
    pub(super) keys: &'static [Key],
}

const fn key(name: &'static str, form: &'static str, absent: Absent, about: &'static str) -> Key {
    Key { name, form, absent, about }
}

/// All tables, in the order of the reference.
pub(super) const SECTIONS: &[&Section] = &[
    &GATEWAY,
    &GATEWAY_TLS,
    &LISTENER_POSTGRES,
    &LIMITS,
    &LIMIT_RULE,
    &CAPACITY,
    &INTEGRITY,
    &RETENTION,
    &ISSUER,
    &WORKLOAD_WHEN,
    &POLICY,
    &APPROVAL,
    &WEBHOOK,
    &REWRITE,
    &GRANT,
    &BREAK_GLASS,
    &MASKING,
    &CUSTOM_CLASS,
    &TARGET,
    &DATABASE,
    &TARGET_OAUTH,
    &TARGET_TLS,
    &TARGET_MASKING,
    &TARGET_FACTS,
    &CHAINED,
    &WITNESS,
    &LOG,
    &SECRET,
];

/// The top level: tables only.
pub(super) const ROOT: Section = Section {
    heading: "",
    about: "",
    keys: &[
        key("gateway", "table", Absent::Refused, "the gateway itself"),
        key("listeners", "table", Absent::Means("MCP alone"), "where clients of other protocols connect"),
        key("limits", "table", Absent::Means("the defaults hold"), "bounds"),
        key("capacity", "table", Absent::Means("the defaults hold"), "room for evidence"),
        key("integrity", "table", Absent::Means("the defaults hold"), "how often all evidence is checked"),
        key("index", "table", Absent::Means("the defaults hold"), "what is searched"),
        key("retention", "table", Absent::Means("recordings are kept"), "how long recordings are kept"),
        key("identity", "table", Absent::Refused, "who vouches for callers"),
        key("policy", "table", Absent::Refused, "who may do what"),
        key("approvals", "table", Absent::Means("nothing can be approved"), "who must agree, by rule"),
        key("webhooks", "table", Absent::Means("nobody is told"), "who is told of requests for approval"),
        key("rewrites", "table", Absent::Means("nothing can be rewritten"), "how calls are rewritten, by name"),
        key("grants", "table", Absent::Means("nothing can be asked for"), "access for a time, by name"),
        key("break_glass", "table", Absent::Means("nobody can break it"), "overriding the need for approval"),
        key("masking", "table", Absent::Means("the defaults hold"), "what is masked"),
        key("targets", "table", Absent::Refused, "what the gateway fronts"),
        key("witnesses", "table", Absent::Means("nobody watches over the log"), "who watches over the log"),
        key("log", "table", Absent::Means("the defaults hold"), "who may read the log over HTTP"),
    ],
};

/// `[listeners]` holds a table for each protocol.
pub(super) const LISTENERS: Section = Section {
    heading: "listeners",
    about: "",
    keys: &[key("postgres", "table", Absent::Means("nobody"), "clients of PostgreSQL")],
};

/// `[identity]` holds tables of issuers only.
pub(super) const IDENTITY: Section = Section {
    heading: "identity",
    about: "",
    keys: &[key("oidc", "table", Absent::Refused, "OpenID Connect issuers, by name")],
};

pub(super) const GATEWAY: Section = Section {
    heading: "gateway",
    about: "The gateway itself: where it listens, where it keeps evidence.",
    keys: &[
        key("name", "name", Absent::Default("vidimus"), "Stands in every event. Give each gateway its own."),
        key(
            "listen",
            "address",
            Absent::Default("127.0.0.1:8080"),
            "Where MCP clients connect. Without `[gateway.tls]` it is plain HTTP: anywhere but on loopback, put a \
             TLS-terminating proxy before it then. `public_url` says what clients use.",
        ),
        key("admin", "address", Absent::Default("127.0.0.1:9080"), "Where metrics and health are. Loopback only."),
        key(
            "public_url",
            "URL",
            Absent::Means(
                "`http://`, or `https://` with `[gateway.tls]`, and the `listen` address, which must then be on loopback",
            ),
            "The address clients use; requests with another `Host` are refused. `https`, unless it names this machine.",
        ),
        key(
            "data_dir",
            "path",
            Absent::Default("data"),
            "The evidence log, recordings and index. Made readable by \
             the gateway's user alone.",
        ),
        key(
            "socket",
            "path",
            Absent::Means("`vidimus.sock` in `data_dir`"),
            "The Unix socket over which \
             `vidimus sessions` and `vidimus log` read evidence from the running gateway.",
        ),
        key(
            "key",
            "secret",
            Absent::Refused,
            "The key-encryption key: 32 bytes, raw (file only), hexadecimal or \
             base64. Its file must be readable by its owner alone and stand outside `data_dir`.",
        ),
        key(
            "allowed_origins",
            "list of origins",
            Absent::Means("only the gateway's own"),
            "Web pages that may call \
             the gateway from a browser, e.g. `[\"https://app.example.com\"]`.",
        ),
        key(
            "scopes",
            "list of scopes",
            Absent::Means("clients ask for what they like"),
            "The scopes that clients are told to ask issuers for, the same for every target. Tokens need not have them: \
             `scopes` in [targets.NAME] says what they must have.",
        ),
        key("tls", "table", Absent::Means("plain HTTP"), "The certificate of the listener: see below."),
        key(
            "trusted_proxies",
            "list of networks",
            Absent::Means("nobody is believed"),
            "Proxies before the gateway, e.g. `[\"10.0.0.0/8\", \"192.0.2.7\"]`. What they say of the client's address is \
             believed: it is the right-most one that is no such proxy. Of anybody else such headers are dropped.",
        ),
        key(
            "client_header",
            "`x-forwarded-for` or `forwarded`",
            Absent::Default("x-forwarded-for"),
            "The header in which these proxies say it. The other is dropped: it may be the client's own.",
        ),
    ],
};

pub(super) const GATEWAY_TLS: Section = Section {
    heading: "gateway.tls",
    about: "TLS 1.3 and 1.2 on `listen`, with HTTP/2 and HTTP/1.1. The files are looked at every few seconds, and at SIGHUP: \
            what is new in them holds for new connections, and what cannot be used changes nothing.",
    keys: &[
        key("certificate", "path", Absent::Refused, "The certificate in PEM, then those it is signed by."),
        key("key", "path", Absent::Refused, "Its private key in PEM. Its file must be readable by its owner alone."),
        key(
            "client_ca",
            "path",
            Absent::Means("clients need no certificate"),
            "Authorities in PEM. Whoever has no certificate of one of them gets no connection; who a client is its token \
             says all the same.",
        ),
    ],
};

pub(super) const CAPACITY: Section = Section {
    heading: "capacity",
    about: "Room for evidence: how much must be free where `data_dir` is. Each is at most as large as the one before it.",
    keys: &[
        key("warning", "size", Absent::Default("4GiB"), "With less, an event, the gateway's log and a metric say so."),
        key("alarm", "size", Absent::Default("1GiB"), "With less, they say so as an error."),
        key(
            "stop",
            "size",
            Absent::Default("256MiB"),
            "With less, nothing new begins: operations, sessions and log-ons are \
             refused, what runs ends in order. Service goes on by itself when an eighth more than this is free.",
        ),
    ],
};

pub(super) const INTEGRITY: Section = Section {
    heading: "integrity",
    about: "The gateway checks its own evidence while it runs: new entries and recordings at once, and all of them again.",
    keys: &[key(
        "every",
        "duration",
        Absent::Default("24h"),
        "How often everything is checked again, from the first entry on; at most a day. It begins anew at each start.",
    )],
};

pub(super) const RETENTION: Section = Section {
    heading: "retention",
    about: "How long recordings are kept after their sessions end. Then they are erased, but for those under a legal hold; \
            their events stay. Where several rules cover a session the shortest one ends its recording.",
    keys: &[
        key(
            "recordings",
            "days",
            Absent::Means("they are kept until somebody erases them"),
            "For targets that have no `retain` of their own, such as `90d`.",
        ),
        key(
            "classes",
            "table of days",
            Absent::Means("what was masked makes no difference"),
            "By data class: `{ US_SSN = \"30d\" }` erases the recordings of sessions in which such a value was masked, on \
             any target.",
        ),
        key(
            "delay",
            "duration",
            Absent::Default("24h"),
            "How long before a shorter time, a new rule, a shorter delay, or the removal of a legal hold makes anything due, \
             in time that the gateway runs; at most `24h`. A shorter one is itself delayed.",
        ),
    ],
};

pub(super) const INDEX: Section = Section {
    heading: "index",
    about: "What can be searched of the sessions.",
    keys: &[key(
        "full_text",
        "true or false",
        Absent::Default("false"),
        "Search the words of masked payloads too, where `record = \"masked\"`. The index then holds them in the clear. \
         Changing it makes the index again at the next start.",
    )],
};

pub(super) const ISSUER: Section = Section {
    heading: "identity.oidc.NAME",
    about: "An OpenID Connect issuer whose tokens are accepted. Any number; `NAME` (a-z, 0-9, `-`) begins the names of its people \
            (`NAME|subject`) and groups (`NAME/group`) in policies and events.",
    keys: &[
        key(
            "issuer",
            "URL",
            Absent::Refused,
            "The `iss` of its tokens, exactly. Its keys are found by discovery \
             unless `jwks_url` is given.",
        ),
        key(
            "audience",
            "text or list of texts",
            Absent::Refused,
            "The `aud` a token must name. One of a list is \
             enough.",
        ),
        key(
            "groups_claim",
            "text",
            Absent::Default("groups"),
            "The claim that lists groups, or a path to it: \
             `realm_access.roles`.",
        ),
        key(
            "group_names",
            "table of texts",
            Absent::Means("groups keep the names in the token"),
            "Names for groups \
             that tokens list by directory id: `{ \"0b6f…\" = \"support\" }`.",
        ),
        key("workload_when", "table", Absent::Means("every principal is a user"), "Which tokens belong to programs."),
        key("jwks_url", "URL", Absent::Means("found by discovery"), "Where the issuer's keys are."),
        key(
            "algorithms",
            "list of texts",
            Absent::Default("RS256 PS256 ES256 ES384 EdDSA"),
            "Signature algorithms \
             accepted: any of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `ES512`, `EdDSA`. \
             None that needs a shared secret, and not `none`.",
        ),
        key("leeway", "duration", Absent::Default("1m"), "How far the issuer's clock may differ; at most `5m`."),
        key(
            "refresh_every",
            "duration",
            Absent::Default("5m"),
            "How often the issuer's keys are fetched, `10s` to \
             `1h`: so long a withdrawn key may still be believed.",
        ),
        key(
            "display_claim",
            "text",
            Absent::Means("`email`, `preferred_username` or `name`, whichever is there"),
            "The claim that names a principal for display. Never compared.",
        ),
        key(
            "allow_private",
            "true or false",
            Absent::Default("false"),
            "Fetch keys from private or loopback \
             addresses too, and accept `http` there on loopback. For an issuer inside your own network.",
        ),
        key(
            "advertised",
            "true or false",
            Absent::Default("true"),
            "Send clients that know only the gateway's address to this issuer (RFC 9728). They choose one, most of them the \
             first by name; `false` for issuers where nobody signs in, such as those of CI systems.",
        ),
    ],
};

pub(super) const WORKLOAD_WHEN: Section = Section {
    heading: "identity.oidc.NAME.workload_when",
    about: "A token is a program's, not a person's, when this claim has this value.",
    keys: &[
        key("claim", "text", Absent::Refused, "The claim, or a path to it."),
        key("equals", "text", Absent::Refused, "Its value."),
    ],
};

pub(super) const POLICY: Section = Section {
    heading: "policy",
    about: "Who may do what.",
    keys: &[key("dir", "path", Absent::Refused, "The directory of Cedar policies: every `*.cedar` file in it.")],
};

pub(super) const MASKING: Section = Section {
    heading: "masking",
    about: "What is masked in everything that passes: in records always, for clients except what a policy reveals \
            (`Action::\"reveal\"`).",
    keys: &[
        key("classes", "text or list of texts", Absent::Means("`[\"default\"]`"), CLASSES),
        key("operators", "table of texts", Absent::Means("`replace` for every class"), OPERATORS),
        key("fields", "table of texts", Absent::Means("none"), FIELDS),
        key("allow", "list of texts", Absent::Means("none"), ALLOW),
        key("custom", "table of tables", Absent::Means("none"), "Data classes of your own, by name: see below."),
    ],
};

const CLASSES: &str = "Data classes to look for: names, `default` (what a check digit, a grammar or a near word proves), \
                       `secrets`, or `all` (whatever has the shape of a value). `vidimus mask --list` shows them.";
const OPERATORS: &str = "How a class is masked, by its name: `replace` (`<EMAIL_ADDRESS>`), `redact`, `keep_last(4)`, `hmac` \
                         (equal values stay equal), `token` (numbered within a session), `nullify`.";
const FIELDS: &str = "What stands in these places is of these classes, whatever it looks like: a JSON path \
                      (`\"$.customers[*].ssn\" = \"US_SSN\"`, from the root of arguments, structured content or JSON in a \
                      text), or a key pattern (`*_ssn`).";
const ALLOW: &str = "Values that are not masked: exact, with `*`, or networks such as `10.0.0.0/8`; for one class as \
                     `CLASS=VALUE`.";

pub(super) const CUSTOM_CLASS: Section = Section {
    heading: "masking.custom.NAME",
    about: "A data class of your own. `NAME` is `[A-Z][A-Z0-9_]*`; policies reveal it like any other. It belongs to \
            `default`.",
    keys: &[
        key(
            "patterns",
            "list of texts",
            Absent::Means("none"),
            "Regular expressions, bounded, over ASCII, without look-around.",
        ),
        key(
            "words",
            "list of texts",
            Absent::Means("none"),
            "Words and phrases that are values of the class, in any case.",
        ),
        key("validator", "text", Absent::Means("none"), "A check that a match must pass, such as `luhn`."),
        key(
            "context",
            "list of texts",
            Absent::Means("its own name"),
            "Words that name the class near a value or in a key.",
        ),
        key("score", "count", Absent::Default("60"), "1 to 100: how sure a match is. Below 40 it waits for context."),
        key("needs_context", "true or false", Absent::Default("false"), "Whether it counts only where it is named."),
        key("operator", "text", Absent::Default("replace"), "How it is masked; `operators` win."),
    ],
};

pub(super) const TARGET_MASKING: Section = Section {
    heading: "targets.NAME.masking",
    about: "What is masked of this target's payloads, on top of `[masking]`.",
    keys: &[
        key(
            "classes",
            "text or list of texts",
            Absent::Means("those of `[masking]`"),
            "In the place of those of `[masking]`.",
        ),
        key(
            "operators",
            "table of texts",
            Absent::Means("those of `[masking]`"),
            "These win over those of `[masking]`.",
        ),
        key("fields", "table of texts", Absent::Means("those of `[masking]`"), "Beside those of `[masking]`."),
        key("allow", "list of texts", Absent::Means("those of `[masking]`"), "Beside those of `[masking]`."),
    ],
};

pub(super) const TARGET_FACTS: Section = Section {
    heading: "targets.NAME.facts",
    about: "Which of this target's arguments are commands, SQL and paths, for the facts that policies read \
            (`context.shell`, `context.sql`, `context.paths`).",
    keys: &[
        key(
            "shell",
            "list of paths to arguments",
            Absent::Means("arguments named `command`, `cmd`, `script`, `shell` and the like"),
            "Shell commands, beside those: `$.run`, `$.steps[*].run`, `$['odd name']`.",
        ),
        key(
            "sql",
            "list of paths to arguments",
            Absent::Means("arguments named `sql`, and `query`, `statement` and the like where they may be SQL"),
            "SQL, beside those.",
        ),
        key(
            "dialect",
            "dialect",
            Absent::Means("what databases read differently is not parsed"),
            "The SQL that the target speaks: `postgresql`, `mysql`, `sqlite`, `mssql`, `oracle`, `bigquery`, `snowflake`, \
             `clickhouse` or `duckdb`.",
        ),
        key(
            "roots",
            "list of directories",
            Absent::Means("no path is outside"),
            "Directories that paths may lead to; all others are `context.paths.outside`.",
        ),
    ],
};

pub(super) const TARGET: Section = Section {
    heading: "targets.NAME",
    about: "A system the gateway fronts. `NAME` (a-z, 0-9, `-`) stands in its address, `/mcp/NAME`, and in policies, \
            `Target::\"NAME\"`.",
    keys: &[
        key("protocol", "`mcp`", Absent::Refused, "What it speaks."),
        key("url", "URL", Absent::Means("`command` is given"), "Its MCP endpoint."),
        key(
            "transport",
            "`http` or `sse`",
            Absent::Default("http"),
            "How the endpoint at `url` is spoken to. `http`: Streamable HTTP. `sse`: HTTP with SSE, for servers that have \
             nothing newer than MCP 2024-11-05; messages go where the server says, at the same scheme, host and port.",
        ),
        key(
            "headers",
            "table of secrets",
            Absent::Means("none"),
            "Headers the gateway adds to every request, its \
             credential above all. Clients never see them, and a client's own token is never passed on.",
        ),
        key(
            "durability",
            "`strict` or `async`",
            Absent::Default("strict"),
            "`strict`: evidence is on the disk before \
             an operation goes out and before its result comes back; it survives a power cut. `async`: it is written \
             before and synced within a second; it survives the end of the process.",
        ),
        key(
            "record",
            "`sizes` or `masked`",
            Absent::Default("sizes"),
            "`masked` keeps requests and results, encrypted, with every value of a data class masked. `sizes` keeps \
             sizes and commitments only.",
        ),
        key(
            "scopes",
            "list of scopes",
            Absent::Means("any token for the gateway will do"),
            "The scopes that a token must have for this target (claim `scope` or `scp`), before policy is asked. A client \
             whose token lacks one is told all that the next one needs (403 `insufficient_scope`).",
        ),
        key(
            "retain",
            "days",
            Absent::Means("`recordings` in [retention] holds"),
            "How long recordings are kept after their sessions end, such as `90d`. Then they are erased, but for those \
             under a legal hold; their events stay.",
        ),
        key(
            "pins",
            "`record`, `strict` or `off`",
            Absent::Default("record"),
            "Whether a definition of a tool that the server has changed waits until somebody accepts it, and calls of the \
             tool with it. `record`: the first definition of a tool is trusted. `strict`: that waits too, and the tool is \
             hidden until then. `off`: whatever the server shows holds at once.",
        ),
        key(
            "tools",
            "path",
            Absent::Means("policies that read arguments are checked against any arguments"),
            "A \
             `tools/list` result as JSON. `vidimus check` checks policies against these definitions.",
        ),
        key(
            "connect_timeout",
            "duration",
            Absent::Default("5s"),
            "How long connecting may take, and the TLS handshake after it, and before it the wait for one of `requests`.",
        ),
        key(
            "requests",
            "count",
            Absent::Default("10000"),
            "Requests to the target at once, streams that clients listen to included; further ones wait.",
        ),
        key(
            "oauth",
            "table",
            Absent::Means("none"),
            "Tokens that the gateway asks for and shows the target: see below.",
        ),
        key("tls", "table", Absent::Means("the system's authorities hold"), "TLS with the target: see below."),
        key("facts", "table", Absent::Means("the usual names hold"), "What its arguments are: see below."),
        key(
            "request_timeout",
            "duration",
            Absent::Default("5m"),
            "How long the beginning of an answer may take, and \
             each silence within it. Comments that keep a stream open do not end a silence; messages, such as \
             notifications of progress, do.",
        ),
        key("call_timeout", "duration", Absent::Default("1h"), "How long a whole answer may take, streams too."),
        key(
            "command",
            "list of texts",
            Absent::Means("`url` is given"),
            "A program that speaks MCP on its standard input and output, and its arguments. The gateway starts one for \
             each session, confined to what the keys below grant, and ends it with the session.",
        ),
        key(
            "env",
            "table of secrets",
            Absent::Means("none"),
            "Variables of the program. Of the gateway's own it gets none. `{ target = \"orders\" }` in the place of a \
             secret says where a database is that is a target: see below.",
        ),
        key("variables", "table of texts", Absent::Means("none"), "Variables that are no secrets."),
        key(
            "read",
            "list of paths",
            Absent::Means("none"),
            "Directories and files the program may read, beside the system's programs and libraries.",
        ),
        key("write", "list of paths", Absent::Means("none"), "Directories the program may change."),
        key(
            "programs",
            "list of paths",
            Absent::Means("none"),
            "Directories the program may run programs from, beside the system's: an installation of its own.",
        ),
        key(
            "run_as",
            "`UID:GID`",
            Absent::Means("the gateway's own user, which must not be root"),
            "The user the program runs as. Needed when the gateway is root, and only then possible.",
        ),
        key(
            "isolation",
            "`landlock` or `none`",
            Absent::Default("landlock"),
            "`landlock`: the kernel holds the program to its directories; where it cannot, the program is not started. \
             `none`: nobody does, and the program reads what its user may.",
        ),
        key(
            "masking",
            "table",
            Absent::Means("that of `[masking]` holds"),
            "What is masked of its payloads: see below.",
        ),
        key("network", "`true` or `false`", Absent::Default("true"), "Whether the program may use the network."),
        key("idle", "duration", Absent::Default("15m"), "After so long without a request the program is ended."),
    ],
};

pub(super) const TARGET_OAUTH: Section = Section {
    heading: "targets.NAME.oauth",
    about: "Tokens that the gateway asks an authorization server for and shows the target in `Authorization`, for a `url`. \
            They are kept in memory, renewed before they expire, and asked for once more when the target refuses one.",
    keys: &[
        key(
            "grant",
            "`client-credentials` or `token-exchange`",
            Absent::Default("client-credentials"),
            "`client-credentials` (RFC 6749 section 4.4): one token of the gateway's own, for all callers. \
             `token-exchange` (RFC 8693): a token for each caller, in exchange for its own; when the gateway itself reads \
             definitions, it shows the header `Authorization` in `headers` if there is one, and a token of its own \
             by client credentials otherwise.",
        ),
        key(
            "issuer",
            "URL",
            Absent::Means("`token_endpoint` is given"),
            "The authorization server, exactly as its metadata says it (RFC 8414, OpenID Connect Discovery): they name the \
             token endpoint.",
        ),
        key(
            "token_endpoint",
            "URL",
            Absent::Means("`issuer` is given"),
            "Where tokens are asked for. With `token-exchange` callers' tokens go there, so it must be whom you trust \
             with them.",
        ),
        key("client_id", "text", Absent::Refused, "The gateway, as the authorization server knows it."),
        key("client_secret", "secret", Absent::Refused, "Its secret."),
        key(
            "auth_method",
            "`client_secret_basic` or `client_secret_post`",
            Absent::Default("client_secret_basic"),
            "How it is shown: in the header `Authorization`, or in the body.",
        ),
        key("scopes", "list of scopes", Absent::Means("those the server gives by itself"), "The scopes to ask for."),
        key(
            "resource",
            "URL",
            Absent::Means("none is named"),
            "What the token is for (RFC 8707), mostly the target's `url`.",
        ),
        key(
            "audience",
            "text",
            Absent::Means("none is named"),
            "What the token is for, by the server's own name of it.",
        ),
        key(
            "subject_token_type",
            "`access_token` or `jwt`",
            Absent::Default("access_token"),
            "What the caller's token is called in an exchange (RFC 8693 section 3).",
        ),
        key(
            "actor_token",
            "true or false",
            Absent::Default("false"),
            "Whether an exchange names the gateway as who acts, by a token of its own.",
        ),
        key(
            "allow_private",
            "true or false",
            Absent::Default("false"),
            "Ask private and loopback addresses too, and by `http`. For an authorization server inside your own network.",
        ),
    ],
};

pub(super) const TARGET_TLS: Section = Section {
    heading: "targets.NAME.tls",
    about: "TLS with the target, for a `url` with `https`: 1.3 and 1.2, HTTP/2 where it offers that. The files are read at \
            start.",
    keys: &[
        key(
            "ca",
            "path",
            Absent::Means("those of the system"),
            "Authorities in PEM: the target's certificate must be of one of them, and the system's hold no more.",
        ),
        key(
            "certificate",
            "path",
            Absent::Means("none"),
            "The gateway's own certificate in PEM, if the target demands one.",
        ),
        key(
            "key",
            "path",
            Absent::Means("none"),
            "Its private key in PEM. Its file must be readable by its owner alone.",
        ),
        key(
            "server_name",
            "name",
            Absent::Means("the host in `url`"),
            "The name the target's certificate must be for. There is no way to accept any.",
        ),
    ],
};

pub(super) const WITNESS: Section = Section {
    heading: "witnesses.NAME",
    about: "A witness of the log (C2SP tlog-witness), such as `vidimus log witness` on a machine that others administer. Any \
            number. Each is asked before the gateway writes anything at start, and of every checkpoint in the background. A \
            witness that has seen more of the log than there is, or another history, keeps the gateway from starting.",
    keys: &[
        key("url", "URL", Absent::Refused, "Where it takes checkpoints; `/add-checkpoint` is added."),
        key("key", "key", Absent::Refused, "Its public key, as `vidimus log witness --show-key` prints it."),
        key(
            "on_start",
            "`refuse` or `warn`",
            Absent::Default("refuse"),
            "What holds when it cannot be asked at start. `warn`: the gateway starts, `log.started` names the witness \
             in `absent_witnesses`, and a roll-back is noticed only when it answers again.",
        ),
    ],
};

pub(super) const LOG: Section = Section {
    heading: "log",
    about: "The log over HTTP, below `/log/` (C2SP tlog-tiles). Entries are shown only to whom policy permits `log.read`, \
            and every read of them is on record.",
    keys: &[key(
        "public",
        "true or false",
        Absent::Default("false"),
        "Whether anybody may read the checkpoint and the tiles of hashes, which hold no content. Otherwise they need \
         `log.read` too.",
    )],
};

pub(super) const CHAINED: Section = Section {
    heading: "targets.NAME.env.VARIABLE",
    about: "Where a program reaches a database that is a target: `DATABASE_URL = { target = \"orders\" }`. The variable is \
            an address, `postgresql://…`, with a credential that is made for the program's session and ends with it. What \
            it runs there is decided, recorded and masked as the caller's, in a session of its own that names the other as \
            its parent. The program needs `network`; the database must have no `scopes`; `[listeners.postgres]` is not \
            needed.",
    keys: &[key("target", "name", Absent::Refused, "The target, one with `protocol = \"postgres\"`.")],
};

pub(super) const SECRET: Section = Section {
    heading: "secrets",
    about: "Wherever a secret is needed, the configuration says where it is, never what it is: `{ env = \"CRM_TOKEN\" \
            }`, `{ file = \"/run/secrets/crm\" }`. Exactly one of `env` and `file`.",
    keys: &[
        key("env", "text", Absent::Means("`file` is given"), "The environment variable that holds it."),
        key(
            "file",
            "path",
            Absent::Means("`env` is given"),
            "The file that holds it. One line break at its end is \
             not part of it.",
        ),
        key(
            "format",
            "text",
            Absent::Means("the secret as it is"),
            "Text with one `{}` where the secret goes, e.g. \
             `Bearer {}`. Headers only.",
        ),
    ],
};
