//! Messages on a pipe: one a line (MCP, "stdio" transport), both ways.
//!
//! Refuses a line longer than the limit, of which no more than the limit is ever kept. What is sent is made one line:
//! raw CR and LF, which in JSON stand only between tokens (RFC 8259 §2), become spaces; else a message within a message
//! would arrive as one that nobody decided.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::{memchr, memchr2};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What is read at once.
const READ_SIZE: usize = 16 * 1024;

/// Why there is no next message.
#[derive(Debug)]
pub(crate) enum LineError {
    /// The line is longer than the limit.
    TooLong,
    /// The pipe failed. What its peer then does is seen elsewhere.
    Failed,
}

/// Reads messages.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    stream: R,
    limit: usize,
    buffer: BytesMut,
    /// So much of the buffer holds no line feed.
    searched: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(stream: R, limit: usize) -> Self {
        Self { stream, limit, buffer: BytesMut::new(), searched: 0 }
    }

    /// The next line that is not empty, without its end. `None` at the end of the stream, where what was begun and not
    /// ended is no message. Cancel safe: what was read stays in the buffer.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, LineError> {
        loop {
            while let Some(line) = self.take_line()? {
                if !line.is_empty() {
                    return Ok(Some(line));
                }
            }
            self.buffer.reserve(READ_SIZE);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(_) => return Err(LineError::Failed),
            }
        }
    }

    fn take_line(&mut self) -> Result<Option<Bytes>, LineError> {
        let end = memchr(b'\n', self.buffer.get(self.searched..).unwrap_or_default()).map(|end| self.searched + end);
        if end.unwrap_or(self.buffer.len()) > self.limit {
            return Err(LineError::TooLong);
        }
        let Some(end) = end else {
            self.searched = self.buffer.len();
            return Ok(None);
        };
        self.searched = 0;
        let line = self.buffer.get(..end).unwrap_or_default();
        // A copy: a short line that waits somewhere must not hold all that was read with it.
        let line = Bytes::copy_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        self.buffer.advance(end + 1);
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        Ok(Some(line))
    }
}

/// The message as exactly one line, its end included.
pub(crate) fn one_line(message: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(message.len() + 1);
    line.extend_from_slice(message);
    let mut rest = line.as_mut_slice();
    while let Some(at) = memchr2(b'\r', b'\n', rest) {
        let (done, left) = rest.split_at_mut(at + 1);
        if let Some(last) = done.last_mut() {
            *last = b' ';
        }
        rest = left;
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(text: &str, limit: usize) -> Vec<Result<String, &'static str>> {
        let mut lines = Lines::new(text.as_bytes(), limit);
        let mut found = Vec::new();
        loop {
            match lines.next().await {
                Ok(Some(line)) => found.push(Ok(String::from_utf8(line.to_vec()).unwrap())),
                Ok(None) => return found,
                Err(LineError::TooLong) => {
                    found.push(Err("too long"));
                    return found;
                }
                Err(LineError::Failed) => panic!("a slice failed"),
            }
        }
    }

    #[tokio::test]
    async fn lines_are_messages_and_empty_ones_are_none() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(all("{1}\n\r\n\n{2}\r\n{begun", 10).await, [ok("{1}"), ok("{2}")]);
        assert_eq!(all("0123456789\n", 10).await, [ok("0123456789")]);
    }

    #[tokio::test]
    async fn a_line_beyond_the_limit_is_refused_with_and_without_its_end() {
        assert_eq!(all("a\n01234567890\nb\n", 10).await, [Ok("a".to_owned()), Err("too long")]);
        assert_eq!(all("01234567890", 10).await, [Err("too long")]);
    }

    #[test]
    fn what_is_sent_is_one_line_of_the_same_length() {
        assert_eq!(one_line(b"{\"a\":\r\n1}\n{\"b\":2}\r"), b"{\"a\":  1} {\"b\":2} \n");
        assert_eq!(one_line(b"{}"), b"{}\n");
        assert_eq!(one_line(b""), b"\n");
        assert_eq!(one_line("{\"é\":\"\\n\"}".as_bytes()), "{\"é\":\"\\n\"}\n".as_bytes());
    }
}
