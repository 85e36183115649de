//! Listeners over TLS, on real sockets: who gets a connection, what is spoken on it, and how long a client may hold it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vidimus_net::{HttpLimits, Server, ServerTls, TlsError, TlsFiles};
use vidimus_testkit::certificates::{Authority, EXPIRED, Issued, VALID};

/// How long anything may take that should happen soon.
const SOON: Duration = Duration::from_secs(20);
/// The short limit under test.
const SHORT: Duration = Duration::from_millis(500);
/// More than windows and sockets hold.
const LARGE: usize = 8 << 20;

/// The files of a listener.
struct Files {
    dir: vidimus_testkit::TempDir,
    files: TlsFiles,
}

impl Files {
    fn of(issued: &Issued) -> Self {
        let dir = vidimus_testkit::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let files = TlsFiles { certificate: at("certificate.pem"), key: at("key.pem"), client_ca: None };
        let files = Self { dir, files };
        files.put(issued);
        files
    }

    fn put(&self, issued: &Issued) {
        std::fs::write(&self.files.certificate, &issued.certificate).unwrap();
        std::fs::write(&self.files.key, &issued.key).unwrap();
        std::fs::set_permissions(&self.files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn for_clients_of(mut self, authority: &Authority) -> Self {
        let path = self.dir.path().join("clients.pem");
        std::fs::write(&path, authority.certificate()).unwrap();
        self.files.client_ca = Some(path);
        self
    }
}

/// A server that answers what it was asked by, and on `/large` with many bytes.
struct Running {
    address: SocketAddr,
    tls: ServerTls,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(files: &Files, limits: HttpLimits) -> Self {
        let tls = ServerTls::load(files.files.clone()).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let answer = |_, request: Request<_>| async move {
            let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
            let text = match request.uri().path() {
                "/large" => "x".repeat(LARGE),
                "/never" => std::future::pending().await,
                _ => format!("{:?} {}", request.version(), host.unwrap_or_default()),
            };
            Response::new(Full::new(Bytes::from(text)))
        };
        let server = Server::tcp(listener, limits).over_tls(Some(tls.clone()));
        let task = tokio::spawn(server.serve(answer, stopping));
        Self { address, tls, stop, task }
    }

    /// A connection that believes `authority`, with this certificate of its own.
    async fn connect(
        &self,
        authority: &Authority,
        own: Option<&Issued>,
        alpn: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap()];
                builder
                    .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap())
                    .unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(self.address).await?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("gw.test").unwrap(), stream);
        timeout(SOON, connecting).await.unwrap()
    }

    /// What one request over HTTP/1.1 gets.
    async fn asked(&self, authority: &Authority, own: Option<&Issued>) -> anyhow::Result<String> {
        let stream = self.connect(authority, own, &["http/1.1"]).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::get("/").header("host", "gw.test").body(Empty::<Bytes>::new())?;
        let answer = timeout(SOON, sender.send_request(request)).await??;
        Ok(String::from_utf8(answer.into_body().collect().await?.to_bytes().to_vec())?)
    }

    /// An HTTP/2 connection, and its end.
    async fn http2(
        &self,
        authority: &Authority,
        window: u32,
    ) -> (http2::SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
        let stream = self.connect(authority, None, &["h2", "http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(window);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        (sender, tokio::spawn(connection))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("https://gw.test{path}")).body(Empty::new()).unwrap()
}

fn authority() -> (Authority, Issued) {
    let authority = Authority::new("test authority").unwrap();
    let issued = authority.issue("gw", &["gw.test"], VALID).unwrap();
    (authority, issued)
}

#[tokio::test]
async fn http2_and_http1_are_spoken_as_agreed_and_nothing_else() {
    let (authority, issued) = authority();
    let server = Running::start(&Files::of(&issued), HttpLimits::default()).await;
    assert_eq!(server.asked(&authority, None).await.unwrap(), "HTTP/1.1 gw.test");
    let (mut sender, _) = server.http2(&authority, 1 << 16).await;
    let answer = sender.send_request(get("/")).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
    // `:authority` stands for `Host`.
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "HTTP/2.0 gw.test");
    let two_hosts = Request::get("https://gw.test/").header("host", "evil.test").body(Empty::new()).unwrap();
    assert_eq!(sender.send_request(two_hosts).await.unwrap().status(), StatusCode::BAD_REQUEST);
    let large = sender.send_request(get("/large")).await.unwrap();
    assert_eq!(large.into_body().collect().await.unwrap().to_bytes().len(), LARGE);
    let refused = server.connect(&authority, None, &["imap"]).await.unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
}

#[tokio::test]
async fn a_new_pair_is_taken_without_a_restart_and_a_bad_one_is_not() {
    let (first, issued) = authority();
    let files = Files::of(&issued);
    let server = Running::start(&files, HttpLimits::default()).await;
    let second = Authority::new("another authority").unwrap();
    assert!(server.asked(&second, None).await.is_err());
    assert!(!server.tls.reload().unwrap(), "nothing has changed");

    // A new certificate with the old key, as in the middle of a renewal.
    let renewed = second.issue("gw", &["gw.test"], VALID).unwrap();
    std::fs::write(&files.files.certificate, &renewed.certificate).unwrap();
    let error = server.tls.reload().unwrap_err();
    let path = files.files.certificate.display().to_string();
    assert!(matches!(error, TlsError::Unusable { .. }) && error.to_string().contains(&path), "{error}");
    assert!(!server.tls.reload().unwrap(), "told once");
    server.asked(&first, None).await.unwrap();

    files.put(&renewed);
    assert!(server.tls.reload().unwrap());
    server.asked(&second, None).await.unwrap();
    assert!(server.asked(&first, None).await.is_err());

    std::fs::remove_file(&files.files.key).unwrap();
    let error = server.tls.reload().unwrap_err();
    assert!(matches!(&error, TlsError::Unreadable { path, .. } if *path == files.files.key), "{error}");
    server.asked(&second, None).await.unwrap();
}

#[test]
fn files_that_cannot_be_used_are_refused_by_name() {
    let (authority, issued) = authority();
    let refused = |spoil: &dyn Fn(&Files)| {
        let files = Files::of(&issued).for_clients_of(&authority);
        spoil(&files);
        ServerTls::load(files.files.clone()).unwrap_err()
    };
    for mode in [0o640, 0o604, 0o644, 0o660] {
        let set = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = refused(&|files| set(&files.files.key));
        assert!(matches!(error, TlsError::Exposed(_)), "{error}");
    }
    let error = refused(&|files| std::fs::write(&files.files.key, &issued.certificate).unwrap());
    assert!(matches!(error, TlsError::Nothing { wanted: "private key", .. }), "{error}");
    for nothing in ["", "no PEM", &issued.key, "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
        let error = refused(&|files| std::fs::write(&files.files.certificate, nothing).unwrap());
        assert!(matches!(error, TlsError::Nothing { wanted: "certificate", .. }), "{error}");
        let error = refused(&|files| std::fs::write(files.files.client_ca.as_ref().unwrap(), nothing).unwrap());
        assert!(matches!(error, TlsError::Nothing { wanted: "certificate", .. }), "{error}");
    }
    let error = refused(&|files| std::fs::write(&files.files.key, vec![b'x'; (1 << 20) + 1]).unwrap());
    assert!(matches!(error, TlsError::TooLarge(_)), "{error}");
    assert!(!format!("{error:?}").contains("xxx"));
}

#[tokio::test]
async fn only_clients_of_the_authority_get_a_connection() {
    let (authority, issued) = authority();
    let clients = Authority::new("clients").unwrap();
    let server = Running::start(&Files::of(&issued).for_clients_of(&clients), HttpLimits::default()).await;
    let own = clients.issue("alice", &["alice.test"], VALID).unwrap();
    server.asked(&authority, Some(&own)).await.unwrap();
    // An authority of the same name is another one.
    let forged = Authority::new("clients").unwrap().issue("alice", &["alice.test"], VALID).unwrap();
    let expired = clients.issue("alice", &["alice.test"], EXPIRED).unwrap();
    for bad in [None, Some(&forged), Some(&expired), Some(&issued)] {
        assert!(server.asked(&authority, bad).await.is_err());
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_to_its_end_is_cut_off() {
    let (_, issued) = authority();
    let limits = HttpLimits { handshake_timeout: SHORT, connections: 1, ..HttpLimits::default() };
    let server = Running::start(&Files::of(&issued), limits).await;
    // The first bytes of a `ClientHello` of 512 bytes, and then silence.
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut silent = TcpStream::connect(server.address).await.unwrap();
        let began = Instant::now();
        silent.write_all(begun).await.unwrap();
        assert_eq!(timeout(SOON, silent.read(&mut [0; 16])).await.unwrap().unwrap(), 0);
        assert!(began.elapsed() >= SHORT / 2);
    }
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: gw.test\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(SOON, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP/"), "no answer without TLS: {answer:?}");
}

#[tokio::test]
async fn an_http2_connection_that_asks_nothing_is_closed() {
    let (authority, issued) = authority();
    let limits = HttpLimits { head_timeout: SHORT, ..HttpLimits::default() };
    let server = Running::start(&Files::of(&issued), limits).await;
    let (mut sender, ended) = server.http2(&authority, 1 << 16).await;
    sender.send_request(get("/")).await.unwrap().into_body().collect().await.unwrap();
    let began = Instant::now();
    let _ = timeout(SOON, ended).await.unwrap();
    assert!(began.elapsed() >= SHORT / 2, "{:?}", began.elapsed());
    // One that says nothing after the handshake, not even that it speaks HTTP/2.
    let mut silent = server.connect(&authority, None, &["h2"]).await.unwrap();
    let _ = timeout(SOON, silent.read_to_end(&mut Vec::new())).await.unwrap();
    // One with a request open is not idle.
    let (mut sender, ended) = server.http2(&authority, 1 << 16).await;
    let open = tokio::spawn(sender.send_request(get("/never")));
    sleep(SHORT * 4).await;
    assert!(!open.is_finished() && !ended.is_finished());
}

#[tokio::test]
async fn an_http2_client_that_grants_no_window_loses_its_connection() {
    let (authority, issued) = authority();
    let limits = HttpLimits { write_timeout: SHORT, ..HttpLimits::default() };
    let server = Running::start(&Files::of(&issued), limits).await;
    let (mut sender, ended) = server.http2(&authority, 1 << 10).await;
    // Its head is read, and nothing of its body.
    let held = sender.send_request(get("/large")).await.unwrap();
    let _ = timeout(SOON, ended).await.unwrap();
    assert!(held.into_body().collect().await.is_err());
    // A slow one gets it all.
    let (mut sender, _) = server.http2(&authority, 64 << 10).await;
    let mut slow = sender.send_request(get("/large")).await.unwrap().into_body();
    let (began, mut received) = (Instant::now(), 0);
    while let Some(frame) = timeout(SOON, slow.frame()).await.unwrap() {
        received += frame.unwrap().into_data().unwrap().len();
        if began.elapsed() < SHORT * 3 {
            sleep(SHORT / 10).await;
        }
    }
    assert_eq!(received, LARGE);
}

#[tokio::test]
async fn http2_calls_are_cut_off_after_the_grace_period() {
    let (authority, issued) = authority();
    let limits = HttpLimits { grace: SHORT, ..HttpLimits::default() };
    let mut server = Running::start(&Files::of(&issued), limits).await;
    let (mut sender, ended) = server.http2(&authority, 1 << 16).await;
    let open = tokio::spawn(sender.send_request(get("/never")));
    sleep(SHORT / 4).await;
    server.stop.send_replace(true);
    timeout(SOON, &mut server.task).await.unwrap().unwrap();
    assert!(timeout(SOON, open).await.unwrap().unwrap().is_err());
    let _ = timeout(SOON, ended).await.unwrap();
}

/// One frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET https://gw.test/`, by indices of the static table (RFC 7541 appendix A).
fn head() -> Vec<u8> {
    [&[0x82, 0x87, 0x84, 0x41, 7][..], b"gw.test"].concat()
}

/// What the server says before it closes a connection on which these frames came.
async fn frames_answered(server: &Running, authority: &Authority, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = server.connect(authority, None, &["h2"]).await.unwrap();
    let mut received = Vec::new();
    let exchange = async {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(0x4, 0, 0, &[]));
        bytes.extend(frames.concat());
        // Whoever refuses early need not read the rest.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.read_to_end(&mut received).await;
    };
    timeout(SOON, exchange).await.unwrap();
    received
}

/// The error code of `GOAWAY` among frames.
fn gone_away(mut bytes: &[u8]) -> Option<u32> {
    while bytes.len() >= 9 {
        let length = usize::try_from(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])).unwrap();
        let payload = &bytes[9..9 + length];
        if bytes[3] == 0x7 && payload[4..8] != [0; 4] {
            return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        bytes = &bytes[9 + length..];
    }
    None
}

#[tokio::test]
async fn a_head_that_http1_would_read_otherwise_is_no_request() {
    let (authority, issued) = authority();
    // Such a stream is reset, and the connection stays until it is idle.
    let limits = HttpLimits { head_timeout: SHORT, ..HttpLimits::default() };
    let server = Running::start(&Files::of(&issued), limits).await;
    let literal = |name: &str, value: &str| {
        let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        [vec![0x00], text(name), text(value)].concat()
    };
    let good = frames_answered(&server, &authority, &[frame(0x1, 0x5, 1, &head())]).await;
    assert!(has_head(&good), "{good:?}");
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("X-Capital", "a"),
        ("a b", "c"),
        ("x-injected", "a\r\nhost: evil.test"),
        ("x-nul", "a\0b"),
        (":path", "/again"),
        (":status", "200"),
        ("content-length", "5"),
        ("content-length", "-1"),
    ] {
        let bad = frame(0x1, 0x5, 1, &[head(), literal(name, value)].concat());
        let answered = frames_answered(&server, &authority, &[bad]).await;
        assert!(!has_head(&answered), "{name}: {value:?} was answered: {answered:?}");
    }
}

/// Whether there is an answer to a request among frames.
fn has_head(mut bytes: &[u8]) -> bool {
    while bytes.len() >= 9 {
        let length = usize::try_from(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]])).unwrap();
        if bytes[3] == 0x1 {
            return true;
        }
        bytes = &bytes[9 + length..];
    }
    false
}

#[tokio::test]
async fn abuse_of_http2_ends_the_connection() {
    const PROTOCOL_ERROR: u32 = 0x1;
    const ENHANCE_YOUR_CALM: u32 = 0xB;
    let (authority, issued) = authority();
    let server = Running::start(&Files::of(&issued), HttpLimits::default()).await;
    // CVE-2023-44487: each stream is opened and taken back at once.
    let reset = |stream: u32| [frame(0x1, 0x5, stream, &head()), frame(0x3, 0, stream, &8_u32.to_be_bytes())].concat();
    let rapid: Vec<_> = (0..2_000).map(|number| reset(1 + 2 * number)).collect();
    assert_eq!(gone_away(&frames_answered(&server, &authority, &rapid).await), Some(ENHANCE_YOUR_CALM));
    // CVE-2024-27316: a head that goes on for ever.
    let mut endless = vec![frame(0x1, 0x1, 1, &head())];
    // A header of 8,000 bytes, not indexed.
    let header = [&[0x00, 1, b'a', 0x7F, 0xC1, 0x3D][..], &[b'b'; 8_000]].concat();
    endless.extend((0..200).map(|_| frame(0x9, 0, 1, &header)));
    let code = gone_away(&frames_answered(&server, &authority, &endless).await);
    assert!(matches!(code, Some(ENHANCE_YOUR_CALM | PROTOCOL_ERROR)), "{code:?}");
    // A frame of a stream that the client may not open.
    let code = gone_away(&frames_answered(&server, &authority, &[frame(0x1, 0x5, 2, &head())]).await);
    assert_eq!(code, Some(PROTOCOL_ERROR));
    // The server lives.
    server.asked(&authority, None).await.unwrap();
}
