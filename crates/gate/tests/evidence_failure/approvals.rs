//! Approvals under faults and at one moment: a call that people approved runs at most once.

use std::io::ErrorKind::Other;

use bytes::Bytes;
use vidimus_core::event::Status;
use vidimus_core::{Action, Durability, Operation};
use vidimus_gate::{Deed, Masking, Person, Session, Verdict};

use super::disk::Fault;
use super::world::{Target, World, head, operation};
use super::{assert_released, outcome};

/// How often two people click at one moment.
const ROUNDS: usize = 1_000;

/// The call that finance must agree to.
fn paying() -> Operation {
    Operation { action: Action::ToolCall("pay".into()), ..operation("pay") }
}

/// Asks for the call, and gives the reference of the request that it waits for.
async fn held(session: &Session) -> String {
    match session.submit(paying()).await {
        Verdict::Held(held) => held.pending().reference.clone(),
        Verdict::Admitted(_) => panic!("it passed"),
        Verdict::Denied(denied) => panic!("{:?}", denied.refusal()),
    }
}

async fn decide((world, masking): (&World, &Masking), person: &Person, id: &str, deed: Deed) -> bool {
    world.gate().approver().decide(person, (id, 1), deed, masking).await.is_ok()
}

/// Asks for the call as Alice, and has Bob approve it.
async fn approved(world: &World, session: &Session) -> String {
    let id = held(session).await;
    assert!(decide((world, &world.masking()), &world.approver("bob").await, &id, yes()).await);
    id
}

fn yes() -> Deed {
    Deed::Approve { reason: None }
}

/// Submits the call and, where it may pass, sends it. Whether it did.
async fn runs(session: &Session, target: &Target) -> bool {
    let Verdict::Admitted(admitted) = session.submit(paying()).await else { return false };
    let upstream = target.upstream.clone();
    let mut answers = admitted.run(|wire, flight| async move {
        assert!(upstream.send(wire, head()).await.is_ok());
        flight.finish(outcome(Status::Ok, Bytes::from_static(b"result")), |_| Bytes::new()).await;
    });
    assert_released(answers.next().await.as_ref());
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_click_at_one_moment_a_thousand_times_never_make_two_effects() {
    let world = World::start_in_memory();
    let target = Target::start(&world, |_| {}).await;
    let session = world.session(Durability::Strict).await;
    let (bob, carol) = (world.approver("bob").await, world.approver("carol").await);
    let (mut effects, masking) = (0, world.masking());
    let people = (&world, &masking);
    for round in 0..ROUNDS {
        let id = held(&session).await;
        let denies = round % 2 == 1;
        let second = if denies { Deed::Deny { reason: "no".into() } } else { yes() };
        let (first, second) = tokio::join!(decide(people, &bob, &id, yes()), decide(people, &carol, &id, second));
        assert!(first != second, "round {round}: one decision counts");
        let (one, two) = tokio::join!(runs(&session, &target), runs(&session, &target));
        let is_approved = first || !denies;
        assert_eq!(usize::from(one) + usize::from(two), usize::from(is_approved), "round {round}");
        effects += usize::from(is_approved);
        assert_eq!(target.requests(), effects, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_use_and_the_call_spends_the_approval_and_is_told() {
    let mut world = World::start();
    let target = Target::start(&world, |_| {}).await;
    let session = world.session(Durability::Async).await;
    let id = approved(&world, &session).await;
    let Verdict::Admitted(admitted) = session.submit(paying()).await else { panic!("not admitted") };
    // The use is on disk, whatever the target's durability is. Nothing that follows gets there.
    world.disk.fail(Fault::Write(Other));
    drop(admitted);
    assert_eq!(target.requests(), 0);
    drop((session, target));
    world.disk.work();
    world.restart();

    let target = Target::start(&world, |_| {}).await;
    let session = world.session(Durability::Async).await;
    let Verdict::Denied(denied) = session.submit(paying()).await else { panic!("it was spent") };
    let refusal = denied.refusal();
    assert_eq!(refusal.reason, "approval_spent");
    assert!(refusal.message.contains("outcome is unknown"), "{}", refusal.message);
    assert_eq!(target.requests(), 0);
    // Told once; the same call then asks anew.
    assert_ne!(held(&session).await, id);
    drop((session, target));
    world.assert_one_outcome_each().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_that_cannot_be_recorded_sends_nothing_and_never_runs_twice() {
    for fault in [Fault::Write(Other), Fault::Sync] {
        let mut world = World::start();
        let target = Target::start(&world, |_| {}).await;
        let session = world.session(Durability::Strict).await;
        approved(&world, &session).await;
        world.integrated().await;
        world.disk.fail(fault);
        assert!(matches!(session.submit(paying()).await, Verdict::Denied(_)), "{fault:?}");
        assert_eq!(target.requests(), 0, "{fault:?}");
        drop((session, target));
        world.disk.work();
        world.restart();

        let target = Target::start(&world, |_| {}).await;
        let session = world.session(Durability::Strict).await;
        let ran = runs(&session, &target).await;
        // What did not reach the disk is as if it had not been, and what did is spent: after a failed write or sync it may be
        // either.
        assert!(!runs(&session, &target).await, "{fault:?}: never twice");
        assert_eq!(target.requests(), usize::from(ran), "{fault:?}");
    }
}
