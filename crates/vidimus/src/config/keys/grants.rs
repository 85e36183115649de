//! The keys of what people decide: approvals, grants, break-glass.

use super::{Absent, Section, key};

pub(in crate::config) const APPROVAL: Section = Section {
    heading: "approvals.NAME",
    about: "Who must agree before a call passes that a policy holds by `@approval(\"NAME\")`. A name that policies use must stand \
            here: a misspelt one would hold calls that nobody could ever approve. Who may agree is a matter of policy: the action \
            `approve` on `ApprovalRule::\"NAME\"`.",
    keys: &[
        key("approvers", "whole number", Absent::Default("1"), "How many distinct people must agree, at most 10."),
        key(
            "expires",
            "duration",
            Absent::Default("1h"),
            "How long a request waits, and may be used once approved. After that the caller asks anew.",
        ),
        key(
            "wait",
            "duration",
            Absent::Default("4m"),
            "How long a caller is kept waiting at most before it is told to call again; less than `1s`: not at all. Clients that \
             do not ask for progress, and those of MCP 2026-07-28, are answered within 50 and 45 seconds in any case.",
        ),
        key(
            "justification",
            "`required` or `optional`",
            Absent::Default("optional"),
            "Whether whoever approves must say why. Whoever denies always must.",
        ),
        key(
            "message",
            "text",
            Absent::Means("the caller is told which rule it is"),
            "What the caller is told while it waits, where the policy has no `@message`. At most 500 bytes.",
        ),
    ],
};

pub(in crate::config) const GRANT: Section = Section {
    heading: "grants.NAME",
    about: "Access to a target for a time, which people approve: `vidimus grant request`. Who may ask is a matter of policy: the \
            action `grant.request` on the target. In what a grant opens, policies see it as `context.grant`.",
    keys: &[
        key(
            "targets",
            "list of names",
            Absent::Refused,
            "The targets that it may be asked for; each request is for one.",
        ),
        key("approval", "name", Absent::Refused, "The rule in `[approvals]` by which people must agree."),
        key(
            "longest",
            "duration",
            Absent::Default("4h"),
            "How long it may last at most, from when its credential is issued. Groups are those of that moment, so this also \
             bounds how long somebody keeps what a group gave.",
        ),
        key(
            "sessions",
            "whole number",
            Absent::Default("1"),
            "Sessions that may be opened with one credential, at most 100. When so many were opened and all have ended, the \
             grant is over before its time.",
        ),
    ],
};

pub(in crate::config) const BREAK_GLASS: Section = Section {
    heading: "break_glass",
    about: "Overriding the need for approval in an emergency: `vidimus break-glass`. Off without this table. Who may is a matter \
            of policy: the action `break_glass` on the target. Each time alarms, and is on record.",
    keys: &[key("longest", "duration", Absent::Default("1h"), "How long it may last at most.")],
};
