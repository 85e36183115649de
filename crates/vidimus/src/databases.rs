//! Databases: how they are reached, and the listener for their clients.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vidimus_core::{CredentialKind, Protocol};
use vidimus_gate::{Gate, LineTarget, Masking, Password, TargetSpec, Way, serve_lines};
use vidimus_guard::{Guard, Settings};
use vidimus_mcp::ProtectedResources;
use vidimus_net::client::ServerName;
use vidimus_net::{ClientTls, LineLimits, LineServer, ServerTls};
use vidimus_postgres::Adapter;
use vidimus_stdio::Chained;

use crate::certificates::Certificates;
use crate::config::{Chain, Config, Database, Program, Server, SharedMasking, Target};
use crate::secret::SecretRef;

/// PostgreSQL as ALPN names it.
const ALPN: &[&[u8]] = &[b"postgresql"];

/// The endpoint of all targets, below which each has its own: what tokens are for.
const ENDPOINT: &str = "/mcp";

/// Clients of databases, and where they connect.
pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<ServerTls>,
    limits: LineLimits,
}

impl Listener {
    /// Binds the listener, where there is one.
    pub(crate) async fn bind(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(own) = &config.postgres else { return Ok(None) };
        let tls = own.tls.clone().map(|files| ServerTls::load_for(files, ALPN)).transpose();
        let tls = tls.context("no TLS on listeners.postgres")?;
        let listener = TcpListener::bind(own.listen);
        let listener =
            listener.await.with_context(|| format!("cannot listen on {} (listeners.postgres)", own.listen))?;
        let limits =
            LineLimits { connections: own.connections, grace: config.limits.shutdown_grace, ..LineLimits::default() };
        Ok(Some(Self { socket: listener, tls, limits }))
    }

    /// Its certificate.
    pub(crate) fn certificates(&self) -> Option<Certificates> {
        self.tls.clone().map(Certificates::Listener)
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> anyhow::Result<std::net::SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// Serves clients of these targets.
    pub(crate) fn serve(
        self,
        gate: &Gate,
        targets: Vec<vidimus_postgres::Target>,
        stopping: watch::Receiver<bool>,
    ) -> JoinHandle<()> {
        let adapter = Adapter::new(gate.clone(), targets, self.tls);
        let server = LineServer::new(self.socket, self.limits);
        let serve = move |line, address, closing| adapter.clone().serve(line, address, closing);
        tokio::spawn(serve_lines(server, serve, stopping))
    }
}

/// Where programs connect that the gateway starts for sessions: on loopback alone, at a port of the system's choice. Who has
/// no credential of such a program gets nowhere there.
pub(crate) struct Programs {
    socket: TcpListener,
    address: std::net::SocketAddr,
    limits: LineLimits,
}

impl Programs {
    /// Binds it, where a program is told of a database.
    pub(crate) async fn bind(config: &Config) -> anyhow::Result<Option<Self>> {
        let is_chained =
            |target: &Target| matches!(&target.server, Server::Program(program) if !program.chained.is_empty());
        if !config.targets.iter().any(is_chained) {
            return Ok(None);
        }
        let socket = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await;
        let socket = socket.context("cannot listen on loopback for programs that reach databases")?;
        let address = socket.local_addr()?;
        let limits = LineLimits { grace: config.limits.shutdown_grace, ..LineLimits::default() };
        Ok(Some(Self { socket, address, limits }))
    }

    /// What a program is told of the databases it may reach.
    pub(crate) fn told(&self, program: &Program) -> Vec<Chained> {
        let one = |chain: &Chain| Chained {
            variable: chain.variable.clone(),
            target: chain.target.to_string(),
            scheme: "postgresql://",
            place: format!("@{}/{}?sslmode=disable", self.address, chain.target),
        };
        program.chained.iter().map(one).collect()
    }

    /// Serves programs.
    pub(crate) fn serve(
        self,
        gate: &Gate,
        targets: Vec<vidimus_postgres::Target>,
        stopping: watch::Receiver<bool>,
    ) -> JoinHandle<()> {
        let adapter = Adapter::for_programs(gate.clone(), targets);
        let server = LineServer::new(self.socket, self.limits);
        let serve = move |line, address, closing| adapter.clone().serve(line, address, closing);
        tokio::spawn(serve_lines(server, serve, stopping))
    }
}

/// All databases as targets.
pub(crate) fn targets(
    gate: &Gate,
    config: &Config,
    (masking, resources): (&mut SharedMasking, &ProtectedResources),
    certificates: &mut Vec<Certificates>,
) -> anyhow::Result<Vec<vidimus_postgres::Target>> {
    // What statements would do is theirs to say, so rewrites are all that it knows.
    let guard = Guard::new(Settings { rewrites: Arc::clone(&config.rewrites), ..Settings::default() });
    let targets = config.databases.iter().map(|database| {
        let masking = masking.compile(gate, &database.masking);
        let masking = masking.with_context(|| format!("the masking of target {}", database.name))?;
        let resources = resources.audiences(&format!("{ENDPOINT}/{}", database.name));
        target(database, (masking, guard.clone(), resources), certificates)
            .with_context(|| format!("target {}", database.name))
    });
    targets.collect()
}

fn target(
    database: &Database,
    (masking, guard, resources): (Masking, Guard, Vec<String>),
    certificates: &mut Vec<Certificates>,
) -> anyhow::Result<vidimus_postgres::Target> {
    let password = database.password.as_ref().map(SecretRef::resolve_text).transpose()?;
    let tls = match &database.tls {
        None => None,
        Some(own) => {
            let tls = ClientTls::plain(own)?;
            if !tls.paths().is_empty() {
                certificates.push(Certificates::Target(database.name.clone(), tls.clone()));
            }
            let name = match &own.server_name {
                Some(name) => name.clone(),
                None => ServerName::try_from(database.host.clone())?,
            };
            Some((tls, name))
        }
    };
    let spec = TargetSpec {
        name: database.name.clone(),
        protocol: Protocol::Postgres,
        durability: database.durability,
        record: database.record,
        masking,
        rows_kept: database.rows,
        guard,
        credential: password.is_some().then_some(CredentialKind::Password),
    };
    let limits = LineLimits { handshake_timeout: database.connect_timeout, ..LineLimits::default() };
    let way = LineTarget::new(Way {
        host: database.host.clone(),
        port: database.port,
        tls,
        user: database.user.clone(),
        password: password.map(Password::new),
        limits,
    });
    let (database_there, scopes) = (database.catalog.clone(), database.scopes.clone());
    let changes = Arc::default();
    Ok(vidimus_postgres::Target { spec: Arc::new(spec), way, database: database_there, scopes, resources, changes })
}
