//! What a name stands for, through failures, pipelines and ends of transactions.

use super::*;
use crate::frontend::Execute;
use crate::notice::Notice;
use crate::order::{Order, Origin, Sent};

/// A session: the server's answers are given by the test.
#[derive(Default)]
struct Session {
    order: Order,
    names: Names,
}

impl Session {
    fn try_send(&mut self, message: &FrontendMessage) -> Result<(), NameError> {
        self.names.check(message)?;
        if let Sent::Request(request) = self.order.sends(message, Origin::Client).unwrap() {
            self.names.sent(request, message);
        }
        Ok(())
    }

    fn send(&mut self, message: &FrontendMessage) {
        self.try_send(message).unwrap();
    }

    fn answer(&mut self, message: &BackendMessage) {
        let answer = self.order.receives(message).unwrap();
        self.names.answered(message, &answer);
    }

    fn text(&self, name: &str) -> Lookup<String> {
        match self.names.statement(&Text::from(name)) {
            Lookup::Known(statement) => Lookup::Known(statement.text.to_string()),
            Lookup::Unknown => Lookup::Unknown,
            Lookup::Unsettled => Lookup::Unsettled,
        }
    }
}

fn known(text: &str) -> Lookup<String> {
    Lookup::Known(text.to_owned())
}

fn parse(name: &str, text: &str) -> FrontendMessage {
    FrontendMessage::Parse(Parse { name: name.into(), text: text.into(), parameter_types: vec![23] })
}

fn bind_value(portal: &str, statement: &str, value: &'static [u8]) -> FrontendMessage {
    FrontendMessage::Bind(Bind {
        portal: portal.into(),
        statement: statement.into(),
        value_formats: Vec::new(),
        values: vec![Some(Bytes::from_static(value))],
        result_formats: vec![Format::Binary],
    })
}

fn bind(portal: &str, statement: &str) -> FrontendMessage {
    bind_value(portal, statement, b"7")
}

fn execute(portal: &str) -> FrontendMessage {
    FrontendMessage::Execute(Execute { portal: portal.into(), max_rows: 0 })
}

fn close(name: &str) -> FrontendMessage {
    FrontendMessage::Close(Named::Statement(name.into()))
}

const PARSED: BackendMessage = BackendMessage::ParseComplete;
const BOUND: BackendMessage = BackendMessage::BindComplete;
const CLOSED: BackendMessage = BackendMessage::CloseComplete;
const READY: BackendMessage = BackendMessage::ReadyForQuery(TransactionStatus::Idle);
const IN_TRANSACTION: BackendMessage = BackendMessage::ReadyForQuery(TransactionStatus::InTransaction);
const SYNC: FrontendMessage = FrontendMessage::Sync;

fn error() -> BackendMessage {
    BackendMessage::ErrorResponse(Notice::error("42601", "syntax error", None, None))
}

#[test]
fn a_definition_counts_at_once_in_its_own_batch() {
    let mut session = Session::default();
    session.send(&parse("s", "SELECT $1"));
    assert_eq!(session.text("s"), known("SELECT $1"));
    session.send(&bind("p", "s"));
    session.send(&execute("p"));
    session.send(&SYNC);
    assert_eq!(session.text("s"), Lookup::Unsettled);
    for message in [PARSED, BOUND] {
        session.answer(&message);
    }
    assert_eq!(session.text("s"), known("SELECT $1"));
    let portal = session.names.answering_portal(&"p".into()).unwrap();
    let values: Vec<_> = portal.values().collect();
    assert_eq!(values, [(23, Format::Text, Some(&Bytes::from_static(b"7")))]);
}

#[test]
fn a_failed_batch_leaves_names_as_they_were() {
    let mut session = Session::default();
    session.send(&parse("s", "harmful"));
    session.send(&SYNC);
    session.answer(&PARSED);
    session.answer(&READY);

    // The first fails, so the name is neither closed nor given to another statement.
    session.send(&parse("t", "wrong"));
    session.send(&close("s"));
    session.send(&parse("s", "harmless"));
    assert_eq!(session.text("s"), known("harmless"));
    session.send(&SYNC);
    assert_eq!(session.try_send(&bind("", "s")), Err(NameError::Unsettled(NameKind::Statement)));
    session.answer(&error());
    assert_eq!(session.text("s"), known("harmful"));
    assert_eq!(session.text("t"), Lookup::Unknown);
    session.answer(&READY);
    session.send(&bind("", "s"));
}

#[test]
fn names_are_not_taken_twice_and_unknown_ones_are_not_used() {
    let mut session = Session::default();
    session.send(&parse("s", "SELECT 1"));
    assert_eq!(session.try_send(&parse("s", "SELECT 2")), Err(NameError::Taken(NameKind::Statement)));
    session.send(&bind("p", "s"));
    assert_eq!(session.try_send(&bind("p", "s")).unwrap_err().sqlstate(), "42P03");
    assert_eq!(session.try_send(&bind("", "other")).unwrap_err().sqlstate(), "26000");
    assert_eq!(session.try_send(&execute("other")).unwrap_err().sqlstate(), "34000");
    session.send(&bind("", "s"));
    session.send(&bind("", "s"));
    session.send(&close("s"));
    assert_eq!(session.text("s"), Lookup::Unknown);
    session.send(&parse("s", "SELECT 2"));
}

#[test]
fn unnamed_ones_are_replaced_and_end_with_a_query_or_a_failure() {
    let mut session = Session::default();
    session.send(&parse("", "one"));
    session.send(&parse("", "two"));
    session.answer(&PARSED);
    session.answer(&PARSED);
    assert_eq!(session.text(""), known("two"));
    session.send(&FrontendMessage::Query("SELECT 1".into()));
    assert_eq!(session.text(""), Lookup::Unknown);
    session.answer(&BackendMessage::EmptyQueryResponse);
    session.answer(&READY);
    assert_eq!(session.text(""), Lookup::Unknown);

    session.send(&parse("", "three"));
    session.answer(&PARSED);
    session.send(&parse("", "wrong"));
    session.answer(&error());
    assert_eq!(session.text(""), Lookup::Unknown);
}

#[test]
fn portals_end_with_the_transaction() {
    let mut session = Session::default();
    session.send(&parse("s", "SELECT 1"));
    session.send(&bind("p", "s"));
    session.send(&SYNC);
    assert_eq!(session.try_send(&execute("p")), Err(NameError::Unsettled(NameKind::Portal)));
    for message in [PARSED, BOUND, IN_TRANSACTION] {
        session.answer(&message);
    }
    session.send(&execute("p"));
    session.answer(&BackendMessage::PortalSuspended);
    session.send(&SYNC);
    session.answer(&READY);
    assert_eq!(session.try_send(&execute("p")), Err(NameError::Unknown(NameKind::Portal)));
    assert_eq!(session.text("s"), known("SELECT 1"));
}

#[test]
fn a_description_reaches_portals_in_the_formats_they_ask_for() {
    let mut session = Session::default();
    session.send(&parse("s", "SELECT 1"));
    session.send(&FrontendMessage::Describe(Named::Statement("s".into())));
    session.send(&bind("p", "s"));
    session.answer(&PARSED);
    session.answer(&BackendMessage::ParameterDescription(vec![20]));
    let columns = RowDescription {
        columns: vec![crate::row::ColumnDescription {
            name: Bytes::from_static(b"a"),
            table: 0,
            attribute: 0,
            type_id: 23,
            type_size: 4,
            type_modifier: -1,
            format: Format::Text,
        }],
    };
    session
        .names
        .statement_described(&"s".into(), Described { parameter_types: vec![20], columns: Some(columns.clone()) });
    session.answer(&BackendMessage::RowDescription(columns));
    session.answer(&BOUND);
    let portal = session.names.answering_portal(&"p".into()).unwrap();
    assert_eq!(portal.values().next().unwrap().0, 20);
    let columns = portal.columns().unwrap().unwrap();
    assert_eq!(columns.columns.first().unwrap().format, Format::Binary);
}

#[test]
fn names_that_sql_may_have_changed_are_forgotten() {
    let mut session = Session::default();
    session.send(&parse("s", "SELECT 1"));
    session.send(&bind("p", "s"));
    session.answer(&PARSED);
    session.names.forget_statement(&"s".into());
    session.names.forget_portals();
    assert_eq!(session.text("s"), Lookup::Unknown);
    assert_eq!(session.names.portal(&"p".into()), Lookup::Unknown);
    session.answer(&BOUND);
    assert_eq!(session.names.portal(&"p".into()), Lookup::Unknown);
    assert_eq!(session.names.bytes(), 0);
}

#[test]
fn what_is_kept_is_bounded_and_given_back() {
    let names = Names::new(NameLimits { names: 3, bytes: 2000 });
    let mut session = Session { names, ..Session::default() };
    for name in ["a", "b", "c"] {
        session.send(&parse(name, "SELECT 1"));
        session.answer(&PARSED);
    }
    assert_eq!(session.try_send(&parse("d", "SELECT 1")).unwrap_err().sqlstate(), "54000");
    for name in ["a", "b", "c"] {
        session.send(&close(name));
        session.answer(&CLOSED);
    }
    assert_eq!(session.names.bytes(), 0);
    assert!(session.try_send(&parse("d", &"x".repeat(2000))).is_err());
    session.send(&parse("s", "SELECT 1"));
    session.send(&bind_value("p", "s", &[0; 500]));
    assert!(session.try_send(&bind_value("q", "s", &[0; 1500])).is_err());
    session.answer(&error());
    assert_eq!(session.names.bytes(), 0);
    session.send(&SYNC);
    session.answer(&READY);
    assert_eq!(session.names.definitions, 0);
}

#[test]
fn names_that_the_server_would_cut_are_not_used() {
    let mut session = Session::default();
    let (fits, long) = ("n".repeat(63), "n".repeat(64));
    session.send(&parse(&fits, "select 1"));
    session.send(&bind(&fits, &fits));
    let close = |name: &str| FrontendMessage::Close(Named::Statement(name.into()));
    let describe = |name: &str| FrontendMessage::Describe(Named::Portal(name.into()));
    let execute = |name: &str| FrontendMessage::Execute(Execute { portal: name.into(), max_rows: 0 });
    for message in
        [parse(&long, "select 2"), bind("", &long), bind(&long, &fits), close(&long), describe(&long), execute(&long)]
    {
        let refused = session.try_send(&message).unwrap_err();
        assert!(matches!(refused, NameError::TooLong(_)), "{message:?}: {refused}");
    }
    assert_eq!(session.text(&fits), known("select 1"));
}

#[test]
fn rows_that_a_portal_was_asked_for_are_those_of_its_binding() {
    let mut session = Session::default();
    let given = |session: &Session| match session.names.portal(&Text::from("p")) {
        Lookup::Known(portal) => portal.given,
        other => panic!("{other:?}"),
    };
    session.send(&parse("s", "select 1"));
    session.send(&bind("p", "s"));
    session.names.asked_for(&Text::from("p"), 4);
    session.names.asked_for(&Text::from("other"), 4);
    assert_eq!(given(&session), 4);
    session.answer(&PARSED);
    session.answer(&BOUND);
    session.names.asked_for(&Text::from("p"), 3);
    assert_eq!(given(&session), 7, "what was asked for before the server has confirmed it counts");
    session.send(&FrontendMessage::Close(Named::Portal("p".into())));
    session.names.asked_for(&Text::from("p"), 9);
    session.send(&bind("p", "s"));
    assert_eq!(given(&session), 0);
}
