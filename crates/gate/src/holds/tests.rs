//! The table: how much it holds, for all and for each, and that what is over is forgotten.

use std::time::{Duration, Instant};

use vidimus_core::{ApprovalId, SessionId, Timestamp};
use vidimus_store::{Approval, Ask, Quorum};

use super::digest::Digests;
use super::table::{Full, Holds, hex};
use crate::keys::Secret;
use crate::steps::Steps;

const PRINCIPALS: usize = 100;
const EACH: usize = 100;

fn approval(number: usize) -> Approval {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let expires = Timestamp::from_seconds(1_795_176_000 + number as u64);
    Approval::new(
        ApprovalId::random(),
        Ask {
            who: format!("corp|{}", number % PRINCIPALS),
            target: "crm".into(),
            action: "crm/refund".into(),
            digest: hex(&digest),
            session: SessionId::random(),
            held: 7,
            requested: Timestamp::from_seconds(1_795_176_000).to_string(),
            expires: expires.to_string(),
            policies: vec!["large-refund".into()],
            policy: format!("sha256:{}", "ab".repeat(32)),
            quorums: vec![Quorum { rule: "finance".into(), approvers: 2 }],
            barred: Vec::new(),
            grant: None,
        },
    )
}

#[test]
fn ten_thousand_requests_are_open_at_once_and_no_principal_takes_them_all() {
    let approvals: Vec<_> = (0..PRINCIPALS * EACH).map(approval).collect();
    let first = approvals[0].clone();
    let begun = Instant::now();
    let holds = Holds::new(Digests::new(&Secret::new([1; 32])).unwrap(), approvals.clone(), Steps::default());
    let mut table = holds.table();
    assert_eq!(table.all().count(), 10_000);
    assert_eq!((table.room("corp|5"), table.room("corp|new")), (Err(Full::Principal), Err(Full::All)));
    for approval in &approvals {
        assert_eq!(table.by_id(approval.id).unwrap().approval.id, approval.id);
    }
    table.remove(first.id);
    assert_eq!((table.room("corp|0"), table.room("corp|5")), (Ok(()), Err(Full::Principal)));
    assert_eq!(table.room("corp|new"), Ok(()));
    for approval in &approvals {
        table.remove(approval.id);
    }
    drop(table);
    assert!(!holds.has_any("corp|5") && holds.table().room("corp|5") == Ok(()));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_later_request_for_the_same_call_takes_the_place_of_the_one_before() {
    let (old, new) = (approval(7), approval(7));
    let holds = Holds::new(Digests::new(&Secret::new([1; 32])).unwrap(), [old.clone(), new.clone()], Steps::default());
    let mut table = holds.table();
    let mut digest = [0; 32];
    digest[7] = 7;
    assert_eq!(table.by_digest(&digest).unwrap().approval.id, new.id);
    table.remove(old.id);
    assert_eq!(table.by_digest(&digest).unwrap().approval.id, new.id, "the end of the old one takes nothing away");
    table.remove(new.id);
    assert!(table.by_digest(&digest).is_none());
}

#[test]
fn a_clock_that_is_set_back_gives_a_request_no_more_than_its_time() {
    let mut brief = approval(1);
    brief.ask.expires = (Timestamp::from_seconds(1_795_176_000) + Duration::from_millis(50)).to_string();
    let id = brief.id;
    let holds = Holds::new(Digests::new(&Secret::new([1; 32])).unwrap(), [brief], Steps::default());
    // An hour before it was asked for.
    let now = Timestamp::from_seconds(1_795_172_400);
    assert!(!holds.table().by_id(id).unwrap().is_over(now));
    std::thread::sleep(Duration::from_millis(60));
    assert!(holds.table().by_id(id).unwrap().is_over(now));
}
