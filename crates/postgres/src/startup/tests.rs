//! First packets, well-formed and not.

use bytes::{BufMut as _, Bytes};

use super::*;

fn packet(code: u32, body: &[u8]) -> BytesMut {
    let mut packet = BytesMut::new();
    packet.put_u32(u32::try_from(body.len() + MIN_LENGTH).unwrap());
    packet.put_u32(code);
    packet.put_slice(body);
    packet
}

fn startup(body: &[u8]) -> Startup {
    match decode(&mut packet(VERSION, body)).unwrap().unwrap() {
        StartupPacket::Startup(startup) => startup,
        other => panic!("{other:?}"),
    }
}

fn problem(mut packet: BytesMut) -> Problem {
    decode(&mut packet).unwrap_err().problem().clone()
}

#[test]
fn parameters_are_read_in_order() {
    let startup = startup(b"user\0ann\0application_name\0psql\0\0");
    assert_eq!((startup.user(), startup.database()), ("ann", "ann"));
    let names: Vec<_> = startup.parameters.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["user", "application_name"]);
    assert_eq!(startup.negotiation(), None);
}

#[test]
fn every_packet_is_the_same_when_it_is_written_again() {
    for bytes in [
        packet(VERSION, b"user\0ann\0database\0orders\0\0"),
        packet(SSL_REQUEST, b""),
        packet(GSSENC_REQUEST, b""),
        packet(CANCEL_REQUEST, &[0, 0, 0, 7, 1, 2, 3, 4]),
        packet(CANCEL_REQUEST, &[7; 260]),
    ] {
        for end in 0..bytes.len() {
            assert_eq!(decode(&mut BytesMut::from(&bytes[..end])).unwrap(), None);
        }
        let mut again = BytesMut::new();
        decode(&mut bytes.clone()).unwrap().unwrap().encode(&mut again).unwrap();
        assert_eq!(again, bytes);
    }
}

#[test]
fn malformed_packets_are_refused() {
    for body in [
        &b""[..],
        b"\0",
        b"user\0ann\0",
        b"user\0ann",
        b"user\0\0\0",
        b"database\0orders\0\0",
        b"user\0ann\0\0more",
        b"user\0ann\0user\0bob\0\0",
        b"user\0ann\0DateStyle\0ISO\0datestyle\0ISO\0\0",
        b"user\0a\xFFn\0\0",
    ] {
        assert!(matches!(problem(packet(VERSION, body)), Problem::Malformed { .. }), "{body:?}");
    }
    assert!(matches!(problem(packet(CANCEL_REQUEST, &[0; 7])), Problem::Malformed { .. }));
    assert!(matches!(problem(packet(CANCEL_REQUEST, &[0; 261])), Problem::Malformed { .. }));
    assert!(matches!(problem(packet(SSL_REQUEST, b"x")), Problem::Malformed { .. }));
    assert!(matches!(problem(packet(2 << 16, b"user\0ann\0\0")), Problem::Unsupported { .. }));
    assert!(matches!(problem(BytesMut::from(&[0, 0, 0, 7][..])), Problem::Length { .. }));
}

#[test]
fn a_packet_beyond_the_limit_is_refused_by_its_length() {
    let length = u32::try_from(MAX_STARTUP_BYTES + LENGTH_BYTES).unwrap();
    assert_eq!(decode(&mut BytesMut::from(&length.to_be_bytes()[..])).unwrap(), None);
    assert!(matches!(problem(BytesMut::from(&(length + 1).to_be_bytes()[..])), Problem::TooLong { .. }));
}

#[test]
fn bytes_that_came_before_encryption_are_refused() {
    for code in [SSL_REQUEST, GSSENC_REQUEST] {
        let mut bytes = packet(code, b"");
        bytes.put_u8(0);
        assert_eq!(problem(bytes), Problem::BeforeEncryption);
    }
}

#[test]
fn newer_versions_and_options_are_negotiated_down() {
    let mut bytes = packet(VERSION + 2, b"user\0ann\0_pq_.wish\0on\0\0");
    let Some(StartupPacket::Startup(startup)) = decode(&mut bytes).unwrap() else { panic!() };
    let negotiation = startup.negotiation().unwrap();
    assert_eq!((negotiation.version, negotiation.options), (VERSION, vec![Bytes::from_static(b"_pq_.wish")]));
    assert_eq!(startup.refused_parameter(ALLOWED_PARAMETERS), None);
}

#[test]
fn parameters_outside_the_list_are_named() {
    let refused = |body: &[u8]| startup(body).refused_parameter(ALLOWED_PARAMETERS).map(ToString::to_string);
    assert_eq!(refused(b"user\0ann\0datestyle\0ISO\0\0"), None);
    for encoding in ["UTF8", "'utf-8'", "Unicode"] {
        assert_eq!(refused(format!("user\0ann\0client_encoding\0{encoding}\0\0").as_bytes()), None);
    }
    assert_eq!(refused(b"user\0ann\0Client_Encoding\0SJIS\0\0").as_deref(), Some("Client_Encoding"));
    assert_eq!(refused(b"user\0ann\0options\0-c role=bob\0\0").as_deref(), Some("options"));
    assert_eq!(refused(b"user\0ann\0replication\0database\0\0").as_deref(), Some("replication"));
    assert_eq!(refused(b"user\0ann\0Database\0orders\0\0").as_deref(), Some("Database"));
    assert_eq!(refused(b"user\0ann\0session_authorization\0bob\0\0").as_deref(), Some("session_authorization"));
}
