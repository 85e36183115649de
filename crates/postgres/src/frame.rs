//! Cutting a stream of bytes into messages ("Message Formats"): a type byte, and a length that counts itself.
//!
//! A message is refused as soon as its first five bytes are there: an unknown type, a length it cannot have, one beyond
//! its limit. So nobody makes the gateway wait for, or keep, what it would refuse. Nothing is copied.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::error::{Peer, Problem, ProtocolError};

/// Type byte and length word.
pub const HEADER_BYTES: usize = 5;
/// The length word, which counts itself.
pub(crate) const LENGTH_BYTES: usize = 4;

/// What a type byte stands for, and the longest body it may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) limit: usize,
}

/// One message as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
}

impl Frame {
    /// A message that was written here.
    pub(crate) const fn of(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// The type byte.
    pub fn tag(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// What follows type and length.
    pub fn body(&self) -> Bytes {
        if self.bytes.len() < HEADER_BYTES { Bytes::new() } else { self.bytes.slice(HEADER_BYTES..) }
    }

    /// The whole message.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Takes the next message off `buffer`; none until all of it is there.
pub(crate) fn next(
    buffer: &mut BytesMut,
    peer: Peer,
    kind_of: impl FnOnce(u8) -> Option<Kind>,
) -> Result<Option<Frame>, ProtocolError> {
    let Some(tag) = buffer.first().copied() else { return Ok(None) };
    let refused = |problem| Err(ProtocolError::new(peer, problem));
    let Some(kind) = kind_of(tag) else { return refused(Problem::UnknownType(tag)) };
    let mut header: &[u8] = buffer;
    if header.len() < HEADER_BYTES {
        return Ok(None);
    }
    header.advance(1);
    let word = header.get_u32();
    let length = usize::try_from(word).unwrap_or(usize::MAX);
    if length < LENGTH_BYTES {
        return refused(Problem::Length { message: kind.name, length: word });
    }
    if length - LENGTH_BYTES > kind.limit {
        let length = u64::from(word);
        return refused(Problem::TooLong { message: kind.name, length, limit: kind.limit });
    }
    if buffer.len() <= length {
        // Room for all of it at once; the limit bounds it. A sender that stops here holds that much and no more.
        buffer.reserve((length + 1 - buffer.len()).min(RESERVE_BYTES));
        return Ok(None);
    }
    Ok(Some(Frame { bytes: buffer.split_to(length + 1).freeze() }))
}

/// How much room is made at a time for a message that is not there yet: a length alone costs no memory.
const RESERVE_BYTES: usize = 64 << 10;
