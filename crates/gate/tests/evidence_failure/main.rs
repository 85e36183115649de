//! Evidence that cannot be written: nothing passes, nothing is released, and only what is safe recovers by itself.
//!
//! A gate with real tokens, real policies and a real target on loopback; only the disk below the log is told to fail
//! (NIST SP 800-53 AU-5). A full disk refuses and recovers; a failed write or sync ends the log until a restart.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod approvals;
mod disk;
mod world;

use std::io::ErrorKind::{Other, StorageFull};
use std::time::Duration;

use bytes::Bytes;
use disk::Fault;
use vidimus_core::event::Status;
use vidimus_core::{Action, Durability, ErrorKind, Members};
use vidimus_gate::{
    Answer, CustodyError, Expiry, Level, Notice, Outcome, Rejection, Rule, SendError, Session, Thresholds, Verdict,
};
use vidimus_store::Covered;
use world::{Target, World, head, operation, owner, target_name};

/// What a caller with a good token gets of the gate now, and that the target sees nothing of it.
async fn assert_refuses(world: &World, target: &Target, session: &Session) {
    let before = target.requests();
    match session.submit(operation("call")).await {
        Verdict::Denied(denied) => {
            assert_eq!((denied.refusal().kind, denied.refusal().reason), (ErrorKind::Evidence, "evidence"));
            assert_eq!(denied.refusal().reference, None);
            assert!(!denied.refusal().message.contains('/'), "the message names no file: {:?}", denied.refusal());
        }
        Verdict::Admitted(_) | Verdict::Held(_) => panic!("a call passed"),
    }
    // Somebody whose token is new, and somebody known who opens a session.
    assert_eq!(world.stranger().await.err(), Some(Notice::EvidenceUnavailable));
    let alice = world.alice().await.unwrap();
    let denied = world.gate().open(alice, world.spec(Durability::Strict)).await.err().unwrap();
    assert_eq!(denied.refusal().kind, ErrorKind::Evidence);
    assert_eq!(world.no_token().await, Notice::EvidenceUnavailable);
    assert_eq!(target.requests(), before);
}

fn outcome(status: Status, body: Bytes) -> Outcome {
    Outcome { status, body, members: Members::NONE, schema: None }
}

/// One call to the end; what the client gets.
async fn answer(session: &Session, target: &Target, text: &str) -> Option<Answer> {
    let Verdict::Admitted(admitted) = session.submit(operation(text)).await else { panic!("denied") };
    let upstream = target.upstream.clone();
    let mut answers = admitted.run(|wire, flight| async move {
        let (status, body) = match upstream.send(wire, head()).await {
            Ok(_) => (Status::Ok, Bytes::from_static(b"result")),
            Err(_) => (Status::Cancelled, Bytes::new()),
        };
        flight.finish(outcome(status, body), |_| Bytes::new()).await;
    });
    answers.next().await
}

fn assert_released(answer: Option<&Answer>) {
    assert!(matches!(answer, Some(Answer::Last { status: Status::Ok, .. })), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_of_the_intent_refuses_for_good() {
    for durability in [Durability::Strict, Durability::Async] {
        let mut world = World::start();
        let target = Target::start(&world, |_| {}).await;
        let session = world.session(durability).await;
        assert_released(answer(&session, &target, "first").await.as_ref());
        world.disk.fail(Fault::Write(Other));
        if durability == Durability::Strict {
            // The sync writes it, so the call is admitted; it goes out only when that is done, which it never is.
            assert!(matches!(answer(&session, &target, "call").await, Some(Answer::Unrecorded)));
        }
        assert_refuses(&world, &target, &session).await;
        world.disk.work();
        assert_refuses(&world, &target, &session).await;
        assert_eq!(target.requests(), 1);
        drop((session, target));
        world.restart();
        assert_works(&world).await;
        world.assert_one_outcome_each().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_of_the_intent_keeps_the_call_from_the_target() {
    let mut world = World::start();
    let target = Target::start(&world, |_| {}).await;
    let session = world.session(Durability::Strict).await;
    // The log syncs what it integrates too: if that failed first, the call would be refused, and tell nothing of its intent.
    world.integrated().await;
    world.disk.fail(Fault::Sync);
    // The intent is written, so the call is admitted; it goes out only when that is durable, which it never is.
    let Verdict::Admitted(admitted) = session.submit(operation("call")).await else { panic!("denied") };
    let upstream = target.upstream.clone();
    let mut answers = admitted.run(|wire, flight| async move {
        assert!(matches!(upstream.send(wire, head()).await, Err(SendError::Evidence(_))));
        flight.finish(outcome(Status::Cancelled, Bytes::from_static(b"text")), |_| Bytes::new()).await;
    });
    assert!(matches!(answers.next().await, Some(Answer::Unrecorded)));
    world.disk.work();
    assert_refuses(&world, &target, &session).await;
    assert_eq!(target.requests(), 0);
    drop((session, target));
    world.restart();
    assert_works(&world).await;
    world.assert_one_outcome_each().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_whose_record_fails_is_not_released() {
    for (durability, fault) in [
        (Durability::Strict, Fault::Sync),
        (Durability::Strict, Fault::Write(Other)),
        (Durability::Async, Fault::Write(Other)),
    ] {
        let mut world = World::start();
        // The disk fails while the target works on the call: after the intent, before the outcome.
        let target = Target::start(&world, move |disk| disk.fail(fault)).await;
        let session = world.session(durability).await;
        let answer = answer(&session, &target, "call").await;
        assert!(matches!(answer, Some(Answer::Unrecorded)), "{durability:?} {fault:?}: {answer:?}");
        assert_eq!(target.requests(), 1);
        world.disk.work();
        assert_refuses(&world, &target, &session).await;
        drop((session, target));
        world.restart();
        assert_works(&world).await;
        world.assert_one_outcome_each().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_whose_record_fails_is_not_released() {
    for fault in [Fault::Sync, Fault::Write(Other)] {
        let world = World::start();
        let target = Target::start(&world, move |disk| disk.fail(fault)).await;
        let session = world.session(Durability::Strict).await;
        let Verdict::Admitted(admitted) = session.submit(operation("call")).await else { panic!("denied") };
        let upstream = target.upstream.clone();
        let mut answers = admitted.run(|wire, mut flight| async move {
            upstream.send(wire, head()).await.unwrap();
            assert_eq!(
                flight.chunk(Bytes::from_static(b"part"), Members::NONE).await.unwrap_err().kind(),
                ErrorKind::Evidence
            );
            flight.finish(outcome(Status::Ok, Bytes::from_static(b"result")), |_| Bytes::new()).await;
        });
        assert!(matches!(answers.next().await, Some(Answer::Unrecorded)), "{fault:?}");
        assert!(answers.next().await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_until_there_is_space() {
    let world = World::start();
    let target = Target::start(&world, |_| {}).await;
    let session = world.session(Durability::Async).await;
    // Nothing grows any more; what was made ahead of time has room yet.
    world.disk.fail(Fault::Grow(StorageFull));
    let mut bytes = 8 << 20;
    while bytes > 0 {
        match session.submit(operation(&"x".repeat(bytes))).await {
            Verdict::Admitted(_) | Verdict::Held(_) => {}
            Verdict::Denied(denied) => {
                assert_eq!(denied.refusal().kind, ErrorKind::Evidence);
                bytes /= 16;
            }
        }
    }
    // What is left is too small for a call, and has room for a log-on or two.
    while world.stranger().await.is_ok() {}
    while world.no_token().await == Notice::Unauthenticated {}
    assert_refuses(&world, &target, &session).await;
    assert_eq!(target.requests(), 0);
    world.disk.work();
    let limit = std::time::Instant::now() + Duration::from_secs(20);
    while let Verdict::Denied(denied) = session.submit(operation("again")).await {
        assert_eq!(denied.refusal().kind, ErrorKind::Evidence);
        assert!(std::time::Instant::now() < limit, "space is back, and nothing passes");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_works(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_room_lets_nothing_new_begin_and_what_runs_end() {
    let world = World::start();
    let target = Target::start(&world, |_| {}).await;
    let session = world.session(Durability::Strict).await;
    let thresholds = Thresholds { warning: 3_000, alarm: 2_000, stop: 1_000 };
    let observe = |free| world.gate().observe_space(free, &thresholds).unwrap();
    assert_eq!(observe(5_000), Level::Ample);
    assert_released(answer(&session, &target, "first").await.as_ref());

    let Verdict::Admitted(running) = session.submit(operation("running")).await else { panic!("denied") };
    let alice = world.alice().await.unwrap();
    let Ok(stream) = session.listen(operation("stream"), &alice).await else { panic!("denied") };
    let mut stream = stream.run(|_, flight| async move {
        flight.opened().await;
        std::future::pending::<()>().await;
    });
    assert!(matches!(stream.next().await, Some(Answer::Opened)));
    assert_eq!(observe(999), Level::Stop);
    let Verdict::Denied(denied) = session.submit(operation("new")).await else { panic!("a call passed") };
    assert_eq!((denied.refusal().kind, denied.refusal().reason), (ErrorKind::Evidence, "capacity"));
    assert!(stream.next().await.is_none(), "nothing comes on it any more");
    let rejection = Rejection {
        kind: ErrorKind::NotFound,
        reason: "unknown_target",
        message: String::new(),
        action: Action::Connect,
        received: &[],
    };
    let denied = world.gate().reject(alice.principal(), None, rejection).await;
    assert_eq!((denied.refusal().reason, &denied.refusal().reference), ("capacity", &None));
    let denied = world.gate().open(alice, world.spec(Durability::Strict)).await.err().unwrap();
    assert_eq!(denied.refusal().reason, "capacity");
    assert_eq!(world.stranger().await.err(), Some(Notice::EvidenceUnavailable));
    assert_eq!(world.no_token().await, Notice::Unauthenticated, "counted, and recorded later");
    assert_eq!(target.requests(), 1);

    // What ran when the room became too little ends as any other.
    let upstream = target.upstream.clone();
    let mut answers = running.run(|wire, flight| async move {
        upstream.send(wire, head()).await.unwrap();
        flight.finish(outcome(Status::Ok, Bytes::from_static(b"result")), |_| Bytes::new()).await;
    });
    assert_released(answers.next().await.as_ref());
    assert_eq!(observe(1_100), Level::Stop, "within the margin");
    assert_eq!(observe(9_000), Level::Ample);
    assert_works(&world).await;
    drop((session, target));

    let events = world.events("log.capacity").await;
    let told: Vec<String> = events.iter().map(|event| event["capacity"].to_string()).collect();
    let refused = r#"{"free":9000,"level":"ample","refused":4}"#;
    assert_eq!(told, [r#"{"free":999,"level":"stop","refused":0}"#, refused]);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_room_leaves_what_programs_say_out_of_the_record_and_counts_it() {
    let world = World::start();
    let thresholds = Thresholds { warning: 3_000, alarm: 2_000, stop: 1_000 };
    let session = world.session(Durability::Strict).await;
    let program = session.program_log();
    program.put(Bytes::from_static(b"to ada@exam")).await;
    program.put(Bytes::from_static(b"ple.com, and that was it\n")).await;
    let logged = world.events_of(&session, "program.logged", 1).await;
    assert_eq!(logged[0]["masked"], serde_json::json!({ "EMAIL_ADDRESS": 1 }));
    assert_eq!(world.gate().observe_space(999, &thresholds).unwrap(), Level::Stop);
    program.put(Bytes::from_static(b"one\ntwo\n")).await;
    drop(program);
    let logged = world.events_of(&session, "program.logged", 2).await;
    let told = |event: &serde_json::Value| (event["left_out"].clone(), event["payloads"].as_array().map(Vec::len));
    assert_eq!(told(&logged[0]), (0.into(), Some(1)));
    assert_eq!(told(&logged[1]), (2.into(), None), "{logged:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_ends_recordings_but_for_those_that_are_held() {
    let world = World::start();
    let target = Target::start(&world, |_| {}).await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let session = world.session(Durability::Strict).await;
        assert_released(answer(&session, &target, "call").await.as_ref());
        session.close("client").await.unwrap();
        sessions.push(session.id());
    }
    let open = world.session(Durability::Strict).await;
    assert_released(answer(&open, &target, "call").await.as_ref());
    assert_eq!(world.events("log.started").await.len(), 1, "all is in the index");
    let custodian = world.gate().custodian();
    let rule = Rule { covered: Covered::Target(target_name()), keep: Duration::ZERO };
    custodian.load_rules(std::slice::from_ref(&rule), Duration::ZERO).unwrap();
    while world.gate().log_status().integrated < world.gate().log_status().appended {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let expire = || custodian.expire(&rule);
    let held = sessions[0];
    custodian.hold(&owner(), &held.to_string(), "case 7").await.unwrap();
    assert_eq!(expire().await.unwrap(), Expiry::Erased(1));
    assert_eq!(sessions.iter().map(|session| world.is_recorded(*session)).collect::<Vec<_>>(), [true, false]);
    assert!(world.is_recorded(open.id()), "what goes on is kept");
    assert_eq!(expire().await.unwrap(), Expiry::Erased(0), "once");
    custodian.release(&owner(), &held.to_string(), "case 7 is closed").await.unwrap();
    assert_eq!(expire().await.unwrap(), Expiry::Erased(1));
    assert!(!world.is_recorded(held));
    let erased = world.events("recording.erased").await;
    assert_eq!(erased.len(), 2);
    for event in erased {
        assert_eq!(event["custody"]["reason"], "retention of target crm: 0 days");
        assert_eq!((event["custody"].get("requested_by"), event.get("who")), (None, None), "nobody's wish");
    }
    let gone = custodian.hold(&owner(), &held.to_string(), "too late").await.unwrap_err();
    assert!(matches!(gone, CustodyError::Gone(_)), "{gone}");
}

/// A new session, and a call in it.
async fn assert_works(world: &World) {
    let target = Target::start(world, |_| {}).await;
    let session = world.session(Durability::Strict).await;
    assert_released(answer(&session, &target, "works").await.as_ref());
    assert_eq!(target.requests(), 1);
}
