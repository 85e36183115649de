//! Who sees which evidence: what a caller may not look into answers like what does not exist, and both are recorded.
//!
//! A gate on a real directory with sessions of its own on two targets, read by principals whom policy permits one
//! target, everything, or nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prometheus_client::registry::Registry;
use serde_json::Value;
use vidimus_core::{
    Durability, ErrorKind, EventId, Principal, PrincipalKind, Protocol, Record, SystemClock, TargetName,
};
use vidimus_gate::{CustodyError, Gate, Keys, Options, Secret, Selection as Selected, TargetSpec, ViewError};
use vidimus_identity::{Fetch, FetchError, Identity};
use vidimus_mask::{Selection, Settings};
use vidimus_policy::{Policies, Source, TargetSchema};
use vidimus_store::SessionFilter;

const POLICIES: &str = r#"
permit (principal in Group::"local/owner", action in [Action::"recording.view", Action::"log.read"], resource);
permit (
  principal in Group::"local/support",
  action in [Action::"recording.view", Action::"recording.export", Action::"recording.hold"],
  resource == Target::"crm"
);
"#;

/// No identity provider is there to ask.
struct Nowhere;

impl Fetch for Nowhere {
    fn get<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>> {
        Box::pin(async { Err(FetchError::Status(404)) })
    }
}

fn name(target: &str) -> TargetName {
    target.parse().unwrap()
}

fn start(data_dir: &Path) -> Gate {
    let schema = |target| TargetSchema { name: name(target), protocol: Protocol::Mcp, tools: None };
    let sources = [Source { name: "test.cedar".into(), text: POLICIES.into() }];
    let options = Options {
        data_dir: data_dir.to_owned(),
        gateway: "gw-test".into(),
        keys: Keys {
            key: Secret::new([7; 32]),
            signing: vec![Secret::new([8; 32])],
            service: "local-test".into(),
            changes: Vec::new(),
        },
        policies: Policies::compile(&sources, &[schema("crm"), schema("payroll")], &[]).unwrap(),
        identity: Arc::new(Identity::new(Vec::new(), Arc::new(Nowhere), Arc::new(SystemClock)).unwrap()),
        clock: Arc::new(SystemClock),
        storage: Options::files(),
        full_text: false,
        discipline: vidimus_core::Discipline::Unknown,
        version: "test",
        limits: vidimus_gate::CallerLimits::default(),
    };
    Gate::start(options, &mut Registry::default()).unwrap()
}

/// A session of the gateway's own on a target; its id.
async fn open(gate: &Gate, target: &str) -> String {
    let (durability, record) = (Durability::Strict, Record::Sizes);
    let masking = gate.masking(Settings::new(Selection::new(["EMAIL_ADDRESS"]), [0; 32])).unwrap();
    let spec = TargetSpec {
        rows_kept: 1_000,
        name: name(target),
        protocol: Protocol::Mcp,
        durability,
        record,
        masking,
        guard: vidimus_guard::Guard::default(),
        credential: None,
    };
    gate.open_own(Arc::new(spec)).await.ok().unwrap().id().to_string()
}

async fn integrated(gate: &Gate) {
    let (appended, limit) = (gate.log_status().appended, Instant::now() + Duration::from_secs(10));
    while gate.log_status().integrated < appended {
        assert!(Instant::now() < limit, "the log is not integrated");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn member(group: &str) -> Principal {
    Principal {
        kind: PrincipalKind::User,
        issuer: "local".into(),
        subject: group.into(),
        groups: vec![format!("local/{group}")],
        display: None,
        actor_chain: Vec::new(),
        amr: Vec::new(),
        client_id: None,
    }
}

fn newest(limit: u32) -> SessionFilter {
    SessionFilter { limit, ..SessionFilter::default() }
}

/// What a caller is told, without the id it asked for.
fn told(error: &ViewError, asked: &str) -> (ErrorKind, String) {
    (error.kind(), error.to_string().replace(asked, "ID"))
}

/// The events of the gateway's own about reads by `who`.
async fn reads(gate: &Gate, who: &Principal) -> Vec<Value> {
    integrated(gate).await;
    let (viewer, owner) = (gate.viewer(), member("owner"));
    let rows = viewer.sessions(&owner, SessionFilter { control: true, ..newest(100) }).await.unwrap();
    let control = rows.iter().find(|row| row.is_control()).unwrap().id.to_string();
    let events = viewer.session(&owner, &control).await.unwrap().events;
    let events = events.iter().map(|(_, leaf)| serde_json::from_slice::<Value>(leaf).unwrap());
    events.filter(|event| event.get("who").and_then(Value::as_str) == Some(&who.id())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_seen_answers_like_what_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let gate = start(dir.path());
    let (crm, payroll) = (open(&gate, "crm").await, open(&gate, "payroll").await);
    integrated(&gate).await;
    let (viewer, support) = (gate.viewer(), member("support"));
    assert_eq!(viewer.session(&support, &crm).await.unwrap().session.id.to_string(), crm);

    let unknown = "00000000-0000-4000-8000-000000000000";
    let missing = told(&viewer.session(&support, unknown).await.unwrap_err(), unknown);
    assert_eq!(missing.0, ErrorKind::NotFound);
    assert_eq!(told(&viewer.session(&support, &payroll).await.unwrap_err(), &payroll), missing);
    assert_eq!(told(&viewer.recording(&support, &payroll).await.unwrap_err(), &payroll), missing);
    assert_eq!(told(&viewer.recording(&support, unknown).await.unwrap_err(), unknown), missing);
    let beginning = payroll.get(..30).unwrap();
    assert_eq!(told(&viewer.session(&support, beginning).await.unwrap_err(), beginning), missing);

    let events = reads(&gate, &support).await;
    let denied: Vec<_> = events.iter().filter(|event| event.get("type").unwrap() == "operation.denied").collect();
    assert_eq!(denied.len(), 5, "each attempt is recorded: {events:#?}");
    assert!(denied.iter().all(|event| event.pointer("/operation/action").unwrap() == "recording.view"));
    let of_payroll = denied.iter().filter(|event| event.get("target").is_some_and(|target| target == "payroll"));
    let of_unknown = denied
        .iter()
        .filter(|event| event.pointer("/decision/reason").is_some_and(|reason| reason == "unknown_session"));
    assert_eq!((of_payroll.count(), of_unknown.count()), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_writes_into_the_index_lets_nobody_see_more() {
    let dir = tempfile::tempdir().unwrap();
    let gate = start(dir.path());
    let (crm, payroll) = (open(&gate, "crm").await, open(&gate, "payroll").await);
    integrated(&gate).await;
    let (viewer, support) = (gate.viewer(), member("support"));
    let index = rusqlite::Connection::open(dir.path().join("index.db")).unwrap();
    index.busy_timeout(Duration::from_secs(20)).unwrap();
    let alter = |sql: &str| assert_eq!(index.execute(sql, ()).unwrap(), 1);

    alter("UPDATE sessions SET target = 'crm' WHERE target = 'payroll'");
    let is_altered = |error: &ViewError| matches!(error, ViewError::Altered(session) if session.to_string() == payroll);
    let error = viewer.session(&support, &payroll).await.unwrap_err();
    assert!(is_altered(&error) && error.kind() == ErrorKind::Evidence, "{error}");
    let error = viewer.recording(&support, &payroll).await.unwrap_err();
    assert!(is_altered(&error), "{error}");
    for selection in [Selected::Session(payroll.clone()), Selected::Sessions(newest(10))] {
        let error = viewer.export(&support, selection, "all").await.err().unwrap();
        assert!(is_altered(&error), "{error}");
    }
    let error = gate.custodian().hold(&support, &payroll, "case 7").await.unwrap_err();
    assert!(matches!(&error, CustodyError::View(error) if is_altered(error)), "{error}");
    alter(&format!("UPDATE sessions SET target = 'payroll' WHERE id = x'{}'", payroll.replace('-', "")));

    // Events of another session in the place of its own.
    alter(
        "UPDATE entries SET leaf = (SELECT leaf FROM entries JOIN sessions ON session = number WHERE target = 'payroll') \
         WHERE session = (SELECT number FROM sessions WHERE target = 'crm')",
    );
    let error = viewer.session(&support, &crm).await.unwrap_err();
    assert!(matches!(error, ViewError::Altered(session) if session.to_string() == crm), "{error}");
    gate.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_tells_nothing_to_those_who_may_not_read_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let gate = start(dir.path());
    let crm = open(&gate, "crm").await;
    integrated(&gate).await;
    let (viewer, owner, support) = (gate.viewer(), member("owner"), member("support"));
    let events = viewer.session(&owner, &crm).await.unwrap().events;
    let event: Value = serde_json::from_slice(&events.first().unwrap().1).unwrap();
    let known: EventId = event.get("id").unwrap().as_str().unwrap().parse().unwrap();
    let unknown = EventId::random();
    let answers =
        [viewer.proof(&support, known).await.unwrap_err(), viewer.proof(&support, unknown).await.unwrap_err()];
    assert!(answers.iter().all(|error| error.kind() == ErrorKind::Denied));
    assert_eq!(answers.map(|error| error.to_string()).iter().collect::<std::collections::BTreeSet<_>>().len(), 1);
    assert_eq!(reads(&gate, &support).await.len(), 2);
    assert_eq!(viewer.proof(&owner, known).await.unwrap().0, events.first().unwrap().1);
    let error = viewer.proof(&owner, unknown).await.unwrap_err();
    assert!(matches!(error, ViewError::NoEvent(event) if event == unknown), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_as_long_as_asked_for_of_what_may_be_seen() {
    let dir = tempfile::tempdir().unwrap();
    let gate = start(dir.path());
    let (viewer, support) = (gate.viewer(), member("support"));
    let old = [open(&gate, "crm").await, open(&gate, "crm").await];
    for _ in 0..3 {
        open(&gate, "payroll").await;
    }
    integrated(&gate).await;
    let shown = viewer.sessions(&support, newest(2)).await.unwrap();
    let ids: Vec<_> = shown.iter().map(|row| row.id.to_string()).rev().collect();
    assert_eq!(ids, old, "newer ones that are hidden take no place");
    assert_eq!(viewer.sessions(&member("owner"), newest(2)).await.unwrap().len(), 2);

    // What a filter describes among hidden sessions cannot be told from nothing.
    let of = |who: &str| SessionFilter { who: Some(who.into()), ..newest(10) };
    assert_eq!(viewer.sessions(&support, of("nobody")).await.unwrap(), []);
    let on = |target: &str| SessionFilter { target: Some(name(target)), ..newest(10) };
    for target in ["payroll", "nothing"] {
        assert_eq!(viewer.sessions(&support, on(target)).await.unwrap_err().kind(), ErrorKind::Denied, "{target}");
    }
    let stranger = member("stranger");
    for filter in [newest(10), of("nobody")] {
        assert_eq!(viewer.sessions(&stranger, filter).await.unwrap_err().kind(), ErrorKind::Denied);
    }
}
