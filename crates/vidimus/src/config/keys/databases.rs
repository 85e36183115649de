//! The keys of databases, and of the listeners for their protocols.

use super::{Absent, Section, key};

pub(in super::super) const LISTENER_POSTGRES: Section = Section {
    heading: "listeners.postgres",
    about: "Where clients of PostgreSQL connect. The name of the database they ask for chooses the target; the password is a \
            token of theirs. Without a certificate it is for loopback alone, and says so at the start.",
    keys: &[
        key("listen", "address", Absent::Refused, "Where clients connect."),
        key("certificate", "path", Absent::Means("no TLS"), "The certificate in PEM, then those it is signed by."),
        key("key", "path", Absent::Means("no TLS"), "Its private key in PEM, readable by its owner alone."),
        key(
            "client_ca",
            "path",
            Absent::Means("clients need no certificate"),
            "Authorities in PEM. Whoever has no certificate of one of them gets no connection.",
        ),
        key("connections", "count", Absent::Default("1000"), "Connections at once; further ones wait."),
    ],
};

pub(in super::super) const DATABASE: Section = Section {
    heading: "targets.NAME with `protocol = \"postgres\"`",
    about: "A PostgreSQL server (13 or newer) the gateway fronts. `NAME` is the database that clients ask for.",
    keys: &[
        key("protocol", "`postgres`", Absent::Refused, "What it speaks."),
        key("address", "host and port", Absent::Refused, "Where it is: `db.internal:5432`."),
        key("user", "text", Absent::Refused, "Whom the gateway is there."),
        key("password", "secret", Absent::Means("it asks for none"), "Its password there. Clients never see it."),
        key("database", "text", Absent::Means("`NAME`"), "The database there."),
        key(
            "sslmode",
            "`verify-full` or `disable`",
            Absent::Default("verify-full"),
            "Whether it is reached by TLS, with its certificate and name checked. `disable` is for loopback.",
        ),
        key("tls", "table", Absent::Means("the system's authorities are trusted"), "See `[targets.NAME.tls]`."),
        key("durability", "`strict` or `async`", Absent::Default("strict"), DURABILITY),
        key("record", "`masked` or `sizes`", Absent::Default("masked"), "Whether statements and results are kept."),
        key(
            "rows",
            "count",
            Absent::Default("1000"),
            "Rows of each result that are kept; of the rest, number and digest.",
        ),
        key("retain", "days", Absent::Means("as `[retention]` says"), "How long recordings are kept."),
        key("scopes", "list of scopes", Absent::Means("none"), "Scopes that a token must have."),
        key("masking", "table", Absent::Means("as `[masking]` says"), "See `[targets.NAME.masking]`."),
        key("connect_timeout", "duration", Absent::Default("10s"), "Time for a connection, and to be let in."),
    ],
};

const DURABILITY: &str = "`strict`: nothing is sent before its decision, and nothing is answered before its result, is \
                          on disk. `async`: both are on their way there.";
