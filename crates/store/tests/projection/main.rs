//! The index against real files: what it lists, that applying is exactly-once, that it can always be made again.

#![expect(clippy::unwrap_used, reason = "tests")]

mod custody;
mod search;
mod text;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;
use vidimus_core::event::{Body, Decided, Ended, Masking, Opened, Status};
use vidimus_core::{
    Action, Discipline, Durability, Effect, ErrorKind, Event, EventId, Principal, PrincipalKind, Protocol, Record,
    SessionId, Timestamp,
};
use vidimus_store::{Index, Reader, SessionFilter, SessionRow, StoreError};

/// A log of events as the gateway writes them, and the ids it used.
#[derive(Default)]
struct Log {
    leaves: Vec<Vec<u8>>,
    events: Vec<EventId>,
}

impl Log {
    fn add(&mut self, session: SessionId, seq: u64, of: Option<(&str, &str)>, body: Body<'_>) {
        let event = Event {
            id: EventId::random(),
            time: Timestamp::from_seconds(1_700_000_000 + self.leaves.len() as u64),
            gateway: "gw-1",
            session,
            seq,
            who: of.map(|(who, _)| who),
            target: of.map(|(_, target)| target),
            body,
        };
        self.leaves.push(event.to_leaf());
        self.events.push(event.id);
    }

    fn slices(&self) -> Vec<&[u8]> {
        self.leaves.iter().map(Vec::as_slice).collect()
    }
}

fn session_id(first: u8, last: u8) -> SessionId {
    SessionId::from_bytes([first, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
}

/// One control session, one closed session of alice with a denial, one open session of `bob "the" é`.
fn sample() -> Log {
    let (control, alice, bob) = (session_id(1, 0), session_id(0xAB, 1), session_id(0xAB, 2));
    let of_alice = Some(("corp|alice", "crm"));
    let of_bob = Some(("corp|bob \"the\" é", "orders"));
    let mut log = Log::default();
    let started = Body::LogStarted { version: "0.1.0", absent_witnesses: &[], clock: Discipline::Unknown };
    log.add(control, 0, None, started);
    log.add(alice, 0, of_alice, opening(&principal("alice"), Some("claude \"1\"")));
    log.add(bob, 0, of_bob, opening(&principal("bob"), None));
    log.add(alice, 1, of_alice, Body::OperationAdmitted(decided(Effect::Allow)));
    log.add(alice, 2, of_alice, Body::OperationOutcome(ended()));
    log.add(bob, 1, of_bob, Body::OperationDenied(decided(Effect::Deny)));
    log.add(alice, 3, of_alice, Body::OperationDenied(decided(Effect::Deny)));
    log.add(alice, 4, of_alice, Body::SessionClosed { count: 5, reason: "client" });
    log.add(control, 1, Some(("corp|carol", "crm")), Body::RecordingViewed { what: "session", viewed: Some(alice) });
    log
}

fn principal(subject: &str) -> Principal {
    Principal {
        kind: PrincipalKind::User,
        issuer: "corp".into(),
        subject: subject.into(),
        groups: vec!["corp/support".into()],
        display: Some(format!("{subject}@example.com")),
        actor_chain: Vec::new(),
        amr: Vec::new(),
        client_id: None,
    }
}

fn opening<'a>(principal: &'a Principal, client: Option<&'a str>) -> Body<'a> {
    Body::SessionOpened(Opened {
        principal,
        address: "127.0.0.1",
        client,
        parent: None,
        grant: None,
        protocol: Protocol::Mcp,
        policies: &[],
        policy: "sha256:ab",
        durability: Durability::Strict,
        record: Record::Masked,
        credential: None,
    })
}

fn decided<'a>(effect: Effect) -> Decided<'a> {
    Decided {
        action: &Action::Connect,
        method: None,
        protocol: Protocol::Mcp,
        trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        effect,
        policies: &[],
        policy: "sha256:ab",
        reason: None,
        approval: None,
        rewrites: &[],
        durability: Durability::Strict,
        masking: Masking::NONE,
        payloads: &[],
    }
}

fn ended<'a>() -> Ended<'a> {
    Ended {
        action: &Action::Connect,
        method: None,
        protocol: Protocol::Mcp,
        intent: 1,
        approval: None,
        status: Status::Ok,
        microseconds: Some(8_123),
        bytes: 4_021,
        hidden: 0,
        durability: Durability::Strict,
        masking: Masking::NONE,
        payloads: &[],
    }
}

/// All that a reader can see: sessions, where their events are, how much of the log is applied.
#[derive(Debug, PartialEq)]
struct Contents {
    sessions: Vec<SessionRow>,
    leaves: Vec<Vec<(u64, u64)>>,
    applied: u64,
}

fn everything(path: &Path) -> Contents {
    let reader = Reader::open(path).unwrap();
    let sessions = reader.sessions(&SessionFilter { control: true, limit: 100, ..SessionFilter::default() }).unwrap();
    let leaves = sessions.iter().map(|session| reader.leaves_of(session.id).unwrap()).collect();
    Contents { sessions, leaves, applied: reader.applied().unwrap() }
}

/// Every row of every table, so that two indexes of one log can be compared.
fn dump(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'texts_%' ORDER BY name";
    let names: Vec<String> =
        connection.prepare(tables).unwrap().query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut rows = Vec::new();
    for name in names.iter().filter(|name| *name != "state") {
        let columns = if name == "texts" { "rowid, body" } else { "*" };
        let mut statement = connection.prepare(&format!("SELECT {columns} FROM {name} ORDER BY 1, 2")).unwrap();
        let width = statement.column_count();
        let all = statement.query_map((), |row| {
            let values: Vec<_> = (0..width).map(|column| format!("{:?}", row.get_ref(column).unwrap())).collect();
            Ok(format!("{name} {}", values.join(" ")))
        });
        rows.extend(all.unwrap().map(Result::unwrap));
    }
    rows
}

fn made_at_once(directory: &TempDir, log: &Log) -> std::path::PathBuf {
    let path = directory.path().join("once.db");
    Index::open(&path).unwrap().apply(0, &log.slices()).unwrap();
    path
}

#[test]
fn lists_what_the_log_says() {
    let directory = TempDir::new().unwrap();
    let log = sample();
    let reader = Reader::open(&made_at_once(&directory, &log)).unwrap();

    let rows = reader.sessions(&SessionFilter { limit: 10, ..SessionFilter::default() }).unwrap();
    assert_eq!(rows.len(), 2, "control sessions are asked for by name");
    let (bob, alice) = (&rows[0], &rows[1]);
    assert_eq!(bob.who.as_deref(), Some("corp|bob \"the\" é"));
    assert_eq!((bob.closed.as_deref(), bob.events, bob.operations, bob.denied), (None, 2, 1, 1));
    assert_eq!(alice.target.as_deref(), Some("crm"));
    assert_eq!(alice.client.as_deref(), Some("claude \"1\""));
    assert_eq!(alice.display.as_deref(), Some("alice@example.com"));
    assert_eq!(alice.record.as_deref(), Some("masked"));
    assert_eq!(alice.protocol.as_deref(), Some("mcp"));
    assert_eq!(alice.durability.as_deref(), Some("strict"));
    assert_eq!(alice.opened, "2023-11-14T22:13:21.000000000Z");
    assert_eq!(alice.closed.as_deref(), Some("2023-11-14T22:13:27.000000000Z"));
    assert_eq!(alice.reason.as_deref(), Some("client"));
    assert_eq!((alice.events, alice.operations, alice.denied), (5, 2, 1));
    assert_eq!(reader.leaves_of(alice.id).unwrap(), [(0, 1), (1, 3), (2, 4), (3, 6), (4, 7)]);
    for (place, event) in log.events.iter().enumerate() {
        assert_eq!(reader.leaf_of(*event).unwrap(), Some(place as u64));
    }
    assert_eq!(reader.leaf_of(EventId::random()).unwrap(), None);

    let control = reader.session("0100", |_| true).unwrap();
    assert!(control.is_control());
    assert_eq!((control.who, control.events), (None, 2));
}

#[test]
fn who_was_refused_at_the_door_is_listed() {
    let directory = TempDir::new().unwrap();
    let mut log = Log::default();
    log.add(session_id(1, 1), 0, Some(("corp|eve", "crm")), Body::OperationDenied(decided(Effect::Deny)));
    let reader = Reader::open(&made_at_once(&directory, &log)).unwrap();
    let rows = reader.sessions(&SessionFilter { limit: 10, ..SessionFilter::default() }).unwrap();
    assert_eq!((rows[0].who.as_deref(), rows[0].target.as_deref()), (Some("corp|eve"), Some("crm")));
    assert_eq!((rows[0].operations, rows[0].denied), (1, 1));
}

#[test]
fn every_condition_of_a_filter_narrows_the_list() {
    let directory = TempDir::new().unwrap();
    let reader = Reader::open(&made_at_once(&directory, &sample())).unwrap();
    let targets = |filter: SessionFilter| -> Vec<String> {
        reader.sessions(&filter).unwrap().into_iter().map(|row| row.target.unwrap_or_default()).collect()
    };
    let all = SessionFilter { limit: 10, ..SessionFilter::default() };
    let at = |second: u64| Some(Timestamp::from_seconds(1_700_000_000 + second));
    assert_eq!(targets(all.clone()), ["orders", "crm"]);
    assert_eq!(targets(SessionFilter { limit: 1, ..all.clone() }), ["orders"]);
    assert_eq!(targets(SessionFilter { control: true, ..all.clone() }), ["orders", "crm", ""]);
    let one = SessionFilter { limit: 1, ..all.clone() };
    let of_crm = reader.sessions_that(&one, |row| row.target.as_deref() == Some("crm")).unwrap();
    assert_eq!(of_crm.len(), 1, "the newer one, which is not shown, takes no place");
    assert_eq!(targets(SessionFilter { since: at(2), ..all.clone() }), ["orders"]);
    assert_eq!(targets(SessionFilter { until: at(2), ..all.clone() }), ["crm"]);
    assert_eq!(targets(SessionFilter { who: Some("corp|alice".into()), ..all.clone() }), ["crm"]);
    assert_eq!(targets(SessionFilter { who: Some("' OR 1 --".into()), ..all.clone() }), [""; 0]);
    assert_eq!(targets(SessionFilter { target: Some("orders".parse().unwrap()), ..all }), ["orders"]);
}

#[test]
fn a_session_is_found_by_the_beginning_of_its_id() {
    let directory = TempDir::new().unwrap();
    let reader = Reader::open(&made_at_once(&directory, &sample())).unwrap();
    let alice = session_id(0xAB, 1);
    for good in [alice.to_string(), alice.to_string().to_uppercase(), alice.to_string().replace('-', "")] {
        assert_eq!(reader.session(&good, |_| true).unwrap().id, alice, "{good}");
    }
    let kind = |text: &str| reader.session(text, |_| true).unwrap_err().kind();
    assert!(matches!(reader.session("AB00", |_| true), Err(StoreError::Ambiguous(_))));
    assert!(matches!(reader.session("ab00000000000000000000000000000", |_| true), Err(StoreError::Ambiguous(_))));
    assert_eq!(kind("ffff"), ErrorKind::NotFound);
    // What may not be shown is not there, and makes no other id ambiguous.
    assert_eq!(reader.session("ab00", |row| row.id == alice).unwrap().id, alice);
    assert!(matches!(reader.session("ab00", |_| false), Err(StoreError::NotFound(_))));
    for bad in ["", "ab", "xyz1", "%%%%", "+123", "ab0000000000000000000000000000010", "ééé1"] {
        assert_eq!(kind(bad), ErrorKind::Malformed, "{bad}");
    }
}

#[test]
fn any_batches_in_order_give_the_same_index_and_repeats_change_nothing() {
    let directory = TempDir::new().unwrap();
    let log = sample();
    let expected = everything(&made_at_once(&directory, &log));
    for size in 1..=log.leaves.len() {
        let path = directory.path().join(format!("by-{size}.db"));
        for (batch, leaves) in log.slices().chunks(size).enumerate() {
            // A new process for every batch, and each batch offered with what came before it.
            let mut index = Index::open(&path).unwrap();
            assert_eq!(index.applied(), (batch * size) as u64);
            index.apply((batch * size) as u64, leaves).unwrap();
            index.apply(0, &log.slices()[..batch * size + leaves.len()]).unwrap();
            index.apply(0, &[]).unwrap();
        }
        assert_eq!(everything(&path), expected, "batches of {size}");
        assert_eq!(dump(&path), dump(&directory.path().join("once.db")), "batches of {size}");
    }
}

#[test]
fn a_gap_is_refused_and_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let log = sample();
    let path = directory.path().join("index.db");
    let mut index = Index::open(&path).unwrap();
    index.apply(0, &log.slices()[..3]).unwrap();
    let before = everything(&path);
    assert!(matches!(index.apply(4, &log.slices()[4..]), Err(StoreError::Gap { applied: 3, offered: 4 })));
    assert_eq!(everything(&path), before);
    index.apply(3, &log.slices()[3..]).unwrap();
    assert_eq!(everything(&path), everything(&made_at_once(&directory, &log)));
}

#[test]
fn a_batch_that_fails_half_way_leaves_no_trace_and_can_be_applied_again() {
    let directory = TempDir::new().unwrap();
    let log = sample();
    let path = directory.path().join("index.db");
    let mut index = Index::open(&path).unwrap();
    index.apply(0, &log.slices()[..2]).unwrap();
    let before = everything(&path);

    // A row that may not be written, met after others of the same batch were (among them a new session).
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON entries WHEN new.leaf = 6 BEGIN SELECT raise(ABORT, 'disk full'); END",
        )
        .unwrap();
    assert_eq!(index.apply(2, &log.slices()[2..]).unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(index.applied(), 2);
    assert_eq!(everything(&path), before);

    other.execute_batch("DROP TRIGGER full").unwrap();
    index.apply(2, &log.slices()[2..]).unwrap();
    assert_eq!(everything(&path), everything(&made_at_once(&directory, &log)));
}

#[test]
fn what_a_killed_process_left_behind_is_the_last_whole_batch() {
    let directory = TempDir::new().unwrap();
    let log = sample();
    let path = directory.path().join("index.db");
    let mut index = Index::open(&path).unwrap();
    index.apply(0, &log.slices()[..5]).unwrap();
    // What stands on the disk now, the write-ahead log not checkpointed, is what a killed process leaves.
    let copy = directory.path().join("copy.db");
    for suffix in ["", "-wal"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(name(&path), name(&copy)).unwrap();
    }
    // Cut the write-ahead log inside its last transaction.
    let wal = format!("{}-wal", copy.display());
    let whole = std::fs::metadata(&wal).unwrap().len();
    index.apply(5, &log.slices()[5..]).unwrap();
    let longer = std::fs::read(format!("{}-wal", path.display())).unwrap();
    assert!(longer.len() as u64 > whole + 100);
    std::fs::write(&wal, &longer[..longer.len() - 100]).unwrap();

    let mut recovered = Index::open(&copy).unwrap();
    assert_eq!(recovered.applied(), 5);
    recovered.apply(5, &log.slices()[5..]).unwrap();
    assert_eq!(everything(&copy), everything(&path));
}

#[test]
fn clearing_and_applying_again_gives_the_same() {
    let directory = TempDir::new().unwrap();
    let log = sample();
    let path = made_at_once(&directory, &log);
    let before = everything(&path);
    let mut index = Index::open(&path).unwrap();
    index.clear().unwrap();
    assert_eq!((index.applied(), everything(&path).sessions.len()), (0, 0));
    index.apply(0, &log.slices()).unwrap();
    assert_eq!(everything(&path), before);
    assert_eq!(dump(&path), dump(&made_at_once(&TempDir::new().unwrap(), &log)));
}

#[test]
fn a_leaf_it_cannot_read_is_counted_and_the_next_ones_still_apply() {
    let directory = TempDir::new().unwrap();
    let mut log = sample();
    let session = session_id(0xAB, 2);
    log.leaves.push(b"not json".to_vec());
    log.leaves.push(br#"{"v":"vidimus.event/9"}"#.to_vec());
    log.add(session, 1, None, Body::OperationAdmitted(decided(Effect::Allow)));
    log.add(session, 2, None, Body::OperationAdmitted(decided(Effect::Allow)));
    let path = directory.path().join("index.db");
    let mut index = Index::open(&path).unwrap();
    index.apply(0, &log.slices()).unwrap();
    assert_eq!(index.applied(), log.leaves.len() as u64);
    assert_eq!(index.unreadable().unwrap(), 3, "two strange leaves and one repeated `seq`");
    assert_eq!(index.reader().unwrap().leaves_of(session).unwrap(), [(0, 2), (1, 5), (2, 12)]);
}

#[test]
fn the_file_is_the_owners_alone_and_no_other_programs() {
    let directory = TempDir::new().unwrap();
    let path = made_at_once(&directory, &sample());
    let held = Index::open(&path).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(format!("{}{suffix}", path.display())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{suffix}");
    }
    drop(held);

    let foreign = directory.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE notes (text)").unwrap();
    assert!(matches!(Index::open(&foreign), Err(StoreError::Foreign(_))));
    assert!(matches!(Reader::open(&foreign), Err(StoreError::Foreign(_))));
    let text = directory.path().join("text.db");
    std::fs::write(&text, "some notes that are no database, long enough to be looked at".repeat(20)).unwrap();
    assert!(matches!(Index::open(&text), Err(StoreError::Database(_))));
    assert!(matches!(Index::open(&directory.path().join("none/index.db")), Err(StoreError::Open { .. })));
    assert!(Reader::open(&directory.path().join("none.db")).is_err());
}

#[test]
fn an_index_of_another_version_is_emptied() {
    let directory = TempDir::new().unwrap();
    let path = made_at_once(&directory, &sample());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Reader::open(&path), Err(StoreError::Foreign(_))));
    assert_eq!(Index::open(&path).unwrap().applied(), 0);
}

#[test]
fn no_message_for_callers_names_a_path() {
    let error = Index::open(Path::new("/nonexistent/secret/index.db")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/secret"));
    assert!(!error.public_message().contains("secret"));
}
