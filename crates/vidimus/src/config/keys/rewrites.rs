//! The keys of `[rewrites.NAME]`.

use super::{Absent, Section, key};

pub(in crate::config) const REWRITE: Section = Section {
    heading: "rewrites.NAME",
    about: "A change to the arguments of a call, or to a statement of a database, that passes only so: a policy forbids it as it is \
            by `@rewrite(\"NAME\")`. All rewrites that policies ask for are applied at once, and it is decided on again; what \
            policies still forbid is denied. Each rewrite has exactly one of `set`, `remove`, `max_rows`, `read_only`, and `min` with \
            `max`. Two that change the same argument of one call deny it.",
    keys: &[
        key(
            "argument",
            "path",
            Absent::Means("it is of statements of databases, by `max_rows` or `read_only`"),
            "Which argument: `$.limit`, `$.steps[*].run`, `$['odd name']`. It may lead to several. What is not there stays so, but \
             `set` adds a member that an object lacks.",
        ),
        key(
            "set",
            "value",
            Absent::Means("something else is done"),
            "The value to be there: a text, a number, `true`, `false`, a list or a table, which becomes JSON.",
        ),
        key("remove", "true or false", Absent::Default("false"), "Whether the argument is taken out."),
        key(
            "min",
            "number",
            Absent::Means("there is no least"),
            "A smaller number becomes this one. Numbers are compared exactly, and texts are none; `\"1e400\"` is how to write one that \
             TOML does not have.",
        ),
        key("max", "number", Absent::Means("there is no most"), "A larger number becomes this one."),
        key(
            "max_rows",
            "count",
            Absent::Means("something else is done"),
            "The argument is SQL in the target's `dialect`: its one query gets a limit of so many rows, or its limit is lowered to \
             that. What is not surely one query that only reads stays as it is, for the policy to deny. Without `argument` it is of \
             statements: a query gives so many rows at the most, and then its end.",
        ),
        key(
            "read_only",
            "true or false",
            Absent::Default("false"),
            "Whether a statement that only reads, as far as its text tells, is run in a read-only transaction (`SET TRANSACTION READ \
             ONLY`), in which the database refuses what functions would write. It holds until the transaction ends.",
        ),
    ],
};
