//! The handshake: what goes on to the other side, byte for byte, and what does not.

use proptest::prelude::*;
use vidimus_core::json::Limits;

use super::*;
use crate::envelope::Sender;

fn from_client(params: &str) -> Message {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{params}}}"#);
    Message::parse(text.into(), Sender::Client, &Limits::default()).unwrap()
}

fn from_server(result: &str) -> Message {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    Message::parse(text.into(), Sender::Server, &Limits::default()).unwrap()
}

fn params_of(wire: &Bytes) -> String {
    let message = Message::parse(wire.clone(), Sender::Client, &Limits::default()).unwrap();
    message.params().unwrap().raw().to_owned()
}

/// The capabilities of clients that a policy may withhold, and the one that always is.
const OF_CLIENTS: &[&str] = &["elicitation", "roots", "sampling", TASKS];

/// Where policy allows nothing of it.
fn client_hello_of(message: &Message) -> Result<ClientHello, InitializeError> {
    client_hello(message, OF_CLIENTS)
}

#[test]
fn takes_capabilities_out_of_the_clients_offer() {
    let hello = client_hello_of(&from_client(
        r#"{"protocolVersion":"2025-06-18","capabilities":{"roots":{"listChanged":true}, "experimental":{"a":1.0},"sampling":{},"Elicitation":{},"ta\u0073ks":{}, "own":{} },"clientInfo":{"name":"c\u0041","version":"1"},"x":[ ]}"#,
    ))
    .unwrap();
    assert_eq!(
        params_of(&hello.wire),
        r#"{"protocolVersion":"2025-06-18","capabilities":{"experimental":{"a":1.0}, "own":{} },"clientInfo":{"name":"c\u0041","version":"1"},"x":[ ]}"#
    );
    assert_eq!(hello.revision, Some(Revision::V2025_06_18));
    assert_eq!(hello.client, Implementation { name: "cA".into(), version: "1".into() });
}

#[test]
fn offers_its_latest_revision_for_one_it_does_not_speak() {
    for version in ["2024-10-07", "2026-07-28", "x"] {
        for order in [
            format!(r#"{{"protocolVersion":"{version}","capabilities":{{"roots":{{}}}}}}"#),
            format!(r#"{{"capabilities":{{"roots":{{}}}},"protocolVersion":"{version}"}}"#),
        ] {
            let hello = client_hello_of(&from_client(&order)).unwrap();
            assert_eq!(hello.revision, None);
            assert_eq!(params_of(&hello.wire), order.replace(version, "2025-11-25").replace(r#""roots":{}"#, ""));
        }
    }
    let plain = from_client(r#"{"protocolVersion":"2025-11-25","capabilities":{}}"#);
    assert_eq!(client_hello_of(&plain).unwrap().wire.as_ptr(), plain.bytes().as_ptr(), "not copied");
}

#[test]
fn takes_tasks_out_of_the_servers_answer() {
    let hello = server_hello(&from_server(
        r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"tasks":{"list":{}},"experimental":{}},"serverInfo":{"name":"s\n","version":"2"},"instructions":"x"}"#,
    ))
    .unwrap();
    let message = Message::parse(hello.wire, Sender::Server, &Limits::default()).unwrap();
    assert_eq!(
        message.result().unwrap().raw(),
        r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"experimental":{}},"serverInfo":{"name":"s\n","version":"2"},"instructions":"x"}"#
    );
    assert_eq!(hello.revision, Revision::V2025_11_25);
    assert_eq!(hello.server, Implementation { name: "s".into(), version: "2".into() });
}

#[test]
fn refuses_a_handshake_that_cannot_be_completed() {
    for (result, expected) in [
        (r#"{"protocolVersion":"2024-10-07","capabilities":{}}"#, InitializeError::UnsupportedRevision),
        (r#"{"protocolVersion":"2026-07-28","capabilities":{}}"#, InitializeError::UnsupportedRevision),
        (r#"{"protocolVersion":20251125,"capabilities":{}}"#, InitializeError::BadResult),
        (r#"{"protocolVersion":"2025-11-25"}"#, InitializeError::BadResult),
        (r#"{"protocolVersion":"2025-11-25","capabilities":[]}"#, InitializeError::BadResult),
        (
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"Capabilities":{"tasks":{}}}"#,
            InitializeError::BadResult,
        ),
    ] {
        assert_eq!(server_hello(&from_server(result)), Err(expected.clone()), "{result}");
        assert_eq!(expected.kind(), ErrorKind::Upstream);
    }
    let without = from_client(r#"{"protocolVersion":"2025-11-25"}"#);
    assert_eq!(client_hello_of(&without), Err(InitializeError::BadRequest));
}

#[test]
fn knows_its_revisions() {
    for revision in [Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25] {
        assert_eq!(Revision::parse(revision.name()), Some(revision));
        assert!(revision <= Revision::LATEST);
    }
}

#[test]
fn introduces_itself() {
    let gateway = Implementation { name: "vidimus \"x\"".into(), version: "1".into() };
    let own = request(&Id::from_number(0), &gateway);
    let message = Message::parse(own, Sender::Client, &Limits::default()).unwrap();
    let hello = client_hello(&message, &[TASKS]).unwrap();
    assert_eq!((hello.revision, &hello.client), (Some(Revision::LATEST), &gateway));
    assert_eq!(hello.wire, message.bytes());
    assert_eq!(initialized(), r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
}

proptest! {
    #[test]
    fn other_capabilities_stay_as_they_were(
        names in prop::collection::hash_set("(sampling|tasks|roots|elicitation|Sampling|TASKS|a|b|experimental|tool)", 0..8),
        space in "[ \n]{0,2}"
    ) {
        let member = |name: &String| format!("{space}\"{name}\"{space}:{space}{{\"v\":1.0}}");
        let offered: Vec<_> = names.iter().map(member).collect();
        let params = format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{{{}}}}}"#, offered.join(","));
        let hello = client_hello_of(&from_client(&params)).unwrap();
        let wire = Message::parse(hello.wire, Sender::Client, &Limits::default()).unwrap();
        let left = wire.params().unwrap().get("capabilities").unwrap();
        let found: Vec<_> = left.members().map(|(name, value)| (name.into_owned(), value.raw())).collect();
        let expected: Vec<_> = names
            .iter()
            .filter(|name| !OF_CLIENTS.contains(&&*name.to_ascii_lowercase()))
            .map(|name| (name.clone(), "{\"v\":1.0}"))
            .collect();
        prop_assert_eq!(found, expected);
    }
}
