//! `vidimus connect`: a program that speaks PostgreSQL, started with all it needs to reach a database behind the gateway.
//!
//! The program reads it as libpq does ("Environment Variables", "The Password File"): the password from a file that nobody
//! else may read, in a directory that nobody else may enter, which goes when the program ends. A variable would be in the
//! environment of everything that the program starts in turn, and an argument in the list of processes. Refused: a gateway
//! elsewhere that speaks no TLS to clients of databases.

mod secret;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitCode;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use zeroize::Zeroizing;

use self::secret::PasswordFile;
use crate::cli::Connect;
use crate::config::is_loopback;
use crate::login::{Store, Tokens, note, places};
use crate::output::{self, printable};

/// Where systems keep the authorities that they trust: libpq asks for none of them by itself.
const AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// What the program is not to have: they would lead it elsewhere, or hold a secret.
const REMOVED: [&str; 6] = ["PGPASSWORD", "PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "VIDIMUS_TOKEN"];
/// What stands before the user's name of who proves the credential of a grant.
const BY_PROOF: &str = "grant.";
/// The status of what a signal ended, less the signal (POSIX, "Exit Status for Commands").
const SIGNALLED: i32 = 128;

/// How a database is reached.
#[derive(Debug)]
struct Way {
    host: String,
    port: u16,
    user: String,
    database: String,
    tls: bool,
    by_proof: bool,
}

/// Starts the program and waits for its end, or says how the database is reached.
pub(crate) async fn run(options: &Connect, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let url = options.gateway()?;
    let (way, password) = way(options, &url).await?;
    let Some((program, arguments)) = options.command.split_first() else {
        shown(&way, options, out)?;
        return Ok(ExitCode::SUCCESS);
    };
    // Before the program starts, so that none of these ends this one first.
    let asked = Asked::listen()?;
    let file = PasswordFile::new(&way.host, way.port, (&way.database, &way.user), &password)?;
    drop(password);
    let mut command = Command::new(program);
    command.args(arguments).envs(variables(&way, options)).env("PGPASSFILE", file.path());
    for name in REMOVED {
        command.env_remove(name);
    }
    let mut child =
        command.spawn().with_context(|| format!("cannot start {}", printable(&program.to_string_lossy())))?;
    let status = asked.wait(&mut child).await?;
    file.remove();
    let code = status.code().or_else(|| Some(SIGNALLED + status.signal()?)).and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Where to, as whom, and with what.
async fn way(options: &Connect, url: &str) -> anyhow::Result<(Way, Zeroizing<String>)> {
    let place = places(url).await?.postgres;
    let place = place.with_context(|| format!("{url} has no listener for databases: see [listeners.postgres]"))?;
    let uri: Uri = url.parse()?;
    let own = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let host = options.host.clone().unwrap_or(own);
    let is_here = format!("http://{}", if host.contains(':') { format!("[{host}]") } else { host.clone() })
        .parse::<Uri>()
        .is_ok_and(|uri| is_loopback(&uri));
    anyhow::ensure!(
        place.tls || is_here,
        "{url} speaks no TLS to clients of databases, so they must be on its own machine: name it with --host 127.0.0.1"
    );
    let port = options.port.unwrap_or(place.port);
    let (user, password) = if let Some(file) = &options.grant_file {
        let text = std::fs::read_to_string(file).map(Zeroizing::new);
        let text = text.with_context(|| format!("cannot read the credential in {}", file.display()))?;
        let user = options.user.clone();
        let user = user.context("name yourself with --user: a credential says nothing of who you are")?;
        (format!("{BY_PROOF}{user}"), Zeroizing::new(text.trim().to_owned()))
    } else {
        let token = Zeroizing::new(tokens(options, url)?.bearer(None).await?);
        let user = options.user.clone().or_else(|| subject(&token));
        (user.context("the token does not say who you are: name yourself with --user")?, token)
    };
    anyhow::ensure!(!password.is_empty(), "what was given for a password is empty");
    let (database, by_proof) = (options.target.to_string(), options.grant_file.is_some());
    Ok((Way { host, port, user, database, tls: place.tls, by_proof }, password))
}

fn tokens(options: &Connect, url: &str) -> anyhow::Result<Tokens> {
    if let Some(token) = crate::custody_commands::token(options.token_file.as_deref())? {
        return Ok(Tokens::Given(String::clone(&token)));
    }
    let all = format!("{url}/mcp");
    let resources = vec![format!("{all}/{}", options.target), all];
    Ok(Tokens::Login { store: Store::at(options.logins.clone())?, resources })
}

/// The subject of a token that is a JWT (RFC 7519 §4.1.2). It is not checked: the gateway does.
fn subject(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    Some(claims.get("sub")?.as_str()?.to_owned())
}

/// What the program is told, without the password.
fn variables(way: &Way, options: &Connect) -> Vec<(&'static str, OsString)> {
    let mut all: Vec<(&str, OsString)> = vec![
        ("PGHOST", way.host.clone().into()),
        ("PGPORT", way.port.to_string().into()),
        ("PGUSER", way.user.clone().into()),
        ("PGDATABASE", way.database.clone().into()),
        ("PGSSLMODE", sslmode(way).into()),
        ("PGGSSENCMODE", "disable".into()),
    ];
    if way.by_proof {
        // From PostgreSQL 16 on: the credential is given to nobody who asks for it in clear text.
        all.push(("PGREQUIREAUTH", "scram-sha-256".into()));
    }
    let known = || AUTHORITIES.iter().find(|path| std::path::Path::new(path).exists()).map(OsString::from);
    let is_given = std::env::var_os("PGSSLROOTCERT").is_some_and(|path| !path.is_empty());
    let authority = match &options.ca {
        Some(path) => Some(path.clone().into_os_string()),
        None if is_given => None,
        None => known(),
    };
    if let Some(authority) = authority.filter(|_| way.tls) {
        all.push(("PGSSLROOTCERT", authority));
    }
    all
}

const fn sslmode(way: &Way) -> &'static str {
    if way.tls { "verify-full" } else { "disable" }
}

/// Says how the database is reached, without the password.
fn shown(way: &Way, options: &Connect, out: &mut impl Write) -> anyhow::Result<()> {
    if options.output.json {
        let password = if way.by_proof { "grant" } else { "token" };
        let said = json!({
            "host": way.host, "port": way.port, "user": way.user, "database": way.database, "sslmode": sslmode(way),
            "password": password,
        });
        return Ok(output::json(out, &said)?);
    }
    for (name, value) in variables(way, options) {
        writeln!(out, "{name:<14}{}", printable(&value.to_string_lossy()))?;
    }
    let password = if way.by_proof { "the credential of the grant" } else { "your token" };
    writeln!(out, "The password is {password}. To start a program with it: vidimus connect {} -- psql", way.database)?;
    Ok(())
}

/// What this program is asked while the other one runs.
struct Asked {
    terminate: Signals,
    hang_up: Signals,
    interrupt: Signals,
    quit: Signals,
}

impl Asked {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Waits for the program, and passes on what it does not get by itself: a terminal sends Ctrl-C to both.
    async fn wait(mut self, child: &mut Child) -> anyhow::Result<std::process::ExitStatus> {
        let has_terminal = std::io::stdin().is_terminal() || std::io::stderr().is_terminal();
        loop {
            let asked = tokio::select! {
                ended = child.wait() => return Ok(ended?),
                _ = self.terminate.recv() => Signal::TERM,
                _ = self.hang_up.recv() => Signal::HUP,
                _ = self.interrupt.recv() => Signal::INT,
                _ = self.quit.recv() => Signal::QUIT,
            };
            let gets_it = has_terminal && matches!(asked, Signal::INT | Signal::QUIT);
            let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
            if let Some(pid) = pid.filter(|_| !gets_it)
                && let Err(error) = kill_process(pid, asked)
            {
                note(&format!("vidimus: the program cannot be told to end: {error}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_is() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(subject(&token(r#"{"sub":"alice"}"#)).as_deref(), Some("alice"));
        for none in [token("{}"), token(r#"{"sub":1}"#), token("x"), "opaque".to_owned(), "a.!.b".to_owned()] {
            assert_eq!(subject(&none), None, "{none}");
        }
    }
}
