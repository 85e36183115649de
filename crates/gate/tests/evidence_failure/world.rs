//! A gate on a [`Disk`], an issuer whose keys stand in memory, and a target that counts what it gets.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderMap;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use vidimus_core::{
    Action, Clock, Durability, Members, Operation, Principal, PrincipalKind, Protocol, Record, SessionId, SystemClock,
    TargetName, Timestamp,
};
use vidimus_gate::{Caller, Gate, Masking, Notice, Options, Person, Secret, Session, TargetSpec, Upstream};
use vidimus_identity::{ClaimRule, Fetch, FetchError, Identity, IssuerConfig};
use vidimus_mask::{Selection, Settings};
use vidimus_net::HttpTarget;
use vidimus_policy::{ApprovalRule, Policies, Source, TargetSchema};
use vidimus_store::SessionFilter;

use super::disk::Disk;

const ISSUER: &str = "https://login.example.com";
const AUDIENCE: &str = "vidimus";
const KEY: [u8; 32] = [7; 32];
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const POLICIES: &str = r#"
permit (principal in Group::"corp/support", action == Action::"connect", resource);
permit (principal in Group::"corp/support", action in Action::"tools/call", resource);
@approval("finance") forbid (principal, action == Action::"crm/pay", resource);
permit (principal in Group::"corp/finance", action == Action::"approve", resource == ApprovalRule::"finance");
permit (principal in Group::"local/owner", action == Action::"recording.view", resource);
permit (principal in Group::"local/owner", action == Action::"log.read", resource);
permit (principal in Group::"local/owner", action == Action::"recording.hold", resource);
"#;

/// A gate and its surroundings.
pub(crate) struct World {
    pub(crate) disk: Disk,
    dir: TempDir,
    key: EcdsaKeyPair,
    /// Used again and again; any other token is a new one.
    alice: String,
    gate: Option<Gate>,
}

impl World {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    /// The same with its data in memory where the system offers that: what is synced thousands of times takes minutes on a disk.
    pub(crate) fn start_in_memory() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::start_in(dir.unwrap())
    }

    fn start_in(dir: TempDir) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (disk, alice) = (Disk::default(), token(&key, "alice"));
        let mut world = Self { disk, dir, key, alice, gate: None };
        world.restart();
        world
    }

    /// Starts the gate again on the same data. Its sessions and targets must be gone by then.
    pub(crate) fn restart(&mut self) {
        self.gate = None;
        let name = target_name();
        let sources = [Source { name: "test.cedar".into(), text: POLICIES.into() }];
        let options = || Options {
            data_dir: self.dir.path().to_owned(),
            gateway: "gw-test".into(),
            keys: vidimus_gate::Keys {
                key: Secret::new(KEY),
                signing: vec![Secret::new([8; 32])],
                service: "local-test".into(),
                changes: Vec::new(),
            },
            policies: Policies::compile_in(
                &sources,
                vidimus_policy::World {
                    targets: &[TargetSchema { name: name.clone(), protocol: Protocol::Mcp, tools: None }],
                    approvals: &[finance()],
                    classes: &[],
                    rewrites: &[],
                },
            )
            .unwrap(),
            identity: Arc::new(self.identity()),
            clock: Arc::new(LongUp),
            storage: self.disk.storage(),
            full_text: false,
            discipline: vidimus_core::Discipline::Unknown,
            version: "test",
            limits: vidimus_gate::CallerLimits::default(),
        };
        // Tasks that the gate gave up may hold the log for a moment longer.
        let limit = Instant::now() + Duration::from_secs(10);
        let gate = loop {
            match Gate::start(options(), &mut Registry::default()) {
                Ok(gate) => break gate,
                Err(error) => assert!(Instant::now() < limit, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        self.gate = Some(gate);
    }

    pub(crate) fn gate(&self) -> &Gate {
        self.gate.as_ref().unwrap()
    }

    pub(crate) fn masking(&self) -> Masking {
        self.gate().masking(Settings::new(Selection::new(["default"]), [0; 32])).unwrap()
    }

    pub(crate) fn spec(&self, durability: Durability) -> Arc<TargetSpec> {
        let masking = self.masking();
        let (protocol, record) = (Protocol::Mcp, Record::Masked);
        Arc::new(TargetSpec {
            rows_kept: 1_000,
            name: target_name(),
            protocol,
            durability,
            record,
            masking,
            guard: vidimus_guard::Guard::default(),
            credential: None,
        })
    }

    /// Alice, whose token is known.
    pub(crate) async fn alice(&self) -> Result<Caller, Notice> {
        self.gate().authenticate(Some(&self.alice), ADDRESS).await
    }

    /// Somebody with a good token that was not seen before.
    pub(crate) async fn stranger(&self) -> Result<Caller, Notice> {
        self.gate().authenticate(Some(&token(&self.key, "stranger")), ADDRESS).await
    }

    /// Somebody of finance.
    pub(crate) async fn approver(&self, who: &str) -> Person {
        let token = token_of(&self.key, who, "finance");
        let caller = self.gate().authenticate(Some(&token), ADDRESS).await.unwrap();
        self.gate().person(&caller).unwrap()
    }

    /// What a caller without a token is told.
    pub(crate) async fn no_token(&self) -> Notice {
        self.gate().authenticate(None, ADDRESS).await.unwrap_err()
    }

    /// A session of Alice's.
    pub(crate) async fn session(&self, durability: Durability) -> Session {
        let alice = self.alice().await.unwrap();
        self.gate().open(alice, self.spec(durability)).await.unwrap()
    }

    /// After a restart: every intent has exactly one outcome, and every session before it is closed.
    pub(crate) async fn assert_one_outcome_each(&self) {
        let (owner, viewer) = (owner(), self.gate().viewer());
        self.integrated().await;
        let filter = SessionFilter { limit: 100, ..SessionFilter::default() };
        let rows = viewer.sessions(&owner, filter).await.unwrap();
        assert!(rows.len() >= 2, "the session before the restart and the one after it");
        for row in rows.iter().filter(|row| row.reason.as_deref() == Some("crash")) {
            let mut intents: BTreeMap<u64, usize> = BTreeMap::new();
            for (_, leaf) in viewer.session(&owner, &row.id.to_string()).await.unwrap().events {
                let event: Value = serde_json::from_slice(&leaf).unwrap();
                let number = |at: &str| event.pointer(at).and_then(Value::as_u64).unwrap();
                match event.pointer("/type").and_then(Value::as_str) {
                    Some("operation.admitted") => assert_eq!(intents.insert(number("/seq"), 0), None),
                    Some("operation.outcome") => *intents.get_mut(&number("/operation/intent")).unwrap() += 1,
                    _ => {}
                }
            }
            assert!(!intents.is_empty() && intents.values().all(|outcomes| *outcomes == 1), "{intents:?}");
        }
        assert!(rows.iter().any(|row| row.reason.as_deref() == Some("crash")), "no session was left open");
    }

    /// Whether a session has a recording.
    pub(crate) fn is_recorded(&self, session: SessionId) -> bool {
        self.dir.path().join("recordings").join(session.to_string()).exists()
    }

    /// The events of one type in the gateway's own sessions.
    pub(crate) async fn events(&self, kind: &str) -> Vec<Value> {
        let (owner, viewer) = (owner(), self.gate().viewer());
        self.integrated().await;
        let filter = SessionFilter { control: true, limit: 100, ..SessionFilter::default() };
        let mut events = Vec::new();
        for row in viewer.sessions(&owner, filter).await.unwrap().iter().filter(|row| row.is_control()) {
            let viewed = viewer.session(&owner, &row.id.to_string()).await.unwrap();
            events.extend(viewed.events.iter().map(|(_, leaf)| serde_json::from_slice::<Value>(leaf).unwrap()));
        }
        events.retain(|event| event["type"] == kind);
        events
    }

    /// The events of one type in a session, once there are so many.
    pub(crate) async fn events_of(&self, session: &Session, kind: &str, count: usize) -> Vec<Value> {
        let (owner, viewer, limit) = (owner(), self.gate().viewer(), Instant::now() + Duration::from_secs(10));
        loop {
            self.integrated().await;
            let viewed = viewer.session(&owner, &session.id().to_string()).await.unwrap();
            let events = viewed.events.iter().map(|(_, leaf)| serde_json::from_slice::<Value>(leaf).unwrap());
            let events: Vec<Value> = events.filter(|event| event["type"] == kind).collect();
            if events.len() >= count {
                return events;
            }
            assert!(Instant::now() < limit, "{events:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a checkpoint covers all that is written.
    pub(crate) async fn integrated(&self) {
        let appended = self.gate().log_status().appended;
        let limit = Instant::now() + Duration::from_secs(10);
        while self.gate().log_status().integrated < appended {
            assert!(Instant::now() < limit, "the log is not integrated");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn identity(&self) -> Identity {
        // SEC 1 §2.3.3: an uncompressed point is 4, x, y.
        let (x, y) = self.key.public_key().as_ref().split_first().unwrap().1.split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "k", "x": encoded(x), "y": encoded(y) });
        let mut config = IssuerConfig::new("corp", ISSUER, vec![AUDIENCE.into()]);
        config.groups_claim = Some("groups".into());
        config.workload_when = Some(ClaimRule { claim: "kind".into(), equals: "service".into() });
        config.jwks_url = Some(format!("{ISSUER}/jwks"));
        let keys = Keys(json!({ "keys": [jwk] }).to_string().into());
        Identity::new(vec![config], Arc::new(keys), Arc::new(SystemClock)).unwrap()
    }
}

/// Who reads evidence, and may hold it.
pub(crate) fn owner() -> Principal {
    Principal {
        kind: PrincipalKind::User,
        issuer: "local".into(),
        subject: "0".into(),
        groups: vec!["local/owner".into()],
        display: None,
        actor_chain: Vec::new(),
        amr: Vec::new(),
        client_id: None,
    }
}

fn token(key: &EcdsaKeyPair, who: &str) -> String {
    token_of(key, who, "support")
}

fn token_of(key: &EcdsaKeyPair, who: &str, group: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": who, "groups": [group], "exp": now + 3600 });
    let header = json!({ "alg": "ES256", "kid": "k" });
    let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", encoded(signature.as_ref()))
}

/// One person of finance, and no waiting.
fn finance() -> ApprovalRule {
    ApprovalRule {
        name: "finance".into(),
        approvers: 1,
        expires: Duration::from_hours(1),
        wait: Duration::ZERO,
        needs_reason: false,
        message: None,
    }
}

/// A key set that needs no network.
struct Keys(Bytes);

impl Fetch for Keys {
    fn get<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

/// An HTTP server on loopback that answers everything alike.
pub(crate) struct Target {
    pub(crate) upstream: Upstream<HttpTarget>,
    requests: Arc<AtomicUsize>,
    serving: tokio::task::JoinHandle<()>,
}

impl Target {
    /// `while_working` runs when a request is there, before its answer.
    pub(crate) async fn start(world: &World, while_working: impl Fn(&Disk) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let limit = Duration::from_secs(10);
        let upstream = world.gate().upstream(HttpTarget::new(url, HeaderMap::new(), limit, limit).unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let (counter, disk) = (Arc::clone(&requests), world.disk.clone());
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    counter.fetch_add(1, Ordering::SeqCst);
                    while_working(&disk);
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                }
            }
        });
        Self { upstream, requests, serving }
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A tool call of this text.
pub(crate) fn operation(text: &str) -> Operation {
    Operation {
        protocol: Protocol::Mcp,
        action: Action::ToolCall("echo".into()),
        method: None,
        wire: Bytes::copy_from_slice(text.as_bytes()),
        record: None,
        sql: None,
        members: Members::NONE,
        arguments: None,
        annotations: None,
        address: None,
        trace: None,
    }
}

pub(crate) fn head() -> HeaderMap {
    HeaderMap::new()
}

pub(crate) fn target_name() -> TargetName {
    "crm".parse().unwrap()
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The system's clock, of a gateway that was started two hours ago.
struct LongUp;

impl Clock for LongUp {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn elapsed(&self, _: Instant) -> Duration {
        Duration::from_hours(2)
    }
}
