//! Recordings whose time is up by a rule: erased in order and on record, but for those that a hold keeps or kept until lately,
//! never on the word of an index that somebody altered, and not at once by a wrong clock or a shorter rule.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prometheus_client::registry::Registry;
use vidimus_core::{Clock, Discipline, Durability, Principal, PrincipalKind, Protocol, Record, TargetName, Timestamp};
use vidimus_gate::{CustodyError, Expiry, Gate, Keys, Options, Rebuild, Rule, Secret, Session, TargetSpec, Waiting};
use vidimus_identity::{Fetch, FetchError, Identity};
use vidimus_mask::{Selection, Settings};
use vidimus_policy::{Policies, Source, TargetSchema};
use vidimus_store::{Covered, SessionFilter};

const POLICIES: &str = r#"
permit (principal in Group::"local/owner", action in [Action::"recording.view", Action::"log.read"], resource);
permit (principal in Group::"local/owner", action == Action::"recording.hold", resource);
"#;
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// No identity provider is there to ask.
struct Nowhere;

impl Fetch for Nowhere {
    fn get<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>> {
        Box::pin(async { Err(FetchError::Status(404)) })
    }
}

/// Clocks that a test sets, in seconds: of the wall, and of what has passed since the start.
#[derive(Debug)]
struct Hands(AtomicU64, AtomicU64);

impl Hands {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(1_800_000_000), AtomicU64::new(0)))
    }

    /// Sets the clock of the wall, as somebody does who may.
    fn set_ahead(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    /// Lets time pass for a gateway, which leaves word each hour.
    async fn pass(&self, gate: &Gate, mut time: Duration) {
        while !time.is_zero() {
            let part = time.min(HOUR);
            self.set_ahead(part);
            self.1.fetch_add(part.as_secs(), Ordering::SeqCst);
            gate.clock_status(Discipline::Unknown, None).unwrap();
            time -= part;
        }
        while gate.log_status().integrated < gate.log_status().appended {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }

    fn elapsed(&self, _: Instant) -> Duration {
        Duration::from_secs(self.1.load(Ordering::SeqCst))
    }
}

fn crm() -> TargetName {
    "crm".parse().unwrap()
}

fn start(data_dir: &Path, clock: Arc<Hands>) -> Gate {
    clock.1.store(0, Ordering::SeqCst);
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
        discipline: Discipline::Unknown,
        version: "test",
        limits: vidimus_gate::CallerLimits::default(),
    }
}

/// Opens a session of the gateway's own.
async fn opened(gate: &Gate) -> Session {
    let masking = gate.masking(Settings::new(Selection::new(["EMAIL_ADDRESS"]), [0; 32])).unwrap();
    let (durability, record) = (Durability::Strict, Record::Sizes);
    let spec = TargetSpec {
        rows_kept: 1_000,
        name: crm(),
        protocol: Protocol::Mcp,
        durability,
        record,
        masking,
        guard: vidimus_guard::Guard::default(),
        credential: None,
    };
    gate.open_own(Arc::new(spec)).await.ok().unwrap()
}

/// Opens one and closes it; its id.
async fn closed(gate: &Gate) -> String {
    let session = opened(gate).await;
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

/// Makes the index again, the gateway being down.
fn rebuild(directory: &Path) {
    let keys = options(directory, Hands::new()).keys;
    let (data_dir, gateway, storage) = (directory.to_owned(), "gw-test".into(), Options::files());
    Rebuild { data_dir, gateway, keys, full_text: false, resume: false, storage, progress: Box::new(|_| {}) }
        .run()
        .unwrap();
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
    let gate = start(directory.path(), Hands::new());
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
async fn an_index_that_does_not_say_what_the_log_says_has_nothing_written() {
    const CLOSING: &str = "session = (SELECT number FROM sessions WHERE target = 'crm') AND seq = 1";
    let reopened = "UPDATE sessions SET closed = NULL, reason = NULL WHERE target = 'crm'";
    let hidden = format!("DELETE FROM entries WHERE {CLOSING}");
    let another = format!("UPDATE entries SET leaf = leaf - 1 WHERE {CLOSING}");
    let made_up = "INSERT INTO sessions (id, opened) VALUES (x'0123456789abcdef0123456789abcdef', 'now')";
    let closed_early = "UPDATE sessions SET closed = 'now' WHERE target = 'crm'";
    for (is_closed, edits) in [
        (true, vec![reopened]),
        (true, vec![reopened, &hidden]),
        (true, vec![reopened, &another]),
        (true, vec![made_up]),
        (false, vec![closed_early]),
    ] {
        let (directory, clock) = (tempfile::tempdir().unwrap(), Hands::new());
        let gate = start(directory.path(), Arc::clone(&clock));
        let session = if is_closed { closed(&gate).await } else { opened(&gate).await.id().to_string() };
        indexed(&gate, usize::from(is_closed)).await;
        gate.stop().await.unwrap();
        drop(gate);
        for edit in &edits {
            alter(directory.path(), edit);
        }
        let checkpoint = || std::fs::read(directory.path().join("log/checkpoint")).unwrap();
        let before = checkpoint();
        let start = || Gate::start(options(directory.path(), Arc::clone(&clock)), &mut Registry::default());
        let error = start().err().unwrap().to_string();
        assert!(error.contains("index rebuild"), "{edits:?}: {error}");
        assert!(error.contains(&session) || edits == [made_up], "{edits:?}: {error}");
        assert_eq!(checkpoint(), before, "{edits:?}");
        // With the index made again it starts, and closes what is open.
        rebuild(directory.path());
        let gate = start().unwrap();
        let viewer = gate.viewer();
        while viewer.session(&owner(), &session).await.unwrap().events.len() != 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        gate.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_the_log_would_not_have_is_not_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let gate = start(directory.path(), Hands::new());
    let session = closed(&gate).await;
    indexed(&gate, 1).await;
    alter(
        directory.path(),
        "INSERT INTO custody SELECT id, 1, NULL, 'none', NULL, NULL, NULL, NULL FROM sessions WHERE target = 'crm'",
    );
    let before = gate.log_status().appended;
    let error = gate.custodian().hold(&owner(), &session, "case 7").await.unwrap_err();
    assert!(matches!(error, CustodyError::Altered(_)), "{error}");
    assert_eq!(gate.log_status().appended, before, "nothing is said that does not hold");
    alter(directory.path(), "DELETE FROM custody");
    let kept = gate.custodian().hold(&owner(), &session, "case 7").await.unwrap();
    assert_eq!(kept.custody.hold.as_deref(), Some("case 7"));
    gate.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_by_a_rule_is_erased_and_what_is_held_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Hands::new();
    let gate = start(directory.path(), Arc::clone(&clock));
    let rule = rule(DAY);
    let custodian = gate.custodian();
    custodian.load_rules(std::slice::from_ref(&rule), HOUR).unwrap();
    let (old, held) = (closed(&gate).await, closed(&gate).await);
    clock.pass(&gate, 2 * DAY).await;
    let young = closed(&gate).await;
    indexed(&gate, 3).await;
    custodian.hold(&owner(), &held, "case 7").await.unwrap();

    let status = || async { gate.viewer().retention(&owner(), vec![rule.clone()]).await.unwrap().remove(0) };
    let before = status().await;
    assert_eq!((before.standing.kept, before.standing.due, before.standing.held), (3, 1, 1));
    assert_eq!(before.due.iter().map(ToString::to_string).collect::<Vec<_>>(), [old.as_str()]);
    assert_eq!(before.waits, None);

    let other = Rule { covered: Covered::Class("US_SSN".into()), keep: DAY };
    assert_eq!(custodian.expire(&other).await.unwrap(), Expiry::Erased(0), "no such value was masked");
    assert_eq!(custodian.expire(&rule).await.unwrap(), Expiry::Erased(1));
    assert_eq!(custodian.expire(&rule).await.unwrap(), Expiry::Erased(0), "once");
    let after = status().await;
    assert_eq!((after.standing.kept, after.standing.due, after.standing.held), (2, 0, 1));
    assert!(!directory.path().join("recordings").join(&old).exists());

    let error = custodian.hold(&owner(), &old, "too late").await.unwrap_err();
    assert!(matches!(error, CustodyError::Gone(_)), "{error}");
    custodian.release(&owner(), &held, "case 7 is closed").await.unwrap();
    clock.pass(&gate, Duration::from_secs(3_599)).await;
    assert_eq!(custodian.expire(&rule).await.unwrap(), Expiry::Erased(0), "the hold is hardly gone");
    let released = status().await;
    assert_eq!((released.standing.due, released.standing.released, released.standing.held), (0, 1, 0));
    clock.pass(&gate, HOUR).await;
    assert_eq!(custodian.expire(&rule).await.unwrap(), Expiry::Erased(1), "it has been gone for the delay");
    clock.pass(&gate, 2 * DAY).await;
    assert_eq!(custodian.expire(&rule).await.unwrap(), Expiry::Erased(1), "{young} has come of age");
    gate.stop().await.unwrap();
}

fn rule(keep: Duration) -> Rule {
    Rule { covered: Covered::Target(crm()), keep }
}

/// A gateway with one recording that ended two days ago, by a rule that has been in force for as long.
async fn with_one_of_two_days(data_dir: &Path, clock: &Arc<Hands>, keep: Duration) -> Gate {
    let gate = start(data_dir, Arc::clone(clock));
    gate.custodian().load_rules(&[rule(keep)], DAY).unwrap();
    closed(&gate).await;
    clock.pass(&gate, 2 * DAY).await;
    indexed(&gate, 1).await;
    gate
}

/// The gateway stopped, and started again with this rule.
async fn restarted(gate: Gate, data_dir: &Path, clock: &Arc<Hands>, keep: Duration) -> Gate {
    gate.stop().await.unwrap();
    drop(gate);
    let gate = start(data_dir, Arc::clone(clock));
    gate.custodian().load_rules(&[rule(keep)], DAY).unwrap();
    gate
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_ahead_erases_nothing_however_often_the_gateway_is_restarted() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Hands::new());
    let keep = 90 * DAY;
    let mut gate = with_one_of_two_days(directory.path(), &clock, keep).await;
    let expire = async |gate: &Gate| gate.custodian().expire(&rule(keep)).await.unwrap();
    // Set while it runs.
    clock.set_ahead(3_650 * DAY);
    assert_eq!(expire(&gate).await, Expiry::Erased(0), "no more is believed than has passed");
    // By less than a day at a time, and each time with a start between.
    for _ in 0..5 {
        clock.set_ahead(23 * HOUR);
        gate = restarted(gate, directory.path(), &clock, keep).await;
    }
    clock.pass(&gate, 2 * HOUR).await;
    assert_eq!(expire(&gate).await, Expiry::Erased(0), "and so after a restart");
    let status = gate.viewer().retention(&owner(), vec![rule(keep)]).await.unwrap().remove(0);
    assert_eq!((status.standing.kept, status.standing.due, status.waits), (1, 0, None));
    assert_eq!(status.counted, Some(49 * HOUR), "less by the hour until the first word of the clock");

    clock.pass(&gate, 87 * DAY + 22 * HOUR).await;
    assert_eq!(expire(&gate).await, Expiry::Erased(0), "nearly");
    clock.pass(&gate, HOUR).await;
    assert_eq!(expire(&gate).await, Expiry::Erased(1));
    gate.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_keeps_longer_and_never_shorter() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Hands::new());
    let gate = with_one_of_two_days(directory.path(), &clock, DAY).await;
    let right = clock.0.swap(0, Ordering::SeqCst);
    let early = closed(&gate).await;
    indexed(&gate, 2).await;
    clock.pass(&gate, HOUR).await;
    let expire = async || gate.custodian().expire(&rule(DAY)).await.unwrap();
    assert_eq!(expire().await, Expiry::Erased(0), "by the clock nothing is old enough");
    clock.0.store(right, Ordering::SeqCst);
    assert_eq!(expire().await, Expiry::Erased(1), "the one that has ended two days ago");
    assert!(gate.viewer().session(&owner(), &early).await.unwrap().session.closed.is_some());
    clock.pass(&gate, DAY + HOUR).await;
    assert_eq!(expire().await, Expiry::Erased(1), "the one that ended in 1970 by the clock");
    gate.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_rule_waits_for_a_day_whoever_restarts_the_gateway() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Hands::new());
    let gate = with_one_of_two_days(directory.path(), &clock, 90 * DAY).await;
    let gate = restarted(gate, directory.path(), &clock, DAY).await;
    let expire = async |gate: &Gate| gate.custodian().expire(&rule(DAY)).await.unwrap();
    clock.pass(&gate, HOUR / 2).await;
    assert_eq!(expire(&gate).await, Expiry::Waits(Waiting::Started(HOUR / 2)));
    clock.pass(&gate, 2 * HOUR).await;
    let changed = |hours| Some(Waiting::Changed(hours * HOUR));
    let Expiry::Waits(waits) = expire(&gate).await else { panic!("it does not wait") };
    assert_eq!(Some(waits), changed(22));
    clock.set_ahead(23 * HOUR);
    let gate = restarted(gate, directory.path(), &clock, DAY).await;
    clock.pass(&gate, 20 * HOUR).await;
    let status = gate.viewer().retention(&owner(), vec![rule(DAY)]).await.unwrap().remove(0);
    assert_eq!((status.standing.due, status.waits), (1, changed(2)), "counted from the first start with it");
    assert_eq!(expire(&gate).await, Expiry::Waits(status.waits.unwrap()));
    clock.pass(&gate, 2 * HOUR).await;
    assert_eq!(expire(&gate).await, Expiry::Erased(1));
    gate.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_index_says_to_be_due_is_kept() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Hands::new());
    let gate = with_one_of_two_days(directory.path(), &clock, DAY).await;
    let young = closed(&gate).await;
    indexed(&gate, 2).await;
    // Its end is said to be long ago, and to be the event by which the other one ended.
    alter(directory.path(), "UPDATE sessions SET closed = '2001' WHERE number = (SELECT max(number) FROM sessions)");
    alter(
        directory.path(),
        "UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE seq = 1 AND session = (SELECT min(number) FROM sessions \
         WHERE target = 'crm')) WHERE seq = 1 AND session = (SELECT max(number) FROM sessions)",
    );
    let error = gate.custodian().expire(&rule(DAY)).await.unwrap_err();
    assert!(matches!(error, CustodyError::NotDue(session) if session.to_string() == young), "{error}");
    gate.stop().await.unwrap();
}
