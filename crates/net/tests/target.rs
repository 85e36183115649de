//! Targets over TLS and at each stage at which one can fail, on real sockets.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use vidimus_core::ErrorKind;
use vidimus_net::client::{ConnectError, TargetOptions, TargetTls};
use vidimus_net::{HttpLimits, HttpTarget, Repeat, Server, ServerTls, TlsError, TlsFiles, UpstreamError};
use vidimus_testkit::certificates::{Authority, EXPIRED, Issued, VALID};

/// How long anything may take that should happen soon.
const SOON: Duration = Duration::from_secs(20);
/// The short limit under test.
const SHORT: Duration = Duration::from_millis(300);

/// Files of certificates and keys.
struct Files(vidimus_testkit::TempDir);

impl Files {
    fn new() -> Self {
        Self(vidimus_testkit::tempdir().unwrap())
    }

    fn put(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn pair(&self, name: &str, issued: &Issued) -> (PathBuf, PathBuf) {
        let key = self.put(&format!("{name}.key"), &issued.key);
        (self.put(&format!("{name}.pem"), &issued.certificate), key)
    }
}

/// A server that answers with the version it was asked in.
async fn server(files: &Files, issued: &Issued, client_ca: Option<PathBuf>) -> SocketAddr {
    let (certificate, key) = files.pair("server", issued);
    let tls = ServerTls::load(TlsFiles { certificate, key, client_ca }).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = |_, request: Request<_>| async move {
        Response::new(Full::new(Bytes::from(format!("{:?}", request.version()))))
    };
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(async move {
        Server::tcp(listener, HttpLimits::default()).over_tls(Some(tls)).serve(answer, stopping).await;
        drop(stop);
    });
    address
}

fn options(tls: TargetTls) -> TargetOptions {
    let headers = HeaderMap::new();
    TargetOptions { headers, connect_timeout: SHORT, response_timeout: SHORT, requests: 10, tls }
}

fn target(url: &str, options: TargetOptions) -> HttpTarget {
    HttpTarget::with(url.parse().unwrap(), options).unwrap()
}

async fn asked(target: &HttpTarget) -> Result<String, UpstreamError> {
    let sent = target.send(Method::POST, HeaderMap::new(), Bytes::from_static(b"{}"), Repeat::Never);
    let answer = tokio::time::timeout(SOON, sent).await.unwrap()?;
    Ok(String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn a_certificate_must_be_for_the_name_and_of_an_authority_that_is_trusted() {
    let files = Files::new();
    let authority = Authority::new("internal").unwrap();
    let issued = authority.issue("crm", &["localhost", "crm.internal"], VALID).unwrap();
    let port = server(&files, &issued, None).await.port();
    let slow = |tls| TargetOptions { connect_timeout: SOON, response_timeout: SOON, ..options(tls) };
    let ca = Some(files.put("ca.pem", &authority.certificate()));
    let by_name = TargetTls { ca: ca.clone(), ..TargetTls::default() };
    let named = target(&format!("https://localhost:{port}/mcp"), slow(by_name.clone()));
    assert_eq!(asked(&named).await.unwrap(), "HTTP/2.0", "ALPN chooses it");

    let refused = |url: String, tls| async move { asked(&target(&url, slow(tls))).await.unwrap_err() };
    let at_address = format!("https://127.0.0.1:{port}/mcp");
    let error = refused(at_address.clone(), by_name.clone()).await;
    assert!(matches!(error, UpstreamError::Connect(ConnectError::Tls { .. })), "{error}");
    assert_eq!(error.kind(), ErrorKind::Upstream);
    let text = error.to_string();
    assert!(text.contains(&format!("https://127.0.0.1:{port}")) && text.contains("not valid for name"), "{text}");
    // The name that is set counts, and nothing else.
    let set = TargetTls { server_name: Some("crm.internal".try_into().unwrap()), ..by_name.clone() };
    assert_eq!(asked(&target(&at_address, slow(set))).await.unwrap(), "HTTP/2.0");
    let other = TargetTls { server_name: Some("other.internal".try_into().unwrap()), ..by_name };
    assert!(refused(format!("https://localhost:{port}/mcp"), other).await.to_string().contains("not valid for name"));
    // Neither the system's authorities nor another one of this name.
    let forged = files.put("forged.pem", &Authority::new("internal").unwrap().certificate());
    for ca in [None, Some(forged)] {
        let error = refused(format!("https://localhost:{port}/mcp"), TargetTls { ca, ..TargetTls::default() }).await;
        assert!(matches!(error, UpstreamError::Connect(ConnectError::Tls { .. })), "{error}");
    }
    let old = authority.issue("crm", &["localhost"], EXPIRED).unwrap();
    let port = server(&files, &old, None).await.port();
    let error = refused(format!("https://localhost:{port}/mcp"), TargetTls { ca, ..TargetTls::default() }).await;
    assert!(error.to_string().contains("expired"), "{error}");
}

#[tokio::test]
async fn a_target_that_demands_a_certificate_gets_the_gateways_own() {
    let files = Files::new();
    let authority = Authority::new("internal").unwrap();
    let clients = Authority::new("clients").unwrap();
    let issued = authority.issue("crm", &["localhost"], VALID).unwrap();
    let client_ca = files.put("clients.pem", &clients.certificate());
    let port = server(&files, &issued, Some(client_ca)).await.port();
    let url = format!("https://localhost:{port}/mcp");
    let ca = Some(files.put("ca.pem", &authority.certificate()));
    let own = files.pair("own", &clients.issue("gateway", &["gw.internal"], VALID).unwrap());
    let slow = |tls| TargetOptions { connect_timeout: SOON, response_timeout: SOON, ..options(tls) };
    let tls = TargetTls { ca: ca.clone(), identity: Some(own.clone()), server_name: None };
    assert_eq!(asked(&target(&url, slow(tls.clone()))).await.unwrap(), "HTTP/2.0");
    // TLS 1.3 tells a client that it is refused after the handshake.
    let error = asked(&target(&url, slow(TargetTls { identity: None, ..tls }))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert!(error.to_string().contains(&format!("https://localhost:{port}")), "{error}");

    // Of files that are exchanged the new ones count for the next connection, and those that cannot be used for none.
    let stranger = Authority::new("clients").unwrap();
    files.pair("own", &stranger.issue("gateway", &["gw.internal"], VALID).unwrap());
    let tls = TargetTls { ca: ca.clone(), identity: Some(own.clone()), server_name: None };
    let once = target(&url, slow(tls));
    assert!(asked(&once).await.is_err());
    assert!(!once.tls().reload().unwrap(), "nothing is new");
    files.pair("own", &clients.issue("gateway", &["gw.internal"], VALID).unwrap());
    assert!(once.tls().reload().unwrap());
    assert_eq!(asked(&once).await.unwrap(), "HTTP/2.0");
    std::fs::write(&own.0, "half of it").unwrap();
    assert!(once.tls().reload().is_err() && !once.tls().reload().unwrap(), "told once");
    assert_eq!(asked(&once).await.unwrap(), "HTTP/2.0");
    files.pair("own", &clients.issue("gateway", &["gw.internal"], VALID).unwrap());

    std::fs::set_permissions(&own.1, std::fs::Permissions::from_mode(0o644)).unwrap();
    let tls = TargetTls { ca, identity: Some(own), server_name: None };
    let refused = HttpTarget::with(url.parse().unwrap(), options(tls)).err().unwrap();
    assert!(matches!(refused, UpstreamError::Tls(TlsError::Exposed(_))), "{refused}");
    assert_eq!(refused.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn each_stage_has_its_time_and_says_which_it_was() {
    // A queue of connections that is full: further ones are neither taken nor refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    // How many it takes is the kernel's affair: it is full when one more is left waiting.
    let mut waiting = Vec::new();
    while let Ok(connected) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 64, "the queue is never full");
    }
    // The time for the response runs from the beginning: it has to be longer than that of the stages before it.
    let patient = |tls| TargetOptions { response_timeout: SOON, ..options(tls) };
    let error = asked(&target(&format!("http://{address}/mcp"), patient(TargetTls::default()))).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Connect(ConnectError::Timeout { .. })), "{error}");
    assert_eq!(error.to_string(), format!("no connection to http://{address} within 300ms (connect_timeout)"));
    assert_eq!(error.kind(), ErrorKind::Timeout);
    drop((full, waiting));

    // One that takes connections and says nothing.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {} });
        }
    });
    let files = Files::new();
    let ca = Some(files.put("ca.pem", &Authority::new("internal").unwrap().certificate()));
    let tls = TargetTls { ca, ..TargetTls::default() };
    let error = asked(&target(&format!("https://{address}/mcp"), patient(tls))).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Connect(ConnectError::TlsTimeout { .. })), "{error}");
    let error = asked(&target(&format!("http://{address}/mcp"), options(TargetTls::default()))).await.unwrap_err();
    let told = format!("http://{address} gave no response within 300ms (request_timeout)");
    assert_eq!(error.to_string(), told);
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn requests_at_once_are_bounded_until_their_answers_are_read() {
    let files = Files::new();
    let authority = Authority::new("internal").unwrap();
    let issued = authority.issue("crm", &["localhost"], VALID).unwrap();
    let port = server(&files, &issued, None).await.port();
    let tls = TargetTls { ca: Some(files.put("ca.pem", &authority.certificate())), ..TargetTls::default() };
    let options = TargetOptions { connect_timeout: SHORT * 4, response_timeout: SOON, requests: 2, ..options(tls) };
    let target = target(&format!("https://localhost:{port}/mcp"), options);
    let held = async || target.send(Method::POST, HeaderMap::new(), Bytes::new(), Repeat::Never).await.unwrap();
    let (first, second) = (held().await, held().await);
    let error = asked(&target).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Crowded { requests: 2, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Limit);
    drop(first);
    asked(&target).await.unwrap();
    drop(second);
}
