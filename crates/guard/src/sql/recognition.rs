//! Which texts are SQL: those under `sql`, and those under keys like `query` that a database would run.
//!
//! People search for "update on the project" under such keys too. A text is left alone only if no database runs it: each
//! statement has words or signs that it cannot be without.

/// Keys whose texts are SQL whatever they hold, spelt as [`crate::walk::plain`] does.
const SQL_KEYS: &[&str] = &["sql", "sqlquery", "sqlstatement", "sqltext", "rawsql", "rawquery", "sqls"];
/// Keys whose texts may be.
const QUERY_KEYS: &[&str] = &["query", "statement", "queries", "statements", "stmt", "q"];

/// Kinds of objects after `CREATE`, `ALTER` and `DROP`, and words that stand before them.
const OBJECTS: &[&str] = &[
    "table",
    "view",
    "index",
    "database",
    "schema",
    "user",
    "role",
    "group",
    "function",
    "procedure",
    "proc",
    "trigger",
    "type",
    "sequence",
    "extension",
    "or",
    "temp",
    "temporary",
    "unique",
    "materialized",
    "unlogged",
    "global",
    "local",
    "if",
    "external",
    "virtual",
    "foreign",
    "policy",
    "publication",
    "subscription",
    "server",
    "tablespace",
    "aggregate",
    "operator",
    "cast",
    "language",
    "trusted",
    "rule",
    "event",
    "login",
    "default",
    "domain",
    "collation",
    "conversion",
    "statistics",
    "text",
    "access",
    "owned",
    "system",
    "session",
    "assembly",
    "package",
    "synonym",
    "public",
    "private",
    "link",
    "directory",
    "profile",
    "stage",
    "warehouse",
    "macro",
    "secret",
    "recursive",
    "definer",
    "algorithm",
    "sql",
    "clustered",
    "nonclustered",
    "fulltext",
    "spatial",
    "bitmap",
    "service",
    "queue",
    "contract",
    "message",
    "certificate",
    "symmetric",
    "asymmetric",
    "master",
    "credential",
    "resource",
    "workload",
    "column",
    "columnstore",
    "large",
    "transform",
    "constraint",
    "dictionary",
    "quota",
    "row",
    "settings",
    "model",
    "instance",
    "logfile",
    "undo",
    "file",
    "format",
    "pipe",
    "stream",
    "task",
    "share",
    "account",
    "security",
    "network",
    "notification",
    "connection",
    "availability",
    "endpoint",
    "broker",
    "xml",
    "application",
    "partition",
    "editionable",
    "noneditionable",
    "force",
    "no",
    "context",
    "dimension",
    "cluster",
    "rollback",
    "outline",
    "java",
    "library",
    "dynamic",
    "transient",
    "volatile",
    "hybrid",
    "live",
    "named",
    "replica",
    "prepare",
];

/// Whether a text under a key is SQL.
pub(super) fn is_sql(key: &str, text: &str) -> bool {
    SQL_KEYS.contains(&key) || (QUERY_KEYS.contains(&key) && may_run(text))
}

/// Whether a database might run a text.
fn may_run(text: &str) -> bool {
    let Some(text) = without_comments(text) else { return true };
    let lower = text.to_lowercase();
    let mut words = lower.split(|character: char| !(character.is_alphanumeric() || matches!(character, '_' | '$')));
    let mut words = words.by_ref().filter(|word| !word.is_empty());
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let has_word = |wanted: &[&str]| {
        lower
            .split(|character: char| !(character.is_alphanumeric() || character == '_'))
            .any(|word| wanted.contains(&word))
    };
    let has_sign = lower.contains(['(', '*', ',', '=', '\'', '"', '`', '@', ';', '[', '$', '|', '<', '>', '/']);
    let is_short = lower.split_whitespace().count() <= 2;
    match first {
        "select" => {
            has_sign
                || is_short
                || has_word(&["from", "into", "union", "as"])
                || lower.contains(|c: char| c.is_ascii_digit())
        }
        "update" => has_word(&["set"]),
        "delete" => has_sign || is_short || has_word(&["from", "where", "output", "using"]),
        "insert" | "replace" | "upsert" => has_word(&["into", "values", "value", "select", "set", "table"]),
        "merge" => has_word(&["into", "using"]),
        "create" | "alter" | "drop" | "comment" | "rename" | "undrop" => {
            OBJECTS.contains(&second) || matches!(first, "comment" | "rename") && has_word(&["on", "to"]) && has_sign
        }
        "truncate" => is_short || second == "table",
        "with" => lower.contains('('),
        "grant" | "revoke" | "deny" => {
            has_word(&["on", "to", "from"]) && (has_sign || has_word(&["on", "select", "all", "role", "privileges"]))
        }
        "explain" | "describe" | "desc" | "analyze" => {
            has_sign
                || has_word(&["select", "insert", "update", "delete", "with", "merge", "execute", "create", "values"])
        }
        "prepare" => has_sign || has_word(&["as", "from", "transaction"]),
        "call" | "exec" | "execute" | "do" | "begin" | "declare" | "if" | "while" | "print" | "return" | "waitfor" => {
            has_sign || is_short || has_word(&["cursor"])
        }
        "set" | "reset" => {
            has_sign
                || is_short
                || has_word(&["to", "role", "session", "authorization", "transaction"]) && second != "the"
        }
        "copy" | "load" | "unload" | "export" | "import" | "install" | "attach" | "detach" | "put" | "get"
        | "handler" => {
            has_sign
                || is_short
                || matches!(second, "data" | "xml" | "database" | "schema" | "foreign")
                || (first == "handler" && has_word(&["open", "read", "close"]))
        }
        "pragma" | "vacuum" | "reindex" | "cluster" | "dbcc" | "bulk" | "backup" | "restore" | "reconfigure"
        | "shutdown" | "kill" | "lock" | "unlock" | "flush" | "purge" | "discard" | "deallocate" | "listen"
        | "notify" | "unlisten" | "checkpoint" | "commit" | "rollback" | "savepoint" | "release" | "start"
        | "abort" | "end" | "xa" | "optimize" | "repair" | "refresh" | "reassign" | "security" | "move" | "fetch"
        | "close" | "open" | "use" | "help" | "values" | "table" | "from" => {
            has_sign || is_short || OBJECTS.contains(&second)
        }
        _ => first.starts_with("xp_") || first.starts_with("sp_"),
    }
}

/// From the first word on: without comments, parentheses, semicolons and what is not seen. `None` where a comment is run, or
/// does not end.
fn without_comments(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|character: char| {
            character.is_whitespace()
                || character.is_control()
                || matches!(character, '(' | ';' | '{' | '\u{FEFF}' | '\u{200B}')
        });
        if let Some(after) = rest.strip_prefix("/*") {
            if after.starts_with('!') || after.starts_with("M!") {
                return None;
            }
            rest = after.split_once("*/")?.1;
        } else if rest.starts_with("--") || rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else {
            return Some(rest);
        }
    }
}
