//! The order of messages against a model of the server's own loop (PostgreSQL, `PostgresMain` and `CopyGetData`).
//!
//! A client sends what it likes, the server fails when it likes, and messages are under way for as long as they like. Each
//! answer must be taken for the answer to the request that the model made it for.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::VecDeque;

use bytes::Bytes;
use proptest::prelude::*;
use vidimus_postgres::backend::{BackendMessage, CommandTag, CopyResponse, TransactionStatus};
use vidimus_postgres::frontend::{Bind, Execute, FrontendMessage, Named, Parse};
use vidimus_postgres::notice::Notice;
use vidimus_postgres::order::{Answer, Order, Origin, RequestId, Sent};
use vidimus_postgres::row::{DataRow, RowDescription};
use vidimus_postgres::{Format, Peer, Text};

/// The server, and what is under way to and from it.
#[derive(Default)]
struct Model {
    /// To the server: a message, and the request that it is.
    requests: VecDeque<(FrontendMessage, Option<RequestId>)>,
    /// From the server: a message, and the request that it answers.
    replies: VecDeque<(BackendMessage, Option<RequestId>)>,
    /// `ignore_till_sync`.
    is_ignoring: bool,
    /// A COPY from the client, by which request, and whether that is of the extended protocol.
    copy: Option<(Option<RequestId>, bool)>,
    /// `Sync` has something to commit, and so may fail.
    has_work: bool,
}

impl Model {
    fn says(&mut self, request: Option<RequestId>, messages: impl IntoIterator<Item = BackendMessage>) {
        self.replies.extend(messages.into_iter().map(|message| (message, request)));
    }

    fn fails(&mut self, request: Option<RequestId>, is_extended: bool) {
        self.has_work = false;
        self.says(request, [BackendMessage::ErrorResponse(Notice::error("XX000", "no", None, None))]);
        if is_extended {
            self.is_ignoring = true;
        } else {
            self.says(request, [READY]);
        }
    }

    /// The server reads one message, and `choice` says how it goes.
    fn step(&mut self, choice: u8) {
        use FrontendMessage as M;
        let Some((message, request)) = self.requests.pop_front() else { return };
        let is_sync = matches!(message, M::Sync);
        if self.is_ignoring && !is_sync {
            return;
        }
        if let Some((of, is_extended)) = self.copy {
            match message {
                M::CopyData(_) if !choice.is_multiple_of(4) => {}
                M::Sync | M::Flush => {}
                M::CopyDone if !choice.is_multiple_of(4) => {
                    self.copy = None;
                    self.says(of, [complete()]);
                    if !is_extended {
                        self.says(of, [READY]);
                    }
                }
                _ => {
                    self.copy = None;
                    self.fails(of, is_extended);
                }
            }
            return;
        }
        self.is_ignoring = false;
        let is_extended = matches!(message, M::Parse(_) | M::Bind(_) | M::Describe(_) | M::Execute(_) | M::Close(_));
        let fails = choice.is_multiple_of(5) && (!is_sync || self.has_work);
        self.has_work = is_extended;
        match message {
            M::Flush | M::CopyData(_) | M::CopyDone | M::CopyFail(_) | M::Terminate | M::Password(_) => {}
            _ if fails => self.fails(request, is_extended),
            M::Sync => self.says(request, [READY]),
            M::Parse(_) => self.says(request, [BackendMessage::ParseComplete]),
            M::Bind(_) => self.says(request, [BackendMessage::BindComplete]),
            M::Close(_) => self.says(request, [BackendMessage::CloseComplete]),
            M::Describe(Named::Statement(_)) => {
                self.says(request, [BackendMessage::ParameterDescription(Vec::new()), columns()]);
            }
            M::Describe(Named::Portal(_)) => self.says(request, [BackendMessage::NoData]),
            M::FunctionCall(_) => self.says(request, [BackendMessage::FunctionCallResponse(None), READY]),
            M::Query(_) | M::Execute(_) => self.runs(request, is_extended, choice / 5),
        }
    }

    fn runs(&mut self, request: Option<RequestId>, is_extended: bool, choice: u8) {
        let copy = CopyResponse { format: Format::Text, columns: Vec::new() };
        if choice.is_multiple_of(4) {
            self.says(request, [BackendMessage::CopyInResponse(copy)]);
            // A trigger may refuse it before anything is read.
            if choice.is_multiple_of(8) {
                self.fails(request, is_extended);
            } else {
                self.copy = Some((request, is_extended));
            }
            return;
        }
        if choice % 4 == 1 {
            let data = BackendMessage::CopyData(Bytes::from_static(b"1\n"));
            self.says(request, [BackendMessage::CopyOutResponse(copy), data, BackendMessage::CopyDone, complete()]);
        } else {
            if !is_extended {
                self.says(request, [columns()]);
            }
            self.says(request, [row()]);
            if choice % 4 == 2 {
                return self.fails(request, is_extended);
            }
            self.says(request, [if is_extended { BackendMessage::PortalSuspended } else { complete() }]);
        }
        if !is_extended {
            self.says(request, [READY]);
        }
    }
}

const READY: BackendMessage = BackendMessage::ReadyForQuery(TransactionStatus::Idle);

fn complete() -> BackendMessage {
    BackendMessage::CommandComplete(CommandTag(Bytes::from_static(b"SELECT 1")))
}

fn columns() -> BackendMessage {
    BackendMessage::RowDescription(RowDescription::default())
}

fn row() -> BackendMessage {
    BackendMessage::DataRow(DataRow::of([None]).unwrap())
}

fn client_message(choice: u8) -> FrontendMessage {
    let empty = || Text::EMPTY;
    let bind = Bind {
        portal: empty(),
        statement: empty(),
        value_formats: Vec::new(),
        values: Vec::new(),
        result_formats: Vec::new(),
    };
    match choice % 14 {
        0 => FrontendMessage::Query(empty()),
        1 => FrontendMessage::Parse(Parse { name: empty(), text: empty(), parameter_types: Vec::new() }),
        2 => FrontendMessage::Bind(bind),
        3 => FrontendMessage::Describe(Named::Statement(empty())),
        4 => FrontendMessage::Describe(Named::Portal(empty())),
        5 | 6 => FrontendMessage::Execute(Execute { portal: empty(), max_rows: 0 }),
        7 => FrontendMessage::Close(Named::Portal(empty())),
        8 | 9 => FrontendMessage::Sync,
        10 => FrontendMessage::Flush,
        11 => FrontendMessage::CopyData(Bytes::from_static(b"1\n")),
        12 => FrontendMessage::CopyDone,
        _ => FrontendMessage::CopyFail(empty()),
    }
}

/// A session and its proxy.
#[derive(Default)]
struct Session {
    order: Order,
    model: Model,
}

impl Session {
    /// One event. None when the session has ended, by the client's fault.
    fn event(&mut self, what: u8, choice: u8) -> Option<()> {
        match what % 3 {
            0 => {
                let message = client_message(choice);
                // A refusal ends a session; here the client thinks again.
                match self.order.sends(&message, Origin::Client) {
                    Ok(Sent::Request(request)) => self.model.requests.push_back((message, Some(request.id))),
                    Ok(Sent::Passed) => self.model.requests.push_back((message, None)),
                    Ok(Sent::Dropped) => {}
                    Err(error) => assert_eq!(error.peer(), Peer::Client),
                }
            }
            1 => self.model.step(choice),
            _ => self.receive()?,
        }
        Some(())
    }

    fn receive(&mut self) -> Option<()> {
        let Some((message, truth)) = self.model.replies.pop_front() else { return Some(()) };
        let answer = match self.order.receives(&message) {
            Ok(answer) => answer,
            Err(error) => {
                // Requests behind a COPY that nobody had seen the answer to.
                assert_eq!((error.peer(), matches!(message, BackendMessage::CopyInResponse(_))), (Peer::Client, true));
                return None;
            }
        };
        match &answer {
            Answer::To { request, skipped, .. } => {
                // One `ReadyForQuery` looks like another.
                if message != READY {
                    assert_eq!(Some(request.id), truth, "{message:?}");
                }
                assert!(skipped.iter().all(|skipped| Some(skipped.id) > truth));
                if !skipped.is_empty() {
                    assert!(matches!(message, BackendMessage::ErrorResponse(_)));
                }
            }
            Answer::Unasked => assert_eq!(message, READY, "behind a COPY that failed"),
            Answer::End => assert_eq!(answer, Answer::Unasked, "no error of the model is fatal"),
        }
        Some(())
    }

    /// Everybody catches up, and says what is left.
    fn settle(&mut self) -> Option<()> {
        for choice in [0, 1, 8, 1, 8, 1] {
            while !self.model.requests.is_empty() || !self.model.replies.is_empty() {
                self.model.step(choice);
                while !self.model.replies.is_empty() {
                    self.receive()?;
                }
            }
            let what = if self.order.is_copy_in() { 12 } else { 8 };
            self.event(0, what)?;
        }
        while !self.model.requests.is_empty() || !self.model.replies.is_empty() {
            self.model.step(1);
            while !self.model.replies.is_empty() {
                self.receive()?;
            }
        }
        if self.order.pending() > 0 {
            assert!(self.order.is_copy_in(), "{:?}", self.order);
        }
        Some(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_taken_for_what_it_is(events in prop::collection::vec((any::<u8>(), any::<u8>()), 0..120)) {
        let mut session = Session::default();
        let goes_on = events.into_iter().try_for_each(|(what, choice)| session.event(what, choice));
        if goes_on.is_some() {
            session.settle();
        }
    }
}
