//! Pins of tools over the life of a gate: a server that changes its mind without end, two who accept at once, a start on what
//! is there.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prometheus_client::registry::Registry;
use serde_json::Value;
use vidimus_core::{
    Clock, Discipline, Durability, Fingerprint, Principal, PrincipalKind, Protocol, Record, TargetName, Timestamp,
};
use vidimus_gate::{
    CallerLimits, Gate, Keys, Options, PinError, Pins, Secret, SeenTool, Standing, TargetSpec, ViewError,
};
use vidimus_guard::Guard;
use vidimus_identity::{Fetch, FetchError, Identity};
use vidimus_mask::{Selection, Settings};
use vidimus_policy::{Policies, Source, TargetSchema};
use vidimus_store::{SessionFilter, SessionRow};

const POLICIES: &str = r#"
permit (principal in Group::"local/owner", action in [Action::"recording.view", Action::"log.read"], resource);
permit (principal in Group::"local/owner", action == Action::"administer", resource == Target::"crm");
"#;

/// No identity provider is there to ask.
struct Nowhere;

impl Fetch for Nowhere {
    fn get<'a>(&'a self, _: &'a str) -> std::pin::Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>> {
        Box::pin(async { Err(FetchError::Status(404)) })
    }
}

/// A clock that a test sets: seconds since the start.
#[derive(Debug, Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + self.0.load(Ordering::SeqCst))
    }

    fn elapsed(&self, _: Instant) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

fn crm() -> TargetName {
    "crm".parse().unwrap()
}

fn start(data_dir: &Path, clock: &Arc<Hands>) -> Gate {
    let sources = [Source { name: "test.cedar".into(), text: POLICIES.into() }];
    let schema = TargetSchema { name: crm(), protocol: Protocol::Mcp, tools: None };
    let options = Options {
        data_dir: data_dir.to_owned(),
        gateway: "gw-test".into(),
        keys: Keys {
            key: Secret::new([7; 32]),
            signing: vec![Secret::new([8; 32])],
            service: "local-test".into(),
            changes: Vec::new(),
        },
        policies: Policies::compile(&sources, &[schema], &[]).unwrap(),
        identity: Arc::new(Identity::new(Vec::new(), Arc::new(Nowhere), Arc::clone(clock) as Arc<dyn Clock>).unwrap()),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        storage: Options::files(),
        full_text: false,
        discipline: Discipline::Unknown,
        version: "test",
        limits: CallerLimits::default(),
    };
    Gate::start(options, &mut Registry::default()).unwrap()
}

fn spec(gate: &Gate) -> Arc<TargetSpec> {
    let masking = gate.masking(Settings::new(Selection::new(["EMAIL_ADDRESS"]), [0; 32])).unwrap();
    let (durability, record) = (Durability::Strict, Record::Sizes);
    let (name, protocol, guard) = (crm(), Protocol::Mcp, Guard::default());
    Arc::new(TargetSpec { rows_kept: 1_000, name, protocol, durability, record, masking, credential: None, guard })
}

/// A tool whose definition is told from others by a number.
fn tool(name: &str, number: u8) -> SeenTool {
    let text = format!(r#"{{"description":"{}","n":{number}}}"#, "long ".repeat(10_000));
    SeenTool { name: name.into(), fingerprint: Fingerprint::of_digest([number; 32]), text, signs: vec!["secrecy"] }
}

fn prefix(number: u8) -> String {
    format!("{number:02x}").repeat(4)
}

fn principal(group: &str) -> Principal {
    Principal {
        kind: PrincipalKind::User,
        issuer: "local".into(),
        subject: "1000".into(),
        groups: vec![group.into()],
        display: None,
        actor_chain: Vec::new(),
        amr: Vec::new(),
        client_id: None,
    }
}

async fn saw(pins: &Pins, spec: &Arc<TargetSpec>, tools: Vec<SeenTool>) -> Vec<Standing> {
    pins.saw(spec, true, tools).await.unwrap()
}

/// The steps on record, in order, once so many are in the index.
async fn steps(gate: &Gate, count: usize) -> Vec<Value> {
    let owner = principal("local/owner");
    loop {
        let filter = SessionFilter { control: true, limit: 100, ..SessionFilter::default() };
        let mut steps: Vec<(u64, Value)> = Vec::new();
        for row in gate.viewer().sessions(&owner, filter).await.unwrap().into_iter().filter(SessionRow::is_control) {
            let events = gate.viewer().session(&owner, &row.id.to_string()).await.unwrap().events;
            steps.extend(events.iter().map(|(index, leaf)| (*index, serde_json::from_slice(leaf).unwrap())));
        }
        steps.retain(|(_, event)| event["pin"].is_object());
        steps.sort_by_key(|(index, _)| *index);
        if steps.len() >= count {
            return steps.into_iter().map(|(_, event)| event).collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_changes_its_mind_without_end_fills_no_log_and_is_held() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(Hands::default()));
    let gate = start(dir.path(), &clock);
    let (pins, spec) = (gate.pins(), spec(&gate));
    let accepted = Fingerprint::of_digest([1; 32]).to_string();
    assert_eq!(saw(&pins, &spec, vec![tool("a", 1), tool("b", 9)]).await, [const { Standing::Accepted }; 2]);
    // Four times there and back is on record; then it is held whatever it shows.
    for round in 0..20 {
        let [other, own] = [2, 1].map(|number| vec![tool("a", number), tool("b", 9)]);
        let [changed, back] = [saw(&pins, &spec, other).await, saw(&pins, &spec, own).await];
        assert_eq!(changed[0], Standing::Changed(accepted.clone()));
        let expected = if round < 4 { Standing::Accepted } else { Standing::Changed(accepted.clone()) };
        assert_eq!((&back[0], &back[1]), (&expected, &Standing::Accepted), "round {round}");
    }
    assert_eq!(pins.of(&crm())[0].1.version, 9);
    clock.0.fetch_add(3_600, Ordering::SeqCst);
    assert_eq!(saw(&pins, &spec, vec![tool("a", 1), tool("b", 9)]).await, [const { Standing::Accepted }; 2]);
    let steps = steps(&gate, 11).await;
    let of_a: Vec<_> = steps.iter().filter(|event| event["pin"]["tool"] == "a").collect();
    assert_eq!((of_a.len(), of_a[9]["type"].as_str()), (10, Some("pin.restored")));
    assert_eq!(of_a[9]["pin"]["left_out"], 32, "sixteen rounds, there and back");
    gate.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_accept_at_once_one_does_and_a_start_finds_what_was_accepted() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(Hands::default()));
    let gate = start(dir.path(), &clock);
    let (pins, of) = (gate.pins(), spec(&gate));
    saw(&pins, &of, vec![tool("a", 1)]).await;
    saw(&pins, &of, vec![tool("a", 2)]).await;
    let owner = principal("local/owner");
    let nobody = pins.accept(&principal("corp/other"), &crm(), "a", &prefix(2)).await;
    assert!(matches!(nobody, Err(PinError::View(ViewError::Denied(_)))));
    assert!(matches!(pins.accept(&owner, &crm(), "a", &prefix(1)).await, Err(PinError::Another(..))));
    assert!(matches!(pins.accept(&owner, &crm(), "a", "0202").await, Err(PinError::Prefix)));
    assert!(matches!(pins.accept(&owner, &crm(), "b", &prefix(2)).await, Err(PinError::NoTool(..))));
    let many = (0..20).map(|_| {
        let (pins, owner) = (pins.clone(), owner.clone());
        tokio::spawn(async move { pins.accept(&owner, &crm(), "a", &prefix(2)).await })
    });
    let mut done = 0;
    for one in many.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Ok(pin) => done += usize::from(pin.accepted.is_some_and(|own| own.ends_with(&prefix(2)))),
            Err(error) => assert!(matches!(error, PinError::NothingNew(_)), "{error}"),
        }
    }
    assert_eq!(done, 1);
    let accepted = steps(&gate, 3).await.pop().unwrap();
    assert_eq!((accepted["type"].as_str(), accepted["who"].as_str()), (Some("pin.accepted"), Some("local|1000")));
    let before = pins.of(&crm());
    gate.stop().await.unwrap();
    drop((gate, pins));

    let gate = start(dir.path(), &clock);
    let pins = gate.pins();
    assert_eq!(pins.of(&crm()), before);
    let wanted =
        vec![("a".to_owned(), before[0].1.accepted.clone().unwrap()), ("a".to_owned(), "sha256:00".to_owned())];
    let found = pins.definitions(&crm(), wanted).await.unwrap();
    let definition = found[0].as_ref().unwrap();
    assert_eq!((&definition.text, definition.signs.as_slice()), (&tool("a", 2).text, &["secrecy".to_owned()][..]));
    assert_eq!(found[1], None);
    assert_eq!(saw(&pins, &spec(&gate), vec![tool("a", 2)]).await, [Standing::Accepted]);
    assert_eq!(pins.of(&crm()), before, "what is known is not recorded again");
    gate.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_record_must_not_hold_is_told_by_a_digest() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(Hands::default()));
    let gate = start(dir.path(), &clock);
    let (pins, spec) = (gate.pins(), spec(&gate));
    let names = ["mallory@example.com", "eve@example.com", "#plain"];
    let tools = |number| names.iter().map(|name| tool(name, number)).collect();
    assert_eq!(saw(&pins, &spec, tools(1)).await, [const { Standing::Accepted }; 3]);
    let known = pins.of(&crm());
    assert_eq!(known.len(), 3);
    assert!(known.iter().all(|(name, _)| name.starts_with('#') && !name.contains("plain")), "{known:?}");
    assert!(saw(&pins, &spec, tools(2)).await.iter().all(|standing| matches!(standing, Standing::Changed(_))));
    for step in steps(&gate, 6).await {
        assert!(!step.to_string().contains("example.com"), "{step}");
    }
    gate.stop().await.unwrap();
}
