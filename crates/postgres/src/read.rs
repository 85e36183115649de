//! Reading fields of a message ("Message Data Types"): integers in network order, strings that end with a zero byte.
//!
//! A [`Cursor`] goes over one message and shares its memory. Each refusal says what is wrong and in which message.

use bytes::Bytes;

use crate::error::{Peer, Problem, ProtocolError};

/// The body of one message, read from its beginning.
pub(crate) struct Cursor {
    rest: Bytes,
    peer: Peer,
    message: &'static str,
}

type Result<T> = std::result::Result<T, ProtocolError>;

impl Cursor {
    pub(crate) fn new(body: Bytes, peer: Peer, message: &'static str) -> Self {
        Self { rest: body, peer, message }
    }

    /// The message is not well-formed.
    pub(crate) fn malformed(&self, what: &'static str) -> ProtocolError {
        ProtocolError::new(self.peer, Problem::Malformed { message: self.message, what })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some(array) = self.rest.first_chunk::<N>().copied() else {
            return Err(self.malformed("it ends too early"));
        };
        let _ = self.rest.split_to(N);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// A count: the server reads it as unsigned.
    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<Bytes> {
        if count > self.rest.len() {
            return Err(self.malformed("it ends too early"));
        }
        Ok(self.rest.split_to(count))
    }

    /// A value with its length before it; none if that is -1 (NULL).
    pub(crate) fn value(&mut self) -> Result<Option<Bytes>> {
        match self.i32()? {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) => self.bytes(length).map(Some),
                Err(_) => Err(self.malformed("a value has a negative length")),
            },
        }
    }

    /// A string without its zero byte, of whatever encoding.
    pub(crate) fn string(&mut self) -> Result<Bytes> {
        let Some(end) = memchr::memchr(0, &self.rest) else {
            return Err(self.malformed("a string has no end"));
        };
        let string = self.rest.split_to(end);
        let _ = self.rest.split_to(1);
        Ok(string)
    }

    /// A string in UTF-8.
    pub(crate) fn text(&mut self) -> Result<Text> {
        let string = self.string()?;
        Text::new(string).ok_or_else(|| self.malformed("a string is not UTF-8"))
    }

    /// A format code: 0 is text, 1 is binary.
    pub(crate) fn format(&mut self) -> Result<Format> {
        match self.u16()? {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            _ => Err(self.malformed("a format is neither text nor binary")),
        }
    }

    /// What is left, all of it.
    pub(crate) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }

    /// Nothing follows.
    pub(crate) fn end(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed("bytes follow what belongs to it")) }
    }
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// As its type's output function writes it.
    #[default]
    Text,
    /// As its type's send function writes it.
    Binary,
}

impl Format {
    /// The code on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }
}

/// Whether an encoding's name is one of UTF-8's. The server looks at letters and digits alone (`clean_encoding_name`).
pub(crate) fn is_utf8(encoding: &str) -> bool {
    let letters = encoding.chars().filter(char::is_ascii_alphanumeric);
    let name: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    matches!(name.as_str(), "utf8" | "unicode")
}

/// A string in UTF-8 that shares the memory of the message it came in. It has no zero byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(Bytes);

impl Text {
    /// The empty string.
    pub const EMPTY: Self = Self(Bytes::new());

    /// None if it is not UTF-8, or has a zero byte.
    pub fn new(bytes: Bytes) -> Option<Self> {
        let is_text = simdutf8::basic::from_utf8(&bytes).is_ok() && memchr::memchr(0, &bytes).is_none();
        is_text.then_some(Self(bytes))
    }

    /// The text. It is looked over once more, at memory speed.
    pub fn as_str(&self) -> &str {
        simdutf8::basic::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The same in memory of its own, which outlives the message cheaply.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// Whether it is the empty string: of statements and portals, the unnamed one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&str> for Text {
    /// Zero bytes, which no string of the protocol can hold, are left out.
    fn from(text: &str) -> Self {
        Self(text.bytes().filter(|byte| *byte != 0).collect())
    }
}
