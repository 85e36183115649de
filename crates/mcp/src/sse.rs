//! Server-sent events (WHATWG HTML §9.2, "Server-sent events"), without I/O: what is read, and what is written around
//! a message.
//!
//! The decoder takes the stream in whatever pieces it arrives and gives the same events for every way of cutting it.
//! It refuses an event larger than its limit and text that is not UTF-8 in the fields that are text. Before a message is
//! written, line ends inside it become spaces: in JSON they are only white space, in a stream they would end the line,
//! and what follows would be read as a field of its own.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use vidimus_core::ErrorKind;

/// What stands before the id of an event.
pub const ID: &str = "id: ";
/// What stands before each message of a stream.
pub const BEFORE: &[u8] = b"event: message\ndata: ";
/// What stands before the address of a stream's messages (MCP 2024-11-05, "Transports: HTTP with SSE").
pub const BEFORE_ENDPOINT: &[u8] = b"event: endpoint\ndata: ";
/// What the event that names this address is called.
pub const ENDPOINT: &str = "endpoint";
/// What stands after each message of a stream.
pub const AFTER: &[u8] = b"\n\n";
/// A comment: keeps the connection open and means nothing.
pub const IDLE: &[u8] = b":\n\n";

/// The longest event id. Each event carries the last one, so a long one would be multiplied.
pub const MAX_EVENT_ID_BYTES: usize = 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The type; `message` when the stream names none.
    pub name: String,
    /// The data, lines joined by line feeds.
    pub data: Bytes,
    /// The last event id at this event, the stream's own or an earlier event's; empty when there is none.
    pub id: Arc<str>,
}

/// What a stream must not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// A line, the data of one event, or an id passes its limit.
    #[error("a line, event or id of the stream is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// An event type or id that is not UTF-8.
    #[error("a field of the stream is not UTF-8")]
    InvalidUtf8,
}

impl SseError {
    /// A limit, or a target that breaks its protocol.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLong { .. } => ErrorKind::Limit,
            Self::InvalidUtf8 => ErrorKind::Upstream,
        }
    }
}

/// Reads a stream piece by piece.
#[derive(Debug)]
pub struct Decoder {
    max_event_bytes: usize,
    /// The part of a line that has arrived.
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed that comes next belongs to it.
    after_return: bool,
    /// Nothing has been read: a byte order mark may come.
    at_start: bool,
    name: String,
    data: Vec<u8>,
    /// The event being read has a data field; it may be empty.
    has_data: bool,
    /// The id field last read.
    id: String,
    /// The id of the last event that is complete.
    last_event_id: Arc<str>,
    /// How long to wait before reading on on another connection, as the stream asks.
    retry: Option<Duration>,
    /// What the stream broke off with.
    failed: Option<SseError>,
}

impl Decoder {
    /// A decoder for a new stream. `max_event_bytes` bounds each line and the data of each event.
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            line: Vec::new(),
            after_return: false,
            at_start: true,
            name: String::new(),
            data: Vec::new(),
            has_data: false,
            id: String::new(),
            last_event_id: Arc::default(),
            retry: None,
            failed: None,
        }
    }

    /// Takes the next piece and appends the events that it completes; an event the stream ends in is none.
    ///
    /// An error is final. It is told after the events before it, so that cutting the stream elsewhere changes nothing.
    pub fn push(&mut self, piece: &[u8], events: &mut Vec<Event>) -> Result<(), SseError> {
        let before = events.len();
        if self.failed.is_none() {
            self.failed = self.read(piece, events).err();
        }
        match self.failed {
            Some(error) if events.len() == before => Err(error),
            _ => Ok(()),
        }
    }

    /// The id to resume the stream after; empty when it has none.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// How long the stream asks to wait before it is gone on with; none when it has not said.
    pub const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Begins with another connection of the same stream: what was not complete on the last one is none.
    pub fn reconnected(&mut self) {
        let (id, retry) = (Arc::clone(&self.last_event_id), self.retry);
        *self = Self { id: id.as_ref().into(), last_event_id: id, retry, ..Self::new(self.max_event_bytes) };
    }

    fn read(&mut self, piece: &[u8], events: &mut Vec<Event>) -> Result<(), SseError> {
        let mut rest = piece;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', rest) else {
                return self.keep(rest);
            };
            let (part, from_end) = rest.split_at(end);
            self.after_return = from_end.first() == Some(&b'\r');
            rest = from_end.get(1..).unwrap_or_default();
            if self.line.is_empty() && part.len() <= self.max_event_bytes {
                self.take_line(part, events)?;
            } else {
                self.keep(part)?;
                let line = std::mem::take(&mut self.line);
                self.take_line(&line, events)?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), SseError> {
        self.fits(self.line.len().saturating_add(part.len()))?;
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn fits(&self, length: usize) -> Result<(), SseError> {
        let limit = self.max_event_bytes;
        if length > limit { Err(SseError::TooLong { limit }) } else { Ok(()) }
    }

    fn take_line(&mut self, line: &[u8], events: &mut Vec<Event>) -> Result<(), SseError> {
        let line = match line.strip_prefix(b"\xEF\xBB\xBF") {
            Some(rest) if self.at_start => rest,
            _ => line,
        };
        self.at_start = false;
        if line.is_empty() {
            self.dispatch(events);
            return Ok(());
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                let (field, from_colon) = line.split_at(colon);
                let value = from_colon.get(1..).unwrap_or_default();
                (field, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, b"".as_slice()),
        };
        match field {
            b"data" => {
                let separator = usize::from(self.has_data);
                self.fits(self.data.len().saturating_add(separator).saturating_add(value.len()))?;
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => text(value)?.clone_into(&mut self.name),
            b"id" if value.len() > MAX_EVENT_ID_BYTES => return Err(SseError::TooLong { limit: MAX_EVENT_ID_BYTES }),
            b"id" if !value.contains(&0) => text(value)?.clone_into(&mut self.id),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                self.retry = text(value)?.parse().ok().map(Duration::from_millis).or(self.retry);
            }
            // Comments, whose field name is empty; fields nobody knows.
            _ => {}
        }
        Ok(())
    }

    /// An empty line: the event is complete. Without data it is none, and only its id counts.
    fn dispatch(&mut self, events: &mut Vec<Event>) {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        if *self.id != *self.last_event_id {
            self.last_event_id = self.id.as_str().into();
        }
        if std::mem::take(&mut self.has_data) {
            let name = if name.is_empty() { "message".to_owned() } else { name };
            events.push(Event { name, data: data.into(), id: Arc::clone(&self.last_event_id) });
        }
    }
}

/// The message on one line: its carriage returns and line feeds become spaces, so its length stays. In valid JSON they
/// stand only outside strings, where they mean nothing; where messages are framed by lines, what follows one would be
/// read as a message nobody decided on. A message without any is not copied.
pub fn flatten(message: &Bytes) -> Bytes {
    if memchr::memchr2(b'\r', b'\n', message).is_none() {
        return message.clone();
    }
    message.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

fn text(value: &[u8]) -> Result<&str, SseError> {
    std::str::from_utf8(value).map_err(|_| SseError::InvalidUtf8)
}
