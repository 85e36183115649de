//! Authentication against real programs: the gateway's side towards servers with PostgreSQL, and its side towards clients
//! with `tokio-postgres` and `psql`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(clippy::disallowed_types, reason = "the test does the I/O")]

use std::process::Command;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::NoTls;
use tokio_rustls::TlsConnector;
use vidimus_credential::scram::{self, Exchange, ScramError, Verifier};
use vidimus_postgres::backend::{Authentication, BackendMessage, TransactionStatus};
use vidimus_postgres::frontend::{self, FrontendMessage, Password};
use vidimus_postgres::notice::Notice;
use vidimus_postgres::startup::{self, StartupPacket};
use vidimus_postgres::upstream::{Encryption, Handshake, HandshakeError, Login, Ready, Step};
use vidimus_testkit::Postgres;
use vidimus_testkit::postgres::{CLEARTEXT_ROLE, MD5_ROLE};

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Connects as `role`.
async fn connect(
    server: &Postgres,
    role: &str,
    password: &str,
    encryption: Encryption,
) -> Result<Ready, HandshakeError> {
    let login = Login {
        user: role.to_owned(),
        database: "postgres".to_owned(),
        password: Some(password.to_owned().into()),
        parameters: vec![("application_name".to_owned(), "vidimus".to_owned())],
    };
    let mut handshake = Handshake::new(login, encryption);
    let mut stream: Box<dyn Stream> = Box::new(TcpStream::connect(("127.0.0.1", server.port())).await.unwrap());
    let mut input = BytesMut::new();
    loop {
        match handshake.step(&mut input)? {
            Step::Read => assert_ne!(stream.read_buf(&mut input).await.unwrap(), 0, "the server hung up"),
            Step::Send(bytes) => stream.write_all(&bytes).await.unwrap(),
            Step::StartTls => stream = Box::new(tls(server, stream).await),
            Step::Ready(ready) => {
                assert!(input.is_empty());
                return Ok(*ready);
            }
        }
    }
}

async fn tls(server: &Postgres, stream: Box<dyn Stream>) -> impl Stream + use<> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.authority().as_bytes()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
}

#[tokio::test]
async fn a_real_server_lets_the_gateway_in_and_keeps_others_out() {
    let server = Postgres::start().unwrap();
    let own = Verifier::of("of our own").unwrap();
    server
        .sql(
            "postgres",
            &format!(
                "CREATE ROLE theirs LOGIN PASSWORD 'of their own'; CREATE ROLE ours LOGIN PASSWORD '{own}';
                 CREATE ROLE unicode LOGIN PASSWORD 'ra\u{AD}nd\u{E9}'; CREATE ROLE {CLEARTEXT_ROLE} LOGIN PASSWORD 'clear';
                 SET password_encryption = 'md5'; CREATE ROLE {MD5_ROLE} LOGIN PASSWORD 'old'"
            ),
        )
        .unwrap();
    for encryption in [Encryption::None, Encryption::Request] {
        for (role, password) in [("theirs", "of their own"), ("ours", "of our own"), ("unicode", "rande\u{301}")] {
            let ready = connect(&server, role, password, encryption).await.unwrap();
            let value = |name: &str| {
                let found = ready.parameters.iter().find(|parameter| parameter.name == name.as_bytes()).unwrap();
                String::from_utf8(found.value.to_vec()).unwrap()
            };
            assert_eq!(
                (value("session_authorization"), value("application_name")),
                (role.to_owned(), "vidimus".into())
            );
            assert_eq!((value("TimeZone"), ready.key.unwrap().key.len()), ("UTC".to_owned(), 4));
        }
        let refused = connect(&server, "theirs", "wrong", encryption).await.unwrap_err();
        assert!(matches!(&refused, HandshakeError::Refused(error) if error.code() == "28P01"), "{refused}");
        let refused = connect(&server, MD5_ROLE, "old", encryption).await.unwrap_err();
        assert_eq!(refused, HandshakeError::Unsupported("MD5"));
    }
    connect(&server, CLEARTEXT_ROLE, "clear", Encryption::Request).await.unwrap();
    let refused = connect(&server, CLEARTEXT_ROLE, "clear", Encryption::None).await.unwrap_err();
    assert_eq!(refused, HandshakeError::CleartextWithoutTls);

    // Verifiers are the server's own, as text.
    let stored = server.sql("postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'ours'").unwrap();
    assert_eq!(stored.trim().parse::<Verifier>().unwrap(), own);
}

/// A server of one connection that lets in who knows the verifier's password, and says hello to nothing else.
async fn serve(listener: &TcpListener, verifier: Option<&Verifier>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut input = BytesMut::new();
    loop {
        match startup::decode(&mut input).unwrap() {
            None => assert_ne!(stream.read_buf(&mut input).await.unwrap(), 0),
            Some(StartupPacket::Startup(_)) => break,
            Some(_) => stream.write_all(b"N").await.unwrap(),
        }
    }
    let says = |authentication| BackendMessage::Authentication(authentication);
    let mechanism = Bytes::from_static(scram::MECHANISM.as_bytes());
    send(&mut stream, &[says(Authentication::Sasl(vec![mechanism]))]).await;
    // A client without a password hangs up here.
    let Some(first) = password(&mut stream, &mut input).await else { return };
    let first = first.sasl_initial().unwrap();
    assert_eq!(first.mechanism.as_str(), scram::MECHANISM);
    let salt = verifier.map_or(&b"of nobody"[..], Verifier::salt);
    let (exchange, answer) = Exchange::first(salt, &first.data.unwrap()).unwrap();
    send(&mut stream, &[says(Authentication::SaslContinue(answer))]).await;
    let last = password(&mut stream, &mut input).await.unwrap();
    match exchange.last(last.sasl(), verifier) {
        Ok((_, answer)) => {
            let ready = BackendMessage::ReadyForQuery(TransactionStatus::Idle);
            send(&mut stream, &[says(Authentication::SaslFinal(answer)), says(Authentication::Ok), ready]).await;
            // Until the client hangs up.
            while stream.read_buf(&mut input).await.is_ok_and(|count| count > 0) {}
        }
        Err(error) => {
            assert_eq!(error, ScramError::Refused);
            let notice = Notice::fatal("28P01", "password authentication failed", None, None);
            send(&mut stream, &[BackendMessage::ErrorResponse(notice)]).await;
        }
    }
}

async fn send(stream: &mut TcpStream, messages: &[BackendMessage]) {
    let mut out = BytesMut::new();
    for message in messages {
        message.encode(&mut out).unwrap();
    }
    stream.write_all(&out).await.unwrap();
}

async fn password(stream: &mut TcpStream, input: &mut BytesMut) -> Option<Password> {
    loop {
        match frontend::decode(input, &frontend::Limits::default()).unwrap() {
            Some((FrontendMessage::Password(password), _)) => return Some(password),
            Some((other, _)) => panic!("{other:?}"),
            None if stream.read_buf(input).await.unwrap() == 0 => return None,
            None => {}
        }
    }
}

#[tokio::test]
async fn real_clients_are_let_in_by_a_verifier() {
    let verifier = Verifier::of("pencil").unwrap();
    let psql = Postgres::shared().unwrap();
    for (known, given, is_right) in [(true, "pencil", true), (true, "pen", false), (false, "pencil", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port).user("ann").password(given);
        let connects = async {
            let connected = config.connect(NoTls).await;
            connected.map(drop).map_err(|error| error.code().unwrap().code().to_owned())
        };
        let ((), connected) = futures_util::future::join(serve(&listener, known.then_some(&verifier)), connects).await;
        assert_eq!(connected, if is_right { Ok(()) } else { Err("28P01".to_owned()) });

        let mut command: Command = psql.program("psql");
        command
            .env("PGPORT", port.to_string())
            .env("PGUSER", "ann")
            .env("PGPASSWORD", given)
            .env("PGSSLMODE", "prefer");
        let child = tokio::task::spawn_blocking(move || command.args(["-X", "-c", "\\echo in"]).output().unwrap());
        serve(&listener, known.then_some(&verifier)).await;
        let output = child.await.unwrap();
        assert_eq!(output.status.success(), is_right, "{}", String::from_utf8_lossy(&output.stderr));
    }
}
