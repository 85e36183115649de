//! What was recorded, read again as a proxy would: every message decodes, encodes to the same bytes, and is in order.

use std::collections::{BTreeMap, HashMap};

use bytes::{Bytes, BytesMut};
use pgwire::messages::{DecodeContext, PgWireBackendMessage, PgWireFrontendMessage};
use vidimus_postgres::backend::{self, Authentication, BackendMessage};
use vidimus_postgres::frontend::{self, Execute, FrontendMessage};
use vidimus_postgres::names::{Described, NameError, Names};
use vidimus_postgres::order::{Answer, Order, Origin, RequestId, Sent};
use vidimus_postgres::row::Cell;
use vidimus_postgres::startup::{self, StartupPacket};
use vidimus_postgres::{Format, Peer, Text};

use crate::tee::Recording;

/// How often each message was seen, by its name.
pub(crate) type Seen = BTreeMap<&'static str, usize>;

/// One connection, being read.
#[derive(Default)]
struct Replay {
    client: BytesMut,
    server: BytesMut,
    has_started: bool,
    has_ended: bool,
    /// From the first `ReadyForQuery` on.
    session: Option<(Order, Names)>,
    sent: HashMap<RequestId, FrontendMessage>,
    described: Vec<u32>,
    seen: Seen,
}

/// Reads a recording and counts its messages.
pub(crate) fn replay(recording: &Recording) -> Seen {
    let mut replay = Replay::default();
    for (peer, bytes) in recording {
        match peer {
            Peer::Client => {
                replay.client.extend_from_slice(bytes);
                while replay.client_message() {}
            }
            Peer::Server => {
                replay.server.extend_from_slice(bytes);
                while replay.server_message() {}
            }
        }
    }
    assert!(replay.client.is_empty() && replay.server.is_empty(), "bytes are left");
    if let Some((order, names)) = &replay.session {
        assert!(order.pending() == 0 || replay.has_ended, "the server answered everything: {order:?}");
        assert!(names.bytes() < 1 << 20, "{}", names.bytes());
    }
    replay.seen
}

impl Replay {
    fn client_message(&mut self) -> bool {
        if !self.has_started {
            let before = self.client.clone();
            let Some(packet) = startup::decode(&mut self.client).unwrap() else { return false };
            let mut again = BytesMut::new();
            packet.encode(&mut again).unwrap();
            assert_eq!(again, before[..before.len() - self.client.len()]);
            if let StartupPacket::Startup(startup) = &packet {
                assert_eq!(startup.refused_parameter(startup::ALLOWED_PARAMETERS), None);
                assert_eq!(startup.negotiation(), None);
            }
            self.has_started = true;
            return true;
        }
        let Some((message, frame)) = frontend::decode(&mut self.client, &frontend::Limits::default()).unwrap() else {
            return false;
        };
        *self.seen.entry(message.name()).or_default() += 1;
        let mut again = BytesMut::new();
        message.encode(&mut again).unwrap();
        assert_eq!(again, *frame.bytes(), "{message:?}");
        same_as_pgwire_frontend(&message, frame.bytes());
        match &mut self.session {
            None => assert!(matches!(message, FrontendMessage::Password(_)), "{message:?}"),
            Some((order, names)) => {
                match names.check(&message) {
                    Ok(()) | Err(NameError::Unsettled(_)) => {}
                    // SQL has made it.
                    Err(NameError::Unknown(_)) if matches!(&message, FrontendMessage::Describe(_)) => {}
                    Err(error) => panic!("{error}: {message:?}"),
                }
                match order.sends(&message, Origin::Client).unwrap() {
                    Sent::Request(request) => {
                        names.sent(request, &message);
                        self.sent.insert(request.id, message);
                    }
                    Sent::Passed | Sent::Dropped => {}
                }
            }
        }
        true
    }

    fn server_message(&mut self) -> bool {
        // The answer to a request for encryption would come first; none is made.
        let Some((message, frame)) = backend::decode(&mut self.server, &backend::Limits::default()).unwrap() else {
            return false;
        };
        *self.seen.entry(message.name()).or_default() += 1;
        let mut again = BytesMut::new();
        message.encode(&mut again).unwrap();
        assert_eq!(again, *frame.bytes(), "{message:?}");
        if !matches!(message, BackendMessage::CopyBothResponse(_)) {
            same_as_pgwire_backend(&message, frame.bytes());
        }
        let Some((order, names)) = &mut self.session else {
            match message {
                BackendMessage::ReadyForQuery(_) => self.session = Some((Order::new(), Names::default())),
                BackendMessage::Authentication(Authentication::Md5Password(_)) => panic!("MD5"),
                _ => {}
            }
            return true;
        };
        let answer = order.receives(&message).unwrap();
        self.has_ended |= answer == Answer::End;
        if let Answer::To { request, is_last, .. } = &answer {
            self.described = answered(names, &self.sent[&request.id], &message, std::mem::take(&mut self.described));
            if *is_last {
                self.sent.remove(&request.id);
            }
        }
        names.answered(&message, &answer);
        true
    }
}

/// Tells `names` of descriptions, and holds rows to what is known of their columns.
fn answered(names: &mut Names, sent: &FrontendMessage, message: &BackendMessage, described: Vec<u32>) -> Vec<u32> {
    use frontend::Named::{Portal, Statement};
    let columns = match message {
        BackendMessage::ParameterDescription(types) => return types.clone(),
        BackendMessage::RowDescription(columns) => Some(columns.clone()),
        _ => None,
    };
    match (sent, message) {
        (FrontendMessage::Describe(Statement(name)), BackendMessage::RowDescription(_) | BackendMessage::NoData) => {
            names.statement_described(name, Described { parameter_types: described, columns });
        }
        (FrontendMessage::Describe(Portal(name)), BackendMessage::RowDescription(_) | BackendMessage::NoData) => {
            let known = names.answering_portal(name).unwrap().columns();
            if let Some(known) = known {
                assert_eq!(known, columns, "the description of the statement in the portal's formats");
            }
            names.portal_described(name, columns);
        }
        (FrontendMessage::Execute(Execute { portal, .. }), BackendMessage::DataRow(row)) => {
            let portal = names.answering_portal(portal).unwrap();
            assert_eq!(portal.columns().unwrap().unwrap().columns.len(), row.len());
            assert_eq!(row.cells().count(), row.len());
            let (mut same, mut again) = (BytesMut::new(), BytesMut::new());
            row.rewritten(row.cells().map(|_| Cell::Same), &mut same).unwrap();
            row.encode(&mut again).unwrap();
            assert_eq!(same, again);
        }
        _ => {}
    }
    Vec::new()
}

fn context() -> DecodeContext {
    let mut context = DecodeContext::default();
    context.awaiting_frontend_ssl = false;
    context.awaiting_frontend_startup = false;
    context
}

/// Another codec reads the same.
fn same_as_pgwire_frontend(message: &FrontendMessage, bytes: &Bytes) {
    let theirs = PgWireFrontendMessage::decode(&mut BytesMut::from(&bytes[..]), &context()).unwrap().unwrap();
    let name = |name: &Option<String>| Text::from(name.as_deref().unwrap_or_default());
    match (message, theirs) {
        (FrontendMessage::Query(text), PgWireFrontendMessage::Query(query)) => assert_eq!(text.as_str(), query.query),
        (FrontendMessage::Parse(ours), PgWireFrontendMessage::Parse(theirs)) => {
            assert_eq!((&ours.name, ours.text.as_str()), (&name(&theirs.name), theirs.query.as_str()));
            assert_eq!(ours.parameter_types, theirs.type_oids);
        }
        (FrontendMessage::Bind(ours), PgWireFrontendMessage::Bind(theirs)) => {
            assert_eq!((&ours.portal, &ours.statement), (&name(&theirs.portal_name), &name(&theirs.statement_name)));
            assert_eq!(ours.values, theirs.parameters);
            let binary = |formats: &[i16]| formats.iter().map(|format| *format == 1).collect::<Vec<_>>();
            let ours_binary =
                |formats: &[Format]| formats.iter().map(|format| *format == Format::Binary).collect::<Vec<_>>();
            assert_eq!(ours_binary(&ours.value_formats), binary(&theirs.parameter_format_codes));
            assert_eq!(ours_binary(&ours.result_formats), binary(&theirs.result_column_format_codes));
        }
        (FrontendMessage::Execute(ours), PgWireFrontendMessage::Execute(theirs)) => {
            assert_eq!((&ours.portal, ours.max_rows), (&name(&theirs.name), theirs.max_rows));
        }
        _ => {}
    }
}

fn same_as_pgwire_backend(message: &BackendMessage, bytes: &Bytes) {
    let theirs = PgWireBackendMessage::decode(&mut BytesMut::from(&bytes[..]), &context()).unwrap().unwrap();
    match (message, theirs) {
        (BackendMessage::RowDescription(ours), PgWireBackendMessage::RowDescription(theirs)) => {
            assert_eq!(ours.columns.len(), theirs.fields.len());
            for (ours, theirs) in ours.columns.iter().zip(theirs.fields) {
                assert_eq!(ours.name, theirs.name.as_bytes());
                assert_eq!((ours.table, ours.type_id), (u32::try_from(theirs.table_id).unwrap(), theirs.type_id));
                assert_eq!((ours.attribute, ours.type_size), (theirs.column_id, theirs.type_size));
                assert_eq!(ours.type_modifier, theirs.type_modifier);
            }
        }
        (BackendMessage::DataRow(ours), PgWireBackendMessage::DataRow(theirs)) => {
            assert_eq!(ours.len(), usize::try_from(theirs.field_count).unwrap());
            assert_eq!(ours.as_bytes()[2..], theirs.data[..]);
        }
        (BackendMessage::CommandComplete(ours), PgWireBackendMessage::CommandComplete(theirs)) => {
            assert_eq!(ours.0, theirs.tag.as_bytes());
        }
        (BackendMessage::ErrorResponse(ours), PgWireBackendMessage::ErrorResponse(theirs)) => {
            let fields: Vec<_> = theirs.fields.iter().map(|(letter, text)| (*letter, text.as_bytes())).collect();
            assert_eq!(ours.fields().iter().map(|(letter, text)| (*letter, &text[..])).collect::<Vec<_>>(), fields);
        }
        _ => {}
    }
}
