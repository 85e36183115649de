//! A real PostgreSQL server (Debian's, 13 or later): a directory of its own, a free loopback port, TLS, SCRAM-SHA-256.
//!
//! Servers of [`OTHER_VERSIONS`] are those that npm packages have (`npm/postgres-servers`), with Debian's programs as clients.
//! `initdb` runs once per version, below `<target>/testkit`; each server gets a copy of that directory. PostgreSQL refuses
//! to run as root: when we are root, it runs as the user `postgres` or else `nobody`, by `setpriv`, which also has the
//! kernel stop it when the thread that started it is gone. Roles named [`CLEARTEXT_ROLE`] and [`MD5_ROLE`] are asked for
//! their passwords in those two ways, should a test create them; everybody else by SCRAM.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{io, thread};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::certificates::VALID;
use crate::{Authority, Process, free_port, install};

/// The role that may do everything.
pub const SUPERUSER: &str = "admin";
/// Its password.
pub const SUPERUSER_PASSWORD: &str = "testkit-superuser";
/// A role of this name is asked for its password in clear text.
pub const CLEARTEXT_ROLE: &str = "cleartext";
/// A role of this name is asked for the MD5 of its password.
pub const MD5_ROLE: &str = "md5";
/// The versions that there are packages of besides Debian's own, on x86-64 alone.
pub const OTHER_VERSIONS: [u32; 5] = [13, 14, 16, 17, 18];

/// How a server's directory is named, before the id of the process that it belongs to.
const PREFIX: &str = "vidimus-postgres-";
/// The variable of the environment that has all tests run with a server of another version than Debian's.
const VERSION: &str = "VIDIMUS_TEST_POSTGRES";
/// Where Debian puts each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The oldest version that the gateway knows.
const OLDEST: u32 = 13;
/// Users to run as when we are root.
const USERS: &[&str] = &["postgres", "nobody"];
/// A busy two-core machine needs some seconds; the rest is margin.
const START_LIMIT: Duration = Duration::from_mins(1);
/// An immediate shutdown takes a fraction of a second.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Another program may take the port between `free_port` and the server's own bind.
const STARTS: usize = 3;

/// What is the same for every server; durability is not what is tested with it.
const SETTINGS: &str = "\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = '32MB'
dynamic_shared_memory_type = mmap
fsync = off
full_page_writes = off
synchronous_commit = off
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
password_encryption = 'scram-sha-256'
lc_messages = 'C'
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = off
";

/// A running server. Dropping it stops it, and its directory goes.
pub struct Postgres {
    process: Process,
    port: u16,
    /// Where the programs of clients are.
    bin: PathBuf,
    authority: Authority,
    databases: AtomicU32,
    /// Removed after the process has ended: fields are dropped in order.
    _dir: TempDir,
}

impl Postgres {
    /// Starts a server. It certifies itself for `localhost` and `127.0.0.1`.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// The same with these settings (`name=value`) beside those that all servers have.
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        if let Ok(version) = std::env::var(VERSION) {
            return Self::of_package(version.parse().context(VERSION)?, settings);
        }
        let (version, bin) = newest()?;
        Self::run(&version.to_string(), directory()?, &bin, bin.clone(), settings)
    }

    /// Starts a server of one of [`OTHER_VERSIONS`].
    pub fn start_version(version: u32) -> Result<Self> {
        Self::of_package(version, &[])
    }

    fn of_package(version: u32, settings: &[&str]) -> Result<Self> {
        let package = install::npm("postgres-servers")?.join(format!("node_modules/postgres-{version}"));
        if !package.is_dir() {
            bail!("there is no package of PostgreSQL {version} for this machine");
        }
        // The unprivileged user need not reach the target directory.
        let dir = directory()?;
        let native = dir.path().join("native");
        copy(&package.join("native"), &native)?;
        link(&native)?;
        give(dir.path())?;
        Self::run(&format!("{version}-npm"), dir, &native.join("bin"), newest()?.1, settings)
    }

    /// Runs the server that is in `programs`; those that are in `bin` are for clients.
    fn run(version: &str, dir: TempDir, programs: &Path, bin: PathBuf, settings: &[&str]) -> Result<Self> {
        let template = template(version, programs)?;
        let authority = Authority::new("PostgreSQL of a test")?;
        let certificate = authority.issue("localhost", &["localhost", "127.0.0.1"], VALID)?;

        let data = dir.path().join("data");
        copy(&template, &data)?;
        fs::write(data.join("server.crt"), &certificate.certificate)?;
        fs::write(data.join("server.key"), &certificate.key)?;
        fs::set_permissions(data.join("server.key"), Permissions::from_mode(0o600))?;
        give(dir.path())?;

        let mut failures = Vec::new();
        for _ in 0..STARTS {
            let port = free_port()?;
            let mut command = unprivileged(&programs.join("postgres"))?;
            command.arg("-D").arg(&data).args(["-p", &port.to_string()]).current_dir(dir.path());
            command.args(settings.iter().flat_map(|setting| ["-c", setting]));
            let mut process = Process::start("PostgreSQL", &mut command)?;
            let ready = |line: &str| line.contains("ready to accept connections").then_some(());
            match process.wait_for_line(START_LIMIT, ready) {
                Ok(()) => return Ok(Self { process, port, bin, authority, databases: AtomicU32::new(0), _dir: dir }),
                Err(error) => failures.push(error.to_string()),
            }
        }
        bail!("{}", failures.join("\n"))
    }

    /// One server for all tests of this process; it ends with the process.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<&Postgres, String>> = OnceLock::new();
        let started = SHARED.get_or_init(|| for_good(Self::start));
        started.as_ref().copied().map_err(|error| anyhow!("{error}"))
    }

    /// A server of one of [`OTHER_VERSIONS`] that ends with the process.
    pub fn for_good(version: u32) -> Result<&'static Self> {
        for_good(move || Self::start_version(version)).map_err(|error| anyhow!("{error}"))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate, as PEM, of who signed the server's.
    pub fn authority(&self) -> String {
        self.authority.certificate()
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// A new, empty database, and its name.
    pub fn database(&self) -> Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(name)
    }

    /// Runs `statements` as the superuser by `psql`; what it printed, rows unaligned and without headings.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String> {
        let output = self
            .program("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statements])
            .output()
            .context("cannot start psql")?;
        if !output.status.success() {
            bail!("psql ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// One of PostgreSQL's own programs (`psql`, `pgbench`, `pg_dump` …), told by its environment to go to this server
    /// as the superuser, without TLS.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", SUPERUSER)
            .env("PGPASSWORD", SUPERUSER_PASSWORD)
            .env("PGDATABASE", "postgres")
            .env("PGSSLMODE", "disable")
            .env("PGCONNECT_TIMEOUT", "20")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("PGPASSFILE")
            .env_remove("PGSERVICE");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An immediate shutdown: the server ends its own processes and gives its shared memory back.
        if self.process.signal(Signal::QUIT).is_ok() {
            let _ = self.process.wait(STOP_LIMIT);
        }
    }
}

/// Starts a server that ends with the process.
fn for_good(start: impl FnOnce() -> Result<Postgres> + Send + 'static) -> Result<&'static Postgres, String> {
    // The kernel stops the server when the thread that started it ends: this one ends with the process.
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    thread::spawn(move || {
        let started = start().map(|server| &*Box::leak(Box::new(server)));
        let _ = sender.send(started.map_err(|error| format!("{error:#}")));
        loop {
            thread::park();
        }
    });
    receiver.recv().unwrap_or_else(|error| Err(error.to_string()))
}

/// A directory for a server.
fn directory() -> Result<TempDir> {
    sweep();
    Ok(TempDir::with_prefix(format!("{PREFIX}{}-", std::process::id()))?)
}

/// Removes the directories that processes left which ended without dropping their server.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            // Another process may be removing it too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The newest version that is installed, and where its programs are.
fn newest() -> Result<(u32, PathBuf)> {
    let entries = fs::read_dir(VERSIONS).into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(version, bin)| *version >= OLDEST && bin.join("initdb").is_file())
        .max()
        .with_context(|| {
            format!(
                "no PostgreSQL {OLDEST} or later below {VERSIONS}; on Debian: apt-get install postgresql \
                 postgresql-client, or as root `cargo xtask test --only prerequisites`"
            )
        })
}

/// A data directory as `initdb` makes it, with our settings; made once, and copied for each server.
fn template(version: &str, programs: &Path) -> Result<PathBuf> {
    let access = format!(
        "host all {CLEARTEXT_ROLE} 127.0.0.1/32 password\nhost all {MD5_ROLE} 127.0.0.1/32 md5\n\
         host all all 127.0.0.1/32 scram-sha-256\n"
    );
    let keys = [SETTINGS, &access, SUPERUSER, SUPERUSER_PASSWORD].map(str::as_bytes);
    let made = install::once(&format!("postgres-{version}"), &keys, |made| {
        // The unprivileged user need not reach the target directory.
        let dir = TempDir::with_prefix("vidimus-initdb-")?;
        let data = dir.path().join("data");
        let password = dir.path().join("password");
        fs::write(&password, SUPERUSER_PASSWORD)?;
        give(dir.path())?;
        install::run(
            unprivileged(&programs.join("initdb"))?
                .arg("-D")
                .arg(&data)
                .args(["-U", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--wal-segsize=1"])
                .arg(format!("--pwfile={}", password.display()))
                .arg("--no-sync")
                .current_dir(dir.path()),
        )?;
        let mut settings = fs::read_to_string(data.join("postgresql.conf"))?;
        settings.push_str(SETTINGS);
        fs::write(data.join("postgresql.conf"), settings)?;
        fs::write(data.join("pg_hba.conf"), &access)?;
        copy(&data, &made.join("data"))
    })?;
    Ok(made.join("data"))
}

/// Gives the libraries of a package the further names that they are looked for by: packages of npm hold no links, and
/// its own script, which would make them, is not run.
fn link(native: &Path) -> Result<()> {
    let listed = fs::read(native.join("pg-symlinks.json")).context("the package does not say what to link")?;
    let listed: Value = serde_json::from_slice(&listed)?;
    for entry in listed.as_array().into_iter().flatten() {
        let name = |which: &str| entry.get(which)?.as_str()?.strip_prefix("native/lib/");
        let (Some(of), Some(further)) = (name("source"), name("target")) else { bail!("what link is {entry}?") };
        symlink(of, native.join("lib").join(further))?;
    }
    Ok(())
}

/// A command that runs `program` as a user that PostgreSQL accepts, and that the kernel ends with this thread.
fn unprivileged(program: &Path) -> Result<Command> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]);
    if let Some((user, group)) = other_user()? {
        command.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups"]);
    }
    command.arg("--").arg(program).env("LC_ALL", "C");
    Ok(command)
}

/// Makes `path` and all in it the unprivileged user's, if there is need of one.
fn give(path: &Path) -> Result<()> {
    let Some((user, group)) = other_user()? else { return Ok(()) };
    give_to(path, user, group).with_context(|| format!("cannot give {} away", path.display()))
}

fn give_to(path: &Path, user: u32, group: u32) -> io::Result<()> {
    lchown(path, Some(user), Some(group))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give_to(&entry?.path(), user, group)?;
        }
    }
    Ok(())
}

/// User and group to run as: none when we are not root.
fn other_user() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    // passwd(5): name, password, user, group.
    let of = |name: &str| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map_while(|id| id.parse().ok());
        Some((ids.next()?, ids.next()?))
    };
    let found = USERS.iter().find_map(|name| of(name));
    Ok(Some(found.context("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`")?))
}

/// Copies a directory of plain files, for its owner alone.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_answers_with_tls_and_without_and_ends_on_drop() {
        let server = Postgres::start().unwrap();
        let (one, two) = (server.database().unwrap(), server.database().unwrap());
        assert_ne!(one, two);
        server.sql(&one, "CREATE TABLE t (a int); INSERT INTO t VALUES (41)").unwrap();
        assert_eq!(server.sql(&one, "SELECT a FROM t").unwrap(), "41\n");
        assert!(server.sql(&two, "SELECT a FROM t").unwrap_err().to_string().contains("does not exist"));

        let authority = tempfile::NamedTempFile::new().unwrap();
        fs::write(authority.path(), server.authority()).unwrap();
        let output = server
            .program("psql")
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", authority.path())
            .env("PGHOST", "localhost")
            .args(["-X", "-A", "-t", "-c", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "t\n", "{}", String::from_utf8_lossy(&output.stderr));

        let port = server.port();
        drop(server);
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }

    #[test]
    fn a_wrong_password_is_refused() {
        let server = Postgres::shared().unwrap();
        let output = server.program("psql").env("PGPASSWORD", "other").args(["-X", "-c", "SELECT 1"]).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains("password authentication failed"));
    }
}
