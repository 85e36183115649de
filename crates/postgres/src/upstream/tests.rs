//! Servers that do not do what they should.

use super::*;

fn handshake(encryption: Encryption) -> Handshake {
    let login = Login {
        user: "gateway".to_owned(),
        database: "orders".to_owned(),
        password: Some("pencil".to_owned().into()),
        parameters: vec![
            ("application_name".to_owned(), "vidimus".to_owned()),
            ("client_encoding".to_owned(), "SJIS".to_owned()),
            ("User".to_owned(), "somebody".to_owned()),
        ],
    };
    Handshake::new(login, encryption)
}

fn bytes(messages: &[BackendMessage]) -> BytesMut {
    let mut bytes = BytesMut::new();
    for message in messages {
        message.encode(&mut bytes).unwrap();
    }
    bytes
}

fn asks(authentication: Authentication) -> BackendMessage {
    BackendMessage::Authentication(authentication)
}

/// What a server gets that sends these after the startup packet.
fn after_startup(encryption: Encryption, messages: &[BackendMessage]) -> Result<Step, HandshakeError> {
    let mut handshake = handshake(encryption);
    let Step::Send(startup) = handshake.step(&mut BytesMut::new()).unwrap() else { panic!() };
    let startup = startup::decode(&mut BytesMut::from(&startup[..])).unwrap().unwrap();
    let StartupPacket::Startup(startup) = startup else { panic!("{startup:?}") };
    assert_eq!((startup.user(), startup.database()), ("gateway", "orders"));
    assert_eq!(startup.parameter("application_name"), Some("vidimus"));
    assert_eq!((startup.parameter("client_encoding"), startup.parameters.len()), (Some("UTF8"), 4));
    handshake.step(&mut bytes(messages))
}

#[test]
fn a_server_that_trusts_is_ready_with_its_settings() {
    let parameter = ParameterStatus { name: Bytes::from_static(b"TimeZone"), value: Bytes::from_static(b"UTC") };
    let key = KeyData { process: 7, key: Bytes::from_static(b"1234") };
    let ready = BackendMessage::ReadyForQuery(TransactionStatus::Idle);
    let messages = [
        asks(Authentication::Ok),
        BackendMessage::ParameterStatus(parameter.clone()),
        BackendMessage::BackendKeyData(key.clone()),
        ready,
    ];
    let Step::Ready(ready) = after_startup(Encryption::None, &messages).unwrap() else { panic!() };
    assert_eq!(*ready, Ready { parameters: vec![parameter], key: Some(key), notices: Vec::new() });
}

#[test]
fn tls_is_asked_for_and_nothing_is_believed_before() {
    let asked = |answer: &[u8]| {
        let mut handshake = handshake(Encryption::Request);
        let Step::Send(request) = handshake.step(&mut BytesMut::new()).unwrap() else { panic!() };
        assert_eq!(&request[..], [0, 0, 0, 8, 4, 210, 22, 47]);
        handshake.step(&mut BytesMut::from(answer))
    };
    assert!(matches!(asked(b""), Ok(Step::Read)));
    assert!(matches!(asked(b"S"), Ok(Step::StartTls)));
    assert_eq!(asked(b"N").unwrap_err(), HandshakeError::NoTls);
    assert_eq!(asked(b"SR\0\0\0\x08\0\0\0\0").unwrap_err(), HandshakeError::BeforeTls);
    assert!(matches!(asked(b"E"), Err(HandshakeError::Protocol(_))));
}

#[test]
fn passwords_are_sent_inside_tls_alone_and_never_as_md5() {
    let clear = [asks(Authentication::CleartextPassword)];
    assert_eq!(after_startup(Encryption::None, &clear).unwrap_err(), HandshakeError::CleartextWithoutTls);
    let Step::Send(password) = after_startup(Encryption::Direct, &clear).unwrap() else { panic!() };
    assert_eq!(&password[..], b"p\0\0\0\x0Bpencil\0");
    for other in
        [Authentication::Md5Password([0; 4]), Authentication::Gss, Authentication::Sspi, Authentication::KerberosV5]
    {
        let refused = after_startup(Encryption::Direct, &[asks(other)]).unwrap_err();
        assert!(matches!(refused, HandshakeError::Unsupported(_)) && refused.kind() == ErrorKind::Configuration);
    }
    let mechanism = Bytes::from_static(b"SCRAM-SHA-1");
    assert!(after_startup(Encryption::Direct, &[asks(Authentication::Sasl(vec![mechanism]))]).is_err());
}

#[test]
fn a_server_that_does_not_prove_itself_is_not_believed() {
    let sasl = asks(Authentication::Sasl(vec![Bytes::from_static(b"SCRAM-SHA-256")]));
    let mut handshake = handshake(Encryption::Direct);
    handshake.step(&mut BytesMut::new()).unwrap();
    assert!(matches!(handshake.step(&mut bytes(&[sasl])), Ok(Step::Send(_))));
    let refused = handshake.step(&mut bytes(&[asks(Authentication::Ok)])).unwrap_err();
    assert!(matches!(refused, HandshakeError::Protocol(_)), "{refused}");
}

#[test]
fn what_does_not_belong_there_is_refused() {
    let ready = BackendMessage::ReadyForQuery(TransactionStatus::Idle);
    let ok = asks(Authentication::Ok);
    for messages in [
        &[ready.clone()][..],
        &[ok.clone(), ok.clone()],
        &[ok.clone(), BackendMessage::ReadyForQuery(TransactionStatus::InTransaction)],
        &[ok.clone(), BackendMessage::ParseComplete],
        &[asks(Authentication::SaslFinal(Bytes::new()))],
    ] {
        let refused = after_startup(Encryption::None, messages).unwrap_err();
        assert!(matches!(refused, HandshakeError::Protocol(_)), "{messages:?}");
    }
    let no = Notice::fatal("28P01", "password authentication failed", None, None);
    let refused = after_startup(Encryption::None, &[BackendMessage::ErrorResponse(no)]).unwrap_err();
    assert!(refused.to_string().contains("28P01") && !refused.public_message().contains("28P01"));
    let notice = BackendMessage::NoticeResponse(Notice::told("NOTICE", "00000", "hello", None, None));
    let endless: Vec<_> = std::iter::repeat_n(notice, MAX_MESSAGES + 1).collect();
    assert!(after_startup(Encryption::None, &endless).is_err());
}
