//! Steps in the custody of recordings: the log's order decides, losers are void, and replay gives the same.

use vidimus_core::event::{Custody as Step, CustodyStep};
use vidimus_store::{Before, ControlState as _, Covered, Custody, Erasure, Outcome, Standing};

use super::*;

const SUBJECT: u8 = 7;

fn subject() -> SessionId {
    session_id(0xAB, SUBJECT)
}

/// A log of steps: who takes which, at which version.
#[derive(Default)]
struct Steps {
    log: Log,
    next: u64,
}

impl Steps {
    fn step(&mut self, who: &str, step: CustodyStep, expects: u64) -> &mut Self {
        // The log's clock starts at 1,700,000,000 and goes on by a second for each event.
        let expires = Some(Timestamp::from_seconds(1_700_000_005));
        let confirmed_by = (step == CustodyStep::EraseConfirmed && who != "vidimus|gw").then_some(who);
        let body = Body::Custody(Step {
            step,
            session: subject(),
            expects,
            reason: "case 7",
            expires: expires.filter(|_| step == CustodyStep::EraseRequested),
            requested_by: None,
            confirmed_by,
        });
        self.log.add(session_id(1, 0), self.next, Some((who, "crm")), body);
        self.next += 1;
        self
    }

    /// The custody in the end, which steps were void, and that replay in other batches says the same.
    fn end(&self) -> (Custody, Vec<bool>) {
        let directory = TempDir::new().unwrap();
        let path = made_at_once(&directory, &self.log);
        let again = directory.path().join("again.db");
        for end in 1..=self.log.leaves.len() {
            let leaves: Vec<&[u8]> = self.log.slices().into_iter().take(end).collect();
            Index::open(&again).unwrap().apply(0, &leaves).unwrap();
        }
        assert_eq!(dump(&path), dump(&again));
        let reader = Reader::open(&path).unwrap();
        let is_void = |leaf: usize| reader.outcome(leaf as u64).unwrap().unwrap() == Outcome::Void;
        let void = (0..self.log.leaves.len()).map(is_void).collect();
        (reader.custody(subject()).unwrap(), void)
    }
}

#[test]
fn what_one_asks_for_another_confirms() {
    let mut steps = Steps::default();
    steps.step("corp|alice", CustodyStep::EraseRequested, 0);
    let (custody, _) = steps.end();
    let Erasure::Requested(request) = custody.erasure else { panic!("{custody:?}") };
    assert_eq!((request.by.as_str(), request.reason.as_str(), custody.version), ("corp|alice", "case 7", 1));
    steps.step("corp|bob", CustodyStep::EraseConfirmed, 1);
    assert!(matches!(steps.end().0.erasure, Erasure::Confirmed { confirmed_by: Some(by), .. } if by == "corp|bob"));
    steps.step("corp|bob", CustodyStep::Erased, 2);
    assert_eq!(steps.end(), (Custody { version: 3, hold: None, erasure: Erasure::Erased }, vec![false; 3]));
}

#[test]
fn nobody_confirms_what_they_asked_for() {
    let mut steps = Steps::default();
    steps.step("corp|alice", CustodyStep::EraseRequested, 0).step("corp|alice", CustodyStep::EraseConfirmed, 1);
    let (custody, void) = steps.end();
    assert!(matches!(custody.erasure, Erasure::Requested(_)));
    assert_eq!(void, [false, true]);
}

#[test]
fn a_request_ends() {
    let mut steps = Steps::default();
    steps.step("corp|alice", CustodyStep::EraseRequested, 0);
    for _ in 0..4 {
        steps.step("corp|carol", CustodyStep::HoldRemoved, 1);
    }
    steps.step("corp|bob", CustodyStep::EraseConfirmed, 1);
    assert_eq!(steps.end().1, [false, true, true, true, true, true], "the sixth event is five seconds later");
    steps.step("corp|alice", CustodyStep::EraseRequested, 1);
    assert_eq!(steps.end().1.last(), Some(&false), "and can be made again");
}

#[test]
fn of_two_at_once_the_first_in_the_log_wins() {
    let mut steps = Steps::default();
    steps.step("corp|alice", CustodyStep::EraseRequested, 0);
    // Bob confirms and Carol adds a hold, both having seen version 1.
    steps.step("corp|carol", CustodyStep::HoldAdded, 1).step("corp|bob", CustodyStep::EraseConfirmed, 1);
    let (custody, void) = steps.end();
    assert_eq!((custody.hold.as_deref(), void), (Some("case 7"), vec![false, false, true]));
    assert_eq!(custody.erasure, Erasure::None, "the hold ends the request");

    let mut steps = Steps::default();
    steps.step("corp|alice", CustodyStep::EraseRequested, 0);
    steps.step("corp|bob", CustodyStep::EraseConfirmed, 1).step("corp|carol", CustodyStep::HoldAdded, 1);
    assert_eq!(steps.end().1, [false, false, true], "too late");
    steps.step("corp|carol", CustodyStep::HoldAdded, 2);
    assert_eq!(steps.end().1.last(), Some(&true), "what is being destroyed cannot be held");
}

#[test]
fn a_hold_blocks_people_and_retention() {
    let mut steps = Steps::default();
    steps.step("corp|carol", CustodyStep::HoldAdded, 0);
    steps.step("corp|alice", CustodyStep::EraseRequested, 1).step("vidimus|gw", CustodyStep::EraseConfirmed, 1);
    steps.step("corp|carol", CustodyStep::HoldAdded, 1).step("corp|carol", CustodyStep::HoldRemoved, 1);
    assert_eq!(steps.end().1, [false, true, true, true, false]);
    steps.step("vidimus|gw", CustodyStep::EraseConfirmed, 2);
    assert!(matches!(steps.end().0.erasure, Erasure::Confirmed { confirmed_by: None, .. }));
}

fn before(closed: u64, released: u64) -> Before {
    Before { closed, released }
}

#[test]
fn sessions_past_their_time_are_those_that_ended_and_are_not_held() {
    let directory = TempDir::new().unwrap();
    let mut log = sample();
    let path = made_at_once(&directory, &log);
    let expired = |target: &str, second: u64| {
        let before = before(second, second);
        Reader::open(&path).unwrap().expired(&Covered::Target(target.parse().unwrap()), before, 10).unwrap()
    };
    // Alice's was closed by the event of second 7; Bob's is open.
    assert_eq!(expired("crm", 8), [session_id(0xAB, 1)]);
    assert_eq!(expired("crm", 7), []);
    assert_eq!(expired("orders", 100), []);
    let hold = Body::Custody(Step {
        step: CustodyStep::HoldAdded,
        session: session_id(0xAB, 1),
        expects: 0,
        reason: "case",
        expires: None,
        requested_by: None,
        confirmed_by: None,
    });
    log.add(session_id(1, 0), 2, Some(("corp|carol", "crm")), hold);
    Index::open(&path).unwrap().apply(0, &log.slices()).unwrap();
    assert_eq!(expired("crm", 100), []);
    let standing = |second: u64| {
        let before = before(second, second);
        Reader::open(&path).unwrap().standing(&Covered::Target("crm".parse().unwrap()), before).unwrap()
    };
    let oldest = Some("2023-11-14T22:13:27.000000000Z".to_owned());
    assert_eq!(
        standing(100),
        Standing { kept: 1, due: 0, released: 0, held: 1, oldest: oldest.clone(), first: Some(7) }
    );
    let step = CustodyStep::HoldRemoved;
    let removal = Step {
        step,
        session: session_id(0xAB, 1),
        expects: 1,
        reason: "case",
        expires: None,
        requested_by: None,
        confirmed_by: None,
    };
    let removed = 1_700_000_000 + log.leaves.len() as u64;
    log.add(session_id(1, 0), 3, Some(("corp|carol", "crm")), Body::Custody(removal));
    Index::open(&path).unwrap().apply(0, &log.slices()).unwrap();
    let at = removed - 1_700_000_000;
    assert_eq!((expired("crm", at), expired("crm", at + 1)), (vec![], vec![session_id(0xAB, 1)]));
    assert_eq!(
        standing(at),
        Standing { kept: 1, due: 0, released: 1, held: 0, oldest: oldest.clone(), first: Some(7) }
    );
    assert_eq!(standing(at + 1), Standing { kept: 1, due: 1, released: 0, held: 0, oldest, first: Some(7) });
}

#[test]
fn a_rule_on_a_data_class_covers_sessions_in_which_it_was_masked() {
    let directory = TempDir::new().unwrap();
    let mut log = Log::default();
    let masking = Masking { masked: [("US_SSN".into(), 2)].into(), ..Masking::default() };
    for (number, target, masking) in [(1, "crm", &masking), (2, "orders", &masking), (3, "crm", Masking::NONE)] {
        let (id, of) = (session_id(0xAB, number), Some(("corp|alice", target)));
        log.add(id, 0, of, opening(&principal("alice"), None));
        log.add(id, 1, of, Body::OperationAdmitted(Decided { masking, ..decided(Effect::Allow) }));
        log.add(id, 2, of, Body::OperationOutcome(ended()));
        if number != 2 {
            log.add(id, 3, of, Body::SessionClosed { count: 4, reason: "client" });
        }
    }
    let path = made_at_once(&directory, &log);
    let reader = Reader::open(&path).unwrap();
    let (class, late) = (Covered::Class("US_SSN".into()), before(100_000_000, 0));
    assert_eq!(reader.expired(&class, late, 10).unwrap(), [session_id(0xAB, 1)], "the second is open");
    assert_eq!(reader.expired(&class, before(3, 0), 10).unwrap(), []);
    assert_eq!(reader.expired(&Covered::Class("' OR 1 --".into()), late, 10).unwrap(), []);
    let Standing { kept, due, held, .. } = reader.standing(&class, late).unwrap();
    assert_eq!((kept, due, held), (1, 1, 0));
    assert_eq!(reader.classes().unwrap(), ["US_SSN"]);
    assert_eq!(reader.expired(&Covered::Target("crm".parse().unwrap()), late, 1).unwrap(), [session_id(0xAB, 1)]);
}
