//! What is sent in the place of what was asked for, and what a client hears of it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use vidimus_core::json::Value;

use super::*;
use crate::frontend;

const NOTHING: StatementChanges = StatementChanges { max_rows: None, read_only: false };
const FEW: StatementChanges = StatementChanges { max_rows: Some(10), ..NOTHING };
const READ: StatementChanges = StatementChanges { read_only: true, ..NOTHING };
const BOTH: StatementChanges = StatementChanges { max_rows: Some(10), read_only: true };

fn with<T>(text: &str, way: Way, then: impl FnOnce(&Restating<'_>) -> T) -> T {
    let statements = [Arc::new(Known::of(Text::from(text)))];
    let mut wire = BytesMut::new();
    match &way {
        Way::Query => FrontendMessage::Query(Text::from(text)).encode(&mut wire).unwrap(),
        Way::Execute { execute, .. } => {
            // What was bound before it.
            FrontendMessage::Sync.encode(&mut wire).unwrap();
            FrontendMessage::Execute(execute.clone()).encode(&mut wire).unwrap();
        }
        Way::Prepare { .. } => FrontendMessage::Sync.encode(&mut wire).unwrap(),
    }
    let (wire, address) = (wire.freeze(), Ipv4Addr::LOCALHOST.into());
    then(&Restating { asked: Asked::new(&statements, &[], BTreeSet::new()), way, wire, address, serial: 7 })
}

fn portal(max_rows: i32, given: u64) -> Way {
    let execute = Execute { portal: Text::from("p"), max_rows };
    let mut wire = BytesMut::new();
    FrontendMessage::Execute(execute.clone()).encode(&mut wire).unwrap();
    Way::Execute { execute, bytes: wire.len(), given }
}

/// The messages of a wire.
fn messages(operation: &Operation) -> Vec<FrontendMessage> {
    let mut wire = BytesMut::from(&operation.wire[..]);
    std::iter::from_fn(|| frontend::decode(&mut wire, &frontend::Limits::default()).unwrap())
        .map(|(message, _)| message)
        .collect()
}

fn recorded(operation: &Operation, name: &str) -> Option<String> {
    let document = &operation.arguments.as_ref().unwrap().document;
    document.root().at(&[name]).map(|value: Value<'_>| value.raw().to_owned())
}

#[test]
fn a_simple_query_becomes_another_text() {
    for (text, changes, sent, limit) in [
        ("select 1 -- x", FEW, "select 1 LIMIT 10 -- x", Some(10)),
        ("select 1 limit 5", BOTH, "SET TRANSACTION READ ONLY;select 1 limit 5", Some(5)),
        ("table t;", BOTH, "SET TRANSACTION READ ONLY;table t LIMIT 10;", Some(10)),
        ("/* a */ select f()", READ, "SET TRANSACTION READ ONLY;/* a */ select f()", None),
        ("copy (select f()) to stdout", READ, "SET TRANSACTION READ ONLY;copy (select f()) to stdout", None),
    ] {
        with(text, Way::Query, |restating| {
            let operation = restating.restated(changes).unwrap();
            assert_eq!(messages(&operation), [FrontendMessage::Query(Text::from(sent))], "{text}");
            let facts = operation.sql.as_ref().unwrap();
            assert_eq!((facts.limit, facts.read_only), (limit, changes.read_only), "{text}");
            let own = sent.strip_prefix("SET TRANSACTION READ ONLY;").unwrap_or(sent);
            assert_eq!(recorded(&operation, "sql"), Some(format!("\"{own}\"")), "{text}");
            assert_eq!(recorded(&operation, "read_only").is_some(), changes.read_only, "{text}");
        });
    }
}

#[test]
fn what_does_not_fit_is_not_sent_otherwise() {
    for (text, changes) in [
        ("select 1 limit 5", FEW),
        ("select 1 limit $1", FEW),
        ("select 1; select 2", FEW),
        ("select 1; select 2", READ),
        ("insert into t values (1) returning *", FEW),
        ("insert into t values (1)", READ),
        ("with d as (delete from t returning *) select * from d", BOTH),
        ("select * into u from t", READ),
        ("select * from t for update", READ),
        ("copy t to stdout", FEW),
        ("declare c cursor for select 1", FEW),
        ("fetch all from c", FEW),
        ("explain analyze select 1", FEW),
        ("declare c cursor for select f()", READ),
        ("fetch all from c", READ),
        ("prepare p as select f()", READ),
        ("set transaction read write", READ),
        ("begin read write", READ),
        ("call p()", READ),
        ("do $$ begin commit; end $$", READ),
        ("select query_to_xml('delete from t', true, true, '')", READ),
        ("selec 1", READ),
        ("", READ),
    ] {
        with(text, Way::Query, |restating| {
            assert!(restating.restated(changes).is_err(), "{text}");
            assert!(changes == FEW && text.contains("limit") || restating.altered(changes).is_err(), "{text}");
        });
    }
}

#[test]
fn all_executes_of_a_portal_have_the_rows_together() {
    let rows = |count, is_end| Ok(Some(Rows { count, is_end }));
    for (max_rows, given, expected) in [
        (0, 0, rows(10, true)),
        (-5, 0, rows(10, true)),
        (4, 0, rows(4, false)),
        (4, 4, rows(4, false)),
        (4, 8, rows(2, true)),
        (2, 8, rows(2, true)),
        (100, 0, rows(10, true)),
    ] {
        with("select * from t limit $1", portal(max_rows, given), |restating| {
            assert_eq!(restating.rows(FEW), expected, "{max_rows} after {given}");
            let operation = restating.restated(FEW).unwrap();
            let sent = messages(&operation);
            let Some(FrontendMessage::Execute(execute)) = sent.last() else { panic!("{sent:?}") };
            assert_eq!(i64::from(execute.max_rows), i64::from(expected.unwrap().unwrap().count));
            assert_eq!((sent.len(), operation.sql.as_ref().unwrap().limit), (2, Some(10)));
            assert_eq!(recorded(&operation, "max_rows"), Some(execute.max_rows.to_string()));
        });
    }
    with("select 1", portal(0, 10), |restating| {
        assert!(restating.restated(FEW).unwrap_err().contains("has given the 10 rows"));
    });
    // Of rows that are more than can be asked for, as many as can.
    with("select 1", portal(0, 0), |restating| {
        let many = StatementChanges { max_rows: Some(u64::MAX), ..NOTHING };
        assert_eq!(restating.rows(many), rows(i32::MAX, true));
    });
}

#[test]
fn what_is_run_before_leaves_nothing_and_takes_no_name_of_the_clients() {
    for way in [portal(0, 0), Way::Prepare { first: first() }] {
        with("select f()", way, |restating| {
            let sent = messages(&restating.restated(READ).unwrap());
            let (own, rest) = sent.split_at(OWN.len());
            let [
                FrontendMessage::Parse(parse),
                FrontendMessage::Bind(bind),
                FrontendMessage::Close(Named::Statement(statement)),
                FrontendMessage::Execute(execute),
                FrontendMessage::Close(Named::Portal(portal)),
            ] = own
            else {
                panic!("{sent:?}")
            };
            assert_eq!(parse.text.as_str(), READ_ONLY);
            for name in [&parse.name, &bind.statement, &bind.portal, statement, &execute.portal, portal] {
                assert_eq!(name.as_str(), "VIDIMUS READ ONLY 7");
            }
            assert_eq!(rest[0], FrontendMessage::Sync);
        });
    }
}

/// Some request.
fn first() -> RequestId {
    let mut order = crate::order::Order::new();
    match order.sends(&FrontendMessage::Sync, crate::order::Origin::Client) {
        Ok(crate::order::Sent::Request(request)) => request.id,
        other => panic!("{other:?}"),
    }
}

fn heard(altered: &mut Altered, message: BackendMessage) -> Option<BackendMessage> {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes).unwrap();
    let (told, frame) = altered.heard(message, Frame::of(bytes.freeze())).unwrap()?;
    assert_eq!(BackendMessage::read(&frame).unwrap(), told);
    Some(told)
}

fn error_at(place: Option<usize>) -> BackendMessage {
    let mut fields = Notice::error("42703", "no such column", None, None).fields().to_vec();
    fields.extend(place.map(|place| (field::POSITION, Bytes::from(place.to_string()))));
    BackendMessage::ErrorResponse(Notice::of(fields))
}

#[test]
fn places_of_errors_are_those_in_the_clients_text() {
    let text = "select 'ü', x from t limit 5000 offset y";
    let place = |words: &str| text.chars().count() - text[text.find(words).unwrap()..].chars().count() + 1;
    for changes in [FEW, READ, BOTH] {
        with(text, Way::Query, |restating| {
            let operation = restating.restated(changes).unwrap();
            let [FrontendMessage::Query(sent)] = &messages(&operation)[..] else { panic!("{operation:?}") };
            for words in ["select", "x from", "offset", "y"] {
                let sent = sent.as_str();
                let told = sent.chars().count() - sent[sent.rfind(words).unwrap()..].chars().count() + 1;
                let mut altered = restating.altered(changes).unwrap();
                let heard = heard(&mut altered, error_at(Some(told)));
                assert_eq!(heard, Some(error_at(Some(place(words)))), "{words} of {sent}");
            }
            let mut altered = restating.altered(changes).unwrap();
            let own = heard(&mut altered, error_at(Some(1)));
            assert_eq!(own, Some(error_at((!changes.read_only).then_some(1))));
            assert_eq!(heard(&mut altered, error_at(None)), Some(error_at(None)));
        });
    }
}

#[test]
fn of_the_gateways_own_nothing_is_heard_and_the_last_row_is_the_end() {
    let done = |tag: &str| BackendMessage::CommandComplete(CommandTag(Bytes::copy_from_slice(tag.as_bytes())));
    let mut altered = with("select f()", Way::Query, |restating| restating.altered(READ).unwrap());
    let warning = BackendMessage::NoticeResponse(Notice::told("WARNING", NO_TRANSACTION, "none", None, None));
    assert_eq!(heard(&mut altered, warning.clone()), None);
    assert_eq!(heard(&mut altered, done("SET")), None);
    assert_eq!(heard(&mut altered, done("SELECT 1")), Some(done("SELECT 1")));
    assert_eq!(heard(&mut altered, warning.clone()), Some(warning));

    let mut altered = with("select 1", portal(4, 8), |restating| restating.altered(FEW).unwrap());
    assert_eq!(heard(&mut altered, BackendMessage::PortalSuspended), Some(done("SELECT 2")));
    let mut altered = with("select 1", portal(4, 0), |restating| restating.altered(FEW).unwrap());
    assert_eq!(heard(&mut altered, BackendMessage::PortalSuspended), Some(BackendMessage::PortalSuspended));
}
