//! Orders of messages that PostgreSQL's documentation allows, and those that it does not.

use bytes::Bytes;

use super::*;
use crate::backend::{CommandTag, CopyResponse};
use crate::frontend::{Bind, Execute, Parse};
use crate::notice::Notice;
use crate::read::{Format, Text};
use crate::row::{DataRow, RowDescription};

fn parse() -> FrontendMessage {
    let (name, text) = (Text::EMPTY, Text::from("SELECT 1"));
    FrontendMessage::Parse(Parse { name, text, parameter_types: Vec::new() })
}

fn bind() -> FrontendMessage {
    let empty = Vec::new;
    FrontendMessage::Bind(Bind {
        portal: Text::EMPTY,
        statement: Text::EMPTY,
        value_formats: empty(),
        values: Vec::new(),
        result_formats: empty(),
    })
}

fn execute() -> FrontendMessage {
    FrontendMessage::Execute(Execute { portal: Text::EMPTY, max_rows: 0 })
}

fn query() -> FrontendMessage {
    FrontendMessage::Query(Text::from("SELECT 1"))
}

fn data() -> FrontendMessage {
    FrontendMessage::CopyData(Bytes::from_static(b"1\n"))
}

fn complete() -> BackendMessage {
    BackendMessage::CommandComplete(CommandTag(Bytes::from_static(b"SELECT 1")))
}

fn row() -> BackendMessage {
    BackendMessage::DataRow(DataRow::of([Some(&b"1"[..])]).unwrap())
}

fn columns() -> BackendMessage {
    BackendMessage::RowDescription(RowDescription::default())
}

fn error() -> BackendMessage {
    BackendMessage::ErrorResponse(Notice::error("22012", "division by zero", None, None))
}

fn ready() -> BackendMessage {
    BackendMessage::ReadyForQuery(TransactionStatus::Idle)
}

fn copy_in() -> BackendMessage {
    BackendMessage::CopyInResponse(CopyResponse { format: Format::Text, columns: vec![Format::Text] })
}

fn copy_out() -> BackendMessage {
    BackendMessage::CopyOutResponse(CopyResponse { format: Format::Text, columns: vec![Format::Text] })
}

/// An order after the client has sent these.
fn sent(messages: &[FrontendMessage]) -> Order {
    let mut order = Order::new();
    for message in messages {
        assert!(matches!(order.sends(message, Origin::Client).unwrap(), Sent::Request(_)));
    }
    order
}

/// The kind that a message answers, and whether that is all.
fn answers(order: &mut Order, message: &BackendMessage) -> (RequestKind, bool) {
    match order.receives(message).unwrap() {
        Answer::To { request, is_last, .. } => (request.kind, is_last),
        other => panic!("{other:?}"),
    }
}

fn drops(order: &mut Order, message: &FrontendMessage) {
    assert_eq!(order.sends(message, Origin::Client).unwrap(), Sent::Dropped, "{message:?}");
}

#[test]
fn answers_are_of_the_requests_in_turn() {
    let mut order = sent(&[parse(), bind(), execute(), FrontendMessage::Sync, query(), query()]);
    assert_eq!(answers(&mut order, &BackendMessage::ParseComplete), (RequestKind::Parse, true));
    assert_eq!(answers(&mut order, &BackendMessage::BindComplete), (RequestKind::Bind, true));
    assert_eq!(answers(&mut order, &row()), (RequestKind::Execute, false));
    assert_eq!(answers(&mut order, &BackendMessage::PortalSuspended), (RequestKind::Execute, true));
    assert_eq!(answers(&mut order, &ready()), (RequestKind::Sync, true));
    for _ in 0..2 {
        for message in [columns(), row(), row(), complete(), complete(), columns(), complete()] {
            assert_eq!(answers(&mut order, &message), (RequestKind::Query, false));
        }
        assert_eq!(answers(&mut order, &ready()), (RequestKind::Query, true));
    }
    assert_eq!(order.pending(), 0);
}

#[test]
fn a_failure_skips_the_rest_of_its_batch_and_no_more() {
    let mut order = sent(&[parse(), bind(), query(), FrontendMessage::Sync, parse()]);
    let Answer::To { request, is_last: true, skipped } = order.receives(&error()).unwrap() else { panic!() };
    assert_eq!(request.kind, RequestKind::Parse);
    let kinds: Vec<_> = skipped.iter().map(|request| request.kind).collect();
    assert_eq!(kinds, [RequestKind::Bind, RequestKind::Query]);
    assert!(!order.is_failed(), "its Sync is on its way");
    assert_eq!(answers(&mut order, &ready()), (RequestKind::Sync, true));

    // Without a Sync on its way, what comes next is dropped, whatever it is.
    order.receives(&error()).unwrap();
    assert!(order.is_failed());
    for message in [parse(), bind(), execute(), query(), FrontendMessage::Flush, data(), FrontendMessage::CopyDone] {
        drops(&mut order, &message);
    }
    order.sends(&FrontendMessage::Sync, Origin::Client).unwrap();
    assert_eq!(answers(&mut order, &ready()), (RequestKind::Sync, true));
    order.sends(&query(), Origin::Client).unwrap();
    assert_eq!(order.pending(), 1);
}

#[test]
fn a_failed_query_skips_nothing() {
    let mut order = sent(&[query(), query()]);
    for message in [columns(), row(), error()] {
        assert_eq!(answers(&mut order, &message), (RequestKind::Query, false));
    }
    order.receives(&error()).unwrap_err();
    order.receives(&complete()).unwrap_err();
    assert_eq!(answers(&mut order, &ready()), (RequestKind::Query, true));
    assert_eq!(answers(&mut order, &complete()), (RequestKind::Query, false));
    assert_eq!(answers(&mut order, &ready()), (RequestKind::Query, true));
}

#[test]
fn what_answers_nothing_is_refused() {
    for message in [ready(), complete(), row(), error(), BackendMessage::ParseComplete, copy_in()] {
        let error = Order::new().receives(&message).unwrap_err();
        assert_eq!((error.peer(), error.sqlstate()), (Peer::Server, "08P01"));
    }
    for message in [ready(), row(), BackendMessage::BindComplete, BackendMessage::CopyDone] {
        sent(&[query()]).receives(&message).unwrap_err();
    }
    for message in [columns(), BackendMessage::NoData, BackendMessage::ParseComplete, ready()] {
        sent(&[execute()]).receives(&message).unwrap_err();
    }
    let portal = FrontendMessage::Describe(Named::Portal(Text::EMPTY));
    sent(&[portal]).receives(&BackendMessage::ParameterDescription(Vec::new())).unwrap_err();
    let statement = FrontendMessage::Describe(Named::Statement(Text::EMPTY));
    sent(&[statement]).receives(&columns()).unwrap_err();
    let both = BackendMessage::CopyBothResponse(CopyResponse { format: Format::Text, columns: Vec::new() });
    sent(&[query()]).receives(&both).unwrap_err();
    sent(&[query()]).receives(&BackendMessage::Authentication(crate::backend::Authentication::Ok)).unwrap_err();
}

#[test]
fn clients_send_no_copy_data_without_a_copy_and_nothing_after_the_end() {
    let password = FrontendMessage::Password(crate::frontend::Password::new(Bytes::new()));
    for message in [data(), FrontendMessage::CopyDone, FrontendMessage::CopyFail(Text::EMPTY), password] {
        let error = Order::new().sends(&message, Origin::Client).unwrap_err();
        assert_eq!((error.peer(), error.sqlstate()), (Peer::Client, "08P01"));
    }
    let mut order = Order::new();
    assert_eq!(order.sends(&FrontendMessage::Terminate, Origin::Client).unwrap(), Sent::Passed);
    for message in [query(), FrontendMessage::Sync, FrontendMessage::Terminate] {
        order.sends(&message, Origin::Client).unwrap_err();
    }
}

#[test]
fn copy_from_the_client() {
    let mut order = sent(&[query()]);
    assert_eq!(answers(&mut order, &copy_in()), (RequestKind::Query, false));
    assert!(order.is_copy_in());
    order.sends(&query(), Origin::Client).unwrap_err();
    drops(&mut order, &FrontendMessage::Sync);
    drops(&mut order, &FrontendMessage::Flush);
    order.receives(&complete()).unwrap_err();
    for message in [data(), data(), FrontendMessage::CopyDone] {
        assert_eq!(order.sends(&message, Origin::Client).unwrap(), Sent::Passed);
    }
    order.sends(&data(), Origin::Client).unwrap_err();
    assert_eq!(answers(&mut order, &complete()), (RequestKind::Query, false));
    assert_eq!(answers(&mut order, &ready()), (RequestKind::Query, true));
}

#[test]
fn a_copy_that_the_server_gives_up_leaves_data_that_nobody_wants() {
    let mut order = sent(&[query()]);
    order.receives(&copy_in()).unwrap();
    order.sends(&data(), Origin::Client).unwrap();
    assert_eq!(answers(&mut order, &error()), (RequestKind::Query, false));
    assert_eq!(answers(&mut order, &ready()), (RequestKind::Query, true));
    drops(&mut order, &data());
    drops(&mut order, &FrontendMessage::CopyDone);
    order.sends(&data(), Origin::Client).unwrap_err();
}

#[test]
fn a_sync_ahead_of_copy_data_counts_only_if_the_server_says_so() {
    // It was read as part of the COPY.
    let mut order = sent(&[bind(), execute(), FrontendMessage::Sync]);
    order.receives(&BackendMessage::BindComplete).unwrap();
    order.receives(&copy_in()).unwrap();
    assert_eq!(order.pending(), 1);
    order.sends(&FrontendMessage::CopyDone, Origin::Client).unwrap();
    // Whether the server would run it, nobody can tell yet.
    order.sends(&query(), Origin::Client).unwrap_err();
    order.sends(&FrontendMessage::Sync, Origin::Client).unwrap();
    order.sends(&query(), Origin::Client).unwrap();
    assert_eq!(answers(&mut order, &complete()), (RequestKind::Execute, true));
    assert_eq!(answers(&mut order, &ready()), (RequestKind::Sync, true));
    order.receives(&ready()).unwrap_err();
    assert_eq!(answers(&mut order, &complete()), (RequestKind::Query, false));

    // The COPY failed before it was read, and the client makes its next requests meanwhile.
    let mut order = sent(&[bind(), execute(), FrontendMessage::Sync]);
    order.receives(&BackendMessage::BindComplete).unwrap();
    order.receives(&copy_in()).unwrap();
    assert_eq!(answers(&mut order, &error()), (RequestKind::Execute, true));
    drops(&mut order, &data());
    order.sends(&FrontendMessage::Sync, Origin::Client).unwrap();
    order.sends(&query(), Origin::Client).unwrap();
    assert_eq!(answers(&mut order, &ready()), (RequestKind::Sync, true));
    assert_eq!(order.receives(&ready()).unwrap(), Answer::Unasked, "not the answer to the query");
    order.receives(&ready()).unwrap_err();
    assert_eq!(answers(&mut order, &columns()), (RequestKind::Query, false));
}

#[test]
fn requests_behind_a_copy_from_the_client_are_refused() {
    let mut order = sent(&[query(), query()]);
    let error = order.receives(&copy_in()).unwrap_err();
    assert_eq!(error.peer(), Peer::Client);
}

#[test]
fn copy_to_the_client() {
    let out = BackendMessage::CopyData(Bytes::from_static(b"1\n"));
    for (request, last) in [(query(), false), (execute(), true)] {
        let mut order = sent(&[request]);
        order.receives(&out).unwrap_err();
        order.receives(&copy_out()).unwrap();
        order.receives(&out).unwrap();
        order.receives(&complete()).unwrap_err();
        order.receives(&BackendMessage::CopyDone).unwrap();
        order.receives(&out).unwrap_err();
        assert_eq!(answers(&mut order, &complete()).1, last);
    }
}

#[test]
fn what_may_come_at_any_time_answers_nothing() {
    let mut order = sent(&[query()]);
    let notice = BackendMessage::NoticeResponse(Notice::told("NOTICE", "00000", "noticed", None, None));
    assert_eq!(order.receives(&notice).unwrap(), Answer::Unasked);
    assert_eq!(order.pending(), 1);
    let fatal = BackendMessage::ErrorResponse(Notice::fatal("57P01", "terminating connection", None, None));
    assert_eq!(order.receives(&fatal).unwrap(), Answer::End);
    assert_eq!(Order::new().receives(&fatal).unwrap(), Answer::End);
    order.sends(&query(), Origin::Client).unwrap_err();
}

#[test]
fn unanswered_requests_are_bounded() {
    let mut order = Order::new();
    for _ in 0..MAX_PENDING {
        order.sends(&parse(), Origin::Client).unwrap();
    }
    assert_eq!(order.sends(&parse(), Origin::Client).unwrap_err().sqlstate(), "54000");
}

#[test]
fn the_gateways_own_requests_are_told_apart() {
    let mut order = sent(&[parse()]);
    order.sends(&FrontendMessage::Describe(Named::Statement(Text::EMPTY)), Origin::Gateway).unwrap();
    order.receives(&BackendMessage::ParseComplete).unwrap();
    assert_eq!(order.current().unwrap().origin, Origin::Gateway);
}

#[test]
fn a_refusal_in_the_place_of_a_request_fails_in_its_turn() {
    for message in [parse(), bind(), execute()] {
        assert!(matches!(message.failing(), Some(FrontendMessage::Parse(parse)) if !parse.name.is_empty()));
        let mut order = sent(&[bind(), message, FrontendMessage::Sync]);
        order.receives(&BackendMessage::BindComplete).unwrap();
        assert!(answers(&mut order, &error()).1);
        assert_eq!(answers(&mut order, &ready()), (RequestKind::Sync, true));
    }
    assert!(matches!(query().failing(), Some(FrontendMessage::Query(_))));
    assert_eq!(FrontendMessage::Sync.failing(), None);
}

#[test]
fn what_the_gateway_runs_before_a_request_is_answered_before_it() {
    let mut order = Order::new();
    let sent = |order: &mut Order, message: &FrontendMessage| match order.sends(message, Origin::Client).unwrap() {
        Sent::Request(request) => request,
        other => panic!("{other:?}"),
    };
    let [earlier, first, last] = [bind(), parse(), execute()].map(|message| sent(&mut order, &message));
    let own = [RequestKind::Parse, RequestKind::Execute, RequestKind::Close];
    assert!(order.precede(first.id, &own));
    let mut answered = Vec::new();
    let answers =
        [BackendMessage::BindComplete, BackendMessage::ParseComplete, complete(), BackendMessage::CloseComplete];
    for answer in answers.into_iter().chain([BackendMessage::ParseComplete, complete()]) {
        match order.receives(&answer).unwrap() {
            Answer::To { request, is_last: true, .. } => answered.push(request),
            other => panic!("{other:?}"),
        }
    }
    assert!(answered.is_sorted_by_key(|request| request.id));
    assert_eq!((answered[0], answered[4], answered[5]), (earlier, first, last));
    let kinds: Vec<_> = answered[1..4].iter().map(|request| (request.kind, request.origin)).collect();
    assert_eq!(kinds, own.map(|kind| (kind, Origin::Gateway)));
    // Of what the server has dropped nothing is run before.
    assert!(!order.precede(last.id, &own));
    let [first, last] = [parse(), execute()].map(|message| sent(&mut order, &message));
    assert!(order.precede(first.id, &own));
    let Answer::To { request, skipped, .. } = order.receives(&error()).unwrap() else { panic!("no answer") };
    assert_eq!((request.origin, skipped.len()), (Origin::Gateway, 4));
    assert_eq!(skipped.last(), Some(&last));
}
