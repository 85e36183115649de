//! The gate itself: what all sessions share, from start to stop.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use vidimus_core::event::{Body, Decided, Masking as Found, Opened};
use vidimus_core::{
    Action, Clock, CredentialKind, Discipline, Durability, Effect, ErrorKind, Principal, PrincipalKind, Protocol,
    Record, SessionId, Timestamp,
};
use vidimus_credential::Subjects;
use vidimus_identity::{Identity, Verified};
use vidimus_log::note::NoteError;
use vidimus_log::{FileSystem, Log, OpenError, Signer, Storage, VerifierKey, Witnessing};
use vidimus_policy::{Decision, Policies};
use vidimus_store::{ControlState as _, Reader, StoreError};

use crate::authenticate::{Authenticator, Caller};
use crate::capacity::{Capacity, Level};
use crate::chains::Chains;
use crate::context::{SessionContext, TargetSpec, granted};
use crate::credential::TargetCredential;
use crate::evidence::{Evidence, EvidenceError, Strand};
use crate::grants::{self, Grants};
use crate::holds::{self, Digests, Holds, RestoreError, Restored};
use crate::keyring::{KeyChange, Keys};
use crate::keys::{self, KeyEncryptionKey, KeyError, Secret};
use crate::limits::{Allowance, CallerLimits, Exceeded, Limiter};
use crate::logged_custody::LoggedCustody;
use crate::masking::{self, Masking};
use crate::metrics::Metrics;
use crate::pins::PinBook;
use crate::projection::{self, Projection};
use crate::recover;
use crate::refusals::Refusals;
use crate::released::Notice;
use crate::seal::Sealer;
use crate::session::{self, Denied, Refusal, Rejection, Session};
use crate::shared::{OWN_ISSUER, Shared};
use crate::standing::{Facts, Kind, Party, Standing};
use crate::steps::Steps;
use crate::tasks::{Room, Tasks};
use crate::unauthenticated::{Failures, Unauthenticated};
use crate::upstream::{Transport, Upstream};
use crate::view::Viewer;

/// How long the last checkpoint is waited for at a stop, and how often it is looked for. It is signed once a second.
const LAST_CHECKPOINT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// The purpose of the key that names tokens in events (RFC 5869 §3.2).
const TOKEN_NAMES: &[u8] = b"vidimus.token-names/1";

/// The choke point. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<Shared>,
    data_dir: Arc<Path>,
}

/// How to start.
pub struct Options {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The name of this gateway in events and checkpoints.
    pub gateway: String,
    /// The keys, out of the keyring.
    pub keys: Keys,
    /// The policies in force.
    pub policies: Policies,
    /// Who vouches for callers.
    pub identity: Arc<Identity>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The files the log is kept in; tests put a failing one here.
    pub storage: Arc<dyn Storage>,
    /// Whether the index keeps the words of masked payloads, for search.
    pub full_text: bool,
    /// How far the clock is to be believed, for `log.started`.
    pub discipline: Discipline,
    /// The version of the program, for `log.started`.
    pub version: &'static str,
    /// What callers may take at most.
    pub limits: CallerLimits,
}

impl Options {
    /// The files of this machine.
    pub fn files() -> Arc<dyn Storage> {
        Arc::new(FileSystem)
    }
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log does not open.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// A key is not to be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The signing key cannot be used.
    #[error("the log's signing key cannot be used: {0}")]
    Signing(#[from] NoteError),
    /// The index does not open.
    #[error(transparent)]
    Index(#[from] StoreError),
    /// What a crash left open cannot be closed.
    #[error("sessions that a crash left open cannot be closed: {0}")]
    Recovery(#[from] recover::RecoveryError),
    /// The requests for approval that a stop left open are not known.
    #[error("which calls wait for approval is not known: {0}")]
    Holds(#[from] RestoreError),
    /// The first events cannot be written.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// Somebody outside says that the log must not go on from here.
    #[error(transparent)]
    Admission(Box<dyn std::error::Error + Send + Sync>),
    /// The index cannot be made again.
    #[error("the index cannot be made again: {0}; the old one is as it was")]
    Rebuild(String),
}

impl StartError {
    /// Who is at fault.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Log(_)
            | Self::Index(_)
            | Self::Recovery(_)
            | Self::Holds(_)
            | Self::Evidence(_)
            | Self::Admission(_)
            | Self::Rebuild(_) => ErrorKind::Evidence,
            Self::Key(_) | Self::Signing(_) => ErrorKind::Configuration,
        }
    }
}

impl Gate {
    /// Opens the evidence log, finishes what a crash left open, and records the start. Blocks on the disk.
    pub fn start(options: Options, registry: &mut Registry) -> Result<Self, StartError> {
        Self::start_if(options, registry, |_| Ok(Vec::new()))
    }

    /// Does so if the log may go on from where it was found: `admission` is asked before anything in the log is changed. It
    /// gives the names of witnesses that could not be asked, for `log.started`, or why the gateway must not start.
    pub fn start_if(
        options: Options,
        registry: &mut Registry,
        admission: impl FnOnce(&Witnessing) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<Self, StartError> {
        let Keys { key, signing, service, changes } = options.keys;
        let wrapping = Arc::new(KeyEncryptionKey::new(&key)?);
        let sealer = Sealer::new(&key)?;
        let digests = Digests::new(&key)?;
        let tokens = grants::Tokens::new(&key)?;
        let hmac_key = masking::hmac_key(&key)?;
        let token_names = hmac::Key::new(hmac::HMAC_SHA256, &keys::derived(&key, TOKEN_NAMES)?);
        let journal_key = keys::journal_key(&key)?;
        let origin = Self::origin(&options.gateway);
        let signer = signer(&origin, &signing)?;
        let log_keys = signer.verifiers();
        let signing: Vec<String> = log_keys.iter().map(ToString::to_string).collect();
        let index_path = options.data_dir.join(projection::INDEX);
        let index = projection::open_index(&index_path, &options.data_dir, &wrapping, options.full_text)?;
        let failure = Arc::new(OnceLock::new());
        let projection = Projection::telling(index, Arc::clone(&failure), Box::new(|_| {}));
        let log_options = vidimus_log::Options {
            observer: Some(Box::new(projection)),
            ..vidimus_log::Options::new(&options.data_dir, &origin, journal_key)
        };
        let admission = |log: &Witnessing| admission(log).map_err(StartError::Admission);
        let storage = options.storage;
        let (log, recovered, absent_witnesses) = Log::open_if(Arc::clone(&storage), log_options, signer, admission)?;
        projection::destroy_leftovers(storage.as_ref(), &options.data_dir).map_err(OpenError::from)?;
        let evidence = Arc::new(Evidence { log, gateway: options.gateway.into(), clock: options.clock, wrapping });
        let control = Strand::new(SessionId::random(), None, None, Record::Sizes, 0);
        // Asked before this process writes, so that its own control session is not among them.
        let unfinished = recover::unfinished(&evidence, &index_path, failure.get())?;
        let (left_open, Restored { grants, newest }) = holds::restored(&evidence, &index_path)?;
        let steps = Steps::default();
        let grants = Grants::new(tokens, grants, evidence.clock.now(), steps.clone());
        let metrics = Metrics::register(registry);
        metrics.break_glass.set(i64::try_from(grants.glasses()).unwrap_or(i64::MAX));
        // All of the log is in the index, or that was refused.
        let pins = PinBook::new(Reader::open(&index_path)?.pins()?);
        let (version, absent_witnesses) = (options.version, &absent_witnesses);
        let started = Instant::now();
        control.append(&evidence, Body::LogStarted { version, absent_witnesses, clock: options.discipline })?;
        for KeyChange { what, key, by, at } in &changes {
            control.append_for(&evidence, Some(by), None, Body::KeyChanged { what, key, at })?;
        }
        control.append(&evidence, Body::KeysOpened { kek: &service, signing: &signing })?;
        if recovered.replayed > 0 || recovered.dropped > 0 {
            let (frames, dropped) = (recovered.replayed, recovered.dropped);
            control.append(&evidence, Body::LogRecovered { frames, dropped })?;
        }
        recover::close_open_sessions(&evidence, &unfinished)?;
        let loaded = control.append(&evidence, Body::PolicyLoaded { hash: options.policies.hash() })?;
        evidence.log.durable(loaded.position).wait().map_err(EvidenceError::from)?;
        let shared = Shared {
            evidence,
            policies: ArcSwap::from_pointee(options.policies),
            policies_changed: watch::Sender::new(()),
            control,
            metrics,
            tasks: Tasks::new(options.limits.sessions),
            limiter: Limiter::new(options.limits.rules.clone()),
            limits: options.limits,
            refusals: Refusals::default(),
            log_keys,
            recordings: options.data_dir.join("recordings"),
            sealer,
            hmac_key,
            token_names,
            subjects: Subjects::default(),
            exchanges: AtomicBool::new(false),
            authenticator: Authenticator::new(options.identity),
            unauthenticated: Unauthenticated::default(),
            logged_custody: LoggedCustody::default(),
            holds: Holds::new(digests, left_open, steps.clone()),
            steps,
            grants,
            chains: Chains::default(),
            newest,
            pins,
            started,
            capacity: Capacity::default(),
        };
        Ok(Self { shared: Arc::new(shared), data_dir: options.data_dir.into() })
    }

    /// The name of a gateway's log, and of the keys that sign it.
    pub fn origin(gateway: &str) -> String {
        format!("vidimus/{gateway}")
    }

    /// The caller whose bearer token this is, or the notice to answer with. The token is for all of this gateway.
    pub async fn authenticate(&self, token: Option<&str>, address: IpAddr) -> Result<Caller, Notice> {
        self.authenticate_for(token, address, &[]).await
    }

    /// The same with a token that may also be for one of these resources alone (RFC 8707 §2).
    pub async fn authenticate_for(
        &self,
        token: Option<&str>,
        address: IpAddr,
        resources: &[&str],
    ) -> Result<Caller, Notice> {
        let Some(token) = token else {
            return Err(self.refused(address, "missing", Notice::Unauthenticated));
        };
        if grants::is_credential(token) {
            return Err(self.refused(address, "grant_elsewhere", Notice::Unauthenticated));
        }
        let authenticator = &self.shared.authenticator;
        match authenticator.identity.verify_for(token, resources).await {
            Ok(verified) => {
                if !authenticator.is_recorded(&verified) {
                    if !self.shared.capacity.admits() {
                        return Err(Notice::EvidenceUnavailable);
                    }
                    let who = verified.principal.id();
                    if let Err(error) = self.authenticated(&who, address, verified.expires) {
                        tracing::error!(%error, "a log-on cannot be recorded, so it is refused");
                        return Err(Notice::EvidenceUnavailable);
                    }
                    authenticator.set_recorded(&verified);
                }
                let Verified { principal, expires, scopes, token_digest, .. } = &*verified;
                let held = || self.shared.subjects.hold(*token_digest, token, &principal.id(), *expires);
                let subject = self.shared.exchanges.load(Ordering::Relaxed).then(held);
                let (principal, scopes) = (Arc::clone(principal), Arc::clone(scopes));
                let (client, expires, is_counted, grant) = (None, *expires, true, None);
                Ok(Caller { principal, address, client, scopes, expires, subject, is_counted, grant, chain: None })
            }
            Err(error) => {
                tracing::debug!(%error, %address, "a token was refused");
                let notice = match error.kind() {
                    ErrorKind::Upstream | ErrorKind::Timeout => Notice::IdentityUnavailable,
                    _ => Notice::Unauthenticated,
                };
                Err(self.refused(address, error.reason(), notice))
            }
        }
    }

    /// Records that a request was refused before anybody was asked who it is, and gives `notice` back.
    pub fn refused(&self, address: IpAddr, reason: &'static str, notice: Notice) -> Notice {
        match self.unauthenticated(address, reason) {
            Ok(()) => notice,
            Err(error) => {
                tracing::error!(%error, "a refused request cannot be recorded");
                Notice::EvidenceUnavailable
            }
        }
    }

    /// Room to receive a request of so many bytes; `None` when too much is received already, of the caller or of all.
    pub fn room(&self, caller: &Caller, bytes: usize) -> Option<Room> {
        self.shared.tasks.room(&caller.principal.id(), bytes)
    }

    /// Decides whether `caller` may connect, and opens a session.
    pub async fn open(&self, caller: Caller, target: Arc<TargetSpec>) -> Result<Session, Denied> {
        self.open_for(caller, target, None).await
    }

    /// The same for a caller who is at the endpoint for all targets, in a session there.
    pub async fn open_beside(
        &self,
        caller: Caller,
        target: Arc<TargetSpec>,
        endpoint: &Session,
    ) -> Result<Session, Denied> {
        self.open_for(caller, target, Some(endpoint)).await
    }

    async fn open_for(
        &self,
        caller: Caller,
        target: Arc<TargetSpec>,
        parent: Option<&Session>,
    ) -> Result<Session, Denied> {
        let shared = &self.shared;
        if !shared.capacity.admits() {
            return Err(session::no_room());
        }
        let facts = Facts {
            address: caller.address,
            client: caller.client.as_deref(),
            grant: granted(shared, caller.grant.as_ref(), (&caller.principal, &target.name)),
            time: shared.evidence.clock.now(),
        };
        let standing = Standing::new(shared.policies.load_full(), &caller.principal);
        let connect = standing.connect(&target.name, &facts);
        if connect.effect == Effect::Deny {
            return Err(self.refuse_connect(&caller, &target, &standing, connect).await);
        }
        self.opened(caller, target, (Kind::Caller, parent), standing, &connect.policies).await
    }

    /// A session of the gateway's own, to read the definitions of a target.
    pub async fn open_own(&self, target: Arc<TargetSpec>) -> Result<Session, Denied> {
        if !self.shared.capacity.admits() {
            return Err(session::no_room());
        }
        let principal = Principal {
            kind: PrincipalKind::Workload,
            issuer: OWN_ISSUER.into(),
            subject: self.shared.evidence.gateway.to_string(),
            groups: Vec::new(),
            display: None,
            actor_chain: Vec::new(),
            amr: Vec::new(),
            client_id: None,
        };
        let address = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        // The gateway knows for as long as it runs who it is.
        let expires = Timestamp::from_nanoseconds(u64::MAX);
        let (principal, scopes) = (Arc::new(principal), Arc::default());
        let (client, subject, is_counted, grant) = (None, None, false, None);
        let caller = Caller { principal, address, client, scopes, expires, subject, is_counted, grant, chain: None };
        let standing = Standing::new(self.shared.policies.load_full(), &caller.principal);
        let own = [Arc::from(session::OWN_POLICY)];
        self.opened(caller, target, (Kind::Own, None), standing, &own).await
    }

    /// A session at the endpoint for all targets, which every caller may have: it reaches none of them.
    pub async fn open_endpoint(&self, caller: Caller, endpoint: Arc<TargetSpec>) -> Result<Session, Denied> {
        if !self.shared.capacity.admits() {
            return Err(session::no_room());
        }
        let standing = Standing::new(self.shared.policies.load_full(), &caller.principal);
        let policies = [Arc::from(session::ENDPOINT_POLICY)];
        self.opened(caller, endpoint, (Kind::Endpoint, None), standing, &policies).await
    }

    async fn opened(
        &self,
        caller: Caller,
        target: Arc<TargetSpec>,
        (kind, parent): (Kind, Option<&Session>),
        standing: Standing,
        policies: &[Arc<str>],
    ) -> Result<Session, Denied> {
        let shared = &self.shared;
        let id = SessionId::random();
        let who = caller.principal.id();
        let whose = (&*caller.principal, &target.name);
        let allowance = match (kind, parent) {
            (Kind::Own, _) => Allowance::default(),
            (_, Some(parent)) => parent.context().allowance().beside(&shared.limiter, whose, shared.up()),
            (_, None) => Allowance::new(&shared.limits, &shared.limiter, whose, shared.up()),
        };
        // Those beside another one count with it.
        let counts = kind != Kind::Own && parent.is_none();
        if counts && let Err(exceeded) = allowance.check(shared.up()) {
            return Err(Box::pin(shared.limited(&who, Some(&target), exceeded)).await);
        }
        let entered = match caller.grant.as_ref().map(|live| self.entered(live, &target)).transpose() {
            Ok(entered) => entered,
            Err(message) => {
                let rejection = Rejection {
                    kind: ErrorKind::Denied,
                    reason: "grant",
                    message,
                    action: Action::Connect,
                    received: &[],
                };
                return Err(Box::pin(self.reject(&caller.principal, Some(&target), rejection)).await);
            }
        };
        let Some(tasks) = shared.tasks.session(&who, target.name.as_str(), counts) else {
            let exceeded = Exceeded::of_sessions(shared.limits.sessions);
            return Err(Box::pin(shared.limited(&who, Some(&target), exceeded)).await);
        };
        let who = who.into();
        let strand = Strand::new(id, Some(who), Some(target.name.clone()), target.record, 0);
        // A client may call itself anything.
        let client = caller.client.as_deref().map(|client| target.masking.text(client));
        let written = strand.append(
            &shared.evidence,
            Body::SessionOpened(Opened {
                principal: &caller.principal,
                address: &caller.address.to_string(),
                client: client.as_deref(),
                parent: parent.map(Session::id).or(caller.chain.as_ref().map(|chain| chain.parent)),
                grant: caller.grant.as_ref().map(|live| (live.id, &*live.granted.name)),
                protocol: target.protocol,
                policies,
                policy: standing.policy_hash(),
                durability: target.durability,
                record: target.record,
                credential: target.credential,
            }),
        );
        let settled = match written {
            Ok(written) => shared.evidence.settle(target.durability, written.position).await,
            Err(error) => Err(error),
        };
        settled.map_err(|error| session::unrecorded(&error, id))?;
        shared.metrics.sessions.inc();
        let Caller { principal, address, client, subject, grant, chain, .. } = caller;
        let subject = subject.filter(|_| target.credential == Some(CredentialKind::TokenExchange));
        let party = Party::new(principal, (address, client), kind, standing);
        let (shared, with) = (Arc::clone(shared), (strand, tasks, allowance));
        let session = Session::new(SessionContext::new(shared, with, target, (party, subject), (grant, chain)));
        if let Some(entered) = entered {
            entered.keep(id, session.context().tasks());
        }
        if let Some(chain) = session.context().chain() {
            chain.enter(id, session.context().tasks());
        }
        Ok(session)
    }

    async fn refuse_connect(
        &self,
        caller: &Caller,
        target: &TargetSpec,
        standing: &Standing,
        connect: Decision,
    ) -> Denied {
        let denial = Denial {
            action: &Action::Connect,
            policies: &connect.policies,
            policy: standing.policy_hash(),
            reason: None,
            refusal: Refusal {
                kind: ErrorKind::Denied,
                reason: "policy",
                message: connect.message,
                reference: None,
                limit: None,
            },
        };
        self.deny_outside(&caller.principal, Some(target), denial).await
    }

    /// Records what a caller with a valid token sent outside any session, and was refused.
    pub async fn reject(&self, principal: &Principal, target: Option<&TargetSpec>, rejection: Rejection<'_>) -> Denied {
        let policies = self.shared.policies.load_full();
        let denial = Denial {
            action: &rejection.action,
            policies: &[],
            policy: policies.hash(),
            reason: Some(rejection.reason),
            refusal: Refusal {
                kind: rejection.kind,
                reason: rejection.reason,
                message: rejection.message,
                reference: None,
                limit: None,
            },
        };
        self.deny_outside(principal, target, denial).await
    }

    /// A session of one event: nothing was opened, but the attempt has a principal and a target.
    async fn deny_outside(&self, principal: &Principal, target: Option<&TargetSpec>, denial: Denial<'_>) -> Denied {
        let shared = &self.shared;
        if !shared.capacity.admits() {
            return session::no_room();
        }
        if let Err(denied) = self.counted_outside(principal, target).await {
            return denied;
        }
        let durability = target.map_or(Durability::Strict, |target| target.durability);
        if let Some(target) = target {
            shared.metrics.decided(&target.name, Effect::Deny);
        }
        let body = Body::OperationDenied(Decided {
            action: denial.action,
            method: None,
            protocol: target.map_or(Protocol::Admin, |target| target.protocol),
            trace: None,
            effect: Effect::Deny,
            policies: denial.policies,
            policy: denial.policy,
            reason: denial.reason,
            approval: None,
            rewrites: &[],
            durability,
            masking: Found::NONE,
            payloads: &[],
        });
        let who = principal.id();
        let name = target.map(|target| target.name.as_str());
        let written = shared.control.append_for(&shared.evidence, Some(&who), name, body);
        let settled = match written {
            Ok(written) => shared.evidence.settle(durability, written.position).await.map(|()| written),
            Err(error) => Err(error),
        };
        let mut refusal = denial.refusal;
        match settled {
            Ok(written) => {
                refusal.reference = Some(format!("{}/{}", shared.control.session(), written.seq));
                Denied::new(refusal)
            }
            Err(error) => session::unrecorded(&error, shared.control.session()),
        }
    }

    /// Records that a token was accepted for the first time.
    pub(crate) fn authenticated(&self, who: &str, address: IpAddr, expires: Timestamp) -> Result<(), EvidenceError> {
        let address = address.to_string();
        let body = Body::AuthSucceeded { address: &address, expires };
        self.shared.control.append_for(&self.shared.evidence, Some(who), None, body).map(drop)
    }

    /// Counts a request without a valid token, and records it: the first ones of a source singly, then in sum.
    fn unauthenticated(&self, address: IpAddr, reason: &'static str) -> Result<(), EvidenceError> {
        self.shared.metrics.unauthenticated.inc();
        let now = self.shared.evidence.clock.now();
        self.record_unauthenticated(self.shared.unauthenticated.count(address, reason, now))
    }

    /// Records the failures, and the refusals by limits, that were counted in minutes past. To be called by the clock: the
    /// last ones of a flood wait for no further one.
    pub fn record_counted(&self) -> Result<(), EvidenceError> {
        let now = self.shared.evidence.clock.now();
        self.record_limited(false)?;
        self.record_unauthenticated(self.shared.unauthenticated.due(now))
    }

    /// Records failures; what cannot be recorded is counted again.
    fn record_unauthenticated(&self, failures: Vec<Failures>) -> Result<(), EvidenceError> {
        if !failures.is_empty() && self.shared.capacity.level() == Level::Stop {
            // Counted, and recorded when there is room again.
            self.shared.unauthenticated.put_back(failures);
            return Ok(());
        }
        let mut left = failures.into_iter();
        while let Some(failure) = left.next() {
            if let Err(error) = self.record_failure(&failure) {
                self.shared.unauthenticated.put_back(std::iter::once(failure).chain(left));
                return Err(error);
            }
        }
        Ok(())
    }

    /// Ends the requests for approval whose time is up, each on record. To be called by the clock.
    pub fn expire_holds(&self) -> Result<usize, EvidenceError> {
        self.shared.holds.expire(&self.shared.evidence, &self.shared.control)
    }

    fn record_failure(&self, failure: &Failures) -> Result<(), EvidenceError> {
        let address = failure.address.map_or_else(|| "others".to_owned(), |address| address.to_string());
        let body = Body::AuthFailed { address: &address, count: failure.count, reason: failure.reason };
        self.shared.control.append(&self.shared.evidence, body).map(drop)
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Records the configuration in force.
    pub fn configured(&self, hash: &str) -> Result<(), EvidenceError> {
        self.shared.control.append(&self.shared.evidence, Body::ConfigLoaded { hash }).map(drop)
    }

    /// Puts a policy set into force, for new and open sessions alike, after the change is on record.
    pub async fn adopt(&self, policies: Policies) -> Result<(), EvidenceError> {
        let body = Body::PolicyLoaded { hash: policies.hash() };
        let written = self.shared.control.append(&self.shared.evidence, body)?;
        self.shared.evidence.settle(Durability::Strict, written.position).await?;
        self.shared.policies.store(Arc::new(policies));
        self.shared.policies_changed.send_replace(());
        Ok(())
    }

    /// Records that a changed policy set was refused; the one in force stays.
    pub async fn refuse_policies(&self, reason: &str) -> Result<(), EvidenceError> {
        let kept = self.shared.policies.load_full();
        let body = Body::PolicyRefused { kept: kept.hash(), reason };
        let written = self.shared.control.append(&self.shared.evidence, body)?;
        self.shared.evidence.settle(Durability::Strict, written.position).await
    }

    /// Records that a witness cosigns the log.
    pub fn witness_cosigned(&self, by: &str, cosigned: u64) -> Result<(), EvidenceError> {
        self.shared.control.append(&self.shared.evidence, Body::WitnessCosigned { by, cosigned }).map(drop)
    }

    /// Records that a witness has not cosigned for a while.
    pub fn witness_lagging(&self, by: &str, cosigned: u64, behind: u64, reason: &str) -> Result<(), EvidenceError> {
        let body = Body::WitnessLagging { by, cosigned, behind, reason };
        self.shared.control.append(&self.shared.evidence, body).map(drop)
    }

    /// Records that evidence is not what it was.
    pub fn integrity_failed(&self, by: &str, reason: &str) -> Result<(), EvidenceError> {
        let body = Body::IntegrityFailed { by, reason, damage: None };
        self.shared.control.append(&self.shared.evidence, body).map(drop)
    }

    /// What the log has to do with its witnesses.
    pub fn witnessing(&self) -> Witnessing {
        self.shared.evidence.log.witnessing()
    }

    /// The hash of the policy set in force.
    pub fn policy_hash(&self) -> String {
        self.shared.policies.load().hash().to_owned()
    }

    /// How the payloads of a target, or of several, are masked. The key in `settings` is of no account: it is derived from
    /// the key-encryption key.
    pub fn masking(&self, settings: vidimus_mask::Settings) -> Result<Masking, vidimus_mask::ConfigError> {
        Masking::new(settings, &self.shared.hmac_key)
    }

    /// The only way to a target.
    pub fn upstream<T: Transport>(&self, target: T) -> Upstream<T> {
        Upstream::new(target)
    }

    /// What the target of this name is shown: tokens by these rules. `own` is what it is shown instead when the gateway
    /// reads its definitions, where callers' tokens are exchanged.
    pub fn credential(
        &self,
        target: &TargetSpec,
        rules: vidimus_credential::Rules,
        http: Arc<dyn vidimus_credential::TokenHttp>,
        own: Option<http::HeaderValue>,
    ) -> TargetCredential {
        if matches!(rules.grant, vidimus_credential::Grant::TokenExchange { .. }) {
            self.shared.exchanges.store(true, Ordering::Relaxed);
        }
        TargetCredential::new(&self.shared, target, (rules, http), own)
    }

    /// Reads evidence, by policy, and records that it was read.
    pub fn viewer(&self) -> Viewer {
        Viewer::new(Arc::clone(&self.shared), Arc::clone(&self.data_dir))
    }

    /// The keys that sign checkpoints of the log, the newest first. There is at least one.
    pub fn log_keys(&self) -> &[VerifierKey] {
        &self.shared.log_keys
    }

    /// What the log says of itself.
    pub fn log_status(&self) -> vidimus_log::Status {
        self.shared.evidence.log.status()
    }

    /// Lets operations in flight end within `grace` and cuts off the rest; each leaves its outcome.
    pub async fn drain(&self, grace: Duration) {
        self.shared.tasks.finish(grace).await;
    }

    /// Cuts off what is left, and what begins from now on: no listener is left that anybody could wait at.
    pub async fn cut_off(&self) {
        self.shared.tasks.cut_off().await;
    }

    /// Records the stop and closes the log. Before it come [`Self::drain`] and the end of all sessions.
    pub async fn stop(&self) -> Result<(), EvidenceError> {
        self.stop_after(async |_| {}).await
    }

    /// Does so, and between the last event and the end of the log lets `last` have the checkpoint that covers everything, so
    /// that witnesses see it.
    pub async fn stop_after(&self, last: impl AsyncFnOnce(&Witnessing)) -> Result<(), EvidenceError> {
        let shared = &self.shared;
        self.record_limited(true)?;
        self.record_unauthenticated(shared.unauthenticated.drain())?;
        let written = shared.control.close(&shared.evidence, |count| Body::LogStopped { count, up: shared.up() })?;
        shared.evidence.log.durable(written.position).await?;
        if self.is_signed_to_the_end().await {
            last(&self.witnessing()).await;
        }
        shared.evidence.log.close()?;
        Ok(())
    }
}

impl Gate {
    /// Waits for a checkpoint that covers everything; false when none comes in time.
    async fn is_signed_to_the_end(&self) -> bool {
        let started = Instant::now();
        loop {
            let status = self.log_status();
            if status.integrated == status.appended {
                return true;
            }
            if started.elapsed() >= LAST_CHECKPOINT {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// What signs the log: all keys, the newest first.
pub(crate) fn signer(origin: &str, seeds: &[Secret]) -> Result<Signer, NoteError> {
    let mut signers = seeds.iter().map(|seed| Signer::from_seed(origin, seed.expose()));
    let first = signers.next().ok_or(NoteError::BadSigningKey)??;
    signers.try_fold(first, |signer, other| signer.and(other?))
}

struct Denial<'a> {
    action: &'a Action,
    policies: &'a [Arc<str>],
    policy: &'a str,
    reason: Option<&'a str>,
    refusal: Refusal,
}
