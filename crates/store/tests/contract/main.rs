//! The contract of stores of control state: one suite, run on every store, and on a second telling of the rules.
//!
//! Logs are random: three sessions, a few people, steps at versions that are right, past or yet to come. Each store is held
//! to what the model says of every step, however the log is cut into batches and however often the store is left and opened
//! again.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod model;
mod pins;

use tempfile::TempDir;
use vidimus_core::event::{Body, Custody as Step, CustodyStep};
use vidimus_core::{Event, EventId, SessionId, Timestamp};
use vidimus_store::{ControlState as _, ControlStore, Custody, Erasure, Index, Outcome, StoreError};

use model::Model;

/// How many random logs there are.
const SEEDS: u64 = 100;
const SESSIONS: u8 = 3;
const PEOPLE: [&str; 3] = ["corp|alice", "corp|bob", "corp|carol"];
/// The log's clock goes on by a second for each event, from here.
const BEGAN: u64 = 1_700_000_000;

/// Where a store of some kind is kept.
trait Backend {
    type Store: ControlStore;
    fn new() -> Self;
    /// Opens what is there, after the last one that was opened is gone.
    fn open(&self) -> Self::Store;
}

struct Sqlite(TempDir);

impl Backend for Sqlite {
    type Store = Index;

    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn open(&self) -> Index {
        Index::open(&self.0.path().join("index.db")).unwrap()
    }
}

struct InMemory;

impl Backend for InMemory {
    type Store = Model;

    fn new() -> Self {
        Self
    }

    /// Memory forgets: all of the log is applied again.
    fn open(&self) -> Model {
        Model::default()
    }
}

/// A step as a test takes it.
#[derive(Debug, Clone)]
struct Taken {
    session: u8,
    kind: CustodyStep,
    who: usize,
    expects: u64,
    /// By retention rather than by a person, where the step may be.
    by_retention: bool,
    /// For a request: how many seconds it may be confirmed.
    valid: u64,
}

fn session(number: u8) -> SessionId {
    SessionId::from_bytes([0xC0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number])
}

fn leaf(index: usize, taken: &Taken) -> Vec<u8> {
    let time = Timestamp::from_seconds(BEGAN + index as u64);
    let who = PEOPLE[taken.who % PEOPLE.len()];
    let is_request = taken.kind == CustodyStep::EraseRequested;
    let is_person = taken.kind == CustodyStep::EraseConfirmed && !taken.by_retention;
    let custody = Step {
        step: taken.kind,
        session: session(taken.session),
        expects: taken.expects,
        reason: "case \"7\" é",
        expires: is_request.then(|| Timestamp::from_seconds(time.seconds() + taken.valid)),
        requested_by: None,
        confirmed_by: is_person.then_some(who),
    };
    event(index, (!taken.by_retention).then_some(who), Body::Custody(custody))
}

fn event(index: usize, who: Option<&str>, body: Body<'_>) -> Vec<u8> {
    let (id, time) = (EventId::random(), Timestamp::from_seconds(BEGAN + index as u64));
    let control = SessionId::from_bytes([1; 16]);
    Event { id, time, gateway: "gw", session: control, seq: index as u64, who, target: Some("crm"), body }.to_leaf()
}

fn leaves(steps: &[Taken]) -> Vec<Vec<u8>> {
    steps.iter().enumerate().map(|(index, step)| leaf(index, step)).collect()
}

fn slices(leaves: &[Vec<u8>]) -> Vec<&[u8]> {
    leaves.iter().map(Vec::as_slice).collect()
}

/// All that a store says after a log of so many leaves.
#[derive(Debug, PartialEq)]
struct Told {
    custody: Vec<Custody>,
    outcomes: Vec<Option<Outcome>>,
    under_way: Vec<SessionId>,
    applied: u64,
}

fn told(store: &impl ControlStore, leaves: usize) -> Told {
    let state = store.state().unwrap();
    Told {
        custody: (0..SESSIONS).map(|number| state.custody(session(number)).unwrap()).collect(),
        outcomes: (0..=leaves).map(|leaf| state.outcome(leaf as u64).unwrap()).collect(),
        under_way: state.erasures_under_way().unwrap(),
        applied: store.applied(),
    }
}

fn step(kind: CustodyStep, expects: u64, who: usize) -> Taken {
    Taken { session: 0, kind, who, expects, by_retention: false, valid: 100 }
}

/// A small generator of numbers (xorshift64*), so that failures can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % bound
    }
}

/// Steps that are right more often than chance would have it: of four one names a version beside the right one.
fn steps(random: &mut Random) -> Vec<Taken> {
    let mut model = Model::default();
    let mut steps: Vec<Taken> = Vec::new();
    for _ in 0..=random.below(60) {
        let number = u8::try_from(random.below(SESSIONS.into())).unwrap();
        let version = model.state().unwrap().custody(session(number)).unwrap().version;
        let taken = Taken {
            session: number,
            kind: CustodyStep::ALL[random.below(CustodyStep::ALL.len())],
            who: random.below(PEOPLE.len()),
            expects: version.saturating_add_signed([0, 0, 0, 0, 0, 0, -1, 1][random.below(8)]),
            by_retention: random.below(2) == 0,
            valid: 1 + random.below(8) as u64,
        };
        let leaf = leaf(steps.len(), &taken);
        model.apply(steps.len() as u64, &[&leaf]).unwrap();
        steps.push(taken);
    }
    steps
}

fn the_first_of_two_wins_and_the_other_is_void<B: Backend>() {
    let (hold, confirm) = (step(CustodyStep::HoldAdded, 1, 2), step(CustodyStep::EraseConfirmed, 1, 1));
    for [first, second] in [[hold.clone(), confirm.clone()], [confirm, hold]] {
        let backend = B::new();
        let mut store = backend.open();
        let steps = [step(CustodyStep::EraseRequested, 0, 0), first.clone(), second];
        store.apply(0, &slices(&leaves(&steps))).unwrap();
        let Told { custody, outcomes, under_way, .. } = told(&store, 3);
        assert_eq!(outcomes, [Some(Outcome::Applied), Some(Outcome::Applied), Some(Outcome::Void), None]);
        assert_eq!(custody[0].version, 2, "the loser leaves no trace in the state");
        let is_held = first.kind == CustodyStep::HoldAdded;
        assert_eq!((custody[0].hold.is_some(), under_way.len()), (is_held, usize::from(!is_held)));
        assert_eq!(matches!(custody[0].erasure, Erasure::Confirmed { .. }), !is_held);
    }
}

fn a_version_that_is_past_or_to_come_is_void<B: Backend>() {
    let backend = B::new();
    let mut store = backend.open();
    let at = [1, 0, 0, 2, 1].map(|expects| step(CustodyStep::EraseRequested, expects, 0));
    store.apply(0, &slices(&leaves(&at))).unwrap();
    let is_void = |index: usize| told(&store, at.len()).outcomes[index] == Some(Outcome::Void);
    assert_eq!((0..at.len()).map(is_void).collect::<Vec<_>>(), [true, false, true, true, false]);
}

fn what_is_applied_is_passed_over_and_nothing_is_left_out<B: Backend>() {
    let backend = B::new();
    let mut store = backend.open();
    let all = leaves(&[step(CustodyStep::HoldAdded, 0, 0), step(CustodyStep::HoldRemoved, 1, 0)]);
    store.apply(0, &slices(&all)).unwrap();
    let before = told(&store, 2);
    store.apply(0, &slices(&all)).unwrap();
    store.apply(1, &slices(&all[1..])).unwrap();
    store.apply(1, &[]).unwrap();
    assert_eq!(told(&store, 2), before);
    let gap = store.apply(3, &slices(&all[..1])).unwrap_err();
    assert!(matches!(gap, StoreError::Gap { applied: 2, offered: 3 }), "{gap}");
    assert_eq!(told(&store, 2), before);
}

fn what_is_no_control_event_counts_and_changes_nothing<B: Backend>() {
    let backend = B::new();
    let mut store = backend.open();
    let hold = leaf(3, &step(CustodyStep::HoldAdded, 0, 0));
    let other = event(0, None, Body::LogStopped { count: 1, up: std::time::Duration::ZERO });
    store.apply(0, &[&other, b"no event", br#"{"type":"admin.hold_added"}"#, &hold]).unwrap();
    let Told { outcomes, applied, custody, .. } = told(&store, 4);
    assert_eq!((applied, outcomes), (4, vec![None, None, None, Some(Outcome::Applied), None]));
    assert_eq!(custody[0].version, 1);
}

fn a_reader_sees_what_is_applied_after_it_was_made<B: Backend>() {
    let backend = B::new();
    let mut store = backend.open();
    let reader = store.state().unwrap();
    store.apply(0, &[&leaf(0, &step(CustodyStep::HoldAdded, 0, 0))]).unwrap();
    assert_eq!(reader.custody(session(0)).unwrap().version, 1);
    assert_eq!(reader.outcome(0).unwrap(), Some(Outcome::Applied));
}

fn a_cleared_store_is_made_again<B: Backend>() {
    let backend = B::new();
    let mut store = backend.open();
    let all = leaves(&[step(CustodyStep::EraseRequested, 0, 0), step(CustodyStep::EraseConfirmed, 1, 1)]);
    store.apply(0, &slices(&all)).unwrap();
    let before = told(&store, 2);
    store.clear().unwrap();
    assert_eq!((store.applied(), told(&store, 2).custody[0].clone()), (0, Custody::default()));
    store.apply(0, &slices(&all)).unwrap();
    assert_eq!(told(&store, 2), before);
}

/// Batches and interruptions make no difference, and every store says what the model says.
fn it_says_what_the_model_says<B: Backend>(seed: u64) {
    let random = &mut Random(seed);
    let steps = steps(random);
    let cuts: Vec<(usize, bool)> = (0..random.below(5)).map(|_| (random.below(60), random.below(2) == 0)).collect();
    let all = leaves(&steps);
    let all = slices(&all);
    let mut model = Model::default();
    model.apply(0, &all).unwrap();
    let expected = told(&model, all.len());
    let backend = B::new();
    let mut store = backend.open();
    for (end, is_left) in cuts {
        if is_left {
            drop(store);
            store = backend.open();
        }
        let (begin, end) = (store.applied(), end.min(all.len()));
        let batch = usize::try_from(begin).unwrap()..end.max(usize::try_from(begin).unwrap());
        store.apply(begin, &all[batch]).unwrap();
    }
    let begin = store.applied();
    store.apply(begin, &all[usize::try_from(begin).unwrap()..]).unwrap();
    assert_eq!(told(&store, all.len()), expected, "seed {seed}");
    drop(store);
    let mut again = backend.open();
    again.apply(0, &all).unwrap();
    assert_eq!(told(&again, all.len()), expected, "left and opened again, seed {seed}");
}

macro_rules! contract {
    ($name:ident, $backend:ty) => {
        mod $name {
            use super::*;

            #[test]
            fn the_first_of_two_wins_and_the_other_is_void() {
                super::the_first_of_two_wins_and_the_other_is_void::<$backend>();
            }

            #[test]
            fn a_version_that_is_past_or_to_come_is_void() {
                super::a_version_that_is_past_or_to_come_is_void::<$backend>();
            }

            #[test]
            fn what_is_applied_is_passed_over_and_nothing_is_left_out() {
                super::what_is_applied_is_passed_over_and_nothing_is_left_out::<$backend>();
            }

            #[test]
            fn what_is_no_control_event_counts_and_changes_nothing() {
                super::what_is_no_control_event_counts_and_changes_nothing::<$backend>();
            }

            #[test]
            fn a_reader_sees_what_is_applied_after_it_was_made() {
                super::a_reader_sees_what_is_applied_after_it_was_made::<$backend>();
            }

            #[test]
            fn a_cleared_store_is_made_again() {
                super::a_cleared_store_is_made_again::<$backend>();
            }

            #[test]
            fn it_says_what_the_model_says() {
                for seed in 1..=SEEDS {
                    super::it_says_what_the_model_says::<$backend>(seed);
                }
            }

            #[test]
            fn it_says_what_the_model_says_of_pins() {
                super::pins::it_says_what_the_model_says::<$backend>();
            }
        }
    };
}

contract!(sqlite, Sqlite);
contract!(memory, InMemory);
