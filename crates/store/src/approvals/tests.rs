//! The rules of requests for approval: who may, in which order, and that a thousand races have one winner.

use vidimus_core::event::{Approval as Told, ApprovalStep, Body};
use vidimus_core::{Event, EventId, Timestamp};

use super::*;
use crate::{GrantAsk, Grantee};

const ASKED: &str = "2026-11-20T12:00:00.000000000Z";
const SOON: &str = "2026-11-20T12:00:01.000000000Z";
const ENDS: &str = "2026-11-20T13:00:00.000000000Z";

fn id() -> ApprovalId {
    ApprovalId::from_bytes([7; 16])
}

fn session() -> SessionId {
    SessionId::from_bytes([1; 16])
}

fn asked(approvers: &[(&str, u64)]) -> Approval {
    let quorum = |(rule, approvers): &(&str, u64)| Quorum { rule: (*rule).to_owned(), approvers: *approvers };
    Approval::new(
        id(),
        Ask {
            who: "corp|alice".into(),
            target: "crm".into(),
            action: "crm/refund".into(),
            digest: "00".repeat(32),
            session: session(),
            held: 3,
            requested: ASKED.into(),
            expires: ENDS.into(),
            policies: vec!["large".into()],
            policy: "sha256:00".into(),
            quorums: approvers.iter().map(quorum).collect(),
            barred: vec!["corp|agent".into()],
            grant: None,
        },
    )
}

fn by(who: &str) -> Stamp<'_> {
    Stamp { time: SOON, who: Some(who), session: session() }
}

fn approved(rules: &[&str]) -> Step {
    Step::Approved { rules: rules.iter().map(|rule| (*rule).to_owned()).collect(), reason: None }
}

fn denied() -> Step {
    Step::Denied { reason: "no".into() }
}

#[test]
fn one_of_finance_is_enough_where_one_is_asked_for() {
    let after = asked(&[("finance", 1)]).after(1, &approved(&["finance"]), by("corp|bob")).unwrap();
    assert_eq!((after.state.name(), after.version), ("approved", 2));
    let used = after.after(2, &Step::Used { intent: 9 }, by("corp|alice")).unwrap();
    let reference = format!("{}/9", session());
    assert_eq!(used.state, ApprovalState::Used { reference, outcome: None });
    assert_eq!(used.after(3, &Step::Used { intent: 10 }, by("corp|alice")), None, "once");
    assert_eq!(used.after(3, &denied(), by("corp|bob")), None);
}

#[test]
fn people_count_once_in_each_rule_and_each_rule_counts() {
    let open = asked(&[("finance", 2), ("security", 1)]);
    let one = open.after(1, &approved(&["finance", "security"]), by("corp|bob")).unwrap();
    assert_eq!((one.state.name(), one.approved_by("finance"), one.approved_by("security")), ("open", 1, 1));
    assert_eq!(one.after(2, &approved(&["finance"]), by("corp|bob")), None, "the same person again");
    assert_eq!(one.after(2, &approved(&["legal"]), by("corp|carol")), None, "a rule that is not asked");
    let two = one.after(2, &approved(&["finance"]), by("corp|carol")).unwrap();
    assert_eq!(two.state, ApprovalState::Approved);
}

#[test]
fn whoever_asked_and_its_chain_approve_nothing_and_may_not_be_named_by_nobody() {
    let open = asked(&[("finance", 1)]);
    for who in ["corp|alice", "corp|agent"] {
        assert!(!open.may_decide(who));
        assert_eq!(open.after(1, &approved(&["finance"]), by(who)), None, "{who}");
    }
    let nobody = Stamp { who: None, ..by("") };
    assert_eq!(open.after(1, &approved(&["finance"]), nobody), None);
    assert_eq!(open.after(1, &denied(), nobody), None);
}

#[test]
fn nothing_is_used_that_was_not_approved_in_time() {
    let open = asked(&[("finance", 1)]);
    assert_eq!(open.after(1, &Step::Used { intent: 9 }, by("corp|alice")), None);
    let late = Stamp { time: ENDS, ..by("corp|bob") };
    assert_eq!(open.after(1, &approved(&["finance"]), late), None);
    let approved = open.after(1, &approved(&["finance"]), by("corp|bob")).unwrap();
    for step in [denied(), Step::Expired, Step::Cancelled { reason: "policy".into() }] {
        let over = approved.after(2, &step, by("corp|bob")).unwrap();
        assert_eq!(over.after(3, &Step::Used { intent: 9 }, by("corp|alice")), None, "{step:?}");
    }
}

#[test]
fn of_two_who_decide_on_one_version_one_counts_a_thousand_times() {
    for round in 0..1_000 {
        let mut state = asked(&[("finance", 1)]);
        // Both saw version 1; the log has them in either order.
        let steps =
            [(approved(&["finance"]), "corp|bob"), (approved(&["finance"]), "corp|carol"), (denied(), "corp|dave")];
        let mut applied = 0;
        for turn in 0..steps.len() {
            let (step, who) = &steps[(turn + round) % steps.len()];
            if let Some(after) = state.after(1, step, by(who)) {
                (state, applied) = (after, applied + 1);
            }
        }
        let uses: Vec<_> = (0..2).filter_map(|_| state.after(2, &Step::Used { intent: 9 }, by("corp|alice"))).collect();
        assert_eq!(applied, 1);
        assert_eq!(state.given.len() + usize::from(matches!(state.state, ApprovalState::Denied { .. })), 1);
        if let Some(used) = uses.into_iter().next() {
            assert_eq!(used.after(2, &Step::Used { intent: 10 }, by("corp|alice")), None);
            assert_eq!(used.after(3, &Step::Used { intent: 10 }, by("corp|alice")), None);
        }
    }
}

fn leaf(seq: u64, who: Option<&str>, expects: u64, step: ApprovalStep<'_>) -> Vec<u8> {
    let body = Body::Approval(Told { id: id(), expects, policy: Some("sha256:00"), step });
    Event {
        id: EventId::random(),
        time: Timestamp::from_seconds(1_795_176_000 + seq),
        gateway: "gw",
        session: session(),
        seq,
        who,
        target: Some("crm"),
        body,
    }
    .to_leaf()
}

#[test]
fn the_log_alone_gives_the_same_and_void_steps_change_nothing() {
    let quorums = [vidimus_core::event::Quorum { rule: "finance".into(), approvers: 1 }];
    let (policies, rules, digest) = (["large".into()], ["finance".into()], "00".repeat(32));
    let requested = || ApprovalStep::Requested {
        action: "crm/refund",
        digest: &digest,
        expires: Timestamp::from_seconds(1_795_179_600),
        policies: &policies,
        quorums: &quorums,
        barred: &[],
        held: 3,
    };
    let approved = || ApprovalStep::Approved { rules: &rules, reason: Some("agreed") };
    let used = || ApprovalStep::Used { asked: (session(), 3), intent: 9 };
    let leaves = [
        (leaf(3, Some("corp|bob"), 0, approved()), Outcome::Void),
        (leaf(4, Some("corp|alice"), 0, requested()), Outcome::Applied),
        (leaf(5, Some("corp|alice"), 0, requested()), Outcome::Void),
        (leaf(6, Some("corp|alice"), 1, approved()), Outcome::Void),
        (leaf(7, Some("corp|alice"), 1, used()), Outcome::Void),
        (leaf(8, Some("corp|bob"), 1, approved()), Outcome::Applied),
        (leaf(9, Some("corp|carol"), 1, ApprovalStep::Denied { reason: "no" }), Outcome::Void),
        (leaf(10, Some("corp|alice"), 2, used()), Outcome::Applied),
        (leaf(11, Some("corp|alice"), 2, used()), Outcome::Void),
        (leaf(12, None, 3, ApprovalStep::Expired), Outcome::Void),
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("index.db");
    let (mut index, mut log) = (crate::Index::open(&path).unwrap(), ApprovalLog::default());
    for (position, (leaf, outcome)) in leaves.iter().enumerate() {
        assert_eq!(log.leaf(leaf), Some(*outcome), "{position}");
        index.apply(position as u64, &[leaf]).unwrap();
        let indexed = index.reader().unwrap().approval(&id().to_string(), |_| true);
        assert_eq!(indexed.ok(), log.0.get(&id()).cloned(), "{position}");
    }
    let reader = index.reader().unwrap();
    assert_eq!(reader.oldest_open_approval().unwrap(), Some(1), "its outcome is not known");
    let left: Vec<_> = log.left().collect();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].state.name(), left[0].version), ("used", 3));
    assert_eq!(left[0].given[0].reason.as_deref(), Some("agreed"));
    let all = ApprovalFilter { is_over: true, limit: 10 };
    assert_eq!(reader.approvals(all, |_| true).unwrap(), left);
    assert!(reader.approval("0000", |_| true).is_err() && reader.approvals(all, |_| false).unwrap().is_empty());
}

fn asked_grant() -> Approval {
    let mut request = asked(&[("finance", 1)]);
    request.ask.grant = Some(Box::new(GrantAsk {
        name: "repair".into(),
        seconds: 3_600,
        sessions: 1,
        reason: "ticket".into(),
        is_break_glass: false,
        principal: grantee(),
        address: "192.0.2.7".into(),
    }));
    request
}

fn grantee() -> Grantee {
    Grantee {
        kind: "User".into(),
        issuer: "corp".into(),
        subject: "alice".into(),
        groups: Vec::new(),
        actors: Vec::new(),
        amr: Vec::new(),
        client_id: None,
        display: None,
    }
}

fn granted() -> Step {
    let (since, until, token) = (SOON.to_owned(), ENDS.to_owned(), Some("ab".to_owned()));
    Step::Granted(Box::new(Issued {
        since,
        until,
        token,
        verifier: None,
        principal: grantee(),
        scopes: Vec::new(),
        opened: 0,
    }))
}

fn over(how: &str) -> Step {
    Step::Ended { how: how.to_owned(), reason: None }
}

#[test]
fn a_grant_is_issued_once_to_who_asked_when_it_is_approved_and_in_time() {
    let open = asked_grant();
    assert_eq!(open.after(1, &granted(), by("corp|alice")), None, "before it is approved");
    let approved = open.after(1, &approved(&["finance"]), by("corp|bob")).unwrap();
    assert_eq!(approved.after(2, &granted(), by("corp|bob")), None, "to who approved it");
    let late = Stamp { time: ENDS, ..by("corp|alice") };
    assert_eq!(approved.after(2, &granted(), late), None, "too late");
    assert_eq!(approved.after(2, &Step::Used { intent: 9 }, by("corp|alice")), None, "it is no call");
    assert_eq!(approved.after(2, &over("expired"), by("corp|bob")), None, "it is not in force");
    let in_force = approved.after(2, &granted(), by("corp|alice")).unwrap();
    assert_eq!((in_force.state.name(), in_force.version), ("granted", 3));
    for step in [granted(), denied(), Step::Expired, Step::Used { intent: 9 }, Step::Cancelled { reason: "x".into() }] {
        assert_eq!(in_force.after(3, &step, by("corp|alice")), None, "{step:?}");
    }
    let ended = in_force.after(3, &over("revoked"), by("corp|bob")).unwrap();
    assert_eq!(ended.state.name(), "ended");
    for step in [granted(), over("expired"), Step::Expired] {
        assert_eq!(ended.after(4, &step, by("corp|alice")), None, "{step:?}");
    }
    let call = asked(&[("finance", 1)]).after(1, &self::approved(&["finance"]), by("corp|bob")).unwrap();
    assert_eq!(call.after(2, &granted(), by("corp|alice")), None, "a call is no grant");
}

/// Steps in every order, by who may and who may not: what counts is what the log has first, and two readers of one log agree.
#[test]
fn the_order_of_the_log_decides_what_becomes_of_a_grant() {
    let steps = [
        approved(&["finance"]),
        denied(),
        granted(),
        over("revoked"),
        Step::Expired,
        Step::Cancelled { reason: "x".into() },
    ];
    let mut in_force = 0;
    for code in 0..steps.len().pow(4) {
        let order: Vec<&Step> = (0..4).map(|at| &steps[code / steps.len().pow(at) % steps.len()]).collect();
        for versions in [[1, 2, 3, 4], [1, 1, 2, 3], [1, 2, 2, 3]] {
            let mut state = asked_grant();
            let mut told = Vec::new();
            for (step, expects) in order.iter().zip(versions) {
                let who = if matches!(step, Step::Approved { .. }) { "corp|bob" } else { "corp|alice" };
                if let Some(after) = state.after(expects, step, by(who)) {
                    told.push(after.state.name());
                    state = after;
                }
            }
            let place = |name| told.iter().position(|told| *told == name);
            if let Some(granted) = place("granted") {
                in_force += 1;
                assert_eq!(place("approved").map(|approved| approved + 1), Some(granted), "{order:?}");
                assert!(
                    told.len() <= granted + 2 && told[granted + 1..].iter().all(|told| *told == "ended"),
                    "{told:?}"
                );
            }
            assert_eq!(state.version, 1 + told.len() as u64);
        }
    }
    assert!(in_force > 0, "orders in which nothing is granted show nothing");
}

#[test]
fn break_glass_begins_in_force_and_only_as_what_it_is() {
    let mut ask = asked_grant().ask;
    assert_eq!(Approval::opened(id(), ask.clone(), ENDS.into()), None, "a grant that nobody approved");
    ask.grant.as_mut().unwrap().is_break_glass = true;
    let glass = Approval::opened(id(), ask, ENDS.into()).unwrap();
    assert_eq!((glass.state.name(), glass.version), ("granted", 1));
    assert_eq!(glass.after(1, &granted(), by("corp|alice")), None);
    assert_eq!(glass.after(1, &over("expired"), by("corp|alice")).unwrap().state.name(), "ended");
}
