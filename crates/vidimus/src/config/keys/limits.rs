//! The keys of `[limits]`, and of the rules in it.

use super::{Absent, Section, key};

pub(in crate::config) const LIMITS: Section = Section {
    heading: "limits",
    about: "Bounds on what clients may ask of the gateway. How many calls, of whom and of what, is in the rules below.",
    keys: &[
        key("connections", "count", Absent::Default("10000"), "Client connections open at once; further ones wait."),
        key("request_bytes", "size", Absent::Default("4MiB"), "The largest message from a client."),
        key("response_bytes", "size", Absent::Default("16MiB"), "The largest message from a target."),
        key(
            "sessions",
            "count",
            Absent::Default("20000"),
            "Sessions that one principal may have open at once, at all targets together. A session at `/mcp` is one, whatever \
             targets it uses.",
        ),
        key("session_idle", "duration", Absent::Default("30m"), "A session unused for so long is closed."),
        key(
            "session_max",
            "duration",
            Absent::Default("24h"),
            "A session is closed so long after it was opened, however it is used; what runs in it is cut off.",
        ),
        key(
            "session_calls",
            "count",
            Absent::Means("a session has no such end"),
            "Requests in one session. The next one is refused, and the session closed when the calls in it have ended.",
        ),
        key(
            "session_bytes",
            "size",
            Absent::Means("a session has no such end"),
            "Bytes of requests and results in one session together, from `1MiB`. The request that would go beyond is refused, \
             and the session closed when the calls in it have ended; what was let through before is answered in full.",
        ),
        key(
            "shutdown_grace",
            "duration",
            Absent::Default("30s"),
            "How long calls in flight may still run at \
             shutdown.",
        ),
        key("rules", "table of tables", Absent::Means("none"), "How many calls, by names of your own: see below."),
    ],
};

pub(in crate::config) const LIMIT_RULE: Section = Section {
    heading: "limits.rules.NAME",
    about: "How many requests may come, or run at once. Any number of rules; `NAME` (a-z, 0-9, `-`) stands in refusals, events \
            and metrics. A request has to keep within every rule that applies to it, and is refused before policy is asked.",
    keys: &[
        key(
            "calls",
            "rate",
            Absent::Means("`concurrent` is given"),
            "Requests in a time: a number and `/s`, `/min`, `/h` or `/d`, such as `100/min`.",
        ),
        key(
            "burst",
            "count",
            Absent::Means("as many as `calls` says"),
            "How many of them may come at once when none came for a while. `1` spaces them evenly.",
        ),
        key(
            "concurrent",
            "count",
            Absent::Means("`calls` is given"),
            "Calls of tools, reads of resources and the like that run at once; streams and what is \
         asked of the session itself do not count.",
        ),
        key(
            "per",
            "`principal` or `all`",
            Absent::Default("principal"),
            "`principal`: each has so much, in all of its sessions together. `all`: all of them share it.",
        ),
        key(
            "groups",
            "list of texts",
            Absent::Means("for everybody"),
            "Only for principals in one of these groups, by the names they have in policies: `[\"corp/agents\"]`.",
        ),
        key(
            "kind",
            "`user` or `workload`",
            Absent::Means("for both"),
            "Only for people, or only for programs (`workload_when`).",
        ),
        key("target", "name", Absent::Means("at all targets, together"), "Only at this target."),
        key(
            "tools",
            "list of texts",
            Absent::Means("whatever is asked of the target"),
            "Only calls of these tools of `target`, together.",
        ),
    ],
};
