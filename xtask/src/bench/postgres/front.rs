//! What stands between clients and the server: nothing, `PgBouncer`, or a gateway, each with what clients must say.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use vidimus_testkit::postgres::{SUPERUSER, SUPERUSER_PASSWORD};
use vidimus_testkit::{Postgres, Process, TempDir, free_port, port};

use super::super::gateway::{Gateway, Setup};
use super::super::parts::{self, GATEWAY_CORE};
use super::super::proc::Proc;
use super::{Stage, Way};

/// What starting may take.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Where Debian's package has it, which is not on everybody's search path.
const PGBOUNCER: &str = "/usr/sbin/pgbouncer";
/// Whom `PgBouncer` becomes when it is root, which it refuses to stay.
const NOBODY: &str = "nobody";
/// The caller, as the issuer's first token has it, and the target.
const CALLER: &str = "person-0";
const TARGET: &str = "bench";

/// Leave by what a statement does, and two rules that read what is in it and do not forbid.
const POLICIES: &str = r#"
permit (principal in Group::"bench/bench", action == Action::"connect", resource == Target::"bench");
@id("read")
permit (principal in Group::"bench/bench", action in Action::"sql:read", resource == Target::"bench");
@id("write")
permit (principal in Group::"bench/bench", action in Action::"sql:write", resource == Target::"bench");
@id("say-which")
forbid (principal, action in [Action::"sql:update", Action::"sql:delete"], resource) when { context.sql.unbounded };
@id("salaries")
forbid (principal, action in Action::"sql:read", resource) when { context.sql.reads.contains("salaries") };
"#;

/// Leave for everything.
const OPEN: &str = r#"permit (principal in Group::"bench/bench", action, resource == Target::"bench");"#;

/// What clients connect to.
pub(super) struct Front<'a> {
    server: &'a Postgres,
    port: u16,
    database: &'a str,
    /// Name and password; those of the server where a client shows it its own.
    caller: Option<(&'static str, &'a str)>,
    running: Running,
    /// Removed after what runs there has ended: fields are dropped in order.
    dir: TempDir,
}

enum Running {
    Nothing,
    PgBouncer(Process),
    Gateway(Gateway),
}

impl<'a> Front<'a> {
    /// Starts it, on its core.
    pub(super) fn start(stage: &'a Stage<'_>, way: Way) -> Result<Self> {
        let dir = super::super::tempdir_in(stage.scratch)?;
        let (server, database) = (&stage.server, stage.database.as_str());
        let port = if way == Way::Direct { server.port() } else { free_port()? };
        let (running, database, caller) = match way {
            Way::Direct => (Running::Nothing, database, None),
            Way::PgBouncer => (Running::PgBouncer(bouncer(stage, dir.path(), port)?), database, None),
            Way::Strict | Way::Recording | Way::Async => {
                let gateway = gateway(stage, way, dir.path(), port)?;
                (Running::Gateway(gateway), TARGET, Some((CALLER, stage.parts.token()?)))
            }
        };
        Ok(Self { server, port, database, caller, running, dir })
    }

    /// One of PostgreSQL's own programs, told to come here.
    pub(super) fn program(&self, name: &str) -> Command {
        let mut command = self.server.program(name);
        command.env("PGPORT", self.port.to_string()).env("PGDATABASE", self.database);
        if let Some((name, password)) = self.caller {
            command.env("PGUSER", name).env("PGPASSWORD", password);
        }
        command
    }

    /// What is measured.
    pub(super) fn proc(&self) -> Option<Proc> {
        match &self.running {
            Running::Nothing => None,
            Running::PgBouncer(process) => Some(Proc(process.id())),
            Running::Gateway(gateway) => Some(gateway.proc()),
        }
    }

    /// What it said, for an error.
    pub(super) fn log(&self) -> String {
        match &self.running {
            Running::Nothing => "nothing stood between".to_owned(),
            Running::PgBouncer(process) => format!("PgBouncer said: {}", process.log()),
            Running::Gateway(gateway) => format!("the gateway said: {}", gateway.log()),
        }
    }

    /// Ends it in its own way; what it leaves.
    pub(super) fn stop(self) -> Result<TempDir> {
        match self.running {
            Running::Gateway(gateway) => gateway.stop()?,
            // Killed: it keeps nothing.
            Running::PgBouncer(process) => drop(process),
            Running::Nothing => {}
        }
        Ok(self.dir)
    }
}

/// `PgBouncer`, which keeps a connection to the server for each of a client's.
fn bouncer(stage: &Stage<'_>, dir: &Path, port: u16) -> Result<Process> {
    let configuration = format!(
        "\
[databases]
{database} = host=127.0.0.1 port={server} dbname={database} user={SUPERUSER} password={SUPERUSER_PASSWORD}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = session
max_client_conn = 1000
default_pool_size = 650
client_tls_sslmode = disable
server_tls_sslmode = disable
log_connections = 0
log_disconnections = 0
stats_period = 3600
",
        database = stage.database,
        server = stage.server.port(),
    );
    let path = dir.join("pgbouncer.ini");
    fs::write(&path, configuration)?;
    let mut command = parts::pinned(GATEWAY_CORE, Path::new(PGBOUNCER));
    if rustix::process::geteuid().is_root() {
        command.args(["-u", NOBODY]);
    }
    let process = Process::start("PgBouncer", command.arg(&path))?;
    if let Err(error) = port::wait_for_port(port, START_LIMIT) {
        bail!("{error}; PgBouncer said:\n{}", process.log());
    }
    Ok(process)
}

/// A gateway before the server.
fn gateway(stage: &Stage<'_>, way: Way, dir: &Path, port: u16) -> Result<Gateway> {
    fs::write(dir.join("database-password"), SUPERUSER_PASSWORD)?;
    let (policies, durability, masking) = match way {
        Way::Recording => (OPEN, "strict", "masking = { classes = [\"CRYPTO\"] }"),
        Way::Async => (POLICIES, "async", ""),
        _ => (POLICIES, "strict", ""),
    };
    let targets = format!(
        r#"
[listeners.postgres]
listen = "127.0.0.1:{port}"

[targets.{TARGET}]
protocol = "postgres"
address = "127.0.0.1:{server}"
sslmode = "disable"
user = "{SUPERUSER}"
password = {{ file = "database-password" }}
database = "{database}"
durability = "{durability}"
{masking}
"#,
        server = stage.server.port(),
        database = stage.database,
    );
    let setup = Setup { policies: policies.to_owned(), targets };
    let gateway = Gateway::start(stage.workspace, stage.parts, dir, &setup)?;
    if let Err(error) = port::wait_for_port(port, START_LIMIT) {
        bail!("{error}; the gateway said:\n{}", gateway.log());
    }
    Ok(gateway)
}
