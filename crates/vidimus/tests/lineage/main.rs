//! Columns that field rules protect: statements that try to get their values out, and harmless ones, through a real gateway
//! to a real server, by `psql`.
//!
//! There are two databases, alike but for the protected values. What a statement tells of these is what differs between its
//! output at one and at the other: of `masked` ones nothing may. What `inference` ones tell by which rows come is on record.
#![expect(clippy::unwrap_used, reason = "tests")]

mod clients;
#[path = "../common/mod.rs"]
mod common;
mod corpus;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use common::issuer::Issuer;
use common::{Gateway, Setup};
use vidimus_testkit::{Postgres, free_port};

/// Whoever asks may do everything: nothing but the rules of columns is between them and the values.
const POLICIES: &str = r#"
@id("all") permit (principal, action, resource);
"#;

const SCHEMA: &str = include_str!("schema.sql");
const COMMON: &str = include_str!("common.sql");
const PASSWORD: &str = "app-password";
const RULES: &str = r#"
"hr.people.ssn" = "US_SSN"
"hr.people.salary" = "US_SSN"
"hr.people.born" = "US_SSN"
"hr.people.notes" = "US_SSN"
"hr.people.photo" = "US_SSN"
"hr.people.nicknames" = "US_SSN"
"hr.people.secret_id" = "US_SSN"
"hr.reviews.body" = "US_SSN"
"*.cards.number" = "US_SSN"
"#;
const VALUES: [(&str, &str); 2] = [("a", include_str!("values-a.sql")), ("b", include_str!("values-b.sql"))];

/// Two databases behind a gateway.
pub(crate) struct World {
    _issuer: Issuer,
    pub(crate) gateway: Gateway,
    pub(crate) databases: [Database; 2],
}

/// One of them.
pub(crate) struct Database {
    pub(crate) target: &'static str,
    name: String,
    /// The gateway's port for clients of PostgreSQL.
    pub(crate) port: u16,
    pub(crate) token: String,
}

impl World {
    pub(crate) fn start(name: &str) -> Self {
        Self::start_with(name, POLICIES)
    }

    pub(crate) fn start_with(name: &str, policies: &str) -> Self {
        let server = Postgres::shared().unwrap();
        let sql = |database: &str, text: &str| server.sql(database, text).unwrap();
        sql("postgres", &format!("CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'"));
        let mut targets = String::new();
        let (issuer, port) = (Issuer::start(), free_port().unwrap());
        for (twin, values) in VALUES {
            let base = format!("{name}_{twin}_base");
            sql("postgres", &format!("CREATE DATABASE {base} OWNER app"));
            sql(&base, "ALTER SCHEMA public OWNER TO app");
            sql(&base, &format!("SET SESSION AUTHORIZATION app; {SCHEMA} {values} {COMMON}"));
            let port = server.port();
            write!(
                targets,
                r#"
[targets.{twin}]
protocol = "postgres"
address = "localhost:{port}"
user = "app"
password = {{ file = "db-password" }}
database = "{name}_{twin}"
tls = {{ ca = "db.pem" }}
[targets.{twin}.masking.fields]
{RULES}
"#,
            )
            .unwrap();
        }
        let tables = format!("[listeners.postgres]\nlisten = \"127.0.0.1:{port}\"\n{targets}");
        let files = |dir: &std::path::Path| {
            std::fs::write(dir.join("db.pem"), server.authority()).unwrap();
            std::fs::write(dir.join("db-password"), PASSWORD).unwrap();
        };
        let setup = Setup { policies, tables: &tables, files: &files, ..Setup::new("http://127.0.0.1:9/mcp") };
        let gateway = Gateway::start(&setup, issuer.url());
        let token = issuer.token("alice");
        let databases = VALUES.map(|(target, _)| {
            let (name, token) = (format!("{name}_{target}"), token.clone());
            Database { target, name, port, token }
        });
        databases.iter().for_each(Database::renew);
        Self { _issuer: issuer, gateway, databases }
    }
}

impl Database {
    /// Makes it as it was.
    pub(crate) fn renew(&self) {
        let server = Postgres::shared().unwrap();
        let name = &self.name;
        server.sql("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).unwrap();
        server.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {name}_base OWNER app")).unwrap();
    }

    /// What `psql` says of a script, through the gateway.
    pub(crate) fn masked(&self, script: &str) -> String {
        let mut program = Postgres::shared().unwrap().program("psql");
        program
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "alice")
            .env("PGPASSWORD", &self.token)
            .env("PGDATABASE", self.target);
        said(program, script)
    }

    /// The same directly.
    pub(crate) fn direct(&self, script: &str) -> String {
        let mut program = Postgres::shared().unwrap().program("psql");
        program.env("PGUSER", "app").env("PGPASSWORD", PASSWORD).env("PGDATABASE", &self.name);
        said(program, script)
    }
}

fn said(mut program: Command, script: &str) -> String {
    program.args(["-X", "-q", "-v", "VERBOSITY=verbose", "-f", "-"]);
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    // Where a refusal is on record differs each time.
    all.split_inclusive('\n').filter(|line| !line.contains("On record as")).collect()
}
