//! Clients that hold on to a connection, over real sockets.

use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::*;

/// How long anything may take that should happen soon.
const SOON: Duration = Duration::from_secs(20);
/// The short limit under test.
const SHORT: Duration = Duration::from_millis(500);
/// More than the sockets of both ends hold.
const LARGE: usize = 32 << 20;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const LAST_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// A server that answers everything with `length` bytes.
struct Running {
    address: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(limits: HttpLimits, length: usize) -> Self {
        let body = Bytes::from(vec![b'x'; length]);
        Self::with(limits, move |_, _| {
            let body = body.clone();
            async move { Response::new(Full::new(body)) }
        })
        .await
    }

    async fn with<S, F>(limits: HttpLimits, service: S) -> Self
    where
        S: Fn(Peer, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(Server::tcp(listener, limits).serve(service, stopping));
        Self { address, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn a_client_that_never_reads_loses_its_connection() {
    let limits = HttpLimits { connections: 1, write_timeout: SHORT, ..HttpLimits::default() };
    let server = Running::start(limits, LARGE).await;
    let mut greedy = server.connect().await;
    greedy.write_all(&REQUEST.repeat(64)).await.unwrap();
    // The only place is taken: whoever comes next waits for it.
    let mut next = server.connect().await;
    next.write_all(LAST_REQUEST).await.unwrap();
    let mut answer = Vec::new();
    timeout(SOON, next.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.len() > LARGE);
    drop(greedy);
}

#[tokio::test]
async fn a_client_that_reads_slowly_keeps_its_connection() {
    let server = Running::start(HttpLimits { write_timeout: SHORT, ..HttpLimits::default() }, LARGE).await;
    let mut slow = server.connect().await;
    slow.write_all(LAST_REQUEST).await.unwrap();
    let (mut piece, mut received) = (vec![0; LARGE / 16], 0);
    let began = Instant::now();
    loop {
        let read = timeout(SOON, slow.read_exact(&mut piece)).await.unwrap();
        if read.is_err() {
            break;
        }
        received += piece.len();
        sleep(SHORT / 8).await;
    }
    assert!(began.elapsed() > SHORT, "it was not slow enough to tell");
    assert_eq!(received, LARGE);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Running::start(HttpLimits { head_timeout: SHORT, ..HttpLimits::default() }, 1).await;
    let mut silent = server.connect().await;
    let mut idle = server.connect().await;
    idle.write_all(REQUEST).await.unwrap();
    let began = Instant::now();
    let mut received = Vec::new();
    timeout(SOON, idle.read_to_end(&mut received)).await.unwrap().unwrap();
    assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n") && received.ends_with(b"x"));
    assert!(began.elapsed() >= SHORT / 2, "it was closed at once: {:?}", began.elapsed());
    timeout(SOON, silent.read_to_end(&mut received)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let server = Running::start(HttpLimits { head_timeout: SHORT, ..HttpLimits::default() }, 1).await;
    let (mut reader, mut writer) = server.connect().await.into_split();
    let began = Instant::now();
    let dripping = tokio::spawn(async move {
        writer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-drip: ").await.unwrap();
        // Each byte comes in time, and the head does not.
        while writer.write_all(b"a").await.is_ok() {
            sleep(SHORT / 10).await;
        }
    });
    let mut received = Vec::new();
    let _ = timeout(SOON, reader.read_to_end(&mut received)).await.unwrap();
    assert!(!received.starts_with(b"HTTP/1.1 200"), "{received:?}");
    assert!(began.elapsed() < SHORT * 10, "{:?}", began.elapsed());
    dripping.abort();
}

#[tokio::test]
async fn what_outlasts_the_grace_period_is_aborted() {
    let limits = HttpLimits { grace: SHORT, ..HttpLimits::default() };
    let held = Arc::new(Semaphore::new(0));
    let service = {
        let held = Arc::clone(&held);
        move |_, _| {
            let held = Arc::clone(&held);
            async move {
                held.add_permits(1);
                std::future::pending().await
            }
        }
    };
    let mut server = Running::with(limits, service).await;
    let mut client = server.connect().await;
    client.write_all(REQUEST).await.unwrap();
    let _ = timeout(SOON, held.acquire()).await.unwrap().unwrap();
    server.stop.send_replace(true);
    timeout(SOON, &mut server.task).await.unwrap().unwrap();
    assert_eq!(Arc::strong_count(&held), 1, "a call is still running");
    let mut rest = Vec::new();
    let _ = timeout(SOON, client.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_process_is_asked_about_as_it_connects_and_not_again() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    // The second time it would be another process that has the id.
    let admits = |pid| pid == Some(std::process::id()) && ASKED.fetch_add(1, Ordering::Relaxed) == 0;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let answer = |peer, _| async move {
        let is_admitted = matches!(peer, Peer::Process { is_admitted: true, .. });
        Response::new(Full::new(Bytes::from(if is_admitted { "come in" } else { "stay out" })))
    };
    let (_stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(Server::unix(listener, HttpLimits::default(), admits).serve(answer, stopping));
    for told in ["come in", "stay out"] {
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        stream.write_all(&[REQUEST, LAST_REQUEST].concat()).await.unwrap();
        let mut text = String::new();
        timeout(SOON, stream.read_to_string(&mut text)).await.unwrap().unwrap();
        assert_eq!(text.matches(told).count(), 2, "{text}");
    }
    serving.abort();
}
