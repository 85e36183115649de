//! An index that is made again by a process that is killed: after every batch, and at any moment.
//!
//! The test starts itself as the process that makes the index. What is left behind is gone on from, and in the end it is the
//! index that an undisturbed run makes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prometheus_client::registry::Registry;
use vidimus_core::event::{Body, Custody as Step, CustodyStep, Decided, Masking};
use vidimus_core::{
    Action, Clock, Discipline, Durability, Effect, Event, EventId, Protocol, SessionId, SystemClock, Timestamp,
};
use vidimus_gate::{Gate, Keys, Rebuild, Secret};
use vidimus_identity::{Fetch, FetchError, Identity};
use vidimus_log::testing::{Faulty, Operation};
use vidimus_log::{Entry, FileSystem, JournalKey, Log, Options, Signer};
use vidimus_policy::Policies;
use vidimus_store::{ControlState as _, Custody, Outcome, Reader, SessionFilter, SessionRow};

const GATEWAY: &str = "gw-test";
const SEED: [u8; 32] = [8; 32];
const SESSIONS: u64 = 120;
const OPERATIONS: u64 = 60;
/// The log on which this process is to make the index, and after how many batches it is to end itself.
const DIRECTORY: &str = "VIDIMUS_TEST_REBUILD";
const ABORT_AFTER: &str = "VIDIMUS_TEST_ABORT_AFTER";

fn session(number: u64) -> SessionId {
    let mut id = [0xAB; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    SessionId::from_bytes(id)
}

/// Writes a log of sessions, with custody steps on each, one of them void.
fn write_log(directory: &Path) -> u64 {
    let signer = Signer::from_seed(&Gate::origin(GATEWAY), &SEED).unwrap();
    let options = Options::new(directory, Gate::origin(GATEWAY), JournalKey::new(&SEED));
    let (log, _) = Log::open(Arc::new(FileSystem), options, signer).unwrap();
    let mut written = 0;
    let mut add = |session, seq, who: Option<&str>, target: Option<&str>, body: Body<'_>| {
        let (id, time) = (EventId::random(), Timestamp::from_seconds(1_700_000_000 + written));
        let leaf = Event { id, time, gateway: GATEWAY, session, seq, who, target, body }.to_leaf();
        log.append(&[Entry::Leaf(&leaf)]).unwrap();
        written += 1;
    };
    let action = Action::ToolCall("echo".into());
    let control = SessionId::from_bytes([1; 16]);
    for number in 0..SESSIONS {
        for seq in 0..OPERATIONS {
            let denied = Decided {
                action: &action,
                method: None,
                protocol: Protocol::Mcp,
                trace: None,
                effect: Effect::Deny,
                policies: &[],
                policy: "sha256:ab",
                reason: None,
                approval: None,
                rewrites: &[],
                durability: Durability::Strict,
                masking: Masking::NONE,
                payloads: &[],
            };
            add(session(number), seq, Some("corp|alice"), Some("crm"), Body::OperationDenied(denied));
        }
        let closed = Body::SessionClosed { count: OPERATIONS + 1, reason: "client" };
        add(session(number), OPERATIONS, Some("corp|alice"), Some("crm"), closed);
        for (seq, (step, expects)) in (number * 3..).zip([
            (CustodyStep::HoldAdded, 0),
            (CustodyStep::HoldAdded, 0),
            (CustodyStep::HoldRemoved, 1),
        ]) {
            let session = session(number);
            let step =
                Step { step, session, expects, reason: "case", expires: None, requested_by: None, confirmed_by: None };
            add(control, seq, Some("corp|carol"), Some("crm"), Body::Custody(step));
        }
    }
    log.close().unwrap();
    written
}

fn keys() -> Keys {
    Keys {
        key: Secret::new([7; 32]),
        signing: vec![Secret::new(SEED)],
        service: "local-test".into(),
        changes: Vec::new(),
    }
}

fn rebuild(directory: &Path, progress: impl FnMut(u64) + Send + 'static) -> u64 {
    let (data_dir, gateway) = (directory.to_owned(), GATEWAY.to_owned());
    let storage = vidimus_gate::Options::files();
    let progress = Box::new(progress);
    Rebuild { data_dir, gateway, keys: keys(), full_text: false, resume: true, storage, progress }.run().unwrap()
}

/// All that a reader sees of an index.
#[derive(Debug, PartialEq)]
struct Contents {
    sessions: Vec<SessionRow>,
    leaves: Vec<Vec<(u64, u64)>>,
    custody: Vec<Custody>,
    outcomes: Vec<Option<Outcome>>,
    applied: u64,
}

fn contents(directory: &Path, written: u64) -> Contents {
    let reader = Reader::open(&directory.join("index.db")).unwrap();
    let sessions = reader.sessions(&SessionFilter { control: true, limit: 1_000, ..SessionFilter::default() }).unwrap();
    Contents {
        leaves: sessions.iter().map(|row| reader.leaves_of(row.id).unwrap()).collect(),
        custody: sessions.iter().map(|row| reader.custody(row.id).unwrap()).collect(),
        outcomes: (0..written).map(|leaf| reader.outcome(leaf).unwrap()).collect(),
        applied: reader.applied().unwrap(),
        sessions,
    }
}

/// This test again, as the process that makes the index.
fn child(directory: &Path, abort_after: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "process_that_makes_the_index"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.env(DIRECTORY, directory).env(ABORT_AFTER, abort_after.to_string());
    command
}

/// What [`child`] runs; nothing without being told where.
#[test]
fn process_that_makes_the_index() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let mut left: u64 = std::env::var(ABORT_AFTER).unwrap().parse().unwrap();
    rebuild(&directory, move |_| {
        left -= 1;
        if left == 0 {
            std::process::abort();
        }
    });
}

#[test]
fn a_rebuild_that_was_cut_off_is_destroyed_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write_log(directory);
    assert!(!child(directory, 1).status().unwrap().success());
    let left = |name: &str| directory.join(format!("index.db.{name}"));
    assert!(left("rebuild").exists());
    // As a process leaves it that is killed a moment later.
    std::fs::write(left("replaced-wal"), "words of a recording").unwrap();
    let storage = Faulty::new(|operation, path| {
        if operation == Operation::Remove && path.to_string_lossy().contains("index.db.") {
            assert!(std::fs::read(path)?.iter().all(|byte| *byte == 0), "{} holds something", path.display());
        }
        Ok(())
    });
    let policies = Policies::compile(&[], &[], &[]).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = vidimus_gate::Options {
        data_dir: directory.to_owned(),
        gateway: GATEWAY.into(),
        keys: keys(),
        policies,
        identity: Arc::new(Identity::new(Vec::new(), Arc::new(Nowhere), Arc::clone(&clock)).unwrap()),
        clock,
        storage: Arc::new(storage),
        full_text: false,
        discipline: Discipline::Unknown,
        version: "test",
        limits: vidimus_gate::CallerLimits::default(),
    };
    Gate::start(options, &mut Registry::default()).unwrap();
    for name in ["rebuild", "rebuild-wal", "rebuild-shm", "replaced-wal"] {
        assert!(!left(name).exists(), "{name}");
    }
}

/// No identity provider is there to ask.
struct Nowhere;

impl Fetch for Nowhere {
    fn get<'a>(&'a self, _: &'a str) -> Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send + 'a>> {
        Box::pin(async { Err(FetchError::Status(404)) })
    }
}

fn killed_after(directory: &Path, delay: Duration) -> ExitStatus {
    let mut running = child(directory, u64::MAX).spawn().unwrap();
    std::thread::sleep(delay);
    // One that has ended by itself is left as it is.
    let _ = running.kill();
    running.wait().unwrap()
}

#[test]
fn a_rebuild_that_is_killed_goes_on_and_ends_with_the_same_index() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let written = write_log(directory);
    assert_eq!(rebuild(directory, |_| {}), written);
    let expected = contents(directory, written);
    assert_eq!(
        expected.outcomes.iter().flatten().filter(|outcome| **outcome == Outcome::Void).count() as u64,
        SESSIONS
    );

    // After each batch, by its own hand and without any leave-taking.
    std::fs::remove_file(directory.join("index.db")).unwrap();
    let mut deaths = 0;
    while !child(directory, 1).status().unwrap().success() {
        deaths += 1;
        assert!(!directory.join("index.db").exists(), "half an index is not put in place");
        assert!(deaths <= written, "it makes no progress");
    }
    assert!(deaths >= written / 256, "{deaths} deaths of {written} entries");
    assert_eq!(contents(directory, written), expected);

    // At any moment: within a batch, while the log opens, while the index is put in place.
    let started = Instant::now();
    assert!(child(directory, u64::MAX).status().unwrap().success());
    let took = started.elapsed();
    for round in 0..3_u32 {
        std::fs::remove_file(directory.join("index.db")).unwrap();
        for part in 0..12_u32 {
            killed_after(directory, took * (part * 3 + round) / 36);
        }
        assert!(child(directory, u64::MAX).status().unwrap().success());
        assert_eq!(contents(directory, written), expected);
    }
}
