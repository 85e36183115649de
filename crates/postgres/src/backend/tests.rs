//! Messages of servers: what is refused, and that what is accepted is what was sent.

use bytes::BufMut as _;
use proptest::prelude::*;

use super::*;

fn frame(tag: u8, body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_u8(tag);
    frame.put_u32(u32::try_from(body.len() + 4).unwrap());
    frame.put_slice(body);
    frame
}

fn read(tag: u8, body: &[u8]) -> Result<BackendMessage, ProtocolError> {
    decode(&mut frame(tag, body), &Limits::default()).map(|found| found.unwrap().0)
}

#[test]
fn malformed_messages_are_refused() {
    let cases: &[(u8, &[u8])] = &[
        (b'R', b"\0\0\0\x01"),
        (b'R', b"\0\0\0\0more"),
        (b'R', b"\0\0\0\x05abc"),
        (b'R', b"\0\0\0\x0ASCRAM-SHA-256\0"),
        (b'K', b"\0\0\0\x01abc"),
        (b'S', b"name\0"),
        (b'Z', b"X"),
        (b'Z', b"II"),
        (b'T', b"\0\x01name\0"),
        (b'T', b"\0\0x"),
        (b'D', b"\0"),
        (b'D', b"\0\x01\0\0\0\x05abc"),
        (b'D', b"\0\x01\xFF\xFF\xFF\xFE"),
        (b'D', b"\0\0x"),
        (b'D', b"\xFF\xFF"),
        (b'C', b"SELECT 1"),
        (b'E', b"SERROR\0"),
        (b'E', b"SERROR\0\0x"),
        (b't', b"\0\x02\0\0\0\x17"),
        (b'G', b"\x02\0\0"),
        (b'G', b"\0\0\x01"),
        (b'A', b"\0\0\0\x01channel\0"),
        (b'V', b"\0\0\0\x02x"),
        (b'v', b"\0\x03\0\0\xFF\xFF\xFF\xFFx\0"),
        (b'1', b"x"),
        (b'n', b"x"),
    ];
    for (tag, body) in cases {
        let error = read(*tag, body).unwrap_err();
        assert!(matches!(error.problem(), Problem::Malformed { .. }), "{} {body:?}", *tag as char);
        assert!(!error.public_message().contains("message"), "servers' faults are not told in detail");
    }
    assert_eq!(*read(b'Q', b"").unwrap_err().problem(), Problem::UnknownType(b'Q'));
    let limits = Limits { row: 10, copy_data: 10 };
    for tag in *b"DVd" {
        decode(&mut BytesMut::from(&[tag, 0, 0, 0, 15][..]), &limits).unwrap_err();
    }
    decode(&mut BytesMut::from(&b"E\0\x10\0\x05"[..]), &limits).unwrap_err();
}

#[test]
fn errors_are_made_with_what_clients_look_for() {
    let notice = Notice::error("42501", "refused by policy", None, Some("ask for approval"));
    let mut bytes = BytesMut::new();
    BackendMessage::ErrorResponse(notice).encode(&mut bytes).unwrap();
    assert_eq!(&bytes[5..], b"SERROR\0VERROR\0C42501\0Mrefused by policy\0Hask for approval\0\0");
    let Some((BackendMessage::ErrorResponse(read), _)) = decode(&mut bytes, &Limits::default()).unwrap() else {
        panic!()
    };
    assert_eq!((&*read.code(), &*read.message(), read.is_fatal()), ("42501", "refused by policy", false));
    assert!(Notice::fatal("57P01", "over", None, None).is_fatal());
}

#[test]
fn settings_that_change_what_statements_mean_are_told() {
    let keeps = |name: &'static str, value: &'static str| {
        ParameterStatus { name: Bytes::from_static(name.as_bytes()), value: Bytes::from_static(value.as_bytes()) }
            .keeps_meaning()
    };
    assert!(keeps("client_encoding", "UTF8") && keeps("standard_conforming_strings", "on") && keeps("TimeZone", "UTC"));
    assert!(!keeps("client_encoding", "SJIS") && !keeps("standard_conforming_strings", "off"));
}

#[test]
fn a_tag_tells_its_rows() {
    let rows = |tag: &'static str| CommandTag(Bytes::from_static(tag.as_bytes())).rows();
    assert_eq!((rows("SELECT 3"), rows("INSERT 0 5"), rows("BEGIN"), rows("")), (Some(3), Some(5), None, None));
}

proptest! {
    #[test]
    fn what_is_accepted_is_written_as_it_was_sent(
        tag in "[RKvSZTDCIEN123nstGHWdcAV]",
        body in prop::collection::vec(prop_oneof![Just(0u8), 0u8..13, any::<u8>()], 0..60),
    ) {
        let bytes = frame(tag.as_bytes()[0], &body);
        if let Ok(Some((message, _))) = decode(&mut bytes.clone(), &Limits::default()) {
            let mut again = BytesMut::new();
            message.encode(&mut again).unwrap();
            prop_assert_eq!(again, bytes);
        }
    }
}
