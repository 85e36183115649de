//! Clients of PostgreSQL through a real gateway to a real server: what passes, what is refused, what is on record.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod approval;
mod chained;
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod connecting;
mod drivers;
mod faults;
mod granted;
mod record;
mod replay;
mod rewriting;
mod rust_drivers;
mod versions;

use std::process::{Command, Output};

use common::issuer::Issuer;
use common::{Gateway, Setup};
use serde_json::Value;
use vidimus_testkit::certificates::{Authority, VALID};
use vidimus_testkit::postgres::{SUPERUSER, SUPERUSER_PASSWORD};
use vidimus_testkit::{Postgres, free_port};

/// Support reads and writes; nobody drops anything, and `payments` needs a person.
const POLICIES: &str = r#"
@id("connect") permit (principal in Group::"corp/support", action == Action::"connect", resource);
@id("read") permit (principal in Group::"corp/support", action in Action::"sql:read", resource == Target::"orders");
@id("write") permit (principal in Group::"corp/support", action in Action::"sql:write", resource == Target::"orders");
@id("dump") permit (principal in Group::"corp/support", action == Action::"sql:code", resource == Target::"orders")
  when { context.sql.functions == ["set_config"] };
@id("locks") permit (principal in Group::"corp/support", action == Action::"sql:other", resource == Target::"orders")
  when { context.sql.parsed };
@id("schema") permit (principal in Group::"corp/owners", action == Action::"sql:ddl", resource == Target::"orders");
@id("whole") @message("Say which rows.")
  forbid (principal, action in [Action::"sql:update", Action::"sql:delete"], resource) when { context.sql.unbounded };
@id("held") @approval("finance") forbid (principal, action == Action::"sql:insert", resource)
  when { context.sql.writes.contains("payments") };
@id("finance") permit (principal in Group::"corp/finance", action == Action::"approve", resource);
@id("tools") permit (principal in Group::"corp/support", action in Action::"tools/call", resource);
@id("ask") permit (principal in Group::"corp/support", action == Action::"grant.request", resource);
@id("view") permit (principal in Group::"local/owner", action == Action::"recording.view", resource);
@id("log") permit (principal in Group::"local/owner", action == Action::"log.read", resource);
"#;

const TABLES: &str = "
CREATE TABLE people (id int PRIMARY KEY, name text, email text, age int, note json);
INSERT INTO people VALUES (1, 'Ann', 'ann@example.com', 41, '{\"card\":\"4111 1111 1111 1111\"}'),
  (2, 'Bob', 'bob@example.org', 42, NULL);
CREATE TABLE payments (id int, amount numeric);
CREATE TABLE lines (n int, t text);
";

/// A server, and a gateway before it.
pub(crate) struct World {
    pub(crate) server: &'static Postgres,
    pub(crate) issuer: Issuer,
    pub(crate) gateway: Gateway,
    pub(crate) port: u16,
    pub(crate) database: String,
}

impl World {
    /// Starts both; `more` stands in the target's table.
    pub(crate) fn start(more: &str) -> Self {
        Self::with("", more, &|_| {})
    }

    /// The same with lines in the listener's table, and further files.
    pub(crate) fn with(listener: &str, more: &str, further: &dyn Fn(&std::path::Path)) -> Self {
        Self::before(Postgres::shared().unwrap(), listener, more, further)
    }

    /// The same with a certificate for its clients, and who has signed that.
    pub(crate) fn secure(more: &str) -> (Self, Authority) {
        let authority = Authority::new("of the gateway").unwrap();
        let own = authority.issue("gateway", &["localhost"], VALID).unwrap();
        let files = |dir: &std::path::Path| {
            std::fs::write(dir.join("pg.pem"), &own.certificate).unwrap();
            std::fs::write(dir.join("pg.key"), &own.key).unwrap();
            std::fs::set_permissions(dir.join("pg.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        };
        (Self::with("certificate = \"pg.pem\"\nkey = \"pg.key\"", more, &files), authority)
    }

    /// The same before a server that runs already.
    pub(crate) fn before(
        server: &'static Postgres,
        listener: &str,
        more: &str,
        further: &dyn Fn(&std::path::Path),
    ) -> Self {
        let database = server.database().unwrap();
        server.sql(&database, TABLES).unwrap();
        let (issuer, port) = (Issuer::start(), free_port().unwrap());
        let tables = format!(
            r#"
[listeners.postgres]
listen = "127.0.0.1:{port}"
{listener}
[targets.orders]
protocol = "postgres"
address = "localhost:{}"
user = "{}"
password = {{ file = "db-password" }}
database = "{database}"
tls = {{ ca = "db.pem" }}
{more}
[approvals.finance]
"#,
            server.port(),
            SUPERUSER,
        );
        let files = |dir: &std::path::Path| {
            std::fs::write(dir.join("db.pem"), server.authority()).unwrap();
            std::fs::write(dir.join("db-password"), SUPERUSER_PASSWORD).unwrap();
            further(dir);
        };
        let setup =
            Setup { policies: POLICIES, tables: &tables, files: &files, ..Setup::new("http://127.0.0.1:9/mcp") };
        let gateway = Gateway::start(&setup, issuer.url());
        Self { server, issuer, gateway, port, database }
    }

    /// One of PostgreSQL's own programs, told to go to the gateway as Alice.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = self.server.program(name);
        command
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "alice")
            .env("PGPASSWORD", self.issuer.token("alice"))
            .env("PGDATABASE", "orders");
        command
    }

    /// What `psql` prints for these commands, and what it says of errors.
    pub(crate) fn psql(&self, commands: &[&str]) -> (String, String) {
        let mut program = self.program("psql");
        program.args(["-X", "-q", "-A", "-t"]);
        for command in commands {
            program.args(["-c", command]);
        }
        told(&program.output().unwrap())
    }

    /// All outcomes and denials on record, by action.
    pub(crate) fn recorded(&self) -> Vec<Value> {
        let events = self.gateway.events();
        events
            .into_iter()
            .filter(|event| event["type"].as_str().is_some_and(|kind| kind.starts_with("operation.")))
            .collect()
    }
}

fn told(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().trim_end().to_owned();
    (text(&output.stdout), text(&output.stderr))
}
