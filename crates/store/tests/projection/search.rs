//! Sessions by what was asked in them, and the list page by page.

use std::sync::Arc;

use super::*;

fn called(log: &mut Log, session: SessionId, seq: u64, tool: &str, effect: Effect, classes: &[&str]) {
    let action = Action::ToolCall(tool.into());
    let masking =
        Masking { masked: classes.iter().map(|class| (Arc::from(*class), 2)).collect(), ..Masking::default() };
    let decided = Decided { action: &action, masking: &masking, ..decided(effect) };
    let body = match effect {
        Effect::Allow => Body::OperationAdmitted(decided),
        Effect::Hold => Body::OperationHeld(decided),
        Effect::Deny => Body::OperationDenied(decided),
    };
    log.add(session, seq, Some(("corp|alice", "crm")), body);
}

/// Five sessions, each with an operation of its own kind.
fn reader(directory: &TempDir) -> Reader {
    let mut log = Log::default();
    for number in 1..=5 {
        let person = principal("alice");
        log.add(session_id(0xAB, number), 0, Some(("corp|alice", "crm")), opening(&person, None));
    }
    let id = |number| session_id(0xAB, number);
    called(&mut log, id(1), 1, "read", Effect::Allow, &[]);
    called(&mut log, id(2), 1, "refund", Effect::Allow, &["US_SSN"]);
    called(&mut log, id(3), 1, "refund", Effect::Deny, &[]);
    // The class of the one operation and the name of the other are not of one operation.
    called(&mut log, id(4), 1, "refund", Effect::Allow, &[]);
    called(&mut log, id(4), 2, "read", Effect::Allow, &["US_SSN"]);
    let found = Masking { masked: [("EMAIL_ADDRESS".into(), 3)].into(), ..Masking::default() };
    called(&mut log, id(5), 1, "read", Effect::Allow, &["EMAIL_ADDRESS"]);
    let outcome = Ended { masking: &found, intent: 1, ..ended() };
    log.add(id(5), 2, Some(("corp|alice", "crm")), Body::OperationOutcome(outcome));
    Reader::open(&made_at_once(directory, &log)).unwrap()
}

fn found(reader: &Reader, filter: SessionFilter) -> Vec<u8> {
    let filter = SessionFilter { limit: 10, ..filter };
    let mut found: Vec<u8> =
        reader.sessions(&filter).unwrap().iter().map(|row| *row.id.as_bytes().last().unwrap()).collect();
    found.sort_unstable();
    found
}

#[test]
fn sessions_are_found_by_one_operation_that_meets_all_conditions() {
    let directory = TempDir::new().unwrap();
    let reader = reader(&directory);
    let any = SessionFilter::default;
    let named = |action: &str| SessionFilter { action: Some(action.into()), ..any() };
    let class = |filter: SessionFilter, class: &str| SessionFilter { class: Some(class.into()), ..filter };
    assert_eq!(found(&reader, named("crm/refund")), [2, 3, 4]);
    assert_eq!(found(&reader, named("crm/nothing")), [0; 0]);
    assert_eq!(found(&reader, named("' OR 1 --")), [0; 0]);
    assert_eq!(found(&reader, SessionFilter { effect: Some(Effect::Deny), ..any() }), [3]);
    assert_eq!(found(&reader, SessionFilter { effect: Some(Effect::Allow), ..named("crm/refund") }), [2, 4]);
    assert_eq!(found(&reader, class(any(), "US_SSN")), [2, 4]);
    assert_eq!(found(&reader, class(named("crm/refund"), "US_SSN")), [2]);
    assert_eq!(found(&reader, class(any(), "EMAIL_ADDRESS")), [5], "masked in a request and in its result");
    assert_eq!(found(&reader, SessionFilter { who: Some("corp|bob".into()), ..named("crm/refund") }), [0; 0]);
}

#[test]
fn a_list_goes_on_where_it_stopped() {
    let directory = TempDir::new().unwrap();
    let reader = reader(&directory);
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = reader.sessions(&SessionFilter { after, limit: 2, ..SessionFilter::default() }).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        pages.push(page.iter().map(|row| *row.id.as_bytes().last().unwrap()).collect::<Vec<_>>());
    }
    assert_eq!(pages, [vec![5, 4], vec![3, 2], vec![1]]);
    let unknown = SessionFilter { after: Some(session_id(9, 9)), limit: 2, ..SessionFilter::default() };
    assert_eq!(reader.sessions(&unknown).unwrap(), [], "nothing follows what is not there");
}
