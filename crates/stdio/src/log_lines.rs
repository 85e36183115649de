//! What a program writes to its standard error: lines for the gateway's log, bounded in length and number.
//!
//! A line beyond its length is cut, lines beyond their number are left out and counted, and a program that writes faster
//! than anybody reads is read no faster: its own writes wait. The text is the program's; control characters are
//! replaced, nothing else is believed of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, sleep_until};

/// What is read at once.
const READ_SIZE: usize = 8 * 1024;
/// The unit of the limits.
const PERIOD: Duration = Duration::from_secs(1);

/// How much a program may log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes of a line; the rest is cut.
    pub line: usize,
    /// Lines in a second; more are left out and counted.
    pub lines_per_second: u32,
    /// Bytes read in a second; then the program waits.
    pub bytes_per_second: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { line: 4 * 1024, lines_per_second: 100, bytes_per_second: 1 << 20 }
    }
}

/// A line a program has logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The text, cut to the limit, control characters replaced.
    pub text: String,
    /// How many lines were left out before this one.
    pub left_out: u64,
}

/// Who gets the lines. Called on the runtime's threads: it must not block.
#[derive(Clone)]
pub struct LogSink(Arc<dyn Fn(LogLine) + Send + Sync>);

impl LogSink {
    /// Lines go to `sink`.
    pub fn new(sink: impl Fn(LogLine) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }
}

impl fmt::Debug for LogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogSink")
    }
}

/// Reads a program's standard error to its end.
pub(crate) async fn follow(mut stream: impl AsyncRead + Unpin, limits: LogLimits, sink: LogSink) {
    let mut collector = Collector { limits, sink, line: Vec::new(), lines: 0, left_out: 0 };
    let mut chunk = vec![0; READ_SIZE];
    let (mut period_end, mut bytes) = (Instant::now() + PERIOD, 0);
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        if bytes >= limits.bytes_per_second {
            sleep_until(period_end).await;
        }
        if Instant::now() >= period_end {
            (period_end, bytes) = (Instant::now() + PERIOD, 0);
            collector.lines = 0;
        }
        bytes += read;
        collector.take(chunk.get(..read).unwrap_or_default());
    }
    collector.end();
}

#[derive(Debug)]
struct Collector {
    limits: LogLimits,
    sink: LogSink,
    line: Vec<u8>,
    /// In this period.
    lines: u32,
    left_out: u64,
}

impl Collector {
    fn take(&mut self, mut chunk: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (line, rest) = chunk.split_at(end);
            self.append(line);
            self.finish_line();
            chunk = rest.get(1..).unwrap_or_default();
        }
        self.append(chunk);
    }

    fn append(&mut self, part: &[u8]) {
        let space = self.limits.line.saturating_sub(self.line.len());
        self.line.extend_from_slice(part.get(..space).unwrap_or(part));
    }

    fn finish_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if self.lines >= self.limits.lines_per_second {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        self.tell(&line);
    }

    fn tell(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line.trim_ascii_end());
        let text = text.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c });
        (self.sink.0)(LogLine { text: text.collect(), left_out: std::mem::take(&mut self.left_out) });
    }

    /// The last line may have no end, and what was left out is told.
    fn end(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() || self.left_out > 0 {
            self.tell(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    async fn collected(text: &[u8], limits: LogLimits) -> Vec<(String, u64)> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        follow(text, limits, LogSink::new(move |line| kept.lock().unwrap().push((line.text, line.left_out)))).await;
        let lines = lines.lock().unwrap();
        lines.clone()
    }

    fn line(text: &str, left_out: u64) -> (String, u64) {
        (text.to_owned(), left_out)
    }

    #[tokio::test]
    async fn lines_are_cut_and_control_characters_replaced() {
        let limits = LogLimits { line: 6, ..LogLimits::default() };
        let text = b"one\r\n\x1b[31mred\n0123456789\nlast";
        let lines = collected(text, limits).await;
        assert_eq!(lines, [line("one", 0), line("\u{fffd}[31mr", 0), line("012345", 0), line("last", 0)]);
    }

    #[tokio::test]
    async fn lines_beyond_the_rate_are_left_out_and_counted() {
        let limits = LogLimits { lines_per_second: 2, ..LogLimits::default() };
        assert_eq!(collected(b"1\n2\n3\n4\n5\n", limits).await, [line("1", 0), line("2", 0), line("", 3)]);
    }

    #[tokio::test]
    async fn a_flood_is_read_no_faster_than_the_limit() {
        let limits = LogLimits { bytes_per_second: READ_SIZE, lines_per_second: 1, line: 10 };
        let start = Instant::now();
        let flood = vec![b'x'; 2 * READ_SIZE];
        assert_eq!(collected(&flood, limits).await, [line("xxxxxxxxxx", 0)]);
        assert!(start.elapsed() >= PERIOD);
    }
}
