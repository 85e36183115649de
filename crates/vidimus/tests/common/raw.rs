//! HTTP by hand: exactly these bytes, from an address of its own, and what came back.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// What came back before the connection ended.
#[derive(Debug, Clone)]
pub(crate) struct RawAnswer {
    /// None when the connection ended without an answer.
    pub(crate) status: Option<u16>,
    pub(crate) text: String,
}

impl RawAnswer {
    /// What stands after the head of the (first) answer.
    pub(crate) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// How many answers there are.
    pub(crate) fn count(&self) -> usize {
        self.text.matches("HTTP/1.1 ").count()
    }
}

/// Sends `bytes` from `source`; with `half_close` the sending side ends after them.
pub(crate) async fn exchange(port: u16, source: Ipv4Addr, bytes: &[u8], half_close: bool) -> RawAnswer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((source, 0))).unwrap();
    let stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut received = Vec::new();
    let write = async {
        // Whoever refuses early need not read the rest.
        let _ = writer.write_all(bytes).await;
        if half_close {
            let _ = writer.shutdown().await;
        }
    };
    let read = async {
        let _ = reader.read_to_end(&mut received).await;
    };
    let both = async { tokio::join!(write, read) };
    tokio::time::timeout(LIMIT, both).await.expect("an answer and the end of the connection");
    let text = String::from_utf8_lossy(&received).into_owned();
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    RawAnswer { status, text }
}
