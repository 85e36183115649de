//! What a program writes to its standard error: pieces for whoever follows it, byte for byte.
//!
//! Nothing is cut, dropped or read here, since only who masks it may do that: a value is found whole or not at all. Memory
//! is bounded by making the program wait: it is read no faster than the limit, and no faster than the pieces are taken.
//! Where nobody takes them any more, it is read on and let go, so that the program does not stand still. Beside them go
//! remarks of the gateway's own about the program, which are no part of what it wrote.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// What is read at once.
const READ_SIZE: usize = 8 * 1024;
/// Pieces that wait to be taken.
const PIECES_WAITING: usize = 8;
/// The unit of the limit.
const PERIOD: Duration = Duration::from_secs(1);

/// How much a program may log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes read in a second; then the program waits.
    pub bytes_per_second: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { bytes_per_second: 1 << 20 }
    }
}

/// Where a program's standard error goes. Clones lead to the same place.
#[derive(Debug, Clone)]
pub struct LogSink(Option<mpsc::Sender<LogPiece>>);

/// What comes out of a [`LogSink`].
#[derive(Debug)]
pub struct LogPieces(mpsc::Receiver<LogPiece>);

/// A part of what is said of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPiece {
    /// The program wrote it.
    Written(Bytes),
    /// The gateway remarks it: one line, without anything that the program wrote.
    Remark(String),
}

impl From<Bytes> for LogPiece {
    fn from(written: Bytes) -> Self {
        Self::Written(written)
    }
}

impl LogSink {
    /// A sink, and what comes out of it.
    pub fn new() -> (Self, LogPieces) {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING);
        (Self(Some(sender)), LogPieces(receiver))
    }

    /// Nobody follows.
    pub const fn nobody() -> Self {
        Self(None)
    }

    /// Waits until there is room. Cancel safe: the piece is put in whole or not at all.
    pub async fn put(&self, piece: impl Into<LogPiece>) {
        if let Some(sender) = &self.0 {
            // An error says that nobody takes it.
            let _ = sender.send(piece.into()).await;
        }
    }
}

impl LogPieces {
    /// The next piece; none when all that the program wrote was taken and no more can come. Cancel safe.
    pub async fn next(&mut self) -> Option<LogPiece> {
        self.0.recv().await
    }
}

/// Reads a program's standard error to its end.
pub(crate) async fn follow(mut stream: impl AsyncRead + Unpin, limits: LogLimits, sink: LogSink) {
    let mut buffer = BytesMut::new();
    let (mut period_end, mut bytes) = (Instant::now() + PERIOD, 0);
    loop {
        buffer.reserve(READ_SIZE);
        let Ok(read @ 1..) = stream.read_buf(&mut buffer).await else { return };
        if bytes >= limits.bytes_per_second {
            sleep_until(period_end).await;
        }
        if Instant::now() >= period_end {
            (period_end, bytes) = (Instant::now() + PERIOD, 0);
        }
        bytes += read;
        sink.put(buffer.split().freeze()).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn a_flood_is_read_no_faster_than_the_limit() {
        let limits = LogLimits { bytes_per_second: READ_SIZE };
        let start = Instant::now();
        let flood = vec![b'x'; 2 * READ_SIZE];
        let (sink, mut pieces) = LogSink::new();
        tokio::spawn(async move { follow(&*flood, limits, sink).await });
        let mut taken = 0;
        while let Some(LogPiece::Written(piece)) = pieces.next().await {
            taken += piece.len();
        }
        assert_eq!(taken, 2 * READ_SIZE);
        assert!(start.elapsed() >= PERIOD);
    }

    #[tokio::test]
    async fn nothing_is_read_that_nobody_takes_and_nothing_waits_for_nobody() {
        let (mut program, stream) = tokio::io::duplex(READ_SIZE);
        let (sink, pieces) = LogSink::new();
        tokio::spawn(follow(stream, LogLimits { bytes_per_second: usize::MAX }, sink));
        let all = vec![b'x'; (PIECES_WAITING + 4) * READ_SIZE];
        let mut write = tokio::spawn(async move { program.write_all(&all).await });
        assert!(tokio::time::timeout(PERIOD, &mut write).await.is_err(), "more than may wait was read");
        drop(pieces);
        write.await.unwrap().unwrap();
    }
}
