//! The gateway from its configuration: every part made, connected, started and stopped in order.

use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use http_body_util::Either;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vidimus_core::{CredentialKind, Protocol, SystemClock};
use vidimus_gate::{Gate, Keyring, Masking, TargetSpec};
use vidimus_identity::Identity;
use vidimus_log::{FileSystem, Witnessing};
use vidimus_mcp::{Adapter, EventServer, Limits, ProtectedResources, Target};
use vidimus_net::{HttpLimits, HttpTarget, OriginPolicy, Server, ServerTls, TargetOptions, TargetTls};
use vidimus_stdio::{ChildLimits, Endpoint, Isolation, Launch, Pool, PoolLimits};

use crate::admin::Admin;
use crate::approvals_api::ApprovalsApi;
use crate::certificates::Certificates;
use crate::config::{self, Config, SharedMasking};
use crate::discovery::Discovery;
use crate::evidence_api::{self, EvidenceApi};
use crate::grants_api::GrantsApi;
use crate::integrity::Integrity;
use crate::log_api::LogApi;
use crate::resource_metadata::{PostgresPlace, ResourceMetadata};
use crate::target_metrics::Targets;
use crate::token_http::TokenClient;
use crate::webhooks::Webhook;
use crate::witnesses::Witnesses;
use crate::{capacity, certificates, clock, databases, key, policies, retention, stdio_child};

/// How long the gateway's own tasks may take to end at shutdown.
const HELPER_GRACE: Duration = Duration::from_secs(5);

/// How often idle sessions, counted log-on failures and refusals are looked for.
const HOUSE_INTERVAL: Duration = Duration::from_secs(10);

/// How often sessions are looked for that have lasted, or used, as much as they may.
const ENDS_INTERVAL: Duration = Duration::from_secs(1);

/// The wait before a target's definitions are asked for again, at first and at most.
const DEFINITIONS_RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));

/// A gateway that is running.
pub(crate) struct Running {
    /// Where clients reach it.
    pub(crate) listen: SocketAddr,
    /// Where metrics and health are.
    pub(crate) admin: SocketAddr,
    /// Where clients of PostgreSQL reach it.
    pub(crate) postgres: Option<SocketAddr>,
    /// The choke point.
    pub(crate) gate: Gate,
    adapter: Adapter,
    programs: Pool,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    helpers: Vec<JoinHandle<()>>,
    witnesses: JoinHandle<Witnesses>,
    certificates: Vec<Certificates>,
    grace: Duration,
}

/// The evidence log and what decides, without any listener.
pub(crate) struct Opened {
    /// The choke point.
    pub(crate) gate: Gate,
    registry: Registry,
    identity: Arc<Identity>,
    in_force: policies::Inputs,
    witnesses: Witnesses,
}

/// Opens the gate of a configuration: the keys, the log with what a crash left open, the policies.
pub(crate) async fn open(config: &Config, mut registry: Registry) -> anyhow::Result<Opened> {
    let gateway = &config.gateway;
    make_private(&gateway.data_dir)?;
    let service = key::service(&gateway.key, &gateway.data_dir)?;
    let origin = Gate::origin(&gateway.name);
    let mut ring = Keyring::open(&FileSystem, &gateway.data_dir, &service, &origin).await?;
    let identity = Arc::new(identity(&config.issuers)?);
    let in_force = policies::Inputs::read(config)?;
    let options = vidimus_gate::Options {
        data_dir: gateway.data_dir.clone(),
        gateway: gateway.name.clone(),
        keys: ring.keys(&service),
        policies: in_force.compile()?,
        identity: Arc::clone(&identity),
        clock: Arc::new(SystemClock),
        storage: vidimus_gate::Options::files(),
        full_text: config.full_text,
        discipline: clock::discipline(),
        version: env!("CARGO_PKG_VERSION"),
        limits: config.limits.callers.clone(),
    };
    let witnesses = Witnesses::new(&config.witnesses, &mut registry)?;
    let (gate, witnesses, registry) =
        tokio::task::spawn_blocking(move || start_gate(options, witnesses, registry)).await??;
    // What the ring says of changes is on record now.
    ring.told()?;
    gate.configured(&config.hash)?;
    gate.custodian().load_rules(&config.retention, config.retention_delay)?;
    Ok(Opened { gate, registry, identity, in_force, witnesses })
}

/// Starts a gateway.
pub(crate) async fn start(config: &Config) -> anyhow::Result<Running> {
    let gateway = &config.gateway;
    let tls = gateway.tls.clone().map(ServerTls::load).transpose().context("no TLS on gateway.listen")?;
    let listener = bind(gateway.listen, "gateway.listen").await?;
    let admin_listener = bind(gateway.admin, "gateway.admin").await?;
    let databases = databases::Listener::bind(config).await?;
    let chained = databases::Programs::bind(config).await?;
    let (listen, admin) = (listener.local_addr()?, admin_listener.local_addr()?);
    let postgres = databases.as_ref().map(databases::Listener::address).transpose()?;

    let mut registry = Registry::with_prefix("vidimus");
    let gauges = policies::Gauges::register(&mut registry, config);
    let integrity = Integrity::new(config.integrity_every, &mut registry);
    let webhooks = Webhook::all(config, &mut registry)?;
    let Opened { gate, mut registry, identity, in_force, witnesses } = open(config, registry).await?;
    capacity::observe(&gate, &config.capacity, &gateway.data_dir).context("cannot tell how much room data_dir has")?;

    let programs = Pool::new(PoolLimits::default());
    let mut masking = SharedMasking::default();
    let mut of_targets = Vec::new();
    let targets = config.targets.iter().map(|target| {
        let masking = masking.compile(&gate, &target.masking);
        let masking = masking.with_context(|| format!("the masking of target {}", target.name))?;
        connect(&gate, config, (target, masking), (&programs, chained.as_ref()), &mut of_targets)
    });
    let targets = targets.collect::<anyhow::Result<_>>()?;
    let resources = protected_resources(config);
    let of_databases = databases::targets(&gate, config, (&mut masking, &resources), &mut of_targets)?;
    let origins = if tls.is_some() { OriginPolicy::over_tls } else { OriginPolicy::new };
    let origins = origins(&gateway.public_url.to_string(), listen, &gateway.allowed_origins);
    let of_endpoint = masking.compile(&gate, &config.masking).context("the masking of the gateway")?;
    let approvals = ApprovalsApi::new(&gate, of_endpoint.clone(), origins.clone());
    let granter = gate.granter(config.grants.clone())?;
    let grants = GrantsApi::new(&gate, granter, of_endpoint.clone(), origins.clone());
    let endpoint = Target::endpoint(of_endpoint, message_limits(config));
    let log = LogApi::new(gate.clone(), origins.clone(), config.is_log_public);
    let place = |address: SocketAddr| {
        let tls = config.postgres.as_ref().is_some_and(|listener| listener.tls.is_some());
        PostgresPlace { port: address.port(), tls }
    };
    let metadata = ResourceMetadata::new(gate.clone(), origins.clone(), resources.clone(), postgres.map(place));
    let adapter = Adapter::new(gate.clone(), origins, resources, targets, endpoint);
    let names = config.targets.iter().map(|target| target.name.clone()).collect();
    registry.register_collector(Box::new(Targets::new(adapter.clone(), names)));
    let (stop, stopping) = watch::channel(false);
    let limits = HttpLimits {
        connections: config.limits.connections,
        grace: config.limits.shutdown_grace,
        ..HttpLimits::default()
    };

    let api = EvidenceApi::new(
        &gate,
        (adapter.clone(), approvals.clone(), grants.clone()),
        config,
        witnesses.standing(),
        integrity.progress(),
    );
    let socket = bind_socket(&gateway.socket)?;
    let admin_page = Admin::new(gate.clone(), Arc::clone(&identity), admin, registry);
    let mcp = adapter.clone();
    let public = Server::tcp(listener, limits.clone()).over_tls(tls.clone()).behind(gateway.proxies.clone());
    of_targets.extend(databases.as_ref().and_then(databases::Listener::certificates));
    let chained = chained.map(|listener| listener.serve(&gate, of_databases.clone(), stopping.clone()));
    let databases = databases.map(|listener| listener.serve(&gate, of_databases, stopping.clone()));
    let mut servers = vec![
        tokio::spawn(public.serve(
            move |peer, request| {
                let (mcp, log, metadata) = (mcp.clone(), log.clone(), metadata.clone());
                let (approvals, grants) = (approvals.clone(), grants.clone());
                async move {
                    match LogApi::path(request.uri()) {
                        _ if ResourceMetadata::is_asked(request.uri()) => {
                            metadata.answer(peer, &request).map(Either::Right)
                        }
                        _ if ApprovalsApi::is_asked(request.uri()) => {
                            approvals.answer(peer, &request).await.map(Either::Right)
                        }
                        _ if GrantsApi::is_asked(request.uri()) => {
                            grants.answer(peer, request).await.map(Either::Right)
                        }
                        Some(_) => log.answer(peer, &request).await.map(Either::Right),
                        None => mcp.answer(peer, request).await.map(Either::Left),
                    }
                }
            },
            stopping.clone(),
        )),
        tokio::spawn(Server::tcp(admin_listener, limits.clone()).serve(
            move |_, request| {
                let admin = admin_page.clone();
                async move { admin.answer(&request) }
            },
            stopping.clone(),
        )),
        tokio::spawn(Server::unix(socket, limits, evidence_api::admits).serve(
            move |peer, request| {
                let api = api.clone();
                async move { api.answer(peer, request).await }
            },
            stopping.clone(),
        )),
    ];
    servers.extend(databases.into_iter().chain(chained));
    let witnesses = tokio::spawn(witnesses.run(gate.clone(), gate.witnessing(), stopping.clone()));
    let mut helpers = vec![
        tokio::spawn(policies::watch(
            config.clone(),
            in_force,
            gate.clone(),
            adapter.clone(),
            gauges,
            stopping.clone(),
        )),
        tokio::spawn(keep_house(gate.clone(), adapter.clone(), config.limits.session_idle, stopping.clone())),
        tokio::spawn(end_sessions(gate.clone(), adapter.clone(), stopping.clone())),
        tokio::spawn(keep_keys_fresh(identity, stopping.clone())),
        tokio::spawn(retention::keep(gate.clone(), config.retention.clone(), stopping.clone())),
        tokio::spawn(integrity.run(gate.clone(), stopping.clone())),
        tokio::spawn(clock::watch(gate.clone(), stopping.clone())),
        tokio::spawn(capacity::watch(gate.clone(), config.capacity, gateway.data_dir.clone(), stopping.clone())),
    ];
    helpers.extend(webhooks.into_iter().map(|webhook| tokio::spawn(webhook.run(gate.clone(), stopping.clone()))));
    let certificates: Vec<_> = tls.map(Certificates::Listener).into_iter().chain(of_targets).collect();
    helpers.push(tokio::spawn(certificates::watch(certificates.clone(), stopping.clone())));
    for target in &config.targets {
        helpers.push(tokio::spawn(read_definitions(adapter.clone(), target.name.clone(), stopping.clone())));
    }
    let grace = config.limits.shutdown_grace;
    Ok(Running {
        listen,
        admin,
        postgres,
        gate,
        adapter,
        programs,
        stop,
        servers,
        helpers,
        witnesses,
        certificates,
        grace,
    })
}

/// Opens the log and asks its witnesses before anything is written. Blocks; called from a thread for that.
fn start_gate(
    options: vidimus_gate::Options,
    mut witnesses: Witnesses,
    mut registry: Registry,
) -> Result<(Gate, Witnesses, Registry), vidimus_gate::StartError> {
    let runtime = Handle::current();
    let gate = Gate::start_if(options, &mut registry, |log| Ok(runtime.block_on(witnesses.admit(log))?))?;
    Ok((gate, witnesses, registry))
}

impl Running {
    /// Serves until the process is told to stop (SIGINT, SIGTERM), then stops in order. At SIGHUP it looks at its
    /// certificate; without one it stops, as its terminal was closed.
    pub(crate) async fn until_told(self) -> anyhow::Result<()> {
        let (mut terminate, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
        loop {
            tokio::select! {
                interrupted = tokio::signal::ctrl_c() => interrupted?,
                _ = terminate.recv() => {}
                _ = hangup.recv() => {
                    if self.certificates.iter().any(|own| matches!(own, Certificates::Listener(_))) {
                        tracing::info!("SIGHUP: looking at the certificates; the configuration is read at a start alone");
                        for certificates in &self.certificates {
                            certificates::look(certificates).await;
                        }
                        continue;
                    }
                    tracing::info!("SIGHUP: the terminal was closed, and the configuration is read at a start alone");
                }
            }
            break;
        }
        tracing::info!("Stopping: calls in flight finish first");
        self.stop().await
    }

    /// Stops: no new connections, calls in flight end, sessions close, the log is closed.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        let servers = async {
            for server in self.servers {
                // Of a panic its hook has told; the error repeats its text, which may hold values.
                server.await.map_err(|_| anyhow::anyhow!("a listener failed: the log says where"))?;
            }
            Ok::<_, anyhow::Error>(())
        };
        let (served, ()) = tokio::join!(servers, self.gate.drain(self.grace));
        served?;
        self.gate.cut_off().await;
        // They end by themselves now; one that reads definitions closes its session first.
        for mut helper in self.helpers {
            if tokio::time::timeout(HELPER_GRACE, &mut helper).await.is_err() {
                helper.abort();
            }
        }
        self.adapter.close_all().await;
        self.programs.close().await;
        let witnesses = tokio::time::timeout(HELPER_GRACE, self.witnesses).await;
        // They see the last event too, so that nothing of a gateway that is stopped can be taken back unseen.
        let last = async |log: &Witnessing| {
            if let Ok(Ok(mut witnesses)) = witnesses {
                witnesses.last_round(log).await;
            }
        };
        self.gate.stop_after(last).await?;
        Ok(())
    }
}

fn identity(issuers: &[config::Issuer]) -> anyhow::Result<Identity> {
    let fetch = Arc::new(Discovery::new(issuers)?);
    let configs = issuers.iter().map(|issuer| issuer.verification.clone()).collect();
    Ok(Identity::new(configs, fetch, Arc::new(SystemClock))?)
}

/// What clients are told of where tokens for this gateway come from.
fn protected_resources(config: &Config) -> ProtectedResources {
    let advertised = config.issuers.iter().filter(|issuer| issuer.is_advertised);
    let issuers = advertised.map(|issuer| issuer.verification.issuer.clone()).collect();
    let of_targets = config.targets.iter().map(|target| (target.name.clone(), target.scopes.clone())).collect();
    ProtectedResources::new(&config.gateway.public_url, issuers, config.gateway.scopes.clone(), of_targets)
}

fn connect(
    gate: &Gate,
    config: &Config,
    (target, masking): (&config::Target, Masking),
    (programs, chained): (&Pool, Option<&databases::Programs>),
    certificates: &mut Vec<Certificates>,
) -> anyhow::Result<Target> {
    let credential = match &target.server {
        config::Server::Http { oauth: Some(oauth), .. } => Some(oauth.kind()),
        config::Server::Http { headers, .. } if !headers.is_empty() => Some(CredentialKind::Headers),
        config::Server::Http { .. } | config::Server::Program(_) => None,
    };
    let spec = TargetSpec {
        rows_kept: 1_000,
        name: target.name.clone(),
        protocol: Protocol::Mcp,
        durability: target.durability,
        record: target.record,
        masking,
        guard: target.guard.clone(),
        credential,
    };
    let server: vidimus_mcp::Server = match &target.server {
        config::Server::Http { url, headers, oauth, is_sse, requests, tls } => {
            let mut injected = HeaderMap::new();
            for (name, reference) in headers {
                let value = reference.resolve_header();
                let value = value.with_context(|| format!("the header {name} of target {}", target.name))?;
                injected.insert(HeaderName::clone(name), value);
            }
            let own = oauth.as_ref().and_then(|_| injected.remove(AUTHORIZATION));
            let options = TargetOptions {
                headers: injected,
                connect_timeout: target.connect_timeout,
                response_timeout: target.request_timeout,
                requests: *requests,
                tls: TargetTls::clone(tls),
            };
            let http = HttpTarget::with(url.clone(), options);
            let http = http.with_context(|| format!("target {}", target.name))?;
            if !http.tls().paths().is_empty() {
                certificates.push(Certificates::Target(target.name.clone(), http.tls().clone()));
            }
            let upstream = gate.upstream(http);
            let upstream = match oauth {
                None => upstream,
                Some(oauth) => {
                    let rules = oauth.rules();
                    let rules = rules.with_context(|| format!("the client_secret of target {}", target.name))?;
                    let client = Arc::new(TokenClient::new(oauth.allow_private)?);
                    upstream.showing(gate.credential(&spec, rules, client, own))
                }
            };
            if *is_sse {
                EventServer::new(upstream, config.limits.response_bytes, target.request_timeout, *requests).into()
            } else {
                upstream.into()
            }
        }
        config::Server::Program(program) => {
            let endpoint = endpoint(config, target, program, programs);
            let endpoint = endpoint.with_context(|| format!("target {}", target.name))?;
            let told = chained.map(|chained| chained.told(program)).unwrap_or_default();
            gate.upstream(endpoint.chaining(told)).into()
        }
    };
    let limits = Limits { silence: target.request_timeout, total: target.call_timeout, ..message_limits(config) };
    Ok(Target::new(Arc::new(spec), server, limits).pinned(target.pins))
}

fn message_limits(config: &Config) -> Limits {
    let config::Limits { request_bytes, response_bytes, .. } = config.limits;
    Limits { request_bytes, response_bytes, ..Limits::default() }
}

/// The programs of a target. Nothing is started here; what would keep one from starting is said now.
fn endpoint(
    config: &Config,
    target: &config::Target,
    program: &config::Program,
    programs: &Pool,
) -> anyhow::Result<Endpoint> {
    let confinement = config.confinement(program)?;
    confinement.check()?;
    if confinement.isolation == Isolation::None {
        tracing::warn!(target = %target.name, "The programs of this target are not confined: they read what their user may");
    }
    let limits = ChildLimits { message: config.limits.response_bytes, ..ChildLimits::default() };
    let launch = Launch::new(&stdio_child::SUPERVISE, confinement, limits);
    let messages = vidimus_core::json::Limits {
        max_bytes: config.limits.request_bytes.max(config.limits.response_bytes),
        ..vidimus_core::json::Limits::default()
    };
    Ok(Endpoint::new(target.name.to_string(), launch, programs.clone(), messages, program.idle))
}

/// Reads a target's definitions as soon as it answers, so that the first call need not wait for them.
async fn read_definitions(adapter: Adapter, target: vidimus_core::TargetName, mut stop: watch::Receiver<bool>) {
    let (mut wait, longest) = DEFINITIONS_RETRY;
    while let Some(Err(error)) = adapter.tools(&target).await {
        tracing::warn!(%target, %error, retry_in = ?wait, "The target's tools are not known yet");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stopped(&mut stop) => return,
        }
        wait = longest.min(wait * 2);
    }
}

async fn keep_house(gate: Gate, adapter: Adapter, idle: Duration, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(HOUSE_INTERVAL) => {}
            () = stopped(&mut stop) => return,
        }
        if let Err(error) = gate.record_counted() {
            tracing::error!(%error, "Counted log-on failures and refusals cannot be recorded yet");
        }
        if let Err(error) = gate.expire_holds() {
            tracing::error!(%error, "The end of requests for approval cannot be recorded yet");
        }
        adapter.expire(idle).await;
    }
}

async fn end_sessions(gate: Gate, adapter: Adapter, mut stop: watch::Receiver<bool>) {
    let mut ended = gate.grants_ended();
    loop {
        tokio::select! {
            () = tokio::time::sleep(ENDS_INTERVAL) => {}
            // Somebody has revoked one.
            _ = ended.changed() => {}
            () = stopped(&mut stop) => return,
        }
        if let Err(error) = gate.expire_grants() {
            tracing::error!(%error, "The end of grants cannot be recorded yet");
        }
        adapter.end_due();
    }
}

async fn keep_keys_fresh(identity: Arc<Identity>, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        () = identity.run() => {}
        () = stopped(&mut stop) => {}
    }
}

/// Waits until the gateway is told to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} ({key}): is another process using it?"))
}

/// Makes a directory for the owner alone, or refuses one that others can read.
fn make_private(directory: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("cannot make the data directory {}", directory.display()))?;
    let mode = std::fs::metadata(directory)?.permissions().mode();
    anyhow::ensure!(
        !is_open_to_others(mode),
        "the data directory {} is open to other users: run `chmod 700 {}`",
        directory.display(),
        directory.display()
    );
    Ok(())
}

fn is_open_to_others(mode: u32) -> bool {
    mode & 0o077 != 0
}

/// Binds the evidence socket, for the owner alone. One that a dead process left is replaced; the lock on the log
/// keeps a living one safe.
fn bind_socket(path: &Path) -> anyhow::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace the socket {}", path.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(path)
        .with_context(|| format!("cannot make the socket {} (gateway.socket)", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
