//! Writing messages: a type byte, a length that counts itself, the body ("Message Formats").
//!
//! What cannot be written, because a count or a length does not fit its field, is an error, and leaves nothing behind.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::error::{Peer, Problem, ProtocolError};
use crate::read::Format;

/// The longest message the length word can tell: it is signed.
const MAX_LENGTH: usize = 0x7FFF_FFFF;
/// A length word.
const LENGTH_BYTES: usize = 4;

/// A body being written, and whether all of it fitted.
pub(crate) struct Body<'a> {
    out: &'a mut BytesMut,
    fits: bool,
}

/// Appends a message of type `tag` (none for startup packets), whose body `write` writes.
pub(crate) fn message(
    out: &mut BytesMut,
    (tag, name): (Option<u8>, &'static str),
    peer: Peer,
    write: impl FnOnce(&mut Body<'_>),
) -> Result<(), ProtocolError> {
    let start = out.len();
    if let Some(tag) = tag {
        out.put_u8(tag);
    }
    let length_at = out.len();
    out.put_u32(0);
    let mut body = Body { out, fits: true };
    write(&mut body);
    let fits = body.fits;
    let length = out.len() - length_at;
    let word = u32::try_from(length).ok().filter(|_| fits && length <= MAX_LENGTH);
    if let (Some(word), Some(place)) = (word, out.get_mut(length_at..length_at + LENGTH_BYTES)) {
        place.copy_from_slice(&word.to_be_bytes());
        return Ok(());
    }
    out.truncate(start);
    let problem = Problem::TooLong { message: name, length: length.try_into().unwrap_or(u64::MAX), limit: MAX_LENGTH };
    Err(ProtocolError::new(peer, problem))
}

impl Body<'_> {
    pub(crate) fn u8(&mut self, value: u8) {
        self.out.put_u8(value);
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.out.put_i16(value);
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.out.put_i32(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.out.put_u32(value);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.put_slice(bytes);
    }

    /// A string with its zero byte; one with a zero byte in it does not fit.
    pub(crate) fn string(&mut self, string: &[u8]) {
        self.fits &= memchr::memchr(0, string).is_none();
        self.raw(string);
        self.u8(0);
    }

    pub(crate) fn count(&mut self, count: usize) {
        match u16::try_from(count) {
            Ok(count) => self.out.put_u16(count),
            Err(_) => self.fits = false,
        }
    }

    pub(crate) fn format(&mut self, format: Format) {
        self.out.put_u16(format.code());
    }

    /// A value with its length before it; -1 for none.
    pub(crate) fn value(&mut self, value: Option<&Bytes>) {
        match value.map(|value| (value, i32::try_from(value.len()))) {
            None => self.i32(-1),
            Some((value, Ok(length))) => {
                self.i32(length);
                self.raw(value);
            }
            Some((_, Err(_))) => self.fits = false,
        }
    }
}
