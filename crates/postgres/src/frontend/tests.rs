//! Messages of clients: what is refused, and that what is read is what was sent.

use bytes::BufMut as _;
use proptest::prelude::*;

use super::*;
use crate::frame::HEADER_BYTES;

fn frame(tag: u8, body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_u8(tag);
    frame.put_u32(u32::try_from(body.len() + 4).unwrap());
    frame.put_slice(body);
    frame
}

fn read(tag: u8, body: &[u8]) -> Result<FrontendMessage, ProtocolError> {
    decode(&mut frame(tag, body), &Limits::default()).map(|found| found.unwrap().0)
}

#[test]
fn malformed_messages_are_refused() {
    let cases: &[(u8, &[u8])] = &[
        (b'Q', b"SELECT 1"),
        (b'Q', b"SELECT 1\0more"),
        (b'Q', b"\xFF\0"),
        (b'Q', b""),
        (b'P', b"s\0SELECT 1\0"),
        (b'P', b"s\0SELECT 1\0\0\x01\0\0\0"),
        (b'P', b"s\0SELECT 1\0\0\0\0"),
        // Two formats for one value, an unknown format, a negative length, a length beyond the end.
        (b'B', b"\0\0\0\x02\0\0\0\0\0\x01\0\0\0\0\0\0"),
        (b'B', b"\0\0\0\x01\0\x02\0\x01\0\0\0\0\0\0"),
        (b'B', b"\0\0\0\0\0\x01\xFF\xFF\xFF\xFE\0\0"),
        (b'B', b"\0\0\0\0\0\x01\0\0\0\x09x\0\0"),
        (b'B', b"\0\0\0\0\xFF\xFF\0\0"),
        (b'D', b"X\0"),
        (b'D', b"S"),
        (b'C', b"Pname"),
        (b'E', b"\0\0\0\0"),
        (b'S', b"\0"),
        (b'H', b"x"),
        (b'X', b"x"),
        (b'c', b"x"),
        (b'f', b"reason"),
        (b'F', b"\0\0\0\x01\0\0\0\0"),
    ];
    for (tag, body) in cases {
        let error = read(*tag, body).unwrap_err();
        assert!(matches!(error.problem(), Problem::Malformed { .. }), "{} {body:?}", *tag as char);
        assert_eq!(error.sqlstate(), "08P01");
    }
}

#[test]
fn types_lengths_and_limits_are_refused_before_the_body_comes() {
    let limits = Limits { statement: 10, bind: 10, copy_data: 10 };
    let refuses = |bytes: &[u8]| decode(&mut BytesMut::from(bytes), &limits).unwrap_err().problem().clone();
    assert_eq!(refuses(b"T"), Problem::UnknownType(b'T'));
    assert_eq!(refuses(b"\0"), Problem::UnknownType(0));
    assert!(matches!(refuses(b"Q\0\0\0\x03"), Problem::Length { .. }));
    for tag in *b"QPBFd" {
        assert!(matches!(refuses(&[tag, 0, 0, 0, 15]), Problem::TooLong { limit: 10, .. }));
        assert!(matches!(refuses(&[tag, 0xFF, 0xFF, 0xFF, 0xFF]), Problem::TooLong { .. }));
        assert_eq!(decode(&mut BytesMut::from(&[tag, 0, 0, 0, 14][..]), &limits).unwrap(), None);
    }
    for tag in *b"DECSHcfX" {
        assert!(matches!(refuses(&[tag, 0, 0, 0x27, 0x15]), Problem::TooLong { limit: MAX_SMALL_BYTES, .. }));
    }
    assert!(matches!(refuses(b"p\0\x01\0\x04"), Problem::TooLong { .. }));
}

#[test]
fn an_announced_length_takes_no_memory_of_its_size() {
    let mut buffer = BytesMut::from(&b"Q\x03\0\0\0"[..]);
    assert_eq!(decode(&mut buffer, &Limits::default()).unwrap(), None);
    assert!(buffer.capacity() < 1 << 20, "{}", buffer.capacity());
}

#[test]
fn passwords_are_read_by_what_was_asked_for_and_not_printed() {
    let FrontendMessage::Password(password) = read(b'p', b"secret\0").unwrap() else { panic!() };
    assert_eq!(password.cleartext().unwrap().as_str(), "secret");
    assert!(!format!("{password:?}").contains("secret"));
    password.sasl_initial().unwrap_err();
    Password::new(Bytes::from_static(b"secret")).cleartext().unwrap_err();
    Password::new(Bytes::from_static(b"sec\0ret\0")).cleartext().unwrap_err();
    let initial = Password::new(Bytes::from_static(b"SCRAM-SHA-256\0\0\0\0\x02n,")).sasl_initial().unwrap();
    assert_eq!((initial.mechanism.as_str(), initial.data), ("SCRAM-SHA-256", Some(Bytes::from_static(b"n,"))));
    Password::new(Bytes::from_static(b"SCRAM-SHA-256\0\0\0\0\x02n,x")).sasl_initial().unwrap_err();
}

fn text() -> impl Strategy<Value = Text> {
    "[^\0]{0,12}".prop_map(|text| Text::from(text.as_str()))
}

fn formats(count: usize) -> impl Strategy<Value = Vec<Format>> {
    let format = prop_oneof![Just(Format::Text), Just(Format::Binary)];
    prop_oneof![Just(0), Just(1), Just(count)].prop_flat_map(move |count| prop::collection::vec(format.clone(), count))
}

fn values() -> impl Strategy<Value = (Vec<Format>, Vec<Option<Bytes>>)> {
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..9).prop_map(Bytes::from));
    prop::collection::vec(value, 0..5).prop_flat_map(|values| (formats(values.len()), Just(values)))
}

fn messages() -> impl Strategy<Value = FrontendMessage> {
    let named = || prop_oneof![text().prop_map(Named::Statement), text().prop_map(Named::Portal)];
    let types = prop::collection::vec(any::<u32>(), 0..5);
    let bytes = || prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from);
    prop_oneof![
        text().prop_map(FrontendMessage::Query),
        (text(), text(), types).prop_map(|(name, text, parameter_types)| FrontendMessage::Parse(Parse {
            name,
            text,
            parameter_types
        })),
        (text(), text(), values(), formats(3)).prop_map(
            |(portal, statement, (value_formats, values), result_formats)| FrontendMessage::Bind(Bind {
                portal,
                statement,
                value_formats,
                values,
                result_formats
            })
        ),
        named().prop_map(FrontendMessage::Describe),
        named().prop_map(FrontendMessage::Close),
        (text(), any::<i32>()).prop_map(|(portal, max_rows)| FrontendMessage::Execute(Execute { portal, max_rows })),
        (any::<u32>(), values(), any::<bool>()).prop_map(|(function, (argument_formats, arguments), binary)| {
            let result_format = if binary { Format::Binary } else { Format::Text };
            FrontendMessage::FunctionCall(FunctionCall { function, argument_formats, arguments, result_format })
        }),
        bytes().prop_map(FrontendMessage::CopyData),
        bytes().prop_map(|bytes| FrontendMessage::Password(Password::new(bytes))),
        text().prop_map(FrontendMessage::CopyFail),
        Just(FrontendMessage::Sync),
        Just(FrontendMessage::Flush),
        Just(FrontendMessage::CopyDone),
        Just(FrontendMessage::Terminate),
    ]
}

proptest! {
    #[test]
    fn a_message_is_read_as_it_was_written(message in messages()) {
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes).unwrap();
        for end in 0..bytes.len() {
            prop_assert_eq!(decode(&mut BytesMut::from(&bytes[..end]), &Limits::default()).unwrap(), None);
        }
        let (read, frame) = decode(&mut bytes.clone(), &Limits::default()).unwrap().unwrap();
        prop_assert_eq!(&read, &message);
        prop_assert_eq!(&frame.bytes()[..], &bytes[..]);
    }

    #[test]
    fn what_is_accepted_is_written_as_it_was_sent(tag in "[QPBDECSHdcfpFX]", body in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..40)) {
        let bytes = frame(tag.as_bytes()[0], &body);
        if let Ok(Some((message, _))) = decode(&mut bytes.clone(), &Limits::default()) {
            let mut again = BytesMut::new();
            message.encode(&mut again).unwrap();
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let mut out = BytesMut::from(&b"before"[..]);
    let values = vec![None; usize::from(u16::MAX) + 1];
    let bind = Bind {
        portal: Text::EMPTY,
        statement: Text::EMPTY,
        value_formats: Vec::new(),
        values,
        result_formats: Vec::new(),
    };
    FrontendMessage::Bind(bind).encode(&mut out).unwrap_err();
    assert_eq!(&out[..], b"before");
    assert_eq!(HEADER_BYTES, 5);
}
