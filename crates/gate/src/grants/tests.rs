//! Grants in force: how many sessions, until when, and what is left behind.

use std::sync::Arc;
use std::time::Duration;

use vidimus_core::{ApprovalId, SessionId, Timestamp};
use vidimus_store::{Approval, ApprovalState, Ask, GrantAsk, Grantee, Issued};

use super::live::{Left, Live, NoEntry};
use super::{grantee, is_who, principal};
use crate::tasks::{SessionTasks, Tasks};

const SINCE: u64 = 1_795_176_000;

fn alice() -> Grantee {
    Grantee {
        kind: "User".into(),
        issuer: "corp".into(),
        subject: "alice".into(),
        groups: vec!["corp/support".into()],
        actors: vec!["corp|robot".into(), "ci|a|b".into()],
        amr: vec!["otp".into()],
        client_id: Some("cli".into()),
        display: None,
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(SINCE + seconds)
}

/// A grant of an hour as the log has it.
fn granted(sessions: u64, opened: u64) -> Approval {
    let ask = Ask {
        who: "corp|alice".into(),
        target: "crm".into(),
        action: "grant:repair".into(),
        digest: String::new(),
        session: SessionId::random(),
        held: 7,
        requested: at(0).to_string(),
        expires: at(60).to_string(),
        policies: Vec::new(),
        policy: "sha256:00".into(),
        quorums: Vec::new(),
        barred: Vec::new(),
        grant: Some(Box::new(GrantAsk {
            name: "repair".into(),
            seconds: 3_600,
            sessions,
            reason: "x".into(),
            is_break_glass: false,
            principal: alice(),
            address: "192.0.2.7".into(),
        })),
    };
    let (since, until, token) = (at(0).to_string(), at(3_600).to_string(), Some("ab".to_owned()));
    let issued = Issued { since, until, token, verifier: None, principal: alice(), scopes: Vec::new(), opened };
    let state = ApprovalState::Granted(Box::new(issued));
    Approval { state, ..Approval::new(ApprovalId::random(), ask) }
}

fn live(sessions: u64, opened: u64) -> Arc<Live> {
    Arc::new(Live::of(&granted(sessions, opened), (at(0), Duration::ZERO)).unwrap())
}

fn session(tasks: &Tasks) -> (SessionId, SessionTasks) {
    (SessionId::random(), tasks.session("corp|alice", "crm", false).unwrap())
}

#[test]
fn a_principal_is_the_same_after_its_way_through_the_log() {
    let principal = principal(&alice()).unwrap();
    assert_eq!(grantee(&principal), alice());
    let changed = Grantee { groups: Vec::new(), amr: Vec::new(), ..alice() };
    assert!(is_who(&alice(), &changed), "groups come and go");
    for other in [
        Grantee { subject: "bob".into(), ..alice() },
        Grantee { issuer: "ci".into(), ..alice() },
        Grantee { kind: "Workload".into(), ..alice() },
        Grantee { actors: Vec::new(), ..alice() },
    ] {
        assert!(!is_who(&alice(), &other), "{other:?}");
    }
    assert_eq!(super::principal(&Grantee { kind: "Robot".into(), ..alice() }), None);
    assert_eq!(super::principal(&Grantee { actors: vec!["nobody".into()], ..alice() }), None);
}

#[test]
fn neither_clock_alone_makes_a_grant_last_longer() {
    let live = live(1, 0);
    assert!(!live.is_past((at(3_599), Duration::from_secs(3_599))));
    assert!(live.is_past((at(3_600), Duration::from_secs(1))), "the wall clock says so");
    assert!(live.is_past((at(0), Duration::from_hours(1))), "it was set back, and the gateway has run that long");
    // After a start the rest is left, and never more than it had.
    let up = Duration::from_secs(100);
    let later = Live::of(&granted(1, 0), (at(3_000), up)).unwrap();
    assert!(!later.is_past((at(3_000), up + Duration::from_secs(599))));
    assert!(later.is_past((at(3_000), up + Duration::from_mins(10))));
    let before = Live::of(&granted(1, 0), (Timestamp::from_seconds(0), up)).unwrap();
    assert!(before.is_past((Timestamp::from_seconds(0), up + Duration::from_hours(1))));
}

#[tokio::test]
async fn as_many_sessions_are_opened_as_it_is_for_and_a_place_that_is_not_used_is_free() {
    let (live, tasks) = (live(2, 0), Tasks::new(10));
    let first = live.enter().unwrap();
    drop(live.enter().unwrap());
    let second = live.enter().unwrap();
    assert!(matches!(live.enter(), Err(NoEntry::Used(2))));
    let ((one, of_one), (two, of_two)) = (session(&tasks), session(&tasks));
    first.keep(one, &of_one);
    second.keep(two, &of_two);
    assert_eq!(live.leave(one, Duration::ZERO), Left::Nothing, "another is open");
    assert!(matches!(live.enter(), Err(NoEntry::Used(2))), "one that has ended makes no room");
    assert_eq!(live.leave(one, Duration::ZERO), Left::Nothing, "twice counts once");
    assert_eq!(live.leave(two, Duration::ZERO), Left::UsedUp);
    assert!(live.is_used_up() && super::tests::live(1, 1).is_used_up(), "as after a restart");
}

#[tokio::test]
async fn the_end_cuts_what_is_open_and_the_last_to_close_says_how_long_it_took() {
    let (live, tasks) = (live(3, 0), Tasks::new(10));
    let ((one, of_one), (two, of_two), (late, of_late)) = (session(&tasks), session(&tasks), session(&tasks));
    live.enter().unwrap().keep(one, &of_one);
    live.enter().unwrap().keep(two, &of_two);
    let opening = live.enter().unwrap();
    let ends = |tasks: &SessionTasks| tasks.ends()[0].is_cancelled();
    assert!(!ends(&of_one) && !ends(&of_two));
    assert_eq!(live.end(Duration::from_secs(10)), 3);
    assert!(ends(&of_one) && ends(&of_two) && live.is_over((at(0), Duration::ZERO)));
    opening.keep(late, &of_late);
    assert!(ends(&of_late), "one that was being opened is cut off too");
    assert!(matches!(live.enter(), Err(NoEntry::Over)) && !live.join(SessionId::random(), &of_one));
    assert_eq!(live.leave(one, Duration::from_secs(11)), Left::Nothing);
    assert_eq!(live.leave(late, Duration::from_secs(12)), Left::Nothing);
    let took = Duration::from_secs(3);
    assert_eq!(live.leave(two, Duration::from_secs(13)), Left::Cut { sessions: 3, took });
}
