//! A server that closes a connection as the next request arrives: a fault that no real one produces on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// Answers the first request of each connection and closes it at the second, unanswered; how many requests came.
async fn closing() -> (HttpTarget, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let requests = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                // Requests of a test are small and come in one piece.
                for answer in [Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), None] {
                    if connection.read(&mut buffer).await.unwrap() == 0 {
                        return;
                    }
                    requests.fetch_add(1, Ordering::SeqCst);
                    if let Some(answer) = answer {
                        connection.write_all(answer.as_bytes()).await.unwrap();
                    }
                }
            });
        }
    });
    (HttpTarget::new(url, HeaderMap::new(), LIMIT, LIMIT).unwrap(), requests)
}

async fn post(target: &HttpTarget, repeat: Repeat) -> Result<http::StatusCode, UpstreamError> {
    let body = Bytes::from_static(b"{}");
    target.send(Method::POST, HeaderMap::new(), body, repeat).await.map(|answer| answer.status())
}

#[tokio::test]
async fn what_may_be_asked_twice_survives_a_connection_that_closes() {
    let (target, requests) = closing().await;
    for _ in 0..5 {
        assert_eq!(post(&target, Repeat::Harmless).await.unwrap(), 200);
    }
    // The first on a new connection, the second unanswered and then again on one of its own, the third on a new one …
    assert_eq!(requests.load(Ordering::SeqCst), 7);
}

#[tokio::test]
async fn what_may_not_is_sent_once_and_the_error_says_why() {
    let (target, requests) = closing().await;
    post(&target, Repeat::Never).await.unwrap();
    let error = post(&target, Repeat::Never).await.unwrap_err();
    assert_eq!(requests.load(Ordering::SeqCst), 2);
    assert_eq!(error.kind(), ErrorKind::Upstream);
    assert!(error.to_string().contains("connection closed before message completed"), "{error}");
}

#[tokio::test]
async fn nobody_there_is_not_tried_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let target = HttpTarget::new(url, HeaderMap::new(), LIMIT, LIMIT).unwrap();
    let error = post(&target, Repeat::Harmless).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}
