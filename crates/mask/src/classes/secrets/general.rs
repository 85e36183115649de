//! Secrets of no single issuer: keys in armour, tokens with a standard, credentials where protocols and people put them.

use super::{LIKELY, begins, read};
use crate::class::{ClassSpec, Shape, Values};
use crate::form::{Part, Set};

/// Schemes of addresses that carry a user and a password; the keyword rules know any other.
const SCHEMES: &str = "(?:https?|ftps?|sftp|ssh|git|svn|wss?|postgres(?:ql)?|mysql|mariadb|mongodb(?:\\+srv)?|rediss?|amqps?|mqtts?|smtps?|imaps?|ldaps?|mssql|sqlserver|oracle|clickhouse|cockroachdb|cassandra|neo4j(?:\\+s)?|bolt|nats|kafka|socks5h?|smb|rtsp)://";

/// Names of headers that carry credentials.
const HEADERS: &str = "(?:[Aa]uthorization|AUTHORIZATION|[Aa]pi-[Kk]ey|[Aa]pi-[Tt]oken|PRIVATE-TOKEN|[Xx]-(?:[Aa]pi|[Aa]uth|[Aa]ccess|[Vv]ault|[Gg]oog-[Aa]pi)-(?:[Kk]ey|[Tt]oken|[Ss]ecret)|X-(?:API|AUTH|ACCESS)-(?:KEY|TOKEN))";

pub(super) const CLASSES: &[ClassSpec] = &[
    ClassSpec {
        name: "SECRET_PRIVATE_KEY",
        about: "private key in armour: PEM, OpenSSH, OpenPGP",
        shapes: &[
            Shape::alone("BEGIN ", 100).read_by(read::pem::read).open_end().reaches_back(5),
            begins("LS0tLS1CRUdJTi", &[Part::Run(Set::Base64Padded, 60, 128 << 10)], 0),
        ],
        check: Some(read::pem::check),
        checked_by: "its label and its base64",
        example: concat!(
            "-----BEGIN ",
            "PRIVATE KEY-----\nAb1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3A\n",
            "-----END ",
            "PRIVATE KEY-----"
        ),
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_JWT",
        about: "JSON Web Token (RFC 7519), also in base64",
        shapes: &[
            Shape::alone("ey", LIKELY).read_by(read::jwt::read),
            begins("ZXlK", &[Part::Run(Set::Base64Padded, 48, 64 << 10)], 35),
        ],
        check: Some(read::jwt::check),
        checked_by: "a header that names an algorithm",
        example: concat!("eyJ", "hbGciOiJIUzI1NiJ9.", "eyJ", "zdWIiOiJleGFtcGxlIn0.Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv"),
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_URL_CREDENTIALS",
        about: "user and password in an address (RFC 3986)",
        shapes: &[Shape::alone(SCHEMES, 85).read_by(read::url::read).open_end()],
        anchors: &[("://", read::url::read)],
        checked_by: "grammar, no placeholder",
        example: "postgres://app:Ab1Cd2Ef3@db.example.com/main",
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_AUTHORIZATION_HEADER",
        about: "credentials in a header of HTTP: Authorization, Bearer, X-Api-Key",
        shapes: &[
            Shape::alone(HEADERS, 85).read_by(read::header::read),
            Shape::alone("(?:[Bb]earer|BEARER) ", LIKELY).read_by(read::header::bearer),
        ],
        checked_by: "grammar, entropy",
        example: "Authorization: Bearer Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8",
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_CURL_USER",
        about: "user and password on a command line of curl",
        shapes: &[Shape::alone("curl ", 85).read_by(read::curl::read).open_end()],
        checked_by: "grammar, no placeholder",
        example: "curl -u app:Ab1Cd2Ef3 https://example.com",
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_KUBERNETES",
        about: "data of a Kubernetes Secret",
        shapes: &[Shape::alone("(?:data|stringData):", 85).read_by(read::kubernetes::read).open_end()],
        checked_by: "the document's kind, base64",
        example: "kind: Secret\ndata:\n  token: QWIxQ2QyRWYzR2g0SWo1\n",
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_PASSWORD",
        about: "password behind its name, or below a key that is called one",
        keywords: &["password", "passwd", "passphrase", "pwd", "passwort"],
        values: Values::Password,
        checked_by: "its name, no placeholder",
        example: "password = \"Ab1Cd2Ef3\"",
        ..ClassSpec::SECRET
    },
    ClassSpec {
        name: "SECRET_GENERIC",
        about: "key or token behind its name, or below a key that is called one",
        keywords: &["access", "auth", "api", "credential", "creds", "key", "password", "passwd", "secret", "token"],
        values: Values::Generic,
        checked_by: "its name, entropy, no words",
        example: "api_key = Ab1Cd2Ef3Gh4Ij5Kl6Mn",
        ..ClassSpec::SECRET
    },
];
