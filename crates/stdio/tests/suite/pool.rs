//! Children by key: shared, bounded, idle, restarted.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use vidimus_core::ErrorKind;
use vidimus_stdio::{Launch, Pool, PoolError, PoolKey, PoolLimits, PoolState};

use crate::sandbox::{LIMIT, Sandbox, is_alive, next, until};

fn key(target: &str, holder: &str) -> PoolKey {
    PoolKey { target: target.to_owned(), holder: holder.to_owned() }
}

fn cat(sandbox: &Sandbox) -> Launch {
    sandbox.launch(sandbox.confinement(&["cat"]))
}

#[tokio::test]
async fn one_key_has_one_child_and_its_messages_go_to_the_first() {
    let sandbox = Sandbox::new();
    let (pool, launch) = (Pool::new(PoolLimits::default()), cat(&sandbox));
    let (one, two) = tokio::join!(pool.lease(key("t", "a"), &launch), pool.lease(key("t", "a"), &launch));
    let (mut one, mut two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.child.id(), two.child.id());
    let mut messages = one.messages.take().or(two.messages.take()).unwrap();
    assert!(one.messages.is_none() && two.messages.is_none());
    two.child.send(Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(next(&mut messages).await.unwrap(), "hello");

    let other = pool.lease(key("t", "b"), &launch).await.unwrap();
    assert_ne!(other.child.id(), one.child.id());
    assert_eq!(pool.state(), PoolState { running: 2, started: 2, ..PoolState::default() });

    pool.close().await;
    assert!(!is_alive(one.child.id()) && !is_alive(other.child.id()));
    assert_eq!(pool.state(), PoolState { started: 2, ..PoolState::default() });
    assert!(matches!(pool.lease(key("t", "a"), &launch).await.unwrap_err(), PoolError::Stopped));
}

#[tokio::test]
async fn nobody_has_all_servers_of_a_target() {
    let sandbox = Sandbox::new();
    let pool = Pool::new(PoolLimits { per_target: 3, per_owner: 2, ..PoolLimits::default() });
    let of = |owner: &str| Launch { owner: owner.into(), ..cat(&sandbox) };
    let mut held = Vec::new();
    for (holder, owner) in [("a", "alice"), ("b", "alice")] {
        held.push(pool.lease(key("t", holder), &of(owner)).await.unwrap());
    }
    let error = pool.lease(key("t", "c"), &of("alice")).await.unwrap_err();
    assert!(matches!(error, PoolError::OwnerFull { limit: 2 }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Limit);
    held.push(pool.lease(key("u", "c"), &of("alice")).await.unwrap());
    held.push(pool.lease(key("t", "c"), &of("bob")).await.unwrap());
    let error = pool.lease(key("t", "d"), &of("bob")).await.unwrap_err();
    assert!(matches!(error, PoolError::TargetFull { limit: 3 }), "{error}");
    pool.close().await;
}

#[tokio::test]
async fn each_cap_is_named_and_an_ended_child_makes_room() {
    let sandbox = Sandbox::new();
    let limits = PoolLimits { per_target: 2, total: 3, ..PoolLimits::default() };
    let (pool, launch) = (Pool::new(limits), cat(&sandbox));
    let mut held = Vec::new();
    for (target, holder) in [("t", "a"), ("t", "b"), ("u", "a")] {
        held.push(pool.lease(key(target, holder), &launch).await.unwrap());
    }
    let error = pool.lease(key("t", "c"), &launch).await.unwrap_err();
    assert!(matches!(error, PoolError::TargetFull { limit: 2 }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Limit);
    let error = pool.lease(key("u", "c"), &launch).await.unwrap_err();
    assert!(matches!(error, PoolError::Full { limit: 3 }), "{error}");
    assert_eq!(pool.state().refused, 2);

    pool.end(key("t", "a")).await;
    until("room", || pool.state().running == 2 && pool.state().ending == 0).await;
    pool.lease(key("t", "c"), &launch).await.unwrap();
}

#[tokio::test]
async fn what_is_idle_ends_and_what_is_held_does_not() {
    let sandbox = Sandbox::new();
    let limits = PoolLimits { idle: Duration::from_millis(400), ..PoolLimits::default() };
    let (pool, launch) = (Pool::new(limits), cat(&sandbox));
    let held = pool.lease(key("t", "held"), &launch).await.unwrap();
    let mut idle = pool.lease(key("t", "idle"), &launch).await.unwrap();
    let (id, _messages) = (idle.child.id(), idle.messages.take());
    drop(idle);
    until("the end of the idle one", || !is_alive(id)).await;
    tokio::time::sleep(limits.idle * 2).await;
    assert!(is_alive(held.child.id()));
    // Idleness is no failure: it starts again at once.
    pool.lease(key("t", "idle"), &launch).await.unwrap();
    assert_eq!((pool.state().started, pool.state().failed), (3, 0));
}

#[tokio::test]
async fn what_ends_early_is_started_again_later_and_later() {
    let sandbox = Sandbox::new();
    let first = Duration::from_millis(400);
    let limits = PoolLimits { back_off: (first, Duration::from_mins(1)), ..PoolLimits::default() };
    let pool = Pool::new(limits);
    let launch = sandbox.launch(sandbox.confinement(&["false"]));
    let mut waits = Vec::new();
    for failed in 1..=3 {
        let lease = pool.lease(key("t", "a"), &launch).await.unwrap();
        lease.child.ended().await;
        until("the failure", || pool.state().failed == failed && pool.state().backing_off == 1).await;
        let Err(PoolError::BackingOff { remaining }) = pool.lease(key("t", "a"), &launch).await else {
            panic!("it was started again at once")
        };
        waits.push(remaining);
        tokio::time::sleep(remaining + Duration::from_millis(20)).await;
    }
    for (number, wait) in (0..).zip(&waits) {
        let whole = first * 2_u32.pow(number);
        assert!(*wait <= whole && *wait > whole / 2, "{waits:?}");
    }
    assert_eq!(pool.state().started, 3);
    // Another session is not held up, and one that is over is forgotten.
    pool.lease(key("t", "b"), &cat(&sandbox)).await.unwrap();
    pool.end(key("t", "a")).await;
    pool.lease(key("t", "a"), &cat(&sandbox)).await.unwrap();
}

#[tokio::test]
async fn a_good_run_clears_the_failures_before_it() {
    let sandbox = Sandbox::new();
    let (first, good_run) = (Duration::from_millis(200), Duration::from_millis(300));
    let limits = PoolLimits {
        back_off: (first, Duration::from_mins(1)),
        good_run,
        idle: Duration::from_millis(400),
        ..PoolLimits::default()
    };
    let pool = Pool::new(limits);
    let crash = sandbox.launch(sandbox.confinement(&["false"]));
    let fail = async |failed| {
        pool.lease(key("t", "a"), &crash).await.unwrap().child.ended().await;
        until("the failure", || pool.state().failed == failed && pool.state().backing_off == 1).await;
        let Err(PoolError::BackingOff { remaining }) = pool.lease(key("t", "a"), &crash).await else {
            panic!("it was started again at once")
        };
        tokio::time::sleep(remaining + Duration::from_millis(20)).await;
        remaining
    };
    fail(1).await;
    let run = sandbox.launch(sandbox.confinement(&["sleep", "1"]));
    let lease = pool.lease(key("t", "a"), &run).await.unwrap();
    lease.child.ended().await;
    drop(lease);
    until("its end", || pool.state().running == 0).await;
    assert_eq!(pool.state().failed, 1);
    assert!(fail(2).await <= first);
}

#[tokio::test]
async fn what_does_not_start_is_told_and_backs_off() {
    let sandbox = Sandbox::new();
    let pool = Pool::new(PoolLimits::default());
    let mut confinement = sandbox.confinement(&["cat"]);
    confinement.working_dir = Some(sandbox.path("missing"));
    let launch = sandbox.launch(confinement);
    let error = pool.lease(key("t", "a"), &launch).await.unwrap_err();
    assert!(matches!(error, PoolError::Start(_)) && error.kind() == ErrorKind::Configuration, "{error}");
    let error = pool.lease(key("t", "a"), &launch).await.unwrap_err();
    assert!(matches!(error, PoolError::BackingOff { .. }), "{error}");
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_is_there_for_the_next() {
    let sandbox = Sandbox::new();
    let (pool, launch) = (Pool::new(PoolLimits::default()), cat(&sandbox));
    let asked = timeout(Duration::ZERO, pool.lease(key("t", "a"), &launch)).await;
    assert!(asked.is_err(), "it was started in no time");
    let lease = pool.lease(key("t", "a"), &launch).await.unwrap();
    assert!(lease.messages.is_some());
    assert_eq!(pool.state().started, 1);
}

#[tokio::test]
async fn a_pool_that_nobody_holds_kills_its_children() {
    let sandbox = Sandbox::new();
    let pool = Pool::new(PoolLimits::default());
    let id = pool.lease(key("t", "a"), &cat(&sandbox)).await.unwrap().child.id();
    drop(pool);
    until("the end", || !is_alive(id)).await;
}

/// A supervisor that says a program runs, and ends only when nobody is there to be told.
const STUBBORN: &str = "
import socket
gateway = socket.socket(fileno=0)
gateway.sendall(b'{\"started\":{\"pid\":77}}\\n')
while gateway.recv(65536): pass
";

#[tokio::test]
async fn what_does_not_end_does_not_keep_the_gateway() {
    let sandbox = Sandbox::new();
    let pool = Pool::new(PoolLimits { close: Duration::from_secs(1), ..PoolLimits::default() });
    let mut launch = cat(&sandbox);
    launch.supervisor = "/usr/bin/python3".into();
    launch.arguments = vec!["-c".into(), STUBBORN.into()];
    launch.limits.close = Duration::from_millis(10);
    launch.limits.terminate = Duration::from_millis(10);
    let lease = pool.lease(key("t", "a"), &launch).await.unwrap();
    assert_eq!(lease.child.id(), 77);
    timeout(LIMIT, pool.close()).await.expect("the pool waits for what does not end");
    assert_eq!(lease.child.has_ended(), None, "it has ended");
}
