//! Recordings whose time is up by a rule: erased in order and on record, but for those that a hold keeps, and never on the
//! word of an index that somebody altered.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use vidimus_core::{Clock, Durability, Principal, PrincipalKind, Protocol, Record, TargetName, Timestamp};
use vidimus_gate::{CustodyError, Gate, Keys, Options, Rule, Secret, TargetSpec};
use vidimus_identity::{Fetch, FetchError, Identity};
use vidimus_mask::{Selection, Settings};
use vidimus_policy::{Policies, Source, TargetSchema};
use vidimus_store::{Covered, SessionFilter};

const POLICIES: &str = r#"
permit (principal in Group::"local/owner", action in [Action::"recording.view", Action::"log.read"], resource);
permit (principal in Group::"local/owner", action == Action::"recording.hold", resource);
"#;
const DAY: Duration = Duration::from_hours(24);

/// No identity provider is there to ask.
struct Nowhere;

impl Fetch for Nowhere {
    fn get<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>> {
        Box::pin(async { Err(FetchError::Status(404)) })
    }
}

/// A clock that a test sets, in seconds.
#[derive(Debug)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

fn crm() -> TargetName {
    "crm".parse().unwrap()
}

fn start(data_dir: &Path, clock: Arc<Hands>) -> Gate {
    Gate::start(options(data_dir, clock), &mut Registry::default()).unwrap()
}

fn options(data_dir: &Path, clock: Arc<Hands>) -> Options {
    let sources = [Source { name: "test.cedar".into(), text: POLICIES.into() }];
    let schema = TargetSchema { name: crm(), protocol: Protocol::Mcp, tools: None };
    Options {
        data_dir: data_dir.to_owned(),
        gateway: "gw-test".into(),
        keys: Keys {
            key: Secret::new([7; 32]),
            signing: vec![Secret::new([8; 32])],
            service: "local-test".into(),
            changes: Vec::new(),
        },
        policies: Policies::compile(&sources, &[schema], &[]).unwrap(),
        identity: Arc::new(Identity::new(Vec::new(), Arc::new(Nowhere), Arc::clone(&clock) as Arc<dyn Clock>).unwrap()),
        clock,
        storage: Options::files(),
        full_text: false,
        discipline: vidimus_core::Discipline::Unknown,
        version: "test",
    }
}

/// Opens a session of the gateway's own and closes it; its id.
async fn closed(gate: &Gate) -> String {
    let masking = gate.masking(Settings::new(Selection::new(["EMAIL_ADDRESS"]), [0; 32])).unwrap();
    let (durability, record) = (Durability::Strict, Record::Sizes);
    let spec = TargetSpec { name: crm(), protocol: Protocol::Mcp, durability, record, masking };
    let session = gate.open_own(Arc::new(spec)).await.ok().unwrap();
    session.close("client").await.unwrap();
    session.id().to_string()
}

fn owner() -> Principal {
    Principal {
        kind: PrincipalKind::User,
        issuer: "local".into(),
        subject: "owner".into(),
        groups: vec!["local/owner".into()],
        display: None,
        actor_chain: Vec::new(),
        amr: Vec::new(),
        client_id: None,
    }
}

/// Waits until the index, which is told in the background, has so many closed sessions.
async fn indexed(gate: &Gate, closed: usize) {
    let filter = || SessionFilter { limit: 10, ..SessionFilter::default() };
    while gate.viewer().sessions(&owner(), filter()).await.unwrap().iter().filter(|row| row.closed.is_some()).count()
        < closed
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What somebody does who can write to the data directory.
fn alter(directory: &Path, sql: &str) {
    let index = rusqlite::Connection::open(directory.join("index.db")).unwrap();
    index.busy_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(index.execute(sql, ()).unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_persons_whom_only_the_index_knows_erase_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let gate = start(directory.path(), Arc::new(Hands(AtomicU64::new(1_800_000_000))));
    let session = closed(&gate).await;
    indexed(&gate, 1).await;
    let custodian = gate.custodian();
    custodian.hold(&owner(), &session, "case 7").await.unwrap();
    alter(
        directory.path(),
        "UPDATE custody SET hold = NULL, state = 'confirmed', requested_by = 'corp|alice', confirmed_by = 'corp|bob', \
         reason = 'forged'",
    );
    let error = custodian.finish().await.unwrap_err();
    assert!(matches!(error, CustodyError::Undecided(_)), "{error}");
    gate.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_has_not_the_logs_word_for_it_closes_no_session_again() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(Hands(AtomicU64::new(1_800_000_000)));
    let gate = start(directory.path(), Arc::clone(&clock));
    let session = closed(&gate).await;
    indexed(&gate, 1).await;
    gate.stop().await.unwrap();
    drop(gate);
    alter(directory.path(), "UPDATE sessions SET closed = NULL WHERE closed IS NOT NULL AND target = 'crm'");
    let error = Gate::start(options(directory.path(), clock), &mut Registry::default()).err().unwrap().to_string();
    assert!(error.contains(&session) && error.contains("index rebuild"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_by_a_rule_is_erased_and_what_is_held_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(Hands(AtomicU64::new(1_800_000_000)));
    let gate = start(directory.path(), Arc::clone(&clock));
    let (old, held) = (closed(&gate).await, closed(&gate).await);
    clock.0.fetch_add(2 * DAY.as_secs(), Ordering::SeqCst);
    let young = closed(&gate).await;
    indexed(&gate, 3).await;
    let custodian = gate.custodian();
    custodian.hold(&owner(), &held, "case 7").await.unwrap();

    let rule = Rule { covered: Covered::Target(crm()), keep: DAY };
    let status = || async { gate.viewer().retention(&owner(), vec![rule.clone()]).await.unwrap().remove(0) };
    let before = status().await;
    assert_eq!((before.standing.kept, before.standing.due, before.standing.held), (3, 1, 1));
    assert_eq!(before.due.iter().map(ToString::to_string).collect::<Vec<_>>(), [old.as_str()]);

    let other = Rule { covered: Covered::Class("US_SSN".into()), keep: DAY };
    assert_eq!(custodian.expire(&other).await.unwrap(), 0, "no such value was masked");
    assert_eq!(custodian.expire(&rule).await.unwrap(), 1);
    assert_eq!(custodian.expire(&rule).await.unwrap(), 0, "once");
    let after = status().await;
    assert_eq!((after.standing.kept, after.standing.due, after.standing.held), (2, 0, 1));
    assert!(!directory.path().join("recordings").join(&old).exists());

    let error = custodian.hold(&owner(), &old, "too late").await.unwrap_err();
    assert!(matches!(error, CustodyError::Gone(_)), "{error}");
    custodian.release(&owner(), &held, "case 7 is closed").await.unwrap();
    assert_eq!(custodian.expire(&rule).await.unwrap(), 1, "when the hold is gone it is due");
    clock.0.fetch_add(2 * DAY.as_secs(), Ordering::SeqCst);
    assert_eq!(custodian.expire(&rule).await.unwrap(), 1, "{young} has come of age");
    gate.stop().await.unwrap();
}
